#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdzram status says which safeguards hold and why others do not, to people
# only; without privileges a server starts nevertheless, and says what it lacks.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need prlimit setpriv

NBDZRAM_CONTROL=$dir/control
export NBDZRAM_CONTROL
process='locked_memory io_flusher realtime oom_score_adj small_stacks'

is_silent () {
    "$NBDZRAM" status "$@" > "$dir/table"
    ! grep -q 'locked_memory\|lock_memory' "$dir/table" ||
        fail "status $* shows safeguards: $(cat "$dir/table")"
}

# says NAME STATE: the attribute, and the status the same.
says () {
    "$NBDZRAM" show zram safeguards > "$dir/lines"
    grep -q "^$1 $2" "$dir/lines" ||
        fail "$1 is not '$2': $(cat "$dir/lines")"
    "$NBDZRAM" > "$dir/table"
    grep -q "^  $1 *$2" "$dir/table" ||
        fail "status does not say '$1 $2': $(cat "$dir/table")"
}

check "off: no word of it"
start_server 64M control="$NBDZRAM_CONTROL"
is_silent
stop_server

check "on for one of two disks: on for both"
cat > "$dir/conf" <<END
[one]
disksize = 64M
[two]
disksize = 64M
lock_memory = on
END
start_server config="$dir/conf" control="$NBDZRAM_CONTROL"
"$NBDZRAM" > "$dir/table"
cat "$dir/table"
grep -qx 'lock_memory is on:' "$dir/table" || fail "no safeguards"
for name in $process; do
    same "the lines for $name" "$(grep -c "^  $name " "$dir/table")" 1
    "$NBDZRAM" show one safeguards | grep "^$name " > "$dir/line"
    "$NBDZRAM" show two safeguards | grep "^$name " | cmp - "$dir/line" ||
        fail "$name is not the same for both"
done
for device in one two; do
    grep -qx "  $device: store_locked off: anonymous memory" "$dir/table" ||
        fail "$device has no store_locked"
    grep -q "^  $device: reserve " "$dir/table" || fail "no reserve"
done

check "one disk alone"
"$NBDZRAM" status two > "$dir/table"
grep -q '^  two: reserve ' "$dir/table" || fail "two has no reserve"
! grep -q '^  one: ' "$dir/table" || fail "one is shown too"

check "not for programs"
for option in --json --raw --noheadings --output=NAME; do
    is_silent "$option"
done
stop_server

[ "$(id -u)" = 0 ] || skip "only root can take privileges away"

# start_as_nobody PRLIMIT-OPTION…: who may do nothing, but for these limits.
start_as_nobody () {
    mkdir -m 777 "$dir/nobody"
    chmod 755 "$dir"
    cat > "$dir/nobody-nbdkit" <<END
#!/bin/sh
exec prlimit $* setpriv --reuid 65534 --regid 65534 --clear-groups \
    --inh-caps=-all --bounding-set=-all -- '$nbdkit' "\$@"
END
    chmod +x "$dir/nobody-nbdkit"
    NBDZRAM_CONTROL=$dir/nobody/control
    socket=$dir/nobody/socket
    start_nobody
}

# As start_nbdkit, but what it makes is in a directory that anybody may write
# to.
start_nobody () {
    "$dir/nobody-nbdkit" -f --exit-with-parent -U "$socket" \
        -P "$dir/nobody/pid" "$plugin" 64M lock_memory=on \
        control="$NBDZRAM_CONTROL" > "$dir/log" 2>&1 < /dev/null &
    server=$!
    is_child=yes
    wait_until "the server is ready" test -s "$dir/nobody/pid"
    uri="nbd+unix:///?socket=$socket"
    "$NBDZRAM" show zram safeguards > "$dir/lines"
    edit "write -P 3 0 1M" "read -P 3 0 1M"
}

end_nobody () {
    stop_server
    rm -rf "$dir/nobody"
}

# Somebody else may not be able to read the build tree.
nbdkit=$(sed -n "s/^exec '\(.*\)' .*/\1/p" "$NBDKIT")
plugin=$dir/nbdkit-zram-plugin.so
cp "$ZRAM_PLUGIN" "$plugin"
chmod 755 "$plugin"
if has_sanitizer; then
    echo "a sanitizer's run-time does not come along: the rest is for others"
    exit 0
fi

check "without privileges, and with little memory that may be locked"
start_as_nobody --memlock=65536:65536 --rtprio=0:0
says locked_memory 'no.* needs CAP_IPC_LOCK, or no limit .*64 KiB'
says io_flusher 'no.* needs CAP_SYS_RESOURCE'
says realtime 'no.* needs CAP_SYS_NICE or RLIMIT_RTPRIO'
says oom_score_adj 'no.* needs CAP_SYS_RESOURCE'
says small_stacks yes
for name in locked_memory io_flusher realtime oom_score_adj; do
    same "messages about $name" \
        "$(grep -c "error: lock_memory: $name could not be had: " "$dir/log")" 1
done
end_nobody

prlimit --memlock=unlimited:unlimited --rtprio=1:1 true 2> "$dir/said" || {
    echo "limits cannot be raised here: $(cat "$dir/said")"
    exit 0
}
check "limits are as good as privileges"
start_as_nobody --memlock=unlimited:unlimited --rtprio=1:1 --stack=131072:131072
says locked_memory yes
says small_stacks yes
# A container may have no real-time bandwidth of its own.
policy=$(chrt -p "$(cat "$dir/nobody/pid")" | sed -n 's/.*policy: //p')
case $policy in
    SCHED_FIFO) says realtime yes ;;
    *) says realtime no ;;
esac
end_nobody
