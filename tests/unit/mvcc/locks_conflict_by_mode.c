/* S with S, E with E, all else conflicts; a transaction is never in its own way; a stronger mode
 * replaces a weaker one.
 */
#include "tests/unit/mvcc/support.h"

static bool compatible(hf_lock_mode a, hf_lock_mode b)
{
    return (a == HF_LOCK_S && b == HF_LOCK_S) || (a == HF_LOCK_E && b == HF_LOCK_E);
}

static void keys(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    for (hf_lock_mode held = HF_LOCK_S; held < HF_LOCK_MODES; held++) {
        for (hf_lock_mode asked = HF_LOCK_S; asked < HF_LOCK_MODES; asked++) {
            hf_lock_txn a = txn(1);
            hf_lock *at = NULL;
            take(&h, "k", held, &a);
            assert_int_equal(is_free(&h, "k", asked, 2, NULL, &at), compatible(held, asked));
            assert_int_equal(is_free(&h, "k", asked, 0, NULL, &at), compatible(held, asked));
            assert_true(is_free(&h, "k", asked, 1, &a, &at));
            assert_true(is_free(&h, "other", asked, 2, NULL, &at));
            release(&h, &a);
            assert_true(is_free(&h, "k", asked, 2, NULL, &at));
        }
    }
    assert_idle(&h);
    home_close(&h);
}

static void points_and_ranges(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    for (hf_lock_mode held = HF_LOCK_S; held < HF_LOCK_MODES; held++) {
        for (hf_lock_mode asked = HF_LOCK_S; asked < HF_LOCK_MODES; asked++) {
            hf_lock_txn a = txn(1);
            hf_lock *at = NULL;
            bool fits = compatible(held, asked);
            take_range(&h, "b", "d", held, &a);
            assert_true(is_free(&h, "a", asked, 2, NULL, &at));
            assert_int_equal(is_free(&h, "b", asked, 2, NULL, &at), fits);
            assert_int_equal(is_free(&h, "czz", asked, 2, NULL, &at), fits);
            assert_true(is_free(&h, "d", asked, 2, NULL, &at));
            assert_int_equal(is_range_free(&h, "a", "b\1", asked, 2, NULL, &at), fits);
            assert_int_equal(is_range_free(&h, "c", "", asked, 2, NULL, &at), fits);
            assert_true(is_range_free(&h, "a", "b", asked, 2, NULL, &at));
            assert_true(is_range_free(&h, "d", "", asked, 2, NULL, &at));
            assert_true(is_range_free(&h, "a", "", asked, 1, &a, &at));
            release(&h, &a);
            take(&h, "c", held, &a);
            assert_int_equal(is_range_free(&h, "a", "", asked, 2, NULL, &at), fits);
            assert_int_equal(is_range_free(&h, "c", "d", asked, 2, NULL, &at), fits);
            assert_true(is_range_free(&h, "a", "c", asked, 2, NULL, &at));
            assert_true(is_range_free(&h, "c\1", "", asked, 2, NULL, &at));
            assert_true(is_range_free(&h, "a", "", asked, 1, &a, &at));
            release(&h, &a);
        }
    }
    assert_idle(&h);
    home_close(&h);
}

/* A range without an end goes to the last key. */
static void open_ranges(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    hf_lock *at = NULL;
    take_range(&h, "m", "", HF_LOCK_S, &a);
    assert_true(is_free(&h, "l", HF_LOCK_X, 2, NULL, &at));
    assert_false(is_free(&h, "m", HF_LOCK_X, 2, NULL, &at));
    assert_false(is_free(&h, "\xff\xff", HF_LOCK_X, 2, NULL, &at));
    assert_false(is_range_free(&h, "z", "", HF_LOCK_X, 2, NULL, &at));
    assert_false(is_range_free(&h, "a", "z", HF_LOCK_X, 2, NULL, &at));
    release(&h, &a);
    assert_idle(&h);
    home_close(&h);
}

