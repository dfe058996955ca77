/* Claim: moves of the table happen and are traced; any other move, and a move that breaks the
 * invariant, stops. */
#include "engine/base/sm.h"
#include "tests/unit/base/base_test.h"

enum { IDLE, BUSY, DONE, COUNT };

/* clang-format off */
#define NEXT(s) HF_SM_BIT(s)
static const hf_sm_row rows[] = {
    [IDLE] = { "idle", NEXT(BUSY) },
    [BUSY] = { "busy", NEXT(IDLE) | NEXT(DONE) },
    [DONE] = { "done", 0 },
};
#undef NEXT
/* clang-format on */

static bool holds;
static uint32_t last_before;

static bool invariant(const hf_sm *sm, uint32_t before)
{
    last_before = before;
    return holds && sm->state < COUNT;
}

static const hf_sm_kind kind = { "worker", rows, COUNT, invariant };

static void move_to_idle(void *sm)
{
    hf_sm_move(sm, IDLE);
}
static void move_to_busy(void *sm)
{
    hf_sm_move(sm, BUSY);
}
static void move_to_done(void *sm)
{
    hf_sm_move(sm, DONE);
}
static void move_beyond(void *sm)
{
    hf_sm_move(sm, COUNT);
}
static void move_far_beyond(void *sm)
{
    hf_sm_move(sm, UINT32_MAX);
}

static void table_decides(void **unused)
{
    (void)unused;
    hf_heap *heap = test_heap_open(1 << 20);
    hf_trace trace;
    assert_int_equal(hf_trace_open(&trace, heap, 8), HF_OK);
    trace.now_ns = 1000;
    holds = true;
    hf_sm sm;
    hf_sm_open(&sm, &kind, IDLE, 77, &trace);
    assert_string_equal(hf_sm_name(&sm), "idle");
    assert_true(test_stops(move_to_idle, &sm));
    assert_true(test_stops(move_to_done, &sm));
    assert_true(test_stops(move_beyond, &sm));
    assert_true(test_stops(move_far_beyond, &sm));
    assert_int_equal(hf_sm_state(&sm), IDLE);
    hf_sm_move(&sm, BUSY);
    assert_int_equal(last_before, IDLE);
    assert_true(hf_sm_may(&sm, DONE));
    assert_false(hf_sm_may(&sm, BUSY));
    hf_sm_move(&sm, DONE);
    assert_true(hf_sm_ended(&sm));
    assert_true(test_stops(move_to_busy, &sm));
    assert_int_equal(hf_trace_count(&trace), 2);
    const hf_trace_event *event = hf_trace_at(&trace, 1);
    assert_string_equal(event->kind, "worker");
    assert_int_equal(event->time_ns, 1000);
    assert_int_equal(event->a, 77);
    assert_true(event->b == ((uint64_t)BUSY << 32 | DONE));
    hf_trace_close(&trace);
    test_heap_close(heap);
}

static void broken_invariant_stops(void **unused)
{
    (void)unused;
    hf_sm sm;
    hf_sm_open(&sm, &kind, IDLE, 1, NULL);
    holds = false;
    assert_true(test_stops(move_to_busy, &sm));
    holds = true;
    hf_sm_open(&sm, &kind, IDLE, 1, NULL);
    assert_false(test_stops(move_to_busy, &sm));
}

static void open_kind(void *wrong)
{
    hf_sm sm;
    hf_sm_open(&sm, wrong, IDLE, 1, NULL);
}

static void wrong_table_stops(void **unused)
{
    (void)unused;
    static const hf_sm_row outside[] = { { "a", HF_SM_BIT(1) | HF_SM_BIT(2) }, { "b", 0 } };
    static const hf_sm_row unnamed[] = { { "a", HF_SM_BIT(1) }, { NULL, 0 } };
    hf_sm_kind wrong = { "wrong", outside, 2, NULL };
    assert_true(test_stops(open_kind, &wrong));
    wrong.rows = unnamed;
    assert_true(test_stops(open_kind, &wrong));
    wrong.rows = rows;
    wrong.count = COUNT;
    assert_false(test_stops(open_kind, &wrong));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_decides),
        cmocka_unit_test(broken_invariant_stops),
        cmocka_unit_test(wrong_table_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
