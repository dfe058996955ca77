/* A connection between nodes, from the greeting on. The first byte: 1 the greeting is the fuzzer's
 * (its checksum made good), else a proper one comes first; 2 the checksums of frames are made good;
 * the rest of it, plus one: how many bytes come at a time (255: all). What comes is done at once,
 * or kept, by a bit of the second byte; messages go out beside.
 */
#include "engine/base/assert.h"
#include "net/link/link_impl.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

enum { INPUT_MAX = 1 << 13, HEAP = 1 << 20, HELD_MAX = 64 };

static _Alignas(65536) uint8_t memory[HEAP];
static const hf_link_options options = {
    .limits = { .message_max = { 512, 4096, 4096, 65536 },
                .window = { 1024, 8192, 4096, 65536 },
                .queue = 4 },
    .cluster = { { 1 } },
    .node = 2,
    .start = 1,
    .disk = 9,
    .format_least = 1,
    .format_most = 1,
    .greet_ns = 100,
    .ping_ns = 10,
    .silent_ns = 100,
};

typedef struct run {
    hf_link *link;
    hf_link_message held[HELD_MAX];
    uint32_t held_count;
    uint64_t now;
    bool keeps;
} run;

static void came(run *r, hf_link_message *m)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < m->bytes.size; i++) {
        sum += m->bytes.data[i];
    }
    HF_ASSERT(sum <= UINT64_C(255) * m->bytes.size && m->bytes.size != 0);
    HF_ASSERT(m->bytes.size <= options.limits.message_max[m->stream]);
    if (r->keeps && r->held_count < HELD_MAX) {
        r->held[r->held_count++] = *m;
    } else {
        hf_link_done(r->link, m);
    }
}

static void go_out(run *r)
{
    static uint8_t out[HF_LINK_OUTPUT_MIN];
    static const hf_bytes part = { (const uint8_t *)"message", 7 };
    hf_link_sent back;
    for (uint32_t i = 0; i < HF_LINK_STREAMS; i++) {
        hf_err err = hf_link_send(r->link, (hf_link_stream)i, &part, 1, i);
        HF_ASSERT(err == HF_OK || err == HF_E_BUSY || err == HF_E_CLOSED || err == HF_E_FULL ||
                  err == HF_E_TOOBIG);
    }
    while (hf_link_has_output(r->link)) {
        HF_ASSERT(hf_link_output(r->link, r->now, out, sizeof out) != 0);
    }
    while (hf_link_take_back(r->link, &back)) {
    }
}

/* Answers whether there is more to take. */
static bool take(run *r, hf_bytes *input)
{
    hf_link_message m;
    hf_link_event event = hf_link_input(r->link, r->now, input, &m);
    hf_link_check(r->link);
    if (event == HF_LINK_MESSAGE) {
        came(r, &m);
    } else if (event == HF_LINK_GREETED) {
        HF_ASSERT(hf_link_accept(r->link, &(hf_link_known){ 0 }, r->now));
    }
    const char *words;
    HF_ASSERT((event == HF_LINK_ENDED) == (hf_link_end(r->link, &words) != HF_OK));
    HF_ASSERT(event != HF_LINK_ENDED || words[0] != 0);
    return event != HF_LINK_MORE && event != HF_LINK_ENDED;
}

static void put(run *r, const uint8_t *data, size_t size)
{
    hf_bytes input = hf_bytes_of(data, size);
    while (take(r, &input)) {
    }
    r->now++;
    hf_link_tick(r->link, r->now);
}

static void put_block(run *r, uint8_t *block, uint16_t size)
{
    memcpy(block + 12, &size, sizeof size);
    uint32_t crc = hf_crc32c(0, block + 12, size - 12u);
    memcpy(block + 8, &crc, sizeof crc);
    put(r, block, size);
}

static void greet(run *r)
{
    static _Alignas(16) uint8_t other[16384];
    uint8_t block[HF_LINK__GREETING + HF_LINK__AGREEMENT];
    hf_link_options o = options;
    o.node = 1;
    HF_ASSERT(hf_link_size(&o) <= sizeof other);
    hf_link *peer = hf_link_open(other, &o, NULL, 2, 1, 0);
    memcpy(block, peer->talk, HF_LINK__GREETING);
    put(r, block, HF_LINK__GREETING);
    memset(block, 0, HF_LINK__AGREEMENT);
    memcpy(block, "HFLINK-A", 8);
    block[16] = 1;
    put_block(r, block, HF_LINK__AGREEMENT);
}

/* Frame by frame, each with a checksum that is right. */
static void put_frames(run *r, uint8_t *data, size_t size)
{
    const char *words;
    while (size >= HF_LINK_FRAME_HEAD && hf_link_end(r->link, &words) == HF_OK) {
        hf_link__frame f;
        memcpy(&f, data, sizeof f);
        f.size = f.size % (HF_LINK_FRAME_MAX + 2);
        uint32_t left = (uint32_t)size - HF_LINK_FRAME_HEAD;
        f.size = f.size < left ? f.size : left;
        memcpy(data, &f, sizeof f);
        f.crc = hf_crc32c(r->link->receive_crc, data + 4, sizeof f - 4 + f.size);
        memcpy(data, &f.crc, sizeof f.crc);
        put(r, data, sizeof f + f.size);
        data += sizeof f + f.size;
        size -= sizeof f + f.size;
        go_out(r);
    }
}

static void put_in_steps(run *r, const uint8_t *data, size_t size, size_t step)
{
    while (size != 0) {
        size_t some = step < size ? step : size;
        uint8_t *exact = malloc(some);
        HF_ASSERT(exact != NULL);
        memcpy(exact, data, some);
        put(r, exact, some);
        free(exact);
        data += some;
        size -= some;
        go_out(r);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(16) uint8_t block[16384];
    static uint8_t copy[INPUT_MAX];
    if (size < 2 || size > INPUT_MAX) {
        return 0;
    }
    HF_ASSERT(hf_link_size(&options) <= sizeof block);
    hf_heap *heap = hf_heap_open(memory, sizeof memory);
    run r = { .keeps = (data[1] & 1) != 0 };
    r.link = hf_link_open(block, &options, heap, 0, 1, 0);
    uint32_t how = data[0];
    data += 2;
    size -= 2;
    memcpy(copy, data, size);
    if ((how & 1) == 0) {
        greet(&r);
    } else if (size >= HF_LINK__GREETING) {
        put_block(&r, copy, HF_LINK__GREETING);
        data += HF_LINK__GREETING;
        size -= HF_LINK__GREETING;
        memmove(copy, copy + HF_LINK__GREETING, size);
    }
    if ((how & 2) != 0) {
        put_frames(&r, copy, size);
    } else {
        put_in_steps(&r, copy, size, (how >> 2) == 63 ? INPUT_MAX : (how >> 2) + 1);
    }
    for (uint32_t i = 0; i < r.held_count; i++) {
        hf_link_done(r.link, &r.held[i]);
    }
    hf_link_check(r.link);
    hf_link_shut(r.link);
    HF_ASSERT(hf_heap_lent(heap) == 0);
    hf_heap_close(heap);
    return 0;
}
