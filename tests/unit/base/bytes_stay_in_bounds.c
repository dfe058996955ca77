/* Claim: what is written is read back; a record cut short at any byte turns the reader bad, and a
 * writer without room turns full and writes nothing beyond its end. */
#include "engine/base/bytes.h"
#include "tests/unit/base/base_test.h"

enum { RECORD = 1 + 2 + 4 + 8 + 4 + 5 };

static void write_record(hf_writer *w)
{
    hf_write_u8(w, 1);
    hf_write_u16(w, 0x0203);
    hf_write_u32(w, 0x04050607);
    hf_write_u64(w, UINT64_C(0x08090a0b0c0d0e0f));
    hf_write_bytes(w, HF_LIT("hello"));
}

static bool read_record(hf_bytes from)
{
    hf_reader r = hf_reader_of(from);
    bool same = hf_read_u8(&r) == 1;
    same = hf_read_u16(&r) == 0x0203 && same;
    same = hf_read_u32(&r) == 0x04050607 && same;
    same = hf_read_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f) && same;
    same = hf_bytes_equal(hf_read_bytes(&r), HF_LIT("hello")) && same;
    assert_int_equal(same, !r.bad);
    return !r.bad;
}

static void every_cut_is_seen(void **unused)
{
    (void)unused;
    uint8_t record[RECORD];
    hf_writer w = { record, record + RECORD, false };
    write_record(&w);
    assert_false(w.full);
    assert_ptr_equal(w.at, w.end);
    assert_int_equal(record[1], 0x03); /* little-endian */
    for (uint32_t size = 0; size <= RECORD; size++) {
        uint8_t *exact = malloc(size + 1); /* so that a sanitizer sees a read beyond */
        memcpy(exact, record, size);
        assert_int_equal(read_record(hf_bytes_of(exact, size)), size == RECORD);
        free(exact);
    }
}

static void every_lack_of_room_is_seen(void **unused)
{
    (void)unused;
    for (uint32_t room = 0; room < RECORD; room++) {
        uint8_t record[RECORD];
        memset(record, 0xee, sizeof record);
        hf_writer w = { record, record + room, false };
        write_record(&w);
        assert_true(w.full);
        const uint8_t *at = w.at;
        hf_write_u8(&w, 1); /* even where this one would fit */
        assert_true(w.full);
        assert_ptr_equal(w.at, at);
        for (uint32_t i = room; i < RECORD; i++) {
            assert_int_equal(record[i], 0xee);
        }
    }
}

static void size_beyond_the_end(void **unused)
{
    (void)unused;
    const uint8_t lies[] = { 0xff, 0xff, 0xff, 0xff, 1 };
    hf_reader r = hf_reader_of(hf_bytes_of(lies, sizeof lies));
    hf_bytes got = hf_read_bytes(&r);
    assert_true(r.bad && got.size == 0);
    assert_int_equal(hf_read_u8(&r), 0); /* bad stays bad */
}

static void order_of_bytes(void **unused)
{
    (void)unused;
    assert_true(hf_bytes_compare(HF_LIT(""), HF_LIT("")) == 0);
    assert_true(hf_bytes_compare(HF_LIT(""), HF_LIT("a")) < 0);
    assert_true(hf_bytes_compare(HF_LIT("b"), HF_LIT("ab")) > 0);
    assert_true(hf_bytes_compare(HF_LIT("a\xff"), HF_LIT("a\x01")) > 0);
    assert_true(hf_bytes_compare(hf_bytes_of(NULL, 0), HF_LIT("")) == 0);
    assert_true(hf_bytes_equal(hf_bytes_of(NULL, 0), HF_LIT("")));
    assert_false(hf_bytes_equal(HF_LIT("a"), HF_LIT("b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(every_lack_of_room_is_seen),
        cmocka_unit_test(size_beyond_the_end),
        cmocka_unit_test(order_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
