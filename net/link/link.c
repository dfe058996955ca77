/* Opening, ending, time; the states. */
#include "net/link/link.h"
#include "engine/base/assert.h"
#include "net/link/link_impl.h"

#include <stdarg.h>
#include <stdio.h>

/* clang-format off */
#define NEXT(s) HF_SM_BIT(LINK_##s)
static const hf_sm_row rows[] = {
    [LINK_GREETING] = { "greeting", NEXT(JUDGING) | NEXT(ENDED) },
    [LINK_JUDGING]  = { "judging",  NEXT(AGREEING) | NEXT(ENDED) },
    [LINK_AGREEING] = { "agreeing", NEXT(OPEN) | NEXT(ENDED) },
    [LINK_OPEN]     = { "open",     NEXT(ENDED) },
    [LINK_ENDED]    = { "ended",    0 },
};
#undef NEXT
/* clang-format on */
_Static_assert(sizeof rows / sizeof rows[0] == LINK_STATES, "one row per state");
static const hf_sm_kind machine = { "link", rows, LINK_STATES, NULL };

size_t hf_link_size(const hf_link_options *options)
{
    HF_PRE(options->limits.queue != 0 && options->limits.queue <= HF_LINK_QUEUE_MAX);
    return sizeof(hf_link) +
           HF_LINK_STREAMS * (size_t)options->limits.queue * sizeof(hf_link__item);
}

static void check_options(const hf_link_options *o)
{
    HF_PRE(o->node != 0 && o->start != 0 && o->disk != 0);
    HF_PRE(o->format_least != 0 && o->format_least <= o->format_most);
    HF_PRE((o->needed & ~o->features) == 0);
    HF_PRE(o->ping_ns != 0 && o->ping_ns < o->silent_ns);
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        HF_PRE(o->limits.message_max[i] <= o->limits.window[i]);
        HF_PRE(o->limits.window[i] <= HF_LINK_MESSAGE_MAX);
    }
}

hf_link *hf_link_open(void *at, const hf_link_options *options, hf_heap *heap, uint32_t to,
                      uint32_t attempt, uint64_t now)
{
    hf_link *l = at;
    check_options(options);
    HF_PRE(to != options->node);
    memset(l, 0, hf_link_size(options));
    hf_sm_open(&l->sm, &machine, LINK_GREETING, options->node, NULL);
    l->options = *options;
    l->heap = heap;
    l->to = to;
    l->greet_at = hf_link__later(now, options->greet_ns);
    l->heard_at = now;
    hf_link__item *items = (hf_link__item *)(void *)(l + 1);
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        l->streams_out[i].items = items + (size_t)i * options->limits.queue;
    }
    hf_link__greet(l, attempt);
    return l;
}

void hf_link_shut(hf_link *l)
{
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        hf_heap_give(l->heap, l->streams_in[i].block);
        l->streams_in[i].block = NULL;
    }
}

/* ---- The end ---- */

