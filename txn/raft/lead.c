/* What a leader may do besides: reads without the log, its followers' too, handing over, changing
 * the members. */
#include "engine/base/assert.h"
#include "txn/raft/raft_impl.h"

/* ---- Leases and check quorum ---- */

/* Until when a quorum keeps its promise to this leader. A member's promise counts in the epoch of
 * its node under which it was given, as long as that one lives. */
uint64_t hf_raft__lease_until(const hf_raft *r, const hf_raft_view *v)
{
    uint64_t until[HF_RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < r->config.count; i++) {
        const hf_raft__peer *p = &hf_raft__peers_of(r)[i];
        uint64_t epoch = 0;
        until[i] = hf_liveness_has(v->live, p->node, &epoch);
        if (p->node == r->self) {
            until[i] = HF_RAFT_NEVER;
        } else if (p->epoch == 0 || p->epoch != epoch) {
            until[i] = 0;
        }
    }
    return hf_raft__quorum_value(&r->config, until);
}

bool hf_raft_may_read(const hf_raft *r, const hf_raft_view *v, uint64_t *index)
{
    *index = r->commit;
    return r->role == HF_RAFT_LEADER && v->options->leases && hf_liveness_trusted(v->live) &&
           !r->lease_off && r->commit >= r->term_start && v->now < hf_raft__lease_until(r, v);
}

/* A leader that a quorum does not follow gives up: its clients shall look for another. */
void hf_raft__check_quorum(hf_raft__step *s)
{
    hf_raft *r = s->r;
    uint64_t now = s->v->now;
    if (hf_raft__lease_until(r, s->v) > now) {
        r->quorum_at = HF_RAFT_NEVER;
    } else if (r->quorum_at == HF_RAFT_NEVER) {
        r->quorum_at = hf_raft__later(now, s->v->options->quorum_ns);
    } else if (now >= r->quorum_at) {
        hf_raft__follow(s, r->term, 0);
    }
}

/* ---- Reads ---- */

/* One round of beats asks a quorum, after the read was asked for, whether this is still the leader;
 * all reads that come while a round is on its way share the next one. */
static void begin_round(hf_raft__step *s)
{
    hf_raft *r = s->r;
    if (r->answered != r->round || r->asked == r->round || r->commit < r->term_start) {
        return;
    }
    r->round = r->asked;
    r->round_index = r->commit;
    for (uint32_t i = 0; i < r->config.count; i++) {
        hf_raft__beat(s, i);
    }
}

/* What members asked for before the round that is over began. */
static void answer_members(hf_raft__step *s)
{
    hf_raft *r = s->r;
    for (uint32_t i = 0; i < r->config.count; i++) {
        hf_raft__peer *p = &hf_raft__peers(r)[i];
        if (p->wants != 0 && p->wants_round <= r->answered) {
            (void)hf_raft__send(s,
                                (hf_raft_message){ .kind = HF_RAFT_READ_AT_REPLY,
                                                   .to = p->node,
                                                   .term = r->term,
                                                   .index = r->round_index,
                                                   .read = p->wants },
                                HF_RAFT__AT_ONCE);
            p->wants = 0;
        }
    }
}

void hf_raft__reads_go_on(hf_raft__step *s)
{
    hf_raft *r = s->r;
    if (r->role != HF_RAFT_LEADER) {
        return;
    }
    begin_round(s);
    while (r->answered != r->round) {
        uint32_t there = 0;
        for (uint32_t i = 0; i < r->config.count; i++) {
            const hf_raft__peer *p = &hf_raft__peers_of(r)[i];
            there |= (uint32_t)(p->node == r->self || p->read >= r->round) << i;
        }
        if (!hf_raft__quorum(&r->config, there)) {
            return;
        }
        r->answered = r->round;
        s->u->read = r->round;
        s->u->read_index = r->round_index;
        answer_members(s);
        begin_round(s);
    }
}

/* ---- Reads of a follower: it asks its leader, which asks a quorum ---- */

