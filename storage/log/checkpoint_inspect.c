#include "storage/log/checkpoint_inspect.h"

#include "engine/base/assert.h"
#include "engine/base/crc32c.h"

enum {
    SLOT_CRC_FROM = 12,
    SLOT_HEAD = 64,
    SLOT_FILE = 24,
    BLOCK_MAGIC = 0x31434648, /* "HFC1" */
    BLOCK_CRC_FROM = 8,
    BLOCK_LAST = 1,
};
static const uint8_t slot_magic[8] = { 'H', 'F', 'M', 'A', 'N', 'I', 'F', 'E' };

_Static_assert(SLOT_HEAD + SLOT_FILE * HF_CHECKPOINT_FILES_MAX + HF_CHECKPOINT_HEAD_MAX <=
                   HF_CHECKPOINT_SLOT,
               "a slot holds the most files and the largest head");
_Static_assert(HF_CHECKPOINT_BLOCK % HF_CHECKPOINT_BLOCK_ALIGN == 0, "blocks are aligned");

static void why_set(hf_checkpoint_why *why, hf_err err, uint64_t offset, const char *what)
{
    *why = (hf_checkpoint_why){ .err = err, .offset = offset, .what = what };
}

static void why_numbers(hf_checkpoint_why *why, uint64_t found, uint64_t expected)
{
    why->found = found;
    why->expected = expected;
    why->numbers = true;
}

void hf_checkpoint_why_put(hf_log_detail *out, const char *dir, const char *path,
                           const hf_checkpoint_why *why)
{
    hf_log_detail_put(out, path);
    hf_log_detail_put(out, ", offset ");
    hf_log_detail_number(out, why->offset);
    hf_log_detail_put(out, ": ");
    hf_log_detail_put(out, why->what);
    if (why->numbers) {
        hf_log_detail_put(out, " (found ");
        hf_log_detail_number(out, why->found);
        hf_log_detail_put(out, ", expected ");
        hf_log_detail_number(out, why->expected);
        hf_log_detail_put(out, ")");
    }
    hf_log_detail_put(out, ". Nothing was changed. Look with: holdfast log verify ");
    hf_log_detail_put(out, dir);
}

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static void set_u32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
}

static bool all_zero(hf_bytes bytes)
{
    return bytes.size == 0 ||
           (bytes.data[0] == 0 && memcmp(bytes.data, bytes.data + 1, bytes.size - 1) == 0);
}

/* ---- Manifest ---- */

uint32_t hf_checkpoint_slot_encode(const hf_checkpoint_manifest *manifest, uint8_t *slot)
{
    HF_PRE(manifest->file_count <= HF_CHECKPOINT_FILES_MAX);
    HF_PRE(manifest->head.size <= HF_CHECKPOINT_HEAD_MAX);
    uint32_t size = SLOT_HEAD + SLOT_FILE * manifest->file_count + manifest->head.size;
    hf_writer w = { slot, slot + HF_CHECKPOINT_SLOT, false };
    hf_write_raw(&w, slot_magic, sizeof slot_magic);
    hf_write_u32(&w, 0);
    hf_write_u32(&w, HF_CHECKPOINT_FORMAT);
    hf_write_u64(&w, manifest->file_id);
    hf_write_u64(&w, manifest->sequence);
    hf_write_u64(&w, manifest->lsn);
    hf_write_u64(&w, 0);
    hf_write_u32(&w, manifest->file_count);
    hf_write_u32(&w, manifest->head.size);
    hf_write_u32(&w, size);
    hf_write_u32(&w, 0);
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        hf_write_u64(&w, manifest->files[i].number);
        hf_write_u64(&w, manifest->files[i].bytes);
        hf_write_u32(&w, manifest->files[i].blocks);
        hf_write_u32(&w, 0);
    }
    hf_write_raw(&w, manifest->head.data, manifest->head.size);
    HF_ASSERT(!w.full && w.at == slot + size);
    memset(w.at, 0, HF_CHECKPOINT_SLOT - size);
    set_u32(slot + 8, hf_crc32c(0, slot + SLOT_CRC_FROM, size - SLOT_CRC_FROM));
    return size;
}

/* The fields of a slot whose CRC is good; false: they contradict each other. */
static bool slot_read(hf_bytes slot, uint32_t size, hf_checkpoint_manifest *manifest)
{
    hf_reader r = hf_reader_of(hf_bytes_of(slot.data + 16, size - 16));
    manifest->file_id = hf_read_u64(&r);
    manifest->sequence = hf_read_u64(&r);
    manifest->lsn = hf_read_u64(&r);
    (void)hf_read_u64(&r);
    manifest->file_count = hf_read_u32(&r);
    uint32_t head_size = hf_read_u32(&r);
    (void)hf_read_u64(&r);
    if (manifest->file_count == 0 || manifest->file_count > HF_CHECKPOINT_FILES_MAX ||
        head_size > HF_CHECKPOINT_HEAD_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        manifest->files[i].number = hf_read_u64(&r);
        manifest->files[i].bytes = hf_read_u64(&r);
        manifest->files[i].blocks = hf_read_u32(&r);
        (void)hf_read_u32(&r);
    }
    manifest->head = hf_read_lent(&r, head_size);
    return !r.bad && hf_reader_left(&r) == 0;
}

