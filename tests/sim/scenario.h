/* hf_workload: what clients ask for, what they hear, and how it is judged. A scenario is a set of
 * workloads in a world of a certain kind (hf_scenario).
 *
 * An actor is a client with one operation at a time. The run calls start() on an idle actor; the
 * workload sends batches through actor->client, gets step() for each, and ends with
 * hf_actor_done(). Whatever is heard goes into the workload's history with virtual times.
 */
#ifndef HF_TESTS_SIM_SCENARIO_H
#define HF_TESTS_SIM_SCENARIO_H
#include "tests/sim/checkers/history.h"
#include "tests/sim/checkers/verdict.h"
#include "tests/sim/client.h"

typedef struct hf_run_state hf_run_state;
typedef struct hf_workload hf_workload;
typedef struct hf_actor hf_actor;

enum { HF_ACTOR_ROOM = 4096, HF_WORKLOADS_MAX = 10, HF_PARTITIONS = 8, HF_ID_TEXT = 36 };

struct hf_actor {
    hf_client client; /* first */
    hf_run_state *run;
    hf_workload *workload; /* NULL: idle */
    uint64_t wake_at;      /* UINT64_MAX: not */
    bool wants_connection; /* wake() when it is there again */
    bool done;             /* of the present phase's work */
    uint32_t process;      /* its name in histories: a new one after an unknown outcome */
    _Alignas(16) uint8_t room[HF_ACTOR_ROOM]; /* the workload's, for the operation */
};

typedef struct hf_workload_kind {
    const char *name;
    bool in_order; /* counts on the order of the requests of a batch */
    void (*open)(hf_workload *workload);
    void (*close)(hf_workload *workload);
    /* First writes, by one actor, in a world without faults. */
    void (*setup)(hf_workload *workload, hf_actor *actor);
    void (*start)(hf_workload *workload, hf_actor *actor);
    /* Last reads, by one actor, in a world without faults; comes twice, a power loss between. */
    void (*finish)(hf_workload *workload, hf_actor *actor);
    /* Replies of the batch, in number as many as commands; NULL: lost. */
    void (*step)(hf_workload *workload, hf_actor *actor, const hf_reply *replies, uint32_t count);
    /* After hf_actor_wait or hf_actor_reconnect: the client is ready. */
    void (*wake)(hf_workload *workload, hf_actor *actor);
    void (*judge)(hf_workload *workload);
    void (*look)(hf_workload *workload); /* every few events; NULL: nothing to see */
} hf_workload_kind;

struct hf_workload {
    const hf_workload_kind *kind;
    hf_run_state *run;
    const char *flavour; /* of the scenario's table; "" when there is nothing to say */
    void *state;
    hf_history history;
    hf_world_prng prng;
    char letter; /* part of its keys */
    bool large;  /* it may fill the memory */
};

typedef struct hf_scenario {
    const char *name;
    const char *what;
    struct {
        const hf_workload_kind *kind;
        const char *flavour;
        uint32_t weight;
    } mix[HF_WORKLOADS_MAX];
    bool moves;   /* ranges are split and moved meanwhile */
    bool crowded; /* there may be room for a few waiting requests only */
    bool small;   /* little memory and disk, large values */
} hf_scenario;

extern const hf_workload_kind hf_workload_register, hf_workload_append, hf_workload_bank,
    hf_workload_escrow, hf_workload_expiry, hf_workload_pairs, hf_workload_operator,
    hf_workload_pipeline, hf_workload_carry, hf_workload_changes, hf_workload_lease;
extern const hf_scenario hf_scenarios[];
extern const uint32_t hf_scenario_count;
const hf_scenario *hf_scenario_find(const char *name); /* NULL: unknown */

/* ---- For workloads ---- */
uint64_t hf_run_now(const hf_run_state *run);
hf_world *hf_run_world(const hf_run_state *run);
uint16_t hf_run_cores(const hf_run_state *run);
uint64_t hf_run_boots(const hf_run_state *run); /* so far */
/* When the last clean stop began: from then on a node closes what it has answered. */
uint64_t hf_run_stopped_at(const hf_run_state *run);
uint64_t hf_run_record_max(const hf_run_state *run); /* bytes of one transaction at one shard */
/* The latest time the wall clock ever showed, and how far a core's idea of it may lag behind. */
uint64_t hf_run_wall_max(const hf_run_state *run);
uint64_t hf_run_wall_slack(const hf_run_state *run);
/* The latest time that a clock of the node may stand at: after a restart it is ahead of the wall's.
 */
uint64_t hf_run_clock_max(const hf_run_state *run);
/* Whether the wall clock made no step since then. */
bool hf_run_wall_steady(const hf_run_state *run, uint64_t since);
/* The node is about to die: what reads may be asked for, writes had better not. */
bool hf_run_lull(const hf_run_state *run);
/* Somebody moves a range just now: a good time to read keys of several. */
bool hf_run_moving(const hf_run_state *run);
void hf_run_moves(hf_run_state *run, int more);
bool hf_run_over(const hf_run_state *run); /* nothing more will be heard: tell what may have been */
uint32_t hf_run_process(hf_run_state *run); /* a new process name */
void hf_run_fail(hf_run_state *run, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void hf_actor_done(hf_actor *actor);
/* The last reads were refused: finish() comes again a little later. */
void hf_actor_finish_again(hf_actor *actor);
void hf_actor_wait(hf_actor *actor, uint64_t ns);
/* wake() comes when the connection is there again (at once if it is there). */
void hf_actor_reconnect(hf_actor *actor);
hf_world_prng *hf_actor_prng(hf_actor *actor);
uint64_t hf_actor_pause(hf_actor *actor); /* before it asks again: at once, or a while later */

/* Key `number` of the workload: "5/b12". Neighbours lie in different ranges. */
enum { HF_KEY_TEXT = 32 };
void hf_workload_key(const hf_workload *workload, uint32_t number, char text[HF_KEY_TEXT]);

/* A strict read of values heard this: an error that no rule of scenario_errors.c allows it is a
 * finding. */
void hf_judge_read(hf_workload *workload, const hf_reply *reply);

/* ---- scenario_words.c: what replies mean ---- */
/* Of a single command's reply: OK also for nil. */
hf_heard hf_heard_of(const hf_reply *reply);
/* Ends the history's transaction; an unknown one takes the actor's process name with it. */
void hf_actor_end(hf_actor *actor, uint32_t txn, hf_heard heard);
uint32_t hf_actor_begin(hf_actor *actor);
/* A UUID of version 7 by the world's wall clock. */
void hf_id_make(hf_actor *actor, char text[HF_ID_TEXT + 1]);
/* The reply of HF.OUTCOME: OK, FAIL, or UNKNOWN when it does not tell (yet). `expired`: and never
 * will. */
hf_heard hf_outcome_of(const hf_reply *reply, bool *expired);
/* After a loss: whether this reply to a retry under the same id settles what became of the id. */
bool hf_retry_settles(const hf_reply *reply);
/* "17,4,9," as numbers; false: not of that form. */
bool hf_list_of(const hf_reply *reply, int64_t *list, uint32_t room, uint32_t *count);
void hf_judge_with(hf_workload *workload, const char *judge, hf_verdict *verdict);

#endif
