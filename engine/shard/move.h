/* Splitting ranges and moving them between shards: engine/shard/move.c. */
#ifndef HF_SHARD_MOVE_H
#define HF_SHARD_MOVE_H
#include "engine/shard/shard_impl.h"

/* Both answer the ticket when it is done: +OK, or an error. False: no memory now (or no such
 * shard). */
bool hf_move__split(hf_shard *shard, hf_ticket ticket, hf_bytes user_key);
bool hf_move__move(hf_shard *shard, hf_ticket ticket, hf_bytes user_key, uint16_t to);
void hf_move__turn(hf_shard *shard);
/* Drops the keys of [start, end), at most `budget`; true when none is left. The next checkpoint is
 * whole. */
bool hf_move__drop(hf_shard *shard, hf_bytes start, hf_bytes end, uint32_t budget);
void hf_move__drop_unowned(hf_shard *shard);

#endif
