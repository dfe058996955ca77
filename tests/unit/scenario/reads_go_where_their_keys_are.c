/* Requests over several cores while one of their ranges goes to and fro, in a world without chance:
 * both rounds of a read (engine/shard/collect.c) ask the shards that have its keys by then, and a
 * command whose keys part while it waits is cut anew (engine/shard/plan.c). And one over all keys
 * while they expire one after another. */
#include "engine/base/assert.h"
#include "engine/shard/shard.h"
#include "tests/sim/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka's header wants those above it */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

enum { CORES = 2, CLIENTS = 2, REGION_BYTES = 96 << 20, REGION_ALIGN = 1 << 16, MOVES = 40 };

typedef struct seat {
    hf_client client;
    uint32_t replies;
    char kind; /* of the last one */
    char text[256];
} seat;

typedef struct node {
    hf_world *world;
    void *regions[CORES];
    seat seats[CLIENTS];
} node;

static void on_ready(hf_client *client)
{
    (void)client;
}

static void put_text(char *text, size_t room, const char *more, size_t size)
{
    size_t at = strlen(text);
    assert_true(at + size < room);
    memcpy(text + at, more, size);
    text[at + size] = '\0';
}

/* Values with a blank after each, arrays in brackets. */
static void put_reply(seat *s, const hf_reply *reply)
{
    if (reply->kind == ':') {
        char digits[24];
        int size = snprintf(digits, sizeof digits, "%lld ", (long long)reply->integer);
        put_text(s->text, sizeof s->text, digits, (size_t)size);
        return;
    }
    if (reply->kind != '*') {
        put_text(s->text, sizeof s->text, (const char *)reply->bytes.data, reply->bytes.size);
        put_text(s->text, sizeof s->text, " ", 1);
        return;
    }
    put_text(s->text, sizeof s->text, "[ ", 2);
    for (uint32_t i = 0; i < reply->count; i++) {
        put_reply(s, &reply->items[i]);
    }
    put_text(s->text, sizeof s->text, "] ", 2);
}

static void on_replies(hf_client *client, const hf_reply *replies, uint32_t count)
{
    seat *s = client->owner;
    assert_non_null(replies);
    const hf_reply *last = &replies[count - 1];
    s->replies++;
    s->kind = last->kind;
    s->text[0] = '\0';
    put_reply(s, last);
}

static void send_to(seat *s, const char *command)
{
    s->replies = 0;
    hf_client_put(&s->client, "%s", command);
    hf_client_send(&s->client);
}

/* Whether it is answered within a second. */
static bool answered(node *n, const seat *s)
{
    uint64_t until = hf_world_now(n->world) + 1000 * MS;
    while (s->replies == 0 && hf_world_now(n->world) < until) {
        assert_true(hf_world_step(n->world));
    }
    return s->replies != 0;
}

static void pass(node *n, uint64_t ms)
{
    (void)hf_world_run(n->world, hf_world_now(n->world) + ms * MS, UINT64_MAX);
}

static void ask(node *n, seat *s, const char *command)
{
    send_to(s, command);
    assert_true(answered(n, s));
    if (s->kind == '-') {
        fail_msg("%s: %s", command, s->text);
    }
}

/* `message_ns`: how long a message from core to core takes at least; 0: as ever. */
static int set_up_with(void **state, uint64_t message_ns)
{
    static const hf_client_handler handler = { .on_ready = on_ready, .on_replies = on_replies };
    static const hf_client_habits habits;
    node *n = calloc(1, sizeof *n);
    HF_ASSERT(n != NULL);
    hf_world_config config = { .seed = 1, .core_count = CORES, .faults = hf_world_faults_none() };
    config.faults.message_ns_min += message_ns;
    config.faults.message_ns_max += message_ns;
    n->world = hf_world_open(&config);
    hf_shard_config shard = hf_shard_defaults();
    shard.lock_wait_ns = 400 * MS;
    shard.log_segment_bytes = 1 << 20;
    shard.log_staging_bytes = 4 << 20;
    shard.connections_max = 16;
    shard.initial_splits = "m";
    shard.balance_operations = 0;
    for (uint16_t i = 0; i < CORES; i++) {
        n->regions[i] = aligned_alloc(REGION_ALIGN, REGION_BYTES);
        HF_ASSERT(n->regions[i] != NULL);
        hf_shard *opened =
            hf_shard_open(hf_world_io(n->world, i), n->regions[i], REGION_BYTES, &shard);
        HF_ASSERT(opened != NULL);
        hf_world_boot(n->world, i, hf_shard_handler(), opened);
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        seat *s = &n->seats[i];
        hf_client_open(&s->client, n->world, i, 1, &habits, &handler, s);
        hf_client_connect(&s->client, 0);
        while (s->client.state != HF_CLIENT_READY) {
            HF_ASSERT(hf_world_step(n->world));
        }
    }
    *state = n;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, 0);
}

