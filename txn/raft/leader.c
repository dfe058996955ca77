/* What a leader knows of each member, what it sends, and what is committed.
 *
 * Committed is what a quorum of disks has, the leader's own being one of them, and only from the
 * first entry of the leader's own term on: what is older is committed with it, never by counting.
 */
#include "engine/base/assert.h"
#include "txn/raft/raft_impl.h"

#include <string.h>

/* ---- Members ---- */

static void reset_peer(hf_raft__peer *p, uint32_t node, uint64_t next)
{
    memset(p, 0, sizeof *p);
    p->node = node;
    p->next = next;
    p->resend_at = HF_RAFT_NEVER;
}

/* Brings the table in line with the configuration. `keep`: what is known stays known. */
void hf_raft__reset_peers(hf_raft *r, bool keep)
{
    hf_raft__peer old[HF_RAFT_MEMBERS_MAX];
    hf_raft__peer *peers = hf_raft__peers(r);
    memcpy(old, peers, r->members_max * sizeof old[0]);
    memset(peers, 0, r->members_max * sizeof old[0]);
    if (r->role != HF_RAFT_LEADER) {
        return;
    }
    HF_ASSERT(r->config.count <= r->members_max);
    for (uint32_t i = 0; i < r->config.count; i++) {
        reset_peer(&peers[i], r->config.node[i], r->last + 1);
        for (uint32_t k = 0; keep && k < r->members_max; k++) {
            if (old[k].node == r->config.node[i]) {
                peers[i] = old[k];
            }
        }
    }
}

static hf_raft__peer *peer_of(hf_raft *r, uint32_t node)
{
    uint32_t at = hf_raft_config_find(&r->config, node);
    return at == r->config.count ? NULL : &hf_raft__peers(r)[at];
}

bool hf_raft__alive(const hf_raft__step *s, uint32_t node)
{
    uint64_t epoch;
    return hf_liveness_has(s->v->live, node, &epoch) > s->v->now;
}

/* ---- What goes out ---- */

/* Whether something that this member should know or answer is open. */
static bool open_with(const hf_raft *r, const hf_raft__peer *p)
{
    return p->match < r->last || p->commit < r->commit || p->lost || p->state == HF_RAFT__PROBE ||
           (r->round != r->answered && p->read < r->round);
}

static void arm(hf_raft__step *s, hf_raft__peer *p)
{
    p->resend_at = hf_raft__later(s->v->now, s->v->options->resend_ns);
}

void hf_raft__beat(hf_raft__step *s, uint32_t place)
{
    hf_raft *r = s->r;
    hf_raft__peer *p = &hf_raft__peers(r)[place];
    if (p->node == r->self) {
        return;
    }
    /* Only as far as its log is known to be ours. */
    uint64_t commit = hf_raft__least(r->commit, p->match);
    if (hf_raft__send(s,
                      (hf_raft_message){ .kind = HF_RAFT_BEAT,
                                         .to = p->node,
                                         .term = r->term,
                                         .commit = commit,
                                         .read = r->round },
                      HF_RAFT__AT_ONCE)) {
        p->told = hf_raft__most(p->told, commit);
    }
    arm(s, p);
}

static void begin_snapshot(hf_raft__step *s, hf_raft__peer *p)
{
    hf_raft *r = s->r;
    p->state = HF_RAFT__SNAPSHOT;
    p->snap_index = r->base;
    p->snap_term = r->base_term;
    p->snap_offset = 0;
    p->waiting = false;
    p->sent = 0;
    memset(p->window, 0, sizeof p->window);
}

static void send_piece(hf_raft__step *s, hf_raft__peer *p)
{
    p->waiting = hf_raft__send(s,
                               (hf_raft_message){ .kind = HF_RAFT_SNAPSHOT,
                                                  .to = p->node,
                                                  .term = s->r->term,
                                                  .index = p->snap_index,
                                                  .log_term = p->snap_term,
                                                  .commit = s->r->commit,
                                                  .read = s->r->round,
                                                  .offset = p->snap_offset },
                               HF_RAFT__AT_ONCE);
    arm(s, p);
}

