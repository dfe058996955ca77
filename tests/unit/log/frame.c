#include "tests/unit/log/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static uint8_t pattern[16 * 1024 * 1024];

static uint8_t *record_bytes(uint32_t index, uint32_t size)
{
    uint64_t state = index;
    for (uint32_t i = 0; i < size; i += 8) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(pattern + i, &state, 8);
    }
    return pattern;
}

static hf_err on_record(void *context, const hf_log_record *record)
{
    frame *f = context;
    uint32_t i = f->recovered;
    while (i < f->appended && f->lsns[i] <= f->from) {
        i++;
    }
    assert_true(i < f->appended); /* nothing invented */
    f->recovered = i + 1;
    assert_int_equal(record->lsn, f->lsns[i]);
    assert_int_equal(record->index, i);
    assert_int_equal(record->range, i * 7ull);
    assert_int_equal(record->kind, i % 1000);
    assert_int_equal(record->data.size, f->sizes[i]);
    assert_memory_equal(record->data.data, record_bytes(i, f->sizes[i]), f->sizes[i]);
    return HF_OK;
}

static void on_opened(void *context, hf_err err, const char *detail)
{
    frame *f = context;
    assert_false(f->opened);
    f->opened = true;
    f->opened_err = err;
    snprintf(f->detail, sizeof f->detail, "%s", detail);
}

static void on_durable(void *context, uint64_t lsn)
{
    frame *f = context;
    assert_true(f->opened && !f->failed);
    f->wakes++;
    while (f->acked < f->appended && f->lsns[f->acked] <= lsn) {
        f->acked++;
    }
}

static void on_failed(void *context, hf_err err, const char *detail)
{
    frame *f = context;
    assert_false(f->failed);
    f->failed = true;
    f->failed_err = err;
    snprintf(f->detail, sizeof f->detail, "%s", detail);
}

void frame_open(frame *f, uint32_t align, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    fake_open(&f->world, align, seed);
    f->config = (hf_log_config){ .dir = "core-00",
                                 .log_id = 77,
                                 .segment_bytes = 1024 * 1024,
                                 .staging_bytes = 512 * 1024,
                                 .record_bytes_max = 200 * 1024,
                                 .batch_bytes_max = 64 * 1024,
                                 .flushes_max = 2,
                                 .spare_segments = 1 };
    f->memory = aligned_alloc(65536, FRAME_HEAP);
    assert_non_null(f->memory);
}

void frame_close(frame *f)
{
    fake_close(&f->world);
    free(f->memory);
}

void frame_start(frame *f, uint64_t from)
{
    f->heap = hf_heap_open(f->memory, FRAME_HEAP);
    hf_log_handler handler = { .context = f,
                               .on_record = on_record,
                               .on_opened = on_opened,
                               .on_durable = on_durable,
                               .on_failed = on_failed };
    f->log = hf_log_open(f->heap, &f->world.io, &f->config, &handler);
    assert_non_null(f->log);
    f->opened = false;
    f->failed = false;
    f->opened_err = HF_OK;
    f->failed_err = HF_OK;
    f->recovered = 0;
    f->from = from;
    f->detail[0] = '\0';
    hf_log_recover(f->log, from, from);
}

hf_err frame_recover(frame *f, uint64_t from)
{
    frame_start(f, from);
    while (!f->opened) {
        assert_true(frame_turn(f));
    }
    return f->opened_err;
}

hf_err frame_append(frame *f, uint32_t size)
{
    assert_true(f->appended < FRAME_RECORDS);
    uint32_t i = f->appended;
    uint8_t *bytes = record_bytes(i, size);
    hf_bytes parts[3] = { hf_bytes_of(bytes, size / 3), hf_bytes_of(NULL, 0),
                          hf_bytes_of(bytes + size / 3, size - size / 3) };
    uint64_t lsn = 0;
    hf_err err = hf_log_append(f->log, (uint16_t)(i % 1000), i * 7ull, i, parts, 3, &lsn);
    if (err == HF_OK) {
        f->lsns[i] = lsn;
        f->sizes[i] = size;
        f->appended++;
        assert_int_equal(lsn, hf_log_appended(f->log));
    }
    return err;
}

void frame_must_append(frame *f, uint32_t size)
{
    for (;;) {
        hf_err err = frame_append(f, size);
        if (err == HF_OK) {
            return;
        }
        assert_int_equal(err, HF_E_FULL);
        if (!frame_turn(f) && f->world.pending_count == 0) {
            assert_true(hf_log_deadline(f->log) != UINT64_MAX);
            f->world.io.now_ns = hf_log_deadline(f->log);
        }
        assert_false(f->failed);
    }
}

bool frame_turn(frame *f)
{
    bool any = fake_step(&f->world);
    hf_log_turn(f->log);
    return any;
}

void frame_settle(frame *f)
{
    while (hf_log_durable(f->log) < hf_log_appended(f->log)) {
        if (!frame_turn(f) && f->world.pending_count == 0) {
            assert_true(hf_log_deadline(f->log) != UINT64_MAX);
            f->world.io.now_ns = hf_log_deadline(f->log);
        }
        assert_false(f->failed);
    }
}

void frame_idle(frame *f, uint64_t ns)
{
    uint64_t until = f->world.io.now_ns + ns;
    for (;;) {
        if (frame_turn(f) || f->world.pending_count != 0) {
            continue;
        }
        uint64_t due = hf_log_deadline(f->log);
        if (due > until) {
            break;
        }
        f->world.io.now_ns = due > f->world.io.now_ns ? due : f->world.io.now_ns;
    }
    if (f->world.io.now_ns < until) {
        f->world.io.now_ns = until;
    }
}

void frame_crash(frame *f, fake_torn torn)
{
    fake_crash(&f->world, torn);
    f->log = NULL;
}

void frame_check_prefix(frame *f)
{
    assert_int_equal(f->opened_err, HF_OK);
    uint32_t kept = f->recovered;
    while (kept < f->appended && f->lsns[kept] <= f->from) {
        kept++;
    }
    assert_true(kept >= f->acked);
    f->appended = kept;
    f->acked = kept;
}

const char *frame_segment(uint64_t number)
{
    static char path[HF_LOG_PATH_MAX];
    hf_log_path(path, "core-00", "log-", number);
    return path;
}

uint64_t frame_last_batch(frame *f, hf_log_batch *batch)
{
    uint64_t newest = 0;
    uint64_t seq = 0;
    for (uint64_t number = 1; number < 64; number++) {
        fake_file *file = fake_find(&f->world, frame_segment(number));
        for (uint64_t at = HF_LOG_SEGMENT_HEAD; file != NULL && at < file->size;
             at += HF_LOG_SECTOR) {
            hf_log_batch found;
            hf_log_why why;
            if (hf_log_batch_head(file->now + at, &found, &why) == HF_LOG_WHOLE &&
                found.seq > seq) {
                seq = found.seq;
                newest = number;
                *batch = found;
            }
        }
    }
    return newest;
}
