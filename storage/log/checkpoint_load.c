#include "storage/log/checkpoint_impl.h"

#include <errno.h>

static void load_file(hf_checkpoint *checkpoint);
static void load_settle(hf_checkpoint *checkpoint);
static void load_remove(hf_checkpoint *checkpoint);

static void on_name(void *context, const char *name)
{
    hf_checkpoint *checkpoint = context;
    uint64_t number;
    if (strcmp(name, "MANIFEST") == 0) {
        checkpoint->manifest_found = true;
    } else if (hf_log_name_number(name, "checkpoint-", &number)) {
        if (number >= checkpoint->number) {
            checkpoint->number = number + 1;
        }
        /* More than fit are left where they are; they harm nobody, and go at a later start. */
        if (checkpoint->found_count < HF_CHECKPOINT_FOUND_MAX - HF_CHECKPOINT_FILES_MAX) {
            checkpoint->found[checkpoint->found_count++] = number;
        }
    }
}

static void load_end(hf_checkpoint *checkpoint, hf_err err)
{
    uint64_t lsn = err == HF_OK ? checkpoint->manifest.lsn : 0;
    hf_bytes head = err == HF_OK ? hf_buf_view(&checkpoint->head) : hf_bytes_of(NULL, 0);
    checkpoint->step = err == HF_OK ? HF_CHECKPOINT_IDLE : HF_CHECKPOINT_CLOSED;
    hf_buf_close(&checkpoint->entry);
    checkpoint->handler.on_loaded(checkpoint->handler.context, err, checkpoint->detail.at, lsn,
                                  head);
}

static void load_damage(hf_checkpoint *checkpoint, const hf_checkpoint_why *why)
{
    hf_log_detail_reset(&checkpoint->detail);
    hf_checkpoint_why_put(&checkpoint->detail, checkpoint->dir, checkpoint->path, why);
    load_end(checkpoint, why->err);
}

void hf_checkpoint_load(hf_checkpoint *checkpoint)
{
    HF_PRE(checkpoint->step == HF_CHECKPOINT_CLOSED && checkpoint->number == 1);
    hf_log_detail_reset(&checkpoint->detail);
    hf_checkpoint__path_manifest(checkpoint, checkpoint->path, true);
    checkpoint->op = (hf_io_op){ .path = checkpoint->dir };
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_LOAD_MKDIR, HF_IO_MKDIR);
}

/* ---- Manifest ---- */

static void load_list(hf_checkpoint *checkpoint)
{
    hf_err err = checkpoint->io->ops->list(checkpoint->io, checkpoint->dir, on_name, checkpoint);
    if (err != HF_OK) {
        hf_log_detail_reset(&checkpoint->detail);
        hf_log_detail_put(&checkpoint->detail, checkpoint->dir);
        hf_log_detail_put(&checkpoint->detail, ": the directory cannot be listed");
        load_end(checkpoint, err);
        return;
    }
    if (!checkpoint->manifest_found) {
        load_settle(checkpoint);
        return;
    }
    checkpoint->op = (hf_io_op){ .path = checkpoint->path, .flags = HF_IO_DIRECT | HF_IO_READONLY };
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_LOAD_MANIFEST_OPEN, HF_IO_OPEN);
}

