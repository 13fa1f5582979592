# shellcheck shell=sh
# SPDX-License-Identifier: BSD-3-Clause
# Sourced by what measures or tests swap inside of the virtual machine, after
# vm.sh.
#
#   vm_swap_begin                    what guest-swap.sh's scripts need
#   vm_swap_run WHERE ALGORITHM      a hog on swap that is in WHERE: kernel,
#                                    stock or ours; $vm_kills is how often our
#                                    server is killed meanwhile
#
# A run starts a machine anew, for one that hangs is of no use any more.  To look
# into it, $VM_TUNE and $VM_DEBUG are commands before swap and before the hog.

# About 4:1, of which what does not fit into 256 MiB has to go out.
vm_hog_mib=${VM_HOG_MIB:-500}
vm_passes=${VM_PASSES-ordered ordered}
vm_reserve=${VM_RESERVE:-4M}
vm_min_free_kib=${VM_MIN_FREE_KIB:-8192}
vm_kills=0

vm_swap_begin () {
    vm_modules="$vm_modules lz4 zstd zram"
    PATH=$top_builddir/tests/vm:$PATH
    vm_begin hog swapon chrt
    vm_bring_server
    vm_add_file "$top_srcdir/tests/vm/guest-swap.sh" /swap.sh
    mkdir -p "$vm_root/etc"
}

vm_swap_run () {
    # All kills are to come before all has gone out, and come in again.
    vm_moment=$(((vm_hog_mib - 192) * 256 / 8))
    cat > "$dir/swap-script" <<END
. /swap.sh
hog_mib=$vm_hog_mib
free -m
echo 1 > /proc/sys/vm/overcommit_memory
echo $vm_min_free_kib > /proc/sys/vm/min_free_kbytes
echo 5 > /proc/sys/vm/page-cluster
${VM_TUNE-}
swap_on_$1 $2 "reserve = $vm_reserve"
free -m
[ $vm_kills -eq 0 ] || kill_often $vm_kills $vm_moment &
${VM_DEBUG-}
hog \$hog_mib $vm_passes
end_swap_on_$1 $vm_kills
END
    vm_run < "$dir/swap-script"
}

vm_console () { tr -d '\r' < "$dir/console"; }
