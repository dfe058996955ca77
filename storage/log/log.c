#include "storage/log/log.h"

#include "engine/base/crc32c.h"
#include "storage/log/share.h"

#include <errno.h>

static void flush_done(hf_io_op *op, int64_t result);

/* ---- Opening ---- */

static bool config_legal(const hf_log_config *config, uint32_t align)
{
    return config->dir != NULL && config->log_id != 0 && config->segment_bytes != 0 &&
           config->segment_bytes % (1024 * 1024) == 0 && config->record_bytes_max != 0 &&
           config->staging_bytes >= 2 * (uint64_t)config->record_bytes_max &&
           config->staging_bytes >= HF_LOG_RECORD_HEAD + (uint64_t)config->record_bytes_max &&
           config->batch_bytes_max >= 4096 && config->batch_bytes_max <= HF_LOG_BLOCK_MAX &&
           config->batch_bytes_max % align == 0 && config->flushes_max >= 1 &&
           config->flushes_max <= HF_LOG_FLUSHES_MAX &&
           config->spare_segments <= HF_LOG_SEGMENTS_MAX / 4 && align >= HF_LOG_SECTOR &&
           align <= HF_LOG_SEGMENT_HEAD && (align & (align - 1)) == 0;
}

/* Memory for O_DIRECT; `*block` is what the heap gets back. */
static uint8_t *take_aligned(hf_heap *heap, uint32_t size, uint32_t align, void **block)
{
    *block = hf_heap_take(heap, (size_t)size + align);
    if (*block == NULL) {
        return NULL;
    }
    uintptr_t at = ((uintptr_t)*block + align - 1) & ~(uintptr_t)(align - 1);
    return (uint8_t *)*block + (at - (uintptr_t)*block);
}

hf_log *hf_log_open(hf_heap *heap, hf_io *io, const hf_log_config *config,
                    const hf_log_handler *handler)
{
    HF_PRE(config_legal(config, io->file_align));
    if (config->message_kind != 0) {
        return hf_log__remote_open(heap, io, config, handler);
    }
    hf_log *log = hf_heap_take(heap, sizeof *log);
    if (log == NULL) {
        return NULL;
    }
    memset(log, 0, sizeof *log);
    log->heap = heap;
    log->io = io;
    log->config = *config;
    log->handler = *handler;
    log->align = io->file_align;
    log->batch_payload_max = hf_log_batch_payload_max(config->batch_bytes_max);
    log->recover_file = -1;
    log->make_file = -1;
    log->room_full = hf_log__cost(log, config->staging_bytes);
    void *blocks[HF_LOG_FLUSHES_MAX + 1] = { NULL };
    log->ring = hf_heap_take(heap, config->staging_bytes);
    log->zeros = take_aligned(heap, HF_LOG_ZERO_CHUNK, log->align, &blocks[0]);
    log->window =
        take_aligned(heap, HF_LOG_WALK_WINDOW + log->align, log->align, &log->window_block);
    bool short_of = log->ring == NULL || log->zeros == NULL || log->window == NULL;
    for (uint32_t i = 0; i < config->flushes_max; i++) {
        hf_log_flush *flush = &log->flushes[i];
        flush->log = log;
        flush->block = take_aligned(heap, config->batch_bytes_max, log->align, &blocks[i + 1]);
        short_of = short_of || flush->block == NULL;
    }
    if (short_of) {
        for (uint32_t i = 0; i <= HF_LOG_FLUSHES_MAX; i++) {
            hf_heap_give(heap, blocks[i]);
        }
        hf_heap_give(heap, log->window_block);
        hf_heap_give(heap, log->ring);
        hf_heap_give(heap, log);
        return NULL;
    }
    memset(log->zeros, 0, HF_LOG_ZERO_CHUNK);
    return log;
}

/* ---- Failing ---- */

bool hf_log__is_full(int64_t result)
{
    return result == -ENOSPC || result == -EDQUOT;
}

