/* The maker: one step at a time it prepares the next segment, and removes those that are not
 * needed.
 *
 *   retired? -> rename log-OLD spare-NEW, sync directory      (reuse: the disk space is ours
 * already) else     -> create spare-NEW, reserve its space then     -> zeros over all of it
 * (paced), sync, head, rename spare-NEW log-NEW, sync directory
 *
 * So a file named log-* always has a whole head and zeros behind it, and a crash in between leaves
 * only a spare-* file, which recovery removes. Old segments go oldest first, each durably before
 * the next, so that those that remain are numbered without a gap.
 */
#include "engine/base/assert.h"
#include "storage/log/share.h"

#include <errno.h>

static void make_done(hf_io_op *op, int64_t result);

/* ---- Room: what ready segments take for certain, in bytes of blocks ---- */

uint64_t hf_log__cost(const hf_log *log, uint64_t staged)
{
    uint64_t full = staged / log->batch_payload_max;
    uint64_t rest = staged % log->batch_payload_max;
    uint64_t cost = full * log->config.batch_bytes_max;
    if (rest != 0) {
        cost += hf_log_batch_block_size((uint32_t)rest, log->align);
    }
    return cost;
}

void hf_log__room_count(hf_log *log)
{
    /* A batch that is cut at a segment's end costs one more head and one more padding. */
    uint64_t slack = 3 * (uint64_t)log->align + HF_LOG_SECTOR;
    uint64_t room = 0;
    if (log->current != 0) {
        uint64_t bytes = hf_log__segment(log, log->current)->bytes;
        if (log->offset + slack < bytes && log->offset % log->align == 0) {
            room += bytes - log->offset - slack;
        }
    }
    for (uint64_t number = log->current + 1; number <= log->newest; number++) {
        uint64_t bytes = hf_log__segment(log, number)->bytes;
        if (bytes > HF_LOG_SEGMENT_HEAD + slack) {
            room += bytes - HF_LOG_SEGMENT_HEAD - slack;
        }
        if (room >= log->room_full) {
            break;
        }
    }
    log->room = room;
}

bool hf_log__segment_next(hf_log *log)
{
    if (log->newest <= log->current) {
        return false;
    }
    log->current = log->current == 0 ? log->oldest : log->current + 1;
    log->offset = HF_LOG_SEGMENT_HEAD;
    HF_POST(hf_log__segment(log, log->current)->file >= 0);
    hf_log__room_count(log);
    return true;
}

void hf_log_truncate(hf_log *log, uint64_t floor)
{
    if (log->remote != NULL) {
        hf_log__remote_truncate(log, floor);
        return;
    }
    HF_PRE(log->state == HF_LOG_OPEN || log->state == HF_LOG_FAILED);
    HF_PRE(floor <= log->durable);
    for (uint64_t number = log->oldest + 1; number <= log->current; number++) {
        uint64_t boundary = hf_log__segment(log, number)->boundary;
        if (boundary == UINT64_MAX) {
            continue; /* begins within a record, or was never read: a later one decides */
        }
        if (boundary > floor) {
            break;
        }
        log->oldest = number;
    }
}

/* ---- Closing files that are full ---- */

static void close_done(hf_io_op *op, int64_t result)
{
    hf_log *log = op->context;
    log->closing = false;
    if (result < 0 && log->state != HF_LOG_FAILED) {
        char path[HF_LOG_PATH_MAX];
        hf_log_path(path, log->config.dir, "log-", log->close_next - 1);
        hf_log__io_detail(log, "closing a full segment", path, 0, result);
        hf_log__fail(log, HF_E_IO);
    }
}

static void close_turn(hf_log *log)
{
    while (!log->closing && log->close_next < log->current) {
        hf_log_segment *segment = hf_log__segment(log, log->close_next);
        if (segment->writes != 0) {
            return;
        }
        log->close_next++;
        if (segment->file < 0) {
            continue;
        }
        log->closing = true;
        log->close_op = (hf_io_op){
            .done = close_done, .context = log, .kind = HF_IO_CLOSE, .file = segment->file
        };
        segment->file = -1;
        hf_io_submit(log->io, &log->close_op);
    }
}

/* ---- Making ---- */

