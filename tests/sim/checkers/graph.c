#include "tests/sim/checkers/graph.h"

#include "engine/base/assert.h"

#include <stdlib.h>
#include <string.h>

void hf_graph_open(hf_graph *graph, uint32_t txn_count)
{
    *graph = (hf_graph){ .node_count = txn_count };
}

void hf_graph_close(hf_graph *graph)
{
    free(graph->edges);
    free(graph->first);
    *graph = (hf_graph){ 0 };
}

uint32_t hf_graph_gate(hf_graph *graph)
{
    HF_PRE(graph->first == NULL);
    return graph->node_count++;
}

void hf_graph_edge(hf_graph *graph, hf_edge edge)
{
    HF_PRE(graph->first == NULL && edge.from < graph->node_count && edge.to < graph->node_count);
    HF_PRE(edge.from != edge.to);
    graph->edges =
        hf_check_grow(graph->edges, graph->edge_count, &graph->edge_capacity, sizeof *graph->edges);
    graph->edges[graph->edge_count++] = edge;
}

/* A stable counting sort by source: the order of edges stays that of their making. */
void hf_graph_seal(hf_graph *graph)
{
    uint32_t *first = hf_check_alloc(graph->node_count + 2, sizeof *first);
    hf_edge *sorted = hf_check_alloc(graph->edge_count, sizeof *sorted);
    for (uint32_t e = 0; e < graph->edge_count; e++) {
        first[graph->edges[e].from + 2]++;
    }
    for (uint32_t n = 2; n < graph->node_count + 2; n++) {
        first[n] += first[n - 1];
    }
    for (uint32_t e = 0; e < graph->edge_count; e++) {
        sorted[first[graph->edges[e].from + 1]++] = graph->edges[e];
    }
    free(graph->edges);
    graph->edges = sorted;
    graph->edge_capacity = graph->edge_count;
    graph->first = first;
}

/* ---- Components: Tarjan, with a stack of our own because histories are deep ---- */
typedef struct tarjan {
    const hf_graph *graph;
    unsigned mask;
    const uint32_t *within;
    uint32_t *component;
    uint32_t component_count;
    uint32_t *index; /* 0: not visited */
    uint32_t *low;
    uint32_t *next; /* the edge to look at next */
    uint32_t *path; /* nodes being visited, outermost first */
    uint32_t path_count;
    uint32_t *open; /* nodes without a component yet */
    uint32_t open_count;
    uint32_t visited;
} tarjan;

static void tarjan_enter(tarjan *t, uint32_t node)
{
    t->index[node] = t->low[node] = ++t->visited;
    t->next[node] = t->graph->first[node];
    t->path[t->path_count++] = node;
    t->open[t->open_count++] = node;
}

static void tarjan_leave(tarjan *t, uint32_t node)
{
    if (t->low[node] == t->index[node]) {
        uint32_t member;
        do {
            member = t->open[--t->open_count];
            t->component[member] = t->component_count;
        } while (member != node);
        t->component_count++;
    }
    t->path_count--;
    if (t->path_count != 0) {
        uint32_t parent = t->path[t->path_count - 1];
        t->low[parent] = t->low[node] < t->low[parent] ? t->low[node] : t->low[parent];
    }
}

static bool tarjan_counts(const tarjan *t, const hf_edge *edge)
{
    return (t->mask & HF_EDGE_BIT(edge->kind)) != 0 &&
           (t->within == NULL || t->within[edge->from] == t->within[edge->to]);
}

static void tarjan_visit(tarjan *t, uint32_t root)
{
    tarjan_enter(t, root);
    while (t->path_count != 0) {
        uint32_t node = t->path[t->path_count - 1];
        if (t->next[node] == t->graph->first[node + 1]) {
            tarjan_leave(t, node);
            continue;
        }
        const hf_edge *edge = &t->graph->edges[t->next[node]++];
        if (!tarjan_counts(t, edge)) {
            continue;
        }
        if (t->index[edge->to] == 0) {
            tarjan_enter(t, edge->to);
        } else if (t->component[edge->to] == UINT32_MAX && t->index[edge->to] < t->low[node]) {
            t->low[node] = t->index[edge->to];
        }
    }
}

uint32_t hf_graph_components(const hf_graph *graph, unsigned mask, const uint32_t *within,
                             uint32_t *component)
{
    HF_PRE(graph->first != NULL && within != component);
    uint32_t n = graph->node_count;
    uint32_t *memory = hf_check_alloc((size_t)n * 5, sizeof *memory);
    tarjan t = { .graph = graph,
                 .mask = mask,
                 .within = within,
                 .component = component,
                 .index = memory,
                 .low = memory + n,
                 .next = memory + (size_t)n * 2,
                 .path = memory + (size_t)n * 3,
                 .open = memory + (size_t)n * 4 };
    memset(component, 0xFF, n * sizeof *component);
    for (uint32_t node = 0; node < n; node++) {
        if (t.index[node] == 0) {
            tarjan_visit(&t, node);
        }
    }
    HF_ASSERT(t.open_count == 0 && t.visited == n);
    free(memory);
    return t.component_count;
}