hf_checkpoint_slot_state hf_checkpoint_slot_decode(hf_bytes slot, uint64_t offset, uint64_t file_id,
                                                   hf_checkpoint_manifest *manifest,
                                                   hf_checkpoint_why *why)
{
    if (all_zero(slot)) {
        return HF_CHECKPOINT_SLOT_EMPTY;
    }
    why_set(why, HF_E_CORRUPT, offset, "this manifest slot is damaged");
    if (slot.size < SLOT_HEAD || memcmp(slot.data, slot_magic, sizeof slot_magic) != 0) {
        return HF_CHECKPOINT_SLOT_DAMAGED;
    }
    uint32_t size = get_u32(slot.data + 56);
    if (size < SLOT_HEAD || size > slot.size ||
        hf_crc32c(0, slot.data + SLOT_CRC_FROM, size - SLOT_CRC_FROM) != get_u32(slot.data + 8)) {
        return HF_CHECKPOINT_SLOT_DAMAGED;
    }
    uint32_t format = get_u32(slot.data + 12);
    if (format != HF_CHECKPOINT_FORMAT) {
        why_set(
            why, HF_E_VERSION, offset,
            "the checkpoint's format is not the one that this binary reads: use a newer binary");
        why_numbers(why, format, HF_CHECKPOINT_FORMAT);
        return HF_CHECKPOINT_SLOT_FOREIGN;
    }
    if (!slot_read(slot, size, manifest)) {
        return HF_CHECKPOINT_SLOT_DAMAGED;
    }
    if (file_id != 0 && manifest->file_id != file_id) {
        why_set(why, HF_E_WRONGFILE, offset, "this manifest belongs to another node or core");
        why_numbers(why, manifest->file_id, file_id);
        return HF_CHECKPOINT_SLOT_FOREIGN;
    }
    return HF_CHECKPOINT_SLOT_WHOLE;
}

hf_err hf_checkpoint_choose(hf_bytes file, uint64_t file_id, hf_checkpoint_choice *choice,
                            hf_checkpoint_why *why)
{
    uint32_t damaged = 0;
    choice->slot = -1;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t from = i * HF_CHECKPOINT_SLOT;
        hf_bytes slot = hf_bytes_of(NULL, 0);
        if (file.size > from) {
            uint32_t left = file.size - from;
            slot = hf_bytes_of(file.data + from,
                               left < HF_CHECKPOINT_SLOT ? left : HF_CHECKPOINT_SLOT);
        }
        hf_checkpoint_manifest manifest;
        switch (hf_checkpoint_slot_decode(slot, from, file_id, &manifest, why)) {
        case HF_CHECKPOINT_SLOT_FOREIGN:
            return why->err;
        case HF_CHECKPOINT_SLOT_DAMAGED:
            damaged++;
            break;
        case HF_CHECKPOINT_SLOT_EMPTY:
            break;
        case HF_CHECKPOINT_SLOT_WHOLE:
            if (choice->slot < 0 || manifest.sequence > choice->manifest.sequence) {
                choice->manifest = manifest;
                choice->slot = (int)i;
            }
            break;
        }
    }
    if (damaged == 2) {
        why_set(why, HF_E_CORRUPT, 0,
                "both slots of the manifest are damaged: a crash damages one at most");
        return why->err;
    }
    choice->doubt = damaged != 0;
    return HF_OK;
}

/* ---- Blocks ---- */

void hf_checkpoint_block_encode(hf_checkpoint_block *block, uint8_t *at)
{
    HF_PRE(block->payload_size <= hf_checkpoint_payload_max());
    uint32_t used = HF_CHECKPOINT_BLOCK_HEAD + block->payload_size;
    block->size = (used + HF_CHECKPOINT_BLOCK_ALIGN - 1) & ~(HF_CHECKPOINT_BLOCK_ALIGN - 1u);
    HF_PRE(block->last || block->size == HF_CHECKPOINT_BLOCK);
    memset(at + used, 0, block->size - used);
    hf_writer w = { at, at + HF_CHECKPOINT_BLOCK_HEAD, false };
    hf_write_u32(&w, BLOCK_MAGIC);
    hf_write_u32(&w, 0);
    hf_write_u16(&w, HF_CHECKPOINT_FORMAT);
    hf_write_u16(&w, block->last ? BLOCK_LAST : 0);
    hf_write_u32(&w, block->number);
    hf_write_u64(&w, block->file_id);
    hf_write_u64(&w, block->file);
    hf_write_u32(&w, block->payload_size);
    hf_write_u32(&w, block->size);
    hf_write_u32(&w, block->first_entry);
    hf_write_u32(&w, 0);
    HF_ASSERT(!w.full && w.at == w.end);
    set_u32(at + 4, hf_crc32c(0, at + BLOCK_CRC_FROM, block->size - BLOCK_CRC_FROM));
    block->payload = at + HF_CHECKPOINT_BLOCK_HEAD;
}

