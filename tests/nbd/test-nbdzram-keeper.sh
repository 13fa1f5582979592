#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The keeper starts a server that died again, while clients wait, and no content
# is lost; it gives up one that keeps dying, and comes back from that; restart
# replaces the server and the keeper's own program, and loses no export by
# accident.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
. "$top_srcdir/tests/nbd/keeper.sh"
need nbdcopy nbdinfo

disk="nbd+unix:///disk?socket=$socket"
answers () { [ "$(nbdinfo --size "$disk")" = 67108864 ]; }

# Waits in the queue if it has to.
start_client () {
    nbdinfo --size "$disk" > "$dir/client" 2>&1 &
    client=$!
}
client_is_served () {
    wait "$client" || fail "the client failed: $(cat "$dir/client")"
    same "the client's size" "$(cat "$dir/client")" "${1-67108864}"
}
is_connected () { [ "$(grep -cF "$socket" /proc/net/unix)" -ge 2 ]; }

# Another one than before.
await_server_but () { wait_until "another one serves" is_other_server "$1"; }

# The same content on both disks, of which one is in a file.
take_text 20000000 > "$dir/data"
disks="$disk nbd+unix:///other%20disk?socket=$socket"
fill () { for uri in $disks; do quietly nbdcopy "$dir/data" "$uri"; done; }
require_content () {
    for uri in $disks; do
        quietly nbdcopy "$uri" "$dir/back"
        cmp -n 20000000 "$dir/data" "$dir/back" || fail "content is lost"
    done
}

# Of memory that cannot be swapped out; none: no privilege to have it.
nr_locked () {
    awk '$6 ~ "^/SYSV" { print $5 }' "/proc/$server/maps" |
    while read -r segment; do
        # Locked and to be removed: 02000 and 01000 beside the mode.
        awk -v id="$segment" '$2 == id && $3 == "3600"' /proc/sysvipc/shm
    done |
    wc -l
}

check "another server comes when one is killed"
write_conf
echo "store = $dir/store" >> "$conf"
start_keeper
locked=$(nr_locked)
echo "  locked segments: $locked"
[ "$locked" = 1 ] || [ "$(id -u)" != 0 ] || fail "none is locked"
fill
for signal in KILL SEGV TERM; do
    last=$(served_by)
    kill -s $signal "$last"
    start_client
    await_server_but "$last"
    client_is_served
done
grep -q "process $last, ended with status 0" "$dir/log" ||
    fail "the death is not reported"
grep -q 'killed by signal 9 (KILL)' "$dir/log" || fail "nor the first one"
same "the starts" "$(nr_starts)" 4
require_content
stop_keeper
write_conf

check "a client waits in the queue while no server runs"
start_keeper
last=$(served_by)
mkfifo "$gate"
kill -9 "$last"
wait_until "another one starts" in_state starting
start_client
wait_until "the client is in the queue" is_connected
in_state starting || fail "it serves before its time"
open_gate
client_is_served
stop_keeper

check "what keeps dying is given up"
start_keeper
before=$(nr_starts)
touch "$broken"
kill -9 "$(served_by)"
wait_until "it is given up" in_state holding
same "the starts in vain" "$(($(nr_starts) - before))" 5
grep -q 'gave up: 6 servers died in a row' "$dir/log" ||
    fail "it does not say so"
! answers 2> "$dir/said" || fail "a client is served"
grep -Eq 'refused|No such file' "$dir/said" ||
    fail "clients are not refused: $(cat "$dir/said")"

check "it stays until it is told, and comes back"
has_ended "$server" && fail "the keeper is gone"
fails "the new server did not start" "$NBDZRAM" restart -c "$conf"
same "the starts in vain" "$(($(nr_starts) - before))" 11
rm "$broken"
quietly "$NBDZRAM" restart -c "$conf"
answers || fail "it does not serve"
stop_keeper

check "or stops"
start_keeper
touch "$broken"
kill -9 "$(served_by)"
wait_until "it is given up" in_state holding
stop_keeper
rm "$broken"

