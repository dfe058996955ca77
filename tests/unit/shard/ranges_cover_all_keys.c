/* The range map: every key has one owner, the higher generation wins, and the map survives its
 * encoding. */
#include "engine/base/prng.h"
#include "engine/shard/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { REGION = 4 << 20 };

typedef struct fixture {
    void *region;
    hf_heap *heap;
    hf_range_map map;
} fixture;

static int open_map(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->region = aligned_alloc(65536, REGION);
    f->heap = hf_heap_open(f->region, REGION);
    assert_true(hf_range_map_open(&f->map, f->heap));
    assert_int_equal(hf_range_put(&f->map, HF_LIT(""), 1, 1, 0), HF_OK);
    *state = f;
    return 0;
}

static int close_map(void **state)
{
    fixture *f = *state;
    hf_range_map_clear(&f->map);
    hf_heap_close(f->heap);
    free(f->region);
    free(f);
    return 0;
}

static uint16_t owner(const fixture *f, const char *key)
{
    return f->map.ranges[hf_range_find(&f->map, hf_bytes_of(key, strlen(key)))].shard;
}

static void one_range_holds_every_key(void **state)
{
    fixture *f = *state;
    assert_int_equal(owner(f, ""), 0);
    assert_int_equal(owner(f, "\xff\xff"), 0);
    assert_int_equal(hf_range_end(&f->map, 0).size, 0);
}

static void a_range_begins_at_its_start_and_ends_before_the_next(void **state)
{
    fixture *f = *state;
    assert_int_equal(hf_range_put(&f->map, HF_LIT("m"), 2, 2, 1), HF_OK);
    assert_int_equal(hf_range_put(&f->map, HF_LIT("t"), 3, 2, 2), HF_OK);
    assert_int_equal(owner(f, "lzz"), 0);
    assert_int_equal(owner(f, "m"), 1);
    assert_int_equal(owner(f, "szz"), 1);
    assert_int_equal(owner(f, "t"), 2);
    assert_int_equal(owner(f, "zzzz"), 2);
    hf_bytes end = hf_range_end(&f->map, 1);
    assert_true(hf_bytes_equal(end, HF_LIT("t")));
}

/* Few letters and many lengths, zeros among them: what is compared first, the first bytes as
 * numbers, tells many of them not apart. */
static hf_bytes some_key(hf_prng *prng, uint8_t at[24])
{
    static const uint8_t letters[] = { 0, 0, 1, 'a', 255 };
    uint32_t size = 1 + (uint32_t)hf_prng_below(prng, 20);
    for (uint32_t i = 0; i < size; i++) {
        at[i] = i < 14 ? 1 : letters[hf_prng_below(prng, sizeof letters)];
    }
    return hf_bytes_of(at, size);
}

static void a_range_is_found_in_every_way(void **state)
{
    fixture *f = *state;
    hf_prng prng = hf_prng_of(7);
    uint8_t at[24];
    for (uint16_t i = 0; i < 40; i++) {
        hf_bytes start = some_key(&prng, at);
        assert_int_equal(hf_range_put(&f->map, start, 2u + i, 1, i), HF_OK);
    }
    for (uint32_t i = 0; i < 20000; i++) {
        hf_bytes key = some_key(&prng, at);
        uint32_t right = 0;
        while (right + 1 < f->map.count &&
               hf_bytes_compare(f->map.ranges[right + 1].start, key) <= 0) {
            right++;
        }
        hf_bytes user = hf_bytes_of(key.data + 1, key.size - 1);
        uint32_t guess = (uint32_t)hf_prng_below(&prng, f->map.count + 2);
        assert_int_equal(hf_range_find(&f->map, key), right);
        assert_int_equal(hf_range_find_user(&f->map, key.data[0], user), right);
        assert_int_equal(hf_range_find_near(&f->map, key, guess), right);
        assert_int_equal(hf_range_find_near(&f->map, key, right), right);
    }
}

