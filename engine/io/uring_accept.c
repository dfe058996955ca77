/* Listeners: bound before the run, accepted on core 0, connections handed to the cores in turn. */
#include "engine/io/clock.h"
#include "engine/io/uring_impl.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BIND_TRIES = 200, /* of 10 ms: a killed process lets go of its listener late */
    BIND_PAUSE_NS = 10000000,
    BACKLOG = 1024,
    ACCEPT_PAUSE_NS = 10000000, /* out of descriptors: look again after that */
    KEEPALIVE_IDLE_S = 300,
};

/* ---- Binding -------------------------------------------------------------------------------- */

/* Accepted sockets inherit these, which spares a few calls for each of them. No SO_REUSEPORT: two
 * nodes on one port would share its clients. SO_REUSEADDR only ignores connections of the past. */
static bool set_options(int fd)
{
    int on = 1;
    int idle = KEEPALIVE_IDLE_S;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle) == 0;
}

/* A listening socket, or -errno. */
static int try_bind(const struct addrinfo *to, int backlog)
{
    int fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC, to->ai_protocol);
    if (fd < 0) {
        return -errno;
    }
    if (!set_options(fd) || bind(fd, to->ai_addr, to->ai_addrlen) != 0 ||
        listen(fd, backlog) != 0) {
        int error = errno;
        (void)close(fd);
        return -error;
    }
    return fd;
}

static int bind_patiently(const struct addrinfo *to, int backlog)
{
    int fd = try_bind(to, backlog);
    for (uint32_t i = 0; fd == -EADDRINUSE && i < BIND_TRIES; i++) {
        struct timespec pause = { .tv_nsec = BIND_PAUSE_NS };
        (void)nanosleep(&pause, NULL);
        fd = try_bind(to, backlog);
    }
    return fd;
}

