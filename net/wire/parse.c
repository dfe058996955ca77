/* The request parser. State between calls: `done` bytes are understood (whole arguments and heads),
 * the line that begins there was searched for its end up to `seen`. Nothing before max(done, seen)
 * is read again. */
#include "engine/base/assert.h"
#include "net/wire/resp_impl.h"
#include <stdio.h>

enum {
    LINE_MAX_SIZE = HF_RESP_INLINE_MAX, /* as Redis' PROTO_INLINE_MAX_SIZE, for heads too */
    ARGS_RESERVED = 1024,               /* a head alone does not make us take more */
};

void hf_resp_parser_open(hf_resp_parser *parser)
{
    *parser = (hf_resp_parser){
        .args_left = -1,
        .bulk_left = -1,
        .args_max = HF_RESP_ARGS_MAX,
        .bulk_max = HF_RESP_BULK_MAX,
    };
}

uint32_t hf_resp_missing(const hf_resp_parser *parser)
{
    return parser->missing;
}

static hf_resp_state bad(hf_resp_parser *parser, const char *text)
{
    snprintf(parser->error, sizeof parser->error, "%s", text);
    return HF_RESP_BAD;
}

/* The parser is set back for the next command; argc stays for the caller. */
static hf_resp_state finish(hf_resp_parser *parser, uint32_t *used)
{
    *used = parser->done;
    parser->done = 0;
    parser->seen = 0;
    parser->missing = 0;
    parser->args_left = -1;
    parser->bulk_left = -1;
    return HF_RESP_COMMAND;
}

