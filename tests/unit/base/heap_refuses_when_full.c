/* Claim: a full heap answers NULL and nothing else changes; what is given back can be taken in any
 * other size; fits() and free() tell beforehand. */
#include "tests/unit/base/base_test.h"

enum { REGION = 1 << 20, SPAN = 1 << 16 };

static void *blocks[REGION / 16];

static size_t fill(hf_heap *heap, size_t size)
{
    size_t count = 0;
    while ((blocks[count] = hf_heap_take(heap, size)) != NULL) {
        count++;
    }
    return count;
}

static void empty(hf_heap *heap, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hf_heap_give(heap, blocks[i]);
    }
}

static void every_size_fills_and_empties(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(REGION);
    for (size_t size = 1; size <= 5 * SPAN; size += size / 5 + 1) {
        size_t count = fill(heap, size);
        size_t real = hf_heap_block_size(heap, blocks[0]);
        assert_true(real >= size);
        assert_true(size > 32768 || size < 16 || real - size < size / 4 + 16);
        /* Nothing but what no block of the size fits into is left over. */
        size_t per_span = size <= 32768 ? (SPAN - 512) / real : 0;
        if (size <= 32768) {
            assert_true(count >= per_span * (hf_heap_capacity(heap) / SPAN));
        } else {
            assert_int_equal(count, hf_heap_capacity(heap) / real);
        }
        assert_int_equal(hf_heap_used(heap) + hf_heap_free(heap), hf_heap_capacity(heap));
        hf_heap_check(heap);
        hf_heap_give(heap, blocks[--count]);
        blocks[count] = hf_heap_take(heap, size);
        assert_non_null(blocks[count++]);
        assert_null(hf_heap_take(heap, size));
        empty(heap, count);
        hf_heap_check(heap);
        assert_int_equal(hf_heap_free(heap), hf_heap_capacity(heap));
    }
    test_heap_close(heap);
}

/* One spare slab is kept per class; all of them must yield to a run that needs their place. */
static void spare_slabs_yield_to_a_run(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(REGION);
    for (size_t size = 16; size <= 32768; size *= 2) {
        hf_heap_give(heap, hf_heap_take(heap, size));
    }
    hf_heap_check(heap);
    assert_int_equal(hf_heap_free(heap), hf_heap_capacity(heap));
    assert_true(hf_heap_fits(heap, hf_heap_capacity(heap)));
    for (size_t size = 16; size <= 32768; size *= 2) {
        hf_heap_give(heap, hf_heap_take(heap, size));
    }
    void *all = hf_heap_take(heap, hf_heap_capacity(heap));
    assert_non_null(all);
    assert_null(hf_heap_take(heap, 1));
    assert_int_equal(hf_heap_free(heap), 0);
    assert_false(hf_heap_fits(heap, 1));
    hf_heap_give(heap, all);
    test_heap_close(heap);
}

static void sizes_beyond_reason_are_refused(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(REGION);
    const size_t sizes[] = { SIZE_MAX, SIZE_MAX - SPAN, (size_t)1 << 48, REGION, (size_t)1 << 32 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_null(hf_heap_take(heap, sizes[i]));
        assert_false(hf_heap_fits(heap, sizes[i]));
    }
    void *a = hf_heap_take(heap, 0);
    void *b = hf_heap_take(heap, 0);
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    hf_heap_give(heap, a);
    hf_heap_give(heap, b);
    hf_heap_give(heap, NULL);
    test_heap_close(heap);
}

static void chosen_take_is_refused(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(REGION);
    for (uint64_t at = 1; at <= 4; at++) {
        hf_heap_fail_at(heap, at);
        for (uint64_t i = 1; i <= 5; i++) {
            void *block = hf_heap_take(heap, i * 20000);
            assert_int_equal(block == NULL, i == at);
            hf_heap_give(heap, block);
        }
    }
    hf_heap_fail_at(heap, 1);
    hf_heap_fail_at(heap, 0);
    void *block = hf_heap_take(heap, 1);
    assert_non_null(block);
    hf_heap_give(heap, block);
    test_heap_close(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_fills_and_empties),
        cmocka_unit_test(spare_slabs_yield_to_a_run),
        cmocka_unit_test(sizes_beyond_reason_are_refused),
        cmocka_unit_test(chosen_take_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
