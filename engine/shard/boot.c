/* From a cold start to ready: load the checkpoint, replay the log, agree with the other shards on
 * who owns what, resolve what was in doubt.
 *
 * Every shard starts from the same map by rule (generation 1) and lays claims of later generations,
 * from its own checkpoint and log, over it. Shard 0 collects the claims and the clocks, and answers
 * with the map and the node's new incarnation, above every timestamp that any shard remembers.
 */
#include "engine/shard/move.h"
#include "engine/shard/session/session.h"
#include "engine/shard/shard_impl.h"

#include <stdio.h>

enum { EXIT_CORRUPT = 65, EXIT_IO = 74, EXIT_VERSION = 76, EXIT_MEMORY = 71, EXIT_INTERNAL = 70 };
enum { COLLECT_AT_ONCE = 4096 };

static int exit_code(hf_err err)
{
    switch ((int)err) {
    case HF_E_CORRUPT:
    case HF_E_WRONGFILE:
        return EXIT_CORRUPT;
    case HF_E_VERSION:
        return EXIT_VERSION;
    case HF_E_NOMEM:
        return EXIT_MEMORY;
    case HF_E_IO:
    case HF_E_NOSPACE:
        return EXIT_IO;
    default:
        return EXIT_INTERNAL;
    }
}

/* The map by rule: system ranges one per shard, all user keys at the first. */
static bool default_map(hf_shard *shard)
{
    hf_range_map *map = &shard->map;
    static const uint8_t user[] = { HF_SPACE_USER };
    hf_err err = hf_range_put(map, hf_bytes_of(NULL, 0), 1, 1, 0);
    for (uint16_t i = 1; i < shard->count && err == HF_OK; i++) {
        uint8_t start[] = { HF_SPACE_SYSTEM, (uint8_t)(i * 256u / shard->count) };
        err = hf_range_put(map, hf_bytes_of(start, sizeof start), 1u + i, 1, i);
    }
    if (err == HF_OK) {
        err = hf_range_put(map, hf_bytes_of(user, sizeof user), 1u + shard->count, 1, 0);
    }
    return err == HF_OK;
}

/* Splits by configuration: "b,m,t" gives four user ranges, dealt out to the shards in turn. */
static bool initial_splits(hf_shard *shard)
{
    const char *at = shard->config.initial_splits;
    uint16_t next = 1;
    uint8_t key[HF_KEY_SIZE_MAX + 1] = { HF_SPACE_USER };
    while (at != NULL && *at != 0) {
        uint32_t size = 0;
        while (at[size] != 0 && at[size] != ',') {
            if (size == HF_KEY_SIZE_MAX) {
                return false;
            }
            key[1 + size] = (uint8_t)at[size];
            size++;
        }
        if (hf_range_put(&shard->map, hf_bytes_of(key, 1 + size), 1u + shard->count + next, 1,
                         next % shard->count) != HF_OK) {
            return false;
        }
        next++;
        at += size + (at[size] == ',');
    }
    return true;
}

/* ---- Loading and replaying ---- */

static hf_err on_entry(void *context, hf_bytes entry)
{
    hf_shard *shard = context;
    hf_reader reader = hf_reader_of(entry);
    uint64_t ts = hf_read_u64(&reader);
    hf_mutation mutation;
    hf_reader check = reader;
    if (!hf_mutation_next(&check, &mutation) || hf_reader_left(&check) != 0) {
        return HF_E_CORRUPT;
    }
    hf_table_need need =
        hf_mutations_cost(shard->table, hf_bytes_of(reader.at, hf_reader_left(&reader)));
    if (!hf_table_admits_exactly(shard->table, entry.size, &need)) {
        return HF_E_NOMEM;
    }
    hf_owner__apply(shard, hf_bytes_of(reader.at, hf_reader_left(&reader)), ts, 0);
    return HF_OK;
}

static void on_loaded(void *context, hf_err err, const char *detail, uint64_t floor, hf_bytes head)
{
    hf_shard *shard = context;
    uint64_t lsn = 0;
    if (err == HF_OK && head.size != 0) {
        hf_reader reader = hf_reader_of(head);
        shard->ts_saved = hf_read_u64(&reader);
        shard->floor_ts = shard->ts_saved; /* what was before it is known in part only */
        hf_horizon__recovered(shard, hf_read_u64(&reader));
        hf_boot__passed(shard, shard->ts_saved);
        lsn = hf_read_u64(&reader);
        err = hf_range_merge(&shard->map, &reader);
        detail = "the checkpoint's list of ranges is damaged";
    }
    if (err != HF_OK) {
        hf_shard__fail(shard, exit_code(err), "loading the checkpoint", detail);
        return;
    }
    shard->boot = HF_BOOT_REPLAY;
    hf_log_recover(shard->log, lsn, floor);
}

/* The log was replayed up to here: what follows has later timestamps, but for the ends of what is
 * prepared. The clock may be far ahead: other shards' clocks are known already. */
