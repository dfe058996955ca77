/* register: few keys, each a register; linearizable key by key.
 *
 * Values are unique numbers, "17" or "17:padding"; flavour "large" pads up to a megabyte, or up to
 * three where a transaction may have so much.
 */
#include "tests/sim/checkers/check_register.h"
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 8, PAD_HEAD = 24, PAD_LEAST = 50000, PAD_MAX = 3 << 20, OP_KEYS = 4 };

typedef struct registers {
    uint32_t keys;
    uint32_t pad_max;
    int64_t next_value;
    int64_t seen[KEYS_MAX]; /* a guess at what it holds: for conditions that may hold */
    uint8_t *pad;
    uint32_t kinds_off; /* kinds that this run leaves out */
} registers;

typedef enum kind {
    GET,
    SET,
    DEL,
    SETNX,
    CAS,       /* HF.TXN IF */
    CAS_ID,    /* ... with an id, tried until it is settled */
    SET_IFEQ,  /* SET key value IFEQ old */
    EXEC_IFEQ, /* MULTI, SET, EXEC IFEQ */
    GETSET,
    GETDEL,
    MGET,
    MSET,
    MSETNX,
    EXEC,     /* MULTI of reads and writes */
    WATCHED,  /* WATCH, GET, then MULTI, SET, EXEC */
    TXN_ELSE, /* HF.TXN IF old THEN SET ELSE GET */
    BURST,    /* several commands in one packet, not waiting for each other */
    FINISH,
    KINDS
} kind;

typedef struct op {
    kind kind;
    uint32_t stage, count, tries;
    uint32_t txn[OP_KEYS];
    uint32_t key[OP_KEYS];
    int64_t value[OP_KEYS];
    int64_t old;
    bool writes[OP_KEYS];
    bool lost;
    uint32_t process[OP_KEYS];
    char id[HF_ID_TEXT + 1];
} op;

static op *op_of(hf_actor *actor)
{
    _Static_assert(sizeof(op) <= HF_ACTOR_ROOM, "an operation fits");
    return (op *)(void *)actor->room;
}

/* ---- Values ---- */

/* The padding follows from the value: a condition can name the whole text again. */
static uint32_t pad_of(const registers *r, int64_t value)
{
    return r->pad_max == 0 ? 0 : (uint32_t)(hf_world_mix((uint64_t)value) % (r->pad_max + 1));
}

static bool digits_of(hf_bytes text, int64_t *value, uint32_t *size)
{
    *value = 0;
    *size = 0;
    while (*size < text.size && text.data[*size] != ':') {
        uint8_t c = text.data[(*size)++];
        if (c < '0' || c > '9') {
            return false;
        }
        *value = *value * 10 + (c - '0');
    }
    return *size != 0;
}

/* Every byte of it counts: the number, and the padding that belongs to it. */
static bool value_of(const registers *r, const hf_reply *reply, int64_t *value)
{
    uint32_t digits;
    *value = HF_NIL;
    if (reply->kind == '_') {
        return true;
    }
    if (reply->kind != '$' || !digits_of(reply->bytes, value, &digits)) {
        return false;
    }
    uint32_t pad = pad_of(r, *value);
    return reply->bytes.size == digits + (pad == 0 ? 0 : pad + 1) &&
           (pad == 0 || memcmp(reply->bytes.data + digits + 1, r->pad + PAD_HEAD, pad) == 0);
}

static void put_value(hf_client *c, registers *r, int64_t value)
{
    uint32_t pad = pad_of(r, value);
    if (pad == 0) {
        hf_client_put_text(c, "%" PRId64, value);
        return;
    }
    char head[PAD_HEAD];
    int size = snprintf(head, sizeof head, "%" PRId64 ":", value);
    memcpy(r->pad + PAD_HEAD - size, head, (size_t)size);
    hf_client_put_word(c, hf_bytes_of(r->pad + PAD_HEAD - size, pad + (uint32_t)size));
}

static void put_key(hf_client *c, const hf_workload *w, uint32_t key)
{
    char text[HF_KEY_TEXT];
    hf_workload_key(w, key, text);
    hf_client_put_text(c, "%s", text);
}

static void put_get(hf_client *c, const hf_workload *w, uint32_t key)
{
    hf_client_put_begin(c, 2);
    hf_client_put_text(c, "GET");
    put_key(c, w, key);
}