static bool wants_segment(const hf_log *log)
{
    uint64_t lowest = log->retired < log->close_next ? log->retired : log->close_next;
    if (log->newest + 2 - lowest >= HF_LOG_SEGMENTS_MAX) {
        return false;
    }
    return log->current == 0 ? log->newest == 0
                             : log->newest - log->current < log->config.spare_segments ||
                                   log->room < log->room_full;
}

static void make_submit(hf_log *log, hf_log_make step, hf_io_kind kind)
{
    log->make = step;
    log->make_op.done = make_done;
    log->make_op.context = log;
    log->make_op.kind = (uint8_t)kind;
    hf_io_submit(log->io, &log->make_op);
}

static void make_sync_dir(hf_log *log, hf_log_make step)
{
    log->make_op = (hf_io_op){ .path = log->config.dir };
    make_submit(log, step, HF_IO_SYNC_DIR);
}

/* Never the leftover of a failed try: its size may be what a failed sync dropped, and no later sync
 * would make it durable. */
static void make_open(hf_log *log, bool taken)
{
    uint8_t fresh = taken ? 0 : HF_IO_CREATE | HF_IO_EXCLUSIVE;
    log->make_op = (hf_io_op){ .path = log->make_to, .flags = HF_IO_DIRECT | fresh };
    make_submit(log, HF_LOG_MAKE_OPEN, HF_IO_OPEN);
}

static void make_begin(hf_log *log)
{
    uint64_t number = log->newest + 1;
    log->make_mark = log->stats.bytes_written;
    hf_log_path(log->make_to, log->config.dir, "spare-", number);
    if (log->retired < log->oldest &&
        hf_log__segment(log, log->retired)->bytes == log->config.segment_bytes) {
        hf_log_path(log->make_from, log->config.dir, "log-", log->retired);
        log->make_op = (hf_io_op){ .path = log->make_from, .path_to = log->make_to };
        make_submit(log, HF_LOG_MAKE_TAKE, HF_IO_RENAME);
        return;
    }
    make_open(log, false);
}

static void make_remove(hf_log *log)
{
    hf_log_path(log->make_from, log->config.dir, "log-", log->retired);
    log->make_op = (hf_io_op){ .path = log->make_from };
    make_submit(log, HF_LOG_MAKE_REMOVE, HF_IO_UNLINK);
}

static void make_zero(hf_log *log)
{
    uint32_t left = log->config.segment_bytes - log->make_at;
    log->make_ns = log->io->now_ns;
    log->make_op = (hf_io_op){ .file = log->make_file,
                               .data = log->zeros,
                               .offset = log->make_at,
                               .size = left < HF_LOG_ZERO_CHUNK ? left : HF_LOG_ZERO_CHUNK };
    make_submit(log, HF_LOG_MAKE_ZERO, HF_IO_WRITE);
}

static void make_head(hf_log *log)
{
    hf_log_segment_head head = { .log_id = log->config.log_id,
                                 .number = log->newest + 1,
                                 .epoch = log->epoch,
                                 .segment_bytes = log->config.segment_bytes };
    hf_log_segment_encode(&head, log->zeros);
    log->make_op = (hf_io_op){ .file = log->make_file,
                               .flags = HF_IO_DURABLE,
                               .data = log->zeros,
                               .size = HF_LOG_SEGMENT_HEAD };
    make_submit(log, HF_LOG_MAKE_HEAD, HF_IO_WRITE);
}

/* The disk is full: what was begun is undone, so that it takes no space from those who could end
 * that. */
static void make_give_up(hf_log *log)
{
    memset(log->zeros, 0, HF_LOG_SEGMENT_HEAD);
    log->no_space = true;
    log->make_ns = log->io->now_ns;
    if (log->make_file >= 0) {
        log->make_op = (hf_io_op){ .file = log->make_file };
        log->make_file = -1;
        make_submit(log, HF_LOG_MAKE_GIVE_UP, HF_IO_CLOSE);
        return;
    }
    log->make = HF_LOG_MAKE_IDLE;
    if (log->state == HF_LOG_RECOVERING) {
        hf_log__recover_go_on(log);
    }
}

