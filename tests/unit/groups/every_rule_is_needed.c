/* Each rule of hf_groups, switched off alone (mutants.txt), makes a seeded life fail; unbroken, the
 * same lives are good.
 *
 * usage: every_rule_is_needed [MUTANT]     this one alone
 */
#include "tests/unit/groups/life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int hf_mutant_active;

static const char *const planted[] = {
#define X(name) #name,
/* Made by plant.py. */
#define HF_MUTANTS_LIST "mutants.inc"
#include HF_MUTANTS_LIST
#undef X
};

enum { MUTANTS_MAX = 64, PLANTED = sizeof planted / sizeof planted[0] };

typedef struct mutant {
    char name[64], kind[32];
    uint32_t seeds;
} mutant;

static mutant mutants[MUTANTS_MAX];
static uint32_t mutant_count;

static int number_of(const char *name)
{
    for (int i = 0; i < (int)PLANTED; i++) {
        if (strcmp(planted[i], name) == 0) {
            return i + 1;
        }
    }
    return 0; /* it does not fit any more: groups_mutants_fit says where */
}

/* The seeds that a life fails with. */
static uint32_t failures(const mutant *m)
{
    uint32_t count = 0;
    for (uint64_t seed = 1; seed <= m->seeds; seed++) {
        life_result r;
        life_run(life_kind_of(m->kind), seed, &r);
        if (r.wrong[0] != 0 && count++ == 0) {
            printf("%s: seed %llu: %s\n", m->name, (unsigned long long)seed, r.wrong);
        }
    }
    printf("%s: %u of %u seeds\n", m->name, count, m->seeds);
    return count;
}

static void needed(void **state)
{
    const mutant *m = *state;
    hf_mutant_active = number_of(m->name);
    assert_int_not_equal(hf_mutant_active, 0);
    uint32_t broken = failures(m);
    hf_mutant_active = 0;
    assert_true(broken > 0);
    assert_int_equal(failures(m), 0);
}

static bool read_list(void)
{
    static char line[512];
    FILE *file = fopen(HF_SOURCE_DIR "/tests/unit/groups/mutants.txt", "rb");
    if (file == NULL) {
        return false;
    }
    while (fgets(line, sizeof line, file) != NULL && mutant_count < MUTANTS_MAX) {
        mutant *m = &mutants[mutant_count];
        mutant_count += sscanf(line, "== %63s %u %31s", m->name, &m->seeds, m->kind) == 3;
    }
    fclose(file);
    return mutant_count != 0;
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[MUTANTS_MAX];
    size_t count = 0;
    if (!read_list()) {
        fprintf(stderr, "no list of mutants\n");
        return 1;
    }
    for (uint32_t i = 0; i < mutant_count; i++) {
        if (argc < 2 || strcmp(argv[1], mutants[i].name) == 0) {
            tests[count++] =
                (struct CMUnitTest){ mutants[i].name, needed, NULL, NULL, &mutants[i] };
        }
    }
    return count == 0 ? 1 : _cmocka_run_group_tests("rules", tests, count, NULL, NULL);
}
