#include "engine/shard/move.h"
#include "engine/shard/one.h"
#include "engine/shard/pack.h"
#include "engine/shard/session/session.h"
#include "engine/shard/shard_impl.h"

#include "engine/base/hash.h"
#include "engine/base/text.h"
#include <stdio.h>

enum {
    ACKS_MAX = 1 << 15,
    HELD_LEAST = 1 << 12,
    COLLECT_BUDGET = 256,
    ROOM_BUDGET = 4096,
    KEEP_LEAST_NS = 10 * HF_TICK_NS,
    SAVE_BUDGET = 512 * 1024,
    SCRATCH_KEPT = 1 << 20,
};

hf_shard_config hf_shard_defaults(void)
{
    return (hf_shard_config){
        .node_id = 1,
        .log_segment_bytes = 64u << 20,
        .log_staging_bytes = 32u << 20,
        .log_batch_bytes = 256u << 10,
        .log_flushes = 1,
        .retention_ns = 10000000000u,
        .outcome_ms = 86400000u,
        .lock_wait_ns = 10000000000u,
        .push_ns = 2000000u,
        .clock_ahead_ns = 1000000000u,
        .idle_txn_ns = 30000000000u,
        .recovery_ns = 10000000000u,
        .replay_rate = 100u << 20,
        .connections_max = 10100,
        .pipeline_max = 1024,
        .timers_max = 1 << 17,
        .output_max = 256u << 20,
        .balance_operations = 2000, /* below that nothing is worth moving */
        .balance_keys = 256,
        .version = "0.1.0",
    };
}

uint64_t hf_shard_least_bytes(const hf_shard_config *config)
{
    uint64_t sessions = (uint64_t)config->connections_max * 1024;
    return config->log_staging_bytes * 2 + sessions + (32u << 20);
}

/* ---- Messages ---- */

hf_msg *hf_shard__msg(hf_shard *shard, uint16_t kind, size_t size)
{
    HF_PRE(size >= sizeof(hf_msg) && size <= UINT32_MAX);
    hf_msg *msg = hf_heap_take(shard->heap, size);
    if (msg != NULL) {
        memset(msg, 0, size < 256 ? size : 256);
        *msg = (hf_msg){ .size = (uint32_t)size, .kind = kind };
    }
    return msg;
}

hf_msg *hf_shard__msg_of(hf_shard *shard, uint16_t kind, void *fixed, size_t fixed_size,
                         hf_bytes body)
{
    hf_msg *msg = hf_heap_take(shard->heap, fixed_size + body.size);
    if (msg == NULL) {
        return NULL;
    }
    *(hf_msg *)fixed = (hf_msg){ .size = (uint32_t)(fixed_size + body.size), .kind = kind };
    memcpy(msg, fixed, fixed_size);
    if (body.size != 0) {
        memcpy((uint8_t *)msg + fixed_size, body.data, body.size);
    }
    return msg;
}

/* Misses of a pipeline overlap when its keys are asked for before the first request runs. */
static void fetch_ahead(hf_shard *shard, const hf_msg *msg)
{
    if (msg->kind == HF_MSG_TXN) {
        const hf_msg_txn *txn = (const hf_msg_txn *)(const void *)msg;
        if (txn->hash != 0) {
            (void)hf_table_want(shard->table, hf_bytes_of(NULL, 0), txn->hash);
        }
    } else if (msg->kind == HF_MSG_PACK) {
        for (const hf_msg *m = hf_pack__next(msg, NULL); m != NULL; m = hf_pack__next(msg, m)) {
            if (m->kind == HF_MSG_ONE) {
                const hf_msg_one *one = (const hf_msg_one *)(const void *)m;
                (void)hf_table_want(shard->table, hf_bytes_of(NULL, 0), one->hash);
            } else if (m->kind == HF_MSG_FINALIZE) {
                hf_part__fetch(shard, ((const hf_msg_decision *)(const void *)m)->attempt);
            } else {
                fetch_ahead(shard, m);
            }
        }
    }
}

