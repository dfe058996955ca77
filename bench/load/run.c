#include "bench/load/load.h"
#include "engine/base/prng.h"
#include "net/wire/resp.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    DIGITS = 12,
    EVENTS = 256,
    IN_SIZE = 64 * 1024,
    TEMPLATE_MAX = 128 * 1024,
    SHA_SIZE = 40,
    CONNECT_SECONDS = 10,
    SILENCE_SECONDS = 30, /* longer without any reply is a failure */
};

/* The first key's money moves to the second; Redis runs a script alone, so it cannot be torn. */
static const char script[] =
    "local b = tonumber(redis.call('GET', KEYS[1]) or '0') if b < 1 then return 0 end "
    "redis.call('DECRBY', KEYS[1], 1) redis.call('INCRBY', KEYS[2], 1) return 1";

typedef struct load_conn {
    int fd;
    uint32_t in_flight; /* requests sent and not answered */
    uint32_t first;     /* of them, in sent_ns[] */
    uint64_t *sent_ns;  /* ring of `pipeline` */
    uint32_t replies;   /* of the oldest request, already seen */
    bool write_wanted;
    uint8_t *out;
    size_t out_from, out_to;
    uint8_t in[IN_SIZE];
    uint32_t in_from, in_to;
    uint64_t due; /* open loop: number of its next request */
} load_conn;

typedef struct load {
    const hf_load_config *config;
    hf_load_result *result;
    load_conn *conns;
    int epoll;
    hf_prng prng;
    char *text; /* one request, its keys to be filled in */
    size_t text_size;
    size_t key_at[2];
    uint32_t key_count;
    uint32_t replies_each;
    uint64_t filled; /* fill: keys sent */
    uint64_t start_ns, measure_ns, end_ns, last_reply_ns;
    bool measuring, failed;
    char sha[SHA_SIZE + 1];
} load;

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(pid_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        return 0;
    }
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(load *l, const char *what, const char *why)
{
    if (!l->failed) {
        l->failed = true;
        (void)snprintf(l->result->error, sizeof l->result->error, "%s: %s", what, why);
    }
}

/* ---- Requests -------------------------------------------------------------------------------- */

static void put(load *l, const char *data, size_t size)
{
    memcpy(l->text + l->text_size, data, size);
    l->text_size += size;
}

static void put_word(load *l, const char *word, size_t size)
{
    char head[32];
    int head_size = snprintf(head, sizeof head, "$%zu\r\n", size);
    put(l, head, (size_t)head_size);
    put(l, word, size);
    put(l, "\r\n", 2);
}

/* Words with single blanks between; "@" is a key. */
static void put_command(load *l, const char *words)
{
    char head[32];
    uint32_t count = 1;
    for (const char *at = words; *at != '\0'; at++) {
        count += *at == ' ';
    }
    int head_size = snprintf(head, sizeof head, "*%u\r\n", count);
    put(l, head, (size_t)head_size);
    while (*words != '\0') {
        size_t size = strcspn(words, " ");
        if (size == 1 && *words == '@') {
            char key[64];
            int key_size = snprintf(key, sizeof key, "%s%0*d", l->config->prefix, DIGITS, 0);
            put_word(l, key, (size_t)key_size);
            l->key_at[l->key_count++] = l->text_size - 2 - DIGITS;
        } else {
            put_word(l, words, size);
        }
        words += size + (words[size] == ' ');
    }
}

static void put_value(load *l)
{
    const hf_load_config *c = l->config;
    if (c->value != NULL) {
        put_word(l, c->value, strlen(c->value));
        return;
    }
    char *value = malloc(c->value_size + 1);
    if (value != NULL) {
        memset(value, 'x', c->value_size);
        put_word(l, value, c->value_size);
    }
    free(value);
}

static void make_text(load *l)
{
    char words[256];
    l->replies_each = 1;
    switch (l->config->kind) {
    case HF_LOAD_FILL:
    case HF_LOAD_SET:
        put_command(l, "SET @ $");
        l->text_size -= 7; /* the last word: the value is no word of the list */
        put_value(l);
        break;
    case HF_LOAD_GET:
        put_command(l, "GET @");
        break;
    case HF_LOAD_TXN:
        put_command(l, "HF.TXN THEN 2 5 HF.ADD @ -1 MIN 0 3 HF.ADD @ 1");
        break;
    case HF_LOAD_MULTI:
        put_command(l, "MULTI");
        put_command(l, "HF.ADD @ -1 MIN 0");
        put_command(l, "HF.ADD @ 1");
        put_command(l, "EXEC");
        l->replies_each = 4;
        break;
    case HF_LOAD_EVAL:
    case HF_LOAD_KINDS:
        (void)snprintf(words, sizeof words, "EVALSHA %s 2 @ @", l->sha);
        put_command(l, words);
        break;
    }
}

