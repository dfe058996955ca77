/* hf_coordinator: decides one attempt of a transaction over several shards.
 *
 * PREPAREs go to all participants at once, readers included. Committed exactly when every one is
 * durable and the anchor has not decided otherwise; the commit timestamp is the largest prepare
 * timestamp. One refusal ends it: no recovery can find all prepared any more. The coordinator never
 * aborts an attempt on its own while answers are missing: whoever it keeps waiting asks the anchor,
 * and what the anchor decides comes back as an answer.
 *
 *   preparing --all prepared--> committed      finalize(c) to all, answer the client at once
 *             --..., c at or above a vote's bound--> aborted       (participant.h)
 *   preparing --one refused---> aborted        finalize(abort) to all, answer or try again
 *
 * Pure: events in, what to do out. Threads: one shard only.
 */
#ifndef HF_TWOPC_COORDINATOR_H
#define HF_TWOPC_COORDINATOR_H
#include "txn/twopc/attempt.h"

typedef enum hf_coordinator_state {
    HF_COORDINATOR_PREPARING,
    HF_COORDINATOR_COMMITTED,
    HF_COORDINATOR_ABORTED,
} hf_coordinator_state;

typedef struct hf_coordinator {
    hf_attempt attempt;
    hf_shard_set participants;
    hf_shard_set prepared;
    uint64_t commit_ts; /* the largest prepare timestamp so far; final when committed */
    uint64_t until;     /* the smallest bound of the votes so far */
    hf_coordinator_state state;
} hf_coordinator;

void hf_coordinator_begin(hf_coordinator *coordinator, hf_attempt attempt,
                          hf_shard_set participants);
/* An answer from `shard`. True when it decided the attempt (state then says how). Repeated and late
 * answers change nothing. */
bool hf_coordinator_prepared(hf_coordinator *coordinator, uint16_t shard, uint64_t pts,
                             uint64_t until);
bool hf_coordinator_refused(hf_coordinator *coordinator, uint16_t shard);

#endif
