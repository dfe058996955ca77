/* Memory, rings, hashes, the protocol's codec, the mailboxes between cores. */
#include "bench/micro/memory.h"
#include "bench/micro/micro.h"
#include "engine/base/buf.h"
#include "engine/base/crc32c.h"
#include "engine/base/hash.h"
#include "engine/base/map.h"
#include "engine/base/ring.h"
#include "engine/io/mesh.h"
#include "net/wire/resp.h"
#include <string.h>

enum { BATCH = 1000, SLOTS = 1024, MESSAGES = 32, HEAP = 16 << 20 };

static void heap_take_give(hf_micro *m, int64_t size)
{
    hf_heap *heap = hf_micro_heap(HEAP);
    while (hf_micro_batch(m, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            void *block = hf_heap_take(heap, (size_t)size);
            hf_micro_use(block);
            hf_heap_give(heap, block);
        }
    }
    hf_micro_heap_end(heap);
}

static void ring_push_pop(hf_micro *m, int64_t size)
{
    hf_heap *heap = hf_micro_heap(HEAP);
    hf_ring ring;
    uint8_t item[256] = { 0 };
    HF_ASSERT(hf_ring_open(&ring, heap, SLOTS, (uint32_t)size) == HF_OK);
    while (hf_micro_batch(m, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            HF_ASSERT(hf_ring_push(&ring, item) && hf_ring_pop(&ring, item));
        }
        hf_micro_use(item);
    }
    hf_ring_close(&ring);
    hf_micro_heap_end(heap);
}

/* A message to another core and back, in one thread: what the mailboxes cost without waiting. */
static void mesh_there_and_back(hf_micro *m, int64_t arg)
{
    (void)arg;
    size_t size = hf_mesh_size(2, SLOTS);
    void *at = aligned_alloc(64, (size + 63) / 64 * 64);
    HF_ASSERT(at != NULL);
    memset(at, 0, size);
    hf_mesh *mesh = hf_mesh_open(at, 2, SLOTS);
    hf_msg msgs[MESSAGES];
    hf_msg *home[MESSAGES];
    const hf_msg *taken[MESSAGES];
    for (int i = 0; i < MESSAGES; i++) {
        msgs[i] = (hf_msg){ .size = sizeof msgs[i], .kind = 1 };
    }
    while (hf_micro_batch(m, MESSAGES)) {
        for (int i = 0; i < MESSAGES; i++) {
            hf_mesh_post(mesh, 0, 1, &msgs[i]);
        }
        HF_ASSERT(hf_mesh_flush(mesh, 0, 1) == MESSAGES);
        HF_ASSERT(hf_mesh_take(mesh, 0, 1, taken, MESSAGES) == MESSAGES);
        hf_mesh_done(mesh, 0, 1, MESSAGES);
        HF_ASSERT(hf_mesh_back(mesh, 0, 1, home, MESSAGES) == MESSAGES);
    }
    free(at);
}

static void map_find(hf_micro *m, int64_t count)
{
    hf_heap *heap = hf_micro_heap(HEAP);
    hf_map map;
    hf_map_open(&map, heap, 1);
    for (int64_t i = 0; i < count; i++) {
        HF_ASSERT(hf_map_put(&map, (hf_id128){ 7, (uint64_t)i }, (uint64_t)i) == HF_OK);
    }
    uint64_t at = 0;
    while (hf_micro_batch(m, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            at = (at + 7919) % (uint64_t)count;
            hf_micro_use(hf_map_find(&map, (hf_id128){ 7, at }));
        }
    }
    hf_map_close(&map);
    hf_micro_heap_end(heap);
}

static void hash_key(hf_micro *m, int64_t size)
{
    uint8_t key[256] = { 0 };
    uint64_t sum = 0;
    while (hf_micro_batch(m, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            key[0] = (uint8_t)i;
            sum += hf_hash64(1, key, (size_t)size);
        }
        hf_micro_use(&sum);
    }
}

static void crc(hf_micro *m, int64_t size)
{
    static uint8_t data[1 << 16];
    uint32_t sum = 0;
    int64_t bytes = 0;
    while (hf_micro_batch(m, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            sum = hf_crc32c(sum, data, (size_t)size);
        }
        bytes += BATCH * size;
        hf_micro_use(&sum);
    }
    hf_micro_bytes(m, bytes);
}

static void parse_set(hf_micro *m, int64_t arg)
{
    static const char text[] =
        "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n$16\r\nvalue value val"
        "u\r\n";
    (void)arg;
    hf_heap *heap = hf_micro_heap(HEAP);
    uint8_t data[sizeof text];
    memcpy(data, text, sizeof text);
    hf_resp_parser parser;
    hf_buf args;
    hf_resp_parser_open(&parser);
    hf_buf_open(&args, heap);
    while (hf_micro_batch(m, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            uint32_t used;
            HF_ASSERT(hf_resp_parse(&parser, data, sizeof text - 1, &args, &used) ==
                      HF_RESP_COMMAND);
            hf_micro_use(&used);
        }
    }
    hf_buf_close(&args);
    hf_micro_heap_end(heap);
}

static void write_bulk(hf_micro *m, int64_t size)
{
    static uint8_t value[4096];
    hf_heap *heap = hf_micro_heap(HEAP);
    hf_buf out;
    hf_buf_open(&out, heap);
    while (hf_micro_batch(m, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            hf_buf_reset(&out);
            hf_resp_bulk(&out, hf_bytes_of(value, (size_t)size));
        }
        hf_micro_use(out.data);
    }
    hf_buf_close(&out);
    hf_micro_heap_end(heap);
}

void hf_micro_base(void)
{
    static const int64_t blocks[] = { 64, 256, 4096, -1 };
    static const int64_t items[] = { 8, 64, -1 };
    static const int64_t counts[] = { 100, 10000, -1 };
    static const int64_t keys[] = { 8, 17, 64, -1 };
    static const int64_t sums[] = { 28, 128, 512, 65536, -1 };
    static const int64_t values[] = { 64, 1024, -1 };
    hf_micro_register("heap/take_give", heap_take_give, blocks);
    hf_micro_register("ring/push_pop", ring_push_pop, items);
    hf_micro_register("mesh/there_and_back", mesh_there_and_back, NULL);
    hf_micro_register("map/find", map_find, counts);
    hf_micro_register("hash/key", hash_key, keys);
    hf_micro_register("crc32c", crc, sums);
    hf_micro_register("codec/parse_set", parse_set, NULL);
    hf_micro_register("codec/write_bulk", write_bulk, values);
}
