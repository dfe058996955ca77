#include "tests/sim/checkers/check_append.h"

#include "tests/sim/checkers/append_index.h"
#include "tests/sim/checkers/cycles.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>

#define NONE HF_CHECK_NONE

/* ---- Direct findings ---- */
static void find_in_order(const hf_append_index *index, hf_verdict *verdict)
{
    const hf_history *history = index->history;
    for (uint32_t k = 0; k < index->key_count; k++) {
        const hf_append_key *key = &index->keys[k];
        for (uint32_t i = 0; i < key->shown; i++) {
            const hf_append_place *place = &key->order[i];
            const char *name = NULL;
            if (place->write == NONE) {
                name = "garbage";
            } else if (index->writes[place->write].place != i) {
                name = "duplicate";
            } else if (hf_history_refused(&history->txns[index->writes[place->write].txn])) {
                name = "G1a";
            }
            if (name == NULL) {
                continue;
            }
            hf_check_text *text = hf_verdict_find(verdict, name,
                                                  name[0] == 'G'   ? "aborted read"
                                                  : name[0] == 'd' ? "applied twice"
                                                                   : "");
            hf_check_text_add(text, "  key %" PRId64 ", element %" PRId64 "\n  read by ", key->key,
                              place->value);
            hf_history_describe(history, place->reader, text);
            if (place->write != NONE) {
                hf_check_text_add(text, "\n  appended by ");
                hf_history_describe(history, index->writes[place->write].txn, text);
            }
            hf_check_text_add(text, "\n");
        }
    }
}

static void find_misfits(const hf_append_index *index, hf_verdict *verdict)
{
    for (uint32_t r = 0; r < index->read_count; r++) {
        const hf_append_read *read = &index->reads[r];
        if (read->fits) {
            continue;
        }
        const hf_append_key *key = &index->keys[read->key];
        const hf_micro *op = &index->history->txns[read->txn].ops[read->op];
        uint32_t at = 0;
        while (at < op->list_count && at < key->shown && op->list[at] == key->order[at].value) {
            at++;
        }
        HF_ASSERT(at < op->list_count && at < key->shown);
        hf_check_text *text = hf_verdict_find(verdict, "incompatible-order", "");
        hf_check_text_add(text, "  key %" PRId64 " has %" PRId64 " at place %u in\n    ", key->key,
                          op->list[at], at);
        hf_history_describe(index->history, read->txn, text);
        hf_check_text_add(text, "\n  but %" PRId64 " in\n    ", key->order[at].value);
        hf_history_describe(index->history, key->order[at].reader, text);
        hf_check_text_add(text, "\n");
    }
}

static void find_intermediate(const hf_append_index *index, hf_verdict *verdict)
{
    for (uint32_t r = 0; r < index->read_count; r++) {
        const hf_append_read *read = &index->reads[r];
        if (!read->first || !read->fits || read->outside == 0) {
            continue;
        }
        const hf_append_key *key = &index->keys[read->key];
        uint32_t write = key->order[read->outside - 1].write;
        if (write == NONE) {
            continue; /* reported as garbage */
        }
        const hf_append_write *w = &index->writes[write];
        bool own = w->txn == read->txn;
        if (!own && w->next_in_txn == NONE) {
            continue;
        }
        hf_check_text *text = own ? hf_verdict_find(verdict, "internal", "read before append")
                                  : hf_verdict_find(verdict, "G1b", "intermediate read");
        hf_check_text_add(text, "  key %" PRId64 " ending in %" PRId64 " was read by\n    ",
                          key->key, w->value);
        hf_history_describe(index->history, read->txn, text);
        hf_check_text_add(text, own ? "\n  which appends it only afterwards"
                                    : "\n  but its writer goes on to append to it\n    ");
        if (!own) {
            hf_history_describe(index->history, w->txn, text);
        }
        hf_check_text_add(text, "\n");
    }
}

