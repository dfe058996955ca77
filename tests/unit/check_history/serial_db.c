#include "tests/unit/check_history/serial_db.h"

#include "engine/base/assert.h"
#include "engine/base/prng.h"

#include <stdlib.h>

enum {
    KEYS = 5,           /* in use at a time */
    LIST_LIFE = 40,     /* transactions after which the oldest list is left alone */
    ACCOUNT_START = 60, /* in each account and quantity at first */
    QUANTITY_MAX = 120,
    OPS_MAX = 4,
    AGE = 25 /* how many changes ago "an old state" is */
};

typedef struct version {
    uint64_t ts;
    int64_t value; /* a list: the element; a register: its value, HF_NIL when deleted */
} version;

typedef struct cell {
    version *versions;
    uint32_t count;
    uint32_t capacity;
} cell;

typedef struct client {
    uint32_t process;
    uint32_t txn;
    bool busy;
    bool done;
    hf_heard heard;
} client;

typedef struct db {
    hf_prng prng;
    serial_work work;
    serial_fault fault;
    uint32_t strike_after; /* transactions */
    bool struck;
    hf_history *history;
    uint64_t ts;
    cell *cells; /* lists or registers */
    uint32_t cell_count;
    int64_t balances[KEYS]; /* accounts or quantities */
    cell ledger;
    int64_t next_value;
    uint32_t process_count;
} db;

static const struct {
    const char *name;
    serial_work work;
} fault_rows[SERIAL_FAULT_COUNT] = {
#define X(name, work, what) { #name, SERIAL_##work },
    SERIAL_FAULTS(X)
#undef X
};

const char *serial_fault_name(serial_fault fault)
{
    return fault_rows[fault].name;
}

serial_work serial_fault_work(serial_fault fault)
{
    return fault_rows[fault].work;
}

static uint32_t draw(db *d, uint32_t bound)
{
    return (uint32_t)hf_prng_below(&d->prng, bound);
}

/* ---- The database ---- */
static void cell_put(cell *c, uint64_t ts, int64_t value)
{
    c->versions = hf_check_grow(c->versions, c->count, &c->capacity, sizeof *c->versions);
    c->versions[c->count++] = (version){ ts, value };
}

/* How many versions there were at `ts`. */
static uint32_t cell_count_at(const cell *c, uint64_t ts)
{
    uint32_t count = c->count;
    while (count != 0 && c->versions[count - 1].ts > ts) {
        count--;
    }
    return count;
}

static int64_t cell_value_at(const cell *c, uint64_t ts)
{
    uint32_t count = cell_count_at(c, ts);
    return count == 0 ? HF_NIL : c->versions[count - 1].value;
}

static void answer_list(db *d, uint32_t txn, uint32_t op, const cell *c, uint64_t ts)
{
    uint32_t count = cell_count_at(c, ts);
    int64_t *list = hf_check_alloc(count, sizeof *list);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = c->versions[i].value;
    }
    hf_history_answer_list(d->history, txn, op, list, count);
    free(list);
}

static void answer_scan(db *d, uint32_t txn, uint32_t op)
{
    int64_t pairs[KEYS * 2];
    uint32_t count = 0;
    for (uint32_t k = 0; k < d->cell_count; k++) {
        int64_t value = cell_value_at(&d->cells[k], UINT64_MAX);
        if (value != HF_NIL) {
            pairs[count++] = k;
            pairs[count++] = value;
        }
    }
    hf_history_answer_list(d->history, txn, op, pairs, count);
}

static void answer_balances(db *d, uint32_t txn, uint32_t op)
{
    int64_t pairs[KEYS * 2];
    for (uint32_t k = 0; k < KEYS; k++) {
        pairs[k * 2] = k;
        pairs[k * 2 + 1] = d->balances[k];
    }
    hf_history_answer_list(d->history, txn, op, pairs, KEYS * 2);
}

