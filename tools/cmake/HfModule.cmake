# hf_module(NAME [PURE|KERNEL] SOURCES file... [DEPENDS module...])
#
# The only way to add code. NAME is the folder with '/' written as '_' (storage_table), the target
# hf_<NAME> is a static archive. PURE modules see no operating system: they build with -std=c17 and
# no feature macro, so that a call such as clock_gettime does not even compile. KERNEL modules may.
# hf_test(NAME label SOURCES file... DEPENDS module...) adds a cmocka program as a ctest case.

add_library(hf_flags INTERFACE)
target_include_directories(hf_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(hf_flags INTERFACE
    -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wundef -Wcast-align -Wswitch-enum -Wvla
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
    -fno-strict-aliasing -fno-omit-frame-pointer -fvisibility=hidden)
if(HF_SANITIZE)
    target_compile_options(hf_flags INTERFACE -fsanitize=${HF_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(hf_flags INTERFACE -fsanitize=${HF_SANITIZE})
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    # SSE4.2 carries the CRC-32C instruction: every x86-64 server since 2008 has it.
    target_compile_options(hf_flags INTERFACE -msse4.2)
endif()

function(hf_module name)
    cmake_parse_arguments(ARG "PURE;KERNEL" "" "SOURCES;DEPENDS" ${ARGN})
    add_library(hf_${name} STATIC ${ARG_SOURCES})
    set_target_properties(hf_${name} PROPERTIES C_STANDARD 17 C_STANDARD_REQUIRED ON
        C_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
    if(ARG_KERNEL)
        target_compile_definitions(hf_${name} PRIVATE _GNU_SOURCE)
    endif()
    target_link_libraries(hf_${name} PUBLIC hf_flags)
    foreach(dep ${ARG_DEPENDS})
        target_link_libraries(hf_${name} PUBLIC hf_${dep})
    endforeach()
    if(ARG_PURE)
        set_property(GLOBAL APPEND PROPERTY HF_PURE_ARCHIVES hf_${name})
    endif()
endfunction()

function(hf_test name label)
    cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS" ${ARGN})
    string(REPLACE "." "_" target test_${label}_${name})
    add_executable(${target} ${ARG_SOURCES})
    set_target_properties(${target} PROPERTIES C_STANDARD 17 C_EXTENSIONS OFF
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE
        HF_SOURCE_DIR="${CMAKE_SOURCE_DIR}" HF_BINARY_DIR="${CMAKE_BINARY_DIR}")
    target_link_libraries(${target} PRIVATE hf_flags cmocka)
    foreach(dep ${ARG_DEPENDS})
        target_link_libraries(${target} PRIVATE hf_${dep})
    endforeach()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 60)
    endif()
    add_test(NAME ${label}.${name} COMMAND ${target})
    set_tests_properties(${label}.${name} PROPERTIES LABELS ${label} TIMEOUT ${ARG_TIMEOUT}
        SKIP_RETURN_CODE 77)
endfunction()
