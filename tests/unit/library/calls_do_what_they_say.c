/* Every call of the library, embedded and connected alike. */
#include "tests/unit/library/database.h"
#include <poll.h>

static database *db_of(void **state)
{
    return *state;
}

static int open_embedded(void **state)
{
    static database d;
    database_open(&d, false);
    *state = &d;
    return 0;
}

static int open_connected(void **state)
{
    static database d;
    database_open(&d, true);
    *state = &d;
    return 0;
}

static int close_it(void **state)
{
    database_close(db_of(state));
    return 0;
}

static void values(void **state)
{
    hf_client *client = db_of(state)->client;
    char buf[16];
    size_t size = 99;
    check_err(hf_get(client, "v:none", 6, buf, sizeof buf, &size), HF_E_NOTFOUND);
    assert_int_equal(size, 0);
    check_ok(hf_set(client, "v:1", 3, "hello\0world", 11));
    check_ok(hf_get(client, "v:1", 3, buf, sizeof buf, &size));
    assert_int_equal(size, 11);
    assert_memory_equal(buf, "hello\0world", 11);
    /* Larger than the buffer: what fits, and the size of the whole. */
    memset(buf, '#', sizeof buf);
    check_err(hf_get(client, "v:1", 3, buf, 4, &size), HF_E_TRUNCATED);
    assert_int_equal(size, 11);
    assert_memory_equal(buf, "hell####", 8);
    check_err(hf_get(client, "v:1", 3, NULL, 0, &size), HF_E_TRUNCATED);
    assert_int_equal(size, 11);
    check_ok(hf_set(client, "v:1", 3, "", 0));
    check_ok(hf_get(client, "v:1", 3, NULL, 0, &size));
    assert_int_equal(size, 0);
    check_ok(hf_del(client, "v:1", 3));
    check_err(hf_del(client, "v:1", 3), HF_E_NOTFOUND);
}

static void large_values(void **state)
{
    hf_client *client = db_of(state)->client;
    size_t most = HF_VALUE_MAX;
    char *big = malloc(most + 1);
    char *back = malloc(most + 1);
    size_t size;
    assert_true(big != NULL && back != NULL);
    for (size_t i = 0; i <= most; i++) {
        big[i] = (char)(i * 2654435761u >> 11);
    }
    static const size_t sizes[] = { 1, 4095, 65536, 131072, 131073, 1000000, HF_VALUE_MAX };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_ok(hf_set(client, "big", 3, big, sizes[i]));
        memset(back, 0, most);
        check_ok(hf_get(client, "big", 3, back, most, &size));
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(big, back, sizes[i]);
    }
    check_err(hf_get(client, "big", 3, back, 10, &size), HF_E_TRUNCATED);
    assert_int_equal(size, most);
    check_err(hf_set(client, "big", 3, big, most + 1), HF_E_TOOBIG);
    check_ok(hf_del(client, "big", 3));
    free(big);
    free(back);
}

