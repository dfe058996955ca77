/* changes: who follows HF.CHANGES sees each committed transaction once, whole, in order.
 *
 * Transactions make keys that nobody made before, so an entry says whose it is. Readers page
 * through the feed by its tokens, all of it or the keys of one partition; a page that was lost is
 * asked for again. A restart takes the feed's memory: then, and only then, a token is -EXPIRED, and
 * the reader goes on from NOW. At the end all that was acknowledged since NOW must have been seen,
 * and what was seen must be there.
 */
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAMS = 3,
    KEYS = 20, /* of one transaction at most */
    TOKEN_TEXT = 24,
    ACTORS = 64,
    SHOWN = 500,
    FINISH_COUNT = 1000,
    NOBODY = 0,
    LONG_KEY = 4000,
    KEY_ROOM = HF_KEY_TEXT + LONG_KEY,
    LONG_KEYS_BYTES = 12 << 20, /* in a run, for each core: there is memory for these */
    FEED_BYTES = 2 << 20,       /* a shard remembers more, whatever is under way besides */
};

typedef struct txn {
    uint32_t keys;
    uint32_t tail; /* of each key: long ones fill the feed's memory */
    hf_heard heard;
    uint64_t invoked;
    uint64_t asked_bytes;  /* by all, until it */
    uint32_t before;       /* the acknowledged one before it on its connection; NOBODY: none */
    uint8_t seen[STREAMS]; /* how many of its keys */
} txn;

typedef struct stream {
    char prefix[8];
    char token[TOKEN_TEXT]; /* "": it has to begin anew */
    uint64_t since;         /* what is invoked later must be seen */
    uint64_t boots;         /* when it began */
    uint64_t boots_before;  /* when a page was asked for: its node may be dead when it comes */
    int64_t ts;             /* of the last entry */
    uint64_t asked_before;  /* bytes of keys, by all, when a page was asked for */
    uint64_t asked_bytes;   /* ... and by when it had shown all that came until then */
    bool busy;
} stream;

typedef struct changes {
    txn *txns; /* from 1 on */
    uint32_t count, room;
    stream streams[STREAMS];
    struct {
        hf_conn_id conn;
        uint32_t txn; /* the last one that was acknowledged there */
    } last[ACTORS];
    uint32_t reads_ppm;
    uint32_t keys, tail; /* of a transaction at most */
    uint64_t asked_bytes, long_bytes;
} changes;

typedef enum form { ONE, TXN, EXEC, MSET, FORMS, READ, FINISH } form;

typedef struct op {
    form form;
    uint32_t txn, stream;
    uint32_t logged; /* in the history: to be counted */
} op;

static op *op_of(hf_actor *actor)
{
    _Static_assert(sizeof(op) <= HF_ACTOR_ROOM, "an operation fits");
    return (op *)(void *)actor->room;
}

/* ---- Transactions ---- */

static void key_of(const hf_workload *w, uint32_t number, uint32_t i, char text[KEY_ROOM])
{
    const changes *s = w->state;
    hf_workload_key(w, number * KEYS + i, text);
    size_t size = strlen(text);
    memset(text + size, '.', s->txns[number].tail);
    text[size + s->txns[number].tail] = '\0';
}

static void put_keys(hf_client *c, const hf_workload *w, const op *o, uint32_t keys)
{
    char key[KEY_ROOM];
    uint32_t each = o->form == TXN ? 4 : 2;
    hf_client_put_begin(c, (o->form == TXN ? 3 : 1) + each * keys);
    hf_client_put_text(c, o->form == TXN ? "HF.TXN" : "MSET");
    if (o->form == TXN) {
        hf_client_put_text(c, "THEN");
        hf_client_put_text(c, "%u", keys);
    }
    for (uint32_t i = 0; i < keys; i++) {
        if (o->form == TXN) {
            hf_client_put_text(c, "3");
            hf_client_put_text(c, "SET");
        }
        key_of(w, o->txn, i, key);
        hf_client_put_text(c, "%s", key);
        hf_client_put_text(c, "x");
    }
}

