#include "engine/command/command_impl.h"

enum { SCAN_COUNT_DEFAULT = 10, SCAN_COUNT_MAX = 1000000 };

static void scan_type(hf_bytes name, hf_scan_query *query)
{
    query->typed = true;
    if (hf_command__is(name, "STRING")) {
        query->type = HF_KIND_STRING;
    } else if (hf_command__is(name, "HASH")) {
        query->type = HF_KIND_RECORD;
    } else {
        query->none = true;
    }
}

/* Cursors are unsigned: clients keep them as 64-bit numbers or text. */
static bool scan_cursor(hf_bytes text, uint64_t *cursor)
{
    uint64_t sum = 0;
    if (text.size == 0 || text.size > 20) {
        return false;
    }
    for (uint32_t i = 0; i < text.size; i++) {
        uint64_t digit = (uint64_t)text.data[i] - '0';
        if (digit > 9 || sum > (UINT64_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *cursor = sum;
    return true;
}

static bool scan_option(const hf_call *call, uint32_t i, hf_scan_query *query)
{
    hf_bytes name = call->args[i];
    if (i + 1 == call->argc) {
        hf_command__syntax(call);
        return false;
    }
    if (hf_command__is(name, "COUNT")) {
        int64_t count = 0;
        if (!hf_command__integer(call, i + 1, &count)) {
            return false;
        }
        if (count < 1) {
            hf_command__syntax(call);
            return false;
        }
        query->count = count < SCAN_COUNT_MAX ? (uint32_t)count : SCAN_COUNT_MAX;
    } else if (hf_command__is(name, "MATCH")) {
        query->match = call->args[i + 1];
    } else if (hf_command__is(name, "TYPE")) {
        scan_type(call->args[i + 1], query);
    } else {
        hf_command__syntax(call);
        return false;
    }
    return true;
}

bool hf_scan_parse(const hf_bytes *args, uint32_t argc, hf_scan_query *query, hf_buf *reply)
{
    hf_call call = { args, argc, reply };
    *query = (hf_scan_query){ .count = SCAN_COUNT_DEFAULT };
    if (!scan_cursor(args[1], &query->cursor)) {
        hf_command__error(&call, "ERR invalid cursor");
        return false;
    }
    for (uint32_t i = 2; i < argc; i += 2) {
        if (!scan_option(&call, i, query)) {
            return false;
        }
    }
    return true;
}

typedef struct scan_visit {
    const hf_scan_query *query;
    hf_buf *page;
    hf_buf *next;
    uint32_t left;
    uint32_t found;
    bool more;
} scan_visit;

static bool scan_wants(const hf_scan_query *query, hf_bytes key, const hf_value *value)
{
    if (query->none) {
        return false;
    }
    bool record = value->kind == HF_KIND_RECORD;
    if (query->type != HF_KIND_NONE && record != (query->type == HF_KIND_RECORD)) {
        return false;
    }
    return query->match.data == NULL || hf_glob_match(query->match, key);
}

static bool visit_scan(void *context, hf_bytes key, const hf_value *value)
{
    scan_visit *visit = context;
    if (visit->left == 0) {
        hf_buf_reset(visit->next);
        hf_buf_raw(visit->next, key.data, key.size);
        visit->more = true;
        return false;
    }
    visit->left--;
    if (scan_wants(visit->query, key, value)) {
        hf_resp_bulk(visit->page, key);
        visit->found++;
    }
    return !visit->page->failed;
}

bool hf_command_scan_page(hf_view *view, const hf_scan_query *query, hf_bytes start, hf_bytes end,
                          hf_buf *page, uint32_t *found, hf_buf *next)
{
    scan_visit visit = { .query = query, .page = page, .next = next, .left = query->count };
    view->ops->scan(view, start, end, false, visit_scan, &visit);
    *found += visit.found;
    return visit.more;
}

void hf_scan_reply(hf_buf *reply, uint64_t cursor, uint32_t found, const hf_buf *page)
{
    char digits[20];
    uint32_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + cursor % 10);
        cursor /= 10;
    } while (cursor != 0);
    hf_resp_array(reply, 2);
    hf_resp_bulk(reply, hf_bytes_of(digits + at, sizeof digits - at));
    hf_resp_array(reply, found);
    hf_buf_raw(reply, page->data, page->size);
}
