/* hf_table: the versions of all keys of one core, in memory: by hash for points, ordered for
 * ranges.
 *
 * Keys are byte strings (1 to HF_KEY_SIZE_MAX + 1 bytes: the engine puts a space byte first). Each
 * key has a chain of immutable versions, newest first, each with the hybrid timestamp it was
 * committed at (ts) and the log position it depends on (lsn: a reply that shows the version waits
 * until the log is durable up to there). ts grows along the chain; equal ts of one transaction
 * replace each other.
 *
 * Retention: reads at a timestamp are exact for every ts at or above hf_table_floor(). To keep hot
 * keys from piling up versions, a superseded version [ts1, ts2) is dropped at once when no boundary
 * lies in it: boundaries are the multiples of tick_ns, and the pins. So a reader at a boundary (or
 * a pin) sees exactly the state of that timestamp; hf_table_boundary() rounds down to one.
 *
 * Escrow: hf_table_fold() adds to a counter at a timestamp that may lie below newer folds of the
 * same counter: it is put in its place and added to all newer versions.
 *
 * Read path: hf_table_want() starts fetching a key (a prefetch now; an asynchronous read when
 * tables outgrow memory), and answers whether it is at hand; hf_table_get() then never waits.
 *
 * Ownership:  everything in the heap given at open. Values got are borrowed until the next change.
 * Cost:       get: one hash probe (1-3 lines). put: O(1) amortised, plus O(log n) for a new key. No
 *             rehash spike: the hash grows one segment at a time.
 * Threads:    one core only.
 */
#ifndef HF_TABLE_TABLE_H
#define HF_TABLE_TABLE_H
#include "engine/base/heap.h"
#include "storage/table/value.h"

typedef struct hf_table hf_table;

#define HF_TS_MAX UINT64_MAX /* reads the newest version */

typedef struct hf_table_config {
    uint64_t hash_seed; /* same seed, same layout: set from the node's data directory */
    uint64_t tick_ns;   /* e.g. 1,000,000: the grain of timestamps that can be read back */
} hf_table_config;

typedef struct hf_got {
    hf_value value; /* kind NONE: absent or deleted; expiry is NOT applied here */
    uint64_t ts;    /* of the version (also of a tombstone); 0: no version is known */
    uint64_t lsn;
} hf_got;

HF_MUST_USE hf_table *hf_table_open(hf_heap *heap,
                                    const hf_table_config *config); /* NULL: no memory */
uint64_t hf_table_hash(const hf_table *table, hf_bytes key);

/* Starts fetching; true when get() will find everything in memory (always, today). */
bool hf_table_want(hf_table *table, hf_bytes key, uint64_t hash);
/* The second half of what was wanted: the entries, when the lines that tell where they lie have
 * come. A get does it as well, but then must wait for its own. */
void hf_table_fetch(hf_table *table);
/* The newest version with ts <= `ts`. Several wants before the first get pay: they overlap. */
hf_got hf_table_get(const hf_table *table, hf_bytes key, uint64_t ts);
/* The same for a caller that has the hash already. */
hf_got hf_table_get_hashed(const hf_table *table, hf_bytes key, uint64_t hash, uint64_t ts);
/* Where the key asked for last was found. Told of it again before the next call on that key, the
 * table need not look for it, if it is there still. Good for any key at any time: only a hint. */
typedef struct hf_table_place {
    struct hf_table__entry *entry;
    uint64_t freed;
} hf_table_place;
hf_table_place hf_table_last_found(const hf_table *table);
void hf_table_look_at(hf_table *table, hf_table_place place);

enum { HF_TABLE_ADMIT_CHANGES = 4096 }; /* asked for at once; more of them are asked for in parts */
/* Whether `bytes` of changes (encoded as mutations) can be put now without running out of memory. A
 * change that was logged must not fail, so this is asked before the log is. It counts the worst
 * case: a table of small heap says no with some MiB left, one of large values earlier, as any
 * change may build the largest value anew. */
bool hf_table_admits(const hf_table *table, uint64_t bytes);
/* Bytes in blocks of the table: data, old versions, index. */
uint64_t hf_table_bytes(const hf_table *table);
/* What changes take beside their bytes: hf_mutations_cost() counts it. */
typedef struct hf_table_need {
    uint32_t changes;
    uint32_t deletes; /* of them */
    uint64_t built;   /* bytes of records that change in part: built anew, by way of the scratch */
    uint64_t copied;  /* bytes of values that get another expiry */
    uint64_t runs;    /* bytes of values, put or copied, that are blocks of whole spans */
} hf_table_need;
/* The worst that so many bytes of changes could be. */
hf_table_need hf_table_worst(const hf_table *table, uint64_t bytes);
/* Whether there is room for what was counted, or for the worst; `bytes` may hold more than those
 * changes. */
bool hf_table_admits_exactly(const hf_table *table, uint64_t bytes, const hf_table_need *need);
/* The same, cheaper, for changes that are encoded in HF_TABLE_FEW_BYTES at most, whatever they are:
 * true only if they are admitted as the worst that they could be. */
