/* Records of a shard's log: their kinds, and how each is laid out. For the shard and for what reads
 * its log offline.
 *
 *   COMMIT     u64 ts | mutations (storage/table/mutation.h)
 *   PREPARE    attempt | u64 prepare ts | u64 the vote holds below, UINT64_MAX: at any ts
 *              | u64 age ts | u64 age tie | u64 participants (at the anchor; else 0) | u16 anchor
 *              | u8 flags | u8 0 | id (16 bytes) | u64 digest
 *              | replies (with an id) | recipe (where the outcome is kept)
 *              | u32 grants, 16 bytes each | u32 fences, each u8 mode, u8 is_range, start, end
 *              | mutations, held back until the FINALIZE
 *   FINALIZE   once or more: attempt | u64 commit ts, 0: aborted | mutations of its own
 *   TOMBSTONE  attempt: never prepared here, for good
 *   RANGE      u32 count | each u64 id, u64 generation, u16 shard, start
 *   BULK       u64 ts | start | end | u8 clear | mutations
 *   CLOCK      u64 horizon: no timestamp above it was told before this record was durable
 *
 * flags: 1 the transaction has an id, 2 its outcome is kept here.
 * attempt: u64 incarnation | u64 sequence number << 16, coordinating shard. Names without a type
 * are u32 size, bytes.
 */
#ifndef HF_SHARD_ENTRY_H
#define HF_SHARD_ENTRY_H

typedef enum hf_entry_kind {
    HF_ENTRY_COMMIT = 1, /* a transaction of this shard alone */
    HF_ENTRY_PREPARE = 2,
    /* 3 was FINALIZE with one end: an unknown kind, not damage */
    HF_ENTRY_TOMBSTONE = 4,
    HF_ENTRY_RANGE = 5, /* a range that this shard owns, or gives away, from here on */
    HF_ENTRY_BULK = 6,  /* contents of a range that moves in: valid once its RANGE record follows */
    HF_ENTRY_CLOCK = 7, /* every clock of the node starts above it */
    HF_ENTRY_FINALIZE = 8, /* ends of what was prepared, either way */
} hf_entry_kind;

#endif
