#include "tests/sim/world.h"

#include "tests/sim/world_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    WORLD_WALL_BASE_S = 1790000000, /* 2026: after every timestamp a build could carry */
    WORLD_TRACE_EVENTS = 256,
};

static const uint64_t WORLD_S = 1000000000u;

uint64_t hf_world__after(hf_world *w, uint64_t time, uint64_t delay)
{
    (void)w;
    return delay > UINT64_MAX - time ? UINT64_MAX : time + delay;
}

/* ---- The seam's remaining calls
 * ------------------------------------------------------------------ */

static uint64_t world_entropy(hf_io *io)
{
    hf_world__core *core = (hf_world__core *)(void *)io;
    return hf_world_prng_next(&core->entropy);
}

static void world_fatal(hf_io *io, int code, const char *message)
{
    hf_world__core *core = (hf_world__core *)(void *)io;
    hf_world *w = core->world;
    if (w->fatal.dead) {
        return; /* asked for outside an event, and the event has not come yet */
    }
    w->fatal.dead = true;
    w->fatal.core = io->core;
    w->fatal.code = code;
    snprintf(w->fatal.message, sizeof w->fatal.message, "%s", message);
    if (w->calling >= 0) {
        longjmp(w->escape, 1);
    }
    hf_world__schedule(w, HF_WORLD__FATAL, HF_WORLD__NOCORE, w->now, NULL)->node = true;
}

static const hf_io_ops world_ops = {
    .submit = hf_world__submit,
    .list = hf_world__list,
    .post = hf_world__post,
    .conn_send = hf_world__conn_send,
    .conn_receive = hf_world__conn_receive,
    .conn_close = hf_world__conn_close,
    .conn_peer = hf_world__conn_peer,
    .random = world_entropy,
    .fatal = world_fatal,
};

/* ---- Clock
 * --------------------------------------------------------------------------------------- */

uint64_t hf_world_wall(const hf_world *w)
{
    uint64_t passed = w->now - w->wall_since;
    int64_t drift = (int64_t)(passed / 1000000) * w->wall_ppm;
    return w->wall_base + passed + (uint64_t)drift;
}

static void world_wall_anchor(hf_world *w)
{
    w->wall_base = hf_world_wall(w);
    w->wall_since = w->now;
}

void hf_world_clock_step(hf_world *w, int64_t delta_ns)
{
    if (w->clock_watch != NULL) {
        w->clock_watch(w->clock_watch_context);
    }
    world_wall_anchor(w);
    if (delta_ns < 0 && w->wall_base < (uint64_t)-delta_ns + WORLD_S) {
        w->wall_base = WORLD_S;
    } else {
        w->wall_base += (uint64_t)delta_ns;
    }
    w->stats.clock_step++;
    if (w->clock_watch != NULL) {
        w->clock_watch(w->clock_watch_context);
    }
}

void hf_world_watch_clock(hf_world *w, hf_world_call *call, void *context)
{
    w->clock_watch = call;
    w->clock_watch_context = context;
}

void hf_world_clock_drift(hf_world *w, int32_t ppm)
{
    HF_PRE(ppm > -1000000 && ppm < 1000000);
    world_wall_anchor(w);
    w->wall_ppm = ppm;
}

static void world_clocks(hf_world__core *core)
{
    hf_world *w = core->world;
    core->io.now_ns = w->mono_base + w->now;
    core->io.wall_ns = hf_world_wall(w);
}

/* ---- Open
 * ---------------------------------------------------------------------------------------- */

static void world_core_open(hf_world *w, uint16_t i)
{
    hf_world__core *core = &w->cores[i];
    core->world = w;
    core->io.ops = &world_ops;
    core->io.core = i;
    core->io.core_count = w->core_count;
    core->turn = hf_world__event_new(w, HF_WORLD__TURN, i, core);
    core->turn->node = true;
    hf_world_prng_seed(&core->turns, w->seed, 1000u + i);
    hf_world_prng_seed(&core->messages, w->seed, 2000u + i);
    hf_world_prng_seed(&core->entropy, w->seed, 3000u + i);
    world_clocks(core);
}

