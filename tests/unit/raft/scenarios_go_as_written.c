/* Runs every file of tests/data/raft (script.h): a file is one group's life from beginning to end.
 *
 *   group 3 [learners 4 5]     nodes 1 .. 3, voters, start with empty disks
 *   tick N                     node N's timer fires (if it is set)
 *   disk N                     what is on its way to N's disk is durable
 *   slow N / fast N            from now on only by `disk`; else at once
 *   send [N] [M] [KIND]        what is on its way from N to M is delivered (0: any)
 *   settle                     timers aside, everything that is on its way arrives, until nothing
 *                              is
 *   drop [N] [M] [KIND]        ... is lost
 *   copy N M KIND              ... will arrive once more
 *   propose N V, read N, hand-over N M, compact N, crash N, start N, lose N FROM
 *   change N voters 1 2 learners 3
 *   time D                     D ms pass;  beat: all nodes exchange heartbeats (liveness)
 *   live N                     N's liveness timer fires; nobody hears its heartbeats
 *   lease N                    may N read by its lease?
 *   show [N]                   role, term, log, members
 *   net                        what is on its way
 *   quietly COMMAND            ... and not a word about it
 *   elect N                    quietly: 100 ms pass, N's timer fires, all arrives
 *
 * Out come the messages that were sent, what was written, what was applied, and answers.
 */
#include "tests/unit/raft/carry.h"
#include "tests/unit/script/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 6, NET_MAX = 256, SETTLE_MAX = 200 };

typedef struct scene {
    node nodes[NODES]; /* node 1 at 1 */
    node_packet net[NET_MAX];
    uint32_t net_count, count;
    uint32_t slow; /* bits */
    uint64_t now;
} scene;

static const hf_raft_options options = { .election_ns = 100,
                                         .quorum_ns = 300,
                                         .resend_ns = 50,
                                         .message_bytes = 3,
                                         .window_bytes = 6,
                                         .uncommitted = 8,
                                         .behind = 2,
                                         .window = 3,
                                         .leases = true };
static const hf_liveness_options liveness = { 50, 200, 100 };

static uint32_t number(const script_words *w, uint32_t i)
{
    return i < w->count ? (uint32_t)strtoul(w->word[i], NULL, 10) : 0;
}

static hf_raft_config members(const script_words *w, uint32_t from)
{
    hf_raft_config c = { .count = 0 };
    uint8_t role = HF_RAFT_VOTER;
    for (uint32_t i = from; i < w->count; i++) {
        if (strcmp(w->word[i], "voters") == 0) {
            role = HF_RAFT_VOTER;
        } else if (strcmp(w->word[i], "learners") == 0) {
            role = HF_RAFT_LEARNER;
        } else {
            c.node[c.count] = number(w, i);
            c.role[c.count++] = role;
        }
    }
    return c;
}

/* ---- What came of it ---- */

static const char *entry_name(const node_entry *e)
{
    static char text[32];
    if (e->kind == HF_RAFT_NOOP) {
        return "noop";
    }
    snprintf(text, sizeof text, "%s%u", e->kind == HF_RAFT_CONFIG ? "members" : "",
             e->kind == HF_RAFT_CONFIG ? 0 : e->value);
    if (e->kind == HF_RAFT_CONFIG) {
        text[strlen(text) - 1] = 0;
    }
    return text;
}

static void say_config(const hf_raft_config *c)
{
    static const char *const names[] = { "?",       "voter", "old",         "old+new",
                                         "learner", "?",     "old+learner", "?" };
    for (uint32_t i = 0; i < c->count; i++) {
        script_say(" %u:%s", c->node[i], names[c->role[i] & 7]);
    }
}

