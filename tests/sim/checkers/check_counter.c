#include "tests/sim/checkers/check_counter.h"

#include "tests/sim/checkers/transfers.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>

__extension__ typedef __int128 wide; /* sums of 64-bit deltas cannot overflow it */

/* Sums of additions whose moment (return or invocation) is at or before `at`. */
typedef struct tally {
    int64_t at;
    int64_t delta;
    wide plus;  /* of positive deltas up to here */
    wide minus; /* of negative deltas up to here, <= 0 */
} tally;

typedef struct tallies {
    tally *items;
    uint32_t count;
    uint32_t capacity;
} tallies;

typedef struct quantity {
    int64_t key;
    int64_t opening;
    int64_t min;
    int64_t max;
    tallies by_return; /* acknowledged additions */
    tallies by_invoke; /* all that may have happened */
} quantity;

typedef struct counter {
    const hf_history *history;
    hf_verdict *verdict;
    quantity *quantities;
    uint32_t count;
    uint32_t capacity;
    hf_check_map map;
} counter;

/* ---- Collecting ---- */
static quantity *counter_quantity(const counter *c, int64_t key)
{
    uint32_t at = hf_check_map_get(&c->map, key, 0);
    return at == HF_CHECK_NONE ? NULL : &c->quantities[at];
}

static void counter_open(counter *c, const hf_micro *op)
{
    if (hf_check_map_add(&c->map, op->arg[0], 0, c->count) != c->count) {
        hf_verdict_unusable(c->verdict, "  quantity %" PRId64 " is opened twice", op->arg[0]);
        return;
    }
    c->quantities = hf_check_grow(c->quantities, c->count, &c->capacity, sizeof *c->quantities);
    c->quantities[c->count++] = (quantity){
        .key = op->arg[0], .opening = op->arg[1], .min = op->arg[2], .max = op->arg[3]
    };
}

static void tallies_put(tallies *all, int64_t at, int64_t delta)
{
    all->items = hf_check_grow(all->items, all->count, &all->capacity, sizeof *all->items);
    all->items[all->count++] = (tally){ .at = at, .delta = delta };
}

static void counter_addition(counter *c, int64_t key, int64_t delta, int64_t invoked,
                             int64_t returned)
{
    quantity *q = counter_quantity(c, key);
    if (q == NULL) {
        hf_verdict_unusable(c->verdict,
                            "  an addition to quantity %" PRId64 ", which is never opened", key);
        return;
    }
    tallies_put(&q->by_invoke, invoked, delta);
    if (returned != HF_NEVER) {
        tallies_put(&q->by_return, returned, delta);
    }
}

/* Visits every micro-operation of one kind whose transaction was not refused. */
typedef void counter_visit(counter *c, const hf_history_txn *txn, const hf_micro *op);

static void counter_each(counter *c, hf_micro_kind kind, counter_visit *visit)
{
    for (uint32_t t = 0; t < c->history->count; t++) {
        const hf_history_txn *txn = &c->history->txns[t];
        for (uint32_t o = 0; o < txn->op_count && !hf_history_refused(txn); o++) {
            if (txn->ops[o].kind == kind) {
                visit(c, txn, &txn->ops[o]);
            }
        }
    }
}

static void visit_open(counter *c, const hf_history_txn *txn, const hf_micro *op)
{
    (void)txn;
    counter_open(c, op);
}

static void visit_add(counter *c, const hf_history_txn *txn, const hf_micro *op)
{
    int64_t returned = txn->heard == HF_HEARD_OK ? txn->returned : HF_NEVER;
    counter_addition(c, op->arg[0], op->arg[1], txn->invoked, returned);
}

static void counter_transfers(counter *c)
{
    hf_check_transfers transfers;
    hf_check_transfers_open(&transfers, c->history, c->verdict);
    for (uint32_t i = 0; i < transfers.count; i++) {
        const hf_check_transfer *t = &transfers.items[i];
        if (t->heard != HF_HEARD_FAIL) {
            counter_addition(c, t->from, -t->amount, t->invoked, t->returned);
            counter_addition(c, t->to, t->amount, t->invoked, t->returned);
        }
    }
    hf_check_transfers_close(&transfers);
}

static int tally_compare(const void *left, const void *right)
{
    const tally *a = left;
    const tally *b = right;
    return a->at < b->at ? -1 : a->at > b->at;
}

static void tallies_seal(tallies *all)
{
    if (all->count != 0) {
        qsort(all->items, all->count, sizeof *all->items, tally_compare);
    }
    wide plus = 0;
    wide minus = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        tally *t = &all->items[i];
        *(t->delta > 0 ? &plus : &minus) += t->delta;
        t->plus = plus;
        t->minus = minus;
    }
}

/* ---- What was possible ---- */

