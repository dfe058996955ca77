/* bank: transfers between accounts in every form; money is conserved, every acknowledged transfer
 * is there exactly once.
 *
 * Each transfer appends "x" to a ledger key of its own in the same transaction: there once, not at
 * all, or, wrongly, twice. Flavours: "snapshot" reads mostly at older timestamps; "ranges" reads
 * also by scans.
 */
#include "tests/sim/scenario_bank.h"
#include "tests/sim/checkers/check_bank.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void hf_bank__over(hf_actor *a, hf_heard heard)
{
    hf_actor_end(a, op_of(a)->txn, heard);
    hf_actor_done(a);
}

/* ---- Transfers ---- */

typedef struct names {
    char from[HF_KEY_TEXT], to[HF_KEY_TEXT], ledger[HF_KEY_TEXT];
} names;

void hf_bank__ledger_key(const hf_workload *w, uint32_t transfer, char text[HF_KEY_TEXT])
{
    (void)snprintf(text, HF_KEY_TEXT, "%u/%cL%u", transfer * 5 % HF_PARTITIONS, w->letter,
                   transfer);
}

static names names_of(const hf_workload *w, const op *o)
{
    names n;
    hf_workload_key(w, o->from, n.from);
    hf_workload_key(w, o->to, n.to);
    hf_bank__ledger_key(w, o->transfer, n.ledger);
    return n;
}

static void send_transfer(hf_client *c, const hf_workload *w, op *o)
{
    names n = names_of(w, o);
    char id[HF_ID_TEXT + 8];
    long long amount = (long long)o->amount;
    snprintf(id, sizeof id, "%s%s", o->id[0] == '\0' ? "" : " ID ", o->id);
    /* The order of the two halves is the client's own: circles of waiting must come apart. */
    const char *one = o->ordered ? n.from : n.to;
    const char *two = o->ordered ? n.to : n.from;
    long long first = o->ordered ? -amount : amount;
    switch ((int)o->form) {
    case ADD_EXEC:
        hf_client_put(c, "MULTI");
        hf_client_put(c, "HF.ADD %s %lld MIN 0 MAX %d", one, first, ROOF);
        hf_client_put(c, "HF.ADD %s %lld MIN 0 MAX %d", two, -first, ROOF);
        hf_client_put(c, "APPEND %s x", n.ledger);
        hf_client_put(c, "EXEC");
        break;
    case ADD_TXN:
    case ADD_TXN_ID:
        hf_client_put(c,
                      "HF.TXN%s THEN 3 5 HF.ADD %s %lld MIN 0 5 HF.ADD %s %lld MIN 0 3 APPEND %s x",
                      id, one, first, two, -first, n.ledger);
        break;
    case IF_TXN_ID:
        hf_client_put(
            c, "HF.TXN%s IF %s >= %lld THEN 3 3 INCRBY %s %lld 3 INCRBY %s %lld 3 APPEND %s x", id,
            n.from, amount, one, first, two, -first, n.ledger);
        break;
    case WATCHED:
        hf_client_put(c, "WATCH %s %s", one, two);
        hf_client_put(c, "GET %s", n.from);
        hf_client_put(c, "GET %s", n.to);
        break;
    case DIALOGUE:
    case DIALOGUE_ID:
        hf_client_put(c, "HF.BEGIN%s", id);
        hf_client_put(c, "GET %s", n.from);
        hf_client_put(c, "GET %s", n.to);
        break;
    default:
        HF_UNREACHABLE();
    }
    hf_client_send(c);
}

/* The second half of a transfer that has read the balances. */
static void send_second(hf_actor *a, const hf_workload *w)
{
    op *o = op_of(a);
    hf_client *c = &a->client;
    names n = names_of(w, o);
    long long from = (long long)(o->balance_from - o->amount);
    long long to = (long long)(o->balance_to + o->amount);
    o->stage = SECOND;
    if (o->form == WATCHED) {
        hf_client_put(c, "MULTI");
    }
    hf_client_put(c, "SET %s %lld", n.from, from);
    hf_client_put(c, "SET %s %lld", n.to, to);
    hf_client_put(c, "APPEND %s x", n.ledger);
    hf_client_put(c, o->form == WATCHED ? "EXEC" : "HF.COMMIT");
    hf_client_send(c);
}

