/* The commands behind standard input and output, for against_redis.py: RESP requests in, replies
 * out. The first word
 * "@ms" is the test's: it sets the clock. HELLO 2 and HELLO 3 choose the protocol. */
#include "engine/base/assert.h"
#include "tests/unit/command/fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { INPUT_MAX = 32 * 1024 * 1024, HEAP = 256 * 1024 * 1024, ARGS_MAX = 65536 };

static void write_all(const uint8_t *data, size_t size)
{
    while (size != 0) {
        ssize_t done = write(1, data, size);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            exit(1);
        }
        data += done;
        size -= (size_t)done;
    }
}

static void one(fake_world *fake, const hf_bytes *args, uint32_t argc)
{
    if (hf_bytes_equal(args[0], HF_LIT("@ms"))) {
        int64_t ms = 0;
        HF_ASSERT(argc == 2 && hf_int_from_text(args[1], &ms));
        fake_set_ms(fake, (uint64_t)ms);
        hf_buf_reset(&fake->reply);
        hf_resp_simple(&fake->reply, "OK");
    } else if (hf_bytes_equal(args[0], HF_LIT("HELLO"))) {
        HF_ASSERT(argc == 2);
        fake->view.proto = (uint8_t)(args[1].data[0] - '0');
        hf_buf_reset(&fake->reply);
        hf_resp_simple(&fake->reply, "OK");
    } else {
        fake_run(fake, args, argc);
    }
    if (fake->reply.failed) {
        hf_buf_reset(&fake->reply);
        hf_command_no_memory(&fake->reply);
    }
    write_all(fake->reply.data, fake->reply.size);
}

int main(void)
{
    static uint8_t input[INPUT_MAX];
    static hf_bytes args[ARGS_MAX];
    uint32_t start = 0;
    uint32_t end = 0;
    fake_world fake;
    hf_buf list;
    hf_resp_parser parser;
    fake_open(&fake, HEAP);
    hf_buf_open(&list, fake.heap);
    hf_resp_parser_open(&parser);
    for (;;) {
        uint32_t used = 0;
        hf_resp_state state = hf_resp_parse(&parser, input + start, end - start, &list, &used);
        HF_ASSERT(state != HF_RESP_BAD);
        if (state == HF_RESP_COMMAND) {
            HF_ASSERT(parser.argc <= ARGS_MAX);
            const hf_resp_arg *arg = (const hf_resp_arg *)(const void *)list.data;
            for (uint32_t i = 0; i < parser.argc; i++) {
                args[i] = hf_bytes_of(input + start + arg[i].offset, arg[i].size);
            }
            if (parser.argc != 0) {
                one(&fake, args, parser.argc);
            }
            start += used;
            continue;
        }
        memmove(input, input + start, end - start);
        end -= start;
        start = 0;
        HF_ASSERT(end < INPUT_MAX);
        ssize_t got = read(0, input + end, INPUT_MAX - end);
        if (got <= 0) {
            break;
        }
        end += (uint32_t)got;
    }
    hf_buf_close(&list);
    fake_close(&fake);
    return 0;
}
