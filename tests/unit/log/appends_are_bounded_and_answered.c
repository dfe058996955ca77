/* Every append has a definite answer: taken, full for now, too big, no space, or the log has ended.
 */
#include "tests/unit/log/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static frame f;

static void a_small_record_costs_one_sector(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    uint64_t written = hf_log_stats_get(f.log).bytes_written;
    frame_must_append(&f, 100);
    frame_settle(&f);
    assert_int_equal(hf_log_stats_get(f.log).bytes_written - written, 512);
    written += 512;
    for (uint32_t i = 0; i < 500; i++) {
        frame_must_append(&f, 100);
    }
    frame_settle(&f);
    written = hf_log_stats_get(f.log).bytes_written - written;
    assert_true(written < 500 * 131); /* head 28, table 1 %, batch heads and padding */
    frame_close(&f);
}

static void staging_full_is_refused_whole_and_ends(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_idle(&f, 100000000);
    uint64_t begun = hf_log_appended(f.log);
    while (hf_log_admits(f.log, 100000 + HF_LOG_RECORD_HEAD)) {
        assert_int_equal(frame_append(&f, 100000), HF_OK);
    }
    assert_true(f.appended >= 5);
    uint64_t appended = hf_log_appended(f.log);
    assert_int_equal(frame_append(&f, 100000), HF_E_FULL);
    assert_int_equal(hf_log_appended(f.log), appended);
    assert_int_equal(appended - begun, f.appended * (100000ull + HF_LOG_RECORD_HEAD));
    frame_settle(&f);
    assert_true(hf_log_admits(f.log, 100000));
    assert_int_equal(frame_append(&f, 100000), HF_OK);
    assert_int_equal(frame_append(&f, f.config.record_bytes_max + 1), HF_E_TOOBIG);
    frame_settle(&f);
    frame_close(&f);
}

static void at_most_two_are_submitted_and_not_acknowledged(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    f.world.order = FAKE_NEWEST; /* the second completes first: it is acknowledged with the first */
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_idle(&f, 100000000);
    assert_int_equal(f.world.pending_count, 0);
    uint32_t acked = f.acked;
    frame_must_append(&f, 100);
    hf_log_turn(f.log);
    frame_must_append(&f, 100);
    hf_log_turn(f.log);
    frame_must_append(&f, 100);
    hf_log_turn(f.log);
    assert_int_equal(f.world.pending_count, 2);
    assert_int_equal(hf_log_stats_get(f.log).in_flight, 2);
    assert_true(fake_step(&f.world)); /* the younger one */
    hf_log_turn(f.log);
    assert_int_equal(f.acked, acked);
    assert_int_equal(f.world.pending_count, 1); /* not a third, though only one is in flight */
    assert_true(fake_step(&f.world));
    assert_int_equal(f.acked, acked + 2);
    hf_log_turn(f.log);
    frame_settle(&f);
    assert_int_equal(f.acked, acked + 3);
    frame_close(&f);
}

static void a_failed_write_ends_the_log_for_good(void **state)
{
    (void)state;
    static const int64_t results[] = { -5, -28, -30, 0, 100 };
    for (uint32_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        frame_open(&f, 512, 1);
        assert_int_equal(frame_recover(&f, 0), HF_OK);
        frame_idle(&f, 100000000);
        frame_must_append(&f, 100);
        hf_log_turn(f.log);
        frame_must_append(&f, 100);
        hf_log_turn(f.log);
        uint32_t acked = f.acked;
        f.world.fail_kind = HF_IO_WRITE;
        f.world.fail_at = 1;
        f.world.fail_result = results[i] == 0 ? 1 : results[i];
        while (fake_step(&f.world)) {
            hf_log_turn(f.log);
        }
        assert_true(f.failed);
        assert_int_equal(f.failed_err, HF_E_IO);
        assert_non_null(strstr(f.detail, "core-00/log-0000000000000001, offset "));
        assert_int_equal(f.acked, acked); /* the second write succeeded, and counts for nothing */
        assert_int_equal(frame_append(&f, 1), HF_E_IO);
        assert_false(hf_log_admits(f.log, 1));
        hf_log_turn(f.log);
        assert_int_equal(f.world.pending_count, 0);
        assert_true(hf_log_deadline(f.log) == UINT64_MAX);
        frame_close(&f);
    }
}

static void nothing_is_acknowledged_after_a_failure(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    f.world.order = FAKE_NEWEST;
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_idle(&f, 100000000);
    frame_must_append(&f, 100);
    hf_log_turn(f.log);
    frame_must_append(&f, 100);
    hf_log_turn(f.log);
    uint64_t durable = hf_log_durable(f.log);
    f.world.fail_kind = HF_IO_WRITE;
    f.world.fail_at = 1;
    f.world.fail_result = -5;
    assert_true(fake_step(&f.world)); /* the younger one fails ... */
    assert_true(f.failed);
    assert_true(
        fake_step(&f.world)); /* ... and the older one, though it is on disk, comes too late */
    assert_int_equal(hf_log_durable(f.log), durable);
    frame_close(&f);
}

static void records_of_8_mib_span_batches_and_segments(void **state)
{
    (void)state;
    frame_open(&f, 4096, 1);
    f.config.record_bytes_max = 8 * 1024 * 1024;
    f.config.staging_bytes = 20 * 1024 * 1024;
    f.config.batch_bytes_max = 256 * 1024;
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_must_append(&f, 10);
    frame_must_append(&f, 8 * 1024 * 1024);
    frame_must_append(&f, 10);
    frame_must_append(&f, 8 * 1024 * 1024);
    frame_must_append(&f, 10);
    frame_settle(&f);
    assert_true(hf_log_stats_get(f.log).segments > 16);
    frame_crash(&f, FAKE_NONE);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    assert_int_equal(f.appended, 5);
    frame_crash(&f, FAKE_NONE);
    assert_int_equal(frame_recover(&f, f.lsns[1]), HF_OK); /* begins within a segment */
    frame_check_prefix(&f);
    assert_int_equal(f.appended, 5);
    frame_close(&f);
}

static void no_memory_is_told_at_open(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    hf_heap *heap = hf_heap_open(f.memory, 1024 * 1024);
    size_t used = hf_heap_used(heap);
    hf_log_handler handler = { .context = &f };
    assert_null(hf_log_open(heap, &f.world.io, &f.config, &handler));
    assert_int_equal(hf_heap_used(heap), used);
    frame_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_record_costs_one_sector),
        cmocka_unit_test(staging_full_is_refused_whole_and_ends),
        cmocka_unit_test(at_most_two_are_submitted_and_not_acknowledged),
        cmocka_unit_test(a_failed_write_ends_the_log_for_good),
        cmocka_unit_test(nothing_is_acknowledged_after_a_failure),
        cmocka_unit_test(records_of_8_mib_span_batches_and_segments),
        cmocka_unit_test(no_memory_is_told_at_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
