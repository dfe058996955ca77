#include "tests/unit/twopc/model.h"
#include "engine/base/assert.h"

#include <stdio.h>
#include <string.h>

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
};
enum { OUTCOME_LOG, OUTCOME_QUEUE, OUTCOME_REFUSE };

static const uint8_t prepare_ts[MODEL_SHARDS_MAX] = { 2, 1, 3 };

typedef struct world {
    const model_config *config;
    model_state *s;
} world;

static bool rule(const world *w, uint8_t which)
{
    return (w->config->rules & which) != 0;
}

static uint8_t everyone(const model_config *config)
{
    return (uint8_t)((1u << config->shards) - 1);
}

/* ---- Packing ---- */

static void unpack(const world *w, uint8_t shard, uint8_t attempt, hf_participant *p)
{
    uint32_t bits = w->s->parts[shard][attempt];
    hf_participant_begin(p, hf_attempt_of(1, attempt + 1u, 9), shard);
    p->state = bits & 15;
    p->pts = bits >> 4 & 3;
    p->commit_ts = bits >> 6 & 3;
    p->answered_ts = bits >> 8 & 3;
    p->queriers = bits >> 10 & 7;
    p->resolvers = bits >> 13 & 7;
    p->answered = bits >> 16 & 7;
    p->participants = (bits >> 19 & 1) != 0 ? everyone(w->config) : 0;
    p->answer_due = (bits >> 20 & 1) != 0;
    p->recovering = (bits >> 21 & 1) != 0;
}

/* Fields that no later step reads are left out, so that states differ only in what matters:
 * recover() begins with setting what was answered, and who has decided only passes it on. */
static void pack(const world *w, uint8_t shard, uint8_t attempt, const hf_participant *from)
{
    hf_participant plain = *from;
    hf_participant *p = &plain;
    p->answered = p->recovering ? p->answered : 0;
    p->answered_ts = p->recovering ? p->answered_ts : 0;
    if (p->state == HF_PARTICIPANT_COMMITTED || p->state == HF_PARTICIPANT_ABORTED) {
        p->participants = 0;
        p->pts = p->state == HF_PARTICIPANT_ABORTED ? 0 : p->pts;
    }
    HF_ASSERT(p->pts < 4 && p->commit_ts < 4 && p->answered_ts < 4 && p->queriers < 8 &&
              p->resolvers < 8 && p->answered < 8);
    HF_ASSERT(p->participants == 0 || p->participants == everyone(w->config));
    w->s->parts[shard][attempt] =
        (uint32_t)(p->state | p->pts << 4 | p->commit_ts << 6 | p->answered_ts << 8 |
                   p->queriers << 10 | p->resolvers << 13 | p->answered << 16 |
                   (uint32_t)(p->participants != 0) << 19 | (uint32_t)p->answer_due << 20 |
                   (uint32_t)p->recovering << 21);
}

static hf_participant_state state_of(const model_state *s, uint8_t shard, uint8_t attempt)
{
    return (hf_participant_state)(s->parts[shard][attempt] & 15);
}

static uint8_t commit_ts_of(const model_state *s, uint8_t shard, uint8_t attempt)
{
    return s->parts[shard][attempt] >> 6 & 3;
}

static bool undecided(const model_state *s, uint8_t shard, uint8_t attempt)
{
    hf_participant_state state = state_of(s, shard, attempt);
    return state == HF_PARTICIPANT_LOGGED || state == HF_PARTICIPANT_PREPARED;
}

/* ---- Messages and records ---- */

static void send(const world *w, uint8_t attempt, uint32_t message)
{
    w->s->sent[attempt] |= (uint64_t)1 << message;
}

static void append(const world *w, uint8_t shard, uint8_t kind, uint8_t attempt, uint64_t ts)
{
    model_state *s = w->s;
    HF_ASSERT(s->log_size[shard] < MODEL_LOG_MAX);
    s->log[shard][s->log_size[shard]++] = (uint8_t)(kind | attempt << 2 | ts << 3 | 128);
}

static void commit_seen(const world *w, uint8_t shard, uint8_t attempt)
{
    uint8_t bit = (uint8_t)(1u << attempt);
    HF_ASSERT((w->s->applied[shard] & bit) == 0); /* effects are applied once */
    w->s->applied[shard] |= bit;
}

