/* The owner's side of a log that all cores share (share.h). */
#include "storage/log/share.h"

/* ---- Telling ---- */

static uint32_t flags_now(const hf_log_device *device)
{
    const hf_log *log = device->log;
    return (log->no_space ? HF_LOG_SHARE_NO_SPACE : 0) |
           (log->room < device->room_least ? HF_LOG_SHARE_FULL : 0);
}

/* All records of the core behind `durable` lie behind this. A ship counts when all of it is
 * durable, so it may begin before what is. */
static uint64_t floor_of(const hf_log_device *device, const hf_log_stream *stream)
{
    uint64_t durable = hf_log_durable(device->log);
    if (stream->pending_count == 0) {
        return durable;
    }
    uint64_t begin = stream->pending[stream->pending_first].begin;
    return begin < durable ? begin : durable;
}

/* False: no memory for a message now. */
static bool say(hf_log_device *device, uint16_t to, hf_log_share_msg *msg)
{
    hf_log *core = device->core;
    msg->head = (hf_msg){ .size = sizeof *msg, .kind = core->config.message_kind };
    if (to == core->io->core) {
        hf_log__remote_told(core, msg);
        return true;
    }
    hf_log_share_msg *copy = hf_heap_take(core->heap, sizeof *copy);
    if (copy == NULL) {
        return false;
    }
    *copy = *msg;
    hf_io_post(core->io, to, &copy->head);
    return true;
}

static void tell(hf_log_device *device, uint16_t to)
{
    hf_log_stream *stream = &device->streams[to];
    hf_log_share_msg msg = { .position = stream->durable,
                             .floor = floor_of(device, stream),
                             .flags =
                                 device->flags | (stream->grant_due ? HF_LOG_SHARE_GRANT : 0) };
    bool was_due = stream->due;
    bool grant = stream->grant_due;
    stream->due = stream->grant_due = false; /* before: what is called may have more to tell */
    stream->told_floor = msg.floor;
    if (!say(device, to, &msg)) {
        stream->due = was_due;
        stream->grant_due = grant;
    }
}

static void tell_all(hf_log_device *device)
{
    for (uint16_t i = 0; i < device->cores; i++) {
        hf_log_stream *stream = &device->streams[i];
        if ((stream->due || stream->grant_due) && !stream->open_due) {
            tell(device, i);
        }
    }
}

/* A core that appends nothing hears now and then how far the log has grown: so that it takes a
 * checkpoint, and the log can be cut. */
static void on_durable(void *context, uint64_t lsn)
{
    hf_log_device *device = context;
    uint64_t often = device->log->config.segment_bytes / 8;
    for (uint16_t i = 0; i < device->cores; i++) {
        hf_log_stream *stream = &device->streams[i];
        while (stream->pending_count != 0 && stream->pending[stream->pending_first].lsn <= lsn) {
            stream->durable = stream->pending[stream->pending_first].position;
            stream->pending_first = (stream->pending_first + 1) % HF_LOG_PENDING_MAX;
            stream->pending_count--;
            stream->due = true;
        }
        stream->due = stream->due || lsn - stream->told_floor >= often;
    }
    tell_all(device);
}

/* ---- Recovering ---- */

/* Sends what was collected for a core. */
static void replay_out(hf_log_device *device, uint16_t to)
{
    hf_log *core = device->core;
    hf_buf *out = &device->streams[to].out;
    if (out->size != 0) {
        hf_log_share_msg *msg = (hf_log_share_msg *)(void *)out->data;
        msg->head = (hf_msg){ .size = out->size, .kind = core->config.message_kind };
        device->replaying += out->size;
        hf_buf_open(out, core->heap); /* the message's memory comes back by itself */
        hf_io_post(core->io, to, &msg->head);
    }
}

static hf_err replay_to(hf_log_device *device, uint16_t to, const hf_log_record *record)
{
    hf_log *core = device->core;
    hf_log_stream *stream = &device->streams[to];
    hf_buf *out = &stream->out;
    if (to == core->io->core) {
        hf_log_record own = { .lsn = record->index, .kind = record->kind, .data = record->data };
        return core->handler.on_record(core->handler.context, &own);
    }
    if (out->size == 0) {
        hf_log_share_msg head = { .position =
                                      record->index - HF_LOG_RECORD_HEAD - record->data.size,
                                  .flags = HF_LOG_SHARE_REPLAY };
        hf_buf_raw(out, &head, sizeof head);
    }
    hf_buf_u32(out, record->data.size);
    hf_buf_u16(out, record->kind);
    hf_buf_u16(out, 0);
    hf_buf_raw(out, record->data.data, record->data.size);
    if (out->failed) {
        return HF_E_NOMEM;
    }
    if (out->size >= HF_LOG_REPLAY_CHUNK) {
        replay_out(device, to);
    }
    return HF_OK;
}

