/* Words in requests, and the small replies that every command needs. */
#include "engine/shard/session/server.h"

#include "engine/base/text.h"

#include <stdarg.h>
#include <stdio.h>

bool hf_word_is(hf_bytes argument, const char *upper)
{
    uint32_t i = 0;
    while (i < argument.size && upper[i] != 0 &&
           hf_text_upper(argument.data[i]) == (uint8_t)upper[i]) {
        i++;
    }
    return i == argument.size && upper[i] == 0;
}

hf_bytes hf_word_of(const char *text)
{
    return hf_bytes_of(text, strlen(text));
}

bool hf_word_unknown(hf_shard *shard, hf_conn *conn, const hf_command *command, hf_bytes sub)
{
    hf_command_unknown_sub(hf_conn__reply(shard, conn), command, sub);
    hf_conn__done(shard, conn);
    return true;
}

bool hf_word_arity(hf_shard *shard, hf_conn *conn, const hf_command *command, hf_bytes sub)
{
    hf_command_bad_sub_arity(hf_conn__reply(shard, conn), command, sub);
    hf_conn__done(shard, conn);
    return true;
}

bool hf_word_error(hf_shard *shard, hf_conn *conn, const char *text)
{
    hf_conn__error(shard, conn, text);
    return true;
}

bool hf_word_errorf(hf_shard *shard, hf_conn *conn, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    hf_conn__error(shard, conn, text);
    return true;
}

bool hf_word_reply(hf_shard *shard, hf_conn *conn, hf_bytes reply)
{
    hf_buf_raw(hf_conn__reply(shard, conn), reply.data, reply.size);
    hf_conn__done(shard, conn);
    return true;
}

bool hf_word_ok(hf_shard *shard, hf_conn *conn)
{
    hf_conn__ok(shard, conn);
    return true;
}

bool hf_word_syntax(hf_shard *shard, hf_conn *conn)
{
    return hf_word_error(shard, conn, "ERR syntax error");
}

bool hf_word_help(hf_shard *shard, hf_conn *conn, const hf_command *command,
                  const char *const *lines, uint32_t count)
{
    char first[96];
    char name[32];
    uint32_t i = 0;
    for (; command->name[i] != 0 && i < sizeof name - 1; i++) {
        name[i] = (char)hf_text_upper((uint8_t)command->name[i]);
    }
    name[i] = 0;
    (void)snprintf(first, sizeof first,
                   "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    hf_buf *out = hf_conn__reply(shard, conn);
    hf_resp_array(out, count + 3);
    hf_resp_simple(out, first);
    for (i = 0; i < count; i++) {
        hf_resp_simple(out, lines[i]);
    }
    hf_resp_simple(out, "HELP");
    hf_resp_simple(out, "    Print this help.");
    hf_conn__done(shard, conn);
    return true;
}

bool hf_word_integer(hf_shard *shard, hf_conn *conn, int64_t value)
{
    hf_resp_integer(hf_conn__reply(shard, conn), value);
    hf_conn__done(shard, conn);
    return true;
}

bool hf_word_bulk(hf_shard *shard, hf_conn *conn, hf_bytes value)
{
    hf_resp_bulk(hf_conn__reply(shard, conn), value);
    hf_conn__done(shard, conn);
    return true;
}

bool hf_word_text(hf_shard *shard, hf_conn *conn, const char *value)
{
    hf_resp_simple(hf_conn__reply(shard, conn), value);
    hf_conn__done(shard, conn);
    return true;
}

bool hf_word_array0(hf_shard *shard, hf_conn *conn)
{
    hf_resp_array(hf_conn__reply(shard, conn), 0);
    hf_conn__done(shard, conn);
    return true;
}

void hf_put(hf_buf *out, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    int size = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    HF_ASSERT(size >= 0);
    uint32_t most = sizeof text - 1;
    hf_buf_raw(out, text, (uint32_t)size < most ? (uint32_t)size : most);
}

void hf_put_text(hf_buf *out, const char *name, const char *value)
{
    hf_resp_bulk(out, hf_word_of(name));
    hf_resp_bulk(out, hf_word_of(value));
}

void hf_put_bytes(hf_buf *out, const char *name, hf_bytes value)
{
    hf_resp_bulk(out, hf_word_of(name));
    hf_resp_bulk(out, value);
}

void hf_put_number(hf_buf *out, const char *name, int64_t value)
{
    hf_resp_bulk(out, hf_word_of(name));
    hf_resp_integer(out, value);
}

static void sift(hf_bytes *names, uint32_t root, uint32_t count)
{
    for (;;) {
        uint32_t child = 2 * root + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && hf_bytes_compare(names[child], names[child + 1]) < 0) {
            child++;
        }
        if (hf_bytes_compare(names[root], names[child]) >= 0) {
            return;
        }
        hf_bytes other = names[root];
        names[root] = names[child];
        names[child] = other;
        root = child;
    }
}

void hf_word_sort(hf_bytes *names, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;) {
        sift(names, i, count);
    }
    for (uint32_t left = count; left > 1; left--) {
        hf_bytes most = names[0];
        names[0] = names[left - 1];
        names[left - 1] = most;
        sift(names, 0, left - 1);
    }
}

bool hf_word_printable(hf_bytes text)
{
    for (uint32_t i = 0; i < text.size; i++) {
        if (text.data[i] < '!' || text.data[i] > '~') {
            return false;
        }
    }
    return true;
}

void hf_put_quoted(hf_buf *out, hf_bytes text)
{
    hf_buf_u8(out, '"');
    for (uint32_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\') {
            hf_put(out, "\\%c", c);
        } else if (c == '\n') {
            hf_put(out, "\\n");
        } else if (c == '\r') {
            hf_put(out, "\\r");
        } else if (c == '\t') {
            hf_put(out, "\\t");
        } else if (c == '\a') {
            hf_put(out, "\\a");
        } else if (c == '\b') {
            hf_put(out, "\\b");
        } else if (c < ' ' || c > '~') {
            hf_put(out, "\\x%02x", c);
        } else {
            hf_buf_u8(out, c);
        }
    }
    hf_buf_u8(out, '"');
}
