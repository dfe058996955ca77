/* append: lists of unique numbers, "4,17,9,"; strict serializable over all keys.
 *
 * Transactions of one to six appends and reads, in every form that the node offers. A key that has
 * grown long is left for a new one, so that reads stay short; the last reads see them all.
 * Flavours: "interactive": mostly HF.BEGIN, with savepoints; "scans": more of those.
 */
#include "tests/sim/checkers/check_append.h"
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LIVE_KEYS_MAX = 8, LONG = 40, MICROS_MAX = 6, LIST_MAX = 4096, FINISH_KEYS = 200 };

typedef struct lists {
    uint32_t live;
    uint32_t key[LIVE_KEYS_MAX];
    uint32_t length[LIVE_KEYS_MAX]; /* appends asked for */
    uint32_t next_key;
    int64_t next_value;
    uint32_t weights[8]; /* by form */
    int64_t list[LIST_MAX];
} lists;

typedef enum form {
    PLAIN, /* one command */
    MGET,
    EXEC,
    TXN,
    TXN_ID,
    BEGIN,
    BEGIN_ID,
    RANGE,
    FORMS,
    FINISH,
} form;

typedef struct micro {
    bool append;
    bool undone; /* in a part that is rolled back to the savepoint */
    uint32_t key;
    int64_t value;
} micro;

enum { SENT_COMMIT = 1, ASKED = 2, RETRIED = 3, SENT_ROLLBACK = 4 };

typedef struct op {
    form form;
    uint32_t stage, at, tries;
    uint32_t txn;
    uint32_t count;
    uint32_t save_at, undo_at; /* savepoint before micro save_at, back before undo_at */
    micro micros[MICROS_MAX];
    uint32_t keys_from, keys; /* FINISH */
    bool lost, pipelined, reads;
    char id[HF_ID_TEXT + 1];
} op;

static op *op_of(hf_actor *actor)
{
    _Static_assert(sizeof(op) <= HF_ACTOR_ROOM, "an operation fits");
    return (op *)(void *)actor->room;
}

/* ---- Keys ---- */

static uint32_t use_key(lists *l, hf_world_prng *prng, bool append)
{
    uint32_t at = (uint32_t)hf_world_prng_below(prng, l->live);
    if (append && ++l->length[at] > LONG) {
        l->key[at] = l->next_key++;
        l->length[at] = 1;
    }
    return l->key[at];
}

static void draw(hf_workload *w, hf_actor *a, op *o)
{
    lists *l = w->state;
    hf_world_prng *prng = hf_actor_prng(a);
    uint32_t most = o->form == PLAIN ? 1 : MICROS_MAX;
    o->count = 1 + (uint32_t)hf_world_prng_below(prng, most);
    uint32_t reads = o->form == MGET || o->reads ? 1000000 : 500000;
    for (uint32_t i = 0; i < o->count; i++) {
        micro *m = &o->micros[i];
        m->append = !hf_world_prng_chance(prng, reads);
        m->key = use_key(l, prng, m->append);
        m->value = m->append ? ++l->next_value : 0;
    }
    o->save_at = o->undo_at = UINT32_MAX;
    if ((o->form == BEGIN || o->form == BEGIN_ID) && o->count > 2 && hf_world_prng_coin(prng)) {
        o->save_at = (uint32_t)hf_world_prng_below(prng, o->count - 1);
        o->undo_at =
            o->save_at + 1 + (uint32_t)hf_world_prng_below(prng, o->count - o->save_at - 1);
        for (uint32_t i = o->save_at; i < o->undo_at; i++) {
            o->micros[i].undone = true;
        }
    }
}

/* ---- Sending ---- */

static void put_micro(hf_client *c, const hf_workload *w, const micro *m, const char *argc_append,
                      const char *argc_read)
{
    char key[HF_KEY_TEXT];
    hf_workload_key(w, m->key, key);
    if (argc_append != NULL) { /* inside HF.TXN: words of the one command */
        hf_client_put_text(c, "%s", m->append ? argc_append : argc_read);
    } else {
        hf_client_put_begin(c, m->append ? 3 : 2);
    }
    hf_client_put_text(c, m->append ? "APPEND" : "GET");
    hf_client_put_text(c, "%s", key);
    if (m->append) {
        hf_client_put_text(c, "%" PRId64 ",", m->value);
    }
}