static hf_err on_record(void *context, const hf_log_record *record)
{
    hf_log_device *device = context;
    uint64_t need = HF_LOG_RECORD_HEAD + (uint64_t)record->data.size;
    if (record->range == 0 || record->range > device->cores || record->index < need) {
        return HF_E_CORRUPT;
    }
    uint16_t core = (uint16_t)(record->range - 1);
    hf_log_stream *stream = &device->streams[core];
    uint64_t begin = record->index - need;
    if (stream->seen != UINT64_MAX && begin != stream->seen) {
        return HF_E_CORRUPT; /* a record of this core is missing, or twice there */
    }
    stream->seen = record->index;
    if (record->index <= stream->from) {
        return HF_OK;
    }
    if (begin > stream->taken) {
        return HF_E_CORRUPT; /* records that the core's checkpoint needs are missing */
    }
    stream->taken = record->index;
    hf_err err = replay_to(device, core, record);
    hf_log__recover_hold(device->log, device->replaying >= HF_LOG_REPLAY_WINDOW);
    return err;
}

/* What was read is with the cores: they may begin. */
static void open_turn(hf_log_device *device)
{
    for (uint16_t i = 0; i < device->cores; i++) {
        hf_log_stream *stream = &device->streams[i];
        if (!stream->open_due) {
            continue;
        }
        replay_out(device, i);
        stream->durable = stream->taken;
        stream->told_floor = floor_of(device, stream);
        hf_log_share_msg msg = { .position = stream->durable,
                                 .floor = stream->told_floor,
                                 .flags = HF_LOG_SHARE_OPENED | device->flags };
        stream->open_due = false;
        stream->open_due = !say(device, i, &msg);
    }
}

static void on_opened(void *context, hf_err err, const char *detail)
{
    hf_log_device *device = context;
    hf_log *core = device->core;
    if (err != HF_OK) {
        core->state = HF_LOG_FAILED;
        core->handler.on_opened(core->handler.context, err, detail);
        return;
    }
    device->opened = true;
    device->flags = flags_now(device);
    for (uint16_t i = 0; i < device->cores; i++) {
        device->streams[i].open_due = true;
    }
    open_turn(device);
}

static void on_failed(void *context, hf_err err, const char *detail)
{
    hf_log_device *device = context;
    hf_log *core = device->core;
    core->state = HF_LOG_FAILED;
    core->handler.on_failed(core->handler.context, err, detail);
}

/* The log is read once, for all: from the least floor on. */
static void ask(hf_log_device *device, uint16_t from, const hf_log_share_msg *msg)
{
    hf_log_stream *stream = &device->streams[from];
    HF_ASSERT(!stream->asks);
    stream->asks = true;
    stream->from = stream->taken = stream->durable = msg->position;
    stream->floor = msg->floor;
    device->asked++;
    if (device->asked == device->cores) {
        uint64_t least = UINT64_MAX;
        for (uint16_t i = 0; i < device->cores; i++) {
            least = device->streams[i].floor < least ? device->streams[i].floor : least;
        }
        hf_log_recover(device->log, least, least);
    }
}

void hf_log__device_back(hf_log_device *device, const hf_log_share_msg *msg)
{
    if ((msg->flags & HF_LOG_SHARE_REPLAY) != 0) {
        device->replaying -= msg->head.size;
        hf_log__recover_hold(device->log, device->replaying >= HF_LOG_REPLAY_WINDOW);
    }
}

/* ---- Taking ---- */

static void pend(hf_log_device *device, hf_log_stream *stream, uint64_t begin)
{
    if (stream->pending_count == HF_LOG_PENDING_MAX) {
        stream->pending_count--; /* told a little later, together with this one */
        uint32_t last = stream->pending_first + stream->pending_count;
        begin = stream->pending[last % HF_LOG_PENDING_MAX].begin;
    }
    uint32_t at = stream->pending_first + stream->pending_count;
    stream->pending[at % HF_LOG_PENDING_MAX] = (hf_log_pending){
        .begin = begin, .lsn = hf_log_appended(device->log), .position = stream->taken
    };
    stream->pending_count++;
}

