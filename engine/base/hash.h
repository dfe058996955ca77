/* Keyed hashes.
 *
 * hf_hash64 is SipHash-1-3: keys of the table come from clients, and a client that cannot predict
 * the hash cannot flood one bucket. hf_hash_id is a few instructions, for ids that we hand out.
 * Neither depends on the machine; the seed comes from the caller (drawn at start, fixed in tests).
 */
#ifndef HF_BASE_HASH_H
#define HF_BASE_HASH_H
#include <stddef.h>
#include <stdint.h>

uint64_t hf_siphash13(uint64_t key0, uint64_t key1, const void *data, size_t size);

/* SipHash-1-3 under a key spread from a 64-bit seed. */
uint64_t hf_hash64(uint64_t seed, const void *data, size_t size);

static inline uint64_t hf_hash_mix(uint64_t x)
{
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

/* For numbers of our own making; a client that knows the seed can collide it. */
static inline uint64_t hf_hash_id(uint64_t seed, uint64_t high, uint64_t low)
{
    return hf_hash_mix(hf_hash_mix(low ^ seed) + high);
}

#endif
