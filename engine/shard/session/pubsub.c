/* Publish and subscribe, over all shards: SUBSCRIBE and what belongs to it. PUBLISH and PUBSUB are
 * in publish.c.
 *
 * A subscription is known to the shard of its connection alone. PUBLISH asks every shard, and its
 * reply is the number of receivers on all of them. Messages of one publisher reach a subscriber in
 * the order of publishing: they go the same way, from shard to shard. Messages of two publishers
 * may reach two subscribers in different orders. Nothing is kept: who is not subscribed, or is cut
 * off because it does not read, misses it.
 *
 * A connection listens until it is told to close, not until it is closed: its client may see the
 * end before the core does, and a PUBLISH that is sent then must not count it.
 */
#include "engine/shard/session/pubsub.h"

#include "engine/base/hash.h"

enum { CHANNELS, PATTERNS };

bool hf_pubsub__open(hf_shard *shard)
{
    hf_pubsub *pubsub = &hf_server_of(shard)->pubsub;
    hf_map_open(&pubsub->maps[CHANNELS], shard->heap, shard->config.node_id);
    hf_map_open(&pubsub->maps[PATTERNS], shard->heap, shard->config.node_id);
    hf_map_open(&pubsub->subscriptions, shard->heap, shard->config.node_id);
    return true;
}

/* ---- Channels (and patterns, which are kept alike) ---- */

static hf_id128 id_of(const hf_shard *shard, hf_bytes name)
{
    return hf_id_of(hf_hash64(shard->config.node_id, name.data, name.size));
}

hf_channel *hf_channel__find(const hf_shard *shard, int kind, hf_bytes name)
{
    hf_channel *c =
        hf_map_find_pointer(&hf_server_of(shard)->pubsub.maps[kind], id_of(shard, name));
    while (c != NULL && !hf_bytes_equal(hf_bytes_of(c->name, c->size), name)) {
        c = c->same;
    }
    return c;
}

static hf_channel *channel_make(hf_shard *shard, int kind, hf_bytes name)
{
    hf_pubsub *pubsub = &hf_server_of(shard)->pubsub;
    hf_channel *c = hf_heap_take(shard->heap, sizeof *c + name.size);
    hf_id128 id = id_of(shard, name);
    if (c == NULL) {
        return NULL;
    }
    *c = (hf_channel){ .kind = (uint8_t)kind, .size = name.size, .number = pubsub->made++ };
    memcpy(c->name, name.data, name.size);
    c->same = hf_map_find_pointer(&pubsub->maps[kind], id);
    if (hf_map_put_pointer(&pubsub->maps[kind], id, c) != HF_OK) {
        hf_heap_give(shard->heap, c);
        return NULL;
    }
    c->prev = pubsub->last[kind];
    if (c->prev != NULL) {
        c->prev->next = c;
    } else {
        pubsub->first[kind] = c;
    }
    pubsub->last[kind] = c;
    return c;
}

static void channel_drop(hf_shard *shard, hf_channel *c)
{
    hf_pubsub *pubsub = &hf_server_of(shard)->pubsub;
    hf_map *map = &pubsub->maps[c->kind];
    hf_id128 id = id_of(shard, hf_bytes_of(c->name, c->size));
    hf_channel *first = hf_map_find_pointer(map, id);
    if (first != c) {
        while (first->same != c) {
            first = first->same;
        }
        first->same = c->same;
    } else if (c->same != NULL) {
        HF_ASSERT(hf_map_put_pointer(map, id, c->same) == HF_OK); /* it is there: no growth */
    } else {
        (void)hf_map_drop(map, id);
    }
    *(c->prev != NULL ? &c->prev->next : &pubsub->first[c->kind]) = c->next;
    *(c->next != NULL ? &c->next->prev : &pubsub->last[c->kind]) = c->prev;
    hf_heap_give(shard->heap, c);
}

static void listen(hf_shard *shard, hf_channel *c)
{
    hf_server_of(shard)->pubsub.count[c->kind] += c->count++ == 0;
}

static void listen_no_more(hf_shard *shard, hf_channel *c)
{
    HF_ASSERT(c->count > 0);
    hf_server_of(shard)->pubsub.count[c->kind] -= --c->count == 0;
}

/* ---- Subscriptions ---- */

static hf_id128 pair_of(const hf_conn *conn, const hf_channel *channel)
{
    return (hf_id128){ conn->number_id, channel->number };
}

