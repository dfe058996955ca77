/* Clients in this process: the core's end of their connections, and the client's.
 *
 * Bells. A client fills a pipe, fences, and sets its bit in the core's `rung` if it is not set; who
 * sets it looks whether the core sleeps. The core takes all bits at once, then empties the pipes;
 * and before it sleeps it says so, fences, and looks at the bits. So a core never sleeps over a
 * full pipe, and a busy one is never rung. The other way round: a client that will wait says so,
 * fences, looks into its pipes; a core that put something fences and looks at `waiting`.
 */
#include "engine/io/uring_impl.h"
#include <ck_pr.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    TO_CORE = 128 * 1024, /* bytes of each pipe */
    TO_CLIENT = 128 * 1024,
    TAKE_MAX = 64 * 1024, /* of one client in one turn */
    GIVE_WAIT_MS = 10,
};

size_t hf_uring__local_pipes_size(void)
{
    return hf_pipe_size(TO_CORE) + hf_pipe_size(TO_CLIENT);
}

void hf_uring__local_open(hf_uring_node *node, uint16_t index, hf_uring_link *links, uint8_t *pipes)
{
    hf_local *local = &node->locals[index];
    local->node = node;
    local->links = links;
    local->index = index;
    local->event_fd = HF_URING_NONE;
    for (uint16_t i = 0; i < node->config.core_count; i++) {
        uint8_t *at = pipes + hf_uring__local_pipes_size() * i;
        links[i].to_core = hf_pipe_open(at, TO_CORE);
        links[i].to_client = hf_pipe_open(at + hf_pipe_size(TO_CORE), TO_CLIENT);
    }
}

void hf_uring__locals_close(hf_uring_node *node)
{
    for (uint16_t i = 0; i < node->config.locals && node->locals != NULL; i++) {
        if (node->locals[i].event_fd != HF_URING_NONE) {
            (void)close(node->locals[i].event_fd);
        }
    }
}

/* ---- The core's end ------------------------------------------------------------------------- */

static hf_uring_link *link_of(const hf_uring_core *core, uint32_t index)
{
    return &core->node->locals[index].links[core->io.core];
}

static hf_conn_id id_of(const hf_uring_core *core, uint32_t index, const hf_uring_link *link)
{
    uint64_t slot = core->node->config.connections + index;
    return (uint64_t)(core->io.core + 1) << 56 | slot << 36 | link->generation;
}

/* NULL: its on_closed was called already. */
static hf_uring_link *find(const hf_uring_core *core, hf_conn_id id, uint32_t *index)
{
    HF_PRE(id >> 56 == (uint64_t)core->io.core + 1);
    *index = (uint32_t)(id >> 36 & (HF_URING_CONNECTIONS_MAX - 1)) - core->node->config.connections;
    HF_PRE(*index < core->node->config.locals);
    hf_uring_link *link = link_of(core, *index);
    return link->open && link->generation == (id & ((UINT64_C(1) << 36) - 1)) ? link : NULL;
}

/* Puts what fits; the rest waits until the client has made room. */
static void put(hf_uring_core *core, uint32_t index, hf_uring_link *link)
{
    for (int look = 0; look < 2 && link->send_left != 0; look++) {
        uint32_t size = hf_pipe_put(link->to_client, hf_bytes_of(link->send_data, link->send_left));
        link->send_data += size;
        link->send_left -= size;
        core->counters.bytes_out += size;
        core->local_touched |= size != 0 ? UINT64_C(1) << index : 0;
        if (link->send_left != 0) { /* said first, then looked once more */
            atomic_store_explicit(&link->blocked, 1, memory_order_relaxed);
            ck_pr_fence_memory();
        }
    }
    if (link->send_left == 0) {
        atomic_store_explicit(&link->blocked, 0, memory_order_relaxed);
        core->local_due |= UINT64_C(1) << index;
    }
}

