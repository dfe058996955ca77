/* hf_uring: the kernel maker of the world seam (engine/io/io.h): one reactor per core on io_uring.
 *
 * A node is opened once, its listeners are bound, then each core's own thread calls run, which
 * returns after stop. Needs Linux 6.1 (rings with DEFER_TASKRUN); nothing is allocated after run
 * began.
 *
 *     hf_uring_node *node = hf_uring_open(&config);
 *     hf_uring_listen(node, HF_LISTENER_CLIENT, "0.0.0.0", 6379, 0, NULL);
 *     in a thread per core:  hf_uring_run(node, core, &handler, context);
 *     from a signal:         hf_uring_stop(node);
 *     after joining:         hf_uring_close(node);
 *
 * Between open and run the owner of a core may use hf_uring_io(node, core) to list files, draw
 * random numbers, and to submit and post: what was submitted or posted starts when the core runs.
 *
 * Stop is abrupt: no handler is called any more, connections are closed, operations in flight are
 * cancelled or waited for, so that after run returned the kernel holds no buffer of that core. A
 * node that wants to end gracefully uses hf_uring_wake from its signal handler, finishes in
 * on_turn, then stops.
 *
 * Threads:    open, listen, close: one thread, no core running. wake, stop: any thread and signal
 *             handlers. The rest: see each.
 */
#ifndef HF_IO_URING_H
#define HF_IO_URING_H
#include "engine/io/io.h"

typedef struct hf_uring_node hf_uring_node;

/* Zero in a field means its default, except for data_fd. */
typedef struct hf_uring_config {
    const char *data_path; /* the data directory; it must exist */
    int data_fd;           /* an open one instead, when data_path is NULL; it stays the caller's */
    uint16_t core_count;   /* default 1, at most HF_URING_CORES_MAX */
    uint32_t connections;  /* per core; default 1024, at most HF_URING_CONNECTIONS_MAX */
    uint32_t recv_buffers; /* per core, a power of two up to 32768; default 256 */
    uint32_t recv_buffer_size; /* default 16 KiB */
    uint32_t mailbox_slots;    /* per ordered pair of cores, a power of two; default 1024 */
    const uint16_t *cpus;      /* core_count processors to pin to; NULL: no pinning */
    uint16_t locals;           /* clients in this process at a time, at most 64; default none */
    uint32_t spin_us; /* how long to look for messages before sleeping; default no spinning */
    /* How long to wait for more to come together, where many connections are active and others
     * want the processor; default not. Linux before 6.12 does not know how. */
    uint32_t gather_us;
    bool gather_always; /* also where nobody else wants it */
} hf_uring_config;

enum {
    HF_URING_CORES_MAX = 128,
    HF_URING_CONNECTIONS_MAX = 1 << 20, /* locals among them */
    HF_URING_LOCALS_MAX = 64,
    HF_URING_SPIN_US_MAX = 1000,
    HF_URING_SPIN_US = 20, /* a good value where cores exchange messages all the time */
    HF_URING_GATHER_US = 50,
    HF_URING_GATHER_US_MAX = 10000,
};

/* NULL: see hf_uring_problem. Takes an exclusive flock on the directory for as long as the node is
 * open; another holder is HF_E_LOCKED, after two seconds in which a killed predecessor may let go.
 */
HF_MUST_USE hf_uring_node *hf_uring_open(const hf_uring_config *config);
/* After every run returned. NULL is ignored. */
void hf_uring_close(hf_uring_node *node);

/* Binds and listens; core 0 will accept and hand connections to all cores in turn. host is a name
 * or an address ("0.0.0.0", "::", "localhost"), NULL is 127.0.0.1. port 0 takes a free one, which
 * is written to bound_port (if not NULL). backlog 0 is 1024. Exclusive: a port that is still taken
 * after two seconds is HF_E_BUSY (two seconds, as a killed process lets go of its listener late).
 * HF_E_INVALID: no such host. HF_E_FULL: a kind can be bound HF_URING_LISTENERS_MAX times in all.
 */
enum { HF_URING_LISTENERS_MAX = 8 };
HF_MUST_USE hf_err hf_uring_listen(hf_uring_node *node, hf_listener listener, const char *host,
                                   uint16_t port, int backlog, uint16_t *bound_port);

/* The descriptor whose flock holds the data directory: a child of fork closes its copy. */
int hf_uring_lock_fd(const hf_uring_node *node);

/* The core's world, valid from open to close; only its own thread uses it while it runs. */
hf_io *hf_uring_io(hf_uring_node *node, uint16_t core);

/* Runs one core in the calling thread until stop. Every failure is from the start, before any
 * handler was called: HF_E_NOTSUPPORTED (kernel too old, or io_uring is forbidden), HF_E_NOMEM
 * (RLIMIT_MEMLOCK), HF_E_INVALID (no such processor); except HF_E_IO: an operation could not be
 * ended within five seconds of the stop, so its buffer must not be reused and the process should
 * exit. */
HF_MUST_USE hf_err hf_uring_run(hf_uring_node *node, uint16_t core, const hf_io_handler *handler,
                                void *context);

/* Every running core takes a turn soon. Async-signal-safe. */
void hf_uring_wake(hf_uring_node *node);
/* Every core's run returns soon; also those that begin later. Async-signal-safe. */
void hf_uring_stop(hf_uring_node *node);

/* What the last failing call of this thread met, and as a code; "" and HF_OK at first. */
const char *hf_uring_problem(void);
hf_err hf_uring_problem_code(void);

/* False: the data directory's file system has no O_DIRECT, HF_IO_DIRECT files are buffered ones.
 * HF_IO_DURABLE holds all the same. */
bool hf_uring_has_direct(const hf_uring_node *node);

/* Counts since run began; read by the core itself. */
typedef struct hf_uring_counters {
    uint64_t turns;
    uint64_t enters;    /* io_uring_enter calls */
    uint64_t sqes;      /* operations asked of the kernel */
    uint64_t cqes;      /* completions taken */
    uint64_t sleeps;    /* waits for something to come */
    uint64_t gathers;   /* ... for several things */
    uint64_t spins;     /* looks before a sleep */
    uint64_t spins_hit; /* ... that found something */
    uint64_t wakes;     /* sleeping cores woken by this one */
    uint64_t messages;  /* delivered to this core */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t accepts;       /* connections handed to this core */
    uint64_t refused;       /* above the connection limit (core 0) */
    uint64_t accept_stalls; /* accepting paused: out of descriptors or memory (core 0) */
    uint64_t recv_starved;  /* a receive found no free buffer and was armed again */
    uint64_t sq_full;       /* submissions in the middle of a turn */
    uint64_t connections;   /* open now */
} hf_uring_counters;
const hf_uring_counters *hf_uring_stats(const hf_io *io);

#endif
