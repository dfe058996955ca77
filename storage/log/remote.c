/* A core's side of a log that all cores share (share.h). */
#include "storage/log/share.h"

/* ---- Opening ---- */

hf_log *hf_log__remote_open(hf_heap *heap, hf_io *io, const hf_log_config *config,
                            const hf_log_handler *handler)
{
    hf_log *log = hf_heap_take(heap, sizeof *log);
    hf_log_remote *remote = hf_heap_take(heap, sizeof *remote);
    if (log == NULL || remote == NULL) {
        hf_heap_give(heap, remote);
        hf_heap_give(heap, log);
        return NULL;
    }
    memset(log, 0, sizeof *log);
    memset(remote, 0, sizeof *remote);
    log->heap = heap;
    log->io = io;
    log->config = *config;
    log->handler = *handler;
    log->remote = remote;
    hf_buf_open(&remote->out, heap);
    /* The windows of all cores and the large one fit into the device's staging. */
    remote->large = HF_LOG_RECORD_HEAD + (uint64_t)config->record_bytes_max;
    remote->window = (config->staging_bytes - remote->large) / io->core_count;
    if (io->core == 0) {
        remote->device = hf_log__device_open(log, remote->window);
        if (remote->device == NULL) {
            hf_heap_give(heap, remote);
            hf_heap_give(heap, log);
            return NULL;
        }
    }
    return log;
}

/* ---- Shipping ---- */

/* Room for `more` bytes in the message being filled. */
static bool make_room(hf_log *log, uint64_t more)
{
    hf_buf *out = &log->remote->out;
    uint32_t head = out->size == 0 ? (uint32_t)sizeof(hf_log_share_msg) : 0;
    if (more > UINT32_MAX / 2 || !hf_buf_reserve(out, (uint32_t)more + head)) {
        out->failed = false; /* what is in it stays */
        return false;
    }
    return true;
}

static bool reserve(hf_log *log, uint64_t more)
{
    hf_buf *out = &log->remote->out;
    if (!make_room(log, more)) {
        return false;
    }
    if (out->size == 0) {
        out->size = sizeof(hf_log_share_msg);
    }
    return true;
}

bool hf_log__remote_reserve(hf_log *log, uint64_t size)
{
    return make_room(log, HF_LOG_SHARE_RECORD + size);
}

/* False: no memory for a message now. */
static bool ship(hf_log *log, const hf_log_share_msg *fixed)
{
    hf_log_remote *remote = log->remote;
    if (!reserve(log, 0)) {
        return false;
    }
    hf_log_share_msg *msg = (hf_log_share_msg *)(void *)remote->out.data;
    *msg = *fixed;
    remote->cut++;
    msg->head = (hf_msg){ .size = remote->out.size,
                          .kind = log->config.message_kind,
                          .from = log->io->core };
    if (remote->device != NULL) {
        hf_log__device_take(remote->device, msg);
        hf_buf_reset(&remote->out);
        hf_buf_trim(&remote->out, HF_LOG_SHARE_KEPT);
    } else {
        hf_buf_open(&remote->out, log->heap); /* the message's memory comes back by itself */
        hf_io_post(log->io, 0, &msg->head);
    }
    return true;
}

static void ship_turn(hf_log *log)
{
    hf_log_remote *remote = log->remote;
    bool small = remote->appended - remote->durable <= remote->window;
    bool give = remote->granted && small &&
                (remote->used || log->io->now_ns - remote->granted_ns >= HF_LOG_LARGE_NS);
    if (remote->out.size == 0 && !remote->due && !remote->wants && !give) {
        return;
    }
    hf_log_share_msg fixed = { .floor = remote->floor,
                               .flags = (remote->wants ? HF_LOG_SHARE_WANT : 0) |
                                        (give ? HF_LOG_SHARE_GIVE : 0) };
    if (ship(log, &fixed)) {
        remote->due = false;
        remote->asked = remote->asked || remote->wants;
        remote->wants = false;
        remote->granted = remote->granted && !give;
    } else {
        remote->due = true;
    }
}

/* ---- Recovering ---- */

static void end(hf_log *log, hf_err err, const char *words, uint64_t position)
{
    hf_log_detail_reset(&log->detail);
    hf_log_detail_put(&log->detail, log->config.dir);
    hf_log_detail_put(&log->detail, ": core ");
    hf_log_detail_number(&log->detail, log->io->core);
    hf_log_detail_put(&log->detail, words);
    hf_log_detail_number(&log->detail, position);
    hf_log__fail(log, err);
}