static void put_set(hf_client *c, hf_workload *w, uint32_t key, int64_t value)
{
    hf_client_put_begin(c, 3);
    hf_client_put_text(c, "SET");
    put_key(c, w, key);
    put_value(c, w->state, value);
}

/* HF.TXN [ID id] IF key = old THEN 1 3 SET key new [ELSE 1 2 GET key] */
static void put_txn(hf_client *c, hf_workload *w, const op *o)
{
    registers *r = w->state;
    bool absent = o->old == HF_NIL;
    bool otherwise = o->kind == TXN_ELSE;
    uint32_t words =
        1 + (o->id[0] != '\0' ? 2u : 0) + (absent ? 3u : 4u) + 6 + (otherwise ? 5u : 0);
    hf_client_put_begin(c, words);
    hf_client_put_text(c, "HF.TXN");
    if (o->id[0] != '\0') {
        hf_client_put_text(c, "ID");
        hf_client_put_text(c, "%s", o->id);
    }
    hf_client_put_text(c, "IF");
    put_key(c, w, o->key[0]);
    hf_client_put_text(c, absent ? "ABSENT" : "=");
    if (!absent) {
        put_value(c, r, o->old);
    }
    hf_client_put_text(c, "THEN");
    hf_client_put_text(c, "1");
    hf_client_put_text(c, "3");
    hf_client_put_text(c, "SET");
    put_key(c, w, o->key[1]);
    put_value(c, r, o->value[1]);
    if (otherwise) {
        hf_client_put_text(c, "ELSE");
        hf_client_put_text(c, "1");
        hf_client_put_text(c, "2");
        hf_client_put_text(c, "GET");
        put_key(c, w, o->key[0]);
    }
}

/* ---- History ---- */

static void log_read(hf_workload *w, uint32_t txn, uint32_t key, const hf_reply *reply)
{
    registers *r = w->state;
    uint32_t number = hf_history_op(&w->history, txn, HF_MICRO_READ, (int64_t[]){ key });
    int64_t value;
    if (reply == NULL) {
        return;
    }
    if (!value_of(r, reply, &value)) {
        if (reply->kind != '-') {
            hf_run_fail(w->run, HF_RUN_WRONG, "register %u holds what nobody wrote", key);
        }
        return;
    }
    r->seen[key] = value;
    hf_history_answer(&w->history, txn, number, value);
}

static void log_write(hf_workload *w, uint32_t txn, uint32_t key, int64_t value)
{
    registers *r = w->state;
    if (value == HF_NIL) {
        (void)hf_history_op(&w->history, txn, HF_MICRO_DELETE, (int64_t[]){ key });
    } else {
        hf_history_write(&w->history, txn, key, value);
    }
    r->seen[key] = value;
}

/* done: 1 or 0; -1: not told */
static void log_cas(hf_workload *w, uint32_t txn, uint32_t key, int64_t old, int64_t value,
                    int done)
{
    registers *r = w->state;
    uint32_t number = hf_history_op(&w->history, txn, HF_MICRO_CAS, (int64_t[]){ key, old, value });
    if (done >= 0) {
        hf_history_answer(&w->history, txn, number, done);
    }
    r->seen[key] = done == 1 ? value : r->seen[key];
}

/* ---- Starting ---- */

static uint32_t draw_key(hf_workload *w, hf_actor *a)
{
    const registers *r = w->state;
    return (uint32_t)hf_world_prng_below(hf_actor_prng(a), r->keys);
}

static void draw_keys(hf_workload *w, hf_actor *a, op *o, uint32_t most)
{
    const registers *r = w->state;
    most = most < r->keys ? most : r->keys;
    o->count = 1 + (uint32_t)hf_world_prng_below(hf_actor_prng(a), most);
    for (uint32_t i = 0; i < o->count; i++) {
        bool again;
        do {
            o->key[i] = draw_key(w, a);
            again = false;
            for (uint32_t k = 0; k < i; k++) {
                again = again || o->key[k] == o->key[i];
            }
        } while (again);
    }
}

static int64_t new_value(hf_workload *w)
{
    registers *r = w->state;
    return ++r->next_value;
}

static int64_t guess(hf_workload *w, hf_actor *a, uint32_t key)
{
    const registers *r = w->state;
    if (hf_world_prng_below(hf_actor_prng(a), 4) != 0) {
        return r->seen[key];
    }
    return r->next_value == 0
               ? HF_NIL
               : 1 + (int64_t)hf_world_prng_below(hf_actor_prng(a), (uint64_t)r->next_value);
}