/* A peer's words, and a part of this node's: what is not plain text is not shown. */
static void make_plain(char *text)
{
    for (; *text != 0; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

hf_link_event hf_link__fail(hf_link *l, hf_err err, const char *format, ...)
{
    if (hf_link__state_of(l) == LINK_ENDED) {
        return HF_LINK_ENDED;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(l->words, sizeof l->words, format, args);
    va_end(args);
    make_plain(l->words);
    l->end = err;
    hf_sm_move(&l->sm, LINK_ENDED);
    return HF_LINK_ENDED;
}

/* Whoever agreed before expects frames next. */
static void tell(hf_link *l, hf_link__state before)
{
    if (before == LINK_OPEN || before == LINK_AGREEING) {
        l->close_due = true;
    } else {
        hf_link__refuse(l);
    }
}

void hf_link_close(hf_link *l, hf_err err, const char *words)
{
    HF_PRE(err != HF_OK);
    hf_link__state before = hf_link__state_of(l);
    if (before == LINK_ENDED) {
        return;
    }
    (void)hf_link__fail(l, err, "%s", words);
    tell(l, before);
}

hf_err hf_link_end(const hf_link *l, const char **words)
{
    *words = l->words;
    return l->end;
}

/* ---- Who is there ---- */

const hf_link_peer *hf_link_peer_of(const hf_link *l)
{
    HF_PRE(l->greeted);
    return &l->peer;
}

uint64_t hf_link_features(const hf_link *l)
{
    HF_PRE(l->greeted);
    return l->options.features & l->peer.features;
}

uint32_t hf_link_format(const hf_link *l)
{
    HF_PRE(l->greeted);
    return l->format;
}

static bool refused(hf_link *l)
{
    hf_link__refuse(l);
    return false;
}

bool hf_link_accept(hf_link *l, const hf_link_known *known, uint64_t now)
{
    const hf_link_peer *p = &l->peer;
    HF_PRE(hf_link__state_of(l) == LINK_JUDGING);
    if (known->disk != 0 && p->disk != known->disk) {
        (void)hf_link__fail(l, HF_E_EXISTS,
                            "node %u has another disk than the one known to node %u: two nodes "
                            "with one number, or a disk that was replaced",
                            p->node, l->options.node);
        return refused(l);
    }
    if (p->start < known->start) {
        (void)hf_link__fail(l, HF_E_EXPIRED,
                            "node %u was started %u times, and node %u knows of %u: its disk is an "
                            "old one",
                            p->node, p->start, l->options.node, known->start);
        return refused(l);
    }
    if (p->start == known->start && p->attempt < known->attempt) {
        (void)hf_link__fail(l, HF_E_EXPIRED, "node %u has called node %u again since", p->node,
                            l->options.node);
        return refused(l);
    }
    hf_link__agree(l);
    hf_sm_move(&l->sm, LINK_AGREEING);
    l->heard_at = now;
    return true;
}

/* ---- Bytes ---- */

static hf_link_event take(hf_link *l, uint64_t now, hf_bytes *input, hf_link_message *message)
{
    switch (hf_link__state_of(l)) {
    case LINK_GREETING: {
        hf_link_event event = hf_link__greeted(l, input);
        if (event == HF_LINK_GREETED) {
            hf_sm_move(&l->sm, LINK_JUDGING);
        } else if (event == HF_LINK_ENDED && l->greeted) {
            hf_link__refuse(l);
        }
        return event;
    }
    case LINK_AGREEING: {
        hf_link_event event = hf_link__agreed(l, input);
        if (event == HF_LINK_OPENED) {
            hf_sm_move(&l->sm, LINK_OPEN);
            l->heard_at = now;
        }
        return event;
    }
    case LINK_OPEN: {
        hf_link_event event = hf_link__frames(l, now, input, message);
        l->close_due = l->close_due || (event == HF_LINK_ENDED && l->end != HF_E_CLOSED);
        return event;
    }
    case LINK_JUDGING:
    case LINK_ENDED:
    case LINK_STATES:
        break;
    }
    HF_UNREACHABLE();
}

hf_link_event hf_link_input(hf_link *l, uint64_t now, hf_bytes *input, hf_link_message *message)
{
    HF_PRE(hf_link__state_of(l) != LINK_JUDGING);
    if (hf_link__state_of(l) == LINK_ENDED) {
        input->size = 0;
        return HF_LINK_ENDED;
    }
    hf_link_event event = take(l, now, input, message);
    HF_POST(event != HF_LINK_MORE || input->size == 0);
    HF_POST((event == HF_LINK_ENDED) == (hf_link__state_of(l) == LINK_ENDED));
    return event;
}

bool hf_link_has_output(const hf_link *l)
{
    return l->talk_at != l->talk_size || hf_link__may_write(l);
}

uint32_t hf_link_output(hf_link *l, uint64_t now, uint8_t *to, uint32_t size)
{
    HF_PRE(size >= HF_LINK_OUTPUT_MIN);
    uint32_t talk = l->talk_size - l->talk_at;
    _Static_assert(sizeof l->talk <= HF_LINK_OUTPUT_MIN, "in one piece");
    memcpy(to, l->talk + l->talk_at, talk);
    l->talk_at = l->talk_size;
    return talk + hf_link__write(l, now, to + talk, size - talk);
}

/* ---- Time ---- */

void hf_link_tick(hf_link *l, uint64_t now)
{
    const hf_link_options *o = &l->options;
    hf_link__state state = hf_link__state_of(l);
    if (state == LINK_ENDED) {
        return;
    }
    if (state != LINK_OPEN) {
        if (now >= l->greet_at) {
            (void)hf_link__fail(l, HF_E_DEADLINE,
                                "node %u got no answer to its greeting within %llu ms", o->node,
                                (unsigned long long)(o->greet_ns / 1000000));
            tell(l, state);
        }
        return;
    }
    if (now >= hf_link__later(l->heard_at, o->silent_ns)) {
        (void)hf_link__fail(l, HF_E_DEADLINE, "node %u heard nothing of node %u for %llu ms",
                            o->node, l->peer.node, (unsigned long long)(o->silent_ns / 1000000));
        tell(l, state);
    } else if (now >= hf_link__later(l->heard_at, o->ping_ns) && l->pinged_at == 0) {
        l->ping_due = true;
    }
}

uint64_t hf_link_wake_at(const hf_link *l)
{
    hf_link__state state = hf_link__state_of(l);
    if (state == LINK_ENDED) {
        return UINT64_MAX;
    }
    if (state != LINK_OPEN) {
        return l->greet_at;
    }
    bool asked = l->ping_due || l->pinged_at != 0;
    return hf_link__later(l->heard_at, asked ? l->options.silent_ns : l->options.ping_ns);
}

uint64_t hf_link_rtt(const hf_link *l)
{
    return l->rtt;
}

void hf_link_check(const hf_link *l)
{
    HF_ASSERT((hf_link__state_of(l) == LINK_ENDED) == (l->end != HF_OK));
    HF_ASSERT(l->talk_at <= l->talk_size && l->talk_size <= sizeof l->talk);
    HF_ASSERT(l->in_size < sizeof l->in && l->frame_have <= l->frame.size);
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        const hf_link__in *in = &l->streams_in[i];
        const hf_link__out *out = &l->streams_out[i];
        HF_ASSERT((in->block == NULL) == (in->size == 0));
        HF_ASSERT(in->have <= in->size && in->size <= in->held);
        HF_ASSERT((uint64_t)in->held + in->owed <= l->options.limits.window[i]);
        HF_ASSERT(out->tail - out->head <= l->options.limits.queue);
        HF_ASSERT(out->next - out->head <= out->tail - out->head);
        HF_ASSERT(!l->greeted || out->credit <= l->peer.limits.window[i]);
    }
}