void hf_log__remote_recover(hf_log *log, uint64_t from, uint64_t floor)
{
    hf_log_remote *remote = log->remote;
    log->state = HF_LOG_RECOVERING;
    remote->appended = remote->durable = from;
    remote->floor = remote->seen = floor;
    remote->marks[0] = (hf_log_mark){ .position = from, .floor = floor };
    remote->mark_count = 1;
    hf_log_share_msg fixed = { .position = from, .floor = floor, .flags = HF_LOG_SHARE_RECOVER };
    if (!ship(log, &fixed)) {
        end(log, HF_E_NOMEM, ": no memory to ask for the log from position ", from);
    }
}

static void replay(hf_log *log, const hf_log_share_msg *msg)
{
    hf_log_remote *remote = log->remote;
    hf_reader reader = hf_reader_of(
        hf_bytes_of((const uint8_t *)(msg + 1), msg->head.size - (uint32_t)sizeof *msg));
    HF_ASSERT(log->state != HF_LOG_OPEN);
    remote->appended = msg->position;
    while (hf_reader_left(&reader) != 0 && log->state == HF_LOG_RECOVERING) {
        hf_log_record record = { 0 };
        uint32_t size = hf_read_u32(&reader);
        record.kind = hf_read_u16(&reader);
        (void)hf_read_u16(&reader);
        record.data = hf_read_lent(&reader, size);
        HF_ASSERT(!reader.bad);
        remote->appended += HF_LOG_RECORD_HEAD + (uint64_t)size;
        record.lsn = remote->appended;
        hf_err err = log->handler.on_record(log->handler.context, &record);
        if (err != HF_OK) {
            end(log, err, ": a record could not be applied, at its position ", record.lsn);
        }
    }
}

/* ---- Hearing ---- */

/* Later on, more may be known to lie behind `position`. Between two marks the lower one answers. */
static void mark(hf_log_remote *remote, uint64_t position, uint64_t floor)
{
    hf_log_mark *last = &remote->marks[remote->mark_count - 1];
    HF_ASSERT(position >= last->position && floor >= last->floor);
    if (position == last->position) {
        last->floor = floor;
        return;
    }
    if (remote->mark_count == HF_LOG_MARKS_MAX) {
        for (uint32_t i = 1; 2 * i < HF_LOG_MARKS_MAX; i++) {
            remote->marks[i] = remote->marks[2 * i];
        }
        remote->mark_count = HF_LOG_MARKS_MAX / 2;
    }
    remote->marks[remote->mark_count++] = (hf_log_mark){ .position = position, .floor = floor };
}

void hf_log__remote_told(hf_log *log, const hf_log_share_msg *msg)
{
    hf_log_remote *remote = log->remote;
    if (log->state == HF_LOG_FAILED) {
        return;
    }
    if ((msg->flags & HF_LOG_SHARE_REPLAY) != 0) {
        replay(log, msg);
        return;
    }
    if ((msg->flags & HF_LOG_SHARE_OPENED) != 0) {
        HF_ASSERT(log->state == HF_LOG_RECOVERING && remote->appended <= msg->position);
        remote->appended = msg->position;
        log->state = HF_LOG_OPEN;
    }
    HF_ASSERT(log->state == HF_LOG_OPEN && msg->position <= remote->appended);
    remote->durable = msg->position;
    remote->seen = msg->floor;
    remote->no_space = (msg->flags & HF_LOG_SHARE_NO_SPACE) != 0;
    remote->full = (msg->flags & HF_LOG_SHARE_FULL) != 0;
    mark(remote, msg->position, msg->floor);
    if ((msg->flags & HF_LOG_SHARE_GRANT) != 0) {
        HF_ASSERT(!remote->granted && remote->asked);
        remote->granted = true;
        remote->asked = remote->used = false;
        remote->granted_ns = log->io->now_ns;
    }
    if ((msg->flags & HF_LOG_SHARE_OPENED) != 0) {
        log->handler.on_opened(log->handler.context, HF_OK, "");
    } else {
        log->handler.on_durable(log->handler.context, remote->durable);
    }
}

/* ---- Appending ---- */

static bool fits(const hf_log_remote *remote, uint64_t bytes)
{
    uint64_t most = remote->window + (remote->granted ? remote->large : 0);
    return remote->appended - remote->durable + bytes <= most;
}

