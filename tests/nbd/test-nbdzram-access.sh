#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What serve does about who may come in and what a server may: TLS as the ini
# file says, and a user that keeps nothing but three capabilities.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
. "$top_srcdir/tests/nbd/tls.sh"
. "$top_srcdir/tests/nbd/keeper.sh"
need nbdinfo psktool certtool

disk="nbd+unix:///disk?socket=$socket"

# with KEY VALUE…: the ini file with these in [server].
with () {
    write_conf
    sed '1q' "$conf" > "$dir/changed"
    printf '%s = %s\n' "$@" >> "$dir/changed"
    sed '1d' "$conf" >> "$dir/changed"
    mv "$dir/changed" "$conf"
}

check "a pre-shared key"
quietly psktool -u alice -p "$dir/keys"
quietly psktool -u mallory -p "$dir/other-keys"
with tls require tls_psk "$dir/keys"
start_keeper
same "the size for who has the key" "$(size_for \
    "nbds+unix://alice@/disk?socket=$socket&tls-psk-file=$dir/keys")" 67108864
refuses_client \
    "nbds+unix://mallory@/disk?socket=$socket&tls-psk-file=$dir/other-keys" ''
refuses_client "$disk" 'requires TLS|TLS_REQD|TLS'
stop_keeper

check "certificates"
make_authority ca
make_authority wrong-ca
make_party server ca ca server 'cn = server' 'dns_name = localhost'
make_party client ca ca client 'cn = client'
make_party stranger ca wrong-ca client 'cn = client'
with tls require tls_certificates "$dir/server" tls_verify_peer 1
start_keeper
same "the size for a client" "$(size_for "$(of client disk)")" 67108864
refuses_client "$(of stranger disk)" ''
refuses_client "$disk" 'TLS'
stop_keeper

check "certificates that only the server needs are warned about on TCP"
port=$(perl -MIO::Socket::INET -e '
    print IO::Socket::INET->new (Listen => 1, LocalAddr => "127.0.0.1")
        ->sockport')
for verify in 0 1; do
    with tls require tls_certificates "$dir/server" tls_verify_peer $verify
    sed -i "s,^listen = .*,listen = 0.0.0.0:$port," "$conf"
    start_keeper
    same "the size" "$(size_for \
        "nbds://localhost:$port/disk?tls-certificates=$dir/client")" 67108864
    same "the warnings with $verify" \
        "$(grep -c 'warning: tls_verify_peer=0' "$dir/log")" $((1 - verify))
    stop_keeper
done

check "a user"
[ "$(id -u)" = 0 ] || skip "only root can become another user"
need setpriv
as_nobody () { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
as_nobody test -r "$ZRAM_PLUGIN" -a -x "$NBDKIT" ||
    skip "nobody cannot read the build tree"
chmod 711 "$dir"
run=$dir/run
socket=$run/socket control=$run/control pidfile=$run/pidfile
disk="nbd+unix:///disk?socket=$socket"
with user nobody
touch "$servers"
chmod 666 "$servers"
start_keeper
for file in /proc/"$(served_by)"; do
    same "the user" "$(awk '/^Uid/ { print $2, $3, $4, $5 }' "$file/status")" \
        "65534 65534 65534 65534"
    same "the groups" "$(awk '/^Groups/ { print $2 }' "$file/status")" ''
    same "it gets no privileges" \
        "$(awk '/^NoNewPrivs/ { print $2 }' "$file/status")" 1
    # SYS_RESOURCE, IPC_LOCK and SYS_NICE, as far as this root has them.
    ours=$(awk '/^CapEff/ { print $2 }' /proc/self/status)
    most=$(printf '%016x' $((0x$ours & (1 << 24 | 1 << 14 | 1 << 23))))
    for set in CapInh CapPrm CapEff CapBnd CapAmb; do
        same "$set" "$(awk "/^$set/ { print \$2 }" "$file/status")" "$most"
    done
done
answers () { same "the size" "$(nbdinfo --size "$disk")" 67108864; }
answers
same "the socket's mode" "$(stat -c '%U %a' "$socket")" "root 600"
quietly "$NBDZRAM" --control="$control" show disk disksize
! as_nobody nbdinfo "$disk" > "$dir/said" 2>&1 || fail "nobody comes in"
last=$(served_by)
kill -9 "$last"
wait_until "another one serves" is_other_server "$last"
answers
quietly "$NBDZRAM" restart -c "$conf"
answers

# allow UIDS OTHER-UIDS: each disk's, "" for none.
allow () {
    with user nobody
    sed -i "s/^disksize = 64M/&${1:+\\nallow_uids = $1}/
        s/^disksize = 1G/&${2:+\\nallow_uids = $2}/" "$conf"
}
mode () { stat -c %a "$socket"; }

check "other users can connect where every disk says who may come in"
for lists in "0,65534 " "65534 0,65534" " 0"; do
    allow "${lists% *}" "${lists#* }"
    quietly "$NBDZRAM" restart -c "$conf"
    case $lists in
        "65534 "*)
            same "the mode with '$lists'" "$(mode)" 666
            same "the size for nobody" "$(as_nobody nbdinfo --size "$disk")" \
                67108864
            fails "No such file" nbdinfo "$disk" ;;
        *)
            same "the mode with '$lists'" "$(mode)" 600
            fails "Permission denied" as_nobody nbdinfo "$disk" ;;
    esac
done
allow 0 0
quietly "$NBDZRAM" restart -c "$conf"
same "the mode for root alone" "$(mode)" 600
answers

check "who cannot steer the keeper"
! as_nobody rm -f "$pidfile" 2> "$dir/said" || fail "its pid file is gone"
as_nobody sh -c "echo 1 > '$run/fake'"
sed "s,^pidfile = .*,pidfile = $run/fake," "$conf" > "$dir/conf2"
fails "no keeper is there" flock "$run/fake" "$NBDZRAM" stop -c "$dir/conf2"
fails "is there, and somebody else's" "$NBDZRAM" serve -c "$dir/conf2"
stop_keeper
