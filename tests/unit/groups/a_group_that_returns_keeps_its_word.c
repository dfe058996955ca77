/* Claim: a replica that was removed and comes back gives no vote twice, and none at all until it
 * has what it had: over a restart and a checkpoint too.
 */
#include "engine/base/buf.h"
#include "tests/unit/groups/cluster.h"
#include "txn/raft/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { TERM = 1000, VOTE_AT = 4, TERM_AT = 8 };

/* Node 1 is asked for its vote. */
static void ask(cluster *c, uint32_t from, uint64_t term)
{
    static uint8_t heads[HF_RAFT_PACKET_HEADS_MIN];
    static hf_bytes parts[HF_RAFT_PACKET_PARTS_MIN];
    hf_raft_packet p;
    const char *what;
    hf_raft_packet_begin(&p, heads, sizeof heads, parts, HF_RAFT_PACKET_PARTS_MIN, 4096, from, 1);
    hf_raft_message m = { .kind = HF_RAFT_VOTE, .from = from, .to = 1, .term = term };
    assert_true(hf_raft_packet_add(&p, 0, &m, NULL, NULL));
    assert_int_equal(hf_raft_packet_end(&p), 1);
    assert_int_equal(hf_groups_receive(cluster_groups(c, 1), from, parts[0], cluster_now(c), &what),
                     HF_OK);
}

/* What node 1 would have on disk. */
static void read_back(cluster *c, uint32_t *vote, uint64_t *term)
{
    hf_buf out;
    hf_buf_open(&out, cluster_heap(c, 1));
    assert_true(hf_groups_save(cluster_groups(c, 1), 0, &out));
    memcpy(vote, (const uint8_t *)out.data + VOTE_AT, sizeof *vote);
    memcpy(term, (const uint8_t *)out.data + TERM_AT, sizeof *term);
    hf_buf_close(&out);
}

typedef enum between { NOTHING, RESTART, CHECKPOINT } between;

static void keeps_its_word(between what)
{
    uint32_t vote;
    uint64_t term;
    cluster *c = cluster_open(&(cluster_config){ .nodes = 3, .groups = 1, .seed = 6 });
    ask(c, 2, TERM);
    read_back(c, &vote, &term);
    assert_int_equal(vote, 2);
    assert_int_equal(term, TERM);
    assert_true(cluster_remove(c, 1, 0));
    assert_null(hf_groups_raft(cluster_groups(c, 1), 0));
    if (what == CHECKPOINT) {
        cluster_checkpoint(c, 1);
    }
    if (what != NOTHING) {
        cluster_flush(c, 1);
        cluster_stop(c, 1);
        cluster_begin(c, 1);
    }
    assert_null(hf_groups_raft(cluster_groups(c, 1), 0));
    cluster_create(c, 1, 0);
    ask(c, 3, TERM); /* another, in the same term */
    read_back(c, &vote, &term);
    assert_int_not_equal(vote, 3);
    assert_int_equal(term, TERM);
    ask(c, 3, TERM + 1); /* it had more than it has */
    read_back(c, &vote, &term);
    assert_int_not_equal(vote, 3);
    cluster_run(c, 3000, NULL, 0);
    assert_int_equal(cluster_leaders(c), 1);
    assert_int_equal(cluster_propose_all(c), 1);
    cluster_run(c, 500, NULL, 0);
    assert_int_equal(cluster_behind(c), 0);
    cluster_close(c);
}

static void at_once(void **state)
{
    (void)state;
    keeps_its_word(NOTHING);
}

static void after_a_restart(void **state)
{
    (void)state;
    keeps_its_word(RESTART);
}

static void after_a_checkpoint(void **state)
{
    (void)state;
    keeps_its_word(CHECKPOINT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_once),
        cmocka_unit_test(after_a_restart),
        cmocka_unit_test(after_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