void hf_boot__passed(hf_shard *shard, uint64_t ts)
{
    hf_hlc_observe(&shard->clock, ts);
    shard->replayed_ts = ts > shard->replayed_ts ? ts : shard->replayed_ts;
}

/* What fitted when it was written fits again: versions that nobody can ask for make way, and if
 * that is not enough, those that snapshots before this restart could have read. */
bool hf_boot__room(hf_shard *shard, hf_bytes effects)
{
    enum { FEW = 64 * 1024, NOW_AND_THEN = 128 };
    uint64_t bytes = effects.size + shard->promised;
    /* As when it was written: else old versions spread over all spans, and nothing large fits. */
    if ((bytes > FEW || shard->replayed % NOW_AND_THEN == 0) &&
        hf_heap_lent(shard->heap) > hf_heap_capacity(shard->heap) / 2) {
        (void)hf_shard__make_room(shard);
    }
    if (bytes <= FEW && hf_table_admits(shard->table, bytes)) {
        return true;
    }
    hf_table_need need = hf_mutations_cost(shard->table, effects);
    if (hf_table_admits_exactly(shard->table, bytes, &need)) {
        return true;
    }
    hf_shard__collect(shard);
    if (hf_table_admits_exactly(shard->table, bytes, &need)) {
        return true;
    }
    uint64_t floor = shard->replayed_ts;
    if (shard->undecided != 0) {
        floor = hf_part__oldest_pts(shard, floor + 1) - 1;
    }
    uint64_t before = UINT64_MAX;
    uint64_t left = hf_table_collect(shard->table, floor, COLLECT_AT_ONCE);
    while (left != 0 && left < before) {
        before = left;
        left = hf_table_collect(shard->table, floor, COLLECT_AT_ONCE);
    }
    shard->floor_ts = floor > shard->floor_ts ? floor : shard->floor_ts;
    return hf_table_admits_exactly(shard->table, bytes, &need);
}

static hf_err replay_commit(hf_shard *shard, const hf_log_record *record)
{
    hf_reader reader = hf_reader_of(record->data);
    uint64_t ts = hf_read_u64(&reader);
    hf_reader check = reader;
    hf_mutation mutation;
    while (hf_mutation_next(&check, &mutation)) {
    }
    if (check.bad) {
        return HF_E_CORRUPT;
    }
    hf_boot__passed(shard, ts);
    if (ts > shard->ts_saved) {
        if (!hf_boot__room(shard, hf_bytes_of(reader.at, hf_reader_left(&reader)))) {
            return HF_E_NOMEM;
        }
        hf_owner__apply(shard, hf_bytes_of(reader.at, hf_reader_left(&reader)), ts, 0);
    }
    return HF_OK;
}

static hf_err on_record(void *context, const hf_log_record *record)
{
    hf_shard *shard = context;
    shard->replayed++;
    switch ((hf_entry_kind)record->kind) {
    case HF_ENTRY_COMMIT:
        return replay_commit(shard, record);
    case HF_ENTRY_PREPARE:
    case HF_ENTRY_FINALIZE:
    case HF_ENTRY_TOMBSTONE:
        return hf_part__replay(shard, record);
    case HF_ENTRY_RANGE:
    case HF_ENTRY_BULK:
        return hf_move__replay(shard, record);
    case HF_ENTRY_CLOCK:
        return hf_horizon__replay(shard, record->data);
    }
    return HF_E_VERSION;
}

static void post_claims(hf_shard *shard)
{
    hf_buf_reset(&shard->scratch);
    hf_range_encode(&shard->map, &shard->scratch);
    hf_msg_decision d = { .ts = shard->clock.last };
    hf_msg *msg = hf_shard__msg_of(shard, HF_MSG_BOOT, &d, sizeof d, hf_buf_view(&shard->scratch));
    if (msg == NULL) {
        hf_shard__fail(shard, EXIT_MEMORY, "memory", "no room to start");
        return;
    }
    hf_shard__post(shard, 0, msg);
}

static void on_opened(void *context, hf_err err, const char *detail)
{
    hf_shard *shard = context;
    if (err != HF_OK) {
        hf_shard__fail(shard, exit_code(err), "reading the log", detail);
        return;
    }
    shard->boot = HF_BOOT_MEET;
    post_claims(shard);
    hf_shard__drain(shard);
}

static void on_durable(void *context, uint64_t lsn)
{
    hf_shard *shard = context;
    hf_shard__durable(shard, lsn);
    hf_shard__drain(shard);
}

static void on_failed(void *context, hf_err err, const char *detail)
{
    hf_shard *shard = context;
    hf_shard__fail(shard, exit_code(err), "the log failed", detail);
}

static void on_checkpoint_failed(void *context, hf_err err, const char *detail)
{
    hf_shard *shard = context;
    hf_shard__fail(shard, exit_code(err), "a checkpoint failed", detail);
}

