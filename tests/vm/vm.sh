# shellcheck shell=sh
# SPDX-License-Identifier: BSD-3-Clause
# Sourced by test-vm-*.sh: a server here, and a virtual machine with Debian's
# kernel that runs a script against it.
#
#   vm_begin PROGRAM…           skips, or makes the machine's file system: with
#                               busybox, nbd-client, these and their libraries
#   vm_bring_server             nbdkit, its memory plugin, ours and nbdzram too
#   vm_serve ARGUMENT…          starts  nbdkit zram ARGUMENT…  on port $port
#   vm_run < SCRIPT             boots, and runs SCRIPT with guest.sh's functions
#   stop_server                 and it must have ended well
#
# The machine has the last word: only after SCRIPT has ended with 0 its console
# shows this run's token.  A machine that panics, hangs or says nothing has
# failed, and then the console is shown with the server's log.
#
# Its file system is a disk, as on a real machine: what programs are made of is
# read when it is needed and takes no memory away.
#
# The machine is emulated: that runs everywhere, and under a nested KVM guests
# were seen to hang.  It reaches the host's loopback as 10.0.2.2.

# shellcheck source=tests/nbd/functions.sh
. "$top_srcdir/tests/nbd/functions.sh"

vm_memory_mib=256

# A test needs about two minutes; a slow machine may take four times as long.
vm_seconds_max=480

# Reading another clock than the processor's costs as much here as a context
# switch, and the kernel would soon distrust that one on a busy machine.
vm_clock='no_timer_check tsc=reliable clocksource=tsc'

# More options for qemu.
vm_options=

vm_modules='virtio_pci virtio_blk virtio_net nbd ext4'
vm_root=$dir/root
vm_initrd=$dir/initrd
port=none

# ---- the machine's file system ----

vm_begin () {
    need qemu-system-x86_64 busybox nbd-client cpio modprobe mke2fs "$@"
    vm_find_kernel
    vm_make_initrd
    for vm_directory in proc sys dev mnt tmp run; do
        mkdir -p "$vm_root/$vm_directory"
    done
    vm_add_file "$top_srcdir/tests/vm/guest.sh" /init
    chmod +x "$vm_root/init"
    for vm_program in busybox nbd-client "$@"; do
        vm_add_program "$(command -v "$vm_program")"
    done
}

vm_bring_server () {
    vm_plugins=$("$NBDKIT" --dump-config | sed -n 's/^plugindir=//p')
    vm_programs=$("$NBDKIT" --dump-config | sed -n 's/^sbindir=//p')
    vm_add_program "$vm_programs/nbdkit"
    vm_add_program "$NBDZRAM"
    vm_add_file "$vm_plugins/nbdkit-memory-plugin.so"
    vm_add_file "$ZRAM_PLUGIN" "$vm_plugins/nbdkit-zram-plugin.so"
}

# What finds and mounts the disk, and leaves no trace of itself.
vm_make_initrd () {
    mkdir -p "$vm_initrd/bin" "$vm_initrd/dev" "$vm_initrd/disk" \
        "$vm_initrd/modules"
    cp "$top_srcdir/tests/vm/initrd.sh" "$vm_initrd/init"
    chmod +x "$vm_initrd/init"
    cp -L "$(command -v busybox)" "$vm_initrd/bin/"
    vm_add_modules
    (cd "$vm_initrd" && find . | cpio --quiet -o -H newc -R 0:0) \
        > "$dir/initrd.cpio"
}

# The newest one whose modules are there.
vm_find_kernel () {
    vm_version=
    for vm_candidate in $(find /lib/modules -maxdepth 1 \
                          -name '*-cloud-amd64' -printf '%f\n' | sort -V); do
        [ ! -r "/boot/vmlinuz-$vm_candidate" ] || vm_version=$vm_candidate
    done
    [ -n "$vm_version" ] || skip "no kernel /boot/vmlinuz-*-cloud-amd64 here"
}

