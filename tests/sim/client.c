#include "tests/sim/client_impl.h"

#include "engine/base/assert.h"
#include "engine/base/text.h"
#include "net/wire/resp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_TEXT_MAX = 4096, CLIENT_BACKOFF_NS = 4000000 };

/* ---- Life ---- */

void hf_client_open(hf_client *client, hf_world *world, uint32_t number, uint64_t seed,
                    const hf_client_habits *habits, const hf_client_handler *handler, void *owner)
{
    *client = (hf_client){ .world = world,
                           .handler = handler,
                           .owner = owner,
                           .number = number,
                           .habits = *habits,
                           .desert_at = UINT64_MAX,
                           .connect_at = UINT64_MAX };
    hf_world_prng_seed(&client->prng, seed, 0xc11e4700u + number);
}

void hf_client_close(hf_client *client)
{
    free(client->out);
    free(client->in);
    free(client->nodes);
    free(client->frames.data);
    free(client->raw.data);
    free(client->answers.data);
    *client = (hf_client){ 0 };
}

static void on_data(void *context, hf_conn_id conn, hf_bytes data);
static void on_closed(void *context, hf_conn_id conn);

static const hf_world_client client_calls = { .on_data = on_data, .on_closed = on_closed };

/* One line: "@12345 client 3 > *2 $3 GET $1 k", long ones cut. */
static void trace(const hf_client *client, const char *mark, const uint8_t *data, size_t size)
{
    enum { SHOWN = 400 };
    if (client->trace == NULL) {
        return;
    }
    fprintf(client->trace, "@%llu client %u %s ", (unsigned long long)hf_world_now(client->world),
            client->number, mark);
    for (size_t i = 0; i < size && i < SHOWN; i++) {
        if (data[i] != '\n') {
            fputc(data[i] == '\r'                    ? ' '
                  : data[i] < 0x20 || data[i] > 0x7e ? '?'
                                                     : data[i],
                  client->trace);
        }
    }
    fputs(size > SHOWN ? "...\n" : "\n", client->trace);
}

static void transmit(hf_client *client)
{
    hf_bytes bytes = client->habits.local ? hf_client__frames(client)
                                          : hf_bytes_of(client->out, client->out_size);
    client->raw_at = 0;
    hf_world_client_send(client->world, client->conn, bytes);
}

/* The node answers: HELLO (for RESP3), and a read that says -LOADING until the node is ready. */
static void greet(hf_client *client)
{
    client->state = HF_CLIENT_GREETING;
    client->expected = 0;
    client->in_size = client->in_whole = client->in_count = 0;
    client->out_size = client->out_commands = 0;
    hf_client_put(client, "HELLO %d", client->habits.resp3 ? 3 : 2);
    hf_client_put(client, "EXISTS ~");
    client->expected = client->out_commands;
    client->sent_ns = hf_world_now(client->world);
    transmit(client);
}

static void connect_now(void *context)
{
    hf_client *client = context;
    if (client->connect_at > hf_world_now(client->world) || client->stopped ||
        client->state != HF_CLIENT_DOWN) {
        return;
    }
    client->connect_at = UINT64_MAX;
    client->connect_ns = hf_world_now(client->world);
    client->conn = hf_world_connect(client->world,
                                    client->habits.local ? HF_LISTENER_LOCAL : HF_LISTENER_CLIENT,
                                    &client_calls, client);
    greet(client);
}

void hf_client_connect(hf_client *client, uint64_t delay)
{
    HF_PRE(client->state == HF_CLIENT_DOWN);
    client->connect_at = hf_world_now(client->world) + delay;
    hf_world_at(client->world, client->connect_at, connect_now, client);
}

static void ready(hf_client *client)
{
    client->state = HF_CLIENT_READY;
    client->out_size = client->out_commands = 0;
    client->handler->on_ready(client);
}