static void start_transfer(hf_workload *w, hf_actor *a)
{
    bank *b = w->state;
    op *o = op_of(a);
    hf_world_prng *prng = hf_actor_prng(a);
    o->form = (form)hf_world_prng_below(prng, TRANSFER_FORMS);
    o->from = (uint32_t)hf_world_prng_below(prng, b->accounts);
    o->to = (o->from + 1 + (uint32_t)hf_world_prng_below(prng, b->accounts - 1)) % b->accounts;
    o->amount = 1 + (int64_t)hf_world_prng_below(prng, OPENING);
    o->ordered = hf_world_prng_coin(prng);
    o->transfer = ++b->transfers;
    if (o->form == ADD_TXN_ID || o->form == IF_TXN_ID || o->form == DIALOGUE_ID) {
        hf_id_make(a, o->id);
    }
    o->txn = hf_actor_begin(a);
    hf_history_transfer(&w->history, o->txn, o->transfer, o->from, o->to, o->amount);
    send_transfer(&a->client, w, o);
}

static void remember_id(bank *b, const op *o, hf_heard heard)
{
    if (o->id[0] == '\0' || heard == HF_HEARD_UNKNOWN) {
        return;
    }
    b->known = hf_check_grow(b->known, b->ids, &b->ids_room, sizeof *b->known);
    known_id *k = &b->known[b->ids++];
    memcpy(k->id, o->id, sizeof k->id);
    k->heard = heard == HF_HEARD_LIMIT ? HF_HEARD_FAIL : heard;
}

static void end_transfer(hf_workload *w, hf_actor *a, hf_heard heard)
{
    bank *b = w->state;
    remember_id(b, op_of(a), heard);
    if (heard == HF_HEARD_OK) {
        b->told = op_of(a)->transfer;
        b->acked[b->acked_count % ACKED].transfer = b->told;
        uint64_t wall = hf_world_wall(hf_run_world(w->run));
        b->acked[b->acked_count % ACKED].wall = wall >= hf_run_wall_max(w->run) ? wall : UINT64_MAX;
        b->acked[b->acked_count++ % ACKED].at = hf_run_now(w->run);
    }
    hf_bank__over(a, heard);
}

static void later(hf_actor *a)
{
    if (hf_run_over(a->run)) {
        hf_bank__over(a, HF_HEARD_UNKNOWN);
        return;
    }
    op_of(a)->lost = true;
    hf_actor_wait(a, hf_actor_pause(a));
}

/* No command inside may have failed where the whole went through. */
static hf_heard whole_of(hf_workload *w, const op *o, const hf_reply *reply)
{
    hf_heard heard = reply->kind == '_' ? HF_HEARD_FAIL : hf_heard_of(reply);
    for (uint32_t i = 0; heard == HF_HEARD_OK && reply->kind == '*' && i < reply->count; i++) {
        if (reply->items[i].kind == '-') {
            hf_run_fail(w->run, HF_RUN_WRONG,
                        "bank: transfer %u went through with an error in it: %.*s", o->transfer,
                        (int)reply->items[i].bytes.size, (const char *)reply->items[i].bytes.data);
        }
    }
    if (heard == HF_HEARD_OK && (reply->kind != '*' || reply->count != 3)) {
        hf_run_fail(w->run, HF_RUN_WRONG, "bank: transfer %u: a reply '%c' of %u elements",
                    o->transfer, reply->kind, reply->count);
    }
    return heard;
}

static void step_outcome(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    bool expired = false;
    hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_outcome_of(reply, &expired);
    if (heard == HF_HEARD_UNKNOWN && !expired) {
        later(a);
    } else {
        end_transfer(w, a, heard);
    }
}

static void step_one_shot(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    op *o = op_of(a);
    bool has_id = o->id[0] != '\0';
    if (o->stage == ASKED) {
        step_outcome(w, a, reply);
    } else if (reply == NULL && !has_id) {
        end_transfer(w, a, HF_HEARD_UNKNOWN);
    } else if (reply == NULL || (o->lost && !hf_retry_settles(reply))) {
        later(a);
    } else {
        end_transfer(w, a, whole_of(w, o, reply));
    }
}

static void roll_back(hf_actor *a)
{
    op_of(a)->stage = ROLLED_BACK;
    hf_client_put(&a->client, op_of(a)->form == WATCHED ? "UNWATCH" : "HF.ROLLBACK");
    hf_client_send(&a->client);
}

