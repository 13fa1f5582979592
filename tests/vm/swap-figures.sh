#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# make bench-vm: how long a hog takes on the kernel's zram and on ours, both in
# a machine with 256 MiB, and how many runs end at all.  Figures, and no test:
# on a machine that does other things too they say little.
#   VM_ALGORITHMS   [lz4 zstd]
#   VM_RUNS         [3] of each; the two take turns
#   VM_HOG_MIB, VM_PASSES, VM_RESERVE: see vm-swap.sh
#   VM_STOCK=yes    runs nbdkit's memory plugin once as well, which hangs
set -eu
. "$top_srcdir/tests/vm/vm.sh"
. "$top_srcdir/tests/vm/vm-swap.sh"

vm_seconds_max=${VM_SECONDS_MAX:-240}
vm_swap_begin

# run_one WHERE ALGORITHM: the seconds, or what happened.
run_one () {
    if (vm_swap_run "$@") > "$dir/run-log" 2>&1; then
        vm_console | sed -n 's/^hog: every page is right: \(.*\) s$/\1/p'
    else
        { echo "---- $*"; cat "$dir/run-log"; } >&2
        echo hangs
    fi >> "$dir/$1-$2"
    echo "$1 $2: $(tail -n 1 "$dir/$1-$2")" >&2
}

middle () {
    grep -v hangs "$1" | sort -n | awk '
        { value[NR] = $1 }
        END { print NR ? value[int ((NR + 1) / 2)] : "-" }'
}

show () {               # ALGORITHM
    kernel=$(middle "$dir/kernel-$1")
    ours=$(middle "$dir/ours-$1")
    ratio=$(echo "$ours $kernel" | awk '$1 * $2 { printf "%.2f", $1 / $2 }')
    printf '%-10s %8s %8s %6s %5s of %s\n' "$1" "$kernel" "$ours" \
        "${ratio:--}" "$(grep -vc hangs "$dir/ours-$1")" "$runs"
}

runs=${VM_RUNS:-3}
for algorithm in ${VM_ALGORITHMS:-lz4 zstd}; do
    for run in $(seq "$runs"); do
        run_one kernel "$algorithm"
        run_one ours "$algorithm"
    done
done
[ -z "${VM_STOCK-}" ] || run_one stock none

echo "a hog of $vm_hog_mib MiB, passes: $vm_passes; reserve $vm_reserve"
printf '%-10s %8s %8s %6s %s\n' algorithm 'kernel s' 'ours s' ratio completed
for algorithm in ${VM_ALGORITHMS:-lz4 zstd}; do
    show "$algorithm"
done
[ -z "${VM_STOCK-}" ] || echo "nbdkit memory: $(cat "$dir/stock-none")"
