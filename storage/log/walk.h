/* hf_log_walk: reads a log from its segments and finds its true end. Pure: it says what to read
 * next and is fed the bytes; recovery feeds it through hf_io, the offline tool from plain files.
 *
 *   FIND     newest segment first: which one holds `from`? One that begins with it does, but a seal
 *            that was not acknowledged may be missing before it: then the one before, if it can be
 *   BATCHES  whole batch after whole batch; an absent one may mean that the next segment goes on
 * (PEEK) TAIL     behind the first absent or torn batch: is it a torn tail, or was it acknowledged?
 *   DONE     place is where the log goes on; tail says which bytes must be zeroed first
 *
 * Nothing is decided by guessing: any doubt is an error with file and offset.
 */
#ifndef HF_LOG_WALK_H
#define HF_LOG_WALK_H
#include "storage/log/inspect.h"

typedef struct hf_log_walk_handler {
    void *context;
    /* Every record above `from`. Not HF_OK: the walk ends with it. */
    hf_err (*on_record)(void *context, const hf_log_record *record);
    /* Every whole batch read. May be NULL. */
    void (*on_batch)(void *context, const hf_log_batch *batch);
    /* Every segment looked at, `first` its first batch or NULL. May be NULL, may repeat. */
    void (*on_segment)(void *context, const hf_log_segment_head *head, const hf_log_batch *first);
} hf_log_walk_handler;

typedef enum hf_log_walk_phase {
    HF_LOG_WALK_FIND,
    HF_LOG_WALK_HEAD,
    HF_LOG_WALK_BATCHES,
    HF_LOG_WALK_PEEK,
    HF_LOG_WALK_TAIL,
    HF_LOG_WALK_DONE,
} hf_log_walk_phase;

/* Bytes of one window: two blocks, so that a torn batch and its neighbour are seen together. */
enum { HF_LOG_WALK_WINDOW = HF_LOG_FLUSHES_MAX * HF_LOG_BLOCK_MAX };

typedef struct hf_log_walk {
    hf_log_walk_handler handler;
    hf_log_walk_phase phase;
    uint64_t log_id;
    uint64_t from;
    uint64_t first; /* segments that exist, without a gap */
    uint64_t last;
    uint64_t begins; /* FIND: this segment begins with `from`; 0: none seen */
    bool all;        /* read everything there is, from the first segment on */
    /* What is wanted next: */
    uint64_t want_segment;
    uint64_t want_offset;
    uint32_t want_size; /* fewer bytes only at the file's end */
    /* What was found: */
    hf_log_place place;
    uint64_t epoch_max;
    uint32_t segment_bytes; /* of the segment being read; once DONE of place.segment */
    uint32_t place_bytes;
    bool open_end; /* the log ends within a record, which is void */
    hf_log_records records;
    hf_log_tail tail;
    hf_log_why why; /* when feed answered an error */
} hf_log_walk;

/* Segments `first` to `last` exist. Reads records above `from`, or all there are. `spill` is lent,
 * for records that run through batches. log_id 0: that of the last segment. */
void hf_log_walk_open(hf_log_walk *walk, const hf_log_walk_handler *handler, uint64_t log_id,
                      uint64_t first, uint64_t last, uint64_t from, bool all, uint8_t *spill,
                      uint32_t spill_capacity);
/* `bytes`: what lies at want_segment, want_offset. The next thing is wanted then, or phase is DONE.
 */
HF_MUST_USE hf_err hf_log_walk_feed(hf_log_walk *walk, hf_bytes bytes);

#endif
