#!/bin/busybox sh
# shellcheck shell=dash disable=SC1091,SC2154 # /parameters sets them
# SPDX-License-Identifier: BSD-3-Clause
# The first process on the virtual machine's disk: makes what a script needs,
# runs it, and shows the token of this run on the console if it ended with 0.  A
# script is read with set -eu, finds all of busybox, what was brought (by its
# path: the shell prefers an applet), and these functions.

fail () { echo "$*"; exit 1; }

# With the seconds since the start, for whoever wonders where they went.
say () { echo "$* ($(cut -d. -f1 /proc/uptime) s)"; }

# attach EXPORT DEVICE [OPTION…]
attach () {
    export=$1
    device=$2
    shift 2
    nbd-client -N "$export" "$@" 10.0.2.2 "$port" "/dev/$device" ||
        fail "nbd-client cannot attach $export"
}

detach () { nbd-client -d "/dev/$1" || fail "nbd-client cannot detach $1"; }

vmstat () { awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat; }

# A disk that fails now and then is retried; what it says is no less a failure.
kernel_is_content () {
    if dmesg | grep -E 'I/O error|EXT4-fs (error|warning)|timed out|BUG:'; then
        fail "the kernel complains"
    fi
}

prepare () {
    /bin/busybox mount -t devtmpfs dev /dev
    exec < /dev/console > /dev/console 2>&1
    /bin/busybox mkdir /busybox
    /bin/busybox --install -s /busybox
    export PATH=/bin:/busybox
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    mount -t tmpfs run /run
    ip link set lo up
    ip link set eth0 up
    ip address add 10.0.2.15/24 dev eth0
}

prepare
. /parameters
(set -eu; . /script; kernel_is_content)
status=$?
if [ "$status" -eq 0 ]; then
    echo "passed $token"
else
    echo "the script ended with $status"
fi
# This drains the console before the machine is gone.
stty sane
poweroff -f
