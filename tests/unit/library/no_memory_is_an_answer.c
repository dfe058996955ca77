/* Every allocation of the library in the host's memory is refused in turn: the call answers
 * HF_E_NOMEM and nothing has happened, and everything that was taken is given back, with the size
 * that was taken. */
#include "tests/unit/library/database.h"
#include <stdatomic.h>

typedef struct memory {
    atomic_int left; /* until one is refused */
    atomic_long blocks, bytes;
    bool refused;
} memory;

static void *take(void *context, size_t size)
{
    memory *m = context;
    if (atomic_fetch_sub(&m->left, 1) == 1) {
        m->refused = true;
        return NULL;
    }
    size_t *block = malloc(size + 16);
    assert_non_null(block);
    block[0] = size;
    atomic_fetch_add(&m->blocks, 1);
    atomic_fetch_add(&m->bytes, (long)size);
    return block + 2;
}

static void give(void *context, void *block, size_t size)
{
    memory *m = context;
    size_t *head = (size_t *)block - 2;
    assert_int_equal(head[0], size);
    atomic_fetch_sub(&m->blocks, 1);
    atomic_fetch_sub(&m->bytes, (long)size);
    free(head);
}

/* True: this call was refused memory, and said so. */
static bool refused(const memory *m, hf_err err)
{
    if (!m->refused) {
        check_ok(err);
        return false;
    }
    /* A connection that had no memory for its replies is lost, with what was under way. */
    assert_true(err == HF_E_NOMEM || err == HF_E_INDOUBT || err == HF_OK || err == HF_E_CONFLICT);
    return err != HF_OK;
}

static void must_not_be_called(hf_txn *txn, hf_err err, void *context)
{
    (void)txn;
    (void)context;
    assert_true(err == HF_OK || err == HF_E_NOMEM || err == HF_E_INDOUBT);
}

static void use_scan(memory *m, hf_client *client)
{
    hf_scan *scan;
    hf_slice key, value;
    if (refused(m, hf_scan_open(client, "k", 1, "l", 1, 0, &scan))) {
        return;
    }
    hf_err err = hf_scan_next(scan, &key, &value);
    assert_true(err == HF_OK || err == HF_E_NOTFOUND || (m->refused && err == HF_E_NOMEM));
    hf_scan_close(scan);
}

static void use_changes(memory *m, hf_client *client)
{
    hf_changes *changes;
    if (!refused(m, hf_changes_open(client, "k", 1, NULL, &changes))) {
        hf_changes_close(changes);
    }
}

static void use_txn(memory *m, hf_client *client)
{
    static char large[5000];
    hf_txn *txn;
    if (refused(m, hf_txn_open(client, &txn))) {
        return;
    }
    hf_txn_if(txn, "key", 3, HF_EXISTS, NULL, 0);
    hf_txn_set(txn, "key", 3, large, sizeof large);
    hf_txn_get(txn, "key", 3);
    hf_txn_else(txn);
    hf_txn_set(txn, "key", 3, large, sizeof large);
    if (!refused(m, hf_txn_run(txn))) {
        hf_txn_get(txn, "key", 3);
        hf_err err = hf_txn_submit(txn, must_not_be_called, NULL);
        if (!refused(m, err)) {
            (void)hf_client_poll(client, 5000, NULL);
        }
    }
    hf_txn_close(txn);
}

/* Opens, uses everything, closes. */
static void use_all(memory *m, const database *d, bool connected)
{
    const hf_allocator allocator = { take, give, m };
    hf_options options = database_options();
    hf_db *db;
    hf_client *client;
    char buf[64];
    size_t size;
    options.allocator = &allocator;
    hf_err err =
        connected ? hf_connect(d->address, &options, &db) : hf_open(d->path, &options, &db);
    if (refused(m, err)) {
        assert_null(db);
        return;
    }
    if (!refused(m, hf_client_open(db, &client))) {
        (void)refused(m, hf_set(client, "key", 3, "value", 5));
        err = hf_get(client, "key", 3, buf, sizeof buf, &size);
        assert_true(err == HF_OK || err == HF_E_TRUNCATED || m->refused);
        use_txn(m, client);
        use_scan(m, client);
        use_changes(m, client);
        check_ok(hf_client_close(client));
    }
    check_ok(hf_close(db));
}

static void each_in_turn(bool connected)
{
    database d;
    int n = 1;
    bool more = true;
    memset(&d, 0, sizeof d);
    database_path(d.path, sizeof d.path);
    if (connected) {
        server_start(&d);
    }
    for (; more; n++) {
        memory m = { .left = n };
        use_all(&m, &d, connected);
        assert_int_equal(m.blocks, 0);
        assert_int_equal(m.bytes, 0);
        more = m.refused;
        assert_true(n < 200);
    }
    assert_true(n > 15); /* so many there are at least */
    if (connected) {
        server_kill(&d);
    }
    database_remove(d.path);
}

static void embedded(void **state)
{
    (void)state;
    each_in_turn(false);
}

static void connected(void **state)
{
    (void)state;
    each_in_turn(true);
}

/* A transaction that is used again takes nothing. */
static void used_again_takes_nothing(void **state)
{
    memory m = { .left = 1000000 };
    const hf_allocator allocator = { take, give, &m };
    hf_options options = database_options();
    database d;
    hf_txn *txn;
    (void)state;
    options.allocator = &allocator;
    memset(&d, 0, sizeof d);
    database_path(d.path, sizeof d.path);
    check_ok(hf_open(d.path, &options, &d.db));
    check_ok(hf_client_open(d.db, &d.client));
    check_ok(hf_txn_open(d.client, &txn));
    int left = 0;
    for (int i = 0; i < 1000; i++) {
        char value[100] = "x";
        size_t size;
        hf_txn_add(txn, "a", 1, 1, HF_NO_MIN, HF_NO_MAX);
        hf_txn_set(txn, "b", 1, value, sizeof value);
        hf_txn_get(txn, "b", 1);
        check_ok(hf_txn_run(txn));
        check_ok(hf_get(d.client, "b", 1, value, sizeof value, &size));
        left = i == 100 ? m.left : left; /* the first ones grow what is kept */
    }
    assert_int_equal(m.left, left);
    hf_txn_close(txn);
    database_close(&d);
    assert_int_equal(m.blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embedded),
        cmocka_unit_test(connected),
        cmocka_unit_test(used_again_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
