/* HF.RANGE start end [LIMIT n] [REV] [VALUES] */
#include "engine/command/command_impl.h"

bool hf_range_parse(const hf_bytes *args, uint32_t argc, hf_range_query *query, hf_buf *reply)
{
    hf_call call = { args, argc, reply };
    HF_PRE(argc >= 3);
    *query = (hf_range_query){ .start = args[1], .end = args[2], .limit = UINT64_MAX };
    if (args[1].size > HF_KEY_SIZE_MAX || args[2].size > HF_KEY_SIZE_MAX) {
        hf_command__error(&call, "TOOBIG a key is at most 4096 bytes");
        return false;
    }
    for (uint32_t i = 3; i < argc; i++) {
        int64_t limit = 0;
        if (hf_command__is(args[i], "REV")) {
            query->reverse = true;
        } else if (hf_command__is(args[i], "VALUES")) {
            query->values = true;
        } else if (hf_command__is(args[i], "LIMIT") && i + 1 < argc) {
            i++;
            if (!hf_command__integer(&call, i, &limit)) {
                return false;
            }
            if (limit < 0) {
                hf_command__error(&call, "ERR LIMIT can't be negative");
                return false;
            }
            query->limit = (uint64_t)limit;
        } else {
            hf_command__syntax(&call);
            return false;
        }
    }
    return true;
}

typedef struct range_visit {
    const hf_range_query *query;
    hf_buf *reply;
    uint64_t left;
    uint64_t found;
    uint8_t proto;
} range_visit;

static void put_value(hf_buf *reply, const hf_value *value, uint8_t proto)
{
    hf_text text;
    if (hf_command__text_of(value, &text)) {
        hf_resp_bulk(reply, text.bytes);
        return;
    }
    uint32_t count = hf_record_count(value->bytes);
    hf_resp_map(reply, count, proto);
    for (uint32_t i = 0; i < count; i++) {
        hf_bytes name;
        hf_bytes content;
        hf_record_at(value->bytes, i, &name, &content);
        hf_resp_bulk(reply, name);
        hf_resp_bulk(reply, content);
    }
}

static bool visit_range(void *context, hf_bytes key, const hf_value *value)
{
    range_visit *visit = context;
    if (visit->left == 0) {
        return false;
    }
    visit->left--;
    visit->found++;
    if (visit->query->values && visit->proto >= 3) {
        hf_resp_array(visit->reply, 2);
    }
    hf_resp_bulk(visit->reply, key);
    if (visit->query->values) {
        put_value(visit->reply, value, visit->proto);
    }
    return visit->left != 0 && !visit->reply->failed;
}

uint64_t hf_range_part(hf_view *view, const hf_range_query *query, uint64_t limit, hf_buf *reply)
{
    range_visit visit = { .query = query, .reply = reply, .left = limit, .proto = view->proto };
    bool empty = query->end.size != 0 && hf_bytes_compare(query->start, query->end) >= 0;
    if (limit != 0 && !empty) {
        view->ops->scan(view, query->start, query->end, query->reverse, visit_range, &visit);
    }
    return visit.found;
}

void hf_range_head(const hf_range_query *query, uint64_t keys, uint8_t proto, hf_buf *reply)
{
    uint64_t elements = query->values && proto < 3 ? keys * 2 : keys;
    HF_ASSERT(elements <= UINT32_MAX); /* a reply has fewer bytes than that */
    hf_resp_array(reply, (uint32_t)elements);
}

hf_ran hf_command__run_hf_range(hf_view *view, const hf_call *call)
{
    hf_range_query query;
    if (!hf_range_parse(call->args, call->argc, &query, call->reply)) {
        return HF_RAN_OK;
    }
    hf_buf page = hf_command__scratch(call);
    uint64_t keys = hf_range_part(view, &query, query.limit, &page);
    if (!hf_command__failed(call, &page)) {
        hf_range_head(&query, keys, view->proto, call->reply);
        hf_buf_raw(call->reply, page.data, page.size);
    }
    hf_buf_close(&page);
    return HF_RAN_OK;
}
