#include "engine/base/ring.h"

hf_err hf_ring_open(hf_ring *ring, hf_heap *heap, uint32_t capacity, uint32_t item_size)
{
    HF_PRE(capacity != 0 && capacity <= UINT32_C(1) << 31 && item_size != 0);
    uint32_t rounded = 1;
    while (rounded < capacity) {
        rounded *= 2;
    }
    *ring = (hf_ring){ .heap = heap, .item_size = item_size, .mask = rounded - 1 };
    ring->items = hf_heap_take(heap, (size_t)rounded * item_size);
    return ring->items == NULL ? HF_E_NOMEM : HF_OK;
}

void hf_ring_close(hf_ring *ring)
{
    hf_heap_give(ring->heap, ring->items);
    *ring = (hf_ring){ .heap = ring->heap };
}
