/* carry: values that go from key to key, by RENAME, RENAMENX and COPY over shards.
 *
 * A parcel lies at exactly one of its places, which are keys of different shards. To carry it from
 * one place to another is a compare-and-set of where it is; to look at all places at once is a
 * read: so the judge of registers says whether all that was heard fits one order, and none may be
 * there twice or not at all. A copied list is a beginning of its original, and never an older one
 * than a copy that was acknowledged.
 */
#include "tests/sim/checkers/check_register.h"
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PARCELS_MAX = 3, PLACES = 4, LISTS = 2, LIST_LONG = 60 };

/* A list at one key, a copy of it at the next one. */
typedef struct list {
    uint32_t key;
    uint32_t asked;  /* appends */
    uint32_t length; /* that somebody heard of */
    uint32_t copied; /* ... and the copy's */
} list;

typedef struct parcels {
    uint32_t count;
    uint32_t place[PARCELS_MAX]; /* a guess at where it is */
    list lists[LISTS];
    uint32_t next_key;
} parcels;

typedef enum form {
    RENAME,
    RENAMENX,
    EXEC,     /* MULTI: RENAME */
    EXEC_ALL, /* MULTI: RENAME, KEYS of all places, DBSIZE */
    COPY_DEL, /* MULTI: COPY, DEL */
    TXN,      /* HF.TXN THEN 1 RENAME */
    TXN_ID,
    DIALOGUE, /* HF.BEGIN: RENAME */
    CARRIES,
    LOOK = CARRIES,
    LOOK_EXEC,
    APPEND,
    COPY,
    BOTH, /* MGET of a list and its copy */
    FORMS,
    SETUP,
    FINISH,
} form;

enum { FIRST, SECOND, ASKED, ENDS };