static void start_txn(hf_workload *w, hf_actor *a)
{
    changes *s = w->state;
    op *o = op_of(a);
    hf_world_prng *prng = hf_actor_prng(a);
    char key[KEY_ROOM];
    o->form = (form)hf_world_prng_below(prng, FORMS);
    s->txns = hf_check_grow(s->txns, s->count, &s->room, sizeof *s->txns);
    o->txn = s->count++;
    txn *t = &s->txns[o->txn];
    *t = (txn){ .keys = o->form == ONE ? 1 : 1 + (uint32_t)hf_world_prng_below(prng, s->keys),
                .invoked = hf_run_now(w->run) };
    if (s->long_bytes < (uint64_t)LONG_KEYS_BYTES * hf_run_cores(w->run)) {
        t->tail = hf_world_prng_coin(prng) ? s->tail : 0;
    }
    s->long_bytes += t->keys * t->tail;
    s->asked_bytes += t->keys * (HF_KEY_TEXT + t->tail);
    t->asked_bytes = s->asked_bytes;
    o->logged = hf_actor_begin(a);
    HF_ASSERT(a->client.number < ACTORS);
    t->before =
        s->last[a->client.number].conn == a->client.conn ? s->last[a->client.number].txn : NOBODY;
    if (o->form == EXEC || o->form == ONE) {
        if (o->form == EXEC) {
            hf_client_put(&a->client, "MULTI");
        }
        for (uint32_t i = 0; i < t->keys; i++) {
            key_of(w, o->txn, i, key);
            hf_client_put(&a->client, "SET %s x", key);
        }
        if (o->form == EXEC) {
            hf_client_put(&a->client, "EXEC");
        }
    } else {
        put_keys(&a->client, w, o, t->keys);
    }
    hf_client_send(&a->client);
}

static void step_txn(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    changes *s = w->state;
    const op *o = op_of(a);
    txn *t = &s->txns[o->txn];
    t->heard = reply == NULL ? HF_HEARD_UNKNOWN : hf_heard_of(reply);
    for (uint32_t i = 0; t->heard == HF_HEARD_OK && reply->kind == '*' && i < reply->count; i++) {
        if (reply->items[i].kind == '-') { /* EXEC goes on after an error: some of it is there */
            t->heard = HF_HEARD_UNKNOWN;
            t->keys = 0;
        }
    }
    if (t->heard == HF_HEARD_OK) {
        s->last[a->client.number].conn = a->client.conn;
        s->last[a->client.number].txn = o->txn;
    }
    hf_actor_end(a, o->logged, t->heard);
    hf_actor_done(a);
}

/* ---- Readers ---- */

static void begin_anew(stream *of)
{
    of->token[0] = '\0';
    of->ts = 0;
}

static void send_read(hf_workload *w, hf_actor *a, uint32_t block_ms)
{
    changes *s = w->state;
    op *o = op_of(a);
    stream *of = &s->streams[o->stream];
    hf_client *c = &a->client;
    of->busy = true;
    of->asked_before = s->asked_bytes;
    of->boots_before = hf_run_boots(w->run);
    hf_client_put_begin(c, block_ms == 0 ? 6 : 8);
    hf_client_put_text(c, "HF.CHANGES");
    hf_client_put_text(c, "%s", of->prefix);
    hf_client_put_text(c, "FROM");
    hf_client_put_text(c, "%s", of->token[0] == '\0' ? "NOW" : of->token);
    hf_client_put_text(c, "COUNT");
    uint32_t count = 1 + (uint32_t)hf_world_prng_below(hf_actor_prng(a), 20);
    hf_client_put_text(c, "%u", o->form == FINISH ? FINISH_COUNT : count);
    if (block_ms != 0) {
        hf_client_put_text(c, "BLOCK");
        hf_client_put_text(c, "%u", block_ms);
    }
    hf_client_send(c);
}

static void start(hf_workload *w, hf_actor *a)
{
    changes *s = w->state;
    op *o = op_of(a);
    hf_world_prng *prng = hf_actor_prng(a);
    o->stream = (uint32_t)hf_world_prng_below(prng, STREAMS);
    if (s->streams[o->stream].busy || !hf_world_prng_chance(prng, s->reads_ppm)) {
        start_txn(w, a);
        return;
    }
    o->form = READ;
    send_read(w, a, hf_world_prng_coin(prng) ? 0 : 1 + (uint32_t)hf_world_prng_below(prng, 20));
}

/* Keys of the transaction that the stream is to show. */
static uint32_t keys_for(const hf_workload *w, const stream *of, uint32_t number)
{
    const changes *s = w->state;
    char key[KEY_ROOM];
    uint32_t keys = 0;
    for (uint32_t i = 0; i < s->txns[number].keys; i++) {
        key_of(w, number, i, key);
        keys += strncmp(key, of->prefix, strlen(of->prefix)) == 0;
    }
    return keys;
}

/* "5/c17....." as the number of a transaction; NOBODY: it is none of ours. */
static uint32_t number_of(const hf_workload *w, const hf_reply *key)
{
    uint32_t number = 0;
    if (key->kind != '$' || key->bytes.size < 4 || key->bytes.data[2] != (uint8_t)w->letter) {
        return NOBODY;
    }
    for (uint32_t i = 3; i < key->bytes.size && key->bytes.data[i] != '.'; i++) {
        number = number * 10 + (uint32_t)(key->bytes.data[i] - '0');
    }
    return number / KEYS;
}

