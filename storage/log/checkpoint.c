#include "storage/log/checkpoint.h"

#include "storage/log/checkpoint_impl.h"

#include <errno.h>

static void op_done(hf_io_op *op, int64_t result);
static void fill(hf_checkpoint *checkpoint);

/* ---- Opening ---- */

hf_checkpoint *hf_checkpoint_open(hf_heap *heap, hf_io *io, const char *dir, uint64_t file_id,
                                  const hf_checkpoint_handler *handler)
{
    HF_PRE(file_id != 0 && io->file_align <= HF_CHECKPOINT_BLOCK_ALIGN);
    hf_checkpoint *checkpoint = hf_heap_take(heap, sizeof *checkpoint);
    size_t size = (size_t)HF_CHECKPOINT_BUFFERS * HF_CHECKPOINT_BLOCK + HF_CHECKPOINT_BLOCK_ALIGN;
    uint8_t *memory = hf_heap_take(heap, size);
    if (checkpoint == NULL || memory == NULL) {
        hf_heap_give(heap, memory);
        hf_heap_give(heap, checkpoint);
        return NULL;
    }
    memset(checkpoint, 0, sizeof *checkpoint);
    checkpoint->heap = heap;
    checkpoint->io = io;
    checkpoint->dir = dir;
    checkpoint->file_id = file_id;
    checkpoint->handler = *handler;
    checkpoint->slot = -1;
    checkpoint->file = -1;
    checkpoint->number = 1;
    hf_buf_open(&checkpoint->entry, heap);
    hf_buf_open(&checkpoint->head, heap);
    uintptr_t at = (uintptr_t)memory;
    memory +=
        (HF_CHECKPOINT_BLOCK_ALIGN - at % HF_CHECKPOINT_BLOCK_ALIGN) % HF_CHECKPOINT_BLOCK_ALIGN;
    for (uint32_t i = 0; i < HF_CHECKPOINT_BUFFERS; i++) {
        checkpoint->buffers[i].checkpoint = checkpoint;
        checkpoint->buffers[i].at = memory + (size_t)i * HF_CHECKPOINT_BLOCK;
    }
    return checkpoint;
}

void hf_checkpoint__submit(hf_checkpoint *checkpoint, hf_checkpoint_step step, hf_io_kind kind)
{
    checkpoint->step = step;
    checkpoint->op.done = op_done;
    checkpoint->op.context = checkpoint;
    checkpoint->op.kind = (uint8_t)kind;
    hf_io_submit(checkpoint->io, &checkpoint->op);
}

void hf_checkpoint__path(hf_checkpoint *checkpoint, uint64_t number)
{
    hf_log_path(checkpoint->path, checkpoint->dir, "checkpoint-", number);
}

void hf_checkpoint__path_manifest(const hf_checkpoint *checkpoint, char path[HF_LOG_PATH_MAX],
                                  bool made)
{
    hf_log_detail text;
    hf_log_detail_reset(&text);
    hf_log_detail_put(&text, checkpoint->dir);
    hf_log_detail_put(&text, made ? "/MANIFEST" : "/MANIFEST-new");
    HF_ASSERT(text.size < HF_LOG_PATH_MAX);
    memcpy(path, text.at, text.size + 1);
}

void hf_checkpoint__io_detail(hf_checkpoint *checkpoint, const char *verb, const char *path,
                              uint64_t offset, int64_t result)
{
    hf_log_io_put(&checkpoint->detail, verb, path, offset, result);
    hf_log_detail_put(&checkpoint->detail, ". Check the disk and the kernel's messages");
}

/* ---- The end of a pass ---- */

static void pass_end(hf_checkpoint *checkpoint, hf_err err)
{
    checkpoint->step = HF_CHECKPOINT_IDLE;
    hf_buf_trim(&checkpoint->entry, HF_CHECKPOINT_BLOCK);
    if (err == HF_OK) {
        checkpoint->stats.passes++;
    } else {
        checkpoint->stats.failures++;
    }
    checkpoint->handler.on_written(checkpoint->handler.context, err, checkpoint->detail.at);
}