void hf_log__io_detail(hf_log *log, const char *verb, const char *path, uint64_t offset,
                       int64_t result)
{
    hf_log_detail *out = &log->detail;
    hf_log_io_put(out, verb, path, offset, result);
    hf_log_detail_put(out,
                      ". Check the disk and the kernel's messages; then: holdfast log verify ");
    hf_log_detail_put(out, log->config.dir);
}

void hf_log__fail(hf_log *log, hf_err err)
{
    if (log->state == HF_LOG_FAILED) {
        return;
    }
    bool opening = log->state == HF_LOG_RECOVERING;
    log->state = HF_LOG_FAILED;
    if (opening) {
        log->handler.on_opened(log->handler.context, err, log->detail.at);
    } else {
        log->handler.on_failed(log->handler.context, err, log->detail.at);
    }
}

/* ---- Appending ---- */

static void stage(hf_log *log, const void *data, uint32_t size)
{
    uint32_t first = log->config.staging_bytes - log->ring_at;
    if (size < first) {
        memcpy(log->ring + log->ring_at, data, size);
        log->ring_at += size;
        return;
    }
    memcpy(log->ring + log->ring_at, data, first);
    log->ring_at = size - first;
    if (log->ring_at != 0) {
        memcpy(log->ring, (const uint8_t *)data + first, log->ring_at);
    }
}

static bool has_room(const hf_log *log, uint64_t bytes)
{
    return log->room >= log->room_full || hf_log__cost(log, log->staged + bytes) <= log->room;
}

static void put_whole(hf_log *log, uint16_t kind, uint64_t range, uint64_t index,
                      const hf_bytes *parts, uint32_t part_count, uint32_t need)
{
    uint8_t *record = log->ring + log->ring_at;
    uint8_t *at = record + HF_LOG_RECORD_HEAD;
    for (uint32_t i = 0; i < part_count; i++) {
        hf_bytes_copy(at, parts[i]);
        at += parts[i].size;
    }
    hf_bytes data = hf_bytes_of(record + HF_LOG_RECORD_HEAD, need - HF_LOG_RECORD_HEAD);
    log->chain = hf_log_record_head(record, log->chain, kind, range, index, &data, 1);
    log->ring_at += need;
}

static void put(hf_log *log, uint16_t kind, uint64_t range, uint64_t index, const hf_bytes *parts,
                uint32_t part_count, uint64_t need)
{
    if (log->staged == 0) {
        log->ring_at = 0; /* where the last one lay: memory that the caches have */
    }
    if (log->config.staging_bytes - log->ring_at > need) { /* in one piece, nearly always */
        put_whole(log, kind, range, index, parts, part_count, (uint32_t)need);
    } else {
        uint8_t head[HF_LOG_RECORD_HEAD];
        log->chain = hf_log_record_head(head, log->chain, kind, range, index, parts, part_count);
        stage(log, head, sizeof head);
        for (uint32_t i = 0; i < part_count; i++) {
            if (parts[i].size != 0) {
                stage(log, parts[i].data, parts[i].size);
            }
        }
    }
    log->staged += (uint32_t)need;
    log->appended += need;
    log->stats.records++;
    log->stats.bytes_appended += need;
}

hf_err hf_log_append(hf_log *log, uint16_t kind, uint64_t range, uint64_t index,
                     const hf_bytes *parts, uint32_t part_count, uint64_t *lsn)
{
    if (log->state != HF_LOG_OPEN) {
        HF_PRE(log->state == HF_LOG_FAILED);
        return HF_E_IO;
    }
    uint64_t size = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        size += parts[i].size;
    }
    if (size > log->config.record_bytes_max) {
        return HF_E_TOOBIG;
    }
    if (log->remote != NULL) {
        HF_PRE(range == 0 && index == 0); /* they carry the core and its position */
        return hf_log__remote_append(log, kind, parts, part_count, size, lsn);
    }
    if (log->no_space) {
        return HF_E_NOSPACE;
    }
    uint64_t need = size + HF_LOG_RECORD_HEAD;
    if (log->config.staging_bytes - log->staged < need || !has_room(log, need)) {
        return HF_E_FULL;
    }
    put(log, kind, range, index, parts, part_count, need);
    *lsn = log->appended;
    return HF_OK;
}

