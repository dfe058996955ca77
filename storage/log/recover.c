/* Recovery: reads (walk.h decides), then prepares to go on.
 *
 * Only when everything was read and found good is anything changed: unfinished spares are removed
 * and the names made durable, what was accepted is made durable (see settle), the torn tail is
 * zeroed; then a seal of the new epoch follows. From then on no cut-off batch can come back: its
 * bytes are zeros, and its epoch is over. And what was accepted counts as acknowledged: rot in it
 * is told from a torn tail.
 */
#include "storage/log/share.h"

static void recover_done(hf_io_op *op, int64_t result);
static void recover_want(hf_log *log);
static void recover_reopen(hf_log *log);

static void submit(hf_log *log, hf_log_recovery step, hf_io_kind kind)
{
    log->recovery = step;
    log->recover_op.done = recover_done;
    log->recover_op.context = log;
    log->recover_op.kind = (uint8_t)kind;
    hf_io_submit(log->io, &log->recover_op);
}

static void end(hf_log *log, hf_err err)
{
    hf_heap_give(log->heap, log->window_block);
    log->window_block = NULL;
    log->window = NULL;
    if (err != HF_OK) {
        hf_log__fail(log, err);
        return;
    }
    log->state = HF_LOG_OPEN;
    log->handler.on_opened(log->handler.context, HF_OK, "");
}

static void end_io(hf_log *log, const char *verb, uint64_t offset, int64_t result)
{
    hf_log__io_detail(log, verb, log->recover_path, offset, result);
    end(log, hf_log__is_full(result) ? HF_E_NOSPACE : HF_E_IO);
}

static void end_damage(hf_log *log)
{
    hf_log_detail_reset(&log->detail);
    hf_log_why_put(&log->detail, log->config.dir, &log->walk.why);
    end(log, log->walk.why.err);
}

/* ---- What there is ---- */

static void on_name(void *context, const char *name)
{
    hf_log *log = context;
    uint64_t number;
    if (hf_log_name_number(name, "log-", &number) && number != 0) {
        if (log->found_count == HF_LOG_SEGMENTS_MAX) {
            log->too_many = true;
            return;
        }
        log->found[log->found_count++] = number; /* ascending, as the names are */
    } else if (hf_log_name_number(name, "spare-", &number) &&
               log->stray_count < HF_LOG_STRAYS_MAX) {
        log->strays[log->stray_count++] = number;
    }
}

static hf_err on_record(void *context, const hf_log_record *record)
{
    hf_log *log = context;
    return log->handler.on_record(log->handler.context, record);
}

static void on_segment(void *context, const hf_log_segment_head *head, const hf_log_batch *first)
{
    hf_log *log = context;
    hf_log_segment *segment = hf_log__segment(log, head->number);
    segment->bytes = head->segment_bytes;
    if (first != NULL) {
        segment->base = first->lsn;
        if (first->first_record != HF_LOG_NO_RECORD) {
            segment->boundary = first->lsn + first->first_record;
        }
    }
}

static void on_batch(void *context, const hf_log_batch *batch)
{
    hf_log *log = context;
    log->newest_batches[batch->seq % HF_LOG_FLUSHES_MAX] = (hf_log_spot){
        .segment = batch->segment, .from = batch->offset, .to = batch->offset + batch->block_size
    };
}

static void start_new(hf_log *log)
{
    log->oldest = 1;
    log->retired = 1;
    log->close_next = 1;
    log->epoch = 1;
    log->seq = 1;
    log->begin = true;
    log->recovery = HF_LOG_RECOVER_SEGMENT;
    hf_log__recover_go_on(log);
}

static void start_reading(hf_log *log, uint64_t from)
{
    uint32_t at = log->found_count - 1;
    while (at != 0 && log->found[at - 1] + 1 == log->found[at]) {
        at--;
    }
    for (uint32_t i = at; i < log->found_count; i++) {
        *hf_log__segment(log, log->found[i]) =
            (hf_log_segment){ .base = UINT64_MAX, .boundary = UINT64_MAX, .file = -1 };
    }
    log->oldest = log->found[at];
    log->newest = log->found[log->found_count - 1];
    log->retired = log->oldest;
    log->close_next = log->oldest;
    hf_log_walk_handler handler = {
        .context = log, .on_record = on_record, .on_batch = on_batch, .on_segment = on_segment
    };
    hf_log_walk_open(&log->walk, &handler, log->config.log_id, log->oldest, log->newest, from,
                     false, log->ring, log->config.staging_bytes);
    recover_want(log);
}

