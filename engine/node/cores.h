/* hf_cores: the shards of a data directory, each on a thread of its own. What holdfastd and the
 * library both run; who waits for what, and what is said about it, is theirs.
 *
 *     hf_cores_size       how many, how much; changes nothing
 *     hf_cores_open       the reactors; then listeners may be bound
 *     hf_cores_start      the threads: each maps its memory, opens its shard, meets the others,
 * runs poll event_fd       `ready`, `asked`, `stopped`, `ended` count the cores that said so
 *     hf_cores_drain      the shards let what runs end: `stopped`
 *     hf_cores_end        the reactors stop, the threads are joined: the first problem of a core
 *     hf_cores_close      memory and descriptors
 *
 * The threads block all signals but those of faults.
 *
 * Ownership:  the struct is the caller's, zeroed, aligned to 64; the shards' memory is its own.
 * Threads:    one, that of the caller; counts may be read by any.
 */
#ifndef HF_NODE_CORES_H
#define HF_NODE_CORES_H
#include "engine/io/uring.h"
#include "engine/node/datadir.h"
#include "engine/shard/shard.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>

enum { HF_CORES_MAX = HF_DATADIR_SHARDS_MAX };

typedef struct hf_cores hf_cores;

typedef struct hf_cores_config {
    const hf_datadir *dir; /* open; lent. It says how many shards there are: a thread each */
    uint16_t cores;        /* processors to use */
    bool pin;              /* ... a thread of its own each, if there are enough */
    uint32_t spin_us;
    uint64_t memory_bytes;
    bool take_memory; /* at once */
    uint16_t locals;  /* clients in this process */
    hf_shard_config shard;
    /* A core cannot go on. It must not return: the process ends, or hf_cores_leave. */
    void (*fatal)(hf_io *io, int code, const char *message);
    void *context; /* the caller's */
} hf_cores_config;

/* One thread's. The caller reads `problem`, `booted` and `shard` only after the core counted itself
 * among the ended, or the ready. */
typedef struct hf_core {
    _Alignas(64) _Atomic uint64_t turns; /* for a watchdog */
    hf_cores *cores;
    pthread_t thread;
    uint16_t index;
    bool started, left;
    bool told_stop, told_ready, told_stopped, told_asked; /* the core's own */
    void *region;
    hf_shard *shard;
    hf_problem problem; /* code HF_EXIT_OK: none */
    hf_err err;         /* the same as a code of the engine */
    hf_shard_stats booted;
    uint64_t turns_seen; /* the caller's */
    jmp_buf away;
} hf_core;

struct hf_cores {
    hf_core core[HF_CORES_MAX];
    _Atomic bool stop; /* what follows is read by cores, written seldom */
    _Atomic uint32_t ready, asked, stopped, ended; /* cores that said so; asked: to stop the node */
    hf_cores_config config;
    uint16_t count;
    uint16_t use; /* processors; fewer than `count`: they are shared */
    bool pinned;
    uint32_t spin_us;
    int event_fd; /* written when a count changed */
    hf_uring_node *uring;
    hf_io_ops ops; /* the reactor's, with another word on fatal */
    hf_io_handler handler;
    pthread_mutex_t lock;
    pthread_cond_t meet;
    uint32_t opened; /* under the lock: cores that have opened their shard, or could not */
    bool open_failed;
    uint64_t region_bytes;
    uint16_t cpus[HF_CORES_MAX];
};

/* CONFIG: too little memory. */
HF_MUST_USE hf_exit hf_cores_size(hf_cores *cores, const hf_cores_config *config,
                                  hf_problem *problem);
HF_MUST_USE hf_exit hf_cores_open(hf_cores *cores, hf_problem *problem);
/* An error: those that were started are joined. */
HF_MUST_USE hf_exit hf_cores_start(hf_cores *cores, hf_problem *problem);
void hf_cores_drain(hf_cores *cores);
HF_MUST_USE hf_exit hf_cores_end(hf_cores *cores, hf_problem *problem);
/* After a core left, or could not end what the kernel holds of it, memory stays. */
void hf_cores_close(hf_cores *cores);
/* From `fatal`, in the core's thread: ends the thread; the other cores are told to stop. */
_Noreturn void hf_cores_leave(hf_io *io);
/* The config's `context`, from `fatal`. */
void *hf_cores_context(void);

#endif
