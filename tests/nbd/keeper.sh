# shellcheck shell=sh
# SPDX-License-Identifier: BSD-3-Clause
# For tests of the keeper, behind functions.sh: an ini file with two disks, and
# an nbdkit that writes its number down.
#   $conf      the ini file
#   $server    the keeper; $(served_by) is the nbdkit that it started last
#   $broken    while this file is there, no nbdkit starts
#   $gate      while this pipe is there, nbdkit waits for a word from it

# shellcheck disable=SC2154 # of functions.sh
conf=$dir/conf control=$dir/control pidfile=$dir/pidfile
broken=$dir/broken gate=$dir/gate servers=$dir/servers

write_conf () {
    cat > "$conf" <<END
[server]
listen = ${1-unix:$socket}
control = $control
pidfile = $pidfile
[disk]
disksize = 64M
[other disk]
disksize = 1G
END
}

# What the keeper starts; no nbdkit is left behind, since each is in $servers.
NBDZRAM_NBDKIT=$dir/nbdkit
export NBDZRAM_NBDKIT
cat > "$NBDZRAM_NBDKIT" <<END
#!/bin/sh
echo \$\$ >> '$servers'
[ ! -e '$broken' ] || exit 1
[ ! -e '$gate' ] || read -r word < '$gate'
exec '$NBDKIT' "\$@"
END
chmod +x "$NBDZRAM_NBDKIT"
: > "$servers"

# The one that waits goes on.  The pipe goes first, since the next one may be
# there before a command ends.
open_gate () {
    exec 9> "$gate"
    rm "$gate"
    echo go >&9
    exec 9>&-
}

served_by () { tail -n 1 "$servers"; }

# With lock_memory=on that one may stand by, or be about to: then these know.
named () {      # NAME, of the newest one that lives
    tac "$servers" | while read -r named_server; do
        read -r named_name 2>/dev/null < "/proc/$named_server/comm" || continue
        # Before it executes the real one it has the same name.
        case $named_name,$(readlink "/proc/$named_server/exe") in
            "$1",*/nbdkit) echo "$named_server"; break ;;
        esac
    done
}
serving () { named nbdkit; }
standing_by () { named nbdkit-standby; }
is_standing_by () { [ -n "$(standing_by)" ]; }
await_standby () { wait_until "the next one stands by" is_standing_by; }

nr_starts () { wc -l < "$servers"; }

# in_state STATE…
in_state () {
    state=$(cut -d ' ' -f 1 "$pidfile.state" 2>/dev/null) || :
    for in_state in "$@"; do
        [ "$state" != "$in_state" ] || return 0
    done
    if has_ended "$server"; then
        fail "the keeper is gone"
    fi
    return 1
}

is_other_server () { [ "$(served_by)" != "$1" ] && in_state serving; }

# start_keeper ARGUMENT…: of nbdzram serve.
start_keeper () {
    rm -f "$pidfile.state"
    "$NBDZRAM" serve -c "$conf" "$@" > "$dir/log" 2>&1 < /dev/null &
    server=$!
    is_child=yes
    wait_until "the keeper serves" in_state serving
}

# stop_keeper: with its command.
stop_keeper () {
    quietly "$NBDZRAM" stop -c "$conf"
    await_server
}

# fails TEXT COMMAND…: with status 1; TEXT is a part of what it says.
fails () {
    fails_text=$1 fails_status=0
    shift
    # What starts after all would stay.
    case $(command -v "$1") in
        /*) set -- timeout 60 "$@" ;;
    esac
    "$@" > "$dir/said" 2>&1 < /dev/null || fails_status=$?
    [ $fails_status = 1 ] ||
        fail "the status of $* is $fails_status: $(cat "$dir/said")"
    grep -qF "$fails_text" "$dir/said" ||
        fail "$* does not say '$fails_text': $(cat "$dir/said")"
}

kill_servers () {
    kill_status=$?
    set +e
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null
    while read -r kill_server; do
        # A number may be somebody else's by now.
        if grep -qsF "$dir" "/proc/$kill_server/cmdline"; then
            kill -9 "$kill_server"
        fi
    done < "$servers"
    (exit $kill_status)
    clean_up
}
trap kill_servers EXIT
