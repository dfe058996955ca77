#include "tests/sim/checkers/check_commit_order.h"

#include "tests/sim/checkers/model.h"
#include "tests/sim/checkers/transfers.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct replay {
    const hf_history *history;
    hf_verdict *verdict;
    hf_check_model model;
    hf_check_transfers transfers;
    uint32_t txn;   /* being replayed */
    bool writes;    /* it changes something */
    uint32_t whole; /* number of the whole read (balances, ledger) being compared */
} replay;

/* ---- What a micro-operation touches ---- */
typedef void replay_touch(replay *r, hf_check_model_cell *cell, void *context);

static void each_cell(replay *r, const hf_micro *op, replay_touch *touch, void *context)
{
    hf_check_model *m = &r->model;
    switch (op->kind) {
    case HF_MICRO_APPEND:
    case HF_MICRO_LIST:
        touch(r, hf_check_model_cell_of(m, HF_CHECK_MODEL_LIST, op->arg[0]), context);
        break;
    case HF_MICRO_WRITE:
    case HF_MICRO_DELETE:
    case HF_MICRO_READ:
    case HF_MICRO_CAS:
        touch(r, hf_check_model_cell_of(m, HF_CHECK_MODEL_REGISTER, op->arg[0]), context);
        break;
    case HF_MICRO_OPEN:
    case HF_MICRO_ADD:
    case HF_MICRO_COUNT:
        touch(r, hf_check_model_cell_of(m, HF_CHECK_MODEL_QUANTITY, op->arg[0]), context);
        break;
    case HF_MICRO_TRANSFER:
        touch(r, hf_check_model_cell_of(m, HF_CHECK_MODEL_TRANSFER, op->arg[0]), context);
        touch(r, hf_check_model_cell_of(m, HF_CHECK_MODEL_QUANTITY, op->arg[1]), context);
        touch(r, hf_check_model_cell_of(m, HF_CHECK_MODEL_QUANTITY, op->arg[2]), context);
        break;
    case HF_MICRO_SCAN:
    case HF_MICRO_BALANCES:
    case HF_MICRO_LEDGER:
    case HF_MICRO_KINDS:
        break;
    }
}

static bool micro_writes(const hf_micro *op)
{
    return op->kind == HF_MICRO_APPEND || op->kind == HF_MICRO_WRITE ||
           op->kind == HF_MICRO_DELETE || op->kind == HF_MICRO_OPEN || op->kind == HF_MICRO_ADD ||
           op->kind == HF_MICRO_TRANSFER ||
           (op->kind == HF_MICRO_CAS && !(op->answered && op->answer == 0));
}

static bool txn_writes(const hf_history_txn *txn)
{
    for (uint32_t o = 0; o < txn->op_count; o++) {
        if (micro_writes(&txn->ops[o])) {
            return true;
        }
    }
    return false;
}

static bool txn_has_place(const hf_history_txn *txn)
{
    return txn->heard == HF_HEARD_OK && txn->commit_ts != 0;
}

static void touch_nothing(replay *r, hf_check_model_cell *cell, void *context)
{
    (void)r;
    (void)cell;
    (void)context;
}

static void touch_taint(replay *r, hf_check_model_cell *cell, void *context)
{
    (void)r;
    (void)context;
    cell->tainted = true;
}

/* Makes every cell and taints those that someone without a place may have written. */
static void replay_prepare(replay *r)
{
    for (uint32_t t = 0; t < r->history->count; t++) {
        const hf_history_txn *txn = &r->history->txns[t];
        for (uint32_t o = 0; o < txn->op_count; o++) {
            const hf_micro *op = &txn->ops[o];
            bool lost = !hf_history_refused(txn) && !txn_has_place(txn) && micro_writes(op) &&
                        op->kind != HF_MICRO_TRANSFER;
            each_cell(r, op, lost ? touch_taint : touch_nothing, NULL);
        }
    }
    for (uint32_t i = 0; i < r->transfers.count; i++) {
        const hf_check_transfer *t = &r->transfers.items[i];
        const hf_history_txn *told = &r->history->txns[t->txn];
        if (t->heard != HF_HEARD_FAIL && !txn_has_place(told)) {
            hf_check_model_cell_of(&r->model, HF_CHECK_MODEL_TRANSFER, t->id)->tainted = true;
            hf_check_model_cell_of(&r->model, HF_CHECK_MODEL_QUANTITY, t->from)->tainted = true;
            hf_check_model_cell_of(&r->model, HF_CHECK_MODEL_QUANTITY, t->to)->tainted = true;
        }
    }
    hf_check_model_seal(&r->model);
}

