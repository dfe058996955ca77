/* hf_raft: one replica of one range's group: election, log, replication, membership, snapshot.
 *
 * A pure machine in the manner of etcd's: an event goes in with the time, a draw and what is known
 * of the other nodes' liveness; out comes what to persist, send and apply. It holds no entry: of
 * the log it knows the terms, as runs, and who has how much; the payloads are the engine's, by
 * index.
 *
 *   follower --no leader is alive--> asking --a quorum would vote--> candidate --quorum--> leader
 *      ^                               |                                 |                  |
 *      '------- a leader, a higher term, or (leader) no quorum alive ----'------------------'
 *
 * What to do with an update, in this order:
 *   1. begin the write, if `write` is not 0: hard state (term, vote, nonce), the entries
 * first..last (what the log had from `first` on is gone), a snapshot with its log position: in one
 * piece that is there or is not. Writes become durable in the order of their numbers; then step
 * HF_RAFT_PERSISTED with the number and `last` of the newest.
 *   2. send the messages whose `after` is durable already (0: all is); keep the others until then.
 *   3. apply apply_first..apply_last, in order, and step HF_RAFT_APPLIED. An entry may be applied
 *      before this node's disk has it, since a quorum's disks have: a checkpoint must wait for it.
 *   4. step HF_RAFT_TICK at `wake_at`. HF_RAFT_NEVER: the group is idle and costs nothing.
 * A message may be lost, late, repeated, and overtake another.
 *
 * Liveness is of nodes (liveness.h): for each peer that hf_liveness_update names, step
 * HF_RAFT_LIVENESS for the groups whose leader is this node, or that node.
 *
 * Ownership: one block of hf_raft_size() bytes without pointers, the caller's; may be moved.
 * Allocates nothing. Threads: one core only.
 */
#ifndef HF_RAFT_RAFT_H
#define HF_RAFT_RAFT_H
#include "engine/base/error.h"
#include "txn/raft/liveness.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_RAFT_NEVER UINT64_MAX
enum {
    HF_RAFT_MEMBERS_MAX = 10, /* in a joint configuration: those of both */
    HF_RAFT_WINDOW = 8,       /* appends on the way to one peer, at most */
    HF_RAFT_MESSAGES_MAX = 48,
    HF_RAFT_MADE_MAX = 2,
};

/* ---- Members ---- */

enum {
    HF_RAFT_VOTER = 1,   /* of the configuration that is, or that comes */
    HF_RAFT_OLD = 2,     /* voter of the one that goes: then the configuration is joint */
    HF_RAFT_LEARNER = 4, /* gets the log, has no vote (with OLD: when the old one is gone) */
};

/* A node that lost its disk comes back as another: a number is one life of one disk. */
typedef struct hf_raft_config {
    uint32_t node[HF_RAFT_MEMBERS_MAX];
    uint8_t role[HF_RAFT_MEMBERS_MAX];
    uint8_t count;
    uint8_t pad;
} hf_raft_config;

bool hf_raft_config_joint(const hf_raft_config *config);
/* The place of a node; count: it is no member. */
uint32_t hf_raft_config_find(const hf_raft_config *config, uint32_t node);

/* ---- Entries and messages ---- */

typedef enum hf_raft_entry_kind {
    HF_RAFT_DATA,
    HF_RAFT_NOOP,   /* a leader's first: it commits what earlier terms left */
    HF_RAFT_CONFIG, /* in force where it is appended */
} hf_raft_entry_kind;

typedef struct hf_raft_entry {
    uint64_t term;
    uint32_t kind;                /* hf_raft_entry_kind */
    const hf_raft_config *config; /* of a HF_RAFT_CONFIG */
} hf_raft_entry;

typedef enum hf_raft_message_kind {
    HF_RAFT_PREVOTE, /* would you vote for me in `term`? binds nobody */
    HF_RAFT_PREVOTE_REPLY,
    HF_RAFT_VOTE,
    HF_RAFT_VOTE_REPLY,
    HF_RAFT_APPEND, /* entries index + 1 .. last, after (index, log_term) */
    HF_RAFT_APPEND_REPLY,
    HF_RAFT_BEAT, /* the leader is the leader: commit index, a read, promises; no entries */
    HF_RAFT_BEAT_REPLY,
    HF_RAFT_SNAPSHOT, /* a piece of snapshot (index, log_term), from `offset` on */
    HF_RAFT_SNAPSHOT_REPLY,
    HF_RAFT_CAMPAIGN, /* to whom leadership goes: do not wait */
    HF_RAFT_RELEASE,  /* I lead no more, up to this term: you owe me nothing */
    HF_RAFT_READ_AT,  /* a follower to its leader: at which index may what was asked so far be read?
                       */
    HF_RAFT_READ_AT_REPLY,
} hf_raft_message_kind;

