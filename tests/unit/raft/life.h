/* A seeded life of one group: up to six nodes, each with its own clock, disk and connections, all
 * of them faulty; clients that write and read; members that change in the middle of it. Judged: all
 * nodes apply the same; what a client was told stays; a read sees what was told before it began
 * (entries and reads have one order, so that is linearizability); when the faults stop, everything
 * goes on within a bound, and then is silent.
 */
#ifndef HF_TESTS_RAFT_LIFE_H
#define HF_TESTS_RAFT_LIFE_H
#include <stdbool.h>
#include <stdint.h>

typedef struct life_config {
    uint64_t seed;
    uint32_t voters; /* at first: 3 or 5 */
    uint32_t events;
    bool members;   /* change */
    bool snapshots; /* logs are compacted all the time */
    bool crashes;
    bool losses;     /* a disk loses the end of its log */
    bool partitions; /* and messages lost, twice, late */
    bool clocks;     /* of different rates, within the margin */
} life_config;

typedef struct life_result {
    const char *wrong; /* NULL: all was right */
    char state[4096];  /* the nodes, when it went wrong */
    uint64_t events, at;
    uint64_t writes, lease_reads, round_reads, follower_reads, elections, crashes, losses, changes,
        snapshots;
} life_result;

/* peace, net, crashes, losses, members, five: with what each has. */
life_config life_kind(const char *name);
void life_run(const life_config *config, life_result *result);

#endif
