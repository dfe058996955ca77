/* The loop of one core: a turn takes messages and completions, calls on_turn, and ends with one
 * io_uring_enter that submits what was asked for, runs what the kernel deferred to us, and sleeps
 * if there is nothing to do. */
#include "engine/io/clock.h"
#include "engine/io/cpu.h"
#include "engine/io/uring_impl.h"
#include <ck_pr.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum {
    SQ_ENTRIES = 1024,
    CQ_ENTRIES = 4096, /* what does not fit the kernel keeps until the next turn */
    TAKE_BATCH = 32,   /* messages taken, prefetched, handled, given back together */
    TAKE_MAX = 256,    /* per peer and turn, so that no peer keeps the others waiting */
    CQE_BATCH = 128,
    SPIN_CREDIT = 8,     /* looks that may fail after the last message before spinning stops */
    SPIN_CHECKS = 32,    /* between two readings of the clock */
    SPIN_WORTH_MAX = 16, /* a look that paid counts 1, one that did not SPIN_LOSS */
    SPIN_LOSS = 2,
    SPIN_TRY = 6,              /* what looking is worth at least when a period begins ... */
    SPIN_PERIOD_SHIFT = 24,    /* ... every 17 ms, for all cores alike: two that wait for each other
                                  must look together to see that it pays */
    SPIN_ALONE_NS = 5000,      /* giving way takes less when nobody else wants the processor */
    SPIN_CROWDED_NS = 5000000, /* who met somebody does not look for so long */
    /* Whoever has messages out does not sleep longer: a message's way back wakes nobody, since
     * mostly an answer comes before and does. */
    BACK_WAIT_NS = 1000000,
    DRAIN_WAIT_NS = 50000000,
    SQ_TRIES = 10000,
};

#define DRAIN_NS UINT64_C(5000000000)

/* ---- Submission ----------------------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__)
#define LOOP_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOOP_ASAN 1
#endif
#endif
#ifdef LOOP_ASAN
void *__asan_region_is_poisoned(void *at, size_t size);
#endif

void hf_uring__check_buffer(const void *data, size_t size)
{
    HF_PRE(data != NULL || size == 0);
#ifdef LOOP_ASAN
    HF_ASSERT(__asan_region_is_poisoned((void *)(uintptr_t)data, size) == NULL);
#endif
}

struct io_uring_sqe *hf_uring__sqe(hf_uring_core *core)
{
    HF_PRE(core->running);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&core->ring);
    for (uint32_t i = 0; sqe == NULL; i++) {
        HF_ASSERT(i < SQ_TRIES); /* the kernel takes nothing any more */
        core->counters.sq_full++;
        hf_uring__entered(core, io_uring_submit_and_get_events(&core->ring));
        sqe = io_uring_get_sqe(&core->ring);
    }
    core->in_flight++;
    core->counters.sqes++;
    return sqe;
}

static void arm_event(hf_uring_core *core)
{
    struct io_uring_sqe *sqe = hf_uring__sqe(core);
    io_uring_prep_read(sqe, core->node->shared[core->io.core].event_fd, &core->event_value,
                       sizeof core->event_value, 0);
    io_uring_sqe_set_data64(sqe, hf_uring__data(HF_URING_TAG_EVENT, 0));
}

/* ---- Messages ------------------------------------------------------------------------------- */

/* After something was put into a peer's ring: the peer says that it sleeps, then looks at its rings
 * once more; we fill the ring, then look whether it sleeps. The fences on both sides make sure that
 * one of us sees the other. Of several cores that see it, one wakes it. */
void hf_uring__wake(hf_uring_core *core, uint16_t peer)
{
    hf_uring_shared *shared = &core->node->shared[peer];
    uint32_t yes = 1;
    ck_pr_fence_memory();
    if (atomic_load_explicit(&shared->asleep, memory_order_relaxed) == 0 ||
        !atomic_compare_exchange_strong_explicit(&shared->asleep, &yes, 0, memory_order_acq_rel,
                                                 memory_order_relaxed)) {
        return;
    }
    int fd = atomic_load_explicit(&shared->ring_fd, memory_order_acquire);
    if (fd == HF_URING_NONE) {
        return; /* its run is over */
    }
    struct io_uring_sqe *sqe = hf_uring__sqe(core);
    io_uring_prep_msg_ring(sqe, fd, 0, hf_uring__data(HF_URING_TAG_WOKEN, 0), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, hf_uring__data(HF_URING_TAG_WAKE_FAILED, peer));
    core->in_flight--; /* completes silently */
    core->counters.wakes++;
}

