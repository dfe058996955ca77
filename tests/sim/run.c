#include "tests/sim/run.h"

#include "tests/sim/run_impl.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

enum { CHUNK = 128, LIVENESS_S = 60, CHECK_EVENTS = 150000, FINAL_ROUNDS = 2 };

/* ---- What workloads ask ---- */

uint64_t hf_run_now(const hf_run_state *run)
{
    return hf_world_now(run->world);
}

hf_world *hf_run_world(const hf_run_state *run)
{
    return run->world;
}

uint16_t hf_run_cores(const hf_run_state *run)
{
    return run->cores;
}

uint64_t hf_run_boots(const hf_run_state *run)
{
    return run->boots;
}

uint64_t hf_run_record_max(const hf_run_state *run)
{
    return run->plan.shard.log_staging_bytes / 2;
}

uint64_t hf_run_wall_max(const hf_run_state *run)
{
    uint64_t wall = hf_world_wall(run->world);
    return wall > run->wall_max ? wall : run->wall_max;
}

uint64_t hf_run_clock_max(const hf_run_state *run)
{
    enum { COUNTING_PART = 64 }; /* of engine/shard/horizon.c: so much further with each start */
    uint64_t ahead = run->plan.shard.clock_ahead_ns;
    return hf_run_wall_max(run) +
           (run->boots < 2 ? 0 : ahead + (ahead / COUNTING_PART + 1) * run->boots);
}

uint64_t hf_run_wall_slack(const hf_run_state *run)
{
    const hf_world_faults *f = &run->plan.faults;
    uint64_t late = run->plan.late_ppm == 0 ? 0 : run->plan.late_ns;
    return (f->pause_ns_max > late ? f->pause_ns_max : late) + 2 * f->turn_ns_max + 3 * MS;
}

static uint64_t steps_made(const hf_run_state *run)
{
    return hf_world_stats_get(run->world).clock_step;
}

bool hf_run_wall_steady(const hf_run_state *run, uint64_t since)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < run->step_count && run->steps[i].time <= since; i++) {
        count = run->steps[i].count;
    }
    return count == steps_made(run);
}

uint64_t hf_run_stopped_at(const hf_run_state *run)
{
    return run->stopped_at;
}

bool hf_run_moving(const hf_run_state *run)
{
    return run->moving != 0;
}

void hf_run_moves(hf_run_state *run, int more)
{
    run->moving += more;
    HF_ASSERT(run->moving >= 0);
}

bool hf_run_over(const hf_run_state *run)
{
    return run->phase == HF_PHASE_OVER;
}

uint32_t hf_run_process(hf_run_state *run)
{
    return run->next_process++;
}

void hf_run_fail(hf_run_state *run, int code, const char *format, ...)
{
    hf_run_result *r = run->result;
    size_t at = strlen(r->text);
    r->code = r->code == HF_RUN_OK ? code : r->code;
    if (at + 2 >= sizeof r->text) {
        return;
    }
    at += (size_t)snprintf(r->text + at, sizeof r->text - at, at == 0 ? "" : "\n");
    va_list list;
    va_start(list, format);
    (void)vsnprintf(r->text + at, sizeof r->text - at, format, list);
    va_end(list);
}

/* ---- Actors ---- */

static void actor_tick(void *context);

hf_world_prng *hf_actor_prng(hf_actor *actor)
{
    return &actor->client.prng;
}

uint64_t hf_actor_pause(hf_actor *actor)
{
    hf_world_prng *prng = &actor->client.prng;
    return hf_world_prng_coin(prng) ? hf_world_prng_below(prng, 100000)
                                    : 1000000 + hf_world_prng_expo(prng, 20000000);
}

static void tick_at(hf_actor *actor, uint64_t delay)
{
    hf_world_at(actor->run->world, hf_world_now(actor->run->world) + delay, actor_tick, actor);
}

void hf_actor_done(hf_actor *actor)
{
    const hf_run_state *run = actor->run;
    uint64_t think = run->phase != HF_PHASE_SAFETY || run->plan.think_ns == 0
                         ? 0
                         : hf_world_prng_expo(&actor->client.prng, run->plan.think_ns);
    actor->workload = NULL;
    actor->done = true;
    tick_at(actor, think);
}

