#include "txn/twopc/participant.h"
#include "engine/base/assert.h"
#include <string.h>

const char *hf_participant_state_name(hf_participant_state state)
{
    static const char *const names[] = {
        [HF_PARTICIPANT_NONE] = "none",           [HF_PARTICIPANT_ACTIVE] = "active",
        [HF_PARTICIPANT_QUEUED] = "queued",       [HF_PARTICIPANT_LOGGED] = "logged",
        [HF_PARTICIPANT_PREPARED] = "prepared",   [HF_PARTICIPANT_REFUSED] = "refused",
        [HF_PARTICIPANT_POISONING] = "poisoning", [HF_PARTICIPANT_COMMITTED] = "committed",
        [HF_PARTICIPANT_ABORTED] = "aborted",
    };
    return names[state];
}

void hf_participant_begin(hf_participant *p, hf_attempt attempt, uint16_t self)
{
    *p = (hf_participant){
        .attempt = attempt, .self = self, .state = HF_PARTICIPANT_NONE, .until = UINT64_MAX
    };
}

/* Tells everyone who waits, by the state that was reached. */
static void answer(hf_participant *p, hf_participant_update *u)
{
    u->tell_query |= p->queriers;
    p->queriers = 0;
    if (p->answer_due) {
        p->answer_due = false;
        if (p->state == HF_PARTICIPANT_PREPARED || p->state == HF_PARTICIPANT_COMMITTED) {
            u->tell_prepared = true;
        } else {
            u->tell_refused = true;
        }
    }
}

/* The decision is known here: carry it out; at the anchor also pass it on. */
static void decide(hf_participant *p, bool commit, uint64_t ts, hf_participant_update *u)
{
    bool logged = hf_participant_undecided(p);
    HF_ASSERT(!commit || p->state == HF_PARTICIPANT_PREPARED);
    p->state = commit ? HF_PARTICIPANT_COMMITTED : HF_PARTICIPANT_ABORTED;
    p->commit_ts = commit ? ts : 0;
    p->recovering = false;
    if (logged) {
        u->persist = commit ? HF_RECORD_COMMIT : HF_RECORD_ABORT;
    }
    u->apply = commit;
    u->release = !commit;
    u->finalize |= p->resolvers & ~hf_shard_bit(p->self);
    p->resolvers = 0;
    answer(p, u);
}

/* Makes sure that this attempt is never prepared here. */
static void poison(hf_participant *p, hf_participant_update *u)
{
    p->state = HF_PARTICIPANT_POISONING;
    u->persist = HF_RECORD_TOMBSTONE;
    u->release = true;
}

static void query(hf_participant *p, uint16_t from, hf_participant_update *u)
{
    switch ((hf_participant_state)p->state) {
    case HF_PARTICIPANT_NONE:
    case HF_PARTICIPANT_ACTIVE:
    case HF_PARTICIPANT_QUEUED:
    case HF_PARTICIPANT_REFUSED:
        p->queriers |= hf_shard_bit(from);
        poison(p, u);
        break;
    case HF_PARTICIPANT_LOGGED:
    case HF_PARTICIPANT_POISONING:
        p->queriers |= hf_shard_bit(from);
        break;
    case HF_PARTICIPANT_PREPARED:
    case HF_PARTICIPANT_COMMITTED:
    case HF_PARTICIPANT_ABORTED:
        u->tell_query |= hf_shard_bit(from);
        break;
    }
}

/* All are known to be prepared. */
static void decide_by_votes(hf_participant *p, hf_participant_update *u)
{
    decide(p, p->answered_ts < p->answered_until, p->answered_ts, u);
}

/* Asks everyone; asked again, those who have not answered: a question may have been lost. */
static void recover(hf_participant *p, hf_participant_update *u)
{
    if (p->recovering) {
        u->ask = p->participants & ~p->answered;
        return;
    }
    HF_PRE((p->participants & hf_shard_bit(p->self)) != 0);
    p->recovering = true;
    p->answered = hf_shard_bit(p->self);
    p->answered_ts = p->pts;
    p->answered_until = p->until;
    p->resolvers |= p->participants;
    u->ask = p->participants & ~p->answered;
    if (u->ask == 0) {
        decide_by_votes(p, u);
    }
}

static void resolve(hf_participant *p, uint16_t from, hf_participant_update *u)
{
    p->resolvers |= hf_shard_bit(from);
    switch ((hf_participant_state)p->state) {
    case HF_PARTICIPANT_NONE:
    case HF_PARTICIPANT_ACTIVE:
    case HF_PARTICIPANT_QUEUED:
    case HF_PARTICIPANT_REFUSED:
        poison(p, u);
        break;
    case HF_PARTICIPANT_LOGGED:
    case HF_PARTICIPANT_POISONING:
        break; /* goes on when the record is durable */
    case HF_PARTICIPANT_PREPARED:
        recover(p, u);
        break;
    case HF_PARTICIPANT_COMMITTED:
    case HF_PARTICIPANT_ABORTED:
        u->finalize |= p->resolvers & ~hf_shard_bit(p->self);
        p->resolvers = 0;
        break;
    }
}

