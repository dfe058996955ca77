#include "tools/load/request.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 12, ROOM = 4096 };

/* The first key's money moves to the second; Redis runs a script alone, so it cannot be torn. */
const char hf_load_script[] =
    "local b = tonumber(redis.call('GET', KEYS[1]) or '0') if b < 1 then return 0 end "
    "redis.call('DECRBY', KEYS[1], 1) redis.call('INCRBY', KEYS[2], 1) return 1";

static void put(hf_load_request *r, const char *data, size_t size)
{
    memcpy(r->text + r->size, data, size);
    r->size += size;
}

static void put_word(hf_load_request *r, const char *word, size_t size)
{
    char head[32];
    int head_size = snprintf(head, sizeof head, "$%zu\r\n", size);
    put(r, head, (size_t)head_size);
    put(r, word, size);
    put(r, "\r\n", 2);
}

static void put_value(hf_load_request *r, const hf_load_config *c)
{
    if (c->value != NULL) {
        put_word(r, c->value, strlen(c->value));
        return;
    }
    char head[32];
    int head_size = snprintf(head, sizeof head, "$%u\r\n", c->value_size);
    put(r, head, (size_t)head_size);
    memset(r->text + r->size, 'x', c->value_size);
    r->size += c->value_size;
    put(r, "\r\n", 2);
}

/* Words with single blanks between; "@" is a key, "=" the value. */
static void put_command(hf_load_request *r, const hf_load_config *c, const char *words)
{
    char head[32];
    uint32_t count = 1;
    for (const char *at = words; *at != '\0'; at++) {
        count += *at == ' ';
    }
    int head_size = snprintf(head, sizeof head, "*%u\r\n", count);
    put(r, head, (size_t)head_size);
    while (*words != '\0') {
        size_t size = strcspn(words, " ");
        if (size == 1 && *words == '@') {
            char key[64];
            int key_size = snprintf(key, sizeof key, "%s%0*d", c->prefix, DIGITS, 0);
            put_word(r, key, (size_t)key_size);
            r->key_at[r->key_count++] = r->size - 2 - DIGITS;
        } else if (size == 1 && *words == '=') {
            put_value(r, c);
        } else {
            put_word(r, words, size);
        }
        words += size + (words[size] == ' ');
    }
}

bool hf_load_request_make(hf_load_request *r, const hf_load_config *c, const char *sha)
{
    char words[128];
    *r = (hf_load_request){ .text = malloc(ROOM + c->value_size), .replies = 1 };
    if (r->text == NULL) {
        return false;
    }
    switch (c->kind) {
    case HF_LOAD_FILL:
    case HF_LOAD_SET:
        put_command(r, c, "SET @ =");
        break;
    case HF_LOAD_GET:
        put_command(r, c, "GET @");
        break;
    case HF_LOAD_TXN:
        put_command(r, c, "HF.TXN THEN 2 5 HF.ADD @ -1 MIN 0 3 HF.ADD @ 1");
        break;
    case HF_LOAD_MULTI:
        put_command(r, c, "MULTI");
        put_command(r, c, "HF.ADD @ -1 MIN 0");
        put_command(r, c, "HF.ADD @ 1");
        put_command(r, c, "EXEC");
        r->replies = 4;
        break;
    case HF_LOAD_EVAL:
    case HF_LOAD_KINDS:
        (void)snprintf(words, sizeof words, "EVALSHA %.40s 2 @ @", sha);
        put_command(r, c, words);
        break;
    }
    return true;
}

void hf_load_request_free(hf_load_request *r)
{
    free(r->text);
    r->text = NULL;
}

static void set_digits(char *to, uint32_t number)
{
    for (int i = DIGITS - 1; number != 0; i--) {
        to[i] = (char)('0' + number % 10);
        number /= 10;
    }
}

void hf_load_request_put(const hf_load_request *r, const uint32_t keys[2], char *to)
{
    memcpy(to, r->text, r->size);
    for (uint32_t i = 0; i < r->key_count; i++) {
        set_digits(to + r->key_at[i], keys[i]);
    }
}

hf_load_answer hf_load_answer_of(hf_load_kind kind, hf_bytes reply, hf_bytes *what)
{
    const uint8_t *error = reply.data[0] == '-' ? reply.data : NULL;
    if (kind == HF_LOAD_MULTI && reply.data[0] == '*') { /* EXEC: an error inside its array */
        error = memchr(reply.data, '-', reply.size);
    }
    uint32_t left = error == NULL ? 0 : (uint32_t)(reply.data + reply.size - error);
    if ((left > 6 && memcmp(error, "-LIMIT", 6) == 0) ||
        (kind == HF_LOAD_EVAL && reply.data[0] == ':' && reply.data[1] == '0')) {
        return HF_LOAD_REFUSED;
    }
    if (error == NULL) {
        return HF_LOAD_DONE;
    }
    const uint8_t *end = memchr(error, '\r', left);
    *what = hf_bytes_of(error, end == NULL ? left : (uint32_t)(end - error));
    return HF_LOAD_ERROR;
}
