/* hf_range_map: which shard owns which keys. Every shard has a copy of the whole map; the owner's
 * own word counts, and a stale copy costs one more hop.
 *
 * Ranges cover all internal keys (space byte first) without gaps: the range at i reaches to the
 * start of the next. Each has a generation that grows with every split and move: of two claims, the
 * higher one holds.
 */
#ifndef HF_SHARD_RANGE_H
#define HF_SHARD_RANGE_H
#include "engine/base/buf.h"
#include "engine/base/error.h"

enum { HF_RANGES_MAX = 1024 };

typedef struct hf_range {
    uint64_t id;
    uint64_t generation;
    uint16_t shard;
    bool frozen;         /* it is moving away: requests wait */
    uint64_t operations; /* since the last look of the balancer */
    uint64_t recent;     /* in the second before */
    hf_bytes start;      /* owned by the map */
    uint64_t head[2];    /* its first 16 bytes, as numbers that order as they do */
} hf_range;

typedef struct hf_range_map {
    hf_heap *heap;
    hf_range *ranges; /* ascending by start; the first starts with the empty key */
    uint32_t count;
    uint32_t changes; /* from 1: grows when a key gets another owner */
} hf_range_map;

HF_MUST_USE bool hf_range_map_open(hf_range_map *map, hf_heap *heap);
void hf_range_map_clear(hf_range_map *map);
/* Index of the range that holds the key. */
uint32_t hf_range_find(const hf_range_map *map, hf_bytes key);
/* The same of a key whose space byte does not stand before it. */
uint32_t hf_range_find_user(const hf_range_map *map, uint8_t space, hf_bytes user);
/* The same, sooner if it is `guess`: as another shard's map has it. */
uint32_t hf_range_find_near(const hf_range_map *map, hf_bytes key, uint32_t guess);
/* The end of the range at `index`: empty for the last. */
hf_bytes hf_range_end(const hf_range_map *map, uint32_t index);
/* Adds or replaces (same start) a range by generation. HF_E_FULL, HF_E_NOMEM. */
HF_MUST_USE hf_err hf_range_put(hf_range_map *map, hf_bytes start, uint64_t id, uint64_t generation,
                                uint16_t shard);
/* The map as bytes, and back: u32 count | count x (u64 id | u64 generation | u16 shard | start). */
void hf_range_encode(const hf_range_map *map, hf_buf *out);
/* Merges; HF_E_CORRUPT when malformed. */
HF_MUST_USE hf_err hf_range_merge(hf_range_map *map, hf_reader *reader);

#endif