static void wrong_arguments(void **state)
{
    hf_client *client = db_of(state)->client;
    char key[HF_KEY_MAX + 1];
    size_t size;
    hf_txn *txn;
    memset(key, 'k', sizeof key);
    check_err(hf_set(client, NULL, 0, "v", 1), HF_E_INVALID);
    check_err(hf_set(client, "", 0, "v", 1), HF_E_INVALID);
    check_err(hf_set(client, key, sizeof key, "v", 1), HF_E_TOOBIG);
    check_ok(hf_set(client, key, HF_KEY_MAX, "v", 1));
    check_ok(hf_del(client, key, HF_KEY_MAX));
    check_err(hf_set(client, "k", 1, NULL, 1), HF_E_INVALID);
    check_err(hf_get(client, "k", 1, NULL, 1, &size), HF_E_INVALID);
    check_err(hf_get(client, "k", 1, key, 1, NULL), HF_E_INVALID);
    check_err(hf_get(NULL, "k", 1, key, 1, &size), HF_E_INVALID);
    check_err(hf_add(client, "k", 1, 1, 5, 4), HF_E_INVALID);
    check_err(hf_commit(client), HF_E_INVALID);
    check_err(hf_begin(client, 64, NULL), HF_E_INVALID);
    check_err(hf_savepoint(client, "x", 1), HF_E_INVALID);
    check_err(hf_client_level(client, (hf_read_level)7, 0), HF_E_INVALID);
    check_err(hf_client_after(client, UINT64_MAX), HF_E_INVALID);
    check_err(hf_txn_open(client, NULL), HF_E_INVALID);
    check_ok(hf_txn_open(client, &txn));
    check_err(hf_txn_run(txn), HF_E_INVALID); /* empty */
    hf_txn_set(txn, "a", 1, "1", 1);
    hf_txn_if(txn, "a", 1, HF_EQ, "1", 1); /* too late */
    check_err(hf_txn_run(txn), HF_E_INVALID);
    assert_true(hf_txn_words(txn)[0] != 0);
    hf_slice nonsense[] = { { "NOSUCH", 6 }, { "x", 1 } };
    hf_txn_command(txn, nonsense, 2);
    check_err(hf_txn_run(txn), HF_E_REFUSED);
    hf_slice few[] = { { "HSET", 4 }, { "x", 1 } };
    hf_txn_command(txn, few, 2);
    check_err(hf_txn_run(txn), HF_E_REFUSED);
    static const char *const ours[] = { "SUBSCRIBE", "MONITOR", "MULTI", "HELLO", "HF.BEGIN" };
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        hf_slice words[] = { { ours[i], strlen(ours[i]) }, { "x", 1 } };
        hf_txn_command(txn, words, 2);
        check_err(hf_txn_run(txn), HF_E_INVALID);
    }
    check_err(hf_txn_submit(txn, NULL, NULL), HF_E_INVALID);
    hf_txn_close(txn);
    hf_txn_close(NULL);
    hf_scan_close(NULL);
    hf_changes_close(NULL);
    assert_string_equal(value_of(client, "k"), "(none)");
}

static void quantities(void **state)
{
    hf_client *client = db_of(state)->client;
    check_ok(hf_add(client, "q", 1, 100, HF_NO_MIN, HF_NO_MAX));
    check_ok(hf_add(client, "q", 1, -60, 0, HF_NO_MAX));
    check_err(hf_add(client, "q", 1, -60, 0, HF_NO_MAX), HF_E_LIMIT);
    assert_true(strncmp(hf_client_words(client), "LIMIT", 5) == 0);
    check_err(hf_add(client, "q", 1, 70, HF_NO_MIN, 100), HF_E_LIMIT);
    assert_string_equal(value_of(client, "q"), "40");
    set_text(client, "q", "text");
    check_err(hf_add(client, "q", 1, 1, HF_NO_MIN, HF_NO_MAX), HF_E_TYPE);
    check_ok(hf_del(client, "q", 1));
}

