/* Each rule of the protocol, switched off alone, lets something go wrong; switched on again in the
 * same world, nothing does. So the model can see what it is there to see.
 */
#include "tests/unit/twopc/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { NODE = WORLD_REFUSALS | WORLD_RESTARTS | WORLD_COORDINATOR_CRASH };

static void needed(uint16_t rule, uint8_t world)
{
    static model_result r;
    uint8_t shards = (world & WORLD_MOVE) != 0 ? 3 : 2;
    model_config config = { shards, 1, 1, world, (uint16_t)(RULES_ALL & ~rule), { 0 } };
    config.until[1] = rule == RULE_BOUNDS ? 2 : 0;
    model_explore(&config, 100000, false, &r);
    if (r.wrong != NULL) {
        printf("%s\n%s\n", r.wrong, r.trace);
    }
    assert_non_null(r.wrong);
    config.rules = RULES_ALL;
    model_explore(&config, 100000, false, &r);
    assert_null(r.wrong);
    assert_false(r.full);
}

static void prepared_is_irrevocable(void **state)
{
    (void)state;
    needed(RULE_IRREVOCABLE, NODE);
}

static void only_the_anchor_decides_in_doubt(void **state)
{
    (void)state;
    needed(RULE_ANCHOR_DECIDES, NODE);
}

/* Where a restart fences what was before, a lost tombstone does no harm: seen without that fence.
 */
static void tombstones_are_durable(void **state)
{
    (void)state;
    needed(RULE_DURABLE_TOMBSTONE, WORLD_COORDINATOR_CRASH);
}

static void absence_is_no_abort(void **state)
{
    (void)state;
    needed(RULE_ABSENCE, NODE);
}

static void nothing_starts_below_the_watermark(void **state)
{
    (void)state;
    needed(RULE_FENCE_WATERMARK, NODE);
}

static void nothing_of_before_a_restart_starts_after_it(void **state)
{
    (void)state;
    needed(RULE_FENCE_RESTART, NODE);
}

static void a_repeated_prepare_hears_the_recorded_answer(void **state)
{
    (void)state;
    needed(RULE_RECORDED_ANSWER, NODE);
}

static void a_vote_is_durable_before_it_is_told(void **state)
{
    (void)state;
    needed(RULE_DURABLE_VOTE, NODE);
}

static void recovery_keeps_to_the_bounds(void **state)
{
    (void)state;
    needed(RULE_BOUNDS, NODE);
}

static void a_range_moves_when_nothing_on_it_is_prepared(void **state)
{
    (void)state;
    needed(RULE_DRAIN, NODE | WORLD_MOVE);
}

static void nothing_is_prepared_where_the_range_was(void **state)
{
    (void)state;
    needed(RULE_HOME, NODE | WORLD_MOVE);
}

/* The harness must not lose faults by dropping messages that it takes for idle. */
static void two_attempts_show_it_too(void **state)
{
    (void)state;
    static model_result r;
    for (uint32_t rule = 1; rule < RULES_ALL; rule *= 2) {
        bool moves = rule >= RULE_DRAIN;
        uint8_t world = rule == RULE_DURABLE_TOMBSTONE ? WORLD_COORDINATOR_CRASH
                        : moves                        ? NODE | WORLD_MOVE
                                                       : NODE;
        model_config config = { moves ? 3 : 2, 2, 1, world, (uint16_t)(RULES_ALL & ~rule), { 0 } };
        config.until[1] = rule == RULE_BOUNDS ? 2 : 0;
        model_explore(&config, 300000, false, &r);
        assert_non_null(r.wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepared_is_irrevocable),
        cmocka_unit_test(only_the_anchor_decides_in_doubt),
        cmocka_unit_test(tombstones_are_durable),
        cmocka_unit_test(absence_is_no_abort),
        cmocka_unit_test(nothing_starts_below_the_watermark),
        cmocka_unit_test(nothing_of_before_a_restart_starts_after_it),
        cmocka_unit_test(a_repeated_prepare_hears_the_recorded_answer),
        cmocka_unit_test(a_vote_is_durable_before_it_is_told),
        cmocka_unit_test(recovery_keeps_to_the_bounds),
        cmocka_unit_test(a_range_moves_when_nothing_on_it_is_prepared),
        cmocka_unit_test(nothing_is_prepared_where_the_range_was),
        cmocka_unit_test(two_attempts_show_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
