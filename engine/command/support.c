#include "engine/base/text.h"
#include "engine/command/command_impl.h"

#include <stdio.h>

/* ---- Reading ---- */

bool hf_command__text_of(const hf_value *value, hf_text *text)
{
    text->expire_ms = value->expire_ms;
    text->found = value->kind != HF_KIND_NONE;
    text->bytes = hf_bytes_of(NULL, 0);
    switch (value->kind) {
    case HF_KIND_NONE:
        return true;
    case HF_KIND_STRING:
        text->bytes = value->bytes;
        return true;
    case HF_KIND_INT:
        text->bytes = hf_bytes_of(text->digits, hf_int_to_text(value->integer, text->digits));
        return true;
    case HF_KIND_RECORD:
        return false;
    }
    HF_UNREACHABLE();
}

bool hf_command__text(hf_view *view, const hf_call *call, hf_bytes key, hf_text *text)
{
    hf_value value;
    view->ops->get(view, key, &value);
    if (!hf_command__text_of(&value, text)) {
        hf_command__wrongtype(call);
        return false;
    }
    return true;
}

bool hf_command__record(hf_view *view, const hf_call *call, hf_bytes key, hf_record *record)
{
    hf_value value;
    view->ops->get(view, key, &value);
    record->found = value.kind == HF_KIND_RECORD;
    record->expire_ms = value.expire_ms;
    record->block = record->found ? value.bytes : hf_bytes_of(NULL, 0);
    if (!record->found && value.kind != HF_KIND_NONE) {
        hf_command__wrongtype(call);
        return false;
    }
    return true;
}

bool hf_command__exists(hf_view *view, hf_bytes key)
{
    hf_value value;
    view->ops->get(view, key, &value);
    return value.kind != HF_KIND_NONE;
}

/* ---- Writing ---- */

/* The key as the table knows it: the space byte, then what the user wrote. */
static hf_bytes inner_key(hf_bytes key, uint8_t at[HF_KEY_SIZE_MAX + 1])
{
    HF_PRE(key.size <= HF_KEY_SIZE_MAX);
    at[0] = HF_SPACE_USER;
    hf_bytes_copy(at + 1, key);
    return hf_bytes_of(at, (size_t)key.size + 1);
}

void hf_command_put(hf_view *view, hf_bytes key, const hf_value *value)
{
    HF_PRE(view->mutations != NULL);
    uint8_t at[HF_KEY_SIZE_MAX + 1];
    hf_mutation_put(view->mutations, inner_key(key, at), value);
}

void hf_command_delete(hf_view *view, hf_bytes key)
{
    HF_PRE(view->mutations != NULL);
    uint8_t at[HF_KEY_SIZE_MAX + 1];
    hf_mutation_delete(view->mutations, inner_key(key, at));
}

void hf_command_fields(hf_view *view, hf_bytes key, const hf_field *changes, uint32_t count)
{
    HF_PRE(view->mutations != NULL && count != 0);
    uint8_t at[HF_KEY_SIZE_MAX + 1];
    hf_mutation_fields(view->mutations, inner_key(key, at), changes, count);
}

void hf_command_expire(hf_view *view, hf_bytes key, uint64_t expire_ms)
{
    HF_PRE(view->mutations != NULL);
    uint8_t at[HF_KEY_SIZE_MAX + 1];
    hf_mutation_expire(view->mutations, inner_key(key, at), expire_ms);
}

void hf_command_add(hf_view *view, hf_bytes key, hf_bytes field, int64_t delta)
{
    HF_PRE(view->mutations != NULL);
    uint8_t at[HF_KEY_SIZE_MAX + 1];
    hf_mutation_add(view->mutations, inner_key(key, at), field, delta);
}

