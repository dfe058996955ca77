/* hf_prng: random numbers from a seed (xoshiro256++), for simulation, jitter and tests.
 *
 * The same seed gives the same numbers on every machine and compiler. Streams split: a child's
 * numbers do not depend on how many the parent draws later. Not for secrets.
 * Threads: one owner.
 */
#ifndef HF_BASE_PRNG_H
#define HF_BASE_PRNG_H
#include "engine/base/assert.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct hf_prng {
    uint64_t s[4];
} hf_prng;

/* splitmix64: spreads any number, 0 too, over 64 bits. */
static inline uint64_t hf_prng_mix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline hf_prng hf_prng_of(uint64_t seed)
{
    hf_prng p;
    for (int i = 0; i < 4; i++) {
        p.s[i] = hf_prng_mix(&seed);
    }
    return p;
}

/* Stream `number` of a seed: one for each node, core or client. */
static inline hf_prng hf_prng_stream(uint64_t seed, uint64_t number)
{
    uint64_t spread = hf_prng_mix(&number);
    return hf_prng_of(seed ^ spread);
}

static inline uint64_t hf_prng_next(hf_prng *p)
{
    uint64_t *s = p->s;
    uint64_t sum = s[0] + s[3];
    uint64_t out = (sum << 23 | sum >> 41) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return out;
}

static inline hf_prng hf_prng_split(hf_prng *p)
{
    return hf_prng_of(hf_prng_next(p));
}

/* 0 .. bound - 1, each alike; bound is not 0. */
static inline uint64_t hf_prng_below(hf_prng *p, uint64_t bound)
{
    HF_PRE(bound != 0);
    uint64_t uneven = (0 - bound) % bound; /* 2^64 mod bound: draws below it would count twice */
    uint64_t draw = hf_prng_next(p);
    while (draw < uneven) {
        draw = hf_prng_next(p);
    }
    return draw % bound;
}

/* least .. most, both included. */
static inline uint64_t hf_prng_range(hf_prng *p, uint64_t least, uint64_t most)
{
    HF_PRE(least <= most);
    uint64_t width = most - least + 1;
    return least + (width == 0 ? hf_prng_next(p) : hf_prng_below(p, width));
}

/* True `of` times in `in` on average. */
static inline bool hf_prng_chance(hf_prng *p, uint64_t of, uint64_t in)
{
    return hf_prng_below(p, in) < of;
}

static inline void hf_prng_fill(hf_prng *p, void *data, size_t size)
{
    uint8_t *at = data;
    while (size != 0) {
        uint64_t draw = hf_prng_next(p);
        size_t piece = size < sizeof draw ? size : sizeof draw;
        memcpy(at, &draw, piece);
        at += piece;
        size -= piece;
    }
}

#endif
