/* Packets of Raft's messages. What is read is written as the same bytes again, and is fit for the
 * machine: sizes and terms are what they say.
 */
#include "engine/base/assert.h"
#include "tests/fuzz/fuzz.h"
#include "txn/raft/packet.h"

#include <stdlib.h>

enum { INPUT_MAX = 1 << 16, FROM = 3, TO = 5 };

static uint8_t heads[HF_RAFT_PACKET_HEADS_MIN];
static hf_bytes parts[HF_RAFT_PACKET_PARTS_MIN];
static hf_raft_said said;

static void write_again(const hf_raft_record *record)
{
    hf_raft_packet packet;
    hf_raft_packet_begin(&packet, heads, sizeof heads, parts, HF_RAFT_PACKET_PARTS_MIN,
                         2 * INPUT_MAX, FROM, TO);
    if (record->is_liveness) {
        HF_ASSERT(hf_raft_packet_add_liveness(&packet, &said.liveness));
    } else {
        const hf_raft_message *m = &said.message;
        HF_ASSERT(m->kind != HF_RAFT_APPEND || m->last - m->index == said.entry_count);
        HF_ASSERT(hf_raft_packet_add(&packet, record->group, m, said.entry,
                                     m->kind == HF_RAFT_SNAPSHOT ? &said.piece : said.payload));
    }
    uint32_t skip = HF_RAFT_PACKET_HEAD; /* the packet's own head has other counts */
    uint32_t at = 0;
    for (uint32_t i = 0, count = hf_raft_packet_end(&packet); i < count; i++) {
        uint32_t size = parts[i].size - skip;
        HF_ASSERT(size <= record->bytes.size - at);
        HF_ASSERT(memcmp(record->bytes.data + at, parts[i].data + skip, size) == 0);
        at += size;
        skip = 0;
    }
    HF_ASSERT(at == record->bytes.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX) {
        return 0;
    }
    hf_raft_reader reader;
    hf_raft_record record;
    hf_err err = hf_raft_reader_open(&reader, hf_bytes_of(data, size), FROM, TO);
    while (err == HF_OK && (err = hf_raft_reader_next(&reader, &record)) == HF_OK) {
        err = hf_raft_record_read(&reader, &record, &said);
        if (err == HF_OK) {
            write_again(&record);
        }
    }
    HF_ASSERT(err == HF_E_NOTFOUND || reader.what != NULL);
    return 0;
}