static void world_pipes_open(hf_world *w)
{
    w->pipes = calloc((size_t)w->core_count * w->core_count * 2, sizeof *w->pipes);
    HF_ASSERT(w->pipes != NULL);
    for (uint16_t from = 0; from < w->core_count; from++) {
        for (uint16_t to = 0; to < w->core_count; to++) {
            for (int back = 0; back < 2; back++) {
                hf_world__pipe *pipe = &w->pipes[(from * w->core_count + to) * 2 + back];
                pipe->from = from;
                pipe->to = to;
                pipe->back = back == 1;
            }
        }
    }
}

static void world_streams_open(hf_world *w)
{
    hf_world_prng *const streams[] = { &w->disk_pace,  &w->disk_faults, &w->disk_crash, &w->net,
                                       &w->net_faults, &w->clock,       &w->pauses,     &w->test };
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        hf_world_prng_seed(streams[i], w->seed, i + 1);
    }
}

hf_world *hf_world_open(const hf_world_config *config)
{
    HF_PRE(config->core_count > 0 && config->core_count <= HF_WORLD_CORES_MAX);
    uint32_t align = config->file_align == 0 ? HF_DISK_SECTOR : config->file_align;
    HF_PRE(align >= 512 && align <= 4096 && (align & (align - 1)) == 0);
    hf_world *w = calloc(1, sizeof *w);
    HF_ASSERT(w != NULL);
    w->seed = config->seed;
    w->hash = hf_world_mix(config->seed);
    w->core_count = config->core_count;
    w->calling = -1;
    w->started = clock();
    w->trace = config->trace;
    w->ring_size = config->trace_events == 0 ? WORLD_TRACE_EVENTS : config->trace_events;
    w->ring = calloc(w->ring_size, sizeof *w->ring);
    w->cores = calloc(w->core_count, sizeof *w->cores);
    HF_ASSERT(w->ring != NULL && w->cores != NULL);
    world_streams_open(w);
    w->mono_base = hf_world_prng_between(&w->clock, WORLD_S, 1000 * WORLD_S);
    w->wall_base = WORLD_WALL_BASE_S * WORLD_S + hf_world_prng_below(&w->clock, WORLD_S);
    w->disk = hf_disk_open();
    hf_disk_limit(w->disk, config->disk_bytes);
    world_pipes_open(w);
    for (uint16_t i = 0; i < w->core_count; i++) {
        world_core_open(w, i);
        w->cores[i].io.file_align = align;
    }
    hf_world_set_faults(w, &config->faults);
    return w;
}

void hf_world_close(hf_world *w)
{
    HF_PRE(!w->running);
    hf_world__conns_free(w);
    hf_world__disk_free(w);
    for (size_t i = 0; i < (size_t)w->core_count * w->core_count * 2; i++) {
        free(w->pipes[i].ring);
    }
    free(w->pipes);
    hf_world__events_free(w);
    free(w->cores);
    free(w->ring);
    free(w);
}

/* ---- Faults that come by themselves
 * -------------------------------------------------------------- */

static const hf_world__kind world_recurring_kinds[] = { HF_WORLD__ROT, HF_WORLD__SLOW,
                                                        HF_WORLD__CLOCK, HF_WORLD__PAUSE };

static const hf_world_recurring *world_recurring(hf_world *w, int i, hf_world_prng **prng)
{
    const hf_world_recurring *const recurring[] = { &w->faults.rot, &w->faults.disk_slow,
                                                    &w->faults.clock_step, &w->faults.pause };
    hf_world_prng *const prngs[] = { &w->disk_faults, &w->disk_faults, &w->clock, &w->pauses };
    *prng = prngs[i];
    return recurring[i];
}

static void world_recur(hf_world *w, int i)
{
    hf_world_prng *prng;
    const hf_world_recurring *recurring = world_recurring(w, i, &prng);
    if (recurring->every_ns == 0 || recurring->most == 0) {
        return;
    }
    uint64_t delay = 1 + hf_world_prng_expo(prng, recurring->every_ns);
    w->recurring[i] = hf_world__schedule(w, world_recurring_kinds[i], HF_WORLD__NOCORE,
                                         hf_world__after(w, w->now, delay), NULL);
}

