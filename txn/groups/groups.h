/* hf_groups: all Raft groups of one core, over one log and one packet to each node (Multi-Raft).
 *
 * Does with what the machines of txn/raft say: keeps entries until nobody needs them, hands writes
 * to the core's log as records, lets messages go when their write is durable, gathers those to one
 * node into packets, applies in order, and wakes groups when their time comes. A group in which
 * nothing happens has no timer, no message and no work; liveness is of pairs of nodes.
 *
 *   proposals, packets, time ---> step ---> record to the log ---> hf_groups_durable(lsn)
 *                                   |                                   |
 *                                   '--> packets <--- messages that waited
 *                                   '--> apply
 *
 * Once a record is refused (the log is full) nothing is stepped until it is taken: proposals are
 * HF_E_BUSY, packets are lost, as packets may be. Without memory the same, for what needs it.
 *
 * Recovery: hf_groups_replay() for each record, in the order of the log; first those that
 * hf_groups_save() wrote to a checkpoint, then the log's behind its position. Then hf_groups_start.
 *
 * Ownership: the heap given lends everything, bounded by it. Handlers may not call back.
 * Threads: one core only. Time and what is durable come with the calls.
 */
#ifndef HF_GROUPS_GROUPS_H
#define HF_GROUPS_GROUPS_H
#include "engine/base/buf.h"
#include "txn/raft/raft.h"

typedef struct hf_groups hf_groups;

enum {
    HF_GROUPS_PROPOSED_MAX = 128, /* entries in one proposal */
    HF_GROUPS_ROOM = 32 * 1024,   /* in a packet, besides the largest entry or piece */
};

typedef struct hf_groups_config {
    uint32_t self;            /* this node; not 0 */
    uint32_t start;           /* of this node, by number: larger than any before, durable already */
    bool first;               /* it never ran before */
    uint32_t groups_max;      /* also: timers taken at open */
    uint32_t entry_bytes_max; /* a larger proposal is HF_E_TOOBIG; the same on all nodes */
    uint32_t piece_bytes_max; /* of a snapshot */
    uint32_t packet_bytes_max; /* at least HF_GROUPS_ROOM more than either */
    uint64_t seed;
    hf_raft_options raft; /* message_bytes + HF_GROUPS_ROOM <= packet_bytes_max */
    hf_liveness_options liveness;
} hf_groups_config;

typedef struct hf_groups_handler {
    void *context;
    /* One record for the log, all or nothing; durable when the log is durable up to `lsn`. Not
     * HF_OK: is tried again in hf_groups_turn. Parts are lent for the call. */
    hf_err (*persist)(void *context, uint64_t group, const hf_bytes *parts, uint32_t count,
                      uint64_t *lsn);
    /* A packet (txn/raft/packet.h). Parts are lent for the call. May be lost. */
    void (*send)(void *context, uint32_t node, const hf_bytes *parts, uint32_t count,
                 uint32_t size);
    /* An entry is committed: each once in this process, in order. It may not be durable here yet.
     * What was proposed here at `index` in `term` is this entry; if the term is another, that was
     * lost, and never comes. `kind`: hf_raft_entry_kind; what is no HF_RAFT_DATA has nothing to do
     * with the state. */
    void (*apply)(void *context, uint64_t group, uint64_t index, uint64_t term, uint32_t kind,
                  hf_bytes payload);
    /* Another leads, or nobody is known to (0); `role` is this replica's. */
    void (*leads)(void *context, uint64_t group, uint32_t leader, hf_raft_role role);
    /* Reads up to this number may be answered once `index` is applied. */
    void (*reads)(void *context, uint64_t group, uint64_t read, uint64_t index);
    /* All that were asked and not answered: this replica leads no more. */
    void (*reads_failed)(void *context, uint64_t group);
    /* The bytes at `offset` of the snapshot that was made for hf_groups_compact(index); at most
     * `most`, lent until the next hf_groups_turn ends. HF_E_NOTFOUND: there is none any more. */
    hf_err (*piece)(void *context, uint64_t group, uint64_t index, uint64_t offset, uint32_t most,
                    hf_bytes *piece, bool *last);
    /* A piece came, for the snapshot at `index`; in order, from offset 0 on. */
    void (*take)(void *context, uint64_t group, uint64_t index, uint64_t offset, hf_bytes piece);
    /* All pieces are there: they are the state at `index` now, all else of the group goes. It has
     * to be durable no later than the record that follows at once, and after a crash in force if
     * that one is there, and only then. */
    void (*install)(void *context, uint64_t group, uint64_t index);
} hf_groups_handler;

/* HF_E_INVALID: sizes that do not fit together. HF_E_NOMEM. Copies config and handler. */
HF_MUST_USE hf_err hf_groups_open(hf_heap *heap, const hf_groups_config *config,
                                  const hf_groups_handler *handler, hf_groups **groups);
void hf_groups_close(hf_groups *groups);

/* ---- Before the start ---- */

/* A record of hf_groups_save or of the log. HF_E_CORRUPT: none that a machine wrote, or not in
 * this place. HF_E_VERSION: another format. HF_E_FULL: groups_max. HF_E_NOMEM. */
HF_MUST_USE hf_err hf_groups_replay(hf_groups *groups, uint64_t group, hf_bytes record);
/* Up to where the checkpoint has applied a group: entries behind it are applied again. */
HF_MUST_USE hf_err hf_groups_start(hf_groups *groups, uint64_t now);