static void transactions(void **state)
{
    hf_client *client = db_of(state)->client;
    hf_txn *txn;
    hf_result result;
    set_text(client, "t:a", "1");
    set_text(client, "t:b", "2");
    check_ok(hf_txn_open(client, &txn));
    hf_txn_if(txn, "t:a", 3, HF_EQ, "1", 1);
    hf_txn_if(txn, "t:none", 6, HF_ABSENT, NULL, 0);
    hf_txn_get(txn, "t:b", 3);
    hf_txn_set(txn, "t:a", 3, "10", 2);
    hf_txn_add(txn, "t:n", 3, 5, 0, 100);
    hf_txn_get(txn, "t:none", 6);
    check_ok(hf_txn_run(txn));
    assert_int_equal(hf_txn_count(txn), 4);
    result = hf_txn_result(txn, 0);
    assert_int_equal(result.kind, HF_RESULT_BYTES);
    assert_memory_equal(result.data, "2", 1);
    assert_int_equal(hf_txn_result(txn, 3).kind, HF_RESULT_NONE);
    assert_int_equal(hf_txn_result(txn, 1).kind, HF_RESULT_STATUS);
    assert_int_equal(hf_txn_result(txn, 4).kind, HF_RESULT_NONE);
    /* The same again does not hold any more; what is put begins anew. */
    hf_txn_if(txn, "t:a", 3, HF_EQ, "1", 1);
    hf_txn_set(txn, "t:a", 3, "11", 2);
    check_err(hf_txn_run(txn), HF_E_COND);
    assert_int_equal(hf_txn_count(txn), 0);
    hf_txn_if(txn, "t:a", 3, HF_EQ, "1", 1);
    hf_txn_set(txn, "t:a", 3, "11", 2);
    hf_txn_else(txn);
    hf_txn_get(txn, "t:a", 3);
    hf_txn_set(txn, "t:b", 3, "else", 4);
    check_ok(hf_txn_run(txn));
    assert_int_equal(hf_txn_count(txn), 2);
    assert_memory_equal(hf_txn_result(txn, 0).data, "10", 2);
    assert_string_equal(value_of(client, "t:b"), "else");
    /* All or nothing. */
    hf_txn_set(txn, "t:a", 3, "99", 2);
    hf_txn_add(txn, "t:n", 3, -50, 0, HF_NO_MAX);
    check_err(hf_txn_run(txn), HF_E_LIMIT);
    assert_string_equal(value_of(client, "t:a"), "10");
    assert_string_equal(value_of(client, "t:n"), "5");
    /* Any command; lists. */
    hf_slice words[] = {
        { "HSET", 4 }, { "t:h", 3 }, { "f", 1 }, { "v", 1 }, { "g", 1 }, { "w", 1 }
    };
    hf_txn_command(txn, words, 6);
    hf_slice all[] = { { "HGETALL", 7 }, { "t:h", 3 } };
    hf_txn_command(txn, all, 2);
    check_ok(hf_txn_run(txn));
    assert_int_equal(hf_txn_result(txn, 0).integer, 2);
    result = hf_txn_result(txn, 1);
    assert_int_equal(result.kind, HF_RESULT_LIST);
    assert_int_equal(result.count, 4);
    hf_result element;
    uint32_t count = 0;
    while (hf_result_next(&result, &element)) {
        assert_int_equal(element.kind, HF_RESULT_BYTES);
        count++;
    }
    assert_int_equal(count, 4);
    check_err(hf_get(client, "t:h", 3, NULL, 0, &(size_t){ 0 }), HF_E_TYPE);
    hf_txn_close(txn);
}

static void ids_and_outcomes(void **state)
{
    hf_client *client = db_of(state)->client;
    hf_outcome_state outcome;
    uint64_t ts = 0;
    uint8_t id[HF_ID_SIZE];
    hf_txn *txn;
    hf_id_new(id);
    check_ok(hf_txn_open(client, &txn));
    for (int i = 0; i < 3; i++) { /* however often it is sent */
        hf_txn_id(txn, id);
        hf_txn_add(txn, "id:n", 4, 1, HF_NO_MIN, HF_NO_MAX);
        hf_txn_add(txn, "id:m", 4, 1, HF_NO_MIN, HF_NO_MAX);
        check_ok(hf_txn_run(txn));
        assert_int_equal(hf_txn_count(txn), 2);
    }
    assert_string_equal(value_of(client, "id:n"), "1");
    check_ok(hf_outcome(client, id, &outcome, &ts));
    assert_int_equal(outcome, HF_OUTCOME_COMMITTED);
    assert_true(ts != 0);
    hf_txn_id(txn, id);
    hf_txn_add(txn, "id:n", 4, 2, HF_NO_MIN, HF_NO_MAX);
    check_err(hf_txn_run(txn), HF_E_REFUSED); /* the same id for something else */
    /* Asked about first, it never happens. */
    hf_id_new(id);
    check_ok(hf_outcome(client, id, &outcome, NULL));
    assert_int_equal(outcome, HF_OUTCOME_ABORTED);
    hf_txn_id(txn, id);
    hf_txn_add(txn, "id:n", 4, 1, HF_NO_MIN, HF_NO_MAX);
    check_err(hf_txn_run(txn), HF_E_CONFLICT);
    assert_string_equal(value_of(client, "id:n"), "1");
    uint8_t old[HF_ID_SIZE] = { 0, 0, 0, 0, 0, 1, 0x70, 0, 0x80 };
    check_ok(hf_outcome(client, old, &outcome, NULL));
    assert_int_equal(outcome, HF_OUTCOME_EXPIRED);
    uint8_t wrong[HF_ID_SIZE] = { 0 };
    check_err(hf_outcome(client, wrong, &outcome, NULL), HF_E_REFUSED);
    hf_txn_close(txn);
}

