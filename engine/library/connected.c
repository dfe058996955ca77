/* A connection to one node of a list: requests pipelined, replies in order, lost connections made
 * good for those calls that may be sent again.
 *
 *   APART -> CONNECTING -> UP -> APART
 *
 * CONNECTING: the socket is there, HELLO is the first call in the queue, others may follow it at
 * once. A call is in `waiting` (not in the socket's stream) or in `queue` (its bytes are, from
 * `begins` on; below `flushed` the kernel has taken them).
 */
#include "engine/base/uuid.h"
#include "engine/library/library_impl.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    NODES_MAX = 16,
    TIMEOUT_MS = 10000,
    RECEIVE = 64 * 1024,
    PAUSE_LEAST_NS = 20000000, /* after every node was tried in vain; doubled up to the most */
    PAUSE_MOST_NS = 1000000000,
    QUEUE = 2048, /* more than calls can be */
    REPLY_MAX = 1 << 30,
};
_Static_assert(QUEUE > HF_CALLS_MAX + 2, "every call fits, and HELLO and HF.AFTER");

typedef struct node {
    struct sockaddr_storage address;
    socklen_t size;
    int family;
} node;

struct hf_nodes {
    node list[NODES_MAX];
    uint32_t count;
    uint64_t timeout_ns;
    _Atomic uint32_t good; /* the one that answered last */
};

typedef enum { SENT_CALL, SENT_HELLO, SENT_AFTER } sent_kind;

typedef struct sent {
    hf_txn *txn; /* NULL: given up */
    uint64_t begins;
    uint64_t until_ns;
    sent_kind kind;
} sent;

typedef struct peer {
    int fd, epoll_fd;
    bool up; /* HELLO was answered */
    bool wants_out;
    uint32_t at;       /* which node */
    uint32_t failures; /* in turn, without one that answered */
    uint64_t again_ns; /* not before */
    hf_txn *waiting_first, *waiting_last;
    sent queue[QUEUE];
    uint32_t first, next;
    uint64_t written, flushed; /* of the stream: put into `out`, taken by the kernel */
    uint64_t after_sent;
    hf_blob out, in;
    uint32_t out_at;
    hf_resp_scan scan;
    hf_err refused; /* by HELLO */
    char words[96];
} peer;

static peer *peer_of(const hf_client *client)
{
    return client->ends;
}

/* ---- The list of nodes ---- */

/* "host:port" or "[::1]:port" to host and port; false: it is not one. */
static bool split(const char *text, size_t size, char *host, size_t room, char *port)
{
    const char *colon = NULL;
    for (size_t i = 0; i < size; i++) {
        colon = text[i] == ':' ? text + i : colon;
    }
    if (colon == NULL || colon == text || (size_t)(text + size - colon) - 1 > 5 ||
        colon + 1 == text + size) {
        return false;
    }
    size_t host_size = (size_t)(colon - text);
    if (text[0] == '[' && text[host_size - 1] == ']') {
        text++;
        host_size -= 2;
    }
    if (host_size == 0 || host_size >= room) {
        return false;
    }
    memcpy(host, text, host_size);
    host[host_size] = 0;
    size_t port_size = strcspn(colon + 1, ","); /* five at most, as seen above */
    memcpy(port, colon + 1, port_size);
    port[port_size] = 0;
    return strspn(port, "0123456789") == port_size;
}

static hf_err resolve(hf_nodes *nodes, const char *host, const char *port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC };
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed != 0) {
        return hf_library__problem(failed == EAI_MEMORY ? HF_E_NOMEM : HF_E_INVALID, "%s: %s", host,
                                   gai_strerror(failed));
    }
    for (const struct addrinfo *a = found; a != NULL && nodes->count < NODES_MAX; a = a->ai_next) {
        node *to = &nodes->list[nodes->count++];
        memcpy(&to->address, a->ai_addr, a->ai_addrlen);
        to->size = a->ai_addrlen;
        to->family = a->ai_family;
    }
    freeaddrinfo(found);
    return HF_OK;
}

