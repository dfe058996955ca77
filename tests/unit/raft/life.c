#include "tests/unit/raft/life.h"
#include "engine/base/assert.h"
#include "engine/base/prng.h"
#include "tests/unit/raft/carry.h"
#include "tests/unit/raft/node.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NODES = 6,
    FLIGHTS_MAX = 4096,
    CLIENTS = 4,
    TRUTH_MAX = 200000,
    PATIENCE = 2000, /* a client asks somebody else */
    HEALED = 20000,  /* within so long everything goes on, */
    SILENCE = 3000,  /* ... and then is silent for so long */
    UNIT = 1000,     /* of the clocks' rates */
};

typedef struct flight {
    uint64_t at, order;
    node_packet packet;
} flight;

typedef enum op_kind { OP_NONE, OP_WRITE, OP_READ } op_kind;

typedef struct client {
    op_kind kind;
    uint32_t place; /* the node that was asked */
    uint32_t start; /* ... in this life */
    uint64_t term, index, floor, until, next;
    uint64_t number;
    uint32_t value;
} client;

typedef struct life {
    const life_config *config;
    life_result *result;
    hf_prng prng;
    uint64_t now, order;
    node nodes[NODES + 1];
    uint64_t rate[NODES + 1], offset[NODES + 1];
    uint64_t flush_at[NODES + 1], start_at[NODES + 1];
    flight *flights; /* a heap by (at, order) */
    uint32_t flight_count;
    bool cut[NODES + 1][NODES + 1];
    client clients[CLIENTS];
    uint64_t *truth; /* digest after each entry */
    uint64_t truth_count, floor;
    uint64_t fault_at;
    uint32_t value;
    uint32_t loss, twice; /* per cent */
    uint64_t raft_messages;
    bool healed, quiet;
    uint64_t terms;
} life;

static const hf_raft_options options = { .election_ns = 100,
                                         .spread_ns = 150,
                                         .quorum_ns = 300,
                                         .resend_ns = 40,
                                         .message_bytes = NODE_BATCH,
                                         .window_bytes = 16,
                                         .uncommitted = 24,
                                         .behind = 4,
                                         .window = 6,
                                         .leases = true };
static const hf_liveness_options liveness = { 40, 200, 100 };

static jmp_buf stopped;
static char stopped_by[256];

static void on_assert(const char *file, int line, const char *what)
{
    snprintf(stopped_by, sizeof stopped_by, "%s:%d: %s", file, line, what);
    longjmp(stopped, 1);
}

/* ---- The net ---- */

