#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Once a server is ready its keeper allocates nothing and waits for no page:
# neither to start the next one, nor to give up.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
. "$top_srcdir/tests/nbd/keeper.sh"
need nbdinfo
! has_sanitizer || skip "the sanitizer allocates itself"

ZRAM_TEST_NO_ALLOCATION=$dir/none-from-now-on
export ZRAM_TEST_NO_ALLOCATION
guard=$top_builddir/tests/nbd/.libs/libno-allocation.so
[ -e "$guard" ] || fail "$guard is missing"

check "the guard sees what the command does"
touch "$ZRAM_TEST_NO_ALLOCATION"
status=0
LD_PRELOAD=$guard "$NBDZRAM" --version > "$dir/said" 2>&1 || status=$?
[ "$status" -gt 128 ] || fail "nobody is aborted: $status"
grep -q 'nbdzram allocates' "$dir/said" || fail "$(cat "$dir/said")"
rm "$ZRAM_TEST_NO_ALLOCATION"

# One of the two disks asks for locked memory, so the keeper is locked as well.
write_conf
echo 'lock_memory = on' >> "$conf"
is_locked=yes
[ "$(id -u)" = 0 ] || is_locked=

# How often the keeper waited for a page.
nr_faults () { awk '{ print $10 + $12 }' "/proc/$server/stat"; }

check "servers that die"
(
    LD_PRELOAD=$guard
    export LD_PRELOAD
    exec "$NBDZRAM" serve -c "$conf"
) > "$dir/log" 2>&1 < /dev/null &
server=$!
wait_until "the keeper serves" in_state serving
await_standby
touch "$ZRAM_TEST_NO_ALLOCATION"
faults=$(nr_faults)
for signal in KILL TERM; do
    kill -s $signal "$(serving)"
    quietly nbdinfo --size "nbd+unix:///disk?socket=$socket"
    await_standby
done
kill -9 "$(standing_by)"

check "and that are given up"
touch "$broken"
kill -9 "$(serving)"
wait_until "it is given up" in_state holding
if [ -n "$is_locked" ]; then
    same "the pages that it waited for" "$(($(nr_faults) - faults))" 0
    # Of what is its own all is locked (lo).
    awk '/^[0-9a-f]+-/ { own = /\/nbdzram|\[stack\]|\[heap\]| rw-p /; what = $0 }
        /^VmFlags:/ && own && !/ lo / { print what }' \
        "/proc/$server/smaps" > "$dir/unlocked"
    [ ! -s "$dir/unlocked" ] || fail "not locked: $(cat "$dir/unlocked")"
    # From what the first server was started is there for the next one.
    for file in nbdkit plugin.so libgnutls libc.so; do
        grep -q "/[^ ]*$file" "/proc/$server/maps" ||
            fail "$file is not held: $(cat "/proc/$server/maps")"
    done
fi
rm "$broken" "$ZRAM_TEST_NO_ALLOCATION"
quietly "$NBDZRAM" stop -c "$conf"
await_server