/* ---- Findings ---- */
static hf_check_text *replay_find(replay *r, const char *anomaly)
{
    hf_check_text *text = hf_verdict_find(r->verdict, anomaly, "");
    hf_check_text_add(text, "  ");
    hf_history_describe(r->history, r->txn, text);
    hf_check_text_add(text, "\n  ");
    return text;
}

static void describe_changer(const replay *r, const hf_check_model_cell *cell, hf_check_text *text)
{
    hf_check_text_add(text, "\n  last changed by ");
    if (cell->changer == 0) {
        hf_check_text_add(text, "nobody");
    } else {
        hf_history_describe(r->history, cell->changer - 1, text);
    }
    hf_check_text_add(text, "\n");
}

static void add_value(int64_t value, hf_check_text *text)
{
    if (value == HF_NIL) {
        hf_check_text_add(text, "nil");
    } else {
        hf_check_text_add(text, "%" PRId64, value);
    }
}

/* ---- Comparing ---- */
static const char *space_name(hf_check_model_space space)
{
    static const char *const names[] = { "list", "register", "quantity", "transfer" };
    return names[space];
}

/* False when nothing can be said about the cell. */
static bool cell_comparable(replay *r, const hf_check_model_cell *cell)
{
    if (cell->tainted) {
        r->verdict->skipped++;
        return false;
    }
    r->verdict->judged++;
    return true;
}

static void compare_value(replay *r, const hf_check_model_cell *cell, int64_t wanted, int64_t heard)
{
    if (!cell_comparable(r, cell) || wanted == heard) {
        return;
    }
    hf_check_text *text = replay_find(r, "replay-mismatch");
    hf_check_text_add(text, "%s %" PRId64 " was heard as ", space_name(cell->space), cell->key);
    add_value(heard, text);
    hf_check_text_add(text, ", replay gives ");
    add_value(wanted, text);
    describe_changer(r, cell, text);
}

static void compare_list(replay *r, const hf_check_model_cell *cell, const hf_micro *op)
{
    if (!cell_comparable(r, cell)) {
        return;
    }
    uint32_t at = 0;
    while (at < cell->list_count && at < op->list_count && cell->list[at] == op->list[at]) {
        at++;
    }
    if (at == cell->list_count && at == op->list_count) {
        return;
    }
    hf_check_text *text = replay_find(r, "replay-mismatch");
    hf_check_text_add(
        text, "list %" PRId64 " was heard with %u elements, replay gives %u; they part at %u",
        cell->key, op->list_count, cell->list_count, at);
    describe_changer(r, cell, text);
}

/* Registers with a value in [arg 0, arg 1), tainted ones left out on both sides. */
static void compare_scan(replay *r, const hf_micro *op)
{
    hf_check_model *m = &r->model;
    uint32_t heard = 0;
    for (uint32_t i = hf_check_model_register_from(m, op->arg[0]); i < m->register_count; i++) {
        const hf_check_model_cell *cell = &m->cells[m->registers[i]];
        if (cell->key >= op->arg[1]) {
            break;
        }
        int64_t value = HF_NIL;
        if (heard < op->list_count && op->list[heard] == cell->key) {
            value = op->list[heard + 1];
            heard += 2;
        }
        compare_value(r, cell, cell->value, value);
    }
    if (heard != op->list_count) {
        hf_check_text_add(replay_find(r, "replay-mismatch"),
                          "the scan shows key %" PRId64
                          " out of place, or although nobody wrote it\n",
                          op->list[heard]);
    }
}

