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
static uint64_t head_of(hf_bytes key)
{
    uint64_t head = 0;
    if (key.size >= sizeof head) {
        memcpy(&head, key.data, sizeof head);
    } else if (key.size != 0) {
        memcpy(&head, key.data, key.size);
    }
    return __builtin_bswap64(head);
}

static bool begins_behind(const hf_range *range, uint64_t head, hf_bytes key)
{
    return range->head != head ? range->head > head : hf_bytes_compare(range->start, key) > 0;
}

uint32_t hf_range_find(const hf_range_map *map, hf_bytes key)
{
    HF_PRE(map->count > 0);
    uint32_t low = 0;
    uint32_t high = map->count; /* the range lies in [low, high) */
    if (high == 1) {
        return 0;
    }
    uint64_t head = head_of(key);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (begins_behind(&map->ranges[middle], head, key)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return low;
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
    map->ranges[at] = (hf_range){ .id = id,
                                  .generation = generation,
                                  .shard = shard,
                                  .start = hf_bytes_of(copy, start.size),
                                  .head = head_of(start) };
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
