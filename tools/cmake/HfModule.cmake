# The only way to add code. Flags sit on hf_flags, never on the whole project.
#
# hf_module(NAME [PURE|KERNEL] SOURCES file... [DEPENDS module...])
#     A static archive hf_NAME. NAME is the folder with '/' written as '_' (storage_table). Modules build
#     with -std=c17 and no feature macro, so that a call such as clock_gettime does not even compile;
#     KERNEL modules, which talk to the system, get _GNU_SOURCE. PURE modules are checked besides:
#     tests/check/pure.sh looks at what their archives leave undefined.
#
# hf_test(NAME LABEL SOURCES file... [DEPENDS module...] [ARGS arg...] [LABELS more...] [TIMEOUT s] [SERIAL])
#     A cmocka program and its ctest case LABEL.NAME (unit.log.torn_tail_is_cut). Exit code 77: skipped.
#     LABELS tsan: runs under the thread sanitizer too. SERIAL: alone on the machine.
#
# hf_script(NAME LABEL COMMAND program arg... [LABELS more...] [TIMEOUT s] [SERIAL])
#     A ctest case that runs a script; the same environment and rules.
#
# hf_fuzz(NAME SOURCES file... [DEPENDS module...])
#     LLVMFuzzerTestOneInput for one decoder, ctest case fuzz.NAME. With HF_FUZZ=ON (clang) libFuzzer
#     searches for HF_FUZZ_SECONDS, starting from tests/fuzz/corpus/NAME; otherwise the corpus is
#     replayed, whole, cut short and with bits turned (tests/fuzz/replay.c).
#
# hf_planted(NAME)
#     Changed copies of the source files that mutants.txt of this folder names (tests/sim/mutants/plant.py),
#     and the ctest case check.NAME_fit. hf_planted_program(TARGET NAME) puts them into a program: their
#     objects come before the archives on the link line, so that the archives' own are not taken in.

include_guard(GLOBAL)

add_library(hf_flags INTERFACE)
target_include_directories(hf_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/engine/include)
target_compile_options(hf_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wcast-align -Wswitch-enum -Wvla
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
    $<$<BOOL:${HF_WERROR}>:-Werror>
    -fno-strict-aliasing -fno-omit-frame-pointer -fvisibility=hidden)
