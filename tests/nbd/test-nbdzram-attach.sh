#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdzram attach and detach mind their usage, and undo what they began when the
# rest cannot be had.  What they do to a kernel is for tests/vm.
set -eu
. "$top_srcdir/tests/nbd/functions.sh"

# STATUS PATTERN ARGUMENT…: one line says why; usage is one more.
expect () {
    expect_status=$1
    expect_pattern=$2
    shift 2
    check "nbdzram $*"
    status=0
    "$NBDZRAM" "$@" > "$dir/out" 2> "$dir/err" < /dev/null || status=$?
    [ "$status" = "$expect_status" ] ||
        fail "the status is $status: $(cat "$dir/err")"
    [ ! -s "$dir/out" ] || fail "it says something on stdout"
    [ "$(wc -l < "$dir/err")" = "$expect_status" ] ||
        fail "not so many lines: $(cat "$dir/err")"
    grep -q "^nbdzram: .*$expect_pattern" "$dir/err" ||
        fail "no '$expect_pattern': $(cat "$dir/err")"
}

# ---- usage ----

expect 2 'an export and a device' attach
expect 2 'an export and a device' attach zram
expect 2 'an export and a device' attach zram nbd0 more
for device in /dev/sda nbd nbd00 nbd1x nbd123456 /dev/nbd-1 nbd0p1; do
    expect 2 'no device like /dev/nbd0' attach zram "$device"
    expect 2 'no device like /dev/nbd0' detach "$device"
done
expect 2 'one device' detach
expect 2 'one device' detach nbd0 nbd1
expect 2 'number from 1 to 16' attach zram nbd0 -C 0
expect 2 'number from 1 to 16' attach zram nbd0 --connections=17
expect 2 'number from 1 to 16' attach zram nbd0 --connections=some
expect 2 'need a --timeout' attach zram nbd0 -C 2 --timeout off
expect 2 'no time like' attach zram nbd0 --timeout soon
expect 2 'no time like' attach zram nbd0 --dead-timeout=1y
expect 2 'exclude each other' attach zram nbd0 --swap --mkfs ext4
expect 2 'exclude each other' attach zram nbd0 --swap --mount /
expect 2 'goes with --swap' attach zram nbd0 --priority 1
expect 2 'number from 0 to 32767' attach zram nbd0 --swap --priority -1
expect 2 'number from 0 to 32767' attach zram nbd0 --swap -p 32768
expect 2 'goes with --swap or --mkfs' attach zram nbd0 --force
expect 2 'goes with --swap or --mkfs' attach zram nbd0 --force --mount /

# ---- what is known before anything is done ----

expect 1 'no program mkfs.nothing' attach zram nbd0 --mkfs nothing
expect 1 'no program mkfs.' attach zram nbd0 --mkfs ../bin/true
expect 1 'No such file' attach zram nbd0 --mount "$dir/nowhere"
: > "$dir/file"
expect 1 'no directory' attach zram nbd0 --mount "$dir/file"
expect 1 'not attached' detach nbd99999

# ---- help names every option ----

"$NBDZRAM" attach --help > "$dir/help"
for option in socket swap priority mkfs mount force connections timeout \
    dead-timeout foreground; do
    grep -q -e "--$option" "$dir/help" || fail "no --$option in the help"
done