void hf_shard__post(hf_shard *shard, uint16_t to, hf_msg *msg)
{
    msg->from = shard->self;
    hf_pack__close(shard, to); /* what was gathered comes first */
    if (to != shard->self) {
        hf_io_post(shard->io, to, msg);
        return;
    }
    fetch_ahead(shard, msg);
    msg->next = NULL;
    if (shard->local_last != NULL) {
        shard->local_last->next = msg;
    } else {
        shard->local_first = msg;
    }
    shard->local_last = msg;
}

uint64_t hf_shard__now(hf_shard *shard)
{
    return hf_hlc_next(&shard->clock, shard->io->wall_ns);
}

void hf_shard__fail(hf_shard *shard, int code, const char *what, const char *detail)
{
    char text[400];
    snprintf(text, sizeof text, "shard %u: %s: %s", shard->self, what, detail);
    shard->boot = HF_BOOT_FAILED;
    shard->io->ops->fatal(shard->io, code, text);
}

void hf_stub__key(const uint8_t id[16], uint8_t key[HF_STUB_KEY_SIZE])
{
    key[0] = HF_SPACE_SYSTEM;
    key[1] = id[15];
    memcpy(key + 2, id, 16);
}

static void dispatch(hf_shard *shard, const hf_msg *msg)
{
    switch ((hf_msg_kind)msg->kind) {
    case HF_MSG_PACK:
        for (const hf_msg *m = hf_pack__next(msg, NULL); m != NULL; m = hf_pack__next(msg, m)) {
            dispatch(shard, m);
        }
        return;
    case HF_MSG_ONE:
        hf_table_fetch(shard->table); /* long before the keys are looked at */
        hf_owner__one(shard, (const hf_msg_one *)(const void *)msg);
        return; /* nobody waited for it */
    case HF_MSG_TXN:
        hf_table_fetch(shard->table); /* long before the keys are looked at */
        hf_owner__txn(shard, (const hf_msg_txn *)(const void *)msg, NULL);
        break;
    case HF_MSG_LOCK_READ:
        hf_owner__lock_read(shard, (const hf_msg_lock_read *)(const void *)msg, NULL);
        break;
    case HF_MSG_REPLY:
        if (hf_one__replied(shard, (const hf_msg_result *)(const void *)msg)) {
            return; /* nobody waited for it */
        }
        hf_gateway__result(shard, (const hf_msg_result *)(const void *)msg);
        break;
    case HF_MSG_PREPARED:
    case HF_MSG_REFUSED:
    case HF_MSG_LOCKED:
        hf_gateway__result(shard, (const hf_msg_result *)(const void *)msg);
        return; /* nor did anybody for these */
    case HF_MSG_WOUNDED:
        hf_gateway__wounded(shard, (const hf_msg_decision *)(const void *)msg);
        break;
    case HF_MSG_FINALIZED:
        hf_gateway__finalized(shard, (const hf_msg_decision *)(const void *)msg);
        return;
    case HF_MSG_FINALIZE:
        hf_part__finalize(shard, (const hf_msg_decision *)(const void *)msg);
        break;
    case HF_MSG_RESOLVE:
        hf_part__resolve(shard, (const hf_msg_decision *)(const void *)msg);
        break;
    case HF_MSG_QUERY:
        hf_part__query(shard, (const hf_msg_decision *)(const void *)msg);
        break;
    case HF_MSG_ANSWER:
        hf_part__answer(shard, (const hf_msg_decision *)(const void *)msg);
        break;
    case HF_MSG_BOOT:
    case HF_MSG_MAP:
    case HF_MSG_RESOLVED:
    case HF_MSG_MOVE:
        hf_boot__message(shard, msg);
        break;
    case HF_MSG_SESSION:
        hf_session__message(shard, msg);
        break;
    case HF_MSG_LOG:
        hf_log_message(shard->log, msg);
        break;
    case HF_MSG_CLOCK:
        hf_horizon__message(shard, (const hf_msg_decision *)(const void *)msg);
        break;
    case HF_MSG_KINDS:
        HF_UNREACHABLE();
    }
    hf_owner__run_ready(shard);
}

