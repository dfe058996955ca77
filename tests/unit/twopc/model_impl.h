/* Inside the model. */
#ifndef HF_TESTS_TWOPC_MODEL_IMPL_H
#define HF_TESTS_TWOPC_MODEL_IMPL_H
#include "tests/unit/twopc/model.h"

/* Messages of one attempt: a bit each. The commit timestamp is part of the message. */
enum {
    M_PREPARE = 0,
    M_PREPARED = 3,
    M_REFUSED = 6,
    M_ABORT = 9,
    M_COMMIT = 12, /* + shard * 3 + timestamp - 1 */
    M_RESOLVE = 21,
    M_QUERY = 24,
    M_IS_PREPARED = 27,
    M_IS_POISONED = 30,
    M_IS_COMMITTED = 33, /* + shard * 3 + timestamp - 1 */
    M_COUNT = 42,
};

enum { R_PREPARE, R_COMMIT, R_ABORT, R_TOMBSTONE };

enum {
    A_DELIVER,  /* arg: message */
    A_EVALUATE, /* arg: shard * 3 + outcome: a PREPARE is delivered and evaluated */
    A_RUN,      /* arg: shard * 3 + outcome: one that was queued */
    A_WOUND,
    A_PUSH, /* an undecided part asks the anchor */
    A_FORGET,
    A_TAKE_BACK, /* I1 off */
    A_FINISH,    /* the coordinator's watermark passes the attempt */
    A_GIVE_UP,   /* I2 off */
    A_TELL_REFUSED,
    A_NEXT_ATTEMPT,
    A_CO_CRASH,
    A_FLUSH, /* arg: shard: the next record becomes durable */
    A_CRASH,
    A_NODE_CRASH,
    A_FREEZE, /* the range begins to move */
    A_MOVE,   /* ... and has moved, durably */
};
enum { OUTCOME_LOG, OUTCOME_QUEUE, OUTCOME_REFUSE };

typedef struct world {
    const model_config *config;
    model_state *s;
} world;

/* ---- model.c: what a shard and the coordinator do; false: not now ---- */
bool model__rule(const world *w, uint16_t which);
hf_shard_set model__participants(const world *w, uint8_t attempt);
bool model__takes_part(const model_config *config, const model_state *s, uint8_t shard,
                       uint8_t attempt);
/* Whether the shard may prepare something on the range. */
bool model__home(const world *w, uint8_t shard);
bool model__freeze(const world *w);
bool model__move(const world *w);
hf_participant_state model__state_of(const model_state *s, uint8_t shard, uint8_t attempt);
uint8_t model__commit_ts_of(const model_state *s, uint8_t shard, uint8_t attempt);
bool model__undecided(const model_state *s, uint8_t shard, uint8_t attempt);
void model__send(const world *w, uint8_t attempt, uint32_t message);
bool model__finished_here(const world *w, uint8_t shard, uint8_t attempt);
bool model__evaluate(const world *w, uint8_t shard, uint8_t attempt, uint32_t outcome);
bool model__on_prepare(const world *w, uint8_t shard, uint8_t attempt, uint32_t outcome);
bool model__deliver(const world *w, uint8_t attempt, uint8_t m);
bool model__wound(const world *w, uint8_t shard, uint8_t attempt);
bool model__push(const world *w, uint8_t shard, uint8_t attempt);
bool model__forget(const world *w, uint8_t shard, uint8_t attempt);
bool model__take_back(const world *w, uint8_t shard, uint8_t attempt);
bool model__finish(const world *w, uint8_t attempt);
bool model__give_up(const world *w, uint8_t attempt);
bool model__tell_refused(const world *w);
bool model__next_attempt(const world *w);
bool model__flush(const world *w, uint8_t shard);
bool model__crash_some(const world *w, uint8_t first, uint8_t end, bool coordinator);
void model__begin_attempt(const world *w, uint8_t attempt);
void model__co_decided(const world *w, uint8_t attempt, const hf_coordinator *co);

#endif