/* The connection is gone. */
static void down(hf_client *client)
{
    bool waiting = client->state == HF_CLIENT_WAITING;
    client->state = HF_CLIENT_DOWN;
    client->conn = 0;
    client->half = false;
    client->desert_at = UINT64_MAX;
    client->in_size = client->in_whole = client->in_count = 0;
    client->out_size = client->out_commands = client->expected = 0;
    hf_client_connect(client, 1000 + hf_world_prng_expo(&client->prng, CLIENT_BACKOFF_NS));
    trace(client, waiting ? "lost its connection, waiting" : "lost its connection", NULL, 0);
    if (waiting) {
        client->lost++;
        client->handler->on_replies(client, NULL, 0);
    }
}

void hf_client_leave(hf_client *client, hf_world_close_kind kind)
{
    if (client->state != HF_CLIENT_DOWN) {
        hf_world_client_close(client->world, client->conn, kind);
        down(client);
    }
}

static void on_closed(void *context, hf_conn_id conn)
{
    hf_client *client = context;
    if (client->conn == conn) {
        down(client);
    }
}

/* ---- Commands ---- */

static void out_raw(hf_client *client, const void *data, size_t size)
{
    if (client->out_size + size > client->out_room) {
        client->out_room = (client->out_size + size) * 2;
        client->out = realloc(client->out, client->out_room);
        HF_ASSERT(client->out != NULL);
    }
    if (size != 0) {
        memcpy(client->out + client->out_size, data, size);
        client->out_size += size;
    }
}

void hf_client_put_begin(hf_client *client, uint32_t words)
{
    char head[32];
    int size = snprintf(head, sizeof head, "*%u\r\n", words);
    out_raw(client, head, (size_t)size);
    client->out_commands++;
}

void hf_client_put_word(hf_client *client, hf_bytes word)
{
    char head[32];
    int size = snprintf(head, sizeof head, "$%u\r\n", word.size);
    out_raw(client, head, (size_t)size);
    out_raw(client, word.data, word.size);
    out_raw(client, "\r\n", 2);
}

__attribute__((format(printf, 2, 0))) static uint32_t text_of(char text[CLIENT_TEXT_MAX],
                                                              const char *format, va_list list)
{
    int size = vsnprintf(text, CLIENT_TEXT_MAX, format, list);
    HF_ASSERT(size >= 0 && size < CLIENT_TEXT_MAX);
    return (uint32_t)size;
}

void hf_client_put_text(hf_client *client, const char *format, ...)
{
    char text[CLIENT_TEXT_MAX];
    va_list list;
    va_start(list, format);
    uint32_t size = text_of(text, format, list);
    va_end(list);
    hf_client_put_word(client, hf_bytes_of(text, size));
}

static void put_words(hf_client *client, const char *text, uint32_t size, const hf_bytes *tail)
{
    uint32_t words = 1;
    for (uint32_t i = 0; i < size; i++) {
        words += text[i] == ' ';
    }
    hf_client_put_begin(client, words + (tail != NULL));
    for (uint32_t from = 0; from <= size;) {
        uint32_t to = from;
        while (to < size && text[to] != ' ') {
            to++;
        }
        hf_client_put_word(client, hf_bytes_of(text + from, to - from));
        from = to + 1;
    }
    if (tail != NULL) {
        hf_client_put_word(client, *tail);
    }
}

void hf_client_put(hf_client *client, const char *format, ...)
{
    char text[CLIENT_TEXT_MAX];
    va_list list;
    va_start(list, format);
    uint32_t size = text_of(text, format, list);
    va_end(list);
    put_words(client, text, size, NULL);
}

void hf_client_put_tail(hf_client *client, hf_bytes tail, const char *format, ...)
{
    char text[CLIENT_TEXT_MAX];
    va_list list;
    va_start(list, format);
    uint32_t size = text_of(text, format, list);
    va_end(list);
    put_words(client, text, size, &tail);
}

static void desert_now(void *context)
{
    hf_client *client = context;
    if (client->state == HF_CLIENT_WAITING && client->desert_at <= hf_world_now(client->world)) {
        hf_client_leave(client, (hf_world_close_kind)hf_world_prng_below(&client->prng, 3));
    }
}