static void set_digits(char *to, uint32_t number)
{
    for (int i = DIGITS - 1; number != 0; i--) {
        to[i] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* Puts one request behind what is to be sent. */
static void add_request(load *l, load_conn *conn, uint64_t since_ns)
{
    char *at = (char *)conn->out + conn->out_to;
    memcpy(at, l->text, l->text_size);
    uint32_t keys[2];
    keys[0] = (uint32_t)hf_prng_below(&l->prng, l->config->keys);
    keys[1] = (uint32_t)hf_prng_below(&l->prng, l->config->keys);
    if (l->config->kind == HF_LOAD_FILL) {
        keys[0] = (uint32_t)l->filled++;
    } else if (l->config->hot_percent != 0 &&
               hf_prng_below(&l->prng, 100) < l->config->hot_percent) {
        keys[1] = 0;
    }
    for (uint32_t i = 0; i < l->key_count; i++) {
        set_digits(at + l->key_at[i], keys[i]);
    }
    conn->out_to += l->text_size;
    conn->sent_ns[(conn->first + conn->in_flight) % l->config->pipeline] = since_ns;
    conn->in_flight++;
}

static bool has_more(const load *l)
{
    return l->config->kind != HF_LOAD_FILL || l->filled < l->config->keys;
}

/* ---- Sending and receiving ------------------------------------------------------------------- */

static void want_write(load *l, load_conn *conn, bool wanted)
{
    if (conn->write_wanted != wanted) {
        struct epoll_event event = { .events = EPOLLIN | (wanted ? EPOLLOUT : 0u),
                                     .data.ptr = conn };
        conn->write_wanted = wanted;
        (void)epoll_ctl(l->epoll, EPOLL_CTL_MOD, conn->fd, &event);
    }
}

static void flush(load *l, load_conn *conn)
{
    while (conn->out_from < conn->out_to) {
        ssize_t sent =
            send(conn->fd, conn->out + conn->out_from, conn->out_to - conn->out_from, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                fail(l, "send", strerror(errno));
                return;
            }
            want_write(l, conn, true);
            return;
        }
        conn->out_from += (size_t)sent;
    }
    conn->out_from = conn->out_to = 0;
    want_write(l, conn, false);
}

static void fill_pipeline(load *l, load_conn *conn, uint64_t now)
{
    const hf_load_config *c = l->config;
    if (conn->out_to != 0 || (c->rate == 0 && conn->in_flight != 0) ||
        (l->end_ns != 0 && now >= l->end_ns)) {
        return;
    }
    while (conn->in_flight < c->pipeline && has_more(l)) {
        uint64_t since = now;
        if (c->rate != 0) {
            since = l->start_ns + (uint64_t)((double)conn->due * 1e9 / (double)c->rate);
            if (since > now) {
                break;
            }
            conn->due += c->clients;
        }
        add_request(l, conn, since);
    }
    flush(l, conn);
}

static void judge(load *l, hf_bytes reply)
{
    const hf_load_config *c = l->config;
    bool is_error = reply.data[0] == '-';
    /* EXEC: an error inside its array. */
    const uint8_t *inside = c->kind == HF_LOAD_MULTI && reply.data[0] == '*'
                                ? memchr(reply.data, '-', reply.size)
                                : NULL;
    bool refused = (is_error && reply.size > 6 && memcmp(reply.data, "-LIMIT", 6) == 0) ||
                   (c->kind == HF_LOAD_EVAL && reply.data[0] == ':' && reply.data[1] == '0');
    if (l->measuring && refused) {
        l->result->refused++;
    }
    if (!refused && (is_error || inside != NULL)) {
        const uint8_t *from = is_error ? reply.data : inside;
        uint32_t size = (uint32_t)(reply.data + reply.size - from);
        const uint8_t *end = memchr(from, '\r', size);
        if (l->result->errors++ == 0) {
            (void)snprintf(l->result->error, sizeof l->result->error, "%.*s",
                           (int)(end == NULL ? size : (uint32_t)(end - from)), (const char *)from);
        }
    }
}

static void take_reply(load *l, load_conn *conn, hf_bytes reply, uint64_t now)
{
    bool ends = ++conn->replies == l->replies_each;
    if (ends || reply.data[0] == '-') {
        judge(l, reply);
    }
    if (!ends) {
        return;
    }
    conn->replies = 0;
    if (l->measuring) {
        uint64_t since = conn->sent_ns[conn->first];
        l->result->requests++;
        hf_hist_record(&l->result->latency, now > since ? now - since : 0);
    }
    conn->first = (conn->first + 1) % l->config->pipeline;
    conn->in_flight--;
}

static void receive(load *l, load_conn *conn)
{
    ssize_t got = recv(conn->fd, conn->in + conn->in_to, IN_SIZE - conn->in_to, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            fail(l, "the server", got == 0 ? "ended the connection" : strerror(errno));
        }
        return;
    }
    uint64_t now = now_ns();
    l->last_reply_ns = now;
    conn->in_to += (uint32_t)got;
    while (conn->in_from < conn->in_to) {
        hf_bytes rest = hf_bytes_of(conn->in + conn->in_from, conn->in_to - conn->in_from);
        uint32_t size = hf_resp_reply_size(rest);
        if (size == 0) {
            break;
        }
        if (conn->in_flight == 0) {
            fail(l, "the server", "sent a reply that nobody asked for");
            return;
        }
        take_reply(l, conn, hf_bytes_of(rest.data, size), now);
        conn->in_from += size;
    }
    memmove(conn->in, conn->in + conn->in_from, conn->in_to - conn->in_from);
    conn->in_to -= conn->in_from;
    conn->in_from = 0;
    if (conn->in_to == IN_SIZE) {
        fail(l, "the server", "sends replies that are too long");
    }
    fill_pipeline(l, conn, now);
}

