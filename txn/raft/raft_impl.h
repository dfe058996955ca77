/* hf_raft, inside: for the module and its tests only. */
#ifndef HF_RAFT_RAFT_IMPL_H
#define HF_RAFT_RAFT_IMPL_H
#include "txn/raft/raft.h"

typedef enum hf_raft__progress {
    HF_RAFT__PROBE,     /* where the logs part is not known: one append at a time */
    HF_RAFT__REPLICATE, /* appends go out before the ones before are answered */
    HF_RAFT__SNAPSHOT,
} hf_raft__progress;

/* What a leader knows of one member. */
typedef struct hf_raft__peer {
    uint64_t match;     /* its disk has the log up to here */
    uint64_t next;      /* what to send next */
    uint64_t told;      /* commit index that was sent, */
    uint64_t commit;    /* ... and that it has */
    uint64_t read;      /* round of reads that it answered */
    uint64_t epoch;     /* under this epoch it promised to vote for no other */
    uint64_t resend_at; /* no answer until then: again */
    uint64_t snap_index, snap_term, snap_offset;
    uint64_t nonce, whole_at; /* of its loss */
    uint64_t wants;           /* reads of its own up to this number ask at which index; 0: none, */
    uint64_t wants_round;     /* ... which the round with this number here says */
    uint64_t window[HF_RAFT_WINDOW]; /* `last` of each append on its way, oldest first */
    uint32_t node;
    uint8_t state; /* hf_raft__progress */
    uint8_t sent;  /* in the window */
    bool waiting;  /* probe, snapshot: for an answer */
    bool lost;     /* it says so: HF_RAFT_HAS_LOST */
} hf_raft__peer;

typedef struct hf_raft__run {
    uint64_t first;
    uint64_t term;
} hf_raft__run;

struct hf_raft {
    uint64_t term;
    uint64_t commit;
    uint64_t handed; /* out, to be applied */
    uint64_t applied;
    uint64_t base, base_term; /* of the snapshot: the log begins after it */
    uint64_t last;
    uint64_t stable;     /* on this node's disk up to here */
    uint64_t write;      /* number of the newest write, */
    uint64_t persisted;  /* ... of the newest durable one, */
    uint64_t hard_write; /* ... of the newest with term and vote, */
    uint64_t cut_write;  /* ... of the newest that cut the log: what older ones say of it is void */
    uint64_t config_index, before_index;
    uint64_t nonce, whole_at;
    uint64_t election_at;
    uint64_t promise_term, promise_epoch;        /* to promise_node */
    uint64_t led;                                /* the newest term that this replica led */
    uint64_t snap_index, snap_term, snap_offset; /* coming in */
    /* Of a leader, and of a follower, which asks its leader. A follower's numbers have the start
     * of its node in their upper half: no answer to a life before is taken. */
    uint64_t asked;    /* reads that were asked for, */
    uint64_t round;    /* ... that the round (question) on its way is for, */
    uint64_t answered; /* ... that were answered */
    uint64_t read_at;  /* of a follower: no answer until then: once more */
    /* of a leader: */
    uint64_t round_index; /* to be read at */
    uint64_t term_start;  /* its first entry */
    uint64_t quorum_at;
    uint64_t transfer_at;
    uint32_t transfer;
    uint32_t self, vote, leader;
    uint32_t promise_node;
    uint32_t members_max, runs_max, runs;
    uint16_t granted;
    uint8_t role;
    bool lease_off; /* leadership was offered to another in this term */
    bool offered;   /* ... and the offer stands */
    bool cramped;
    uint8_t pad[6];
    hf_raft_config config, before;
    /* then: hf_raft__peer[members_max], hf_raft__run[runs_max] */
};

/* One step on its way. */
typedef struct hf_raft__step {
    hf_raft *r;
    const hf_raft_view *v;
    hf_raft_update *u;
} hf_raft__step;

enum { HF_RAFT__AT_ONCE, HF_RAFT__DURABLE };

static inline hf_raft__peer *hf_raft__peers(hf_raft *r)
{
    return (hf_raft__peer *)(void *)(r + 1);
}
static inline const hf_raft__peer *hf_raft__peers_of(const hf_raft *r)
{
    return (const hf_raft__peer *)(const void *)(r + 1);
}
static inline hf_raft__run *hf_raft__runs(hf_raft *r)
{
    return (hf_raft__run *)(void *)(hf_raft__peers(r) + r->members_max);
}
static inline const hf_raft__run *hf_raft__runs_of(const hf_raft *r)
{
    return (const hf_raft__run *)(const void *)(hf_raft__peers_of(r) + r->members_max);
}
static inline uint64_t hf_raft__least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t hf_raft__most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
static inline uint64_t hf_raft__later(uint64_t now, uint64_t by)
{
    return by >= HF_RAFT_NEVER - now ? HF_RAFT_NEVER : now + by;
}

