/* Clients: who is inside, calls and their ends, the calls that wait. */
#include "engine/base/uuid.h"
#include "engine/library/library_impl.h"
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

uint64_t hf_library__now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- Entering ---- */

hf_err hf_client__enter(hf_client *client)
{
    if (client == NULL) {
        return HF_E_INVALID;
    }
    if (client->born != hf_library__born()) {
        return HF_E_FORKED;
    }
    if (atomic_exchange_explicit(&client->inside, 1, memory_order_acquire) != 0) {
        return HF_E_BUSY;
    }
    client->told = NULL;
    client->said[0] = 0;
    return HF_OK;
}

static hf_err say(hf_client *client, hf_err err, const char *words)
{
    (void)snprintf(client->said, sizeof client->said, "%s", words);
    return err;
}

const char *hf_client_words(const hf_client *client)
{
    if (client == NULL || client->born != hf_library__born()) {
        return "";
    }
    return client->told != NULL ? hf_txn_words(client->told) : client->said;
}

/* ---- Calls ---- */

enum { INDEX_BITS = 11 };
_Static_assert(HF_CALLS_MAX <= 1 << INDEX_BITS, "an index fits a number");

bool hf_client__number(hf_client *client, hf_txn *txn)
{
    if (client->free_count == 0) {
        return false;
    }
    uint32_t index = client->free_calls[--client->free_count];
    client->calls[index] = txn;
    txn->number = ++client->uses[index] << INDEX_BITS | index;
    client->under_way++;
    return true;
}

hf_txn *hf_client__find(const hf_client *client, uint32_t number)
{
    uint32_t index = number & ((1u << INDEX_BITS) - 1);
    hf_txn *txn = index < HF_CALLS_MAX ? client->calls[index] : NULL;
    return txn != NULL && txn->number == number ? txn : NULL;
}

typedef struct code {
    const char *text;
    hf_err err;
} code;

static hf_err err_of(hf_bytes words)
{
    static const code codes[] = {
        { "CONDFAILED", HF_E_COND },
        { "LIMIT", HF_E_LIMIT },
        { "WRONGTYPE", HF_E_TYPE },
        { "ERR value is not an integer", HF_E_TYPE },
        { "ERR hash value is not an integer", HF_E_TYPE },
        { "ERR no such savepoint", HF_E_NOTFOUND },
        { "TXNCONFLICT", HF_E_CONFLICT },
        { "INDOUBT", HF_E_INDOUBT },
        { "DEADLINE", HF_E_DEADLINE },
        { "TOOBIG", HF_E_TOOBIG },
        { "OOM", HF_E_NOMEM },
        { "BUSY", HF_E_BUSY },
        { "LOADING", HF_E_BUSY },
        { "TRYAGAIN", HF_E_BUSY },
        { "NOQUORUM", HF_E_BUSY },
        { "SHUTDOWN", HF_E_SHUTDOWN },
        { "EXPIRED", HF_E_EXPIRED },
        { "READONLY", HF_E_READONLY },
        { "MISCONF", HF_E_NOSPACE },
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        size_t size = strlen(codes[i].text);
        if (words.size >= size && memcmp(words.data, codes[i].text, size) == 0) {
            return codes[i].err;
        }
    }
    return HF_E_REFUSED;
}

static void end(hf_client *client, hf_txn *txn, hf_err err)
{
    uint32_t index = txn->number & ((1u << INDEX_BITS) - 1);
    HF_ASSERT(client->calls[index] == txn && txn->state == HF_TXN_UNDER_WAY);
    client->calls[index] = NULL;
    client->free_calls[client->free_count++] = (uint16_t)index;
    client->under_way--;
    txn->state = HF_TXN_ENDED;
    txn->err = err;
    if (client->interactive && err == HF_E_CONFLICT) {
        client->lost = true;
    }
    if (txn->closed) {
        hf_txn__free(txn);
        return;
    }
    if (txn->done != NULL) {
        txn->next = NULL;
        if (client->ended_last == NULL) {
            client->ended_first = txn;
        } else {
            client->ended_last->next = txn;
        }
        client->ended_last = txn;
    }
}

void hf_client__ended(hf_client *client, hf_txn *txn, hf_err err, const char *words)
{
    hf_blob__reset(&txn->reply);
    (void)snprintf(txn->said, sizeof txn->said, "%s", words);
    end(client, txn, err);
}

