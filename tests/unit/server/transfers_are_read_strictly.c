#include "tests/unit/server/server_test.h"

#include "engine/shard/session/apply.h"

#include <string.h>

static void fill(uint8_t record[HF_APPLY_RECORD])
{
    int64_t amount = 5;
    int64_t min = -3;
    memset(record, 0, HF_APPLY_RECORD);
    memcpy(record + 16, "debit", 5);
    memset(record + 48, 'c', 32); /* a key of the full width */
    memcpy(record + 80, &amount, sizeof amount);
    memcpy(record + 88, &min, sizeof min);
    record[96] = HF_TRANSFER_MIN;
}

static void a_good_record_is_understood(void **state)
{
    uint8_t record[HF_APPLY_RECORD];
    (void)state;
    hf_transfer t;
    fill(record);
    assert_true(hf_transfer_read(record, &t));
    assert_false(t.has_id);
    assert_true(hf_bytes_equal(t.debit, HF_LIT("debit")));
    assert_int_equal(t.credit.size, 32);
    assert_int_equal(t.amount, 5);
    assert_int_equal(t.min, -3);
    assert_int_equal(t.flags, HF_TRANSFER_MIN);
    record[15] = 1;
    assert_true(hf_transfer_read(record, &t));
    assert_true(t.has_id);
    assert_int_equal(t.id[15], 1);
}

static void every_fault_is_refused(void **state)
{
    static const struct {
        uint8_t at, value;
    } faults[] = {
        { 16, 0 },  { 18, 0 },  { 96, 2 },   { 97, 1 }, { 99, 128 },
        { 100, 1 }, { 127, 1 }, { 87, 128 }, { 80, 0 }, { 48, 0 },
    };
    (void)state;
    hf_transfer t;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        uint8_t record[HF_APPLY_RECORD];
        fill(record);
        record[faults[i].at] = faults[i].value;
        print_message("byte %u\n", faults[i].at);
        assert_false(hf_transfer_read(record, &t));
    }
    uint8_t record[HF_APPLY_RECORD];
    fill(record);
    memset(record + 48, 0, 32);
    memcpy(record + 48, "debit", 5);
    assert_false(hf_transfer_read(record, &t)); /* from itself to itself */
    record[53] = 'x';
    assert_true(hf_transfer_read(record, &t));
}

static void every_reply_has_its_code(void **state)
{
    static const struct {
        const char *reply;
        hf_transfer_code code;
    } cases[] = {
        { "*2\r\n:1\r\n:2\r\n", HF_TRANSFER_DONE },
        { "-LIMIT below\r\n", HF_TRANSFER_LIMIT },
        { "-WRONGTYPE x\r\n", HF_TRANSFER_WRONGTYPE },
        { "-TXNCONFLICT x\r\n", HF_TRANSFER_AGAIN },
        { "-BUSY x\r\n", HF_TRANSFER_AGAIN },
        { "-DEADLINE x\r\n", HF_TRANSFER_AGAIN },
        { "-OOM x\r\n", HF_TRANSFER_NO_ROOM },
        { "-MISCONF x\r\n", HF_TRANSFER_NO_ROOM },
        { "-INDOUBT x\r\n", HF_TRANSFER_IN_DOUBT },
        { "-ERR this id was used for another request\r\n", HF_TRANSFER_ID_USED },
        { "-EXPIRED x\r\n", HF_TRANSFER_ID_OLD },
        { "-ERR value is not an integer or out of range\r\n", HF_TRANSFER_FAILED },
        { "", HF_TRANSFER_FAILED },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(hf_transfer_code_of(hf_word_of(cases[i].reply)), cases[i].code);
    }
    assert_int_equal(HF_TRANSFER_FAILED, 9); /* clients know the numbers */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_record_is_understood),
        cmocka_unit_test(every_fault_is_refused),
        cmocka_unit_test(every_reply_has_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
