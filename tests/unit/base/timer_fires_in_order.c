/* Claim: timers come out by deadline, equal deadlines in the order they were set, under any mix of
 * adding, moving and cancelling. */
#include "engine/base/prng.h"
#include "engine/base/timer.h"
#include "tests/unit/base/base_test.h"

enum { TIMERS = 200, STEPS = 40000 };

static hf_timer all[TIMERS];
static uint64_t set_at[TIMERS]; /* the model: when it was set, 0 is not armed */
static uint64_t due[TIMERS];

static int model_first(void)
{
    int first = -1;
    for (int i = 0; i < TIMERS; i++) {
        if (set_at[i] != 0 && (first < 0 || due[i] < due[first] ||
                               (due[i] == due[first] && set_at[i] < set_at[first]))) {
            first = i;
        }
    }
    return first;
}

static void pop_one(hf_timers *timers, uint64_t now)
{
    int first = model_first();
    assert_true(hf_timers_next(timers) == (first < 0 ? HF_TIMER_NEVER : due[first]));
    hf_timer *timer = hf_timers_pop(timers, now);
    if (first < 0 || due[first] > now) {
        assert_null(timer);
        return;
    }
    assert_ptr_equal(timer, &all[first]);
    assert_false(hf_timer_armed(timer));
    set_at[first] = 0;
}

static void random_mix(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    hf_timers timers;
    assert_int_equal(hf_timers_open(&timers, heap, TIMERS), HF_OK);
    hf_prng p = hf_prng_of(11);
    uint64_t now = 0;
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint64_t i = hf_prng_below(&p, TIMERS);
        uint64_t when = now + hf_prng_below(&p, 40); /* many are equal */
        switch (hf_prng_below(&p, 4)) {
        case 0:
            pop_one(&timers, now);
            now += hf_prng_below(&p, 2);
            break;
        case 1:
            assert_int_equal(hf_timers_cancel(&timers, &all[i]), set_at[i] != 0);
            set_at[i] = 0;
            break;
        default:
            if (set_at[i] != 0) {
                hf_timers_move(&timers, &all[i], when);
            } else {
                assert_int_equal(hf_timers_add(&timers, &all[i], when), HF_OK);
            }
            set_at[i] = step;
            due[i] = when;
        }
        if (step % 64 == 0) {
            hf_timers_check(&timers);
        }
    }
    while (timers.count != 0) {
        pop_one(&timers, UINT64_MAX);
    }
    hf_timers_close(&timers);
    test_heap_close(heap);
}

static void add_again(void *timers)
{
    (void)!hf_timers_add(timers, &all[0], 1);
}

static void move_unarmed(void *timers)
{
    hf_timers_move(timers, &all[1], 1);
}

static void bounds_and_bugs(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    hf_timers timers;
    hf_heap_fail_at(heap, 1);
    assert_int_equal(hf_timers_open(&timers, heap, 1), HF_E_NOMEM);
    hf_timers_close(&timers);
    assert_int_equal(hf_timers_open(&timers, heap, 1), HF_OK);
    assert_true(hf_timers_next(&timers) == HF_TIMER_NEVER);
    assert_int_equal(hf_timers_add(&timers, &all[0], 5), HF_OK);
    assert_int_equal(hf_timers_add(&timers, &all[1], 4), HF_E_FULL);
    assert_false(hf_timer_armed(&all[1]));
    assert_true(test_stops(add_again, &timers));
    assert_true(test_stops(move_unarmed, &timers));
    assert_null(hf_timers_pop(&timers, 4));
    hf_timers_close(&timers);
    assert_false(hf_timer_armed(&all[0])); /* closing disarms */
    test_heap_close(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_mix),
        cmocka_unit_test(bounds_and_bugs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