void hf_client__replied(hf_client *client, hf_txn *txn)
{
    hf_resp_value value;
    hf_err err = HF_OK;
    if (txn->into_used) {
        end(client, txn, HF_OK);
        return;
    }
    uint32_t size = hf_resp_read(hf_blob__view(&txn->reply), &value);
    if (txn->reply.failed) {
        hf_client__ended(client, txn, txn->reads ? HF_E_NOMEM : HF_E_INDOUBT,
                         "no memory for the reply");
        return;
    }
    if (size == 0) {
        err = HF_E_CORRUPT;
    } else if (value.kind == HF_RESP_KIND_ERROR) {
        err = err_of(value.bytes);
    } else if (txn->single) {
        txn->results = 1;
    } else {
        txn->results = value.count;
        txn->at = size;
    }
    end(client, txn, err);
}

static hf_err check(const hf_client *client, const hf_txn *txn)
{
    if (txn->wrong != HF_OK) {
        return txn->wrong;
    }
    if (txn->condition_bytes.failed || txn->command_bytes.failed || txn->else_bytes.failed ||
        txn->key.failed) {
        return HF_E_NOMEM;
    }
    if (client->way->failed(client)) {
        return HF_E_FATAL;
    }
    if (client->broken) {
        return HF_E_CLOSED;
    }
    if (client->interactive && client->lost && !txn->inner) {
        return HF_E_CONFLICT;
    }
    bool single = txn->commands == 1 && txn->conditions == 0 && !txn->has_else && !txn->has_id;
    if ((txn->commands == 0 && txn->conditions == 0) || (!single && txn->outside) ||
        (!single && client->interactive)) {
        return HF_E_INVALID;
    }
    return HF_OK;
}

hf_err hf_client__start(hf_client *client, hf_txn *txn)
{
    hf_err err = check(client, txn);
    if (err != HF_OK) {
        txn->err = err;
        txn->state = HF_TXN_ENDED;
        return err;
    }
    if (!hf_client__number(client, txn)) {
        return HF_E_FULL;
    }
    txn->single = txn->commands == 1 && txn->conditions == 0 && !txn->has_else && !txn->has_id;
    hf_blob__reset(&txn->reply);
    txn->results = txn->at_index = txn->at = 0;
    txn->state = HF_TXN_UNDER_WAY;
    txn->closed = txn->into_used = txn->touched = false;
    err = client->way->start(client, txn);
    if (err != HF_OK && txn->state == HF_TXN_UNDER_WAY) {
        txn->done = NULL;
        end(client, txn, err);
    }
    return err;
}

hf_err hf_client__ask(hf_client *client, hf_txn *txn)
{
    hf_err err = hf_client__start(client, txn);
    client->told = txn;
    if (err != HF_OK) {
        return err;
    }
    client->way->pump(client);
    while (txn->state == HF_TXN_UNDER_WAY) {
        client->way->wait(client, UINT32_MAX);
        client->way->pump(client);
    }
    return txn->err;
}

hf_txn *hf_client__own(hf_client *client)
{
    HF_ASSERT(client->own->state != HF_TXN_UNDER_WAY);
    hf_txn__clear(client->own);
    client->own->began = true;
    return client->own;
}

/* ---- Opening and closing ---- */

static const hf_command *named(const char *name)
{
    const hf_command *command = hf_command_find(hf_bytes_of(name, strlen(name)));
    HF_ASSERT(command != NULL);
    return command;
}

static void find_names(hf_names *names)
{
    *names = (hf_names){ .get = named("get"),
                         .set = named("set"),
                         .del = named("del"),
                         .add = named("hf.add"),
                         .range = named("hf.range"),
                         .changes = named("hf.changes"),
                         .outcome = named("hf.outcome"),
                         .token = named("hf.token"),
                         .begin = named("hf.begin"),
                         .commit = named("hf.commit"),
                         .rollback = named("hf.rollback"),
                         .savepoint = named("hf.savepoint") };
}

