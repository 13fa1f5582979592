#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What nbdcopy copies in comes back the same, with the smallest and the largest
# blocks: files, and the memory of a process.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need nbdcopy perl

files_bytes=$((40 << 20))
memory_bytes=$((24 << 20))

make_data () {
    take_files $files_bytes
    take_memory $memory_bytes
}

# round BLOCK-SIZE: a fresh disk, a bit larger than the data and no multiple of
# the block.
round () {
    start_server size=$((bytes + 69632)) block_size="$1"
    quietly nbdcopy "$dir/data" "$uri"
    quietly nbdcopy "$uri" "$dir/back"
    cmp -n "$bytes" "$dir/data" "$dir/back" || fail "what came back differs"
    stop_server
}

make_data > "$dir/data"
bytes=$(size_of "$dir/data")
[ "$bytes" -gt $((memory_bytes + (16 << 20))) ] ||
    fail "only $bytes bytes of data"

for block_size in 4K 64K; do
    check "blocks of $block_size"
    round $block_size
done
