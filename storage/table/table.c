#include "storage/table/table_impl.h"

#include <string.h>

/* ---- Opening ---- */

hf_table *hf_table_open(hf_heap *heap, const hf_table_config *config)
{
    HF_PRE(config->tick_ns != 0);
    hf_table *table = hf_heap_take(heap, sizeof *table);
    if (table == NULL) {
        return NULL;
    }
    memset(table, 0, sizeof *table);
    table->heap = heap;
    table->seed = config->hash_seed;
    table->tick_ns = config->tick_ns;
    hf_list_open(&table->garbage);
    hf_buf_open(&table->scratch, heap);
    hf_table__pass_open(table);
    if (!hf_table__hash_open(table)) {
        goto no_hash;
    }
    if (!hf_table__tree_open(table)) {
        goto no_tree;
    }
    if (!hf_table__pins_open(table)) {
        goto no_pins;
    }
    return table;
no_pins:
    hf_table__tree_close(table);
no_tree:
    hf_table__hash_close(table);
no_hash:
    hf_heap_give(heap, table);
    return NULL;
}

/* ---- Memory ---- */

enum {
    CLASSES = 44, /* size classes of the heap, and some: each may begin a span of its own */
    SPAN = 64 * 1024,
    CHANGE_LEAST = 16, /* only a DELETE is encoded in fewer bytes, and it costs less */
    CHANGE_COST = 768, /* entry, version block and an inline value that moves to it */
    DELETE_COST = 320, /* the version block alone: a deletion makes no entry */
    NODE_COST = 1024,
    INSERTS_A_SPLIT = 16 /* so many inserts at least lie between two splits of what was split */
};

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Larger blocks are runs of spans, small ones take any free span. What is built anew lies in the
 * scratch, which doubles, and in its block. One run for all of them, or two. */
static bool have_runs(hf_heap *heap, uint64_t runs, uint64_t built)
{
    if (runs == 0 && built == 0) {
        return true;
    }
    if (hf_heap_fits(heap, runs + 3 * built + 4 * SPAN)) {
        return true;
    }
    void *scratch = hf_heap_take(heap, 2 * built + SPAN);
    bool fits = scratch != NULL && hf_heap_fits(heap, runs + built + 2 * SPAN);
    hf_heap_give(heap, scratch);
    return fits;
}

bool hf_table_admits_exactly(const hf_table *table, uint64_t bytes, const hf_table_need *need)
{
    uint64_t puts = need->changes - need->deletes; /* only these touch the indexes */
    const hf_table__tree *tree = &table->tree;
    uint64_t again = puts / INSERTS_A_SPLIT + 1;
    uint64_t nodes =
        least_of(puts, tree->leaves) + least_of(puts, tree->inners) + 2 * again + tree->height + 1;
    uint64_t segments = least_of(puts, table->hash.segments) + again;
    uint64_t chunks = puts / HF_ALARM_CHUNK + 1;
    uint64_t blocks = puts * CHANGE_COST + need->deletes * DELETE_COST;
    uint64_t all = least_of(2 * (uint64_t)need->changes + 4, CLASSES) * SPAN + 2 * bytes + blocks +
                   2 * need->copied + nodes * NODE_COST + segments * sizeof(hf_table__segment) +
                   (sizeof(uint64_t) << table->hash.depth) * 4 +
                   chunks * HF_ALARM_CHUNK * sizeof(hf_table__alarm) +
                   (uint64_t)table->alarms.chunk_room * 2 * sizeof(void *) + 4 * need->built;
    return hf_heap_free(table->heap) >= all && have_runs(table->heap, need->runs, need->built);
}

bool hf_table_admits_few(const hf_table *table, uint64_t bytes)
{
    enum { PUTS = HF_TABLE_FEW_BYTES / CHANGE_LEAST + 1, AGAIN = PUTS / INSERTS_A_SPLIT + 1 };
    static const uint64_t most =
        (uint64_t)CLASSES * SPAN + PUTS * CHANGE_COST +
        (uint64_t)(2 * PUTS + 2 * AGAIN + 1) * NODE_COST +
        (PUTS + AGAIN) * sizeof(hf_table__segment) +
        (PUTS / HF_ALARM_CHUNK + 1) * HF_ALARM_CHUNK * sizeof(hf_table__alarm);
    uint64_t all = most + 2 * bytes + (uint64_t)table->tree.height * NODE_COST +
                   (sizeof(uint64_t) << table->hash.depth) * 4 +
                   (uint64_t)table->alarms.chunk_room * 2 * sizeof(void *) + 4 * table->value_most;
    return hf_heap_free(table->heap) >= all &&
           hf_heap_fits(table->heap, 3 * table->value_most + 4 * SPAN);
}