static bool writing(const hf_checkpoint *checkpoint)
{
    for (uint32_t i = 0; i < HF_CHECKPOINT_BUFFERS; i++) {
        if (checkpoint->buffers[i].busy) {
            return true;
        }
    }
    return false;
}

/* The old set stays in force; the unfinished file goes. */
static void give_up(hf_checkpoint *checkpoint, hf_err err)
{
    if (checkpoint->err == HF_OK) {
        checkpoint->err = err;
    }
    if (writing(checkpoint)) {
        checkpoint->step = HF_CHECKPOINT_ABORT_WAIT;
        return;
    }
    if (checkpoint->file >= 0) {
        checkpoint->op = (hf_io_op){ .file = checkpoint->file };
        checkpoint->file = -1;
        hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_ABORT_CLOSE, HF_IO_CLOSE);
        return;
    }
    hf_checkpoint__path(checkpoint, checkpoint->number - 1);
    checkpoint->op = (hf_io_op){ .path = checkpoint->path };
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_ABORT_UNLINK, HF_IO_UNLINK);
}

static void give_up_io(hf_checkpoint *checkpoint, const char *verb, const char *path,
                       uint64_t offset, int64_t result)
{
    hf_checkpoint__io_detail(checkpoint, verb, path, offset, result);
    bool full = result == -ENOSPC || result == -EDQUOT;
    give_up(checkpoint, full ? HF_E_NOSPACE : HF_E_IO);
}

/* ---- Filling blocks ---- */

static void block_done(hf_io_op *op, int64_t result)
{
    hf_checkpoint_buffer *buffer = op->context;
    hf_checkpoint *checkpoint = buffer->checkpoint;
    buffer->busy = false;
    if (checkpoint->step == HF_CHECKPOINT_ABORT_WAIT) {
        give_up(checkpoint, checkpoint->err);
        return;
    }
    HF_ASSERT(checkpoint->step == HF_CHECKPOINT_PASS_FILL);
    if (result != (int64_t)op->size) {
        hf_checkpoint__path(checkpoint, checkpoint->number - 1);
        give_up_io(checkpoint, "writing the checkpoint", checkpoint->path, op->offset, result);
        return;
    }
    checkpoint->stats.bytes_written += op->size;
    if (checkpoint->last_sent && !writing(checkpoint)) {
        checkpoint->op = (hf_io_op){ .file = checkpoint->file };
        hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_PASS_SYNC, HF_IO_SYNC);
    }
}

static void block_send(hf_checkpoint *checkpoint, bool last)
{
    hf_checkpoint_file *file = &checkpoint->next.files[checkpoint->next.file_count - 1];
    hf_checkpoint_buffer *buffer = &checkpoint->buffers[checkpoint->filling];
    hf_checkpoint_block block = { .file_id = checkpoint->file_id,
                                  .file = file->number,
                                  .number = file->blocks,
                                  .payload_size = checkpoint->fill,
                                  .first_entry = checkpoint->first_entry,
                                  .last = last };
    hf_checkpoint_block_encode(&block, buffer->at);
    buffer->busy = true;
    buffer->op = (hf_io_op){ .done = block_done,
                             .context = buffer,
                             .kind = HF_IO_WRITE,
                             .file = checkpoint->file,
                             .data = buffer->at,
                             .offset = file->bytes,
                             .size = block.size };
    file->blocks++;
    file->bytes += block.size;
    checkpoint->last_sent = last;
    checkpoint->filling = (checkpoint->filling + 1) % HF_CHECKPOINT_BUFFERS;
    checkpoint->fill = 0;
    checkpoint->first_entry = HF_CHECKPOINT_NO_ENTRY;
    hf_io_submit(checkpoint->io, &buffer->op);
}

