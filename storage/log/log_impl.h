/* hf_log inside: one structure, three files: log.c (append, flush, seal), segments.c (segments made
 * ahead, reused and removed, one step at a time) and recover.c (reading, and preparing to go on).
 */
#ifndef HF_LOG_LOG_IMPL_H
#define HF_LOG_LOG_IMPL_H
#include "engine/base/assert.h"
#include "storage/log/walk.h"

enum {
    HF_LOG_SEGMENTS_MAX = 1024,
    HF_LOG_ZERO_CHUNK = 128 * 1024,
    HF_LOG_STRAYS_MAX = 256,
};
#define HF_LOG_SEAL_IDLE_NS UINT64_C(5000000)
#define HF_LOG_ZERO_PACE_NS UINT64_C(1000000)
#define HF_LOG_SPACE_RETRY_NS UINT64_C(250000000)

/* A segment file. Live ones are numbered without a gap: oldest .. current .. newest; those behind
 * current are ready: zeroed, headed and open. */
typedef struct hf_log_segment {
    uint64_t base; /* lsn of its first batch; UINT64_MAX: none yet, or not read */
    uint64_t
        boundary; /* lsn where a record begins, from its first batch alone; UINT64_MAX: unknown */
    uint32_t bytes;
    int32_t file;    /* -1: not open */
    uint32_t writes; /* in flight */
} hf_log_segment;

typedef struct hf_log_flush {
    hf_io_op op;
    struct hf_log *log;
    uint8_t *block;
    uint64_t seq;
    uint64_t lsn_end;
    uint64_t segment;
    uint64_t started_ns;
    bool done;
    bool seal;
} hf_log_flush;

/* Where a batch lies. */
typedef struct hf_log_spot {
    uint64_t segment; /* 0: nowhere */
    uint64_t from;
    uint64_t to;
} hf_log_spot;

/* What the maker is waiting for. */
typedef enum hf_log_make {
    HF_LOG_MAKE_IDLE,
    HF_LOG_MAKE_TAKE,  /* rename of a retired segment to the spare's name */
    HF_LOG_MAKE_TAKEN, /* ... durable */
    HF_LOG_MAKE_OPEN,
    HF_LOG_MAKE_ALLOCATE,
    HF_LOG_MAKE_PACE, /* nothing: between two chunks of zeros */
    HF_LOG_MAKE_ZERO,
    HF_LOG_MAKE_SYNC,
    HF_LOG_MAKE_HEAD,
    HF_LOG_MAKE_NAME,   /* rename of the spare to the segment's name */
    HF_LOG_MAKE_NAMED,  /* ... durable: the segment is ready */
    HF_LOG_MAKE_REMOVE, /* unlink of a retired segment */
    HF_LOG_MAKE_REMOVED,
    HF_LOG_MAKE_GIVE_UP,      /* the disk is full: close, ... */
    HF_LOG_MAKE_GIVE_UP_NAME, /* ... unlink the unfinished spare */
} hf_log_make;

typedef enum hf_log_state {
    HF_LOG_CLOSED,
    HF_LOG_RECOVERING,
    HF_LOG_OPEN,
    HF_LOG_FAILED,
} hf_log_state;

typedef enum hf_log_recovery {
    HF_LOG_RECOVER_MKDIR,
    HF_LOG_RECOVER_MKDIR_SYNC,
    HF_LOG_RECOVER_OPEN,
    HF_LOG_RECOVER_READ,
    HF_LOG_RECOVER_CLOSE,
    HF_LOG_RECOVER_STRAY, /* unlink what an interrupted preparation left behind */
    HF_LOG_RECOVER_STRAY_SYNC,
    HF_LOG_RECOVER_REOPEN, /* the one before current, current and ready segments, for writing */
    HF_LOG_RECOVER_REREAD, /* the newest batches */
    HF_LOG_RECOVER_REWRITE,
    HF_LOG_RECOVER_ZERO, /* the torn tail */
    HF_LOG_RECOVER_SYNC,
    HF_LOG_RECOVER_SEGMENT, /* waits for the first segment, if there is none */
    HF_LOG_RECOVER_SEAL,
} hf_log_recovery;

struct hf_log {
    hf_heap *heap;
    hf_io *io;
    hf_log_config config;
    hf_log_handler handler;
    hf_log_state state;
    hf_log_detail detail;
    uint64_t epoch;
    uint32_t align;
    struct hf_log_remote *remote; /* not NULL: the log is shared (share.h), the rest is not used */

