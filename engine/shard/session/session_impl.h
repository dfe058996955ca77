/* Inside the sessions: connections and what their commands need. For engine/shard/session*.c only.
 */
#ifndef HF_SHARD_SESSION_IMPL_H
#define HF_SHARD_SESSION_IMPL_H
#include "engine/shard/gateway.h"
#include "engine/shard/session/session.h"

enum {
    HF_IN_PAUSE = 1 << 20, /* unread request bytes at which a connection is no longer read from */
    HF_GATHER_BYTES = 16 * 1024, /* replies that may wait for more of them, ... */
    HF_GATHER_NS = 200000,       /* ... and for how long */
    HF_OUT_PAUSE = 1 << 20,      /* unsent reply bytes at which its requests wait */
    HF_SLOTS_LEAST = 16,
    HF_FOUND_BITS = 8,
    /* How many requests of a connection are under way at first. It grows with each small reply, so
     * that a pipeline that turns out to ask for large ones has not asked for all of them at once.
     */
    HF_WINDOW_LEAST = 4,
    HF_REPLY_LARGE = 64 * 1024,
    HF_REPLIES_LARGE = 4 << 20, /* bytes of large replies that a connection should have under way */
    HF_WEIGHT_PART = 4,         /* all buffers of connections: at most this part of the memory */
    HF_WEIGHT_LEAST = 64 * 1024, /* a connection with less is not cut off for it */
    HF_EARLY_MOST = 1024,        /* bytes of a reply that waits for its turn with others, ... */
    HF_EARLY_BYTES = 16 * 1024,  /* ... and of all of them */
    HF_KEEP_BYTES = 16 * 1024,   /* buffer memory that an idle connection may keep */
    HF_MULTI_BYTES_MAX = 16 << 20,
    HF_MULTI_COMMANDS_MAX = 60000,
    HF_WATCHES_MAX = 10000,
};

/* A token of this node is at most so far ahead of a shard, twice: shards take each other's clocks
 * with every message. A client must not be able to push the clock. */
#define HF_TOKEN_AHEAD_NS UINT64_C(100000000)
#define HF_TOKEN_UNKNOWN "ERR not a token of this node"
#define HF_SNAPSHOT_FUTURE "ERR the snapshot's timestamp lies in the future"
#define HF_STOP_PATIENCE_NS UINT64_C(2000000000)

#define HF_SENT_NOWHERE UINT32_MAX

/* One request whose reply is not sent yet. */
typedef struct hf_slot {
    hf_buf reply; /* when it came before its turn, and is large or written piece by piece */
    bool done;
    bool watch;       /* a WATCH: its answer is stamps, or an error */
    bool multi;       /* over several shards: it may be retried, so later ones on its keys wait */
    bool mute;        /* CLIENT REPLY: nobody wants to know */
    uint16_t command; /* of the table; UINT16_MAX: none */
    uint16_t early;   /* bytes of its reply in conn->early; 0: it is not there */
    union {
        uint32_t tag;      /* of a local connection: the request's number */
        uint32_t early_at; /* of the others: where in conn->early */
    };
    /* The version of the map of ranges by which it went out in one message; 0: it is over several
     * shards, or came back and waits; HF_SENT_NOWHERE: it has no keys. */
    uint32_t sent_by;
    uint32_t noted; /* where hf_server__started() noted the arguments */
    uint64_t started_ns;
} hf_slot;

typedef struct hf_exec hf_exec;

typedef struct hf_conn {
    hf_conn_id id;
    struct hf_conn *next, *prev; /* all of the shard */
    struct hf_conn *dirty_next;  /* has something to do in this turn */
    bool dirty;
    hf_listener listener;
    uint64_t since_ns, last_ns;
    uint64_t number_id; /* CLIENT ID */

    hf_buf in;
    uint32_t in_start;
    uint32_t parsed; /* bytes of the request that stands there and waits; 0: it is not parsed */
    hf_resp_parser parser;
    hf_buf arg_slices; /* of hf_resp_arg */
    hf_buf out, sending;
    hf_buf early;         /* small replies that came before their turn: slot->early */
    uint32_t early_count; /* of them; 0: it is empty */
    uint32_t tag;         /* of a local connection: the number of the request at hand ... */
    uint32_t frame_at;    /* ... and where its reply begins in `out` */
    uint32_t reply_at;    /* where the reply at hand begins in its buffer */
    uint16_t command;     /* the last one, for CLIENT LIST; UINT16_MAX: none yet */
    bool is_sending, receive_off, closing, close_after, has_barrier;
    bool wants_more;                 /* what is gathered is part of one request */
    bool ended;                      /* the client sends no more */
    uint32_t piece_first, piece_end; /* requests that came in the last piece */
    uint64_t gathers_ns;             /* since when its replies wait for the others' of it */
    uint64_t weight;                 /* of its buffers, as counted in the session's */
    uint32_t window;                 /* requests that may be under way */

    hf_slot *slots; /* ring */
    uint32_t slot_mask;
    uint32_t first, next_number; /* numbers of the oldest request and of the next one */
    uint32_t multi_open;         /* requests over several shards that are not answered */
    uint32_t map_version;  /* all under way went out by this one; 0: look, hf_conn__may_start() */
    uint32_t looked_at;    /* the map of the next one */
    uint32_t in_order;     /* requests before this one went out by that map */
    uint32_t barrier;      /* with has_barrier: nothing starts before this one is answered */
    uint64_t keys_changed; /* of those: bits of the keys they touch, ... */
    uint64_t keys_added;   /* ... and of those they only add to */

    uint8_t proto;
    bool no_evict, no_touch, reply_off, reply_skip, skip_next; /* CLIENT */
    hf_buf name, lib_name, lib_version;

    bool atomic, attributes; /* HF.SESSION */
    bool multi, multi_broken;
    hf_buf queued; /* as in a TXN message: commands */
    uint32_t queued_count;
    uint32_t queued_own; /* of which the session runs itself */
    hf_exec *exec;       /* of exec.c: an EXEC with such ones; nothing starts meanwhile */
    hf_buf watches;      /* u64 stamp | u32 size, key */
    uint32_t watch_count, watch_asked;
    bool watch_lost; /* the stamps could not be had: EXEC fails */

    uint32_t op; /* interactive transaction, UINT32_MAX: none */
    bool read_only;

    uint8_t level;      /* hf_level */
    uint64_t level_arg; /* ms or timestamp */
    uint64_t after;     /* HF.AFTER: reads are at least as new */
    uint64_t round;     /* of hf_horizon__knows(): a timestamp that it brought is looked into */
    void *extra;        /* of pubsub.c, http.c */
} hf_conn;

