/* A scripted load is cut off after every single I/O completion, with every way to tear what was in
 * flight; recovery must find all that was acknowledged, a prefix of what was appended, and nothing
 * else. And the log must go on from there, crash again, and still be right.
 */
#include "tests/unit/log/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint32_t sizes[] = { 100, 0, 3000, 17, 70000, 512, 484, 1, 140000, 90, 200000, 60 };

/* Appends in bursts between completions; stops after `completions` of them. */
static bool load(frame *f, uint64_t completions, uint32_t records)
{
    uint32_t appended = 0;
    while (f->world.done < completions) {
        for (uint32_t i = 0; i < 3 && f->opened && appended < records; i++) {
            hf_err err = frame_append(f, sizes[appended % (sizeof sizes / sizeof sizes[0])]);
            assert_true(err == HF_OK || err == HF_E_FULL);
            appended += err == HF_OK;
        }
        if (!frame_turn(f)) {
            if (appended == records && hf_log_durable(f->log) == hf_log_appended(f->log)) {
                return false; /* the script is through */
            }
            if (f->world.pending_count == 0) {
                f->world.io.now_ns = hf_log_deadline(f->log);
            }
        }
        assert_false(f->failed);
    }
    return true;
}

static void crash_everywhere(uint32_t align, uint32_t flushes, fake_order order, fake_torn torn,
                             uint64_t stride)
{
    static frame f;
    bool more = true;
    for (uint64_t n = 1; more; n += stride) {
        frame_open(&f, align, n * 131 + torn);
        f.config.flushes_max = flushes;
        f.world.order = order;
        frame_start(&f, 0);
        more = load(&f, n, 30);
        frame_crash(&f, torn);
        assert_int_equal(frame_recover(&f, 0), HF_OK);
        frame_check_prefix(&f);

        /* Again, soon after: what was cut off must not come back. */
        f.world.done = 0;
        (void)load(&f, 1 + n % 7, 5);
        frame_crash(&f, (fake_torn)((torn + n) % FAKE_TORN_COUNT));
        assert_int_equal(frame_recover(&f, 0), HF_OK);
        frame_check_prefix(&f);
        frame_must_append(&f, 250);
        frame_settle(&f);
        frame_crash(&f, FAKE_NONE);
        uint32_t appended = f.appended;
        assert_int_equal(frame_recover(&f, 0), HF_OK);
        frame_check_prefix(&f);
        assert_int_equal(f.appended, appended);
        frame_close(&f);
    }
}

static void two_in_flight(void **state)
{
    (void)state;
    for (fake_torn torn = FAKE_NONE; torn < FAKE_TORN_COUNT; torn++) {
        crash_everywhere(512, 2, FAKE_OLDEST, torn, 3);
    }
}

static void two_in_flight_completing_in_any_order(void **state)
{
    (void)state;
    for (fake_torn torn = FAKE_NONE; torn < FAKE_TORN_COUNT; torn++) {
        crash_everywhere(512, 2, FAKE_RANDOM, torn, 4);
        crash_everywhere(512, 2, FAKE_NEWEST, torn, 7);
    }
}

static void one_in_flight_on_large_blocks(void **state)
{
    (void)state;
    for (fake_torn torn = FAKE_NONE; torn < FAKE_TORN_COUNT; torn++) {
        crash_everywhere(4096, 1, FAKE_OLDEST, torn, 5);
    }
}

/* Recovery itself is cut off after each of its steps, again and again. */
static void recovery_cut_off_at_every_step(void **state)
{
    (void)state;
    static frame f;
    for (uint64_t n = 10; n < 50; n += 2) {
        frame_open(&f, 512, n);
        f.world.order = FAKE_NEWEST;
        frame_start(&f, 0);
        (void)load(&f, n, 30);
        frame_crash(&f, (fake_torn)(n % FAKE_TORN_COUNT));
        bool more = true;
        for (uint64_t step = 1; more; step++) {
            frame_start(&f, 0);
            uint64_t until = f.world.done + step;
            while (f.world.done < until && !f.opened) {
                assert_true(frame_turn(&f));
            }
            more = !f.opened;
            frame_crash(&f, (fake_torn)((n + step) % FAKE_TORN_COUNT));
        }
        assert_int_equal(frame_recover(&f, 0), HF_OK);
        frame_check_prefix(&f);
        uint32_t appended = f.appended;
        frame_must_append(&f, 250);
        frame_settle(&f);
        frame_crash(&f, FAKE_NONE);
        assert_int_equal(frame_recover(&f, 0), HF_OK);
        frame_check_prefix(&f);
        assert_int_equal(f.appended, appended + 1);
        frame_close(&f);
    }
}

/* A segment whose name was in a cache only when the process was killed: it is durable before
 * anything in it is acknowledged. */
static void a_name_in_the_cache_is_made_durable(void **state)
{
    (void)state;
    static frame f;
    frame_open(&f, 512, 1);
    frame_start(&f, 0);
    while (!f.opened || f.log->make != HF_LOG_MAKE_NAMED) {
        if (!frame_turn(&f) && f.world.pending_count == 0) {
            f.world.io.now_ns = hf_log_deadline(f.log);
        }
    }
    fake_kill(&f.world);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    while (f.log->current != 2) {
        frame_must_append(&f, 60000);
    }
    frame_settle(&f);
    assert_true(f.log->make < HF_LOG_MAKE_NAMED); /* no name was synced by the next spare yet */
    frame_crash(&f, FAKE_NONE);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    frame_close(&f);
}

/* The newest batch of the segment before the current one, too. */
static void batches_in_the_cache_are_made_durable(void **state)
{
    (void)state;
    static frame f;
    frame_open(&f, 512, 1);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    while (f.log->offset < f.config.segment_bytes - 40000) {
        frame_must_append(&f, 20000);
        frame_settle(&f);
    }
    frame_idle(&f, 1000000000); /* the next segment is ready */
    frame_must_append(&f, 60000);
    hf_log_turn(f.log);
    assert_int_equal(f.log->flush_count, 2);
    assert_int_equal(f.log->flushes[0].segment + f.log->flushes[1].segment, 1 + 2);
    fake_kill(&f.world);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    frame_must_append(&f, 250);
    frame_settle(&f);
    frame_crash(&f, FAKE_NONE);
    assert_int_equal(frame_recover(&f, 0), HF_OK);
    frame_check_prefix(&f);
    frame_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_in_flight),
        cmocka_unit_test(two_in_flight_completing_in_any_order),
        cmocka_unit_test(one_in_flight_on_large_blocks),
        cmocka_unit_test(recovery_cut_off_at_every_step),
        cmocka_unit_test(a_name_in_the_cache_is_made_durable),
        cmocka_unit_test(batches_in_the_cache_are_made_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