static uint16_t port_of(int fd)
{
    hf_uring_address at = { .storage = { 0 } };
    socklen_t size = sizeof at;
    HF_ASSERT(getsockname(fd, &at.any, &size) == 0);
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

hf_err hf_uring_listen(hf_uring_node *node, hf_listener listener, const char *host, uint16_t port,
                       int backlog, uint16_t *bound_port)
{
    HF_PRE(listener < HF_LISTENER_COUNT && backlog >= 0);
    struct addrinfo wish = { .ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    char service[8];
    host = host == NULL ? "127.0.0.1" : host;
    if (node->listening_count == HF_URING_LISTENERS_MAX) {
        return hf_uring__fail(HF_E_FULL, 0, "at most %d listeners", (int)HF_URING_LISTENERS_MAX);
    }
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    int bad = getaddrinfo(host, service, &wish, &found);
    if (bad != 0) {
        return hf_uring__fail(HF_E_INVALID, 0, "cannot listen on host %s: %s", host,
                              gai_strerror(bad));
    }
    int fd = bind_patiently(found, backlog == 0 ? BACKLOG : backlog);
    freeaddrinfo(found);
    if (fd == -EADDRINUSE) {
        return hf_uring__fail(HF_E_BUSY, 0, "port %u of %s is taken by another process",
                              (unsigned)port, host);
    }
    if (fd < 0) {
        return hf_uring__fail(HF_E_IO, -fd, "cannot listen on port %u of %s", (unsigned)port, host);
    }
    node->listening[node->listening_count++] =
        (hf_uring_listening){ .fd = fd, .listener = listener };
    if (bound_port != NULL) {
        *bound_port = port_of(fd);
    }
    return HF_OK;
}

/* ---- Accepting ------------------------------------------------------------------------------ */

static void arm(hf_uring_core *core, uint32_t index)
{
    struct io_uring_sqe *sqe = hf_uring__sqe(core);
    io_uring_prep_multishot_accept(sqe, core->node->listening[index].fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, hf_uring__data(HF_URING_TAG_ACCEPT, index));
    core->node->listening[index].armed = true;
}

void hf_uring__accept_start(hf_uring_core *core)
{
    core->accept_again_ns = UINT64_MAX;
    for (uint32_t i = 0; i < core->node->listening_count; i++) {
        if (!core->node->listening[i].armed) {
            arm(core, i);
        }
    }
}

/* Says why, as far as the socket takes it at once, and lets go. */
static void refuse(hf_uring_core *core, int fd, hf_listener listener)
{
    static const char resp[] = "-ERR max number of clients reached\r\n";
    static const char http[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                               "Connection: close\r\n\r\n";
    bool is_http = listener == HF_LISTENER_HTTP;
    core->counters.refused++;
    /* Courtesy only: a peer that cannot take it sees the end of the connection. */
    (void)send(fd, is_http ? http : resp, is_http ? sizeof http - 1 : sizeof resp - 1,
               MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)close(fd);
}

static bool has_room(const hf_uring_node *node, uint16_t to)
{
    uint32_t released = atomic_load_explicit(&node->shared[to].released, memory_order_acquire);
    return node->assigned[to] - released < node->config.connections;
}

/* The core whose turn it is, or the next one with a free slot; core_count: none has. */
static uint16_t choose(hf_uring_node *node)
{
    uint16_t count = node->config.core_count;
    for (uint16_t i = 0; i < count; i++) {
        uint16_t to = (uint16_t)((node->accept_next + i) % count);
        if (has_room(node, to)) {
            node->accept_next = (uint16_t)((to + 1) % count);
            return to;
        }
    }
    return count;
}

static void place(hf_uring_core *core, int fd, hf_listener listener)
{
    hf_uring_node *node = core->node;
    uint16_t to = choose(node);
    if (to != 0 && to != node->config.core_count && node->handoff_free == NULL) {
        /* More are on their way than there are carriers: this one stays here. */
        to = has_room(node, 0) ? 0 : node->config.core_count;
    }
    if (to == node->config.core_count) {
        refuse(core, fd, listener);
        return;
    }
    node->assigned[to]++;
    if (to == 0) {
        hf_uring__conn_begin(core, fd, listener);
        return;
    }
    hf_uring_handoff *handoff = (hf_uring_handoff *)(void *)node->handoff_free;
    node->handoff_free = handoff->msg.next;
    handoff->msg = (hf_msg){ .size = sizeof *handoff, .kind = HF_URING_MSG_HANDOFF };
    handoff->fd = fd;
    handoff->listener = (uint32_t)listener;
    hf_mesh_post(node->mesh, 0, to, &handoff->msg);
    core->out++;
}

void hf_uring__handoff(hf_uring_core *core, const hf_msg *msg)
{
    const hf_uring_handoff *handoff = (const hf_uring_handoff *)(const void *)msg;
    hf_uring__conn_begin(core, handoff->fd, (hf_listener)handoff->listener);
}

void hf_uring__handoff_back(hf_uring_core *core, hf_msg *msg)
{
    HF_PRE(core->io.core == 0);
    msg->next = core->node->handoff_free;
    core->node->handoff_free = msg;
}

/* Errors of the one connection that failed while it waited, rather than of ours. */
static bool is_transient(int32_t result)
{
    return result == -ECONNABORTED || result == -EINTR || result == -EAGAIN || result == -EPROTO ||
           result == -EPERM;
}

void hf_uring__accept_done(hf_uring_core *core, uint32_t index, int32_t result, bool more)
{
    hf_uring_listening *listening = &core->node->listening[index];
    if (core->draining) {
        if (result >= 0) {
            (void)close(result);
        }
        return;
    }
    if (result >= 0) {
        place(core, result, listening->listener);
    }
    if (more) {
        return;
    }
    listening->armed = false;
    if (result >= 0 || is_transient(result)) {
        arm(core, index);
    } else {
        /* Out of descriptors or memory: trying at once would only burn the processor. Clients wait
         * in the backlog meanwhile. */
        core->counters.accept_stalls++;
        core->accept_again_ns = hf_clock_now_ns() + ACCEPT_PAUSE_NS;
    }
}
