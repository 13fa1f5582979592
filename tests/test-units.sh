#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# systemd understands the units, and what they are exposed to is no more than
# contrib/systemd/README.md says.
set -eu

command -v systemd-analyze > /dev/null 2>&1 ||
    { echo "skipped: systemd-analyze is not installed"; exit 77; }
units=$top_srcdir/contrib/systemd
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail () { echo "$*"; cat "$dir/said"; exit 1; }
: > "$dir/said"

# The program has to be where the unit says, or it is no good unit.
for template in "$units"/*.service.in; do
    unit=$(basename "$template" .in)
    sed "s,@bindir@,$(dirname "$NBDZRAM")," "$template" > "$dir/$unit"
    ! grep -n '@[a-z]*@' "$dir/$unit" || fail "$unit: not filled in"
done
cp "$units"/*.socket "$dir"
mv "$dir/nbdzram-attach@.service" "$dir/nbdzram-attach@swap0.service"

for unit in nbdzram.service nbdzram.socket nbdzram-attach@swap0.service; do
    systemd-analyze verify --man=no "$dir/$unit" > "$dir/said" 2>&1 ||
        fail "$unit is not valid"
    # What it does not understand is a warning only.
    ! grep -F "$unit" "$dir/said" || fail "$unit: there are warnings"
done

# Every version weighs anew, and looks at more.
version=$(sed -n 's/^The figures are those of systemd \([0-9]*\).*/\1/p' \
    "$units/README.md")
if ! systemd-analyze --version | grep -q "^systemd $version\>"; then
    echo "the figures of another systemd than $version are not compared"
    exit 0
fi

# not_above NAME FILE: NAME is what the README's table has.
not_above () {
    most=$(sed -n "s/^| .$1.* | \([0-9]\.[0-9]\) |\$/\1/p" "$units/README.md")
    [ -n "$most" ] || fail "README.md has no figure for $1"
    # In tenths.
    systemd-analyze security --no-pager --offline=true \
        --threshold="${most%.*}${most#*.}" "$2" > "$dir/said" 2>&1 ||
        fail "$1 is exposed to more than $most"
    tail -n 1 "$dir/said"
}
not_above nbdzram.service "$dir/nbdzram.service"
not_above nbdzram-attach@ "$dir/nbdzram-attach@swap0.service"
