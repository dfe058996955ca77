/* Every state that three nodes can come to, with messages lost, repeated, late and in any order,
 * nodes crashing with what their disks have not got yet: one leader in a term; logs that agree at
 * an index agree before it; what is committed stays, on a quorum of disks, in every later leader's
 * log; all nodes apply the same; a read sees what was committed before it; one lease at a time.
 *
 * usage: every_reachable_state_is_right [STATES]     so many states a world at most (default: as
 *                                                    many as CI has time for); more: larger worlds
 */
#include "tests/unit/raft/worlds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t states_max = 4000000;
static bool large;

static void explore(void **state)
{
    const world *w = *state;
    static model_result r;
    model_explore(&w->config, states_max, &r);
    printf("%s: %llu states, %llu steps, %llu nodes, %llu packets%s\n", w->config.name,
           (unsigned long long)r.states, (unsigned long long)r.steps, (unsigned long long)r.nodes,
           (unsigned long long)r.packets, r.full ? " (cut)" : "");
    if (r.wrong != NULL) {
        fprintf(stderr, "%s\n%s\n", r.wrong, r.trace);
    }
    assert_null(r.wrong);
    assert_true(large || !r.full);
    assert_true(r.full || (r.seen & w->seen) == w->seen);
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[WORLDS_MAX];
    size_t count = 0;
    const char *only = NULL;
    if (argc > 1 && argv[1][0] >= '0' && argv[1][0] <= '9') {
        states_max = (uint32_t)strtoul(argv[1], NULL, 10);
        large = true;
    } else if (argc > 1) {
        only = argv[1];
    }
    for (const world *w = worlds; w->config.name != NULL; w++) {
        if ((only == NULL && (large || !w->large)) || (only != NULL && worlds_is(w, only))) {
            tests[count++] =
                (struct CMUnitTest){ w->config.name, explore, NULL, NULL, (void *)(uintptr_t)w };
        }
    }
    return _cmocka_run_group_tests("worlds", tests, count, NULL, NULL);
}
