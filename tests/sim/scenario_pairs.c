/* pairs: a key that expires, and a list that is appended to by those who saw it.
 *
 * Each pair lives once: key A is set with a time to live, after that nobody sets it; then
 * transactions read A and append to list B, on another shard, and reads see both. B's length orders
 * all of them. Whoever saw A gone comes after everyone who saw it there: an expiry has one place in
 * the order of transactions, as any other change.
 */
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPENING = 1000000, RECENT = 3 };

typedef struct pair {
    uint32_t px;
    bool set;                    /* acknowledged */
    uint64_t alive;              /* the latest place at which A was seen */
    uint64_t gone;               /* the first at which it was not */
    uint32_t seen_in, missed_in; /* forms */
} pair;

typedef struct pairs {
    pair *all;
    uint32_t count, room;
    uint32_t px_max;
    uint64_t token; /* a timestamp that some client heard of */
} pairs;

typedef enum form {
    SET,      /* the pair's beginning */
    IF,       /* HF.TXN IF A EXISTS THEN APPEND B */
    IF_ELSE,  /* ... ELSE GET B */
    EXEC,     /* MULTI: GET A, APPEND B */
    ADD,      /* HF.ADD A -1 MIN 0, APPEND B */
    DIALOGUE, /* HF.BEGIN: GET A, (a while,) APPEND B */
    WATCHED,  /* WATCH A, GET A, (a while,) MULTI: APPEND B */
    MGET,
    EXEC_READ,
    OLD, /* at a timestamp, or with a bound */
    TOKEN,
    FORMS,
} form;

enum { FIRST, WAITS, SECOND, UNDOES };

typedef struct op {
    form form;
    uint32_t stage, at, txn;
    bool alive;
    hf_conn_id connection;
} op;

static op *op_of(hf_actor *actor)
{
    _Static_assert(sizeof(op) <= HF_ACTOR_ROOM, "an operation fits");
    return (op *)(void *)actor->room;
}

/* ---- Judging ---- */

/* Places: a transaction that made the list l long is at 2 l, who saw it so long at 2 l + 1. */
static void saw(hf_workload *w, const op *o, bool alive, uint64_t place)
{
    pair *p = &((pairs *)w->state)->all[o->at];
    if (alive && place > p->alive) {
        p->alive = place;
        p->seen_in = o->form;
    } else if (!alive && place < p->gone) {
        p->gone = place;
        p->missed_in = o->form;
    }
    if (p->gone < p->alive) {
        hf_run_fail(w->run, HF_RUN_WRONG,
                    "pairs: the key of pair %u was gone at place %" PRIu64 " (form %u) and there at"
                    " place %" PRIu64 " (form %u)",
                    o->at, p->gone, p->missed_in, p->alive, p->seen_in);
        p->gone = UINT64_MAX;
    }
}

static void over(hf_actor *a, hf_heard heard)
{
    hf_actor_end(a, op_of(a)->txn, heard);
    hf_actor_done(a);
}

/* ---- Sending ---- */

typedef struct names {
    char a[HF_KEY_TEXT], b[HF_KEY_TEXT];
} names;

static names names_of(const hf_workload *w, const op *o)
{
    names n;
    hf_workload_key(w, 2 * o->at, n.a);
    hf_workload_key(w, 2 * o->at + 1, n.b);
    return n;
}

static void send_old(hf_workload *w, hf_actor *a, const names *n)
{
    const pairs *p = w->state;
    hf_world_prng *prng = hf_actor_prng(a);
    uint64_t draw = hf_world_prng_below(prng, 3);
    uint64_t wall = hf_world_wall(hf_run_world(w->run));
    if (draw == 0) {
        hf_client_put(&a->client, "HF.READ BOUNDED %" PRIu64 " MGET %s %s",
                      hf_world_prng_below(prng, 100), n->a, n->b);
    } else {
        hf_client_put(&a->client, "HF.READ SNAPSHOT %" PRIu64 " MGET %s %s",
                      draw == 1 && p->token != 0 ? p->token : wall, n->a, n->b);
    }
}

