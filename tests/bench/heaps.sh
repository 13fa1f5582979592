#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Makes a corpus of real heaps on a machine where nothing else runs.
#
# usage: heaps.sh -o FILE [--size SIZE] [--part 0|1] [--every N]
#
# Starts the programs in heaps/ (Python, Perl, Node, Java: whichever is there),
# and collects their memory.  Each builds what a real program would have built
# from the sources, texts and data of this system, up to its share of SIZE (with
# suffix M or G; 1G by default).  The parts read different files: measure on a
# corpus of part 0 with a dictionary trained on part 1.  With --every N the
# heaps grow to N times SIZE and one of N runs of pages is taken: a small sample
# of large heaps.
#
# MAKE_CORPUS is the collector; by default the one in the directory the script
# is called in, in ./tests/bench, or beside the script.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
output=''
size=1G
part=0
every=1
patience_s=600          # a busy core fills about 1 MiB in a tenth of a second
pids=''

say () { echo "heaps.sh: $*" >&2; }
fail () { say "$*"; exit 1; }
usage () { sed -n '/^# usage/,/^#$/s/^# //p' "$0"; }

# ---- options ----

parse_options () {
    while [ $# -gt 0 ]; do
        case $1 in
            -h|--help) usage; exit 0 ;;
            -o|--output|--size|--part|--every) ;;
            *) usage >&2; exit 2 ;;
        esac
        [ $# -ge 2 ] || fail "$1: a value is missing"
        case $1 in
            -o|--output) output=$2 ;;
            --size) size=$2 ;;
            --part) part=$2 ;;
            --every) every=$2 ;;
        esac
        shift 2
    done
}

check_options () {
    [ -n "$output" ] || fail "-o FILE is missing"
    case $part in
        0|1) ;;
        *) fail "--part: neither 0 nor 1: '$part'" ;;
    esac
    case $every in
        ''|0*|*[!0-9]*) fail "--every: not a positive number: '$every'" ;;
    esac
}

size_mib () {
    case $size in
        0*|*[!0-9]*[MG]) fail "--size: not a size: '$size'" ;;
        *M) echo "${size%M}" ;;
        *G) echo $((${size%G} * 1024)) ;;
        *) fail "--size: needs M or G: '$size'" ;;
    esac
}

find_make_corpus () {
    for make_corpus in "${MAKE_CORPUS:-}" ./make-corpus \
        ./tests/bench/make-corpus "$here/make-corpus"
    do
        [ ! -x "$make_corpus" ] || return 0
    done
    fail "make-corpus is not built; run make, or set MAKE_CORPUS"
}

# ---- programs ----

can () { command -v "$1" >/dev/null 2>&1; }

# Java starts a single source file only where it has the compiler.
can_java () {
    can java && java --list-modules 2>/dev/null | grep -q '^jdk.compiler'
}

find_programs () {
    programs=''
    for program in python3 perl node; do
        ! can $program || programs="$programs $program"
    done
    ! can_java || programs="$programs java"
    [ -n "$programs" ] || fail "none of python3, perl, node, java is here"
}

# list_files ENDING…: in a random order that is the same each time; every
# second file belongs to each part.
list_files () {
    set -f
    names="-name *.$1"
    shift
    for ending; do names="$names -o -name *.$ending"; done
    # shellcheck disable=SC2086 # words
    find /usr/lib /usr/share /usr/include /usr/local -xdev -type f \
        -size +0 -size -1000k \( $names \) 2>/dev/null |
        LC_ALL=C sort |
        awk -v part="$part" 'BEGIN { srand (1) } { r = rand () }
            NR % 2 == part { printf "%.9f\t%s\n", r, $0 }' |
        LC_ALL=C sort | cut -f 2-
    set +f
}

# run NAME COMMAND…: its standard input stays open as long as ours, number 9.
run () {
    name=$1
    shift
    "$@" "$share_mib" "$dir/$name.list" < "$dir/hold" \
        > "$dir/$name.out" 2> "$dir/$name.err" 9>&- &
    pids="$pids $!"
    echo "$! $name" >> "$dir/started"
}

start () {
    case $1 in
        python3)
            list_files py json txt > "$dir/$1.list"
            run "$1" python3 "$here/heaps/heap.py" ;;
        perl)
            list_files pm pl pod txt h > "$dir/$1.list"
            run "$1" perl "$here/heaps/heap.pl" ;;
        node)
            list_files js json html > "$dir/$1.list"
            run "$1" node --max-old-space-size=8192 "$here/heaps/heap.js" ;;
        java)
            list_files txt xml html properties h > "$dir/$1.list"
            # The program keeps to its share by what is resident; at a limit
            # of Java's own it would end.
            run "$1" java "-Xmx$((share_mib + 256))m" -XX:+UseSerialGC \
                "$here/heaps/Heap.java" ;;
    esac
}

# await PID NAME: until it says READY; one that failed is left out.
await () {
    waited=0
    until grep -q READY "$dir/$2.out"; do
        if ! kill -0 "$1" 2>/dev/null; then
            say "$2 failed: $(tail -n 1 "$dir/$2.err")"
            return
        fi
        waited=$((waited + 1))
        [ $waited -lt $((patience_s * 5)) ] ||
            fail "$2 is not ready after $patience_s s"
        sleep 0.2
    done
    chosen="$chosen --pid $1"
}

cleanup () {
    status=$?
    trap - EXIT
    for pid in $pids; do kill "$pid" 2>/dev/null || :; done
    wait
    rm -rf "$dir"
    exit $status
}

parse_options "$@"
check_options
find_make_corpus
mib=$(size_mib)
find_programs
# shellcheck disable=SC2086 # counts the words
nr_programs=$(set -- $programs; echo $#)
# Half as much again, and 32 MiB each: of what is resident, same-filled pages
# are left out, and so are pages of files.
share_mib=$((mib * every * 3 / 2 / nr_programs + 32))
dir=$(mktemp -d)
trap cleanup EXIT
trap 'exit 129' HUP INT TERM
mkfifo "$dir/hold"
exec 9<> "$dir/hold"
for program in $programs; do start "$program"; done
chosen=''
while read -r pid name; do await "$pid" "$name"; done < "$dir/started"
[ -n "$chosen" ] || fail "no sample program came up"
# shellcheck disable=SC2086 # words
"$make_corpus" --interleave --every "$every" --size "${mib}M" \
    -o "$output" $chosen
