/* Encode, decode, apply to a value and to a table: the same outcome; and damage is never taken. */
#include "tests/unit/table/support.h"

typedef struct bench {
    home home;
    hf_buf out;
    hf_buf scratch;
} bench;

static bench bench_open(void)
{
    bench b = { .home = home_open(4 << 20) };
    hf_buf_open(&b.out, b.home.heap);
    hf_buf_open(&b.scratch, b.home.heap);
    return b;
}

static hf_mutation decoded(const bench *b)
{
    hf_reader r = hf_reader_of(hf_buf_view(&b->out));
    hf_mutation m;
    assert_true(hf_mutation_next(&r, &m));
    assert_false(r.bad);
    hf_mutation more;
    assert_false(hf_mutation_next(&r, &more));
    assert_false(r.bad);
    return m;
}

/* Applies what was written to the table, and empties the buffer. */
static void apply(bench *b, uint64_t ts)
{
    hf_mutation m = decoded(b);
    hf_mutation_apply(b->home.table, &m, ts, ts, &b->scratch);
    hf_buf_reset(&b->out);
}

static hf_got newest(const bench *b)
{
    return hf_table_get(b->home.table, text("k"), HF_TS_MAX);
}

static void assert_field(const bench *b, const char *name, const char *wanted)
{
    hf_bytes value;
    uint32_t at;
    hf_got got = newest(b);
    assert_int_equal(got.value.kind, HF_KIND_RECORD);
    bool found = hf_record_find(got.value.bytes, text(name), &value, &at);
    assert_int_equal(found, wanted != NULL);
    assert_true(!found || hf_bytes_equal(value, text(wanted)));
}

static void a_record_lives_by_its_fields(void **state)
{
    (void)state;
    bench b = bench_open();
    hf_field make[] = { { text("b"), text("2"), false }, { text("a"), text("1"), false } };
    hf_mutation_fields(&b.out, text("k"), make, 2);
    apply(&b, TICK);
    assert_field(&b, "a", "1");
    hf_mutation_expire(&b.out, text("k"), 500);
    apply(&b, 2 * TICK);
    assert_int_equal(newest(&b).value.expire_ms, 500);
    hf_mutation_add(&b.out, text("k"), text("a"), -43);
    apply(&b, 3 * TICK);
    assert_field(&b, "a", "-42");
    hf_field gone = { text("a"), text(""), true };
    hf_mutation_fields(&b.out, text("k"), &gone, 1);
    apply(&b, 4 * TICK);
    assert_field(&b, "a", NULL);
    assert_int_equal(newest(&b).value.expire_ms, 500);
    gone.name = text("b");
    hf_mutation_fields(&b.out, text("k"), &gone, 1);
    apply(&b, 5 * TICK);
    assert_int_equal(newest(&b).value.kind, HF_KIND_NONE);
    hf_table_check(b.home.table);
    home_close(&b.home);
}

static void what_has_expired_counts_as_absent(void **state)
{
    (void)state;
    bench b = bench_open();
    hf_field field = { text("a"), text("1"), false };
    for (int round = 0; round < 2; round++) {
        uint64_t base = (uint64_t)(round + 1) * 1000 * TICK;
        hf_mutation_fields(&b.out, text("k"), &field, 1);
        apply(&b, base);
        hf_mutation_expire(&b.out, text("k"), base / 1000000 + 10);
        apply(&b, base);
        hf_mutation_expire(&b.out, text("k"), 0);
        apply(&b, base + 10 * TICK); /* too late to persist it */
        assert_int_equal(newest(&b).value.expire_ms, base / 1000000 + 10);
        field.name = text("c");
        hf_mutation_fields(&b.out, text("k"), &field, 1);
        apply(&b, base + 11 * TICK);
        assert_field(&b, "a", NULL);
        assert_field(&b, "c", "1");
        assert_int_equal(newest(&b).value.expire_ms, 0);
        field.name = text("a");
        hf_mutation_delete(&b.out, text("k"));
        apply(&b, base + 12 * TICK);
        assert_int_equal(newest(&b).value.kind, HF_KIND_NONE);
    }
    home_close(&b.home);
}

static void onto_a_value_of_the_wrong_kind(void **state)
{
    (void)state;
    bench b = bench_open();
    hf_field field = { text("a"), text("x"), false };
    hf_mutation_fields(&b.out, text("k"), &field, 1);
    hf_mutation fields = decoded(&b);
    hf_value v = string_value(text("12"));
    assert_int_equal(hf_mutation_onto(&fields, &v, &b.scratch), HF_E_TYPE);
    hf_mutation add = { .op = HF_MUTATION_ADD, .integer = 5, .bytes = text("a") };
    assert_int_equal(hf_mutation_onto(&add, &v, &b.scratch), HF_E_TYPE);
    add.bytes = text("");
    assert_int_equal(hf_mutation_onto(&add, &v, &b.scratch), HF_OK);
    assert_value(v, int_value(17));
    add.integer = INT64_MAX;
    assert_int_equal(hf_mutation_onto(&add, &v, &b.scratch), HF_E_RANGE);
    assert_value(v, int_value(17));
    v = string_value(text("12x"));
    assert_int_equal(hf_mutation_onto(&add, &v, &b.scratch), HF_E_RANGE);
    v = no_value();
    assert_int_equal(hf_mutation_onto(&fields, &v, &b.scratch), HF_OK);
    assert_int_equal(v.kind, HF_KIND_RECORD);
    assert_int_equal(hf_mutation_onto(&add, &v, &b.scratch), HF_E_TYPE);
    add.bytes = text("a");
    assert_int_equal(hf_mutation_onto(&add, &v, &b.scratch), HF_E_RANGE);
    home_close(&b.home);
}

