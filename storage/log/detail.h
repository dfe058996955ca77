/* hf_log_detail: bounded words for an operator: which file, where, what was found, what to do.
 *
 * What does not fit is cut off; the text always ends with a zero byte.
 */
#ifndef HF_LOG_DETAIL_H
#define HF_LOG_DETAIL_H
#include "engine/base/text.h"

enum { HF_LOG_DETAIL_MAX = 512 };

typedef struct hf_log_detail {
    uint32_t size;
    char at[HF_LOG_DETAIL_MAX];
} hf_log_detail;

static inline void hf_log_detail_reset(hf_log_detail *detail)
{
    detail->size = 0;
    detail->at[0] = '\0';
}
static inline void hf_log_detail_put(hf_log_detail *detail, const char *words)
{
    while (*words != '\0' && detail->size + 1 < HF_LOG_DETAIL_MAX) {
        detail->at[detail->size++] = *words++;
    }
    detail->at[detail->size] = '\0';
}
static inline void hf_log_detail_number(hf_log_detail *detail, uint64_t number)
{
    char digits[HF_TEXT_NUMBER];
    hf_text_put_u64(digits, number);
    hf_log_detail_put(detail, digits);
}
/* 16 hexadecimal digits, as in file names. */
static inline void hf_log_detail_hex(hf_log_detail *detail, uint64_t number)
{
    char digits[17];
    for (uint32_t i = 0; i < 16; i++) {
        digits[i] = "0123456789abcdef"[(number >> (60 - 4 * i)) & 15];
    }
    digits[16] = '\0';
    hf_log_detail_put(detail, digits);
}
/* "PATH, offset O: VERB failed with errno N (words)", or "did only N bytes". */
void hf_log_io_put(hf_log_detail *detail, const char *verb, const char *path, uint64_t offset,
                   int64_t result);

#endif
