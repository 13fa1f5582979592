#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Each signal that ends nbdkit ends the server with status 0, also while a
# client writes, and nothing of it stays but nbdkit's socket and pid file.
#
# nbdkit waits for clients that are connected and say nothing: it ends when they
# have gone.  With several threads for a connection that breaks, nbdkit 1.32 can
# abort in one that still wants to reply ("sock >= 0"), so there is one for each
# of nbdcopy's connections.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need nbdcopy nbdinfo pgrep qemu-io
"$NBDKIT" --dump-plugin pattern > "$dir/found" 2>&1 ||
    skip "nbdkit has no plugin pattern"

# One that stays connected: commands go in through descriptor 3.
connect_idle_client () {
    rm -f "$dir/fifo"
    mkfifo "$dir/fifo"
    qemu-io -f raw "$uri" < "$dir/fifo" > "$dir/client" 2>&1 &
    client=$!
    exec 3> "$dir/fifo"
    echo "write -P 0x42 0 1M" >&3
    wait_until "a client has written" grep -q wrote "$dir/client"
}

# One that writes much more than it can until the end.
connect_busy_client () {
    nbdcopy -- [ "$NBDKIT" --exit-with-parent pattern 1T ] "$uri" \
        > "$dir/client" 2>&1 < /dev/null &
    client=$!
    wait_until "a client has written" is_written
}

is_written () {
    nbdinfo --map "$uri" | head -n 1 | grep -q '^ *0  *[0-9]*  *0 '
}

require_nothing_left () {
    if answers; then
        fail "something answers"
    fi
    left=$(pgrep -f "$socket" || :)
    same "the processes left" "$left" ""
    # Some versions of nbdkit may remove these.
    rm -f "$socket" "$dir/pid" "$dir/fifo"
    rm -f "$dir/client" "$dir/found"
    same "the files" "$(ls -A "$dir")" "log
said"
}

for signal in INT TERM QUIT HUP; do
    check "SIG$signal without a client"
    start_server 64M
    kill -s $signal "$server"
    await_server
    require_nothing_left

    check "SIG$signal while a client is idle, which then goes"
    start_server 64M
    connect_idle_client
    kill -s $signal "$server"
    exec 3>&-
    wait "$client" || :
    await_server
    same "what the server said" "$(cat "$dir/log")" ""
    require_nothing_left

    check "SIG$signal while a client writes"
    start_nbdkit --threads=1 zram 1T mem_limit=512M
    connect_busy_client
    kill -s $signal "$server"
    await_server
    if wait "$client"; then
        fail "the client did not notice: $(cat "$dir/client")"
    fi
    require_nothing_left
done
