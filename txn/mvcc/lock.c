#include "txn/mvcc/lock_impl.h"

enum { LOCK_BUCKETS_LEAST = 256, HOLDS_LOOKED_AT = 4, SPARE_ROOM = 64, SPARES_MAX = 512 };

static bool modes_conflict(hf_lock_mode a, hf_lock_mode b)
{
    return !(a == b && a != HF_LOCK_X);
}

hf_lock_table *hf_lock_table_open(hf_heap *heap)
{
    hf_lock_table *table = hf_heap_take(heap, sizeof *table);
    if (table == NULL) {
        return NULL;
    }
    *table = (hf_lock_table){ .heap = heap, .bucket_count = LOCK_BUCKETS_LEAST };
    size_t size = sizeof *table->buckets * LOCK_BUCKETS_LEAST;
    table->buckets = hf_heap_take(heap, size);
    if (table->buckets == NULL) {
        hf_heap_give(heap, table);
        return NULL;
    }
    memset(table->buckets, 0, size);
    return table;
}

bool hf_lock_table_idle(const hf_lock_table *table)
{
    return table->lock_count == 0 && table->ranges == NULL;
}

static bool in_range(hf_bytes key, hf_bytes start, hf_bytes end)
{
    return hf_bytes_compare(key, start) >= 0 && (end.size == 0 || hf_bytes_compare(key, end) < 0);
}

static bool ranges_meet(hf_bytes a_start, hf_bytes a_end, hf_bytes b_start, hf_bytes b_end)
{
    return (b_end.size == 0 || hf_bytes_compare(a_start, b_end) < 0) &&
           (a_end.size == 0 || hf_bytes_compare(b_start, a_end) < 0);
}

hf_lock *hf_lock_find(const hf_lock_table *table, hf_bytes key, uint64_t hash)
{
    hf_lock *lock = table->buckets[hash & (table->bucket_count - 1)];
    while (lock != NULL && !(lock->hash == hash && hf_bytes_equal(hf_lock__start(lock), key))) {
        lock = lock->next;
    }
    return lock;
}

/* Doubles the buckets; without memory the chains only get longer. */
static void grow(hf_lock_table *table)
{
    uint32_t count = table->bucket_count * 2;
    hf_lock **buckets = hf_heap_take(table->heap, sizeof *buckets * count);
    if (buckets == NULL) {
        return;
    }
    memset(buckets, 0, sizeof *buckets * count);
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        hf_lock *lock = table->buckets[i];
        while (lock != NULL) {
            hf_lock *next = lock->next;
            lock->next = buckets[lock->hash & (count - 1)];
            buckets[lock->hash & (count - 1)] = lock;
            lock = next;
        }
    }
    hf_heap_give(table->heap, table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
}

static hf_lock *make(hf_lock_table *table, hf_bytes key, hf_bytes end, bool is_range)
{
    uint32_t room = key.size + end.size;
    hf_lock *lock = table->spare;
    if (lock != NULL && room <= SPARE_ROOM) {
        table->spare = lock->next;
        table->spares--;
        room = SPARE_ROOM;
    } else {
        room = room <= SPARE_ROOM ? SPARE_ROOM : room;
        lock = hf_heap_take(table->heap, sizeof *lock + room);
    }
    if (lock == NULL) {
        return NULL;
    }
    *lock =
        (hf_lock){ .is_range = is_range, .key_size = key.size, .end_size = end.size, .room = room };
    if (key.size != 0) {
        memcpy(lock->key, key.data, key.size);
    }
    if (end.size != 0) {
        memcpy(lock->key + key.size, end.data, end.size);
    }
    return lock;
}

static hf_lock *make_key(hf_lock_table *table, hf_bytes key, uint64_t hash)
{
    if (table->lock_count >= table->bucket_count) {
        grow(table);
    }
    hf_lock *lock = make(table, key, hf_bytes_of(NULL, 0), false);
    if (lock == NULL) {
        return NULL;
    }
    hf_lock **bucket = &table->buckets[hash & (table->bucket_count - 1)];
    lock->hash = hash;
    lock->next = *bucket;
    *bucket = lock;
    table->lock_count++;
    return lock;
}

