/* Commands without keys that MULTI may hold: outside of it the session answers them itself. */
#include "engine/command/command_impl.h"

hf_ran hf_command__run_ping(hf_view *view, const hf_call *call)
{
    (void)view;
    if (call->argc > 2) {
        return hf_command__arity(call);
    }
    if (call->argc == 2) {
        hf_resp_bulk(call->reply, call->args[1]);
    } else {
        hf_resp_simple(call->reply, "PONG");
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_echo(hf_view *view, const hf_call *call)
{
    (void)view;
    hf_resp_bulk(call->reply, call->args[1]);
    return HF_RAN_OK;
}

hf_ran hf_command__run_select(hf_view *view, const hf_call *call)
{
    int64_t index;
    (void)view;
    if (!hf_command__integer(call, 1, &index)) {
        return HF_RAN_OK;
    }
    if (index < INT32_MIN || index > INT32_MAX) {
        return hf_command__error(call, "ERR value is not an integer or out of range");
    }
    if (index != 0) {
        return hf_command__error(call, "ERR DB index is out of range");
    }
    hf_resp_simple(call->reply, "OK");
    return HF_RAN_OK;
}

/* The time of the transaction: the same for all of its commands. */
hf_ran hf_command__run_time(hf_view *view, const hf_call *call)
{
    hf_resp_array(call->reply, 2);
    hf_resp_bulk_integer(call->reply, (int64_t)(view->ts / 1000000000u));
    hf_resp_bulk_integer(call->reply, (int64_t)(view->ts / 1000u % 1000000u));
    return HF_RAN_OK;
}