static void load_manifest(hf_checkpoint *checkpoint, int64_t result)
{
    hf_checkpoint_why why;
    hf_bytes bytes = hf_bytes_of(checkpoint->buffers[0].at, (size_t)result);
    hf_err err = hf_checkpoint_choose(bytes, checkpoint->file_id, &checkpoint->choice, &why);
    if (err != HF_OK) {
        load_damage(checkpoint, &why);
        return;
    }
    const hf_checkpoint_choice *choice = &checkpoint->choice;
    if (choice->slot >= 0) {
        checkpoint->slot = choice->slot;
        checkpoint->manifest_made = true;
        checkpoint->manifest = choice->manifest;
        checkpoint->manifest.head = hf_bytes_of(NULL, 0);
        hf_buf_raw(&checkpoint->head, choice->manifest.head.data, choice->manifest.head.size);
        if (checkpoint->head.failed) {
            hf_log_detail_reset(&checkpoint->detail);
            hf_log_detail_put(&checkpoint->detail, "no memory for the checkpoint's head");
            load_end(checkpoint, HF_E_NOMEM);
            return;
        }
    }
    for (uint32_t i = 0; i < checkpoint->manifest.file_count; i++) {
        if (checkpoint->manifest.files[i].number >= checkpoint->number) {
            checkpoint->number = checkpoint->manifest.files[i].number + 1;
        }
    }
    checkpoint->op = (hf_io_op){ .file = checkpoint->file };
    checkpoint->file = -1;
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_LOAD_MANIFEST_CLOSE, HF_IO_CLOSE);
}

/* ---- Files ---- */

static void load_file(hf_checkpoint *checkpoint)
{
    if (checkpoint->file_at == checkpoint->manifest.file_count) {
        load_settle(checkpoint);
        return;
    }
    checkpoint->block_at = 0;
    checkpoint->offset = 0;
    checkpoint->file_through = false;
    hf_checkpoint_entries_open(&checkpoint->entries, &checkpoint->entry);
    hf_checkpoint__path(checkpoint, checkpoint->manifest.files[checkpoint->file_at].number);
    checkpoint->op = (hf_io_op){ .path = checkpoint->path, .flags = HF_IO_DIRECT | HF_IO_READONLY };
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_LOAD_OPEN, HF_IO_OPEN);
}

static void load_read(hf_checkpoint *checkpoint)
{
    checkpoint->op = (hf_io_op){ .file = checkpoint->file,
                                 .data = checkpoint->buffers[0].at,
                                 .offset = checkpoint->offset,
                                 .size = HF_CHECKPOINT_BUFFERS * HF_CHECKPOINT_BLOCK };
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_LOAD_READ, HF_IO_READ);
}

static hf_err load_entries(hf_checkpoint *checkpoint, const hf_checkpoint_block *block,
                           hf_checkpoint_why *why)
{
    hf_checkpoint_entries_block(&checkpoint->entries, block);
    *why = (hf_checkpoint_why){ .offset = checkpoint->offset,
                                .what = "an entry of this block cannot be read" };
    for (;;) {
        hf_bytes entry;
        hf_err err = hf_checkpoint_entries_next(&checkpoint->entries, &entry);
        if (err == HF_E_NOTFOUND) {
            break;
        }
        if (err == HF_OK) {
            err = checkpoint->handler.on_entry(checkpoint->handler.context, entry);
            why->what = "an entry of this block could not be taken in";
        }
        if (err != HF_OK) {
            why->err = err;
            return err;
        }
    }
    if (block->last && !hf_checkpoint_entries_ended(&checkpoint->entries)) {
        why->what = "the file's last block ends within an entry";
        why->err = HF_E_CORRUPT;
        return why->err;
    }
    return HF_OK;
}

static hf_err load_block(hf_checkpoint *checkpoint, hf_bytes bytes, uint32_t *size,
                         hf_checkpoint_why *why)
{
    const hf_checkpoint_file *file = &checkpoint->manifest.files[checkpoint->file_at];
    hf_checkpoint_block block;
    hf_err err = hf_checkpoint_block_decode(bytes, checkpoint->offset, checkpoint->file_id,
                                            file->number, checkpoint->block_at, &block, why);
    if (err != HF_OK) {
        return err;
    }
    bool last = checkpoint->block_at + 1 == file->blocks;
    if (block.last != last || (last && checkpoint->offset + block.size != file->bytes)) {
        *why = (hf_checkpoint_why){ .err = HF_E_CORRUPT,
                                    .what = "the file does not end where the manifest says (bytes)",
                                    .offset = checkpoint->offset,
                                    .found = checkpoint->offset + block.size,
                                    .expected = file->bytes,
                                    .numbers = true };
        return why->err;
    }
    err = load_entries(checkpoint, &block, why);
    checkpoint->block_at++;
    checkpoint->offset += block.size;
    checkpoint->file_through = last;
    *size = block.size;
    return err;
}

