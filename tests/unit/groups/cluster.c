#include "tests/unit/groups/cluster.h"
#include "engine/base/assert.h"
#include "engine/base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_GONE = 8 }; /* flag of a record, its second byte */
enum { INDEX_MAX = 4096, GROUPS_MAX = 4096, PACKETS_MAX = 1 << 16, STATE_BYTES = 24 };

/* A group's state at a node: what a snapshot has in it. */
typedef struct state {
    uint64_t index, digest, count;
} state;

typedef struct disk_record {
    uint64_t group;
    bool is_state; /* of a snapshot that came in: in force with the next record of the group */
    uint32_t size;
    uint8_t *bytes;
} disk_record;

typedef struct replica {
    state now, snapshot;
    uint8_t coming[STATE_BYTES];
    uint32_t coming_size;
    state found; /* at the start: of a snapshot, in force with the next record; index 0: none */
} replica;

typedef struct node {
    cluster *c;
    uint32_t number, start;
    bool up, full;
    void *region;
    hf_heap *heap;
    hf_groups *groups;
    replica *replica; /* by group */
    disk_record *log;
    uint64_t log_count, log_room, log_first; /* lsn of log[0] is log_first + 1 */
    uint64_t flushed;                        /* lsn */
    uint64_t flush_at, flush_to;             /* a flush on its way: until when, up to where */
    uint64_t next_turn;
    disk_record *saved; /* the checkpoint: two for each group */
    uint32_t saved_count;
    state *saved_state;
} node;

typedef struct flight {
    uint64_t at;
    uint32_t from, to, size;
    uint8_t *bytes;
} flight;

typedef struct chosen {
    uint64_t hash; /* of the entry; 0: nothing was applied at this index yet */
} chosen;

/* The newest proposal for an index: what comes of it is told by its term. */
typedef struct asked {
    uint64_t term, hash;
} asked;

struct cluster {
    cluster_config config;
    hf_prng prng;
    uint64_t now;
    node node[NODES_MAX + 1];
    flight *flights;
    uint32_t flight_count;
    bool parted[NODES_MAX + 1][NODES_MAX + 1];
    uint64_t parted_until;
    chosen *chosen; /* by group and index */
    asked *asked;   /* likewise */
    uint64_t *newest;
    hf_raft_config members;
    uint64_t proposals, committed;
    cluster_stats stats;
    const cluster_faults *faults;
};

/* ---- What the groups ask of a node ---- */

static uint64_t newest_lsn(const node *n)
{
    return n->log_first + n->log_count;
}

static void append(node *n, disk_record record)
{
    if (n->log_count == n->log_room) {
        n->log_room = n->log_room == 0 ? 1024 : 2 * n->log_room;
        n->log = realloc(n->log, n->log_room * sizeof *n->log);
        HF_ASSERT(n->log != NULL);
    }
    n->log[n->log_count++] = record;
}

/* One at a time: what comes meanwhile waits for the next. */
static void begin_flush(node *n)
{
    if (n->flush_at == 0 && newest_lsn(n) > n->flushed) {
        n->flush_at = n->c->now + hf_prng_range(&n->c->prng, 1, 12) * MS;
        n->flush_to = newest_lsn(n);
    }
}

static hf_err on_persist(void *context, uint64_t group, const hf_bytes *parts, uint32_t count,
                         uint64_t *lsn)
{
    node *n = context;
    replica *r = &n->replica[group];
    uint32_t size = 0;
    if (n->full) {
        n->c->stats.stalls++;
        return HF_E_FULL;
    }
    if (r->coming_size == STATE_BYTES) { /* the snapshot was installed: it goes before */
        disk_record s = { group, true, STATE_BYTES, malloc(STATE_BYTES) };
        HF_ASSERT(s.bytes != NULL);
        memcpy(s.bytes, &r->now, STATE_BYTES);
        r->coming_size = 0;
        append(n, s);
    }
    for (uint32_t i = 0; i < count; i++) {
        size += parts[i].size;
    }
    disk_record record = { group, false, size, malloc(size + 1) };
    HF_ASSERT(record.bytes != NULL);
    for (uint32_t i = 0, at = 0; i < count; at += parts[i].size, i++) {
        memcpy(record.bytes + at, parts[i].data, parts[i].size);
    }
    append(n, record);
    *lsn = newest_lsn(n);
    begin_flush(n);
    return HF_OK;
}