void hf_actor_finish_again(hf_actor *actor)
{
    if (actor->run->phase == HF_PHASE_FINISH) {
        HF_ASSERT(actor->run->finish_at > 0);
        actor->run->finish_at--;
    }
    actor->workload = NULL;
    tick_at(actor, 50 * MS);
}

void hf_actor_wait(hf_actor *actor, uint64_t ns)
{
    actor->wake_at = hf_world_now(actor->run->world) + ns;
    tick_at(actor, ns);
}

static void begin(hf_actor *actor, hf_workload *workload,
                  void (*how)(hf_workload *workload, hf_actor *actor))
{
    memset(actor->room, 0, sizeof actor->room);
    actor->workload = workload;
    actor->done = false;
    how(workload, actor);
}

static hf_workload *draw_workload(hf_run_state *run, hf_actor *actor)
{
    uint64_t draw = hf_world_prng_below(&actor->client.prng, run->weight_sum);
    uint32_t i = 0;
    while (draw >= run->weights[i]) {
        draw -= run->weights[i++];
    }
    return &run->workloads[i];
}

/* An idle actor with a connection: what is there to do? */
static void next_operation(hf_actor *actor)
{
    hf_run_state *run = actor->run;
    hf_workload *last =
        run->finish_at < run->workload_count ? &run->workloads[run->finish_at] : NULL;
    bool first = actor == &run->actors[0];
    switch (run->phase) {
    case HF_PHASE_SETUP:
    case HF_PHASE_FINISH:
        if (first && last != NULL) {
            run->finish_at++;
            begin(actor, last,
                  run->phase == HF_PHASE_SETUP ? last->kind->setup : last->kind->finish);
        }
        break;
    case HF_PHASE_SAFETY: {
        hf_workload *workload = draw_workload(run, actor);
        begin(actor, workload, workload->kind->start);
        break;
    }
    case HF_PHASE_BOOT:
    case HF_PHASE_LIVENESS:
    case HF_PHASE_OVER:
        break;
    }
}

static void wake(hf_actor *actor)
{
    actor->wants_connection = false;
    actor->workload->kind->wake(actor->workload, actor);
}

static void actor_tick(void *context)
{
    hf_actor *actor = context;
    bool ready = actor->client.state == HF_CLIENT_READY;
    if (actor->workload == NULL) {
        if (ready) {
            next_operation(actor);
        }
    } else if (actor->wake_at <= hf_world_now(actor->run->world)) {
        actor->wake_at = UINT64_MAX;
        actor->wants_connection = true;
        if (ready) {
            wake(actor);
        }
    }
}

static void on_ready(hf_client *client)
{
    hf_actor *actor = client->owner;
    if (actor->workload == NULL) {
        next_operation(actor);
    } else if (actor->wants_connection) {
        wake(actor);
    }
}

/* Clients that are not of a cluster do not ask again when ranges go elsewhere: the gateway does.
 * Only an operator is told so. */
static void judge_words(hf_actor *actor, const hf_reply *replies, uint32_t count)
{
    if (replies == NULL || actor->workload->kind == &hf_workload_operator) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (hf_reply_is_error(&replies[i], "TRYAGAIN")) {
            hf_run_fail(actor->run, HF_RUN_WRONG, "%s: told to try again: %.*s",
                        actor->workload->kind->name, (int)replies[i].bytes.size,
                        (const char *)replies[i].bytes.data);
        }
    }
}

static void on_replies(hf_client *client, const hf_reply *replies, uint32_t count)
{
    hf_actor *actor = client->owner;
    HF_ASSERT(actor->workload != NULL);
    hf_run__judge_errors(actor->run, actor->workload, replies, count);
    if (actor->run->aim == HF_AIM_REPLY && replies != NULL && hf_run__flushing(actor->run)) {
        actor->run->aim_hit = true;
        hf_world_pause(actor->run->world); /* nothing else happens before the crash */
    }
    judge_words(actor, replies, count);
    actor->workload->kind->step(actor->workload, actor, replies, count);
}

static const hf_client_handler actor_handler = { .on_ready = on_ready, .on_replies = on_replies };

/* Local connections do not promise any (engine/shard/session/local.h). */
static bool counts_on_order(const hf_scenario *scenario)
{
    bool any = false;
    for (uint32_t i = 0; i < HF_WORKLOADS_MAX && scenario->mix[i].kind != NULL; i++) {
        any = any || scenario->mix[i].kind->in_order;
    }
    return any;
}

