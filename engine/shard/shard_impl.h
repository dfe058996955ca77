/* Inside a shard: its state, and what its files call of each other. For engine/shard and its tests
 * only. */
#ifndef HF_SHARD_SHARD_IMPL_H
#define HF_SHARD_SHARD_IMPL_H
#include "engine/base/assert.h"
#include "engine/base/map.h"
#include "engine/base/prng.h"
#include "engine/base/ring.h"
#include "engine/base/timer.h"
#include "engine/command/command.h"
#include "engine/shard/entry.h"
#include "engine/shard/horizon.h"
#include "engine/shard/message.h"
#include "engine/shard/range.h"
#include "engine/shard/shard.h"
#include "storage/log/checkpoint.h"
#include "storage/log/log.h"
#include "storage/table/mutation.h"
#include "txn/mvcc/hlc.h"
#include "txn/mvcc/workspace.h"
#include "txn/twopc/coordinator.h"
#include "txn/twopc/participant.h"

enum { HF_SHARDS_MAX = HF_PARTICIPANTS_MAX };

typedef struct hf_part hf_part;
typedef struct hf_item hf_item;
typedef struct hf_op hf_op;
typedef struct hf_session hf_session;

/* A timer that knows whom to call. */
typedef struct hf_alarm {
    hf_timer timer; /* first */
    void (*ring)(hf_shard *shard, struct hf_alarm *alarm);
} hf_alarm;

/* A message that is being worked on, or waits: for a lock, or for room. */
struct hf_item {
    hf_lock_waiter waiter;   /* first: hf_lock_ready() hands it out */
    hf_alarm alarm;          /* second thoughts: push, then give up */
    hf_lock *wanted;         /* a range it holds back for itself */
    hf_part *part;           /* whose PREPARE or LOCK_READ this is; NULL: one phase */
    hf_item *next, *prev;    /* stalled: waits for room */
    hf_item *after, *before; /* in order.c: what waits, by connection */
    bool entered;            /* ... it is there */
    bool gated;              /* ... behind another one of its connection */
    uint64_t since_ns;
    bool stalled;
    bool admitted; /* its turn among the stalled has come */
    _Alignas(8) uint8_t message[];
};

/* A transaction that takes part here: locks, effects held back, and the pure machine. */
struct hf_part {
    hf_participant p;
    hf_lock_txn locks;
    hf_ticket ticket;
    hf_part *next, *prev;                     /* those of one coordinator, in order of coming */
    hf_part *next_undecided, *prev_undecided; /* in order of prepare timestamps */
    hf_item *item;                            /* waits */
    uint8_t *effects;                         /* mutations, in the heap */
    uint32_t effects_size;
    uint64_t promised; /* room in the table that they will take */
    uint8_t *replies;  /* body of the answer to the coordinator */
    uint32_t replies_size;
    uint8_t *recipe; /* at the id's home: how the client's reply is put together */
    uint32_t recipe_size;
    hf_buf collected;    /* at the anchor, during recovery: the others' replies */
    uint64_t lsn_before; /* the log is needed from here as long as this part is */
    uint64_t since_ns;
    uint64_t digest;
    uint8_t id[16];
    hf_part *chain;       /* in shard->parts */
    hf_table_place place; /* of the key that its evaluation looked at last */
    uint32_t additions;   /* among the effects */
    bool only_adds;       /* ... and nothing else, and none to a field */
    uint16_t ending;      /* hf_ending of a refusal */
    uint16_t room_used;
    bool has_id, stub, drains, old;
    _Alignas(8) uint8_t room[192]; /* small effects, replies and recipe; not cleared */
};

typedef struct hf_part_set {
    hf_part **buckets;
    uint32_t count;
    uint32_t shift; /* of a mixed attempt, to its bucket */
    hf_part *spare; /* forgotten ones, to be used again; linked by `chain` */
    uint32_t spares;
} hf_part_set;

typedef struct hf_part_list {
    hf_part *first, *last;
} hf_part_list;

/* What a coordinator still has to hear about, per attempt: a window of sequence numbers. */
typedef struct hf_unfinished {
    uint64_t base;      /* the oldest attempt that is not finished everywhere: the watermark */
    uint64_t next;      /* sequence number of the next attempt */
    uint8_t *remaining; /* ring: FINALIZEs not yet durable; UNDER_WAY before they are sent */
    uint32_t mask;
} hf_unfinished;

