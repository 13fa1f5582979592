#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A disk of 16 TiB starts and serves, and takes memory only for what is on it.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need nbdinfo qemu-io

rss_kib_max=$((20 << 10))

require_little_memory () {
    if has_sanitizer; then
        check "(not its memory: most of it is the sanitizer's)"
        return
    fi
    rss_kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' \
        "/proc/$server/status")
    check "(it takes $rss_kib KiB)"
    [ "$rss_kib" -lt $rss_kib_max ] ||
        fail "the server takes $rss_kib KiB, more than $rss_kib_max"
}

start_server 16T

check "a new one"
same "the size" "$(nbdinfo --size "$uri")" $((16 << 40))
same "the map" "$(nbdinfo --map "$uri" | awk '{ print $1, $2, $3 }')" \
    "0 $((16 << 40)) 3"
require_little_memory

check "data at its start, in the middle and at its end"
edit "write -P 0x11 0 64k" "write -P 0x22 8T 64k" \
    "write -P 0x33 $(((16 << 40) - 4096)) 4k"
edit "read -P 0x11 0 64k" "read -P 0 64k 1M" "read -P 0x22 8T 64k" \
    "read -P 0x33 $(((16 << 40) - 4096)) 4k"
same "the map" "$(nbdinfo --map "$uri" | awk '{ print $1, $2, $3 }')" \
    "0 65536 0
65536 $(((8 << 40) - 65536)) 3
$((8 << 40)) 65536 0
$(((8 << 40) + 65536)) $(((8 << 40) - 65536 - 4096)) 3
$(((16 << 40) - 4096)) 4096 0"
require_little_memory

check "it can be trimmed and zeroed in pieces as large as NBD allows"
edit "discard 0 1G" "write -z -u 8T 1G" "discard $(((16 << 40) - 4096)) 4k"
same "the map" "$(nbdinfo --map --totals "$uri" | awk '{ print $1, $3 }')" \
    "$((16 << 40)) 3"
require_little_memory
stop_server
