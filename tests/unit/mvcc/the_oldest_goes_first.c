/* Waiters go by age, not by coming; the young do not overtake; those who can share go together; a
 * release wakes exactly those who may go.
 */
#include "tests/unit/mvcc/support.h"

static void by_age_not_by_coming(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn holder = txn(1);
    hf_lock_waiter w[3];
    take(&h, "k", HF_LOCK_X, &holder);
    wait_for(&h, "k", HF_LOCK_X, 30, NULL, &w[2]);
    wait_for(&h, "k", HF_LOCK_X, 10, NULL, &w[0]);
    wait_for(&h, "k", HF_LOCK_X, 20, NULL, &w[1]);
    assert_int_equal(hf_lock_stats_get(h.locks).waiters, 3);
    assert_null(hf_lock_ready(h.locks));
    release(&h, &holder);
    /* Each runs, holds nothing, and makes way for the next. */
    assert_ready(&h, &w[0]);
    assert_null(w[0].lock);
    assert_ready(&h, &w[1]);
    assert_ready(&h, &w[2]);
    assert_idle(&h);
    home_close(&h);
}

static void ties_keep_the_order_of_coming(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn holder = txn(1);
    hf_lock_waiter w[2];
    take(&h, "k", HF_LOCK_X, &holder);
    wait_for(&h, "k", HF_LOCK_X, 5, NULL, &w[0]);
    wait_for(&h, "k", HF_LOCK_X, 5, NULL, &w[1]);
    release(&h, &holder);
    assert_ready(&h, &w[0]);
    assert_ready(&h, &w[1]);
    assert_idle(&h);
    assert_true(hf_age_older((hf_age){ 5, 1 }, (hf_age){ 5, 2 }));
    assert_false(hf_age_older((hf_age){ 5, 2 }, (hf_age){ 5, 2 }));
    assert_true(hf_age_older((hf_age){ 4, 9 }, (hf_age){ 5, 2 }));
    home_close(&h);
}

/* One that takes the lock when it runs holds the rest back. */
static void who_takes_it_holds_the_rest_back(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn holder = txn(1);
    hf_lock_txn next = txn(10);
    hf_lock_waiter w[2];
    take(&h, "k", HF_LOCK_X, &holder);
    wait_for(&h, "k", HF_LOCK_X, 10, NULL, &w[0]);
    wait_for(&h, "k", HF_LOCK_S, 20, NULL, &w[1]);
    release(&h, &holder);
    assert_ready(&h, &w[0]);
    take(&h, "k", HF_LOCK_X, &next);
    assert_null(hf_lock_ready(h.locks));
    release(&h, &next);
    assert_ready(&h, &w[1]);
    assert_idle(&h);
    home_close(&h);
}

static void the_young_do_not_overtake(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn reader = txn(1);
    hf_lock_waiter writer;
    hf_lock *at = NULL;
    take(&h, "k", HF_LOCK_S, &reader);
    wait_for(&h, "k", HF_LOCK_X, 10, NULL, &writer);
    assert_false(is_free(&h, "k", HF_LOCK_S, 20, NULL, &at)); /* would starve the writer */
    assert_true(is_free(&h, "k", HF_LOCK_S, 5, NULL, &at));   /* is older */
    assert_true(is_free(&h, "k", HF_LOCK_S, 10, NULL, &at));  /* its own age is not older */
    hf_lock_unwait(h.locks, &writer);
    assert_true(is_free(&h, "k", HF_LOCK_S, 20, NULL, &at));
    release(&h, &reader);
    assert_idle(&h);
    home_close(&h);
}

