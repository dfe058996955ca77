/* The next segment is made beside the log's work: in small pieces, one at a time, at the log's own
 * pace while flushes are under way; no append waits for it and nothing takes memory.
 */
#include "tests/unit/log/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static frame f;

static uint32_t zeros_in_flight(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < f.world.pending_count; i++) {
        const hf_io_op *op = f.world.pending[i];
        if (op->kind == HF_IO_WRITE && op->data == f.log->zeros && op->flags == 0) {
            assert_true(op->size <= HF_LOG_ZERO_CHUNK);
            count++;
        }
    }
    return count;
}

/* Something is always under way or staged, from segment to segment. */
static void under_load_zeros_follow_the_logs_growth(void **state)
{
    (void)state;
    for (uint32_t flushes = 1; flushes <= 2; flushes++) {
        frame_open(&f, 512, flushes);
        f.config.segment_bytes = 8 * 1024 * 1024;
        f.config.flushes_max = flushes;
        assert_int_equal(frame_recover(&f, 0), HF_OK);
        uint32_t made = 0;
        bool busy = false; /* since the spare was begun: appends always found it so */
        while (f.appended < 4000) {
            hf_log_make before = f.log->make;
            while (f.log->staged < 20000) {
                assert_int_equal(frame_append(&f, 9000), HF_OK); /* never refused */
            }
            assert_true(frame_turn(&f));
            f.world.io.now_ns += 2 * HF_LOG_ZERO_PACE_NS;
            assert_true(zeros_in_flight() <= 1);
            busy = before == HF_LOG_MAKE_IDLE || busy;
            uint64_t grown = f.log->stats.bytes_written - f.log->make_mark;
            if (busy && (f.log->make == HF_LOG_MAKE_PACE || f.log->make == HF_LOG_MAKE_ZERO)) {
                assert_true(f.log->make_at <= 2 * grown + HF_LOG_ZERO_CHUNK);
            }
            if (before == HF_LOG_MAKE_NAMED && f.log->make == HF_LOG_MAKE_IDLE) {
                made++;
                /* Long before it is needed. */
                assert_true(f.log->newest == f.log->current + 1);
                assert_true(f.log->offset < f.config.segment_bytes * 3 / 4);
                hf_log_truncate(f.log, hf_log_durable(f.log));
            }
        }
        assert_true(made >= 3);
        frame_close(&f);
    }
}

/* At rest a chunk a millisecond; a flush that comes does not find more than one before it. */
static void at_rest_there_are_pauses(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    f.config.segment_bytes = 8 * 1024 * 1024;
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    while (f.log->make != HF_LOG_MAKE_PACE) {
        (void)frame_turn(&f);
    }
    uint64_t began = f.world.io.now_ns;
    uint64_t at = f.log->make_at;
    while (f.log->make == HF_LOG_MAKE_PACE || f.log->make == HF_LOG_MAKE_ZERO) {
        assert_true(zeros_in_flight() <= 1);
        if (!frame_turn(&f) && f.world.pending_count == 0) {
            assert_true(hf_log_deadline(f.log) > f.world.io.now_ns);
            f.world.io.now_ns = hf_log_deadline(f.log);
        }
    }
    uint64_t chunks = (f.config.segment_bytes - at) / HF_LOG_ZERO_CHUNK;
    assert_true(f.world.io.now_ns - began >= chunks * HF_LOG_ZERO_PACE_NS);
    assert_true(f.world.io.now_ns - began <= (chunks + 2) * HF_LOG_ZERO_PACE_NS);
    frame_close(&f);
}

/* The next take would be refused: that it still is, afterwards, proves that there was none. */
static void a_running_log_takes_no_memory(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    hf_heap_fail_at(f.heap, 1);
    uint64_t first = f.log->current;
    for (uint32_t i = 0; i < 3000; i++) {
        frame_must_append(&f, 7000);
        if (i % 50 == 49) {
            frame_settle(&f);
            hf_log_truncate(f.log, f.lsns[i - 20]);
            frame_idle(&f, 10000000);
        }
    }
    assert_true(f.log->current > first + 15);
    assert_null(hf_heap_take(f.heap, 1));
    void *block = hf_heap_take(f.heap, 1);
    assert_non_null(block);
    hf_heap_give(f.heap, block);
    hf_heap_check(f.heap);
    frame_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_load_zeros_follow_the_logs_growth),
        cmocka_unit_test(at_rest_there_are_pauses),
        cmocka_unit_test(a_running_log_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