/* A segment is made under a spare's name, with the number behind the newest one: a spare that lies
 * further off was made behind a segment that is gone. And where nothing was ever cut, the first
 * segment is there. 0: none is gone. */
static uint64_t segment_gone(const hf_log *log)
{
    uint64_t newest = log->found_count == 0 ? 0 : log->found[log->found_count - 1];
    uint32_t at = log->found_count;
    while (at > 1 && log->found[at - 2] + 1 == log->found[at - 1]) {
        at--;
    }
    if (log->walk.from == 0 && at != 0 && log->found[at - 1] != 1) {
        return log->found[at - 1] - 1;
    }
    for (uint32_t i = 0; i < log->stray_count; i++) {
        if (log->strays[i] > newest + 1) {
            return log->strays[i] - 1;
        }
    }
    return 0;
}

static void list(hf_log *log)
{
    hf_err err = log->io->ops->list(log->io, log->config.dir, on_name, log);
    if (err != HF_OK || log->too_many) {
        hf_log_detail_reset(&log->detail);
        hf_log_detail_put(&log->detail, log->config.dir);
        hf_log_detail_put(&log->detail, err != HF_OK ? ": the directory cannot be listed"
                                                     : ": more segments than this binary handles");
        end(log, err != HF_OK ? err : HF_E_FULL);
        return;
    }
    uint64_t from = log->walk.from;
    uint64_t gone = segment_gone(log);
    if (gone != 0) {
        hf_log_detail_reset(&log->detail);
        hf_log_detail_put(&log->detail, log->config.dir);
        hf_log_detail_put(&log->detail, ": there is a gap: log segment ");
        hf_log_detail_number(&log->detail, gone);
        hf_log_detail_put(&log->detail, " is missing, though the one behind it was begun. "
                                        "Nothing was changed. Look with: holdfast log verify ");
        hf_log_detail_put(&log->detail, log->config.dir);
        end(log, HF_E_CORRUPT);
    } else if (log->found_count != 0) {
        start_reading(log, from);
    } else if (from == 0) {
        log->recovery = HF_LOG_RECOVER_STRAY;
        hf_log__recover_go_on(log);
    } else {
        hf_log_detail_reset(&log->detail);
        hf_log_detail_put(&log->detail, log->config.dir);
        hf_log_detail_put(&log->detail,
                          ": there is a gap: no log segment (log-*) is there, but records "
                          "behind log position ");
        hf_log_detail_number(&log->detail, from);
        hf_log_detail_put(&log->detail, " are needed. Nothing was changed. Look with: holdfast log "
                                        "verify ");
        hf_log_detail_put(&log->detail, log->config.dir);
        end(log, HF_E_CORRUPT);
    }
}

void hf_log_recover(hf_log *log, uint64_t from, uint64_t floor)
{
    HF_PRE(log->state == HF_LOG_CLOSED);
    if (log->remote != NULL) {
        hf_log__remote_recover(log, from, floor);
        return;
    }
    HF_PRE(floor == from);
    log->state = HF_LOG_RECOVERING;
    log->walk.from = from;
    hf_log_detail_reset(&log->detail);
    hf_log_detail_put(&log->detail, log->config.dir);
    HF_ASSERT(log->detail.size + 32 < HF_LOG_PATH_MAX);
    memcpy(log->recover_path, log->detail.at, log->detail.size + 1);
    log->recover_op = (hf_io_op){ .path = log->config.dir };
    submit(log, HF_LOG_RECOVER_MKDIR, HF_IO_MKDIR);
}

/* ---- Reading ---- */

