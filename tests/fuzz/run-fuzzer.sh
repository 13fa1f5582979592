#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs one fuzzer from its seeds: with libFuzzer for FUZZ_SECONDS and from what
# it found before; with the driver for FUZZ_STEPS, or for FUZZ_SECONDS if these
# are 0.
set -eu

fuzzer=$1
name=$(basename "$fuzzer")
seeds=$srcdir/seeds/$name

# Findings go to the build directory.
mkdir -p "crashes/$name"

if [ "$FUZZ_ENGINE" = driver ]; then
    [ "$FUZZ_STEPS" -eq 0 ] || unset FUZZ_SECONDS
    # A program or a store takes as long as a hundred of the others' inputs.
    case $name in
        fuzz-adopt|fuzz-device) FUZZ_STEPS=$((FUZZ_STEPS / 100)) ;;
    esac
    FUZZ_CURRENT=crashes/$name/current
    export FUZZ_CURRENT
    if "$fuzzer" "$seeds"; then
        exit 0
    fi
    echo "the input that did it: $FUZZ_CURRENT"
    exit 1
fi

# libFuzzer writes to the directory that is named first.
mkdir -p "corpus/$name"
set -- "corpus/$name" "$seeds"
words=$srcdir/${name#fuzz-}.dict
if [ -f "$words" ]; then
    set -- -dict="$words" "$@"
fi

# Its own exit status for a crash, 77, would count as skipped.
# Seeds stay as they are: the libraries are not instrumented, so an object that
# is cut short seems to be as good as a sound one.
exec "$fuzzer" -max_total_time="$FUZZ_SECONDS" -timeout=20 \
    -error_exitcode=1 -timeout_exitcode=1 \
    -rss_limit_mb=2048 -keep_seed=1 -reduce_inputs=0 \
    -artifact_prefix="crashes/$name/" -print_final_stats=1 -verbosity=1 "$@"
