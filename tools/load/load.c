#include "tools/load/load.h"
#include "tools/load/worker.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SCRIPT_SECONDS = 10, POLL_NS = 20000000 };

typedef struct load {
    hf_load_plan plan;
    hf_load_result *result;
    hf_load_worker *workers;
    uint32_t opened, started;
} load;

static bool fail(hf_load_result *result, const char *what, const char *why)
{
    (void)snprintf(result->error, sizeof result->error, "%s: %s", what, why);
    return false;
}

static double cpu_seconds(pid_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        return 0;
    }
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- Making it ready ------------------------------------------------------------------------- */

static bool load_script(load *l, const struct addrinfo *address, char sha[HF_LOAD_SHA + 1])
{
    char text[1024];
    char reply[64] = { 0 };
    enum { REPLY = 5 + HF_LOAD_SHA + 2 };
    int size = snprintf(text, sizeof text, "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$%zu\r\n%s\r\n",
                        strlen(hf_load_script), hf_load_script);
    int fd = hf_load_connect(address, SCRIPT_SECONDS);
    if (fd < 0) {
        return fail(l->result, "connect", strerror(errno));
    }
    bool good = send(fd, text, (size_t)size, MSG_NOSIGNAL) == size &&
                recv(fd, reply, REPLY, MSG_WAITALL) == REPLY && memcmp(reply, "$40\r\n", 5) == 0;
    (void)close(fd);
    memcpy(sha, reply + 5, HF_LOAD_SHA);
    return good || fail(l->result, "SCRIPT LOAD", "the server has no scripts");
}

static bool open_workers(load *l, const struct addrinfo *address)
{
    const hf_load_config *c = l->plan.config;
    char sha[HF_LOAD_SHA + 1] = { 0 };
    if (c->kind == HF_LOAD_EVAL && !load_script(l, address, sha)) {
        return false;
    }
    l->workers = calloc(c->threads, sizeof *l->workers);
    if (l->workers == NULL || !hf_load_request_make(&l->plan.request, c, sha)) {
        return fail(l->result, "memory", strerror(ENOMEM));
    }
    bool good = true;
    while (good && l->opened < c->threads) {
        hf_load_worker *worker = &l->workers[l->opened];
        good = hf_load_worker_open(worker, &l->plan, l->opened++) &&
               hf_load_worker_connect(worker, address);
    }
    return good;
}

static void start_workers(load *l)
{
    const hf_load_config *c = l->plan.config;
    bool is_fill = c->kind == HF_LOAD_FILL; /* measured from its first request to its last */
    uint64_t now = hf_load_now();
    l->plan.start_ns = now;
    l->plan.measure_ns = now + (is_fill ? 0 : (uint64_t)(c->warmup * 1e9));
    l->plan.end_ns = is_fill ? 0 : l->plan.measure_ns + (uint64_t)(c->seconds * 1e9);
    while (l->started < c->threads) {
        hf_load_worker *worker = &l->workers[l->started];
        int error = pthread_create(&worker->thread, NULL, hf_load_worker_run, worker);
        if (error != 0) {
            (void)fail(&worker->found, "thread", strerror(error));
            worker->failed = true;
            atomic_store(&l->plan.stop, true);
            return;
        }
        l->started++;
    }
}

/* ---- While it runs --------------------------------------------------------------------------- */

static void wait_until(load *l, uint64_t when)
{
    uint64_t now = hf_load_now();
    while (now < when && !atomic_load(&l->plan.stop)) {
        uint64_t left = when - now;
        struct timespec wait = { .tv_nsec = (long)(left < POLL_NS ? left : POLL_NS) };
        (void)nanosleep(&wait, NULL);
        now = hf_load_now();
    }
}

static void at_edge(load *l, bool begins)
{
    const hf_load_config *c = l->plan.config;
    double cpu = cpu_seconds(c->pid);
    l->result->server_cpu_seconds = begins ? cpu : cpu - l->result->server_cpu_seconds;
    if (c->edge != NULL) {
        c->edge(c->edge_arg, begins);
    }
}

static void join_workers(load *l)
{
    for (uint32_t i = 0; i < l->started; i++) {
        (void)pthread_join(l->workers[i].thread, NULL);
    }
}

static void run(load *l)
{
    bool is_fill = l->plan.config->kind == HF_LOAD_FILL;
    if (is_fill) {
        at_edge(l, true);
    }
    start_workers(l);
    if (is_fill) {
        join_workers(l);
        at_edge(l, false);
        return;
    }
    wait_until(l, l->plan.measure_ns);
    at_edge(l, true);
    wait_until(l, l->plan.end_ns);
    at_edge(l, false);
    join_workers(l);
}

/* ---- What was found -------------------------------------------------------------------------- */

static void take_timeline(hf_load_result *result, hf_load_result *found)
{
    if (result->timeline == NULL) {
        result->timeline = found->timeline;
        result->timeline_count = found->timeline_count;
        found->timeline = NULL;
        return;
    }
    for (uint32_t i = 0; i < result->timeline_count; i++) {
        result->timeline[i].requests += found->timeline[i].requests;
        hf_hist_merge(&result->timeline[i].latency, &found->timeline[i].latency);
    }
}

static bool merge(load *l)
{
    hf_load_result *result = l->result;
    bool good = l->started == l->plan.config->threads;
    for (uint32_t i = 0; i < l->opened; i++) {
        hf_load_worker *w = &l->workers[i];
        good = good && !w->failed;
        if (result->error[0] == '\0') {
            memcpy(result->error, w->found.error, sizeof result->error);
        }
        result->seconds = w->found.seconds > result->seconds ? w->found.seconds : result->seconds;
        result->requests += w->found.requests;
        result->refused += w->found.refused;
        result->errors += w->found.errors;
        result->client_cpu_seconds += w->cpu_seconds;
        double busy = w->found.seconds > 0 ? w->cpu_seconds / w->found.seconds : 0;
        result->busiest = busy > result->busiest ? busy : result->busiest;
        hf_hist_merge(&result->latency, &w->found.latency);
        if (w->found.timeline != NULL) {
            take_timeline(result, &w->found);
        }
    }
    /* The last second is whole only when the measurement says so. */
    if (result->timeline_count > (uint32_t)l->plan.config->seconds) {
        result->timeline_count = (uint32_t)l->plan.config->seconds;
    }
    return good;
}

bool hf_load_run(const hf_load_config *config, hf_load_result *result)
{
    load l = { .plan = { .config = config }, .result = result };
    struct addrinfo wanted = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    memset(result, 0, sizeof *result);
    hf_hist_reset(&result->latency);
    int error = getaddrinfo(config->host, config->port, &wanted, &found);
    if (error != 0) {
        return fail(result, config->host, gai_strerror(error));
    }
    bool good = open_workers(&l, found);
    freeaddrinfo(found);
    if (good) {
        run(&l);
    }
    good = merge(&l) && good;
    for (uint32_t i = 0; i < l.opened; i++) {
        hf_load_worker_close(&l.workers[i]);
    }
    free(l.workers);
    hf_load_request_free(&l.plan.request);
    return good;
}

void hf_load_end(hf_load_result *result)
{
    free(result->timeline);
    result->timeline = NULL;
}