static void recover_want(hf_log *log)
{
    const hf_log_walk *walk = &log->walk;
    if (walk->phase == HF_LOG_WALK_DONE || log->recover_segment != walk->want_segment) {
        if (log->recover_segment != 0) {
            log->recover_segment = 0;
            log->recover_op = (hf_io_op){ .file = log->recover_file };
            submit(log, HF_LOG_RECOVER_CLOSE, HF_IO_CLOSE);
            return;
        }
        if (walk->phase == HF_LOG_WALK_DONE) {
            log->stray_at = 0;
            log->recovery = HF_LOG_RECOVER_STRAY;
            hf_log__recover_go_on(log);
            return;
        }
        hf_log_path(log->recover_path, log->config.dir, "log-", walk->want_segment);
        log->recover_op =
            (hf_io_op){ .path = log->recover_path, .flags = HF_IO_DIRECT | HF_IO_READONLY };
        submit(log, HF_LOG_RECOVER_OPEN, HF_IO_OPEN);
        return;
    }
    log->held = log->hold;
    if (log->held) {
        return;
    }
    log->recover_skip = walk->want_offset & (log->align - 1);
    uint64_t size = walk->want_size + log->recover_skip;
    size = (size + log->align - 1) & ~(uint64_t)(log->align - 1);
    log->recover_op = (hf_io_op){ .file = log->recover_file,
                                  .data = log->window,
                                  .offset = walk->want_offset - log->recover_skip,
                                  .size = size };
    submit(log, HF_LOG_RECOVER_READ, HF_IO_READ);
}

void hf_log__recover_hold(hf_log *log, bool hold)
{
    log->hold = hold;
    if (log->held && !hold) {
        recover_want(log);
    }
}

static void read_done(hf_log *log, int64_t result)
{
    if (result < 0) {
        end_io(log, "reading", log->recover_op.offset, result);
        return;
    }
    uint64_t size = (uint64_t)result;
    size = size > log->recover_skip ? size - log->recover_skip : 0;
    size = size < log->walk.want_size ? size : log->walk.want_size;
    hf_err err =
        hf_log_walk_feed(&log->walk, hf_bytes_of(log->window + log->recover_skip, (size_t)size));
    if (err != HF_OK) {
        end_damage(log);
        return;
    }
    recover_want(log);
}

/* ---- Settling: what was accepted becomes durable, what was cut off becomes zeros ----
 *
 * Of what was read, all is durable but the batches that the run before had in flight: the newest
 * HF_LOG_FLUSHES_MAX at most, which lie in the current segment and the one before. After a kill
 * they may be in a cache only, and a power loss would take them from under what is built on them.
 * Syncing does not help where an earlier sync failed (pages that it dropped are clean, and shown):
 * so their bytes are written again. The same holds for zeros that an earlier recovery wrote: they
 * are written again as far as batches in flight can reach. Only then is the segment synced.
 */

static void adopt(hf_log *log)
{
    const hf_log_walk *walk = &log->walk;
    log->current = walk->place.segment;
    log->offset = walk->place.offset;
    log->epoch = walk->epoch_max + 1;
    log->seq = walk->place.seq;
    log->durable_seq = log->seq - 1;
    log->batch_chain = walk->place.chain;
    log->appended = log->flushed = log->durable = log->next_record = walk->place.lsn;
    log->chain = log->next_chain = walk->records.chain;
    log->begin = true;
    uint64_t back = HF_LOG_FLUSHES_MAX - 1;
    log->recover_segment = log->current - log->oldest < back ? log->oldest : log->current - back;
    recover_reopen(log);
}

static void recover_reopen(hf_log *log)
{
    hf_log_path(log->recover_path, log->config.dir, "log-", log->recover_segment);
    log->recover_op = (hf_io_op){ .path = log->recover_path, .flags = HF_IO_DIRECT };
    submit(log, HF_LOG_RECOVER_REOPEN, HF_IO_OPEN);
}

static uint64_t align_down(const hf_log *log, uint64_t at)
{
    return at & ~(uint64_t)(log->align - 1);
}

static uint64_t align_up(const hf_log *log, uint64_t at)
{
    return align_down(log, at + log->align - 1);
}

static void settle_sync(hf_log *log)
{
    log->recover_op = (hf_io_op){ .file = hf_log__segment(log, log->recover_segment)->file };
    submit(log, HF_LOG_RECOVER_SYNC, HF_IO_SYNC);
}

static void settle_zero(hf_log *log)
{
    if (log->recover_at >= log->recover_to) {
        settle_sync(log);
        return;
    }
    uint64_t size = log->recover_to - log->recover_at;
    log->recover_op = (hf_io_op){ .file = hf_log__segment(log, log->recover_segment)->file,
                                  .data = log->zeros,
                                  .offset = log->recover_at,
                                  .size = size < HF_LOG_ZERO_CHUNK ? size : HF_LOG_ZERO_CHUNK };
    submit(log, HF_LOG_RECOVER_ZERO, HF_IO_WRITE);
}

