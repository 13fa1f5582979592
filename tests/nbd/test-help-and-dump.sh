#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdkit --help shows each key, and --dump-plugin the version and what was
# compiled in: exactly the algorithms that the server takes.
set -eu

. "$top_srcdir/tests/nbd/functions.sh"

check "--help"
"$NBDKIT" zram --help > "$dir/help"
# From where they are declared.
keys=$(sed -n 's/^  KEY ([A-Z_]*, \([a-z_]*\),.*/\1/p' \
    "$top_srcdir/plugin/control/conf.h")
same "the first key" "$(echo "$keys" | head -n 1)" disksize
for key in $keys config export; do
    grep -q "^$key=" "$dir/help" || fail "no $key= in: $(cat "$dir/help")"
done
same "the key for a value without one" \
    "$(grep -c 'size= may be left out' "$dir/help")" 1

check "--dump-plugin, before and after the plugin's name"
"$NBDKIT" --dump-plugin zram > "$dir/dump"
same "the dump" "$("$NBDKIT" zram --dump-plugin)" "$(cat "$dir/dump")"

value () { sed -n "s/^$1=//p" "$dir/dump"; }

check "the version is that of this tree"
version=$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' \
    "$top_builddir/config.h")
[ -n "$version" ] || fail "config.h has no version"
same zram_version "$(value zram_version)" "$version"
same "the plugin's version" "$(value version)" "$version"

check "the default comes first"
same "the first algorithm" "$(value zram_algorithms | cut -d ' ' -f 1)" zstd

check "the server takes the algorithms that are listed, and no other"
for algorithm in zstd lz4 lz4hc lzo deflate; do
    case " $(value zram_algorithms) " in
        *" $algorithm "*)
            quietly "$NBDKIT" -U - zram 1M comp_algorithm=$algorithm --run true
            ;;
        *)
            refuses \
                "command line: comp_algorithm: not compiled in: '$algorithm'" \
                1M comp_algorithm=$algorithm
            ;;
    esac
done

check "the server takes the features that are listed, and no other"
for feature in backing_dev use_dedup; do
    case $feature in
        backing_dev) set -- backing_dev="$dir/backing" backing_size=1M ;;
        use_dedup) set -- use_dedup=1 ;;
    esac
    case " $(value zram_features) " in
        *" $feature "*) quietly "$NBDKIT" -U - zram 1M "$@" --run true ;;
        *) ! "$NBDKIT" -U - zram 1M "$@" --run true 2> "$dir/said" ||
               fail "it takes $feature"
           grep -q "not compiled in" "$dir/said" || fail "$(cat "$dir/said")" ;;
    esac
done

check "the block sizes"
for bytes in "$(value zram_block_size_min)" "$(value zram_block_size_max)"; do
    quietly "$NBDKIT" -U - zram 1M block_size="$bytes" --run true
done