static void put_txn(hf_client *c, const hf_workload *w, const op *o)
{
    uint32_t words = 3 + (o->form == TXN_ID ? 2u : 0);
    for (uint32_t i = 0; i < o->count; i++) {
        words += o->micros[i].append ? 4 : 3;
    }
    hf_client_put_begin(c, words);
    hf_client_put_text(c, "HF.TXN");
    if (o->form == TXN_ID) {
        hf_client_put_text(c, "ID");
        hf_client_put_text(c, "%s", o->id);
    }
    hf_client_put_text(c, "THEN");
    hf_client_put_text(c, "%u", o->count);
    for (uint32_t i = 0; i < o->count; i++) {
        put_micro(c, w, &o->micros[i], "3", "2");
    }
}

static void put_mget(hf_client *c, const hf_workload *w, const op *o)
{
    char key[HF_KEY_TEXT];
    hf_client_put_begin(c, 1 + o->count);
    hf_client_put_text(c, "MGET");
    for (uint32_t i = 0; i < o->count; i++) {
        hf_workload_key(w, o->micros[i].key, key);
        hf_client_put_text(c, "%s", key);
    }
}

static void put_begin(hf_client *c, const op *o)
{
    if (o->form == BEGIN_ID) {
        hf_client_put(c, "HF.BEGIN ID %s", o->id);
    } else {
        hf_client_put(c, "HF.BEGIN");
    }
}

static void put_interactive(hf_client *c, const hf_workload *w, const op *o, uint32_t i)
{
    if (i == o->save_at) {
        hf_client_put(c, "HF.SAVEPOINT here");
    }
    if (i == o->undo_at) {
        hf_client_put(c, "HF.ROLLBACK TO here");
    }
    if (i < o->count) {
        put_micro(c, w, &o->micros[i], NULL, NULL);
    }
}

static void send_form(hf_client *c, const hf_workload *w, op *o)
{
    switch (o->form) {
    case PLAIN:
        put_micro(c, w, &o->micros[0], NULL, NULL);
        break;
    case MGET:
        put_mget(c, w, o);
        break;
    case EXEC:
        hf_client_put(c, "MULTI");
        for (uint32_t i = 0; i < o->count; i++) {
            put_micro(c, w, &o->micros[i], NULL, NULL);
        }
        hf_client_put(c, "EXEC");
        break;
    case TXN:
    case TXN_ID:
        put_txn(c, w, o);
        break;
    case BEGIN: /* alone: were it refused, what follows would be done one by one */
    case BEGIN_ID:
        put_begin(c, o);
        break;
    case RANGE: /* all lists of one partition */
        hf_client_put(c, "HF.RANGE %u/%c %u/%c VALUES", o->at, w->letter, o->at, w->letter + 1);
        break;
    case FORMS:
    case FINISH:
        HF_UNREACHABLE();
    }
    hf_client_send(c);
}

static void start(hf_workload *w, hf_actor *a)
{
    lists *l = w->state;
    op *o = op_of(a);
    memset(o, 0, sizeof *o);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < FORMS; i++) {
        sum += l->weights[i];
    }
    uint32_t draw_at = (uint32_t)hf_world_prng_below(hf_actor_prng(a), sum);
    while (draw_at >= l->weights[o->form]) {
        draw_at -= l->weights[o->form];
        o->form++;
    }
    if (hf_run_moving(w->run) && hf_world_prng_coin(hf_actor_prng(a))) {
        o->form = hf_world_prng_coin(hf_actor_prng(a)) ? EXEC : MGET;
        o->reads = true;
    }
    draw(w, a, o);
    if (o->form == TXN_ID || o->form == BEGIN_ID) {
        hf_id_make(a, o->id);
    }
    if (o->form == RANGE) {
        o->at = (uint32_t)hf_world_prng_below(hf_actor_prng(a), HF_PARTITIONS);
    }
    o->pipelined = hf_world_prng_below(hf_actor_prng(a), 4) == 0;
    o->txn = hf_actor_begin(a);
    send_form(&a->client, w, o);
}

/* ---- What was heard ---- */

