/* Opening fails at every allocation in turn and leaves nothing; the hash goes on without growing.
 */
#include "storage/table/tree_impl.h"
#include "tests/unit/table/support.h"

static void open_at_every_point(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    void *region = aligned_alloc(64 * 1024, size);
    hf_heap *heap = hf_heap_open(region, size);
    hf_table_config config = { .hash_seed = 1, .tick_ns = TICK };
    int refused = 0;
    for (uint64_t at = 1;; at++) {
        size_t before = hf_heap_used(heap);
        hf_heap_fail_at(heap, at);
        hf_table *table = hf_table_open(heap, &config);
        hf_heap_fail_at(heap, 0);
        if (table != NULL) {
            hf_table_check(table);
            break;
        }
        assert_int_equal(hf_heap_used(heap), before);
        hf_heap_check(heap);
        refused++;
    }
    assert_int_equal(refused, 5);
    hf_heap_close(heap);
    free(region);
}

static void put_number(hf_table *table, uint32_t n, uint64_t ts)
{
    char name[16];
    hf_bytes key = hf_bytes_of(name, (size_t)snprintf(name, sizeof name, "k%u", n));
    hf_value v = int_value(n);
    hf_table_put(table, key, &v, ts, ts);
}

static bool leaf_has_room(const hf_table *table, uint32_t n)
{
    char name[16];
    hf_bytes key = hf_bytes_of(name, (size_t)snprintf(name, sizeof name, "k%u", n));
    uint32_t at;
    bool found;
    return hf_tree__leaf(table, key, &at, &found)->count < HF_TREE_LEAF;
}

static bool has_number(const hf_table *table, uint32_t n)
{
    char name[16];
    hf_bytes key = hf_bytes_of(name, (size_t)snprintf(name, sizeof name, "k%u", n));
    hf_got got = hf_table_get(table, key, HF_TS_MAX);
    return got.value.kind == HF_KIND_INT && got.value.integer == n;
}

/* When the leaf has room, the second block that a new key asks for can only be one to grow the
 * hash. */
static void entries_that_find_no_place_in_the_hash(void **state)
{
    (void)state;
    home h = home_open(4 << 20);
    uint32_t count = 20000;
    for (uint32_t n = 0; n < count; n++) {
        bool refuse = n % 4 != 0 && leaf_has_room(h.table, n);
        hf_heap_fail_at(h.heap, refuse ? 2 : 0);
        put_number(h.table, n, TICK);
        hf_heap_fail_at(h.heap, 0);
        if (n % 2000 == 0) {
            hf_table_check(h.table);
        }
    }
    hf_table_check(h.table);
    assert_true(h.table->hash.strays != 0);
    for (uint32_t n = 0; n < count; n++) {
        assert_true(has_number(h.table, n));
        assert_false(has_number(h.table, n + count));
        if (n % 2 == 0) {
            put_number(h.table, n, 2 * TICK); /* may find its place now */
        }
    }
    hf_table_check(h.table);
    assert_true(hf_table_drop(h.table, text(""), text(""), count));
    hf_table_check(h.table);
    home_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_at_every_point),
        cmocka_unit_test(entries_that_find_no_place_in_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