void hf_client_send(hf_client *client)
{
    HF_PRE(client->state == HF_CLIENT_READY && client->out_commands > 0);
    client->state = HF_CLIENT_WAITING;
    client->expected = client->out_commands;
    client->sent_ns = hf_world_now(client->world);
    client->batches++;
    if (hf_world_prng_chance(&client->prng, client->habits.desert_ppm)) {
        uint64_t wait = hf_world_prng_expo(&client->prng, client->habits.desert_ns);
        client->desert_at = client->sent_ns + wait;
        hf_world_at(client->world, client->desert_at, desert_now, client);
    }
    trace(client, ">", client->out, client->out_size);
    transmit(client);
    client->out_size = client->out_commands = 0;
}

void hf_client_send_once(hf_client *client)
{
    bool half = hf_world_prng_chance(&client->prng, client->habits.half_ppm) &&
                !client->habits.local; /* pipes have no half */
    hf_client_send(client);
    if (half) {
        client->half = true;
        hf_world_client_end(client->world, client->conn);
    }
}

void hf_client_look(hf_client *client)
{
    uint64_t patience = client->habits.patience_ns;
    bool asked = client->state != HF_CLIENT_DOWN && client->state != HF_CLIENT_READY;
    if (asked && patience != 0 && hf_world_now(client->world) - client->sent_ns > patience) {
        hf_client_leave(client, HF_WORLD_CLOSE_RESET);
    }
}

/* ---- Replies ---- */

static uint32_t node_new(hf_client *client, uint32_t count)
{
    uint32_t at = client->node_count;
    if (at + count > client->node_room) {
        client->node_room = (at + count) * 2;
        client->nodes = realloc(client->nodes, client->node_room * sizeof *client->nodes);
        HF_ASSERT(client->nodes != NULL);
    }
    client->node_count += count;
    return at;
}

static int64_t number_of(hf_bytes line)
{
    int64_t number = 0;
    hf_err err = hf_text_i64(line, &number);
    HF_ASSERT(err == HF_OK);
    return number;
}

/* Parses the whole reply at `at` into node `node`; answers where it ends. Children are found by
 * number while the array may still move: `items` is set at the end. */
static const uint8_t *parse(hf_client *client, const uint8_t *at, uint32_t node)
{
    const uint8_t *line = at + 1;
    const uint8_t *end = line;
    while (*end != '\r') {
        end++;
    }
    const uint8_t *next = end + 2;
    hf_reply r = { .kind = (char)*at, .bytes = hf_bytes_of(line, (uint32_t)(end - line)) };
    switch (*at) {
    case ':':
        r.integer = number_of(r.bytes);
        break;
    case '$':
    case '=':
        if (number_of(r.bytes) < 0) {
            r.kind = '_';
            break;
        }
        r.kind = '$';
        r.bytes = hf_bytes_of(next, (uint32_t)number_of(r.bytes));
        next += r.bytes.size + 2;
        break;
    case '*':
    case '%':
    case '~':
    case '>': {
        int64_t count = number_of(r.bytes);
        r.kind = count < 0 ? '_' : '*';
        r.count = count < 0 ? 0 : (uint32_t)count * (*at == '%' ? 2u : 1u);
        uint32_t first = node_new(client, r.count);
        r.integer = first;
        for (uint32_t i = 0; i < r.count; i++) {
            next = parse(client, next, first + i);
        }
        break;
    }
    case '#':
        r.kind = ':';
        r.integer = *line == 't';
        break;
    default: /* '+', '-', ',', '_' */
        break;
    }
    client->nodes[node] = r;
    return next;
}

