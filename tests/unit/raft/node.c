#include "tests/unit/raft/node.h"
#include "engine/base/assert.h"
#include "engine/base/hash.h"

#include <string.h>

/* ---- Configurations have numbers ---- */

enum { CONFIGS_MAX = 4096 };
static hf_raft_config configs[CONFIGS_MAX];
static uint32_t config_count;

uint32_t node_config(const hf_raft_config *config)
{
    for (uint32_t i = 0; i < config_count; i++) {
        if (memcmp(&configs[i], config, sizeof *config) == 0) {
            return i;
        }
    }
    HF_ASSERT(config_count < CONFIGS_MAX);
    configs[config_count] = *config;
    return config_count++;
}

const hf_raft_config *node_config_of(uint32_t number)
{
    HF_ASSERT(number < config_count);
    return &configs[number];
}

uint64_t node_mix(uint64_t digest, uint64_t index, const node_entry *entry)
{
    return hf_hash_mix(digest ^ hf_hash_id(index, entry->kind, entry->value));
}

/* ---- The log ---- */

static uint64_t within(const void *log, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)log;
    return last - first < bytes ? last : first + bytes - 1;
}

static hf_raft_view view(const node *n, const node_world *w)
{
    return (hf_raft_view){ .options = w->options,
                           .live = &n->live,
                           .now = w->now,
                           .random = w->random,
                           .within = within };
}

static const node_entry *at(const node_log *log, uint64_t index)
{
    HF_ASSERT(index > log->base && index <= log->base + log->count);
    return &log->entry[index - log->base - 1];
}

static void cut_log(node_log *log, uint64_t count)
{
    HF_ASSERT(count <= log->count);
    memset(log->entry + count, 0, (log->count - count) * sizeof log->entry[0]);
    log->count = (uint32_t)count;
}

static void push(node_log *log, node_entry entry)
{
    HF_ASSERT(log->count < NODE_LOG);
    log->entry[log->count++] = entry;
}

static void drop_before(node_log *log, uint64_t index, uint64_t term)
{
    uint64_t gone = index - log->base;
    uint64_t left = log->count - gone;
    memmove(log->entry, log->entry + gone, left * sizeof log->entry[0]);
    memset(log->entry + left, 0, gone * sizeof log->entry[0]);
    log->count = (uint32_t)left;
    log->base = index;
    log->base_term = term;
}

/* ---- What an update says is done ---- */

typedef struct step {
    node *n;
    const node_world *w;
    node_out *out;
    const node_packet *packet; /* what came, or NULL */
    uint32_t value;            /* what was proposed */
    hf_raft_update u;
} step;

/* The piece that belongs to (index, offset) of a snapshot of this state. */
static uint64_t part(uint64_t digest, uint32_t config, uint64_t offset)
{
    return offset == 0 ? digest : offset == 1 ? config : digest ^ config;
}

static void take_piece(step *s)
{
    s->n->parts[s->packet->m.offset] = s->packet->piece;
}

static void install(step *s)
{
    node *n = s->n;
    const hf_raft_message *m = &s->packet->m;
    uint32_t config = (uint32_t)n->parts[1];
    HF_ASSERT(n->parts[2] == (n->parts[0] ^ n->parts[1])); /* the pieces are of one snapshot */
    if (s->u.last > m->index) {
        drop_before(&n->log, m->index, m->log_term);
    } else {
        cut_log(&n->log, 0);
        n->log.base = m->index;
        n->log.base_term = m->log_term;
    }
    n->log.digest = n->digest = n->parts[0];
    n->log.config = n->config = config;
    n->applied = m->index;
    memset(n->parts, 0, sizeof n->parts);
    if (s->w->applied != NULL) {
        s->w->applied(s->w->context, n, m->index, NULL);
    }
}

static node_entry content(const step *s, uint64_t index)
{
    const hf_raft_update *u = &s->u;
    for (uint32_t i = 0; i < u->made_count; i++) {
        if (u->made[i].index == index) {
            bool config = u->made[i].kind == HF_RAFT_CONFIG;
            return (node_entry){ u->term, u->made[i].kind,
                                 config ? node_config(&u->made[i].config) : 0 };
        }
    }
    if (s->packet != NULL) {
        HF_ASSERT(index > s->packet->m.index && index <= s->packet->m.last);
        return s->packet->entry[index - s->packet->m.index - 1];
    }
    return (node_entry){ u->term, HF_RAFT_DATA, s->value };
}

