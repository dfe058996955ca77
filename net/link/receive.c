/* Frames into messages. A frame's head is looked at before its payload is waited for; nothing that
 * a frame says is done before its checksum is right.
 */
#include "engine/base/assert.h"
#include "net/link/link_impl.h"

static hf_link_event rotten(hf_link *l, const char *what)
{
    return hf_link__fail(l, HF_E_CORRUPT, "node %u sent %s", l->peer.node, what);
}

static void skip(hf_bytes *input, uint32_t size)
{
    input->data += size;
    input->size -= size;
}

/* ---- Heads ---- */

static const char *wrong_data(const hf_link *l, const hf_link__frame *f)
{
    const hf_link__in *s = &l->streams_in[f->stream];
    const hf_link_limits *limits = &l->options.limits;
    if (f->size == 0 || f->size > HF_LINK_FRAME_MAX || f->flags > HF_LINK__FIRST) {
        return "a frame of a length that cannot be";
    }
    if (f->flags == 0) {
        return s->size == 0                  ? "a message without its beginning"
               : f->size > s->size - s->have ? "more of a message than there is"
               : f->argument != 0            ? "a frame that cannot be"
                                             : NULL;
    }
    if (s->size != 0) {
        return "a message into another one";
    }
    if (f->size > f->argument || f->argument > limits->message_max[f->stream]) {
        return "a message longer than is taken here";
    }
    if (f->argument > limits->window[f->stream] - s->held - s->owed) {
        return "more than its window";
    }
    return NULL;
}

/* NULL: it can be. */
static const char *wrong_frame(const hf_link *l, const hf_link__frame *f)
{
    if (f->kind == HF_LINK__DATA && f->stream < HF_LINK_STREAMS && f->zero == 0) {
        return wrong_data(l, f);
    }
    bool plain = f->zero == 0 && f->flags == 0;
    bool bare = plain && f->stream == 0 && f->argument == 0;
    switch ((hf_link__kind)f->kind) {
    case HF_LINK__CREDIT:
        return plain && f->stream < HF_LINK_STREAMS && f->size == 0 ? NULL
                                                                    : "a credit that cannot be";
    case HF_LINK__PING:
    case HF_LINK__PONG:
        return bare && f->size == sizeof(uint64_t) ? NULL : "a ping that cannot be";
    case HF_LINK__CLOSE:
        return bare && f->size >= 4 && f->size <= HF_LINK__CLOSE_MAX ? NULL
                                                                     : "an end that cannot be";
    case HF_LINK__DATA:
        break;
    }
    return f->kind == HF_LINK__DATA ? "a frame that cannot be"
                                    : "a frame of a kind that is not known here";
}

static hf_link_event begin_frame(hf_link *l)
{
    memcpy(&l->frame, l->in, sizeof l->frame);
    l->in_size = 0;
    l->frame_have = 0;
    const char *wrong = wrong_frame(l, &l->frame);
    if (wrong != NULL) {
        return rotten(l, wrong);
    }
    l->frame_crc = hf_crc32c(l->receive_crc, l->in + 4, sizeof l->frame - 4);
    return HF_LINK_MORE;
}

/* ---- Payloads ---- */

static hf_link_event check(hf_link *l)
{
    if (l->frame_crc != l->frame.crc) {
        return rotten(l, "a frame that is damaged, or out of order");
    }
    l->receive_crc = l->frame.crc;
    l->frame.kind = 0;
    return HF_LINK_MORE;
}

static void hand_out(hf_link__in *s, uint32_t stream, hf_bytes bytes, void *block,
                     hf_link_message *message)
{
    *message = (hf_link_message){ .bytes = bytes, .block = block, .stream = stream };
    s->block = NULL;
    s->size = s->have = 0;
}

/* A message in one frame that is all here: it is not copied. */
static hf_link_event whole_data(hf_link *l, hf_bytes *input, hf_link_message *message)
{
    hf_link__frame f = l->frame;
    hf_link__in *s = &l->streams_in[f.stream];
    l->frame_crc = hf_crc32c(l->frame_crc, input->data, f.size);
    if (check(l) == HF_LINK_ENDED) {
        return HF_LINK_ENDED;
    }
    s->held += f.size;
    hand_out(s, f.stream, hf_bytes_of(input->data, f.size), NULL, message);
    skip(input, f.size);
    return HF_LINK_MESSAGE;
}

static hf_link_event begin_message(hf_link *l, hf_link__in *s)
{
    s->block = hf_heap_take(l->heap, l->frame.argument);
    if (s->block == NULL) {
        return hf_link__fail(l, HF_E_NOMEM, "node %u has no memory for a message of %u bytes",
                             l->options.node, l->frame.argument);
    }
    s->size = l->frame.argument;
    s->held += s->size;
    return HF_LINK_MORE;
}