static void log_list(hf_workload *w, uint32_t txn, uint32_t key, const hf_reply *reply)
{
    lists *l = w->state;
    uint32_t count;
    if (reply->kind == '-') {
        return;
    }
    if (!hf_list_of(reply, l->list, LIST_MAX, &count)) {
        hf_run_fail(w->run, HF_RUN_WRONG, "append: list %u holds what nobody appended", key);
        return;
    }
    hf_history_list(&w->history, txn, key, l->list, count);
}

/* `reply` NULL: not heard. */
static void log_micro(hf_workload *w, const op *o, const micro *m, const hf_reply *reply)
{
    if (m->append) {
        if (reply == NULL || reply->kind != '-') {
            hf_history_append(&w->history, o->txn, m->key, m->value);
        }
    } else if (reply != NULL) {
        log_list(w, o->txn, m->key, reply);
    }
}

/* What it would do, no answer known. In a dialogue that was logged step by step already. */
static void log_blind(hf_workload *w, const op *o)
{
    bool dialogue = (o->form == BEGIN || o->form == BEGIN_ID) && !o->pipelined;
    if (o->form == RANGE || o->form == MGET || dialogue) {
        return;
    }
    for (uint32_t i = 0; i < o->count; i++) {
        if (!o->micros[i].undone) {
            log_micro(w, o, &o->micros[i], NULL);
        }
    }
}

static void over(hf_workload *w, hf_actor *a, hf_heard heard)
{
    hf_actor_end(a, op_of(a)->txn, heard);
    hf_actor_done(a);
    (void)w;
}

static void log_array(hf_workload *w, const op *o, const hf_reply *reply)
{
    if (reply->kind != '*' || reply->count != o->count) {
        hf_run_fail(w->run, HF_RUN_WRONG,
                    "append: form %d: '%c' with %u elements in answer to %u commands", (int)o->form,
                    reply->kind, reply->count, o->count);
        log_blind(w, o);
        return;
    }
    for (uint32_t i = 0; i < o->count; i++) {
        log_micro(w, o, &o->micros[i], &reply->items[i]);
    }
}

/* Every key of the partition must be there that is in it: absent ones are empty lists. */
static void log_range(hf_workload *w, const op *o, const hf_reply *reply)
{
    const lists *l = w->state;
    char key[HF_KEY_TEXT];
    for (uint32_t k = 0; k < l->next_key; k++) {
        hf_workload_key(w, k, key);
        if (key[0] - '0' != (int)o->at) {
            continue;
        }
        const hf_reply none = { .kind = '_' };
        const hf_reply *found = &none;
        for (uint32_t i = 0; i + 1 < reply->count; i += 2) {
            if (!hf_reply_is_text(&reply->items[i], key)) {
                continue;
            }
            if (found != &none) {
                hf_run_fail(w->run, HF_RUN_WRONG, "append: a scan shows list %u twice", k);
            }
            found = &reply->items[i + 1];
        }
        log_list(w, o->txn, k, found);
    }
}

/* RESP3 answers pairs as arrays of two; both look alike after this. */
static bool is_pairs(const hf_reply *reply)
{
    return reply->kind == '*' && reply->count % 2 == 0 &&
           (reply->count == 0 || reply->items[0].kind == '$');
}

static void log_pairs(hf_workload *w, const op *o, const hf_reply *reply)
{
    const lists *l = w->state;
    if (is_pairs(reply)) {
        log_range(w, o, reply);
        return;
    }
    hf_reply *flat = hf_check_alloc(2u * (reply->count + 1), sizeof *flat);
    hf_reply whole = { .kind = '*', .items = flat };
    for (uint32_t i = 0; i < reply->count && reply->items[i].count == 2; i++) {
        flat[whole.count++] = reply->items[i].items[0];
        flat[whole.count++] = reply->items[i].items[1];
    }
    if (whole.count != 2 * reply->count || reply->count > l->next_key) {
        hf_run_fail(w->run, HF_RUN_WRONG, "append: HF.RANGE answered no pairs");
    } else {
        log_range(w, o, &whole);
    }
    free(flat);
}

static void end_form(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    op *o = op_of(a);
    hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(reply);
    if (reply != NULL && o->reads) {
        hf_judge_read(w, reply);
    }
    if (heard != HF_HEARD_OK) {
        log_blind(w, o);
    } else if (o->form == PLAIN) {
        log_micro(w, o, &o->micros[0], reply);
    } else if (o->form == RANGE) {
        log_pairs(w, o, reply);
    } else {
        log_array(w, o, reply);
    }
    over(w, a, heard);
}

