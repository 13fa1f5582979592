#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A machine swaps on a server elsewhere, on two disks at once: one is attached
# with nbdzram, the other one with nbd-client.  While a program larger than its
# memory runs on that, its network has no carrier for a while: nothing but time
# is lost, and every page is as it was left.
#   VM_CUT_SECONDS [20], VM_HOG_MIB [320]
set -eu
. "$top_srcdir/tests/vm/vm.sh"

cut_seconds=${VM_CUT_SECONDS:-20}
PATH=$top_builddir/tests/vm:$PATH
need perl
vm_begin hog swapon
vm_bring_server
vm_add_file "$top_srcdir/tests/vm/guest-swap.sh" /swap.sh
vm_options="-monitor unix:$dir/monitor,server=on,wait=off"
cat > "$dir/conf" <<'END'
[lz4]
disksize = 512M
comp_algorithm = lz4
[zstd]
disksize = 512M
comp_algorithm = zstd
END
vm_serve "config=$dir/conf"

# ---- the cut ----

set_link () {           # on|off
    perl -MIO::Socket::UNIX -e '
        my ($path, $state) = @ARGV;
        my $monitor = IO::Socket::UNIX->new (Peer => $path) or die "$path: $!";
        my $said = "";
        sub await {
            until ($said =~ s/^.*?\(qemu\) //s) {
                sysread ($monitor, $said, 4096, length ($said)) or die "end";
            }
        }
        await ();
        print $monitor "set_link net $state\n";
        $monitor->flush ();
        await ();' "$dir/monitor" "$1"
    echo "$1" >> "$dir/links"
}

# Without a directory the test has ended.
asks_for_it () {
    [ -d "$dir" ] || exit 1
    grep -q '^cut' "$dir/console"
}

# Half a minute is what a machine takes to start and to begin to swap; ten
# times that it has.
cut_when_asked () {
    polls_max=3000
    wait_until "the machine swaps" asks_for_it
    set_link off
    sleep "$cut_seconds"
    set_link on
}

: > "$dir/console"
cut_when_asked &
cutter=$!

vm_run <<END
. /swap.sh
hog_mib=${VM_HOG_MIB:-320}
echo 1 > /proc/sys/vm/overcommit_memory
echo 5 > /proc/sys/vm/page-cluster
nbdzram attach nbd://10.0.2.2:$port/lz4 /dev/nbd0 --swap
attach zstd nbd1 -C 2
mkswap /dev/nbd1
# The same priority: the kernel spreads its pages over both.
/bin/swapon -p 100 /dev/nbd1
(await_moment 8192; echo cut > /dev/console) &
hog \$hog_mib
end_swap
# In halves; a quarter is certain.
for device in nbd0 nbd1; do
    # Sectors of 512 bytes, as pages.
    read=\$(awk '{ print int (\$3 / 8) }' "/sys/block/\$device/stat")
    written=\$(awk '{ print int (\$7 / 8) }' "/sys/block/\$device/stat")
    say "\$device: \$written pages written, \$read read"
    [ "\$written" -ge \$((least / 4)) ] || fail "\$device was hardly written"
    [ "\$read" -ge \$((least / 4)) ] || fail "\$device was hardly read"
done
nbdzram detach /dev/nbd0
swapoff /dev/nbd1
detach nbd1
[ "\$(wc -l < /proc/swaps)" -eq 1 ] || fail "still swap: \$(cat /proc/swaps)"
END

wait "$cutter" || fail "the network was not cut"
same "the states of the link" "$(cat "$dir/links")" 'off
on'
stop_server
