#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every file that git knows is in the tarball.
set -eu

# run.sh builds in a copy of the tree and says where the checkout is.
checkout=${ZRAM_CHECKOUT:-$top_srcdir}

# CI may own the clone as another user, which git refuses without being told.
# --show-toplevel must be the directory itself: an unpacked tarball may lie
# somewhere inside a repository that knows nothing of it.
ask_git () { git -c safe.directory='*' -C "$checkout" "$@"; }
top=$(ask_git rev-parse --show-toplevel 2>/dev/null) || top=
if [ -z "$top" ] || [ "$(realpath "$top")" != "$(realpath "$checkout")" ]; then
    echo "skipped: $checkout is not a git checkout"
    exit 77
fi

dist=test-dist-$$
trap 'rm -rf "$top_builddir/$dist" "$top_builddir/$dist.git" "$top_builddir/$dist.tar"' EXIT
cd "$top_builddir"

# Files whose names begin with a dot serve the checkout only.
ask_git ls-files | grep -v '^\.' | sort > "$dist.git"
if [ ! -s "$dist.git" ]; then
    echo "skipped: git knows no file in $checkout yet"
    exit 77
fi

# A make of our own, not a part of the one that runs the tests.
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s distdir distdir="$dist"
(cd "$dist" && find . -type f | sed 's,^\./,,' | sort) > "$dist.tar"

missing=$(comm -23 "$dist.git" "$dist.tar")
if [ -n "$missing" ]; then
    echo "in git but not in the tarball (see EXTRA_DIST):"
    echo "$missing"
    exit 1
fi
