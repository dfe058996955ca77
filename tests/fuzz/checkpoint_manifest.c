/* A MANIFEST of two slots. The first byte: 1, 2: the first, the second slot's checksum is made
 * good. */
#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "storage/log/checkpoint_inspect.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

enum { SLOT_INPUT = 1024 };

static void mend(uint8_t *slot)
{
    static const uint8_t magic[8] = { 'H', 'F', 'M', 'A', 'N', 'I', 'F', 'E' };
    uint32_t size;
    memcpy(slot, magic, sizeof magic);
    memcpy(&size, slot + 56, sizeof size);
    if (size >= 64 && size <= HF_CHECKPOINT_SLOT) {
        uint32_t crc = hf_crc32c(0, slot + 12, size - 12);
        memcpy(slot + 8, &crc, sizeof crc);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 1 + 2 * SLOT_INPUT) {
        return 0;
    }
    static uint8_t file[2 * HF_CHECKPOINT_SLOT];
    static uint8_t again[HF_CHECKPOINT_SLOT];
    memset(file, 0, sizeof file);
    size_t first = size - 1 < SLOT_INPUT ? size - 1 : SLOT_INPUT;
    memcpy(file, data + 1, first);
    memcpy(file + HF_CHECKPOINT_SLOT, data + 1 + first, size - 1 - first);
    if (data[0] & 1) {
        mend(file);
    }
    if (data[0] & 2) {
        mend(file + HF_CHECKPOINT_SLOT);
    }
    /* Cut off at any length, in a block of exactly that size. */
    size_t cut = sizeof file;
    if (data[0] & 4) {
        cut = first + (data[0] & 8 ? HF_CHECKPOINT_SLOT : 0);
    }
    uint8_t *bytes = malloc(cut == 0 ? 1 : cut);
    HF_ASSERT(bytes != NULL);
    memcpy(bytes, file, cut);
    hf_checkpoint_choice choice;
    hf_checkpoint_why why;
    hf_err err = hf_checkpoint_choose(hf_bytes_of(bytes, cut), data[0] & 16 ? 9 : 0, &choice, &why);
    if (err != HF_OK) {
        hf_log_detail detail;
        hf_log_detail_reset(&detail);
        hf_checkpoint_why_put(&detail, "core-00", "core-00/MANIFEST", &why);
        HF_ASSERT(detail.size != 0 && why.err == err);
    } else if (choice.slot >= 0) {
        const hf_checkpoint_manifest *manifest = &choice.manifest;
        HF_ASSERT(manifest->file_count >= 1 && manifest->file_count <= HF_CHECKPOINT_FILES_MAX);
        HF_ASSERT(manifest->head.size <= HF_CHECKPOINT_HEAD_MAX);
        /* What was read can be written, and is read again. */
        (void)hf_checkpoint_slot_encode(manifest, again);
        hf_checkpoint_manifest second;
        HF_ASSERT(hf_checkpoint_slot_decode(hf_bytes_of(again, sizeof again), 0, manifest->file_id,
                                            &second, &why) == HF_CHECKPOINT_SLOT_WHOLE);
        HF_ASSERT(second.lsn == manifest->lsn && second.sequence == manifest->sequence);
        HF_ASSERT(hf_bytes_equal(second.head, manifest->head));
    }
    free(bytes);
    return 0;
}