/* What engine/shard/part.c does with an update. */
static void carry_out(const world *w, const hf_participant *p, uint8_t attempt,
                      const hf_participant_update *u)
{
    uint8_t self = (uint8_t)p->self;
    if (u->persist == HF_RECORD_TOMBSTONE) {
        append(w, self, R_TOMBSTONE, attempt, 0);
    } else if (u->persist == HF_RECORD_COMMIT) {
        append(w, self, R_COMMIT, attempt, p->commit_ts);
    } else if (u->persist == HF_RECORD_ABORT) {
        append(w, self, R_ABORT, attempt, 0);
    }
    if (u->apply) {
        commit_seen(w, self, attempt);
    }
    if (u->tell_prepared) {
        HF_ASSERT(p->pts == prepare_ts[self]);
        send(w, attempt, M_PREPARED + self);
    }
    if (u->tell_refused) {
        send(w, attempt, M_REFUSED + self);
    }
    if (u->tell_query != 0) {
        HF_ASSERT(u->tell_query == 1); /* the anchor */
        send(w, attempt,
             p->state == HF_PARTICIPANT_PREPARED ? M_IS_PREPARED + (uint32_t)self
             : p->state == HF_PARTICIPANT_COMMITTED
                 ? M_IS_COMMITTED + self * 3u + (uint32_t)p->commit_ts - 1
                 : M_IS_POISONED + (uint32_t)self);
    }
    for (uint8_t i = 0; i < w->config->shards; i++) {
        if ((u->ask >> i & 1) != 0) {
            send(w, attempt, M_QUERY + (uint32_t)i);
        }
        if ((u->finalize >> i & 1) != 0) {
            send(w, attempt,
                 p->state == HF_PARTICIPANT_COMMITTED
                     ? M_COMMIT + i * 3u + (uint32_t)p->commit_ts - 1
                     : M_ABORT + (uint32_t)i);
        }
    }
}

static void step(const world *w, uint8_t shard, uint8_t attempt, hf_participant_event event,
                 uint8_t from, uint64_t ts)
{
    hf_participant p;
    hf_participant_update u;
    unpack(w, shard, attempt, &p);
    if (event == HF_EVENT_LOGGED) {
        p.participants = shard == 0 ? everyone(w->config) : 0;
        append(w, shard, R_PREPARE, attempt, 0);
    }
    hf_participant_step(&p, event, from, ts, &u);
    carry_out(w, &p, attempt, &u);
    pack(w, shard, attempt, &p);
    bool early = (event == HF_EVENT_LOGGED && !rule(w, RULE_DURABLE_VOTE)) ||
                 (u.persist == HF_RECORD_TOMBSTONE && !rule(w, RULE_DURABLE_TOMBSTONE));
    if (early) {
        step(w, shard, attempt, HF_EVENT_DURABLE, shard, 0);
    }
}

/* ---- The participant's side ---- */

static bool fenced(const world *w, uint8_t shard, uint8_t attempt)
{
    uint8_t bit = (uint8_t)(1u << attempt);
    return (rule(w, RULE_FENCE_WATERMARK) && (w->s->below[shard] & bit) != 0) ||
           (rule(w, RULE_FENCE_RESTART) && (w->s->fenced[shard] & bit) != 0);
}

/* Messages about what is finished everywhere find nothing and make nothing. */
static bool finished_here(const world *w, uint8_t shard, uint8_t attempt)
{
    return (w->s->below[shard] >> attempt & 1) != 0 &&
           state_of(w->s, shard, attempt) == HF_PARTICIPANT_NONE;
}

static bool locks_free(const world *w, uint8_t shard, uint8_t attempt)
{
    for (uint8_t other = 0; other < MODEL_ATTEMPTS; other++) {
        if (other != attempt && undecided(w->s, shard, other)) {
            return false;
        }
    }
    return true;
}

static bool evaluate(const world *w, uint8_t shard, uint8_t attempt, uint32_t outcome)
{
    switch (outcome) {
    case OUTCOME_LOG:
        if (!locks_free(w, shard, attempt)) {
            return false;
        }
        step(w, shard, attempt, HF_EVENT_LOGGED, shard, prepare_ts[shard]);
        return true;
    case OUTCOME_QUEUE:
        if (state_of(w->s, shard, attempt) == HF_PARTICIPANT_QUEUED) {
            return false;
        }
        step(w, shard, attempt, HF_EVENT_QUEUED, shard, 0);
        return true;
    default:
        if ((w->config->world & WORLD_REFUSALS) == 0) {
            return false;
        }
        step(w, shard, attempt, HF_EVENT_REFUSED, shard, 0);
        send(w, attempt, M_REFUSED + (uint32_t)shard);
        return true;
    }
}

static bool on_prepare(const world *w, uint8_t shard, uint8_t attempt, uint32_t outcome)
{
    if ((w->s->sent[attempt] >> (M_PREPARE + shard) & 1) == 0) {
        return false;
    }
    hf_participant_state state = state_of(w->s, shard, attempt);
    if (state != HF_PARTICIPANT_NONE && state != HF_PARTICIPANT_ACTIVE) {
        if (!rule(w, RULE_RECORDED_ANSWER)) {
            send(w, attempt, M_REFUSED + (uint32_t)shard);
        } else {
            step(w, shard, attempt, HF_EVENT_REPEATED, shard, 0);
        }
        return true;
    }
    bool lost = (w->config->world & WORLD_INTERACTIVE) != 0 && state == HF_PARTICIPANT_NONE;
    if (lost || (state == HF_PARTICIPANT_NONE && fenced(w, shard, attempt))) {
        send(w, attempt, M_REFUSED + (uint32_t)shard);
        return true;
    }
    return evaluate(w, shard, attempt, outcome);
}

