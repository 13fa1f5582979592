#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdzram attach keeps a device connected: a file system and swap on it only
# wait while the server is killed and started again, and programs find all as
# they left it.  What is in use, or would be lost, is not taken away.
set -eu
. "$top_srcdir/tests/vm/vm.sh"

vm_begin "$NBDZRAM" ./hog mkswap mkfs.ext4 e2fsck

# ---- the server, which the machine may have killed ----

# It is started by the watcher below, ends with it, and always has this port.
truncate -s 1G "$dir/content"
start_content () {
    rm -f "$dir/pid"
    "$NBDKIT" -f --exit-with-parent -i 127.0.0.1 -p "$port" -P "$dir/pid" \
        file "$dir/content" >> "$dir/log" 2>&1 < /dev/null &
    server=$!
    wait_until "the server is ready" is_ready
}

kill_content () {
    kill -9 "$server"
    wait "$server" || :
}

# The machine writes  server WORD NUMBER  to its console, the numbers from 1 on.
watch_console () {
    watch_number=0
    start_content
    while :; do
        watch_wanted=$(tr -d '\r' < "$dir/console" | grep -a \
            "^server [a-z]* $((watch_number + 1))\$" || :)
        case $watch_wanted in
            '') sleep 0.1; continue ;;
            *restart*) kill_content; start_content ;;
            *stop*) kill_content ;;
            *empty*) truncate -s 0 "$dir/content"
                truncate -s 1G "$dir/content"; start_content ;;
            *start*) start_content ;;
        esac
        watch_number=$((watch_number + 1))
        echo "$watch_wanted: done" >> "$dir/log"
    done
}

port=$((20000 + $$ % 12000))
: > "$dir/console"
watch_console &
server=$!
is_child=yes

vm_run <<'END'
[ -d /run ] || { rm /run; mkdir /run; }
uri=nbd://10.0.2.2:$port
orders=0

# Ask the host; it is not known when that is done.
order () {
    orders=$((orders + 1))
    echo "server $1 $orders"
}

wait_for () {           # WHAT COMMAND...
    wait_what=$1
    shift
    polls=0
    until "$@"; do
        polls=$((polls + 1))
        [ $polls -lt 600 ] || fail "in vain: waited until $wait_what"
        usleep 100000
    done
}

# The kernel says so for each; the agent's own lines may be too many for it.
count_connected () { dmesg | grep -c 'nbd0: reconnected socket' || :; }
is_connected_again () { [ "$(count_connected)" -gt "$1" ]; }

restart_server () {
    before=$(count_connected)
    order restart
    wait_for "the agent is connected again" is_connected_again "$before"
}

expect_status () {      # STATUS PATTERN COMMAND...
    wanted=$1
    pattern=$2
    shift 2
    status=0
    "$@" > /tmp/said 2>&1 || status=$?
    cat /tmp/said
    [ "$status" = "$wanted" ] || fail "status $status: $*"
    [ "$(wc -l < /tmp/said)" = 1 ] || fail "not one line: $*"
    grep -q "$pattern" /tmp/said || fail "no '$pattern': $*"
}
refuses () { pattern=$1; shift; expect_status 1 "$pattern" nbdzram "$@"; }

has_swapped_more () { [ "$(vmstat pswpout)" -ge $(($1 + 2000)) ]; }

is_gone () {
    [ ! -e /sys/block/nbd0/pid ] && [ ! -e /run/nbdzram/nbd0.pid ]
}

say "a file system"
nbdzram attach "$uri" /dev/nbd0 --mkfs ext4 --mount /mnt
cat /run/nbdzram/nbd0.pid /sys/block/nbd0/backend
mount | grep nbd0
seq 1 300000 > /mnt/numbers
sum=$(sha256sum < /mnt/numbers)
restart_server
say "one restart"
ps | grep nbdzram

refuses 'keeps it' attach "$uri" /dev/nbd0
(cd /mnt; exec sleep 1000) &
sleeper=$!
refuses 'cannot unmount /mnt' detach /dev/nbd0
kill $sleeper
wait $sleeper || :

: > /tmp/write
(while [ -e /tmp/write ]; do
    dd if=/mnt/numbers of=/mnt/copy bs=64k conv=fsync 2> /dev/null
    cmp /mnt/numbers /mnt/copy || exit 1
done) &
writer=$!
for i in 1 2 3; do
    restart_server
done
rm /tmp/write
wait $writer || fail "the writer failed"
say "three restarts under a writer"
echo 3 > /proc/sys/vm/drop_caches
[ "$(sha256sum < /mnt/numbers)" = "$sum" ] || fail "other numbers"
nbdzram detach nbd0
is_gone || fail "still attached"
if grep nbd0 /proc/mounts; then fail "still mounted"; fi

say "what is there"
refuses 'holds ext4 already' attach "$uri" /dev/nbd0 --swap
is_gone || fail "attached in spite of that"
refuses 'holds ext4 already' attach "$uri" /dev/nbd0 --mkfs ext4
is_gone || fail "attached in spite of that"
/bin/nbdzram attach "$uri" nbd1 --mount /mnt
[ "$(sha256sum < /mnt/numbers)" = "$sum" ] || fail "other numbers"
nbdzram detach /dev/nbd1
/bin/nbdzram attach "$uri" nbd0
/bin/e2fsck -fn /dev/nbd0 || fail "the file system is damaged"
exec 3< /dev/nbd0
refuses "in use by process" detach /dev/nbd0
exec 3<&-
nbdzram detach /dev/nbd0
refuses 'not attached' detach /dev/nbd0
refuses 'Connection refused' attach nbd://10.0.2.2:1 /dev/nbd0
refuses 'no program mkfs.nothing' attach "$uri" /dev/nbd0 --mkfs nothing

say "swap"
nbdzram attach "$uri" /dev/nbd0 --swap --force
cat /proc/swaps
echo 1 > /proc/sys/vm/overcommit_memory
hog $(($(awk '/^MemAvailable:/ { print int ($2 / 1024) }' /proc/meminfo) + 32)) &
hog=$!
for i in 1 2 3; do
    before=$(vmstat pswpout)
    wait_for "some pages are out" has_swapped_more "$before"
    restart_server
done
wait $hog || fail "the hog failed"
nbdzram detach /dev/nbd0
is_gone || fail "still attached"
[ "$(wc -l < /proc/swaps)" -eq 1 ] || fail "still swap: $(cat /proc/swaps)"
END
kill $server
