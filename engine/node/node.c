/* A node's run. The main thread waits; the cores' threads (engine/node/cores.h) work. */
#include "engine/node/node.h"
#include "engine/base/assert.h"
#include "engine/io/clock.h"
#include "engine/io/cpu.h"
#include "engine/node/cores.h"
#include "engine/node/machine.h"
#include "engine/node/notify.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    FILES_RESERVED = 512, /* descriptors for everything but connections */
    CONNECTIONS_LEAST = 16,
    PATIENCE_NS = 500000000,
    TICK_MS = 100, /* while draining: is it time to give up? */
};

typedef enum hf_phase { BOOTING, SERVING, DRAINING } hf_phase;

typedef struct hf_node {
    hf_cores cores;
    uint16_t port, http_port;
    int signal_fd;
    hf_phase phase;
    const hf_config *config;
    hf_oplog *log;
    hf_datadir dir;
    hf_notify notify;
    hf_problem problem;
    uint32_t connections; /* of each core */
    uint64_t started_ns;
    uint64_t drain_until_ns;
    uint64_t patience_ns; /* signals before it are the first one once more: to a group, and to us */
    uint64_t watch_ns;    /* when to look at the turns again; UINT64_MAX: nobody asked */
} hf_node;

static hf_node the; /* there is one in a process; zeroed, 64-byte aligned */

/* The claim to the disk has ended, or a shard cannot go on. The last line says so, in the format of
 * the others; then nothing more is written. */
static void on_fatal(hf_io *io, int code, const char *message)
{
    char status[512];
    HF_SAY(the.log, FATAL, "the node cannot go on", HF_NUMBER("core", io->core),
           HF_NUMBER("code", (uint64_t)code), HF_TEXT("error", message), HF_END);
    (void)snprintf(status, sizeof status, "STATUS=%s", message);
    hf_notify_hint(&the.notify, status);
    _exit(code);
}

/* ---- Sizing ---------------------------------------------------------------------------------- */

static hf_exit say_processors(hf_node *node)
{
    uint64_t shards = node->dir.identity.shards;
    if (node->config->cores > shards) {
        HF_SAY(node->log, WARN,
               "fewer shards than cores: the number of shards was fixed when the "
               "data directory was made",
               HF_NUMBER("shards", shards), HF_NUMBER("cores", node->config->cores), HF_END);
    } else if (node->cores.use < shards) {
        HF_SAY(node->log, WARN, "more shards than cores: they share processors",
               HF_NUMBER("shards", shards), HF_NUMBER("cores", node->cores.use), HF_END);
        if (hf_machine_keep_to(node->cores.use) != HF_OK) {
            return hf_problem_set(&node->problem, HF_EXIT_SYSTEM,
                                  "cannot keep the threads to %u processors", node->cores.use);
        }
    }
    return HF_EXIT_OK;
}

/* As many connections as there may be descriptors. */
static hf_exit size_connections(hf_node *node, uint32_t *connections)
{
    uint64_t files = hf_machine_raise_files();
    uint64_t shards = node->dir.identity.shards;
    uint64_t each = files > FILES_RESERVED ? (files - FILES_RESERVED) / shards : 0;
    if (each < CONNECTIONS_LEAST) {
        return hf_problem_set(&node->problem, HF_EXIT_SYSTEM,
                              "only %" PRIu64 " files may be open; raise the limit (ulimit -n, "
                              "LimitNOFILE=) to %" PRIu64 " at least",
                              files, FILES_RESERVED + CONNECTIONS_LEAST * shards);
    }
    if (each < *connections) {
        HF_SAY(node->log, INFO, "connections are limited by the number of open files",
               HF_NUMBER("files", files), HF_NUMBER("connections", each * shards), HF_END);
        *connections = (uint32_t)each;
    }
    return HF_EXIT_OK;
}

/* Where the logs are was fixed when the directory was made. */
static hf_exit check_logs(hf_node *node)
{
    bool shared = node->dir.identity.log_shared;
    if (!hf_config_says_log_per(node->config) ||
        shared == (node->config->log_per == HF_LOG_PER_DEVICE)) {
        return HF_EXIT_OK;
    }
    return hf_problem_set(&node->problem, HF_EXIT_CONFIG,
                          "the data directory %s was made with --log-per %s, and keeps to it; give "
                          "that or nothing, or use another --data; nothing was changed",
                          node->dir.path, shared ? "device" : "core");
}