static bool on_query(const world *w, uint8_t shard, uint8_t attempt)
{
    if (finished_here(w, shard, attempt)) {
        return false;
    }
    hf_participant_state state = state_of(w->s, shard, attempt);
    bool absent = state == HF_PARTICIPANT_NONE || state == HF_PARTICIPANT_ACTIVE ||
                  state == HF_PARTICIPANT_QUEUED;
    if (!rule(w, RULE_ABSENCE) && absent) {
        send(w, attempt, M_IS_POISONED + (uint32_t)shard);
        return true;
    }
    step(w, shard, attempt, HF_EVENT_QUERY, 0, 0);
    return true;
}

static bool on_resolve(const world *w, uint8_t from, uint8_t attempt)
{
    if (finished_here(w, 0, attempt)) {
        return false;
    }
    hf_participant_state state = state_of(w->s, 0, attempt);
    bool absent = state == HF_PARTICIPANT_NONE || state == HF_PARTICIPANT_ACTIVE ||
                  state == HF_PARTICIPANT_QUEUED;
    if (!rule(w, RULE_ABSENCE) && absent) {
        send(w, attempt, M_ABORT + (uint32_t)from);
        return true;
    }
    step(w, 0, attempt, HF_EVENT_RESOLVE, from, 0);
    return true;
}

static bool on_finalize(const world *w, uint8_t shard, uint8_t attempt, uint64_t ts)
{
    if (finished_here(w, shard, attempt)) {
        return false;
    }
    hf_participant_state state = state_of(w->s, shard, attempt);
    bool absent = state == HF_PARTICIPANT_NONE || state == HF_PARTICIPANT_QUEUED;
    if (ts == 0 && absent && (w->config->world & WORLD_RESTARTS) == 0) {
        /* Nothing fences a late PREPARE after a crash: the abort must leave a tombstone. */
        step(w, shard, attempt, HF_EVENT_QUERY, 0, 0);
        return true;
    }
    step(w, shard, attempt, ts != 0 ? HF_EVENT_COMMIT : HF_EVENT_ABORT, shard, ts);
    return true;
}

static bool on_answer(const world *w, uint8_t from, uint8_t attempt, hf_participant_event event,
                      uint64_t ts)
{
    if (state_of(w->s, 0, attempt) == HF_PARTICIPANT_NONE) {
        return false;
    }
    step(w, 0, attempt, event, from, ts);
    return true;
}

/* ---- The coordinator's side ---- */

static void co_decided(const world *w, uint8_t attempt, const hf_coordinator *co)
{
    for (uint8_t i = 0; i < w->config->shards; i++) {
        send(w, attempt,
             co->state == HF_COORDINATOR_COMMITTED ? M_COMMIT + i * 3u + (uint32_t)co->commit_ts - 1
                                                   : M_ABORT + (uint32_t)i);
    }
    if (co->state == HF_COORDINATOR_COMMITTED) {
        HF_ASSERT(w->s->told == 0);
        w->s->told = TOLD_COMMITTED;
    }
}

static bool on_vote(const world *w, uint8_t from, uint8_t attempt, bool prepared)
{
    model_state *s = w->s;
    if (s->co_dead != 0 || (s->finished >> attempt & 1) != 0) {
        return false;
    }
    hf_coordinator co;
    hf_coordinator_begin(&co, hf_attempt_of(1, attempt + 1u, 9), everyone(w->config));
    co.state = (hf_coordinator_state)s->co_state[attempt];
    co.prepared = s->co_prepared[attempt];
    co.commit_ts = s->co_ts[attempt];
    bool decided = prepared ? hf_coordinator_prepared(&co, from, prepare_ts[from])
                            : hf_coordinator_refused(&co, from);
    s->co_state[attempt] = (uint8_t)co.state;
    s->co_prepared[attempt] = (uint8_t)co.prepared;
    s->co_ts[attempt] = (uint8_t)co.commit_ts;
    if (decided) {
        co_decided(w, attempt, &co);
    }
    return true;
}

static void begin_attempt(const world *w, uint8_t attempt)
{
    w->s->begun |= (uint8_t)(1u << attempt);
    w->s->co_state[attempt] = HF_COORDINATOR_PREPARING;
    for (uint8_t i = 0; i < w->config->shards; i++) {
        send(w, attempt, M_PREPARE + (uint32_t)i);
        if ((w->config->world & WORLD_INTERACTIVE) != 0) {
            step(w, i, attempt, HF_EVENT_LOCKED, i, 0);
        }
    }
}

