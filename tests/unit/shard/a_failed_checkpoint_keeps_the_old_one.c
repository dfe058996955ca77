/* A whole shard in the simulated world, whose checkpoints fail: the old one stays in force, the
 * operator is told, and it is tried again; when names can be lost in silence, the node stops. */
#include "engine/shard/shard.h"
#include "storage/log/inspect.h"
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

enum { MEMORY = 64 << 20, SEGMENT = 1 << 20, TEXT = 8192, EXIT_IO = 74 };

typedef struct node {
    hf_world *world;
    hf_shard *shard;
    void *memory;
    hf_client client;
    bool ready, answered;
    char text[TEXT]; /* of the last reply; "(lost)" */
} node;

static void on_ready(hf_client *client)
{
    ((node *)client->owner)->ready = true;
}

static void on_replies(hf_client *client, const hf_reply *replies, uint32_t count)
{
    node *n = client->owner;
    n->answered = true;
    n->ready = false;
    if (replies == NULL) {
        (void)snprintf(n->text, sizeof n->text, "(lost)");
    } else if (replies[count - 1].kind == '_') {
        (void)snprintf(n->text, sizeof n->text, "(none)");
    } else {
        hf_bytes bytes = replies[count - 1].bytes;
        (void)snprintf(n->text, sizeof n->text, "%.*s", (int)bytes.size, (const char *)bytes.data);
        n->ready = true;
    }
}

static const hf_client_handler client_handler = { .on_ready = on_ready, .on_replies = on_replies };

static void node_boot(node *n, uint64_t recovery_ns)
{
    hf_shard_config config = hf_shard_defaults();
    config.node_id = 7;
    config.log_segment_bytes = SEGMENT;
    config.log_staging_bytes = SEGMENT;
    config.recovery_ns = recovery_ns;
    n->shard = hf_shard_open(hf_world_io(n->world, 0), n->memory, MEMORY, &config);
    assert_non_null(n->shard);
    hf_world_boot(n->world, 0, hf_shard_handler(), n->shard);
}

static void node_open(node *n, uint64_t recovery_ns)
{
    hf_world_config config = { .seed = 3, .core_count = 1, .faults = hf_world_faults_none() };
    hf_client_habits habits = { .resp3 = false };
    memset(n, 0, sizeof *n);
    n->memory = aligned_alloc(1 << 16, MEMORY);
    n->world = hf_world_open(&config);
    assert_non_null(n->memory);
    node_boot(n, recovery_ns);
    hf_client_open(&n->client, n->world, 0, 3, &habits, &client_handler, n);
    hf_client_connect(&n->client, 1000);
}

static void node_close(node *n)
{
    hf_world_crash(n->world, HF_WORLD_KILL);
    hf_client_close(&n->client);
    hf_world_close(n->world);
    free(n->memory);
}

/* A power loss, and what the disk has kept. */
static void node_again(node *n, uint64_t recovery_ns)
{
    hf_world_crash(n->world, HF_WORLD_POWER);
    n->ready = false;
    node_boot(n, recovery_ns);
}

static void run_until(node *n, const bool *what)
{
    uint64_t end = hf_world_now(n->world) + 20 * S;
    while (!*what && hf_world_now(n->world) < end && !hf_world_fatal_get(n->world)->dead) {
        (void)hf_world_run(n->world, hf_world_now(n->world) + S / 1000, UINT64_MAX);
    }
}

static const char *ask_with(node *n, const char *words, hf_bytes tail)
{
    run_until(n, &n->ready);
    assert_true(n->ready);
    n->answered = false;
    if (tail.size == 0) {
        hf_client_put(&n->client, "%s", words);
    } else {
        hf_client_put_tail(&n->client, tail, "%s", words);
    }
    hf_client_send(&n->client);
    run_until(n, &n->answered);
    return n->answered ? n->text : "(no answer)";
}

static const char *ask(node *n, const char *words)
{
    return ask_with(n, words, hf_bytes_of(NULL, 0));
}

static uint64_t told(node *n, const char *name)
{
    (void)ask(n, "INFO persistence");
    const char *at = strstr(n->text, name);
    assert_non_null(at);
    return strtoull(at + strlen(name) + 1, NULL, 10);
}

/* ---- The next checkpoint's file cannot be made: its name is taken ---- */

static void newest(void *context, const char *name)
{
    uint64_t number;
    uint64_t *most = context;
    if (hf_log_name_number(name, "checkpoint-", &number)) {
        *most = number > *most ? number : *most;
    }
}

static uint64_t newest_checkpoint(const node *n)
{
    uint64_t most = 0;
    assert_int_equal(hf_disk_list(hf_world_disk(n->world), "core-00", newest, &most), 0);
    return most;
}

static void block_next(node *n)
{
    char path[HF_LOG_PATH_MAX];
    hf_disk_file *file;
    hf_log_path(path, "core-00", "checkpoint-", newest_checkpoint(n) + 1);
    assert_int_equal(hf_disk_file_open(hf_world_disk(n->world), path, true, true, &file), 0);
}

