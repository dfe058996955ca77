#include "engine/command/command_impl.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Whether the digits before the exponent, or any at all, say that the number is not 0. */
static bool says_more_than_zero(const char *text)
{
    bool hex = strpbrk(text, "xX") != NULL;
    for (const char *at = text; *at != 0 && strchr(hex ? "pP" : "eE", *at) == NULL; at++) {
        if (strchr(hex ? "123456789abcdefABCDEF" : "123456789", *at) != NULL) {
            return true;
        }
    }
    return false;
}

/* Told from the text and not from errno: too large ("inf" itself is let through), or too small to
 * be told from 0. */
static bool out_of_range(const char *text, long double value)
{
    bool digits = strpbrk(text, "0123456789") != NULL;
    return (isinf(value) && digits) || (fpclassify(value) == FP_ZERO && says_more_than_zero(text));
}

bool hf_command__float_from(hf_bytes text, long double *value)
{
    char copy[HF_FLOAT_TEXT_MAX];
    if (text.size == 0 || text.size >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    if (copy[0] == ' ' || (copy[0] >= '\t' && copy[0] <= '\r')) {
        return false;
    }
    char *end = NULL;
    *value = strtold(copy, &end);
    return (size_t)(end - copy) == text.size && !isnan(*value) && !out_of_range(copy, *value);
}

uint32_t hf_command__float_to(long double value, char text[HF_FLOAT_TEXT_MAX])
{
    int size = snprintf(text, HF_FLOAT_TEXT_MAX, "%.17Lf", value);
    HF_ASSERT(size > 0 && size < HF_FLOAT_TEXT_MAX); /* 4933 digits at most before the point */
    uint32_t count = (uint32_t)size;
    if (memchr(text, '.', count) != NULL) {
        while (text[count - 1] == '0') {
            count--;
        }
        count -= text[count - 1] == '.' ? 1 : 0;
    }
    if (count == 2 && text[0] == '-' && text[1] == '0') {
        text[0] = '0';
        count = 1;
    }
    return count;
}

uint64_t hf_command__draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
