/* bank: transfers between accounts in every form; money is conserved, every acknowledged transfer
 * is there exactly once.
 *
 * Each transfer appends "x" to a ledger key of its own in the same transaction: there once, not at
 * all, or, wrongly, twice. Flavours: "snapshot" reads mostly at older timestamps; "ranges" reads
 * also by scans.
 */
#include "tests/sim/checkers/check_bank.h"
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    ACCOUNTS_MAX = 10,
    OPENING = 100,
    ROOF = 100000,
    LEDGER_CHUNK = 400,
    TRANSFERS_MAX = 60000,
    OUTCOMES_ASKED = 150,
    OLD_READS_MOST = 800000,
    TOKEN_AHEAD_NS = 200000000, /* so far before the wall clock is a token believed */
    SNAPSHOTS = 32,
};

/* What was read at a timestamp: the same for ever. */
typedef struct snapshot {
    uint64_t ts;
    int64_t balance[ACCOUNTS_MAX];
} snapshot;

typedef struct known_id {
    char id[HF_ID_TEXT + 1];
    hf_heard heard;
} known_id;

typedef struct bank {
    uint32_t accounts;
    uint32_t transfers; /* ids given out, from 1 */
    uint32_t reads_ppm;
    uint32_t old_reads_ppm; /* of the reads: at a timestamp, or with a bound */
    uint32_t ids, ids_room;
    known_id *known;
    uint64_t token;      /* a timestamp that some client heard of */
    uint32_t told;       /* the newest transfer that is known to have happened */
    uint32_t token_told; /* ... when the token was asked for */
    snapshot snapshots[SNAPSHOTS];
    uint32_t snapshot_count; /* ever taken */
    int64_t *ledger;
    uint32_t ledger_count;
} bank;

typedef enum form {
    ADD_EXEC, /* MULTI: HF.ADD, HF.ADD, APPEND */
    ADD_TXN,
    ADD_TXN_ID,
    IF_TXN_ID, /* HF.TXN IF from >= amount: INCRBY */
    WATCHED,
    DIALOGUE, /* HF.BEGIN: GET, GET, SET, SET, APPEND */
    DIALOGUE_ID,
    TRANSFER_FORMS,
    WHOLE_MGET,
    WHOLE_EXEC,
    WHOLE_OLD,
    WHOLE_LEVEL, /* the connection's own level */
    RANGE_OLD,   /* accounts of a partition, at a timestamp that was read before */
    TOKEN,
    AFTER, /* a read with a bound that must not be older than the token */
    BOOK,  /* balances and ledger in one EXEC */
    SETUP,
    FINISH_BOOK,
    FINISH_IDS,
} form;

enum { FIRST, SECOND, ASKED, RETRIED, ROLLED_BACK };

typedef struct op {
    form form;
    uint32_t stage, tries;
    uint32_t txn;
    uint32_t from, to;
    int64_t amount;
    uint32_t transfer;
    int64_t balance_from, balance_to;
    bool lost, ordered;
    uint64_t snapshot; /* read at this timestamp */
    char id[HF_ID_TEXT + 1];
} op;

static op *op_of(hf_actor *actor)
{
    _Static_assert(sizeof(op) <= HF_ACTOR_ROOM, "an operation fits");
    return (op *)(void *)actor->room;
}

static void over(hf_actor *a, hf_heard heard)
{
    hf_actor_end(a, op_of(a)->txn, heard);
    hf_actor_done(a);
}

/* ---- Transfers ---- */

typedef struct names {
    char from[HF_KEY_TEXT], to[HF_KEY_TEXT], ledger[HF_KEY_TEXT];
} names;

/* "5/bL17": beside the accounts, and in one stretch for a scan of its partition. */
static void ledger_key(const hf_workload *w, uint32_t transfer, char text[HF_KEY_TEXT])
{
    (void)snprintf(text, HF_KEY_TEXT, "%u/%cL%u", transfer * 5 % HF_PARTITIONS, w->letter,
                   transfer);
}

