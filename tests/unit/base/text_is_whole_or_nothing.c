/* Claim: numbers, sizes and durations parse as a whole or not at all, to the last value that fits.
 */
#include "engine/base/text.h"
#include "tests/unit/base/base_test.h"

#include <string.h>

static hf_bytes of(const char *text)
{
    return hf_bytes_of(text, strlen(text));
}

typedef hf_err parser(hf_bytes text, uint64_t *out);

static void good(parser *parse, const char *text, uint64_t right)
{
    uint64_t got = ~right;
    assert_int_equal(parse(of(text), &got), HF_OK);
    assert_true(got == right);
}

static void bad(parser *parse, const char *text, hf_err right)
{
    uint64_t got = 123;
    assert_int_equal(parse(of(text), &got), right);
    assert_int_equal(got, 123);
}

static void unsigned_numbers(void **unused)
{
    (void)unused;
    good(hf_text_u64, "0", 0);
    good(hf_text_u64, "18446744073709551615", UINT64_MAX);
    bad(hf_text_u64, "18446744073709551616", HF_E_RANGE);
    bad(hf_text_u64, "99999999999999999999999", HF_E_RANGE);
    bad(hf_text_u64, "184467440737095516160", HF_E_RANGE); /* 2^64 * 10: wraps to 0 on the way */
    bad(hf_text_u64, "99999999999999999999999x", HF_E_INVALID);
    const char *const wrong[] = { "", "-1", "+1", " 1", "1 ", "1.0", "0x10", "a" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        bad(hf_text_u64, wrong[i], HF_E_INVALID);
    }
}

static void signed_numbers(void **unused)
{
    (void)unused;
    int64_t got = 123;
    assert_int_equal(hf_text_i64(of("-9223372036854775808"), &got), HF_OK);
    assert_true(got == INT64_MIN);
    assert_int_equal(hf_text_i64(of("9223372036854775807"), &got), HF_OK);
    assert_true(got == INT64_MAX);
    assert_int_equal(hf_text_i64(of("-1"), &got), HF_OK);
    assert_true(got == -1);
    assert_int_equal(hf_text_i64(of("0"), &got), HF_OK);
    assert_true(got == 0);
    assert_int_equal(hf_text_i64(of("9223372036854775808"), &got), HF_E_RANGE);
    assert_int_equal(hf_text_i64(of("-9223372036854775809"), &got), HF_E_RANGE);
    const char *const wrong[] = { "", "-", "--1", "+1", "-0", "007", "-01", "1-" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(hf_text_i64(of(wrong[i]), &got), HF_E_INVALID);
    }
    assert_true(got == 0);
}

static void sizes(void **unused)
{
    (void)unused;
    good(hf_text_size, "0", 0);
    good(hf_text_size, "512", 512);
    good(hf_text_size, "7B", 7);
    good(hf_text_size, "1KiB", 1024);
    good(hf_text_size, "256MiB", (uint64_t)256 << 20);
    good(hf_text_size, "3GiB", (uint64_t)3 << 30);
    good(hf_text_size, "16777215TiB", (uint64_t)16777215 << 40);
    bad(hf_text_size, "16777216TiB", HF_E_RANGE);
    bad(hf_text_size, "18446744073709551616", HF_E_RANGE);
    const char *const wrong[] = { "", "MiB", "1MB", "1mib", "1 MiB", "-1KiB", "1KiBx", "1.5GiB" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        bad(hf_text_size, wrong[i], HF_E_INVALID);
    }
}

static void durations(void **unused)
{
    (void)unused;
    good(hf_text_duration, "0", 0);
    good(hf_text_duration, "0s", 0);
    good(hf_text_duration, "15ns", 15);
    good(hf_text_duration, "15us", 15000);
    good(hf_text_duration, "200ms", 200000000);
    good(hf_text_duration, "10s", UINT64_C(10000000000));
    good(hf_text_duration, "2m", UINT64_C(120000000000));
    good(hf_text_duration, "24h", UINT64_C(86400000000000));
    bad(hf_text_duration, "9999999999h", HF_E_RANGE);
    const char *const wrong[] = { "", "10", "s", "1S", "1 s", "1sec", "-1s", "1d" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        bad(hf_text_duration, wrong[i], HF_E_INVALID);
    }
}

static void written_is_read_back(void **unused)
{
    (void)unused;
    for (uint32_t bit = 0; bit < 64; bit++) {
        for (uint64_t near = 0; near < 3; near++) {
            uint64_t number = (UINT64_C(1) << bit) - 1 + near;
            char text[HF_TEXT_NUMBER];
            uint32_t size = hf_text_put_u64(text, number);
            assert_int_equal(strlen(text), size);
            good(hf_text_u64, text, number);
            int64_t back;
            size = hf_text_put_i64(text, (int64_t)number);
            assert_int_equal(strlen(text), size);
            assert_int_equal(hf_text_i64(of(text), &back), HF_OK);
            assert_true(back == (int64_t)number);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_numbers),
        cmocka_unit_test(signed_numbers),
        cmocka_unit_test(sizes),
        cmocka_unit_test(durations),
        cmocka_unit_test(written_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
