/* Two whole shards in the simulated world, and requests as large as may be: each is answered, and
 * the node goes on, also after a power loss. */
#include "engine/shard/shard.h"
#include "storage/table/value.h"
#include "tests/sim/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka's header wants those above it */
#include <cmocka.h>

#define S UINT64_C(1000000000)

enum { CORES = 2, SEGMENT = 1 << 20, TEXT = 256 };

typedef struct node {
    hf_world *world;
    hf_shard *shards[CORES];
    void *memory[CORES];
    hf_client client;
    uint64_t memory_bytes[CORES], staging_bytes;
    bool ready, answered;
    char text[TEXT]; /* of the last reply: its beginning; "(lost)" */
} node;

static void on_ready(hf_client *client)
{
    ((node *)client->owner)->ready = true;
}

static void on_replies(hf_client *client, const hf_reply *replies, uint32_t count)
{
    node *n = client->owner;
    const hf_reply *last = replies == NULL ? NULL : &replies[count - 1];
    n->answered = true;
    n->ready = last != NULL;
    if (last == NULL) {
        (void)snprintf(n->text, sizeof n->text, "(lost)");
    } else if (last->kind == '*') {
        (void)snprintf(n->text, sizeof n->text, "(%u) %.*s", last->count,
                       last->count != 0 ? (int)last->items[0].bytes.size : 0,
                       last->count != 0 ? (const char *)last->items[0].bytes.data : "");
    } else if (last->kind == ':') {
        (void)snprintf(n->text, sizeof n->text, "%lld", (long long)last->integer);
    } else {
        (void)snprintf(n->text, sizeof n->text, "%.*s", (int)last->bytes.size,
                       (const char *)last->bytes.data);
    }
}

static const hf_client_handler client_handler = { .on_ready = on_ready, .on_replies = on_replies };

static void node_boot(node *n)
{
    hf_shard_config config = hf_shard_defaults();
    config.node_id = 7;
    config.log_segment_bytes = SEGMENT;
    config.log_staging_bytes = n->staging_bytes;
    config.initial_splits = "m";
    for (uint16_t i = 0; i < CORES; i++) {
        n->shards[i] =
            hf_shard_open(hf_world_io(n->world, i), n->memory[i], n->memory_bytes[i], &config);
        assert_non_null(n->shards[i]);
        hf_world_boot(n->world, i, hf_shard_handler(), n->shards[i]);
    }
}

/* `first`: memory of the first core, which has the client; `second`: of the other. */
static void node_open_with(node *n, uint64_t first, uint64_t second, uint64_t staging_bytes)
{
    hf_world_config config = { .seed = 3, .core_count = CORES, .faults = hf_world_faults_none() };
    hf_client_habits habits = { .resp3 = false };
    memset(n, 0, sizeof *n);
    n->memory_bytes[0] = first;
    n->memory_bytes[1] = second;
    n->staging_bytes = staging_bytes;
    for (int i = 0; i < CORES; i++) {
        n->memory[i] = aligned_alloc(1 << 16, n->memory_bytes[i]);
        assert_non_null(n->memory[i]);
    }
    n->world = hf_world_open(&config);
    node_boot(n);
    hf_client_open(&n->client, n->world, 0, 3, &habits, &client_handler, n);
    hf_client_connect(&n->client, 1000);
}

static void node_open(node *n, uint64_t memory_bytes, uint64_t staging_bytes)
{
    node_open_with(n, memory_bytes, memory_bytes, staging_bytes);
}

static void node_close(node *n)
{
    hf_world_crash(n->world, HF_WORLD_KILL);
    hf_client_close(&n->client);
    hf_world_close(n->world);
    for (int i = 0; i < CORES; i++) {
        free(n->memory[i]);
    }
}

static void run_until(node *n, const bool *what)
{
    uint64_t end = hf_world_now(n->world) + 20 * S;
    while (!*what && hf_world_now(n->world) < end && !hf_world_fatal_get(n->world)->dead) {
        (void)hf_world_run(n->world, hf_world_now(n->world) + S / 1000, UINT64_MAX);
    }
}

static const char *answer(node *n)
{
    n->answered = false;
    hf_client_send(&n->client);
    run_until(n, &n->answered);
    return n->answered ? n->text : "(no answer)";
}

static const char *ask_with(node *n, const char *words, hf_bytes tail)
{
    run_until(n, &n->ready);
    assert_true(n->ready);
    if (tail.size == 0) {
        hf_client_put(&n->client, "%s", words);
    } else {
        hf_client_put_tail(&n->client, tail, "%s", words);
    }
    return answer(n);
}

static const char *ask(node *n, const char *words)
{
    return ask_with(n, words, hf_bytes_of(NULL, 0));
}

