#include "engine/base/trace.h"
#include "engine/base/assert.h"
#include "engine/base/text.h"

hf_err hf_trace_open(hf_trace *trace, hf_heap *heap, uint32_t capacity)
{
    HF_PRE(capacity != 0 && capacity <= UINT32_C(1) << 31);
    uint64_t rounded = 1;
    while (rounded < capacity) {
        rounded *= 2;
    }
    *trace = (hf_trace){ .heap = heap, .mask = rounded - 1 };
    trace->events = hf_heap_take(heap, (size_t)rounded * sizeof(hf_trace_event));
    return trace->events == NULL ? HF_E_NOMEM : HF_OK;
}

void hf_trace_close(hf_trace *trace)
{
    hf_heap_give(trace->heap, trace->events);
    *trace = (hf_trace){ .heap = trace->heap };
}

uint64_t hf_trace_count(const hf_trace *trace)
{
    return trace->added <= trace->mask ? trace->added : trace->mask + 1;
}

const hf_trace_event *hf_trace_at(const hf_trace *trace, uint64_t index)
{
    HF_PRE(index < hf_trace_count(trace));
    uint64_t oldest = trace->added - hf_trace_count(trace);
    return &trace->events[(oldest + index) & trace->mask];
}

static void put_text(hf_writer *w, const char *text)
{
    enum { KIND_MOST = 64 };
    size_t size = strlen(text);
    hf_write_raw(w, text, size < KIND_MOST ? size : KIND_MOST);
}

static void put_number(hf_writer *w, uint64_t number)
{
    char digits[HF_TEXT_NUMBER];
    hf_write_raw(w, digits, hf_text_put_u64(digits, number));
}

void hf_trace_dump(const hf_trace *trace, void (*line)(void *context, const char *text),
                   void *context)
{
    for (uint64_t i = 0; i < hf_trace_count(trace); i++) {
        const hf_trace_event *event = hf_trace_at(trace, i);
        uint8_t text[192];
        hf_writer w = { text, text + sizeof text, false };
        put_number(&w, event->time_ns);
        put_text(&w, " ");
        put_text(&w, event->kind);
        put_text(&w, " ");
        put_number(&w, event->a);
        put_text(&w, " ");
        put_number(&w, event->b);
        hf_write_u8(&w, 0);
        HF_ASSERT(!w.full);
        line(context, (const char *)text);
    }
}
