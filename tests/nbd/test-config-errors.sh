#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What is wrong in the configuration is said in one line with file, line, key
# and value, and no server starts.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"

conf=$dir/conf

# What a disk needs beside KEY: others KEY ALGORITHM.
others () {
    [ "$1" = disksize ] || echo disksize=1M
    [ "$1" = comp_algorithm ] || echo "comp_algorithm=$2"
}

# refuses_value KEY VALUE WHAT ALGORITHM: on the command line and in a file.
refuses_value () {
    # shellcheck disable=SC2046 # two words
    refuses "command line: $1: $3: '$2'" "$1=$2" $(others "$1" "$4")
    {
        printf '# a disk\n[disk]\n%s = %s\n' "$1" "$2"
        others "$1" "$4"
    } > "$conf"
    refuses "$conf:3: $1: $3: '$2'" config="$conf"
}

# refuses_values ALGORITHM: a table on stdin.
refuses_values () {
    while IFS='|' read -r key value what; do
        refuses_value "$key" "$value" "$what" "$1"
    done
}

check "values"
size="not a size such as 4096, 256K or 2G"
power="not a power of two from 4096 to 65536"
limit="not a size such as 64M or 2G, or 0 for no limit"
refuses_values zstd <<END
disksize||$size
disksize|0|a disk cannot be empty
disksize|-4096|$size
disksize|1MB|$size
disksize|08|$size
disksize|8E|larger than NBD can say
disksize|16E|$size
block_size|5000|$power
block_size|2K|$power
block_size|128K|$power
block_size|4G|$power
block_size|4K 4K|$power
comp_algorithm||no such algorithm
comp_algorithm|ZSTD|no such algorithm
comp_algorithm|842|842 is not supported, it needs special hardware to be fast
algorithm_params|level|a parameter without a value
algorithm_params|dict=|a parameter without a value
algorithm_params|level=1x|level is not a number
algorithm_params|level=3000000000|level is not a number
algorithm_params|level=23|the level is out of this algorithm's range
algorithm_params|level=1 speed=2|not one of level=, dict=, algo= and priority=
algorithm_params|algo=lz4 level=1|algo= is not the device's algorithm
algorithm_params|priority=1|this priority has no algorithm
mem_limit||$limit
mem_limit|50%|$limit
END
refuses_values lz4 <<END
algorithm_params|level=0|the level is out of this algorithm's range
END
refuses_values lz4hc <<END
algorithm_params|level=13|the level is out of this algorithm's range
END

check "keys"
refuses_values zstd <<END
Disksize|1M|unknown key
backing|/tmp|unknown key
END
refuses "command line: disksize: missing"
refuses "command line: size: given twice: '2M'" disksize=1M size=2M
refuses "command line: block_size: given twice: '4K'" \
    1M block_size=4K block_size=4K
refuses "command line: config: given twice: '/b'" config=/a config=/b
refuses "command line: export: given twice: 'b'" export=a export=b
refuses "command line: export: needs config=FILE: 'a'" 1M export=a

# refuses_text LINE WHAT TEXT: of a file; TEXT is a format of printf.
refuses_text () {
    # shellcheck disable=SC2059 # so it is
    printf "$3" > "$conf"
    refuses "$conf$1: $2" config="$conf"
}

check "lines of a file"
none="no export: write a section with a name and a disksize"
neither="line: neither a [section] nor key = value"
name="section: a section's name has 1 to 49 characters"
while IFS='|' read -r line what text; do
    refuses_text "$line" "$what" "$text"
done <<END
|$none|
|$none|[server]\\nlisten = localhost:10809\\n
:1|disksize: a key before the first section: '1M'|disksize = 1M\\n
:2|$neither: 'disksize 1M'|[a]\\ndisksize 1M\\n
:1|$name: ''|[]\\ndisksize = 1M\\n
:1|$name: '$(printf %050d 0)'|[$(printf %050d 0)]\\n
:1|disksize: missing in section [a]|[a]\\n[b]\\ndisksize = 1M\\n
:3|section: given twice: 'a'|[a]\\ndisksize = 1M\\n[a]\\n
:3|size: given twice: '1M'|[a]\\ndisksize = 1M\\nsize = 1M\\n
:2|config: unknown key: 'b'|[a]\\nconfig = b\\n
:3|foo: unknown key in [server]: '1'|[server]\\nuser=me\\nfoo = 1\\n
:3|user: given twice: 'me'|[server]\\nuser = me\\nuser = me\\n
END

check "a line that is too long"
long=$(printf %0200d 0)
refuses_text :2 "line: longer than 198 characters: 'dict = $long'" \
    "[a]\ndict = $long\n"

check "the first of several errors is the one"
refuses_text :2 "block_size: $power: '1'" '[a]\nblock_size = 1\nfoo = 1\n[a]\n'

check "files"
refuses "$dir/none: cannot read the configuration: No such file or directory" \
    config="$dir/none"
refuses "$dir: cannot read the configuration: Is a directory" config="$dir"
printf '[a]\ndisksize = 1M\n' > "$conf"
refuses "command line: export: no such section in $conf: 'b'" \
    config="$conf" export=b

check "the same without the errors starts"
quietly "$NBDKIT" -U - zram config="$conf" export=a --run true
