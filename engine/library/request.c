/* Putting a transaction together. Its words are written where they will be sent from: as the lists
 * of a TXN message for an engine in this process, as RESP for a node. */
#include "engine/library/library_impl.h"
#include <stdio.h>

hf_err hf_txn__made(hf_client *client, hf_txn **txn)
{
    hf_txn *made = hf_library__take(&client->allocator, sizeof *made);
    if (made == NULL) {
        return HF_E_NOMEM;
    }
    made->allocator = client->allocator;
    made->client = client;
    made->binary = client->db->embedded != NULL;
    hf_blob__open(&made->condition_bytes, &made->allocator);
    hf_blob__open(&made->command_bytes, &made->allocator);
    hf_blob__open(&made->else_bytes, &made->allocator);
    hf_blob__open(&made->key, &made->allocator);
    hf_blob__open(&made->reply, &made->allocator);
    made->next_open = client->open;
    if (client->open != NULL) {
        client->open->prev_open = made;
    }
    client->open = made;
    hf_txn__clear(made);
    *txn = made;
    return HF_OK;
}

void hf_txn__free(hf_txn *txn)
{
    hf_client *client = txn->client;
    hf_allocator allocator = txn->allocator;
    if (client != NULL) {
        if (client->told == txn) {
            client->told = NULL;
        }
        if (txn->prev_open != NULL) {
            txn->prev_open->next_open = txn->next_open;
        } else {
            client->open = txn->next_open;
        }
        if (txn->next_open != NULL) {
            txn->next_open->prev_open = txn->prev_open;
        }
    }
    hf_blob__close(&txn->condition_bytes);
    hf_blob__close(&txn->command_bytes);
    hf_blob__close(&txn->else_bytes);
    hf_blob__close(&txn->key);
    hf_blob__close(&txn->reply);
    hf_library__give(&allocator, txn, sizeof *txn);
}

void hf_txn__clear(hf_txn *txn)
{
    hf_blob__reset(&txn->condition_bytes);
    hf_blob__reset(&txn->command_bytes);
    hf_blob__reset(&txn->else_bytes);
    hf_blob__reset(&txn->key);
    hf_blob__reset(&txn->reply);
    txn->state = HF_TXN_IDLE;
    txn->began = txn->has_else = txn->has_id = txn->outside = txn->inner = false;
    txn->reads = true;
    txn->wrong = HF_OK;
    txn->err = HF_OK;
    txn->conditions = txn->commands = txn->otherwise = 0;
    txn->words = txn->else_words = txn->condition_words = 0;
    txn->results = txn->at_index = txn->at = 0;
    txn->done = NULL;
    txn->into = NULL;
    txn->into_used = false;
    txn->kind = HF_CALL_PLAIN;
    txn->extra_ms = 0;
    txn->said[0] = 0;
}

void hf_txn__wrong(hf_txn *txn, hf_err err, const char *words)
{
    if (txn->wrong == HF_OK) {
        txn->wrong = err;
        (void)snprintf(txn->said, sizeof txn->said, "%s", words);
    }
}

/* The first of a new one drops what was there. False: it is under way, or its client is closed. */
static bool begun(hf_txn *txn)
{
    if (txn == NULL || txn->client == NULL || txn->state == HF_TXN_UNDER_WAY) {
        return false;
    }
    if (txn->state == HF_TXN_ENDED) {
        hf_txn__clear(txn);
    }
    txn->began = true;
    return true;
}

static hf_blob *blob_of(hf_txn *txn)
{
    return txn->has_else && !txn->binary ? &txn->else_bytes : &txn->command_bytes;
}

static void put_u32(hf_blob *blob, uint32_t value)
{
    hf_blob__raw(blob, &value, sizeof value);
}

static uint32_t size_of(const hf_txn *txn)
{
    return txn->condition_bytes.size + txn->command_bytes.size + txn->else_bytes.size;
}

void hf_txn__begin(hf_txn *txn, const hf_command *command, uint32_t argc)
{
    hf_blob *blob = blob_of(txn);
    if (txn->commands >= HF_TXN_COMMANDS_MAX || size_of(txn) > HF_TXN_BYTES_MAX) {
        hf_txn__wrong(txn, HF_E_TOOBIG, "too many commands or bytes in a transaction");
    }
    if (txn->binary) {
        put_u32(blob, txn->commands);
        hf_blob__raw(blob, &command->id, sizeof command->id);
        put_u32(blob, argc);
    } else {
        hf_blob__word_integer(blob, argc);
        *(txn->has_else ? &txn->else_words : &txn->words) += argc + 1;
        txn->first_at = txn->commands == 0 ? blob->size : txn->first_at;
    }
    txn->commands++;
    txn->otherwise += txn->has_else;
    txn->reads = txn->reads && (command->flags & HF_COMMAND_READ) != 0 &&
                 (command->flags & (HF_COMMAND_WRITE | HF_COMMAND_COMMUTE)) == 0;
    txn->outside = txn->outside || command->run == NULL ||
                   (command->flags & (HF_COMMAND_NO_MULTI | HF_COMMAND_INTERNAL)) != 0;
}

