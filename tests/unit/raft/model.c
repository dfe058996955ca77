/* What can be done in the model. */
#include "tests/unit/raft/model.h"
#include "engine/base/assert.h"
#include "engine/base/hash.h"
#include "tests/unit/raft/model_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grow(void *at, uint32_t *room, uint32_t count, size_t size)
{
    if (count < *room) {
        return at;
    }
    *room = *room * 2 + 1024;
    void *now = realloc(at, *room * size);
    HF_ASSERT(now != NULL);
    return now;
}

/* ---- What a node sees ---- */

static const hf_raft_options options = { .quorum_ns = HF_RAFT_NEVER,
                                         .message_bytes = 2,
                                         .window_bytes = 4,
                                         .uncommitted = 4,
                                         .window = 2,
                                         .leases = true };

static const hf_raft_options one_by_one = { .quorum_ns = HF_RAFT_NEVER,
                                            .message_bytes = 1,
                                            .window_bytes = 4,
                                            .uncommitted = 4,
                                            .window = 2,
                                            .leases = true };

typedef struct place_world {
    node_world w;
    hf_liveness_options l;
} place_world;

static void world_of(const model *m, uint32_t place, uint8_t now, place_world *p)
{
    const model_config *c = m->config;
    p->l = (hf_liveness_options){ c->interval, c->support, c->margin };
    p->w = (node_world){ .options = c->batch == 1 ? &one_by_one : &options,
                         .liveness = &p->l,
                         .now = 1 + (uint64_t)now * c->rate[place] };
}

static bool timeless(const model_config *c)
{
    return c->rate[0] == 0;
}

static void start(const model *m, node *n, uint8_t now, bool first)
{
    place_world p;
    bool still = timeless(m->config);
    world_of(m, n->self - 1, now, &p);
    node_start(n, &p.w, first || still, MODEL_NODES);
    for (uint32_t i = 0; still && i < n->live.count; i++) {
        n->live.peer[i].has_epoch = 1; /* all are alive, and promise nothing */
        n->live.peer[i].has_until = HF_RAFT_NEVER;
        n->live.peer[i].ask_at = HF_RAFT_NEVER;
    }
    node_out out = { .count = 0 };
    node_tick(n, &p.w, &out); /* arms */
    HF_ASSERT(out.count == 0);
}

static hf_raft_config members(uint32_t voters, uint32_t learners)
{
    hf_raft_config c = { .count = 0 };
    for (uint32_t i = 0; i < MODEL_NODES; i++) {
        if (((voters | learners) >> i & 1) != 0) {
            c.node[c.count] = i + 1;
            c.role[c.count++] = (voters >> i & 1) != 0 ? HF_RAFT_VOTER : HF_RAFT_LEARNER;
        }
    }
    return c;
}

/* ---- Numbers ---- */

static void sum_up(const node *n, summary *s)
{
    const hf_raft *r = node_raft_of(n);
    memset(s, 0, sizeof *s);
    s->term = r->term;
    s->disk_term = n->disk.term;
    s->wake_at = n->wake_at;
    s->live_wake_at = n->live_wake_at;
    s->base = n->log.base;
    s->base_term = r->base_term;
    s->last = r->last;
    s->commit = r->commit;
    s->digest = n->log.digest;
    s->config_index = r->config_index;
    s->base_config = n->log.config;
    s->disk_base = n->disk.log.base;
    s->disk_last = n->disk.log.base + n->disk.log.count;
    s->config = node_config(&r->config);
    s->start = n->start;
    s->role = r->role;
    s->leader = (uint8_t)r->leader;
    s->writes = (uint8_t)n->write_count;
    s->nonce = r->nonce != 0;
    s->joint = hf_raft_config_joint(&r->config);
    for (uint32_t i = 0; i < MODEL_NODES; i++) {
        uint64_t match = 0;
        (void)hf_raft_match(r, i + 1, &match);
        s->match[i] = (uint8_t)match;
    }
    HF_ASSERT(n->log.count <= SUMMARY_LOG && n->disk.log.count <= SUMMARY_LOG);
    for (uint32_t i = 0; i < n->log.count; i++) {
        const node_entry *e = &n->log.entry[i];
        s->log[i].term = (uint8_t)e->term;
        s->log[i].kind = (uint8_t)e->kind;
        s->log[i].value = (uint8_t)e->value;
    }
    for (uint32_t i = 0; i < n->disk.log.count; i++) {
        s->disk[i].term = (uint8_t)n->disk.log.entry[i].term;
    }
}