/* ---- log.c: terms of the log, as runs ---- */
uint64_t hf_raft__term_at(const hf_raft *r, uint64_t index); /* 0: not known, or nothing there */
bool hf_raft__fits(const hf_raft *r, uint64_t term);         /* an entry of it at the end */
void hf_raft__push(hf_raft *r, uint64_t term);
void hf_raft__cut(hf_raft *r, uint64_t from); /* it and all after it go */
void hf_raft__compact(hf_raft *r, uint64_t index);
void hf_raft__restart(hf_raft *r, uint64_t index, uint64_t term); /* nothing but a snapshot */
/* The last index up to `index` whose term is not above `term`. */
uint64_t hf_raft__hint(const hf_raft *r, uint64_t index, uint64_t term);

/* ---- config.c ---- */
bool hf_raft__is_voter(const hf_raft_config *config, uint32_t node);
/* Whether these members (bits by place) are a majority, in a joint configuration of both. */
bool hf_raft__quorum(const hf_raft_config *config, uint32_t members);
/* The largest value that a quorum of voters reaches. */
uint64_t hf_raft__quorum_value(const hf_raft_config *config, const uint64_t *values);
/* `target` after `from`; joint when the voters are others. */
hf_raft_config hf_raft__joint(const hf_raft_config *from, const hf_raft_config *target);
hf_raft_config hf_raft__leave(const hf_raft_config *joint);
bool hf_raft__legal(const hf_raft_config *target);    /* to be asked for */
bool hf_raft__possible(const hf_raft_config *config); /* joint ones too */
void hf_raft__adopt(hf_raft *r, uint64_t index, const hf_raft_config *config);
void hf_raft__revert(hf_raft *r, uint64_t from);

/* ---- raft.c ---- */
/* Term, index and the rest are the caller's; false: the update is full, the message is lost. */
bool hf_raft__send(hf_raft__step *s, hf_raft_message message, int when);
void hf_raft__touch(hf_raft__step *s, uint64_t index); /* to be persisted from here on */
/* Appends one entry that the core makes itself. */
void hf_raft__make(hf_raft__step *s, hf_raft_entry_kind kind, const hf_raft_config *config);

/* ---- election.c ---- */
bool hf_raft__eligible(const hf_raft *r);
void hf_raft__arm(hf_raft__step *s);
void hf_raft__follow(hf_raft__step *s, uint64_t term, uint32_t leader);
void hf_raft__promise(hf_raft__step *s, uint32_t leader);
bool hf_raft__promised(const hf_raft *r, const hf_raft_view *v);
void hf_raft__ask(hf_raft__step *s);
void hf_raft__campaign(hf_raft__step *s, bool transfer);
void hf_raft__vote_durable(hf_raft__step *s);
void hf_raft__on_vote(hf_raft__step *s, const hf_raft_message *m);
void hf_raft__on_vote_reply(hf_raft__step *s, const hf_raft_message *m);
void hf_raft__on_release(hf_raft__step *s, const hf_raft_message *m);
void hf_raft__election_tick(hf_raft__step *s);

/* ---- leader.c: who has how much, what goes out, what is committed ---- */
void hf_raft__lead(hf_raft__step *s);
void hf_raft__reset_peers(hf_raft *r, bool keep);
void hf_raft__send_all(hf_raft__step *s);
void hf_raft__beat(hf_raft__step *s, uint32_t place);
void hf_raft__advance(hf_raft__step *s);
void hf_raft__on_append_reply(hf_raft__step *s, const hf_raft_message *m);
void hf_raft__on_beat_reply(hf_raft__step *s, const hf_raft_message *m);
void hf_raft__on_snapshot_reply(hf_raft__step *s, const hf_raft_message *m);
void hf_raft__leader_tick(hf_raft__step *s);
void hf_raft__peer_changed(hf_raft__step *s, uint32_t node);
uint64_t hf_raft__leader_wake(const hf_raft *r);
bool hf_raft__alive(const hf_raft__step *s, uint32_t node);

/* ---- follow.c ---- */
void hf_raft__on_append(hf_raft__step *s, const hf_raft_message *m, const hf_raft_entry *entries);
void hf_raft__on_beat(hf_raft__step *s, const hf_raft_message *m);
void hf_raft__on_snapshot(hf_raft__step *s, const hf_raft_message *m);
/* This replica's term, to a leader of an older one. */
void hf_raft__too_old(hf_raft__step *s, const hf_raft_message *m);
void hf_raft__whole(hf_raft__step *s);

/* ---- lead.c: reads, leases, handing over, changes of members ---- */
uint64_t hf_raft__lease_until(const hf_raft *r, const hf_raft_view *v);
void hf_raft__check_quorum(hf_raft__step *s);
hf_err hf_raft__read(hf_raft__step *s);
void hf_raft__reads_go_on(hf_raft__step *s);
void hf_raft__on_read_at(hf_raft__step *s, const hf_raft_message *m);
void hf_raft__on_read_at_reply(hf_raft__step *s, const hf_raft_message *m);
void hf_raft__reads_tick(hf_raft__step *s);
/* A follower's reads: nobody is there who would answer them. */
void hf_raft__reads_fail(hf_raft__step *s);
hf_err hf_raft__hand_over(hf_raft__step *s, uint32_t node);
void hf_raft__offer(hf_raft__step *s);
bool hf_raft__end_hand_over(hf_raft__step *s);
hf_err hf_raft__change(hf_raft__step *s, const hf_raft_config *target);
void hf_raft__config_committed(hf_raft__step *s);

#endif