static bool hits(cluster *c, uint32_t chance)
{
    return chance != 0 && hf_prng_below(&c->prng, 1000) < chance;
}

static void fly(cluster *c, uint32_t from, uint32_t to, const uint8_t *bytes, uint32_t size)
{
    uint64_t delay = hf_prng_range(&c->prng, MS / 10, MS);
    if (hits(c, c->faults->late)) {
        delay = hf_prng_range(&c->prng, MS, 200 * MS);
    }
    HF_ASSERT(c->flight_count < PACKETS_MAX);
    flight *f = &c->flights[c->flight_count++];
    *f = (flight){ c->now + delay, from, to, size, malloc(size) };
    HF_ASSERT(f->bytes != NULL);
    memcpy(f->bytes, bytes, size);
}

static void on_send(void *context, uint32_t to, const hf_bytes *parts, uint32_t count,
                    uint32_t size)
{
    node *n = context;
    cluster *c = n->c;
    uint8_t *bytes = malloc(size);
    uint32_t at = 0;
    HF_ASSERT(bytes != NULL);
    for (uint32_t i = 0; i < count; at += parts[i].size, i++) {
        memcpy(bytes + at, parts[i].data, parts[i].size);
    }
    HF_ASSERT(at == size);
    c->stats.packets++;
    c->stats.bytes += size;
    if (!hits(c, c->faults->lost) && !c->parted[n->number][to]) {
        fly(c, n->number, to, bytes, size);
        if (hits(c, c->faults->twice)) {
            fly(c, n->number, to, bytes, size);
        }
    }
    free(bytes);
}

static uint64_t hash_of(uint64_t index, uint32_t kind, hf_bytes payload)
{
    return hf_hash_id(kind, index, hf_hash64(1, payload.data, payload.size)) | 1;
}

static void on_apply(void *context, uint64_t group, uint64_t index, uint64_t term, uint32_t kind,
                     hf_bytes payload)
{
    node *n = context;
    cluster *c = n->c;
    state *s = &n->replica[group].now;
    uint64_t hash = hash_of(index, kind, payload);
    HF_ASSERT(index == s->index + 1 && index < INDEX_MAX);
    chosen *at = &c->chosen[group * INDEX_MAX + index];
    if (at->hash == 0) {
        at->hash = hash;
        c->newest[group] = index;
        c->committed += kind == HF_RAFT_DATA;
    }
    HF_ASSERT(at->hash == hash); /* one entry at an index, on all nodes, for ever */
    const asked *was = &c->asked[group * INDEX_MAX + index];
    /* What was proposed in this term, and nothing else; few bytes may come twice. */
    HF_ASSERT(was->term != term || was->hash == hash);
    HF_ASSERT(was->term == term || was->hash != hash || payload.size < 8);
    c->stats.answered += was->term == term;
    *s = (state){ index, hf_hash_mix(s->digest ^ hash), s->count + 1 };
}

static void on_leads(void *context, uint64_t group, uint32_t leader, hf_raft_role role)
{
    (void)context;
    (void)group;
    HF_ASSERT(role != HF_RAFT_LEADER || leader != 0);
}

static void on_reads(void *context, uint64_t group, uint64_t read, uint64_t index)
{
    (void)context;
    (void)group;
    (void)read;
    (void)index;
}

static void on_reads_failed(void *context, uint64_t group)
{
    (void)context;
    (void)group;
}

static hf_err on_piece(void *context, uint64_t group, uint64_t index, uint64_t offset,
                       uint32_t most, hf_bytes *piece, bool *last)
{
    node *n = context;
    const state *s = &n->replica[group].snapshot;
    HF_ASSERT(s->index == index && offset < STATE_BYTES);
    uint32_t size = STATE_BYTES - (uint32_t)offset;
    *piece = hf_bytes_of((const uint8_t *)s + offset, size < most ? size : most);
    *last = size <= most;
    return HF_OK;
}

static void on_take(void *context, uint64_t group, uint64_t index, uint64_t offset, hf_bytes piece)
{
    node *n = context;
    replica *r = &n->replica[group];
    (void)index;
    if (offset == 0) {
        r->coming_size = 0;
    }
    HF_ASSERT(r->coming_size == offset && offset + piece.size <= STATE_BYTES);
    memcpy(r->coming + offset, piece.data, piece.size);
    r->coming_size += piece.size;
}

