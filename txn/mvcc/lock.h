/* hf_lock_table: who may touch which key now, and who waits for it.
 *
 * Modes: S (read), E (escrow addition: compatible with E only), X (write). A holder is a
 * transaction at this participant, either active (its locks are memory only, and an older
 * transaction may wound it) or prepared (its locks stand until it is decided). Operations that
 * finish at once hold nothing: they only ask hf_lock_free().
 *
 * Waiting is by age, oldest first: a request waits for conflicting holders and for conflicting
 * older waiters. So nobody starves, requests of one connection keep their order on a key, and every
 * edge of the wait graph between active transactions leads to an older one: no deadlock, no
 * detector (wound-wait; Rosenkrantz, Stearns, Lewis 1978).
 *
 * Ranges are locked too (start to end; empty end: to the last key): a range lock is wanted first,
 * which holds back younger conflicting requests, then held.
 *
 * Ownership:  lock entries live in the heap given; holders and waiters are embedded in their
 * owners. Threads:    one shard only.
 */
#ifndef HF_MVCC_LOCK_H
#define HF_MVCC_LOCK_H
#include "engine/base/bytes.h"
#include "engine/base/error.h"
#include "engine/base/heap.h"

typedef enum hf_lock_mode { HF_LOCK_S, HF_LOCK_E, HF_LOCK_X, HF_LOCK_MODES } hf_lock_mode;

typedef struct hf_lock hf_lock;
typedef struct hf_lock_hold hf_lock_hold;
typedef struct hf_lock_table hf_lock_table;

/* Age: timestamp of the first attempt, then an id to break ties. Smaller is older. */
typedef struct hf_age {
    uint64_t ts;
    uint64_t tie;
} hf_age;

static inline bool hf_age_older(hf_age a, hf_age b)
{
    return a.ts != b.ts ? a.ts < b.ts : a.tie < b.tie;
}

/* That a transaction holds a lock. */
struct hf_lock_hold {
    hf_lock *lock;
    struct hf_lock_txn *txn;
    hf_lock_hold *txn_next;    /* the transaction's list */
    hf_lock_hold *next, *prev; /* the lock's list */
    hf_lock_mode mode;
};

/* A transaction as a holder; embedded by its owner. It stays where it is while it holds anything.
 */
typedef struct hf_lock_txn {
    hf_age age;
    bool prepared;
    uint64_t pts; /* when prepared: it commits at or above this */
    hf_lock_hold *holds;
    hf_lock_hold one; /* most have one key at a participant: that takes no memory */
} hf_lock_txn;

/* A request that waits; embedded by its owner. */
typedef struct hf_lock_waiter {
    hf_lock *lock; /* NULL: not waiting */
    struct hf_lock_waiter *next, *prev;
    const hf_lock_txn *self; /* whose holds do not stand in its own way; NULL: none */
    hf_age age;
    uint64_t read_ts; /* hf_lock_wait_at(): 0 for those who queue */
    hf_lock_mode mode;
    bool ready; /* made ready, not handed out yet */
} hf_lock_waiter;

/* Sums over the undecided additions of one quantity (the key itself, or one of its fields). */
typedef struct hf_lock_escrow {
    struct hf_lock_escrow *next;
    int64_t plus, minus; /* both >= 0 */
    int64_t min, max;    /* the tightest bounds granted since the sums were last empty */
    uint32_t count;
    hf_bytes field;
} hf_lock_escrow;

HF_MUST_USE hf_lock_table *hf_lock_table_open(hf_heap *heap); /* NULL: no memory */
/* Gives back the entries that are kept to be used again. */
void hf_lock_table_trim(hf_lock_table *table);
/* True when nothing is held or wanted at all: the fast path asks nothing more. */
bool hf_lock_table_idle(const hf_lock_table *table);

/* Whether a request of this age may have `key` in `mode` now. `self`: the transaction's own holds
 * do not count; NULL for none. If not, `at` is the lock to wait on. */
bool hf_lock_free(hf_lock_table *table, hf_bytes key, uint64_t hash, hf_lock_mode mode, hf_age age,
                  const hf_lock_txn *self, hf_lock **at);
/* The same for a reader at timestamp `ts`: only prepared holders in X or E with pts <= ts stand in
 * the way. */
bool hf_lock_free_at(hf_lock_table *table, hf_bytes key, uint64_t hash, uint64_t ts, hf_lock **at);
bool hf_lock_range_free_at(hf_lock_table *table, hf_bytes start, hf_bytes end, uint64_t ts,
                           hf_lock **at);
/* Whether the whole range is free. If not, `at` is what to wait on. */
bool hf_lock_range_free(hf_lock_table *table, hf_bytes start, hf_bytes end, hf_lock_mode mode,
                        hf_age age, const hf_lock_txn *self, hf_lock **at);

/* Grants without asking; a stronger mode replaces a weaker one of the same transaction. False: no
 * memory. */