enum { HF_TABLE_FEW_BYTES = 4096 };
bool hf_table_admits_few(const hf_table *table, uint64_t bytes);
/* A new version, not older than the newest one; kind NONE is a tombstone (nothing is kept when the
 * key has no version). `value` is copied. */
void hf_table_put(hf_table *table, hf_bytes key, const hf_value *value, uint64_t ts, uint64_t lsn);
void hf_table_put_hashed(hf_table *table, hf_bytes key, uint64_t hash, const hf_value *value,
                         uint64_t ts, uint64_t lsn);
/* Adds `delta` to the integer (field empty) or to the record field (a decimal text) at `ts`. A
 * missing key or field counts as 0 and is made. The caller has proved that nothing overflows and
 * the kind fits. */
void hf_table_fold(hf_table *table, hf_bytes key, hf_bytes field, int64_t delta, uint64_t ts,
                   uint64_t lsn);
void hf_table_fold_hashed(hf_table *table, hf_bytes key, uint64_t hash, hf_bytes field,
                          int64_t delta, uint64_t ts, uint64_t lsn);

/* ---- Order ---- */
typedef struct hf_cursor {
    hf_bytes key; /* of the current entry, borrowed until the table changes */
    void *at;     /* inside */
    uint32_t slot;
} hf_cursor;
/* The first key >= `key`; false at the end. Cursors are void after any put/fold/collect: seek
 * again. */
bool hf_table_seek(const hf_table *table, hf_bytes key, hf_cursor *cursor);
/* The last key < `key`; false when there is none. An empty `key` means past the end. */
bool hf_table_seek_before(const hf_table *table, hf_bytes key, hf_cursor *cursor);
bool hf_table_next(const hf_table *table, hf_cursor *cursor);
bool hf_table_prev(const hf_table *table, hf_cursor *cursor);
/* The cursor's version at `ts` (kind NONE: not there at that time). */
hf_got hf_table_at(const hf_table *table, const hf_cursor *cursor, uint64_t ts);
/* An entry picked by the random number `draw`; false when the table is empty. */
bool hf_table_pick(const hf_table *table, uint64_t draw, hf_cursor *cursor);

/* ---- Retention and collection ---- */
uint64_t hf_table_boundary(const hf_table *table, uint64_t ts); /* the newest boundary <= ts */
/* `ts` (a boundary, or not below the newest version; not below the floor) stays exactly readable
 * until unpin. */
void hf_table_pin(hf_table *table, uint64_t ts);
void hf_table_unpin(hf_table *table, uint64_t ts); /* pins count */
/* Raises the floor and frees up to `budget` superseded versions and old tombstones; answers at most
 * how many remain to be freed below the floor: 0 means none at hand. The floor never passes a pin.
 * A tombstone goes when a pass that was kept has seen it. The floor must not pass the timestamp of
 * an addition that is still to be folded. */
uint64_t hf_table_collect(hf_table *table, uint64_t floor, uint32_t budget);
uint64_t hf_table_floor(const hf_table *table);

/* ---- Expiry: the keys whose newest version has an expiry, soonest first ---- */
/* The key that expires soonest, if its expiry is at or before `ts`; the caller deletes it (logged).
 */
bool hf_table_expiring(const hf_table *table, uint64_t ts, hf_bytes *key, uint64_t *expire_ms);
/* The soonest expiry of all, 0 for none. */
uint64_t hf_table_next_expiry_ms(const hf_table *table);

/* ---- Checkpoints: what changed since the last one ---- */
/* Starts an incremental pass as of `ts` (a boundary, or not below the newest version; pinned until
 * end): all keys with a version in (last pass, ts], or changed below since, in no special order.
 * `whole` makes the pass carry every key instead. */
void hf_table_pass_begin(hf_table *table, uint64_t ts, bool whole);
/* The next key of the pass with its version as of the pass's ts (kind NONE: a deletion; never in a
 * whole pass). False when it is through. Changes of the table between the calls are allowed. */
bool hf_table_pass_next(hf_table *table, hf_bytes *key, hf_got *got);
/* Ends the pass; not `kept`: it failed or was given up, and its keys stay due for the next one.
 * `kept` only after next() has answered false. */
void hf_table_pass_end(hf_table *table, bool kept);
uint64_t hf_table_due_bytes(const hf_table *table); /* estimate of what the next pass will write */

/* Removes every version of the keys in [start, end) (the range moved away); empty end: to the last.
 * Frees up to `budget` keys a call; true when none is left. */
bool hf_table_drop(hf_table *table, hf_bytes start, hf_bytes end, uint32_t budget);

typedef struct hf_table_stats {
    uint64_t keys;       /* with a newest version that is no tombstone */
    uint64_t tombstones; /* keys whose newest version is one */
    uint64_t versions;
    uint64_t bytes; /* of keys and newest values */
} hf_table_stats;
hf_table_stats hf_table_stats_get(const hf_table *table);
/* Keys in [start, end) whose newest version is no tombstone (empty end: to the last); visits them
 * all, but for the whole table. */
uint64_t hf_table_count(const hf_table *table, hf_bytes start, hf_bytes end);
/* Walks everything and asserts the invariants: tests and simulator. */
void hf_table_check(const hf_table *table);

#endif