/* Something that waits until the log is durable up to lsn. */
typedef struct hf_held {
    uint64_t lsn;
    hf_msg *msg;   /* to be posted to `to`; or NULL */
    hf_part *part; /* its record is durable then */
    uint16_t to;
} hf_held;

/* So many FINALIZEs of a coordinator are durable when the log is, up to here. */
typedef struct hf_ack {
    uint64_t lsn; /* UINT64_MAX: not known yet */
    uint32_t count;
} hf_ack;

typedef enum hf_boot {
    HF_BOOT_LOAD,
    HF_BOOT_REPLAY,
    HF_BOOT_MEET, /* shards tell each other their ranges */
    HF_BOOT_READY,
    HF_BOOT_FAILED,
} hf_boot;

typedef struct hf_save {
    enum { HF_SAVE_IDLE, HF_SAVE_DRAIN, HF_SAVE_SETTLE, HF_SAVE_WRITE } state;
    uint64_t ts;     /* the checkpoint is as of this timestamp */
    uint64_t lsn;    /* replay begins here */
    uint64_t floor;  /* ... which is here on the device */
    uint64_t left;   /* bytes of log that the last good one could not cut */
    uint64_t settle; /* the log must be durable up to here before the manifest is */
    uint32_t drains; /* undecided parts that must end first */
    uint64_t retry_ns;
    bool wanted; /* asked for by a command */
    uint64_t drops,
        drops_saved;     /* keys dropped without tombstones: while they differ, passes are whole */
    uint64_t drops_seen; /* when the pass under way began */
    bool writes_whole;   /* the one under way is */
    uint64_t last_wall_ns; /* end of the last good one */
    bool failed;           /* the last one did */
} hf_save;

/* What shard 0 knows of the others' load. */
typedef struct hf_balance {
    uint64_t next_ns, rest_until_ns;
    hf_shard_set heard;
    uint64_t operations[HF_SHARDS_MAX], bytes[HF_SHARDS_MAX], keys[HF_SHARDS_MAX];
} hf_balance;

/* A range on its way out. One at a time. */
typedef struct hf_move {
    enum {
        HF_MOVE_NONE,
        HF_MOVE_DRAIN,  /* frozen; locks in it are waited for */
        HF_MOVE_SETTLE, /* ... and the log, up to what the copy can see */
        HF_MOVE_CLEAR,
        HF_MOVE_COPY,
        HF_MOVE_CLAIM,
        HF_MOVE_DROP,
    } state;
    uint16_t to, gateway;
    bool waiting;      /* for an acknowledgement */
    uint64_t again_ns; /* nothing is sent before: the new owner was not ready */
    hf_ticket ticket;
    uint64_t id, generation;
    uint64_t settle; /* what is copied must be durable here first: the log up to this position */
    hf_buf start, end, next, after, piece;
} hf_move;

/* What keeps the requests of one connection in order: order.c. */
enum { HF_ORDER_PLACES = 256 };
typedef struct hf_order {
    hf_item *first[HF_ORDER_PLACES]; /* requests that wait here, by connection */
    hf_item *last[HF_ORDER_PLACES];
    uint32_t count;
    hf_item *ready_first, *ready_last; /* their turn has come */
    uint32_t sent_back[HF_SHARDS_MAX]; /* requests that this owner gave back to that gateway */
    uint32_t heard[HF_SHARDS_MAX];     /* ... that this gateway had back from that owner */
} hf_order;

struct hf_shard {
    hf_io *io;
    hf_heap *heap;
    hf_shard_config config;
    uint16_t self, count;
    hf_boot boot;
    bool stopping;
    bool expire_off; /* DEBUG SET-ACTIVE-EXPIRE 0 */
    bool stopped;
    char dir[24];

    hf_hlc clock;
    hf_horizon horizon;
    hf_prng prng;
    uint64_t incarnation;
    hf_timers timers;

    hf_table *table;
    hf_lock_table *locks;
    hf_log *log;
    hf_checkpoint *checkpoint;
    hf_range_map map;
    hf_save save;
    hf_move move;
    hf_balance balance;
    uint64_t map_lsn;  /* the newest change of the map by this shard */
    bool map_due;      /* somebody has not heard of it */
    bool importing;    /* copies of a range that is not here yet are */
    uint64_t floor_ts; /* reads at timestamps below cannot be served: a range came in since */
    hf_item *frozen_first, *frozen_last; /* requests for a range that moves */
    hf_order order;

