#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Keys, subcommands, options and attributes are the same in the program, in its
# help, in the man pages, in the example and in the completion for bash; what the
# example and the presets say is taken by the parser.
#
# What the program says itself is the truth: dump-config has the keys with their
# defaults, --help the subcommands and options, attributes.h the attributes.
set -eu

docs=$top_srcdir/docs
conf=$top_srcdir/conf
completion=$top_srcdir/contrib/bash-completion/nbdzram
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0

# All that disagrees is said, not only the first of it.
wrong () { echo "$*"; status=1; }
fail () { echo "$*"; exit 1; }

# agree WHAT LIST-OF-THE-PROGRAM LIST: two files, a name in each line.
agree () {
    sort -u "$2" > "$dir/program"
    sort -u "$3" > "$dir/document"
    [ -s "$dir/program" ] || wrong "$1: the program has none"
    missing=$(comm -23 "$dir/program" "$dir/document" | tr '\n' ' ')
    unknown=$(comm -13 "$dir/program" "$dir/document" | tr '\n' ' ')
    [ -z "$missing" ] || wrong "$1: missing: $missing"
    [ -z "$unknown" ] || wrong "$1: the program has no: $unknown"
}

# items FILE HEADING: the names in =item lines below the =head1 or =head2 that
# begins so, up to the next one of its kind or above.
items () {
    awk -v heading="$2" '
        /^=head[12] / {
            text = $0
            sub (/^=head[12] /, "", text)
            if (index (text, heading) == 1) { inside = 1; level = $1; next }
            if ($1 <= level) inside = 0
        }
        inside && /^=item B</ { print }' "$1" |
        sed 's/^=item B<\([^>=]*\).*/\1/'
}

# ---- keys ----

printf '[disk0]\ndisksize = 4G\n' > "$dir/least"
"$NBDZRAM" dump-config -c "$dir/least" > "$dir/defaults" ||
    fail "dump-config fails"

# keys server|disk: KEY = DEFAULT in each line.
keys () {
    awk -v wanted="$1" '/^\[/ { kind = $0 == "[server]" ? "server" : "disk" }
        kind == wanted && /=/' "$2"
}
names () { sed 's/ *=.*//'; }

keys server "$dir/defaults" | names > "$dir/server-keys"
keys disk "$dir/defaults" | names > "$dir/disk-keys"
cat "$dir/server-keys" "$dir/disk-keys" > "$dir/keys"

items "$docs/nbdzram.conf.pod" "Keys of [server]" > "$dir/found"
agree "nbdzram.conf(5), [server]" "$dir/server-keys" "$dir/found"
items "$docs/nbdzram.conf.pod" "Keys of a disk" | grep -vx size > "$dir/found"
agree "nbdzram.conf(5), disks" "$dir/disk-keys" "$dir/found"

# The plugin has these keys too, and some that no file has.
"$NBDKIT" --help zram | sed -n 's/^\([a-z_]*\)=.*/\1/p' > "$dir/help-keys"
for key in config control export store_fd; do
    grep -qx $key "$dir/help-keys" || wrong "nbdkit --help zram: missing: $key"
done
grep -vxE 'config|control|export|store_fd' "$dir/help-keys" > "$dir/found"
agree "nbdkit --help zram" "$dir/disk-keys" "$dir/found"
items "$docs/nbdkit-zram-plugin.pod" PARAMETERS | grep -vx size > "$dir/found"
agree "nbdkit-zram-plugin(1)" "$dir/help-keys" "$dir/found"

# ---- the example: each key, at its default ----

example=$conf/nbdzram.conf.example
sed 's/^#\([a-z_]* =\)/\1/' "$example" > "$dir/example"
for kind in server disk; do
    keys $kind "$dir/example" | grep -v '^#' | names > "$dir/found"
    agree "nbdzram.conf.example, $kind" "$dir/$kind-keys" "$dir/found"
done
"$NBDZRAM" check-config -c "$example" ||
    wrong "the example is not taken as it is"
"$NBDZRAM" dump-config -c "$dir/example" > "$dir/found" ||
    wrong "the example is not taken with all its keys"
diff "$dir/defaults" "$dir/found" ||
    wrong "the example has other defaults than the program"
unset_keys=$(grep -c '^[a-z_]* *=' "$example") || :
[ "$unset_keys" = 1 ] || wrong "the example sets more than disksize"

# ---- presets ----

for preset in swap-local swap-remote vm-disk ci-scratch; do
    "$NBDZRAM" check-config -c "$conf/presets/$preset.conf" 2> "$dir/said" ||
        wrong "the preset $preset is not taken: $(cat "$dir/said")"
    head -n 1 "$conf/presets/$preset.conf" | grep -q '^# [A-Z]' ||
        wrong "the preset $preset does not say whom it is for"
    grep -q "presets/$preset\.conf\|F<$preset\.conf>" "$docs"/*.pod ||
        wrong "no man page has the preset $preset"
done

# ---- subcommands and options ----

"$NBDZRAM" --help > "$dir/help"
sed -n 's/^  \([a-z][a-z-]*\)\( .*\)\{0,1\}$/\1/p' "$dir/help" > "$dir/commands"
sed -n 's/^=head2 nbdzram \([a-z-]*\).*/\1/p' "$docs/nbdzram.pod" \
    > "$dir/found"
agree "nbdzram(8), commands" "$dir/commands" "$dir/found"
sed -n '/^=head1 SYNOPSIS/,/^=head1 DESC/s/^ nbdzram \[*\([a-z-]*\).*/\1/p' \
    "$docs/nbdzram.pod" > "$dir/found"