uint64_t hf_table_bytes(const hf_table *table)
{
    return table->held;
}

hf_table_need hf_table_worst(const hf_table *table, uint64_t bytes)
{
    return (hf_table_need){
        .changes = (uint32_t)least_of(bytes / CHANGE_LEAST + 1, HF_TABLE_ADMIT_CHANGES),
        .built = table->value_most,
        .runs = bytes > SPAN / 2 ? 2 * bytes : 0,
    };
}

bool hf_table_admits(const hf_table *table, uint64_t bytes)
{
    hf_table_need worst = hf_table_worst(table, bytes);
    return hf_table_admits_exactly(table, bytes, &worst);
}

void *hf_table__take(hf_table *table, size_t size)
{
    void *block = hf_table__try(table, size);
    HF_ASSERT(block != NULL); /* hf_table_admits() was not asked, or is wrong */
    return block;
}

static uint16_t room_behind(const hf_table *table, const void *block, size_t used)
{
    size_t size = hf_heap_block_size(table->heap, block);
    HF_ASSERT(size >= used);
    return (uint16_t)(size - used < UINT16_MAX ? size - used : UINT16_MAX);
}

/* ---- States ---- */

static void give_external(hf_table *table, const hf_table__state *s)
{
    if ((s->flags & HF_STATE_EXTERNAL) != 0) {
        hf_table__give(table, s->external);
    }
}

static void copy(void *to, hf_bytes from)
{
    if (from.size != 0) {
        memmove(to, from.data, from.size);
    }
}

static bool block_suits(const hf_table *table, const uint8_t *block, uint32_t size)
{
    size_t has = hf_heap_block_size(table->heap, block);
    return size <= has && size >= has / 2;
}

/* Makes `v` the state's value; `owned` is its block so far, or NULL. The bytes of `v` may lie in
 * the block or in the room: the old contents are given back last. */
static void set_value(hf_table *table, hf_table__state *s, uint8_t *owned, const hf_value *v)
{
    s->flags &= (uint8_t)~HF_STATE_EXTERNAL;
    s->kind = (uint8_t)v->kind;
    s->expire_ms = v->kind == HF_KIND_NONE ? 0 : v->expire_ms;
    s->size = 0;
    uint8_t *used = NULL;
    if (!hf_table__has_bytes(s->kind)) {
        s->integer = v->kind == HF_KIND_INT ? v->integer : 0;
    } else if (v->bytes.size <= s->room) {
        s->size = v->bytes.size;
        copy(hf_table__room(s), v->bytes);
        s->integer = 0;
    } else {
        s->size = v->bytes.size;
        bool suits = owned != NULL && block_suits(table, owned, s->size);
        used = suits ? owned : hf_table__take(table, s->size);
        copy(used, v->bytes);
        s->external = used;
        s->flags |= HF_STATE_EXTERNAL;
    }
    if (owned != used) {
        hf_table__give(table, owned);
    }
    if (s->size > table->value_most) {
        table->value_most = s->size;
    }
}

static void replace_value(hf_table *table, hf_table__state *s, const hf_value *v)
{
    bool external = (s->flags & HF_STATE_EXTERNAL) != 0;
    set_value(table, s, external ? s->external : NULL, v);
}

static hf_table__version *version_open(hf_table *table, uint32_t room)
{
    hf_table__version *v = hf_table__take(table, sizeof *v + room);
    memset(v, 0, sizeof *v);
    v->state.room = room_behind(table, v, sizeof *v);
    table->stats.versions++;
    return v;
}

void hf_table__version_free(hf_table *table, hf_table__version *version)
{
    hf_list_remove(&version->garbage);
    table->garbage_count--;
    table->stats.versions--;
    give_external(table, &version->state);
    hf_table__give(table, version);
}

/* Puts a version into the chain below `above`. */
static void link_below(hf_table *table, hf_table__state *above, hf_table__version *version)
{
    version->state.older = above->older;
    version->newer = above;
    if (above->older != NULL) {
        above->older->newer = &version->state;
    }
    above->older = version;
    hf_table__garbage_add(table, version);
}

