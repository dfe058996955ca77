/* A node's run. The main thread waits; the cores' threads work. */
#include "engine/node/node.h"
#include "engine/base/assert.h"
#include "engine/io/clock.h"
#include "engine/io/cpu.h"
#include "engine/io/pages.h"
#include "engine/io/uring.h"
#include "engine/node/datadir.h"
#include "engine/node/machine.h"
#include "engine/node/notify.h"
#include "engine/shard/shard.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    CORES_MAX = HF_DATADIR_SHARDS_MAX,
    REGION_UNIT = 2 * 1024 * 1024, /* a huge page */
    FILES_RESERVED = 512,          /* descriptors for everything but connections */
    CONNECTIONS_LEAST = 16,
    PATIENCE_NS = 500000000,
    TICK_MS = 100, /* while draining: is it time to give up? */
};

typedef struct hf_node hf_node;

/* What one thread has. The main thread reads `problem` and `booted` only after the core counted
 * itself among the ended, or the ready. */
typedef struct hf_core {
    _Alignas(64) _Atomic uint64_t turns; /* for the watchdog */
    hf_node *node;
    pthread_t thread;
    uint16_t index;
    bool told_stop, told_ready, told_stopped, told_asked; /* the core's own */
    hf_shard *shard;
    hf_problem problem; /* code HF_EXIT_OK: none */
    hf_shard_stats booted;
    uint64_t turns_seen; /* the main thread's */
} hf_core;

typedef enum hf_phase { BOOTING, SERVING, DRAINING } hf_phase;

struct hf_node {
    hf_core cores[CORES_MAX];
    _Atomic bool stop; /* what follows is read by cores, written seldom */
    _Atomic bool open_failed;
    _Atomic uint32_t ready, asked, stopped, ended; /* cores that said so; asked: to stop the node */
    uint16_t core_count;
    uint16_t port, http_port;
    bool pinned;
    uint32_t spin_us;
    int signal_fd, event_fd;
    hf_phase phase;
    const hf_config *config;
    hf_oplog *log;
    hf_uring_node *uring;
    hf_io_ops ops; /* the reactor's, with our word on fatal */
    hf_io_handler handler;
    hf_shard_config shard;
    hf_datadir dir;
    hf_notify notify;
    hf_problem problem;
    pthread_barrier_t opened;
    uint64_t region_bytes;
    uint64_t started_ns;
    uint64_t drain_until_ns;
    uint64_t patience_ns; /* signals before it are the first one once more: to a group, and to us */
    uint64_t watch_ns;    /* when to look at the turns again; UINT64_MAX: nobody asked */
    uint16_t cpus[CORES_MAX];
};

static hf_node the; /* there is one in a process; zeroed, 64-byte aligned */
static _Thread_local hf_core *self;

/* ---- In the cores' threads ------------------------------------------------------------------- */

static void tell_main(hf_node *node, _Atomic uint32_t *count)
{
    uint64_t one = 1;
    (void)atomic_fetch_add_explicit(count, 1, memory_order_release);
    ssize_t size = write(node->event_fd, &one, sizeof one);
    HF_ASSERT(size == (ssize_t)sizeof one || errno == EAGAIN); /* full: it is awake anyhow */
}

/* The shard's turn, and what the main thread and the shard have to say to each other. */
static uint64_t on_turn(void *context)
{
    hf_shard *shard = context;
    hf_core *me = self;
    if (!me->told_stop && atomic_load_explicit(&me->node->stop, memory_order_relaxed)) {
        me->told_stop = true;
        hf_shard_stop(shard);
    }
    uint64_t due = hf_shard_handler()->on_turn(shard);
    uint64_t turns = atomic_load_explicit(&me->turns, memory_order_relaxed);
    atomic_store_explicit(&me->turns, turns + 1, memory_order_relaxed);
    if (!me->told_ready && hf_shard_ready(shard)) {
        me->told_ready = true;
        hf_shard_stats_get(shard, &me->booted);
        tell_main(me->node, &me->node->ready);
    }
    if (!me->told_asked && hf_shard_stop_requested(shard)) {
        me->told_asked = true;
        tell_main(me->node, &me->node->asked);
    }
    if (!me->told_stopped && hf_shard_stopped(shard)) {
        me->told_stopped = true;
        tell_main(me->node, &me->node->stopped);
    }
    return due;
}

/* The claim to the disk has ended, or a shard cannot go on. The last line says so, in the format of
 * the others; then nothing more is written. */
