#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A file system on /dev/nbd0 is in order after umount, holds the same files when
# the disk is attached again, and gives memory back when they are deleted.
set -eu
. "$top_srcdir/tests/vm/vm.sh"

need nbdinfo
vm_begin mke2fs e2fsck

# The second one's blocks are larger than the file system's: each write is part
# of one.
cat > "$dir/conf" <<'END'
[small]
disksize = 512M
[large]
disksize = 512M
comp_algorithm = lz4
block_size = 64K
END
vm_serve "config=$dir/conf"

data_kib () {           # EXPORT: what is neither trimmed nor zero
    nbdinfo --map --totals "nbd://127.0.0.1:$port/$1" |
        awk '$3 == 0 { kib = $1 / 1024 } END { print int (kib) }'
}

vm_run <<'END'
# Programs, text, nothing, noise, holes, many small files, and names for them.
make_tree () {
    cp -r /bin /lib /init .
    seq 1 100000 > text
    : > nothing
    dd if=/dev/urandom of=noise bs=64k count=128
    dd if=text of=holes bs=4k seek=1000 count=8
    for directory in $(seq 1 10); do
        mkdir -p "many/$directory"
        for file in $(seq 1 20); do
            seq "$directory" "$((directory * file))" > "many/$directory/$file"
        done
    done
    ln text hard
    ln -s text soft
}

take_sums () { find . -type f | sort | xargs sha256sum; }

check_disk () {         # DEVICE
    /bin/e2fsck -fn "/dev/$1" || fail "the file system on $1 is damaged"
}

# Attached under another name, so that nothing comes from the kernel's cache.
keeps_files () {        # EXPORT DEVICE DEVICE-LATER
    attach "$1" "$2"
    /bin/mke2fs -q -t ext4 "/dev/$2"
    mount "/dev/$2" /mnt
    (cd /mnt; make_tree; take_sums) > /tmp/before
    umount /mnt
    check_disk "$2"
    detach "$2"

    attach "$1" "$3"
    mount "/dev/$3" /mnt
    (cd /mnt; take_sums) > /tmp/after
    cmp /tmp/before /tmp/after || fail "$1 came back with other files"
    [ "$(wc -l < /tmp/after)" -gt 200 ] || fail "there are too few files"
    [ "$(readlink /mnt/soft)" = text ] || fail "the link is another one"
    say "$1: all files are as they were"
}

gives_back () {         # DEVICE
    rm -r /mnt/*
    # Blocks are free when the journal says so.
    sync
    fstrim -v /mnt
    umount /mnt
    check_disk "$1"
    detach "$1"
}

keeps_files small nbd0 nbd1
gives_back nbd1
keeps_files large nbd2 nbd3
gives_back nbd3
END

for export in small large; do
    kib=$(data_kib "$export")
    echo "$export: $kib KiB are left of the file system without files"
    [ "$kib" -gt 0 ] || fail "$export: not even a superblock"
    [ "$kib" -lt 8192 ] || fail "$export: the noise is still there"
done
stop_server
