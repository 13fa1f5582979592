#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# allow_uids lets in the users that it lists, on a Unix socket, and nobody else:
# whom it keeps out does not see the export either.  The refusal is an error of
# NBD, and one line of the server says who was refused, and why.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need jq nbdcopy nbdinfo perl setpriv
[ "$(id -u)" = 0 ] || skip "only root can be two users"

nobody=65534

# as UID COMMAND…
as () {
    as_uid=$1
    shift
    setpriv --reuid="$as_uid" --regid="$as_uid" --clear-groups "$@"
}

# of EXPORT: for clients on the Unix socket.
of () { echo "nbd+unix:///$1?socket=$socket"; }

# requires_in UID URI SIZE
requires_in () {
    same "the size for $1 of $2" "$(as "$1" nbdinfo --size "$2")" "$3"
}

# An answer of the server, and not an end of the connection.
requires_out () {
    if as "$1" nbdinfo --size "$2" > "$dir/said" 2>&1; then
        fail "$1 may open $2"
    fi
    grep -q "server has no export named\|ERR_UNKNOWN" "$dir/said" ||
        fail "$1 sees no error of NBD at $2: $(cat "$dir/said")"
}

# lists UID URI NAMES
lists () {
    same "what $1 sees" "$(as "$1" nbdinfo --list --json "$2" |
        jq -r '.exports[]."export-name"' | tr '\n' ' ')" "$3"
}

count_lines () { grep -cF "$1" "$dir/log" || :; }

requires_one_line () {
    same "lines with '$1'" "$(count_lines "$1")" 1
}

cat > "$dir/conf" <<END
[private]
disksize = 1M
allow_uids = 0
[open]
disksize = 2M
[shared]
disksize = 3M
allow_uids = $nobody, 0
[service]
disksize = 4M
allow_uids = $nobody
[certified]
disksize = 5M
allow_certificates = any
END

start_server config="$dir/conf"
chmod 755 "$dir"
chmod 666 "$socket"

check "each user opens what lists it, and what lists nobody"
requires_in 0 "$(of private)" 1048576
requires_in 0 "$(of open)" 2097152
requires_in 0 "$(of shared)" 3145728
requires_out 0 "$(of service)"
requires_out $nobody "$(of private)"
requires_in $nobody "$(of open)" 2097152
requires_in $nobody "$(of shared)" 3145728
requires_in $nobody "$(of service)" 4194304
requires_out 1 "$(of shared)"

check "root is no exception where it is not listed, nor for certificates"
requires_out 0 "$(of certified)"
requires_out $nobody "$(of certified)"

check "each refusal is one line"
requires_one_line "service: refused to a client (uid 0): its uid is not in"
requires_one_line "private: refused to a client (uid $nobody): its uid is not"
requires_one_line "shared: refused to a client (uid 1): its uid is not in"
requires_one_line "certified: refused to a client (uid 0): only clients with"
same "errors" "$(count_lines error:)" 5

check "the list has what a client may open, and asking for it is no error"
lists 0 "$(of '')" "private open shared "
lists $nobody "$(of '')" "open shared service "
lists 1 "$(of '')" "open "
same "errors" "$(count_lines error:)" 5

check "the default is the first export, for those who may open it"
requires_in 0 "$(of '')" 1048576
requires_out $nobody "$(of '')"
requires_out 1 "$(of '')"
requires_one_line "private: refused to a client (uid 1): "

check "who was refused once may open another one"
quietly as $nobody nbdcopy "$(of shared)" "$(of service)"
stop_server

check "over TCP there are no users"
start_on_loopback zram config="$dir/conf"
for name in private shared service certified; do
    requires_out 0 "nbd://$address/$name"
    requires_one_line "$name: refused to a client (not on a Unix socket): only"
done
requires_in 0 "nbd://$address/open" 2097152
lists 0 "nbd://$address/" "open "
stop_server

check "a disk without a name, and the command line wins over the file"
start_server 1M allow_uids=0
chmod 666 "$socket"
requires_in 0 "$uri" 1048576
requires_out $nobody "$uri"
requires_one_line "zram: refused to a client (uid $nobody): "
stop_server
start_server config="$dir/conf" allow_uids=any allow_certificates=none
chmod 666 "$socket"
lists 1 "$(of '')" "private open shared service certified "
requires_in 1 "$(of private)" 1048576
stop_server
