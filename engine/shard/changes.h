/* The change feed's hook: called where a transaction's effects are applied
 * (engine/shard/session/changes.c). */
#ifndef HF_SHARD_CHANGES_H
#define HF_SHARD_CHANGES_H
#include "engine/shard/shard_impl.h"

/* Notes the keys of committed effects. `lsn`: where the log must be durable before anyone hears of
 * it; 0: it is. Not for recovery, and not for ranges that move in: those are no changes. */
void hf_changes__note(hf_shard *shard, hf_bytes effects, uint64_t ts, uint64_t lsn);

#endif
