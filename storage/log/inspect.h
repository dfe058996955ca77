/* hf_log_inspect: the bytes of a log, read and judged. Pure: recovery and the offline tool share
 * it.
 *
 * A segment is a 4096-byte head and then batches, end to end. A batch is one write: a block of
 * whole 512-byte sectors with a head, one CRC per sector, records and zero padding. Records form a
 * stream that runs through batches and segments. The bytes are drawn in README.md.
 *
 * Verdicts on a place where a batch should be: WHOLE; ABSENT: its first sector is all zeros,
 * nothing was written here; TORN: sectors are zero or whole, some are zero; ROTTEN: neither, or not
 * what belongs here. Only what follows (hf_log_tail, storage/log/walk.h) tells whether an absent or
 * torn batch may be cut off or was acknowledged.
 *
 * Errors: HF_E_CORRUPT damage; HF_E_VERSION a newer format; HF_E_WRONGFILE another node's or core's
 * log.
 */
#ifndef HF_LOG_INSPECT_H
#define HF_LOG_INSPECT_H
#include "engine/base/bytes.h"
#include "engine/base/error.h"
#include "storage/log/detail.h"
#include "storage/log/log.h"

enum {
    HF_LOG_FORMAT = 1,
    HF_LOG_SECTOR = 512,
    HF_LOG_SEGMENT_HEAD = 4096, /* batches begin here */
    HF_LOG_BATCH_HEAD = 96,     /* before the sector table */
    HF_LOG_RECORD_HEAD = 28,
    HF_LOG_BLOCK_MAX = 1024 * 1024, /* of one batch */
    HF_LOG_FLUSHES_MAX = 2,
};
#define HF_LOG_NO_RECORD UINT32_MAX

/* Why a verdict is what it is; `offset` lies in the segment. */
typedef struct hf_log_why {
    hf_err err;
    const char *what; /* static words */
    uint64_t segment;
    uint64_t offset;
    uint64_t found;
    uint64_t expected;
    bool numbers; /* found and expected mean something */
} hf_log_why;

/* "DIR/log-N, offset O: what (found F, expected E). Nothing was changed. Run `holdfast log verify
 * DIR` ..." */
void hf_log_why_put(hf_log_detail *out, const char *dir, const hf_log_why *why);
/* "DIR/STEM" and the number as 16 hexadecimal digits: stem "log-" or "spare-". */
enum { HF_LOG_PATH_MAX = 160 };
void hf_log_path(char out[HF_LOG_PATH_MAX], const char *dir, const char *stem, uint64_t number);
/* The number of such a name; false when it is not one. */
bool hf_log_name_number(const char *name, const char *stem, uint64_t *number);

bool hf_log_is_zero(const uint8_t *data, size_t size);

/* ---- Segment head ---- */
typedef struct hf_log_segment_head {
    uint64_t log_id;
    uint64_t number;
    uint64_t epoch; /* in which it was prepared */
    uint32_t segment_bytes;
} hf_log_segment_head;

void hf_log_segment_encode(const hf_log_segment_head *head, uint8_t block[HF_LOG_SEGMENT_HEAD]);
/* `bytes`: from the start of the file. `log_id`, `number`: what they must be (log_id 0: any). */
HF_MUST_USE hf_err hf_log_segment_decode(hf_bytes bytes, uint64_t log_id, uint64_t number,
                                         hf_log_segment_head *head, hf_log_why *why);

/* ---- Batches ---- */
typedef enum hf_log_verdict {
    HF_LOG_WHOLE,
    HF_LOG_ABSENT,
    HF_LOG_TORN,
    HF_LOG_ROTTEN,
} hf_log_verdict;

typedef struct hf_log_batch {
    uint64_t log_id;
    uint64_t segment;
    uint64_t epoch;       /* of the run of the node that wrote it */
    uint64_t seq;         /* one more with each batch, for ever */
    uint64_t lsn;         /* stream position of its payload */
    uint64_t durable_lsn; /* acknowledged when this was written */
    uint64_t durable_seq;
    uint32_t offset; /* in the segment */
    uint32_t chain;  /* the CRC of the batch before */
    uint32_t crc;    /* its own: covers the table, so every sector */
    uint32_t table_crc;
    uint32_t block_size;
    uint32_t payload_size;
    uint32_t
        first_record; /* offset in the payload where a record begins, payload_size: the next batch
                       * begins with one; HF_LOG_NO_RECORD: all of it belongs to an older record */
    uint32_t first_chain; /* the CRC of the record before that one */
    bool begin;           /* first of its epoch: a record left open before is void */
    bool seal;            /* written because nothing came for a while */
    const uint8_t *payload;
} hf_log_batch;

