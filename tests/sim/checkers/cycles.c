#include "tests/sim/checkers/cycles.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CYCLES_TRIED = 64 }; /* per component and name */

/* ---- The ladder of names ---- */
#define WW HF_EDGE_BIT(HF_EDGE_WW)
#define WR HF_EDGE_BIT(HF_EDGE_WR)
#define RW HF_EDGE_BIT(HF_EDGE_RW)
#define PROC HF_EDGE_BIT(HF_EDGE_PROC)
#define TIME (HF_EDGE_BIT(HF_EDGE_PROC) | HF_EDGE_BIT(HF_EDGE_RT))
#define PASS HF_EDGE_BIT(HF_EDGE_PASS)

typedef struct rung {
    const char *name;
    hf_edge_kind first; /* one edge of this kind ... */
    unsigned rest;      /* ... and a way back over these */
} rung;

/* From worst to mildest: a cycle that a lower rung would also fit was reported above. */
static const rung rungs[] = {
    { "G0", HF_EDGE_WW, WW | PASS },
    { "G1c", HF_EDGE_WR, WW | WR | PASS },
    { "G-single", HF_EDGE_RW, WW | WR | PASS },
    { "G2-item", HF_EDGE_RW, WW | WR | RW | PASS },
    { "G0-process", HF_EDGE_WW, WW | PROC | PASS },
    { "G1c-process", HF_EDGE_WR, WW | WR | PROC | PASS },
    { "G-single-process", HF_EDGE_RW, WW | WR | PROC | PASS },
    { "G2-item-process", HF_EDGE_RW, WW | WR | RW | PROC | PASS },
    { "G0-realtime", HF_EDGE_WW, WW | TIME | PASS },
    { "G1c-realtime", HF_EDGE_WR, WW | WR | TIME | PASS },
    { "G-single-realtime", HF_EDGE_RW, WW | WR | TIME | PASS },
    { "G2-item-realtime", HF_EDGE_RW, WW | WR | RW | TIME | PASS },
};

/* ---- A cycle as people see it: gates gone, runs of time edges made one ---- */
typedef struct hop {
    uint32_t from;
    uint32_t to;
    hf_edge_kind kind;
    int64_t key;
    int64_t value;
    bool unseen; /* through a gate: the element it leads to was never read by anyone */
} hop;

typedef struct cycle {
    hop *hops;
    uint32_t count;
} cycle;

static bool hop_is_time(const hop *h)
{
    return h->kind == HF_EDGE_PROC || h->kind == HF_EDGE_RT;
}

static void cycle_push(cycle *c, const hf_edge *edge)
{
    hop *last = c->count == 0 ? NULL : &c->hops[c->count - 1];
    if (edge->kind == HF_EDGE_PASS) {
        HF_ASSERT(last != NULL);
        last->to = edge->to;
        last->value = edge->value;
        last->unseen = true;
        return;
    }
    hop next = { edge->from, edge->to, edge->kind, edge->key, edge->value, false };
    if (last != NULL && hop_is_time(last) && hop_is_time(&next)) {
        last->to = next.to;
        last->kind = last->kind == next.kind ? next.kind : HF_EDGE_RT;
        return;
    }
    c->hops[c->count++] = next;
}

static bool time_orders(const hf_history *history, uint32_t before, uint32_t after,
                        hf_edge_kind kind)
{
    const hf_history_txn *b = &history->txns[before];
    const hf_history_txn *a = &history->txns[after];
    if (a->snapshot || (kind == HF_EDGE_PROC && (b->snapshot || a->process != b->process))) {
        return false;
    }
    return kind == HF_EDGE_PROC ? b->returned <= a->invoked : b->returned < a->invoked;
}

/* Where time alone (`kind`: real time, or a process) orders two transactions of the cycle, what
 * lies between them is not needed. The first hop, which gives the cycle its name, stays. */
static void cycle_shorten(cycle *c, const hf_history *history, hf_edge_kind kind)
{
    uint32_t kept = 1;
    uint32_t at = 1;
    while (at < c->count) {
        uint32_t last = c->count;
        uint32_t from = c->hops[at].from;
        while (last > at && !time_orders(history, from, c->hops[last - 1].to, kind)) {
            last--;
        }
        if (last > at && (last - at > 1 || c->hops[at].kind == kind)) {
            c->hops[kept++] = (hop){ from, c->hops[last - 1].to, kind, 0, 0, false };
            at = last;
        } else {
            c->hops[kept++] = c->hops[at++];
        }
    }
    c->count = kept;
}

/* ---- What people call it ---- */
typedef struct nickname_row {
    const char *shape; /* hops from some start: w(w) r(wr) a(nti, rw) p(rocess) t(ime) */
    int keys;          /* 1: all on one key, 2: on several, 0: either */
    const char *name;
} nickname_row;