static hf_subscription *subscription_of(const hf_shard *shard, const hf_conn *conn,
                                        const hf_channel *channel)
{
    return channel == NULL ? NULL
                           : hf_map_find_pointer(&hf_server_of(shard)->pubsub.subscriptions,
                                                 pair_of(conn, channel));
}

static bool subscribe(hf_shard *shard, hf_conn *conn, int kind, hf_bytes name)
{
    hf_conn_extra *extra = conn->extra;
    hf_channel *channel = hf_channel__find(shard, kind, name);
    if (subscription_of(shard, conn, channel) != NULL) {
        return true;
    }
    if (channel == NULL) {
        channel = channel_make(shard, kind, name);
    }
    hf_subscription *s = channel == NULL ? NULL : hf_heap_take(shard->heap, sizeof *s);
    if (s == NULL || hf_map_put_pointer(&hf_server_of(shard)->pubsub.subscriptions,
                                        pair_of(conn, channel), s) != HF_OK) {
        hf_heap_give(shard->heap, s);
        if (channel != NULL && channel->first == NULL) {
            channel_drop(shard, channel);
        }
        return false;
    }
    *s = (hf_subscription){ .channel = channel,
                            .conn = conn,
                            .conn_next = extra->subscriptions[kind],
                            .prev = channel->last };
    *(channel->last != NULL ? &channel->last->next : &channel->first) = s;
    channel->last = s;
    if (!conn->closing) {
        listen(shard, channel);
    }
    if (s->conn_next != NULL) {
        s->conn_next->conn_prev = s;
    }
    extra->subscriptions[kind] = s;
    extra->count[kind]++;
    return true;
}

static void unsubscribe(hf_shard *shard, hf_conn *conn, hf_subscription *s)
{
    hf_channel *channel = s->channel;
    hf_conn_extra *extra = conn->extra;
    (void)hf_map_drop(&hf_server_of(shard)->pubsub.subscriptions, pair_of(conn, channel));
    *(s->conn_prev != NULL ? &s->conn_prev->conn_next : &extra->subscriptions[channel->kind]) =
        s->conn_next;
    if (s->conn_next != NULL) {
        s->conn_next->conn_prev = s->conn_prev;
    }
    extra->count[channel->kind]--;
    *(s->prev != NULL ? &s->prev->next : &channel->first) = s->next;
    *(s->next != NULL ? &s->next->prev : &channel->last) = s->prev;
    hf_heap_give(shard->heap, s);
    if (!conn->closing) {
        listen_no_more(shard, channel);
    }
    if (channel->first == NULL) {
        channel_drop(shard, channel);
    }
}

bool hf_pubsub__subscribed(const hf_conn *conn)
{
    const hf_conn_extra *extra = conn->listener == HF_LISTENER_CLIENT ? conn->extra : NULL;
    return extra != NULL && extra->count[CHANNELS] + extra->count[PATTERNS] != 0;
}

void hf_pubsub__leave_all(hf_shard *shard, hf_conn *conn)
{
    hf_conn_extra *extra = conn->extra;
    for (int kind = CHANNELS; extra != NULL && kind <= PATTERNS; kind++) {
        while (extra->subscriptions[kind] != NULL) {
            unsubscribe(shard, conn, extra->subscriptions[kind]);
        }
    }
}

void hf_pubsub__closing(hf_shard *shard, hf_conn *conn)
{
    hf_conn_extra *extra = conn->listener == HF_LISTENER_CLIENT ? conn->extra : NULL;
    if (extra == NULL) {
        return;
    }
    /* What it has stays until it is closed: somebody may be going through it now. */
    for (int kind = CHANNELS; kind <= PATTERNS; kind++) {
        for (hf_subscription *s = extra->subscriptions[kind]; s != NULL; s = s->conn_next) {
            listen_no_more(shard, s->channel);
        }
    }
    hf_monitor__leave(shard, conn);
}

void hf_pubsub__closed(hf_shard *shard, hf_conn *conn)
{
    if (conn->listener == HF_LISTENER_CLIENT && conn->extra != NULL) {
        hf_pubsub__leave_all(shard, conn);
        hf_monitor__leave(shard, conn);
        hf_heap_give(shard->heap, conn->extra);
        conn->extra = NULL;
    }
}

