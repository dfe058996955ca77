/* Claim: every entry of the tables follows from the polynomial. */
#include "engine/base/crc32c_impl.h"
#include "tests/unit/base/base_test.h"

/* Moves a 64-bit register `bits` times; the checksum is its low half. */
static uint64_t move(uint64_t state, size_t bits)
{
    for (size_t i = 0; i < bits; i++) {
        state = state >> 1 ^ (UINT64_C(0x82f63b78) & (0 - (state & 1)));
    }
    return state;
}

static void word_table(void **unused)
{
    (void)unused;
    for (uint32_t k = 0; k < 16; k++) {
        for (uint64_t v = 0; v < 16; v++) {
            assert_int_equal(crc_word[k][v], move(v << (4 * k), 64));
        }
    }
}

static void distance_tables(void **unused)
{
    (void)unused;
    for (uint32_t k = 0; k < 8; k++) {
        for (uint64_t v = 0; v < 16; v++) {
            assert_int_equal(crc_over_long[k][v], move(v << (4 * k), (size_t)CRC_LONG * 8));
            assert_int_equal(crc_over_short[k][v], move(v << (4 * k), (size_t)CRC_SHORT * 8));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(word_table),
        cmocka_unit_test(distance_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