static void question(hf_raft__step *s)
{
    hf_raft *r = s->r;
    (void)hf_raft__send(
        s,
        (hf_raft_message){
            .kind = HF_RAFT_READ_AT, .to = r->leader, .term = r->term, .read = r->round },
        HF_RAFT__AT_ONCE);
    r->read_at = hf_raft__later(s->v->now, s->v->options->resend_ns);
}

/* One question at a time, for all reads that came before it. */
static void ask_leader(hf_raft__step *s)
{
    hf_raft *r = s->r;
    if (r->round == r->answered && r->asked != r->round) {
        r->round = r->asked;
        question(s);
    }
}

hf_err hf_raft__read(hf_raft__step *s)
{
    hf_raft *r = s->r;
    if (r->role == HF_RAFT_LEADER) {
        s->u->asked = ++r->asked;
        hf_raft__reads_go_on(s);
        return HF_OK;
    }
    if (r->leader == 0) {
        return HF_E_MOVED;
    }
    uint64_t least = (uint64_t)s->v->live->start << 32;
    if (r->asked < least) {
        r->asked = r->round = r->answered = least;
    }
    s->u->asked = ++r->asked;
    ask_leader(s);
    return HF_OK;
}

void hf_raft__reads_fail(hf_raft__step *s)
{
    hf_raft *r = s->r;
    s->u->reads_failed = s->u->reads_failed || r->asked != r->answered;
    r->answered = r->round = r->asked;
    r->read_at = HF_RAFT_NEVER;
}

void hf_raft__reads_tick(hf_raft__step *s)
{
    hf_raft *r = s->r;
    if (r->role == HF_RAFT_LEADER || s->v->now < r->read_at) {
        return;
    }
    if (hf_raft__alive(s, r->leader)) {
        question(s);
    } else {
        hf_raft__reads_fail(s);
    }
}

/* Whoever does not lead this member, or not any more, says so. */
void hf_raft__on_read_at(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    uint32_t at = hf_raft_config_find(&r->config, m->from);
    if (r->role != HF_RAFT_LEADER || m->term != r->term || at == r->config.count) {
        if (m->term <= r->term) {
            (void)hf_raft__send(s,
                                (hf_raft_message){ .kind = HF_RAFT_READ_AT_REPLY,
                                                   .flags = HF_RAFT_REJECT,
                                                   .to = m->from,
                                                   .term = r->term,
                                                   .read = m->read },
                                HF_RAFT__AT_ONCE);
        }
        return;
    }
    hf_raft__peer *p = &hf_raft__peers(r)[at];
    if (m->read > p->wants) {
        p->wants = m->read;
        p->wants_round = ++r->asked; /* a round that begins from now on */
        hf_raft__reads_go_on(s);
    }
}

void hf_raft__on_read_at_reply(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    if (m->from != r->leader || m->read != r->round || r->round == r->answered) {
        return;
    }
    if ((m->flags & HF_RAFT_REJECT) != 0) {
        hf_raft__reads_fail(s);
        return;
    }
    r->answered = r->round;
    r->read_at = HF_RAFT_NEVER;
    s->u->read = r->answered;
    s->u->read_index = m->index;
    ask_leader(s);
}

/* ---- Handing over ---- */

hf_err hf_raft__hand_over(hf_raft__step *s, uint32_t node)
{
    hf_raft *r = s->r;
    if (r->role != HF_RAFT_LEADER) {
        return HF_E_MOVED;
    }
    uint32_t at = hf_raft_config_find(&r->config, node);
    if (node == r->self || at == r->config.count || (r->config.role[at] & HF_RAFT_VOTER) == 0) {
        return HF_E_INVALID;
    }
    if (r->transfer != 0) {
        return HF_E_BUSY;
    }
    r->transfer = node;
    r->transfer_at = hf_raft__later(s->v->now, s->v->options->election_ns);
    hf_raft__offer(s);
    return HF_OK;
}

/* From the offer on there may be another leader at any time, promises or not: no lease any more in
 * this term, even if nothing comes of it. */