/* The next entry, as its bytes in the file; false: there is none, or no memory for it. */
static bool entry_next(hf_checkpoint *checkpoint)
{
    hf_buf *entry = &checkpoint->entry;
    hf_buf_reset(entry);
    hf_buf_u32(entry, 0);
    checkpoint->entry_at = 0;
    if (!checkpoint->handler.on_next(checkpoint->handler.context, entry)) {
        checkpoint->through = true;
        hf_buf_reset(entry);
        return false;
    }
    if (entry->failed) {
        hf_buf_reset(entry);
        hf_log_detail_reset(&checkpoint->detail);
        hf_log_detail_put(&checkpoint->detail,
                          "no memory to encode an entry of the checkpoint; the pass is given up");
        give_up(checkpoint, HF_E_NOMEM);
        return false;
    }
    uint32_t size = entry->size - 4;
    HF_ASSERT(size <= HF_CHECKPOINT_ENTRY_MAX);
    memcpy(entry->data, &size, sizeof size);
    return true;
}

static void fill_some(hf_checkpoint *checkpoint)
{
    hf_buf *entry = &checkpoint->entry;
    if (checkpoint->entry_at == 0 && checkpoint->first_entry == HF_CHECKPOINT_NO_ENTRY) {
        checkpoint->first_entry = checkpoint->fill;
    }
    uint32_t take = entry->size - checkpoint->entry_at;
    uint32_t room = hf_checkpoint_payload_max() - checkpoint->fill;
    take = take < room ? take : room;
    take = take < checkpoint->budget ? take : checkpoint->budget;
    uint8_t *to = checkpoint->buffers[checkpoint->filling].at + HF_CHECKPOINT_BLOCK_HEAD;
    memcpy(to + checkpoint->fill, entry->data + checkpoint->entry_at, take);
    checkpoint->fill += take;
    checkpoint->entry_at += take;
    checkpoint->budget -= take;
}

static void fill(hf_checkpoint *checkpoint)
{
    while (checkpoint->budget != 0 && !checkpoint->last_sent &&
           !checkpoint->buffers[checkpoint->filling].busy) {
        if (checkpoint->fill == hf_checkpoint_payload_max()) {
            block_send(checkpoint, false);
            continue;
        }
        if (checkpoint->entry_at == checkpoint->entry.size && !entry_next(checkpoint)) {
            if (checkpoint->step != HF_CHECKPOINT_PASS_FILL) {
                return; /* given up */
            }
            block_send(checkpoint, true);
            return;
        }
        fill_some(checkpoint);
    }
}

/* ---- The manifest ---- */

/* A leftover is not used again: its size may be what a failed sync dropped, and no later sync would
 * make it durable. */
static void manifest_clear(hf_checkpoint *checkpoint)
{
    hf_checkpoint__path_manifest(checkpoint, checkpoint->path, false);
    checkpoint->op = (hf_io_op){ .path = checkpoint->path };
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_PASS_MANIFEST_CLEAR, HF_IO_UNLINK);
}

static void manifest_open(hf_checkpoint *checkpoint)
{
    hf_checkpoint__path_manifest(checkpoint, checkpoint->path, checkpoint->manifest_made);
    uint8_t fresh = checkpoint->manifest_made ? 0 : HF_IO_CREATE | HF_IO_EXCLUSIVE;
    checkpoint->op = (hf_io_op){ .path = checkpoint->path, .flags = HF_IO_DIRECT | fresh };
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_PASS_MANIFEST_OPEN, HF_IO_OPEN);
}

static void manifest_zero(hf_checkpoint *checkpoint)
{
    uint32_t size = HF_CHECKPOINT_BUFFERS * HF_CHECKPOINT_SLOT;
    memset(checkpoint->buffers[0].at, 0, size);
    checkpoint->op = (hf_io_op){ .file = checkpoint->file,
                                 .flags = HF_IO_DURABLE,
                                 .data = checkpoint->buffers[0].at,
                                 .size = size };
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_PASS_ZERO, HF_IO_WRITE);
}

