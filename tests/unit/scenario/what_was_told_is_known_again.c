/* The log's horizon (engine/shard/horizon.h), in a world without chance: what a node told of
 * timestamps holds after a crash under a clock that was set back, on every core; a full disk has an
 * answer; an idle node writes nothing. */
#include "engine/base/assert.h"
#include "engine/shard/shard.h"
#include "tests/sim/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka's header wants those above it */
#include <cmocka.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define S UINT64_C(1000000000)

enum { CORES = 2, CLIENTS = 4, REGION_BYTES = 96 << 20, REGION_ALIGN = 1 << 16, TEXT = 8192 };

typedef struct node {
    hf_world *world;
    hf_shard_config config;
    void *regions[CORES];
    hf_shard *shards[CORES];
    hf_client clients[CLIENTS];
    bool answered;
    char kind;
    char text[TEXT]; /* of the last reply: integers too */
} node;

static void on_ready(hf_client *client)
{
    (void)client;
}

static void on_replies(hf_client *client, const hf_reply *replies, uint32_t count)
{
    node *n = client->owner;
    int64_t integer;
    assert_non_null(replies);
    const hf_reply *last = &replies[count - 1];
    n->answered = true;
    n->kind = last->kind;
    if (hf_reply_integer(last, &integer)) {
        (void)snprintf(n->text, TEXT, "%" PRId64, integer);
    } else {
        (void)snprintf(n->text, TEXT, "%.*s", (int)last->bytes.size,
                       (const char *)last->bytes.data);
    }
}

static void boot(node *n)
{
    for (uint16_t i = 0; i < CORES; i++) {
        n->shards[i] =
            hf_shard_open(hf_world_io(n->world, i), n->regions[i], REGION_BYTES, &n->config);
        assert_non_null(n->shards[i]);
    }
    for (uint16_t i = 0; i < CORES; i++) {
        hf_world_boot(n->world, i, hf_shard_handler(), n->shards[i]);
    }
}

/* A client that the core serves. */
static hf_client *at(node *n, uint16_t core)
{
    for (;;) {
        for (uint32_t i = 0; i < CLIENTS; i++) {
            hf_client *client = &n->clients[i];
            if (client->state == HF_CLIENT_READY &&
                hf_world_client_core(n->world, client->conn) == core) {
                return client;
            }
        }
        assert_true(hf_world_step(n->world));
    }
}

static const char *ask(node *n, uint16_t core, const char *command)
{
    hf_client *client = at(n, core);
    n->answered = false;
    hf_client_put(client, "%s", command);
    hf_client_send(client);
    while (!n->answered) {
        assert_true(hf_world_step(n->world));
    }
    return n->text;
}

static const char *ask_of(node *n, uint16_t core, const char *format, uint64_t ts)
{
    char command[128];
    (void)snprintf(command, sizeof command, format, ts);
    return ask(n, core, command);
}

static uint64_t token(node *n, uint16_t core)
{
    uint64_t ts = strtoull(ask(n, core, "HF.TOKEN"), NULL, 10);
    assert_int_not_equal(ts, 0);
    return ts;
}

static void pass(node *n, uint64_t ns)
{
    (void)hf_world_run(n->world, hf_world_now(n->world) + ns, UINT64_MAX);
}

static void crash(node *n, hf_world_crash_kind kind, uint64_t back_ns)
{
    hf_world_crash(n->world, kind);
    hf_world_clock_step(n->world, -(int64_t)back_ns);
    boot(n);
}

static int set_up(void **state)
{
    static const hf_client_handler handler = { .on_ready = on_ready, .on_replies = on_replies };
    static const hf_client_habits habits;
    node *n = calloc(1, sizeof *n);
    HF_ASSERT(n != NULL);
    hf_world_config config = { .seed = 1, .core_count = CORES, .faults = hf_world_faults_none() };
    n->world = hf_world_open(&config);
    n->config = hf_shard_defaults();
    n->config.log_segment_bytes = 1 << 20;
    n->config.log_staging_bytes = 4 << 20;
    n->config.connections_max = 16;
    n->config.initial_splits = "m";
    n->config.balance_operations = 0;
    for (uint32_t i = 0; i < CORES; i++) {
        n->regions[i] = aligned_alloc(REGION_ALIGN, REGION_BYTES);
        HF_ASSERT(n->regions[i] != NULL);
    }
    boot(n);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        hf_client_open(&n->clients[i], n->world, i, 1, &habits, &handler, n);
        hf_client_connect(&n->clients[i], 0);
    }
    *state = n;
    return 0;
}

static int take_down(void **state)
{
    node *n = *state;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        hf_client_close(&n->clients[i]);
    }
    hf_world_crash(n->world, HF_WORLD_KILL);
    hf_world_close(n->world);
    for (uint32_t i = 0; i < CORES; i++) {
        free(n->regions[i]);
    }
    free(n);
    return 0;
}

