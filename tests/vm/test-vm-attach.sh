#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdzram attach keeps a device connected: file systems and swap on it only wait
# while the server is killed and started again, with one connection, with
# several and with TLS, and programs find all as they left it.  What is in use,
# or would be lost, is not taken away.
set -eu
. "$top_srcdir/tests/vm/vm.sh"

need psktool
vm_begin "$NBDZRAM" ./hog mkswap mkfs.ext4 e2fsck

quietly psktool -u alice -p "$dir/keys"
cp "$dir/keys" "$vm_root/keys"

# ---- the server, which the machine may have killed ----

# Its store is a file in memory, which goes when nobody has it open any more.
(umask 077; : > "/dev/shm/${dir##*/}")
exec 9<> "/dev/shm/${dir##*/}"
rm "/dev/shm/${dir##*/}"
store=/proc/$$/fd/9

# It always has this port, and ends with the watcher below.
port=$((20000 + $$ % 12000))
tls=--tls=off

start_content () {
    rm -f "$dir/pid"
    "$NBDKIT" -f --exit-with-parent -i 127.0.0.1 -p "$port" -P "$dir/pid" \
        "$tls" --tls-psk="$dir/keys" zram 512M store="$store" \
        >> "$dir/log" 2>&1 < /dev/null &
    content=$!
    wait_until "the server is ready" test -s "$dir/pid"
}

stop_content () {
    kill -9 "$content"
    wait "$content" 2> /dev/null || :
}

obey () {               # WORD
    case $1 in
        restart) stop_content; start_content ;;
        stop) stop_content ;;
        start) start_content ;;
        lose) : > "$store"; start_content ;;
        tls) stop_content; tls=--tls=require; start_content ;;
    esac
}

# The machine writes  server WORD NUMBER  to its console, the numbers from 1 on.
watch_console () {
    watch_number=1
    start_content
    while [ -e "$dir/console" ]; do
        watch_word=$(tr -d '\r' < "$dir/console" |
            sed -n "s/^server \([a-z]*\) $watch_number\$/\1/p")
        if [ -z "$watch_word" ]; then
            sleep 0.1
            continue
        fi
        obey "$watch_word"
        watch_number=$((watch_number + 1))
    done
}

: > "$dir/console"
watch_console &
server=$!
is_child=yes

# ---- the machine ----

# To swap takes long here; it is enough if it is not little.
vm_memory_mib=192

vm_run <<'END'
uri=nbd://10.0.2.2:$port
orders=0

# Ask the host; it is not known when that is done.
order () {
    orders=$((orders + 1))
    echo "server $1 $orders"
}

wait_for () {           # WHAT COMMAND…
    wait_what=$1
    shift
    polls=0
    until "$@"; do
        polls=$((polls + 1))
        [ $polls -lt 600 ] || fail "in vain: waited until $wait_what"
        usleep 100000
    done
}

# The kernel says so for each; of an agent's own lines it drops some.
count_connected () { dmesg | grep -c 'nbd0: reconnected socket' || :; }
is_connected_again () { [ "$(count_connected)" -gt "$1" ]; }

restart_server () {
    before=$(count_connected)
    order "${1-restart}"
    wait_for "the agent is connected again" is_connected_again "$before"
}

says () { dmesg | grep -q "nbdzram: nbd0: .*$1"; }

refuses () {            # PATTERN ARGUMENT…
    pattern=$1
    shift
    status=0
    nbdzram "$@" > /tmp/said 2>&1 || status=$?
    cat /tmp/said
    [ "$status" = 1 ] || fail "status $status: $*"
    [ "$(wc -l < /tmp/said)" = 1 ] || fail "not one line: $*"
    grep -q "$pattern" /tmp/said || fail "no '$pattern': $*"
}

is_gone () { [ ! -e /sys/block/nbd0/pid ] && [ ! -e /run/nbdzram/nbd0.pid ]; }

detach_it () {
    nbdzram detach /dev/nbd0 || fail "it is not detached"
    is_gone || fail "still attached"
    if grep nbd0 /proc/mounts /proc/swaps; then fail "still in use"; fi
}

write_all_the_time () {
    while [ -e /tmp/write ]; do
        dd if=/mnt/numbers of=/mnt/copy bs=64k conv=fsync 2> /dev/null
        echo 1 > /proc/sys/vm/drop_caches
        cmp /mnt/numbers /mnt/copy || return 1
    done
}

# An agent has had all memory that it ever needs: it goes on without a fault.
agent_faults () {
    awk '{ print $10 + $12 }' "/proc/$(cat /run/nbdzram/nbd0.pid)/stat"
}

# On a file system with these numbers.
restart_under_writer () {
    faults=$(agent_faults)
    : > /tmp/write
    write_all_the_time &
    writer=$!
    for i in 1 2 3; do
        restart_server
    done
    rm /tmp/write
    wait $writer || fail "the writer failed"
    [ "$(agent_faults)" = "$faults" ] ||
        fail "the agent had $(agent_faults) page faults instead of $faults"
    echo 3 > /proc/sys/vm/drop_caches
    [ "$(sha256sum < /mnt/numbers)" = "$sum" ] || fail "other numbers"
}