void hf_world_set_faults(hf_world *w, const hf_world_faults *faults)
{
    HF_PRE(faults->turn_ns_min > 0); /* or an impatient core would stop virtual time */
    w->faults = *faults;
    hf_world__record(w, HF_WORLD__FAULTS, HF_WORLD__NOCORE, 0, 0, 0, NULL);
    for (int i = 0; i < 4; i++) {
        hf_world__cancel(w, &w->recurring[i]);
        world_recur(w, i);
    }
    uint64_t most = faults->clock_drift_ppm_max;
    hf_world_clock_drift(w, (int32_t)hf_world_prng_below(&w->clock, 2 * most + 1) - (int32_t)most);
    w->disk_slow_until = 0;
}

const hf_world_faults *hf_world_get_faults(const hf_world *w)
{
    return &w->faults;
}

static void world_slow(hf_world *w)
{
    uint64_t length = hf_world_prng_between(&w->disk_faults, 0, w->faults.disk_slow_ns_max);
    uint64_t factor = hf_world_prng_below(&w->disk_faults, w->faults.disk_slow_factor_max + 1);
    hf_world__record(w, HF_WORLD__SLOW, HF_WORLD__NOCORE, 0, length, factor, NULL);
    w->disk_slow_until = w->now + length;
    w->disk_slow_factor = (uint32_t)factor;
    w->stats.disk_slow++;
}

static void world_clock(hf_world *w)
{
    uint64_t step = hf_world_prng_below(&w->clock, w->faults.clock_step_ns_max + 1);
    bool back = hf_world_prng_coin(&w->clock);
    hf_world__record(w, HF_WORLD__CLOCK, HF_WORLD__NOCORE, 0, step, back, NULL);
    hf_world_clock_step(w, back ? -(int64_t)step : (int64_t)step);
}

static void world_pause(hf_world *w)
{
    uint16_t core = (uint16_t)hf_world_prng_below(&w->pauses, w->core_count);
    uint64_t length = hf_world_prng_between(&w->pauses, 0, w->faults.pause_ns_max);
    hf_world__record(w, HF_WORLD__PAUSE, core, 0, length, 0, NULL);
    hf_world_pause_core(w, core, w->now + length);
}

static void world_recurs(hf_world *w, hf_world__event *event)
{
    int i = 0;
    while (world_recurring_kinds[i] != event->kind) {
        i++;
    }
    w->recurring[i] = NULL;
    hf_world_prng *prng;
    if (!hf_world__budget(w, world_recurring(w, i, &prng))) {
        return; /* used up: it does not come again */
    }
    switch (i) {
    case 0:
        hf_world__rot(w);
        break;
    case 1:
        world_slow(w);
        break;
    case 2:
        world_clock(w);
        break;
    default:
        world_pause(w);
        break;
    }
    world_recur(w, i);
}

/* ---- Turns
 * --------------------------------------------------------------------------------------- */

static uint64_t world_turn_delay(hf_world__core *core)
{
    const hf_world_faults *f = &core->world->faults;
    return hf_world_prng_between(&core->turns, f->turn_ns_min, f->turn_ns_max);
}

void hf_world__wake(hf_world__core *core)
{
    hf_world *w = core->world;
    if (!core->booted || core->in_turn) {
        return;
    }
    uint64_t time = w->now + world_turn_delay(core);
    if (core->turn->at == HF_WORLD__IDLE || core->turn->time > time) {
        hf_world__put(w, core->turn, time);
    }
}

void hf_world__enter(hf_world__core *core)
{
    if (!core->in_turn) {
        hf_world__wake(core);
        world_clocks(core);
        core->in_turn = true;
    }
}

void hf_world__turn(hf_world *w, hf_world__core *core)
{
    hf_world__enter(core);
    hf_world__take_out(w, core->turn);
    hf_world__record(w, HF_WORLD__TURN, core->io.core, 0, core->io.now_ns, core->io.wall_ns, NULL);
    w->stats.turns++;
    w->calling = core->io.core;
    uint64_t due = core->io.handler->on_turn(core->io.context);
    w->calling = -1;
    core->in_turn = false;
    hf_world__ops_start(w, core);
    if (due == UINT64_MAX) {
        return;
    }
    uint64_t delay = world_turn_delay(core);
    if (due > core->io.now_ns) {
        uint64_t late = hf_world_prng_below(&core->turns, w->faults.timer_late_ns_max + 1);
        uint64_t wait = hf_world__after(w, due - core->io.now_ns, late);
        uint64_t passed = w->now - (core->io.now_ns - w->mono_base);
        wait = wait > passed ? wait - passed : 0;
        delay = wait > delay ? wait : delay;
    }
    hf_world__put(w, core->turn, hf_world__after(w, w->now, delay));
}

