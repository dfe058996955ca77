/* Connections: the network between the test's clients and the node's cores.
 *
 * A client's bytes wait in `up` and rise in fragments, one under way at a time, and only while the
 * core receives. A core's send is taken in pieces into `down`, as far as the window has room, and
 * sinks to the client in fragments. A connection is freed when neither side has it any more.
 */
#include "tests/sim/world_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONN_SLOT_BITS = 20, /* an id is number << 20 | slot: never reused, found at once */
    CONN_FRAGMENT_MAX = 64 * 1024,
    CONN_WINDOW_MIN = 4 * 1024,
    CONN_WINDOW_MAX = 256 * 1024,
    CONN_GONE = 0xdd, /* lent bytes turn to this after the call */
};

/* ---- Buffers
 * ------------------------------------------------------------------------------------- */

static void buffer_append(hf_world__buffer *b, const void *data, uint64_t size)
{
    if (b->head + b->size + size > b->room) {
        if (b->size != 0) {
            memmove(b->data, b->data + b->head, b->size);
        }
        b->head = 0;
        if (b->size + size > b->room) {
            b->room = (b->size + size) * 2;
            b->data = realloc(b->data, b->room);
            HF_ASSERT(b->data != NULL);
        }
    }
    if (size != 0) {
        memcpy(b->data + b->head + b->size, data, size);
        b->size += size;
    }
}

/* A copy of its own of the first bytes: who keeps it, or reads past it, is found by a sanitizer. */
static uint8_t *buffer_cut(hf_world__buffer *b, uint64_t size)
{
    uint8_t *cut = malloc(size);
    HF_ASSERT(cut != NULL && size <= b->size);
    memcpy(cut, b->data + b->head, size);
    b->head += size;
    b->size -= size;
    if (b->size == 0) {
        b->head = 0;
    }
    return cut;
}

/* A volatile pointer: otherwise the compiler drops the writes, as the memory is freed next. */
static void buffer_end(uint8_t *cut, uint64_t size)
{
    volatile uint8_t *at = cut;
    at[0] = CONN_GONE;
    at[size - 1] = CONN_GONE;
    free(cut);
}

static void buffer_drop(hf_world__buffer *b)
{
    b->head = 0;
    b->size = 0;
}

/* ---- Finding and freeing
 * ------------------------------------------------------------------------- */

static hf_world__conn *conn_find(const hf_world *w, hf_conn_id id)
{
    uint64_t slot = id & ((1u << CONN_SLOT_BITS) - 1);
    hf_world__conn *conn = slot < w->slot_count ? w->slots[slot].conn : NULL;
    return conn != NULL && conn->id == id ? conn : NULL;
}

/* The core's side of it, NULL after on_closed. */
static hf_world__conn *conn_of(hf_io *io, hf_conn_id id)
{
    hf_world *w = ((hf_world__core *)(void *)io)->world;
    HF_PRE(w->calling < 0 || w->calling == io->core);
    hf_world__conn *conn = conn_find(w, id);
    HF_ASSERT(conn == NULL || (conn->accepted && conn->core == io->core));
    return conn != NULL && conn->node_open ? conn : NULL;
}

static void conn_free(hf_world *w, hf_world__conn *conn)
{
    hf_world__event **const events[] = { &conn->accept,    &conn->up_next,  &conn->eof,
                                         &conn->take,      &conn->sent_end, &conn->closed,
                                         &conn->down_next, &conn->hangup };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        hf_world__cancel(w, events[i]);
    }
    w->slots[conn->id & ((1u << CONN_SLOT_BITS) - 1)].conn = NULL;
    free(conn->up.data);
    free(conn->down.data);
    free(conn);
}

static void conn_forget(hf_world *w, hf_world__conn *conn)
{
    if (!conn->node_open && !conn->client_open) {
        conn_free(w, conn);
    }
}

void hf_world__conns_free(hf_world *w)
{
    for (uint32_t i = 0; i < w->slot_count; i++) {
        if (w->slots[i].conn != NULL) {
            conn_free(w, w->slots[i].conn);
        }
    }
    free(w->slots);
}

