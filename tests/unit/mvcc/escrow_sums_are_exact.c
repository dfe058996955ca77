/* The sums over undecided additions: kept apart by field and by direction, with the tightest bounds
 * granted, and gone with the last addition.
 */
#include "tests/unit/mvcc/support.h"

static bool add(home *h, const char *field, int64_t delta, int64_t min, int64_t max)
{
    return hf_lock_escrow_add(h->locks, lock_of(h, "k"), text(field), delta, min, max);
}

static void take_away(home *h, const char *field, int64_t delta)
{
    hf_lock_escrow_remove(h->locks, lock_of(h, "k"), text(field), delta);
}

static const hf_lock_escrow *sums(home *h, const char *field)
{
    return hf_lock_escrow_find(lock_of(h, "k"), text(field));
}

static void assert_sums(home *h, const char *field, int64_t plus, int64_t minus, int64_t min,
                        int64_t max)
{
    const hf_lock_escrow *e = sums(h, field);
    assert_non_null(e);
    assert_true(e->plus == plus);
    assert_true(e->minus == minus);
    assert_true(e->min == min);
    assert_true(e->max == max);
}

static void directions_and_bounds(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    assert_null(sums(&h, ""));
    take(&h, "k", HF_LOCK_E, &a);
    assert_null(sums(&h, ""));
    assert_true(add(&h, "", 10, INT64_MIN, 100));
    assert_sums(&h, "", 10, 0, INT64_MIN, 100);
    assert_true(add(&h, "", -3, 0, INT64_MAX));
    assert_sums(&h, "", 10, 3, 0, 100);
    assert_true(add(&h, "", 5, -7, 90));
    assert_sums(&h, "", 15, 3, 0, 90);
    assert_true(add(&h, "", 0, -7, 95));
    assert_sums(&h, "", 15, 3, 0, 90);
    take_away(&h, "", 0);
    take_away(&h, "", 10);
    assert_sums(&h, "", 5, 3, 0, 90); /* bounds stay while anything is open */
    take_away(&h, "", -3);
    assert_sums(&h, "", 5, 0, 0, 90);
    take_away(&h, "", 5);
    assert_null(sums(&h, ""));
    assert_true(add(&h, "", 1, INT64_MIN, INT64_MAX));
    assert_sums(&h, "", 1, 0, INT64_MIN, INT64_MAX); /* begun anew */
    take_away(&h, "", 1);
    release(&h, &a);
    assert_idle(&h);
    home_close(&h);
}

static void fields_are_apart(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    take(&h, "k", HF_LOCK_E, &a);
    assert_true(add(&h, "", 1, INT64_MIN, INT64_MAX));
    assert_true(add(&h, "f", 2, INT64_MIN, INT64_MAX));
    assert_true(add(&h, "g", -4, INT64_MIN, INT64_MAX));
    assert_sums(&h, "", 1, 0, INT64_MIN, INT64_MAX);
    assert_sums(&h, "f", 2, 0, INT64_MIN, INT64_MAX);
    assert_sums(&h, "g", 0, 4, INT64_MIN, INT64_MAX);
    assert_null(sums(&h, "h"));
    assert_null(hf_lock_escrow_find(lock_of(&h, "other"), text("")));
    take_away(&h, "f", 2); /* from the middle */
    assert_null(sums(&h, "f"));
    assert_sums(&h, "g", 0, 4, INT64_MIN, INT64_MAX);
    take_away(&h, "", 1);
    take_away(&h, "g", -4);
    release(&h, &a);
    assert_idle(&h);
    home_close(&h);
}

/* Two debits of the most that an integer holds can both be granted by their bounds; their sum is
 * no integer. */
static void sums_stay_in_64_bits(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    take(&h, "k", HF_LOCK_E, &a);
    assert_false(add(&h, "", INT64_MIN, INT64_MIN, INT64_MAX));
    assert_null(sums(&h, ""));
    assert_true(add(&h, "", -INT64_MAX, INT64_MIN, INT64_MAX));
    assert_false(add(&h, "", -1, 0, 0));
    assert_sums(&h, "", 0, INT64_MAX, INT64_MIN, INT64_MAX); /* as if never asked */
    assert_true(add(&h, "", INT64_MAX, INT64_MIN, INT64_MAX));
    assert_false(add(&h, "", 1, 0, 0));
    assert_sums(&h, "", INT64_MAX, INT64_MAX, INT64_MIN, INT64_MAX);
    take_away(&h, "", INT64_MAX);
    take_away(&h, "", -INT64_MAX);
    assert_null(sums(&h, ""));
    release(&h, &a);
    assert_idle(&h);
    home_close(&h);
}

/* Random additions of several transactions against plain sums. */
static void sums_agree_with_counting(void **state)
{
    (void)state;
    enum { OPEN_MAX = 32, STEPS = 20000 };
    static const char *const fields[] = { "", "a", "bb" };
    home h = home_open(1 << 20);
    hf_lock_txn a = txn(1);
    hf_prng prng = hf_prng_of(11);
    struct open {
        uint32_t field;
        int64_t delta;
    } open[OPEN_MAX];
    uint32_t count = 0;
    take(&h, "k", HF_LOCK_E, &a);
    for (int step = 0; step < STEPS; step++) {
        if (count < OPEN_MAX && hf_prng_chance(&prng, 1, 2)) {
            open[count].field = (uint32_t)hf_prng_below(&prng, 3);
            open[count].delta = (int64_t)hf_prng_below(&prng, 2001) - 1000;
            assert_true(add(&h, fields[open[count].field], open[count].delta, -5, 5));
            count++;
        } else if (count > 0) {
            uint32_t at = (uint32_t)hf_prng_below(&prng, count);
            take_away(&h, fields[open[at].field], open[at].delta);
            open[at] = open[--count];
        }
        for (uint32_t f = 0; f < 3; f++) {
            int64_t plus = 0, minus = 0;
            uint32_t of_field = 0;
            for (uint32_t i = 0; i < count; i++) {
                if (open[i].field == f) {
                    of_field++;
                    plus += open[i].delta > 0 ? open[i].delta : 0;
                    minus -= open[i].delta < 0 ? open[i].delta : 0;
                }
            }
            if (of_field == 0) {
                assert_null(sums(&h, fields[f]));
            } else {
                assert_sums(&h, fields[f], plus, minus, -5, 5);
                assert_int_equal(sums(&h, fields[f])->count, of_field);
            }
        }
    }
    while (count > 0) {
        count--;
        take_away(&h, fields[open[count].field], open[count].delta);
    }
    release(&h, &a);
    assert_idle(&h);
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directions_and_bounds),
        cmocka_unit_test(fields_are_apart),
        cmocka_unit_test(sums_stay_in_64_bits),
        cmocka_unit_test(sums_agree_with_counting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
