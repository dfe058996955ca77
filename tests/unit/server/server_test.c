#include "tests/unit/server/server_test.h"

#include <stdlib.h>

enum { REGION = 1 << 20, SPAN = 64 * 1024 };

void server_test_open(server_test *test)
{
    test->region = aligned_alloc(SPAN, REGION);
    assert_non_null(test->region);
    test->heap = hf_heap_open(test->region, REGION);
    hf_buf_open(&test->out, test->heap);
}

void server_test_close(server_test *test)
{
    hf_buf_close(&test->out);
    assert_int_equal(hf_heap_used(test->heap), 0);
    hf_heap_close(test->heap);
    free(test->region);
}

const char *server_test_text(server_test *test)
{
    hf_buf_u8(&test->out, 0);
    assert_false(test->out.failed);
    hf_buf_reset(&test->out);
    return (const char *)test->out.data;
}
