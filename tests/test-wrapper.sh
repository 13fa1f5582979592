#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# ./nbdkit runs the plugin of this build tree, from anywhere and in every mode.
set -eu

fail () { echo "$*"; exit 1; }

cd /

"$NBDKIT" --dump-plugin zram | grep -q '^name=zram$' ||
    fail "--dump-plugin zram does not show the plugin"
"$NBDKIT" --dump-plugin zram | grep -qxF "path=$(realpath "$ZRAM_PLUGIN")" ||
    fail "--dump-plugin zram shows another file than $ZRAM_PLUGIN"
"$NBDKIT" --help zram | grep -q 'zram' ||
    fail "--help zram does not show the plugin"

# Words with blanks keep them, and an export called zram is not the plugin.
size=$("$NBDKIT" -U - -e zram zram 64M --run 'nbdinfo --size "$uri"')
[ "$size" = 67108864 ] || fail "a 64M disk has the size '$size'"
