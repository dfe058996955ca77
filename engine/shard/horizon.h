/* hf_horizon: which timestamps a shard may let anybody hear of, and which it knows that others did.
 *
 * A commit's timestamp is as durable as the commit. All others that somebody hears of (tokens,
 * reads at a timestamp, that a key's time has passed) lived in memory only, and after a crash under
 * a wall clock that was set back later commits would slip in below them. So the log holds a
 * horizon, and nobody hears of a timestamp above it before a higher one is durable; after a restart
 * all clocks of the node start at the highest. It is logged well ahead and in steps, so almost
 * nobody waits for it, and only when timestamps are let out, so an idle node writes nothing.
 *
 * The shards' clocks differ, and by much after the wall clock was set back while they ran. A
 * timestamp that a client brings, and that lies above this shard's clock, may be another one's: the
 * shard then takes over the clocks of all, and what is still above was never let out.
 */
#ifndef HF_SHARD_HORIZON_H
#define HF_SHARD_HORIZON_H
#include "engine/base/bytes.h"
#include "engine/base/error.h"
#include "txn/twopc/attempt.h"

typedef struct hf_shard hf_shard;
typedef struct hf_msg_decision hf_msg_decision;

typedef struct hf_horizon {
    uint64_t logged;  /* the newest, ... */
    uint64_t lsn;     /* ... its record's position, ... */
    uint64_t durable; /* ... and the newest whose record is durable */
    uint64_t early;   /* past this timestamp the next one is logged */
    /* The other shards' clocks: rounds of questions, one at a time. */
    uint64_t round, done; /* begun; answered by all */
    bool again;           /* somebody waits for a round that begins later than the one under way */
    hf_shard_set waits;   /* shards that have not answered */
    hf_shard_set to_ask, to_answer;      /* messages that are to be sent */
    uint64_t asked[HF_PARTICIPANTS_MAX]; /* the rounds of those who are to be answered */
} hf_horizon;

typedef enum hf_horizon_says {
    HF_HORIZON_YES,
    HF_HORIZON_SOON, /* ask again in a later turn */
    HF_HORIZON_NO,
} hf_horizon_says;

#define HF_HORIZON_FULL "MISCONF the disk is full: no newer timestamp is told until there is space"

/* Raises *lsn to the position that must be durable before anybody hears of `ts`. HF_E_NOSPACE,
 * HF_E_FULL: the horizon cannot be raised now, and `ts` is not to be told. */
HF_MUST_USE hf_err hf_horizon__cover(hf_shard *shard, uint64_t ts, uint64_t *lsn);
/* The same for who can wait: whether `ts` may be told. NO: the disk is full. */
hf_horizon_says hf_horizon__covers(hf_shard *shard, uint64_t ts);
/* Whether `ts`, which a client brings, was told by this node, or lies at most 2 * ahead_ns before
 * the wall clock. `round` is the asker's own, 0 at first: what it waits for. */
hf_horizon_says hf_horizon__knows(hf_shard *shard, uint64_t *round, uint64_t ts, uint64_t ahead_ns);

HF_MUST_USE hf_err hf_horizon__replay(hf_shard *shard, hf_bytes record);
/* What a checkpoint or the log kept: every later start will stand above it, too. */
void hf_horizon__recovered(hf_shard *shard, uint64_t horizon);
void hf_horizon__ready(hf_shard *shard); /* the node's new incarnation is known: covers it */
void hf_horizon__message(hf_shard *shard, const hf_msg_decision *msg);
uint64_t hf_horizon__durable(hf_shard *shard);
bool hf_horizon__turn(hf_shard *shard); /* true: something is still to be sent */

#endif
