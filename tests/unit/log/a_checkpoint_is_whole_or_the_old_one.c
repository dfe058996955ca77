/* Passes, whole and incremental, crashed after every completion in every way, on a full disk and
 * with failing operations: what loads is exactly what an earlier pass that was reported, or the
 * newest, had written.
 */
#include "storage/log/checkpoint.h"
#include "storage/log/checkpoint_impl.h"
#include "tests/unit/log/fake_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 40, HEAP = 32 * 1024 * 1024, PASSES = 200 };

/* The table: a version for each key. A pass carries the keys that changed. */
typedef struct table {
    uint32_t version[KEYS];
} table;

typedef struct bench {
    fake world;
    void *memory;
    hf_heap *heap;
    hf_checkpoint *checkpoint;
    table now;
    table at[PASSES]; /* as of each pass begun; 0: empty */
    uint64_t lsn[PASSES];
    uint32_t begun;
    uint32_t reported; /* newest pass with on_written(HF_OK) */
    table base;        /* what the sets in force carry */
    uint32_t next;     /* key */
    bool whole;
    uint32_t huge; /* bytes of one entry of each pass */
    bool loaded;
    bool written;
    bool failed;
    hf_err err;
    char detail[HF_LOG_DETAIL_MAX];
    table seen;
    uint64_t seen_lsn;
    char seen_head[64];
} bench;

static bench b;

static uint32_t entry_size(uint32_t key)
{
    return key == 7 ? b.huge : 9 + key * 500;
}

static hf_err on_entry(void *context, hf_bytes entry)
{
    (void)context;
    uint32_t key;
    uint32_t version;
    assert_true(entry.size >= 8);
    memcpy(&key, entry.data, 4);
    memcpy(&version, entry.data + 4, 4);
    assert_true(key < KEYS);
    assert_int_equal(entry.size, entry_size(key));
    for (uint32_t i = 8; i < entry.size; i++) {
        assert_int_equal(entry.data[i], (uint8_t)(key + version));
    }
    b.seen.version[key] = version;
    return HF_OK;
}

static void on_loaded(void *context, hf_err err, const char *detail, uint64_t lsn, hf_bytes head)
{
    (void)context;
    b.loaded = true;
    b.err = err;
    b.seen_lsn = lsn;
    snprintf(b.detail, sizeof b.detail, "%s", detail);
    assert_true(head.size < sizeof b.seen_head);
    if (head.size != 0) {
        memcpy(b.seen_head, head.data, head.size);
    }
    b.seen_head[head.size] = '\0';
}

static bool on_next(void *context, hf_buf *out)
{
    (void)context;
    const table *at = &b.at[b.begun];
    while (b.next < KEYS && (at->version[b.next] == 0 ||
                             (!b.whole && at->version[b.next] == b.base.version[b.next]))) {
        b.next++;
    }
    if (b.next == KEYS) {
        return false;
    }
    uint32_t key = b.next++;
    hf_buf_u32(out, key);
    hf_buf_u32(out, at->version[key]);
    uint32_t rest = entry_size(key) - 8;
    uint8_t *bytes = hf_buf_extend(out, rest);
    if (bytes != NULL) {
        memset(bytes, (uint8_t)(key + at->version[key]), rest);
    }
    return true;
}

static void on_written(void *context, hf_err err, const char *detail)
{
    (void)context;
    b.written = true;
    b.err = err;
    snprintf(b.detail, sizeof b.detail, "%s", detail);
    assert_true(hf_checkpoint_idle(b.checkpoint));
}

static void on_failed(void *context, hf_err err, const char *detail)
{
    (void)context;
    assert_false(b.failed);
    b.failed = true;
    b.written = true; /* as far as it ever will be */
    b.err = err;
    snprintf(b.detail, sizeof b.detail, "%s", detail);
}

static void bench_open(uint32_t align, uint64_t seed)
{
    memset(&b, 0, sizeof b);
    fake_open(&b.world, align, seed);
    b.memory = aligned_alloc(65536, HEAP);
    assert_non_null(b.memory);
    b.huge = 400000;
}

static void bench_close(void)
{
    fake_close(&b.world);
    free(b.memory);
}

