/* The naive table: for each key every version that there ever was, in order. */
#ifndef HF_TESTS_TABLE_MODEL_H
#define HF_TESTS_TABLE_MODEL_H
#include "tests/unit/table/support.h"

typedef struct model_version {
    uint64_t ts;
    uint64_t lsn;
    hf_value value; /* bytes are the model's own */
    bool folded;    /* made by a fold: a late addition may lie below */
} model_version;

typedef struct model_key {
    uint8_t *key;
    uint32_t key_size;
    model_version *versions; /* oldest first */
    uint32_t count;
} model_key;

typedef struct model {
    model_key *keys; /* ascending */
    uint32_t count;
} model;

static inline hf_bytes model_key_bytes(const model_key *k)
{
    return hf_bytes_of(k->key, k->key_size);
}

static inline hf_value value_copy(hf_value v)
{
    if (v.kind == HF_KIND_STRING || v.kind == HF_KIND_RECORD) {
        uint8_t *data = malloc(v.bytes.size + 1U);
        if (v.bytes.size != 0) {
            memcpy(data, v.bytes.data, v.bytes.size);
        }
        v.bytes.data = data;
    } else {
        v.bytes = hf_bytes_of(NULL, 0);
    }
    if (v.kind == HF_KIND_NONE) {
        v.expire_ms = 0;
    }
    return v;
}

static inline void value_free(hf_value v)
{
    free((void *)(uintptr_t)v.bytes.data);
}

/* The first key >= `key`. */
static inline uint32_t model_place(const model *m, hf_bytes key)
{
    uint32_t i = 0;
    while (i < m->count && hf_bytes_compare(model_key_bytes(&m->keys[i]), key) < 0) {
        i++;
    }
    return i;
}

static inline model_key *model_find(const model *m, hf_bytes key)
{
    uint32_t i = model_place(m, key);
    bool found = i < m->count && hf_bytes_equal(model_key_bytes(&m->keys[i]), key);
    return found ? &m->keys[i] : NULL;
}

static inline model_key *model_make(model *m, hf_bytes key)
{
    uint32_t i = model_place(m, key);
    if (i < m->count && hf_bytes_equal(model_key_bytes(&m->keys[i]), key)) {
        return &m->keys[i];
    }
    m->keys = realloc(m->keys, (m->count + 1U) * sizeof *m->keys);
    memmove(&m->keys[i + 1], &m->keys[i], (m->count - i) * sizeof *m->keys);
    m->count++;
    model_key *k = &m->keys[i];
    *k = (model_key){ .key = malloc(key.size), .key_size = key.size };
    memcpy(k->key, key.data, key.size);
    return k;
}

static inline void model_forget(model *m, uint32_t i)
{
    model_key *k = &m->keys[i];
    for (uint32_t v = 0; v < k->count; v++) {
        value_free(k->versions[v].value);
    }
    free(k->versions);
    free(k->key);
    m->count--;
    memmove(k, k + 1, (m->count - i) * sizeof *k);
}

static inline void model_close(model *m)
{
    while (m->count != 0) {
        model_forget(m, m->count - 1);
    }
    free(m->keys);
}

/* Puts a version in its place; one of the same time is replaced. Takes `value` over. */
static inline uint32_t model_insert(model_key *k, uint64_t ts, uint64_t lsn, hf_value value,
                                    bool folded)
{
    uint32_t at = k->count;
    while (at != 0 && k->versions[at - 1].ts >= ts) {
        at--;
    }
    if (at < k->count && k->versions[at].ts == ts) {
        value_free(k->versions[at].value);
        folded = folded && k->versions[at].folded;
    } else {
        k->versions = realloc(k->versions, (k->count + 1U) * sizeof *k->versions);
        memmove(&k->versions[at + 1], &k->versions[at], (k->count - at) * sizeof *k->versions);
        k->count++;
    }
    k->versions[at] = (model_version){ ts, lsn, value, folded };
    return at;
}

static inline void model_put(model *m, hf_bytes key, hf_value value, uint64_t ts, uint64_t lsn)
{
    if (value.kind == HF_KIND_NONE && model_find(m, key) == NULL) {
        return;
    }
    model_insert(model_make(m, key), ts, lsn, value_copy(value), false);
}

/* The newest version with a timestamp up to `ts`; NULL: none. */
static inline const model_version *model_seen(const model_key *k, uint64_t ts)
{
    for (uint32_t i = k == NULL ? 0 : k->count; i-- > 0;) {
        if (k->versions[i].ts <= ts) {
            return &k->versions[i];
        }
    }
    return NULL;
}

/* By the mutation's own code: its records are tested for themselves. */
static inline hf_value model_added(hf_heap *heap, hf_value base, hf_bytes field, int64_t delta)
{
    hf_buf scratch;
    hf_buf_open(&scratch, heap);
    hf_mutation add = { .op = HF_MUTATION_ADD, .integer = delta, .bytes = field };
    assert_int_equal(hf_mutation_onto(&add, &base, &scratch), HF_OK);
    hf_value made = value_copy(base);
    hf_buf_close(&scratch);
    return made;
}

static inline bool model_dead(const model_version *v, uint64_t ts)
{
    return v->value.kind == HF_KIND_NONE || hf_value_expired(v->value.expire_ms, ts);
}

static inline void model_fold(model *m, hf_heap *heap, hf_bytes key, hf_bytes field, int64_t delta,
                              uint64_t ts, uint64_t lsn)
{
    model_key *k = model_make(m, key);
    const model_version *base = model_seen(k, ts);
    bool alive = base != NULL && !model_dead(base, ts);
    hf_value before = alive ? base->value : no_value();
    uint64_t depends = alive && base->lsn > lsn ? base->lsn : lsn;
    uint32_t at = model_insert(k, ts, depends, model_added(heap, before, field, delta),
                               base == NULL || base->ts < ts || base->folded);
    for (uint32_t i = at + 1; i < k->count; i++) {
        model_version *v = &k->versions[i];
        if (model_dead(&k->versions[i - 1], v->ts) || v->value.kind == HF_KIND_NONE) {
            break;
        }
        hf_value now = model_added(heap, v->value, field, delta);
        value_free(v->value);
        v->value = now;
        v->lsn = v->lsn > lsn ? v->lsn : lsn;
    }
}

#endif
