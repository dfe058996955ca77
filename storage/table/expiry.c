/* The keys that expire, soonest first: a heap of four children a node, in chunks, so that it grows
 * without moving. Equal times stand in the order that the calls have made: no address decides. */
#include "storage/table/table_impl.h"

#include <string.h>

enum { CHILDREN = 4, ROOM_LEAST = 16 };

static hf_table__alarm *alarm_at(const hf_table *table, uint32_t i)
{
    return &table->alarms.chunks[i / HF_ALARM_CHUNK][i % HF_ALARM_CHUNK];
}

static void put_at(hf_table *table, uint32_t i, hf_table__alarm alarm)
{
    *alarm_at(table, i) = alarm;
    alarm.entry->alarm = i + 1;
}

static void rise(hf_table *table, uint32_t i)
{
    hf_table__alarm moving = *alarm_at(table, i);
    while (i != 0) {
        uint32_t parent = (i - 1) / CHILDREN;
        if (alarm_at(table, parent)->expire_ms <= moving.expire_ms) {
            break;
        }
        put_at(table, i, *alarm_at(table, parent));
        i = parent;
    }
    put_at(table, i, moving);
}

static void sink(hf_table *table, uint32_t i)
{
    hf_table__alarm moving = *alarm_at(table, i);
    uint32_t count = table->alarms.count;
    for (;;) {
        uint64_t first = (uint64_t)i * CHILDREN + 1;
        if (first >= count) {
            break;
        }
        uint32_t least = (uint32_t)first;
        for (uint32_t c = least + 1; c < count && c < first + CHILDREN; c++) {
            if (alarm_at(table, c)->expire_ms < alarm_at(table, least)->expire_ms) {
                least = c;
            }
        }
        if (alarm_at(table, least)->expire_ms >= moving.expire_ms) {
            break;
        }
        put_at(table, i, *alarm_at(table, least));
        i = least;
    }
    put_at(table, i, moving);
}

static void add_chunk(hf_table *table)
{
    hf_table__alarms *a = &table->alarms;
    if (a->chunk_count == a->chunk_room) {
        uint32_t room = a->chunk_room == 0 ? ROOM_LEAST : a->chunk_room * 2;
        hf_table__alarm **chunks = hf_table__take(table, room * sizeof *chunks);
        if (a->chunk_count != 0) {
            memcpy(chunks, a->chunks, a->chunk_count * sizeof *chunks);
        }
        hf_table__give(table, a->chunks);
        a->chunks = chunks;
        a->chunk_room = room;
    }
    a->chunks[a->chunk_count++] = hf_table__take(table, HF_ALARM_CHUNK * sizeof(hf_table__alarm));
}

void hf_table__alarm_clear(hf_table *table, hf_table__entry *entry)
{
    hf_table__alarms *a = &table->alarms;
    if (entry->alarm == 0) {
        return;
    }
    uint32_t i = entry->alarm - 1;
    HF_ASSERT(i < a->count && alarm_at(table, i)->entry == entry);
    entry->alarm = 0;
    a->count--;
    if (i != a->count) {
        put_at(table, i, *alarm_at(table, a->count));
        rise(table, i);
        sink(table, i);
    }
    /* One chunk is kept over, so that a count that swings about a border does not thrash. */
    if (a->chunk_count >= 2 && a->count <= (a->chunk_count - 2) * HF_ALARM_CHUNK) {
        hf_table__give(table, a->chunks[--a->chunk_count]);
    }
}

void hf_table__alarm_set(hf_table *table, hf_table__entry *entry)
{
    hf_table__alarms *a = &table->alarms;
    uint64_t expire_ms = entry->state.kind == HF_KIND_NONE ? 0 : entry->state.expire_ms;
    if (expire_ms == 0) {
        hf_table__alarm_clear(table, entry);
        return;
    }
    if (entry->alarm == 0) {
        if (a->count == a->chunk_count * HF_ALARM_CHUNK) {
            add_chunk(table);
        }
        put_at(table, a->count++, (hf_table__alarm){ expire_ms, entry });
        rise(table, entry->alarm - 1);
        return;
    }
    uint32_t i = entry->alarm - 1;
    uint64_t before = alarm_at(table, i)->expire_ms;
    alarm_at(table, i)->expire_ms = expire_ms;
    if (expire_ms < before) {
        rise(table, i);
    } else if (expire_ms > before) {
        sink(table, i);
    }
}

bool hf_table_expiring(const hf_table *table, uint64_t ts, hf_bytes *key, uint64_t *expire_ms)
{
    if (table->alarms.count == 0) {
        return false;
    }
    const hf_table__alarm *first = alarm_at(table, 0);
    if (!hf_value_expired(first->expire_ms, ts)) {
        return false;
    }
    *key = hf_table__key(first->entry);
    *expire_ms = first->expire_ms;
    return true;
}

uint64_t hf_table_next_expiry_ms(const hf_table *table)
{
    return table->alarms.count == 0 ? 0 : alarm_at(table, 0)->expire_ms;
}

void hf_table__alarm_check(const hf_table *table)
{
    for (uint32_t i = 0; i < table->alarms.count; i++) {
        const hf_table__alarm *alarm = alarm_at(table, i);
        HF_ASSERT(alarm->entry->alarm == i + 1);
        HF_ASSERT(alarm->expire_ms == alarm->entry->state.expire_ms && alarm->expire_ms != 0);
        HF_ASSERT(alarm->entry->state.kind != HF_KIND_NONE);
        HF_ASSERT(i == 0 || alarm_at(table, (i - 1) / CHILDREN)->expire_ms <= alarm->expire_ms);
    }
}