/* ---- Nodes and groups ---- */

/* HF_E_FULL: more nodes than liveness has places for. HF_E_NOMEM. Twice is once. */
HF_MUST_USE hf_err hf_groups_meet(hf_groups *groups, uint32_t node, uint64_t now);
void hf_groups_forget(hf_groups *groups, uint32_t node); /* a member of no group any more */

/* A group's first life on this node, with the members that it begins with; on a node that is none
 * of them: a replica that will be told. One that was removed here and comes back keeps its word: it
 * votes for nobody until a leader has made it whole. A number is never given to another group.
 * HF_E_EXISTS. HF_E_FULL: groups_max. HF_E_BUSY, HF_E_NOMEM: later. */
HF_MUST_USE hf_err hf_groups_create(hf_groups *groups, uint64_t group, const hf_raft_config *config,
                                    uint64_t now);
/* This replica goes, with all it has but its term. Not before another leads, unless the whole group
 * goes: who takes a node that is alive for the leader waits for it. HF_E_NOTFOUND, HF_E_BUSY,
 * HF_E_NOMEM. */
HF_MUST_USE hf_err hf_groups_remove(hf_groups *groups, uint64_t group);

/* ---- Running ---- */

/* Entries at the end of the group's log, if this replica leads; they are `*first` and following,
 * in the term of now (`*term`). Answered for when they are applied. Errors of hf_raft_step;
 * HF_E_NOTFOUND, HF_E_TOOBIG, HF_E_BUSY (the log, or memory, has no room). */
HF_MUST_USE hf_err hf_groups_propose(hf_groups *groups, uint64_t group, const hf_bytes *payloads,
                                     uint32_t count, uint64_t now, uint64_t *first, uint64_t *term);
HF_MUST_USE hf_err hf_groups_change(hf_groups *groups, uint64_t group, const hf_raft_config *config,
                                    uint64_t now);
HF_MUST_USE hf_err hf_groups_hand_over(hf_groups *groups, uint64_t group, uint32_t node,
                                       uint64_t now);
/* A linearizable read: its number, for `reads`. */
HF_MUST_USE hf_err hf_groups_read(hf_groups *groups, uint64_t group, uint64_t now, uint64_t *read);
/* A read under the lease: hf_raft_may_read. */
bool hf_groups_may_read(const hf_groups *groups, uint64_t group, uint64_t now, uint64_t *index);
/* A snapshot of what is applied up to `index` can be sent from now on; entries up to it go.
 * HF_E_BUSY: not all of that is durable here, or applied. */
HF_MUST_USE hf_err hf_groups_compact(hf_groups *groups, uint64_t group, uint64_t index,
                                     uint64_t now);

/* A packet from `node`. Not HF_OK: the peer is not to be trusted (HF_E_CORRUPT, HF_E_VERSION,
 * HF_E_INVALID, HF_E_NOTSUPPORTED; HF_E_TOOBIG: an entry above entry_bytes_max), `*what` says why.
 * Records for groups that are not here are counted, and nothing more. */
HF_MUST_USE hf_err hf_groups_receive(hf_groups *groups, uint32_t node, hf_bytes packet,
                                     uint64_t now, const char **what);
/* The log is durable up to here. */
void hf_groups_durable(hf_groups *groups, uint64_t lsn, uint64_t now);
/* At the end of each loop turn: what is due, what waited for room, packets out. Answers when the
 * next turn is due at the latest (UINT64_MAX: when something comes). */
uint64_t hf_groups_turn(hf_groups *groups, uint64_t now);
/* The clock jumped, or cannot be trusted: hf_liveness_distrust. */
void hf_groups_distrust(hf_groups *groups, bool trusted, uint64_t now);

/* ---- For checkpoints and operators ---- */

/* The group as it is now, as one record for hf_groups_replay: what is applied is in the checkpoint
 * that this goes to, what is not applied is in the record, so the log's tail of a group that waits
 * for its quorum moves along. False: no memory in `out`. */
bool hf_groups_save(const hf_groups *groups, uint64_t group, hf_buf *out);
/* Visits all, also those that were removed (hf_groups_raft() is NULL): a checkpoint has to have
 * them. *cursor starts at 0; false: that was all. */
bool hf_groups_next(const hf_groups *groups, uint64_t *cursor, uint64_t *group);
/* NULL: not here. */
const hf_raft *hf_groups_raft(const hf_groups *groups, uint64_t group);
uint64_t hf_groups_applied(const hf_groups *groups, uint64_t group);

typedef struct hf_groups_stats {
    uint64_t groups, entries, entry_bytes;
    uint64_t steps, writes, messages, packets;
    uint64_t waiting;      /* messages that wait for the disk */
    uint64_t lost_busy;    /* records of packets that came while nothing could be stepped */
    uint64_t lost_memory;  /* messages not sent, or not taken, for lack of memory */
    uint64_t lost_unknown; /* records for groups that are not here */
    bool stalled;          /* the log refused a record */
} hf_groups_stats;
hf_groups_stats hf_groups_stats_get(const hf_groups *groups);
/* Walks everything and asserts what must hold. */
void hf_groups_check(const hf_groups *groups);

#endif