/* The next "host:port" of a list; false: it is not one. `*text`: what follows it, NULL at the end.
 */
static bool next_address(const char **text, char *host, size_t room, char *port)
{
    size_t size = strcspn(*text, ",");
    bool good = split(*text, size, host, room, port);
    *text = (*text)[size] == 0 ? NULL : *text + size + 1;
    return good;
}

/* A name that nobody knows is passed over while there is another: its node may be gone for good. */
static hf_err read_addresses(hf_nodes *nodes, const char *text)
{
    char host[256];
    char port[8];
    hf_err err = HF_OK;
    for (const char *at = text; at != NULL;) {
        if (!next_address(&at, host, sizeof host, port)) {
            return hf_library__problem(HF_E_INVALID, "\"%s\": addresses are host:port,host:port",
                                       text);
        }
    }
    for (const char *at = text; at != NULL && err != HF_E_NOMEM;) {
        (void)next_address(&at, host, sizeof host, port);
        hf_err failed = resolve(nodes, host, port);
        err = failed != HF_OK ? failed : err;
    }
    return nodes->count != 0 && err != HF_E_NOMEM ? HF_OK : err;
}

hf_err hf_connected__open(hf_db *db, const char *addresses, const hf_options *options)
{
    hf_nodes *nodes = hf_library__take(&db->allocator, sizeof *nodes);
    if (nodes == NULL) {
        return hf_library__problem(HF_E_NOMEM, "no memory for the list of nodes");
    }
    nodes->timeout_ns =
        (options->timeout_ms == 0 ? TIMEOUT_MS : options->timeout_ms) * UINT64_C(1000000);
    db->nodes = nodes;
    hf_err err = read_addresses(nodes, addresses);
    hf_client *client = NULL;
    if (err == HF_OK) {
        err = hf_client_open(db, &client); /* somebody is there */
    }
    if (err == HF_OK) {
        err = hf_client_close(client);
    }
    if (err != HF_OK) {
        hf_connected__close(db);
    }
    return err;
}

void hf_connected__close(hf_db *db)
{
    hf_library__give(&db->allocator, db->nodes, sizeof *db->nodes);
    db->nodes = NULL;
}

/* ---- Sending ---- */

static sent *queue_at(peer *p, uint32_t number)
{
    return &p->queue[number & (QUEUE - 1)];
}

static void note_sent(peer *p, hf_txn *txn, sent_kind kind, uint64_t until_ns)
{
    HF_ASSERT(p->next - p->first < QUEUE);
    *queue_at(p, p->next++) =
        (sent){ .txn = txn, .begins = p->written, .until_ns = until_ns, .kind = kind };
}

static void put_id(hf_blob *out, const uint8_t id[HF_ID_SIZE])
{
    hf_uuid uuid;
    char text[HF_UUID_TEXT];
    memcpy(uuid.bytes, id, sizeof uuid.bytes);
    hf_uuid_format(&uuid, text);
    hf_blob__word(out, "ID", 2);
    hf_blob__word(out, text, 36);
}

static void put_txn(hf_blob *out, const hf_txn *txn)
{
    uint32_t then = txn->commands - txn->otherwise;
    hf_blob__head(out, '*',
                  1u + (txn->has_id ? 2u : 0u) + txn->condition_words + 2 + txn->words +
                      (txn->has_else ? 2 + txn->else_words : 0u));
    hf_blob__word(out, "HF.TXN", 6);
    if (txn->has_id) {
        put_id(out, txn->id);
    }
    hf_blob__raw(out, txn->condition_bytes.data, txn->condition_bytes.size);
    hf_blob__word(out, "THEN", 4);
    hf_blob__word_integer(out, then);
    hf_blob__raw(out, txn->command_bytes.data, txn->command_bytes.size);
    if (txn->has_else) {
        hf_blob__word(out, "ELSE", 4);
        hf_blob__word_integer(out, txn->otherwise);
        hf_blob__raw(out, txn->else_bytes.data, txn->else_bytes.size);
    }
}