static hf_exit size(hf_node *node)
{
    const hf_config *config = node->config;
    hf_cores_config cores = { .dir = &node->dir,
                              .cores = (uint16_t)config->cores,
                              .pin = config->pin,
                              .spin_us = (uint32_t)config->spin_us,
                              .memory_bytes = config->memory_bytes,
                              .take_memory = hf_config_takes_memory(config),
                              .shard = hf_shard_defaults(),
                              .fatal = on_fatal };
    cores.shard.log_flushes = (uint32_t)config->log_flushes;
    cores.shard.retention_ns = config->retention_ns;
    cores.shard.outcome_ms = config->outcome_horizon_ns / 1000000;
    cores.shard.recovery_ns = config->recovery_target_ns;
    cores.shard.version = HF_VERSION;
    cores.shard.process_id = (uint64_t)getpid();
    hf_exit code = check_logs(node);
    if (code == HF_EXIT_OK) {
        code = size_connections(node, &cores.shard.connections_max);
    }
    node->connections = cores.shard.connections_max;
    if (code == HF_EXIT_OK) {
        code = hf_cores_size(&node->cores, &cores, &node->problem);
    }
    return code != HF_EXIT_OK ? code : say_processors(node);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static hf_exit listen_on(hf_node *node, hf_listener kind, const char *option, const hf_address *at,
                         uint16_t *bound)
{
    hf_err err = hf_uring_listen(node->cores.uring, kind, at->host, at->port, 0, bound);
    if (err == HF_OK) {
        return HF_EXIT_OK;
    }
    return hf_problem_set(&node->problem, err == HF_E_BUSY ? HF_EXIT_PORT : HF_EXIT_CONFIG,
                          "%s; give another --%s", hf_uring_problem(), option);
}

static hf_exit open_reactors(hf_node *node)
{
    const hf_config *config = node->config;
    hf_exit code = hf_cores_open(&node->cores, &node->problem);
    if (code == HF_EXIT_OK) {
        code = listen_on(node, HF_LISTENER_CLIENT, "listen", &config->listen, &node->port);
    }
    if (code == HF_EXIT_OK) {
        code = listen_on(node, HF_LISTENER_HTTP, "http", &config->http, &node->http_port);
    }
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
    node->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (node->signal_fd < 0) {
        return hf_problem_errno(&node->problem, HF_EXIT_SYSTEM, errno, "cannot wait for signals");
    }
    HF_ASSERT(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    HF_ASSERT(sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL) == 0);
    return HF_EXIT_OK;
}

static hf_exit open_all(hf_node *node)
{
    hf_exit code = open_signals(node);
    if (code == HF_EXIT_OK) {
        code = hf_datadir_open(&node->dir, node->config->data, (uint16_t)node->config->cores,
                               node->config->log_per == HF_LOG_PER_DEVICE, &node->problem);
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
           HF_NUMBER("shards", node->cores.count), HF_BOOL("pinned", node->cores.pinned),
           HF_NUMBER("spin_us", node->cores.spin_us),
           HF_NUMBER("memory_bytes", node->cores.region_bytes * node->cores.count),
           HF_NUMBER("connections", (uint64_t)node->connections * node->cores.count),
           locked == UINT64_MAX ? HF_TEXT("locked_limit", "none")
                                : HF_NUMBER("locked_limit_bytes", locked),
           HF_END);
    HF_SAY(node->log, INFO, "listening", HF_TEXT("host", config->listen.host),
           HF_NUMBER("port", node->port), HF_TEXT("http_host", config->http.host),
           HF_NUMBER("http_port", node->http_port), HF_END);
    if (!hf_uring_has_direct(node->cores.uring)) {
        HF_SAY(node->log, WARN, "the file system has no O_DIRECT: the log is as safe, and slower",
               HF_TEXT("data", node->dir.path), HF_END);
    }
}

static void tell(const hf_node *node, const char *message)
{
    if (!hf_notify_send(&node->notify, message)) {
        HF_SAY(node->log, WARN, "the service manager could not be told",
               HF_TEXT("error", strerror(errno)), HF_END);
    }
}

static void say_ready(hf_node *node)
{
    uint64_t records = 0;
    uint64_t keys = 0;
    uint64_t used = 0;
    for (uint16_t i = 0; i < node->cores.count; i++) {
        records += node->cores.core[i].booted.recovered_records;
        keys += node->cores.core[i].booted.keys;
        used += node->cores.core[i].booted.memory_used;
    }
    HF_SAY(node->log, INFO, "ready",
           HF_NUMBER("took_ms", (hf_clock_now_ns() - node->started_ns) / 1000000),
           HF_NUMBER("replayed_records", records), HF_NUMBER("keys", keys),
           HF_NUMBER("memory_used_bytes", used), HF_NUMBER("shards", node->cores.count),
           HF_TEXT("log_per", node->cores.config.shard.log_shared ? "device" : "core"),
           HF_NUMBER("log_flushes", node->cores.config.shard.log_flushes),
           HF_BOOL("o_direct", hf_uring_has_direct(node->cores.uring)), HF_END);
    tell(node, "READY=1\nSTATUS=serving");
}

/* A disk that is full at the first start: the next one notes it. */
static void note_begun(hf_node *node)
{
    hf_problem problem;
    if (hf_datadir_begun(&node->dir, &problem) != HF_EXIT_OK) {
        HF_SAY(node->log, WARN, "that the logs have begun could not be noted",
               HF_TEXT("error", problem.text), HF_END);
    }
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
    tell(node, "STOPPING=1\nSTATUS=draining");
    hf_cores_drain(&node->cores);
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
    for (uint16_t i = 0; i < node->cores.count; i++) {
        hf_core *each = &node->cores.core[i];
        uint64_t turns = atomic_load_explicit(&each->turns, memory_order_relaxed);
        if (turns == each->turns_seen && node->phase != BOOTING) {
            HF_SAY(node->log, ERROR, "a core does not move", HF_NUMBER("core", i), HF_END);
            alive = false;
        }
        each->turns_seen = turns;
    }
    if (alive) {
        hf_notify_hint(&node->notify, "WATCHDOG=1");
    }
    node->watch_ns = now + node->notify.watchdog_ns / 2;
    hf_uring_wake(node->cores.uring);
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
                            { .fd = node->cores.event_fd, .events = POLLIN } };
    uint64_t ignored;
    node->watch_ns = node->notify.watchdog_ns == 0 ? UINT64_MAX : hf_clock_now_ns();
    for (;;) {
        uint64_t now = hf_clock_now_ns();
        int count = poll(fds, 2, wait_ms(node, now));
        HF_ASSERT(count >= 0 || errno == EINTR);
        (void)!read(node->cores.event_fd, &ignored, sizeof ignored); /* only to be woken again */
        take_signals(node);
        now = hf_clock_now_ns();
        watch(node, now);
        if (node->phase == BOOTING &&
            atomic_load_explicit(&node->cores.ready, memory_order_acquire) == node->cores.count) {
            node->phase = SERVING;
            note_begun(node);
            say_ready(node);
        }
        if (atomic_load_explicit(&node->cores.asked, memory_order_acquire) != 0 &&
            node->phase != DRAINING) {
            begin_drain(node, "SHUTDOWN");
        }
        if (atomic_load_explicit(&node->cores.ended, memory_order_acquire) != 0 ||
            atomic_load_explicit(&node->cores.stopped, memory_order_acquire) == node->cores.count) {
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
    if (hf_cores_start(&node->cores, &node->problem) != HF_EXIT_OK) {
        return say_problem(node, &node->problem);
    }
    wait_for_end(node);
    hf_exit code = hf_cores_end(&node->cores, &node->problem);
    if (code == HF_EXIT_OK) {
        hf_cores_close(&node->cores);
        hf_datadir_close(&node->dir);
        HF_SAY(log, INFO, "stopped", HF_END);
    } else {
        (void)say_problem(node, &node->problem);
    }
    hf_notify_close(&node->notify);
    return code;
}
