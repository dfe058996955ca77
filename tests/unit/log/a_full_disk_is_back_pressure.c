/* ENOSPC refuses appends, flushes what was accepted, and ends when there is space again. */
#include "tests/unit/log/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static frame f;

/* Fills until the log says no for want of space; everything accepted becomes durable. */
static void fill(void)
{
    for (;;) {
        hf_err err = frame_append(&f, 30000);
        if (err == HF_E_NOSPACE) {
            break;
        }
        assert_true(err == HF_OK || err == HF_E_FULL);
        if (!frame_turn(&f)) {
            f.world.io.now_ns = hf_log_deadline(f.log);
        }
        assert_false(f.failed);
    }
    assert_true(hf_log_stats_get(f.log).no_space);
    assert_false(hf_log_admits(f.log, 1));
    for (uint32_t i = 0; i < 1000 && f.acked < f.appended; i++) {
        if (!frame_turn(&f)) {
            f.world.io.now_ns = hf_log_deadline(f.log);
        }
    }
    assert_int_equal(f.acked, f.appended);
}

static void space_comes_back(void **state)
{
    (void)state;
    static const uint64_t spaces[] = { 2, 3, 5 };
    for (uint32_t i = 0; i < 3; i++) {
        frame_open(&f, 512, 1);
        f.world.space = spaces[i] * 1024 * 1024 + 100000;
        assert_int_equal(frame_recover(&f, 0), HF_OK);
        fill();
        frame_idle(&f, 2000000000); /* it tries again, and says no again */
        assert_int_equal(frame_append(&f, 1), HF_E_NOSPACE);
        assert_int_equal(fake_count(&f.world, "core-00/spare-"), 0);
        f.world.space = 0;
        uint64_t wakes = f.wakes;
        frame_idle(&f, 2000000000);
        assert_true(f.wakes > wakes);
        frame_must_append(&f, 30000);
        frame_settle(&f);
        frame_crash(&f, FAKE_NONE);
        assert_int_equal(frame_recover(&f, 0), HF_OK);
        frame_check_prefix(&f);
        frame_close(&f);
    }
}

/* Only what ready segments take is accepted: a full disk that is met later cannot strand it. */
static void a_burst_is_accepted_only_as_far_as_it_fits(void **state)
{
    (void)state;
    frame_open(&f, 4096, 1);
    f.config.staging_bytes = 4 * 1024 * 1024;
    f.world.space = 1024 * 1024 + 100000;
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    while (frame_append(&f, 9000) == HF_OK) {
    }
    assert_int_equal(frame_append(&f, 9000), HF_E_FULL);
    assert_true(f.appended > 80);
    for (uint32_t i = 0; i < 200; i++) {
        (void)frame_turn(&f);
    }
    assert_int_equal(f.acked, f.appended);
    assert_int_equal(frame_append(&f, 9000), HF_E_NOSPACE);
    frame_close(&f);
}

static void cutting_the_log_ends_it_at_once(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    f.world.space = 3 * 1024 * 1024 + 100000;
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    fill();
    hf_log_truncate(f.log, f.lsns[f.appended - 1]);
    while (hf_log_stats_get(f.log).no_space) {
        (void)frame_turn(&f);
        f.world.io.now_ns += 10000000;
    }
    frame_must_append(&f, 30000);
    frame_settle(&f);
    frame_close(&f);
}

static void a_crash_while_the_disk_is_full(void **state)
{
    (void)state;
    for (fake_torn torn = FAKE_NONE; torn < FAKE_TORN_COUNT; torn++) {
        frame_open(&f, 512, torn);
        f.world.space = 3 * 1024 * 1024 + 100000;
        assert_int_equal(frame_recover(&f, 0), HF_OK);
        fill();
        uint32_t appended = f.appended;
        for (uint32_t i = 0; i < 3; i++) {
            frame_crash(&f, torn);
            assert_int_equal(frame_recover(&f, 0), HF_OK);
            frame_check_prefix(&f);
            assert_int_equal(f.appended, appended);
            frame_idle(&f, 1000000000);
        }
        f.world.space = 0;
        frame_idle(&f, 1000000000);
        frame_must_append(&f, 5000);
        frame_settle(&f);
        frame_close(&f);
    }
}

static void a_new_log_on_a_full_disk_opens_and_waits(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    f.world.space = 1000;
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    assert_int_equal(frame_append(&f, 1), HF_E_NOSPACE);
    f.world.space = 0;
    frame_idle(&f, 1000000000);
    frame_must_append(&f, 1);
    frame_settle(&f);
    frame_crash(&f, FAKE_NONE);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    assert_int_equal(f.appended, 1);
    frame_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(space_comes_back),
        cmocka_unit_test(a_burst_is_accepted_only_as_far_as_it_fits),
        cmocka_unit_test(cutting_the_log_ends_it_at_once),
        cmocka_unit_test(a_crash_while_the_disk_is_full),
        cmocka_unit_test(a_new_log_on_a_full_disk_opens_and_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
