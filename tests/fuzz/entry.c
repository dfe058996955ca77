/* A record of a shard's log as `holdfast log` shows it: its kind, two bytes, then its data. A
 * record of which a byte is missing is not shown as whole, but for those that end in changes, where
 * the byte may have been one more of them. */
#include "engine/shard/entry.h"
#include "engine/base/assert.h"
#include "tests/fuzz/fuzz.h"
#include "tools/holdfast/store.h"

#include <stdlib.h>
#include <string.h>

enum { TAKEN_MAX = 1 << 16 };

/* ---- The tool's memory ---- */

static void *taken[TAKEN_MAX];
static size_t taken_count;

void *hf_tool_take(size_t size)
{
    HF_ASSERT(taken_count < TAKEN_MAX);
    void *at = calloc(1, size);
    HF_ASSERT(at != NULL);
    taken[taken_count++] = at;
    return at;
}

int hf_tool_say(hf_tool_exit code, const char *format, ...)
{
    (void)format;
    return (int)code;
}

/* ---- The target ---- */

static bool whole(uint16_t kind, const uint8_t *data, size_t size)
{
    hf_tree map = { .kind = HF_TREE_MAP };
    hf_log_record record = { .lsn = 1, .kind = kind, .data = hf_bytes_of(data, (uint32_t)size) };
    bool good = hf_entry_describe(&record, &map);
    HF_ASSERT(hf_tree_find(&map, "kind") != NULL);
    while (taken_count > 0) {
        free(taken[--taken_count]);
    }
    return good;
}

static bool has_an_end(uint16_t kind)
{
    return kind == HF_ENTRY_TOMBSTONE || kind == HF_ENTRY_RANGE || kind == HF_ENTRY_CLOCK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint16_t kind;
    if (size < sizeof kind || size > 1 << 16) {
        return 0;
    }
    memcpy(&kind, data, sizeof kind);
    data += sizeof kind;
    size -= sizeof kind;
    bool good = whole(kind, data, size);
    if (good && has_an_end(kind)) {
        uint8_t *less = malloc(size); /* so that a sanitizer sees a read of the byte */
        HF_ASSERT(less != NULL);
        memcpy(less, data, size - 1);
        HF_ASSERT(!whole(kind, less, size - 1));
        free(less);
    }
    HF_ASSERT(!good || (kind >= HF_ENTRY_COMMIT && kind <= HF_ENTRY_FINALIZE));
    return 0;
}
