/* Requests and replies of a local connection (HF_LISTENER_LOCAL): a client in this process, which
 * has checked what it sends. Binary, so that nothing is parsed; otherwise a connection like others.
 *
 *   request  hf_local_request | conditions | commands       as in a TXN message (request.h)
 *   reply    hf_local_reply | RESP3, or of MAP the ranges   (hf_range_encode)
 *
 * Each begins at a multiple of 8 of the stream. Replies come as they are ready, told apart by
 * number, and requests that are under way together may take effect in any order. Damage is a bug of
 * the library, not of its user: it stops the process.
 */
#ifndef HF_SHARD_SESSION_LOCAL_H
#define HF_SHARD_SESSION_LOCAL_H
#include "engine/base/bytes.h"

typedef enum hf_local_form {
    HF_LOCAL_COMMAND, /* one command, of the session's own too; at the level given */
    HF_LOCAL_TXN,     /* as HF.TXN */
    HF_LOCAL_MAP,     /* the ranges, to know where requests are best sent */
} hf_local_form;

typedef struct hf_local_request {
    uint32_t size; /* without the bytes that fill up to a multiple of 8 */
    uint32_t number;
    uint8_t form;
    uint8_t level; /* 0 strict, 1 snapshot, 2 bounded: as hf_level */
    bool has_id, has_else;
    uint32_t condition_count;
    uint32_t command_count;
    uint32_t otherwise; /* of them, the last so many are ELSE */
    uint64_t level_arg;
    uint64_t after; /* reads are at least as new */
    uint8_t id[16];
} hf_local_request;

typedef struct hf_local_reply {
    uint32_t size; /* without the bytes that fill up to a multiple of 8 */
    uint32_t number;
    uint32_t map_changes; /* grows when ranges change */
    uint32_t pad;
} hf_local_reply;

_Static_assert(sizeof(hf_local_request) == 56 && sizeof(hf_local_reply) == 16, "multiples of 8");

static inline uint32_t hf_local_filled(uint32_t size)
{
    return (size + 7) & ~7u;
}

#endif
