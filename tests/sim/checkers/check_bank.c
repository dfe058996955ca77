#include "tests/sim/checkers/check_bank.h"

#include "tests/sim/checkers/transfers.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef __int128 wide; /* sums of 64-bit balances cannot overflow it */

typedef struct account {
    int64_t key;
    int64_t opening;
    int64_t min;
    int64_t max;
    int64_t opened;  /* when its opening returned: from then on a whole read shows it */
    uint32_t seen;   /* number of the whole read that showed it last */
    int64_t balance; /* in that read */
    int64_t moved;   /* by the ledger that is being judged */
} account;

typedef struct ack {
    int64_t returned;
    uint32_t transfer;
} ack;

typedef struct bank {
    const hf_history *history;
    hf_verdict *verdict;
    account *accounts;
    uint32_t account_count;
    uint32_t account_capacity;
    hf_check_map account_map;
    hf_check_transfers transfers;
    uint32_t whole;  /* number of the whole read that is being judged */
    uint32_t *times; /* per transfer: how often the ledger that is being judged has it */
    ack *acks;       /* acknowledged transfers, in order of acknowledgement */
    uint32_t ack_count;
} bank;

static hf_check_text *bank_find(bank *b, const char *anomaly, uint32_t txn)
{
    hf_check_text *text = hf_verdict_find(b->verdict, anomaly, "");
    hf_check_text_add(text, "  ");
    hf_history_describe(b->history, txn, text);
    hf_check_text_add(text, "\n  ");
    return text;
}

/* ---- Accounts ---- */
static void bank_open_account(bank *b, const hf_history_txn *txn, const hf_micro *op)
{
    if (hf_check_map_add(&b->account_map, op->arg[0], 0, b->account_count) != b->account_count) {
        hf_verdict_unusable(b->verdict, "  account %" PRId64 " is opened twice", op->arg[0]);
        return;
    }
    b->accounts =
        hf_check_grow(b->accounts, b->account_count, &b->account_capacity, sizeof *b->accounts);
    b->accounts[b->account_count++] = (account){ .key = op->arg[0],
                                                 .opening = op->arg[1],
                                                 .min = op->arg[2],
                                                 .max = op->arg[3],
                                                 .opened = txn->returned };
}

static void bank_open_accounts(bank *b)
{
    for (uint32_t t = 0; t < b->history->count; t++) {
        const hf_history_txn *txn = &b->history->txns[t];
        for (uint32_t o = 0; o < txn->op_count; o++) {
            if (txn->ops[o].kind == HF_MICRO_OPEN && !hf_history_refused(txn)) {
                bank_open_account(b, txn, &txn->ops[o]);
            }
        }
    }
}

static account *bank_account(const bank *b, int64_t key)
{
    uint32_t at = hf_check_map_get(&b->account_map, key, 0);
    return at == HF_CHECK_NONE ? NULL : &b->accounts[at];
}

/* ---- One whole read of balances ---- */
static bool judge_balance(bank *b, uint32_t txn, int64_t key, int64_t balance)
{
    account *a = bank_account(b, key);
    if (a == NULL) {
        hf_check_text_add(bank_find(b, "account-unknown", txn),
                          "nobody opened account %" PRId64 "\n", key);
        return false;
    }
    if (a->seen == b->whole) {
        hf_check_text_add(bank_find(b, "account-twice", txn),
                          "account %" PRId64 " is there twice\n", key);
        return false;
    }
    a->seen = b->whole;
    a->balance = balance;
    if (balance < a->min) {
        hf_check_text_add(bank_find(b, "floor-crossed", txn),
                          "account %" PRId64 " holds %" PRId64 ", its floor is %" PRId64 "\n", key,
                          balance, a->min);
    } else if (balance > a->max) {
        hf_check_text_add(bank_find(b, "ceiling-crossed", txn),
                          "account %" PRId64 " holds %" PRId64 ", its ceiling is %" PRId64 "\n",
                          key, balance, a->max);
    }
    return true;
}

/* Accounts that the read had to show, and did not. */
static bool judge_presence(bank *b, uint32_t txn)
{
    const hf_history_txn *t = &b->history->txns[txn];
    bool whole = true;
    for (uint32_t i = 0; i < b->account_count; i++) {
        account *a = &b->accounts[i];
        if (a->seen != b->whole && a->opened < t->invoked && !t->snapshot) {
            hf_check_text_add(bank_find(b, "account-missing", txn),
                              "account %" PRId64 " is not there\n", a->key);
            whole = false;
        }
    }
    return whole;
}

