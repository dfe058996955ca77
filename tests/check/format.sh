#!/bin/sh
# The code is formatted as .clang-format says.
set -eu

usage() {
    cat <<'END'
usage: tests/check/format.sh [--root DIR] [--fix]

Fails when clang-format (version 14, Debian 12's) would change a file; --fix lets it.
exit: 0 formatted, 1 not, 77 no clang-format 14 here
END
}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
fix=no
while [ $# -gt 0 ]; do
    case $1 in
    --root) root=$2; shift ;;
    --fix) fix=yes ;;
    --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
# Another version formats otherwise.
tool=
for name in clang-format-14 clang-format; do
    if command -v $name >/dev/null 2>&1 && $name --version | grep -q 'version 14\.'; then
        tool=$name
        break
    fi
done
if [ -z "$tool" ]; then
    echo "format: no clang-format 14 here: skipped"
    exit 77
fi
cd "$root"
list=$("$here/files.sh" "$root" | grep -E '\.(c|h|cc|cpp|hpp)$' || true)
if [ -z "$list" ]; then
    echo "format: no source file under $root" >&2
    exit 1
fi
if [ $fix = yes ]; then
    printf '%s\n' "$list" | xargs "$tool" --style=file -i
fi
# One line for each file that is not formatted: its first place.
places=$(printf '%s\n' "$list" | xargs "$tool" --style=file --dry-run -Werror 2>&1 |
    grep -E '^[^ ].*: error: ' | awk -F: '!seen[$1]++' || true)
if [ -n "$places" ]; then
    printf '%s\n' "$places"
    echo "format: run tests/check/format.sh --fix"
    exit 1
fi
echo "format: $(printf '%s\n' "$list" | wc -l) files are formatted"
