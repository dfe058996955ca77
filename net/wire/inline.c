/* Inline requests: words, "double quoted" with \n \r \t \b \a \xHH, 'single quoted' with \' only. A
 * closing quote ends its word. What is written is never longer than what was read, so it goes in
 * place. */
#include "net/wire/resp_impl.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    uint8_t low = c | 0x20;
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static uint8_t escaped(uint8_t c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* From behind the opening double quote to behind the closing one; false: there is none. */
static bool double_quoted(uint8_t *data, uint32_t size, uint32_t *in, uint32_t *out)
{
    while (*in < size) {
        uint8_t c = data[*in];
        if (c == '"') {
            *in += 1;
            return true;
        }
        if (c == '\\' && size - *in >= 4 && data[*in + 1] == 'x' && hex_digit(data[*in + 2]) >= 0 &&
            hex_digit(data[*in + 3]) >= 0) {
            data[(*out)++] = (uint8_t)(hex_digit(data[*in + 2]) * 16 + hex_digit(data[*in + 3]));
            *in += 4;
        } else if (c == '\\' && size - *in >= 2) {
            data[(*out)++] = escaped(data[*in + 1]);
            *in += 2;
        } else {
            data[(*out)++] = c;
            *in += 1;
        }
    }
    return false;
}

static bool single_quoted(uint8_t *data, uint32_t size, uint32_t *in, uint32_t *out)
{
    while (*in < size) {
        uint8_t c = data[*in];
        if (c == '\'') {
            *in += 1;
            return true;
        }
        if (c == '\\' && size - *in >= 2 && data[*in + 1] == '\'') {
            c = '\'';
            *in += 1;
        }
        data[(*out)++] = c;
        *in += 1;
    }
    return false;
}

/* One word from `*in` on; false: unbalanced quotes. */
static bool one_word(uint8_t *data, uint32_t size, uint32_t *in, uint32_t *out)
{
    while (*in < size && !is_blank(data[*in])) {
        uint8_t c = data[*in];
        *in += 1;
        if (c == '"' || c == '\'') {
            bool closed =
                c == '"' ? double_quoted(data, size, in, out) : single_quoted(data, size, in, out);
            return closed && (*in == size || is_blank(data[*in]));
        }
        data[(*out)++] = c;
    }
    return true;
}

bool hf_resp__split_line(uint8_t *data, uint32_t size, hf_buf *args, uint32_t *argc)
{
    uint32_t in = 0;
    *argc = 0;
    for (;;) {
        while (in < size && is_blank(data[in])) {
            in++;
        }
        if (in == size) {
            return true;
        }
        uint32_t start = in;
        uint32_t out = in;
        if (!one_word(data, size, &in, &out)) {
            return false;
        }
        hf_resp_arg arg = { start, out - start };
        hf_buf_raw(args, &arg, sizeof arg);
        if (args->failed) {
            return false;
        }
        *argc += 1;
    }
}
