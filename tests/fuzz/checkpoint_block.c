/* Blocks of a checkpoint file, end to end, and the entries in them. The first byte: 1 the blocks'
 * checksums are made good, 2 their identities too.
 */
#include "engine/base/assert.h"
#include "engine/base/crc32c.h"
#include "storage/log/checkpoint_inspect.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

enum { INPUT_MAX = 3 * HF_CHECKPOINT_BLOCK, FILE_ID = 3, FILE_NUMBER = 5, HEAP = 4 << 20 };

static void mend(uint8_t *at, uint32_t left, uint32_t number, bool identity)
{
    uint64_t file_id = FILE_ID;
    uint64_t file = FILE_NUMBER;
    uint32_t size;
    memcpy(&size, at + 36, sizeof size);
    if (identity) {
        memcpy(at + 12, &number, sizeof number);
        memcpy(at + 16, &file_id, sizeof file_id);
        memcpy(at + 24, &file, sizeof file);
    }
    if (size > 8 && size <= left) {
        uint32_t crc = hf_crc32c(0, at + 8, size - 8);
        memcpy(at + 4, &crc, sizeof crc);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(65536) uint8_t memory[HEAP];
    if (size < 1 || size > INPUT_MAX) {
        return 0;
    }
    size_t left = size - 1;
    uint8_t *bytes = malloc(left == 0 ? 1 : left);
    HF_ASSERT(bytes != NULL);
    memcpy(bytes, data + 1, left);
    hf_buf spill;
    hf_buf_open(&spill, hf_heap_open(memory, sizeof memory));
    hf_checkpoint_entries entries;
    hf_checkpoint_entries_open(&entries, &spill);
    uint8_t *at = bytes;
    hf_err err = HF_OK;
    for (uint32_t number = 0; err == HF_OK; number++) {
        if ((data[0] & 3) != 0 && left >= HF_CHECKPOINT_BLOCK_HEAD) {
            mend(at, (uint32_t)left, number, (data[0] & 2) != 0);
        }
        hf_checkpoint_block block;
        hf_checkpoint_why why;
        err = hf_checkpoint_block_decode(hf_bytes_of(at, left), (uint64_t)(at - bytes), FILE_ID,
                                         FILE_NUMBER, number, &block, &why);
        if (err != HF_OK) {
            HF_ASSERT(why.err == err && why.what != NULL);
            break;
        }
        HF_ASSERT(block.size <= left &&
                  block.payload_size <= block.size - HF_CHECKPOINT_BLOCK_HEAD);
        hf_checkpoint_entries_block(&entries, &block);
        hf_err taken = HF_OK;
        uint64_t sum = 0;
        while (taken == HF_OK) {
            hf_bytes entry;
            taken = hf_checkpoint_entries_next(&entries, &entry);
            for (uint32_t i = 0; taken == HF_OK && i < entry.size; i++) {
                sum += entry.data[i];
            }
        }
        HF_ASSERT(sum <= UINT64_MAX / 2);
        HF_ASSERT(taken == HF_E_NOTFOUND || taken == HF_E_TOOBIG || taken == HF_E_NOMEM);
        if (taken != HF_E_NOTFOUND) {
            break;
        }
        at += block.size;
        left -= block.size;
    }
    free(bytes);
    return 0;
}