static uint32_t number_of(model *m, const node *n)
{
    uint32_t number = intern_put(&m->nodes, n);
    if (number == m->summaries_count) {
        m->summaries = grow(m->summaries, &m->summaries_room, number, sizeof *m->summaries);
        sum_up(n, &m->summaries[m->summaries_count++]);
    }
    return number;
}

const summary *model__summary(const model *m, const model_state *s, uint32_t place)
{
    return &m->summaries[s->node[place]];
}

void model__open(model *m, const model_config *config, model_state *first)
{
    memset(m, 0, sizeof *m);
    m->config = config;
    intern_open(&m->nodes, sizeof(node));
    intern_open(&m->packets, sizeof(node_packet));
    m->mask = (1u << 16) - 1;
    m->slots = calloc((size_t)m->mask + 1, sizeof *m->slots);
    HF_ASSERT(m->slots != NULL);
    memset(first, 0, sizeof *first);
    uint32_t voters = (1u << config->voters) - 1;
    hf_raft_config c = members(voters, ((1u << MODEL_NODES) - 1) & ~voters);
    static node n;
    for (uint32_t i = 0; i < MODEL_NODES; i++) {
        node_format(&n, i + 1, &c);
        start(m, &n, 0, true);
        first->node[i] = number_of(m, &n);
    }
    memcpy(first->left, config->budget, sizeof first->left);
}

void model__close(model *m)
{
    intern_close(&m->nodes);
    intern_close(&m->packets);
    free(m->summaries);
    free(m->outcomes);
    free(m->slots);
    free(m->outs);
}

/* ---- One node does something ---- */

static bool act(const model *m, node *n, action a, uint8_t now, node_out *out)
{
    place_world p;
    uint32_t argument = a & 0xffff;
    world_of(m, n->self - 1, now, &p);
    switch ((action_kind)(a >> 24)) {
    case A_TICK:
        node_tick(n, &p.w, out);
        return true;
    case A_LIVE:
        node_live_tick(n, &p.w, out);
        return true;
    case A_FLUSH:
        return node_flush(n, &p.w, out);
    case A_LOSE:
    case A_CRASH:
        node_crash(n);
        if (a >> 24 == A_LOSE) {
            node_lose(n, n->disk.log.base + n->disk.log.count - argument);
        }
        start(m, n, now, false);
        return true;
    case A_PROPOSE:
        node_propose(n, &p.w, argument, out);
        return out->err == HF_OK;
    case A_READ:
        node_read(n, &p.w, out);
        return out->err == HF_OK;
    case A_HAND_OVER:
        node_hand_over(n, &p.w, argument, out);
        return out->err == HF_OK;
    case A_COMPACT:
        return node_compact(n, &p.w);
    case A_CHANGE: {
        static const uint8_t voters[] = { 3, 7, 6, 1 };
        hf_raft_config c = members(voters[argument], 0);
        node_change(n, &p.w, &c, out);
        return out->err == HF_OK;
    }
    case A_DELIVER: {
        node_packet packet;
        intern_get(&m->packets, argument, &packet);
        node_receive(n, &p.w, &packet, out);
        return true;
    }
    case A_NONE:
    case A_TIME:
    case A_QUERY:
        break;
    }
    return true;
}

/* Nothing in this world depends on how far others have committed, as the leader knows. */
static bool plain(const model_config *c)
{
    return c->budget[MODEL_RESENDS] == 0 && c->budget[MODEL_READS] == 0;
}

