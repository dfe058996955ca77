/* Several nodes with many groups each: hf_groups over a disk that loses what was not flushed, and a
 * network that loses, repeats, delays and parts. Each group's state is a digest of what was
 * applied.
 */
#ifndef HF_TESTS_GROUPS_CLUSTER_H
#define HF_TESTS_GROUPS_CLUSTER_H
#include "engine/base/prng.h"
#include "txn/groups/groups.h"

enum { NODES_MAX = 5, MS = 1000000 };

typedef struct cluster_config {
    uint32_t nodes, groups;
    uint64_t seed;
    size_t memory; /* of each node; 0: 8 MiB */
} cluster_config;

/* Faults, as chances in 1,000 of each packet or turn. */
typedef struct cluster_faults {
    uint32_t lost, twice, late, crash, parted, full, checkpoint, compact, replaced;
} cluster_faults;

typedef struct cluster cluster;

cluster *cluster_open(const cluster_config *config);
void cluster_close(cluster *c);
/* Lets time pass, a millisecond a round; proposes with the chance of `rate` in 1,000 for a group
 * and round. */
void cluster_run(cluster *c, uint64_t rounds, const cluster_faults *faults, uint32_t rate);
void cluster_turn(cluster *c, uint32_t node); /* one node's, now */
/* One proposal for each group at whoever leads it; how many were taken. */
uint32_t cluster_propose_all(cluster *c);
uint32_t cluster_leaders(const cluster *c); /* groups that have exactly one */
/* Every node has applied all that was ever applied, and the same: how many groups on how many
 * nodes it is not so for. */
uint32_t cluster_behind(const cluster *c);
void cluster_stop(cluster *c, uint32_t node); /* loses what was not flushed */
void cluster_begin(cluster *c, uint32_t node);
bool cluster_is_up(const cluster *c, uint32_t node);
/* These bytes are in a packet on its way. */
bool cluster_carries(const cluster *c, hf_bytes bytes);
hf_groups *cluster_groups(cluster *c, uint32_t node);
hf_heap *cluster_heap(cluster *c, uint32_t node);
/* The disk takes no record from now on, or does. */
void cluster_fill(cluster *c, uint32_t node, bool full);
void cluster_flush(cluster *c, uint32_t node); /* all that is in its log is on its disk, now */
/* The node's replica goes with all that it has; false: not now. */
bool cluster_remove(cluster *c, uint32_t node, uint64_t group);
void cluster_create(cluster *c, uint32_t node, uint64_t group); /* ... and one without anything */
/* The node's snapshot of every group at what is applied; entries before it go. */
void cluster_compact(cluster *c, uint32_t node);
/* The node's state goes to its checkpoint, the log before it goes. */
void cluster_checkpoint(cluster *c, uint32_t node);
uint64_t cluster_log_bytes(const cluster *c, uint32_t node);
uint64_t cluster_now(const cluster *c);
uint64_t cluster_committed(const cluster *c); /* entries of proposals that were applied somewhere */

typedef struct cluster_stats {
    uint64_t crashes, installs, checkpoints, stalls, replaced, packets, bytes;
    uint64_t steps, messages;
    uint64_t answered; /* proposals that were applied at their index, in their term */
} cluster_stats;
cluster_stats cluster_stats_get(const cluster *c);

#endif
