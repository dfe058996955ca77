/* A crash ends every core between two events; fatal() is such an end; then others boot on the disk.
 */
#include "tests/unit/sim/sim_test.h"

static int done_calls;

static void count_done(hf_io_op *op, int64_t result)
{
    (void)op;
    (void)result;
    done_calls++;
}

static void post(hf_io *io, uint16_t to, hf_msg *msg)
{
    memset(msg, 0, sizeof *msg);
    msg->size = sizeof *msg;
    hf_io_post(io, to, msg);
}

static void crash_drops_what_was_under_way(void **state)
{
    (void)state;
    for (int kind = HF_WORLD_KILL; kind <= HF_WORLD_POWER; kind++) {
        test_node node;
        hf_world *world = test_world(1, 2, NULL);
        test_node_boot(&node, world, 2);
        node.cores[0].due = 1; /* turns all the time */
        int64_t file = test_open(&node, "x", HF_IO_CREATE);
        done_calls = 0;
        hf_io_op started = { .kind = HF_IO_SYNC, .file = (int32_t)file, .done = count_done };
        hf_io_op asked = { .kind = HF_IO_SYNC, .file = (int32_t)file, .done = count_done };
        hf_io_submit(node.cores[0].io, &started);
        (void)hf_world_run(world, hf_world_now(world) + 3 * TEST_US, UINT64_MAX);
        hf_io_submit(node.cores[0].io, &asked);
        hf_msg msg;
        post(node.cores[0].io, 1, &msg);
        hf_world_crash(world, (hf_world_crash_kind)kind);
        test_node after;
        test_node_boot(&after, world, 2);
        uint64_t turns = node.cores[0].turns;
        (void)hf_world_run(world, hf_world_now(world) + TEST_S, UINT64_MAX);
        assert_int_equal(done_calls, 0);
        assert_int_equal(node.cores[0].turns, turns);
        assert_int_equal(node.cores[1].messages + after.cores[1].messages, 0);
        assert_true(after.cores[0].turns > 0);
        assert_int_equal(hf_world_stats_get(world).power_losses, kind == HF_WORLD_POWER);
        hf_world_close(world);
    }
}

/* The fresh process reads what the dead one made durable, by new handles. */
static void the_disk_outlives_the_node(void **state)
{
    (void)state;
    hf_world *world = test_world(1, 1, NULL);
    test_node node;
    for (int life = 0; life < 5; life++) {
        test_node_boot(&node, world, 1);
        int64_t file = test_open(&node, "x", HF_IO_CREATE);
        assert_int_equal(file, 0); /* numbers begin again */
        char text[8] = "";
        assert_int_equal(test_read(&node, file, 0, text, 8), life);
        assert_int_equal(test_write(&node, file, (uint64_t)life, "a", 1, HF_IO_DURABLE), 1);
        assert_int_equal(test_name(&node, HF_IO_SYNC_DIR, "", NULL), 0);
        hf_world_crash(world, life % 2 == 0 ? HF_WORLD_POWER : HF_WORLD_KILL);
    }
    hf_world_close(world);
}

static int after_fatal;

static void dies(test_core *core, const hf_msg *msg)
{
    (void)msg;
    core->io->ops->fatal(core->io, 74, "the log cannot be written");
    after_fatal++;
}

static void fatal_does_not_return(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = test_world(1, 2, NULL);
    test_node_boot(&node, world, 2);
    assert_false(hf_world_fatal_get(world)->dead);
    node.cores[1].on_message = dies;
    hf_msg msgs[2];
    post(node.cores[0].io, 1, &msgs[0]);
    post(node.cores[0].io, 1, &msgs[1]);
    (void)hf_world_run(world, TEST_S, UINT64_MAX);
    assert_int_equal(after_fatal, 0);
    assert_int_equal(node.cores[1].messages, 1);
    const hf_world_fatal *fatal = hf_world_fatal_get(world);
    assert_true(fatal->dead);
    assert_int_equal(fatal->code, 74);
    assert_int_equal(fatal->core, 1);
    assert_string_equal(fatal->message, "the log cannot be written");
    assert_false(hf_world_booted(world, 0)); /* one process: all its cores */
    assert_int_equal(hf_world_stats_get(world).fatals, 1);
    test_node_boot(&node, world, 2);
    assert_false(hf_world_fatal_get(world)->dead);
    (void)hf_world_run(world, 2ull * TEST_S, UINT64_MAX);
    assert_true(node.cores[1].turns > 0);
    hf_world_close(world);
}

static void fatal_outside_an_event_ends_it_too(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = test_world(1, 1, NULL);
    test_node_boot(&node, world, 1);
    node.cores[0].io->ops->fatal(node.cores[0].io, 1, "no");
    assert_true(hf_world_fatal_get(world)->dead);
    (void)hf_world_run(world, TEST_S, UINT64_MAX);
    assert_int_equal(node.cores[0].turns, 0);
    assert_false(hf_world_booted(world, 0));
    hf_world_close(world);
}

typedef struct crasher {
    hf_world *world;
    int data, closed;
} crasher;

static void crash_on_data(void *context, hf_conn_id conn, hf_bytes data)
{
    (void)conn;
    (void)data;
    crasher *c = context;
    c->data++;
    hf_world_crash(c->world, HF_WORLD_KILL);
}

static void crasher_closed(void *context, hf_conn_id conn)
{
    (void)conn;
    ((crasher *)context)->closed++;
}

static void answer(test_core *core, hf_conn_id conn, hf_bytes data)
{
    static const char reply[] = "reply";
    (void)data;
    core->io->ops->conn_send(core->io, conn, hf_bytes_of(reply, 5));
}

static void a_client_may_crash_the_world(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        test_node node;
        hf_world *world = test_world(seed, 1, NULL);
        test_node_boot(&node, world, 1);
        node.cores[0].on_received = answer;
        const hf_world_client client = { .on_data = crash_on_data, .on_closed = crasher_closed };
        crasher c = { world, 0, 0 };
        hf_conn_id conn = hf_world_connect(world, HF_LISTENER_CLIENT, &client, &c);
        hf_world_client_send(world, conn, HF_LIT("x"));
        (void)hf_world_run(world, TEST_S, UINT64_MAX);
        assert_true(c.data >= 1);
        assert_int_equal(c.closed, 1);
        hf_world_close(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash_drops_what_was_under_way),
        cmocka_unit_test(the_disk_outlives_the_node),
        cmocka_unit_test(fatal_does_not_return),
        cmocka_unit_test(fatal_outside_an_event_ends_it_too),
        cmocka_unit_test(a_client_may_crash_the_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
