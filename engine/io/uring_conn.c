/* Connections of one core: multishot receive into shared buffers, one send, close. */
#include "engine/io/uring_impl.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* hf_conn_id: core in bits 56-63 (plus 1, so that 0 is none), slot in bits 36-55, use of the slot
 * below. A slot whose uses are exhausted is retired. */
#define GENERATION_MAX ((UINT64_C(1) << 36) - 1)
enum { BUFFER_GROUP = 0 };
#define NO_SLOT UINT32_MAX

_Static_assert(HF_URING_CORES_MAX < 255, "a core number fits the identifier");
_Static_assert(HF_URING_CONNECTIONS_MAX <= 1 << 20, "a slot fits the identifier");

static hf_conn_id id_of(const hf_uring_core *core, const hf_uring_conn *conn)
{
    uint64_t index = (uint64_t)(conn - core->conns);
    return (uint64_t)(core->io.core + 1) << 56 | index << 36 | conn->generation;
}

static uint32_t index_of(const hf_uring_core *core, const hf_uring_conn *conn)
{
    return (uint32_t)(conn - core->conns);
}

/* NULL: its on_closed was called already. */
static hf_uring_conn *find(const hf_uring_core *core, hf_conn_id id)
{
    HF_PRE(id >> 56 == (uint64_t)core->io.core + 1);
    uint64_t index = id >> 36 & (HF_URING_CONNECTIONS_MAX - 1);
    HF_PRE(index < core->node->config.connections);
    hf_uring_conn *conn = &core->conns[index];
    bool same = conn->state != HF_URING_CONN_FREE && conn->generation == (id & GENERATION_MAX);
    return same ? conn : NULL;
}

/* ---- Slots: first in first out, so that a number is reused late ----------------------------- */

static void slot_give(hf_uring_core *core, hf_uring_conn *conn)
{
    conn->state = HF_URING_CONN_FREE;
    conn->fd = HF_URING_NONE;
    conn->next_free = NO_SLOT;
    if (conn->generation == GENERATION_MAX) {
        return;
    }
    if (core->free_first == NO_SLOT) {
        core->free_first = index_of(core, conn);
    } else {
        core->conns[core->free_last].next_free = index_of(core, conn);
    }
    core->free_last = index_of(core, conn);
}

static hf_uring_conn *slot_take(hf_uring_core *core)
{
    if (core->free_first == NO_SLOT) {
        return NULL;
    }
    hf_uring_conn *conn = &core->conns[core->free_first];
    HF_ASSERT(conn->state == HF_URING_CONN_FREE && conn->generation < GENERATION_MAX);
    core->free_first = conn->next_free;
    *conn = (hf_uring_conn){ .generation = conn->generation + 1,
                             .state = HF_URING_CONN_OPEN,
                             .next_free = NO_SLOT };
    return conn;
}

void hf_uring__conns_open(hf_uring_core *core)
{
    core->free_first = NO_SLOT;
    for (uint32_t i = 0; i < core->node->config.connections; i++) {
        slot_give(core, &core->conns[i]);
    }
}

void hf_uring__conns_close(hf_uring_core *core)
{
    for (uint32_t i = 0; i < core->node->config.connections; i++) {
        hf_uring_conn *conn = &core->conns[i];
        if (conn->state != HF_URING_CONN_FREE && conn->fd != HF_URING_NONE) {
            (void)close(conn->fd);
            conn->fd = HF_URING_NONE;
        }
    }
}

/* ---- Receive buffers: a ring that the kernel takes from and we give back to ----------------- */

static void buffer_give(hf_uring_core *core, uint16_t number)
{
    const hf_uring_config *config = &core->node->config;
    io_uring_buf_ring_add(core->buf_ring, core->bufs + (size_t)number * config->recv_buffer_size,
                          config->recv_buffer_size, number,
                          io_uring_buf_ring_mask(config->recv_buffers), 0);
    io_uring_buf_ring_advance(core->buf_ring, 1);
}

