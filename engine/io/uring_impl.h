/* What the files of the kernel maker share; nobody else includes this. */
#ifndef HF_IO_URING_IMPL_H
#define HF_IO_URING_IMPL_H
#include "engine/base/assert.h"
#include "engine/io/local.h"
#include "engine/io/mesh.h"
#include "engine/io/pipe.h"
#include "engine/io/uring.h"
#include <liburing.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <stdatomic.h>

/* The low bits of user_data say whose completion it is. A file operation is its address, which is a
 * multiple of 8; the others carry an index from bit 8 up. */
typedef enum hf_uring_tag {
    HF_URING_TAG_FILE = 0,
    HF_URING_TAG_RECV = 1,
    HF_URING_TAG_SEND = 2,
    HF_URING_TAG_CANCEL = 3,      /* of a connection's operations */
    HF_URING_TAG_CLOSE = 4,       /* of a connection */
    HF_URING_TAG_ACCEPT = 5,      /* index: listener */
    HF_URING_TAG_EVENT = 6,       /* the eventfd was written: wake or stop */
    HF_URING_TAG_WOKEN = 7,       /* another core's MSG_RING */
    HF_URING_TAG_WAKE_FAILED = 9, /* ours did not arrive; index: core */
    HF_URING_TAG_CANCEL_ALL = 10, /* at the end of a run */
} hf_uring_tag;

static inline uint64_t hf_uring__data(hf_uring_tag tag, uint32_t index)
{
    return (uint64_t)index << 8 | (uint64_t)tag;
}

enum { HF_URING_PEER_SIZE = 56, HF_URING_NONE = -1 };

/* A connection's life: free -> open -> closing -> free.
 *
 *   open     between on_accept and the first reason to close (conn_close, an error; the end of the
 *            stream, where there is no on_eof)
 *   closing  nothing new is started; what is in flight was cancelled. When receiving, sending and
 *            cancels are all over, CLOSE is submitted; when it completes on_closed is called
 *
 * So the kernel holds no buffer of a connection whose on_closed was called. */
typedef enum hf_uring_conn_state {
    HF_URING_CONN_FREE = 0,
    HF_URING_CONN_OPEN,
    HF_URING_CONN_CLOSING,
} hf_uring_conn_state;

typedef struct hf_uring_conn {
    uint64_t generation; /* of the present use; the number of uses of this slot */
    const uint8_t *send_data;
    uint32_t send_left;
    uint32_t next_free;
    int32_t fd;
    uint32_t look_mark; /* of the last look (uring_wait.c) before which something came */
    uint16_t cancels;   /* cancellations in flight */
    uint8_t state;
    bool want;      /* receiving is asked for */
    bool receiving; /* a multishot receive is armed: a last completion of it will come */
    bool stopping;  /* ... and its cancellation was submitted */
    bool ended;     /* on_eof was called: nothing more is received */
    bool sending;
    bool close_submitted;
} hf_uring_conn;

/* A connection on its way from core 0 to the core that will have it. */
typedef struct hf_uring_handoff {
    hf_msg msg;
    int32_t fd;
    uint32_t listener;
} hf_uring_handoff;
/* One for each connection that can be on its way, within reason. */
enum { HF_URING_HANDOFFS_MAX = 65536, HF_URING_MSG_HANDOFF = HF_MSG_KIND_MAKER };

/* What other cores touch of a core, on a line of its own. */
typedef struct hf_uring_shared {
    alignas(64) _Atomic(uint32_t) asleep; /* set by the core, taken by who wakes it */
    _Atomic(int32_t) ring_fd;
    _Atomic(uint32_t) released; /* connections closed, ever: core 0 counts what it handed out */
    int32_t event_fd;
    alignas(64) _Atomic(uint64_t) rung; /* local clients that rang, by bit */
} hf_uring_shared;

/* One core's connection with one local client.
 *
 *   NONE -> OPENING (client) -> OPEN (core) -> CLOSING (client) -> NONE (core)
 *                               OPEN -> CUT (core: it closed) -> CLOSING
 *
 * A line of pointers that never change, then what both write, then the core's. */
