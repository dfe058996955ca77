#!/bin/sh
# Shell scripts pass shellcheck, and every program in tools/ that is a script explains itself.
set -eu

usage() {
    echo "usage: tests/check/scripts.sh [--root DIR]"
    echo "exit: 0 clean, 1 not, 77 no shellcheck here"
}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
while [ $# -gt 0 ]; do
    case $1 in
    --root) root=$2; shift ;;
    --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
if ! command -v shellcheck >/dev/null 2>&1; then
    echo "scripts: no shellcheck here: skipped"
    exit 77
fi
cd "$root"
count=0
failed=0
for path in $("$here/files.sh" "$root"); do
    IFS= read -r first <"$path" || true
    case $first in
    '#!'*python3) ;;
    '#!'*sh)
        count=$((count + 1))
        shellcheck --external-sources --source-path=SCRIPTDIR "$path" || failed=1
        ;;
    *) continue ;;
    esac
    case $path in
    tools/*)
        if [ -x "$path" ] && ! "$path" --help >/dev/null 2>&1 </dev/null; then
            echo "$path: --help does not answer with exit code 0"
            failed=1
        fi
        ;;
    esac
done
if [ $count = 0 ]; then
    echo "scripts: no shell script under $root" >&2
    exit 1
fi
if [ $failed = 0 ]; then
    echo "scripts: $count scripts are clean"
fi
exit $failed
