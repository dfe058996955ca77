/* hf_participant: one shard's part in one attempt, and the anchor's part where the shard is the
 * anchor.
 *
 *   none -----locks-----> active                         memory only: may be wounded, forgotten
 *   none, active --prepare, must wait--> queued          memory only
 *   none, active, queued --evaluated--> logged --durable--> prepared
 *   none, active, queued --evaluated--> refused          memory only, until the watermark passes
 *   none, active, queued, refused --query, resolve--> poisoning --durable--> aborted
 *   prepared --finalize(c)--> committed                  the tombstone above is evidence (I3)
 *   any but committed --finalize(abort)--> aborted       logged if a PREPARE was
 *
 * Rules (README.md): I1 what is logged as prepared is never taken back here. I2 the
 * anchor decides. I3 a missing PREPARE is evidence only once a tombstone is durable. I4 knowing
 * nothing is never an abort: the anchor asks, and asking leaves a tombstone. I6 a repeated message
 * gets the recorded answer.
 *
 * A vote may hold only for commit timestamps below a bound: what was evaluated saw a key that
 * expires there. Then all prepared are a commit only if the largest prepare timestamp lies below
 * every bound, and an abort otherwise, whoever works it out: both are durable with the votes.
 *
 * Recovery, at the anchor: all participants are asked; all prepared: what the coordinator would
 * have worked out; any tombstone: abort.
 *
 * Pure: an event in; in the update what to persist, to apply and to send. Threads: one shard only.
 */
#ifndef HF_TWOPC_PARTICIPANT_H
#define HF_TWOPC_PARTICIPANT_H
#include "txn/twopc/attempt.h"

typedef enum hf_participant_state {
    HF_PARTICIPANT_NONE,
    HF_PARTICIPANT_ACTIVE,
    HF_PARTICIPANT_QUEUED,
    HF_PARTICIPANT_LOGGED,
    HF_PARTICIPANT_PREPARED,
    HF_PARTICIPANT_REFUSED,
    HF_PARTICIPANT_POISONING,
    HF_PARTICIPANT_COMMITTED,
    HF_PARTICIPANT_ABORTED,
} hf_participant_state;

typedef struct hf_participant {
    hf_attempt attempt;
    uint64_t pts;
    uint64_t until; /* the vote holds below this timestamp; UINT64_MAX: at any */
    uint64_t commit_ts;
    hf_shard_set participants; /* the anchor's copy: everyone, itself included; 0 elsewhere */
    hf_shard_set queriers;     /* anchors (one, in truth) that wait for an answer */
    hf_shard_set resolvers;    /* at the anchor: who waits for the decision */
    hf_shard_set answered;     /* at the anchor, during recovery: who is known to be prepared */
    uint64_t answered_ts;      /* ... the largest timestamp among them */
    uint64_t answered_until;   /* ... and the smallest bound */
    uint16_t anchor;
    uint16_t self;
    uint8_t state;   /* hf_participant_state */
    bool answer_due; /* the coordinator waits for prepared or refused */
    bool recovering;
} hf_participant;

typedef enum hf_participant_event {
    HF_EVENT_LOCKED,   /* memory locks were taken (before any prepare) */
    HF_EVENT_QUEUED,   /* a PREPARE came and waits for locks */
    HF_EVENT_REPEATED, /* a PREPARE came again, or too late: the recorded answer (I6) */
    HF_EVENT_LOGGED,   /* it was evaluated and its record appended (ts: prepare timestamp; until) */
    HF_EVENT_REFUSED,  /* it was evaluated and refused, or its locks were lost */
    HF_EVENT_DURABLE,  /* the PREPARE or TOMBSTONE record is durable */
    HF_EVENT_COMMIT,   /* FINALIZE: committed at ts */
    HF_EVENT_ABORT,    /* FINALIZE: aborted */
    HF_EVENT_QUERY, /* the anchor asks: answer, and if nothing is logged never log it (from: anchor)
                     */
    HF_EVENT_RESOLVE,      /* someone (from) wants the decision: at the anchor only */
    HF_EVENT_IS_PREPARED,  /* at the anchor: `from` answered prepared at ts, until */
    HF_EVENT_IS_POISONED,  /* at the anchor: `from` has a tombstone or aborted */
    HF_EVENT_IS_COMMITTED, /* at the anchor: `from` knows it committed at ts */
} hf_participant_event;

typedef enum hf_participant_record {
    HF_RECORD_NONE,
    HF_RECORD_TOMBSTONE,
    HF_RECORD_COMMIT, /* FINALIZE with commit_ts */
    HF_RECORD_ABORT,
} hf_participant_record;

typedef struct hf_participant_update {
    uint8_t persist;    /* hf_participant_record */
    bool apply;         /* put the held-back effects into the table at commit_ts, then release */
    bool release;       /* give up locks and effects */
    bool tell_prepared; /* to the coordinator */
    bool tell_refused;  /* to the coordinator: lost a conflict */
    hf_shard_set tell_query; /* to these anchors: prepared, poisoned or committed, by state */
    hf_shard_set ask;        /* QUERY to these participants */
    hf_shard_set finalize;   /* FINALIZE by state to these shards */
} hf_participant_update;

void hf_participant_begin(hf_participant *participant, hf_attempt attempt, uint16_t self);
void hf_participant_step(hf_participant *participant, hf_participant_event event, uint16_t from,
                         uint64_t ts, uint64_t until, hf_participant_update *update);
/* Whether the outcome is open and effects may be pending. */
static inline bool hf_participant_undecided(const hf_participant *participant)
{
    return participant->state == HF_PARTICIPANT_LOGGED ||
           participant->state == HF_PARTICIPANT_PREPARED;
}
const char *hf_participant_state_name(hf_participant_state state);

#endif
