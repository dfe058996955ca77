#!/bin/sh
# Manual pages are well formed: .scd sources make a page, and the pages pass mandoc's lint.
set -eu

usage() {
    echo "usage: tests/check/pages.sh [--root DIR]"
    echo "exit: 0 well formed (or none there), 1 not, 77 no mandoc or scdoc here"
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
if ! command -v mandoc >/dev/null 2>&1 || ! command -v scdoc >/dev/null 2>&1; then
    echo "pages: no mandoc or no scdoc here: skipped"
    exit 77
fi
cd "$root"
count=0
failed=0
page=$(mktemp "${TMPDIR:-/tmp}/hf-page.XXXXXX")
trap 'rm -f "$page"' EXIT
for path in $("$here/files.sh" "$root" | grep -E '\.(scd|[1-8])$' || true); do
    count=$((count + 1))
    case $path in
    *.scd)
        if ! scdoc <"$path" >"$page"; then
            echo "$path: scdoc refuses it"
            failed=1
            continue
        fi
        # What scdoc writes is its own affair but for errors.
        level=error
        ;;
    *)
        cp "$path" "$page"
        level=warning
        ;;
    esac
    if ! said=$(mandoc -T lint -W $level "$page" 2>&1); then
        printf '%s\n' "$said" | sed "s|^.*hf-page\.[^:]*|$path|"
        failed=1
    fi
done
if [ $failed = 0 ]; then
    echo "pages: $count pages are well formed"
fi
exit $failed