static void persist(step *s)
{
    node *n = s->n;
    const hf_raft_update *u = &s->u;
    if (u->install) {
        install(s);
    } else if (u->first <= u->last || u->first <= n->log.base + n->log.count) {
        cut_log(&n->log, u->first - 1 - n->log.base);
        for (uint64_t i = u->first; i <= u->last; i++) {
            push(&n->log, content(s, i));
        }
    }
    HF_ASSERT(n->log.base + n->log.count == u->last);
    if (n->write_count == NODE_WRITES) {
        /* One write takes the place of the newest two: both or neither. */
        n->write_count--;
    }
    n->write[n->write_count++] = (node_write){
        .number = u->write,
        .image = { .term = u->term, .nonce = u->nonce, .vote = u->vote, .log = n->log }
    };
}

static void fill_packet(const node *n, node_packet *p)
{
    p->m.config = NULL;
    if (p->m.kind == HF_RAFT_APPEND) {
        HF_ASSERT(p->m.last - p->m.index <= NODE_BATCH);
        for (uint64_t i = p->m.index + 1; i <= p->m.last; i++) {
            p->entry[i - p->m.index - 1] = *at(&n->log, i);
        }
    } else if (p->m.kind == HF_RAFT_SNAPSHOT) {
        HF_ASSERT(p->m.index == n->log.base && p->m.log_term == n->log.base_term);
        HF_ASSERT(p->m.offset < NODE_PIECES);
        p->piece = part(n->log.digest, n->log.config, p->m.offset);
        p->m.size = 1;
        if (p->m.offset == NODE_PIECES - 1) {
            p->m.flags |= HF_RAFT_DONE;
            p->config = n->log.config;
        }
    }
}

static void put(node_out *out, const node_packet *p)
{
    HF_ASSERT(out->count < NODE_OUT);
    out->packet[out->count++] = *p;
}

static bool is_held(const node *n, const node_packet *p)
{
    for (uint32_t i = 0; i < n->held_count; i++) {
        if (memcmp(&n->held[i].packet, p, sizeof *p) == 0) {
            return true;
        }
    }
    return false;
}

static void send(step *s)
{
    node *n = s->n;
    for (uint32_t i = 0; i < s->u.message_count; i++) {
        node_packet p = { .m = s->u.message[i] };
        uint64_t after = p.m.after;
        if (p.m.kind == HF_RAFT_SNAPSHOT && p.m.index != n->log.base) {
            continue; /* there is a newer one by now */
        }
        fill_packet(n, &p);
        p.m.after = 0;
        if (after == 0) {
            put(s->out, &p);
        } else if (is_held(n, &p)) {
            continue; /* once is as good as twice */
        } else if (n->held_count < NODE_HELD) {
            n->held[n->held_count++] = (node_held){ after, p };
        }
    }
}

static void run(step *s, const hf_raft_event *event);

static void apply(step *s)
{
    node *n = s->n;
    uint64_t last = s->u.apply_last;
    for (uint64_t i = s->u.apply_first; i <= last; i++) {
        const node_entry *e = at(&n->log, i);
        HF_ASSERT(i == n->applied + 1);
        n->applied = i;
        n->digest = node_mix(n->digest, i, e);
        if (e->kind == HF_RAFT_CONFIG) {
            n->config = e->value;
        }
        if (s->w->applied != NULL) {
            s->w->applied(s->w->context, n, i, e);
        }
    }
    if (s->u.apply_first <= last) {
        step after = { .n = n, .w = s->w, .out = s->out };
        run(&after, &(hf_raft_event){ .kind = HF_RAFT_APPLIED, .index = last });
    }
}

