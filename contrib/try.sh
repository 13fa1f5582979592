#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Shows what a compressed disk does with real data: sh contrib/try.sh
#
# Installs what is missing, builds in a directory of its own, and then, for the
# memory of the running processes and for a tree of files: starts a compressed
# disk on a Unix socket, copies the data in and back, compares, and says what
# that took.  At the end it kills a server that `nbdzram serve` keeps, and reads
# back what was on its disk.  Leaves nothing behind but the packages.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
limit_mib=400           # of each kind of data; $TMPDIR needs twice that
disk=1G
patience=100            # tenths of a second for a server to start

say () { echo "$*"; }
fail () { echo "try.sh: $*" >&2; exit 1; }

# quietly COMMAND…: shows what it said only if it fails.
quietly () {
    "$@" > "$dir/log" 2>&1 < /dev/null && return
    tail -n 40 "$dir/log" >&2
    fail "failed: $*"
}

# ---- building ----

# A copy is built, since the tree may have been configured in place already.
copy_source () {
    mkdir "$dir/src"
    tar -C "$top" --exclude=./.git --exclude='./_build*' \
        --exclude=config.status --exclude=.libs --exclude='*.o' \
        --exclude='*.l[oa]' -cf - . | tar -C "$dir/src" -xf -
}

build () {
    copy_source
    cd "$dir/src"
    quietly autoreconf -fi
    quietly ./configure --quiet
    quietly make -j"$(nproc)"
    cd /
}

# ---- data ----

size_of () { stat -c %s "$1"; }

# Where hardly anything runs, as in a container, sample programs are started.
# False where no process may look into another, as in a container with yama.
take_memory () {
    bench=$dir/src/tests/bench
    what="memory of running processes"
    quietly "$bench/make-corpus" --interleave --size ${limit_mib}M \
        -o "$dir/data"
    [ "$(size_of "$dir/data")" -lt $((64 << 20)) ] || return 0
    what="memory of sample programs (little else runs here)"
    MAKE_CORPUS=$bench/make-corpus sh "$bench/heaps.sh" \
        --size ${limit_mib}M -o "$dir/data" > "$dir/log" 2>&1
}

# The end may be cut off: it is the same bytes that have to come back.
take_files () {
    what="files (tar of /usr/include and /usr/share)"
    tar -C /usr --blocking-factor=8 -cf - include share 2>/dev/null |
        head -c ${limit_mib}M > "$dir/data"
}

# ---- the disk ----

start_disk () {
    rm -f "$dir/socket" "$dir/pid"
    "$dir/src/nbdkit" -f -U "$dir/socket" -P "$dir/pid" zram $disk \
        > "$dir/server" 2>&1 &
    server=$!
    waited=0
    until [ -s "$dir/pid" ]; do
        waited=$((waited + 1))
        if [ $waited -gt $patience ] || ! kill -0 $server 2>/dev/null; then
            fail "the server did not start: $(cat "$dir/server")"
        fi
        sleep 0.1
    done
}

stop_disk () {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null || :
    wait "$server" 2>/dev/null || :
    server=
}

server_kib () { awk '$1 == "VmRSS:" { print $2 }' "/proc/$server/status"; }

now_ms () { echo $(($(date +%s%N) / 1000000)); }

# copy FROM TO: sets $ms.
copy () {
    begin=$(now_ms)
    quietly nbdcopy "$1" "$2"
    ms=$(($(now_ms) - begin))
}

# show BYTES KIB MS-IN MS-OUT
show () {
    awk -v bytes="$1" -v kib="$2" -v ms_in="$3" -v ms_out="$4" 'BEGIN {
        mib = bytes / 1048576
        held = (kib > 0 ? kib : 1) / 1024
        printf "  %.0f MiB in %.0f MiB of memory: %.1f to 1, %.0f MiB saved\n",
            mib, held, mib / held, mib - held
        printf "  in at %.0f MB/s, back at %.0f MB/s, identical\n",
            bytes / 1000 / (ms_in + 1), bytes / 1000 / (ms_out + 1)
    }'
}

# A fresh disk for each kind of data, so that the server's memory is its cost.
# The data stay for who comes next.
round () {
    bytes=$(size_of "$dir/data")
    say "$what:"
    start_disk
    before=$(server_kib)
    uri="nbd+unix:///?socket=$dir/socket"
    copy "$dir/data" "$uri"
    ms_in=$ms
    held=$(($(server_kib) - before))
    copy "$uri" "$dir/back"
    stop_disk
    cmp -n "$bytes" "$dir/data" "$dir/back" || fail "what came back differs"
    show "$bytes" "$held" "$ms_in" "$ms"
    rm -f "$dir/back"
}

# ---- a server that dies ----

nbdzram () { "$dir/src/server/nbdzram" --control="$dir/control" "$@"; }

# until_true WHAT COMMAND…
until_true () {
    until_what=$1
    shift
    waited=0
    until "$@" > "$dir/log" 2>&1; do
        waited=$((waited + 1))
        if [ $waited -gt $patience ]; then
            fail "$until_what: $(cat "$dir/log" "$dir/keeper")"
        fi
        sleep 0.1
    done
}

start_keeper () {
    cat > "$dir/conf" <<END
[server]
listen = unix:$dir/nbd.sock
pidfile = $dir/keeper.pid
control = $dir/control

[try]
disksize = $disk
END
    NBDZRAM_NBDKIT=$dir/src/nbdkit "$dir/src/server/nbdzram" serve \
        -c "$dir/conf" > "$dir/keeper" 2>&1 &
    keeper=$!
    until_true "the keeper did not start" nbdzram status
}

stop_keeper () {
    [ -n "$keeper" ] || return 0
    kill "$keeper" 2>/dev/null || :
    wait "$keeper" 2>/dev/null || :
    keeper=
}

# The server that the keeper has started: its child.
kept_server () {
    grep -ls "^PPid:	$keeper\$" /proc/[0-9]*/status |
        sed 's,/proc/\([0-9]*\)/.*,\1,; q'
}

another_server () {
    now=$(kept_server)
    [ -n "$now" ] && [ "$now" != "$killed" ]
}

survive () {
    start_keeper
    uri="nbd+unix:///try?socket=$dir/nbd.sock"
    copy "$dir/data" "$uri"
    nbdzram status
    killed=$(kept_server)
    [ -n "$killed" ] || fail "the keeper has no server"
    say "kill -9 $killed"
    kill -9 "$killed"
    # Whoever connects now waits until the next server is there.
    copy "$uri" "$dir/back"
    cmp -n "$(size_of "$dir/data")" "$dir/data" "$dir/back" ||
        fail "what came back differs"
    until_true "there is no new server" another_server
    say "server $now has taken over, everything is there:"
    until_true "the new server does not answer" nbdzram status
    nbdzram status
    stop_keeper
}

cleanup () {
    status=$?
    trap - EXIT
    stop_disk
    stop_keeper
    rm -rf "$dir"
    exit $status
}

server=
keeper=
dir=$(mktemp -d)
trap cleanup EXIT
trap 'exit 129' HUP INT TERM

say "Looking for what is missing"
sh "$top/contrib/install-deps.sh" build
say "Building (about half a minute)"
build
say "A compressed disk of $disk on a Unix socket"
if take_memory; then
    round
else
    say "memory of processes: left out: $(tail -n 1 "$dir/log")"
fi
take_files
round
say "A server that is killed while its disk holds these files"
survive
