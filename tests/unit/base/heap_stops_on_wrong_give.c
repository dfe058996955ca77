/* Claim: a block given twice and a pointer that is no block stop the process, whatever its size. */
#include "tests/unit/base/base_test.h"

enum { REGION = 2 << 20 };

static hf_heap *heap;

static void give(void *block)
{
    hf_heap_give(heap, block);
}

static void ask_size(void *block)
{
    (void)hf_heap_block_size(heap, block);
}

static int open_heap(void **unused)
{
    (void)unused;
    heap = test_heap_open(REGION);
    return 0;
}

static int close_heap(void **unused)
{
    (void)unused;
    test_heap_close(heap);
    return 0;
}

static void second_give_stops(void **unused)
{
    (void)unused;
    const size_t sizes[] = { 0, 1, 16, 17, 100, 128, 129, 1000, 1024, 4096, 32768, 32769, 300000 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *keep = hf_heap_take(heap, sizes[i]);
        uint8_t *block = hf_heap_take(heap, sizes[i]);
        assert_non_null(keep);
        assert_non_null(block);
        hf_heap_give(heap, block);
        assert_true(test_stops(give, block));
        assert_true(test_stops(ask_size, block));
        hf_heap_give(heap, keep);
        assert_true(test_stops(give, keep)); /* also when its slab is wholly free */
        hf_heap_check(heap);
    }
}

static void inside_of_a_block_stops(void **unused)
{
    (void)unused;
    const size_t sizes[] = { 48, 80, 896, 2048, 20000, 70000, 200000 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *block = hf_heap_take(heap, sizes[i]);
        assert_non_null(block);
        assert_true(test_stops(give, block + 16));
        assert_true(test_stops(give, block + 1));
        assert_true(test_stops(ask_size, block + 16));
        hf_heap_give(heap, block);
    }
    uint8_t *run = hf_heap_take(heap, 200000);
    assert_true(test_stops(give, run + 65536));
    hf_heap_give(heap, run);
}

static void pointer_from_elsewhere_stops(void **unused)
{
    (void)unused;
    uint64_t elsewhere[2] = { 0 };
    uint8_t *start = (uint8_t *)heap;
    uint8_t *block = hf_heap_take(heap, 16);
    assert_true(test_stops(give, elsewhere));
    assert_true(test_stops(give, start));                                 /* the bookkeeping */
    assert_true(test_stops(give, start + REGION));                        /* just behind */
    assert_true(test_stops(give, start - 16));                            /* just before */
    assert_true(test_stops(give, start + REGION - 65536));                /* a free span */
    assert_true(test_stops(give, (void *)((uintptr_t)block & ~0xffffu))); /* a slab's bitmap */
    hf_heap_give(heap, block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(second_give_stops, open_heap, close_heap),
        cmocka_unit_test_setup_teardown(inside_of_a_block_stops, open_heap, close_heap),
        cmocka_unit_test_setup_teardown(pointer_from_elsewhere_stops, open_heap, close_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
