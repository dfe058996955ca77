/* hf_map: 64- or 128-bit ids to 64-bit values (or pointers), in a bounded heap.
 *
 * Open addressing with linear probing; a drop shifts back what follows, so there are no tombstones.
 * At three quarters full it doubles, and moves a few places of the old table on every put and drop,
 * so that no single call pays for the whole move. It never shrinks.
 *
 * Invariants: (1) an id stands in one of the two tables, once.  (2) no empty place between an id's
 *             home and where it stands.  (3) the move is over before the next doubling is due.
 * Ownership:  the heap lends the tables; nothing is taken before the first put.
 * Cost:       O(1); 25 bytes a place. A doubling clears one byte for every new place.
 * Order:      iteration follows from seed and history alone, never from addresses.
 * Threads:    one core only. Ids are ours, not a client's choice (engine/base/hash.h, hf_hash_id).
 */
#ifndef HF_BASE_MAP_H
#define HF_BASE_MAP_H
#include "engine/base/error.h"
#include "engine/base/heap.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct hf_id128 {
    uint64_t high;
    uint64_t low;
} hf_id128;

static inline hf_id128 hf_id_of(uint64_t number)
{
    return (hf_id128){ 0, number };
}
/* Sixteen bytes (a UUID) as an id. */
static inline hf_id128 hf_id_of_bytes(const uint8_t bytes[16])
{
    hf_id128 id;
    memcpy(&id, bytes, sizeof id);
    return id;
}

typedef struct hf_map_entry {
    hf_id128 id;
    uint64_t value;
} hf_map_entry;

typedef struct hf_map_table {
    hf_map_entry *entries;
    uint8_t *marks; /* 0 is empty, else 0x80 and seven bits of the hash */
    uint64_t places;
    uint64_t count;
} hf_map_table;

typedef struct hf_map {
    hf_heap *heap;
    uint64_t seed;
    hf_map_table now;
    hf_map_table old;  /* while moving: what is not moved yet */
    uint64_t moved_to; /* every place of `old` before this one is empty */
} hf_map;

void hf_map_open(hf_map *map, hf_heap *heap, uint64_t seed);
void hf_map_close(hf_map *map); /* may be opened again */

/* HF_E_NOMEM: the table had to grow and the heap is full; nothing changed. */
HF_MUST_USE hf_err hf_map_put(hf_map *map, hf_id128 id, uint64_t value); /* adds or replaces */
/* Makes room for `count` ids in all; up to that number put() cannot fail. HF_E_NOMEM as above. */
HF_MUST_USE hf_err hf_map_reserve(hf_map *map, uint64_t count);
/* The value in place, until the next put or drop; NULL when there is none. */
uint64_t *hf_map_find(const hf_map *map, hf_id128 id);
/* True when there was one. */
bool hf_map_drop(hf_map *map, hf_id128 id);
/* Visits every entry once if nothing is put or dropped meanwhile; *cursor starts at 0. */
bool hf_map_next(const hf_map *map, uint64_t *cursor, hf_map_entry *entry);
void hf_map_check(const hf_map *map);

static inline uint64_t hf_map_count(const hf_map *map)
{
    return map->now.count + map->old.count;
}
/* The same with pointers for values; NULL when there is none. */
HF_MUST_USE static inline hf_err hf_map_put_pointer(hf_map *map, hf_id128 id, void *pointer)
{
    return hf_map_put(map, id, (uint64_t)(uintptr_t)pointer);
}
static inline void *hf_map_find_pointer(const hf_map *map, hf_id128 id)
{
    uint64_t *value = hf_map_find(map, id);
    return value == NULL ? NULL : (void *)(uintptr_t)*value;
}

#endif
