/* Claim: a packet goes out with the entries that were put into it, whatever became of them since;
 * and none comes in with an entry that this node could not pass on or read back.
 */
#include "tests/unit/groups/cluster.h"
#include "txn/raft/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { GROUPS = 40, SIZE = 40 };

static hf_err propose(cluster *c, uint32_t node, uint64_t group, const char *bytes)
{
    uint64_t first, term;
    hf_bytes payload = hf_bytes_of(bytes, SIZE);
    return hf_groups_propose(cluster_groups(c, node), group, &payload, 1, cluster_now(c), &first,
                             &term);
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

/* An append of one entry, from node 2 to node 1. */
static hf_bytes packet_of(uint8_t *bytes, uint32_t size)
{
    static uint8_t heads[HF_RAFT_PACKET_HEADS_MIN], entry[4096];
    static hf_bytes parts[HF_RAFT_PACKET_PARTS_MIN];
    hf_raft_packet p;
    hf_raft_packet_begin(&p, heads, sizeof heads, parts, HF_RAFT_PACKET_PARTS_MIN, 8192, 2, 1);
    hf_raft_message m = { .kind = HF_RAFT_APPEND, .from = 2, .to = 1, .term = 1000, .last = 1 };
    hf_bytes payload = hf_bytes_of(entry, size);
    assert_true(hf_raft_packet_add(
        &p, 0, &m, &(hf_raft_entry){ .term = 1000, .kind = HF_RAFT_DATA }, &payload));
    uint32_t count = hf_raft_packet_end(&p);
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; at += parts[i].size, i++) {
        memcpy(bytes + at, parts[i].data, parts[i].size);
    }
    return hf_bytes_of(bytes, at);
}

/* Its record would be refused when it is replayed, and no packet would have room for it. */
static void an_entry_too_large(void **state)
{
    (void)state;
    static uint8_t bytes[8192];
    const char *what = NULL;
    cluster *c = cluster_open(&(cluster_config){ .nodes = 3, .groups = 1, .seed = 5 });
    hf_groups *groups = cluster_groups(c, 1);
    hf_bytes large = packet_of(bytes, 1025);
    assert_int_equal(hf_groups_receive(groups, 2, large, cluster_now(c), &what), HF_E_TOOBIG);
    assert_non_null(what);
    assert_int_equal(hf_raft_term(hf_groups_raft(groups, 0)), 0);
    hf_bytes fits = packet_of(bytes, 1024);
    assert_int_equal(hf_groups_receive(groups, 2, fits, cluster_now(c), &what), HF_OK);
    assert_int_equal(hf_raft_term(hf_groups_raft(groups, 0)), 1000);
    cluster_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_that_goes),
        cmocka_unit_test(an_entry_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
