/* Claim: the last events are kept, oldest first; the digest depends on every event ever added. */
#include "engine/base/trace.h"
#include "tests/unit/base/base_test.h"

#include <string.h>

static char lines[16][192];
static uint32_t line_count;

static void collect(void *context, const char *text)
{
    assert_ptr_equal(context, &line_count);
    assert_true(line_count < 16);
    size_t size = strlen(text) + 1;
    assert_true(size <= sizeof lines[0]);
    memcpy(lines[line_count++], text, size);
}

static void last_events_are_dumped(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    hf_trace trace;
    assert_int_equal(hf_trace_open(&trace, heap, 3), HF_OK);
    for (uint64_t i = 0; i < 10; i++) {
        trace.now_ns = 100 * i;
        hf_trace_add(&trace, i == 9 ? "last" : "step", i, UINT64_MAX);
    }
    hf_trace_add(NULL, "nobody", 1, 2);
    assert_int_equal(hf_trace_count(&trace), 4);
    hf_trace_dump(&trace, collect, &line_count);
    assert_int_equal(line_count, 4);
    assert_string_equal(lines[0], "600 step 6 18446744073709551615");
    assert_string_equal(lines[3], "900 last 9 18446744073709551615");
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    trace.now_ns = UINT64_MAX;
    hf_trace_add(&trace, name, UINT64_MAX, UINT64_MAX);
    line_count = 0;
    hf_trace_dump(&trace, collect, &line_count); /* a long kind is cut, the numbers are not */
    assert_non_null(strstr(lines[3], "nnn 18446744073709551615 18446744073709551615"));
    hf_trace_close(&trace);
    hf_heap_fail_at(heap, 1);
    assert_int_equal(hf_trace_open(&trace, heap, 3), HF_E_NOMEM);
    hf_trace_close(&trace);
    test_heap_close(heap);
}

static uint64_t digest_with(hf_heap *heap, uint64_t at, uint64_t time, uint64_t a, uint64_t b)
{
    hf_trace trace;
    assert_int_equal(hf_trace_open(&trace, heap, 4), HF_OK);
    for (uint64_t i = 0; i < 100; i++) {
        trace.now_ns = i + (i == at ? time : 0);
        hf_trace_add(&trace, "e", i + (i == at ? a : 0), i + (i == at ? b : 0));
    }
    uint64_t digest = trace.digest;
    hf_trace_close(&trace);
    return digest;
}

static void digest_sees_every_event(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    uint64_t same = digest_with(heap, 0, 0, 0, 0);
    assert_true(same == digest_with(heap, 50, 0, 0, 0));
    for (uint64_t at = 0; at < 100; at += 33) {
        assert_true(same != digest_with(heap, at, 1, 0, 0));
        assert_true(same != digest_with(heap, at, 0, 1, 0));
        assert_true(same != digest_with(heap, at, 0, 0, 1));
    }
    test_heap_close(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_events_are_dumped),
        cmocka_unit_test(digest_sees_every_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