static void wrong(hf_workload *w, uint32_t number, uint32_t at, const char *what)
{
    hf_run_fail(w->run, HF_RUN_WRONG, "changes: transaction %u in stream %u: %s", number, at, what);
}

static void note_entry(hf_workload *w, uint32_t at, const hf_reply *entry)
{
    changes *s = w->state;
    stream *of = &s->streams[at];
    int64_t ts = 0;
    if (entry->kind != '*' || entry->count != 3 || !hf_reply_integer(&entry->items[0], &ts)) {
        hf_run_fail(w->run, HF_RUN_WRONG, "changes: an entry is '%c'", entry->kind);
        return;
    }
    uint32_t number = number_of(w, &entry->items[2]);
    if (number == NOBODY || number >= s->count) {
        return;
    }
    txn *t = &s->txns[number];
    if (ts < of->ts) {
        wrong(w, number, at, "it comes after a later one");
    }
    of->ts = ts;
    if (!hf_reply_is_text(&entry->items[1], "put")) {
        wrong(w, number, at, "its kind is another");
    }
    if (t->heard == HF_HEARD_FAIL) {
        wrong(w, number, at, "it was refused");
    }
    if (t->before != NOBODY && s->txns[t->before].invoked > of->since &&
        keys_for(w, of, t->before) != 0 && s->txns[t->before].seen[at] == 0) {
        wrong(w, number, at, "the one before it on its connection was not there yet");
    }
    t->seen[at]++;
    of->asked_bytes = t->asked_bytes;
}

/* Each transaction of the page is there with all its keys, and was not there before. */
static void check_page(hf_workload *w, uint32_t at, const hf_reply *entries)
{
    changes *s = w->state;
    for (uint32_t i = 0; i < entries->count; i++) {
        const hf_reply *entry = &entries->items[i];
        uint32_t number = entry->count == 3 ? number_of(w, &entry->items[2]) : NOBODY;
        if (number == NOBODY || number >= s->count || s->txns[number].keys == 0) {
            continue;
        }
        uint32_t keys = keys_for(w, &s->streams[at], number);
        if (s->txns[number].seen[at] != keys) {
            wrong(w, number, at,
                  s->txns[number].seen[at] > keys ? "it came again" : "a part of it came alone");
            return;
        }
    }
}

static bool take_page(hf_workload *w, uint32_t at, const hf_reply *reply)
{
    changes *s = w->state;
    stream *of = &s->streams[at];
    if (reply->kind != '*' || reply->count != 2 || reply->items[0].kind != '$' ||
        reply->items[1].kind != '*' || reply->items[0].bytes.size >= TOKEN_TEXT) {
        hf_run_fail(w->run, HF_RUN_WRONG, "changes: a page is '%c'", reply->kind);
        return false;
    }
    char token[TOKEN_TEXT] = "";
    memcpy(token, reply->items[0].bytes.data, reply->items[0].bytes.size);
    if (strcmp(token, of->token) < 0) { /* hexadecimal, of one length */
        hf_run_fail(w->run, HF_RUN_WRONG, "changes: a token goes back");
    }
    if (of->token[0] == '\0') {
        of->since = hf_run_now(w->run);
        of->boots = of->boots_before;
    }
    memcpy(of->token, token, sizeof token);
    of->asked_bytes = of->asked_before;
    for (uint32_t i = 0; i < reply->items[1].count; i++) {
        note_entry(w, at, &reply->items[1].items[i]);
    }
    check_page(w, at, &reply->items[1]);
    return reply->items[1].count != 0;
}

/* What the end of the stream must have shown. */
static void check_whole(hf_workload *w, uint32_t at)
{
    changes *s = w->state;
    const stream *of = &s->streams[at];
    for (uint32_t n = 1; of->token[0] != '\0' && n < s->count; n++) {
        const txn *t = &s->txns[n];
        if (t->heard == HF_HEARD_OK && t->invoked > of->since &&
            t->seen[at] != keys_for(w, of, n)) {
            wrong(w, n, at, "it was acknowledged, and never came");
            return;
        }
    }
}

/* True: there may be more. */
static bool step_read(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    changes *s = w->state;
    const op *o = op_of(a);
    stream *of = &s->streams[o->stream];
    of->busy = false;
    if (reply == NULL) {
        return true;
    }
    if (hf_reply_is_error(reply, "EXPIRED")) {
        bool forgot = s->asked_bytes - of->asked_bytes > FEED_BYTES;
        if (of->boots == hf_run_boots(w->run) && !forgot) {
            hf_run_fail(w->run, HF_RUN_WRONG, "changes: a token expired without a restart");
        }
        begin_anew(of);
        return false;
    }
    return reply->kind == '-' || take_page(w, o->stream, reply);
}

