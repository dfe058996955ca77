#include "tests/unit/wire/wire_test.h"

#include <stdlib.h>

#define P "Protocol error: "

static const struct {
    const char *request;
    const char *error;
} cases[] = {
    { "*\r\n", P "invalid multibulk length" },
    { "*x\r\n", P "invalid multibulk length" },
    { "*01\r\n", P "invalid multibulk length" },
    { "*+1\r\n", P "invalid multibulk length" },
    { "*-\r\n", P "invalid multibulk length" },
    { "*1 \r\n", P "invalid multibulk length" },
    { "*1048577\r\n", P "invalid multibulk length" },
    { "*9223372036854775808\r\n", P "invalid multibulk length" },
    { "*99999999999999999999999\r\n", P "invalid multibulk length" },
    { "*1\r\n:4\r\n", P "expected '$', got ':'" },
    { "*1\r\nPING\r\n", P "expected '$', got 'P'" },
    { "*2\r\n$1\r\na\r\n*1\r\n", P "expected '$', got '*'" },
    { "*1\r\n$\r\n", P "invalid bulk length" },
    { "*1\r\n$-1\r\n", P "invalid bulk length" },
    { "*1\r\n$04\r\n", P "invalid bulk length" },
    { "*1\r\n$04\r\nPING\r\n", P "invalid bulk length" }, /* long enough for the short way */
    { "*01\r\n$4\r\nPING\r\n", P "invalid multibulk length" },
    { "*1\r\n$4x\r\n", P "invalid bulk length" },
    { "*1\r\n$8454145\r\n", P "invalid bulk length" }, /* HF_RESP_BULK_MAX + 1 */
    { "*1\r\n$4294967296\r\n", P "invalid bulk length" },
    { "x \"abc\r\n", P "unbalanced quotes in request" },
    { "x 'abc\r\n", P "unbalanced quotes in request" },
    { "x \"abc\"d\r\n", P "unbalanced quotes in request" },
    { "x 'abc'd\r\n", P "unbalanced quotes in request" },
    { "x \"abc\\\"\r\n", P "unbalanced quotes in request" },
};

static void check(const char *request, size_t size, size_t step, const char *error)
{
    wire_test test;
    hf_resp_parser parser;
    char shown[4096];
    uint32_t used = 0;
    wire_test_open(&test, 1024 * 1024);
    hf_resp_parser_open(&parser);
    assert_int_equal(wire_test_parse(&test, &parser, request, size, step, shown, &used),
                     HF_RESP_BAD);
    assert_string_equal(shown, error);
    /* and stays so, whatever comes */
    assert_int_equal(wire_test_parse(&test, &parser, "PING\r\n", 6, 0, shown, &used), HF_RESP_BAD);
    assert_string_equal(shown, error);
    wire_test_close(&test);
}

static void each_has_its_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 0; step <= 3; step++) {
            check(cases[i].request, strlen(cases[i].request), step, cases[i].error);
        }
    }
}

static void check_endless_line(const char *head, const char *error)
{
    size_t size = 70 * 1024;
    char *data = malloc(size);
    assert_non_null(data);
    memset(data, '1', size);
    memcpy(data, head, strlen(head));
    check(data, size, 0, error);
    check(data, size, 4096, error);
    data[size - 2] = '\r';
    data[size - 1] = '\n'; /* its end comes too late */
    check(data, size, 0, error);
    free(data);
}

static void endless_lines_are_cut_off(void **state)
{
    (void)state;
    check_endless_line("GET ", P "too big inline request");
    check_endless_line("*1", P "too big mbulk count string");
    check_endless_line("*1\r\n$1", P "too big bulk count string");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_text),
        cmocka_unit_test(endless_lines_are_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