/* ---- One micro-operation, in a transaction that may be the one the fault strikes ---- */
typedef struct run {
    uint32_t txn;
    serial_fault fault; /* SERIAL_NONE unless it strikes here */
    bool applies;       /* changes happen */
    bool hears;         /* the client hears the answers */
    uint32_t ops_done;
    uint32_t appends_done;
} run;

static uint64_t run_reads_at(const db *d, const run *r)
{
    bool old = r->fault == SERIAL_STALE_LIST || r->fault == SERIAL_STALE_REGISTER ||
               r->fault == SERIAL_OLD_READS || (r->fault == SERIAL_SKEWED_LIST && r->ops_done == 0);
    return old ? d->ts - AGE : UINT64_MAX;
}

static void run_list(db *d, run *r, const hf_micro *op, uint32_t number)
{
    cell *c = &d->cells[op->arg[0]];
    if (op->kind == HF_MICRO_LIST) {
        if (r->hears) {
            answer_list(d, r->txn, number, c, run_reads_at(d, r));
        }
        return;
    }
    bool torn = r->fault == SERIAL_TORN_APPEND && r->appends_done++ > 0;
    if (r->applies && !torn) {
        cell_put(c, d->ts, op->arg[1]);
    }
}

static void run_register(db *d, run *r, const hf_micro *op, uint32_t number)
{
    cell *c = &d->cells[op->arg[0]];
    int64_t value = cell_value_at(c, run_reads_at(d, r));
    if (op->kind == HF_MICRO_READ && r->hears) {
        hf_history_answer(d->history, r->txn, number, value);
    } else if (op->kind == HF_MICRO_CAS) {
        bool done = (value == op->arg[1]) != (r->fault == SERIAL_BLIND_CAS);
        if (r->hears) {
            hf_history_answer(d->history, r->txn, number, done);
        }
        if (done && r->applies) {
            cell_put(c, d->ts, op->arg[2]);
        }
    } else if (r->applies && (op->kind == HF_MICRO_WRITE || op->kind == HF_MICRO_DELETE)) {
        cell_put(c, d->ts, op->kind == HF_MICRO_WRITE ? op->arg[1] : HF_NIL);
    }
}

static void run_transfer(db *d, run *r, const hf_micro *op)
{
    uint32_t times = r->fault == SERIAL_DOUBLE_TRANSFER ? 2 : 1;
    for (uint32_t i = 0; i < times && r->applies; i++) {
        d->balances[op->arg[1]] -= op->arg[3];
        d->balances[op->arg[2]] += r->fault == SERIAL_HALF_TRANSFER ? 0 : op->arg[3];
        cell_put(&d->ledger, d->ts, op->arg[0]);
    }
}

static void run_add(db *d, run *r, const hf_micro *op, uint32_t number)
{
    uint32_t times = r->fault == SERIAL_DOUBLE_ADD ? 2 : 1;
    for (uint32_t i = 0; i < times && r->applies; i++) {
        d->balances[op->arg[0]] += op->arg[1];
    }
    if (r->hears && number % 2 == 1) {
        hf_history_answer(d->history, r->txn, number, d->balances[op->arg[0]]);
    }
}

static void run_micro(db *d, run *r, uint32_t number)
{
    hf_micro op = d->history->txns[r->txn].ops[number];
    switch (op.kind) {
    case HF_MICRO_APPEND:
    case HF_MICRO_LIST:
        run_list(d, r, &op, number);
        break;
    case HF_MICRO_WRITE:
    case HF_MICRO_DELETE:
    case HF_MICRO_READ:
    case HF_MICRO_CAS:
        run_register(d, r, &op, number);
        break;
    case HF_MICRO_ADD:
        run_add(d, r, &op, number);
        break;
    case HF_MICRO_TRANSFER:
        run_transfer(d, r, &op);
        break;
    case HF_MICRO_SCAN:
    case HF_MICRO_BALANCES:
    case HF_MICRO_LEDGER:
    case HF_MICRO_COUNT:
        if (r->hears && op.kind == HF_MICRO_SCAN) {
            answer_scan(d, r->txn, number);
        } else if (r->hears && op.kind == HF_MICRO_BALANCES) {
            answer_balances(d, r->txn, number);
        } else if (r->hears && op.kind == HF_MICRO_LEDGER) {
            answer_list(d, r->txn, number, &d->ledger, UINT64_MAX);
        } else if (r->hears) {
            hf_history_answer(d->history, r->txn, number, d->balances[op.arg[0]]);
        }
        break;
    case HF_MICRO_OPEN:
    case HF_MICRO_KINDS:
        break;
    }
    r->ops_done++;
}

