/* The inside of hf_world: events, cores, operations, connections. For world*.c only. */
#ifndef HF_TESTS_SIM_WORLD_IMPL_H
#define HF_TESTS_SIM_WORLD_IMPL_H
#include "tests/sim/world.h"

#include "engine/base/assert.h"
#include <setjmp.h>
#include <time.h>

/* clang-format off */
#define HF_WORLD__EVENTS(X) \
    X(TURN) X(MESSAGE) X(BACK) X(LAND) X(DONE) \
    X(ACCEPT) X(UP) X(EOF) X(TAKE) X(SENT) X(CLOSED) X(DOWN) X(HANGUP) \
    X(CALL) X(ROT) X(SLOW) X(CLOCK) X(PAUSE) \
    X(BOOT) X(CRASH) X(FATAL) X(FAULTS) X(NOTE) X(CONNECT) X(LEAVE) X(DAMAGE)
/* clang-format on */

typedef enum hf_world__kind {
#define X(name) HF_WORLD__##name,
    HF_WORLD__EVENTS(X)
#undef X
        HF_WORLD__KINDS,
} hf_world__kind;

enum {
    HF_WORLD__NOCORE = UINT16_MAX,
};

#define HF_WORLD__IDLE UINT32_MAX /* an event that is not in the heap */

typedef struct hf_world__event {
    uint64_t time;
    uint64_t seq;
    uint32_t at; /* place in the heap */
    uint16_t core;
    uint8_t kind;
    bool node; /* dies in a crash */
    void *ptr;
    hf_world_call *call;          /* CALL */
    struct hf_world__event *next; /* while spare */
} hf_world__event;

typedef struct hf_world__key { /* the order, beside the pointer: sifting stays in the heap's memory
                                */
    uint64_t time;
    uint64_t seq;
    hf_world__event *event;
} hf_world__key;

typedef struct hf_world__trace {
    uint64_t time, number, payload, a, b;
    const char *what;
    uint16_t core;
    uint8_t kind;
} hf_world__trace;

/* ---- Messages: one FIFO per ordered pair and direction
 * ------------------------------------------- */

typedef struct hf_world__posted {
    hf_msg *msg;
    uint64_t hash;
} hf_world__posted;

typedef struct hf_world__pipe {
    hf_world__posted *ring;
    uint32_t room, head, count; /* room: a power of two */
    uint32_t missed;            /* arrivals before the core was booted */
    uint64_t last;              /* time of the newest one's arrival */
    uint16_t from, to;
    bool back;
} hf_world__pipe;

/* ---- Disk operations
 * ----------------------------------------------------------------------------- */

typedef struct hf_world__op {
    struct hf_world__op *prev, *next; /* all in flight, in order of submission */
    hf_io_op *op;
    hf_disk_file *file; /* held */
    hf_world__event *event;
    uint64_t number;
    uint64_t hash;     /* of the lent data of a write */
    uint64_t sequence; /* of the disk at submission: what a sync covers */
    uint64_t done_at;
    int64_t result;
    uint16_t core;
    bool landed;
    bool fails;  /* -EIO was drawn */
    bool lost;   /* acknowledged, and will turn out not to be there */
    bool strays; /* ... but elsewhere */
} hf_world__op;

typedef struct hf_world__handle {
    hf_disk_file *file; /* held; NULL: spare */
    uint8_t flags;
} hf_world__handle;

/* A write that will turn out lost or misdirected, once enough others followed it. */
typedef struct hf_world__stash {
    hf_disk_file *file; /* held */
    uint64_t offset, size;
    uint8_t *old;
    uint8_t *data;
    uint32_t left; /* writes to the same file to wait for */
    bool strays;
} hf_world__stash;

enum { HF_WORLD__STASHES = 16 };

/* ---- Connections
 * --------------------------------------------------------------------------------- */

typedef struct hf_world__buffer {
    uint8_t *data;
    uint64_t head, size, room; /* bytes are data[head .. head + size) */
} hf_world__buffer;

typedef enum hf_world__leaving {
    HF_WORLD__STAYS,
    HF_WORLD__LEFT,  /* orderly */
    HF_WORLD__RESET, /* the connection failed */
    HF_WORLD__GONE,  /* vanished */
} hf_world__leaving;

typedef struct hf_world__conn {
    hf_conn_id id;
    uint16_t core;
    uint8_t listener;
    bool accepted, node_open, node_closing, receive_on;
    bool client_open, client_reading, slow;
    bool half;       /* the client sends no more, but reads */
    bool ended;      /* ... and the core knows that */
    bool crashed;    /* the core is no more */
    uint8_t leaving; /* hf_world__leaving: the client's side, as the node may notice it */
    hf_bytes sending;
    uint32_t sent;
    uint64_t send_hash;
    bool send_on;
    uint64_t window; /* most bytes taken and not yet read by the client */
    hf_world__buffer up, down;
    /* At most one of each under way; NULL: none. */
    hf_world__event *accept, *up_next, *eof, *take, *sent_end, *closed, *down_next, *hangup;
    const hf_world_client *client;
    void *context;
    char peer[32];
} hf_world__conn;

typedef struct hf_world__slot {
    hf_world__conn *conn;
} hf_world__slot;

/* ---- Core and world
 * ------------------------------------------------------------------------------ */

typedef struct hf_world__core {
    hf_io io; /* first: hf_io* is hf_world__core* */
    hf_world *world;
    hf_world__event *turn;                   /* always there, idle or in the heap */
    struct hf_world__op *asked, *asked_last; /* submitted, to go out at the turn's end */
    hf_world_prng turns, messages, entropy;
    uint64_t paused_until;
    bool booted, in_turn;
} hf_world__core;

