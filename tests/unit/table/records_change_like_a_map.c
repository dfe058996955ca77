/* Fields set and removed at random, against a plain array; and blocks that are not records. */
#include "tests/unit/table/support.h"

enum { NAMES = 40, CHANGES = 12 };

typedef struct plain {
    bool there[NAMES];
    uint32_t number[NAMES];
} plain;

static char names[NAMES][4];

static void make_names(void)
{
    for (unsigned i = 0; i < NAMES; i++) {
        if (i != 0) { /* the first has no name: that is legal, too */
            snprintf(names[i], sizeof names[i], "%02u", i);
        } /* ascending */
    }
}

static void assert_same(hf_bytes block, const plain *wanted)
{
    assert_true(hf_record_valid(block));
    uint32_t at = 0;
    for (uint32_t i = 0; i < NAMES; i++) {
        hf_bytes name;
        hf_bytes value;
        uint32_t index;
        assert_int_equal(hf_record_find(block, text(names[i]), &value, &index), wanted->there[i]);
        if (wanted->there[i]) {
            char number[16];
            snprintf(number, sizeof number, "%u", wanted->number[i]);
            assert_int_equal(index, at);
            assert_true(hf_bytes_equal(value, text(number)));
            hf_record_at(block, at++, &name, &value);
            assert_true(hf_bytes_equal(name, text(names[i])));
            assert_true(hf_bytes_equal(value, text(number)));
        }
    }
    assert_int_equal(hf_record_count(block), at);
}

static void random_changes(void **state)
{
    (void)state;
    make_names();
    size_t size = 1 << 20;
    void *region = aligned_alloc(64 * 1024, size);
    hf_heap *heap = hf_heap_open(region, size);
    hf_prng p = hf_prng_of(3);
    hf_buf out;
    hf_buf_open(&out, heap);
    plain wanted = { 0 };
    hf_bytes block = hf_bytes_of(NULL, 0);
    for (int round = 0; round < 5000; round++) {
        hf_field changes[CHANGES];
        char numbers[CHANGES][16];
        uint32_t count = (uint32_t)hf_prng_below(&p, CHANGES + 1);
        bool remove_more = round % 100 > 70;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t n = (uint32_t)hf_prng_below(&p, NAMES);
            wanted.there[n] = !hf_prng_chance(&p, remove_more ? 9 : 3, 10);
            wanted.number[n] = (uint32_t)hf_prng_below(&p, 100000);
            snprintf(numbers[i], sizeof numbers[i], "%u", wanted.number[n]);
            changes[i] = (hf_field){ text(names[n]), text(numbers[i]), !wanted.there[n] };
        }
        /* The block lies in the buffer that grows; from time to time it begins anew. */
        uint32_t fields;
        uint32_t at = out.size;
        assert_int_equal(hf_record_change(block, changes, count, &out, &fields), HF_OK);
        block = hf_bytes_of(out.size == at ? NULL : out.data + at, out.size - at);
        assert_int_equal(hf_record_count(block), fields);
        assert_same(block, &wanted);
        if (out.size > 60000) {
            memmove(out.data, block.data, block.size);
            out.size = block.size;
            block.data = out.data;
        }
    }
    hf_buf_close(&out);
    hf_heap_close(heap);
    free(region);
}

static hf_bytes small_record(hf_buf *out)
{
    hf_field fields[] = { { text("ab"), text("1"), false }, { text("b"), text("22"), false } };
    uint32_t count;
    hf_buf_reset(out);
    assert_int_equal(hf_record_change(hf_bytes_of(NULL, 0), fields, 2, out, &count), HF_OK);
    return hf_buf_view(out);
}

static void damage_is_seen(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    void *region = aligned_alloc(64 * 1024, size);
    hf_heap *heap = hf_heap_open(region, size);
    hf_buf out;
    hf_buf_open(&out, heap);
    hf_bytes whole = small_record(&out);
    assert_true(hf_record_valid(whole));
    assert_true(hf_record_valid(hf_bytes_of(NULL, 0)));
    for (uint32_t cut = 1; cut < whole.size; cut++) {
        assert_false(hf_record_valid(hf_bytes_of(whole.data, cut)));
    }
    for (uint32_t at = 0; at < whole.size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            uint8_t copy[64];
            memcpy(copy, whole.data, whole.size);
            copy[at] ^= (uint8_t)(1 << bit);
            bool contents = at >= 20; /* behind the head, two offsets and the first sizes */
            if (!contents) {
                assert_false(hf_record_valid(hf_bytes_of(copy, whole.size)));
            }
        }
    }
    uint8_t swapped[64];
    memcpy(swapped, whole.data, whole.size);
    swapped[20] = 'c'; /* "cb" is not before "b" */
    assert_false(hf_record_valid(hf_bytes_of(swapped, whole.size)));
    hf_heap_close(heap);
    free(region);
}

static void a_block_that_grows_too_big_is_refused(void **state)
{
    (void)state;
    size_t size = 64 << 20;
    void *region = aligned_alloc(64 * 1024, size);
    hf_heap *heap = hf_heap_open(region, size);
    hf_buf out;
    hf_buf_open(&out, heap);
    hf_bytes before = small_record(&out);
    uint8_t *large = calloc(1, HF_VALUE_SIZE_MAX);
    hf_field field = { text("x"), hf_bytes_of(large, HF_VALUE_SIZE_MAX - before.size - 13), false };
    uint32_t count;
    uint32_t at = out.size;
    assert_int_equal(hf_record_change(before, &field, 1, &out, &count), HF_OK);
    assert_int_equal(out.size - at, HF_VALUE_SIZE_MAX);
    out.size = at;
    before.data = out.data;
    field.value.size++;
    assert_int_equal(hf_record_change(before, &field, 1, &out, &count), HF_E_TOOBIG);
    assert_int_equal(out.size, at);
    free(large);
    hf_heap_close(heap);
    free(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(a_block_that_grows_too_big_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