static void send_words(hf_client *c, hf_workload *w, const char *command, const op *o, bool values)
{
    hf_client_put_begin(c, 1 + o->count * (values ? 2 : 1));
    hf_client_put_text(c, "%s", command);
    for (uint32_t i = 0; i < o->count; i++) {
        put_key(c, w, o->key[i]);
        if (values) {
            put_value(c, w->state, o->value[i]);
        }
    }
}

static void send_exec(hf_client *c, hf_workload *w, const op *o)
{
    if (o->kind != BURST) {
        hf_client_put(c, "MULTI");
    }
    for (uint32_t i = 0; i < o->count; i++) {
        if (o->writes[i]) {
            put_set(c, w, o->key[i], o->value[i]);
        } else {
            put_get(c, w, o->key[i]);
        }
    }
    if (o->kind != BURST) {
        hf_client_put(c, "EXEC");
    }
}

static void send_one(hf_client *c, hf_workload *w, const op *o)
{
    char key[HF_KEY_TEXT];
    hf_workload_key(w, o->key[0], key);
    switch (o->kind) {
    case GET:
        put_get(c, w, o->key[0]);
        break;
    case SET:
        put_set(c, w, o->key[0], o->value[0]);
        break;
    case DEL:
    case GETDEL:
        hf_client_put(c, "%s %s", o->kind == DEL ? "DEL" : "GETDEL", key);
        break;
    case SETNX:
    case GETSET:
        hf_client_put_begin(c, 3);
        hf_client_put_text(c, o->kind == SETNX ? "SETNX" : "GETSET");
        hf_client_put_text(c, "%s", key);
        put_value(c, w->state, o->value[0]);
        break;
    case SET_IFEQ:
        hf_client_put_begin(c, 5);
        hf_client_put_text(c, "SET");
        hf_client_put_text(c, "%s", key);
        put_value(c, w->state, o->value[0]);
        hf_client_put_text(c, "IFEQ");
        put_value(c, w->state, o->old);
        break;
    case EXEC_IFEQ:
        hf_client_put(c, "MULTI");
        put_set(c, w, o->key[0], o->value[0]);
        hf_client_put_begin(c, 4);
        hf_client_put_text(c, "EXEC");
        hf_client_put_text(c, "IFEQ");
        hf_client_put_text(c, "%s", key);
        put_value(c, w->state, o->old);
        break;
    case WATCHED:
        hf_client_put(c, "WATCH %s", key);
        put_get(c, w, o->key[0]);
        break;
    case CAS:
    case CAS_ID:
    case TXN_ELSE:
        put_txn(c, w, o);
        break;
    case MGET:
    case MSET:
    case MSETNX:
        send_words(c, w,
                   o->kind == MGET   ? "MGET"
                   : o->kind == MSET ? "MSET"
                                     : "MSETNX",
                   o, o->kind != MGET);
        break;
    case EXEC:
    case BURST:
        send_exec(c, w, o);
        break;
    case FINISH:
    case KINDS:
        HF_UNREACHABLE();
    }
}

static void start(hf_workload *w, hf_actor *a)
{
    const registers *r = w->state;
    op *o = op_of(a);
    memset(o, 0, sizeof *o);
    do {
        o->kind = (kind)hf_world_prng_below(hf_actor_prng(a), FINISH);
    } while ((r->kinds_off >> o->kind & 1) != 0);
    bool many = o->kind == MGET || o->kind == MSET || o->kind == MSETNX || o->kind == EXEC ||
                o->kind == BURST;
    draw_keys(w, a, o, many ? OP_KEYS : 1);
    if (o->kind == CAS || o->kind == CAS_ID || o->kind == TXN_ELSE) {
        o->key[1] = o->key[0];
        o->value[1] = new_value(w);
    }
    for (uint32_t i = 0; i < o->count; i++) {
        o->writes[i] = hf_world_prng_coin(hf_actor_prng(a));
        o->value[i] = new_value(w);
    }
    o->old = guess(w, a, o->key[0]);
    if (o->old == HF_NIL && (o->kind == SET_IFEQ || o->kind == EXEC_IFEQ)) {
        o->old = 1;
    }
    if (o->kind == CAS_ID) {
        hf_id_make(a, o->id);
    }
    if (o->kind == BURST) {
        for (uint32_t i = 0; i < o->count; i++) {
            o->txn[i] =
                hf_history_begin(&w->history, hf_run_process(w->run), (int64_t)hf_run_now(w->run));
        }
    } else {
        o->txn[0] = hf_actor_begin(a);
    }
    send_one(&a->client, w, o);
    hf_client_send(&a->client);
}

