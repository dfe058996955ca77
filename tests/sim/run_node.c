/* The node's side of a run: memory, boot, crashes, and whether it had cause to stop itself. */
#include "tests/sim/run_impl.h"

#include "engine/base/assert.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define RUN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RUN_ASAN 1
#endif
#endif
#ifndef RUN_ASAN
#define RUN_ASAN 0
#endif
#if RUN_ASAN
#include <sanitizer/asan_interface.h>
#endif

#define MS UINT64_C(1000000)

enum { EXIT_DAMAGED = 65, EXIT_IO = 74, REGION_ALIGN = 1 << 16 };

uint64_t hf_run__events(const hf_run_state *run)
{
    return hf_world_stats_get(run->world).events;
}

static uint64_t errors_injected(const hf_run_state *run)
{
    hf_world_stats s = hf_world_stats_get(run->world);
    return s.read_error + s.write_error + s.sync_error + s.name_error;
}

static uint64_t damage_done(const hf_run_state *run)
{
    hf_world_stats s = hf_world_stats_get(run->world);
    return s.rot + s.lost_write + s.misdirected_write;
}

/* A process that died took its heap with it; the sanitizer must hear of it. */
static void unpoison(void *region, size_t size)
{
#if RUN_ASAN
    __asan_unpoison_memory_region(region, size);
#else
    (void)region;
    (void)size;
#endif
}

void hf_run__boot(hf_run_state *run)
{
    HF_PRE(!run->up);
    run->boots++;
    run->errors_at_boot = errors_injected(run);
    for (uint16_t i = 0; i < run->cores; i++) {
        if (run->regions[i] == NULL) {
            run->regions[i] = aligned_alloc(REGION_ALIGN, run->plan.shard_bytes);
            HF_ASSERT(run->regions[i] != NULL);
        }
        unpoison(run->regions[i], run->plan.shard_bytes);
        if (run->config->junk != 0) {
            memset(run->regions[i], run->config->junk, run->plan.shard_bytes);
        }
        run->shards[i] = hf_shard_open(hf_world_io(run->world, i), run->regions[i],
                                       run->plan.shard_bytes, &run->plan.shard);
        HF_ASSERT(run->shards[i] != NULL);
    }
    for (uint16_t i = 0; i < run->cores; i++) {
        hf_run__mesh_open(run, i);
        hf_world_boot(run->world, i, hf_run__mesh_handler(), &run->meshes[i]);
    }
    run->up = true;
    run->stopping = false;
    run->boot_at = UINT64_MAX;
    run->late_due =
        run->phase == HF_PHASE_SAFETY && hf_world_prng_chance(&run->late, run->plan.late_ppm);
}

/* Between the first core that is ready and the decisions of what was prepared before the crash lie
 * a few messages. One core stands still here, so that clients come in between. */
void hf_run__late_core(hf_run_state *run)
{
    bool any = false;
    for (uint16_t i = 0; run->up && run->late_due && i < run->cores; i++) {
        any = any || hf_shard_ready(run->shards[i]);
    }
    if (any) {
        uint16_t core = (uint16_t)hf_world_prng_below(&run->late, run->cores);
        uint64_t time = 1 + hf_world_prng_below(&run->late, run->plan.late_ns);
        hf_world_pause_core(run->world, core, hf_world_now(run->world) + time);
        run->late_due = false;
    }
}

static void down(hf_run_state *run, uint64_t down_ns)
{
    run->up = false;
    run->stopping = false;
    run->lull_until = 0;
    run->boot_at = hf_world_now(run->world) + down_ns;
    if (run->phase == HF_PHASE_SAFETY && run->back_due) {
        uint64_t step = hf_world_prng_between(&run->back, 1, run->plan.back_ns);
        hf_world_clock_step(run->world, -(int64_t)(down_ns + step));
    }
}

void hf_run__crash(hf_run_state *run, hf_world_crash_kind kind, uint64_t down_ns)
{
    hf_run__stats(run);
    if (kind == HF_WORLD_POWER) {
        run->result->power_losses++;
    } else {
        run->result->kills++;
    }
    hf_world_crash(run->world, kind);
    down(run, down_ns);
}

bool hf_run__ready(const hf_run_state *run)
{
    bool ready = run->up;
    for (uint16_t i = 0; ready && i < run->cores; i++) {
        ready = hf_shard_ready(run->shards[i]);
    }
    return ready;
}

