#include "engine/base/timer.h"
#include "engine/base/assert.h"

static bool before(const hf_timer *a, const hf_timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->sequence < b->sequence;
}

static void place(hf_timers *timers, uint32_t at, hf_timer *timer)
{
    timers->slots[at] = timer;
    timer->slot = at + 1;
}

static void rise(hf_timers *timers, uint32_t at, hf_timer *timer)
{
    while (at != 0) {
        uint32_t parent = (at - 1) / 2;
        if (!before(timer, timers->slots[parent])) {
            break;
        }
        place(timers, at, timers->slots[parent]);
        at = parent;
    }
    place(timers, at, timer);
}

static void sink(hf_timers *timers, uint32_t at, hf_timer *timer)
{
    for (;;) {
        uint64_t child = 2 * (uint64_t)at + 1;
        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count && before(timers->slots[child + 1], timers->slots[child])) {
            child++;
        }
        if (!before(timers->slots[child], timer)) {
            break;
        }
        place(timers, at, timers->slots[child]);
        at = (uint32_t)child;
    }
    place(timers, at, timer);
}

static void settle(hf_timers *timers, uint32_t at, hf_timer *timer)
{
    if (at != 0 && before(timer, timers->slots[(at - 1) / 2])) {
        rise(timers, at, timer);
    } else {
        sink(timers, at, timer);
    }
}

hf_err hf_timers_open(hf_timers *timers, hf_heap *heap, uint32_t capacity)
{
    HF_PRE(capacity != 0);
    *timers = (hf_timers){ .heap = heap, .capacity = capacity };
    timers->slots = hf_heap_take(heap, capacity * sizeof(hf_timer *));
    return timers->slots == NULL ? HF_E_NOMEM : HF_OK;
}

void hf_timers_close(hf_timers *timers)
{
    for (uint32_t i = 0; i < timers->count; i++) {
        timers->slots[i]->slot = 0;
    }
    hf_heap_give(timers->heap, timers->slots);
    *timers = (hf_timers){ .heap = timers->heap };
}

hf_err hf_timers_add(hf_timers *timers, hf_timer *timer, uint64_t due_ns)
{
    HF_PRE(!hf_timer_armed(timer));
    if (timers->count == timers->capacity) {
        return HF_E_FULL;
    }
    timer->due_ns = due_ns;
    timer->sequence = timers->sequence++;
    rise(timers, timers->count++, timer);
    return HF_OK;
}

static uint32_t slot_of(const hf_timers *timers, const hf_timer *timer)
{
    HF_ASSERT(timer->slot != 0 && timer->slot <= timers->count);
    HF_ASSERT(timers->slots[timer->slot - 1] == timer); /* armed elsewhere, or moved in memory */
    return timer->slot - 1;
}

void hf_timers_move(hf_timers *timers, hf_timer *timer, uint64_t due_ns)
{
    uint32_t at = slot_of(timers, timer);
    timer->due_ns = due_ns;
    timer->sequence = timers->sequence++;
    settle(timers, at, timer);
}

bool hf_timers_cancel(hf_timers *timers, hf_timer *timer)
{
    if (!hf_timer_armed(timer)) {
        return false;
    }
    uint32_t at = slot_of(timers, timer);
    timer->slot = 0;
    timers->count--;
    if (at != timers->count) {
        settle(timers, at, timers->slots[timers->count]);
    }
    return true;
}

hf_timer *hf_timers_pop(hf_timers *timers, uint64_t now_ns)
{
    if (timers->count == 0 || timers->slots[0]->due_ns > now_ns) {
        return NULL;
    }
    hf_timer *timer = timers->slots[0];
    hf_timers_cancel(timers, timer);
    return timer;
}

void hf_timers_check(const hf_timers *timers)
{
    HF_ASSERT(timers->count <= timers->capacity);
    for (uint32_t i = 0; i < timers->count; i++) {
        HF_ASSERT(timers->slots[i]->slot == i + 1);
        HF_ASSERT(i == 0 || before(timers->slots[(i - 1) / 2], timers->slots[i]));
    }
}