/* ---- Interactive ---- */

static void send_micro(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    for (uint32_t i = o->at; o->pipelined && i < o->count; i++) {
        put_interactive(&a->client, w, o, i);
    }
    if (!o->pipelined) {
        put_interactive(&a->client, w, o, o->at);
    }
    if (o->pipelined || o->at == o->count) {
        hf_client_put(&a->client, "HF.COMMIT");
        o->stage = SENT_COMMIT;
    }
    hf_client_send(&a->client);
}

static void roll_back(hf_actor *a)
{
    op *o = op_of(a);
    o->stage = SENT_ROLLBACK;
    hf_client_put(&a->client, "HF.ROLLBACK");
    hf_client_send(&a->client);
}

/* The answers of one dialogue step, or of the whole pipeline. False: an error came before COMMIT.
 */
static bool log_steps(hf_workload *w, op *o, const hf_reply *replies, uint32_t count)
{
    uint32_t r = 0;
    for (uint32_t i = o->at; r < count; i++) {
        if (i == o->save_at || i == o->undo_at) {
            if (replies[r++].kind == '-') {
                return false;
            }
        }
        if (i < o->count) {
            if (replies[r].kind == '-') {
                return false;
            }
            if (!o->micros[i].undone) {
                log_micro(w, o, &o->micros[i], &replies[r]);
            }
            r++;
        } else {
            break;
        }
    }
    return true;
}

static void lost_interactive(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    if (o->stage != SENT_COMMIT) {
        over(w, a, HF_HEARD_FAIL); /* nobody asked for the commit: it must never happen */
        return;
    }
    if (o->form == BEGIN_ID && !hf_run_over(w->run)) {
        o->lost = true;
        hf_actor_wait(a, hf_actor_pause(a));
        return;
    }
    log_blind(w, o);
    over(w, a, HF_HEARD_UNKNOWN);
}

static void step_pipelined(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    op *o = op_of(a);
    hf_heard heard = hf_heard_of(&replies[count - 1]);
    bool good = heard == HF_HEARD_OK;
    for (uint32_t i = 0; i < count; i++) {
        good = good && replies[i].kind != '-';
    }
    if (good) {
        HF_ASSERT(log_steps(w, o, replies, count - 1));
        over(w, a, heard);
        return;
    }
    /* A command failed, and if the commit did not, it went on without it: which part is there is
     * not told. */
    log_blind(w, o);
    hf_actor_end(a, o->txn, heard == HF_HEARD_OK ? HF_HEARD_UNKNOWN : heard);
    roll_back(a);
}

static void step_interactive(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    op *o = op_of(a);
    if (o->stage == SENT_ROLLBACK) {
        hf_actor_done(a);
        return;
    }
    if (replies == NULL) {
        lost_interactive(w, a);
        return;
    }
    if (o->stage == SENT_COMMIT) {
        hf_heard heard = hf_heard_of(&replies[count - 1]);
        if (heard == HF_HEARD_FAIL) {
            hf_actor_end(a, o->txn, heard);
            roll_back(a);
        } else {
            over(w, a, heard);
        }
        return;
    }
    bool begun = o->tries != 0;
    bool good = begun ? log_steps(w, o, replies, count) : replies[0].kind != '-';
    if (!good || hf_world_prng_below(hf_actor_prng(a), 40) == 0) {
        hf_actor_end(a, o->txn, HF_HEARD_FAIL);
        roll_back(a);
        return;
    }
    o->at += begun;
    o->tries = 1;
    send_micro(w, a);
}

/* ---- Ids ---- */

static void step_outcome(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    op *o = op_of(a);
    bool expired = false;
    hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_outcome_of(reply, &expired);
    if (heard == HF_HEARD_UNKNOWN && !expired && !hf_run_over(w->run)) {
        hf_actor_wait(a, hf_actor_pause(a));
        return;
    }
    log_blind(w, o);
    over(w, a, heard);
}

static void wake(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    bool again = o->form == TXN_ID && ++o->tries < 3 && hf_world_prng_coin(hf_actor_prng(a));
    o->stage = again ? RETRIED : ASKED;
    if (again) {
        send_form(&a->client, w, o);
    } else {
        hf_client_put(&a->client, "HF.OUTCOME %s", o->id);
        hf_client_send(&a->client);
    }
}

