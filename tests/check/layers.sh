#!/bin/sh
# Includes only point down. The one table of what may see what is in this file; it is applied to the
# #include lines and to the modules' DEPENDS (the build writes them to hf_modules.txt).
set -eu

usage() {
    cat <<'END'
usage: tests/check/layers.sh [--root DIR] [--graph BUILD/hf_modules.txt]

Fails when a file includes, or a module depends on, what lies above it or beside it. Prints every
such place as file:line: text.
END
}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
graph=
while [ $# -gt 0 ]; do
    case $1 in
    --root) root=$2; shift ;;
    --graph) graph=$2; shift ;;
    --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done

# module: what it may see besides itself. A trailing '/' takes in every folder below.
layers='
engine/include:
engine/base:     engine/include
storage/table:   engine/include engine/base
net/wire:        engine/include engine/base
engine/io:       engine/include engine/base
engine/command:  engine/include engine/base storage/table net/wire
txn/:            engine/include engine/base storage/table txn/
storage/log:     engine/include engine/base engine/io storage/table
net/link:        engine/include engine/base net/wire
engine/shard:    engine/include engine/base engine/io engine/command storage/ net/ txn/
engine/node:     engine/include engine/base engine/io engine/command engine/shard storage/ net/ txn/
engine/library:  engine/ storage/ net/ txn/
tools/:          engine/ storage/ net/ txn/ tests/ tools/
bench/:          engine/ storage/ net/ txn/ tests/ tools/ bench/
tests/:          engine/ storage/ net/ txn/ tests/ tools/ bench/
'
# What no operating system may be seen from: hf_module(... PURE).
pure='engine/base storage/table net/wire net/link engine/command txn/'

cd "$root"
list=$("$here/files.sh" "$root" | grep -E '^(engine|storage|net|txn|tools|bench|tests)/.*\.(c|h|cc|cpp|hpp)$' || true)
if [ -z "$list" ]; then
    echo "layers: no source file under $root" >&2
    exit 1
fi
{
    # shellcheck disable=SC2086 # a list of names without blanks, to be split
    grep -nE '^[[:space:]]*#[[:space:]]*include' /dev/null $list || true
    if [ -n "$graph" ]; then
        sed 's|^|GRAPH |' "$graph"
    fi
} | awk -v layers="$layers" -v pure="$pure" '
function within(pattern, module) { # "txn/" covers "txn/mvcc"; "engine/io" only itself
    if (pattern ~ /\/$/) {
        return index(module, pattern) == 1
    }
    return pattern == module
}
function module_of(path, part) {
    split(path, part, "/")
    return part[1] "/" part[2]
}
function row_of(module, i) {
    for (i = 1; i <= rows; i++) {
        if (within(row[i], module)) {
            return i
        }
    }
    return 0
}
function may_see(from, to, i, n, seen) {
    if (from == to) {
        return 1
    }
    i = row_of(from)
    n = split(sees[i], seen, " ")
    for (i = 1; i <= n; i++) {
        if (within(seen[i], to)) {
            return 1
        }
    }
    return 0
}
function bad(place, text) {
    print place ": " text
    failed = 1
}
function check_include(place, path, line, from, to, shown) {
    from = module_of(path)
    if (!row_of(from)) {
        bad(place, from " has no row in the table of tests/check/layers.sh")
        return
    }
    if (match(line, /<holdfast\/[^>]*>/)) {
        to = "engine/include"
        shown = substr(line, RSTART, RLENGTH)
    } else if (match(line, /"[^"]*"/)) {
        shown = substr(line, RSTART + 1, RLENGTH - 2)
        if (shown ~ /\.\.\// || shown !~ /\//) {
            bad(place, "\"" shown "\": include from the root of the repository")
            return
        }
        to = module_of(shown)
        if (!row_of(to)) {
            bad(place, "\"" shown "\" is in no layer")
            return
        }
        if (shown ~ /_impl\.h$/ && from != to && path !~ /^tests\//) {
            bad(place, "\"" shown "\" is for its own module and its tests")
            return
        }
    } else {
        return
    }
    if (!may_see(from, to)) {
        bad(place, from " may not see " to " (" shown ")")
    }
}
function check_module(line, word, n, i, from, to, is_pure, list) {
    n = split(line, word, " ")
    from = word[2]
    sub(/_/, "/", from)
    if (!row_of(from)) {
        bad("hf_module(" word[2] ")", from " has no row in the table of tests/check/layers.sh")
        return
    }
    for (i = 4; i <= n; i++) {
        to = word[i]
        sub(/_/, "/", to)
        if (!row_of(to) || !may_see(from, to)) {
            bad("hf_module(" word[2] ")", from " may not depend on " to)
        }
    }
    is_pure = 0
    n = split(pure, list, " ")
    for (i = 1; i <= n; i++) {
        is_pure = is_pure || within(list[i], from)
    }
    if (is_pure && word[3] != "pure") {
        bad("hf_module(" word[2] ")", from " must be declared PURE")
    }
}
BEGIN {
    n = split(layers, line, "\n")
    for (i = 1; i <= n; i++) {
        if (match(line[i], /:/)) {
            rows++
            row[rows] = substr(line[i], 1, RSTART - 1)
            sees[rows] = substr(line[i], RSTART + 1)
        }
    }
}
/^GRAPH / {
    modules++
    check_module($0)
    next
}
{
    includes++
    split($0, part, ":")
    text = $0
    sub(/^[^:]*:[^:]*:/, "", text)
    check_include(part[1] ":" part[2], part[1], text)
}
END {
    if (!failed) {
        print "layers: " includes " includes and " modules + 0 " modules point down"
    }
    exit failed
}'