static void load_blocks(hf_checkpoint *checkpoint, int64_t result)
{
    hf_bytes bytes = hf_bytes_of(checkpoint->buffers[0].at, (size_t)result);
    bool short_read = (uint64_t)result < checkpoint->op.size;
    do {
        uint32_t size = 0;
        hf_checkpoint_why why;
        if (load_block(checkpoint, bytes, &size, &why) != HF_OK) {
            load_damage(checkpoint, &why);
            return;
        }
        bytes = hf_bytes_of(bytes.data + size, bytes.size - size);
    } while (!checkpoint->file_through && (bytes.size >= HF_CHECKPOINT_BLOCK || short_read));
    if (!checkpoint->file_through) {
        load_read(checkpoint);
        return;
    }
    checkpoint->op = (hf_io_op){ .file = checkpoint->file };
    checkpoint->file = -1;
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_LOAD_CLOSE, HF_IO_CLOSE);
}

/* ---- Settling ----
 *
 * The slot in force may be in a cache only, if the run before was killed while it wrote it: a power
 * loss would bring the older one back, after its files were removed and the log was cut. A sync
 * passes over what an earlier failed one dropped: so the slot is written again. What it names was
 * durable before it was written first.
 */

static void load_sync_dir(hf_checkpoint *checkpoint, hf_checkpoint_step step)
{
    checkpoint->op = (hf_io_op){ .path = checkpoint->dir };
    hf_checkpoint__submit(checkpoint, step, HF_IO_SYNC_DIR);
}

static void load_settle(hf_checkpoint *checkpoint)
{
    checkpoint->file_at = 0; /* from here on: the file to remove next */
    if (checkpoint->slot < 0) {
        load_sync_dir(checkpoint, HF_CHECKPOINT_LOAD_SETTLE_SYNC);
        return;
    }
    hf_checkpoint__path_manifest(checkpoint, checkpoint->path, true);
    checkpoint->op = (hf_io_op){ .path = checkpoint->path, .flags = HF_IO_DIRECT };
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_LOAD_SETTLE_OPEN, HF_IO_OPEN);
}

static void load_settled(hf_checkpoint *checkpoint)
{
    checkpoint->op = (hf_io_op){ .file = checkpoint->file };
    checkpoint->file = -1;
    hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_LOAD_SETTLE_CLOSE, HF_IO_CLOSE);
}

/* ---- What an interrupted pass left behind ---- */

static bool named(const hf_checkpoint *checkpoint, uint64_t number)
{
    for (uint32_t i = 0; i < checkpoint->manifest.file_count; i++) {
        if (checkpoint->manifest.files[i].number == number) {
            return true;
        }
    }
    return false;
}

static void load_remove(hf_checkpoint *checkpoint)
{
    bool doubt = checkpoint->manifest_found && checkpoint->choice.doubt;
    while (!doubt && checkpoint->file_at < checkpoint->found_count) {
        uint64_t number = checkpoint->found[checkpoint->file_at++];
        if (!named(checkpoint, number)) {
            hf_checkpoint__path(checkpoint, number);
            checkpoint->op = (hf_io_op){ .path = checkpoint->path };
            hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_LOAD_REMOVE, HF_IO_UNLINK);
            return;
        }
    }
    load_sync_dir(checkpoint, HF_CHECKPOINT_LOAD_REMOVE_SYNC);
}

/* ---- Steps ---- */

static const char *load_verb(hf_checkpoint_step step)
{
    switch ((int)step) {
    case HF_CHECKPOINT_LOAD_REMOVE:
        return "removing what an interrupted checkpoint left behind";
    case HF_CHECKPOINT_LOAD_SETTLE_OPEN:
    case HF_CHECKPOINT_LOAD_SETTLE_WRITE:
    case HF_CHECKPOINT_LOAD_SETTLE_CLOSE:
        return "writing the manifest again, to be sure that it is durable";
    case HF_CHECKPOINT_LOAD_MKDIR:
    case HF_CHECKPOINT_LOAD_MKDIR_SYNC:
    case HF_CHECKPOINT_LOAD_SETTLE_SYNC:
    case HF_CHECKPOINT_LOAD_REMOVE_SYNC:
        return "making or syncing the directory";
    default:
        return "reading";
    }
}