/* Several segments of log. */
static void fill_log(node *n)
{
    static uint8_t value[100000];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 40; i++) {
        assert_string_equal(ask_with(n, "SET big", hf_bytes_of(value, sizeof value)), "OK");
    }
}

static void the_old_one_stays_and_it_is_told(void **state)
{
    node n;
    (void)state;
    node_open(&n, 3600 * S);
    assert_string_equal(ask(&n, "SET a old"), "OK");
    assert_string_equal(ask(&n, "SAVE"), "OK");
    assert_string_equal(ask(&n, "SET a new"), "OK");
    fill_log(&n); /* which must not be cut now */
    assert_string_equal(ask(&n, "SET b 1"), "OK");
    assert_int_equal(told(&n, "rdb_saves"), 1);
    block_next(&n);
    assert_non_null(strstr(ask(&n, "SAVE"), "ERR the checkpoint failed"));
    assert_int_equal(told(&n, "rdb_saves"), 1);
    assert_int_equal(told(&n, "holdfast_checkpoint_failures"), 1);
    (void)ask(&n, "INFO persistence");
    assert_non_null(strstr(n.text, "rdb_last_bgsave_status:err"));
    assert_string_equal(ask(&n, "SET c 2"), "OK"); /* the node goes on */
    node_again(&n, 3600 * S);
    assert_string_equal(ask(&n, "GET a"), "new");
    assert_string_equal(ask(&n, "GET b"), "1");
    assert_string_equal(ask(&n, "GET c"), "2");
    node_close(&n);
}

/* What is asked for in the meantime comes when the pause is over, not in each turn. */
static void it_is_tried_again_after_a_pause(void **state)
{
    node n;
    (void)state;
    node_open(&n, 3600 * S);
    assert_string_equal(ask(&n, "SET a 1"), "OK");
    assert_string_equal(ask(&n, "SAVE"), "OK");
    block_next(&n);
    assert_non_null(strstr(ask(&n, "SAVE"), "ERR the checkpoint failed"));
    uint64_t before = hf_world_now(n.world);
    assert_string_equal(ask(&n, "SAVE"), "OK");
    assert_true(hf_world_now(n.world) - before > 4 * S);
    assert_int_equal(told(&n, "rdb_saves"), 2);
    (void)ask(&n, "INFO persistence");
    assert_non_null(strstr(n.text, "rdb_last_bgsave_status:ok"));
    node_close(&n);
}

/* Nobody asks: the log is long, and would never be cut. */
static void a_long_log_has_it_tried_again(void **state)
{
    node n;
    (void)state;
    node_open(&n, 1);
    assert_string_equal(ask(&n, "SET a 1"), "OK");
    assert_string_equal(ask(&n, "SAVE"), "OK");
    block_next(&n);
    fill_log(&n);
    assert_int_equal(told(&n, "holdfast_checkpoint_failures"), 1);
    assert_int_equal(told(&n, "rdb_saves"), 1);
    uint64_t long_log = told(&n, "aof_current_size");
    (void)hf_world_run(n.world, hf_world_now(n.world) + 6 * S, UINT64_MAX);
    assert_int_equal(told(&n, "holdfast_checkpoint_failures"), 1);
    assert_int_equal(told(&n, "rdb_saves"), 2);
    assert_true(told(&n, "aof_current_size") < long_log);
    node_again(&n, 1);
    assert_string_equal(ask(&n, "GET a"), "1");
    node_close(&n);
}

/* ---- The directory cannot be synced: names made after it may be lost ---- */

static void lost_names_stop_the_node(void **state)
{
    node n;
    (void)state;
    node_open(&n, 3600 * S);
    assert_string_equal(ask(&n, "SET a old"), "OK");
    assert_string_equal(ask(&n, "SAVE"), "OK");
    assert_string_equal(ask(&n, "SET a new"), "OK");
    hf_disk *disk = hf_world_disk(n.world);
    hf_disk_file *file;
    assert_int_equal(hf_disk_file_open(disk, "core-00/other", true, true, &file), 0);
    assert_true(hf_disk_sync_dir(disk, "core-00", hf_disk_sequence(disk), true) != 0);
    assert_string_equal(ask(&n, "SAVE"), "(lost)");
    const hf_world_fatal *fatal = hf_world_fatal_get(n.world);
    assert_true(fatal->dead);
    assert_int_equal(fatal->code, EXIT_IO);
    assert_non_null(strstr(fatal->message, "a checkpoint failed: "));
    node_again(&n, 3600 * S);
    assert_string_equal(ask(&n, "GET a"), "new");
    node_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_old_one_stays_and_it_is_told),
        cmocka_unit_test(it_is_tried_again_after_a_pause),
        cmocka_unit_test(a_long_log_has_it_tried_again),
        cmocka_unit_test(lost_names_stop_the_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
