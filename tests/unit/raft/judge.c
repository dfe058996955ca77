/* What must hold in every state of the model. */
#include "engine/base/assert.h"
#include "tests/unit/raft/model_impl.h"

#include <string.h>

static uint8_t term_at(const summary *n, uint64_t index)
{
    return index > n->base && index <= n->last ? n->log[index - n->base - 1].term
           : index == n->base                  ? (uint8_t)n->base_term
                                               : 0;
}

static uint64_t truth_digest(const model_state *s, uint64_t index)
{
    uint64_t digest = 0;
    for (uint64_t i = 1; i <= index; i++) {
        node_entry e = { .kind = s->truth[i - 1].kind, .value = s->truth[i - 1].value };
        digest = node_mix(digest, i, &e);
    }
    return digest;
}

/* State-machine safety: what one node takes for committed, every node does, for ever. */
static const char *committed_agrees(const model *m, model_state *s, const summary *n)
{
    (void)m;
    if (n->base > s->truth_count || truth_digest(s, n->base) != n->digest ||
        (n->base != 0 && s->truth[n->base - 1].term != n->base_term)) {
        return "a snapshot is not what was committed";
    }
    for (uint64_t i = n->base + 1; i <= n->commit; i++) {
        truth_entry *t = &s->truth[i - 1];
        HF_ASSERT(i <= MODEL_TRUTH);
        truth_entry e = { n->log[i - n->base - 1].term, (uint8_t)n->term,
                          n->log[i - n->base - 1].kind, n->log[i - n->base - 1].value };
        if (i > s->truth_count) {
            *t = e;
            s->truth_count = (uint8_t)i;
        } else if (t->term != e.term || t->kind != e.kind || t->value != e.value) {
            return "two nodes committed different entries at one index";
        }
    }
    return NULL;
}

/* Election safety, and leader completeness when one is elected. */
static const char *leader_is_lawful(const model_state *before, model_state *s, const summary *n,
                                    const summary *was, uint32_t place)
{
    if (n->role != HF_RAFT_LEADER) {
        return NULL;
    }
    HF_ASSERT(n->term < MODEL_TERMS);
    if (s->leader_of[n->term] != 0 && s->leader_of[n->term] != place + 1) {
        return "two leaders in one term";
    }
    s->leader_of[n->term] = (uint8_t)(place + 1);
    if (was->role == HF_RAFT_LEADER && was->term == n->term) {
        return NULL;
    }
    for (uint64_t i = 1; i <= before->truth_count; i++) {
        const truth_entry *t = &before->truth[i - 1];
        if (t->commit_term < n->term && i > n->base &&
            (i > n->last || n->log[i - n->base - 1].term != t->term)) {
            return "a leader lacks what was committed";
        }
    }
    return NULL;
}

/* Log matching. */
static const char *logs_match(const summary *a, const summary *b)
{
    uint64_t low = a->base > b->base ? a->base : b->base;
    uint64_t i = a->last < b->last ? a->last : b->last;
    while (i > low && term_at(a, i) != term_at(b, i)) {
        i--;
    }
    for (; i > low; i--) {
        uint64_t x = i - a->base - 1;
        uint64_t y = i - b->base - 1;
        if (a->log[x].term != b->log[y].term || a->log[x].kind != b->log[y].kind ||
            a->log[x].value != b->log[y].value) {
            return "logs agree at an index and differ before it";
        }
    }
    return NULL;
}

/* The members in force are those of the last entry that names some, committed or not. */
static const char *members_are_of_the_log(const summary *n)
{
    uint32_t config = (uint32_t)n->base_config;
    for (uint64_t i = n->base + 1; i <= n->last; i++) {
        if (n->log[i - n->base - 1].kind == HF_RAFT_CONFIG) {
            config = n->log[i - n->base - 1].value;
        }
    }
    return config == n->config ? NULL : "members in force that the log does not name";
}

static bool on_disk(const summary *n, uint64_t index, uint8_t term)
{
    return index <= n->disk_base ||
           (index <= n->disk_last && n->disk[index - n->disk_base - 1].term == term);
}

/* What a leader counts is on that node's disk, unless a later leader took it away. (Where disks
 * lose nothing.) */
