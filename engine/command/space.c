/* Commands over all keys: KEYS, DBSIZE, RANDOMKEY, FLUSHALL. Each answers for its view; where keys
 * live on several cores the session puts the answers together. */
#include "engine/command/command_impl.h"

typedef struct keys_visit {
    hf_bytes pattern;
    bool all;
    uint32_t prefix;
    uint32_t count;
    hf_buf *page;
} keys_visit;

static bool visit_keys(void *context, hf_bytes key, const hf_value *value)
{
    keys_visit *visit = context;
    (void)value;
    if (key.size < visit->prefix || memcmp(key.data, visit->pattern.data, visit->prefix) != 0) {
        return false; /* in order: no more matches come */
    }
    if (visit->all || hf_glob_match(visit->pattern, key)) {
        hf_resp_bulk(visit->page, key);
        visit->count++;
    }
    return !visit->page->failed;
}

hf_ran hf_command__run_keys(hf_view *view, const hf_call *call)
{
    hf_buf page = hf_command__scratch(call);
    hf_bytes pattern = call->args[1];
    keys_visit visit = {
        .pattern = pattern,
        .all = pattern.size == 1 && pattern.data[0] == '*',
        .prefix = hf_glob_prefix(pattern),
        .page = &page,
    };
    view->ops->scan(view, hf_bytes_of(pattern.data, visit.prefix), hf_bytes_of(NULL, 0), false,
                    visit_keys, &visit);
    if (!hf_command__failed(call, &page)) {
        hf_resp_array(call->reply, visit.count);
        hf_buf_raw(call->reply, page.data, page.size);
    }
    hf_buf_close(&page);
    return HF_RAN_OK;
}

hf_ran hf_command__run_dbsize(hf_view *view, const hf_call *call)
{
    return hf_command__int_reply(call, (int64_t)view->ops->count(view));
}

hf_ran hf_command__run_randomkey(hf_view *view, const hf_call *call)
{
    hf_bytes key = view->ops->pick(view);
    if (key.data == NULL) {
        hf_resp_null(call->reply, view->proto);
    } else {
        hf_resp_bulk(call->reply, key);
    }
    return HF_RAN_OK;
}

static bool visit_delete(void *context, hf_bytes key, const hf_value *value)
{
    hf_view *view = context;
    (void)value;
    hf_command_delete(view, key);
    return !view->mutations->failed;
}

hf_ran hf_command__run_flushall(hf_view *view, const hf_call *call)
{
    if (call->argc > 2 || (call->argc == 2 && !hf_command__is(call->args[1], "ASYNC") &&
                           !hf_command__is(call->args[1], "SYNC"))) {
        return hf_command__syntax(call);
    }
    view->ops->scan(view, hf_bytes_of(NULL, 0), hf_bytes_of(NULL, 0), false, visit_delete, view);
    hf_resp_simple(call->reply, "OK");
    return HF_RAN_OK;
}
