/* A sender of single bytes costs linear time: once a byte was searched or understood, the parser
 * does not look at it again. Shown by spoiling those bytes between the calls: nothing may change.
 */
#include "tests/unit/wire/wire_test.h"

#include <stdlib.h>

static hf_resp_state feed(wire_test *test, const char *request, size_t size, uint8_t spoil,
                          hf_resp_parser *parser)
{
    uint8_t *data = malloc(size);
    uint32_t used = 0;
    hf_resp_state state = HF_RESP_MORE;
    assert_non_null(data);
    hf_resp_parser_open(parser);
    for (size_t given = 1; given <= size && state == HF_RESP_MORE; given++) {
        data[given - 1] = (uint8_t)request[given - 1];
        if (request[given - 1] == '\n') { /* the end of a line: its numbers or words are made now */
            memcpy(data + parser->done, request + parser->done, given - parser->done);
        }
        state = hf_resp_parse(parser, data, (uint32_t)given, &test->args, &used);
        uint32_t seen = parser->seen > parser->done ? parser->seen : parser->done;
        assert_true(state != HF_RESP_MORE || seen != 0);
        memset(data, spoil, seen);
        data[0] = (uint8_t)request[0]; /* the kind of request is asked each time: one byte */
    }
    free(data);
    return state;
}

static void heads_and_arguments(void **state)
{
    (void)state;
    static const char request[] = "*3\r\n$3\r\nSET\r\n$10\r\n0123456789\r\n$1\r\nx\r\n";
    wire_test test;
    hf_resp_parser parser;
    wire_test_open(&test, 1024 * 1024);
    assert_int_equal(feed(&test, request, sizeof request - 1, '\r', &parser), HF_RESP_COMMAND);
    assert_int_equal(parser.argc, 3);
    const hf_resp_arg *args = (const hf_resp_arg *)(const void *)test.args.data;
    assert_int_equal(args[1].offset, 18);
    assert_int_equal(args[1].size, 10);
    wire_test_close(&test);
}

static void inline_lines(void **state)
{
    (void)state;
    static const char request[] = "SET some \"long line\" here\r\n";
    wire_test test;
    hf_resp_parser parser;
    wire_test_open(&test, 1024 * 1024);
    assert_int_equal(feed(&test, request, sizeof request - 1, '\n', &parser), HF_RESP_COMMAND);
    assert_int_equal(parser.argc, 4);
    wire_test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_and_arguments),
        cmocka_unit_test(inline_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
