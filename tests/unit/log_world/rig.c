#include "tests/unit/log_world/rig.h"

#include "tests/unit/log_world/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAP = 16 * 1024 * 1024,
    RECORD_MAX = 48 * 1024,
    STUCK_EVENTS = 2000000,
    FINISH_RECORDS = 20,
};
#define MS UINT64_C(1000000)

/* ---- The core's work ---- */

/* False: refused. */
static bool append_one(rig *r)
{
    if (r->appended == RIG_RECORDS) {
        return false;
    }
    uint64_t draw = hf_world_prng_below(&r->prng, 100);
    uint32_t most = draw < 70 ? 600 : draw < 95 ? 8 * 1024 : RECORD_MAX;
    most = most < r->size_max ? most : r->size_max;
    rig_record *record = &r->records[r->appended];
    *record = (rig_record){ .salt = hf_world_prng_next(&r->prng),
                            .key = (uint32_t)hf_world_prng_below(&r->prng, RIG_KEYS),
                            .size = (uint32_t)hf_world_prng_below(&r->prng, most + 1) };
    const uint8_t *bytes = judge_bytes(record->salt, record->size);
    uint32_t cut = record->size / 3;
    hf_bytes parts[2] = { hf_bytes_of(bytes, cut), hf_bytes_of(bytes + cut, record->size - cut) };
    uint64_t before = hf_log_appended(r->log);
    hf_err err = hf_log_append(r->log, (uint16_t)record->key, record->salt, r->appended, parts, 2,
                               &record->lsn);
    r->tally->refused_full += err == HF_E_FULL;
    r->tally->refused_space += err == HF_E_NOSPACE;
    if (err == HF_OK) {
        assert_true(record->lsn > before && record->lsn == hf_log_appended(r->log));
        r->appended++;
        return true;
    }
    assert_true(err == HF_E_FULL || (err == HF_E_NOSPACE && r->space));
    return false;
}

static void pass_maybe(rig *r)
{
    if (hf_world_prng_below(&r->prng, 40) != 0) {
        return;
    }
    if (r->log_only) {
        r->reported = hf_log_durable(r->log);
        r->tally->passes++;
        hf_log_truncate(r->log, r->reported);
        return;
    }
    if (!hf_checkpoint_idle(r->checkpoint)) {
        return;
    }
    r->pass_lsn = hf_log_durable(r->log);
    memcpy(r->pass_table, r->table, sizeof r->table);
    r->pass_key = 0;
    r->pass_whole = hf_checkpoint_wants_whole(r->checkpoint);
    hf_checkpoint_begin(r->checkpoint, r->pass_lsn,
                        hf_bytes_of((const uint8_t *)&r->pass_lsn, sizeof r->pass_lsn),
                        r->pass_whole);
}

static uint64_t on_turn(void *context)
{
    rig *r = context;
    if (r->state == RIG_ENDED) {
        return UINT64_MAX;
    }
    if (r->state == RIG_OPEN) {
        uint64_t count = hf_world_prng_below(&r->prng, r->burst + 1);
        for (uint64_t i = 0; i < count && append_one(r); i++) {
        }
        pass_maybe(r);
    }
    hf_log_turn(r->log);
    hf_checkpoint_turn(r->checkpoint, (uint32_t)hf_world_prng_between(&r->prng, 1, 60000));
    uint64_t due = hf_log_deadline(r->log);
    uint64_t think = r->io->now_ns + hf_world_prng_below(&r->prng, r->think_ns);
    return r->state == RIG_OPEN && think < due ? think : due;
}

/* ---- What the log and the checkpoint say ---- */

static void hear(rig *r, const char *detail)
{
    bool directory = strstr(detail, "directory") != NULL;
    r->files_heard += strstr(detail, "syncing") != NULL && !directory;
}

static void ended(rig *r, hf_err err, const char *detail)
{
    hear(r, detail);
    r->state = RIG_ENDED;
    r->err = err;
    snprintf(r->detail, sizeof r->detail, "%s", detail);
    hf_world_pause(r->world);
}

static hf_err on_record(void *context, const hf_log_record *record)
{
    judge_record(context, record);
    return HF_OK;
}

static void on_opened(void *context, hf_err err, const char *detail)
{
    rig *r = context;
    assert_int_equal(r->state, RIG_BOOT);
    if (err != HF_OK) {
        ended(r, err, detail);
        return;
    }
    judge_opened(r);
    r->state = RIG_OPEN;
}