static bool load_check(hf_checkpoint *checkpoint, int64_t result)
{
    bool wrote = checkpoint->step == HF_CHECKPOINT_LOAD_SETTLE_WRITE;
    if (result >= 0 && (!wrote || result == (int64_t)checkpoint->op.size)) {
        return true;
    }
    if (checkpoint->step == HF_CHECKPOINT_LOAD_OPEN && result == -ENOENT) {
        hf_checkpoint_why why = {
            .err = HF_E_CORRUPT,
            .what = "the manifest names this checkpoint file, and it is missing"
        };
        load_damage(checkpoint, &why);
        return false;
    }
    hf_checkpoint__io_detail(checkpoint, load_verb(checkpoint->step), checkpoint->path,
                             checkpoint->op.offset, result);
    load_end(checkpoint, HF_E_IO);
    return false;
}

void hf_checkpoint__loading(hf_checkpoint *checkpoint, int64_t result)
{
    if (!load_check(checkpoint, result)) {
        return;
    }
    switch ((int)checkpoint->step) {
    case HF_CHECKPOINT_LOAD_MKDIR:
        checkpoint->op = (hf_io_op){ .path = "." };
        hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_LOAD_MKDIR_SYNC, HF_IO_SYNC_DIR);
        return;
    case HF_CHECKPOINT_LOAD_MKDIR_SYNC:
        load_list(checkpoint);
        return;
    case HF_CHECKPOINT_LOAD_MANIFEST_OPEN:
        checkpoint->file = (int32_t)result;
        checkpoint->op = (hf_io_op){ .file = checkpoint->file,
                                     .data = checkpoint->buffers[0].at,
                                     .size = HF_CHECKPOINT_BUFFERS * HF_CHECKPOINT_SLOT };
        hf_checkpoint__submit(checkpoint, HF_CHECKPOINT_LOAD_MANIFEST_READ, HF_IO_READ);
        return;
    case HF_CHECKPOINT_LOAD_MANIFEST_READ:
        load_manifest(checkpoint, result);
        return;
    case HF_CHECKPOINT_LOAD_MANIFEST_CLOSE:
        checkpoint->file_at = 0;
        load_file(checkpoint);
        return;
    case HF_CHECKPOINT_LOAD_OPEN:
        checkpoint->file = (int32_t)result;
        load_read(checkpoint);
        return;
    case HF_CHECKPOINT_LOAD_READ:
        load_blocks(checkpoint, result);
        return;
    case HF_CHECKPOINT_LOAD_CLOSE:
        checkpoint->file_at++;
        load_file(checkpoint);
        return;
    case HF_CHECKPOINT_LOAD_SETTLE_OPEN:
        checkpoint->file = (int32_t)result;
        hf_checkpoint__slot(checkpoint, HF_CHECKPOINT_LOAD_SETTLE_WRITE, &checkpoint->manifest,
                            checkpoint->slot);
        return;
    case HF_CHECKPOINT_LOAD_SETTLE_WRITE:
        load_settled(checkpoint);
        return;
    case HF_CHECKPOINT_LOAD_SETTLE_CLOSE:
        load_sync_dir(checkpoint, HF_CHECKPOINT_LOAD_SETTLE_SYNC);
        return;
    case HF_CHECKPOINT_LOAD_SETTLE_SYNC:
    case HF_CHECKPOINT_LOAD_REMOVE:
        load_remove(checkpoint);
        return;
    case HF_CHECKPOINT_LOAD_REMOVE_SYNC:
        load_end(checkpoint, HF_OK);
        return;
    default:
        HF_UNREACHABLE();
    }
}