void hf_shard__drain(hf_shard *shard)
{
    if (shard->draining || (shard->local_first == NULL && shard->packs[shard->self] == NULL &&
                            !hf_owner__has_ready(shard))) {
        return;
    }
    shard->draining = true;
    hf_owner__run_ready(shard);
    for (;;) {
        hf_pack__close(shard, shard->self);
        if (shard->local_first == NULL) {
            break;
        }
        hf_msg *msg = shard->local_first;
        shard->local_first = msg->next;
        if (shard->local_first == NULL) {
            shard->local_last = NULL;
        }
        dispatch(shard, msg);
        hf_heap_give(shard->heap, msg);
    }
    shard->draining = false;
}

/* ---- What the world calls ---- */

static void on_message(void *context, const hf_msg *msg)
{
    hf_shard *shard = context;
    shard->draining = true;
    dispatch(shard, msg);
    shard->draining = false;
    hf_shard__drain(shard);
}

static void on_message_ahead(void *context, const hf_msg *msg)
{
    fetch_ahead(context, msg);
}

static void on_message_back(void *context, hf_msg *msg)
{
    hf_shard *shard = context;
    if (msg->kind == HF_MSG_LOG) {
        hf_log_message_back(shard->log, msg);
    }
    hf_heap_give(shard->heap, msg);
}

static void on_accept(void *context, hf_conn_id conn, hf_listener listener)
{
    hf_shard *shard = context;
    hf_session__accept(shard, conn, listener);
    hf_shard__drain(shard);
}

static void on_received(void *context, hf_conn_id conn, hf_bytes data)
{
    hf_shard *shard = context;
    hf_session__received(shard, conn, data);
    hf_shard__drain(shard);
}

static void on_eof(void *context, hf_conn_id conn)
{
    hf_shard *shard = context;
    hf_session__ended(shard, conn);
    hf_shard__drain(shard);
}

static void on_sent(void *context, hf_conn_id conn)
{
    hf_shard *shard = context;
    hf_session__sent(shard, conn);
    hf_shard__drain(shard);
}

static void on_closed(void *context, hf_conn_id conn)
{
    hf_shard *shard = context;
    hf_session__closed(shard, conn);
    hf_shard__drain(shard);
}

/* How long old versions are kept, by the memory that is free. */
static uint64_t retention(const hf_shard *shard)
{
    enum { WHOLE = 1024, AT_ALL = 3 * WHOLE / 4 };
    uint64_t whole = shard->config.retention_ns;
    uint64_t least = whole / HF_RETENTION_PART;
    uint64_t quarter = hf_heap_capacity(shard->heap) / 4;
    uint64_t free = hf_heap_capacity(shard->heap) - hf_heap_lent(shard->heap);
    if (free >= quarter) {
        return whole;
    }
    uint64_t left = free / (quarter / WHOLE + 1); /* in parts of WHOLE */
    return left < AT_ALL ? KEEP_LEAST_NS : least + (whole - least) / WHOLE * left;
}

static void collect(hf_shard *shard, uint64_t keep, uint32_t budget)
{
    uint64_t now = shard->boot == HF_BOOT_REPLAY ? shard->replayed_ts : shard->clock.last;
    if (now > keep) {
        uint64_t floor = now - keep;
        if (shard->undecided != 0) {
            floor = hf_part__oldest_pts(shard, floor + 1) - 1;
        }
        if (shard->preparing != 0 && floor >= shard->preparing) {
            floor = shard->preparing - 1; /* it may commit just there */
        }
        (void)hf_table_collect(shard->table, floor, budget);
    }
}

void hf_shard__collect(hf_shard *shard)
{
    collect(shard, retention(shard), COLLECT_BUDGET);
}

/* Even the youngest goes: one turn may rewrite a large record often. */
bool hf_shard__make_room(hf_shard *shard)
{
    uint64_t lent = hf_heap_lent(shard->heap);
    hf_part__trim(shard);
    hf_lock_table_trim(shard->locks);
    collect(shard, 0, ROOM_BUDGET);
    return hf_heap_lent(shard->heap) < lent;
}