static void on_durable(void *context, uint64_t lsn)
{
    rig *r = context;
    assert_int_equal(r->state, RIG_OPEN);
    assert_true(lsn <= hf_log_appended(r->log) && lsn == hf_log_durable(r->log));
    while (r->acked < r->appended && r->records[r->acked].lsn <= lsn) {
        r->table[r->records[r->acked].key] = r->acked + 1;
        r->acked++;
        r->tally->acked++;
    }
}

static void on_failed(void *context, hf_err err, const char *detail)
{
    rig *r = context;
    if (!r->errors || err != HF_E_IO) {
        judge_fail(r, "failed by itself", err, detail);
    }
    ended(r, err, detail);
}

static hf_err on_entry(void *context, hf_bytes entry)
{
    judge_entry(context, entry);
    return HF_OK;
}

static void on_loaded(void *context, hf_err err, const char *detail, uint64_t lsn, hf_bytes head)
{
    rig *r = context;
    if (err != HF_OK) {
        ended(r, err, detail);
        return;
    }
    judge_loaded(r, lsn, head);
    hf_log_recover(r->log, lsn, lsn);
}

static bool on_next(void *context, hf_buf *out)
{
    rig *r = context;
    while (r->pass_key < RIG_KEYS &&
           (r->pass_table[r->pass_key] == 0 ||
            (!r->pass_whole && r->pass_table[r->pass_key] == r->base[r->pass_key]))) {
        r->pass_key++;
    }
    if (r->pass_key == RIG_KEYS) {
        return false;
    }
    uint32_t index = r->pass_table[r->pass_key++] - 1;
    hf_buf_u32(out, index);
    hf_buf_raw(out, judge_bytes(r->records[index].salt, r->records[index].size),
               r->records[index].size);
    return true;
}

static void on_written(void *context, hf_err err, const char *detail)
{
    rig *r = context;
    hear(r, detail);
    if (err == HF_OK) {
        r->reported = r->pass_lsn;
        memcpy(r->base, r->pass_table, sizeof r->base);
        r->tally->passes++;
        if (r->state == RIG_OPEN && hf_world_prng_below(&r->prng, 4) != 0) {
            hf_log_truncate(r->log, r->pass_lsn);
            assert_true(hf_log_begin(r->log) <= hf_log_durable(r->log));
        }
    } else if (!(err == HF_E_IO && r->errors) && !(err == HF_E_NOSPACE && r->space)) {
        judge_fail(r, "a pass failed by itself", err, detail);
    }
}

static void on_message(void *context, const hf_msg *msg)
{
    (void)context;
    (void)msg;
}

static void on_message_back(void *context, hf_msg *msg)
{
    (void)context;
    (void)msg;
}

/* ---- Lives ---- */

void rig_open(rig *r, uint64_t seed, const hf_world_faults *faults, rig_tally *tally)
{
    memset(r, 0, sizeof *r);
    r->seed = seed;
    r->tally = tally;
    hf_world_prng_seed(&r->prng, seed, 0x109);
    hf_world_config config = { .seed = seed,
                               .core_count = 1,
                               .file_align = hf_world_prng_below(&r->prng, 4) == 0 ? 4096 : 512,
                               .faults = *faults };
    r->world = hf_world_open(&config);
    r->io = hf_world_io(r->world, 0);
    r->config = (hf_log_config){
        .dir = "core-00",
        .log_id = 7,
        .segment_bytes = 1024 * 1024,
        .staging_bytes = 256 * 1024,
        .record_bytes_max = RECORD_MAX,
        .batch_bytes_max = 4096u << hf_world_prng_below(&r->prng, 6),
        .flushes_max = hf_world_prng_below(&r->prng, 3) == 0 ? 1 : 2,
        .spare_segments = (uint32_t)hf_world_prng_below(&r->prng, 3),
    };
    r->log_only = hf_world_prng_below(&r->prng, 4) == 0;
    r->memory = aligned_alloc(64 * 1024, HEAP);
    r->records = malloc(RIG_RECORDS * sizeof *r->records);
    assert_true(r->memory != NULL && r->records != NULL);
}

void rig_close(rig *r)
{
    hf_world_close(r->world);
    free(r->memory);
    free(r->records);
}