static void put_one(hf_blob *out, const hf_client *client, const hf_txn *txn)
{
    bool leveled =
        txn->reads && !txn->inner && !client->interactive && client->level != HF_READ_STRICT;
    uint32_t words = txn->words - 1;
    hf_blob__head(out, '*', words + (leveled ? 3u : 0u));
    if (leveled) {
        bool bounded = client->level == HF_READ_BOUNDED;
        hf_blob__word(out, "HF.READ", 7);
        hf_blob__word(out, bounded ? "BOUNDED" : "SNAPSHOT", bounded ? 7 : 8);
        hf_blob__word_integer(out, (int64_t)client->level_arg);
    }
    hf_blob__raw(out, txn->command_bytes.data + txn->first_at,
                 txn->command_bytes.size - txn->first_at);
}

/* Into the stream; HF_E_NOMEM: not a byte of it. */
static hf_err put_call(hf_client *client, hf_txn *txn)
{
    peer *p = peer_of(client);
    uint32_t before = p->out.size;
    if (client->after > p->after_sent) {
        hf_blob__head(&p->out, '*', 2);
        hf_blob__word(&p->out, "HF.AFTER", 8);
        hf_blob__word_integer(&p->out, (int64_t)client->after);
    }
    uint32_t begins = p->out.size;
    if (txn->single) {
        put_one(&p->out, client, txn);
    } else {
        put_txn(&p->out, txn);
    }
    if (p->out.failed) {
        p->out.failed = false;
        p->out.size = before;
        return HF_E_NOMEM;
    }
    if (begins != before) {
        note_sent(p, NULL, SENT_AFTER, txn->until_ns);
        p->after_sent = client->after;
        p->written += begins - before;
    }
    note_sent(p, txn, SENT_CALL, txn->until_ns);
    p->written += p->out.size - begins;
    return HF_OK;
}

static void watch(peer *p, bool out)
{
    if (p->epoll_fd >= 0 && p->fd >= 0) {
        struct epoll_event event = { .events = EPOLLIN | (out ? EPOLLOUT : 0) };
        int op = EPOLL_CTL_MOD;
        if (epoll_ctl(p->epoll_fd, op, p->fd, &event) != 0) {
            (void)epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->fd, &event);
        }
    }
    p->wants_out = out;
}

/* ---- The connection's life ---- */

static void wait_again(peer *p, hf_txn *txn)
{
    txn->next = NULL;
    if (p->waiting_last == NULL) {
        p->waiting_first = txn;
    } else {
        p->waiting_last->next = txn;
    }
    p->waiting_last = txn;
}

/* What becomes of a call whose connection is gone. */
static void lose_call(hf_client *client, hf_txn *txn, bool untouched)
{
    peer *p = peer_of(client);
    txn->touched = txn->touched || !untouched;
    if (client->interactive && txn->kind != HF_CALL_BEGIN) {
        bool perhaps = txn->kind == HF_CALL_COMMIT && !untouched;
        hf_client__ended(client, txn, perhaps ? HF_E_INDOUBT : HF_E_CONFLICT,
                         "the connection was lost, and the transaction with it");
    } else if (untouched || txn->reads || txn->has_id || txn->kind == HF_CALL_BEGIN) {
        wait_again(p, txn);
    } else {
        hf_client__ended(client, txn, HF_E_INDOUBT,
                         "the connection was lost after the request was sent");
    }
}

