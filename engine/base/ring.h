/* hf_ring: a queue of fixed capacity for items of one size, in a bounded heap.
 *
 * Invariants: count <= capacity; capacity is a power of two.
 * Ownership:  the heap lends the memory from open to close; items are copied in and out, or claimed
 *             and read in place (such a pointer ends with the next push or pop).
 * Cost:       O(1), no allocation after open; full answers false.
 * Threads:    one core only (rings between cores are the mailboxes of engine/shard).
 */
#ifndef HF_BASE_RING_H
#define HF_BASE_RING_H
#include "engine/base/assert.h"
#include "engine/base/error.h"
#include "engine/base/heap.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct hf_ring {
    hf_heap *heap;
    uint8_t *items;
    uint32_t item_size;
    uint32_t mask;
    uint32_t head; /* next to pop; both run freely and wrap at 2^32 */
    uint32_t tail; /* next to push */
} hf_ring;

/* capacity is rounded up to a power of two. HF_E_NOMEM: the heap is full. */
HF_MUST_USE hf_err hf_ring_open(hf_ring *ring, hf_heap *heap, uint32_t capacity,
                                uint32_t item_size);
void hf_ring_close(hf_ring *ring);

static inline uint32_t hf_ring_capacity(const hf_ring *ring)
{
    return ring->mask + 1;
}
static inline uint32_t hf_ring_count(const hf_ring *ring)
{
    return ring->tail - ring->head;
}
static inline bool hf_ring_empty(const hf_ring *ring)
{
    return ring->tail == ring->head;
}
static inline bool hf_ring_full(const hf_ring *ring)
{
    return ring->tail - ring->head > ring->mask;
}
static inline void *hf_ring__slot(const hf_ring *ring, uint32_t position)
{
    return ring->items + (size_t)(position & ring->mask) * ring->item_size;
}
/* Pushes an item for the caller to fill in place; NULL when full. */
static inline void *hf_ring_claim(hf_ring *ring)
{
    return hf_ring_full(ring) ? NULL : hf_ring__slot(ring, ring->tail++);
}
/* False when full. */
HF_MUST_USE static inline bool hf_ring_push(hf_ring *ring, const void *item)
{
    void *slot = hf_ring_claim(ring);
    if (slot == NULL) {
        return false;
    }
    memcpy(slot, item, ring->item_size);
    return true;
}
/* The index-th oldest item, in place. */
static inline void *hf_ring_at(const hf_ring *ring, uint32_t index)
{
    HF_PRE(index < hf_ring_count(ring));
    return hf_ring__slot(ring, ring->head + index);
}
/* The oldest item, in place; NULL when empty. */
static inline void *hf_ring_front(const hf_ring *ring)
{
    return hf_ring_empty(ring) ? NULL : hf_ring__slot(ring, ring->head);
}
static inline void hf_ring_drop(hf_ring *ring)
{
    HF_PRE(!hf_ring_empty(ring));
    ring->head++;
}
/* Copies the oldest item out; false when empty. */
static inline bool hf_ring_pop(hf_ring *ring, void *item)
{
    if (hf_ring_empty(ring)) {
        return false;
    }
    memcpy(item, hf_ring__slot(ring, ring->head++), ring->item_size);
    return true;
}

#endif