bool hf_boot__open(hf_shard *shard)
{
    hf_checkpoint_handler saved = { .context = shard,
                                    .on_entry = on_entry,
                                    .on_loaded = on_loaded,
                                    .on_next = hf_save__next,
                                    .on_written = hf_save__written,
                                    .on_failed = on_checkpoint_failed };
    uint64_t id = shard->config.node_id * HF_SHARDS_MAX + shard->self;
    shard->checkpoint = hf_checkpoint_open(shard->heap, shard->io, shard->dir, id, &saved);
    bool shared = shard->config.log_shared;
    hf_log_config config = { .dir = shared ? HF_SHARD_DEVICE_DIR : shard->dir,
                             .log_id = shared ? ~(id - shard->self) : id,
                             .message_kind = shared ? HF_MSG_LOG : 0,
                             .segment_bytes = (uint32_t)shard->config.log_segment_bytes,
                             .staging_bytes = (uint32_t)shard->config.log_staging_bytes,
                             .record_bytes_max = (uint32_t)shard->config.log_staging_bytes / 2,
                             .batch_bytes_max = (uint32_t)shard->config.log_batch_bytes,
                             .flushes_max = shard->config.log_flushes,
                             .spare_segments = 1 };
    hf_log_handler handler = { .context = shard,
                               .on_record = on_record,
                               .on_opened = on_opened,
                               .on_durable = on_durable,
                               .on_failed = on_failed };
    shard->log =
        shard->checkpoint == NULL ? NULL : hf_log_open(shard->heap, shard->io, &config, &handler);
    return shard->log != NULL && default_map(shard) && initial_splits(shard);
}

void hf_boot__start(hf_shard *shard)
{
    hf_checkpoint_load(shard->checkpoint);
}

/* ---- Meeting ---- */

static void broadcast(hf_shard *shard, uint16_t kind, uint64_t ts, hf_bytes body)
{
    for (uint16_t to = 0; to < shard->count; to++) {
        hf_msg_decision d = { .ts = ts };
        hf_msg *msg = hf_shard__msg_of(shard, kind, &d, sizeof d, body);
        if (msg == NULL) {
            hf_shard__fail(shard, EXIT_MEMORY, "memory", "no room to start");
            return;
        }
        hf_shard__post(shard, to, msg);
    }
}

static hf_shard_set everyone(const hf_shard *shard)
{
    return shard->count == HF_SHARDS_MAX ? ~(hf_shard_set)0 : hf_shard_bit(shard->count) - 1;
}

static void on_boot(hf_shard *shard, const hf_msg_decision *msg)
{
    hf_reader reader = hf_reader_of(hf_msg_body(&msg->head, sizeof *msg));
    hf_hlc_observe(&shard->clock, msg->ts);
    HF_ASSERT(hf_range_merge(&shard->map, &reader) == HF_OK);
    shard->boot_heard |= hf_shard_bit(msg->head.from);
    if (shard->boot_heard == everyone(shard)) {
        hf_buf_reset(&shard->scratch);
        hf_range_encode(&shard->map, &shard->scratch);
        broadcast(shard, HF_MSG_MAP, hf_shard__now(shard), hf_buf_view(&shard->scratch));
    }
}

static void on_map(hf_shard *shard, const hf_msg_decision *msg)
{
    hf_reader reader = hf_reader_of(hf_msg_body(&msg->head, sizeof *msg));
    HF_ASSERT(hf_range_merge(&shard->map, &reader) == HF_OK);
    if (shard->boot == HF_BOOT_MEET && msg->ts != 0) {
        hf_hlc_observe(&shard->clock, msg->ts);
        hf_part__name_incarnation(shard, msg->ts);
        shard->boot = HF_BOOT_READY;
        hf_horizon__ready(shard);
        hf_move__drop_unowned(shard);
        hf_part__resolve_old(shard);
        hf_session__ready(shard);
    }
}

static void on_resolved(hf_shard *shard, const hf_msg *msg)
{
    shard->resolved_heard |= hf_shard_bit(msg->from);
    if (shard->resolved_heard == everyone(shard)) {
        hf_part__forget_old(shard);
    }
}

void hf_boot__turn(hf_shard *shard)
{
    if (shard->resolve_sent || shard->old_undecided != 0 || hf_shard__behind(shard)) {
        return;
    }
    if (shard->resolve_lsn == 0) {
        shard->resolve_lsn = hf_shard__appended(shard) + 1;
    }
    if (hf_log_durable(shard->log) + 1 >= shard->resolve_lsn) {
        shard->resolve_sent = true;
        broadcast(shard, HF_MSG_RESOLVED, 0, hf_bytes_of(NULL, 0));
    }
}

void hf_boot__message(hf_shard *shard, const hf_msg *msg)
{
    switch ((int)msg->kind) {
    case HF_MSG_BOOT:
        on_boot(shard, (const hf_msg_decision *)(const void *)msg);
        break;
    case HF_MSG_MAP:
        on_map(shard, (const hf_msg_decision *)(const void *)msg);
        break;
    case HF_MSG_RESOLVED:
        on_resolved(shard, msg);
        break;
    default:
        hf_move__message(shard, msg);
        break;
    }
}