static void manifest_sync_dir(hf_checkpoint *checkpoint, hf_checkpoint_step step)
{
    checkpoint->op = (hf_io_op){ .path = checkpoint->dir };
    hf_checkpoint__submit(checkpoint, step, HF_IO_SYNC_DIR);
}

void hf_checkpoint__slot(hf_checkpoint *checkpoint, hf_checkpoint_step step,
                         hf_checkpoint_manifest *manifest, int slot)
{
    manifest->head = hf_buf_view(&checkpoint->head);
    uint32_t size = hf_checkpoint_slot_encode(manifest, checkpoint->buffers[0].at);
    manifest->head = hf_bytes_of(NULL, 0);
    size = (size + HF_CHECKPOINT_BLOCK_ALIGN - 1) & ~(HF_CHECKPOINT_BLOCK_ALIGN - 1u);
    checkpoint->op = (hf_io_op){ .file = checkpoint->file,
                                 .flags = HF_IO_DURABLE,
                                 .data = checkpoint->buffers[0].at,
                                 .offset = (uint64_t)slot * HF_CHECKPOINT_SLOT,
                                 .size = size };
    hf_checkpoint__submit(checkpoint, step, HF_IO_WRITE);
}

/* Files of the old set that the new one does not name; a leftover from a doubtful load goes with
 * them. */
static bool still_named(const hf_checkpoint *checkpoint, uint64_t number)
{
    for (uint32_t i = 0; i < checkpoint->manifest.file_count; i++) {
        if (checkpoint->manifest.files[i].number == number) {
            return true;
        }
    }
    return false;
}

static void unlink_next(hf_checkpoint *checkpoint)
{
    while (checkpoint->unlink_at < checkpoint->found_count) {
        uint64_t number = checkpoint->found[checkpoint->unlink_at++];
        if (still_named(checkpoint, number)) {
            continue;
        }
        hf_checkpoint__path(checkpoint, number);
        checkpoint->op = (hf_io_op){ .path = checkpoint->path };
        hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_PASS_UNLINK, HF_IO_UNLINK);
        return;
    }
    manifest_sync_dir(checkpoint, HF_CHECKPOINT_PASS_UNLINK_SYNC);
}

static void in_force(hf_checkpoint *checkpoint)
{
    checkpoint->slot = checkpoint->slot == 0 ? 1 : 0;
    checkpoint->manifest = checkpoint->next;
    checkpoint->unlink_at = 0;
    unlink_next(checkpoint);
}

/* After the unlinks: the list of files that exist is that of the manifest again. */
static void settle(hf_checkpoint *checkpoint)
{
    checkpoint->found_count = 0;
    for (uint32_t i = 0; i < checkpoint->manifest.file_count; i++) {
        checkpoint->found[checkpoint->found_count++] = checkpoint->manifest.files[i].number;
    }
    pass_end(checkpoint, HF_OK);
}

/* ---- Steps ---- */

/* From the slot's write on, an error leaves in doubt which set is in force. */
static void broken(hf_checkpoint *checkpoint, const char *verb, int64_t result)
{
    hf_checkpoint__path_manifest(checkpoint, checkpoint->path, true);
    hf_checkpoint__io_detail(checkpoint, verb, checkpoint->path, checkpoint->op.offset, result);
    checkpoint->broken = true;
    pass_end(checkpoint, HF_E_IO);
}

/* Later syncs of the directory may succeed and not reach past what this one lost, and the log's
 * segments are named in it too. */
