#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdzram check-config finds what is wrong in an ini file before anything is
# started; dump-config shows all of it, and its output means the same; serve
# --dry-run says what nbdkit would be started with.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"

conf=$dir/conf

# says STATUS TEXT COMMAND…: nothing else on stderr.
says () {
    says_status=$1 says_text=$2 status=0
    shift 2
    "$NBDZRAM" "$@" > "$dir/out" 2> "$dir/err" || status=$?
    same "what $* says" "$(cat "$dir/err")" "$says_text"
    [ "$status" = "$says_status" ] || fail "$*: the status is $status"
}

# write_server LINE…: of the section [server], from line 2 on.
write_server () {
    {
        echo '[server]'
        printf '%s\n' "$@"
        printf '[disk]\ndisksize = 1M\n'
    } > "$conf"
}

# refuses_server LINE TEXT SETTING…: serve and check-config say the same.
refuses_server () {
    refuses_text="nbdzram: $conf:$1: $2"
    shift 2
    write_server "$@"
    says 1 "$refuses_text" check-config -c "$conf"
    says 1 "$refuses_text" serve --config="$conf"
    says 1 "$refuses_text" serve --dry-run -c "$conf"
}

takes_server () {
    write_server "$@"
    says 0 '' check-config -c "$conf"
}

check "a good file"
printf '[disk]\ndisksize = 1M\n' > "$conf"
says 0 '' check-config --config "$conf"
says 0 '' check-config -c "$conf" disk
[ ! -s "$dir/out" ] || fail "it says: $(cat "$dir/out")"

check "exports that must be there"
says 1 "nbdzram: $conf: there is no export 'other'" \
    check-config -c "$conf" disk other

check "an export with a mistake"
printf '[disk]\ndisksize = 1M\nblock_size = 5000\n' > "$conf"
power="not a power of two from 4096 to 65536"
for command in check-config dump-config serve stop restart; do
    says 1 "nbdzram: $conf:3: block_size: $power: '5000'" $command -c "$conf"
    [ ! -s "$dir/out" ] || fail "$command says: $(cat "$dir/out")"
done
says 1 "nbdzram: $dir/none: cannot read the configuration: No such file or\
 directory" check-config -c "$dir/none"

check "values of the server's keys"
path="a socket's path has at most 107 bytes"
where="neither unix:PATH nor HOST:PORT"
while IFS='|' read -r key value what; do
    refuses_server 2 "$key: $what: '$value'" "$key = $value"
done <<END
listen|unix:|a path is missing
listen|unix:/$(printf %0107d 0)|$path
listen|/run/socket|$where
listen|localhost|$where
listen|localhost:|$where
listen|localhost:nbd|$where
listen|localhost:0|$where
listen|localhost:65536|$where
listen|localhost:+1|$where
listen|:10809|a host is missing, such as 127.0.0.1 or 0.0.0.0
listen|::1:10809|an IPv6 address needs brackets, as in [::1]:10809
tls|on|neither off nor require
tls_verify_peer|2|neither 0 nor 1
insecure|maybe|neither yes nor no
threads|0|not a number from 1 to 256
threads|257|not a number from 1 to 256
threads|many|not a number from 1 to 256
pidfile||a path is missing
user||a name is missing
control|/$(printf %0107d 0)|$path
END
refuses_server 3 "threads: given twice: '2'" 'threads = 1' 'threads = 2'

check "no open door"
door="listen: beyond this machine only with tls=require, or with insecure=yes\
 if you must"
for address in 0.0.0.0:10809 192.0.2.1:10809 '[::]:10809' \
    example.org:10809 128.0.0.1:10809 '[::2]:10809'; do
    refuses_server 2 "$door: '$address'" "listen = $address"
    takes_server "listen = $address" 'insecure = yes'
done
for address in 127.0.0.1:10809 127.255.1.2:1 '[::1]:10809' LocalHost:65535; do
    takes_server "listen = $address"
done