static void begin(hf_uring_core *core, uint32_t index, hf_uring_link *link)
{
    uint32_t opening = HF_URING_LINK_OPENING;
    if (!atomic_compare_exchange_strong_explicit(&link->state, &opening, HF_URING_LINK_OPEN,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        return; /* closed again already: it has rung for that */
    }
    link->generation++;
    link->open = link->want = true;
    link->sending = link->cut = false;
    link->send_left = 0;
    core->io.handler->on_accept(core->io.context, id_of(core, index, link), HF_LISTENER_LOCAL);
}

/* Tells the handler that it is over; what the client sent is not looked at any more. */
static void end(hf_uring_core *core, uint32_t index, hf_uring_link *link)
{
    core->io.handler->on_closed(core->io.context, id_of(core, index, link));
    link->open = link->cut = link->sending = false;
    link->send_left = 0;
    core->local_touched |= UINT64_C(1) << index; /* it may wait for that */
}

static void receive(hf_uring_core *core, uint32_t index, hf_uring_link *link)
{
    uint32_t taken = 0;
    while (link->want && !link->cut && taken < TAKE_MAX) {
        hf_bytes bytes = hf_pipe_peek(link->to_core);
        if (bytes.size == 0) {
            return;
        }
        core->io.handler->on_received(core->io.context, id_of(core, index, link), bytes);
        hf_pipe_take(link->to_core, bytes.size);
        core->local_taken |= UINT64_C(1) << index;
        core->counters.bytes_in += bytes.size;
        taken += bytes.size;
    }
    if (link->want && !link->cut) {
        core->local_due |= UINT64_C(1) << index; /* there may be more: next turn */
    }
}

static void work(hf_uring_core *core, uint32_t index)
{
    hf_uring_link *link = link_of(core, index);
    uint32_t state = atomic_load_explicit(&link->state, memory_order_acquire);
    if (state == HF_URING_LINK_OPENING) {
        begin(core, index, link);
    }
    if (state == HF_URING_LINK_CLOSING) {
        if (link->open) {
            end(core, index, link);
        }
        atomic_store_explicit(&link->state, HF_URING_LINK_NONE, memory_order_release);
        core->local_touched |= UINT64_C(1) << index;
        return;
    }
    if (!link->open) {
        return;
    }
    if (link->cut) {
        uint32_t open = HF_URING_LINK_OPEN;
        end(core, index, link);
        (void)atomic_compare_exchange_strong_explicit(&link->state, &open, HF_URING_LINK_CUT,
                                                      memory_order_release, memory_order_relaxed);
        return;
    }
    if (link->sending && link->send_left != 0) {
        put(core, index, link);
    }
    if (link->sending && link->send_left == 0) {
        link->sending = false;
        core->io.handler->on_sent(core->io.context, id_of(core, index, link));
    }
    receive(core, index, link);
}

void hf_uring__locals_deliver(hf_uring_core *core)
{
    hf_uring_shared *shared = &core->node->shared[core->io.core];
    uint64_t bits = core->local_due;
    core->local_due = 0;
    if (atomic_load_explicit(&shared->rung, memory_order_relaxed) != 0) {
        bits |= atomic_exchange_explicit(&shared->rung, 0, memory_order_seq_cst);
    }
    while (bits != 0) {
        uint32_t index = (uint32_t)__builtin_ctzll(bits);
        bits &= bits - 1;
        work(core, index);
    }
}

static void wake_client(hf_local *local)
{
    uint32_t yes = 1;
    if (atomic_load_explicit(&local->waiting, memory_order_relaxed) != 0 &&
        atomic_compare_exchange_strong_explicit(&local->waiting, &yes, 0, memory_order_acq_rel,
                                                memory_order_relaxed)) {
        hf_uring__ring_bell(local->event_fd);
    }
}

void hf_uring__locals_flush(hf_uring_core *core)
{
    uint64_t touched = core->local_touched;
    uint64_t taken = core->local_taken;
    if ((touched | taken) == 0) {
        return;
    }
    core->local_touched = core->local_taken = 0;
    ck_pr_fence_memory(); /* the other half of hf_local_arm and hf_local_starved */
    for (; taken != 0; taken &= taken - 1) {
        uint32_t index = (uint32_t)__builtin_ctzll(taken);
        hf_uring_link *link = link_of(core, index);
        if (atomic_load_explicit(&link->starved, memory_order_relaxed) != 0) {
            atomic_store_explicit(&link->starved, 0, memory_order_relaxed);
            touched |= UINT64_C(1) << index;
        }
    }
    for (; touched != 0; touched &= touched - 1) {
        wake_client(&core->node->locals[__builtin_ctzll(touched)]);
    }
}

void hf_uring__local_send(hf_uring_core *core, hf_conn_id id, hf_bytes data)
{
    uint32_t index;
    hf_uring_link *link = find(core, id, &index);
    HF_PRE(link != NULL && !link->sending && data.size != 0);
    if (link->cut) {
        return; /* on_closed is on its way and gives the data back */
    }
    link->send_data = data.data;
    link->send_left = data.size;
    link->sending = true;
    put(core, index, link);
}

void hf_uring__local_receive(hf_uring_core *core, hf_conn_id id, bool on)
{
    uint32_t index;
    hf_uring_link *link = find(core, id, &index);
    if (link != NULL && !link->cut && link->want != on) {
        link->want = on;
        core->local_due |= on ? UINT64_C(1) << index : 0;
    }
}

void hf_uring__local_cut(hf_uring_core *core, hf_conn_id id)
{
    uint32_t index;
    hf_uring_link *link = find(core, id, &index);
    if (link != NULL) {
        link->cut = true;
        core->local_due |= UINT64_C(1) << index;
    }
}

/* ---- The client's end ----------------------------------------------------------------------- */

void hf_local_ring(hf_local *local, uint16_t core)
{
    hf_uring_shared *shared = &local->node->shared[core];
    uint64_t bit = UINT64_C(1) << local->index;
    uint32_t yes = 1;
    ck_pr_fence_memory();
    if ((atomic_load_explicit(&shared->rung, memory_order_relaxed) & bit) != 0) {
        return; /* who set it has looked, or will look, whether the core sleeps */
    }
    (void)atomic_fetch_or_explicit(&shared->rung, bit, memory_order_seq_cst);
    if (atomic_load_explicit(&shared->asleep, memory_order_relaxed) != 0 &&
        atomic_compare_exchange_strong_explicit(&shared->asleep, &yes, 0, memory_order_acq_rel,
                                                memory_order_relaxed)) {
        hf_uring__ring_bell(shared->event_fd);
    }
}

hf_local *hf_local_take(hf_uring_node *node)
{
    hf_local *local = NULL;
    for (uint16_t i = 0; i < node->config.locals && local == NULL; i++) {
        uint32_t no = 0;
        if (atomic_compare_exchange_strong_explicit(&node->locals[i].taken, &no, 1,
                                                    memory_order_acq_rel, memory_order_relaxed)) {
            local = &node->locals[i];
        }
    }
    if (local == NULL) {
        return NULL;
    }
    if (local->event_fd == HF_URING_NONE) {
        local->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (local->event_fd < 0) {
        local->event_fd = HF_URING_NONE;
        atomic_store_explicit(&local->taken, 0, memory_order_release);
        return NULL;
    }
    atomic_store_explicit(&local->waiting, 0, memory_order_relaxed);
    for (uint16_t i = 0; i < node->config.core_count; i++) {
        hf_uring_link *link = &local->links[i];
        hf_pipe_clear(link->to_core);
        hf_pipe_clear(link->to_client);
        atomic_store_explicit(&link->blocked, 0, memory_order_relaxed);
        atomic_store_explicit(&link->starved, 0, memory_order_relaxed);
        atomic_store_explicit(&link->state, HF_URING_LINK_OPENING, memory_order_release);
        hf_local_ring(local, i);
    }
    return local;
}

static bool has_ended(const hf_uring_node *node)
{
    return atomic_load_explicit(&node->stopping, memory_order_acquire);
}

static bool let_go(const hf_local *local)
{
    for (uint16_t i = 0; i < local->node->config.core_count; i++) {
        if (atomic_load_explicit(&local->links[i].state, memory_order_acquire) !=
            HF_URING_LINK_NONE) {
            return false;
        }
    }
    return true;
}

void hf_local_give(hf_local *local)
{
    for (uint16_t i = 0; i < local->node->config.core_count; i++) {
        atomic_store_explicit(&local->links[i].state, HF_URING_LINK_CLOSING, memory_order_release);
        hf_local_ring(local, i);
    }
    for (;;) {
        struct pollfd fd = { .fd = local->event_fd, .events = POLLIN };
        hf_local_arm(local);
        if (let_go(local) || has_ended(local->node)) {
            break;
        }
        (void)poll(&fd, 1, GIVE_WAIT_MS);
        hf_local_disarm(local);
    }
    if (let_go(local)) {
        /* A core may still be about to ring: the descriptor is kept for the next one. */
        atomic_store_explicit(&local->taken, 0, memory_order_release);
    } /* else it stays taken: the node is going */
}

uint32_t hf_local_put(hf_local *local, uint16_t core, hf_bytes bytes)
{
    return hf_pipe_put(local->links[core].to_core, bytes);
}

bool hf_local_fits(hf_local *local, uint16_t core, uint32_t size)
{
    return hf_pipe_fits(local->links[core].to_core, size);
}

bool hf_local_starved(hf_local *local, uint16_t core)
{
    hf_uring_link *link = &local->links[core];
    atomic_store_explicit(&link->starved, 1, memory_order_relaxed);
    ck_pr_fence_memory();
    return !hf_pipe_fits(link->to_core, 1);
}

hf_pipe *hf_local_pipe(hf_local *local, uint16_t core)
{
    return local->links[core].to_client;
}

void hf_local_took(hf_local *local, uint16_t core)
{
    ck_pr_fence_memory();
    if (atomic_load_explicit(&local->links[core].blocked, memory_order_relaxed) != 0) {
        hf_local_ring(local, core);
    }
}

bool hf_local_alive(const hf_local *local, uint16_t core)
{
    uint32_t state = atomic_load_explicit(&local->links[core].state, memory_order_acquire);
    return (state == HF_URING_LINK_OPENING || state == HF_URING_LINK_OPEN) &&
           !has_ended(local->node);
}

void hf_local_arm(hf_local *local)
{
    atomic_store_explicit(&local->waiting, 1, memory_order_relaxed);
    ck_pr_fence_memory(); /* the other half of hf_uring__locals_flush */
}

void hf_local_disarm(hf_local *local)
{
    uint64_t count;
    uint32_t yes = 1;
    if (!atomic_compare_exchange_strong_explicit(&local->waiting, &yes, 0, memory_order_acq_rel,
                                                 memory_order_relaxed)) {
        (void)!read(local->event_fd, &count, sizeof count); /* rung, or about to be */
    }
}

void hf_local_poke(hf_local *local)
{
    hf_uring__ring_bell(local->event_fd);
}

int hf_local_fd(const hf_local *local)
{
    return local->event_fd;
}

void hf_local_wake_all(hf_uring_node *node)
{
    for (uint16_t i = 0; i < node->config.locals; i++) {
        hf_local *local = &node->locals[i];
        if (atomic_load_explicit(&local->taken, memory_order_acquire) != 0) {
            wake_client(local);
        }
    }
}