/* ---- Connecting ------------------------------------------------------------------------------ */

static int connect_one(load *l, const struct addrinfo *address)
{
    int one = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = { .tv_sec = CONNECT_SECONDS };
    if (fd >= 0) { /* a blocking connect keeps to the limit for sending */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    if (fd < 0 || connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        fail(l, "connect", strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return -1;
    }
    return fd;
}

/* SCRIPT LOAD, on a connection that still blocks. */
static bool load_script(load *l, int fd)
{
    char text[sizeof script + 64];
    char reply[64] = { 0 };
    int size = snprintf(text, sizeof text, "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$%zu\r\n%s\r\n",
                        sizeof script - 1, script);
    if (send(fd, text, (size_t)size, MSG_NOSIGNAL) != size ||
        recv(fd, reply, 5 + SHA_SIZE + 2, MSG_WAITALL) != 5 + SHA_SIZE + 2 ||
        memcmp(reply, "$40\r\n", 5) != 0) {
        fail(l, "SCRIPT LOAD", "the server has no scripts");
        return false;
    }
    memcpy(l->sha, reply + 5, SHA_SIZE);
    return true;
}

static bool connect_all(load *l)
{
    const hf_load_config *c = l->config;
    struct addrinfo wanted = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    int error = getaddrinfo(c->host, c->port, &wanted, &found);
    if (error != 0) {
        fail(l, c->host, gai_strerror(error));
        return false;
    }
    for (uint32_t i = 0; i < c->clients && !l->failed; i++) {
        load_conn *conn = &l->conns[i];
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };
        conn->fd = connect_one(l, found);
        conn->due = i;
        if (conn->fd < 0 || (i == 0 && c->kind == HF_LOAD_EVAL && !load_script(l, conn->fd))) {
            break;
        }
        (void)fcntl(conn->fd, F_SETFL, O_NONBLOCK);
        if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0) {
            fail(l, "epoll_ctl", strerror(errno));
        }
    }
    freeaddrinfo(found);
    return !l->failed;
}

static bool take_memory(load *l)
{
    const hf_load_config *c = l->config;
    l->conns = calloc(c->clients, sizeof *l->conns);
    l->text = malloc(TEMPLATE_MAX + c->value_size);
    for (uint32_t i = 0; l->conns != NULL && i < c->clients; i++) {
        l->conns[i].fd = -1;
    }
    if (l->conns == NULL || l->text == NULL) {
        fail(l, "memory", strerror(ENOMEM));
    }
    return !l->failed;
}

