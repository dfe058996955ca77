/* The disk is full most of the time, with room for a part of what is wanted next, and the node
 * crashes all the same. Appends are refused, passes are given up, nothing fails and nothing is
 * lost; when there is room again, all goes on.
 */
#include "tests/unit/log_world/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LIVES = 10 };
static uint64_t first_seed, seeds = 60;

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    static rig r;
    rig_tally tally = { 0 };
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        hf_world_faults faults = hf_world_faults_default(seed);
        rig_open(&r, seed, &faults, &tally);
        r.space = true;
        for (uint32_t life = 0; life < LIVES; life++) {
            rig_live(&r);
        }
        assert_true(rig_finish(&r));
        rig_close(&r);
    }
    rig_tally_print(&tally);
    assert_true(tally.refused_space > 10 * seeds && tally.kills > seeds && tally.powers > seeds);
    assert_true(tally.acked > 100 * seeds && tally.passes > seeds);
}

int main(int argc, char **argv)
{
    rig_seeds(argc, argv, &first_seed, &seeds);
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_full_disk_loses_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
