/* What the files of net/wire share; nobody else includes this. */
#ifndef HF_WIRE_RESP_IMPL_H
#define HF_WIRE_RESP_IMPL_H
#include "net/wire/resp.h"

/* Splits and unquotes, in place, the line data[0, size) (its line end excluded); appends to `args`.
 * False: unbalanced quotes. Count in `argc`. */
bool hf_resp__split_line(uint8_t *data, uint32_t size, hf_buf *args, uint32_t *argc);
/* Strict: optional minus, no leading zeros, no plus or blanks, no overflow. */
bool hf_resp__integer_from(const uint8_t *at, uint32_t size, int64_t *value);
/* Writes decimal digits; answers how many (at most 20). */
uint32_t hf_resp__integer_to(int64_t value, char text[21]);

#endif