static void actors_open(hf_run_state *run)
{
    for (uint32_t i = 0; i < run->actor_count; i++) {
        hf_actor *actor = &run->actors[i];
        hf_client_habits habits = run->plan.habits;
        actor->run = run;
        actor->wake_at = UINT64_MAX;
        actor->process = run->next_process++;
        habits.resp3 = i % 2 == 1;
        habits.local = i % 4 == 3 && !counts_on_order(run->scenario);
        habits.desert_ppm = habits.half_ppm = 0; /* only while faults are on */
        hf_client_open(&actor->client, run->world, i, run->config->seed, &habits, &actor_handler,
                       actor);
        actor->client.trace = run->config->trace;
        hf_client_connect(&actor->client, 1000 * (uint64_t)i);
    }
}

static void actors_habits(hf_run_state *run, const hf_client_habits *habits)
{
    for (uint32_t i = 0; i < run->actor_count; i++) {
        hf_client_habits *to = &run->actors[i].client.habits;
        to->desert_ppm = habits->desert_ppm;
        to->half_ppm = habits->half_ppm;
        to->patience_ns = habits->patience_ns;
        tick_at(&run->actors[i], 0);
    }
}

/* ---- Workloads ---- */

static void workloads_open(hf_run_state *run)
{
    static const char letters[] = "rabexopclf";
    for (uint32_t i = 0; i < HF_WORKLOADS_MAX && run->scenario->mix[i].kind != NULL; i++) {
        hf_workload *w = &run->workloads[i];
        w->kind = run->scenario->mix[i].kind;
        w->flavour = run->scenario->mix[i].flavour;
        w->run = run;
        w->letter = letters[i];
        hf_history_open(&w->history);
        hf_world_prng_seed(&w->prng, run->config->seed, 0x30a0000u + i);
        run->weights[i] = run->scenario->mix[i].weight;
        run->weight_sum += run->weights[i];
        run->workload_count++;
        w->kind->open(w);
    }
}

static void count_history(hf_run_state *run, const hf_history *history)
{
    for (uint32_t t = 0; t < history->count; t++) {
        hf_heard heard = history->txns[t].heard;
        run->result->ok += heard == HF_HEARD_OK;
        run->result->unknown += heard == HF_HEARD_UNKNOWN;
        run->result->fail += heard == HF_HEARD_FAIL || heard == HF_HEARD_LIMIT;
    }
}

static void save_history(const hf_run_state *run, const hf_workload *w)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/seed-%" PRIu64 "-%s.jsonl", run->config->history,
                   run->config->seed, w->kind->name);
    if (hf_history_save(&w->history, path) != HF_OK) {
        fprintf(stderr, "sim: %s cannot be written\n", path);
    }
}

static void workloads_judge(hf_run_state *run)
{
    for (uint32_t i = 0; i < run->workload_count; i++) {
        hf_workload *w = &run->workloads[i];
        count_history(run, &w->history);
        w->kind->judge(w);
    }
    for (uint32_t i = 0; i < run->workload_count; i++) {
        hf_workload *w = &run->workloads[i];
        if (run->result->code != HF_RUN_OK && run->config->history != NULL) {
            save_history(run, w);
        }
        w->kind->close(w);
        hf_history_close(&w->history);
    }
}

/* ---- Phases ---- */

static void enter(hf_run_state *run, hf_run_phase phase)
{
    run->phase = phase;
    run->phase_since = hf_world_now(run->world);
    hf_world_note(run->world, "phase", (uint64_t)phase, run->finish_round);
}

static bool actors_idle(const hf_run_state *run, const hf_actor **busy)
{
    for (uint32_t i = 0; i < run->actor_count; i++) {
        if (run->actors[i].workload != NULL) {
            *busy = &run->actors[i];
            return false;
        }
    }
    return true;
}

static void begin_safety(hf_run_state *run)
{
    const hf_run_config *c = run->config;
    uint64_t now = hf_world_now(run->world);
    uint64_t events = hf_run__events(run);
    enter(run, HF_PHASE_SAFETY);
    hf_world_set_faults(run->world, &run->plan.faults);
    run->safety_events_end = c->events == 0 ? UINT64_MAX : events + c->events;
    run->safety_end = c->time_ns == 0 ? UINT64_MAX : now + c->time_ns;
    hf_run__crash_after(run, 1 + hf_world_prng_expo(&run->chaos, run->plan.crash_events));
    run->space_at = now + hf_world_prng_expo(&run->chaos, run->plan.space_ns);
    actors_habits(run, &run->plan.habits);
}

