/* escrow: hot quantities with a floor and a ceiling, added to from both sides at once.
 *
 * Quantity q is a key (q < quantities / 2) or a field of a record. Every sum that anyone can see
 * lies between the bounds; a refusal must have had a reason. Flavour "wide": the bounds are those
 * of 64 bits, which the additions of several clients leave together. Beside them a few odd keys are
 * made and deleted, as a number by one and as a record by another, with sums at the edge of 64
 * bits: whatever comes of it, the node must stay sane.
 */
#include "tests/sim/checkers/check_counter.h"
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { QUANTITIES_MAX = 6, ADDS_MAX = 3, ODD_KEYS = 4 };

typedef struct quantities {
    uint32_t count;
    int64_t low, high;
    int64_t delta_max;
    int64_t opening;
    int64_t hopeless; /* fits nowhere; 0: there is no such addition */
    uint32_t reads_ppm;
} quantities;

typedef enum form {
    ADD_PLAIN,
    ADD_EXEC,
    ADD_TXN,
    ADD_TXN_ID,
    ADD_HOPELESS, /* the last addition cannot fit: none of them may stay */
    ADD_IF_NOT,   /* under a condition that never holds */
    ADD_DIALOGUE, /* HF.BEGIN, then HF.COMMIT or HF.ROLLBACK */
    ADD_ODD,
    ADD_FORMS,
    READ_ONE,
    READ_EXEC,
    SETUP,
    FINISH,
} form;

typedef struct op {
    form form;
    uint32_t txn, count, tries;
    uint32_t quantity[QUANTITIES_MAX];
    int64_t delta[ADDS_MAX];
    bool lost, begun, asked, gives_up, impostor;
    char id[HF_ID_TEXT + 1];
} op;

static op *op_of(hf_actor *actor)
{
    _Static_assert(sizeof(op) <= HF_ACTOR_ROOM, "an operation fits");
    return (op *)(void *)actor->room;
}

static bool is_field(const quantities *q, uint32_t number)
{
    return number >= (q->count + 1) / 2;
}

static void over(hf_actor *a, hf_heard heard)
{
    hf_actor_end(a, op_of(a)->txn, heard);
    hf_actor_done(a);
}

/* ---- Sending ---- */

/* "HF.ADD key delta [FIELD f] MIN low MAX high", led by its count of words inside HF.TXN */
static int add_text(const hf_workload *w, uint32_t number, int64_t delta, bool led, char *text,
                    size_t room)
{
    const quantities *q = w->state;
    char key[HF_KEY_TEXT];
    hf_workload_key(w, number, key);
    bool field = is_field(q, number);
    return snprintf(text, room, "%sHF.ADD %s %" PRId64 "%s MIN %" PRId64 " MAX %" PRId64,
                    !led    ? ""
                    : field ? " 9 "
                            : " 7 ",
                    key, delta, field ? " FIELD f" : "", q->low, q->high);
}

static void put_add(hf_client *c, const hf_workload *w, const op *o, uint32_t i)
{
    char text[256];
    (void)add_text(w, o->quantity[i], o->delta[i], false, text, sizeof text);
    hf_client_put(c, "%s", text);
}

static void put_txn(hf_client *c, const hf_workload *w, const op *o)
{
    char text[1024];
    char key[HF_KEY_TEXT];
    hf_workload_key(w, 0, key);
    int at = snprintf(text, sizeof text, "HF.TXN%s%s", o->id[0] == '\0' ? "" : " ID ", o->id);
    if (o->form == ADD_IF_NOT) {
        at += snprintf(text + at, sizeof text - (size_t)at, " IF %s = never", key);
    }
    at += snprintf(text + at, sizeof text - (size_t)at, " THEN %u", o->count);
    for (uint32_t i = 0; i < o->count; i++) {
        at += add_text(w, o->quantity[i], o->delta[i], true, text + at, sizeof text - (size_t)at);
    }
    hf_client_put(c, "%s", text);
}