static void blur_node(node *n)
{
    hf_raft *r = node_raft(n);
    for (uint32_t i = 0; r->role == HF_RAFT_LEADER && i < r->config.count; i++) {
        hf_raft__peer *p = &hf_raft__peers(r)[i];
        p->commit = p->read = 0;
        p->resend_at = HF_RAFT_NEVER;
    }
    n->wake_at = r->role == HF_RAFT_LEADER ? HF_RAFT_NEVER : n->wake_at;
    for (uint32_t i = 0; i < n->held_count; i++) {
        n->held[i].packet.m.commit = n->held[i].packet.m.read = 0;
    }
}

static void blur_out(node_out *out, bool still)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < out->count; i++) {
        node_packet *p = &out->packet[i];
        if (p->m.kind == HF_RAFT_BEAT_REPLY && still) {
            continue;
        }
        if (p->m.kind == HF_RAFT_APPEND_REPLY || p->m.kind == HF_RAFT_SNAPSHOT_REPLY ||
            p->m.kind == HF_RAFT_BEAT_REPLY) {
            p->m.commit = p->m.read = 0;
        }
        out->packet[left++] = *p;
    }
    out->count = left;
}

static void remember_out(model *m, outcome *o, const node_out *out)
{
    o->out = m->outs_count;
    o->count = (uint16_t)out->count;
    for (uint32_t i = 0; i < out->count; i++) {
        uint32_t number = intern_put(&m->packets, &out->packet[i]);
        HF_ASSERT(number <= UINT16_MAX);
        m->outs = grow(m->outs, &m->outs_room, m->outs_count, sizeof *m->outs);
        m->outs[m->outs_count++] = (uint16_t)number;
    }
}

static void work_out(model *m, uint32_t number, action a, uint8_t now, outcome *o)
{
    static node n;
    static node_out out;
    place_world p;
    uint64_t index;
    intern_get(&m->nodes, number, &n);
    memset(&out, 0, offsetof(node_out, packet));
    world_of(m, n.self - 1, now, &p);
    if (a >> 24 == A_QUERY) {
        o->may_read = node_may_read(&n, &p.w, &index);
        return;
    }
    o->possible = act(m, &n, a, now, &out);
    if (!o->possible) {
        return;
    }
    m->steps++;
    o->asked = (uint8_t)out.asked;
    o->read = (uint8_t)n.read;
    o->read_index = (uint8_t)n.read_index;
    o->reads_failed = n.reads_failed != 0;
    n.read = n.read_index = n.reads_failed = 0;
    node_normalise(&n);
    if (plain(m->config)) {
        blur_node(&n);
        blur_out(&out, timeless(m->config));
    }
    o->node = number_of(m, &n);
    remember_out(m, o, &out);
}

static void double_slots(model *m)
{
    m->mask = m->mask * 2 + 1;
    free(m->slots);
    m->slots = calloc((size_t)m->mask + 1, sizeof *m->slots);
    HF_ASSERT(m->slots != NULL);
    for (uint32_t i = 0; i < m->outcomes_count; i++) {
        uint32_t at = (uint32_t)hf_hash_mix(m->outcomes[i].key) & m->mask;
        while (m->slots[at] != 0) {
            at = (at + 1) & m->mask;
        }
        m->slots[at] = i + 1;
    }
}

static outcome find_out(model *m, uint32_t number, action a, uint8_t now)
{
    uint64_t key =
        (uint64_t)number << 32 | (uint64_t)(a >> 24) << 24 | (uint64_t)now << 16 | (a & 0xffff);
    uint32_t at = (uint32_t)hf_hash_mix(key) & m->mask;
    for (; m->slots[at] != 0; at = (at + 1) & m->mask) {
        if (m->outcomes[m->slots[at] - 1].key == key) {
            return m->outcomes[m->slots[at] - 1];
        }
    }
    outcome o = { .key = key };
    work_out(m, number, a, now, &o);
    m->outcomes = grow(m->outcomes, &m->outcomes_room, m->outcomes_count, sizeof *m->outcomes);
    m->outcomes[m->outcomes_count++] = o;
    m->slots[at] = m->outcomes_count;
    if (m->outcomes_count > m->mask / 2) {
        double_slots(m);
    }
    return o;
}