static void make_ready(hf_log *log)
{
    log->newest++;
    *hf_log__segment(log, log->newest) = (hf_log_segment){ .base = UINT64_MAX,
                                                           .boundary = UINT64_MAX,
                                                           .bytes = log->config.segment_bytes,
                                                           .file = log->make_file };
    log->make_file = -1;
    log->make = HF_LOG_MAKE_IDLE;
    log->no_space = false;
    hf_log__room_count(log);
    if (log->state == HF_LOG_RECOVERING) {
        hf_log__recover_go_on(log);
    } else {
        /* Appends that were refused for want of room may come again. */
        log->handler.on_durable(log->handler.context, log->durable);
    }
}

/* Whether the step's result allows to go on; ends the log or gives up otherwise. */
static bool make_check(hf_log *log, int64_t result)
{
    static const char *const verbs[] = {
        [HF_LOG_MAKE_TAKE] = "renaming an old segment for reuse",
        [HF_LOG_MAKE_TAKEN] = "syncing the directory",
        [HF_LOG_MAKE_OPEN] = "opening the next segment",
        [HF_LOG_MAKE_ALLOCATE] = "reserving space for the next segment",
        [HF_LOG_MAKE_ZERO] = "zeroing the next segment",
        [HF_LOG_MAKE_SYNC] = "syncing the next segment",
        [HF_LOG_MAKE_HEAD] = "writing the next segment's head",
        [HF_LOG_MAKE_NAME] = "naming the next segment",
        [HF_LOG_MAKE_NAMED] = "syncing the directory",
        [HF_LOG_MAKE_REMOVE] = "removing an old segment",
        [HF_LOG_MAKE_REMOVED] = "syncing the directory",
        [HF_LOG_MAKE_GIVE_UP] = "closing an unfinished segment",
        [HF_LOG_MAKE_GIVE_UP_NAME] = "removing an unfinished segment",
    };
    hf_log_make step = log->make;
    bool wrote = step == HF_LOG_MAKE_ZERO || step == HF_LOG_MAKE_HEAD;
    if (result >= 0 && (!wrote || result == (int64_t)log->make_op.size)) {
        return true;
    }
    if (step == HF_LOG_MAKE_ALLOCATE && result == -EOPNOTSUPP) {
        return true; /* the zeros will reserve it */
    }
    bool may_give_up = step == HF_LOG_MAKE_TAKE || step == HF_LOG_MAKE_OPEN ||
                       step == HF_LOG_MAKE_ALLOCATE || wrote || step == HF_LOG_MAKE_SYNC ||
                       step == HF_LOG_MAKE_NAME;
    if (may_give_up && hf_log__is_full(result)) {
        make_give_up(log);
        return false;
    }
    const char *path = log->make_op.path != NULL ? log->make_op.path : log->make_to;
    hf_log__io_detail(log, verbs[step], path, wrote ? log->make_op.offset : 0, result);
    log->make = HF_LOG_MAKE_IDLE;
    hf_log__fail(log, HF_E_IO);
    return false;
}

static void make_zeroed(hf_log *log)
{
    log->make_at += (uint32_t)log->make_op.size;
    if (log->make_at < log->config.segment_bytes) {
        log->make = HF_LOG_MAKE_PACE;
        if (log->state == HF_LOG_RECOVERING) {
            make_zero(log);
        }
        return;
    }
    log->make_op = (hf_io_op){ .file = log->make_file };
    make_submit(log, HF_LOG_MAKE_SYNC, HF_IO_SYNC);
}

