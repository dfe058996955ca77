/* hf_buf: a growable byte buffer in a bounded heap, for replies, mutations and messages.
 *
 * Growth doubles; when the heap is full the buffer turns `failed` (sticky) and ignores further
 * writes, so that a long encoding is checked once, at its end. reset() keeps the memory: a buffer
 * that is reused costs no allocation in steady state.
 *
 * Threads: one core only.
 */
#ifndef HF_BASE_BUF_H
#define HF_BASE_BUF_H
#include "engine/base/assert.h"
#include "engine/base/bytes.h"
#include "engine/base/heap.h"

typedef struct hf_buf {
    hf_heap *heap;
    uint8_t *data;
    uint32_t size;
    uint32_t capacity;
    bool failed;
} hf_buf;

static inline void hf_buf_open(hf_buf *buf, hf_heap *heap)
{
    *buf = (hf_buf){ .heap = heap };
}
void hf_buf_close(hf_buf *buf); /* gives the memory back; the buffer may be opened again */
static inline void hf_buf_reset(hf_buf *buf)
{
    buf->size = 0;
    buf->failed = false;
}
/* Makes room for `more` bytes beyond size; false (and failed) when the heap is full. */
bool hf_buf_reserve(hf_buf *buf, uint32_t more);
/* Extends by `size` bytes and lends them for writing; NULL when failed. */
static inline uint8_t *hf_buf_extend(hf_buf *buf, uint32_t size)
{
    bool fits = buf->capacity - buf->size >= size && !buf->failed;
    if (!fits && !hf_buf_reserve(buf, size)) {
        return NULL;
    }
    buf->size += size;
    return buf->data + (buf->size - size);
}
/* When more than `most` bytes of memory are kept, gives them back (after a rare huge reply). */
static inline void hf_buf_trim(hf_buf *buf, uint32_t most)
{
    if (buf->capacity > most) {
        hf_buf_close(buf);
    }
}

static inline void hf_buf_raw(hf_buf *buf, const void *data, uint32_t size)
{
    if (size == 0) { /* a buffer without memory yet has no place to point at */
        return;
    }
    uint8_t *at = hf_buf_extend(buf, size);
    if (at != NULL) {
        HF_ASSERT(data != NULL);
        if (__builtin_constant_p(size)) {
            memcpy(at, data, size);
        } else {
            hf_copy(at, data, size);
        }
    }
}
static inline void hf_buf_u8(hf_buf *buf, uint8_t v)
{
    hf_buf_raw(buf, &v, sizeof v);
}
static inline void hf_buf_u16(hf_buf *buf, uint16_t v)
{
    hf_buf_raw(buf, &v, sizeof v);
}
static inline void hf_buf_u32(hf_buf *buf, uint32_t v)
{
    hf_buf_raw(buf, &v, sizeof v);
}
static inline void hf_buf_u64(hf_buf *buf, uint64_t v)
{
    hf_buf_raw(buf, &v, sizeof v);
}
/* u32 size, then the bytes: what hf_read_bytes reads. */
static inline void hf_buf_bytes(hf_buf *buf, hf_bytes b)
{
    hf_buf_u32(buf, b.size);
    hf_buf_raw(buf, b.data, b.size);
}
static inline hf_bytes hf_buf_view(const hf_buf *buf)
{
    return hf_bytes_of(buf->data, buf->size);
}

#endif
