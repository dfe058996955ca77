/* A waiter may give up at any moment, also when it was made ready and has not run; those behind it
 * go on.
 */
#include "tests/unit/mvcc/support.h"

static void who_waited_for_it_goes_on(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn reader = txn(1);
    hf_lock_waiter writer;
    hf_lock_waiter young[2];
    take(&h, "k", HF_LOCK_S, &reader);
    wait_for(&h, "k", HF_LOCK_X, 10, NULL, &writer);
    wait_for(&h, "k", HF_LOCK_S, 20, NULL, &young[0]);
    wait_for(&h, "k", HF_LOCK_S, 21, NULL, &young[1]);
    hf_lock_unwait(h.locks, &writer);
    assert_null(writer.lock);
    assert_ready(&h, &young[0]);
    assert_ready(&h, &young[1]);
    release(&h, &reader);
    assert_idle(&h);
    home_close(&h);
}

static void in_the_middle_of_the_queue(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn holder = txn(1);
    hf_lock_waiter w[3];
    take(&h, "k", HF_LOCK_X, &holder);
    for (uint64_t i = 0; i < 3; i++) {
        wait_for(&h, "k", HF_LOCK_X, 10 + i, NULL, &w[i]);
    }
    hf_lock_unwait(h.locks, &w[1]);
    hf_lock_table_check(h.locks);
    assert_null(hf_lock_ready(h.locks));
    release(&h, &holder);
    assert_ready(&h, &w[0]);
    assert_ready(&h, &w[2]);
    assert_idle(&h);
    home_close(&h);
}

/* Ready, not run yet, and wounded by one that runs: nothing of it stays in any list. */
static void after_it_was_made_ready(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn holder = txn(1);
    hf_lock_txn other = txn(2);
    hf_lock_waiter w[4];
    take(&h, "k", HF_LOCK_X, &holder);
    take(&h, "z", HF_LOCK_X, &other);
    for (uint64_t i = 0; i < 3; i++) {
        wait_for(&h, "k", HF_LOCK_S, 10 + i, NULL, &w[i]);
    }
    wait_for(&h, "k", HF_LOCK_X, 20, NULL, &w[3]);
    release(&h, &holder);
    assert_true(w[0].ready && w[1].ready && w[2].ready && !w[3].ready);
    hf_lock_unwait(h.locks, &w[1]); /* the middle */
    hf_lock_table_check(h.locks);
    assert_ready(&h, &w[0]);
    assert_false(w[0].ready);
    hf_lock_unwait(h.locks, &w[2]); /* the last */
    assert_true(w[2].lock == NULL && !w[2].ready);
    assert_ready(&h, &w[3]);
    release(&h, &other);
    assert_idle(&h);
    home_close(&h);
}

static void the_only_ready_one(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn holder = txn(1);
    hf_lock_waiter w[2];
    take(&h, "k", HF_LOCK_X, &holder);
    wait_for(&h, "k", HF_LOCK_X, 10, NULL, &w[0]);
    wait_for(&h, "k", HF_LOCK_X, 11, NULL, &w[1]);
    release(&h, &holder);
    hf_lock_unwait(h.locks, &w[0]);
    assert_ready(&h, &w[1]);
    assert_idle(&h);
    take(&h, "k", HF_LOCK_X, &holder);
    wait_for(&h, "k", HF_LOCK_X, 10, NULL, &w[0]);
    release(&h, &holder);
    hf_lock_unwait(h.locks, &w[0]);
    assert_idle(&h);
    home_close(&h);
}

/* One that runs and must wait again does so, at the same key or elsewhere. */
static void run_and_wait_again(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    hf_lock_txn b = txn(2);
    hf_lock_waiter w[2];
    take(&h, "a", HF_LOCK_X, &a);
    take(&h, "b", HF_LOCK_X, &b);
    wait_for(&h, "a", HF_LOCK_X, 10, NULL, &w[0]);
    wait_for(&h, "a", HF_LOCK_X, 11, NULL, &w[1]);
    release(&h, &a);
    assert_ready(&h, &w[0]);
    wait_for(&h, "b", HF_LOCK_X, 10, NULL, &w[0]);
    assert_ready(&h, &w[1]); /* "a" is free for the next */
    assert_null(hf_lock_ready(h.locks));
    release(&h, &b);
    assert_ready(&h, &w[0]);
    assert_idle(&h);
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waited_for_it_goes_on), cmocka_unit_test(in_the_middle_of_the_queue),
        cmocka_unit_test(after_it_was_made_ready),   cmocka_unit_test(the_only_ready_one),
        cmocka_unit_test(run_and_wait_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