static void compare_balances(replay *r, const hf_micro *op)
{
    hf_check_model *m = &r->model;
    r->whole++;
    for (uint32_t i = 0; i < op->list_count; i += 2) {
        hf_check_model_cell *cell = hf_check_model_cell_of(m, HF_CHECK_MODEL_QUANTITY, op->list[i]);
        cell->mark = r->whole;
        compare_value(r, cell, cell->value, op->list[i + 1]);
    }
    for (uint32_t i = 0; i < m->count; i++) {
        const hf_check_model_cell *cell = &m->cells[i];
        if (cell->space == HF_CHECK_MODEL_QUANTITY && cell->opened && !cell->tainted &&
            cell->mark != r->whole) {
            hf_check_text_add(replay_find(r, "replay-mismatch"),
                              "account %" PRId64 " is not there\n", cell->key);
        }
    }
}

static void compare_ledger(replay *r, const hf_micro *op)
{
    hf_check_model *m = &r->model;
    r->whole++;
    for (uint32_t i = 0; i < op->list_count; i++) {
        hf_check_model_cell *cell = hf_check_model_cell_of(m, HF_CHECK_MODEL_TRANSFER, op->list[i]);
        bool again = cell->mark == r->whole;
        cell->mark = r->whole;
        compare_value(r, cell, cell->value, again ? 2 : 1);
    }
    for (uint32_t i = 0; i < m->count; i++) {
        const hf_check_model_cell *cell = &m->cells[i];
        if (cell->space == HF_CHECK_MODEL_TRANSFER && cell->value != 0 && cell->mark != r->whole) {
            compare_value(r, cell, cell->value, 0);
        }
    }
}

/* ---- Replaying ---- */
static void touch_tie(replay *r, hf_check_model_cell *cell, void *context)
{
    (void)context;
    uint64_t ts = r->history->txns[r->txn].commit_ts;
    if (cell->changer != 0 && cell->changer != r->txn + 1 && cell->changed == ts && r->writes) {
        hf_check_text *text = replay_find(r, "ts-tie");
        hf_check_text_add(text, "has the timestamp of what it touches, %s %" PRId64,
                          space_name(cell->space), cell->key);
        describe_changer(r, cell, text);
    }
}

static void touch_change(replay *r, hf_check_model_cell *cell, void *context)
{
    (void)context;
    cell->changer = r->txn + 1;
    cell->changed = r->history->txns[r->txn].commit_ts;
}

/* At the end of a transaction, so also in states that nobody happened to read. */
static void touch_bounds(replay *r, hf_check_model_cell *cell, void *context)
{
    (void)context;
    if (cell->opened && !cell->tainted && cell->changer == r->txn + 1 &&
        (cell->value < cell->min || cell->value > cell->max)) {
        hf_check_text_add(replay_find(r, "bound-crossed"),
                          "leaves quantity %" PRId64 " at %" PRId64 ", its bounds are %" PRId64
                          "..%" PRId64 "\n",
                          cell->key, cell->value, cell->min, cell->max);
    }
}

static void apply_transfer(replay *r, const hf_micro *op)
{
    hf_check_model_cell *entry =
        hf_check_model_cell_of(&r->model, HF_CHECK_MODEL_TRANSFER, op->arg[0]);
    if (entry->value != 0) {
        return; /* a retry of what is applied */
    }
    entry->value = 1;
    hf_check_model_cell *from =
        hf_check_model_cell_of(&r->model, HF_CHECK_MODEL_QUANTITY, op->arg[1]);
    from->value = (int64_t)((uint64_t)from->value - (uint64_t)op->arg[3]);
    hf_check_model_cell *to =
        hf_check_model_cell_of(&r->model, HF_CHECK_MODEL_QUANTITY, op->arg[2]);
    to->value = (int64_t)((uint64_t)to->value + (uint64_t)op->arg[3]);
}

static void apply_quantity(replay *r, const hf_micro *op)
{
    hf_check_model_cell *cell =
        hf_check_model_cell_of(&r->model, HF_CHECK_MODEL_QUANTITY, op->arg[0]);
    if (op->kind == HF_MICRO_OPEN) {
        cell->value = op->arg[1];
        cell->min = op->arg[2];
        cell->max = op->arg[3];
        cell->opened = true;
        return;
    }
    if (op->kind == HF_MICRO_ADD) {
        cell->value = (int64_t)((uint64_t)cell->value + (uint64_t)op->arg[1]);
    }
    if (op->answered) {
        compare_value(r, cell, cell->value, op->answer);
    }
}