static hf_err load(void)
{
    b.heap = hf_heap_open(b.memory, HEAP);
    hf_checkpoint_handler handler = { .on_entry = on_entry,
                                      .on_loaded = on_loaded,
                                      .on_next = on_next,
                                      .on_written = on_written,
                                      .on_failed = on_failed };
    b.checkpoint = hf_checkpoint_open(b.heap, &b.world.io, "core-00", 55, &handler);
    assert_non_null(b.checkpoint);
    b.loaded = false;
    b.failed = false;
    memset(&b.seen, 0, sizeof b.seen);
    hf_checkpoint_load(b.checkpoint);
    while (!b.loaded) {
        assert_true(fake_step(&b.world));
    }
    return b.err;
}

/* What loaded is a pass, not older than the newest reported; the model goes on from it. */
static void check_loaded(void)
{
    assert_int_equal(b.err, HF_OK);
    uint32_t pass = b.begun;
    while (b.lsn[pass] != b.seen_lsn) {
        assert_true(pass > 0);
        pass--;
    }
    assert_true(pass >= b.reported);
    assert_memory_equal(&b.seen, &b.at[pass], sizeof b.seen);
    if (pass != 0) {
        char head[32];
        snprintf(head, sizeof head, "pass %llu", (unsigned long long)b.lsn[pass]);
        assert_string_equal(b.seen_head, head);
    }
    b.base = b.seen;
    b.reported = pass;
    /* Nothing of an interrupted pass is left. */
    assert_int_equal(fake_count(&b.world, "core-00/checkpoint-"),
                     hf_checkpoint_stats_get(b.checkpoint).files);
}

static void change(uint32_t keys)
{
    for (uint32_t i = 0; i < keys; i++) {
        b.now.version[keys >= KEYS ? i % KEYS : fake_draw(&b.world) % KEYS]++;
    }
}

static void begin(void)
{
    b.begun++;
    assert_true(b.begun < PASSES);
    b.at[b.begun] = b.now;
    b.lsn[b.begun] = b.begun * 1000;
    b.whole = hf_checkpoint_wants_whole(b.checkpoint);
    b.next = 0;
    b.written = false;
    char head[32];
    snprintf(head, sizeof head, "pass %llu", (unsigned long long)b.lsn[b.begun]);
    hf_checkpoint_begin(b.checkpoint, b.lsn[b.begun], hf_bytes_of(head, strlen(head)), b.whole);
}

/* Goes on until the pass ended or `completions` were done. */
static bool go_on(uint64_t completions, uint32_t budget)
{
    while (!b.written) {
        if (b.world.done >= completions) {
            return false;
        }
        hf_checkpoint_turn(b.checkpoint, budget);
        if (!b.written) {
            (void)fake_step(&b.world);
        }
    }
    if (b.err == HF_OK) {
        b.reported = b.begun;
        b.base = b.at[b.begun];
    }
    return true;
}

static hf_err pass(void)
{
    begin();
    assert_true(go_on(UINT64_MAX, 30000));
    return b.err;
}

static void sets_grow_and_become_whole_again(void **state)
{
    (void)state;
    bench_open(512, 1);
    assert_int_equal(load(), HF_OK);
    assert_int_equal(b.seen_lsn, 0);
    uint32_t wholes = 0;
    uint64_t files_most = 0;
    change(100);
    for (uint32_t i = 0; i < 60; i++) {
        change(2);
        assert_int_equal(pass(), HF_OK);
        wholes += b.whole;
        hf_checkpoint_stats stats = hf_checkpoint_stats_get(b.checkpoint);
        files_most = stats.files > files_most ? stats.files : files_most;
        assert_int_equal(stats.passes, i % 5 + 1);
        assert_int_equal(stats.lsn, b.lsn[b.begun]);
        assert_int_equal(fake_count(&b.world, "core-00/checkpoint-"), stats.files);
        if (i % 5 == 4) {
            fake_crash(&b.world, FAKE_NONE);
            assert_int_equal(load(), HF_OK);
            check_loaded();
        }
    }
    assert_true(wholes > 1 && wholes < 20);
    assert_true(files_most > 3);
    bench_close();
}

static void a_crash_at_every_step(void **state)
{
    (void)state;
    for (fake_torn torn = FAKE_NONE; torn < FAKE_TORN_COUNT; torn++) {
        bool more = true;
        for (uint64_t n = 1; more; n++) {
            bench_open(n % 2 == 0 ? 512 : 4096, n);
            b.world.order = n % 3 == 0 ? FAKE_RANDOM : FAKE_OLDEST;
            assert_int_equal(load(), HF_OK);
            uint64_t until = b.world.done + n;
            more = false;
            for (uint32_t i = 0; i < 5 && !more; i++) {
                change(i == 0 ? 20 + (uint32_t)n % 40 : 12);
                begin();
                more = !go_on(until, 100000);
            }
            fake_crash(&b.world, torn);
            if (load() != HF_OK) {
                fail_msg("torn %d, n %d: %s", (int)torn, (int)n, b.detail);
            }
            check_loaded();
            change(3);
            assert_int_equal(pass(), HF_OK);
            fake_crash(&b.world, FAKE_NONE);
            assert_int_equal(load(), HF_OK);
            check_loaded();
            bench_close();
        }
    }
}

