/* The lock table, the clock, and a transaction over two participants by the pure machines. */
#include "bench/micro/memory.h"
#include "bench/micro/micro.h"
#include "txn/mvcc/hlc.h"
#include "txn/mvcc/lock.h"
#include "txn/twopc/coordinator.h"
#include "txn/twopc/participant.h"

enum { BATCH = 1000, HEAP = 16 << 20 };

static hf_bytes key(void)
{
    return hf_bytes_of("uaccount:000000000042", 21);
}

static void lock_take_release(hf_micro *m, int64_t held)
{
    hf_heap *heap = hf_micro_heap(HEAP);
    hf_lock_table *locks = hf_lock_table_open(heap);
    HF_ASSERT(locks != NULL);
    hf_lock_txn other = { .age = { 1, 1 } };
    for (int64_t i = 0; i < held; i++) { /* on other keys */
        HF_ASSERT(hf_lock_take(locks, hf_bytes_of(&i, sizeof i), (uint64_t)i << 40 | 1, HF_LOCK_E,
                               &other));
    }
    while (hf_micro_batch(m, BATCH)) {
        for (uint64_t i = 0; i < BATCH; i++) {
            hf_lock_txn txn = { .age = { 2 + i, 0 } };
            hf_lock *at;
            HF_ASSERT(hf_lock_claim(locks, key(), 42, HF_LOCK_X, &txn, &at) && at != NULL);
            hf_lock_release(locks, &txn);
        }
    }
    hf_lock_release(locks, &other);
    hf_micro_heap_end(heap);
}

/* Additions to one hot quantity while others of it are pending. */
static void escrow_add_remove(hf_micro *m, int64_t arg)
{
    (void)arg;
    hf_heap *heap = hf_micro_heap(HEAP);
    hf_lock_table *locks = hf_lock_table_open(heap);
    HF_ASSERT(locks != NULL);
    hf_lock_txn other = { .age = { 1, 1 } };
    hf_bytes none = hf_bytes_of(NULL, 0);
    HF_ASSERT(hf_lock_take(locks, key(), 42, HF_LOCK_E, &other));
    hf_lock *lock = hf_lock_find(locks, key(), 42);
    HF_ASSERT(hf_lock_escrow_add(locks, lock, none, 1, 0, INT64_MAX));
    while (hf_micro_batch(m, BATCH)) {
        for (uint64_t i = 0; i < BATCH; i++) {
            hf_lock_txn txn = { .age = { 2 + i, 0 } };
            HF_ASSERT(hf_lock_take(locks, key(), 42, HF_LOCK_E, &txn) &&
                      hf_lock_escrow_add(locks, lock, none, -1, 0, INT64_MAX));
            hf_lock_escrow_remove(locks, lock, none, -1);
            hf_lock_release(locks, &txn);
        }
    }
    hf_lock_escrow_remove(locks, lock, none, 1);
    hf_lock_release(locks, &other);
    hf_micro_heap_end(heap);
}

static void hlc_next(hf_micro *m, int64_t arg)
{
    (void)arg;
    hf_hlc clock = { 0 };
    uint64_t sum = 0;
    while (hf_micro_batch(m, BATCH)) {
        for (uint64_t i = 0; i < BATCH; i++) {
            hf_hlc_observe(&clock, i * 3);
            sum += hf_hlc_next(&clock, i);
        }
        hf_micro_use(&sum);
    }
}

static uint64_t logged_and_durable(hf_participant *p, uint64_t ts)
{
    hf_participant_update u;
    hf_participant_step(p, HF_EVENT_LOGGED, p->self, ts, UINT64_MAX, &u);
    hf_participant_step(p, HF_EVENT_DURABLE, p->self, 0, UINT64_MAX, &u);
    HF_ASSERT(u.tell_prepared);
    return p->pts;
}

/* Everything that the machines decide about one transaction over two shards. */
static void commit_over_two(hf_micro *m, int64_t arg)
{
    (void)arg;
    uint64_t seq = 1;
    while (hf_micro_batch(m, BATCH)) {
        for (int i = 0; i < BATCH; i++, seq++) {
            hf_attempt attempt = hf_attempt_of(1, seq, 0);
            hf_coordinator c;
            hf_participant p[2];
            hf_participant_update u;
            hf_coordinator_begin(&c, attempt, 3);
            bool decided = false;
            for (uint16_t k = 0; k < 2; k++) {
                hf_participant_begin(&p[k], attempt, k);
                p[k].participants = k == 0 ? 3 : 0;
                uint64_t pts = logged_and_durable(&p[k], seq + k);
                decided = hf_coordinator_prepared(&c, k, pts, UINT64_MAX);
            }
            HF_ASSERT(decided && c.state == HF_COORDINATOR_COMMITTED);
            for (uint16_t k = 0; k < 2; k++) {
                hf_participant_step(&p[k], HF_EVENT_COMMIT, 0, c.commit_ts, UINT64_MAX, &u);
                HF_ASSERT(u.apply);
            }
        }
    }
}

void hf_micro_transactions(void)
{
    static const int64_t held[] = { 0, 1000, -1 };
    hf_micro_register("lock/ask_take_release", lock_take_release, held);
    hf_micro_register("lock/escrow_add_remove", escrow_add_remove, NULL);
    hf_micro_register("hlc/observe_next", hlc_next, NULL);
    hf_micro_register("twopc/commit_over_two", commit_over_two, NULL);
}