typedef struct op {
    form form;
    uint32_t stage, tries;
    uint32_t txn, at, from, to;
    uint32_t length, copied; /* known when it was asked */
    uint32_t number;         /* micro-operation of the carrying */
    bool lost;
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

static uint32_t place_key(uint32_t parcel, uint32_t place)
{
    return parcel * PLACES + place;
}

/* ---- Sending ---- */

static void send_carry(hf_workload *w, hf_actor *a)
{
    const op *o = op_of(a);
    hf_client *c = &a->client;
    char from[HF_KEY_TEXT];
    char to[HF_KEY_TEXT];
    hf_workload_key(w, place_key(o->at, o->from), from);
    hf_workload_key(w, place_key(o->at, o->to), to);
    switch ((int)o->form) {
    case RENAME:
    case RENAMENX:
        hf_client_put(c, "%s %s %s", o->form == RENAME ? "RENAME" : "RENAMENX", from, to);
        break;
    case EXEC:
        hf_client_put(c, "MULTI");
        hf_client_put(c, "RENAME %s %s", from, to);
        hf_client_put(c, "EXEC");
        break;
    case EXEC_ALL:
        hf_client_put(c, "MULTI");
        hf_client_put(c, "RENAME %s %s", from, to);
        hf_client_put(c, "KEYS ?/%c*", w->letter);
        hf_client_put(c, "DBSIZE");
        hf_client_put(c, "EXEC");
        break;
    case COPY_DEL:
        hf_client_put(c, "MULTI");
        hf_client_put(c, "COPY %s %s REPLACE", from, to);
        hf_client_put(c, "DEL %s", from);
        hf_client_put(c, "EXEC");
        break;
    case TXN:
    case TXN_ID:
        hf_client_put(c, "HF.TXN%s%s THEN 1 3 RENAME %s %s", o->id[0] == '\0' ? "" : " ID ", o->id,
                      from, to);
        break;
    default:
        HF_ASSERT(o->form == DIALOGUE);
        if (o->stage == FIRST) {
            hf_client_put(c, "HF.BEGIN");
        } else {
            hf_client_put(c, "RENAME %s %s", from, to);
        }
        break;
    }
    hf_client_send(c);
}

static void put_places(hf_client *c, const hf_workload *w, uint32_t parcel)
{
    char key[HF_KEY_TEXT];
    hf_client_put_begin(c, 1 + PLACES);
    hf_client_put_text(c, "MGET");
    for (uint32_t i = 0; i < PLACES; i++) {
        hf_workload_key(w, place_key(parcel, i), key);
        hf_client_put_text(c, "%s", key);
    }
}

static void send_list(hf_workload *w, hf_actor *a)
{
    parcels *p = w->state;
    op *o = op_of(a);
    list *l = &p->lists[o->at];
    char key[HF_KEY_TEXT];
    char copy[HF_KEY_TEXT];
    if (o->form == APPEND && l->asked == LIST_LONG) { /* reads stay short */
        *l = (list){ .key = p->next_key };
        p->next_key += 2;
    }
    o->from = l->key;
    o->length = l->length;
    o->copied = l->copied;
    hf_workload_key(w, l->key, key);
    hf_workload_key(w, l->key + 1, copy);
    if (o->form == APPEND) {
        l->asked++;
        hf_client_put(&a->client, "APPEND %s x", key);
    } else if (o->form == COPY) {
        hf_client_put(&a->client, "COPY %s %s REPLACE", key, copy);
    } else {
        hf_client_put(&a->client, "MGET %s %s", key, copy);
    }
    hf_client_send(&a->client);
}

static void start(hf_workload *w, hf_actor *a)
{
    const parcels *p = w->state;
    op *o = op_of(a);
    hf_world_prng *prng = hf_actor_prng(a);
    o->form = (form)hf_world_prng_below(prng, FORMS);
    if (o->form >= APPEND) {
        o->at = (uint32_t)hf_world_prng_below(prng, LISTS);
        send_list(w, a);
        return;
    }
    o->at = (uint32_t)hf_world_prng_below(prng, p->count);
    o->txn = hf_actor_begin(a);
    if (o->form == LOOK || o->form == LOOK_EXEC) {
        if (o->form == LOOK_EXEC) {
            hf_client_put(&a->client, "MULTI");
        }
        put_places(&a->client, w, o->at);
        if (o->form == LOOK_EXEC) {
            hf_client_put(&a->client, "EXEC");
        }
        hf_client_send(&a->client);
        return;
    }
    bool knows = hf_world_prng_below(prng, 4) != 0;
    o->from = knows ? p->place[o->at] : (uint32_t)hf_world_prng_below(prng, PLACES);
    o->to = (o->from + 1 + (uint32_t)hf_world_prng_below(prng, PLACES - 1)) % PLACES;
    o->number =
        hf_history_op(&w->history, o->txn, HF_MICRO_CAS, (int64_t[]){ o->at, o->from, o->to });
    if (o->form == TXN_ID) {
        hf_id_make(a, o->id);
    }
    send_carry(w, a);
}

/* ---- What was heard of parcels ---- */

static void carried(hf_workload *w, hf_actor *a, bool yes)
{
    parcels *p = w->state;
    const op *o = op_of(a);
    if (yes) {
        p->place[o->at] = o->to;
    }
    hf_history_answer(&w->history, o->txn, o->number, yes);
    over(a, HF_HEARD_OK);
}

static bool is_integer(const hf_reply *reply, int64_t value)
{
    return reply->kind == ':' && reply->integer == value;
}

/* The answer to one RENAME. */
static void heard_one(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    hf_heard heard = hf_heard_of(reply);
    if (hf_reply_is_error(reply, "ERR no such key")) {
        carried(w, a, false);
    } else if (heard != HF_HEARD_OK) {
        over(a, heard);
    } else if (hf_reply_is_text(reply, "OK") || is_integer(reply, 1)) {
        carried(w, a, true);
    } else {
        hf_run_fail(w->run, HF_RUN_WRONG, "carry: form %d was answered with '%c' %" PRId64,
                    (int)op_of(a)->form, reply->kind, reply->integer);
        over(a, HF_HEARD_UNKNOWN);
    }
}

/* Each parcel is at one of its places, also where one was carried in the same transaction. */
static void check_keys(hf_workload *w, const op *o, const hf_reply *carried, const hf_reply *keys)
{
    const parcels *p = w->state;
    for (uint32_t parcel = 0; parcel < p->count; parcel++) {
        uint32_t there = 0;
        for (uint32_t i = 0; i < PLACES; i++) {
            char key[HF_KEY_TEXT];
            hf_workload_key(w, place_key(parcel, i), key);
            for (uint32_t k = 0; k < keys->count; k++) {
                bool is = hf_reply_is_text(&keys->items[k], key);
                there += is;
                if (is && carried->kind != '-' && parcel == o->at && i == o->from) {
                    hf_run_fail(w->run, HF_RUN_WRONG, "carry: KEYS shows what was carried away");
                }
            }
        }
        if (there != 1) {
            hf_run_fail(w->run, HF_RUN_WRONG, "carry: KEYS shows parcel %u %u times", parcel,
                        there);
        }
    }
}

static void heard_exec_all(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    if (reply->kind != '*' || reply->count != 3) {
        heard_one(w, a, reply); /* an error */
        return;
    }
    const hf_reply *keys = &reply->items[1];
    const hf_reply *size = &reply->items[2];
    if (keys->kind == '*' && size->kind == ':' && size->integer >= (int64_t)keys->count) {
        check_keys(w, op_of(a), &reply->items[0], keys);
    } else {
        hf_run_fail(w->run, HF_RUN_WRONG, "carry: KEYS and DBSIZE do not agree");
    }
    heard_one(w, a, &reply->items[0]);
}

static void heard_exec(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    bool copies = op_of(a)->form == COPY_DEL;
    if (reply->kind != '*' || reply->count != (copies ? 2 : 1)) {
        heard_one(w, a, reply); /* an error */
    } else if (!copies) {
        heard_one(w, a, &reply->items[0]);
    } else if (is_integer(&reply->items[0], 0) && is_integer(&reply->items[1], 0)) {
        carried(w, a, false);
    } else if (is_integer(&reply->items[0], 1) && is_integer(&reply->items[1], 1)) {
        carried(w, a, true);
    } else {
        hf_run_fail(w->run, HF_RUN_WRONG, "carry: COPY and DEL in one transaction did not agree");
        over(a, HF_HEARD_UNKNOWN);
    }
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
    bool expired = false;
    if (op_of(a)->stage == ASKED) {
        hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_outcome_of(reply, &expired);
        if (heard == HF_HEARD_UNKNOWN && !expired) {
            later(a);
        } else if (heard == HF_HEARD_OK) {
            carried(w, a, true);
        } else {
            over(a, heard);
        }
    } else if (reply == NULL || (op_of(a)->lost && !hf_retry_settles(reply) &&
                                 !hf_reply_is_error(reply, "ERR no such key"))) {
        later(a);
    } else {
        heard_exec(w, a, reply);
    }
}

static void wake(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    if (o->form == FINISH || o->form == SETUP) {
        w->kind->finish(w, a);
        return;
    }
    if (++o->tries < 4 && hf_world_prng_coin(hf_actor_prng(a))) {
        send_carry(w, a);
        return;
    }
    o->stage = ASKED;
    hf_client_put(&a->client, "HF.OUTCOME %s", o->id);
    hf_client_send(&a->client);
}

/* HF.BEGIN; RENAME; HF.COMMIT, or HF.ROLLBACK when something was refused. */
static void step_dialogue(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    op *o = op_of(a);
    if (o->stage == ENDS) {
        over(a, HF_HEARD_FAIL);
        return;
    }
    if (reply == NULL) {
        over(a, o->stage == ASKED ? HF_HEARD_UNKNOWN : HF_HEARD_FAIL);
        return;
    }
    if (o->stage == ASKED) {
        hf_heard heard = hf_heard_of(reply);
        if (heard == HF_HEARD_OK) {
            carried(w, a, true);
        } else if (heard == HF_HEARD_FAIL) {
            o->stage = ENDS;
            hf_client_put(&a->client, "HF.ROLLBACK");
            hf_client_send(&a->client);
        } else {
            over(a, heard);
        }
        return;
    }
    if (o->stage == FIRST && reply->kind != '-') {
        o->stage = SECOND;
        send_carry(w, a);
        return;
    }
    o->stage = reply->kind == '-' ? ENDS : ASKED;
    hf_client_put(&a->client, reply->kind == '-' ? "HF.ROLLBACK" : "HF.COMMIT");
    hf_client_send(&a->client);
}

/* All places of a parcel, seen at once. */
static void log_look(hf_workload *w, uint32_t txn, uint32_t parcel, const hf_reply *reply)
{
    parcels *p = w->state;
    uint32_t there = 0;
    if (reply->kind != '*' || reply->count != PLACES) {
        hf_run_fail(w->run, HF_RUN_WRONG, "carry: places were answered with '%c'", reply->kind);
        return;
    }
    for (uint32_t i = 0; i < PLACES; i++) {
        if (reply->items[i].kind != '_') {
            int64_t value;
            there++;
            p->place[parcel] = i;
            if (!hf_reply_integer(&reply->items[i], &value) || value != (int64_t)parcel) {
                hf_run_fail(w->run, HF_RUN_WRONG, "carry: parcel %u has become another", parcel);
            }
        }
    }
    if (there != 1) {
        hf_run_fail(w->run, HF_RUN_WRONG, "carry: parcel %u is there %u times", parcel, there);
        return;
    }
    hf_history_read(&w->history, txn, parcel, p->place[parcel]);
}

static void step_look(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    const op *o = op_of(a);
    hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(reply);
    if (reply != NULL) {
        hf_judge_read(w, reply);
    }
    if (heard == HF_HEARD_OK) {
        bool exec = o->form == LOOK_EXEC && reply->kind == '*' && reply->count == 1;
        log_look(w, o->txn, o->at, exec ? &reply->items[0] : reply);
    }
    over(a, heard);
}

/* ---- What was heard of lists ---- */

static uint32_t length_of(const hf_reply *reply)
{
    return reply->kind == '$' ? reply->bytes.size : 0;
}

static void check_both(hf_workload *w, const op *o, const hf_reply *reply)
{
    if (reply->kind != '*' || reply->count != 2) {
        hf_run_fail(w->run, HF_RUN_WRONG, "carry: two lists were answered with '%c'", reply->kind);
        return;
    }
    uint32_t length = length_of(&reply->items[0]);
    uint32_t copied = length_of(&reply->items[1]);
    if (length < o->length || copied < o->copied || copied > length) {
        hf_run_fail(w->run, HF_RUN_WRONG,
                    "carry: the list at %u is %u long and its copy %u; known before: %u and %u",
                    o->from, length, copied, o->length, o->copied);
    }
}

static void step_list(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    parcels *p = w->state;
    const op *o = op_of(a);
    list *l = &p->lists[o->at];
    int64_t length;
    if (reply != NULL && o->form == BOTH) {
        hf_judge_read(w, reply);
    }
    if (reply == NULL || reply->kind == '-') {
        hf_actor_done(a);
        return;
    }
    if (o->form == BOTH) {
        check_both(w, o, reply);
    }
    if (l->key == o->from) { /* still in use */
        if (o->form == APPEND && hf_reply_integer(reply, &length)) {
            l->length = length > l->length ? (uint32_t)length : l->length;
        } else if (o->form == COPY && is_integer(reply, 1)) {
            l->copied = o->length > l->copied ? o->length : l->copied;
        } else if (o->form == COPY && o->length != 0) {
            hf_run_fail(w->run, HF_RUN_WRONG, "carry: a list that is there was not copied");
        }
    }
    hf_actor_done(a);
}

/* ---- Life ---- */

static void setup(hf_workload *w, hf_actor *a)
{
    const parcels *p = w->state;
    op *o = op_of(a);
    char key[HF_KEY_TEXT];
    o->form = SETUP;
    o->txn = hf_actor_begin(a);
    hf_client_put_begin(&a->client, 1 + 2 * p->count);
    hf_client_put_text(&a->client, "MSET");
    for (uint32_t i = 0; i < p->count; i++) {
        hf_workload_key(w, place_key(i, 0), key);
        hf_client_put_text(&a->client, "%s", key);
        hf_client_put_text(&a->client, "%u", i);
        hf_history_write(&w->history, o->txn, i, 0);
    }
    hf_client_send(&a->client);
}

static void finish(hf_workload *w, hf_actor *a)
{
    const parcels *p = w->state;
    op *o = op_of(a);
    o->form = FINISH;
    o->txn = hf_actor_begin(a);
    for (uint32_t i = 0; i < p->count; i++) {
        put_places(&a->client, w, i);
    }
    hf_client_send(&a->client);
}

static void step_finish(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    bool good = replies != NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        good = replies[i].kind != '-';
    }
    if (!good) {
        hf_actor_end(a, op_of(a)->txn, HF_HEARD_UNKNOWN);
        hf_actor_finish_again(a);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        log_look(w, op_of(a)->txn, i, &replies[i]);
    }
    over(a, HF_HEARD_OK);
}

