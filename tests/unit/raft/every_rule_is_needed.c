/* Each rule of the core, switched off alone (mutants.txt), lets something go wrong: in the model
 * (MUTANTS_MODEL), or in seeded lives. So model and lives can see what they are there to see.
 *
 * usage: every_rule_is_needed [MUTANT]     this one alone, and how it went wrong
 */
#include "tests/unit/raft/life.h"
#include "tests/unit/raft/worlds.h"

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

enum {
    MUTANTS_MAX = 128,
    PLANTED = sizeof planted / sizeof planted[0],
    MILLION = 1000000,
    EVENTS = 30000
};

typedef struct mutant {
    char name[64], judge[16], place[32];
    uint32_t seeds;
} mutant;

static mutant mutants[MUTANTS_MAX];
static uint32_t mutant_count;
static bool telling;

static int number_of(const char *name)
{
    for (int i = 0; i < (int)PLANTED; i++) {
        if (strcmp(planted[i], name) == 0) {
            return i + 1;
        }
    }
    return 0; /* it does not fit the core any more: raft.mutants_fit says where */
}

#ifdef MUTANTS_MODEL
static const char judge[] = "model";

static uint64_t caught_by(const mutant *m)
{
    static model_result r;
    const world *w = worlds;
    while (w->config.name != NULL && !worlds_is(w, m->place)) {
        w++;
    }
    assert_non_null(w->config.name);
    model_explore(&w->config, m->seeds * MILLION, &r);
    printf("%s: %s (%llu states)\n%s", m->name, r.wrong == NULL ? "not caught" : r.wrong,
           (unsigned long long)r.states, telling ? r.trace : "");
    return r.wrong != NULL ? 1 : 0;
}
#else
static const char judge[] = "life";

/* By which life; 0: by none. */
static uint64_t caught_by(const mutant *m)
{
    static life_result r;
    life_config c = life_kind(m->place);
    c.events = EVENTS;
    for (c.seed = 1; c.seed <= m->seeds; c.seed++) {
        life_run(&c, &r);
        if (r.wrong != NULL) {
            printf("%s: seed %llu: %s\n%s", m->name, (unsigned long long)c.seed, r.wrong,
                   telling ? r.state : "");
            return c.seed;
        }
    }
    printf("%s: not caught\n", m->name);
    return 0;
}

/* And unbroken the same lives are good. */
static bool is_sound(const mutant *m, uint64_t lives)
{
    static life_result r;
    life_config c = life_kind(m->place);
    c.events = EVENTS;
    for (c.seed = 1; c.seed <= lives; c.seed++) {
        life_run(&c, &r);
        if (r.wrong != NULL) {
            printf("%s, unbroken: seed %llu: %s\n%s", m->name, (unsigned long long)c.seed, r.wrong,
                   r.state);
            return false;
        }
    }
    return true;
}
#endif

static void needed(void **state)
{
    const mutant *m = *state;
    hf_mutant_active = number_of(m->name);
    assert_int_not_equal(hf_mutant_active, 0);
    uint64_t life = caught_by(m);
    hf_mutant_active = 0;
    assert_true(life != 0);
#ifndef MUTANTS_MODEL
    assert_true(is_sound(m, life));
#endif
}

static bool read_list(void)
{
    static char line[512];
    FILE *file = fopen(HF_SOURCE_DIR "/tests/unit/raft/mutants.txt", "rb");
    if (file == NULL) {
        return false;
    }
    while (fgets(line, sizeof line, file) != NULL && mutant_count < MUTANTS_MAX) {
        mutant *m = &mutants[mutant_count];
        if (sscanf(line, "== %63s %u %15s %31s", m->name, &m->seeds, m->judge, m->place) == 4) {
            mutant_count += strcmp(m->judge, judge) == 0;
        }
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
    telling = argc > 1;
    for (uint32_t i = 0; i < mutant_count; i++) {
        if (argc < 2 || strcmp(argv[1], mutants[i].name) == 0) {
            tests[count++] =
                (struct CMUnitTest){ mutants[i].name, needed, NULL, NULL, &mutants[i] };
        }
    }
    return count == 0 ? 1 : _cmocka_run_group_tests("rules", tests, count, NULL, NULL);
}
