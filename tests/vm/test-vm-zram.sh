#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The kernel's zram and ours count the same: one session, with overwriting,
# discarding, idle marks and writeback, is run on both, and step by step their
# numbers are compared.
#
# Equal at each step: orig_data_size, same_pages, huge_pages, huge_pages_since,
# io_stat, and for each block the flags s, w, h and i.  Within 2 %:
# compr_data_size.  Not compared:
# * mem_used_total: the kernel counts pages of objects alone, we count all;
# * bd_stat: the kernel has a page for each block, we pack objects;
# * the limit for huge blocks: above some 3260 bytes in the kernel (its size
#   classes end there), above 63/64 of a block here.  The data has nothing
#   between: its blocks are noise, or compress to less than 3000 bytes;
# * h of a block that is written back: kernels since 7.0 keep it for blocks that
#   they write compressed, as we do, older ones do not;
# * i of a same-filled block, and of one that is written back: kernels before
#   6.13 set it, later ones and we do not.
set -eu
. "$top_srcdir/tests/vm/vm.sh"

need perl qemu-io nbdcopy
vm_find_kernel
for option in ZRAM ZRAM_WRITEBACK ZRAM_MEMORY_TRACKING BLK_DEV_RAM; do
    grep -qx "CONFIG_$option=[my]" "/boot/config-$vm_version" ||
        skip "the kernel $vm_version was built without $option"
done
# shellcheck disable=SC2034 # for vm.sh
vm_modules='virtio_pci virtio_blk virtio_net brd lz4 lz4hc lzo zstd zram'
# shellcheck disable=SC2119 # no programs
vm_begin

# What zram and we may both have.
wanted=$(algorithms | tr ' ' '\n' | grep -xE 'lz4|lz4hc|lzo|zstd')

# ---- the data ----

# 512 blocks each of zeroes, of one word, of text, memory and noise; then of all
# in turn.  One word in eight does not fit into a slot of ours.
make_data () {
    perl -e '
        srand (1);
        binmode (STDOUT);
        sub letters { join ("", map { chr (97 + rand (26)) } 1 .. $_[0]) }
        my @words = map { letters (4 + rand (6)) } 1 .. 64;
        sub bytes { pack ("C*", map { rand (256) } 1 .. $_[0]) }
        sub text {
            my $text = "";
            $text .= $words[rand (@words)] . " " while length ($text) < $_[0];
            return substr ($text, 0, $_[0]);
        }
        sub memory { pack ("Q<*", map {
            my $kind = rand (4);
            $kind < 2 ? 0 : $kind < 3 ? int (rand (1000)) :
                0x7f1234000000 + 16 * int (rand (4096)) } 1 .. 512) }
        sub word {
            my $i = $_[0];
            pack ("Q<", $i % 8 == 0 ? 0x0123456789abcdef + $i :
                        $i % 8 == 1 ? 0xffffffff00000000 + ($i << 12) :
                        $i % 8 == 2 ? $i << 56 | $i :
                        0x0101010101010101 * ($i % 256)) x 512
        }
        my @kinds = (sub { "\0" x 4096 }, \&word, sub { text (4096) },
                     \&memory, sub { bytes (4096) });
        for my $kind (@kinds) { print $kind->($_) for (1 .. 512); }
        for (1 .. 12) {
            print $_->(1) for (@kinds);
            print text (3072), bytes (1024);
        }'
}

# ---- the session ----

# Both sides define
#   begin ALGORITHM, finish
#   put SOURCE BLOCK COUNT      write that of the data, all in blocks
#   get BLOCK COUNT, discard BLOCK COUNT
#   attribute NAME, store NAME VALUE
#   states                      the block and the flags of block_state, without
#                               those in which they may differ
#   sum                         of all content
cat > "$dir/session" <<'SESSION'
# Blocks in a row that have the same flags take one line.
runs () {
    awk '
        function show() { if (flags) print "blocks", first "-" last, flags }
        $1 == last + 1 && $2 == flags { last = $1; next }
        { show(); first = last = $1; flags = $2 }
        END { show() }'
}

numbers () {
    # shellcheck disable=SC2046 # the columns
    set -- $(attribute mm_stat)
    echo "orig_data_size $1"
    echo "compr_data_size $2"
    echo "same_pages $6"
    echo "huge_pages $8"
    echo "huge_pages_since $9"
    # shellcheck disable=SC2046 # without the blanks between them
    echo "io_stat" $(attribute io_stat)
    states | runs
}

note () { numbers | sed "s/^/= $algorithm $1 /"; }

