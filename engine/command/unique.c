#include "engine/command/command_impl.h"

enum { UNIQUE_PAIRWISE = 8 };

bool hf_command__unique_open(hf_unique *unique, hf_view *view, const hf_call *call, uint32_t first,
                             uint32_t step)
{
    uint32_t count = call->argc > first ? (call->argc - first + step - 1) / step : 0;
    *unique = (hf_unique){ .args = call->args, .seed = view->draw, .step = step, .first = first };
    unique->slots = hf_command__scratch(call);
    if (count <= UNIQUE_PAIRWISE) {
        return true;
    }
    uint32_t slots = 16;
    while (slots < count * 2) {
        slots *= 2;
    }
    unique->mask = slots - 1;
    uint8_t *at = hf_buf_extend(&unique->slots, slots * (uint32_t)sizeof(uint32_t));
    if (hf_command__failed(call, &unique->slots)) {
        return false;
    }
    memset(at, 0, unique->slots.size);
    return true;
}

static uint64_t hash_of(hf_bytes text, uint64_t seed)
{
    uint64_t hash = seed ^ text.size;
    uint64_t word = 0;
    for (uint32_t i = 0; i < text.size; i += 8) {
        uint32_t left = text.size - i;
        word = 0;
        memcpy(&word, text.data + i, left < 8 ? left : 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return hash ^ (hash >> 32);
}

bool hf_command__unique_add(hf_unique *unique, uint32_t index)
{
    hf_bytes wanted = unique->args[index];
    if (unique->mask == 0) {
        for (uint32_t i = unique->first; i < index; i += unique->step) {
            if (hf_bytes_equal(unique->args[i], wanted)) {
                return false;
            }
        }
        return true;
    }
    uint32_t *slots =
        (uint32_t *)(void *)unique->slots.data; /* 0: empty; no list starts at index 0 */
    uint32_t at = (uint32_t)hash_of(wanted, unique->seed) & unique->mask;
    while (slots[at] != 0) {
        if (hf_bytes_equal(unique->args[slots[at]], wanted)) {
            return false;
        }
        at = (at + 1) & unique->mask;
    }
    slots[at] = index;
    return true;
}

void hf_command__unique_close(hf_unique *unique)
{
    hf_buf_close(&unique->slots);
}