    /* Staging: a ring of the record stream, from `flushed` to `appended`. */
    uint8_t *ring;
    uint32_t ring_at; /* where the next byte goes */
    uint32_t staged;
    uint32_t chain; /* CRC of the newest record */
    uint64_t appended;
    uint64_t flushed; /* lsn up to which batches were written or are in flight */
    uint64_t durable;
    uint64_t next_record; /* lsn of the first record that begins at or after `flushed` */
    uint32_t next_chain;  /* CRC of the record before it */

    /* Writing. */
    hf_log_flush flushes[HF_LOG_FLUSHES_MAX];
    uint32_t flush_first; /* oldest that is not acknowledged */
    uint32_t flush_count; /* submitted and not acknowledged */
    uint32_t batch_payload_max;
    uint64_t seq; /* of the next batch */
    uint64_t durable_seq;
    uint32_t batch_chain; /* CRC of the newest batch */
    uint32_t offset;      /* in the current segment, of the next batch */
    bool begin;           /* the next batch is the first of this epoch */
    bool sealed;          /* the newest batch is a seal */
    uint64_t quiet_ns;    /* when the newest batch was acknowledged */

    /* Segments. */
    hf_log_segment segments[HF_LOG_SEGMENTS_MAX];
    uint64_t oldest;
    uint64_t current; /* 0: none yet */
    uint64_t newest;
    uint64_t retired;   /* retired .. oldest - 1 wait to be reused or removed */
    uint64_t room;      /* least bytes of blocks that ready segments still take */
    uint64_t room_full; /* as much as a full staging needs at most */
    hf_io_op close_op;
    uint64_t close_next; /* lowest number whose file may be open */
    bool closing;

    /* The maker. */
    hf_log_make make;
    hf_io_op make_op;
    char make_from[HF_LOG_PATH_MAX];
    char make_to[HF_LOG_PATH_MAX];
    int32_t make_file;
    uint32_t make_at;   /* zeroed so far */
    uint64_t make_mark; /* bytes_written when it began */
    uint64_t make_ns;   /* of the newest chunk; when no_space: of the failure */
    uint8_t *zeros;     /* HF_LOG_ZERO_CHUNK; its first block becomes the segment's head */
    bool no_space;

    /* Recovery. */
    hf_log_recovery recovery;
    hf_io_op recover_op;
    hf_log_walk walk;
    uint8_t *window;
    void *window_block;
    int32_t recover_file;
    uint64_t recover_segment; /* open in recover_file; 0: none */
    uint64_t recover_at;      /* what is read or written next ... */
    uint64_t recover_to;      /* ... and where that ends */
    hf_log_spot newest_batches[HF_LOG_FLUSHES_MAX];
    uint64_t recover_skip;
    char recover_path[HF_LOG_PATH_MAX];
    uint64_t found[HF_LOG_SEGMENTS_MAX];
    uint32_t found_count;
    uint64_t strays[HF_LOG_STRAYS_MAX]; /* spare numbers */
    uint32_t stray_count;
    uint32_t stray_at;
    bool too_many;
    bool hold; /* those who replay are behind: no more is read */
    bool held; /* ... and the next read waits for it */

    hf_log_stats stats;
};

static inline hf_log_segment *hf_log__segment(hf_log *log, uint64_t number)
{
    return &log->segments[number % HF_LOG_SEGMENTS_MAX];
}
/* A batch of the least size can be written now. */
static inline bool hf_log__has_place(const hf_log *log)
{
    return log->newest > log->current ||
           (log->current != 0 && log->offset % log->align == 0 &&
            log->offset + (uint64_t)log->align <=
                log->segments[log->current % HF_LOG_SEGMENTS_MAX].bytes);
}
/* What stands in words for a negative result of an operation on a file. */
void hf_log__io_detail(hf_log *log, const char *verb, const char *path, uint64_t offset,
                       int64_t result);
/* The claim to the log ends: sticky. The detail is set. */
void hf_log__fail(hf_log *log, hf_err err);
/* Starts one batch if it may; a seal carries no payload. False: no place for it now. */
bool hf_log__flush(hf_log *log, bool seal);
bool hf_log__is_full(int64_t result); /* ENOSPC, EDQUOT */
/* Appends what was promised room in the staging; on a full disk it waits there. */
void hf_log__take(hf_log *log, uint16_t kind, uint64_t range, uint64_t index, hf_bytes data);

/* segments.c */
void hf_log__segments_turn(hf_log *log);
uint64_t hf_log__segments_deadline(const hf_log *log);
void hf_log__room_count(hf_log *log);
uint64_t hf_log__cost(const hf_log *log, uint64_t staged);
/* Goes on to the next ready segment; false: there is none. */
bool hf_log__segment_next(hf_log *log);

/* recover.c */
void hf_log__recover_go_on(hf_log *log);
/* Holds reading back, or lets it go on. */
void hf_log__recover_hold(hf_log *log, bool hold);

#endif
