#include "engine/command/command_impl.h"
#include <math.h>

static hf_ran increase(hf_view *view, const hf_call *call, int64_t delta)
{
    hf_text text;
    int64_t old = 0;
    int64_t sum = 0;
    if (!hf_command__text(view, call, call->args[1], &text)) {
        return HF_RAN_OK;
    }
    if (text.found && !hf_int_from_text(text.bytes, &old)) {
        return hf_command__error(call, "ERR value is not an integer or out of range");
    }
    if (__builtin_add_overflow(old, delta, &sum)) {
        return hf_command__error(call, "ERR increment or decrement would overflow");
    }
    hf_command__put_integer(view, call->args[1], sum, text.expire_ms);
    return hf_command__int_reply(call, sum);
}

hf_ran hf_command__run_incr(hf_view *view, const hf_call *call)
{
    return increase(view, call, 1);
}

hf_ran hf_command__run_decr(hf_view *view, const hf_call *call)
{
    return increase(view, call, -1);
}

hf_ran hf_command__run_incrby(hf_view *view, const hf_call *call)
{
    int64_t delta = 0;
    return hf_command__integer(call, 2, &delta) ? increase(view, call, delta) : HF_RAN_OK;
}

hf_ran hf_command__run_decrby(hf_view *view, const hf_call *call)
{
    int64_t delta = 0;
    if (!hf_command__integer(call, 2, &delta)) {
        return HF_RAN_OK;
    }
    if (delta == INT64_MIN) {
        return hf_command__error(call, "ERR decrement would overflow");
    }
    return increase(view, call, -delta);
}

hf_ran hf_command__run_incrbyfloat(hf_view *view, const hf_call *call)
{
    hf_text text;
    long double old = 0;
    long double delta = 0;
    if (!hf_command__text(view, call, call->args[1], &text)) {
        return HF_RAN_OK;
    }
    if ((text.found && !hf_command__float_from(text.bytes, &old)) ||
        !hf_command__float_from(call->args[2], &delta)) {
        return hf_command__error(call, "ERR value is not a valid float");
    }
    old += delta;
    if (isnan(old) || isinf(old)) {
        return hf_command__error(call, "ERR increment would produce NaN or Infinity");
    }
    char shown[HF_FLOAT_TEXT_MAX];
    hf_bytes sum = hf_bytes_of(shown, hf_command__float_to(old, shown));
    hf_command__put_text(view, call->args[1], sum, text.expire_ms);
    hf_resp_bulk(call->reply, sum);
    return HF_RAN_OK;
}