/* Moves the entry's newest version to a block of its own; the entry is left without a value. */
static void supersede(hf_table *table, hf_table__entry *e)
{
    hf_table__state *s = &e->state;
    bool external = (s->flags & HF_STATE_EXTERNAL) != 0;
    hf_table__version *v = version_open(table, external ? 0 : s->size);
    v->state.ts = s->ts;
    v->state.lsn = s->lsn;
    v->state.expire_ms = s->expire_ms;
    v->state.kind = s->kind;
    v->state.size = s->size;
    v->state.integer = 0;
    if (external) {
        v->state.external = s->external;
        v->state.flags = HF_STATE_EXTERNAL;
        s->flags &= (uint8_t)~HF_STATE_EXTERNAL;
    } else if (hf_table__has_bytes(s->kind)) {
        copy(hf_table__room(&v->state), hf_bytes_of(hf_table__room(s), s->size));
    } else {
        v->state.integer = s->integer;
    }
    link_below(table, s, v);
}

/* ---- Entries ---- */

hf_table__entry *hf_table__find(const hf_table *table, hf_bytes key, uint64_t hash)
{
    if (table->want_count != 0) {
        /* Only what is asked for next is moved: the table itself stays as it is. */
        hf_table__hash_fetch((hf_table *)(uintptr_t)table);
    }
    hf_table__entry *e = table->last;
    if (e == NULL || e->hash != (uint32_t)hash || !hf_bytes_equal(hf_table__key(e), key)) {
        e = hf_table__hash_find(table, key, hash);
        ((hf_table *)(uintptr_t)table)->last = e; /* likewise */
    }
    return e;
}

hf_table_place hf_table_last_found(const hf_table *table)
{
    return (hf_table_place){ table->last, table->freed };
}

void hf_table_look_at(hf_table *table, hf_table_place place)
{
    if (place.freed == table->freed) {
        table->last = place.entry;
    }
}

static hf_table__entry *entry_open(hf_table *table, hf_bytes key, uint64_t hash,
                                   uint32_t value_size)
{
    HF_PRE(key.size != 0 && key.size <= HF_KEY_SIZE_MAX + 1);
    uint32_t room = value_size <= HF_TABLE_INLINE_MAX ? value_size : 0;
    size_t used = sizeof(hf_table__entry) + key.size;
    hf_table__entry *e = hf_table__take(table, used + room);
    memset(e, 0, sizeof *e);
    memcpy(hf_table__key_at(e), key.data, key.size);
    e->key_size = (uint16_t)key.size;
    e->hash = (uint32_t)hash;
    e->state.flags = HF_STATE_ENTRY;
    e->state.room = room_behind(table, e, used);
    hf_table__hash_add(table, e, hash);
    hf_table__tree_add(table, e);
    table->stats.versions++;
    return e;
}

void hf_table__entry_free(hf_table *table, hf_table__entry *e)
{
    table->last = NULL;
    table->freed++;
    hf_table__weigh(table, e, -1);
    while (e->state.older != NULL) {
        hf_table__version *v = e->state.older;
        e->state.older = v->state.older;
        hf_table__version_free(table, v);
    }
    hf_table__alarm_clear(table, e);
    hf_list_remove(&e->turn);
    hf_table__hash_remove(table, e, hf_table_hash(table, hf_table__key(e)));
    hf_table__tree_remove(table, e);
    table->stats.versions--;
    give_external(table, &e->state);
    hf_table__give(table, e);
}

/* ---- Reading ---- */

void hf_table_fetch(hf_table *table)
{
    if (table->want_count != 0) {
        hf_table__hash_fetch(table);
    }
}

hf_got hf_table_get_hashed(const hf_table *table, hf_bytes key, uint64_t hash, uint64_t ts)
{
    hf_table__entry *e = hf_table__find(table, key, hash);
    return hf_table__got(e == NULL ? NULL : hf_table__seen(e, ts));
}

hf_got hf_table_get(const hf_table *table, hf_bytes key, uint64_t ts)
{
    return hf_table_get_hashed(table, key, hf_table_hash(table, key), ts);
}

/* ---- Changing ---- */

static void put_new(hf_table *table, hf_bytes key, uint64_t hash, const hf_value *value,
                    uint64_t ts, uint64_t lsn)
{
    if (value->kind == HF_KIND_NONE) {
        return;
    }
    hf_table__entry *e = entry_open(table, key, hash, value->bytes.size);
    e->state.ts = ts;
    e->state.lsn = lsn;
    set_value(table, &e->state, NULL, value);
    hf_table__pass_enter(table, e, ts);
    hf_table__weigh(table, e, 1);
    hf_table__alarm_set(table, e);
}

