#include "engine/base/buf.h"
#include "engine/base/assert.h"

enum { BUF_LEAST = 64 };

void hf_buf_close(hf_buf *buf)
{
    hf_heap_give(buf->heap, buf->data);
    *buf = (hf_buf){ .heap = buf->heap };
}

bool hf_buf_reserve(hf_buf *buf, uint32_t more)
{
    if (buf->failed) {
        return false;
    }
    if (buf->capacity - buf->size >= more) {
        return true;
    }
    uint64_t need = (uint64_t)buf->size + more;
    uint64_t capacity = buf->capacity < BUF_LEAST ? BUF_LEAST : buf->capacity;
    while (capacity < need) {
        capacity *= 2;
    }
    if (capacity > UINT32_MAX) {
        buf->failed = true;
        return false;
    }
    uint8_t *data = hf_heap_take(buf->heap, (size_t)capacity);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    if (buf->size != 0) {
        memcpy(data, buf->data, buf->size);
    }
    hf_heap_give(buf->heap, buf->data);
    buf->data = data;
    buf->capacity = (uint32_t)capacity;
    return true;
}