static void step(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    const op *o = op_of(a);
    const hf_reply *last = replies == NULL ? NULL : &replies[count - 1];
    if (o->form == SETUP) {
        over(a, last == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(last));
    } else if (o->form == FINISH) {
        step_finish(w, a, replies, count);
    } else if (o->form >= APPEND) {
        step_list(w, a, last);
    } else if (o->form >= LOOK) {
        step_look(w, a, last);
    } else if (o->form == DIALOGUE) {
        step_dialogue(w, a, last);
    } else if (o->form == TXN_ID) {
        step_id(w, a, last);
    } else if (o->form == EXEC_ALL && last != NULL) {
        heard_exec_all(w, a, last);
    } else if (last == NULL) {
        over(a, HF_HEARD_UNKNOWN);
    } else {
        heard_exec(w, a, last);
    }
}

static void parcels_open(hf_workload *w)
{
    parcels *p = hf_check_alloc(1, sizeof *p);
    w->state = p;
    p->count = 1 + (uint32_t)hf_world_prng_below(&w->prng, PARCELS_MAX);
    p->next_key = PARCELS_MAX * PLACES;
    for (uint32_t i = 0; i < LISTS; i++) {
        p->lists[i].key = p->next_key;
        p->next_key += 2;
    }
}

static void parcels_close(hf_workload *w)
{
    free(w->state);
}

static void judge(hf_workload *w)
{
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    (void)hf_check_register(&w->history, HF_REGISTER_STEPS, &verdict);
    hf_judge_with(w, "register", &verdict);
    hf_verdict_close(&verdict);
}

const hf_workload_kind hf_workload_carry = { .name = "carry",
                                             .open = parcels_open,
                                             .close = parcels_close,
                                             .setup = setup,
                                             .start = start,
                                             .finish = finish,
                                             .step = step,
                                             .wake = wake,
                                             .judge = judge };