static hf_link_event take_data(hf_link *l, hf_bytes *input, hf_link_message *message)
{
    hf_link__in *s = &l->streams_in[l->frame.stream];
    bool first = l->frame_have == 0 && l->frame.flags == HF_LINK__FIRST && s->size == 0;
    if (first && l->frame.size == l->frame.argument && input->size >= l->frame.size) {
        return whole_data(l, input, message);
    }
    if (first && begin_message(l, s) == HF_LINK_ENDED) {
        return HF_LINK_ENDED;
    }
    uint32_t left = l->frame.size - l->frame_have;
    uint32_t take = left < input->size ? left : input->size;
    hf_bytes_copy(s->block + s->have, hf_bytes_of(input->data, take));
    l->frame_crc = hf_crc32c(l->frame_crc, input->data, take);
    l->frame_have += take;
    s->have += take;
    skip(input, take);
    if (l->frame_have < l->frame.size) {
        return HF_LINK_MORE;
    }
    uint32_t stream = l->frame.stream;
    if (check(l) == HF_LINK_ENDED || s->have < s->size) {
        return l->end != HF_OK ? HF_LINK_ENDED : HF_LINK_MORE;
    }
    hand_out(s, stream, hf_bytes_of(s->block, s->size), s->block, message);
    return HF_LINK_MESSAGE;
}

static hf_link_event credit(hf_link *l, const hf_link__frame *f)
{
    hf_link__out *s = &l->streams_out[f->stream];
    if (f->argument == 0 || f->argument > l->peer.limits.window[f->stream] - s->credit) {
        return rotten(l, "more credit than its window");
    }
    s->credit += f->argument;
    return HF_LINK_MORE;
}

static hf_link_event pong(hf_link *l, uint64_t now)
{
    uint64_t id;
    memcpy(&id, l->in, sizeof id);
    if (l->pinged_at == 0 || id != l->ping_id) {
        return rotten(l, "an answer that nobody asked for");
    }
    l->rtt = now > l->pinged_at ? now - l->pinged_at : 1;
    l->pinged_at = 0;
    return HF_LINK_MORE;
}

static hf_link_event closed(hf_link *l, uint32_t size)
{
    uint32_t code;
    memcpy(&code, l->in, sizeof code);
    int words = (int)(size - sizeof code);
    (void)hf_link__fail(l, HF_E_CLOSED, "node %u ended it (%s): %.*s", l->peer.node,
                        code <= (uint32_t)-HF_E_FATAL ? hf_err_name((hf_err)(-(int)code)) : "?",
                        words, (const char *)l->in + sizeof code);
    return HF_LINK_ENDED;
}

/* Frames of the protocol itself. */
static hf_link_event take_own(hf_link *l, uint64_t now, hf_bytes *input)
{
    hf_link__frame f = l->frame;
    uint32_t left = f.size - l->in_size;
    uint32_t take = left < input->size ? left : input->size;
    hf_bytes_copy(l->in + l->in_size, hf_bytes_of(input->data, take));
    l->in_size += take;
    skip(input, take);
    if (l->in_size < f.size) {
        return HF_LINK_MORE;
    }
    l->frame_crc = hf_crc32c(l->frame_crc, l->in, f.size);
    l->in_size = 0;
    if (check(l) == HF_LINK_ENDED) {
        return HF_LINK_ENDED;
    }
    switch ((hf_link__kind)f.kind) {
    case HF_LINK__CREDIT:
        return credit(l, &f);
    case HF_LINK__PING:
        memcpy(&l->pong_id, l->in, sizeof l->pong_id);
        l->pong_due = true;
        return HF_LINK_MORE;
    case HF_LINK__PONG:
        return pong(l, now);
    case HF_LINK__CLOSE:
        return closed(l, f.size);
    case HF_LINK__DATA:
        break;
    }
    HF_UNREACHABLE();
}

hf_link_event hf_link__frames(hf_link *l, uint64_t now, hf_bytes *input, hf_link_message *message)
{
    hf_link_event event = HF_LINK_MORE;
    l->heard_at = input->size != 0 ? now : l->heard_at;
    /* A frame without payload is done when its head is here. */
    while (event == HF_LINK_MORE &&
           (input->size != 0 || (l->frame.kind != 0 && l->frame.size == 0))) {
        if (l->frame.kind == 0) {
            uint32_t left = HF_LINK_FRAME_HEAD - l->in_size;
            uint32_t take = left < input->size ? left : input->size;
            memcpy(l->in + l->in_size, input->data, take);
            l->in_size += take;
            skip(input, take);
            event = l->in_size == HF_LINK_FRAME_HEAD ? begin_frame(l) : HF_LINK_MORE;
        } else if (l->frame.kind == HF_LINK__DATA) {
            event = take_data(l, input, message);
        } else {
            event = take_own(l, now, input);
        }
    }
    return event;
}
