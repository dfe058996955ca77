/* Inside the parts: part.c, and part_recovery.c, which makes them again from the log. */
#ifndef HF_SHARD_PART_H
#define HF_SHARD_PART_H
#include "engine/shard/request.h"

/* Flags of a PREPARE record. */
enum { HF_PREPARE_HAS_ID = 1, HF_PREPARE_STUB = 2 };

/* False: no memory. Of no bytes it is NULL. */
bool hf_part__copy(hf_shard *shard, hf_part *part, hf_bytes from, uint8_t **to, uint32_t *size);
/* Counts its additions. All of them or, without memory or when a sum would leave 64 bits, none. */
hf_err hf_part__escrow_add(hf_shard *shard, hf_part *part, hf_bytes grants);
void hf_part__escrow_remove(hf_shard *shard, const hf_part *part);
/* What is prepared is applied whatever happens, so its room in the table is kept free. */
void hf_part__promise(hf_shard *shard, hf_part *part);
void hf_part__drop_effects(hf_shard *shard, hf_part *part);
/* Prepared here from now on, and the outcome open. */
void hf_part__undecided_add(hf_shard *shard, hf_part *part);
void hf_part__decided(hf_shard *shard, hf_part *part);
void hf_part__forget(hf_shard *shard, hf_part *part);
/* part_log.c. The end of a part, with the mutation of its stub (or nothing), is in the log before
 * anything that is appended later; the tombstone's part is told when it is durable. */
void hf_part__log_end(hf_shard *shard, const hf_part *part, bool commit, hf_bytes stub);
void hf_part__log_tombstone(hf_shard *shard, hf_part *part);
/* An end that this coordinator waits to hear of, when all ends so far are durable. */
void hf_part__count_end(hf_shard *shard, uint16_t coordinator);

#endif