static void find_torn(const hf_append_index *index, hf_verdict *verdict)
{
    for (uint32_t w = 0; w < index->write_count; w++) {
        const hf_append_write *write = &index->writes[w];
        if (write->place == NONE && write->next_in_txn != NONE &&
            index->writes[write->next_in_txn].place != NONE) {
            hf_check_text *text = hf_verdict_find(verdict, "torn-append", "");
            hf_check_text_add(
                text, "  key %" PRId64 " has element %" PRId64 ", not %" PRId64 " of\n    ",
                index->keys[write->key].key, index->writes[write->next_in_txn].value, write->value);
            hf_history_describe(index->history, write->txn, text);
            hf_check_text_add(text, "\n");
        }
    }
}

/* Two committed transactions read version v of a key and append to it: one of them did not see the
 * other. */
static void find_lost_updates(const hf_append_index *index, hf_verdict *verdict)
{
    for (uint32_t k = 0; k < index->key_count; k++) {
        const hf_append_key *key = &index->keys[k];
        uint32_t *updater = hf_check_alloc(key->order_count + 1, sizeof *updater);
        for (uint32_t r = key->first_read; r != NONE; r = index->reads[r].next_in_key) {
            const hf_append_read *read = &index->reads[r];
            if (!read->first || !read->fits || !read->updates) {
                continue;
            }
            uint32_t *slot = &updater[read->outside];
            if (*slot == 0) {
                *slot = read->txn + 1;
                continue;
            }
            hf_check_text *text = hf_verdict_find(verdict, "lost-update", "lost update");
            hf_check_text_add(
                text, "  both read %u elements of key %" PRId64 " and appended to it:\n    ",
                read->outside, key->key);
            hf_history_describe(index->history, *slot - 1, text);
            hf_check_text_add(text, "\n    ");
            hf_history_describe(index->history, read->txn, text);
            hf_check_text_add(text, "\n");
        }
        free(updater);
    }
}

/* ---- The dependency graph ---- */
static uint32_t place_txn(const hf_append_index *index, const hf_append_key *key, uint32_t place)
{
    return index->writes[key->order[place].write].txn;
}

/* Places whose writer is a node: known, committed, and the element's first occurrence. */
static bool place_counts(const hf_append_index *index, const hf_append_key *key, uint32_t place)
{
    uint32_t write = key->order[place].write;
    return write != NONE && index->writes[write].place == place &&
           index->committed[index->writes[write].txn];
}

/* next[i]: the first place at or after i that counts; NONE past the last. */
static uint32_t *key_next_places(const hf_append_index *index, const hf_append_key *key)
{
    uint32_t *next = hf_check_alloc(key->order_count + 1, sizeof *next);
    next[key->order_count] = NONE;
    for (uint32_t i = key->order_count; i-- > 0;) {
        next[i] = place_counts(index, key, i) ? i : next[i + 1];
    }
    return next;
}

static void edge_between(hf_graph *graph, uint32_t from, uint32_t to, hf_edge_kind kind,
                         int64_t key, int64_t value)
{
    if (from != to) {
        hf_graph_edge(graph, (hf_edge){ from, to, kind, key, value });
    }
}

/* Along the order of versions; answers the last writer, NONE if there is none. */
static uint32_t edges_of_order(const hf_append_index *index, const hf_append_key *key,
                               const uint32_t *next, hf_graph *graph)
{
    uint32_t last = NONE;
    for (uint32_t i = next[0]; i != NONE; i = next[i + 1]) {
        uint32_t txn = place_txn(index, key, i);
        if (last != NONE) {
            edge_between(graph, last, txn, HF_EDGE_WW, key->key, key->order[i].value);
        }
        last = txn;
    }
    return last;
}

static void edges_of_read(const hf_append_index *index, const hf_append_key *key,
                          const hf_append_read *read, const uint32_t *next, hf_graph *graph)
{
    uint32_t end = read->outside;
    if (end != 0 && place_counts(index, key, end - 1)) {
        edge_between(graph, place_txn(index, key, end - 1), read->txn, HF_EDGE_WR, key->key,
                     key->order[end - 1].value);
    }
    if (next[end] != NONE) {
        edge_between(graph, read->txn, place_txn(index, key, next[end]), HF_EDGE_RW, key->key,
                     key->order[next[end]].value);
    }
}