# Numbered in the order in which they need each other; a module that is built
# into the kernel has no file.  Unpacked, since not every insmod can.
vm_add_modules () {
    for vm_module in $vm_modules; do
        modprobe -C /dev/null -S "$vm_version" --show-depends "$vm_module" ||
            fail "the kernel $vm_version has no module $vm_module"
    done > "$dir/modules"
    vm_number=100
    for vm_module in $(awk '$1 == "insmod" && !seen[$2]++ { print $2 }' \
                       "$dir/modules"); do
        vm_number=$((vm_number + 1))
        case $vm_module in
            *.xz) xz -dc "$vm_module" ;;
            *) cat "$vm_module" ;;
        esac > "$vm_initrd/modules/$vm_number-$(basename "$vm_module" .xz)"
    done
}

vm_add_program () { vm_add_file "$1" "/bin/$(basename "$1")"; }

# vm_add_file FILE [PLACE]: its libraries go to where its loader looks for them;
# a static program has none.
vm_add_file () {
    mkdir -p "$vm_root$(dirname "${2-$1}")"
    cp -L "$1" "$vm_root${2-$1}"
    ldd "$1" > "$dir/libraries" 2>&1 || return 0
    for vm_library in $(sed -n 's,.*[[:blank:]]\(/[^ ]*\) (0x.*,\1,p' \
                        "$dir/libraries"); do
        mkdir -p "$vm_root$(dirname "$vm_library")"
        cp -L "$vm_library" "$vm_root$vm_library"
    done
}

# With room for what scripts write.
vm_make_disk () {
    rm -f "$dir/disk"
    quietly mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=0 \
        -d "$vm_root" "$dir/disk" "$(($(du -sm "$vm_root" | cut -f1) + 64))M"
}

# ---- the server ----

# Nobody can reserve a port for another process, so: try, and take the next one
# if somebody has it.
vm_serve () {
    for vm_attempt in 1 2 3 4 5 6 7 8 9 10; do
        port=$((20000 + ($$ + vm_attempt * 1009) % 12000))
        "$NBDKIT" -f --exit-with-parent -i 127.0.0.1 -p "$port" -P "$dir/pid" \
            zram "$@" > "$dir/log" 2>&1 < /dev/null &
        server=$!
        is_child=yes
        wait_until "the server is ready" vm_server_is_decided
        [ ! -s "$dir/pid" ] || return 0
        grep -q 'Address already in use' "$dir/log" ||
            fail "the server did not start"
    done
    fail "no free port in $vm_attempt attempts"
}

vm_server_is_decided () { [ -s "$dir/pid" ] || has_ended "$server"; }

# ---- the machine ----

vm_run () {
    vm_token=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
    echo "port=$port token=$vm_token" > "$vm_root/parameters"
    cat > "$vm_root/script"
    vm_make_disk
    vm_status=0
    # shellcheck disable=SC2086 # the options are words
    # --foreground: one process group, for whoever kills this test.
    timeout --foreground -k 10 "$vm_seconds_max" qemu-system-x86_64 \
        -accel tcg,thread=multi -smp 2 -m "$vm_memory_mib" \
        -nodefaults -no-user-config -display none -no-reboot \
        -serial "file:$dir/console" -nic user,model=virtio-net-pci,id=net \
        -drive "file=$dir/disk,format=raw,if=virtio,cache=unsafe" \
        -kernel "/boot/vmlinuz-$vm_version" -initrd "$dir/initrd.cpio" \
        -append "console=ttyS0 quiet panic=-1 oops=panic $vm_clock" \
        $vm_options < /dev/null || vm_status=$?
    echo "---- the machine's console, the last lines:"
    tail -n 60 "$dir/console" | tr -d '\r'
    echo "----"
    vm_judge
}

vm_judge () {
    case $vm_status in
        0) ;;
        124|137) fail "the machine did not end in $vm_seconds_max s" ;;
        *) fail "qemu ended with $vm_status" ;;
    esac
    tr -d '\r' < "$dir/console" | grep -qxF "passed $vm_token" ||
        fail "the machine did not say that its script has passed"
}
