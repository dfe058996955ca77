#include "tests/unit/wire/wire_test.h"

static void expect(wire_test *test, const char *wanted)
{
    assert_int_equal(test->out.size, strlen(wanted));
    assert_memory_equal(test->out.data, wanted, test->out.size);
    assert_int_equal(hf_resp_reply_size(hf_buf_view(&test->out)), test->out.size);
    hf_buf_reset(&test->out);
}

#define SHOWS(call, wanted)                                                                        \
    do {                                                                                           \
        call;                                                                                      \
        expect(&test, wanted);                                                                     \
    } while (0)

static void simple_kinds(void **state)
{
    (void)state;
    wire_test test;
    wire_test_open(&test, 1024 * 1024);
    hf_buf *out = &test.out;
    SHOWS(hf_resp_simple(out, "OK"), "+OK\r\n");
    SHOWS(hf_resp_error(out, "ERR a\r\nb\n\r"), "-ERR a  b\r\n");
    SHOWS(hf_resp_errorf(out, "ERR %d\n%s", 5, "x"), "-ERR 5 x\r\n");
    SHOWS(hf_resp_integer(out, 0), ":0\r\n");
    SHOWS(hf_resp_integer(out, -12), ":-12\r\n");
    SHOWS(hf_resp_integer(out, INT64_MAX), ":9223372036854775807\r\n");
    SHOWS(hf_resp_integer(out, INT64_MIN), ":-9223372036854775808\r\n");
    SHOWS(hf_resp_bulk(out, HF_LIT("")), "$0\r\n\r\n");
    SHOWS(hf_resp_bulk(out, HF_LIT("a\r\nb")), "$4\r\na\r\nb\r\n");
    SHOWS(hf_resp_bulk_integer(out, -7), "$2\r\n-7\r\n");
    wire_test_close(&test);
}

static void kinds_that_differ_by_protocol(void **state)
{
    (void)state;
    wire_test test;
    wire_test_open(&test, 1024 * 1024);
    hf_buf *out = &test.out;
    SHOWS(hf_resp_null(out, 2), "$-1\r\n");
    SHOWS(hf_resp_null(out, 3), "_\r\n");
    SHOWS(hf_resp_null_array(out, 2), "*-1\r\n");
    SHOWS(hf_resp_null_array(out, 3), "_\r\n");
    SHOWS(hf_resp_array(out, 0), "*0\r\n");
    SHOWS((hf_resp_map(out, 1, 2), hf_resp_integer(out, 1), hf_resp_integer(out, 2)),
          "*2\r\n:1\r\n:2\r\n");
    SHOWS((hf_resp_map(out, 1, 3), hf_resp_integer(out, 1), hf_resp_integer(out, 2)),
          "%1\r\n:1\r\n:2\r\n");
    SHOWS(hf_resp_set(out, 0, 2), "*0\r\n");
    SHOWS(hf_resp_set(out, 0, 3), "~0\r\n");
    SHOWS((hf_resp_push(out, 1, 2), hf_resp_null(out, 2)), "*1\r\n$-1\r\n");
    SHOWS((hf_resp_push(out, 1, 3), hf_resp_null(out, 3)), ">1\r\n_\r\n");
    SHOWS(hf_resp_double(out, 0.1, 2), "$19\r\n0.10000000000000001\r\n");
    SHOWS(hf_resp_double(out, -2, 3), ",-2\r\n");
    SHOWS(hf_resp_double(out, -__builtin_inf(), 3), ",-inf\r\n");
    SHOWS(hf_resp_double(out, -__builtin_nan(""), 3), ",nan\r\n");
    SHOWS(hf_resp_bool(out, true, 2), ":1\r\n");
    SHOWS(hf_resp_bool(out, false, 3), "#f\r\n");
    SHOWS(hf_resp_verbatim(out, "txt", HF_LIT("hi"), 2), "$2\r\nhi\r\n");
    SHOWS(hf_resp_verbatim(out, "txt", HF_LIT("hi"), 3), "=6\r\ntxt:hi\r\n");
    wire_test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_kinds),
        cmocka_unit_test(kinds_that_differ_by_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
