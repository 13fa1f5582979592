#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdzram status has zramctl's columns, with the numbers of mm_stat, for people
# and for programs.
set -eu

fail () { echo "$*"; exit 1; }

# Two disks of a file; the test goes on inside, when both are served.
if [ -z "${inside-}" ]; then
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    script=$0 inside=yes NBDZRAM_CONTROL=$dir/control
    export dir script inside NBDZRAM_CONTROL
    cat > "$dir/conf" <<END
[swap]
disksize = 64M
mem_limit = 32M
[a scratch disk]
disksize = 1G
comp_algorithm = lz4
END
    "$NBDKIT" -U - zram config="$dir/conf" control="$NBDZRAM_CONTROL" \
        --run 'socket="$unixsocket" sh "$script"'
    exit
fi

# 1 MiB that compresses, 256 KiB that do not, 512 KiB of one letter.
{
    seq 1000000 1131071
    head -c 262144 /dev/urandom
    head -c 524288 /dev/zero | tr '\0' y
} > "$dir/data"
nbdcopy "$dir/data" "nbd+unix:///swap?socket=$socket"

columns='NAME DISKSIZE DATA COMPR ALGORITHM STREAMS ZERO-PAGES TOTAL MEM-LIMIT'
columns="$columns MEM-USED MIGRATED COMP-RATIO MOUNTPOINT"

# ---- the table ----

"$NBDZRAM" > "$dir/table"
cat "$dir/table"
[ "$(head -n 1 "$dir/table" | tr -s ' ')" = "$columns" ] ||
    fail "these are not zramctl's columns"
[ "$(wc -l < "$dir/table")" = 3 ] || fail "not a line for each device"
grep -q '^a scratch disk  *1G  *0B .* lz4 ' "$dir/table" ||
    fail "the empty disk of 1G is not there"
grep -q '^swap  *64M  *1.8M .* zstd .* 128 .* 32M ' "$dir/table" ||
    fail "the disk of 64M does not hold 1.8M"

"$NBDZRAM" status > "$dir/again"
cmp "$dir/table" "$dir/again" || fail "nbdzram is not nbdzram status"
"$NBDZRAM" status --noheadings > "$dir/again"
[ "$(wc -l < "$dir/again")" = 2 ] || fail "--noheadings has headings"
"$NBDZRAM" status --noheadings --output NAME 'a scratch disk' > "$dir/again"
[ "$(cat "$dir/again")" = 'a scratch disk' ] || fail "one device is not alone"

# ---- the numbers ----

# shellcheck disable=SC2046 # the columns of mm_stat
set -- $("$NBDZRAM" show swap mm_stat)
[ "$1" = $((1048576 + 262144 + 524288)) ] || fail "orig_data_size is $1"
[ "$6" = 128 ] || fail "same_pages is $6"
list=data,compr,total,mem-limit,mem-used,zero-pages,migrated,disksize,streams
numbers=$("$NBDZRAM" status swap --bytes --raw --noheadings --output "$list")
wanted="$1 $2 $3 $4 $5 $6 $7 67108864 $("$NBDZRAM" show swap max_comp_streams)"
[ "$numbers" = "$wanted" ] || fail "'$numbers' instead of '$wanted'"
[ "$4" = 33554432 ] || fail "mem_limit is $4"
ratio=$(awk "BEGIN { printf \"%.4f\", $1 / $3 }")
[ "$("$NBDZRAM" status swap --raw -n -o COMP-RATIO)" = "$ratio" ] ||
    fail "the ratio is not $ratio"

# ---- JSON ----

# FILTER for jq, which has to give true.
holds () {
    jq -e "$1" "$dir/json" > "$dir/result" ||
        fail "not true: $1: $(cat "$dir/result" "$dir/json")"
}
"$NBDZRAM" --json --bytes > "$dir/json"
holds '.devices | length == 2'
holds '.devices[0].name == "swap" and .devices[1].name == "a scratch disk"'
holds ".devices[0] | .data == $1 and .compr == $2 and .total == $3"
holds ".devices[0] | .[\"mem-limit\"] == $4 and .[\"zero-pages\"] == $6"
holds '.devices[0] | .disksize == 67108864 and .algorithm == "zstd"'
holds '.devices[0].mountpoint == null and .devices[1]["comp-ratio"] == null'
holds ".devices[0] | keys_unsorted ==
    (\"$columns\" | ascii_downcase | split(\" \"))"
"$NBDZRAM" --json > "$dir/json"
holds '.devices[0].disksize == "64M" and .devices[0].streams >= 1'