/* True when additions or transfers would leave the bounds. */
static bool crosses_bounds(const db *d, const hf_history_txn *txn)
{
    int64_t after[KEYS];
    for (uint32_t k = 0; k < KEYS; k++) {
        after[k] = d->balances[k];
    }
    bool crossed = false;
    for (uint32_t o = 0; o < txn->op_count; o++) {
        const hf_micro *op = &txn->ops[o];
        int64_t max = d->work == SERIAL_BANK ? ACCOUNT_START * KEYS : QUANTITY_MAX;
        if (op->kind == HF_MICRO_TRANSFER) {
            after[op->arg[1]] -= op->arg[3];
            after[op->arg[2]] += op->arg[3];
            crossed = crossed || after[op->arg[1]] < 0;
        } else if (op->kind == HF_MICRO_ADD) {
            after[op->arg[0]] += op->arg[1];
            crossed = crossed || after[op->arg[0]] < 0 || after[op->arg[0]] > max;
        }
    }
    return crossed;
}

/* ---- Faults ---- */
static uint32_t count_kind(const hf_history_txn *txn, hf_micro_kind kind)
{
    uint32_t count = 0;
    for (uint32_t o = 0; o < txn->op_count; o++) {
        count += txn->ops[o].kind == kind;
    }
    return count;
}

/* The old state differs from the new one for some list or register that the transaction reads. */
static bool old_reads_differ(const db *d, const hf_history_txn *txn, uint32_t ops)
{
    for (uint32_t o = 0; o < ops; o++) {
        hf_micro_kind kind = txn->ops[o].kind;
        if (kind == HF_MICRO_LIST || kind == HF_MICRO_READ) {
            const cell *c = &d->cells[txn->ops[o].arg[0]];
            if (kind == HF_MICRO_LIST
                    ? cell_count_at(c, d->ts - AGE) != c->count
                    : cell_value_at(c, d->ts - AGE) != cell_value_at(c, UINT64_MAX)) {
                return true;
            }
        }
    }
    return false;
}

static bool cas_mismatches(const db *d, const hf_history_txn *txn)
{
    return count_kind(txn, HF_MICRO_CAS) != 0 &&
           cell_value_at(&d->cells[txn->ops[0].arg[0]], UINT64_MAX) != txn->ops[0].arg[1];
}

static bool changes_something(const hf_history_txn *txn)
{
    return count_kind(txn, HF_MICRO_APPEND) + count_kind(txn, HF_MICRO_WRITE) +
               count_kind(txn, HF_MICRO_TRANSFER) + count_kind(txn, HF_MICRO_ADD) !=
           0;
}

/* Far from both bounds, whatever the others that are under way do. */
static bool well_inside(const db *d, const hf_history_txn *txn)
{
    for (uint32_t o = 0; o < txn->op_count; o++) {
        int64_t value = d->balances[txn->ops[o].arg[0]];
        if (txn->ops[o].kind != HF_MICRO_ADD || value < 50 || value > QUANTITY_MAX - 50) {
            return false;
        }
    }
    return true;
}

/* The fault strikes a transaction that it can harm, and that the client hears the right word about.
 */