static void directory_failed(hf_checkpoint *checkpoint, int64_t result)
{
    enum { EXIT_CODE = 74 }; /* EX_IOERR */
    hf_checkpoint__io_detail(checkpoint, "syncing the directory", checkpoint->dir, 0, result);
    checkpoint->step = HF_CHECKPOINT_FAILED;
    checkpoint->stats.failures++;
    if (checkpoint->handler.on_failed != NULL) {
        checkpoint->handler.on_failed(checkpoint->handler.context, HF_E_IO, checkpoint->detail.at);
    } else {
        checkpoint->io->ops->fatal(checkpoint->io, EXIT_CODE, checkpoint->detail.at);
    }
}

static void pass_sync_done(hf_checkpoint *checkpoint)
{
    checkpoint->op = (hf_io_op){ .file = checkpoint->file };
    checkpoint->file = -1;
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_PASS_CLOSE, HF_IO_CLOSE);
}

static void pass_manifest_opened(hf_checkpoint *checkpoint, int64_t result)
{
    checkpoint->file = (int32_t)result;
    if (checkpoint->manifest_made) {
        manifest_sync_dir(checkpoint, HF_CHECKPOINT_PASS_SYNC_DIR);
        return;
    }
    checkpoint->op =
        (hf_io_op){ .file = checkpoint->file, .size = HF_CHECKPOINT_BUFFERS * HF_CHECKPOINT_SLOT };
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_PASS_RESERVE, HF_IO_ALLOCATE);
}

static const char *verb_of(hf_checkpoint_step step)
{
    switch ((int)step) {
    case HF_CHECKPOINT_PASS_OPEN:
        return "creating the checkpoint file";
    case HF_CHECKPOINT_PASS_SYNC:
        return "syncing the checkpoint file";
    case HF_CHECKPOINT_PASS_CLOSE:
        return "closing the checkpoint file";
    case HF_CHECKPOINT_PASS_MANIFEST_CLEAR:
        return "removing what was left of an unfinished manifest";
    case HF_CHECKPOINT_PASS_MANIFEST_OPEN:
        return "opening the manifest";
    case HF_CHECKPOINT_PASS_RESERVE:
        return "reserving space for the manifest";
    case HF_CHECKPOINT_PASS_ZERO:
        return "zeroing the manifest";
    case HF_CHECKPOINT_PASS_NAME:
        return "naming the manifest";
    case HF_CHECKPOINT_PASS_SLOT:
        return "writing the manifest";
    case HF_CHECKPOINT_PASS_MANIFEST_CLOSE:
        return "closing the manifest";
    case HF_CHECKPOINT_PASS_UNLINK:
        return "removing an old checkpoint file (it is removed at the next start)";
    default:
        HF_UNREACHABLE();
    }
}

/* Handles a failed step; false: it was one. */
static bool pass_check(hf_checkpoint *checkpoint, int64_t result)
{
    hf_checkpoint_step step = checkpoint->step;
    bool wrote = step == HF_CHECKPOINT_PASS_ZERO || step == HF_CHECKPOINT_PASS_SLOT;
    if (result >= 0 && (!wrote || result == (int64_t)checkpoint->op.size)) {
        return true;
    }
    if (step == HF_CHECKPOINT_PASS_RESERVE && result == -EOPNOTSUPP) {
        return true; /* the zeros will reserve it */
    }
    if (step == HF_CHECKPOINT_PASS_MANIFEST_CLEAR && result == -ENOENT) {
        return true;
    }
    if (step == HF_CHECKPOINT_PASS_SYNC_DIR || step == HF_CHECKPOINT_PASS_UNLINK_SYNC) {
        directory_failed(checkpoint, result);
        return false;
    }
    const char *verb = verb_of(step);
    if (step == HF_CHECKPOINT_PASS_SLOT || step == HF_CHECKPOINT_PASS_MANIFEST_CLOSE) {
        broken(checkpoint, verb, result);
        return false;
    }
    char path[HF_LOG_PATH_MAX];
    if (step < HF_CHECKPOINT_PASS_MANIFEST_CLEAR) {
        hf_checkpoint__path(checkpoint, checkpoint->number - 1);
    }
    memcpy(path, checkpoint->path, sizeof path);
    if (step >= HF_CHECKPOINT_PASS_UNLINK) { /* the pass has succeeded all the same */
        hf_checkpoint__io_detail(checkpoint, verb, path, 0, result);
        return true;
    }
    give_up_io(checkpoint, verb, path, wrote ? checkpoint->op.offset : 0, result);
    return false;
}

