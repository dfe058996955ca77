#include "engine/base/crc32c.h"
#include "engine/base/crc32c_impl.h"

#include <string.h>

#if defined(__SSE4_2__) && defined(__x86_64__)
#include <nmmintrin.h>
#define CRC_HARDWARE 1
#else
#define CRC_HARDWARE 0
#endif

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

uint32_t hf_crc32c__portable(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *at = data;
    crc = ~crc;
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word = load_u64(at) ^ crc;
        crc = 0;
        for (uint32_t k = 0; k < 16; k++) {
            crc ^= crc_word[k][word >> (4 * k) & 15];
        }
    }
    for (; size != 0; size--, at++) {
        /* One byte moves like the last of eight. */
        uint32_t low = (crc ^ *at) & 0xff;
        crc = (crc >> 8) ^ crc_word[14][low & 15] ^ crc_word[15][low >> 4];
    }
    return ~crc;
}

#if CRC_HARDWARE

static uint32_t carry_over(const uint32_t table[8][16], uint32_t crc)
{
    uint32_t out = 0;
    for (uint32_t k = 0; k < 8; k++) {
        out ^= table[k][crc >> (4 * k) & 15];
    }
    return out;
}

/* The instruction takes three cycles but one may start every cycle: three neighbouring streams keep
 * it busy, and the first two results are then carried over the bytes that follow them. */
static uint32_t three_streams(uint32_t crc, const uint8_t *at, size_t stride,
                              const uint32_t table[8][16])
{
    uint64_t a = crc;
    uint64_t b = 0;
    uint64_t c = 0;
    for (const uint8_t *end = at + stride; at != end; at += 8) {
        a = _mm_crc32_u64(a, load_u64(at));
        b = _mm_crc32_u64(b, load_u64(at + stride));
        c = _mm_crc32_u64(c, load_u64(at + 2 * stride));
    }
    crc = carry_over(table, (uint32_t)a) ^ (uint32_t)b;
    return carry_over(table, crc) ^ (uint32_t)c;
}

/* Less than eight bytes. */
static uint32_t tail(uint32_t crc, const uint8_t *at, size_t size)
{
    if ((size & 4) != 0) {
        uint32_t word;
        memcpy(&word, at, sizeof word);
        crc = _mm_crc32_u32(crc, word);
        at += 4;
    }
    if ((size & 2) != 0) {
        uint16_t word;
        memcpy(&word, at, sizeof word);
        crc = _mm_crc32_u16(crc, word);
        at += 2;
    }
    return (size & 1) != 0 ? _mm_crc32_u8(crc, *at) : crc;
}

uint32_t hf_crc32c(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *at = data;
    crc = ~crc;
    for (; size >= (size_t)3 * CRC_LONG; size -= (size_t)3 * CRC_LONG, at += 3 * CRC_LONG) {
        crc = three_streams(crc, at, CRC_LONG, crc_over_long);
    }
    for (; size >= (size_t)3 * CRC_SHORT; size -= (size_t)3 * CRC_SHORT, at += 3 * CRC_SHORT) {
        crc = three_streams(crc, at, CRC_SHORT, crc_over_short);
    }
    uint64_t wide = crc;
    for (; size >= 32; size -= 32, at += 32) {
        wide = _mm_crc32_u64(wide, load_u64(at));
        wide = _mm_crc32_u64(wide, load_u64(at + 8));
        wide = _mm_crc32_u64(wide, load_u64(at + 16));
        wide = _mm_crc32_u64(wide, load_u64(at + 24));
    }
    for (; size >= 8; size -= 8, at += 8) {
        wide = _mm_crc32_u64(wide, load_u64(at));
    }
    return ~tail((uint32_t)wide, at, size);
}

#else

uint32_t hf_crc32c(uint32_t crc, const void *data, size_t size)
{
    return hf_crc32c__portable(crc, data, size);
}

#endif
