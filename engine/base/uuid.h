/* hf_uuid: 16 bytes that name something for ever; canonical text and version 7 (RFC 9562).
 *
 *   0                   6        8                              16
 *   | unix time, ms, BE | 7, 12  | 2, 62 random bits             |     version 7
 *
 * Byte order is the order of time for version 7. Plain data; time and random bits are handed in.
 */
#ifndef HF_BASE_UUID_H
#define HF_BASE_UUID_H
#include "engine/base/bytes.h"
#include "engine/base/error.h"

enum { HF_UUID_SIZE = 16, HF_UUID_TEXT = 36 };

typedef struct hf_uuid {
    uint8_t bytes[HF_UUID_SIZE];
} hf_uuid;

/* Exactly 8-4-4-4-12 hexadecimal digits of either case. HF_E_INVALID: anything else. */
HF_MUST_USE hf_err hf_uuid_parse(hf_bytes text, hf_uuid *out);
/* Lower case, 36 characters, no end mark. */
void hf_uuid_format(const hf_uuid *uuid, char out[HF_UUID_TEXT]);

/* 1 .. 8; 0 when the variant is not that of RFC 9562. */
uint32_t hf_uuid_version(const hf_uuid *uuid);
/* The milliseconds since 1970 of a version 7; meaningless for others. */
uint64_t hf_uuid_v7_ms(const hf_uuid *uuid);
/* Uses the low 48 bits of ms, 12 of random_a and 62 of random_b. */
hf_uuid hf_uuid_make_v7(uint64_t ms, uint64_t random_a, uint64_t random_b);

static inline int hf_uuid_compare(const hf_uuid *a, const hf_uuid *b)
{
    return memcmp(a->bytes, b->bytes, HF_UUID_SIZE);
}
static inline bool hf_uuid_equal(const hf_uuid *a, const hf_uuid *b)
{
    return hf_uuid_compare(a, b) == 0;
}

#endif
