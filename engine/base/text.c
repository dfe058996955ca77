#include "engine/base/text.h"

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

/* Reads digits from the start; *used says how many. */
static hf_err digits_of(hf_bytes text, uint64_t *out, uint32_t *used)
{
    uint64_t number = 0;
    uint32_t at = 0;
    bool fits = true;
    for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        fits = fits && !__builtin_mul_overflow(number, UINT64_C(10), &number) &&
               !__builtin_add_overflow(number, (uint64_t)(text.data[at] - '0'), &number);
    }
    if (at == 0) {
        return HF_E_INVALID;
    }
    *used = at;
    *out = number;
    return fits ? HF_OK : HF_E_RANGE;
}

hf_err hf_text_u64(hf_bytes text, uint64_t *out)
{
    uint64_t number;
    uint32_t used = 0;
    hf_err err = digits_of(text, &number, &used);
    if (used != text.size || used == 0) {
        return HF_E_INVALID;
    }
    if (err == HF_OK) {
        *out = number;
    }
    return err;
}

hf_err hf_text_i64(hf_bytes text, int64_t *out)
{
    bool minus = text.size != 0 && text.data[0] == '-';
    hf_bytes digits = minus ? hf_bytes_of(text.data + 1, text.size - 1) : text;
    if (digits.size != 0 && digits.data[0] == '0' && (minus || digits.size > 1)) {
        return HF_E_INVALID;
    }
    uint64_t number;
    hf_err err = hf_text_u64(digits, &number);
    if (err != HF_OK) {
        return err;
    }
    if (number > (uint64_t)INT64_MAX + (minus ? 1 : 0)) {
        return HF_E_RANGE;
    }
    *out = minus ? -(int64_t)(number - 1) - 1 : (int64_t)number;
    return HF_OK;
}

static hf_err number_with_unit(hf_bytes text, const unit *units, size_t count, uint64_t *out)
{
    uint64_t number;
    uint32_t used = 0;
    hf_err err = digits_of(text, &number, &used);
    if (err == HF_E_INVALID) {
        return err;
    }
    hf_bytes rest = hf_bytes_of(text.data + used, text.size - used);
    for (size_t i = 0; i < count; i++) {
        if (!hf_bytes_equal(rest, hf_bytes_of(units[i].name, strlen(units[i].name)))) {
            continue;
        }
        if (err != HF_OK || __builtin_mul_overflow(number, units[i].factor, &number)) {
            return HF_E_RANGE;
        }
        *out = number;
        return HF_OK;
    }
    return HF_E_INVALID;
}

hf_err hf_text_size(hf_bytes text, uint64_t *bytes)
{
    static const unit units[] = {
        { "", 1 },
        { "B", 1 },
        { "KiB", UINT64_C(1) << 10 },
        { "MiB", UINT64_C(1) << 20 },
        { "GiB", UINT64_C(1) << 30 },
        { "TiB", UINT64_C(1) << 40 },
    };
    return number_with_unit(text, units, sizeof units / sizeof units[0], bytes);
}

hf_err hf_text_duration(hf_bytes text, uint64_t *ns)
{
    static const unit units[] = {
        { "ns", 1 },
        { "us", UINT64_C(1000) },
        { "ms", UINT64_C(1000000) },
        { "s", UINT64_C(1000000000) },
        { "m", UINT64_C(60000000000) },
        { "h", UINT64_C(3600000000000) },
    };
    if (hf_bytes_equal(text, HF_LIT("0"))) {
        *ns = 0;
        return HF_OK;
    }
    return number_with_unit(text, units, sizeof units / sizeof units[0], ns);
}

uint32_t hf_text_put_u64(char out[HF_TEXT_NUMBER], uint64_t number)
{
    char reversed[HF_TEXT_NUMBER];
    uint32_t size = 0;
    do {
        reversed[size++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (uint32_t i = 0; i < size; i++) {
        out[i] = reversed[size - 1 - i];
    }
    out[size] = '\0';
    return size;
}

uint32_t hf_text_put_i64(char out[HF_TEXT_NUMBER], int64_t number)
{
    if (number >= 0) {
        return hf_text_put_u64(out, (uint64_t)number);
    }
    out[0] = '-';
    char digits[HF_TEXT_NUMBER];
    uint32_t size = hf_text_put_u64(digits, 0 - (uint64_t)number);
    memcpy(out + 1, digits, (size_t)size + 1);
    return size + 1;
}