/* ---- Paths ---- */
void hf_graph_search_open(hf_graph_search *search, const hf_graph *graph, uint64_t budget)
{
    uint32_t n = graph->node_count;
    *search = (hf_graph_search){ .seen = hf_check_alloc(n, sizeof(uint32_t)),
                                 .via = hf_check_alloc(n, sizeof(uint32_t)),
                                 .queue = hf_check_alloc(n, sizeof(uint32_t)),
                                 .budget = budget };
}

void hf_graph_search_close(hf_graph_search *search)
{
    free(search->seen);
    free(search->via);
    free(search->queue);
    *search = (hf_graph_search){ 0 };
}

static uint32_t path_collect(const hf_graph *graph, const hf_graph_search *search, uint32_t from,
                             uint32_t to, uint32_t *path, uint32_t most)
{
    uint32_t count = 0;
    for (uint32_t at = to; at != from; at = graph->edges[search->via[at]].from) {
        count++;
    }
    if (count > most) {
        return 0;
    }
    uint32_t place = count;
    for (uint32_t at = to; at != from; at = graph->edges[search->via[at]].from) {
        path[--place] = search->via[at];
    }
    return count;
}

uint32_t hf_graph_path(const hf_graph *graph, hf_graph_search *search, uint32_t from, uint32_t to,
                       unsigned mask, const uint32_t *component, uint32_t *path, uint32_t most)
{
    HF_PRE(graph->first != NULL && from != to);
    uint32_t head = 0;
    uint32_t tail = 0;
    search->round++;
    search->seen[from] = search->round;
    search->queue[tail++] = from;
    while (head < tail) {
        uint32_t node = search->queue[head++];
        for (uint32_t e = graph->first[node]; e < graph->first[node + 1]; e++) {
            const hf_edge *edge = &graph->edges[e];
            if (search->budget == 0) {
                return 0;
            }
            search->budget--;
            if ((mask & HF_EDGE_BIT(edge->kind)) == 0 || search->seen[edge->to] == search->round ||
                component[edge->to] != component[from]) {
                continue;
            }
            search->seen[edge->to] = search->round;
            search->via[edge->to] = e;
            if (edge->to == to) {
                return path_collect(graph, search, from, to, path, most);
            }
            search->queue[tail++] = edge->to;
        }
    }
    return 0;
}

/* ---- Real time ---- */
typedef struct moment {
    int64_t at;
    uint32_t txn;
    bool is_return;
} moment;

/* By time; at one instant invocations come first, so that a tie is an overlap. */
static int moment_compare(const void *left, const void *right)
{
    const moment *a = left;
    const moment *b = right;
    if (a->at != b->at) {
        return a->at < b->at ? -1 : 1;
    }
    if (a->is_return != b->is_return) {
        return a->is_return ? 1 : -1;
    }
    return a->txn < b->txn ? -1 : a->txn > b->txn;
}

void hf_graph_realtime(hf_graph *graph, const hf_history *history, const bool *source,
                       const bool *target)
{
    moment *moments = hf_check_alloc((size_t)history->count * 2, sizeof *moments);
    uint32_t moment_count = 0;
    for (uint32_t t = 0; t < history->count; t++) {
        const hf_history_txn *txn = &history->txns[t];
        if (source[t] || target[t]) {
            moments[moment_count++] = (moment){ txn->invoked, t, false };
        }
        if (source[t] && txn->returned != HF_NEVER) {
            moments[moment_count++] = (moment){ txn->returned, t, true };
        }
    }
    qsort(moments, moment_count, sizeof *moments, moment_compare);

    /* The frontier: returned transactions with none between them and now. They all overlap one
     * another, so there are never more of them than clients. */
    uint32_t *frontier = hf_check_alloc(history->count, sizeof *frontier);
    uint32_t frontier_count = 0;
    for (uint32_t m = 0; m < moment_count; m++) {
        uint32_t t = moments[m].txn;
        if (!moments[m].is_return) {
            for (uint32_t f = 0; target[t] && f < frontier_count; f++) {
                hf_graph_edge(graph, (hf_edge){ frontier[f], t, HF_EDGE_RT, 0, 0 });
            }
            continue;
        }
        if (target[t]) { /* those before t are covered by t from now on */
            uint32_t kept = 0;
            for (uint32_t f = 0; f < frontier_count; f++) {
                if (history->txns[frontier[f]].returned >= history->txns[t].invoked) {
                    frontier[kept++] = frontier[f];
                }
            }
            frontier_count = kept;
        }
        frontier[frontier_count++] = t;
    }
    free(frontier);
    free(moments);
}
