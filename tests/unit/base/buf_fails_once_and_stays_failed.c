/* Claim: a buffer grows until the heap is full at any step; then it keeps what it had, ignores what
 * comes, says so, and can be used again after reset. */
#include "engine/base/buf.h"
#include "tests/unit/base/base_test.h"

static void contents_survive_growth(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    hf_buf buf;
    hf_buf_open(&buf, heap);
    for (uint32_t i = 0; i < 20000; i++) {
        hf_buf_u32(&buf, i);
    }
    assert_false(buf.failed);
    hf_reader r = hf_reader_of(hf_buf_view(&buf));
    for (uint32_t i = 0; i < 20000; i++) {
        assert_int_equal(hf_read_u32(&r), i);
    }
    assert_int_equal(hf_reader_left(&r), 0);
    hf_buf_close(&buf);
    test_heap_close(heap);
}

/* Refuses the first, the second ... growth. */
static void heap_full_at_each_growth(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    for (uint64_t fail = 1; fail <= 8; fail++) {
        hf_buf buf;
        hf_buf_open(&buf, heap);
        hf_heap_fail_at(heap, fail);
        uint32_t written = 0;
        while (!buf.failed) {
            hf_buf_u32(&buf, written);
            written += !buf.failed;
        }
        assert_int_equal(buf.size, written * 4);
        assert_int_equal(buf.size, fail == 1 ? 0 : 64U << (fail - 2));
        hf_buf_u8(&buf, 1); /* would fit into no other buffer either: failed is sticky */
        assert_null(hf_buf_extend(&buf, 1));
        assert_false(hf_buf_reserve(&buf, 0));
        assert_int_equal(buf.size, written * 4);
        hf_reader r = hf_reader_of(hf_buf_view(&buf));
        for (uint32_t i = 0; i < written; i++) {
            assert_int_equal(hf_read_u32(&r), i);
        }
        hf_buf_reset(&buf);
        hf_buf_bytes(&buf, HF_LIT("again"));
        assert_false(buf.failed);
        assert_int_equal(buf.size, 9);
        hf_buf_close(&buf);
    }
    test_heap_close(heap);
}

static void room_left_is_no_excuse(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    hf_buf buf;
    hf_buf_open(&buf, heap);
    hf_buf_u8(&buf, 1);
    hf_heap_fail_at(heap, 1);
    assert_false(hf_buf_reserve(&buf, UINT32_MAX)); /* beyond what a size can say */
    assert_null(hf_heap_take(heap, 1));             /* so the heap was not even asked */
    hf_buf_u8(&buf, 2);                             /* would fit, but something before is missing */
    assert_int_equal(buf.size, 1);
    hf_buf_close(&buf);
    test_heap_close(heap);
}

static void memory_is_kept_until_trimmed(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    hf_buf buf;
    hf_buf_open(&buf, heap);
    assert_non_null(hf_buf_extend(&buf, 5000));
    uint8_t *data = buf.data;
    hf_buf_reset(&buf);
    hf_buf_trim(&buf, 8192);
    assert_non_null(hf_buf_extend(&buf, 5000));
    assert_ptr_equal(buf.data, data);
    hf_buf_trim(&buf, 4096);
    assert_int_equal(buf.capacity, 0);
    assert_int_equal(hf_heap_used(heap), 0);
    hf_buf_u16(&buf, 7);
    assert_int_equal(buf.size, 2);
    hf_buf_close(&buf);
    hf_buf_close(&buf);
    test_heap_close(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_survive_growth),
        cmocka_unit_test(heap_full_at_each_growth),
        cmocka_unit_test(room_left_is_no_excuse),
        cmocka_unit_test(memory_is_kept_until_trimmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
