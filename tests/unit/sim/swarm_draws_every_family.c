/* A seed's fault plan: each family is on for some seeds and off for others, and repeats. */
#include "tests/unit/sim/sim_test.h"

enum { SEEDS = 200 };

static void every_family_is_on_and_off(void **state)
{
    (void)state;
    const hf_world_faults none = hf_world_faults_none();
    int on[16] = { 0 };
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        hf_world_faults f = hf_world_faults_default(seed);
        assert_true(f.rot.most == 0 && f.lost_write.ppm == 0 && f.sync_error.ppm == 0);
        hf_world_faults_add_damage(&f, seed);
        hf_world_faults_add_errors(&f, seed);
        const bool family[16] = {
            f.turn_ns_max != none.turn_ns_max,
            f.pause.most != 0,
            f.message_long.ppm != 0,
            f.disk_write_ns_mean != none.disk_write_ns_mean,
            f.disk_tail.ppm != 0,
            f.disk_slow.most != 0,
            f.disk_in_order,
            f.allocate_junk,
            f.clock_step.most != 0,
            f.conn_ns_max != none.conn_ns_max,
            f.conn_abort.ppm != 0,
            f.crash_every_ns != 0,
            f.rot.most != 0,
            f.lost_write.ppm != 0 && f.confined,
            f.misdirected_write.ppm != 0,
            f.read_error.ppm != 0 || f.write_error.ppm != 0,
        };
        for (int i = 0; i < 16; i++) {
            on[i] += family[i];
        }
        assert_true(f.pause_ns_max <= f.pause.every_ns);
        hf_world_faults again = hf_world_faults_default(seed);
        hf_world_faults_add_damage(&again, seed);
        hf_world_faults_add_errors(&again, seed);
        assert_memory_equal(&f, &again, sizeof f);
    }
    for (int i = 0; i < 16; i++) {
        assert_in_range(on[i], SEEDS / 10, SEEDS - SEEDS / 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_family_is_on_and_off) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