/* Committed appends to a key that no read shows come after all that any read shows; their own order
 * is not known. `blind` is the gate to those whose transaction did not read the last version
 * itself, `all` the gate to every one: a transaction must not be led to itself. */
typedef struct unseen {
    uint32_t all;
    uint32_t blind;
    uint32_t last_updater; /* the newest that read the last version and appended */
} unseen;

static bool read_is_last(const hf_append_read *read, const uint32_t *next)
{
    return read->first && read->fits && next[read->outside] == NONE;
}

static void unseen_mark(const hf_append_index *index, const hf_append_key *key, uint32_t *mark,
                        uint32_t value)
{
    for (uint32_t w = key->first_write; w != NONE; w = index->writes[w].next_in_key) {
        if (index->writes[w].place == NONE && index->committed[index->writes[w].txn]) {
            mark[index->writes[w].txn] = value;
        }
    }
}

enum { UNSEEN_NOT = 0, UNSEEN_BLIND = 1, UNSEEN_UPDATER = 2, UNSEEN_DONE = 3 };

static void edges_to_unseen(const hf_append_index *index, const hf_append_key *key, uint32_t *mark,
                            unseen *u, hf_graph *graph)
{
    for (uint32_t w = key->first_write; w != NONE; w = index->writes[w].next_in_key) {
        const hf_append_write *write = &index->writes[w];
        if (write->place != NONE || mark[write->txn] == UNSEEN_NOT ||
            mark[write->txn] == UNSEEN_DONE) {
            continue; /* seen, not committed, or reached by an earlier append of it */
        }
        uint32_t gate = mark[write->txn] == UNSEEN_BLIND ? u->blind : u->all;
        hf_graph_edge(graph, (hf_edge){ gate, write->txn, HF_EDGE_PASS, key->key, write->value });
        if (mark[write->txn] == UNSEEN_UPDATER) {
            /* Each of these missed all others: neighbours are enough to close a circle. */
            if (u->last_updater != NONE) {
                edge_between(graph, u->last_updater, write->txn, HF_EDGE_RW, key->key,
                             write->value);
                edge_between(graph, write->txn, u->last_updater, HF_EDGE_RW, key->key,
                             write->value);
            }
            u->last_updater = write->txn;
        }
        mark[write->txn] = UNSEEN_DONE;
    }
}

static void edges_of_unseen(const hf_append_index *index, const hf_append_key *key,
                            const uint32_t *next, uint32_t last_writer, uint32_t *mark,
                            hf_graph *graph)
{
    unseen u = { hf_graph_gate(graph), hf_graph_gate(graph), NONE };
    unseen_mark(index, key, mark, UNSEEN_BLIND);
    hf_graph_edge(graph, (hf_edge){ u.all, u.blind, HF_EDGE_PASS, key->key, 0 });
    for (uint32_t r = key->first_read; r != NONE; r = index->reads[r].next_in_key) {
        const hf_append_read *read = &index->reads[r];
        if (!read_is_last(read, next)) {
            continue;
        }
        bool updater = mark[read->txn] != UNSEEN_NOT;
        if (updater) {
            mark[read->txn] = UNSEEN_UPDATER;
        }
        edge_between(graph, read->txn, updater ? u.blind : u.all, HF_EDGE_RW, key->key, 0);
    }
    if (last_writer != NONE && mark[last_writer] == UNSEEN_NOT) {
        edge_between(graph, last_writer, u.all, HF_EDGE_WW, key->key, 0);
    }
    edges_to_unseen(index, key, mark, &u, graph);
    unseen_mark(index, key, mark, UNSEEN_NOT);
}

static bool key_has_unseen(const hf_append_index *index, const hf_append_key *key)
{
    for (uint32_t w = key->first_write; w != NONE; w = index->writes[w].next_in_key) {
        if (index->writes[w].place == NONE && index->committed[index->writes[w].txn]) {
            return true;
        }
    }
    return false;
}