static uint64_t records(const node *n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < CORES; i++) {
        hf_shard_stats stats;
        hf_shard_stats_get(n->shards[i], &stats);
        sum += stats.log_records;
    }
    return sum;
}

/* ---- Claims ---- */

static void a_restart_is_above_what_was_told(void **state)
{
    node *n = *state;
    for (int round = 0; round < 4; round++) {
        (void)ask(n, 0, "SET a 1");
        pass(n, S); /* nothing is written any more: the token is far above the log's commits */
        uint64_t told = token(n, (uint16_t)(round % CORES));
        crash(n, round < 2 ? HF_WORLD_KILL : HF_WORLD_POWER, 3600 * S);
        for (uint16_t core = 0; core < CORES; core++) {
            assert_string_equal(ask_of(n, core, "HF.READ SNAPSHOT %" PRIu64 " GET a", told), "1");
            assert_string_equal(ask_of(n, core, "HF.AFTER %" PRIu64, told), "OK");
            assert_true(token(n, core) > told);
            /* A lease's token is its commit's timestamp. */
            assert_true(strtoull(ask(n, core, "HF.LOCK l o TTL 1"), NULL, 10) > told);
            assert_true(strtoull(ask(n, core, "HF.LOCK z o TTL 1"), NULL, 10) > told);
        }
    }
}

static void a_checkpoint_keeps_the_horizon(void **state)
{
    node *n = *state;
    pass(n, S);
    (void)token(n, 1);
    assert_string_equal(ask(n, 1, "SAVE"), "OK");
    pass(n, S / 5);
    uint64_t before = records(n);
    uint64_t told = token(n, 1);
    assert_int_equal(records(n), before); /* below the horizon that was cut with the log */
    crash(n, HF_WORLD_POWER, 3600 * S);
    assert_string_equal(ask_of(n, 0, "HF.AFTER %" PRIu64, told), "OK");
}

static void a_gone_key_stays_gone(void **state)
{
    node *n = *state;
    (void)ask(n, 0, "DEBUG SET-ACTIVE-EXPIRE 0");
    (void)ask(n, 0, "SET a 1 PX 500");
    pass(n, S);
    (void)ask(n, 1, "GET a");
    assert_int_equal(n->kind, '_');
    crash(n, HF_WORLD_POWER, 3600 * S);
    (void)ask(n, 1, "GET a");
    assert_int_equal(n->kind, '_');
}

/* A page of SCAN that leaves a key out tells the same. */
static void a_key_that_a_scan_left_out_stays_gone(void **state)
{
    node *n = *state;
    (void)ask(n, 0, "DEBUG SET-ACTIVE-EXPIRE 0");
    (void)ask(n, 0, "SET a 1 PX 500");
    pass(n, S);
    (void)ask(n, 1, "SCAN 0");
    crash(n, HF_WORLD_POWER, 3600 * S);
    (void)ask(n, 1, "GET a");
    assert_int_equal(n->kind, '_');
}

static void send_to(node *n, hf_client *client, const char *command)
{
    n->answered = false;
    hf_client_put(client, "%s", command);
    hf_client_send(client);
}

static void answered(node *n)
{
    while (!n->answered) {
        assert_true(hf_world_step(n->world));
    }
}

/* A condition on copies fails since a key's time passes while a lock of another core is waited for:
 * that refusal tells the same, too. */
static void a_key_whose_time_passed_meanwhile_stays_gone(void **state)
{
    node *n = *state;
    hf_client *holder = at(n, 0);
    hf_client *waiter = at(n, 1);
    (void)ask(n, 0, "DEBUG SET-ACTIVE-EXPIRE 0");
    send_to(n, holder, "HF.BEGIN");
    answered(n);
    send_to(n, holder, "SET z 1");
    answered(n);
    send_to(n, waiter, "SET a 1 PX 500");
    answered(n);
    send_to(n, waiter, "HF.TXN IF a EXISTS THEN 1 3 RENAME z b");
    pass(n, S);
    assert_false(n->answered); /* it waits */
    send_to(n, holder, "HF.ROLLBACK");
    for (int replies = 0; strncmp(n->text, "CONDFAILED", 10) != 0; replies++) {
        assert_in_range(replies, 0, 1); /* the holder's may come first, ... */
        n->answered = false;
        answered(n);
    }
    pass(n, S / 100); /* ... or now */
    crash(n, HF_WORLD_POWER, 3600 * S);
    (void)ask(n, 1, "GET a");
    assert_int_equal(n->kind, '_');
}

