#include "tests/unit/wire/wire_test.h"

#include <stdlib.h>

static const char *const whole[] = {
    "+OK\r\n",
    "-ERR x\r\n",
    ":12\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "_\r\n",
    ",1.5\r\n",
    "#t\r\n",
    "(12345678901234567890\r\n",
    "$5\r\na\r\nbc\r\n",
    "=6\r\ntxt:hi\r\n",
    "!3\r\nERR\r\n",
    "*0\r\n",
    "*2\r\n*2\r\n:1\r\n:2\r\n$1\r\nx\r\n",
    "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n",
    "~1\r\n_\r\n",
    ">2\r\n+a\r\n+b\r\n",
    "|1\r\n+a\r\n:1\r\n+OK\r\n",
};

static void every_kind_and_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        size_t size = strlen(whole[i]);
        for (size_t given = 0; given <= size; given++) {
            uint8_t *data = malloc(given == 0 ? 1 : given);
            assert_non_null(data);
            memcpy(data, whole[i], given);
            assert_int_equal(hf_resp_reply_size(hf_bytes_of(data, given)),
                             given == size ? size : 0);
            free(data);
        }
    }
}

static void only_the_first_counts(void **state)
{
    (void)state;
    assert_int_equal(hf_resp_reply_size(HF_LIT("+OK\r\n+NO\r\n")), 5);
}

static void other_bytes_are_no_reply(void **state)
{
    (void)state;
    static const char *const bad[] = { "OK\r\n", "$x\r\n\r\n", "$-2\r\n", "*99999999999\r\n",
                                       "\r\n" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(hf_resp_reply_size(hf_bytes_of(bad[i], strlen(bad[i]))), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_and_every_cut),
        cmocka_unit_test(only_the_first_counts),
        cmocka_unit_test(other_bytes_are_no_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