/* WATCH or HF.BEGIN: first the balances, then what follows from them. */
static void step_first(hf_workload *w, hf_actor *a, const hf_reply *replies)
{
    op *o = op_of(a);
    if (replies == NULL) { /* the commit was never asked for */
        end_transfer(w, a, HF_HEARD_FAIL);
        return;
    }
    bool good = replies[0].kind != '-' && hf_reply_integer(&replies[1], &o->balance_from) &&
                hf_reply_integer(&replies[2], &o->balance_to);
    if (!good || o->balance_from < o->amount) {
        roll_back(a);
    } else {
        send_second(a, w);
    }
}

static void step_second(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    op *o = op_of(a);
    if (replies == NULL) {
        if (o->form == DIALOGUE_ID) {
            later(a);
        } else {
            end_transfer(w, a, HF_HEARD_UNKNOWN);
        }
        return;
    }
    if (o->form == WATCHED) {
        end_transfer(w, a, whole_of(w, o, &replies[count - 1]));
        return;
    }
    hf_heard heard = hf_heard_of(&replies[count - 1]);
    bool part = false;
    for (uint32_t i = 0; i + 1 < count; i++) {
        part = part || replies[i].kind == '-';
    }
    if (part && heard == HF_HEARD_OK) {
        /* Refused for want of room in the middle, and then asked to commit: the client's doing.
         * It would break the bank by itself, so this must not come about. */
        hf_run_fail(w->run, HF_RUN_WRONG,
                    "bank: a dialogue committed although a command of it had failed");
    }
    if (heard == HF_HEARD_FAIL) {
        roll_back(a);
    } else {
        end_transfer(w, a, heard);
    }
}

static void step_dialogue(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    switch (op_of(a)->stage) {
    case FIRST:
        step_first(w, a, replies);
        break;
    case SECOND:
        step_second(w, a, replies, count);
        break;
    case ROLLED_BACK:
        end_transfer(w, a, HF_HEARD_FAIL);
        break;
    default:
        step_outcome(w, a, replies);
        break;
    }
}

static void wake(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    bool dialogue = o->form == DIALOGUE_ID;
    if (o->form >= SETUP) {
        w->kind->finish(w, a);
        return;
    }
    if (!dialogue && ++o->tries < 4 && hf_world_prng_coin(hf_actor_prng(a))) {
        o->stage = RETRIED;
        send_transfer(&a->client, w, o);
        return;
    }
    o->stage = ASKED;
    hf_client_put(&a->client, "HF.OUTCOME %s", o->id);
    hf_client_send(&a->client);
}

static void start(hf_workload *w, hf_actor *a)
{
    const bank *b = w->state;
    bool moving = hf_run_moving(w->run) && hf_world_prng_coin(hf_actor_prng(a));
    if (moving || hf_world_prng_chance(hf_actor_prng(a), b->reads_ppm) ||
        b->transfers == TRANSFERS_MAX || hf_run_lull(w->run)) {
        hf_bank__start_read(w, a);
    } else {
        start_transfer(w, a);
    }
}

/* ---- Beginning and end ---- */

static void setup(hf_workload *w, hf_actor *a)
{
    const bank *b = w->state;
    op *o = op_of(a);
    char key[HF_KEY_TEXT];
    o->form = SETUP;
    o->txn = hf_actor_begin(a);
    hf_client_put_begin(&a->client, 1 + 2 * b->accounts);
    hf_client_put_text(&a->client, "MSET");
    for (uint32_t i = 0; i < b->accounts; i++) {
        hf_workload_key(w, i, key);
        hf_client_put_text(&a->client, "%s", key);
        hf_client_put_text(&a->client, "%d", OPENING);
        hf_history_open_key(&w->history, o->txn, i, OPENING, 0, ROOF);
    }
    hf_client_send(&a->client);
}

static void send_ids(hf_workload *w, hf_actor *a)
{
    bank *b = w->state;
    op *o = op_of(a);
    o->form = FINISH_IDS;
    uint32_t step = b->ids / OUTCOMES_ASKED + 1;
    for (uint32_t i = 0; i < b->ids; i += step) {
        hf_client_put(&a->client, "HF.OUTCOME %s", b->known[i].id);
    }
    hf_client_send(&a->client);
}