static void on_install(void *context, uint64_t group, uint64_t index)
{
    node *n = context;
    replica *r = &n->replica[group];
    HF_ASSERT(r->coming_size == STATE_BYTES);
    memcpy(&r->now, r->coming, STATE_BYTES);
    HF_ASSERT(r->now.index == index);
    r->snapshot = r->now;
    n->c->stats.installs++;
}

/* ---- A node's life ---- */

static const cluster_faults none;

static void start_groups(node *n)
{
    cluster *c = n->c;
    hf_groups_config config = {
        .self = n->number,
        .start = ++n->start,
        .first = n->start == 1,
        .groups_max = GROUPS_MAX,
        .entry_bytes_max = 1024,
        .piece_bytes_max = 10, /* three pieces a snapshot */
        .packet_bytes_max = 64 * 1024,
        .seed = hf_prng_next(&c->prng),
        .raft = { .election_ns = 100 * MS,
                  .spread_ns = 150 * MS,
                  .quorum_ns = 300 * MS,
                  .resend_ns = 40 * MS,
                  .message_bytes = 4096,
                  .window_bytes = 16384,
                  .uncommitted = 200,
                  .behind = 16,
                  .window = 4,
                  .leases = true },
        .liveness = { 40 * MS, 200 * MS, 100 },
    };
    hf_groups_handler handler = { .context = n,
                                  .persist = on_persist,
                                  .send = on_send,
                                  .apply = on_apply,
                                  .leads = on_leads,
                                  .reads = on_reads,
                                  .reads_failed = on_reads_failed,
                                  .piece = on_piece,
                                  .take = on_take,
                                  .install = on_install };
    n->heap = hf_heap_open(n->region, c->config.memory);
    HF_ASSERT(hf_groups_open(n->heap, &config, &handler, &n->groups) == HF_OK);
}

static void replay(node *n, const disk_record *record)
{
    replica *r = &n->replica[record->group];
    if (record->is_state) {
        memcpy(&r->found, record->bytes, STATE_BYTES);
        return;
    }
    if (r->found.index != 0) {
        r->now = r->snapshot = r->found;
        r->found.index = 0;
    }
    if ((record->bytes[1] & RECORD_GONE) != 0) {
        *r = (replica){ .coming_size = 0 };
    }
    HF_ASSERT(hf_groups_replay(n->groups, record->group,
                               hf_bytes_of(record->bytes, record->size)) == HF_OK);
}

void cluster_begin(cluster *c, uint32_t number)
{
    node *n = &c->node[number];
    HF_ASSERT(!n->up);
    start_groups(n);
    memset(n->replica, 0, c->config.groups * sizeof *n->replica);
    for (uint32_t i = 0; i < n->saved_count; i++) {
        n->replica[n->saved[i].group].now = n->saved_state[i];
        n->replica[n->saved[i].group].snapshot = n->saved_state[i];
        replay(n, &n->saved[i]);
    }
    for (uint64_t i = 0; i < n->log_count; i++) {
        replay(n, &n->log[i]);
    }
    HF_ASSERT(hf_groups_start(n->groups, c->now) == HF_OK);
    for (uint32_t i = 1; i <= c->config.nodes; i++) {
        HF_ASSERT(i == number || hf_groups_meet(n->groups, i, c->now) == HF_OK);
    }
    n->up = true;
    n->next_turn = c->now;
    hf_groups_check(n->groups);
}

static void forget_log(node *n, uint64_t keep)
{
    while (n->log_count > keep) {
        free(n->log[--n->log_count].bytes);
    }
}

static void forget_saved(node *n)
{
    while (n->saved_count > 0) {
        disk_record *record = &n->saved[--n->saved_count];
        free(record->bytes);
        *record = (disk_record){ .size = 0 };
    }
}

void cluster_stop(cluster *c, uint32_t number)
{
    node *n = &c->node[number];
    HF_ASSERT(n->up);
    /* What was not flushed may be there all the same, up to any record. */
    n->flushed = hf_prng_range(&c->prng, n->flushed, newest_lsn(n));
    forget_log(n, n->flushed - n->log_first);
    n->flush_at = 0;
    n->up = false;
    hf_groups_stats until_now = hf_groups_stats_get(n->groups);
    c->stats.steps += until_now.steps;
    c->stats.messages += until_now.messages;
    hf_heap_close(n->heap); /* a crash: nobody cleans up */
    n->groups = NULL;
    c->stats.crashes++;
}