hf_err hf_client_open(hf_db *db, hf_client **client)
{
    (void)hf_library__problem(HF_OK, "%s", "");
    if (db == NULL || client == NULL) {
        return hf_library__problem(HF_E_INVALID, "hf_client_open: an argument is NULL");
    }
    *client = NULL;
    if (db->born != hf_library__born()) {
        return hf_library__problem(HF_E_FORKED, "opened by the process that this was forked from");
    }
    hf_client *made = hf_library__take(&db->allocator, sizeof *made);
    if (made == NULL) {
        return hf_library__problem(HF_E_NOMEM, "no memory for a client");
    }
    made->db = db;
    made->way = db->way;
    made->allocator = db->allocator;
    made->born = db->born;
    find_names(&made->names);
    for (uint32_t i = 0; i < HF_CALLS_MAX; i++) {
        made->free_calls[made->free_count++] = (uint16_t)(HF_CALLS_MAX - 1 - i);
    }
    hf_err err = hf_txn__made(made, &made->own);
    if (err != HF_OK) {
        (void)hf_library__problem(err, "no memory for a client");
    } else {
        err = made->way->open(made);
    }
    if (err != HF_OK) {
        if (made->own != NULL) {
            hf_txn__free(made->own);
        }
        hf_library__give(&db->allocator, made, sizeof *made);
        return err;
    }
    (void)atomic_fetch_add_explicit(&db->clients, 1, memory_order_relaxed);
    *client = made;
    return HF_OK;
}

static void leave_txns(hf_client *client)
{
    for (hf_txn *txn = client->open; txn != NULL;) {
        hf_txn *next = txn->next_open;
        if (txn->closed) {
            hf_txn__free(txn);
        } else {
            if (txn->state == HF_TXN_UNDER_WAY) {
                txn->state = HF_TXN_ENDED;
                txn->err = HF_E_CLOSED;
                hf_blob__reset(&txn->reply);
            }
            txn->client = NULL;
        }
        txn = next;
    }
}

hf_err hf_client_close(hf_client *client)
{
    if (client == NULL) {
        return HF_OK;
    }
    hf_allocator allocator = client->allocator;
    bool ours = client->born == hf_library__born();
    if (ours) {
        hf_err err = hf_client__enter(client);
        if (err != HF_OK || client->polling) {
            if (err == HF_OK) {
                hf_client__leave(client);
            }
            return HF_E_BUSY;
        }
        client->way->close(client);
    }
    client->own->closed = true;
    leave_txns(client);
    if (ours) {
        (void)atomic_fetch_sub_explicit(&client->db->clients, 1, memory_order_release);
    }
    hf_library__give(&allocator, client, sizeof *client);
    return ours ? HF_OK : HF_E_FORKED;
}

/* ---- Values ---- */

/* The value of the own txn's reply into the caller's buffer. */
static hf_err take_value(hf_txn *txn, void *value, size_t room, size_t *size)
{
    hf_result result = hf_txn_result(txn, 0);
    if (txn->into_used) {
        *size = txn->into_size;
    } else if (result.kind == HF_RESULT_NONE) {
        *size = 0;
        return HF_E_NOTFOUND;
    } else {
        *size = result.size;
        if (result.size != 0 && room != 0) {
            memcpy(value, result.data, result.size < room ? result.size : room);
        }
    }
    return *size > room ? HF_E_TRUNCATED : HF_OK;
}

hf_err hf_get(hf_client *client, const void *key, size_t key_size, void *value, size_t room,
              size_t *size)
{
    hf_err err;
    if (size == NULL || (value == NULL && room != 0)) {
        return HF_E_INVALID;
    }
    *size = 0;
    err = hf_client__enter(client);
    if (err != HF_OK) {
        return err;
    }
    hf_txn *txn = hf_client__own(client);
    hf_txn_get(txn, key, key_size);
    txn->into = value;
    txn->into_room = room;
    err = hf_client__ask(client, txn);
    txn->into = NULL;
    if (err == HF_OK) {
        err = take_value(txn, value, room, size);
    }
    hf_client__leave(client);
    return err;
}

/* Ends a call that is the own txn's. */
static hf_err ask_own(hf_client *client)
{
    hf_err err = hf_client__ask(client, client->own);
    hf_client__leave(client);
    return err;
}

hf_err hf_set(hf_client *client, const void *key, size_t key_size, const void *value,
              size_t value_size)
{
    hf_err err = hf_client__enter(client);
    if (err == HF_OK) {
        hf_txn_set(hf_client__own(client), key, key_size, value, value_size);
        err = ask_own(client);
    }
    return err;
}

hf_err hf_del(hf_client *client, const void *key, size_t key_size)
{
    hf_err err = hf_client__enter(client);
    if (err == HF_OK) {
        hf_txn_del(hf_client__own(client), key, key_size);
        err = hf_client__ask(client, client->own);
        if (err == HF_OK && hf_txn_result(client->own, 0).integer == 0) {
            err = HF_E_NOTFOUND;
        }
        hf_client__leave(client);
    }
    return err;
}

