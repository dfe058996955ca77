#!/bin/sh
# The checks are themselves under test: each gets a small good tree, which must pass, and the same tree
# with one violation planted, which must fail with the words that name it.
set -eu

usage() {
    echo "usage: tests/check/selftest.sh"
}

case ${1:-} in
'') ;;
--help) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
tidy=$here/../../tools/tidy
work=$(mktemp -d "${TMPDIR:-/tmp}/hf-selftest.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cases=0
failed=0

# The good tree, made anew for each case in $tree.
tree=$work/tree
plant_good() {
    rm -rf "$tree"
    for folder in engine/base engine/include/holdfast storage/log txn/mvcc tests/unit tools; do
        mkdir -p "$tree/$folder"
        echo "# $folder" >"$tree/$folder/README.md"
    done
    for folder in . engine engine/include storage txn tests; do
        echo "# $folder" >"$tree/$folder/README.md"
    done
    cp "$here/../../.clang-format" "$tree/.clang-format"
    cat >"$tree/engine/base/list.h" <<'END'
/* A list. */
#ifndef HF_BASE_LIST_H
#define HF_BASE_LIST_H

int hf_list_count(const char *list);

#endif
END
    cat >"$tree/engine/base/list.c" <<'END'
#include "engine/base/list.h"

int hf_list_count(const char *list)
{
    int count = 0;
    while (list[count] != 0) {
        count++;
    }
    return count;
}
END
    cat >"$tree/engine/include/holdfast/api.h" <<'END'
#ifndef HF_API_H
#define HF_API_H
#ifdef __cplusplus
extern "C" {
#endif
int hf_api_version(void);
#ifdef __cplusplus
}
#endif
#endif
END
    cat >"$tree/storage/log/log.h" <<'END'
#ifndef HF_LOG_LOG_H
#define HF_LOG_LOG_H
#include "engine/base/list.h"
#include <stdint.h>

uint64_t hf_log_end(void);

#endif
END
    printf '#include "storage/log/log.h"\n\nuint64_t hf_log_end(void)\n{\n    return 1;\n}\n' \
        >"$tree/storage/log/log.c"
    echo 'hf_module(engine_base PURE SOURCES list.c)' >"$tree/engine/base/CMakeLists.txt"
    echo 'hf_module(storage_log SOURCES log.c DEPENDS engine_base)' >"$tree/storage/log/CMakeLists.txt"
    printf '#!/bin/sh\nset -eu\nif [ $# = 1 ]; then\n    exit 0\nfi\n' >"$tree/tools/run"
    chmod +x "$tree/tools/run"
    printf 'engine_base pure \nstorage_log plain engine_base\n' >"$work/graph"
}

# case NAME WORDS COMMAND...: COMMAND must fail, and say WORDS. With empty WORDS it must succeed.
check() {
    name=$1
    words=$2
    shift 2
    cases=$((cases + 1))
    status=0
    "$@" >"$work/out" 2>&1 || status=$?
    if [ $status = 77 ]; then
        echo "skipped  $name"
    elif [ -z "$words" ] && [ $status = 0 ]; then
        echo "ok       $name"
    elif [ -n "$words" ] && [ $status = 1 ] && grep -qF -e "$words" "$work/out"; then
        echo "ok       $name"
    else
        echo "FAILED   $name: status $status, expected to read '$words' in:"
        sed 's/^/         /' "$work/out"
        failed=$((failed + 1))
    fi
}

layers() {
    "$here/layers.sh" --root "$tree" --graph "$work/graph"
}

headers() {
    "$here/headers.sh" --root "$tree"
}

format() {
    "$here/format.sh" --root "$tree"
}

scripts() {
    "$here/scripts.sh" --root "$tree"
}

analyse() {
    "$here/analyse.sh" --root "$tree" --build "$tree/build"
}

pages() {
    "$here/pages.sh" --root "$tree"
}

tidies() {
    "$tidy" --root "$tree"
}

# plant FILE LINE...: adds lines to a file of the good tree.
plant() {
    file=$tree/$1
    shift
    mkdir -p "$(dirname "$file")"
    printf '%s\n' "$@" >>"$file"
}

# archive NAME SOURCE: a static archive made of one source, as pure.sh sees it.
archive() {
    printf '%s\n' "$2" >"$work/code.c"
    rm -f "$work/$1" "$work/code.o"
    ${CC:-cc} -std=gnu17 -fPIC -O1 -c "$work/code.c" -o "$work/code.o"
    ar rcs "$work/$1" "$work/code.o"
}

# ---- layers ----
plant_good
check "layers: a good tree passes" "" layers
plant engine/base/list.c '#include "storage/log/log.h"'
check "layers: the floor includes storage" "engine/base may not see storage/log" layers
plant_good
plant storage/log/log.c '#include "net/link/link.h"'
check "layers: storage meets net" "storage/log may not see net/link" layers
plant_good
plant net/link/link.c '#include "storage/table/table.h"'
check "layers: net meets storage" "net/link may not see storage/table" layers
plant_good
plant txn/mvcc/locks.c '  #  include "engine/io/io.h"'
check "layers: txn sees io" "txn/mvcc may not see engine/io" layers
plant_good
plant txn/mvcc/locks.c '#include "storage/table/table.h"' '#include "txn/twopc/decision.h"'
check "layers: txn sees table and txn" "" layers
plant_good
plant engine/command/get.c '#include "txn/mvcc/locks.h"'
check "layers: command sees txn" "engine/command may not see txn/mvcc" layers
plant_good
plant engine/shard/shard.c '#include "engine/node/node.h"'
check "layers: shard includes the roof" "engine/shard may not see engine/node" layers
plant_good
plant engine/node/main.c '#include "tests/sim/world.h"'
check "layers: the engine includes a test" "engine/node may not see tests/sim" layers
plant_good
plant storage/log/log.c '#include "log.h"'
check "layers: not from the root" "include from the root" layers
plant_good
plant storage/log/log.c '#include "storage/log/../../net/wire/resp.h"'
check "layers: dots in a path" "include from the root" layers
plant_good
plant storage/log/log.c '#include "engine/base/list_impl.h"'
check "layers: an _impl.h of another module" "is for its own module" layers
plant_good
plant storage/queue/queue.c '#include "engine/base/list.h"'
check "layers: a folder of no layer" "storage/queue has no row" layers
plant_good
echo 'engine_base pure storage_log' >>"$work/graph"
check "layers: a module depends upwards" "engine/base may not depend on storage/log" layers
plant_good
echo 'txn_mvcc plain engine_base' >>"$work/graph"
check "layers: a pure module is not declared so" "txn/mvcc must be declared PURE" layers

# ---- pure ----
archive libhf_txn_a.a '#include <string.h>
static const char *const names[] = { "a", "b" };
const char *hf_a(int i, char *to);
const char *hf_a(int i, char *to) { memcpy(to, names[i], (unsigned long)i); return names[i]; }'
check "pure: mem* and constants pass" "" "$here/pure.sh" "$work/libhf_txn_a.a"
archive libhf_txn_b.a '#include <time.h>
long hf_b(void) { return time(0); }'
check "pure: a clock" "leaves time undefined" "$here/pure.sh" "$work/libhf_txn_b.a"
archive libhf_txn_c.a '#include <stdlib.h>
void *hf_c(void) { return malloc(7); }'
check "pure: an allocation" "leaves malloc undefined" "$here/pure.sh" "$work/libhf_txn_c.a"
archive libhf_txn_d.a '#include <stdlib.h>
void hf_d(void) { abort(); }'
check "pure: abort outside the floor" "leaves abort undefined" "$here/pure.sh" "$work/libhf_txn_d.a"
cp "$work/libhf_txn_d.a" "$work/libhf_engine_base.a"
check "pure: abort in the floor passes" "" "$here/pure.sh" "$work/libhf_engine_base.a"
archive libhf_txn_e.a 'int hf_e(void) { static int calls; return ++calls; }'
check "pure: a variable that stays" "calls" "$here/pure.sh" "$work/libhf_txn_e.a"
archive libhf_txn_f.a 'int hf_f_seed = 7;'
check "pure: a variable with a value" "hf_f_seed can be written" "$here/pure.sh" "$work/libhf_txn_f.a"
archive libhf_txn_g.a '_Thread_local int hf_g_seed;'
check "pure: a variable per thread" "hf_g_seed can be written" "$here/pure.sh" "$work/libhf_txn_g.a"

# ---- headers ----
plant_good
check "headers: a good tree passes" "" headers
plant storage/log/bare.h '#ifndef HF_LOG_BARE_H' '#define HF_LOG_BARE_H' 'uint32_t hf_log_bare(void);' '#endif'
check "headers: one that needs another" "storage/log/bare.h: does not compile on its own" headers
plant_good
plant storage/log/twice.h 'struct hf_log_twice {' '    int a;' '};'
check "headers: one without a guard" "storage/log/twice.h: does not compile on its own" headers
plant_good
plant storage/log/clock.h '#ifndef A' '#define A' '#include <time.h>' 'static clockid_t hf_which = 0;' '#endif'
check "headers: one that needs a feature macro" "storage/log/clock.h: does not compile" headers
plant_good
plant engine/include/holdfast/cxx.h '#ifndef B' '#define B' 'int hf_new(int class);' '#endif'
check "headers: a public one that is not C++" "cxx.h: does not compile as C++" headers

# ---- format ----
plant_good
check "format: a good tree passes" "" format
plant storage/log/log.c 'int  hf_log_wide( void );'
check "format: wide blanks" "storage/log/log.c" format

# ---- scripts ----
plant_good
check "scripts: a good tree passes" "" scripts
plant tools/run "rm -r \$1"
check "scripts: an unquoted word" "SC2086" scripts
plant_good
printf '#!/bin/sh\nset -eu\nexit 3\n' >"$tree/tools/run"
check "scripts: one without --help" "tools/run: --help" scripts

# ---- pages ----
plant_good
check "pages: a tree without pages passes" "" pages
plant tools/run.1 '.Dd January 1, 2026' '.Dt RUN 1' '.Os' '.Sh NAME' '.Nm run' '.Nd runs' '.Foo'
check "pages: an unknown macro" "tools/run.1:7" pages
plant_good
plant tools/run.1.scd 'run' '' '# NAME'
check "pages: a source without its title" "scdoc refuses it" pages

# ---- analyse ----
plant_good
cp "$here/../../.clang-tidy" "$tree/.clang-tidy"
mkdir "$tree/build"
printf '[{ "directory": "%s", "command": "cc -std=c17 -I. -c engine/base/list.c", "file": "%s" }]\n' \
    "$tree" "$tree/engine/base/list.c" >"$tree/build/compile_commands.json"
check "analyse: a good tree passes" "" analyse
plant engine/base/list.c 'int hf_list_first(void);' 'int hf_list_first(void)' '{' '    const char *list = 0;' \
    '    return list[0];' '}'
check "analyse: a null pointer is read" "clang-analyzer-core.NullDereference" analyse

# ---- tidy ----
plant_good
check "tidy: a good tree passes" "" tidies
call() { # LAYER CALL: plants a call, and expects its rule
    plant_good
    plant "$1" "void hf_planted(char *a);" "void hf_planted(char *a)" "{" "    $2;" "}"
    check "tidy: $2 in $1" "banned-call: ${2%%(*}()" tidies
}
call engine/base/list.c 'strcpy(a, a)'
call engine/base/list.c 'malloc(4)'
call engine/base/list.c 'free(a)'
call storage/log/log.c 'clock_gettime(0, a)'
call storage/log/log.c 'printf(a)'
call storage/log/log.c 'assert(a)'
call engine/base/list.c 'rand()'
call storage/log/log.c 'usleep(1000)'
plant_good
plant engine/base/list.c '/* malloc() is not called here */' 'const char *hf_planted = "free(";'
check "tidy: a call in a comment or a text passes" "" tidies
plant_good
plant engine/base/list.c '/* tidy: malloc for the test of this rule */' 'char *hf_planted = malloc(1);'
check "tidy: an excused call passes" "" tidies
plant_good
plant engine/base/list.c '/* tidy: free */' 'char *hf_planted = malloc(1);'
check "tidy: an excuse for another call" "banned-call: malloc()" tidies
plant_good
plant engine/base/list.c "/* $(printf '%099d' 0) */"
check "tidy: a long line" "long-line: 105 columns" tidies
plant_good
plant engine/base/list.c "/* FIX""ME: later */"
check "tidy: a leftover" "leftover: FIX""ME" tidies
plant_good
plant engine/base/list.c 'int hf_planted; '
check "tidy: a blank at the end" "space: blanks at the end" tidies
plant_good
printf 'int hf_planted;' >>"$tree/engine/base/list.c"
check "tidy: no newline at the end" "space: no newline" tidies
plant_good
plant engine/base/list.c "$(printf '\tint hf_planted;')"
check "tidy: a tab" "space: a tab" tidies
plant_good
plant engine/base/list.c "$(printf 'int hf_planted;\r')"
check "tidy: a carriage return" "space: carriage return" tidies
plant_good
sed -i 's/ {$//; s/^    }$//' "$tree/engine/base/list.c"
check "tidy: a loop without braces" "braces: while without braces" tidies
plant_good
plant engine/base/list.c 'int hf_b(int a)' '{' '    if (a) {' '        return 1;' '    } else' \
    '        return 2;' '}'
check "tidy: an else without braces" "braces: else without braces" tidies
plant_good
plant engine/base/list.c 'int hf_b(int a)' '{' '    do {' '        a--;' '    } while (a);' '    return a;' '}'
check "tidy: a do loop passes" "" tidies
plant_good
# shellcheck disable=SC1003 # backslashes at the ends of lines are meant
plant engine/base/list.h '#define HF_EACH(i, n) for (int i = 0; i < (n); i++)' \
    '#define HF_ONCE(a)  \' '    do {            \' '        if (a) {    \' '            (a)--;  \' \
    '        }           \' '    } while (0)'
check "tidy: macros pass" "" tidies
# shellcheck disable=SC1003
plant engine/base/list.h '#define HF_TWICE(a)    \' '    if (a)             \' '        (a) = (a) - 1;'
check "tidy: a macro without braces" "braces: if without braces" tidies
plant_good
rm "$tree/storage/README.md"
check "tidy: a folder without README" "storage/README.md:1: readme" tidies
plant_good
mkdir -p "$tree/txn/twopc"
touch "$tree/txn/twopc/decision.txt"
check "tidy: a new folder without README" "txn/twopc/README.md:1: readme" tidies
plant_good
plant engine/base/unused.c 'int hf_unused_x(void);'
check "tidy: a source in no CMakeLists.txt" "engine/base/unused.c:1: dead-file" tidies
plant_good
plant engine/base/unused.h '#ifndef HF_U_H' '#define HF_U_H' '#endif'
check "tidy: a header that nobody includes" "engine/base/unused.h:1: dead-file" tidies
plant_good
sed -i '/LIST_H/d' "$tree/engine/base/list.h"
check "tidy: a header without its guard" "guard: no include guard" tidies
plant_good
plant README.md "Look into /home/""somebody/notes."
check "tidy: a machine's path" "machine-path" tidies
plant_good
plant tools/run 'echo x >/tmp/''fixed-name'
check "tidy: a fixed name in /tmp" "machine-path" tidies
plant_good
plant tools/run 'mktemp -d /tmp/hf-work.XXXXXX'
check "tidy: a name for mktemp passes" "" tidies
plant_good
chmod -x "$tree/tools/run"
check "tidy: a script that cannot run" "script: not executable" tidies
plant_good
sed -i '/set -eu/d' "$tree/tools/run"
check "tidy: a script without set -eu" "script: lacks set -eu" tidies
plant_good
yes '/* line */' | head -n 850 >>"$tree/engine/base/list.c"
check "tidy: a long file" "long-file" tidies
plant_good
{
    printf 'int hf_long(int a);\nint hf_long(int a)\n{\n'
    yes '    a++;' | head -n 71
    printf '    return a;\n}\n'
} >>"$tree/engine/base/list.c"
check "tidy: a long function" "long-function" tidies

echo "selftest: $cases cases, $failed failed"
[ $failed = 0 ]