/* What one large value made grow is given back. */
static void trim_scratch(hf_shard *shard)
{
    hf_buf *all[] = { &shard->mutations, &shard->replies, &shard->args,    &shard->message,
                      &shard->scratch,   &shard->head,    &shard->commands };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        hf_buf_trim(all[i], SCRATCH_KEPT);
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t on_turn(void *context)
{
    hf_shard *shard = context;
    hf_io *io = shard->io;
    if (shard->boot == HF_BOOT_FAILED) {
        return UINT64_MAX;
    }
    if (!shard->started) {
        shard->started = true;
        hf_boot__start(shard);
    }
    for (hf_timer *t = hf_timers_pop(&shard->timers, io->now_ns); t != NULL;
         t = hf_timers_pop(&shard->timers, io->now_ns)) {
        hf_alarm *alarm = (hf_alarm *)(void *)t;
        alarm->ring(shard, alarm);
        hf_shard__drain(shard);
    }
    hf_part__run_backlog(shard);
    hf_owner__run_stalled(shard);
    hf_shard__drain(shard);
    uint64_t due = hf_timers_next(&shard->timers);
    if (shard->boot == HF_BOOT_READY) {
        due = least(due, hf_part__ask_again(shard));
        hf_boot__turn(shard);
        hf_move__turn(shard);
        hf_balance__turn(shard);
        hf_gateway__turn(shard);
        hf_expire__turn(shard);
        hf_shard__collect(shard);
        due = least(due, hf_save__turn(shard));
        if (shard->move.state != HF_MOVE_NONE || shard->came_back != NULL ||
            shard->stalled_first != NULL || shard->backlog_first != NULL ||
            shard->save.state == HF_SAVE_DRAIN || shard->save.state == HF_SAVE_SETTLE) {
            due = least(due, io->now_ns + 500000);
        }
    }
    due = least(due, hf_session__turn(shard));
    if (hf_horizon__turn(shard)) {
        due = least(due, io->now_ns + 1000000);
    }
    hf_shard__drain(shard);
    hf_part__send_acks(shard);
    trim_scratch(shard);
    hf_part__write_ends(shard);
    hf_log_turn(shard->log);
    hf_checkpoint_turn(shard->checkpoint, SAVE_BUDGET);
    hf_shard__drain(shard);
    due = least(due, hf_log_deadline(shard->log));
    hf_pack__close_all(shard);
    if (!hf_checkpoint_idle(shard->checkpoint) && shard->boot == HF_BOOT_READY) {
        due = least(due, io->now_ns + 1000000);
    }
    if (shard->stopping && !shard->stopped && hf_session__idle(shard) &&
        hf_log_durable(shard->log) == hf_shard__appended(shard) && hf_ring_empty(&shard->held) &&
        shard->local_first == NULL) {
        shard->stopped = true;
    }
    return hf_session__moved(shard) ? io->now_ns : due;
}

const hf_io_handler *hf_shard_handler(void)
{
    static const hf_io_handler handler = {
        .on_message = on_message,
        .on_message_ahead = on_message_ahead,
        .on_message_back = on_message_back,
        .on_accept = on_accept,
        .on_received = on_received,
        .on_eof = on_eof,
        .on_sent = on_sent,
        .on_closed = on_closed,
        .on_turn = on_turn,
    };
    return &handler;
}

/* ---- Life ---- */

static void open_bufs(hf_shard *shard)
{
    hf_buf *all[] = { &shard->mutations, &shard->replies,   &shard->args,    &shard->message,
                      &shard->scratch,   &shard->grants,    &shard->head,    &shard->routes,
                      &shard->wants,     &shard->want_keys, &shard->commands };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        hf_buf_open(all[i], shard->heap);
    }
    hf_buf *moving[] = { &shard->move.start, &shard->move.end, &shard->move.next,
                         &shard->move.after, &shard->move.piece };
    for (size_t i = 0; i < sizeof moving / sizeof moving[0]; i++) {
        hf_buf_open(moving[i], shard->heap);
    }
    hf_workspace_open(&shard->workspace, shard->heap);
}