static bool fault_fits(const db *d, const client *c)
{
    const hf_history_txn *txn = &d->history->txns[c->txn];
    bool ok = c->heard == HF_HEARD_OK;
    bool crosses = crosses_bounds(d, txn);
    uint32_t appends = count_kind(txn, HF_MICRO_APPEND);
    if (d->ts < AGE * 2) {
        return false;
    }
    switch (d->fault) {
    case SERIAL_STALE_LIST:
    case SERIAL_STALE_REGISTER:
        return ok && appends == 0 && old_reads_differ(d, txn, txn->op_count);
    case SERIAL_SKEWED_LIST:
        return ok && appends == 0 && txn->op_count > 1 && old_reads_differ(d, txn, 1);
    case SERIAL_OLD_READS:
        return ok && appends != 0 && old_reads_differ(d, txn, txn->op_count);
    case SERIAL_TORN_APPEND:
        return ok && appends > 1;
    case SERIAL_LOST_APPEND:
    case SERIAL_DOUBLE_APPEND:
    case SERIAL_LOST_REGISTER:
        return ok && changes_something(txn);
    case SERIAL_REFUSED_APPEND:
    case SERIAL_REFUSED_REGISTER:
        return c->heard == HF_HEARD_FAIL && changes_something(txn);
    case SERIAL_BLIND_CAS:
        return ok && cas_mismatches(d, txn);
    case SERIAL_LOST_TRANSFER:
    case SERIAL_HALF_TRANSFER:
    case SERIAL_DOUBLE_TRANSFER:
    case SERIAL_LOST_ADD:
    case SERIAL_DOUBLE_ADD:
        return ok && changes_something(txn) && !crosses;
    case SERIAL_REFUSED_TRANSFER:
    case SERIAL_REFUSED_ADD:
        return c->heard == HF_HEARD_FAIL && changes_something(txn) && !crosses;
    case SERIAL_OVERDRAFT:
    case SERIAL_UNBOUNDED_ADD:
        return ok && crosses;
    case SERIAL_WRONG_LIMIT:
        return ok && changes_something(txn) && well_inside(d, txn);
    case SERIAL_NONE:
    case SERIAL_FAULT_COUNT:
        break;
    }
    return false;
}

/* ---- Running one transaction, alone ---- */
static void execute(db *d, client *c)
{
    d->ts++;
    c->done = true;
    const hf_history_txn *txn = &d->history->txns[c->txn];
    bool strikes = !d->struck && c->txn >= d->strike_after && fault_fits(d, c);
    run r = { .txn = c->txn, .fault = strikes ? d->fault : SERIAL_NONE };
    d->struck = d->struck || strikes;
    bool lost = r.fault == SERIAL_LOST_APPEND || r.fault == SERIAL_LOST_REGISTER ||
                r.fault == SERIAL_LOST_TRANSFER || r.fault == SERIAL_LOST_ADD;
    bool refused_applied = r.fault == SERIAL_REFUSED_APPEND || r.fault == SERIAL_REFUSED_REGISTER ||
                           r.fault == SERIAL_REFUSED_TRANSFER || r.fault == SERIAL_REFUSED_ADD;
    bool unbounded = r.fault == SERIAL_OVERDRAFT || r.fault == SERIAL_UNBOUNDED_ADD;
    if (r.fault == SERIAL_WRONG_LIMIT || (crosses_bounds(d, txn) && !unbounded)) {
        c->heard = c->heard == HF_HEARD_OK ? HF_HEARD_LIMIT : c->heard;
        return;
    }
    r.applies = (c->heard != HF_HEARD_FAIL || refused_applied) && !lost;
    r.hears = c->heard == HF_HEARD_OK;
    uint32_t times = r.fault == SERIAL_DOUBLE_APPEND ? 2 : 1;
    for (uint32_t i = 0; i < times; i++) {
        for (uint32_t o = 0; o < txn->op_count; o++) {
            run_micro(d, &r, o);
        }
        r.hears = false;
    }
    if (c->heard != HF_HEARD_FAIL) {
        hf_history_stamp(d->history, c->txn, d->ts, false);
    }
}