static void the_budget_paces_it(void **state)
{
    (void)state;
    bench_open(512, 1);
    assert_int_equal(load(), HF_OK);
    change(100);
    begin();
    uint32_t turns = 0;
    while (!b.written) {
        uint64_t before = b.checkpoint->next.files[0].bytes + b.checkpoint->fill;
        hf_checkpoint_turn(b.checkpoint, 10000);
        uint64_t after = b.checkpoint->next.files[0].bytes + b.checkpoint->fill;
        assert_true(after <= before + 10000 + HF_CHECKPOINT_BLOCK_ALIGN);
        while (fake_step(&b.world)) {
        }
        turns++;
    }
    assert_int_equal(b.err, HF_OK);
    assert_true(turns > 50);
    bench_close();
}

static void a_full_disk_leaves_the_old_set(void **state)
{
    (void)state;
    for (uint64_t more = 0; more < 900000; more += 70000) {
        bench_open(512, 1);
        assert_int_equal(load(), HF_OK);
        change(100);
        assert_int_equal(pass(), HF_OK);
        b.world.space = hf_checkpoint_stats_get(b.checkpoint).file_bytes + 2 * HF_CHECKPOINT_SLOT;
        b.world.space += more;
        change(200);
        hf_err err = pass();
        assert_true(err == HF_E_NOSPACE || (more > 400000 && err == HF_OK));
        if (err != HF_OK) {
            assert_non_null(strstr(b.detail, "the disk is full"));
            assert_int_equal(fake_count(&b.world, "core-00/checkpoint-"), 1);
            assert_int_equal(hf_checkpoint_stats_get(b.checkpoint).failures, 1);
        }
        b.world.space = 0;
        assert_int_equal(pass(), HF_OK);
        fake_crash(&b.world, FAKE_NONE);
        assert_int_equal(load(), HF_OK);
        check_loaded();
        bench_close();
    }
}

static void a_failing_operation_is_reported_and_harmless(void **state)
{
    (void)state;
    static const hf_io_kind kinds[] = {
        HF_IO_OPEN,     HF_IO_WRITE,  HF_IO_SYNC,     HF_IO_CLOSE,
        HF_IO_ALLOCATE, HF_IO_UNLINK, HF_IO_SYNC_DIR, HF_IO_RENAME
    };
    for (uint32_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (uint64_t at = 1; at < 30; at++) {
            bench_open(512, at);
            assert_int_equal(load(), HF_OK);
            change(100);
            b.world.fail_kind = (uint8_t)kinds[k];
            b.world.fail_at = at;
            b.world.fail_result = -5;
            hf_err first = pass();
            assert_int_equal(b.failed, first != HF_OK && kinds[k] == HF_IO_SYNC_DIR);
            change(100);
            hf_err second = b.failed ? HF_E_IO : pass();
            assert_true(first == HF_OK || first == HF_E_IO);
            assert_true(second == HF_OK || second == HF_E_IO);
            if (b.world.fail_seen >= at && (first == HF_E_IO || second == HF_E_IO)) {
                assert_true(strstr(b.detail, "errno 5") != NULL || second == HF_OK ||
                            strstr(b.detail, "restart the node") != NULL);
            }
            bool seen = b.world.fail_seen >= at;
            b.world.fail_result = 0;
            fake_crash(&b.world, FAKE_NONE);
            assert_int_equal(load(), HF_OK);
            check_loaded();
            bench_close();
            if (!seen) {
                break;
            }
        }
    }
}

static void begin_until(hf_checkpoint_step step)
{
    begin();
    while (b.checkpoint->step != step) {
        hf_checkpoint_turn(b.checkpoint, 100000);
        (void)fake_step(&b.world);
    }
}

