/* What the table is told of where a key was never changes what it answers. */
#include "tests/unit/table/support.h"

static int64_t number_of(const home *h, const char *key)
{
    hf_got got = hf_table_get(h->table, text(key), HF_TS_MAX);
    return got.value.kind == HF_KIND_INT ? got.value.integer : 0;
}

static hf_table_place place_of(const home *h, const char *key)
{
    assert_int_not_equal(number_of(h, key), 0);
    return hf_table_last_found(h->table);
}

static void any_key_may_come_next(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    put_int(h.table, "a", 1, TICK);
    put_int(h.table, "b", 2, TICK);
    hf_table_place a = place_of(&h, "a");
    hf_table_place b = place_of(&h, "b");
    assert_ptr_not_equal(a.entry, b.entry);
    hf_table_look_at(h.table, a);
    assert_int_equal(number_of(&h, "b"), 2);
    hf_table_look_at(h.table, b);
    assert_int_equal(number_of(&h, "c"), 0);
    hf_table_look_at(h.table, b);
    hf_table_fold(h.table, text("a"), text(""), 10, 2 * TICK, 1);
    hf_table_look_at(h.table, a);
    assert_int_equal(number_of(&h, "a"), 11);
    assert_int_equal(number_of(&h, "b"), 2);
    hf_table_check(h.table);
    home_close(&h);
}

/* The entry is freed, its block lent to somebody who has not written into it yet, and the key made
 * again elsewhere. */
static void what_was_freed_is_not_looked_at(void **state)
{
    (void)state;
    home h = home_open(1 << 20);
    put_int(h.table, "k", 1, TICK);
    hf_table_place before = place_of(&h, "k");
    size_t size = hf_heap_block_size(h.heap, before.entry);
    assert_true(hf_table_drop(h.table, text("k"), text("l"), 9));
    assert_int_equal(number_of(&h, "k"), 0);
    assert_ptr_equal(hf_heap_take(h.heap, size), before.entry);
    put_int(h.table, "k", 2, 2 * TICK);
    hf_table_look_at(h.table, before);
    assert_int_equal(number_of(&h, "k"), 2);
    hf_table_look_at(h.table, (hf_table_place){ 0 });
    assert_int_equal(number_of(&h, "k"), 2);
    hf_table_check(h.table);
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_key_may_come_next),
        cmocka_unit_test(what_was_freed_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
