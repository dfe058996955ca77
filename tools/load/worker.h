/* hf_load_worker: one thread of a load, with its connections. Made, connected and read by the
 * thread that controls; in between it is its own. */
#ifndef HF_TOOLS_LOAD_WORKER_H
#define HF_TOOLS_LOAD_WORKER_H
#include "engine/base/prng.h"
#include "tools/load/load.h"
#include "tools/load/request.h"
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct hf_load_conn hf_load_conn;

/* What all threads go by; fixed before they start, except `stop`. */
typedef struct hf_load_plan {
    const hf_load_config *config;
    hf_load_request request;
    uint64_t start_ns, measure_ns;
    uint64_t end_ns;  /* 0: when all keys are filled */
    atomic_bool stop; /* somebody failed */
} hf_load_plan;

typedef struct hf_load_worker {
    hf_load_plan *plan;
    pthread_t thread;
    hf_load_conn *conns;
    uint32_t conn_count;
    int epoll;
    hf_prng prng;
    uint64_t fill_next, fill_end; /* fill: its keys */
    uint64_t last_reply_ns;
    bool measuring, failed;
    /* Found. */
    hf_load_result found;
    double cpu_seconds;
} hf_load_worker;

/* Connections first, first + step, first + 2 step ... of all. False: found.error says why. */
bool hf_load_worker_open(hf_load_worker *worker, hf_load_plan *plan, uint32_t number);
/* One connection each, as far as there are. */
bool hf_load_worker_connect(hf_load_worker *worker, const struct addrinfo *address);
/* The thread. */
void *hf_load_worker_run(void *worker);
void hf_load_worker_close(hf_load_worker *worker);

/* CLOCK_MONOTONIC. */
uint64_t hf_load_now(void);
/* A connection that blocks, for `seconds` at most; -1 and errno. */
int hf_load_connect(const struct addrinfo *address, int seconds);

#endif
