#include "tests/sim/checkers/append_index.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>

#define NONE HF_CHECK_NONE

static hf_append_key *index_key(hf_append_index *index, int64_t name)
{
    uint32_t at = hf_check_map_add(&index->key_map, name, 0, index->key_count);
    if (at == index->key_count) {
        index->keys =
            hf_check_grow(index->keys, index->key_count, &index->key_capacity, sizeof *index->keys);
        index->keys[index->key_count++] = (hf_append_key){ .key = name,
                                                           .first_write = NONE,
                                                           .last_write = NONE,
                                                           .first_read = NONE,
                                                           .last_read = NONE };
    }
    return &index->keys[at];
}

static uint32_t key_number(const hf_append_index *index, const hf_append_key *key)
{
    return (uint32_t)(key - index->keys);
}

/* ---- Appends ---- */
static void index_write(hf_append_index *index, uint32_t txn, const hf_micro *op)
{
    hf_append_key *key = index_key(index, op->arg[0]);
    uint32_t at = index->write_count;
    if (hf_check_map_add(&index->write_map, op->arg[0], op->arg[1], at) != at) {
        hf_verdict_unusable(index->verdict,
                            "  %" PRId64 " is appended twice to key %" PRId64
                            ", so reads do not tell the two apart",
                            op->arg[1], op->arg[0]);
        return;
    }
    index->writes = hf_check_grow(index->writes, at, &index->write_capacity, sizeof *index->writes);
    index->writes[index->write_count++] = (hf_append_write){ .txn = txn,
                                                             .key = key_number(index, key),
                                                             .value = op->arg[1],
                                                             .place = NONE,
                                                             .next_in_txn = NONE,
                                                             .next_in_key = NONE };
    if (key->last_write == NONE) {
        key->first_write = at;
    } else {
        hf_append_write *last = &index->writes[key->last_write];
        last->next_in_key = at;
        last->next_in_txn = last->txn == txn ? at : NONE;
    }
    key->last_write = at;
}

static void index_writes(hf_append_index *index)
{
    for (uint32_t t = 0; t < index->history->count; t++) {
        const hf_history_txn *txn = &index->history->txns[t];
        for (uint32_t o = 0; o < txn->op_count; o++) {
            if (txn->ops[o].kind == HF_MICRO_APPEND) {
                index_write(index, t, &txn->ops[o]);
            }
        }
    }
}

/* ---- Reads, of committed transactions; they make others committed ---- */
static void index_commit(hf_append_index *index, uint32_t txn)
{
    if (!index->committed[txn]) {
        index->committed[txn] = true;
        index->todo[index->todo_count++] = txn;
    }
}

/* An element that a committed transaction read proves its unknown writer committed. */
static uint32_t index_witness(hf_append_index *index, int64_t key, int64_t value)
{
    uint32_t write = hf_check_map_get(&index->write_map, key, value);
    if (write != NONE) {
        uint32_t txn = index->writes[write].txn;
        if (!hf_history_refused(&index->history->txns[txn])) {
            index_commit(index, txn);
        }
    }
    return write;
}

static void key_extend(hf_append_index *index, hf_append_key *key, int64_t value, uint32_t write,
                       uint32_t reader)
{
    key->order =
        hf_check_grow(key->order, key->order_count, &key->order_capacity, sizeof *key->order);
    if (write != NONE && index->writes[write].place == NONE) {
        index->writes[write].place = key->order_count;
    }
    key->order[key->order_count++] = (hf_append_place){ value, write, reader };
}

/* Compares a list with the key's order, which it may extend; false when they part. */
static bool key_take_list(hf_append_index *index, hf_append_key *key, const hf_micro *op,
                          uint32_t reader)
{
    uint32_t common = op->list_count < key->order_count ? op->list_count : key->order_count;
    for (uint32_t i = 0; i < common; i++) {
        if (op->list[i] != key->order[i].value) {
            for (uint32_t rest = i; rest < op->list_count; rest++) {
                index_witness(index, key->key, op->list[rest]);
            }
            return false;
        }
    }
    for (uint32_t i = common; i < op->list_count; i++) {
        uint32_t write = index_witness(index, key->key, op->list[i]);
        key_extend(index, key, op->list[i], write, reader);
    }
    return true;
}

static void report_internal(hf_append_index *index, uint32_t txn, const hf_append_key *key,
                            const hf_micro *op)
{
    hf_check_text *text = hf_verdict_find(index->verdict, "internal", "");
    hf_check_text_add(text,
                      "  the read of key %" PRId64
                      " that shows %u elements contradicts what came before "
                      "it in\n    ",
                      key->key, op->list_count);
    hf_history_describe(index->history, txn, text);
    hf_check_text_add(text, "\n");
}

/* The list must be: what the transaction read last of the key, if it did, then its own appends
 * since. */
