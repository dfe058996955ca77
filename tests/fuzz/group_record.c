/* Records of hf_groups, one after the other: refused, or a group that stands, is saved, and comes
 * back as it was. */
#include "engine/base/assert.h"
#include "engine/base/buf.h"
#include "tests/fuzz/fuzz.h"
#include "txn/groups/groups.h"

#include <stdlib.h>
#include <string.h>

enum { REGION = 4 << 20, GROUP = 1 };

static hf_err refuse(void *context, uint64_t group, const hf_bytes *parts, uint32_t count,
                     uint64_t *lsn)
{
    (void)context;
    (void)group;
    (void)parts;
    (void)count;
    *lsn = 0;
    return HF_E_FULL;
}

static hf_groups *fresh(hf_heap *heap)
{
    hf_groups_config config = { .self = 1,
                                .start = 1,
                                .groups_max = 2,
                                .entry_bytes_max = 1024,
                                .packet_bytes_max = 64 * 1024,
                                .raft = { .election_ns = 100, .spread_ns = 1 } };
    hf_groups_handler handler = { .persist = refuse };
    hf_groups *groups;
    HF_ASSERT(hf_groups_open(heap, &config, &handler, &groups) == HF_OK);
    return groups;
}

/* What was saved is saved again. */
static void again(hf_heap *heap, hf_bytes record)
{
    hf_groups *groups = fresh(heap);
    hf_buf out;
    HF_ASSERT(hf_groups_replay(groups, GROUP, record) == HF_OK);
    hf_buf_open(&out, heap);
    HF_ASSERT(hf_groups_save(groups, GROUP, &out));
    HF_ASSERT(hf_bytes_equal(record, hf_buf_view(&out)));
    hf_buf_close(&out);
    hf_groups_close(groups);
}

static bool is_there(hf_groups *groups)
{
    uint64_t cursor = 0;
    uint64_t group;
    return hf_groups_next(groups, &cursor, &group);
}

/* The input: u16 size, then a record, and again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *region;
    region = region != NULL ? region : aligned_alloc(65536, REGION);
    HF_ASSERT(region != NULL);
    hf_heap *heap = hf_heap_open(region, REGION);
    hf_groups *groups = fresh(heap);
    hf_reader r = hf_reader_of(hf_bytes_of(data, size));
    hf_err err = HF_OK;
    while (hf_reader_left(&r) >= 2 && err == HF_OK) {
        uint16_t want = hf_read_u16(&r);
        uint32_t left = hf_reader_left(&r);
        err = hf_groups_replay(groups, GROUP, hf_read_lent(&r, want < left ? want : left));
    }
    if (err == HF_OK && is_there(groups)) {
        hf_buf out;
        hf_buf_open(&out, heap);
        HF_ASSERT(hf_groups_save(groups, GROUP, &out));
        again(heap, hf_buf_view(&out));
        hf_buf_close(&out);
        HF_ASSERT(hf_groups_start(groups, 1) == HF_OK);
        hf_groups_check(groups);
    }
    hf_groups_close(groups);
    HF_ASSERT(hf_heap_lent(heap) == 0);
    hf_heap_close(heap);
    return 0;
}
