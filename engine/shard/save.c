/* Checkpoints: when, and as of which timestamp.
 *
 * A checkpoint is the exact state at one timestamp T, and replay applies only what is newer. For
 * that, every effect at or below T must be in memory when the pass reads it: T is taken and pinned,
 * then what was prepared at or below T is waited for (its commit timestamp may fall on either
 * side). Replay begins at the oldest record that a part may still need, or at the newest record of
 * the moment when T was taken. Nothing is written before the log is durable up to what the pass can
 * see, so a checkpoint never holds what the log could still lose.
 *
 * Head: u64 T | u64 clock, or the horizon of the log that is cut | u64 log position | range map.
 * Entry: u64 timestamp | one mutation that puts the whole value.
 */
#include "engine/shard/shard_impl.h"

static const uint64_t retry_ns = 5000000000u;

static uint64_t log_target(const hf_shard *shard)
{
    uint64_t bytes = shard->config.replay_rate / 1000 * (shard->config.recovery_ns / 1000000);
    uint64_t least = 2 * shard->config.log_segment_bytes;
    return bytes > least ? bytes : least;
}

/* Long enough for a checkpoint: by the recovery target, or because the disk is full, and to cut the
 * log is what makes room. */
static bool log_is_long(const hf_shard *shard)
{
    uint64_t bytes = hf_log_bytes(shard->log);
    return bytes > log_target(shard) ||
           (bytes > shard->save.left + shard->config.log_segment_bytes &&
            hf_log_stats_get(shard->log).no_space);
}

static void mark_drains(hf_shard *shard)
{
    for (hf_part *part = shard->undecided_first; part != NULL; part = part->next_undecided) {
        part->drains = true;
        shard->save.drains++;
    }
}

static void begin(hf_shard *shard)
{
    hf_save *save = &shard->save;
    save->wanted = false;
    save->ts = hf_shard__now(shard);
    hf_table_pin(shard->table, save->ts);
    save->lsn = hf_part__oldest_lsn(shard, hf_shard__appended(shard));
    save->drains = 0;
    save->drops_seen = save->drops;
    mark_drains(shard);
    save->state = HF_SAVE_DRAIN;
}

void hf_save__part_decided(hf_shard *shard, hf_part *part)
{
    if (part->drains) {
        part->drains = false;
        shard->save.drains--;
    }
}

static void write_out(hf_shard *shard)
{
    hf_buf_reset(&shard->head);
    hf_buf_u64(&shard->head, shard->save.ts);
    uint64_t clock = shard->clock.last;
    hf_buf_u64(&shard->head, clock > shard->horizon.logged ? clock : shard->horizon.logged);
    hf_buf_u64(&shard->head, shard->save.lsn);
    hf_range_encode(&shard->map, &shard->head);
    bool whole = shard->save.drops != shard->save.drops_saved ||
                 hf_checkpoint_wants_whole(shard->checkpoint);
    shard->save.writes_whole = whole;
    hf_table_pass_begin(shard->table, shard->save.ts, whole);
    hf_table_unpin(shard->table, shard->save.ts);
    shard->save.floor = hf_log_floor(shard->log, shard->save.lsn);
    hf_checkpoint_begin(shard->checkpoint, shard->save.floor, hf_buf_view(&shard->head), whole);
    shard->save.state = HF_SAVE_WRITE;
}

bool hf_save__next(void *context, hf_buf *out)
{
    hf_shard *shard = context;
    hf_bytes key;
    hf_got got;
    if (!hf_table_pass_next(shard->table, &key, &got)) {
        return false;
    }
    hf_buf_u64(out, got.ts);
    hf_mutation_put(out, key, &got.value);
    return true;
}

void hf_save__written(void *context, hf_err err, const char *detail)
{
    hf_shard *shard = context;
    hf_save *save = &shard->save;
    (void)detail; /* counted in the checkpoint's statistics, where the operator finds it */
    hf_table_pass_end(shard->table, err == HF_OK);
    save->state = HF_SAVE_IDLE;
    save->failed = err != HF_OK;
    if (err == HF_OK) {
        save->drops_saved = save->writes_whole ? save->drops_seen : save->drops_saved;
        save->last_wall_ns = shard->io->wall_ns;
        hf_log_truncate(shard->log, save->floor);
        save->left = hf_log_bytes(shard->log);
    } else {
        save->retry_ns = shard->io->now_ns + retry_ns;
    }
}

uint64_t hf_save__turn(hf_shard *shard)
{
    hf_save *save = &shard->save;
    switch (save->state) {
    case HF_SAVE_IDLE:
        if (!hf_checkpoint_idle(shard->checkpoint) || !(save->wanted || log_is_long(shard))) {
            break;
        }
        if (shard->io->now_ns < save->retry_ns) {
            return save->retry_ns; /* nothing else may happen until then */
        }
        begin(shard);
        break;
    case HF_SAVE_DRAIN:
        if (save->drains == 0 && !hf_shard__behind(shard)) {
            save->settle = hf_shard__appended(shard);
            save->state = HF_SAVE_SETTLE;
        }
        break;
    case HF_SAVE_SETTLE:
        /* The map goes into the head as it is now. */
        if (hf_log_durable(shard->log) >= save->settle &&
            hf_log_durable(shard->log) >= shard->map_lsn) {
            write_out(shard);
        }
        break;
    case HF_SAVE_WRITE:
        break;
    }
    return UINT64_MAX;
}
