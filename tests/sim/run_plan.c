/* What a run is like, drawn from its seed: each decision from a stream of its own, so that leaving
 * one out (run.h, `without`) does not change the others. */
#include "tests/sim/run_impl.h"

#include <string.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

const char *hf_run_fault_name(uint32_t fault)
{
    static const char *const names[] = {
#define X(name, text, what) text,
        HF_RUN_FAULTS(X)
#undef X
    };
    return names[fault];
}

const char *hf_run_fault_text(uint32_t fault)
{
    static const char *const texts[] = {
#define X(name, text, what) what,
        HF_RUN_FAULTS(X)
#undef X
    };
    return texts[fault];
}

static hf_world_prng stream(const hf_run_state *run, uint64_t number)
{
    hf_world_prng prng;
    hf_world_prng_seed(&prng, run->config->seed, 0x9a70000u + number);
    return prng;
}

/* ---- Faults of the world ---- */

static bool wants(const hf_run_state *run, uint32_t bit)
{
    return (run->config->without & bit) == 0;
}

static bool chosen(const hf_run_state *run, uint32_t bit, bool drawn)
{
    return drawn || (run->config->with & bit) != 0;
}

static void quieten(hf_run_state *run, const hf_world_faults *none)
{
    hf_world_faults *f = &run->plan.faults;
    if (!wants(run, HF_RUN_FAULT_BIT(PAUSE))) {
        f->turn_ns_min = none->turn_ns_min;
        f->turn_ns_max = none->turn_ns_max;
        f->timer_late_ns_max = 0;
        f->pause = none->pause;
        f->pause_ns_max = 0;
    }
    if (!wants(run, HF_RUN_FAULT_BIT(MESSAGE))) {
        f->message_ns_max = none->message_ns_max;
        f->message_long = none->message_long;
    }
    if (!wants(run, HF_RUN_FAULT_BIT(DISK))) {
        f->disk_read_ns_mean = none->disk_read_ns_mean;
        f->disk_write_ns_mean = none->disk_write_ns_mean;
        f->disk_tail = none->disk_tail;
        f->disk_slow = none->disk_slow;
        f->disk_in_order = true;
    }
    if (!wants(run, HF_RUN_FAULT_BIT(CLOCK))) {
        f->clock_step = none->clock_step;
        f->clock_drift_ppm_max = 0;
    }
    if (!wants(run, HF_RUN_FAULT_BIT(NET))) {
        f->conn_ns_max = none->conn_ns_max;
        f->conn_tiny_ppm = f->conn_slow_ppm = 0;
        f->conn_abort = none->conn_abort;
        f->conn_vanish = none->conn_vanish;
    }
}

static bool forced(const hf_run_state *run, uint32_t bit, bool is_on)
{
    return !is_on && (run->config->with & bit) != 0;
}

/* Kinds that must be on, and were drawn off, are as another seed has them. */
static void insist(hf_run_state *run)
{
    enum { DONORS = 64 };
    hf_world_faults *f = &run->plan.faults;
    for (uint64_t k = 1; k <= DONORS; k++) {
        hf_world_faults d = hf_world_faults_default(hf_world_mix(run->config->seed + k));
        if (forced(run, HF_RUN_FAULT_BIT(PAUSE), f->pause.every_ns != 0)) {
            f->pause = d.pause;
            f->pause_ns_max = d.pause_ns_max;
        }
        if (forced(run, HF_RUN_FAULT_BIT(MESSAGE), f->message_long.ppm != 0)) {
            f->message_ns_max = d.message_ns_max;
            f->message_long = d.message_long;
            f->message_long_ns_max = d.message_long_ns_max;
        }
        if (forced(run, HF_RUN_FAULT_BIT(DISK), f->disk_tail.ppm != 0)) {
            f->disk_tail = d.disk_tail;
            f->disk_tail_ns_max = d.disk_tail_ns_max;
        }
        if (forced(run, HF_RUN_FAULT_BIT(CLOCK), f->clock_step.every_ns != 0)) {
            f->clock_step = d.clock_step;
            f->clock_step_ns_max = d.clock_step_ns_max;
            f->clock_drift_ppm_max = d.clock_drift_ppm_max;
        }
        if (forced(run, HF_RUN_FAULT_BIT(NET), f->conn_abort.ppm != 0)) {
            f->conn_abort = d.conn_abort;
            f->conn_vanish = d.conn_vanish;
        }
    }
}

