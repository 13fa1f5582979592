#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# No server starts on a socket that is there, whether another one serves it or a
# dead one left it behind; once it is removed, the next one does.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need nbdinfo

# Both as a daemon and in the foreground; neither leaves a pid file.
require_refusal () {
    for mode in '' -f; do
        # One that starts all the same ends with true.
        # shellcheck disable=SC2086 # no word or one
        if "$NBDKIT" $mode -U "$socket" -P "$dir/second" zram 1M --run true \
            > "$dir/said" 2>&1
        then
            fail "a second server started"
        fi
        grep -qF "$socket" "$dir/said" ||
            fail "no error with the socket's name: $(cat "$dir/said")"
        [ ! -e "$dir/second" ] || fail "a second server has a pid file"
    done
}

check "while another one serves it"
start_server 64M
require_refusal
same "the size" "$(nbdinfo --size "$uri")" 67108864

check "when a dead one left it behind"
kill -9 "$server"
wait "$server" || :
server=
[ -S "$socket" ] || fail "a killed server removed its socket"
require_refusal

check "not when it is removed"
rm "$socket"
start_server 32M
same "the size" "$(nbdinfo --size "$uri")" 33554432
stop_server