static void run(step *s, const hf_raft_event *event)
{
    node *n = s->n;
    hf_raft_view v = view(n, s->w);
    hf_err err = hf_raft_step(node_raft(n), &v, event, &s->u);
    if (s->u.take_piece) {
        take_piece(s);
    }
    if (s->u.write != 0) {
        persist(s);
    }
    hf_raft_check(node_raft(n));
    send(s);
    n->wake_at = s->u.wake_at;
    if (s->u.read_index != 0) {
        n->read = s->u.read;
        n->read_index = s->u.read_index;
    }
    n->reads_failed |= s->u.reads_failed;
    apply(s);
    s->out->err = err;
}

/* ---- A node's life ---- */

void node_format(node *n, uint32_t self, const hf_raft_config *config)
{
    memset(n, 0, sizeof *n);
    n->self = self;
    n->down = 1;
    n->disk.log.config = node_config(config);
}

static void replay(node *n, hf_raft *r)
{
    for (uint32_t i = 0; i < n->log.count; i++) {
        const node_entry *e = &n->log.entry[i];
        hf_raft_entry entry = { .term = e->term, .kind = e->kind };
        if (e->kind == HF_RAFT_CONFIG) {
            entry.config = node_config_of(e->value);
        }
        HF_ASSERT(hf_raft_replay(r, &entry));
    }
}

void node_start(node *n, const node_world *w, bool first, uint32_t peers)
{
    hf_raft_limits limits = { 6, NODE_RUNS };
    HF_ASSERT(hf_raft_size(&limits) == sizeof n->raft);
    n->down = 0;
    n->start++;
    n->log = n->disk.log;
    n->applied = n->log.base;
    n->digest = n->log.digest;
    n->config = n->log.config;
    hf_raft_start start = { .self = n->self,
                            .vote = n->disk.vote,
                            .term = n->disk.term,
                            .nonce = n->disk.nonce,
                            .index = n->log.base,
                            .log_term = n->log.base_term,
                            .applied = n->log.base,
                            .config = *node_config_of(n->log.config) };
    replay(n, hf_raft_open(n->raft, &limits, &start));
    hf_liveness_open(&n->live, w->liveness, n->self, n->start, first, w->now);
    for (uint32_t i = 1; i <= peers; i++) {
        if (i != n->self) {
            HF_ASSERT(hf_liveness_add(&n->live, i, w->now));
        }
    }
    n->wake_at = n->live_wake_at = 0;
}

void node_crash(node *n)
{
    node kept = { .self = n->self, .start = n->start, .down = 1, .disk = n->disk };
    *n = kept;
}

void node_lose(node *n, uint64_t from)
{
    HF_PRE(n->down != 0);
    if (from > n->disk.log.base && from <= n->disk.log.base + n->disk.log.count) {
        cut_log(&n->disk.log, from - 1 - n->disk.log.base);
    }
    n->disk.nonce = n->start + 1;
}

/* ---- Events ---- */

static void plain(node *n, const node_world *w, const hf_raft_event *event, uint32_t value,
                  node_out *out)
{
    step s = { .n = n, .w = w, .out = out, .value = value };
    HF_PRE(n->down == 0);
    run(&s, event);
}

void node_tick(node *n, const node_world *w, node_out *out)
{
    plain(n, w, &(hf_raft_event){ .kind = HF_RAFT_TICK }, 0, out);
}

static void pass_on(node *n, const node_world *w, const hf_liveness_update *u, node_out *out)
{
    n->live_wake_at = u->wake_at;
    for (uint32_t i = 0; i < u->message_count; i++) {
        put(out, &(node_packet){ .live = 1, .l = u->message[i] });
    }
    for (uint32_t i = 0; i < n->live.count; i++) {
        if ((u->changed >> i & 1) != 0) {
            plain(n, w, &(hf_raft_event){ .kind = HF_RAFT_LIVENESS, .node = n->live.peer[i].node },
                  0, out);
        }
    }
}

void node_live_tick(node *n, const node_world *w, node_out *out)
{
    hf_liveness_update u;
    hf_liveness_tick(&n->live, w->liveness, w->now, &u);
    pass_on(n, w, &u, out);
}