static bool open_rings(hf_shard *shard)
{
    for (uint16_t i = 0; i < shard->count; i++) {
        if (hf_ring_open(&shard->acks[i], shard->heap, ACKS_MAX, sizeof(hf_ack)) != HF_OK ||
            hf_ring_open(&shard->sent[i], shard->heap, ACKS_MAX, sizeof(uint64_t)) != HF_OK) {
            return false;
        }
    }
    return hf_ring_open(&shard->held, shard->heap, HELD_LEAST, sizeof(hf_held)) == HF_OK;
}

hf_shard *hf_shard_open(hf_io *io, void *region, uint64_t size, const hf_shard_config *config)
{
    if (size < hf_shard_least_bytes(config)) {
        return NULL;
    }
    hf_heap *heap = hf_heap_open(region, (size_t)size);
    hf_shard *shard = hf_heap_take(heap, sizeof *shard);
    HF_ASSERT(shard != NULL);
    memset(shard, 0, sizeof *shard);
    shard->io = io;
    shard->heap = heap;
    shard->config = *config;
    shard->self = io->core;
    shard->count = io->core_count;
    snprintf(shard->dir, sizeof shard->dir, "core-%02u", shard->self);
    shard->prng = hf_prng_of(io->ops->random(io));
    open_bufs(shard);
    hf_table_config table = { .hash_seed = config->node_id, .tick_ns = HF_TICK_NS };
    shard->table = hf_table_open(heap, &table);
    shard->locks = hf_lock_table_open(heap);
    if (shard->table == NULL || shard->locks == NULL || !open_rings(shard) ||
        hf_timers_open(&shard->timers, heap, config->timers_max) != HF_OK ||
        !hf_range_map_open(&shard->map, heap) || !hf_part__open(shard) ||
        !hf_gateway__open(shard) || !hf_session__open(shard) || !hf_boot__open(shard)) {
        return NULL;
    }
    shard->base_bytes = hf_heap_lent(heap) - hf_table_bytes(shard->table);
    return shard;
}

void hf_shard_close(hf_shard *shard)
{
    hf_heap_close(shard->heap);
}

void hf_shard_stop(hf_shard *shard)
{
    if (!shard->stopping) {
        shard->stopping = true;
        hf_session__stop(shard);
    }
}

bool hf_shard_stopped(const hf_shard *shard)
{
    return shard->stopped || shard->boot == HF_BOOT_FAILED;
}

bool hf_shard_ready(const hf_shard *shard)
{
    return shard->boot == HF_BOOT_READY;
}

void hf_shard_stats_get(const hf_shard *shard, hf_shard_stats *stats)
{
    hf_table_stats table = hf_table_stats_get(shard->table);
    hf_log_stats log = hf_log_stats_get(shard->log);
    hf_checkpoint_stats saved = hf_checkpoint_stats_get(shard->checkpoint);
    *stats = shard->stats;
    stats->prepared = shard->undecided;
    stats->waiting = hf_lock_stats_get(shard->locks).waiters;
    stats->held = hf_shard__held(shard);
    stats->keys = table.keys - shard->system_keys;
    stats->versions = table.versions;
    stats->value_bytes = table.bytes;
    stats->memory_used = hf_heap_used(shard->heap);
    stats->memory_size = hf_heap_capacity(shard->heap);
    stats->log_records = log.records;
    stats->log_batches = log.batches;
    stats->log_bytes = log.bytes_appended;
    stats->log_written = log.bytes_written;
    stats->log_lag_bytes = hf_log_appended(shard->log) - hf_log_durable(shard->log);
    stats->checkpoints = saved.passes;
    stats->checkpoint_bytes = saved.bytes_written;
    stats->checkpoint_failures = saved.failures;
    stats->recovered_records = shard->replayed;
    stats->ready = shard->boot == HF_BOOT_READY;
    stats->no_space = log.no_space;
    stats->checkpoint_failed = shard->save.failed;
}

void hf_shard_check(const hf_shard *shard)
{
    hf_heap_check(shard->heap);
    hf_table_check(shard->table);
    hf_lock_table_check(shard->locks);
    hf_timers_check(&shard->timers);
}