static void draw_faults(hf_run_state *run)
{
    hf_run_plan *plan = &run->plan;
    hf_world_faults none = hf_world_faults_none();
    hf_world_prng prng = stream(run, 1);
    plan->faults = hf_world_faults_default(run->config->seed);
    insist(run);
    bool damage = chosen(run, HF_RUN_FAULT_BIT(DAMAGE), hf_world_prng_chance(&prng, 120000));
    bool error = chosen(run, HF_RUN_FAULT_BIT(ERROR), hf_world_prng_chance(&prng, 120000));
    if (damage && wants(run, HF_RUN_FAULT_BIT(DAMAGE))) {
        hf_world_faults_add_damage(&plan->faults, run->config->seed);
        plan->faults.damage_only = "core-";
        plan->kinds |= HF_RUN_FAULT_BIT(DAMAGE);
    }
    if (error && wants(run, HF_RUN_FAULT_BIT(ERROR))) {
        hf_world_faults_add_errors(&plan->faults, run->config->seed);
        plan->kinds |= HF_RUN_FAULT_BIT(ERROR);
    }
    quieten(run, &none);
}

static void draw_mesh(hf_run_state *run)
{
    hf_run_plan *plan = &run->plan;
    hf_world_prng prng = stream(run, 7);
    bool on = chosen(run, HF_RUN_FAULT_BIT(REPEAT), hf_world_prng_chance(&prng, 400000));
    uint32_t repeat = (uint32_t)hf_world_prng_between(&prng, 1000, 300000);
    uint32_t lose = (uint32_t)hf_world_prng_between(&prng, 0, 500000);
    if ((run->config->with & HF_RUN_FAULT_BIT(REPEAT)) != 0) { /* who asks for it gets much */
        repeat = repeat > 300000 / 2 ? repeat : repeat + 300000 / 2;
        lose = 700000 + lose / 2;
    }
    if (on && wants(run, HF_RUN_FAULT_BIT(REPEAT))) {
        plan->repeat_ppm = repeat;
        plan->lose_ppm = lose;
        plan->kinds |= HF_RUN_FAULT_BIT(REPEAT);
    }
    run->mesh = stream(run, 8);
}

/* ---- Crashes, full disks, clients ---- */

static uint64_t safety_events(const hf_run_state *run)
{
    return run->config->events != 0 ? run->config->events : 400000;
}

static void draw_chaos(hf_run_state *run)
{
    hf_run_plan *plan = &run->plan;
    hf_world_prng prng = stream(run, 2);
    bool crashes = chosen(run, HF_RUN_FAULT_BIT(CRASH), hf_world_prng_chance(&prng, 850000));
    uint64_t often = hf_world_prng_between(&prng, 2, hf_world_prng_coin(&prng) ? 12 : 60);
    plan->aim_ppm = (uint32_t)hf_world_prng_between(&prng, 200000, 900000);
    plan->power_ppm = (uint32_t)hf_world_prng_between(&prng, 200000, 1000000);
    plan->stop_ppm = (uint32_t)hf_world_prng_between(&prng, 0, 200000);
    plan->again_ppm = (uint32_t)hf_world_prng_between(&prng, 0, 400000);
    plan->down_ns = hf_world_prng_between(&prng, 1 * MS, 200 * MS);
    if ((run->config->with & HF_RUN_FAULT_BIT(CRASH)) != 0) {
        often = often > 15 ? often : 15; /* who asks for crashes gets many */
    }
    if ((run->config->with & HF_RUN_FAULT_BIT(POWER)) != 0) {
        plan->power_ppm = plan->power_ppm > 700000 ? plan->power_ppm : 700000;
    }
    if (crashes && wants(run, HF_RUN_FAULT_BIT(CRASH))) {
        plan->crash_events = safety_events(run) / often;
        plan->kinds |= HF_RUN_FAULT_BIT(CRASH);
    }
    if (!wants(run, HF_RUN_FAULT_BIT(POWER))) {
        plan->power_ppm = 0;
    }
    if (!wants(run, HF_RUN_FAULT_BIT(STOP))) {
        plan->stop_ppm = 0;
    }
    prng = stream(run, 8);
    plan->late_ns = hf_world_prng_between(&prng, 1 * MS, 20 * MS);
    plan->late_ppm = (uint32_t)hf_world_prng_between(&prng, 0, 900000);
    if ((run->config->with & HF_RUN_FAULT_BIT(PAUSE)) != 0) {
        plan->late_ppm = plan->late_ppm > 500000 ? plan->late_ppm : 500000;
    }
    if (!wants(run, HF_RUN_FAULT_BIT(PAUSE))) {
        plan->late_ppm = 0;
    }
    prng = stream(run, 3);
    bool drawn = run->scenario->small || hf_world_prng_chance(&prng, 150000);
    bool space = chosen(run, HF_RUN_FAULT_BIT(SPACE), drawn);
    uint64_t every = hf_world_prng_between(&prng, 20 * MS, 500 * MS);
    plan->space_least_ns = hf_world_prng_between(&prng, 1 * MS, 300 * MS);
    if (space && wants(run, HF_RUN_FAULT_BIT(SPACE))) {
        plan->space_ns = every;
        plan->kinds |= HF_RUN_FAULT_BIT(SPACE);
    }
}

