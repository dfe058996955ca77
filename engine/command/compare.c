#include "engine/command/command_impl.h"

bool hf_compare_parse(hf_bytes text, hf_compare *compare)
{
    static const struct {
        const char *name;
        hf_compare compare;
    } names[] = {
        { "=", HF_COMPARE_EQ },          { "==", HF_COMPARE_EQ },         { "EQ", HF_COMPARE_EQ },
        { "!=", HF_COMPARE_NE },         { "NE", HF_COMPARE_NE },         { "<", HF_COMPARE_LT },
        { "<=", HF_COMPARE_LE },         { ">", HF_COMPARE_GT },          { ">=", HF_COMPARE_GE },
        { "EXISTS", HF_COMPARE_EXISTS }, { "ABSENT", HF_COMPARE_ABSENT },
    };
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (hf_command__is(text, names[i].name)) {
            *compare = names[i].compare;
            return true;
        }
    }
    return false;
}

static int order_of(hf_bytes a, hf_bytes b)
{
    int64_t x = 0;
    int64_t y = 0;
    if (hf_int_from_text(a, &x) && hf_int_from_text(b, &y)) {
        return x < y ? -1 : x > y;
    }
    return hf_bytes_compare(a, b);
}

bool hf_compare_holds(hf_view *view, hf_bytes key, hf_compare compare, hf_bytes operand)
{
    hf_value value;
    hf_text text;
    view->ops->get(view, key, &value);
    bool is_text = hf_command__text_of(&value, &text);
    bool exists = value.kind != HF_KIND_NONE;
    if (compare == HF_COMPARE_EXISTS || compare == HF_COMPARE_ABSENT) {
        return exists == (compare == HF_COMPARE_EXISTS);
    }
    if (!is_text) {
        return false;
    }
    if (!exists) {
        return compare == HF_COMPARE_NE;
    }
    switch (compare) {
    case HF_COMPARE_EQ:
        return hf_bytes_equal(text.bytes, operand);
    case HF_COMPARE_NE:
        return !hf_bytes_equal(text.bytes, operand);
    case HF_COMPARE_LT:
        return order_of(text.bytes, operand) < 0;
    case HF_COMPARE_LE:
        return order_of(text.bytes, operand) <= 0;
    case HF_COMPARE_GT:
        return order_of(text.bytes, operand) > 0;
    case HF_COMPARE_GE:
        return order_of(text.bytes, operand) >= 0;
    case HF_COMPARE_EXISTS:
    case HF_COMPARE_ABSENT:
        break;
    }
    HF_UNREACHABLE();
}
