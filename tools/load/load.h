/* hf_load: what the load generator is told, and what it found.
 *
 * Closed loop: a connection sends a pipeline of requests, reads all the replies, and sends the
 * next; so the load adapts to the server, as with redis-benchmark. Open loop (rate != 0): request
 * number k is due at start + k/rate, whatever the server does, and its latency counts from then.
 *
 * Threads: `threads` of its own, each with its share of the connections and an epoll; the caller's
 * waits for them. One makes more than half a million requests a second in pipelines of 16.
 */
#ifndef HF_TOOLS_LOAD_LOAD_H
#define HF_TOOLS_LOAD_LOAD_H
#include "engine/base/hist.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* name, what one request is */
/* clang-format off */
#define HF_LOADS(X)                                                                       \
    X(FILL,  "fill",  "SET of every key once, in order")                                  \
    X(SET,   "set",   "SET of a random key")                                              \
    X(GET,   "get",   "GET of a random key")                                              \
    X(TXN,   "txn",   "a transfer: HF.TXN of two HF.ADD, the first with MIN 0")           \
    X(MULTI, "multi", "a transfer: MULTI, two HF.ADD, EXEC: four commands at once")       \
    X(EVAL,  "eval",  "a transfer: EVALSHA of a script that checks and moves (Redis)")
/* clang-format on */

typedef enum hf_load_kind {
#define X(name, text, what) HF_LOAD_##name,
    HF_LOADS(X)
#undef X
        HF_LOAD_KINDS
} hf_load_kind;

typedef struct hf_load_config {
    char host[256];
    const char *port;
    hf_load_kind kind;
    const char *prefix; /* of the keys: PREFIX and 12 digits */
    uint32_t threads;
    uint32_t clients; /* of all threads */
    uint32_t pipeline;
    double seconds, warmup;
    uint64_t rate; /* requests a second of all clients together; 0: closed loop */
    uint32_t keys;
    uint32_t hot_percent; /* of transfers that pay into the first account */
    uint32_t value_size;
    const char *value; /* of fill: this instead of value_size bytes */
    pid_t pid;         /* of the server, for its processor time; 0: not asked for */
    uint64_t seed;
    bool timeline; /* a line for each second */
    /* When measuring begins and when it ends; in the caller's thread. NULL: nobody wants to know.
     */
    void (*edge)(void *arg, bool begins);
    void *edge_arg;
} hf_load_config;

enum { HF_LOAD_SECONDS_MAX = 86400, HF_LOAD_TIMELINE_MAX = 3600 };

typedef struct hf_load_second {
    uint64_t requests;
    hf_hist latency; /* ns */
} hf_load_second;

typedef struct hf_load_result {
    double seconds; /* measured */
    uint64_t requests;
    uint64_t refused; /* -LIMIT, or the script's 0: a transfer without money behind it */
    uint64_t errors;
    char error[512]; /* the first of them */
    double server_cpu_seconds, client_cpu_seconds;
    double busiest;  /* share of its time that the busiest thread spent working: near 1, it is the
                        limit */
    hf_hist latency; /* ns */
    hf_load_second *timeline; /* NULL without config.timeline */
    uint32_t timeline_count;
} hf_load_result;

/* False: result->error says why. Either way hf_load_end() gives the timeline back. */
bool hf_load_run(const hf_load_config *config, hf_load_result *result);
void hf_load_end(hf_load_result *result);

#endif
