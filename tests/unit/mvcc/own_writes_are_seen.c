/* A transaction sees its own writes over what it fetched: each kind of mutation, on each kind of
 * value, in order.
 */
#include "tests/unit/mvcc/workspace_test.h"

static void nothing_is_known_at_first(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    assert_unknown(&d, "k");
    apply(&d);
    assert_unknown(&d, "k");
    desk_close(&d);
}

static void every_mutation(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    put_string(&d, "k", "one", 7);
    apply(&d);
    assert_string(&d, "k", "one", 7);
    put_string(&d, "k", "two", 0);
    put_string(&d, "other", "", 0);
    apply(&d);
    assert_string(&d, "k", "two", 0);
    assert_string(&d, "other", "", 0);
    hf_mutation_expire(&d.w.mutations, text("k"), 99);
    apply(&d);
    assert_string(&d, "k", "two", 99);
    hf_value n = int_value(40);
    hf_mutation_put(&d.w.mutations, text("k"), &n);
    hf_mutation_add(&d.w.mutations, text("k"), text(""), 2);
    apply(&d);
    assert_int(&d, "k", 42);
    hf_mutation_delete(&d.w.mutations, text("k"));
    apply(&d);
    assert_none(&d, "k"); /* known to be absent */
    assert_unknown(&d, "third");
    desk_close(&d);
}

static void additions_to_what_is_missing(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    hf_mutation_add(&d.w.mutations, text("n"), text(""), -5);
    hf_mutation_add(&d.w.mutations, text("n"), text(""), 3);
    hf_mutation_add(&d.w.mutations, text("r"), text("f"), 7);
    hf_mutation_add(&d.w.mutations, text("r"), text("g"), 1);
    hf_mutation_add(&d.w.mutations, text("r"), text("f"), -9);
    apply(&d);
    assert_int(&d, "n", -2);
    assert_field(&d, "r", "f", "-2");
    assert_field(&d, "r", "g", "1");
    put_string(&d, "s", "10", 5);
    hf_mutation_add(&d.w.mutations, text("s"), text(""), 1);
    apply(&d);
    assert_int(&d, "s", 11); /* a string that is a number */
    desk_close(&d);
}

static void records(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    put_field(&d, "r", "b", "1");
    put_field(&d, "r", "a", "2");
    apply(&d);
    put_field(&d, "r", "b", "3");
    apply(&d);
    assert_field(&d, "r", "a", "2");
    assert_field(&d, "r", "b", "3");
    hf_mutation_expire(&d.w.mutations, text("r"), 50);
    apply(&d);
    assert_field(&d, "r", "a", "2");
    hf_field gone[] = { { .name = text("a"), .remove = true },
                        { .name = text("b"), .remove = true } };
    hf_mutation_fields(&d.w.mutations, text("r"), gone, 1);
    apply(&d);
    assert_field(&d, "r", "b", "3");
    hf_mutation_fields(&d.w.mutations, text("r"), gone, 2);
    apply(&d);
    assert_none(&d, "r"); /* without fields it is no more */
    desk_close(&d);
}

/* An expiry changes no bytes: the value goes on pointing into the workspace, while that grows. */
static void values_outlive_the_growth_of_the_workspace(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 8 << 20);
    put_string(&d, "k", "stays where it is", 0);
    apply(&d);
    uint32_t size = d.w.values.size;
    hf_mutation_expire(&d.w.mutations, text("k"), 5);
    apply(&d);
    assert_int_equal(d.w.values.size, size); /* not copied again */
    char name[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "x%d", i);
        put_string(&d, name, "some bytes to make it grow", 0);
        hf_mutation_expire(&d.w.mutations, text("k"), (uint64_t)i + 10);
        apply(&d);
    }
    assert_string(&d, "k", "stays where it is", 2009);
    assert_string(&d, "x0", "some bytes to make it grow", 0);
    assert_string(&d, "x1999", "some bytes to make it grow", 0);
    put_field(&d, "r", "f", "v");
    apply(&d);
    for (uint64_t i = 0; i < 100; i++) {
        hf_mutation_expire(&d.w.mutations, text("r"), i);
        put_field(&d, "r", "f", "w");
        apply(&d);
    }
    assert_field(&d, "r", "f", "w");
    desk_close(&d);
}

static void what_was_fetched_is_the_base(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    hf_value ten = int_value(10);
    hf_workspace_base(&d.w, text("n"), &ten);
    assert_int(&d, "n", 10);
    hf_mutation_add(&d.w.mutations, text("n"), text(""), 5);
    int fetched = 0;
    assert_int_equal(hf_workspace_apply(&d.w, fetch_nothing, &fetched), HF_OK);
    assert_int_equal(fetched, 0);
    assert_int(&d, "n", 15);
    hf_workspace_base(&d.w, text("n"), &ten); /* known already: the own write stays */
    assert_int(&d, "n", 15);
    hf_mutation_add(&d.w.mutations, text("m"), text(""), 1);
    hf_mutation_add(&d.w.mutations, text("m"), text(""), 1);
    assert_int_equal(hf_workspace_apply(&d.w, fetch_nothing, &fetched), HF_OK);
    assert_int_equal(fetched, 1); /* once for each key */
    assert_int(&d, "m", 2);
    desk_close(&d);
}

static void fetch_text(void *context, hf_bytes key, hf_value *value)
{
    (void)context;
    assert_true(hf_bytes_equal(key, text("k")));
    *value = string_value("from the table", 3);
}

static void fetched_when_first_needed(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    hf_mutation_expire(&d.w.mutations, text("k"), 77);
    assert_int_equal(hf_workspace_apply(&d.w, fetch_text, NULL), HF_OK);
    assert_string(&d, "k", "from the table", 77);
    desk_close(&d);
}

typedef struct written {
    char names[8][8];
    int count;
} written;

static void note(void *context, hf_bytes key, const hf_value *value)
{
    written *w = context;
    hf_value same = *value;
    (void)same;
    assert_true(w->count < 8 && key.size < 8);
    memcpy(w->names[w->count], key.data, key.size);
    w->names[w->count++][key.size] = 0;
}

static void only_what_was_written_is_visited(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    hf_value ten = int_value(10);
    hf_workspace_base(&d.w, text("read"), &ten);
    put_string(&d, "b", "1", 0);
    hf_mutation_delete(&d.w.mutations, text("a"));
    put_string(&d, "b", "2", 0);
    apply(&d);
    written w = { .count = 0 };
    hf_workspace_each(&d.w, note, &w);
    assert_int_equal(w.count, 2); /* each once, in order of first use */
    assert_string_equal(w.names[0], "b");
    assert_string_equal(w.names[1], "a");
    desk_close(&d);
}

static void reset_forgets_everything(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    for (int round = 0; round < 100; round++) {
        put_string(&d, "k", "v", 0);
        put_field(&d, "r", "f", "v");
        apply(&d);
        hf_workspace_reset(&d.w);
        assert_unknown(&d, "k");
        assert_unknown(&d, "r");
        assert_int_equal(d.w.mutations.size, 0);
    }
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_at_first),
        cmocka_unit_test(every_mutation),
        cmocka_unit_test(additions_to_what_is_missing),
        cmocka_unit_test(records),
        cmocka_unit_test(values_outlive_the_growth_of_the_workspace),
        cmocka_unit_test(what_was_fetched_is_the_base),
        cmocka_unit_test(fetched_when_first_needed),
        cmocka_unit_test(only_what_was_written_is_visited),
        cmocka_unit_test(reset_forgets_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