static const nickname_row nicknames[] = {
    { "ww", 0, "dirty write" },          { "rr", 0, "circular information flow" },
    { "aw", 1, "lost update" },          { "aa", 1, "lost update" },
    { "aa", 2, "write skew" },           { "ar", 0, "read skew" },
    { "arar", 2, "long fork" },          { "ap", 0, "own write not seen" },
    { "at", 0, "stale read" },           { "art", 0, "stale read" },
    { "atr", 0, "causal reverse" },      { "apr", 0, "causal reverse" },
    { "atwr", 0, "causal reverse" },     { "rt", 0, "read from the future" },
    { "rp", 0, "read from the future" }, { "wt", 0, "real-time reversal" },
};

static bool cycle_keys_fit(const cycle *c, int keys)
{
    bool one = true;
    const hop *first = NULL;
    for (uint32_t i = 0; i < c->count; i++) {
        if (!hop_is_time(&c->hops[i])) {
            first = first == NULL ? &c->hops[i] : first;
            one = one && c->hops[i].key == first->key;
        }
    }
    return keys == 0 || (keys == 1) == one;
}

static const char *cycle_nickname(const cycle *c)
{
    /* Acknowledged, then not there, and no read of the whole history shows it. */
    if (c->count == 2 && c->hops[0].unseen && hop_is_time(&c->hops[1])) {
        return "lost write";
    }
    static const char letters[HF_EDGE_KINDS] = { 'w', 'r', 'a', 'p', 't', '?' };
    for (size_t n = 0; n < sizeof nicknames / sizeof nicknames[0]; n++) {
        const nickname_row *row = &nicknames[n];
        if (strlen(row->shape) != c->count || !cycle_keys_fit(c, row->keys)) {
            continue;
        }
        for (uint32_t start = 0; start < c->count; start++) {
            uint32_t i = 0;
            while (i < c->count && row->shape[i] == letters[c->hops[(start + i) % c->count].kind]) {
                i++;
            }
            if (i == c->count) {
                return row->name;
            }
        }
    }
    return "";
}

/* ---- Writing it down ---- */
static void hop_describe(const hop *h, const hf_history *history, hf_check_text *text)
{
    const hf_history_txn *from = &history->txns[h->from];
    const hf_history_txn *to = &history->txns[h->to];
    hf_check_text_add(text, "    T%u before T%u: ", h->from, h->to);
    switch (h->kind) {
    case HF_EDGE_WW:
        hf_check_text_add(text,
                          "T%u's append of %" PRId64 " to key %" PRId64 " follows T%u's%s (ww)\n",
                          h->to, h->value, h->key, h->from,
                          h->unseen ? "; no read shows it, so it can only come later" : "");
        break;
    case HF_EDGE_WR:
        hf_check_text_add(text,
                          "T%u read key %" PRId64 " ending in %" PRId64 ", T%u's append (wr)\n",
                          h->to, h->key, h->value, h->from);
        break;
    case HF_EDGE_RW:
        hf_check_text_add(
            text, "T%u read key %" PRId64 " without T%u's append of %" PRId64 "%s (rw)\n", h->from,
            h->key, h->to, h->value, h->unseen ? ", which no read shows" : "");
        break;
    case HF_EDGE_PROC:
        hf_check_text_add(text, "process %u ran them in this order\n", from->process);
        break;
    case HF_EDGE_RT:
        hf_check_text_add(text, "T%u returned at %" PRId64 ", T%u was invoked at %" PRId64 "\n",
                          h->from, from->returned, h->to, to->invoked);
        break;
    case HF_EDGE_PASS:
    case HF_EDGE_KINDS:
        HF_UNREACHABLE();
    }
}

static void cycle_describe(const cycle *c, const hf_history *history, hf_check_text *text)
{
    enum { SHOWN = 24 };
    uint32_t shown = c->count < SHOWN ? c->count : SHOWN;
    for (uint32_t i = 0; i < shown; i++) {
        hf_check_text_add(text, "  ");
        hf_history_describe(history, c->hops[i].from, text);
        hf_check_text_add(text, "\n");
    }
    hf_check_text_add(text, "  cannot be put in one order:\n");
    for (uint32_t i = 0; i < shown; i++) {
        hop_describe(&c->hops[i], history, text);
    }
    if (shown < c->count) {
        hf_check_text_add(text, "    ... and %u more steps back to T%u\n", c->count - shown,
                          c->hops[0].from);
    }
}

/* ---- The search ---- */
typedef struct hunt {
    const hf_graph *graph;
    const hf_history *history;
    hf_graph_search search;
    uint32_t component_count;
    uint32_t *component; /* per node, over all edges */
    uint32_t *size;      /* per component */
    uint32_t *narrowed;  /* per node, over the edges of the rung */
    bool *reported;      /* per component */
    uint32_t *tried;     /* per component, this rung */
    cycle *best;         /* per component, this rung */
    uint32_t *path;      /* edges */
} hunt;

