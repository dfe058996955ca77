/* expiry: keys with a time to live, while the clock steps.
 *
 * A value that was set with a time to live is deleted by nobody but the clock. To the register
 * judge that is one more operation: "if the key still holds this value, it is gone", which happens
 * once, not before the clock can have reached the deadline and not after every core's must have. So
 * a key that goes too early, stays too long, or comes back is found. The deadline is not told; it
 * is bounded by the wall clock around the SET, and not judged when the clock stepped meanwhile.
 */
#include "tests/sim/checkers/check_register.h"
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 5 };

typedef struct deadline {
    uint32_t key;
    int64_t value;
    uint64_t least, most; /* wall time, ns; most 0: not known */
    uint64_t gone;        /* virtual time from which it is certain; 0: it is not */
    uint32_t txn;         /* HF_CHECK_NONE: cannot have happened yet */
} deadline;

typedef struct expiries {
    uint32_t keys;
    uint32_t px_max;
    int64_t next_value;
    deadline *open;
    uint32_t open_count, open_room;
    uint64_t looked; /* virtual time */
} expiries;

typedef enum form { SET_PX, SET_PLAIN, GET, DEL, MGET, WATCHED, EXEC_PX, SCAN, FORMS, FINISH } form;

typedef struct op {
    form form;
    uint32_t txn, key, stage;
    int64_t value, old;
    uint32_t px;
    uint64_t wall, asked; /* when it was sent: wall clock, virtual time */
    uint32_t at;          /* its deadline's number, HF_CHECK_NONE: none */
    hf_conn_id connection;
} op;

static op *op_of(hf_actor *actor)
{
    _Static_assert(sizeof(op) <= HF_ACTOR_ROOM, "an operation fits");
    return (op *)(void *)actor->room;
}

/* ---- Deadlines ---- */

static void note_deadline(hf_workload *w, op *o)
{
    expiries *e = w->state;
    uint64_t slack = hf_run_wall_slack(w->run);
    e->open = hf_check_grow(e->open, e->open_count, &e->open_room, sizeof *e->open);
    e->open[e->open_count] = (deadline){ .key = o->key,
                                         .value = o->value,
                                         .least = o->wall + o->px * UINT64_C(1000000) - slack,
                                         .txn = HF_CHECK_NONE };
    o->at = e->open_count++;
}

static void may_expire(hf_workload *w, deadline *d, uint64_t since)
{
    if (d->txn == HF_CHECK_NONE) {
        d->txn = hf_history_begin(&w->history, hf_run_process(w->run), (int64_t)since);
        (void)hf_history_op(&w->history, d->txn, HF_MICRO_CAS,
                            (int64_t[]){ d->key, d->value, HF_NIL });
    }
}

/* When the SET has returned, no core's clock was later than the latest wall time. Had the clock
 * stepped back before the SET was stamped (an unknown one may still be), its deadline may be any.
 */
static void settle_deadline(hf_workload *w, const op *o, hf_heard heard)
{
    expiries *e = w->state;
    deadline *d = &e->open[o->at];
    uint64_t slack = hf_run_wall_slack(w->run);
    bool steady = hf_run_wall_steady(w->run, o->asked > slack ? o->asked - slack : 0);
    if (heard != HF_HEARD_OK || !steady) {
        may_expire(w, d, o->asked);
    } else {
        d->most = hf_run_clock_max(w->run) + o->px * UINT64_C(1000000) + slack;
    }
}

static void look(hf_workload *w)
{
    expiries *e = w->state;
    uint64_t now = hf_run_now(w->run);
    uint64_t wall = hf_world_wall(hf_run_world(w->run));
    uint64_t latest = hf_run_clock_max(w->run);
    uint64_t slack = hf_run_wall_slack(w->run);
    /* A core in the middle of a turn still has the time of its beginning. */
    bool everywhere = hf_run_wall_steady(w->run, now > slack ? now - slack : 0);
    for (uint32_t i = 0; i < e->open_count; i++) {
        deadline *d = &e->open[i];
        if (latest + slack >= d->least) {
            may_expire(w, d, e->looked);
        }
        if (d->most == 0) {
            continue;
        }
        if (wall > d->most + slack) {
            d->gone = d->gone == 0 && everywhere ? now : d->gone;
        } else if (d->gone != 0) {
            d->most = 0; /* the clock went back: a core that took no notice may still show it */
            d->gone = 0;
        }
    }
    e->looked = now;
}

/* ---- Operations ---- */