static bool before(const flight *a, const flight *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(flight *a, flight *b)
{
    flight t = *a;
    *a = *b;
    *b = t;
}

static void push(life *l, uint64_t at, const node_packet *p)
{
    if (l->flight_count == FLIGHTS_MAX) {
        return; /* lost */
    }
    uint32_t i = l->flight_count++;
    l->flights[i] = (flight){ at, l->order++, *p };
    for (; i > 0 && before(&l->flights[i], &l->flights[(i - 1) / 2]); i = (i - 1) / 2) {
        swap(&l->flights[i], &l->flights[(i - 1) / 2]);
    }
}

static void pop(life *l, node_packet *p)
{
    *p = l->flights[0].packet;
    l->flights[0] = l->flights[--l->flight_count];
    for (uint32_t i = 0;;) {
        uint32_t least = i;
        for (uint32_t k = 2 * i + 1; k <= 2 * i + 2; k++) {
            if (k < l->flight_count && before(&l->flights[k], &l->flights[least])) {
                least = k;
            }
        }
        if (least == i) {
            break;
        }
        swap(&l->flights[i], &l->flights[least]);
        i = least;
    }
}

static void send_all(life *l, const node_out *out)
{
    for (uint32_t i = 0; i < out->count; i++) {
        const node_packet *p = &out->packet[i];
        uint32_t from = p->live != 0 ? p->l.from : p->m.from;
        uint32_t to = p->live != 0 ? p->l.to : p->m.to;
        l->raft_messages += p->live == 0;
        if (l->cut[from][to] || hf_prng_chance(&l->prng, l->loss, 100)) {
            continue;
        }
        uint64_t late = l->loss != 0 && hf_prng_chance(&l->prng, 1, 50) ? 400 : 8;
        push(l, l->now + hf_prng_range(&l->prng, 1, late), p);
        if (hf_prng_chance(&l->prng, l->twice, 100)) {
            push(l, l->now + hf_prng_range(&l->prng, 1, late * 4), p);
        }
    }
}

/* ---- The judge ---- */

static void wrong(const char *what)
{
    hf_assert_fail("judge", 0, what);
}

static void on_applied(void *context, const node *n, uint64_t index, const node_entry *e)
{
    life *l = context;
    if (index >= TRUTH_MAX) {
        wrong("the run is too long");
    } else if (index <= l->truth_count) {
        if (l->truth[index] != n->digest) {
            wrong("two nodes applied different things");
        }
    } else if (e == NULL || index != l->truth_count + 1) {
        wrong("a snapshot of what nobody has applied");
    } else {
        l->truth[index] = n->digest;
        l->truth_count = index;
    }
    for (uint32_t i = 0; i < CLIENTS && e != NULL; i++) {
        client *c = &l->clients[i];
        if (c->kind == OP_WRITE && c->place == n->self && c->start == n->start &&
            c->index == index && c->term == e->term && c->value == e->value) {
            c->kind = OP_NONE;
            c->next = l->now + hf_prng_range(&l->prng, 1, 40);
            l->floor = index > l->floor ? index : l->floor;
            l->result->writes++;
        }
    }
}

static void read_done(life *l, client *c, uint64_t index)
{
    if (index < c->floor) {
        wrong("a read did not see what was told before");
    }
    l->floor = index > l->floor ? index : l->floor;
    c->kind = OP_NONE;
    c->next = l->now + hf_prng_range(&l->prng, 1, 40);
}

/* Rounds of reads that are over. */
static void look_at_reads(life *l, node *n)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        client *c = &l->clients[i];
        if (c->kind != OP_READ || c->place != n->self) {
            continue;
        }
        if (n->reads_failed != 0 || c->start != n->start || n->down != 0) {
            c->kind = OP_NONE;
            c->next = l->now + 10;
        } else if (n->read_index != 0 && n->read >= c->number) {
            bool leads = node_raft_of(n)->role == HF_RAFT_LEADER;
            if (leads && n->applied < n->read_index) {
                wrong("a read waits for what was not handed out");
            }
            l->result->round_reads += leads;
            l->result->follower_reads += !leads;
            read_done(l, c, n->read_index);
        } else if (node_raft_of(n)->leader == 0) {
            wrong("a read is neither answered nor refused");
        }
    }
    n->reads_failed = 0;
    n->read = n->read_index = 0;
}

/* ---- Nodes ---- */

static uint64_t clock_of(const life *l, uint32_t place)
{
    return l->offset[place] + l->now * l->rate[place] / UNIT;
}

/* The time at which the node's clock shows it, or a little later. */
static uint64_t time_of(const life *l, uint32_t place, uint64_t clock)
{
    if (clock == HF_RAFT_NEVER) {
        return HF_RAFT_NEVER;
    }
    uint64_t since = clock <= l->offset[place] ? 0 : clock - l->offset[place];
    uint64_t at = (since * UNIT + l->rate[place] - 1) / l->rate[place];
    return at > l->now ? at : l->now;
}

static node_world world(life *l, uint32_t place)
{
    return (node_world){ .options = &options,
                         .liveness = &liveness,
                         .now = clock_of(l, place),
                         .random = hf_prng_next(&l->prng),
                         .applied = on_applied,
                         .context = l };
}

static void after(life *l, node *n, const node_out *out)
{
    send_all(l, out);
    look_at_reads(l, n);
    if (n->write_count == 0) {
        l->flush_at[n->self] = HF_RAFT_NEVER;
    } else if (l->flush_at[n->self] == HF_RAFT_NEVER) {
        l->flush_at[n->self] = l->now + hf_prng_range(&l->prng, 1, 12);
    }
    uint64_t term = node_raft_of(n)->term;
    l->terms = term > l->terms ? term : l->terms;
    if (l->config->snapshots && n->down == 0 && hf_prng_chance(&l->prng, 1, 60)) {
        node_world w = world(l, n->self);
        l->result->snapshots += node_compact(n, &w);
    } else if (n->down == 0 && n->log.count > NODE_LOG / 2) {
        node_world w = world(l, n->self);
        (void)node_compact(n, &w);
    }
}

static void start(life *l, uint32_t place, bool first)
{
    node *n = &l->nodes[place];
    node_world w = world(l, place);
    node_start(n, &w, first, NODES);
    l->start_at[place] = HF_RAFT_NEVER;
}

