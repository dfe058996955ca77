/* The bank's reads: of all accounts at once, of the ledger, and of the past. */
#include "tests/sim/scenario_bank.h"

#include <inttypes.h>
#include <string.h>

/* ---- Whole reads ---- */

void hf_bank__put_accounts(hf_client *c, const hf_workload *w, const char *head, uint32_t heads)
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

void hf_bank__put_ledger(hf_client *c, const hf_workload *w, uint32_t from, uint32_t count)
{
    char key[HF_KEY_TEXT];
    hf_client_put_begin(c, 1 + count);
    hf_client_put_text(c, "MGET");
    for (uint32_t i = 0; i < count; i++) {
        hf_bank__ledger_key(w, from + i, key);
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
        o->given = again || (draw == 2 && b->token != 0);
        o->snapshot = ts - ts % TICK_NS;
        (void)snprintf(head, sizeof head, "HF.READ SNAPSHOT %" PRIu64, ts);
    }
    hf_bank__put_accounts(&a->client, w, head, 3);
}

static void put_range_old(hf_workload *w, hf_actor *a)
{
    const bank *b = w->state;
    op *o = op_of(a);
    uint32_t kept = b->snapshot_count < SNAPSHOTS ? b->snapshot_count : SNAPSHOTS;
    o->from = (uint32_t)hf_world_prng_below(hf_actor_prng(a), HF_PARTITIONS);
    o->snapshot = b->snapshots[hf_world_prng_below(hf_actor_prng(a), kept)].ts;
    o->given = true;
    hf_client_put(&a->client, "HF.READ SNAPSHOT %" PRIu64 " HF.RANGE %u/%c0 %u/%c: VALUES",
                  o->snapshot, o->from, w->letter, o->from, w->letter);
}

static void put_after(hf_workload *w, hf_actor *a)
{
    const bank *b = w->state;
    op *o = op_of(a);
    char key[HF_KEY_TEXT];
    o->transfer = b->token_told;
    hf_bank__ledger_key(w, o->transfer, key);
    hf_client_put(&a->client, "HF.AFTER %" PRIu64, b->token);
    hf_client_put(&a->client, "HF.READ BOUNDED 2000 GET %s", key);
}

/* A transfer that was acknowledged longer ago than the bound is seen: as far as clocks tell, which
 * tokens may have pushed, and which do not move for a while after a step back. */
static void put_fresh(hf_workload *w, hf_actor *a)
{
    const bank *b = w->state;
    op *o = op_of(a);
    char key[HF_KEY_TEXT];
    uint32_t kept = b->acked_count < ACKED ? b->acked_count : ACKED;
    uint32_t at = (uint32_t)hf_world_prng_below(hf_actor_prng(a), kept);
    uint64_t slack = 2 * hf_run_wall_slack(w->run) + TOKEN_AHEAD_NS + hf_run_clock_max(w->run) -
                     hf_run_wall_max(w->run);
    uint64_t wall = hf_world_wall(hf_run_world(w->run));
    uint64_t age = wall > b->acked[at].wall ? wall - b->acked[at].wall : 0;
    bool steady = wall >= hf_run_wall_max(w->run);
    o->transfer = b->acked[at].transfer;
    o->since = b->acked[at].at;
    o->judged = age > slack && steady;
    hf_bank__ledger_key(w, o->transfer, key);
    hf_client_put(&a->client, "HF.READ BOUNDED %" PRIu64 " GET %s",
                  age > slack ? (age - slack) / TICK_NS : 0, key);
}

static void check_fresh(hf_workload *w, const op *o, const hf_reply *reply)
{
    if (o->judged && hf_run_wall_steady(w->run, o->since) && !hf_reply_is_text(reply, "x")) {
        hf_run_fail(w->run, HF_RUN_WRONG,
                    "bank: transfer %u is not seen by a read with a bound that it is older than",
                    o->transfer);
    }
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
        return draw < 3 ? RANGE_OLD : draw < 5 ? AFTER : FRESH;
    }
    return draw < 2 ? TOKEN : draw == 2 ? WHOLE_LEVEL : WHOLE_OLD;
}

