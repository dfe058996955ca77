/* What the tests of the workspace share. */
#ifndef HF_TESTS_MVCC_WORKSPACE_TEST_H
#define HF_TESTS_MVCC_WORKSPACE_TEST_H
#include "tests/unit/mvcc/support.h"
#include "txn/mvcc/workspace.h"

typedef struct desk {
    void *region;
    hf_heap *heap;
    hf_workspace w;
} desk;

static inline void desk_open(desk *d, size_t size)
{
    d->region = aligned_alloc(64 * 1024, size);
    assert_non_null(d->region);
    d->heap = hf_heap_open(d->region, size);
    hf_workspace_open(&d->w, d->heap);
}

static inline void desk_close(desk *d)
{
    hf_workspace_close(&d->w);
    hf_heap_check(d->heap);
    hf_heap_close(d->heap);
    free(d->region);
}

static inline hf_value string_value(const char *s, uint64_t expire_ms)
{
    return (hf_value){ .kind = HF_KIND_STRING, .expire_ms = expire_ms, .bytes = text(s) };
}

static inline hf_value int_value(int64_t n)
{
    return (hf_value){ .kind = HF_KIND_INT, .integer = n };
}

static inline void fetch_nothing(void *context, hf_bytes key, hf_value *value)
{
    (void)key;
    (void)value;
    if (context != NULL) {
        ++*(int *)context;
    }
}

static inline void apply(desk *d)
{
    assert_int_equal(hf_workspace_apply(&d->w, fetch_nothing, NULL), HF_OK);
}

static inline void put_string(desk *d, const char *key, const char *s, uint64_t expire_ms)
{
    hf_value v = string_value(s, expire_ms);
    hf_mutation_put(&d->w.mutations, text(key), &v);
}

static inline void assert_string(desk *d, const char *key, const char *s, uint64_t expire_ms)
{
    hf_value v;
    assert_true(hf_workspace_get(&d->w, text(key), &v));
    assert_int_equal(v.kind, HF_KIND_STRING);
    assert_int_equal(v.expire_ms, expire_ms);
    assert_int_equal(v.bytes.size, strlen(s));
    assert_memory_equal(v.bytes.data, s, strlen(s));
}

static inline void assert_int(desk *d, const char *key, int64_t n)
{
    hf_value v;
    assert_true(hf_workspace_get(&d->w, text(key), &v));
    assert_int_equal(v.kind, HF_KIND_INT);
    assert_true(v.integer == n);
}

static inline void assert_none(desk *d, const char *key)
{
    hf_value v;
    assert_true(hf_workspace_get(&d->w, text(key), &v));
    assert_int_equal(v.kind, HF_KIND_NONE);
}

static inline void assert_unknown(desk *d, const char *key)
{
    hf_value v;
    assert_false(hf_workspace_get(&d->w, text(key), &v));
}

static inline void assert_field(desk *d, const char *key, const char *name, const char *contents)
{
    hf_value v;
    hf_bytes found;
    uint32_t index;
    assert_true(hf_workspace_get(&d->w, text(key), &v));
    assert_int_equal(v.kind, HF_KIND_RECORD);
    assert_true(hf_record_find(v.bytes, text(name), &found, &index));
    assert_true(hf_bytes_equal(found, text(contents)));
}

static inline void put_field(desk *d, const char *key, const char *name, const char *contents)
{
    hf_field f = { .name = text(name), .value = text(contents) };
    hf_mutation_fields(&d->w.mutations, text(key), &f, 1);
}

#endif
