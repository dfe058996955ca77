/* The engine in this process: opens a data directory, moves money between two accounts, and closes.
 *
 *     embedded_transfer DIRECTORY
 */
#include <holdfast/holdfast.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(hf_err err, const char *what, const hf_client *client)
{
    if (err != HF_OK) {
        const char *words = client != NULL ? hf_client_words(client) : hf_problem_text();
        fprintf(stderr, "%s: %s (%s)\n", what, hf_err_text(err), words);
        exit(1);
    }
}

static long long balance(hf_client *client, const char *account)
{
    char text[32];
    size_t size = 0;
    need(hf_get(client, account, strlen(account), text, sizeof text - 1, &size), account, client);
    text[size] = 0;
    return atoll(text);
}

/* Both or neither; HF_E_LIMIT when `from` has too little. */
static hf_err transfer(hf_txn *txn, const char *from, const char *to, long long amount)
{
    hf_txn_add(txn, from, strlen(from), -amount, 0, HF_NO_MAX);
    hf_txn_add(txn, to, strlen(to), amount, HF_NO_MIN, HF_NO_MAX);
    return hf_txn_run(txn);
}

int main(int argc, char **argv)
{
    hf_options options = { .cores = 2, .memory_bytes = (uint64_t)512 << 20 };
    hf_db *db;
    hf_client *client;
    hf_txn *txn;
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    need(hf_open(argv[1], &options, &db), argv[1], NULL);
    need(hf_client_open(db, &client), "client", NULL);
    need(hf_txn_open(client, &txn), "transaction", client);

    need(hf_set(client, "alice", 5, "100", 3), "alice", client);
    need(hf_set(client, "bob", 3, "0", 1), "bob", client);
    for (int i = 1; i <= 4; i++) {
        hf_err err = transfer(txn, "alice", "bob", 30);
        if (err == HF_E_LIMIT) {
            printf("transfer %d: refused, alice has too little\n", i);
        } else {
            need(err, "transfer", client);
            printf("transfer %d: done, and on disk\n", i);
        }
    }
    printf("alice %lld, bob %lld\n", balance(client, "alice"), balance(client, "bob"));

    hf_txn_close(txn);
    need(hf_client_close(client), "close", NULL);
    need(hf_close(db), "close", NULL);
    return 0;
}