void hf_bank__start_read(hf_workload *w, hf_actor *a)
{
    bank *b = w->state;
    op *o = op_of(a);
    hf_client *c = &a->client;
    hf_world_prng *prng = hf_actor_prng(a);
    bool old = hf_world_prng_chance(prng, b->old_reads_ppm) || hf_run_lull(w->run);
    uint64_t draw = hf_world_prng_below(prng, 8);
    o->form = old                                ? draw_old(draw, hf_world_prng_below(prng, 4) == 0)
              : draw == 0 && b->transfers < 1500 ? BOOK
              : draw < 4                         ? WHOLE_EXEC
                                                 : WHOLE_MGET;
    if ((o->form == RANGE_OLD && b->snapshot_count == 0) ||
        (o->form == AFTER && b->token_told == 0) || (o->form == FRESH && b->acked_count == 0)) {
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
    } else if (o->form == FRESH) {
        put_fresh(w, a);
    } else if (o->form == WHOLE_LEVEL) {
        hf_client_put(c, "HF.LEVEL BOUNDED %" PRIu64, hf_world_prng_below(prng, 2000));
        hf_bank__put_accounts(c, w, "", 0);
        hf_client_put(c, "HF.LEVEL STRICT");
    } else if (o->form == WHOLE_MGET) {
        hf_bank__put_accounts(c, w, "", 0);
    } else {
        hf_client_put(c, "MULTI");
        hf_bank__put_accounts(c, w, "", 0);
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

bool hf_bank__log_book(hf_workload *w, uint32_t txn, const hf_reply *exec, bool scans)
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
        uint64_t most = hf_run_clock_max(w->run) + TOKEN_AHEAD_NS + hf_run_wall_slack(w->run);
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
    bool good = o->form == BOOK ? hf_bank__log_book(w, o->txn, reply, true)
                                : log_balances(w, o->txn, whole, old);
    if (!good) {
        hf_run_fail(w->run, HF_RUN_WRONG, "bank: a whole read (form %d) was answered with '%c'",
                    (int)o->form, reply->kind);
    } else if (o->snapshot != 0) {
        keep_snapshot(w, o, whole);
    }
}

static bool says(const hf_reply *reply, const char *text)
{
    return reply->kind == '-' &&
           memmem(reply->bytes.data, reply->bytes.size, text, strlen(text)) != NULL;
}

/* What the node gave out it must know again, after a restart too. */
static void check_known(hf_workload *w, const op *o, const hf_reply *first, const hf_reply *last)
{
    if (o->form == AFTER && says(first, "not a token")) {
        hf_run_fail(w->run, HF_RUN_WRONG, "bank: a token is refused by the node that gave it");
    } else if (o->given && says(last, "in the future")) {
        hf_run_fail(w->run, HF_RUN_WRONG,
                    "bank: the timestamp %" PRIu64 " was known before, now it lies in the future",
                    o->snapshot);
    }
}

void hf_bank__step_read(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    const op *o = op_of(a);
    uint32_t at = o->form == WHOLE_LEVEL ? 1 : count - 1;
    const hf_reply *reply = replies == NULL ? NULL : &replies[at];
    hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(reply);
    if (o->form == TOKEN) {
        step_token(w, a, reply);
        return;
    }
    if (reply != NULL && (o->form == WHOLE_MGET || o->form == WHOLE_EXEC)) {
        hf_judge_read(w, reply);
    }
    bool bounded = o->form == WHOLE_LEVEL || o->form == AFTER || o->form == FRESH;
    if (bounded && reply != NULL && hf_reply_is_error(reply, "EXPIRED")) {
        hf_run_fail(w->run, HF_RUN_WRONG,
                    "bank: a read that may be fresher is refused because its timestamp is gone");
    }
    if (reply != NULL) {
        check_known(w, o, &replies[0], reply);
    }
    if (heard == HF_HEARD_OK && o->form == AFTER) {
        check_after(w, o, replies);
    } else if (heard == HF_HEARD_OK && o->form == FRESH) {
        check_fresh(w, o, reply);
    } else if (heard == HF_HEARD_OK && o->form == RANGE_OLD) {
        check_range(w, o, reply);
    } else if (heard == HF_HEARD_OK) {
        log_whole(w, a, reply);
    }
    hf_bank__over(a, heard);
}
