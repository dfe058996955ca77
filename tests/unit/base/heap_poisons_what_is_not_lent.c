/* Claim: with AddressSanitizer, bytes that are not lent, and those beyond the size asked for, are
 * poisoned, and lent ones are not. Skipped in other builds. */
#include "tests/unit/base/base_test.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>

enum { REGION = 2 << 20 };

static void check_size(hf_heap *heap, size_t size)
{
    uint8_t *block = hf_heap_take(heap, size);
    assert_non_null(block);
    assert_null(__asan_region_is_poisoned(block, size));
    assert_true(__asan_address_is_poisoned(block + size)); /* the rest of the class, or the next */
    size_t real = hf_heap_block_size(heap, block);
    assert_null(__asan_region_is_poisoned(block, real));
    hf_heap_give(heap, block);
    assert_true(__asan_address_is_poisoned(block));
    assert_true(__asan_address_is_poisoned(block + real - 1));
}

static void only_lent_bytes_are_open(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(REGION);
    uint8_t *start = (uint8_t *)heap;
    assert_true(__asan_address_is_poisoned(start + REGION - 1));
    for (size_t size = 1; size <= 300000; size += size / 3 + 1) {
        check_size(heap, size);
        check_size(heap, size); /* from a slab that was used before */
    }
    hf_heap_close(heap);
    assert_null(__asan_region_is_poisoned(start, REGION));
    free(start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_lent_bytes_are_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 77;
}

#endif
