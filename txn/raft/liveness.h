/* hf_liveness: which nodes are alive, for each pair of nodes, and what they promised one another.
 *
 * One small message per pair and interval carries the liveness of all groups: a group has no
 * heartbeat and no timer of its own while nothing happens in it.
 *
 * A asks B for support by a heartbeat that says when, on A's clock, it was sent. B supports A for
 * `support_ns` from its receipt, under an epoch that B names; A counts the same time less the
 * margin from the sending. So A stops counting before B stops keeping, by rates of clocks alone
 * (their difference is what `margin` allows for), whatever the clocks say. B gives up an epoch when
 * its time is over, or when A was started anew, and never uses it again.
 *
 *   A                                B
 *   heartbeat(start, sent) ------->  until[A] = now + support        same epoch while it lasts
 *   from[B] = epoch, sent + support  <------- support(epoch, start, sent)
 *                      - margin
 *
 * A group's follower that tells its leader the epoch has promised: no vote for another as long as
 * the epoch lives. What was promised is not written down: after a start a node votes for nobody
 * for `support_ns` (`hf_liveness_may_vote`).
 *
 * Numbers of starts grow with every start of a node, are durable before the first message, and are
 * the upper half of the epochs.
 *
 * Pure: time comes with the event. Fixed size. Threads: one core only (each core of a node keeps
 * its own, with its peers' cores of the same number; or one keeps it and tells the others).
 */
#ifndef HF_RAFT_LIVENESS_H
#define HF_RAFT_LIVENESS_H
#include <stdbool.h>
#include <stdint.h>

enum { HF_LIVENESS_PEERS_MAX = 32, HF_LIVENESS_MARGIN_UNIT = 1000 };

typedef struct hf_liveness_options {
    uint64_t interval_ns; /* a heartbeat so often */
    uint64_t support_ns;  /* ... supports so long */
    uint32_t margin;      /* rates of two clocks differ by less: thousandths of the time */
} hf_liveness_options;

typedef enum hf_liveness_kind {
    HF_LIVENESS_HEARTBEAT,
    HF_LIVENESS_SUPPORT,
} hf_liveness_kind;

typedef struct hf_liveness_message {
    uint32_t from, to;
    uint32_t start; /* of the sender */
    uint32_t kind;  /* hf_liveness_kind */
    uint32_t asker; /* support: the start of whom it is for */
    uint32_t round; /* the asker's clock was trusted anew so often */
    uint64_t sent;  /* the asker's clock when it asked */
    uint64_t epoch; /* support: the supporter's */
} hf_liveness_message;

typedef struct hf_liveness_peer {
    uint32_t node;
    uint32_t start;       /* the newest of the peer's starts that was heard of */
    uint64_t ask_at;      /* the next heartbeat */
    uint64_t keeps_epoch; /* what this node keeps for the peer; 0: nothing */
    uint64_t keeps_until;
    uint64_t has_epoch; /* what the peer keeps for this node, as far as it may be counted on */
    uint64_t has_until;
    bool told_keeps, told_has; /* as the groups were told last */
} hf_liveness_peer;

typedef struct hf_liveness {
    uint32_t self;
    uint32_t start;
    uint32_t count;   /* of peers */
    uint32_t epochs;  /* used in this start */
    uint32_t round;   /* answers to what was asked on a clock that jumped are void */
    uint64_t mute_to; /* no vote before: promises of the life before may stand */
    bool distrusted;  /* this node's clock: no leases */
    hf_liveness_peer peer[HF_LIVENESS_PEERS_MAX];
} hf_liveness;

/* What a step brings: `changed` are the peers (bits by place) whose groups must be told
 * (HF_RAFT_LIVENESS of raft.h): support began or ended in either direction, or has a new epoch. */
typedef struct hf_liveness_update {
    uint32_t changed;
    uint32_t message_count;
    uint64_t wake_at;
    hf_liveness_message message[HF_LIVENESS_PEERS_MAX];
} hf_liveness_update;

/* `first`: this node never ran before, so it promised nothing. `start` is not 0. */
void hf_liveness_open(hf_liveness *l, const hf_liveness_options *options, uint32_t self,
                      uint32_t start, bool first, uint64_t now);
/* False: there is no place for one more. */
bool hf_liveness_add(hf_liveness *l, uint32_t node, uint64_t now);
void hf_liveness_remove(hf_liveness *l, uint32_t node);

void hf_liveness_tick(hf_liveness *l, const hf_liveness_options *options, uint64_t now,
                      hf_liveness_update *update);
void hf_liveness_receive(hf_liveness *l, const hf_liveness_options *options,
                         const hf_liveness_message *message, uint64_t now,
                         hf_liveness_update *update);
/* The clock of this node jumped, or runs at a rate outside the margin (`trusted` false): what it
 * counted on ends, what it promised is kept for a whole time anew, and while it lasts there are no
 * leases here; who is alive is known all the same. A jump alone, or the end of it: `trusted`. */
void hf_liveness_distrust(hf_liveness *l, const hf_liveness_options *options, bool trusted,
                          uint64_t now);

bool hf_liveness_trusted(const hf_liveness *l);
bool hf_liveness_may_vote(const hf_liveness *l, uint64_t now);
/* The epoch under which this node keeps support for `node` now; 0: it does not. */
uint64_t hf_liveness_keeps(const hf_liveness *l, uint32_t node, uint64_t now);
/* How long this node may count on `node`'s support, and under which epoch; 0: it may not. */
uint64_t hf_liveness_has(const hf_liveness *l, uint32_t node, uint64_t *epoch);

#endif