bool model__may_read(model *m, const model_state *s, uint32_t place)
{
    return find_out(m, s->node[place], action_of(A_QUERY, place, 0), s->now).may_read != 0;
}

/* ---- The net ---- */

static void add_packet(model_state *s, uint16_t number)
{
    uint32_t at = s->net_count;
    while (at > 0 && s->net[at - 1] >= number) {
        at--;
    }
    if ((at < s->net_count && s->net[at] == number) || s->net_count == MODEL_NET) {
        return;
    }
    memmove(s->net + at + 1, s->net + at, (s->net_count - at) * sizeof s->net[0]);
    s->net[at] = number;
    s->net_count++;
}

static void drop_packet(model_state *s, uint32_t at)
{
    s->net_count--;
    memmove(s->net + at, s->net + at + 1, (s->net_count - at) * sizeof s->net[0]);
    s->net[s->net_count] = 0;
}

/* An answer to the leader that it was for: what changes nothing at it now never will. */
static bool says_nothing(model *m, const model_state *s, const hf_raft_message *g, uint16_t number)
{
    const summary *to = model__summary(m, s, g->to - 1);
    if (to->role != HF_RAFT_LEADER || to->term != g->term) {
        return true;
    }
    outcome o = find_out(m, s->node[g->to - 1], action_of(A_DELIVER, 0, number), s->now);
    return o.node == s->node[g->to - 1] && o.count == 0;
}

/* Nothing can come of it any more: not even a crash takes the receiver back to where it counts. */
static bool is_idle(model *m, const model_state *s, const node_packet *p, uint16_t number)
{
    if (p->live != 0) {
        uint64_t clock = 1 + (uint64_t)s->now * m->config->rate[p->l.to - 1];
        return p->l.sent + m->config->support <= clock;
    }
    const hf_raft_message *g = &p->m;
    const summary *to = model__summary(m, s, g->to - 1);
    const summary *from = model__summary(m, s, g->from - 1);
    uint8_t leads = s->leader_of[g->term];
    switch ((hf_raft_message_kind)g->kind) {
    case HF_RAFT_PREVOTE:
        return g->term <= to->disk_term;
    case HF_RAFT_PREVOTE_REPLY:
        return g->term <= to->disk_term;
    case HF_RAFT_VOTE:
        return g->term < to->disk_term || leads == g->from;
    case HF_RAFT_VOTE_REPLY:
        return g->term < to->disk_term || leads == g->to;
    case HF_RAFT_APPEND:
    case HF_RAFT_BEAT:
    case HF_RAFT_SNAPSHOT:
        return g->term < to->disk_term && g->term < from->disk_term;
    case HF_RAFT_RELEASE:
        return g->term < to->disk_term && timeless(m->config);
    case HF_RAFT_APPEND_REPLY:
    case HF_RAFT_BEAT_REPLY:
    case HF_RAFT_SNAPSHOT_REPLY:
        if (leads == g->to) {
            return says_nothing(m, s, g, number);
        }
        break;
    case HF_RAFT_CAMPAIGN:
    case HF_RAFT_READ_AT:
    case HF_RAFT_READ_AT_REPLY:
        break;
    }
    return g->term < to->disk_term;
}

static void drop_idle(model *m, model_state *s)
{
    node_packet p;
    for (uint32_t i = s->net_count; i > 0; i--) {
        intern_get(&m->packets, s->net[i - 1], &p);
        if (is_idle(m, s, &p, s->net[i - 1])) {
            drop_packet(s, i - 1);
        }
    }
}

/* ---- Actions ---- */

