/* hf_log: one core's durable log, its own or its share of the device's. Everything that was
 * acknowledged is in it.
 *
 * Records are appended to memory and go to disk in batches: when a flush ends, the next one carries
 * everything that came meanwhile. A batch is one aligned O_DIRECT write with RWF_DSYNC of a block:
 * a head with magic, format, log id, segment epoch, sequence number, chain (CRC of the batch
 * before), durable-up-to, sizes and the CRC-32C of every 512-byte sector of the block; then the
 * records, each with its own head (size, kind, range, index, CRC chained over the records) and
 * padding.
 *
 * Positions (lsn): byte offsets in the stream of records, growing for ever; a record's lsn is the
 * position after its end, so "durable >= lsn" means that the record is safe.
 *
 * Segments: fixed-size files, zero-written before use and again before reuse, so that a sector that
 * was never written is all zeros. From that follows how damage is told apart after a crash: in the
 * last batches (at most as many as may be in flight), sectors that are zero or whole are a torn
 * tail and are cut off; a sector that is neither, or any damage further back, is rot in data that
 * may have been acknowledged: HF_E_CORRUPT, with the file and offset, and nothing is changed.
 *
 * A failed write or flush ends it: HF_E_IO to on_failed, no retry, every later append refused
 * (fsync may lie the second time). A full disk does not: space for the next segment is made ahead;
 * when that fails appends answer HF_E_NOSPACE until it succeeds again, and what was accepted is
 * still flushed.
 *
 * The newest acknowledged batch has no successor that proves its acknowledgement: until one is
 * written, a sector of it that turned to zeros looks like a torn tail (other rot is told apart at
 * once). So a small batch without records, the seal, follows after 5 ms without one, and after each
 * recovery.
 *
 * Threads:    one core only. Never blocks; all through hf_io.
 */
#ifndef HF_LOG_LOG_H
#define HF_LOG_LOG_H
#include "engine/base/heap.h"
#include "engine/io/io.h"

typedef struct hf_log hf_log;

typedef struct hf_log_config {
    const char *dir;        /* "core-00"; lent for the log's life */
    uint64_t log_id;        /* of this node and core: a segment of another is HF_E_WRONGFILE */
    uint32_t segment_bytes; /* e.g. 64 MiB; a multiple of 1 MiB */
    uint32_t staging_bytes; /* most bytes waiting for the disk; at least twice record_bytes_max */
    uint32_t record_bytes_max; /* larger appends are HF_E_TOOBIG; records may span batches and
                                  segments */
    uint32_t batch_bytes_max;  /* e.g. 256 KiB */
    uint32_t
        flushes_max; /* 1 or 2 writes in flight; acknowledged in order whatever the disk does */
    uint32_t spare_segments; /* zeroed ahead of need, e.g. 1 */
    /* Not 0: one log for all cores, with one flush for all; dir and log_id are the device's, the
     * same for every core, and messages between the cores have this kind. */
    uint16_t message_kind;
} hf_log_config;

typedef struct hf_log_record {
    uint64_t lsn;   /* position after it */
    uint64_t range; /* as appended */
    uint64_t index; /* as appended: the range's own sequence (Raft's, later) */
    uint16_t kind;  /* as appended */
    hf_bytes data;  /* lent for the call */
} hf_log_record;

typedef struct hf_log_handler {
    void *context;
    /* Recovery: every record with lsn > `from`, in order. Not HF_OK: recovery ends with that error.
     */
    hf_err (*on_record)(void *context, const hf_log_record *record);
    /* Recovery ended: HF_OK, and appends may begin; or why not, in words for an operator. */
    void (*on_opened)(void *context, hf_err err, const char *detail);
    /* Everything up to `lsn` is durable now. Comes again with the same lsn when appends that were
     * refused (HF_E_FULL, HF_E_NOSPACE) may be tried again because a segment became ready. */
    void (*on_durable)(void *context, uint64_t lsn);
    /* The claim to this log has ended. The node must stop. */
    void (*on_failed)(void *context, hf_err err, const char *detail);
} hf_log_handler;

/* NULL: no memory. Nothing happens until recover. */
HF_MUST_USE hf_log *hf_log_open(hf_heap *heap, hf_io *io, const hf_log_config *config,
                                const hf_log_handler *handler);
/* Reads the segments and replays the records above `from` (0: a new or empty log is fine; otherwise
 * segments that hold `from` and later must exist: HF_E_CORRUPT names the gap). `floor`: what
 * hf_log_floor answered for `from`. */
void hf_log_recover(hf_log *log, uint64_t from, uint64_t floor);

/* After on_opened. Appends one record, from up to `part_count` parts laid end to end. Answers its
 * lsn through `lsn`. HF_E_FULL: staging is full, come again after on_durable. HF_E_NOSPACE,
 * HF_E_TOOBIG, HF_E_IO as above. All or nothing. */
HF_MUST_USE hf_err hf_log_append(hf_log *log, uint16_t kind, uint64_t range, uint64_t index,
                                 const hf_bytes *parts, uint32_t part_count, uint64_t *lsn);
/* Called at the end of each loop turn: starts a flush if one may start and something waits. */
void hf_log_turn(hf_log *log);
/* When the log wants its next turn at the latest, in now_ns terms; UINT64_MAX: only when something
 * comes. */
uint64_t hf_log_deadline(const hf_log *log);
uint64_t hf_log_appended(const hf_log *log); /* lsn of the newest record */
uint64_t hf_log_durable(const hf_log *log);
/* Changes whenever what was appended so far begins to be written: records that were appended under
 * one value become durable together, but for those that no batch takes together. */
uint64_t hf_log_cut(const hf_log *log);
uint64_t hf_log_begin(const hf_log *log); /* oldest lsn still held; not of a shared log */
/* Staging room left: admission asks before it evaluates. */
bool hf_log_admits(hf_log *log, uint64_t bytes);
/* Takes the memory that a record of this size needs: a shared log's is on the heap, and whoever
 * weighs what else fits there has to ask first. False: there is none. */
bool hf_log_reserve(hf_log *log, uint64_t size);
/* Where on the device the records above `lsn` begin at the earliest, `lsn` being durable. A log of
 * the core's own: at `lsn`. A shared one: at a position of the device's log. */
uint64_t hf_log_floor(const hf_log *log, uint64_t lsn);
/* Records at or below the lsn of this floor are no longer needed: whole segments below are
 * recycled. */
void hf_log_truncate(hf_log *log, uint64_t floor);
/* What a recovery would read because of this core, from its floor on. */
uint64_t hf_log_bytes(const hf_log *log);
/* The same, so that the sum over the cores is right: of a shared log core 0 tells all. */
uint64_t hf_log_kept(const hf_log *log);

/* A shared log: what has message_kind goes here, when it comes and before it is freed. */
void hf_log_message(hf_log *log, const hf_msg *msg);
void hf_log_message_back(hf_log *log, const hf_msg *msg);

/* Of a shared log, core 0 tells what concerns the device, the others answer 0 for it. */
typedef struct hf_log_stats {
    uint64_t records, batches, bytes_appended, bytes_written, flush_ns_total, flush_ns_max;
    uint32_t segments, in_flight;
    bool no_space;
} hf_log_stats;
hf_log_stats hf_log_stats_get(const hf_log *log);

#endif
