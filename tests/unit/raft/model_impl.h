/* The model, inside: model.c does the steps, judge.c says what is wrong, explore.c goes through
 * all. */
#ifndef HF_TESTS_RAFT_MODEL_IMPL_H
#define HF_TESTS_RAFT_MODEL_IMPL_H
#include "tests/unit/raft/intern.h"
#include "tests/unit/raft/model.h"
#include "tests/unit/raft/node.h"

enum { READS_MAX = 2, SUMMARY_LOG = 12 };

typedef struct truth_entry {
    uint8_t term, commit_term, kind, value;
} truth_entry;

typedef struct read_asked {
    uint8_t node; /* 0: none */
    uint8_t number, term;
    uint8_t floor; /* so much was committed when it was asked for */
} read_asked;

typedef struct model_state {
    uint32_t node[MODEL_NODES];
    truth_entry truth[MODEL_TRUTH]; /* what was ever committed: entry 1 and on */
    read_asked read[READS_MAX];
    uint8_t leader_of[MODEL_TERMS];
    uint8_t left[MODEL_BUDGETS];
    uint8_t truth_count, now, net_count, lease_node;
    uint16_t net[MODEL_NET]; /* numbers of packets, ascending */
    uint16_t pad[3];
} model_state;

/* What judges and actions need to know of a node. */
typedef struct summary {
    uint64_t term, disk_term;
    uint64_t wake_at, live_wake_at;
    uint64_t base, base_term, last, commit, digest, config_index, base_config;
    uint64_t disk_base, disk_last;
    uint32_t config; /* number of the one in force */
    uint32_t start;
    uint8_t role, leader, writes, nonce, joint;
    uint8_t match[MODEL_NODES]; /* of a leader: what it counts for each node */
    struct {
        uint8_t term, kind, value;
    } log[SUMMARY_LOG], disk[SUMMARY_LOG]; /* base + 1 and on */
} summary;

/* What a step does, found out once for each node and event. */
typedef struct outcome {
    uint64_t key;
    uint32_t node;
    uint32_t out; /* place of the packets' numbers */
    uint16_t count;
    uint8_t possible, asked, read, read_index, reads_failed, may_read;
} outcome;

typedef enum action_kind {
    A_NONE,
    A_TICK,
    A_LIVE,
    A_FLUSH,
    A_CRASH,
    A_LOSE,
    A_PROPOSE,
    A_READ,
    A_HAND_OVER,
    A_COMPACT,
    A_CHANGE,
    A_DELIVER,
    A_TIME,
    A_QUERY, /* may it read by its lease? */
} action_kind;

typedef uint32_t action; /* kind << 24 | node << 16 | argument */

typedef struct model {
    const model_config *config;
    intern nodes, packets;
    summary *summaries;
    uint32_t summaries_count, summaries_room;
    outcome *outcomes;
    uint32_t outcomes_count, outcomes_room;
    uint32_t *slots; /* of outcomes */
    uint32_t mask;
    uint16_t *outs;
    uint32_t outs_count, outs_room;
    uint64_t steps;
    uint32_t seen;
} model;

static inline action action_of(action_kind kind, uint32_t place, uint32_t argument)
{
    return (uint32_t)kind << 24 | place << 16 | argument;
}

void model__open(model *m, const model_config *config, model_state *first);
void model__close(model *m);
const summary *model__summary(const model *m, const model_state *s, uint32_t place);
/* All that might be possible; at most `room`. */
uint32_t model__actions(const model *m, const model_state *s, action *actions, uint32_t room);
/* False: not now. `acted`: the place of the node that did something, or MODEL_NODES. */
bool model__do(model *m, model_state *s, action a, uint32_t *acted);
void model__name(const model *m, action a, char *text, uint32_t size);
bool model__may_read(model *m, const model_state *s, uint32_t place);

/* Brings the truth up to date with what the node has; NULL: all is right. */
const char *model__judge(model *m, const model_state *before, model_state *s, uint32_t acted);

#endif
