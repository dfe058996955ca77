/* HF.LOCK and HF.UNLOCK: leases with fencing tokens.
 *
 * A lease is a record with the fields `owner` and `token` and an expiry. The token is the timestamp
 * at which the lease was taken: whoever takes it later has a larger one, so a store that remembers
 * the largest token it saw can turn away an owner that lost its lease without knowing. The owner
 * may take it again as long as it has it: that moves the expiry and keeps the token.
 */
#include "engine/command/command_impl.h"

typedef struct lease {
    bool held;
    hf_bytes owner;
    int64_t token;
} lease;

/* False: the key holds something else, and -WRONGTYPE is written. */
static bool read_lease(hf_view *view, const hf_call *call, lease *l)
{
    hf_record record;
    hf_bytes token;
    uint32_t index;
    if (!hf_command__record(view, call, call->args[1], &record)) {
        return false;
    }
    *l = (lease){ .held = record.found };
    if (record.found && (!hf_record_find(record.block, HF_LIT("owner"), &l->owner, &index) ||
                         !hf_record_find(record.block, HF_LIT("token"), &token, &index) ||
                         !hf_int_from_text(token, &l->token))) {
        hf_command__wrongtype(call);
        return false;
    }
    return true;
}

static hf_ran take(hf_view *view, const hf_call *call, uint64_t expire_ms)
{
    char digits[HF_INT_TEXT_MAX + 1];
    int64_t token = (int64_t)view->ts;
    hf_field fields[] = {
        { .name = HF_LIT("owner"), .value = call->args[2] },
        { .name = HF_LIT("token"), .value = hf_bytes_of(digits, hf_int_to_text(token, digits)) },
    };
    hf_buf block = hf_command__scratch(call);
    uint32_t count;
    hf_err err = hf_record_change(hf_bytes_of(NULL, 0), fields, 2, &block, &count);
    if (err != HF_OK) {
        hf_resp_errorf(call->reply, "TOOBIG a value is at most %d bytes", HF_VALUE_SIZE_MAX);
    } else if (!hf_command__failed(call, &block)) {
        hf_value value = { .kind = HF_KIND_RECORD,
                           .expire_ms = expire_ms,
                           .bytes = hf_buf_view(&block) };
        hf_command_put(view, call->args[1], &value);
        hf_resp_integer(call->reply, token);
    }
    hf_buf_close(&block);
    return HF_RAN_OK;
}

/* HF.LOCK name owner TTL milliseconds: the token; nil when another owner has it. */
hf_ran hf_command__run_hf_lock(hf_view *view, const hf_call *call)
{
    lease l;
    uint64_t expire_ms;
    if (!hf_command__is(call->args[3], "TTL")) {
        return hf_command__syntax(call);
    }
    if (!hf_command__expiry(view, call, 4, HF_TIME_MS, "hf.lock", &expire_ms) ||
        !read_lease(view, call, &l)) {
        return HF_RAN_OK;
    }
    if (!l.held) {
        return take(view, call, expire_ms);
    }
    if (!hf_bytes_equal(l.owner, call->args[2])) {
        hf_resp_null(call->reply, view->proto);
        return HF_RAN_OK;
    }
    int64_t token = l.token;
    hf_command_expire(view, call->args[1], expire_ms);
    return hf_command__int_reply(call, token);
}

/* HF.UNLOCK name owner: 1 when the owner had it. */
hf_ran hf_command__run_hf_unlock(hf_view *view, const hf_call *call)
{
    lease l;
    if (!read_lease(view, call, &l)) {
        return HF_RAN_OK;
    }
    bool mine = l.held && hf_bytes_equal(l.owner, call->args[2]);
    if (mine) {
        hf_command_delete(view, call->args[1]);
    }
    return hf_command__int_reply(call, mine);
}
