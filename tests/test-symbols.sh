#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The plugin shows nbdkit what nbdkit looks up, and needs only libraries and
# nbdkit's own functions.
set -eu

shown=$(nm -D --defined-only "$ZRAM_PLUGIN" | awk '{ print $3 }')
case $shown in *plugin_init*) ;; *)
    echo "plugin_init is not visible"
    exit 1
esac
if echo "$shown" | grep -Ev '^(plugin_init|zram_debug_[a-z0-9_]+)$'; then
    echo "visible, though neither plugin_init nor zram_debug_*"
    exit 1
fi

# ldd -r does what dlopen does, without the server; a sanitizer's functions
# come from the server's process too.
if ldd -r "$ZRAM_PLUGIN" 2>&1 |
    grep -E 'not found|undefined symbol' |
    grep -Ev 'undefined symbol: (nbdkit_|__(asan|ubsan|tsan|sanitizer)_)'; then
    echo "neither nbdkit nor a library that the plugin links has these"
    exit 1
fi