static hf_lock *make_range(hf_lock_table *table, hf_bytes start, hf_bytes end, hf_lock_mode mode)
{
    hf_lock *lock = make(table, start, end, true);
    if (lock != NULL) {
        lock->mode = mode;
        hf_lock **tail = &table->ranges;
        while (*tail != NULL) {
            tail = &(*tail)->next;
        }
        *tail = lock;
        table->range_count++;
    }
    return lock;
}

static void unlink_from(hf_lock **list, hf_lock *lock)
{
    while (*list != lock) {
        HF_ASSERT(*list != NULL);
        list = &(*list)->next;
    }
    *list = lock->next;
}

static void give(hf_lock_table *table, hf_lock *lock)
{
    if (lock->room == SPARE_ROOM && table->spares < SPARES_MAX) {
        lock->next = table->spare;
        table->spare = lock;
        table->spares++;
    } else {
        hf_heap_give(table->heap, lock);
    }
}

void hf_lock_table_trim(hf_lock_table *table)
{
    for (hf_lock *lock = table->spare; lock != NULL; lock = table->spare) {
        table->spare = lock->next;
        hf_heap_give(table->heap, lock);
    }
    table->spares = 0;
}

/* Frees the entry when nobody holds, wants or waits. */
static void drop_if_unused(hf_lock_table *table, hf_lock *lock)
{
    if (lock->holders != NULL || lock->first != NULL || lock->readers != NULL || lock->wanted ||
        lock->ready != 0) {
        return;
    }
    HF_ASSERT(lock->escrows == NULL);
    if (lock->is_range) {
        unlink_from(&table->ranges, lock);
        table->range_count--;
    } else {
        unlink_from(&table->buckets[lock->hash & (table->bucket_count - 1)], lock);
        table->lock_count--;
    }
    give(table, lock);
}

/* A holder, other than `self`, that conflicts. */
static bool held_against(const hf_lock *lock, hf_lock_mode mode, const hf_lock_txn *self)
{
    uint32_t conflicting = 0;
    for (hf_lock_mode m = HF_LOCK_S; m < HF_LOCK_MODES; m++) {
        conflicting += modes_conflict(m, mode) ? lock->counts[m] : 0;
    }
    if (conflicting == 0) {
        return false;
    }
    if (self == NULL || conflicting > 1) {
        return true;
    }
    for (const hf_lock_hold *hold = self->holds; hold != NULL; hold = hold->txn_next) {
        if (hold->lock == lock && modes_conflict(hold->mode, mode)) {
            return false;
        }
    }
    return true;
}

static bool older_waits(const hf_lock *lock, hf_lock_mode mode, hf_age age)
{
    for (const hf_lock_waiter *w = lock->first; w != NULL && hf_age_older(w->age, age);
         w = w->next) {
        if (modes_conflict(w->mode, mode)) {
            return true;
        }
    }
    return false;
}

static bool holds_any(const hf_lock *lock, const hf_lock_txn *self)
{
    for (const hf_lock_hold *hold = self == NULL ? NULL : self->holds; hold != NULL;
         hold = hold->txn_next) {
        if (hold->lock == lock) {
            return true;
        }
    }
    return false;
}

/* Whether the range stands in the way of a request that meets it: by being held or wanted, or by
 * an older request that waits for it (else a stream of readers of ranges could starve a writer). */
static bool range_blocks(const hf_lock *range, hf_lock_mode mode, hf_age age,
                         const hf_lock_txn *self)
{
    if (modes_conflict(range->mode, mode) &&
        (range->wanted ? hf_age_older(range->wanted_age, age) : held_against(range, mode, self))) {
        return true;
    }
    return older_waits(range, mode, age) && !holds_any(range, self);
}

/* A range lock in the way of [start, end) (a key: end == start, point). */
static hf_lock *range_against(const hf_lock_table *table, hf_bytes start, hf_bytes end, bool point,
                              hf_lock_mode mode, hf_age age, const hf_lock_txn *self)
{
    for (hf_lock *range = table->ranges; range != NULL; range = range->next) {
        bool meets = point ? in_range(start, hf_lock__start(range), hf_lock__end(range))
                           : ranges_meet(start, end, hf_lock__start(range), hf_lock__end(range));
        if (meets && range_blocks(range, mode, age, self)) {
            return range;
        }
    }
    return NULL;
}

/* The same for a key's lock. Whoever already holds the key does not queue behind those who wait for
 * it. */
