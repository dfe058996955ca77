/* Claim: groups in which nothing happens take no step and send no message; what nodes say to one
 * another does not grow with the number of groups; one packet carries what many groups say. */
#include "tests/unit/groups/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { GROUPS = 3000, SECONDS = 10 };

static cluster_stats since(const cluster *c, cluster_stats then)
{
    cluster_stats now = cluster_stats_get(c);
    return (cluster_stats){ .packets = now.packets - then.packets,
                            .bytes = now.bytes - then.bytes,
                            .steps = now.steps - then.steps,
                            .messages = now.messages - then.messages };
}

static void silence(void **state)
{
    (void)state;
    cluster *c = cluster_open(
        &(cluster_config){ .nodes = 3, .groups = GROUPS, .seed = 1, .memory = 32u << 20 });
    cluster_run(c, 3000, NULL, 0);
    assert_int_equal(cluster_leaders(c), GROUPS);
    cluster_stats then = cluster_stats_get(c);
    cluster_run(c, SECONDS * 1000, NULL, 0);
    cluster_stats idle = since(c, then);
    assert_int_equal(idle.steps, 0);
    assert_int_equal(idle.messages, 0);
    /* Of liveness: a question and an answer for each pair, each way, every 40 ms. */
    assert_in_range(idle.packets, 1, 3 * 4 * SECONDS * 1000 / 40 + 3 * 4);
    cluster_close(c);
}

static void together(void **state)
{
    (void)state;
    cluster *c = cluster_open(
        &(cluster_config){ .nodes = 3, .groups = GROUPS, .seed = 2, .memory = 32u << 20 });
    cluster_run(c, 3000, NULL, 0);
    cluster_stats then = cluster_stats_get(c);
    assert_int_equal(cluster_propose_all(c), GROUPS);
    cluster_run(c, 100, NULL, 0);
    cluster_stats busy = since(c, then);
    printf("%d proposals: %llu messages in %llu packets, %llu steps\n", GROUPS,
           (unsigned long long)busy.messages, (unsigned long long)busy.packets,
           (unsigned long long)busy.steps);
    assert_int_equal(cluster_behind(c), 0);
    assert_true(busy.messages > 4 * GROUPS);
    assert_true(busy.packets < busy.messages / 20);
    cluster_close(c);
}

/* A node that dies takes its liveness along: who it led for finds another, and then is silent. */
static void a_node_is_gone(void **state)
{
    (void)state;
    cluster *c = cluster_open(
        &(cluster_config){ .nodes = 3, .groups = GROUPS, .seed = 3, .memory = 32u << 20 });
    cluster_run(c, 3000, NULL, 0);
    cluster_stop(c, 1);
    cluster_run(c, 3000, NULL, 0);
    assert_int_equal(cluster_leaders(c), GROUPS);
    cluster_stats then = cluster_stats_get(c);
    cluster_run(c, SECONDS * 1000, NULL, 0);
    assert_int_equal(since(c, then).steps, 0);
    assert_int_equal(cluster_propose_all(c), GROUPS);
    cluster_run(c, 1000, NULL, 0);
    cluster_begin(c, 1);
    cluster_run(c, 3000, NULL, 0);
    assert_int_equal(cluster_behind(c), 0);
    cluster_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence),
        cmocka_unit_test(together),
        cmocka_unit_test(a_node_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
