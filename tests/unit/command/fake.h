/* A session for tests: the smallest world in which commands run. A view over a sorted array, a
 * clock that the test sets, pending escrow additions that the test makes up, SCAN's cursors,
 * COMMAND; nothing else.
 */
#ifndef HF_TESTS_COMMAND_FAKE_H
#define HF_TESTS_COMMAND_FAKE_H
#include "engine/command/command.h"

enum { FAKE_PENDING_MAX = 8 };

typedef struct fake_entry {
    hf_bytes key;
    hf_value value; /* its bytes are our own */
} fake_entry;

typedef struct fake_pending {
    hf_bytes key;
    hf_bytes field;
    hf_escrow_pending sums;
} fake_pending;

typedef struct fake_world {
    void *region;
    hf_heap *heap;
    hf_buf mutations;
    hf_buf reply;
    hf_buf scratch;
    hf_view view;
    fake_entry *entries;
    uint32_t count;
    uint32_t capacity;
    fake_pending pending[FAKE_PENDING_MAX];
    uint32_t pending_count;
    hf_scan_cursors *cursors;
    hf_ran ran; /* of the last command */
} fake_world;

void fake_open(fake_world *fake, size_t heap_size);
void fake_close(fake_world *fake);
static inline void fake_set_ms(fake_world *fake, uint64_t ms)
{
    fake->view.ts = ms * 1000000u;
}
/* Runs one command as a client's and applies what it wrote; fake->reply is set anew. */
void fake_run(fake_world *fake, const hf_bytes *args, uint32_t argc);
/* The same from words of an inline request. */
void fake_do(fake_world *fake, const char *line);
/* fake_do, and the reply must be these bytes. */
void fake_expect(fake_world *fake, const char *line, const char *reply);

/* The reply as redis-cli would show it, with a line end after each line; freed by the caller. */
char *fake_show(hf_bytes reply);

#endif