static void interactive(void **state)
{
    database *d = db_of(state);
    hf_client *client = d->client;
    hf_client *other;
    hf_txn *txn;
    check_ok(hf_client_open(d->db, &other));
    set_text(client, "i:a", "1");
    check_ok(hf_begin(client, 0, NULL));
    check_err(hf_begin(client, 0, NULL), HF_E_BUSY);
    set_text(client, "i:a", "2");
    check_ok(hf_savepoint(client, "p", 1));
    set_text(client, "i:a", "3");
    set_text(client, "i:b", "3");
    assert_string_equal(value_of(client, "i:a"), "3");
    check_ok(hf_client_level(other, HF_READ_BOUNDED, 5)); /* a strict read would wait for the end */
    assert_string_not_equal(value_of(other, "i:a"), "3");
    assert_string_equal(value_of(other, "i:b"), "(none)");
    check_ok(hf_client_level(other, HF_READ_STRICT, 0));
    check_ok(hf_rollback_to(client, "p", 1));
    check_err(hf_rollback_to(client, "none", 4), HF_E_NOTFOUND);
    check_ok(hf_txn_open(client, &txn));
    hf_txn_get(txn, "i:a", 3); /* one command takes part ... */
    check_ok(hf_txn_run(txn));
    assert_memory_equal(hf_txn_result(txn, 0).data, "2", 1);
    hf_txn_get(txn, "i:a", 3); /* ... a transaction does not */
    hf_txn_get(txn, "i:b", 3);
    check_err(hf_txn_run(txn), HF_E_INVALID);
    hf_txn_close(txn);
    check_ok(hf_commit(client));
    assert_string_equal(value_of(other, "i:a"), "2");
    assert_string_equal(value_of(other, "i:b"), "(none)");
    check_ok(hf_begin(client, 0, NULL));
    set_text(client, "i:a", "4");
    check_ok(hf_rollback(client));
    assert_string_equal(value_of(client, "i:a"), "2");
    check_ok(hf_begin(client, HF_BEGIN_READONLY, NULL));
    assert_string_equal(value_of(client, "i:a"), "2");
    check_err(hf_set(client, "i:a", 3, "5", 1), HF_E_READONLY);
    check_ok(hf_rollback(client));
    /* With an id the outcome can be asked for. */
    uint8_t id[HF_ID_SIZE];
    hf_outcome_state outcome;
    hf_id_new(id);
    check_ok(hf_begin(client, 0, id));
    set_text(client, "i:a", "6");
    check_ok(hf_commit(client));
    check_ok(hf_outcome(other, id, &outcome, NULL));
    assert_int_equal(outcome, HF_OUTCOME_COMMITTED);
    /* Closing rolls back. */
    check_ok(hf_begin(other, 0, NULL));
    set_text(other, "i:a", "7");
    check_ok(hf_client_close(other));
    assert_string_equal(value_of(client, "i:a"), "6");
}

static void levels_and_tokens(void **state)
{
    database *d = db_of(state);
    hf_client *other;
    uint64_t before, after;
    check_ok(hf_client_open(d->db, &other));
    set_text(d->client, "l", "old");
    check_ok(hf_client_token(d->client, &before));
    do { /* the next one lies in another millisecond */
        set_text(d->client, "l", "new");
        check_ok(hf_client_token(d->client, &after));
    } while (after / 1000000 <= before / 1000000 + 1);
    assert_true(after > before);
    check_ok(hf_client_level(other, HF_READ_SNAPSHOT, before + 1000000));
    assert_true(strcmp(value_of(other, "l"), "old") == 0 ||
                strcmp(value_of(other, "l"), "new") == 0);
    check_ok(hf_client_level(other, HF_READ_SNAPSHOT, after + UINT64_C(3600000000000)));
    char buf[8];
    size_t size;
    check_err(hf_get(other, "l", 1, buf, sizeof buf, &size), HF_E_REFUSED); /* the future */
    check_ok(hf_client_after(other, after));
    check_ok(hf_client_level(other, HF_READ_BOUNDED, 1000));
    assert_string_equal(value_of(other, "l"), "new"); /* not older than the token */
    check_ok(hf_client_level(other, HF_READ_STRICT, 0));
    assert_string_equal(value_of(other, "l"), "new");
    uint64_t token;
    check_ok(hf_client_token(other, &token));
    assert_true(token >= after);
    check_ok(hf_client_close(other));
}

