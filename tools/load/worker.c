#include "tools/load/worker.h"
#include "net/wire/resp.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    IN_SIZE = 64 * 1024,
    CONNECT_SECONDS = 10,
    SILENCE_SECONDS = 30, /* longer without any reply is a failure */
};
static const uint64_t second_ns = 1000000000;

struct hf_load_conn {
    int fd;
    uint32_t in_flight; /* requests sent and not answered */
    uint32_t first;     /* of them, in sent_ns[] */
    uint64_t *sent_ns;  /* ring of `pipeline` */
    uint32_t replies;   /* of the oldest request, already seen */
    bool write_wanted;
    char *out;
    size_t out_from, out_to;
    uint8_t in[IN_SIZE];
    uint32_t in_from, in_to;
    uint64_t due; /* open loop: number of its next request */
};

uint64_t hf_load_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * second_ns + (uint64_t)t.tv_nsec;
}

static void fail(hf_load_worker *w, const char *what, const char *why)
{
    if (!w->failed) {
        w->failed = true;
        atomic_store(&w->plan->stop, true);
        (void)snprintf(w->found.error, sizeof w->found.error, "%s: %s", what, why);
    }
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* Puts one request behind what is to be sent. */
static void add_request(hf_load_worker *w, hf_load_conn *conn, uint64_t since_ns)
{
    const hf_load_config *c = w->plan->config;
    const hf_load_request *request = &w->plan->request;
    uint32_t keys[2];
    keys[0] = (uint32_t)hf_prng_below(&w->prng, c->keys);
    keys[1] = (uint32_t)hf_prng_below(&w->prng, c->keys);
    if (c->kind == HF_LOAD_FILL) {
        keys[0] = (uint32_t)w->fill_next++;
    } else if (c->hot_percent != 0 && hf_prng_below(&w->prng, 100) < c->hot_percent) {
        keys[1] = 0;
    }
    hf_load_request_put(request, keys, conn->out + conn->out_to);
    conn->out_to += request->size;
    conn->sent_ns[(conn->first + conn->in_flight) % c->pipeline] = since_ns;
    conn->in_flight++;
}

static bool has_more(const hf_load_worker *w)
{
    return w->plan->config->kind != HF_LOAD_FILL || w->fill_next < w->fill_end;
}

/* ---- Sending and receiving ------------------------------------------------------------------- */

static void want_write(hf_load_worker *w, hf_load_conn *conn, bool wanted)
{
    if (conn->write_wanted != wanted) {
        struct epoll_event event = { .events = EPOLLIN | (wanted ? EPOLLOUT : 0u),
                                     .data.ptr = conn };
        conn->write_wanted = wanted;
        (void)epoll_ctl(w->epoll, EPOLL_CTL_MOD, conn->fd, &event);
    }
}

static void flush(hf_load_worker *w, hf_load_conn *conn)
{
    while (conn->out_from < conn->out_to) {
        ssize_t sent =
            send(conn->fd, conn->out + conn->out_from, conn->out_to - conn->out_from, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                fail(w, "send", strerror(errno));
                return;
            }
            want_write(w, conn, true);
            return;
        }
        conn->out_from += (size_t)sent;
    }
    conn->out_from = conn->out_to = 0;
    want_write(w, conn, false);
}

static uint64_t due_ns(const hf_load_plan *plan, uint64_t number)
{
    return plan->start_ns + (uint64_t)((double)number * 1e9 / (double)plan->config->rate);
}

static void fill_pipeline(hf_load_worker *w, hf_load_conn *conn, uint64_t now)
{
    const hf_load_plan *plan = w->plan;
    const hf_load_config *c = plan->config;
    if (conn->out_to != 0 || (c->rate == 0 && conn->in_flight != 0) ||
        (plan->end_ns != 0 && now >= plan->end_ns)) {
        return;
    }
    while (conn->in_flight < c->pipeline && has_more(w)) {
        uint64_t since = now;
        if (c->rate != 0) {
            since = due_ns(plan, conn->due);
            if (since > now) {
                break;
            }
            conn->due += c->clients;
        }
        add_request(w, conn, since);
    }
    flush(w, conn);
}

