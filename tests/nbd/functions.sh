# shellcheck shell=sh
# SPDX-License-Identifier: BSD-3-Clause
# What the tests with real clients share: a directory of their own, servers in
# it, and an end that leaves nothing behind.  A test begins with
#   set -eu
#   . "$top_srcdir/tests/nbd/functions.sh"
# and finds
#   $dir      a directory that goes with the test
#   $socket   the socket of its servers, in $dir
#   $uri      the same for clients
#   $server   the process id of the one that runs; empty: none
#
# Nothing listens on TCP, unless it is TCP that matters, and then on the
# loopback.  A server is ready when its pid file is written, so nobody sleeps
# and hopes; what is waited for is looked at again and again, and the test fails
# when it does not come in far more time than it needs.

# Not $TMPDIR: a socket's path has room for 107 characters.
dir=$(mktemp -d /tmp/zram-test-XXXXXX)
socket=$dir/socket
uri="nbd+unix:///?socket=$socket"
server=
is_child=

polls_max=600           # of a tenth of a second

fail () { echo "$*" >&2; exit 1; }

# What is checked now, for the log of a test that fails or hangs.
check () { echo "- $*"; }

skip () { echo "skipped: $*"; exit 77; }

# need COMMAND…
need () {
    for need_command in "$@"; do
        command -v "$need_command" > "$dir/found" ||
            skip "$need_command is not installed"
    done
}

# quietly COMMAND…: shows what it said only if it fails.
quietly () {
    "$@" > "$dir/said" 2>&1 < /dev/null && return
    cat "$dir/said" >&2
    fail "failed: $*"
}

# same WHAT GOT EXPECTED: compares two texts.
same () {
    [ "$2" = "$3" ] && return
    fail "$1 is not as expected; got:
$2
expected:
$3"
}

size_of () { stat -c %s "$1"; }

# ---- servers ----

# A process whose first thread has ended has its files as long as it has others.
has_ended () {
    ! kill -0 "$1" 2>/dev/null || {
        grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null &&
            [ "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l)" -le 1 ]
    }
}

# wait_until WHAT COMMAND…: WHAT is said if it does not come true.
wait_until () {
    wait_what=$1
    shift
    polls=0
    until "$@"; do
        polls=$((polls + 1))
        [ $polls -le $polls_max ] || fail "in vain: waited until $wait_what"
        sleep 0.1
    done
}

is_ready () {
    [ -s "$dir/pid" ] && return
    if has_ended "$server"; then
        fail "the server did not start"
    fi
    return 1
}

# start_server ARGUMENT…: a disk with these arguments, in the foreground.
start_server () { start_nbdkit zram "$@"; }

# start_nbdkit ARGUMENT…: the same with options for nbdkit before "zram".
start_nbdkit () {
    rm -f "$socket" "$dir/pid"
    "$NBDKIT" -f --exit-with-parent -U "$socket" -P "$dir/pid" "$@" \
        > "$dir/log" 2>&1 < /dev/null &
    server=$!
    is_child=yes
    wait_until "the server is ready" is_ready
}

