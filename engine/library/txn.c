/* Running transactions, and looking at what came of them. */
#include "engine/library/library_impl.h"
#include <stdlib.h>

hf_err hf_txn_open(hf_client *client, hf_txn **txn)
{
    if (txn == NULL) {
        return HF_E_INVALID;
    }
    *txn = NULL;
    hf_err err = hf_client__enter(client);
    if (err == HF_OK) {
        err = hf_txn__made(client, txn);
        hf_client__leave(client);
    }
    return err;
}

void hf_txn_close(hf_txn *txn)
{
    if (txn == NULL) {
        return;
    }
    if (txn->state == HF_TXN_UNDER_WAY && txn->client->born == hf_library__born()) {
        txn->closed = true; /* freed when it ends */
        txn->done = NULL;
        return;
    }
    if (txn->client != NULL && txn->state == HF_TXN_ENDED && txn->done != NULL) {
        hf_txn **at = &txn->client->ended_first; /* its end was not told yet */
        hf_txn *before = NULL;
        while (*at != NULL && *at != txn) {
            before = *at;
            at = &before->next;
        }
        if (*at == txn) {
            *at = txn->next;
            if (txn->client->ended_last == txn) {
                txn->client->ended_last = before;
            }
        }
    }
    hf_txn__free(txn);
}

hf_err hf_txn_reset(hf_txn *txn)
{
    if (txn == NULL) {
        return HF_E_INVALID;
    }
    if (txn->state == HF_TXN_UNDER_WAY || txn->done != NULL) {
        return HF_E_BUSY;
    }
    hf_txn__clear(txn);
    return HF_OK;
}

/* HF_OK: entered. */
static hf_err enter(hf_txn *txn)
{
    if (txn == NULL) {
        return HF_E_INVALID;
    }
    if (txn->client == NULL) {
        return HF_E_CLOSED;
    }
    hf_err err = hf_client__enter(txn->client);
    if (err == HF_OK && (txn->state == HF_TXN_UNDER_WAY || txn->done != NULL)) {
        hf_client__leave(txn->client);
        return HF_E_BUSY;
    }
    return err;
}

hf_err hf_txn_run(hf_txn *txn)
{
    hf_err err = enter(txn);
    if (err == HF_OK) {
        err = hf_client__ask(txn->client, txn);
        hf_client__leave(txn->client);
    }
    return err;
}

hf_err hf_txn_submit(hf_txn *txn, hf_done *done, void *context)
{
    if (done == NULL) {
        return HF_E_INVALID;
    }
    hf_err err = enter(txn);
    if (err != HF_OK) {
        return err;
    }
    hf_client *client = txn->client;
    if (client->under_way >= HF_SUBMITTED_MAX) {
        err = HF_E_FULL;
    } else {
        txn->done = done;
        txn->context = context;
        err = hf_client__start(client, txn);
        if (err != HF_OK) {
            txn->done = NULL;
        }
    }
    hf_client__leave(client);
    return err;
}

/* Calls the hosts' functions, outside of the client: they may call it. */
static uint32_t tell(hf_client *client)
{
    uint32_t count = 0;
    while (client->ended_first != NULL) {
        hf_txn *txn = client->ended_first;
        hf_done *done = txn->done;
        client->ended_first = txn->next;
        if (client->ended_first == NULL) {
            client->ended_last = NULL;
        }
        txn->done = NULL;
        count++;
        hf_client__leave(client);
        done(txn, txn->err, txn->context);
        while (hf_client__enter(client) == HF_E_BUSY) { /* another thread is inside, for now */
            (void)sched_yield();
        }
    }
    return count;
}

hf_err hf_client_poll(hf_client *client, uint32_t wait_ms, uint32_t *ended)
{
    hf_err err = hf_client__enter(client);
    if (ended != NULL) {
        *ended = 0;
    }
    if (err != HF_OK) {
        return err;
    }
    if (client->polling) {
        hf_client__leave(client);
        return HF_E_BUSY;
    }
    client->polling = true;
    uint64_t until = wait_ms == UINT32_MAX || wait_ms == 0
                         ? UINT64_MAX
                         : hf_library__now_ns() + wait_ms * UINT64_C(1000000);
    client->way->pump(client);
    while (client->ended_first == NULL && wait_ms != 0 && client->under_way != 0) {
        uint64_t now = until == UINT64_MAX ? 0 : hf_library__now_ns();
        if (now >= until) {
            break;
        }
        uint64_t left = until == UINT64_MAX ? UINT32_MAX : (until - now) / 1000000 + 1;
        client->way->wait(client, (uint32_t)left);
        client->way->pump(client);
    }
    uint32_t count = tell(client);
    if (ended != NULL) {
        *ended = count;
    }
    client->way->quiet(client);
    client->polling = false;
    err = client->way->failed(client) ? HF_E_FATAL : client->broken ? HF_E_CLOSED : HF_OK;
    hf_client__leave(client);
    return count != 0 ? HF_OK : err;
}