static bool key_blocks(const hf_lock *lock, hf_lock_mode mode, hf_age age, const hf_lock_txn *self)
{
    return held_against(lock, mode, self) ||
           (older_waits(lock, mode, age) && !holds_any(lock, self));
}

/* `lock`: the key's, or NULL. */
static bool key_is_free(const hf_lock *lock, hf_lock_mode mode, hf_age age, const hf_lock_txn *self)
{
    if (lock == NULL) {
        return true;
    }
    return !key_blocks(lock, mode, age, self);
}

bool hf_lock_free(hf_lock_table *table, hf_bytes key, uint64_t hash, hf_lock_mode mode, hf_age age,
                  const hf_lock_txn *self, hf_lock **at)
{
    if (table->ranges != NULL) {
        *at = range_against(table, key, key, true, mode, age, self);
        if (*at != NULL) {
            return false;
        }
    }
    *at = hf_lock_find(table, key, hash);
    return key_is_free(*at, mode, age, self);
}

bool hf_lock_free_at(hf_lock_table *table, hf_bytes key, uint64_t hash, uint64_t ts, hf_lock **at)
{
    for (hf_lock *range = table->ranges; range != NULL; range = range->next) {
        if (in_range(key, hf_lock__start(range), hf_lock__end(range)) &&
            hf_lock__undecided_below(range, ts)) {
            *at = range;
            return false;
        }
    }
    *at = hf_lock_find(table, key, hash);
    return *at == NULL || !hf_lock__undecided_below(*at, ts);
}

bool hf_lock_range_free_at(hf_lock_table *table, hf_bytes start, hf_bytes end, uint64_t ts,
                           hf_lock **at)
{
    for (hf_lock *range = table->ranges; range != NULL; range = range->next) {
        if (ranges_meet(start, end, hf_lock__start(range), hf_lock__end(range)) &&
            hf_lock__undecided_below(range, ts)) {
            *at = range;
            return false;
        }
    }
    if (table->lock_count == 0) {
        return true;
    }
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (hf_lock *lock = table->buckets[i]; lock != NULL; lock = lock->next) {
            if (in_range(hf_lock__start(lock), start, end) && hf_lock__undecided_below(lock, ts)) {
                *at = lock;
                return false;
            }
        }
    }
    return true;
}

bool hf_lock_range_free(hf_lock_table *table, hf_bytes start, hf_bytes end, hf_lock_mode mode,
                        hf_age age, const hf_lock_txn *self, hf_lock **at)
{
    *at = range_against(table, start, end, false, mode, age, self);
    if (*at != NULL) {
        return false;
    }
    if (table->lock_count == 0) {
        return true;
    }
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        for (hf_lock *lock = table->buckets[i]; lock != NULL; lock = lock->next) {
            if (in_range(hf_lock__start(lock), start, end) && key_blocks(lock, mode, age, self)) {
                *at = lock;
                return false;
            }
        }
    }
    return true;
}

/* ---- Holding ---- */

static bool hold_add(hf_lock_table *table, hf_lock *lock, hf_lock_mode mode, hf_lock_txn *txn)
{
    hf_lock_hold *hold =
        txn->one.lock == NULL ? &txn->one : hf_heap_take(table->heap, sizeof *hold);
    if (hold == NULL) {
        return false;
    }
    *hold = (hf_lock_hold){
        .lock = lock, .txn = txn, .txn_next = txn->holds, .next = lock->holders, .mode = mode
    };
    if (lock->holders != NULL) {
        lock->holders->prev = hold;
    }
    lock->holders = hold;
    txn->holds = hold;
    lock->counts[mode]++;
    table->hold_count++;
    return true;
}

/* `lock`: the key's, or NULL: there is none yet. NULL: no memory. */
static hf_lock *hold_key(hf_lock_table *table, hf_lock *lock, hf_bytes key, uint64_t hash,
                         hf_lock_mode mode, hf_lock_txn *txn)
{
    if (lock == NULL) {
        lock = make_key(table, key, hash);
        if (lock == NULL) {
            return NULL;
        }
    }
    if (lock->holders != NULL) {
        for (hf_lock_hold *hold = txn->holds; hold != NULL; hold = hold->txn_next) {
            if (hold->lock == lock) {
                /* S and E together are as strong as X. */
                hf_lock_mode both = hold->mode == mode ? mode : HF_LOCK_X;
                lock->counts[hold->mode]--;
                lock->counts[both]++;
                hold->mode = both;
                return lock;
            }
        }
    }
    if (!hold_add(table, lock, mode, txn)) {
        drop_if_unused(table, lock);
        return NULL;
    }
    return lock;
}

