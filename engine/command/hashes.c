/* Commands that change records. */
#include "engine/command/command_impl.h"
#include <math.h>

/* True when the record surely or exactly fits with these changes. `created`: how many fields come
 * new. */
static bool plan_changes(const hf_call *call, const hf_record *record, const hf_field *changes,
                         uint32_t count, int64_t *created)
{
    hf_buf block = hf_command__scratch(call);
    uint32_t fields = 0;
    hf_err err = hf_record_change(record->block, changes, count, &block, &fields);
    bool fits = err == HF_OK && !hf_command__failed(call, &block);
    if (err == HF_E_TOOBIG) {
        hf_resp_errorf(call->reply, "TOOBIG a record is at most %d bytes", HF_VALUE_SIZE_MAX);
    } else if (err != HF_OK && !block.failed) {
        hf_command_no_memory(call->reply);
    }
    *created = (int64_t)fields - hf_record_count(record->block);
    hf_buf_close(&block);
    return fits;
}

/* The same without building the block, where a bound by addition is enough: one field, the usual
 * case. */
static bool plan_one(const hf_call *call, const hf_record *record, const hf_field *change,
                     int64_t *created)
{
    enum { FIELD_OVERHEAD = 16 };
    hf_bytes old;
    uint32_t index = 0;
    uint64_t most = (uint64_t)record->block.size + change->name.size + change->value.size;
    if (most + FIELD_OVERHEAD > HF_VALUE_SIZE_MAX) {
        return plan_changes(call, record, change, 1, created);
    }
    *created = hf_record_find(record->block, change->name, &old, &index) ? 0 : 1;
    return true;
}

static bool put_field(hf_view *view, const hf_call *call, const hf_record *record, hf_bytes name,
                      hf_bytes value, int64_t *created)
{
    hf_field change = { .name = name, .value = value };
    if (!plan_one(call, record, &change, created)) {
        return false;
    }
    hf_command_fields(view, call->args[1], &change, 1);
    return true;
}

/* HSET and HMSET: false when an error is written. */
static bool set_fields(hf_view *view, const hf_call *call, int64_t *created)
{
    hf_record record;
    if (call->argc % 2 != 0) {
        hf_command__arity(call);
        return false;
    }
    if (!hf_command__record(view, call, call->args[1], &record)) {
        return false;
    }
    if (call->argc == 4) {
        return put_field(view, call, &record, call->args[2], call->args[3], created);
    }
    uint32_t count = (call->argc - 2) / 2;
    hf_buf list = hf_command__scratch(call);
    hf_field *changes =
        (hf_field *)(void *)hf_buf_extend(&list, count * (uint32_t)sizeof(hf_field));
    bool good = !hf_command__failed(call, &list);
    for (uint32_t i = 0; good && i < count; i++) {
        changes[i] = (hf_field){ .name = call->args[2 + 2 * i], .value = call->args[3 + 2 * i] };
    }
    good = good && plan_changes(call, &record, changes, count, created);
    if (good) {
        hf_command_fields(view, call->args[1], changes, count);
    }
    hf_buf_close(&list);
    return good;
}

hf_ran hf_command__run_hset(hf_view *view, const hf_call *call)
{
    int64_t created = 0;
    if (set_fields(view, call, &created)) {
        hf_resp_integer(call->reply, created);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_hmset(hf_view *view, const hf_call *call)
{
    int64_t created = 0;
    if (set_fields(view, call, &created)) {
        hf_resp_simple(call->reply, "OK");
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_hsetnx(hf_view *view, const hf_call *call)
{
    hf_record record;
    hf_bytes old;
    uint32_t index = 0;
    int64_t created = 0;
    if (!hf_command__record(view, call, call->args[1], &record)) {
        return HF_RAN_OK;
    }
    if (hf_record_find(record.block, call->args[2], &old, &index)) {
        return hf_command__int_reply(call, 0);
    }
    if (put_field(view, call, &record, call->args[2], call->args[3], &created)) {
        hf_resp_integer(call->reply, 1);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_hdel(hf_view *view, const hf_call *call)
{
    hf_record record;
    if (!hf_command__record(view, call, call->args[1], &record)) {
        return HF_RAN_OK;
    }
    hf_buf list = hf_command__scratch(call);
    hf_unique unique;
    bool good = hf_command__unique_open(&unique, view, call, 2, 1);
    for (uint32_t i = 2; good && i < call->argc; i++) {
        hf_bytes old;
        uint32_t index = 0;
        hf_field change = { .name = call->args[i], .remove = true };
        if (hf_command__unique_add(&unique, i) &&
            hf_record_find(record.block, change.name, &old, &index)) {
            hf_buf_raw(&list, &change, sizeof change);
        }
    }
    if (good && !hf_command__failed(call, &list)) {
        uint32_t count = list.size / (uint32_t)sizeof(hf_field);
        if (count != 0) {
            hf_command_fields(view, call->args[1], (hf_field *)(void *)list.data, count);
        }
        hf_resp_integer(call->reply, count);
    }
    hf_command__unique_close(&unique);
    hf_buf_close(&list);
    return HF_RAN_OK;
}

hf_ran hf_command__run_hincrby(hf_view *view, const hf_call *call)
{
    hf_record record;
    hf_bytes old;
    uint32_t index = 0;
    int64_t delta = 0;
    int64_t value = 0;
    int64_t created = 0;
    if (!hf_command__integer(call, 3, &delta) ||
        !hf_command__record(view, call, call->args[1], &record)) {
        return HF_RAN_OK;
    }
    if (hf_record_find(record.block, call->args[2], &old, &index) &&
        !hf_int_from_text(old, &value)) {
        return hf_command__error(call, "ERR hash value is not an integer");
    }
    if (__builtin_add_overflow(value, delta, &value)) {
        return hf_command__error(call, "ERR increment or decrement would overflow");
    }
    char digits[HF_INT_TEXT_MAX + 1];
    hf_bytes text = hf_bytes_of(digits, hf_int_to_text(value, digits));
    if (put_field(view, call, &record, call->args[2], text, &created)) {
        hf_resp_integer(call->reply, value);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_hincrbyfloat(hf_view *view, const hf_call *call)
{
    hf_record record;
    hf_bytes old;
    uint32_t index = 0;
    long double delta = 0;
    long double value = 0;
    int64_t created = 0;
    if (!hf_command__float_from(call->args[3], &delta)) {
        return hf_command__error(call, "ERR value is not a valid float");
    }
    if (isinf(delta)) {
        return hf_command__error(call, "ERR value is NaN or Infinity");
    }
    if (!hf_command__record(view, call, call->args[1], &record)) {
        return HF_RAN_OK;
    }
    if (hf_record_find(record.block, call->args[2], &old, &index) &&
        !hf_command__float_from(old, &value)) {
        return hf_command__error(call, "ERR hash value is not a float");
    }
    value += delta;
    if (isnan(value) || isinf(value)) {
        return hf_command__error(call, "ERR increment would produce NaN or Infinity");
    }
    char shown[HF_FLOAT_TEXT_MAX];
    hf_bytes text = hf_bytes_of(shown, hf_command__float_to(value, shown));
    if (put_field(view, call, &record, call->args[2], text, &created)) {
        hf_resp_bulk(call->reply, text);
    }
    return HF_RAN_OK;
}