static void scans(void **state)
{
    hf_client *client = db_of(state)->client;
    enum { KEYS = 2345 };
    hf_txn *txn;
    check_ok(hf_txn_open(client, &txn));
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        int size = snprintf(key, sizeof key, "s:%05d", i);
        hf_txn_set(txn, key, (size_t)size, key, (size_t)size);
    }
    check_ok(hf_txn_run(txn));
    hf_txn_close(txn);
    for (unsigned flags = 0; flags < 4; flags++) {
        hf_scan *scan;
        hf_slice key, value;
        int count = 0;
        check_ok(hf_scan_open(client, "s:", 2, "s;", 2, flags, &scan));
        hf_err err = hf_scan_next(scan, &key, &value);
        while (err == HF_OK) {
            char want[16];
            bool reverse = (flags & HF_SCAN_REVERSE) != 0;
            (void)snprintf(want, sizeof want, "s:%05d", reverse ? KEYS - 1 - count : count);
            assert_int_equal(key.size, 7);
            assert_memory_equal(key.data, want, 7);
            if ((flags & HF_SCAN_KEYS) != 0) {
                assert_int_equal(value.size, 0);
            } else {
                assert_int_equal(value.size, 7);
                assert_memory_equal(value.data, want, 7);
            }
            count++;
            err = hf_scan_next(scan, &key, &value);
        }
        check_err(err, HF_E_NOTFOUND);
        check_err(hf_scan_next(scan, &key, NULL), HF_E_NOTFOUND);
        assert_int_equal(count, KEYS);
        hf_scan_close(scan);
    }
}

static void changes(void **state)
{
    hf_client *client = db_of(state)->client;
    hf_changes *feed;
    hf_change change;
    char token[64];
    check_ok(hf_changes_open(client, "c:", 2, NULL, &feed));
    check_err(hf_changes_next(feed, 0, &change), HF_E_NOTFOUND);
    set_text(client, "c:1", "x");
    set_text(client, "d:1", "x");
    check_ok(hf_del(client, "c:1", 3));
    check_ok(hf_changes_next(feed, 5000, &change));
    assert_memory_equal(change.key.data, "c:1", 3);
    assert_string_equal(change.kind, "put");
    uint64_t first = change.ts;
    check_ok(hf_changes_next(feed, 5000, &change));
    assert_string_equal(change.kind, "delete");
    assert_true(change.ts > first);
    (void)snprintf(token, sizeof token, "%s", hf_changes_token(feed));
    hf_changes_close(feed);
    set_text(client, "c:2", "y");
    check_ok(hf_changes_open(client, "c:", 2, token, &feed));
    check_ok(hf_changes_next(feed, 5000, &change));
    assert_memory_equal(change.key.data, "c:2", 3);
    check_err(hf_changes_next(feed, 20, &change), HF_E_NOTFOUND);
    hf_changes_close(feed);
    check_err(hf_changes_open(client, "c:", 2, "", &feed), HF_E_INVALID);
}

/* ---- Completion-driven ---- */

enum { TRANSFERS = 20000, ACCOUNTS = 50, DEPTH = 300 };

typedef struct loop {
    hf_client *client;
    hf_txn *txns[DEPTH];
    int started, ended, refused;
} loop;

static void transfer_done(hf_txn *txn, hf_err err, void *context);

static void transfer_start(loop *l, hf_txn *txn)
{
    char from[16], to[16];
    int a = l->started * 7 % ACCOUNTS;
    int b = (a + 1 + l->started % (ACCOUNTS - 1)) % ACCOUNTS;
    int from_size = snprintf(from, sizeof from, "acc:%d", a);
    int to_size = snprintf(to, sizeof to, "acc:%d", b);
    l->started++;
    hf_txn_add(txn, from, (size_t)from_size, -(l->started % 30), 0, HF_NO_MAX);
    hf_txn_add(txn, to, (size_t)to_size, l->started % 30, HF_NO_MIN, HF_NO_MAX);
    check_ok(hf_txn_submit(txn, transfer_done, l));
}