/* Nobody waits for anything: nothing prepared, no lock waited for, no reply held back. */
bool hf_run__at_rest(const hf_run_state *run, const char **why_not)
{
    *why_not = "the node is not ready";
    if (!hf_run__ready(run)) {
        return false;
    }
    for (uint16_t i = 0; i < run->cores; i++) {
        hf_shard_stats s;
        hf_shard_stats_get(run->shards[i], &s);
        if (s.prepared != 0 || s.waiting != 0 || s.held != 0) {
            *why_not = s.prepared != 0  ? "a transaction stays prepared"
                       : s.waiting != 0 ? "a request waits for a lock"
                                        : "a reply is held back";
            return false;
        }
    }
    *why_not = "";
    return true;
}

void hf_run__stats(hf_run_state *run)
{
    for (uint16_t i = 0; run->up && i < run->cores; i++) {
        hf_shard_stats s;
        hf_shard_stats_get(run->shards[i], &s);
        run->result->checkpoints += s.checkpoints;
        run->result->recovered += s.recovered_records;
        run->result->conflicts += s.conflicts;
        run->result->two_phase += s.two_phase;
    }
}

void hf_run__check_shards(hf_run_state *run)
{
    for (uint16_t i = 0; run->up && i < run->cores; i++) {
        hf_shard_check(run->shards[i]);
    }
    run->checked_at_event = hf_run__events(run);
}

/* ---- When the node stops itself ---- */

void hf_run__fatal(hf_run_state *run)
{
    const hf_world_fatal *fatal = hf_world_fatal_get(run->world);
    bool io = errors_injected(run) > run->errors_at_boot || run->disk_full;
    run->result->kills++;
    if (fatal->code == EXIT_DAMAGED && damage_done(run) != 0) {
        run->result->refused = 1; /* as it must: a single copy that is damaged */
        run->up = false;
        run->boot_at = UINT64_MAX;
        run->phase = HF_PHASE_OVER;
        return;
    }
    bool rebooted = hf_disk_stuck(hf_world_disk(run->world)) && !hf_run__ready(run);
    if (fatal->code != EXIT_IO || !io) {
        hf_run_fail(run, HF_RUN_CRASHED, "the node stopped itself without cause, code %d: %s",
                    fatal->code, fatal->message);
        run->phase = HF_PHASE_OVER;
        return;
    }
    if (rebooted) { /* it did not even start: the file system is dead until the machine is */
        hf_run__crash(run, HF_WORLD_POWER, run->plan.down_ns);
        return;
    }
    down(run, run->plan.down_ns);
}

/* ---- Chaos ---- */

void hf_run__crash_after(hf_run_state *run, uint64_t wait)
{
    run->crash_at_event = hf_run__events(run) + wait;
    run->back_due = hf_world_prng_chance(&run->back, run->plan.back_ppm);
    run->lull_due = hf_world_prng_chance(&run->back, run->plan.lull_ppm) && run->back_due;
}

static void next_crash(hf_run_state *run)
{
    uint64_t wait = hf_world_prng_chance(&run->chaos, run->plan.again_ppm)
                        ? 1 + hf_world_prng_below(&run->chaos, 3000)
                        : 1 + hf_world_prng_expo(&run->chaos, run->plan.crash_events);
    hf_run__crash_after(run, wait);
}

bool hf_run_lull(const hf_run_state *run)
{
    return run->lull_until != 0;
}

/* True while the crash that is due waits for clients that only read. */
static bool lulls(hf_run_state *run)
{
    uint64_t now = hf_world_now(run->world);
    if (run->lull_due && hf_run__ready(run)) {
        run->lull_due = false;
        run->lull_until = now + 1 + hf_world_prng_below(&run->back, run->plan.lull_ns);
    }
    return now < run->lull_until;
}

static void clean_stop(hf_run_state *run)
{
    run->stopping = true;
    run->stopped_at = hf_world_now(run->world);
    run->result->stops++;
    for (uint16_t i = 0; i < run->cores; i++) {
        hf_shard_stop(run->shards[i]);
    }
}

void hf_run__end_stop(hf_run_state *run)
{
    if (!run->up || !run->stopping) {
        return;
    }
    for (uint16_t i = 0; i < run->cores; i++) {
        if (!hf_shard_stopped(run->shards[i])) {
            return;
        }
    }
    hf_run__crash(run, HF_WORLD_POWER, run->plan.down_ns); /* it has nothing to lose any more */
}

