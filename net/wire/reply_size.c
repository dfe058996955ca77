#include "net/wire/resp_impl.h"

#define KINDS "+-:_,#($=!*~>%|"
enum { LINE_MAX_SIZE = 64 * 1024 };
#define NO_FRAME UINT64_MAX /* nested: the line is whole, and no RESP */

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

/* One frame without what is nested in it: offset behind it (0: not whole, or with NO_FRAME not
 * RESP), and the frames that follow it as its parts. */
static uint32_t one_frame(hf_bytes data, uint32_t at, uint64_t *nested)
{
    *nested = 0;
    uint8_t kind = data.data[at];
    uint32_t next = behind_line(data, at + 1);
    if (next == 0 || memchr(KINDS, kind, sizeof KINDS - 1) == NULL) {
        return 0;
    }
    if (memchr("+-:_,#(", kind, 7) != NULL) {
        return next;
    }
    int64_t number = 0;
    if (!hf_resp__integer_from(data.data + at + 1, next - at - 3, &number) || number < -1 ||
        number > UINT32_MAX) {
        *nested = NO_FRAME;
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

uint32_t hf_resp_scan_on(hf_resp_scan *scan, hf_bytes data)
{
    while (scan->wanted != 0) {
        if (scan->at >= data.size || scan->bad) {
            return 0;
        }
        uint64_t nested = 0;
        uint32_t next = one_frame(data, scan->at, &nested);
        if (next == 0) {
            scan->bad = nested == NO_FRAME ||
                        memchr(KINDS, data.data[scan->at], sizeof KINDS - 1) == NULL ||
                        (data.size - scan->at > LINE_MAX_SIZE && behind_line(data, scan->at) == 0);
            return 0;
        }
        scan->at = next;
        scan->wanted += nested;
        scan->wanted -= 1;
    }
    return scan->at;
}

uint32_t hf_resp_reply_size(hf_bytes data)
{
    hf_resp_scan scan;
    hf_resp_scan_open(&scan);
    return hf_resp_scan_on(&scan, data);
}

uint32_t hf_resp_read(hf_bytes data, hf_resp_value *value)
{
    uint64_t nested = 0;
    uint32_t size = data.size == 0 ? 0 : one_frame(data, 0, &nested);
    *value = (hf_resp_value){ .kind = HF_RESP_KIND_NULL };
    if (size == 0) {
        return 0;
    }
    uint8_t kind = data.data[0];
    uint32_t line = behind_line(data, 1);
    hf_bytes text = hf_bytes_of(data.data + 1, line - 3); /* of its first line */
    switch (kind) {
    case '-':
    case '+':
        value->kind = kind == '-' ? HF_RESP_KIND_ERROR : HF_RESP_KIND_SIMPLE;
        value->bytes = text;
        break;
    case ':':
        if (!hf_resp__integer_from(text.data, text.size, &value->integer)) {
            return 0;
        }
        value->kind = HF_RESP_KIND_INTEGER;
        break;
    case '#':
        value->kind = HF_RESP_KIND_INTEGER;
        value->integer = text.size == 1 && text.data[0] == 't';
        break;
    case ',':
    case '(':
        value->kind = kind == ',' ? HF_RESP_KIND_DOUBLE : HF_RESP_KIND_SIMPLE;
        value->bytes = text;
        break;
    case '_':
        break;
    case '$':
    case '!':
    case '=':
        if (size != line) { /* else it is the null of RESP2 */
            value->kind = kind == '!' ? HF_RESP_KIND_ERROR : HF_RESP_KIND_BULK;
            value->bytes = hf_bytes_of(data.data + line, size - line - 2);
            if (kind == '=' && value->bytes.size >= 4) {
                value->bytes = hf_bytes_of(value->bytes.data + 4, value->bytes.size - 4);
            }
        }
        break;
    default:
        if (text.size == 0 || text.data[0] != '-') {
            value->kind = HF_RESP_KIND_LIST;
            value->count = nested > UINT32_MAX ? UINT32_MAX : (uint32_t)nested;
        }
        break;
    }
    return size;
}
