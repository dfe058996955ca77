#include "txn/raft/raft.h"
#include "engine/base/assert.h"
#include "txn/raft/raft_impl.h"

#include <string.h>

/* Until the number of this step's write is known. */
#define PENDING UINT64_MAX

/* ---- One block ---- */

size_t hf_raft_size(const hf_raft_limits *limits)
{
    HF_PRE(limits->members >= 1 && limits->members <= HF_RAFT_MEMBERS_MAX && limits->runs >= 2);
    return sizeof(hf_raft) + limits->members * sizeof(hf_raft__peer) +
           limits->runs * sizeof(hf_raft__run);
}

hf_raft *hf_raft_open(void *at, const hf_raft_limits *limits, const hf_raft_start *start)
{
    HF_PRE(start->self != 0 && start->applied >= start->index);
    hf_raft *r = at;
    memset(r, 0, hf_raft_size(limits));
    r->members_max = limits->members;
    r->runs_max = limits->runs;
    r->self = start->self;
    r->term = start->term;
    r->vote = start->vote;
    r->nonce = start->nonce;
    r->base = r->last = r->stable = start->index;
    r->base_term = start->log_term;
    r->commit = r->handed = r->applied = start->applied;
    r->config = r->before = start->config;
    r->config_index = r->before_index = start->index;
    r->cramped = start->config.count > limits->members;
    /* It may have led, and words of that may still be on their way and bind others. */
    r->led = start->term;
    r->quorum_at = r->transfer_at = r->read_at = HF_RAFT_NEVER;
    return r;
}

bool hf_raft_replay(hf_raft *r, const hf_raft_entry *entry)
{
    HF_PRE(r->election_at == 0 && r->write == 0 && entry->term <= r->term);
    if (!hf_raft__fits(r, entry->term)) {
        return false;
    }
    hf_raft__push(r, entry->term);
    r->stable = r->last;
    if (entry->kind == HF_RAFT_CONFIG) {
        hf_raft__adopt(r, r->last, entry->config);
    }
    return true;
}

hf_raft *hf_raft_move(void *at, const hf_raft_limits *limits, const hf_raft *old)
{
    HF_PRE(limits->members >= old->members_max && limits->runs >= old->runs_max && at != old);
    hf_raft *r = at;
    memset(r, 0, hf_raft_size(limits));
    *r = *old;
    r->members_max = limits->members;
    r->runs_max = limits->runs;
    r->cramped = r->config.count > limits->members || r->runs == limits->runs;
    if (r->role != HF_RAFT_LEADER) {
        r->election_at = 0; /* it may be able to lead now */
    }
    memcpy(hf_raft__peers(r), hf_raft__peers_of(old), old->members_max * sizeof(hf_raft__peer));
    memcpy(hf_raft__runs(r), hf_raft__runs_of(old), old->runs * sizeof(hf_raft__run));
    return r;
}

/* ---- What goes out ---- */

bool hf_raft__send(hf_raft__step *s, hf_raft_message message, int when)
{
    hf_raft_update *u = s->u;
    HF_PRE(message.to != s->r->self && message.to != 0);
    if (u->message_count == HF_RAFT_MESSAGES_MAX) {
        return false;
    }
    message.from = s->r->self;
    message.after = when == HF_RAFT__DURABLE ? PENDING : 0;
    u->message[u->message_count++] = message;
    return true;
}

void hf_raft__touch(hf_raft__step *s, uint64_t index)
{
    s->u->first = hf_raft__least(s->u->first, index);
}

void hf_raft__make(hf_raft__step *s, hf_raft_entry_kind kind, const hf_raft_config *config)
{
    hf_raft *r = s->r;
    hf_raft_update *u = s->u;
    HF_ASSERT(u->made_count < HF_RAFT_MADE_MAX);
    hf_raft__push(r, r->term);
    hf_raft__touch(s, r->last);
    hf_raft_made *made = &u->made[u->made_count++];
    *made = (hf_raft_made){ .index = r->last, .kind = kind };
    if (config != NULL) {
        made->config = *config;
        hf_raft__adopt(r, r->last, config);
    }
}

static void begin(hf_raft__step *s)
{
    hf_raft_update *u = s->u;
    memset(u, 0, offsetof(hf_raft_update, message));
    u->first = HF_RAFT_NEVER;
    u->apply_first = 1;
}

