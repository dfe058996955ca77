/* A group is one block: about a kilobyte for three members, so ten thousand idle ones are ten
 * megabytes. One that outgrows its block says so, takes nothing that does not fit, leads nothing,
 * and goes on where it was once it was moved to a larger one.
 */
#include "txn/raft/raft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCK = 8192, GROUPS = 10000 };

static const hf_raft_options options = { .election_ns = 100,
                                         .quorum_ns = 300,
                                         .resend_ns = 50,
                                         .message_bytes = 10,
                                         .window_bytes = 10,
                                         .uncommitted = 10,
                                         .window = 4 };
static hf_liveness live;
static hf_raft_update update;

static uint64_t within(const void *log, uint64_t first, uint64_t last, uint64_t bytes)
{
    (void)log;
    return last - first < bytes ? last : first + bytes - 1;
}

static hf_raft *opened(void *at, hf_raft_limits limits, uint32_t members)
{
    hf_raft_start start = { .self = 1 };
    for (uint32_t i = 1; i <= members; i++) {
        start.config.node[i - 1] = i;
        start.config.role[i - 1] = HF_RAFT_VOTER;
    }
    start.config.count = (uint8_t)members;
    return hf_raft_open(at, &limits, &start);
}

static void step(hf_raft *r, uint64_t now, const hf_raft_event *event)
{
    hf_raft_view v = { .options = &options, .live = &live, .now = now, .within = within };
    assert_int_equal(hf_raft_step(r, &v, event, &update), HF_OK);
    hf_raft_check(r);
    uint64_t write = update.write;
    uint64_t last = update.last;
    while (write != 0) { /* the disk has no work of its own to do */
        hf_raft_event done = { .kind = HF_RAFT_PERSISTED, .write = write, .index = last };
        static hf_raft_update then;
        assert_int_equal(hf_raft_step(r, &v, &done, &then), HF_OK);
        write = then.write;
        last = then.last;
    }
}

/* One entry of `term` from node 2, after those of the terms before it. */
static void append(hf_raft *r, uint64_t term)
{
    hf_raft_entry entry = { .term = term, .kind = HF_RAFT_NOOP };
    hf_raft_message m = { .kind = HF_RAFT_APPEND,
                          .from = 2,
                          .to = 1,
                          .term = term,
                          .index = term - 1,
                          .log_term = term - 1,
                          .last = term };
    step(r, 1000, &(hf_raft_event){ .kind = HF_RAFT_RECEIVE, .message = &m, .entries = &entry });
}

static void three_members_take_a_kilobyte(void **state)
{
    (void)state;
    hf_raft_limits limits = { 3, 8 };
    printf("a group of three: %zu bytes; %d: %zu KiB; an update: %zu bytes\n",
           hf_raft_size(&limits), GROUPS, hf_raft_size(&limits) * GROUPS / 1024,
           sizeof(hf_raft_update));
    assert_true(hf_raft_size(&limits) <= 1200);
}

static void too_many_terms(void **state)
{
    (void)state;
    static uint64_t small[BLOCK / 8], large[BLOCK / 8];
    hf_raft *r = opened(small, (hf_raft_limits){ 3, 2 }, 3);
    append(r, 1);
    assert_false(update.cramped);
    append(r, 2);
    assert_true(update.cramped);
    append(r, 3);
    assert_true(update.cramped);
    assert_int_equal(hf_raft_last(r), 2);
    assert_int_equal(update.message[0].index, 2);    /* told: no more than that */
    assert_int_equal(update.wake_at, HF_RAFT_NEVER); /* it cannot lead: no timer */

    hf_raft_limits limits = { 3, 8 };
    r = hf_raft_move(large, &limits, r);
    memset(small, 0xff, sizeof small);
    hf_raft_check(r);
    step(r, 1001, &(hf_raft_event){ .kind = HF_RAFT_TICK });
    assert_false(update.cramped);
    assert_int_equal(update.wake_at, 1101);
    append(r, 3);
    assert_int_equal(hf_raft_last(r), 3);
    assert_int_equal(hf_raft_term(r), 3);
}

static void too_many_members(void **state)
{
    (void)state;
    static uint64_t small[BLOCK / 8], large[BLOCK / 8];
    hf_raft *r = opened(small, (hf_raft_limits){ 3, 8 }, 4);
    step(r, 1000, &(hf_raft_event){ .kind = HF_RAFT_TICK });
    assert_true(update.cramped);
    assert_int_equal(update.wake_at, HF_RAFT_NEVER);

    hf_raft_limits limits = { 4, 8 };
    r = hf_raft_move(large, &limits, r);
    step(r, 1000, &(hf_raft_event){ .kind = HF_RAFT_TICK });
    step(r, 1100, &(hf_raft_event){ .kind = HF_RAFT_TICK });
    assert_int_equal(hf_raft_role_of(r), HF_RAFT_ASKING);
    assert_int_equal(update.message_count, 3);
}

static void a_leader_grows_on(void **state)
{
    (void)state;
    static uint64_t small[BLOCK / 8], large[BLOCK / 8];
    hf_raft *r = opened(small, (hf_raft_limits){ 1, 8 }, 1);
    step(r, 1000, &(hf_raft_event){ .kind = HF_RAFT_TICK });
    step(r, 1100, &(hf_raft_event){ .kind = HF_RAFT_TICK });
    assert_int_equal(hf_raft_role_of(r), HF_RAFT_LEADER);
    hf_raft_config two = { .node = { 1, 2 },
                           .role = { HF_RAFT_VOTER, HF_RAFT_LEARNER },
                           .count = 2 };
    hf_raft_event change = { .kind = HF_RAFT_CHANGE, .config = &two };
    hf_raft_view v = { .options = &options, .live = &live, .now = 1101, .within = within };
    assert_int_equal(hf_raft_step(r, &v, &change, &update), HF_E_FULL);

    hf_raft_limits limits = { 2, 8 };
    r = hf_raft_move(large, &limits, r);
    step(r, 1102, &change);
    assert_int_equal(hf_raft_commit(r), 2);
    uint64_t match = 0;
    assert_true(hf_raft_match(r, 2, &match));
    assert_int_equal(match, 0);
}

int main(void)
{
    const hf_liveness_options o = { 50, 200, 10 };
    hf_liveness_open(&live, &o, 1, 1, true, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_members_take_a_kilobyte),
        cmocka_unit_test(too_many_terms),
        cmocka_unit_test(too_many_members),
        cmocka_unit_test(a_leader_grows_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