static void a_failed_manifest_ends_passes(void **state)
{
    (void)state;
    bench_open(512, 1);
    assert_int_equal(load(), HF_OK);
    change(40);
    assert_int_equal(pass(), HF_OK);
    begin_until(HF_CHECKPOINT_PASS_SLOT);
    b.world.fail_kind = HF_IO_WRITE;
    b.world.fail_at = 1;
    b.world.fail_result = -5;
    assert_true(go_on(UINT64_MAX, 1));
    assert_int_equal(b.err, HF_E_IO);
    b.world.fail_result = 0;
    assert_int_equal(pass(), HF_E_IO);
    assert_non_null(strstr(b.detail, "restart the node"));
    fake_crash(&b.world, FAKE_NONE);
    assert_int_equal(load(), HF_OK);
    check_loaded();
    bench_close();
}

/* The log's names are in that directory too: nobody may go on. */
static void a_failed_directory_ends_the_node(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        bench_open(512, 1);
        assert_int_equal(load(), HF_OK);
        change(40);
        assert_int_equal(pass(), HF_OK);
        begin_until(i % 2 == 0 ? HF_CHECKPOINT_PASS_SYNC_DIR : HF_CHECKPOINT_PASS_UNLINK_SYNC);
        b.world.fail_kind = HF_IO_SYNC_DIR;
        b.world.fail_at = 1;
        b.world.fail_result = -5;
        if (i >= 2) {
            b.checkpoint->handler.on_failed = NULL;
        }
        assert_true(fake_step(&b.world));
        assert_int_equal(b.failed, i < 2);
        assert_int_equal(b.world.fatal, i >= 2);
        assert_false(hf_checkpoint_idle(b.checkpoint));
        hf_checkpoint_turn(b.checkpoint, 100000);
        assert_false(fake_step(&b.world));
        b.world.fail_result = 0;
        fake_crash(&b.world, FAKE_NONE);
        assert_int_equal(load(), HF_OK);
        check_loaded();
        bench_close();
    }
}

/* A manifest that a killed run had written and not synced is durable before anything is built on
 * it, and before the files of the older one go. */
static void a_manifest_in_the_cache_is_made_durable(void **state)
{
    (void)state;
    for (uint32_t steps = 0; steps < 40; steps++) {
        bench_open(512, 1);
        assert_int_equal(load(), HF_OK);
        change(10);
        assert_int_equal(pass(), HF_OK);
        change(100);
        assert_int_equal(pass(), HF_OK);
        begin_until(HF_CHECKPOINT_PASS_SLOT);
        assert_true(b.whole);
        fake_kill(&b.world);
        b.loaded = false;
        hf_checkpoint_handler handler = b.checkpoint->handler;
        b.heap = hf_heap_open(b.memory, HEAP);
        b.checkpoint = hf_checkpoint_open(b.heap, &b.world.io, "core-00", 55, &handler);
        assert_non_null(b.checkpoint);
        memset(&b.seen, 0, sizeof b.seen);
        hf_checkpoint_load(b.checkpoint);
        for (uint32_t i = 0; i < steps && !b.loaded; i++) {
            assert_true(fake_step(&b.world));
        }
        if (b.loaded) {
            check_loaded();
            assert_int_equal(b.reported, 3);
        }
        fake_crash(&b.world, FAKE_NONE);
        assert_int_equal(load(), HF_OK);
        check_loaded();
        bench_close();
    }
}

static const char *file_of(uint32_t index)
{
    static char path[HF_LOG_PATH_MAX];
    hf_log_path(path, "core-00", "checkpoint-", b.checkpoint->manifest.files[index].number);
    return path;
}

static void expect(hf_err err, const char *words)
{
    assert_int_equal(load(), err);
    if (strstr(b.detail, words) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", words, b.detail);
    }
}