void hf_log__take(hf_log *log, uint16_t kind, uint64_t range, uint64_t index, hf_bytes data)
{
    uint64_t need = data.size + (uint64_t)HF_LOG_RECORD_HEAD;
    HF_PRE(log->state == HF_LOG_OPEN && log->config.staging_bytes - log->staged >= need);
    put(log, kind, range, index, &data, 1, need);
}

bool hf_log_admits(hf_log *log, uint64_t bytes)
{
    if (log->remote != NULL) {
        return hf_log__remote_admits(log, bytes);
    }
    return log->state == HF_LOG_OPEN && !log->no_space &&
           bytes <= log->config.staging_bytes - log->staged && has_room(log, bytes);
}

bool hf_log_reserve(hf_log *log, uint64_t size)
{
    return log->remote == NULL || hf_log__remote_reserve(log, size);
}

/* ---- Flushing ---- */

/* Copies staged bytes from `flushed` on: the one copy that a record costs on its way to the disk.
 */
static void unstage(hf_log *log, uint8_t *to, uint32_t size)
{
    uint32_t capacity = log->config.staging_bytes;
    uint32_t from = log->ring_at >= log->staged ? log->ring_at - log->staged
                                                : log->ring_at + (capacity - log->staged);
    uint32_t first = capacity - from < size ? capacity - from : size;
    memcpy(to, log->ring + from, first);
    memcpy(to + first, log->ring, size - first);
}

/* Finds the first record that begins at or behind lsn `end`, over the payload of flushed .. end.
 * Only when a batch does not take all that is staged. */
static void pass_records(hf_log *log, const uint8_t *payload, uint64_t end)
{
    while (log->next_record < end) {
        uint8_t head[8];
        uint64_t at = log->next_record - log->flushed;
        uint64_t left = end - log->next_record;
        if (left >= sizeof head) {
            memcpy(head, payload + at, sizeof head);
        } else { /* the head itself runs into the next batch: read it in the ring */
            uint32_t capacity = log->config.staging_bytes;
            uint64_t from = log->ring_at + (uint64_t)capacity - log->staged + at;
            for (uint32_t i = 0; i < sizeof head; i++) {
                head[i] = log->ring[(from + i) % capacity];
            }
        }
        uint32_t size;
        memcpy(&size, head, sizeof size);
        memcpy(&log->next_chain, head + 4, sizeof log->next_chain);
        log->next_record += HF_LOG_RECORD_HEAD + (uint64_t)size;
    }
}

/* Payload for the next batch: all that is staged, or what the block and the segment's rest take. */
static uint32_t batch_payload(hf_log *log, uint32_t *block_size)
{
    uint32_t rest = (hf_log__segment(log, log->current)->bytes - log->offset) & ~(log->align - 1);
    uint32_t most = rest < log->config.batch_bytes_max ? rest : log->config.batch_bytes_max;
    uint32_t payload = hf_log_batch_payload_max(most);
    if (log->staged < payload) {
        payload = log->staged;
    }
    *block_size = hf_log_batch_block_size(payload, log->align);
    HF_POST(*block_size <= most);
    return payload;
}

static void write_batch(hf_log *log, hf_log_flush *flush, hf_log_batch *batch)
{
    hf_log_segment *segment = hf_log__segment(log, log->current);
    hf_log_batch_encode(batch, flush->block);
    if (batch->offset == HF_LOG_SEGMENT_HEAD) {
        segment->base = batch->lsn;
        if (batch->first_record != HF_LOG_NO_RECORD) {
            segment->boundary = batch->lsn + batch->first_record;
        }
    }
    flush->seq = batch->seq;
    flush->lsn_end = batch->lsn + batch->payload_size;
    flush->segment = log->current;
    flush->started_ns = log->io->now_ns;
    flush->done = false;
    flush->seal = batch->seal;
    flush->op = (hf_io_op){ .done = flush_done,
                            .context = flush,
                            .kind = HF_IO_WRITE,
                            .flags = HF_IO_DURABLE,
                            .file = segment->file,
                            .data = flush->block,
                            .offset = batch->offset,
                            .size = batch->block_size };
    segment->writes++;
    log->flush_count++;
    log->seq++;
    log->batch_chain = batch->crc;
    log->offset += batch->block_size;
    log->sealed = batch->seal;
    log->begin = false;
    log->stats.batches++;
    log->stats.bytes_written += batch->block_size;
    hf_log__room_count(log);
    hf_io_submit(log->io, &flush->op);
}

