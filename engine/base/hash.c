#include "engine/base/hash.h"

#include <string.h>

typedef struct sip {
    uint64_t v0, v1, v2, v3;
} sip;

static inline uint64_t turn(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(sip *s)
{
    s->v0 += s->v1;
    s->v1 = turn(s->v1, 13) ^ s->v0;
    s->v0 = turn(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = turn(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = turn(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = turn(s->v1, 17) ^ s->v2;
    s->v2 = turn(s->v2, 32);
}

static inline void sip_take(sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* The last size % 8 bytes, little-endian, under the size. */
static inline uint64_t sip_tail(const uint8_t *at, size_t size)
{
    uint64_t word = (uint64_t)size << 56;
    uint32_t half;
    size_t left = size & 7;
    if (left >= 4) { /* two loads that may overlap are cheaper than a loop */
        memcpy(&half, at, 4);
        uint64_t low = half;
        memcpy(&half, at + left - 4, 4);
        return word | low | (uint64_t)half << (8 * (left - 4));
    }
    if (left != 0) {
        word |= (uint64_t)at[0] | (uint64_t)at[left / 2] << (8 * (left / 2)) |
                (uint64_t)at[left - 1] << (8 * (left - 1));
    }
    return word;
}

uint64_t hf_siphash13(uint64_t key0, uint64_t key1, const void *data, size_t size)
{
    sip s = { key0 ^ UINT64_C(0x736f6d6570736575), key1 ^ UINT64_C(0x646f72616e646f6d),
              key0 ^ UINT64_C(0x6c7967656e657261), key1 ^ UINT64_C(0x7465646279746573) };
    const uint8_t *at = data;
    for (size_t i = size / 8; i != 0; i--, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        sip_take(&s, word);
    }
    sip_take(&s, sip_tail(at, size));
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hf_hash64(uint64_t seed, const void *data, size_t size)
{
    return hf_siphash13(seed, hf_hash_mix(seed + UINT64_C(0x9e3779b97f4a7c15)), data, size);
}