static bool spend(model_state *s, model_budget which)
{
    if (s->left[which] == 0) {
        return false;
    }
    s->left[which]--;
    return true;
}

static bool allowed(const model *m, model_state *s, action a)
{
    uint32_t place = a >> 16 & 0xff;
    uint64_t clock = 1 + (uint64_t)s->now * m->config->rate[place % MODEL_NODES];
    const summary *n = place < MODEL_NODES ? model__summary(m, s, place) : NULL;
    switch ((action_kind)(a >> 24)) {
    case A_TICK:
        if (n->wake_at > clock) {
            return false;
        }
        if (n->role == HF_RAFT_LEADER) {
            return spend(s, MODEL_RESENDS);
        }
        /* The nodes are alike: the first to move is node 1. */
        if ((place != 0 || s->now != 0) &&
            m->config->budget[MODEL_ELECTIONS] == s->left[MODEL_ELECTIONS] && !m->config->led) {
            return false;
        }
        return spend(s, MODEL_ELECTIONS);
    case A_LIVE:
        return !timeless(m->config) && n->live_wake_at <= clock && place == 0 &&
               n->role == HF_RAFT_LEADER;
    case A_FLUSH:
        return n->writes != 0;
    case A_CRASH:
        return (m->config->slow >> place & 1) != 0 && spend(s, MODEL_CRASHES);
    case A_LOSE:
        return (m->config->slow >> place & 1) != 0 && n->disk_last > n->disk_base + (a & 0xffff) &&
               spend(s, MODEL_LOSSES);
    case A_PROPOSE:
        return n->role == HF_RAFT_LEADER && spend(s, MODEL_PROPOSALS);
    case A_READ:
        return (m->config->followers_read ? n->role != HF_RAFT_LEADER && n->leader != 0
                                          : n->role == HF_RAFT_LEADER) &&
               spend(s, MODEL_READS);
    case A_HAND_OVER:
        return n->role == HF_RAFT_LEADER && spend(s, MODEL_HAND_OVERS);
    case A_COMPACT:
        return n->commit > n->base && spend(s, MODEL_COMPACTIONS);
    case A_CHANGE:
        return n->role == HF_RAFT_LEADER && spend(s, MODEL_CHANGES);
    case A_TIME:
        return !timeless(m->config) && spend(s, MODEL_TIMES);
    case A_DELIVER:
        return true;
    case A_NONE:
    case A_QUERY:
        break;
    }
    return false;
}

uint32_t model__actions(const model *m, const model_state *s, action *actions, uint32_t room)
{
    uint32_t n = 0;
    HF_PRE(room >= 64 + MODEL_NET);
    for (uint32_t i = 0; i < s->net_count; i++) {
        node_packet p;
        intern_get(&m->packets, s->net[i], &p);
        uint32_t to = p.live != 0 ? p.l.to : p.m.to;
        actions[n++] = action_of(A_DELIVER, to - 1, s->net[i]);
    }
    for (uint32_t i = 0; i < MODEL_NODES; i++) {
        actions[n++] = action_of(A_FLUSH, i, 0);
        actions[n++] = action_of(A_CRASH, i, 0);
        actions[n++] = action_of(A_LOSE, i, 0); /* one entry */
        actions[n++] = action_of(A_LOSE, i, 1); /* two */
        for (uint32_t k = 1; k <= MODEL_NODES; k++) {
            if (k != i + 1) {
                actions[n++] = action_of(A_LIVE, i, k);
            }
        }
        bool many = model__summary(m, s, i)->role != HF_RAFT_LEADER && !m->config->slow_ask;
        for (uint32_t k = 1; k <= (many ? MODEL_NODES : 1u); k++) {
            if (!many || k != i + 1) {
                actions[n++] = action_of(A_TICK, i, k);
            }
        }
        /* Values tell proposals apart. */
        actions[n++] = action_of(A_PROPOSE, i, s->left[MODEL_PROPOSALS]);
        actions[n++] = action_of(A_READ, i, 0);
        actions[n++] = action_of(A_COMPACT, i, 0);
        for (uint32_t k = 0; k < 4; k++) {
            actions[n++] = action_of(A_CHANGE, i, k);
        }
        for (uint32_t k = 1; k <= MODEL_NODES; k++) {
            actions[n++] = action_of(A_HAND_OVER, i, k);
        }
    }
    actions[n++] = action_of(A_TIME, MODEL_NODES, 0);
    HF_ASSERT(n <= room);
    return n;
}