static void judge_sum(bank *b, uint32_t txn)
{
    wide sum = 0;
    wide opening = 0;
    for (uint32_t i = 0; i < b->account_count; i++) {
        if (b->accounts[i].seen == b->whole) {
            sum += b->accounts[i].balance;
            opening += b->accounts[i].opening;
        }
    }
    if (sum != opening) {
        wide gap = sum > opening ? sum - opening : opening - sum;
        bool small = gap <= INT64_MAX;
        hf_check_text_add(bank_find(b, sum > opening ? "money-created" : "money-destroyed", txn),
                          "the balances sum up to %s%" PRId64 " %s than at opening\n",
                          small ? "" : "more than ", small ? (int64_t)gap : INT64_MAX,
                          sum > opening ? "more" : "less");
    }
}

/* True when every account was there exactly once, so that a ledger can be compared. */
static bool judge_balances(bank *b, uint32_t txn, const hf_micro *op)
{
    bool whole = true;
    b->whole++;
    for (uint32_t i = 0; i < op->list_count; i += 2) {
        whole = judge_balance(b, txn, op->list[i], op->list[i + 1]) && whole;
    }
    whole = judge_presence(b, txn) && whole;
    if (whole) {
        judge_sum(b, txn);
    }
    return whole;
}

/* ---- One read of the ledger ---- */
static void judge_entry(bank *b, uint32_t txn, int64_t id)
{
    const hf_history_txn *t = &b->history->txns[txn];
    uint32_t at = hf_check_map_get(&b->transfers.map, id, 0);
    if (at == HF_CHECK_NONE) {
        hf_check_text_add(bank_find(b, "from-nowhere", txn),
                          "nobody asked for transfer %" PRId64 "\n", id);
        return;
    }
    const hf_check_transfer *transfer = &b->transfers.items[at];
    b->times[at]++;
    if (b->times[at] == 2) {
        hf_check_text *text = bank_find(b, "applied-twice", txn);
        hf_history_describe(b->history, transfer->txn, text);
        hf_check_text_add(text, " is in the ledger twice\n");
    }
    if (transfer->heard == HF_HEARD_FAIL) {
        hf_check_text *text = bank_find(b, "refused-applied", txn);
        hf_history_describe(b->history, transfer->txn, text);
        hf_check_text_add(text, " was refused and is in the ledger\n");
    }
    if (transfer->invoked > t->returned) {
        hf_check_text *text = bank_find(b, "from-nowhere", txn);
        hf_history_describe(b->history, transfer->txn, text);
        hf_check_text_add(text, " was asked for only after the read had returned\n");
    }
}

static void judge_acknowledged(bank *b, uint32_t txn)
{
    const hf_history_txn *t = &b->history->txns[txn];
    for (uint32_t i = 0; i < b->ack_count && !t->snapshot; i++) {
        uint32_t at = b->acks[i].transfer;
        if (b->acks[i].returned >= t->invoked) {
            break;
        }
        if (b->times[at] == 0) {
            hf_check_text *text = bank_find(b, "lost-ack", txn);
            hf_history_describe(b->history, b->transfers.items[at].txn, text);
            hf_check_text_add(text, " was acknowledged before and is not in the ledger\n");
        }
    }
}

static void judge_ledger(bank *b, uint32_t txn, const hf_micro *op)
{
    memset(b->times, 0, b->transfers.count * sizeof *b->times);
    for (uint32_t i = 0; i < op->list_count; i++) {
        judge_entry(b, txn, op->list[i]);
    }
    judge_acknowledged(b, txn);
}

/* ---- Both in one transaction: they must tell the same story ---- */
static void ledger_move(bank *b, int64_t key, int64_t amount)
{
    account *a = bank_account(b, key);
    if (a != NULL) { /* else the transfer's account is reported by its balance */
        a->moved = (int64_t)((uint64_t)a->moved + (uint64_t)amount);
    }
}

static bool account_off(const account *a)
{
    return a->balance != (int64_t)((uint64_t)a->opening + (uint64_t)a->moved);
}

/* A transfer one of whose sides is the only thing that is wrong; NULL when it is something else. */
static const hf_check_transfer *half_applied(const bank *b, const account *off)
{
    int64_t gap = (int64_t)((uint64_t)off->balance - (uint64_t)off->opening - (uint64_t)off->moved);
    for (uint32_t i = 0; i < b->transfers.count; i++) {
        const hf_check_transfer *t = &b->transfers.items[i];
        if ((t->from == off->key && (gap == t->amount || gap == -t->amount)) ||
            (t->to == off->key && (gap == t->amount || gap == -t->amount))) {
            return t;
        }
    }
    return NULL;
}