/* ---- Scheduling
 * ---------------------------------------------------------------------------------- */

static uint64_t conn_delay(hf_world *w)
{
    return hf_world_prng_between(&w->net, w->faults.conn_ns_min, w->faults.conn_ns_max);
}

static void conn_schedule(hf_world *w, hf_world__conn *conn, hf_world__event **event,
                          hf_world__kind kind, uint64_t delay)
{
    if (*event != NULL) {
        return;
    }
    bool client = kind == HF_WORLD__DOWN || kind == HF_WORLD__HANGUP;
    *event = hf_world__schedule(w, kind, client ? HF_WORLD__NOCORE : conn->core,
                                hf_world__after(w, w->now, delay), conn);
}

/* Starts whatever can go on. Called after every change; asks for nothing twice. */
static void conn_go(hf_world *w, hf_world__conn *conn)
{
    bool node = conn->accepted && conn->node_open && !conn->node_closing;
    if (node && conn->receive_on) {
        if (conn->up.size != 0) {
            conn_schedule(w, conn, &conn->up_next, HF_WORLD__UP, conn_delay(w));
        } else if (conn->leaving == HF_WORLD__RESET) {
            conn_schedule(w, conn, &conn->closed, HF_WORLD__CLOSED, conn_delay(w));
        } else if ((conn->leaving == HF_WORLD__LEFT || conn->half) && !conn->ended &&
                   conn->up_next == NULL) {
            conn_schedule(w, conn, &conn->eof, HF_WORLD__EOF, conn_delay(w));
        }
    }
    if (node && conn->send_on && conn->sent_end == NULL && conn->down.size < conn->window) {
        conn_schedule(w, conn, &conn->take, HF_WORLD__TAKE, conn_delay(w));
    }
    if (conn->client_open && conn->client_reading && conn->down.size != 0) {
        uint64_t pause = conn->slow ? hf_world_prng_expo(&w->net, w->faults.conn_slow_ns_mean) : 0;
        conn_schedule(w, conn, &conn->down_next, HF_WORLD__DOWN, conn_delay(w) + pause);
    }
    bool ended = !conn->node_open || conn->node_closing || conn->leaving == HF_WORLD__RESET;
    /* A client that does not read does not see the end behind its unread bytes either. */
    if (conn->client_open && ended && conn->down.size == 0) {
        conn_schedule(w, conn, &conn->hangup, HF_WORLD__HANGUP, conn_delay(w));
    }
}

static uint64_t conn_fragment(hf_world *w, uint64_t most)
{
    hf_world_prng *prng = &w->net;
    uint64_t size = hf_world_prng_chance(prng, w->faults.conn_tiny_ppm)
                        ? hf_world_prng_between(prng, 1, 4)
                    : hf_world_prng_coin(prng) ? CONN_FRAGMENT_MAX
                                               : 1 + hf_world_prng_expo(prng, 1024);
    return size < most ? size : most;
}

/* The network's own mischief, drawn per fragment. True: nothing of this fragment arrives. */
static bool conn_mischief(hf_world *w, hf_world__conn *conn)
{
    bool reset = hf_world__draws(w, &w->net_faults, &w->faults.conn_abort);
    bool gone = hf_world__draws(w, &w->net_faults, &w->faults.conn_vanish);
    if ((!reset && !gone) || conn->leaving != HF_WORLD__STAYS) {
        return false;
    }
    if (reset) {
        w->stats.conn_abort++;
        conn->leaving = HF_WORLD__RESET;
        buffer_drop(&conn->up);
        buffer_drop(&conn->down);
    } else {
        w->stats.conn_vanish++;
        conn->leaving = HF_WORLD__GONE;
        conn_schedule(w, conn, &conn->hangup, HF_WORLD__HANGUP, conn_delay(w));
        conn_schedule(w, conn, &conn->closed, HF_WORLD__CLOSED, w->faults.conn_keepalive_ns);
        buffer_drop(&conn->up);
    }
    conn_go(w, conn);
    return true;
}

