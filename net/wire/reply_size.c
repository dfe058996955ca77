#include "net/wire/resp_impl.h"

/* The line from `at` on: offset behind its "\r\n", 0 when it is not whole. */
static uint32_t behind_line(hf_bytes data, uint32_t at)
{
    while (at + 1 < data.size) {
        const uint8_t *found = memchr(data.data + at, '\r', data.size - at - 1);
        if (found == NULL) {
            return 0;
        }
        if (found[1] == '\n') {
            return (uint32_t)(found - data.data) + 2;
        }
        at = (uint32_t)(found - data.data) + 1;
    }
    return 0;
}

/* One frame without what is nested in it: offset behind it (0: not whole, not RESP), and the frames
 * that follow it as its parts. */
static uint32_t one_frame(hf_bytes data, uint32_t at, uint64_t *nested)
{
    *nested = 0;
    uint8_t kind = data.data[at];
    uint32_t next = behind_line(data, at + 1);
    if (next == 0 || memchr("+-:_,#($=!*~>%|", kind, 15) == NULL) {
        return 0;
    }
    if (memchr("+-:_,#(", kind, 7) != NULL) {
        return next;
    }
    int64_t number = 0;
    if (!hf_resp__integer_from(data.data + at + 1, next - at - 3, &number) || number < -1 ||
        number > UINT32_MAX) {
        return 0;
    }
    if (number < 0) {
        return next; /* the nulls of RESP2 */
    }
    if (memchr("$=!", kind, 3) != NULL) {
        uint64_t end = (uint64_t)next + (uint64_t)number + 2;
        return end > data.size ? 0 : (uint32_t)end;
    }
    *nested = (uint64_t)number * (kind == '%' || kind == '|' ? 2 : 1);
    *nested += kind == '|' ? 1 : 0; /* an attribute comes before the reply that it is about */
    return next;
}

uint32_t hf_resp_reply_size(hf_bytes data)
{
    uint32_t at = 0;
    uint64_t wanted = 1;
    while (wanted != 0) {
        if (at >= data.size) {
            return 0;
        }
        uint64_t nested = 0;
        uint32_t next = one_frame(data, at, &nested);
        if (next == 0) {
            return 0;
        }
        at = next;
        wanted += nested;
        wanted -= 1;
    }
    return at;
}