bool hf_pubsub__allows(const hf_conn *conn, const hf_command *command, hf_buf *error)
{
    if (conn->proto != 2 || (command->flags & HF_COMMAND_PUBSUB) != 0 ||
        !hf_pubsub__subscribed(conn)) {
        return true;
    }
    hf_resp_errorf(error,
                   "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                   "RESET are allowed in this context",
                   command->name);
    return false;
}

/* ---- The commands ---- */

static void put_confirmation(const hf_conn *conn, hf_buf *out, const char *word, hf_bytes name)
{
    const hf_conn_extra *extra = conn->extra;
    hf_resp_push(out, 3, conn->proto);
    hf_resp_bulk(out, hf_word_of(word));
    if (name.data == NULL) {
        hf_resp_null(out, conn->proto);
    } else {
        hf_resp_bulk(out, name);
    }
    hf_resp_integer(out, (int64_t)extra->count[CHANNELS] + extra->count[PATTERNS]);
}

static bool subscribe_all(hf_shard *shard, hf_conn *conn, int kind, const char *word,
                          const hf_bytes *args, uint32_t argc)
{
    /* Messages go out at once: the replies of what was asked before have to be out first. */
    if (conn->first != conn->next_number) {
        return false;
    }
    if (hf_extra__need(shard, conn) == NULL) {
        return hf_word_error(shard, conn, "OOM no memory to subscribe");
    }
    for (uint32_t i = 1; i < argc; i++) {
        if (args[i].size > HF_NAME_MOST) {
            return hf_word_error(shard, conn, "TOOBIG a channel's name is at most 4096 bytes");
        }
    }
    hf_buf *out = hf_conn__reply(shard, conn);
    for (uint32_t i = 1; i < argc; i++) {
        if (!subscribe(shard, conn, kind, args[i])) {
            hf_resp_error(out, "OOM no memory to subscribe");
            break;
        }
        put_confirmation(conn, out, word, args[i]);
    }
    hf_conn__done(shard, conn);
    return true;
}

static bool unsubscribe_all(hf_shard *shard, hf_conn *conn, int kind, const char *word,
                            const hf_bytes *args, uint32_t argc)
{
    if (conn->first != conn->next_number) {
        return false;
    }
    hf_conn_extra *extra = hf_extra__need(shard, conn);
    if (extra == NULL) {
        return hf_word_error(shard, conn, "OOM no memory to unsubscribe");
    }
    hf_buf *out = hf_conn__reply(shard, conn);
    if (argc == 1 && extra->subscriptions[kind] == NULL) {
        put_confirmation(conn, out, word, hf_bytes_of(NULL, 0));
    }
    while (argc == 1 && extra->subscriptions[kind] != NULL) {
        uint8_t name[HF_NAME_MOST];
        hf_subscription *s = extra->subscriptions[kind];
        uint32_t size = s->channel->size;
        memcpy(name, s->channel->name, size);
        unsubscribe(shard, conn, s);
        put_confirmation(conn, out, word, hf_bytes_of(name, size));
    }
    for (uint32_t i = 1; i < argc; i++) {
        hf_subscription *s = subscription_of(shard, conn, hf_channel__find(shard, kind, args[i]));
        if (s != NULL) {
            unsubscribe(shard, conn, s);
        }
        put_confirmation(conn, out, word, args[i]);
    }
    hf_conn__done(shard, conn);
    return true;
}

bool hf_session__subscribe(hf_shard *shard, hf_conn *conn, const hf_command *command,
                           const hf_bytes *args, uint32_t argc)
{
    (void)command;
    return subscribe_all(shard, conn, CHANNELS, "subscribe", args, argc);
}

bool hf_session__psubscribe(hf_shard *shard, hf_conn *conn, const hf_command *command,
                            const hf_bytes *args, uint32_t argc)
{
    (void)command;
    return subscribe_all(shard, conn, PATTERNS, "psubscribe", args, argc);
}

bool hf_session__unsubscribe(hf_shard *shard, hf_conn *conn, const hf_command *command,
                             const hf_bytes *args, uint32_t argc)
{
    (void)command;
    return unsubscribe_all(shard, conn, CHANNELS, "unsubscribe", args, argc);
}

bool hf_session__punsubscribe(hf_shard *shard, hf_conn *conn, const hf_command *command,
                              const hf_bytes *args, uint32_t argc)
{
    (void)command;
    return unsubscribe_all(shard, conn, PATTERNS, "punsubscribe", args, argc);
}