typedef enum hf_uring_link_state {
    HF_URING_LINK_NONE = 0,
    HF_URING_LINK_OPENING,
    HF_URING_LINK_OPEN,
    HF_URING_LINK_CUT,
    HF_URING_LINK_CLOSING,
} hf_uring_link_state;

typedef struct hf_uring_link {
    alignas(64) hf_pipe *to_core;
    hf_pipe *to_client;
    alignas(64) _Atomic(uint32_t) state;
    _Atomic(uint32_t) blocked; /* the core waits for room in to_client */
    _Atomic(uint32_t) starved; /* the client waits for room in to_core */
    alignas(64) uint64_t generation;
    const uint8_t *send_data;
    uint32_t send_left;
    bool open;    /* the handler knows of it */
    bool want;    /* receiving is asked for */
    bool sending; /* on_sent is owed */
    bool cut;     /* conn_close was called: on_closed is owed */
} hf_uring_link;

struct hf_local {
    alignas(64) _Atomic(uint32_t) waiting; /* set by the client, taken by the core that wakes it */
    _Atomic(uint32_t) taken;
    hf_uring_node *node;
    hf_uring_link *links; /* per core */
    int32_t event_fd;
    uint16_t index;
};

typedef struct hf_uring_core {
    hf_io io; /* first: ops get it back */
    hf_uring_node *node;
    struct io_uring ring;
    hf_uring_counters counters;
    uint64_t in_flight; /* operations whose last completion has not come */
    uint64_t out;       /* messages posted to other cores that have not come back */
    uint64_t event_value;
    uint64_t accept_again_ns; /* UINT64_MAX: accepting goes on */
    uint32_t spin_credit;     /* looks that may fail before messages must come again */
    uint32_t spin_worth;      /* how well looking has paid lately, up to SPIN_WORTH_MAX */
    uint64_t spin_period;     /* the one in which it was last tried anew */
    uint64_t crowded_ns;      /* until then somebody else has a use for the processor */
    uint64_t look_ns;         /* the last look at who is active: uring_wait.c */
    uint32_t look_mark;       /* its number */
    uint32_t active;          /* connections that said something since then */
    uint32_t together;        /* completions that a sleep waits for, within gather_us */
    long interruptions;       /* of this thread, at the last look */
    uint64_t interrupted_ns;  /* until then somebody else has a use for the processor */
    bool running;             /* the ring exists */
    bool draining;            /* stopped: completions are only counted */
    bool stuck;               /* the ring was left behind with operations in flight */

    hf_io_op *early_first; /* submitted before the ring existed */
    hf_io_op *early_last;
    hf_msg *local_first; /* posted to ourselves */
    hf_msg *local_last;

    hf_uring_conn *conns;
    char (*peers)[HF_URING_PEER_SIZE];
    uint64_t local_due;     /* local clients that are owed an on_sent or on_closed, by bit */
    uint64_t local_touched; /* ... whose pipes got something in this turn */
    uint64_t local_taken;   /* ... or were made emptier */
    uint32_t free_first;    /* list of free slots, first in first out */
    uint32_t free_last;
    struct io_uring_buf_ring *buf_ring;
    uint8_t *bufs;
} hf_uring_core;

typedef struct hf_uring_listening {
    int fd;
    hf_listener listener;
    bool armed; /* a multishot accept is in flight */
} hf_uring_listening;

struct hf_uring_node {
    hf_uring_config config; /* with the defaults filled in */
    size_t size;            /* of the whole region */
    int data_fd;
    uint32_t file_align;
    bool direct;
    _Atomic(bool) stopping;
    hf_uring_listening listening[HF_URING_LISTENERS_MAX];
    uint32_t listening_count;
    hf_uring_shared *shared; /* per core */
    hf_uring_core *cores;
    hf_mesh *mesh;
    hf_local *locals;
    /* Core 0's: */
    hf_uring_handoff *handoffs;
    hf_msg *handoff_free;
    uint32_t *assigned; /* connections given to each core, ever */
    uint16_t accept_next;
};

typedef union hf_uring_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage storage;
} hf_uring_address;

static inline hf_uring_core *hf_uring__core(hf_io *io)
{
    return (hf_uring_core *)(void *)io;
}

