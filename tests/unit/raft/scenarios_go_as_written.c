/* Runs every file of tests/data/raft: blocks of commands, "----", and what came of them; blocks are
 * parted by blank lines, "#" begins a remark, and a file is one group's life from beginning to end.
 *
 *   group 3 [learners 4 5]     nodes 1 .. 3, voters, start with empty disks
 *   tick N                     node N's timer fires (if it is set)
 *   disk N                     what is on its way to N's disk is durable
 *   slow N / fast N            from now on only by `disk`; else at once
 *   send [N] [M] [KIND]        what is on its way from N to M is delivered (0: any)
 *   settle                     timers aside, everything that is on its way arrives, until nothing
 * is drop [N] [M] [KIND]        ... is lost copy N M KIND              ... will arrive once more
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
 * Out come the messages that were sent, what was written, what was applied, and answers. With
 * --rewrite what came is written into the file.
 */
#include "engine/base/assert.h"
#include "tests/unit/raft/node.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    FILE_MAX = 256 * 1024,
    FILES_MAX = 64,
    LINE_SIZE = 256,
    WORDS_MAX = 16,
    NODES = 6,
    NET_MAX = 256,
    SETTLE_MAX = 200,
};

static bool rewriting;
static jmp_buf stopped;

static void on_assert(const char *file, int line, const char *what)
{
    (void)file;
    (void)line;
    (void)what;
    longjmp(stopped, 1);
}

typedef struct scene {
    node nodes[NODES]; /* node 1 at 1 */
    node_packet net[NET_MAX];
    uint32_t net_count, count;
    uint32_t slow; /* bits */
    uint64_t now;
    char *out; /* FILE_MAX */
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

static void say(scene *s, const char *format, ...)
{
    va_list args;
    size_t at = strlen(s->out);
    va_start(args, format);
    vsnprintf(s->out + at, FILE_MAX - at, format, args);
    va_end(args);
}

/* ---- Words ---- */

typedef struct words {
    char text[LINE_SIZE];
    const char *word[WORDS_MAX];
    uint32_t count;
} words;

static void split(const char *line, words *w)
{
    w->count = 0;
    snprintf(w->text, sizeof w->text, "%s", line);
    for (char *at = w->text; *at != 0 && w->count < WORDS_MAX;) {
        w->word[w->count++] = at;
        at += strcspn(at, " ");
        while (*at == ' ') {
            *at++ = 0;
        }
    }
}

static uint32_t number(const words *w, uint32_t i)
{
    return i < w->count ? (uint32_t)strtoul(w->word[i], NULL, 10) : 0;
}

static hf_raft_config members(const words *w, uint32_t from)
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

static void say_config(scene *s, const hf_raft_config *c)
{
    static const char *const names[] = { "?",       "voter", "old",         "old+new",
                                         "learner", "?",     "old+learner", "?" };
    for (uint32_t i = 0; i < c->count; i++) {
        say(s, " %u:%s", c->node[i], names[c->role[i] & 7]);
    }
}

static void say_packet(scene *s, const node_packet *p)
{
    const hf_raft_message *m = &p->m;
    unsigned long long term = m->term, index = m->index, log_term = m->log_term, last = m->last;
    say(s, "%u->%u %s", m->from, m->to, hf_raft_message_name((hf_raft_message_kind)m->kind));
    say(s, "%s", (m->flags & HF_RAFT_REJECT) != 0 ? " no" : "");
    say(s, "%s", (m->flags & HF_RAFT_TRANSFER) != 0 ? " (handed over)" : "");
    say(s, "%s", (m->flags & HF_RAFT_HAS_LOST) != 0 ? " (has lost)" : "");
    say(s, " term %llu", term);
    switch ((hf_raft_message_kind)m->kind) {
    case HF_RAFT_PREVOTE:
    case HF_RAFT_VOTE:
        say(s, " log %llu/%llu", index, log_term);
        break;
    case HF_RAFT_APPEND:
        say(s, " after %llu/%llu", index, log_term);
        for (uint64_t i = 0; i < last - index; i++) {
            say(s, "%s%s", i == 0 ? ": " : " ", entry_name(&p->entry[i]));
        }
        say(s, ", commit %llu", (unsigned long long)m->commit);
        break;
    case HF_RAFT_APPEND_REPLY:
        if ((m->flags & HF_RAFT_REJECT) != 0 && last != 0) {
            say(s, " at %llu, try %llu/%llu", last, index, log_term);
        } else if ((m->flags & HF_RAFT_REJECT) == 0) {
            say(s, " has %llu", index);
        }
        break;
    case HF_RAFT_BEAT:
        say(s, " commit %llu", (unsigned long long)m->commit);
        break;
    case HF_RAFT_SNAPSHOT:
        say(s, " %llu/%llu piece %llu%s", index, log_term, (unsigned long long)m->offset,
            (m->flags & HF_RAFT_DONE) != 0 ? " (last)" : "");
        break;
    case HF_RAFT_SNAPSHOT_REPLY:
        say(s, " %llu/%llu wants %llu", index, log_term, (unsigned long long)m->offset);
        break;
    case HF_RAFT_PREVOTE_REPLY:
    case HF_RAFT_VOTE_REPLY:
    case HF_RAFT_BEAT_REPLY:
    case HF_RAFT_CAMPAIGN:
    case HF_RAFT_RELEASE:
        break;
    }
    if (m->read != 0) {
        say(s, " read %llu", (unsigned long long)m->read);
    }
    say(s, "\n");
}

static void applied(void *context, const node *n, uint64_t index, const node_entry *e)
{
    scene *s = context;
    if (e == NULL) {
        say(s, "  node %u installs snapshot %llu\n", n->self, (unsigned long long)index);
    } else {
        say(s, "  node %u applies %llu %s\n", n->self, (unsigned long long)index, entry_name(e));
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
            say(s, "  ");
            say_packet(s, &out->packet[i]);
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
        say(s, "  node %u is %s in term %llu\n", n->self, hf_raft_role_name((hf_raft_role)r->role),
            (unsigned long long)r->term);
    }
    if (n->read_index != 0) {
        say(s, "  node %u answers reads up to %llu at %llu\n", n->self, (unsigned long long)n->read,
            (unsigned long long)n->read_index);
        n->read = n->read_index = 0;
    }
    if (n->reads_failed != 0) {
        say(s, "  node %u answers no read that is open\n", n->self);
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
        say(s, " > ");
        say_packet(s, p);
    }
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

static void do_group(scene *s, const words *w)
{
    hf_raft_config c = { .count = 0 };
    char *out = s->out;
    memset(s, 0, sizeof *s);
    s->out = out;
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

static void do_deliver(scene *s, const words *w, bool lose, bool all)
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
            say(s, "  does not end\n");
            return;
        }
        node_packet p = take_at(s, i);
        waiting--;
        if (!lose) {
            deliver(s, &p);
        }
    }
}