    /* owner */
    hf_part_set parts;                 /* by attempt */
    hf_part_list lists[HF_SHARDS_MAX]; /* by coordinator, this incarnation */
    hf_part_list old;                  /* of earlier incarnations: recovered from the log */
    uint64_t watermarks[HF_SHARDS_MAX];
    uint32_t undecided;
    hf_part *undecided_first, *undecided_last; /* in order of prepare timestamps */
    hf_ring held;                              /* of hf_held, ascending lsn */
    hf_held held_packs[HF_SHARDS_MAX];         /* replies gathered: pack.h; msg NULL: none */
    uint64_t held_cut;                         /* hf_log_cut() when they began */
    hf_ring acks[HF_SHARDS_MAX];               /* of hf_ack: FINALIZEs counted when durable */
    hf_buf ends; /* of parts: gathered for one FINALIZE record (part_log.c) */
    bool ends_open;
    uint32_t end_acks[HF_SHARDS_MAX]; /* ... and to be counted with it */
    uint64_t acked[HF_SHARDS_MAX];
    bool ack_due[HF_SHARDS_MAX];
    hf_item *stalled_first, *stalled_last;
    hf_msg *backlog_first, *backlog_last; /* records that must be appended, in order */
    uint64_t reserve;                     /* log bytes kept free for the ends of what is prepared */
    uint64_t base_bytes; /* lent before there was data: the log's ring and the like */
    uint64_t promised;   /* table bytes that they will take */
    uint64_t preparing;  /* the timestamp of what is being prepared, not undecided yet; 0: none */
    uint64_t system_keys;
    uint64_t ts_saved;    /* recovery: effects at or below are in the checkpoint */
    uint64_t replayed_ts; /* recovery: the newest timestamp of the log so far */
    hf_shard_set boot_heard, resolved_heard;
    uint32_t old_undecided;
    uint64_t ask_next_ns, ask_wait_ns; /* ... and when their anchors are asked again */
    uint64_t replayed;
    uint64_t resolve_lsn; /* all old parts are decided up to here; 0: not yet */
    bool resolve_sent;
    bool old_forgotten; /* earlier incarnations are over everywhere: what still comes is late */
    bool started;

    /* evaluation scratch, reused */
    hf_buf mutations, replies, args, message, scratch, grants, head, routes;
    hf_buf wants, want_keys, commands; /* of the transaction that is looked at: owner_impl.h */
    bool wants_held;                   /* its part holds all of them */
    const hf_msg_txn *wants_of;        /* for an assertion */
    hf_bytes one_key;                  /* internal, of the ONE that is looked at; else empty */
    uint64_t one_hash;
    hf_msg_txn one_as; /* what it is seen as: all that it does not say is zero */
    hf_workspace workspace;
    uint64_t view_at;    /* the timestamp that the evaluation reads at; HF_TS_MAX: newest */
    uint64_t view_lsn;   /* the newest log position that the evaluation saw */
    bool view_expired;   /* it saw a key as gone by time alone */
    uint64_t view_until; /* what it saw holds below this timestamp: then a key expires */
    bool view_many;      /* own writes are looked up in the workspace */

    /* gateway */
    hf_op *ops; /* pool */
    uint32_t op_count;
    hf_op *op_spare;
    hf_msg *came_back; /* requests whose range is on its way to another shard, newest first */
    hf_unfinished unfinished;
    hf_ring sent[HF_SHARDS_MAX]; /* of u64 seq: FINALIZEs sent there, to be counted */
    uint64_t sent_acked[HF_SHARDS_MAX];

    hf_session *session;

    hf_msg *packs[HF_SHARDS_MAX];     /* messages gathered for a shard: pack.h; or NULL */
    hf_msg *local_first, *local_last; /* messages to ourselves */
    bool draining;
    hf_shard_stats stats;
};

/* Timestamps that can be read back, at every shard alike: the multiples of the tick. (A table's own
 * pins are boundaries too, but of that shard only.) */
enum { HF_TICK_NS = 1000000 };
/* Old versions are kept for the whole retention while a quarter of the memory is free; with less,
 * for less, down to this part of it; and when memory is nearly full, for a few ticks: better than
 * refusing writes. */
enum { HF_RETENTION_PART = 8 };
static inline uint64_t hf_shard_tick(uint64_t ts)
{
    return ts - ts % HF_TICK_NS;
}