static bool next_attempt(const world *w)
{
    const model_state *s = w->s;
    if (s->co_dead != 0 || s->told != 0 || w->config->attempts < 2 || s->begun != 1 ||
        s->co_state[0] != HF_COORDINATOR_ABORTED) {
        return false;
    }
    if ((w->config->world & WORLD_INTERACTIVE) != 0) {
        return false; /* the client has to start again */
    }
    begin_attempt(w, 1);
    return true;
}

static bool tell_refused(const world *w)
{
    model_state *s = w->s;
    uint8_t last = s->begun == 1 ? 0 : 1;
    if (s->co_dead != 0 || s->told != 0 || s->co_state[last] != HF_COORDINATOR_ABORTED) {
        return false;
    }
    s->told = TOLD_REFUSED;
    return true;
}

static bool give_up(const world *w, uint8_t attempt)
{
    model_state *s = w->s;
    if (rule(w, RULE_ANCHOR_DECIDES) || s->co_dead != 0 || (s->begun >> attempt & 1) == 0 ||
        s->co_state[attempt] != HF_COORDINATOR_PREPARING) {
        return false;
    }
    s->co_state[attempt] = HF_COORDINATOR_ABORTED;
    hf_coordinator co = { .state = HF_COORDINATOR_ABORTED };
    co_decided(w, attempt, &co);
    return true;
}

/* Every shard has carried out the decision, and that is durable. */
static bool finish(const world *w, uint8_t attempt)
{
    model_state *s = w->s;
    bool earlier = attempt == 0 || (s->finished & 1) != 0;
    if (s->co_dead != 0 || (s->begun >> attempt & 1) == 0 || (s->finished >> attempt & 1) != 0 ||
        s->co_state[attempt] == HF_COORDINATOR_PREPARING || !earlier) {
        return false;
    }
    for (uint8_t i = 0; i < w->config->shards; i++) {
        hf_participant_state state = state_of(s, i, attempt);
        if ((state != HF_PARTICIPANT_COMMITTED && state != HF_PARTICIPANT_ABORTED) ||
            s->durable[i] != s->log_size[i]) {
            return false;
        }
    }
    s->finished |= (uint8_t)(1u << attempt);
    return true;
}

/* Nothing of the attempt waits for the disk at this shard. */
static bool settled(const model_state *s, uint8_t shard, uint8_t attempt)
{
    for (uint8_t k = s->durable[shard]; k < s->log_size[shard]; k++) {
        if ((s->log[shard][k] >> 2 & 1) == attempt) {
            return false;
        }
    }
    return true;
}

static bool forget(const world *w, uint8_t shard, uint8_t attempt)
{
    model_state *s = w->s;
    uint8_t bit = (uint8_t)(1u << attempt);
    if ((s->finished & bit) == 0 || (s->below[shard] & bit) != 0 || !settled(s, shard, attempt)) {
        return false;
    }
    HF_ASSERT(!undecided(s, shard, attempt));
    s->below[shard] |= bit;
    s->saved[shard] |= s->applied[shard] & bit;
    s->parts[shard][attempt] = 0;
    uint8_t kept = 0;
    uint8_t durable = 0;
    for (uint8_t k = 0; k < s->log_size[shard]; k++) {
        if ((s->log[shard][k] >> 2 & 1) != attempt) {
            durable = (uint8_t)(durable + (k < s->durable[shard]));
            s->log[shard][kept++] = s->log[shard][k];
        }
    }
    memset(s->log[shard] + kept, 0, MODEL_LOG_MAX - (size_t)kept);
    s->log_size[shard] = kept;
    s->durable[shard] = durable;
    return true;
}

/* ---- Disk and crashes ---- */

static bool flush(const world *w, uint8_t shard)
{
    model_state *s = w->s;
    if (s->durable[shard] == s->log_size[shard]) {
        return false;
    }
    uint8_t record = s->log[shard][s->durable[shard]++];
    uint8_t kind = record & 3;
    uint8_t attempt = record >> 2 & 1;
    if (kind == R_PREPARE || kind == R_TOMBSTONE) {
        step(w, shard, attempt, HF_EVENT_DURABLE, shard, 0);
    }
    return true;
}

static void replay(const world *w, uint8_t shard)
{
    model_state *s = w->s;
    for (uint8_t k = 0; k < s->log_size[shard]; k++) {
        uint8_t record = s->log[shard][k];
        uint8_t attempt = record >> 2 & 1;
        hf_participant p;
        unpack(w, shard, attempt, &p);
        switch (record & 3) {
        case R_PREPARE:
            HF_ASSERT(p.state == HF_PARTICIPANT_NONE);
            p.state = HF_PARTICIPANT_PREPARED;
            p.pts = prepare_ts[shard];
            p.participants = shard == 0 ? everyone(w->config) : 0;
            break;
        case R_TOMBSTONE:
            HF_ASSERT(p.state == HF_PARTICIPANT_NONE);
            p.state = HF_PARTICIPANT_ABORTED;
            break;
        case R_COMMIT:
            HF_ASSERT(p.state == HF_PARTICIPANT_PREPARED);
            p.state = HF_PARTICIPANT_COMMITTED;
            p.commit_ts = record >> 3 & 3;
            commit_seen(w, shard, attempt);
            break;
        default:
            HF_ASSERT(p.state == HF_PARTICIPANT_PREPARED);
            p.state = HF_PARTICIPANT_ABORTED;
            break;
        }
        pack(w, shard, attempt, &p);
    }
}