/* ---- What clients ask for ---- */
static void ask_lists(db *d, uint32_t txn)
{
    uint32_t first = txn / LIST_LIFE;
    uint32_t ops = 1 + draw(d, OPS_MAX);
    bool reads_only = draw(d, 3) == 0;
    for (uint32_t i = 0; i < ops; i++) {
        int64_t key = first + draw(d, KEYS);
        if (!reads_only && draw(d, 2) == 0) {
            hf_history_append(d->history, txn, key, d->next_value++);
        } else {
            hf_history_op(d->history, txn, HF_MICRO_LIST, &key);
        }
    }
}

static void ask_registers(db *d, uint32_t txn)
{
    int64_t key = draw(d, KEYS);
    int64_t seen = cell_value_at(&d->cells[key], UINT64_MAX);
    switch (draw(d, 8)) {
    case 0:
    case 1:
        hf_history_write(d->history, txn, key, d->next_value++);
        break;
    case 2:
        hf_history_op(d->history, txn, HF_MICRO_CAS, (int64_t[]){ key, seen, d->next_value++ });
        break;
    case 3:
        hf_history_op(d->history, txn, draw(d, 2) == 0 ? HF_MICRO_DELETE : HF_MICRO_READ, &key);
        break;
    case 4:
        hf_history_op(d->history, txn, HF_MICRO_SCAN, (int64_t[]){ 0, KEYS });
        break;
    default:
        hf_history_op(d->history, txn, HF_MICRO_READ, &key);
        break;
    }
}

static void ask_bank(db *d, uint32_t txn)
{
    if (draw(d, 4) == 0) {
        hf_history_op(d->history, txn, HF_MICRO_BALANCES, NULL);
        hf_history_op(d->history, txn, HF_MICRO_LEDGER, NULL);
        return;
    }
    uint32_t from = draw(d, KEYS);
    uint32_t to = (from + 1 + draw(d, KEYS - 1)) % KEYS;
    hf_history_transfer(d->history, txn, d->next_value++, from, to, 1 + draw(d, 40));
}

static void ask_counters(db *d, uint32_t txn)
{
    int64_t key = draw(d, KEYS);
    if (draw(d, 3) == 0) {
        hf_history_op(d->history, txn, HF_MICRO_COUNT, &key);
        return;
    }
    for (uint32_t i = 0; i < 1 + draw(d, 2); i++) {
        key = draw(d, KEYS);
        hf_history_add(d->history, txn, key, (int64_t)draw(d, 9) - 4);
    }
    if (draw(d, 20) == 0) { /* one that crosses a bound */
        hf_history_add(d->history, txn, key, draw(d, 2) == 0 ? QUANTITY_MAX : -QUANTITY_MAX);
    }
}

static void ask(db *d, uint32_t txn)
{
    switch (d->work) {
    case SERIAL_LISTS:
        ask_lists(d, txn);
        break;
    case SERIAL_REGISTERS:
        ask_registers(d, txn);
        break;
    case SERIAL_BANK:
        ask_bank(d, txn);
        break;
    case SERIAL_COUNTERS:
        ask_counters(d, txn);
        break;
    }
}

/* ---- Clients ---- */
static void client_step(db *d, client *c, int64_t now)
{
    if (!c->busy) {
        c->txn = hf_history_begin(d->history, c->process, now);
        ask(d, c->txn);
        uint32_t luck = draw(d, 100);
        c->heard = luck < 2 ? HF_HEARD_UNKNOWN : luck < 6 ? HF_HEARD_FAIL : HF_HEARD_OK;
        c->busy = true;
        c->done = false;
    } else if (!c->done && !(c->heard == HF_HEARD_UNKNOWN && draw(d, 2) == 0)) {
        execute(d, c);
    } else {
        /* One whose outcome is unknown may not have run at all by now; its client goes on as
         * another. */
        c->busy = false;
        if (c->heard == HF_HEARD_UNKNOWN) {
            c->process = d->process_count++;
        } else {
            hf_history_end(d->history, c->txn, now, c->heard);
        }
    }
}