static void on_fatal(hf_io *io, int code, const char *message)
{
    char status[512];
    HF_SAY(the.log, FATAL, "the node cannot go on", HF_NUMBER("core", io->core),
           HF_NUMBER("code", (uint64_t)code), HF_TEXT("error", message), HF_END);
    (void)snprintf(status, sizeof status, "STATUS=%s", message);
    hf_notify_send(&the.notify, status);
    _exit(code);
}

static hf_exit open_core(hf_core *me)
{
    hf_node *node = me->node;
    uint16_t index = me->index;
    if (node->pinned && hf_cpu_pin(node->cpus[index]) != HF_OK) {
        return hf_problem_set(&me->problem, HF_EXIT_SYSTEM,
                              "cannot keep core %u on processor %u; try --no-pin", index,
                              node->cpus[index]);
    }
    /* Here and not in the main thread: memory comes from near the processor that first touches it.
     */
    void *region = hf_pages_map((size_t)node->region_bytes, hf_config_takes_memory(node->config));
    if (region == NULL) {
        return hf_problem_set(&me->problem, HF_EXIT_SYSTEM,
                              "no memory for core %u: %" PRIu64 " MiB; give less --memory", index,
                              node->region_bytes >> 20);
    }
    me->shard =
        hf_shard_open(hf_uring_io(node->uring, index), region, node->region_bytes, &node->shard);
    if (me->shard == NULL) {
        return hf_problem_set(&me->problem, HF_EXIT_CONFIG,
                              "%" PRIu64 " MiB are too little for core %u; give more --memory",
                              node->region_bytes >> 20, index);
    }
    return HF_EXIT_OK;
}

static void *core_main(void *argument)
{
    hf_core *me = argument;
    hf_node *node = me->node;
    self = me;
    if (open_core(me) != HF_EXIT_OK) {
        atomic_store_explicit(&node->open_failed, true, memory_order_relaxed);
    }
    (void)pthread_barrier_wait(&node->opened);
    if (!atomic_load_explicit(&node->open_failed, memory_order_relaxed)) {
        hf_err err = hf_uring_run(node->uring, me->index, &node->handler, me->shard);
        if (err != HF_OK) {
            (void)hf_problem_set(&me->problem, hf_exit_of(err), "%s", hf_uring_problem());
        }
    }
    tell_main(node, &node->ended);
    return NULL;
}

/* ---- Sizing ---------------------------------------------------------------------------------- */

/* The directory says how many shards there are; a thread each. With fewer processors allowed than
 * shards, threads share them: none is pinned, and none spins while another could work. */
static hf_exit size_cores(hf_node *node)
{
    const hf_config *config = node->config;
    uint16_t allowed = hf_cpu_list(node->cpus, CORES_MAX);
    uint64_t shards = node->dir.identity.shards;
    node->core_count = (uint16_t)shards;
    uint16_t use = (uint16_t)(config->cores < allowed ? config->cores : allowed);
    node->pinned = config->pin && use >= node->core_count;
    node->spin_us = use >= node->core_count && node->core_count > 1 ? (uint32_t)config->spin_us : 0;
    if (config->cores > shards) {
        HF_SAY(node->log, WARN,
               "fewer shards than cores: the number of shards was fixed when the "
               "data directory was made",
               HF_NUMBER("shards", shards), HF_NUMBER("cores", config->cores), HF_END);
    } else if (use < shards) {
        HF_SAY(node->log, WARN, "more shards than cores: they share processors",
               HF_NUMBER("shards", shards), HF_NUMBER("cores", use), HF_END);
        if (hf_machine_keep_to(use) != HF_OK) {
            return hf_problem_set(&node->problem, HF_EXIT_SYSTEM,
                                  "cannot keep the threads to %u processors", use);
        }
    }
    return HF_EXIT_OK;
}

static hf_exit size_memory(hf_node *node)
{
    const hf_config *config = node->config;
    uint64_t least = hf_shard_least_bytes(&node->shard) + REGION_UNIT - 1;
    least -= least % REGION_UNIT;
    node->region_bytes = config->memory_bytes / node->core_count;
    node->region_bytes -= node->region_bytes % REGION_UNIT;
    if (node->region_bytes < least) {
        return hf_problem_set(&node->problem, HF_EXIT_CONFIG,
                              "%" PRIu64 " MiB of memory are too little for %u shards; give at "
                              "least --memory %" PRIu64 "MiB",
                              config->memory_bytes >> 20, node->core_count,
                              (least * node->core_count) >> 20);
    }
    return HF_EXIT_OK;
}

