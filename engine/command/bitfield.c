/* BITFIELD: integers of any width at any bit. Arithmetic is done in 128 bits, so that overflow is a
 * comparison. */
#include "engine/command/command_impl.h"

__extension__ typedef __int128 wide;

typedef enum bitfield_op { BITFIELD_GET, BITFIELD_SET, BITFIELD_INCRBY } bitfield_op;
typedef enum bitfield_overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL } bitfield_overflow;

typedef struct bitfield_step {
    bitfield_op op;
    bitfield_overflow overflow;
    bool is_signed;
    uint32_t bits;
    uint64_t offset;
    int64_t value;
} bitfield_step;

/* ---- Parsing ---- */

static bool parse_type(const hf_call *call, uint32_t index, bitfield_step *step)
{
    hf_bytes text = call->args[index];
    int64_t bits = 0;
    bool good = text.size > 1 && (text.data[0] == 'i' || text.data[0] == 'u') &&
                hf_int_from_text(hf_bytes_of(text.data + 1, text.size - 1), &bits);
    step->is_signed = good && text.data[0] == 'i';
    if (!good || bits < 1 || bits > (step->is_signed ? 64 : 63)) {
        hf_command__error(call, "ERR Invalid bitfield type. Use something like i16 u8. Note that "
                                "u64 is not supported but i64 is.");
        return false;
    }
    step->bits = (uint32_t)bits;
    return true;
}

/* "n", or "#n": n times the width. */
static bool parse_offset(const hf_call *call, uint32_t index, bitfield_step *step)
{
    hf_bytes text = call->args[index];
    int64_t offset = 0;
    bool scaled = text.size != 0 && text.data[0] == '#';
    text = scaled ? hf_bytes_of(text.data + 1, text.size - 1) : text;
    bool good = hf_int_from_text(text, &offset) && offset >= 0 &&
                !(scaled && offset > INT64_MAX / (int64_t)step->bits);
    offset = good && scaled ? offset * step->bits : offset;
    if (!good || (offset >> 3) >= 512 * 1024 * 1024) {
        hf_command__error(call, "ERR bit offset is not an integer or out of range");
        return false;
    }
    step->offset = (uint64_t)offset;
    return true;
}

