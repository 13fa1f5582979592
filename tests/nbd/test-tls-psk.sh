#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# TLS with pre-shared keys, by libnbd's and qemu's clients, on a Unix socket and
# on TCP.  Who has no key, another key or another name is refused, and whoever
# comes next is served.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
. "$top_srcdir/tests/nbd/tls.sh"
need jq nbdcopy nbdinfo perl psktool qemu-img

disk_bytes=$((16 << 20))

# make_keys DIRECTORY USER…: under the name that qemu looks for.
make_keys () {
    keys_of=$dir/$1
    shift
    mkdir "$keys_of"
    for user in "$@"; do
        quietly psktool -u "$user" -p "$keys_of/keys.psk"
    done
}

# with USER DIRECTORY EXPORT: a user with the keys of that directory.
with () {
    echo "nbds+unix://$1@/$3?socket=$socket&tls-psk-file=$dir/$2/keys.psk"
}
tcp_with () { echo "nbds://$1@$address/$3?tls-psk-file=$dir/$2/keys.psk"; }

# qemu_reads USER DIRECTORY
qemu_reads () {
    qemu-img convert --object \
        "tls-creds-psk,id=tls0,endpoint=client,dir=$dir/$2,username=$1" \
        --image-opts "driver=raw,file.driver=nbd,file.tls-creds=tls0,\
file.export=disk,file.server.type=inet,file.server.host=${address%:*},\
file.server.port=${address#*:}" -O raw "$dir/back"
}

# What the server is, and how to reach it.
check_clients () {
    where=$1
    reach=$2

    check "$where: what a client writes is what it reads, with TLS"
    quietly nbdcopy "$dir/data" "$($reach alice server disk)"
    quietly nbdcopy "$($reach bob server disk)" "$dir/back"
    cmp "$dir/data" "$dir/back"
    same "TLS" "$(nbdinfo --json "$($reach bob server disk)" | jq .TLS)" true

    check "$where: a wrong export is refused"
    refuses_export "$($reach alice server disc)" "No such file"

    check "$where: a user that the server does not know is refused"
    refuses_client "$($reach carol others disk)" "$handshake_ended"

    check "$where: a user with another key is refused"
    refuses_client "$($reach alice others disk)" "$handshake_ended"

    check "$where: a user with another one's key is refused"
    refuses_client "$($reach alice swapped disk)" "$handshake_ended"

    check "$where: alice and bob are still served"
    for user in alice bob; do
        same "the size for $user" "$(size_for "$($reach $user server disk)")" \
            $disk_bytes
    done
}

make_keys server alice bob
make_keys others alice carol
mkdir "$dir/swapped"
sed 's/^alice:/:/; s/^bob:/alice:/; s/^:/bob:/' "$dir/server/keys.psk" \
    > "$dir/swapped/keys.psk"

cat > "$dir/conf" <<END
[disk]
disksize = $disk_bytes
END
take_files $((8 << 20)) > "$dir/data"
truncate -s $disk_bytes "$dir/data"

start_nbdkit --tls=require --tls-psk="$dir/server/keys.psk" \
    zram config="$dir/conf"
check_clients "Unix socket" with
check "Unix socket: a client without TLS is refused"
refuses_client "$(plain_of disk)" "TLS"
stop_server

start_on_loopback --tls=require --tls-psk="$dir/server/keys.psk" \
    zram config="$dir/conf"
check_clients TCP tcp_with
check "TCP: a client without TLS is refused"
refuses_client "nbd://$address/disk" "TLS"

check "TCP: qemu-img reads for alice, and for nobody with another key"
quietly qemu_reads alice server
cmp "$dir/data" "$dir/back"
for pair in "alice others" "alice swapped" "carol others"; do
    rm -f "$dir/back"
    # shellcheck disable=SC2086 # two words
    if qemu_reads $pair > "$dir/said" 2>&1; then
        fail "qemu-img reads for $pair"
    fi
    [ ! -s "$dir/back" ] || fail "qemu-img read something for $pair"
done
stop_server
