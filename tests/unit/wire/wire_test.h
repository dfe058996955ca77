/* What the tests of net/wire share. */
#ifndef HF_TESTS_WIRE_TEST_H
#define HF_TESTS_WIRE_TEST_H
#include "net/wire/resp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct wire_test {
    void *region;
    hf_heap *heap;
    hf_buf args;
    hf_buf out;
} wire_test;

void wire_test_open(wire_test *test, size_t heap_size);
void wire_test_close(wire_test *test);

/* Parses `size` bytes given `step` at a time (0: all at once), each time in a block of its own of
 * exactly the size, so that a sanitizer sees a read behind it. Answers the last state. On COMMAND
 * `shown` holds the arguments as
 * "<a><bc>", with bytes outside the printable ones as \xx; on BAD the error's text. `used` as
 * hf_resp_parse. */
hf_resp_state wire_test_parse(wire_test *test, hf_resp_parser *parser, const char *data,
                              size_t size, size_t step, char *shown, uint32_t *used);

#endif
