/* Claim: hf_siphash13 is SipHash-1-3, the seed matters, and similar ids land apart. */
#include "engine/base/hash.h"
#include "tests/unit/base/base_test.h"

/* Key 00 01 .. 0f, message 00 01 .. size - 1; and key 0, message "abc..." */
static void known_answers(void **unused)
{
    (void)unused;
    uint8_t bytes[16];
    for (uint8_t i = 0; i < 16; i++) {
        bytes[i] = i;
    }
    const uint64_t key0 = UINT64_C(0x0706050403020100);
    const uint64_t key1 = UINT64_C(0x0f0e0d0c0b0a0908);
    assert_true(hf_siphash13(key0, key1, bytes, 0) == UINT64_C(0xabac0158050fc4dc));
    static const int64_t letters[15] = {
        4644417185603328019,  6148830537548944441, -4594863902769663758, -2030606670787596663,
        2674923165546153122,  7070790388344807208, 7904145750247929094,  4574395652268504554,
        -532774252720507163,  -829746140550000655, 1450545860578130900,  -8996131201539021375,
        -7689147164244908826, -162833645092072998, 2293029479765367930,
    };
    for (size_t size = 1; size <= 15; size++) {
        assert_true((int64_t)hf_siphash13(0, 0, "abcdefghijklmno", size) == letters[size - 1]);
    }
}

static void seed_and_every_byte_matter(void **unused)
{
    (void)unused;
    uint8_t bytes[40] = { 0 };
    for (size_t size = 0; size <= sizeof bytes; size++) {
        uint64_t before = hf_hash64(1, bytes, size);
        assert_true(before == hf_hash64(1, bytes, size));
        assert_true(before != hf_hash64(2, bytes, size));
        assert_true(size == 0 || before != hf_hash64(1, bytes, size - 1));
        for (size_t at = 0; at < size; at++) {
            bytes[at] = 1;
            assert_true(before != hf_hash64(1, bytes, size));
            bytes[at] = 0;
        }
    }
}

/* Ids count up; their low bits choose the place, so these must be spread. */
static void counted_ids_spread(void **unused)
{
    (void)unused;
    enum { BUCKETS = 256, IDS = BUCKETS * 64 };
    for (uint32_t shift = 0; shift <= 45; shift += 9) {
        uint32_t seen[2][BUCKETS] = { { 0 } };
        for (uint64_t id = 0; id < IDS; id++) {
            seen[0][hf_hash_id(5, 0, id << shift) % BUCKETS]++;
            seen[1][hf_hash_id(5, id << shift, 0) >> 56]++;
        }
        for (uint32_t i = 0; i < BUCKETS; i++) {
            assert_in_range(seen[0][i], 20, 120);
            assert_in_range(seen[1][i], 20, 120);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(seed_and_every_byte_matter),
        cmocka_unit_test(counted_ids_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