/* ---- Events
 * -------------------------------------------------------------------------------------- */

/* Events that are calls into a core: they wait while it is paused. */
static bool world_calls_core(uint8_t kind)
{
    return kind == HF_WORLD__TURN || kind == HF_WORLD__MESSAGE || kind == HF_WORLD__BACK ||
           kind == HF_WORLD__DONE || kind == HF_WORLD__ACCEPT || kind == HF_WORLD__UP ||
           kind == HF_WORLD__EOF || kind == HF_WORLD__SENT || kind == HF_WORLD__CLOSED;
}

static void world_call(hf_world *w, hf_world__event *event)
{
    hf_world_call *call = event->call;
    void *context = event->ptr;
    hf_world__event_free(w, event);
    hf_world__record(w, HF_WORLD__CALL, HF_WORLD__NOCORE, 0, 0, 0, NULL);
    call(context);
}

static void world_dispatch(hf_world *w, hf_world__event *event)
{
    void *ptr = event->ptr;
    uint8_t kind = event->kind;
    if (kind == HF_WORLD__TURN) {
        hf_world__turn(w, ptr); /* the core's own event: stays */
        return;
    }
    if (kind == HF_WORLD__CALL) {
        world_call(w, event);
        return;
    }
    if (kind >= HF_WORLD__ROT && kind <= HF_WORLD__PAUSE) {
        world_recurs(w, event);
        hf_world__event_free(w, event);
        return;
    }
    hf_world__event_free(w, event); /* what follows may reuse it, or leave by fatal() */
    switch (kind) {
    case HF_WORLD__MESSAGE:
    case HF_WORLD__BACK:
        hf_world__deliver(w, ptr);
        break;
    case HF_WORLD__LAND:
        hf_world__land(w, ptr);
        break;
    case HF_WORLD__DONE:
        hf_world__done(w, ptr);
        break;
    case HF_WORLD__ACCEPT:
        hf_world__accept(w, ptr);
        break;
    case HF_WORLD__UP:
        hf_world__up(w, ptr);
        break;
    case HF_WORLD__EOF:
        hf_world__eof(w, ptr);
        break;
    case HF_WORLD__TAKE:
        hf_world__take(w, ptr);
        break;
    case HF_WORLD__SENT:
        hf_world__sent(w, ptr);
        break;
    case HF_WORLD__CLOSED:
        hf_world__closed(w, ptr);
        break;
    case HF_WORLD__DOWN:
        hf_world__down(w, ptr);
        break;
    case HF_WORLD__HANGUP:
        hf_world__hangup(w, ptr);
        break;
    default:
        HF_ASSERT(kind == HF_WORLD__FATAL);
        w->escaped = true;
        break;
    }
}

static void world_one(hf_world *w)
{
    hf_world__event *event = hf_world__pop(w);
    HF_ASSERT(event->time >= w->now);
    w->now = event->time;
    if (event->core != HF_WORLD__NOCORE && world_calls_core(event->kind)) {
        uint64_t until = w->cores[event->core].paused_until;
        if (until > w->now) {
            hf_world__put(w, event, until);
            return;
        }
    }
    world_dispatch(w, event);
}

/* A core called fatal(): its process ends here. */
static void world_escape(hf_world *w)
{
    w->calling = -1;
    w->escaped = false;
    free(w->lent);
    w->lent = NULL;
    w->stats.fatals++;
    uint64_t h = hf_world_hash(0, w->fatal.message, strlen(w->fatal.message));
    hf_world__record(w, HF_WORLD__FATAL, w->fatal.core, h, (uint64_t)w->fatal.code, 0, NULL);
    hf_world_crash(w, HF_WORLD_KILL);
}

static void world_loop(hf_world *w, uint64_t until, uint64_t last)
{
    while (!w->stop && w->stats.events < last && w->heap_count != 0 && w->heap[0].time <= until) {
        world_one(w);
        if (w->escaped) {
            world_escape(w);
        }
    }
}

