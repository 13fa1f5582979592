#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# qemu copies an image in, on as qcow2, and finds all three the same.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need jq qemu-img

# On a line each: start, length and whether it is data, of a map.
data_map () {
    qemu-img map --output=json "$@" |
        jq -r '.[] | "\(.start) \(.length) \(.data)"'
}

# 64 MiB: data, a hole of 40 MiB, and data up to the end.
take_text $((12 << 20)) > "$dir/text"
cp "$dir/text" "$dir/raw"
truncate -s 52M "$dir/raw"
cat "$dir/text" >> "$dir/raw"

start_server 64M block_size=16K

check "raw to the disk"
quietly qemu-img convert -n -f raw -O raw "$dir/raw" "$uri"
quietly qemu-img compare -f raw -F raw "$dir/raw" "$uri"

check "its map is that of the image"
same "the map" "$(data_map -f raw "$uri")" "0 $((12 << 20)) true
$((12 << 20)) $((40 << 20)) false
$((52 << 20)) $((12 << 20)) true"

check "the disk to qcow2"
quietly qemu-img convert -f raw -O qcow2 "$uri" "$dir/qcow2"
quietly qemu-img compare -f qcow2 -F raw "$dir/qcow2" "$uri"
quietly qemu-img compare -f qcow2 -F raw "$dir/qcow2" "$dir/raw"

check "compare sees one byte that is not the same"
edit "write -P 0xee 20000001 1"
status=0
qemu-img compare -f raw -F raw "$dir/raw" "$uri" > "$dir/said" || status=$?
same "qemu-img compare's status" $status 1
grep -q 'mismatch at offset' "$dir/said" || fail "it said: $(cat "$dir/said")"

stop_server
