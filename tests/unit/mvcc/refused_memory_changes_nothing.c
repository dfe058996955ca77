/* Every allocation of the lock table refused in turn: the call says so, nothing is changed, and
 * nothing is lost.
 */
#include "tests/unit/mvcc/support.h"

static void open_at_every_point(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    void *region = aligned_alloc(64 * 1024, size);
    hf_heap *heap = hf_heap_open(region, size);
    uint64_t refused = 0;
    for (;; refused++) {
        size_t before = hf_heap_used(heap);
        hf_heap_fail_at(heap, refused + 1);
        hf_lock_table *locks = hf_lock_table_open(heap);
        hf_heap_fail_at(heap, 0);
        if (locks != NULL) {
            hf_lock_table_check(locks);
            break;
        }
        assert_int_equal(hf_heap_used(heap), before);
        hf_heap_check(heap);
    }
    assert_int_equal(refused, 2);
    hf_heap_close(heap);
    free(region);
}

/* Of the heap: nothing that was given up is kept to be used again. */
static void fail_at(home *h, uint64_t take)
{
    hf_lock_table_trim(h->locks);
    hf_heap_fail_at(h->heap, take);
}

static void assert_empty(home *h, size_t used)
{
    hf_lock_table_trim(h->locks);
    hf_lock_table_check(h->locks);
    assert_idle(h);
    assert_int_equal(hf_heap_used(h->heap), used);
    hf_heap_check(h->heap);
}

static void a_first_lock(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    size_t used = hf_heap_used(h.heap);
    for (uint64_t at = 1; at <= 2; at++) { /* the entry, the hold */
        hf_lock_txn a = txn(1);
        take(&h, "first", HF_LOCK_X, &a); /* its hold takes no memory */
        fail_at(&h, at);
        assert_false(hf_lock_take(h.locks, text("k"), hash(text("k")), HF_LOCK_X, &a));
        fail_at(&h, at);
        assert_false(hf_lock_take_range(h.locks, text("a"), text("b"), HF_LOCK_X, &a));
        fail_at(&h, 0);
        assert_ptr_equal(a.holds, &a.one);
        assert_null(a.holds->txn_next);
        release(&h, &a);
        assert_empty(&h, used);
    }
    fail_at(&h, 1);
    assert_null(hf_lock_want_range(h.locks, text("a"), text("b"), HF_LOCK_X, age(1)));
    fail_at(&h, 0);
    assert_empty(&h, used);
    home_close(&h);
}

/* A key that others hold or wait for stays as it is. */
static void a_lock_that_is_there(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    hf_lock_txn b = txn(2);
    hf_lock_waiter w;
    hf_lock *at = NULL;
    take(&h, "k", HF_LOCK_S, &a);
    take(&h, "first", HF_LOCK_X, &b);
    fail_at(&h, 1);
    assert_false(hf_lock_take(h.locks, text("k"), hash(text("k")), HF_LOCK_S, &b));
    release(&h, &b);
    fail_at(&h, 1);
    take(&h, "k", HF_LOCK_X, &a); /* an upgrade takes no memory */
    fail_at(&h, 1);
    wait_for(&h, "k", HF_LOCK_X, 9, NULL, &w); /* nor does waiting */
    fail_at(&h, 0);
    assert_false(is_free(&h, "k", HF_LOCK_S, 3, NULL, &at));
    release(&h, &a);
    assert_ready(&h, &w);
    /* The one that runs finds no memory, and the next gets its turn. */
    hf_lock_waiter late;
    take(&h, "k", HF_LOCK_S, &a);
    wait_for(&h, "k", HF_LOCK_X, 9, NULL, &w);
    wait_for(&h, "k", HF_LOCK_X, 10, NULL, &late);
    release(&h, &a);
    assert_ready(&h, &w);
    assert_true(hf_lock_take(h.locks, text("first"), hash(text("first")), HF_LOCK_X, &b));
    fail_at(&h, 1);
    assert_false(hf_lock_take(h.locks, text("k"), hash(text("k")), HF_LOCK_X, &b));
    fail_at(&h, 0);
    assert_ready(&h, &late);
    release(&h, &b);
    assert_idle(&h);
    home_close(&h);
}

static void an_addition(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    take(&h, "k", HF_LOCK_E, &a);
    hf_lock *lock = lock_of(&h, "k");
    fail_at(&h, 1);
    assert_false(hf_lock_escrow_add(h.locks, lock, text("f"), 5, 0, 9));
    assert_null(hf_lock_escrow_find(lock, text("f")));
    assert_true(hf_lock_escrow_add(h.locks, lock, text("f"), 5, 0, 9));
    fail_at(&h, 1); /* these take no memory */
    assert_true(hf_lock_escrow_add(h.locks, lock, text("f"), 5, 0, 9));
    assert_true(hf_lock_escrow_add(h.locks, lock, text(""), 5, 0, 9));
    fail_at(&h, 0);
    hf_lock_escrow_remove(h.locks, lock, text(""), 5);
    hf_lock_escrow_remove(h.locks, lock, text("f"), 5);
    hf_lock_escrow_remove(h.locks, lock, text("f"), 5);
    release(&h, &a);
    assert_idle(&h);
    home_close(&h);
}

/* More keys than buckets: the buckets double, or, without memory, stay as they are. */
static void growing(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    for (int refuse = 0; refuse < 2; refuse++) {
        home h = home_open(4 << 20);
        hf_lock_txn a = txn(1);
        char name[16];
        for (uint32_t i = 0; i < COUNT; i++) {
            hf_bytes key = hf_bytes_of(name, (size_t)snprintf(name, sizeof name, "k%u", i));
            bool full = refuse != 0 && hf_lock_stats_get(h.locks).locks >= 256;
            fail_at(&h, full ? 1 : 0); /* the buckets are asked for first */
            assert_true(hf_lock_take(h.locks, key, hash(key), HF_LOCK_X, &a));
            fail_at(&h, 0);
        }
        hf_lock_table_check(h.locks);
        assert_int_equal(hf_lock_stats_get(h.locks).locks, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) {
            hf_bytes key = hf_bytes_of(name, (size_t)snprintf(name, sizeof name, "k%u", i));
            hf_lock *at = NULL;
            assert_false(hf_lock_free(h.locks, key, hash(key), HF_LOCK_S, age(2), NULL, &at));
        }
        release(&h, &a);
        assert_idle(&h);
        home_close(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_at_every_point),
        cmocka_unit_test(a_first_lock),
        cmocka_unit_test(a_lock_that_is_there),
        cmocka_unit_test(an_addition),
        cmocka_unit_test(growing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