/* As many connections as there may be descriptors. */
static hf_exit size_connections(hf_node *node)
{
    uint64_t files = hf_machine_raise_files();
    uint64_t each = files > FILES_RESERVED ? (files - FILES_RESERVED) / node->core_count : 0;
    if (each < CONNECTIONS_LEAST) {
        return hf_problem_set(&node->problem, HF_EXIT_SYSTEM,
                              "only %" PRIu64 " files may be open; raise the limit (ulimit -n, "
                              "LimitNOFILE=) to %u at least",
                              files, FILES_RESERVED + CONNECTIONS_LEAST * node->core_count);
    }
    if (each < node->shard.connections_max) {
        HF_SAY(node->log, INFO, "connections are limited by the number of open files",
               HF_NUMBER("files", files), HF_NUMBER("connections", each * node->core_count),
               HF_END);
        node->shard.connections_max = (uint32_t)each;
    }
    return HF_EXIT_OK;
}

static hf_exit size(hf_node *node)
{
    const hf_config *config = node->config;
    node->shard = hf_shard_defaults();
    node->shard.node_id = node->dir.identity.node_id;
    node->shard.log_flushes = (uint32_t)config->log_flushes;
    node->shard.retention_ns = config->retention_ns;
    node->shard.outcome_ms = config->outcome_horizon_ns / 1000000;
    node->shard.recovery_ns = config->recovery_target_ns;
    node->shard.version = HF_VERSION;
    hf_exit code = size_cores(node);
    if (code == HF_EXIT_OK) {
        code = size_connections(node);
    }
    return code != HF_EXIT_OK ? code : size_memory(node);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static hf_exit listen_on(hf_node *node, hf_listener kind, const char *option, const hf_address *at,
                         uint16_t *bound)
{
    hf_err err = hf_uring_listen(node->uring, kind, at->host, at->port, 0, bound);
    if (err == HF_OK) {
        return HF_EXIT_OK;
    }
    return hf_problem_set(&node->problem, err == HF_E_BUSY ? HF_EXIT_PORT : HF_EXIT_CONFIG,
                          "%s; give another --%s", hf_uring_problem(), option);
}

static hf_exit open_reactors(hf_node *node)
{
    const hf_config *config = node->config;
    hf_uring_config uring = { .data_path = node->dir.path,
                              .core_count = node->core_count,
                              .connections = node->shard.connections_max,
                              .cpus = node->pinned ? node->cpus : NULL,
                              .spin_us = node->spin_us };
    node->uring = hf_uring_open(&uring);
    if (node->uring == NULL) {
        return hf_problem_set(&node->problem, hf_exit_of(hf_uring_problem_code()), "%s",
                              hf_uring_problem());
    }
    hf_exit code = listen_on(node, HF_LISTENER_CLIENT, "listen", &config->listen, &node->port);
    if (code == HF_EXIT_OK) {
        code = listen_on(node, HF_LISTENER_HTTP, "http", &config->http, &node->http_port);
    }
    node->ops = *hf_uring_io(node->uring, 0)->ops;
    node->ops.fatal = on_fatal;
    for (uint16_t i = 0; i < node->core_count; i++) {
        hf_uring_io(node->uring, i)->ops = &node->ops;
    }
    node->handler = *hf_shard_handler();
    node->handler.on_turn = on_turn;
    return code;
}

/* Signals are read by the main thread, and interrupt no other. */
static hf_exit open_signals(hf_node *node)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    node->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    node->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (node->event_fd < 0 || node->signal_fd < 0) {
        return hf_problem_errno(&node->problem, HF_EXIT_SYSTEM, errno, "cannot wait for signals");
    }
    HF_ASSERT(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    HF_ASSERT(sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL) == 0);
    return HF_EXIT_OK;
}

static hf_exit start_threads(hf_node *node)
{
    HF_ASSERT(pthread_barrier_init(&node->opened, NULL, node->core_count) == 0);
    for (uint16_t i = 0; i < node->core_count; i++) {
        hf_core *each = &node->cores[i];
        each->node = node;
        each->index = i;
        int failed = pthread_create(&each->thread, NULL, core_main, each);
        if (failed != 0) {
            /* The others wait at the barrier and end with the process. */
            return hf_problem_errno(&node->problem, HF_EXIT_SYSTEM, failed,
                                    "cannot start thread %u of %u", i + 1, node->core_count);
        }
    }
    return HF_EXIT_OK;
}