void hf_txn__word(hf_txn *txn, const void *data, size_t size)
{
    hf_blob *blob = blob_of(txn);
    if (txn->binary) {
        put_u32(blob, (uint32_t)size);
        hf_blob__raw(blob, data, size);
    } else {
        hf_blob__word(blob, data, size);
    }
}

void hf_txn__text(hf_txn *txn, const char *text)
{
    hf_txn__word(txn, text, strlen(text));
}

void hf_txn__integer(hf_txn *txn, int64_t value)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%lld", (long long)value);
    hf_txn__word(txn, text, (size_t)size);
}

/* The first key says where the request is best sent. */
static void note_key(hf_txn *txn, const void *key, size_t size)
{
    if (txn->key.size == 0 && txn->binary) {
        static const uint8_t space = HF_SPACE_USER;
        hf_blob__raw(&txn->key, &space, 1);
        hf_blob__raw(&txn->key, key, size);
    }
}

/* False: the key cannot be. */
static bool take_key(hf_txn *txn, const void *key, size_t size)
{
    hf_err err;
    if (!begun(txn)) {
        return false;
    }
    if (hf_library__bad_key(key, size, &err)) {
        hf_txn__wrong(txn, err, "a key has 1 to 4096 bytes");
        return false;
    }
    note_key(txn, key, size);
    return true;
}

static bool take_value(hf_txn *txn, const void *value, size_t size)
{
    if (value == NULL && size != 0) {
        hf_txn__wrong(txn, HF_E_INVALID, "a size without bytes");
        return false;
    }
    if (size > HF_VALUE_MAX) {
        hf_txn__wrong(txn, HF_E_TOOBIG, "a value has at most 8 MiB");
        return false;
    }
    return true;
}

void hf_txn_get(hf_txn *txn, const void *key, size_t key_size)
{
    if (take_key(txn, key, key_size)) {
        hf_txn__begin(txn, txn->client->names.get, 2);
        hf_txn__word(txn, "GET", 3);
        hf_txn__word(txn, key, key_size);
    }
}

void hf_txn_set(hf_txn *txn, const void *key, size_t key_size, const void *value, size_t value_size)
{
    if (take_key(txn, key, key_size) && take_value(txn, value, value_size)) {
        hf_txn__begin(txn, txn->client->names.set, 3);
        hf_txn__word(txn, "SET", 3);
        hf_txn__word(txn, key, key_size);
        hf_txn__word(txn, value, value_size);
    }
}

void hf_txn_del(hf_txn *txn, const void *key, size_t key_size)
{
    if (take_key(txn, key, key_size)) {
        hf_txn__begin(txn, txn->client->names.del, 2);
        hf_txn__word(txn, "DEL", 3);
        hf_txn__word(txn, key, key_size);
    }
}

void hf_txn_add(hf_txn *txn, const void *key, size_t key_size, int64_t delta, int64_t min,
                int64_t max)
{
    if (!take_key(txn, key, key_size)) {
        return;
    }
    if (min > max) {
        hf_txn__wrong(txn, HF_E_INVALID, "the bounds exclude every value");
        return;
    }
    uint32_t argc = 3u + (min != HF_NO_MIN ? 2u : 0u) + (max != HF_NO_MAX ? 2u : 0u);
    hf_txn__begin(txn, txn->client->names.add, argc);
    hf_txn__word(txn, "HF.ADD", 6);
    hf_txn__word(txn, key, key_size);
    hf_txn__integer(txn, delta);
    if (min != HF_NO_MIN) {
        hf_txn__word(txn, "MIN", 3);
        hf_txn__integer(txn, min);
    }
    if (max != HF_NO_MAX) {
        hf_txn__word(txn, "MAX", 3);
        hf_txn__integer(txn, max);
    }
}