static void make_id(node *n, char id[48], uint32_t number)
{
    (void)ask(n, "TIME");
    uint64_t ms = strtoull(n->text + strlen("(2) "), NULL, 10) * 1000;
    (void)snprintf(id, 48, "%08llx-%04llx-7000-8000-0000%08x", (unsigned long long)(ms >> 16),
                   (unsigned long long)(ms & 0xffff), number);
}

/* What comes of it stays, and is told again, but for the reply. */
static void check_kept(node *n, const char *words)
{
    static const char kept[] = "TOOBIG committed, but";
    assert_memory_equal(ask(n, words), "(2) vvv", 7);
    assert_string_equal(ask(n, "SET b 1"), "OK");
    assert_string_equal(ask(n, "SET y 1"), "OK");
    assert_memory_equal(ask(n, words), kept, sizeof kept - 1);
    hf_world_crash(n->world, HF_WORLD_POWER);
    n->ready = false;
    node_boot(n);
    assert_memory_equal(ask(n, words), kept, sizeof kept - 1);
    assert_string_equal(ask(n, "GET b"), "1");
    assert_string_equal(ask(n, "SET y 2"), "OK");
}

/* What was read at each shard fits into its record; together it does not, or into no value. */
static void check_reply(uint64_t staging_bytes, uint32_t size)
{
    uint8_t *value = malloc(size);
    char id[48];
    char words[120];
    node n;
    assert_non_null(value);
    memset(value, 'v', size);
    node_open(&n, 192 << 20, staging_bytes);
    assert_string_equal(ask_with(&n, "SET a", hf_bytes_of(value, size)), "OK");
    assert_string_equal(ask_with(&n, "SET z", hf_bytes_of(value, size)), "OK");
    free(value);
    make_id(&n, id, 1);
    (void)snprintf(words, sizeof words, "HF.TXN ID %s THEN 2 2 GET a 2 GET z", id);
    check_kept(&n, words);
    if (size > HF_VALUE_SIZE_MAX / 2) { /* with one shard too */
        make_id(&n, id, 2);
        (void)snprintf(words, sizeof words, "HF.TXN ID %s THEN 2 2 GET a 2 GET a", id);
        check_kept(&n, words);
    }
    node_close(&n);
}

static void a_reply_that_no_record_takes_is_not_kept(void **state)
{
    (void)state;
    check_reply(1 << 20, 300000);
}

static void a_reply_that_no_value_takes_is_not_kept(void **state)
{
    (void)state;
    check_reply(32 << 20, 5000000);
}

/* The words take more memory to be looked at than the message has. */
static void many_words_where_memory_is_full_are_refused(void **state)
{
    enum { SIZE = 300000, WORDS = 850 * 1000 };
    static uint8_t value[SIZE];
    node n;
    (void)state;
    node_open(&n, 80 << 20, 1 << 20);
    const char *said = "OK";
    for (int i = 0; i < 1000 && strcmp(said, "OK") == 0; i++) {
        char words[40];
        (void)snprintf(words, sizeof words, "SET z%d", i);
        said = ask_with(&n, words, hf_bytes_of(value, SIZE));
    }
    assert_memory_equal(said, "OOM", 3);
    run_until(&n, &n.ready);
    assert_true(n.ready);
    hf_client_put_begin(&n.client, WORDS + 2);
    hf_client_put_text(&n.client, "HDEL");
    hf_client_put_text(&n.client, "zh");
    for (int k = 0; k < WORDS; k++) {
        hf_client_put_word(&n.client, hf_bytes_of((const uint8_t *)"f", 1));
    }
    (void)answer(&n);
    assert_memory_equal(n.text, "OOM", 3);
    assert_string_equal(ask(&n, "EXISTS z0"), "1");
    node_close(&n);
}

/* What a transaction over both shards takes away is summed up as a positive number. */
static void additions_that_leave_64_bits_are_refused_for_good(void **state)
{
    (void)state;
    static node n;
    node_open(&n, 80 << 20, 4 << 20);
    assert_string_equal(
        ask(&n, "HF.TXN THEN 3 3 HF.ADD a -1 3 HF.ADD a -9223372036854775807 3 HF.ADD z 1"),
        "LIMIT the additions together would overflow 64 bits");
    assert_string_equal(ask(&n, "HF.TXN THEN 2 3 HF.ADD a -9223372036854775807 3 HF.ADD z 1"),
                        "(2) OK");
    node_close(&n);
}

/* A transaction whose reply the client's core has no memory for: `write`, large reads, and what is
 * put together of parts. */
