/* What the table's tests share: a heap in memory of its own, a table in it, values in short. */
#ifndef HF_TESTS_TABLE_SUPPORT_H
#define HF_TESTS_TABLE_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/base/prng.h"
#include "storage/table/mutation.h"
#include "storage/table/table.h"

enum { TICK = 1000000 };

typedef struct home {
    void *region;
    hf_heap *heap;
    hf_table *table;
} home;

static inline home home_open_tick(size_t size, uint64_t tick_ns)
{
    home h;
    h.region = aligned_alloc(64 * 1024, size);
    assert_non_null(h.region);
    h.heap = hf_heap_open(h.region, size);
    h.table = hf_table_open(h.heap, &(hf_table_config){ .hash_seed = 7, .tick_ns = tick_ns });
    assert_non_null(h.table);
    return h;
}

static inline home home_open(size_t size)
{
    return home_open_tick(size, TICK);
}

static inline void home_close(home *h)
{
    hf_heap_check(h->heap);
    hf_heap_close(h->heap);
    free(h->region);
}

static inline hf_bytes text(const char *s)
{
    return hf_bytes_of(s, strlen(s));
}
static inline hf_value string_value(hf_bytes bytes)
{
    return (hf_value){ .kind = HF_KIND_STRING, .bytes = bytes };
}
static inline hf_value int_value(int64_t n)
{
    return (hf_value){ .kind = HF_KIND_INT, .integer = n };
}
static inline hf_value no_value(void)
{
    return (hf_value){ .kind = HF_KIND_NONE };
}
static inline void put_text(hf_table *table, const char *key, const char *value, uint64_t ts)
{
    hf_value v = string_value(text(value));
    hf_table_put(table, text(key), &v, ts, ts);
}
static inline void put_int(hf_table *table, const char *key, int64_t n, uint64_t ts)
{
    hf_value v = int_value(n);
    hf_table_put(table, text(key), &v, ts, ts);
}
static inline void delete_key(hf_table *table, const char *key, uint64_t ts)
{
    hf_value v = no_value();
    hf_table_put(table, text(key), &v, ts, ts);
}

static inline void assert_value(hf_value got, hf_value wanted)
{
    assert_int_equal(got.kind, wanted.kind);
    if (got.kind == HF_KIND_NONE) {
        return;
    }
    assert_int_equal(got.expire_ms, wanted.expire_ms);
    if (got.kind == HF_KIND_INT) {
        assert_true(got.integer == wanted.integer);
    } else {
        assert_int_equal(got.bytes.size, wanted.bytes.size);
        assert_true(hf_bytes_equal(got.bytes, wanted.bytes));
    }
}

#endif