/* What was promised in memory only is lost when the node dies and its clock comes back lower: for
 * that nothing may have been written between the promise and the crash. */
static void draw_setback(hf_run_state *run)
{
    hf_run_plan *plan = &run->plan;
    hf_world_prng prng = stream(run, 12);
    bool back = chosen(run, HF_RUN_FAULT_BIT(CLOCK), hf_world_prng_chance(&prng, 600000));
    plan->lull_ppm = (uint32_t)hf_world_prng_between(&prng, 300000, 1000000);
    plan->lull_ns = MS << hf_world_prng_between(&prng, 1, 6);
    plan->back_ppm = (uint32_t)hf_world_prng_between(&prng, 200000, 900000);
    plan->back_ns = MS << hf_world_prng_below(&prng, 17);
    if (!back || !wants(run, HF_RUN_FAULT_BIT(CLOCK))) {
        plan->back_ppm = 0;
    }
    run->back = stream(run, 13);
}

static void draw_clients(hf_run_state *run)
{
    hf_run_plan *plan = &run->plan;
    hf_world_prng prng = stream(run, 4);
    static const uint64_t thinks[] = { 0, 0, 100 * US, 2 * MS };
    uint32_t count = 2 + (uint32_t)hf_world_prng_below(&prng, 15);
    run->actor_count = run->config->clients != 0 ? run->config->clients : count;
    plan->think_ns = thinks[hf_world_prng_below(&prng, 4)];
    plan->habits.desert_ns = 2 * MS;
    plan->habits.patience_ns = 20 * S;
    bool leave = chosen(run, HF_RUN_FAULT_BIT(CLIENT), hf_world_prng_chance(&prng, 500000));
    uint32_t ppm =
        (uint32_t)hf_world_prng_between(&prng, 1000, hf_world_prng_coin(&prng) ? 20000 : 150000);
    if (leave && wants(run, HF_RUN_FAULT_BIT(CLIENT))) {
        plan->habits.desert_ppm = ppm;
        plan->kinds |= HF_RUN_FAULT_BIT(CLIENT);
    }
}

static void draw_half(hf_run_state *run)
{
    hf_run_plan *plan = &run->plan;
    hf_world_prng prng = stream(run, 10);
    bool half = chosen(run, HF_RUN_FAULT_BIT(HALF), hf_world_prng_coin(&prng));
    uint32_t ppm = (uint32_t)hf_world_prng_between(&prng, 10000, 300000);
    if (half && wants(run, HF_RUN_FAULT_BIT(HALF))) {
        plan->habits.half_ppm = ppm;
        plan->kinds |= HF_RUN_FAULT_BIT(HALF);
    }
}

/* ---- The node ---- */