static void send_first(hf_workload *w, hf_actor *a)
{
    const pairs *p = w->state;
    const op *o = op_of(a);
    hf_client *c = &a->client;
    names n = names_of(w, o);
    switch (o->form) {
    case SET:
        hf_client_put(c, "SET %s %d PX %u", n.a, OPENING, p->all[o->at].px);
        break;
    case IF:
        hf_client_put(c, "HF.TXN IF %s EXISTS THEN 1 3 APPEND %s x", n.a, n.b);
        break;
    case IF_ELSE:
        hf_client_put(c, "HF.TXN IF %s EXISTS THEN 1 3 APPEND %s x ELSE 1 2 GET %s", n.a, n.b, n.b);
        break;
    case EXEC:
        hf_client_put(c, "MULTI");
        hf_client_put(c, "GET %s", n.a);
        hf_client_put(c, "APPEND %s x", n.b);
        hf_client_put(c, "EXEC");
        break;
    case ADD:
        hf_client_put(c, "HF.TXN THEN 2 5 HF.ADD %s -1 MIN 0 3 APPEND %s x", n.a, n.b);
        break;
    case DIALOGUE:
        hf_client_put(c, "HF.BEGIN");
        hf_client_put(c, "GET %s", n.a);
        break;
    case WATCHED:
        hf_client_put(c, "WATCH %s", n.a);
        hf_client_put(c, "GET %s", n.a);
        break;
    case MGET:
        hf_client_put(c, "MGET %s %s", n.a, n.b);
        break;
    case EXEC_READ:
        hf_client_put(c, "MULTI");
        hf_client_put(c, "GET %s", n.b);
        hf_client_put(c, "GET %s", n.a);
        hf_client_put(c, "EXEC");
        break;
    case OLD:
        send_old(w, a, &n);
        break;
    case TOKEN:
        hf_client_put(c, "HF.TOKEN");
        break;
    case FORMS:
        HF_UNREACHABLE();
    }
    hf_client_send(c);
}

static void send_second(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    names n = names_of(w, o);
    o->stage = SECOND;
    if (o->form == WATCHED) {
        hf_client_put(&a->client, "MULTI");
    }
    hf_client_put(&a->client, "APPEND %s x", n.b);
    hf_client_put(&a->client, o->form == WATCHED ? "EXEC" : "HF.COMMIT");
    hf_client_send(&a->client);
}

static void undo(hf_actor *a)
{
    op *o = op_of(a);
    o->stage = UNDOES;
    hf_client_put(&a->client, o->form == WATCHED ? "UNWATCH" : "HF.ROLLBACK");
    hf_client_send(&a->client);
}

static void begin_pair(pairs *p, op *o, hf_world_prng *prng)
{
    p->all = hf_check_grow(p->all, p->count, &p->room, sizeof *p->all);
    o->at = p->count++;
    p->all[o->at] =
        (pair){ .px = (uint32_t)hf_world_prng_between(prng, 1, p->px_max), .gone = UINT64_MAX };
}

static void start(hf_workload *w, hf_actor *a)
{
    pairs *p = w->state;
    op *o = op_of(a);
    hf_world_prng *prng = hf_actor_prng(a);
    static const form draws[] = { IF,   IF_ELSE, EXEC,      EXEC, ADD, ADD, DIALOGUE, DIALOGUE,
                                  MGET, MGET,    EXEC_READ, OLD,  OLD, SET, TOKEN,    WATCHED };
    o->form = draws[hf_world_prng_below(prng, sizeof draws / sizeof draws[0])];
    uint64_t back = 1 + hf_world_prng_below(prng, RECENT);
    if (o->form == SET || p->count < back || !p->all[p->count - back].set) {
        o->form = SET;
        begin_pair(p, o, prng);
    } else {
        o->at = p->count - (uint32_t)back;
    }
    o->txn = hf_actor_begin(a);
    send_first(w, a);
}

/* ---- What was heard ---- */

static uint64_t length_of(const hf_reply *reply)
{
    return reply->kind == '$' ? reply->bytes.size : 0;
}

/* `key` and `list`: their values, read together. */
static void saw_both(hf_workload *w, const op *o, const hf_reply *key, const hf_reply *list)
{
    uint64_t length = length_of(list);
    bool alive = key->kind != '_';
    if (alive || length != 0 || o->form != OLD) { /* an old read may be from before it was set */
        saw(w, o, alive, 2 * length + 1);
    }
}

static void saw_made(hf_workload *w, const op *o, bool alive, const hf_reply *appended)
{
    int64_t length;
    if (!hf_reply_integer(appended, &length) || length <= 0) {
        hf_run_fail(w->run, HF_RUN_WRONG, "pairs: APPEND of form %u was answered with '%c'",
                    o->form, appended->kind);
        return;
    }
    saw(w, o, alive, 2 * (uint64_t)length);
}