/* uring.c: notes what went wrong for hf_uring_problem, with the text of errno `number` if not 0. */
hf_err hf_uring__fail(hf_err err, int number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

uint64_t hf_uring__entropy(void);

/* uring_loop.c */
extern const hf_io_ops hf_uring__ops;
/* A cleared entry of the submission queue, submitting in the middle of a turn when it is full. */
struct io_uring_sqe *hf_uring__sqe(hf_uring_core *core);
void hf_uring__wake(hf_uring_core *core, uint16_t peer);
/* In sanitizer builds: asserts that all of a buffer the kernel will touch is ours. The kernel's
 * accesses are invisible to AddressSanitizer. */
void hf_uring__check_buffer(const void *data, size_t size);

/* uring_wait.c */
/* What an io_uring_enter may answer without anything being wrong. */
void hf_uring__entered(hf_uring_core *core, int result);
/* Once a turn: whether it pays to wait for several. */
void hf_uring__look(hf_uring_core *core);
/* Submits, and sleeps until something comes, at most `ns`. */
void hf_uring__wait(hf_uring_core *core, uint64_t ns);

/* uring_dir.c */
hf_err hf_uring__open_dir(hf_uring_node *node);
hf_err hf_uring__list(hf_io *io, const char *path, hf_io_name *name, void *context);

/* uring_file.c */
void hf_uring__submit(hf_io *io, hf_io_op *op);
void hf_uring__start_early(hf_uring_core *core);
void hf_uring__file_done(hf_uring_core *core, hf_io_op *op, int32_t result);

/* uring_accept.c */
void hf_uring__accept_start(hf_uring_core *core);
void hf_uring__accept_done(hf_uring_core *core, uint32_t index, int32_t result, bool more);
/* A handoff arrived at its core, or came back to core 0. */
void hf_uring__handoff(hf_uring_core *core, const hf_msg *msg);
void hf_uring__handoff_back(hf_uring_core *core, hf_msg *msg);

/* uring_conn.c */
void hf_uring__conns_open(hf_uring_core *core);
void hf_uring__conns_close(hf_uring_core *core); /* after the ring is empty */
hf_err hf_uring__buffers_register(hf_uring_core *core);
void hf_uring__conn_begin(hf_uring_core *core, int fd, hf_listener listener);
void hf_uring__conn_done(hf_uring_core *core, hf_uring_tag tag, uint32_t index, int32_t result,
                         uint32_t flags);
void hf_uring__conn_send(hf_io *io, hf_conn_id id, hf_bytes data);
void hf_uring__conn_receive(hf_io *io, hf_conn_id id, bool on);
void hf_uring__conn_close(hf_io *io, hf_conn_id id);
const char *hf_uring__conn_peer(hf_io *io, hf_conn_id id);

/* uring_local.c */
static inline bool hf_uring__is_local(const hf_uring_core *core, hf_conn_id id)
{
    return (id >> 36 & (HF_URING_CONNECTIONS_MAX - 1)) >= core->node->config.connections;
}
size_t hf_uring__local_pipes_size(void);
void hf_uring__local_open(hf_uring_node *node, uint16_t index, hf_uring_link *links,
                          uint8_t *pipes);
void hf_uring__locals_close(hf_uring_node *node);
/* What local clients want of this core; then their bells. */
void hf_uring__locals_deliver(hf_uring_core *core);
void hf_uring__locals_flush(hf_uring_core *core);
static inline bool hf_uring__locals_mail(const hf_uring_core *core)
{
    const hf_uring_shared *shared = &core->node->shared[core->io.core];
    return core->local_due != 0 || atomic_load_explicit(&shared->rung, memory_order_relaxed) != 0;
}
void hf_uring__local_send(hf_uring_core *core, hf_conn_id id, hf_bytes data);
void hf_uring__local_receive(hf_uring_core *core, hf_conn_id id, bool on);
void hf_uring__local_cut(hf_uring_core *core, hf_conn_id id);
/* uring_loop.c: wakes a core from a thread that has no ring. */
void hf_uring__ring_bell(int event_fd);

#endif
