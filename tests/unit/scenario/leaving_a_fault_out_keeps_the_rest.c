/* A run's plan: leaving one kind of fault out changes nothing else, or a failure could not be made
 * small. */
#include "tests/sim/run_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka's header wants those above it */
#include <cmocka.h>
#include <string.h>

enum { SEEDS = 60 };

static hf_run_plan plan_of(uint64_t seed, uint32_t with, uint32_t without, uint16_t *cores,
                           uint32_t *clients)
{
    hf_run_config config = { .seed = seed, .events = 10000, .with = with, .without = without };
    hf_run_result result = { 0 };
    static hf_run_state run;
    memset(&run, 0, sizeof run);
    run.config = &config;
    run.result = &result;
    hf_run__plan(&run);
    *cores = run.cores;
    *clients = run.actor_count;
    return run.plan;
}

static void the_node_and_the_clients_stay(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint16_t cores[2];
        uint32_t clients[2];
        hf_run_plan whole = plan_of(seed, 0, 0, &cores[0], &clients[0]);
        for (uint32_t i = 0; i < HF_RUN_FAULT_KINDS; i++) {
            hf_run_plan less = plan_of(seed, 0, 1u << i, &cores[1], &clients[1]);
            assert_int_equal(cores[0], cores[1]);
            assert_int_equal(clients[0], clients[1]);
            assert_int_equal(whole.shard_bytes, less.shard_bytes);
            assert_int_equal(whole.shard.log_batch_bytes, less.shard.log_batch_bytes);
            assert_int_equal(whole.think_ns, less.think_ns);
            assert_int_equal(whole.file_align, less.file_align);
            assert_int_equal(less.kinds & (1u << i), 0);
            assert_int_equal(less.kinds & ~whole.kinds, 0);
        }
    }
}

static void only_that_fault_goes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint16_t cores;
        uint32_t clients;
        hf_run_plan whole = plan_of(seed, 0, 0, &cores, &clients);
        hf_run_plan less = plan_of(seed, 0, HF_RUN_FAULT_BIT(CLOCK), &cores, &clients);
        assert_int_equal(less.faults.clock_step.every_ns, 0);
        assert_int_equal(less.faults.clock_drift_ppm_max, 0);
        assert_int_equal(whole.faults.disk_write_ns_mean, less.faults.disk_write_ns_mean);
        assert_int_equal(whole.faults.message_long.ppm, less.faults.message_long.ppm);
        assert_int_equal(whole.crash_events, less.crash_events);
        assert_int_equal(whole.power_ppm, less.power_ppm);
        less = plan_of(seed, 0, HF_RUN_FAULT_BIT(CRASH), &cores, &clients);
        assert_int_equal(less.crash_events, 0);
        assert_int_equal(whole.faults.clock_step.every_ns, less.faults.clock_step.every_ns);
        assert_int_equal(whole.habits.desert_ppm, less.habits.desert_ppm);
    }
}

static void what_is_asked_for_is_on(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint16_t cores;
        uint32_t clients;
        uint32_t with = HF_RUN_FAULT_BIT(CRASH) | HF_RUN_FAULT_BIT(ERROR) |
                        HF_RUN_FAULT_BIT(DAMAGE) | HF_RUN_FAULT_BIT(SPACE);
        hf_run_plan plan = plan_of(seed, with, 0, &cores, &clients);
        assert_int_equal(plan.kinds & with, with);
        assert_true(plan.crash_events != 0 && plan.space_ns != 0);
    }
}

static void nothing_is_on_without_faults(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint16_t cores;
        uint32_t clients;
        hf_run_plan plan = plan_of(seed, 0, HF_RUN_ALL_FAULTS, &cores, &clients);
        hf_world_faults none = hf_world_faults_none();
        assert_int_equal(plan.kinds, 0);
        assert_int_equal(plan.crash_events, 0);
        assert_int_equal(plan.space_ns, 0);
        assert_int_equal(plan.habits.desert_ppm, 0);
        assert_int_equal(plan.faults.pause.every_ns, none.pause.every_ns);
        assert_int_equal(plan.faults.conn_abort.ppm, none.conn_abort.ppm);
        assert_int_equal(plan.faults.disk_tail.ppm, none.disk_tail.ppm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_node_and_the_clients_stay),
        cmocka_unit_test(only_that_fault_goes),
        cmocka_unit_test(what_is_asked_for_is_on),
        cmocka_unit_test(nothing_is_on_without_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