static void apply_register(replay *r, const hf_micro *op)
{
    hf_check_model_cell *cell =
        hf_check_model_cell_of(&r->model, HF_CHECK_MODEL_REGISTER, op->arg[0]);
    if (op->kind == HF_MICRO_READ) {
        if (op->answered) {
            compare_value(r, cell, cell->value, op->answer);
        }
    } else if (op->kind == HF_MICRO_CAS) {
        bool done = cell->value == op->arg[1];
        if (op->answered && cell_comparable(r, cell) && done != (op->answer != 0)) {
            hf_check_text *text = replay_find(r, "replay-mismatch");
            hf_check_text_add(text, "register %" PRId64 " holds ", cell->key);
            add_value(cell->value, text);
            hf_check_text_add(text, " in replay, so the cas %s", done ? "succeeds" : "fails");
            describe_changer(r, cell, text);
        }
        cell->value = done ? op->arg[2] : cell->value;
    } else {
        cell->value = op->kind == HF_MICRO_WRITE ? op->arg[1] : HF_NIL;
    }
}

static void apply_list(replay *r, const hf_micro *op)
{
    hf_check_model_cell *cell = hf_check_model_cell_of(&r->model, HF_CHECK_MODEL_LIST, op->arg[0]);
    if (op->kind == HF_MICRO_APPEND) {
        cell->list =
            hf_check_grow(cell->list, cell->list_count, &cell->list_capacity, sizeof *cell->list);
        cell->list[cell->list_count++] = op->arg[1];
    } else if (op->answered) {
        compare_list(r, cell, op);
    }
}

static void replay_micro(replay *r, const hf_micro *op)
{
    switch (op->kind) {
    case HF_MICRO_APPEND:
    case HF_MICRO_LIST:
        apply_list(r, op);
        break;
    case HF_MICRO_WRITE:
    case HF_MICRO_DELETE:
    case HF_MICRO_READ:
    case HF_MICRO_CAS:
        apply_register(r, op);
        break;
    case HF_MICRO_OPEN:
    case HF_MICRO_ADD:
    case HF_MICRO_COUNT:
        apply_quantity(r, op);
        break;
    case HF_MICRO_TRANSFER:
        apply_transfer(r, op);
        break;
    case HF_MICRO_SCAN:
    case HF_MICRO_BALANCES:
    case HF_MICRO_LEDGER:
        if (op->answered && op->kind == HF_MICRO_SCAN) {
            compare_scan(r, op);
        } else if (op->answered && op->kind == HF_MICRO_BALANCES) {
            compare_balances(r, op);
        } else if (op->answered) {
            compare_ledger(r, op);
        }
        break;
    case HF_MICRO_KINDS:
        HF_UNREACHABLE();
    }
}

static void replay_txn(replay *r, uint32_t txn)
{
    const hf_history_txn *t = &r->history->txns[txn];
    r->txn = txn;
    r->writes = txn_writes(t);
    for (uint32_t o = 0; o < t->op_count; o++) {
        const hf_micro *op = &t->ops[o];
        bool retry =
            op->kind == HF_MICRO_TRANSFER &&
            hf_check_model_cell_of(&r->model, HF_CHECK_MODEL_TRANSFER, op->arg[0])->value != 0;
        if (!retry) {
            each_cell(r, op, touch_tie, NULL);
        }
        replay_micro(r, op);
        if (!retry && micro_writes(op)) {
            each_cell(r, op, touch_change, NULL);
        }
    }
    for (uint32_t o = 0; o < t->op_count && r->writes; o++) {
        each_cell(r, &t->ops[o], touch_bounds, NULL);
    }
}

/* ---- Order ---- */
typedef struct stamped {
    uint64_t ts;
    bool reads_only; /* reads at a timestamp see what was written at it */
    uint32_t txn;
} stamped;

