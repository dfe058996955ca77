/* Claim: under random takes and gives no two lent blocks overlap, contents stay, the counters tell
 * the truth, and when all is given back the whole region is one free run again. */
#include "engine/base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SLOTS = 3000, STEPS = 120000, REGION = 24 << 20 };

typedef struct slot {
    uint8_t *at;
    size_t size;
    uint8_t mark;
} slot;

static slot slots[SLOTS];
static uint64_t state;

static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t draw_size(void)
{
    switch (draw() % 16) {
    case 0:
        return draw() % (512 * 1024);
    case 1:
    case 2:
        return draw() % 40000;
    default:
        return draw() % 700;
    }
}

static int by_address(const void *a, const void *b)
{
    const slot *x = a;
    const slot *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* The model: the lent blocks, sorted; neighbours may not overlap. */
static void check_apart(hf_heap *heap)
{
    static slot sorted[SLOTS];
    size_t count = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].at != NULL) {
            sorted[count++] = slots[i];
        }
    }
    qsort(sorted, count, sizeof sorted[0], by_address);
    for (size_t i = 0; i < count; i++) {
        size_t real = hf_heap_block_size(heap, sorted[i].at);
        assert_true(real >= sorted[i].size);
        assert_true(i + 1 == count || sorted[i].at + real <= sorted[i + 1].at);
    }
}

static void fill(slot *s)
{
    s->mark = (uint8_t)draw();
    memset(s->at, s->mark, s->size);
}

static void give(hf_heap *heap, slot *s)
{
    for (size_t i = 0; i < s->size; i++) {
        assert_int_equal(s->at[i], s->mark);
    }
    hf_heap_give(heap, s->at);
    s->at = NULL;
}

static void random_churn(uint64_t seed, unsigned take_percent)
{
    uint8_t *region = aligned_alloc(1 << 16, REGION);
    assert_non_null(region);
    hf_heap *heap = hf_heap_open(region, REGION);
    size_t refused = 0;
    state = seed;
    for (int step = 0; step < STEPS; step++) {
        slot *s = &slots[draw() % SLOTS];
        if (s->at != NULL) {
            if (draw() % 100 >= take_percent) {
                give(heap, s);
            }
            continue;
        }
        s->size = draw_size();
        bool fits = hf_heap_fits(heap, s->size);
        s->at = hf_heap_take(heap, s->size);
        if (s->at == NULL) {
            assert_false(fits);
            refused++;
            continue;
        }
        assert_int_equal((uintptr_t)s->at % 16, 0);
        assert_true(s->at >= region && s->at + s->size <= region + REGION);
        fill(s);
        assert_int_equal(hf_heap_used(heap) + hf_heap_free(heap), hf_heap_capacity(heap));
        if (step % 4096 == 0) {
            hf_heap_check(heap);
            check_apart(heap);
        }
    }
    assert_true(refused > 0);
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].at != NULL) {
            give(heap, &slots[i]);
        }
    }
    hf_heap_check(heap);
    assert_int_equal(hf_heap_used(heap), 0);
    assert_true(hf_heap_fits(heap, hf_heap_capacity(heap)));
    void *all = hf_heap_take(heap, hf_heap_capacity(heap));
    assert_non_null(all);
    hf_heap_give(heap, all);
    hf_heap_close(heap);
    free(region);
}

static void half_full(void **unused)
{
    (void)unused;
    random_churn(1, 40);
}

static void nearly_always_full(void **unused)
{
    (void)unused;
    random_churn(2, 85);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_full),
        cmocka_unit_test(nearly_always_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