static bool send_append(hf_raft__step *s, hf_raft__peer *p, uint64_t last)
{
    hf_raft *r = s->r;
    uint64_t before = p->next - 1;
    HF_ASSERT(before >= r->base && last + 1 >= p->next && last <= r->last);
    bool sent = hf_raft__send(s,
                              (hf_raft_message){ .kind = HF_RAFT_APPEND,
                                                 .to = p->node,
                                                 .term = r->term,
                                                 .index = before,
                                                 .log_term = hf_raft__term_at(r, before),
                                                 .last = last,
                                                 .commit = r->commit,
                                                 .read = r->round,
                                                 .nonce = p->nonce,
                                                 .whole_at = p->whole_at },
                              HF_RAFT__AT_ONCE);
    if (sent) {
        p->told = hf_raft__most(p->told, hf_raft__least(r->commit, last));
    }
    return sent;
}

static uint64_t within(const hf_raft__step *s, uint64_t first, uint64_t last, uint64_t bytes)
{
    uint64_t end = s->v->within(s->v->log, first, last, bytes);
    HF_ASSERT(end >= first && end <= last);
    return end;
}

static void pipeline(hf_raft__step *s, hf_raft__peer *p)
{
    const hf_raft *r = s->r;
    const hf_raft_options *o = s->v->options;
    uint32_t window = o->window < HF_RAFT_WINDOW ? o->window : HF_RAFT_WINDOW;
    while (p->next <= r->last && p->sent < window) {
        uint64_t most = within(s, p->match + 1, r->last, o->window_bytes);
        if (most < p->next) {
            break;
        }
        uint64_t last = within(s, p->next, most, o->message_bytes);
        if (!send_append(s, p, last)) {
            break;
        }
        p->window[p->sent++] = last;
        p->next = last + 1;
    }
}

/* Sends what may be sent. */
static void go_on(hf_raft__step *s, uint32_t place)
{
    hf_raft *r = s->r;
    hf_raft__peer *p = &hf_raft__peers(r)[place];
    if (p->node == r->self) {
        return;
    }
    if (p->state != HF_RAFT__SNAPSHOT && p->next - 1 < r->base) {
        begin_snapshot(s, p);
    }
    switch ((hf_raft__progress)p->state) {
    case HF_RAFT__PROBE:
        if (!p->waiting) {
            uint64_t last = p->next - 1;
            if (last < r->last) {
                last = within(s, p->next, r->last, s->v->options->message_bytes);
            }
            p->waiting = send_append(s, p, last);
            arm(s, p);
        }
        break;
    case HF_RAFT__REPLICATE:
        pipeline(s, p);
        if (p->told < hf_raft__least(r->commit, p->match) && p->next > r->last) {
            hf_raft__beat(s, place);
        }
        if (p->resend_at == HF_RAFT_NEVER && open_with(r, p)) {
            arm(s, p);
        }
        break;
    case HF_RAFT__SNAPSHOT:
        if (!p->waiting) {
            send_piece(s, p);
        }
        break;
    }
}

void hf_raft__send_all(hf_raft__step *s)
{
    for (uint32_t i = 0; s->r->role == HF_RAFT_LEADER && i < s->r->config.count; i++) {
        go_on(s, i);
    }
}

static void probe(hf_raft__peer *p, uint64_t next)
{
    p->state = HF_RAFT__PROBE;
    p->waiting = false;
    p->next = next;
    p->sent = 0;
    memset(p->window, 0, sizeof p->window);
}

void hf_raft__lead(hf_raft__step *s)
{
    hf_raft *r = s->r;
    HF_PRE(r->role == HF_RAFT_CANDIDATE && r->hard_write <= r->persisted && r->nonce == 0);
    r->role = HF_RAFT_LEADER;
    r->leader = r->self;
    r->led = r->term;
    r->granted = 0;
    r->election_at = HF_RAFT_NEVER;
    r->asked = r->round = r->answered = 0;
    hf_raft__reset_peers(r, false);
    hf_raft__make(s, HF_RAFT_NOOP, NULL);
    r->term_start = r->last;
    hf_raft__check_quorum(s);
    hf_raft__send_all(s);
}

