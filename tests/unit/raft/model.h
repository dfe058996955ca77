/* A small world in which the real machine of txn/raft runs one group, in every way it can.
 *
 * Three nodes (node.h). A message that was once sent can be delivered at any time, any number of
 * times, or never: loss, repetition, change of order and lateness are all in it. What is on its way
 * to a disk becomes durable write by write; a crash takes the rest, and the node starts from what
 * the disk has. Timers may fire at any time they are set for. How often what may happen is bounded
 * by budgets; within them every state is looked at, breadth first, each once.
 *
 * Left out: messages that nothing can come of any more, what does not fit into the net (lost), of
 * the first election all but node 1's (the nodes are alike), slow disks where nothing can crash any
 * more (slow messages are the same), what the leader knows of others' commits where it neither
 * resends nor reads.
 */
#ifndef HF_TESTS_RAFT_MODEL_H
#define HF_TESTS_RAFT_MODEL_H
#include <stdbool.h>
#include <stdint.h>

enum { MODEL_NODES = 3, MODEL_NET = 32, MODEL_TERMS = 8, MODEL_TRUTH = 8 };

/* What may happen, and how often. */
typedef enum model_budget {
    MODEL_ELECTIONS, /* timers of nodes that do not lead */
    MODEL_RESENDS,   /* ... that lead */
    MODEL_PROPOSALS,
    MODEL_CRASHES,
    MODEL_LOSSES, /* a crash, and the disk has lost the end of the log */
    MODEL_READS,
    MODEL_HAND_OVERS,
    MODEL_COMPACTIONS,
    MODEL_CHANGES,
    MODEL_TIMES, /* the clocks go on */
    MODEL_BUDGETS,
} model_budget;

typedef struct model_config {
    const char *name;
    uint8_t budget[MODEL_BUDGETS];
    uint8_t voters;            /* nodes 1 .. voters vote at first, the others are learners */
    uint8_t rate[MODEL_NODES]; /* of the clocks; 0 for all: time stands still, nobody promises */
    uint8_t support;           /* liveness: so many of the clocks' units, */
    uint8_t interval;
    uint16_t margin; /* ... less so many thousandths */
    uint8_t slow;   /* nodes (bits) whose disks are slow, and that may crash; the others' are not */
    uint8_t batch;  /* entries in a message; 0: two */
    bool led;       /* node 1 leads at the start, and all know it */
    bool short_net; /* what was delivered is gone */
    bool followers_read; /* and not leaders */
    bool
        slow_ask; /* pre-votes are messages like others; else they are asked and answered at once */
} model_config;

typedef struct model_result {
    uint64_t states, steps, nodes, packets;
    uint32_t seen;
    const char *wrong; /* NULL: every state was seen, and all were right */
    bool full;         /* there were more than `states_max` */
    char trace[16384]; /* how it came to be wrong, a step a line */
} model_result;

/* What happened somewhere: a model in which nothing happens proves nothing. */
enum {
    MODEL_SEEN_LEADER = 1,
    MODEL_SEEN_SECOND_LEADER = 2,
    MODEL_SEEN_COMMIT = 4,
    MODEL_SEEN_CUT = 8, /* a log lost an end that was not committed */
    MODEL_SEEN_SNAPSHOT = 16,
    MODEL_SEEN_READ = 32,
    MODEL_SEEN_LEASE = 64,
    MODEL_SEEN_SECOND_LEASE = 128, /* ... of another leader, after the first */
    MODEL_SEEN_JOINT = 256,
    MODEL_SEEN_WHOLE = 512, /* one that had lost something votes again */
    MODEL_SEEN_TWO_LEADERS = 1024,
};

void model_explore(const model_config *config, uint32_t states_max, model_result *result);

#endif
