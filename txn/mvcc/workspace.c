#include "txn/mvcc/workspace.h"
#include "engine/base/assert.h"

typedef struct entry {
    uint64_t hash;
    uint64_t expire_ms;
    int64_t integer;
    uint32_t key, key_size;     /* in values */
    uint32_t bytes, bytes_size; /* in values */
    uint8_t kind;
    bool written;
    uint16_t note;
} entry;

typedef struct undo {
    uint32_t index;

    entry before;
} undo;

enum { SLOTS_LEAST = 32 };

/* FNV-1a: the workspace is small and private to one transaction of bounded size. */
static uint64_t hash_of(hf_bytes key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < key.size; i++) {
        hash = (hash ^ key.data[i]) * 0x100000001b3u;
    }
    return hash ^ (hash >> 29);
}

static entry *entry_at(const hf_workspace *w, uint32_t index)
{
    return (entry *)(void *)w->entries.data + index;
}

static hf_bytes key_of(const hf_workspace *w, const entry *e)
{
    HF_ASSERT(w->values.data != NULL); /* it holds this key */
    return hf_bytes_of(w->values.data + e->key, e->key_size);
}

static uint32_t slot_count(const hf_workspace *w)
{
    return w->slots.size / (uint32_t)sizeof(uint32_t);
}

/* The slot that holds the key, or the empty one where it belongs. */
static uint32_t *slot_for(const hf_workspace *w, hf_bytes key, uint64_t hash)
{
    uint32_t *slots = (uint32_t *)(void *)w->slots.data;
    uint32_t mask = slot_count(w) - 1;
    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
        if (slots[at] == 0) {
            return &slots[at];
        }
        const entry *e = entry_at(w, slots[at] - 1);
        if (e->hash == hash && hf_bytes_equal(key_of(w, e), key)) {
            return &slots[at];
        }
    }
}

/* Makes room before anything is changed: what failed can be rolled back. */
static bool room(hf_workspace *w, hf_buf *buf, uint32_t more)
{
    if (!hf_buf_reserve(buf, more)) {
        w->failed = true;
        return false;
    }
    return true;
}

static bool slots_size(hf_workspace *w, uint32_t count)
{
    if (!room(w, &w->slots, count * (uint32_t)sizeof(uint32_t) - w->slots.size)) {
        return false;
    }
    hf_buf_reset(&w->slots);
    uint8_t *slots = hf_buf_extend(&w->slots, count * (uint32_t)sizeof(uint32_t));
    HF_ASSERT(slots != NULL);
    memset(slots, 0, count * sizeof(uint32_t));
    for (uint32_t i = 0; i < w->entry_count; i++) {
        const entry *e = entry_at(w, i);
        *slot_for(w, key_of(w, e), e->hash) = i + 1;
    }
    return true;
}

void hf_workspace_open(hf_workspace *w, hf_heap *heap)
{
    *w = (hf_workspace){ .failed = false };
    hf_buf_open(&w->mutations, heap);
    hf_buf_open(&w->values, heap);
    hf_buf_open(&w->entries, heap);
    hf_buf_open(&w->undo, heap);
    hf_buf_open(&w->slots, heap);
    hf_buf_open(&w->scratch, heap);
}

void hf_workspace_close(hf_workspace *w)
{
    hf_buf_close(&w->mutations);
    hf_buf_close(&w->values);
    hf_buf_close(&w->entries);
    hf_buf_close(&w->undo);
    hf_buf_close(&w->slots);
    hf_buf_close(&w->scratch);
}

void hf_workspace_reset(hf_workspace *w)
{
    enum { KEEP = 256 * 1024 };
    hf_buf *all[] = { &w->mutations, &w->values, &w->entries, &w->undo, &w->slots, &w->scratch };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        hf_buf_reset(all[i]);
        hf_buf_trim(all[i], KEEP);
    }
    w->entry_count = 0;
    w->undo_count = 0;
    w->applied = 0;
    w->failed = false;
}

static void value_of(const hf_workspace *w, const entry *e, hf_value *value)
{
    *value = (hf_value){ .kind = (hf_kind)e->kind,
                         .expire_ms = e->expire_ms,
                         .integer = e->integer,
                         .bytes = hf_bytes_of(w->values.data + e->bytes, e->bytes_size) };
}

/* NULL: not known. */
static entry *find(const hf_workspace *w, hf_bytes key)
{
    uint32_t slot = w->entry_count == 0 ? 0 : *slot_for(w, key, hash_of(key));
    return slot == 0 ? NULL : entry_at(w, slot - 1);
}

bool hf_workspace_get(const hf_workspace *w, hf_bytes key, hf_value *value)
{
    const entry *e = find(w, key);
    if (e != NULL) {
        value_of(w, e, value);
    }
    return e != NULL;
}

void hf_workspace_note(hf_workspace *w, hf_bytes key, uint16_t note)
{
    entry *e = find(w, key);
    if (e != NULL) {
        e->note = note;
    }
}

bool hf_workspace_noted(const hf_workspace *w, hf_bytes key, uint16_t *note)
{
    const entry *e = find(w, key);
    *note = e != NULL ? e->note : 0;
    return e != NULL;
}

