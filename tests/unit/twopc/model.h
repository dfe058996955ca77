/* A small world in which the real machines of txn/twopc run one transaction, in every way they can.
 *
 * Two or three shards, shard 0 the anchor, one coordinator, up to two attempts (the second after
 * the first was refused). A message that was once sent can be delivered at any time, any number of
 * times, or never: so loss, repetition, change of order and lateness are all in it. Each shard has
 * a log of which a prefix is durable; a crash takes everything else, and what is left is read back
 * as engine/shard/part.c does. The coordinator may die. A shard that knows an attempt to be
 * finished everywhere may forget it, its records too. With WORLD_MOVE the key of shard 1 may move
 * to shard 2 at any moment: attempts are shard 0's and the one's who has the key when they begin.
 *
 * Not in it: more than one transaction (locks matter between the two attempts only), Raft groups
 * (a log is one cell that is written or is not), splits of ranges; how a range is copied.
 */
#ifndef HF_TESTS_TWOPC_MODEL_H
#define HF_TESTS_TWOPC_MODEL_H
#include "txn/twopc/coordinator.h"
#include "txn/twopc/participant.h"

enum { MODEL_SHARDS_MAX = 3, MODEL_ATTEMPTS = 2, MODEL_LOG_MAX = 8 };

/* Rules that can be switched off. */
enum {
    RULE_IRREVOCABLE = 1,       /* I1: what is prepared is not taken back by its shard */
    RULE_ANCHOR_DECIDES = 2,    /* I2: the coordinator never aborts while answers are missing */
    RULE_DURABLE_TOMBSTONE = 4, /* I3: poisoned is answered when the tombstone is durable */
    RULE_ABSENCE = 8,           /* I4: knowing nothing is no abort: asking leaves a tombstone */
    RULE_FENCE_WATERMARK = 16,  /* I5: nothing starts below the watermark */
    RULE_FENCE_RESTART = 32,    /* I5: nothing of before a restart starts after it */
    RULE_RECORDED_ANSWER = 64,  /* I6: a repeated PREPARE hears what was answered */
    RULE_DURABLE_VOTE = 128,    /* prepared is answered when the PREPARE is durable */
    RULE_BOUNDS = 256,          /* recovery, too, keeps to the bounds of the votes */
    RULE_DRAIN = 512,           /* a range moves when nothing on it is prepared */
    RULE_HOME = 1024,           /* nothing is prepared on a range that moves, or has moved away */
    RULES_ALL = 2047,
};

/* What the world may do. */
enum {
    WORLD_REFUSALS = 1,    /* evaluation may refuse; the refusal is remembered in memory only */
    WORLD_RESTARTS = 2,    /* a crash is a new incarnation: attempts of before are fenced */
    WORLD_INTERACTIVE = 4, /* locks were taken before, and may be lost to an older one */
    WORLD_NODE_CRASH = 8,  /* all may crash at once, the coordinator too */
    WORLD_COORDINATOR_CRASH = 16,
    WORLD_MOVE = 32, /* three shards: the range of shard 1 may go to shard 2 */
};

typedef struct model_config {
    uint8_t shards, attempts;
    uint8_t crashes; /* how many crashes at most */
    uint8_t world;
    uint16_t rules;
    uint8_t until[MODEL_SHARDS_MAX]; /* the shard's vote holds below this timestamp; 0: at any */
} model_config;

typedef struct model_state {
    uint64_t sent[MODEL_ATTEMPTS];
    uint32_t parts[MODEL_SHARDS_MAX][MODEL_ATTEMPTS]; /* hf_participant, packed */
    uint8_t log[MODEL_SHARDS_MAX][MODEL_LOG_MAX];
    uint8_t log_size[MODEL_SHARDS_MAX];
    uint8_t durable[MODEL_SHARDS_MAX];
    uint8_t fenced[MODEL_SHARDS_MAX];  /* attempts from before the shard's last start */
    uint8_t below[MODEL_SHARDS_MAX];   /* attempts below the watermark, and forgotten */
    uint8_t applied[MODEL_SHARDS_MAX]; /* attempts whose effects are in the table */
    uint8_t saved[MODEL_SHARDS_MAX];   /* ... and in the checkpoint */
    uint8_t co_state[MODEL_ATTEMPTS];
    uint8_t co_prepared[MODEL_ATTEMPTS];
    uint8_t co_ts[MODEL_ATTEMPTS];
    uint8_t co_dead;
    uint8_t begun;    /* attempts that were begun */
    uint8_t finished; /* attempts known to be finished everywhere: the watermark */
    uint8_t told;     /* the client: 0 nothing, else TOLD_* */
    uint8_t crashes;
    uint8_t route[MODEL_ATTEMPTS]; /* WORLD_MOVE: who takes part beside shard 0 */
    uint8_t owner;                 /* ... who has the range now */
    uint8_t frozen;                /* ... it is on its way */
    uint8_t pad[7];
} model_state;
_Static_assert(sizeof(model_state) == 104, "no gaps: states are compared by bytes");

enum { TOLD_COMMITTED = 1, TOLD_REFUSED = 2 };

typedef uint16_t model_action;
enum { MODEL_ACTIONS_MAX = 256 };

void model_begin(const model_config *config, model_state *state);
/* Every action that might be possible. */
uint32_t model_actions(const model_config *config, model_action *actions);
/* Does it; false when it is not possible now. */
bool model_do(const model_config *config, model_state *state, model_action action);
void model_name(model_action action, char *text, uint32_t size);
/* What is wrong with the state; NULL: nothing. */
const char *model_wrong(const model_config *config, const model_state *state);
/* Which of the things below happened on the way here: a model in which nothing happens proves
 * nothing. */
uint32_t model_seen(const model_config *config, const model_state *state);
enum {
    SEEN_ACKED = 1,
    SEEN_REFUSED = 2,
    SEEN_RECOVERED_COMMIT = 4, /* the coordinator died before it decided, the anchor committed */
    SEEN_RECOVERED_ABORT = 8,
    SEEN_SECOND_COMMIT = 16,
    SEEN_FORGOTTEN_COMMIT = 32,
    SEEN_OVERTAKEN = 64,     /* the anchor decided before the coordinator knew */
    SEEN_MOVED_ACKED = 128,  /* acknowledged, and the range moved then or before */
    SEEN_MOVED_SECOND = 256, /* the second attempt committed where the range is now */
};

/* All messages are lost, nothing else goes wrong any more: does everything get decided? NULL: yes.
 */
const char *model_heal(const model_config *config, const model_state *state);

/* ---- explore.c ---- */
typedef struct model_result {
    uint64_t states, steps, healed;
    uint32_t seen;
    const char *wrong; /* NULL: every state was seen, and all were right */
    bool full;         /* there were more states than `states_max` */
    char trace[8192];  /* how it came to be wrong, an action a line */
} model_result;
void model_explore(const model_config *config, uint32_t states_max, bool heal,
                   model_result *result);

#endif
