#include "engine/node/cores.h"
#include "engine/base/assert.h"
#include "engine/io/cpu.h"
#include "engine/io/local.h"
#include "engine/io/pages.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { REGION_UNIT = 2 * 1024 * 1024 /* a huge page */ };

static _Thread_local hf_core *self;

/* ---- In the cores' threads ------------------------------------------------------------------- */

static void tell(hf_cores *cores, _Atomic uint32_t *count)
{
    uint64_t one = 1;
    (void)atomic_fetch_add_explicit(count, 1, memory_order_release);
    ssize_t size = write(cores->event_fd, &one, sizeof one);
    HF_ASSERT(size == (ssize_t)sizeof one || errno == EAGAIN); /* full: it is awake anyhow */
}

/* The shard's turn, and what the shard and who waits outside have to say to each other. */
static uint64_t on_turn(void *context)
{
    hf_shard *shard = context;
    hf_core *me = self;
    if (!me->told_stop && atomic_load_explicit(&me->cores->stop, memory_order_relaxed)) {
        me->told_stop = true;
        hf_shard_stop(shard);
    }
    uint64_t due = hf_shard_handler()->on_turn(shard);
    uint64_t turns = atomic_load_explicit(&me->turns, memory_order_relaxed);
    atomic_store_explicit(&me->turns, turns + 1, memory_order_relaxed);
    if (!me->told_ready && hf_shard_ready(shard)) {
        me->told_ready = true;
        hf_shard_stats_get(shard, &me->booted);
        tell(me->cores, &me->cores->ready);
    }
    if (!me->told_asked && hf_shard_stop_requested(shard)) {
        me->told_asked = true;
        tell(me->cores, &me->cores->asked);
    }
    if (!me->told_stopped && hf_shard_stopped(shard)) {
        me->told_stopped = true;
        tell(me->cores, &me->cores->stopped);
    }
    return due;
}

static hf_exit open_core(hf_core *me)
{
    hf_cores *cores = me->cores;
    uint16_t index = me->index;
    if (cores->pinned && hf_cpu_pin(cores->cpus[index]) != HF_OK) {
        return hf_problem_set(&me->problem, HF_EXIT_SYSTEM,
                              "cannot keep core %u on processor %u; try --no-pin", index,
                              cores->cpus[index]);
    }
    /* Here and not in the main thread: memory comes from near the processor that first touches it.
     */
    me->region = hf_pages_map((size_t)cores->region_bytes, cores->config.take_memory);
    if (me->region == NULL) {
        return hf_problem_set(&me->problem, HF_EXIT_SYSTEM,
                              "no memory for core %u: %" PRIu64 " MiB; give less --memory", index,
                              cores->region_bytes >> 20);
    }
    me->shard = hf_shard_open(hf_uring_io(cores->uring, index), me->region, cores->region_bytes,
                              &cores->config.shard);
    if (me->shard == NULL) {
        return hf_problem_set(&me->problem, HF_EXIT_CONFIG,
                              "%" PRIu64 " MiB are too little for core %u; give more --memory",
                              cores->region_bytes >> 20, index);
    }
    return HF_EXIT_OK;
}

/* True: all have opened their shards. */
static bool meet(hf_cores *cores, bool good)
{
    HF_ASSERT(pthread_mutex_lock(&cores->lock) == 0); /* tidy: pthread_mutex_lock at start */
    cores->opened++;
    cores->open_failed = cores->open_failed || !good;
    HF_ASSERT(pthread_cond_broadcast(&cores->meet) == 0);
    while (cores->opened < cores->count && !cores->open_failed) {
        HF_ASSERT(pthread_cond_wait(&cores->meet, &cores->lock) == 0);
    }
    good = !cores->open_failed;
    HF_ASSERT(pthread_mutex_unlock(&cores->lock) == 0);
    return good;
}

static void *core_main(void *argument)
{
    hf_core *me = argument;
    hf_cores *cores = me->cores;
    self = me;
    me->err = HF_E_NOMEM; /* until the shard is open */
    /* tidy: setjmp as a fatal end deep in a turn of the loop must not end the host's process */
    if (meet(cores, open_core(me) == HF_EXIT_OK) && setjmp(me->away) == 0) {
        me->err = HF_OK;
        hf_err err = hf_uring_run(cores->uring, me->index, &cores->handler, me->shard);
        if (err != HF_OK) {
            me->err = err;
            (void)hf_problem_set(&me->problem, hf_exit_of(err), "%s", hf_uring_problem());
        }
    }
    tell(cores, &cores->ended);
    return NULL;
}

_Noreturn void hf_cores_leave(hf_io *io)
{
    (void)io;
    self->left = true;
    hf_uring_stop(self->cores->uring);
    hf_local_wake_all(self->cores->uring);
    longjmp(self->away, 1); /* tidy: longjmp to core_main */
}

void *hf_cores_context(void)
{
    return self->cores->config.context;
}

/* ---- Sizing ---------------------------------------------------------------------------------- */

/* The directory says how many shards there are; a thread each. With fewer processors allowed than
 * shards, threads share them: none is pinned, and none spins while another could work. */
static void size_threads(hf_cores *cores)
{
    const hf_cores_config *config = &cores->config;
    uint16_t allowed = hf_cpu_list(cores->cpus, HF_CORES_MAX);
    cores->count = (uint16_t)config->dir->identity.shards;
    cores->use = config->cores < allowed ? config->cores : allowed;
    cores->pinned = config->pin && cores->use >= cores->count;
    bool exchange = cores->count > 1 || config->locals != 0;
    cores->spin_us = cores->use >= cores->count && exchange ? config->spin_us : 0;
}