bool hf_resp__integer_from(const uint8_t *at, uint32_t size, int64_t *value)
{
    bool negative = size > 1 && at[0] == '-';
    uint32_t i = negative ? 1 : 0;
    if (size == 1 && at[0] == '0') {
        *value = 0;
        return true;
    }
    if (size == 0 || size > 20 || at[i] < '1' || at[i] > '9') {
        return false;
    }
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t sum = 0;
    for (; i < size; i++) {
        uint64_t digit = (uint64_t)at[i] - '0';
        if (digit > 9 || sum > (limit - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

/* Finds the end of the line that begins at `done`: the offset of `mark`, or `size` when it is not
 * there. */
static uint32_t line_end(hf_resp_parser *parser, const uint8_t *data, uint32_t size, uint8_t mark)
{
    uint32_t from = parser->seen > parser->done ? parser->seen : parser->done;
    HF_ASSERT(from <= size);
    const uint8_t *at = from == size ? NULL : memchr(data + from, mark, size - from);
    parser->seen = at == NULL ? size : (uint32_t)(at - data);
    return parser->seen;
}

/* A head line "*n" or "$n". True: `number` is valid if `*good`, and `done` stands behind the line.
 * False: not whole, or too big (then parser->error is set). */
static bool head(hf_resp_parser *parser, const uint8_t *data, uint32_t size, const char *too_big,
                 int64_t *number, bool *good)
{
    uint32_t end = line_end(parser, data, size, '\r');
    if (end - parser->done > LINE_MAX_SIZE) { /* whether its end has come or not: one answer */
        bad(parser, too_big);
        return false;
    }
    if (size - end < 2) {
        return false;
    }
    *good = hf_resp__integer_from(data + parser->done + 1, end - parser->done - 1, number);
    parser->done = end + 2;
    return true;
}

static hf_resp_state parse_inline(hf_resp_parser *parser, uint8_t *data, uint32_t size,
                                  hf_buf *args, uint32_t *used)
{
    uint32_t end = line_end(parser, data, size, '\n');
    if (end > LINE_MAX_SIZE) {
        return bad(parser, "Protocol error: too big inline request");
    }
    if (end == size) {
        return HF_RESP_MORE;
    }
    uint32_t line = end != 0 && data[end - 1] == '\r' ? end - 1 : end;
    if (!hf_resp__split_line(data, line, args, &parser->argc)) {
        return bad(parser,
                   args->failed ? "out of memory" : "Protocol error: unbalanced quotes in request");
    }
    parser->done = end + 1;
    return finish(parser, used);
}

/* The common head, "$" and up to four digits: answers its length, 0 to take the general way. */
static inline uint32_t short_head(const uint8_t *at, uint32_t left, uint32_t *number)
{
    if (left < 7) {
        return 0;
    }
    uint32_t value = (uint32_t)at[1] - '0';
    if (value > 9) {
        return 0;
    }
    if (at[2] == '\r') {
        *number = value;
        return 4;
    }
    if (value == 0) {
        return 0; /* a leading zero: let the general way refuse it */
    }
    for (uint32_t i = 2; i < 5; i++) {
        uint32_t digit = (uint32_t)at[i] - '0';
        if (digit > 9) {
            return 0;
        }
        value = value * 10 + digit;
        if (at[i + 1] == '\r') {
            *number = value;
            return i + 3;
        }
    }
    return 0;
}

static hf_resp_state bulk_head(hf_resp_parser *parser, const uint8_t *data, uint32_t size)
{
    uint32_t start = parser->done;
    int64_t number = 0;
    bool good = false;
    uint32_t end = line_end(parser, data, size, '\r');
    /* Redis looks at the first byte when the line is whole, not before. */
    if (end != size && size - end >= 2 && data[start] != '$') {
        snprintf(parser->error, sizeof parser->error, "Protocol error: expected '$', got '%c'",
                 data[start]);
        return HF_RESP_BAD;
    }
    if (!head(parser, data, size, "Protocol error: too big bulk count string", &number, &good)) {
        return parser->error[0] != 0 ? HF_RESP_BAD : HF_RESP_MORE;
    }
    if (!good || number < 0 || number > HF_RESP_BULK_MAX) {
        return bad(parser, "Protocol error: invalid bulk length");
    }
    if (number > parser->bulk_max) {
        return bad(parser, "Protocol error: unauthenticated bulk length");
    }
    parser->bulk_left = number;
    return HF_RESP_COMMAND;
}

static hf_resp_state one_argument(hf_resp_parser *parser, const uint8_t *data, uint32_t size,
                                  hf_buf *args)
{
    if (parser->bulk_left < 0) {
        hf_resp_state state = bulk_head(parser, data, size);
        if (state != HF_RESP_COMMAND) {
            return state;
        }
    }
    uint64_t end = (uint64_t)parser->done + (uint64_t)parser->bulk_left + 2;
    if (end > UINT32_MAX) {
        return bad(parser, "Protocol error: invalid bulk length");
    }
    if (end > size) {
        parser->missing = (uint32_t)end - size;
        return HF_RESP_MORE;
    }
    hf_resp_arg arg = { parser->done, (uint32_t)parser->bulk_left };
    hf_buf_raw(args, &arg, sizeof arg);
    if (args->failed) {
        return bad(parser, "out of memory");
    }
    parser->done = (uint32_t)end; /* as Redis, the two bytes behind an argument are not looked at */
    parser->seen = parser->done;
    parser->missing = 0;
    parser->bulk_left = -1;
    parser->args_left--;
    parser->argc++;
    return HF_RESP_COMMAND;
}

/* Whole arguments with short heads, as long as they come: the path of nearly all requests. `args`
 * has room for `room` of them. */
static void short_arguments(hf_resp_parser *parser, const uint8_t *data, uint32_t size,
                            hf_buf *args, uint32_t room)
{
    uint32_t at = parser->done;
    uint32_t count = 0;
    hf_resp_arg *out = (hf_resp_arg *)(void *)(args->data + args->size);
    while (count < room) {
        uint32_t number = 0;
        uint32_t left = size - at;
        uint32_t skip = left != 0 && data[at] == '$' ? short_head(data + at, left, &number) : 0;
        if (skip == 0 || number > parser->bulk_max || left - skip < number + 2) {
            break;
        }
        out[count++] = (hf_resp_arg){ at + skip, number };
        at += skip + number + 2;
    }
    if (count != 0) {
        args->size += count * (uint32_t)sizeof(hf_resp_arg);
        parser->argc += count;
        parser->args_left -= count;
        parser->done = at;
        parser->seen = at;
    }
}

static hf_resp_state multibulk_head(hf_resp_parser *parser, const uint8_t *data, uint32_t size)
{
    int64_t number = 0;
    bool good = false;
    uint32_t small = 0;
    uint32_t skip = short_head(data, size, &small);
    if (skip != 0) {
        number = small;
        good = true;
        parser->done = skip;
    } else if (!head(parser, data, size, "Protocol error: too big mbulk count string", &number,
                     &good)) {
        return parser->error[0] != 0 ? HF_RESP_BAD : HF_RESP_MORE;
    }
    if (!good || number > HF_RESP_ARGS_MAX) {
        return bad(parser, "Protocol error: invalid multibulk length");
    }
    if (number > parser->args_max) {
        return bad(parser, "Protocol error: unauthenticated multibulk length");
    }
    parser->args_left = number > 0 ? number : 0;
    return HF_RESP_COMMAND;
}

hf_resp_state hf_resp_parse(hf_resp_parser *parser, uint8_t *data, uint32_t size, hf_buf *args,
                            uint32_t *used)
{
    if (parser->error[0] != 0) {
        return HF_RESP_BAD;
    }
    if (parser->args_left < 0) {
        parser->argc = 0;
        hf_buf_reset(args);
        if (size == 0) {
            return HF_RESP_MORE;
        }
        if (data[0] != '*') {
            return parse_inline(parser, data, size, args, used);
        }
        hf_resp_state state = multibulk_head(parser, data, size);
        if (state != HF_RESP_COMMAND) {
            return state;
        }
    }
    while (parser->args_left > 0) {
        uint32_t room =
            parser->args_left < ARGS_RESERVED ? (uint32_t)parser->args_left : ARGS_RESERVED;
        if (!hf_buf_reserve(args, room * (uint32_t)sizeof(hf_resp_arg))) {
            return bad(parser, "out of memory");
        }
        if (parser->bulk_left < 0) {
            short_arguments(parser, data, size, args, room);
        }
        if (parser->args_left > 0) {
            hf_resp_state state = one_argument(parser, data, size, args);
            if (state != HF_RESP_COMMAND) {
                return state;
            }
        }
    }
    return finish(parser, used);
}
