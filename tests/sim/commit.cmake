# Writes OUT, a C file that tells which commit ROOT is at; leaves it alone when nothing changed.
execute_process(COMMAND git -C ${ROOT} describe --always --dirty --abbrev=12
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
if(NOT status EQUAL 0)
    set(commit unknown)
endif()
set(text "#include \"tests/sim/run.h\"\n\nconst char *hf_run_commit(void)\n{\n    return \"${commit}\";\n}\n")
set(before "")
if(EXISTS ${OUT})
    file(READ ${OUT} before)
endif()
if(NOT text STREQUAL before)
    file(WRITE ${OUT} "${text}")
endif()
