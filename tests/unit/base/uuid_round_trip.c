/* Claim: canonical text and bytes are the same thing, nothing else parses, and a version 7 carries
 * its time in its order. */
#include "engine/base/prng.h"
#include "engine/base/uuid.h"
#include "tests/unit/base/base_test.h"

/* The example of RFC 9562, appendix A.6. */
static const char example[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";

static void example_of_the_rfc(void **unused)
{
    (void)unused;
    hf_uuid uuid;
    char text[HF_UUID_TEXT];
    assert_int_equal(hf_uuid_parse(hf_bytes_of(example, HF_UUID_TEXT), &uuid), HF_OK);
    assert_int_equal(hf_uuid_version(&uuid), 7);
    assert_int_equal(hf_uuid_v7_ms(&uuid), UINT64_C(0x017f22e279b0));
    hf_uuid made = hf_uuid_make_v7(UINT64_C(0x017f22e279b0), 0xcc3, UINT64_C(0x18c4dc0c0c07398f));
    assert_true(hf_uuid_equal(&uuid, &made));
    hf_uuid_format(&made, text);
    assert_memory_equal(text, example, HF_UUID_TEXT);
}

static void random_round_trip(void **unused)
{
    (void)unused;
    hf_prng p = hf_prng_of(1);
    for (int i = 0; i < 1000; i++) {
        hf_uuid uuid;
        hf_uuid back;
        char text[HF_UUID_TEXT];
        hf_prng_fill(&p, uuid.bytes, sizeof uuid.bytes);
        hf_uuid_format(&uuid, text);
        assert_int_equal(hf_uuid_parse(hf_bytes_of(text, sizeof text), &back), HF_OK);
        assert_true(hf_uuid_equal(&uuid, &back));
        for (size_t c = 0; c < sizeof text; c++) {
            text[c] = (char)(text[c] >= 'a' ? text[c] - 32 : text[c]);
        }
        assert_int_equal(hf_uuid_parse(hf_bytes_of(text, sizeof text), &back), HF_OK);
        assert_true(hf_uuid_equal(&uuid, &back));
    }
}

static void one_wrong_character_is_refused(void **unused)
{
    (void)unused;
    hf_uuid uuid = { { 1 } };
    const hf_uuid before = uuid;
    const char wrong[] = { 'g', 'G', '/', ':', '`', '@', ' ', '\0', '\xff', 'x' };
    for (uint32_t at = 0; at < HF_UUID_TEXT; at++) {
        for (size_t i = 0; i < sizeof wrong; i++) {
            char text[HF_UUID_TEXT];
            memcpy(text, example, sizeof text);
            text[at] = wrong[i];
            assert_int_equal(hf_uuid_parse(hf_bytes_of(text, sizeof text), &uuid), HF_E_INVALID);
        }
        char swapped[HF_UUID_TEXT];
        memcpy(swapped, example, sizeof swapped);
        swapped[at] = swapped[at] == '-' ? '0' : '-';
        assert_int_equal(hf_uuid_parse(hf_bytes_of(swapped, sizeof swapped), &uuid), HF_E_INVALID);
        assert_int_equal(hf_uuid_parse(hf_bytes_of(example, at), &uuid), HF_E_INVALID);
    }
    assert_int_equal(hf_uuid_parse(hf_bytes_of(example, HF_UUID_TEXT + 1), &uuid), HF_E_INVALID);
    assert_true(hf_uuid_equal(&uuid, &before)); /* a refused text writes nothing */
}

static void order_is_time(void **unused)
{
    (void)unused;
    hf_prng p = hf_prng_of(2);
    for (int i = 0; i < 1000; i++) {
        uint64_t ms = hf_prng_next(&p) >> 17;
        hf_uuid a = hf_uuid_make_v7(ms, hf_prng_next(&p), hf_prng_next(&p));
        hf_uuid b = hf_uuid_make_v7(ms + 1, hf_prng_next(&p), hf_prng_next(&p));
        assert_true(hf_uuid_compare(&a, &b) < 0);
        assert_int_equal(hf_uuid_version(&a), 7);
        assert_true(hf_uuid_v7_ms(&a) == ms);
    }
}

static void version_needs_its_variant(void **unused)
{
    (void)unused;
    hf_uuid uuid = hf_uuid_make_v7(1, 2, 3);
    uuid.bytes[8] = 0xc0;
    assert_int_equal(hf_uuid_version(&uuid), 0);
    uuid.bytes[8] = 0x80;
    uuid.bytes[6] = 0x40;
    assert_int_equal(hf_uuid_version(&uuid), 4);
    uuid.bytes[6] = 0x90;
    assert_int_equal(hf_uuid_version(&uuid), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_of_the_rfc),
        cmocka_unit_test(random_round_trip),
        cmocka_unit_test(one_wrong_character_is_refused),
        cmocka_unit_test(order_is_time),
        cmocka_unit_test(version_needs_its_variant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
