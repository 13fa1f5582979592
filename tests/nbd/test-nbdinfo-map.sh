#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdinfo shows exactly what was written, zeroed and trimmed.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need nbdinfo qemu-io

# Offset, length and type of each extent, without the words for the types.
map () { nbdinfo --map "$uri" | awk '{ print $1, $2, $3 }'; }

totals () { nbdinfo --map --totals "$uri" | awk '{ print $1, $3 }'; }

# 0: data; 2: zeroes that were written; 3: a hole.
start_server 1M

check "a new disk is one hole"
same "the map" "$(map)" "0 1048576 3"
same "the totals" "$(totals)" "1048576 3"

check "a write makes data of the blocks that it touches"
edit "write -P 0x5a 8192 4096" "write -P 0x5a 20481 1"
same "the map" "$(map)" "0 8192 3
8192 4096 0
12288 8192 3
20480 4096 0
24576 1024000 3"

check "one word repeated is data, and zeroes that were written are zeroes"
edit "write -P 0xff 65536 8192" "write -P 0 73728 8192"
same "the map" "$(map)" "0 8192 3
8192 4096 0
12288 8192 3
20480 4096 0
24576 40960 3
65536 8192 0
73728 8192 2
81920 966656 3"
same "the totals" "$(totals | sort)" "1024000 3
16384 0
8192 2"

check "zeroing makes zeroes, and holes where it may unmap"
edit "write -z 8192 4096" "write -z -u 65536 4096" "write -z 131072 65536"
same "the map" "$(map)" "0 8192 3
8192 4096 2
12288 8192 3
20480 4096 0
24576 45056 3
69632 4096 0
73728 8192 2
81920 49152 3
131072 65536 2
196608 851968 3"

check "trimming makes holes of whole blocks only"
edit "write -P 1 262144 16384" "discard 264192 10240" "discard 131072 65536"
same "the map" "$(map)" "0 8192 3
8192 4096 2
12288 8192 3
20480 4096 0
24576 45056 3
69632 4096 0
73728 8192 2
81920 180224 3
262144 4096 0
266240 8192 3
274432 4096 0
278528 770048 3"

check "a disk that is trimmed altogether is one hole again"
edit "discard 0 1048576"
same "the map" "$(map)" "0 1048576 3"
stop_server

check "the last block of a disk counts for the bytes that it has"
start_server 36K block_size=16K
edit "write -P 7 33792 512"
same "the map" "$(map)" "0 32768 3
32768 4096 0"
same "the totals" "$(totals | sort)" "32768 3
4096 0"
stop_server
