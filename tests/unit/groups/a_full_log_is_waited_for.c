/* Claim: a log or a heap without room stops what needs it and nothing else; with room it goes on.
 */
#include "tests/unit/groups/cluster.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { GROUPS = 8 };

static cluster *settled(uint64_t seed)
{
    cluster *c = cluster_open(&(cluster_config){ .nodes = 3, .groups = GROUPS, .seed = seed });
    cluster_run(c, 1000, NULL, 0);
    assert_int_equal(cluster_leaders(c), GROUPS);
    return c;
}

static void a_full_log(void **state)
{
    (void)state;
    cluster *c = settled(1);
    const cluster_faults nothing = { .lost = 0 };
    for (uint32_t i = 1; i <= 3; i++) {
        cluster_fill(c, i, true);
    }
    (void)cluster_propose_all(c);
    cluster_run(c, 50, &nothing, 0);
    uint64_t committed = cluster_committed(c);
    bool stalled = false;
    for (uint32_t i = 1; i <= 3; i++) {
        hf_bytes payload = hf_bytes_of("x", 1);
        uint64_t first, term;
        if (hf_groups_stats_get(cluster_groups(c, i)).stalled) {
            stalled = true;
            for (uint64_t g = 0; g < GROUPS; g++) {
                hf_err err = hf_groups_propose(cluster_groups(c, i), g, &payload, 1, cluster_now(c),
                                               &first, &term);
                assert_true(err == HF_E_BUSY || err == HF_E_MOVED);
            }
            assert_int_equal(hf_groups_remove(cluster_groups(c, i), 0), HF_E_BUSY);
        }
    }
    assert_true(stalled);
    cluster_run(c, 2000, NULL, 0);
    assert_int_equal(cluster_leaders(c), GROUPS);
    assert_int_equal(cluster_propose_all(c), GROUPS);
    cluster_run(c, 500, NULL, 0);
    assert_int_equal(cluster_behind(c), 0);
    assert_true(cluster_committed(c) >= committed + GROUPS);
    cluster_close(c);
}

/* A node that can write nothing is no leader for anybody: the others go on without it, and it comes
 * back when it has room. */
static void a_full_log_of_one_node(void **state)
{
    (void)state;
    cluster *c = settled(4);
    const cluster_faults nothing = { .lost = 0 };
    uint32_t full = hf_raft_leader(hf_groups_raft(cluster_groups(c, 1), 0));
    cluster_fill(c, full, true);
    (void)cluster_propose_all(c); /* one of them stops it */
    cluster_run(c, 3000, &nothing, 0);
    assert_true(hf_groups_stats_get(cluster_groups(c, full)).stalled);
    uint64_t committed = cluster_committed(c);
    assert_int_equal(cluster_propose_all(c), GROUPS);
    cluster_run(c, 500, &nothing, 0);
    assert_true(cluster_committed(c) >= committed + GROUPS);
    cluster_run(c, 3000, NULL, 0);
    assert_int_equal(cluster_leaders(c), GROUPS);
    assert_int_equal(cluster_propose_all(c), GROUPS);
    cluster_run(c, 500, NULL, 0);
    assert_int_equal(cluster_behind(c), 0);
    cluster_close(c);
}

/* A log that takes nothing for a moment, as under load, costs no leader. */
static void a_log_that_is_full_for_a_moment(void **state)
{
    (void)state;
    cluster *c = settled(5);
    const cluster_faults nothing = { .lost = 0 };
    uint32_t full = hf_raft_leader(hf_groups_raft(cluster_groups(c, 1), 0));
    uint64_t term = hf_raft_term(hf_groups_raft(cluster_groups(c, full), 0));
    cluster_fill(c, full, true);
    (void)cluster_propose_all(c); /* one of them stops it */
    cluster_run(c, 400, &nothing, 0);
    assert_true(hf_groups_stats_get(cluster_groups(c, full)).stalled);
    cluster_run(c, 2000, NULL, 0);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(hf_raft_leader(hf_groups_raft(cluster_groups(c, i), 0)), full);
        assert_int_equal(hf_raft_term(hf_groups_raft(cluster_groups(c, i), 0)), term);
    }
    cluster_close(c);
}

/* Every take of memory fails once, in turn. */
static void no_memory(void **state)
{
    (void)state;
    cluster *c = settled(2);
    for (uint64_t take = 1; take < 60; take++) {
        for (uint32_t i = 1; i <= 3; i++) {
            hf_heap_fail_at(cluster_heap(c, i), take);
        }
        (void)cluster_propose_all(c);
        cluster_run(c, 60, NULL, 0);
        if (take % 20 == 0) {
            cluster_compact(c, 1 + (uint32_t)(take / 20) % 3);
        }
    }
    for (uint32_t i = 1; i <= 3; i++) {
        hf_heap_fail_at(cluster_heap(c, i), 0);
    }
    uint64_t lost = 0;
    for (uint32_t i = 1; i <= 3; i++) {
        lost += hf_groups_stats_get(cluster_groups(c, i)).lost_memory;
    }
    assert_true(lost > 20);
    cluster_run(c, 2000, NULL, 0);
    assert_int_equal(cluster_propose_all(c), GROUPS);
    cluster_run(c, 1000, NULL, 0);
    assert_int_equal(cluster_behind(c), 0);
    cluster_close(c);
}

/* What is applied goes with the checkpoint, what waits for a quorum moves along: the log is short.
 */
static void log_space_comes_back(void **state)
{
    (void)state;
    cluster *c = settled(3);
    for (int i = 0; i < 30; i++) {
        (void)cluster_propose_all(c);
        cluster_run(c, 20, NULL, 0);
    }
    uint32_t leader = hf_raft_leader(hf_groups_raft(cluster_groups(c, 1), 0));
    for (uint32_t i = 1; i <= 3; i++) {
        if (i != leader) {
            cluster_stop(c, i); /* no quorum: proposals stay in the log */
        }
    }
    uint64_t first, term;
    hf_bytes payload = hf_bytes_of("waits", 5);
    assert_int_equal(
        hf_groups_propose(cluster_groups(c, leader), 0, &payload, 1, cluster_now(c), &first, &term),
        HF_OK);
    cluster_run(c, 20, NULL, 0);
    assert_true(cluster_log_bytes(c, leader) > 1000);
    cluster_checkpoint(c, leader);
    assert_int_equal(cluster_log_bytes(c, leader), 0);
    cluster_stop(c, leader);
    for (uint32_t i = 1; i <= 3; i++) {
        cluster_begin(c, i);
    }
    cluster_run(c, 3000, NULL, 0);
    assert_int_equal(cluster_leaders(c), GROUPS);
    assert_int_equal(cluster_propose_all(c), GROUPS);
    cluster_run(c, 1000, NULL, 0);
    assert_int_equal(cluster_behind(c), 0);
    cluster_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_log),
        cmocka_unit_test(a_full_log_of_one_node),
        cmocka_unit_test(a_log_that_is_full_for_a_moment),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(log_space_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