void cluster_checkpoint(cluster *c, uint32_t number)
{
    node *n = &c->node[number];
    uint64_t cursor = 0;
    uint64_t group;
    forget_saved(n);
    while (hf_groups_next(n->groups, &cursor, &group)) {
        hf_buf out;
        hf_buf_open(&out, n->heap);
        HF_ASSERT(hf_groups_save(n->groups, group, &out));
        disk_record *record = &n->saved[n->saved_count];
        *record = (disk_record){ group, false, out.size, malloc(out.size) };
        HF_ASSERT(record->bytes != NULL);
        memcpy(record->bytes, out.data, out.size);
        n->saved_state[n->saved_count++] = n->replica[group].now;
        HF_ASSERT(n->replica[group].now.index == hf_groups_applied(n->groups, group));
        hf_buf_close(&out);
    }
    /* What is in the log already is in the checkpoint, durable or not. */
    uint64_t newest = newest_lsn(n);
    forget_log(n, 0);
    n->log_first = n->flushed = newest;
    n->flush_at = 0;
    hf_groups_durable(n->groups, newest, c->now);
    c->stats.checkpoints++;
}

void cluster_compact(cluster *c, uint32_t number)
{
    node *n = &c->node[number];
    for (uint64_t g = 0; g < c->config.groups; g++) {
        state s = n->replica[g].now;
        const hf_raft *raft = hf_groups_raft(n->groups, g);
        if (raft != NULL && hf_raft_sends_snapshot(raft) == 0 &&
            hf_groups_compact(n->groups, g, s.index, c->now) == HF_OK && s.index != 0) {
            n->replica[g].snapshot = s;
        }
    }
}

void cluster_flush(cluster *c, uint32_t number)
{
    node *n = &c->node[number];
    n->flushed = newest_lsn(n);
    n->flush_at = 0;
    hf_groups_durable(n->groups, n->flushed, c->now);
}

bool cluster_remove(cluster *c, uint32_t number, uint64_t group)
{
    node *n = &c->node[number];
    if (hf_groups_remove(n->groups, group) != HF_OK) {
        return false;
    }
    n->replica[group] = (replica){ .coming_size = 0 };
    return true;
}

void cluster_create(cluster *c, uint32_t number, uint64_t group)
{
    node *n = &c->node[number];
    HF_ASSERT(hf_groups_create(n->groups, group, &c->members, c->now) == HF_OK);
    n->next_turn = c->now;
}

/* ---- The whole ---- */

cluster *cluster_open(const cluster_config *config)
{
    cluster *c = calloc(1, sizeof *c);
    HF_ASSERT(c != NULL && config->groups <= GROUPS_MAX && config->nodes <= NODES_MAX);
    c->config = *config;
    c->config.memory = config->memory == 0 ? 8u << 20 : config->memory;
    c->prng = hf_prng_of(config->seed);
    c->now = MS;
    c->faults = &none;
    c->flights = calloc(PACKETS_MAX, sizeof *c->flights);
    c->chosen = calloc((size_t)config->groups * INDEX_MAX, sizeof *c->chosen);
    c->asked = calloc((size_t)config->groups * INDEX_MAX, sizeof *c->asked);
    c->newest = calloc(config->groups, sizeof *c->newest);
    HF_ASSERT(c->flights != NULL && c->chosen != NULL && c->asked != NULL && c->newest != NULL);
    c->members.count = (uint8_t)config->nodes;
    for (uint32_t i = 0; i < config->nodes; i++) {
        c->members.node[i] = i + 1;
        c->members.role[i] = HF_RAFT_VOTER;
    }
    for (uint32_t i = 1; i <= config->nodes; i++) {
        node *n = &c->node[i];
        n->c = c;
        n->number = i;
        n->region = aligned_alloc(65536, c->config.memory);
        n->replica = calloc(config->groups, sizeof *n->replica);
        n->saved = calloc(config->groups, sizeof *n->saved);
        n->saved_state = calloc(config->groups, sizeof *n->saved_state);
        HF_ASSERT(n->region != NULL && n->replica != NULL && n->saved != NULL &&
                  n->saved_state != NULL);
        cluster_begin(c, i);
        for (uint64_t g = 0; g < config->groups; g++) {
            cluster_create(c, i, g);
        }
        cluster_flush(c, i); /* made with the data directory */
    }
    return c;
}