static names names_of(const hf_workload *w, const op *o)
{
    names n;
    hf_workload_key(w, o->from, n.from);
    hf_workload_key(w, o->to, n.to);
    ledger_key(w, o->transfer, n.ledger);
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
    b->told = heard == HF_HEARD_OK ? op_of(a)->transfer : b->told;
    over(a, heard);
}

static void later(hf_actor *a)
{
    if (hf_run_over(a->run)) {
        over(a, HF_HEARD_UNKNOWN);
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

/* ---- Whole reads ---- */

static void put_accounts(hf_client *c, const hf_workload *w, const char *head, uint32_t heads)
{
    const bank *b = w->state;
    char key[HF_KEY_TEXT];
    hf_client_put_begin(c, heads + 1 + b->accounts);
    const char *at = head;
    for (uint32_t i = 0; i < heads; i++) {
        const char *end = strchr(at, ' ');
        int size = end == NULL ? (int)strlen(at) : (int)(end - at);
        hf_client_put_text(c, "%.*s", size, at);
        at += size + (end != NULL);
    }
    hf_client_put_text(c, "MGET");
    for (uint32_t i = 0; i < b->accounts; i++) {
        hf_workload_key(w, i, key);
        hf_client_put_text(c, "%s", key);
    }
}

static void put_ledger(hf_client *c, const hf_workload *w, uint32_t from, uint32_t count)
{
    char key[HF_KEY_TEXT];
    hf_client_put_begin(c, 1 + count);
    hf_client_put_text(c, "MGET");
    for (uint32_t i = 0; i < count; i++) {
        ledger_key(w, from + i, key);
        hf_client_put_text(c, "%s", key);
    }
}

/* ---- Reads of the past ---- */

enum { TICK_NS = 1000000 }; /* snapshots are taken at its multiples */

static void put_old(hf_workload *w, hf_actor *a)
{
    const bank *b = w->state;
    hf_world_prng *prng = hf_actor_prng(a);
    op *o = op_of(a);
    char head[64];
    uint64_t draw = hf_world_prng_below(prng, 4);
    uint32_t kept = b->snapshot_count < SNAPSHOTS ? b->snapshot_count : SNAPSHOTS;
    if (draw < 2 || (draw == 2 && b->token == 0 && kept == 0)) {
        (void)snprintf(head, sizeof head, "HF.READ BOUNDED %" PRIu64,
                       hf_world_prng_below(prng, 2000));
    } else { /* as young as can be: with much prepared around it; or one that was read before */
        bool again = kept != 0 && hf_world_prng_coin(prng);
        uint64_t ts = again ? b->snapshots[hf_world_prng_below(prng, kept)].ts
                      : draw == 2 && b->token != 0 ? b->token
                                                   : hf_world_wall(hf_run_world(w->run));
        o->snapshot = ts - ts % TICK_NS;
        (void)snprintf(head, sizeof head, "HF.READ SNAPSHOT %" PRIu64, ts);
    }
    put_accounts(&a->client, w, head, 3);
}

static void put_range_old(hf_workload *w, hf_actor *a)
{
    const bank *b = w->state;
    op *o = op_of(a);
    uint32_t kept = b->snapshot_count < SNAPSHOTS ? b->snapshot_count : SNAPSHOTS;
    o->from = (uint32_t)hf_world_prng_below(hf_actor_prng(a), HF_PARTITIONS);
    o->snapshot = b->snapshots[hf_world_prng_below(hf_actor_prng(a), kept)].ts;
    hf_client_put(&a->client, "HF.READ SNAPSHOT %" PRIu64 " HF.RANGE %u/%c0 %u/%c: VALUES",
                  o->snapshot, o->from, w->letter, o->from, w->letter);
}

static void put_after(hf_workload *w, hf_actor *a)
{
    const bank *b = w->state;
    op *o = op_of(a);
    char key[HF_KEY_TEXT];
    o->transfer = b->token_told;
    ledger_key(w, o->transfer, key);
    hf_client_put(&a->client, "HF.AFTER %" PRIu64, b->token);
    hf_client_put(&a->client, "HF.READ BOUNDED 2000 GET %s", key);
}

static snapshot *snapshot_of(bank *b, uint64_t ts)
{
    for (uint32_t i = 0; i < SNAPSHOTS && i < b->snapshot_count; i++) {
        if (b->snapshots[i].ts == ts) {
            return &b->snapshots[i];
        }
    }
    return NULL;
}

static void compare(hf_workload *w, uint64_t ts, uint32_t account, int64_t was, int64_t is)
{
    if (was != is) {
        hf_run_fail(w->run, HF_RUN_WRONG,
                    "bank: account %u was %" PRId64 " at the timestamp %" PRIu64
                    ", read again it was %" PRId64,
                    account, was, ts, is);
    }
}

/* Absent accounts count as -1. */
static void keep_snapshot(hf_workload *w, const op *o, const hf_reply *reply)
{
    bank *b = w->state;
    snapshot now = { .ts = o->snapshot };
    for (uint32_t i = 0; i < b->accounts; i++) {
        now.balance[i] = -1;
        (void)hf_reply_integer(&reply->items[i], &now.balance[i]);
    }
    const snapshot *before = snapshot_of(b, now.ts);
    for (uint32_t i = 0; before != NULL && i < b->accounts; i++) {
        compare(w, now.ts, i, before->balance[i], now.balance[i]);
    }
    if (before == NULL) {
        b->snapshots[b->snapshot_count++ % SNAPSHOTS] = now;
    }
}

/* Pairs one after another, or (RESP3) in arrays of their own. */
static const hf_reply *find_pair(const hf_reply *reply, const char *key)
{
    for (uint32_t i = 0; i < reply->count; i++) {
        const hf_reply *item = &reply->items[i];
        if (item->kind == '*' && item->count == 2 && hf_reply_is_text(&item->items[0], key)) {
            return &item->items[1];
        }
        if (item->kind != '*' && i % 2 == 0 && i + 1 < reply->count &&
            hf_reply_is_text(item, key)) {
            return &reply->items[i + 1];
        }
    }
    return NULL;
}

static void check_range(hf_workload *w, const op *o, const hf_reply *reply)
{
    bank *b = w->state;
    const snapshot *before = snapshot_of(b, o->snapshot);
    char key[HF_KEY_TEXT];
    for (uint32_t i = 0; before != NULL && i < b->accounts; i++) {
        int64_t is = -1;
        hf_workload_key(w, i, key);
        const hf_reply *found = find_pair(reply, key);
        if (key[0] == (char)('0' + o->from)) {
            if (found != NULL) {
                (void)hf_reply_integer(found, &is);
            }
            compare(w, o->snapshot, i, before->balance[i], is);
        }
    }
}

static form draw_old(uint64_t draw, bool rare)
{
    if (rare) {
        return draw < 4 ? RANGE_OLD : AFTER;
    }
    return draw < 2 ? TOKEN : draw == 2 ? WHOLE_LEVEL : WHOLE_OLD;
}

static void start_read(hf_workload *w, hf_actor *a)
{
    bank *b = w->state;
    op *o = op_of(a);
    hf_client *c = &a->client;
    hf_world_prng *prng = hf_actor_prng(a);
    bool old = hf_world_prng_chance(prng, b->old_reads_ppm);
    uint64_t draw = hf_world_prng_below(prng, 8);
    o->form = old                                ? draw_old(draw, hf_world_prng_below(prng, 4) == 0)
              : draw == 0 && b->transfers < 1500 ? BOOK
              : draw < 4                         ? WHOLE_EXEC
                                                 : WHOLE_MGET;
    if ((o->form == RANGE_OLD && b->snapshot_count == 0) ||
        (o->form == AFTER && b->token_told == 0)) {
        o->form = TOKEN;
    }
    if (o->form == TOKEN) {
        /* A token is a timestamp that a client brings: it may not carry the clock away with it. */
        if (b->token != 0 && b->old_reads_ppm == OLD_READS_MOST) {
            hf_client_put(c, "HF.AFTER %" PRIu64, b->token + hf_world_prng_below(prng, 250000000));
        }
        o->transfer = b->told;
        hf_client_put(c, "HF.TOKEN");
        hf_client_send(c);
        return;
    }
    o->txn = hf_actor_begin(a);
    if (o->form == WHOLE_OLD) {
        put_old(w, a);
    } else if (o->form == RANGE_OLD) {
        put_range_old(w, a);
    } else if (o->form == AFTER) {
        put_after(w, a);
    } else if (o->form == WHOLE_LEVEL) {
        hf_client_put(c, "HF.LEVEL BOUNDED %" PRIu64, hf_world_prng_below(prng, 2000));
        put_accounts(c, w, "", 0);
        hf_client_put(c, "HF.LEVEL STRICT");
    } else if (o->form == WHOLE_MGET) {
        put_accounts(c, w, "", 0);
    } else {
        hf_client_put(c, "MULTI");
        put_accounts(c, w, "", 0);
        for (uint32_t i = 0; o->form == BOOK && i < HF_PARTITIONS; i++) {
            hf_client_put(c, "HF.RANGE %u/%cL %u/%cM VALUES", i, w->letter, i, w->letter);
        }
        hf_client_put(c, "EXEC");
    }
    hf_client_send(c);
}

static bool log_balances(hf_workload *w, uint32_t txn, const hf_reply *reply, bool old)
{
    const bank *b = w->state;
    int64_t pairs[2 * ACCOUNTS_MAX];
    uint32_t count = 0;
    if (reply->kind != '*' || reply->count != b->accounts) {
        return false;
    }
    for (uint32_t i = 0; i < b->accounts; i++) {
        if (hf_reply_integer(&reply->items[i], &pairs[count + 1])) {
            pairs[count] = i;
            count += 2;
        }
    }
    if (old && count == 0) {
        return true; /* before the accounts were opened, all at once */
    }
    uint32_t number = hf_history_op(&w->history, txn, HF_MICRO_BALANCES, NULL);
    hf_history_answer_list(&w->history, txn, number, pairs, count);
    return true;
}

/* One "x" is one application of the transfer. */
static bool note_applied(bank *b, int64_t transfer, const hf_reply *value)
{
    for (uint32_t k = 0; value->kind == '$' && k < value->bytes.size; k++) {
        if (b->ledger_count == 2 * TRANSFERS_MAX) {
            return false;
        }
        b->ledger[b->ledger_count++] = transfer;
    }
    return true;
}

static bool gather_keys(bank *b, uint32_t first, const hf_reply *reply)
{
    bool good = reply->kind == '*';
    for (uint32_t i = 0; good && i < reply->count; i++) {
        good = note_applied(b, first + i, &reply->items[i]);
    }
    return good;
}

static bool gather_pair(bank *b, const hf_reply *key, const hf_reply *value)
{
    enum { HEAD = 4 }; /* "5/bL" */
    const hf_reply digits = { .kind = '$',
                              .bytes = hf_bytes_of(
                                  key->bytes.data + HEAD,
                                  key->bytes.size < HEAD ? 0 : key->bytes.size - HEAD) };
    int64_t transfer;
    return key->kind == '$' && hf_reply_integer(&digits, &transfer) &&
           note_applied(b, transfer, value);
}

/* A scan: pairs one after another, or (RESP3) in arrays of their own. */
static bool gather_scan(bank *b, const hf_reply *reply)
{
    bool good = reply->kind == '*';
    for (uint32_t i = 0; good && i < reply->count; i++) {
        const hf_reply *item = &reply->items[i];
        if (item->kind == '*') {
            good = item->count == 2 && gather_pair(b, &item->items[0], &item->items[1]);
        } else if (i % 2 == 0) {
            good = i + 1 < reply->count && gather_pair(b, item, item + 1);
        }
    }
    return good;
}

static bool log_book(hf_workload *w, uint32_t txn, const hf_reply *exec, bool scans)
{
    bank *b = w->state;
    b->ledger_count = 0;
    bool good =
        exec->kind == '*' && exec->count > 0 && log_balances(w, txn, &exec->items[0], false);
    for (uint32_t i = 1; good && i < exec->count; i++) {
        good = scans ? gather_scan(b, &exec->items[i])
                     : gather_keys(b, 1 + (i - 1) * LEDGER_CHUNK, &exec->items[i]);
    }
    if (good) {
        uint32_t number = hf_history_op(&w->history, txn, HF_MICRO_LEDGER, NULL);
        hf_history_answer_list(&w->history, txn, number, b->ledger, b->ledger_count);
    }
    return good;
}

static void step_token(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    bank *b = w->state;
    int64_t token;
    if (reply != NULL && hf_reply_integer(reply, &token)) {
        b->token = (uint64_t)token;
        b->token_told = op_of(a)->transfer;
        uint64_t most = hf_run_wall_max(w->run) + TOKEN_AHEAD_NS + hf_run_wall_slack(w->run);
        if (b->token > most) {
            hf_run_fail(w->run, HF_RUN_WRONG,
                        "bank: tokens pushed the clock to %" PRIu64
                        ", the wall clock never passed %" PRIu64,
                        b->token, hf_run_wall_max(w->run));
        }
    }
    hf_actor_done(a);
}

/* What the token covers is seen, whatever the bound allows. */
static void check_after(hf_workload *w, const op *o, const hf_reply *replies)
{
    if (replies[0].kind != '-' && replies[1].kind != '-' && !hf_reply_is_text(&replies[1], "x")) {
        hf_run_fail(w->run, HF_RUN_WRONG,
                    "bank: transfer %u is not seen by a read after a token that covers it",
                    o->transfer);
    }
}

static void log_whole(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    const op *o = op_of(a);
    bool old = o->form == WHOLE_OLD || o->form == WHOLE_LEVEL;
    const hf_reply *whole =
        o->form == WHOLE_EXEC && reply->kind == '*' && reply->count == 1 ? &reply->items[0] : reply;
    if (old) {
        hf_history_stamp(&w->history, o->txn, 0, true);
    }
    bool good =
        o->form == BOOK ? log_book(w, o->txn, reply, true) : log_balances(w, o->txn, whole, old);
    if (!good) {
        hf_run_fail(w->run, HF_RUN_WRONG, "bank: a whole read (form %d) was answered with '%c'",
                    (int)o->form, reply->kind);
    } else if (o->snapshot != 0) {
        keep_snapshot(w, o, whole);
    }
}

static void step_read(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    const op *o = op_of(a);
    uint32_t at = o->form == WHOLE_LEVEL ? 1 : count - 1;
    const hf_reply *reply = replies == NULL ? NULL : &replies[at];
    hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(reply);
    if (o->form == TOKEN) {
        step_token(w, a, reply);
        return;
    }
    if (heard == HF_HEARD_OK && o->form == AFTER) {
        check_after(w, o, replies);
    } else if (heard == HF_HEARD_OK && o->form == RANGE_OLD) {
        check_range(w, o, reply);
    } else if (heard == HF_HEARD_OK) {
        log_whole(w, a, reply);
    }
    over(a, heard);
}

static void start(hf_workload *w, hf_actor *a)
{
    const bank *b = w->state;
    if (hf_world_prng_chance(hf_actor_prng(a), b->reads_ppm) || b->transfers == TRANSFERS_MAX) {
        start_read(w, a);
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
    put_accounts(&a->client, w, "", 0);
    for (uint32_t i = 0; i < b->transfers; i += LEDGER_CHUNK) {
        uint32_t left = b->transfers - i;
        put_ledger(&a->client, w, 1 + i, left < LEDGER_CHUNK ? left : LEDGER_CHUNK);
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
    if (replies == NULL || !log_book(w, o->txn, &replies[count - 1], false)) {
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
        over(a, last == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(last));
    } else if (o->form >= FINISH_BOOK) {
        step_finish(w, a, replies, count);
    } else if (o->form > TRANSFER_FORMS) {
        step_read(w, a, replies, count);
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
