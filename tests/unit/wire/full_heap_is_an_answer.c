#include "tests/unit/wire/wire_test.h"

enum { HEAP = 1024 * 1024 };

static void *fill(hf_heap *heap)
{
    void *list = NULL;
    for (size_t size = HEAP; size >= 16; size /= 2) {
        void **block = hf_heap_take(heap, size);
        while (block != NULL) {
            *block = list;
            list = block;
            block = hf_heap_take(heap, size);
        }
    }
    return list;
}

static void drain(hf_heap *heap, void *list)
{
    while (list != NULL) {
        void *next = *(void **)list;
        hf_heap_give(heap, list);
        list = next;
    }
}

static void a_request_is_refused(void **state)
{
    (void)state;
    static const char *const requests[] = { "*1\r\n$4\r\nPING\r\n", "PING\r\n" };
    for (size_t i = 0; i < 2; i++) {
        wire_test test;
        hf_resp_parser parser;
        char shown[4096];
        uint32_t used = 0;
        wire_test_open(&test, HEAP);
        void *list = fill(test.heap);
        hf_resp_parser_open(&parser);
        assert_int_equal(
            wire_test_parse(&test, &parser, requests[i], strlen(requests[i]), 0, shown, &used),
            HF_RESP_BAD);
        assert_string_equal(shown, "out of memory");
        drain(test.heap, list);
        wire_test_close(&test);
    }
}

static void a_reply_fails_as_a_whole(void **state)
{
    (void)state;
    wire_test test;
    wire_test_open(&test, HEAP);
    void *list = fill(test.heap);
    hf_resp_error(&test.out, "ERR");
    assert_true(test.out.failed);
    hf_resp_bulk(&test.out, HF_LIT("x"));
    assert_true(test.out.failed);
    drain(test.heap, list);
    wire_test_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_refused),
        cmocka_unit_test(a_reply_fails_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
