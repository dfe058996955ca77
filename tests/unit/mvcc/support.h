/* What the tests of txn/mvcc share: a heap in memory of its own, short names for keys and ages. */
#ifndef HF_TESTS_MVCC_SUPPORT_H
#define HF_TESTS_MVCC_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/assert.h"
#include "engine/base/hash.h"
#include "engine/base/prng.h"
#include "txn/mvcc/lock.h"

typedef struct home {
    void *region;
    hf_heap *heap;
    hf_lock_table *locks;
} home;

static inline home home_open(size_t size)
{
    home h;
    h.region = aligned_alloc(64 * 1024, size);
    assert_non_null(h.region);
    h.heap = hf_heap_open(h.region, size);
    h.locks = hf_lock_table_open(h.heap);
    assert_non_null(h.locks);
    return h;
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

static inline uint64_t hash(hf_bytes key)
{
    return hf_hash64(7, key.data, key.size);
}

static inline hf_age age(uint64_t ts)
{
    return (hf_age){ ts, 0 };
}

static inline hf_lock_txn txn(uint64_t ts)
{
    return (hf_lock_txn){ .age = age(ts) };
}

static inline hf_lock *lock_of(home *h, const char *key)
{
    return hf_lock_find(h->locks, text(key), hash(text(key)));
}

static inline bool is_free(home *h, const char *key, hf_lock_mode mode, uint64_t ts,
                           const hf_lock_txn *self, hf_lock **at)
{
    return hf_lock_free(h->locks, text(key), hash(text(key)), mode, age(ts), self, at);
}

static inline void take(home *h, const char *key, hf_lock_mode mode, hf_lock_txn *t)
{
    assert_true(hf_lock_take(h->locks, text(key), hash(text(key)), mode, t));
    hf_lock_table_check(h->locks);
}

static inline void take_range(home *h, const char *start, const char *end, hf_lock_mode mode,
                              hf_lock_txn *t)
{
    assert_true(hf_lock_take_range(h->locks, text(start), text(end), mode, t));
    hf_lock_table_check(h->locks);
}

static inline bool is_range_free(home *h, const char *start, const char *end, hf_lock_mode mode,
                                 uint64_t ts, const hf_lock_txn *self, hf_lock **at)
{
    return hf_lock_range_free(h->locks, text(start), text(end), mode, age(ts), self, at);
}

/* A request that finds the key taken, and waits. */
static inline void wait_for(home *h, const char *key, hf_lock_mode mode, uint64_t ts,
                            const hf_lock_txn *self, hf_lock_waiter *waiter)
{
    hf_lock *at = NULL;
    assert_false(is_free(h, key, mode, ts, self, &at));
    *waiter = (hf_lock_waiter){ .lock = NULL };
    hf_lock_wait(h->locks, at, waiter, mode, age(ts), self);
    hf_lock_table_check(h->locks);
}

static inline void release(home *h, hf_lock_txn *t)
{
    hf_lock_release(h->locks, t);
    assert_null(t->holds);
    hf_lock_table_check(h->locks);
}

static inline void assert_ready(home *h, const hf_lock_waiter *wanted)
{
    assert_ptr_equal(hf_lock_ready(h->locks), wanted);
    hf_lock_table_check(h->locks);
}

static inline void assert_idle(home *h)
{
    assert_null(hf_lock_ready(h->locks));
    assert_true(hf_lock_table_idle(h->locks));
    hf_lock_stats stats = hf_lock_stats_get(h->locks);
    assert_int_equal(stats.locks + stats.holds + stats.waiters + stats.ranges, 0);
}

#endif
