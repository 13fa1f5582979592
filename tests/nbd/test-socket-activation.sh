#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# It serves on a socket that is handed over, as systemd does (LISTEN_FDS).
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need nbdcopy nbdinfo perl

# Listens on the socket and becomes the server on it.
activate () {
    rm -f "$socket"
    exec perl -e '
        use Socket;
        my ($path, @command) = @ARGV;
        $^F = 3;                # what stays open beyond exec
        socket (my $listener, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
        fileno ($listener) == 3 or die "not descriptor 3";
        bind ($listener, sockaddr_un ($path)) or die "bind: $!";
        listen ($listener, 5) or die "listen: $!";
        $ENV{LISTEN_PID} = $$;
        $ENV{LISTEN_FDS} = 1;
        exec (@command) or die "exec: $!";' "$socket" "$@"
}

# start_activated COMMAND…: a command that ends as the server.
start_activated () {
    rm -f "$socket"
    "$@" > "$dir/log" 2>&1 < /dev/null &
    server=$!
    is_child=yes
    wait_until "it serves" answers
}

require_round_trip () {
    quietly nbdcopy "$dir/data" "$uri"
    quietly nbdcopy "$uri" "$dir/back"
    cmp -n "$(size_of "$dir/data")" "$dir/data" "$dir/back"
    stop_server
}

take_files $((8 << 20)) > "$dir/data"

check "a socket of the test"
start_activated activate "$NBDKIT" zram 16M
require_round_trip

# Where it is not installed there is what it does, above and below.
if command -v systemd-socket-activate > "$dir/found"; then
    check "a socket of systemd-socket-activate"
    start_activated systemd-socket-activate -l "$socket" "$NBDKIT" zram 16M
    require_round_trip
fi

check "a socket of libnbd"
same "the size" "$(nbdinfo --size [ "$NBDKIT" zram 5M ])" 5242880
quietly nbdcopy "$dir/data" [ "$NBDKIT" zram 16M ]
quietly nbdcopy [ "$NBDKIT" zram 16M ] "$dir/back"
same "what comes back from a new disk" "$(tr -d '\0' < "$dir/back" | wc -c)" 0

check "an error in the configuration ends it"
if (activate "$NBDKIT" zram 1M block_size=5000) > "$dir/said" 2>&1; then
    fail "it started"
fi
same "what it says" "$(cat "$dir/said")" "nbdkit: error: command line:\
 block_size: not a power of two from 4096 to 65536: '5000'"
