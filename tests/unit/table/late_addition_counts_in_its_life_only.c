/* An addition that is applied late, below newer versions: where it counts and where it does not. */
#include "tests/unit/table/support.h"

enum { LONG_TICK = 10 * TICK, BASE = 100 * LONG_TICK };

static void fold(hf_table *table, const char *key, const char *field, int64_t delta, uint64_t ts)
{
    hf_table_fold(table, text(key), text(field), delta, ts, ts);
}

static int64_t number_at(const hf_table *table, const char *key, uint64_t ts)
{
    hf_got got = hf_table_get(table, text(key), ts);
    assert_int_equal(got.value.kind, HF_KIND_INT);
    return got.value.integer;
}

static void between_two_boundaries_it_is_placed(void **state)
{
    (void)state;
    home h = home_open_tick(1 << 20, LONG_TICK);
    put_int(h.table, "k", 5, BASE);
    fold(h.table, "k", "", 10, BASE + 3 * LONG_TICK);
    fold(h.table, "k", "", 100, BASE + LONG_TICK + 7);
    assert_true(number_at(h.table, "k", BASE) == 5);
    assert_true(number_at(h.table, "k", BASE + LONG_TICK) == 5);
    assert_true(number_at(h.table, "k", BASE + 2 * LONG_TICK) == 105);
    assert_true(number_at(h.table, "k", HF_TS_MAX) == 115);
    assert_int_equal(hf_table_get(h.table, text("k"), BASE + 2 * LONG_TICK).ts,
                     BASE + LONG_TICK + 7);
    hf_table_check(h.table);
    home_close(&h);
}

static void where_no_reader_can_look_it_takes_no_version(void **state)
{
    (void)state;
    home h = home_open_tick(1 << 20, LONG_TICK);
    put_int(h.table, "k", 5, BASE);
    fold(h.table, "k", "", 10, BASE + LONG_TICK + 9);
    uint64_t versions = hf_table_stats_get(h.table).versions;
    fold(h.table, "k", "", 100, BASE + LONG_TICK + 7);
    assert_int_equal(hf_table_stats_get(h.table).versions, versions);
    assert_true(number_at(h.table, "k", BASE + LONG_TICK) == 5);
    assert_true(number_at(h.table, "k", HF_TS_MAX) == 115);
    hf_table_check(h.table);
    home_close(&h);
}

/* The key expires at +3 ms and lives again from +5 ms: what is added at +2 ms went with the first
 * life. */
static void before_an_expiry_it_does_not_reach_the_next_life(void **state)
{
    (void)state;
    home h = home_open_tick(1 << 20, LONG_TICK);
    hf_value v = int_value(5);
    v.expire_ms = BASE / 1000000 + 3;
    hf_table_put(h.table, text("k"), &v, BASE + TICK, 1);
    fold(h.table, "k", "", 10, BASE + 5 * TICK);
    fold(h.table, "k", "", 100, BASE + 2 * TICK);
    assert_true(number_at(h.table, "k", HF_TS_MAX) == 10);
    assert_int_equal(hf_table_get(h.table, text("k"), HF_TS_MAX).value.expire_ms, 0);
    fold(h.table, "k", "", 1000, BASE + 4 * TICK);
    assert_true(number_at(h.table, "k", HF_TS_MAX) == 1010);
    hf_table_check(h.table);
    home_close(&h);
}

static void below_records_it_rewrites_every_newer_block(void **state)
{
    (void)state;
    home h = home_open_tick(1 << 20, LONG_TICK);
    fold(h.table, "r", "a", 1, BASE);
    for (uint64_t i = 2; i < 6; i++) {
        fold(h.table, "r", i % 2 == 0 ? "a" : "b", 99, BASE + i * LONG_TICK);
    }
    fold(h.table, "r", "a", 1000000, BASE + LONG_TICK);
    static const char *wanted[] = { "1", "1000001", "1000100", "1000100", "1000199", "1000199" };
    for (uint64_t i = 0; i < 6; i++) {
        hf_got got = hf_table_get(h.table, text("r"), BASE + i * LONG_TICK);
        hf_bytes found;
        uint32_t at;
        assert_int_equal(got.value.kind, HF_KIND_RECORD);
        assert_true(hf_record_find(got.value.bytes, text("a"), &found, &at));
        assert_true(hf_bytes_equal(found, text(wanted[i])));
        assert_int_equal(hf_record_count(got.value.bytes), i < 3 ? 1 : 2);
    }
    hf_table_check(h.table);
    home_close(&h);
}

static void on_a_key_that_was_not_there_it_begins_it(void **state)
{
    (void)state;
    home h = home_open_tick(1 << 20, LONG_TICK);
    fold(h.table, "k", "", 10, BASE + 3 * LONG_TICK);
    fold(h.table, "k", "", 1, BASE + LONG_TICK);
    assert_int_equal(hf_table_get(h.table, text("k"), BASE).ts, 0);
    assert_true(number_at(h.table, "k", BASE + LONG_TICK) == 1);
    assert_true(number_at(h.table, "k", BASE + 3 * LONG_TICK) == 11);
    hf_table_check(h.table);
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(between_two_boundaries_it_is_placed),
        cmocka_unit_test(where_no_reader_can_look_it_takes_no_version),
        cmocka_unit_test(before_an_expiry_it_does_not_reach_the_next_life),
        cmocka_unit_test(below_records_it_rewrites_every_newer_block),
        cmocka_unit_test(on_a_key_that_was_not_there_it_begins_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
