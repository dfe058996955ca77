#include "engine/io/pipe.h"
#include "engine/base/assert.h"
#include <stdalign.h>
#include <stdatomic.h>

enum { LINE = 64 };

struct hf_pipe {
    alignas(LINE) _Atomic(uint64_t) head; /* written by the sender: bytes put, ever */
    uint64_t tail_seen;                   /* the sender's */
    alignas(LINE) _Atomic(uint64_t) tail; /* written by the receiver: bytes taken, ever */
    uint64_t head_seen;                   /* the receiver's */
    alignas(LINE) uint32_t capacity;
    alignas(LINE) uint8_t data[];
};

size_t hf_pipe_size(uint32_t capacity)
{
    HF_PRE(capacity >= LINE && (capacity & (capacity - 1)) == 0);
    return sizeof(hf_pipe) + capacity;
}

hf_pipe *hf_pipe_open(void *at, uint32_t capacity)
{
    HF_PRE(((uintptr_t)at & (LINE - 1)) == 0);
    hf_pipe *pipe = at;
    pipe->capacity = capacity;
    hf_pipe_clear(pipe);
    return pipe;
}

void hf_pipe_clear(hf_pipe *pipe)
{
    atomic_store_explicit(&pipe->head, 0, memory_order_relaxed);
    atomic_store_explicit(&pipe->tail, 0, memory_order_relaxed);
    pipe->tail_seen = pipe->head_seen = 0;
}

static uint64_t room(hf_pipe *pipe, uint64_t head, uint32_t wanted)
{
    if (pipe->capacity - (head - pipe->tail_seen) < wanted) {
        pipe->tail_seen = atomic_load_explicit(&pipe->tail, memory_order_acquire);
        HF_ASSERT(head - pipe->tail_seen <= pipe->capacity);
    }
    return pipe->capacity - (head - pipe->tail_seen);
}

bool hf_pipe_fits(hf_pipe *pipe, uint32_t size)
{
    uint64_t head = atomic_load_explicit(&pipe->head, memory_order_relaxed);
    return room(pipe, head, size) >= size;
}

uint32_t hf_pipe_put(hf_pipe *pipe, hf_bytes bytes)
{
    uint64_t head = atomic_load_explicit(&pipe->head, memory_order_relaxed);
    uint64_t fits = room(pipe, head, bytes.size);
    uint32_t size = bytes.size < fits ? bytes.size : (uint32_t)fits;
    uint32_t at = (uint32_t)(head & (pipe->capacity - 1));
    uint32_t first = pipe->capacity - at < size ? pipe->capacity - at : size;
    if (size == 0) {
        return 0;
    }
    memcpy(pipe->data + at, bytes.data, first);
    memcpy(pipe->data, bytes.data + first, size - first);
    atomic_store_explicit(&pipe->head, head + size, memory_order_release);
    return size;
}

static uint64_t filled(hf_pipe *pipe, uint64_t tail, uint64_t wanted)
{
    if (pipe->head_seen - tail < wanted) {
        pipe->head_seen = atomic_load_explicit(&pipe->head, memory_order_acquire);
        HF_ASSERT(pipe->head_seen - tail <= pipe->capacity);
    }
    return pipe->head_seen - tail;
}

hf_bytes hf_pipe_peek(hf_pipe *pipe)
{
    uint64_t tail = atomic_load_explicit(&pipe->tail, memory_order_relaxed);
    uint64_t size = filled(pipe, tail, 1);
    uint32_t at = (uint32_t)(tail & (pipe->capacity - 1));
    uint64_t piece = pipe->capacity - at;
    return hf_bytes_of(pipe->data + at, size < piece ? size : piece);
}

uint32_t hf_pipe_filled(hf_pipe *pipe)
{
    uint64_t tail = atomic_load_explicit(&pipe->tail, memory_order_relaxed);
    return (uint32_t)filled(pipe, tail, pipe->capacity);
}

void hf_pipe_copy(hf_pipe *pipe, uint32_t offset, void *to, uint32_t size)
{
    uint64_t tail = atomic_load_explicit(&pipe->tail, memory_order_relaxed);
    HF_PRE(pipe->head_seen - tail >= (uint64_t)offset + size);
    uint32_t at = (uint32_t)((tail + offset) & (pipe->capacity - 1));
    uint32_t first = pipe->capacity - at < size ? pipe->capacity - at : size;
    if (size != 0) {
        memcpy(to, pipe->data + at, first);
        memcpy((uint8_t *)to + first, pipe->data, size - first);
    }
}

void hf_pipe_take(hf_pipe *pipe, uint32_t size)
{
    uint64_t tail = atomic_load_explicit(&pipe->tail, memory_order_relaxed);
    HF_PRE(pipe->head_seen - tail >= size);
    atomic_store_explicit(&pipe->tail, tail + size, memory_order_release);
}
