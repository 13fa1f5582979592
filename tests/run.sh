#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The whole suite from a bare machine: installs, builds four ways, runs every
# test, goes on after a failure, and closes with the sums on one line.
set -u

top=$(cd "$(dirname "$0")/.." && pwd -P)
build=${ZRAM_BUILD_DIR:-$top/_build}
jobs=${JOBS:-2}
# Tests with clients wait as long as they compute.
waiting_jobs=$((2 * jobs))

# The tarball test asks this checkout, not the copy that is built.
ZRAM_CHECKOUT=$top
export ZRAM_CHECKOUT

passed=0
failed=0
skipped=0
failures=

# ---- how results are counted ----

# timed LOG COMMAND…: sets $seconds, gives the command's status.
timed () {
    timed_log=$1
    shift
    begin=$(date +%s)
    "$@" > "$timed_log" 2>&1 < /dev/null
    timed_status=$?
    seconds=$(($(date +%s) - begin))
    return $timed_status
}

log_name () { echo "$build/logs/$(echo "$1" | tr -c 'a-z0-9\n' '-').log"; }

show () {
    echo "---- $1, the last lines:"
    tail -n 100 "$1"
    echo "----"
}

count_failure () {
    failed=$((failed + 1))
    failures="$failures
  $1"
}

# step NAME COMMAND…: a stage that is one test itself.
step () {
    name=$1
    log=$(log_name "$name")
    shift
    if timed "$log" "$@"; then
        passed=$((passed + 1))
        echo "passed: $name ($seconds s)"
        return 0
    fi
    count_failure "$name"
    echo "FAILED: $name ($seconds s)"
    show "$log"
    return 1
}

# suite NAME DIRECTORY COMMAND…: runs automake's tests below DIRECTORY and
# counts what their .trs files say.
suite () {
    name=$1
    directory=$2
    log=$(log_name "$name")
    shift 2
    find "$directory" -name '*.trs' -exec rm -f {} +
    timed "$log" "$@"
    status=$?
    before="$passed $failed $skipped"
    for trs in $(find "$directory" -name '*.trs' | sort); do
        count_test "$trs" "$name: $(basename "$trs" .trs)"
    done
    # Something else than a test failed (say, its compilation), or nothing ran.
    if [ "$before" = "$passed $failed $skipped" ] ||
       { [ "$status" -ne 0 ] && [ "${before#* }" = "$failed $skipped" ]; }; then
        count_failure "$name"
        show "$log"
    fi
    # shellcheck disable=SC2086 # three words
    set -- $before
    echo "$name: $((passed - $1)) passed, $((failed - $2)) failed," \
         "$((skipped - $3)) skipped ($seconds s)"
}

# count_test TRS NAME
count_test () {
    case $(sed -n 's/^:test-result: *//p' "$1") in
        PASS*|XFAIL*)
            passed=$((passed + 1)) ;;
        SKIP*)
            skipped=$((skipped + 1))
            echo "SKIPPED: $2: $(grep -v '^SKIP ' "${1%.trs}.log" | tail -n 1)" ;;
        *)
            count_failure "$2"
            echo "FAILED: $2"
            show "${1%.trs}.log" ;;
    esac
}

# ---- the stages ----

ask_git () { git -c safe.directory='*' -C "$top" "$@"; }

# The suite builds a copy, since a tree that was configured in place refuses
# every other build directory.  From a checkout: what git knows or would add.
copy_tree () {
    mkdir -p "$build/src" || return 1
    if [ "$(ask_git rev-parse --show-toplevel 2>/dev/null)" = "$top" ]; then
        ask_git ls-files -z --cached --others --exclude-standard |
            tar -C "$top" --null --no-recursion --ignore-failed-read \
                -T - -cf - |
            tar -C "$build/src" -xf -
    else
        tar -C "$top" --exclude=./_build --exclude=./.git \
            --exclude=config.status --exclude=config.h --exclude=stamp-h1 \
            --exclude=.libs --exclude='*.o' --exclude='*.l[oa]' \
            --exclude='*.log' --exclude='*.trs' -cf - . |
            tar -C "$build/src" -xf -
    fi
}

prepare_source () (
    copy_tree && cd "$build/src" && autoreconf -fi
)