static void judge(hf_load_worker *w, hf_bytes reply)
{
    hf_bytes what;
    hf_load_answer answer = hf_load_answer_of(w->plan->config->kind, reply, &what);
    w->found.refused += answer == HF_LOAD_REFUSED && w->measuring;
    if (answer == HF_LOAD_ERROR && w->found.errors++ == 0) {
        (void)snprintf(w->found.error, sizeof w->found.error, "%.*s", (int)what.size,
                       (const char *)what.data);
    }
}

static void count(hf_load_worker *w, uint64_t since, uint64_t now)
{
    uint64_t took = now > since ? now - since : 0;
    w->found.requests++;
    hf_hist_record(&w->found.latency, took);
    uint64_t second = (now - w->plan->measure_ns) / second_ns;
    if (second < w->found.timeline_count) {
        w->found.timeline[second].requests++;
        hf_hist_record(&w->found.timeline[second].latency, took);
    }
}

static void take_reply(hf_load_worker *w, hf_load_conn *conn, hf_bytes reply, uint64_t now)
{
    bool ends = ++conn->replies == w->plan->request.replies;
    if (ends || reply.data[0] == '-') {
        judge(w, reply);
    }
    if (!ends) {
        return;
    }
    conn->replies = 0;
    if (w->measuring) {
        count(w, conn->sent_ns[conn->first], now);
    }
    conn->first = (conn->first + 1) % w->plan->config->pipeline;
    conn->in_flight--;
}

static void receive(hf_load_worker *w, hf_load_conn *conn)
{
    ssize_t got = recv(conn->fd, conn->in + conn->in_to, IN_SIZE - conn->in_to, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            fail(w, "the server", got == 0 ? "ended the connection" : strerror(errno));
        }
        return;
    }
    uint64_t now = hf_load_now();
    w->last_reply_ns = now;
    conn->in_to += (uint32_t)got;
    while (conn->in_from < conn->in_to) {
        hf_bytes rest = hf_bytes_of(conn->in + conn->in_from, conn->in_to - conn->in_from);
        uint32_t size = hf_resp_reply_size(rest);
        if (size == 0) {
            break;
        }
        if (conn->in_flight == 0) {
            fail(w, "the server", "sent a reply that nobody asked for");
            return;
        }
        take_reply(w, conn, hf_bytes_of(rest.data, size), now);
        conn->in_from += size;
    }
    memmove(conn->in, conn->in + conn->in_from, conn->in_to - conn->in_from);
    conn->in_to -= conn->in_from;
    conn->in_from = 0;
    if (conn->in_to == IN_SIZE) {
        fail(w, "the server", "sends replies that are too long");
    }
    fill_pipeline(w, conn, now);
}

/* ---- Life ------------------------------------------------------------------------------------ */