/* What lies behind the log's end in this segment, as far as batches in flight can reach. */
static void settle_tail(hf_log *log)
{
    uint64_t index = log->recover_segment - log->current;
    if (log->recover_segment < log->current || index > HF_LOG_FLUSHES_MAX) {
        settle_sync(log);
        return;
    }
    const hf_log_tail *tail = &log->walk.tail;
    if (index == 0 && tail->dirty_to[0] != 0 &&
        align_down(log, tail->dirty_from[0]) < log->offset) {
        /* Possible only if the log came from a device with smaller blocks. */
        hf_log_detail_reset(&log->detail);
        hf_log_detail_put(&log->detail, log->recover_path);
        hf_log_detail_put(&log->detail,
                          ": the torn tail is not aligned to this device's blocks. Start once on a "
                          "device with 512-byte blocks");
        end(log, HF_E_NOTSUPPORTED);
        return;
    }
    uint64_t from = index == 0 ? log->offset : HF_LOG_SEGMENT_HEAD;
    uint64_t to = from + HF_LOG_WALK_WINDOW;
    uint64_t bytes = hf_log__segment(log, log->recover_segment)->bytes;
    HF_ASSERT(tail->dirty_to[index] <= to && bytes != 0);
    log->recover_at = align_up(log, from);
    log->recover_to = align_down(log, to < bytes ? to : bytes);
    settle_zero(log);
}

/* The newest batches, as far as they lie in this segment: read and written back. */
static void settle_batches(hf_log *log)
{
    if (log->recover_at >= log->recover_to) {
        settle_tail(log);
        return;
    }
    uint64_t size = log->recover_to - log->recover_at;
    log->recover_op = (hf_io_op){ .file = hf_log__segment(log, log->recover_segment)->file,
                                  .data = log->window,
                                  .offset = log->recover_at,
                                  .size = size < HF_LOG_WALK_WINDOW ? size : HF_LOG_WALK_WINDOW };
    submit(log, HF_LOG_RECOVER_REREAD, HF_IO_READ);
}

static void reopen_done(hf_log *log, int64_t result)
{
    hf_log__segment(log, log->recover_segment)->file = (int32_t)result;
    uint64_t from = UINT64_MAX;
    uint64_t to = 0;
    for (uint32_t i = 0; i < HF_LOG_FLUSHES_MAX; i++) {
        const hf_log_spot *spot = &log->newest_batches[i];
        if (spot->segment == log->recover_segment) {
            from = spot->from < from ? spot->from : from;
            to = spot->to > to ? spot->to : to;
        }
    }
    log->recover_at = to == 0 ? 0 : align_down(log, from);
    log->recover_to = align_up(log, to);
    settle_batches(log);
}

/* ---- Going on ---- */

static void seal_or_open(hf_log *log)
{
    if (!hf_log__has_place(log)) { /* a full disk: the seal follows when there is room again */
        HF_ASSERT(log->no_space);
        end(log, HF_OK);
        return;
    }
    log->recovery = HF_LOG_RECOVER_SEAL;
    bool sealed = hf_log__flush(log, true);
    HF_ASSERT(sealed);
}

static void recover_stray(hf_log *log)
{
    if (log->stray_at < log->stray_count) {
        hf_log_path(log->recover_path, log->config.dir, "spare-", log->strays[log->stray_at]);
    } else {
        /* Left over from a removal that was interrupted: older than a gap, so needed by nobody. */
        uint32_t at = log->stray_at - log->stray_count;
        if (at >= log->found_count || log->found[at] >= log->oldest) {
            /* Also when nothing was removed: the newest names may not have been durable yet. */
            log->recover_op = (hf_io_op){ .path = log->config.dir };
            submit(log, HF_LOG_RECOVER_STRAY_SYNC, HF_IO_SYNC_DIR);
            return;
        }
        hf_log_path(log->recover_path, log->config.dir, "log-", log->found[at]);
    }
    log->stray_at++;
    log->recover_op = (hf_io_op){ .path = log->recover_path };
    submit(log, HF_LOG_RECOVER_STRAY, HF_IO_UNLINK);
}