bool hf_log__flush(hf_log *log, bool seal)
{
    HF_PRE(log->flush_count < log->config.flushes_max && seal == (log->staged == 0));
    if (log->current == 0 ||
        log->offset + (uint64_t)log->align > hf_log__segment(log, log->current)->bytes ||
        log->offset % log->align != 0) {
        if (!hf_log__segment_next(log)) {
            return false;
        }
    }
    hf_log_flush *flush =
        &log->flushes[(log->flush_first + log->flush_count) % log->config.flushes_max];
    hf_log_batch batch = { .log_id = log->config.log_id,
                           .segment = log->current,
                           .epoch = log->epoch,
                           .seq = log->seq,
                           .lsn = log->flushed,
                           .durable_lsn = log->durable,
                           .durable_seq = log->durable_seq,
                           .offset = log->offset,
                           .chain = log->batch_chain,
                           .begin = log->begin,
                           .seal = seal };
    batch.payload_size = batch_payload(log, &batch.block_size);
    uint64_t end = log->flushed + batch.payload_size;
    uint8_t *payload = flush->block + hf_log_batch_head_size(batch.block_size);
    unstage(log, payload, batch.payload_size);
    batch.first_record = HF_LOG_NO_RECORD;
    if (log->next_record <= end) {
        batch.first_record = (uint32_t)(log->next_record - log->flushed);
        batch.first_chain = log->next_chain;
    }
    if (end == log->appended) {
        log->next_record = end;
        log->next_chain = log->chain;
    } else {
        pass_records(log, payload, end);
    }
    log->staged -= batch.payload_size;
    log->flushed = end;
    write_batch(log, flush, &batch);
    return true;
}

/* Acknowledges in order: a batch counts when it and all before it are durable. */
static void acknowledge(hf_log *log)
{
    uint64_t before = log->durable;
    while (log->flush_count != 0 && log->flushes[log->flush_first].done) {
        hf_log_flush *flush = &log->flushes[log->flush_first];
        HF_ASSERT(flush->seq == log->durable_seq + 1 && flush->lsn_end >= log->durable);
        log->durable_seq = flush->seq;
        log->durable = flush->lsn_end;
        log->flush_first = (log->flush_first + 1) % log->config.flushes_max;
        log->flush_count--;
        log->quiet_ns = log->io->now_ns;
    }
    HF_POST(log->durable <= log->flushed && log->flushed <= log->appended);
    if (log->state == HF_LOG_RECOVERING) {
        hf_log__recover_go_on(log);
    } else if (log->durable != before) {
        log->handler.on_durable(log->handler.context, log->durable);
    }
}

static void flush_done(hf_io_op *op, int64_t result)
{
    hf_log_flush *flush = op->context;
    hf_log *log = flush->log;
    hf_log__segment(log, flush->segment)->writes--;
    if (log->state == HF_LOG_FAILED) {
        return; /* nothing is acknowledged any more */
    }
    if (result != (int64_t)op->size) {
        char path[HF_LOG_PATH_MAX];
        hf_log_path(path, log->config.dir, "log-", flush->segment);
        hf_log__io_detail(log, "writing to the log", path, op->offset, result);
        hf_log__fail(log, HF_E_IO);
        return;
    }
    uint64_t took = log->io->now_ns - flush->started_ns;
    log->stats.flush_ns_total += took;
    log->stats.flush_ns_max = took > log->stats.flush_ns_max ? took : log->stats.flush_ns_max;
    flush->done = true;
    acknowledge(log);
}

/* ---- Turning ---- */

