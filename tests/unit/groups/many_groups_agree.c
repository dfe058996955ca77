/* Claim: whatever happens to nodes, disks and packets, every group applies the same on all nodes,
 * nothing that was applied is lost, and when it ends all of them go on.
 *
 * usage: many_groups_agree [SEED [SEEDS]]     these instead of the fixed ones
 */
#include "tests/unit/groups/life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t first_seed = 1;
static uint64_t seeds = 6;

static void lives(void **state)
{
    const life_kind *kind = *state;
    cluster_stats sum = { 0 };
    for (uint64_t i = 0; i < seeds; i++) {
        life_result one;
        life_run(kind, first_seed + i, &one);
        if (one.wrong[0] != 0) {
            fprintf(stderr, "seed %llu: %s\n", (unsigned long long)(first_seed + i), one.wrong);
        }
        assert_int_equal(one.wrong[0], 0);
        assert_true(kind->rate == 0 || one.committed > 5 * kind->groups);
        assert_true(kind->rate == 0 || one.stats.answered > one.committed);
        sum.crashes += one.stats.crashes;
        sum.installs += one.stats.installs;
        sum.checkpoints += one.stats.checkpoints;
        sum.stalls += one.stats.stalls;
        sum.replaced += one.stats.replaced;
        sum.packets += one.stats.packets;
    }
    printf("%llu packets, %llu crashes, %llu snapshots, %llu checkpoints, %llu refused records\n",
           (unsigned long long)sum.packets, (unsigned long long)sum.crashes,
           (unsigned long long)sum.installs, (unsigned long long)sum.checkpoints,
           (unsigned long long)sum.stalls);
    assert_true(kind->faults.crash == 0 || sum.crashes >= seeds);
    assert_true(kind->faults.compact == 0 || sum.installs >= seeds);
    assert_true(kind->faults.checkpoint == 0 || sum.checkpoints >= seeds);
    assert_true(kind->faults.replaced == 0 || sum.replaced >= seeds);
    assert_true(kind->faults.full == 0 || sum.stalls >= seeds);
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[8];
    static life_kind kinds[8];
    size_t count = 0;
    for (; life_kinds[count].name != NULL; count++) {
        kinds[count] = life_kinds[count];
        tests[count] = (struct CMUnitTest){ kinds[count].name, lives, NULL, NULL, &kinds[count] };
    }
    first_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : first_seed;
    seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : seeds;
    return _cmocka_run_group_tests("lives", tests, count, NULL, NULL);
}