static void send(hf_workload *w, hf_actor *a)
{
    const expiries *e = w->state;
    op *o = op_of(a);
    hf_client *c = &a->client;
    char key[HF_KEY_TEXT];
    hf_workload_key(w, o->key, key);
    switch (o->form) {
    case SET_PX:
        hf_client_put(c, "SET %s %" PRId64 " PX %u", key, o->value, o->px);
        break;
    case SET_PLAIN:
        hf_client_put(c, "SET %s %" PRId64, key, o->value);
        break;
    case GET:
        hf_client_put(c, "GET %s", key);
        break;
    case DEL:
        hf_client_put(c, "DEL %s", key);
        break;
    case WATCHED:
        hf_client_put(c, "WATCH %s", key);
        hf_client_put(c, "GET %s", key);
        break;
    case EXEC_PX: /* over two shards: decided at one timestamp */
        hf_client_put(c, "MULTI");
        hf_client_put(c, "GET %s", key);
        hf_workload_key(w, KEYS_MAX + o->key, key);
        hf_client_put(c, "INCR %s", key);
        hf_workload_key(w, o->key, key);
        hf_client_put(c, "SET %s %" PRId64 " PX %u", key, o->value, o->px);
        hf_client_put(c, "EXEC");
        break;
    case SCAN:
        hf_client_put(c, "HF.RANGE %.2s%c %.2s%c VALUES", key, w->letter, key, w->letter + 1);
        break;
    case MGET:
    case FINISH:
        hf_client_put_begin(c, 1 + e->keys);
        hf_client_put_text(c, "MGET");
        for (uint32_t i = 0; i < e->keys; i++) {
            hf_workload_key(w, i, key);
            hf_client_put_text(c, "%s", key);
        }
        break;
    case FORMS:
        HF_UNREACHABLE();
    }
    hf_client_send(c);
}

static void begin(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    o->wall = hf_world_wall(hf_run_world(w->run));
    o->asked = hf_run_now(w->run);
    o->txn = hf_actor_begin(a);
    o->at = HF_CHECK_NONE;
    if (o->form == SET_PX || o->form == EXEC_PX) {
        note_deadline(w, o);
    }
}

static void start(hf_workload *w, hf_actor *a)
{
    expiries *e = w->state;
    op *o = op_of(a);
    hf_world_prng *prng = hf_actor_prng(a);
    static const form draws[] = { SET_PX, SET_PX, SET_PX, SET_PLAIN, GET,     GET,  GET,
                                  DEL,    MGET,   MGET,   WATCHED,   EXEC_PX, SCAN, GET };
    o->form = draws[hf_world_prng_below(prng, sizeof draws / sizeof draws[0])];
    o->key = (uint32_t)hf_world_prng_below(prng, e->keys);
    o->value = ++e->next_value;
    o->px = (uint32_t)hf_world_prng_between(prng, 1, e->px_max);
    begin(w, a);
    send(w, a);
}

static void log_read(hf_workload *w, uint32_t txn, uint32_t key, const hf_reply *reply)
{
    int64_t value = HF_NIL;
    uint32_t number = hf_history_op(&w->history, txn, HF_MICRO_READ, (int64_t[]){ key });
    if (reply == NULL || reply->kind == '-') {
        return;
    }
    if (reply->kind != '_' && !hf_reply_integer(reply, &value)) {
        hf_run_fail(w->run, HF_RUN_WRONG, "expiry: key %u holds what nobody wrote", key);
        return;
    }
    hf_history_answer(&w->history, txn, number, value);
}

static void over(hf_workload *w, hf_actor *a, hf_heard heard)
{
    op *o = op_of(a);
    if (o->at != HF_CHECK_NONE) {
        settle_deadline(w, o, heard);
    }
    hf_actor_end(a, o->txn, heard);
    hf_actor_done(a);
}

static void log_scan(hf_workload *w, const op *o, const hf_reply *reply)
{
    const expiries *e = w->state;
    char key[HF_KEY_TEXT];
    char part[HF_KEY_TEXT];
    hf_workload_key(w, o->key, part);
    for (uint32_t k = 0; k < e->keys; k++) {
        const hf_reply none = { .kind = '_' };
        const hf_reply *found = &none;
        hf_workload_key(w, k, key);
        if (key[0] != part[0]) {
            continue;
        }
        for (uint32_t i = 0; i < reply->count; i++) {
            const hf_reply *item = &reply->items[i];
            if (item->kind == '*' && item->count == 2 && hf_reply_is_text(&item->items[0], key)) {
                found = &item->items[1];
            } else if (item->kind == '$' && i + 1 < reply->count && i % 2 == 0 &&
                       hf_reply_is_text(item, key)) {
                found = &reply->items[i + 1];
            }
        }
        log_read(w, o->txn, k, found);
    }
}

/* A connection that goes on must not keep what it watches. */
static void forget_watch(hf_actor *a, bool connected)
{
    op_of(a)->stage = 2;
    if (connected) {
        hf_client_put(&a->client, "UNWATCH");
        hf_client_send(&a->client);
    } else {
        hf_actor_done(a);
    }
}

static void send_watched(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    char key[HF_KEY_TEXT];
    o->stage = 1;
    begin(w, a);
    hf_workload_key(w, o->key, key);
    hf_client_put(&a->client, "MULTI");
    hf_client_put(&a->client, "SET %s %" PRId64, key, o->value);
    hf_client_put(&a->client, "EXEC");
    hf_client_send(&a->client);
}

/* After the wait; on another connection there is nothing to go on with. */
static void wake(hf_workload *w, hf_actor *a)
{
    if (op_of(a)->connection == a->client.conn) {
        send_watched(w, a);
    } else {
        hf_actor_done(a);
    }
}