static void begin_liveness(hf_run_state *run)
{
    hf_world_faults none = hf_world_faults_none();
    uint64_t wall = hf_world_wall(run->world);
    enter(run, HF_PHASE_LIVENESS);
    run->aim = HF_AIM_NONE;
    hf_world_set_faults(run->world, &none);
    hf_disk_limit(hf_world_disk(run->world), run->plan.disk_bytes);
    run->disk_full = false;
    if (wall < run->wall_max) { /* the clock is set right again */
        hf_world_clock_step(run->world, (int64_t)(run->wall_max - wall));
    }
    actors_habits(run, &(hf_client_habits){ .resp3 = false });
}

static void begin_finish(hf_run_state *run)
{
    run->finish_at = 0;
    enter(run, HF_PHASE_FINISH);
    hf_run__check_shards(run);
    tick_at(&run->actors[0], 0);
}

static void end_finish(hf_run_state *run)
{
    run->finish_round++;
    if (run->finish_round == FINAL_ROUNDS ||
        (run->config->without & HF_RUN_FAULT_BIT(CRASH)) != 0) {
        hf_run__check_shards(run);
        enter(run, HF_PHASE_OVER);
        return;
    }
    hf_run__crash(run, HF_WORLD_POWER, 1 * MS);
    enter(run, HF_PHASE_LIVENESS);
}

static void stuck(hf_run_state *run)
{
    static const char *const phases[] = { "boot", "setup", "safety", "liveness", "last reads" };
    static const char *const states[] = { "has no connection", "is not greeted", "is ready",
                                          "waits for replies" };
    const hf_actor *busy = NULL;
    const char *why = "";
    (void)hf_run__at_rest(run, &why);
    if (actors_idle(run, &busy)) {
        hf_run_fail(run, HF_RUN_STUCK, "%s: not done after %d s without faults: %s",
                    phases[run->phase], LIVENESS_S, why);
        return;
    }
    hf_run_fail(run, HF_RUN_STUCK,
                "%s: client %u (%s) %s on connection %" PRIu64 " after %d s without faults; %s",
                phases[run->phase], busy->client.number, busy->workload->kind->name,
                states[busy->client.state], busy->client.conn, LIVENESS_S, why);
}

static void advance(hf_run_state *run)
{
    const hf_actor *busy;
    const char *why;
    uint64_t now = hf_world_now(run->world);
    bool idle = actors_idle(run, &busy);
    bool late = now - run->phase_since > LIVENESS_S * S;
    switch (run->phase) {
    case HF_PHASE_BOOT:
        if (hf_run__ready(run)) {
            enter(run, HF_PHASE_SETUP);
            tick_at(&run->actors[0], 0);
            late = false;
        }
        break;
    case HF_PHASE_SETUP:
        if (idle && run->finish_at == run->workload_count) {
            begin_safety(run);
            late = false;
        }
        break;
    case HF_PHASE_SAFETY:
        late = false;
        if (now >= run->safety_end || hf_run__events(run) >= run->safety_events_end) {
            begin_liveness(run);
        }
        break;
    case HF_PHASE_LIVENESS:
        if (idle && hf_run__at_rest(run, &why)) {
            begin_finish(run);
            late = false;
        }
        break;
    case HF_PHASE_FINISH:
        if (idle && run->finish_at == run->workload_count) {
            end_finish(run);
            late = false;
        }
        break;
    case HF_PHASE_OVER:
        late = false;
        break;
    }
    if (late) {
        stuck(run);
    }
}

/* ---- The loop ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void sample_clock(hf_run_state *run)
{
    run->wall_max = hf_run_wall_max(run);
    uint64_t made = steps_made(run);
    if (run->step_count == 0 || run->steps[run->step_count - 1].count != made) {
        run->steps =
            hf_check_grow(run->steps, run->step_count, &run->step_room, sizeof *run->steps);
        run->steps[run->step_count++] =
            (hf_run_step){ .time = hf_world_now(run->world), .count = made };
    }
}

/* Also at each step of the clock, before and after: a peak between two looks would be missed. */
static void look_at_clock(void *context)
{
    hf_run_state *run = context;
    sample_clock(run);
    for (uint32_t i = 0; i < run->workload_count; i++) {
        if (run->workloads[i].kind->look != NULL) {
            run->workloads[i].kind->look(&run->workloads[i]);
        }
    }
}