static void forget_reads(model_state *s, uint32_t place)
{
    for (uint32_t i = 0; i < READS_MAX; i++) {
        if (s->read[i].node == place + 1) {
            s->read[i] = (read_asked){ .node = 0 };
        }
    }
}

static void note_reads(const model *m, model_state *s, uint32_t place, const outcome *o,
                       action_kind kind)
{
    const summary *n = model__summary(m, s, place);
    if (kind == A_CRASH || kind == A_LOSE || o->reads_failed != 0) {
        forget_reads(s, place);
    }
    if (kind == A_READ) {
        for (uint32_t i = 0; i < READS_MAX; i++) {
            if (s->read[i].node == 0) {
                s->read[i] = (read_asked){ (uint8_t)(place + 1), o->asked, (uint8_t)n->term,
                                           s->truth_count };
                break;
            }
        }
    }
}

static void take_outcome(const model *m, model_state *s, uint32_t place, const outcome *o)
{
    s->node[place] = o->node;
    for (uint32_t i = 0; i < o->count; i++) {
        add_packet(s, m->outs[o->out + i]);
    }
}

static void flush_all(model *m, model_state *s)
{
    uint8_t slow = s->left[MODEL_CRASHES] + s->left[MODEL_LOSSES] == 0 ? 0 : m->config->slow;
    for (uint32_t i = 0; i < MODEL_NODES; i++) {
        while ((slow >> i & 1) == 0 && model__summary(m, s, i)->writes != 0) {
            outcome o = find_out(m, s->node[i], action_of(A_FLUSH, i, 0), s->now);
            HF_ASSERT(o.read_index == 0);
            take_outcome(m, s, i, &o);
        }
    }
}

static bool asks_at_once(const model *m, const model_state *s, action a)
{
    return a >> 24 == A_TICK && !m->config->slow_ask &&
           model__summary(m, s, a >> 16 & 0xff)->role != HF_RAFT_LEADER;
}

/* The timer's question goes to one other node, and its answer comes back, in one step. */
static bool ask_at_once(model *m, model_state *s, action a, const outcome *asked)
{
    uint32_t place = a >> 16 & 0xff;
    uint32_t to = a & 0xffff;
    s->node[place] = asked->node;
    for (uint32_t i = 0; i < asked->count; i++) {
        uint16_t question = m->outs[asked->out + i];
        node_packet p;
        intern_get(&m->packets, question, &p);
        if (p.m.kind != HF_RAFT_PREVOTE || p.m.to != to) {
            continue;
        }
        outcome there = find_out(m, s->node[to - 1], action_of(A_DELIVER, 0, question), s->now);
        s->node[to - 1] = there.node;
        for (uint32_t k = 0; k < there.count; k++) {
            uint16_t reply = m->outs[there.out + k];
            outcome here = find_out(m, s->node[place], action_of(A_DELIVER, 0, reply), s->now);
            take_outcome(m, s, place, &here);
        }
    }
    drop_idle(m, s);
    return true;
}

/* A heartbeat comes at once to one other node, or never; the support may come late. */
static bool beat_at_once(model *m, model_state *s, action a, const outcome *beats)
{
    uint32_t to = a & 0xffff;
    s->node[a >> 16 & 0xff] = beats->node;
    for (uint32_t i = 0; i < beats->count; i++) {
        uint16_t number = m->outs[beats->out + i];
        node_packet p;
        intern_get(&m->packets, number, &p);
        if (p.live == 0) {
            add_packet(s, number);
        } else if (p.l.to == to) {
            outcome there = find_out(m, s->node[to - 1], action_of(A_DELIVER, 0, number), s->now);
            take_outcome(m, s, to - 1, &there);
        }
    }
    drop_idle(m, s);
    return true;
}

