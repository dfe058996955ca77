#include "engine/base/uuid.h"

/* Where in the text a dash stands instead of a digit. */
static bool is_dash(uint32_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

hf_err hf_uuid_parse(hf_bytes text, hf_uuid *out)
{
    if (text.size != HF_UUID_TEXT) {
        return HF_E_INVALID;
    }
    hf_uuid uuid;
    uint32_t byte = 0;
    for (uint32_t at = 0; at < HF_UUID_TEXT;) {
        if (is_dash(at)) {
            if (text.data[at] != '-') {
                return HF_E_INVALID;
            }
            at++;
            continue;
        }
        int high = digit(text.data[at]);
        int low = digit(text.data[at + 1]);
        if (high < 0 || low < 0) {
            return HF_E_INVALID;
        }
        uuid.bytes[byte++] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *out = uuid;
    return HF_OK;
}

void hf_uuid_format(const hf_uuid *uuid, char out[HF_UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    uint32_t byte = 0;
    for (uint32_t at = 0; at < HF_UUID_TEXT;) {
        if (is_dash(at)) {
            out[at++] = '-';
            continue;
        }
        out[at++] = digits[uuid->bytes[byte] >> 4];
        out[at++] = digits[uuid->bytes[byte] & 15];
        byte++;
    }
}

uint32_t hf_uuid_version(const hf_uuid *uuid)
{
    uint32_t version = uuid->bytes[6] >> 4;
    return uuid->bytes[8] >> 6 == 2 && version <= 8 ? version : 0;
}

uint64_t hf_uuid_v7_ms(const hf_uuid *uuid)
{
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms << 8 | uuid->bytes[i];
    }
    return ms;
}

hf_uuid hf_uuid_make_v7(uint64_t ms, uint64_t random_a, uint64_t random_b)
{
    uint64_t high = ms << 16 | UINT64_C(0x7000) | (random_a & 0xfff);
    uint64_t low = UINT64_C(1) << 63 | (random_b & ((UINT64_C(1) << 62) - 1));
    hf_uuid uuid;
    for (int i = 0; i < 8; i++) {
        uuid.bytes[i] = (uint8_t)(high >> (56 - 8 * i));
        uuid.bytes[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    return uuid;
}
