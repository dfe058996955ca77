#include "tests/unit/server/server_test.h"

#include "engine/base/prng.h"

#include <string.h>

static void names_compare_in_any_case(void **state)
{
    (void)state;
    assert_true(hf_word_is(HF_LIT("GeT"), "GET"));
    assert_true(hf_word_is(HF_LIT("no-evict"), "NO-EVICT"));
    assert_false(hf_word_is(HF_LIT("ge"), "GET"));
    assert_false(hf_word_is(HF_LIT("gets"), "GET"));
    assert_false(hf_word_is(HF_LIT(""), "GET"));
}

static void strings_are_quoted_as_in_monitor(void **state)
{
    server_test test;
    (void)state;
    server_test_open(&test);
    hf_put_quoted(&test.out, HF_LIT("a\"b\\c\n\r\t\a\b\x01\x7f\xff~"));
    assert_string_equal(server_test_text(&test), "\"a\\\"b\\\\c\\n\\r\\t\\a\\b\\x01\\x7f\\xff~\"");
    server_test_close(&test);
}

static void names_of_clients_are_printable(void **state)
{
    (void)state;
    assert_true(hf_word_printable(HF_LIT("")));
    assert_true(hf_word_printable(HF_LIT("!~name")));
    assert_false(hf_word_printable(HF_LIT("a b")));
    assert_false(hf_word_printable(HF_LIT("a\n")));
    assert_false(hf_word_printable(HF_LIT("\x80")));
}

static void sorting_keeps_all_and_orders_them(void **state)
{
    enum { MOST = 200 };
    static char text[MOST][4];
    hf_bytes names[MOST];
    (void)state;
    hf_prng prng = hf_prng_of(1);
    for (uint32_t count = 0; count <= MOST; count++) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t size = (uint32_t)(hf_prng_next(&prng) % 4);
            for (uint32_t k = 0; k < size; k++) {
                text[i][k] = (char)('a' + hf_prng_next(&prng) % 3);
                sum += (uint8_t)text[i][k];
            }
            names[i] = hf_bytes_of(text[i], size);
        }
        hf_word_sort(names, count);
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t k = 0; k < names[i].size; k++) {
                sum -= names[i].data[k];
            }
            assert_true(i == 0 || hf_bytes_compare(names[i - 1], names[i]) <= 0);
        }
        assert_int_equal(sum, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_compare_in_any_case),
        cmocka_unit_test(strings_are_quoted_as_in_monitor),
        cmocka_unit_test(names_of_clients_are_printable),
        cmocka_unit_test(sorting_keeps_all_and_orders_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
