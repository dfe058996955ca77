/* From a request to parts: each command as pieces of work that one shard can do, and how to merge
 * their replies. */
#include "engine/shard/gateway_impl.h"

#include <stdio.h>

/* The shard that has every key of the command; NO_SHARD if there is none such, NO_KEY if it has no
 * keys. */
static uint16_t command_home(hf_shard *shard, const hf_request_command *c)
{
    uint32_t first, count, step;
    if ((c->command->flags & HF_COMMAND_ALL_KEYS) != 0) {
        return shard->count > 1 ? NO_SHARD : shard->self;
    }
    if (!hf_command_keys(c->command, c->argc, &first, &count, &step) || count == 0) {
        return NO_KEY;
    }
    uint16_t home = hf_gateway__home(shard, c->args[first]);
    for (uint32_t k = 1; k < count; k++) {
        if (hf_gateway__home(shard, c->args[first + k * step]) != home) {
            return NO_SHARD;
        }
    }
    return home;
}

static uint16_t both_homes(uint16_t a, uint16_t b)
{
    return a == NO_KEY ? b : b == NO_KEY || a == b ? a : NO_SHARD;
}

uint16_t hf_plan__homes(hf_shard *shard, const hf_request *request)
{
    uint16_t home = request->has_id ? hf_gateway__stub_home(shard, request->id) : NO_KEY;
    for (uint32_t i = 0; i < request->condition_count; i++) {
        home = both_homes(home, hf_gateway__home(shard, request->conditions[i].key));
    }
    hf_buf_reset(&shard->routes);
    for (uint32_t i = 0; i < request->count; i++) {
        uint16_t at = command_home(shard, &request->commands[i]);
        hf_buf_u16(&shard->routes, at);
        home = both_homes(home, at);
    }
    return home == NO_KEY ? shard->self : home;
}

/* One command of one shard (or of all), ready to be sent. */
static void add_part_of(hf_op *op, hf_home home, uint16_t shard, const hf_request_command *c)
{
    hf_piece none = { .there = false };
    hf_buf_raw(&op->homes, &home, sizeof home);
    hf_buf_raw(&op->pieces, &none, sizeof none);
    uint8_t *head = hf_buf_extend(&op->parts, sizeof shard + sizeof(uint32_t));
    if (head == NULL) {
        return;
    }
    uint32_t at = op->parts.size;
    memcpy(head, &shard, sizeof shard);
    hf_txn_copy_command(&op->parts, op->piece_count++, c);
    if (!op->parts.failed) {
        uint32_t size = op->parts.size - at;
        memcpy(op->parts.data + at - sizeof size, &size, sizeof size);
    }
}