static void lost(hf_client *client)
{
    peer *p = peer_of(client);
    hf_txn *later = p->waiting_first; /* behind those that were sent before them */
    hf_txn *later_last = p->waiting_last;
    (void)close(p->fd); /* takes it out of the epoll set too */
    p->fd = -1;
    p->failures = p->up ? 0 : p->failures + 1;
    p->up = false;
    p->at = (p->at + 1) % client->db->nodes->count;
    if (p->failures >= client->db->nodes->count) {
        uint32_t round = p->failures / client->db->nodes->count;
        uint64_t pause = (uint64_t)PAUSE_LEAST_NS << (round < 6 ? round : 6);
        pause = pause < PAUSE_MOST_NS ? pause : PAUSE_MOST_NS;
        p->again_ns = hf_library__now_ns() + pause;
    }
    p->waiting_first = p->waiting_last = NULL;
    while (p->first != p->next) {
        sent *s = queue_at(p, p->first++);
        if (s->txn != NULL) {
            lose_call(client, s->txn, s->begins >= p->flushed);
        }
    }
    if (later != NULL) {
        if (p->waiting_last == NULL) {
            p->waiting_first = later;
        } else {
            p->waiting_last->next = later;
        }
        p->waiting_last = later_last;
    }
    if (client->interactive) {
        client->lost = true;
    }
    hf_blob__reset(&p->out);
    hf_blob__reset(&p->in);
    p->out_at = 0;
    p->after_sent = 0;
    hf_resp_scan_open(&p->scan);
}

static void dial(hf_client *client)
{
    peer *p = peer_of(client);
    const node *to = &client->db->nodes->list[p->at];
    int yes = 1;
    p->fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0) {
        p->again_ns = hf_library__now_ns() + PAUSE_LEAST_NS; /* no descriptor: perhaps later */
        return;
    }
    (void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    p->written = p->flushed = 0;
    hf_blob__head(&p->out, '*', 2);
    hf_blob__word(&p->out, "HELLO", 5);
    hf_blob__word(&p->out, "3", 1);
    bool refused =
        connect(p->fd, (const struct sockaddr *)(const void *)&to->address, to->size) != 0 &&
        errno != EINPROGRESS && errno != EINTR;
    if (refused || p->out.failed) {
        lost(client);
        return;
    }
    note_sent(p, NULL, SENT_HELLO, 0);
    p->written = p->out.size;
    watch(p, true);
}

static void flush(hf_client *client)
{
    peer *p = peer_of(client);
    while (p->fd >= 0 && p->out_at < p->out.size) {
        ssize_t size = send(p->fd, p->out.data + p->out_at, p->out.size - p->out_at, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN)) {
            watch(p, true);
            return;
        }
        if (size < 0) {
            lost(client);
            return;
        }
        p->out_at += (uint32_t)size;
        p->flushed += (uint64_t)size;
    }
    if (p->fd >= 0 && p->out_at == p->out.size) {
        hf_blob__reset(&p->out);
        p->out_at = 0;
        if (p->wants_out) {
            watch(p, false);
        }
    }
}

/* ---- Replies ---- */

static void take_hello(hf_client *client, hf_bytes reply)
{
    peer *p = peer_of(client);
    if (reply.data[0] == '-') {
        (void)snprintf(p->words, sizeof p->words, "%.*s", (int)(reply.size - 3),
                       (const char *)reply.data + 1);
        p->refused = HF_E_REFUSED;
        return;
    }
    p->up = true;
    p->failures = 0;
    p->refused = HF_OK;
    atomic_store_explicit(&client->db->nodes->good, p->at, memory_order_relaxed);
}

static bool is_loading(hf_bytes reply)
{
    static const char word[] = "-LOADING";
    return reply.size >= sizeof word && memcmp(reply.data, word, sizeof word - 1) == 0;
}

static bool take_reply(hf_client *client, hf_bytes reply)
{
    peer *p = peer_of(client);
    if (p->first == p->next) {
        return false; /* nobody asked */
    }
    sent *s = queue_at(p, p->first++);
    if (s->kind == SENT_HELLO) {
        take_hello(client, reply);
        return p->up;
    }
    if (s->txn != NULL && is_loading(reply) && s->txn->kind == HF_CALL_PLAIN &&
        !client->interactive) {
        wait_again(p, s->txn); /* it is recovering: nothing happened, a little later then */
        p->again_ns = hf_library__now_ns() + PAUSE_LEAST_NS;
    } else if (s->txn != NULL) {
        hf_txn *txn = s->txn;
        hf_blob__raw(&txn->reply, reply.data, reply.size);
        hf_client__replied(client, txn);
    }
    return true;
}

