#include "engine/io/mesh.h"
#include "engine/base/assert.h"
#include <ck_ring.h>
#include <stdalign.h>
#include <stdatomic.h>

/* ThreadSanitizer does not see the barriers of Concurrency Kit: these tell it what the ring orders.
 * The only place where the two meet. Goes with `race:ck_ring` in tests/check/tsan.supp. */
#if defined(__SANITIZE_THREAD__)
#define MESH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MESH_TSAN 1
#endif
#endif
#ifdef MESH_TSAN
void __tsan_acquire(void *at);
void __tsan_release(void *at);
#define ORDER_BEFORE_ENQUEUE(pair) __tsan_release(&(pair)->ring)
#define ORDER_AFTER_DEQUEUE(pair) __tsan_acquire(&(pair)->ring)
#else
#define ORDER_BEFORE_ENQUEUE(pair) ((void)(pair))
#define ORDER_AFTER_DEQUEUE(pair) ((void)(pair))
#endif

enum { LINE = 64 };

/* Four groups on lines of their own: what both read, what the receiver writes, what the sender
 * writes for itself, and what never changes. */
typedef struct mesh_pair {
    alignas(LINE) ck_ring_t ring;
    alignas(LINE) _Atomic(uint64_t) done; /* written by the receiver: messages handled, ever */
    uint64_t taken;                       /* the receiver's */
    alignas(LINE) hf_msg *out_first;      /* the sender's from here */
    hf_msg *out_last;
    uint64_t sent; /* messages put into the ring, ever */
    uint64_t seen; /* messages given back to the maker, ever */
    alignas(LINE) ck_ring_buffer_t *slots;
    hf_msg **flight; /* the sender's: message number n is at n & mask until it came back */
    uint32_t mask;
} mesh_pair;

struct hf_mesh {
    uint16_t core_count;
    uint32_t slots;
    alignas(LINE) mesh_pair pairs[];
};

static mesh_pair *pair_of(hf_mesh *mesh, uint16_t from, uint16_t to)
{
    HF_PRE(from < mesh->core_count && to < mesh->core_count && from != to);
    return &mesh->pairs[(uint32_t)from * mesh->core_count + to];
}

static const mesh_pair *const_pair_of(const hf_mesh *mesh, uint16_t from, uint16_t to)
{
    HF_PRE(from < mesh->core_count && to < mesh->core_count && from != to);
    return &mesh->pairs[(uint32_t)from * mesh->core_count + to];
}

static size_t slots_size(uint32_t slots)
{
    return (size_t)slots * (sizeof(ck_ring_buffer_t) + sizeof(hf_msg *));
}

size_t hf_mesh_size(uint16_t core_count, uint32_t slots)
{
    HF_PRE(core_count > 0);
    HF_PRE(slots >= HF_MESH_SLOTS_MIN && slots <= HF_MESH_SLOTS_MAX);
    HF_PRE((slots & (slots - 1)) == 0);
    size_t pairs = (size_t)core_count * core_count;
    return sizeof(hf_mesh) + pairs * (sizeof(mesh_pair) + slots_size(slots)) + LINE;
}

hf_mesh *hf_mesh_open(void *at, uint16_t core_count, uint32_t slots)
{
    HF_PRE(((uintptr_t)at & (LINE - 1)) == 0);
    hf_mesh *mesh = at;
    size_t pairs = (size_t)core_count * core_count;
    uint8_t *rest = (uint8_t *)(mesh->pairs + pairs);
    mesh->core_count = core_count;
    mesh->slots = slots;
    for (size_t i = 0; i < pairs; i++) {
        mesh_pair *pair = &mesh->pairs[i];
        ck_ring_init(&pair->ring, slots);
        atomic_init(&pair->done, 0);
        pair->slots = (void *)rest;
        pair->flight = (void *)(rest + (size_t)slots * sizeof(ck_ring_buffer_t));
        pair->mask = slots - 1;
        rest += slots_size(slots);
    }
    HF_POST((size_t)(rest - (uint8_t *)at) <= hf_mesh_size(core_count, slots));
    return mesh;
}

void hf_mesh_post(hf_mesh *mesh, uint16_t from, uint16_t to, hf_msg *msg)
{
    mesh_pair *pair = pair_of(mesh, from, to);
    msg->next = NULL;
    if (pair->out_first == NULL) {
        pair->out_first = msg;
    } else {
        pair->out_last->next = msg;
    }
    pair->out_last = msg;
}

uint32_t hf_mesh_flush(hf_mesh *mesh, uint16_t from, uint16_t to)
{
    mesh_pair *pair = pair_of(mesh, from, to);
    uint32_t moved = 0;
    while (pair->out_first != NULL && pair->sent - pair->seen < pair->mask) {
        hf_msg *msg = pair->out_first;
        pair->out_first = msg->next;
        msg->next = NULL;
        pair->flight[pair->sent & pair->mask] = msg;
        pair->sent++;
        ORDER_BEFORE_ENQUEUE(pair);
        /* What has come back has been taken before, so the ring is never fuller than the flight. */
        bool entered = ck_ring_enqueue_spsc(&pair->ring, pair->slots, msg);
        HF_ASSERT(entered);
        moved++;
    }
    return moved;
}

bool hf_mesh_has_back(const hf_mesh *mesh, uint16_t from, uint16_t to)
{
    const mesh_pair *pair = const_pair_of(mesh, from, to);
    return pair->sent != pair->seen &&
           atomic_load_explicit(&pair->done, memory_order_relaxed) != pair->seen;
}

uint32_t hf_mesh_back(hf_mesh *mesh, uint16_t from, uint16_t to, hf_msg **msgs, uint32_t max)
{
    mesh_pair *pair = pair_of(mesh, from, to);
    if (pair->sent == pair->seen) {
        return 0; /* nothing is out: the receiver's line stays where it is */
    }
    uint64_t done = atomic_load_explicit(&pair->done, memory_order_acquire);
    HF_ASSERT(done >= pair->seen && done <= pair->sent);
    uint32_t count = 0;
    while (pair->seen != done && count < max) {
        msgs[count++] = pair->flight[pair->seen & pair->mask];
        pair->seen++;
    }
    return count;
}

bool hf_mesh_waiting(const hf_mesh *mesh, uint16_t from, uint16_t to)
{
    return const_pair_of(mesh, from, to)->out_first != NULL;
}

bool hf_mesh_has(const hf_mesh *mesh, uint16_t from, uint16_t to)
{
    return ck_ring_size(&const_pair_of(mesh, from, to)->ring) != 0;
}

uint32_t hf_mesh_take(hf_mesh *mesh, uint16_t from, uint16_t to, const hf_msg **msgs, uint32_t max)
{
    mesh_pair *pair = pair_of(mesh, from, to);
    uint32_t count = 0;
    void *msg;
    while (count < max && ck_ring_dequeue_spsc(&pair->ring, pair->slots, &msg)) {
        ORDER_AFTER_DEQUEUE(pair);
        __builtin_prefetch(msg);
        msgs[count++] = msg;
    }
    pair->taken += count;
    return count;
}

void hf_mesh_done(hf_mesh *mesh, uint16_t from, uint16_t to, uint32_t count)
{
    mesh_pair *pair = pair_of(mesh, from, to);
    uint64_t done = atomic_load_explicit(&pair->done, memory_order_relaxed) + count;
    HF_PRE(done <= pair->taken);
    atomic_store_explicit(&pair->done, done, memory_order_release);
}