static void crash(const world *w, uint8_t shard)
{
    model_state *s = w->s;
    memset(s->log[shard] + s->durable[shard], 0, (size_t)MODEL_LOG_MAX - s->durable[shard]);
    s->log_size[shard] = s->durable[shard];
    s->applied[shard] = s->saved[shard];
    memset(s->parts[shard], 0, sizeof s->parts[shard]);
    if ((w->config->world & WORLD_RESTARTS) != 0) {
        s->fenced[shard] |= s->begun;
    }
    replay(w, shard);
}

static bool crash_some(const world *w, uint8_t first, uint8_t end, bool coordinator)
{
    if (w->s->crashes == w->config->crashes) {
        return false;
    }
    w->s->crashes++;
    for (uint8_t i = first; i < end; i++) {
        crash(w, i);
    }
    w->s->co_dead = w->s->co_dead != 0 || coordinator;
    return true;
}

/* ---- Actions ---- */

static model_action action_of(uint32_t kind, uint32_t attempt, uint32_t arg)
{
    return (model_action)(kind << 8 | attempt << 7 | arg);
}

void model_begin(const model_config *config, model_state *state)
{
    memset(state, 0, sizeof *state);
    world w = { config, state };
    begin_attempt(&w, 0);
}

uint32_t model_actions(const model_config *config, model_action *actions)
{
    uint32_t n = 0;
    for (uint32_t a = 0; a < config->attempts; a++) {
        for (uint32_t m = M_PREPARED; m < M_COUNT; m++) {
            actions[n++] = action_of(A_DELIVER, a, m);
        }
        for (uint32_t i = 0; i < config->shards; i++) {
            for (uint32_t outcome = 0; outcome < 3; outcome++) {
                actions[n++] = action_of(A_EVALUATE, a, i * 3 + outcome);
                actions[n++] = action_of(A_RUN, a, i * 3 + outcome);
            }
            for (uint32_t kind = A_WOUND; kind <= A_TAKE_BACK; kind++) {
                actions[n++] = action_of(kind, a, i);
            }
        }
        actions[n++] = action_of(A_FINISH, a, 0);
        actions[n++] = action_of(A_GIVE_UP, a, 0);
    }
    for (uint32_t i = 0; i < config->shards; i++) {
        actions[n++] = action_of(A_FLUSH, 0, i);
        actions[n++] = action_of(A_CRASH, 0, i);
    }
    actions[n++] = action_of(A_TELL_REFUSED, 0, 0);
    actions[n++] = action_of(A_NEXT_ATTEMPT, 0, 0);
    actions[n++] = action_of(A_CO_CRASH, 0, 0);
    actions[n++] = action_of(A_NODE_CRASH, 0, 0);
    HF_ASSERT(n <= MODEL_ACTIONS_MAX);
    return n;
}

static bool deliver(const world *w, uint8_t attempt, uint8_t m)
{
    if ((w->s->sent[attempt] >> m & 1) == 0) {
        return false;
    }
    if (m >= M_IS_COMMITTED) {
        uint8_t at = (uint8_t)(m - M_IS_COMMITTED);
        return on_answer(w, at / 3, attempt, HF_EVENT_IS_COMMITTED, at % 3u + 1);
    }
    if (m >= M_IS_POISONED) {
        return on_answer(w, m - M_IS_POISONED, attempt, HF_EVENT_IS_POISONED, 0);
    }
    if (m >= M_IS_PREPARED) {
        uint8_t from = m - M_IS_PREPARED;
        return on_answer(w, from, attempt, HF_EVENT_IS_PREPARED, prepare_ts[from]);
    }
    if (m >= M_QUERY) {
        return on_query(w, m - M_QUERY, attempt);
    }
    if (m >= M_RESOLVE) {
        return on_resolve(w, m - M_RESOLVE, attempt);
    }
    if (m >= M_COMMIT) {
        uint8_t at = (uint8_t)(m - M_COMMIT);
        return on_finalize(w, at / 3, attempt, at % 3u + 1);
    }
    if (m >= M_ABORT) {
        return on_finalize(w, m - M_ABORT, attempt, 0);
    }
    return m >= M_REFUSED ? on_vote(w, m - M_REFUSED, attempt, false)
                          : on_vote(w, m - M_PREPARED, attempt, true);
}