static void passing(hf_checkpoint *checkpoint, int64_t result)
{
    if (!pass_check(checkpoint, result)) {
        return;
    }
    switch ((int)checkpoint->step) {
    case HF_CHECKPOINT_PASS_OPEN:
        checkpoint->file = (int32_t)result;
        checkpoint->step = HF_CHECKPOINT_PASS_FILL;
        return;
    case HF_CHECKPOINT_PASS_SYNC:
        pass_sync_done(checkpoint);
        return;
    case HF_CHECKPOINT_PASS_CLOSE:
        if (!checkpoint->manifest_made) {
            manifest_clear(checkpoint);
            return;
        }
        manifest_open(checkpoint);
        return;
    case HF_CHECKPOINT_PASS_MANIFEST_CLEAR:
        manifest_open(checkpoint);
        return;
    case HF_CHECKPOINT_PASS_MANIFEST_OPEN:
        pass_manifest_opened(checkpoint, result);
        return;
    case HF_CHECKPOINT_PASS_RESERVE:
        manifest_zero(checkpoint);
        return;
    case HF_CHECKPOINT_PASS_ZERO:
        /* Only now may it be seen: what a file holds before it was zeroed is anybody's. */
        hf_checkpoint__path_manifest(checkpoint, checkpoint->path_to, true);
        checkpoint->op = (hf_io_op){ .path = checkpoint->path, .path_to = checkpoint->path_to };
        hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_PASS_NAME, HF_IO_RENAME);
        return;
    case HF_CHECKPOINT_PASS_NAME:
        checkpoint->manifest_made = true;
        manifest_sync_dir(checkpoint, HF_CHECKPOINT_PASS_SYNC_DIR);
        return;
    case HF_CHECKPOINT_PASS_SYNC_DIR:
        hf_checkpoint__slot(checkpoint, HF_CHECKPOINT_PASS_SLOT, &checkpoint->next,
                            checkpoint->slot == 0 ? 1 : 0);
        return;
    case HF_CHECKPOINT_PASS_SLOT:
        checkpoint->op = (hf_io_op){ .file = checkpoint->file };
        checkpoint->file = -1;
        hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_PASS_MANIFEST_CLOSE, HF_IO_CLOSE);
        return;
    case HF_CHECKPOINT_PASS_MANIFEST_CLOSE:
        in_force(checkpoint);
        return;
    case HF_CHECKPOINT_PASS_UNLINK:
        unlink_next(checkpoint);
        return;
    case HF_CHECKPOINT_PASS_UNLINK_SYNC:
        settle(checkpoint);
        return;
    default:
        HF_UNREACHABLE();
    }
}

static void op_done(hf_io_op *op, int64_t result)
{
    hf_checkpoint *checkpoint = op->context;
    if (checkpoint->step < HF_CHECKPOINT_IDLE) {
        hf_checkpoint__loading(checkpoint, result);
    } else if (checkpoint->step == HF_CHECKPOINT_ABORT_CLOSE) {
        give_up(checkpoint, checkpoint->err); /* an error here adds nothing: the file goes */
    } else if (checkpoint->step == HF_CHECKPOINT_ABORT_UNLINK) {
        if (result < 0 && result != -ENOENT) {
            hf_log_detail_put(&checkpoint->detail,
                              "; and the unfinished file could not be removed: "
                              "it is removed at the next start");
        }
        pass_end(checkpoint, checkpoint->err);
    } else {
        passing(checkpoint, result);
    }
}

