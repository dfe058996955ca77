/* A heap for one benchmark, from the system's memory. */
#ifndef HF_BENCH_MICRO_MEMORY_H
#define HF_BENCH_MICRO_MEMORY_H
#include "engine/base/assert.h"
#include "engine/base/heap.h"
#include <stdlib.h>

enum { HF_MICRO_REGION_ALIGN = 1 << 16 };

static inline hf_heap *hf_micro_heap(size_t size)
{
    void *region = aligned_alloc(HF_MICRO_REGION_ALIGN, size);
    HF_ASSERT(region != NULL);
    return hf_heap_open(region, size);
}

/* The heap lies at the start of its region. */
static inline void hf_micro_heap_end(hf_heap *heap)
{
    hf_heap_close(heap);
    free(heap);
}

#endif
