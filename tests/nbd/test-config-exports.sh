#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Each section of a file is an export with its own size, algorithm and content;
# export= leaves one of them, and keys on the command line win.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need jq nbdinfo qemu-io

names () { nbdinfo --list --json "$uri" | jq -r '.exports[]."export-name"'; }

# For an export's name, "" too.
uri_of () { echo "nbd+unix:///$1?socket=$socket"; }

# Size, algorithm and size of blocks.
describe () {
    nbdinfo --json "$(uri_of "$1")" |
        jq -r '.exports[] | "\(."export-size"), \(.description)"' |
        sed 's/compressed RAM disk, //'
}

require_no_export () {
    if nbdinfo "$(uri_of "$1")" > "$dir/said" 2>&1; then
        fail "there is an export '$1'"
    fi
}

cat > "$dir/conf" <<END
; exports in an order that is not the alphabet's
[server]
listen = unix:/nowhere
[swap]
disksize = 8M
[mail box]
size = 5000             ; is rounded up
comp_algorithm = lz4
block_size = 64K
[archive]
comp_algorithm = lz4hc
algorithm_params = level=12
disksize = 1T
END

start_server config="$dir/conf"

check "nbdinfo lists them all, and not [server]"
same "the names" "$(names | sort)" "archive
mail box
swap"

check "each has its keys, and defaults for the others"
same swap "$(describe swap)" "8388608, zstd, blocks of 4096 bytes"
same "mail box" "$(describe mail%20box)" "8192, lz4, blocks of 65536 bytes"
same archive "$(describe archive)" "1099511627776, lz4hc, blocks of 4096 bytes"

check "the first one is the default"
same "the default" "$(describe '')" "$(describe swap)"

check "they can be opened by their names only"
require_no_export server
require_no_export Swap
require_no_export swap2

check "each has its own content"
whole_uri=$uri
uri=$(uri_of archive)
edit "write -P 0x11 0 8k"
uri=$(uri_of swap)
edit "read -P 0 0 8M" "write -P 0x22 4k 4k"
uri=$(uri_of archive)
edit "read -P 0x11 0 8k"
uri=$whole_uri
edit "read -P 0 0 4k" "read -P 0x22 4k 4k"
stop_server

check "export= leaves one, which is the default then"
start_server config="$dir/conf" export=archive
same "the names" "$(names)" archive
same "the default" "$(describe '')" \
    "1099511627776, lz4hc, blocks of 4096 bytes"
require_no_export swap
stop_server

check "the command line wins, for all of them and wherever it says so"
start_server block_size=16K config="$dir/conf" size=1M algorithm_params= \
    comp_algorithm=lz4
for name in swap mail%20box archive; do
    same $name "$(describe $name)" "1048576, lz4, blocks of 16384 bytes"
done
stop_server