/* ---- The node's side
 * ----------------------------------------------------------------------------- */

void hf_world__conn_send(hf_io *io, hf_conn_id id, hf_bytes data)
{
    hf_world *w = ((hf_world__core *)(void *)io)->world;
    hf_world__conn *conn = conn_of(io, id);
    HF_PRE(conn != NULL && !conn->send_on && data.size != 0);
    conn->sending = data;
    conn->sent = 0;
    conn->send_hash = hf_world_hash(0, data.data, data.size);
    conn->send_on = true;
    conn_go(w, conn);
    hf_world__wake((hf_world__core *)(void *)io);
}

void hf_world__conn_receive(hf_io *io, hf_conn_id id, bool on)
{
    hf_world__conn *conn = conn_of(io, id);
    if (conn != NULL) {
        conn->receive_on = on;
        conn_go(((hf_world__core *)(void *)io)->world, conn);
    }
}

void hf_world__conn_close(hf_io *io, hf_conn_id id)
{
    hf_world *w = ((hf_world__core *)(void *)io)->world;
    hf_world__conn *conn = conn_of(io, id);
    if (conn == NULL || conn->node_closing) {
        return;
    }
    conn->node_closing = true; /* no on_received and no on_sent from here on */
    /* Closing with unread bytes makes the kernel send a reset, which may overtake what was sent. */
    if (conn->up.size != 0 && hf_world_prng_coin(&w->net_faults)) {
        buffer_drop(&conn->down);
    }
    hf_world__cancel(w, &conn->eof);
    hf_world__cancel(w, &conn->take);
    hf_world__cancel(w, &conn->sent_end);
    hf_world__cancel(w, &conn->closed);
    conn_schedule(w, conn, &conn->closed, HF_WORLD__CLOSED, conn_delay(w));
    conn_go(w, conn);
}

const char *hf_world__conn_peer(hf_io *io, hf_conn_id id)
{
    const hf_world__conn *conn = conn_of(io, id);
    HF_PRE(conn != NULL);
    return conn->peer;
}

void hf_world__accept(hf_world *w, hf_world__conn *conn)
{
    hf_world__core *core = &w->cores[conn->core];
    conn->accept = NULL;
    conn->accepted = true;
    conn->receive_on = true;
    hf_world__enter(core);
    hf_world__record(w, HF_WORLD__ACCEPT, conn->core, 0, conn->id, conn->listener, NULL);
    w->stats.accepts++;
    conn_go(w, conn);
    w->calling = conn->core;
    core->io.handler->on_accept(core->io.context, conn->id, (hf_listener)conn->listener);
    w->calling = -1;
}

void hf_world__up(hf_world *w, hf_world__conn *conn)
{
    hf_world__core *core = &w->cores[conn->core];
    conn->up_next = NULL;
    /* A fragment that was on its way when receiving stopped may still arrive. */
    bool late = !conn->receive_on && hf_world_prng_coin(&w->net_faults);
    if (conn->node_closing || conn->up.size == 0 || (!conn->receive_on && !late)) {
        return;
    }
    if (conn_mischief(w, conn)) {
        return;
    }
    uint64_t size = conn_fragment(w, conn->up.size);
    uint8_t *cut = buffer_cut(&conn->up, size);
    hf_conn_id id = conn->id;
    hf_world__enter(core);
    hf_world__record(w, HF_WORLD__UP, conn->core, hf_world_hash(0, cut, size), id, size, NULL);
    w->stats.bytes_up += size;
    conn_go(w, conn);
    w->lent = cut;
    w->calling = conn->core;
    core->io.handler->on_received(core->io.context, id, hf_bytes_of(cut, size));
    w->calling = -1;
    w->lent = NULL;
    buffer_end(cut, size);
}

/* The client sends no more, and all that it sent has come. Whether it still reads shows when
 * something is sent to it. */