/* ---- shard.c ---- */
hf_msg *hf_shard__msg(hf_shard *shard, uint16_t kind, size_t size); /* zeroed; NULL: no memory */
/* A message whose fixed part is `fixed` (its head is filled in), then `body`. NULL: no memory. */
hf_msg *hf_shard__msg_of(hf_shard *shard, uint16_t kind, void *fixed, size_t fixed_size,
                         hf_bytes body);
void hf_shard__post(hf_shard *shard, uint16_t to, hf_msg *msg);
void hf_shard__drain(hf_shard *shard);   /* works off what was posted to ourselves */
uint64_t hf_shard__now(hf_shard *shard); /* next timestamp */
void hf_shard__fail(hf_shard *shard, int code, const char *what, const char *detail);
/* The hash of an internal key; known already for those of the transaction that is looked at, or of
 * the ONE. */
uint64_t hf_shard__hash(const hf_shard *shard, hf_bytes key);
void hf_shard__collect(hf_shard *shard); /* frees some of what is older than the retention */
/* Frees old versions at once, a number of them, as far as they may go. False: none was left. */
bool hf_shard__make_room(hf_shard *shard);

/* ---- hold.c ---- */
/* The log's, behind the ends of parts that are gathered: nothing of the shard asks it directly. */
hf_err hf_shard__append(hf_shard *shard, uint16_t kind, const hf_bytes *parts, uint32_t count,
                        uint64_t *lsn);
uint64_t hf_shard__appended(hf_shard *shard);
/* Whether decisions wait for room in the log: it does not hold all that happened. */
bool hf_shard__behind(hf_shard *shard);
/* Posts the message once the log is durable up to lsn (at once if it is). */
void hf_shard__hold(hf_shard *shard, uint64_t lsn, uint16_t to, hf_msg *msg);
void hf_shard__hold_part(hf_shard *shard, uint64_t lsn, hf_part *part);
void hf_shard__durable(hf_shard *shard, uint64_t lsn);
uint64_t hf_shard__held(const hf_shard *shard); /* replies and votes that wait: counted now */

/* ---- owner.c ---- */
void hf_owner__txn(hf_shard *shard, const hf_msg_txn *msg, hf_item *item);
void hf_owner__lock_read(hf_shard *shard, const hf_msg_lock_read *msg, hf_item *item);
void hf_owner__one(hf_shard *shard, const hf_msg_one *msg); /* one.c */
void hf_owner__run_ready(hf_shard *shard);                  /* waiters whose locks came free */
bool hf_owner__has_ready(const hf_shard *shard);            /* there may be some */
void hf_owner__run_stalled(hf_shard *shard);
/* The range that was frozen is so no more: its requests run again. */
void hf_owner__thaw(hf_shard *shard);
void hf_owner__drop_item(hf_shard *shard, hf_item *item);
/* Applies encoded effects to the table. */
/* Whether these effects can be put into the table, beside what is promised to what is prepared. */
bool hf_owner__has_memory(hf_shard *shard, hf_bytes effects);
void hf_owner__apply(hf_shard *shard, hf_bytes effects, uint64_t ts, uint64_t lsn);
void hf_owner__apply_one(hf_shard *shard, const hf_mutation *mutation, uint64_t hash, uint64_t ts,
                         uint64_t lsn);
bool hf_owner__reply(hf_shard *shard, uint16_t to, hf_ticket ticket, hf_attempt attempt,
                     uint16_t kind, hf_ending ending, uint64_t ts, uint64_t lsn, hf_bytes body);

/* ---- part.c ---- */
bool hf_part__open(hf_shard *shard); /* false: no memory */
hf_part *hf_part__find(hf_shard *shard, hf_attempt attempt);
/* It will be asked for soon. */
void hf_part__fetch(const hf_shard *shard, hf_attempt attempt);
hf_part *hf_part__make(hf_shard *shard, hf_attempt attempt, hf_age age); /* NULL: no memory */
/* False: the attempt is fenced (its coordinator's watermark passed it). */
bool hf_part__fresh(const hf_shard *shard, hf_attempt attempt);
void hf_part__step(hf_shard *shard, hf_part *part, hf_participant_event event, uint16_t from,
                   uint64_t ts);