typedef enum hf_level { HF_LEVEL_STRICT, HF_LEVEL_SNAPSHOT, HF_LEVEL_BOUNDED } hf_level;

struct hf_session {
    hf_map conns;                       /* id -> hf_conn* */
    hf_conn *found[1 << HF_FOUND_BITS]; /* those that were looked for lately */
    hf_conn *first;
    hf_conn *dirty;
    bool moved; /* one turned dirty since the last turn */
    uint32_t count;
    uint64_t accepted;
    bool stopping;
    uint64_t stop_ns; /* since when */
    hf_buf argv;      /* of hf_bytes: the command at hand */
    hf_buf commands;  /* of hf_request_command */
    hf_buf conditions;
    hf_buf many; /* slices of several commands */
    hf_buf error;
    hf_conn *starting;          /* the connection of the request that the gateway is starting */
    uint64_t reply_ts;          /* of the reply that is being completed; 0: not told */
    bool early;                 /* ... and its answer came at once: it lies in `error` */
    hf_request_command running; /* what a new slot is for; command NULL: nothing in the table */
    uint64_t bytes_in, bytes_out, rejected, cut_off, too_large;
    uint64_t weight; /* bytes that buffers of connections take */
    void *server;    /* of server.c */
};

/* A command of the session's own. It answers through hf_conn__reply/done, or starts a request.
 * False: not now (nothing happened); it is tried again. */
typedef bool hf_session_command(hf_shard *shard, hf_conn *conn, const hf_command *command,
                                const hf_bytes *args, uint32_t argc);
/* table.c: the function of a row that the session runs itself (it may have a `run` besides,
 * for MULTI); NULL: there is none. */
hf_session_command *hf_session__find(const hf_shard *shard, const hf_command *command);

/* Takes the next request number and lends the buffer for its reply, to be ended by done(). */
hf_buf *hf_conn__reply(hf_shard *shard, hf_conn *conn);
void hf_conn__done(hf_shard *shard, hf_conn *conn);
void hf_conn__error(hf_shard *shard, hf_conn *conn, const char *text);
/* level.c: whether a timestamp that the client brings is taken. False, and not *now: it is
 * being looked into, the request is tried again. */
bool hf_session__after(hf_shard *shard, hf_conn *conn, uint64_t token, bool *now);
bool hf_session__past(hf_shard *shard, hf_conn *conn, uint64_t ts, bool *now);
void hf_conn__ok(hf_shard *shard, hf_conn *conn);
/* The ticket of a request that is about to be started; open() makes its slot. */
hf_ticket hf_conn__ticket(const hf_conn *conn);
void hf_conn__open(hf_shard *shard, hf_conn *conn, bool multi);
/* The reply to a request under way, whose slot is not done. */
void hf_conn__replied(hf_shard *shard, hf_conn *conn, uint32_t number, hf_bytes reply);
/* Earlier requests are answered: the connection has none under way but the EXEC that asks. */
bool hf_conn__quiet(const hf_conn *conn);
/* Later requests wait until the one opened last is answered. */
void hf_conn__barrier(hf_conn *conn);
/* ---- order.c ---- */
bool hf_conn__in_order(const hf_shard *shard, hf_conn *conn, uint32_t number);
/* Asked when the map is not the one that the connection's requests went out by. */
bool hf_conn__may_start(hf_shard *shard, hf_conn *conn);
void hf_conn__dirty(hf_shard *shard, hf_conn *conn);
void hf_conn__close(hf_shard *shard, hf_conn *conn);
hf_conn *hf_conn__find(hf_shard *shard, hf_conn_id id);
/* Runs a command, which may be unknown (NULL). False: it cannot be started now; nothing happened.
 */
