#include "engine/command/command_impl.h"

hf_ran hf_command__run_del(hf_view *view, const hf_call *call)
{
    int64_t count = 0;
    hf_unique unique; /* the view need not show the mutations of this very call */
    if (hf_command__unique_open(&unique, view, call, 1, 1)) {
        for (uint32_t i = 1; i < call->argc; i++) {
            if (hf_command__unique_add(&unique, i) && hf_command__exists(view, call->args[i])) {
                hf_command_delete(view, call->args[i]);
                count++;
            }
        }
        hf_resp_integer(call->reply, count);
    }
    hf_command__unique_close(&unique);
    return HF_RAN_OK;
}

hf_ran hf_command__run_exists(hf_view *view, const hf_call *call)
{
    int64_t count = 0;
    for (uint32_t i = 1; i < call->argc; i++) {
        count += hf_command__exists(view, call->args[i]) ? 1 : 0;
    }
    return hf_command__int_reply(call, count);
}

hf_ran hf_command__run_touch(hf_view *view, const hf_call *call)
{
    return hf_command__run_exists(view, call); /* nothing is evicted, so there is no age to set */
}

hf_ran hf_command__run_type(hf_view *view, const hf_call *call)
{
    hf_value value;
    view->ops->get(view, call->args[1], &value);
    hf_resp_simple(call->reply, value.kind == HF_KIND_NONE     ? "none"
                                : value.kind == HF_KIND_RECORD ? "hash"
                                                               : "string");
    return HF_RAN_OK;
}

/* ---- RENAME, COPY ---- */

static hf_ran rename_to(hf_view *view, const hf_call *call, bool only_new)
{
    hf_bytes from = call->args[1];
    hf_bytes to = call->args[2];
    bool same = hf_bytes_equal(from, to);
    if (!hf_command__exists(view, from)) {
        return hf_command__error(call, "ERR no such key");
    }
    if (only_new && (same || hf_command__exists(view, to))) {
        return hf_command__int_reply(call, 0);
    }
    if (!same) {
        hf_value value;
        view->ops->get(view, from, &value); /* again: the look at `to` ended the loan */
        hf_command_put(view, to, &value);
        hf_command_delete(view, from);
    }
    if (only_new) {
        return hf_command__int_reply(call, 1);
    }
    hf_resp_simple(call->reply, "OK");
    return HF_RAN_OK;
}

hf_ran hf_command__run_rename(hf_view *view, const hf_call *call)
{
    return rename_to(view, call, false);
}

hf_ran hf_command__run_renamenx(hf_view *view, const hf_call *call)
{
    return rename_to(view, call, true);
}

/* False: the error is written. */
static bool copy_parse(const hf_call *call, bool *replace)
{
    for (uint32_t i = 3; i < call->argc; i++) {
        int64_t db = 0;
        if (hf_command__is(call->args[i], "REPLACE")) {
            *replace = true;
        } else if (hf_command__is(call->args[i], "DB") && i + 1 < call->argc) {
            i++;
            if (!hf_command__integer(call, i, &db)) {
                return false;
            }
            if (db != 0) {
                hf_command__error(call, "ERR DB index is out of range");
                return false;
            }
        } else {
            hf_command__syntax(call);
            return false;
        }
    }
    return true;
}

hf_ran hf_command__run_copy(hf_view *view, const hf_call *call)
{
    bool replace = false;
    hf_bytes from = call->args[1];
    hf_bytes to = call->args[2];
    if (!copy_parse(call, &replace)) {
        return HF_RAN_OK;
    }
    if (hf_bytes_equal(from, to)) {
        return hf_command__error(call, "ERR source and destination objects are the same");
    }
    bool taken = !replace && hf_command__exists(view, to);
    hf_value value;
    view->ops->get(view, from, &value);
    if (taken || value.kind == HF_KIND_NONE) {
        return hf_command__int_reply(call, 0);
    }
    hf_command_put(view, to, &value);
    return hf_command__int_reply(call, 1);
}
