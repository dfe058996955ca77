/* Decimal text and back: one text for each number, and no other is taken. */
#include "tests/unit/table/support.h"

static void there_and_back(void **state)
{
    (void)state;
    static const int64_t numbers[] = {
        0, 1, -1, 9, 10, -10, 99, INT64_MAX, INT64_MIN, INT64_MAX - 1
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char digits[HF_INT_TEXT_MAX + 1];
        char wanted[32];
        uint32_t size = hf_int_to_text(numbers[i], digits);
        snprintf(wanted, sizeof wanted, "%lld", (long long)numbers[i]);
        assert_true(hf_bytes_equal(hf_bytes_of(digits, size), text(wanted)));
        int64_t back = 77;
        assert_true(hf_int_from_text(hf_bytes_of(digits, size), &back));
        assert_true(back == numbers[i]);
    }
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *bad[] = {
        "",
        "-",
        "+1",
        " 1",
        "1 ",
        "01",
        "-0",
        "00",
        "-01",
        "1a",
        "a",
        "0x1",
        "1.0",
        "--1",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
        "18446744073709551617",
        "100000000000000000000",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t number = 5;
        assert_false(hf_int_from_text(text(bad[i]), &number));
        assert_true(number == 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
