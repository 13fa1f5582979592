#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# With lock_memory=on the next server stands by while one serves, with what it
# needs in memory; it goes on when that one dies, and whatever happens to the
# one that stands by, the one that serves goes on.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
. "$top_srcdir/tests/nbd/keeper.sh"
need nbdcopy nbdinfo

disk="nbd+unix:///disk?socket=$socket"
take_text 20000000 > "$dir/data"
require_content () {
    quietly nbdcopy "$disk" "$dir/back"
    cmp -n 20000000 "$dir/data" "$dir/back" || fail "content is lost"
}

memory_of () {
    sed -n "s/^$2:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$1/status"
}

# has_mapped PROCESS: a disk's memory.
has_mapped () { grep -q '/SYSV\|memfd:' "/proc/$1/maps"; }

# tells TEXT: of the next server, whoever serves.
tells () {
    "$NBDZRAM" --control="$control" show disk safeguards > "$dir/lines" &&
        grep -qx "next_server $1" "$dir/lines"
}

write_conf
sed -i 's/^\[disk\]/&\nlock_memory = on/' "$conf"
start_keeper
quietly nbdcopy "$dir/data" "$disk"

check "one serves, and one stands by"
await_standby
serving=$(serving) next=$(standing_by)
same "the starts" "$(nr_starts)" 2
has_mapped "$serving" || fail "the one that serves has no disk"
! has_mapped "$next" || fail "the one that stands by has a disk"
tells "yes process $next" || fail "it is not told of: $(cat "$dir/lines")"
if [ "$(id -u)" = 0 ] && ! has_sanitizer; then
    locked=$(memory_of "$next" RssAnon)
    echo "  in memory: $locked KiB"
    [ "$locked" -ge 6144 ] || fail "there is less than it needs"
    swappable=$(awk '/^Rss:/ { rss = $2 } /^Anonymous:/ { own = $2 }
        /^VmFlags:/ { if (own && !/ lo /) sum += own } END { print sum + 0 }' \
        "/proc/$next/smaps")
    same "what is not locked" "$swappable" 0
fi

check "it goes on when that one dies, and another one stands by"
for round in 1 2 3; do
    last=$(serving) next=$(standing_by)
    starts=$(nr_starts)
    kill -9 "$last"
    require_content
    same "who serves (round $round)" "$(serving)" "$next"
    await_standby
    same "the starts" "$(nr_starts)" $((starts + 1))
done

check "if it dies itself, the one that serves goes on"
last=$(serving)
starts=$(nr_starts)
next=$(standing_by)
kill -9 "$next"
wait_until "that is said" grep -q "the next server, process $next, was killed" \
    "$dir/log"
require_content
same "who serves" "$(serving)" "$last"
kill -9 "$last"
require_content
await_standby
same "the starts" "$(nr_starts)" $((starts + 2))

check "and in a while another one stands by"
touch "$broken"
kill -9 "$(standing_by)"
wait_until "it is told that nobody does" tells "no nobody stands by"
rm "$broken"
await_standby

check "one that is told before it stands by goes on all the same"
mkfifo "$gate"
last=$(serving)
kill -9 "$last"
require_content
next=$(served_by)
[ "$(serving)" != "$next" ] || fail "nobody is at the gate"
tells "yes process $next, which is not ready yet" ||
    fail "it is not told of: $(cat "$dir/lines")"
kill -9 "$(serving)"
wait_until "it is told" in_state starting
open_gate
require_content
same "who serves" "$(serving)" "$next"
await_standby

check "a restart replaces both"
last=$(serving) next=$(standing_by)
quietly "$NBDZRAM" restart -c "$conf"
require_content
wait_until "the one that served has ended" has_ended "$last"
wait_until "the one that stood by has ended" has_ended "$next"
await_standby

check "a restart to what cannot start is none"
last=$(serving)
touch "$broken"
fails "goes on as before" "$NBDZRAM" restart -c "$conf"
rm "$broken"
same "who serves" "$(serving)" "$last"
require_content
await_standby

check "stop ends both"
last=$(serving) next=$(standing_by)
stop_keeper
has_ended "$last" || fail "the one that served goes on"
has_ended "$next" || fail "the one that stood by goes on"

check "what keeps dying is given up, and then nobody stands by"
start_keeper
kill_until_given_up () {
    in_state holding && return
    kill -9 "$(serving)" 2>/dev/null || :
    return 1
}
nobody_stands_by () { ! is_standing_by; }
wait_until "it is given up" kill_until_given_up
wait_until "nobody stands by" nobody_stands_by
quietly "$NBDZRAM" restart -c "$conf"
quietly nbdinfo --size "$disk"
stop_keeper

check "without its keeper only the one that serves goes on"
start_keeper
await_standby
last=$(serving) next=$(standing_by)
kill -9 "$server"
wait "$server" || :
wait_until "the one that stood by has ended" has_ended "$next"
quietly nbdinfo --size "$disk"
kill "$last"
wait_until "it ends" has_ended "$last"
