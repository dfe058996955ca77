#include "tests/sim/checkers/history.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct micro_row {
    const char *name;
    uint32_t args;
    hf_answer_kind answer;
} micro_row;

static const micro_row micro_rows[HF_MICRO_KINDS] = {
#define X(name, text, args, answer) [HF_MICRO_##name] = { text, args, HF_ANSWER_##answer },
    HF_MICROS(X)
#undef X
};

const char *hf_micro_name(hf_micro_kind kind)
{
    return micro_rows[kind].name;
}

uint32_t hf_micro_args(hf_micro_kind kind)
{
    return micro_rows[kind].args;
}

hf_answer_kind hf_micro_answer_kind(hf_micro_kind kind)
{
    return micro_rows[kind].answer;
}

void hf_history_open(hf_history *history)
{
    *history = (hf_history){ 0 };
}

void hf_history_close(hf_history *history)
{
    for (uint32_t t = 0; t < history->count; t++) {
        for (uint32_t o = 0; o < history->txns[t].op_count; o++) {
            free(history->txns[t].ops[o].list);
        }
        free(history->txns[t].ops);
    }
    free(history->txns);
    *history = (hf_history){ 0 };
}

static hf_history_txn *history_txn(hf_history *history, uint32_t txn)
{
    HF_PRE(txn < history->count);
    return &history->txns[txn];
}

static hf_micro *history_micro(hf_history *history, uint32_t txn, uint32_t op)
{
    HF_PRE(op < history_txn(history, txn)->op_count);
    return &history->txns[txn].ops[op];
}

uint32_t hf_history_begin(hf_history *history, uint32_t process, int64_t now)
{
    HF_PRE(now >= 0 && now < HF_NEVER);
    history->txns =
        hf_check_grow(history->txns, history->count, &history->capacity, sizeof *history->txns);
    history->txns[history->count] = (hf_history_txn){
        .process = process, .heard = HF_HEARD_UNKNOWN, .invoked = now, .returned = HF_NEVER
    };
    return history->count++;
}

uint32_t hf_history_op(hf_history *history, uint32_t txn, hf_micro_kind kind, const int64_t *args)
{
    HF_PRE(kind < HF_MICRO_KINDS);
    hf_history_txn *t = history_txn(history, txn);
    t->ops = hf_check_grow(t->ops, t->op_count, &t->op_capacity, sizeof *t->ops);
    t->ops[t->op_count] = (hf_micro){ .kind = kind };
    for (uint32_t i = 0; i < micro_rows[kind].args; i++) {
        t->ops[t->op_count].arg[i] = args[i];
    }
    return t->op_count++;
}

void hf_history_answer(hf_history *history, uint32_t txn, uint32_t op, int64_t answer)
{
    hf_micro *micro = history_micro(history, txn, op);
    HF_PRE(micro_rows[micro->kind].answer == HF_ANSWER_ONE && !micro->answered);
    micro->answer = answer;
    micro->answered = true;
}

void hf_history_answer_list(hf_history *history, uint32_t txn, uint32_t op, const int64_t *list,
                            uint32_t count)
{
    hf_micro *micro = history_micro(history, txn, op);
    hf_answer_kind kind = micro_rows[micro->kind].answer;
    HF_PRE((kind == HF_ANSWER_LIST || (kind == HF_ANSWER_PAIRS && count % 2 == 0)) &&
           !micro->answered);
    micro->list = hf_check_alloc(count, sizeof *micro->list);
    if (count != 0) {
        memcpy(micro->list, list, count * sizeof *list);
    }
    micro->list_count = count;
    micro->answered = true;
}

void hf_history_end(hf_history *history, uint32_t txn, int64_t now, hf_heard heard)
{
    hf_history_txn *t = history_txn(history, txn);
    HF_PRE(t->returned == HF_NEVER && t->heard == HF_HEARD_UNKNOWN);
    HF_PRE(now >= t->invoked && now < HF_NEVER);
    t->heard = heard;
    t->returned = heard == HF_HEARD_UNKNOWN ? HF_NEVER : now;
}

void hf_history_stamp(hf_history *history, uint32_t txn, uint64_t commit_ts, bool snapshot)
{
    hf_history_txn *t = history_txn(history, txn);
    t->commit_ts = commit_ts;
    t->snapshot = snapshot;
}

