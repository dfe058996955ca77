#include "tests/sim/checkers/check_register.h"

#include "tests/sim/checkers/register_search.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>

/* The operations on one key, in order of invocation. */
typedef struct partition {
    int64_t key;
    hf_register_op *ops;
    uint32_t count;
    uint32_t capacity;
} partition;

typedef struct partitions {
    partition *items;
    uint32_t count;
    uint32_t capacity;
    hf_check_map map;
} partitions;

static bool is_register_op(const hf_micro *op)
{
    return op->kind == HF_MICRO_WRITE || op->kind == HF_MICRO_DELETE || op->kind == HF_MICRO_CAS ||
           op->kind == HF_MICRO_READ;
}

static partition *partition_of(partitions *all, int64_t key)
{
    uint32_t at = hf_check_map_add(&all->map, key, 0, all->count);
    if (at == all->count) {
        all->items = hf_check_grow(all->items, all->count, &all->capacity, sizeof *all->items);
        all->items[all->count++] = (partition){ .key = key };
    }
    return &all->items[at];
}

static bool txn_counts(const hf_history_txn *txn)
{
    return !hf_history_refused(txn) && !txn->snapshot;
}

/* A certain outcome learned later has a certain effect, but no latest moment for it. */
static int64_t op_returned(const hf_history_txn *txn)
{
    if (txn->heard == HF_HEARD_OK && txn->returned == HF_NEVER) {
        return HF_NEVER - 1;
    }
    return txn->heard == HF_HEARD_OK ? txn->returned : HF_NEVER;
}

static void partitions_fill(partitions *all, const hf_history *history, hf_verdict *verdict)
{
    for (uint32_t t = 0; t < history->count; t++) {
        const hf_history_txn *txn = &history->txns[t];
        for (uint32_t o = 0; o < txn->op_count; o++) {
            if (!is_register_op(&txn->ops[o])) {
                continue;
            }
            if (!txn_counts(txn)) {
                verdict->skipped += txn->snapshot;
                continue;
            }
            partition *p = partition_of(all, txn->ops[o].arg[0]);
            verdict->judged += txn->heard == HF_HEARD_OK && txn->ops[o].answered;
            if (p->count != 0 && p->ops[p->count - 1].number == t) {
                continue; /* the same operation goes on */
            }
            p->ops = hf_check_grow(p->ops, p->count, &p->capacity, sizeof *p->ops);
            p->ops[p->count++] = (hf_register_op){ txn, t, txn->invoked, op_returned(txn) };
        }
    }
}

static void partitions_close(partitions *all)
{
    for (uint32_t p = 0; p < all->count; p++) {
        free(all->items[p].ops);
    }
    free(all->items);
    hf_check_map_close(&all->map);
}

static int op_compare(const void *left, const void *right)
{
    const hf_register_op *a = left;
    const hf_register_op *b = right;
    if (a->invoked != b->invoked) {
        return a->invoked < b->invoked ? -1 : 1;
    }
    return a->number < b->number ? -1 : a->number > b->number;
}

/* ---- Making the window small ---- */

/* The operations as they stood at `cut`: what was not invoked is gone, what had not returned is
 * unknown. With `from`: those that had returned before it are gone too. */
static uint32_t window_of(const partition *p, int64_t from, int64_t cut, hf_register_op *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        hf_register_op op = p->ops[i];
        if (op.invoked > cut || op.returned < from) {
            continue;
        }
        op.returned = op.returned > cut ? HF_NEVER : op.returned;
        out[count++] = op;
    }
    return count;
}

typedef struct window {
    int64_t from; /* INT64_MIN: the beginning */
    int64_t cut;
} window;

static int time_compare(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* A prefix of an explainable history is explainable, so the shortest bad prefix is found by
 * halving. */
static int64_t shortest_bad_cut(const partition *p, uint64_t step_limit, hf_register_op *scratch)
{
    int64_t *returns = hf_check_alloc(p->count, sizeof *returns);
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->ops[i].returned != HF_NEVER) {
            returns[count++] = p->ops[i].returned;
        }
    }
    HF_ASSERT(count != 0); /* unknown operations alone contradict nothing */
    qsort(returns, count, sizeof *returns, time_compare);
    uint32_t good = 0; /* this many returns may be explainable */
    uint32_t bad = count;
    while (good + 1 < bad) {
        uint32_t middle = good + (bad - good) / 2;
        uint64_t steps = step_limit;
        uint32_t n = window_of(p, INT64_MIN, returns[middle - 1], scratch);
        if (hf_register_search(scratch, n, p->key, HF_NIL, &steps) == HF_REGISTER_NO) {
            bad = middle;
        } else {
            good = middle;
        }
    }
    int64_t cut = returns[bad - 1];
    free(returns);
    return cut;
}