static int stamped_compare(const void *left, const void *right)
{
    const stamped *a = left;
    const stamped *b = right;
    if (a->ts != b->ts) {
        return a->ts < b->ts ? -1 : 1;
    }
    if (a->reads_only != b->reads_only) {
        return a->reads_only ? 1 : -1;
    }
    return a->txn < b->txn ? -1 : a->txn > b->txn;
}

static void replay_all(replay *r)
{
    stamped *order = hf_check_alloc(r->history->count, sizeof *order);
    uint32_t count = 0;
    for (uint32_t t = 0; t < r->history->count; t++) {
        const hf_history_txn *txn = &r->history->txns[t];
        if (txn_has_place(txn)) {
            order[count++] = (stamped){ txn->commit_ts, !txn_writes(txn), t };
        }
    }
    qsort(order, count, sizeof *order, stamped_compare);
    for (uint32_t i = 0; i < count; i++) {
        replay_txn(r, order[i].txn);
    }
    free(order);
}

/* ---- Real time ---- */
typedef struct timed {
    int64_t at;
    uint32_t txn;
} timed;

static int timed_compare(const void *left, const void *right)
{
    const timed *a = left;
    const timed *b = right;
    if (a->at != b->at) {
        return a->at < b->at ? -1 : 1;
    }
    return a->txn < b->txn ? -1 : a->txn > b->txn;
}

/* A retry answers with the timestamp of the attempt that worked, which lies before the retry. */
static bool txn_is_retry(const replay *r, const hf_history_txn *txn)
{
    for (uint32_t o = 0; o < txn->op_count; o++) {
        if (txn->ops[o].kind == HF_MICRO_TRANSFER) {
            uint32_t at = hf_check_map_get(&r->transfers.map, txn->ops[o].arg[0], 0);
            if (r->transfers.items[at].invoked < txn->invoked) {
                return true;
            }
        }
    }
    return false;
}

static void judge_realtime(replay *r)
{
    uint32_t n = r->history->count;
    timed *invokes = hf_check_alloc(n, sizeof *invokes);
    timed *returns = hf_check_alloc(n, sizeof *returns);
    uint32_t count = 0;
    for (uint32_t t = 0; t < n; t++) {
        const hf_history_txn *txn = &r->history->txns[t];
        if (txn_has_place(txn) && !txn->snapshot && !txn_is_retry(r, txn)) {
            invokes[count] = (timed){ txn->invoked, t };
            returns[count++] = (timed){ txn->returned, t };
        }
    }
    qsort(invokes, count, sizeof *invokes, timed_compare);
    qsort(returns, count, sizeof *returns, timed_compare);
    uint32_t returned = 0;
    uint32_t newest = 0; /* the transaction with the highest timestamp among the returned ones */
    for (uint32_t i = 0; i < count; i++) {
        for (; returned < count && returns[returned].at < invokes[i].at; returned++) {
            uint32_t t = returns[returned].txn;
            if (returned == 0 ||
                r->history->txns[t].commit_ts > r->history->txns[newest].commit_ts) {
                newest = t;
            }
        }
        r->txn = invokes[i].txn;
        r->verdict->judged += returned != 0;
        if (returned != 0 &&
            r->history->txns[newest].commit_ts > r->history->txns[r->txn].commit_ts) {
            hf_check_text *text = replay_find(r, "ts-realtime");
            hf_check_text_add(
                text, "began after this one had returned, which has a later timestamp:\n  ");
            hf_history_describe(r->history, newest, text);
            hf_check_text_add(text, "\n");
        }
    }
    free(invokes);
    free(returns);
}

hf_ruling hf_check_commit_order(const hf_history *history, hf_verdict *verdict)
{
    replay r = { .history = history, .verdict = verdict };
    hf_check_model_open(&r.model);
    hf_check_transfers_open(&r.transfers, history, verdict);
    if (verdict->ruling != HF_RULING_UNUSABLE) {
        replay_prepare(&r);
        replay_all(&r);
        judge_realtime(&r);
    }
    hf_check_transfers_close(&r.transfers);
    hf_check_model_close(&r.model);
    return hf_verdict_settle(verdict);
}
