#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# As a daemon, which is how nbdkit runs unless told otherwise, it serves until a
# signal ends it, and the next one starts.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"
need nbdinfo qemu-io

end_by () {
    check "it serves, and SIG$1 ends it"
    start_daemon 64M
    same "the daemon's directory" "$(readlink "/proc/$server/cwd")" /
    edit "write -P 0x42 5000 60000"
    edit "read -P 0x42 5000 60000" "read -P 0 65000 1000"
    same "the size" "$(nbdinfo --size "$uri")" 67108864
    end_daemon "$1"
    if nbdinfo --size "$uri" > "$dir/said" 2>&1; then
        fail "something answers after SIG$1"
    fi
}

end_by TERM
end_by INT
