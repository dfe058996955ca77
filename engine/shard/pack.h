/* hf_pack: small messages that go the same way at the same time are one message.
 *
 * A pack is a message whose body is messages, each with its head and beginning at a multiple of 8.
 * What is added to the pack that is open for a shard goes there in order with all else that is
 * posted: a pack is closed before another message is posted, when it is full, and at the end of the
 * turn (to the own shard: when the handler that runs ends). So what one turn asks of a shard, or
 * answers it, costs one block of memory and one message.
 *
 * Replies that wait for the disk are gathered likewise, one pack for each shard that is answered: a
 * pack takes replies until the log begins to write what the first of them waits for, so that none
 * waits longer than it would alone.
 *
 * Threads: one shard only.
 */
#ifndef HF_SHARD_PACK_H
#define HF_SHARD_PACK_H
#include "engine/shard/shard_impl.h"

/* What a message, its pack's head and its filling can have in 32 bits. */
#define HF_PACK_MESSAGE_MAX (UINT32_MAX - 64)

/* Lends the place of a message of `size` bytes to be filled in before the handler returns; its head
 * is. NULL: no memory. */
void *hf_pack__add(hf_shard *shard, uint16_t to, uint16_t kind, uint32_t size);
/* A message whose fixed part is `fixed` (its head is not looked at), then `body`. False: no memory.
 */
bool hf_pack__post(hf_shard *shard, uint16_t to, uint16_t kind, const void *fixed,
                   size_t fixed_size, hf_bytes body);
/* Lends a place as hf_pack__add() does, of what leaves when the log is durable up to lsn. */
void *hf_pack__hold(hf_shard *shard, uint64_t lsn, uint16_t to, uint16_t kind, uint32_t size);
void hf_pack__close(hf_shard *shard, uint16_t to);
void hf_pack__close_all(hf_shard *shard);
/* Hands what is held to hf_shard__hold_pack(): what comes is to wait behind it. */
void hf_pack__close_held(hf_shard *shard);

/* The messages of a pack: the first, and the one behind another; NULL: there is none. */
static inline const hf_msg *hf_pack__next(const hf_msg *pack, const hf_msg *msg)
{
    const uint8_t *end = (const uint8_t *)pack + pack->size;
    const uint8_t *at = msg == NULL ? (const uint8_t *)(pack + 1)
                                    : (const uint8_t *)msg + ((msg->size + 7) & ~UINT32_C(7));
    return at < end ? (const hf_msg *)(const void *)at : NULL;
}

#endif
