/* Weight: what connections hold, and who holds too much.
 *
 * Requests that are not whole and replies that nobody reads take memory that belongs to the data.
 * Together they may have a part of it; when they have more, the heaviest connection is cut off:
 * never a small one, and never whoever happened to come last.
 */
#ifndef HF_SHARD_SESSION_WEIGHT_H
#define HF_SHARD_SESSION_WEIGHT_H
#include "engine/shard/session/session_impl.h"

/* Asked after whatever changes the connection's buffers. */
static inline void hf_weight__of(hf_session *session, hf_conn *conn)
{
    uint64_t weight =
        conn->closing
            ? 0
            : (uint64_t)conn->in.capacity + conn->out.capacity + conn->sending.capacity +
                  conn->early.capacity + conn->queued.capacity + conn->watches.capacity +
                  conn->arg_slices.capacity + (conn->exec == NULL ? 0 : hf_exec__weight(conn));
    session->weight += weight - conn->weight;
    conn->weight = weight;
}

static inline bool hf_weight__heavy(const hf_shard *shard)
{
    return shard->session->weight > hf_heap_capacity(shard->heap) / HF_WEIGHT_PART;
}

/* What a connection without requests may keep for the next ones. */
static inline uint32_t hf_weight__spare(const hf_shard *shard)
{
    return hf_weight__heavy(shard) ? 0 : HF_KEEP_BYTES;
}

/* NULL: all are small. */
hf_conn *hf_weight__heaviest(const hf_shard *shard);
void hf_weight__cut_off(hf_shard *shard);
/* Whether so much more may wait to be sent: as heavy as that makes the connection, it would be cut
 * off otherwise. */
bool hf_weight__admits(const hf_shard *shard, const hf_conn *conn, uint32_t size);

/* Cuts off the heaviest until the rest is light enough. */
static inline void hf_weight__limit(hf_shard *shard)
{
    if (hf_weight__heavy(shard)) {
        hf_weight__cut_off(shard);
    }
}

#endif
