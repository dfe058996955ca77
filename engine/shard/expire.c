/* Expired keys are gone for every reader by their timestamp alone; here their memory is taken back,
 * by logged deletions at a timestamp at which they are expired already, so that every replay
 * agrees. */
#include "engine/shard/changes.h"
#include "engine/shard/shard_impl.h"

enum { BATCH = 64 };

/* Deletes the soonest expired key; false: none, or it cannot be done now. */
static bool expire_one(hf_shard *shard)
{
    hf_bytes key;
    uint64_t expire_ms;
    uint64_t ts = shard->io->wall_ns > shard->clock.last ? shard->io->wall_ns : shard->clock.last;
    if (!hf_table_expiring(shard->table, ts, &key, &expire_ms)) {
        return false;
    }
    const hf_range *range = &shard->map.ranges[hf_range_find(&shard->map, key)];
    hf_lock *at;
    hf_age youngest = { UINT64_MAX, UINT64_MAX };
    if (range->shard != shard->self || range->frozen ||
        !hf_log_admits(shard->log, (uint64_t)key.size + 64 + shard->reserve) ||
        !hf_table_admits(shard->table, 256) ||
        !hf_lock_free(shard->locks, key, hf_shard__hash(shard, key), HF_LOCK_X, youngest, NULL,
                      &at)) {
        return false;
    }
    ts = hf_shard__now(shard);
    hf_buf_reset(&shard->mutations);
    hf_mutation_delete(&shard->mutations, key);
    uint8_t head[8];
    memcpy(head, &ts, sizeof ts);
    hf_bytes parts[] = { hf_bytes_of(head, sizeof head), hf_buf_view(&shard->mutations) };
    uint64_t lsn;
    if (shard->mutations.failed ||
        hf_shard__append(shard, HF_ENTRY_COMMIT, parts, 2, &lsn) != HF_OK) {
        return false;
    }
    hf_owner__apply(shard, hf_buf_view(&shard->mutations), ts, lsn);
    hf_changes__note(shard, hf_buf_view(&shard->mutations), ts, lsn);
    shard->stats.expired_keys++;
    return true;
}

void hf_expire__turn(hf_shard *shard)
{
    if (shard->expire_off || hf_shard__behind(shard) || shard->stalled_first != NULL) {
        return;
    }
    for (int i = 0; i < BATCH && expire_one(shard); i++) {
    }
}
