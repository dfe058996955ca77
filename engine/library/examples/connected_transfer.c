/* A client of one or more nodes: a transfer with an id, so that it happens once whatever becomes of
 * the connection, and its outcome can be asked for.
 *
 *     connected_transfer HOST:PORT[,HOST:PORT...]
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

/* True: the transfer happened. An id that was kept before the call makes every end a definite one.
 */
static bool transfer(hf_client *client, hf_txn *txn, const uint8_t id[HF_ID_SIZE])
{
    hf_outcome_state state;
    hf_txn_id(txn, id);
    hf_txn_add(txn, "alice", 5, -30, 0, HF_NO_MAX);
    hf_txn_add(txn, "bob", 3, 30, HF_NO_MIN, HF_NO_MAX);
    hf_err err = hf_txn_run(txn); /* sent again by itself when the connection is lost */
    switch (err) {
    case HF_OK:
        return true;
    case HF_E_LIMIT:
        return false;
    case HF_E_INDOUBT: /* no answer in time: it may have happened. Ask, until somebody answers */
    case HF_E_DEADLINE:
    case HF_E_BUSY:
        need(hf_outcome(client, id, &state, NULL), "outcome", client);
        return state == HF_OUTCOME_COMMITTED;
    default:
        need(err, "transfer", client);
        return false;
    }
}

int main(int argc, char **argv)
{
    hf_db *db;
    hf_client *client;
    hf_txn *txn;
    char text[32];
    size_t size = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: %s HOST:PORT[,HOST:PORT...]\n", argv[0]);
        return 2;
    }
    need(hf_connect(argv[1], NULL, &db), argv[1], NULL);
    need(hf_client_open(db, &client), "client", NULL);
    need(hf_txn_open(client, &txn), "transaction", client);

    need(hf_set(client, "alice", 5, "100", 3), "alice", client);
    for (int i = 1; i <= 4; i++) {
        uint8_t id[HF_ID_SIZE];
        hf_id_new(id); /* a program that may crash itself would write it down now */
        printf("transfer %d: %s\n", i, transfer(client, txn, id) ? "done" : "refused");
    }
    need(hf_get(client, "alice", 5, text, sizeof text, &size), "alice", client);
    printf("alice %.*s\n", (int)size, text);

    hf_txn_close(txn);
    need(hf_client_close(client), "close", NULL);
    need(hf_close(db), "close", NULL);
    return 0;
}