if(HF_SANITIZE)
    target_compile_options(hf_flags INTERFACE -fsanitize=${HF_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(hf_flags INTERFACE -fsanitize=${HF_SANITIZE})
endif()
if(HF_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        message(FATAL_ERROR "HF_FUZZ=ON needs clang: cmake --preset fuzz")
    endif()
    target_compile_options(hf_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    # SSE4.2 carries the CRC-32C instruction: every x86-64 server since 2008 has it.
    target_compile_options(hf_flags INTERFACE -msse4.2)
endif()

function(hf_module name)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "PURE;KERNEL" "" "SOURCES;DEPENDS")
    hf_refuse_rest(hf_module ${name} "${ARG_UNPARSED_ARGUMENTS}")
    if(ARG_PURE AND ARG_KERNEL)
        message(FATAL_ERROR "hf_module(${name}): PURE and KERNEL exclude each other")
    endif()
    add_library(hf_${name} STATIC ${ARG_SOURCES})
    set_target_properties(hf_${name} PROPERTIES C_STANDARD 17 C_STANDARD_REQUIRED ON
        C_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
    target_link_libraries(hf_${name} PUBLIC hf_flags)
    list(TRANSFORM ARG_DEPENDS PREPEND hf_ OUTPUT_VARIABLE depends)
    target_link_libraries(hf_${name} PUBLIC ${depends})
    set(kind plain)
    if(ARG_KERNEL)
        set(kind kernel)
        target_compile_definitions(hf_${name} PRIVATE _GNU_SOURCE)
    elseif(ARG_PURE)
        set(kind pure)
        set_property(GLOBAL APPEND PROPERTY HF_PURE_ARCHIVES hf_${name})
    endif()
    list(JOIN ARG_DEPENDS " " depends)
    set_property(GLOBAL APPEND_STRING PROPERTY HF_GRAPH "${name} ${kind} ${depends}\n")
endfunction()

function(hf_test name label)
    cmake_parse_arguments(PARSE_ARGV 2 ARG "SERIAL" "TIMEOUT" "SOURCES;DEPENDS;ARGS;LABELS")
    hf_refuse_rest(hf_test ${name} "${ARG_UNPARSED_ARGUMENTS}")
    if(NOT HF_TESTS)
        return()
    endif()
    string(REPLACE "." "_" target test_${label}_${name})
    add_executable(${target} ${ARG_SOURCES})
    hf_test_program(${target})
    target_link_libraries(${target} PRIVATE cmocka)
    list(TRANSFORM ARG_DEPENDS PREPEND hf_)
    target_link_libraries(${target} PRIVATE ${ARG_DEPENDS})
    add_test(NAME ${label}.${name} COMMAND ${target} ${ARG_ARGS})
    hf_test_rules(${label}.${name} "${label};${ARG_LABELS}" "${ARG_TIMEOUT}" ${ARG_SERIAL})
endfunction()

function(hf_script name label)
    cmake_parse_arguments(PARSE_ARGV 2 ARG "SERIAL" "TIMEOUT" "COMMAND;LABELS")
    hf_refuse_rest(hf_script ${name} "${ARG_UNPARSED_ARGUMENTS}")
    if(NOT HF_TESTS)
        return()
    endif()
    add_test(NAME ${label}.${name} COMMAND ${ARG_COMMAND} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    hf_test_rules(${label}.${name} "${label};${ARG_LABELS}" "${ARG_TIMEOUT}" ${ARG_SERIAL})
endfunction()

function(hf_fuzz name)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;DEPENDS")
    hf_refuse_rest(hf_fuzz ${name} "${ARG_UNPARSED_ARGUMENTS}")
    if(NOT HF_TESTS)
        return()
    endif()
    set(target fuzz_${name})
    set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
    add_executable(${target} ${ARG_SOURCES})
    hf_test_program(${target})
    list(TRANSFORM ARG_DEPENDS PREPEND hf_)
    target_link_libraries(${target} PRIVATE ${ARG_DEPENDS})
    if(HF_FUZZ)
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
        # What libFuzzer finds goes to the first folder: into the build, not into the source.
        set(found ${CMAKE_BINARY_DIR}/fuzz/${name})
        file(MAKE_DIRECTORY ${found} ${found}-failures)
        add_test(NAME fuzz.${name} COMMAND ${target} -max_total_time=${HF_FUZZ_SECONDS} -seed=1
            -timeout=60 -rss_limit_mb=2048 -print_final_stats=1
            -error_exitcode=1 # its own, 77, is what a test says that was skipped
            -artifact_prefix=${found}-failures/
            ${found} ${corpus})
        math(EXPR timeout "${HF_FUZZ_SECONDS} + 300")
    else()
        target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
        add_test(NAME fuzz.${name} COMMAND ${target} ${corpus})
        set(timeout 300)
    endif()
    hf_test_rules(fuzz.${name} fuzz ${timeout} FALSE)
endfunction()

function(hf_planted name)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    set(list ${CMAKE_CURRENT_SOURCE_DIR}/mutants.txt)
    set(plant ${CMAKE_SOURCE_DIR}/tests/sim/mutants/plant.py)
    set(out ${CMAKE_CURRENT_BINARY_DIR}/planted)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${list})
    execute_process(COMMAND ${Python3_EXECUTABLE} ${plant} --list ${list} --files
        OUTPUT_VARIABLE files OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    string(REPLACE "\n" ";" files "${files}")
    list(TRANSFORM files PREPEND ${out}/ OUTPUT_VARIABLE planted)
    list(TRANSFORM files PREPEND ${CMAKE_SOURCE_DIR}/ OUTPUT_VARIABLE originals)
    add_custom_command(OUTPUT ${planted} ${out}/mutants.inc
        COMMAND ${Python3_EXECUTABLE} ${plant} --root ${CMAKE_SOURCE_DIR} --list ${list} --out ${out}
        DEPENDS ${list} ${plant} ${originals} VERBATIM)
    # Several programs of one folder wait for one run of it.
    add_custom_target(${name}_planted DEPENDS ${planted} ${out}/mutants.inc)
    set_target_properties(${name}_planted PROPERTIES HF_SOURCES "${planted}" HF_FOLDER ${out})
    hf_script(${name}_fit check
        COMMAND ${Python3_EXECUTABLE} ${plant} --root ${CMAKE_SOURCE_DIR} --list ${list} --check)
endfunction()

function(hf_planted_program target name)
    get_target_property(planted ${name}_planted HF_SOURCES)
    get_target_property(out ${name}_planted HF_FOLDER)
    target_sources(${target} PRIVATE ${planted})
    add_dependencies(${target} ${name}_planted)
    target_include_directories(${target} PRIVATE ${out})
    target_compile_options(${target} PRIVATE -Wno-misleading-indentation)
endfunction()

# What follows is for the functions above.

function(hf_refuse_rest function name rest)
    if(rest)
        message(FATAL_ERROR "${function}(${name}): not understood: ${rest}")
    endif()
endfunction()

function(hf_test_program target)
    set_target_properties(${target} PROPERTIES C_STANDARD 17 C_EXTENSIONS OFF
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE
        HF_SOURCE_DIR="${CMAKE_SOURCE_DIR}" HF_BINARY_DIR="${CMAKE_BINARY_DIR}")
    target_link_libraries(${target} PRIVATE hf_flags)
endfunction()

function(hf_test_rules case labels timeout serial)
    # For what hangs: many times what a case takes, also on a machine with other things to do.
    if(NOT timeout)
        set(timeout 300)
    endif()
    if(HF_SANITIZE)
        math(EXPR timeout "${timeout} * 4")
    endif()
    list(REMOVE_ITEM labels "")
    set_tests_properties(${case} PROPERTIES LABELS "${labels}" TIMEOUT ${timeout}
        SKIP_RETURN_CODE 77 RUN_SERIAL ${serial})
    set(environment
        "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
        "UBSAN_OPTIONS=print_stacktrace=1"
        "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/check/tsan.supp:halt_on_error=1")
    if(HF_SANITIZE)
        set_tests_properties(${case} PROPERTIES ENVIRONMENT "${environment}")
    endif()
endfunction()

# The modules and what they depend on, one a line, for tests/check/layers.sh and tests/check/pure.sh.
function(hf_write_graph)
    get_property(graph GLOBAL PROPERTY HF_GRAPH)
    file(WRITE ${CMAKE_BINARY_DIR}/hf_modules.txt "${graph}")
endfunction()
