/* A log of one segment whose batches are the input. The first byte says what is made good first, so
 * that more than checksums is met: 1 the batches' checksums, 2 their places and the chain as well.
 */
#include "engine/base/assert.h"
#include "storage/log/walk.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

enum { INPUT_MAX = 1 << 16, SPILL = 4096, LOG_ID = 7 };

typedef struct seen {
    uint64_t lsn;
    uint64_t seq;
    uint32_t bytes;
} seen;

static hf_err on_record(void *context, const hf_log_record *record)
{
    seen *s = context;
    HF_ASSERT(record->lsn > s->lsn);
    HF_ASSERT(record->data.size + HF_LOG_RECORD_HEAD <= record->lsn - s->lsn);
    s->lsn = record->lsn;
    for (uint32_t i = 0; i < record->data.size; i++) {
        s->bytes += record->data.data[i];
    }
    return HF_OK;
}

static void on_batch(void *context, const hf_log_batch *batch)
{
    seen *s = context;
    HF_ASSERT(s->seq == 0 || batch->seq == s->seq + 1);
    s->seq = batch->seq;
    HF_ASSERT(batch->payload_size <= hf_log_batch_payload_max(batch->block_size));
}

/* The head's fields as they lie there, good or not. */
static void mend(uint8_t *at, uint32_t left, uint32_t offset, bool places, hf_log_place *place)
{
    hf_log_batch batch = { .log_id = LOG_ID, .segment = 1, .offset = offset, .epoch = 1 };
    uint16_t flags;
    memcpy(&flags, at + 10, 2);
    memcpy(&batch.seq, at + 40, 8);
    memcpy(&batch.lsn, at + 48, 8);
    memcpy(&batch.durable_lsn, at + 56, 8);
    memcpy(&batch.durable_seq, at + 64, 8);
    memcpy(&batch.chain, at + 72, 4);
    memcpy(&batch.block_size, at + 80, 4);
    memcpy(&batch.payload_size, at + 84, 4);
    memcpy(&batch.first_record, at + 88, 4);
    memcpy(&batch.first_chain, at + 92, 4);
    batch.begin = flags & 1;
    batch.seal = flags & 2;
    batch.block_size &= ~(HF_LOG_SECTOR - 1u);
    if (batch.block_size < HF_LOG_SECTOR || batch.block_size > left ||
        batch.payload_size > hf_log_batch_payload_max(batch.block_size)) {
        return;
    }
    if (places) {
        batch.seq = place->seq;
        batch.lsn = place->lsn;
        batch.chain = place->chain;
        batch.durable_seq = batch.seq - 1;
        batch.durable_lsn = batch.lsn;
    }
    hf_log_batch_encode(&batch, at);
    hf_log_place_pass(place, &batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX) {
        return 0;
    }
    uint8_t mode = data[0];
    uint32_t batches = (uint32_t)(size - 1 + HF_LOG_SECTOR - 1) & ~(HF_LOG_SECTOR - 1u);
    uint32_t segment_bytes = HF_LOG_SEGMENT_HEAD * 2 + batches;
    uint8_t *segment = calloc(1, segment_bytes);
    uint8_t *spill = malloc(SPILL);
    HF_ASSERT(segment != NULL && spill != NULL);
    hf_log_segment_head head = {
        .log_id = LOG_ID, .number = 1, .epoch = 1, .segment_bytes = segment_bytes
    };
    hf_log_segment_encode(&head, segment);
    memcpy(segment + HF_LOG_SEGMENT_HEAD, data + 1, size - 1);
    hf_log_place place = { .seq = 1, .offset = HF_LOG_SEGMENT_HEAD };
    for (uint32_t offset = 0; (mode & 3) != 0 && offset != place.offset;) {
        offset = place.offset;
        uint8_t *at = segment + offset;
        if (offset + HF_LOG_SECTOR <= segment_bytes && !hf_log_is_zero(at, HF_LOG_SECTOR)) {
            mend(at, segment_bytes - offset, offset, (mode & 2) != 0, &place);
        }
    }

    seen s = { 0 };
    hf_log_walk walk;
    hf_log_walk_handler handler = { .context = &s, .on_record = on_record, .on_batch = on_batch };
    hf_log_walk_open(&walk, &handler, LOG_ID, 1, 1, 0, (mode & 4) != 0, spill, SPILL);
    hf_err err = HF_OK;
    for (uint32_t i = 0; err == HF_OK && walk.phase != HF_LOG_WALK_DONE; i++) {
        HF_ASSERT(i < 64 && walk.want_segment == 1 && walk.want_offset < segment_bytes);
        uint32_t left = segment_bytes - (uint32_t)walk.want_offset;
        uint32_t give = left < walk.want_size ? left : walk.want_size;
        uint8_t *window = malloc(give); /* exactly as long: a read past it is seen */
        HF_ASSERT(window != NULL);
        memcpy(window, segment + walk.want_offset, give);
        err = hf_log_walk_feed(&walk, hf_bytes_of(window, give));
        free(window);
    }
    if (err == HF_OK) {
        HF_ASSERT(walk.place.offset <= segment_bytes && walk.place.lsn >= s.lsn);
        HF_ASSERT(walk.tail.dirty_to[0] == 0 || walk.tail.dirty_from[0] >= walk.place.offset);
        HF_ASSERT(walk.tail.dirty_to[0] <= segment_bytes);
    } else {
        hf_log_detail detail;
        hf_log_detail_reset(&detail);
        hf_log_why_put(&detail, "core-00", &walk.why);
        HF_ASSERT(detail.size != 0 && walk.why.err == err);
    }
    free(spill);
    free(segment);
    return 0;
}
