#include "engine/shard/range.h"
#include "engine/base/assert.h"

bool hf_range_map_open(hf_range_map *map, hf_heap *heap)
{
    *map = (hf_range_map){ .heap = heap, .changes = 1 };
    map->ranges = hf_heap_take(heap, sizeof *map->ranges * HF_RANGES_MAX);
    return map->ranges != NULL;
}

void hf_range_map_clear(hf_range_map *map)
{
    for (uint32_t i = 0; i < map->count; i++) {
        hf_heap_give(map->heap, (void *)(uintptr_t)map->ranges[i].start.data);
    }
    map->count = 0;
}

/* What is shorter goes on with zeros: of two that differ the order is known, of two that are equal
 * it is not. */
static void head_of(hf_bytes key, uint64_t head[2])
{
    enum { HEAD = 2 * sizeof(uint64_t) };
    head[0] = head[1] = 0;
    if (key.size >= HEAD) {
        memcpy(head, key.data, HEAD);
    } else {
        hf_bytes_copy((uint8_t *)head, key);
    }
    head[0] = __builtin_bswap64(head[0]);
    head[1] = __builtin_bswap64(head[1]);
}

/* As the key is in the map: `space` and then `user`. */
typedef struct looked_for {
    uint64_t head[2];
    hf_bytes user;
    uint8_t space;
} looked_for;

static looked_for look_for(uint8_t space, hf_bytes user)
{
    looked_for key = { .user = user, .space = space };
    uint64_t head[2];
    head_of(user, head);
    key.head[0] = (uint64_t)space << 56 | head[0] >> 8;
    key.head[1] = head[0] << 56 | head[1] >> 8;
    return key;
}

static bool begins_behind(const hf_range *range, const looked_for *key)
{
    if (range->head[0] != key->head[0]) {
        return range->head[0] > key->head[0];
    }
    if (range->head[1] != key->head[1]) {
        return range->head[1] > key->head[1];
    }
    hf_bytes start = range->start;
    if (start.size == 0 || start.data[0] != key->space) {
        return start.size != 0 && start.data[0] > key->space;
    }
    return hf_bytes_compare(hf_bytes_of(start.data + 1, start.size - 1), key->user) > 0;
}

static uint32_t find(const hf_range_map *map, const looked_for *key)
{
    uint32_t low = 0;
    uint32_t high = map->count; /* the range lies in [low, high) */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (begins_behind(&map->ranges[middle], key)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return low;
}

uint32_t hf_range_find_user(const hf_range_map *map, uint8_t space, hf_bytes user)
{
    HF_PRE(map->count > 0);
    if (map->count == 1) {
        return 0;
    }
    looked_for key = look_for(space, user);
    return find(map, &key);
}

uint32_t hf_range_find(const hf_range_map *map, hf_bytes key)
{
    return key.size == 0
               ? 0
               : hf_range_find_user(map, key.data[0], hf_bytes_of(key.data + 1, key.size - 1));
}

uint32_t hf_range_find_near(const hf_range_map *map, hf_bytes key, uint32_t guess)
{
    HF_PRE(key.size != 0);
    looked_for at = look_for(key.data[0], hf_bytes_of(key.data + 1, key.size - 1));
    bool right = guess < map->count && !begins_behind(&map->ranges[guess], &at) &&
                 (guess + 1 == map->count || begins_behind(&map->ranges[guess + 1], &at));
    return right ? guess : find(map, &at);
}

hf_bytes hf_range_end(const hf_range_map *map, uint32_t index)
{
    return index + 1 < map->count ? map->ranges[index + 1].start : hf_bytes_of(NULL, 0);
}

hf_err hf_range_put(hf_range_map *map, hf_bytes start, uint64_t id, uint64_t generation,
                    uint16_t shard)
{
    uint32_t at = 0;
    while (at < map->count && hf_bytes_compare(map->ranges[at].start, start) < 0) {
        at++;
    }
    if (at < map->count && hf_bytes_equal(map->ranges[at].start, start)) {
        hf_range *range = &map->ranges[at];
        if (generation >= range->generation) {
            range->id = id;
            range->generation = generation;
            map->changes += range->shard != shard;
            range->shard = shard;
        }
        return HF_OK;
    }
    if (map->count == HF_RANGES_MAX) {
        return HF_E_FULL;
    }
    uint8_t *copy = hf_heap_take(map->heap, start.size);
    if (copy == NULL) {
        return HF_E_NOMEM;
    }
    if (start.size != 0) {
        memcpy(copy, start.data, start.size);
    }
    map->changes += at == 0 || map->ranges[at - 1].shard != shard;
    memmove(&map->ranges[at + 1], &map->ranges[at], sizeof *map->ranges * (map->count - at));
    map->ranges[at] = (hf_range){
        .id = id, .generation = generation, .shard = shard, .start = hf_bytes_of(copy, start.size)
    };
    head_of(start, map->ranges[at].head);
    map->count++;
    return HF_OK;
}

void hf_range_encode(const hf_range_map *map, hf_buf *out)
{
    hf_buf_u32(out, map->count);
    for (uint32_t i = 0; i < map->count; i++) {
        const hf_range *range = &map->ranges[i];
        hf_buf_u64(out, range->id);
        hf_buf_u64(out, range->generation);
        hf_buf_u16(out, range->shard);
        hf_buf_bytes(out, range->start);
    }
}

hf_err hf_range_merge(hf_range_map *map, hf_reader *reader)
{
    uint32_t count = hf_read_u32(reader);
    for (uint32_t i = 0; i < count && !reader->bad; i++) {
        uint64_t id = hf_read_u64(reader);
        uint64_t generation = hf_read_u64(reader);
        uint16_t shard = hf_read_u16(reader);
        hf_bytes start = hf_read_bytes(reader);
        if (reader->bad) {
            break;
        }
        hf_err err = hf_range_put(map, start, id, generation, shard);
        if (err != HF_OK) {
            return err;
        }
    }
    return reader->bad ? HF_E_CORRUPT : HF_OK;
}