static bool wound(const world *w, uint8_t shard, uint8_t attempt)
{
    if ((w->config->world & WORLD_INTERACTIVE) == 0 ||
        state_of(w->s, shard, attempt) != HF_PARTICIPANT_ACTIVE) {
        return false;
    }
    step(w, shard, attempt, HF_EVENT_REFUSED, shard, 0);
    send(w, attempt, M_REFUSED + (uint32_t)shard);
    return true;
}

static bool push(const world *w, uint8_t shard, uint8_t attempt)
{
    if (!undecided(w->s, shard, attempt)) {
        return false;
    }
    if (shard != 0) {
        send(w, attempt, M_RESOLVE + (uint32_t)shard);
        return true;
    }
    return on_resolve(w, 0, attempt);
}

static bool take_back(const world *w, uint8_t shard, uint8_t attempt)
{
    if (rule(w, RULE_IRREVOCABLE) || state_of(w->s, shard, attempt) != HF_PARTICIPANT_PREPARED) {
        return false;
    }
    step(w, shard, attempt, HF_EVENT_ABORT, shard, 0);
    send(w, attempt, M_REFUSED + (uint32_t)shard);
    return true;
}

static bool part_action(const world *w, uint32_t kind, uint8_t attempt, uint8_t arg)
{
    switch (kind) {
    case A_DELIVER:
        return deliver(w, attempt, arg);
    case A_EVALUATE:
        return on_prepare(w, arg / 3, attempt, arg % 3u);
    case A_RUN:
        return state_of(w->s, arg / 3, attempt) == HF_PARTICIPANT_QUEUED &&
               evaluate(w, arg / 3, attempt, arg % 3u);
    case A_WOUND:
        return wound(w, arg, attempt);
    case A_PUSH:
        return push(w, arg, attempt);
    case A_FORGET:
        return forget(w, arg, attempt);
    default:
        return take_back(w, arg, attempt);
    }
}

/* ---- Messages that can change nothing any more are dropped: fewer states, the same behaviour ----
 */

/* The shard's end of the attempt is durable: no crash takes it back. */
static bool ended_durably(const model_state *s, uint8_t shard, uint8_t attempt)
{
    for (uint8_t k = 0; k < s->durable[shard]; k++) {
        uint8_t record = s->log[shard][k];
        if ((record >> 2 & 1) == attempt && (record & 3) != R_PREPARE) {
            hf_participant_state state = state_of(s, shard, attempt);
            return state == HF_PARTICIPANT_COMMITTED || state == HF_PARTICIPANT_ABORTED;
        }
    }
    return false;
}

static uint64_t finalizes(uint8_t shard)
{
    return (uint64_t)1 << (M_ABORT + shard) | (uint64_t)7 << (M_COMMIT + shard * 3);
}

static void drop_votes(model_state *s, uint8_t attempt)
{
    static const uint64_t refused = (uint64_t)7 << M_REFUSED;
    bool open = s->co_dead == 0 && s->co_state[attempt] == HF_COORDINATOR_PREPARING;
    if (open) {
        return;
    }
    bool listens = s->co_dead == 0 && (s->finished >> attempt & 1) == 0;
    HF_ASSERT(!listens || s->co_state[attempt] != HF_COORDINATOR_COMMITTED ||
              (s->sent[attempt] & refused) == 0);
    s->sent[attempt] &= ~(refused | (uint64_t)7 << M_PREPARED);
    if (s->co_state[attempt] == HF_COORDINATOR_ABORTED) {
        s->co_prepared[attempt] = s->co_ts[attempt] = 0;
    }
}

static void drop_idle(const world *w, uint8_t attempt)
{
    model_state *s = w->s;
    uint64_t dead = 0;
    bool votes = s->co_dead == 0 && s->co_state[attempt] == HF_COORDINATOR_PREPARING;
    for (uint8_t i = 0; i < w->config->shards; i++) {
        bool gone = finished_here(w, i, attempt);
        bool ended = ended_durably(s, i, attempt);
        if (gone || ended) {
            bool committed = state_of(s, i, attempt) == HF_PARTICIPANT_COMMITTED;
            HF_ASSERT(gone || !committed || (s->sent[attempt] >> (M_ABORT + i) & 1) == 0);
            dead |= finalizes(i);
            dead |= votes ? 0 : (uint64_t)1 << (M_PREPARE + i);
        }
        if (gone) {
            dead |= (uint64_t)1 << (M_QUERY + i);
        }
    }
    if (finished_here(w, 0, attempt) || ended_durably(s, 0, attempt)) {
        dead |= (((uint64_t)1 << M_COUNT) - 1) & ~(((uint64_t)1 << M_IS_PREPARED) - 1);
    }
    if (finished_here(w, 0, attempt)) {
        dead |= (uint64_t)7 << M_RESOLVE;
    }
    s->sent[attempt] &= ~dead;
}