static void crash(life *l, uint32_t place)
{
    node *n = &l->nodes[place];
    if (n->down != 0) {
        return;
    }
    node_crash(n);
    look_at_reads(l, n);
    l->flush_at[place] = HF_RAFT_NEVER;
    l->start_at[place] = l->now + hf_prng_range(&l->prng, 1, 600);
    l->result->crashes++;
}

static bool somebody_has_lost(const life *l)
{
    for (uint32_t i = 1; i <= NODES; i++) {
        const node *n = &l->nodes[i];
        if (n->disk.nonce != 0 || (n->down == 0 && node_raft_of(n)->nonce != 0)) {
            return true;
        }
    }
    return false;
}

/* One disk at a time: what two of three have lost is lost. */
static void lose(life *l, uint32_t place)
{
    node *n = &l->nodes[place];
    if (n->down == 0 || somebody_has_lost(l) || n->disk.log.count == 0) {
        return;
    }
    node_lose(n, n->disk.log.base + hf_prng_range(&l->prng, 1, n->disk.log.count));
    l->result->losses++;
}

static uint32_t a_leader(life *l)
{
    uint32_t found = 0;
    for (uint32_t i = 1; i <= NODES; i++) {
        const node *n = &l->nodes[i];
        if (n->down == 0 && node_raft_of(n)->role == HF_RAFT_LEADER &&
            (found == 0 || hf_prng_chance(&l->prng, 1, 2))) {
            found = i;
        }
    }
    return found;
}

/* ---- Members ---- */

static void change(life *l)
{
    uint32_t place = a_leader(l);
    if (place == 0) {
        return;
    }
    node *n = &l->nodes[place];
    hf_raft_config c = node_raft_of(n)->config;
    uint32_t who = (uint32_t)hf_prng_range(&l->prng, 1, NODES);
    uint32_t at = hf_raft_config_find(&c, who);
    uint32_t voters = 0;
    for (uint32_t i = 0; i < c.count; i++) {
        c.role[i] &= HF_RAFT_VOTER | HF_RAFT_LEARNER;
        voters += c.role[i] == HF_RAFT_VOTER;
    }
    if (at == c.count) {
        c.node[at] = who;
        c.role[at] = HF_RAFT_LEARNER;
        c.count++;
    } else if (c.role[at] == HF_RAFT_LEARNER) {
        c.role[at] = HF_RAFT_VOTER;
    } else if (voters > 2 && hf_prng_chance(&l->prng, 1, 2)) {
        c.role[at] = HF_RAFT_LEARNER;
    } else if (voters > 2) {
        c.count--;
        c.node[at] = c.node[c.count];
        c.role[at] = c.role[c.count];
    }
    memset(c.node + c.count, 0, sizeof c.node - c.count * sizeof c.node[0]);
    memset(c.role + c.count, 0, sizeof c.role - c.count);
    node_world w = world(l, place);
    node_out out = { .count = 0 };
    node_change(n, &w, &c, &out);
    l->result->changes += out.err == HF_OK;
    after(l, n, &out);
}

static void hand_over(life *l)
{
    uint32_t place = a_leader(l);
    if (place != 0) {
        node_world w = world(l, place);
        node_out out = { .count = 0 };
        node_hand_over(&l->nodes[place], &w, (uint32_t)hf_prng_range(&l->prng, 1, NODES), &out);
        after(l, &l->nodes[place], &out);
    }
}

/* ---- Faults ---- */

static void partition(life *l)
{
    uint64_t how = hf_prng_below(&l->prng, 4);
    uint64_t side = hf_prng_next(&l->prng);
    for (uint32_t i = 1; i <= NODES; i++) {
        for (uint32_t k = 1; k <= NODES; k++) {
            bool parted = (side >> i & 1) != (side >> k & 1);
            l->cut[i][k] = how == 0   ? parted
                           : how == 1 ? parted && (side >> i & 1) != 0
                                      : how == 2 && hf_prng_chance(&l->prng, 1, 3);
        }
    }
    l->loss = hf_prng_chance(&l->prng, 1, 2) ? 0 : (uint32_t)hf_prng_below(&l->prng, 30);
    l->twice = (uint32_t)hf_prng_below(&l->prng, 20);
}