struct hf_world {
    hf_world_faults faults;
    hf_world_faults used; /* of the rates: `most` counts what happened */
    uint64_t seed, now, hash, next_seq;
    hf_world__key *heap;
    uint32_t heap_count, heap_room;
    hf_world__event *spare;
    void *slabs;
    hf_world__core *cores;
    hf_world__pipe *pipes; /* [from][to][back] */
    uint16_t core_count;
    int calling; /* the core whose handler runs, or -1 */
    bool running, stop, escaped;
    bool closed_by_node; /* the connection whose on_closed is being called */
    jmp_buf escape;
    hf_world_fatal fatal;
    /* clock */
    uint64_t mono_base, wall_base, wall_since;
    int32_t wall_ppm;
    hf_world_call *clock_watch;
    void *clock_watch_context;
    /* streams */
    hf_world_prng disk_pace, disk_faults, disk_crash, net, net_faults, clock, pauses, test;
    /* disk */
    hf_disk *disk;
    hf_world__handle *handles;
    uint32_t handle_count;
    hf_world__op *ops_first, *ops_last, *ops_spare; /* in flight; for use */
    uint64_t op_number, disk_slow_until, disk_last_done;
    uint32_t disk_slow_factor; /* 0: stands still */
    hf_world__stash stashes[HF_WORLD__STASHES];
    hf_world__event *recurring[4]; /* rot, slow, clock, pause */
    /* connections */
    hf_world__slot *slots;
    uint32_t slot_count, slot_next;
    uint8_t *lent; /* received bytes in a core's hands: freed also when it leaves by fatal() */
    uint64_t conn_number;
    uint16_t accept_next;
    /* trace */
    hf_world__trace *ring;
    uint32_t ring_size;
    FILE *trace;
    hf_world_stats stats;
    clock_t started;
};

/* world_event.c */
hf_world__event *hf_world__schedule(hf_world *w, hf_world__kind kind, uint16_t core, uint64_t time,
                                    void *ptr);
hf_world__event *hf_world__event_new(hf_world *w, hf_world__kind kind, uint16_t core, void *ptr);
void hf_world__put(hf_world *w, hf_world__event *event, uint64_t time); /* in, or to another time */
void hf_world__take_out(hf_world *w, hf_world__event *event);
hf_world__event *hf_world__pop(hf_world *w);
void hf_world__purge(hf_world *w); /* the events of the node */
void hf_world__event_free(hf_world *w, hf_world__event *event);
void hf_world__cancel(hf_world *w, hf_world__event **event); /* NULL is ignored; sets NULL */
void hf_world__events_free(hf_world *w);
void hf_world__record(hf_world *w, hf_world__kind kind, uint16_t core, uint64_t payload, uint64_t a,
                      uint64_t b, const char *what);
/* True, and counted, when the fault is to happen now. */
bool hf_world__draws(hf_world *w, hf_world_prng *prng, const hf_world_rate *rate);
bool hf_world__budget(hf_world *w, const hf_world_recurring *recurring);

/* world.c */
void hf_world__enter(hf_world__core *core); /* a delivery: begins the turn, if none is under way */
void hf_world__wake(hf_world__core *core);  /* asked for outside a turn: one must come */
uint64_t hf_world__after(hf_world *w, uint64_t time, uint64_t delay); /* saturating */

/* world_core.c */
void hf_world__turn(hf_world *w, hf_world__core *core);
void hf_world__post(hf_io *io, uint16_t to, hf_msg *msg);
void hf_world__deliver(hf_world *w, hf_world__pipe *pipe);
void hf_world__pipes_boot(hf_world *w, uint16_t core);
void hf_world__pipes_crash(hf_world *w);

/* world_disk.c */
void hf_world__submit(hf_io *io, hf_io_op *op);
hf_err hf_world__list(hf_io *io, const char *path, hf_io_name *name, void *context);
void hf_world__ops_start(hf_world *w, hf_world__core *core);
void hf_world__land(hf_world *w, hf_world__op *op);
void hf_world__done(hf_world *w, hf_world__op *op);
void hf_world__disk_crash(hf_world *w, hf_world_crash_kind kind);
void hf_world__disk_free(hf_world *w);

/* world_damage.c */
void hf_world__rot(hf_world *w);
void hf_world__stash_write(hf_world *w, hf_world__op *op);
void hf_world__stash_follow(hf_world *w, const hf_disk_file *file, uint32_t writes);
void hf_world__stash_drop(hf_world *w);
bool hf_world__damageable(const hf_world *w, const hf_disk_file *file);

/* world_conn.c */
void hf_world__conn_send(hf_io *io, hf_conn_id id, hf_bytes data);
void hf_world__conn_receive(hf_io *io, hf_conn_id id, bool on);
void hf_world__conn_close(hf_io *io, hf_conn_id id);
const char *hf_world__conn_peer(hf_io *io, hf_conn_id id);
void hf_world__accept(hf_world *w, hf_world__conn *conn);
void hf_world__up(hf_world *w, hf_world__conn *conn);
void hf_world__eof(hf_world *w, hf_world__conn *conn);
void hf_world__take(hf_world *w, hf_world__conn *conn);
void hf_world__sent(hf_world *w, hf_world__conn *conn);
void hf_world__closed(hf_world *w, hf_world__conn *conn);
void hf_world__down(hf_world *w, hf_world__conn *conn);
void hf_world__hangup(hf_world *w, hf_world__conn *conn);
void hf_world__conns_crash(hf_world *w, hf_world_crash_kind kind);
void hf_world__conns_free(hf_world *w);

#endif