void rig_boot(rig *r)
{
    static const hf_io_handler core = { .on_message = on_message,
                                        .on_message_back = on_message_back,
                                        .on_turn = on_turn };
    hf_log_handler logs = { .context = r,
                            .on_record = on_record,
                            .on_opened = on_opened,
                            .on_durable = on_durable,
                            .on_failed = on_failed };
    hf_checkpoint_handler passes = { .context = r,
                                     .on_entry = on_entry,
                                     .on_loaded = on_loaded,
                                     .on_next = on_next,
                                     .on_written = on_written,
                                     .on_failed = on_failed };
    r->life++;
    r->state = RIG_BOOT;
    r->detail[0] = '\0';
    r->burst = 1u << hf_world_prng_below(&r->prng, 7);
    r->think_ns = (uint32_t)(MS / 20) << hf_world_prng_below(&r->prng, 9);
    r->size_max = 64u << hf_world_prng_below(&r->prng, 11);
    memset(r->loaded, 0, sizeof r->loaded);
    if (r->heap != NULL) {
        hf_heap_close(r->heap);
    }
    r->heap = hf_heap_open(r->memory, HEAP);
    r->log = hf_log_open(r->heap, r->io, &r->config, &logs);
    r->checkpoint = hf_checkpoint_open(r->heap, r->io, "core-00", 9, &passes);
    assert_true(r->log != NULL && r->checkpoint != NULL);
    hf_world_boot(r->world, 0, &core, r);
    if (r->log_only) {
        judge_remembered(r);
        hf_log_recover(r->log, r->reported, r->reported);
    } else {
        hf_checkpoint_load(r->checkpoint);
    }
}

void rig_run(rig *r, uint64_t events)
{
    while (events != 0 && r->state != RIG_ENDED) {
        uint64_t chunk = events < 64 ? events : 64;
        if (r->space && hf_world_prng_below(&r->prng, 8) == 0) {
            hf_disk *disk = hf_world_disk(r->world);
            bool full = hf_world_prng_below(&r->prng, 3) != 0;
            hf_disk_limit(disk, full ? 1 + hf_disk_used(disk) +
                                           hf_world_prng_below(&r->prng, 3 * 1024 * 1024)
                                     : 0);
        }
        (void)hf_world_run(r->world, UINT64_MAX, chunk);
        events -= chunk;
    }
    if (r->state == RIG_ENDED) {
        judge_ended(r);
    }
}

void rig_crash(rig *r)
{
    /* A kill, and later a power loss: that is how what was never durable is lost late. */
    bool turn_about = hf_world_prng_below(&r->prng, 4) != 0;
    bool power = turn_about ? r->life % 2 == 0 : hf_world_prng_coin(&r->prng);
    /* Syncs that failed: all heard of, and none a directory's? */
    uint64_t sync_errors = hf_world_stats_get(r->world).sync_error;
    power = power || sync_errors != r->sync_errors + r->files_heard;
    r->sync_errors = sync_errors;
    r->files_heard = 0;
    hf_world_crash_kind kind = power ? HF_WORLD_POWER : HF_WORLD_KILL;
    r->tally->in_boot += r->state == RIG_BOOT;
    r->tally->kills += kind == HF_WORLD_KILL;
    r->tally->powers += kind == HF_WORLD_POWER;
    if (r->state == RIG_OPEN) {
        r->tally->segments += hf_log_stats_get(r->log).segments;
    }
    hf_world_crash(r->world, kind);
    r->state = RIG_DOWN;
}

/* ---- Moments ---- */

typedef enum moment {
    MOMENT_NONE,
    MOMENT_STRADDLE, /* the batches in flight lie in two segments */
    MOMENT_MAKE,
    MOMENT_RECOVER,
    MOMENT_CHECKPOINT,
    MOMENTS,
} moment;

static uint32_t moment_value(rig *r, moment m)
{
    switch (m) {
    case MOMENT_MAKE:
        return (uint32_t)hf_world_prng_between(&r->prng, HF_LOG_MAKE_TAKE, HF_LOG_MAKE_REMOVED);
    case MOMENT_RECOVER:
        return (uint32_t)hf_world_prng_below(&r->prng, HF_LOG_RECOVER_SEAL + 1);
    case MOMENT_CHECKPOINT:
        return (uint32_t)hf_world_prng_below(&r->prng, HF_CHECKPOINT_ABORT_UNLINK + 1);
    case MOMENT_NONE:
    case MOMENT_STRADDLE:
    case MOMENTS:
        break;
    }
    return 0;
}

static bool moment_is(const rig *r, moment m, uint32_t value)
{
    const hf_log *log = r->log;
    switch (m) {
    case MOMENT_STRADDLE:
        return log->state == HF_LOG_OPEN && log->flush_count == 2 &&
               log->flushes[0].segment != log->flushes[1].segment;
    case MOMENT_MAKE:
        return (uint32_t)log->make == value;
    case MOMENT_RECOVER:
        return log->state == HF_LOG_RECOVERING && (uint32_t)log->recovery == value;
    case MOMENT_CHECKPOINT:
        return (uint32_t)r->checkpoint->step == value;
    case MOMENT_NONE:
    case MOMENTS:
        break;
    }
    return false;
}