# build_in DIRECTORY [CONFIGURE ARGUMENT…]
build_in () (
    directory=$1
    shift
    mkdir -p "$directory" && cd "$directory" &&
        "$build/src/configure" --quiet --enable-gcc-warnings "$@" &&
        make -j"$jobs"
)

check_install () (
    cd "$build/plain" || exit 1
    root=$build/root
    make install DESTDIR="$root" || exit 1
    plugin=$root$(pkg-config --variable=plugindir nbdkit)/nbdkit-zram-plugin.so
    PATH=$PATH:/usr/sbin nbdkit --dump-plugin "$plugin" | grep '^name=zram$' ||
        exit 1
    for wanted in bin/nbdzram share/nbdzram/presets/swap-local.conf \
        share/doc/nbdzram/examples/nbdzram.conf.example \
        share/man/man1/nbdkit-zram-plugin.1 share/man/man5/nbdzram.conf.5 \
        share/man/man7/nbdzram-swap.7 share/man/man8/nbdzram.8
    do
        [ -s "$root/usr/local/$wanted" ] || { echo "no $wanted"; exit 1; }
    done
    make uninstall DESTDIR="$root" || exit 1
    left=$(find "$root" ! -type d)
    [ -z "$left" ] || { echo "make uninstall left $left"; exit 1; }
)

if [ -d "$build" ]; then
    # A distcheck that broke off leaves directories that nobody may write.
    chmod -R u+w "$build"
    rm -rf "$build"
fi
mkdir -p "$build/logs" || exit 1

step "install what is missing" sh "$top/contrib/install-deps.sh" tests
step "autoreconf" prepare_source

if step "build with warnings as errors" build_in "$build/plain"; then
    suite "plain" "$build/plain/tests" \
        make -C "$build/plain" -k -j"$waiting_jobs" check
    step "install and uninstall" check_install
    # One test at a time: each is a machine with two processors of its own.
    suite "virtual machine" "$build/plain/tests/vm" \
        make -C "$build/plain" -k check-vm
    # The tarball is built and installed again.  Its tests, which test-dist
    # finds to be all there, have just been run.
    step "distcheck" env VERBOSE=1 make -C "$build/plain" -j"$jobs" distcheck \
        DISTCHECK_CONFIGURE_FLAGS='--enable-gcc-warnings --disable-nbd-tests' \
        TESTS= check_PROGRAMS= check_LTLIBRARIES=
fi

# With -O2 sanitized tests take half as long again to compile.
sanitized='-O1 -g'

if step "build with address and undefined sanitizers" \
    build_in "$build/address" --enable-sanitizer=address --enable-debug \
    CFLAGS="$sanitized"; then
    suite "address sanitizer, unit" "$build/address/tests/unit" \
        make -C "$build/address/tests/unit" -k -j"$jobs" check
    suite "address sanitizer, NBD" "$build/address/tests/nbd" \
        make -C "$build/address/tests/nbd" -k -j"$waiting_jobs" check
fi

# The second compiler comes with the fuzzers.
if step "build with clang and fuzzers" \
    build_in "$build/fuzz" CC=clang --enable-fuzzing \
    --enable-sanitizer=address CFLAGS="$sanitized"; then
    suite "fuzzers" "$build/fuzz/tests/fuzz" \
        make -C "$build/fuzz/tests/fuzz" -k -j"$jobs" check
fi

# The thread sanitizer wants its address ranges for itself; a kernel that
# spreads mappings widely gets in its way.
fixed_addresses=
if setarch -R true 2>/dev/null; then
    fixed_addresses='setarch -R'
fi
if step "build with the thread sanitizer" \
    build_in "$build/thread" --enable-sanitizer=thread --enable-debug \
    CFLAGS="$sanitized"; then
    suite "thread sanitizer, unit" "$build/thread/tests/unit" \
        $fixed_addresses make -C "$build/thread/tests/unit" -k -j"$jobs" \
        check-threads
fi

# ---- the end ----

if [ -n "$failures" ]; then
    echo "failed:$failures"
fi
status=0
if [ "$failed" -gt 0 ]; then
    status=1
fi
if [ "${CI-}" = true ] && [ "$skipped" -gt 0 ]; then
    echo "CI skips nothing: a skipped test is a failure here"
    status=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
exit $status