void hf_uring__ring_bell(int event_fd)
{
    uint64_t one = 1;
    /* Full means that it rings already; there is no other way for this to fail. */
    ssize_t ignored = write(event_fd, &one, sizeof one);
    (void)ignored;
}

static void post(hf_io *io, uint16_t to, hf_msg *msg)
{
    hf_uring_core *core = hf_uring__core(io);
    HF_PRE(to < io->core_count && msg->kind < HF_MSG_KIND_MAKER && msg->size >= sizeof *msg);
    msg->from = io->core;
    if (to != io->core) {
        hf_mesh_post(core->node->mesh, io->core, to, msg);
        core->out++;
        return;
    }
    msg->next = NULL;
    if (core->local_first == NULL) {
        core->local_first = msg;
    } else {
        core->local_last->next = msg;
    }
    core->local_last = msg;
}

static void deliver_local(hf_uring_core *core)
{
    hf_msg *msg = core->local_first;
    core->local_first = core->local_last = NULL; /* what is posted meanwhile is for the next turn */
    while (msg != NULL) {
        hf_msg *next = msg->next;
        msg->next = NULL;
        core->counters.messages++;
        core->io.handler->on_message(core->io.context, msg);
        core->io.handler->on_message_back(core->io.context, msg);
        msg = next;
    }
}

static void deliver_back(hf_uring_core *core, uint16_t peer)
{
    hf_msg *msgs[TAKE_BATCH];
    uint32_t count;
    do {
        count = hf_mesh_back(core->node->mesh, core->io.core, peer, msgs, TAKE_BATCH);
        HF_ASSERT(count <= core->out);
        core->out -= count;
        for (uint32_t i = 0; i < count; i++) {
            if (msgs[i]->kind == HF_URING_MSG_HANDOFF) {
                hf_uring__handoff_back(core, msgs[i]);
            } else {
                core->io.handler->on_message_back(core->io.context, msgs[i]);
            }
        }
    } while (count == TAKE_BATCH);
}

/* Several misses at a time cost hardly more than one. */
static void announce(hf_uring_core *core, const hf_msg *const *msgs, uint32_t count)
{
    if (count < 2 || core->io.handler->on_message_ahead == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (msgs[i]->kind < HF_MSG_KIND_MAKER) {
            core->io.handler->on_message_ahead(core->io.context, msgs[i]);
        }
    }
}

static uint32_t deliver_from(hf_uring_core *core, uint16_t peer)
{
    const hf_msg *msgs[TAKE_BATCH];
    uint32_t all = 0;
    uint32_t count;
    do {
        count = hf_mesh_take(core->node->mesh, peer, core->io.core, msgs, TAKE_BATCH);
        announce(core, msgs, count);
        for (uint32_t i = 0; i < count; i++) {
            if (msgs[i]->kind == HF_URING_MSG_HANDOFF) {
                hf_uring__handoff(core, msgs[i]);
            } else {
                core->io.handler->on_message(core->io.context, msgs[i]);
            }
        }
        if (count != 0) {
            hf_mesh_done(core->node->mesh, peer, core->io.core, count);
        }
        all += count;
    } while (count == TAKE_BATCH && all < TAKE_MAX);
    core->counters.messages += all;
    if (all >= core->node->config.mailbox_slots / 2) {
        hf_uring__wake(core, peer); /* its outbox may wait for the room that there is now */
    }
    return all;
}

static void deliver(hf_uring_core *core)
{
    uint32_t all = 0;
    deliver_local(core);
    if (hf_uring__locals_mail(core)) {
        hf_uring__locals_deliver(core);
        all++;
    }
    for (uint16_t peer = 0; peer < core->io.core_count; peer++) {
        if (peer != core->io.core) {
            deliver_back(core, peer);
            all += deliver_from(core, peer);
        }
    }
    if (all != 0) {
        core->spin_credit = SPIN_CREDIT;
    }
}

static void flush(hf_uring_core *core)
{
    hf_uring__locals_flush(core);
    if (core->out == 0) {
        return;
    }
    for (uint16_t peer = 0; peer < core->io.core_count; peer++) {
        if (peer != core->io.core && hf_mesh_flush(core->node->mesh, core->io.core, peer) != 0) {
            hf_uring__wake(core, peer);
        }
    }
}

