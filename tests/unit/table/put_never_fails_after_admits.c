/* Small heaps, filled until the table admits no more: every put between is good for its memory, or
 * it would stop the process. */
#include "tests/unit/table/support.h"

enum { VALUE_MOST = 300000, BALLAST_MOST = 512, BALLAST_SIZE = 64 * 1024 };

static uint8_t bytes[VALUE_MOST];

typedef struct shape {
    uint32_t keys;
    uint32_t key_most;
    uint32_t value_most;
    uint32_t batch;
    bool rising;
    bool records;
} shape;

static void put_one(hf_prng *p, hf_buf *out, const shape *s, uint64_t n)
{
    uint8_t key[HF_KEY_SIZE_MAX + 1];
    uint32_t pad = s->key_most > 8 ? (uint32_t)hf_prng_below(p, s->key_most - 8) : 0;
    memset(key, 'k', pad);
    uint64_t name = __builtin_bswap64(s->rising ? n : hf_prng_below(p, s->keys));
    memcpy(key + pad, &name, sizeof name);
    hf_bytes k = hf_bytes_of(key, pad + 8);
    hf_value v = string_value(hf_bytes_of(bytes, hf_prng_below(p, s->value_most + 1U)));
    v.expire_ms = hf_prng_chance(p, 1, 3) ? hf_prng_below(p, 100000) : 0;
    if (s->records) {
        char field[8];
        hf_bytes f = hf_bytes_of(field, (size_t)snprintf(field, 8, "%u", (unsigned)n % 7));
        hf_field change = { f, v.bytes, hf_prng_chance(p, 1, 9) };
        hf_mutation_fields(out, k, &change, 1);
    } else if (hf_prng_chance(p, 1, 10)) {
        hf_mutation_delete(out, k);
    } else {
        hf_mutation_put(out, k, &v);
    }
}

typedef struct ballast {
    void *blocks[BALLAST_MOST];
    uint32_t count;
} ballast;

/* Takes all that is free, and gives every other piece of it back until `size` bytes are admitted.
 */
static void weigh_down(ballast *b, home *h, uint64_t size)
{
    while (b->count < BALLAST_MOST &&
           (b->blocks[b->count] = hf_heap_take(h->heap, BALLAST_SIZE)) != NULL) {
        b->count++;
    }
    assert_true(b->count < BALLAST_MOST);
    for (uint32_t start = 0; start < 2; start++) {
        for (uint32_t i = start; i < b->count && !hf_table_admits(h->table, size); i += 2) {
            hf_heap_give(h->heap, b->blocks[i]);
            b->blocks[i] = NULL;
        }
    }
}

static void throw_off(ballast *b, home *h)
{
    for (uint32_t i = 0; i < b->count; i++) {
        hf_heap_give(h->heap, b->blocks[i]);
    }
}

static void fill(const shape *s, size_t heap_size, uint64_t seed)
{
    home h = home_open(heap_size);
    hf_prng p = hf_prng_of(seed);
    hf_buf out;
    hf_buf scratch;
    size_t side_size = (size_t)16 << 20;
    void *side_region = aligned_alloc(64 * 1024, side_size);
    hf_heap *side = hf_heap_open(side_region, side_size);
    hf_buf_open(&out, side);
    hf_buf_open(&scratch, side);
    uint64_t ts = 10 * TICK;
    uint64_t n = 0;
    int refused = 0;
    for (int round = 0; round < 100000 && refused < 12; round++) {
        hf_buf_reset(&out);
        for (uint32_t i = 0; i < s->batch; i++) {
            put_one(&p, &out, s, n++);
        }
        ts += hf_prng_below(&p, 2) * TICK;
        ballast held = { .count = 0 };
        if (round % 16 == 0) {
            weigh_down(&held, &h, out.size);
        }
        assert_true(out.size > HF_TABLE_FEW_BYTES || !hf_table_admits_few(h.table, out.size) ||
                    hf_table_admits(h.table, out.size));
        if (!hf_table_admits(h.table, out.size)) {
            refused++;
            throw_off(&held, &h);
            hf_table_collect(h.table, ts - 5 * TICK, 100000);
            continue;
        }
        hf_reader r = hf_reader_of(hf_buf_view(&out));
        hf_mutation m;
        while (hf_mutation_next(&r, &m)) {
            hf_mutation_apply(h.table, &m, ts, ts, &scratch);
        }
        assert_false(r.bad);
        throw_off(&held, &h);
    }
    assert_true(refused != 0);
    /* Not by refusing from the start. */
    assert_true(hf_heap_used(h.heap) > hf_heap_capacity(h.heap) / 4);
    hf_table_check(h.table);
    hf_heap_close(side);
    free(side_region);
    home_close(&h);
}