/* The newest batch has no successor that tells of its acknowledgement. */
static bool wants_seal(const hf_log *log)
{
    return log->state == HF_LOG_OPEN && log->staged == 0 && log->flush_count == 0 && !log->sealed;
}

void hf_log_turn(hf_log *log)
{
    if (log->remote != NULL) {
        hf_log__remote_turn(log);
        return;
    }
    if (log->state != HF_LOG_OPEN && log->state != HF_LOG_RECOVERING) {
        return;
    }
    hf_log__segments_turn(log);
    if (log->state != HF_LOG_OPEN) {
        return;
    }
    while (log->staged != 0 && log->flush_count < log->config.flushes_max) {
        if (!hf_log__flush(log, false)) {
            break;
        }
    }
    if (wants_seal(log) && hf_log__has_place(log) &&
        log->io->now_ns - log->quiet_ns >= HF_LOG_SEAL_IDLE_NS) {
        bool sealed = hf_log__flush(log, true);
        HF_ASSERT(sealed);
    }
}

uint64_t hf_log_deadline(const hf_log *log)
{
    if (log->remote != NULL) {
        return hf_log__remote_deadline(log);
    }
    if (log->state != HF_LOG_OPEN && log->state != HF_LOG_RECOVERING) {
        return UINT64_MAX;
    }
    uint64_t due = hf_log__segments_deadline(log);
    if (log->state == HF_LOG_OPEN && log->staged != 0 &&
        log->flush_count < log->config.flushes_max && hf_log__has_place(log)) {
        return log->io->now_ns;
    }
    if (wants_seal(log) && hf_log__has_place(log)) {
        uint64_t seal = log->quiet_ns + HF_LOG_SEAL_IDLE_NS;
        due = seal < due ? seal : due;
    }
    return due;
}

/* ---- Answers ---- */

uint64_t hf_log_appended(const hf_log *log)
{
    return log->remote != NULL ? log->remote->appended : log->appended;
}

uint64_t hf_log_durable(const hf_log *log)
{
    return log->remote != NULL ? log->remote->durable : log->durable;
}

uint64_t hf_log_cut(const hf_log *log)
{
    return log->remote != NULL ? log->remote->cut : log->seq;
}

uint64_t hf_log_floor(const hf_log *log, uint64_t lsn)
{
    return log->remote != NULL ? hf_log__remote_floor(log, lsn) : lsn;
}

uint64_t hf_log_begin(const hf_log *log)
{
    HF_PRE(log->remote == NULL);
    for (uint64_t number = log->oldest; number <= log->current && number != 0; number++) {
        uint64_t boundary = log->segments[number % HF_LOG_SEGMENTS_MAX].boundary;
        if (boundary != UINT64_MAX) {
            return boundary;
        }
    }
    return log->appended;
}

uint64_t hf_log_bytes(const hf_log *log)
{
    if (log->remote != NULL) {
        return log->remote->seen - log->remote->floor;
    }
    return log->appended - hf_log_begin(log);
}

uint64_t hf_log_kept(const hf_log *log)
{
    if (log->remote == NULL) {
        return hf_log_bytes(log);
    }
    return log->remote->device == NULL ? 0 : hf_log__device_kept(log->remote->device);
}

void hf_log_message(hf_log *log, const hf_msg *msg)
{
    const hf_log_share_msg *share = (const hf_log_share_msg *)(const void *)msg;
    if (log->remote->device != NULL) {
        hf_log__device_take(log->remote->device, share);
    } else {
        hf_log__remote_told(log, share);
    }
}

void hf_log_message_back(hf_log *log, const hf_msg *msg)
{
    if (log->remote->device != NULL) {
        hf_log__device_back(log->remote->device, (const hf_log_share_msg *)(const void *)msg);
    }
}

hf_log_stats hf_log_stats_get(const hf_log *log)
{
    if (log->remote != NULL) {
        return hf_log__remote_stats(log);
    }
    hf_log_stats stats = log->stats;
    stats.segments = log->current == 0 ? 0 : (uint32_t)(log->newest - log->oldest + 1);
    stats.in_flight = log->flush_count;
    stats.no_space = log->no_space;
    return stats;
}