hf_err hf_add(hf_client *client, const void *key, size_t key_size, int64_t delta, int64_t min,
              int64_t max)
{
    hf_err err = hf_client__enter(client);
    if (err == HF_OK) {
        hf_txn_add(hf_client__own(client), key, key_size, delta, min, max);
        err = ask_own(client);
    }
    return err;
}

/* ---- Ids ---- */

void hf_id_new(uint8_t id[HF_ID_SIZE])
{
    uint64_t bits[2] = { 0, 0 };
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    ssize_t size = getrandom(bits, sizeof bits, 0);
    HF_ASSERT(size == (ssize_t)sizeof bits); /* 16 bytes are never cut short */
    uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    hf_uuid uuid = hf_uuid_make_v7(ms, bits[0], bits[1]);
    memcpy(id, uuid.bytes, HF_ID_SIZE);
}

static void put_id(hf_txn *txn, const uint8_t id[HF_ID_SIZE])
{
    hf_uuid uuid;
    char text[HF_UUID_TEXT];
    memcpy(uuid.bytes, id, sizeof uuid.bytes);
    hf_uuid_format(&uuid, text);
    hf_txn__word(txn, text, 36);
}

static uint64_t number_of(const hf_result *result)
{
    uint64_t value = result->kind == HF_RESULT_INTEGER ? (uint64_t)result->integer : 0;
    for (size_t i = 0; result->kind == HF_RESULT_BYTES && i < result->size; i++) {
        value = value * 10 + (uint64_t)(result->data[i] - '0');
    }
    return value;
}

hf_err hf_outcome(hf_client *client, const uint8_t id[HF_ID_SIZE], hf_outcome_state *state,
                  uint64_t *ts)
{
    if (id == NULL || state == NULL) {
        return HF_E_INVALID;
    }
    hf_err err = hf_client__enter(client);
    if (err != HF_OK) {
        return err;
    }
    hf_txn *txn = hf_client__own(client);
    txn->inner = true;
    hf_txn__begin(txn, client->names.outcome, 2);
    hf_txn__text(txn, "HF.OUTCOME");
    put_id(txn, id);
    txn->reads = true; /* asked again, it answers the same */
    err = hf_client__ask(client, txn);
    hf_result word, list = hf_txn_result(txn, 0);
    if (err == HF_OK && hf_result_next(&list, &word) && word.size > 0) {
        *state = word.data[0] == 'C'   ? HF_OUTCOME_COMMITTED
                 : word.data[0] == 'A' ? HF_OUTCOME_ABORTED
                                       : HF_OUTCOME_EXPIRED;
        bool timed = *state == HF_OUTCOME_COMMITTED && hf_result_next(&list, &word);
        if (ts != NULL) {
            *ts = timed ? number_of(&word) : 0;
        }
    }
    hf_client__leave(client);
    return err;
}

/* ---- Interactive transactions ---- */

static hf_txn *inner(hf_client *client, const hf_command *command, uint32_t argc, const char *name)
{
    hf_txn *txn = hf_client__own(client);
    txn->inner = true;
    hf_txn__begin(txn, command, argc);
    hf_txn__text(txn, name);
    return txn;
}

hf_err hf_begin(hf_client *client, unsigned flags, const uint8_t *id)
{
    if ((flags & ~(unsigned)HF_BEGIN_READONLY) != 0) {
        return HF_E_INVALID;
    }
    hf_err err = hf_client__enter(client);
    if (err != HF_OK) {
        return err;
    }
    if (client->interactive || client->under_way != 0) {
        hf_client__leave(client);
        return HF_E_BUSY;
    }
    uint32_t argc = 1u + ((flags & HF_BEGIN_READONLY) != 0 ? 1u : 0u) + (id != NULL ? 2u : 0u);
    hf_txn *txn = inner(client, client->names.begin, argc, "HF.BEGIN");
    if ((flags & HF_BEGIN_READONLY) != 0) {
        hf_txn__text(txn, "READONLY");
    }
    if (id != NULL) {
        hf_txn__text(txn, "ID");
        put_id(txn, id);
    }
    txn->kind = HF_CALL_BEGIN;
    client->interactive = true; /* from now on all goes to one core */
    client->lost = false;
    err = hf_client__ask(client, txn);
    client->interactive = err == HF_OK;
    hf_client__leave(client);
    return err;
}

