#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A machine swaps on a server elsewhere.  While a program larger than its memory
# runs on that, its network has no carrier for a while: nothing but time is lost.
#   VM_CUT_SECONDS [20], VM_HOG_MIB [384]
set -eu
. "$top_srcdir/tests/vm/vm.sh"

cut_seconds=${VM_CUT_SECONDS:-20}
PATH=$top_builddir/tests/vm:$PATH
need perl
vm_begin hog
vm_bring_server
vm_add_file "$top_srcdir/tests/vm/guest-swap.sh" /swap.sh
vm_options="-monitor unix:$dir/monitor,server=on,wait=off"
vm_serve 1G comp_algorithm=lz4

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
hog_mib=${VM_HOG_MIB:-384}
echo 1 > /proc/sys/vm/overcommit_memory
nbdzram attach nbd://10.0.2.2:$port/ "/dev/\$dev" --swap
(await_moment 8192; echo cut > /dev/console) &
hog \$hog_mib ahead
end_swap
nbdzram detach "/dev/\$dev"
END

wait "$cutter" || fail "the network was not cut"
same "the states of the link" "$(cat "$dir/links")" 'off
on'
stop_server
