/* A range that is wanted holds younger requests back; older ones pass. Keys and ranges wait for
 * each other, and readers of ranges do not starve a writer.
 */
#include "tests/unit/mvcc/support.h"

static hf_lock *want(home *h, const char *start, const char *end, hf_lock_mode mode, uint64_t ts)
{
    hf_lock *lock = hf_lock_want_range(h->locks, text(start), text(end), mode, age(ts));
    assert_non_null(lock);
    hf_lock_table_check(h->locks);
    return lock;
}

static void wanted_holds_the_younger_back(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock *at = NULL;
    hf_lock *wanted = want(&h, "b", "d", HF_LOCK_S, 10);
    assert_false(hf_lock_table_idle(h.locks));
    assert_false(is_free(&h, "c", HF_LOCK_X, 11, NULL, &at));
    assert_ptr_equal(at, wanted);
    assert_true(is_free(&h, "c", HF_LOCK_X, 9, NULL, &at));
    assert_true(is_free(&h, "c", HF_LOCK_S, 11, NULL, &at));
    assert_true(is_free(&h, "d", HF_LOCK_X, 11, NULL, &at));
    assert_false(is_range_free(&h, "a", "", HF_LOCK_X, 11, NULL, &at));
    assert_true(is_range_free(&h, "b", "d", HF_LOCK_S, 10, NULL, &at)); /* its own request */
    hf_lock_unwant(h.locks, wanted);
    assert_idle(&h);
    home_close(&h);
}

static void who_waits_for_a_wanted_range_goes_when_it_is_given_up(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock *wanted = want(&h, "b", "d", HF_LOCK_S, 10);
    hf_lock_waiter w[2];
    wait_for(&h, "c", HF_LOCK_X, 12, NULL, &w[1]);
    wait_for(&h, "b", HF_LOCK_X, 11, NULL, &w[0]);
    hf_lock_unwait(h.locks, &w[0]); /* the rest still waits */
    assert_null(hf_lock_ready(h.locks));
    wait_for(&h, "b", HF_LOCK_X, 11, NULL, &w[0]);
    hf_lock_unwant(h.locks, wanted);
    assert_ready(&h, &w[0]);
    assert_ready(&h, &w[1]);
    assert_idle(&h);
    home_close(&h);
}

/* From wanted to held, while a key in it is busy. */
static void wanted_becomes_held(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn writer = txn(1);
    hf_lock_txn reader = txn(10);
    hf_lock_waiter range = { .lock = NULL };
    hf_lock_waiter young;
    hf_lock *at = NULL;
    take(&h, "c", HF_LOCK_X, &writer);
    assert_false(is_range_free(&h, "a", "", HF_LOCK_S, 10, &reader, &at));
    hf_lock_wait(h.locks, at, &range, HF_LOCK_S, age(10), &reader);
    hf_lock *wanted = want(&h, "a", "", HF_LOCK_S, 10);
    wait_for(&h, "x", HF_LOCK_X, 20, NULL, &young);
    release(&h, &writer);
    assert_ready(&h, &range);
    assert_true(is_range_free(&h, "a", "", HF_LOCK_S, 10, &reader, &at));
    take_range(&h, "a", "", HF_LOCK_S, &reader);
    hf_lock_unwant(h.locks, wanted);
    assert_ready(&h, &young);
    wait_for(&h, "x", HF_LOCK_X, 20, NULL, &young); /* at the held range now */
    assert_null(hf_lock_ready(h.locks));
    release(&h, &reader);
    assert_ready(&h, &young);
    assert_idle(&h);
    home_close(&h);
}

/* A writer waits for a reader of a range; younger readers of ranges and keys do not pass it. */
static void readers_of_ranges_do_not_starve_a_writer(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn reader = txn(1);
    hf_lock_waiter writer;
    hf_lock *at = NULL;
    take_range(&h, "a", "z", HF_LOCK_S, &reader);
    wait_for(&h, "m", HF_LOCK_X, 10, NULL, &writer);
    assert_false(is_range_free(&h, "b", "y", HF_LOCK_S, 20, NULL, &at));
    assert_false(is_free(&h, "m", HF_LOCK_S, 20, NULL, &at));
    assert_true(is_range_free(&h, "b", "y", HF_LOCK_S, 5, NULL, &at));
    assert_true(is_free(&h, "m", HF_LOCK_S, 20, &reader, &at)); /* holds it already */
    assert_true(is_range_free(&h, "z", "", HF_LOCK_S, 20, NULL, &at));
    release(&h, &reader);
    assert_ready(&h, &writer);
    assert_idle(&h);
    home_close(&h);
}

/* ... nor one who waits for a key. */
static void a_range_does_not_pass_who_waits_for_a_key(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn reader = txn(1);
    hf_lock_waiter writer;
    hf_lock *at = NULL;
    take(&h, "m", HF_LOCK_S, &reader);
    wait_for(&h, "m", HF_LOCK_X, 10, NULL, &writer);
    assert_false(is_range_free(&h, "a", "z", HF_LOCK_S, 20, NULL, &at));
    assert_true(is_range_free(&h, "a", "z", HF_LOCK_S, 5, NULL, &at));
    assert_true(is_range_free(&h, "n", "z", HF_LOCK_S, 20, NULL, &at));
    assert_true(is_range_free(&h, "a", "z", HF_LOCK_S, 20, &reader, &at));
    hf_lock_unwait(h.locks, &writer);
    release(&h, &reader);
    assert_idle(&h);
    home_close(&h);
}

static void several_ranges_of_one_transaction(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    hf_lock_waiter w[2];
    take_range(&h, "a", "c", HF_LOCK_S, &a);
    take_range(&h, "b", "d", HF_LOCK_X, &a);
    take_range(&h, "", "", HF_LOCK_S, &a);
    wait_for(&h, "a", HF_LOCK_X, 10, NULL, &w[0]);
    wait_for(&h, "d", HF_LOCK_X, 11, NULL, &w[1]);
    assert_int_equal(hf_lock_stats_get(h.locks).ranges, 3);
    release(&h, &a);
    /* Each at the range that it met first, in order of release. */
    hf_lock_waiter *first = hf_lock_ready(h.locks);
    hf_lock_waiter *second = hf_lock_ready(h.locks);
    assert_true((first == &w[0] && second == &w[1]) || (first == &w[1] && second == &w[0]));
    assert_idle(&h);
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wanted_holds_the_younger_back),
        cmocka_unit_test(who_waits_for_a_wanted_range_goes_when_it_is_given_up),
        cmocka_unit_test(wanted_becomes_held),
        cmocka_unit_test(readers_of_ranges_do_not_starve_a_writer),
        cmocka_unit_test(a_range_does_not_pass_who_waits_for_a_key),
        cmocka_unit_test(several_ranges_of_one_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