static bool do_action(const world *w, model_action action);

bool model_do(const model_config *config, model_state *state, model_action action)
{
    world w = { config, state };
    if (!do_action(&w, action)) {
        return false;
    }
    for (uint8_t a = 0; a < config->attempts; a++) {
        drop_votes(state, a);
        if (rule(&w, RULE_FENCE_WATERMARK) && rule(&w, RULE_IRREVOCABLE)) {
            drop_idle(&w, a);
        }
    }
    return true;
}

static bool do_action(const world *w, model_action action)
{
    const model_config *config = w->config;
    uint32_t kind = action >> 8;
    uint8_t attempt = action >> 7 & 1;
    uint8_t arg = action & 127;
    if (kind <= A_TAKE_BACK) {
        return part_action(w, kind, attempt, arg);
    }
    switch (kind) {
    case A_FINISH:
        return finish(w, attempt);
    case A_GIVE_UP:
        return give_up(w, attempt);
    case A_TELL_REFUSED:
        return tell_refused(w);
    case A_NEXT_ATTEMPT:
        return next_attempt(w);
    case A_FLUSH:
        return flush(w, arg);
    case A_CRASH:
        return crash_some(w, arg, arg + 1, false);
    case A_NODE_CRASH:
        return (config->world & WORLD_NODE_CRASH) != 0 && crash_some(w, 0, config->shards, true);
    default:
        return (config->world & WORLD_COORDINATOR_CRASH) != 0 && w->s->co_dead == 0 &&
               crash_some(w, 0, 0, true);
    }
}

/* ---- What must hold ---- */

typedef struct verdict {
    bool commit, abort, lost, differs;
    uint8_t ts;
} verdict;

static void note_commit(verdict *v, uint8_t ts)
{
    v->differs = v->differs || (v->commit && v->ts != ts);
    v->commit = true;
    v->ts = ts;
}

static void judge_attempt(const model_config *config, const model_state *s, uint8_t attempt,
                          verdict *v)
{
    bool committed = s->co_state[attempt] == HF_COORDINATOR_COMMITTED;
    if (committed) {
        note_commit(v, s->co_ts[attempt]);
    }
    v->abort = s->co_state[attempt] == HF_COORDINATOR_ABORTED;
    for (uint8_t i = 0; i < config->shards; i++) {
        hf_participant_state state = state_of(s, i, attempt);
        if (state == HF_PARTICIPANT_COMMITTED) {
            note_commit(v, commit_ts_of(s, i, attempt));
        }
        v->commit = v->commit || (s->saved[i] >> attempt & 1) != 0;
        v->abort = v->abort || state == HF_PARTICIPANT_ABORTED || state == HF_PARTICIPANT_REFUSED ||
                   state == HF_PARTICIPANT_POISONING;
        bool kept = state == HF_PARTICIPANT_PREPARED || state == HF_PARTICIPANT_COMMITTED ||
                    (s->saved[i] >> attempt & 1) != 0;
        v->lost = v->lost || (committed && !kept);
    }
}

const char *model_wrong(const model_config *config, const model_state *s)
{
    verdict v[MODEL_ATTEMPTS] = { { .ts = 0 } };
    for (uint8_t a = 0; a < MODEL_ATTEMPTS; a++) {
        judge_attempt(config, s, a, &v[a]);
        if (v[a].lost) {
            return "what was acknowledged is lost";
        }
        if (v[a].differs) {
            return "two commit timestamps";
        }
        if (v[a].commit && v[a].abort) {
            return "committed here, aborted there";
        }
        if (v[a].commit && s->told == TOLD_REFUSED) {
            return "the client was told refused, and it is committed";
        }
    }
    return v[0].commit && v[1].commit ? "committed twice" : NULL;
}

uint32_t model_seen(const model_config *config, const model_state *s)
{
    uint32_t seen = s->told == TOLD_COMMITTED ? SEEN_ACKED : 0;
    seen |= s->told == TOLD_REFUSED ? SEEN_REFUSED : 0;
    for (uint8_t a = 0; a < config->attempts; a++) {
        hf_participant_state at = state_of(s, 0, a);
        bool open = (s->begun >> a & 1) != 0 && s->co_state[a] == HF_COORDINATOR_PREPARING;
        bool ended = at == HF_PARTICIPANT_COMMITTED || at == HF_PARTICIPANT_ABORTED;
        if (open && ended && s->co_dead != 0) {
            seen |= at == HF_PARTICIPANT_COMMITTED ? SEEN_RECOVERED_COMMIT : SEEN_RECOVERED_ABORT;
        } else if (open && ended) {
            seen |= SEEN_OVERTAKEN;
        }
        if (a == 1 && s->co_state[a] == HF_COORDINATOR_COMMITTED) {
            seen |= SEEN_SECOND_COMMIT;
        }
        seen |= s->saved[0] != 0 ? SEEN_FORGOTTEN_COMMIT : 0;
    }
    return seen;
}