static void first_txn(db *d)
{
    if (d->work != SERIAL_BANK && d->work != SERIAL_COUNTERS) {
        return;
    }
    int64_t max = d->work == SERIAL_BANK ? ACCOUNT_START * KEYS : QUANTITY_MAX;
    uint32_t t = hf_history_begin(d->history, d->process_count++, 0);
    for (int64_t k = 0; k < KEYS; k++) {
        hf_history_open_key(d->history, t, k, ACCOUNT_START, 0, max);
        d->balances[k] = ACCOUNT_START;
    }
    hf_history_end(d->history, t, 1, HF_HEARD_OK);
    hf_history_stamp(d->history, t, ++d->ts, false);
}

/* Everything is read once more, after all is quiet. */
static void last_txns(db *d, int64_t now)
{
    client c = { .process = d->process_count++, .heard = HF_HEARD_OK };
    uint32_t count = d->work == SERIAL_LISTS || d->work == SERIAL_REGISTERS ? d->cell_count : KEYS;
    for (int64_t k = 0; k < count; k++) {
        c.txn = hf_history_begin(d->history, c.process, now++);
        if (d->work == SERIAL_BANK) {
            hf_history_op(d->history, c.txn, HF_MICRO_BALANCES, NULL);
            hf_history_op(d->history, c.txn, HF_MICRO_LEDGER, NULL);
        } else {
            hf_micro_kind kind = d->work == SERIAL_LISTS       ? HF_MICRO_LIST
                                 : d->work == SERIAL_REGISTERS ? HF_MICRO_READ
                                                               : HF_MICRO_COUNT;
            hf_history_op(d->history, c.txn, kind, &k);
        }
        d->struck = true; /* no fault here */
        execute(d, &c);
        hf_history_end(d->history, c.txn, now++, HF_HEARD_OK);
    }
}

bool serial_run(uint64_t seed, serial_work work, uint32_t clients, uint32_t txns,
                serial_fault fault, hf_history *history)
{
    db d = { .prng = hf_prng_of(seed), .work = work, .fault = fault, .history = history };
    d.strike_after = txns / 4 + draw(&d, txns / 4);
    d.next_value = 1;
    d.cell_count = work == SERIAL_LISTS ? txns / LIST_LIFE + KEYS + 1 : KEYS;
    d.cells = hf_check_alloc(d.cell_count, sizeof *d.cells);
    d.process_count = clients;
    first_txn(&d);
    client *all = hf_check_alloc(clients, sizeof *all);
    int64_t now = 10;
    for (uint32_t c = 0; c < clients; c++) {
        all[c].process = c;
    }
    while (history->count < txns) {
        client_step(&d, &all[draw(&d, clients)], now);
        now += draw(&d, 2); /* sometimes two events at one instant */
    }
    for (uint32_t c = 0; c < clients; c++) {
        while (all[c].busy) {
            client_step(&d, &all[c], ++now);
        }
    }
    bool struck = d.struck;
    last_txns(&d, now + 10);
    for (uint32_t c = 0; c < d.cell_count; c++) {
        free(d.cells[c].versions);
    }
    free(d.cells);
    free(d.ledger.versions);
    free(all);
    return struck;
}

void serial_resolve(hf_history *history)
{
    for (uint32_t t = 0; t < history->count; t++) {
        if (history->txns[t].heard == HF_HEARD_UNKNOWN) {
            bool ran = history->txns[t].commit_ts != 0;
            hf_history_resolve(history, t, ran ? HF_HEARD_OK : HF_HEARD_FAIL);
        }
    }
}
