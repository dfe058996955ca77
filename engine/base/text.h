/* Numbers, sizes and durations to and from text, for configuration, commands and reports.
 *
 * Parsers take the whole text or nothing: no spaces, no signs where none belong, no overflow.
 */
#ifndef HF_BASE_TEXT_H
#define HF_BASE_TEXT_H
#include "engine/base/bytes.h"
#include "engine/base/error.h"

/* ASCII only: the letters of commands and settings. */
static inline uint8_t hf_text_upper(uint8_t c)
{
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

enum { HF_TEXT_NUMBER = 24 }; /* room for any 64-bit number, its sign and an end mark */

/* Decimal digits. HF_E_INVALID: not a number. HF_E_RANGE: it does not fit. */
HF_MUST_USE hf_err hf_text_u64(hf_bytes text, uint64_t *out);
/* An optional '-' first; "-0" and leading zeros are refused, as a number has one spelling. */
HF_MUST_USE hf_err hf_text_i64(hf_bytes text, int64_t *out);
/* Digits and one of B, KiB, MiB, GiB, TiB, or none: "256MiB". The same errors. */
HF_MUST_USE hf_err hf_text_size(hf_bytes text, uint64_t *bytes);
/* Digits and one of ns, us, ms, s, m, h: "10s"; a bare "0" is allowed. The same errors. */
HF_MUST_USE hf_err hf_text_duration(hf_bytes text, uint64_t *ns);

/* Writes the digits and '\0'; answers the length without it. */
uint32_t hf_text_put_u64(char out[HF_TEXT_NUMBER], uint64_t number);
uint32_t hf_text_put_i64(char out[HF_TEXT_NUMBER], int64_t number);

#endif
