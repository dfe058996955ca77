/* Who says nothing is asked, and given up if no answer comes; who greets and is not answered gives
 * up too. A link that is busy asks nobody.
 */
#include "tests/unit/link/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static pair p;

static void pass(uint64_t ms)
{
    p.now += ms * PAIR_MS;
    hf_link_tick(p.a.link, p.now);
    hf_link_tick(p.b.link, p.now);
}

static void an_idle_link_asks_and_is_answered(void **state)
{
    (void)state;
    pair_make(&p);
    pair_connect(&p);
    assert_true(hf_link_rtt(p.a.link) == 0);
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(hf_link_wake_at(p.a.link) == p.now + UINT64_C(500) * PAIR_MS);
        pass(499);
        assert_false(hf_link_has_output(p.a.link));
        pass(1);
        assert_true(hf_link_has_output(p.a.link));
        pair_write(&p, &p.a, &p.b, 4096);
        pair_write(&p, &p.b, &p.a, 4096);
        pass(0);
        assert_false(hf_link_has_output(p.a.link)); /* asked once */
        p.now += UINT64_C(3) * PAIR_MS;
        pair_settle(&p);
        assert_true(hf_link_rtt(p.a.link) == UINT64_C(3) * PAIR_MS);
    }
    pair_close(&p);
}

static void a_busy_link_asks_nobody(void **state)
{
    (void)state;
    const hf_bytes beat = HF_LIT("beat");
    hf_link_sent back;
    pair_make(&p);
    pair_connect(&p);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(hf_link_send(p.a.link, HF_LINK_URGENT, &beat, 1, 0), HF_OK);
        assert_int_equal(hf_link_send(p.b.link, HF_LINK_URGENT, &beat, 1, 0), HF_OK);
        pair_settle(&p);
        assert_true(hf_link_take_back(p.a.link, &back) && hf_link_take_back(p.b.link, &back));
        pass(400);
    }
    assert_true(hf_link_rtt(p.a.link) == 0 && hf_link_rtt(p.b.link) == 0);
    pair_close(&p);
}

static void one_that_is_gone_is_given_up(void **state)
{
    (void)state;
    pair_make(&p);
    pair_connect(&p);
    for (uint32_t i = 0; i < 29; i++) {
        pass(100);
        pair_write(&p, &p.a, &p.b, 4096);
        p.b.wire_size = p.a.wire_size = 0; /* lost */
    }
    pair_expect(&p.a, HF_OK, "");
    assert_true(hf_link_wake_at(p.a.link) == p.now + UINT64_C(100) * PAIR_MS);
    pass(100);
    pair_expect(&p.a, HF_E_DEADLINE, "node 1 heard nothing of node 2 for 3000 ms");
    assert_true(hf_link_wake_at(p.a.link) == UINT64_MAX);
    pair_close(&p);
}

/* Half a frame is a sign of life, and then it is not. */
static void half_a_frame_keeps_nobody_waiting(void **state)
{
    (void)state;
    const hf_bytes beat = HF_LIT("beat");
    pair_make(&p);
    pair_connect(&p);
    assert_int_equal(hf_link_send(p.a.link, HF_LINK_URGENT, &beat, 1, 0), HF_OK);
    pair_write(&p, &p.a, &p.b, 4096);
    p.b.wire_size -= 2;
    p.now += UINT64_C(2999) * PAIR_MS;
    pair_read(&p, &p.b);
    hf_link_tick(p.b.link, p.now);
    pair_expect(&p.b, HF_OK, "");
    p.now += UINT64_C(3000) * PAIR_MS;
    hf_link_tick(p.b.link, p.now);
    pair_expect(&p.b, HF_E_DEADLINE, "node 2 heard nothing of node 1 for 3000 ms");
    pair_close(&p);
}

static void a_greeting_is_answered_in_time(void **state)
{
    (void)state;
    for (uint32_t told = 0; told < 3; told++) { /* how far it came */
        pair_make(&p);
        pair_open(&p);
        pair_write(&p, &p.b, &p.a, 4096);
        if (told == 1) {
            p.a.wire_size = 50;
        }
        if (told != 0) {
            pair_read(&p, &p.a);
        }
        assert_int_equal(p.a.greeted, told == 2);
        pass(1999);
        pair_expect(&p.a, HF_OK, "");
        assert_true(hf_link_wake_at(p.a.link) == p.now + PAIR_MS);
        pass(1);
        pair_expect(&p.a, HF_E_DEADLINE, "node 1 got no answer to its greeting within 2000 ms");
        pair_close(&p);
    }
}

/* Whoever gave up after it had agreed says so in a way that one who is open reads. */
static void one_that_agreed_too_late_is_told(void **state)
{
    (void)state;
    pair_make(&p);
    pair_open(&p);
    pair_write(&p, &p.a, &p.b, 4096);
    pair_read(&p, &p.b);
    pair_write(&p, &p.b, &p.a, 4096); /* b has agreed, and waits */
    p.now += UINT64_C(2000) * PAIR_MS;
    hf_link_tick(p.b.link, p.now);
    pair_settle(&p);
    assert_true(p.a.opened);
    pair_expect(&p.a, HF_E_CLOSED,
                "node 2 ended it (DEADLINE): node 2 got no answer to its greeting within 2000 ms");
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_link_asks_and_is_answered),
        cmocka_unit_test(a_busy_link_asks_nobody),
        cmocka_unit_test(one_that_is_gone_is_given_up),
        cmocka_unit_test(half_a_frame_keeps_nobody_waiting),
        cmocka_unit_test(a_greeting_is_answered_in_time),
        cmocka_unit_test(one_that_agreed_too_late_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