/* ---- What is committed ---- */

/* Something is durable somewhere: what is committed by it? */
void hf_raft__advance(hf_raft__step *s)
{
    hf_raft *r = s->r;
    uint64_t match[HF_RAFT_MEMBERS_MAX];
    for (uint32_t i = 0; i < r->config.count; i++) {
        hf_raft__peer *p = &hf_raft__peers(r)[i];
        if (p->node == r->self) {
            p->match = r->stable;
            p->next = r->stable + 1;
            p->commit = hf_raft__least(r->commit, r->stable);
        }
        match[i] = p->match;
    }
    uint64_t index = hf_raft__quorum_value(&r->config, match);
    if (index > r->commit && hf_raft__term_at(r, index) == r->term) {
        r->commit = index;
        hf_raft__reads_go_on(s);
        if (r->config_index <= r->commit) {
            hf_raft__config_committed(s);
        }
        hf_raft__send_all(s);
    }
}

/* ---- Answers ---- */

static void note(hf_raft__step *s, hf_raft__peer *p, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    p->epoch = hf_raft__most(p->epoch, m->epoch);
    p->commit = hf_raft__most(p->commit, hf_raft__least(m->commit, r->commit));
    p->read = hf_raft__most(p->read, m->read);
    bool lost = (m->flags & HF_RAFT_HAS_LOST) != 0;
    if (lost && m->nonce > p->nonce) {
        /* Everything that it ever acknowledged here is in this log now. */
        p->nonce = m->nonce;
        p->whole_at = r->last;
        p->match = 0;
        probe(p, hf_raft__least(p->next, r->last + 1));
    }
    if (m->nonce == p->nonce || !lost) {
        p->lost = lost && m->nonce == p->nonce;
    }
}

static void rejected(hf_raft__step *s, hf_raft__peer *p, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    bool lost = (m->flags & HF_RAFT_HAS_LOST) != 0;
    bool stale = p->state == HF_RAFT__PROBE ? m->last != p->next - 1 : m->last <= p->match;
    if (p->state == HF_RAFT__SNAPSHOT || (stale && !lost)) {
        return;
    }
    if (lost && p->match > m->index) {
        p->match = 0;
    }
    uint64_t next = hf_raft__hint(r, m->index, m->log_term) + 1;
    probe(p, hf_raft__most(next, p->match + 1));
}

static void accepted(hf_raft *r, hf_raft__peer *p, const hf_raft_message *m)
{
    HF_ASSERT(m->index <= r->last);
    if (m->index > p->match) {
        p->match = m->index;
    }
    p->next = hf_raft__most(p->next, p->match + 1);
    if (p->state == HF_RAFT__SNAPSHOT && p->match >= p->snap_index) {
        p->snap_index = p->snap_term = p->snap_offset = 0;
        probe(p, p->match + 1);
    }
    if (p->state == HF_RAFT__PROBE && m->index + 1 >= p->next) {
        p->state = HF_RAFT__REPLICATE;
        p->waiting = false;
    }
    uint32_t gone = 0;
    while (gone < p->sent && p->window[gone] <= p->match) {
        gone++;
    }
    if (gone != 0) {
        p->sent = (uint8_t)(p->sent - gone);
        memmove(p->window, p->window + gone, p->sent * sizeof p->window[0]);
        memset(p->window + p->sent, 0, gone * sizeof p->window[0]);
    }
}

/* Nothing is open: no timer. */
static void rest(hf_raft__step *s, hf_raft__peer *p, bool progress)
{
    if (!open_with(s->r, p)) {
        p->resend_at = HF_RAFT_NEVER;
    } else if (progress || p->resend_at == HF_RAFT_NEVER) {
        arm(s, p);
    }
}