static void note(hf_workload *w, const op *o, const hf_reply *reply)
{
    pairs *p = w->state;
    const hf_reply *items = reply->items;
    int64_t token;
    uint32_t want = o->form == IF || o->form == IF_ELSE || o->form == WATCHED ? 1 : 2;
    if (o->form == SET) {
        p->all[o->at].set = true;
        return;
    }
    if (o->form == TOKEN) {
        p->token = hf_reply_integer(reply, &token) ? (uint64_t)token : p->token;
        return;
    }
    if (reply->kind != '*' || reply->count != want) {
        hf_run_fail(w->run, HF_RUN_WRONG, "pairs: form %u was answered with '%c' of %u elements",
                    o->form, reply->kind, reply->count);
        return;
    }
    switch ((int)o->form) {
    case IF:
        saw_made(w, o, true, &items[0]);
        break;
    case IF_ELSE:
        if (items[0].kind == ':') {
            saw_made(w, o, true, &items[0]);
        } else {
            saw(w, o, false, 2 * length_of(&items[0]) + 1);
        }
        break;
    case EXEC:
        saw_made(w, o, items[0].kind != '_', &items[1]);
        break;
    case ADD:
        saw_made(w, o, true, &items[1]);
        break;
    case WATCHED: /* its A is as it was read */
        saw_made(w, o, o->alive, &items[0]);
        break;
    case EXEC_READ:
        saw_both(w, o, &items[1], &items[0]);
        break;
    default:
        saw_both(w, o, &items[0], &items[1]);
        break;
    }
}

/* The first half: A was read. */
static void step_first(hf_workload *w, hf_actor *a, const hf_reply *replies)
{
    op *o = op_of(a);
    const pairs *p = w->state;
    hf_world_prng *prng = hf_actor_prng(a);
    if (replies == NULL) {
        over(a, HF_HEARD_FAIL);
        return;
    }
    if (replies[0].kind == '-' || replies[1].kind == '-') {
        undo(a);
        return;
    }
    o->alive = replies[1].kind != '_';
    if (hf_world_prng_coin(prng)) {
        send_second(w, a);
        return;
    }
    o->stage = WAITS;
    o->connection = a->client.conn;
    hf_actor_wait(a, hf_world_prng_below(prng, 2 * p->all[o->at].px * UINT64_C(1000000)));
}

/* After the wait; on another connection there is nothing to go on with. */
static void wake(hf_workload *w, hf_actor *a)
{
    if (op_of(a)->connection == a->client.conn) {
        send_second(w, a);
    } else {
        over(a, HF_HEARD_FAIL);
    }
}

static void step_second(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    const op *o = op_of(a);
    const hf_reply *last = &replies[count - 1];
    hf_heard heard = last->kind == '_' ? HF_HEARD_FAIL : hf_heard_of(last);
    if (o->form == DIALOGUE && heard == HF_HEARD_FAIL) {
        undo(a);
        return;
    }
    if (heard == HF_HEARD_OK) {
        if (o->form == WATCHED) {
            note(w, o, last);
        } else if (replies[0].kind != '-') {
            saw_made(w, o, o->alive, &replies[0]);
        }
    }
    over(a, heard);
}

static void step(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    const op *o = op_of(a);
    bool halves = o->form == DIALOGUE || o->form == WATCHED;
    if (halves && (o->stage == FIRST || o->stage == WAITS)) {
        step_first(w, a, replies);
    } else if (halves && o->stage == UNDOES) {
        over(a, HF_HEARD_FAIL);
    } else if (replies == NULL) {
        over(a, HF_HEARD_UNKNOWN);
    } else if (halves) {
        step_second(w, a, replies, count);
    } else {
        hf_heard heard = hf_heard_of(&replies[count - 1]);
        if (heard == HF_HEARD_OK) {
            note(w, o, &replies[count - 1]);
        }
        over(a, heard);
    }
}

/* ---- Life ---- */

static void pairs_open(hf_workload *w)
{
    static const uint32_t lives[] = { 3, 20, 200, 2000 };
    pairs *p = hf_check_alloc(1, sizeof *p);
    w->state = p;
    p->px_max = lives[hf_world_prng_below(&w->prng, 4)];
}

static void pairs_close(hf_workload *w)
{
    pairs *p = w->state;
    free(p->all);
    free(p);
}

static void done(hf_workload *w, hf_actor *a)
{
    (void)w;
    hf_actor_done(a);
}

static void judge(hf_workload *w)
{
    (void)w; /* as it goes */
}

const hf_workload_kind hf_workload_pairs = { .name = "pairs",
                                             .open = pairs_open,
                                             .close = pairs_close,
                                             .setup = done,
                                             .start = start,
                                             .finish = done,
                                             .step = step,
                                             .wake = wake,
                                             .judge = judge };