void node_receive(node *n, const node_world *w, const node_packet *packet, node_out *out)
{
    if (packet->live != 0) {
        hf_liveness_update u;
        hf_liveness_receive(&n->live, w->liveness, &packet->l, w->now, &u);
        pass_on(n, w, &u, out);
        return;
    }
    hf_raft_entry entries[NODE_BATCH];
    for (uint32_t i = 0; i < NODE_BATCH; i++) {
        const node_entry *e = &packet->entry[i];
        entries[i] = (hf_raft_entry){ .term = e->term, .kind = e->kind };
        if (e->kind == HF_RAFT_CONFIG) {
            entries[i].config = node_config_of(e->value);
        }
    }
    node_packet came = *packet;
    if ((came.m.flags & HF_RAFT_DONE) != 0) {
        came.m.config = node_config_of(came.config);
    }
    step s = { .n = n, .w = w, .out = out, .packet = &came };
    run(&s, &(hf_raft_event){ .kind = HF_RAFT_RECEIVE, .message = &came.m, .entries = entries });
}

static void send_held(node *n, uint64_t written, node_out *out)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < n->held_count; i++) {
        if (n->held[i].after <= written) {
            put(out, &n->held[i].packet);
        } else {
            n->held[left++] = n->held[i];
        }
    }
    memset(n->held + left, 0, (n->held_count - left) * sizeof n->held[0]);
    n->held_count = left;
}

bool node_flush(node *n, const node_world *w, node_out *out)
{
    if (n->write_count == 0) {
        return false;
    }
    uint64_t number = n->write[0].number;
    n->disk = n->write[0].image;
    uint64_t last = n->disk.log.base + n->disk.log.count;
    memmove(n->write, n->write + 1, (n->write_count - 1) * sizeof n->write[0]);
    n->write_count--;
    memset(&n->write[n->write_count], 0, sizeof n->write[0]);
    send_held(n, number, out);
    plain(n, w, &(hf_raft_event){ .kind = HF_RAFT_PERSISTED, .write = number, .index = last }, 0,
          out);
    return true;
}

void node_propose(node *n, const node_world *w, uint32_t value, node_out *out)
{
    plain(n, w, &(hf_raft_event){ .kind = HF_RAFT_PROPOSE, .count = 1 }, value, out);
}

void node_change(node *n, const node_world *w, const hf_raft_config *config, node_out *out)
{
    plain(n, w, &(hf_raft_event){ .kind = HF_RAFT_CHANGE, .config = config }, 0, out);
}

void node_hand_over(node *n, const node_world *w, uint32_t to, node_out *out)
{
    plain(n, w, &(hf_raft_event){ .kind = HF_RAFT_HAND_OVER, .node = to }, 0, out);
}

void node_read(node *n, const node_world *w, node_out *out)
{
    step s = { .n = n, .w = w, .out = out };
    run(&s, &(hf_raft_event){ .kind = HF_RAFT_READ });
    out->asked = s.u.asked;
}

bool node_compact(node *n, const node_world *w)
{
    const hf_raft *r = node_raft_of(n);
    bool full = n->log.count > NODE_LOG / 2;
    if (n->applied == n->log.base || n->applied > r->stable ||
        (hf_raft_sends_snapshot(r) != 0 && !full)) {
        return false;
    }
    uint64_t term = hf_raft__term_at(r, n->applied);
    drop_before(&n->log, n->applied, term);
    n->log.digest = n->digest;
    n->log.config = n->config;
    node_out out = { .count = 0 };
    plain(n, w, &(hf_raft_event){ .kind = HF_RAFT_COMPACT, .index = n->applied }, 0, &out);
    return true;
}

bool node_may_read(const node *n, const node_world *w, uint64_t *index)
{
    hf_raft_view v = view(n, w);
    return n->down == 0 && hf_raft_may_read(node_raft_of(n), &v, index);
}

static uint64_t less(uint64_t number, uint64_t by)
{
    return number > by ? number - by : 0;
}

void node_normalise(node *n)
{
    hf_raft *r = node_raft(n);
    uint64_t by = r->persisted;
    r->persisted = 0;
    r->write -= by;
    r->hard_write = less(r->hard_write, by);
    r->cut_write = less(r->cut_write, by);
    for (uint32_t i = 0; i < n->write_count; i++) {
        n->write[i].number -= by;
    }
    for (uint32_t i = 0; i < n->held_count; i++) {
        n->held[i].after -= by;
    }
}