void hf_log__recover_go_on(hf_log *log)
{
    HF_PRE(log->state == HF_LOG_RECOVERING);
    if (log->recovery == HF_LOG_RECOVER_STRAY) {
        recover_stray(log);
    } else if (log->recovery == HF_LOG_RECOVER_SEAL) {
        end(log, HF_OK);
    } else {
        HF_ASSERT(log->recovery == HF_LOG_RECOVER_SEGMENT);
        if (hf_log__has_place(log) || log->no_space) {
            seal_or_open(log);
        } else {
            hf_log__segments_turn(log);
        }
    }
}

/* ---- Steps ---- */

static bool recover_check(hf_log *log, int64_t result)
{
    static const char *const verbs[] = {
        [HF_LOG_RECOVER_MKDIR] = "making the directory",
        [HF_LOG_RECOVER_MKDIR_SYNC] = "syncing the data directory",
        [HF_LOG_RECOVER_OPEN] = "opening a segment",
        [HF_LOG_RECOVER_READ] = "reading a segment",
        [HF_LOG_RECOVER_CLOSE] = "closing a segment",
        [HF_LOG_RECOVER_STRAY] = "removing an unfinished or unneeded segment",
        [HF_LOG_RECOVER_STRAY_SYNC] = "syncing the directory",
        [HF_LOG_RECOVER_REOPEN] = "opening a segment for writing",
        [HF_LOG_RECOVER_REREAD] = "reading the newest batches",
        [HF_LOG_RECOVER_REWRITE] = "writing the newest batches again",
        [HF_LOG_RECOVER_ZERO] = "zeroing the torn tail",
        [HF_LOG_RECOVER_SYNC] = "syncing a segment",
        [HF_LOG_RECOVER_SEGMENT] = "", /* the maker's */
        [HF_LOG_RECOVER_SEAL] = "",    /* the writer's */
    };
    bool whole = log->recovery == HF_LOG_RECOVER_REREAD ||
                 log->recovery == HF_LOG_RECOVER_REWRITE || log->recovery == HF_LOG_RECOVER_ZERO;
    if (result < 0 || (whole && result != (int64_t)log->recover_op.size)) {
        end_io(log, verbs[log->recovery], log->recover_op.offset, result);
        return false;
    }
    return true;
}

static void synced(hf_log *log)
{
    if (log->recover_segment < log->newest) {
        log->recover_segment++;
        recover_reopen(log);
        return;
    }
    log->recover_segment = 0;
    log->recovery = HF_LOG_RECOVER_SEGMENT;
    hf_log__room_count(log);
    hf_log__recover_go_on(log);
}

static void recover_done(hf_io_op *op, int64_t result)
{
    hf_log *log = op->context;
    if (!recover_check(log, result)) {
        return;
    }
    switch (log->recovery) {
    case HF_LOG_RECOVER_MKDIR:
        log->recover_op = (hf_io_op){ .path = "." };
        submit(log, HF_LOG_RECOVER_MKDIR_SYNC, HF_IO_SYNC_DIR);
        return;
    case HF_LOG_RECOVER_MKDIR_SYNC:
        list(log);
        return;
    case HF_LOG_RECOVER_OPEN:
        log->recover_file = (int32_t)result;
        log->recover_segment = log->walk.want_segment;
        recover_want(log);
        return;
    case HF_LOG_RECOVER_READ:
        read_done(log, result);
        return;
    case HF_LOG_RECOVER_CLOSE:
        recover_want(log);
        return;
    case HF_LOG_RECOVER_STRAY:
        recover_stray(log);
        return;
    case HF_LOG_RECOVER_STRAY_SYNC:
        if (log->found_count == 0) {
            start_new(log);
        } else {
            adopt(log);
        }
        return;
    case HF_LOG_RECOVER_REOPEN:
        reopen_done(log, result);
        return;
    case HF_LOG_RECOVER_REREAD:
        submit(log, HF_LOG_RECOVER_REWRITE, HF_IO_WRITE);
        return;
    case HF_LOG_RECOVER_REWRITE:
        log->recover_at += log->recover_op.size;
        settle_batches(log);
        return;
    case HF_LOG_RECOVER_ZERO:
        log->recover_at += log->recover_op.size;
        settle_zero(log);
        return;
    case HF_LOG_RECOVER_SYNC:
        synced(log);
        return;
    case HF_LOG_RECOVER_SEGMENT:
    case HF_LOG_RECOVER_SEAL:
        break;
    }
    HF_UNREACHABLE();
}