bool hf_lock_take(hf_lock_table *table, hf_bytes key, uint64_t hash, hf_lock_mode mode,
                  hf_lock_txn *txn)
{
    return hold_key(table, hf_lock_find(table, key, hash), key, hash, mode, txn) != NULL;
}

bool hf_lock_claim(hf_lock_table *table, hf_bytes key, uint64_t hash, hf_lock_mode mode,
                   hf_lock_txn *txn, hf_lock **at)
{
    if (table->ranges != NULL) {
        *at = range_against(table, key, key, true, mode, txn->age, txn);
        if (*at != NULL) {
            return false;
        }
    }
    *at = hf_lock_find(table, key, hash);
    if (!key_is_free(*at, mode, txn->age, txn)) {
        return false;
    }
    *at = hold_key(table, *at, key, hash, mode, txn);
    return true;
}

hf_lock *hf_lock_held(const hf_lock_txn *txn, hf_bytes key, uint64_t *hash)
{
    const hf_lock_hold *hold = txn->holds;
    for (int i = 0; hold != NULL && i < HOLDS_LOOKED_AT; i++, hold = hold->txn_next) {
        if (!hold->lock->is_range && hf_bytes_equal(hf_lock__start(hold->lock), key)) {
            *hash = hold->lock->hash;
            return hold->lock;
        }
    }
    return NULL;
}

bool hf_lock_take_range(hf_lock_table *table, hf_bytes start, hf_bytes end, hf_lock_mode mode,
                        hf_lock_txn *txn)
{
    hf_lock *lock = make_range(table, start, end, mode);
    if (lock == NULL) {
        return false;
    }
    if (!hold_add(table, lock, mode, txn)) {
        drop_if_unused(table, lock);
        return false;
    }
    return true;
}

/* ---- Waiting ---- */

static void waiters_remove(hf_lock *lock, hf_lock_waiter *waiter)
{
    if (waiter->prev != NULL) {
        waiter->prev->next = waiter->next;
    } else if (waiter->read_ts != 0) {
        lock->readers = waiter->next;
    } else {
        lock->first = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->prev = waiter->prev;
    } else if (waiter->read_ts == 0) {
        lock->last = waiter->prev;
    }
    waiter->lock = NULL;
    waiter->next = waiter->prev = NULL;
}

static void make_ready(hf_lock_table *table, hf_lock *lock, hf_lock_waiter *waiter)
{
    waiters_remove(lock, waiter);
    table->waiter_count--;
    lock->ready++;
    waiter->lock = lock;
    waiter->ready = true;
    waiter->prev = table->ready_last;
    if (table->ready_last != NULL) {
        table->ready_last->next = waiter;
    } else {
        table->ready_first = waiter;
    }
    table->ready_last = waiter;
}

/* Those who wait at a range ask for different parts of it: each goes that it does not block. */
static void wake_range(hf_lock_table *table, hf_lock *range)
{
    hf_lock_waiter *next;
    for (hf_lock_waiter *waiter = range->first; waiter != NULL; waiter = next) {
        next = waiter->next;
        if (!range_blocks(range, waiter->mode, waiter->age, waiter->self)) {
            make_ready(table, range, waiter);
        }
    }
}

static void wake_readers(hf_lock_table *table, hf_lock *lock)
{
    hf_lock_waiter *next;
    for (hf_lock_waiter *waiter = lock->readers; waiter != NULL; waiter = next) {
        next = waiter->next;
        if (!hf_lock__undecided_below(lock, waiter->read_ts)) {
            make_ready(table, lock, waiter);
        }
    }
}

/* When no holder stands in the way of the oldest waiter, it may ask again, and with it all that
 * follow in the same shareable mode. */
static void wake(hf_lock_table *table, hf_lock *lock)
{
    wake_readers(table, lock);
    if (lock->is_range) {
        wake_range(table, lock);
        return;
    }
    if (lock->first == NULL || held_against(lock, lock->first->mode, lock->first->self)) {
        return;
    }
    hf_lock_mode mode = lock->first->mode;
    do {
        make_ready(table, lock, lock->first);
    } while (lock->first != NULL && mode != HF_LOCK_X && lock->first->mode == mode);
}

