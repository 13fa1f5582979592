#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A sparse file of 1 GiB stays sparse on the disk and on the way back.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need jq nbdcopy nbdinfo

# put MIB: two MiB of data there.
put () {
    dd if="$dir/data" of="$dir/sparse" bs=1M seek="$1" conv=notrunc \
        status=none
}

take_text $((2 << 20)) > "$dir/data"
truncate -s 1G "$dir/sparse"
put 0
put 511
put 1022

start_server 1G
quietly nbdcopy "$dir/sparse" "$uri"

check "the disk has data and holes where the file has them"
map=$(nbdinfo --map --json "$uri" |
    jq -r '.[] | "\(.offset / 1048576) \(.length / 1048576) \(.type)"')
same "the map in MiB" "$map" "0 2 0
2 509 3
511 2 0
513 509 3
1022 2 0"

check "what comes back is the same, and sparse too"
quietly nbdcopy "$uri" "$dir/back"
cmp "$dir/sparse" "$dir/back"
kib=$(du -k "$dir/back" | cut -f 1)
[ "$kib" -le $((16 << 10)) ] || fail "the copy takes $kib KiB"

stop_server