say "a file system"
nbdzram attach "$uri" /dev/nbd0 --mkfs ext4 --mount /mnt
grep -q '^/dev/nbd0 /mnt ext4 .*discard' /proc/mounts ||
    fail "not mounted: $(cat /proc/mounts)"
[ "$(cat /sys/block/nbd0/backend)" = "$uri" ] || fail "another backend"
[ "$(cat /sys/block/nbd0/queue/logical_block_size)" = 4096 ] ||
    fail "blocks of another size"
seq 1 300000 > /mnt/numbers
sum=$(sha256sum < /mnt/numbers)
restart_under_writer

say "in use"
refuses 'keeps it' attach "$uri" /dev/nbd0
(cd /mnt; exec sleep 1000) &
sleeper=$!
refuses 'cannot unmount /mnt' detach /dev/nbd0
kill $sleeper
wait $sleeper || :
kill "$(cat /run/nbdzram/nbd0.pid)"
wait_for "the agent refuses to end" says 'it stays attached'

say "an agent dies, and then the server"
kill -9 "$(cat /run/nbdzram/nbd0.pid)"
refuses 'attached or in use' attach "$uri/" /dev/nbd0
order stop
order start
before=$(count_connected)
nbdzram attach "$uri" /dev/nbd0 --mount /mnt
wait_for "the new agent is connected" is_connected_again "$before"
restart_under_writer
detach_it
refuses 'not attached' detach /dev/nbd0

say "several connections"
nbdzram attach "$uri" nbd0 -C 3 --timeout 2s --mount /mnt
[ "$(sha256sum < /mnt/numbers)" = "$sum" ] || fail "other numbers"
restart_under_writer
detach_it
# That requests time out is how they come to be sent again here.
kernel_said=$(dmesg -c | grep -v 'Connection timed out, retrying')
if echo "$kernel_said" | grep -E 'I/O error|EXT4-fs (error|warning)|BUG:'; then
    fail "the kernel complains"
fi

say "what is there"
refuses 'holds ext4 already' attach "$uri" /dev/nbd0 --swap
refuses 'holds ext4 already' attach "$uri" /dev/nbd0 --mkfs ext4
is_gone || fail "attached in spite of that"
refuses 'Connection refused' attach nbd://10.0.2.2:1 /dev/nbd0
refuses 'no program mkfs.nothing' attach "$uri" /dev/nbd0 --mkfs nothing
nbdzram attach "$uri" nbd0
/bin/e2fsck -fn /dev/nbd0 || fail "the file system is damaged"
exec 3< /dev/nbd0
refuses "in use by process" detach /dev/nbd0
exec 3<&-
detach_it

say "lost content, in the foreground"
nbdzram attach "$uri" nbd0 --foreground 2> /tmp/agent &
agent=$!
wait_for "it is attached" grep -q . /sys/block/nbd0/pid
# By then it knows what is on the disk.
agent_is_alone () { [ "$(pidof nbdzram)" = "$agent" ]; }
wait_for "the agent is alone" agent_is_alone
order stop
wait_for "the connection is lost" grep -q 'is lost' /tmp/agent
connected=$(count_connected)
order lose
wait_for "the agent finds out" grep -q 'lost its content' /tmp/agent
[ "$(count_connected)" = "$connected" ] || fail "connected in spite of that"
kill $agent
wait $agent || fail "the agent ended with status $?"
is_gone || fail "still attached"

say "swap"
nbdzram attach "$uri" /dev/nbd0 --swap -p 7 2> /tmp/said
cat /tmp/said /proc/swaps
grep -q 'hint: vm.swappiness is 60' /tmp/said || fail "no hint"
grep -q '^/dev/nbd0 .*[[:blank:]]7$' /proc/swaps || fail "no such swap"
echo 1 > /proc/sys/vm/overcommit_memory
has_swapped_more () { [ "$(vmstat pswpout)" -ge $(($1 + 1000)) ]; }
mib=$(awk '/^MemAvailable:/ { print int ($2 / 1024) + 24 }' /proc/meminfo)
hog "$mib" ahead &
hog=$!
for i in 1 2 3; do
    before=$(vmstat pswpout)
    wait_for "some pages are out" has_swapped_more "$before"
    restart_server
done
wait $hog || fail "the hog failed"
say "the end of swap"
detach_it

say "TLS"
order tls
uri="nbds://alice@10.0.2.2:$port/?tls-psk-file=/keys"
for i in 1 2 3 4 5 6 7 8 9 10; do
    nbdzram attach "$uri" /dev/nbd0 --mkfs ext4 --mount /mnt --force && break
    usleep 500000
done
seq 1 300000 > /mnt/numbers
restart_under_writer
detach_it
END

kill "$server"