static bool list_agrees_inside(const hf_append_index *index, const hf_append_key *key,
                               const hf_history_txn *txn, const hf_micro *op)
{
    if (op->list_count < key->own_count) {
        return false;
    }
    uint32_t outside = op->list_count - key->own_count;
    uint32_t own = key->own_first;
    for (uint32_t i = outside; i < op->list_count; i++, own = index->writes[own].next_in_txn) {
        if (op->list[i] != index->writes[own].value) {
            return false;
        }
    }
    if (key->base_read == NONE) {
        return true;
    }
    const hf_micro *base = &txn->ops[index->reads[key->base_read].op];
    bool same = base->list_count == outside;
    for (uint32_t i = 0; same && i < outside; i++) {
        same = base->list[i] == op->list[i];
    }
    return same;
}

static void key_walk_start(hf_append_key *key, uint32_t txn)
{
    if (key->walker != txn + 1) {
        key->walker = txn + 1;
        key->outer_read = NONE;
        key->base_read = NONE;
        key->own_first = NONE;
        key->own_count = 0;
    }
}

static void index_read(hf_append_index *index, uint32_t txn, uint32_t at)
{
    const hf_history_txn *t = &index->history->txns[txn];
    const hf_micro *op = &t->ops[at];
    hf_append_key *key = index_key(index, op->arg[0]);
    key_walk_start(key, txn);
    bool agrees = list_agrees_inside(index, key, t, op);
    if (!agrees) {
        report_internal(index, txn, key, op);
    }
    hf_append_read read = { .txn = txn,
                            .op = at,
                            .key = key_number(index, key),
                            .outside = op->list_count - (agrees ? key->own_count : 0),
                            .first = key->base_read == NONE,
                            .next_in_key = NONE };
    read.fits = key_take_list(index, key, op, txn);
    index->reads =
        hf_check_grow(index->reads, index->read_count, &index->read_capacity, sizeof *index->reads);
    uint32_t number = index->read_count++;
    index->reads[number] = read;
    if (key->last_read == NONE) {
        key->first_read = number;
    } else {
        index->reads[key->last_read].next_in_key = number;
    }
    key->last_read = number;
    key->outer_read = read.first ? number : key->outer_read;
    key->base_read = number;
    key->own_first = NONE;
    key->own_count = 0;
}

static void index_own_append(hf_append_index *index, uint32_t txn, const hf_micro *op)
{
    hf_append_key *key = index_key(index, op->arg[0]);
    key_walk_start(key, txn);
    if (key->own_count++ == 0) {
        key->own_first = hf_check_map_get(&index->write_map, op->arg[0], op->arg[1]);
    }
    if (key->outer_read != NONE) {
        index->reads[key->outer_read].updates = true;
    }
}

static void index_reads(hf_append_index *index)
{
    const hf_history *history = index->history;
    for (uint32_t t = history->count; t-- > 0;) {
        if (history->txns[t].heard == HF_HEARD_OK) {
            index_commit(index, t);
        }
    }
    while (index->todo_count != 0) {
        uint32_t t = index->todo[--index->todo_count];
        const hf_history_txn *txn = &history->txns[t];
        for (uint32_t o = 0; o < txn->op_count; o++) {
            if (txn->ops[o].kind == HF_MICRO_APPEND) {
                index_own_append(index, t, &txn->ops[o]);
            } else if (txn->ops[o].kind == HF_MICRO_LIST && txn->ops[o].answered) {
                index_read(index, t, o);
            }
        }
    }
}

/* Where reads stop in the middle of a transaction's appends, the rest of them must follow at once.
 */
static void index_complete_orders(hf_append_index *index)
{
    for (uint32_t k = 0; k < index->key_count; k++) {
        hf_append_key *key = &index->keys[k];
        key->shown = key->order_count;
        if (key->shown == 0) {
            continue;
        }
        hf_append_place last = key->order[key->shown - 1];
        if (last.write == NONE || !index->committed[index->writes[last.write].txn]) {
            continue;
        }
        uint32_t w = index->writes[last.write].next_in_txn;
        while (w != NONE && index->writes[w].place == NONE) {
            key_extend(index, key, index->writes[w].value, w, last.reader);
            w = index->writes[w].next_in_txn;
        }
    }
}

void hf_append_index_open(hf_append_index *index, const hf_history *history, hf_verdict *verdict)
{
    *index = (hf_append_index){ .history = history, .verdict = verdict };
    index->committed = hf_check_alloc(history->count, sizeof *index->committed);
    index->todo = hf_check_alloc(history->count, sizeof *index->todo);
    index_writes(index);
    if (verdict->ruling != HF_RULING_UNUSABLE) {
        index_reads(index);
        index_complete_orders(index);
    }
}

void hf_append_index_close(hf_append_index *index)
{
    for (uint32_t k = 0; k < index->key_count; k++) {
        free(index->keys[k].order);
    }
    free(index->keys);
    free(index->writes);
    free(index->reads);
    free(index->committed);
    free(index->todo);
    hf_check_map_close(&index->key_map);
    hf_check_map_close(&index->write_map);
    *index = (hf_append_index){ 0 };
}