bool hf_session__run(hf_shard *shard, hf_conn *conn, const hf_command *command,
                     const hf_bytes *args, uint32_t argc);
/* Another request may be looked at. */
bool hf_conn__may_go_on(hf_shard *shard, hf_conn *conn);
/* Drops what was worked off of the gathered bytes. */
void hf_conn__compact(hf_shard *shard, hf_conn *conn);
/* Runs a data command: the way of every row that has `run` and no function of its own. */
bool hf_session__data(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc);
/* Bytes that are no reply (push messages): appended behind what is there. */
void hf_conn__push(hf_shard *shard, hf_conn *conn, hf_bytes bytes);
/* Starts a request of this connection. False: not now (no room, or a key is still being worked on).
 */
bool hf_conn__request(hf_shard *shard, hf_conn *conn, hf_request *request);
/* The timestamp of a read at this level; 0: strict. */
uint64_t hf_session__read_ts(hf_shard *shard, const hf_conn *conn, hf_level level, uint64_t arg);

/* ---- txn.c ---- */
hf_session_command hf_session__multi, hf_session__exec, hf_session__discard, hf_session__watch,
    hf_session__unwatch, hf_session__hf_txn, hf_session__hf_begin, hf_session__hf_commit,
    hf_session__hf_rollback, hf_session__hf_savepoint, hf_session__hf_outcome;
/* ---- level.c ---- */
hf_session_command hf_session__hf_session, hf_session__hf_level, hf_session__hf_read,
    hf_session__hf_token, hf_session__hf_after;
/* ---- txn.c ---- */
void hf_session__queue(hf_shard *shard, hf_conn *conn, const hf_command *command,
                       const hf_bytes *args, uint32_t argc);
bool hf_session__in_txn(hf_shard *shard, hf_conn *conn, const hf_request_command *command);
void hf_conn__leave_multi(hf_conn *conn);

/* ---- exec.c ---- */
/* The session runs it, behind the commit: it has no place in a transaction over keys. */
bool hf_exec__is_own(const hf_command *command, const hf_bytes *args, uint32_t argc);
bool hf_exec__start(hf_shard *shard, hf_conn *conn, hf_request *request);
bool hf_exec__replied(hf_shard *shard, hf_conn *conn, uint32_t number, hf_bytes reply);
void hf_exec__go_on(hf_shard *shard, hf_conn *conn);
void hf_exec__closed(hf_shard *shard, hf_conn *conn);
uint64_t hf_exec__weight(const hf_conn *conn);
void hf_conn__unwatch(hf_conn *conn);

/* An id is a UUID of version 7: its time says how old it is. False: the error is written. */
bool hf_session__id_good(hf_shard *shard, const uint8_t id[16], hf_buf *error);

/* ---- local.c: replies of local connections are framed in `out` at once ---- */
void hf_conn__frame_begin(const hf_shard *shard, hf_conn *conn, uint32_t number);
void hf_conn__frame_end(hf_conn *conn);
void hf_local__received(hf_shard *shard, hf_conn *conn, hf_bytes data);
void hf_local__process(hf_shard *shard, hf_conn *conn);

/* ---- pubsub.c ---- */
/* A RESP2 connection that subscribes may do little else; false: the error is written. */
bool hf_pubsub__allows(const hf_conn *conn, const hf_command *command, hf_buf *error);
/* It was told to close: it hears nothing more, and nobody counts it. */
void hf_pubsub__closing(hf_shard *shard, hf_conn *conn);
void hf_pubsub__closed(hf_shard *shard, hf_conn *conn);
/* ---- server.c ---- */
uint64_t hf_server__turn(hf_shard *shard);
bool hf_server__open(hf_shard *shard);
/* CLIENT PAUSE: the command has to wait. */
bool hf_server__paused(const hf_shard *shard, const hf_command *command, const hf_bytes *args,
                       uint32_t argc);
/* A slot was taken for session->running; its reply is there. For counters, SLOWLOG and MONITOR. */
void hf_server__started(hf_shard *shard, hf_conn *conn, hf_slot *slot);
void hf_server__rejected(hf_shard *shard, const hf_command *command);
void hf_server__ended(hf_shard *shard, hf_conn *conn, const hf_slot *slot, hf_bytes reply);
/* ---- apply.c ---- */
/* Tickets with this bit in `place` are not of a connection. */
#define HF_PLACE_APPLY ((uint64_t)1 << 63)
void hf_apply__replied(hf_shard *shard, hf_ticket ticket, hf_bytes reply);
/* ---- http.c ---- */
void hf_http__accept(hf_shard *shard, hf_conn *conn);
void hf_http__received(hf_shard *shard, hf_conn *conn, hf_bytes data);
void hf_http__ended(hf_shard *shard, hf_conn *conn);
void hf_http__closed(hf_shard *shard, hf_conn *conn);

#endif