/* Two or three additions to odd keys in one transaction, or all of them deleted. */
static void put_odd(hf_client *c, const hf_workload *w, hf_world_prng *prng)
{
    static const int64_t deltas[] = { 1,         -1,         INT64_MAX / 2 + 1, INT64_MIN / 2 - 1,
                                      INT64_MAX, -INT64_MAX, INT64_MIN };
    const quantities *q = w->state;
    char text[512];
    char key[HF_KEY_TEXT];
    if (hf_world_prng_chance(prng, 200000)) {
        int at = snprintf(text, sizeof text, "DEL");
        for (uint32_t i = 0; i < ODD_KEYS; i++) {
            hf_workload_key(w, q->count + i, key);
            at += snprintf(text + at, sizeof text - (size_t)at, " %s", key);
        }
        hf_client_put(c, "%s", text);
        return;
    }
    uint32_t count = 2 + (uint32_t)hf_world_prng_below(prng, 2);
    int at = snprintf(text, sizeof text, "HF.TXN THEN %u", count);
    for (uint32_t i = 0; i < count; i++) {
        bool field = hf_world_prng_coin(prng);
        hf_workload_key(w, q->count + (uint32_t)hf_world_prng_below(prng, ODD_KEYS), key);
        at += snprintf(text + at, sizeof text - (size_t)at, " %d HF.ADD %s %" PRId64 "%s",
                       field ? 5 : 3, key, deltas[hf_world_prng_below(prng, 7)],
                       field ? " FIELD f" : "");
    }
    hf_client_put(c, "%s", text);
}

static void put_read(hf_client *c, const hf_workload *w, uint32_t number)
{
    char key[HF_KEY_TEXT];
    hf_workload_key(w, number, key);
    if (is_field(w->state, number)) {
        hf_client_put(c, "HGET %s f", key);
    } else {
        hf_client_put(c, "GET %s", key);
    }
}

static void send_form(hf_client *c, const hf_workload *w, const op *o)
{
    bool in_exec =
        o->form == ADD_EXEC || o->form == ADD_HOPELESS || o->form == READ_EXEC || o->form == FINISH;
    if (in_exec) {
        hf_client_put(c, "MULTI");
    }
    if (o->form == ADD_TXN || o->form == ADD_TXN_ID || o->form == ADD_IF_NOT) {
        put_txn(c, w, o);
    } else {
        for (uint32_t i = 0; i < o->count; i++) {
            if (o->form < ADD_FORMS) {
                put_add(c, w, o, i);
            } else {
                put_read(c, w, o->quantity[i]);
            }
        }
    }
    if (in_exec) {
        hf_client_put(c, "EXEC");
    }
    hf_client_send(c);
}

static void start(hf_workload *w, hf_actor *a)
{
    const quantities *q = w->state;
    op *o = op_of(a);
    hf_world_prng *prng = hf_actor_prng(a);
    bool read = hf_world_prng_chance(prng, q->reads_ppm);
    o->form = read ? (hf_world_prng_coin(prng) ? READ_ONE : READ_EXEC)
                   : (form)hf_world_prng_below(prng, ADD_FORMS);
    o->form = o->form == ADD_HOPELESS && q->hopeless == 0 ? ADD_EXEC : o->form;
    bool one = o->form == READ_ONE || o->form == ADD_PLAIN;
    o->count = one ? 1 : 1 + (uint32_t)hf_world_prng_below(prng, ADDS_MAX);
    o->txn = hf_actor_begin(a);
    if (o->form == ADD_ODD) {
        put_odd(&a->client, w, prng);
        hf_client_send(&a->client);
        return;
    }
    for (uint32_t i = 0; i < o->count; i++) {
        o->quantity[i] = (uint32_t)hf_world_prng_below(prng, q->count);
        if (read) {
            continue;
        }
        int64_t size = (int64_t)hf_world_prng_between(prng, 1, (uint64_t)q->delta_max);
        o->delta[i] = hf_world_prng_coin(prng) ? size : -size;
        if (o->form == ADD_HOPELESS && i + 1 == o->count) {
            o->delta[i] = hf_world_prng_coin(prng) ? q->hopeless : -q->hopeless;
        }
        if (o->form != ADD_IF_NOT) {
            (void)hf_history_add(&w->history, o->txn, o->quantity[i], o->delta[i]);
        }
    }
    o->gives_up = hf_world_prng_coin(prng);
    if (o->form == ADD_TXN_ID) {
        hf_id_make(a, o->id);
    }
    if (o->form == ADD_DIALOGUE) { /* alone: were it refused, additions would be done one by one */
        hf_client_put(&a->client, "HF.BEGIN");
        hf_client_send(&a->client);
    } else {
        send_form(&a->client, w, o);
    }
}