# start_on_loopback ARGUMENT…: as start_nbdkit, on a port that nobody else has;
# clients find it at $address.  The port is the kernel's choice, so the socket
# is made here and handed over.
start_on_loopback () {
    rm -f "$dir/pid" "$dir/port"
    perl -e '
        use Socket;
        my ($file, @command) = @ARGV;
        $^F = 3;                # what stays open beyond exec
        socket (my $listener, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
        fileno ($listener) == 3 or die "not descriptor 3";
        bind ($listener, sockaddr_in (0, INADDR_LOOPBACK)) or die "bind: $!";
        listen ($listener, 64) or die "listen: $!";
        my ($port) = sockaddr_in (getsockname ($listener));
        open (my $out, ">", $file) or die "$file: $!";
        print $out $port;
        close ($out);
        $ENV{LISTEN_PID} = $$;
        $ENV{LISTEN_FDS} = 1;
        exec (@command) or die "exec: $!";' "$dir/port" \
        "$NBDKIT" -f --exit-with-parent -P "$dir/pid" "$@" \
        > "$dir/log" 2>&1 < /dev/null &
    server=$!
    is_child=yes
    wait_until "the server is ready" is_ready
    address=127.0.0.1:$(cat "$dir/port")
}

# refuses LINE ARGUMENT…: no server starts, and LINE is all that is said.
refuses () {
    refuses_line="nbdkit: error: $1"
    shift
    if "$NBDKIT" -U - zram "$@" --run 'echo started' > "$dir/said" 2>&1; then
        fail "a server started with $*"
    fi
    same "what is said about $*" "$(cat "$dir/said")" "$refuses_line"
}

# start_daemon ARGUMENT…: nbdkit goes to the background itself.  It is not our
# child, but ends with the test.
start_daemon () {
    rm -f "$socket" "$dir/pid"
    "$NBDKIT" -U "$socket" -P "$dir/pid" zram "$@" > "$dir/log" 2>&1 ||
        fail "the server did not start"
    wait_until "the daemon has a pid file" test -s "$dir/pid"
    server=$(cat "$dir/pid")
    is_child=
}

# end_daemon SIGNAL: who waits for it is process 1, so its status is not known.
end_daemon () {
    kill -s "$1" "$server"
    wait_until "the daemon ends by SIG$1" has_ended "$server"
    server=
}

stop_server () {
    kill "$server"
    await_server
}

# Its status must be 0: a sanitizer's report makes that another one.
await_server () {
    await_status=0
    wait "$server" || await_status=$?
    server=
    [ "$await_status" = 0 ] ||
        fail "the server ended with status $await_status"
}

# ---- clients ----

answers () { nbdinfo --size "$uri" > "$dir/said" 2>&1; }

# edit COMMAND…: each is one of qemu-io.
edit () {
    for edit_command in "$@"; do
        printf '%s\n' "$edit_command"
    done > "$dir/commands"
    qemu-io -f raw -d unmap "$uri" < "$dir/commands" > "$dir/said" 2>&1 ||
        fail "qemu-io: $(cat "$dir/said")"
    # A command that fails in the middle does not change its status.
    if grep -Eiq 'fail|error|invalid|not found' "$dir/said"; then
        fail "qemu-io: $(cat "$dir/said")"
    fi
}

# ---- the build ----

# The names of all algorithms that are compiled in.
algorithms () {
    "$NBDKIT" --dump-plugin zram | sed -n 's/^zram_algorithms=//p'
}

has_sanitizer () {
    grep -q '^SANITIZER_CFLAGS =.*-fsanitize' "$top_builddir/Makefile"
}

# ---- data ----

# take_files BYTES: real files, half of them programs, half of them text.
take_files () {
    for take_from in bin include; do
        tar -C /usr --blocking-factor=8 -cf - $take_from 2>/dev/null |
            head -c $(($1 / 2))
    done
}

# take_text BYTES: no block of it is zero or one word repeated.
take_text () { seq 1000000 100000000 | head -c "$1"; }

# take_noise BYTES: nothing makes it smaller.  The same each time.
take_noise () {
    perl -e '
        srand (1);
        binmode (STDOUT);
        for (my $left = $ARGV[0]; $left > 0; $left -= 4096) {
            print pack ("L*", map { rand (2 ** 32) } 1 .. 1024);
        }' "$1" | head -c "$1"
}

# take_memory BYTES: memory of a process, which grows and then copies itself.
take_memory () {
    perl -e '
        my ($bytes) = @ARGV;
        my (%heap, @keep);
        srand (1);
        for (my $i = 0; $i < $bytes / 700; $i++) {
            my $name = sprintf ("item-%d-%x", $i, int (rand (1 << 30)));
            $heap{$name} = { id => $i, weight => rand (), name => $name,
                             tags => [ map { int (rand (1000)) } 1 .. 4 ] };
            push @keep, "x" x 64 if $i % 7 == 0;
        }
        open (my $maps, "<", "/proc/self/maps") or die "maps: $!";
        my @lines = <$maps>;
        open (my $memory, "<:raw", "/proc/self/mem") or die "mem: $!";
        binmode (STDOUT);
        for (@lines) {
            /^([0-9a-f]+)-([0-9a-f]+) rw-p/ or next;
            for (my ($at, $end) = (hex ($1), hex ($2));
                 $at < $end && $bytes > 0; $at += 4096, $bytes -= 4096) {
                sysseek ($memory, $at, 0);
                last unless (sysread ($memory, my $page, 4096) // 0) == 4096;
                print $page;
            }
        }' "$1"
}

# ---- the end ----

clean_up () {
    clean_status=$?
    trap - EXIT
    if [ -n "$server" ]; then
        kill -9 "$server" 2>/dev/null || :
        [ -z "$is_child" ] || wait "$server" 2>/dev/null || :
    fi
    if [ $clean_status -ne 0 ] && [ $clean_status -ne 77 ] &&
       [ -f "$dir/log" ]; then
        echo "---- what the server printed:"
        cat "$dir/log"
        echo "----"
    fi >&2
    rm -rf "$dir"
    exit $clean_status
}
trap clean_up EXIT
trap 'exit 129' HUP INT TERM