/* Numbers the write, and says of each message which write it waits for. */
static void order(hf_raft__step *s)
{
    hf_raft *r = s->r;
    hf_raft_update *u = s->u;
    u->last = r->last;
    if (u->hard || u->install || u->first != HF_RAFT_NEVER) {
        u->write = ++r->write;
        r->hard_write = u->hard ? r->write : r->hard_write;
        u->term = r->term;
        u->vote = r->vote;
        u->nonce = r->nonce;
    }
    if (r->cut_write == PENDING) {
        HF_ASSERT(u->write != 0);
        r->cut_write = r->write;
    }
    if (u->first == HF_RAFT_NEVER) {
        u->first = r->last + 1;
    }
    for (uint32_t i = 0; i < u->message_count; i++) {
        hf_raft_message *m = &u->message[i];
        bool log = m->after == PENDING;
        /* No word of a term or a vote that a crash could take back. */
        uint64_t write = log ? r->write : r->hard_write;
        m->after = write > r->persisted ? write : 0;
    }
}

static uint64_t wake_at(const hf_raft *r)
{
    return r->role == HF_RAFT_LEADER ? hf_raft__leader_wake(r)
                                     : hf_raft__least(r->election_at, r->read_at);
}

static void finish(hf_raft__step *s)
{
    hf_raft *r = s->r;
    hf_raft_update *u = s->u;
    order(s);
    if (r->commit > r->handed) {
        u->apply_first = r->handed + 1;
        u->apply_last = r->handed = r->commit;
    }
    u->wake_at = wake_at(r);
    u->cramped = r->cramped;
}

/* ---- Events ---- */

static bool from_leader(const hf_raft_message *m)
{
    return m->kind == HF_RAFT_APPEND || m->kind == HF_RAFT_BEAT || m->kind == HF_RAFT_SNAPSHOT;
}

/* Answers to a question of an older term say nothing now; of a newer one, that it is over. */
static void dispatch(hf_raft__step *s, const hf_raft_message *m, const hf_raft_entry *entries)
{
    hf_raft *r = s->r;
    switch ((hf_raft_message_kind)m->kind) {
    case HF_RAFT_APPEND:
        hf_raft__on_append(s, m, entries);
        break;
    case HF_RAFT_BEAT:
        hf_raft__on_beat(s, m);
        break;
    case HF_RAFT_SNAPSHOT:
        hf_raft__on_snapshot(s, m);
        break;
    case HF_RAFT_APPEND_REPLY:
        hf_raft__on_append_reply(s, m);
        break;
    case HF_RAFT_BEAT_REPLY:
        hf_raft__on_beat_reply(s, m);
        break;
    case HF_RAFT_SNAPSHOT_REPLY:
        hf_raft__on_snapshot_reply(s, m);
        break;
    case HF_RAFT_CAMPAIGN:
        if (r->role != HF_RAFT_LEADER && m->from == r->leader && hf_raft__eligible(r)) {
            hf_raft__campaign(s, true);
        }
        break;
    case HF_RAFT_READ_AT_REPLY:
        hf_raft__on_read_at_reply(s, m);
        break;
    case HF_RAFT_PREVOTE:
    case HF_RAFT_PREVOTE_REPLY:
    case HF_RAFT_VOTE:
    case HF_RAFT_VOTE_REPLY:
    case HF_RAFT_RELEASE:
    case HF_RAFT_READ_AT:
        HF_UNREACHABLE();
    }
}

static void receive(hf_raft__step *s, const hf_raft_message *m, const hf_raft_entry *entries)
{
    hf_raft *r = s->r;
    HF_PRE(m->to == r->self && m->from != r->self && m->from != 0);
    switch ((hf_raft_message_kind)m->kind) {
    case HF_RAFT_PREVOTE:
    case HF_RAFT_VOTE:
        hf_raft__on_vote(s, m);
        return;
    case HF_RAFT_PREVOTE_REPLY:
    case HF_RAFT_VOTE_REPLY:
        hf_raft__on_vote_reply(s, m);
        return;
    case HF_RAFT_RELEASE:
        hf_raft__on_release(s, m);
        return;
    case HF_RAFT_READ_AT:
        hf_raft__on_read_at(s, m);
        return;
    case HF_RAFT_APPEND:
    case HF_RAFT_BEAT:
    case HF_RAFT_SNAPSHOT:
    case HF_RAFT_APPEND_REPLY:
    case HF_RAFT_BEAT_REPLY:
    case HF_RAFT_SNAPSHOT_REPLY:
    case HF_RAFT_CAMPAIGN:
    case HF_RAFT_READ_AT_REPLY:
        break;
    }
    if (m->term < r->term) {
        if (from_leader(m)) {
            hf_raft__too_old(s, m);
        }
        return;
    }
    if (from_leader(m)) {
        HF_ASSERT(m->term > r->term || r->role != HF_RAFT_LEADER); /* one leader in a term */
        hf_raft__follow(s, m->term, m->from);
        hf_raft__promise(s, m->from);
    } else if (m->term > r->term) {
        hf_raft__follow(s, m->term, 0);
        return;
    }
    dispatch(s, m, entries);
}

