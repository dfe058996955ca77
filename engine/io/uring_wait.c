/* Sleeping until something comes, or until enough of it came together. */
#include "engine/io/uring_impl.h"
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>

enum {
    LOOK_NS = 2000000,          /* between two looks at who is active, if there is a turn ... */
    LOOK_OLD_NS = 16000000,     /* ... else what was counted says nothing */
    CROWDED_NS = 8000000,       /* who was interrupted counts as crowded for so long */
    ACTIVE_LEAST = 8,           /* connections: fewer are answered at once */
    ACTIVE_PART = 4,            /* so many of those that are active are waited for ... */
    TOGETHER_MOST = 8,          /* ... at most */
    FEATURE_MIN_WAIT = 1 << 15, /* IORING_FEAT_MIN_TIMEOUT, since Linux 6.12 */
};

/* Of io_uring_enter, with the field that headers before 6.12 call a padding. */
typedef struct wait_args {
    uint64_t sigmask;
    uint32_t sigmask_size;
    uint32_t min_wait_us;
    uint64_t limit;
} wait_args;
_Static_assert(sizeof(wait_args) == sizeof(struct io_uring_getevents_arg) &&
                   offsetof(wait_args, limit) == offsetof(struct io_uring_getevents_arg, ts),
               "as the kernel knows it");

void hf_uring__entered(hf_uring_core *core, int result)
{
    core->counters.enters++;
    HF_ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
              result == -EBUSY);
}

/* ---- How many to wait for ------------------------------------------------------------------- */

/* Somebody else wanted the processor since the last look. */
static bool was_interrupted(hf_uring_core *core)
{
    struct rusage usage;
    HF_ASSERT(getrusage(RUSAGE_THREAD, &usage) == 0);
    bool was = usage.ru_nivcsw != core->interruptions;
    core->interruptions = usage.ru_nivcsw;
    return was;
}

void hf_uring__look(hf_uring_core *core)
{
    const hf_uring_config *config = &core->node->config;
    uint64_t passed = core->io.now_ns - core->look_ns;
    if (config->gather_us == 0 || passed < LOOK_NS) {
        return;
    }
    uint32_t active = passed < LOOK_OLD_NS ? core->active : 0;
    core->look_ns = core->io.now_ns;
    core->look_mark++;
    core->active = 0;
    core->together = 1;
    if (active < ACTIVE_LEAST || (core->ring.features & FEATURE_MIN_WAIT) == 0) {
        return;
    }
    if (was_interrupted(core)) {
        core->interrupted_ns = core->io.now_ns + CROWDED_NS;
    }
    if (core->io.now_ns < core->interrupted_ns || config->gather_always) {
        uint32_t part = active / ACTIVE_PART;
        core->together = part < TOGETHER_MOST ? part : TOGETHER_MOST;
    }
}

/* ---- Waiting -------------------------------------------------------------------------------- */

/* As io_uring_submit() tells the kernel of what was prepared; answers how much that is. */
static unsigned publish(struct io_uring *ring)
{
    struct io_uring_sq *sq = &ring->sq;
    unsigned tail = *sq->ktail;
    for (; sq->sqe_head != sq->sqe_tail; sq->sqe_head++) {
        sq->array[tail++ & sq->ring_mask] = sq->sqe_head & sq->ring_mask;
    }
    io_uring_smp_store_release(sq->ktail, tail);
    return tail - io_uring_smp_load_acquire(sq->khead);
}

/* Until `count` completions are there; or one, and the minimum has passed; or the limit has. */
static int wait_together(hf_uring_core *core, unsigned count, struct __kernel_timespec *limit)
{
    wait_args args = { .sigmask_size = _NSIG / 8,
                       .min_wait_us = core->node->config.gather_us,
                       .limit = (uint64_t)(uintptr_t)limit };
    unsigned submit = publish(&core->ring);
    core->counters.gathers++;
    return io_uring_enter2((unsigned)core->ring.ring_fd, submit, count,
                           IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, (sigset_t *)&args,
                           sizeof args);
}

void hf_uring__wait(hf_uring_core *core, uint64_t ns)
{
    struct __kernel_timespec limit = { .tv_sec = (long long)(ns / 1000000000),
                                       .tv_nsec = (long long)(ns % 1000000000) };
    struct __kernel_timespec *until = ns == UINT64_MAX ? NULL : &limit;
    if (core->together > 1 && ns / 2000 >= core->node->config.gather_us) {
        hf_uring__entered(core, wait_together(core, core->together, until));
        return;
    }
    struct io_uring_cqe *cqe;
    hf_uring__entered(core, io_uring_submit_and_wait_timeout(&core->ring, &cqe, 1, until, NULL));
}