void cluster_close(cluster *c)
{
    for (uint32_t i = 1; i <= c->config.nodes; i++) {
        node *n = &c->node[i];
        if (n->up) {
            hf_groups_close(n->groups);
            HF_ASSERT(hf_heap_lent(n->heap) == 0); /* nothing is forgotten */
            hf_heap_close(n->heap);
        }
        forget_log(n, 0);
        forget_saved(n);
        free(n->log);
        free(n->saved);
        free(n->saved_state);
        free(n->replica);
        free(n->region);
    }
    for (uint32_t i = 0; i < c->flight_count; i++) {
        free(c->flights[i].bytes);
    }
    free(c->flights);
    free(c->chosen);
    free(c->asked);
    free(c->newest);
    free(c);
}

static void receive(cluster *c, const flight *f)
{
    node *n = &c->node[f->to];
    const char *what = NULL;
    if (n->up) {
        HF_ASSERT(hf_groups_receive(n->groups, f->from, hf_bytes_of(f->bytes, f->size), c->now,
                                    &what) == HF_OK);
        n->next_turn = c->now;
    }
    free(f->bytes);
}

static void deliver(cluster *c)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < c->flight_count; i++) { /* a full packet may take off meanwhile */
        flight f = c->flights[i];
        if (f.at > c->now) {
            c->flights[left++] = f;
        } else {
            receive(c, &f);
        }
    }
    c->flight_count = left;
}

static void flush(cluster *c, node *n)
{
    if (n->flush_at != 0 && n->flush_at <= c->now) {
        n->flush_at = 0;
        n->flushed = n->flush_to;
        hf_groups_durable(n->groups, n->flushed, c->now);
        n->next_turn = c->now;
        begin_flush(n);
    }
}

static bool propose(cluster *c, uint64_t group)
{
    for (uint32_t i = 1; i <= c->config.nodes; i++) {
        node *n = &c->node[i];
        uint8_t bytes[1024];
        hf_bytes payload[3];
        uint64_t first, term;
        if (!n->up || c->newest[group] + 300 > INDEX_MAX) {
            continue;
        }
        uint32_t count = (uint32_t)hf_prng_range(&c->prng, 1, 3);
        hf_prng_fill(&c->prng, bytes, sizeof bytes);
        for (uint32_t k = 0; k < count; k++) {
            uint32_t size = hits(c, 50) ? 1000 : (uint32_t)hf_prng_below(&c->prng, 40);
            payload[k] = hf_bytes_of(bytes + k, size);
        }
        if (hf_groups_propose(n->groups, group, payload, count, c->now, &first, &term) == HF_OK) {
            for (uint32_t k = 0; k < count; k++) {
                c->asked[group * INDEX_MAX + first + k] =
                    (asked){ term, hash_of(first + k, HF_RAFT_DATA, payload[k]) };
            }
            n->next_turn = c->now;
            return true;
        }
    }
    return false;
}

uint32_t cluster_propose_all(cluster *c)
{
    uint32_t taken = 0;
    for (uint64_t g = 0; g < c->config.groups; g++) {
        taken += propose(c, g);
    }
    return taken;
}

static void part(cluster *c)
{
    if (c->now >= c->parted_until) {
        memset(c->parted, 0, sizeof c->parted);
    }
    if (!hits(c, c->faults->parted)) {
        return;
    }
    uint32_t alone = 1 + (uint32_t)hf_prng_below(&c->prng, c->config.nodes);
    bool one_way = hf_prng_chance(&c->prng, 1, 2);
    for (uint32_t i = 1; i <= c->config.nodes; i++) {
        c->parted[alone][i] = i != alone;
        c->parted[i][alone] = i != alone && !one_way;
    }
    c->parted_until = c->now + hf_prng_range(&c->prng, 50, 1500) * MS;
}

static void misfortune(cluster *c, uint32_t number)
{
    node *n = &c->node[number];
    const cluster_faults *f = c->faults;
    if (!n->up) {
        if (hf_prng_chance(&c->prng, 1, 100)) {
            cluster_begin(c, number);
        }
        return;
    }
    if (hits(c, f->full)) {
        n->full = !n->full;
    }
    if (hits(c, f->checkpoint)) {
        cluster_checkpoint(c, number);
    }
    if (number == c->config.nodes && hits(c, f->replaced)) { /* one node's only: others have all */
        uint64_t group = hf_prng_below(&c->prng, c->config.groups);
        if (cluster_remove(c, number, group)) {
            cluster_create(c, number, group);
            c->stats.replaced++;
        }
    }
    if (hits(c, f->crash)) {
        n->full = false;
        cluster_stop(c, number);
    }
}