# Only blocks that are stored are discarded, for we count no others; and none
# that is written back is read twice, since then we take it back.
session () {    # ALGORITHM
    algorithm=$1
    begin "$algorithm"
    note empty
    put 0 0 2632
    note written

    put 2048 1024 256
    put 1024 2048 256
    put 0 1536 128
    put 1536 0 128
    put 512 3000 80
    note overwritten

    discard 64 100
    discard 600 20
    discard 1200 100
    discard 2020 64
    discard 2600 10
    put 1024 1250 20
    note discarded

    store idle all
    note idle
    get 10 20
    get 700 10
    get 1040 30
    get 1400 50
    put 1536 1700 60
    put 512 1800 20
    note used

    store writeback huge_idle
    note huge_idle
    store writeback huge
    note huge
    store writeback idle
    note written-back

    get 1024 100
    get 1600 50
    get 2570 20
    note read-back
    put 1024 1100 50
    put 0 1900 30
    put 2048 2300 40
    discard 1000 60
    discard 2500 70
    note changed

    store idle all
    note idle-again
    store writeback page_index=1110
    note named
    put 1536 2632 200
    store writeback idle
    note last

    echo "= $algorithm content $(sum)"
    finish
}
SESSION

# ---- the kernel ----

make_data > "$vm_root/data"
cat > "$dir/guest" <<'END'
disk=/sys/block/zram0

begin () {
    echo "$1" > $disk/comp_algorithm
    echo /dev/ram0 > $disk/backing_dev
    echo 16M > $disk/disksize
    say "$1"
}
finish () { echo 1 > $disk/reset; }

put () {
    dd if=/data of=/dev/zram0 bs=4k skip="$1" seek="$2" count="$3" \
        conv=notrunc oflag=direct status=none
}
get () {
    dd if=/dev/zram0 of=/dev/null bs=4k skip="$1" count="$2" \
        iflag=direct status=none
}
discard () { blkdiscard -o $(($1 * 4096)) -l $(($2 * 4096)) /dev/zram0; }

attribute () { cat "$disk/$1"; }
store () { echo "$2" > "$disk/$1"; }
states () {
    awk '{ flags = substr ($3, 1, 4) }
         flags ~ /[sw]/ { sub (/i/, ".", flags) }
         { print $1, flags }' /sys/kernel/debug/zram/zram0/block_state
}
sum () { dd if=/dev/zram0 bs=64k iflag=direct status=none | md5sum; }

mount -t debugfs debug /sys/kernel/debug
END
{
    cat "$dir/guest" "$dir/session"
    for algorithm in $wanted; do
        echo "if grep -qw $algorithm \$disk/comp_algorithm; then"
        echo "    session $algorithm"
        echo "fi"
    done
} > "$dir/script"
vm_run < "$dir/script"
tr -d '\r' < "$dir/console" | grep '^= ' > "$dir/kernel" ||
    fail "the kernel had none of: $wanted"

# ---- ours ----

NBDZRAM_CONTROL=$dir/control
export NBDZRAM_CONTROL

begin () {
    rm -f "$NBDZRAM_CONTROL" "$dir/backing"
    set -- control="$NBDZRAM_CONTROL" comp_algorithm="$1"
    # The kernel's level of zstd; ours is another one.
    [ "$algorithm" != zstd ] || set -- "$@" algorithm_params=level=3
    start_server 16M "$@"
    store backing_size 16M
    store backing_dev "$dir/backing"
}
finish () { stop_server; }

put () {
    dd if="$vm_root/data" of="$dir/part" bs=4k skip="$1" count="$3" status=none
    edit "write -s $dir/part $(($2 * 4096)) $(($3 * 4096))"
}
get () { edit "read $(($1 * 4096)) $(($2 * 4096))"; }
discard () { edit "discard $(($1 * 4096)) $(($2 * 4096))"; }

attribute () { "$NBDZRAM" show "$1"; }
store () { "$NBDZRAM" set "$1=$2"; }
states () {
    attribute block_state |
        awk '{ flags = substr ($3, 1, 4) }
             flags ~ /w/ { sub (/h/, ".", flags) }
             { print $1, flags }'
}
sum () { nbdcopy "$uri" - | md5sum; }

# shellcheck source=/dev/null
. "$dir/session"
for algorithm in $(awk '{ print $2 }' "$dir/kernel" | uniq); do
    session "$algorithm"
done > "$dir/ours"

# ---- the comparison ----

awk '$4 == "compr_data_size" {
         key = $2 " " $3
         if (NR == FNR)
             kernel[key] = $5
         else if ($5 > kernel[key] * 1.02 || $5 < kernel[key] * 0.98) {
             print key ": compr_data_size is " $5 ", the kernel: " kernel[key]
             wrong = 1
         }
     }
     END { exit wrong }' "$dir/kernel" "$dir/ours" ||
    fail "compr_data_size is more than 2 % off"
for side in kernel ours; do
    grep -v ' compr_data_size ' "$dir/$side" > "$dir/$side.exact"
done
diff -U 0 "$dir/kernel.exact" "$dir/ours.exact" ||
    fail "the kernel counts other than we do"
echo "$(wc -l < "$dir/kernel") lines were compared"