check "TLS"
mkdir "$dir/pki"
echo 'user:0123456789abcdef' > "$dir/psk"
missing="tls_certificates or tls_psk is missing"
refuses_server 2 "tls: $missing: 'require'" 'tls = require'
off="of no use without tls=require"
refuses_server 2 "tls_psk: $off: '$dir/psk'" "tls_psk = $dir/psk"
refuses_server 2 "tls_certificates: $off: '$dir/pki'" \
    "tls_certificates = $dir/pki"
refuses_server 4 "tls_psk: not together with tls_certificates: '$dir/psk'" \
    'tls = require' "tls_certificates = $dir/pki" "tls_psk = $dir/psk"
refuses_server 4 "tls_verify_peer: only with tls_certificates: '1'" \
    'tls = require' "tls_psk = $dir/psk" 'tls_verify_peer = 1'
refuses_server 3 "tls_psk: No such file or directory: '$dir/none'" \
    'tls = require' "tls_psk = $dir/none"
refuses_server 3 "tls_psk: Is a directory: '$dir/pki'" \
    'tls = require' "tls_psk = $dir/pki"
refuses_server 3 "tls_certificates: Not a directory: '$dir/psk'" \
    'tls = require' "tls_certificates = $dir/psk"
takes_server 'tls = require' "tls_psk = $dir/psk" 'listen = 0.0.0.0:10809'
takes_server 'tls = require' "tls_certificates = $dir/pki" \
    'tls_verify_peer = 1'

check "exports that nobody could open"
# refuses_export LINE TEXT KEY VALUE SETTING…: of [disk], which comes last.
refuses_export () {
    refuses_text="nbdzram: $conf:$1: $3: $2: '$4'"
    refuses_setting="$3 = $4"
    shift 4
    write_server "$@"
    echo "$refuses_setting" >> "$conf"
    says 1 "$refuses_text" check-config -c "$conf"
    says 1 "$refuses_text" serve --dry-run -c "$conf"
}
takes_export () {
    takes_setting=$1
    shift
    write_server "$@"
    echo "$takes_setting" >> "$conf"
    says 0 '' check-config -c "$conf"
}
certified="tls_certificates = $dir/pki"
keyed="tls_psk = $dir/psk"
refuses_export 5 "$off" allow_certificates any 'listen = 127.0.0.1:1'
refuses_export 6 "of no use without tls_verify_peer=1" allow_certificates any \
    'tls = require' "$certified"
refuses_export 6 "with tls_psk clients have no certificates, only any is of\
 use" allow_certificates CN=a 'tls = require' "$keyed"
refuses_export 5 "clients on TCP have none, so nobody could open it" \
    allow_uids 0 'listen = 127.0.0.1:1'
takes_export 'allow_uids = 0' 'tls = require' "$keyed"
takes_export 'allow_certificates = any' 'tls = require' "$keyed"
takes_export 'allow_certificates = CN=a;CN=b' 'tls = require' "$certified" \
    'tls_verify_peer = 1'
takes_export "allow_uids = 0
allow_certificates = any" 'tls = require' "$keyed" 'listen = 127.0.0.1:1'

check "paths and users"
refuses_server 3 "control: the same path as listen: '/tmp/a'" \
    'listen = unix:/tmp/a' 'control = /tmp/a'
refuses_server 2 "pidfile: the path of a socket: '/run/nbdzram/nbd.sock'" \
    'pidfile = /run/nbdzram/nbd.sock'
if [ "$(id -u)" = 0 ]; then
    refuses_server 2 "user: no such user: 'nobody at all'" \
        'user = nobody at all'
fi

check "every mistake of the server's is told"
write_server 'listen = 0.0.0.0:1' "tls_psk = $dir/psk" 'control = /run/a' \
    'pidfile = /run/a'
says 1 "nbdzram: $conf:2: $door: '0.0.0.0:1'
nbdzram: $conf:3: tls_psk: $off: '$dir/psk'
nbdzram: $conf:5: pidfile: the path of a socket: '/run/a'" \
    check-config -c "$conf"