/* At a quiet moment no certain operation is under way, so what came before it matters only by the
 * value it left. The latest quiet start from which no value at all explains the rest, within a few
 * tries. */
static int64_t latest_bad_start(const partition *p, int64_t cut, uint64_t step_limit,
                                hf_register_op *scratch)
{
    enum { TRIES = 32 };
    uint32_t tries = 0;
    int64_t next_invoked = HF_NEVER;
    int64_t *busy_until = hf_check_alloc((size_t)p->count + 1, sizeof *busy_until);
    busy_until[0] = INT64_MIN;
    for (uint32_t i = 0; i < p->count; i++) {
        /* What returns after the cut is unknown there: it is never in the way of quiet. */
        int64_t returned = p->ops[i].returned > cut ? INT64_MIN : p->ops[i].returned;
        busy_until[i + 1] = returned > busy_until[i] ? returned : busy_until[i];
    }
    int64_t found = INT64_MIN;
    for (uint32_t i = p->count; i-- > 1 && tries < TRIES && found == INT64_MIN;) {
        if (p->ops[i].invoked > cut || p->ops[i].returned == HF_NEVER ||
            p->ops[i].invoked == next_invoked || busy_until[i] >= p->ops[i].invoked) {
            continue;
        }
        next_invoked = p->ops[i].invoked;
        tries++;
        uint64_t steps = step_limit;
        uint32_t n = window_of(p, p->ops[i].invoked, cut, scratch);
        if (hf_register_search(scratch, n, p->key, HF_REGISTER_ANY, &steps) == HF_REGISTER_NO) {
            found = p->ops[i].invoked;
        }
    }
    free(busy_until);
    return found;
}

static void report_window(const hf_history *history, const partition *p, window w,
                          hf_register_op *scratch, hf_verdict *verdict)
{
    enum { SHOWN = 24 };
    uint32_t count = window_of(p, w.from, w.cut, scratch);
    uint32_t skip = count > SHOWN ? count - SHOWN : 0;
    hf_check_text *text = hf_verdict_find(verdict, "not-linearizable", "");
    hf_check_text_add(
        text, "  key %" PRId64 ": no order of these %u operations explains them%s", p->key, count,
        w.from == INT64_MIN ? ", the key being absent at first" : ", whatever it held before them");
    hf_check_text_add(text, "; without the return at %" PRId64 " one does.\n", w.cut);
    if (skip != 0) {
        hf_check_text_add(text, "    (%u earlier ones)\n", skip);
    }
    for (uint32_t i = skip; i < count; i++) {
        hf_check_text_add(text, "    ");
        hf_history_describe(history, scratch[i].number, text);
        hf_check_text_add(text, "%s\n",
                          scratch[i].returned == w.cut ? "   <-- cannot be explained" : "");
    }
}

static hf_register_found judge_key(const hf_history *history, partition *p, uint64_t step_limit,
                                   hf_verdict *verdict)
{
    qsort(p->ops, p->count, sizeof *p->ops, op_compare);
    uint64_t steps = step_limit;
    hf_register_found found = hf_register_search(p->ops, p->count, p->key, HF_NIL, &steps);
    if (found == HF_REGISTER_NO) {
        hf_register_op *scratch = hf_check_alloc(p->count, sizeof *scratch);
        window w = { INT64_MIN, shortest_bad_cut(p, step_limit, scratch) };
        w.from = latest_bad_start(p, w.cut, step_limit, scratch);
        report_window(history, p, w, scratch, verdict);
        free(scratch);
    }
    return found;
}

hf_ruling hf_check_register(const hf_history *history, uint64_t step_limit, hf_verdict *verdict)
{
    partitions all = { 0 };
    partitions_fill(&all, history, verdict);
    bool gave_up = false;
    for (uint32_t p = 0; p < all.count; p++) {
        gave_up = judge_key(history, &all.items[p], step_limit, verdict) == HF_REGISTER_GAVE_UP ||
                  gave_up;
    }
    if (gave_up && verdict->ruling == HF_RULING_NOTHING) {
        verdict->ruling = HF_RULING_GAVE_UP;
    }
    partitions_close(&all);
    return hf_verdict_settle(verdict);
}
