/* hf_client: what one thread does with a database: calls that wait for their answer, interactive
 * transactions, levels of reading, scans, changes.
 *
 * Every call here may also return
 *   HF_E_INVALID   an argument cannot be meant; nothing happened
 *   HF_E_BUSY      another thread is inside this client, nothing happened; or the engine has no
 *                  room now: try again
 *   HF_E_FORKED    this is a child of the process that opened it; nothing happened
 *   HF_E_FATAL     the engine has failed: a write under way is in doubt
 *   HF_E_NOMEM     no memory here (nothing happened), or none in the engine (no effect)
 *   HF_E_SHUTDOWN  the node is stopping; no effect
 *   HF_E_NOSPACE   the disk is full: writes are refused, reads go on
 *   HF_E_CONFLICT  the interactive transaction lost to an older one: roll back, begin again
 *   HF_E_DEADLINE  a lock was not to be had in time (no effect); connected: no answer in time and
 *                  nothing was sent
 *   HF_E_INDOUBT   connected: the connection was lost after a write was sent
 *   HF_E_REFUSED   the engine's own words are in hf_client_words()
 */
#ifndef HOLDFAST_CLIENT_H
#define HOLDFAST_CLIENT_H
#include <holdfast/db.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_client hf_client;

typedef struct hf_slice {
    const void *data;
    size_t size;
} hf_slice;

/* HF_E_FULL: HF_CLIENTS_MAX are open (embedded). Connected: as hf_connect. */
HF_API HF_MUST_USE hf_err hf_client_open(hf_db *db, hf_client **client);
/* Calls that are under way are given up: they may happen or not, and their hf_done is not called.
 * Whatever was opened from the client is to be closed before or after; it returns HF_E_CLOSED from
 * now on. An interactive transaction is rolled back. HF_E_BUSY: another thread is inside; nothing
 * was done. */
HF_API hf_err hf_client_close(hf_client *client);
/* The engine's words about the last call of this client that did not return HF_OK, such as
 * "CONDFAILED a condition does not hold"; "" if it said none. Lent until the next call. */
HF_API const char *hf_client_words(const hf_client *client);

/* ---- Values ---- */

/* Reads the value of `key` into `value`, which has room for `room` bytes.
 * HF_E_NOTFOUND   there is none; *size is 0
 * HF_E_TRUNCATED  it is larger: the first `room` bytes are there, *size is the size of the whole
 * HF_E_TYPE       it is a record */
HF_API HF_MUST_USE hf_err hf_get(hf_client *client, const void *key, size_t key_size, void *value,
                                 size_t room, size_t *size);
/* Writes it, whatever was there before. HF_E_TOOBIG. */
HF_API HF_MUST_USE hf_err hf_set(hf_client *client, const void *key, size_t key_size,
                                 const void *value, size_t value_size);
/* HF_E_NOTFOUND: there was none. */
HF_API HF_MUST_USE hf_err hf_del(hf_client *client, const void *key, size_t key_size);

#define HF_NO_MIN INT64_MIN
#define HF_NO_MAX INT64_MAX
/* Adds to a quantity (none counts as 0), if the sum is at least `min` and at most `max`. Additions
 * commute: they never wait for one another's transactions but near a bound (escrow), so a quantity
 * may be as hot as it likes. The sum is not told, because it is not known.
 * HF_E_LIMIT   a bound would be crossed: nothing changed
 * HF_E_TYPE    the value is no number */
HF_API HF_MUST_USE hf_err hf_add(hf_client *client, const void *key, size_t key_size, int64_t delta,
                                 int64_t min, int64_t max);

/* ---- Ids and outcomes ---- */

enum { HF_ID_SIZE = 16 };
/* A new id: a UUID of version 7. Keep it before the call that it is for. */
HF_API void hf_id_new(uint8_t id[HF_ID_SIZE]);

typedef enum hf_outcome_state {
    HF_OUTCOME_COMMITTED,
    HF_OUTCOME_ABORTED, /* it did not happen, and never will */
    HF_OUTCOME_EXPIRED, /* the id is older than outcomes are kept: not known any more */
} hf_outcome_state;

/* What became of the transaction with this id. Asking about one that has not happened sees to it
 * that it never does: the answer is the same for ever after. `ts` (may be NULL) gets the commit
 * timestamp. Safe to repeat. */
HF_API HF_MUST_USE hf_err hf_outcome(hf_client *client, const uint8_t id[HF_ID_SIZE],
                                     hf_outcome_state *state, uint64_t *ts);

/* ---- Interactive transactions: one at a time of a client ----
 *
 * From hf_begin to hf_commit or hf_rollback, hf_get, hf_set, hf_del, hf_add and single commands of
 * hf_txn take part in the transaction. Others see nothing of it before the commit. Keys are locked
 * as they are touched; of two transactions that want the same key the younger one loses:
 * HF_E_CONFLICT from any call, then only hf_rollback is left. One without a call for 30 s is rolled
 * back. Connected, it is also lost with its connection: HF_E_CONFLICT, or from hf_commit
 * HF_E_INDOUBT. */

