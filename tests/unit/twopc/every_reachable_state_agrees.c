/* Every state that one transaction can come to, with messages lost, repeated, late and in any
 * order, shards and coordinator crashing: nothing acknowledged is taken back, no shard commits what
 * another aborts, all at one timestamp; a refusal is never followed by a commit, a second attempt
 * never doubles the first; and from every state, all messages lost, everything gets decided.
 */
#include "tests/unit/twopc/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void explore(const model_config *config, uint32_t states_max, uint32_t seen)
{
    static model_result r;
    model_explore(config, states_max, true, &r);
    printf("%u shards, %u attempts, %u crashes: %llu states, %llu steps, %llu healed\n",
           config->shards, config->attempts, config->crashes, (unsigned long long)r.states,
           (unsigned long long)r.steps, (unsigned long long)r.healed);
    if (r.wrong != NULL) {
        fprintf(stderr, "%s\n%s\n", r.wrong, r.trace);
    }
    assert_null(r.wrong);
    assert_false(r.full);
    assert_int_equal(r.seen & seen, seen);
}

enum {
    NODE = WORLD_REFUSALS | WORLD_RESTARTS | WORLD_NODE_CRASH | WORLD_COORDINATOR_CRASH,
    ONE = SEEN_ACKED | SEEN_REFUSED | SEEN_FORGOTTEN_COMMIT | SEEN_OVERTAKEN,
    RECOVERED = SEEN_RECOVERED_COMMIT | SEEN_RECOVERED_ABORT,
};

static void two_shards_nothing_crashes(void **state)
{
    (void)state;
    explore(&(model_config){ 2, 2, 0, NODE, RULES_ALL, { 0 } }, 100000, ONE | SEEN_SECOND_COMMIT);
}

static void two_shards_three_crashes(void **state)
{
    (void)state;
    explore(&(model_config){ 2, 1, 3, NODE, RULES_ALL, { 0 } }, 100000, ONE | RECOVERED);
}

static void two_shards_two_attempts_one_crash(void **state)
{
    (void)state;
    explore(&(model_config){ 2, 2, 1, NODE, RULES_ALL, { 0 } }, 500000,
            ONE | RECOVERED | SEEN_SECOND_COMMIT);
}

static void three_shards_two_crashes(void **state)
{
    (void)state;
    explore(&(model_config){ 3, 1, 2, NODE, RULES_ALL, { 0 } }, 400000, ONE | RECOVERED);
}

static void interactive_with_locks_that_are_lost(void **state)
{
    (void)state;
    explore(&(model_config){ 3, 1, 1, NODE | WORLD_INTERACTIVE, RULES_ALL, { 0 } }, 200000,
            ONE | RECOVERED);
}

/* A crash is no new incarnation: what a group of replicas will have, whose leader changes. No
 * refusal from memory then, and an abort of what is unknown leaves a tombstone. */
static void shards_that_come_back_as_the_same(void **state)
{
    (void)state;
    uint8_t world = WORLD_COORDINATOR_CRASH;
    explore(&(model_config){ 2, 2, 2, world, RULES_ALL, { 0 } }, 100000,
            ONE | RECOVERED | SEEN_SECOND_COMMIT);
    explore(&(model_config){ 3, 1, 2, world, RULES_ALL, { 0 } }, 200000, ONE | RECOVERED);
}

/* A vote that does not hold as long as the others need: nobody ever commits, whoever decides. And
 * one that does. */
static void votes_with_bounds(void **state)
{
    (void)state;
    static model_result r;
    const model_config short_ones[] = { { 2, 1, 3, NODE, RULES_ALL, { 0, 2 } },
                                        { 2, 2, 0, NODE, RULES_ALL, { 0, 2 } } };
    uint32_t seen = 0;
    for (size_t i = 0; i < sizeof short_ones / sizeof short_ones[0]; i++) {
        model_explore(&short_ones[i], 100000, true, &r);
        assert_null(r.wrong);
        assert_false(r.full);
        seen |= r.seen;
    }
    assert_int_equal(seen & (SEEN_ACKED | SEEN_RECOVERED_COMMIT | SEEN_SECOND_COMMIT), 0);
    assert_int_equal(seen & SEEN_RECOVERED_ABORT, SEEN_RECOVERED_ABORT);
    explore(&(model_config){ 3, 1, 2, NODE, RULES_ALL, { 0, 4, 5 } }, 400000, ONE | RECOVERED);
}

/* The range of one shard goes to another at any moment of the commit. */
static void a_range_moves_in_mid_commit(void **state)
{
    (void)state;
    explore(&(model_config){ 3, 1, 2, NODE | WORLD_MOVE, RULES_ALL, { 0 } }, 400000,
            ONE | RECOVERED | SEEN_MOVED_ACKED);
    explore(&(model_config){ 3, 2, 0, NODE | WORLD_MOVE, RULES_ALL, { 0 } }, 400000,
            ONE | SEEN_SECOND_COMMIT | SEEN_MOVED_ACKED | SEEN_MOVED_SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_shards_nothing_crashes),
        cmocka_unit_test(two_shards_three_crashes),
        cmocka_unit_test(two_shards_two_attempts_one_crash),
        cmocka_unit_test(three_shards_two_crashes),
        cmocka_unit_test(interactive_with_locks_that_are_lost),
        cmocka_unit_test(shards_that_come_back_as_the_same),
        cmocka_unit_test(votes_with_bounds),
        cmocka_unit_test(a_range_moves_in_mid_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