uint64_t hf_world_run(hf_world *w, uint64_t until, uint64_t events)
{
    HF_PRE(!w->running);
    uint64_t first = w->stats.events;
    uint64_t last = events > UINT64_MAX - first ? UINT64_MAX : first + events;
    w->running = true;
    w->stop = false;
    if (setjmp(w->escape) != 0) {
        w->escaped = true;
        world_escape(w);
    }
    world_loop(w, until, last);
    w->running = false;
    if (!w->stop && w->stats.events < last && until != UINT64_MAX && w->now < until) {
        w->now = until;
    }
    return w->stats.events - first;
}

bool hf_world_step(hf_world *w)
{
    return hf_world_run(w, UINT64_MAX, 1) != 0;
}

void hf_world_pause(hf_world *w)
{
    w->stop = true;
}

void hf_world_at(hf_world *w, uint64_t time, hf_world_call *call, void *context)
{
    hf_world__schedule(w, HF_WORLD__CALL, HF_WORLD__NOCORE, time, context)->call = call;
}

/* ---- The node
 * ------------------------------------------------------------------------------------ */

hf_io *hf_world_io(hf_world *w, uint16_t core)
{
    HF_PRE(core < w->core_count);
    if (!w->cores[core].in_turn) {
        world_clocks(&w->cores[core]);
    }
    return &w->cores[core].io;
}

void hf_world_boot(hf_world *w, uint16_t i, const hf_io_handler *handler, void *context)
{
    HF_PRE(i < w->core_count && w->calling < 0);
    hf_world__core *core = &w->cores[i];
    HF_PRE(!core->booted);
    world_clocks(core);
    core->io.handler = handler;
    core->io.context = context;
    core->booted = true;
    w->fatal.dead = false;
    hf_world__record(w, HF_WORLD__BOOT, i, 0, 0, 0, NULL);
    hf_world__wake(core);
    hf_world__pipes_boot(w, i);
}

bool hf_world_booted(const hf_world *w, uint16_t core)
{
    return w->cores[core].booted;
}

void hf_world_crash(hf_world *w, hf_world_crash_kind kind)
{
    HF_PRE(w->calling < 0); /* never from inside a core */
    hf_world__record(w, HF_WORLD__CRASH, HF_WORLD__NOCORE, 0, kind, 0, NULL);
    w->stats.crashes++;
    hf_world__disk_crash(w, kind);
    hf_world__conns_crash(w, kind);
    hf_world__pipes_crash(w);
    hf_world__purge(w);
    for (uint16_t i = 0; i < w->core_count; i++) {
        hf_world__core *core = &w->cores[i];
        core->booted = false;
        core->in_turn = false;
        core->io.handler = NULL;
        core->io.context = NULL;
        core->paused_until = 0;
    }
    if (kind == HF_WORLD_POWER) {
        w->stats.power_losses++;
        w->mono_base = hf_world_prng_between(&w->clock, WORLD_S, 100 * WORLD_S) - w->now;
    }
}

const hf_world_fatal *hf_world_fatal_get(const hf_world *w)
{
    return &w->fatal;
}

void hf_world_pause_core(hf_world *w, uint16_t core, uint64_t until)
{
    HF_PRE(core < w->core_count);
    if (w->cores[core].paused_until < until) {
        w->cores[core].paused_until = until;
        w->stats.pauses++;
    }
}

/* ---- Plain answers
 * ------------------------------------------------------------------------------- */

uint64_t hf_world_now(const hf_world *w)
{
    return w->now;
}

uint64_t hf_world_hash_now(const hf_world *w)
{
    return w->hash;
}

hf_world_prng *hf_world_random(hf_world *w)
{
    return &w->test;
}

hf_disk *hf_world_disk(hf_world *w)
{
    return w->disk;
}

hf_world_stats hf_world_stats_get(const hf_world *w)
{
    return w->stats;
}

void hf_world_note(hf_world *w, const char *what, uint64_t a, uint64_t b)
{
    hf_world__record(w, HF_WORLD__NOTE, HF_WORLD__NOCORE, hf_world_hash(0, what, strlen(what)), a,
                     b, what);
}

double hf_world_speed(const hf_world *w)
{
    double seconds = (double)(clock() - w->started) / CLOCKS_PER_SEC;
    return seconds > 0 ? (double)w->stats.events / seconds : 0;
}