/* No flush succeeds for a while. */
static void fail_now(rig *r)
{
    hf_world_faults before = *hf_world_get_faults(r->world);
    hf_world_faults faults = before;
    faults.sync_error = (hf_world_rate){ 1000000, HF_WORLD_ALWAYS };
    hf_world_set_faults(r->world, &faults);
    rig_run(r, hf_world_prng_below(&r->prng, 60));
    hf_world_set_faults(r->world, &before);
}

void rig_live(rig *r)
{
    rig_boot(r);
    moment m = (moment)hf_world_prng_below(&r->prng, MOMENTS);
    if (r->config.flushes_max == 2 && r->life % 2 == 1 && hf_world_prng_below(&r->prng, 3) == 0) {
        m = MOMENT_STRADDLE;
    }
    if (m == MOMENT_NONE) {
        rig_run(r, hf_world_prng_coin(&r->prng) ? hf_world_prng_below(&r->prng, 300)
                                                : hf_world_prng_between(&r->prng, 200, 3000));
    } else {
        if (m == MOMENT_STRADDLE) { /* more often with much to write */
            r->burst = 128;
            r->size_max = RECORD_MAX;
        }
        uint32_t value = moment_value(r, m);
        uint64_t left = 3000;
        while (left-- != 0 && r->state != RIG_ENDED && !moment_is(r, m, value)) {
            rig_run(r, 1);
        }
        r->tally->moments += moment_is(r, m, value);
        if (r->errors && hf_world_prng_coin(&r->prng)) {
            fail_now(r);
        }
        rig_run(r, hf_world_prng_below(&r->prng, 8));
    }
    rig_crash(r);
}

/* ---- The end ---- */

/* Runs until `done` says so. False: refused as damaged. */
static bool until(rig *r, bool (*done)(const rig *r))
{
    for (uint64_t events = 0; !done(r); events += 16) {
        if (events > STUCK_EVENTS) {
            judge_fail(r, "stuck", HF_OK, r->detail);
        }
        rig_run(r, 16);
        if (r->state == RIG_ENDED) {
            return false;
        }
    }
    return true;
}

static bool is_open(const rig *r)
{
    return r->state == RIG_OPEN;
}

static bool is_settled(const rig *r)
{
    return r->acked == r->appended && (r->log_only || hf_checkpoint_idle(r->checkpoint));
}

bool rig_finish(rig *r)
{
    hf_world_faults none = hf_world_faults_none();
    hf_world_set_faults(r->world, &none);
    hf_disk_limit(hf_world_disk(r->world), 0);
    r->calm = true;
    r->space = false;
    r->errors = false;
    for (int i = 0; i < 2; i++) {
        rig_boot(r);
        if (!until(r, is_open)) {
            return false;
        }
        r->burst = 0; /* from here on nothing but this */
        uint64_t passes = r->tally->passes;
        uint32_t target = r->acked + FINISH_RECORDS;
        target = target < RIG_RECORDS ? target : RIG_RECORDS;
        while (r->appended < target || r->tally->passes == passes) {
            (void)append_one(r);
            rig_run(r, 16);
            assert_int_equal(r->state, RIG_OPEN);
        }
        assert_true(until(r, is_settled));
        hf_world_crash(r->world, HF_WORLD_POWER);
    }
    return true;
}

uint64_t rig_damage(const rig *r)
{
    hf_world_stats stats = hf_world_stats_get(r->world);
    return stats.rot + stats.lost_write + stats.misdirected_write;
}

void rig_tally_print(const rig_tally *t)
{
    print_message("kills %" PRIu64 ", power losses %" PRIu64 ", while starting %" PRIu64
                  ", at a moment %" PRIu64 "; acknowledged %" PRIu64 ", passes %" PRIu64
                  ", segments %" PRIu64 "; refused full %" PRIu64 ", no space %" PRIu64
                  "; ended HF_E_IO %" PRIu64 ", HF_E_CORRUPT %" PRIu64 "; damaged %" PRIu64 "\n",
                  t->kills, t->powers, t->in_boot, t->moments, t->acked, t->passes, t->segments,
                  t->refused_full, t->refused_space, t->io_ended, t->corrupt, t->damaged);
}

void rig_seeds(int argc, char **argv, uint64_t *first, uint64_t *count)
{
    *first = argc > 2 ? strtoull(argv[1], NULL, 10) : 1;
    *count = argc > 2 ? strtoull(argv[2], NULL, 10) : *count;
}
