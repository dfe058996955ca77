/* Bytes arrive whole and in order in whatever pieces; who does not read holds the other side back.
 */
#include "tests/unit/sim/sim_test.h"

enum { MIB = 1 << 20 };

/* ---- A core that echoes: one send at a time, receiving stopped meanwhile
 * -------------------------- */

static uint8_t echo[4 * MIB]; /* what came and was not sent yet; lent while it is being sent */
static uint32_t echo_size, echo_sending;
static uint64_t pieces, tiny_pieces, received, received_while_off;
static bool off;

static void echo_go(hf_io *io, hf_conn_id conn)
{
    if (echo_sending == 0 && echo_size != 0) {
        echo_sending = echo_size;
        io->ops->conn_send(io, conn, hf_bytes_of(echo, echo_sending));
        io->ops->conn_receive(io, conn, false);
    }
}

static void echo_received(test_core *core, hf_conn_id conn, hf_bytes data)
{
    assert_true(data.size != 0 && echo_size + data.size <= sizeof echo);
    memcpy(echo + echo_size, data.data, data.size);
    echo_size += data.size;
    pieces++;
    tiny_pieces += data.size <= 4;
    received += data.size;
    received_while_off += off ? data.size : 0;
    if (!off) {
        echo_go(core->io, conn);
    }
}

static void echo_sent(void *context, hf_conn_id conn)
{
    test_core *core = context;
    core->sent++;
    memmove(echo, echo + echo_sending, echo_size - echo_sending);
    echo_size -= echo_sending;
    echo_sending = 0;
    if (!off) {
        core->io->ops->conn_receive(core->io, conn, true);
        echo_go(core->io, conn);
    }
}

/* ---- The client
 * ---------------------------------------------------------------------------------- */

typedef struct client {
    hf_world *world;
    uint8_t data[MIB];
    uint64_t size;
    int closed;
} client;

static client it;

static void client_data(void *context, hf_conn_id conn, hf_bytes data)
{
    (void)conn;
    client *c = context;
    assert_int_equal(c->closed, 0);
    assert_true(c->size + data.size <= sizeof c->data);
    memcpy(c->data + c->size, data.data, data.size);
    c->size += data.size;
}

static void client_closed(void *context, hf_conn_id conn)
{
    (void)conn;
    ((client *)context)->closed++;
}

static const hf_world_client calls = { .on_data = client_data, .on_closed = client_closed };
static uint8_t text[MIB];

static uint64_t seed = 9;

static hf_world *start(test_node *node, const hf_world_faults *faults)
{
    static hf_io_handler echoing;
    hf_world *world = test_world(seed, 1, faults);
    test_node_boot(node, world, 1);
    echoing = *node->cores[0].io->handler;
    echoing.on_sent = echo_sent;
    node->cores[0].io->handler = &echoing;
    node->cores[0].on_received = echo_received;
    echo_size = 0;
    echo_sending = 0;
    pieces = 0;
    tiny_pieces = 0;
    received = 0;
    received_while_off = 0;
    off = false;
    memset(&it, 0, sizeof it);
    it.world = world;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(i * 31 + i / 256);
    }
    return world;
}

static hf_conn_id connect(hf_world *world)
{
    return hf_world_connect(world, HF_LISTENER_CLIENT, &calls, &it);
}

static void run(hf_world *world, uint64_t ns)
{
    (void)hf_world_run(world, hf_world_now(world) + ns, UINT64_MAX);
}

static void echo_is_whole(void **state)
{
    (void)state;
    for (uint32_t tiny = 0; tiny <= 1000000; tiny += 1000000) {
        hf_world_faults faults = hf_world_faults_none();
        faults.conn_tiny_ppm = tiny;
        test_node node;
        hf_world *world = start(&node, &faults);
        hf_conn_id conn = connect(world);
        hf_world_client_send(world, conn, hf_bytes_of(text, 50000));
        hf_world_client_send(world, conn, hf_bytes_of(text + 50000, 50000));
        run(world, 10ull * TEST_S);
        assert_int_equal(it.size, 100000);
        assert_memory_equal(it.data, text, 100000);
        assert_int_equal(hf_world_client_unsent(world, conn), 0);
        assert_int_equal(hf_world_client_core(world, conn), 0);
        if (tiny != 0) {
            assert_int_equal(pieces, tiny_pieces);
            assert_true(pieces > 25000);
        }
        hf_world_close(world);
    }
}

static void count_received(test_core *core, hf_conn_id conn, hf_bytes data)
{
    (void)core;
    (void)conn;
    assert_memory_equal(data.data, text + received, data.size);
    received += data.size;
    received_while_off += off ? data.size : 0;
}

