/* Parts of strings: APPEND, SETRANGE, GETRANGE, STRLEN. */
#include "engine/command/command_impl.h"

hf_ran hf_command__run_strlen(hf_view *view, const hf_call *call)
{
    hf_text text;
    if (hf_command__text(view, call, call->args[1], &text)) {
        hf_resp_integer(call->reply, text.bytes.size);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_append(hf_view *view, const hf_call *call)
{
    hf_text text;
    hf_bytes more = call->args[2];
    if (!hf_command__text(view, call, call->args[1], &text) ||
        !hf_command__fits(call, (uint64_t)text.bytes.size + more.size)) {
        return HF_RAN_OK;
    }
    hf_buf whole = hf_command__scratch(call);
    hf_buf_reserve(&whole, text.bytes.size + more.size);
    hf_buf_raw(&whole, text.bytes.data, text.bytes.size);
    hf_buf_raw(&whole, more.data, more.size);
    if (!hf_command__failed(call, &whole)) {
        hf_command__put_text(view, call->args[1], hf_buf_view(&whole), text.expire_ms);
        hf_resp_integer(call->reply, whole.size);
    }
    hf_buf_close(&whole);
    return HF_RAN_OK;
}

static void put_at(hf_view *view, const hf_call *call, const hf_text *text, uint32_t offset,
                   hf_bytes part)
{
    uint32_t end = offset + part.size;
    uint32_t size = end > text->bytes.size ? end : text->bytes.size;
    hf_buf whole = hf_command__scratch(call);
    uint8_t *at = hf_buf_extend(&whole, size);
    if (!hf_command__failed(call, &whole)) {
        memset(at, 0, size);
        if (text->bytes.size != 0) {
            memcpy(at, text->bytes.data, text->bytes.size);
        }
        memcpy(at + offset, part.data, part.size);
        hf_command__put_text(view, call->args[1], hf_buf_view(&whole), text->expire_ms);
        hf_resp_integer(call->reply, size);
    }
    hf_buf_close(&whole);
}

hf_ran hf_command__run_setrange(hf_view *view, const hf_call *call)
{
    int64_t offset = 0;
    hf_text text;
    hf_bytes part = call->args[3];
    if (!hf_command__integer(call, 2, &offset)) {
        return HF_RAN_OK;
    }
    if (offset < 0) {
        return hf_command__error(call, "ERR offset is out of range");
    }
    if (!hf_command__text(view, call, call->args[1], &text)) {
        return HF_RAN_OK;
    }
    if (part.size == 0) {
        return hf_command__int_reply(call, text.bytes.size);
    }
    if (hf_command__fits(call, (uint64_t)offset + part.size)) {
        put_at(view, call, &text, (uint32_t)offset, part);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_getrange(hf_view *view, const hf_call *call)
{
    int64_t start = 0;
    int64_t end = 0;
    hf_text text;
    if (!hf_command__integer(call, 2, &start) || !hf_command__integer(call, 3, &end) ||
        !hf_command__text(view, call, call->args[1], &text)) {
        return HF_RAN_OK;
    }
    if (hf_command__clip(&start, &end, text.bytes.size)) {
        hf_resp_bulk(call->reply, hf_bytes_of(text.bytes.data + start, (size_t)(end - start + 1)));
    } else {
        hf_resp_bulk(call->reply, HF_LIT(""));
    }
    return HF_RAN_OK;
}
