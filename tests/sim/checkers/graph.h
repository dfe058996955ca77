/* hf_graph: a directed multigraph of transactions, its cycles and who forces whom.
 *
 * Every edge says "this one came before that one" and why. Nodes are transactions 0..txns-1 and
 * gates above them: a gate stands for "whoever comes through it", so that many-to-many orders cost
 * a sum, not a product, of edges. PASS edges lead out of gates; an edge into a gate carries the
 * reason.
 *
 * Cost:  components O(nodes + edges); path O(edges of the component).
 */
#ifndef HF_CHECKERS_GRAPH_H
#define HF_CHECKERS_GRAPH_H
#include "tests/sim/checkers/history.h"

typedef enum hf_edge_kind {
    HF_EDGE_WW = 0,   /* wrote the version before */
    HF_EDGE_WR = 1,   /* wrote what the other read */
    HF_EDGE_RW = 2,   /* read a version older than the other's */
    HF_EDGE_PROC = 3, /* ran earlier in the same process */
    HF_EDGE_RT = 4,   /* returned before the other was invoked */
    HF_EDGE_PASS = 5, /* out of a gate */
    HF_EDGE_KINDS
} hf_edge_kind;

#define HF_EDGE_BIT(kind) (1u << (kind))

typedef struct hf_edge {
    uint32_t from;
    uint32_t to;
    hf_edge_kind kind;
    int64_t key;   /* WW, WR, RW */
    int64_t value; /* the element read or overtaken; of a PASS: the element appended */
} hf_edge;

typedef struct hf_graph {
    uint32_t node_count;
    hf_edge *edges;
    uint32_t edge_count;
    uint32_t edge_capacity;
    uint32_t *first; /* sealed: edges of node n are first[n]..first[n + 1] */
} hf_graph;

void hf_graph_open(hf_graph *graph, uint32_t txn_count);
void hf_graph_close(hf_graph *graph);
uint32_t hf_graph_gate(hf_graph *graph); /* a new node */
void hf_graph_edge(hf_graph *graph, hf_edge edge);
void hf_graph_seal(hf_graph *graph); /* sorts; no more edges after it */

/* Strongly connected components over edges of the kinds in `mask`, inside `within` (NULL:
 * everywhere; else only edges between nodes with equal within[]). Fills component[node]; answers
 * how many. */
uint32_t hf_graph_components(const hf_graph *graph, unsigned mask, const uint32_t *within,
                             uint32_t *component);

/* The shortest path from `from` to `to` over edges in `mask` between nodes of from's component. Its
 * edges go to path[0..], at most `most`; answers their number, 0 when there is none (from != to).
 * `budget` falls by the edges looked at; at 0 the search stops. `scratch` is node_count numbers,
 * all 0 at first use. */
typedef struct hf_graph_search {
    uint32_t *seen;  /* per node: the round that reached it */
    uint32_t *via;   /* per node: the edge it was reached by */
    uint32_t *queue; /* nodes */
    uint32_t round;
    uint64_t budget;
} hf_graph_search;

void hf_graph_search_open(hf_graph_search *search, const hf_graph *graph, uint64_t budget);
void hf_graph_search_close(hf_graph_search *search);
uint32_t hf_graph_path(const hf_graph *graph, hf_graph_search *search, uint32_t from, uint32_t to,
                       unsigned mask, const uint32_t *component, uint32_t *path, uint32_t most);

/* Real-time order of transactions, by the fewest edges: an edge only where no third transaction
 * lies between. `source[t]`: t's return counts; `target[t]`: t's invocation counts.
 * Ties in time are overlaps. At most count x concurrency edges. */
void hf_graph_realtime(hf_graph *graph, const hf_history *history, const bool *source,
                       const bool *target);

#endif
