/* pipeline: many requests at once on one connection, on keys that nobody else changes.
 *
 * Keys come in tracks. A track belongs to one batch at a time, so the replies of a batch are
 * exactly those of its commands done one after another, whatever moves, waits, or is tried again
 * meanwhile: a reply that differs shows two requests in the wrong order. A command that is refused
 * had no effect. What became of a batch that was lost is not asked: its track goes on with new
 * keys. Others look at the keys in interactive transactions, so that requests wait for locks.
 */
#include "tests/sim/checkers/util.h"
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TRACKS = 12, KEYS = 3, COMMANDS_MAX = 48 };

typedef struct track {
    bool busy;
    uint32_t first; /* number of its first key */
    bool there[KEYS];
    int64_t value[KEYS];
} track;

typedef struct tracks {
    track track[TRACKS];
    uint32_t next_key;
} tracks;

typedef enum verb { INCRBY, ADD, SET, GET, DEL, MSET, MGET, COPY, TXN, CUT, VERBS } verb;

typedef struct command {
    verb verb;
    uint8_t key, other;
    int64_t value;
} command;

typedef enum form { BATCH, LOOK, FINISH } form;

typedef struct op {
    form form;
    uint32_t txn, track, stage;
    uint32_t count;
    bool half; /* the client said that it was the last one */
    uint64_t connected;
    hf_conn_id connection;
    command commands[COMMANDS_MAX];
} op;

static op *op_of(hf_actor *actor)
{
    _Static_assert(sizeof(op) <= HF_ACTOR_ROOM, "an operation fits");
    return (op *)(void *)actor->room;
}

static void fresh(tracks *t, track *k)
{
    *k = (track){ .first = t->next_key };
    t->next_key += KEYS;
}

/* ---- Asking ---- */

static void put_command(hf_workload *w, hf_client *c, const track *k, const command *m)
{
    char key[HF_KEY_TEXT];
    char other[HF_KEY_TEXT];
    char third[HF_KEY_TEXT];
    hf_workload_key(w, k->first + m->key, key);
    hf_workload_key(w, k->first + m->other, other);
    switch (m->verb) {
    case INCRBY:
        hf_client_put(c, "INCRBY %s %" PRId64, key, m->value);
        break;
    case ADD:
        hf_client_put(c, "HF.ADD %s %" PRId64, key, m->value);
        break;
    case SET:
        hf_client_put(c, "SET %s %" PRId64, key, m->value);
        break;
    case GET:
        hf_client_put(c, "GET %s", key);
        break;
    case DEL:
        hf_client_put(c, "DEL %s", key);
        break;
    case MSET:
        hf_client_put(c, "MSET %s %" PRId64 " %s %" PRId64, key, m->value, other, m->value + 1);
        break;
    case MGET:
        hf_workload_key(w, k->first, key);
        hf_workload_key(w, k->first + 1, other);
        hf_workload_key(w, k->first + 2, third);
        hf_client_put(c, "MGET %s %s %s", key, other, third);
        break;
    case COPY:
        hf_client_put(c, "COPY %s %s REPLACE", key, other);
        break;
    case TXN:
        hf_client_put(c, "HF.TXN THEN 2 3 INCRBY %s %" PRId64 " 2 GET %s", key, m->value, other);
        break;
    case CUT: /* the last value is missing */
        hf_client_put(c, "MSET %s %" PRId64 " %s", key, m->value, other);
        break;
    case VERBS:
        HF_UNREACHABLE();
    }
}

static void start_look(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    (void)w;
    o->form = LOOK;
    o->track = (uint32_t)hf_world_prng_below(hf_actor_prng(a), TRACKS);
    o->connection = a->client.conn;
    hf_client_put(&a->client, "HF.BEGIN");
    hf_client_send(&a->client);
}

