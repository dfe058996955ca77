#include "tests/unit/raft/intern.h"
#include "engine/base/assert.h"
#include "engine/base/hash.h"

#include <stdlib.h>
#include <string.h>

void intern_open(intern *t, size_t size)
{
    HF_PRE(size % sizeof(uint64_t) == 0);
    memset(t, 0, sizeof *t);
    t->words = size / sizeof(uint64_t);
    t->mask = 1023;
    t->slots = calloc(t->mask + 1, sizeof *t->slots);
    HF_ASSERT(t->slots != NULL);
}

void intern_close(intern *t)
{
    free(t->arena);
    free(t->offset);
    free(t->slots);
    memset(t, 0, sizeof *t);
}

uint64_t intern_hash(const uint64_t *words, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hf_hash_mix(hash);
}

static void *grow(void *at, size_t count, size_t size)
{
    void *now = realloc(at, count * size);
    HF_ASSERT(now != NULL);
    return now;
}

static size_t pack(const intern *t, const uint64_t *block, uint64_t *out)
{
    size_t maps = (t->words + 63) / 64;
    size_t used = maps;
    memset(out, 0, maps * sizeof *out);
    for (size_t i = 0; i < t->words; i++) {
        if (block[i] != 0) {
            out[i / 64] |= UINT64_C(1) << (i % 64);
            out[used++] = block[i];
        }
    }
    return used;
}

static size_t size_of(const intern *t, uint32_t number)
{
    size_t end = number + 1 < t->count ? t->offset[number + 1] : t->used;
    return end - t->offset[number];
}

static void rehash(intern *t)
{
    t->mask = t->mask * 2 + 1;
    free(t->slots);
    t->slots = calloc((size_t)t->mask + 1, sizeof *t->slots);
    HF_ASSERT(t->slots != NULL);
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = (uint32_t)intern_hash(t->arena + t->offset[i], size_of(t, i)) & t->mask;
        while (t->slots[at] != 0) {
            at = (at + 1) & t->mask;
        }
        t->slots[at] = i + 1;
    }
}

uint32_t intern_put(intern *t, const void *block)
{
    size_t most = t->words + (t->words + 63) / 64;
    if (t->used + most > t->room) {
        t->room = (t->used + most) * 2;
        t->arena = grow(t->arena, t->room, sizeof *t->arena);
    }
    uint64_t *packed = t->arena + t->used;
    size_t size = pack(t, block, packed);
    uint32_t at = (uint32_t)intern_hash(packed, size) & t->mask;
    for (; t->slots[at] != 0; at = (at + 1) & t->mask) {
        uint32_t number = t->slots[at] - 1;
        if (size_of(t, number) == size &&
            memcmp(t->arena + t->offset[number], packed, size * sizeof *packed) == 0) {
            return number;
        }
    }
    if (t->count == t->offsets_room) {
        t->offsets_room = t->offsets_room * 2 + 1024;
        t->offset = grow(t->offset, t->offsets_room, sizeof *t->offset);
    }
    t->offset[t->count++] = t->used;
    t->slots[at] = t->count;
    t->used += size;
    if (t->count > t->mask / 2) {
        rehash(t);
    }
    return t->count - 1;
}

void intern_get(const intern *t, uint32_t number, void *block)
{
    HF_PRE(number < t->count);
    const uint64_t *packed = t->arena + t->offset[number];
    size_t from = (t->words + 63) / 64;
    uint64_t *out = block;
    for (size_t i = 0; i < t->words; i++) {
        out[i] = (packed[i / 64] >> (i % 64) & 1) != 0 ? packed[from++] : 0;
    }
}
