/* hf_attempt: the name of one try of one transaction, and what else all parts of the protocol
 * share.
 *
 * A restarted transaction is a new attempt (it keeps its age and the client's id). The name says
 * who coordinates and in which life of that coordinator: of an older incarnation, or below the
 * watermark that the coordinator sends along, nothing new can start any more (fencing, rule I5).
 */
#ifndef HF_TWOPC_ATTEMPT_H
#define HF_TWOPC_ATTEMPT_H
#include <stdbool.h>
#include <stdint.h>

typedef struct hf_attempt {
    uint64_t incarnation; /* timestamp of the coordinator's start: grows with every start */
    uint64_t seq_shard;   /* sequence number << 16 | coordinating shard */
} hf_attempt;

static inline hf_attempt hf_attempt_of(uint64_t incarnation, uint64_t seq, uint16_t shard)
{
    hf_attempt a = { incarnation, seq << 16 | shard };
    return a;
}
static inline uint64_t hf_attempt_seq(hf_attempt a)
{
    return a.seq_shard >> 16;
}
static inline uint16_t hf_attempt_shard(hf_attempt a)
{
    return (uint16_t)(a.seq_shard & 0xffff);
}
static inline bool hf_attempt_equal(hf_attempt a, hf_attempt b)
{
    return a.incarnation == b.incarnation && a.seq_shard == b.seq_shard;
}

enum { HF_PARTICIPANTS_MAX = 64 };

/* A set of shards. */
typedef uint64_t hf_shard_set;

static inline hf_shard_set hf_shard_bit(uint16_t shard)
{
    return (hf_shard_set)1 << shard;
}

#endif
