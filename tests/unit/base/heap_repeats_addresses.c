/* Claim: the same calls give the same offsets from the region's start, wherever it is and whatever
 * bytes it held before. */
#include "engine/base/prng.h"
#include "tests/unit/base/base_test.h"

enum { REGION = 4 << 20, SLOTS = 256, STEPS = 20000 };

static uint64_t offsets_of_a_run(uint8_t garbage)
{
    static void *slots[SLOTS];
    void *region = aligned_alloc(1 << 16, REGION);
    assert_non_null(region);
    memset(region, garbage, REGION);
    hf_heap *heap = hf_heap_open(region, REGION);
    hf_prng prng = hf_prng_of(7);
    uint64_t digest = 0;
    for (int i = 0; i < STEPS; i++) {
        void **slot = &slots[hf_prng_below(&prng, SLOTS)];
        if (*slot != NULL) {
            hf_heap_give(heap, *slot);
            *slot = NULL;
            continue;
        }
        size_t size = hf_prng_below(&prng, hf_prng_chance(&prng, 1, 10) ? 200000 : 3000);
        *slot = hf_heap_take(heap, size);
        uint64_t offset = *slot == NULL ? 0 : (uint64_t)((uint8_t *)*slot - (uint8_t *)region);
        digest = (digest ^ offset) * UINT64_C(0x100000001b3);
    }
    for (int i = 0; i < SLOTS; i++) {
        hf_heap_give(heap, slots[i]);
        slots[i] = NULL;
    }
    hf_heap_check(heap);
    hf_heap_close(heap);
    free(region);
    return digest;
}

static void same_calls_same_offsets(void **unused)
{
    (void)unused;
    void *elsewhere = malloc(12345); /* moves what malloc answers next */
    uint64_t first = offsets_of_a_run(0x5a);
    void *more = malloc(3 << 20);
    assert_int_equal(first, offsets_of_a_run(0xff));
    free(more);
    free(elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_calls_same_offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