static void every_damage_is_named(void **state)
{
    (void)state;
    bench_open(512, 1);
    assert_int_equal(load(), HF_OK);
    change(100);
    assert_int_equal(pass(), HF_OK);
    change(5);
    assert_int_equal(pass(), HF_OK);
    fake_crash(&b.world, FAKE_NONE);
    char first[HF_LOG_PATH_MAX];
    char second[HF_LOG_PATH_MAX];
    memcpy(first, file_of(0), sizeof first);
    memcpy(second, file_of(1), sizeof second);
    uint64_t size = fake_find(&b.world, first)->size;
    assert_true(size > 3 * HF_CHECKPOINT_BLOCK);
    for (uint64_t at = 0; at < size; at += 4099) {
        fake_flip(&b.world, first, at);
        expect(HF_E_CORRUPT, "core-00/checkpoint-0000000000000001, offset ");
        fake_flip(&b.world, first, at);
    }
    /* A block in another's place, of its own file and of another. */
    fake_file *file = fake_find(&b.world, first);
    uint8_t *kept = malloc(HF_CHECKPOINT_BLOCK);
    memcpy(kept, file->now, HF_CHECKPOINT_BLOCK);
    fake_poke(&b.world, first, 0, file->now + HF_CHECKPOINT_BLOCK, HF_CHECKPOINT_BLOCK);
    expect(HF_E_CORRUPT, "another place of this file");
    fake_poke(&b.world, first, 0, kept, HF_CHECKPOINT_BLOCK);
    fake_file *other = fake_find(&b.world, second);
    uint64_t other_size = other->size < HF_CHECKPOINT_BLOCK ? other->size : HF_CHECKPOINT_BLOCK;
    fake_poke(&b.world, first, 0, other->now, other_size);
    expect(HF_E_CORRUPT, "another checkpoint file");
    fake_poke(&b.world, first, 0, kept, HF_CHECKPOINT_BLOCK);
    free(kept);
    /* Cut short, at a block's border and elsewhere. */
    file->size = 2 * HF_CHECKPOINT_BLOCK;
    expect(HF_E_CORRUPT, "a block was expected");
    file->size = 2 * HF_CHECKPOINT_BLOCK + 8192;
    expect(HF_E_CORRUPT, "the file ends within a block");
    file->size = size;
    assert_int_equal(load(), HF_OK);
    check_loaded();
    fake_remove(&b.world, first);
    expect(HF_E_CORRUPT, "it is missing");
    bench_close();
}

static void a_damaged_slot_falls_back_and_removes_nothing(void **state)
{
    (void)state;
    bench_open(512, 1);
    assert_int_equal(load(), HF_OK);
    change(100);
    assert_int_equal(pass(), HF_OK);
    change(5);
    assert_int_equal(pass(), HF_OK);
    fake_crash(&b.world, FAKE_NONE);
    uint64_t newest = (uint64_t)b.checkpoint->slot * HF_CHECKPOINT_SLOT;
    fake_flip(&b.world, "core-00/MANIFEST", newest + 30);
    assert_int_equal(load(), HF_OK);
    assert_int_equal(b.seen_lsn, b.lsn[1]); /* the log tells whether that is far enough */
    assert_int_equal(fake_count(&b.world, "core-00/checkpoint-"), 2);
    b.base = b.at[1];
    change(3);
    b.begun = 2;
    assert_int_equal(pass(), HF_OK); /* from here on there is no doubt: what is not named goes */
    fake_crash(&b.world, FAKE_NONE);
    assert_int_equal(load(), HF_OK);
    check_loaded();
    fake_flip(&b.world, "core-00/MANIFEST", 30);
    fake_flip(&b.world, "core-00/MANIFEST", HF_CHECKPOINT_SLOT + 30);
    expect(HF_E_CORRUPT, "both slots of the manifest are damaged");
    bench_close();
}

static void newer_and_foreign_manifests_are_refused(void **state)
{
    (void)state;
    bench_open(512, 1);
    assert_int_equal(load(), HF_OK);
    change(100);
    assert_int_equal(pass(), HF_OK);
    fake_crash(&b.world, FAKE_NONE);
    static uint8_t slot[HF_CHECKPOINT_SLOT];
    hf_checkpoint_manifest manifest = b.checkpoint->manifest;
    manifest.file_id = 56;
    hf_checkpoint_slot_encode(&manifest, slot);
    fake_poke(&b.world, "core-00/MANIFEST", HF_CHECKPOINT_SLOT, slot, sizeof slot);
    expect(HF_E_WRONGFILE, "found 56, expected 55");
    bench_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_grow_and_become_whole_again),
        cmocka_unit_test(a_crash_at_every_step),
        cmocka_unit_test(the_budget_paces_it),
        cmocka_unit_test(a_full_disk_leaves_the_old_set),
        cmocka_unit_test(a_failing_operation_is_reported_and_harmless),
        cmocka_unit_test(a_failed_manifest_ends_passes),
        cmocka_unit_test(a_failed_directory_ends_the_node),
        cmocka_unit_test(a_manifest_in_the_cache_is_made_durable),
        cmocka_unit_test(every_damage_is_named),
        cmocka_unit_test(a_damaged_slot_falls_back_and_removes_nothing),
        cmocka_unit_test(newer_and_foreign_manifests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
