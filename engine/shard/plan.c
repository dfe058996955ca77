/* From a request to parts: each command as pieces of work that one shard can do, and how to merge
 * their replies. */
#include "engine/shard/gateway_impl.h"

#include <stdio.h>

/* One command of one shard (or of all), ready to be sent. */
static void add_part(hf_op *op, uint16_t shard, const hf_command *command, const hf_bytes *args,
                     uint32_t argc)
{
    static const hf_home unknown = { .shard = NO_SHARD };
    hf_buf_raw(&op->homes, &unknown, sizeof unknown);
    hf_buf_u16(&op->parts, shard);
    uint32_t at = op->parts.size;
    hf_buf_u32(&op->parts, 0);
    hf_txn_put_command(&op->parts, op->piece_count++, command, args, argc);
    hf_piece none = { .there = false };
    hf_buf_raw(&op->pieces, &none, sizeof none);
    if (!op->parts.failed) {
        uint32_t size = op->parts.size - at - 4;
        memcpy(op->parts.data + at, &size, sizeof size);
    }
}

static void split(hf_op *op, const hf_request_command *c, uint32_t first, uint32_t count,
                  uint32_t step)
{
    const hf_command *part =
        hf_command_find(hf_bytes_of(c->command->part, strlen(c->command->part)));
    HF_ASSERT(part != NULL && step <= 2 && first + count * step == c->argc);
    for (uint32_t i = 0; i < count; i++) {
        hf_bytes args[3] = { hf_bytes_of(part->name, strlen(part->name)) };
        for (uint32_t k = 0; k < step; k++) {
            args[1 + k] = c->args[first + i * step + k];
        }
        add_part(op, NO_SHARD, part, args, 1 + step);
    }
}

static hf_merge merge_of(const hf_command *command)
{
    if ((command->flags & HF_COMMAND_SPLIT_ARRAY) != 0) {
        return HF_MERGE_ARRAY;
    }
    return (command->flags & HF_COMMAND_SPLIT_SUM) != 0 ? HF_MERGE_SUM : HF_MERGE_OK;
}

static bool named(const hf_command *command, const char *name)
{
    return strcmp(command->name, name) == 0;
}

/* A command over the whole space: a part at every shard. HF.RANGE: one per range, in key order. */
static void everywhere(hf_shard *shard, hf_op *op, const hf_request_command *c, hf_recipe *r)
{
    r->merge = (uint8_t)(named(c->command, "keys")        ? HF_MERGE_CONCAT
                         : named(c->command, "dbsize")    ? HF_MERGE_SUM
                         : named(c->command, "randomkey") ? HF_MERGE_ANY
                                                          : HF_MERGE_OK);
    for (uint16_t i = 0; i < shard->count; i++) {
        /* RANDOMKEY looks first at another shard each time. */
        uint64_t first = r->merge == HF_MERGE_ANY ? op->age.ts : 0;
        uint16_t to = (uint16_t)((first + i) % shard->count);
        add_part(op, to, c->command, c->args, c->argc);
    }
    r->count = op->piece_count - r->first;
}

/* What a client may write in any order and again, once and in one order. */
static uint32_t range_args(const hf_range_query *query, hf_bytes args[7], char digits[24])
{
    uint32_t argc = 3;
    if (query->reverse) {
        args[argc++] = HF_LIT("REV");
    }
    if (query->values) {
        args[argc++] = HF_LIT("VALUES");
    }
    if (query->limit != UINT64_MAX) {
        int size = snprintf(digits, 24, "%llu", (unsigned long long)query->limit);
        args[argc++] = HF_LIT("LIMIT");
        args[argc++] = hf_bytes_of(digits, (size_t)size);
    }
    return argc;
}

static bool parse_range(hf_shard *shard, const hf_request_command *c, hf_range_query *query)
{
    hf_buf error;
    hf_buf_open(&error, shard->heap);
    bool good = hf_range_parse(c->args, c->argc, query, &error);
    hf_buf_close(&error);
    return good;
}