static void add_part(hf_op *op, uint16_t shard, const hf_command *command, const hf_bytes *args,
                     uint32_t argc)
{
    hf_request_command c = { .command = command, .args = args, .argc = argc };
    add_part_of(op, (hf_home){ .shard = NO_SHARD }, shard, &c);
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

/* `home`: as hf_plan__homes() found it. False: the command needs keys of several shards at once. */
static bool plan_command(hf_shard *shard, hf_op *op, const hf_request_command *c, uint16_t home)
{
    hf_recipe r = {
        .first = op->piece_count, .count = 1, .limit = UINT64_MAX, .command = c->command->id
    };
    uint32_t first = 0, count = 0, step = 1;
    if ((c->command->flags & HF_COMMAND_ALL_KEYS) != 0) {
        if (named(c->command, "hf.range")) {
            ranges(shard, op, c, &r);
        } else {
            everywhere(shard, op, c, &r);
        }
    } else if (home == NO_KEY) {
        add_part(op, shard->self, c->command, c->args, c->argc);
    } else if (home != NO_SHARD) {
        uint64_t hash = hf_gateway__hash(shard, c->args[c->command->key_first]);
        add_part_of(op, (hf_home){ hash, home }, NO_SHARD, c);
    } else if (c->command->part != NULL) {
        (void)hf_command_keys(c->command, c->argc, &first, &count, &step);
        r.merge = (uint8_t)merge_of(c->command);
        r.count = count;
        split(op, c, first, count, step);
    } else {
        return false;
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

/* Whether the parts are still what they were cut for. */
static bool fits(hf_shard *shard, const hf_op *op)
{
    if (op->general || op->map_version == shard->map.changes) {
        return true;
    }
    hf_reader r = hf_reader_of(hf_buf_view(&op->parts));
    bool good = !op->by_map;
    while (good && hf_reader_left(&r) > 0) {
        (void)hf_read_u16(&r);
        good = !keys_parted(shard, hf_read_bytes(&r));
    }
    return good;
}

static void clear(hf_op *op)
{
    hf_buf_reset(&op->parts);
    hf_buf_reset(&op->homes);
    hf_buf_reset(&op->pieces);
    hf_buf_reset(&op->recipes);
    op->piece_count = 0;
    op->by_map = false;
}

bool hf_plan__request(hf_shard *shard, hf_op *op, const hf_request *request)
{
    bool parts = !op->has_else;
    clear(op);
    const uint16_t *homes = (const uint16_t *)(const void *)shard->routes.data;
    for (uint32_t i = 0; i < request->count && parts; i++) {
        parts = plan_command(shard, op, &request->commands[i], homes[i]);
    }
    if (!parts) { /* commands as they are, for an operation that locks and fetches first */
        clear(op);
        op->general = true;
        for (uint32_t i = 0; i < request->count; i++) {
            const hf_request_command *c = &request->commands[i];
            add_part(op, NO_SHARD, c->command, c->args, c->argc);
        }
    }
    return !op->parts.failed && !op->conditions.failed && !op->pieces.failed &&
           !op->recipes.failed && !op->homes.failed;
}

/* ---- The request as it was asked, from its parts ---- */

/* Reads the arguments of the next part into `args`. Answers how many. */
static uint32_t read_part(hf_reader *parts, hf_buf *args)
{
    (void)hf_read_u16(parts);
    hf_reader r = hf_reader_of(hf_read_bytes(parts));
    (void)hf_read_u32(&r);
    (void)hf_read_u16(&r);
    uint32_t argc = hf_read_u32(&r);
    for (uint32_t i = 0; i < argc; i++) {
        hf_bytes arg = hf_read_bytes(&r);
        hf_buf_raw(args, &arg, sizeof arg);
    }
    HF_ASSERT(!r.bad);
    return argc;
}

/* The parts of a scan are neighbours, in key order or against it: together they are what was asked
 * for. */
static void join_ranges(hf_bytes *asked, const hf_bytes *next)
{
    bool before = hf_bytes_compare(next[1], asked[1]) < 0;
    asked[before ? 1 : 2] = next[before ? 1 : 2];
}

/* The arguments of one command. */
static void put_asked(const hf_recipe *recipe, hf_reader *parts, hf_buf *args, hf_buf *part)
{
    const hf_command *command = hf_command_at(recipe->command);
    uint32_t from = args->size;
    (void)read_part(parts, args);
    for (uint32_t i = 1; i < recipe->count; i++) {
        hf_buf_reset(part);
        uint32_t argc = read_part(parts, part);
        const hf_bytes *next = (const hf_bytes *)(const void *)part->data;
        if (part->failed || args->failed) {
            args->failed = true;
        } else if ((command->flags & HF_COMMAND_ALL_KEYS) == 0) {
            hf_buf_raw(args, next + 1, (argc - 1) * (uint32_t)sizeof *next);
        } else if (named(command, "hf.range")) {
            HF_ASSERT(args->data != NULL && next != NULL); /* neither failed */
            join_ranges((hf_bytes *)(void *)(args->data + from), next);
        }
    }
    if (!args->failed) {
        HF_ASSERT(args->data != NULL); /* a command has a name at least */
        hf_bytes name = hf_bytes_of(command->name, strlen(command->name));
        memcpy(args->data + from, &name, sizeof name);
    }
}

/* What was cut, out of `op` (whose buffers must stay), into the buffers given. */
static bool put_request(const hf_op *op, hf_buf *commands, hf_buf *args, hf_buf *part)
{
    hf_reader parts = hf_reader_of(hf_buf_view(&op->parts));
    const hf_recipe *recipes = (const hf_recipe *)(const void *)op->recipes.data;
    for (uint32_t i = 0; i < op->command_count; i++) {
        uint32_t from = args->size;
        put_asked(&recipes[i], &parts, args, part);
        hf_request_command c = { .command = hf_command_at(recipes[i].command),
                                 .argc = (args->size - from) / (uint32_t)sizeof(hf_bytes) };
        hf_buf_raw(commands, &c, sizeof c);
    }
    if (commands->failed || args->failed) {
        return false;
    }
    hf_request_command *list = (hf_request_command *)(void *)commands->data;
    const hf_bytes *at = (const hf_bytes *)(const void *)args->data;
    for (uint32_t i = 0; i < op->command_count; i++) { /* the slices stand still now */
        list[i].args = at;
        at += list[i].argc;
    }
    return true;
}

bool hf_plan__again(hf_shard *shard, hf_op *op)
{
    if (fits(shard, op)) {
        return true;
    }
    hf_buf commands, args, part;
    hf_buf_open(&commands, shard->heap);
    hf_buf_open(&args, shard->heap);
    hf_buf_open(&part, shard->heap);
    bool good = put_request(op, &commands, &args, &part);
    if (good) {
        hf_request request = { .commands = (const hf_request_command *)(const void *)commands.data,
                               .count = op->command_count };
        hf_buf parts = op->parts; /* what the arguments point into */
        hf_buf_open(&op->parts, shard->heap);
        op->map_version = shard->map.changes;
        (void)hf_plan__homes(shard, &request);
        good = !shard->routes.failed && hf_plan__request(shard, op, &request);
        hf_buf_close(&parts);
    }
    hf_buf_close(&commands);
    hf_buf_close(&args);
    hf_buf_close(&part);
    return good;
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