int hf_load_connect(const struct addrinfo *address, int seconds)
{
    int one = 1;
    struct timeval limit = { .tv_sec = seconds };
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    /* A blocking connect keeps to the limit for sending. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

bool hf_load_worker_connect(hf_load_worker *w, const struct addrinfo *address)
{
    for (uint32_t i = 0; i < w->conn_count; i++) {
        hf_load_conn *conn = &w->conns[i];
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };
        conn->fd = hf_load_connect(address, CONNECT_SECONDS);
        if (conn->fd < 0) {
            fail(w, "connect", strerror(errno));
            return false;
        }
        (void)fcntl(conn->fd, F_SETFL, O_NONBLOCK);
        if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0) {
            fail(w, "epoll_ctl", strerror(errno));
            return false;
        }
    }
    return true;
}

static bool take_memory(hf_load_worker *w)
{
    const hf_load_config *c = w->plan->config;
    hf_load_result *found = &w->found;
    w->conns = calloc(w->conn_count, sizeof *w->conns);
    for (uint32_t i = 0; w->conns != NULL && i < w->conn_count; i++) {
        w->conns[i].fd = -1;
    }
    bool good = w->conns != NULL;
    for (uint32_t i = 0; good && i < w->conn_count; i++) {
        w->conns[i].out = malloc(w->plan->request.size * c->pipeline);
        w->conns[i].sent_ns = calloc(c->pipeline, sizeof(uint64_t));
        good = w->conns[i].out != NULL && w->conns[i].sent_ns != NULL;
    }
    if (good && c->timeline) {
        found->timeline_count = (uint32_t)c->seconds + 1;
        found->timeline = calloc(found->timeline_count, sizeof *found->timeline);
        good = found->timeline != NULL;
    }
    for (uint32_t i = 0; good && i < found->timeline_count; i++) {
        hf_hist_reset(&found->timeline[i].latency);
    }
    return good;
}

bool hf_load_worker_open(hf_load_worker *w, hf_load_plan *plan, uint32_t number)
{
    const hf_load_config *c = plan->config;
    memset(w, 0, sizeof *w);
    w->plan = plan;
    w->prng = hf_prng_of(c->seed * 1000003 + number);
    w->conn_count = c->clients / c->threads + (number < c->clients % c->threads);
    w->fill_next = (uint64_t)c->keys * number / c->threads;
    w->fill_end = (uint64_t)c->keys * (number + 1) / c->threads;
    hf_hist_reset(&w->found.latency);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll < 0) {
        fail(w, "epoll", strerror(errno));
    } else if (!take_memory(w)) {
        fail(w, "memory", strerror(ENOMEM));
    }
    for (uint32_t i = 0; !w->failed && i < w->conn_count; i++) {
        w->conns[i].due = number + (uint64_t)i * c->threads;
    }
    return !w->failed;
}

void hf_load_worker_close(hf_load_worker *w)
{
    for (uint32_t i = 0; w->conns != NULL && i < w->conn_count; i++) {
        if (w->conns[i].fd >= 0) {
            (void)close(w->conns[i].fd);
        }
        free(w->conns[i].out);
        free(w->conns[i].sent_ns);
    }
    free(w->conns);
    hf_load_end(&w->found);
    if (w->epoll >= 0) {
        (void)close(w->epoll);
    }
}

/* ---- The run --------------------------------------------------------------------------------- */

static double thread_cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool idle(const hf_load_worker *w)
{
    for (uint32_t i = 0; i < w->conn_count; i++) {
        if (w->conns[i].in_flight != 0) {
            return false;
        }
    }
    return true;
}

/* Begins and ends the measurement; false: it is over. */
static bool tick(hf_load_worker *w, uint64_t now)
{
    const hf_load_plan *plan = w->plan;
    if (!w->measuring && now >= plan->measure_ns) {
        w->measuring = true;
        w->cpu_seconds = thread_cpu_seconds();
    }
    bool over = plan->end_ns == 0 ? !has_more(w) && idle(w) : now >= plan->end_ns;
    if (!over && now > w->last_reply_ns + SILENCE_SECONDS * second_ns) {
        fail(w, "the server", "does not answer any more");
    }
    return !over && !w->failed && !atomic_load_explicit(&w->plan->stop, memory_order_relaxed);
}

/* The next request that is due, of the connections that can send one: how long to wait for it. */
static struct timespec until_due(const hf_load_worker *w, uint64_t now)
{
    uint64_t wait = 10000000;
    if (w->plan->config->rate != 0) {
        uint64_t next = UINT64_MAX;
        for (uint32_t i = 0; i < w->conn_count; i++) {
            const hf_load_conn *conn = &w->conns[i];
            bool has_room = conn->out_to == 0 && conn->in_flight < w->plan->config->pipeline;
            next = has_room && conn->due < next ? conn->due : next;
        }
        uint64_t due = next == UINT64_MAX ? now + wait : due_ns(w->plan, next);
        wait = due <= now ? 0 : due - now < wait ? due - now : wait;
    }
    return (struct timespec){ .tv_nsec = (long)wait };
}

void *hf_load_worker_run(void *worker)
{
    hf_load_worker *w = worker;
    struct epoll_event events[EVENTS];
    uint64_t now = hf_load_now();
    w->last_reply_ns = now;
    for (uint32_t i = 0; i < w->conn_count; i++) {
        fill_pipeline(w, &w->conns[i], now);
    }
    while (tick(w, now)) {
        struct timespec wait = until_due(w, now);
        int ready = epoll_pwait2(w->epoll, events, EVENTS, &wait, NULL);
        for (int i = 0; i < ready && !w->failed; i++) {
            hf_load_conn *conn = events[i].data.ptr;
            if ((events[i].events & EPOLLOUT) != 0) {
                flush(w, conn);
            }
            if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
                receive(w, conn);
            }
        }
        now = hf_load_now();
        for (uint32_t i = 0; w->plan->config->rate != 0 && i < w->conn_count; i++) {
            fill_pipeline(w, &w->conns[i], now);
        }
    }
    w->found.seconds = (double)(now - w->plan->measure_ns) / 1e9;
    w->cpu_seconds = thread_cpu_seconds() - w->cpu_seconds;
    return NULL;
}
