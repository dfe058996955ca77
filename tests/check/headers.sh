#!/bin/sh
# Every header compiles on its own, twice over (its guard works); the public ones as C++ too.
set -eu

usage() {
    echo "usage: [CC=cc] [CXX=c++] tests/check/headers.sh [--root DIR]"
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
cd "$root"
: "${CC:=cc}" "${CXX:=c++}"
warnings="-Wall -Wextra -Wpedantic -Werror -msse4.2 -I. -Iengine/include"
case $(uname -m) in
x86_64) ;;
*) warnings=${warnings% -msse4.2*}" -I. -Iengine/include" ;;
esac

count=0
failed=0
for path in $("$here/files.sh" "$root" | grep -E '^(engine|storage|net|txn|tools|bench|tests)/.*\.h$' || true); do
    count=$((count + 1))
    case $path in
    engine/io/* | engine/node/* | tools/* | bench/* | tests/*) system=-D_GNU_SOURCE ;;
    *) system= ;;
    esac
    # shellcheck disable=SC2086 # lists of flags, to be split
    if ! printf '#include "%s"\n#include "%s"\nextern int hf_not_empty;\n' "$path" "$path" |
        $CC -std=c17 $warnings $system -fsyntax-only -x c -; then
        echo "$path: does not compile on its own"
        failed=1
    fi
    case $path in
    engine/include/*)
        # shellcheck disable=SC2086 # a list of flags, to be split
        if ! printf '#include "%s"\n' "$path" | $CXX -std=c++17 $warnings -fsyntax-only -x c++ -; then
            echo "$path: does not compile as C++"
            failed=1
        fi
        ;;
    esac
done
if [ $count = 0 ]; then
    echo "headers: no header under $root" >&2
    exit 1
fi
if [ $failed = 0 ]; then
    echo "headers: $count headers stand on their own"
fi
exit $failed