/* ---- What was heard ---- */

/* What the operation would have done, its answers not known. */
static void log_blind(hf_workload *w, const op *o)
{
    uint32_t t = o->txn[0];
    switch (o->kind) {
    case SET:
    case GETSET:
        log_write(w, t, o->key[0], o->value[0]);
        break;
    case DEL:
    case GETDEL:
        log_write(w, t, o->key[0], HF_NIL);
        break;
    case SETNX:
        log_cas(w, t, o->key[0], HF_NIL, o->value[0], -1);
        break;
    case SET_IFEQ:
    case EXEC_IFEQ:
    case WATCHED:
        log_cas(w, t, o->key[0], o->old, o->value[0], -1);
        break;
    case CAS:
    case CAS_ID:
    case TXN_ELSE:
        log_cas(w, t, o->key[0], o->old, o->value[1], -1);
        break;
    case MSETNX:
        for (uint32_t i = 0; i < o->count; i++) {
            /* All or nothing: as one transaction each key is a set that found it absent. */
            log_cas(w, t, o->key[i], HF_NIL, o->value[i], -1);
        }
        break;
    case MSET:
        for (uint32_t i = 0; i < o->count; i++) {
            log_write(w, t, o->key[i], o->value[i]);
        }
        break;
    case EXEC:
        for (uint32_t i = 0; i < o->count; i++) {
            if (o->writes[i]) {
                log_write(w, t, o->key[i], o->value[i]);
            } else {
                log_read(w, t, o->key[i], NULL);
            }
        }
        break;
    case GET:
        log_read(w, t, o->key[0], NULL);
        break;
    case MGET:
    case BURST:
    case FINISH:
    case KINDS:
        break;
    }
}

static void wrong(hf_workload *w, const op *o, const hf_reply *reply)
{
    hf_run_fail(w->run, HF_RUN_WRONG, "register: kind %d got a reply '%c' %.*s that it cannot have",
                (int)o->kind, reply->kind, reply->bytes.size < 200 ? (int)reply->bytes.size : 200,
                (const char *)reply->bytes.data);
}

/* Answers of an array of `o->count` elements: reads and sets in order. */
static void log_array(hf_workload *w, const op *o, const hf_reply *reply)
{
    if (reply->kind != '*' || reply->count != o->count) {
        wrong(w, o, reply);
        return;
    }
    for (uint32_t i = 0; i < o->count; i++) {
        const hf_reply *item = &reply->items[i];
        if (o->kind == EXEC && o->writes[i]) {
            if (item->kind != '-') { /* in EXEC one command's error leaves the others be */
                log_write(w, o->txn[0], o->key[i], o->value[i]);
            }
        } else {
            log_read(w, o->txn[0], o->key[i], item);
        }
    }
}

/* The answer of a command that sets if something holds: 1 it did, 0 it did not, -1 neither. */
static int did(const op *o, const hf_reply *reply)
{
    if (hf_reply_is_error(reply, "CONDFAILED")) {
        return 0;
    }
    if (o->kind == SETNX || o->kind == MSETNX) {
        return reply->kind != ':' ? -1 : reply->integer == 1 ? 1 : 0;
    }
    if (o->kind == SET_IFEQ) {
        return reply->kind == '_' ? 0 : hf_reply_is_text(reply, "OK") ? 1 : -1;
    }
    return reply->kind == '_' ? 0 : reply->kind == '*' && reply->count == 1 ? 1 : -1;
}

