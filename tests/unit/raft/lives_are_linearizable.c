/* Seeded lives of groups of three and five, with everything that may go wrong (life.h).
 *
 * usage: lives_are_linearizable [SEED [EVENTS [LIVES]]]     these instead of the fixed ones
 */
#include "tests/unit/raft/life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t first_seed = 1;
static uint32_t events = 20000;
static uint32_t lives = 10;

static void live(life_config c)
{
    life_result r, sum = { .wrong = NULL };
    c.events = events;
    for (uint32_t i = 0; i < lives; i++) {
        c.seed = first_seed + i;
        life_run(&c, &r);
        if (r.wrong != NULL) {
            fprintf(stderr, "seed %llu, event %llu, time %llu: %s\n%s", (unsigned long long)c.seed,
                    (unsigned long long)r.events, (unsigned long long)r.at, r.wrong, r.state);
        }
        assert_null(r.wrong);
        sum.events += r.events;
        sum.writes += r.writes;
        sum.lease_reads += r.lease_reads;
        sum.round_reads += r.round_reads;
        sum.follower_reads += r.follower_reads;
        sum.elections += r.elections;
        sum.crashes += r.crashes;
        sum.losses += r.losses;
        sum.changes += r.changes;
        sum.snapshots += r.snapshots;
    }
    printf(
        "%llu events: %llu writes, %llu lease reads, %llu round reads, %llu terms, %llu crashes, "
        "%llu losses, %llu changes, %llu snapshots\n",
        (unsigned long long)sum.events, (unsigned long long)sum.writes,
        (unsigned long long)sum.lease_reads, (unsigned long long)sum.round_reads,
        (unsigned long long)sum.elections, (unsigned long long)sum.crashes,
        (unsigned long long)sum.losses, (unsigned long long)sum.changes,
        (unsigned long long)sum.snapshots);
    assert_true(sum.writes > 20 * lives && sum.lease_reads > 5 * lives && sum.round_reads > 0 &&
                sum.follower_reads > lives);
    assert_true(!c.losses || sum.losses > 0);
    assert_true(!c.members || sum.changes > lives);
    assert_true(!c.snapshots || sum.snapshots > lives);
}

static void kind(void **state)
{
    live(life_kind(*state));
}

int main(int argc, char **argv)
{
    static char kinds[][8] = { "peace", "net", "crashes", "losses", "members", "five" };
    struct CMUnitTest tests[sizeof kinds / sizeof kinds[0]];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        tests[i] = (struct CMUnitTest){ kinds[i], kind, NULL, NULL, kinds[i] };
    }
    first_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : first_seed;
    events = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : events;
    lives = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : lives;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
