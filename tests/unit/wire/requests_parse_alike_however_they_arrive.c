/* Each request is given whole, byte by byte, in every step size up to 7, and cut once at every
 * offset; always with the next request behind it. */
#include "tests/unit/wire/wire_test.h"

static const struct {
    const char *request;
    const char *shown;
} cases[] = {
    { "*1\r\n$4\r\nPING\r\n", "<PING>" },
    { "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n", "<SET><k><hello>" },
    { "*2\r\n$0\r\n\r\n$2\r\n\r\n\r\n", "<><\\0d\\0a>" },
    { "*2\r\n$12\r\nabcdefghijkl\r\n$1\r\nx\r\n", "<abcdefghijkl><x>" },
    { "*12\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$"
      "1\r\n8\r\n"
      "$1\r\n9\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
      "<1><2><3><4><5><6><7><8><9><a><b><c>" },
    { "*0\r\n", "" },
    { "*-1\r\n", "" },
    { "*-7\r\n", "" },
    { "\r\n", "" },
    { "\n", "" },
    { "   \t \r\n", "" },
    { "PING\r\n", "<PING>" },
    { "PING\n", "<PING>" },
    { "  set  a\tb  \r\n", "<set><a><b>" },
    { "set \"a b\" 'c d'\r\n", "<set><a\\20b><c\\20d>" },
    { "x \"\\x41\\x00\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n", "<x><A\\00\\0a\\0d\\09\\08\\07\\5c\"q>" },
    { "x \"\\xzz\\x4\" '\\'\\n'\r\n", "<x><xzzx4><'\\5cn>" },
    { "x \"\" ''\r\n", "<x><><>" },
    { "a\"b c\"\r\n", "<ab\\20c>" },
    { "a\rb\r\n", "<a><b>" },
    { "$5\r\n", "<$5>" },
    /* Redis looks neither at the byte behind \r in a head nor at the two behind an argument. */
    { "*1\rx$4\rxPINGab", "<PING>" },
};
enum { CASES = sizeof cases / sizeof cases[0], NEXT = 14 };

static void check(size_t index, size_t first, size_t step)
{
    wire_test test;
    hf_resp_parser parser;
    char data[512];
    char shown[4096];
    uint32_t used = 0;
    size_t size = strlen(cases[index].request);
    memcpy(data, cases[index].request, size);
    memcpy(data + size, "*1\r\n$4\r\nNEXT\r\n", NEXT);
    wire_test_open(&test, 1024 * 1024);
    hf_resp_parser_open(&parser);
    if (first != 0) { /* a part alone must never do */
        assert_int_equal(wire_test_parse(&test, &parser, data, first, 0, shown, &used),
                         HF_RESP_MORE);
    }
    assert_int_equal(wire_test_parse(&test, &parser, data, size + NEXT, step, shown, &used),
                     HF_RESP_COMMAND);
    assert_string_equal(shown, cases[index].shown);
    assert_int_equal(used, size);
    assert_int_equal(hf_resp_missing(&parser), 0);
    assert_int_equal(wire_test_parse(&test, &parser, data + size, NEXT, step, shown, &used),
                     HF_RESP_COMMAND);
    assert_string_equal(shown, "<NEXT>");
    wire_test_close(&test);
}

static void whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        check(i, 0, 0);
    }
}

static void in_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        for (size_t step = 1; step <= 7; step++) {
            check(i, 0, step);
        }
    }
}

static void cut_at_every_offset(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        for (size_t cut = 1; cut < strlen(cases[i].request); cut++) {
            check(i, cut, 0);
        }
    }
}

static void missing_bytes_are_told(void **state)
{
    (void)state;
    wire_test test;
    hf_resp_parser parser;
    char shown[4096];
    uint32_t used = 0;
    wire_test_open(&test, 1024 * 1024);
    hf_resp_parser_open(&parser);
    wire_test_parse(&test, &parser, "*1\r\n$100000", 11, 0, shown, &used);
    assert_int_equal(hf_resp_missing(&parser), 0);
    wire_test_parse(&test, &parser, "*1\r\n$100000\r\nabc", 16, 0, shown, &used);
    assert_int_equal(hf_resp_missing(&parser), 100000 + 2 - 3);
    wire_test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(in_steps),
        cmocka_unit_test(cut_at_every_offset),
        cmocka_unit_test(missing_bytes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
