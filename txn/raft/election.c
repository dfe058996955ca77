/* Who leads. A vote is a promise in a term, and durable before it is told; a promise to a leader is
 * for as long as its node is alive to ours (liveness.h), and is kept whatever the term: while it
 * stands nobody else gets a vote, this replica itself neither, unless the leader asked for it. */
#include "engine/base/assert.h"
#include "txn/raft/raft_impl.h"

/* May this replica become a leader? */
bool hf_raft__eligible(const hf_raft *r)
{
    return hf_raft__is_voter(&r->config, r->self) && r->nonce == 0 && !r->cramped &&
           hf_raft__fits(r, r->term + 1);
}

/* ---- Promises ---- */

void hf_raft__promise(hf_raft__step *s, uint32_t leader)
{
    hf_raft *r = s->r;
    r->promise_node = leader;
    r->promise_term = r->term;
    r->promise_epoch = hf_liveness_keeps(s->v->live, leader, s->v->now);
    hf_raft__arm(s);
}

static void forget_promise(hf_raft *r)
{
    r->promise_node = 0;
    r->promise_term = r->promise_epoch = 0;
}

bool hf_raft__promised(const hf_raft *r, const hf_raft_view *v)
{
    return r->promise_epoch != 0 &&
           hf_liveness_keeps(v->live, r->promise_node, v->now) == r->promise_epoch;
}

/* No vote for anybody but whom it was promised to (and who leads no more, if it asks). */
static bool withheld(const hf_raft *r, const hf_raft_view *v)
{
    if (!hf_liveness_may_vote(v->live, v->now)) {
        return true; /* what was promised before the start of this node is not known */
    }
    if (r->role == HF_RAFT_LEADER) {
        return hf_raft__lease_until(r, v) > v->now;
    }
    return hf_raft__promised(r, v);
}

/* ---- Roles ---- */

static void arm(hf_raft__step *s)
{
    const hf_raft_options *o = s->v->options;
    uint64_t extra = o->spread_ns == 0 ? 0 : s->v->random % o->spread_ns;
    s->r->election_at = hf_raft__later(s->v->now, o->election_ns + extra);
}

/* Others may be bound to this replica, which led, or may have, and leads no more. One that can ask
 * for votes says so by asking; another says it again and again until somebody leads: words of its
 * time may still come. */
static bool owes_release(const hf_raft *r)
{
    return r->led != 0 && r->leader == 0;
}

/* A timer only where there is something to wait for: no leader that is alive. */
void hf_raft__arm(hf_raft__step *s)
{
    hf_raft *r = s->r;
    bool led = r->role == HF_RAFT_LEADER || (r->leader != 0 && hf_raft__promised(r, s->v));
    if (led || !(hf_raft__eligible(r) || owes_release(r))) {
        r->election_at = HF_RAFT_NEVER;
    } else if (r->election_at == HF_RAFT_NEVER || r->leader != 0) {
        arm(s);
    }
}

/* Whoever does not hear of it finds out when this replica asks for votes. */
static void release(hf_raft__step *s)
{
    hf_raft *r = s->r;
    for (uint32_t i = 0; i < r->config.count; i++) {
        if (r->config.node[i] != r->self) {
            (void)hf_raft__send(s,
                                (hf_raft_message){ .kind = HF_RAFT_RELEASE,
                                                   .to = r->config.node[i],
                                                   .term = r->led },
                                HF_RAFT__AT_ONCE);
        }
    }
}

static void leave_leadership(hf_raft__step *s)
{
    hf_raft *r = s->r;
    s->u->reads_failed = s->u->reads_failed || r->asked != r->answered;
    r->transfer = 0;
    r->transfer_at = r->quorum_at = HF_RAFT_NEVER;
    r->lease_off = r->offered = false;
    r->asked = r->round = r->round_index = r->answered = 0;
    r->term_start = 0;
    release(s);
}

void hf_raft__follow(hf_raft__step *s, uint64_t term, uint32_t leader)
{
    hf_raft *r = s->r;
    HF_PRE(term >= r->term);
    bool led = r->role == HF_RAFT_LEADER;
    bool new_term = term > r->term;
    if (led) {
        leave_leadership(s);
    }
    r->role = HF_RAFT_FOLLOWER;
    if (led) {
        hf_raft__reset_peers(r, false);
    }
    if (new_term) {
        r->term = term;
        r->vote = 0;
        r->whole_at = 0;
        s->u->hard = true;
    }
    r->granted = 0;
    bool other = r->leader != leader;
    r->leader = leader;
    r->led = leader == 0 ? r->led : 0;
    if (new_term || led || other) {
        hf_raft__reads_fail(s);
        r->election_at = HF_RAFT_NEVER;
        hf_raft__arm(s);
    }
}

/* ---- Asking for votes ---- */

static void request(hf_raft__step *s, hf_raft_message_kind kind, uint8_t flags, uint64_t term,
                    int when)
{
    hf_raft *r = s->r;
    for (uint32_t i = 0; i < r->config.count; i++) {
        uint32_t node = r->config.node[i];
        if (node != r->self && hf_raft__is_voter(&r->config, node)) {
            (void)hf_raft__send(s,
                                (hf_raft_message){ .kind = (uint8_t)kind,
                                                   .flags = flags,
                                                   .to = node,
                                                   .term = term,
                                                   .index = r->last,
                                                   .log_term = hf_raft__term_at(r, r->last) },
                                when);
        }
    }
}

static void count(hf_raft__step *s, uint32_t node)
{
    hf_raft *r = s->r;
    uint32_t at = hf_raft_config_find(&r->config, node);
    if (at == r->config.count) {
        return; /* not a member of the configuration that decides */
    }
    r->granted |= (uint16_t)(1u << at);
    if (!hf_raft__quorum(&r->config, r->granted)) {
        return;
    }
    if (r->role == HF_RAFT_ASKING) {
        hf_raft__campaign(s, false);
    } else {
        hf_raft__lead(s);
    }
}