static void the_higher_generation_wins_in_any_order(void **state)
{
    fixture *f = *state;
    assert_int_equal(hf_range_put(&f->map, HF_LIT("m"), 2, 5, 1), HF_OK);
    assert_int_equal(hf_range_put(&f->map, HF_LIT("m"), 2, 4, 2), HF_OK);
    assert_int_equal(owner(f, "m"), 1);
    assert_int_equal(hf_range_put(&f->map, HF_LIT("m"), 2, 6, 3), HF_OK);
    assert_int_equal(owner(f, "m"), 3);
    assert_int_equal(f->map.count, 2);
}

static void a_map_survives_its_encoding(void **state)
{
    fixture *f = *state;
    for (uint16_t i = 0; i < 100; i++) {
        char start[8];
        snprintf(start, sizeof start, "k%03u", i * 7u % 100);
        assert_int_equal(
            hf_range_put(&f->map, hf_bytes_of(start, 4), 10u + i, 1u + i, (uint16_t)(i % 4)),
            HF_OK);
    }
    hf_buf out;
    hf_buf_open(&out, f->heap);
    hf_range_encode(&f->map, &out);
    hf_range_map copy;
    assert_true(hf_range_map_open(&copy, f->heap));
    hf_reader r = hf_reader_of(hf_buf_view(&out));
    assert_int_equal(hf_range_merge(&copy, &r), HF_OK);
    assert_int_equal(copy.count, f->map.count);
    for (uint32_t i = 0; i < copy.count; i++) {
        assert_true(hf_bytes_equal(copy.ranges[i].start, f->map.ranges[i].start));
        assert_int_equal(copy.ranges[i].shard, f->map.ranges[i].shard);
        assert_int_equal(copy.ranges[i].generation, f->map.ranges[i].generation);
    }
    hf_range_map_clear(&copy);
    hf_buf_close(&out);
}

static void a_map_cut_short_is_damage(void **state)
{
    fixture *f = *state;
    assert_int_equal(hf_range_put(&f->map, HF_LIT("m"), 2, 2, 1), HF_OK);
    hf_buf out;
    hf_buf_open(&out, f->heap);
    hf_range_encode(&f->map, &out);
    for (uint32_t size = 0; size < out.size; size++) {
        hf_range_map copy;
        assert_true(hf_range_map_open(&copy, f->heap));
        hf_reader r = hf_reader_of(hf_bytes_of(out.data, size));
        assert_int_equal(hf_range_merge(&copy, &r), HF_E_CORRUPT);
        hf_range_map_clear(&copy);
        hf_heap_give(f->heap, copy.ranges);
    }
    hf_buf_close(&out);
}

static void too_many_ranges_are_refused(void **state)
{
    fixture *f = *state;
    for (uint32_t i = 1; i < HF_RANGES_MAX; i++) {
        char start[12];
        int size = snprintf(start, sizeof start, "%06u", i);
        assert_int_equal(hf_range_put(&f->map, hf_bytes_of(start, (size_t)size), i, 1, 0), HF_OK);
    }
    assert_int_equal(hf_range_put(&f->map, HF_LIT("zz"), 1, 1, 0), HF_E_FULL);
    assert_int_equal(f->map.count, HF_RANGES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_range_holds_every_key, open_map, close_map),
        cmocka_unit_test_setup_teardown(a_range_begins_at_its_start_and_ends_before_the_next,
                                        open_map, close_map),
        cmocka_unit_test_setup_teardown(a_range_is_found_in_every_way, open_map, close_map),
        cmocka_unit_test_setup_teardown(the_higher_generation_wins_in_any_order, open_map,
                                        close_map),
        cmocka_unit_test_setup_teardown(a_map_survives_its_encoding, open_map, close_map),
        cmocka_unit_test_setup_teardown(a_map_cut_short_is_damage, open_map, close_map),
        cmocka_unit_test_setup_teardown(too_many_ranges_are_refused, open_map, close_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