static void take_replies(hf_client *client)
{
    peer *p = peer_of(client);
    uint32_t at = 0;
    while (at < p->in.size) {
        uint32_t size = hf_resp_scan_on(&p->scan, hf_bytes_of(p->in.data + at, p->in.size - at));
        if (p->scan.bad) {
            lost(client);
            return;
        }
        if (size == 0) {
            break;
        }
        hf_resp_scan_open(&p->scan);
        bool push = p->in.data[at] == '>'; /* nobody asked for those */
        if (!push && !take_reply(client, hf_bytes_of(p->in.data + at, size))) {
            lost(client);
            return;
        }
        at += size;
    }
    memmove(p->in.data, p->in.data + at, p->in.size - at);
    p->in.size -= at;
}

static void receive(hf_client *client)
{
    peer *p = peer_of(client);
    while (p->fd >= 0) {
        uint8_t *to = p->in.size > REPLY_MAX ? NULL : hf_blob__extend(&p->in, RECEIVE);
        if (to == NULL) {
            p->in.failed = false;
            lost(client); /* no memory for the replies: they are lost */
            return;
        }
        p->in.size -= RECEIVE;
        ssize_t size = recv(p->fd, to, RECEIVE, 0);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN)) {
            return;
        }
        if (size <= 0) {
            lost(client);
            return;
        }
        p->in.size += (uint32_t)size;
        take_replies(client);
    }
}

/* ---- The way ---- */

static uint64_t deadline(const hf_client *client)
{
    const peer *p = client->ends;
    uint64_t first = p->waiting_first != NULL ? p->waiting_first->until_ns : UINT64_MAX;
    for (uint32_t i = p->first; i != p->next; i++) {
        const sent *s = &p->queue[i & (QUEUE - 1)];
        if (s->txn != NULL) {
            return s->until_ns < first ? s->until_ns : first;
        }
    }
    return first;
}

/* Calls whose time is over. What was sent may happen yet. */
static void give_up(hf_client *client, uint64_t now)
{
    peer *p = peer_of(client);
    hf_txn *list = p->waiting_first;
    if (now < deadline(client)) {
        return;
    }
    p->waiting_first = p->waiting_last = NULL;
    while (list != NULL) {
        hf_txn *txn = list;
        list = txn->next;
        if (now >= txn->until_ns) {
            bool perhaps = txn->touched && !txn->reads;
            hf_client__ended(client, txn, perhaps ? HF_E_INDOUBT : HF_E_DEADLINE,
                             p->refused != HF_OK ? p->words : "no node answered in time");
        } else {
            wait_again(p, txn);
        }
    }
    for (uint32_t i = p->first; i != p->next; i++) {
        sent *s = queue_at(p, i);
        if (s->txn != NULL && now >= s->until_ns) {
            hf_txn *txn = s->txn;
            bool perhaps = (txn->touched || s->begins < p->flushed) && !txn->reads;
            s->txn = NULL;
            hf_client__ended(client, txn, perhaps ? HF_E_INDOUBT : HF_E_DEADLINE,
                             "the node did not answer in time");
        }
    }
}

static void pump(hf_client *client)
{
    peer *p = peer_of(client);
    bool timed = p->first != p->next || p->waiting_first != NULL;
    uint64_t now = timed ? hf_library__now_ns() : 0;
    if (p->fd < 0 && p->waiting_first != NULL && now >= p->again_ns) {
        dial(client);
    }
    while (p->fd >= 0 && p->waiting_first != NULL && now >= p->again_ns) {
        hf_txn *txn = p->waiting_first;
        if (put_call(client, txn) != HF_OK) {
            break; /* when there is memory */
        }
        p->waiting_first = txn->next;
        p->waiting_last = p->waiting_first == NULL ? NULL : p->waiting_last;
    }
    if (p->fd >= 0) {
        flush(client);
        receive(client);
    }
    if (timed) {
        give_up(client, now);
    }
}

