/* Rolling back to a mark leaves exactly what was there at the mark: values, mutations, and what
 * counts as written. Also after a failure half-way.
 */
#include "tests/unit/mvcc/workspace_test.h"

static void values_and_mutations(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    put_string(&d, "k", "before", 0);
    put_field(&d, "r", "f", "1");
    apply(&d);
    hf_workspace_mark mark = hf_workspace_mark_now(&d.w);
    uint32_t size = d.w.mutations.size;
    put_string(&d, "k", "after", 0);
    put_string(&d, "k", "again", 0);
    put_field(&d, "r", "f", "2");
    put_string(&d, "new", "x", 0);
    apply(&d);
    assert_string(&d, "k", "again", 0);
    hf_workspace_rollback(&d.w, mark);
    assert_int_equal(d.w.mutations.size, size);
    assert_string(&d, "k", "before", 0);
    assert_field(&d, "r", "f", "1");
    assert_none(&d, "new"); /* what was fetched stays known */
    put_string(&d, "k", "other", 0);
    apply(&d);
    assert_string(&d, "k", "other", 0);
    desk_close(&d);
}

static void count(void *context, hf_bytes key, const hf_value *value)
{
    (void)key;
    (void)value;
    ++*(int *)context;
}

static void what_was_rolled_back_was_not_written(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    hf_workspace_mark mark = hf_workspace_mark_now(&d.w);
    put_string(&d, "k", "v", 0);
    apply(&d);
    int written = 0;
    hf_workspace_each(&d.w, count, &written);
    assert_int_equal(written, 1);
    hf_workspace_rollback(&d.w, mark);
    written = 0;
    hf_workspace_each(&d.w, count, &written);
    assert_int_equal(written, 0);
    desk_close(&d);
}

static void marks_nest(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    hf_workspace_mark marks[10];
    char name[8];
    for (int i = 0; i < 10; i++) {
        marks[i] = hf_workspace_mark_now(&d.w);
        snprintf(name, sizeof name, "%d", i);
        put_string(&d, "k", name, 0);
        apply(&d);
    }
    hf_workspace_rollback(&d.w, marks[7]);
    assert_string(&d, "k", "6", 0);
    hf_workspace_rollback(&d.w, marks[7]); /* a mark may be used again */
    assert_string(&d, "k", "6", 0);
    hf_workspace_rollback(&d.w, marks[3]);
    assert_string(&d, "k", "2", 0);
    hf_workspace_rollback(&d.w, marks[0]);
    assert_none(&d, "k");
    assert_int_equal(d.w.mutations.size, 0);
    desk_close(&d);
}

/* Mutations that were appended and not applied yet go too. */
static void unapplied_mutations_go_too(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    put_string(&d, "k", "v", 0);
    apply(&d);
    hf_workspace_mark mark = hf_workspace_mark_now(&d.w);
    put_string(&d, "k", "w", 0);
    hf_workspace_rollback(&d.w, mark);
    apply(&d);
    assert_string(&d, "k", "v", 0);
    desk_close(&d);
}

/* Too large a record, the wrong kind, an overflow: the error, then the mark. */
static void errors_are_rolled_back(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 1 << 20);
    put_string(&d, "s", "text", 0);
    hf_value most = int_value(INT64_MAX);
    hf_mutation_put(&d.w.mutations, text("n"), &most);
    apply(&d);
    hf_workspace_mark mark = hf_workspace_mark_now(&d.w);
    put_string(&d, "s", "changed", 0);
    hf_mutation_add(&d.w.mutations, text("s"), text("f"), 1);
    assert_int_equal(hf_workspace_apply(&d.w, fetch_nothing, NULL), HF_E_TYPE);
    hf_workspace_rollback(&d.w, mark);
    assert_string(&d, "s", "text", 0);
    hf_mutation_add(&d.w.mutations, text("n"), text(""), 1);
    assert_int_equal(hf_workspace_apply(&d.w, fetch_nothing, NULL), HF_E_RANGE);
    hf_workspace_rollback(&d.w, mark);
    assert_int(&d, "n", INT64_MAX);
    apply(&d);
    assert_int(&d, "n", INT64_MAX);
    desk_close(&d);
}

static void a_record_that_outgrows_its_limit(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, 96 << 20);
    static char large[5 << 20];
    memset(large, 'x', sizeof large);
    hf_field f = { .name = text("a"), .value = hf_bytes_of(large, sizeof large) };
    hf_mutation_fields(&d.w.mutations, text("r"), &f, 1);
    apply(&d);
    hf_workspace_mark mark = hf_workspace_mark_now(&d.w);
    f.name = text("b");
    hf_mutation_fields(&d.w.mutations, text("r"), &f, 1);
    assert_int_equal(hf_workspace_apply(&d.w, fetch_nothing, NULL), HF_E_TOOBIG);
    hf_workspace_rollback(&d.w, mark);
    hf_value v;
    assert_true(hf_workspace_get(&d.w, text("r"), &v));
    assert_int_equal(hf_record_count(v.bytes), 1);
    desk_close(&d);
}

static void fetch_long(void *context, hf_bytes key, hf_value *value)
{
    (void)key;
    *value = string_value(context, 0);
}

/* A key whose base found no memory is unknown, not absent: the next command fetches it again.
 * Answers whether the take-th allocation was refused. */
static bool base_refused_at(uint64_t take, bool by_mutation)
{
    static char large[1000];
    memset(large, 'x', sizeof large - 1);
    desk d;
    desk_open(&d, 1 << 20);
    put_string(&d, "k", "v", 0);
    apply(&d);
    hf_workspace_mark mark = hf_workspace_mark_now(&d.w);
    hf_value base = string_value(large, 0);
    if (by_mutation) {
        hf_mutation_expire(&d.w.mutations, text("gone"), 5);
    }
    hf_heap_fail_at(d.heap, take);
    if (by_mutation) {
        (void)(hf_workspace_apply(&d.w, fetch_long, large) == HF_OK);
    } else {
        hf_workspace_base(&d.w, text("gone"), &base);
    }
    hf_heap_fail_at(d.heap, 0);
    bool refused = d.w.failed;
    hf_value v;
    hf_workspace_rollback(&d.w, mark);
    assert_true(!hf_workspace_get(&d.w, text("gone"), &v) || v.kind == HF_KIND_STRING);
    assert_string(&d, "k", "v", 0);
    hf_workspace_base(&d.w, text("gone"), &base);
    assert_string(&d, "gone", large, 0);
    for (int i = 0; i < 100; i++) { /* the index is whole */
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        put_string(&d, name, name, 0);
    }
    apply(&d);
    assert_string(&d, "gone", large, 0);
    assert_string(&d, "x99", "x99", 0);
    desk_close(&d);
    return refused;
}

static void a_base_without_memory_is_unknown(void **state)
{
    (void)state;
    uint64_t take = 1;
    while (base_refused_at(take, false)) {
        take++;
    }
    assert_int_equal(take, 3); /* the entry, its bytes */
    take = 1;
    while (base_refused_at(take, true)) {
        take++;
    }
    assert_true(take >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_mutations),
        cmocka_unit_test(what_was_rolled_back_was_not_written),
        cmocka_unit_test(marks_nest),
        cmocka_unit_test(unapplied_mutations_go_too),
        cmocka_unit_test(errors_are_rolled_back),
        cmocka_unit_test(a_record_that_outgrows_its_limit),
        cmocka_unit_test(a_base_without_memory_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
