/* Inside the locks: lock.c, escrow.c, and lock_show.c, which looks at all of them. */
#ifndef HF_MVCC_LOCK_IMPL_H
#define HF_MVCC_LOCK_IMPL_H
#include "engine/base/assert.h"
#include "txn/mvcc/lock.h"

/* A key's lock, or a range's: the latter stands in table->ranges instead of a bucket. */
struct hf_lock {
    hf_lock *next; /* bucket chain, or list of ranges */
    uint64_t hash;
    hf_lock_hold *holders;
    hf_lock_waiter *first, *last; /* oldest first */
    hf_lock_waiter *readers;      /* at timestamps: beside the queue */
    hf_lock_escrow *escrows;
    hf_lock_escrow own; /* of the key itself: among them while it counts anything */
    hf_age wanted_age;  /* ranges: of the request that wants it */
    uint32_t counts[HF_LOCK_MODES];
    uint32_t ready;    /* waiters made ready that have not run yet: keeps the entry */
    hf_lock_mode mode; /* ranges */
    bool is_range;
    bool wanted; /* ranges: asked for, not held */
    uint32_t key_size;
    uint32_t end_size; /* ranges: the end follows the start; 0: to the last key */
    uint32_t room;     /* for key and end */
    uint8_t key[];
};

struct hf_lock_table {
    hf_heap *heap;
    hf_lock **buckets;
    uint32_t bucket_count;
    uint32_t lock_count; /* in buckets */
    hf_lock *ranges;     /* in order of making */
    uint32_t range_count;
    uint64_t hold_count;
    uint64_t waiter_count;
    hf_lock_waiter *ready_first, *ready_last;
    hf_lock *running; /* where the waiter handed out last had waited */
    hf_lock *spare;   /* entries that were given up, all with the same room */
    uint32_t spares;
};

static inline hf_bytes hf_lock__start(const hf_lock *lock)
{
    return hf_bytes_of(lock->key, lock->key_size);
}

static inline hf_bytes hf_lock__end(const hf_lock *lock)
{
    return hf_bytes_of(lock->key + lock->key_size, lock->end_size);
}

static inline bool hf_lock__undecided_below(const hf_lock *lock, uint64_t ts)
{
    if (lock->counts[HF_LOCK_X] == 0 && lock->counts[HF_LOCK_E] == 0) {
        return false;
    }
    for (const hf_lock_hold *hold = lock->holders; hold != NULL; hold = hold->next) {
        if (hold->mode != HF_LOCK_S && hold->txn->prepared && hold->txn->pts <= ts) {
            return true;
        }
    }
    return false;
}

#endif