/* Head and table together, and the smallest block for a payload. */
uint32_t hf_log_batch_head_size(uint32_t block_size);
uint32_t hf_log_batch_block_size(uint32_t payload_size, uint32_t align);
/* The most payload a block of this size carries. */
uint32_t hf_log_batch_payload_max(uint32_t block_size);
/* Completes `block`, whose payload is in place right behind the head's room: padding, table, head.
 * Sets table_crc and crc. */
void hf_log_batch_encode(hf_log_batch *batch, uint8_t *block);

/* Judges the 512 bytes at `sector`: WHOLE means that the head can be believed. */
hf_log_verdict hf_log_batch_head(const uint8_t *sector, hf_log_batch *batch, hf_log_why *why);
/* Judges all sectors of a batch whose head is whole; sets batch->payload. */
hf_log_verdict hf_log_batch_body(const uint8_t *block, hf_log_batch *batch, hf_log_why *why);

/* What the next batch must be. */
typedef struct hf_log_place {
    uint64_t log_id;
    uint64_t segment;
    uint64_t epoch; /* least */
    uint64_t seq;
    uint64_t lsn;
    uint32_t chain;
    uint32_t offset;
    bool any; /* reading starts here: seq, lsn and chain are taken from the first batch */
} hf_log_place;

/* WHOLE, or ROTTEN with why: misdirected, lost or foreign. */
hf_log_verdict hf_log_place_check(const hf_log_place *place, const hf_log_batch *batch,
                                  hf_log_why *why);
void hf_log_place_pass(hf_log_place *place, const hf_log_batch *batch);

/* ---- Records ---- */
/* Puts records together again that run through several batches. */
typedef struct hf_log_records {
    uint8_t *spill; /* lent */
    uint32_t spill_capacity;
    uint32_t spill_size;
    uint32_t chain;
    bool found; /* a record's beginning has been seen */
    uint64_t at_lsn;
    const uint8_t *at;
    const uint8_t *end;
} hf_log_records;

void hf_log_records_open(hf_log_records *records, uint8_t *spill, uint32_t capacity);
/* The next whole batch of the stream. */
HF_MUST_USE hf_err hf_log_records_batch(hf_log_records *records, const hf_log_batch *batch,
                                        hf_log_why *why);
/* HF_OK: *record, lent until the next call. HF_E_NOTFOUND: the batch is through. HF_E_CORRUPT,
 * HF_E_TOOBIG: a record larger than the spill. */
HF_MUST_USE hf_err hf_log_records_next(hf_log_records *records, hf_log_record *record,
                                       hf_log_why *why);
/* A record is open: its beginning was read, its end was not. */
static inline bool hf_log_records_open_end(const hf_log_records *records)
{
    return records->spill_size != 0;
}
/* Writes a record's head, CRC included; answers that CRC: the chain of the next one. */
uint32_t hf_log_record_head(uint8_t head[HF_LOG_RECORD_HEAD], uint32_t chain, uint16_t kind,
                            uint64_t range, uint64_t index, const hf_bytes *parts,
                            uint32_t part_count);

/* ---- The tail: what lies behind the last whole batch ---- */
typedef struct hf_log_tail {
    hf_log_place place; /* the batch that is absent or torn */
    uint64_t epoch_max; /* of all that was seen */
    uint64_t
        dirty_from[HF_LOG_FLUSHES_MAX + 1]; /* by segment - place.segment: what is not zero ... */
    uint64_t dirty_to[HF_LOG_FLUSHES_MAX + 1]; /* ... and must be zeroed before the log goes on */
} hf_log_tail;

void hf_log_tail_open(hf_log_tail *tail, const hf_log_place *place);
/* Looks at `bytes` (whole sectors) at `offset` of `segment`. TORN: may be cut off. ROTTEN: proof
 * that the batch at `place` had been acknowledged. */
hf_log_verdict hf_log_tail_look(hf_log_tail *tail, uint64_t segment, uint64_t offset,
                                hf_bytes bytes, hf_log_why *why);

#endif
