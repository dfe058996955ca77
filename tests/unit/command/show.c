#include "engine/base/assert.h"
#include "tests/unit/command/fake.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 1024 * 1024 };

typedef struct shown_text {
    char *text;
    size_t size;
} shown_text;

static void put(shown_text *page, const char *text, size_t size)
{
    HF_ASSERT(page->size + size < TEXT_MAX);
    memcpy(page->text + page->size, text, size);
    page->size += size;
    page->text[page->size] = 0;
}

static void put_text(shown_text *page, const char *text)
{
    put(page, text, strlen(text));
}

static void put_quoted(shown_text *page, const uint8_t *data, size_t size)
{
    put_text(page, "\"");
    for (size_t i = 0; i < size; i++) {
        char one[8];
        bool plain = data[i] >= ' ' && data[i] < 127 && data[i] != '"' && data[i] != '\\';
        const char *format = plain ? "%c" : data[i] == '"' || data[i] == '\\' ? "\\%c" : "\\x%02x";
        snprintf(one, sizeof one, format, data[i]);
        put_text(page, one);
    }
    put_text(page, "\"\n");
}

static const uint8_t *show(shown_text *page, const uint8_t *at, int depth);

static const uint8_t *show_list(shown_text *page, const uint8_t *at, int depth, long count,
                                char kind)
{
    if (count <= 0) {
        put_text(page, count < 0 ? "(nil)\n" : kind == '*' ? "(empty array)\n" : "(empty)\n");
        return at;
    }
    for (long i = 0; i < count; i++) {
        char head[32];
        for (int k = 0; i != 0 && k < depth; k++) {
            put_text(page, "   ");
        }
        bool value = kind == '%' && i % 2 != 0;
        snprintf(head, sizeof head, "%ld%s ", kind == '%' ? i / 2 + 1 : i + 1,
                 value         ? "="
                 : kind == '%' ? "#"
                 : kind == '~' ? "~"
                               : ")");
        put_text(page, head);
        at = show(page, at, depth + 1);
    }
    return at;
}

static const uint8_t *show(shown_text *page, const uint8_t *at, int depth)
{
    char kind = (char)*at++;
    const uint8_t *end = at;
    while (*end != '\r') {
        end++;
    }
    size_t size = (size_t)(end - at);
    long number = strtol((const char *)at, NULL, 10);
    const uint8_t *next = end + 2;
    switch (kind) {
    case '-':
        put_text(page, "(error) ");
        put(page, (const char *)at, size);
        put_text(page, "\n");
        return next;
    case ':':
        put_text(page, "(integer) ");
        put(page, (const char *)at, size);
        put_text(page, "\n");
        return next;
    case '+':
        put(page, (const char *)at, size);
        put_text(page, "\n");
        return next;
    case '_':
        put_text(page, "(null)\n");
        return next;
    case '$':
        if (number < 0) {
            put_text(page, "(nil)\n");
            return next;
        }
        put_quoted(page, next, (size_t)number);
        return next + number + 2;
    default:
        return show_list(page, next, depth, kind == '%' ? number * 2 : number, kind);
    }
}

char *fake_show(hf_bytes reply)
{
    shown_text page = { malloc(TEXT_MAX), 0 };
    HF_ASSERT(page.text != NULL);
    page.text[0] = 0;
    if (reply.size != 0) {
        show(&page, reply.data, 0);
    }
    return page.text;
}