static void judge_together(bank *b, uint32_t txn)
{
    for (uint32_t i = 0; i < b->account_count; i++) {
        b->accounts[i].moved = 0;
    }
    for (uint32_t i = 0; i < b->transfers.count; i++) {
        const hf_check_transfer *t = &b->transfers.items[i];
        for (uint32_t n = 0; n < b->times[i]; n++) {
            ledger_move(b, t->from, -t->amount);
            ledger_move(b, t->to, t->amount);
        }
    }
    account *off = NULL;
    uint32_t off_count = 0;
    for (uint32_t i = 0; i < b->account_count; i++) {
        if (b->accounts[i].seen == b->whole && account_off(&b->accounts[i])) {
            off = off == NULL ? &b->accounts[i] : off;
            off_count++;
        }
    }
    if (off == NULL) {
        return;
    }
    const hf_check_transfer *half = off_count == 1 ? half_applied(b, off) : NULL;
    hf_check_text *text = bank_find(b, half != NULL ? "half-applied" : "ledger-mismatch", txn);
    hf_check_text_add(text,
                      "account %" PRId64 " opened with %" PRId64 ", the ledger moved %" PRId64
                      ", and it holds %" PRId64 "; %u accounts are off\n",
                      off->key, off->opening, off->moved, off->balance, off_count);
    if (half != NULL) {
        hf_check_text_add(text, "  one side of transfer %" PRId64 " would explain it\n", half->id);
    }
}

static void judge_txn(bank *b, uint32_t txn)
{
    const hf_history_txn *t = &b->history->txns[txn];
    bool whole = false;
    bool ledger = false;
    for (uint32_t o = 0; o < t->op_count; o++) {
        const hf_micro *op = &t->ops[o];
        if (op->kind == HF_MICRO_BALANCES && op->answered) {
            whole = judge_balances(b, txn, op);
            b->verdict->judged++;
        } else if (op->kind == HF_MICRO_LEDGER && op->answered) {
            judge_ledger(b, txn, op);
            ledger = true;
            b->verdict->judged++;
        }
    }
    if (whole && ledger) {
        judge_together(b, txn);
    }
}

/* ---- The whole history ---- */
static int ack_compare(const void *left, const void *right)
{
    const ack *a = left;
    const ack *b = right;
    if (a->returned != b->returned) {
        return a->returned < b->returned ? -1 : 1;
    }
    return a->transfer < b->transfer ? -1 : a->transfer > b->transfer;
}

static void bank_sort_acks(bank *b)
{
    b->times = hf_check_alloc(b->transfers.count, sizeof *b->times);
    b->acks = hf_check_alloc(b->transfers.count, sizeof *b->acks);
    for (uint32_t i = 0; i < b->transfers.count; i++) {
        if (b->transfers.items[i].heard == HF_HEARD_OK) {
            b->acks[b->ack_count++] = (ack){ b->transfers.items[i].returned, i };
        }
    }
    qsort(b->acks, b->ack_count, sizeof *b->acks, ack_compare);
}

/* True when no committed ledger read began after every other transaction had returned. */
static bool bank_ended_unread(const hf_history *history)
{
    int64_t last_return = -1;
    int64_t last_ledger = -1;
    for (uint32_t t = 0; t < history->count; t++) {
        const hf_history_txn *txn = &history->txns[t];
        for (uint32_t o = 0; o < txn->op_count; o++) {
            bool ok = txn->heard == HF_HEARD_OK;
            if (txn->ops[o].kind == HF_MICRO_LEDGER && ok && !txn->snapshot) {
                last_ledger = txn->invoked > last_ledger ? txn->invoked : last_ledger;
            } else if (txn->ops[o].kind == HF_MICRO_TRANSFER && ok && txn->returned != HF_NEVER) {
                last_return = txn->returned > last_return ? txn->returned : last_return;
            }
        }
    }
    return last_ledger <= last_return;
}

hf_ruling hf_check_bank(const hf_history *history, hf_verdict *verdict, bool *ended_unread)
{
    bank b = { .history = history, .verdict = verdict };
    bank_open_accounts(&b);
    hf_check_transfers_open(&b.transfers, history, verdict);
    bank_sort_acks(&b);
    for (uint32_t t = 0; t < history->count && verdict->ruling != HF_RULING_UNUSABLE; t++) {
        if (history->txns[t].heard == HF_HEARD_OK) {
            judge_txn(&b, t);
        }
    }
    if (ended_unread != NULL) {
        *ended_unread = bank_ended_unread(history);
    }
    hf_check_transfers_close(&b.transfers);
    free(b.times);
    free(b.acks);
    free(b.accounts);
    hf_check_map_close(&b.account_map);
    return hf_verdict_settle(verdict);
}