static void say_packet(const node_packet *p)
{
    const hf_raft_message *m = &p->m;
    unsigned long long term = m->term, index = m->index, log_term = m->log_term, last = m->last;
    script_say("%u->%u %s", m->from, m->to, hf_raft_message_name((hf_raft_message_kind)m->kind));
    script_say("%s", (m->flags & HF_RAFT_REJECT) != 0 ? " no" : "");
    script_say("%s", (m->flags & HF_RAFT_TRANSFER) != 0 ? " (handed over)" : "");
    script_say("%s", (m->flags & HF_RAFT_HAS_LOST) != 0 ? " (has lost)" : "");
    script_say(" term %llu", term);
    switch ((hf_raft_message_kind)m->kind) {
    case HF_RAFT_PREVOTE:
    case HF_RAFT_VOTE:
        script_say(" log %llu/%llu", index, log_term);
        break;
    case HF_RAFT_APPEND:
        script_say(" after %llu/%llu", index, log_term);
        for (uint64_t i = 0; i < last - index; i++) {
            script_say("%s%s", i == 0 ? ": " : " ", entry_name(&p->entry[i]));
        }
        script_say(", commit %llu", (unsigned long long)m->commit);
        break;
    case HF_RAFT_APPEND_REPLY:
        if ((m->flags & HF_RAFT_REJECT) != 0 && last != 0) {
            script_say(" at %llu, try %llu/%llu", last, index, log_term);
        } else if ((m->flags & HF_RAFT_REJECT) == 0) {
            script_say(" has %llu", index);
        }
        break;
    case HF_RAFT_BEAT:
        script_say(" commit %llu", (unsigned long long)m->commit);
        break;
    case HF_RAFT_SNAPSHOT:
        script_say(" %llu/%llu piece %llu%s", index, log_term, (unsigned long long)m->offset,
                   (m->flags & HF_RAFT_DONE) != 0 ? " (last)" : "");
        break;
    case HF_RAFT_SNAPSHOT_REPLY:
        script_say(" %llu/%llu wants %llu", index, log_term, (unsigned long long)m->offset);
        break;
    case HF_RAFT_PREVOTE_REPLY:
    case HF_RAFT_VOTE_REPLY:
    case HF_RAFT_BEAT_REPLY:
    case HF_RAFT_CAMPAIGN:
    case HF_RAFT_RELEASE:
    case HF_RAFT_READ_AT:
        break;
    case HF_RAFT_READ_AT_REPLY:
        if ((m->flags & HF_RAFT_REJECT) == 0) {
            script_say(" at %llu", index);
        }
        break;
    }
    if (m->read != 0) {
        script_say(" read %u", (uint32_t)m->read); /* above it: the start of a follower */
    }
    script_say("\n");
}

static void applied(void *context, const node *n, uint64_t index, const node_entry *e)
{
    (void)context;
    if (e == NULL) {
        script_say("  node %u installs snapshot %llu\n", n->self, (unsigned long long)index);
    } else {
        script_say("  node %u applies %llu %s\n", n->self, (unsigned long long)index,
                   entry_name(e));
    }
}

static node_world world(scene *s)
{
    return (node_world){
        .options = &options, .liveness = &liveness, .now = s->now, .applied = applied, .context = s
    };
}

static void take_out(scene *s, const node_out *out, bool quiet)
{
    for (uint32_t i = 0; i < out->count; i++) {
        assert_true(s->net_count < NET_MAX);
        s->net[s->net_count++] = out->packet[i];
        if (!quiet && out->packet[i].live == 0) {
            script_say("  ");
            say_packet(&out->packet[i]);
        }
    }
}

/* After each step of a node: what its disk does, and what it says. */
static void after(scene *s, node *n, const node_out *out, uint8_t role, uint64_t term)
{
    node_world w = world(s);
    const hf_raft *r = node_raft_of(n);
    take_out(s, out, false);
    if (n->down == 0 && (r->role != role || r->term != term)) {
        script_say("  node %u is %s in term %llu\n", n->self,
                   hf_raft_role_name((hf_raft_role)r->role), (unsigned long long)r->term);
    }
    if (n->read_index != 0) {
        script_say("  node %u answers reads up to %u at %llu\n", n->self, (uint32_t)n->read,
                   (unsigned long long)n->read_index);
        n->read = n->read_index = 0;
    }
    if (n->reads_failed != 0) {
        script_say("  node %u answers no read that is open\n", n->self);
        n->reads_failed = 0;
    }
    if (n->down == 0 && (s->slow >> n->self & 1) == 0 && n->write_count != 0) {
        node_out more = { .count = 0 };
        role = r->role;
        term = r->term;
        (void)node_flush(n, &w, &more);
        after(s, n, &more, role, term);
    }
}

static void deliver(scene *s, const node_packet *p)
{
    node_world w = world(s);
    node_out out = { .count = 0 };
    node *n = &s->nodes[p->live != 0 ? p->l.to : p->m.to];
    if (n->down != 0) {
        return;
    }
    const hf_raft *r = node_raft_of(n);
    uint8_t role = r->role;
    uint64_t term = r->term;
    if (p->live == 0) {
        script_say(" > ");
        say_packet(p);
    }
    carry(p);
    node_receive(n, &w, p, &out);
    after(s, n, &out, role, term);
}

static bool meant(const node_packet *p, uint32_t from, uint32_t to, const char *kind)
{
    return p->live == 0 && (from == 0 || p->m.from == from) && (to == 0 || p->m.to == to) &&
           (kind == NULL ||
            strcmp(kind, hf_raft_message_name((hf_raft_message_kind)p->m.kind)) == 0);
}

static node_packet take_at(scene *s, uint32_t i)
{
    node_packet p = s->net[i];
    memmove(&s->net[i], &s->net[i + 1], (s->net_count - i - 1) * sizeof p);
    s->net_count--;
    return p;
}

/* ---- Commands ---- */

