#include "net/wire/resp_impl.h"
#include <stdarg.h>
#include <stdio.h>

enum { ERROR_TEXT_MAX = 1024 };

uint32_t hf_resp__integer_to(int64_t value, char text[21])
{
    char reversed[20];
    uint32_t count = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        reversed[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    uint32_t size = 0;
    if (value < 0) {
        text[size++] = '-';
    }
    while (count != 0) {
        text[size++] = reversed[--count];
    }
    return size;
}

/* "<kind><number>\r\n" */
static void put_head(hf_buf *out, char kind, int64_t number)
{
    char text[24];
    text[0] = kind;
    uint32_t size = 1 + hf_resp__integer_to(number, text + 1);
    text[size++] = '\r';
    text[size++] = '\n';
    hf_buf_raw(out, text, size);
}

static void put_line_end(hf_buf *out)
{
    hf_buf_raw(out, "\r\n", 2);
}

void hf_resp_simple(hf_buf *out, const char *text)
{
    uint32_t size = (uint32_t)strlen(text);
    uint8_t *at = hf_buf_extend(out, size + 3);
    if (at != NULL) {
        at[0] = '+';
        memcpy(at + 1, text, size);
        memcpy(at + 1 + size, "\r\n", 2);
    }
}

void hf_resp_error(hf_buf *out, const char *text)
{
    uint32_t size = (uint32_t)strlen(text);
    while (size != 0 && (text[size - 1] == '\r' || text[size - 1] == '\n')) {
        size--; /* as Redis: those at the end go, those inside turn into blanks */
    }
    hf_buf_u8(out, '-');
    uint8_t *at = hf_buf_extend(out, size);
    for (uint32_t i = 0; at != NULL && i < size; i++) {
        at[i] = text[i] == '\r' || text[i] == '\n' ? ' ' : (uint8_t)text[i];
    }
    put_line_end(out);
}

void hf_resp_errorf(hf_buf *out, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    hf_resp_error(out, text);
}

void hf_resp_integer(hf_buf *out, int64_t value)
{
    put_head(out, ':', value);
}

/* Up to 99 bytes: the head is written in place. Digits that are put down one by one and copied as a
 * word at once would wait for each other. */
static bool short_bulk(hf_buf *out, hf_bytes value)
{
    if (value.size > 99) {
        return false;
    }
    uint32_t digits = value.size < 10 ? 1 : 2;
    uint8_t *at = hf_buf_extend(out, digits + value.size + 5);
    if (at == NULL) {
        return true;
    }
    at[0] = '$';
    if (digits == 2) {
        at[1] = (uint8_t)('0' + value.size / 10);
    }
    at[digits] = (uint8_t)('0' + value.size % 10);
    at += 1 + digits;
    memcpy(at, "\r\n", 2);
    hf_bytes_copy(at + 2, value);
    memcpy(at + 2 + value.size, "\r\n", 2);
    return true;
}

void hf_resp_bulk(hf_buf *out, hf_bytes value)
{
    if (short_bulk(out, value)) {
        return;
    }
    char text[24];
    text[0] = '$';
    uint32_t head = 1 + hf_resp__integer_to(value.size, text + 1);
    memcpy(text + head, "\r\n", 2);
    head += 2;
    uint8_t *at = hf_buf_extend(out, head + value.size + 2);
    if (at == NULL) {
        return;
    }
    memcpy(at, text, head);
    if (value.size != 0) {
        memcpy(at + head, value.data, value.size);
    }
    memcpy(at + head + value.size, "\r\n", 2);
}

void hf_resp_bulk_integer(hf_buf *out, int64_t value)
{
    char text[21];
    uint32_t size = hf_resp__integer_to(value, text);
    hf_resp_bulk(out, hf_bytes_of(text, size));
}

void hf_resp_null(hf_buf *out, uint8_t proto)
{
    if (proto >= 3) {
        hf_buf_raw(out, "_\r\n", 3);
    } else {
        hf_buf_raw(out, "$-1\r\n", 5);
    }
}

void hf_resp_null_array(hf_buf *out, uint8_t proto)
{
    if (proto >= 3) {
        hf_buf_raw(out, "_\r\n", 3);
    } else {
        hf_buf_raw(out, "*-1\r\n", 5);
    }
}

void hf_resp_array(hf_buf *out, uint32_t count)
{
    put_head(out, '*', count);
}

void hf_resp_map(hf_buf *out, uint32_t pairs, uint8_t proto)
{
    if (proto >= 3) {
        put_head(out, '%', pairs);
    } else {
        put_head(out, '*', (int64_t)pairs * 2);
    }
}

void hf_resp_set(hf_buf *out, uint32_t count, uint8_t proto)
{
    put_head(out, proto >= 3 ? '~' : '*', count);
}

void hf_resp_push(hf_buf *out, uint32_t count, uint8_t proto)
{
    put_head(out, proto >= 3 ? '>' : '*', count);
}

void hf_resp_double(hf_buf *out, double value, uint8_t proto)
{
    char text[40];
    if (value != value) {
        snprintf(text, sizeof text, "nan"); /* never "-nan", which is what the library may print */
    } else {
        snprintf(text, sizeof text, "%.17g", value);
    }
    if (proto >= 3) {
        hf_buf_u8(out, ',');
        hf_buf_raw(out, text, (uint32_t)strlen(text));
        put_line_end(out);
    } else {
        hf_resp_bulk(out, hf_bytes_of(text, strlen(text)));
    }
}

void hf_resp_bool(hf_buf *out, bool value, uint8_t proto)
{
    if (proto >= 3) {
        hf_buf_raw(out, value ? "#t\r\n" : "#f\r\n", 4);
    } else {
        hf_resp_integer(out, value ? 1 : 0);
    }
}

void hf_resp_verbatim(hf_buf *out, const char *kind, hf_bytes text, uint8_t proto)
{
    if (proto < 3) {
        hf_resp_bulk(out, text);
        return;
    }
    char head[4] = { ' ', ' ', ' ', ':' };
    for (uint32_t i = 0; i < 3 && kind[i] != 0; i++) {
        head[i] = kind[i];
    }
    put_head(out, '=', (int64_t)text.size + 4);
    hf_buf_raw(out, head, sizeof head);
    hf_buf_raw(out, text.data, text.size);
    put_line_end(out);
}