typedef struct shown {
    uint32_t count;
    hf_lock_mode mode;
    const hf_lock_txn *holder;
    bool is_range;
    uint32_t waiters;
} shown;

static void note(void *context, hf_bytes key, hf_bytes end, bool is_range, hf_lock_mode mode,
                 const hf_lock_txn *holder, uint32_t waiters)
{
    shown *s = context;
    assert_int_equal(key.size, 1);
    assert_int_equal(end.size, is_range ? 1 : 0);
    *s = (shown){ s->count + 1, mode, holder, is_range, waiters };
}

static void a_stronger_mode_replaces_a_weaker(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    for (hf_lock_mode first = HF_LOCK_S; first < HF_LOCK_MODES; first++) {
        for (hf_lock_mode then = HF_LOCK_S; then < HF_LOCK_MODES; then++) {
            hf_lock_txn a = txn(1);
            take(&h, "k", first, &a);
            take(&h, "k", then, &a);
            shown s = { .count = 0 };
            hf_lock_table_show(h.locks, note, &s);
            assert_int_equal(s.count, 1);
            assert_int_equal(s.mode, first == then ? first : HF_LOCK_X);
            assert_ptr_equal(s.holder, &a);
            release(&h, &a);
        }
    }
    assert_idle(&h);
    home_close(&h);
}

static void note_waiter(void *context, const hf_lock_waiter *waiter)
{
    const hf_lock_waiter **last = context;
    *last = waiter;
}

static void what_is_waited_for_is_told(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    hf_lock_txn b = txn(2);
    hf_lock_waiter w = { .lock = NULL };
    const hf_lock_waiter *found = NULL;
    const hf_lock_txn *holder;
    hf_bytes key;
    assert_false(hf_lock_blocker(&w, &key, &holder));
    take(&h, "k", HF_LOCK_S, &a);
    take(&h, "k", HF_LOCK_S, &b);
    hf_lock_table_show_waiters(h.locks, note_waiter, &found);
    assert_null(found);
    wait_for(&h, "k", HF_LOCK_X, 3, &a, &w); /* its own hold is not in its way */
    hf_lock_table_show_waiters(h.locks, note_waiter, &found);
    assert_ptr_equal(found, &w);
    assert_true(hf_lock_blocker(&w, &key, &holder));
    assert_true(hf_bytes_equal(key, HF_LIT("k")));
    assert_ptr_equal(holder, &b);
    release(&h, &b);
    hf_lock_unwait(h.locks, &w);
    release(&h, &a);
    assert_idle(&h);
    home_close(&h);
}

static void everything_held_is_shown(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    hf_lock_txn b = txn(2);
    hf_lock_waiter w;
    take(&h, "k", HF_LOCK_S, &a);
    take(&h, "k", HF_LOCK_S, &b);
    wait_for(&h, "k", HF_LOCK_X, 3, NULL, &w);
    shown s = { .count = 0 };
    hf_lock_table_show(h.locks, note, &s);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.waiters, 1);
    hf_lock_unwait(h.locks, &w);
    release(&h, &a);
    release(&h, &b);
    take_range(&h, "a", "b", HF_LOCK_X, &a);
    s = (shown){ .count = 0 };
    hf_lock_table_show(h.locks, note, &s);
    assert_int_equal(s.count, 1);
    assert_true(s.is_range);
    hf_lock_stats stats = hf_lock_stats_get(h.locks);
    assert_int_equal(stats.ranges, 1);
    assert_int_equal(stats.locks, 0);
    assert_int_equal(stats.holds, 1);
    release(&h, &a);
    assert_idle(&h);
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(points_and_ranges),
        cmocka_unit_test(open_ranges),
        cmocka_unit_test(a_stronger_mode_replaces_a_weaker),
        cmocka_unit_test(everything_held_is_shown),
        cmocka_unit_test(what_is_waited_for_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
