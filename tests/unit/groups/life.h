/* A seeded life of a cluster: it settles, misfortunes come, they end; then all groups must take
 * work, do it, and agree. */
#ifndef HF_TESTS_GROUPS_LIFE_H
#define HF_TESTS_GROUPS_LIFE_H
#include "tests/unit/groups/cluster.h"

typedef struct life_kind {
    const char *name;
    uint32_t nodes, groups;
    uint32_t rate; /* proposals for a group, in 1,000 ms */
    cluster_faults faults;
} life_kind;

extern const life_kind life_kinds[]; /* to the first without a name */
const life_kind *life_kind_of(const char *name);

typedef struct life_result {
    char wrong[256]; /* empty: nothing is */
    uint64_t committed;
    cluster_stats stats;
} life_result;

void life_run(const life_kind *kind, uint64_t seed, life_result *result);

#endif
