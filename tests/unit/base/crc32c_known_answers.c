/* Claim: the checksum is CRC-32C (RFC 3720, B.4), chains anywhere, and both implementations agree
 * for every size and alignment around the borders of their inner loops. */
#include "engine/base/crc32c.h"
#include "engine/base/crc32c_impl.h"
#include "engine/base/prng.h"
#include "tests/unit/base/base_test.h"

typedef uint32_t crc_function(uint32_t crc, const void *data, size_t size);

static crc_function *const both[] = { hf_crc32c, hf_crc32c__portable };

static void published_answers(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        uint8_t bytes[32];
        assert_int_equal(both[i](0, "123456789", 9), 0xe3069283);
        assert_int_equal(both[i](0, "", 0), 0);
        memset(bytes, 0, sizeof bytes);
        assert_int_equal(both[i](0, bytes, 32), 0x8a9136aa);
        memset(bytes, 0xff, sizeof bytes);
        assert_int_equal(both[i](0, bytes, 32), 0x62a8ab43);
        for (uint8_t b = 0; b < 32; b++) {
            bytes[b] = b;
        }
        assert_int_equal(both[i](0, bytes, 32), 0x46dd794e);
    }
}

/* One bit at a time, from the polynomial. */
static uint32_t slow(uint32_t crc, const uint8_t *data, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0x82f63b78U & (0 - (crc & 1)));
        }
    }
    return ~crc;
}

static void every_size_agrees(void **unused)
{
    (void)unused;
    static uint8_t bytes[20000];
    hf_prng prng = hf_prng_of(3);
    hf_prng_fill(&prng, bytes, sizeof bytes);
    for (size_t size = 0; size < 900; size++) {
        size_t from = size % 11;
        uint32_t right = slow(0, bytes + from, size);
        assert_int_equal(hf_crc32c(0, bytes + from, size), right);
        assert_int_equal(hf_crc32c__portable(0, bytes + from, size), right);
    }
    const size_t borders[] = { 3 * CRC_SHORT, 6 * CRC_SHORT,
                               3 * CRC_LONG,  3 * CRC_LONG + 3 * CRC_SHORT,
                               6 * CRC_LONG,  9 * CRC_LONG };
    for (size_t i = 0; i < sizeof borders / sizeof borders[0]; i++) {
        for (size_t size = borders[i] - 9; size <= borders[i] + 9; size++) {
            uint32_t right = slow(0, bytes + 5, size);
            assert_int_equal(hf_crc32c(0, bytes + 5, size), right);
            assert_int_equal(hf_crc32c__portable(0, bytes + 5, size), right);
        }
    }
}

static void chains_at_any_cut(void **unused)
{
    (void)unused;
    static uint8_t bytes[7000];
    hf_prng prng = hf_prng_of(4);
    hf_prng_fill(&prng, bytes, sizeof bytes);
    for (int i = 0; i < 2; i++) {
        uint32_t whole = both[i](0, bytes, sizeof bytes);
        for (size_t cut = 0; cut <= sizeof bytes; cut += 97) {
            uint32_t crc = both[i](0, bytes, cut);
            assert_int_equal(both[i](crc, bytes + cut, sizeof bytes - cut), whole);
        }
    }
}

static void one_wrong_bit_is_seen(void **unused)
{
    (void)unused;
    static uint8_t bytes[4096];
    uint32_t right = hf_crc32c(0, bytes, sizeof bytes);
    for (size_t bit = 0; bit < sizeof bytes * 8; bit += 7) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(hf_crc32c(0, bytes, sizeof bytes), right);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_answers),
        cmocka_unit_test(every_size_agrees),
        cmocka_unit_test(chains_at_any_cut),
        cmocka_unit_test(one_wrong_bit_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
