/* What can be done in the model, how it is called, and which messages are left out because nothing
 * can come of them. */
#include "engine/base/assert.h"
#include "tests/unit/twopc/model_impl.h"

#include <stdio.h>
#include <string.h>

/* ---- Actions ---- */

static model_action action_of(uint32_t kind, uint32_t attempt, uint32_t arg)
{
    return (model_action)(kind << 8 | attempt << 7 | arg);
}

void model_begin(const model_config *config, model_state *state)
{
    memset(state, 0, sizeof *state);
    world w = { config, state };
    model__begin_attempt(&w, 0);
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
    actions[n++] = action_of(A_FREEZE, 0, 0);
    actions[n++] = action_of(A_MOVE, 0, 0);
    HF_ASSERT(n <= MODEL_ACTIONS_MAX);
    return n;
}

static bool part_action(const world *w, uint32_t kind, uint8_t attempt, uint8_t arg)
{
    switch (kind) {
    case A_DELIVER:
        return model__deliver(w, attempt, arg);
    case A_EVALUATE:
        return model__on_prepare(w, arg / 3, attempt, arg % 3u);
    case A_RUN:
        return model__state_of(w->s, arg / 3, attempt) == HF_PARTICIPANT_QUEUED &&
               model__evaluate(w, arg / 3, attempt, arg % 3u);
    case A_WOUND:
        return model__wound(w, arg, attempt);
    case A_PUSH:
        return model__push(w, arg, attempt);
    case A_FORGET:
        return model__forget(w, arg, attempt);
    default:
        return model__take_back(w, arg, attempt);
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
            hf_participant_state state = model__state_of(s, shard, attempt);
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
        bool gone = model__finished_here(w, i, attempt);
        bool ended = ended_durably(s, i, attempt);
        if (gone || ended) {
            bool committed = model__state_of(s, i, attempt) == HF_PARTICIPANT_COMMITTED;
            HF_ASSERT(gone || !committed || (s->sent[attempt] >> (M_ABORT + i) & 1) == 0);
            dead |= finalizes(i);
            dead |= votes ? 0 : (uint64_t)1 << (M_PREPARE + i);
        }
        if (gone) {
            dead |= (uint64_t)1 << (M_QUERY + i);
        }
    }
    if (model__finished_here(w, 0, attempt) || ended_durably(s, 0, attempt)) {
        dead |= (((uint64_t)1 << M_COUNT) - 1) & ~(((uint64_t)1 << M_IS_PREPARED) - 1);
    }
    if (model__finished_here(w, 0, attempt)) {
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
        if (model__rule(&w, RULE_FENCE_WATERMARK) && model__rule(&w, RULE_IRREVOCABLE)) {
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
        return model__finish(w, attempt);
    case A_GIVE_UP:
        return model__give_up(w, attempt);
    case A_TELL_REFUSED:
        return model__tell_refused(w);
    case A_NEXT_ATTEMPT:
        return model__next_attempt(w);
    case A_FLUSH:
        return model__flush(w, arg);
    case A_FREEZE:
        return model__freeze(w);
    case A_MOVE:
        return model__move(w);
    case A_CRASH:
        return model__crash_some(w, arg, arg + 1, false);
    case A_NODE_CRASH:
        return (config->world & WORLD_NODE_CRASH) != 0 &&
               model__crash_some(w, 0, config->shards, true);
    default:
        return (config->world & WORLD_COORDINATOR_CRASH) != 0 && w->s->co_dead == 0 &&
               model__crash_some(w, 0, 0, true);
    }
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
        [A_FREEZE] = "the range freezes",
        [A_MOVE] = "the range has moved",
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