static void fault(life *l)
{
    const life_config *c = l->config;
    uint32_t place = (uint32_t)hf_prng_range(&l->prng, 1, NODES);
    l->fault_at = l->now + hf_prng_range(&l->prng, 20, 500);
    switch (hf_prng_below(&l->prng, 6)) {
    case 0:
    case 1:
        if (c->partitions) {
            partition(l);
        }
        break;
    case 2:
        if (c->crashes) {
            crash(l, place);
            if (c->losses && hf_prng_chance(&l->prng, 1, 2)) {
                lose(l, place);
            }
        }
        break;
    case 3:
        if (c->crashes && a_leader(l) != 0) {
            crash(l, a_leader(l));
        }
        break;
    case 4:
        if (c->members) {
            change(l);
        }
        break;
    default:
        hand_over(l);
        break;
    }
}

static void heal(life *l)
{
    memset(l->cut, 0, sizeof l->cut);
    l->loss = l->twice = 0;
    l->healed = true;
    l->fault_at = HF_RAFT_NEVER;
    for (uint32_t i = 1; i <= NODES; i++) {
        l->start_at[i] = l->nodes[i].down != 0 ? l->now + 1 : HF_RAFT_NEVER;
    }
}

/* ---- Clients ---- */

static void client_write(life *l, client *c, node *n)
{
    node_world w = world(l, n->self);
    node_out out = { .count = 0 };
    c->value = ++l->value;
    c->term = node_raft_of(n)->term;
    c->index = node_raft_of(n)->last + 1;
    c->kind = OP_WRITE;
    node_propose(n, &w, c->value, &out);
    if (out.err != HF_OK) {
        c->kind = OP_NONE;
        c->next = l->now + 10;
    }
    after(l, n, &out);
}

static void client_read(life *l, client *c, node *n)
{
    node_world w = world(l, n->self);
    uint64_t index;
    c->floor = l->floor;
    if (node_may_read(n, &w, &index) && hf_prng_chance(&l->prng, 2, 3)) {
        if (n->applied < index) {
            wrong("a lease read waits for what was not handed out");
        }
        l->result->lease_reads++;
        read_done(l, c, index);
        return;
    }
    node_out out = { .count = 0 };
    node_read(n, &w, &out);
    if (out.err == HF_OK) {
        c->kind = OP_READ;
        c->number = out.asked;
    } else {
        c->next = l->now + 10;
    }
    after(l, n, &out);
}

static void client_turn(life *l, client *c)
{
    uint32_t place = a_leader(l);
    if (place == 0 || hf_prng_chance(&l->prng, 1, 6)) {
        place = (uint32_t)hf_prng_range(&l->prng, 1, NODES);
    }
    node *n = &l->nodes[place];
    c->kind = OP_NONE; /* what it waited for, it does not know */
    c->next = l->now + 20;
    c->until = l->now + PATIENCE;
    c->place = place;
    c->start = n->start;
    if (n->down == 0 && hf_prng_chance(&l->prng, 1, 2)) {
        client_write(l, c, n);
    } else if (n->down == 0) {
        client_read(l, c, n);
    }
}

/* ---- Time goes on ---- */

typedef struct turn {
    uint64_t at;
    uint32_t kind, place;
} turn;

enum { T_PACKET, T_FLUSH, T_TIMER, T_LIVE, T_START, T_CLIENT, T_FAULT };

static void sooner(turn *t, uint64_t at, uint32_t kind, uint32_t place)
{
    if (at < t->at) {
        *t = (turn){ at, kind, place };
    }
}

static turn next_turn(const life *l)
{
    turn t = { HF_RAFT_NEVER, 0, 0 };
    if (l->flight_count != 0) {
        sooner(&t, l->flights[0].at, T_PACKET, 0);
    }
    for (uint32_t i = 1; i <= NODES; i++) {
        const node *n = &l->nodes[i];
        sooner(&t, l->start_at[i], T_START, i);
        if (n->down == 0) {
            sooner(&t, l->flush_at[i], T_FLUSH, i);
            sooner(&t, time_of(l, i, n->wake_at), T_TIMER, i);
            sooner(&t, time_of(l, i, n->live_wake_at), T_LIVE, i);
        }
    }
    for (uint32_t i = 0; i < CLIENTS && !l->quiet; i++) {
        const client *c = &l->clients[i];
        sooner(&t, c->kind == OP_NONE ? c->next : c->until, T_CLIENT, i);
    }
    sooner(&t, l->fault_at, T_FAULT, 0);
    return t;
}

