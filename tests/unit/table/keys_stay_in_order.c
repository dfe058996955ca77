/* Many keys, put and dropped in all orders: the tree grows, merges and empties. */
#include "tests/unit/table/support.h"

enum { COUNT = 30000 };

static hf_bytes name_of(char *name, size_t size, uint32_t n)
{
    return hf_bytes_of(name, (size_t)snprintf(name, size, " account:%08u:%s", n * 7919 % 1000003,
                                              n % 5 == 0 ? "with a tail" : ""));
}

static void put_all(hf_table *table, const uint32_t *order)
{
    char name[64];
    for (uint32_t i = 0; i < COUNT; i++) {
        hf_value v = int_value(order[i]);
        hf_table_put(table, name_of(name, sizeof name, order[i]), &v, TICK, 1);
    }
}

static void assert_walk(const hf_table *table, uint32_t wanted)
{
    hf_cursor c;
    uint32_t count = 0;
    uint8_t last[64];
    hf_bytes before = hf_bytes_of(last, 0);
    for (bool more = hf_table_seek(table, text(""), &c); more; more = hf_table_next(table, &c)) {
        assert_true(hf_bytes_compare(before, c.key) < 0);
        memcpy(last, c.key.data, c.key.size);
        before.size = c.key.size;
        count++;
    }
    assert_int_equal(count, wanted);
    for (bool more = hf_table_seek_before(table, text(""), &c); more;
         more = hf_table_prev(table, &c)) {
        assert_true(hf_bytes_compare(c.key, before) <= 0);
        memcpy(last, c.key.data, c.key.size);
        before.size = c.key.size;
        count--;
    }
    assert_int_equal(count, 0);
}

static void drop_one(hf_table *table, uint32_t n)
{
    char name[64];
    char after[64];
    hf_bytes from = name_of(name, sizeof name, n);
    memcpy(after, name, from.size);
    after[from.size] = '\0';
    assert_true(hf_table_drop(table, from, hf_bytes_of(after, from.size + 1), 2));
    assert_int_equal(hf_table_get(table, from, HF_TS_MAX).ts, 0);
}

static void run(int kind, uint64_t seed)
{
    home h = home_open(16 << 20);
    hf_prng p = hf_prng_of(seed);
    static uint32_t order[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        order[i] = kind == 1 ? COUNT - 1 - i : i;
    }
    for (uint32_t i = COUNT; kind == 2 && i-- > 1;) {
        uint32_t j = (uint32_t)hf_prng_below(&p, i + 1);
        uint32_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    put_all(h.table, order);
    hf_table_check(h.table);
    assert_walk(h.table, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        drop_one(h.table, order[kind == 2 ? COUNT - 1 - i : i]);
        if (i % 6000 == 0) {
            hf_table_check(h.table);
            assert_walk(h.table, COUNT - 1 - i);
        }
    }
    hf_table_check(h.table);
    assert_walk(h.table, 0);
    put_all(h.table, order);
    assert_walk(h.table, COUNT);
    home_close(&h);
}

static void rising(void **state)
{
    (void)state;
    run(0, 1);
}
static void falling(void **state)
{
    (void)state;
    run(1, 2);
}
static void in_no_order(void **state)
{
    (void)state;
    run(2, 3);
}

/* Rising keys fill their leaves: 16 bytes of tree a key, and not twice as much. */
static void rising_keys_waste_nothing(void **state)
{
    (void)state;
    home h = home_open(16 << 20);
    char name[16];
    for (uint32_t n = 0; n < COUNT; n++) {
        hf_value v = int_value(n);
        hf_bytes key = hf_bytes_of(name, (size_t)snprintf(name, sizeof name, "%08u", n));
        hf_table_put(h.table, key, &v, TICK, 1);
    }
    /* An entry is 88 bytes, in blocks of 96; the hash is 8 kB for 400 to 1,000 keys. */
    assert_true(hf_heap_used(h.heap) < (size_t)COUNT * (96 + 18 + 21));
    home_close(&h);
}

static void a_pick_is_any_key(void **state)
{
    (void)state;
    home h = home_open(16 << 20);
    hf_prng p = hf_prng_of(5);
    hf_cursor c;
    assert_false(hf_table_pick(h.table, 1, &c));
    static uint32_t picked[1000];
    for (uint32_t n = 0; n < 1000; n++) {
        char name[16];
        hf_value v = int_value(n);
        hf_table_put(h.table, hf_bytes_of(name, (size_t)snprintf(name, sizeof name, "%u", n)), &v,
                     TICK, 1);
    }
    for (int i = 0; i < 20000; i++) {
        assert_true(hf_table_pick(h.table, hf_prng_next(&p), &c));
        picked[hf_table_at(h.table, &c, HF_TS_MAX).value.integer]++;
    }
    for (uint32_t n = 0; n < 1000; n++) {
        assert_true(picked[n] != 0);
    }
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rising),
        cmocka_unit_test(falling),
        cmocka_unit_test(in_no_order),
        cmocka_unit_test(rising_keys_waste_nothing),
        cmocka_unit_test(a_pick_is_any_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