/* Deleting all keys takes a block for each old value, and no more: a node that is a third full can.
 */
static void all_keys_can_be_deleted(void **state)
{
    (void)state;
    home h = home_open(64 << 20);
    hf_buf out;
    hf_buf scratch;
    size_t side_size = (size_t)32 << 20;
    void *side_region = aligned_alloc(64 * 1024, side_size);
    hf_heap *side = hf_heap_open(side_region, side_size);
    hf_buf_open(&out, side);
    hf_buf_open(&scratch, side);
    uint64_t n = 0;
    for (; hf_heap_used(h.heap) < hf_heap_capacity(h.heap) * 35 / 100; n++) {
        hf_value v = string_value(hf_bytes_of(bytes, 1 + n % 192));
        hf_table_put(h.table, hf_bytes_of(&n, sizeof n), &v, 10 * TICK, 10 * TICK);
        hf_mutation_delete(&out, hf_bytes_of(&n, sizeof n));
    }
    hf_table_need need = hf_mutations_cost(h.table, hf_buf_view(&out));
    assert_int_equal(need.deletes, n);
    assert_int_equal(need.changes, n);
    ballast held = { .count = 0 };
    while (held.count < BALLAST_MOST && hf_table_admits_exactly(h.table, out.size, &need)) {
        held.blocks[held.count++] = hf_heap_take(h.heap, BALLAST_SIZE);
    }
    assert_true(held.count > 0 && held.count < BALLAST_MOST);
    hf_heap_give(h.heap, held.blocks[--held.count]); /* just enough */
    assert_true(hf_table_admits_exactly(h.table, out.size, &need));
    hf_reader r = hf_reader_of(hf_buf_view(&out));
    hf_mutation m;
    while (hf_mutation_next(&r, &m)) {
        hf_mutation_apply(h.table, &m, 20 * TICK, 20 * TICK, &scratch);
    }
    hf_table_check(h.table);
    throw_off(&held, &h);
    hf_heap_close(side);
    free(side_region);
    home_close(&h);
}

static void small_values(void **state)
{
    (void)state;
    fill(&(shape){ 1000000, 8, 100, 1, false, false }, 8 << 20, 1);
    fill(&(shape){ 1000000, 8, 100, 200, false, false }, 24 << 20, 2);
}

static void tiny_keys_in_order_then_not(void **state)
{
    (void)state;
    fill(&(shape){ 1, 8, 0, 1, true, false }, 6 << 20, 3);
    fill(&(shape){ 1000000, 8, 0, 50, false, false }, 16 << 20, 4);
}

static void keys_and_values_of_every_size(void **state)
{
    (void)state;
    fill(&(shape){ 3000, HF_KEY_SIZE_MAX, 40000, 1, false, false }, 16 << 20, 5);
    fill(&(shape){ 300, 64, VALUE_MOST, 1, false, false }, 24 << 20, 6);
    fill(&(shape){ 3000, 1000, 3000, 30, false, false }, 16 << 20, 7);
}

static void records_that_grow(void **state)
{
    (void)state;
    fill(&(shape){ 200, 64, 20000, 1, false, true }, 24 << 20, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys_can_be_deleted),
        cmocka_unit_test(small_values),
        cmocka_unit_test(tiny_keys_in_order_then_not),
        cmocka_unit_test(keys_and_values_of_every_size),
        cmocka_unit_test(records_that_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
