#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The keeper tells a service manager how it is, and gives it the memory to keep:
# the disks survive the keeper's own death.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
. "$top_srcdir/tests/nbd/keeper.sh"
need nbdcopy nbdinfo

log=$dir/messages
: > "$log"
disk="nbd+unix:///disk?socket=$socket"
other="nbd+unix:///other%20disk?socket=$socket"

# has_said NUMBER PATTERN: so many messages like this.
has_said () { [ "$(grep -c "$2" "$log")" -ge "$1" ]; }
hears () { wait_until "it says $2, $1 times" has_said "$1" "$2"; }

check "ready, memory, watchdog"
write_conf
"$top_builddir/tests/nbd/manager" "$log" "$NBDZRAM" serve -c "$conf" \
    > "$dir/log" 2>&1 < /dev/null &
server=$!
is_child=yes
hears 1 '^READY=1 STATUS=process [0-9]* serves; exports: 2, deaths: 0 $'
same "the process" "$(sed -n 's/^READY=1 STATUS=process \([0-9]*\) .*/\1/p' \
    "$log")" "$(served_by)"
for name in store-disk store-other%20disk; do
    has_said 1 "^FDSTORE=1 FDPOLL=0 FDNAME=$name \$" || fail "no $name"
done
hears 3 '^WATCHDOG=1 $'

check "a server's death"
kill -9 "$(served_by)"
hears 1 '^READY=1 .* deaths: 1 $'
has_said 1 '^STATUS=starting again' || fail "it does not say so"

check "a restart"
last=$(served_by)
kill -s HUP "$(cat "$pidfile")"
hears 3 '^READY=1 '
has_said 1 '^RELOADING=1 MONOTONIC_USEC=[0-9]* $' || fail "it does not say so"
[ "$(served_by)" != "$last" ] || fail "the same server"

check "the keeper's own death"
take_text 20000000 > "$dir/data"
quietly nbdcopy "$dir/data" "$disk"
quietly nbdcopy "$dir/data" "$other"
# All of them are dead before anything is started again, as with systemd.
kill -s STOP "$(cat "$pidfile")"
kill -9 "$(served_by)"
wait_until "the server is dead" has_ended "$(served_by)"
kill -9 "$(cat "$pidfile")"
hears 1 '^killed$'
hears 4 '^READY=1 '
for uri in "$disk" "$other"; do
    quietly nbdcopy "$uri" "$dir/back"
    cmp -n 20000000 "$dir/data" "$dir/back"
done

check "memory that no export is there for is not lost"
cp "$conf" "$dir/good"
sed 's/^\[other disk\]/[new disk]/' "$dir/good" > "$conf"
kill -s STOP "$(cat "$pidfile")"
kill -9 "$(served_by)"
wait_until "the server is dead" has_ended "$(served_by)"
kill -9 "$(cat "$pidfile")"
hears 5 '^READY=1 '
grep -q "the memory of 'other disk' is held" "$dir/log" ||
    fail "it does not say so"
cp "$dir/good" "$conf"
fails "refused the configuration" "$NBDZRAM" restart -c "$conf"
sed '/^\[disk\]/,$d' "$dir/good" > "$conf"
printf '[%s]\ndisksize = 1G\n' disk 'other disk' 'new disk' >> "$conf"
sed -i 's/^\[disk\]/&\n# the same size\n/; 0,/^disksize = 1G/s//disksize = 64M/' \
    "$conf"
quietly "$NBDZRAM" restart -c "$conf"
for uri in "$disk" "$other"; do
    quietly nbdcopy "$uri" "$dir/back"
    cmp -n 20000000 "$dir/data" "$dir/back"
done

check "the end"
quietly "$NBDZRAM" stop -c "$conf"
await_server
has_said 1 '^STOPPING=1 ' || fail "it does not say so"
has_said 1 '^killed$' || fail "it was started again"