static int set_up_slow(void **state)
{
    return set_up_with(state, 3 * MS);
}

static int take_down(void **state)
{
    node *n = *state;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        hf_client_close(&n->seats[i].client);
    }
    hf_world_crash(n->world, HF_WORLD_KILL);
    hf_world_close(n->world);
    for (uint32_t i = 0; i < CORES; i++) {
        free(n->regions[i]);
    }
    free(n);
    return 0;
}

/* z goes, n and a stay. The reads begin ever later in the move. */
static void a_range_that_moves_does_not_hold_up_reads(void **state)
{
    node *n = *state;
    seat *mover = &n->seats[0];
    seat *reader = &n->seats[1];
    static const char *const keys[] = { "SET a 1", "SET n 1", "SET z 1" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        ask(n, reader, keys[i]);
    }
    ask(n, mover, "HF.ADMIN SPLIT t");
    for (int move = 0; move < MOVES; move++) {
        ask(n, reader, "MULTI");
        ask(n, reader, "MGET z zz");
        ask(n, reader, "GET n");
        ask(n, reader, "GET a");
        send_to(mover, move % 2 == 0 ? "HF.ADMIN MOVE t 0" : "HF.ADMIN MOVE t 1");
        for (int steps = 0; steps < move; steps++) {
            assert_true(hf_world_step(n->world));
        }
        ask(n, reader, "EXEC");
        assert_int_equal(reader->kind, '*');
        assert_true(answered(n, mover));
        assert_int_equal(mover->kind, '+');
    }
}

/* n stays, z goes: the keys of these commands lie together or apart. */
static void commands_whose_keys_part_are_answered(void **state)
{
    node *n = *state;
    seat *mover = &n->seats[0];
    seat *client = &n->seats[1];
    ask(n, client, "SET a first");
    ask(n, mover, "HF.ADMIN SPLIT t");
    for (int move = 0; move < 4 * MOVES; move++) {
        static const char *const commands[2][6] = {
            { "MSET n 1 z 2", "MGET n z none", "EXISTS n z none",
              "HF.RANGE a zz REV VALUES LIMIT 3", "DEL n z", "GET a" },
            { "SET n 3", "RENAME n z", "MGET n z", "HF.RANGE n {", "DEL z", "GET a" },
        };
        static const char *const expected[2] = {
            "[ OK [ 1 2 -1 ] 2 [ z 2 n 1 a first ] 2 first ] ",
            "[ OK OK [ -1 3 ] [ z ] 1 first ] ",
        };
        int which = move / 2 % 2;
        ask(n, client, "MULTI");
        for (int i = 0; i < 6; i++) {
            ask(n, client, commands[which][i]);
        }
        send_to(mover, move % 2 == 0 ? "HF.ADMIN MOVE t 0" : "HF.ADMIN MOVE t 1");
        for (int steps = 0; steps < move / 4 && hf_world_step(n->world); steps++) {
        }
        ask(n, client, "EXEC");
        assert_string_equal(client->text, expected[which]);
        assert_true(answered(n, mover));
        assert_int_equal(mover->kind, '+');
    }
}

/* Every millisecond one of the keys goes by its time, and no attempt is as quick as that. */
static void who_cannot_fetch_all_keys_is_told(void **state)
{
    enum { KEYS = 2000, SOON_MS = 100 };
    node *n = *state;
    seat *s = &n->seats[0];
    for (int i = 0; i < KEYS; i++) {
        hf_client_put(&s->client, "SET e%d 1 PX %d", i, SOON_MS + i);
    }
    ask(n, s, "SET a 1");
    pass(n, SOON_MS);
    for (int again = 0; again < 2; again++) {
        ask(n, s, "MULTI");
        ask(n, s, "RENAME a z");
        ask(n, s, "DBSIZE");
        send_to(s, "EXEC");
        assert_true(answered(n, s));
        if (again == 0) {
            assert_int_equal(s->kind, '-');
            assert_int_equal(strncmp(s->text, "DEADLINE ", 9), 0);
            ask(n, s, "GET a");
            assert_string_equal(s->text, "1 ");
            pass(n, KEYS + SOON_MS);
        }
    }
    assert_string_equal(s->text, "[ OK 1 ] ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_range_that_moves_does_not_hold_up_reads, set_up,
                                        take_down),
        cmocka_unit_test_setup_teardown(commands_whose_keys_part_are_answered, set_up, take_down),
        cmocka_unit_test_setup_teardown(who_cannot_fetch_all_keys_is_told, set_up_slow, take_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
