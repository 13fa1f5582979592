#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs one fuzzer for FUZZ_SECONDS, from its seeds and what it found before.
set -eu

fuzzer=$1
name=$(basename "$fuzzer")

# Findings go to the build directory: the first directory is the one written to.
mkdir -p "corpus/$name" "crashes/$name"
set -- "corpus/$name"
if [ -d "$srcdir/seeds/$name" ]; then
    set -- "$@" "$srcdir/seeds/$name"
fi

exec "$fuzzer" -max_total_time="$FUZZ_SECONDS" -timeout=20 -rss_limit_mb=2048 \
    -artifact_prefix="crashes/$name/" -print_final_stats=1 -verbosity=1 "$@"