hf_err hf_uring__buffers_register(hf_uring_core *core)
{
    struct io_uring_buf_reg reg = { .ring_addr = (uint64_t)(uintptr_t)core->buf_ring,
                                    .ring_entries = core->node->config.recv_buffers,
                                    .bgid = BUFFER_GROUP };
    io_uring_buf_ring_init(core->buf_ring);
    int failed = io_uring_register_buf_ring(&core->ring, &reg, 0);
    if (failed != 0) {
        return hf_uring__fail(failed == -ENOMEM ? HF_E_NOMEM : HF_E_NOTSUPPORTED, -failed,
                              "cannot register receive buffers");
    }
    for (uint32_t i = 0; i < core->node->config.recv_buffers; i++) {
        buffer_give(core, (uint16_t)i);
    }
    return HF_OK;
}

/* ---- Operations ----------------------------------------------------------------------------- */

static void receive_start(hf_uring_core *core, hf_uring_conn *conn)
{
    HF_PRE(!conn->receiving && conn->state == HF_URING_CONN_OPEN);
    struct io_uring_sqe *sqe = hf_uring__sqe(core);
    io_uring_prep_recv_multishot(sqe, conn->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, hf_uring__data(HF_URING_TAG_RECV, index_of(core, conn)));
    conn->receiving = true;
    conn->stopping = false;
}

static void receive_stop(hf_uring_core *core, hf_uring_conn *conn)
{
    HF_PRE(conn->receiving && !conn->stopping);
    uint32_t index = index_of(core, conn);
    struct io_uring_sqe *sqe = hf_uring__sqe(core);
    io_uring_prep_cancel64(sqe, hf_uring__data(HF_URING_TAG_RECV, index), 0);
    io_uring_sqe_set_data64(sqe, hf_uring__data(HF_URING_TAG_CANCEL, index));
    conn->stopping = true;
    conn->cancels++;
}

static void send_start(hf_uring_core *core, hf_uring_conn *conn)
{
    struct io_uring_sqe *sqe = hf_uring__sqe(core);
    hf_uring__check_buffer(conn->send_data, conn->send_left);
    /* WAITALL: the kernel itself goes on after a short send. */
    io_uring_prep_send(sqe, conn->fd, conn->send_data, conn->send_left, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, hf_uring__data(HF_URING_TAG_SEND, index_of(core, conn)));
}

/* Submits CLOSE when nothing else of the connection is in flight. */
static void close_if_quiet(hf_uring_core *core, hf_uring_conn *conn)
{
    if (conn->receiving || conn->sending || conn->cancels != 0 || conn->close_submitted) {
        return;
    }
    struct io_uring_sqe *sqe = hf_uring__sqe(core);
    io_uring_prep_close(sqe, conn->fd);
    io_uring_sqe_set_data64(sqe, hf_uring__data(HF_URING_TAG_CLOSE, index_of(core, conn)));
    conn->close_submitted = true;
}

/* Cancels through the ring and not by shutdown(): a send of this turn comes first in the queue, so
 * its reply is in the socket before the end is. */
static void close_start(hf_uring_core *core, hf_uring_conn *conn)
{
    if (conn->state != HF_URING_CONN_OPEN) {
        return;
    }
    conn->state = HF_URING_CONN_CLOSING;
    if (conn->receiving || conn->sending) {
        struct io_uring_sqe *sqe = hf_uring__sqe(core);
        io_uring_prep_cancel_fd(sqe, conn->fd, IORING_ASYNC_CANCEL_ALL);
        io_uring_sqe_set_data64(sqe, hf_uring__data(HF_URING_TAG_CANCEL, index_of(core, conn)));
        conn->cancels++;
    }
    close_if_quiet(core, conn);
}

