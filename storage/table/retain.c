/* What is kept for readers of the past, and how it goes: boundaries, pins, the floor, collection.
 */
#include "storage/table/table_impl.h"

#include <string.h>

enum { PINS_LEAST = 64 };

/* ---- Pins ---- */

bool hf_table__pins_open(hf_table *table)
{
    table->pins = hf_table__try(table, PINS_LEAST * sizeof *table->pins);
    table->pin_room = PINS_LEAST;
    return table->pins != NULL;
}

/* The first pin at or above `ts`. */
static uint32_t pin_place(const hf_table *table, uint64_t ts)
{
    uint32_t low = 0;
    uint32_t high = table->pin_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (table->pins[middle].ts < ts) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void grow_pins(hf_table *table)
{
    hf_table__pin *pins = hf_table__take(table, 2 * (size_t)table->pin_room * sizeof *pins);
    memcpy(pins, table->pins, table->pin_count * sizeof *pins);
    hf_table__give(table, table->pins);
    table->pins = pins;
    table->pin_room *= 2;
}

void hf_table_pin(hf_table *table, uint64_t ts)
{
    HF_PRE(ts >= table->floor && ts != HF_TS_MAX);
    uint32_t at = pin_place(table, ts);
    if (at < table->pin_count && table->pins[at].ts == ts) {
        table->pins[at].count++;
        return;
    }
    if (table->pin_count == table->pin_room) {
        grow_pins(table);
    }
    memmove(&table->pins[at + 1], &table->pins[at], (table->pin_count - at) * sizeof *table->pins);
    table->pins[at] = (hf_table__pin){ ts, 1 };
    table->pin_count++;
}

void hf_table_unpin(hf_table *table, uint64_t ts)
{
    uint32_t at = pin_place(table, ts);
    HF_PRE(at < table->pin_count && table->pins[at].ts == ts);
    if (--table->pins[at].count == 0) {
        table->pin_count--;
        memmove(&table->pins[at], &table->pins[at + 1],
                (table->pin_count - at) * sizeof *table->pins);
    }
}

uint64_t hf_table_boundary(const hf_table *table, uint64_t ts)
{
    uint64_t boundary = ts - ts % table->tick_ns;
    uint32_t at = ts == UINT64_MAX ? table->pin_count : pin_place(table, ts + 1);
    if (at != 0 && table->pins[at - 1].ts > boundary) {
        boundary = table->pins[at - 1].ts;
    }
    return boundary;
}

bool hf_table__needed(const hf_table *table, uint64_t from, uint64_t until)
{
    uint64_t low = from > table->floor ? from : table->floor;
    return until > low && hf_table_boundary(table, until - 1) >= low;
}

/* ---- Collection ---- */

void hf_table__garbage_add(hf_table *table, hf_table__version *version)
{
    hf_list_push_back(&table->garbage, &version->garbage);
    table->garbage_count++;
}

uint64_t hf_table_floor(const hf_table *table)
{
    return table->floor;
}

static hf_table__version *next_garbage(const hf_table *table)
{
    hf_list *link = hf_list_first(&table->garbage);
    if (link == NULL) {
        return NULL;
    }
    hf_table__version *v = HF_CONTAINER_OF(link, hf_table__version, garbage);
    return v->newer->ts <= table->floor ? v : NULL;
}

static hf_table__entry *next_tombstone(const hf_table *table)
{
    hf_list *link = hf_list_first(&table->pass.tombs);
    if (link == NULL) {
        return NULL;
    }
    hf_table__entry *e = HF_CONTAINER_OF(link, hf_table__entry, turn);
    HF_ASSERT(e->state.kind == HF_KIND_NONE);
    return e->state.ts <= table->floor && e->state.older == NULL ? e : NULL;
}

uint64_t hf_table_collect(hf_table *table, uint64_t floor, uint32_t budget)
{
    if (table->pin_count != 0 && table->pins[0].ts < floor) {
        floor = table->pins[0].ts;
    }
    if (floor > table->floor) {
        table->floor = floor;
    }
    hf_table__version *v;
    while ((v = next_garbage(table)) != NULL && budget != 0) {
        budget--;
        v->newer->older = v->state.older;
        if (v->state.older != NULL) {
            v->state.older->newer = v->newer;
        }
        hf_table__version_free(table, v);
    }
    hf_table__entry *e;
    while ((e = next_tombstone(table)) != NULL && budget != 0) {
        budget--;
        hf_table__entry_free(table, e);
    }
    return (v == NULL ? 0 : table->garbage_count) + (e == NULL ? 0 : table->stats.tombstones);
}

/* ---- Dropping a range ---- */

bool hf_table_drop(hf_table *table, hf_bytes start, hf_bytes end, uint32_t budget)
{
    hf_cursor cursor;
    while (hf_table_seek(table, start, &cursor)) {
        if (end.size != 0 && hf_bytes_compare(cursor.key, end) >= 0) {
            return true;
        }
        if (budget-- == 0) {
            return false;
        }
        hf_table__entry_free(table,
                             hf_table__find(table, cursor.key, hf_table_hash(table, cursor.key)));
    }
    return true;
}