void hf_world__eof(hf_world *w, hf_world__conn *conn)
{
    hf_world__core *core = &w->cores[conn->core];
    conn->eof = NULL;
    if (conn->node_closing || conn->up.size != 0 || !conn->receive_on || conn->ended) {
        conn_go(w, conn);
        return;
    }
    if (core->io.handler->on_eof == NULL) {
        conn_schedule(w, conn, &conn->closed, HF_WORLD__CLOSED, 0);
        return;
    }
    conn->ended = true;
    hf_world__enter(core);
    hf_world__record(w, HF_WORLD__EOF, conn->core, 0, conn->id, conn->half, NULL);
    w->calling = conn->core;
    core->io.handler->on_eof(core->io.context, conn->id);
    w->calling = -1;
}

void hf_world__take(hf_world *w, hf_world__conn *conn)
{
    conn->take = NULL;
    HF_ASSERT(conn->send_on && conn->node_open);
    uint32_t left = conn->sending.size - conn->sent;
    uint64_t room = conn->window > conn->down.size ? conn->window - conn->down.size : 0;
    uint64_t size = conn_fragment(w, left < room ? left : room);
    bool listens = conn->client_open && conn->leaving == HF_WORLD__STAYS;
    bool refused =
        !listens && conn->leaving != HF_WORLD__GONE && hf_world_prng_coin(&w->net_faults);
    hf_world__record(w, HF_WORLD__TAKE, conn->core, 0, conn->id, size, NULL);
    if (refused) { /* nobody is there: the send fails, and that is the end of it */
        conn_schedule(w, conn, &conn->closed, HF_WORLD__CLOSED, 0);
        return;
    }
    if (listens || conn->leaving == HF_WORLD__GONE) {
        buffer_append(&conn->down, conn->sending.data + conn->sent, size); /* or the window fills */
    }
    conn->sent += (uint32_t)size;
    if (conn->sent == conn->sending.size) {
        conn_schedule(w, conn, &conn->sent_end, HF_WORLD__SENT, conn_delay(w));
    }
    conn_go(w, conn);
}

static void conn_check_lent(const hf_world__conn *conn)
{
    /* What is being sent changed while it was lent. */
    HF_ASSERT(!conn->send_on ||
              hf_world_hash(0, conn->sending.data, conn->sending.size) == conn->send_hash);
}

void hf_world__sent(hf_world *w, hf_world__conn *conn)
{
    hf_world__core *core = &w->cores[conn->core];
    conn->sent_end = NULL;
    conn_check_lent(conn);
    conn->send_on = false;
    hf_world__enter(core);
    hf_world__record(w, HF_WORLD__SENT, conn->core, conn->send_hash, conn->id, conn->sending.size,
                     NULL);
    w->calling = conn->core;
    core->io.handler->on_sent(core->io.context, conn->id);
    w->calling = -1;
}

void hf_world__closed(hf_world *w, hf_world__conn *conn)
{
    hf_world__core *core = &w->cores[conn->core];
    hf_conn_id id = conn->id;
    conn->closed = NULL;
    conn_check_lent(conn);
    hf_world__enter(core);
    hf_world__record(w, HF_WORLD__CLOSED, conn->core, 0, id, conn->leaving, NULL);
    conn->node_open = false;
    conn->send_on = false;
    buffer_drop(&conn->up);
    hf_world__cancel(w, &conn->up_next);
    hf_world__cancel(w, &conn->eof);
    hf_world__cancel(w, &conn->take);
    hf_world__cancel(w, &conn->sent_end);
    w->calling = conn->core;
    core->io.handler->on_closed(core->io.context, id);
    w->calling = -1;
    conn = conn_find(w, id);
    conn_go(w, conn);
    conn_forget(w, conn);
}

/* ---- The client's side
 * --------------------------------------------------------------------------- */

void hf_world__down(hf_world *w, hf_world__conn *conn)
{
    conn->down_next = NULL;
    if (!conn->client_reading || conn->down.size == 0 || conn_mischief(w, conn)) {
        return;
    }
    uint64_t size = conn_fragment(w, conn->down.size);
    uint8_t *cut = buffer_cut(&conn->down, size);
    hf_world__record(w, HF_WORLD__DOWN, conn->core, hf_world_hash(0, cut, size), conn->id, size,
                     NULL);
    w->stats.bytes_down += size;
    conn_go(w, conn);
    /* The callback may close the connection or crash the world: the last thing that happens here.
     */
    conn->client->on_data(conn->context, conn->id, hf_bytes_of(cut, size));
    buffer_end(cut, size);
}