static hf_err enter_txn(hf_client *client)
{
    hf_err err = hf_client__enter(client);
    if (err == HF_OK && !client->interactive) {
        err = say(client, HF_E_INVALID, "no transaction is open");
        hf_client__leave(client);
    }
    return err;
}

hf_err hf_commit(hf_client *client)
{
    hf_err err = enter_txn(client);
    if (err != HF_OK) {
        return err;
    }
    if (client->lost) {
        err = HF_E_CONFLICT;
    } else {
        hf_txn *txn = inner(client, client->names.commit, 1, "HF.COMMIT");
        txn->kind = HF_CALL_COMMIT;
        err = hf_client__ask(client, txn);
    }
    /* Over, however it ended; what lost before the commit still has to be rolled back. */
    client->interactive = client->lost && err == HF_E_CONFLICT;
    hf_client__leave(client);
    return err;
}

hf_err hf_rollback(hf_client *client)
{
    hf_err err = enter_txn(client);
    if (err != HF_OK) {
        return err;
    }
    hf_txn *txn = inner(client, client->names.rollback, 1, "HF.ROLLBACK");
    txn->kind = HF_CALL_ROLLBACK;
    err = hf_client__ask(client, txn);
    client->interactive = client->lost = false;
    /* It was lost with its connection, or over already: that is what was wanted. */
    if (err == HF_E_CONFLICT || err == HF_E_REFUSED || err == HF_E_INDOUBT) {
        err = HF_OK;
    }
    hf_client__leave(client);
    return err;
}

static hf_err savepoint(hf_client *client, const hf_command *command, const char *name,
                        const char *word, const void *mark, size_t size)
{
    if (mark == NULL || size == 0 || size > 256) {
        return HF_E_INVALID;
    }
    hf_err err = enter_txn(client);
    if (err != HF_OK) {
        return err;
    }
    if (client->lost) {
        hf_client__leave(client);
        return HF_E_CONFLICT;
    }
    hf_txn *txn = inner(client, command, word == NULL ? 2 : 3, name);
    if (word != NULL) {
        hf_txn__text(txn, word);
    }
    hf_txn__word(txn, mark, size);
    return ask_own(client);
}

hf_err hf_savepoint(hf_client *client, const void *name, size_t name_size)
{
    return client == NULL
               ? HF_E_INVALID
               : savepoint(client, client->names.savepoint, "HF.SAVEPOINT", NULL, name, name_size);
}

hf_err hf_rollback_to(hf_client *client, const void *name, size_t name_size)
{
    return client == NULL
               ? HF_E_INVALID
               : savepoint(client, client->names.rollback, "HF.ROLLBACK", "TO", name, name_size);
}

/* ---- Levels and tokens ---- */

hf_err hf_client_level(hf_client *client, hf_read_level level, uint64_t arg)
{
    if ((unsigned)level > HF_READ_SNAPSHOT || arg > INT64_MAX) {
        return HF_E_INVALID;
    }
    hf_err err = hf_client__enter(client);
    if (err == HF_OK) {
        client->level = level;
        client->level_arg = arg;
        hf_client__leave(client);
    }
    return err;
}

hf_err hf_client_token(hf_client *client, uint64_t *token)
{
    if (token == NULL) {
        return HF_E_INVALID;
    }
    hf_err err = hf_client__enter(client);
    if (err != HF_OK) {
        return err;
    }
    if (client->db->embedded != NULL) {
        err = hf_embedded__token(client, token);
    } else {
        hf_txn *txn = inner(client, client->names.token, 1, "HF.TOKEN");
        txn->reads = true;
        err = hf_client__ask(client, txn);
        hf_result result = hf_txn_result(txn, 0);
        *token = err == HF_OK ? number_of(&result) : 0;
    }
    if (err == HF_OK && client->after > *token) {
        *token = client->after;
    }
    hf_client__leave(client);
    return err;
}

hf_err hf_client_after(hf_client *client, uint64_t token)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t wall_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (token > wall_ns + 3600u * 1000000000ull) { /* no clock of this database is there yet */
        return HF_E_INVALID;
    }
    hf_err err = hf_client__enter(client);
    if (err == HF_OK) {
        client->after = token > client->after ? token : client->after;
        hf_client__leave(client);
    }
    return err;
}