static void chaos_disk(hf_run_state *run)
{
    uint64_t now = hf_world_now(run->world);
    hf_disk *disk = hf_world_disk(run->world);
    if (run->plan.space_ns == 0) {
        return;
    }
    if (run->disk_full) {
        if (now >= run->space_end) {
            hf_disk_limit(disk, run->plan.disk_bytes);
            run->disk_full = false;
            run->space_at = now + 1 + hf_world_prng_expo(&run->chaos, run->plan.space_ns);
        }
    } else if (now >= run->space_at) {
        uint64_t room = hf_world_prng_below(&run->chaos, 3 << 20);
        hf_disk_limit(disk, hf_disk_used(disk) + room);
        run->disk_full = true;
        run->space_end = now + 1 + hf_world_prng_expo(&run->chaos, run->plan.space_least_ns);
    }
}

/* Checkpoints made, and the most bytes of one log that are not durable yet. */
static uint64_t progress(const hf_run_state *run, uint64_t *lag)
{
    uint64_t sum = 0;
    *lag = 0;
    for (uint16_t i = 0; i < run->cores; i++) {
        hf_shard_stats s;
        hf_shard_stats_get(run->shards[i], &s);
        sum += s.checkpoints;
        *lag = s.log_lag_bytes > *lag ? s.log_lag_bytes : *lag;
    }
    return sum;
}

bool hf_run__flushing(const hf_run_state *run)
{
    uint64_t lag = 0;
    (void)progress(run, &lag);
    return lag != 0;
}

static void take_aim(hf_run_state *run)
{
    enum { PATIENCE = 4000, SECTORS = 4 * HF_DISK_SECTOR };
    uint64_t lag;
    run->aim = (enum hf_aim)(1 + hf_world_prng_below(&run->chaos, HF_AIMS - 1));
    run->aim_hit = false;
    run->aim_until_event = hf_run__events(run) + PATIENCE;
    run->aim_checkpoints = progress(run, &lag);
    run->aim_bytes = hf_world_prng_coin(&run->chaos) ? SECTORS : 1;
}

/* True while the crash that is due waits for a moment worth it. */
static bool aims(hf_run_state *run)
{
    uint64_t lag;
    if (run->aim == HF_AIM_NONE) {
        if (!hf_run__ready(run) || !hf_world_prng_chance(&run->chaos, run->plan.aim_ppm)) {
            return false;
        }
        take_aim(run);
    }
    bool saved = progress(run, &lag) != run->aim_checkpoints;
    uint64_t events = hf_run__events(run);
    bool writes = hf_world_writing(run->world) >= run->aim_bytes;
    bool hit = run->aim_hit || events >= run->aim_until_event ||
               (run->aim == HF_AIM_CHECKPOINT && saved) || (run->aim == HF_AIM_FLUSH && writes);
    run->aim = hit ? HF_AIM_NONE : run->aim;
    return !hit;
}

void hf_run__chaos(hf_run_state *run)
{
    enum { SPARED_PPM = 700000 };
    chaos_disk(run);
    if (!run->up) {
        run->aim = HF_AIM_NONE;
        return; /* a crash that is due waits until there is something to crash */
    }
    if (run->plan.crash_events == 0 || hf_run__events(run) < run->crash_at_event) {
        return;
    }
    if (run->aim == HF_AIM_NONE && !hf_run__ready(run) &&
        hf_world_prng_chance(&run->chaos, SPARED_PPM)) {
        next_crash(run); /* else most would hit a node that has not begun to work */
        return;
    }
    if (lulls(run) || aims(run)) {
        return;
    }
    if (!run->stopping && hf_run__ready(run) &&
        hf_world_prng_chance(&run->chaos, run->plan.stop_ppm)) {
        clean_stop(run);
    } else {
        bool power = hf_world_prng_chance(&run->chaos, run->plan.power_ppm);
        uint64_t time = 1 + hf_world_prng_expo(&run->chaos, run->plan.down_ns);
        hf_run__crash(run, power ? HF_WORLD_POWER : HF_WORLD_KILL, time);
    }
    next_crash(run);
}

void hf_run__node_close(hf_run_state *run)
{
    hf_run__stats(run);
    if (run->up) {
        hf_world_crash(run->world, HF_WORLD_KILL);
    }
    run->up = false;
    hf_run__mesh_close(run);
    for (uint16_t i = 0; i < HF_RUN_CORES_MAX; i++) {
        if (run->regions[i] != NULL) {
            unpoison(run->regions[i], run->plan.shard_bytes);
        }
        free(run->regions[i]);
    }
}
