/* The locks as operators and tests look at them. */
#include "txn/mvcc/lock_impl.h"

static uint32_t waiters_of(const hf_lock *lock)
{
    uint32_t count = 0;
    for (const hf_lock_waiter *w = lock->first; w != NULL; w = w->next) {
        count++;
    }
    for (const hf_lock_waiter *w = lock->readers; w != NULL; w = w->next) {
        count++;
    }
    return count;
}

static void show_lock(const hf_lock *lock, hf_lock_show *show, void *context)
{
    for (const hf_lock_hold *hold = lock->holders; hold != NULL; hold = hold->next) {
        show(context, hf_lock__start(lock), hf_lock__end(lock), lock->is_range, hold->mode,
             hold->txn, waiters_of(lock));
    }
}

void hf_lock_table_show(const hf_lock_table *table, hf_lock_show *show, void *context)
{
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (const hf_lock *lock = table->buckets[i]; lock != NULL; lock = lock->next) {
            show_lock(lock, show, context);
        }
    }
    for (const hf_lock *lock = table->ranges; lock != NULL; lock = lock->next) {
        show_lock(lock, show, context);
    }
}

static void show_waiters(const hf_lock *lock, hf_lock_waiter_show *show, void *context)
{
    for (const hf_lock_waiter *w = lock->first; w != NULL; w = w->next) {
        show(context, w);
    }
    for (const hf_lock_waiter *w = lock->readers; w != NULL; w = w->next) {
        show(context, w);
    }
}

void hf_lock_table_show_waiters(const hf_lock_table *table, hf_lock_waiter_show *show,
                                void *context)
{
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (const hf_lock *lock = table->buckets[i]; lock != NULL; lock = lock->next) {
            show_waiters(lock, show, context);
        }
    }
    for (const hf_lock *lock = table->ranges; lock != NULL; lock = lock->next) {
        show_waiters(lock, show, context);
    }
}

bool hf_lock_blocker(const hf_lock_waiter *waiter, hf_bytes *key, const hf_lock_txn **holder)
{
    if (waiter->lock == NULL) {
        return false;
    }
    *key = hf_lock__start(waiter->lock);
    *holder = NULL;
    for (const hf_lock_hold *h = waiter->lock->holders; h != NULL && *holder == NULL; h = h->next) {
        *holder = h->txn == waiter->self ? NULL : h->txn;
    }
    return true;
}

hf_lock_stats hf_lock_stats_get(const hf_lock_table *table)
{
    return (hf_lock_stats){ .locks = table->lock_count,
                            .holds = table->hold_count,
                            .waiters = table->waiter_count,
                            .ranges = table->range_count };
}

static uint64_t check_lock(const hf_lock *lock)
{
    uint32_t counts[HF_LOCK_MODES] = { 0 };
    uint64_t holds = 0;
    for (const hf_lock_hold *hold = lock->holders; hold != NULL; hold = hold->next) {
        HF_ASSERT(hold->lock == lock);
        counts[hold->mode]++;
        holds++;
    }
    HF_ASSERT(memcmp(counts, lock->counts, sizeof counts) == 0);
    HF_ASSERT(counts[HF_LOCK_X] == 0 || holds == 1);
    HF_ASSERT(counts[HF_LOCK_S] == 0 || counts[HF_LOCK_E] == 0);
    for (const hf_lock_waiter *w = lock->first; w != NULL; w = w->next) {
        HF_ASSERT(w->lock == lock);
        HF_ASSERT(w->next == NULL || !hf_age_older(w->next->age, w->age));
    }
    for (const hf_lock_waiter *w = lock->readers; w != NULL; w = w->next) {
        HF_ASSERT(w->lock == lock && hf_lock__undecided_below(lock, w->read_ts));
    }
    HF_ASSERT(lock->holders != NULL || lock->first != NULL || lock->wanted || lock->ready != 0);
    return holds;
}

void hf_lock_table_check(const hf_lock_table *table)
{
    uint64_t holds = 0;
    uint64_t locks = 0;
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (const hf_lock *lock = table->buckets[i]; lock != NULL; lock = lock->next) {
            HF_ASSERT((lock->hash & (table->bucket_count - 1)) == i);
            holds += check_lock(lock);
            locks++;
        }
    }
    for (const hf_lock *lock = table->ranges; lock != NULL; lock = lock->next) {
        holds += check_lock(lock);
    }
    HF_ASSERT(holds == table->hold_count && locks == table->lock_count);
}
