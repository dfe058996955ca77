/* Messages into frames: whose turn it is, and what else there is to say. */
#include "engine/base/assert.h"
#include "net/link/link_impl.h"

/* A frame of a long message is not cut smaller than this because output is short. */
enum { CHUNK_MIN = 1024 };
_Static_assert(HF_LINK_OUTPUT_MIN - HF_LINK_FRAME_HEAD >= CHUNK_MIN, "output always gets on");

/* What a byte of a stream costs; the urgent one asks nobody. */
static const uint64_t costs[HF_LINK_STREAMS] = { 0, 2, 2, 7 };

/* ---- The queue ---- */

static hf_link__item *item_at(const hf_link *l, const hf_link__out *s, uint32_t position)
{
    return &s->items[position % l->options.limits.queue];
}

hf_err hf_link_send(hf_link *l, hf_link_stream stream, const hf_bytes *parts, uint32_t count,
                    uint64_t tag)
{
    HF_PRE(stream < HF_LINK_STREAMS);
    hf_link__state state = hf_link__state_of(l);
    if (state != LINK_OPEN) {
        return state == LINK_ENDED ? HF_E_CLOSED : HF_E_BUSY;
    }
    uint64_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size += parts[i].size;
    }
    HF_PRE(size != 0);
    hf_link__out *s = &l->streams_out[stream];
    if (size > l->peer.limits.message_max[stream]) {
        return HF_E_TOOBIG;
    }
    if (s->tail - s->head == l->options.limits.queue) {
        return HF_E_FULL;
    }
    if (s->next == s->tail && s->pass < l->pass) {
        s->pass = l->pass; /* what it did not use is gone */
    }
    *item_at(l, s, s->tail++) =
        (hf_link__item){ .parts = parts, .tag = tag, .count = count, .size = (uint32_t)size };
    return HF_OK;
}

bool hf_link_take_back(hf_link *l, hf_link_sent *sent)
{
    bool ended = hf_link__state_of(l) == LINK_ENDED;
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        hf_link__out *s = &l->streams_out[i];
        bool whole = s->head != s->next;
        if (whole || (ended && s->head != s->tail)) {
            *sent =
                (hf_link_sent){ .tag = item_at(l, s, s->head)->tag, .stream = i, .whole = whole };
            s->head++;
            s->next = whole ? s->next : s->head;
            return true;
        }
    }
    return false;
}

/* ---- Credit ---- */

bool hf_link__owes(const hf_link *l, uint32_t stream)
{
    const hf_link_limits *limits = &l->options.limits;
    /* What is kept back never keeps the longest message from being begun. */
    return l->streams_in[stream].owed != 0 &&
           l->streams_in[stream].owed > (limits->window[stream] - limits->message_max[stream]) / 2;
}

void hf_link_done(hf_link *l, hf_link_message *message)
{
    HF_PRE(message->stream < HF_LINK_STREAMS && message->bytes.size != 0);
    hf_link__in *s = &l->streams_in[message->stream];
    HF_ASSERT(s->held - s->size >= message->bytes.size);
    s->held -= message->bytes.size;
    s->owed += message->bytes.size;
    hf_heap_give(l->heap, message->block);
    *message = (hf_link_message){ .stream = message->stream };
}

/* ---- Whose turn it is ---- */

static bool ready(const hf_link *l, uint32_t stream)
{
    const hf_link__out *s = &l->streams_out[stream];
    return s->next != s->tail && (s->sent != 0 || item_at(l, s, s->next)->size <= s->credit);
}

/* HF_LINK_STREAMS: nobody's. */
static uint32_t turn(const hf_link *l)
{
    uint32_t best = HF_LINK_STREAMS;
    if (ready(l, HF_LINK_URGENT)) {
        return HF_LINK_URGENT;
    }
    for (uint32_t i = HF_LINK_URGENT + 1; i < HF_LINK_STREAMS; i++) {
        if (ready(l, i) &&
            (best == HF_LINK_STREAMS || l->streams_out[i].pass < l->streams_out[best].pass)) {
            best = i;
        }
    }
    return best;
}

/* ---- Frames ---- */

static void seal(hf_link *l, hf_link__frame *f, uint8_t *at)
{
    memcpy(at, f, sizeof *f);
    l->send_crc = f->crc = hf_crc32c(l->send_crc, at + 4, sizeof *f - 4 + f->size);
    memcpy(at, &f->crc, sizeof f->crc);
}

static uint32_t write_short(hf_link *l, uint8_t *to, hf_link__kind kind, uint32_t stream,
                            uint32_t argument, const void *payload, uint32_t size)
{
    hf_link__frame f = {
        .size = size, .kind = (uint8_t)kind, .stream = (uint8_t)stream, .argument = argument
    };
    hf_bytes_copy(to + HF_LINK_FRAME_HEAD, hf_bytes_of(payload, size));
    seal(l, &f, to);
    return HF_LINK_FRAME_HEAD + size;
}