static bool take_buffers(load *l)
{
    const hf_load_config *c = l->config;
    for (uint32_t i = 0; i < c->clients; i++) {
        l->conns[i].out = malloc(l->text_size * c->pipeline);
        l->conns[i].sent_ns = calloc(c->pipeline, sizeof(uint64_t));
        if (l->conns[i].out == NULL || l->conns[i].sent_ns == NULL) {
            fail(l, "memory", strerror(ENOMEM));
        }
    }
    return !l->failed;
}

static void end(load *l)
{
    for (uint32_t i = 0; l->conns != NULL && i < l->config->clients; i++) {
        if (l->conns[i].fd >= 0) {
            (void)close(l->conns[i].fd);
        }
        free(l->conns[i].out);
        free(l->conns[i].sent_ns);
    }
    free(l->conns);
    free(l->text);
    (void)close(l->epoll);
}

/* ---- The run --------------------------------------------------------------------------------- */

static bool idle(const load *l)
{
    for (uint32_t i = 0; i < l->config->clients; i++) {
        if (l->conns[i].in_flight != 0) {
            return false;
        }
    }
    return true;
}

/* Begins and ends the measurement; false: it is over. */
static bool tick(load *l, uint64_t now, double *cpu)
{
    if (!l->measuring && now >= l->measure_ns) {
        l->measuring = true;
        l->measure_ns = now;
        *cpu = cpu_seconds(l->config->pid);
    }
    bool over = l->config->kind == HF_LOAD_FILL ? !has_more(l) && idle(l) : now >= l->end_ns;
    if (now > l->last_reply_ns + (uint64_t)SILENCE_SECONDS * 1000000000u) {
        fail(l, "the server", "does not answer any more");
    }
    return !over && !l->failed;
}

/* The next request that is due, of all connections: how long to wait for it. */
static struct timespec until_due(const load *l, uint64_t now)
{
    uint64_t wait = 10000000;
    if (l->config->rate != 0) {
        uint64_t next = UINT64_MAX;
        for (uint32_t i = 0; i < l->config->clients; i++) {
            next = l->conns[i].due < next ? l->conns[i].due : next;
        }
        uint64_t due = l->start_ns + (uint64_t)((double)next * 1e9 / (double)l->config->rate);
        wait = due <= now ? 0 : due - now < wait ? due - now : wait;
    }
    return (struct timespec){ .tv_nsec = (long)wait };
}

static void loop(load *l)
{
    struct epoll_event events[EVENTS];
    double cpu = 0;
    uint64_t now = now_ns();
    l->start_ns = l->last_reply_ns = now;
    bool is_fill = l->config->kind == HF_LOAD_FILL; /* counts from its first request */
    l->measure_ns = now + (is_fill ? 0 : (uint64_t)(l->config->warmup * 1e9));
    l->end_ns = l->measure_ns + (uint64_t)(l->config->seconds * 1e9);
    if (is_fill) {
        l->end_ns = 0;
    }
    for (uint32_t i = 0; i < l->config->clients; i++) {
        fill_pipeline(l, &l->conns[i], now);
    }
    while (tick(l, now, &cpu)) {
        struct timespec wait = until_due(l, now);
        int count = epoll_pwait2(l->epoll, events, EVENTS, &wait, NULL);
        for (int i = 0; i < count && !l->failed; i++) {
            load_conn *conn = events[i].data.ptr;
            if ((events[i].events & EPOLLOUT) != 0) {
                flush(l, conn);
            }
            if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
                receive(l, conn);
            }
        }
        now = now_ns();
        for (uint32_t i = 0; l->config->rate != 0 && i < l->config->clients; i++) {
            fill_pipeline(l, &l->conns[i], now);
        }
    }
    l->result->seconds = (double)(now - l->measure_ns) / 1e9;
    l->result->server_cpu_seconds = cpu_seconds(l->config->pid) - cpu;
}

bool hf_load_run(const hf_load_config *config, hf_load_result *result)
{
    load l = { .config = config, .result = result, .prng = hf_prng_of(config->seed) };
    memset(result, 0, sizeof *result);
    hf_hist_reset(&result->latency);
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l.epoll < 0) {
        fail(&l, "epoll", strerror(errno));
        return false;
    }
    if (take_memory(&l) && connect_all(&l)) {
        make_text(&l);
        if (take_buffers(&l)) {
            loop(&l);
        }
    }
    end(&l);
    return !l.failed;
}
