/* Strings as arrays of bits; bit 0 is the highest of byte 0. */
#include "engine/command/command_impl.h"

static bool bit_offset(const hf_call *call, uint32_t index, int64_t *offset)
{
    static const char text[] = "ERR bit offset is not an integer or out of range";
    if (!hf_command__integer_or(call, index, offset, text)) {
        return false;
    }
    if (*offset < 0 || (*offset >> 3) >= 512 * 1024 * 1024) {
        hf_command__error(call, text);
        return false;
    }
    return true;
}

static int bit_at(hf_bytes bytes, int64_t offset)
{
    int64_t byte = offset >> 3;
    return byte < (int64_t)bytes.size ? bytes.data[byte] >> (7 - (offset & 7)) & 1 : 0;
}

hf_ran hf_command__run_getbit(hf_view *view, const hf_call *call)
{
    int64_t offset = 0;
    hf_text text;
    if (bit_offset(call, 2, &offset) && hf_command__text(view, call, call->args[1], &text)) {
        hf_resp_integer(call->reply, bit_at(text.bytes, offset));
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_setbit(hf_view *view, const hf_call *call)
{
    static const char bad_bit[] = "ERR bit is not an integer or out of range";
    int64_t offset = 0;
    int64_t on = 0;
    hf_text text;
    if (!bit_offset(call, 2, &offset) || !hf_command__integer_or(call, 3, &on, bad_bit)) {
        return HF_RAN_OK;
    }
    if (on != 0 && on != 1) {
        return hf_command__error(call, bad_bit);
    }
    if (!hf_command__text(view, call, call->args[1], &text) ||
        !hf_command__fits(call, (uint64_t)(offset >> 3) + 1)) {
        return HF_RAN_OK;
    }
    int old = bit_at(text.bytes, offset);
    uint32_t end = (uint32_t)(offset >> 3) + 1;
    if (end <= text.bytes.size && old == on) {
        return hf_command__int_reply(call, old);
    }
    hf_buf whole = hf_command__scratch(call);
    uint32_t size = end > text.bytes.size ? end : text.bytes.size;
    uint8_t *at = hf_buf_extend(&whole, size);
    if (!hf_command__failed(call, &whole)) {
        memset(at, 0, size);
        if (text.bytes.size != 0) {
            memcpy(at, text.bytes.data, text.bytes.size);
        }
        uint8_t mask = (uint8_t)(1u << (7 - (offset & 7)));
        at[end - 1] = (uint8_t)(on != 0 ? at[end - 1] | mask : at[end - 1] & ~mask);
        hf_command__put_text(view, call->args[1], hf_buf_view(&whole), text.expire_ms);
        hf_resp_integer(call->reply, old);
    }
    hf_buf_close(&whole);
    return HF_RAN_OK;
}

/* BYTE or BIT at `index`, if the call has it; false: neither. */
static bool range_unit(const hf_call *call, uint32_t index, bool *bits)
{
    *bits = false;
    if (index >= call->argc) {
        return true;
    }
    *bits = hf_command__is(call->args[index], "BIT");
    return *bits || hf_command__is(call->args[index], "BYTE");
}

/* Turns the clipped range into bits. */
static void in_bits(bool bits, int64_t *start, int64_t *end)
{
    if (!bits) {
        *start *= 8;
        *end = *end * 8 + 7;
    }
}

static int64_t count_bits(hf_bytes bytes, int64_t start, int64_t end)
{
    int64_t count = 0;
    for (; start <= end && (start & 7) != 0; start++) {
        count += bit_at(bytes, start);
    }
    for (; start <= end && (end & 7) != 7; end--) {
        count += bit_at(bytes, end);
    }
    const uint8_t *at = bytes.data + start / 8;
    int64_t left = start <= end ? (end - start + 1) / 8 : 0;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        count += __builtin_popcountll(word);
    }
    for (; left > 0; left--, at++) {
        count += __builtin_popcount(*at);
    }
    return count;
}

hf_ran hf_command__run_bitcount(hf_view *view, const hf_call *call)
{
    hf_text text;
    int64_t start = 0;
    int64_t end = -1;
    bool bits = false;
    if (!hf_command__text(view, call, call->args[1], &text)) {
        return HF_RAN_OK;
    }
    if (!text.found) {
        return hf_command__int_reply(call, 0);
    }
    if (call->argc == 3 || call->argc > 5) {
        return hf_command__syntax(call);
    }
    if (call->argc > 3) {
        if (!hf_command__integer(call, 2, &start) || !hf_command__integer(call, 3, &end)) {
            return HF_RAN_OK;
        }
        if (start < 0 && end < 0 && start > end) { /* Redis answers this before it reads on */
            return hf_command__int_reply(call, 0);
        }
        if (!range_unit(call, 4, &bits)) {
            return hf_command__syntax(call);
        }
    }
    int64_t total = (int64_t)text.bytes.size * (bits ? 8 : 1);
    if (!hf_command__clip(&start, &end, total)) {
        return hf_command__int_reply(call, 0);
    }
    in_bits(bits, &start, &end);
    return hf_command__int_reply(call, count_bits(text.bytes, start, end));
}

/* The first such bit in [start, end], -1 for none. */
static int64_t find_bit(hf_bytes bytes, int wanted, int64_t start, int64_t end)
{
    uint8_t boring = wanted != 0 ? 0 : 0xff;
    while (start <= end) {
        if ((start & 7) == 0 && bytes.data[start / 8] == boring) {
            start += 8;
        } else if (bit_at(bytes, start) == wanted) {
            return start;
        } else {
            start++;
        }
    }
    return -1;
}

/* The range of BITPOS; false: an error is written. Without `end` it goes to the last byte. */
static bool bitpos_range(const hf_call *call, int64_t *start, int64_t *end, bool *bits)
{
    if (call->argc > 6) {
        hf_command__syntax(call);
        return false;
    }
    if (call->argc > 3 && !hf_command__integer(call, 3, start)) {
        return false;
    }
    if (!range_unit(call, 5, bits)) {
        hf_command__syntax(call);
        return false;
    }
    return call->argc <= 4 || hf_command__integer(call, 4, end);
}

hf_ran hf_command__run_bitpos(hf_view *view, const hf_call *call)
{
    hf_text text;
    int64_t bit = 0;
    int64_t start = 0;
    int64_t end = -1;
    bool bits = false;
    if (!hf_command__integer(call, 2, &bit)) {
        return HF_RAN_OK;
    }
    if (bit != 0 && bit != 1) {
        return hf_command__error(call, "ERR The bit argument must be 1 or 0.");
    }
    if (!hf_command__text(view, call, call->args[1], &text)) {
        return HF_RAN_OK;
    }
    if (!text.found) {
        return hf_command__int_reply(call, bit != 0 ? -1 : 0);
    }
    if (!bitpos_range(call, &start, &end, &bits)) {
        return HF_RAN_OK;
    }
    int64_t total = (int64_t)text.bytes.size * (bits ? 8 : 1);
    bool open = call->argc <= 4; /* then what follows the string counts as zeros */
    start = start < 0 ? start + total : start;
    start = start < 0 ? 0 : start;
    if (!hf_command__clip(&start, &end, total)) {
        return hf_command__int_reply(call, -1);
    }
    in_bits(bits, &start, &end);
    int64_t found = find_bit(text.bytes, (int)bit, start, end);
    return hf_command__int_reply(call, found < 0 && bit == 0 && open ? end + 1 : found);
}
