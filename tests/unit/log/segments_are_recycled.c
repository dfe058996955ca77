/* Segments that are not needed are zeroed and used again, or removed; what they held never comes
 * back. */
#include "tests/unit/log/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static frame f;

static void old_content_never_comes_back(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    uint64_t kept = 0;
    for (uint32_t round = 0; round < 40; round++) {
        for (uint32_t i = 0; i < 3; i++) {
            frame_must_append(&f, 90000);
        }
        frame_settle(&f);
        if (round % 4 == 3) {
            kept = f.lsns[f.appended - 4];
            hf_log_truncate(f.log, kept);
            assert_true(hf_log_begin(f.log) <= kept);
        }
        frame_idle(&f, 1000000000);
        assert_true(hf_log_bytes(f.log) < 5 * 1024 * 1024);
        assert_true(fake_count(&f.world, "core-00/") <= 8);
        frame_crash(&f, (fake_torn)(round % FAKE_TORN_COUNT));
        assert_int_equal(frame_recover(&f, kept), HF_OK);
        frame_check_prefix(&f);
        assert_int_equal(f.appended, 3 * (round + 1));
    }
    /* The numbers have grown; the first files are gone. */
    assert_null(fake_find(&f.world, frame_segment(1)));
    assert_non_null(fake_find(&f.world, frame_segment(10)));
    frame_close(&f);
}

/* Crashes after every completion of a run that fills, truncates and recycles. */
static void a_crash_at_every_step_of_recycling(void **state)
{
    (void)state;
    bool more = true;
    for (uint64_t n = 20; more; n += 3) {
        frame_open(&f, 512, n);
        f.world.order = n % 2 == 0 ? FAKE_RANDOM : FAKE_OLDEST;
        frame_start(&f, 0);
        uint64_t kept = 0;
        uint32_t appended = 0;
        while (f.world.done < n && (appended < 70 || !hf_log_admits(f.log, 1))) {
            if (f.opened && frame_append(&f, 60000) == HF_OK) {
                appended++;
                if (appended % 10 == 0 && f.acked > 6) {
                    kept = f.lsns[f.acked - 6];
                    hf_log_truncate(f.log, kept);
                }
            }
            if (!frame_turn(&f) && f.world.pending_count == 0) {
                f.world.io.now_ns = hf_log_deadline(f.log);
            }
            assert_false(f.failed);
        }
        more = f.world.done >= n;
        frame_crash(&f, (fake_torn)(n % FAKE_TORN_COUNT));
        assert_int_equal(frame_recover(&f, kept), HF_OK);
        frame_check_prefix(&f);
        frame_must_append(&f, 1000);
        frame_settle(&f);
        frame_crash(&f, FAKE_NONE);
        assert_int_equal(frame_recover(&f, kept), HF_OK);
        frame_check_prefix(&f);
        frame_close(&f);
    }
}

static void nothing_below_a_needed_record_is_cut(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    for (uint32_t i = 0; i < 60; i++) {
        frame_must_append(&f, 70000);
    }
    frame_settle(&f);
    for (uint32_t i = 0; i < 60; i += 7) {
        hf_log_truncate(f.log, f.lsns[i]);
        assert_true(hf_log_begin(f.log) <= f.lsns[i]);
        uint64_t bytes = hf_log_bytes(f.log);
        assert_true(bytes < 70028ull * (60 - i) + 1024 * 1024);
        frame_idle(&f, 500000000);
        frame_crash(&f, FAKE_NONE);
        assert_int_equal(frame_recover(&f, f.lsns[i]), HF_OK);
        frame_check_prefix(&f);
        assert_int_equal(f.appended, 60);
    }
    frame_close(&f);
}

static void the_spare_is_made_ahead_and_in_steps(void **state)
{
    (void)state;
    frame_open(&f, 512, 1);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    assert_int_equal(hf_log_stats_get(f.log).segments, 1);
    frame_idle(&f, 100000000);
    assert_int_equal(hf_log_stats_get(f.log).segments, 2);
    for (uint32_t i = 0; i < 300; i++) {
        frame_must_append(&f, 10000);
        frame_settle(&f);
        /* A flush has never to wait for a segment. */
        assert_true(hf_log_admits(f.log, 10000));
        frame_idle(&f, 2000000);
    }
    frame_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_content_never_comes_back),
        cmocka_unit_test(a_crash_at_every_step_of_recycling),
        cmocka_unit_test(nothing_below_a_needed_record_is_cut),
        cmocka_unit_test(the_spare_is_made_ahead_and_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