/* ---- Asking and turning ---- */

void hf_checkpoint_begin(hf_checkpoint *checkpoint, uint64_t lsn, hf_bytes head, bool whole)
{
    HF_PRE(hf_checkpoint_idle(checkpoint) && head.size <= HF_CHECKPOINT_HEAD_MAX);
    HF_PRE(whole || checkpoint->manifest.file_count != 0);
    HF_PRE(whole || checkpoint->manifest.file_count < HF_CHECKPOINT_FILES_MAX);
    HF_PRE(lsn >= checkpoint->manifest.lsn);
    checkpoint->err = HF_OK;
    hf_log_detail_reset(&checkpoint->detail);
    hf_buf_reset(&checkpoint->head);
    hf_buf_raw(&checkpoint->head, head.data, head.size);
    if (checkpoint->broken || checkpoint->head.failed) {
        checkpoint->step = HF_CHECKPOINT_PASS_REFUSED;
        return;
    }
    hf_checkpoint_manifest *next = &checkpoint->next;
    *next = checkpoint->manifest;
    next->file_id = checkpoint->file_id;
    next->sequence++;
    next->lsn = lsn;
    next->file_count = whole ? 0 : next->file_count;
    next->files[next->file_count++] = (hf_checkpoint_file){ .number = checkpoint->number };
    checkpoint->number++;
    checkpoint->filling = 0;
    checkpoint->fill = 0;
    checkpoint->first_entry = HF_CHECKPOINT_NO_ENTRY;
    checkpoint->through = false;
    checkpoint->last_sent = false;
    hf_buf_reset(&checkpoint->entry);
    checkpoint->entry_at = 0;
    hf_checkpoint__path(checkpoint, checkpoint->number - 1);
    checkpoint->op = (hf_io_op){ .path = checkpoint->path,
                                 .flags = HF_IO_CREATE | HF_IO_EXCLUSIVE | HF_IO_DIRECT };
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_PASS_OPEN, HF_IO_OPEN);
}

void hf_checkpoint_turn(hf_checkpoint *checkpoint, uint32_t budget)
{
    if (checkpoint->step == HF_CHECKPOINT_PASS_REFUSED) {
        hf_log_detail_put(&checkpoint->detail,
                          checkpoint->broken
                              ? "an earlier write of the manifest failed; restart the node"
                              : "no memory for the checkpoint's head; the pass is given up");
        pass_end(checkpoint, checkpoint->broken ? HF_E_IO : HF_E_NOMEM);
    } else if (checkpoint->step == HF_CHECKPOINT_PASS_FILL) {
        checkpoint->budget = budget;
        fill(checkpoint);
    }
}

bool hf_checkpoint_idle(const hf_checkpoint *checkpoint)
{
    return checkpoint->step == HF_CHECKPOINT_IDLE;
}

bool hf_checkpoint_wants_whole(const hf_checkpoint *checkpoint)
{
    const hf_checkpoint_manifest *manifest = &checkpoint->manifest;
    if (manifest->file_count == 0 || manifest->file_count == HF_CHECKPOINT_FILES_MAX) {
        return true;
    }
    uint64_t changed = 0;
    for (uint32_t i = 1; i < manifest->file_count; i++) {
        changed += manifest->files[i].bytes;
    }
    return changed > manifest->files[0].bytes;
}

hf_checkpoint_stats hf_checkpoint_stats_get(const hf_checkpoint *checkpoint)
{
    hf_checkpoint_stats stats = checkpoint->stats;
    stats.files = checkpoint->manifest.file_count;
    stats.lsn = checkpoint->manifest.lsn;
    stats.file_bytes = 0;
    for (uint32_t i = 0; i < checkpoint->manifest.file_count; i++) {
        stats.file_bytes += checkpoint->manifest.files[i].bytes;
    }
    return stats;
}
