#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A keeper whose memory is locked waits for nobody who does not read what it
# says: standard error is a pipe that is full, and servers that are killed are
# started again all the same.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
. "$top_srcdir/tests/nbd/keeper.sh"
need nbdinfo

write_conf
echo "lock_memory = on" >> "$conf"

check "a pipe that nobody reads is full"
mkfifo "$dir/deaf"
exec 9<> "$dir/deaf"
dd if=/dev/zero of="$dir/deaf" oflag=nonblock bs=4096 count=1000 \
    2> "$dir/said" && fail "the pipe is never full"

check "the keeper serves"
"$NBDZRAM" serve -c "$conf" 2> "$dir/deaf" > "$dir/log" < /dev/null &
server=$!
is_child=yes
wait_until "the keeper serves" in_state serving

check "and starts another server when one is killed"
for round in 1 2 3; do
    await_standby
    echo "  round $round"
    kill -9 "$(serving)"
    nbdinfo --size "nbd+unix:///disk?socket=$socket" > "$dir/said"
done

check "what it said is there for whoever reads it after all"
cat <&9 > "$dir/heard" &
reader=$!
stop_keeper
kill "$reader"
tr -d '\0' < "$dir/heard" | grep 'was killed by signal 9' > "$dir/said" ||
    fail "nothing of it was kept"
