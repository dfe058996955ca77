/* What must hold in every state, and whether it comes to an end. */
#include "engine/base/assert.h"
#include "tests/unit/twopc/model_impl.h"

#include <string.h>

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

static bool kept_at(const model_state *s, uint8_t shard, uint8_t attempt)
{
    hf_participant_state state = model__state_of(s, shard, attempt);
    return state == HF_PARTICIPANT_PREPARED || state == HF_PARTICIPANT_COMMITTED ||
           (s->saved[shard] >> attempt & 1) != 0;
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
        hf_participant_state state = model__state_of(s, i, attempt);
        if (state == HF_PARTICIPANT_COMMITTED) {
            note_commit(v, model__commit_ts_of(s, i, attempt));
        }
        v->commit = v->commit || (s->saved[i] >> attempt & 1) != 0;
        v->abort = v->abort || state == HF_PARTICIPANT_ABORTED || state == HF_PARTICIPANT_REFUSED ||
                   state == HF_PARTICIPANT_POISONING;
        v->lost = v->lost || (committed && model__takes_part(config, s, i, attempt) &&
                              !kept_at(s, i, attempt));
    }
    /* The range has it wherever it is now. */
    v->lost = v->lost || (committed && s->owner != 0 && !kept_at(s, s->owner, attempt));
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
        hf_participant_state at = model__state_of(s, 0, a);
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
        seen |= s->told == TOLD_COMMITTED && s->owner == 2 ? SEEN_MOVED_ACKED : 0;
        seen |= a == 1 && s->owner == 2 && s->co_state[a] == HF_COORDINATOR_COMMITTED
                    ? SEEN_MOVED_SECOND
                    : 0;
    }
    return seen;
}

/* ---- Does it come to an end? ---- */

static bool heal_round(const model_config *config, model_state *s)
{
    world w = { config, s };
    model_state before = *s;
    for (uint8_t i = 0; i < config->shards; i++) {
        while (model__flush(&w, i)) {
        }
        for (uint8_t a = 0; a < config->attempts; a++) {
            (void)model__push(&w, i, a);
            if (model__state_of(s, i, a) == HF_PARTICIPANT_QUEUED) {
                (void)model__evaluate(&w, i, a, OUTCOME_LOG);
            }
        }
    }
    for (uint8_t a = 0; a < config->attempts; a++) {
        for (uint8_t i = 0; i < config->shards; i++) {
            if (!model__on_prepare(&w, i, a, OUTCOME_LOG)) {
                (void)model__on_prepare(&w, i, a, OUTCOME_QUEUE);
            }
        }
        for (uint8_t m = M_PREPARED; m < M_COUNT; m++) {
            (void)model__deliver(&w, a, m);
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
                if (model__takes_part(config, &s, i, a)) {
                    model__send(&w, a, M_PREPARE + (uint32_t)i);
                }
            }
        } else {
            hf_coordinator co = { .state = (hf_coordinator_state)s.co_state[a],
                                  .commit_ts = s.co_ts[a] };
            uint8_t told = s.told;
            s.told = 0;
            model__co_decided(&w, a, &co);
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
            hf_participant_state at = model__state_of(&s, i, a);
            bool open = model__undecided(&s, i, a) || at == HF_PARTICIPANT_POISONING ||
                        at == HF_PARTICIPANT_QUEUED;
            wrong = open ? "a shard stays in doubt" : NULL;
        }
    }
    return wrong;
}
