/* Liveness of node pairs, seeded: three nodes whose clocks run at different rates within the
 * margin, and jump; messages lost, twice, late; nodes started anew. At every moment: what a node
 * counts on, the other keeps, under that epoch, or votes for nobody at all. And an epoch that was
 * given up never comes again.
 */
#include "engine/base/prng.h"
#include "txn/raft/liveness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 3, FLIGHTS = 64, STEPS = 20000, SEEDS = 30, UNIT = 1000 };

static const hf_liveness_options options = { .interval_ns = 40, .support_ns = 200, .margin = 100 };

typedef struct flight {
    uint64_t at;
    hf_liveness_message m;
} flight;

typedef struct world {
    hf_prng prng;
    hf_liveness node[NODES];
    uint64_t offset[NODES], rate[NODES], wake_at[NODES];
    uint32_t start[NODES];
    flight flights[FLIGHTS];
    uint32_t count;
    uint64_t now, counted, looked;
    uint64_t newest[NODES][NODES]; /* epoch that the first keeps for the second */
} world;

static uint64_t clock_of(const world *w, uint32_t i)
{
    return w->offset[i] + w->now * w->rate[i] / UNIT;
}

static void send(world *w, const hf_liveness_update *u, uint32_t from)
{
    w->wake_at[from] = u->wake_at;
    for (uint32_t i = 0; i < u->message_count; i++) {
        uint64_t copies = hf_prng_below(&w->prng, 10);
        copies = copies == 0 ? 0 : copies == 1 ? 2 : 1;
        for (; copies > 0 && w->count < FLIGHTS; copies--) {
            uint64_t late = hf_prng_chance(&w->prng, 1, 8) ? 500 : 20;
            w->flights[w->count++] =
                (flight){ w->now + hf_prng_range(&w->prng, 1, late), u->message[i] };
        }
    }
}

static void open_node(world *w, uint32_t i, bool first)
{
    hf_liveness_open(&w->node[i], &options, i + 1, ++w->start[i], first, clock_of(w, i));
    for (uint32_t k = 0; k < NODES; k++) {
        if (k != i) {
            assert_true(hf_liveness_add(&w->node[i], k + 1, clock_of(w, i)));
        }
    }
    w->wake_at[i] = 0;
}

static void judge(world *w)
{
    for (uint32_t a = 0; a < NODES; a++) {
        for (uint32_t b = 0; b < NODES; b++) {
            uint64_t epoch = 0;
            if (a == b) {
                continue;
            }
            uint64_t keeps = hf_liveness_keeps(&w->node[b], a + 1, clock_of(w, b));
            assert_true(keeps == 0 || keeps >= w->newest[b][a]);
            w->newest[b][a] = keeps == 0 ? w->newest[b][a] : keeps;
            w->looked++;
            if (hf_liveness_has(&w->node[a], b + 1, &epoch) > clock_of(w, a) &&
                hf_liveness_trusted(&w->node[a])) {
                w->counted++;
                assert_true(keeps == epoch || !hf_liveness_may_vote(&w->node[b], clock_of(w, b)));
            }
        }
    }
}

static void jump(world *w, uint32_t i)
{
    uint64_t by = hf_prng_below(&w->prng, 1000);
    bool back = hf_prng_chance(&w->prng, 1, 2);
    w->offset[i] = back ? w->offset[i] - by : w->offset[i] + by;
    hf_liveness_distrust(&w->node[i], &options, true, clock_of(w, i));
    w->wake_at[i] = 0;
}

static void step(world *w, bool faults)
{
    hf_liveness_update u;
    w->now++;
    for (uint32_t i = 0; i < w->count;) {
        flight f = w->flights[i];
        if (f.at > w->now) {
            i++;
            continue;
        }
        w->flights[i] = w->flights[--w->count];
        uint32_t to = f.m.to - 1;
        hf_liveness_receive(&w->node[to], &options, &f.m, clock_of(w, to), &u);
        send(w, &u, to);
        judge(w);
    }
    for (uint32_t i = 0; i < NODES; i++) {
        if (clock_of(w, i) >= w->wake_at[i]) {
            hf_liveness_tick(&w->node[i], &options, clock_of(w, i), &u);
            send(w, &u, i);
        }
    }
    uint32_t who = (uint32_t)hf_prng_below(&w->prng, NODES);
    if (faults && hf_prng_chance(&w->prng, 1, 700)) {
        open_node(w, who, false);
    } else if (faults && hf_prng_chance(&w->prng, 1, 900)) {
        jump(w, who);
    }
    judge(w);
}

static void lives(bool faults)
{
    uint64_t counted = 0;
    uint64_t pairs = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        static world w;
        memset(&w, 0, sizeof w);
        w.prng = hf_prng_of(seed);
        for (uint32_t i = 0; i < NODES; i++) {
            w.offset[i] = 1000000 + hf_prng_below(&w.prng, 1000000);
            w.rate[i] = hf_prng_range(&w.prng, UNIT - 45, UNIT + 45);
            open_node(&w, i, true);
        }
        for (uint32_t i = 0; i < STEPS / SEEDS * 10; i++) {
            step(&w, faults);
        }
        counted += w.counted;
        pairs += w.looked;
    }
    printf("counted on in %llu of %llu moments\n", (unsigned long long)counted,
           (unsigned long long)pairs);
    assert_true(counted > pairs / 4);
}

static void clocks_and_messages(void **state)
{
    (void)state;
    lives(false);
}

static void starts_and_jumps_too(void **state)
{
    (void)state;
    lives(true);
}

static void a_distrusted_clock_has_no_lease_and_knows_who_is_alive(void **state)
{
    (void)state;
    static hf_liveness a, b;
    hf_liveness_update u;
    hf_liveness_open(&a, &options, 1, 1, true, 0);
    hf_liveness_open(&b, &options, 2, 1, true, 0);
    assert_true(hf_liveness_add(&a, 2, 0));
    assert_true(hf_liveness_add(&b, 1, 0));
    hf_liveness_distrust(&a, &options, false, 100);
    assert_false(hf_liveness_trusted(&a));
    assert_false(hf_liveness_may_vote(&a, 299));
    assert_true(hf_liveness_may_vote(&a, 300));
    hf_liveness_tick(&a, &options, 100, &u);
    assert_int_equal(u.message_count, 1);
    hf_liveness_message m = u.message[0];
    hf_liveness_receive(&b, &options, &m, 5, &u);
    assert_int_equal(u.changed, 1);
    m = u.message[0];
    hf_liveness_receive(&a, &options, &m, 101, &u);
    assert_int_equal(u.changed, 1);
    uint64_t epoch;
    assert_int_equal(hf_liveness_has(&a, 2, &epoch), 100 + 200 - 20);
    /* What was asked on the bad clock says nothing on the good one. */
    hf_liveness_distrust(&a, &options, true, 102);
    assert_int_equal(hf_liveness_has(&a, 2, &epoch), 0);
    hf_liveness_receive(&a, &options, &m, 103, &u);
    assert_int_equal(hf_liveness_has(&a, 2, &epoch), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_and_messages),
        cmocka_unit_test(starts_and_jumps_too),
        cmocka_unit_test(a_distrusted_clock_has_no_lease_and_knows_who_is_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