static void log_answers(hf_workload *w, op *o, const hf_reply *reply)
{
    uint32_t t = o->txn[0];
    switch (o->kind) {
    case GET:
        log_read(w, t, o->key[0], reply);
        break;
    case SET:
    case DEL:
    case MSET:
        log_blind(w, o);
        break;
    case GETSET:
    case GETDEL:
        log_read(w, t, o->key[0], reply);
        log_write(w, t, o->key[0], o->kind == GETSET ? o->value[0] : HF_NIL);
        break;
    case MGET:
    case EXEC:
        log_array(w, o, reply);
        break;
    case TXN_ELSE:
        if (reply->kind != '*' || reply->count != 1) {
            wrong(w, o, reply);
        } else if (hf_reply_is_text(&reply->items[0], "OK")) {
            log_cas(w, t, o->key[0], o->old, o->value[1], 1);
        } else {
            log_cas(w, t, o->key[0], o->old, o->value[1], 0);
            log_read(w, t, o->key[0], &reply->items[0]);
        }
        break;
    case SETNX:
    case CAS:
    case CAS_ID:
    case SET_IFEQ:
    case EXEC_IFEQ:
        if (did(o, reply) < 0) {
            wrong(w, o, reply);
        } else {
            log_cas(w, t, o->key[0], o->kind == SETNX ? HF_NIL : o->old,
                    o->kind == CAS || o->kind == CAS_ID ? o->value[1] : o->value[0], did(o, reply));
        }
        break;
    case MSETNX:
        if (did(o, reply) == 1) {
            for (uint32_t i = 0; i < o->count; i++) {
                log_cas(w, t, o->key[i], HF_NIL, o->value[i], 1);
            }
        } else if (did(o, reply) < 0) {
            wrong(w, o, reply);
        } else if (o->count == 1) {
            log_cas(w, t, o->key[0], HF_NIL, o->value[0], 0);
        }
        break;
    case WATCHED:
    case BURST:
    case FINISH:
    case KINDS:
        HF_UNREACHABLE();
    }
}

static void end_one(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    op *o = op_of(a);
    hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(reply);
    if (reply != NULL && hf_reply_is_error(reply, "CONDFAILED")) {
        heard = HF_HEARD_OK; /* it says what it found */
    }
    if (heard == HF_HEARD_OK) {
        log_answers(w, o, reply);
    } else {
        log_blind(w, o);
    }
    hf_actor_end(a, o->txn[0], heard);
    hf_actor_done(a);
}