/* ---- What was heard ---- */

static void log_count(hf_workload *w, uint32_t txn, uint32_t number, const hf_reply *reply)
{
    int64_t value;
    if (reply->kind == '-') {
        return;
    }
    if (!hf_reply_integer(reply, &value)) {
        hf_run_fail(w->run, HF_RUN_WRONG, "escrow: quantity %u reads as '%c' %.*s", number,
                    reply->kind, reply->bytes.size < 40 ? (int)reply->bytes.size : 40,
                    (const char *)reply->bytes.data);
        return;
    }
    uint32_t at = hf_history_op(&w->history, txn, HF_MICRO_COUNT, (int64_t[]){ number });
    hf_history_answer(&w->history, txn, at, value);
}

static void step_read(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    op *o = op_of(a);
    hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(reply);
    if (o->form == FINISH && heard != HF_HEARD_OK) {
        hf_actor_end(a, o->txn, heard);
        hf_actor_finish_again(a);
        return;
    }
    for (uint32_t i = 0; heard == HF_HEARD_OK && i < o->count; i++) {
        bool array = o->form != READ_ONE;
        if (array && (reply->kind != '*' || reply->count != o->count)) {
            hf_run_fail(w->run, HF_RUN_WRONG, "escrow: a read was answered with '%c'", reply->kind);
            break;
        }
        log_count(w, o->txn, o->quantity[i], array ? &reply->items[i] : reply);
    }
    over(a, heard);
}

/* Whose outcome is known comes again under the same id, and is another request: it may not happen,
 * nor hear what the first one heard. */
static void impose(hf_workload *w, hf_actor *a, hf_heard heard)
{
    op *o = op_of(a);
    hf_actor_end(a, o->txn, heard);
    if (hf_run_over(a->run) || hf_world_prng_coin(hf_actor_prng(a))) {
        hf_actor_done(a);
        return;
    }
    o->impostor = true;
    bool apart = o->count > 1 && hf_world_prng_coin(hf_actor_prng(a));
    o->delta[0] += apart ? 0 : 1;
    char text[1024];
    uint32_t first = apart ? o->count - 1 : o->count; /* the same words, the last one after ELSE */
    int at = snprintf(text, sizeof text, "HF.TXN ID %s THEN %u", o->id, first);
    for (uint32_t i = 0; i < o->count; i++) {
        at += snprintf(text + at, sizeof text - (size_t)at, "%s", i == first ? " ELSE 1" : "");
        at += add_text(w, o->quantity[i], o->delta[i], true, text + at, sizeof text - (size_t)at);
    }
    hf_client_put(&a->client, "%s", text);
    hf_client_send(&a->client);
}

