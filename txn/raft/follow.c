/* What a follower does with what its leader sends. */
#include "engine/base/assert.h"
#include "txn/raft/raft_impl.h"

static hf_raft_message answer(const hf_raft *r, const hf_raft_message *m, hf_raft_message_kind kind)
{
    return (hf_raft_message){ .kind = (uint8_t)kind,
                              .flags = r->nonce != 0 ? HF_RAFT_HAS_LOST : 0,
                              .to = m->from,
                              .term = r->term,
                              .commit = r->commit,
                              .epoch = r->promise_epoch,
                              .read = m->read,
                              .nonce = r->nonce };
}

void hf_raft__too_old(hf_raft__step *s, const hf_raft_message *m)
{
    (void)hf_raft__send(s,
                        (hf_raft_message){ .kind = HF_RAFT_APPEND_REPLY,
                                           .flags = HF_RAFT_REJECT,
                                           .to = m->from,
                                           .term = s->r->term },
                        HF_RAFT__DURABLE);
}

/* Acknowledged is what is on this node's disk. */
static void accept(hf_raft__step *s, const hf_raft_message *m, uint64_t match)
{
    const hf_raft *r = s->r;
    hf_raft_message reply = answer(r, m, HF_RAFT_APPEND_REPLY);
    reply.index = match;
    (void)hf_raft__send(s, reply, r->stable >= match ? HF_RAFT__AT_ONCE : HF_RAFT__DURABLE);
}

static void reject(hf_raft__step *s, const hf_raft_message *m)
{
    const hf_raft *r = s->r;
    hf_raft_message reply = answer(r, m, HF_RAFT_APPEND_REPLY);
    reply.flags |= HF_RAFT_REJECT;
    reply.last = m->index;
    reply.index = hf_raft__hint(r, m->index, m->log_term);
    reply.log_term = hf_raft__term_at(r, reply.index);
    (void)hf_raft__send(s, reply, HF_RAFT__AT_ONCE);
}

static void commit_to(hf_raft *r, uint64_t index)
{
    HF_PRE(index <= r->last);
    r->commit = hf_raft__most(r->commit, index);
}

/* ---- Append ---- */

static void cut(hf_raft__step *s, uint64_t from)
{
    hf_raft *r = s->r;
    hf_raft__cut(r, from);
    hf_raft__revert(r, from);
    hf_raft__touch(s, from);
    r->cut_write = UINT64_MAX; /* this step's */
}

/* Takes what is new; answers up to where the log is the leader's now. */
static uint64_t take(hf_raft__step *s, const hf_raft_message *m, const hf_raft_entry *entries)
{
    hf_raft *r = s->r;
    uint64_t index = m->index;
    for (uint64_t i = 0; i < m->last - m->index; i++) {
        const hf_raft_entry *e = &entries[i];
        if (index + 1 <= r->last) {
            if (hf_raft__term_at(r, index + 1) == e->term) {
                index++;
                continue;
            }
            cut(s, index + 1);
        }
        if (!hf_raft__fits(r, e->term)) {
            r->cramped = true;
            break;
        }
        hf_raft__push(r, e->term);
        hf_raft__touch(s, r->last);
        index++;
        if (e->kind == HF_RAFT_CONFIG) {
            hf_raft__adopt(r, index, e->config);
        }
    }
    return index;
}

/* As far as the leader says, all that this replica ever acknowledged to it is in its log now. */
static void note_whole(hf_raft *r, const hf_raft_message *m, uint64_t match)
{
    if (r->nonce != 0 && m->nonce == r->nonce && m->whole_at != 0 && match >= m->whole_at) {
        r->whole_at = m->whole_at;
    }
}

void hf_raft__whole(hf_raft__step *s)
{
    hf_raft *r = s->r;
    if (r->nonce != 0 && r->whole_at != 0 && r->stable >= r->whole_at) {
        r->nonce = r->whole_at = 0;
        s->u->hard = true;
        hf_raft__arm(s);
    }
}

void hf_raft__on_append(hf_raft__step *s, const hf_raft_message *m, const hf_raft_entry *entries)
{
    hf_raft *r = s->r;
    HF_PRE(m->last >= m->index);
    if (m->index < r->commit) {
        accept(s, m, r->commit); /* that much is the same everywhere */
        return;
    }
    if (m->index > r->last || hf_raft__term_at(r, m->index) != m->log_term) {
        reject(s, m);
        return;
    }
    uint64_t match = take(s, m, entries);
    commit_to(r, hf_raft__least(m->commit, match));
    note_whole(r, m, match);
    hf_raft__whole(s);
    accept(s, m, match);
    hf_raft__arm(s);
}

/* `commit` is no larger than what this log has of the leader's, as the leader knows. */
void hf_raft__on_beat(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    commit_to(r, hf_raft__least(m->commit, r->last));
    (void)hf_raft__send(s, answer(r, m, HF_RAFT_BEAT_REPLY), HF_RAFT__AT_ONCE);
}

/* ---- Snapshot ---- */

static void install(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    HF_PRE(m->config != NULL);
    if (m->index <= r->last && hf_raft__term_at(r, m->index) == m->log_term) {
        hf_raft__compact(r, m->index); /* what follows it stays */
        if (r->config_index <= m->index) {
            r->config = r->before = *m->config;
            r->config_index = r->before_index = m->index;
        }
    } else {
        hf_raft__restart(r, m->index, m->log_term);
        r->config = r->before = *m->config;
        r->config_index = r->before_index = m->index;
        r->cut_write = UINT64_MAX; /* this step's */
    }
    r->cramped = r->runs == r->runs_max || r->config.count > r->members_max;
    r->commit = r->handed = r->applied = m->index;
    r->snap_index = r->snap_term = r->snap_offset = 0;
    s->u->install = true;
    accept(s, m, m->index);
    hf_raft__arm(s);
}

/* A snapshot has a name, (index, term): of the same name the bytes are the same on every node, so
 * another leader may go on where the last one broke off. */
void hf_raft__on_snapshot(hf_raft__step *s, const hf_raft_message *m)
{
    hf_raft *r = s->r;
    if (m->index <= r->commit) {
        accept(s, m, r->commit);
        return;
    }
    if (m->index != r->snap_index || m->log_term != r->snap_term) {
        r->snap_index = m->index;
        r->snap_term = m->log_term;
        r->snap_offset = 0;
    }
    if (m->offset == r->snap_offset) {
        s->u->take_piece = true;
        r->snap_offset += m->size;
        if ((m->flags & HF_RAFT_DONE) != 0) {
            install(s, m);
            return;
        }
    }
    hf_raft_message reply = answer(r, m, HF_RAFT_SNAPSHOT_REPLY);
    reply.index = m->index;
    reply.log_term = m->log_term;
    reply.offset = r->snap_offset;
    (void)hf_raft__send(s, reply, HF_RAFT__AT_ONCE);
}