static void do_group(scene *s, const script_words *w)
{
    hf_raft_config c = { .count = 0 };
    memset(s, 0, sizeof *s);
    s->now = 1000;
    node_world world_now = world(s);
    for (uint32_t i = 1; i <= number(w, 1); i++) {
        c.node[c.count] = i;
        c.role[c.count++] = HF_RAFT_VOTER;
    }
    s->count = c.count;
    for (uint32_t i = 3; i < w->count; i++) {
        c.node[c.count] = number(w, i);
        c.role[c.count++] = HF_RAFT_LEARNER;
        s->count = number(w, i) > s->count ? number(w, i) : s->count;
    }
    for (uint32_t i = 1; i < NODES; i++) {
        node_out ignored = { .count = 0 };
        node_format(&s->nodes[i], i, &c);
        if (i <= s->count) {
            node_start(&s->nodes[i], &world_now, true, NODES - 1);
            node_tick(&s->nodes[i], &world_now, &ignored);
        }
    }
}

static void do_deliver(scene *s, const script_words *w, bool lose, bool all)
{
    uint32_t waiting = s->net_count; /* what comes of it waits for the next command */
    const char *kind = w->count > 3 ? w->word[3] : NULL;
    uint32_t left = SETTLE_MAX;
    for (uint32_t i = 0; i < (all ? s->net_count : waiting);) {
        if (!all && !meant(&s->net[i], number(w, 1), number(w, 2), kind)) {
            i++;
            continue;
        }
        if (left-- == 0) {
            script_say("  does not end\n");
            return;
        }
        node_packet p = take_at(s, i);
        waiting--;
        if (!lose) {
            deliver(s, &p);
        }
    }
}

static void do_copy(scene *s, const script_words *w)
{
    uint32_t waiting = s->net_count;
    for (uint32_t i = 0; i < waiting; i++) {
        if (meant(&s->net[i], number(w, 1), number(w, 2), w->count > 3 ? w->word[3] : NULL)) {
            s->net[s->net_count++] = s->net[i];
        }
    }
}

/* All nodes that are up tell one another, and nobody else's messages move. */
static void do_beat(scene *s)
{
    node_world w = world(s);
    uint32_t first = s->net_count;
    for (uint32_t i = 1; i < NODES; i++) {
        node_out out = { .count = 0 };
        if (s->nodes[i].down == 0) {
            node_live_tick(&s->nodes[i], &w, &out);
            take_out(s, &out, false);
        }
    }
    for (uint32_t i = first; i < s->net_count;) {
        if (s->net[i].live != 0) {
            node_packet p = take_at(s, i);
            deliver(s, &p);
        } else {
            i++;
        }
    }
}

static void show(const node *n)
{
    const hf_raft *r = node_raft_of(n);
    if (n->down != 0) {
        script_say("  node %u is down\n", n->self);
        return;
    }
    script_say("  node %u %s term %llu vote %u leader %u log", n->self,
               hf_raft_role_name((hf_raft_role)r->role), (unsigned long long)r->term, r->vote,
               r->leader);
    if (r->base != 0) {
        script_say(" (%llu)", (unsigned long long)r->base);
    }
    for (uint32_t i = 0; i < n->log.count; i++) {
        script_say(" %s/%llu", entry_name(&n->log.entry[i]),
                   (unsigned long long)n->log.entry[i].term);
    }
    script_say(" commit %llu durable %llu%s", (unsigned long long)r->commit,
               (unsigned long long)r->stable, r->nonce != 0 ? " (has lost)" : "");
    script_say(" members");
    say_config(&r->config);
    script_say("\n");
}

static void do_lease(scene *s, const node *n)
{
    node_world w = world(s);
    uint64_t index = 0;
    if (node_may_read(n, &w, &index)) {
        script_say("  node %u may read at %llu\n", n->self, (unsigned long long)index);
    } else {
        script_say("  node %u may not\n", n->self);
    }
}

static const char *err_name(hf_err err)
{
    switch ((int)err) {
    case HF_E_MOVED:
        return "not the leader";
    case HF_E_BUSY:
        return "busy";
    case HF_E_FULL:
        return "full";
    case HF_E_INVALID:
        return "invalid";
    case HF_E_COND:
        return "lacks too much";
    default:
        return "?";
    }
}

static void drop_live(node_out *out)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < out->count; i++) {
        if (out->packet[i].live == 0) {
            out->packet[left++] = out->packet[i];
        }
    }
    out->count = left;
}