static void peer_text(int fd, char text[HF_URING_PEER_SIZE])
{
    hf_uring_address at = { .storage = { 0 } };
    socklen_t size = sizeof at;
    char host[INET6_ADDRSTRLEN] = "?";
    if (getpeername(fd, &at.any, &size) != 0) {
        (void)snprintf(text, HF_URING_PEER_SIZE, "?:0"); /* gone again already */
    } else if (at.any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &at.v6.sin6_addr, host, sizeof host);
        (void)snprintf(text, HF_URING_PEER_SIZE, "[%s]:%u", host, (unsigned)ntohs(at.v6.sin6_port));
    } else {
        (void)inet_ntop(AF_INET, &at.v4.sin_addr, host, sizeof host);
        (void)snprintf(text, HF_URING_PEER_SIZE, "%s:%u", host, (unsigned)ntohs(at.v4.sin_port));
    }
}

void hf_uring__conn_begin(hf_uring_core *core, int fd, hf_listener listener)
{
    hf_uring_conn *conn = slot_take(core);
    if (conn == NULL) {
        /* Only after slots were retired: core 0 counts what it hands out. */
        (void)close(fd);
        atomic_fetch_add_explicit(&core->node->shared[core->io.core].released, 1,
                                  memory_order_release);
        return;
    }
    conn->fd = fd;
    conn->want = true;
    peer_text(fd, core->peers[index_of(core, conn)]);
    core->counters.accepts++;
    core->counters.connections++;
    core->io.handler->on_accept(core->io.context, id_of(core, conn), listener);
    if (conn->state == HF_URING_CONN_OPEN && conn->want && !conn->receiving) {
        receive_start(core, conn);
    }
}

/* ---- Completions ---------------------------------------------------------------------------- */

static bool is_passing(int32_t result)
{
    return result == -ENOBUFS || result == -ECANCELED || result == -EINTR || result == -EAGAIN;
}

static void received(hf_uring_core *core, hf_uring_conn *conn, int32_t result, uint32_t flags)
{
    if ((flags & IORING_CQE_F_MORE) == 0) {
        conn->receiving = false;
        conn->stopping = false;
    }
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        uint16_t number = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);
        HF_ASSERT(number < core->node->config.recv_buffers);
        if (result > 0 && conn->state == HF_URING_CONN_OPEN) {
            core->active += conn->look_mark != core->look_mark;
            conn->look_mark = core->look_mark;
            const uint8_t *data = core->bufs + (size_t)number * core->node->config.recv_buffer_size;
            core->counters.bytes_in += (uint64_t)result;
            core->io.handler->on_received(core->io.context, id_of(core, conn),
                                          hf_bytes_of(data, (size_t)result));
        }
        buffer_give(core, number);
    }
    if (result == -ENOBUFS) {
        core->counters.recv_starved++;
    }
    if (conn->state == HF_URING_CONN_CLOSING) {
        close_if_quiet(core, conn);
    } else if (result == 0 && core->io.handler->on_eof != NULL) {
        conn->ended = true;
        core->io.handler->on_eof(core->io.context, id_of(core, conn));
    } else if (result == 0 || (result < 0 && !is_passing(result))) {
        close_start(core, conn); /* end of the stream, or a broken one */
    } else if (conn->want && !conn->receiving) {
        receive_start(core, conn);
    }
}

static void sent(hf_uring_core *core, hf_uring_conn *conn, int32_t result)
{
    HF_ASSERT(conn->sending);
    if (result > 0) {
        HF_ASSERT((uint32_t)result <= conn->send_left);
        core->counters.bytes_out += (uint64_t)result;
        conn->send_data += result;
        conn->send_left -= (uint32_t)result;
    }
    if (conn->state == HF_URING_CONN_CLOSING) {
        conn->sending = false;
        close_if_quiet(core, conn);
    } else if (conn->send_left == 0) {
        conn->sending = false;
        core->io.handler->on_sent(core->io.context, id_of(core, conn));
    } else if (result > 0 || result == -EINTR || result == -EAGAIN) {
        send_start(core, conn);
    } else {
        conn->sending = false;
        close_start(core, conn);
    }
}