static void ranges(hf_shard *shard, hf_op *op, const hf_request_command *c, hf_recipe *r)
{
    hf_range_query query;
    if (!parse_range(shard, c, &query)) { /* whoever runs it says what is wrong */
        add_part(op, shard->self, c->command, c->args, c->argc);
        return;
    }
    op->by_map = true;
    r->merge = HF_MERGE_CONCAT;
    r->limit = query.limit;
    if (query.values && op->proto == 2 && r->limit <= UINT64_MAX / 2) {
        r->limit *= 2;
    }
    hf_bytes args[7] = { c->args[0] };
    char digits[24];
    uint32_t argc = range_args(&query, args, digits);
    for (uint32_t k = 0; k < shard->map.count; k++) {
        uint32_t i = query.reverse ? shard->map.count - 1 - k : k;
        hf_bytes start = shard->map.ranges[i].start;
        hf_bytes end = hf_range_end(&shard->map, i);
        if (end.size != 0 && (end.data[0] < HF_SPACE_USER || end.size == 1)) {
            continue; /* a range of the system space */
        }
        /* In user keys: without the space byte; the bounds of the space are open. */
        start = start.size > 1 && start.data[0] == HF_SPACE_USER
                    ? hf_bytes_of(start.data + 1, start.size - 1)
                    : hf_bytes_of("", 0);
        end = end.size > 1 ? hf_bytes_of(end.data + 1, end.size - 1) : hf_bytes_of("", 0);
        args[1] = hf_bytes_compare(start, query.start) > 0 ? start : query.start;
        args[2] = query.end.size == 0 || (end.size != 0 && hf_bytes_compare(end, query.end) < 0)
                      ? end
                      : query.end;
        if (args[2].size != 0 && hf_bytes_compare(args[1], args[2]) >= 0) {
            continue;
        }
        add_part(op, shard->map.ranges[i].shard, c->command, args, argc);
    }
    if (op->piece_count == r->first) { /* an empty interval */
        add_part(op, shard->self, c->command, c->args, c->argc);
    }
    r->count = op->piece_count - r->first;
}

/* Answers false when the command needs keys of several shards at once. */
bool hf_plan__command(hf_shard *shard, hf_op *op, const hf_request_command *c)
{
    hf_recipe r = { .first = op->piece_count, .count = 1, .limit = UINT64_MAX };
    uint32_t first = 0, count = 0, step = 1;
    bool has_keys = hf_command_keys(c->command, c->argc, &first, &count, &step) && count > 0;
    if ((c->command->flags & HF_COMMAND_ALL_KEYS) != 0) {
        if (named(c->command, "hf.range")) {
            ranges(shard, op, c, &r);
        } else {
            everywhere(shard, op, c, &r);
        }
    } else {
        uint16_t home = has_keys ? hf_gateway__home(shard, c->args[first]) : shard->self;
        bool one = true;
        for (uint32_t i = 1; i < count && one; i++) {
            one = hf_gateway__home(shard, c->args[first + i * step]) == home;
        }
        if (one) {
            add_part(op, has_keys ? NO_SHARD : shard->self, c->command, c->args, c->argc);
            if (has_keys && !op->homes.failed) {
                hf_home *last = (hf_home *)(void *)(op->homes.data + op->homes.size) - 1;
                *last = (hf_home){ hf_gateway__hash(shard, c->args[first]), home };
            }
        } else if (c->command->part != NULL) {
            r.merge = (uint8_t)merge_of(c->command);
            r.count = count;
            split(op, c, first, count, step);
        } else {
            return false;
        }
    }
    hf_buf_raw(&op->recipes, &r, sizeof r);
    return true;
}

static bool keys_parted(hf_shard *shard, hf_bytes part)
{
    hf_reader r = hf_reader_of(part);
    (void)hf_read_u32(&r);
    const hf_command *c = hf_command_at(hf_read_u16(&r));
    uint32_t argc = hf_read_u32(&r);
    uint32_t first, count, step;
    uint16_t home = NO_SHARD;
    if (!hf_command_keys(c, argc, &first, &count, &step)) {
        return false;
    }
    for (uint32_t i = 0; i < argc && count > 0; i++) {
        hf_bytes arg = hf_read_bytes(&r);
        if (i != first) {
            continue;
        }
        uint16_t at = hf_gateway__home(shard, arg);
        if (home != NO_SHARD && at != home) {
            return true;
        }
        home = at;
        first += step;
        count--;
    }
    return false;
}

bool hf_plan__fits(hf_shard *shard, const hf_op *op)
{
    if (op->general || op->map_version == shard->map.changes) {
        return true;
    }
    hf_reader r = hf_reader_of(hf_buf_view(&op->parts));
    bool fits = !op->by_map;
    while (fits && hf_reader_left(&r) > 0) {
        (void)hf_read_u16(&r);
        fits = !keys_parted(shard, hf_read_bytes(&r));
    }
    return fits;
}

/* Commands as they are, for an operation that locks and fetches first. */
void hf_plan__general(hf_op *op, const hf_request *request)
{
    op->general = true;
    op->by_map = false;
    hf_buf_reset(&op->parts);
    hf_buf_reset(&op->homes);
    hf_buf_reset(&op->pieces);
    hf_buf_reset(&op->recipes);
    op->piece_count = 0;
    for (uint32_t i = 0; i < request->count; i++) {
        const hf_request_command *c = &request->commands[i];
        add_part(op, NO_SHARD, c->command, c->args, c->argc);
    }
}

void hf_plan__conditions(hf_op *op, const hf_request *request)
{
    for (uint32_t i = 0; i < request->condition_count; i++) {
        uint32_t at = op->conditions.size;
        hf_buf_u32(&op->conditions, 0);
        hf_txn_put_condition(&op->conditions, &request->conditions[i]);
        if (!op->conditions.failed) {
            uint32_t size = op->conditions.size - at - 4;
            memcpy(op->conditions.data + at, &size, sizeof size);
        }
    }
    op->condition_count = request->condition_count;
}
