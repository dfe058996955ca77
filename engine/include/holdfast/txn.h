/* hf_txn: a transaction that is sent whole: conditions, commands, and commands for otherwise. It is
 * put together, run (waiting, or completion-driven), looked at, and used again: its memory is kept,
 * so that a transaction that is used again allocates nothing.
 *
 *     hf_txn_reset(txn);
 *     hf_txn_add(txn, "alice", 5, -100, 0, HF_NO_MAX);
 *     hf_txn_add(txn, "bob", 3, 100, HF_NO_MIN, HF_NO_MAX);
 *     hf_err err = hf_txn_run(txn);        // HF_OK: both; HF_E_LIMIT: alice has too little,
 * neither
 *
 * All or nothing, strict serializable, whatever keys it touches; durable when it returns HF_OK. One
 * command without condition and id is just that command, and takes part in the client's interactive
 * transaction if there is one; anything else is refused while one is open.
 *
 * The completion-driven way, in the host's own loop:
 *
 *     hf_txn_submit(txn, done, context);   // any number of them, up to HF_SUBMITTED_MAX
 *     poll(hf_client_fd(client));          // beside the host's other descriptors
 *     hf_client_poll(client, 0, NULL);     // calls done(txn, err, context), in this thread
 */
#ifndef HOLDFAST_TXN_H
#define HOLDFAST_TXN_H
#include <holdfast/client.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_txn hf_txn;

enum {
    HF_SUBMITTED_MAX = 1024,     /* transactions of one client under way */
    HF_TXN_COMMANDS_MAX = 60000, /* of one transaction */
    HF_TXN_BYTES_MAX = 16 * 1024 * 1024,
};

HF_API HF_MUST_USE hf_err hf_txn_open(hf_client *client, hf_txn **txn);
/* One that is under way goes on and its hf_done is not called. NULL is ignored. */
HF_API void hf_txn_close(hf_txn *txn);
/* Empty again. HF_E_BUSY: it is under way. */
HF_API hf_err hf_txn_reset(hf_txn *txn);

/* ---- Putting it together ----
 * What is wrong with an argument is remembered and returned by run or submit, so it need not be
 * looked at after each of these. Bytes are copied. Once run or submitted, the next of these begins
 * anew. */

typedef enum hf_cmp { HF_EQ, HF_NE, HF_LT, HF_LE, HF_GT, HF_GE, HF_EXISTS, HF_ABSENT } hf_cmp;
/* Only if the value of `key` compares so: as numbers if both are, else as bytes. HF_EXISTS and
 * HF_ABSENT take no value. Conditions come first; all of them must hold, else HF_E_COND, or the
 * commands after hf_txn_else() run. */
HF_API void hf_txn_if(hf_txn *txn, const void *key, size_t key_size, hf_cmp cmp, const void *value,
                      size_t value_size);
HF_API void hf_txn_get(hf_txn *txn, const void *key, size_t key_size);
HF_API void hf_txn_set(hf_txn *txn, const void *key, size_t key_size, const void *value,
                       size_t value_size);
HF_API void hf_txn_del(hf_txn *txn, const void *key, size_t key_size);
HF_API void hf_txn_add(hf_txn *txn, const void *key, size_t key_size, int64_t delta, int64_t min,
                       int64_t max);
/* Any command by its words, words[0] its name: {"HSET", "k", "field", "v"}. */
HF_API void hf_txn_command(hf_txn *txn, const hf_slice *words, size_t count);
/* The commands from here on run instead if a condition does not hold. */
HF_API void hf_txn_else(hf_txn *txn);
/* The transaction happens at most once under this id, however often it is sent, and hf_outcome()
 * tells what became of it. The same id with other contents is refused. Connected, a transaction
 * with an id is sent again by the library when its connection is lost, until timeout_ms are over;
 * without one that is HF_E_INDOUBT (of one that only reads: sent again as well). */
HF_API void hf_txn_id(hf_txn *txn, const uint8_t id[HF_ID_SIZE]);

/* ---- Running it ----
 * HF_OK         done, and durable
 * HF_E_COND     a condition does not hold, and there is no else: no effect
 * HF_E_LIMIT    a bound would be crossed: no effect
 * HF_E_TYPE     a value is of another kind: no effect
 * HF_E_CONFLICT lost to an older transaction: no effect (only in an interactive one)
 * HF_E_EXPIRED  the id is older than outcomes are kept
 * and the errors of client.h. */

/* Waits for the end. Transactions that were submitted before may end meanwhile: their hf_done is
 * called by the next hf_client_poll. */
HF_API HF_MUST_USE hf_err hf_txn_run(hf_txn *txn);

/* Called by hf_client_poll, in the thread that called that, never by a thread of the library. It
 * may call everything but hf_client_poll and hf_client_close of this client; one that never returns
 * holds up this client and nothing else. */
typedef void hf_done(hf_txn *txn, hf_err err, void *context);

/* Starts it and returns at once. The txn is the library's until `done` is called.
 * HF_E_FULL: HF_SUBMITTED_MAX are under way, or more bytes than the engine takes at a time: poll
 * first. Any error: it was not started, and `done` is not called. */
HF_API HF_MUST_USE hf_err hf_txn_submit(hf_txn *txn, hf_done *done, void *context);

/* Calls `done` of those that have ended; if there are none, waits up to `wait_ms` for one (0: does
 * not wait; UINT32_MAX: for ever). `ended` (may be NULL) gets how many. HF_OK also when there were
 * none. */
HF_API hf_err hf_client_poll(hf_client *client, uint32_t wait_ms, uint32_t *ended);
/* A descriptor that turns readable when there may be something for hf_client_poll; only to be
 * polled (POLLIN, level), never read or closed. hf_client_poll with wait_ms 0 makes it quiet again.
 * -1: the client cannot be used. */
HF_API int hf_client_fd(hf_client *client);

/* ---- Looking at what came of it; lent until the txn is put together anew, run or closed ---- */

typedef enum hf_result_kind {
    HF_RESULT_NONE,    /* no such value, or no such result */
    HF_RESULT_BYTES,   /* data, size */
    HF_RESULT_INTEGER, /* integer */
    HF_RESULT_DOUBLE,  /* real */
    HF_RESULT_STATUS,  /* data, size: "OK" */
    HF_RESULT_ERROR,   /* data, size: the words of a command that was refused */
    HF_RESULT_LIST,    /* count: that many results follow; of a map, names and values in turn */
} hf_result_kind;

typedef struct hf_result {
    hf_result_kind kind;
    uint32_t count;
    const char *data;
    size_t size;
    int64_t integer;
    double real;
    const char *next; /* the library's */
    const char *end;
} hf_result;

/* How many commands ran: results 0 to count - 1. */
HF_API uint32_t hf_txn_count(const hf_txn *txn);
/* The result of command number `index`, in the order in which they were put. */
HF_API hf_result hf_txn_result(const hf_txn *txn, uint32_t index);
/* The elements of a list, one after the other; false: there are no more. An element that is itself
 * a list is passed over as a whole. hf_result element, list = hf_txn_result(txn, 0); while
 * (hf_result_next(&list, &element)) { ... } */
HF_API bool hf_result_next(hf_result *list, hf_result *element);
/* The engine's words if it was refused, "" otherwise. */
HF_API const char *hf_txn_words(const hf_txn *txn);

#ifdef __cplusplus
}
#endif
#endif