/* A value that becomes the newest; `keep`: the one before stays readable. */
static void put_newest(hf_table *table, hf_table__entry *e, const hf_value *value, uint64_t ts,
                       uint64_t lsn, bool keep)
{
    if ((e->state.flags & HF_STATE_STRAY) != 0) {
        uint64_t hash = hf_table_hash(table, hf_table__key(e));
        hf_table__hash_remove(table, e, hash);
        hf_table__hash_add(table, e, hash); /* perhaps there is room now */
    }
    hf_table__weigh(table, e, -1);
    if (keep) {
        supersede(table, e);
        set_value(table, &e->state, NULL, value);
    } else {
        replace_value(table, &e->state, value);
    }
    e->state.ts = ts;
    e->state.lsn = lsn;
    hf_table__touch(table, e, ts);
    hf_table__weigh(table, e, 1);
    hf_table__alarm_set(table, e);
}

void hf_table_put(hf_table *table, hf_bytes key, const hf_value *value, uint64_t ts, uint64_t lsn)
{
    hf_table_put_hashed(table, key, hf_table_hash(table, key), value, ts, lsn);
}

void hf_table_put_hashed(hf_table *table, hf_bytes key, uint64_t hash, const hf_value *value,
                         uint64_t ts, uint64_t lsn)
{
    HF_PRE(ts != 0 && ts != HF_TS_MAX);
    HF_PRE(!hf_table__has_bytes((uint8_t)value->kind) || value->bytes.size <= HF_VALUE_SIZE_MAX);
    hf_table__entry *e = hf_table__find(table, key, hash);
    if (e == NULL) {
        put_new(table, key, hash, value, ts, lsn);
        return;
    }
    HF_PRE(ts >= e->state.ts);
    put_newest(table, e, value, ts, lsn, hf_table__needed(table, e->state.ts, ts));
}

/* ---- Folding ---- */

static int64_t sum_of(int64_t a, int64_t b)
{
    int64_t sum;
    bool over = __builtin_add_overflow(a, b, &sum);
    HF_ASSERT(!over); /* the caller has proved it */
    return sum;
}

/* Whether the state counts as nothing for what is added at `ts`. */
static bool is_nothing(const hf_table__state *s, uint64_t ts)
{
    return s == NULL || s->kind == HF_KIND_NONE || hf_value_expired(s->expire_ms, ts);
}

