/* Overwrites of one key where nobody can look between them: in place, whatever the value. */
#include "tests/unit/table/support.h"

static uint8_t bytes[5000];

/* Any allocation would be refused, and stop the process. */
static void overwrite(home *h, const hf_value *v)
{
    hf_table_put(h->table, text("k"), v, TICK + 1, 1);
    for (uint64_t i = 1; i < 1000; i++) {
        hf_heap_fail_at(h->heap, 1);
        hf_table_put(h->table, text("k"), v, TICK + i * 10, i);
    }
    hf_heap_fail_at(h->heap, 0);
    assert_int_equal(hf_table_stats_get(h->table).versions, 1);
    assert_value(hf_table_get(h->table, text("k"), HF_TS_MAX).value, *v);
    hf_table_check(h->table);
}

static void overwrites_of_a_string_an_integer_and_a_large_value(void **state)
{
    (void)state;
    for (uint32_t size = 0; size <= sizeof bytes; size += 500) {
        home h = home_open(1 << 20);
        hf_value v = string_value(hf_bytes_of(bytes, size));
        overwrite(&h, &v);
        home_close(&h);
    }
    home h = home_open(1 << 20);
    hf_value v = int_value(-5);
    overwrite(&h, &v);
    home_close(&h);
}

static void additions_fold(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    put_int(h.table, "k", 0, TICK + 1);
    for (uint64_t i = 1; i < 1000; i++) {
        hf_heap_fail_at(h.heap, 1);
        hf_table_fold(h.table, text("k"), text(""), 2, TICK + 1 + i, i);
    }
    hf_heap_fail_at(h.heap, 0);
    hf_got got = hf_table_get(h.table, text("k"), HF_TS_MAX);
    assert_true(got.value.integer == 1998);
    assert_int_equal(got.ts, TICK + 1000);
    assert_int_equal(hf_table_stats_get(h.table).versions, 1);
    home_close(&h);
}

static void one_version_is_kept_for_each_boundary_and_pin(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    hf_table_pin(h.table, 3 * TICK + 50);
    for (uint64_t ts = TICK; ts <= 10 * TICK; ts += TICK / 100) {
        put_int(h.table, "k", (int64_t)ts, ts);
    }
    assert_int_equal(hf_table_boundary(h.table, 3 * TICK + 60), 3 * TICK + 50);
    assert_int_equal(hf_table_boundary(h.table, 3 * TICK + 40), 3 * TICK);
    assert_true(hf_table_get(h.table, text("k"), 3 * TICK + 50).value.integer == 3 * TICK);
    for (uint64_t i = 1; i <= 10; i++) {
        assert_true(hf_table_get(h.table, text("k"), i * TICK).value.integer ==
                    (int64_t)(i * TICK));
    }
    assert_int_equal(hf_table_stats_get(h.table).versions, 10);
    assert_true(hf_table_collect(h.table, 9 * TICK, 1) != 0); /* the pin holds the floor */
    assert_int_equal(hf_table_floor(h.table), 3 * TICK + 50);
    assert_int_equal(hf_table_collect(h.table, 9 * TICK, 100), 0);
    assert_int_equal(hf_table_stats_get(h.table).versions, 8);
    hf_table_unpin(h.table, 3 * TICK + 50);
    assert_true(hf_table_collect(h.table, 9 * TICK, 3) != 0);
    assert_int_equal(hf_table_stats_get(h.table).versions, 5);
    assert_int_equal(hf_table_collect(h.table, 9 * TICK, 100), 0);
    assert_int_equal(hf_table_stats_get(h.table).versions, 2);
    hf_table_check(h.table);
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overwrites_of_a_string_an_integer_and_a_large_value),
        cmocka_unit_test(additions_fold),
        cmocka_unit_test(one_version_is_kept_for_each_boundary_and_pin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