hf_exit hf_cores_size(hf_cores *cores, const hf_cores_config *config, hf_problem *problem)
{
    cores->config = *config;
    cores->config.shard.node_id = config->dir->identity.node_id;
    cores->config.shard.log_shared = config->dir->identity.log_shared;
    cores->event_fd = -1;
    size_threads(cores);
    uint64_t least = hf_shard_least_bytes(&cores->config.shard) + REGION_UNIT - 1;
    least -= least % REGION_UNIT;
    cores->region_bytes = config->memory_bytes / cores->count;
    cores->region_bytes -= cores->region_bytes % REGION_UNIT;
    if (cores->region_bytes < least) {
        return hf_problem_set(problem, HF_EXIT_CONFIG,
                              "%" PRIu64 " MiB of memory are too little for %u shards; give at "
                              "least --memory %" PRIu64 "MiB",
                              config->memory_bytes >> 20, cores->count,
                              (least * cores->count) >> 20);
    }
    return HF_EXIT_OK;
}

/* ---- The caller's thread --------------------------------------------------------------------- */

hf_exit hf_cores_open(hf_cores *cores, hf_problem *problem)
{
    const hf_cores_config *config = &cores->config;
    hf_uring_config uring = { .data_path = config->dir->path,
                              .core_count = cores->count,
                              .connections = config->shard.connections_max,
                              .cpus = cores->pinned ? cores->cpus : NULL,
                              .locals = config->locals,
                              .spin_us = cores->spin_us,
                              .gather_us = HF_URING_GATHER_US };
    HF_ASSERT(pthread_mutex_init(&cores->lock, NULL) == 0);
    HF_ASSERT(pthread_cond_init(&cores->meet, NULL) == 0);
    cores->config.shard.connections_max += config->locals;
    cores->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cores->event_fd < 0) {
        return hf_problem_errno(problem, HF_EXIT_SYSTEM, errno, "cannot make an eventfd");
    }
    cores->uring = hf_uring_open(&uring);
    if (cores->uring == NULL) {
        return hf_problem_set(problem, hf_exit_of(hf_uring_problem_code()), "%s",
                              hf_uring_problem());
    }
    cores->ops = *hf_uring_io(cores->uring, 0)->ops;
    cores->ops.fatal = config->fatal;
    for (uint16_t i = 0; i < cores->count; i++) {
        hf_uring_io(cores->uring, i)->ops = &cores->ops;
    }
    cores->handler = *hf_shard_handler();
    cores->handler.on_turn = on_turn;
    return HF_EXIT_OK;
}

static void join(hf_cores *cores)
{
    for (uint16_t i = 0; i < cores->count; i++) {
        if (cores->core[i].started) {
            HF_ASSERT(pthread_join(cores->core[i].thread, NULL) == 0);
            cores->core[i].started = false;
        }
    }
}

/* Those that wait for the others go home. */
static void give_up(hf_cores *cores)
{
    HF_ASSERT(pthread_mutex_lock(&cores->lock) == 0); /* tidy: pthread_mutex_lock at start */
    cores->open_failed = true;
    HF_ASSERT(pthread_cond_broadcast(&cores->meet) == 0);
    HF_ASSERT(pthread_mutex_unlock(&cores->lock) == 0);
    hf_uring_stop(cores->uring);
    join(cores);
}

/* Handlers are the host's: they run in its threads. What a fault raises cannot be put off. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        sigdelset(&all, faults[i]);
    }
    HF_ASSERT(pthread_sigmask(SIG_SETMASK, &all, before) == 0);
}

hf_exit hf_cores_start(hf_cores *cores, hf_problem *problem)
{
    sigset_t before;
    int failed = 0;
    uint16_t i = 0;
    block_signals(&before);
    while (i < cores->count && failed == 0) {
        hf_core *each = &cores->core[i++];
        each->cores = cores;
        each->index = (uint16_t)(i - 1);
        failed = pthread_create(&each->thread, NULL, core_main, each);
        each->started = failed == 0;
    }
    HF_ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (failed != 0) {
        give_up(cores);
        return hf_problem_errno(problem, HF_EXIT_SYSTEM, failed, "cannot start thread %u of %u", i,
                                cores->count);
    }
    return HF_EXIT_OK;
}

void hf_cores_drain(hf_cores *cores)
{
    atomic_store_explicit(&cores->stop, true, memory_order_release);
    hf_uring_wake(cores->uring);
}

hf_exit hf_cores_end(hf_cores *cores, hf_problem *problem)
{
    hf_uring_stop(cores->uring);
    hf_local_wake_all(cores->uring);
    join(cores);
    for (uint16_t i = 0; i < cores->count; i++) {
        if (cores->core[i].problem.code != HF_EXIT_OK) {
            *problem = cores->core[i].problem;
            return problem->code;
        }
    }
    return HF_EXIT_OK;
}

void hf_cores_close(hf_cores *cores)
{
    bool held = false; /* the kernel may still write into some of it */
    for (uint16_t i = 0; i < cores->count; i++) {
        held = held || cores->core[i].left || cores->core[i].problem.code == HF_EXIT_IO;
    }
    if (cores->event_fd >= 0) {
        (void)close(cores->event_fd);
    }
    if (held) {
        return;
    }
    if (cores->uring != NULL) {
        hf_uring_close(cores->uring);
    }
    for (uint16_t i = 0; i < cores->count; i++) {
        if (cores->core[i].shard != NULL) {
            hf_shard_close(cores->core[i].shard);
        }
        hf_pages_unmap(cores->core[i].region, (size_t)cores->region_bytes);
    }
}
