/* The hybrid clock: above all it gave and saw, whatever the wall clock does; and what lies too far
 * ahead is told apart to the nanosecond.
 */
#include "tests/unit/mvcc/support.h"
#include "txn/mvcc/hlc.h"

static void above_everything_earlier(void **state)
{
    (void)state;
    hf_hlc hlc = { .last = 0 };
    assert_int_equal(hf_hlc_next(&hlc, 100), 100);
    assert_int_equal(hf_hlc_next(&hlc, 100), 101); /* it stands still */
    assert_int_equal(hf_hlc_next(&hlc, 50), 102);  /* it goes back */
    assert_int_equal(hf_hlc_next(&hlc, 200), 200);
    hf_hlc_observe(&hlc, 150); /* older: nothing */
    assert_int_equal(hf_hlc_next(&hlc, 0), 201);
    hf_hlc_observe(&hlc, 500);
    assert_int_equal(hf_hlc_next(&hlc, 300), 501); /* what was caused comes later */
}

static void random_clocks(void **state)
{
    (void)state;
    hf_hlc hlc = { .last = 0 };
    hf_prng prng = hf_prng_of(3);
    uint64_t last = 0;
    for (int i = 0; i < 100000; i++) {
        uint64_t seen = hf_prng_below(&prng, 1000000);
        if (hf_prng_chance(&prng, 1, 4)) {
            hf_hlc_observe(&hlc, seen);
            last = seen > last ? seen : last;
        }
        uint64_t wall = hf_prng_below(&prng, 1000000);
        uint64_t ts = hf_hlc_next(&hlc, wall);
        assert_true(ts > last && ts >= wall);
        assert_true(ts == wall || ts == last + 1);
        last = ts;
    }
}

static void far_ahead_is_poison(void **state)
{
    (void)state;
    hf_hlc clock = { 100 };
    assert_true(hf_hlc_believes(&clock, 100, 50, 0));   /* passed already */
    assert_false(hf_hlc_believes(&clock, 101, 50, 10)); /* near this clock, far from the wall's */
    assert_true(hf_hlc_believes(&clock, 110, 90, 10));
    assert_false(hf_hlc_believes(&clock, 111, 90, 10));
    assert_false(hf_hlc_poisoned(100, 100, 0));
    assert_true(hf_hlc_poisoned(101, 100, 0));
    assert_false(hf_hlc_poisoned(50, 100, 0));
    assert_false(hf_hlc_poisoned(120, 100, 10));
    assert_true(hf_hlc_poisoned(121, 100, 10));
    assert_false(hf_hlc_poisoned(UINT64_MAX, 0, UINT64_MAX));
    assert_false(hf_hlc_poisoned(UINT64_MAX, 0, UINT64_MAX / 2 + 1)); /* no overflow of 2 * bound */
    assert_true(hf_hlc_poisoned(UINT64_MAX, 0, UINT64_MAX / 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(above_everything_earlier),
        cmocka_unit_test(random_clocks),
        cmocka_unit_test(far_ahead_is_poison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
