/* Claim: a quantile is never below the exact one and at most 1.6 % above it, for all of 64 bits;
 * merging equals recording everything in one. */
#include "engine/base/hist.h"
#include "engine/base/prng.h"
#include "tests/unit/base/base_test.h"

enum { VALUES = 5000 };

static hf_hist hist;
static hf_hist half[2];
static uint64_t values[VALUES];

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void close_to_exact(uint64_t seed, uint64_t shift_most)
{
    hf_prng p = hf_prng_of(seed);
    hf_hist_reset(&hist);
    hf_hist_reset(&half[0]);
    hf_hist_reset(&half[1]);
    for (int i = 0; i < VALUES; i++) {
        values[i] = hf_prng_next(&p) >> hf_prng_range(&p, 0, shift_most);
        hf_hist_record(&hist, values[i]);
        hf_hist_record(&half[i % 2], values[i]);
    }
    qsort(values, VALUES, sizeof values[0], by_size);
    for (uint64_t rank = 1; rank <= VALUES; rank++) {
        uint64_t exact = values[rank - 1];
        uint64_t got = hf_hist_quantile(&hist, ((double)rank - 0.5) / VALUES);
        assert_true(got >= exact);
        assert_true(got - exact <= exact / 64);
    }
    assert_true(hf_hist_quantile(&hist, 1) == values[VALUES - 1]);
    assert_true(hf_hist_max(&hist) == values[VALUES - 1]);
    assert_true(hf_hist_min(&hist) == values[0]);
    assert_int_equal(hf_hist_count(&hist), VALUES);
    hf_hist_merge(&half[0], &half[1]);
    assert_memory_equal(&half[0], &hist, sizeof hist);
}

static void random_values(void **unused)
{
    (void)unused;
    close_to_exact(1, 63);
    close_to_exact(2, 20);
    close_to_exact(3, 0);
}

static void borders(void **unused)
{
    (void)unused;
    uint32_t last = 0;
    for (uint64_t value = 0; value < 100000; value++) {
        uint32_t bucket = hf_hist__bucket(value);
        assert_true(bucket == last || bucket == last + 1);
        last = bucket;
    }
    assert_int_equal(hf_hist__bucket(UINT64_MAX), HF_HIST_BUCKETS - 1);
    hf_hist_reset(&hist);
    assert_int_equal(hf_hist_quantile(&hist, 0.5), 0);
    assert_int_equal(hf_hist_min(&hist), 0);
    assert_int_equal(hf_hist_mean(&hist), 0);
    hf_hist_record(&hist, UINT64_MAX);
    hf_hist_record(&hist, UINT64_MAX);
    assert_true(hf_hist_quantile(&hist, 0) == UINT64_MAX);
    assert_true(hf_hist_sum(&hist) == UINT64_MAX);
    hf_hist_reset(&hist);
    hf_hist_record(&hist, 10);
    hf_hist_record(&hist, 20);
    assert_int_equal(hf_hist_sum(&hist), 30);
    assert_int_equal(hf_hist_mean(&hist), 15);
    assert_int_equal(hf_hist_quantile(&hist, 0.5), 10);
    assert_int_equal(hf_hist_quantile(&hist, 0.51), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_values),
        cmocka_unit_test(borders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
