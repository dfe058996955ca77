/* After a quiet time a small batch without records proves that the one before it was acknowledged,
 * so that zeros in it are told from a torn tail. And the torn tail itself: what is cut off, and
 * what is not.
 */
#include "tests/unit/log/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static frame f;
static const uint8_t zeros[65536];

static void open_with_records(uint32_t count)
{
    frame_open(&f, 512, 3);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    for (uint32_t i = 0; i < count; i++) {
        frame_must_append(&f, 2000);
        frame_settle(&f);
    }
}

static void five_milliseconds_after_the_newest_batch(void **state)
{
    (void)state;
    open_with_records(3);
    frame_idle(&f, 1000000); /* lets the spare be begun */
    uint64_t batches = hf_log_stats_get(f.log).batches;
    assert_true(hf_log_deadline(f.log) != UINT64_MAX);
    frame_idle(&f, 100000000);
    assert_int_equal(hf_log_stats_get(f.log).batches, batches + 1);
    assert_true(hf_log_deadline(f.log) == UINT64_MAX); /* one seal is enough */
    frame_idle(&f, 100000000);
    assert_int_equal(hf_log_stats_get(f.log).batches, batches + 1);
    hf_log_batch last;
    frame_last_batch(&f, &last);
    assert_true(last.seal && last.payload_size == 0 && last.block_size == 512);
    assert_int_equal(last.durable_seq, last.seq - 1);
    frame_close(&f);
}

static void no_seal_while_records_come(void **state)
{
    (void)state;
    open_with_records(0);
    frame_idle(&f, 100000000);
    uint64_t batches = hf_log_stats_get(f.log).batches;
    for (uint32_t i = 0; i < 20; i++) {
        frame_must_append(&f, 10);
        frame_settle(&f);
        frame_idle(&f, 4000000);
    }
    assert_int_equal(hf_log_stats_get(f.log).batches, batches + 20);
    frame_close(&f);
}

static void zero_newest_batch_with_records(uint32_t sector)
{
    hf_log_batch last;
    frame_last_batch(&f, &last);
    if (last.seal) {
        fake_file *file = fake_find(&f.world, frame_segment(1));
        hf_log_why why;
        for (uint64_t at = last.offset - 512;; at -= 512) {
            if (hf_log_batch_head(file->now + at, &last, &why) == HF_LOG_WHOLE) {
                break;
            }
        }
    }
    assert_false(last.seal);
    assert_true(last.block_size > sector * 512);
    fake_poke(&f.world, frame_segment(1), last.offset + 512 * sector, zeros, 512);
}

static void rot_to_zeros_is_found_once_sealed(void **state)
{
    (void)state;
    for (uint32_t sector = 0; sector < 4; sector++) {
        open_with_records(5);
        frame_idle(&f, 100000000);
        frame_crash(&f, FAKE_NONE);
        zero_newest_batch_with_records(sector);
        assert_int_equal(frame_recover(&f, 0), HF_E_CORRUPT);
        assert_non_null(strstr(f.detail, "acknowledged batch is missing or incomplete"));
        frame_close(&f);
    }
}

/* The window that remains: between the acknowledgement and the seal. This is its honest statement.
 */
static void before_the_seal_zeros_look_like_a_torn_tail(void **state)
{
    (void)state;
    open_with_records(5);
    frame_crash(&f, FAKE_NONE);
    zero_newest_batch_with_records(2);
    f.acked = 4;
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    assert_int_equal(f.appended, 4);
    frame_close(&f);
}

static void what_recovery_accepted_counts_as_acknowledged(void **state)
{
    (void)state;
    open_with_records(5);
    frame_crash(&f, FAKE_NONE);
    hf_log_batch before;
    frame_last_batch(&f, &before);
    assert_int_equal(frame_recover(&f, 0), HF_OK); /* writes a seal before it says so */
    frame_check_prefix(&f);
    hf_log_batch after;
    frame_last_batch(&f, &after);
    assert_true(after.seal && after.begin);
    assert_int_equal(after.epoch, before.epoch + 1);
    frame_crash(&f, FAKE_NONE);
    zero_newest_batch_with_records(1);
    assert_int_equal(frame_recover(&f, 0), HF_E_CORRUPT);
    frame_close(&f);
}

/* Two batches in flight when the power goes; what the disk has of them is set by hand. */
static void two_torn(hf_log_batch *one, hf_log_batch *two)
{
    open_with_records(3);
    frame_must_append(&f, 3000);
    hf_log_turn(f.log);
    frame_must_append(&f, 3000);
    hf_log_turn(f.log);
    assert_int_equal(hf_log_stats_get(f.log).in_flight, 2);
    frame_crash(&f, FAKE_ALL);
    frame_last_batch(&f, two);
    hf_log_why why;
    uint8_t *bytes = fake_find(&f.world, frame_segment(1))->now;
    assert_int_equal(hf_log_batch_head(bytes + two->offset - 3584, one, &why), HF_LOG_WHOLE);
    assert_int_equal(one->seq + 1, two->seq);
}

static void expect_kept(uint32_t records)
{
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    assert_int_equal(f.appended, records);
    frame_must_append(&f, 100);
    frame_settle(&f);
    frame_crash(&f, FAKE_NONE);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    assert_int_equal(f.appended, records + 1);
    frame_close(&f);
}

