#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A daemon finds files by relative paths, although it goes to / itself.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need nbdinfo qemu-io

mkdir "$dir/here"
cd "$dir/here"
take_text 20000 > words

check "dict=FILE on the command line"
start_daemon 64M algorithm_params="dict=words"
edit "write -s words 0 20000"
edit "read -P 0 64k 64k"
end_daemon TERM

check "config=FILE, and dict=FILE in it"
cat > ../conf <<END
[one]
disksize = 8M
algorithm_params = level=1 dict=words
END
start_daemon config=../conf
same "the size" "$(nbdinfo --size "$uri")" 8388608
edit "write -P 0x42 0 1M"
edit "read -P 0x42 0 1M"
end_daemon TERM