static void cancelled(hf_uring_core *core, hf_uring_conn *conn, int32_t result)
{
    HF_ASSERT(conn->cancels != 0);
    conn->cancels--;
    if (conn->state == HF_URING_CONN_CLOSING) {
        int32_t left = (conn->receiving ? 1 : 0) + (conn->sending ? 1 : 0);
        if (left != 0 && result < left) {
            /* It missed one that was just being worked on: this ends them whatever they do. */
            (void)shutdown(conn->fd, SHUT_RDWR);
        }
        close_if_quiet(core, conn);
    } else if (conn->receiving && conn->stopping && result < 0) {
        conn->stopping = false;
        if (!conn->want) {
            receive_stop(core, conn);
        }
    }
}

static void closed(hf_uring_core *core, hf_uring_conn *conn)
{
    HF_ASSERT(conn->state == HF_URING_CONN_CLOSING && !conn->receiving && !conn->sending);
    core->counters.connections--;
    core->io.handler->on_closed(core->io.context, id_of(core, conn));
    slot_give(core, conn);
    atomic_fetch_add_explicit(&core->node->shared[core->io.core].released, 1, memory_order_release);
}

void hf_uring__conn_done(hf_uring_core *core, hf_uring_tag tag, uint32_t index, int32_t result,
                         uint32_t flags)
{
    HF_PRE(index < core->node->config.connections);
    hf_uring_conn *conn = &core->conns[index];
    HF_ASSERT(conn->state != HF_URING_CONN_FREE);
    if (core->draining) {
        if (tag == HF_URING_TAG_CLOSE && result != -ECANCELED) {
            conn->fd = HF_URING_NONE;
        }
        return;
    }
    if (tag == HF_URING_TAG_RECV) {
        received(core, conn, result, flags);
    } else if (tag == HF_URING_TAG_SEND) {
        sent(core, conn, result);
    } else if (tag == HF_URING_TAG_CANCEL) {
        cancelled(core, conn, result);
    } else {
        closed(core, conn);
    }
}

/* ---- The seam's calls ----------------------------------------------------------------------- */

void hf_uring__conn_send(hf_io *io, hf_conn_id id, hf_bytes data)
{
    hf_uring_core *core = hf_uring__core(io);
    if (hf_uring__is_local(core, id)) {
        hf_uring__local_send(core, id, data);
        return;
    }
    hf_uring_conn *conn = find(core, id);
    HF_PRE(conn != NULL && !conn->sending && data.size != 0);
    if (conn->state != HF_URING_CONN_OPEN) {
        return; /* on_closed is on its way and gives the data back */
    }
    conn->send_data = data.data;
    conn->send_left = data.size;
    conn->sending = true;
    send_start(core, conn);
}

void hf_uring__conn_receive(hf_io *io, hf_conn_id id, bool on)
{
    hf_uring_core *core = hf_uring__core(io);
    if (hf_uring__is_local(core, id)) {
        hf_uring__local_receive(core, id, on);
        return;
    }
    hf_uring_conn *conn = find(core, id);
    if (conn == NULL || conn->state != HF_URING_CONN_OPEN || conn->ended) {
        return;
    }
    conn->want = on;
    if (on && !conn->receiving) {
        receive_start(core, conn);
    } else if (!on && conn->receiving && !conn->stopping) {
        receive_stop(core, conn);
    }
}

void hf_uring__conn_close(hf_io *io, hf_conn_id id)
{
    hf_uring_core *core = hf_uring__core(io);
    if (hf_uring__is_local(core, id)) {
        hf_uring__local_cut(core, id);
        return;
    }
    hf_uring_conn *conn = find(core, id);
    if (conn != NULL) {
        close_start(core, conn);
    }
}

const char *hf_uring__conn_peer(hf_io *io, hf_conn_id id)
{
    const hf_uring_core *core = hf_uring__core(io);
    if (hf_uring__is_local(core, id)) {
        return "local";
    }
    const hf_uring_conn *conn = find(core, id);
    HF_PRE(conn != NULL);
    return core->peers[index_of(core, conn)];
}
