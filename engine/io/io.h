/* hf_io: the world seam. Everything above sees the outside only through this: clock, randomness,
 * the data directory, client connections, messages between cores.
 *
 * There are two makers of a world: the kernel (engine/io/uring.h, one reactor thread per core) and
 * the simulator (tests/sim/world.h, all cores in one thread, everything faulty). What stands above
 * cannot tell which it lives in: it never calls the kernel, never reads a clock, never draws a
 * random number of its own, and never depends on an address or a hash seed.
 *
 * One hf_io per core. The maker calls up through hf_io_handler, always from that core's loop, never
 * from inside one of the calls below. A loop turn is: refresh now_ns and wall_ns, deliver messages
 * and completions, then on_turn once; after it, one submission of everything that was asked for.
 *
 * Threads:    an hf_io belongs to its core; the fields and calls are that core's only.
 */
#ifndef HF_IO_IO_H
#define HF_IO_IO_H
#include "engine/base/bytes.h"
#include "engine/base/error.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct hf_io hf_io;

/* ---- Files: names are relative to the node's data directory, e.g. "core-00/log-00000001" ---- */

/* clang-format off */
typedef enum hf_io_kind {
    HF_IO_OPEN,     /* path, flags -> result: file handle >= 0 */
    HF_IO_CLOSE,    /* file */
    HF_IO_READ,     /* file, data, size, offset -> bytes read; less than size only at the end */
    HF_IO_WRITE,    /* file, data, size, offset -> bytes written: all, or -errno */
    HF_IO_SYNC,     /* file: data and size durable */
    HF_IO_ALLOCATE, /* file, size: at least so long, space reserved, to be written with zeros */
    HF_IO_RENAME,   /* path -> path_to, atomically; durable when the directory is synced */
    HF_IO_UNLINK,   /* path */
    HF_IO_SYNC_DIR, /* path of a directory: the names in it durable */
    HF_IO_MKDIR,    /* path; existing already is success */
} hf_io_kind;

enum {
    HF_IO_CREATE = 1,    /* OPEN: create if absent */
    HF_IO_EXCLUSIVE = 2, /* OPEN with CREATE: fail with -EEXIST if present */
    HF_IO_DIRECT = 4,    /* OPEN: O_DIRECT; READ/WRITE: data, size, offset aligned to file_align */
    HF_IO_DURABLE = 8,   /* WRITE: completes when durable (RWF_DSYNC) */
    HF_IO_READONLY = 16, /* OPEN: fail later writes */
};
/* clang-format on */

/* One asynchronous operation. The maker has it, its data and its paths until done() is called; it
 * may be submitted again from inside done(). result: as said above, or -errno. */
typedef struct hf_io_op hf_io_op;
struct hf_io_op {
    void (*done)(hf_io_op *op, int64_t result);
    void *context; /* the caller's */
    void *data;
    uint64_t offset;
    uint64_t size;
    const char *path;
    const char *path_to;
    int32_t file;
    uint8_t kind; /* hf_io_kind */
    uint8_t flags;
    hf_io_op *next; /* the maker's, while in flight */
    uint64_t made;  /* the maker's, while in flight */
};

/* ---- Messages between cores: flat bytes, as they could also go to another node -------------- */

/* The maker delivers messages of one pair of cores in the order of posting. A message is lent to
 * on_message for its call; afterwards it goes back to the core that made it, whose on_message_back
 * frees it. So memory never changes its owner. Posting to the own core is allowed. */
enum { HF_MSG_KIND_MAKER = 0xff00 }; /* kinds from here up are the maker's own */
typedef struct hf_msg hf_msg;
struct hf_msg {
    hf_msg *next;  /* the maker's, while in flight; the owner's otherwise */
    uint32_t size; /* of the whole, this head included */
    uint16_t kind; /* meaning: engine/shard/message.h */
    uint16_t from; /* core that made it: set by post */
    /* flat payload follows: no pointers in it */
};

