/* Claim: a packet goes out with the entries that were put into it, whatever became of them since.
 */
#include "tests/unit/groups/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { GROUPS = 40, SIZE = 40 };

static hf_err propose(cluster *c, uint32_t node, uint64_t group, const char *bytes)
{
    uint64_t first;
    hf_bytes payload = hf_bytes_of(bytes, SIZE);
    return hf_groups_propose(cluster_groups(c, node), group, &payload, 1, cluster_now(c), &first);
}

static void a_group_that_goes(void **state)
{
    (void)state;
    cluster *c = cluster_open(&(cluster_config){ .nodes = 3, .groups = GROUPS, .seed = 4 });
    char said[SIZE], later[SIZE];
    memset(said, 'a', SIZE);
    memset(later, 'b', SIZE);
    cluster_run(c, 1000, NULL, 0);
    uint32_t leader = hf_raft_leader(hf_groups_raft(cluster_groups(c, 1), 0));
    assert_int_equal(propose(c, leader, 0, said), HF_OK);
    assert_int_equal(hf_groups_remove(cluster_groups(c, leader), 0), HF_OK);
    uint32_t others = 0;
    for (uint64_t g = 1; g < GROUPS; g++) {
        others +=
            propose(c, leader, g, later) == HF_OK; /* takes the memory, if it was given back */
    }
    assert_true(others > 0);
    cluster_turn(c, leader);
    assert_true(cluster_carries(c, hf_bytes_of(said, SIZE)));
    assert_true(cluster_carries(c, hf_bytes_of(later, SIZE)));
    cluster_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_group_that_goes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