/* The core that gave it has a clock far above the others' and the wall's. */
static void a_core_knows_the_others_tokens(void **state)
{
    node *n = *state;
    hf_world_clock_step(n->world, (int64_t)(3600 * S));
    uint64_t told = token(n, 1);
    hf_world_clock_step(n->world, -(int64_t)(3600 * S));
    assert_string_equal(ask_of(n, 0, "HF.AFTER %" PRIu64, told), "OK");
    hf_world_clock_step(n->world, (int64_t)(7200 * S));
    told = token(n, 0);
    hf_world_clock_step(n->world, -(int64_t)(7200 * S));
    (void)ask_of(n, 1, "HF.READ SNAPSHOT %" PRIu64 " GET a", told);
    assert_int_equal(n->kind, '_');
    for (uint16_t core = 0; core < CORES; core++) {
        assert_string_equal(ask_of(n, core, "HF.AFTER %" PRIu64, told + 60 * S),
                            "ERR not a token of this node");
        assert_string_equal(ask_of(n, core, "HF.READ SNAPSHOT %" PRIu64 " GET a", told + 60 * S),
                            "ERR the snapshot's timestamp lies in the future");
        assert_string_equal(ask(n, core, "HF.CHANGES a FROM cffffffffffffffff"),
                            "ERR the token lies in the future");
    }
}

static void an_idle_node_writes_nothing(void **state)
{
    node *n = *state;
    (void)token(n, 0);
    (void)token(n, 1);
    pass(n, 2 * S);
    uint64_t before = records(n);
    pass(n, 600 * S);
    assert_int_equal(records(n), before);
    (void)ask(n, 0, "SET a 1");
    for (int i = 0; i < 1000; i++) {
        (void)ask(n, 0, "GET a"); /* plain reads tell no timestamps */
        pass(n, S / 100);
    }
    assert_int_equal(records(n), before + 1);
}

static void telling_costs_a_record_now_and_then(void **state)
{
    node *n = *state;
    (void)token(n, 0);
    uint64_t before = records(n);
    for (int i = 0; i < 1000; i++) {
        (void)token(n, 0);
        pass(n, S / 100);
    }
    assert_in_range(records(n) - before, 1, 25); /* of ten seconds */
}

static void a_full_disk_has_an_answer(void **state)
{
    node *n = *state;
    static char large[300 * 1024];
    char command[64];
    memset(large, 'x', sizeof large);
    uint64_t told = token(n, 0);
    (void)ask(n, 0, "SET a 1");
    hf_disk_limit(hf_world_disk(n->world), hf_disk_used(hf_world_disk(n->world)));
    for (int i = 0; strncmp(n->text, "MISCONF", 7) != 0; i++) {
        assert_in_range(i, 0, 100);
        hf_client *client = at(n, 0);
        n->answered = false;
        (void)snprintf(command, sizeof command, "SET b%d", i);
        hf_client_put_tail(client, hf_bytes_of(large, sizeof large), "%s", command);
        hf_client_send(client);
        while (!n->answered) {
            assert_true(hf_world_step(n->world));
        }
    }
    pass(n, 3 * S);
    assert_int_equal(strncmp(ask(n, 0, "HF.TOKEN"), "MISCONF", 7), 0);
    uint64_t now = hf_world_wall(n->world);
    assert_int_equal(strncmp(ask_of(n, 0, "HF.READ SNAPSHOT %" PRIu64 " GET a", now), "MISCONF", 7),
                     0);
    assert_string_equal(ask(n, 0, "GET a"), "1");
    assert_string_equal(ask(n, 0, "HF.READ BOUNDED 0 GET a"), "1");
    (void)ask_of(n, 0, "HF.READ SNAPSHOT %" PRIu64 " GET a", told); /* told before: told again */
    assert_int_equal(n->kind, '_');
    crash(n, HF_WORLD_POWER, 3600 * S); /* ... and after a start without space */
    assert_int_equal(strncmp(ask(n, 0, "HF.TOKEN"), "MISCONF", 7), 0);
    assert_string_equal(ask_of(n, 0, "HF.AFTER %" PRIu64, told), "OK");
    (void)ask_of(n, 0, "HF.READ SNAPSHOT %" PRIu64 " GET a", told);
    assert_int_equal(n->kind, '_');
    hf_disk_limit(hf_world_disk(n->world), 0);
    pass(n, 3 * S);
    assert_true(token(n, 0) > told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_restart_is_above_what_was_told, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_checkpoint_keeps_the_horizon, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_gone_key_stays_gone, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_key_that_a_scan_left_out_stays_gone, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_key_whose_time_passed_meanwhile_stays_gone, set_up,
                                        take_down),
        cmocka_unit_test_setup_teardown(a_core_knows_the_others_tokens, set_up, take_down),
        cmocka_unit_test_setup_teardown(an_idle_node_writes_nothing, set_up, take_down),
        cmocka_unit_test_setup_teardown(telling_costs_a_record_now_and_then, set_up, take_down),
        cmocka_unit_test_setup_teardown(a_full_disk_has_an_answer, set_up, take_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
