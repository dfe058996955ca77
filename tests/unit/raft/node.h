/* A node of one group, as the tests have it: the real machine of txn/raft, the log in memory, the
 * disk, the writes on their way to it, the messages that wait for them, and a state machine that
 * keeps a digest of what was applied. It does with an update what raft.h says.
 *
 * Plain bytes without pointers: equal nodes are equal bytes, and a copy is a node.
 */
#ifndef HF_TESTS_RAFT_NODE_H
#define HF_TESTS_RAFT_NODE_H
#include "txn/raft/liveness.h"
#include "txn/raft/raft.h"
#include "txn/raft/raft_impl.h"

#ifndef NODE_LOG
#define NODE_LOG 256
#endif
enum {
    NODE_BATCH = 4,  /* entries in a packet */
    NODE_WRITES = 3, /* on their way to the disk */
    NODE_HELD = 12,
    NODE_OUT = 64,
    NODE_PIECES = 3,                     /* of a snapshot */
    NODE_RUNS = NODE_LOG < 64 ? 12 : 64, /* terms in a log */
};

typedef struct node_entry {
    uint64_t term;
    uint32_t kind;
    uint32_t value; /* of a configuration: which */
} node_entry;

typedef struct node_packet {
    hf_raft_message m;     /* kind, if not `live` */
    hf_liveness_message l; /* if `live` */
    node_entry entry[NODE_BATCH];
    uint64_t piece; /* of a snapshot: a part of it */
    uint32_t live;
    uint32_t config;
} node_packet;

typedef struct node_log {
    uint64_t base, base_term;
    uint64_t digest; /* the state at `base` */
    uint32_t config; /* in force there */
    uint32_t count;
    node_entry entry[NODE_LOG]; /* base + 1 and on */
} node_log;

typedef struct node_image {
    uint64_t term, nonce;
    uint32_t vote, pad;
    node_log log;
} node_image;

typedef struct node_write {
    uint64_t number;
    node_image image; /* what the disk has when it is durable */
} node_write;

typedef struct node_held {
    uint64_t after;
    node_packet packet;
} node_held;

typedef struct node {
    uint64_t raft[(sizeof(hf_raft) + 6 * sizeof(hf_raft__peer) + NODE_RUNS * sizeof(hf_raft__run)) /
                  sizeof(uint64_t)];
    hf_liveness live;
    node_log log;
    node_image disk;
    uint64_t applied, digest;
    uint64_t parts[NODE_PIECES]; /* of a snapshot that comes in */
    uint64_t wake_at, live_wake_at;
    uint64_t read, read_index; /* as the last update said */
    uint32_t reads_failed;
    uint32_t config; /* as applied */
    uint32_t self;
    uint32_t start;
    uint32_t down;
    uint32_t write_count, held_count;
    uint32_t pad;
    node_write write[NODE_WRITES];
    node_held held[NODE_HELD];
} node;

/* What comes out of a step. */
typedef struct node_out {
    uint32_t count;
    node_packet packet[NODE_OUT];
    hf_err err;
    uint64_t asked; /* number of the read */
} node_out;

typedef struct node_world {
    const hf_raft_options *options;
    const hf_liveness_options *liveness;
    uint64_t now;
    uint64_t random;
    /* Told of everything that is applied; may be NULL. */
    void (*applied)(void *context, const node *n, uint64_t index, const node_entry *entry);
    void *context;
} node_world;

uint32_t node_config(const hf_raft_config *config); /* its number */
const hf_raft_config *node_config_of(uint32_t number);
uint64_t node_mix(uint64_t digest, uint64_t index, const node_entry *entry);

static inline hf_raft *node_raft(node *n)
{
    return (hf_raft *)(void *)n->raft;
}
static inline const hf_raft *node_raft_of(const node *n)
{
    return (const hf_raft *)(const void *)n->raft;
}

/* An empty disk that knows the first members; a node that does not run. */
void node_format(node *n, uint32_t self, const hf_raft_config *config);
/* Starts from what the disk has. `peers`: the other nodes that liveness is of. */
void node_start(node *n, const node_world *w, bool first, uint32_t peers);
void node_crash(node *n); /* what is on its way to the disk is lost */
/* The disk lost the last entries of the log, and knows it. */
void node_lose(node *n, uint64_t from);

void node_tick(node *n, const node_world *w, node_out *out);
void node_live_tick(node *n, const node_world *w, node_out *out);
void node_receive(node *n, const node_world *w, const node_packet *packet, node_out *out);
bool node_flush(node *n, const node_world *w, node_out *out); /* the oldest write is durable */
void node_propose(node *n, const node_world *w, uint32_t value, node_out *out);
void node_change(node *n, const node_world *w, const hf_raft_config *config, node_out *out);
void node_hand_over(node *n, const node_world *w, uint32_t to, node_out *out);
void node_read(node *n, const node_world *w, node_out *out);
bool node_compact(node *n, const node_world *w); /* at what is applied; false: not now */
bool node_may_read(const node *n, const node_world *w, uint64_t *index);
/* Numbers of writes begin at 0 again, so that equal nodes are equal. */
void node_normalise(node *n);

#endif