void hf_part__watermark(hf_shard *shard, uint16_t coordinator, uint64_t watermark);
void hf_part__finalize(hf_shard *shard, const hf_msg_decision *msg);
void hf_part__query(hf_shard *shard, const hf_msg_decision *msg);
void hf_part__resolve(hf_shard *shard, const hf_msg_decision *msg);
void hf_part__answer(hf_shard *shard, const hf_msg_decision *msg);
/* Refused, with what the coordinator is told: a repeated PREPARE hears it again. The caller
 * answers. */
void hf_part__refused(hf_shard *shard, hf_part *part, hf_ending ending, hf_bytes body);
void hf_part__push(hf_shard *shard, hf_part *part); /* asks the anchor for the decision */
void hf_part__wound(hf_shard *shard, hf_part *part);
/* part_log.c */
void hf_part__durable_acks(hf_shard *shard, uint64_t lsn);
void hf_part__write_ends(hf_shard *shard); /* what is gathered goes into the log */
void hf_part__send_acks(hf_shard *shard);
/* What a PREPARE came to when it was evaluated. */
typedef struct hf_vote {
    uint64_t pts, until;
    hf_bytes effects, fences, grants;
    uint32_t fence_count, grant_count;
} hf_vote;
/* Logs a PREPARE that was evaluated; its locks are taken. */
hf_err hf_part__log_prepare(hf_shard *shard, hf_part *part, const hf_msg_txn *msg,
                            const hf_vote *vote);
hf_err hf_part__replay(hf_shard *shard, const hf_log_record *record);
/* Asks the anchors of what is in doubt since before the start, and goes on asking, ever more
 * slowly, until everything is decided. Answers when to call again; UINT64_MAX: no more. */
void hf_part__resolve_old(hf_shard *shard);
uint64_t hf_part__ask_again(hf_shard *shard);
void hf_part__not_old(hf_shard *shard, hf_part *part); /* it is of the incarnation that is now */
void hf_part__name_incarnation(hf_shard *shard, uint64_t incarnation);
/* No shard is in doubt about an earlier incarnation any more. */
void hf_part__forget_old(hf_shard *shard);
/* No addition that is still to be folded lies below this timestamp. */
uint64_t hf_part__oldest_pts(const hf_shard *shard, uint64_t otherwise);
uint64_t hf_part__oldest_lsn(const hf_shard *shard, uint64_t otherwise);
void hf_part__run_backlog(hf_shard *shard);
void hf_part__trim(hf_shard *shard); /* gives back the parts that are kept to be used again */

/* ---- gateway.c ---- */
void hf_gateway__result(hf_shard *shard, const hf_msg_result *msg);
void hf_gateway__wounded(hf_shard *shard, const hf_msg_decision *msg);
void hf_gateway__finalized(hf_shard *shard, const hf_msg_decision *msg);
bool hf_gateway__open(hf_shard *shard);
void hf_gateway__turn(hf_shard *shard);

/* ---- boot.c ---- */
void hf_boot__start(hf_shard *shard);
bool hf_boot__open(hf_shard *shard);
void hf_boot__message(hf_shard *shard, const hf_msg *msg);
void hf_boot__turn(hf_shard *shard);
/* While replaying: whether so many bytes of changes can be applied; makes room if need be. */
bool hf_boot__room(hf_shard *shard, hf_bytes effects);
void hf_boot__passed(hf_shard *shard, uint64_t ts); /* a record of that timestamp */
/* ---- move.c ---- */
hf_err hf_move__replay(hf_shard *shard, const hf_log_record *record);
void hf_move__message(hf_shard *shard, const hf_msg *msg);
/* ---- expire.c ---- */
void hf_expire__turn(hf_shard *shard);
/* ---- save.c ---- */
uint64_t hf_save__turn(hf_shard *shard); /* when it is due again by itself */
void hf_save__part_decided(hf_shard *shard, hf_part *part);
bool hf_save__next(void *context, hf_buf *out);
void hf_save__written(void *context, hf_err err, const char *detail);

/* ---- the system space: outcomes of clients' ids ---- */
enum { HF_STUB_KEY_SIZE = 18 };
/* Space byte, the id's last byte, the id: ids of one time spread over the shards. */
void hf_stub__key(const uint8_t id[16], uint8_t key[HF_STUB_KEY_SIZE]);

static inline hf_bytes hf_msg_body(const hf_msg *msg, size_t fixed)
{
    return hf_bytes_of((const uint8_t *)msg + fixed, msg->size - fixed);
}

#endif
