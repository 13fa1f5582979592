#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdzram marks blocks idle, recompresses, writes back, compacts and resets, and
# says what came of it with the numbers that the device has.
set -eu

fail () { echo "$*"; exit 1; }

if [ -z "${inside-}" ]; then
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    script=$0 inside=yes NBDZRAM_CONTROL=$dir/control
    export dir script inside NBDZRAM_CONTROL
    "$NBDKIT" -U - zram 64M comp_algorithm=lz4 control="$NBDZRAM_CONTROL" \
        --run 'uri="$uri" sh "$script"'
    exit
fi

# Words of a command that says nothing.
quietly () {
    echo "nbdzram $*"
    said=$("$NBDZRAM" "$@" 2>&1) || fail "it fails: $said"
    [ -z "$said" ] || fail "it says: $said"
}

# How many blocks have this letter in block_state.
count () {
    "$NBDZRAM" show block_state | awk -v letter="$1" \
        'index ($3, letter) { n++ } END { print n + 0 }'
}
expect () {     # LETTER NUMBER
    [ "$(count "$1")" = "$2" ] || fail "$(count "$1") blocks are $1, not $2"
}

cell () { "$NBDZRAM" status --raw -n -o "$1"; }
number () { "$NBDZRAM" status --raw -n -b -o "$1"; }

# 256 blocks that compress, 64 that do not.
seq 1000000 1131071 > "$dir/data"
head -c 262144 /dev/urandom >> "$dir/data"
nbdcopy "$dir/data" "$uri"

# ---- idle ----

expect i 0
quietly idle
expect i 320
quietly idle 1d
expect i 0
quietly idle zram all
expect i 320
quietly idle zram 2h
expect i 0
status=0
"$NBDZRAM" idle other 2> "$dir/err" || status=$?
[ "$status" = 1 ] || fail "idle other has the status $status"
grep -q "there is no device 'other'" "$dir/err" || fail "$(cat "$dir/err")"

# ---- recompress ----

# A priority without an algorithm.
status=0
"$NBDZRAM" recompress > "$dir/out" 2> "$dir/err" || status=$?
[ "$status" = 1 ] || fail "recompress without algorithms: status $status"
grep -q 'zram: recompress: EINVAL ' "$dir/err" || fail "$(cat "$dir/err")"
[ ! -s "$dir/out" ] || fail "nothing was done, but: $(cat "$dir/out")"

quietly set 'recomp_algorithm=algo=zstd priority=1'
compr=$(cell COMPR) bytes=$(number COMPR) total=$(cell TOTAL)
# The largest come first: the 64 huge ones are tried, and stay.
said=$("$NBDZRAM" recompress --threshold=1K --max-pages=100)
expect r 36
[ "$(number COMPR)" -lt "$bytes" ] || fail "COMPR is not less: $said"
wanted="zram: compressed data $compr -> $(cell COMPR)"
wanted="$wanted, memory $total -> $(cell TOTAL)"
[ "$said" = "$wanted" ] || fail "'$said' instead of '$wanted'"
"$NBDZRAM" recompress zram algo=zstd
expect r 256
expect n 64

# ---- compact ----

# shellcheck disable=SC2046 # the columns of mm_stat
set -- $("$NBDZRAM" show mm_stat)
total=$(cell TOTAL)
said=$("$NBDZRAM" compact)
migrated=$(($(number MIGRATED) - $7))
wanted="zram: memory $total -> $(cell TOTAL), pages freed: $migrated"
[ "$said" = "$wanted" ] || fail "'$said' instead of '$wanted'"

# ---- writeback ----

status=0
"$NBDZRAM" writeback --type=huge > "$dir/out" 2> "$dir/err" || status=$?
[ "$status" = 1 ] || fail "writeback without a file: status $status"
grep -q 'zram: writeback: ENODEV ' "$dir/err" || fail "$(cat "$dir/err")"

quietly set backing_size=16M backing_dev="$dir/backing"
total=$(cell TOTAL)
said=$("$NBDZRAM" writeback --type=huge)
expect w 64
# shellcheck disable=SC2046 # the columns of bd_stat, in units of 4 KiB
set -- $("$NBDZRAM" show bd_stat)
[ "$1" -ge 64 ] || fail "64 blocks take only $1 pages of the file"
wanted="zram: backing file 0B -> $(($1 * 4))K, memory $total -> $(cell TOTAL)"
[ "$said" = "$wanted" ] || fail "'$said' instead of '$wanted'"
"$NBDZRAM" writeback --page-index=7 --page-index 9 --page-indexes=20-29
expect w 76
"$NBDZRAM" writeback zram page_indexes=0-1
expect w 78

# ---- reset ----

quietly reset
[ "$(number DISKSIZE)" = 0 ] || fail "the disk still has a size"
[ "$(number DATA)" = 0 ] || fail "there is still something on it"
