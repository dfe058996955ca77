/* Claim: numbers of errors never change, each has a name and a text; assertions reach the hook. */
#include "engine/base/error.h"
#include "tests/unit/base/base_test.h"

#include <string.h>

static void numbers_do_not_move(void **unused)
{
    (void)unused;
    assert_int_equal(HF_OK, 0);
    assert_int_equal(HF_E_INVALID, -1);
    assert_int_equal(HF_E_NOMEM, -4);
    assert_int_equal(HF_E_CORRUPT, -6);
    assert_int_equal(HF_E_CONFLICT, -16);
    assert_int_equal(HF_E_NOTSUPPORTED, -26);
    assert_string_equal(hf_err_name(HF_E_CORRUPT), "CORRUPT");
    assert_string_equal(hf_err_name(HF_OK), "OK");
    assert_string_equal(hf_err_text(HF_OK), "ok");
    assert_string_equal(hf_err_name((hf_err)-9999), "UNKNOWN");
    assert_string_equal(hf_err_text((hf_err)-9999), "unknown error");
}

static void numbers_are_their_own(void **unused)
{
    (void)unused;
    static const int numbers[] = {
#define X(name, number, text) number,
        HF_ERRORS(X)
#undef X
    };
    enum { COUNT = sizeof numbers / sizeof numbers[0] };
    for (int i = 0; i < COUNT; i++) {
        assert_true(numbers[i] < 0);
        assert_true(strlen(hf_err_text((hf_err)numbers[i])) > 2);
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(numbers[i], numbers[j]);
            assert_string_not_equal(hf_err_name((hf_err)numbers[i]),
                                    hf_err_name((hf_err)numbers[j]));
        }
    }
}

static void assert_that(void *truth)
{
    HF_ASSERT(*(bool *)truth);
}

static void unreachable(void *unused)
{
    (void)unused;
    HF_UNREACHABLE();
}

static void false_assertions_reach_the_hook(void **unused)
{
    (void)unused;
    bool truth = true;
    assert_false(test_stops(assert_that, &truth));
    truth = false;
    assert_true(test_stops(assert_that, &truth));
    assert_true(test_stops(unreachable, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_do_not_move),
        cmocka_unit_test(numbers_are_their_own),
        cmocka_unit_test(false_assertions_reach_the_hook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