case " $("$NBDKIT" --dump-plugin zram | sed -n 's/^zram_features=//p') " in
*' backing_dev '*)
    check "backing files, which stay as they are"
    backing="is not there, and backing_size does not say how large to make it"
    printf '[disk]\ndisksize = 1M\nbacking_dev = %s\n' "$dir/backing" > "$conf"
    says 1 "nbdzram: $conf:3: backing_dev: $backing: '$dir/backing'" \
        check-config -c "$conf"
    echo 'backing_size = 1M' >> "$conf"
    says 0 '' check-config -c "$conf"
    [ ! -e "$dir/backing" ] || fail "check-config made a backing file"
    mkdir "$dir/backing"
    says 1 "nbdzram: $conf:3: backing_dev: neither a file nor a block device:\
 '$dir/backing'" check-config -c "$conf" ;;
esac

check "files of memory, which stay as they are"
printf '[disk]\ndisksize = 1M\nstore = %s\n' "$dir/store" > "$conf"
says 0 '' check-config -c "$conf"
[ ! -e "$dir/store" ] || fail "check-config made a store"
mkdir "$dir/store"
says 1 "nbdzram: $conf:3: store: not a file: '$dir/store'" \
    check-config -c "$conf"
rmdir "$dir/store"
sed -i "s,^store = .*,store = $dir/none/store," "$conf"
says 1 "nbdzram: $conf:3: store: No such file or directory:\
 '$dir/none/store'" check-config -c "$conf"

check "a dump has every key, and means the same"
# With blanks around the = it would not fit into a line.
long="algo=zstd priority=1,$(printf %0141d 0 | tr 0 ' ')algo=lz4 priority=2"
cat > "$conf" <<END
; a comment
[first]
size = 1G
recomp_algorithm=$long
[server]
threads = 5
listen = [::1]:10809
[second disk]
disksize: 64M
comp_algorithm = lz4
algorithm_params =
END
says 0 '' dump-config -c "$conf"
cp "$dir/out" "$dir/dump"
says 0 '' dump-config -c "$dir/dump"
same "the dump of a dump" "$(cat "$dir/out")" "$(cat "$dir/dump")"
for header in conf conf_server; do
    sed -n 's/^  KEY ([A-Z_]*, \([a-z_]*\),.*/\1/p' \
        "$top_srcdir/plugin/control/$header.h"
done | sort -u > "$dir/keys"
[ "$(wc -l < "$dir/keys")" -ge 28 ] || fail "keys: $(cat "$dir/keys")"
sed -n 's/^\([a-z_]*\) *=.*/\1/p' "$dir/dump" | sort -u > "$dir/dumped"
same "the keys" "$(cat "$dir/dumped")" "$(cat "$dir/keys")"
for line in 'threads = 5' 'listen = [::1]:10809' '[second disk]' \
    'disksize = 1G' 'disksize = 64M' 'tls = off' "recomp_algorithm=$long"
do
    grep -qxF "$line" "$dir/dump" || fail "no '$line': $(cat "$dir/dump")"
done

check "a dry run"
# words OF A COMMAND: what a shell makes of it, word by word.
words () {
    eval "set -- $1"
    printf '%s\n' "$@"
}
cat > "$conf" <<END
[server]
listen = unix:$socket
control = $dir/control
pidfile = $dir/pidfile
tls = require
tls_psk = $dir/psk
threads = 3
[it's a disk]
disksize = 1M
[b]
disksize = 1M
END
NBDZRAM_NBDKIT=$NBDKIT
export NBDZRAM_NBDKIT
says 0 '' serve --dry-run -c "$conf"
same "the words" "$(words "$(cat "$dir/out")")" "$NBDKIT
-f
--tls=require
--tls-psk=$dir/psk
--threads=3
--pidfile=/proc/self/fd/6
zram
config=$conf
control=$dir/control
store_fd=4:it's a disk
store_fd=5:b"
for file in "$socket" "$dir/control" "$dir/pidfile"; do
    [ ! -e "$file" ] || fail "a dry run made $file"
done
NBDZRAM_NBDKIT=$dir/none
says 1 "nbdzram: $dir/none: No such file or directory" \
    serve --dry-run -c "$conf"
NBDZRAM_NBDKIT=no-such-program-anywhere
says 1 "nbdzram: no-such-program-anywhere: not found in PATH" \
    serve --dry-run -c "$conf"
