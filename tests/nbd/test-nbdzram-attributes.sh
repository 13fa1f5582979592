#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdzram shows and sets attributes of a running server, and says in the server's
# words what went wrong.
set -eu

fail () { echo "$*"; exit 1; }

if [ -z "${inside-}" ]; then
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    script=$0 inside=yes NBDZRAM_CONTROL=$dir/control
    export dir script inside NBDZRAM_CONTROL
    "$NBDKIT" -U - zram 64M control="$NBDZRAM_CONTROL" \
        --run 'uri="$uri" sh "$script"'
    exit
fi

# ATTRIBUTE has this VALUE.
expect () {
    found=$("$NBDZRAM" show "$1")
    [ "$found" = "$2" ] || fail "$1 is '$found' instead of '$2'"
}

# PATTERN, then words that fail with status 1 and one line like this.
refuse () {
    pattern=$1
    shift
    echo "nbdzram $*" | cut -c 1-100
    status=0
    "$NBDZRAM" "$@" > "$dir/out" 2> "$dir/err" || status=$?
    [ "$status" = 1 ] || fail "the status is $status"
    [ "$(wc -l < "$dir/err")" = 1 ] || fail "not one line: $(cat "$dir/err")"
    grep -q "$pattern" "$dir/err" || fail "no '$pattern': $(cat "$dir/err")"
}

# ---- show ----

expect disksize 67108864
[ "$("$NBDZRAM" show zram disksize)" = 67108864 ] || fail "the name is minded"
[ "$("$NBDZRAM" show zram disksize initstate)" = 'disksize: 67108864
initstate: 1' ] || fail "two attributes do not say which is which"

# Without a name, all that can be read; of some the lines are counted.
"$NBDZRAM" show > "$dir/all"
grep -qx 'disksize: 67108864' "$dir/all" || fail "$(cat "$dir/all")"
grep -q '^mm_stat:  *0  *0 ' "$dir/all" || fail "$(cat "$dir/all")"
[ "$(grep -c '^debug_stat: ' "$dir/all")" = 2 ] || fail "$(cat "$dir/all")"
if grep -Eq '^(reset|recompress|block_state|classes):' "$dir/all"; then
    fail "$(cat "$dir/all")"
fi

# A line for each of 8192 blocks, in more pieces than one.
seq 1000000 5194303 > "$dir/data"
nbdcopy "$dir/data" "$uri"
lines=$("$NBDZRAM" show block_state | wc -l)
[ "$lines" = 8192 ] || fail "block_state has $lines lines"
lines=$("$NBDZRAM" show block_state disksize | grep -c '^block_state: ')
[ "$lines" = 8192 ] || fail "block_state has $lines lines beside another"

refuse "zram: bogus: ENOENT " show bogus
refuse "zram: bogus: ENOENT " show zram disksize bogus
[ "$(cat "$dir/out")" = 'disksize: 67108864' ] || fail "$(cat "$dir/out")"
refuse "zram: reset: EACCES " show zram reset

# ---- set ----

"$NBDZRAM" set zram mem_limit=48M > "$dir/out"
[ ! -s "$dir/out" ] || fail "set has something to say"
[ "$("$NBDZRAM" status --raw -n -o MEM-LIMIT)" = 48M ] || fail "no limit of 48M"
"$NBDZRAM" set mem_limit=0 comp_algorithm=lz4 \
    'recomp_algorithm=algo=zstd priority=1'
[ "$("$NBDZRAM" status --raw -n -o MEM-LIMIT)" = 0B ] || fail "still a limit"
[ "$("$NBDZRAM" status --raw -n -o ALGORITHM)" = lz4 ] || fail "it is not lz4"
"$NBDZRAM" show recomp_algorithm | grep -q '#1:.*\[zstd\]' ||
    fail "the value with a blank was not set"

refuse "zram: mem_limit: EINVAL .*'lots'" set mem_limit=lots
refuse "zram: mm_stat: EACCES " set mm_stat=0
refuse "zram: bogus: ENOENT " set zram bogus=1
refuse "there is no device 'other'" set other mem_limit=0
refuse 'a request is one line' set 'mem_limit=1G
store zram reset 1'
refuse 'a request has at most' set "backing_dev=$(printf %05000d 0)"
expect disksize 67108864

# The first failure is the last.
refuse "zram: bogus: ENOENT " set mem_limit=1G bogus=1 mem_limit=2G
[ "$("$NBDZRAM" status --raw -n -o MEM-LIMIT)" = 1G ] || fail "not in order"
