#!/bin/sh
# clang-tidy and clang's analyser over the engine's code, with the rules of .clang-tidy.
set -eu

usage() {
    cat <<'END'
usage: tests/check/analyse.sh [--root DIR] --build DIR [FILE...]

Looks at FILEs, or at every .c in engine, storage, net and txn that --build compiles.
exit: 0 nothing found, 1 findings, 77 no clang-tidy 14 here
END
}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=
while [ $# -gt 0 ]; do
    case $1 in
    --root) root=$2; shift ;;
    --build) build=$2; shift ;;
    --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
    esac
    shift
done
if [ -z "$build" ]; then
    usage >&2
    exit 2
fi
# Another version finds other things.
tool=
for name in clang-tidy-14 clang-tidy; do
    if command -v $name >/dev/null 2>&1 && $name --version | grep -q 'version 14\.'; then
        tool=$name
        break
    fi
done
if [ -z "$tool" ]; then
    echo "analyse: no clang-tidy 14 here: skipped"
    exit 77
fi
build=$(cd "$build" && pwd)
cd "$root"
if [ $# = 0 ]; then
    # The examples are written as strangers write.
    for path in $("$here/files.sh" "$root" | grep -E '^(engine|storage|net|txn)/.*\.c$' | grep -v '/examples/' || true); do
        if grep -qF "/$path\"" "$build/compile_commands.json"; then
            set -- "$@" "$path"
        fi
    done
fi
if [ $# = 0 ]; then
    echo "analyse: $build compiles no file of $root" >&2
    exit 1
fi
said=$(mktemp "${TMPDIR:-/tmp}/hf-analyse.XXXXXX")
trap 'rm -f "$said"' EXIT
if ! printf '%s\n' "$@" | xargs -P "$(nproc)" -n 4 "$tool" --quiet -p "$build" >"$said" 2>&1; then
    grep -vE '^[0-9]+ warnings|^Suppressed|^Use -header-filter' "$said"
    exit 1
fi
echo "analyse: nothing found in $# files"