static void end_burst(hf_workload *w, hf_actor *a, const hf_reply *replies)
{
    op *o = op_of(a);
    for (uint32_t i = 0; i < o->count; i++) {
        const hf_reply *reply = replies == NULL ? NULL : &replies[i];
        hf_heard heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(reply);
        if (o->writes[i]) {
            log_write(w, o->txn[i], o->key[i], o->value[i]);
        } else {
            log_read(w, o->txn[i], o->key[i], heard == HF_HEARD_OK ? reply : NULL);
        }
        hf_history_end(&w->history, o->txn[i], (int64_t)hf_run_now(w->run), heard);
    }
    hf_actor_done(a);
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

/* WATCH and GET, then EXEC: nothing may have changed between the two. */
static void step_watched(hf_workload *w, hf_actor *a, const hf_reply *replies)
{
    op *o = op_of(a);
    uint32_t t = o->txn[0];
    if (o->stage == 2) {
        hf_actor_done(a);
        return;
    }
    if (o->stage == 0) {
        bool good = replies != NULL && !hf_reply_is_error(&replies[0], NULL) &&
                    !hf_reply_is_error(&replies[1], NULL);
        log_read(w, t, o->key[0], good ? &replies[1] : NULL);
        hf_actor_end(a, t, replies == NULL ? HF_HEARD_UNKNOWN : good ? HF_HEARD_OK : HF_HEARD_FAIL);
        if (!good) {
            forget_watch(a, replies != NULL);
            return;
        }
        o->stage = 1;
        o->old = ((registers *)w->state)->seen[o->key[0]];
        o->txn[0] = hf_actor_begin(a);
        hf_client_put(&a->client, "MULTI");
        put_set(&a->client, w, o->key[0], o->value[0]);
        hf_client_put(&a->client, "EXEC");
        hf_client_send(&a->client);
        return;
    }
    const hf_reply *exec = replies == NULL ? NULL : &replies[2];
    hf_heard heard = exec == NULL        ? HF_HEARD_UNKNOWN
                     : exec->kind == '_' ? HF_HEARD_FAIL
                                         : hf_heard_of(exec);
    log_cas(w, t, o->key[0], o->old, o->value[0], heard == HF_HEARD_OK ? 1 : -1);
    hf_actor_end(a, t, heard);
    hf_actor_done(a);
}

/* With an id: until it is known what became of it. */
static void step_id(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    op *o = op_of(a);
    if (reply != NULL && o->stage == 1) { /* HF.OUTCOME */
        bool expired;
        hf_heard heard = hf_outcome_of(reply, &expired);
        if (heard != HF_HEARD_UNKNOWN || expired) {
            /* Aborted may also mean that the condition failed: no answer is taken from it. */
            log_cas(w, o->txn[0], o->key[0], o->old, o->value[1], heard == HF_HEARD_OK ? 1 : -1);
            hf_actor_end(a, o->txn[0], heard);
            hf_actor_done(a);
            return;
        }
    } else if (reply != NULL && (!o->lost || hf_retry_settles(reply))) {
        end_one(w, a, reply);
        return;
    }
    if (hf_run_over(w->run)) {
        end_one(w, a, NULL);
        return;
    }
    o->lost = true;
    hf_actor_wait(a, hf_actor_pause(a));
}

static void wake(hf_workload *w, hf_actor *a)
{
    op *o = op_of(a);
    HF_ASSERT(o->kind == CAS_ID);
    o->stage = ++o->tries > 2 || hf_world_prng_coin(hf_actor_prng(a)) ? 1 : 0;
    if (o->stage == 1) {
        hf_client_put(&a->client, "HF.OUTCOME %s", o->id);
    } else {
        put_txn(&a->client, w, o);
    }
    hf_client_send(&a->client);
}

static void step_finish(hf_workload *w, hf_actor *a, const hf_reply *replies)
{
    op *o = op_of(a);
    const registers *r = w->state;
    for (uint32_t i = 0; i < r->keys; i++) {
        log_read(w, o->txn[0], i, replies == NULL ? NULL : &replies[i]);
    }
    bool good = replies != NULL;
    for (uint32_t i = 0; good && i < r->keys; i++) {
        good = replies[i].kind != '-';
    }
    hf_actor_end(a, o->txn[0], good ? HF_HEARD_OK : HF_HEARD_UNKNOWN);
    if (good) {
        hf_actor_done(a);
    } else {
        hf_actor_finish_again(a);
    }
}

static void step(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    op *o = op_of(a);
    switch ((int)o->kind) {
    case FINISH:
        step_finish(w, a, replies);
        break;
    case BURST:
        end_burst(w, a, replies);
        break;
    case WATCHED:
        step_watched(w, a, replies);
        break;
    case CAS_ID:
        step_id(w, a, replies);
        break;
    default:
        end_one(w, a, replies == NULL ? NULL : &replies[count - 1]);
        break;
    }
}

/* ---- Life ---- */

static void registers_open(hf_workload *w)
{
    registers *r = hf_check_alloc(1, sizeof *r);
    w->state = r;
    r->keys = 1 + (uint32_t)hf_world_prng_below(&w->prng, KEYS_MAX);
    static const uint32_t pads[] = { 0, 0, 100, 2000, 20000 };
    r->pad_max = pads[hf_world_prng_below(&w->prng, sizeof pads / sizeof pads[0])];
    if (strcmp(w->flavour, "large") == 0) {
        uint64_t most = hf_run_record_max(w->run) / 3;
        most = most < (1 << 20) ? 1 << 20 : most < PAD_MAX ? most : PAD_MAX;
        r->pad_max = (uint32_t)hf_world_prng_between(&w->prng, PAD_LEAST, most);
    }
    r->kinds_off = (uint32_t)hf_world_prng_next(&w->prng) & (uint32_t)hf_world_prng_next(&w->prng) &
                   ~(1u << GET | 1u << SET);
    r->pad = hf_check_alloc(PAD_MAX + 64, 1);
    memset(r->pad, 'x', PAD_MAX + 64);
    for (uint32_t i = 0; i < KEYS_MAX; i++) {
        r->seen[i] = HF_NIL;
    }
}

static void registers_close(hf_workload *w)
{
    registers *r = w->state;
    free(r->pad);
    free(r);
}

static void setup(hf_workload *w, hf_actor *a)
{
    (void)w;
    hf_actor_done(a);
}

static void finish(hf_workload *w, hf_actor *a)
{
    const registers *r = w->state;
    op *o = op_of(a);
    memset(o, 0, sizeof *o);
    o->kind = FINISH;
    o->txn[0] = hf_actor_begin(a);
    for (uint32_t i = 0; i < r->keys; i++) {
        put_get(&a->client, w, i);
    }
    hf_client_send(&a->client);
}

static void judge(hf_workload *w)
{
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    (void)hf_check_register(&w->history, HF_REGISTER_STEPS, &verdict);
    hf_judge_with(w, "register", &verdict);
    hf_verdict_close(&verdict);
}

const hf_workload_kind hf_workload_register = { .name = "register",
                                                .open = registers_open,
                                                .close = registers_close,
                                                .setup = setup,
                                                .start = start,
                                                .finish = finish,
                                                .step = step,
                                                .wake = wake,
                                                .judge = judge };
