/* Messages of one pair of cores arrive in the order of posting, whatever delays them, and come
 * back. */
#include "tests/unit/sim/sim_test.h"

typedef struct numbered {
    hf_msg head;
    uint64_t number;
} numbered;

enum { CORES = 3 };

static uint64_t expected[CORES][CORES]; /* [to][from] */
static int mixed;
static uint16_t last_from;

static void check_order(test_core *core, const hf_msg *msg)
{
    const numbered *n = (const numbered *)(const void *)msg;
    uint64_t *next = &expected[core->io->core][msg->from];
    assert_int_equal(n->number, *next);
    (*next)++;
    mixed += msg->from != last_from;
    last_from = msg->from;
}

static void post(test_node *node, uint16_t from, uint16_t to, uint64_t number)
{
    numbered *n = calloc(1, sizeof *n);
    n->head.size = sizeof *n;
    n->head.kind = 5;
    n->number = number;
    hf_io_post(node->cores[from].io, to, &n->head);
}

static hf_world *flood(const hf_world_faults *faults, test_node *node, uint64_t each)
{
    memset(expected, 0, sizeof expected);
    mixed = 0;
    hf_world *world = test_world(11, CORES, faults);
    test_node_boot(node, world, CORES);
    for (uint64_t i = 0; i < each; i++) {
        for (uint16_t from = 0; from < CORES; from++) {
            node->cores[from].on_message = check_order;
            for (uint16_t to = 0; to < CORES; to++) {
                post(node, from, to, i);
            }
        }
        (void)hf_world_run(world, hf_world_now(world) + 700, UINT64_MAX);
    }
    return world;
}

static void check_all(test_node *node, uint64_t each)
{
    for (uint16_t i = 0; i < CORES; i++) {
        assert_int_equal(node->cores[i].messages, each * CORES);
        assert_int_equal(node->cores[i].backs, each * CORES);
    }
}

static void long_delays_keep_order(void **state)
{
    (void)state;
    hf_world_faults faults = hf_world_faults_none();
    faults.message_long = (hf_world_rate){ 50000, HF_WORLD_ALWAYS };
    faults.message_long_ns_max = 10 * TEST_MS;
    test_node node;
    hf_world *world = flood(&faults, &node, 500);
    (void)hf_world_run(world, hf_world_now(world) + TEST_S, UINT64_MAX);
    check_all(&node, 500);
    assert_true(mixed > 20); /* but the pairs do mix */
    hf_world_stats stats = hf_world_stats_get(world);
    assert_int_equal(stats.messages, 500 * CORES * CORES);
    assert_true(stats.message_long > 50);
    assert_true(stats.turns < stats.messages); /* several deliveries to a turn */
    hf_world_close(world);
}

static uint64_t first_arrival(uint64_t behind)
{
    hf_world_faults faults = hf_world_faults_none();
    faults.message_long = (hf_world_rate){ 1000000, 1 };
    faults.message_long_ns_max = 1000ull * TEST_S;
    test_node node;
    hf_world *world = test_world(5, CORES, &faults);
    test_node_boot(&node, world, CORES);
    for (uint64_t i = 0; i <= behind; i++) {
        post(&node, 0, 1, i);
    }
    while (node.cores[1].messages == 0) {
        assert_true(hf_world_step(world));
    }
    uint64_t time = hf_world_now(world);
    (void)hf_world_run(world, UINT64_MAX, UINT64_MAX);
    assert_int_equal(node.cores[0].backs, behind + 1);
    hf_world_close(world);
    return time;
}

static void long_delay_holds_those_behind(void **state)
{
    (void)state;
    assert_true(first_arrival(0) > TEST_S);
    assert_int_equal(first_arrival(50), first_arrival(0));
}

static void paused_core_waits(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = test_world(5, CORES, NULL);
    test_node_boot(&node, world, CORES);
    (void)hf_world_run(world, TEST_MS, UINT64_MAX);
    memset(expected, 0, sizeof expected);
    hf_world_pause_core(world, 1, TEST_S);
    node.cores[1].on_message = check_order;
    for (uint64_t i = 0; i < 100; i++) {
        post(&node, 0, 1, i);
        post(&node, 0, 2, i);
        (void)hf_world_run(world, hf_world_now(world) + TEST_MS, UINT64_MAX);
    }
    uint64_t turns = node.cores[1].turns;
    (void)hf_world_run(world, TEST_S - 1, UINT64_MAX);
    assert_int_equal(node.cores[1].messages, 0);
    assert_int_equal(node.cores[1].turns, turns);
    assert_int_equal(node.cores[2].messages, 100);
    (void)hf_world_run(world, TEST_S + TEST_MS, UINT64_MAX);
    assert_int_equal(node.cores[1].messages, 100);
    assert_int_equal(node.cores[0].backs, 200);
    hf_world_close(world);
}

static void pauses_come_by_themselves(void **state)
{
    (void)state;
    hf_world_faults faults = hf_world_faults_none();
    faults.pause = (hf_world_recurring){ 100 * TEST_US, HF_WORLD_ALWAYS };
    faults.pause_ns_max = 2 * TEST_MS;
    test_node node;
    hf_world *world = flood(&faults, &node, 500);
    hf_world_faults none = hf_world_faults_none();
    hf_world_set_faults(world, &none);
    (void)hf_world_run(world, hf_world_now(world) + TEST_S, UINT64_MAX);
    check_all(&node, 500);
    assert_true(hf_world_stats_get(world).pauses > 0);
    hf_world_close(world);
}

static void messages_wait_for_a_core_to_boot(void **state)
{
    (void)state;
    memset(expected, 0, sizeof expected);
    hf_world *world = test_world(5, 2, NULL);
    test_node node;
    test_node late;
    test_node_boot(&node, world, 1); /* core 0 only */
    for (uint64_t i = 0; i < 10; i++) {
        post(&node, 0, 1, i);
    }
    (void)hf_world_run(world, TEST_MS, UINT64_MAX);
    memset(&late, 0, sizeof late);
    late.world = world;
    late.cores[1] = (test_core){ .node = &late, .io = hf_world_io(world, 1) };
    late.cores[1].on_message = check_order;
    hf_world_boot(world, 1, node.cores[0].io->handler, &late.cores[1]);
    post(&node, 0, 1, 10);
    (void)hf_world_run(world, 2 * TEST_MS, UINT64_MAX);
    assert_int_equal(late.cores[1].messages, 11);
    assert_int_equal(node.cores[0].backs, 11);
    hf_world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_delays_keep_order),
        cmocka_unit_test(long_delay_holds_those_behind),
        cmocka_unit_test(paused_core_waits),
        cmocka_unit_test(pauses_come_by_themselves),
        cmocka_unit_test(messages_wait_for_a_core_to_boot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