static bool node_command(scene *s, const script_words *w, node *n)
{
    node_world now = world(s);
    node_out out = { .count = 0 };
    const char *word = w->word[0];
    const hf_raft *r = node_raft_of(n);
    uint8_t role = r->role;
    uint64_t term = r->term;
    if (strcmp(word, "tick") == 0) {
        if (n->wake_at == HF_RAFT_NEVER) {
            script_say("  no timer\n");
        } else if (n->wake_at > s->now) {
            script_say("  not before %llu more\n", (unsigned long long)(n->wake_at - s->now));
        } else {
            node_tick(n, &now, &out);
        }
    } else if (strcmp(word, "live") == 0) {
        node_live_tick(n, &now, &out);
        drop_live(&out);
    } else if (strcmp(word, "disk") == 0) {
        while (node_flush(n, &now, &out)) {
        }
    } else if (strcmp(word, "propose") == 0) {
        node_propose(n, &now, number(w, 2), &out);
    } else if (strcmp(word, "read") == 0) {
        node_read(n, &now, &out);
    } else if (strcmp(word, "hand-over") == 0) {
        node_hand_over(n, &now, number(w, 2), &out);
    } else if (strcmp(word, "change") == 0) {
        hf_raft_config c = members(w, 2);
        node_change(n, &now, &c, &out);
    } else if (strcmp(word, "compact") == 0) {
        if (!node_compact(n, &now)) {
            script_say("  not now\n");
        }
    } else {
        return false;
    }
    if (out.err != HF_OK) {
        script_say("  refused: %s\n", err_name(out.err));
    }
    after(s, n, &out, role, term);
    return true;
}

static void start(scene *s, node *n)
{
    node_world now = world(s);
    node_out out = { .count = 0 };
    node_start(n, &now, n->start == 0, NODES - 1);
    node_tick(n, &now, &out);
}

static void run_words(scene *s, const script_words *w);

/* Runs a line and takes back what it said. */
static void quietly(scene *s, const char *line)
{
    script_words w;
    size_t said = script_said();
    script_split(line, &w);
    run_words(s, &w);
    script_unsay(said);
}

static void elect(scene *s, const char *who)
{
    char line[SCRIPT_LINE_SIZE];
    quietly(s, "time 100");
    snprintf(line, sizeof line, "tick %s", who);
    quietly(s, line);
    quietly(s, "settle");
}

static void run_words(scene *s, const script_words *w)
{
    const char *word = w->word[0];
    if (strcmp(word, "quietly") == 0) {
        char line[SCRIPT_LINE_SIZE] = "";
        for (uint32_t i = 1; i < w->count; i++) {
            size_t at = strlen(line);
            snprintf(line + at, sizeof line - at, "%s%s", i == 1 ? "" : " ", w->word[i]);
        }
        quietly(s, line);
        return;
    }
    if (strcmp(word, "elect") == 0) {
        elect(s, w->word[1]);
        return;
    }
    node *n = &s->nodes[number(w, 1) % NODES];
    if (strcmp(word, "group") == 0) {
        do_group(s, w);
    } else if (strcmp(word, "send") == 0) {
        do_deliver(s, w, false, false);
    } else if (strcmp(word, "settle") == 0) {
        do_deliver(s, w, false, true);
    } else if (strcmp(word, "drop") == 0) {
        do_deliver(s, w, true, false);
    } else if (strcmp(word, "copy") == 0) {
        do_copy(s, w);
    } else if (strcmp(word, "time") == 0) {
        s->now += number(w, 1);
    } else if (strcmp(word, "beat") == 0) {
        do_beat(s);
    } else if (strcmp(word, "slow") == 0) {
        s->slow |= 1u << n->self;
    } else if (strcmp(word, "fast") == 0) {
        s->slow &= ~(1u << n->self);
    } else if (strcmp(word, "crash") == 0) {
        node_crash(n);
    } else if (strcmp(word, "lose") == 0) {
        node_lose(n, number(w, 2));
    } else if (strcmp(word, "start") == 0) {
        start(s, n);
    } else if (strcmp(word, "lease") == 0) {
        do_lease(s, n);
    } else if (strcmp(word, "net") == 0) {
        for (uint32_t i = 0; i < s->net_count; i++) {
            script_say("  ");
            say_packet(&s->net[i]);
        }
    } else if (strcmp(word, "show") == 0) {
        for (uint32_t i = 1; i <= s->count; i++) {
            if (number(w, 1) == 0 || number(w, 1) == i) {
                show(&s->nodes[i]);
            }
        }
    } else if (!node_command(s, w, n)) {
        fail_msg("no command %s", word);
    }
}

static scene stage;

static void forget(void)
{
    memset(&stage, 0, sizeof stage);
}

static void run_line(const char *line)
{
    script_words w;
    script_split(line, &w);
    if (w.count != 0) {
        run_words(&stage, &w);
    }
}

int main(int argc, char **argv)
{
    static const script raft = {
        .folder = "tests/data/raft", .nothing = "  nothing\n", .open_file = forget, .line = run_line
    };
    return script_main(&raft, argc, argv);
}