static void take_turn(life *l, const turn *t)
{
    node_out out = { .count = 0 };
    node_packet p;
    l->now = t->at > l->now ? t->at : l->now;
    node *n = &l->nodes[t->place];
    node_world w = world(l, t->place == 0 ? 1 : t->place);
    switch (t->kind) {
    case T_PACKET:
        pop(l, &p);
        n = &l->nodes[p.live != 0 ? p.l.to : p.m.to];
        if (n->down == 0) {
            w = world(l, n->self);
            carry(&p);
            node_receive(n, &w, &p, &out);
            after(l, n, &out);
        }
        break;
    case T_FLUSH:
        l->flush_at[t->place] = HF_RAFT_NEVER;
        (void)node_flush(n, &w, &out);
        after(l, n, &out);
        break;
    case T_TIMER:
        node_tick(n, &w, &out);
        after(l, n, &out);
        break;
    case T_LIVE:
        node_live_tick(n, &w, &out);
        after(l, n, &out);
        break;
    case T_START:
        start(l, t->place, false);
        break;
    case T_CLIENT:
        client_turn(l, &l->clients[t->place]);
        break;
    default:
        fault(l);
        break;
    }
    l->result->events++;
}

static void run_until(life *l, uint64_t end, uint64_t events)
{
    while (l->now < end && l->result->events < events) {
        turn t = next_turn(l);
        if (t.at >= end) {
            l->now = end;
            break;
        }
        take_turn(l, &t);
    }
}

/* ---- A life ---- */

static void open_life(life *l)
{
    const life_config *c = l->config;
    hf_raft_config members = { .count = 0 };
    l->prng = hf_prng_of(c->seed);
    for (uint32_t i = 1; i <= c->voters; i++) {
        members.node[members.count] = i;
        members.role[members.count++] = HF_RAFT_VOTER;
    }
    for (uint32_t i = 1; i <= NODES; i++) {
        l->offset[i] = hf_prng_range(&l->prng, 1, 100000);
        l->rate[i] = c->clocks ? hf_prng_range(&l->prng, UNIT - 45, UNIT + 45) : UNIT;
        l->flush_at[i] = l->start_at[i] = HF_RAFT_NEVER;
        node_format(&l->nodes[i], i, &members);
        start(l, i, true);
    }
    l->fault_at = 300;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        l->clients[i].next = 10 + i;
    }
}

static bool all_agree(const life *l)
{
    const hf_raft *leader = NULL;
    for (uint32_t i = 1; i <= NODES; i++) {
        const hf_raft *r = node_raft_of(&l->nodes[i]);
        if (r->role == HF_RAFT_LEADER && (leader == NULL || r->term > leader->term)) {
            leader = r;
        }
    }
    for (uint32_t i = 0; leader != NULL && i < leader->config.count; i++) {
        const node *n = &l->nodes[leader->config.node[i]];
        if (n->applied != leader->last || node_raft_of(n)->nonce != 0) {
            return false;
        }
    }
    return leader != NULL && leader->commit == leader->last;
}

static void must_go_on(life *l)
{
    uint64_t writes = l->result->writes;
    uint64_t reads = l->result->lease_reads;
    uint64_t end = l->now + HEALED;
    while (l->now < end &&
           (l->result->writes < writes + 10 || l->result->lease_reads < reads + 3)) {
        run_until(l, l->now + 100, UINT64_MAX);
    }
    if (l->result->writes < writes + 10 || l->result->lease_reads < reads + 3) {
        wrong("nothing goes on though nothing is broken");
    }
}

/* Leadership is offered to one who does not hear of it. */
static void offer_in_vain(life *l)
{
    l->quiet = true;
    run_until(l, l->now + SILENCE, UINT64_MAX);
    uint32_t from = a_leader(l);
    const hf_raft *r = from == 0 ? NULL : node_raft_of(&l->nodes[from]);
    for (uint32_t i = 0; r != NULL && i < r->config.count; i++) {
        uint32_t to = r->config.node[i];
        if (to != from && r->config.role[i] == HF_RAFT_VOTER) {
            node_world w = world(l, from);
            node_out out = { .count = 0 };
            l->cut[from][to] = true;
            node_hand_over(&l->nodes[from], &w, to, &out);
            after(l, &l->nodes[from], &out);
            l->cut[from][to] = false;
            break;
        }
    }
    run_until(l, l->now + 2 * options.election_ns, UINT64_MAX);
    l->quiet = false;
}