/* True: the next turn has a message to deliver. */
static bool has_mail(const hf_uring_core *core)
{
    if (core->local_first != NULL || hf_uring__locals_mail(core)) {
        return true;
    }
    for (uint16_t peer = 0; peer < core->io.core_count; peer++) {
        if (peer != core->io.core && (hf_mesh_has(core->node->mesh, peer, core->io.core) ||
                                      hf_mesh_has_back(core->node->mesh, core->io.core, peer))) {
            return true;
        }
    }
    return false;
}

/* ---- Completions ---------------------------------------------------------------------------- */

typedef struct taken_cqe {
    uint64_t data;
    int32_t result;
    uint32_t flags;
} taken_cqe;

static void complete(hf_uring_core *core, const taken_cqe *cqe)
{
    uint32_t index = (uint32_t)(cqe->data >> 8);
    bool more = (cqe->flags & IORING_CQE_F_MORE) != 0;
    bool is_file = (cqe->data & 7) == 0;
    hf_uring_tag tag = is_file ? HF_URING_TAG_FILE : (hf_uring_tag)(cqe->data & 0xff);
    if (!more && tag != HF_URING_TAG_WOKEN && tag != HF_URING_TAG_WAKE_FAILED) {
        HF_ASSERT(core->in_flight != 0);
        core->in_flight--;
    }
    switch (tag) {
    case HF_URING_TAG_FILE:
        hf_uring__file_done(core, (hf_io_op *)(uintptr_t)cqe->data, cqe->result);
        break;
    case HF_URING_TAG_RECV:
    case HF_URING_TAG_SEND:
    case HF_URING_TAG_CANCEL:
    case HF_URING_TAG_CLOSE:
        hf_uring__conn_done(core, tag, index, cqe->result, cqe->flags);
        break;
    case HF_URING_TAG_ACCEPT:
        hf_uring__accept_done(core, index, cqe->result, more);
        break;
    case HF_URING_TAG_EVENT:
        if (!core->draining) {
            arm_event(core);
        }
        break;
    case HF_URING_TAG_WAKE_FAILED:
        /* Its ring is gone, or the kernel was short of memory: the slow bell always works. */
        hf_uring__ring_bell(core->node->shared[index].event_fd);
        break;
    case HF_URING_TAG_WOKEN:
    case HF_URING_TAG_CANCEL_ALL:
        break;
    default:
        HF_UNREACHABLE();
    }
}

/* Takes what is there now. Copied out in batches first: a handler may submit in the middle. */
static void take_completions(hf_uring_core *core)
{
    uint32_t left = io_uring_cq_ready(&core->ring);
    while (left != 0) {
        taken_cqe batch[CQE_BATCH];
        uint32_t count = 0;
        unsigned head;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(&core->ring, head, cqe)
        {
            if (count == CQE_BATCH || count == left) {
                break;
            }
            batch[count++] =
                (taken_cqe){ .data = cqe->user_data, .result = cqe->res, .flags = cqe->flags };
        }
        io_uring_cq_advance(&core->ring, count);
        core->counters.cqes += count;
        left -= count;
        for (uint32_t i = 0; i < count; i++) {
            complete(core, &batch[i]);
        }
    }
}

/* ---- The end of a turn ---------------------------------------------------------------------- */

