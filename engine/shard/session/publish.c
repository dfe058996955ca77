/* PUBLISH: to the subscribers of every shard; and PUBSUB, what there is to hear. */
#include "engine/shard/session/pubsub.h"

enum { CHANNELS, PATTERNS };

/* ---- Delivery on this shard ---- */

static void put_message(hf_buf *out, uint8_t proto, hf_bytes pattern, hf_bytes name,
                        hf_bytes message)
{
    bool by_pattern = pattern.data != NULL;
    hf_buf_reset(out);
    hf_resp_push(out, by_pattern ? 4 : 3, proto);
    hf_resp_bulk(out, by_pattern ? HF_LIT("pmessage") : HF_LIT("message"));
    if (by_pattern) {
        hf_resp_bulk(out, pattern);
    }
    hf_resp_bulk(out, name);
    hf_resp_bulk(out, message);
}

/* To all subscribers of one channel or pattern. What finds no memory cuts the subscriber off: it
 * must not believe that it heard everything. */
static uint64_t deliver(hf_shard *shard, const hf_channel *c, hf_bytes pattern, hf_bytes name,
                        hf_bytes message)
{
    hf_buf *out = &hf_server_of(shard)->text;
    uint64_t count = c->count; /* who is cut off by this message still counts */
    uint8_t proto = 0;
    for (hf_subscription *s = c->first; s != NULL; s = s->next) {
        if (s->conn->proto != proto) {
            proto = s->conn->proto;
            put_message(out, proto, pattern, name, message);
        }
        if (out->failed) {
            hf_conn__close(shard, s->conn);
        } else {
            hf_push(shard, s->conn, hf_buf_view(out));
        }
    }
    return count;
}

bool hf_answer__publish(hf_shard *shard, hf_answer *answer)
{
    const hf_pubsub *pubsub = &hf_server_of(shard)->pubsub;
    hf_reader r = hf_reader_of(answer->body);
    hf_bytes name = hf_read_bytes(&r);
    hf_bytes message = hf_read_bytes(&r);
    HF_ASSERT(!r.bad);
    const hf_channel *c =
        pubsub->count[CHANNELS] != 0 ? hf_channel__find(shard, CHANNELS, name) : NULL;
    if (c != NULL) {
        answer->value[0] += deliver(shard, c, hf_bytes_of(NULL, 0), name, message);
    }
    for (c = pubsub->first[PATTERNS]; c != NULL; c = c->next) {
        hf_bytes pattern = hf_bytes_of(c->name, c->size);
        if (hf_glob_match(pattern, name)) {
            answer->value[0] += deliver(shard, c, pattern, name, message);
        }
    }
    hf_buf_trim(&hf_server_of(shard)->text, HF_KEEP_BYTES);
    return true;
}

static void finish_number(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    (void)shard;
    hf_resp_integer(reply, (int64_t)gather->value[0]);
}

bool hf_session__publish(hf_shard *shard, hf_conn *conn, const hf_command *command,
                         const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)argc;
    hf_buf *body = &hf_server_of(shard)->body;
    hf_buf_reset(body);
    hf_buf_bytes(body, args[1]);
    hf_buf_bytes(body, args[2]);
    hf_question q = { .ask = HF_ASK_PUBLISH, .body = hf_buf_view(body), .finish = finish_number };
    bool started = body->failed ? hf_word_error(shard, conn, "OOM no memory for the message")
                                : hf_gather__start(shard, conn, &q);
    hf_server_of(shard)->published += started;
    hf_buf_trim(body, HF_KEEP_BYTES);
    return started;
}

/* ---- PUBSUB ---- */

bool hf_answer__channels(hf_shard *shard, hf_answer *answer)
{
    const hf_pubsub *pubsub = &hf_server_of(shard)->pubsub;
    int kind = answer->ask->value[0] != 0 ? PATTERNS : CHANNELS;
    for (const hf_channel *c = pubsub->first[kind]; c != NULL; c = c->next) {
        hf_bytes name = hf_bytes_of(c->name, c->size);
        if (c->count != 0 && (answer->body.size == 0 || hf_glob_match(answer->body, name))) {
            hf_buf_bytes(answer->out, name);
        }
    }
    return true;
}

bool hf_answer__numsub(hf_shard *shard, hf_answer *answer)
{
    hf_reader r = hf_reader_of(answer->body);
    while (hf_reader_left(&r) > 0) {
        const hf_channel *c = hf_channel__find(shard, CHANNELS, hf_read_bytes(&r));
        hf_buf_u64(answer->out, c != NULL ? c->count : 0);
    }
    return true;
}

