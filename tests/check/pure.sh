#!/bin/sh
# PURE archives reach nothing: no system call, no clock, no allocation, no stdio, and no variable that
# would outlive a call or be shared by two cores of one simulation.
set -eu

usage() {
    cat <<'END'
usage: tests/check/pure.sh ARCHIVE...

Fails when an archive leaves a symbol undefined that is not hf_* and not in the list of pure C library
functions, or defines a variable that can be written. libhf_engine_base.a may also stop the process
(abort and the line on stderr of a failed assertion) and hold the assertion hook.
END
}

case ${1:-} in
--help) usage; exit 0 ;;
'' | -*) usage >&2; exit 2 ;;
esac

# Same arguments, same answer; nothing kept. strto* and the mathematics set errno at most; snprintf writes
# into the caller's buffer, and there is no locale but "C" (nobody calls setlocale).
pure='memcpy memmove memset memcmp memchr
strlen strnlen strcmp strncmp strchr strrchr strstr strspn strcspn strpbrk
strtol strtoll strtoul strtoull strtod strtold snprintf vsnprintf
floor floorl ceil ceill trunc truncl round roundl fmod fmodl fabs fabsl pow powl exp log log2 log10 sqrt
ldexp ldexpl frexp frexpl modf modfl
_GLOBAL_OFFSET_TABLE_ __stack_chk_fail __tls_get_addr'
base='abort fprintf stderr'
base_variables=assert_hook

failed=0
for archive in "$@"; do
    name=$(basename "$archive")
    allowed=$pure
    variables=
    if [ "$name" = libhf_engine_base.a ]; then
        allowed="$pure
$base"
        variables=$base_variables
    fi
    symbols=$(nm -u "$archive" | awk '$1 == "U" || $1 == "w" { print $2 }' | sort -u)
    for symbol in $symbols; do
        case $symbol in hf_*) continue ;; esac
        if ! printf '%s\n' "$allowed" | tr ' ' '\n' | grep -qx -e "$symbol"; then
            echo "$name: leaves $symbol undefined: $(nm -A -u "$archive" | awk -v s="$symbol" '$NF == s' |
                sed 's/.*\.a:\([^:]*\):.*/\1/' | sort -u | tr '\n' ' ')"
            failed=1
        fi
    done
    # What lies in .data, .bss, their thread-local kind, or common; constants with pointers in them
    # (.data.rel.ro) cannot be written.
    for symbol in $(objdump -t "$archive" | awk '$NF !~ /^\./ {
            for (i = 1; i < NF; i++) {
                if ($i == "*COM*" || ($i ~ /^\.(data|bss|tdata|tbss)/ && $i !~ /^\.data\.rel\.ro/)) {
                    print $NF
                    break
                }
            }
        }' | sort -u); do
        case " $variables " in
        *" $symbol "*) ;;
        *)
            echo "$name: $symbol can be written"
            failed=1
            ;;
        esac
    done
done
if [ $failed = 0 ]; then
    echo "pure: $# archives reach nothing"
fi
exit $failed
