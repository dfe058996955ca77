/* A log on a fake world, with a model of what was appended: the frame of the log's tests. */
#ifndef HF_TESTS_LOG_FRAME_H
#define HF_TESTS_LOG_FRAME_H
#include "storage/log/log_impl.h"
#include "tests/unit/log/fake_io.h"

enum { FRAME_RECORDS = 20000, FRAME_HEAP = 64 * 1024 * 1024 };

/* Record i of a run: its size and bytes follow from i, so that nothing needs to be remembered. */
typedef struct frame {
    fake world;
    hf_log_config config;
    void *memory;
    hf_heap *heap;
    hf_log *log;
    uint64_t lsns[FRAME_RECORDS]; /* of the records appended in all runs of the log, in order */
    uint32_t sizes[FRAME_RECORDS];
    uint32_t appended;
    uint32_t acked;     /* records at or below the newest on_durable, over all runs */
    uint32_t recovered; /* records seen by the newest recovery */
    uint64_t from;      /* recovery started above this */
    bool opened;
    bool failed;
    hf_err opened_err;
    hf_err failed_err;
    char detail[HF_LOG_DETAIL_MAX];
    uint64_t wakes; /* calls of on_durable */
} frame;

void frame_open(frame *f, uint32_t align, uint64_t seed);
void frame_close(frame *f);
/* Opens a log on the world as it is and begins recovery above `from`. */
void frame_start(frame *f, uint64_t from);
/* start, and runs until on_opened; answers its error. */
hf_err frame_recover(frame *f, uint64_t from);
hf_err frame_append(frame *f, uint32_t size);
/* Appends or fails the test. */
void frame_must_append(frame *f, uint32_t size);
/* A loop turn: one completion if there is one, then turn(). False: nothing was in flight. */
bool frame_turn(frame *f);
/* Turns until everything that was appended is durable. */
void frame_settle(frame *f);
/* Lets `ns` of idle time pass, turning at each deadline. */
void frame_idle(frame *f, uint64_t ns);
/* Crash, and forget the log: next is frame_recover. */
void frame_crash(frame *f, fake_torn torn);
/* After frame_recover: all acked present, a prefix, nothing invented. Truncates the model to it. */
void frame_check_prefix(frame *f);
const char *frame_segment(uint64_t number); /* its path; one at a time */
/* The newest segment with a batch, and where its newest batch begins. */
uint64_t frame_last_batch(frame *f, hf_log_batch *batch);

#endif