/* The names of all shards, in order, each once. Answers how many; they lie in the scratch text. */
static uint32_t unique_names(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_buf *list = &hf_server_of(shard)->text;
    hf_buf_reset(list);
    for (uint16_t i = 0; i < shard->count; i++) {
        hf_reader r = hf_reader_of(hf_buf_view(&gather->answers[i]));
        while (hf_reader_left(&r) > 0) {
            hf_bytes name = hf_read_bytes(&r);
            hf_buf_raw(list, &name, sizeof name);
        }
    }
    if (list->failed) {
        reply->failed = true;
        return 0;
    }
    hf_bytes *names = (hf_bytes *)(void *)list->data;
    uint32_t count = list->size / (uint32_t)sizeof *names;
    uint32_t kept = 0;
    hf_word_sort(names, count);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || !hf_bytes_equal(names[kept - 1], names[i])) {
            names[kept++] = names[i];
        }
    }
    return kept;
}

static void finish_channels(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    uint32_t count = unique_names(shard, gather, reply);
    const hf_bytes *names = (const hf_bytes *)(const void *)hf_server_of(shard)->text.data;
    hf_resp_array(reply, count);
    for (uint32_t i = 0; i < count; i++) {
        hf_resp_bulk(reply, names[i]);
    }
}

static void finish_numpat(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_resp_integer(reply, unique_names(shard, gather, reply));
}

static void finish_numsub(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_reader names = hf_reader_of(hf_buf_view(&gather->keep));
    uint32_t count = gather->answers[0].size / (uint32_t)sizeof(uint64_t);
    hf_resp_array(reply, count * 2);
    for (uint32_t k = 0; k < count; k++) {
        uint64_t sum = 0;
        for (uint16_t i = 0; i < shard->count; i++) {
            uint64_t one;
            memcpy(&one, gather->answers[i].data + k * sizeof one, sizeof one);
            sum += one;
        }
        hf_resp_bulk(reply, hf_read_bytes(&names));
        hf_resp_integer(reply, (int64_t)sum);
    }
}

static bool numsub(hf_shard *shard, hf_conn *conn, const hf_bytes *args, uint32_t argc)
{
    hf_buf *body = &hf_server_of(shard)->body;
    hf_buf_reset(body);
    for (uint32_t i = 2; i < argc; i++) {
        hf_buf_bytes(body, args[i]);
    }
    hf_question q = { .ask = HF_ASK_NUMSUB,
                      .body = hf_buf_view(body),
                      .keep = hf_buf_view(body),
                      .finish = finish_numsub };
    return body->failed ? hf_word_error(shard, conn, "OOM no memory for the request")
                        : hf_gather__start(shard, conn, &q);
}

/* Shard channels are not there: none has subscribers. */
static bool shardnumsub(hf_shard *shard, hf_conn *conn, const hf_bytes *args, uint32_t argc)
{
    hf_buf *out = hf_conn__reply(shard, conn);
    hf_resp_array(out, (argc - 2) * 2);
    for (uint32_t i = 2; i < argc; i++) {
        hf_resp_bulk(out, args[i]);
        hf_resp_integer(out, 0);
    }
    hf_conn__done(shard, conn);
    return true;
}

bool hf_session__pubsub(hf_shard *shard, hf_conn *conn, const hf_command *command,
                        const hf_bytes *args, uint32_t argc)
{
    static const char *const help[] = {
        "CHANNELS [<pattern>]",
        "    Return the currently active channels matching a <pattern> (default: '*').",
        "NUMPAT",
        "    Return number of subscriptions to patterns.",
        "NUMSUB [<channel> ...]",
        "    Return the number of subscribers for the specified channels, excluding",
        "    pattern subscriptions(default: no channels).",
        "SHARDCHANNELS [<pattern>]",
        "    Return the currently active shard level channels: none.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Return the number of subscribers for the specified shard level channel(s): 0.",
    };
    hf_bytes sub = args[1];
    if (hf_word_is(sub, "HELP") && argc == 2) {
        return hf_word_help(shard, conn, command, help, sizeof help / sizeof help[0]);
    }
    if (hf_word_is(sub, "CHANNELS") && argc <= 3) {
        hf_question q = { .ask = HF_ASK_CHANNELS,
                          .body = argc == 3 ? args[2] : hf_bytes_of(NULL, 0),
                          .finish = finish_channels };
        return hf_gather__start(shard, conn, &q);
    }
    if (hf_word_is(sub, "NUMPAT") && argc == 2) {
        hf_question q = { .ask = HF_ASK_CHANNELS, .value = { 1 }, .finish = finish_numpat };
        return hf_gather__start(shard, conn, &q);
    }
    if (hf_word_is(sub, "NUMSUB")) {
        return numsub(shard, conn, args, argc);
    }
    if (hf_word_is(sub, "SHARDCHANNELS") && argc <= 3) {
        return hf_word_array0(shard, conn);
    }
    if (hf_word_is(sub, "SHARDNUMSUB")) {
        return shardnumsub(shard, conn, args, argc);
    }
    bool known = hf_word_is(sub, "CHANNELS") || hf_word_is(sub, "NUMPAT") ||
                 hf_word_is(sub, "SHARDCHANNELS") || hf_word_is(sub, "HELP");
    return known ? hf_word_arity(shard, conn, command, sub)
                 : hf_word_unknown(shard, conn, command, sub);
}
