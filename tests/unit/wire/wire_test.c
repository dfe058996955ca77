#include "tests/unit/wire/wire_test.h"

#include <stdio.h>
#include <stdlib.h>

enum { SPAN = 64 * 1024, SHOWN_MAX = 4096 };

void wire_test_open(wire_test *test, size_t heap_size)
{
    test->region = aligned_alloc(SPAN, heap_size);
    assert_non_null(test->region);
    test->heap = hf_heap_open(test->region, heap_size);
    hf_buf_open(&test->args, test->heap);
    hf_buf_open(&test->out, test->heap);
}

void wire_test_close(wire_test *test)
{
    hf_buf_close(&test->args);
    hf_buf_close(&test->out);
    hf_heap_check(test->heap);
    assert_int_equal(hf_heap_used(test->heap), 0); /* nothing was forgotten */
    hf_heap_close(test->heap);
    free(test->region);
}

static void show(const wire_test *test, const hf_resp_parser *parser, const uint8_t *data,
                 char *shown)
{
    size_t at = 0;
    const hf_resp_arg *args = (const hf_resp_arg *)(const void *)test->args.data;
    for (uint32_t i = 0; i < parser->argc; i++) {
        shown[at++] = '<';
        for (uint32_t k = 0; k < args[i].size; k++) {
            uint8_t c = data[args[i].offset + k];
            bool plain = c > ' ' && c < 127 && c != '<' && c != '>' && c != '\\';
            at += (size_t)snprintf(shown + at, 8, plain ? "%c" : "\\%02x", c);
            assert_true(at < SHOWN_MAX);
        }
        shown[at++] = '>';
    }
    shown[at] = 0;
}

hf_resp_state wire_test_parse(wire_test *test, hf_resp_parser *parser, const char *data,
                              size_t size, size_t step, char *shown, uint32_t *used)
{
    hf_resp_state state = HF_RESP_MORE;
    shown[0] = 0;
    for (size_t given = step == 0 ? size : 0; state == HF_RESP_MORE; given += step) {
        given = given < size ? given : size;
        uint8_t *block = malloc(given == 0 ? 1 : given);
        assert_non_null(block);
        memcpy(block, data, given);
        *used = 0;
        state = hf_resp_parse(parser, block, (uint32_t)given, &test->args, used);
        if (state == HF_RESP_COMMAND) {
            assert_int_equal(test->args.size, parser->argc * sizeof(hf_resp_arg));
            assert_true(*used <= given);
            show(test, parser, block, shown);
        } else if (state == HF_RESP_BAD) {
            snprintf(shown, sizeof parser->error, "%s", parser->error);
        }
        free(block);
        if (given == size) {
            break;
        }
    }
    return state;
}