agree "nbdzram(8), SYNOPSIS" "$dir/commands" "$dir/found"

# ask_completion FUNCTION [ARGUMENT…]: what it prints, a word in each line.
ask_completion () {
    # shellcheck disable=SC2016 # bash's own
    bash -c '. "$0"; "$@"' "$completion" "$@" | tr -s ' \n' '\n\n' |
        sed '/^$/d'
}
# shellcheck disable=SC2016 # bash's own
bash -c '. "$0"; printf "%s\n" $_nbdzram_commands' "$completion" > "$dir/found"
agree "completion, commands" "$dir/commands" "$dir/found"

# Long options, and letters, as the help has them.
help_options () { sed -n 's/^  .\{4\}--\([a-z-]*\).*/\1/p' "$1"; }
help_letters () { sed -n 's/^  -\([A-Za-z]\), .*/\1/p' "$1"; }

# pod_options HEADING: those of this section of nbdzram(8).
pod_options () {
    awk -v heading="=head2 $1 " '
        /^=head[12] / { inside = index ($0 " ", heading) == 1 }
        inside && /^=item B<-/' "$docs/nbdzram.pod" | tr ',' '\n' |
        sed -n 's/.*B<--\([a-z-]*\)=*>.*/\1/p'
}

# completed_options COMMAND
completed_options () { ask_completion _nbdzram_options "$1"; }

"$NBDZRAM" compact --help > "$dir/help"
help_options "$dir/help" > "$dir/common"
pod_options "Options of every command" > "$dir/found"
agree "nbdzram(8), options of every command" "$dir/common" "$dir/found"
# shellcheck disable=SC2016 # bash's own
bash -c '. "$0"; printf "%s\n" $_nbdzram_common_options' "$completion" |
    sed 's/^--//; s/=$//' > "$dir/found"
agree "completion, options of every command" "$dir/common" "$dir/found"

while read -r command; do
    "$NBDZRAM" "$command" --help > "$dir/help" || wrong "$command --help fails"
    help_options "$dir/help" | grep -vxF -f "$dir/common" > "$dir/options" || :
    pod_options "nbdzram $command" > "$dir/found"
    completed_options "$command" | sed 's/^--//; s/=$//' > "$dir/completed"
    for option in $(cat "$dir/options"); do
        # One that takes a value ends in "=" there, to go on typing.
        takes=
        ! grep -q -e "--$option=" "$dir/help" || takes="="
        completed_options "$command" | grep -qx -e "--$option$takes" ||
            wrong "completion, $command: no --$option$takes"
    done
    if [ -s "$dir/options" ]; then
        agree "nbdzram(8), options of $command" "$dir/options" "$dir/found"
        agree "completion, options of $command" "$dir/options" \
            "$dir/completed"
    elif [ -s "$dir/found" ] || [ -s "$dir/completed" ]; then
        wrong "$command has no options: $(cat "$dir/found" "$dir/completed")"
    fi
    for letter in $(help_letters "$dir/help"); do
        grep -q "B<-$letter>" "$docs/nbdzram.pod" ||
            wrong "nbdzram(8): missing: -$letter of $command"
    done
done < "$dir/commands"

# ---- attributes ----

# NAME MODE
sed -n 's/^  \(RO\|RW\|WO\) (\([a-z_]*\),.*/\2 \1/p' \
    "$top_srcdir/plugin/control/attributes.h" | tr '[:upper:]' '[:lower:]' \
    > "$dir/attributes"
sed -n 's/^=item B<\([a-z_]*\)> (\(r[ow]\|wo\))$/\1 \2/p' "$docs/nbdzram.pod" \
    > "$dir/found"
agree "nbdzram(8), attributes" "$dir/attributes" "$dir/found"
for mode in ro rw wo; do
    ask_completion _nbdzram_attributes $mode | sed "s/\$/ $mode/"
done > "$dir/found"
agree "completion, attributes" "$dir/attributes" "$dir/found"

# ---- the columns of the table ----

"$NBDZRAM" status --help | sed -n '/^columns:/,$s/^  \([A-Z-]*\) .*/\1/p' \
    > "$dir/columns"
for column in $(cat "$dir/columns"); do
    grep -q "C<$column>" "$docs/nbdzram.pod" ||
        wrong "nbdzram(8): missing: the column $column"
done
ask_completion _nbdzram_values status output > "$dir/found"
agree "completion, columns" "$dir/columns" "$dir/found"

# ---- the form of the man pages ----

version=$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' \
    "$top_builddir/config.h")
headings='NAME SYNOPSIS DESCRIPTION EXAMPLES PARAMETERS NOTES DEBUG FLAG FILES
VERSION SEE ALSO AUTHORS COPYRIGHT'
for page in "$docs"/*.pod; do
    name=$(basename "$page" .pod)
    podchecker -warnings "$page" > "$dir/said" 2>&1 ||
        wrong "$(cat "$dir/said")"
    found=$(sed -n 's/^=head1 //p' "$page" | grep -vx ATTRIBUTES | tr '\n' ' ')
    # shellcheck disable=SC2086 # words
    [ "$found" = "$(echo $headings) " ] ||
        wrong "$name: other headings or another order: $found"
    grep -q "belongs to nbdzram $version\." "$page" ||
        wrong "$name: another version than $version"
    grep -q "^$name - " "$page" || wrong "$name: NAME has another name"
    for other in "$docs"/*.pod; do
        other=$(basename "$other" .pod)
        [ "$other" = "$name" ] || grep -q "L<$other([1-8])" "$page" ||
            wrong "$name: does not name $other"
    done
done

exit $status
