#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Blocks that only a dictionary makes smaller fit into little memory with
# dict=FILE, and come back the same.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need nbdcopy nbdinfo

mib=16
disk="${mib}M mem_limit=8M"

# A dictionary of noise, and a disk full of it.
take_noise $((32 << 10)) > "$dir/dict"
for _ in $(seq $((mib << 5))); do
    cat "$dir/dict"
done > "$dir/data"
same "the bytes of data" "$(size_of "$dir/data")" $((mib << 20))

for algorithm in zstd lz4; do
    check "$algorithm has no room for them without a dictionary"
    # shellcheck disable=SC2086 # two words
    start_server $disk comp_algorithm=$algorithm
    # One request at a time: a client that gives up with more of them under way
    # can end nbdkit 1.32 ("sock >= 0").
    if nbdcopy --synchronous "$dir/data" "$uri" > "$dir/said" 2>&1; then
        fail "$algorithm makes noise smaller"
    fi
    grep -q 'No space left on device' "$dir/said" ||
        fail "nbdcopy said: $(cat "$dir/said")"
    stop_server

    check "with it, $algorithm has"
    # shellcheck disable=SC2086 # two words
    start_server $disk comp_algorithm=$algorithm \
        algorithm_params="level=1 dict=$dir/dict"
    quietly nbdcopy "$dir/data" "$uri"
    quietly nbdcopy "$uri" "$dir/back"
    cmp "$dir/data" "$dir/back" || fail "what came back differs"
    stop_server
done

check "a dictionary that is not there, or empty, is an error"
refuses "command line: algorithm_params: No such file or directory:\
 'dict=$dir/none'" 1M algorithm_params="dict=$dir/none"
: > "$dir/empty"
refuses "command line: algorithm_params: the dictionary is empty:\
 'dict=$dir/empty'" 1M algorithm_params="dict=$dir/empty"
printf '[a]\ndisksize = 1M\nalgorithm_params = dict=%s\n' "$dir/none" \
    > "$dir/conf"
refuses "$dir/conf:3: algorithm_params: No such file or directory:\
 'dict=$dir/none'" config="$dir/conf"

check "and so is one for an algorithm that takes none"
for algorithm in $(algorithms | grep -owE 'lzo|deflate'); do
    refuses "command line: algorithm_params: this algorithm takes no\
 dictionary: 'dict=$dir/dict'" \
        1M comp_algorithm="$algorithm" algorithm_params="dict=$dir/dict"
done
