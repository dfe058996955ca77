/* Claim: a seed fixes the numbers on every machine, streams differ, and draws are even. */
#include "engine/base/prng.h"
#include "tests/unit/base/base_test.h"

/* From the authors' reference of splitmix64 (seed 1234567) and xoshiro256++ (state 1, 2, 3, 4). */
static void reference_numbers(void **unused)
{
    (void)unused;
    uint64_t seed = 1234567;
    assert_true(hf_prng_mix(&seed) == UINT64_C(6457827717110365317));
    assert_true(hf_prng_mix(&seed) == UINT64_C(3203168211198807973));
    hf_prng p = { { 1, 2, 3, 4 } };
    assert_true(hf_prng_next(&p) == UINT64_C(41943041));
    assert_true(hf_prng_next(&p) == UINT64_C(58720359));
    assert_true(hf_prng_next(&p) == UINT64_C(3588806011781223));
    assert_true(hf_prng_next(&p) == UINT64_C(3591011842654386));
}

static void seeds_and_streams_differ(void **unused)
{
    (void)unused;
    hf_prng a = hf_prng_of(1);
    hf_prng again = hf_prng_of(1);
    hf_prng other = hf_prng_of(2);
    hf_prng stream0 = hf_prng_stream(1, 0);
    hf_prng stream1 = hf_prng_stream(1, 1);
    hf_prng child = hf_prng_split(&again);
    again = hf_prng_of(1);
    uint64_t same[4] = { 0 };
    for (int i = 0; i < 1000; i++) {
        uint64_t draw = hf_prng_next(&a);
        assert_true(draw == hf_prng_next(&again));
        same[0] += draw == hf_prng_next(&other);
        same[1] += draw == hf_prng_next(&stream0);
        same[2] += draw == hf_prng_next(&stream1);
        same[3] += draw == hf_prng_next(&child);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(same[i], 0);
    }
}

static void below_is_even(void **unused)
{
    (void)unused;
    enum { SIDES = 6, DRAWS = 60000 };
    hf_prng p = hf_prng_of(9);
    uint64_t seen[SIDES] = { 0 };
    uint64_t heads = 0;
    for (int i = 0; i < DRAWS; i++) {
        seen[hf_prng_below(&p, SIDES)]++;
        heads += hf_prng_chance(&p, 1, 100);
    }
    for (int i = 0; i < SIDES; i++) {
        assert_in_range(seen[i], DRAWS / SIDES - 400, DRAWS / SIDES + 400);
    }
    assert_in_range(heads, DRAWS / 100 - 120, DRAWS / 100 + 120);
    /* 3 * 2^62: without the draws again, the lowest third would come up in half of all draws. */
    uint64_t low = 0;
    for (int i = 0; i < DRAWS; i++) {
        low += hf_prng_below(&p, UINT64_C(3) << 62) < UINT64_C(1) << 62;
    }
    assert_in_range(low, DRAWS / 3 - 600, DRAWS / 3 + 600);
}

static void bounds_hold(void **unused)
{
    (void)unused;
    hf_prng p = hf_prng_of(10);
    bool low = false;
    bool high = false;
    for (int i = 0; i < 2000; i++) {
        uint64_t draw = hf_prng_range(&p, 5, 8);
        assert_in_range(draw, 5, 8);
        low = low || draw == 5;
        high = high || draw == 8;
        assert_int_equal(hf_prng_below(&p, 1), 0);
        assert_false(hf_prng_chance(&p, 0, 10));
        assert_true(hf_prng_chance(&p, 10, 10));
    }
    assert_true(low && high);
    assert_int_equal(hf_prng_range(&p, 7, 7), 7);
    assert_true(hf_prng_range(&p, 0, UINT64_MAX) != hf_prng_range(&p, 0, UINT64_MAX));
    uint8_t bytes[13] = { 0 };
    hf_prng_fill(&p, bytes, 12);
    assert_int_equal(bytes[12], 0);
    uint32_t zeros = 0;
    for (int i = 0; i < 12; i++) {
        zeros += bytes[i] == 0;
    }
    assert_true(zeros < 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_numbers),
        cmocka_unit_test(seeds_and_streams_differ),
        cmocka_unit_test(below_is_even),
        cmocka_unit_test(bounds_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
