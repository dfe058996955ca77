/* Two whole shards in the simulated world. A subscriber's connection is ended in some way; as soon
 * as it has seen the end, others publish: none of them counts it any more, on whichever core, and
 * however long its core takes to let go of the connection. */
#include "engine/shard/shard.h"
#include "tests/sim/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka's header wants those above it */
#include <cmocka.h>

#define S UINT64_C(1000000000)

enum { CORES = 2, PUBLISHERS = 4, ROUNDS = 40, MEMORY = 80 << 20 };

typedef enum end_kind { HALF_CLOSED, QUITS, KILLED, BREAKS_THE_PROTOCOL } end_kind;

typedef struct node {
    hf_world *world;
    void *memory[CORES];
    hf_client publishers[PUBLISHERS];
    bool ready[PUBLISHERS];
    end_kind way;
    char heard[256]; /* what the subscriber was told */
    size_t heard_size;
    bool leaving, over;
    uint32_t answers;
} node;

/* ---- Those who publish ---- */

static void on_ready(hf_client *client)
{
    ((node *)client->owner)->ready[client->number] = true;
}

/* The last four of a batch are those of publish(); before them, of the one that kills: one went. */
static void on_replies(hf_client *client, const hf_reply *replies, uint32_t count)
{
    node *n = client->owner;
    assert_non_null(replies);
    n->ready[client->number] = true;
    if (count > 4) {
        assert_int_equal(replies[0].integer, 1);
        replies += count - 4;
    }
    assert_int_equal(replies[0].integer, 0);
    assert_int_equal(replies[1].count, 2);
    assert_int_equal(replies[1].items[1].integer, 0);
    assert_int_equal(replies[2].count, 0);
    assert_int_equal(replies[3].integer, 0);
    n->answers++;
}

static const hf_client_handler publisher = { .on_ready = on_ready, .on_replies = on_replies };

static void publish(node *n, hf_client *client)
{
    n->ready[client->number] = false;
    hf_client_put(client, "PUBLISH news x");
    hf_client_put(client, "PUBSUB NUMSUB news");
    hf_client_put(client, "PUBSUB CHANNELS");
    hf_client_put(client, "PUBSUB NUMPAT");
    hf_client_send(client);
}

/* ---- The one who hears ---- */

static void say(const node *n, hf_conn_id conn, const char *words)
{
    hf_world_client_send(n->world, conn, hf_bytes_of((const uint8_t *)words, strlen(words)));
}

static void on_data(void *context, hf_conn_id conn, hf_bytes data)
{
    node *n = context;
    assert_true(n->heard_size + data.size < sizeof n->heard);
    memcpy(n->heard + n->heard_size, data.data, data.size);
    n->heard_size += data.size;
    n->heard[n->heard_size] = 0;
    if (n->leaving || strstr(n->heard, ":2\r\n") == NULL) {
        return;
    }
    n->leaving = true;
    if (n->way == HALF_CLOSED) {
        hf_world_client_end(n->world, conn);
    } else if (n->way == QUITS) {
        say(n, conn, "QUIT\r\n");
    } else if (n->way == BREAKS_THE_PROTOCOL) {
        say(n, conn, "*none\r\n");
    } else {
        hf_client_put(&n->publishers[0], "CLIENT KILL TYPE pubsub");
        publish(n, &n->publishers[0]); /* what stands behind it does not count it either */
    }
}

static void on_closed(void *context, hf_conn_id conn)
{
    node *n = context;
    (void)conn;
    assert_true(hf_world_closed_by_node(n->world));
    for (int i = n->way == KILLED; i < PUBLISHERS; i++) {
        publish(n, &n->publishers[i]);
    }
    n->over = true;
}

static const hf_world_client subscriber = { .on_data = on_data, .on_closed = on_closed };

/* ---- The node ---- */

static bool all_ready(const node *n)
{
    bool all = true;
    for (int i = 0; i < PUBLISHERS; i++) {
        all = all && n->ready[i];
    }
    return all;
}

static bool run_until_ready(node *n)
{
    uint64_t end = hf_world_now(n->world) + 20 * S;
    while (hf_world_now(n->world) < end && (!n->over || !all_ready(n))) {
        (void)hf_world_run(n->world, hf_world_now(n->world) + S / 1000, UINT64_MAX);
    }
    return n->over && all_ready(n);
}

static void node_open(node *n, uint64_t seed)
{
    hf_world_config config = { .seed = seed,
                               .core_count = CORES,
                               .faults = hf_world_faults_none() };
    hf_shard_config shard = hf_shard_defaults();
    hf_client_habits habits = { .resp3 = false };
    /* One side hears of the end long before the other. */
    config.faults.conn_ns_min = 1000;
    config.faults.conn_ns_max = 20000000;
    memset(n, 0, sizeof *n);
    shard.node_id = 7;
    shard.log_segment_bytes = shard.log_staging_bytes = 1 << 20;
    n->world = hf_world_open(&config);
    for (uint16_t i = 0; i < CORES; i++) {
        n->memory[i] = aligned_alloc(1 << 16, MEMORY);
        assert_non_null(n->memory[i]);
        hf_shard *s = hf_shard_open(hf_world_io(n->world, i), n->memory[i], MEMORY, &shard);
        assert_non_null(s);
        hf_world_boot(n->world, i, hf_shard_handler(), s);
    }
    for (uint32_t i = 0; i < PUBLISHERS; i++) {
        hf_client_open(&n->publishers[i], n->world, i, seed, &habits, &publisher, n);
        hf_client_connect(&n->publishers[i], 1000);
    }
    n->over = true; /* nobody has come yet */
    assert_true(run_until_ready(n));
}

static void node_close(node *n)
{
    hf_world_crash(n->world, HF_WORLD_KILL);
    for (int i = 0; i < PUBLISHERS; i++) {
        hf_client_close(&n->publishers[i]);
    }
    hf_world_close(n->world);
    for (int i = 0; i < CORES; i++) {
        free(n->memory[i]);
    }
}

static void check(end_kind way)
{
    node n;
    node_open(&n, 1 + (uint64_t)way);
    n.way = way;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        n.heard_size = n.answers = 0;
        n.leaving = n.over = false;
        hf_conn_id conn = hf_world_connect(n.world, HF_LISTENER_CLIENT, &subscriber, &n);
        say(&n, conn, "SUBSCRIBE news\r\nPSUBSCRIBE n*\r\n");
        assert_true(run_until_ready(&n));
        assert_int_equal(n.answers, PUBLISHERS);
    }
    node_close(&n);
}

static void who_half_closes_is_not_counted(void **state)
{
    (void)state;
    check(HALF_CLOSED);
}

static void who_quits_is_not_counted(void **state)
{
    (void)state;
    check(QUITS);
}

static void who_is_killed_is_not_counted(void **state)
{
    (void)state;
    check(KILLED);
}

static void who_breaks_the_protocol_is_not_counted(void **state)
{
    (void)state;
    check(BREAKS_THE_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_half_closes_is_not_counted),
        cmocka_unit_test(who_quits_is_not_counted),
        cmocka_unit_test(who_is_killed_is_not_counted),
        cmocka_unit_test(who_breaks_the_protocol_is_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
