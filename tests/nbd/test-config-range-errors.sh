#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What only a device can tell is wrong, or what the file's reader passes over,
# is said with file, line, key and value too.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"

# names PATTERN ARGUMENT…: there is one line, which begins so.
names () {
    names_where=$1
    shift
    if "$NBDKIT" -U - zram "$@" --run 'echo started' > "$dir/said" 2>&1; then
        fail "a server started with $*"
    fi
    same "the number of lines" "$(wc -l < "$dir/said")" 1
    grep -q "^nbdkit: error: $names_where" "$dir/said" ||
        fail "not '$names_where…' but: $(cat "$dir/said")"
}

check "a disk that is larger than its blocks can be numbered"
names "command line: disksize: .*: '17T'$" 17T
printf '[a]\ndisksize = 17T\n' > "$dir/conf"
names "$dir/conf:2: disksize: .*: '17T'$" config="$dir/conf"

check "a limit that the empty device exceeds"
names "command line: mem_limit: .*: '64K'$" 1M mem_limit=64K
printf '[a]\ndisksize = 1M\nmem_limit = 64K\n' > "$dir/conf"
names "$dir/conf:3: mem_limit: .*: '64K'$" config="$dir/conf"

check "the lowest number there is, as a level"
names "command line: algorithm_params: .*: 'level=-2147483648'$" \
    1M algorithm_params=level=-2147483648

check "a section whose bracket is not closed"
printf '[a]\ndisksize = 1M\n[b\ndisksize = 1M\n' > "$dir/conf"
names "$dir/conf:3: " config="$dir/conf"

check "no file"
names "command line: config: .*: ''$" config=
