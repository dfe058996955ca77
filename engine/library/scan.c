/* Scans: pages of HF.RANGE, one after the other. */
#include "engine/library/library_impl.h"
#include <poll.h>

enum { PAGE = 1000, TRIES = 1000 };

struct hf_scan {
    hf_txn *txn;
    hf_allocator allocator;
    unsigned flags;
    bool asked, last; /* a page is there; it is the last one */
    hf_blob start, end;
    uint32_t left; /* of the page */
    hf_result page;
};

hf_err hf_scan_open(hf_client *client, const void *start, size_t start_size, const void *end,
                    size_t end_size, unsigned flags, hf_scan **scan)
{
    const unsigned all = HF_SCAN_REVERSE | HF_SCAN_KEYS;
    if (scan == NULL || (flags & ~all) != 0 || (start == NULL && start_size != 0) ||
        (end == NULL && end_size != 0)) {
        return HF_E_INVALID;
    }
    *scan = NULL;
    if (start_size > HF_KEY_MAX || end_size > HF_KEY_MAX) {
        return HF_E_TOOBIG;
    }
    hf_err err = hf_client__enter(client);
    if (err != HF_OK) {
        return err;
    }
    hf_scan *made = hf_library__take(&client->allocator, sizeof *made);
    err = made == NULL ? HF_E_NOMEM : hf_txn__made(client, &made->txn);
    if (err == HF_OK) {
        made->allocator = client->allocator;
        made->flags = flags;
        hf_blob__open(&made->start, &made->allocator);
        hf_blob__open(&made->end, &made->allocator);
        hf_blob__raw(&made->start, start, start_size);
        hf_blob__raw(&made->end, end, end_size);
        *scan = made;
        if (made->start.failed || made->end.failed) {
            hf_scan_close(made);
            *scan = NULL;
            err = HF_E_NOMEM;
        }
    } else if (made != NULL) {
        hf_library__give(&client->allocator, made, sizeof *made);
    }
    hf_client__leave(client);
    return err;
}

void hf_scan_close(hf_scan *scan)
{
    if (scan != NULL) {
        hf_allocator allocator = scan->allocator;
        hf_txn_close(scan->txn);
        hf_blob__close(&scan->start);
        hf_blob__close(&scan->end);
        hf_library__give(&allocator, scan, sizeof *scan);
    }
}

/* The least key above this one; false: there is none. */
static bool step_past(hf_blob *bound, hf_slice key)
{
    hf_blob__reset(bound);
    hf_blob__raw(bound, key.data, key.size);
    if (key.size < HF_KEY_MAX) {
        hf_blob__raw(bound, "", 1);
        return true;
    }
    while (bound->size != 0 && !bound->failed && bound->data[bound->size - 1] == 0xff) {
        bound->size--;
    }
    if (bound->size != 0 && !bound->failed) {
        bound->data[bound->size - 1]++;
    }
    return bound->size != 0;
}

static hf_err ask_once(hf_scan *scan)
{
    hf_txn *txn = scan->txn;
    hf_client *client = txn->client;
    bool reverse = (scan->flags & HF_SCAN_REVERSE) != 0;
    bool values = (scan->flags & HF_SCAN_KEYS) == 0;
    if (client == NULL) {
        return HF_E_CLOSED;
    }
    hf_err err = hf_client__enter(client);
    if (err != HF_OK) {
        return err;
    }
    hf_txn__clear(txn);
    hf_txn__begin(txn, client->names.range, 5u + (reverse ? 1u : 0u) + (values ? 1u : 0u));
    hf_txn__text(txn, "HF.RANGE");
    hf_txn__word(txn, scan->start.data, scan->start.size);
    hf_txn__word(txn, scan->end.data, scan->end.size);
    hf_txn__text(txn, "LIMIT");
    hf_txn__integer(txn, PAGE);
    if (reverse) {
        hf_txn__text(txn, "REV");
    }
    if (values) {
        hf_txn__text(txn, "VALUES");
    }
    err = hf_client__ask(client, txn);
    hf_client__leave(client);
    if (err == HF_OK) {
        scan->page = hf_txn_result(txn, 0);
        scan->left = scan->page.count;
        scan->last = scan->left < PAGE;
        scan->asked = true;
    }
    return err;
}

/* A page over a range that is just being split or moved is asked for again. */
static hf_err ask(hf_scan *scan)
{
    hf_err err = ask_once(scan);
    for (int i = 0; i < TRIES && err == HF_E_BUSY; i++) {
        (void)poll(NULL, 0, 1);
        err = ask_once(scan);
    }
    return err;
}

hf_err hf_scan_next(hf_scan *scan, hf_slice *key, hf_slice *value)
{
    hf_result pair, element;
    if (scan == NULL || key == NULL) {
        return HF_E_INVALID;
    }
    if (!scan->asked) {
        hf_err err = ask(scan);
        if (err != HF_OK) {
            return err;
        }
    }
    if (scan->left == 0 || !hf_result_next(&scan->page, &pair)) {
        return HF_E_NOTFOUND; /* the last page is through */
    }
    bool pairs = pair.kind == HF_RESULT_LIST;
    element = pair;
    if (pairs && !hf_result_next(&pair, &element)) {
        return HF_E_CORRUPT;
    }
    *key = (hf_slice){ element.data, element.size };
    if (--scan->left == 0 && !scan->last) {
        /* Where the next page begins is kept now: asking for it drops this one. */
        hf_blob *bound = (scan->flags & HF_SCAN_REVERSE) != 0 ? &scan->end : &scan->start;
        bool more = true;
        if (bound == &scan->end) {
            hf_blob__reset(bound);
            hf_blob__raw(bound, key->data, key->size);
        } else {
            more = step_past(bound, *key);
        }
        if (bound->failed) {
            return HF_E_NOMEM;
        }
        scan->asked = !more;
    }
    if (value != NULL) {
        bool there = pairs && hf_result_next(&pair, &element) && element.kind == HF_RESULT_BYTES;
        *value = there ? (hf_slice){ element.data, element.size } : (hf_slice){ NULL, 0 };
    }
    return HF_OK;
}