static hf_exit open_all(hf_node *node)
{
    hf_exit code = open_signals(node);
    if (code == HF_EXIT_OK) {
        code = hf_datadir_open(&node->dir, node->config->data, (uint16_t)node->config->cores,
                               &node->problem);
    }
    if (code == HF_EXIT_OK) {
        code = size(node);
    }
    return code != HF_EXIT_OK ? code : open_reactors(node);
}

/* ---- Saying ---------------------------------------------------------------------------------- */

static void say_listening(hf_node *node)
{
    const hf_config *config = node->config;
    uint64_t locked = hf_machine_locked();
    char id[20];
    (void)snprintf(id, sizeof id, "%016" PRIx64, node->dir.identity.node_id);
    HF_SAY(node->log, INFO, "starting", HF_TEXT("version", HF_VERSION),
           HF_NUMBER("pid", (uint64_t)getpid()), HF_TEXT("data", node->dir.path),
           HF_BOOL("new", node->dir.made), HF_TEXT("node", id),
           HF_NUMBER("shards", node->core_count), HF_BOOL("pinned", node->pinned),
           HF_NUMBER("spin_us", node->spin_us),
           HF_NUMBER("memory_bytes", node->region_bytes * node->core_count),
           HF_NUMBER("connections", (uint64_t)node->shard.connections_max * node->core_count),
           locked == UINT64_MAX ? HF_TEXT("locked_limit", "none")
                                : HF_NUMBER("locked_limit_bytes", locked),
           HF_END);
    HF_SAY(node->log, INFO, "listening", HF_TEXT("host", config->listen.host),
           HF_NUMBER("port", node->port), HF_TEXT("http_host", config->http.host),
           HF_NUMBER("http_port", node->http_port), HF_END);
    if (!hf_uring_has_direct(node->uring)) {
        HF_SAY(node->log, WARN, "the file system has no O_DIRECT: the log is as safe, and slower",
               HF_TEXT("data", node->dir.path), HF_END);
    }
}

static void say_ready(hf_node *node)
{
    uint64_t records = 0;
    uint64_t keys = 0;
    uint64_t used = 0;
    for (uint16_t i = 0; i < node->core_count; i++) {
        records += node->cores[i].booted.recovered_records;
        keys += node->cores[i].booted.keys;
        used += node->cores[i].booted.memory_used;
    }
    HF_SAY(node->log, INFO, "ready",
           HF_NUMBER("took_ms", (hf_clock_now_ns() - node->started_ns) / 1000000),
           HF_NUMBER("replayed_records", records), HF_NUMBER("keys", keys),
           HF_NUMBER("memory_used_bytes", used), HF_NUMBER("shards", node->core_count),
           HF_TEXT("log_per", "core"), HF_NUMBER("log_flushes", node->shard.log_flushes),
           HF_BOOL("o_direct", hf_uring_has_direct(node->uring)), HF_END);
    hf_notify_send(&node->notify, "READY=1\nSTATUS=serving");
}

static hf_exit say_problem(hf_node *node, const hf_problem *problem)
{
    HF_SAY(node->log, FATAL, "cannot run", HF_NUMBER("code", (uint64_t)problem->code),
           HF_TEXT("error", problem->text), HF_END);
    return problem->code;
}

/* ---- The main thread's wait ------------------------------------------------------------------ */

static void begin_drain(hf_node *node, const char *why)
{
    node->phase = DRAINING;
    node->drain_until_ns = hf_clock_now_ns() + node->config->drain_ns;
    node->patience_ns = hf_clock_now_ns() + PATIENCE_NS;
    HF_SAY(node->log, INFO, "stopping: letting what runs end; a second signal stops at once",
           HF_TEXT("by", why), HF_END);
    hf_notify_send(&node->notify, "STOPPING=1\nSTATUS=draining");
    atomic_store_explicit(&node->stop, true, memory_order_release);
    hf_uring_wake(node->uring);
}

/* As if the signal had not been caught. */
static void die_of(int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    (void)sigaction(number, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
    (void)raise(number);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + number);
}