void hf_lock_wait(hf_lock_table *table, hf_lock *at, hf_lock_waiter *waiter, hf_lock_mode mode,
                  hf_age age, const hf_lock_txn *self)
{
    HF_PRE(waiter->lock == NULL);
    waiter->lock = at;
    waiter->read_ts = 0;
    waiter->self = self;
    waiter->mode = mode;
    waiter->age = age;
    hf_lock_waiter *after = at->last;
    while (after != NULL && hf_age_older(age, after->age)) {
        after = after->prev;
    }
    waiter->prev = after;
    waiter->next = after == NULL ? at->first : after->next;
    if (waiter->next != NULL) {
        waiter->next->prev = waiter;
    } else {
        at->last = waiter;
    }
    if (after != NULL) {
        after->next = waiter;
    } else {
        at->first = waiter;
    }
    table->waiter_count++;
}

void hf_lock_wait_at(hf_lock_table *table, hf_lock *at, hf_lock_waiter *waiter, uint64_t ts)
{
    HF_PRE(waiter->lock == NULL && ts != 0 && hf_lock__undecided_below(at, ts));
    *waiter = (hf_lock_waiter){ .lock = at, .next = at->readers, .read_ts = ts };
    if (at->readers != NULL) {
        at->readers->prev = waiter;
    }
    at->readers = waiter;
    table->waiter_count++;
}

static void ready_remove(hf_lock_table *table, hf_lock_waiter *waiter)
{
    if (waiter->prev != NULL) {
        waiter->prev->next = waiter->next;
    } else {
        table->ready_first = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->prev = waiter->prev;
    } else {
        table->ready_last = waiter->prev;
    }
    waiter->lock = NULL;
    waiter->ready = false;
    waiter->next = waiter->prev = NULL;
}

void hf_lock_unwait(hf_lock_table *table, hf_lock_waiter *waiter)
{
    hf_lock *lock = waiter->lock;
    HF_PRE(lock != NULL);
    if (waiter->ready) {
        ready_remove(table, waiter);
        lock->ready--;
    } else {
        waiters_remove(lock, waiter);
        table->waiter_count--;
    }
    /* Those behind may have waited for this one only. */
    wake(table, lock);
    drop_if_unused(table, lock);
}

bool hf_lock_has_ready(const hf_lock_table *table)
{
    return table->ready_first != NULL || table->running != NULL;
}

hf_lock_waiter *hf_lock_ready(hf_lock_table *table)
{
    if (table->running != NULL) {
        hf_lock *ran = table->running;
        table->running = NULL;
        ran->ready--;
        wake(table, ran);
        drop_if_unused(table, ran);
    }
    hf_lock_waiter *waiter = table->ready_first;
    if (waiter != NULL) {
        table->running = waiter->lock;
        ready_remove(table, waiter);
    }
    return waiter;
}

void hf_lock_release(hf_lock_table *table, hf_lock_txn *txn)
{
    while (txn->holds != NULL) {
        hf_lock_hold *hold = txn->holds;
        hf_lock *lock = hold->lock;
        txn->holds = hold->txn_next;
        if (hold->prev != NULL) {
            hold->prev->next = hold->next;
        } else {
            lock->holders = hold->next;
        }
        if (hold->next != NULL) {
            hold->next->prev = hold->prev;
        }
        lock->counts[hold->mode]--;
        table->hold_count--;
        if (hold == &txn->one) {
            hold->lock = NULL;
        } else {
            hf_heap_give(table->heap, hold);
        }
        wake(table, lock);
        drop_if_unused(table, lock);
    }
}

hf_lock *hf_lock_want_range(hf_lock_table *table, hf_bytes start, hf_bytes end, hf_lock_mode mode,
                            hf_age age)
{
    hf_lock *lock = make_range(table, start, end, mode);
    if (lock != NULL) {
        lock->wanted = true;
        lock->wanted_age = age;
    }
    return lock;
}

void hf_lock_unwant(hf_lock_table *table, hf_lock *wanted)
{
    HF_PRE(wanted->wanted);
    wanted->wanted = false;
    wake(table, wanted);
    drop_if_unused(table, wanted);
}

void hf_lock_holders(hf_lock *at, hf_lock_visit *visit, void *context)
{
    for (hf_lock_hold *hold = at->holders; hold != NULL; hold = hold->next) {
        visit(context, hold->txn);
    }
}