static void make_done(hf_io_op *op, int64_t result)
{
    hf_log *log = op->context;
    if (log->state == HF_LOG_FAILED || !make_check(log, result)) {
        return;
    }
    switch (log->make) {
    case HF_LOG_MAKE_TAKE:
        make_sync_dir(log, HF_LOG_MAKE_TAKEN);
        return;
    case HF_LOG_MAKE_TAKEN:
        log->retired++;
        make_open(log, true);
        return;
    case HF_LOG_MAKE_OPEN:
        log->make_file = (int32_t)result;
        log->make_at = 0;
        log->make_op = (hf_io_op){ .file = log->make_file, .size = log->config.segment_bytes };
        make_submit(log, HF_LOG_MAKE_ALLOCATE, HF_IO_ALLOCATE);
        return;
    case HF_LOG_MAKE_ALLOCATE:
        make_zero(log);
        return;
    case HF_LOG_MAKE_ZERO:
        make_zeroed(log);
        return;
    case HF_LOG_MAKE_SYNC:
        make_head(log);
        return;
    case HF_LOG_MAKE_HEAD:
        memset(log->zeros, 0, HF_LOG_SEGMENT_HEAD);
        hf_log_path(log->make_from, log->config.dir, "log-", log->newest + 1);
        log->make_op = (hf_io_op){ .path = log->make_to, .path_to = log->make_from };
        make_submit(log, HF_LOG_MAKE_NAME, HF_IO_RENAME);
        return;
    case HF_LOG_MAKE_NAME:
        make_sync_dir(log, HF_LOG_MAKE_NAMED);
        return;
    case HF_LOG_MAKE_NAMED:
        make_ready(log);
        return;
    case HF_LOG_MAKE_REMOVE:
        make_sync_dir(log, HF_LOG_MAKE_REMOVED);
        return;
    case HF_LOG_MAKE_REMOVED:
        log->retired++;
        log->make = HF_LOG_MAKE_IDLE;
        return;
    case HF_LOG_MAKE_GIVE_UP:
        log->make_op = (hf_io_op){ .path = log->make_to };
        make_submit(log, HF_LOG_MAKE_GIVE_UP_NAME, HF_IO_UNLINK);
        return;
    case HF_LOG_MAKE_GIVE_UP_NAME:
        log->make = HF_LOG_MAKE_IDLE;
        if (log->state == HF_LOG_RECOVERING) {
            hf_log__recover_go_on(log);
        }
        return;
    case HF_LOG_MAKE_IDLE:
    case HF_LOG_MAKE_PACE:
        break;
    }
    HF_UNREACHABLE();
}

/* ---- Pacing ---- */

/* One chunk at a time. Zeros keep ahead of the log, two bytes for each that it grows: so the
 * segment is ready when half of the current one is left. For more than that they wait while a flush
 * is under way or due, so as not to stand before it, and leave a pause. Only appends that already
 * wait for room are worse than slow flushes: then, and at start, when everybody waits, there is no
 * pause. */
static uint64_t chunk_due(const hf_log *log)
{
    uint64_t grown = log->stats.bytes_written - log->make_mark;
    if (log->state != HF_LOG_OPEN || log->room < log->room_full || log->make_at < 2 * grown) {
        return 0;
    }
    if (log->flush_count != 0 || log->staged != 0) {
        return UINT64_MAX; /* the flush's end brings a turn */
    }
    return log->make_ns + HF_LOG_ZERO_PACE_NS;
}

/* A reusable segment is a reason to try at once. */
static bool retry_due(const hf_log *log)
{
    return !log->no_space || log->retired < log->oldest ||
           log->io->now_ns - log->make_ns >= HF_LOG_SPACE_RETRY_NS;
}

void hf_log__segments_turn(hf_log *log)
{
    close_turn(log);
    if (log->make == HF_LOG_MAKE_PACE) {
        if (chunk_due(log) <= log->io->now_ns) {
            make_zero(log);
        }
        return;
    }
    if (log->make != HF_LOG_MAKE_IDLE) {
        return;
    }
    bool may_make = log->state == HF_LOG_OPEN || log->recovery == HF_LOG_RECOVER_SEGMENT;
    if (may_make && wants_segment(log)) {
        if (retry_due(log)) {
            make_begin(log);
        }
        return;
    }
    log->no_space = log->no_space && may_make && wants_segment(log);
    if (log->state == HF_LOG_OPEN &&
        log->oldest - log->retired > (uint64_t)log->config.spare_segments + 1) {
        make_remove(log);
    }
}

uint64_t hf_log__segments_deadline(const hf_log *log)
{
    if (log->make == HF_LOG_MAKE_PACE) {
        uint64_t due = chunk_due(log);
        return due == 0 ? log->io->now_ns : due;
    }
    if (log->make != HF_LOG_MAKE_IDLE || log->state != HF_LOG_OPEN) {
        return UINT64_MAX;
    }
    if (wants_segment(log)) {
        return retry_due(log) ? log->io->now_ns : log->make_ns + HF_LOG_SPACE_RETRY_NS;
    }
    bool remove = log->oldest - log->retired > (uint64_t)log->config.spare_segments + 1;
    return remove ? log->io->now_ns : UINT64_MAX;
}