HF_MUST_USE bool hf_lock_take(hf_lock_table *table, hf_bytes key, uint64_t hash, hf_lock_mode mode,
                              hf_lock_txn *txn);
/* hf_lock_free(), and what is free is taken: then `at` is the key's lock, NULL without memory. */
HF_MUST_USE bool hf_lock_claim(hf_lock_table *table, hf_bytes key, uint64_t hash, hf_lock_mode mode,
                               hf_lock_txn *txn, hf_lock **at);
/* The key's lock; NULL: nobody holds it or waits for it. */
hf_lock *hf_lock_find(const hf_lock_table *table, hf_bytes key, uint64_t hash);
/* The key's lock among those that the transaction holds, and the hash it was taken with; NULL: not
 * among the first few. */
hf_lock *hf_lock_held(const hf_lock_txn *txn, hf_bytes key, uint64_t *hash);
HF_MUST_USE bool hf_lock_take_range(hf_lock_table *table, hf_bytes start, hf_bytes end,
                                    hf_lock_mode mode, hf_lock_txn *txn);
/* A waiting range request holds back younger conflicting requests from now on; NULL: no memory.
 * Ends with hf_lock_unwant (its waiters become ready). */
HF_MUST_USE hf_lock *hf_lock_want_range(hf_lock_table *table, hf_bytes start, hf_bytes end,
                                        hf_lock_mode mode, hf_age age);
void hf_lock_unwant(hf_lock_table *table, hf_lock *wanted);
/* Gives back everything the transaction holds; waiters that may go on become ready. */
void hf_lock_release(hf_lock_table *table, hf_lock_txn *txn);

/* Calls back with every holder of `at`; the caller picks whom to wound or to ask after. The
 * callback must not release; collect first. */
typedef void hf_lock_visit(void *context, hf_lock_txn *holder);
void hf_lock_holders(hf_lock *at, hf_lock_visit *visit, void *context);
/* Every holder once per lock it has: for the operator. */
typedef void hf_lock_show(void *context, hf_bytes key, hf_bytes end, bool is_range,
                          hf_lock_mode mode, const hf_lock_txn *holder, uint32_t waiters);
void hf_lock_table_show(const hf_lock_table *table, hf_lock_show *show, void *context);
/* Every waiter, at its lock; the others of a lock's queue stand behind the first. */
typedef void hf_lock_waiter_show(void *context, const hf_lock_waiter *waiter);
void hf_lock_table_show_waiters(const hf_lock_table *table, hf_lock_waiter_show *show,
                                void *context);
/* What it waits for: the key (of a range: its start), and one who holds that, NULL if nobody does:
 * an older one is to go first. False: it does not wait. */
bool hf_lock_blocker(const hf_lock_waiter *waiter, hf_bytes *key, const hf_lock_txn **holder);

void hf_lock_wait(hf_lock_table *table, hf_lock *at, hf_lock_waiter *waiter, hf_lock_mode mode,
                  hf_age age, const hf_lock_txn *self);
/* A reader at timestamp `ts` (above 0) stands beside the queue: it becomes ready when nothing
 * prepared at or below is left here, whoever else waits, and holds nobody back. */
void hf_lock_wait_at(hf_lock_table *table, hf_lock *at, hf_lock_waiter *waiter, uint64_t ts);
/* Gives up waiting; also when it was made ready already and was not handed out yet. */
void hf_lock_unwait(hf_lock_table *table, hf_lock_waiter *waiter);
/* The next waiter that became ready, oldest first per lock; NULL: none. It waits no more: run it
 * again at once, then call this again until NULL: one that ran and holds nothing makes way for the
 * next. */
hf_lock_waiter *hf_lock_ready(hf_lock_table *table);
bool hf_lock_has_ready(const hf_lock_table *table); /* whether that must be called */

/* ---- Escrow sums of a key's undecided additions ---- */
/* `lock`: of the key, or NULL: nobody holds it. */
const hf_lock_escrow *hf_lock_escrow_find(const hf_lock *lock, hf_bytes field);
/* Whether fields of the key have undecided additions (`fields`), or the key itself has. */
bool hf_lock_escrow_any(const hf_lock *lock, bool fields);
/* Only while an E (or X) lock of the transaction is held on the key. False: no memory, or a sum
 * would leave 64 bits; nothing is changed. */
HF_MUST_USE bool hf_lock_escrow_add(hf_lock_table *table, hf_lock *lock, hf_bytes field,
                                    int64_t delta, int64_t min, int64_t max);
void hf_lock_escrow_remove(hf_lock_table *table, hf_lock *lock, hf_bytes field, int64_t delta);

typedef struct hf_lock_stats {
    uint64_t locks, holds, waiters, ranges;
} hf_lock_stats;
hf_lock_stats hf_lock_stats_get(const hf_lock_table *table);
void hf_lock_table_check(const hf_lock_table *table); /* asserts the invariants */

#endif