/* The value of `s` (NULL: nothing) with `delta` added. Bytes lie in the scratch. */
static hf_value added(hf_table *table, const hf_table__state *s, hf_bytes field, int64_t delta)
{
    hf_value v = { .kind = HF_KIND_NONE };
    if (s != NULL) {
        v = hf_table__value(s);
    }
    int64_t number = 0;
    if (field.size == 0) {
        if (v.kind == HF_KIND_INT) {
            number = v.integer;
        } else if (v.kind != HF_KIND_NONE) {
            HF_ASSERT(v.kind == HF_KIND_STRING && hf_int_from_text(v.bytes, &number));
        }
        return (hf_value){ HF_KIND_INT, v.expire_ms, sum_of(number, delta), { NULL, 0 } };
    }
    HF_ASSERT(v.kind == HF_KIND_NONE || v.kind == HF_KIND_RECORD);
    hf_bytes contents;
    uint32_t index;
    if (hf_record_find(v.bytes, field, &contents, &index)) {
        HF_ASSERT(hf_int_from_text(contents, &number));
    }
    char text[HF_INT_TEXT_MAX + 1];
    uint32_t size = hf_int_to_text(sum_of(number, delta), text);
    hf_field change = { field, hf_bytes_of(text, size), false };
    uint32_t fields;
    hf_buf_reset(&table->scratch);
    hf_err err = hf_record_change(v.bytes, &change, 1, &table->scratch, &fields);
    HF_ASSERT(err == HF_OK); /* the caller has proved the size, and asked for the memory */
    v.kind = HF_KIND_RECORD;
    v.bytes = hf_buf_view(&table->scratch);
    return v;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Adds in place: the version keeps its timestamp. */
static void add_into(hf_table *table, hf_table__state *s, hf_bytes field, int64_t delta,
                     uint64_t lsn)
{
    hf_value v = added(table, s, field, delta);
    replace_value(table, s, &v);
    s->lsn = later(s->lsn, lsn);
}

static void fold_newest(hf_table *table, hf_table__entry *e, hf_bytes field, int64_t delta,
                        uint64_t ts, uint64_t lsn)
{
    hf_table__state *s = &e->state;
    bool nothing = is_nothing(s, ts);
    hf_value v = added(table, nothing ? NULL : s, field, delta);
    /* What has expired is kept even if no reader needs it: an addition that comes late, below the
     * expiry, must find it, or it would count for the life that begins here. */
    bool dead = nothing && s->kind != HF_KIND_NONE && s->ts < ts;
    bool keep = dead || hf_table__needed(table, s->ts, ts);
    put_newest(table, e, &v, ts, nothing ? lsn : later(s->lsn, lsn), keep);
}

/* Puts the addition in its place below `above`, and answers the version that it is part of or
 * follows: NULL if it begins a life of the key. */
static hf_table__state *fold_place(hf_table *table, hf_table__state *above, hf_bytes field,
                                   int64_t delta, uint64_t ts, uint64_t lsn)
{
    hf_table__state *below = above->older == NULL ? NULL : &above->older->state;
    bool nothing = is_nothing(below, ts);
    if (!hf_table__needed(table, ts, above->ts) && (below == NULL || below->ts != ts)) {
        return nothing ? NULL : below;
    }
    hf_value v = added(table, nothing ? NULL : below, field, delta);
    uint64_t depends = nothing ? lsn : later(below->lsn, lsn);
    bool dead = nothing && below != NULL && below->kind != HF_KIND_NONE && below->ts < ts;
    if (below != NULL && !dead && !hf_table__needed(table, below->ts, ts)) {
        replace_value(table, below, &v);
        below->ts = ts;
        below->lsn = depends;
        return below;
    }
    uint32_t room = v.bytes.size <= HF_TABLE_INLINE_MAX ? v.bytes.size : 0;
    hf_table__version *placed = version_open(table, room);
    placed->state.ts = ts;
    placed->state.lsn = depends;
    set_value(table, &placed->state, NULL, &v);
    link_below(table, above, placed);
    return &placed->state;
}

static void fold_late(hf_table *table, hf_table__entry *e, hf_bytes field, int64_t delta,
                      uint64_t ts, uint64_t lsn)
{
    HF_PRE(ts >= table->floor); /* what lies below may be gone */
    hf_table__state *above = &e->state;
    while (above->older != NULL && above->older->state.ts > ts) {
        above = &above->older->state;
    }
    hf_table__weigh(table, e, -1);
    const hf_table__state *before = fold_place(table, above, field, delta, ts, lsn);
    /* All newer versions were made from this one, up to the end of this life of the key. */
    for (hf_table__state *s = above;; s = ((hf_table__version *)(void *)s)->newer) {
        bool dead = before != NULL && before->kind != HF_KIND_NONE &&
                    hf_value_expired(before->expire_ms, s->ts);
        if (dead || s->kind == HF_KIND_NONE) {
            break;
        }
        add_into(table, s, field, delta, lsn);
        before = s;
        if (s == &e->state) {
            break;
        }
    }
    hf_table__touch(table, e, ts);
    hf_table__weigh(table, e, 1);
    hf_table__alarm_set(table, e);
}

void hf_table_fold(hf_table *table, hf_bytes key, hf_bytes field, int64_t delta, uint64_t ts,
                   uint64_t lsn)
{
    hf_table_fold_hashed(table, key, hf_table_hash(table, key), field, delta, ts, lsn);
}

void hf_table_fold_hashed(hf_table *table, hf_bytes key, uint64_t hash, hf_bytes field,
                          int64_t delta, uint64_t ts, uint64_t lsn)
{
    HF_PRE(ts != 0 && ts != HF_TS_MAX);
    hf_table__entry *e = hf_table__find(table, key, hash);
    if (e == NULL) {
        hf_value v = added(table, NULL, field, delta);
        put_new(table, key, hash, &v, ts, lsn);
    } else if (ts >= e->state.ts) {
        fold_newest(table, e, field, delta, ts, lsn);
    } else {
        fold_late(table, e, field, delta, ts, lsn);
    }
    hf_buf_trim(&table->scratch, HF_TABLE_SCRATCH_KEPT);
}