/* Asks first whether it would be elected: one that was cut off disturbs nobody when it is back. */
void hf_raft__ask(hf_raft__step *s)
{
    hf_raft *r = s->r;
    r->role = HF_RAFT_ASKING;
    r->leader = 0;
    hf_raft__reads_fail(s);
    r->granted = 0;
    arm(s);
    request(s, HF_RAFT_PREVOTE, 0, r->term + 1, HF_RAFT__AT_ONCE);
    count(s, r->self);
}

/* Others hear of it, and its own vote counts, when term, vote and log are durable: with less it
 * might be elected for a log that it loses. */
void hf_raft__campaign(hf_raft__step *s, bool transfer)
{
    hf_raft *r = s->r;
    r->role = HF_RAFT_CANDIDATE;
    r->leader = 0;
    hf_raft__reads_fail(s);
    r->granted = 0;
    r->term++;
    r->vote = r->self;
    s->u->hard = true;
    forget_promise(r);
    arm(s);
    request(s, HF_RAFT_VOTE, transfer ? HF_RAFT_TRANSFER : 0, r->term, HF_RAFT__DURABLE);
}

void hf_raft__vote_durable(hf_raft__step *s)
{
    hf_raft *r = s->r;
    if (r->hard_write <= r->persisted) {
        count(s, r->self);
    }
}

void hf_raft__election_tick(hf_raft__step *s)
{
    hf_raft *r = s->r;
    if (s->v->now < r->election_at) {
        return;
    }
    if (r->election_at == 0) {
        r->election_at = HF_RAFT_NEVER; /* opened just now */
        hf_raft__arm(s);
        return;
    }
    if (r->leader != 0 && hf_raft__promised(r, s->v)) {
        r->election_at = HF_RAFT_NEVER;
    } else if (!hf_raft__eligible(r)) {
        r->election_at = HF_RAFT_NEVER;
        if (owes_release(r)) {
            release(s);
            arm(s);
        }
    } else if (withheld(r, s->v)) {
        arm(s);
    } else {
        hf_raft__ask(s);
    }
}

/* ---- Giving votes ---- */

static bool up_to_date(const hf_raft *r, const hf_raft_message *m)
{
    uint64_t term = hf_raft__term_at(r, r->last);
    return m->log_term > term || (m->log_term == term && m->index >= r->last);
}

static void reply(hf_raft__step *s, const hf_raft_message *m, bool granted, uint64_t term)
{
    bool pre = m->kind == HF_RAFT_PREVOTE;
    (void)hf_raft__send(s,
                        (hf_raft_message){ .kind = pre ? HF_RAFT_PREVOTE_REPLY : HF_RAFT_VOTE_REPLY,
                                           .flags = granted ? 0 : HF_RAFT_REJECT,
                                           .to = m->from,
                                           .term = term },
                        HF_RAFT__DURABLE);
}

/* The one who was promised asks for votes of a later term: it leads no more. */
static void asked_by_promised(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    if (m->from == r->promise_node && m->term > r->promise_term) {
        forget_promise(r);
        if (r->leader == m->from) {
            r->leader = 0;
            hf_raft__reads_fail(s);
        }
        hf_raft__arm(s);
    }
}

static void on_prevote(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    bool yes = m->term > r->term && up_to_date(r, m) && r->nonce == 0 && !withheld(r, s->v);
    reply(s, m, yes, yes ? m->term : r->term);
    if (!yes && r->role == HF_RAFT_LEADER) {
        uint32_t at = hf_raft_config_find(&r->config, m->from);
        if (at < r->config.count) {
            hf_raft__beat(s, at); /* it does not know who leads */
        }
    }
}

void hf_raft__on_vote(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    asked_by_promised(s, m);
    if (m->kind == HF_RAFT_PREVOTE) {
        on_prevote(s, m);
        return;
    }
    if (m->term < r->term) {
        reply(s, m, false, r->term);
        return;
    }
    if ((m->flags & HF_RAFT_TRANSFER) == 0 && withheld(r, s->v)) {
        return; /* its term neither: a leader that is alive goes on */
    }
    if (m->term > r->term) {
        hf_raft__follow(s, m->term, 0);
    }
    bool yes =
        (r->vote == 0 || r->vote == m->from) && up_to_date(r, m) && r->nonce == 0 && r->leader == 0;
    if (yes && r->vote == 0) {
        HF_ASSERT(r->role == HF_RAFT_FOLLOWER || r->role == HF_RAFT_ASKING);
        r->role = HF_RAFT_FOLLOWER;
        r->granted = 0;
        r->vote = m->from;
        s->u->hard = true;
        r->election_at = HF_RAFT_NEVER;
        hf_raft__arm(s);
    }
    reply(s, m, yes, r->term);
}

void hf_raft__on_vote_reply(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    bool pre = m->kind == HF_RAFT_PREVOTE_REPLY;
    if ((m->flags & HF_RAFT_REJECT) != 0) {
        if (m->term > r->term) {
            hf_raft__follow(s, m->term, 0);
        }
        return;
    }
    hf_raft_role asked = pre ? HF_RAFT_ASKING : HF_RAFT_CANDIDATE;
    if (r->role == asked && m->term == r->term + pre) {
        count(s, m->from);
    }
}

void hf_raft__on_release(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    if (m->from == r->promise_node && m->term >= r->promise_term) {
        forget_promise(r);
    }
    if (m->term >= r->term && m->from == r->leader) {
        r->leader = 0;
        hf_raft__reads_fail(s);
        hf_raft__arm(s);
    }
}