static void a_torn_tail_is_cut_at_the_first_hole(void **state)
{
    (void)state;
    hf_log_batch one;
    hf_log_batch two;
    for (uint32_t at = 0; at < 3584; at += 512) {
        two_torn(&one, &two);
        fake_poke(&f.world, frame_segment(1), two.offset + at, zeros, 512);
        expect_kept(4);
        two_torn(&one, &two);
        fake_poke(&f.world, frame_segment(1), one.offset + at, zeros, 512);
        expect_kept(3); /* the second is whole, and must not come back */
        two_torn(&one, &two);
        fake_poke(&f.world, frame_segment(1), one.offset + at, zeros, 512);
        fake_poke(&f.world, frame_segment(1), two.offset + at, zeros, 512);
        expect_kept(3);
    }
}

/* The first of two in flight ends a segment and is torn; the second, whole, begins the next one. */
static void a_torn_tail_that_reaches_into_the_next_segment(void **state)
{
    (void)state;
    frame_open(&f, 512, 3);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_idle(&f, 500000000);
    while (f.log->offset + 20000 < 1024 * 1024) {
        frame_must_append(&f, 9000);
        frame_settle(&f);
    }
    frame_idle(&f, 3000000);
    uint32_t kept = f.appended;
    frame_must_append(&f, 50000); /* the first part fills segment 1, the rest begins segment 2 */
    hf_log_turn(f.log);
    assert_int_equal(hf_log_stats_get(f.log).in_flight, 2);
    assert_int_equal(f.log->current, 2);
    uint32_t torn = f.log->flushes[f.log->flush_first].op.offset & 0xffffffff;
    frame_crash(&f, FAKE_ALL);
    fake_poke(&f.world, frame_segment(1), torn, zeros, 512);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    assert_int_equal(f.appended, kept);
    fake_file *next = fake_find(&f.world, frame_segment(2));
    assert_true(hf_log_is_zero(next->now + HF_LOG_SEGMENT_HEAD, 1024 * 1024 - HF_LOG_SEGMENT_HEAD));
    while (f.log->current == 1) {
        frame_must_append(&f, 900);
        frame_settle(&f);
    }
    frame_crash(&f, FAKE_NONE);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    frame_close(&f);
}

/* kill -9 leaves what was on its way in the disk's cache: what recovery reads there, and answers
 * from, it must make durable first.
 */
static void what_was_read_from_the_cache_is_made_durable(void **state)
{
    (void)state;
    open_with_records(3);
    frame_must_append(&f, 3000);
    hf_log_turn(f.log);
    frame_must_append(&f, 3000);
    hf_log_turn(f.log);
    fake_kill(&f.world);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    assert_int_equal(f.appended, 5);
    frame_crash(&f, FAKE_NONE);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    assert_int_equal(f.appended, 5);
    frame_close(&f);
}

static void rot_in_a_torn_tail_is_no_torn_tail(void **state)
{
    (void)state;
    hf_log_batch one;
    hf_log_batch two;
    for (uint32_t at = 0; at < 3584; at += 500) {
        two_torn(&one, &two);
        fake_flip(&f.world, frame_segment(1), two.offset + at);
        assert_int_equal(frame_recover(&f, 0), HF_E_CORRUPT);
        fake_poke(&f.world, frame_segment(1), one.offset + 1024, zeros, 512);
        assert_int_equal(frame_recover(&f, 0), HF_E_CORRUPT);
        frame_close(&f);
    }
}

/* A seal at a segment's end, lost in a crash that keeps the next segment's first batch: both are
 * unacknowledged, and both go, from whichever log position recovery starts. */
static void a_lost_seal_between_two_segments_is_seen(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    while (f.log->offset + 512 < f.config.segment_bytes) {
        frame_must_append(&f, 200);
        frame_settle(&f);
        if (f.log->offset + 1024 > f.config.segment_bytes - 4096) {
            continue; /* no seal before the last sector */
        }
        frame_idle(&f, 1000000);
    }
    while (f.log->flush_count == 0) {
        f.world.io.now_ns += 1000000;
        hf_log_turn(f.log);
    }
    assert_int_equal(f.log->current, 1);
    uint64_t from = hf_log_durable(f.log);
    frame_must_append(&f, 200);
    hf_log_turn(f.log);
    assert_int_equal(f.log->flush_count, 2);
    assert_int_equal(f.log->current, 2);
    f.world.pending[0] = f.world.pending[1]; /* the seal never left */
    f.world.pending_count = 1;
    frame_crash(&f, FAKE_ALL);
    assert_int_equal(frame_recover(&f, from), HF_OK);
    frame_check_prefix(&f);
    assert_int_equal(f.log->current, 1);
    frame_must_append(&f, 200);
    frame_settle(&f);
    frame_crash(&f, FAKE_NONE);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    frame_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_milliseconds_after_the_newest_batch),
        cmocka_unit_test(no_seal_while_records_come),
        cmocka_unit_test(rot_to_zeros_is_found_once_sealed),
        cmocka_unit_test(before_the_seal_zeros_look_like_a_torn_tail),
        cmocka_unit_test(what_recovery_accepted_counts_as_acknowledged),
        cmocka_unit_test(a_torn_tail_is_cut_at_the_first_hole),
        cmocka_unit_test(a_torn_tail_that_reaches_into_the_next_segment),
        cmocka_unit_test(what_was_read_from_the_cache_is_made_durable),
        cmocka_unit_test(rot_in_a_torn_tail_is_no_torn_tail),
        cmocka_unit_test(a_lost_seal_between_two_segments_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