static void step_watched(hf_workload *w, hf_actor *a, const hf_reply *replies)
{
    op *o = op_of(a);
    if (o->stage == 2) {
        hf_actor_done(a);
        return;
    }
    if (o->stage == 0) {
        bool good = replies != NULL && replies[0].kind != '-' && replies[1].kind != '-';
        log_read(w, o->txn, o->key, good ? &replies[1] : NULL);
        hf_actor_end(a, o->txn,
                     replies == NULL ? HF_HEARD_UNKNOWN
                     : good          ? HF_HEARD_OK
                                     : HF_HEARD_FAIL);
        o->old = HF_NIL;
        if (!good || (replies[1].kind != '_' && !hf_reply_integer(&replies[1], &o->old))) {
            forget_watch(a, replies != NULL);
            return;
        }
        o->stage = 2; /* nothing is under way */
        o->connection = a->client.conn;
        if (hf_world_prng_coin(hf_actor_prng(a))) { /* until the key may be gone */
            hf_actor_wait(a, o->px * UINT64_C(1000000) + 2 * hf_run_wall_slack(w->run));
        } else {
            send_watched(w, a);
        }
        return;
    }
    const hf_reply *exec = replies == NULL ? NULL : &replies[2];
    hf_heard heard = exec == NULL        ? HF_HEARD_UNKNOWN
                     : exec->kind == '_' ? HF_HEARD_FAIL
                                         : hf_heard_of(exec);
    uint32_t number =
        hf_history_op(&w->history, o->txn, HF_MICRO_CAS, (int64_t[]){ o->key, o->old, o->value });
    if (heard == HF_HEARD_OK) {
        hf_history_answer(&w->history, o->txn, number, 1);
    }
    over(w, a, heard);
}

static void log_keys(hf_workload *w, const op *o, const hf_reply *reply)
{
    const expiries *e = w->state;
    for (uint32_t i = 0; reply->kind == '*' && i < reply->count && i < e->keys; i++) {
        log_read(w, o->txn, i, &reply->items[i]);
    }
}

static void step(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    op *o = op_of(a);
    const hf_reply *reply = replies == NULL ? NULL : &replies[count - 1];
    hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(reply);
    switch (o->form) {
    case SET_PX:
    case SET_PLAIN:
        hf_history_write(&w->history, o->txn, o->key, o->value);
        break;
    case DEL:
        (void)hf_history_op(&w->history, o->txn, HF_MICRO_DELETE, (int64_t[]){ o->key });
        break;
    case GET:
        log_read(w, o->txn, o->key, reply);
        break;
    case EXEC_PX:
        if (heard == HF_HEARD_OK && reply->kind == '*' && reply->count == 3) {
            log_read(w, o->txn, o->key, &reply->items[0]);
        }
        hf_history_write(&w->history, o->txn, o->key, o->value);
        break;
    case MGET:
    case FINISH:
        if (heard == HF_HEARD_OK) {
            log_keys(w, o, reply);
        } else if (o->form == FINISH) {
            hf_actor_end(a, o->txn, heard);
            hf_actor_finish_again(a);
            return;
        }
        break;
    case SCAN:
        if (heard == HF_HEARD_OK) {
            log_scan(w, o, reply);
        }
        break;
    case WATCHED:
        step_watched(w, a, replies);
        return;
    case FORMS:
        HF_UNREACHABLE();
    }
    over(w, a, heard);
}

/* ---- Life ---- */

static void expiries_open(hf_workload *w)
{
    static const uint32_t lives[] = { 20, 200, 2000, 10000 };
    expiries *e = hf_check_alloc(1, sizeof *e);
    w->state = e;
    e->keys = 1 + (uint32_t)hf_world_prng_below(&w->prng, KEYS_MAX);
    e->px_max = lives[hf_world_prng_below(&w->prng, 4)];
}

static void expiries_close(hf_workload *w)
{
    expiries *e = w->state;
    free(e->open);
    free(e);
}

static void done(hf_workload *w, hf_actor *a)
{
    (void)w;
    hf_actor_done(a);
}

static void finish(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    o->form = FINISH;
    begin(w, a);
    send(w, a);
}

static void judge(hf_workload *w)
{
    const expiries *e = w->state;
    hf_verdict verdict;
    for (uint32_t i = 0; i < e->open_count; i++) {
        const deadline *d = &e->open[i];
        if (d->txn != HF_CHECK_NONE && d->gone != 0) {
            hf_history_end(&w->history, d->txn, (int64_t)d->gone, HF_HEARD_OK);
        }
    }
    hf_verdict_open(&verdict);
    (void)hf_check_register(&w->history, HF_REGISTER_STEPS, &verdict);
    hf_judge_with(w, "register", &verdict);
    hf_verdict_close(&verdict);
}

const hf_workload_kind hf_workload_expiry = { .name = "expiry",
                                              .open = expiries_open,
                                              .close = expiries_close,
                                              .setup = done,
                                              .start = start,
                                              .finish = finish,
                                              .step = step,
                                              .wake = wake,
                                              .judge = judge,
                                              .look = look };