static void step_impostor(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    if (reply != NULL && reply->kind != '-') {
        hf_run_fail(w->run, HF_RUN_WRONG, "escrow: an id was taken for another request's");
    }
    hf_actor_done(a);
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

static void step_id(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    op *o = op_of(a);
    bool expired = false;
    if (o->impostor) {
        step_impostor(w, a, reply);
    } else if (reply == NULL) {
        later(a);
    } else if (o->asked) {
        hf_heard heard = hf_outcome_of(reply, &expired);
        if (heard == HF_HEARD_UNKNOWN && !expired) {
            later(a);
        } else {
            impose(w, a, heard);
        }
    } else if (o->lost && !hf_retry_settles(reply)) {
        later(a);
    } else if (hf_heard_of(reply) == HF_HEARD_OK) {
        impose(w, a, HF_HEARD_OK);
    } else { /* what was not recorded does not bar others */
        over(a, hf_heard_of(reply));
    }
}

static void wake(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    o->asked = ++o->tries > 3 || hf_world_prng_coin(hf_actor_prng(a));
    if (o->asked) {
        hf_client_put(&a->client, "HF.OUTCOME %s", o->id);
        hf_client_send(&a->client);
    } else {
        send_form(&a->client, w, o);
    }
}

/* An addition that is refused leaves the dialogue alive; ours then takes the others back. */
static void step_dialogue(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    op *o = op_of(a);
    if (o->asked) {
        hf_heard heard = replies == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(&replies[count - 1]);
        over(a, o->gives_up ? HF_HEARD_FAIL : heard);
        return;
    }
    if (replies == NULL) {
        over(a, HF_HEARD_FAIL); /* nobody asked for the commit */
        return;
    }
    if (!o->begun && replies[0].kind != '-') {
        o->begun = true;
        send_form(&a->client, w, o);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        o->gives_up = o->gives_up || replies[i].kind == '-';
    }
    o->asked = true;
    hf_client_put(&a->client, o->gives_up ? "HF.ROLLBACK" : "HF.COMMIT");
    hf_client_send(&a->client);
}

static void step(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    op *o = op_of(a);
    const hf_reply *last = replies == NULL ? NULL : &replies[count - 1];
    if (o->form == READ_ONE || o->form == READ_EXEC || o->form == FINISH) {
        step_read(w, a, last);
    } else if (o->form == ADD_TXN_ID) {
        step_id(w, a, last);
    } else if (o->form == ADD_DIALOGUE) {
        step_dialogue(w, a, replies, count);
    } else {
        hf_heard heard = last == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(last);
        if (heard == HF_HEARD_OK && o->form == ADD_HOPELESS) {
            hf_run_fail(w->run, HF_RUN_WRONG,
                        "escrow: an addition beyond both bounds went through");
        }
        /* Of odd keys nothing is written down that a limit could be judged by. */
        over(a, o->form == ADD_ODD && heard == HF_HEARD_LIMIT ? HF_HEARD_FAIL : heard);
    }
}

/* ---- Life ---- */

static void setup(hf_workload *w, hf_actor *a)
{
    const quantities *q = w->state;
    op *o = op_of(a);
    char key[HF_KEY_TEXT];
    o->form = SETUP;
    o->txn = hf_actor_begin(a);
    for (uint32_t i = 0; i < q->count; i++) {
        hf_workload_key(w, i, key);
        hf_client_put(&a->client, is_field(q, i) ? "HSET %s f %" PRId64 : "SET %s %" PRId64, key,
                      q->opening);
        hf_history_open_key(&w->history, o->txn, i, q->opening, q->low, q->high);
    }
    hf_client_send(&a->client);
}

static void finish(hf_workload *w, hf_actor *a)
{
    const quantities *q = w->state;
    op *o = op_of(a);
    o->form = FINISH;
    o->count = q->count;
    for (uint32_t i = 0; i < q->count; i++) {
        o->quantity[i] = i;
    }
    o->txn = hf_actor_begin(a);
    send_form(&a->client, w, o);
}

static void quantities_open(hf_workload *w)
{
    quantities *q = hf_check_alloc(1, sizeof *q);
    w->state = q;
    q->count = 1 + (uint32_t)hf_world_prng_below(&w->prng, QUANTITIES_MAX);
    q->low = (int64_t)hf_world_prng_below(&w->prng, 20) - 10;
    q->high = q->low + 5 + (int64_t)hf_world_prng_below(&w->prng, 100);
    q->delta_max = 1 + (q->high - q->low) / 2;
    q->hopeless = 2 * (q->high - q->low + 1);
    q->reads_ppm = (uint32_t)hf_world_prng_between(&w->prng, 50000, 400000);
    q->opening = q->low + (q->high - q->low) / 2;
    if (strcmp(w->flavour, "wide") == 0) {
        q->low = INT64_MIN;
        q->high = INT64_MAX;
        q->delta_max = INT64_MAX / ADDS_MAX;
        q->hopeless = 0;
    }
}

static void quantities_close(hf_workload *w)
{
    free(w->state);
}

static void judge(hf_workload *w)
{
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    (void)hf_check_counter(&w->history, &verdict);
    hf_judge_with(w, "counter", &verdict);
    hf_verdict_close(&verdict);
}

const hf_workload_kind hf_workload_escrow = { .name = "escrow",
                                              .open = quantities_open,
                                              .close = quantities_close,
                                              .setup = setup,
                                              .start = start,
                                              .finish = finish,
                                              .step = step,
                                              .wake = wake,
                                              .judge = judge };
