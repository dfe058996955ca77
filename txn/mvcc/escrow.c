/* Sums over the undecided additions of a key. */
#include "txn/mvcc/lock_impl.h"

static hf_lock_escrow *escrow_of(const hf_lock *lock, hf_bytes field)
{
    hf_lock_escrow *escrow = lock->escrows;
    while (escrow != NULL && !hf_bytes_equal(escrow->field, field)) {
        escrow = escrow->next;
    }
    return escrow;
}

const hf_lock_escrow *hf_lock_escrow_find(const hf_lock *lock, hf_bytes field)
{
    return lock == NULL ? NULL : escrow_of(lock, field);
}

bool hf_lock_escrow_any(const hf_lock *lock, bool fields)
{
    for (const hf_lock_escrow *e = lock == NULL ? NULL : lock->escrows; e != NULL; e = e->next) {
        if ((e->field.size != 0) == fields) {
            return true;
        }
    }
    return false;
}

static hf_lock_escrow *escrow_make(hf_lock_table *table, hf_lock *lock, hf_bytes field)
{
    hf_lock_escrow *escrow = &lock->own;
    uint8_t *name = NULL;
    if (field.size != 0) {
        escrow = hf_heap_take(table->heap, sizeof *escrow + field.size);
        if (escrow == NULL) {
            return NULL;
        }
        name = (uint8_t *)(escrow + 1);
        memcpy(name, field.data, field.size);
    }
    *escrow = (hf_lock_escrow){ .next = lock->escrows,
                                .min = INT64_MIN,
                                .max = INT64_MAX,
                                .field = hf_bytes_of(name, field.size) };
    lock->escrows = escrow;
    return escrow;
}

bool hf_lock_escrow_add(hf_lock_table *table, hf_lock *lock, hf_bytes field, int64_t delta,
                        int64_t min, int64_t max)
{
    HF_PRE(lock != NULL);
    hf_lock_escrow *escrow = escrow_of(lock, field);
    int64_t plus = escrow == NULL ? 0 : escrow->plus;
    int64_t minus = escrow == NULL ? 0 : escrow->minus;
    if (delta >= 0 ? __builtin_add_overflow(plus, delta, &plus)
                   : __builtin_sub_overflow(minus, delta, &minus)) {
        return false;
    }
    if (escrow == NULL) {
        escrow = escrow_make(table, lock, field);
        if (escrow == NULL) {
            return false;
        }
    }
    escrow->count++;
    escrow->plus = plus;
    escrow->minus = minus;
    escrow->min = min > escrow->min ? min : escrow->min;
    escrow->max = max < escrow->max ? max : escrow->max;
    return true;
}

void hf_lock_escrow_remove(hf_lock_table *table, hf_lock *lock, hf_bytes field, int64_t delta)
{
    HF_PRE(lock != NULL);
    hf_lock_escrow *escrow = escrow_of(lock, field);
    HF_ASSERT(escrow != NULL && escrow->count > 0);
    if (delta >= 0) {
        escrow->plus -= delta;
    } else {
        escrow->minus += delta;
    }
    HF_ASSERT(escrow->plus >= 0 && escrow->minus >= 0);
    escrow->count--;
    if (escrow->count == 0) {
        hf_lock_escrow **at = &lock->escrows;
        while (*at != escrow) {
            at = &(*at)->next;
        }
        *at = escrow->next;
        if (escrow != &lock->own) {
            hf_heap_give(table->heap, escrow);
        }
    }
}