bool model__do(model *m, model_state *s, action a, uint32_t *acted)
{
    uint32_t place = a >> 16 & 0xff;
    action_kind kind = (action_kind)(a >> 24);
    if (!allowed(m, s, a)) {
        return false;
    }
    *acted = place;
    if (kind == A_TIME) {
        s->now++;
        return true;
    }
    outcome o = find_out(m, s->node[place], a, s->now);
    if (o.possible == 0 || (o.node == s->node[place] && o.count == 0)) {
        return false;
    }
    if (asks_at_once(m, s, a)) {
        return ask_at_once(m, s, a, &o);
    }
    if (kind == A_LIVE) {
        return beat_at_once(m, s, a, &o);
    }
    if (kind == A_DELIVER && m->config->short_net) {
        for (uint32_t i = 0; i < s->net_count; i++) {
            if (s->net[i] == (a & 0xffff)) {
                drop_packet(s, i);
                break;
            }
        }
    }
    take_outcome(m, s, place, &o);
    note_reads(m, s, place, &o, kind);
    if (o.read_index != 0) {
        for (uint32_t i = 0; i < READS_MAX; i++) {
            read_asked *r = &s->read[i];
            if (r->node == place + 1 && r->number <= o.read) {
                m->seen |= MODEL_SEEN_READ;
                HF_ASSERT(o.read_index >= r->floor); /* a read that misses what was committed */
                *r = (read_asked){ .node = 0 };
            }
        }
    }
    flush_all(m, s);
    drop_idle(m, s);
    return true;
}

/* ---- Names ---- */

static int name_packet(const node_packet *p, char *text, uint32_t size)
{
    if (p->live != 0) {
        return snprintf(text, size, "%s %u->%u sent %llu epoch %llx",
                        p->l.kind == HF_LIVENESS_HEARTBEAT ? "heartbeat" : "support", p->l.from,
                        p->l.to, (unsigned long long)p->l.sent, (unsigned long long)p->l.epoch);
    }
    const hf_raft_message *g = &p->m;
    return snprintf(text, size, "%s%s%s %u->%u term %llu index %llu (%llu) last %llu commit %llu",
                    hf_raft_message_name((hf_raft_message_kind)g->kind),
                    (g->flags & HF_RAFT_REJECT) != 0 ? " no" : "",
                    (g->flags & HF_RAFT_HAS_LOST) != 0 ? " lost" : "", g->from, g->to,
                    (unsigned long long)g->term, (unsigned long long)g->index,
                    (unsigned long long)g->log_term, (unsigned long long)g->last,
                    (unsigned long long)g->commit);
}

void model__name(const model *m, action a, char *text, uint32_t size)
{
    static const char *const names[] = {
        [A_NONE] = "none",         [A_TICK] = "timer",        [A_LIVE] = "liveness timer",
        [A_FLUSH] = "disk",        [A_CRASH] = "crash",       [A_LOSE] = "crash and loss",
        [A_PROPOSE] = "propose",   [A_READ] = "read",         [A_HAND_OVER] = "hand over",
        [A_COMPACT] = "compact",   [A_CHANGE] = "change",     [A_DELIVER] = "receives",
        [A_TIME] = "time goes on", [A_QUERY] = "may it read",
    };
    int n =
        snprintf(text, size, "node %u: %s %u ", (a >> 16 & 0xff) + 1, names[a >> 24], a & 0xffff);
    if (a >> 24 == A_DELIVER && n > 0 && (uint32_t)n < size) {
        node_packet p;
        intern_get(&m->packets, a & 0xffff, &p);
        (void)name_packet(&p, text + n, size - (uint32_t)n);
    }
}
