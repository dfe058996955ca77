#include "tests/unit/command/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool holds(fake_world *fake, const char *key, const char *compare, const char *operand)
{
    hf_compare parsed;
    assert_true(hf_compare_parse(hf_bytes_of(compare, strlen(compare)), &parsed));
    return hf_compare_holds(&fake->view, hf_bytes_of(key, strlen(key)), parsed,
                            hf_bytes_of(operand, strlen(operand)));
}

static void table(void **state)
{
    (void)state;
    static const struct {
        const char *key, *compare, *operand;
        bool holds;
    } cases[] = {
        { "ten", "=", "10", true },       { "ten", "==", "9", false },
        { "ten", "EQ", "10", true },      { "ten", "!=", "10", false },
        { "ten", "ne", "9", true },       { "ten", ">", "9", true },
        { "ten", "<", "9", false }, /* as numbers, not as text */
        { "ten", ">=", "10", true },      { "ten", "<=", "10", true },
        { "ten", "<", "9x", true }, /* as text: one side is no number */
        { "ten", "=", "010", false },     { "text", "<", "b", true },
        { "text", ">", "ab", true },      { "text", ">=", "abc", true },
        { "text", "exists", "", true },   { "text", "ABSENT", "", false },
        { "none", "=", "", false },       { "none", "!=", "x", true },
        { "none", "<", "x", false },      { "none", ">=", "", false },
        { "none", "absent", "", true },   { "none", "exists", "", false },
        { "record", "exists", "", true }, { "record", "absent", "", false },
        { "record", "=", "", false },     { "record", "!=", "x", false },
        { "record", ">", "", false },
    };
    fake_world fake;
    fake_open(&fake, 1024 * 1024);
    fake_do(&fake, "MSET ten 10 text abc");
    fake_do(&fake, "HSET record f v");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (holds(&fake, cases[i].key, cases[i].compare, cases[i].operand) != cases[i].holds) {
            fail_msg("%s %s %s", cases[i].key, cases[i].compare, cases[i].operand);
        }
    }
    fake_close(&fake);
}

static void other_words_are_refused(void **state)
{
    (void)state;
    hf_compare compare;
    assert_false(hf_compare_parse(HF_LIT(""), &compare));
    assert_false(hf_compare_parse(HF_LIT("==="), &compare));
    assert_false(hf_compare_parse(HF_LIT("like"), &compare));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(other_words_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
