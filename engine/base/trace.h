/* hf_trace: the last things a core did, in a fixed ring, for the simulator and for post-mortems.
 *
 * An event is a time, a kind (a literal), and two numbers. Besides the ring a running digest of
 * every event since open is kept: two runs of one seed must end with the same digest.
 *
 * Ownership:  the heap lends the ring from open to close; kinds are literals.
 * Cost:       a few nanoseconds an event; never fails.
 * Threads:    one core only.
 */
#ifndef HF_BASE_TRACE_H
#define HF_BASE_TRACE_H
#include "engine/base/error.h"
#include "engine/base/hash.h"
#include "engine/base/heap.h"
#include <stdint.h>

typedef struct hf_trace_event {
    uint64_t time_ns;
    const char *kind;
    uint64_t a;
    uint64_t b;
} hf_trace_event;

typedef struct hf_trace {
    hf_heap *heap;
    hf_trace_event *events;
    uint64_t mask;
    uint64_t added;  /* events since open */
    uint64_t digest; /* of times and numbers; kinds are addresses and stay out */
    uint64_t now_ns; /* the owner sets it, once per turn of its loop */
} hf_trace;

/* Keeps the last `capacity` events, rounded up to a power of two. HF_E_NOMEM: the heap is full. */
HF_MUST_USE hf_err hf_trace_open(hf_trace *trace, hf_heap *heap, uint32_t capacity);
void hf_trace_close(hf_trace *trace);

/* A trace of NULL is allowed. */
static inline void hf_trace_add(hf_trace *trace, const char *kind, uint64_t a, uint64_t b)
{
    if (trace == NULL) {
        return;
    }
    trace->events[trace->added & trace->mask] = (hf_trace_event){ trace->now_ns, kind, a, b };
    trace->added++;
    trace->digest = hf_hash_mix(hf_hash_mix(trace->digest ^ trace->now_ns) + a) + b;
}

/* Events kept now. */
uint64_t hf_trace_count(const hf_trace *trace);
/* The index-th event kept, 0 the oldest; index < count. */
const hf_trace_event *hf_trace_at(const hf_trace *trace, uint64_t index);
/* One line for each event kept, oldest first, to `line`: "<time_ns> <kind> <a> <b>", no newline. */
void hf_trace_dump(const hf_trace *trace, void (*line)(void *context, const char *text),
                   void *context);

#endif
