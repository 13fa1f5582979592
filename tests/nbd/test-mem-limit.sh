#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# At the limit a write gets ENOSPC, all that was written before stays, and what
# is trimmed makes room again.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need nbdcopy nbdinfo qemu-io

# refuses_write COMMAND: of qemu-io.
refuses_write () {
    if qemu-io -f raw -c "$1" "$uri" > "$dir/said" 2>&1; then
        fail "there is room for: $1"
    fi
    same "qemu-io's answer" "$(cat "$dir/said")" \
        "write failed: No space left on device"
}

# The text was written first.
keeps () {
    quietly nbdcopy "$uri" "$dir/back"
    cmp -n $((1 << 20)) "$dir/text" "$dir/back" ||
        fail "the old content is not there"
}

take_text $((1 << 20)) > "$dir/text"
take_noise $((8 << 20)) > "$dir/noise"

start_server 64M mem_limit=6M
edit "write -s $dir/text 0 1M"

check "the device fills"
refuses_write "write -s $dir/noise 16M 8M"
grep -q ': error: zram: block [0-9]*: cannot store it: .*memory limit' \
    "$dir/log" || fail "the server did not say which block"
keeps

check "a write over what is there is refused, and leaves it"
refuses_write "write -s $dir/noise 0 4k"
keeps

check "what takes less memory than before can be written all the same"
edit "write -P 0x42 0 512k" "write -z 512k 512k"
edit "read -P 0x42 0 512k" "read -P 0 512k 512k"

check "what is trimmed makes room"
edit "discard 16M 8M"
edit "write -s $dir/noise 16M 4M"
quietly nbdcopy "$uri" "$dir/back"
cmp -n $((4 << 20)) -i 0:$((16 << 20)) "$dir/noise" "$dir/back" ||
    fail "what came back differs"
stop_server