enum { HF_BEGIN_READONLY = 1 };
/* `id` may be NULL; with one, hf_outcome() can tell how the commit ended. HF_E_BUSY: one is open.
 */
HF_API HF_MUST_USE hf_err hf_begin(hf_client *client, unsigned flags, const uint8_t *id);
HF_API HF_MUST_USE hf_err hf_commit(hf_client *client);
HF_API hf_err hf_rollback(hf_client *client);
/* Names a point to go back to; names are at most 256 bytes. hf_rollback_to undoes what was done
 * since; the point stays. HF_E_NOTFOUND: there is no such name. */
HF_API HF_MUST_USE hf_err hf_savepoint(hf_client *client, const void *name, size_t name_size);
HF_API HF_MUST_USE hf_err hf_rollback_to(hf_client *client, const void *name, size_t name_size);

/* ---- Levels of reading ----
 *
 * How new reads must be that are not part of a transaction: hf_get, hf_scan and single reading
 * commands of hf_txn. Several keys read by one command are read at one timestamp at every level. */

typedef enum hf_read_level {
    HF_READ_STRICT,   /* the newest, and in order with everything else; the default */
    HF_READ_BOUNDED,  /* `arg` ms old at the most: waits for nobody */
    HF_READ_SNAPSHOT, /* the state at the timestamp `arg` (of a token, or of hf_outcome), as far
                         back as the database's retention; timestamps are rounded down to ms */
} hf_read_level;
HF_API HF_MUST_USE hf_err hf_client_level(hf_client *client, hf_read_level level, uint64_t arg);

/* A token stands for everything that this client has seen or done so far: another client (of any
 * thread, process or machine) that is told hf_client_after() reads nothing older than that, at any
 * level: read-your-writes and monotonic reads over clients. Strict reads need none. HF_E_INVALID:
 * no token of this database. */
HF_API HF_MUST_USE hf_err hf_client_token(hf_client *client, uint64_t *token);
HF_API HF_MUST_USE hf_err hf_client_after(hf_client *client, uint64_t token);

/* ---- Scans: the keys of a range, in the order of their bytes ---- */

typedef struct hf_scan hf_scan;
enum {
    HF_SCAN_REVERSE = 1, /* from the last to the first */
    HF_SCAN_KEYS = 2,    /* without values */
};
/* The keys from `start` on (NULL: from the first) up to `end`, which is not among them (NULL: to
 * the last). Reads pages of a thousand keys; each page is of one moment. For a whole scan of one
 * moment set the level to HF_READ_SNAPSHOT before. */
HF_API HF_MUST_USE hf_err hf_scan_open(hf_client *client, const void *start, size_t start_size,
                                       const void *end, size_t end_size, unsigned flags,
                                       hf_scan **scan);
/* The next key. HF_E_NOTFOUND: there are no more. Key and value are lent until the next call with
 * this scan; `value` may be NULL. A record's value has size 0 and data NULL. */
HF_API HF_MUST_USE hf_err hf_scan_next(hf_scan *scan, hf_slice *key, hf_slice *value);
HF_API void hf_scan_close(hf_scan *scan); /* NULL is ignored */

/* ---- Changes: what was committed, in commit order ---- */

typedef struct hf_changes hf_changes;
typedef struct hf_change {
    uint64_t ts;      /* of the commit: equal ones are of one transaction */
    hf_slice key;     /* the value is to be read, if it is wanted */
    const char *kind; /* "put", "delete", "fields", "expire", "add" */
} hf_change;
/* Changes of keys that begin with `prefix`, since `token` (of hf_changes_token; kept by the caller,
 * so that a reader goes on after a restart of its own), NULL: from now on. */
HF_API HF_MUST_USE hf_err hf_changes_open(hf_client *client, const void *prefix, size_t prefix_size,
                                          const char *token, hf_changes **changes);
/* The next change; waits for one for at most `wait_ms` (an hour at the most).
 * HF_E_NOTFOUND  nothing changed in that time
 * HF_E_EXPIRED   changes since the token are not kept any more (too many, or the node was
 *                restarted): read the keys anew, then go on from now
 * What `change` points at is lent until the next call with `changes`. */
HF_API HF_MUST_USE hf_err hf_changes_next(hf_changes *changes, uint32_t wait_ms, hf_change *change);
/* Where to go on: all changes before it have been returned, and of those after it at most a page
 * of a thousand, so a reader that goes on from it misses nothing and may see some twice. Lent until
 * the next call with `changes`. */
HF_API const char *hf_changes_token(const hf_changes *changes);
HF_API void hf_changes_close(hf_changes *changes); /* NULL is ignored */

#ifdef __cplusplus
}
#endif
#endif