/* A PREPARE that is known here is never evaluated again. */
static void repeated(hf_participant *p, hf_participant_update *u)
{
    switch ((hf_participant_state)p->state) {
    case HF_PARTICIPANT_NONE:
    case HF_PARTICIPANT_ACTIVE:
        HF_UNREACHABLE(); /* it is the first */
    case HF_PARTICIPANT_QUEUED:
    case HF_PARTICIPANT_LOGGED:
    case HF_PARTICIPANT_POISONING:
        p->answer_due = true;
        break;
    case HF_PARTICIPANT_PREPARED:
    case HF_PARTICIPANT_COMMITTED:
        u->tell_prepared = true;
        break;
    case HF_PARTICIPANT_REFUSED:
    case HF_PARTICIPANT_ABORTED:
        u->tell_refused = true;
        break;
    }
}

static void durable(hf_participant *p, hf_participant_update *u)
{
    if (p->state == HF_PARTICIPANT_LOGGED) {
        p->state = HF_PARTICIPANT_PREPARED;
        answer(p, u);
        if (p->resolvers != 0) {
            recover(p, u);
        }
    } else if (p->state == HF_PARTICIPANT_POISONING) {
        decide(p, false, 0, u);
    }
}

/* Prepared at ts, or committed at ts, which is the latest of all: the others are asked all the
 * same, since the client's reply is put together from what they answer. */
static void is_prepared(hf_participant *p, uint16_t from, uint64_t ts, uint64_t until,
                        hf_participant_update *u)
{
    if (!p->recovering || (p->answered & hf_shard_bit(from)) != 0) {
        return;
    }
    p->answered |= hf_shard_bit(from);
    p->answered_ts = ts > p->answered_ts ? ts : p->answered_ts;
    p->answered_until = until < p->answered_until ? until : p->answered_until;
    if (p->answered == p->participants) {
        decide_by_votes(p, u);
    }
}

static bool may_be_judged(const hf_participant *p)
{
    return p->state == HF_PARTICIPANT_NONE || p->state == HF_PARTICIPANT_ACTIVE ||
           p->state == HF_PARTICIPANT_QUEUED;
}

void hf_participant_step(hf_participant *p, hf_participant_event event, uint16_t from, uint64_t ts,
                         uint64_t until, hf_participant_update *u)
{
    memset(u, 0, sizeof *u);
    switch (event) {
    case HF_EVENT_LOCKED:
        HF_ASSERT(p->state == HF_PARTICIPANT_NONE || p->state == HF_PARTICIPANT_ACTIVE);
        p->state = HF_PARTICIPANT_ACTIVE;
        break;
    case HF_EVENT_QUEUED:
        HF_ASSERT(p->state == HF_PARTICIPANT_NONE || p->state == HF_PARTICIPANT_ACTIVE);
        p->state = HF_PARTICIPANT_QUEUED;
        p->answer_due = true;
        break;
    case HF_EVENT_REPEATED:
        repeated(p, u);
        break;
    case HF_EVENT_LOGGED:
        HF_ASSERT(may_be_judged(p));
        p->state = HF_PARTICIPANT_LOGGED;
        p->pts = ts;
        p->until = until;
        p->answer_due = true;
        break;
    case HF_EVENT_REFUSED:
        HF_ASSERT(may_be_judged(p));
        p->state = HF_PARTICIPANT_REFUSED;
        p->answer_due = false; /* the evaluator answers itself, with its reason */
        u->release = true;
        break;
    case HF_EVENT_DURABLE:
        durable(p, u);
        break;
    case HF_EVENT_COMMIT:
        if (p->state == HF_PARTICIPANT_PREPARED) {
            decide(p, true, ts, u);
        } else {
            HF_ASSERT(p->state == HF_PARTICIPANT_COMMITTED && p->commit_ts == ts);
        }
        break;
    case HF_EVENT_ABORT:
        HF_ASSERT(p->state != HF_PARTICIPANT_COMMITTED);
        if (p->state == HF_PARTICIPANT_POISONING) {
            break; /* the tombstone will say the same */
        }
        if (p->state != HF_PARTICIPANT_ABORTED) {
            p->answer_due = false;
            decide(p, false, 0, u);
        }
        break;
    case HF_EVENT_QUERY:
        query(p, from, u);
        break;
    case HF_EVENT_RESOLVE:
        resolve(p, from, u);
        break;
    case HF_EVENT_IS_PREPARED:
        is_prepared(p, from, ts, until, u);
        break;
    case HF_EVENT_IS_COMMITTED:
        is_prepared(p, from, ts, UINT64_MAX, u);
        break;
    case HF_EVENT_IS_POISONED:
        if (p->recovering) {
            decide(p, false, 0, u);
        }
        break;
    }
}
