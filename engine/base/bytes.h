/* hf_bytes: borrowed bytes; hf_writer and hf_reader: bounded little-endian encoding over them.
 *
 * Ownership:  nothing here owns memory. Errors are sticky: write or read on, check once at the end.
 * Threads:    plain data.
 * All stored and sent integers are little-endian; a big-endian host does not compile.
 */
#ifndef HF_BASE_BYTES_H
#define HF_BASE_BYTES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored integers are little-endian");

typedef struct hf_bytes {
    const uint8_t *data;
    uint32_t size;
} hf_bytes;

static inline hf_bytes hf_bytes_of(const void *data, size_t size)
{
    hf_bytes b = { (const uint8_t *)data, (uint32_t)size };
    return b;
}

/* Copies to memory that does not overlap; `data` may be NULL when there is nothing to copy. What is
 * as long as most keys and values is two moves that may overlap, and no call. What gcc knows of
 * them is forgotten: where it knows the most that a size can be it would take an instruction that
 * takes longer to begin than all of a key, and where it knows an array it would warn of moves that
 * are never made. */
static inline void hf_copy(void *to, const void *data, size_t size)
{
    uint8_t *at = to;
    const uint8_t *from = data;
    __asm__("" : "+r"(size), "+r"(from), "+r"(at));
    if (size >= 16 && size <= 32) {
        memcpy(at, from, 16);
        memcpy(at + size - 16, from + size - 16, 16);
    } else if (size >= 8 && size < 16) {
        uint64_t first;
        uint64_t last;
        memcpy(&first, from, sizeof first);
        memcpy(&last, from + size - sizeof last, sizeof last);
        memcpy(at, &first, sizeof first);
        memcpy(at + size - sizeof last, &last, sizeof last);
    } else if (size != 0) {
        memcpy(at, from, size);
    }
}

static inline void hf_bytes_copy(uint8_t *to, hf_bytes from)
{
    hf_copy(to, from.data, from.size);
}

/* A string literal as bytes, without its end. */
#define HF_LIT(text) hf_bytes_of("" text, sizeof(text) - 1)

static inline int hf_bytes_compare(hf_bytes a, hf_bytes b)
{
    uint32_t least = a.size < b.size ? a.size : b.size;
    int order = least == 0 ? 0 : memcmp(a.data, b.data, least);
    if (order != 0) {
        return order;
    }
    return a.size < b.size ? -1 : a.size > b.size;
}

static inline uint64_t hf_bytes__differ(const uint8_t *a, const uint8_t *b)
{
    uint64_t x;
    uint64_t y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x ^ y;
}

/* Of the length of most keys: words that may overlap, and no call. */
static inline bool hf_bytes_equal(hf_bytes a, hf_bytes b)
{
    uint32_t size = a.size;
    if (size != b.size) {
        return false;
    }
    if (size >= 16 && size <= 32) {
        const uint8_t *p = a.data + size - 16;
        const uint8_t *q = b.data + size - 16;
        return (hf_bytes__differ(a.data, b.data) | hf_bytes__differ(a.data + 8, b.data + 8) |
                hf_bytes__differ(p, q) | hf_bytes__differ(p + 8, q + 8)) == 0;
    }
    if (size >= 8 && size < 16) {
        uint32_t last = size - 8;
        return (hf_bytes__differ(a.data, b.data) |
                hf_bytes__differ(a.data + last, b.data + last)) == 0;
    }
    return size == 0 || memcmp(a.data, b.data, size) == 0;
}

typedef struct hf_writer {
    uint8_t *at;
    uint8_t *end;
    bool full; /* sticky: something did not fit and was left out */
} hf_writer;

static inline void hf_write_raw(hf_writer *w, const void *data, size_t size)
{
    if (w->full || (size_t)(w->end - w->at) < size) {
        w->full = true;
        return;
    }
    if (size != 0) {
        memcpy(w->at, data, size);
        w->at += size;
    }
}
static inline void hf_write_u8(hf_writer *w, uint8_t v)
{
    hf_write_raw(w, &v, sizeof v);
}
static inline void hf_write_u16(hf_writer *w, uint16_t v)
{
    hf_write_raw(w, &v, sizeof v);
}
static inline void hf_write_u32(hf_writer *w, uint32_t v)
{
    hf_write_raw(w, &v, sizeof v);
}
static inline void hf_write_u64(hf_writer *w, uint64_t v)
{
    hf_write_raw(w, &v, sizeof v);
}
/* u32 size, then the bytes. */
static inline void hf_write_bytes(hf_writer *w, hf_bytes b)
{
    hf_write_u32(w, b.size);
    hf_write_raw(w, b.data, b.size);
}

typedef struct hf_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad; /* sticky: more was asked for than there is; reads answer zero from then on */
} hf_reader;

static inline hf_reader hf_reader_of(hf_bytes b)
{
    hf_reader r = { b.data, b.size == 0 ? b.data : b.data + b.size, false }; /* data may be NULL */
    return r;
}
static inline uint32_t hf_reader_left(const hf_reader *r)
{
    return (uint32_t)(r->end - r->at);
}
static inline void hf_read_raw(hf_reader *r, void *data, size_t size)
{
    if (r->bad || (size_t)(r->end - r->at) < size) {
        r->bad = true;
        memset(data, 0, size);
        return;
    }
    memcpy(data, r->at, size);
    r->at += size;
}
static inline uint8_t hf_read_u8(hf_reader *r)
{
    uint8_t v;
    hf_read_raw(r, &v, sizeof v);
    return v;
}
static inline uint16_t hf_read_u16(hf_reader *r)
{
    uint16_t v;
    hf_read_raw(r, &v, sizeof v);
    return v;
}
static inline uint32_t hf_read_u32(hf_reader *r)
{
    uint32_t v;
    hf_read_raw(r, &v, sizeof v);
    return v;
}
static inline uint64_t hf_read_u64(hf_reader *r)
{
    uint64_t v;
    hf_read_raw(r, &v, sizeof v);
    return v;
}
/* Lends the next `size` bytes in place. */
static inline hf_bytes hf_read_lent(hf_reader *r, uint32_t size)
{
    if (r->bad || (size_t)(r->end - r->at) < size) {
        r->bad = true;
        return hf_bytes_of(NULL, 0);
    }
    hf_bytes b = hf_bytes_of(r->at, size);
    r->at += size;
    return b;
}
/* u32 size, then the bytes, lent in place. */
static inline hf_bytes hf_read_bytes(hf_reader *r)
{
    return hf_read_lent(r, hf_read_u32(r));
}

#endif
