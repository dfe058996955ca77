/* The simulator over an engine with mutants planted: the first argument names the one that is
 * active; "none": none. The others are those of `holdfast sim`. */
#include "tools/holdfast/sim.h"

#include <stdio.h>
#include <string.h>

int hf_mutant_active;

static const char *const names[] = {
#define X(name) #name,
/* Made by run.py beside the copy that it builds: there is no such file here. */
#define HF_MUTANTS_LIST "mutants.inc"
#include HF_MUTANTS_LIST
#undef X
};

int main(int argc, char **argv)
{
    enum { COUNT = sizeof names / sizeof names[0], USAGE = 2 };
    int at = 0;
    while (argc > 1 && at < COUNT && strcmp(names[at], argv[1]) != 0) {
        at++;
    }
    if (argc < 2 || (at == COUNT && strcmp(argv[1], "none") != 0)) {
        fprintf(stderr, "usage: %s none|MUTANT [arguments of holdfast sim]\n", argv[0]);
        return USAGE;
    }
    hf_mutant_active = at == COUNT ? 0 : at + 1;
    return hf_tool_sim(argc - 1, argv + 1);
}