/* Outcomes are the same for ever. */
static void check_ids(hf_workload *w, const hf_reply *replies, uint32_t count)
{
    const bank *b = w->state;
    uint32_t step = b->ids / OUTCOMES_ASKED + 1;
    for (uint32_t i = 0; i < count; i++) {
        const known_id *k = &b->known[i * step];
        bool expired;
        hf_heard heard = hf_outcome_of(&replies[i], &expired);
        if (heard != HF_HEARD_UNKNOWN && heard != k->heard) {
            hf_run_fail(w->run, HF_RUN_WRONG, "bank: HF.OUTCOME of %s is %s, but it was heard %s",
                        k->id, heard == HF_HEARD_OK ? "COMMITTED" : "ABORTED",
                        k->heard == HF_HEARD_OK ? "committed" : "refused");
        }
    }
}

static void finish(hf_workload *w, hf_actor *a)
{
    bank *b = w->state;
    op *o = op_of(a);
    o->form = FINISH_BOOK;
    o->txn = hf_actor_begin(a);
    hf_client_put(&a->client, "MULTI");
    hf_bank__put_accounts(&a->client, w, "", 0);
    for (uint32_t i = 0; i < b->transfers; i += LEDGER_CHUNK) {
        uint32_t left = b->transfers - i;
        hf_bank__put_ledger(&a->client, w, 1 + i, left < LEDGER_CHUNK ? left : LEDGER_CHUNK);
    }
    hf_client_put(&a->client, "EXEC");
    hf_client_send(&a->client);
}

static void step_finish(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    bank *b = w->state;
    op *o = op_of(a);
    if (o->form == FINISH_IDS) {
        if (replies != NULL) {
            check_ids(w, replies, count);
        }
        hf_actor_done(a);
        return;
    }
    if (replies == NULL || !hf_bank__log_book(w, o->txn, &replies[count - 1], false)) {
        hf_actor_end(a, o->txn, HF_HEARD_UNKNOWN);
        hf_actor_finish_again(a);
        return;
    }
    hf_actor_end(a, o->txn, HF_HEARD_OK);
    if (b->ids > 0) {
        send_ids(w, a);
    } else {
        hf_actor_done(a);
    }
}

static void step(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    op *o = op_of(a);
    const hf_reply *last = replies == NULL ? NULL : &replies[count - 1];
    if (o->form == SETUP) {
        hf_bank__over(a, last == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(last));
    } else if (o->form >= FINISH_BOOK) {
        step_finish(w, a, replies, count);
    } else if (o->form > TRANSFER_FORMS) {
        hf_bank__step_read(w, a, replies, count);
    } else if (o->form == WATCHED || o->form == DIALOGUE || o->form == DIALOGUE_ID) {
        step_dialogue(w, a, replies, count);
    } else {
        step_one_shot(w, a, last);
    }
}

static void bank_open(hf_workload *w)
{
    bank *b = hf_check_alloc(1, sizeof *b);
    w->state = b;
    b->accounts = 2 + (uint32_t)hf_world_prng_below(&w->prng, ACCOUNTS_MAX - 1);
    b->reads_ppm = (uint32_t)hf_world_prng_between(&w->prng, 100000, 500000);
    b->old_reads_ppm = (uint32_t)hf_world_prng_between(&w->prng, 0, 300000);
    if (strcmp(w->flavour, "snapshot") == 0) {
        b->old_reads_ppm = OLD_READS_MOST;
    }
    b->ledger = hf_check_alloc((size_t)2 * TRANSFERS_MAX, sizeof *b->ledger);
}

static void bank_close(hf_workload *w)
{
    bank *b = w->state;
    free(b->known);
    free(b->ledger);
    free(b);
}

static void judge(hf_workload *w)
{
    hf_verdict verdict;
    bool unread;
    hf_verdict_open(&verdict);
    (void)hf_check_bank(&w->history, &verdict, &unread);
    hf_judge_with(w, "bank", &verdict);
    hf_verdict_close(&verdict);
}

const hf_workload_kind hf_workload_bank = { .name = "bank",
                                            .open = bank_open,
                                            .close = bank_close,
                                            .setup = setup,
                                            .start = start,
                                            .finish = finish,
                                            .step = step,
                                            .wake = wake,
                                            .judge = judge };