int hf_client_fd(hf_client *client)
{
    if (hf_client__enter(client) != HF_OK) {
        return -1;
    }
    int fd = client->way->fd(client);
    hf_client__leave(client);
    return fd;
}

/* ---- Results ---- */

uint32_t hf_txn_count(const hf_txn *txn)
{
    return txn == NULL || txn->state != HF_TXN_ENDED || txn->err != HF_OK ? 0 : txn->results;
}

const char *hf_txn_words(const hf_txn *txn)
{
    if (txn == NULL || txn->state != HF_TXN_ENDED || txn->err == HF_OK) {
        return "";
    }
    if (txn->reply.size > 3 && txn->reply.data[0] == '-') {
        hf_txn *mine = (hf_txn *)(uintptr_t)txn; /* the line's end becomes the text's */
        mine->reply.data[mine->reply.size - 2] = 0;
        return (const char *)txn->reply.data + 1;
    }
    return txn->said;
}

static double real_of(hf_bytes text)
{
    char copy[64];
    size_t size = text.size < sizeof copy - 1 ? text.size : sizeof copy - 1;
    memcpy(copy, text.data, size);
    copy[size] = 0;
    return strtod(copy, NULL);
}

static hf_result result_of(const hf_resp_value *value, const uint8_t *next, const uint8_t *end)
{
    static const hf_result_kind kinds[] = {
        [HF_RESP_KIND_NULL] = HF_RESULT_NONE,   [HF_RESP_KIND_SIMPLE] = HF_RESULT_STATUS,
        [HF_RESP_KIND_ERROR] = HF_RESULT_ERROR, [HF_RESP_KIND_INTEGER] = HF_RESULT_INTEGER,
        [HF_RESP_KIND_BULK] = HF_RESULT_BYTES,  [HF_RESP_KIND_DOUBLE] = HF_RESULT_DOUBLE,
        [HF_RESP_KIND_LIST] = HF_RESULT_LIST,
    };
    return (hf_result){ .kind = kinds[value->kind],
                        .count = value->count,
                        .data = (const char *)value->bytes.data,
                        .size = value->bytes.size,
                        .integer = value->integer,
                        .real = value->kind == HF_RESP_KIND_DOUBLE ? real_of(value->bytes) : 0,
                        .next = (const char *)next,
                        .end = (const char *)end };
}

hf_result hf_txn_result(const hf_txn *txn, uint32_t index)
{
    hf_result none = { .kind = HF_RESULT_NONE };
    hf_resp_value value;
    if (index >= hf_txn_count(txn) || txn->into_used) {
        return none;
    }
    hf_txn *mine = (hf_txn *)(uintptr_t)txn; /* where it found the last one is its own affair */
    hf_bytes all = hf_blob__view(&txn->reply);
    if (index < mine->at_index) {
        mine->at_index = 0;
        mine->at = txn->single ? 0 : hf_resp_read(all, &value);
    }
    while (mine->at_index < index) {
        uint32_t size = hf_resp_reply_size(hf_bytes_of(all.data + mine->at, all.size - mine->at));
        if (size == 0) {
            return none;
        }
        mine->at += size;
        mine->at_index++;
    }
    hf_bytes rest = hf_bytes_of(all.data + mine->at, all.size - mine->at);
    uint32_t size = hf_resp_read(rest, &value);
    return size == 0 ? none : result_of(&value, rest.data + size, rest.data + rest.size);
}

bool hf_result_next(hf_result *list, hf_result *element)
{
    hf_resp_value value;
    if (list == NULL || element == NULL || list->kind != HF_RESULT_LIST || list->count == 0) {
        return false;
    }
    hf_bytes rest = hf_bytes_of(list->next, (size_t)(list->end - list->next));
    uint32_t whole = hf_resp_reply_size(rest);
    uint32_t size = whole == 0 ? 0 : hf_resp_read(rest, &value);
    if (size == 0) {
        list->count = 0;
        return false;
    }
    *element = result_of(&value, rest.data + size, rest.data + whole);
    list->next += whole;
    list->count--;
    return true;
}