static void look_around(hf_run_state *run)
{
    look_at_clock(run);
    for (uint32_t i = 0; i < run->actor_count; i++) {
        hf_client *client = &run->actors[i].client;
        hf_client_look(client);
        if (client->broken != NULL) {
            hf_run_fail(run, HF_RUN_WRONG, "client %u heard %s", i, client->broken);
        }
    }
}

static void loop(hf_run_state *run)
{
    while (run->phase != HF_PHASE_OVER && run->result->code == HF_RUN_OK) {
        uint64_t now = hf_world_now(run->world);
        uint64_t events = hf_run__events(run);
        uint64_t count = CHUNK;
        if (run->phase == HF_PHASE_SAFETY && run->crash_at_event > events) {
            count = least(count, run->crash_at_event - events);
        }
        if (run->aim == HF_AIM_CHECKPOINT || run->aim == HF_AIM_FLUSH ||
            (run->up && run->late_due)) {
            count = 1;
        }
        uint64_t until = least(now + 10 * MS, run->up ? UINT64_MAX : run->boot_at);
        (void)hf_world_run(run->world, until, count);
        if (run->up && hf_world_fatal_get(run->world)->dead) {
            hf_run__fatal(run);
        }
        look_around(run);
        if (!run->up && hf_world_now(run->world) >= run->boot_at) {
            hf_run__boot(run);
        }
        if (run->phase == HF_PHASE_SAFETY) {
            hf_run__late_core(run);
            hf_run__chaos(run);
        }
        hf_run__end_stop(run);
        if (hf_run__events(run) - run->checked_at_event > CHECK_EVENTS) {
            hf_run__check_shards(run);
        }
        advance(run);
    }
}

/* A run that ended early: operations under way may have happened. */
static void abandon(hf_run_state *run)
{
    run->phase = HF_PHASE_OVER;
    for (uint32_t i = 0; i < run->actor_count; i++) {
        hf_actor *actor = &run->actors[i];
        if (actor->workload != NULL) {
            actor->workload->kind->step(actor->workload, actor, NULL, 0);
        }
        HF_ASSERT(actor->workload == NULL);
    }
}

static void results(hf_run_state *run)
{
    hf_run_result *r = run->result;
    hf_world_note(run->world, "end", r->ok, r->fail);
    r->hash = hf_world_hash_now(run->world);
    r->events = hf_run__events(run);
    r->time_ns = hf_world_now(run->world);
}

static void open_world(hf_run_state *run)
{
    hf_world_config config = { .seed = run->config->seed,
                               .core_count = run->cores,
                               .file_align = run->plan.file_align,
                               .disk_bytes = run->plan.disk_bytes,
                               .trace = run->config->trace,
                               .faults = hf_world_faults_none() };
    run->world = hf_world_open(&config);
    hf_world_watch_clock(run->world, look_at_clock, run);
}

void hf_run(const hf_run_config *config, hf_run_result *result)
{
    hf_run_state *run = hf_check_alloc(1, sizeof *run);
    clock_t from = clock();
    *result = (hf_run_result){ .seed = config->seed };
    run->config = config;
    run->result = result;
    hf_run__plan(run);
    (void)snprintf(result->scenario, sizeof result->scenario, "%s", run->scenario->name);
    result->cores = run->cores;
    result->clients = run->actor_count;
    result->log_shared = run->plan.shard.log_shared;
    result->faults = run->plan.kinds;
    open_world(run);
    workloads_open(run);
    actors_open(run);
    hf_run__boot(run);
    loop(run);
    abandon(run);
    workloads_judge(run);
    hf_run__node_close(run);
    results(run);
    for (uint32_t i = 0; i < run->actor_count; i++) {
        hf_client_close(&run->actors[i].client);
    }
    hf_world_close(run->world);
    free(run->steps);
    free(run);
    result->seconds = (double)(clock() - from) / CLOCKS_PER_SEC;
}