static void take_signals(hf_node *node)
{
    struct signalfd_siginfo info;
    while (read(node->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        int number = (int)info.ssi_signo;
        if (number == SIGHUP) {
            HF_SAY(node->log, INFO, "SIGHUP: there is nothing to open again", HF_END);
        } else if (node->phase == DRAINING && hf_clock_now_ns() >= node->patience_ns) {
            HF_SAY(node->log, WARN, "stopping at once", HF_END);
            die_of(number);
        } else if (node->phase != DRAINING) {
            begin_drain(node, number == SIGINT ? "SIGINT" : "SIGTERM");
        }
    }
}

/* Each core takes a turn when woken; one that took none since the last look is stuck, and the
 * manager hears nothing. */
static void watch(hf_node *node, uint64_t now)
{
    bool alive = true;
    if (now < node->watch_ns) {
        return;
    }
    for (uint16_t i = 0; i < node->core_count; i++) {
        hf_core *each = &node->cores[i];
        uint64_t turns = atomic_load_explicit(&each->turns, memory_order_relaxed);
        if (turns == each->turns_seen && node->phase != BOOTING) {
            HF_SAY(node->log, ERROR, "a core does not move", HF_NUMBER("core", i), HF_END);
            alive = false;
        }
        each->turns_seen = turns;
    }
    if (alive) {
        hf_notify_send(&node->notify, "WATCHDOG=1");
    }
    node->watch_ns = now + node->notify.watchdog_ns / 2;
    hf_uring_wake(node->uring);
}

static int wait_ms(const hf_node *node, uint64_t now)
{
    uint64_t ms = node->phase == DRAINING ? TICK_MS : UINT64_MAX;
    if (node->watch_ns != UINT64_MAX) {
        uint64_t watch_ms = node->watch_ns > now ? (node->watch_ns - now) / 1000000 + 1 : 0;
        ms = watch_ms < ms ? watch_ms : ms;
    }
    return ms > INT32_MAX ? -1 : (int)ms;
}

/* Until a core's thread ended, or all shards have stopped. */
static void wait_for_end(hf_node *node)
{
    struct pollfd fds[] = { { .fd = node->signal_fd, .events = POLLIN },
                            { .fd = node->event_fd, .events = POLLIN } };
    uint64_t ignored;
    node->watch_ns = node->notify.watchdog_ns == 0 ? UINT64_MAX : hf_clock_now_ns();
    for (;;) {
        uint64_t now = hf_clock_now_ns();
        int count = poll(fds, 2, wait_ms(node, now));
        HF_ASSERT(count >= 0 || errno == EINTR);
        (void)!read(node->event_fd, &ignored, sizeof ignored); /* only to be woken again */
        take_signals(node);
        now = hf_clock_now_ns();
        watch(node, now);
        if (node->phase == BOOTING &&
            atomic_load_explicit(&node->ready, memory_order_acquire) == node->core_count) {
            node->phase = SERVING;
            say_ready(node);
        }
        if (atomic_load_explicit(&node->asked, memory_order_acquire) != 0 &&
            node->phase != DRAINING) {
            begin_drain(node, "SHUTDOWN");
        }
        if (atomic_load_explicit(&node->ended, memory_order_acquire) != 0 ||
            atomic_load_explicit(&node->stopped, memory_order_acquire) == node->core_count) {
            return;
        }
        if (node->phase == DRAINING && now > node->drain_until_ns) {
            (void)hf_problem_set(&node->problem, HF_EXIT_INTERNAL,
                                 "not drained after %" PRIu64
                                 " ms; what was acknowledged is on disk",
                                 node->config->drain_ns / 1000000);
            _exit((int)say_problem(node, &node->problem));
        }
    }
}

/* All threads have returned, or will; the first problem of a core is the node's. */
static hf_exit end_threads(hf_node *node)
{
    hf_exit code = HF_EXIT_OK;
    hf_uring_stop(node->uring);
    for (uint16_t i = 0; i < node->core_count; i++) {
        HF_ASSERT(pthread_join(node->cores[i].thread, NULL) == 0);
    }
    for (uint16_t i = 0; i < node->core_count && code == HF_EXIT_OK; i++) {
        if (node->cores[i].problem.code != HF_EXIT_OK) {
            code = say_problem(node, &node->cores[i].problem);
        }
    }
    return code;
}

hf_exit hf_node_run(const hf_config *config, hf_oplog *log)
{
    hf_node *node = &the;
    node->config = config;
    node->log = log;
    node->started_ns = hf_clock_now_ns();
    hf_notify_open(&node->notify);
    if (open_all(node) != HF_EXIT_OK) {
        return say_problem(node, &node->problem);
    }
    say_listening(node);
    if (start_threads(node) != HF_EXIT_OK) {
        return say_problem(node, &node->problem);
    }
    wait_for_end(node);
    hf_exit code = end_threads(node);
    if (code == HF_EXIT_OK) {
        hf_uring_close(node->uring);
        hf_datadir_close(&node->dir);
        HF_SAY(log, INFO, "stopped", HF_END);
    }
    hf_notify_close(&node->notify);
    return code;
}