static void transfer_done(hf_txn *txn, hf_err err, void *context)
{
    loop *l = context;
    l->ended++;
    assert_true(err == HF_OK || err == HF_E_LIMIT);
    l->refused += err == HF_E_LIMIT;
    if (l->started < TRANSFERS) {
        transfer_start(l, txn);
    }
}

static void completions(void **state)
{
    hf_client *client = db_of(state)->client;
    loop l = { .client = client };
    for (int i = 0; i < ACCOUNTS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "acc:%d", i);
        set_text(client, key, "100");
    }
    int fd = hf_client_fd(client);
    assert_true(fd >= 0);
    for (int i = 0; i < DEPTH; i++) {
        check_ok(hf_txn_open(client, &l.txns[i]));
        transfer_start(&l, l.txns[i]);
        check_err(hf_txn_run(l.txns[i]), HF_E_BUSY); /* it is under way */
        check_err(hf_txn_reset(l.txns[i]), HF_E_BUSY);
    }
    while (l.ended < TRANSFERS) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        uint32_t ended;
        assert_int_equal(poll(&wait, 1, 60000), 1); /* else a completion was not told */
        check_ok(hf_client_poll(client, 0, &ended));
    }
    int64_t sum = 0;
    for (int i = 0; i < ACCOUNTS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "acc:%d", i);
        int64_t balance = strtoll(value_of(client, key), NULL, 10);
        assert_true(balance >= 0);
        sum += balance;
    }
    assert_int_equal(sum, ACCOUNTS * 100);
    for (int i = 0; i < DEPTH; i++) {
        hf_txn_close(l.txns[i]);
    }
}

static void count_done(hf_txn *txn, hf_err err, void *context)
{
    (void)txn;
    check_ok(err);
    (*(int *)context)++;
}

/* More than may be under way; a waiting call among them; one that is closed under way. */
static void many_under_way(void **state)
{
    hf_client *client = db_of(state)->client;
    static hf_txn *txns[HF_SUBMITTED_MAX + 1];
    int done = 0;
    for (int i = 0; i <= HF_SUBMITTED_MAX; i++) {
        char key[16];
        int size = snprintf(key, sizeof key, "m:%d", i);
        check_ok(hf_txn_open(client, &txns[i]));
        hf_txn_set(txns[i], key, (size_t)size, "x", 1);
        if (i < HF_SUBMITTED_MAX) {
            check_ok(hf_txn_submit(txns[i], count_done, &done));
        }
    }
    check_err(hf_txn_submit(txns[HF_SUBMITTED_MAX], count_done, &done), HF_E_FULL);
    assert_int_equal(done, 0);
    set_text(client, "m:own", "y"); /* waits for its own end alone */
    assert_int_equal(done, 0);
    hf_txn_close(txns[5]);
    while (done < HF_SUBMITTED_MAX - 1) {
        check_ok(hf_client_poll(client, UINT32_MAX, NULL));
    }
    check_ok(hf_client_poll(client, 1, NULL));
    check_ok(hf_txn_submit(txns[HF_SUBMITTED_MAX], count_done, &done));
    while (done < HF_SUBMITTED_MAX) {
        check_ok(hf_client_poll(client, 10, NULL));
    }
    for (int i = 0; i <= HF_SUBMITTED_MAX; i++) {
        if (i != 5) {
            hf_txn_close(txns[i]);
        }
    }
    assert_string_equal(value_of(client, "m:5"), "x");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),          cmocka_unit_test(large_values),
        cmocka_unit_test(wrong_arguments), cmocka_unit_test(quantities),
        cmocka_unit_test(transactions),    cmocka_unit_test(ids_and_outcomes),
        cmocka_unit_test(interactive),     cmocka_unit_test(levels_and_tokens),
        cmocka_unit_test(scans),           cmocka_unit_test(changes),
        cmocka_unit_test(completions),     cmocka_unit_test(many_under_way),
    };
    bool connected = argc > 1 && strcmp(argv[1], "connected") == 0;
    return cmocka_run_group_tests_name(connected ? "connected" : "embedded", tests,
                                       connected ? open_connected : open_embedded, close_it);
}