/* The entry's index; made (kind NONE) if absent. UINT32_MAX: no memory. */
static uint32_t entry_for(hf_workspace *w, hf_bytes key, bool *made)
{
    *made = false;
    if ((w->entry_count + 1) * 2 > slot_count(w) &&
        !slots_size(w, slot_count(w) == 0 ? SLOTS_LEAST : slot_count(w) * 2)) {
        return UINT32_MAX;
    }
    uint64_t hash = hash_of(key);
    uint32_t *slot = slot_for(w, key, hash);
    if (*slot != 0) {
        return *slot - 1;
    }
    if (!room(w, &w->values, key.size) || !room(w, &w->entries, sizeof(entry))) {
        return UINT32_MAX;
    }
    uint32_t at = w->values.size;
    hf_buf_raw(&w->values, key.data, key.size);
    entry *e = (entry *)(void *)hf_buf_extend(&w->entries, sizeof *e);
    HF_ASSERT(e != NULL && !w->values.failed);
    memset(e, 0, sizeof *e);
    *e = (entry){ .hash = hash, .key = at, .key_size = key.size, .kind = HF_KIND_NONE };
    *slot = ++w->entry_count;
    *made = true;
    return w->entry_count - 1;
}

/* Takes the newest entry out again: its base could not be kept, and it must not look absent. */
static void unmake(hf_workspace *w)
{
    const entry *e = entry_at(w, w->entry_count - 1);
    *slot_for(w, key_of(w, e), e->hash) = 0;
    w->entry_count--;
    w->entries.size -= (uint32_t)sizeof *e;
}

/* False: no memory; the entry is as before. */
static bool entry_set(hf_workspace *w, uint32_t index, const hf_value *value)
{
    uint32_t at = w->values.size;
    const uint8_t *from = value->bytes.data;
    if (from >= w->values.data && from < w->values.data + w->values.size) {
        at = (uint32_t)(from - w->values.data); /* unchanged bytes: they are here already */
    } else {
        hf_buf_raw(&w->values, from, value->bytes.size);
    }
    if (w->values.failed) {
        w->failed = true;
        return false;
    }
    entry *e = entry_at(w, index);
    e->kind = (uint8_t)value->kind;
    e->expire_ms = value->expire_ms;
    e->integer = value->integer;
    e->bytes = at;
    e->bytes_size = value->bytes.size;
    return true;
}

void hf_workspace_base(hf_workspace *w, hf_bytes key, const hf_value *value)
{
    bool made;
    uint32_t index = entry_for(w, key, &made);
    if (index != UINT32_MAX && made && !entry_set(w, index, value)) {
        unmake(w);
    }
}

static hf_err apply_one(hf_workspace *w, const hf_mutation *mutation, hf_workspace_fetch *fetch,
                        void *context)
{
    bool made;
    uint32_t index = entry_for(w, mutation->key, &made);
    if (index == UINT32_MAX) {
        return HF_E_NOMEM;
    }
    if (made) {
        hf_value base = { .kind = HF_KIND_NONE };
        fetch(context, mutation->key, &base);
        if (!entry_set(w, index, &base)) {
            unmake(w);
            return HF_E_NOMEM;
        }
    }
    undo *u = (undo *)(void *)hf_buf_extend(&w->undo, sizeof *u);
    if (u == NULL || w->failed) {
        w->failed = true;
        return HF_E_NOMEM;
    }
    memset(u, 0, sizeof *u);
    u->index = index;
    u->before = *entry_at(w, index);
    w->undo_count++;
    hf_value value;
    value_of(w, entry_at(w, index), &value);
    hf_buf_reset(&w->scratch);
    hf_err err = hf_mutation_onto(mutation, &value, &w->scratch);
    if (err != HF_OK) {
        return err;
    }
    if (w->scratch.failed || !entry_set(w, index, &value)) {
        w->failed = true;
        return HF_E_NOMEM;
    }
    entry_at(w, index)->written = true;
    return HF_OK;
}

hf_err hf_workspace_apply(hf_workspace *w, hf_workspace_fetch *fetch, void *context)
{
    if (w->mutations.failed || w->failed) {
        return HF_E_NOMEM;
    }
    hf_reader reader =
        hf_reader_of(hf_bytes_of(w->mutations.data + w->applied, w->mutations.size - w->applied));
    hf_mutation mutation;
    while (hf_mutation_next(&reader, &mutation)) {
        hf_err err = apply_one(w, &mutation, fetch, context);
        if (err != HF_OK) {
            return err;
        }
    }
    HF_ASSERT(!reader.bad);
    w->applied = w->mutations.size;
    return HF_OK;
}

hf_workspace_mark hf_workspace_mark_now(const hf_workspace *w)
{
    return (hf_workspace_mark){ .mutations = w->mutations.size, .undo_count = w->undo_count };
}

void hf_workspace_rollback(hf_workspace *w, hf_workspace_mark mark)
{
    HF_PRE(mark.mutations <= w->mutations.size && mark.undo_count <= w->undo_count);
    while (w->undo_count > mark.undo_count) {
        w->undo_count--;
        const undo *u = (const undo *)(const void *)w->undo.data + w->undo_count;
        *entry_at(w, u->index) = u->before;
    }
    w->undo.size = w->undo_count * (uint32_t)sizeof(undo);
    w->mutations.size = mark.mutations;
    hf_buf *all[] = { &w->mutations, &w->values, &w->entries, &w->undo, &w->slots, &w->scratch };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        all[i]->failed = false;
    }
    w->failed = false;
    w->applied = mark.mutations;
}

static void each(const hf_workspace *w, bool all, hf_workspace_visit *visit, void *context)
{
    for (uint32_t i = 0; i < w->entry_count; i++) {
        const entry *e = entry_at(w, i);
        if (all || e->written) {
            hf_value value;
            value_of(w, e, &value);
            visit(context, key_of(w, e), &value);
        }
    }
}

void hf_workspace_each(const hf_workspace *w, hf_workspace_visit *visit, void *context)
{
    each(w, false, visit, context);
}

void hf_workspace_all(const hf_workspace *w, hf_workspace_visit *visit, void *context)
{
    each(w, true, visit, context);
}
