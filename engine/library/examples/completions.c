/* Completion-driven: one thread keeps many transfers under way, and waits in its own poll loop,
 * where other descriptors could be beside the library's.
 *
 *     completions DIRECTORY
 */
#include <holdfast/holdfast.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRANSFERS = 100000, UNDER_WAY = 256, ACCOUNTS = 1000 };

typedef struct bank {
    long started, done, refused;
} bank;

static void need(hf_err err, const char *what)
{
    if (err != HF_OK) {
        fprintf(stderr, "%s: %s (%s)\n", what, hf_err_text(err), hf_problem_text());
        exit(1);
    }
}

static void ended(hf_txn *txn, hf_err err, void *context);

static void start(bank *bank, hf_txn *txn)
{
    char from[16];
    char to[16];
    int a = rand() % ACCOUNTS;
    int b = (a + 1 + rand() % (ACCOUNTS - 1)) % ACCOUNTS;
    size_t from_size = (size_t)snprintf(from, sizeof from, "account:%d", a);
    size_t to_size = (size_t)snprintf(to, sizeof to, "account:%d", b);
    hf_txn_add(txn, from, from_size, -1, 0, HF_NO_MAX);
    hf_txn_add(txn, to, to_size, 1, HF_NO_MIN, HF_NO_MAX);
    bank->started++;
    need(hf_txn_submit(txn, ended, bank), "submit");
}

/* Called by hf_client_poll, in this thread: the next one may be started here. */
static void ended(hf_txn *txn, hf_err err, void *context)
{
    bank *bank = context;
    if (err == HF_E_LIMIT) {
        bank->refused++;
    } else {
        need(err, hf_txn_words(txn));
        bank->done++;
    }
    if (bank->started < TRANSFERS) {
        start(bank, txn);
    }
}

int main(int argc, char **argv)
{
    hf_options options = { .cores = 2, .memory_bytes = (uint64_t)512 << 20 };
    bank bank = { 0, 0, 0 };
    hf_txn *txns[UNDER_WAY];
    hf_db *db;
    hf_client *client;
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    need(hf_open(argv[1], &options, &db), argv[1]);
    need(hf_client_open(db, &client), "client");
    for (int i = 0; i < ACCOUNTS; i++) {
        char key[16];
        size_t size = (size_t)snprintf(key, sizeof key, "account:%d", i);
        need(hf_add(client, key, size, 10, HF_NO_MIN, HF_NO_MAX), "fill");
    }
    for (int i = 0; i < UNDER_WAY; i++) {
        need(hf_txn_open(client, &txns[i]), "transaction");
        start(&bank, txns[i]);
    }
    struct pollfd fd = { .fd = hf_client_fd(client), .events = POLLIN };
    while (bank.done + bank.refused < TRANSFERS) {
        (void)poll(&fd, 1, -1);
        need(hf_client_poll(client, 0, NULL), "poll");
    }
    printf("%ld done, %ld refused\n", bank.done, bank.refused);
    for (int i = 0; i < UNDER_WAY; i++) {
        hf_txn_close(txns[i]);
    }
    need(hf_client_close(client), "close");
    need(hf_close(db), "close");
    return 0;
}
