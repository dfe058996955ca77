/* The log: appending to memory, and what a batch costs before it is handed to the disk. The disk is
 * simulated (tests/sim), its time does not count. */
#include "storage/log/log.h"
#include "bench/micro/memory.h"
#include "bench/micro/micro.h"
#include "storage/log/inspect.h"
#include "tests/sim/world.h"

enum {
    BATCH = 256,
    ALIGN = 512,
    RECORD_MOST = 1024,
    SEGMENT = 4 << 20,
    STAGING = 4 << 20,
    BATCH_BYTES = 256 << 10,
    HEAP = 32 << 20
};

typedef struct rig {
    hf_world *world;
    hf_heap *heap;
    hf_log *log;
    bool open;
} rig;

static hf_err on_record(void *context, const hf_log_record *record)
{
    (void)context;
    (void)record;
    return HF_OK;
}

static void on_opened(void *context, hf_err err, const char *detail)
{
    (void)detail;
    HF_ASSERT(err == HF_OK);
    ((rig *)context)->open = true;
}

static void on_durable(void *context, uint64_t lsn)
{
    hf_log_truncate(((rig *)context)->log, lsn);
}

static void on_failed(void *context, hf_err err, const char *detail)
{
    (void)context;
    (void)err;
    (void)detail;
    HF_UNREACHABLE();
}

static uint64_t on_turn(void *context)
{
    rig *r = context;
    hf_log_turn(r->log);
    return hf_log_deadline(r->log);
}

/* All is durable, and there is room for a batch of the largest records. */
static void until_ready(rig *r)
{
    while (!r->open || hf_log_durable(r->log) != hf_log_appended(r->log) ||
           !hf_log_admits(r->log, 2 * BATCH * RECORD_MOST)) {
        HF_ASSERT(hf_world_step(r->world));
    }
}

static void rig_open(rig *r)
{
    static const hf_io_handler core = { .on_turn = on_turn };
    hf_world_config world = { .seed = 1, .core_count = 1, .faults = hf_world_faults_none() };
    hf_log_config config = { .dir = "core-00",
                             .log_id = 1,
                             .segment_bytes = SEGMENT,
                             .staging_bytes = STAGING,
                             .record_bytes_max = RECORD_MOST,
                             .batch_bytes_max = BATCH_BYTES,
                             .flushes_max = 1,
                             .spare_segments = 1 };
    hf_log_handler handler = { .context = r,
                               .on_record = on_record,
                               .on_opened = on_opened,
                               .on_durable = on_durable,
                               .on_failed = on_failed };
    *r = (rig){ .world = hf_world_open(&world), .heap = hf_micro_heap(HEAP) };
    r->log = hf_log_open(r->heap, hf_world_io(r->world, 0), &config, &handler);
    HF_ASSERT(r->log != NULL);
    hf_world_boot(r->world, 0, &core, r);
    hf_log_recover(r->log, 0, 0);
    until_ready(r);
}

static void rig_close(rig *r)
{
    hf_world_crash(r->world, HF_WORLD_KILL);
    hf_world_close(r->world);
    hf_micro_heap_end(r->heap);
}

/* A timestamp and effects, as a commit is logged. The disk's part is left out. */
static void append(hf_micro *m, int64_t size)
{
    static const uint8_t data[RECORD_MOST];
    rig r;
    rig_open(&r);
    while (hf_micro_batch(m, BATCH)) {
        for (uint64_t i = 0; i < BATCH; i++) {
            uint64_t lsn;
            hf_bytes parts[] = { hf_bytes_of(&i, sizeof i), hf_bytes_of(data, (size_t)size - 8) };
            HF_ASSERT(hf_log_append(r.log, 1, 0, 0, parts, 2, &lsn) == HF_OK);
        }
        hf_micro_pause(m);
        until_ready(&r);
        hf_micro_resume(m);
    }
    rig_close(&r);
}

/* What a batch costs before it goes to the disk: its head, and the sums of its sectors. */
static void encode_batch(hf_micro *m, int64_t payload)
{
    static uint8_t block[BATCH_BYTES];
    hf_log_batch batch = { .log_id = 1,
                           .segment = 1,
                           .epoch = 1,
                           .seq = 1,
                           .payload_size = (uint32_t)payload,
                           .block_size = hf_log_batch_block_size((uint32_t)payload, ALIGN) };
    int64_t bytes = 0;
    while (hf_micro_batch(m, 1)) {
        hf_log_batch_encode(&batch, block);
        hf_micro_use(block);
        bytes += payload;
    }
    hf_micro_bytes(m, bytes);
}

void hf_micro_log(void)
{
    static const int64_t sizes[] = { 100, 1000, -1 };
    static const int64_t payloads[] = { 200, 4000, 100000, -1 };
    hf_micro_register("log/append", append, sizes);
    hf_micro_register("log/encode_batch", encode_batch, payloads);
}
