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

/* Copies to memory that does not overlap. Where gcc knows how many bytes they are at most it would
 * take an instruction that takes longer to begin than all of a key. */
static inline void hf_bytes_copy(uint8_t *to, hf_bytes from)
{
    size_t size = from.size;
    if (size == 0) {
        return;
    }
    __asm__("" : "+r"(size)); /* the bound is forgotten */
    memcpy(to, from.data, size);
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

static inline bool hf_bytes_equal(hf_bytes a, hf_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
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
