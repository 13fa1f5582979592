#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Installs what is missing on a Debian 12 machine: install-deps.sh build|tests
set -eu

# libc6-dev and such are only recommended by those who need them, and nothing
# recommended is installed.
build='
    autoconf automake gcc libc6-dev libtool make perl pkg-config
    nbdkit nbdkit-plugin-dev
    libnbd-bin libnbd-dev
    libblkid-dev libinih-dev liblz4-dev libnl-genl-3-dev libsmartcols-dev
    libzstd-dev
    libdeflate-dev liblzo2-dev libssl-dev libxxhash-dev
'
# clang for the fuzzers; qemu with a kernel for the tests in a virtual machine,
# whose initramfs is made by cpio from busybox and what nbd-client needs.
tests='
    clang libclang-rt-14-dev
    busybox-static cpio e2fsprogs kmod linux-image-cloud-amd64 nbd-client
    qemu-system-x86 qemu-utils
    fio git gnutls-bin jq procps systemd util-linux xz-utils
'

case ${1-} in
    build) wanted=$build ;;
    tests) wanted="$build $tests" ;;
    *) echo "usage: $0 build|tests" >&2; exit 2 ;;
esac

# dpkg-query fails for packages it has never heard of, and lists the others.
# shellcheck disable=SC2086 # one word a package
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted \
    2>/dev/null | sed -n 's/ installed$//p') || true
missing=
for package in $wanted; do
    echo "$installed" | grep -qxF "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "$0: only root can install:$missing" >&2
    exit 1
fi

# nbd-client brings a service and questions; this machine's disks are none of
# our business.  A policy that is there already knows better than we do.
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
fi

echo "installing:$missing"
log=$(mktemp)
# The lists of a bare machine are empty or old.
# shellcheck disable=SC2086 # one word a package
if ! { apt-get update &&
       apt-get install -y --no-install-recommends $missing; } \
       < /dev/null > "$log" 2>&1
then
    cat "$log" >&2
    rm -f "$log"
    echo "$0: apt-get failed" >&2
    exit 1
fi
rm -f "$log"