void hf_history_resolve(hf_history *history, uint32_t txn, hf_heard heard)
{
    hf_history_txn *t = history_txn(history, txn);
    HF_PRE(t->heard == HF_HEARD_UNKNOWN && t->returned == HF_NEVER);
    t->heard = heard;
}

void hf_history_append(hf_history *history, uint32_t txn, int64_t key, int64_t value)
{
    hf_history_op(history, txn, HF_MICRO_APPEND, (int64_t[]){ key, value });
}

void hf_history_write(hf_history *history, uint32_t txn, int64_t key, int64_t value)
{
    hf_history_op(history, txn, HF_MICRO_WRITE, (int64_t[]){ key, value });
}

void hf_history_list(hf_history *history, uint32_t txn, int64_t key, const int64_t *list,
                     uint32_t count)
{
    uint32_t op = hf_history_op(history, txn, HF_MICRO_LIST, &key);
    hf_history_answer_list(history, txn, op, list, count);
}

void hf_history_read(hf_history *history, uint32_t txn, int64_t key, int64_t answer)
{
    uint32_t op = hf_history_op(history, txn, HF_MICRO_READ, &key);
    hf_history_answer(history, txn, op, answer);
}

void hf_history_open_key(hf_history *history, uint32_t txn, int64_t key, int64_t value, int64_t min,
                         int64_t max)
{
    HF_PRE(min <= value && value <= max);
    hf_history_op(history, txn, HF_MICRO_OPEN, (int64_t[]){ key, value, min, max });
}

uint32_t hf_history_add(hf_history *history, uint32_t txn, int64_t key, int64_t delta)
{
    return hf_history_op(history, txn, HF_MICRO_ADD, (int64_t[]){ key, delta });
}

void hf_history_transfer(hf_history *history, uint32_t txn, int64_t id, int64_t from, int64_t to,
                         int64_t amount)
{
    hf_history_op(history, txn, HF_MICRO_TRANSFER, (int64_t[]){ id, from, to, amount });
}

/* ---- For people ---- */
static void describe_number(int64_t number, hf_check_text *text)
{
    if (number == HF_NIL) {
        hf_check_text_add(text, "nil");
    } else {
        hf_check_text_add(text, "%" PRId64, number);
    }
}

/* The end of a long list is what tells: versions differ there. */
static void describe_list(const hf_micro *op, hf_check_text *text)
{
    enum { SHOWN = 12 };
    uint32_t start = op->list_count > SHOWN ? op->list_count - SHOWN : 0;
    hf_check_text_add(text, " -> [");
    if (start != 0) {
        hf_check_text_add(text, "(%u more) ", start);
    }
    bool pairs = micro_rows[op->kind].answer == HF_ANSWER_PAIRS;
    for (uint32_t i = start; i < op->list_count; i++) {
        describe_number(op->list[i], text);
        if (i + 1 != op->list_count) {
            hf_check_text_add(text, pairs && i % 2 == 0 ? ":" : " ");
        }
    }
    hf_check_text_add(text, "]");
}

static void describe_micro(const hf_micro *op, hf_check_text *text)
{
    hf_check_text_add(text, "%s", micro_rows[op->kind].name);
    for (uint32_t i = 0; i < micro_rows[op->kind].args; i++) {
        hf_check_text_add(text, " ");
        describe_number(op->arg[i], text);
    }
    if (!op->answered) {
        return;
    }
    if (micro_rows[op->kind].answer == HF_ANSWER_ONE) {
        hf_check_text_add(text, " -> ");
        describe_number(op->answer, text);
    } else {
        describe_list(op, text);
    }
}

void hf_history_describe(const hf_history *history, uint32_t txn, hf_check_text *text)
{
    static const char *const heard[] = { "unknown", "ok", "fail", "limit" };
    const hf_history_txn *t = &history->txns[txn];
    hf_check_text_add(text, "T%u (process %u, %" PRId64 "..", txn, t->process, t->invoked);
    if (t->returned != HF_NEVER) {
        hf_check_text_add(text, "%" PRId64, t->returned);
    }
    hf_check_text_add(text, ", %s", heard[t->heard]);
    if (t->commit_ts != 0) {
        hf_check_text_add(text, ", %s %" PRIu64, t->snapshot ? "snapshot" : "ts", t->commit_ts);
    }
    hf_check_text_add(text, "):");
    for (uint32_t o = 0; o < t->op_count; o++) {
        hf_check_text_add(text, o == 0 ? " " : ", ");
        describe_micro(&t->ops[o], text);
    }
}