static void start(hf_workload *w, hf_actor *a)
{
    tracks *t = w->state;
    op *o = op_of(a);
    hf_world_prng *prng = hf_actor_prng(a);
    memset(o, 0, sizeof *o);
    o->txn = hf_actor_begin(a);
    o->track = (uint32_t)hf_world_prng_below(prng, TRACKS);
    track *k = &t->track[o->track];
    if (k->busy || hf_world_prng_below(prng, 5) == 0) {
        start_look(w, a);
        return;
    }
    /* Mostly one key, mostly counted: every other order would show. */
    static const verb draws[] = { INCRBY, INCRBY, INCRBY, INCRBY, INCRBY, INCRBY, ADD, SET,
                                  GET,    GET,    DEL,    MSET,   MGET,   COPY,   TXN, CUT };
    uint32_t plain = hf_world_prng_coin(prng) ? 6 : sizeof draws / sizeof draws[0];
    k->busy = true;
    o->connected = a->client.connect_ns;
    o->count = 1 + (uint32_t)hf_world_prng_below(prng, COMMANDS_MAX);
    for (uint32_t i = 0; i < o->count; i++) {
        command *m = &o->commands[i];
        m->verb = draws[hf_world_prng_below(prng, plain)];
        m->key = (uint8_t)(hf_world_prng_coin(prng) ? 0 : hf_world_prng_below(prng, KEYS));
        m->other = (uint8_t)((m->key + 1 + hf_world_prng_below(prng, KEYS - 1)) % KEYS);
        m->value = 1 + (int64_t)hf_world_prng_below(prng, 1000);
        put_command(w, &a->client, k, m);
    }
    hf_client_send_once(&a->client);
    o->half = a->client.half;
}

/* ---- Judging ---- */

static bool is_value(const track *k, uint32_t key, const hf_reply *reply)
{
    int64_t value;
    return k->there[key] ? hf_reply_integer(reply, &value) && value == k->value[key]
                         : reply->kind == '_';
}

static bool is_integer(const hf_reply *reply, int64_t value)
{
    return reply->kind == ':' && reply->integer == value;
}

static void put_value(track *k, uint32_t key, int64_t value)
{
    k->there[key] = true;
    k->value[key] = value;
}

/* Does the command to the model. False: the reply is not what it answers. */
static bool follow(track *k, const command *m, const hf_reply *reply)
{
    int64_t sum = (k->there[m->key] ? k->value[m->key] : 0) + m->value;
    bool was = k->there[m->key];
    switch (m->verb) {
    case INCRBY:
        put_value(k, m->key, sum);
        return is_integer(reply, sum);
    case ADD:
        put_value(k, m->key, sum);
        return hf_reply_is_text(reply, "OK");
    case SET:
        put_value(k, m->key, m->value);
        return hf_reply_is_text(reply, "OK");
    case GET:
        return is_value(k, m->key, reply);
    case DEL:
        k->there[m->key] = false;
        return is_integer(reply, was);
    case MSET:
        put_value(k, m->key, m->value);
        put_value(k, m->other, m->value + 1);
        return hf_reply_is_text(reply, "OK");
    case MGET:
        return reply->kind == '*' && reply->count == KEYS && is_value(k, 0, &reply->items[0]) &&
               is_value(k, 1, &reply->items[1]) && is_value(k, 2, &reply->items[2]);
    case COPY:
        if (was) {
            put_value(k, m->other, k->value[m->key]);
        }
        return is_integer(reply, was);
    case TXN:
        put_value(k, m->key, sum);
        return reply->kind == '*' && reply->count == 2 && is_integer(&reply->items[0], sum) &&
               is_value(k, m->other, &reply->items[1]);
    case CUT:
        return false; /* what is done then would be done to anybody's keys */
    case VERBS:
        break;
    }
    HF_UNREACHABLE();
}

static void end(hf_actor *a, hf_heard heard)
{
    hf_actor_end(a, op_of(a)->txn, heard);
    hf_actor_done(a);
}

static void step_batch(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    tracks *t = w->state;
    op *o = op_of(a);
    track *k = &t->track[o->track];
    HF_ASSERT(replies == NULL || count == o->count);
    if (replies == NULL && o->half && hf_world_closed_by_node(hf_run_world(w->run)) &&
        hf_run_stopped_at(w->run) < o->connected) {
        hf_run_fail(w->run, HF_RUN_WRONG,
                    "pipeline: the node closed a half-closed connection before %u replies",
                    o->count);
    }
    for (uint32_t i = 0; replies != NULL && i < count; i++) {
        hf_heard heard = hf_heard_of(&replies[i]);
        if (heard == HF_HEARD_UNKNOWN) {
            replies = NULL;
        } else if (heard == HF_HEARD_OK && !follow(k, &o->commands[i], &replies[i])) {
            hf_run_fail(w->run, HF_RUN_WRONG,
                        "pipeline: request %u of %u, on key %u of the track from %u: the reply is "
                        "not that of the requests in their order",
                        i, count, o->commands[i].key, k->first);
            replies = NULL;
        }
    }
    k->busy = false;
    if (replies == NULL) {
        fresh(t, k);
    }
    end(a, replies == NULL ? HF_HEARD_UNKNOWN : HF_HEARD_OK);
}

