/* A reader at a timestamp waits only for what is prepared in X or E at or below it: nothing else
 * can still change what it sees. And the holders of a lock are visited one by one, for the wounder.
 */
#include "tests/unit/mvcc/support.h"

static bool key_free_at(home *h, const char *key, uint64_t ts)
{
    hf_lock *at = NULL;
    bool free = hf_lock_free_at(h->locks, text(key), hash(text(key)), ts, &at);
    assert_true(free || at != NULL);
    return free;
}

static bool range_free_at(home *h, const char *start, const char *end, uint64_t ts)
{
    hf_lock *at = NULL;
    bool free = hf_lock_range_free_at(h->locks, text(start), text(end), ts, &at);
    assert_true(free || at != NULL);
    return free;
}

static void only_what_is_prepared_at_or_below(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    for (hf_lock_mode mode = HF_LOCK_S; mode < HF_LOCK_MODES; mode++) {
        bool writes = mode != HF_LOCK_S;
        hf_lock_txn a = txn(1);
        take(&h, "k", mode, &a);
        assert_true(key_free_at(&h, "k", 100));
        assert_true(range_free_at(&h, "a", "", 100));
        a.prepared = true;
        a.pts = 50;
        assert_true(key_free_at(&h, "k", 49));
        assert_int_equal(key_free_at(&h, "k", 50), !writes);
        assert_int_equal(key_free_at(&h, "k", 100), !writes);
        assert_true(key_free_at(&h, "j", 100));
        assert_true(range_free_at(&h, "a", "", 49));
        assert_int_equal(range_free_at(&h, "a", "", 50), !writes);
        assert_int_equal(range_free_at(&h, "k", "l", 50), !writes);
        assert_true(range_free_at(&h, "a", "k", 50));
        assert_true(range_free_at(&h, "l", "", 50));
        release(&h, &a);
        a.prepared = false;
    }
    assert_idle(&h);
    home_close(&h);
}

static void prepared_ranges_count_too(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    take_range(&h, "b", "d", HF_LOCK_X, &a);
    assert_true(key_free_at(&h, "c", 100));
    a.prepared = true;
    a.pts = 50;
    assert_true(key_free_at(&h, "c", 49));
    assert_false(key_free_at(&h, "c", 50));
    assert_true(key_free_at(&h, "d", 50));
    assert_false(range_free_at(&h, "a", "c", 50));
    assert_true(range_free_at(&h, "a", "c", 49));
    assert_true(range_free_at(&h, "d", "", 50));
    release(&h, &a);
    assert_idle(&h);
    home_close(&h);
}

/* Wanted is not held: nobody is prepared there. */
static void a_wanted_range_is_in_no_readers_way(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock *wanted = hf_lock_want_range(h.locks, text("a"), text(""), HF_LOCK_X, age(1));
    assert_non_null(wanted);
    assert_true(key_free_at(&h, "c", 100));
    assert_true(range_free_at(&h, "a", "", 100));
    hf_lock_unwant(h.locks, wanted);
    assert_idle(&h);
    home_close(&h);
}

static void a_reader_waits_and_goes(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    hf_lock_waiter w = { .lock = NULL };
    hf_lock *at = NULL;
    take(&h, "k", HF_LOCK_E, &a);
    a.prepared = true;
    a.pts = 5;
    assert_false(hf_lock_free_at(h.locks, text("k"), hash(text("k")), 9, &at));
    hf_lock_wait_at(h.locks, at, &w, 9);
    assert_null(hf_lock_ready(h.locks));
    release(&h, &a);
    assert_ready(&h, &w);
    assert_true(key_free_at(&h, "k", 9));
    assert_idle(&h);
    home_close(&h);
}

/* Beside the queue: an older writer that waits does not hold the reader, the reader holds no
 * younger one back, and one that is prepared above its timestamp does not matter. */