/* The next `size` bytes of the message. */
static void copy_parts(hf_link__out *s, const hf_link__item *item, uint8_t *to, uint32_t size)
{
    while (size != 0) {
        HF_ASSERT(s->part < item->count);
        const hf_bytes *part = &item->parts[s->part];
        uint32_t left = part->size - s->offset;
        uint32_t take = left < size ? left : size;
        if (take != 0) {
            hf_bytes_copy(to, hf_bytes_of(part->data + s->offset, take));
        }
        to += take;
        size -= take;
        s->offset += take;
        if (s->offset == part->size) {
            s->part++;
            s->offset = 0;
        }
    }
}

/* 0: no room for a frame that is worth it. */
static uint32_t write_data(hf_link *l, uint32_t stream, uint8_t *to, uint32_t room)
{
    hf_link__out *s = &l->streams_out[stream];
    const hf_link__item *item = item_at(l, s, s->next);
    uint32_t left = item->size - s->sent;
    uint32_t size = left < HF_LINK_FRAME_MAX ? left : HF_LINK_FRAME_MAX;
    if (room < HF_LINK_FRAME_HEAD + (size < CHUNK_MIN ? size : CHUNK_MIN)) {
        return 0;
    }
    size = room - HF_LINK_FRAME_HEAD < size ? room - HF_LINK_FRAME_HEAD : size;
    hf_link__frame f = { .size = size, .kind = HF_LINK__DATA, .stream = (uint8_t)stream };
    if (s->sent == 0) {
        f.flags = HF_LINK__FIRST;
        f.argument = item->size;
        s->credit -= item->size;
    }
    copy_parts(s, item, to + HF_LINK_FRAME_HEAD, size);
    seal(l, &f, to);
    s->pass += size * costs[stream];
    l->pass = stream == HF_LINK_URGENT ? l->pass : s->pass;
    s->sent += size;
    if (s->sent == item->size) {
        s->next++;
        s->sent = s->part = s->offset = 0;
    }
    return HF_LINK_FRAME_HEAD + size;
}

static uint32_t write_close(hf_link *l, uint8_t *to)
{
    uint8_t payload[HF_LINK__CLOSE_MAX];
    uint32_t code = (uint32_t)-l->end;
    uint32_t size = (uint32_t)strlen(l->words);
    memcpy(payload, &code, sizeof code);
    memcpy(payload + sizeof code, l->words, size);
    l->close_due = false;
    return write_short(l, to, HF_LINK__CLOSE, 0, 0, payload, (uint32_t)sizeof code + size);
}

/* What the protocol itself has to say; 0: nothing. */
static uint32_t write_own(hf_link *l, uint64_t now, uint8_t *to)
{
    if (l->close_due) {
        return write_close(l, to);
    }
    if (hf_link__state_of(l) != LINK_OPEN) {
        return 0;
    }
    if (l->pong_due) {
        l->pong_due = false;
        return write_short(l, to, HF_LINK__PONG, 0, 0, &l->pong_id, sizeof l->pong_id);
    }
    if (l->ping_due) {
        l->ping_due = false;
        l->ping_id++;
        l->pinged_at = now == 0 ? 1 : now;
        return write_short(l, to, HF_LINK__PING, 0, 0, &l->ping_id, sizeof l->ping_id);
    }
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        if (hf_link__owes(l, i)) {
            uint32_t owed = l->streams_in[i].owed;
            l->streams_in[i].owed = 0;
            return write_short(l, to, HF_LINK__CREDIT, i, owed, NULL, 0);
        }
    }
    return 0;
}

bool hf_link__may_write(const hf_link *l)
{
    if (l->close_due) {
        return true;
    }
    if (hf_link__state_of(l) != LINK_OPEN) {
        return false;
    }
    bool owes = false;
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        owes = owes || hf_link__owes(l, i);
    }
    return owes || l->pong_due || l->ping_due || turn(l) != HF_LINK_STREAMS;
}

uint32_t hf_link__write(hf_link *l, uint64_t now, uint8_t *to, uint32_t size)
{
    uint32_t at = 0;
    for (;;) {
        uint32_t wrote = 0;
        if (size - at >= HF_LINK_FRAME_HEAD + HF_LINK__CLOSE_MAX) {
            wrote = write_own(l, now, to + at);
        }
        if (wrote == 0 && hf_link__state_of(l) == LINK_OPEN) {
            uint32_t stream = turn(l);
            wrote = stream == HF_LINK_STREAMS ? 0 : write_data(l, stream, to + at, size - at);
        }
        if (wrote == 0) {
            return at;
        }
        at += wrote;
    }
}
