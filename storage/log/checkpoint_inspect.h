/* hf_checkpoint_inspect: the bytes of a manifest and of checkpoint files, read and judged. Pure:
 * loading and the offline tool share it. The bytes are drawn in README.md.
 */
#ifndef HF_LOG_CHECKPOINT_INSPECT_H
#define HF_LOG_CHECKPOINT_INSPECT_H
#include "engine/base/buf.h"
#include "engine/base/bytes.h"
#include "engine/base/error.h"
#include "storage/log/detail.h"

enum {
    HF_CHECKPOINT_FORMAT = 1,
    HF_CHECKPOINT_FILES_MAX = 64,
    HF_CHECKPOINT_HEAD_MAX = 64 * 1024,
    HF_CHECKPOINT_SLOT = 128 * 1024,  /* of two in MANIFEST */
    HF_CHECKPOINT_BLOCK = 128 * 1024, /* the last one of a file may be shorter */
    HF_CHECKPOINT_BLOCK_HEAD = 48,
    HF_CHECKPOINT_BLOCK_ALIGN = 4096,
    HF_CHECKPOINT_ENTRY_MAX = 16 * 1024 * 1024,
};
#define HF_CHECKPOINT_NO_ENTRY UINT32_MAX

typedef struct hf_checkpoint_why {
    hf_err err;
    const char *what;
    uint64_t offset;
    uint64_t found;
    uint64_t expected;
    bool numbers;
} hf_checkpoint_why;

/* "PATH, offset O: what (found F, expected E). Nothing was changed. Look with: holdfast log verify
 * DIR" */
void hf_checkpoint_why_put(hf_log_detail *out, const char *dir, const char *path,
                           const hf_checkpoint_why *why);

/* ---- Manifest ---- */
typedef struct hf_checkpoint_file {
    uint64_t number; /* "checkpoint-%016x" */
    uint64_t bytes;
    uint32_t blocks;
} hf_checkpoint_file;

typedef struct hf_checkpoint_manifest {
    uint64_t file_id;
    uint64_t sequence;
    uint64_t lsn;
    uint32_t file_count;
    hf_checkpoint_file files[HF_CHECKPOINT_FILES_MAX]; /* oldest first */
    hf_bytes head;                                     /* lies in the slot */
} hf_checkpoint_manifest;

typedef enum hf_checkpoint_slot_state {
    HF_CHECKPOINT_SLOT_WHOLE,
    HF_CHECKPOINT_SLOT_EMPTY,   /* all zeros, or the file is not that long */
    HF_CHECKPOINT_SLOT_DAMAGED, /* a write that a crash cut off, or rot */
    HF_CHECKPOINT_SLOT_FOREIGN, /* a newer format, another node's or core's: never passed over */
} hf_checkpoint_slot_state;

/* Answers the bytes used; `slot` has HF_CHECKPOINT_SLOT bytes, the rest is set to zero. */
uint32_t hf_checkpoint_slot_encode(const hf_checkpoint_manifest *manifest, uint8_t *slot);
/* file_id 0: any. `offset`: of the slot in the file, for the words. */
hf_checkpoint_slot_state hf_checkpoint_slot_decode(hf_bytes slot, uint64_t offset, uint64_t file_id,
                                                   hf_checkpoint_manifest *manifest,
                                                   hf_checkpoint_why *why);

typedef struct hf_checkpoint_choice {
    hf_checkpoint_manifest manifest; /* when `slot` is not -1 */
    int slot;                        /* in force; -1: there was never a checkpoint */
    bool doubt; /* the other slot is damaged: it may have been newer, so nothing is removed on its
                   account */
} hf_checkpoint_choice;

/* The newest whole slot of the file's bytes. Falling back to the older slot is never wrong: whether
 * the log still reaches back to its lsn, and whether its files are there, is checked by who uses
 * them. */
HF_MUST_USE hf_err hf_checkpoint_choose(hf_bytes file, uint64_t file_id,
                                        hf_checkpoint_choice *choice, hf_checkpoint_why *why);

/* ---- Blocks ---- */
typedef struct hf_checkpoint_block {
    uint64_t file_id;
    uint64_t file;
    uint32_t number;
    uint32_t size; /* of the whole block */
    uint32_t payload_size;
    uint32_t
        first_entry; /* where in the payload an entry begins; HF_CHECKPOINT_NO_ENTRY: nowhere */
    bool last;
    const uint8_t *payload;
} hf_checkpoint_block;

static inline uint32_t hf_checkpoint_payload_max(void)
{
    return HF_CHECKPOINT_BLOCK - HF_CHECKPOINT_BLOCK_HEAD;
}
/* Completes `at`, whose payload lies behind the head's room: padding, head, CRC. Sets block->size.
 */
void hf_checkpoint_block_encode(hf_checkpoint_block *block, uint8_t *at);
/* `bytes`: from the block's start to the file's end, or at least HF_CHECKPOINT_BLOCK of them.
 * file_id 0: any. `offset`: where that is in the file. */
HF_MUST_USE hf_err hf_checkpoint_block_decode(hf_bytes bytes, uint64_t offset, uint64_t file_id,
                                              uint64_t file, uint32_t number,
                                              hf_checkpoint_block *block, hf_checkpoint_why *why);

/* ---- Entries: a stream of (u32 size, bytes) through the blocks of one file ---- */
typedef struct hf_checkpoint_entries {
    hf_buf *spill; /* lent; empty between entries */
    const uint8_t *at;
    const uint8_t *end;
} hf_checkpoint_entries;

static inline void hf_checkpoint_entries_open(hf_checkpoint_entries *entries, hf_buf *spill)
{
    hf_buf_reset(spill);
    *entries = (hf_checkpoint_entries){ .spill = spill };
}
static inline void hf_checkpoint_entries_block(hf_checkpoint_entries *entries,
                                               const hf_checkpoint_block *block)
{
    entries->at = block->payload;
    entries->end = block->payload + block->payload_size;
}
/* HF_OK: *entry, lent until the next call. HF_E_NOTFOUND: the block is through. HF_E_TOOBIG,
 * HF_E_NOMEM. */
HF_MUST_USE hf_err hf_checkpoint_entries_next(hf_checkpoint_entries *entries, hf_bytes *entry);
/* The file may end here: no entry is open. */
static inline bool hf_checkpoint_entries_ended(const hf_checkpoint_entries *entries)
{
    return entries->spill->size == 0;
}

#endif
