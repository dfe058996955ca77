/* Claim: a ring gives back what it took in the order it took it, across the wrap of its memory and
 * of its counters, and says when it is full. */
#include "engine/base/ring.h"
#include "tests/unit/base/base_test.h"

typedef struct item {
    uint64_t number;
    uint8_t more[5];
} item;

static void wraps_and_refuses(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    hf_ring ring;
    assert_int_equal(hf_ring_open(&ring, heap, 5, sizeof(item)), HF_OK);
    assert_int_equal(hf_ring_capacity(&ring), 8);
    ring.head = ring.tail = UINT32_MAX - 10; /* the counters will wrap on the way */
    uint64_t pushed = 0;
    uint64_t popped = 0;
    item got;
    for (uint32_t round = 0; round < 40; round++) {
        for (uint32_t i = 0; i <= round % 9; i++) {
            item in = { .number = pushed };
            bool full = pushed - popped == 8;
            assert_int_equal(hf_ring_full(&ring), full);
            assert_int_equal(hf_ring_push(&ring, &in), !full);
            pushed += !full;
        }
        assert_int_equal(hf_ring_count(&ring), pushed - popped);
        for (uint32_t i = 0; i < hf_ring_count(&ring); i++) {
            assert_int_equal(((item *)hf_ring_at(&ring, i))->number, popped + i);
        }
        for (uint32_t i = 0; i <= round % 5 && popped != pushed; i++) {
            assert_int_equal(((item *)hf_ring_front(&ring))->number, popped);
            assert_true(hf_ring_pop(&ring, &got));
            assert_int_equal(got.number, popped);
            popped++;
        }
    }
    while (!hf_ring_empty(&ring)) {
        hf_ring_drop(&ring);
    }
    assert_false(hf_ring_pop(&ring, &got));
    assert_null(hf_ring_front(&ring));
    item *place = hf_ring_claim(&ring);
    place->number = 77;
    assert_int_equal(((item *)hf_ring_front(&ring))->number, 77);
    hf_ring_close(&ring);
    test_heap_close(heap);
}

static void beyond_count(void *ring)
{
    (void)hf_ring_at(ring, 1);
}

static void drop_from_empty(void *ring)
{
    hf_ring_drop(ring);
}

static void full_heap_and_bugs(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    hf_ring ring;
    assert_int_equal(hf_ring_open(&ring, heap, UINT32_C(1) << 31, UINT32_MAX), HF_E_NOMEM);
    hf_ring_close(&ring);
    assert_int_equal(hf_ring_open(&ring, heap, 1, sizeof(uint64_t)), HF_OK);
    assert_int_equal(hf_ring_capacity(&ring), 1);
    assert_true(test_stops(drop_from_empty, &ring));
    uint64_t number = 5;
    assert_true(hf_ring_push(&ring, &number));
    assert_false(hf_ring_push(&ring, &number));
    assert_null(hf_ring_claim(&ring));
    assert_true(test_stops(beyond_count, &ring));
    hf_ring_close(&ring);
    test_heap_close(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wraps_and_refuses),
        cmocka_unit_test(full_heap_and_bugs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
