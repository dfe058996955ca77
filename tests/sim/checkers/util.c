#include "tests/sim/checkers/util.h"

#include "engine/base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void *hf_check_alloc(size_t count, size_t size)
{
    void *block = calloc(count == 0 ? 1 : count, size);
    HF_ASSERT(block != NULL);
    return block;
}

void *hf_check_grow(void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) {
        return items;
    }
    HF_ASSERT(*capacity < UINT32_MAX / 2);
    *capacity = *capacity == 0 ? 8 : *capacity * 2;
    items = realloc(items, (size_t)*capacity * size);
    HF_ASSERT(items != NULL);
    return items;
}

static uint64_t map_hash(int64_t key, int64_t tag)
{
    uint64_t h = (uint64_t)key * 0x9E3779B97F4A7C15u ^ (uint64_t)tag * 0xC2B2AE3D27D4EB4Fu;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static hf_check_map_slot *map_slot(const hf_check_map *map, int64_t key, int64_t tag)
{
    uint32_t mask = map->capacity - 1;
    uint32_t at = (uint32_t)map_hash(key, tag) & mask;
    while (map->slots[at].value != HF_CHECK_NONE &&
           (map->slots[at].key != key || map->slots[at].tag != tag)) {
        at = (at + 1) & mask;
    }
    return &map->slots[at];
}

static void map_grow(hf_check_map *map)
{
    hf_check_map old = *map;
    map->capacity = old.capacity == 0 ? 64 : old.capacity * 2;
    map->slots = hf_check_alloc(map->capacity, sizeof *map->slots);
    for (uint32_t i = 0; i < map->capacity; i++) {
        map->slots[i].value = HF_CHECK_NONE;
    }
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].value != HF_CHECK_NONE) {
            *map_slot(map, old.slots[i].key, old.slots[i].tag) = old.slots[i];
        }
    }
    free(old.slots);
}

void hf_check_map_close(hf_check_map *map)
{
    free(map->slots);
    *map = (hf_check_map){ 0 };
}

uint32_t hf_check_map_get(const hf_check_map *map, int64_t key, int64_t tag)
{
    return map->capacity == 0 ? HF_CHECK_NONE : map_slot(map, key, tag)->value;
}

uint32_t hf_check_map_add(hf_check_map *map, int64_t key, int64_t tag, uint32_t value)
{
    HF_PRE(value != HF_CHECK_NONE);
    if (map->count >= map->capacity / 2) {
        map_grow(map);
    }
    hf_check_map_slot *slot = map_slot(map, key, tag);
    if (slot->value == HF_CHECK_NONE) {
        *slot = (hf_check_map_slot){ key, tag, value };
        map->count++;
    }
    return slot->value;
}

void hf_check_text_close(hf_check_text *text)
{
    free(text->data);
    *text = (hf_check_text){ 0 };
}

void hf_check_text_add(hf_check_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    HF_ASSERT(size >= 0);
    uint32_t needed = text->size + (uint32_t)size + 1;
    if (needed > text->capacity) {
        text->capacity = needed < 256 ? 256 : needed * 2;
        text->data = realloc(text->data, text->capacity);
        HF_ASSERT(text->data != NULL);
    }
    vsnprintf(text->data + text->size, (size_t)size + 1, format, again);
    va_end(again);
    text->size += (uint32_t)size;
}

const char *hf_check_text_of(const hf_check_text *text)
{
    return text->data == NULL ? "" : text->data;
}