void cluster_turn(cluster *c, uint32_t number)
{
    node *n = &c->node[number];
    n->next_turn = hf_groups_turn(n->groups, c->now);
    HF_ASSERT(n->next_turn > c->now);
}

void cluster_run(cluster *c, uint64_t rounds, const cluster_faults *faults, uint32_t rate)
{
    c->faults = faults != NULL ? faults : &none;
    if (faults == NULL) {
        memset(c->parted, 0, sizeof c->parted);
        for (uint32_t i = 1; i <= c->config.nodes; i++) {
            c->node[i].full = false;
        }
    }
    for (uint64_t i = 0; i < rounds; i++) {
        c->now += MS;
        part(c);
        deliver(c);
        for (uint32_t k = 1; k <= c->config.nodes; k++) {
            if (c->node[k].up) {
                flush(c, &c->node[k]);
            }
            if (c->node[k].up && faults != NULL && hits(c, faults->compact)) {
                cluster_compact(c, k); /* what is in packets already may go */
                (void)cluster_propose_all(c);
            }
            if (c->node[k].up && c->node[k].next_turn <= c->now) {
                cluster_turn(c, k);
            }
            if (faults != NULL) {
                misfortune(c, k);
            }
        }
        for (uint64_t g = 0; g < c->config.groups && rate != 0; g++) {
            if (hits(c, rate)) {
                (void)propose(c, g);
            }
        }
    }
    for (uint32_t k = 1; k <= c->config.nodes; k++) {
        if (c->node[k].up) {
            hf_groups_check(c->node[k].groups);
            hf_heap_check(c->node[k].heap);
        }
    }
    c->faults = &none;
}

uint32_t cluster_leaders(const cluster *c)
{
    uint32_t count = 0;
    for (uint64_t g = 0; g < c->config.groups; g++) {
        uint32_t leaders = 0;
        for (uint32_t i = 1; i <= c->config.nodes; i++) {
            leaders += c->node[i].up &&
                       hf_raft_role_of(hf_groups_raft(c->node[i].groups, g)) == HF_RAFT_LEADER;
        }
        count += leaders == 1;
    }
    return count;
}

uint32_t cluster_behind(const cluster *c)
{
    uint32_t behind = 0;
    for (uint64_t g = 0; g < c->config.groups; g++) {
        for (uint32_t i = 1; i <= c->config.nodes; i++) {
            const state *s = &c->node[i].replica[g].now;
            behind += !c->node[i].up || s->index != c->newest[g] || s->count != s->index ||
                      s->digest != c->node[1].replica[g].now.digest;
        }
    }
    return behind;
}

bool cluster_is_up(const cluster *c, uint32_t number)
{
    return c->node[number].up;
}

bool cluster_carries(const cluster *c, hf_bytes bytes)
{
    for (uint32_t i = 0; i < c->flight_count; i++) {
        if (memmem(c->flights[i].bytes, c->flights[i].size, bytes.data, bytes.size) != NULL) {
            return true;
        }
    }
    return false;
}

hf_groups *cluster_groups(cluster *c, uint32_t number)
{
    return c->node[number].groups;
}

hf_heap *cluster_heap(cluster *c, uint32_t number)
{
    return c->node[number].heap;
}

void cluster_fill(cluster *c, uint32_t number, bool full)
{
    c->node[number].full = full;
}

uint64_t cluster_log_bytes(const cluster *c, uint32_t number)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < c->node[number].log_count; i++) {
        sum += c->node[number].log[i].size;
    }
    return sum;
}

uint64_t cluster_now(const cluster *c)
{
    return c->now;
}

uint64_t cluster_committed(const cluster *c)
{
    return c->committed;
}

cluster_stats cluster_stats_get(const cluster *c)
{
    cluster_stats stats = c->stats;
    for (uint32_t i = 1; i <= c->config.nodes; i++) {
        if (c->node[i].up) {
            hf_groups_stats one = hf_groups_stats_get(c->node[i].groups);
            stats.steps += one.steps;
            stats.messages += one.messages;
        }
    }
    return stats;
}
