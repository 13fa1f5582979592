#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: BSD-3-Clause
# The first process of the virtual machine: loads the modules and goes over to
# the disk, where guest.sh takes its place.
/bin/busybox mount -t devtmpfs dev /dev
exec < /dev/console > /dev/console 2>&1
for module in /modules/*; do
    /bin/busybox insmod "$module" || echo "insmod $module failed"
done
/bin/busybox mount -t ext4 /dev/vda /disk
exec /bin/busybox switch_root /disk /init
