#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A server with a reserve, in the foreground and as a daemon: what it is filled
# and emptied with comes back, and the reserve is there before and after.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need nbdcopy qemu-io

reserve=$((8 << 20))

# ready: what debug_stat says is kept for requests.
ready () {
    "$NBDZRAM" --control="$dir/control" show zram debug_stat |
        sed -n 's/^reserve_bytes: //p'
}

has_reserve () { [ "$(ready)" -ge $reserve ]; }
has_no_surplus () { [ "$(ready)" -le $((2 * reserve)) ]; }

use_disk () {
    check "the reserve is there at the start"
    has_reserve || fail "$(ready) bytes are ready"
    check "the disk fills, and what was written comes back"
    quietly nbdcopy "$dir/noise" "$uri"
    quietly nbdcopy "$uri" "$dir/back"
    cmp "$dir/noise" "$dir/back" || fail "what came back differs"
    wait_until "the reserve is full again" has_reserve
    check "surplus goes back"
    edit "discard 0 32M"
    wait_until "the surplus is gone" has_no_surplus
    has_reserve || fail "$(ready) bytes are ready"
}

take_noise $((32 << 20)) > "$dir/noise"

start_server 32M reserve=$reserve control="$dir/control"
use_disk
stop_server
start_daemon 32M reserve=$reserve control="$dir/control"
use_disk
end_daemon TERM

check "what does not go together is refused"
refuses "command line: reserve: larger than the disk: '2M'" 1M reserve=2M
refuses "command line: reserve: not together with use_dedup: '1M'" \
    16M reserve=1M use_dedup=1