static void answered(hf_raft__step *s, uint32_t node)
{
    hf_raft *r = s->r;
    hf_raft__check_quorum(s);
    hf_raft__reads_go_on(s);
    hf_raft__advance(s);
    if (r->role == HF_RAFT_LEADER) {
        uint32_t at = hf_raft_config_find(&r->config, node);
        if (at < r->config.count) {
            go_on(s, at);
        }
        hf_raft__offer(s);
    }
}

void hf_raft__on_append_reply(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    hf_raft__peer *p = r->role == HF_RAFT_LEADER ? peer_of(r, m->from) : NULL;
    if (p == NULL) {
        return;
    }
    uint64_t before = p->match;
    note(s, p, m);
    if ((m->flags & HF_RAFT_REJECT) != 0) {
        rejected(s, p, m);
    } else {
        accepted(r, p, m);
    }
    rest(s, p, p->match > before);
    answered(s, m->from);
}

void hf_raft__on_beat_reply(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    hf_raft__peer *p = r->role == HF_RAFT_LEADER ? peer_of(r, m->from) : NULL;
    if (p == NULL) {
        return;
    }
    note(s, p, m);
    rest(s, p, false);
    answered(s, m->from);
}

void hf_raft__on_snapshot_reply(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    hf_raft__peer *p = r->role == HF_RAFT_LEADER ? peer_of(r, m->from) : NULL;
    if (p == NULL || p->state != HF_RAFT__SNAPSHOT || m->index != p->snap_index ||
        m->log_term != p->snap_term) {
        return;
    }
    note(s, p, m);
    if (p->state == HF_RAFT__SNAPSHOT && m->offset != p->snap_offset) {
        p->snap_offset = m->offset;
        p->waiting = false;
    }
    answered(s, m->from);
}

/* ---- Time and liveness ---- */

static void again(hf_raft__step *s, uint32_t place)
{
    hf_raft *r = s->r;
    hf_raft__peer *p = &hf_raft__peers(r)[place];
    if (p->state == HF_RAFT__SNAPSHOT) {
        p->waiting = false;
        if (p->snap_index < r->base) {
            begin_snapshot(s, p); /* of that one nothing is left */
        }
    } else if (p->match < r->last || p->lost || p->state == HF_RAFT__PROBE) {
        probe(p, p->state == HF_RAFT__PROBE ? p->next : p->match + 1);
    } else {
        hf_raft__beat(s, place);
        return;
    }
    go_on(s, place);
}

void hf_raft__leader_tick(hf_raft__step *s)
{
    hf_raft *r = s->r;
    hf_raft__check_quorum(s);
    if (r->role != HF_RAFT_LEADER) {
        return;
    }
    if (s->v->now >= r->transfer_at && hf_raft__end_hand_over(s)) {
        return;
    }
    for (uint32_t i = 0; i < r->config.count; i++) {
        hf_raft__peer *p = &hf_raft__peers(r)[i];
        if (s->v->now < p->resend_at) {
            continue;
        }
        if (hf_raft__alive(s, p->node)) {
            again(s, i);
        } else {
            p->resend_at = HF_RAFT_NEVER; /* until its node is alive again */
        }
    }
}

/* Support of a node began or ended, or it has a new epoch: then it owes this leader a promise. */
void hf_raft__peer_changed(hf_raft__step *s, uint32_t node)
{
    hf_raft *r = s->r;
    uint32_t at = hf_raft_config_find(&r->config, node);
    if (at < r->config.count && hf_raft__alive(s, node)) {
        hf_raft__beat(s, at);
        hf_raft__peer *p = &hf_raft__peers(r)[at];
        if (p->match < r->last || p->state != HF_RAFT__REPLICATE) {
            again(s, at);
        }
    }
    hf_raft__check_quorum(s);
}

uint64_t hf_raft__leader_wake(const hf_raft *r)
{
    uint64_t at = hf_raft__least(r->quorum_at, r->transfer_at);
    for (uint32_t i = 0; i < r->config.count; i++) {
        at = hf_raft__least(at, hf_raft__peers_of(r)[i].resend_at);
    }
    return at;
}
