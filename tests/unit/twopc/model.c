#include "engine/base/assert.h"
#include "tests/unit/twopc/model_impl.h"

#include <string.h>

static const uint8_t prepare_ts[MODEL_SHARDS_MAX] = { 2, 1, 3 };

bool model__rule(const world *w, uint16_t which)
{
    return (w->config->rules & which) != 0;
}

bool model__takes_part(const model_config *config, const model_state *s, uint8_t shard,
                       uint8_t attempt)
{
    return (config->world & WORLD_MOVE) == 0 || shard == 0 || s->route[attempt] == shard;
}

hf_shard_set model__participants(const world *w, uint8_t attempt)
{
    hf_shard_set set = 0;
    for (uint8_t i = 0; i < w->config->shards; i++) {
        set |= model__takes_part(w->config, w->s, i, attempt) ? hf_shard_bit(i) : 0;
    }
    return set;
}

/* ---- The range that moves ---- */

bool model__home(const world *w, uint8_t shard)
{
    return (w->config->world & WORLD_MOVE) == 0 || shard == 0 || !model__rule(w, RULE_HOME) ||
           (w->s->owner == shard && w->s->frozen == 0);
}

bool model__freeze(const world *w)
{
    if ((w->config->world & WORLD_MOVE) == 0 || w->s->owner != 1 || w->s->frozen != 0) {
        return false;
    }
    w->s->frozen = 1;
    return true;
}

bool model__move(const world *w)
{
    model_state *s = w->s;
    if (s->frozen == 0) {
        return false;
    }
    for (uint8_t a = 0; a < MODEL_ATTEMPTS; a++) {
        if (model__rule(w, RULE_DRAIN) && model__undecided(s, 1, a)) {
            return false;
        }
    }
    s->frozen = 0;
    s->owner = 2;
    s->applied[2] |= s->applied[1]; /* the contents, durable with the claim */
    s->saved[2] |= s->applied[1];
    return true;
}

static uint64_t bound_of(const world *w, uint8_t shard)
{
    uint8_t until = w->config->until[shard];
    return until == 0 ? UINT64_MAX : until;
}

/* What the anchor's recovery goes by. */
static uint64_t known_bound(const world *w, uint8_t shard)
{
    return model__rule(w, RULE_BOUNDS) ? bound_of(w, shard) : UINT64_MAX;
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
    p->participants = (bits >> 19 & 1) != 0 ? model__participants(w, attempt) : 0;
    p->answer_due = (bits >> 20 & 1) != 0;
    p->recovering = (bits >> 21 & 1) != 0;
    p->until = known_bound(w, shard);
    p->answered_until = UINT64_MAX;
    for (uint8_t i = 0; i < w->config->shards; i++) {
        if ((p->answered >> i & 1) != 0 && known_bound(w, i) < p->answered_until) {
            p->answered_until = known_bound(w, i);
        }
    }
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
    HF_ASSERT(p->participants == 0 || p->participants == model__participants(w, attempt));
    w->s->parts[shard][attempt] =
        (uint32_t)(p->state | p->pts << 4 | p->commit_ts << 6 | p->answered_ts << 8 |
                   p->queriers << 10 | p->resolvers << 13 | p->answered << 16 |
                   (uint32_t)(p->participants != 0) << 19 | (uint32_t)p->answer_due << 20 |
                   (uint32_t)p->recovering << 21);
}

hf_participant_state model__state_of(const model_state *s, uint8_t shard, uint8_t attempt)
{
    return (hf_participant_state)(s->parts[shard][attempt] & 15);
}

uint8_t model__commit_ts_of(const model_state *s, uint8_t shard, uint8_t attempt)
{
    return s->parts[shard][attempt] >> 6 & 3;
}

bool model__undecided(const model_state *s, uint8_t shard, uint8_t attempt)
{
    hf_participant_state state = model__state_of(s, shard, attempt);
    return state == HF_PARTICIPANT_LOGGED || state == HF_PARTICIPANT_PREPARED;
}

/* ---- Messages and records ---- */

void model__send(const world *w, uint8_t attempt, uint32_t message)
{
    w->s->sent[attempt] |= (uint64_t)1 << message;
}