static hf_err propose(hf_raft__step *s, uint64_t count)
{
    hf_raft *r = s->r;
    if (r->role != HF_RAFT_LEADER) {
        return HF_E_MOVED;
    }
    if (r->transfer != 0) {
        return HF_E_BUSY;
    }
    if (r->last - r->commit + count > s->v->options->uncommitted) {
        return HF_E_FULL;
    }
    hf_raft__touch(s, r->last + 1);
    for (uint64_t i = 0; i < count; i++) {
        hf_raft__push(r, r->term);
    }
    hf_raft__send_all(s);
    return HF_OK;
}

/* The writes before it are durable too: they are in order. */
static void persisted(hf_raft__step *s, uint64_t write, uint64_t index)
{
    hf_raft *r = s->r;
    HF_PRE(write > r->persisted && write <= r->write);
    r->persisted = write;
    if (write >= r->cut_write) {
        HF_ASSERT(index <= r->last);
        r->stable = hf_raft__most(r->stable, index);
    }
    hf_raft__whole(s);
    if (r->role == HF_RAFT_CANDIDATE) {
        hf_raft__vote_durable(s);
    } else if (r->role == HF_RAFT_LEADER) {
        hf_raft__advance(s);
    }
}

static void applied(hf_raft *r, uint64_t index)
{
    HF_PRE(index <= r->handed);
    r->applied = hf_raft__most(r->applied, index);
}

static void compact(hf_raft *r, uint64_t index)
{
    HF_PRE(index <= r->applied && index <= r->stable);
    if (index > r->base) {
        hf_raft__compact(r, index);
    }
}

static void tick(hf_raft__step *s)
{
    if (s->r->role == HF_RAFT_LEADER) {
        hf_raft__leader_tick(s);
    } else {
        hf_raft__election_tick(s);
        hf_raft__reads_tick(s);
    }
}

static void liveness(hf_raft__step *s, uint32_t node)
{
    if (s->r->role == HF_RAFT_LEADER) {
        hf_raft__peer_changed(s, node);
    } else {
        hf_raft__arm(s);
    }
}

hf_err hf_raft_step(hf_raft *r, const hf_raft_view *view, const hf_raft_event *event,
                    hf_raft_update *update)
{
    hf_raft__step s = { r, view, update };
    hf_err err = HF_OK;
    begin(&s);
    switch ((hf_raft_event_kind)event->kind) {
    case HF_RAFT_TICK:
        tick(&s);
        break;
    case HF_RAFT_RECEIVE:
        receive(&s, event->message, event->entries);
        break;
    case HF_RAFT_PROPOSE:
        err = propose(&s, event->count);
        break;
    case HF_RAFT_CHANGE:
        err = hf_raft__change(&s, event->config);
        break;
    case HF_RAFT_HAND_OVER:
        err = hf_raft__hand_over(&s, event->node);
        break;
    case HF_RAFT_READ:
        err = hf_raft__read(&s);
        break;
    case HF_RAFT_PERSISTED:
        persisted(&s, event->write, event->index);
        break;
    case HF_RAFT_APPLIED:
        applied(r, event->index);
        break;
    case HF_RAFT_COMPACT:
        compact(r, event->index);
        break;
    case HF_RAFT_LIVENESS:
        liveness(&s, event->node);
        break;
    }
    finish(&s);
    return err;
}

/* ---- Questions ---- */

hf_raft_role hf_raft_role_of(const hf_raft *r)
{
    return (hf_raft_role)r->role;
}

uint64_t hf_raft_term(const hf_raft *r)
{
    return r->term;
}

uint32_t hf_raft_leader(const hf_raft *r)
{
    return r->leader;
}

uint64_t hf_raft_commit(const hf_raft *r)
{
    return r->commit;
}

uint64_t hf_raft_last(const hf_raft *r)
{
    return r->last;
}

const hf_raft_config *hf_raft_members(const hf_raft *r, uint64_t *index)
{
    *index = r->config_index;
    return &r->config;
}