void hf_world__hangup(hf_world *w, hf_world__conn *conn)
{
    conn->hangup = NULL;
    const hf_world_client *client = conn->client;
    void *context = conn->context;
    hf_conn_id id = conn->id;
    hf_world__record(w, HF_WORLD__HANGUP, HF_WORLD__NOCORE, 0, id, conn->leaving, NULL);
    conn->client_open = false;
    hf_world__cancel(w, &conn->down_next);
    w->closed_by_node = conn->node_closing && !conn->crashed && conn->leaving == HF_WORLD__STAYS;
    conn_forget(w, conn);
    client->on_closed(context, id);
    w->closed_by_node = false;
}

bool hf_world_closed_by_node(const hf_world *w)
{
    return w->closed_by_node;
}

static uint16_t conn_choose_core(hf_world *w)
{
    uint16_t booted[HF_WORLD_CORES_MAX];
    uint16_t count = 0;
    for (uint16_t i = 0; i < w->core_count; i++) {
        if (w->cores[i].booted) {
            booted[count++] = i;
        }
    }
    uint16_t drawn = (uint16_t)hf_world_prng_below(&w->net, 2 * (uint64_t)count);
    if (count == 0) {
        return HF_WORLD__NOCORE;
    }
    return booted[drawn < count ? drawn : w->accept_next++ % count];
}

static uint32_t conn_slot(hf_world *w)
{
    for (uint32_t i = 0; i < w->slot_count; i++) {
        uint32_t at = (w->slot_next + i) % w->slot_count;
        if (w->slots[at].conn == NULL) {
            w->slot_next = at + 1;
            return at;
        }
    }
    uint32_t at = w->slot_count;
    HF_ASSERT(at < 1u << CONN_SLOT_BITS);
    w->slot_count = at == 0 ? 16 : at * 2;
    w->slots = realloc(w->slots, w->slot_count * sizeof *w->slots);
    HF_ASSERT(w->slots != NULL);
    memset(&w->slots[at], 0, (w->slot_count - at) * sizeof *w->slots);
    w->slot_next = at + 1;
    return at;
}

hf_conn_id hf_world_connect(hf_world *w, hf_listener listener, const hf_world_client *client,
                            void *context)
{
    hf_world__conn *conn = calloc(1, sizeof *conn);
    HF_ASSERT(conn != NULL && listener < HF_LISTENER_COUNT);
    uint32_t slot = conn_slot(w);
    w->slots[slot].conn = conn;
    conn->id = ++w->conn_number << CONN_SLOT_BITS | slot;
    conn->listener = (uint8_t)listener;
    conn->client = client;
    conn->context = context;
    conn->client_open = true;
    conn->client_reading = true;
    conn->slow = hf_world_prng_chance(&w->net, w->faults.conn_slow_ppm);
    conn->window = hf_world_prng_between(&w->net, CONN_WINDOW_MIN, CONN_WINDOW_MAX);
    conn->core = conn_choose_core(w);
    uint64_t n = w->conn_number;
    snprintf(conn->peer, sizeof conn->peer, "10.0.%u.%u:%u", (unsigned)(n >> 8 & 255),
             (unsigned)(n & 255), 1024 + (unsigned)(n % 60000));
    hf_world__record(w, HF_WORLD__CONNECT, conn->core, 0, conn->id, listener, NULL);
    if (conn->core == HF_WORLD__NOCORE) {
        conn_go(w, conn); /* nobody listens: refused */
    } else {
        conn->node_open = true;
        conn_schedule(w, conn, &conn->accept, HF_WORLD__ACCEPT, conn_delay(w));
    }
    return conn->id;
}

