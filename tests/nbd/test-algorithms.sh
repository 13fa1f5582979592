#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# With each algorithm that is compiled in and each block size, what nbdcopy
# copies in comes back the same, whether it compresses well or not at all.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need jq nbdcopy nbdinfo perl

make_data () {
    take_files $((2 << 20))
    take_memory $((1 << 20))
    take_text 300001
    take_noise 200000
}

description () { nbdinfo --json "$uri" | jq -r '.exports[0].description'; }

# round ALGORITHM KIB: a fresh disk.
round () {
    start_server 8M comp_algorithm="$1" block_size="$2K"
    same "the description" "$(description)" \
        "compressed RAM disk, $1, blocks of $(($2 << 10)) bytes"
    quietly nbdcopy "$dir/data" "$uri"
    quietly nbdcopy "$uri" "$dir/back"
    cmp -n "$bytes" "$dir/data" "$dir/back" || fail "what came back differs"
    stop_server
}

make_data > "$dir/data"
bytes=$(size_of "$dir/data")
[ "$bytes" -gt $((2 << 20)) ] || fail "only $bytes bytes of data"

names=$(algorithms)
for expected in zstd lz4 lz4hc; do
    case " $names " in *" $expected "*) ;; *)
        fail "$expected is not compiled in: '$names'"
    esac
done
for algorithm in $names; do
    check "$algorithm"
    for kib in 4 8 16 32 64; do
        round "$algorithm" $kib
    done
done