static hf_err start(hf_client *client, hf_txn *txn)
{
    peer *p = peer_of(client);
    txn->until_ns =
        hf_library__now_ns() + client->db->nodes->timeout_ns + txn->extra_ms * UINT64_C(1000000);
    if (client->interactive && p->fd < 0 && txn->kind != HF_CALL_BEGIN) {
        client->lost = true;
        return HF_E_CONFLICT;
    }
    if (p->fd >= 0 && p->waiting_first == NULL) {
        hf_err err = put_call(client, txn);
        if (err == HF_OK) {
            flush(client);
        }
        return err;
    }
    wait_again(p, txn);
    pump(client);
    return HF_OK;
}

static void wait_for(hf_client *client, uint32_t wait_ms)
{
    peer *p = peer_of(client);
    uint64_t now = hf_library__now_ns();
    uint64_t until = deadline(client);
    if (p->waiting_first != NULL && p->again_ns < until) {
        until = p->again_ns;
    }
    uint64_t ms = until == UINT64_MAX ? UINT64_MAX : until > now ? (until - now) / 1000000 + 1 : 0;
    ms = ms < wait_ms ? ms : wait_ms;
    struct pollfd fd = { .fd = p->fd, .events = (short)(POLLIN | (p->wants_out ? POLLOUT : 0)) };
    (void)poll(&fd, 1, ms > INT32_MAX ? -1 : (int)ms);
}

static void client_close(hf_client *client)
{
    peer *p = peer_of(client);
    if (p->fd >= 0) {
        (void)close(p->fd);
    }
    if (p->epoll_fd >= 0) {
        (void)close(p->epoll_fd);
    }
    hf_blob__close(&p->out);
    hf_blob__close(&p->in);
    hf_library__give(&client->allocator, p, sizeof *p);
    client->ends = NULL;
}

static hf_err client_open(hf_client *client)
{
    peer *p = hf_library__take(&client->allocator, sizeof *p);
    if (p == NULL) {
        return hf_library__problem(HF_E_NOMEM, "no memory for a client");
    }
    p->fd = p->epoll_fd = -1;
    p->at = atomic_load_explicit(&client->db->nodes->good, memory_order_relaxed);
    hf_blob__open(&p->out, &client->allocator);
    hf_blob__open(&p->in, &client->allocator);
    hf_resp_scan_open(&p->scan);
    client->ends = p;
    uint64_t until = hf_library__now_ns() + client->db->nodes->timeout_ns;
    hf_err err = HF_E_DEADLINE;
    while (!p->up && hf_library__now_ns() < until) {
        if (p->fd < 0 && hf_library__now_ns() >= p->again_ns) {
            dial(client);
        }
        if (p->fd >= 0) {
            struct pollfd fd = { .fd = p->fd,
                                 .events = (short)(POLLIN | (p->wants_out ? POLLOUT : 0)) };
            (void)poll(&fd, 1, 20);
            flush(client);
            receive(client);
        } else {
            (void)poll(NULL, 0, 5);
        }
        if (p->refused != HF_OK) {
            err = p->refused;
            break;
        }
    }
    if (!p->up) {
        (void)hf_library__problem(err, "%s",
                                  err == HF_E_REFUSED ? p->words : "no node answered in time");
        client_close(client);
        return err;
    }
    return HF_OK;
}

static int client_fd(hf_client *client)
{
    peer *p = peer_of(client);
    if (p->epoll_fd < 0) {
        p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        watch(p, p->wants_out);
    }
    return p->epoll_fd;
}

static void quiet(hf_client *client)
{
    (void)client; /* the socket is what it is */
}

static bool failed(const hf_client *client)
{
    (void)client;
    return false;
}

const hf_way hf_connected__way = { .open = client_open,
                                   .close = client_close,
                                   .start = start,
                                   .pump = pump,
                                   .wait = wait_for,
                                   .fd = client_fd,
                                   .quiet = quiet,
                                   .failed = failed };