void hf_command__put_text(hf_view *view, hf_bytes key, hf_bytes text, uint64_t expire_ms)
{
    HF_PRE(text.size <= HF_VALUE_SIZE_MAX);
    hf_value value = { .kind = HF_KIND_STRING, .expire_ms = expire_ms, .bytes = text };
    if (text.size <= HF_INT_TEXT_MAX && hf_int_from_text(text, &value.integer)) {
        value.kind = HF_KIND_INT;
    }
    hf_command_put(view, key, &value);
}

void hf_command__put_integer(hf_view *view, hf_bytes key, int64_t integer, uint64_t expire_ms)
{
    hf_value value = { .kind = HF_KIND_INT, .expire_ms = expire_ms, .integer = integer };
    hf_command_put(view, key, &value);
}

hf_buf hf_command__scratch(const hf_call *call)
{
    hf_buf scratch;
    hf_buf_open(&scratch, call->reply->heap);
    return scratch;
}

bool hf_command__failed(const hf_call *call, const hf_buf *scratch)
{
    if (scratch->failed) {
        hf_command_no_memory(call->reply);
    }
    return scratch->failed;
}

bool hf_command__fits(const hf_call *call, uint64_t size)
{
    if (size > 512u * 1024 * 1024) {
        hf_command__error(call, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        return false;
    }
    if (size > HF_VALUE_SIZE_MAX) {
        hf_resp_errorf(call->reply, "TOOBIG a value is at most %d bytes", HF_VALUE_SIZE_MAX);
        return false;
    }
    return true;
}

/* ---- Arguments and errors ---- */

bool hf_command__is(hf_bytes argument, const char *upper)
{
    uint32_t i = 0;
    while (i < argument.size && upper[i] != 0 &&
           hf_text_upper(argument.data[i]) == (uint8_t)upper[i]) {
        i++;
    }
    return i == argument.size && upper[i] == 0;
}

void hf_command__lower(hf_bytes name, char *out, uint32_t size)
{
    HF_PRE(size != 0);
    uint32_t count = name.size < size - 1 ? name.size : size - 1;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t c = name.data[i];
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    out[count] = 0;
}

bool hf_command__integer_or(const hf_call *call, uint32_t index, int64_t *value, const char *error)
{
    HF_PRE(index < call->argc);
    if (!hf_int_from_text(call->args[index], value)) {
        hf_command__error(call, error);
        return false;
    }
    return true;
}

bool hf_command__integer(const hf_call *call, uint32_t index, int64_t *value)
{
    return hf_command__integer_or(call, index, value,
                                  "ERR value is not an integer or out of range");
}

hf_ran hf_command__error(const hf_call *call, const char *text)
{
    if (call->reply != NULL) { /* who only parses may not want the words */
        hf_resp_error(call->reply, text);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__syntax(const hf_call *call)
{
    return hf_command__error(call, "ERR syntax error");
}

hf_ran hf_command__wrongtype(const hf_call *call)
{
    return hf_command__error(call,
                             "WRONGTYPE Operation against a key holding the wrong kind of value");
}

hf_ran hf_command__arity(const hf_call *call)
{
    const hf_command *command = hf_command_find(call->args[0]);
    HF_ASSERT(command != NULL);
    hf_command_bad_arity(call->reply, command);
    return HF_RAN_OK;
}

hf_ran hf_command__int_reply(const hf_call *call, int64_t value)
{
    hf_resp_integer(call->reply, value);
    return HF_RAN_OK;
}

void hf_command_no_memory(hf_buf *reply)
{
    hf_resp_error(reply, "OOM command not allowed when used memory > 'maxmemory'.");
}

bool hf_command__clip(int64_t *start, int64_t *end, int64_t total)
{
    if (*start < 0 && *end < 0 && *start > *end) {
        return false;
    }
    *start = *start < 0 ? *start + total : *start;
    *end = *end < 0 ? *end + total : *end;
    *start = *start < 0 ? 0 : *start;
    *end = *end < 0 ? 0 : *end;
    *end = *end >= total ? total - 1 : *end;
    return *start <= *end && total != 0;
}