static void node_that_does_not_receive_gets_nothing(void **state)
{
    (void)state;
    int late = 0;
    for (int i = 0; i < 20; i++) {
        test_node node;
        seed = (uint64_t)i;
        hf_world *world = start(&node, NULL);
        node.cores[0].on_received = count_received;
        hf_conn_id conn = connect(world);
        run(world, (uint64_t)(50 + i) * TEST_MS);
        hf_io *io = node.cores[0].io;
        hf_world_client_send(world, conn, hf_bytes_of(text, sizeof text));
        run(world, (uint64_t)(20 + i * 10) * TEST_US);
        io->ops->conn_receive(io, conn, false);
        off = true;
        run(world, TEST_S);
        assert_true(received_while_off <= 64 * 1024); /* one fragment that was on its way */
        late += received_while_off != 0;
        assert_int_equal(hf_world_client_unsent(world, conn), sizeof text - received);
        io->ops->conn_receive(io, conn, true);
        run(world, 100ull * TEST_S);
        assert_int_equal(received, sizeof text);
        hf_world_close(world);
    }
    assert_true(late > 2 && late < 18);
}

/* What is taken from a send is no more than the window, however often it is tried. */
static void windows_are_bounded(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = start(&node, NULL);
    for (int i = 0; i < 20; i++) {
        hf_conn_id conn = connect(world);
        hf_world_client_read(world, conn, false);
        run(world, TEST_MS);
        hf_io *io = node.cores[0].io;
        io->ops->conn_send(io, node.cores[0].conn, hf_bytes_of(text, 256 * 1024 + 1));
    }
    uint64_t events = hf_world_run(world, hf_world_now(world) + TEST_S, UINT64_MAX);
    assert_int_equal(node.cores[0].sent, 0);
    assert_true(events < 20 * 1000); /* then it rests */
    assert_int_equal(hf_world_run(world, hf_world_now(world) + TEST_S, UINT64_MAX), 0);
    hf_world_close(world);
}

static void client_that_does_not_read_keeps_the_send(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = start(&node, NULL);
    hf_conn_id conn = connect(world);
    run(world, TEST_MS);
    hf_world_client_read(world, conn, false);
    off = true; /* collect first, then send all at once */
    hf_world_client_send(world, conn, hf_bytes_of(text, sizeof text));
    run(world, 10ull * TEST_S);
    assert_int_equal(received, sizeof text);
    off = false;
    echo_go(node.cores[0].io, conn);
    run(world, 10ull * TEST_S);
    assert_int_equal(node.cores[0].sent, 0); /* 1 MiB is more than any window */
    assert_int_equal(it.size, 0);
    hf_world_client_read(world, conn, true);
    run(world, 10ull * TEST_S);
    assert_int_equal(node.cores[0].sent, 1);
    assert_memory_equal(it.data, text, sizeof text);
    hf_world_close(world);
}

static void slow_clients_are_slow(void **state)
{
    (void)state;
    hf_world_faults faults = hf_world_faults_none();
    faults.conn_slow_ppm = 1000000;
    test_node node;
    hf_world *world = start(&node, &faults);
    hf_world_client_send(world, connect(world), hf_bytes_of(text, sizeof text));
    run(world, 100 * TEST_MS);
    assert_true(it.size < sizeof text);
    run(world, 200ull * TEST_S);
    assert_int_equal(it.size, sizeof text);
    hf_world_close(world);
}

static void orderly_end_comes_after_the_bytes(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = start(&node, NULL);
    hf_conn_id conn = connect(world);
    off = true;
    hf_world_client_send(world, conn, hf_bytes_of(text, 100000));
    hf_world_client_close(world, conn, HF_WORLD_CLOSE_ORDERLY);
    run(world, TEST_S);
    assert_int_equal(received, 100000);
    assert_int_equal(node.cores[0].closed, 1);
    assert_int_equal(it.closed, 0); /* the client knows */
    hf_world_close(world);
}

static int ended;

static void echo_ended(void *context, hf_conn_id conn)
{
    (void)context;
    (void)conn;
    ended++;
    assert_int_equal(received, 100000); /* it came after the last byte */
}

static void half_closed_client_reads_on(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = start(&node, NULL);
    static hf_io_handler ending;
    ending = *node.cores[0].io->handler;
    ending.on_eof = echo_ended;
    node.cores[0].io->handler = &ending;
    ended = 0;
    hf_conn_id conn = connect(world);
    hf_world_client_send(world, conn, hf_bytes_of(text, 100000));
    hf_world_client_end(world, conn);
    hf_world_client_send(world, conn, hf_bytes_of(text, 1)); /* too late: not sent */
    run(world, TEST_S);
    assert_int_equal(ended, 1);
    assert_int_equal(node.cores[0].closed, 0);
    assert_int_equal(it.size, 100000);
    node.cores[0].io->ops->conn_close(node.cores[0].io, conn);
    run(world, TEST_S);
    assert_int_equal(node.cores[0].closed, 1);
    assert_int_equal(it.closed, 1);
    hf_world_close(world);
}