/* ---- Life ---- */

static void setup(hf_workload *w, hf_actor *a)
{
    (void)w;
    hf_actor_done(a);
}

static void once_more(hf_actor *a)
{
    if (hf_run_over(a->run)) {
        hf_actor_done(a);
    } else {
        hf_actor_wait(a, 1000000);
    }
}

/* The next one that was shown although its client heard nothing; NOBODY: there are no more. */
static uint32_t next_shown(const changes *s, uint32_t number)
{
    for (uint32_t n = number + 1; n < s->count; n++) {
        const txn *t = &s->txns[n];
        if (t->heard == HF_HEARD_UNKNOWN && t->keys != 0 && t->seen[0] != 0) {
            return n;
        }
    }
    return NOBODY;
}

/* What was shown is there for ever: first keys of the first SHOWN of them. */
static void ask_for_shown(hf_workload *w, hf_actor *a)
{
    const changes *s = w->state;
    char key[KEY_ROOM];
    uint32_t count = 0;
    for (uint32_t n = next_shown(s, NOBODY); n != NOBODY && count < SHOWN; n = next_shown(s, n)) {
        count++;
    }
    if (count == 0) {
        hf_actor_done(a);
        return;
    }
    hf_client_put_begin(&a->client, 1 + count);
    hf_client_put_text(&a->client, "MGET");
    for (uint32_t n = next_shown(s, NOBODY); count-- > 0; n = next_shown(s, n)) {
        key_of(w, n, 0, key);
        hf_client_put_text(&a->client, "%s", key);
    }
    hf_client_send(&a->client);
}

static void step_shown(hf_workload *w, hf_actor *a, const hf_reply *reply)
{
    uint32_t n = NOBODY;
    if (reply == NULL || reply->kind != '*') {
        once_more(a);
        return;
    }
    for (uint32_t i = 0; i < reply->count; i++) {
        n = next_shown(w->state, n);
        if (reply->items[i].kind == '_') {
            wrong(w, n, 0, "it was shown, and is gone");
        }
    }
    hf_actor_done(a);
}

static void finish(hf_workload *w, hf_actor *a)
{
    changes *s = w->state;
    op *o = op_of(a);
    o->form = FINISH;
    while (o->stream < STREAMS && s->streams[o->stream].token[0] == '\0') {
        o->stream++;
    }
    if (o->stream < STREAMS) {
        send_read(w, a, 0);
    } else {
        ask_for_shown(w, a);
    }
}

static void step(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    op *o = op_of(a);
    const hf_reply *last = replies == NULL ? NULL : &replies[count - 1];
    if (o->form < FORMS) {
        step_txn(w, a, last);
        return;
    }
    if (o->form == FINISH && o->stream == STREAMS) {
        step_shown(w, a, last);
        return;
    }
    bool more = step_read(w, a, last);
    if (o->form == READ) {
        hf_actor_done(a);
        return;
    }
    if (!more) {
        check_whole(w, o->stream);
        o->stream++;
    } else if (last == NULL || last->kind == '-') {
        once_more(a);
        return;
    }
    finish(w, a);
}

static void changes_open(hf_workload *w)
{
    changes *s = hf_check_alloc(1, sizeof *s);
    w->state = s;
    s->txns = hf_check_grow(s->txns, 0, &s->room, sizeof *s->txns);
    s->count = 1;
    s->reads_ppm = (uint32_t)hf_world_prng_between(&w->prng, 100000, 500000);
    s->keys = hf_world_prng_coin(&w->prng) ? 3 : KEYS;
    s->tail = s->keys == KEYS ? LONG_KEY : 0;
    w->large = s->tail != 0;
    for (uint32_t i = 1; i < STREAMS; i++) { /* the first one sees all */
        (void)snprintf(s->streams[i].prefix, sizeof s->streams[i].prefix, "%u/",
                       (uint32_t)hf_world_prng_below(&w->prng, HF_PARTITIONS));
    }
}

static void changes_close(hf_workload *w)
{
    changes *s = w->state;
    free(s->txns);
    free(s);
}

static void judge(hf_workload *w)
{
    (void)w; /* as it goes */
}

const hf_workload_kind hf_workload_changes = { .name = "changes",
                                               .open = changes_open,
                                               .close = changes_close,
                                               .setup = setup,
                                               .start = start,
                                               .finish = finish,
                                               .step = step,
                                               .wake = finish,
                                               .judge = judge };
