/* Commands that read records. */
#include "engine/command/command_impl.h"

enum { SHOW_NAMES = 1, SHOW_VALUES = 2 };
enum {
    RANDOM_MAX = 1000000
}; /* of HRANDFIELD with repetitions, which the record's size does not bound */

static void show(hf_buf *reply, hf_bytes block, uint32_t index, uint32_t what)
{
    hf_bytes name;
    hf_bytes value;
    hf_record_at(block, index, &name, &value);
    if ((what & SHOW_NAMES) != 0) {
        hf_resp_bulk(reply, name);
    }
    if ((what & SHOW_VALUES) != 0) {
        hf_resp_bulk(reply, value);
    }
}

static hf_ran show_all(hf_view *view, const hf_call *call, uint32_t what)
{
    hf_record record;
    if (!hf_command__record(view, call, call->args[1], &record)) {
        return HF_RAN_OK;
    }
    uint32_t count = hf_record_count(record.block);
    if (what == (SHOW_NAMES | SHOW_VALUES)) {
        hf_resp_map(call->reply, count, view->proto);
    } else {
        hf_resp_array(call->reply, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        show(call->reply, record.block, i, what);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_hgetall(hf_view *view, const hf_call *call)
{
    return show_all(view, call, SHOW_NAMES | SHOW_VALUES);
}

hf_ran hf_command__run_hkeys(hf_view *view, const hf_call *call)
{
    return show_all(view, call, SHOW_NAMES);
}

hf_ran hf_command__run_hvals(hf_view *view, const hf_call *call)
{
    return show_all(view, call, SHOW_VALUES);
}

hf_ran hf_command__run_hlen(hf_view *view, const hf_call *call)
{
    hf_record record;
    if (hf_command__record(view, call, call->args[1], &record)) {
        hf_resp_integer(call->reply, hf_record_count(record.block));
    }
    return HF_RAN_OK;
}

static void reply_field(hf_view *view, const hf_call *call, const hf_record *record, hf_bytes name)
{
    hf_bytes value;
    uint32_t index = 0;
    if (hf_record_find(record->block, name, &value, &index)) {
        hf_resp_bulk(call->reply, value);
    } else {
        hf_resp_null(call->reply, view->proto);
    }
}

hf_ran hf_command__run_hget(hf_view *view, const hf_call *call)
{
    hf_record record;
    if (hf_command__record(view, call, call->args[1], &record)) {
        reply_field(view, call, &record, call->args[2]);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_hmget(hf_view *view, const hf_call *call)
{
    hf_record record;
    if (!hf_command__record(view, call, call->args[1], &record)) {
        return HF_RAN_OK;
    }
    hf_resp_array(call->reply, call->argc - 2);
    for (uint32_t i = 2; i < call->argc; i++) {
        reply_field(view, call, &record, call->args[i]);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_hexists(hf_view *view, const hf_call *call)
{
    hf_record record;
    hf_bytes value;
    uint32_t index = 0;
    if (hf_command__record(view, call, call->args[1], &record)) {
        hf_resp_integer(call->reply,
                        hf_record_find(record.block, call->args[2], &value, &index) ? 1 : 0);
    }
    return HF_RAN_OK;
}

hf_ran hf_command__run_hstrlen(hf_view *view, const hf_call *call)
{
    hf_record record;
    hf_bytes value = hf_bytes_of(NULL, 0);
    uint32_t index = 0;
    if (hf_command__record(view, call, call->args[1], &record)) {
        bool found = hf_record_find(record.block, call->args[2], &value, &index);
        hf_resp_integer(call->reply, found ? value.size : 0);
    }
    return HF_RAN_OK;
}

/* HSCAN gives the whole record at once, as Redis does for small ones: a record is at most 8 MiB,
 * and HGETALL gives it whole too. So the cursor is always 0, and MATCH decides alone. */
hf_ran hf_command__run_hscan(hf_view *view, const hf_call *call)
{
    hf_scan_query query;
    hf_record record;
    /* As Redis: the cursor, then the key, and the options only of a key that is there. */
    if (!hf_scan_parse(call->args + 1, 2, &query, call->reply) ||
        !hf_command__record(view, call, call->args[1], &record)) {
        return HF_RAN_OK;
    }
    if (record.found && !hf_scan_parse(call->args + 1, call->argc - 1, &query, call->reply)) {
        return HF_RAN_OK;
    }
    if (query.typed) { /* SCAN's TYPE does not exist here */
        return hf_command__syntax(call);
    }
    hf_buf page = hf_command__scratch(call);
    uint32_t found = 0;
    for (uint32_t i = 0; i < hf_record_count(record.block); i++) {
        hf_bytes name;
        hf_bytes value;
        hf_record_at(record.block, i, &name, &value);
        if (query.match.data == NULL || hf_glob_match(query.match, name)) {
            hf_resp_bulk(&page, name);
            hf_resp_bulk(&page, value);
            found += 2;
        }
    }
    if (!hf_command__failed(call, &page)) {
        hf_scan_reply(call->reply, 0, found, &page);
    }
    hf_buf_close(&page);
    return HF_RAN_OK;
}

/* ---- HRANDFIELD ---- */

static void random_head(hf_view *view, const hf_call *call, uint64_t count, bool values)
{
    uint64_t elements = values && view->proto < 3 ? count * 2 : count;
    hf_resp_array(call->reply, elements < UINT32_MAX ? (uint32_t)elements : UINT32_MAX);
}

static void random_one(hf_view *view, const hf_call *call, hf_bytes block, uint32_t index,
                       bool values)
{
    if (values && view->proto >= 3) {
        hf_resp_array(call->reply, 2);
    }
    show(call->reply, block, index, values ? SHOW_NAMES | SHOW_VALUES : SHOW_NAMES);
}

/* `count` of them, each drawn from all: the same may come again. */
static void random_repeated(hf_view *view, const hf_call *call, hf_bytes block, uint64_t count,
                            bool values)
{
    uint64_t state = view->draw;
    uint32_t fields = hf_record_count(block);
    random_head(view, call, count, values);
    for (uint64_t i = 0; i < count && !call->reply->failed; i++) {
        random_one(view, call, block, (uint32_t)(hf_command__draw(&state) % fields), values);
    }
}

/* `count` different ones, every set of that size with the same chance (Knuth's algorithm S). */
static void random_distinct(hf_view *view, const hf_call *call, hf_bytes block, uint64_t count,
                            bool values)
{
    uint64_t state = view->draw;
    uint64_t fields = hf_record_count(block);
    uint64_t wanted = count < fields ? count : fields;
    random_head(view, call, wanted, values);
    for (uint64_t i = 0; wanted != 0; i++) {
        if (hf_command__draw(&state) % (fields - i) < wanted) {
            random_one(view, call, block, (uint32_t)i, values);
            wanted--;
        }
    }
}

static hf_ran random_single(hf_view *view, const hf_call *call)
{
    hf_record record;
    uint64_t state = view->draw;
    if (!hf_command__record(view, call, call->args[1], &record)) {
        return HF_RAN_OK;
    }
    if (!record.found) {
        hf_resp_null(call->reply, view->proto);
        return HF_RAN_OK;
    }
    uint32_t fields = hf_record_count(record.block);
    random_one(view, call, record.block, (uint32_t)(hf_command__draw(&state) % fields), false);
    return HF_RAN_OK;
}

hf_ran hf_command__run_hrandfield(hf_view *view, const hf_call *call)
{
    hf_record record;
    int64_t count = 0;
    bool values = call->argc == 4;
    if (call->argc == 2) {
        return random_single(view, call);
    }
    if (!hf_command__integer(call, 2, &count)) {
        return HF_RAN_OK;
    }
    if (count == INT64_MIN) {
        return hf_command__error(call, "ERR value is out of range, value must between "
                                       "-9223372036854775807 and 9223372036854775807");
    }
    if (call->argc > 4 || (values && !hf_command__is(call->args[3], "WITHVALUES"))) {
        return hf_command__syntax(call);
    }
    if (values && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
        return hf_command__error(call, "ERR value is out of range");
    }
    if (!hf_command__record(view, call, call->args[1], &record)) {
        return HF_RAN_OK;
    }
    if (!record.found || count == 0) {
        hf_resp_array(call->reply, 0);
    } else if (count < -RANDOM_MAX) {
        hf_resp_errorf(call->reply, "TOOBIG at most %d fields are drawn at once", RANDOM_MAX);
    } else if (count < 0) {
        random_repeated(view, call, record.block, (uint64_t)-count, values);
    } else {
        random_distinct(view, call, record.block, (uint64_t)count, values);
    }
    return HF_RAN_OK;
}
