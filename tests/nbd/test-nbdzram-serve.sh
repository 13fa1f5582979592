#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdzram serve serves what the ini file says, and nothing else is left of it;
# it refuses to do so twice, or with something wrong.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
. "$top_srcdir/tests/nbd/keeper.sh"
need nbdinfo perl

nothing_is_left () {
    for left in "$socket" "$control" "$pidfile" "$pidfile.state"; do
        [ ! -e "$left" ] || fail "$left is left"
    done
}

# size_at URI SIZE
size_at () { same "the size at $1" "$(nbdinfo --size "$1")" "$2"; }

check "it serves, and stops"
write_conf
start_keeper
size_at "nbd+unix:///disk?socket=$socket" 67108864
size_at "nbd+unix:///other%20disk?socket=$socket" 1073741824
same "the pid file" "$(cat "$pidfile")" "$server"
same "the socket's mode" "$(stat -c %a "$socket")" 600
same "the devices" \
    "$("$NBDZRAM" --control="$control" status -n --raw -o NAME,DISKSIZE)" \
    'disk 64M
other\x20disk 1G'

check "not twice"
fails "$pidfile: another keeper is here, process $server" \
    "$NBDZRAM" serve -c "$conf"
sed "s,^pidfile = .*,pidfile = $dir/second," "$conf" > "$dir/conf2"
fails "listen: $socket: another server listens there" \
    "$NBDZRAM" serve -c "$dir/conf2"
[ ! -e "$dir/second" ] || fail "who was refused left a pid file"
size_at "nbd+unix:///disk?socket=$socket" 67108864

check "a stop ends all of it"
last=$(served_by)
stop_keeper
has_ended "$last" || fail "nbdkit is left"
nothing_is_left
fails "$pidfile: no keeper is there" "$NBDZRAM" stop -c "$conf"
fails "$pidfile: no keeper is there" "$NBDZRAM" restart -c "$conf"

# stay_open EXPORT: a client that has it open until it is let go.
stay_open () {
    : > "$dir/client"
    perl -e '
        use IO::Socket::UNIX;
        my ($path, $export, $fifo) = @ARGV;
        my $socket = IO::Socket::UNIX->new (Peer => $path) or die "$path: $!";
        # Flags, then NBD_OPT_EXPORT_NAME.
        read ($socket, my $hello, 18) == 18 or die "no greeting";
        print $socket pack ("N", 3), "IHAVEOPT",
            pack ("NN", 1, length ($export)), $export;
        $socket->flush;
        read ($socket, my $size, 10) == 10 or die "no disk";
        print "open\n";
        close (STDOUT);
        open (my $stay, "<", $fifo) or die "$fifo: $!";
        <$stay>;' "$socket" "$1" "$dir/stay" > "$dir/client" &
    client=$!
    wait_until "the client has it open" test -s "$dir/client"
}
let_go () {
    echo > "$dir/stay"
    wait "$client"
}

# connections NUMBER: of the first disk, which is left slowly.
connections () {
    [ "$("$NBDZRAM" --control="$control" show disk nr_connections)" = "$1" ]
}

check "not while that would lose what a client has open"
mkfifo "$dir/stay"
start_keeper
connections 0 || fail "somebody is connected"
stay_open disk
connections 1 || fail "nobody is connected"
fails "disk: is open, and its content would be lost" "$NBDZRAM" stop -c "$conf"
let_go
wait_until "the client is gone" connections 0
stay_open disk
quietly "$NBDZRAM" stop --force -c "$conf"
await_server
let_go

check "unless it is in a file"
echo "store = $dir/store" >> "$conf"
start_keeper
stay_open 'other disk'
stop_keeper
let_go
nothing_is_left
write_conf

check "a signal does, too"
start_keeper
kill -s INT "$server"
await_server
nothing_is_left

check "a mistake starts nothing"
sed 's/64M/many/' "$conf" > "$dir/bad"
starts=$(nr_starts)
fails "$dir/bad:6: disksize: " "$NBDZRAM" serve -c "$dir/bad"
same "the starts" "$(nr_starts)" "$starts"
nothing_is_left

check "what only nbdkit finds out is a failure, too"
touch "$broken"
fails "ended with status 1" "$NBDZRAM" serve -c "$conf"
fails "ended with status 1" "$NBDZRAM" serve --daemon -c "$conf"
same "the starts" "$(nr_starts)" $((starts + 2))
rm "$broken"
nothing_is_left

check "what is left of a dead one does not hinder"
start_keeper
kill -9 "$server" "$(served_by)"
wait "$server" || :
[ -S "$socket" ] && [ -S "$control" ] && [ -e "$pidfile" ] ||
    fail "the dead one cleaned up"
start_keeper
size_at "nbd+unix:///disk?socket=$socket" 67108864
stop_keeper
nothing_is_left

check "it serves in the background"
"$NBDZRAM" serve --daemon -c "$conf" > "$dir/log" 2>&1
server=$(cat "$pidfile")
size_at "nbd+unix:///disk?socket=$socket" 67108864
quietly "$NBDZRAM" stop -c "$conf"
has_ended "$server" || fail "the daemon is left"
server=
nothing_is_left

check "TCP of this machine"
port=$(perl -MIO::Socket::INET -e '
    print IO::Socket::INET->new (Listen => 1, LocalAddr => "127.0.0.1")
        ->sockport')
write_conf "127.0.0.1:$port"
start_keeper
size_at "nbd://127.0.0.1:$port/disk" 67108864
grep -q insecure "$dir/log" && fail "a warning about nothing"
stop_keeper

check "an open door is warned about at every start"
write_conf "0.0.0.0:$port"
sed -i 's/^\[server\]/&\ninsecure = yes/' "$conf"
start_keeper
warnings () { grep -c 'warning: insecure=yes' "$dir/log"; }
same "the warnings" "$(warnings)" 1
last=$(served_by)
kill -9 "$last"
wait_until "another one serves" is_other_server "$last"
same "the warnings" "$(warnings)" 2
stop_keeper

# Listens and hands the socket over, as systemd does.
hand_over () {
    perl -e '
        use IO::Socket::INET;
        use IO::Socket::UNIX;
        $^F = 3;
        my ($address, @command) = @ARGV;
        my $listener = $address =~ m,^/, ?
            IO::Socket::UNIX->new (Listen => 9, Local => $address) :
            IO::Socket::INET->new (Listen => 9, LocalAddr => $address);
        $listener && fileno ($listener) == 3 or die "$address: $!";
        $ENV{LISTEN_FDS} = 1;
        $ENV{LISTEN_PID} = $$;
        $ENV{LISTEN_FDNAMES} = "nbdzram.socket";
        exec (@command) or die "exec: $!";' "$@"
}

check "a socket that was handed over wins"
write_conf "unix:$dir/unused"
hand_over "$socket" "$NBDZRAM" serve -c "$conf" > "$dir/log" 2>&1 < /dev/null &
server=$!
wait_until "the keeper serves" in_state serving
size_at "nbd+unix:///disk?socket=$socket" 67108864
[ ! -e "$dir/unused" ] || fail "it listens elsewhere, too"
last=$(served_by)
quietly "$NBDZRAM" restart -c "$conf"
[ "$(served_by)" != "$last" ] || fail "no other server"
size_at "nbd+unix:///disk?socket=$socket" 67108864
stop_keeper
[ -S "$socket" ] || fail "a socket that is not its own was removed"
rm "$socket"

check "but no open door"
fails "only with tls=require" \
    hand_over "0.0.0.0:$port" "$NBDZRAM" serve -c "$conf"
