# shellcheck shell=dash disable=SC2154 # hog_mib is the script's
# SPDX-License-Identifier: BSD-3-Clause
# Sourced in the virtual machine by scripts about swap inside of it: on the
# kernel's zram, or on a server that runs in the same memory.  They end with a
# hog on it, which never ends if swap does not go on.

dev=nbd0

# ---- swap on one or the other ----

swap_on_kernel () {     # ALGORITHM
    echo "$1" > /sys/block/zram0/comp_algorithm
    echo 1G > /sys/block/zram0/disksize
    mkswap /dev/zram0
    /bin/swapon --discard -p 100 /dev/zram0
}

# What happens to nbdkit's own memory plugin.
swap_on_stock () {
    # shellcheck disable=SC3045 # busybox has it
    ulimit -s 256
    nbdkit -U /run/socket -P /run/pid memory 1G
    echo -1000 > "/proc/$(cat /run/pid)/oom_score_adj"
    nbd-client -unix /run/socket "/dev/$dev"
    mkswap "/dev/$dev"
    /bin/swapon --discard -p 100 "/dev/$dev"
}

# As nbdzram-swap(7) says.  LINE is a key.
swap_on_ours () {       # ALGORITHM LINE
    printf '%s\n' '[server]' 'threads = 4' '[swap0]' 'disksize = 1G' \
        "comp_algorithm = $1" 'lock_memory = on' "$2" > /etc/nbdzram.conf
    mkdir -p /run/nbdzram
    nbdzram serve 2> /dev/console &
    wait_for "the keeper has a server" keeper_is_ready
    nbdzram attach swap0 "/dev/$dev" --swap
    nbdzram show swap0 safeguards
}

keeper_is_ready () { [ -S /run/nbdzram/control.sock ]; }

# wait_for WHAT COMMAND…
wait_for () {
    wait_what=$1
    shift
    wait_polls=300
    until "$@"; do
        wait_polls=$((wait_polls - 1))
        [ "$wait_polls" -gt 0 ] || fail "in vain: waited until $wait_what"
        sleep 0.1
    done
}

# ---- the server dies ----

# Only what the shell has built in: nothing may have to be loaded when there is
# no memory and no server.

# find_process NAME: sets $process_pid.
find_process () {
    for process_stat in /proc/[0-9]*/stat; do
        read -r process_pid process_name _ 2>/dev/null < "$process_stat" ||
            continue
        [ "$process_name" != "($1)" ] || return 0
    done
    process_pid=
    return 1
}

# Pages that went out or came in.
pages_moved () {
    pages_moved=0
    while read -r pages_name pages_number; do
        case $pages_name in
            pswpin|pswpout) pages_moved=$((pages_moved + pages_number)) ;;
        esac
    done < /proc/vmstat
}

# shellcheck disable=SC3045 # busybox has it
pause () { read -r -t 0.05 _ < /dev/console || :; }

# A moment is when that many more pages have moved.
await_moment () {       # PAGES
    pages_moved
    await_until=$((pages_moved + $1))
    while [ "$pages_moved" -lt "$await_until" ]; do
        pause
        pages_moved
    done
}

# The next server stands by.
await_next () {
    until find_process nbdkit-standby; do
        pause
    done
}

# kill_often TIMES PAGES: the same process is not killed twice, so each but the
# first has been started again after the one before.
kill_often () {
    killed=0
    last=
    while [ "$killed" -lt "$1" ]; do
        await_moment "$2"
        await_next
        if find_process nbdkit && [ "$process_pid" != "$last" ] &&
           kill -9 "$process_pid"; then
            killed=$((killed + 1))
            last=$process_pid
            echo "$killed" > /run/killed
            say_builtin "killed server $last, number $killed"
            [ "$killed" -ne 5 ] || replace_server
        fi
    done
}

# Also a command that has to be read from disk and swapped in.
replace_server () {
    await_next
    nbdzram restart || return
    echo restarted > /run/replaced
    say_builtin "replaced the server"
}

say_builtin () {
    read -r say_seconds _ < /proc/uptime
    echo "$* ($say_seconds s)"
}

# ---- the end ----

# What does not fit into memory went out, and came in to be checked.
end_swap () {
    least=$(((hog_mib - 256) * 256))
    out=$(vmstat pswpout)
    in=$(vmstat pswpin)
    say "$out pages went out, $in came in"
    [ "$out" -ge "$least" ] || fail "less than $least pages went out"
    [ "$in" -ge "$least" ] || fail "less than $least pages came in"
}

end_swap_on_kernel () { end_swap; cat /sys/block/zram0/mm_stat; }
end_swap_on_stock () { end_swap; }

end_swap_on_ours () {   # KILLS
    end_swap
    nbdzram status
    for pid in $(pidof nbdkit nbdkit-standby); do
        grep -E '^(Name|VmLck|VmPTE|VmRSS|Rss|Threads)' "/proc/$pid/status"
    done
    if [ "$1" -gt 0 ]; then
        [ "$(cat /run/killed)" -eq "$1" ] || fail "not killed $1 times"
        [ -e /run/replaced ] || fail "not replaced"
    fi
    nbdzram detach "/dev/$dev"
    nbdzram stop
}