static bool kernel_has_work(const hf_uring_core *core)
{
    return (IO_URING_READ_ONCE(*core->ring.sq.kflags) &
            (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* Without sleeping. With DEFER_TASKRUN a plain submit would leave deferred work undone. */
static void enter_now(hf_uring_core *core)
{
    if (io_uring_sq_ready(&core->ring) != 0 || kernel_has_work(core)) {
        hf_uring__entered(core, io_uring_submit_and_get_events(&core->ring));
    }
}

static bool something_came(const hf_uring_core *core)
{
    return io_uring_cq_ready(&core->ring) != 0 || kernel_has_work(core) || has_mail(core);
}

/* Only while messages come, while most looks find something, and while nobody else wants the
 * processor: a look in vain costs spin_us of it, one that finds something saves a sleep, a wake and
 * their latency. */
static bool may_spin(hf_uring_core *core)
{
    if (core->node->config.spin_us == 0 || core->spin_credit == 0 ||
        core->io.now_ns < core->crowded_ns) {
        return false;
    }
    uint64_t period = core->io.now_ns >> SPIN_PERIOD_SHIFT;
    if (period != core->spin_period) {
        core->spin_period = period;
        core->spin_worth = core->spin_worth < SPIN_TRY ? SPIN_TRY : core->spin_worth;
    }
    return core->spin_worth != 0;
}

/* Lets others have the processor. False: somebody wanted it. */
static bool is_alone(hf_uring_core *core, uint64_t *now)
{
    uint64_t before = *now;
    (void)sched_yield(); /* does not fail */
    *now = hf_clock_now_ns();
    if (*now - before <= SPIN_ALONE_NS) {
        return true;
    }
    core->crowded_ns = *now + SPIN_CROWDED_NS;
    return false;
}

/* Looks for a while before sleeping: waking a core takes 40 us and more, looking finds a message in
 * less than one. */
static bool spin(hf_uring_core *core, uint64_t due)
{
    if (!may_spin(core)) {
        return false;
    }
    enter_now(core);
    core->counters.spins++;
    uint64_t now = hf_clock_now_ns();
    uint64_t until = now + (uint64_t)core->node->config.spin_us * 1000;
    until = due < until ? due : until;
    do {
        for (uint32_t i = 0; i < SPIN_CHECKS; i++) {
            if (something_came(core)) {
                core->counters.spins_hit++;
                core->spin_worth += core->spin_worth < SPIN_WORTH_MAX;
                enter_now(core);
                return true;
            }
            ck_pr_stall();
        }
    } while (is_alone(core, &now) && now < until);
    core->spin_worth -= core->spin_worth < SPIN_LOSS ? core->spin_worth : SPIN_LOSS;
    core->spin_credit--;
    return false;
}

static void sleep_until(hf_uring_core *core, uint64_t due)
{
    hf_uring_shared *shared = &core->node->shared[core->io.core];
    uint64_t now = due == UINT64_MAX ? 0 : hf_clock_now_ns();
    if (due <= now) {
        enter_now(core);
        return;
    }
    atomic_store_explicit(&shared->asleep, 1, memory_order_relaxed);
    ck_pr_fence_memory(); /* the other half of hf_uring__wake */
    if (has_mail(core)) {
        enter_now(core);
    } else {
        core->counters.sleeps++;
        hf_uring__wait(core, due == UINT64_MAX ? UINT64_MAX : due - now);
    }
    atomic_store_explicit(&shared->asleep, 0, memory_order_relaxed);
}

static void end_turn(hf_uring_core *core, uint64_t due)
{
    due = core->accept_again_ns < due ? core->accept_again_ns : due;
    if (due <= core->io.now_ns || has_mail(core)) {
        enter_now(core);
        return;
    }
    if (core->out != 0 && due > core->io.now_ns + BACK_WAIT_NS) {
        due = core->io.now_ns + BACK_WAIT_NS;
    }
    if (!spin(core, due)) {
        sleep_until(core, due);
    }
}

static void loop(hf_uring_core *core)
{
    hf_uring_node *node = core->node;
    while (!atomic_load_explicit(&node->stopping, memory_order_acquire)) {
        core->io.now_ns = hf_clock_now_ns();
        core->io.wall_ns = hf_clock_wall_ns();
        core->counters.turns++;
        hf_uring__look(core);
        deliver(core);
        take_completions(core);
        if (core->io.now_ns >= core->accept_again_ns) {
            hf_uring__accept_start(core);
        }
        uint64_t due = core->io.handler->on_turn(core->io.context);
        flush(core);
        end_turn(core, due);
    }
}

/* ---- Beginning and end of a run ------------------------------------------------------------- */

static hf_err ring_open(hf_uring_core *core)
{
    struct io_uring_params params = { .flags = IORING_SETUP_SINGLE_ISSUER |
                                               IORING_SETUP_DEFER_TASKRUN |
                                               IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                                               IORING_SETUP_CQSIZE,
                                      .cq_entries = CQ_ENTRIES };
    int failed = io_uring_queue_init_params(SQ_ENTRIES, &core->ring, &params);
    if (failed == -ENOMEM) {
        return hf_uring__fail(HF_E_NOMEM, 0,
                              "no memory for an io_uring of core %u: raise the limit of locked "
                              "memory (ulimit -l, LimitMEMLOCK=)",
                              (unsigned)core->io.core);
    }
    if (failed == -EPERM || failed == -EACCES) {
        return hf_uring__fail(HF_E_NOTSUPPORTED, -failed,
                              "io_uring is forbidden here (kernel.io_uring_disabled, seccomp)");
    }
    if (failed != 0) {
        return hf_uring__fail(HF_E_NOTSUPPORTED, -failed,
                              "cannot create an io_uring (needs "
                              "Linux 6.1 or newer)");
    }
    core->running = true;
    (void)io_uring_ring_dontfork(&core->ring); /* a child of the host must not touch it */
    /* Spares a lookup per call; the ring works without. */
    (void)io_uring_register_ring_fd(&core->ring);
    return hf_uring__buffers_register(core);
}

static hf_err begin(hf_uring_core *core)
{
    const hf_uring_node *node = core->node;
    char name[16];
    (void)snprintf(name, sizeof name, "hf-core-%u", (unsigned)core->io.core);
    (void)pthread_setname_np(pthread_self(), name);
    if (node->config.cpus != NULL && hf_cpu_pin(node->config.cpus[core->io.core]) != HF_OK) {
        return hf_uring__fail(HF_E_INVALID, 0, "cannot pin core %u to processor %u",
                              (unsigned)core->io.core, (unsigned)node->config.cpus[core->io.core]);
    }
    hf_err err = ring_open(core);
    if (err != HF_OK) {
        return err;
    }
    arm_event(core);
    core->accept_again_ns = UINT64_MAX;
    if (core->io.core == 0) {
        hf_uring__accept_start(core);
    }
    hf_uring__start_early(core);
    atomic_store_explicit(&node->shared[core->io.core].ring_fd, core->ring.ring_fd,
                          memory_order_release);
    return HF_OK;
}

/* Ends what is in flight, so that the kernel holds no buffer when the ring is gone: closing a ring
 * alone does not wait for that. */
static hf_err drain(hf_uring_core *core)
{
    core->draining = true;
    struct io_uring_sqe *sqe = hf_uring__sqe(core);
    io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(sqe, hf_uring__data(HF_URING_TAG_CANCEL_ALL, 0));
    uint64_t until = hf_clock_now_ns() + DRAIN_NS;
    while (core->in_flight != 0) {
        if (hf_clock_now_ns() > until) {
            core->stuck = true;
            return hf_uring__fail(HF_E_IO, 0, "core %u: %llu operations do not end",
                                  (unsigned)core->io.core, (unsigned long long)core->in_flight);
        }
        hf_uring__wait(core, DRAIN_WAIT_NS);
        take_completions(core);
    }
    return HF_OK;
}

hf_err hf_uring_run(hf_uring_node *node, uint16_t core_index, const hf_io_handler *handler,
                    void *context)
{
    HF_PRE(core_index < node->config.core_count && handler != NULL);
    hf_uring_core *core = &node->cores[core_index];
    HF_PRE(!core->running && !core->draining); /* once */
    core->io.handler = handler;
    core->io.context = context;
    hf_err err = begin(core);
    if (err == HF_OK) {
        loop(core);
    }
    atomic_store_explicit(&node->shared[core_index].ring_fd, HF_URING_NONE, memory_order_release);
    if (core->running) {
        hf_err drained = drain(core);
        err = err == HF_OK ? drained : err;
        if (!core->stuck) {
            hf_uring__conns_close(core);
            io_uring_queue_exit(&core->ring);
        }
        core->running = false;
    }
    return err;
}

void hf_uring_wake(hf_uring_node *node)
{
    int before = errno;
    for (uint16_t i = 0; i < node->config.core_count; i++) {
        hf_uring__ring_bell(node->shared[i].event_fd);
    }
    errno = before;
}

void hf_uring_stop(hf_uring_node *node)
{
    atomic_store_explicit(&node->stopping, true, memory_order_release);
    hf_uring_wake(node);
}

/* ---- The seam ------------------------------------------------------------------------------- */

static uint64_t draw(hf_io *io)
{
    (void)io;
    return hf_uring__entropy();
}

static void fatal(hf_io *io, int code, const char *message)
{
    char line[320];
    int size = snprintf(line, sizeof line, "fatal: core %u: %s\n", (unsigned)io->core, message);
    size = size < (int)sizeof line ? size : (int)sizeof line - 1;
    /* Nothing can be done about an error here. */
    ssize_t ignored = write(STDERR_FILENO, line, size < 0 ? 0 : (size_t)size);
    (void)ignored;
    _exit(code);
}

const hf_io_ops hf_uring__ops = {
    .submit = hf_uring__submit,
    .list = hf_uring__list,
    .post = post,
    .conn_send = hf_uring__conn_send,
    .conn_receive = hf_uring__conn_receive,
    .conn_close = hf_uring__conn_close,
    .conn_peer = hf_uring__conn_peer,
    .random = draw,
    .fatal = fatal,
};
