#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Includes obey the floors: store/ knows store/ only, policy/ knows store/,
# control/ knows both, plugin.c knows all and alone knows nbdkit; server/ shares
# the ini file, units and the protocol.
set -eu

cd "$top_srcdir/plugin"
status=0

# All includes of a directory or file, as FILE:INCLUDE.
includes () {
    find "$@" -name '*.[ch]' | sort | while read -r file; do
        sed -n 's,^[ 	]*#[ 	]*include[ 	]*\([<"][^>"]*[>"]\).*,'"$file"':\1,p' \
            "$file"
    done
}

forbid () {     # WHY, then the lines on stdin
    lines=$(cat)
    if [ -n "$lines" ]; then
        echo "$1:"
        echo "$lines"
        status=1
    fi
}

# An include of another floor names its directory; of the own one it does not.
other_floors () { includes "$1" | grep '/.*:".*/' || true; }

forbid "store/ includes another floor" <<END
$(other_floors store)
END
forbid "policy/ includes something above store/" <<END
$(other_floors policy | grep -v ':"\.\./store/[a-z_]*\.h"$')
END
forbid "control/ includes something beside store/ and policy/" <<END
$(other_floors control | grep -Ev ':"\.\./(store|policy)/[a-z_]*\.h"$')
END

# Doors: what only these files include (a pattern, then the header).
while read -r door header; do
    forbid "<$header> is for $door.c only" <<END
$(includes . | grep -F ":<$header>" | grep -Ev "^\./($door)\.c:")
END
done <<END
plugin nbdkit-plugin.h
store/pages sys/mman.h
control/conf ini.h
store/codec_lz4|plugin lz4.h
store/codec_lz4 lz4hc.h
store/codec_zstd|plugin zstd.h
store/codec_lzo|plugin lzo/lzo1x.h
store/codec_deflate|plugin libdeflate.h
END

# The command has what both have to agree on, and no more.
cd "$top_srcdir/server"
shared='control/(conf|conf_dump|conf_server|file|protocol|standby|units'
shared="$shared|unix_listener)"
forbid "server/ includes of plugin/ more than both have to agree on" <<END
$(includes . | grep '/.*:".*/' |
    grep -Ev ':"\.\./plugin/('"$shared"'|store/report)\.h"$')
END
while read -r door header; do
    forbid "<$header> is for $door.c only" <<END
$(includes . | grep ":<$header" | grep -Ev "^\./($door)\.[ch]:")
END
done <<END
handshake|relay libnbd.h
netlink netlink/
signature blkid/
status libsmartcols.h
END

exit $status