/* A writer between readers: the older readers go together, then the writer, then the younger. */
static void sharers_go_together_up_to_the_next_other(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    for (hf_lock_mode shared = HF_LOCK_S; shared <= HF_LOCK_E; shared++) {
        hf_lock_txn holder = txn(1);
        hf_lock_txn readers[2] = { txn(10), txn(11) };
        hf_lock_txn writer = txn(12);
        hf_lock_waiter w[4];
        take(&h, "k", HF_LOCK_X, &holder);
        wait_for(&h, "k", shared, 13, NULL, &w[3]);
        wait_for(&h, "k", HF_LOCK_X, 12, NULL, &w[2]);
        wait_for(&h, "k", shared, 11, NULL, &w[1]);
        wait_for(&h, "k", shared, 10, NULL, &w[0]);
        release(&h, &holder);
        assert_ready(&h, &w[0]);
        take(&h, "k", shared, &readers[0]);
        assert_ready(&h, &w[1]);
        take(&h, "k", shared, &readers[1]);
        assert_null(hf_lock_ready(h.locks));
        release(&h, &readers[1]);
        assert_null(hf_lock_ready(h.locks)); /* one reader is left */
        release(&h, &readers[0]);
        assert_ready(&h, &w[2]);
        take(&h, "k", HF_LOCK_X, &writer);
        assert_null(hf_lock_ready(h.locks));
        release(&h, &writer);
        assert_ready(&h, &w[3]);
        assert_idle(&h);
    }
    home_close(&h);
}

/* S waits for E although both can be shared. */
static void an_exact_read_is_not_starved_by_additions(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn adders[2] = { txn(1), txn(2) };
    hf_lock_waiter reader;
    hf_lock_waiter late;
    take(&h, "k", HF_LOCK_E, &adders[0]);
    take(&h, "k", HF_LOCK_E, &adders[1]);
    wait_for(&h, "k", HF_LOCK_S, 10, NULL, &reader);
    wait_for(&h, "k", HF_LOCK_E, 20, NULL, &late);
    release(&h, &adders[0]);
    assert_null(hf_lock_ready(h.locks));
    release(&h, &adders[1]);
    assert_ready(&h, &reader);
    assert_ready(&h, &late);
    assert_idle(&h);
    home_close(&h);
}

/* Who holds the key already goes before those who wait for it, and needs only the others gone. */
static void an_upgrade_waits_for_others_only(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    hf_lock_txn b = txn(2);
    hf_lock_waiter upgrade;
    hf_lock_waiter other;
    hf_lock *at = NULL;
    take(&h, "k", HF_LOCK_S, &a);
    take(&h, "k", HF_LOCK_S, &b);
    wait_for(&h, "k", HF_LOCK_X, 1, &a, &upgrade);
    wait_for(&h, "k", HF_LOCK_X, 9, NULL, &other);
    assert_true(is_free(&h, "k", HF_LOCK_S, 10, &b, &at));
    release(&h, &b);
    assert_ready(&h, &upgrade);
    assert_true(is_free(&h, "k", HF_LOCK_X, 1, &a, &at));
    take(&h, "k", HF_LOCK_X, &a);
    assert_null(hf_lock_ready(h.locks));
    release(&h, &a);
    assert_ready(&h, &other);
    assert_idle(&h);
    home_close(&h);
}

/* Keys have queues of their own. */
static void a_release_wakes_only_its_own(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    hf_lock_txn b = txn(2);
    hf_lock_waiter on_a;
    hf_lock_waiter on_b;
    take(&h, "a", HF_LOCK_X, &a);
    take(&h, "b", HF_LOCK_X, &b);
    wait_for(&h, "a", HF_LOCK_X, 10, NULL, &on_a);
    wait_for(&h, "b", HF_LOCK_X, 11, NULL, &on_b);
    release(&h, &b);
    assert_ready(&h, &on_b);
    assert_null(hf_lock_ready(h.locks));
    assert_non_null(on_a.lock);
    release(&h, &a);
    assert_ready(&h, &on_a);
    assert_idle(&h);
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_age_not_by_coming),
        cmocka_unit_test(ties_keep_the_order_of_coming),
        cmocka_unit_test(who_takes_it_holds_the_rest_back),
        cmocka_unit_test(the_young_do_not_overtake),
        cmocka_unit_test(sharers_go_together_up_to_the_next_other),
        cmocka_unit_test(an_exact_read_is_not_starved_by_additions),
        cmocka_unit_test(an_upgrade_waits_for_others_only),
        cmocka_unit_test(a_release_wakes_only_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