static void must_be_silent(life *l)
{
    l->quiet = true;
    uint64_t end = l->now + HEALED;
    while (l->now < end && !all_agree(l)) {
        run_until(l, l->now + 100, UINT64_MAX);
    }
    if (!all_agree(l)) {
        wrong("members do not come to have the same");
    }
    if (l->config->members) {
        return; /* who was left out may not know it, and asks */
    }
    run_until(l, l->now + SILENCE, UINT64_MAX);
    uint64_t messages = l->raft_messages;
    run_until(l, l->now + SILENCE, UINT64_MAX);
    if (l->raft_messages != messages) {
        wrong("an idle group sends messages");
    }
    for (uint32_t i = 1; i <= NODES; i++) {
        if (l->nodes[i].wake_at != HF_RAFT_NEVER) {
            wrong("an idle group has a timer");
        }
    }
}

life_config life_kind(const char *name)
{
    bool five = strcmp(name, "five") == 0;
    bool members = five || strcmp(name, "members") == 0;
    bool losses = strcmp(name, "losses") == 0;
    bool crashes = members || losses || strcmp(name, "crashes") == 0;
    bool net = crashes || strcmp(name, "net") == 0;
    HF_PRE(net || strcmp(name, "peace") == 0);
    return (life_config){ .voters = five ? 5 : 3,
                          .events = 6000,
                          .partitions = net,
                          .clocks = net,
                          .crashes = crashes,
                          .losses = losses,
                          .snapshots = crashes && !losses,
                          .members = members };
}

static void tell_state(const life *l, char *text, size_t size)
{
    size_t at = 0;
    for (uint32_t i = 1; i <= NODES && at < size; i++) {
        const node *n = &l->nodes[i];
        const hf_raft *r = node_raft_of(n);
        at += (size_t)snprintf(
            text + at, size - at,
            "  node %u%s clock %llu %s term %llu vote %u leader %u promise %u/%llx base %llu last "
            "%llu "
            "stable %llu commit %llu timer %lld liveness %lld nonce %llu writes %u%s members",
            i, n->down != 0 ? " down" : "", (unsigned long long)clock_of(l, i),
            hf_raft_role_name((hf_raft_role)r->role), (unsigned long long)r->term, r->vote,
            r->leader, r->promise_node, (unsigned long long)r->promise_epoch,
            (unsigned long long)r->base, (unsigned long long)r->last, (unsigned long long)r->stable,
            (unsigned long long)r->commit, (long long)n->wake_at, (long long)n->live_wake_at,
            (unsigned long long)r->nonce, n->write_count, r->cramped ? " cramped" : "");
        for (uint32_t k = 0; k < r->config.count && at < size; k++) {
            at += (size_t)snprintf(text + at, size - at, " %u:%u", r->config.node[k],
                                   r->config.role[k]);
        }
        for (uint32_t k = 0; r->role == HF_RAFT_LEADER && k < r->config.count && at < size; k++) {
            const hf_raft__peer *p = &hf_raft__peers_of(r)[k];
            at += (size_t)snprintf(
                text + at, size - at,
                "\n    %u: state %u match %llu next %llu %s%s resend %lld epoch %llx", p->node,
                p->state, (unsigned long long)p->match, (unsigned long long)p->next,
                p->waiting ? "waiting" : "", p->lost ? " lost" : "", (long long)p->resend_at,
                (unsigned long long)p->epoch);
        }
        at += at < size ? (size_t)snprintf(text + at, size - at, "\n") : 0;
    }
}

void life_run(const life_config *config, life_result *result)
{
    static life l;
    free(l.flights);
    free(l.truth);
    memset(&l, 0, sizeof l);
    memset(result, 0, sizeof *result);
    l.config = config;
    l.result = result;
    l.flights = malloc(FLIGHTS_MAX * sizeof *l.flights);
    l.truth = calloc(TRUTH_MAX, sizeof *l.truth);
    hf_assert_set_hook(on_assert);
    if (l.flights == NULL || l.truth == NULL) {
        wrong("no memory");
    }
    if (setjmp(stopped) == 0) {
        open_life(&l);
        run_until(&l, HF_RAFT_NEVER, config->events);
        heal(&l);
        must_go_on(&l);
        offer_in_vain(&l);
        must_go_on(&l);
        must_be_silent(&l);
    } else {
        result->wrong = stopped_by;
        tell_state(&l, result->state, sizeof result->state);
    }
    hf_assert_set_hook(NULL);
    result->at = l.now;
    result->elections = l.terms;
}
