#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The completion for bash offers what fits, asks the server that the line names
# for its devices, and neither hangs nor says anything where there is no server.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
completion=$top_srcdir/contrib/bash-completion/nbdzram

# The command, which notes how it was asked.
cat > "$dir/nbdzram" <<END
#!/bin/sh
echo "\$*" > "$dir/asked"
case \$* in
    *away*) echo "nbdzram: nobody is there" >&2; exit 1 ;;
    *hangs*) exec sleep 1000 ;;
esac
printf 'swap0\nscratch\n'
END
chmod +x "$dir/nbdzram"

# readline's part: the words as it splits them, "=" being one of its own.
cat > "$dir/ask" <<'END'
compopt () { :; }
. "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_nbdzram
printf '%s\n' "${COMPREPLY[@]}"
END

# offers WORDS WORD…: that is what these words are completed to.
offers () {
    wanted=$1
    shift
    PATH=$dir:$PATH bash "$dir/ask" "$completion" nbdzram "$@" \
        > "$dir/out" 2> "$dir/err" || { echo "fails: $*"; exit 1; }
    got=$(tr '\n' ' ' < "$dir/out" | sed 's/ *$//')
    if [ "$got" != "$wanted" ] || [ -s "$dir/err" ]; then
        echo "nbdzram $*: '$got' instead of '$wanted'"
        cat "$dir/err"
        exit 1
    fi
}

offers "status stop" st
offers "detach" de
offers "--daemon --dry-run" serve --d
offers "--type= --threshold=" recompress --t
offers "idle" writeback --type = id
offers "idle huge huge_idle incompressible" writeback --type =
offers "DISKSIZE DATA" --output = D
offers "DISKSIZE DATA" -o D
offers "comp_algorithm= compressed_writeback= compact=" set swap0 co
offers "compr_data_size comp_algorithm compressed_writeback" show swap0 comp
offers "store" set swap0 on_incompressible = s
offers "lz4 lz4hc lzo" set comp_algorithm = l
printf "[a]\n" > "$dir/file one"
offers "$dir/file one" serve -c "$dir/fi"
offers "$dir/file one" serve --config = "$dir/fi"

offers "swap0 scratch" compact ""
[ "$(cat "$dir/asked")" = "status --raw --noheadings --output=NAME" ] ||
    { echo "asked by: $(cat "$dir/asked")"; exit 1; }
offers "swap0 scratch" recompress --type = idle ""
offers "swap0 scratch" status --control = /run/a.sock s
grep -q -e '--control=/run/a.sock' "$dir/asked" ||
    { echo "another server is asked: $(cat "$dir/asked")"; exit 1; }
offers "scratch" idle sc
offers "" compact --control = away ""
offers "" compact --control = hangs ""

# Words are words, whatever is in them.
# shellcheck disable=SC2016 # not to be expanded
offers "" show '$(touch '"$dir"'/ran)' x
[ ! -e "$dir/ran" ] || { echo "a word of the line was run"; exit 1; }
