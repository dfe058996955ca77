/* Reads, writes, syncs and changes of names fail now and then, in life and during recovery, with
 * all that a failed flush means: pages that are shown, and lost at the next power loss. The node
 * ends with HF_E_IO and starts again, without a restart of the machine; nothing acknowledged is
 * lost, and no error is taken for damage.
 */
#include "tests/unit/log_world/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LIVES = 14 };
static uint64_t first_seed, seeds = 80;

static void errors_stop_the_node_and_lose_nothing(void **state)
{
    (void)state;
    static rig r;
    rig_tally tally = { 0 };
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        hf_world_faults faults = hf_world_faults_default(seed);
        hf_world_faults_add_errors(&faults, seed);
        rig_open(&r, seed, &faults, &tally);
        r.errors = true;
        for (uint32_t life = 0; life < LIVES; life++) {
            rig_live(&r);
        }
        assert_true(rig_finish(&r));
        rig_close(&r);
    }
    rig_tally_print(&tally);
    assert_true(tally.io_ended > seeds && tally.kills > seeds && tally.powers > seeds);
    assert_true(tally.acked > 100 * seeds && tally.passes > seeds);
}

int main(int argc, char **argv)
{
    rig_seeds(argc, argv, &first_seed, &seeds);
    const struct CMUnitTest tests[] = { cmocka_unit_test(errors_stop_the_node_and_lose_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
