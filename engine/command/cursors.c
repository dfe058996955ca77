/* A cursor is turn x capacity + slot + 1, with turn counting up for each slot: a forgotten one is
 * never taken for its successor. Slots are used in the order of a list, the longest unused first.
 */
#include "engine/command/command_impl.h"

#define NO_SLOT UINT32_MAX

typedef struct cursor_slot {
    hf_buf key;
    uint64_t turn;
    uint64_t word;
    uint32_t older;
    uint32_t newer;
    bool used;
} cursor_slot;

struct hf_scan_cursors {
    uint32_t capacity;
    uint32_t oldest;
    uint32_t newest;
    cursor_slot slots[];
};

size_t hf_scan_cursors_size(uint32_t capacity)
{
    return sizeof(hf_scan_cursors) + (size_t)capacity * sizeof(cursor_slot);
}

hf_scan_cursors *hf_scan_cursors_open(void *at, uint32_t capacity, hf_heap *heap)
{
    HF_PRE(capacity != 0);
    hf_scan_cursors *cursors = at;
    cursors->capacity = capacity;
    cursors->oldest = 0;
    cursors->newest = capacity - 1;
    for (uint32_t i = 0; i < capacity; i++) {
        cursors->slots[i] = (cursor_slot){ .older = i == 0 ? NO_SLOT : i - 1,
                                           .newer = i + 1 == capacity ? NO_SLOT : i + 1 };
        hf_buf_open(&cursors->slots[i].key, heap);
    }
    return cursors;
}

void hf_scan_cursors_close(hf_scan_cursors *cursors)
{
    for (uint32_t i = 0; i < cursors->capacity; i++) {
        hf_buf_close(&cursors->slots[i].key);
    }
}

static void make_newest(hf_scan_cursors *cursors, uint32_t index)
{
    cursor_slot *slot = &cursors->slots[index];
    if (cursors->newest == index) {
        return;
    }
    if (slot->older == NO_SLOT) {
        cursors->oldest = slot->newer;
    } else {
        cursors->slots[slot->older].newer = slot->newer;
    }
    cursors->slots[slot->newer].older = slot->older;
    slot->older = cursors->newest;
    slot->newer = NO_SLOT;
    cursors->slots[cursors->newest].newer = index;
    cursors->newest = index;
}

uint64_t hf_scan_cursors_put(hf_scan_cursors *cursors, hf_bytes key, uint64_t word)
{
    uint32_t index = cursors->oldest;
    cursor_slot *slot = &cursors->slots[index];
    if (slot->used) {
        slot->turn++;
    }
    slot->used = false;
    hf_buf_reset(&slot->key);
    hf_buf_raw(&slot->key, key.data, key.size);
    if (slot->key.failed) {
        return 0;
    }
    slot->used = true;
    slot->word = word;
    make_newest(cursors, index);
    return slot->turn * cursors->capacity + index + 1;
}

bool hf_scan_cursors_get(hf_scan_cursors *cursors, uint64_t cursor, hf_bytes *key, uint64_t *word)
{
    if (cursor == 0) {
        return false;
    }
    uint32_t index = (uint32_t)((cursor - 1) % cursors->capacity);
    cursor_slot *slot = &cursors->slots[index];
    if (!slot->used || slot->turn != (cursor - 1) / cursors->capacity) {
        return false;
    }
    make_newest(cursors, index);
    *key = hf_buf_view(&slot->key);
    *word = slot->word;
    return true;
}
