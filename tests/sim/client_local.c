/* A simulated client that is no RESP client but one in the node's process (HF_LISTENER_LOCAL): the
 * batch is put together as RESP like any other, sent as binary requests, and its replies, which
 * come in any order, are put back into the batch's. HF.TXN goes in its binary form. */
#include "tests/sim/client_impl.h"

#include "engine/base/assert.h"
#include "engine/base/text.h"
#include "engine/base/uuid.h"
#include "engine/command/command.h"
#include "engine/shard/session/local.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 4096 };

static void put(hf_client_bytes *to, const void *data, size_t size)
{
    if (to->size + size > to->room) {
        to->room = (to->size + size) * 2;
        to->data = realloc(to->data, to->room);
        HF_ASSERT(to->data != NULL);
    }
    if (size != 0) {
        memcpy(to->data + to->size, data, size);
        to->size += size;
    }
}

static void put_u32(hf_client_bytes *to, uint32_t value)
{
    put(to, &value, sizeof value);
}

static void put_bytes(hf_client_bytes *to, hf_bytes bytes)
{
    put_u32(to, bytes.size);
    put(to, bytes.data, bytes.size);
}

/* "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", as this client wrote it, to words; answers where it ends. */
static const uint8_t *read_words(const uint8_t *at, hf_bytes *words, uint32_t *count)
{
    HF_ASSERT(*at == '*');
    char *end;
    *count = (uint32_t)strtoul((const char *)at + 1, &end, 10);
    HF_ASSERT(*count <= WORDS_MAX);
    for (uint32_t i = 0; i < *count; i++) {
        uint32_t size = (uint32_t)strtoul(end + 3, &end, 10); /* behind "\r\n$" */
        words[i] = hf_bytes_of(end + 2, size);
        end += 2 + size;
    }
    return (const uint8_t *)end + 2;
}

static bool is(hf_bytes word, const char *text)
{
    return hf_bytes_equal(word, hf_bytes_of(text, strlen(text)));
}

/* False: it is not known, or not for a transaction: as a command of the session, which says so. */
static bool put_command(hf_client_bytes *to, uint32_t piece, const hf_bytes *words, uint32_t count)
{
    const hf_command *command = hf_command_find(words[0]);
    if (command == NULL) {
        return false;
    }
    put_u32(to, piece);
    put(to, &command->id, sizeof command->id);
    put_u32(to, count);
    for (uint32_t i = 0; i < count; i++) {
        put_bytes(to, words[i]);
    }
    return true;
}

static uint32_t count_of(hf_bytes word)
{
    uint64_t value = 0;
    HF_ASSERT(hf_text_u64(word, &value) == HF_OK && value <= WORDS_MAX);
    return (uint32_t)value;
}

/* THEN n (count word...)... from words[at] on; answers where it ends. */
static uint32_t put_branch(hf_client_bytes *to, const hf_bytes *words, uint32_t at,
                           uint32_t *commands)
{
    uint32_t n = count_of(words[at + 1]);
    at += 2;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t argc = count_of(words[at]);
        HF_ASSERT(put_command(to, *commands, words + at + 1, argc));
        (*commands)++;
        at += 1 + argc;
    }
    return at;
}

/* HF.TXN as its scenarios write it. */
static void put_txn(hf_client_bytes *to, hf_local_request *head, const hf_bytes *words,
                    uint32_t count)
{
    uint32_t at = 1;
    head->form = HF_LOCAL_TXN;
    if (is(words[at], "ID")) {
        hf_uuid uuid;
        HF_ASSERT(hf_uuid_parse(words[at + 1], &uuid) == HF_OK);
        memcpy(head->id, uuid.bytes, sizeof head->id);
        head->has_id = true;
        at += 2;
    }
    while (is(words[at], "IF")) {
        hf_compare compare;
        uint8_t begin[10] = { 0 };
        HF_ASSERT(hf_compare_parse(words[at + 2], &compare));
        bool unary = compare == HF_COMPARE_EXISTS || compare == HF_COMPARE_ABSENT;
        begin[1] = (uint8_t)compare;
        put(to, begin, sizeof begin);
        put_bytes(to, words[at + 1]);
        put_bytes(to, unary ? hf_bytes_of(NULL, 0) : words[at + 3]);
        head->condition_count++;
        at += unary ? 3 : 4;
    }
    at = put_branch(to, words, at, &head->command_count);
    if (at < count) {
        uint32_t then = head->command_count;
        head->has_else = true;
        at = put_branch(to, words, at, &head->command_count);
        head->otherwise = head->command_count - then;
    }
    HF_ASSERT(at == count);
}

hf_bytes hf_client__frames(hf_client *client)
{
    static const uint8_t zeros[8];
    const uint8_t *at = client->out;
    hf_bytes words[WORDS_MAX];
    client->frames.size = 0;
    client->answered = 0;
    for (uint32_t i = 0; i < client->out_commands; i++) {
        uint32_t count;
        hf_local_request head = { .number = i, .form = HF_LOCAL_COMMAND };
        size_t begin = client->frames.size;
        at = read_words(at, words, &count);
        put(&client->frames, &head, sizeof head);
        if (is(words[0], "HF.TXN")) {
            put_txn(&client->frames, &head, words, count);
        } else {
            head.command_count = 1;
            HF_ASSERT(put_command(&client->frames, 0, words, count));
        }
        head.size = (uint32_t)(client->frames.size - begin);
        memcpy(client->frames.data + begin, &head, sizeof head);
        put(&client->frames, zeros, hf_local_filled(head.size) - head.size);
    }
    HF_ASSERT(at == client->out + client->out_size);
    client->answers.size = 0;
    put(&client->answers, NULL, 0);
    for (uint32_t i = 0; i < client->out_commands; i++) {
        hf_bytes none = { NULL, 0 };
        put(&client->answers, &none, sizeof none);
    }
    client->raw.size = 0;
    return hf_bytes_of(client->frames.data, client->frames.size);
}

/* Offsets into `raw`, which moves, stand in `data` until all are there. */
bool hf_client__unframe(hf_client *client, hf_bytes data)
{
    put(&client->raw, data.data, data.size);
    hf_bytes *answers = (hf_bytes *)(void *)client->answers.data;
    uint32_t count = (uint32_t)(client->answers.size / sizeof *answers);
    size_t at = client->raw_at;
    hf_local_reply head;
    while (client->raw.size - at >= sizeof head) {
        memcpy(&head, client->raw.data + at, sizeof head);
        HF_ASSERT(head.size >= sizeof head && head.number < count);
        if (client->raw.size - at < hf_local_filled(head.size)) {
            break;
        }
        HF_ASSERT(answers[head.number].size == 0); /* one reply each */
        answers[head.number] = (hf_bytes){ (const uint8_t *)(uintptr_t)(at + sizeof head),
                                           head.size - (uint32_t)sizeof head };
        client->answered++;
        at += hf_local_filled(head.size);
    }
    client->raw_at = at;
    return client->answered == count;
}

hf_bytes hf_client__answers(hf_client *client)
{
    const hf_bytes *answers = (const hf_bytes *)(const void *)client->answers.data;
    size_t count = client->answers.size / sizeof *answers;
    client->frames.size = 0;
    for (size_t i = 0; i < count; i++) {
        put(&client->frames, client->raw.data + (uintptr_t)answers[i].data, answers[i].size);
    }
    return hf_bytes_of(client->frames.data, client->frames.size);
}