static void hunt_open(hunt *h, const hf_graph *graph, const hf_history *history)
{
    uint32_t n = graph->node_count;
    *h = (hunt){ .graph = graph, .history = history };
    h->component = hf_check_alloc(n, sizeof *h->component);
    h->component_count = hf_graph_components(graph, ~0u, NULL, h->component);
    h->size = hf_check_alloc(h->component_count, sizeof *h->size);
    for (uint32_t i = 0; i < n; i++) {
        h->size[h->component[i]]++;
    }
}

static void hunt_close(hunt *h)
{
    hf_graph_search_close(&h->search);
    free(h->component);
    free(h->size);
    free(h->narrowed);
    free(h->reported);
    free(h->tried);
    free(h->best);
    free(h->path);
}

static bool hunt_has_cycle(const hunt *h)
{
    return h->component_count < h->graph->node_count;
}

/* Closes a cycle with `edge` as its first hop and keeps it when it is the component's shortest. */
static void hunt_try(hunt *h, uint32_t edge_at, const rung *r)
{
    const hf_edge *edge = &h->graph->edges[edge_at];
    uint32_t scc = h->component[edge->from];
    uint32_t steps = hf_graph_path(h->graph, &h->search, edge->to, edge->from, r->rest,
                                   h->component, h->path, h->graph->node_count);
    if (steps == 0) {
        return;
    }
    h->tried[scc]++;
    cycle c = { hf_check_alloc(steps + 1, sizeof *c.hops), 0 };
    cycle_push(&c, edge);
    for (uint32_t i = 0; i < steps; i++) {
        cycle_push(&c, &h->graph->edges[h->path[i]]);
    }
    if ((r->rest & HF_EDGE_BIT(HF_EDGE_RT)) != 0) {
        cycle_shorten(&c, h->history, HF_EDGE_RT);
    } else if ((r->rest & PROC) != 0) {
        cycle_shorten(&c, h->history, HF_EDGE_PROC);
    }
    cycle *best = &h->best[scc];
    if (best->hops == NULL || c.count < best->count) {
        free(best->hops);
        *best = c;
    } else {
        free(c.hops);
    }
}

static void hunt_rung(hunt *h, const rung *r, hf_verdict *verdict)
{
    memset(h->tried, 0, h->component_count * sizeof *h->tried);
    hf_graph_components(h->graph, r->rest | HF_EDGE_BIT(r->first), h->component, h->narrowed);
    for (uint32_t e = 0; e < h->graph->edge_count && h->search.budget != 0; e++) {
        const hf_edge *edge = &h->graph->edges[e];
        uint32_t scc = h->component[edge->from];
        if (edge->kind == r->first && h->narrowed[edge->from] == h->narrowed[edge->to] &&
            !h->reported[scc] && h->tried[scc] < CYCLES_TRIED) {
            hunt_try(h, e, r);
        }
    }
    for (uint32_t scc = 0; scc < h->component_count; scc++) {
        cycle *best = &h->best[scc];
        if (best->hops != NULL) {
            cycle_describe(best, h->history,
                           hf_verdict_find(verdict, r->name, cycle_nickname(best)));
            h->reported[scc] = true;
            free(best->hops);
            *best = (cycle){ 0 };
        }
    }
}

/* Components whose cycle the budget did not allow to find: that there is one is certain. */
static void hunt_leftovers(const hunt *h, hf_verdict *verdict)
{
    for (uint32_t scc = 0; scc < h->component_count; scc++) {
        if (h->size[scc] > 1 && !h->reported[scc]) {
            hf_check_text_add(
                hf_verdict_find(verdict, "cycle", ""),
                "  %u transactions depend on one another in a circle; the shortest such circle "
                "was not looked for (budget).\n",
                h->size[scc]);
        }
    }
}

void hf_cycles_find(const hf_graph *graph, const hf_history *history, uint64_t budget,
                    hf_verdict *verdict)
{
    hunt h;
    hunt_open(&h, graph, history);
    if (hunt_has_cycle(&h)) {
        hf_graph_search_open(&h.search, graph, budget);
        h.narrowed = hf_check_alloc(graph->node_count, sizeof *h.narrowed);
        h.path = hf_check_alloc(graph->node_count, sizeof *h.path);
        h.reported = hf_check_alloc(h.component_count, sizeof *h.reported);
        h.tried = hf_check_alloc(h.component_count, sizeof *h.tried);
        h.best = hf_check_alloc(h.component_count, sizeof *h.best);
        for (size_t r = 0; r < sizeof rungs / sizeof rungs[0]; r++) {
            hunt_rung(&h, &rungs[r], verdict);
        }
        hunt_leftovers(&h, verdict);
    }
    hunt_close(&h);
}
