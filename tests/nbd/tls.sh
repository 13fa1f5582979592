# shellcheck shell=sh
# SPDX-License-Identifier: BSD-3-Clause
# What the tests of TLS share beyond functions.sh: authorities and certificates
# of their own, made in $dir, and clients that use them.  A directory holds what
# one party has, under the names that nbdkit, libnbd and qemu look for.

# Elliptic curves: a key takes no time.
make_key () {
    quietly certtool --generate-privkey --key-type=ecdsa --curve=secp256r1 \
        --outfile "$1"
}

# make_authority NAME: $dir/NAME.pem and its key.
make_authority () {
    printf '%s\n' "cn = $1" ca cert_signing_key > "$dir/template"
    make_key "$dir/$1-key.pem"
    quietly certtool --generate-self-signed --load-privkey "$dir/$1-key.pem" \
        --template "$dir/template" --outfile "$dir/$1.pem"
}

# make_party NAME AUTHORITY [AUTHORITY server|client LINE…]: a directory with
# the authority that it trusts, and a certificate of the other one's, if any,
# that has these lines in its template.
make_party () {
    party=$dir/$1
    mkdir "$party"
    cp "$dir/$2.pem" "$party/ca-cert.pem"
    [ $# -gt 2 ] || return 0
    signer=$3
    role=$4
    shift 4
    printf '%s\n' "$@" "tls_www_$role" encryption_key signing_key \
        > "$dir/template"
    make_key "$party/$role-key.pem"
    quietly certtool --generate-certificate --template "$dir/template" \
        --load-privkey "$party/$role-key.pem" \
        --load-ca-certificate "$dir/$signer.pem" \
        --load-ca-privkey "$dir/$signer-key.pem" \
        --outfile "$party/$role-cert.pem"
}

# of PARTY [EXPORT]: for libnbd's clients with what the party has, on the Unix
# socket, or on TCP.
of () {
    echo "nbds+unix:///${2-}?socket=$socket&tls-certificates=$dir/$1"
}
tcp_of () { echo "nbds://$address/${2-}?tls-certificates=$dir/$1"; }

# Without TLS.
plain_of () { echo "nbd+unix:///${1-}?socket=$socket"; }

# size_for URI
size_for () { nbdinfo --size "$1" 2> "$dir/said" || cat "$dir/said"; }

# refuses_export URI WHY: no size and no content, and WHY is in what is said.
refuses_export () {
    if nbdinfo "$1" > "$dir/said" 2>&1; then
        fail "nbdinfo shows $1: $(cat "$dir/said")"
    fi
    grep -Eq "$2" "$dir/said" ||
        fail "not refused for '$2': $(cat "$dir/said")"
    if timeout 60 nbdcopy "$1" - > "$dir/read" 2> "$dir/said"; then
        fail "nbdcopy reads $1"
    fi
    same "bytes that were read of $1" "$(size_of "$dir/read")" 0
}

# What a client says whose handshake the server ended: the alert, or only that
# the connection is gone, where the server closed it before all was read.
handshake_ended='gnutls|closed socket unexpectedly|[Rr]eset by peer|Broken pipe'

# refuses_client URI WHY: no list either.
refuses_client () {
    refuses_export "$@"
    if nbdinfo --list "$1" > "$dir/said" 2>&1 ||
       grep -q '^export=' "$dir/said"; then
        fail "nbdinfo lists $1: $(cat "$dir/said")"
    fi
}
