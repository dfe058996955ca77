/* hf_world_prng: one stream of the simulator's random numbers (xoshiro256**, integers only).
 *
 * Each subsystem draws from a stream of its own, so that a draw more in one does not disturb
 * another. No floating point: the numbers are the same on every compiler.
 */
#ifndef HF_TESTS_SIM_WORLD_PRNG_H
#define HF_TESTS_SIM_WORLD_PRNG_H
#include <stdbool.h>
#include <stdint.h>

typedef struct hf_world_prng {
    uint64_t s[4];
} hf_world_prng;

static inline uint64_t hf_world_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline void hf_world_prng_seed(hf_world_prng *p, uint64_t seed, uint64_t stream)
{
    uint64_t x = hf_world_mix(seed) ^ hf_world_mix(~stream);
    for (int i = 0; i < 4; i++) {
        x = hf_world_mix(x);
        p->s[i] = x;
    }
    p->s[0] |= 1; /* never all zeros */
}

static inline uint64_t hf_world_prng_next(hf_world_prng *p)
{
    uint64_t *s = p->s;
    uint64_t r = s[1] * 5;
    r = ((r << 7) | (r >> 57)) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return r;
}

/* Uniform in [0, n); 0 for n == 0. */
static inline uint64_t hf_world_prng_below(hf_world_prng *p, uint64_t n)
{
    uint64_t r = hf_world_prng_next(p);
    if (n <= UINT32_MAX) {
        return ((r >> 32) * n) >> 32;
    }
    return r % n;
}

/* Uniform in [low, high]. */
static inline uint64_t hf_world_prng_between(hf_world_prng *p, uint64_t low, uint64_t high)
{
    return high <= low ? low + (hf_world_prng_next(p) & 0)
                       : low + hf_world_prng_below(p, high - low + 1);
}

/* True with a chance of ppm in a million. Always draws once. */
static inline bool hf_world_prng_chance(hf_world_prng *p, uint32_t ppm)
{
    return hf_world_prng_below(p, 1000000) < ppm;
}

static inline bool hf_world_prng_coin(hf_world_prng *p)
{
    return (hf_world_prng_next(p) >> 63) != 0;
}

/* Roughly exponential with this mean: most draws short, a few many times longer. -log2(u) is taken
 * as leading zeros plus a linear fraction; mean below 2^44. */
static inline uint64_t hf_world_prng_expo(hf_world_prng *p, uint64_t mean)
{
    uint64_t r = hf_world_prng_next(p) | 1;
    unsigned zeros = (unsigned)__builtin_clzll(r);
    uint64_t fraction = zeros == 63 ? 0 : (r << (zeros + 1)) >> 32;
    uint64_t log2 = ((uint64_t)(zeros + 1) << 32) - fraction;
    uint64_t x = (mean * (log2 >> 22)) >> 10;
    return (x / 1024) * 710 + ((x % 1024) * 710) / 1024;
}

/* A fast hash of bytes, for the run hash and for finding lent memory that changed. */
static inline uint64_t hf_world_hash(uint64_t h, const void *data, uint64_t size)
{
    const unsigned char *at = data;
    h ^= size * 0x9e3779b97f4a7c15u;
    while (size >= 8) {
        uint64_t x;
        __builtin_memcpy(&x, at, 8);
        h = (h ^ x) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
        at += 8;
        size -= 8;
    }
    if (size != 0) {
        uint64_t x = 0;
        __builtin_memcpy(&x, at, size);
        h = (h ^ x) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

#endif
