#!/bin/sh
# Prints the project's files, one a line, relative to ROOT: what git tracks, or, where there is no git
# (an unpacked archive, a planted tree), everything but what a build leaves behind.
set -eu

if [ "${1:-}" = --help ] || [ $# -ne 1 ]; then
    echo "usage: tests/check/files.sh ROOT"
    [ "${1:-}" = --help ] && exit 0
    exit 2
fi
cd "$1"
# safe.directory: the clone may belong to another user than the one who runs the checks.
if [ -e .git ] && list=$(git -c safe.directory="$PWD" ls-files 2>/dev/null); then
    printf '%s\n' "$list"
else
    find . -name .git -prune -o -name 'build*' -type d -prune -o -name node_modules -prune \
        -o -name __pycache__ -prune -o -type f -print | sed 's|^\./||'
fi | LC_ALL=C sort -u | while IFS= read -r path; do
    if [ -f "$path" ]; then
        printf '%s\n' "$path"
    fi
done
