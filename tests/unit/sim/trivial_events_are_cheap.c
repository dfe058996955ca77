/* A million trivial events a second and more: prints the rate; fails when it is an order away. */
#include "tests/unit/sim/sim_test.h"

#include <stdio.h>

enum { CORES = 2, LETTERS = 64, EVENTS = 2000000 };

static hf_msg letters[CORES][LETTERS];

static void bounce_back(void *context, hf_msg *msg)
{
    test_core *core = context;
    hf_io_post(core->io, (uint16_t)(1 - core->io->core), msg);
}

static void events_per_second(void **state)
{
    (void)state;
    static hf_io_handler bouncing;
    test_node node;
    hf_world *world = test_world(1, CORES, NULL);
    test_node_boot(&node, world, CORES);
    bouncing = *node.cores[0].io->handler;
    bouncing.on_message_back = bounce_back;
    for (uint16_t i = 0; i < CORES; i++) {
        node.cores[i].io->handler = &bouncing;
        for (int j = 0; j < LETTERS; j++) {
            letters[i][j].size = sizeof letters[i][j];
            bounce_back(&node.cores[i], &letters[i][j]);
        }
    }
    assert_int_equal(hf_world_run(world, UINT64_MAX, EVENTS), EVENTS);
    printf("%.2f million events a second\n", hf_world_speed(world) / 1e6);
    assert_true(hf_world_speed(world) > 1e5);
    hf_world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(events_per_second) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