/* What would change the connection under the library's feet, or answer more than once. */
static bool is_ours(const hf_command *command)
{
    static const char *const names[] = {
        "hello",    "auth",      "quit",       "reset",       "client",       "multi",
        "exec",     "discard",   "watch",      "unwatch",     "monitor",      "shutdown",
        "hf.begin", "hf.commit", "hf.level",   "hf.after",    "hf.rollback",  "hf.savepoint",
        "hf.txn",   "subscribe", "psubscribe", "unsubscribe", "punsubscribe",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(command->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The sizes of the keys, as for any other call; the first one is noted. */
static bool take_keys(hf_txn *txn, const hf_command *command, const hf_slice *words, uint32_t argc)
{
    uint32_t first, count, step;
    if (!hf_command_keys(command, argc, &first, &count, &step)) {
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        const hf_slice *key = &words[first + i * step];
        if (key->size > HF_KEY_MAX) {
            hf_txn__wrong(txn, HF_E_TOOBIG, "a key has 1 to 4096 bytes");
            return false;
        }
        note_key(txn, key->data, key->size);
    }
    return true;
}

void hf_txn_command(hf_txn *txn, const hf_slice *words, size_t count)
{
    if (!begun(txn)) {
        return;
    }
    if (words == NULL || count == 0 || count > HF_RESP_ARGS_MAX) {
        hf_txn__wrong(txn, HF_E_INVALID, "a command has words");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!take_value(txn, words[i].data, words[i].size)) {
            return;
        }
    }
    const hf_command *command = hf_command_find(hf_bytes_of(words[0].data, words[0].size));
    uint32_t argc = (uint32_t)count;
    if (command == NULL || (command->flags & HF_COMMAND_INTERNAL) != 0) {
        hf_txn__wrong(txn, HF_E_REFUSED, "ERR unknown command");
    } else if (is_ours(command)) {
        hf_txn__wrong(txn, HF_E_INVALID, "the library has calls for this command, or no use");
    } else if (command->arity >= 0 ? argc != (uint32_t)command->arity
                                   : argc < (uint32_t)-command->arity) {
        hf_txn__wrong(txn, HF_E_REFUSED, "ERR wrong number of arguments");
    } else if (take_keys(txn, command, words, argc)) {
        hf_txn__begin(txn, command, argc);
        for (uint32_t i = 0; i < argc; i++) {
            hf_txn__word(txn, words[i].data, words[i].size);
        }
    }
}

void hf_txn_if(hf_txn *txn, const void *key, size_t key_size, hf_cmp cmp, const void *value,
               size_t value_size)
{
    static const struct {
        const char *text;
        uint8_t code;
    } compares[] = {
        [HF_EQ] = { "=", HF_COMPARE_EQ },
        [HF_NE] = { "!=", HF_COMPARE_NE },
        [HF_LT] = { "<", HF_COMPARE_LT },
        [HF_LE] = { "<=", HF_COMPARE_LE },
        [HF_GT] = { ">", HF_COMPARE_GT },
        [HF_GE] = { ">=", HF_COMPARE_GE },
        [HF_EXISTS] = { "EXISTS", HF_COMPARE_EXISTS },
        [HF_ABSENT] = { "ABSENT", HF_COMPARE_ABSENT },
    };
    if (!take_key(txn, key, key_size) || !take_value(txn, value, value_size)) {
        return;
    }
    if ((unsigned)cmp >= sizeof compares / sizeof compares[0] || txn->commands != 0) {
        hf_txn__wrong(txn, HF_E_INVALID, "conditions come first, with a comparison of the list");
        return;
    }
    bool unary = cmp == HF_EXISTS || cmp == HF_ABSENT;
    hf_blob *blob = &txn->condition_bytes;
    txn->conditions++;
    if (txn->binary) {
        uint8_t head[10] = { 0, compares[cmp].code }; /* kind, compare, stamp: request.h */
        hf_blob__raw(blob, head, sizeof head);
        put_u32(blob, (uint32_t)key_size);
        hf_blob__raw(blob, key, key_size);
        put_u32(blob, unary ? 0 : (uint32_t)value_size);
        hf_blob__raw(blob, value, unary ? 0 : value_size);
        return;
    }
    txn->condition_words += unary ? 3 : 4;
    hf_blob__word(blob, "IF", 2);
    hf_blob__word(blob, key, key_size);
    hf_blob__word(blob, compares[cmp].text, strlen(compares[cmp].text));
    if (!unary) {
        hf_blob__word(blob, value, value_size);
    }
}

void hf_txn_else(hf_txn *txn)
{
    if (begun(txn)) {
        if (txn->has_else) {
            hf_txn__wrong(txn, HF_E_INVALID, "there is an else already");
        }
        txn->has_else = true;
    }
}

void hf_txn_id(hf_txn *txn, const uint8_t id[HF_ID_SIZE])
{
    if (begun(txn)) {
        if (id == NULL) {
            hf_txn__wrong(txn, HF_E_INVALID, "no id");
            return;
        }
        txn->has_id = true;
        memcpy(txn->id, id, HF_ID_SIZE);
    }
}