static void vanished_client_is_noticed_late(void **state)
{
    (void)state;
    hf_world_faults faults = hf_world_faults_none();
    faults.conn_keepalive_ns = 30ull * TEST_S;
    test_node node;
    hf_world *world = start(&node, &faults);
    hf_conn_id conn = connect(world);
    run(world, TEST_S);
    hf_world_client_close(world, conn, HF_WORLD_CLOSE_VANISH);
    run(world, 29ull * TEST_S);
    assert_int_equal(node.cores[0].closed, 0);
    run(world, 2ull * TEST_S);
    assert_int_equal(node.cores[0].closed, 1);
    assert_int_equal(it.size, 0);
    hf_world_close(world);
}

static void reset_reaches_the_node_soon(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = start(&node, NULL);
    hf_conn_id conn = connect(world);
    run(world, TEST_S);
    hf_world_client_close(world, conn, HF_WORLD_CLOSE_RESET);
    run(world, TEST_MS);
    assert_int_equal(node.cores[0].closed, 1);
    hf_world_close(world);
}

static void node_closes_and_both_hear_once(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = start(&node, NULL);
    node.cores[0].closes = true;
    hf_conn_id conn = connect(world);
    hf_world_client_send(world, conn, hf_bytes_of(text, 10000));
    run(world, TEST_S);
    assert_int_equal(received, 0); /* nothing after conn_close */
    assert_int_equal(node.cores[0].closed, 1);
    assert_int_equal(it.closed, 1);
    hf_conn_id other = connect(world);
    assert_int_not_equal(other, conn);
    hf_world_client_send(world, conn, hf_bytes_of(text, 1)); /* of the past: ignored */
    assert_int_equal(hf_world_client_core(world, conn), UINT16_MAX);
    hf_world_close(world);
}

static void network_resets_and_vanishes_by_itself(void **state)
{
    (void)state;
    for (int vanish = 0; vanish < 2; vanish++) {
        hf_world_faults faults = hf_world_faults_none();
        *(vanish ? &faults.conn_vanish : &faults.conn_abort) = (hf_world_rate){ 1000000, 1 };
        test_node node;
        hf_world *world = start(&node, &faults);
        hf_world_client_send(world, connect(world), hf_bytes_of(text, 1000));
        run(world, 20ull * TEST_S);
        assert_int_equal(node.cores[0].closed, 1);
        assert_int_equal(it.closed, 1);
        assert_int_equal(it.size, 0);
        hf_world_stats stats = hf_world_stats_get(world);
        assert_int_equal(vanish ? stats.conn_vanish : stats.conn_abort, 1);
        hf_world_close(world);
    }
}

static void crash_closes_for_the_clients(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = start(&node, NULL);
    (void)connect(world);
    run(world, TEST_S);
    hf_world_client_send(world, connect(world), hf_bytes_of(text, 100000));
    run(world, TEST_MS);
    hf_world_crash(world, HF_WORLD_KILL);
    run(world, TEST_S);
    assert_int_equal(it.closed, 2);
    assert_int_equal(node.cores[0].closed, 0); /* the dead hear nothing */
    (void)connect(world);
    run(world, TEST_S);
    assert_int_equal(it.closed, 3); /* refused */
    hf_world_close(world);
}

static void connections_are_spread_over_cores(void **state)
{
    (void)state;
    test_node node;
    hf_world *world = test_world(4, 4, NULL);
    test_node_boot(&node, world, 4);
    for (int i = 0; i < 100; i++) {
        (void)connect(world);
    }
    run(world, TEST_S);
    for (int i = 0; i < 4; i++) {
        assert_in_range(node.cores[i].accepts, 10, 45);
    }
    hf_world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo_is_whole),
        cmocka_unit_test(node_that_does_not_receive_gets_nothing),
        cmocka_unit_test(windows_are_bounded),
        cmocka_unit_test(client_that_does_not_read_keeps_the_send),
        cmocka_unit_test(slow_clients_are_slow),
        cmocka_unit_test(orderly_end_comes_after_the_bytes),
        cmocka_unit_test(half_closed_client_reads_on),
        cmocka_unit_test(vanished_client_is_noticed_late),
        cmocka_unit_test(reset_reaches_the_node_soon),
        cmocka_unit_test(node_closes_and_both_hear_once),
        cmocka_unit_test(network_resets_and_vanishes_by_itself),
        cmocka_unit_test(crash_closes_for_the_clients),
        cmocka_unit_test(connections_are_spread_over_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
