/* HF.ADD: an addition that commutes with others which are not decided yet.
 *
 * v is the decided value, P+ and P- what undecided additions may still put in and take out, d the
 * new delta. taking (d < 0) is safe    when v - P- + d >= every lower bound, its own and those that
 * pending ones were granted putting in (d > 0)        when v + P+ + d <= every upper bound
 *   impossible                when its own bound fails with all pending ones going its way: -LIMIT
 *   else it waits until a pending one is decided.
 * A bound only holds against what moves towards it: a deposit into an account below its minimum is
 * welcome. A zero delta is held against both. The limits of 64 bits are bounds like others; they
 * hold for P+ and P- as well.
 */
#include "engine/command/command_impl.h"

__extension__ typedef __int128 wide;

static bool add_option(const hf_bytes *args, uint32_t argc, uint32_t i, hf_addition *add,
                       const hf_call *call)
{
    if (i + 1 == argc) {
        hf_command__syntax(call);
        return false;
    }
    if (hf_command__is(args[i], "MIN")) {
        return hf_command__integer(call, i + 1, &add->min);
    }
    if (hf_command__is(args[i], "MAX")) {
        return hf_command__integer(call, i + 1, &add->max);
    }
    if (!hf_command__is(args[i], "FIELD")) {
        hf_command__syntax(call);
        return false;
    }
    if (args[i + 1].size == 0) {
        hf_command__error(call, "ERR FIELD needs a name");
        return false;
    }
    add->field = args[i + 1];
    return true;
}

bool hf_add_parse(const hf_bytes *args, uint32_t argc, hf_addition *add, hf_buf *reply)
{
    hf_call call = { args, argc, reply };
    HF_PRE(argc >= 3);
    *add = (hf_addition){ .key = args[1], .min = INT64_MIN, .max = INT64_MAX };
    if (!hf_command__integer(&call, 2, &add->delta)) {
        return false;
    }
    for (uint32_t i = 3; i < argc; i += 2) {
        if (!add_option(args, argc, i, add, &call)) {
            return false;
        }
    }
    if (add->delta == INT64_MIN) { /* P- has no room for its size */
        hf_command__error(&call, "ERR value is not an integer or out of range");
        return false;
    }
    /* A bound that the delta moves away from is none: neither here nor for those who come later. */
    add->min = add->delta > 0 ? INT64_MIN : add->min;
    add->max = add->delta < 0 ? INT64_MAX : add->max;
    return true;
}

/* The decided value. False: the error is written. `absent`: neither key nor kind are there yet. */
static bool quantity(hf_view *view, const hf_call *call, const hf_addition *add, int64_t *integer,
                     bool *absent)
{
    bool good = true;
    *integer = 0;
    if (add->field.size != 0) {
        hf_record record;
        hf_bytes text;
        uint32_t index = 0;
        if (!hf_command__record(view, call, add->key, &record)) {
            return false;
        }
        *absent = !record.found;
        if ((uint64_t)record.block.size + add->field.size + 64 > HF_VALUE_SIZE_MAX) {
            hf_resp_errorf(call->reply, "TOOBIG a record is at most %d bytes", HF_VALUE_SIZE_MAX);
            return false;
        }
        if (hf_record_find(record.block, add->field, &text, &index)) {
            good = hf_int_from_text(text, integer);
        }
    } else {
        hf_value found;
        view->ops->get(view, add->key, &found);
        if (found.kind == HF_KIND_RECORD) {
            hf_command__wrongtype(call);
            return false;
        }
        *absent = found.kind == HF_KIND_NONE;
        *integer = found.kind == HF_KIND_INT ? found.integer : 0;
        good = found.kind != HF_KIND_STRING || hf_int_from_text(found.bytes, integer);
    }
    if (!good) {
        hf_command__error(call, "ERR value is not an integer or out of range");
    }
    return good;
}

static hf_ran limit(const hf_call *call, const char *what, int64_t bound)
{
    if (bound == INT64_MIN || bound == INT64_MAX) {
        hf_resp_error(call->reply, "LIMIT the sum would overflow 64 bits");
    } else {
        hf_resp_errorf(call->reply, "LIMIT the sum would be %s %lld", what, (long long)bound);
    }
    return HF_RAN_ABORT;
}

hf_ran hf_command__run_hf_add(hf_view *view, const hf_call *call)
{
    hf_addition add;
    hf_escrow_pending pending = { .min = INT64_MIN, .max = INT64_MAX };
    int64_t value = 0;
    bool absent = false;
    if (!hf_add_parse(call->args, call->argc, &add, call->reply) ||
        !quantity(view, call, &add, &value, &absent)) {
        return HF_RAN_OK;
    }
    view->ops->pending(view, add.key, add.field, &pending);
    HF_ASSERT(pending.plus >= 0 && pending.minus >= 0);
    wide sum = (wide)value + add.delta;
    wide lowest = sum - pending.minus;
    wide highest = sum + pending.plus;
    if (highest < add.min) {
        return limit(call, "below", add.min);
    }
    if (lowest > add.max) {
        return limit(call, "above", add.max);
    }
    bool low_safe = add.delta > 0 || (lowest >= add.min && lowest >= pending.min);
    bool high_safe = add.delta < 0 || (highest <= add.max && highest <= pending.max);
    bool sums_fit = add.delta > 0 ? pending.plus <= INT64_MAX - add.delta
                                  : pending.minus <= INT64_MAX + add.delta;
    if (!low_safe || !high_safe || !sums_fit || (absent && pending.other_kind)) {
        return HF_RAN_WAIT;
    }
    view->min = add.min;
    view->max = add.max;
    hf_command_add(view, add.key, add.field, add.delta);
    hf_resp_simple(call->reply, "OK");
    return HF_RAN_OK;
}
