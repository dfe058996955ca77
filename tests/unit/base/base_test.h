/* What the tests of engine/base share: a heap in memory of its own, and calls that must stop. */
#ifndef HF_TEST_BASE_H
#define HF_TEST_BASE_H
#include "engine/base/assert.h"
#include "engine/base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static inline hf_heap *test_heap_open(size_t size)
{
    void *region = aligned_alloc(1 << 16, size);
    assert_non_null(region);
    return hf_heap_open(region, size);
}

/* The heap's bookkeeping starts where its region does. */
static inline void test_heap_close(hf_heap *heap)
{
    hf_heap_check(heap);
    assert_int_equal(hf_heap_used(heap), 0); /* nothing was forgotten */
    hf_heap_close(heap);
    free(heap);
}

static jmp_buf test_stopped;

static inline void test_stop_hook(const char *file, int line, const char *what)
{
    (void)file;
    (void)line;
    (void)what;
    longjmp(test_stopped, 1); /* tidy: longjmp an assertion does not return */
}

/* True when the call runs into an assertion. */
static inline bool test_stops(void (*call)(void *), void *argument)
{
    hf_assert_set_hook(test_stop_hook);
    if (setjmp(test_stopped) != 0) { /* tidy: setjmp an assertion does not return */
        hf_assert_set_hook(NULL);
        return true;
    }
    call(argument);
    hf_assert_set_hook(NULL);
    return false;
}

#endif
