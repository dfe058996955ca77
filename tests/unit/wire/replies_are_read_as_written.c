/* What the reply writers write is read back as it was meant; whole replies are found however they
 * come in pieces, and what is no RESP is told. */
#include "net/wire/resp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* After the others: */
#include <cmocka.h>

typedef struct row {
    const char *text;
    hf_resp_kind kind;
    int64_t integer;
    uint32_t count;
    const char *bytes;
} row;

static const row rows[] = {
    { "+OK\r\n", HF_RESP_KIND_SIMPLE, 0, 0, "OK" },
    { "-ERR no\r\n", HF_RESP_KIND_ERROR, 0, 0, "ERR no" },
    { ":-42\r\n", HF_RESP_KIND_INTEGER, -42, 0, NULL },
    { "#t\r\n", HF_RESP_KIND_INTEGER, 1, 0, NULL },
    { "#f\r\n", HF_RESP_KIND_INTEGER, 0, 0, NULL },
    { "$5\r\na\r\nbc\r\n", HF_RESP_KIND_BULK, 0, 0, "a\r\nbc" },
    { "$0\r\n\r\n", HF_RESP_KIND_BULK, 0, 0, "" },
    { "$-1\r\n", HF_RESP_KIND_NULL, 0, 0, NULL },
    { "*-1\r\n", HF_RESP_KIND_NULL, 0, 0, NULL },
    { "_\r\n", HF_RESP_KIND_NULL, 0, 0, NULL },
    { ",1.5\r\n", HF_RESP_KIND_DOUBLE, 0, 0, "1.5" },
    { "=8\r\ntxt:four\r\n", HF_RESP_KIND_BULK, 0, 0, "four" },
    { "!3\r\nbad\r\n", HF_RESP_KIND_ERROR, 0, 0, "bad" },
    { "*0\r\n", HF_RESP_KIND_LIST, 0, 0, NULL },
};

static void one_frame_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const row *r = &rows[i];
        hf_bytes data = hf_bytes_of(r->text, strlen(r->text));
        hf_resp_value value;
        assert_int_equal(hf_resp_read(data, &value), data.size);
        assert_int_equal(value.kind, r->kind);
        assert_int_equal(value.integer, r->integer);
        assert_int_equal(value.count, r->count);
        if (r->bytes != NULL) {
            assert_true(hf_bytes_equal(value.bytes, hf_bytes_of(r->bytes, strlen(r->bytes))));
        }
        for (uint32_t cut = 0; cut < data.size; cut++) {
            assert_int_equal(hf_resp_read(hf_bytes_of(data.data, cut), &value), 0);
        }
    }
}

static void lists_are_frames(void **state)
{
    (void)state;
    static const char map[] = "%1\r\n$1\r\nk\r\n*2\r\n:1\r\n_\r\n";
    static const hf_resp_kind kinds[] = { HF_RESP_KIND_LIST, HF_RESP_KIND_BULK, HF_RESP_KIND_LIST,
                                          HF_RESP_KIND_INTEGER, HF_RESP_KIND_NULL };
    hf_bytes data = hf_bytes_of(map, sizeof map - 1);
    uint32_t counts = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        hf_resp_value value;
        uint32_t size = hf_resp_read(data, &value);
        assert_true(size != 0 && value.kind == kinds[i]);
        counts = counts * 10 + value.count;
        data = hf_bytes_of(data.data + size, data.size - size);
    }
    assert_int_equal(data.size, 0);
    assert_int_equal(counts, 20200); /* a map of one pair is two frames */
}

static void pieces_are_put_together(void **state)
{
    (void)state;
    static const char text[] = "*3\r\n$3\r\na\r\n\r\n%1\r\n+k\r\n,1\r\n*1\r\n$-1\r\n+next\r\n";
    uint32_t whole = sizeof text - 1 - 7;
    for (uint32_t step = 1; step < sizeof text; step++) {
        hf_resp_scan scan;
        hf_resp_scan_open(&scan);
        for (uint32_t size = 0; size < whole; size += step) {
            assert_int_equal(hf_resp_scan_on(&scan, hf_bytes_of(text, size)), 0);
            assert_false(scan.bad);
        }
        assert_int_equal(hf_resp_scan_on(&scan, hf_bytes_of(text, sizeof text - 1)), whole);
    }
}

static void what_is_no_resp_is_told(void **state)
{
    (void)state;
    hf_resp_scan scan;
    hf_resp_scan_open(&scan);
    assert_int_equal(hf_resp_scan_on(&scan, HF_LIT("HTTP/1.1 400")), 0);
    assert_true(scan.bad);
    hf_resp_scan_open(
        &scan); /* a whole line with no number in it: waiting for more would not help */
    assert_int_equal(hf_resp_scan_on(&scan, HF_LIT("*1\r\n$x\r\n")), 0);
    assert_true(scan.bad);
    size_t size = 70000;
    char *line = malloc(size);
    assert_non_null(line);
    memset(line, 'x', size);
    line[0] = '+';
    hf_resp_scan_open(&scan);
    assert_int_equal(hf_resp_scan_on(&scan, hf_bytes_of(line, size)), 0);
    assert_true(scan.bad);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_frame_is_read),
        cmocka_unit_test(lists_are_frames),
        cmocka_unit_test(pieces_are_put_together),
        cmocka_unit_test(what_is_no_resp_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
