#include "tests/unit/wire/wire_test.h"

#include <stdio.h>

static void before_authentication(void **state)
{
    (void)state;
    wire_test test;
    hf_resp_parser parser;
    char shown[4096];
    uint32_t used = 0;
    wire_test_open(&test, 1024 * 1024);
    hf_resp_parser_open(&parser);
    parser.args_max = 10;
    parser.bulk_max = 16384;
    assert_int_equal(wire_test_parse(&test, &parser, "*10\r\n", 5, 0, shown, &used), HF_RESP_MORE);
    hf_resp_parser_open(&parser);
    parser.args_max = 10;
    assert_int_equal(wire_test_parse(&test, &parser, "*11\r\n", 5, 0, shown, &used), HF_RESP_BAD);
    assert_string_equal(shown, "Protocol error: unauthenticated multibulk length");
    hf_resp_parser_open(&parser);
    parser.bulk_max = 16384;
    assert_int_equal(wire_test_parse(&test, &parser, "*1\r\n$16384\r\n", 12, 0, shown, &used),
                     HF_RESP_MORE);
    hf_resp_parser_open(&parser);
    parser.bulk_max = 16384;
    assert_int_equal(wire_test_parse(&test, &parser, "*1\r\n$16385\r\n", 12, 0, shown, &used),
                     HF_RESP_BAD);
    assert_string_equal(shown, "Protocol error: unauthenticated bulk length");
    hf_resp_parser_open(&parser);
    parser.bulk_max = 5; /* the short way must ask too */
    assert_int_equal(wire_test_parse(&test, &parser, "*1\r\n$6\r\nabcdef\r\n", 16, 0, shown, &used),
                     HF_RESP_BAD);
    assert_string_equal(shown, "Protocol error: unauthenticated bulk length");
    wire_test_close(&test);
}

static void a_head_alone_takes_little_memory(void **state)
{
    (void)state;
    wire_test test;
    hf_resp_parser parser;
    char shown[4096];
    uint32_t used = 0;
    wire_test_open(&test, 1024 * 1024);
    hf_resp_parser_open(&parser);
    assert_int_equal(wire_test_parse(&test, &parser, "*1048576\r\n", 10, 0, shown, &used),
                     HF_RESP_MORE);
    assert_true(test.args.capacity <= 16 * 1024);
    wire_test_close(&test);
}

static void many_arguments_are_all_found(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static char data[COUNT * 16];
    wire_test test;
    hf_resp_parser parser;
    uint32_t used = 0;
    size_t size = (size_t)snprintf(data, sizeof data, "*%d\r\n", COUNT);
    for (int i = 0; i < COUNT; i++) {
        size += (size_t)snprintf(data + size, sizeof data - size, "$4\r\n%04d\r\n", i);
    }
    wire_test_open(&test, 1024 * 1024);
    hf_resp_parser_open(&parser);
    assert_int_equal(hf_resp_parse(&parser, (uint8_t *)data, (uint32_t)size, &test.args, &used),
                     HF_RESP_COMMAND);
    assert_int_equal(parser.argc, COUNT);
    assert_int_equal(used, size);
    const hf_resp_arg *args = (const hf_resp_arg *)(const void *)test.args.data;
    for (int i = 0; i < COUNT; i++) {
        char text[12];
        snprintf(text, sizeof text, "%04d", i);
        assert_int_equal(args[i].size, 4);
        assert_memory_equal(data + args[i].offset, text, 4);
    }
    wire_test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_authentication),
        cmocka_unit_test(a_head_alone_takes_little_memory),
        cmocka_unit_test(many_arguments_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