static const char *read_too_much(node *n, const char *write)
{
    enum { SIZE = 4 << 20, READS = 9 };
    static uint8_t value[SIZE];
    node_open_with(n, 80 << 20, 320 << 20, 16 << 20);
    assert_string_equal(ask(n, "SET a 1"), "OK");
    assert_string_equal(ask_with(n, "SET z", hf_bytes_of(value, SIZE)), "OK");
    assert_string_equal(ask(n, "MULTI"), "OK");
    assert_string_equal(ask(n, write), "QUEUED");
    for (int i = 0; i < READS; i++) {
        assert_string_equal(ask(n, "GET z"), "QUEUED");
    }
    assert_string_equal(ask(n, strncmp(write, "SET y", 5) == 0 ? "EXISTS y z" : "EXISTS a z"),
                        "QUEUED");
    return ask(n, "EXEC");
}

static void what_was_done_is_said_where_the_reply_is_not(void **state)
{
    static const char committed[] = "OOM committed, but";
    node n;
    (void)state;
    assert_memory_equal(read_too_much(&n, "SET y 1"), committed, sizeof committed - 1);
    assert_string_equal(ask(&n, "GET y"), "1");
    node_close(&n);
    assert_memory_equal(read_too_much(&n, "SET a 2"), committed, sizeof committed - 1);
    assert_string_equal(ask(&n, "GET a"), "2");
    node_close(&n);
    assert_memory_equal(read_too_much(&n, "GET a"), "OOM the reply", 13);
    node_close(&n);
}

/* It runs where the client is, on copies: without its replies it does not commit. */
static void what_cannot_be_told_is_not_done_on_copies(void **state)
{
    static const char refused[] = "OOM no memory for the transaction";
    node n;
    (void)state;
    assert_memory_equal(read_too_much(&n, "RENAME a y"), refused, sizeof refused - 1);
    assert_string_equal(ask(&n, "EXISTS a y"), "1");
    assert_string_equal(ask(&n, "GET a"), "1");
    node_close(&n);
}

static void fill_first(node *n)
{
    enum { SIZE = 300000 };
    static uint8_t value[SIZE];
    const char *said = "OK";
    for (int i = 0; strcmp(said, "OK") == 0; i++) {
        char words[40];
        (void)snprintf(words, sizeof words, "SET a%d", i);
        said = ask_with(n, words, hf_bytes_of(value, SIZE));
    }
}

/* What runs on copies looks at its words twice: to fetch the keys, and then to run. */
static void many_words_on_copies_are_refused(void **state)
{
    enum { LEAST = 60 * 1000, MOST = 400 * 1000, STEP = 20 * 1000 };
    node n;
    (void)state;
    node_open_with(&n, 80 << 20, 320 << 20, 16 << 20);
    fill_first(&n);
    for (int words = LEAST; words < MOST; words += STEP) {
        run_until(&n, &n.ready);
        assert_true(n.ready);
        hf_client_put_begin(&n.client, (uint32_t)words + 1);
        hf_client_put_text(&n.client, "MSETNX");
        for (int i = 0; i < words; i++) {
            hf_client_put_word(&n.client, hf_bytes_of(&"az"[i / 2 % 2], 1));
        }
        assert_memory_equal(answer(&n), "OOM", 3);
    }
    node_close(&n);
}

/* Where memory is full, a step of a dialogue may find it for its copy and not for its reply. */
static void a_step_that_cannot_be_told_leaves_nothing(void **state)
{
    enum { SIZE = 5 << 20 };
    static uint8_t value[SIZE];
    node n;
    (void)state;
    node_open_with(&n, 80 << 20, 320 << 20, 16 << 20);
    assert_string_equal(ask_with(&n, "SET z", hf_bytes_of(value, SIZE)), "OK");
    fill_first(&n);
    assert_string_equal(ask(&n, "HF.BEGIN"), "OK");
    assert_memory_equal(ask(&n, "SET z x GET"), "OOM", 3);
    assert_string_equal(ask(&n, "STRLEN z"), "5242880");
    assert_string_equal(ask(&n, "HF.COMMIT"), "OK");
    assert_string_equal(ask(&n, "STRLEN z"), "5242880");
    node_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_that_no_record_takes_is_not_kept),
        cmocka_unit_test(a_reply_that_no_value_takes_is_not_kept),
        cmocka_unit_test(many_words_where_memory_is_full_are_refused),
        cmocka_unit_test(additions_that_leave_64_bits_are_refused_for_good),
        cmocka_unit_test(what_was_done_is_said_where_the_reply_is_not),
        cmocka_unit_test(what_cannot_be_told_is_not_done_on_copies),
        cmocka_unit_test(many_words_on_copies_are_refused),
        cmocka_unit_test(a_step_that_cannot_be_told_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