static void parse_all(hf_client *client, uint32_t count)
{
    client->node_count = 0;
    (void)node_new(client, count);
    const uint8_t *at = client->in;
    for (uint32_t i = 0; i < count; i++) {
        at = parse(client, at, i);
    }
    for (uint32_t i = 0; i < client->node_count; i++) {
        hf_reply *r = &client->nodes[i];
        if (r->kind == '*') {
            r->items = client->nodes + r->integer;
        }
    }
}

static void probe_again(void *context)
{
    hf_client *client = context;
    if (client->state == HF_CLIENT_GREETING && client->expected == 0) {
        greet(client);
    }
}

static void greeted(hf_client *client)
{
    bool open = !hf_reply_is_error(&client->nodes[0], NULL);
    client->in_size = client->in_whole = client->in_count = client->expected = 0;
    if (!open) {
        hf_client_leave(client, HF_WORLD_CLOSE_ORDERLY); /* too many clients, say */
    } else if (client->nodes[1].kind == ':') {
        ready(client);
    } else { /* loading: a little later again */
        hf_world_at(client->world,
                    hf_world_now(client->world) + 1 +
                        hf_world_prng_expo(&client->prng, CLIENT_BACKOFF_NS),
                    probe_again, client);
    }
}

static void whole(hf_client *client)
{
    uint32_t count = client->expected;
    if (client->in_size != client->in_whole || client->in_count > count) {
        client->broken = "bytes that nobody asked for";
        return;
    }
    trace(client, "<", client->in, client->in_size);
    parse_all(client, count);
    if (client->state == HF_CLIENT_GREETING) {
        greeted(client);
        return;
    }
    client->state = client->half ? HF_CLIENT_ENDING : HF_CLIENT_READY;
    client->desert_at = UINT64_MAX;
    client->expected = 0;
    client->in_size = client->in_whole = client->in_count = 0;
    client->handler->on_replies(client, client->nodes, count);
}

static void on_data(void *context, hf_conn_id conn, hf_bytes data)
{
    hf_client *client = context;
    if (client->conn != conn) {
        return;
    }
    if (client->habits.local) {
        if (!hf_client__unframe(client, data)) {
            return;
        }
        data = hf_client__answers(client);
    }
    if (client->in_size + data.size > client->in_room) {
        client->in_room = (client->in_size + data.size) * 2;
        client->in = realloc(client->in, client->in_room);
        HF_ASSERT(client->in != NULL);
    }
    memcpy(client->in + client->in_size, data.data, data.size);
    client->in_size += data.size;
    while (client->in_whole < client->in_size) {
        uint32_t size = hf_resp_reply_size(hf_bytes_of(
            client->in + client->in_whole, (uint32_t)(client->in_size - client->in_whole)));
        if (size == 0) {
            return;
        }
        client->in_whole += size;
        client->in_count++;
    }
    if (client->in_count == 1 && client->in[0] == '-' && client->state == HF_CLIENT_GREETING) {
        return; /* refused: the connection is closed next */
    }
    if (client->in_count >= client->expected) {
        whole(client);
    }
}

bool hf_reply_is_error(const hf_reply *reply, const char *word)
{
    if (reply->kind != '-') {
        return false;
    }
    size_t size = word == NULL ? 0 : strlen(word);
    return reply->bytes.size >= size &&
           memcmp(reply->bytes.data, word == NULL ? "" : word, size) == 0;
}

bool hf_reply_integer(const hf_reply *reply, int64_t *value)
{
    if (reply->kind == ':') {
        *value = reply->integer;
        return true;
    }
    char text[24];
    if (reply->kind != '$' || reply->bytes.size == 0 || reply->bytes.size >= sizeof text) {
        return false;
    }
    memcpy(text, reply->bytes.data, reply->bytes.size);
    text[reply->bytes.size] = '\0';
    char *end;
    *value = strtoll(text, &end, 10);
    return *end == '\0';
}

bool hf_reply_is_text(const hf_reply *reply, const char *text)
{
    size_t size = strlen(text);
    return (reply->kind == '+' || reply->kind == '$') && reply->bytes.size == size &&
           memcmp(reply->bytes.data, text, size) == 0;
}
