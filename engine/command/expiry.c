#include "engine/command/command_impl.h"

bool hf_command__expiry(hf_view *view, const hf_call *call, uint32_t index, hf_time_unit unit,
                        const char *name, uint64_t *expire_ms)
{
    int64_t when = 0;
    if (!hf_command__integer(call, index, &when)) {
        return false;
    }
    bool seconds = unit == HF_TIME_SECONDS || unit == HF_TIME_AT_SECONDS;
    bool relative = unit == HF_TIME_SECONDS || unit == HF_TIME_MS;
    int64_t now = (int64_t)hf_command__now_ms(view);
    bool good = when > 0 && !(seconds && when > INT64_MAX / 1000);
    when = good && seconds ? when * 1000 : when;
    good = good && !(relative && when > INT64_MAX - now);
    if (!good) {
        hf_resp_errorf(call->reply, "ERR invalid expire time in '%s' command", name);
        return false;
    }
    *expire_ms = (uint64_t)(relative ? when + now : when);
    return true;
}

/* ---- EXPIRE and its kin ---- */

enum { EXPIRE_NX = 1, EXPIRE_XX = 2, EXPIRE_GT = 4, EXPIRE_LT = 8 };

static bool expire_flags(const hf_call *call, uint32_t *flags)
{
    *flags = 0;
    for (uint32_t i = 3; i < call->argc; i++) {
        if (hf_command__is(call->args[i], "NX")) {
            *flags |= EXPIRE_NX;
        } else if (hf_command__is(call->args[i], "XX")) {
            *flags |= EXPIRE_XX;
        } else if (hf_command__is(call->args[i], "GT")) {
            *flags |= EXPIRE_GT;
        } else if (hf_command__is(call->args[i], "LT")) {
            *flags |= EXPIRE_LT;
        } else {
            hf_resp_errorf(call->reply, "ERR Unsupported option %.*s", (int)call->args[i].size,
                           (const char *)call->args[i].data);
            return false;
        }
    }
    if ((*flags & EXPIRE_NX) != 0 && *flags != EXPIRE_NX) {
        hf_command__error(call,
                          "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*flags & EXPIRE_GT) != 0 && (*flags & EXPIRE_LT) != 0) {
        hf_command__error(call, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* The absolute time in ms, which may lie in the past or be negative here. */
static bool expire_when(hf_view *view, const hf_call *call, bool seconds, bool relative,
                        int64_t *when)
{
    if (!hf_command__integer(call, 2, when)) {
        return false;
    }
    int64_t now = relative ? (int64_t)hf_command__now_ms(view) : 0;
    bool good = !seconds || (*when <= INT64_MAX / 1000 && *when >= INT64_MIN / 1000);
    *when = good && seconds ? *when * 1000 : *when;
    if (!good || *when > INT64_MAX - now) {
        char name[16];
        hf_command__lower(call->args[0], name, sizeof name);
        hf_resp_errorf(call->reply, "ERR invalid expire time in '%s' command", name);
        return false;
    }
    *when += now;
    return true;
}

static bool expire_allowed(uint32_t flags, uint64_t current, int64_t when)
{
    bool has = current != 0;
    if ((flags & EXPIRE_NX) != 0 && has) {
        return false;
    }
    if ((flags & EXPIRE_XX) != 0 && !has) {
        return false;
    }
    if ((flags & EXPIRE_GT) != 0 && (!has || when <= (int64_t)current)) {
        return false;
    }
    return !((flags & EXPIRE_LT) != 0 && has && when >= (int64_t)current);
}

static hf_ran expire(hf_view *view, const hf_call *call, bool seconds, bool relative)
{
    uint32_t flags = 0;
    int64_t when = 0;
    if (!expire_flags(call, &flags) || !expire_when(view, call, seconds, relative, &when)) {
        return HF_RAN_OK;
    }
    hf_value value;
    view->ops->get(view, call->args[1], &value);
    if (value.kind == HF_KIND_NONE || !expire_allowed(flags, value.expire_ms, when)) {
        return hf_command__int_reply(call, 0);
    }
    if (when <= (int64_t)hf_command__now_ms(view)) {
        hf_command_delete(view, call->args[1]);
    } else {
        hf_command_expire(view, call->args[1], (uint64_t)when);
    }
    return hf_command__int_reply(call, 1);
}

hf_ran hf_command__run_expire(hf_view *view, const hf_call *call)
{
    return expire(view, call, true, true);
}

hf_ran hf_command__run_pexpire(hf_view *view, const hf_call *call)
{
    return expire(view, call, false, true);
}

hf_ran hf_command__run_expireat(hf_view *view, const hf_call *call)
{
    return expire(view, call, true, false);
}

hf_ran hf_command__run_pexpireat(hf_view *view, const hf_call *call)
{
    return expire(view, call, false, false);
}

/* ---- TTL and its kin ---- */

static hf_ran time_left(hf_view *view, const hf_call *call, bool seconds, bool relative)
{
    hf_value value;
    view->ops->get(view, call->args[1], &value);
    if (value.kind == HF_KIND_NONE) {
        return hf_command__int_reply(call, -2);
    }
    if (value.expire_ms == 0) {
        return hf_command__int_reply(call, -1);
    }
    int64_t ms = (int64_t)value.expire_ms - (relative ? (int64_t)hf_command__now_ms(view) : 0);
    ms = ms < 0 ? 0 : ms;
    return hf_command__int_reply(call, seconds ? ms / 1000 + (ms % 1000 >= 500) : ms);
}

hf_ran hf_command__run_ttl(hf_view *view, const hf_call *call)
{
    return time_left(view, call, true, true);
}

hf_ran hf_command__run_pttl(hf_view *view, const hf_call *call)
{
    return time_left(view, call, false, true);
}

hf_ran hf_command__run_expiretime(hf_view *view, const hf_call *call)
{
    return time_left(view, call, true, false);
}

hf_ran hf_command__run_pexpiretime(hf_view *view, const hf_call *call)
{
    return time_left(view, call, false, false);
}

hf_ran hf_command__run_persist(hf_view *view, const hf_call *call)
{
    hf_value value;
    view->ops->get(view, call->args[1], &value);
    if (value.kind == HF_KIND_NONE || value.expire_ms == 0) {
        return hf_command__int_reply(call, 0);
    }
    hf_command_expire(view, call->args[1], 0);
    return hf_command__int_reply(call, 1);
}