static void a_reader_stands_in_no_queue(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1), b = txn(2);
    hf_lock_waiter reader = { .lock = NULL }, writer = { .lock = NULL };
    hf_lock *at = NULL;
    take(&h, "k", HF_LOCK_E, &a);
    take(&h, "k", HF_LOCK_E, &b);
    a.prepared = b.prepared = true;
    a.pts = 5;
    b.pts = 50;
    assert_false(hf_lock_free_at(h.locks, text("k"), hash(text("k")), 9, &at));
    hf_lock_wait_at(h.locks, at, &reader, 9);
    assert_true(is_free(&h, "k", HF_LOCK_E, 30, NULL, &at)); /* as if it were not there */
    assert_false(is_free(&h, "k", HF_LOCK_X, 10, NULL, &at));
    hf_lock_wait(h.locks, at, &writer, HF_LOCK_X, age(10), NULL);
    hf_lock_table_check(h.locks);
    release(&h, &a);
    assert_ready(&h, &reader); /* although b is prepared, and the writer waits */
    release(&h, &b);
    assert_ready(&h, &writer);
    assert_idle(&h);
    home_close(&h);
}

static void a_reader_at_a_range_goes_by_itself(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    hf_lock_waiter reader[2] = { { .lock = NULL }, { .lock = NULL } };
    hf_lock *at = NULL;
    take_range(&h, "b", "d", HF_LOCK_X, &a);
    a.prepared = true;
    a.pts = 5;
    assert_false(hf_lock_range_free_at(h.locks, text("a"), text(""), 9, &at));
    hf_lock_wait_at(h.locks, at, &reader[0], 9);
    hf_lock_wait_at(h.locks, at, &reader[1], 7);
    hf_lock_unwait(h.locks, &reader[0]); /* gives up */
    hf_lock_table_check(h.locks);
    release(&h, &a);
    assert_ready(&h, &reader[1]);
    assert_idle(&h);
    home_close(&h);
}

typedef struct visited {
    const hf_lock_txn *seen[4];
    uint32_t count;
} visited;

static void visit(void *context, hf_lock_txn *holder)
{
    visited *v = context;
    assert_true(v->count < 4);
    v->seen[v->count++] = holder;
}

static bool has(const visited *v, const hf_lock_txn *t)
{
    for (uint32_t i = 0; i < v->count; i++) {
        if (v->seen[i] == t) {
            return true;
        }
    }
    return false;
}

static void every_holder_is_visited_once(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn t[3] = { txn(5), txn(6), txn(7) };
    hf_lock *at = NULL;
    for (int i = 0; i < 3; i++) {
        take(&h, "k", HF_LOCK_S, &t[i]);
        take(&h, "own", HF_LOCK_S, &t[i]);
        take(&h, "k", HF_LOCK_S, &t[i]);
    }
    t[1].prepared = true; /* visited too: the visitor asks whom it may wound */
    assert_false(is_free(&h, "k", HF_LOCK_X, 1, NULL, &at));
    visited v = { .count = 0 };
    hf_lock_holders(at, visit, &v);
    assert_int_equal(v.count, 3);
    assert_true(has(&v, &t[0]) && has(&v, &t[1]) && has(&v, &t[2]));
    for (int i = 0; i < 3; i++) {
        release(&h, &t[i]);
    }
    take_range(&h, "a", "", HF_LOCK_X, &t[0]);
    assert_false(is_free(&h, "k", HF_LOCK_S, 1, NULL, &at));
    v.count = 0;
    hf_lock_holders(at, visit, &v);
    assert_int_equal(v.count, 1);
    release(&h, &t[0]);
    assert_idle(&h);
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_prepared_at_or_below),
        cmocka_unit_test(prepared_ranges_count_too),
        cmocka_unit_test(a_wanted_range_is_in_no_readers_way),
        cmocka_unit_test(a_reader_waits_and_goes),
        cmocka_unit_test(a_reader_stands_in_no_queue),
        cmocka_unit_test(a_reader_at_a_range_goes_by_itself),
        cmocka_unit_test(every_holder_is_visited_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
