#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# nbdzram minds its own usage: status 2 before any server is asked, 1 with one
# line where no server is, and help from one table.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
NBDZRAM_CONTROL=$dir/nobody
export NBDZRAM_CONTROL

fail () { echo "$*"; exit 1; }

# STATUS, then the command's words: what it says is in $dir/out and $dir/err.
expect () {
    wanted=$1
    shift
    echo "nbdzram $*"
    status=0
    "$NBDZRAM" "$@" > "$dir/out" 2> "$dir/err" || status=$?
    [ "$status" = "$wanted" ] && return
    cat "$dir/out" "$dir/err"
    fail "the status is $status instead of $wanted"
}

# STATUS 2, nothing on stdout, and the usage.
refuse () {
    expect 2 "$@"
    [ ! -s "$dir/out" ] || fail "$* says something on stdout"
    [ -s "$dir/err" ] || fail "$* does not say what is wrong"
}

# ---- wrong usage ----

refuse bogus
refuse status --bogus
refuse status zram scratch
refuse --output=NAME,BOGUS
refuse --output=
refuse --json --raw
refuse --control
refuse --json show
refuse show zram 'two words'
refuse set
refuse set zram
refuse set zram disksize
refuse set zram mem_limit=1G disksize
refuse idle zram sometimes
refuse idle zram 90x
refuse idle zram 90 more
refuse recompress zram now
refuse recompress --type=cold
refuse recompress --type=incompressible
refuse recompress --threshold=many
refuse recompress --max-pages=-1
refuse recompress --priority=
refuse recompress max_pages=some
refuse writeback
refuse writeback zram
refuse writeback zram --page-index=1-2
refuse writeback zram --page-indexes=1
refuse writeback zram --type=all
refuse writeback --threshold=1
refuse compact zram scratch
refuse reset --type=idle
refuse serve now
refuse serve --force
refuse serve --dry-run now
refuse stop now
refuse restart now
refuse restart --config
refuse dump-config disk
refuse check-config --dry-run

# ---- no server ----

touch "$dir/file"
for path in "$dir/nobody" "$dir/file"; do
    for command in status 'show zram' 'set zram mem_limit=0' 'idle zram' \
        'recompress zram' 'writeback --type=idle' compact reset; do
        # shellcheck disable=SC2086 # the words of a command
        expect 1 $command --control="$path"
        [ ! -s "$dir/out" ] || fail "there is something on stdout"
        [ "$(wc -l < "$dir/err")" = 1 ] || fail "$(cat "$dir/err")"
        grep -qF "nbdzram: $path: " "$dir/err" || fail "$(cat "$dir/err")"
    done
done
expect 1 --control="$dir/$(printf %0200d 0)"
grep -q 'File name too long' "$dir/err" || fail "$(cat "$dir/err")"

# The option wins over the environment.
NBDZRAM_CONTROL=$dir/other
expect 1 status
grep -qF "$dir/other: " "$dir/err" || fail "\$NBDZRAM_CONTROL is not used"
expect 1 --control "$dir/nobody" status
grep -qF "$dir/nobody: " "$dir/err" || fail "--control is not used"

# ---- help ----

expect 0 --version
grep -Eq '^nbdzram [0-9.]+$' "$dir/out" || fail "$(cat "$dir/out")"
expect 0 --help
cp "$dir/out" "$dir/help"
for command in status show set idle recompress writeback compact reset \
    serve stop restart check-config dump-config; do
    grep -q "^  $command " "$dir/help" || fail "--help knows no $command"
    expect 0 $command --help
    grep -q "^usage: nbdzram $command " "$dir/out" || fail "$(cat "$dir/out")"
    mv "$dir/out" "$dir/after"
    expect 0 --help $command
    cmp "$dir/out" "$dir/after" || fail "--help $command is another help"
done
for column in NAME DISKSIZE DATA COMPR ALGORITHM STREAMS ZERO-PAGES TOTAL \
    MEM-LIMIT MEM-USED MIGRATED COMP-RATIO MOUNTPOINT; do
    "$NBDZRAM" status --help | grep -q "^  $column " ||
        fail "status --help knows no column $column"
done

# A full disk is noticed.
status=0
"$NBDZRAM" --help > /dev/full 2> "$dir/err" || status=$?
[ "$status" = 1 ] || fail "help that nobody got has the status $status"