bool hf_raft_match(const hf_raft *r, uint32_t node, uint64_t *match)
{
    uint32_t at = hf_raft_config_find(&r->config, node);
    if (r->role != HF_RAFT_LEADER || at == r->config.count) {
        return false;
    }
    *match = node == r->self ? r->stable : hf_raft__peers_of(r)[at].match;
    return true;
}

uint64_t hf_raft_sends_snapshot(const hf_raft *r)
{
    uint64_t oldest = HF_RAFT_NEVER;
    for (uint32_t i = 0; r->role == HF_RAFT_LEADER && i < r->config.count; i++) {
        const hf_raft__peer *p = &hf_raft__peers_of(r)[i];
        if (p->state == HF_RAFT__SNAPSHOT) {
            oldest = hf_raft__least(oldest, p->snap_index);
        }
    }
    return oldest == HF_RAFT_NEVER ? 0 : oldest;
}

const char *hf_raft_role_name(hf_raft_role role)
{
    static const char *const names[] = {
        [HF_RAFT_FOLLOWER] = "follower",
        [HF_RAFT_ASKING] = "asking",
        [HF_RAFT_CANDIDATE] = "candidate",
        [HF_RAFT_LEADER] = "leader",
    };
    return names[role];
}

const char *hf_raft_message_name(hf_raft_message_kind kind)
{
    static const char *const names[] = {
        [HF_RAFT_PREVOTE] = "prevote",   [HF_RAFT_PREVOTE_REPLY] = "prevote-reply",
        [HF_RAFT_VOTE] = "vote",         [HF_RAFT_VOTE_REPLY] = "vote-reply",
        [HF_RAFT_APPEND] = "append",     [HF_RAFT_APPEND_REPLY] = "append-reply",
        [HF_RAFT_BEAT] = "beat",         [HF_RAFT_BEAT_REPLY] = "beat-reply",
        [HF_RAFT_SNAPSHOT] = "snapshot", [HF_RAFT_SNAPSHOT_REPLY] = "snapshot-reply",
        [HF_RAFT_CAMPAIGN] = "campaign", [HF_RAFT_RELEASE] = "release",
        [HF_RAFT_READ_AT] = "read-at",   [HF_RAFT_READ_AT_REPLY] = "read-at-reply",
    };
    return names[kind];
}

static void check_runs(const hf_raft *r)
{
    const hf_raft__run *run = hf_raft__runs_of(r);
    HF_ASSERT((r->runs == 0) == (r->last == r->base));
    for (uint32_t i = 0; i < r->runs; i++) {
        HF_ASSERT(i != 0 || run[i].first == r->base + 1);
        HF_ASSERT(i == 0 || (run[i].first > run[i - 1].first && run[i].term > run[i - 1].term));
        HF_ASSERT(run[i].first <= r->last && run[i].term <= r->term);
    }
}

static void check_peers(const hf_raft *r)
{
    const hf_raft__peer *peers = hf_raft__peers_of(r);
    for (uint32_t i = 0; i < r->config.count; i++) {
        const hf_raft__peer *p = &peers[i];
        HF_ASSERT(p->node == r->config.node[i]);
        HF_ASSERT(p->match < p->next && p->match <= r->last && p->next <= r->last + 1);
        HF_ASSERT(p->sent == 0 || p->state == HF_RAFT__REPLICATE);
        HF_ASSERT(p->commit <= r->commit && p->told <= r->commit);
    }
}

void hf_raft_check(const hf_raft *r)
{
    HF_ASSERT(r->base <= r->applied && r->applied <= r->handed && r->handed <= r->commit);
    HF_ASSERT(r->commit <= r->last && r->stable <= r->last);
    HF_ASSERT(r->persisted <= r->write && r->hard_write <= r->write && r->cut_write <= r->write);
    HF_ASSERT(r->before_index <= r->config_index && r->config_index <= r->last);
    HF_ASSERT(r->round <= r->asked && r->answered <= r->round);
    check_runs(r);
    if (r->role == HF_RAFT_LEADER) {
        HF_ASSERT(r->leader == r->self && r->led == r->term && r->nonce == 0);
        HF_ASSERT(r->read_at == HF_RAFT_NEVER);
        check_peers(r);
    } else {
        HF_ASSERT((r->read_at == HF_RAFT_NEVER) == (r->round == r->answered));
        HF_ASSERT(r->leader != 0 || r->asked == r->answered);
        HF_ASSERT(r->transfer == 0 && r->quorum_at == HF_RAFT_NEVER);
        HF_ASSERT(r->leader != r->self);
    }
}
