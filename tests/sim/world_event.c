/* The event heap, the run hash and the trace. */
#include "tests/sim/world_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { EVENT_SLAB = 256, HEAP_WAYS = 4 };

static const char *const event_names[] = {
#define X(name) #name,
    HF_WORLD__EVENTS(X)
#undef X
};

typedef struct event_slab {
    struct event_slab *next;
    hf_world__event events[EVENT_SLAB];
} event_slab;

hf_world__event *hf_world__event_new(hf_world *w, hf_world__kind kind, uint16_t core, void *ptr)
{
    if (w->spare == NULL) {
        event_slab *slab = calloc(1, sizeof *slab);
        HF_ASSERT(slab != NULL);
        slab->next = w->slabs;
        w->slabs = slab;
        for (int i = 0; i < EVENT_SLAB; i++) {
            slab->events[i].next = w->spare;
            w->spare = &slab->events[i];
        }
    }
    hf_world__event *event = w->spare;
    w->spare = event->next;
    memset(event, 0, sizeof *event);
    event->kind = (uint8_t)kind;
    event->core = core;
    event->ptr = ptr;
    event->at = HF_WORLD__IDLE;
    return event;
}

void hf_world__event_free(hf_world *w, hf_world__event *event)
{
    HF_PRE(event->at == HF_WORLD__IDLE);
    event->next = w->spare;
    w->spare = event;
}

void hf_world__events_free(hf_world *w)
{
    while (w->slabs != NULL) {
        event_slab *slab = w->slabs;
        w->slabs = slab->next;
        free(slab);
    }
    free(w->heap);
}

static bool heap_before(const hf_world__key *a, const hf_world__key *b)
{
    return a->time < b->time || (a->time == b->time && a->seq < b->seq);
}

static void heap_place(hf_world *w, uint32_t at, hf_world__key key)
{
    w->heap[at] = key;
    key.event->at = at;
}

static void heap_up(hf_world *w, uint32_t at, hf_world__key key)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / HEAP_WAYS;
        if (!heap_before(&key, &w->heap[parent])) {
            break;
        }
        heap_place(w, at, w->heap[parent]);
        at = parent;
    }
    heap_place(w, at, key);
}

static void heap_down(hf_world *w, uint32_t at, hf_world__key key)
{
    for (;;) {
        uint32_t first = at * HEAP_WAYS + 1;
        if (first >= w->heap_count) {
            break;
        }
        uint32_t least = first;
        for (uint32_t i = first + 1; i < first + HEAP_WAYS && i < w->heap_count; i++) {
            if (heap_before(&w->heap[i], &w->heap[least])) {
                least = i;
            }
        }
        if (!heap_before(&w->heap[least], &key)) {
            break;
        }
        heap_place(w, at, w->heap[least]);
        at = least;
    }
    heap_place(w, at, key);
}

void hf_world__take_out(hf_world *w, hf_world__event *event)
{
    uint32_t at = event->at;
    if (at == HF_WORLD__IDLE) {
        return;
    }
    HF_ASSERT(at < w->heap_count && w->heap[at].event == event);
    event->at = HF_WORLD__IDLE;
    hf_world__key last = w->heap[--w->heap_count];
    if (at != w->heap_count) {
        if (at > 0 && heap_before(&last, &w->heap[(at - 1) / HEAP_WAYS])) {
            heap_up(w, at, last);
        } else {
            heap_down(w, at, last);
        }
    }
}

void hf_world__put(hf_world *w, hf_world__event *event, uint64_t time)
{
    hf_world__take_out(w, event);
    if (w->heap_count == w->heap_room) {
        w->heap_room = w->heap_room == 0 ? 1024 : w->heap_room * 2;
        w->heap = realloc(w->heap, w->heap_room * sizeof *w->heap);
        HF_ASSERT(w->heap != NULL);
    }
    event->time = time < w->now ? w->now : time;
    event->seq = w->next_seq++;
    hf_world__key key = { event->time, event->seq, event };
    heap_up(w, w->heap_count++, key);
}

