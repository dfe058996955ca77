/* Splitting ranges and moving them between shards: engine/shard/move.c. */
#ifndef HF_SHARD_MOVE_H
#define HF_SHARD_MOVE_H
#include "engine/shard/view.h"

/* Both answer the ticket when it is done: +OK, or an error. False: no memory now (or no such
 * shard). */
bool hf_move__split(hf_shard *shard, hf_ticket ticket, hf_bytes user_key);
bool hf_move__move(hf_shard *shard, hf_ticket ticket, hf_bytes user_key, uint16_t to);
void hf_move__turn(hf_shard *shard);
/* Drops the keys of [start, end), at most `budget`; true when none is left. The next checkpoint is
 * whole. */
bool hf_move__drop(hf_shard *shard, hf_bytes start, hf_bytes end, uint32_t budget);
void hf_move__drop_unowned(hf_shard *shard);

/* Balancing: this shard's last second, for shard 0; and shard 0's wish that one gives half of a
 * range away. */
void hf_move__report(hf_shard *shard, uint64_t operations, uint64_t bytes, uint64_t keys);
void hf_move__ask_half(hf_shard *shard, uint16_t from, uint16_t to);

/* ---- balance.c ---- */
void hf_balance__turn(hf_shard *shard);
void hf_balance__heard(hf_shard *shard, uint16_t from, uint64_t operations, uint64_t bytes,
                       uint64_t keys);
bool hf_balance__cut(hf_shard *shard, hf_internal_key *cut);

#endif