static void send_offer(hf_raft__step *s, uint32_t node)
{
    hf_raft *r = s->r;
    r->lease_off = true;
    (void)hf_raft__send(s,
                        (hf_raft_message){ .kind = HF_RAFT_CAMPAIGN, .to = node, .term = r->term },
                        HF_RAFT__AT_ONCE);
}

/* ... when it has the whole log. */
void hf_raft__offer(hf_raft__step *s)
{
    hf_raft *r = s->r;
    uint64_t match = 0;
    if (r->transfer != 0 && !r->offered && hf_raft_match(r, r->transfer, &match) &&
        match == r->last) {
        r->offered = true;
        send_offer(s, r->transfer);
    }
}

/* Nobody took it in time. What was offered stays offered in this term, so there is no lease in it:
 * a term of its own again, if a quorum will have it. True: leads no more, for now. */
bool hf_raft__end_hand_over(hf_raft__step *s)
{
    hf_raft *r = s->r;
    r->transfer = 0;
    r->offered = false;
    r->transfer_at = HF_RAFT_NEVER;
    if (!r->lease_off || !s->v->options->leases || !hf_raft__eligible(r)) {
        return false;
    }
    hf_raft__follow(s, r->term, 0);
    hf_raft__ask(s);
    return true;
}

/* ---- Members ---- */

/* New voters must have almost all of the log: else nothing is committed until they have. */
static bool caught_up(const hf_raft__step *s, const hf_raft_config *target)
{
    const hf_raft *r = s->r;
    for (uint32_t i = 0; i < target->count; i++) {
        uint64_t match = 0;
        if (target->role[i] == HF_RAFT_VOTER && !hf_raft__is_voter(&r->config, target->node[i]) &&
            (!hf_raft_match(r, target->node[i], &match) ||
             match + s->v->options->behind < r->commit)) {
            return false;
        }
    }
    return true;
}

static bool has_room(const hf_raft *r, const hf_raft_config *target)
{
    uint32_t count = target->count;
    for (uint32_t i = 0; i < r->config.count; i++) {
        count += hf_raft_config_find(target, r->config.node[i]) == target->count;
    }
    return count <= r->members_max;
}

hf_err hf_raft__change(hf_raft__step *s, const hf_raft_config *target)
{
    hf_raft *r = s->r;
    if (r->role != HF_RAFT_LEADER) {
        return HF_E_MOVED;
    }
    if (!hf_raft__legal(target)) {
        return HF_E_INVALID;
    }
    if (r->transfer != 0 || r->commit < r->term_start || r->config_index > r->commit ||
        hf_raft_config_joint(&r->config)) {
        return HF_E_BUSY;
    }
    if (!has_room(r, target)) {
        return HF_E_FULL;
    }
    if (!caught_up(s, target)) {
        return HF_E_COND;
    }
    hf_raft_config next = hf_raft__joint(&r->config, target);
    hf_raft__make(s, HF_RAFT_CONFIG, &next);
    hf_raft__send_all(s);
    return HF_OK;
}

/* The joint one is committed: both majorities know of the new members. On to them alone. And
 * whoever leads without being one of them leads to the end of that, and no longer. */
void hf_raft__config_committed(hf_raft__step *s)
{
    hf_raft *r = s->r;
    if (hf_raft_config_joint(&r->config)) {
        hf_raft_config next = hf_raft__leave(&r->config);
        hf_raft__make(s, HF_RAFT_CONFIG, &next);
        return;
    }
    if (hf_raft__is_voter(&r->config, r->self)) {
        return;
    }
    uint32_t best = 0;
    for (uint32_t i = 1; i < r->config.count; i++) {
        if (hf_raft__is_voter(&r->config, r->config.node[i]) &&
            (!hf_raft__is_voter(&r->config, r->config.node[best]) ||
             hf_raft__peers_of(r)[i].match > hf_raft__peers_of(r)[best].match)) {
            best = i;
        }
    }
    hf_raft__send_all(s);
    send_offer(s, r->config.node[best]);
    hf_raft__follow(s, r->term, 0);
}
