#include "tests/unit/groups/life.h"
#include "engine/base/assert.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

const life_kind life_kinds[] = {
    { "net", 3, 20, 3, { .lost = 50, .twice = 50, .late = 20, .parted = 1 } },
    { "crashes", 3, 20, 3, { .crash = 2, .checkpoint = 5, .full = 3 } },
    { "replaced",
      3,
      20,
      3,
      { .lost = 50,
        .twice = 50,
        .late = 20,
        .parted = 3,
        .replaced = 20,
        .checkpoint = 2,
        .compact = 2 } },
    { "quiet", 3, 20, 0, { .crash = 1 } },
    { "all",
      5,
      12,
      3,
      { .lost = 30,
        .twice = 30,
        .late = 20,
        .parted = 1,
        .crash = 1,
        .full = 3,
        .checkpoint = 3,
        .compact = 5 } },
    { .name = NULL },
};

static jmp_buf stopped;
static life_result *told;

static void on_assert(const char *file, int line, const char *what)
{
    snprintf(told->wrong, sizeof told->wrong, "%s:%d: %s", file, line, what);
    longjmp(stopped, 1);
}

const life_kind *life_kind_of(const char *name)
{
    const life_kind *kind = life_kinds;
    while (kind->name != NULL && strcmp(kind->name, name) != 0) {
        kind++;
    }
    HF_ASSERT(kind->name != NULL);
    return kind;
}

static void set(cluster *c, uint32_t node, bool up)
{
    if (up && !cluster_is_up(c, node)) {
        cluster_begin(c, node);
    } else if (!up && cluster_is_up(c, node)) {
        cluster_stop(c, node);
    }
}

/* One node stays away at first: who it led must find another. */
static void peace(cluster *c, const life_kind *kind)
{
    for (uint32_t i = 1; i <= kind->nodes; i++) {
        set(c, i, i != 1 || kind->faults.crash == 0);
    }
    cluster_run(c, 4000, NULL, 0);
    HF_ASSERT(cluster_leaders(c) == kind->groups);
    set(c, 1, true);
    cluster_run(c, 4000, NULL, 0);
}

/* One node that leads can write nothing more: the others do its work. */
static void one_is_full(cluster *c, const life_kind *kind)
{
    const cluster_faults nothing = { .lost = 0 };
    cluster_fill(c, hf_raft_leader(hf_groups_raft(cluster_groups(c, 1), 0)), true);
    (void)cluster_propose_all(c); /* one of them stops it */
    cluster_run(c, 3000, &nothing, 0);
    uint64_t committed = cluster_committed(c);
    HF_ASSERT(cluster_propose_all(c) == kind->groups);
    cluster_run(c, 500, &nothing, 0);
    HF_ASSERT(cluster_committed(c) >= committed + kind->groups);
    cluster_run(c, 3000, NULL, 0);
    HF_ASSERT(cluster_leaders(c) == kind->groups);
}

static void live(const life_kind *kind, uint64_t seed, life_result *result)
{
    cluster *c = cluster_open(
        &(cluster_config){ .nodes = kind->nodes, .groups = kind->groups, .seed = seed });
    cluster_run(c, 1000, NULL, 0);
    HF_ASSERT(cluster_leaders(c) == kind->groups);
    cluster_run(c, 12000, &kind->faults, kind->rate);
    result->committed = cluster_committed(c);
    peace(c, kind);
    HF_ASSERT(cluster_leaders(c) == kind->groups);
    if (kind->faults.full != 0) {
        one_is_full(c, kind);
    }
    HF_ASSERT(cluster_propose_all(c) == kind->groups); /* they take work, ... */
    cluster_run(c, 1000, NULL, 0);
    HF_ASSERT(cluster_behind(c) == 0); /* ... do it, and agree */
    HF_ASSERT(cluster_committed(c) >= result->committed + kind->groups);
    result->stats = cluster_stats_get(c);
    cluster_close(c);
}

void life_run(const life_kind *kind, uint64_t seed, life_result *result)
{
    memset(result, 0, sizeof *result);
    told = result;
    hf_assert_set_hook(on_assert);
    if (setjmp(stopped) == 0) {
        live(kind, seed, result);
    } /* else: what it had is lost, and the test fails anyway */
    hf_assert_set_hook(NULL);
}
