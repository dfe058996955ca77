/* operator: what somebody does to a node under load: checkpoints, splits, moves, looking around.
 *
 * Nothing is judged here but that there are answers: the other workloads of the scenario are.
 * Flavour "ranges": splits and moves all the time.
 */
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

#include <string.h>

static void send_range(hf_workload *w, hf_actor *a)
{
    hf_world_prng *prng = hf_actor_prng(a);
    static const char letters[] = "abrexp";
    uint32_t part = (uint32_t)hf_world_prng_below(prng, HF_PARTITIONS);
    char letter = letters[hf_world_prng_below(prng, sizeof letters - 1)];
    uint32_t number = (uint32_t)hf_world_prng_below(prng, 10);
    uint32_t to = (uint32_t)hf_world_prng_below(prng, hf_run_cores(w->run));
    if (hf_world_prng_below(prng, 4) == 0) {
        hf_client_put(&a->client, "HF.ADMIN SPLIT %u/%c%u", part, letter, number);
    } else {
        hf_client_put(&a->client, "HF.ADMIN MOVE %u/%c%u %u", part, letter, number, to);
    }
    *(bool *)(void *)a->room = true;
    hf_run_moves(w->run, 1);
}

static void start(hf_workload *w, hf_actor *a)
{
    uint64_t draw = hf_world_prng_below(hf_actor_prng(a), 10);
    if (strcmp(w->flavour, "ranges") == 0 && draw < 8) {
        send_range(w, a);
    } else if (draw < 9) {
        hf_client_put(&a->client, "BGSAVE");
    } else {
        hf_client_put(&a->client, "DBSIZE");
    }
    hf_client_send(&a->client);
}

static void step(hf_workload *w, hf_actor *a, const hf_reply *replies, uint32_t count)
{
    (void)replies;
    (void)count;
    if (*(const bool *)(const void *)a->room) {
        hf_run_moves(w->run, -1);
    }
    hf_actor_done(a);
}

static void nothing(hf_workload *w)
{
    (void)w;
}

static void done(hf_workload *w, hf_actor *a)
{
    (void)w;
    hf_actor_done(a);
}

const hf_workload_kind hf_workload_operator = { .name = "operator",
                                                .open = nothing,
                                                .close = nothing,
                                                .setup = done,
                                                .start = start,
                                                .finish = done,
                                                .step = step,
                                                .wake = done,
                                                .judge = nothing };