/* What no window takes needs the large one. */
static void want(hf_log_remote *remote, uint64_t bytes)
{
    if (bytes > remote->window && !remote->granted && !remote->asked) {
        remote->wants = true;
    }
}

hf_err hf_log__remote_append(hf_log *log, uint16_t kind, const hf_bytes *parts, uint32_t part_count,
                             uint64_t size, uint64_t *lsn)
{
    hf_log_remote *remote = log->remote;
    uint64_t need = HF_LOG_RECORD_HEAD + size;
    if (remote->no_space) {
        return HF_E_NOSPACE;
    }
    if (remote->full || !fits(remote, need)) {
        want(remote, need);
        return HF_E_FULL;
    }
    if (!reserve(log, HF_LOG_SHARE_RECORD + size)) {
        return HF_E_FULL;
    }
    hf_buf *out = &remote->out;
    hf_buf_u32(out, (uint32_t)size);
    hf_buf_u16(out, kind);
    hf_buf_u16(out, 0);
    for (uint32_t i = 0; i < part_count; i++) {
        hf_buf_raw(out, parts[i].data, parts[i].size);
    }
    remote->appended += need;
    remote->used = remote->used || remote->appended - remote->durable > remote->window;
    log->stats.records++;
    log->stats.bytes_appended += need;
    *lsn = remote->appended;
    return HF_OK;
}

bool hf_log__remote_admits(hf_log *log, uint64_t bytes)
{
    hf_log_remote *remote = log->remote;
    /* What no log takes is for append to refuse. */
    uint64_t most = remote->window + remote->large;
    bytes = bytes < most ? bytes : most;
    if (log->state != HF_LOG_OPEN || remote->no_space || remote->full) {
        return false;
    }
    if (!fits(remote, bytes)) {
        want(remote, bytes);
        return false;
    }
    return true;
}

/* ---- Turning ---- */

void hf_log__remote_turn(hf_log *log)
{
    if (log->state == HF_LOG_OPEN) {
        ship_turn(log);
    }
    if (log->remote->device != NULL) {
        hf_log__device_turn(log->remote->device);
    }
}

uint64_t hf_log__remote_deadline(const hf_log *log)
{
    const hf_log_remote *remote = log->remote;
    uint64_t due = remote->device == NULL ? UINT64_MAX : hf_log__device_deadline(remote->device);
    uint64_t own = UINT64_MAX;
    if (log->state == HF_LOG_OPEN && remote->wants) {
        own = log->io->now_ns;
    } else if (log->state == HF_LOG_OPEN && (remote->due || remote->out.size != 0)) {
        own = log->io->now_ns + HF_LOG_RETRY_NS; /* the turn found no memory */
    } else if (log->state == HF_LOG_OPEN && remote->granted && !remote->used) {
        own = remote->granted_ns + HF_LOG_LARGE_NS;
    }
    return own < due ? own : due;
}

/* ---- Floors ---- */

uint64_t hf_log__remote_floor(const hf_log *log, uint64_t lsn)
{
    const hf_log_remote *remote = log->remote;
    uint32_t at = remote->mark_count - 1;
    while (at != 0 && remote->marks[at].position > lsn) {
        at--;
    }
    HF_ASSERT(remote->marks[at].position <= lsn);
    /* Never less than what is in force: nobody asks for less than was asked for then. */
    uint64_t floor = remote->marks[at].floor;
    return floor > remote->floor ? floor : remote->floor;
}

void hf_log__remote_truncate(hf_log *log, uint64_t floor)
{
    hf_log_remote *remote = log->remote;
    if (floor <= remote->floor) {
        return;
    }
    remote->floor = floor;
    remote->due = true;
    uint32_t gone = 0;
    while (gone + 1 < remote->mark_count && remote->marks[gone + 1].floor <= floor) {
        gone++;
    }
    remote->mark_count -= gone;
    memmove(remote->marks, remote->marks + gone, remote->mark_count * sizeof remote->marks[0]);
}

hf_log_stats hf_log__remote_stats(const hf_log *log)
{
    hf_log_stats stats = log->stats;
    if (log->remote->device != NULL) { /* core 0 tells of the device */
        hf_log_stats device = hf_log_stats_get(log->remote->device->log);
        device.records = stats.records;
        device.bytes_appended = stats.bytes_appended;
        stats = device;
    }
    stats.no_space = log->remote->no_space;
    return stats;
}