static const char *counted_is_durable(const model *m, const model_state *s)
{
    for (uint32_t i = 0; m->config->budget[MODEL_LOSSES] == 0 && i < MODEL_NODES; i++) {
        const summary *leader = model__summary(m, s, i);
        for (uint32_t k = 0; leader->role == HF_RAFT_LEADER && k < MODEL_NODES; k++) {
            const summary *n = model__summary(m, s, k);
            uint8_t match = leader->match[k];
            if (n->disk_term <= leader->term && match >= leader->base && match != 0 &&
                !on_disk(n, match, term_at(leader, match))) {
                return "a leader counts what is on no disk";
            }
        }
    }
    return NULL;
}

/* Committed means: on the disks of a quorum. (Where members do not change and disks lose nothing.)
 */
static const char *committed_is_durable(const model *m, const model_state *s)
{
    if (m->config->budget[MODEL_CHANGES] != 0 || m->config->budget[MODEL_LOSSES] != 0) {
        return NULL;
    }
    for (uint64_t i = 1; i <= s->truth_count; i++) {
        uint32_t disks = 0;
        for (uint32_t k = 0; k < m->config->voters; k++) {
            disks += on_disk(model__summary(m, s, k), i, s->truth[i - 1].term);
        }
        if (disks <= m->config->voters / 2u) {
            return "committed, and not on the disks of a quorum";
        }
    }
    return NULL;
}

/* A lease says: nobody else leads. So its holder knows of everything that was committed. */
static const char *leases_are_alone(model *m, model_state *s)
{
    uint32_t holder = 0;
    if (m->config->rate[0] == 0) {
        return NULL;
    }
    for (uint32_t i = 0; i < MODEL_NODES; i++) {
        if (!model__may_read(m, s, i)) {
            continue;
        }
        if (holder != 0) {
            return "two leases at one time";
        }
        holder = i + 1;
        m->seen |= MODEL_SEEN_LEASE;
        if (s->lease_node != 0 && s->lease_node != holder) {
            m->seen |= MODEL_SEEN_SECOND_LEASE;
        }
        if (model__summary(m, s, i)->commit < s->truth_count) {
            return "a lease at a leader that does not know what was committed";
        }
    }
    if (holder != 0) {
        s->lease_node = (uint8_t)holder;
    }
    return NULL;
}

static void look(model *m, const model_state *s, const summary *was, const summary *n)
{
    uint32_t leaders = 0;
    for (uint32_t i = 0; i < MODEL_TERMS; i++) {
        leaders += s->leader_of[i] != 0;
    }
    uint32_t now = 0;
    for (uint32_t i = 0; i < MODEL_NODES; i++) {
        now += model__summary(m, s, i)->role == HF_RAFT_LEADER;
    }
    m->seen |= leaders > 0 ? MODEL_SEEN_LEADER : 0u;
    m->seen |= leaders > 1 ? MODEL_SEEN_SECOND_LEADER : 0u;
    m->seen |= now > 1 ? MODEL_SEEN_TWO_LEADERS : 0u;
    m->seen |= s->truth_count > 0 ? MODEL_SEEN_COMMIT : 0u;
    m->seen |= n->base > was->commit ? MODEL_SEEN_SNAPSHOT : 0u;
    m->seen |= n->joint != 0 ? MODEL_SEEN_JOINT : 0u;
    m->seen |= was->nonce != 0 && n->nonce == 0 ? MODEL_SEEN_WHOLE : 0u;
    for (uint64_t i = was->base + 1; i <= was->last; i++) {
        if (i > n->base && i <= n->last && term_at(n, i) != term_at(was, i)) {
            m->seen |= MODEL_SEEN_CUT;
        }
    }
}

const char *model__judge(model *m, const model_state *before, model_state *s, uint32_t acted)
{
    const char *wrong = NULL;
    if (acted < MODEL_NODES) {
        const summary *n = model__summary(m, s, acted);
        const summary *was = model__summary(m, before, acted);
        look(m, s, was, n);
        wrong = leader_is_lawful(before, s, n, was, acted);
        if (wrong == NULL && n->start == was->start && n->commit < was->commit) {
            wrong = "a node goes back behind what it had committed";
        }
        if (wrong == NULL) {
            wrong = members_are_of_the_log(n);
        }
        if (wrong == NULL) {
            wrong = committed_agrees(m, s, n);
        }
        for (uint32_t i = 0; i < MODEL_NODES && wrong == NULL; i++) {
            if (i != acted) {
                wrong = logs_match(n, model__summary(m, s, i));
            }
        }
        if (wrong == NULL) {
            wrong = committed_is_durable(m, s);
        }
        if (wrong == NULL) {
            wrong = counted_is_durable(m, s);
        }
    }
    return wrong == NULL ? leases_are_alone(m, s) : wrong;
}
