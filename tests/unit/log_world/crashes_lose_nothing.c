/* Kills and power losses at random events, during recovery too, on disks of every pace. Nothing
 * else is wrong: so every boot must succeed and find all that was acknowledged.
 *
 * Among its finds: a batch at the end of a segment that was in a cache only when the process was
 * killed, built on, and then taken by a power loss.
 */
#include "tests/unit/log_world/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LIVES = 12 };
static uint64_t first_seed, seeds = 80;

static void crashes_lose_nothing(void **state)
{
    (void)state;
    static rig r;
    rig_tally tally = { 0 };
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        hf_world_faults faults = hf_world_faults_default(seed);
        rig_open(&r, seed, &faults, &tally);
        for (uint32_t life = 0; life < LIVES; life++) {
            rig_live(&r);
        }
        assert_true(rig_finish(&r));
        rig_close(&r);
    }
    rig_tally_print(&tally);
    assert_true(tally.kills > seeds && tally.powers > seeds && tally.in_boot > seeds);
    assert_true(tally.moments > 2 * seeds);
    assert_true(tally.acked > 100 * seeds && tally.passes > 2 * seeds);
}

int main(int argc, char **argv)
{
    rig_seeds(argc, argv, &first_seed, &seeds);
    const struct CMUnitTest tests[] = { cmocka_unit_test(crashes_lose_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
