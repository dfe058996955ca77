/* What is lent to the world must not change, and direct operations are aligned: else an assertion.
 */
#include "tests/unit/sim/sim_test.h"

static test_node node;
static hf_world *world;
static int64_t file;
static _Alignas(4096) uint8_t data[8192];
static hf_io_op op;

static void ignore(hf_io_op *done, int64_t result)
{
    (void)done;
    (void)result;
}

static void setup(void)
{
    world = test_world(3, 2, NULL);
    test_node_boot(&node, world, 2);
    file = test_open(&node, "x", HF_IO_CREATE | HF_IO_DIRECT);
    assert_true(file >= 0);
    memset(data, 'a', sizeof data);
    op = (hf_io_op){ .kind = HF_IO_WRITE, .file = (int32_t)file, .data = data, .size = 4096 };
    op.done = ignore;
}

static void submit_and_run(void *change)
{
    hf_io_submit(node.cores[0].io, &op);
    if (change != NULL) {
        *(uint8_t *)change ^= 1;
    }
    (void)hf_world_run(world, hf_world_now(world) + TEST_S, UINT64_MAX);
}

static void alignment_is_checked(void **state)
{
    (void)state;
    setup();
    assert_false(test_stops(submit_and_run, NULL));
    op.offset = 256;
    assert_true(test_stops(submit_and_run, NULL));
    op.offset = 512;
    assert_false(test_stops(submit_and_run, NULL));
    op.size = 100;
    assert_true(test_stops(submit_and_run, NULL));
    op.size = 512;
    op.data = data + 8;
    assert_true(test_stops(submit_and_run, NULL));
    op.kind = HF_IO_READ;
    assert_true(test_stops(submit_and_run, NULL));
    hf_world_close(world);
}

static void written_data_stays_as_it_is(void **state)
{
    (void)state;
    setup();
    assert_true(test_stops(submit_and_run, &data[4095]));
    assert_false(test_stops(submit_and_run, &data[4096]));
    hf_world_close(world);
}

static void submit_and_crash(void *change)
{
    hf_io_submit(node.cores[0].io, &op);
    (void)hf_world_run(world, hf_world_now(world) + 3 * TEST_US, UINT64_MAX);
    *(uint8_t *)change ^= 1;
    hf_world_crash(world, HF_WORLD_POWER);
}

static void memory_of_the_dead_is_still_lent(void **state)
{
    (void)state;
    setup();
    assert_true(test_stops(submit_and_crash, &data[0]));
    hf_world_close(world);
}

static void closed_handles_are_gone(void **state)
{
    (void)state;
    setup();
    assert_int_equal(test_file(&node, HF_IO_CLOSE, file, 0), 0);
    assert_true(test_stops(submit_and_run, NULL));
    int64_t reader = test_open(&node, "x", HF_IO_READONLY);
    op.file = (int32_t)reader;
    assert_true(test_stops(submit_and_run, NULL));
    hf_world_close(world);
}

static void post_and_run(void *change)
{
    struct {
        hf_msg head;
        uint64_t body;
    } *msg = calloc(1, sizeof *msg);
    msg->head.size = sizeof *msg;
    hf_io_post(node.cores[0].io, 1, &msg->head);
    msg->body += change == NULL ? 0 : 1;
    (void)hf_world_run(world, hf_world_now(world) + TEST_S, UINT64_MAX);
}

static void posted_messages_stay_as_they_are(void **state)
{
    (void)state;
    setup();
    assert_false(test_stops(post_and_run, NULL));
    assert_true(test_stops(post_and_run, data));
    hf_world_close(world);
}

static void client_nothing(void *context, hf_conn_id conn)
{
    (void)context;
    (void)conn;
}
static void client_data(void *context, hf_conn_id conn, hf_bytes bytes)
{
    (void)context;
    (void)conn;
    (void)bytes;
}

static void send_and_run(void *change)
{
    test_core *core = &node.cores[node.cores[0].accepts != 0 ? 0 : 1];
    core->io->ops->conn_send(core->io, core->conn, hf_bytes_of(data, 4096));
    if (change != NULL) {
        *(uint8_t *)change ^= 1;
    }
    (void)hf_world_run(world, hf_world_now(world) + TEST_S, UINT64_MAX);
}

static void sent_bytes_stay_as_they_are(void **state)
{
    (void)state;
    setup();
    const hf_world_client client = { .on_data = client_data, .on_closed = client_nothing };
    (void)hf_world_connect(world, HF_LISTENER_CLIENT, &client, NULL);
    (void)hf_world_run(world, hf_world_now(world) + TEST_S, UINT64_MAX);
    assert_false(test_stops(send_and_run, NULL));
    assert_true(test_stops(send_and_run, &data[1]));
    hf_world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alignment_is_checked),
        cmocka_unit_test(written_data_stays_as_it_is),
        cmocka_unit_test(memory_of_the_dead_is_still_lent),
        cmocka_unit_test(closed_handles_are_gone),
        cmocka_unit_test(posted_messages_stay_as_they_are),
        cmocka_unit_test(sent_bytes_stay_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