static void edges_of_keys(const hf_append_index *index, hf_graph *graph)
{
    uint32_t *mark = hf_check_alloc(index->history->count, sizeof *mark);
    for (uint32_t k = 0; k < index->key_count; k++) {
        const hf_append_key *key = &index->keys[k];
        uint32_t *next = key_next_places(index, key);
        uint32_t last_writer = edges_of_order(index, key, next, graph);
        for (uint32_t r = key->first_read; r != NONE; r = index->reads[r].next_in_key) {
            if (index->reads[r].first && index->reads[r].fits) {
                edges_of_read(index, key, &index->reads[r], next, graph);
            }
        }
        if (key_has_unseen(index, key)) {
            edges_of_unseen(index, key, next, last_writer, mark, graph);
        }
        free(next);
    }
    free(mark);
}

typedef struct turn {
    int64_t invoked;
    uint32_t txn;
} turn;

static int turn_compare(const void *left, const void *right)
{
    const turn *a = left;
    const turn *b = right;
    if (a->invoked != b->invoked) {
        return a->invoked < b->invoked ? -1 : 1;
    }
    return a->txn < b->txn ? -1 : a->txn > b->txn;
}

/* A process goes on after an answer; what it never heard the end of orders nothing after it. */
static void edges_of_processes(const hf_append_index *index, const bool *target, hf_graph *graph)
{
    const hf_history *history = index->history;
    turn *turns = hf_check_alloc(history->count, sizeof *turns);
    uint32_t *last = hf_check_alloc(history->count, sizeof *last); /* per process: txn + 1 */
    hf_check_map processes = { 0 };
    uint32_t turn_count = 0;
    for (uint32_t t = 0; t < history->count; t++) {
        if (index->committed[t]) {
            turns[turn_count++] = (turn){ history->txns[t].invoked, t };
        }
    }
    qsort(turns, turn_count, sizeof *turns, turn_compare);
    for (uint32_t i = 0; i < turn_count; i++) {
        uint32_t t = turns[i].txn;
        const hf_history_txn *txn = &history->txns[t];
        uint32_t p = hf_check_map_add(&processes, txn->process, 0, processes.count);
        if (target[t] && last[p] != 0 && history->txns[last[p] - 1].returned <= txn->invoked) {
            edge_between(graph, last[p] - 1, t, HF_EDGE_PROC, 0, 0);
        }
        if (target[t] && txn->returned != HF_NEVER) {
            last[p] = t + 1;
        }
    }
    hf_check_map_close(&processes);
    free(last);
    free(turns);
}

static void find_cycles(const hf_append_index *index, hf_verdict *verdict)
{
    const hf_history *history = index->history;
    bool *target = hf_check_alloc(history->count, sizeof *target);
    for (uint32_t t = 0; t < history->count; t++) {
        target[t] = index->committed[t] && !history->txns[t].snapshot;
    }
    hf_graph graph;
    hf_graph_open(&graph, history->count);
    edges_of_keys(index, &graph);
    edges_of_processes(index, target, &graph);
    hf_graph_realtime(&graph, history, index->committed, target);
    hf_graph_seal(&graph);
    hf_cycles_find(&graph, history, HF_CYCLES_BUDGET, verdict);
    hf_graph_close(&graph);
    free(target);
}

hf_ruling hf_check_append(const hf_history *history, hf_verdict *verdict)
{
    hf_append_index index;
    hf_append_index_open(&index, history, verdict);
    if (verdict->ruling != HF_RULING_UNUSABLE) {
        find_in_order(&index, verdict);
        find_misfits(&index, verdict);
        find_intermediate(&index, verdict);
        find_torn(&index, verdict);
        find_lost_updates(&index, verdict);
        find_cycles(&index, verdict);
        verdict->judged += index.read_count;
    }
    hf_append_index_close(&index);
    return hf_verdict_settle(verdict);
}