static void step_txn_id(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    op *o = op_of(a);
    if (hf_run_over(w->run) || (reply != NULL && (!o->lost || hf_retry_settles(reply)))) {
        end_form(w, a, reply);
        return;
    }
    o->lost = true;
    hf_actor_wait(a, hf_actor_pause(a));
}

/* ---- The end ---- */

static void finish(hf_workload *w, hf_actor *a)
{
    const lists *l = w->state;
    op *o = op_of(a);
    char key[HF_KEY_TEXT];
    uint32_t from = a->workload == w && o->form == FINISH ? o->keys_from + o->keys : 0;
    memset(o, 0, sizeof *o);
    o->form = FINISH;
    o->keys_from = from;
    o->keys = l->next_key - from < FINISH_KEYS ? l->next_key - from : FINISH_KEYS;
    o->txn = hf_actor_begin(a);
    hf_client_put_begin(&a->client, 1 + o->keys);
    hf_client_put_text(&a->client, "MGET");
    for (uint32_t i = 0; i < o->keys; i++) {
        hf_workload_key(w, from + i, key);
        hf_client_put_text(&a->client, "%s", key);
    }
    hf_client_send(&a->client);
}

static void step_finish(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    const lists *l = w->state;
    op *o = op_of(a);
    if (reply == NULL || reply->kind != '*' || reply->count != o->keys) {
        hf_actor_end(a, o->txn, HF_HEARD_UNKNOWN);
        hf_actor_finish_again(a);
        return;
    }
    for (uint32_t i = 0; i < o->keys; i++) {
        log_list(w, o->txn, o->keys_from + i, &reply->items[i]);
    }
    hf_actor_end(a, o->txn, HF_HEARD_OK);
    if (o->keys_from + o->keys < l->next_key) {
        finish(w, a);
    } else {
        o->form = FORMS; /* the next finish() begins anew */
        hf_actor_done(a);
    }
}

static void step(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    op *o = op_of(a);
    const hf_reply *last = replies == NULL ? NULL : &replies[count - 1];
    if (o->form == FINISH) {
        step_finish(w, a, last);
    } else if (o->stage == ASKED) {
        step_outcome(w, a, last);
    } else if (o->form == TXN_ID) {
        step_txn_id(w, a, last);
    } else if (o->form != BEGIN && o->form != BEGIN_ID) {
        end_form(w, a, last);
    } else if (o->pipelined && replies != NULL && o->stage == SENT_COMMIT) {
        step_pipelined(w, a, replies, count);
    } else {
        step_interactive(w, a, replies, count);
    }
}

/* ---- Life ---- */

static void lists_open(hf_workload *w)
{
    lists *l = hf_check_alloc(1, sizeof *l);
    w->state = l;
    l->live = 1 + (uint32_t)hf_world_prng_below(&w->prng, LIVE_KEYS_MAX);
    for (uint32_t i = 0; i < l->live; i++) {
        l->key[i] = l->next_key++;
    }
    for (uint32_t i = 0; i < FORMS; i++) {
        l->weights[i] = (uint32_t)hf_world_prng_below(&w->prng, 4);
    }
    l->weights[RANGE] /= 3;
    l->weights[EXEC] += 1;
    l->weights[MGET] += 1;
    if (strcmp(w->flavour, "scans") == 0) {
        l->weights[RANGE] += 3;
    }
    if (strcmp(w->flavour, "interactive") == 0) {
        l->weights[BEGIN] += 12;
        l->weights[BEGIN_ID] += 4;
    }
}

static void lists_close(hf_workload *w)
{
    free(w->state);
}

static void setup(hf_workload *w, hf_actor *a)
{
    (void)w;
    hf_actor_done(a);
}

static void judge(hf_workload *w)
{
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    (void)hf_check_append(&w->history, &verdict);
    hf_judge_with(w, "append", &verdict);
    hf_verdict_close(&verdict);
}

const hf_workload_kind hf_workload_append = { .name = "append",
                                              .open = lists_open,
                                              .close = lists_close,
                                              .setup = setup,
                                              .start = start,
                                              .finish = finish,
                                              .step = step,
                                              .wake = wake,
                                              .judge = judge };