static bool parse_overflow(const hf_call *call, uint32_t index, bitfield_overflow *overflow)
{
    if (hf_command__is(call->args[index], "WRAP")) {
        *overflow = OVERFLOW_WRAP;
    } else if (hf_command__is(call->args[index], "SAT")) {
        *overflow = OVERFLOW_SAT;
    } else if (hf_command__is(call->args[index], "FAIL")) {
        *overflow = OVERFLOW_FAIL;
    } else {
        hf_command__error(call, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

/* One step at `*index`, which moves behind it. False: the error is written. */
static bool parse_step(const hf_call *call, uint32_t *index, bitfield_step *step, bool *is_step)
{
    uint32_t left = call->argc - *index - 1;
    hf_bytes name = call->args[*index];
    *is_step = true;
    if (hf_command__is(name, "GET") && left >= 2) {
        step->op = BITFIELD_GET;
    } else if (hf_command__is(name, "SET") && left >= 3) {
        step->op = BITFIELD_SET;
    } else if (hf_command__is(name, "INCRBY") && left >= 3) {
        step->op = BITFIELD_INCRBY;
    } else if (hf_command__is(name, "OVERFLOW") && left >= 1) {
        *is_step = false;
        *index += 2;
        return parse_overflow(call, *index - 1, &step->overflow);
    } else {
        hf_command__syntax(call);
        return false;
    }
    if (!parse_type(call, *index + 1, step) || !parse_offset(call, *index + 2, step)) {
        return false;
    }
    if (step->op != BITFIELD_GET && !hf_command__integer(call, *index + 3, &step->value)) {
        return false;
    }
    *index += step->op == BITFIELD_GET ? 3 : 4;
    return true;
}

/* All steps; `end`: bytes that the writing ones need. */
static bool parse_steps(const hf_call *call, bool only_get, hf_buf *steps, uint64_t *end)
{
    bitfield_step step = { .overflow = OVERFLOW_WRAP };
    bool writes = false;
    for (uint32_t i = 2; i < call->argc;) {
        bool is_step = false;
        if (!parse_step(call, &i, &step, &is_step)) {
            return false;
        }
        if (!is_step) {
            continue;
        }
        hf_buf_raw(steps, &step, sizeof step);
        if (step.op != BITFIELD_GET) {
            uint64_t need = (step.offset + step.bits - 1) / 8 + 1;
            *end = need > *end ? need : *end;
            writes = true;
        }
    }
    if (only_get && writes) {
        hf_command__error(call, "ERR BITFIELD_RO only supports the GET subcommand");
        return false;
    }
    return !hf_command__failed(call, steps);
}

/* ---- Running ---- */

static uint64_t read_bits(hf_bytes bytes, uint64_t offset, uint32_t bits)
{
    uint64_t value = 0;
    for (uint64_t i = offset; i < offset + bits; i++) {
        uint64_t bit = i / 8 < bytes.size ? (uint64_t)bytes.data[i / 8] >> (7 - i % 8) & 1 : 0;
        value = value << 1 | bit;
    }
    return value;
}

static void write_bits(uint8_t *data, uint64_t offset, uint32_t bits, uint64_t value)
{
    HF_ASSERT(data != NULL);
    for (uint32_t i = 0; i < bits; i++) {
        uint64_t at = offset + i;
        uint8_t mask = (uint8_t)(1u << (7 - at % 8));
        bool on = (value >> (bits - 1 - i) & 1) != 0;
        data[at / 8] = (uint8_t)(on ? data[at / 8] | mask : data[at / 8] & ~mask);
    }
}

/* The low bits as the number that they stand for. */
static int64_t as_number(uint64_t raw, const bitfield_step *step)
{
    if (step->bits == 64) {
        return (int64_t)raw;
    }
    raw &= ((uint64_t)1 << step->bits) - 1;
    bool negative = step->is_signed && (raw >> (step->bits - 1) & 1) != 0;
    return negative ? (int64_t)(raw | UINT64_MAX << step->bits) : (int64_t)raw;
}

/* The value that the step stores; false: it overflows and is to fail. */
static bool stored(const bitfield_step *step, int64_t old, int64_t *result)
{
    wide exact = step->op == BITFIELD_INCRBY ? (wide)old + step->value : (wide)step->value;
    wide max = step->is_signed ? ((wide)1 << (step->bits - 1)) - 1 : ((wide)1 << step->bits) - 1;
    wide min = step->is_signed ? -max - 1 : 0;
    if (step->op == BITFIELD_SET && !step->is_signed) {
        exact =
            (wide)(uint64_t)step->value; /* as Redis reads it: a negative number is a large one */
    }
    if (exact >= min && exact <= max) {
        *result = (int64_t)exact;
        return true;
    }
    if (step->overflow == OVERFLOW_FAIL) {
        return false;
    }
    if (step->overflow == OVERFLOW_SAT) {
        *result = (int64_t)(exact > max ? max : min);
    } else {
        *result = as_number((uint64_t)exact, step);
    }
    return true;
}

/* `data` is where to write; NULL if no step writes. */
static void run_step(hf_view *view, const hf_call *call, const bitfield_step *step, hf_bytes bytes,
                     uint8_t *data)
{
    int64_t old = as_number(read_bits(bytes, step->offset, step->bits), step);
    int64_t value = 0;
    if (step->op == BITFIELD_GET) {
        hf_resp_integer(call->reply, old);
        return;
    }
    if (!stored(step, old, &value)) {
        hf_resp_null(call->reply, view->proto);
        return;
    }
    write_bits(data, step->offset, step->bits, (uint64_t)value);
    hf_resp_integer(call->reply, step->op == BITFIELD_SET ? old : value);
}

static void run_steps(hf_view *view, const hf_call *call, const hf_buf *steps, hf_bytes bytes,
                      uint8_t *data)
{
    uint32_t count = steps->size / (uint32_t)sizeof(bitfield_step);
    const bitfield_step *step = (const bitfield_step *)(const void *)steps->data;
    hf_resp_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++) {
        run_step(view, call, &step[i], bytes, data);
    }
}

static void run_writing(hf_view *view, const hf_call *call, const hf_text *text,
                        const hf_buf *steps, uint32_t end)
{
    uint32_t size = end > text->bytes.size ? end : text->bytes.size;
    hf_buf whole = hf_command__scratch(call);
    uint8_t *at = hf_buf_extend(&whole, size);
    if (!hf_command__failed(call, &whole)) {
        memset(at, 0, size);
        if (text->bytes.size != 0) {
            memcpy(at, text->bytes.data, text->bytes.size);
        }
        run_steps(view, call, steps, hf_buf_view(&whole), at);
        /* Also when every step overflowed: Redis has then made the string longer. */
        hf_command__put_text(view, call->args[1], hf_buf_view(&whole), text->expire_ms);
    }
    hf_buf_close(&whole);
}

static hf_ran bitfield(hf_view *view, const hf_call *call, bool only_get)
{
    hf_text text;
    uint64_t end = 0;
    hf_buf steps = hf_command__scratch(call);
    if (parse_steps(call, only_get, &steps, &end) &&
        hf_command__text(view, call, call->args[1], &text) && hf_command__fits(call, end)) {
        if (end == 0) {
            run_steps(view, call, &steps, text.bytes, NULL);
        } else {
            run_writing(view, call, &text, &steps, (uint32_t)end);
        }
    }
    hf_buf_close(&steps);
    return HF_RAN_OK;
}

hf_ran hf_command__run_bitfield(hf_view *view, const hf_call *call)
{
    return bitfield(view, call, false);
}

hf_ran hf_command__run_bitfield_ro(hf_view *view, const hf_call *call)
{
    return bitfield(view, call, true);
}
