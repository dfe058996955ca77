/* Requests: the input whole and byte by byte must give the same commands, or the same error. */
#include "net/wire/resp.h"
#include "engine/base/assert.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

enum { REGION = 4 * 1024 * 1024, SPAN = 64 * 1024, BYTEWISE_MAX = 4096 };

typedef struct seen {
    hf_resp_state state;
    uint32_t commands;
    uint64_t hash; /* of all arguments */
    uint32_t used;
    char error[96];
} seen;

static uint64_t mix(uint64_t hash, const uint8_t *data, uint32_t size)
{
    hash = (hash ^ size) * 1099511628211u;
    for (uint32_t i = 0; i < size; i++) {
        hash = (hash ^ data[i]) * 1099511628211u;
    }
    return hash;
}

/* All commands of data[0, size), given `step` bytes at a time (0: at once). */
static seen parse_all(hf_buf *args, const uint8_t *input, uint32_t size, uint32_t step)
{
    seen result = { .state = HF_RESP_MORE };
    hf_resp_parser parser;
    uint8_t *data = malloc(size == 0 ? 1 : size);
    HF_ASSERT(data != NULL);
    if (size != 0) {
        memcpy(data, input, size); /* inline requests are unquoted in place */
    }
    hf_resp_parser_open(&parser);
    for (uint32_t given = step == 0 ? size : step; result.state != HF_RESP_BAD; given += step) {
        given = given < size ? given : size;
        for (;;) {
            uint32_t used = 0;
            result.state =
                hf_resp_parse(&parser, data + result.used, given - result.used, args, &used);
            if (result.state != HF_RESP_COMMAND) {
                break;
            }
            HF_ASSERT(used != 0 && used <= given - result.used);
            const hf_resp_arg *arg = (const hf_resp_arg *)(const void *)args->data;
            for (uint32_t i = 0; i < parser.argc; i++) {
                HF_ASSERT((uint64_t)arg[i].offset + arg[i].size <= used);
                result.hash = mix(result.hash, data + result.used + arg[i].offset, arg[i].size);
            }
            result.commands++;
            result.used += used;
        }
        if (given == size) {
            break;
        }
    }
    memcpy(result.error, parser.error, sizeof result.error);
    free(data);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *region;
    if (region == NULL) {
        region = aligned_alloc(SPAN, REGION);
        HF_ASSERT(region != NULL);
    }
    hf_heap *heap = hf_heap_open(region, REGION);
    hf_buf args;
    hf_buf_open(&args, heap);
    seen whole = parse_all(&args, data, (uint32_t)size, 0);
    if (size <= BYTEWISE_MAX) {
        seen bytewise = parse_all(&args, data, (uint32_t)size, 1);
        HF_ASSERT(whole.state == bytewise.state);
        HF_ASSERT(whole.commands == bytewise.commands && whole.hash == bytewise.hash);
        HF_ASSERT(whole.used == bytewise.used);
        HF_ASSERT(memcmp(whole.error, bytewise.error, sizeof whole.error) == 0);
    }
    uint32_t reply = hf_resp_reply_size(hf_bytes_of(data, size));
    HF_ASSERT(reply <= size);
    HF_ASSERT(reply == 0 || hf_resp_reply_size(hf_bytes_of(data, reply)) == reply);
    hf_buf_close(&args);
    hf_heap_close(heap);
    return 0;
}