static hf_err block_identity(const hf_checkpoint_block *block, uint64_t offset, uint64_t file_id,
                             uint64_t file, uint32_t number, hf_checkpoint_why *why)
{
    if (file_id != 0 && block->file_id != file_id) {
        why_set(why, HF_E_WRONGFILE, offset, "a block of another node's or core's checkpoint");
        why_numbers(why, block->file_id, file_id);
    } else if (block->file != file) {
        why_set(why, HF_E_CORRUPT, offset, "a block of another checkpoint file lies here");
        why_numbers(why, block->file, file);
    } else if (block->number != number) {
        why_set(why, HF_E_CORRUPT, offset, "a block of another place of this file lies here");
        why_numbers(why, block->number, number);
    } else if (block->payload_size > block->size - HF_CHECKPOINT_BLOCK_HEAD ||
               (!block->last && block->size != HF_CHECKPOINT_BLOCK)) {
        why_set(why, HF_E_CORRUPT, offset, "a block has a good checksum and impossible sizes");
    } else {
        return HF_OK;
    }
    return why->err;
}

hf_err hf_checkpoint_block_decode(hf_bytes bytes, uint64_t offset, uint64_t file_id, uint64_t file,
                                  uint32_t number, hf_checkpoint_block *block,
                                  hf_checkpoint_why *why)
{
    if (bytes.size < HF_CHECKPOINT_BLOCK_HEAD) {
        why_set(why, HF_E_CORRUPT, offset, "the file ends here, and a block was expected");
        why_numbers(why, bytes.size, HF_CHECKPOINT_BLOCK);
        return why->err;
    }
    hf_reader r = hf_reader_of(bytes);
    uint32_t magic = hf_read_u32(&r);
    uint32_t crc = hf_read_u32(&r);
    uint16_t format = hf_read_u16(&r);
    uint16_t flags = hf_read_u16(&r);
    *block = (hf_checkpoint_block){ .number = hf_read_u32(&r) };
    block->file_id = hf_read_u64(&r);
    block->file = hf_read_u64(&r);
    block->payload_size = hf_read_u32(&r);
    block->size = hf_read_u32(&r);
    block->first_entry = hf_read_u32(&r);
    block->last = (flags & BLOCK_LAST) != 0;
    block->payload = bytes.data + HF_CHECKPOINT_BLOCK_HEAD;
    if (magic != BLOCK_MAGIC || block->size < HF_CHECKPOINT_BLOCK_HEAD ||
        block->size > HF_CHECKPOINT_BLOCK || block->size % HF_CHECKPOINT_BLOCK_ALIGN != 0) {
        why_set(why, HF_E_CORRUPT, offset, "a checkpoint block's head is damaged");
        return why->err;
    }
    if (block->size > bytes.size) {
        why_set(why, HF_E_CORRUPT, offset, "the file ends within a block");
        why_numbers(why, bytes.size, block->size);
        return why->err;
    }
    uint32_t found = hf_crc32c(0, bytes.data + BLOCK_CRC_FROM, block->size - BLOCK_CRC_FROM);
    if (found != crc) {
        why_set(why, HF_E_CORRUPT, offset, "a checkpoint block is damaged: its checksum is wrong");
        why_numbers(why, found, crc);
        return why->err;
    }
    if (format != HF_CHECKPOINT_FORMAT) {
        why_set(why, HF_E_VERSION, offset,
                "the block's format is not the one that this binary reads: use a newer binary");
        why_numbers(why, format, HF_CHECKPOINT_FORMAT);
        return why->err;
    }
    return block_identity(block, offset, file_id, file, number, why);
}

/* ---- Entries ---- */

hf_err hf_checkpoint_entries_next(hf_checkpoint_entries *entries, hf_bytes *entry)
{
    hf_buf *spill = entries->spill;
    size_t left = (size_t)(entries->end - entries->at);
    if (spill->size == 0 && left >= 4) {
        uint32_t size = get_u32(entries->at);
        if (size <= left - 4) {
            *entry = hf_bytes_of(entries->at + 4, size);
            entries->at += 4 + (size_t)size;
            return HF_OK;
        }
    }
    for (;;) {
        uint32_t want = 4;
        if (spill->size >= 4) {
            uint32_t size = get_u32(spill->data);
            if (size > HF_CHECKPOINT_ENTRY_MAX) {
                return HF_E_TOOBIG;
            }
            want += size;
        }
        if (spill->size == want) {
            *entry = hf_bytes_of(spill->data + 4, want - 4);
            hf_buf_reset(spill); /* keeps the memory: *entry stays until the next call */
            return HF_OK;
        }
        left = (size_t)(entries->end - entries->at);
        uint32_t take = want - spill->size;
        take = take < left ? take : (uint32_t)left;
        if (take == 0) {
            return HF_E_NOTFOUND;
        }
        hf_buf_raw(spill, entries->at, take);
        if (spill->failed) {
            return HF_E_NOMEM;
        }
        entries->at += take;
    }
}
