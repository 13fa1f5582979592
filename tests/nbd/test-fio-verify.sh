#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Four jobs of fio, each 16 requests deep, write and trim pieces of 512 bytes to
# 128 KiB at random, and find their checksums again, on other connections too.
#
# Each job has a part of the disk.  Requests of a job that overlap are sent one
# after the other, as NBD promises no order between those in flight.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need fio jq nbdinfo

jobs=4
job_mib=24
distance_mib=32

# fio_run SEED OPTION…: leaves the sums of all jobs in $dir/sums.
fio_run () {
    run_seed=$1
    shift
    # Its report of the job's state would lie in the current directory.
    (cd "$dir" && fio --name=job --ioengine=nbd --uri="$uri" --thread \
        --numjobs=$jobs --size=${job_mib}M \
        --offset_increment=${distance_mib}M --iodepth=16 \
        --serialize_overlap=1 --bsrange=512-128k --blockalign=512 \
        --randseed="$run_seed" --verify=crc32c --verify_fatal=1 \
        --verify_state_save=0 --buffer_compress_percentage=65 \
        --group_reporting --output-format=json --output=report "$@") \
        > "$dir/said" 2>&1 ||
        fail "fio $*: $(cat "$dir/said")"
    # In front of the report there may be notes.
    sed -n '/^{/,$p' "$dir/report" |
        jq -r '.jobs[0] | "\(.error) \(.read.total_ios) " +
            "\(.write.total_ios) \(.write.io_bytes) \(.trim.total_ios)"' \
        > "$dir/sums"
    read -r error reads writes write_bytes trims < "$dir/sums"
    same "fio's error" "$error" 0
}

require_verified () {
    [ "$reads" -gt 1000 ] || fail "fio verified only $reads pieces"
    same "the number of verified pieces" "$reads" "$writes"
}

# verify_random ARGUMENT…: of the server.
verify_random () {
    start_server $((jobs * distance_mib))M "$@"

    check "random writes"
    fio_run 1 --rw=randwrite
    require_verified
    same "bytes written" "$write_bytes" $((jobs * job_mib << 20))

    check "random writes over them"
    fio_run 2 --rw=randwrite
    require_verified

    check "the same on other connections, reading only"
    before=$(nbdinfo --map "$uri")
    fio_run 2 --rw=randwrite --verify_only
    require_verified
    same "the map" "$(nbdinfo --map "$uri")" "$before"

    check "random trims, each written afterwards"
    fio_run 3 --rw=randtrimwrite
    same "the number of verified pieces" "$reads" "$writes"
    [ "$trims" -gt 1000 ] || fail "fio made only $trims trims"
    fio_run 3 --rw=randtrimwrite --verify_only
    same "the number of verified pieces" "$reads" "$writes"

    stop_server
}

check "the default algorithm and blocks"
verify_random
check "lz4 and blocks of 64K"
verify_random comp_algorithm=lz4 block_size=64K
