#include "engine/base/map.h"
#include "engine/base/assert.h"
#include "engine/base/hash.h"

/* Eight places a call: the table fills by three quarters of the old one's places before it doubles
 * again, and two a call would do. */
enum { LEAST_PLACES = 16, MOVE_PLACES = 8 };
#define MOST_PLACES (UINT64_C(1) << 40)
#define NO_PLACE UINT64_MAX

static uint64_t hash_of(const hf_map *map, hf_id128 id)
{
    return hf_hash_id(map->seed, id.high, id.low);
}

static uint8_t mark_of(uint64_t hash)
{
    return (uint8_t)(0x80 | hash >> 57);
}

static bool same(hf_id128 a, hf_id128 b)
{
    return a.high == b.high && a.low == b.low;
}

static uint64_t room(uint64_t places)
{
    return places / 4 * 3;
}

static uint64_t table_find(const hf_map_table *t, uint64_t hash, hf_id128 id)
{
    if (t->places == 0) {
        return NO_PLACE;
    }
    uint64_t mask = t->places - 1;
    uint8_t mark = mark_of(hash);
    for (uint64_t at = hash & mask; t->marks[at] != 0; at = (at + 1) & mask) {
        if (t->marks[at] == mark && same(t->entries[at].id, id)) {
            return at;
        }
    }
    return NO_PLACE;
}

static void table_add(hf_map_table *t, uint64_t hash, hf_id128 id, uint64_t value)
{
    HF_PRE(t->count < t->places);
    uint64_t mask = t->places - 1;
    uint64_t at = hash & mask;
    while (t->marks[at] != 0) {
        at = (at + 1) & mask;
    }
    t->marks[at] = mark_of(hash);
    t->entries[at] = (hf_map_entry){ id, value };
    t->count++;
}

/* Empties a place and moves back what its going would cut off from its home. */
static void table_remove(const hf_map *map, hf_map_table *t, uint64_t hole)
{
    uint64_t mask = t->places - 1;
    for (uint64_t at = (hole + 1) & mask; t->marks[at] != 0; at = (at + 1) & mask) {
        uint64_t home = hash_of(map, t->entries[at].id) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            t->marks[hole] = t->marks[at];
            t->entries[hole] = t->entries[at];
            hole = at;
        }
    }
    t->marks[hole] = 0;
    t->count--;
}

static hf_err table_open(hf_map *map, hf_map_table *t, uint64_t places)
{
    if (places > MOST_PLACES) {
        return HF_E_NOMEM;
    }
    hf_map_entry *entries = hf_heap_take(map->heap, (size_t)(places * (sizeof *entries + 1)));
    if (entries == NULL) {
        return HF_E_NOMEM;
    }
    *t = (hf_map_table){ entries, (uint8_t *)(void *)(entries + places), places, 0 };
    memset(t->marks, 0, (size_t)places);
    return HF_OK;
}

static void table_close(hf_map *map, hf_map_table *t)
{
    hf_heap_give(map->heap, t->entries);
    *t = (hf_map_table){ 0 };
}

static void move_some(hf_map *map, uint64_t places)
{
    hf_map_table *old = &map->old;
    if (old->places == 0) {
        return;
    }
    while (places != 0 && old->count != 0) {
        HF_ASSERT(map->moved_to < old->places);
        if (old->marks[map->moved_to] == 0) {
            map->moved_to++;
            places--;
            continue;
        }
        hf_map_entry entry = old->entries[map->moved_to];
        table_remove(map, old, map->moved_to); /* may bring another into the same place */
        table_add(&map->now, hash_of(map, entry.id), entry.id, entry.value);
    }
    if (old->count == 0) {
        table_close(map, old);
        map->moved_to = 0;
    }
}

static hf_err grow_to(hf_map *map, uint64_t places)
{
    move_some(map, UINT64_MAX);
    hf_map_table bigger;
    hf_err err = table_open(map, &bigger, places);
    if (err != HF_OK) {
        return err;
    }
    map->old = map->now;
    map->now = bigger;
    map->moved_to = 0;
    if (map->old.count == 0) {
        table_close(map, &map->old);
    }
    return HF_OK;
}

void hf_map_open(hf_map *map, hf_heap *heap, uint64_t seed)
{
    *map = (hf_map){ .heap = heap, .seed = seed };
}

void hf_map_close(hf_map *map)
{
    table_close(map, &map->now);
    table_close(map, &map->old);
    map->moved_to = 0;
}

hf_err hf_map_reserve(hf_map *map, uint64_t count)
{
    uint64_t places = LEAST_PLACES;
    while (places < MOST_PLACES && room(places) < count) {
        places *= 2;
    }
    if (room(places) < count) {
        return HF_E_NOMEM;
    }
    return places <= map->now.places ? HF_OK : grow_to(map, places);
}

hf_err hf_map_put(hf_map *map, hf_id128 id, uint64_t value)
{
    uint64_t *known = hf_map_find(map, id);
    if (known != NULL) {
        *known = value;
        return HF_OK;
    }
    if (hf_map_count(map) >= room(map->now.places)) {
        uint64_t places = map->now.places == 0 ? LEAST_PLACES : map->now.places * 2;
        hf_err err = grow_to(map, places);
        if (err != HF_OK) {
            return err;
        }
    }
    move_some(map, MOVE_PLACES);
    table_add(&map->now, hash_of(map, id), id, value);
    return HF_OK;
}

uint64_t *hf_map_find(const hf_map *map, hf_id128 id)
{
    uint64_t hash = hash_of(map, id);
    uint64_t at = table_find(&map->now, hash, id);
    if (at != NO_PLACE) {
        return &map->now.entries[at].value;
    }
    at = table_find(&map->old, hash, id);
    return at == NO_PLACE ? NULL : &map->old.entries[at].value;
}

bool hf_map_drop(hf_map *map, hf_id128 id)
{
    uint64_t hash = hash_of(map, id);
    hf_map_table *t = &map->now;
    uint64_t at = table_find(t, hash, id);
    if (at == NO_PLACE) {
        t = &map->old;
        at = table_find(t, hash, id);
    }
    if (at != NO_PLACE) {
        table_remove(map, t, at);
    }
    move_some(map, MOVE_PLACES);
    return at != NO_PLACE;
}

bool hf_map_next(const hf_map *map, uint64_t *cursor, hf_map_entry *entry)
{
    for (; *cursor < map->now.places + map->old.places; (*cursor)++) {
        const hf_map_table *t = &map->now;
        uint64_t at = *cursor;
        if (at >= t->places) {
            at -= t->places;
            t = &map->old;
        }
        if (t->marks[at] != 0) {
            *entry = t->entries[at];
            (*cursor)++;
            return true;
        }
    }
    return false;
}

static void check_table(const hf_map *map, const hf_map_table *t, const hf_map_table *other)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < t->places; i++) {
        if (t->marks[i] != 0) {
            uint64_t hash = hash_of(map, t->entries[i].id);
            HF_ASSERT(t->marks[i] == mark_of(hash));
            HF_ASSERT(table_find(t, hash, t->entries[i].id) == i);
            HF_ASSERT(table_find(other, hash, t->entries[i].id) == NO_PLACE);
            count++;
        }
    }
    HF_ASSERT(count == t->count);
}

void hf_map_check(const hf_map *map)
{
    check_table(map, &map->now, &map->old);
    check_table(map, &map->old, &map->now);
    HF_ASSERT(hf_map_count(map) <= room(map->now.places));
    for (uint64_t i = 0; i < map->moved_to; i++) {
        HF_ASSERT(map->old.marks[i] == 0);
    }
}