/* ---- Does it come to an end? ---- */

static bool heal_round(const model_config *config, model_state *s)
{
    world w = { config, s };
    model_state before = *s;
    for (uint8_t i = 0; i < config->shards; i++) {
        while (flush(&w, i)) {
        }
        for (uint8_t a = 0; a < config->attempts; a++) {
            (void)push(&w, i, a);
            if (state_of(s, i, a) == HF_PARTICIPANT_QUEUED) {
                (void)evaluate(&w, i, a, OUTCOME_LOG);
            }
        }
    }
    for (uint8_t a = 0; a < config->attempts; a++) {
        for (uint8_t i = 0; i < config->shards; i++) {
            if (!on_prepare(&w, i, a, OUTCOME_LOG)) {
                (void)on_prepare(&w, i, a, OUTCOME_QUEUE);
            }
        }
        for (uint8_t m = M_PREPARED; m < M_COUNT; m++) {
            (void)deliver(&w, a, m);
        }
    }
    return memcmp(&before, s, sizeof before) != 0;
}

const char *model_heal(const model_config *config, const model_state *state)
{
    model_state s = *state;
    world w = { config, &s };
    for (uint8_t a = 0; a < config->attempts; a++) {
        s.sent[a] = 0;
        if (s.co_dead != 0 || (s.begun >> a & 1) == 0) {
            continue;
        }
        if (s.co_state[a] == HF_COORDINATOR_PREPARING) {
            for (uint8_t i = 0; i < config->shards; i++) {
                send(&w, a, M_PREPARE + (uint32_t)i);
            }
        } else {
            hf_coordinator co = { .state = (hf_coordinator_state)s.co_state[a],
                                  .commit_ts = s.co_ts[a] };
            uint8_t told = s.told;
            s.told = 0;
            co_decided(&w, a, &co);
            s.told = told;
        }
    }
    uint32_t rounds = 0;
    while (heal_round(config, &s)) {
        HF_ASSERT(++rounds < 64);
    }
    const char *wrong = model_wrong(config, &s);
    for (uint8_t a = 0; a < config->attempts && wrong == NULL; a++) {
        bool waits =
            (s.begun >> a & 1) != 0 && s.co_dead == 0 && s.co_state[a] == HF_COORDINATOR_PREPARING;
        wrong = waits ? "the coordinator never hears" : NULL;
        for (uint8_t i = 0; i < config->shards && wrong == NULL; i++) {
            hf_participant_state at = state_of(&s, i, a);
            bool open = undecided(&s, i, a) || at == HF_PARTICIPANT_POISONING ||
                        at == HF_PARTICIPANT_QUEUED;
            wrong = open ? "a shard stays in doubt" : NULL;
        }
    }
    return wrong;
}

void model_name(model_action action, char *text, uint32_t size)
{
    static const char *const kinds[] = {
        [A_DELIVER] = "deliver",
        [A_EVALUATE] = "prepare arrives",
        [A_RUN] = "queued one runs",
        [A_WOUND] = "wound",
        [A_PUSH] = "push",
        [A_FORGET] = "forget",
        [A_TAKE_BACK] = "take back",
        [A_FINISH] = "watermark passes",
        [A_GIVE_UP] = "coordinator gives up",
        [A_TELL_REFUSED] = "client is told refused",
        [A_NEXT_ATTEMPT] = "next attempt",
        [A_CO_CRASH] = "coordinator dies",
        [A_FLUSH] = "flush",
        [A_CRASH] = "crash",
        [A_NODE_CRASH] = "all crash",
    };
    static const char *const messages[] = { "prepare",      "prepared",    "refused",
                                            "abort",        "commit",      "commit",
                                            "commit",       "resolve",     "query",
                                            "is prepared",  "is poisoned", "is committed",
                                            "is committed", "is committed" };
    static const char *const outcomes[] = { "log", "queue", "refuse" };
    uint32_t kind = action >> 8;
    uint32_t attempt = (action >> 7 & 1) + 1u;
    uint32_t arg = action & 127;
    if (kind == A_DELIVER) {
        bool timed = (arg >= M_COMMIT && arg < M_RESOLVE) || arg >= M_IS_COMMITTED;
        uint32_t base = arg >= M_IS_COMMITTED ? M_IS_COMMITTED : M_COMMIT;
        snprintf(text, size, "deliver %s, shard %u, attempt %u", messages[arg / 3],
                 timed ? (arg - base) / 3 : arg % 3, attempt);
    } else if (kind == A_EVALUATE || kind == A_RUN) {
        snprintf(text, size, "%s: %s, shard %u, attempt %u", kinds[kind], outcomes[arg % 3],
                 arg / 3, attempt);
    } else {
        snprintf(text, size, "%s, shard %u, attempt %u", kinds[kind], arg, attempt);
    }
}