/* The client's connection, if the client still has it. */
static hf_world__conn *conn_of_client(const hf_world *w, hf_conn_id id)
{
    HF_PRE(w->calling < 0); /* a core does not play the client */
    hf_world__conn *conn = conn_find(w, id);
    return conn != NULL && conn->client_open ? conn : NULL;
}

void hf_world_client_send(hf_world *w, hf_conn_id id, hf_bytes data)
{
    hf_world__conn *conn = conn_of_client(w, id);
    if (conn == NULL || !conn->node_open || conn->leaving != HF_WORLD__STAYS || conn->half) {
        return; /* into the void */
    }
    buffer_append(&conn->up, data.data, data.size);
    conn_go(w, conn);
}

uint64_t hf_world_client_unsent(const hf_world *w, hf_conn_id id)
{
    const hf_world__conn *conn = conn_find(w, id);
    return conn == NULL ? 0 : conn->up.size;
}

uint16_t hf_world_client_core(const hf_world *w, hf_conn_id id)
{
    const hf_world__conn *conn = conn_find(w, id);
    return conn == NULL || !conn->accepted || !conn->node_open ? UINT16_MAX : conn->core;
}

void hf_world_client_read(hf_world *w, hf_conn_id id, bool on)
{
    hf_world__conn *conn = conn_of_client(w, id);
    if (conn != NULL) {
        conn->client_reading = on;
        conn_go(w, conn);
    }
}

void hf_world_client_end(hf_world *w, hf_conn_id id)
{
    hf_world__conn *conn = conn_of_client(w, id);
    if (conn != NULL) {
        conn->half = true;
        conn_go(w, conn);
    }
}

void hf_world_client_close(hf_world *w, hf_conn_id id, hf_world_close_kind kind)
{
    hf_world__conn *conn = conn_of_client(w, id);
    if (conn == NULL) {
        return;
    }
    hf_world__record(w, HF_WORLD__LEAVE, HF_WORLD__NOCORE, 0, id, kind, NULL);
    conn->client_open = false;
    hf_world__cancel(w, &conn->down_next);
    hf_world__cancel(w, &conn->hangup);
    if (conn->leaving == HF_WORLD__STAYS) {
        conn->leaving = kind == HF_WORLD_CLOSE_ORDERLY ? HF_WORLD__LEFT
                        : kind == HF_WORLD_CLOSE_RESET ? HF_WORLD__RESET
                                                       : HF_WORLD__GONE;
        if (conn->leaving == HF_WORLD__GONE && conn->node_open) {
            conn_schedule(w, conn, &conn->closed, HF_WORLD__CLOSED, w->faults.conn_keepalive_ns);
        }
        if (conn->leaving == HF_WORLD__GONE ||
            (conn->leaving == HF_WORLD__RESET && hf_world_prng_coin(&w->net_faults))) {
            buffer_drop(&conn->up);
        }
    }
    if (conn->leaving != HF_WORLD__GONE) {
        buffer_drop(&conn->down);
    }
    conn_go(w, conn);
    conn_forget(w, conn);
}

void hf_world__conns_crash(hf_world *w, hf_world_crash_kind kind)
{
    for (uint32_t i = 0; i < w->slot_count; i++) {
        hf_world__conn *conn = w->slots[i].conn;
        if (conn == NULL || !conn->node_open) {
            continue;
        }
        conn->node_open = false;
        conn->send_on = false;
        conn->crashed = true;
        hf_world__cancel(w, &conn->accept);
        hf_world__cancel(w, &conn->up_next);
        hf_world__cancel(w, &conn->eof);
        hf_world__cancel(w, &conn->take);
        hf_world__cancel(w, &conn->sent_end);
        hf_world__cancel(w, &conn->closed);
        buffer_drop(&conn->up);
        /* A kernel that lives on may still deliver what it took; or send a reset. */
        if (kind == HF_WORLD_POWER || hf_world_prng_coin(&w->net_faults)) {
            buffer_drop(&conn->down);
        }
        conn_go(w, conn);
        conn_forget(w, conn);
    }
}