/* ---- Connections ---------------------------------------------------------------------------- */

typedef uint64_t hf_conn_id; /* never reused within a run of the node; 0 is none */

typedef enum hf_listener {
    HF_LISTENER_CLIENT, /* RESP */
    HF_LISTENER_HTTP,
    HF_LISTENER_LOCAL, /* a client in this process: engine/shard/session/local.h */
    HF_LISTENER_COUNT,
} hf_listener;

typedef struct hf_io_handler {
    void (*on_message)(void *context, const hf_msg *msg);
    /* May be NULL, and need not be called: this message is delivered a little later in this turn.
     * What it will want can be fetched ahead; nothing may be done about it yet. */
    void (*on_message_ahead)(void *context, const hf_msg *msg);
    void (*on_message_back)(void *context, hf_msg *msg);
    /* A new connection, handed to this core. The handler may conn_close() it at once. */
    void (*on_accept)(void *context, hf_conn_id conn, hf_listener listener);
    /* Bytes came; they are lent for the call. */
    void (*on_received)(void *context, hf_conn_id conn, hf_bytes data);
    /* The peer will send no more, but may still read: no on_received follows. What was sent before
     * has all come. The connection stays until conn_close(), or until a send fails. NULL: it is
     * closed then. */
    void (*on_eof)(void *context, hf_conn_id conn);
    /* The one outstanding send ended; its memory is the caller's again. */
    void (*on_sent)(void *context, hf_conn_id conn);
    /* The connection failed, or conn_close() was called and the kernel has let go of every buffer:
     * the last call for this id. */
    void (*on_closed)(void *context, hf_conn_id conn);
    /* Once per loop turn, after everything above. Answers when the next turn is due at the latest,
     * in now_ns terms; UINT64_MAX: only when something comes; now_ns or less: do not sleep. */
    uint64_t (*on_turn)(void *context);
} hf_io_handler;

/* Calls back with each name in the directory, in ascending byte order (boot only). */
typedef void hf_io_name(void *context, const char *name);

typedef struct hf_io_ops {
    void (*submit)(hf_io *io, hf_io_op *op);
    hf_err (*list)(hf_io *io, const char *path, hf_io_name *name, void *context);
    void (*post)(hf_io *io, uint16_t to, hf_msg *msg);
    /* One send at a time per connection; `data` is lent until on_sent or on_closed. */
    void (*conn_send)(hf_io *io, hf_conn_id conn, hf_bytes data);
    /* Stops or resumes receiving: the back-pressure on a client. Bytes already on their way up may
     * still arrive after a stop. */
    void (*conn_receive)(hf_io *io, hf_conn_id conn, bool on);
    void (*conn_close)(hf_io *io, hf_conn_id conn);
    /* The peer's address as text, "127.0.0.1:4711"; valid until on_closed. */
    const char *(*conn_peer)(hf_io *io, hf_conn_id conn);
    uint64_t (*random)(hf_io *io); /* entropy: seeds, never used for decisions that must repeat */
    /* The node cannot go on (a failed flush, say): stop everything at once, exit with `code` and
     * the message. Nothing of this core is called again. */
    void (*fatal)(hf_io *io, int code, const char *message);
} hf_io_ops;

struct hf_io {
    const hf_io_ops *ops;
    const hf_io_handler *handler;
    void *context;       /* handed to the handler */
    uint64_t now_ns;     /* monotonic, for durations and deadlines; refreshed once per turn */
    uint64_t wall_ns;    /* nanoseconds since 1970, may jump; refreshed once per turn */
    uint32_t file_align; /* for HF_IO_DIRECT: power of two, 512 to 4096 */
    uint16_t core;
    uint16_t core_count;
};

static inline void hf_io_submit(hf_io *io, hf_io_op *op)
{
    io->ops->submit(io, op);
}
static inline void hf_io_post(hf_io *io, uint16_t to, hf_msg *msg)
{
    io->ops->post(io, to, msg);
}

#endif
