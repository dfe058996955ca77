/* Changes: pages of HF.CHANGES. */
#include "engine/library/library_impl.h"
#include <stdio.h>

enum { PAGE = 1000, WAIT_MOST_MS = 3600000, TOKEN_MAX = 64, KIND_MAX = 16 };

struct hf_changes {
    hf_txn *txn;
    hf_allocator allocator;
    hf_blob prefix;
    uint32_t left;
    hf_result page;
    char token[TOKEN_MAX]; /* before the page at hand */
    char after[TOKEN_MAX]; /* behind it */
    char kind[KIND_MAX];
};

static void copy_text(char *to, size_t room, const hf_result *from)
{
    size_t size = from->size < room ? from->size : room - 1;
    memcpy(to, from->data, size);
    to[size] = 0;
}

static hf_err ask(hf_changes *changes, const char *from, uint32_t wait_ms)
{
    hf_txn *txn = changes->txn;
    hf_client *client = txn->client;
    if (client == NULL) {
        return HF_E_CLOSED;
    }
    hf_err err = hf_client__enter(client);
    if (err != HF_OK) {
        return err;
    }
    hf_txn__clear(txn);
    hf_txn__begin(txn, client->names.changes, 8);
    hf_txn__text(txn, "HF.CHANGES");
    hf_txn__word(txn, changes->prefix.data, changes->prefix.size);
    hf_txn__text(txn, "FROM");
    hf_txn__text(txn, from);
    hf_txn__text(txn, "COUNT");
    hf_txn__integer(txn, PAGE);
    hf_txn__text(txn, "BLOCK");
    hf_txn__integer(txn, wait_ms);
    txn->inner = txn->reads = true;
    txn->extra_ms = wait_ms;
    err = hf_client__ask(client, txn);
    hf_client__leave(client);
    if (err != HF_OK) {
        return err;
    }
    hf_result token, list = hf_txn_result(txn, 0);
    if (!hf_result_next(&list, &token) || !hf_result_next(&list, &changes->page) ||
        token.size >= TOKEN_MAX) {
        return HF_E_CORRUPT;
    }
    copy_text(changes->after, TOKEN_MAX, &token);
    changes->left = changes->page.count;
    if (changes->left == 0) {
        memcpy(changes->token, changes->after, TOKEN_MAX);
    }
    return HF_OK;
}

hf_err hf_changes_open(hf_client *client, const void *prefix, size_t prefix_size, const char *token,
                       hf_changes **changes)
{
    if (changes == NULL || (prefix == NULL && prefix_size != 0) ||
        (token != NULL && (token[0] == 0 || strlen(token) >= TOKEN_MAX))) {
        return HF_E_INVALID;
    }
    *changes = NULL;
    if (prefix_size > HF_KEY_MAX) {
        return HF_E_TOOBIG;
    }
    hf_err err = hf_client__enter(client);
    if (err != HF_OK) {
        return err;
    }
    hf_changes *made = hf_library__take(&client->allocator, sizeof *made);
    err = made == NULL ? HF_E_NOMEM : hf_txn__made(client, &made->txn);
    if (made != NULL && err != HF_OK) {
        hf_library__give(&client->allocator, made, sizeof *made);
    }
    hf_client__leave(client);
    if (err != HF_OK) {
        return err;
    }
    made->allocator = client->allocator;
    hf_blob__open(&made->prefix, &made->allocator);
    hf_blob__raw(&made->prefix, prefix, prefix_size);
    if (made->prefix.failed) {
        err = HF_E_NOMEM;
    } else if (token != NULL) {
        (void)snprintf(made->token, sizeof made->token, "%s", token);
    } else {
        err = ask(made, "NOW", 0);
    }
    if (err != HF_OK) {
        hf_changes_close(made);
        return err;
    }
    *changes = made;
    return HF_OK;
}

void hf_changes_close(hf_changes *changes)
{
    if (changes != NULL) {
        hf_allocator allocator = changes->allocator;
        hf_txn_close(changes->txn);
        hf_blob__close(&changes->prefix);
        hf_library__give(&allocator, changes, sizeof *changes);
    }
}

hf_err hf_changes_next(hf_changes *changes, uint32_t wait_ms, hf_change *change)
{
    hf_result entry, ts, kind, key;
    if (changes == NULL || change == NULL || wait_ms > WAIT_MOST_MS) {
        return HF_E_INVALID;
    }
    if (changes->left == 0) {
        hf_err err = ask(changes, changes->token, wait_ms);
        if (err != HF_OK) {
            return err;
        }
        if (changes->left == 0) {
            return HF_E_NOTFOUND;
        }
    }
    if (!hf_result_next(&changes->page, &entry) || !hf_result_next(&entry, &ts) ||
        !hf_result_next(&entry, &kind) || !hf_result_next(&entry, &key)) {
        return HF_E_CORRUPT;
    }
    if (--changes->left == 0) {
        memcpy(changes->token, changes->after, TOKEN_MAX);
    }
    copy_text(changes->kind, KIND_MAX, &kind);
    *change = (hf_change){ .ts = (uint64_t)ts.integer,
                           .key = { key.data, key.size },
                           .kind = changes->kind };
    return HF_OK;
}

const char *hf_changes_token(const hf_changes *changes)
{
    return changes == NULL ? "" : changes->token;
}