static bool log_shared(const hf_run_state *run)
{
    hf_world_prng prng = stream(run, 7);
    bool drawn = hf_world_prng_chance(&prng, 300000);
    return run->config->log_per == HF_RUN_LOG_DRAWN ? drawn
                                                    : run->config->log_per == HF_RUN_LOG_DEVICE;
}

static void draw_node(hf_run_state *run)
{
    hf_run_plan *plan = &run->plan;
    hf_world_prng prng = stream(run, 5);
    uint16_t cores = (uint16_t)(1 + hf_world_prng_below(&prng, HF_RUN_CORES_MAX));
    run->cores = run->config->cores != 0 ? run->config->cores : cores;
    static const uint32_t aligns[] = { 512, 4096 };
    plan->file_align = aligns[hf_world_prng_below(&prng, 2)];
    hf_shard_config *c = &plan->shard;
    *c = hf_shard_defaults();
    c->node_id = 1 + hf_world_prng_below(&prng, 1u << 30);
    c->log_segment_bytes = (1 + hf_world_prng_below(&prng, 4)) << 20;
    c->log_staging_bytes = (2 + hf_world_prng_below(&prng, 3)) << 20;
    c->log_batch_bytes = (uint64_t)(4 + hf_world_prng_below(&prng, 61)) << 12;
    c->log_flushes = 1 + (uint32_t)hf_world_prng_below(&prng, 2);
    c->log_shared = log_shared(run);
    if (c->log_shared) {
        plan->faults.damage_only = NULL; /* not every file lies with a core */
    }
    c->retention_ns = hf_world_prng_between(&prng, 50 * MS, 5 * S);
    c->lock_wait_ns = hf_world_prng_between(&prng, 50 * MS, 5 * S);
    c->push_ns = hf_world_prng_between(&prng, 100 * US, 10 * MS);
    c->idle_txn_ns = hf_world_prng_between(&prng, 200 * MS, 5 * S);
    c->recovery_ns = 1;
    hf_world_prng ahead = stream(run, 14);
    c->clock_ahead_ns = hf_world_prng_between(&ahead, 1 * MS, 20 * MS);
    hf_world_prng crowd = stream(run, 11);
    if (run->scenario->crowded && hf_world_prng_below(&crowd, 4) == 0) {
        c->timers_max = 1 + (uint32_t)hf_world_prng_below(&crowd, 12);
    }
    hf_world_prng ids = stream(run, 9);
    bool soon = hf_world_prng_chance(&ids, 250000); /* ids grow too old while they are asked for */
    uint64_t outcome_ms = hf_world_prng_between(&ids, 100, 5000);
    c->outcome_ms = soon ? outcome_ms : c->outcome_ms;
    c->connections_max = 128;
    c->pipeline_max = (uint32_t)(4u << hf_world_prng_below(&prng, 7));
    c->initial_splits = "1,2,3,4,5,6,7";
    hf_world_prng balance = stream(run, 13);
    if (run->scenario->moves && hf_world_prng_coin(&balance)) {
        c->balance_operations = 1 + (uint32_t)hf_world_prng_below(&balance, 50);
        c->balance_keys = 1;
    }
    hf_world_prng large = stream(run, 12);
    if (run->scenario->small && hf_world_prng_below(&large, 3) == 0) {
        c->log_staging_bytes = 20 << 20; /* a transaction may have 10 MiB at one shard */
    }
    uint64_t more = hf_world_prng_between(&prng, 16, 48);
    uint64_t least = hf_shard_least_bytes(c);
    plan->shard_bytes =
        (least + ((run->scenario->small ? 4 : more) << 20) + 0xffff) & ~UINT64_C(0xffff);
}

void hf_run__plan(hf_run_state *run)
{
    hf_world_prng prng = stream(run, 0);
    uint32_t at = (uint32_t)hf_world_prng_below(&prng, hf_scenario_count);
    run->scenario =
        run->config->scenario != NULL ? hf_scenario_find(run->config->scenario) : &hf_scenarios[at];
    run->chaos = stream(run, 6);
    run->late = stream(run, 7);
    draw_faults(run);
    draw_mesh(run);
    draw_chaos(run);
    draw_setback(run);
    draw_clients(run);
    draw_half(run);
    draw_node(run);
}
