#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A machine swaps on a server that runs in its own memory.  While a program
# larger than that fills its memory and checks it, the server is killed ten
# times and replaced once: nothing but time is lost.
#   VM_ALGORITHMS [lz4], VM_RUNS [1] of each, VM_KILLS [10], VM_HOG_MIB [320],
#   VM_PASSES [ahead]: more of it, and zstd, is make soak-vm
set -eu
VM_HOG_MIB=${VM_HOG_MIB:-320} VM_PASSES=${VM_PASSES-ahead}
. "$top_srcdir/tests/vm/vm.sh"
. "$top_srcdir/tests/vm/vm-swap.sh"

vm_kills=${VM_KILLS:-10}
vm_swap_begin

for algorithm in ${VM_ALGORITHMS:-lz4}; do
    for run in $(seq "${VM_RUNS:-1}"); do
        check "$algorithm, run $run"
        vm_swap_run ours "$algorithm"
    done
done
