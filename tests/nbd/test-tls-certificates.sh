#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# TLS with certificates, by libnbd's and qemu's clients, on a Unix socket and on
# TCP.  Who has no TLS, or with --tls-verify-peer no certificate of the server's
# authority, is refused, and whoever comes next is served.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
. "$top_srcdir/tests/nbd/tls.sh"
need certtool jq nbdcopy nbdinfo perl qemu-img

disk_bytes=$((24 << 20))

# For qemu-img: what a party has, and an export on TCP.
credentials () { echo "tls-creds-x509,id=tls0,endpoint=client,dir=$dir/$1"; }
image () {
    echo "driver=raw,file.driver=nbd,file.tls-creds=tls0,file.export=$1,\
file.server.type=inet,file.server.host=${address%:*},\
file.server.port=${address#*:}"
}

# qemu_refuses PARTY EXPORT WHY
qemu_refuses () {
    if qemu-img info --object "$(credentials "$1")" --image-opts \
        "$(image "$2")" > "$dir/said" 2>&1; then
        fail "qemu-img opens $2 for the $1"
    fi
    grep -Eq "$3" "$dir/said" || fail "not refused for '$3': $(cat "$dir/said")"
}

serves_user () {
    same "the size for the user" "$(size_for "$(of user disk)")" $disk_bytes
}

make_authority ours
make_authority theirs
make_party server ours ours server "cn = server" "ip_address = 127.0.0.1"
make_party user ours ours client "cn = user"
make_party visitor ours
make_party stranger ours theirs client "cn = user"
make_party sceptic theirs

take_files $((8 << 20)) > "$dir/data"
take_text $((8 << 20)) > "$dir/text"
truncate -s $disk_bytes "$dir/data" "$dir/text"

cat > "$dir/conf" <<END
[disk]
disksize = $disk_bytes
[other]
disksize = 1M
END

# ---- encrypted, whoever comes ----

start_nbdkit --tls=require --tls-certificates="$dir/server" \
    zram config="$dir/conf"

check "what nbdcopy writes is what it reads, with TLS"
quietly nbdcopy "$dir/data" "$(of visitor disk)"
quietly nbdcopy "$(of user disk)" "$dir/back"
cmp "$dir/data" "$dir/back"
same "TLS" "$(nbdinfo --json "$(of visitor disk)" | jq .TLS)" true

check "both exports are listed, and a wrong one is refused"
same "the names" "$(nbdinfo --list --json "$(of visitor)" |
    jq -r '.exports[]."export-name"' | tr '\n' ' ')" "disk other "
refuses_export "$(of visitor disc)" "No such file"
serves_user

check "a client without TLS is refused"
refuses_client "$(plain_of disk)" "TLS"
serves_user
stop_server

# ---- on TCP, with certificates on both sides ----

start_on_loopback --tls=require --tls-certificates="$dir/server" \
    --tls-verify-peer zram config="$dir/conf"

check "nbdcopy and qemu-img write and read on TCP"
quietly nbdcopy "$dir/data" "$(tcp_of user disk)"
quietly nbdcopy "$(tcp_of user disk)" "$dir/back"
cmp "$dir/data" "$dir/back"
quietly qemu-img convert --object "$(credentials user)" -f raw -n \
    --target-image-opts "$dir/text" "$(image disk)"
quietly qemu-img convert --object "$(credentials user)" --image-opts \
    "$(image disk)" -O raw "$dir/back"
cmp "$dir/text" "$dir/back"

check "neither opens a wrong export"
refuses_export "$(tcp_of user disc)" "No such file"
qemu_refuses user disc "not available|No such file"

check "a client without TLS is refused"
refuses_client "nbd://$address/disk" "TLS"

# The client is told by the end of the connection, at this or that point.
check "a client without a certificate is refused"
refuses_client "$(tcp_of visitor disk)" "$handshake_ended"
qemu_refuses visitor disk "TLS|[Rr]eset by peer|Broken pipe"

check "a client with another authority's certificate is refused"
refuses_client "$(tcp_of stranger disk)" "$handshake_ended"
grep -q 'gnutls_handshake: .*certificate' "$dir/log" || fail "it says nothing"

# On a Unix socket the server has no name that libnbd 1.14 could check.
check "a client that trusts another authority does not trust the server"
refuses_client "$(tcp_of sceptic disk)" "verif"

check "the user is still served"
same "the size" "$(size_for "$(tcp_of user disk)")" $disk_bytes
quietly nbdcopy "$(tcp_of user disk)" "$dir/back"
cmp "$dir/text" "$dir/back"
stop_server
