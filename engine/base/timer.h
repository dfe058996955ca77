/* hf_timers: many deadlines, the nearest first; the timers live in their owners.
 *
 * A binary heap of pointers. Timers that are due at the same nanosecond come out in the order in
 * which they were set, so that a run can be repeated.
 *
 * Invariants: (1) no timer is due before its parent.  (2) slots[t->slot - 1] == t for every armed
 * t. Ownership:  the caller owns the timers (zeroed before first use; not moved while armed); the
 * heap lends the slots, all of them at open. Cost:       add, cancel, move and pop O(log n); next
 * O(1). Threads:    one core only.
 */
#ifndef HF_BASE_TIMER_H
#define HF_BASE_TIMER_H
#include "engine/base/error.h"
#include "engine/base/heap.h"
#include <stdbool.h>
#include <stdint.h>

#define HF_TIMER_NEVER UINT64_MAX

typedef struct hf_timer {
    uint64_t due_ns;
    uint64_t sequence;
    uint32_t slot; /* place in the heap from 1; 0 is not armed */
} hf_timer;

typedef struct hf_timers {
    hf_heap *heap;
    hf_timer **slots;
    uint64_t sequence;
    uint32_t count;
    uint32_t capacity;
} hf_timers;

/* HF_E_NOMEM: the heap is full. */
HF_MUST_USE hf_err hf_timers_open(hf_timers *timers, hf_heap *heap, uint32_t capacity);
/* Disarms whatever is armed and gives the memory back. */
void hf_timers_close(hf_timers *timers);

static inline bool hf_timer_armed(const hf_timer *timer)
{
    return timer->slot != 0;
}
/* Arms a timer that is not armed. HF_E_FULL: `capacity` timers are armed. */
HF_MUST_USE hf_err hf_timers_add(hf_timers *timers, hf_timer *timer, uint64_t due_ns);
/* Gives an armed timer another deadline, as if cancelled and added; it cannot fail. */
void hf_timers_move(hf_timers *timers, hf_timer *timer, uint64_t due_ns);
/* True when the timer was armed. */
bool hf_timers_cancel(hf_timers *timers, hf_timer *timer);
/* The nearest deadline; HF_TIMER_NEVER when none is armed. */
static inline uint64_t hf_timers_next(const hf_timers *timers)
{
    return timers->count == 0 ? HF_TIMER_NEVER : timers->slots[0]->due_ns;
}
/* Disarms and answers the first timer with due_ns <= now_ns; NULL when none is due. */
hf_timer *hf_timers_pop(hf_timers *timers, uint64_t now_ns);
void hf_timers_check(const hf_timers *timers);

#endif