static void take_records(hf_log_device *device, uint16_t from, const hf_log_share_msg *msg)
{
    hf_log_stream *stream = &device->streams[from];
    hf_reader reader = hf_reader_of(
        hf_bytes_of((const uint8_t *)(msg + 1), msg->head.size - (uint32_t)sizeof *msg));
    if (hf_reader_left(&reader) == 0) {
        return;
    }
    uint64_t begin = hf_log_appended(device->log);
    do {
        uint32_t size = hf_read_u32(&reader);
        uint16_t kind = hf_read_u16(&reader);
        (void)hf_read_u16(&reader);
        hf_bytes data = hf_read_lent(&reader, size);
        HF_ASSERT(!reader.bad);
        stream->taken += HF_LOG_RECORD_HEAD + (uint64_t)size;
        hf_log__take(device->log, kind, from + 1u, stream->taken, data);
    } while (hf_reader_left(&reader) != 0);
    pend(device, stream, begin);
}

static void cut(hf_log_device *device)
{
    uint64_t least = UINT64_MAX;
    for (uint16_t i = 0; i < device->cores; i++) {
        least = device->streams[i].floor < least ? device->streams[i].floor : least;
    }
    hf_log_truncate(device->log, least);
}

void hf_log__device_take(hf_log_device *device, const hf_log_share_msg *msg)
{
    uint16_t from = msg->head.from;
    HF_ASSERT(from < device->cores);
    hf_log_stream *stream = &device->streams[from];
    if (device->core->state == HF_LOG_FAILED) {
        return;
    }
    if ((msg->flags & HF_LOG_SHARE_RECOVER) != 0) {
        ask(device, from, msg);
        return;
    }
    take_records(device, from, msg);
    if ((msg->flags & HF_LOG_SHARE_GIVE) != 0) {
        HF_ASSERT(device->holder == from);
        device->holder = -1;
    }
    stream->wants = stream->wants || (msg->flags & HF_LOG_SHARE_WANT) != 0;
    if (msg->floor > stream->floor) {
        stream->floor = msg->floor;
        cut(device);
    }
}

/* ---- Turning ---- */

/* The large window: in turn, and only while there is room for it on the disk. */
static void grant(hf_log_device *device)
{
    if (device->holder >= 0 || device->flags != 0 || device->log->room < device->log->room_full) {
        return;
    }
    for (uint16_t i = 0; i < device->cores; i++) {
        uint16_t core = (uint16_t)((device->next + i) % device->cores);
        hf_log_stream *stream = &device->streams[core];
        if (stream->wants) {
            stream->wants = false;
            stream->grant_due = true;
            device->holder = core;
            device->next = (uint16_t)((core + 1) % device->cores);
            return;
        }
    }
}

void hf_log__device_turn(hf_log_device *device)
{
    hf_log_turn(device->log);
    if (!device->opened || device->log->state != HF_LOG_OPEN) {
        return;
    }
    open_turn(device);
    uint32_t flags = flags_now(device);
    if (flags != device->flags) {
        device->flags = flags;
        for (uint16_t i = 0; i < device->cores; i++) {
            device->streams[i].due = true;
        }
    }
    grant(device);
    tell_all(device);
}

uint64_t hf_log__device_kept(const hf_log_device *device)
{
    return device->opened ? hf_log_bytes(device->log) : 0;
}

uint64_t hf_log__device_deadline(const hf_log_device *device)
{
    uint64_t due = hf_log_deadline(device->log);
    for (uint16_t i = 0; i < device->cores && device->opened; i++) {
        const hf_log_stream *stream = &device->streams[i];
        if (stream->due || stream->grant_due || stream->open_due) {
            uint64_t again = device->core->io->now_ns + HF_LOG_RETRY_NS;
            due = again < due ? again : due;
        }
    }
    return due;
}

hf_log_device *hf_log__device_open(hf_log *core, uint64_t window)
{
    uint16_t cores = core->io->core_count;
    size_t size = sizeof(hf_log_device) + cores * sizeof(hf_log_stream);
    hf_log_device *device = hf_heap_take(core->heap, size);
    if (device == NULL) {
        return NULL;
    }
    memset(device, 0, size);
    device->core = core;
    device->cores = cores;
    device->holder = -1;
    for (uint16_t i = 0; i < cores; i++) {
        hf_buf_open(&device->streams[i].out, core->heap);
        device->streams[i].seen = UINT64_MAX;
    }
    hf_log_config config = core->config;
    config.message_kind = 0;
    hf_log_handler handler = { .context = device,
                               .on_record = on_record,
                               .on_opened = on_opened,
                               .on_durable = on_durable,
                               .on_failed = on_failed };
    device->log = hf_log_open(core->heap, core->io, &config, &handler);
    if (device->log == NULL) {
        hf_heap_give(core->heap, device);
        return NULL;
    }
    device->room_least = hf_log__cost(device->log, window * cores) + HF_LOG_SHARE_SLACK;
    device->log->room_full += HF_LOG_SHARE_SLACK;
    return device;
}
