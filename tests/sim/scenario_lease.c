/* lease: HF.LOCK and HF.UNLOCK by many owners of few names.
 *
 * Tokens of one name only grow, and are one owner's each. Nobody gets a name while another owner is
 * sure to have it: he heard so, has asked for nothing else since, and even the fastest clock has
 * not reached its end. What a crash takes away must not be a lease.
 */
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 4, RECENT = 16, MS = 1000000 };

/* A lease that somebody heard of. */
typedef struct lease {
    uint32_t owner;
    int64_t token;
    uint64_t heard; /* virtual time */
    uint64_t least; /* wall time at which it may end */
    bool unsure;    /* its owner has asked for something else since */
} lease;

typedef struct leases {
    uint32_t names;
    uint32_t ttl_max;
    lease recent[NAMES_MAX][RECENT]; /* ring */
    uint32_t count[NAMES_MAX];
} leases;

typedef enum form { LOCK, EXEC, TXN, DIALOGUE, LOCKS, UNLOCK = LOCKS, FORMS } form;

enum { FIRST, SECOND, COMMITS, ENDS };

typedef struct op {
    form form;
    uint32_t stage, name, ttl, txn;
    int64_t token;
    uint64_t asked, wall; /* virtual and wall time when it was sent */
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

/* ---- Sending ---- */

static void send_lock(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    hf_client *c = &a->client;
    char name[HF_KEY_TEXT];
    char beside[HF_KEY_TEXT]; /* mostly with another shard */
    hf_workload_key(w, o->name, name);
    hf_workload_key(w, NAMES_MAX + o->name, beside);
    o->asked = hf_run_now(w->run);
    o->wall = hf_world_wall(hf_run_world(w->run));
    if (o->form == EXEC) {
        hf_client_put(c, "MULTI");
    }
    if (o->form == TXN) {
        hf_client_put(c, "HF.TXN THEN 2 5 HF.LOCK %s o%u TTL %u 2 INCR %s", name, c->number, o->ttl,
                      beside);
    } else if (o->form == UNLOCK) {
        hf_client_put(c, "HF.UNLOCK %s o%u", name, c->number);
    } else {
        hf_client_put(c, "HF.LOCK %s o%u TTL %u", name, c->number, o->ttl);
    }
    if (o->form == EXEC) {
        hf_client_put(c, "INCR %s", beside);
        hf_client_put(c, "EXEC");
    }
    hf_client_send(c);
}

/* To take it again may make it shorter. */
static void let_go(leases *l, const op *o, uint32_t owner)
{
    for (uint32_t i = 0; i < RECENT; i++) {
        lease *one = &l->recent[o->name][i];
        one->unsure = one->unsure || one->owner == owner;
    }
}

static void start(hf_workload *w, hf_actor *a)
{
    leases *l = w->state;
    op *o = op_of(a);
    hf_world_prng *prng = hf_actor_prng(a);
    o->form = (form)hf_world_prng_below(prng, FORMS);
    o->name = (uint32_t)hf_world_prng_below(prng, l->names);
    o->ttl = 1 + (uint32_t)hf_world_prng_below(prng, l->ttl_max);
    o->txn = hf_actor_begin(a);
    let_go(l, o, a->client.number);
    if (o->form == DIALOGUE) {
        hf_client_put(&a->client, "HF.BEGIN");
        hf_client_send(&a->client);
    } else {
        send_lock(w, a);
    }
}

/* ---- What was heard ---- */

static void check_lease(hf_workload *w, const op *o, uint32_t owner, const lease *before)
{
    uint64_t slack = hf_run_wall_slack(w->run);
    bool later = o->asked > before->heard;
    if (before->owner != owner && before->token == o->token) {
        hf_run_fail(w->run, HF_RUN_WRONG, "lease: one token, %" PRId64 ", for two owners",
                    o->token);
    }
    if (later && o->token < before->token) {
        hf_run_fail(w->run, HF_RUN_WRONG, "lease: the token %" PRId64 " came after %" PRId64,
                    o->token, before->token);
    }
    if (later && before->owner != owner && !before->unsure &&
        hf_run_wall_max(w->run) + slack < before->least) {
        hf_run_fail(w->run, HF_RUN_WRONG,
                    "lease: name %u was given to %u while %u had it for %" PRIu64 " ms more",
                    o->name, owner, before->owner, (before->least - hf_run_wall_max(w->run)) / MS);
    }
}

static void taken(hf_workload *w, hf_actor *a)
{
    leases *l = w->state;
    const op *o = op_of(a);
    uint32_t owner = a->client.number;
    uint64_t slack = hf_run_wall_slack(w->run);
    for (uint32_t i = 0; i < RECENT && i < l->count[o->name]; i++) {
        check_lease(w, o, owner, &l->recent[o->name][i]);
    }
    l->recent[o->name][l->count[o->name]++ % RECENT] =
        (lease){ .owner = owner,
                 .token = o->token,
                 .heard = hf_run_now(w->run),
                 .least = o->wall + o->ttl * (uint64_t)MS - slack };
}

/* The reply to HF.LOCK itself. False: it is none. */
static bool token_of(hf_workload *w, op *o, const hf_reply *reply)
{
    o->token = 0;
    if (reply->kind != ':' && reply->kind != '_') {
        hf_run_fail(w->run, HF_RUN_WRONG, "lease: HF.LOCK was answered with '%c'", reply->kind);
        return false;
    }
    o->token = reply->kind == ':' ? reply->integer : 0;
    return o->token != 0;
}

static void step_lock(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    op *o = op_of(a);
    bool array = o->form == EXEC || o->form == TXN;
    hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(reply);
    if (heard == HF_HEARD_OK && o->form != UNLOCK) {
        const hf_reply *first =
            array && reply->kind == '*' && reply->count == 2 ? &reply->items[0] : reply;
        if (!(array && first->kind == '-') && token_of(w, o, first)) {
            taken(w, a);
        }
    }
    over(a, heard);
}

static void end_dialogue(hf_actor *a, bool commits)
{
    op_of(a)->stage = commits ? COMMITS : ENDS;
    hf_client_put(&a->client, commits ? "HF.COMMIT" : "HF.ROLLBACK");
    hf_client_send(&a->client);
}

static void step_dialogue(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    op *o = op_of(a);
    if (o->stage == ENDS || reply == NULL) {
        over(a, o->stage == COMMITS ? HF_HEARD_UNKNOWN : HF_HEARD_FAIL);
    } else if (o->stage == COMMITS) {
        hf_heard heard = hf_heard_of(reply);
        if (heard == HF_HEARD_FAIL) {
            end_dialogue(a, false);
            return;
        }
        if (heard == HF_HEARD_OK) {
            taken(w, a);
        }
        over(a, heard);
    } else if (o->stage == FIRST && reply->kind != '-') {
        o->stage = SECOND;
        send_lock(w, a);
    } else {
        end_dialogue(a, o->stage == SECOND && reply->kind != '-' && token_of(w, o, reply));
    }
}

static void step(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    const hf_reply *last = replies == NULL ? NULL : &replies[count - 1];
    if (op_of(a)->form == DIALOGUE) {
        step_dialogue(w, a, last);
    } else {
        step_lock(w, a, last);
    }
}

/* ---- Life ---- */

static void leases_open(hf_workload *w)
{
    static const uint32_t lives[] = { 5, 50, 500, 5000 };
    leases *l = hf_check_alloc(1, sizeof *l);
    w->state = l;
    l->names = 1 + (uint32_t)hf_world_prng_below(&w->prng, NAMES_MAX);
    l->ttl_max = lives[hf_world_prng_below(&w->prng, 4)];
}

static void leases_close(hf_workload *w)
{
    free(w->state);
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

const hf_workload_kind hf_workload_lease = { .name = "lease",
                                             .open = leases_open,
                                             .close = leases_close,
                                             .setup = done,
                                             .start = start,
                                             .finish = done,
                                             .step = step,
                                             .wake = done,
                                             .judge = judge };