enum {
    HF_RAFT_REJECT = 1,
    HF_RAFT_TRANSFER = 2, /* a vote that the leader asked for: promises to it do not count */
    HF_RAFT_HAS_LOST = 4, /* the sender has lost part of its log, and does not know how much */
    HF_RAFT_DONE = 8,     /* the last piece of a snapshot; set by the engine that sends it */
};

typedef struct hf_raft_message {
    uint8_t kind, flags;
    uint32_t from, to;
    uint64_t term; /* of the sender; of the election that is asked for */
    uint64_t
        index; /* append: what goes before; reply: what matches, or (reject) a hint; read-at: to
                  read at; vote: the last of the log; snapshot: the last that it has in it */
    uint64_t log_term; /* of that index */
    uint64_t last;     /* append: its last entry; reject: the index that did not fit */
    uint64_t commit;   /* as the sender knows it, and as far as the receiver has it */
    uint64_t read;     /* the round of reads that is asked about; read-at: the reads up to it */
    uint64_t epoch;    /* replies: under this epoch of liveness.h the leader is promised */
    uint64_t offset;   /* snapshot: of the piece; reply: of the piece that is wanted */
    uint64_t size;     /* of the piece, set by the engine that sends it */
    uint64_t nonce;    /* HAS_LOST: which loss; append: whose loss `whole_at` is about */
    uint64_t whole_at; /* append: with all up to here nothing is missing that was acknowledged */
    uint64_t after;    /* out: not before this write is durable; 0: at once */
    const hf_raft_config
        *config; /* snapshot: in force at `index`; set by the engine that sends it */
} hf_raft_message;

/* ---- Events ---- */

typedef enum hf_raft_event_kind {
    HF_RAFT_TICK,
    HF_RAFT_RECEIVE,   /* message, entries */
    HF_RAFT_PROPOSE,   /* count: entries of the caller's, at the end of the log */
    HF_RAFT_CHANGE,    /* config: voters and learners as they shall be */
    HF_RAFT_HAND_OVER, /* node: shall lead */
    HF_RAFT_READ,      /* a linearizable read wants an index: see `read` of the update. A follower
                          asks its leader */
    HF_RAFT_PERSISTED, /* write, index: as the update said (`write`, `last`) */
    HF_RAFT_APPLIED,   /* index */
    HF_RAFT_COMPACT,   /* index: a snapshot of what is applied up to it can be sent from now on, and
                          the log up to it is not needed any more */
    HF_RAFT_LIVENESS,  /* node: something changed with it */
} hf_raft_event_kind;

typedef struct hf_raft_event {
    uint32_t kind; /* hf_raft_event_kind */
    uint32_t node;
    uint64_t count;
    uint64_t index;
    uint64_t write;
    const hf_raft_message *message;
    const hf_raft_entry *entries; /* message->last - message->index of them */
    const hf_raft_config *config;
} hf_raft_event;

typedef struct hf_raft_options {
    uint64_t election_ns;   /* without a leader: asks after so long, */
    uint64_t spread_ns;     /* ... and a random part of this */
    uint64_t quorum_ns;     /* a leader without a quorum alive gives up after so long */
    uint64_t resend_ns;     /* no answer: once more */
    uint64_t message_bytes; /* of entries in one append */
    uint64_t window_bytes;  /* ... on the way to one peer */
    uint64_t uncommitted;   /* entries proposed and not committed */
    uint64_t behind;        /* entries that a learner may lack when it becomes a voter */
    uint32_t window;        /* appends on the way, at most HF_RAFT_WINDOW */
    bool leases;
} hf_raft_options;

/* What one step sees of the world. */
typedef struct hf_raft_view {
    const hf_raft_options *options;
    const hf_liveness *live;
    uint64_t now;
    uint64_t random;
    /* The largest index up to `last` such that first..index take no more than `bytes`, but `first`
     * at least; of them no more than HF_RAFT_ENTRIES_MAX (packet.h). Of the caller's log. */
    uint64_t (*within)(const void *log, uint64_t first, uint64_t last, uint64_t bytes);
    const void *log;
} hf_raft_view;

/* ---- What is to be done ---- */

typedef struct hf_raft_made {
    uint64_t index;
    uint32_t kind;
    hf_raft_config config;
} hf_raft_made;

