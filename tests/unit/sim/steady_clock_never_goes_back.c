/* now_ns never goes back while the machine runs, wall_ns may; a deadline brings a turn, and stands
 * still within one. */
#include "tests/unit/sim/sim_test.h"

static uint64_t seen_now, seen_wall, turns_early;
static int backward, forward;
static uint64_t (*next_due)(test_core *core);

static uint64_t due_each_ms(test_core *core)
{
    return core->io->now_ns + TEST_MS;
}

static uint64_t watch(void *context)
{
    test_core *core = context;
    assert_true(core->io->now_ns >= seen_now);
    if (core->due != 0 && core->io->now_ns < core->due) {
        turns_early++;
    }
    int64_t passed = (int64_t)(core->io->now_ns - seen_now);
    int64_t walled = (int64_t)(core->io->wall_ns - seen_wall);
    backward += seen_now != 0 && walled < 0;
    forward += seen_now != 0 && walled > passed + TEST_MS;
    seen_now = core->io->now_ns;
    seen_wall = core->io->wall_ns;
    core->turns++;
    core->due = next_due(core);
    return core->due;
}

static hf_world *start(test_core *core, const hf_world_faults *faults)
{
    static hf_io_handler handler;
    handler.on_turn = watch;
    next_due = due_each_ms;
    seen_now = 0;
    backward = 0;
    forward = 0;
    turns_early = 0;
    hf_world *world = test_world(2, 1, faults);
    memset(core, 0, sizeof *core);
    core->io = hf_world_io(world, 0);
    hf_world_boot(world, 0, &handler, core);
    return world;
}

static void deadlines_bring_turns(void **state)
{
    (void)state;
    test_core core;
    hf_world *world = start(&core, NULL);
    (void)hf_world_run(world, TEST_S, UINT64_MAX);
    assert_in_range(core.turns, 950, 1001);
    assert_int_equal(turns_early, 0);
    assert_int_equal(backward + forward, 0);
    hf_world_close(world);
}

static uint64_t due_never(test_core *core)
{
    (void)core;
    return UINT64_MAX;
}

static uint64_t due_now(test_core *core)
{
    return core->io->now_ns;
}

static void impatient_cores_do_not_stop_time(void **state)
{
    (void)state;
    test_core core;
    hf_world *world = start(&core, NULL);
    next_due = due_now;
    (void)hf_world_run(world, TEST_MS, UINT64_MAX);
    assert_int_equal(hf_world_now(world), TEST_MS);
    assert_in_range(core.turns, 500, 2000);
    next_due = due_never;
    (void)hf_world_run(world, UINT64_MAX, UINT64_MAX); /* ends: nothing is left to happen */
    assert_false(hf_world_step(world));
    hf_world_close(world);
}

static void wall_clock_steps_and_drifts(void **state)
{
    (void)state;
    test_core core;
    hf_world *world = start(&core, NULL);
    (void)hf_world_run(world, TEST_S, UINT64_MAX);
    uint64_t wall = hf_world_wall(world);
    hf_world_clock_step(world, -5ll * TEST_S);
    assert_int_equal(hf_world_wall(world), wall - 5ull * TEST_S);
    (void)hf_world_run(world, TEST_S + 10 * TEST_MS, UINT64_MAX);
    assert_int_equal(backward, 1);
    hf_world_clock_step(world, 5ll * TEST_S);
    (void)hf_world_run(world, 2ull * TEST_S, UINT64_MAX);
    assert_int_equal(forward, 1);
    assert_int_equal(hf_world_wall(world), wall + TEST_S);
    hf_world_clock_drift(world, 1000);
    (void)hf_world_run(world, 3ull * TEST_S, UINT64_MAX);
    assert_int_equal(hf_world_wall(world), wall + 2ull * TEST_S + TEST_MS);
    hf_world_clock_drift(world, -1000);
    (void)hf_world_run(world, 4ull * TEST_S, UINT64_MAX);
    assert_int_equal(hf_world_wall(world), wall + 3ull * TEST_S);
    hf_world_close(world);
}

static void clock_faults_come_by_themselves(void **state)
{
    (void)state;
    hf_world_faults faults = hf_world_faults_none();
    faults.clock_step = (hf_world_recurring){ 50 * TEST_MS, HF_WORLD_ALWAYS };
    faults.clock_step_ns_max = 10ull * TEST_S;
    test_core core;
    hf_world *world = start(&core, &faults);
    (void)hf_world_run(world, 5ull * TEST_S, UINT64_MAX);
    assert_true(backward > 5 && forward > 5);
    assert_true(hf_world_stats_get(world).clock_step > 20);
    hf_world_close(world);
}

static void late_timers_are_late(void **state)
{
    (void)state;
    hf_world_faults faults = hf_world_faults_none();
    faults.timer_late_ns_max = 4 * TEST_MS;
    test_core core;
    hf_world *world = start(&core, &faults);
    (void)hf_world_run(world, TEST_S, UINT64_MAX);
    assert_in_range(core.turns, 200, 600);
    assert_int_equal(turns_early, 0);
    hf_world_close(world);
}

/* Another machine's clock after a power loss; the same machine's after a kill. */
static void only_power_loss_starts_the_clock_anew(void **state)
{
    (void)state;
    test_core core;
    hf_world *world = start(&core, NULL);
    (void)hf_world_run(world, TEST_S, UINT64_MAX);
    uint64_t before = hf_world_io(world, 0)->now_ns;
    hf_world_crash(world, HF_WORLD_KILL);
    assert_int_equal(hf_world_io(world, 0)->now_ns, before);
    hf_world_crash(world, HF_WORLD_POWER);
    assert_int_not_equal(hf_world_io(world, 0)->now_ns, before);
    assert_true(hf_world_io(world, 0)->now_ns <= 100ull * TEST_S);
    hf_world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_bring_turns),
        cmocka_unit_test(impatient_cores_do_not_stop_time),
        cmocka_unit_test(wall_clock_steps_and_drifts),
        cmocka_unit_test(clock_faults_come_by_themselves),
        cmocka_unit_test(late_timers_are_late),
        cmocka_unit_test(only_power_loss_starts_the_clock_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
