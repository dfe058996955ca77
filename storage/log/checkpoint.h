/* hf_checkpoint: the table's state on disk, incremental, so that the log can be cut and recovery is
 * short.
 *
 * A core's directory holds a MANIFEST (two slots written in turn, each with a sequence number and
 * CRC; the newest whole one counts) that names the checkpoint files in force, oldest first, and the
 * lsn from which the log is replayed. The first file is whole, the later ones hold what changed. A
 * pass writes one new file of checksummed blocks (paced: `budget` bytes a turn), syncs it, then
 * writes the manifest durably; a crash at any point leaves the old or the new set, never a mixture.
 * A pass is whole when the changed files together outweigh the first. Old files are unlinked after
 * the manifest is durable.
 *
 * Every block: magic, format, file id, block number, sizes, CRC-32C: a block in the wrong place or
 * file is HF_E_CORRUPT with file and offset, as is any damage: nothing is repaired by guessing.
 *
 * The table is reached only through the two calls of the source, the records are opaque mutations.
 * Threads:    one core only; all through hf_io; never blocks.
 */
#ifndef HF_LOG_CHECKPOINT_H
#define HF_LOG_CHECKPOINT_H
#include "engine/base/buf.h"
#include "engine/io/io.h"

typedef struct hf_checkpoint hf_checkpoint;

typedef struct hf_checkpoint_handler {
    void *context;
    /* Loading: one entry, in the order of files and blocks: later ones replace earlier ones. */
    hf_err (*on_entry)(void *context, hf_bytes entry);
    /* Loading ended: replay the log from `lsn` (0: there was no checkpoint); `head` is what begin()
     * was given. */
    void (*on_loaded)(void *context, hf_err err, const char *detail, uint64_t lsn, hf_bytes head);
    /* Writing asks for the next entry: appended to `out`; false when the pass is through. */
    bool (*on_next)(void *context, hf_buf *out);
    /* A pass ended: HF_OK, the log may be cut at the lsn given to begin; or why not (HF_E_NOSPACE:
     * the node goes on without it and tries again later). */
    void (*on_written)(void *context, hf_err err, const char *detail);
    /* A sync of the directory failed during a pass: names made in it from now on may be lost in
     * silence, the log's too. The node must stop; nothing more comes. NULL: hf_io's fatal(). */
    void (*on_failed)(void *context, hf_err err, const char *detail);
} hf_checkpoint_handler;

/* `dir` and `file_id` as for the log. NULL: no memory. */
HF_MUST_USE hf_checkpoint *hf_checkpoint_open(hf_heap *heap, hf_io *io, const char *dir,
                                              uint64_t file_id,
                                              const hf_checkpoint_handler *handler);
void hf_checkpoint_load(hf_checkpoint *checkpoint);
/* Begins a pass; `head` (at most 64 KiB, copied) is kept in the manifest: ranges, clock, counters.
 * Only when idle. `whole` as hf_checkpoint_wants_whole() answered. */
void hf_checkpoint_begin(hf_checkpoint *checkpoint, uint64_t lsn, hf_bytes head, bool whole);
bool hf_checkpoint_wants_whole(const hf_checkpoint *checkpoint);
bool hf_checkpoint_idle(const hf_checkpoint *checkpoint);
/* Once per loop turn: goes on by up to `budget` bytes. */
void hf_checkpoint_turn(hf_checkpoint *checkpoint, uint32_t budget);

typedef struct hf_checkpoint_stats {
    uint64_t passes, failures, bytes_written, files, file_bytes, lsn;
} hf_checkpoint_stats;
hf_checkpoint_stats hf_checkpoint_stats_get(const hf_checkpoint *checkpoint);

#endif