static void write_all(bench *b)
{
    hf_value v = string_value(text("some bytes"));
    v.expire_ms = 1234;
    hf_mutation_put(&b->out, text("k"), &v);
    v = int_value(-9);
    hf_mutation_put(&b->out, text("k2"), &v);
    hf_field fields[] = { { text("a"), text("1"), false }, { text("b"), text(""), true } };
    uint32_t count;
    hf_buf_reset(&b->scratch);
    assert_int_equal(hf_record_change(text(""), fields, 2, &b->scratch, &count), HF_OK);
    v = (hf_value){ HF_KIND_RECORD, 7, 0, hf_buf_view(&b->scratch) };
    hf_mutation_put(&b->out, text("k3"), &v);
    hf_mutation_fields(&b->out, text("k3"), fields, 2);
    hf_mutation_expire(&b->out, text("k3"), 99);
    hf_mutation_add(&b->out, text("k2"), text(""), 12);
    v = no_value();
    hf_mutation_put(&b->out, text("k"), &v);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    bench b = bench_open();
    write_all(&b);
    static const hf_mutation_op ops[] = { HF_MUTATION_PUT_STRING, HF_MUTATION_PUT_INT,
                                          HF_MUTATION_PUT_RECORD, HF_MUTATION_FIELDS,
                                          HF_MUTATION_EXPIRE,     HF_MUTATION_ADD,
                                          HF_MUTATION_DELETE };
    hf_reader r = hf_reader_of(hf_buf_view(&b.out));
    hf_mutation m;
    uint32_t at = 0;
    while (hf_mutation_next(&r, &m)) {
        assert_int_equal(m.op, ops[at++]);
        assert_true(m.op != HF_MUTATION_PUT_STRING || m.expire_ms == 1234);
        assert_true(m.op != HF_MUTATION_ADD || (m.integer == 12 && m.bytes.size == 0));
        if (m.op == HF_MUTATION_FIELDS) {
            hf_reader list = hf_reader_of(m.bytes);
            hf_field f;
            assert_true(hf_mutation_field(&list, &f) && !f.remove);
            assert_true(hf_mutation_field(&list, &f) && f.remove);
            assert_false(hf_mutation_field(&list, &f));
            assert_false(list.bad);
        }
    }
    assert_false(r.bad);
    assert_int_equal(at, 7);
    home_close(&b.home);
}

/* A cut between two mutations is a shorter list; any other is damage. */
static void every_cut_is_seen(void **state)
{
    (void)state;
    bench b = bench_open();
    write_all(&b);
    uint32_t clean = 0;
    for (uint32_t cut = 0; cut < b.out.size; cut++) {
        uint8_t *exact = malloc(cut + 1U);
        memcpy(exact, b.out.data, cut);
        hf_reader r = hf_reader_of(hf_bytes_of(exact, cut));
        hf_mutation m;
        while (hf_mutation_next(&r, &m)) {
        }
        clean += !r.bad;
        free(exact);
    }
    assert_int_equal(clean, 7);
    home_close(&b.home);
}

static void assert_refused(const void *data, size_t size)
{
    hf_reader r = hf_reader_of(hf_bytes_of(data, size));
    hf_mutation m;
    assert_false(hf_mutation_next(&r, &m));
    assert_true(r.bad);
    assert_false(hf_mutation_next(&r, &m));
}
#define REFUSED(literal) assert_refused("" literal, sizeof(literal) - 1)

static void what_no_one_writes_is_refused(void **state)
{
    (void)state;
    REFUSED("\x00\x01\x00\x00\x00k");                     /* no such op */
    REFUSED("\x08\x01\x00\x00\x00k");                     /* no such op */
    REFUSED("\x04\x00\x00\x00\x00");                      /* no key */
    REFUSED("\x04\xff\xff\xff\xffk");                     /* a key past the end */
    REFUSED("\x05\x01\x00\x00\x00k\x00\x00\x00\x00");     /* no fields */
    REFUSED("\x05\x01\x00\x00\x00k\xff\xff\xff\xff\x00"); /* too many */
    REFUSED("\x05\x01\x00\x00\x00k\x01\x00\x00\x00\x02\x01\x00\x00\x00n\x00\x00\x00\x00");
    REFUSED("\x05\x01\x00\x00\x00k\x01\x00\x00\x00\x01\x01\x00\x00\x00n\x01\x00\x00\x00v");
    REFUSED("\x03\x01\x00\x00\x00k\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"); /* empty */
    REFUSED(
        "\x03\x01\x00\x00\x00k\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00");
    uint8_t long_key[HF_KEY_SIZE_MAX + 7] = { HF_MUTATION_DELETE };
    uint32_t size = HF_KEY_SIZE_MAX + 2;
    memcpy(long_key + 1, &size, sizeof size);
    assert_refused(long_key, sizeof long_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_lives_by_its_fields),
        cmocka_unit_test(what_has_expired_counts_as_absent),
        cmocka_unit_test(onto_a_value_of_the_wrong_kind),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(what_no_one_writes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