static void append(const world *w, uint8_t shard, uint8_t kind, uint8_t attempt, uint64_t ts)
{
    model_state *s = w->s;
    HF_ASSERT(s->log_size[shard] < MODEL_LOG_MAX);
    s->log[shard][s->log_size[shard]++] = (uint8_t)(kind | attempt << 2 | (int)ts << 3 | 128);
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
        model__send(w, attempt, M_PREPARED + self);
    }
    if (u->tell_refused) {
        model__send(w, attempt, M_REFUSED + self);
    }
    if (u->tell_query != 0) {
        HF_ASSERT(u->tell_query == 1); /* the anchor */
        model__send(w, attempt,
                    p->state == HF_PARTICIPANT_PREPARED ? M_IS_PREPARED + (uint32_t)self
                    : p->state == HF_PARTICIPANT_COMMITTED
                        ? M_IS_COMMITTED + self * 3u + (uint32_t)p->commit_ts - 1
                        : M_IS_POISONED + (uint32_t)self);
    }
    for (uint8_t i = 0; i < w->config->shards; i++) {
        if ((u->ask >> i & 1) != 0) {
            model__send(w, attempt, M_QUERY + (uint32_t)i);
        }
        if ((u->finalize >> i & 1) != 0) {
            model__send(w, attempt,
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
        p.participants = shard == 0 ? model__participants(w, attempt) : 0;
        append(w, shard, R_PREPARE, attempt, 0);
    }
    uint64_t until = event == HF_EVENT_LOGGED        ? bound_of(w, shard)
                     : event == HF_EVENT_IS_PREPARED ? known_bound(w, from)
                                                     : UINT64_MAX;
    hf_participant_step(&p, event, from, ts, until, &u);
    carry_out(w, &p, attempt, &u);
    pack(w, shard, attempt, &p);
    bool early = (event == HF_EVENT_LOGGED && !model__rule(w, RULE_DURABLE_VOTE)) ||
                 (u.persist == HF_RECORD_TOMBSTONE && !model__rule(w, RULE_DURABLE_TOMBSTONE));
    if (early) {
        step(w, shard, attempt, HF_EVENT_DURABLE, shard, 0);
    }
}

/* ---- The participant's side ---- */

static bool fenced(const world *w, uint8_t shard, uint8_t attempt)
{
    uint8_t bit = (uint8_t)(1u << attempt);
    return (model__rule(w, RULE_FENCE_WATERMARK) && (w->s->below[shard] & bit) != 0) ||
           (model__rule(w, RULE_FENCE_RESTART) && (w->s->fenced[shard] & bit) != 0);
}

/* Messages about what is finished everywhere find nothing and make nothing. */
bool model__finished_here(const world *w, uint8_t shard, uint8_t attempt)
{
    return (w->s->below[shard] >> attempt & 1) != 0 &&
           model__state_of(w->s, shard, attempt) == HF_PARTICIPANT_NONE;
}

static bool locks_free(const world *w, uint8_t shard, uint8_t attempt)
{
    for (uint8_t other = 0; other < MODEL_ATTEMPTS; other++) {
        if (other != attempt && model__undecided(w->s, shard, other)) {
            return false;
        }
    }
    return true;
}

static bool refuse(const world *w, uint8_t shard, uint8_t attempt)
{
    step(w, shard, attempt, HF_EVENT_REFUSED, shard, 0);
    model__send(w, attempt, M_REFUSED + (uint32_t)shard);
    return true;
}

bool model__evaluate(const world *w, uint8_t shard, uint8_t attempt, uint32_t outcome)
{
    if (!model__home(w, shard)) {
        return refuse(w, shard, attempt);
    }
    switch (outcome) {
    case OUTCOME_LOG:
        if (!locks_free(w, shard, attempt)) {
            return false;
        }
        step(w, shard, attempt, HF_EVENT_LOGGED, shard, prepare_ts[shard]);
        return true;
    case OUTCOME_QUEUE:
        if (model__state_of(w->s, shard, attempt) == HF_PARTICIPANT_QUEUED) {
            return false;
        }
        step(w, shard, attempt, HF_EVENT_QUEUED, shard, 0);
        return true;
    default:
        return (w->config->world & WORLD_REFUSALS) != 0 && refuse(w, shard, attempt);
    }
}

bool model__on_prepare(const world *w, uint8_t shard, uint8_t attempt, uint32_t outcome)
{
    if ((w->s->sent[attempt] >> (M_PREPARE + shard) & 1) == 0) {
        return false;
    }
    hf_participant_state state = model__state_of(w->s, shard, attempt);
    if (state != HF_PARTICIPANT_NONE && state != HF_PARTICIPANT_ACTIVE) {
        if (!model__rule(w, RULE_RECORDED_ANSWER)) {
            model__send(w, attempt, M_REFUSED + (uint32_t)shard);
        } else {
            step(w, shard, attempt, HF_EVENT_REPEATED, shard, 0);
        }
        return true;
    }
    bool lost = (w->config->world & WORLD_INTERACTIVE) != 0 && state == HF_PARTICIPANT_NONE;
    if (lost || (state == HF_PARTICIPANT_NONE && fenced(w, shard, attempt))) {
        model__send(w, attempt, M_REFUSED + (uint32_t)shard);
        return true;
    }
    return model__evaluate(w, shard, attempt, outcome);
}

static bool on_query(const world *w, uint8_t shard, uint8_t attempt)
{
    if (model__finished_here(w, shard, attempt)) {
        return false;
    }
    hf_participant_state state = model__state_of(w->s, shard, attempt);
    bool absent = state == HF_PARTICIPANT_NONE || state == HF_PARTICIPANT_ACTIVE ||
                  state == HF_PARTICIPANT_QUEUED;
    if (!model__rule(w, RULE_ABSENCE) && absent) {
        model__send(w, attempt, M_IS_POISONED + (uint32_t)shard);
        return true;
    }
    step(w, shard, attempt, HF_EVENT_QUERY, 0, 0);
    return true;
}

static bool on_resolve(const world *w, uint8_t from, uint8_t attempt)
{
    if (model__finished_here(w, 0, attempt)) {
        return false;
    }
    hf_participant_state state = model__state_of(w->s, 0, attempt);
    bool absent = state == HF_PARTICIPANT_NONE || state == HF_PARTICIPANT_ACTIVE ||
                  state == HF_PARTICIPANT_QUEUED;
    if (!model__rule(w, RULE_ABSENCE) && absent) {
        model__send(w, attempt, M_ABORT + (uint32_t)from);
        return true;
    }
    step(w, 0, attempt, HF_EVENT_RESOLVE, from, 0);
    return true;
}

static bool on_finalize(const world *w, uint8_t shard, uint8_t attempt, uint64_t ts)
{
    if (model__finished_here(w, shard, attempt)) {
        return false;
    }
    hf_participant_state state = model__state_of(w->s, shard, attempt);
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
    if (model__state_of(w->s, 0, attempt) == HF_PARTICIPANT_NONE) {
        return false;
    }
    step(w, 0, attempt, event, from, ts);
    return true;
}

/* ---- The coordinator's side ---- */

void model__co_decided(const world *w, uint8_t attempt, const hf_coordinator *co)
{
    for (uint8_t i = 0; i < w->config->shards; i++) {
        if (!model__takes_part(w->config, w->s, i, attempt)) {
            continue;
        }
        model__send(w, attempt,
                    co->state == HF_COORDINATOR_COMMITTED
                        ? M_COMMIT + i * 3u + (uint32_t)co->commit_ts - 1
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
    hf_coordinator_begin(&co, hf_attempt_of(1, attempt + 1u, 9), model__participants(w, attempt));
    co.state = (hf_coordinator_state)s->co_state[attempt];
    co.prepared = s->co_prepared[attempt];
    co.commit_ts = s->co_ts[attempt];
    for (uint8_t i = 0; i < w->config->shards; i++) {
        if ((co.prepared >> i & 1) != 0 && bound_of(w, i) < co.until) {
            co.until = bound_of(w, i);
        }
    }
    bool decided = prepared
                       ? hf_coordinator_prepared(&co, from, prepare_ts[from], bound_of(w, from))
                       : hf_coordinator_refused(&co, from);
    s->co_state[attempt] = (uint8_t)co.state;
    s->co_prepared[attempt] = (uint8_t)co.prepared;
    s->co_ts[attempt] = (uint8_t)co.commit_ts;
    if (decided) {
        model__co_decided(w, attempt, &co);
    }
    return true;
}

void model__begin_attempt(const world *w, uint8_t attempt)
{
    w->s->begun |= (uint8_t)(1u << attempt);
    w->s->co_state[attempt] = HF_COORDINATOR_PREPARING;
    if ((w->config->world & WORLD_MOVE) != 0) {
        w->s->owner = w->s->owner == 0 ? 1 : w->s->owner;
        w->s->route[attempt] = w->s->owner;
    }
    for (uint8_t i = 0; i < w->config->shards; i++) {
        if (!model__takes_part(w->config, w->s, i, attempt)) {
            continue;
        }
        model__send(w, attempt, M_PREPARE + (uint32_t)i);
        if ((w->config->world & WORLD_INTERACTIVE) != 0) {
            step(w, i, attempt, HF_EVENT_LOCKED, i, 0);
        }
    }
}

bool model__next_attempt(const world *w)
{
    const model_state *s = w->s;
    if (s->co_dead != 0 || s->told != 0 || w->config->attempts < 2 || s->begun != 1 ||
        s->co_state[0] != HF_COORDINATOR_ABORTED) {
        return false;
    }
    if ((w->config->world & WORLD_INTERACTIVE) != 0) {
        return false; /* the client has to start again */
    }
    model__begin_attempt(w, 1);
    return true;
}

bool model__tell_refused(const world *w)
{
    model_state *s = w->s;
    uint8_t last = s->begun == 1 ? 0 : 1;
    if (s->co_dead != 0 || s->told != 0 || s->co_state[last] != HF_COORDINATOR_ABORTED) {
        return false;
    }
    s->told = TOLD_REFUSED;
    return true;
}

bool model__give_up(const world *w, uint8_t attempt)
{
    model_state *s = w->s;
    if (model__rule(w, RULE_ANCHOR_DECIDES) || s->co_dead != 0 || (s->begun >> attempt & 1) == 0 ||
        s->co_state[attempt] != HF_COORDINATOR_PREPARING) {
        return false;
    }
    s->co_state[attempt] = HF_COORDINATOR_ABORTED;
    hf_coordinator co = { .state = HF_COORDINATOR_ABORTED };
    model__co_decided(w, attempt, &co);
    return true;
}

/* Every shard has carried out the decision, and that is durable. */
bool model__finish(const world *w, uint8_t attempt)
{
    model_state *s = w->s;
    bool earlier = attempt == 0 || (s->finished & 1) != 0;
    if (s->co_dead != 0 || (s->begun >> attempt & 1) == 0 || (s->finished >> attempt & 1) != 0 ||
        s->co_state[attempt] == HF_COORDINATOR_PREPARING || !earlier) {
        return false;
    }
    for (uint8_t i = 0; i < w->config->shards; i++) {
        hf_participant_state state = model__state_of(s, i, attempt);
        bool ended = state == HF_PARTICIPANT_COMMITTED || state == HF_PARTICIPANT_ABORTED;
        if (model__takes_part(w->config, s, i, attempt) &&
            (!ended || s->durable[i] != s->log_size[i])) {
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

bool model__forget(const world *w, uint8_t shard, uint8_t attempt)
{
    model_state *s = w->s;
    uint8_t bit = (uint8_t)(1u << attempt);
    if ((s->finished & bit) == 0 || (s->below[shard] & bit) != 0 || !settled(s, shard, attempt)) {
        return false;
    }
    HF_ASSERT(!model__undecided(s, shard, attempt));
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

bool model__flush(const world *w, uint8_t shard)
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
            p.participants = shard == 0 ? model__participants(w, attempt) : 0;
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
    s->frozen = shard == 1 ? 0 : s->frozen; /* it stays where it is */
    replay(w, shard);
}

bool model__crash_some(const world *w, uint8_t first, uint8_t end, bool coordinator)
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

/* ---- What else may happen to a part ---- */

bool model__deliver(const world *w, uint8_t attempt, uint8_t m)
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

bool model__wound(const world *w, uint8_t shard, uint8_t attempt)
{
    if ((w->config->world & WORLD_INTERACTIVE) == 0 ||
        model__state_of(w->s, shard, attempt) != HF_PARTICIPANT_ACTIVE) {
        return false;
    }
    step(w, shard, attempt, HF_EVENT_REFUSED, shard, 0);
    model__send(w, attempt, M_REFUSED + (uint32_t)shard);
    return true;
}

bool model__push(const world *w, uint8_t shard, uint8_t attempt)
{
    if (!model__undecided(w->s, shard, attempt)) {
        return false;
    }
    if (shard != 0) {
        model__send(w, attempt, M_RESOLVE + (uint32_t)shard);
        return true;
    }
    return on_resolve(w, 0, attempt);
}

bool model__take_back(const world *w, uint8_t shard, uint8_t attempt)
{
    if (model__rule(w, RULE_IRREVOCABLE) ||
        model__state_of(w->s, shard, attempt) != HF_PARTICIPANT_PREPARED) {
        return false;
    }
    step(w, shard, attempt, HF_EVENT_ABORT, shard, 0);
    model__send(w, attempt, M_REFUSED + (uint32_t)shard);
    return true;
}
