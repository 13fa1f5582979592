#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# allow_certificates lets in who came by TLS, or who has a certificate with one
# of the names, and shows nobody else that there is such an export.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
. "$top_srcdir/tests/nbd/tls.sh"
need certtool jq nbdinfo perl

# Before 1.40 nbdkit cannot tell the name, so a library does, from $dir/name.
server_knows_names=
library=$top_builddir/tests/nbd/.libs/libpeer-name.so
cat > "$dir/nbdkit" <<END
#!/bin/sh
LD_PRELOAD='$library' PEER_NAME='$dir/name'
export LD_PRELOAD PEER_NAME
exec '$NBDKIT' "\$@"
END
chmod +x "$dir/nbdkit"

# be PARTY: the next clients are this one.
be () {
    party=$1
    certtool --certificate-info --infile "$dir/$party/client-cert.pem" |
        sed -n 's/^[[:blank:]]*Subject: //p' > "$dir/name"
    [ -s "$dir/name" ] || fail "$party has no name"
}

lets_in () {
    for name in "$@"; do
        same "the size of $name for $party" "$(size_for "$(uri_of "$name")")" \
            1048576
    done
}

keeps_out () {
    for name in "$@"; do
        refuses_export "$(uri_of "$name")" "No such file"
    done
}

lists () {
    same "what $party sees" "$(nbdinfo --list --json "$(uri_of '')" |
        jq -r '.exports[]."export-name"' | tr '\n' ' ')" "$*${1:+ }"
}

requires_line () {
    grep -qF "$1" "$dir/log" || fail "the server does not say: $1"
}

make_authority ours
make_party server ours ours server "cn = server" "ip_address = 127.0.0.1"
make_party alice ours ours client "cn = alice" "organization = Users"
make_party mallory ours ours client 'cn = mallory,O=Users'
make_party backup ours ours client "cn = backup" "organization = Hosts"

# ---- any certificate ----

cat > "$dir/any" <<END
[secret]
disksize = 1M
allow_certificates = any
[open]
disksize = 1M
[local]
disksize = 1M
allow_uids = $(id -u)
[both]
disksize = 1M
allow_uids = $(id -u)
allow_certificates = any
[other]
disksize = 1M
allow_uids = $(($(id -u) + 1))
allow_certificates = any
END

check "any: with TLS on a Unix socket, the uid counts too"
start_nbdkit --tls=on --tls-certificates="$dir/server" --tls-verify-peer \
    zram config="$dir/any"
uri_of () { of "$party" "$@"; }
be alice
lets_in secret open local both ''
keeps_out other
lists secret open local both
requires_line "other: refused to a client (uid $(id -u)"

check "any: without TLS on a Unix socket"
uri_of () { plain_of "$@"; }
lets_in open local
keeps_out secret both other ''
lists open local
requires_line "both: refused to a client (uid $(id -u)): only clients with a"
stop_server

check "any: with TLS on TCP, where there are no uids"
start_on_loopback --tls=on --tls-certificates="$dir/server" \
    --tls-verify-peer zram config="$dir/any"
uri_of () { tcp_of "$party" "$@"; }
lets_in secret open both other
keeps_out local
lists secret open both other

check "any: without TLS on TCP"
uri_of () { echo "nbd://$address/$1"; }
lets_in open
keeps_out secret local both other
lists open
stop_server

# ---- names ----

cat > "$dir/names" <<END
[alice]
disksize = 1M
allow_certificates = CN=alice,O=Users
[users]
disksize = 1M
allow_certificates = CN=*,O=Users
[most]
disksize = 1M
allow_certificates = CN=backup,O=Hosts; CN=a*,O=Users
END

check "names: a server that cannot tell them does not start with them"
if nm -D "$(sed -n "s/^exec '\(.*\)' .*/\1/p" "$NBDKIT")" 2>/dev/null |
    grep -q ' T nbdkit_peer_tls_dn'; then
    server_knows_names=yes
else
    refuses "$dir/names:3: allow_certificates: names of certificates need\
 nbdkit 1.40; any will do with --tls-verify-peer: 'CN=alice,O=Users'" \
        config="$dir/names"
fi

check "names: each opens and sees what lists it"
[ -n "$server_knows_names" ] || NBDKIT=$dir/nbdkit
start_nbdkit --tls=on --tls-certificates="$dir/server" --tls-verify-peer \
    zram config="$dir/names"
uri_of () { of "$party" "$@"; }
be alice
lets_in alice users most
lists alice users most
be backup
lets_in most
keeps_out alice users
lists most
requires_line "users: refused to a client (uid $(id -u), CN=backup,O=Hosts):"

check "names: a name that looks like two parts is not"
be mallory
keeps_out alice users most
lists

check "names: no TLS, no name"
uri_of () { plain_of "$@"; }
be alice
keeps_out alice users most
lists
stop_server