static void do_copy(scene *s, const words *w)
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

static void show(scene *s, const node *n)
{
    const hf_raft *r = node_raft_of(n);
    if (n->down != 0) {
        say(s, "  node %u is down\n", n->self);
        return;
    }
    say(s, "  node %u %s term %llu vote %u leader %u log", n->self,
        hf_raft_role_name((hf_raft_role)r->role), (unsigned long long)r->term, r->vote, r->leader);
    if (r->base != 0) {
        say(s, " (%llu)", (unsigned long long)r->base);
    }
    for (uint32_t i = 0; i < n->log.count; i++) {
        say(s, " %s/%llu", entry_name(&n->log.entry[i]), (unsigned long long)n->log.entry[i].term);
    }
    say(s, " commit %llu durable %llu%s", (unsigned long long)r->commit,
        (unsigned long long)r->stable, r->nonce != 0 ? " (has lost)" : "");
    say(s, " members");
    say_config(s, &r->config);
    say(s, "\n");
}

static void do_lease(scene *s, const node *n)
{
    node_world w = world(s);
    uint64_t index = 0;
    if (node_may_read(n, &w, &index)) {
        say(s, "  node %u may read at %llu\n", n->self, (unsigned long long)index);
    } else {
        say(s, "  node %u may not\n", n->self);
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

static bool node_command(scene *s, const words *w, node *n)
{
    node_world now = world(s);
    node_out out = { .count = 0 };
    const char *word = w->word[0];
    const hf_raft *r = node_raft_of(n);
    uint8_t role = r->role;
    uint64_t term = r->term;
    if (strcmp(word, "tick") == 0) {
        if (n->wake_at == HF_RAFT_NEVER) {
            say(s, "  no timer\n");
        } else if (n->wake_at > s->now) {
            say(s, "  not before %llu more\n", (unsigned long long)(n->wake_at - s->now));
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
            say(s, "  not now\n");
        }
    } else {
        return false;
    }
    if (out.err != HF_OK) {
        say(s, "  refused: %s\n", err_name(out.err));
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

static void run_words(scene *s, const words *w);

/* Runs a line and takes back what it said. */
static void quietly(scene *s, const char *line)
{
    words w;
    size_t at = strlen(s->out);
    split(line, &w);
    run_words(s, &w);
    s->out[at] = 0;
}

static void elect(scene *s, const char *who)
{
    char line[LINE_SIZE];
    quietly(s, "time 100");
    snprintf(line, sizeof line, "tick %s", who);
    quietly(s, line);
    quietly(s, "settle");
}

static void run_words(scene *s, const words *w)
{
    const char *word = w->word[0];
    if (strcmp(word, "quietly") == 0) {
        char line[LINE_SIZE] = "";
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
            say(s, "  ");
            say_packet(s, &s->net[i]);
        }
    } else if (strcmp(word, "show") == 0) {
        for (uint32_t i = 1; i <= s->count; i++) {
            if (number(w, 1) == 0 || number(w, 1) == i) {
                show(s, &s->nodes[i]);
            }
        }
    } else if (!node_command(s, w, n)) {
        fail_msg("no command %s", word);
    }
}

static void run_line(scene *s, const char *line)
{
    words w;
    split(line, &w);
    if (w.count == 0) {
        return;
    }
    hf_assert_set_hook(on_assert);
    if (setjmp(stopped) == 0) {
        run_words(s, &w);
    } else {
        say(s, "stops\n");
    }
    hf_assert_set_hook(NULL);
}

/* ---- Files ---- */

/* The next line of `*at`, without its end; false at the end of the text. */
static bool next_line(const char **at, char line[LINE_SIZE])
{
    if (**at == 0) {
        return false;
    }
    size_t size = strcspn(*at, "\n");
    assert_true(size < LINE_SIZE);
    memcpy(line, *at, size);
    line[size] = 0;
    *at += size + ((*at)[size] == '\n');
    return true;
}

static void put(char *out, const char *text)
{
    size_t at = strlen(out);
    snprintf(out + at, FILE_MAX - at, "%s", text);
}

/* Runs one block; appends it as it should read. Answers whether it did read so. */
static bool run_block(scene *s, const char *block, char *out)
{
    char line[LINE_SIZE];
    const char *at = block;
    bool any = false;
    s->out[0] = 0;
    while (next_line(&at, line) && strcmp(line, "----") != 0) {
        put(out, line);
        put(out, "\n");
        if (line[0] != '#') {
            run_line(s, line);
            any = true;
        }
    }
    if (any && s->out[0] == 0) {
        say(s, "  nothing\n");
    }
    put(out, any ? "----\n" : "");
    put(out, s->out);
    put(out, "\n");
    bool same = strcmp(s->out, at) == 0;
    if (!same && !rewriting) {
        fprintf(stderr, "%s\n  got:\n%s", block, s->out);
    }
    return same;
}

static bool run_text(const char *text, char *out)
{
    static char block[FILE_MAX], got[FILE_MAX];
    static scene s;
    bool same = true;
    memset(&s, 0, sizeof s);
    s.out = got;
    out[0] = 0;
    while (*text != 0) {
        const char *end = strstr(text, "\n\n");
        size_t size = end == NULL ? strlen(text) : (size_t)(end - text) + 1;
        memcpy(block, text, size);
        block[size] = 0;
        same = run_block(&s, block, out) && same;
        text += size;
        text += strspn(text, "\n");
    }
    return same;
}

static void run_file(void **state)
{
    const char *path = *state;
    static char text[FILE_MAX];
    static char out[FILE_MAX];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    assert_true(size < sizeof text - 1);
    text[size] = 0;
    fclose(file);
    bool same = run_text(text, out);
    if (rewriting) {
        file = fopen(path, "wb");
        assert_non_null(file);
        size_t left = strlen(out) - 1; /* without the last blank line */
        assert_int_equal(fwrite(out, 1, left, file), left);
        fclose(file);
        return;
    }
    assert_true(same);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(int argc, char **argv)
{
    static const char folder[] = HF_SOURCE_DIR "/tests/data/raft";
    static struct CMUnitTest tests[FILES_MAX];
    static char paths[FILES_MAX][512];
    size_t count = 0;
    rewriting = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        fprintf(stderr, "no folder %s\n", folder);
        return 1;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strstr(entry->d_name, ".txt") == NULL || count == FILES_MAX) {
            continue;
        }
        snprintf(paths[count], sizeof paths[count], "%s/%s", folder, entry->d_name);
        tests[count] =
            (struct CMUnitTest){ paths[count] + sizeof folder, run_file, NULL, NULL, paths[count] };
        count++;
    }
    closedir(dir);
    qsort(tests, count, sizeof tests[0], by_name);
    return count == 0 ? 1 : _cmocka_run_group_tests("scenarios", tests, count, NULL, NULL);
}
