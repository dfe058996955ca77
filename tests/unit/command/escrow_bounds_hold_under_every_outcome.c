/* HF.ADD against the definition, over all small cases: up to two undecided additions, every outcome
 * of each. */
#include "tests/unit/command/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NONE = 99 };

typedef struct addition {
    int delta, min, max; /* NONE: no bound */
} addition;

static bool within(int sum, const addition *a)
{
    return (a->min == NONE || a->delta > 0 || sum >= a->min) &&
           (a->max == NONE || a->delta < 0 || sum <= a->max);
}

/* After `added` more, do the bounds of `a` hold in every outcome (all) or in some outcome (any)? */
static void outcomes(int value, const addition *pending, int count, const addition *a, bool *all,
                     bool *any)
{
    *all = true;
    *any = false;
    for (int chosen = 0; chosen < 1 << count; chosen++) {
        int sum = value + a->delta;
        for (int i = 0; i < count; i++) {
            sum += (chosen >> i & 1) != 0 ? pending[i].delta : 0;
        }
        *all = *all && within(sum, a);
        *any = *any || within(sum, a);
    }
}

/* Whether some pending addition, itself committed, could find its own bound crossed once `a`
 * commits as well. */
static bool breaks_granted(int value, const addition *pending, int count, const addition *a)
{
    for (int i = 0; i < count; i++) {
        for (int chosen = 0; chosen < 1 << count; chosen++) {
            int sum = value + a->delta;
            for (int k = 0; k < count; k++) {
                sum += k == i || (chosen >> k & 1) != 0 ? pending[k].delta : 0;
            }
            bool towards = (a->delta < 0 && pending[i].delta < 0 && pending[i].min != NONE &&
                            sum < pending[i].min) ||
                           (a->delta > 0 && pending[i].delta > 0 && pending[i].max != NONE &&
                            sum > pending[i].max);
            if (towards) {
                return true;
            }
        }
    }
    return false;
}

static void put_pending(fake_world *fake, const addition *pending, int count)
{
    hf_escrow_pending sums = { .min = INT64_MIN, .max = INT64_MAX };
    for (int i = 0; i < count; i++) {
        sums.plus += pending[i].delta > 0 ? pending[i].delta : 0;
        sums.minus += pending[i].delta < 0 ? -pending[i].delta : 0;
        bool low = pending[i].delta < 0 && pending[i].min != NONE; /* as hf_add_parse has it */
        bool high = pending[i].delta > 0 && pending[i].max != NONE;
        sums.min = low && pending[i].min > sums.min ? pending[i].min : sums.min;
        sums.max = high && pending[i].max < sums.max ? pending[i].max : sums.max;
    }
    fake->pending[0] = (fake_pending){ .key = HF_LIT("q"), .field = HF_LIT(""), .sums = sums };
    fake->pending_count = 1;
}

static void check(fake_world *fake, int value, const addition *pending, int count,
                  const addition *a)
{
    char line[128];
    bool all;
    bool any;
    snprintf(line, sizeof line, "SET q %d", value);
    fake_do(fake, line);
    put_pending(fake, pending, count);
    size_t size = (size_t)snprintf(line, sizeof line, "HF.ADD q %d", a->delta);
    if (a->min != NONE) {
        size += (size_t)snprintf(line + size, sizeof line - size, " MIN %d", a->min);
    }
    if (a->max != NONE) {
        snprintf(line + size, sizeof line - size, " MAX %d", a->max);
    }
    fake_do(fake, line);
    outcomes(value, pending, count, a, &all, &any);
    bool breaks = breaks_granted(value, pending, count, a);
    if (fake->ran == HF_RAN_OK) {
        assert_true(all && !breaks);
    } else if (fake->ran == HF_RAN_ABORT) {
        assert_false(any);
    } else {
        /* A zero delta may wait in vain: its two bounds are looked at one by one. */
        assert_true(count != 0 && (any || a->delta == 0));
        assert_true(!all || breaks || a->delta == 0 || count == 2);
    }
    if (count <= 1 && a->delta != 0) { /* with one pending addition the sums lose nothing */
        assert_int_equal(fake->ran, all && !breaks ? HF_RAN_OK : any ? HF_RAN_WAIT : HF_RAN_ABORT);
    }
}

static void small_cases(void **state)
{
    (void)state;
    static const int bounds[] = { NONE, 0, 2 };
    fake_world fake;
    fake_open(&fake, 1024 * 1024);
    for (int shape = 0; shape < 5 * 5 * 9 * 5 * 9; shape++) {
        int rest = shape;
        addition a = { rest % 5 - 2, bounds[rest / 5 % 3], bounds[rest / 15 % 3] };
        rest /= 45;
        addition p = { rest % 5 - 2, bounds[rest / 5 % 3], bounds[rest / 15 % 3] };
        rest /= 45;
        bool all;
        bool any;
        int value = rest - 1;
        outcomes(value, NULL, 0, &p, &all, &any);
        check(&fake, value, &p, p.delta != 0 && all ? 1 : 0, &a);
        addition two[2] = { p, { -1, NONE, NONE } };
        check(&fake, value, two, p.delta != 0 && all ? 2 : 0, &a);
    }
    fake_close(&fake);
}

/* The sums of what is pending have 64 bits, too, whatever the value allows. */
static void pending_sums_stay_within_64_bits(void **state)
{
    (void)state;
    fake_world fake;
    fake_open(&fake, 1024 * 1024);
    hf_escrow_pending sums = {
        .plus = INT64_MAX - 5, .minus = INT64_MAX - 5, .min = INT64_MIN, .max = INT64_MAX
    };
    fake.pending[0] = (fake_pending){ .key = HF_LIT("q"), .field = HF_LIT(""), .sums = sums };
    fake.pending_count = 1;
    static const struct {
        const char *value, *add;
        hf_ran ran;
    } cases[] = { { "SET q -9223372036854775807", "HF.ADD q 5", HF_RAN_OK },
                  { "SET q -9223372036854775807", "HF.ADD q 6", HF_RAN_WAIT },
                  { "SET q 9223372036854775807", "HF.ADD q -5", HF_RAN_OK },
                  { "SET q 9223372036854775807", "HF.ADD q -6", HF_RAN_WAIT } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fake_do(&fake, cases[i].value);
        fake_do(&fake, cases[i].add);
        assert_int_equal(fake.ran, cases[i].ran);
    }
    fake_do(&fake, "SET q 0");
    fake_do(&fake, "HF.ADD q -9223372036854775808"); /* its size has no room in a sum */
    assert_int_equal(fake.ran, HF_RAN_OK);
    assert_memory_equal(fake.reply.data, "-ERR value is not", 17);
    fake_close(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(small_cases),
                                        cmocka_unit_test(pending_sums_stay_within_64_bits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