hf_world__event *hf_world__schedule(hf_world *w, hf_world__kind kind, uint16_t core, uint64_t time,
                                    void *ptr)
{
    hf_world__event *event = hf_world__event_new(w, kind, core, ptr);
    hf_world__put(w, event, time);
    return event;
}

hf_world__event *hf_world__pop(hf_world *w)
{
    if (w->heap_count == 0) {
        return NULL;
    }
    hf_world__event *event = w->heap[0].event;
    hf_world__take_out(w, event);
    return event;
}

void hf_world__purge(hf_world *w)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->heap_count; i++) {
        hf_world__event *event = w->heap[i].event;
        if (!event->node) {
            w->heap[kept++] = w->heap[i];
            continue;
        }
        event->at = HF_WORLD__IDLE;
        if (event->kind != HF_WORLD__TURN) { /* that one is its core's for ever */
            hf_world__event_free(w, event);
        }
    }
    w->heap_count = kept;
    for (uint32_t i = kept; i-- > 0;) {
        heap_down(w, i, w->heap[i]);
    }
}

void hf_world__cancel(hf_world *w, hf_world__event **event)
{
    if (*event != NULL) {
        hf_world__take_out(w, *event);
        hf_world__event_free(w, *event);
        *event = NULL;
    }
}

/* ---- Hash and trace
 * ------------------------------------------------------------------------------ */

static uint64_t hash_fold(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9fb21c651e98df25u;
    return h ^ (h >> 29);
}

static void trace_line(FILE *to, const hf_world__trace *t)
{
    char core[8] = "-";
    if (t->core != HF_WORLD__NOCORE) {
        snprintf(core, sizeof core, "%u", (unsigned)t->core);
    }
    fprintf(to,
            "%" PRIu64 " t=%" PRIu64 " %s core=%s a=%" PRIu64 " b=%" PRIu64 " payload=%016" PRIx64
            "%s%s\n",
            t->number, t->time, event_names[t->kind], core, t->a, t->b, t->payload,
            t->what == NULL ? "" : " ", t->what == NULL ? "" : t->what);
}

void hf_world__record(hf_world *w, hf_world__kind kind, uint16_t core, uint64_t payload, uint64_t a,
                      uint64_t b, const char *what)
{
    uint64_t h = hash_fold(w->hash, w->now);
    h = hash_fold(h, (uint64_t)kind << 16 | core);
    h = hash_fold(h, payload);
    h = hash_fold(h, a);
    w->hash = hash_fold(h, b);
    hf_world__trace *t = &w->ring[w->stats.events % w->ring_size];
    *t = (hf_world__trace){ .time = w->now,
                            .number = w->stats.events,
                            .payload = payload,
                            .a = a,
                            .b = b,
                            .what = what,
                            .core = core,
                            .kind = (uint8_t)kind };
    w->stats.events++;
    if (w->trace != NULL) {
        trace_line(w->trace, t);
    }
}

void hf_world_trace_print(const hf_world *w, FILE *to)
{
    uint64_t n = w->stats.events < w->ring_size ? w->stats.events : w->ring_size;
    for (uint64_t i = w->stats.events - n; i < w->stats.events; i++) {
        trace_line(to, &w->ring[i % w->ring_size]);
    }
}

/* ---- Budgets
 * ------------------------------------------------------------------------------------- */

bool hf_world__draws(hf_world *w, hf_world_prng *prng, const hf_world_rate *rate)
{
    /* The used counts lie at the same place in the other struct. */
    size_t at = (size_t)((const char *)rate - (const char *)&w->faults);
    hf_world_rate *used = (hf_world_rate *)(void *)((char *)&w->used + at);
    if (!hf_world_prng_chance(prng, rate->ppm) || used->most >= rate->most) {
        return false;
    }
    used->most++;
    return true;
}

bool hf_world__budget(hf_world *w, const hf_world_recurring *recurring)
{
    size_t at = (size_t)((const char *)recurring - (const char *)&w->faults);
    hf_world_recurring *used = (hf_world_recurring *)(void *)((char *)&w->used + at);
    if (used->most >= recurring->most) {
        return false;
    }
    used->most++;
    return true;
}
