#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# qemu-io finds the patterns that it wrote, zeroed and discarded, at any offset.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need qemu-io

start_server 16M

check "patterns in whole blocks"
edit "write -P 0x11 0 64k" "write -P 0x22 64k 4k" "write -P 0x33 16773120 4k"
edit "read -P 0x11 0 64k" "read -P 0x22 64k 4k" "read -P 0 68k 1M" \
    "read -P 0x33 16773120 4k"

check "patterns over parts of blocks"
edit "write -P 0x44 1000 10" "write -P 0x55 4095 2" "write -P 0x66 12345 54321"
edit "read -P 0x11 0 1000" "read -P 0x44 1000 10" "read -P 0x11 1010 3085" \
    "read -P 0x55 4095 2" "read -P 0x11 4097 8248" "read -P 0x66 12345 54321" \
    "read -P 0x22 66666 2966" "read -P 0 69632 4096"

check "zeroes over parts of blocks"
edit "write -z 2000 5000" "write -z -u 20000 30001"
edit "read -P 0x11 1010 990" "read -P 0 2000 5000" "read -P 0x11 7000 5345" \
    "read -P 0x66 12345 7655" "read -P 0 20000 30001" "read -P 0x66 50001 16665"

check "discarding leaves the parts of blocks at its ends alone"
edit "write -P 0x77 1M 64k" "discard 1050000 20000"
edit "read -P 0x77 1M 4096" "read -P 0 1052672 16384" \
    "read -P 0x77 1069056 45056"

check "requests across each other, several in flight"
edit "aio_write -P 0x81 2M 1M" "aio_write -P 0x82 3M 1M" \
    "aio_write -P 0x83 4M 1M" "aio_write -P 0x84 5M 1M" aio_flush
edit "aio_read -P 0x81 2M 1M" "aio_read -P 0x82 3M 1M" \
    "aio_read -P 0x83 4M 1M" "aio_read -P 0x84 5M 1M" aio_flush

check "a pattern that was not written is noticed"
qemu-io -f raw -c "read -P 0x12 0 512" "$uri" > "$dir/said" 2>&1 || :
grep -q 'Pattern verification failed' "$dir/said" ||
    fail "qemu-io noticed nothing: $(cat "$dir/said")"

stop_server