/* The sums at the last moment at or before `at`. */
static tally tallies_at(const tallies *all, int64_t at)
{
    uint32_t low = 0;
    uint32_t high = all->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (all->items[middle].at <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? (tally){ 0 } : all->items[low - 1];
}

typedef struct range {
    wide least;
    wide most;
} range;

/* The values the quantity can have had at some moment of invoked..returned. */
static range quantity_range(const quantity *q, int64_t invoked, int64_t returned)
{
    tally sure = tallies_at(&q->by_return, invoked - 1);
    tally maybe = tallies_at(&q->by_invoke, returned);
    return (range){ q->opening + sure.plus + maybe.minus, q->opening + sure.minus + maybe.plus };
}

/* ---- Judging ---- */
static hf_check_text *counter_find(counter *c, const char *anomaly, uint32_t txn)
{
    hf_check_text *text = hf_verdict_find(c->verdict, anomaly, "");
    hf_check_text_add(text, "  ");
    hf_history_describe(c->history, txn, text);
    hf_check_text_add(text, "\n  ");
    return text;
}

static int64_t shown(wide value)
{
    return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

/* `own`: an addition of the same transaction that the value includes for certain. */
static void judge_value(counter *c, uint32_t txn, int64_t key, int64_t value, int64_t own)
{
    const hf_history_txn *t = &c->history->txns[txn];
    const quantity *q = counter_quantity(c, key);
    if (q == NULL) {
        hf_check_text_add(counter_find(c, "never-opened", txn),
                          "nobody opened quantity %" PRId64 "\n", key);
        return;
    }
    c->verdict->judged++;
    if (value < q->min || value > q->max) {
        hf_check_text_add(counter_find(c, "bound-crossed", txn),
                          "quantity %" PRId64 " is %" PRId64 ", its bounds are %" PRId64
                          "..%" PRId64 "\n",
                          key, value, q->min, q->max);
    }
    if (t->snapshot) {
        c->verdict->skipped++;
        return;
    }
    range r = quantity_range(q, t->invoked, t->returned);
    r.least += own > 0 ? own : 0;
    r.most += own < 0 ? own : 0;
    if (value < r.least || value > r.most) {
        hf_check_text_add(counter_find(c, "out-of-range", txn),
                          "quantity %" PRId64 " is %" PRId64
                          ", but the additions allow only %" PRId64 "..%" PRId64 "\n",
                          key, value, shown(r.least), shown(r.most));
    }
}

/* What the transaction adds to `key` in its first `count` micro-operations. */
static wide txn_adds(const hf_history_txn *t, uint32_t count, int64_t key)
{
    wide sum = 0;
    for (uint32_t o = 0; o < count; o++) {
        const hf_micro *op = &t->ops[o];
        if (op->kind == HF_MICRO_ADD && op->arg[0] == key) {
            sum += op->arg[1];
        } else if (op->kind == HF_MICRO_TRANSFER) {
            sum -= op->arg[1] == key ? op->arg[3] : 0;
            sum += op->arg[2] == key ? op->arg[3] : 0;
        }
    }
    return sum;
}

static bool addition_may_cross(const counter *c, const hf_history_txn *t, uint32_t op, int64_t key)
{
    const quantity *q = counter_quantity(c, key);
    if (q == NULL) {
        return true;
    }
    range r = quantity_range(q, t->invoked, t->returned);
    wide delta = txn_adds(t, op + 1, key);
    return r.least + delta < q->min || r.most + delta > q->max;
}

/* A transaction answered with LIMIT: one of its additions must have been able to cross a bound. */
static void judge_refusal(counter *c, uint32_t txn)
{
    const hf_history_txn *t = &c->history->txns[txn];
    bool may_cross = false;
    bool adds = false;
    for (uint32_t o = 0; o < t->op_count; o++) {
        const hf_micro *op = &t->ops[o];
        if (op->kind == HF_MICRO_ADD) {
            adds = true;
            may_cross = may_cross || addition_may_cross(c, t, o, op->arg[0]);
        } else if (op->kind == HF_MICRO_TRANSFER) {
            adds = true;
            may_cross = may_cross || addition_may_cross(c, t, o, op->arg[1]) ||
                        addition_may_cross(c, t, o, op->arg[2]);
        }
    }
    c->verdict->judged += adds;
    if (adds && !may_cross) {
        hf_check_text_add(counter_find(c, "wrong-refusal", txn),
                          "no value that was possible then would have crossed a bound\n");
    }
}

static void judge_txn(counter *c, uint32_t txn)
{
    const hf_history_txn *t = &c->history->txns[txn];
    for (uint32_t o = 0; o < t->op_count; o++) {
        const hf_micro *op = &t->ops[o];
        if (!op->answered) {
            continue;
        }
        if (op->kind == HF_MICRO_COUNT) {
            judge_value(c, txn, op->arg[0], op->answer, 0);
        } else if (op->kind == HF_MICRO_ADD) {
            judge_value(c, txn, op->arg[0], op->answer, op->arg[1]);
        } else if (op->kind == HF_MICRO_BALANCES) {
            for (uint32_t i = 0; i < op->list_count; i += 2) {
                judge_value(c, txn, op->list[i], op->list[i + 1], 0);
            }
        }
    }
}

static void counter_judge(counter *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        tallies_seal(&c->quantities[i].by_return);
        tallies_seal(&c->quantities[i].by_invoke);
    }
    for (uint32_t t = 0; t < c->history->count; t++) {
        if (c->history->txns[t].heard == HF_HEARD_OK) {
            judge_txn(c, t);
        } else if (c->history->txns[t].heard == HF_HEARD_LIMIT) {
            judge_refusal(c, t);
        }
    }
}

hf_ruling hf_check_counter(const hf_history *history, hf_verdict *verdict)
{
    counter c = { .history = history, .verdict = verdict };
    counter_each(&c, HF_MICRO_OPEN, visit_open);
    counter_each(&c, HF_MICRO_ADD, visit_add);
    counter_transfers(&c);
    if (verdict->ruling != HF_RULING_UNUSABLE) {
        counter_judge(&c);
    }
    for (uint32_t i = 0; i < c.count; i++) {
        free(c.quantities[i].by_return.items);
        free(c.quantities[i].by_invoke.items);
    }
    free(c.quantities);
    hf_check_map_close(&c.map);
    return hf_verdict_settle(verdict);
}