check "a restart"
echo "store = $dir/store" >> "$conf"
start_keeper
fill
last=$(served_by)
ln -f "$conf" "$dir/kept"
sed 's/64M/32M/' "$dir/kept" > "$dir/new"
mv "$dir/new" "$conf"
quietly "$NBDZRAM" restart -c "$conf"
[ "$(served_by)" != "$last" ] || fail "no other server"
has_ended "$last" || fail "the old one is there"
same "the keeper" "$(cat "$pidfile")" "$server"
has_ended "$server" && fail "it is gone"
same "the new size" "$(nbdinfo --size "$disk")" 33554432
require_content
same "the locked segments" "$(nr_locked)" "$locked"

check "with clients that come meanwhile"
mkfifo "$gate"
last=$(served_by)
"$NBDZRAM" restart -c "$conf" > "$dir/said" 2>&1 &
restart=$!
is_at_gate () { [ "$(served_by)" != "$last" ]; }
wait_until "the new one starts" is_at_gate
start_client
client_is_served 33554432
in_state starting || fail "it was replaced before its time"
has_ended "$last" && fail "it ended before its time"
open_gate
wait "$restart" || fail "$(cat "$dir/said")"
has_ended "$last" || fail "the old one is there"
start_client
client_is_served 33554432
require_content
same "the locked segments" "$(nr_locked)" "$locked"

check "a restart with a mistake is none"
last=$(served_by)
cp "$conf" "$dir/good"
echo 'block_size = 5000' >> "$conf"
fails "block_size: not a power of two" "$NBDZRAM" restart -c "$conf"
kill -s HUP "$server"
wait_until "the keeper refuses it" in_state refused
grep -q 'no restart: the configuration was refused' "$dir/log" ||
    fail "it does not say so"
cp "$dir/good" "$conf"
same "the server" "$(served_by)" "$last"
nbdinfo --size "$disk" > "$dir/said" || fail "it does not serve"

check "nor is one that would lose an export"
sed 's/^\[disk\]/[new disk]/' "$dir/good" > "$conf"
fails "refused the configuration" "$NBDZRAM" restart -c "$conf"
grep -q "there is no export 'disk'" "$dir/log" || fail "it does not say so"
same "the server" "$(served_by)" "$last"
require_content
quietly "$NBDZRAM" restart --force -c "$conf"
[ "$(served_by)" != "$last" ] || fail "no other server"
! nbdinfo "$disk" > "$dir/said" 2>&1 || fail "the export is still there"
same "the locked segments" "$(nr_locked)" "$locked"
disks="nbd+unix:///other%20disk?socket=$socket"
require_content

check "one in a file may go, and come back"
cp "$conf" "$dir/more"
sed '/^\[other disk\]/,$d' "$dir/more" > "$conf"
quietly "$NBDZRAM" restart -c "$conf"
! nbdinfo "$disks" > "$dir/said" 2>&1 || fail "the export is still there"
cp "$dir/more" "$conf"
quietly "$NBDZRAM" restart -c "$conf"
require_content
disk="nbd+unix:///new%20disk?socket=$socket"

check "a mistake that only the next keeper sees loses nothing"
quietly nbdcopy "$dir/data" "$disk"
disks="$disk $disks"
cp "$conf" "$dir/good"
sed -i "s,^listen = .*,listen = unix:$dir/data," "$conf"
last=$(served_by)
fails "goes on as before" "$NBDZRAM" restart -c "$conf"
grep -q "listen: $dir/data: is there and not a socket" "$dir/log" ||
    fail "it does not say so"
same "the server" "$(served_by)" "$last"
has_ended "$last" && fail "it does not go on"
fails "goes on as before" "$NBDZRAM" restart -c "$conf"
has_ended "$last" && fail "it does not go on"
require_content

check "and when the server dies then, its memory is held"
kill -9 "$last"
wait_until "the memory is held" in_state holding
fails "the new server did not start" "$NBDZRAM" restart -c "$conf"
in_state holding || fail "it holds nothing"
cp "$dir/good" "$conf"
quietly "$NBDZRAM" restart -c "$conf"
require_content
same "the locked segments" "$(nr_locked)" "$locked"

check "the server outlives the keeper"
kill -9 "$server"
wait "$server" || :
quietly nbdinfo --size "$disk"
last=$(served_by)
fails "another server listens there" "$NBDZRAM" serve -c "$conf"
quietly nbdinfo --size "$disk"
kill "$last"
wait_until "it ends" has_ended "$last"
start_keeper
quietly nbdinfo --size "$disk"
stop_keeper