typedef enum hf_raft_role {
    HF_RAFT_FOLLOWER,
    HF_RAFT_ASKING, /* pre-vote */
    HF_RAFT_CANDIDATE,
    HF_RAFT_LEADER,
} hf_raft_role;

typedef struct hf_raft_update {
    uint64_t write;    /* 0: nothing to persist */
    bool hard;         /* term, vote, nonce are in it */
    bool install;      /* the snapshot whose last piece this is, with its index, term and members.
                          The whole log goes, unless `last` is larger than its index: then what
                          follows it stays */
    bool take_piece;   /* the piece in this event is wanted, at its offset */
    bool reads_failed; /* all that were asked and not answered */
    bool cramped;      /* the block is too small: hf_raft_move() to a larger one */
    uint32_t vote;     /* 0: none */
    uint64_t term;
    uint64_t nonce;       /* not 0: part of the log was lost, and is not whole yet */
    uint64_t first, last; /* entries; first > last: none */
    uint32_t made_count;  /* entries among them that the core made */
    hf_raft_made made[HF_RAFT_MADE_MAX];
    uint64_t apply_first, apply_last; /* first > last: none */
    uint64_t asked;                   /* HF_RAFT_READ: the number of this read */
    uint64_t read;       /* reads up to this number may be served when read_index is applied */
    uint64_t read_index; /* ... 0: none this time */
    uint64_t wake_at;
    uint32_t message_count;
    hf_raft_message message[HF_RAFT_MESSAGES_MAX];
} hf_raft_update;

/* ---- The machine ---- */

typedef struct hf_raft hf_raft;

typedef struct hf_raft_limits {
    uint32_t members; /* <= HF_RAFT_MEMBERS_MAX */
    uint32_t runs;    /* terms in the log, from what is compacted on */
} hf_raft_limits;

/* What is durable, as it was found. */
typedef struct hf_raft_start {
    uint32_t self;
    uint32_t vote;
    uint64_t term;
    uint64_t nonce;    /* not 0: part of the log may be lost (and neither term nor vote): votes for
                          nobody until a leader has made it whole. Larger than any before */
    uint64_t index;    /* of the snapshot; 0: none */
    uint64_t log_term; /* ... */
    uint64_t applied;  /* >= index: what the checkpoint has in it */
    hf_raft_config config; /* in force at `index` */
} hf_raft_start;

size_t hf_raft_size(const hf_raft_limits *limits);
hf_raft *hf_raft_open(void *at, const hf_raft_limits *limits, const hf_raft_start *start);
/* The entries that follow, one by one. False: no room (limits.runs): open it with more. */
bool hf_raft_replay(hf_raft *raft, const hf_raft_entry *entry);
/* Moves to a block with other limits, at least as large. Then step HF_RAFT_TICK. */
hf_raft *hf_raft_move(void *at, const hf_raft_limits *limits, const hf_raft *raft);

/* HF_E_MOVED: another leads (hf_raft_leader). HF_E_BUSY: not while what goes on now goes on.
 * HF_E_FULL: too much is uncommitted, or the block is too small. HF_E_INVALID: no such member or no
 * such configuration. HF_E_COND: a new voter lacks too much. Refused means that nothing changed. */
HF_MUST_USE hf_err hf_raft_step(hf_raft *raft, const hf_raft_view *view, const hf_raft_event *event,
                                hf_raft_update *update);

hf_raft_role hf_raft_role_of(const hf_raft *raft);
uint64_t hf_raft_term(const hf_raft *raft);
uint32_t hf_raft_leader(const hf_raft *raft); /* 0: none is known */
uint64_t hf_raft_commit(const hf_raft *raft);
uint64_t hf_raft_last(const hf_raft *raft);
const hf_raft_config *hf_raft_members(const hf_raft *raft, uint64_t *index);
/* A lease read: read at `*index` (once it is applied), then ask again with the time of then; the
 * answer may be given if it is true both times. False: step HF_RAFT_READ. */
bool hf_raft_may_read(const hf_raft *raft, const hf_raft_view *view, uint64_t *index);
/* How much of the log a member has, as the leader knows; false: not known. */
bool hf_raft_match(const hf_raft *raft, uint32_t node, uint64_t *match);
/* The oldest snapshot (its index) that is on its way to somebody; 0: none. A HF_RAFT_COMPACT now
 * would make it begin again with the new one. */
uint64_t hf_raft_sends_snapshot(const hf_raft *raft);
const char *hf_raft_role_name(hf_raft_role role);
const char *hf_raft_message_name(hf_raft_message_kind kind);
/* Walks the structure and asserts what must hold. */
void hf_raft_check(const hf_raft *raft);

#endif
