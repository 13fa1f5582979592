#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A kernel swaps on two compressed disks at once, zstd and lz4, and a program
# one and a half times as large as its memory finds every page as it left it.
set -eu
. "$top_srcdir/tests/vm/vm.sh"

vm_begin ./hog swapon

cat > "$dir/conf" <<'END'
[zstd]
disksize = 512M
comp_algorithm = zstd
[lz4]
disksize = 512M
comp_algorithm = lz4
END
vm_serve "config=$dir/conf"

vm_run <<'END'
hog_mib=384
# What does not fit into memory has to go out, and to come in to be checked.
least=$(((hog_mib - 256) * 256))

prepare_swap () {       # EXPORT DEVICE [OPTION…]
    attach "$@"
    mkswap "/dev/$2"
    # The same priority: the kernel spreads its pages over both.
    /bin/swapon -p 1 "/dev/$2"
}

end_swap () {           # DEVICE
    swapoff "/dev/$1"
    detach "$1"
}

# Sectors of 512 bytes, as pages.
pages_read () { awk '{ print int ($3 / 8) }' "/sys/block/$1/stat"; }
pages_written () { awk '{ print int ($7 / 8) }' "/sys/block/$1/stat"; }

prepare_swap zstd nbd0
prepare_swap lz4 nbd1 -C 2
echo 1 > /proc/sys/vm/overcommit_memory
hog "$hog_mib"

out=$(vmstat pswpout)
in=$(vmstat pswpin)
say "$out pages went out, $in came in"
[ "$out" -ge "$least" ] || fail "less than $least pages went out"
[ "$in" -ge "$least" ] || fail "less than $least pages came in"
# In halves; a quarter is certain.
for device in nbd0 nbd1; do
    out=$(pages_written "$device")
    in=$(pages_read "$device")
    say "$device: $out pages written, $in read"
    [ "$out" -ge $((least / 4)) ] || fail "$device was hardly written"
    [ "$in" -ge $((least / 4)) ] || fail "$device was hardly read"
done
end_swap nbd0
end_swap nbd1
[ "$(wc -l < /proc/swaps)" -eq 1 ] || fail "still swap: $(cat /proc/swaps)"
END

stop_server
