/* Inside a run: for tests/sim/run*.c only. */
#ifndef HF_TESTS_SIM_RUN_IMPL_H
#define HF_TESTS_SIM_RUN_IMPL_H
#include "engine/shard/shard.h"
#include "tests/sim/run.h"
#include "tests/sim/scenario.h"

enum { HF_RUN_CORES_MAX = 4, HF_RUN_ACTORS_MAX = 64, HF_RUN_LATE_MAX = 8 };

typedef enum hf_run_phase {
    HF_PHASE_BOOT,
    HF_PHASE_SETUP,
    HF_PHASE_SAFETY,
    HF_PHASE_LIVENESS, /* nothing new is started; what is pending ends */
    HF_PHASE_FINISH,   /* last reads */
    HF_PHASE_OVER,
} hf_run_phase;

/* What the run does to the node, drawn from the seed. */
typedef struct hf_run_plan {
    hf_world_faults faults; /* of the safety phase */
    uint32_t kinds;         /* HF_RUN_FAULT_BIT: on */
    uint64_t disk_bytes;
    uint64_t crash_events;                   /* mean distance; 0: none */
    uint32_t power_ppm, stop_ppm, again_ppm; /* ... a second crash while it recovers */
    uint32_t aim_ppm; /* of the crashes: just after a reply or a checkpoint, or during a flush */
    uint64_t down_ns;
    uint32_t late_ppm; /* of the boots: one core stands still as soon as another is ready */
    uint64_t late_ns;
    uint32_t lull_ppm; /* of the crashes: nobody writes for a while before it */
    uint64_t lull_ns;
    uint32_t back_ppm; /* of the crashes: the wall clock is set back while the node is down */
    uint64_t back_ns;
    uint64_t space_ns, space_least_ns; /* mean distance of full disks, how long */
    uint32_t repeat_ppm, lose_ppm;     /* of messages between shards */
    uint64_t think_ns;                 /* of clients between operations; 0: none */
    uint32_t file_align;
    hf_client_habits habits;
    hf_shard_config shard;
    uint64_t shard_bytes;
} hf_run_plan;

/* The clock's steps, as far as they were noticed. */
typedef struct hf_run_step {
    uint64_t time, count;
} hf_run_step;

/* What stands between the world and a shard: it repeats messages, and loses some. */
typedef struct hf_run_mesh {
    hf_run_state *run;
    hf_shard *shard;
    hf_msg *late[HF_RUN_LATE_MAX]; /* copies that come again later */
    uint32_t late_count;
} hf_run_mesh;

struct hf_run_state {
    const hf_run_config *config;
    hf_run_result *result;
    const hf_scenario *scenario;
    hf_run_plan plan;
    hf_world *world;
    uint16_t cores;
    hf_world_prng chaos; /* crashes, full disks */
    hf_world_prng late;  /* cores that are late at boot */
    hf_world_prng back;  /* lulls, and clocks that are set back while the node is down */

    /* The node. */
    hf_shard *shards[HF_RUN_CORES_MAX];
    hf_run_mesh meshes[HF_RUN_CORES_MAX];
    hf_world_prng mesh; /* repeats and losses */
    uint8_t *regions[HF_RUN_CORES_MAX];
    bool up;          /* booted */
    uint64_t boot_at; /* when down: UINT64_MAX: never again */
    uint64_t boots;
    uint64_t errors_at_boot; /* injected by then: a fatal end after more of them has its cause */
    bool stopping;
    uint64_t stopped_at; /* when the last stop began */
    bool late_due;       /* a core is to stand still at this boot */
    bool disk_full;
    uint64_t crash_at_event, space_at, space_end;
    bool back_due;       /* at the next crash */
    bool lull_due;       /* before it */
    uint64_t lull_until; /* 0: there is none */
    int moving;          /* clients that wait for a move */
    enum hf_aim { HF_AIM_NONE, HF_AIM_REPLY, HF_AIM_CHECKPOINT, HF_AIM_FLUSH, HF_AIMS } aim;
    bool aim_hit;
    uint64_t aim_until_event; /* then it crashes anyway */
    uint64_t aim_checkpoints; /* finished when it was aimed */
    uint64_t aim_bytes;       /* of one durable write that must be on its way to the disk */

    hf_run_phase phase;
    uint64_t phase_since;
    uint64_t safety_events_end, safety_end;
    hf_actor actors[HF_RUN_ACTORS_MAX];
    uint32_t actor_count;
    hf_workload workloads[HF_WORKLOADS_MAX];
    uint32_t weights[HF_WORKLOADS_MAX];
    uint32_t workload_count, weight_sum;
    uint32_t finish_at; /* workload that reads last, or sets up */
    uint32_t finish_round;
    uint32_t next_process;
    uint64_t wall_max;
    hf_run_step *steps;
    uint32_t step_count, step_room;
    uint64_t checked_at_event;
};

/* run_plan.c */
void hf_run__plan(hf_run_state *run);
/* scenario_errors.c */
void hf_run__judge_errors(hf_run_state *run, const hf_workload *workload, const hf_reply *replies,
                          uint32_t count);
/* run_mesh.c */
const hf_io_handler *hf_run__mesh_handler(void);
void hf_run__mesh_open(hf_run_state *run, uint16_t core);
void hf_run__mesh_close(hf_run_state *run);
/* run_node.c */
void hf_run__boot(hf_run_state *run);
void hf_run__crash(hf_run_state *run, hf_world_crash_kind kind, uint64_t down_ns);
bool hf_run__ready(const hf_run_state *run); /* every shard is */
bool hf_run__at_rest(const hf_run_state *run, const char **why_not);
void hf_run__crash_after(hf_run_state *run, uint64_t wait); /* the next one, in events */
void hf_run__chaos(hf_run_state *run);     /* crashes, stops, full disks: between two events */
void hf_run__late_core(hf_run_state *run); /* at boot: what is in doubt stays so for a while */
void hf_run__end_stop(hf_run_state *run);  /* what was asked to stop, and has, is switched off */
bool hf_run__flushing(const hf_run_state *run); /* some log has what is not durable yet */
void hf_run__fatal(hf_run_state *run);          /* the node stopped itself: had it cause? */
void hf_run__check_shards(hf_run_state *run);
void hf_run__node_close(hf_run_state *run);
void hf_run__stats(hf_run_state *run);
uint64_t hf_run__events(const hf_run_state *run);

#endif
