/* hf_checkpoint inside: checkpoint.c (a pass) and checkpoint_load.c (loading) share one structure.
 *
 * A pass: OPEN file -> FILL blocks, two in flight -> SYNC -> CLOSE -> OPEN manifest (the first
 * time: CLEAR before, then RESERVE, ZERO both slots, NAME) -> SYNC_DIR -> write the slot that is
 * not in force, durable -> CLOSE -> now in force -> UNLINK what is not named any more -> SYNC_DIR
 * -> on_written. Giving up, before the slot is written: wait for writes -> CLOSE -> UNLINK ->
 * on_written.
 */
#ifndef HF_LOG_CHECKPOINT_IMPL_H
#define HF_LOG_CHECKPOINT_IMPL_H
#include "engine/base/assert.h"
#include "storage/log/checkpoint.h"
#include "storage/log/checkpoint_inspect.h"
#include "storage/log/inspect.h"

enum { HF_CHECKPOINT_BUFFERS = 2, HF_CHECKPOINT_FOUND_MAX = 256 };

typedef enum hf_checkpoint_step {
    HF_CHECKPOINT_CLOSED,
    HF_CHECKPOINT_LOAD_MKDIR,
    HF_CHECKPOINT_LOAD_MKDIR_SYNC,
    HF_CHECKPOINT_LOAD_MANIFEST_OPEN,
    HF_CHECKPOINT_LOAD_MANIFEST_READ,
    HF_CHECKPOINT_LOAD_MANIFEST_CLOSE,
    HF_CHECKPOINT_LOAD_OPEN,
    HF_CHECKPOINT_LOAD_READ,
    HF_CHECKPOINT_LOAD_CLOSE,
    HF_CHECKPOINT_LOAD_SETTLE_OPEN, /* the manifest, as read, is made durable */
    HF_CHECKPOINT_LOAD_SETTLE_WRITE,
    HF_CHECKPOINT_LOAD_SETTLE_CLOSE,
    HF_CHECKPOINT_LOAD_SETTLE_SYNC,
    HF_CHECKPOINT_LOAD_REMOVE,
    HF_CHECKPOINT_LOAD_REMOVE_SYNC,
    HF_CHECKPOINT_IDLE,
    HF_CHECKPOINT_PASS_REFUSED, /* broken: on_written at the next turn */
    HF_CHECKPOINT_PASS_OPEN,
    HF_CHECKPOINT_PASS_FILL,
    HF_CHECKPOINT_PASS_SYNC,
    HF_CHECKPOINT_PASS_CLOSE,
    HF_CHECKPOINT_PASS_MANIFEST_CLEAR, /* the leftover of a failed try to make it */
    HF_CHECKPOINT_PASS_MANIFEST_OPEN,
    HF_CHECKPOINT_PASS_RESERVE,
    HF_CHECKPOINT_PASS_ZERO,
    HF_CHECKPOINT_PASS_NAME,
    HF_CHECKPOINT_PASS_SYNC_DIR,
    HF_CHECKPOINT_PASS_SLOT,
    HF_CHECKPOINT_PASS_MANIFEST_CLOSE,
    HF_CHECKPOINT_PASS_UNLINK,
    HF_CHECKPOINT_PASS_UNLINK_SYNC,
    HF_CHECKPOINT_ABORT_WAIT, /* for block writes in flight */
    HF_CHECKPOINT_ABORT_CLOSE,
    HF_CHECKPOINT_ABORT_UNLINK,
    HF_CHECKPOINT_FAILED, /* on_failed was called: nothing happens any more */
} hf_checkpoint_step;

typedef struct hf_checkpoint_buffer {
    hf_io_op op;
    struct hf_checkpoint *checkpoint;
    uint8_t *at; /* HF_CHECKPOINT_BLOCK bytes; the two lie side by side */
    bool busy;
} hf_checkpoint_buffer;

struct hf_checkpoint {
    hf_heap *heap;
    hf_io *io;
    const char *dir;
    uint64_t file_id;
    hf_checkpoint_handler handler;
    hf_checkpoint_step step;
    hf_io_op op;
    char path[HF_LOG_PATH_MAX];
    char path_to[HF_LOG_PATH_MAX];
    hf_log_detail detail;
    bool broken; /* a manifest write failed: which set is in force is not known any more */

    /* In force. */
    hf_checkpoint_manifest manifest; /* file_count 0: none; head is not kept here */
    int slot;
    bool manifest_made; /* both slots are there, zeroed or written */
    uint64_t number;    /* of the next file */

    hf_checkpoint_buffer buffers[HF_CHECKPOINT_BUFFERS];
    hf_buf entry; /* size and bytes of the entry being written; spill when loading */

    /* Loading. */
    hf_checkpoint_choice choice;
    hf_buf head;
    hf_checkpoint_entries entries;
    uint64_t found[HF_CHECKPOINT_FOUND_MAX];
    uint32_t found_count;
    bool manifest_found;
    uint32_t file_at;
    uint32_t block_at;
    uint64_t offset;
    bool file_through;
    int32_t file;

    /* The pass. */
    hf_checkpoint_manifest next;
    uint32_t entry_at;
    uint32_t filling; /* buffer */
    uint32_t fill;    /* payload bytes in it */
    uint32_t first_entry;
    uint32_t budget;
    bool through;   /* on_next answered false */
    bool last_sent; /* the last block is written or on its way */
    uint32_t unlink_at;
    hf_err err;

    hf_checkpoint_stats stats;
};

void hf_checkpoint__submit(hf_checkpoint *checkpoint, hf_checkpoint_step step, hf_io_kind kind);
void hf_checkpoint__path(hf_checkpoint *checkpoint, uint64_t number);
void hf_checkpoint__path_manifest(const hf_checkpoint *checkpoint, char path[HF_LOG_PATH_MAX],
                                  bool made);
void hf_checkpoint__io_detail(hf_checkpoint *checkpoint, const char *verb, const char *path,
                              uint64_t offset, int64_t result);
/* Writes `manifest` to its slot, from the first buffer on, durably. */
void hf_checkpoint__slot(hf_checkpoint *checkpoint, hf_checkpoint_step step,
                         hf_checkpoint_manifest *manifest, int slot);
/* A step of loading ended. */
void hf_checkpoint__loading(hf_checkpoint *checkpoint, int64_t result);

#endif