/* ---- Looking: locks that others wait for ---- */

static void send_words(hf_actor *a, uint32_t stage, const char *words)
{
    op_of(a)->stage = stage;
    hf_client_put(&a->client, "%s", words);
    hf_client_send(&a->client);
}

static void step_look(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    const tracks *t = w->state;
    op *o = op_of(a);
    char key[HF_KEY_TEXT];
    if (replies == NULL || o->stage == 2 || (o->stage == 0 && replies[0].kind == '-')) {
        end(a, replies == NULL ? HF_HEARD_UNKNOWN : HF_HEARD_OK);
    } else if (replies[count - 1].kind == '-') {
        send_words(a, 2, "HF.ROLLBACK");
    } else if (o->stage == 0) {
        o->stage = 1;
        for (uint32_t i = 0; i < 2; i++) {
            hf_workload_key(w, t->track[o->track].first + i, key);
            hf_client_put(&a->client, "GET %s", key);
        }
        hf_client_send(&a->client);
    } else {
        hf_actor_wait(a, hf_world_prng_expo(hf_actor_prng(a), 3000000));
    }
}

static void wake(hf_workload *w, hf_actor *a)
{
    (void)w;
    if (op_of(a)->connection == a->client.conn) {
        send_words(a, 2, "HF.COMMIT");
    } else {
        end(a, HF_HEARD_OK); /* it went with its connection */
    }
}

/* ---- The end: what was acknowledged is there ---- */

static void finish(hf_workload *w, hf_actor *a)
{
    const tracks *t = w->state;
    op *o = op_of(a);
    *o = (op){ .form = FINISH, .txn = hf_actor_begin(a) };
    for (uint32_t i = 0; i < TRACKS; i++) {
        put_command(w, &a->client, &t->track[i], &(command){ .verb = MGET });
    }
    hf_client_send(&a->client);
}

static void step_finish(hf_workload *w, hf_actor *a, const hf_reply *replies)
{
    tracks *t = w->state;
    hf_heard heard = HF_HEARD_OK;
    for (uint32_t i = 0; i < TRACKS && heard == HF_HEARD_OK; i++) {
        heard = replies == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(&replies[i]);
        if (heard == HF_HEARD_OK &&
            !follow(&t->track[i], &(command){ .verb = MGET }, &replies[i])) {
            hf_run_fail(w->run, HF_RUN_WRONG,
                        "pipeline: the track from %u is not as it was acknowledged",
                        t->track[i].first);
        }
    }
    hf_actor_end(a, op_of(a)->txn, heard);
    if (heard == HF_HEARD_OK) {
        hf_actor_done(a);
    } else {
        hf_actor_finish_again(a);
    }
}

static void step(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    switch (op_of(a)->form) {
    case BATCH:
        step_batch(w, a, replies, count);
        break;
    case LOOK:
        step_look(w, a, replies, count);
        break;
    case FINISH:
        step_finish(w, a, replies);
        break;
    }
}

/* ---- Life ---- */

static void tracks_open(hf_workload *w)
{
    tracks *t = hf_check_alloc(1, sizeof *t);
    w->state = t;
    for (uint32_t i = 0; i < TRACKS; i++) {
        fresh(t, &t->track[i]);
    }
}

static void tracks_close(hf_workload *w)
{
    free(w->state);
}

static void done(hf_workload *w, hf_actor *a)
{
    (void)w;
    hf_actor_done(a);
}

static void nothing(hf_workload *w)
{
    (void)w;
}

const hf_workload_kind hf_workload_pipeline = { .name = "pipeline",
                                                .in_order = true,
                                                .open = tracks_open,
                                                .close = tracks_close,
                                                .setup = done,
                                                .start = start,
                                                .finish = finish,
                                                .step = step,
                                                .wake = wake,
                                                .judge = nothing };
