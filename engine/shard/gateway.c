#include "engine/shard/gateway_impl.h"

#include "engine/base/hash.h"

enum { OPS_MAX = 4096, WINDOW = 1 << 15, UNDER_WAY = 255, KEEP_BYTES = 4096, COLLECTS_MAX = 3 };

/* ---- Operations ---- */

static void op_bufs(hf_op *op, hf_buf *all[8])
{
    all[0] = &op->parts;
    all[1] = &op->conditions;
    all[2] = &op->recipes;
    all[3] = &op->pieces;
    all[4] = &op->replies;
    all[5] = &op->refusal;
    all[6] = &op->locks;
    all[7] = &op->stamps;
}

bool hf_gateway__open(hf_shard *shard)
{
    shard->ops = hf_heap_take(shard->heap, sizeof(hf_op) * OPS_MAX);
    shard->unfinished.remaining = hf_heap_take(shard->heap, WINDOW);
    if (shard->ops == NULL || shard->unfinished.remaining == NULL) {
        return false;
    }
    shard->unfinished.mask = WINDOW - 1;
    shard->unfinished.base = shard->unfinished.next = 1;
    memset(shard->ops, 0, sizeof(hf_op) * OPS_MAX);
    shard->op_count = OPS_MAX;
    for (uint32_t i = OPS_MAX; i-- > 0;) {
        hf_op *op = &shard->ops[i];
        hf_buf *all[8];
        op->index = i;
        op_bufs(op, all);
        for (int k = 0; k < 8; k++) {
            hf_buf_open(all[k], shard->heap);
        }
        hf_buf_open(&op->marks, shard->heap);
        hf_workspace_open(&op->workspace, shard->heap);
        op->next = shard->op_spare;
        shard->op_spare = op;
    }
    return true;
}

hf_op *hf_gateway__op_take(hf_shard *shard)
{
    hf_op *op = shard->op_spare;
    if (op != NULL) {
        shard->op_spare = op->next;
        op->generation++;
        op->stage = HF_STAGE_IDLE;
        op->age = (hf_age){ hf_shard__now(shard), shard->self };
    }
    return op;
}

void hf_gateway__op_give(hf_shard *shard, hf_op *op)
{
    hf_buf *all[8];
    op_bufs(op, all);
    for (int k = 0; k < 8; k++) {
        hf_buf_reset(all[k]);
        hf_buf_trim(all[k], KEEP_BYTES);
    }
    hf_buf_reset(&op->marks);
    hf_buf_trim(&op->marks, KEEP_BYTES);
    hf_workspace_close(&op->workspace);
    hf_workspace_open(&op->workspace, shard->heap);
    hf_timers_cancel(&shard->timers, &op->alarm.timer);
    op->stage = HF_STAGE_SPARE;
    op->has_id = op->has_else = op->general = op->interactive = op->lost = op->atomic = false;
    op->touched = op->waiting = 0;
    op->tries = op->command_count = op->else_count = op->condition_count = 0;
    op->piece_count = op->lock_count = 0;
    op->digest = 0;
    op->next = shard->op_spare;
    shard->op_spare = op;
}

hf_ticket hf_gateway__ticket(const hf_op *op)
{
    return (hf_ticket){ .place = op->index, .number = op->generation, .form = HF_TICKET_OP };
}

uint16_t hf_gateway__home(const hf_shard *shard, hf_bytes user_key)
{
    hf_internal_key key;
    hf_bytes internal = hf_internal_key_set(&key, user_key);
    return shard->map.ranges[hf_range_find(&shard->map, internal)].shard;
}

static uint16_t stub_home(const hf_shard *shard, const uint8_t id[16])
{
    uint8_t key[HF_STUB_KEY_SIZE];
    hf_stub__key(id, key);
    return shard->map.ranges[hf_range_find(&shard->map, hf_bytes_of(key, sizeof key))].shard;
}

/* ---- Attempts and the watermark ---- */

bool hf_gateway__attempt(hf_shard *shard, hf_op *op)
{
    hf_unfinished *u = &shard->unfinished;
    if (u->next - u->base > u->mask) {
        return false;
    }
    uint64_t seq = u->next++;
    u->remaining[seq & u->mask] = UNDER_WAY;
    op->co.attempt = hf_attempt_of(shard->incarnation, seq, shard->self);
    op->co.state = HF_COORDINATOR_PREPARING;
    op->co.prepared = 0;
    op->touched = 0;
    op->lock_count = 0;
    hf_buf_reset(&op->locks);
    return true;
}

static void advance(hf_unfinished *u)
{
    while (u->base < u->next && u->remaining[u->base & u->mask] == 0) {
        u->base++;
    }
}

/* Ends the attempt at every shard that knows of it. ts 0: aborted. */
void hf_gateway__finalize(hf_shard *shard, hf_op *op, uint64_t ts, hf_bytes result)
{
    hf_unfinished *u = &shard->unfinished;
    uint64_t seq = hf_attempt_seq(op->co.attempt);
    uint8_t count = 0;
    for (uint16_t to = 0; to < shard->count; to++) {
        if ((op->touched & hf_shard_bit(to)) == 0) {
            continue;
        }
        hf_msg_decision d = {
            .attempt = op->co.attempt, .ts = ts, .watermark = u->base, .by_coordinator = 1
        };
        bool stub = op->has_id && ts != 0 && to == stub_home(shard, op->id);
        hf_msg *msg = hf_shard__msg_of(shard, HF_MSG_FINALIZE, &d, sizeof d,
                                       stub ? result : hf_bytes_of(NULL, 0));
        if (msg == NULL || !hf_ring_push(&shard->sent[to], &seq)) {
            hf_shard__fail(shard, 70, "memory", "no room to end a transaction");
            return;
        }
        hf_shard__post(shard, to, msg);
        count++;
    }
    u->remaining[seq & u->mask] = count;
    op->touched = 0;
    op->co.attempt = hf_attempt_of(0, 0, 0); /* what still comes of it is late */
    advance(u);
}

void hf_gateway__finalized(hf_shard *shard, const hf_msg_decision *msg)
{
    hf_unfinished *u = &shard->unfinished;
    uint16_t from = msg->head.from;
    while (shard->sent_acked[from] < msg->count) {
        uint64_t seq;
        HF_ASSERT(hf_ring_pop(&shard->sent[from], &seq));
        HF_ASSERT(u->remaining[seq & u->mask] != 0);
        u->remaining[seq & u->mask]--;
        shard->sent_acked[from]++;
    }
    advance(u);
}

/* ---- Answers to the session ---- */

static void complete(hf_shard *shard, hf_ticket ticket, hf_form form, uint32_t count, uint8_t proto,
                     hf_ending ending, hf_bytes body)
{
    hf_buf *out = &shard->scratch;
    hf_buf_reset(out);
    if (ending == HF_ENDING_DONE && (form == HF_FORM_EXEC || form == HF_FORM_TXN)) {
        hf_resp_array(out, count);
        hf_buf_raw(out, body.data, body.size);
    } else if (ending == HF_ENDING_CONDITION && form == HF_FORM_EXEC) {
        hf_resp_null_array(out, proto);
    } else if (ending == HF_ENDING_DONE && form == HF_FORM_STAMPS) {
        hf_session__stamps(shard, ticket, body);
        return;
    } else if (ending == HF_ENDING_CONDITION) {
        hf_resp_error(out, "CONDFAILED a condition does not hold");
    } else {
        hf_session__complete(shard, ticket, body);
        return;
    }
    hf_session__complete(shard, ticket,
                         out->failed ? HF_LIT("-OOM the reply does not fit into memory\r\n")
                                     : hf_buf_view(out));
}

void hf_gateway__answer(hf_shard *shard, hf_op *op, hf_bytes reply)
{
    hf_session__complete(shard, op->client, reply);
}

static uint32_t count_array(hf_bytes reply, uint32_t *head)
{
    uint32_t count = 0;
    uint32_t i = 1;
    while (i < reply.size && reply.data[i] != '\r') {
        count = count * 10 + (uint32_t)(reply.data[i] - '0');
        i++;
    }
    *head = i + 2;
    return count;
}

static int64_t read_integer(hf_bytes reply)
{
    int64_t value = 0;
    hf_bytes digits = hf_bytes_of(reply.data + 1, reply.size - 3);
    HF_ASSERT(hf_int_from_text(digits, &value));
    return value;
}

static hf_bytes piece_bytes(const hf_op *op, uint32_t index)
{
    const hf_piece *piece = (const hf_piece *)(const void *)op->pieces.data + index;
    HF_ASSERT(piece->there);
    return hf_bytes_of(op->replies.data + piece->offset, piece->size);
}

static void concat(const hf_op *op, const hf_recipe *r, hf_buf *out)
{
    uint64_t total = 0;
    uint32_t head;
    for (uint32_t i = 0; i < r->count; i++) {
        total += count_array(piece_bytes(op, r->first + i), &head);
    }
    total = total < r->limit ? total : r->limit;
    hf_resp_array(out, (uint32_t)total);
    for (uint32_t i = 0; i < r->count && total > 0; i++) {
        hf_bytes piece = piece_bytes(op, r->first + i);
        uint32_t count = count_array(piece, &head);
        hf_bytes rest = hf_bytes_of(piece.data + head, piece.size - head);
        if (count <= total) {
            hf_buf_raw(out, rest.data, rest.size);
            total -= count;
            continue;
        }
        for (; total > 0; total--) {
            uint32_t size = hf_resp_reply_size(rest);
            hf_buf_raw(out, rest.data, size);
            rest = hf_bytes_of(rest.data + size, rest.size - size);
        }
    }
}

static bool is_nil(hf_bytes reply)
{
    return reply.size >= 1 &&
           (reply.data[0] == '_' || (reply.data[0] == '$' && reply.data[1] == '-'));
}

static void put_recipe(const hf_op *op, const hf_recipe *r, hf_buf *out)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        hf_bytes piece = piece_bytes(op, r->first + i);
        if (piece.data[0] == '-') { /* the first error speaks for all */
            hf_buf_raw(out, piece.data, piece.size);
            return;
        }
        sum += r->merge == HF_MERGE_SUM ? read_integer(piece) : 0;
    }
    hf_bytes first = piece_bytes(op, r->first);
    switch ((hf_merge)r->merge) {
    case HF_MERGE_ONE:
    case HF_MERGE_OK:
        hf_buf_raw(out, first.data, first.size);
        break;
    case HF_MERGE_SUM:
        hf_resp_integer(out, sum);
        break;
    case HF_MERGE_ARRAY:
        hf_resp_array(out, r->count);
        for (uint32_t i = 0; i < r->count; i++) {
            hf_bytes piece = piece_bytes(op, r->first + i);
            hf_buf_raw(out, piece.data, piece.size);
        }
        break;
    case HF_MERGE_CONCAT:
        concat(op, r, out);
        break;
    case HF_MERGE_ANY:
        for (uint32_t i = 1; i < r->count && is_nil(first); i++) {
            first = piece_bytes(op, r->first + i);
        }
        hf_buf_raw(out, first.data, first.size);
        break;
    }
}

void hf_gateway__assemble(hf_shard *shard, hf_op *op, hf_buf *out)
{
    (void)shard;
    hf_buf_reset(out);
    uint32_t count = op->recipes.size / (uint32_t)sizeof(hf_recipe);
    if (op->form == HF_FORM_EXEC || op->form == HF_FORM_TXN) {
        hf_resp_array(out, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        put_recipe(op, (const hf_recipe *)(const void *)op->recipes.data + i, out);
    }
}

/* ---- From a request to parts ---- */

/* One command of one shard (or of all), ready to be sent. */
static void add_part(hf_op *op, uint16_t shard, const hf_command *command, const hf_bytes *args,
                     uint32_t argc)
{
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
    HF_ASSERT(part != NULL && step <= 2);
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
    r->merge = named(c->command, "keys")        ? HF_MERGE_CONCAT
               : named(c->command, "dbsize")    ? HF_MERGE_SUM
               : named(c->command, "randomkey") ? HF_MERGE_ANY
                                                : HF_MERGE_OK;
    for (uint16_t i = 0; i < shard->count; i++) {
        /* RANDOMKEY looks first at another shard each time. */
        uint16_t to = r->merge == HF_MERGE_ANY ? (uint16_t)((i + op->age.ts) % shard->count) : i;
        add_part(op, to, c->command, c->args, c->argc);
    }
    r->count = op->piece_count - r->first;
}

static void ranges(hf_shard *shard, hf_op *op, const hf_request_command *c, hf_recipe *r)
{
    hf_range_query query;
    HF_ASSERT(hf_range_parse(c->args, c->argc, &query, NULL));
    r->merge = HF_MERGE_CONCAT;
    r->limit = query.limit;
    if (query.values && op->proto == 2 && r->limit <= UINT64_MAX / 2) {
        r->limit *= 2;
    }
    hf_bytes args[16];
    HF_ASSERT(c->argc <= 16);
    memcpy(args, c->args, sizeof *args * c->argc);
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
        add_part(op, shard->map.ranges[i].shard, c->command, args, c->argc);
    }
    if (op->piece_count == r->first) { /* an empty interval */
        add_part(op, shard->self, c->command, c->args, c->argc);
    }
    r->count = op->piece_count - r->first;
}

/* Answers false when the command needs keys of several shards at once. */
static bool plan_command(hf_shard *shard, hf_op *op, const hf_request_command *c)
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

/* Commands as they are, for an operation that locks and fetches first. */
static void plan_general(hf_op *op, const hf_request *request)
{
    op->general = true;
    hf_buf_reset(&op->parts);
    hf_buf_reset(&op->pieces);
    hf_buf_reset(&op->recipes);
    op->piece_count = 0;
    for (uint32_t i = 0; i < request->count; i++) {
        const hf_request_command *c = &request->commands[i];
        add_part(op, NO_SHARD, c->command, c->args, c->argc);
    }
}

static void plan_conditions(hf_op *op, const hf_request *request)
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

/* ---- Sending parts ---- */

/* The shard of a part now: by its first key, unless it was made for one shard. */
static uint16_t part_home(hf_shard *shard, uint16_t fixed, hf_bytes command)
{
    if (fixed != NO_SHARD) {
        return fixed;
    }
    hf_reader r = hf_reader_of(command);
    (void)hf_read_u32(&r);
    const hf_command *c = hf_command_at(hf_read_u16(&r));
    uint32_t argc = hf_read_u32(&r);
    uint32_t first, count, step;
    HF_ASSERT(c != NULL && hf_command_keys(c, argc, &first, &count, &step) && count > 0);
    for (uint32_t i = 0; i < first; i++) {
        (void)hf_read_bytes(&r);
    }
    return hf_gateway__home(shard, hf_read_bytes(&r));
}

static uint16_t condition_home(hf_shard *shard, hf_bytes condition)
{
    hf_reader r = hf_reader_of(condition);
    (void)hf_read_lent(&r, 10);
    return hf_gateway__home(shard, hf_read_bytes(&r));
}

/* Every shard that takes part; `routes` gets the shard of each part, then of each condition. */
static hf_shard_set route(hf_shard *shard, hf_op *op)
{
    hf_shard_set set = 0;
    hf_buf_reset(&shard->routes);
    hf_reader r = hf_reader_of(hf_buf_view(&op->parts));
    while (hf_reader_left(&r) > 0) {
        uint16_t fixed = hf_read_u16(&r);
        uint16_t home = part_home(shard, fixed, hf_read_bytes(&r));
        hf_buf_u16(&shard->routes, home);
        set |= hf_shard_bit(home);
    }
    r = hf_reader_of(hf_buf_view(&op->conditions));
    while (hf_reader_left(&r) > 0) {
        uint16_t home = condition_home(shard, hf_read_bytes(&r));
        hf_buf_u16(&shard->routes, home);
        set |= hf_shard_bit(home);
    }
    return set;
}

void hf_gateway__base(hf_shard *shard, const hf_op *op, hf_msg_txn *msg)
{
    *msg = (hf_msg_txn){ .ticket = hf_gateway__ticket(op),
                         .attempt = op->co.attempt,
                         .age = op->age,
                         .clock = shard->clock.last,
                         .watermark = shard->unfinished.base,
                         .digest = op->digest,
                         .proto = op->proto };
    memcpy(msg->id, op->id, sizeof msg->id);
}

/* The message for one shard: its conditions and parts. */
static hf_msg *build(hf_shard *shard, hf_op *op, uint16_t to, hf_msg_txn *fixed)
{
    const uint16_t *route_at = (const uint16_t *)(const void *)shard->routes.data;
    uint32_t parts = op->piece_count;
    hf_buf *body = &shard->message;
    hf_buf_reset(body);
    fixed->command_count = fixed->condition_count = 0;
    hf_reader r = hf_reader_of(hf_buf_view(&op->conditions));
    for (uint32_t i = 0; hf_reader_left(&r) > 0; i++) {
        hf_bytes condition = hf_read_bytes(&r);
        if (route_at[parts + i] == to) {
            hf_buf_raw(body, condition.data, condition.size);
            fixed->condition_count++;
        }
    }
    r = hf_reader_of(hf_buf_view(&op->parts));
    for (uint32_t i = 0; hf_reader_left(&r) > 0; i++) {
        (void)hf_read_u16(&r);
        hf_bytes part = hf_read_bytes(&r);
        if (route_at[i] == to) {
            hf_buf_raw(body, part.data, part.size);
            fixed->command_count++;
        }
    }
    return body->failed
               ? NULL
               : hf_shard__msg_of(shard, HF_MSG_TXN, fixed, sizeof *fixed, hf_buf_view(body));
}

static void fail_op(hf_shard *shard, hf_op *op, hf_bytes reply)
{
    hf_gateway__answer(shard, op, reply);
    hf_gateway__op_give(shard, op);
}

static const char no_memory[] = "-OOM no memory for the transaction\r\n";

/* Sends one message per shard of the set with these flags. False: out of memory half-way. */
static bool send_all(hf_shard *shard, hf_op *op, hf_shard_set set, uint16_t flags, uint16_t anchor)
{
    for (uint16_t to = 0; to < shard->count; to++) {
        if ((set & hf_shard_bit(to)) == 0) {
            continue;
        }
        hf_msg_txn fixed;
        hf_gateway__base(shard, op, &fixed);
        fixed.flags = flags;
        fixed.anchor = anchor;
        fixed.participants = to == anchor ? set : 0;
        if (op->has_id) {
            fixed.flags |= HF_TXN_HAS_ID;
            fixed.flags |= to == anchor ? HF_TXN_STUB : 0;
        }
        hf_msg *msg = build(shard, op, to, &fixed);
        if (msg == NULL) {
            return false;
        }
        hf_shard__post(shard, to, msg);
        op->touched |= hf_shard_bit(to);
    }
    return true;
}

static uint16_t lowest(hf_shard_set set)
{
    uint16_t i = 0;
    while ((set & hf_shard_bit(i)) == 0) {
        i++;
    }
    return i;
}

static void start_prepare(hf_shard *shard, hf_op *op)
{
    hf_shard_set set = route(shard, op);
    uint16_t anchor = op->has_id ? stub_home(shard, op->id) : lowest(set);
    set |= hf_shard_bit(anchor);
    if (!hf_gateway__attempt(shard, op)) {
        fail_op(shard, op, HF_LIT("-BUSY too many transactions are not finished yet\r\n"));
        return;
    }
    op->stage = HF_STAGE_PREPARE;
    op->ending = HF_ENDING_DONE;
    hf_buf_reset(&op->replies);
    hf_coordinator_begin(&op->co, op->co.attempt, set);
    uint16_t flags = HF_TXN_PIECES | (op->atomic ? HF_TXN_ATOMIC : 0);
    if (!send_all(shard, op, set, flags, anchor)) {
        hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
        fail_op(shard, op, hf_bytes_of(no_memory, sizeof no_memory - 1));
    }
}

/* ---- Reads over shards: double collect ---- */

static void start_read(hf_shard *shard, hf_op *op)
{
    hf_shard_set set = route(shard, op);
    op->stage = HF_STAGE_READ;
    op->waiting = set;
    hf_buf_reset(&op->replies);
    hf_buf_reset(&op->stamps);
    op->co.attempt = hf_attempt_of(0, 0, 0);
    if (!send_all(shard, op, set,
                  HF_TXN_ONE_PHASE | HF_TXN_READ_ONLY | HF_TXN_PIECES | HF_TXN_STAMP, 0)) {
        fail_op(shard, op, hf_bytes_of(no_memory, sizeof no_memory - 1));
        return;
    }
    op->touched = 0;
}

/* Visits the keys of the op's parts at one shard, in the order in which the shard stamped them. */
static uint16_t put_watches(hf_shard *shard, hf_op *op, uint16_t to, hf_reader *stamps, hf_buf *out)
{
    uint16_t count = 0;
    const uint16_t *route_at = (const uint16_t *)(const void *)shard->routes.data;
    hf_reader r = hf_reader_of(hf_buf_view(&op->parts));
    for (uint32_t i = 0; hf_reader_left(&r) > 0; i++) {
        (void)hf_read_u16(&r);
        hf_reader part = hf_reader_of(hf_read_bytes(&r));
        (void)hf_read_u32(&part);
        const hf_command *c = hf_command_at(hf_read_u16(&part));
        uint32_t argc = hf_read_u32(&part);
        uint32_t first, keys, step;
        if (route_at[i] != to || !hf_command_keys(c, argc, &first, &keys, &step)) {
            continue;
        }
        for (uint32_t k = 0, next = first; k < argc && keys > 0; k++) {
            hf_bytes arg = hf_read_bytes(&part);
            if (k == next) {
                hf_txn_condition watch = { .kind = HF_CONDITION_WATCH,
                                           .stamp = hf_read_u64(stamps),
                                           .key = arg,
                                           .operand = hf_bytes_of("", 0) };
                hf_txn_put_condition(out, &watch);
                count++;
                keys--;
                next += step;
            }
        }
    }
    return count;
}

static void start_validate(hf_shard *shard, hf_op *op)
{
    hf_reader r = hf_reader_of(hf_buf_view(&op->stamps));
    (void)route(shard, op);
    op->stage = HF_STAGE_VALIDATE;
    op->waiting = 0;
    op->ending = HF_ENDING_DONE;
    while (hf_reader_left(&r) > 0) {
        uint16_t to = hf_read_u16(&r);
        hf_reader stamps = hf_reader_of(hf_read_bytes(&r));
        hf_msg_txn fixed;
        hf_gateway__base(shard, op, &fixed);
        fixed.flags = HF_TXN_ONE_PHASE | HF_TXN_READ_ONLY;
        hf_buf_reset(&shard->message);
        fixed.condition_count = put_watches(shard, op, to, &stamps, &shard->message);
        hf_msg *msg = shard->message.failed || stamps.bad
                          ? NULL
                          : hf_shard__msg_of(shard, HF_MSG_TXN, &fixed, sizeof fixed,
                                             hf_buf_view(&shard->message));
        if (msg == NULL) {
            fail_op(shard, op, hf_bytes_of(no_memory, sizeof no_memory - 1));
            return;
        }
        op->waiting |= hf_shard_bit(to);
        hf_shard__post(shard, to, msg);
    }
}

static void finish(hf_shard *shard, hf_op *op)
{
    hf_buf *out = &shard->head;
    hf_gateway__assemble(shard, op, out);
    hf_gateway__answer(shard, op,
                       out->failed || op->replies.failed
                           ? HF_LIT("-OOM the reply does not fit into memory\r\n")
                           : hf_buf_view(out));
}

static void store_pieces(hf_op *op, uint16_t from, hf_bytes body)
{
    hf_reader r = hf_reader_of(body);
    while (hf_reader_left(&r) > 0) {
        uint32_t index = hf_read_u32(&r);
        hf_bytes bytes = hf_read_bytes(&r);
        HF_ASSERT(!r.bad);
        if (index == UINT32_MAX) {
            hf_buf_u16(&op->stamps, from);
            hf_buf_bytes(&op->stamps, bytes);
            continue;
        }
        HF_ASSERT(index < op->piece_count);
        hf_piece *piece = (hf_piece *)(void *)op->pieces.data + index;
        *piece = (hf_piece){ .offset = op->replies.size, .size = bytes.size, .there = true };
        hf_buf_raw(&op->replies, bytes.data, bytes.size);
    }
}

/* The reads changed while they were collected, or moved: again, at last under fences. */
static void read_again(hf_shard *shard, hf_op *op)
{
    if (++op->tries < COLLECTS_MAX) {
        start_read(shard, op);
    } else {
        start_prepare(shard, op);
    }
}

static void on_read(hf_shard *shard, hf_op *op, const hf_msg_result *msg, hf_bytes body)
{
    op->waiting &= ~hf_shard_bit(msg->head.from);
    if (msg->ending == HF_ENDING_DONE) {
        if (op->stage == HF_STAGE_READ) {
            store_pieces(op, msg->head.from, body);
        }
    } else if (op->ending == HF_ENDING_DONE || op->ending == HF_ENDING_CONDITION) {
        op->ending = (hf_ending)msg->ending;
        hf_buf_reset(&op->refusal);
        hf_buf_raw(&op->refusal, body.data, body.size);
    }
    if (op->waiting != 0) {
        return;
    }
    if (op->ending == HF_ENDING_ABORTED || op->ending == HF_ENDING_BUSY) {
        hf_gateway__answer(shard, op, hf_buf_view(&op->refusal));
        hf_gateway__op_give(shard, op);
    } else if (op->ending != HF_ENDING_DONE) {
        op->ending = HF_ENDING_DONE;
        read_again(shard, op);
    } else if (op->stage == HF_STAGE_READ && op->command_count != 0) {
        start_validate(shard, op);
    } else {
        finish(shard, op);
        hf_gateway__op_give(shard, op);
    }
}

/* ---- Starting ---- */

static bool all_have(const hf_request *request, uint32_t flag)
{
    for (uint32_t i = 0; i < request->count; i++) {
        if ((request->commands[i].command->flags & flag) == 0) {
            return false;
        }
    }
    return true;
}

static bool any_has(const hf_request *request, uint32_t flag)
{
    for (uint32_t i = 0; i < request->count; i++) {
        if ((request->commands[i].command->flags & flag) != 0) {
            return true;
        }
    }
    return false;
}

/* The one shard that has every key of the request; NO_SHARD if there is none such. */
static uint16_t only_home(hf_shard *shard, const hf_request *request)
{
    uint16_t home = request->has_id ? stub_home(shard, request->id) : NO_SHARD;
    for (uint32_t i = 0; i < request->condition_count; i++) {
        uint16_t at = hf_gateway__home(shard, request->conditions[i].key);
        if (home != NO_SHARD && at != home) {
            return NO_SHARD;
        }
        home = at;
    }
    for (uint32_t i = 0; i < request->count; i++) {
        const hf_request_command *c = &request->commands[i];
        uint32_t first, count, step;
        if ((c->command->flags & HF_COMMAND_ALL_KEYS) != 0) {
            if (shard->count > 1) {
                return NO_SHARD;
            }
            home = shard->self;
            continue;
        }
        if (!hf_command_keys(c->command, c->argc, &first, &count, &step)) {
            continue;
        }
        for (uint32_t k = 0; k < count; k++) {
            uint16_t at = hf_gateway__home(shard, c->args[first + k * step]);
            if (home != NO_SHARD && at != home) {
                return NO_SHARD;
            }
            home = at;
        }
    }
    return home == NO_SHARD ? shard->self : home;
}

static uint64_t digest_of(const hf_op *op)
{
    return hf_hash64(1, op->parts.data, op->parts.size) ^
           hf_hash64(2, op->conditions.data, op->conditions.size);
}

static uint32_t form_word(const hf_request *request)
{
    return (uint32_t)request->form << HF_TICKET_FORM_SHIFT |
           (request->count - request->otherwise) << HF_TICKET_COUNT_SHIFT |
           (request->proto == 3 ? 1u << 7 : 0);
}

/* The whole request is one shard's: one message, no operation. */
static hf_started start_one(hf_shard *shard, const hf_request *request, uint16_t home)
{
    hf_msg_txn fixed = { .ticket = request->ticket,
                         .age = { hf_shard__now(shard), shard->self },
                         .watermark = shard->unfinished.base,
                         .read_ts = request->read_ts,
                         .flags = HF_TXN_ONE_PHASE,
                         .proto = request->proto };
    fixed.clock = fixed.age.ts;
    fixed.ticket.form = form_word(request);
    fixed.command_count = (uint16_t)request->count;
    fixed.condition_count = (uint16_t)request->condition_count;
    fixed.flags |= request->form == HF_FORM_TXN ? HF_TXN_ATOMIC : 0;
    fixed.flags |= request->form == HF_FORM_STAMPS ? HF_TXN_STAMP : 0;
    fixed.flags |= request->read_ts != 0 ? HF_TXN_AT : 0;
    fixed.flags |= !any_has(request, HF_COMMAND_WRITE | HF_COMMAND_COMMUTE) && !request->has_id
                       ? HF_TXN_READ_ONLY
                       : 0;
    hf_buf *body = &shard->message;
    hf_buf_reset(body);
    for (uint32_t i = 0; i < request->condition_count; i++) {
        hf_txn_put_condition(body, &request->conditions[i]);
    }
    for (uint32_t i = 0; i < request->count; i++) {
        hf_txn_put_command(body, i, request->commands[i].command, request->commands[i].args,
                           request->commands[i].argc);
    }
    if (request->has_id) {
        fixed.flags |= HF_TXN_HAS_ID | HF_TXN_STUB;
        memcpy(fixed.id, request->id, sizeof fixed.id);
        fixed.digest = hf_hash64(1, body->data, body->size);
    }
    hf_msg *msg =
        body->failed ? NULL
                     : hf_shard__msg_of(shard, HF_MSG_TXN, &fixed, sizeof fixed, hf_buf_view(body));
    if (msg == NULL) {
        return HF_STARTED_NOT;
    }
    hf_shard__post(shard, home, msg);
    return HF_STARTED;
}

static hf_started give_back(hf_shard *shard, hf_op *op, hf_started how)
{
    hf_gateway__op_give(shard, op);
    return how;
}

hf_started hf_gateway__start(hf_shard *shard, const hf_request *request, hf_buf *error)
{
    shard->stats.txns++;
    uint16_t home = only_home(shard, request);
    bool one_message = home != NO_SHARD && !request->has_else && request->count < UINT16_MAX;
    if (one_message &&
        !(request->count == 1 && any_has(request, HF_COMMAND_ALL_KEYS) && shard->count > 1)) {
        return start_one(shard, request, home);
    }
    hf_op *op = hf_gateway__op_take(shard);
    if (op == NULL) {
        return HF_STARTED_NOT;
    }
    op->client = request->ticket;
    op->form = request->form;
    op->proto = request->proto;
    op->atomic = request->form == HF_FORM_TXN;
    op->has_id = request->has_id;
    op->has_else = request->has_else;
    op->else_count = request->otherwise;
    op->command_count = request->count;
    memcpy(op->id, request->id, sizeof op->id);
    plan_conditions(op, request);
    bool parts = !request->has_else;
    for (uint32_t i = 0; i < request->count && parts; i++) {
        parts = plan_command(shard, op, &request->commands[i]);
    }
    if (!parts) {
        if (any_has(request, HF_COMMAND_ALL_KEYS)) {
            hf_resp_error(error,
                          "ERR a command over all keys cannot be in one transaction with ELSE "
                          "or with a command over keys of several shards");
            return give_back(shard, op, HF_STARTED_ERROR);
        }
        plan_general(op, request);
    }
    if (op->parts.failed || op->conditions.failed || op->pieces.failed || op->recipes.failed) {
        return give_back(shard, op, HF_STARTED_NOT);
    }
    op->digest = op->has_id ? digest_of(op) : 0;
    op->ending = HF_ENDING_DONE;
    bool reads = all_have(request, HF_COMMAND_READ) && !any_has(request, HF_COMMAND_WRITE) &&
                 !op->has_id && op->condition_count == 0;
    if (request->form == HF_FORM_STAMPS) {
        hf_gateway__start_stamps(shard, op);
    } else if (op->general) {
        hf_general__start(shard, op);
    } else if (request->read_ts != 0) {
        hf_gateway__start_at(shard, op, request->read_ts);
    } else if (reads && !any_has(request, HF_COMMAND_ALL_KEYS)) {
        start_read(shard, op);
    } else {
        start_prepare(shard, op);
    }
    return HF_STARTED_MULTI;
}

hf_started hf_gateway__outcome(hf_shard *shard, hf_ticket ticket, uint8_t proto,
                               const uint8_t id[16])
{
    hf_msg_txn fixed = { .ticket = ticket,
                         .age = { hf_shard__now(shard), shard->self },
                         .flags = HF_TXN_ONE_PHASE | HF_TXN_HAS_ID | HF_TXN_STUB | HF_TXN_OUTCOME,
                         .proto = proto };
    fixed.ticket.form = 0;
    fixed.clock = fixed.age.ts;
    memcpy(fixed.id, id, 16);
    hf_msg *msg = hf_shard__msg_of(shard, HF_MSG_TXN, &fixed, sizeof fixed, hf_bytes_of(NULL, 0));
    if (msg == NULL) {
        return HF_STARTED_NOT;
    }
    hf_shard__post(shard, stub_home(shard, id), msg);
    return HF_STARTED;
}

/* ---- Levels below strict, and WATCH, over several shards: one round ---- */

void hf_gateway__start_at(hf_shard *shard, hf_op *op, uint64_t read_ts)
{
    hf_shard_set set = route(shard, op);
    op->stage = HF_STAGE_READ;
    op->waiting = set;
    op->command_count = 0; /* nothing to validate: one timestamp orders it */
    op->co.attempt = hf_attempt_of(0, 0, 0);
    for (uint16_t to = 0; to < shard->count; to++) {
        if ((set & hf_shard_bit(to)) == 0) {
            continue;
        }
        hf_msg_txn fixed;
        hf_gateway__base(shard, op, &fixed);
        fixed.flags = HF_TXN_ONE_PHASE | HF_TXN_READ_ONLY | HF_TXN_PIECES | HF_TXN_AT;
        fixed.read_ts = read_ts;
        hf_msg *msg = build(shard, op, to, &fixed);
        if (msg == NULL) {
            fail_op(shard, op, hf_bytes_of(no_memory, sizeof no_memory - 1));
            return;
        }
        hf_shard__post(shard, to, msg);
    }
}

void hf_gateway__start_stamps(hf_shard *shard, hf_op *op)
{
    hf_shard_set set = route(shard, op);
    op->stage = HF_STAGE_READ;
    op->waiting = set;
    op->command_count = 0;
    op->co.attempt = hf_attempt_of(0, 0, 0);
    for (uint16_t to = 0; to < shard->count; to++) {
        if ((set & hf_shard_bit(to)) == 0) {
            continue;
        }
        hf_msg_txn fixed;
        hf_gateway__base(shard, op, &fixed);
        fixed.flags = HF_TXN_ONE_PHASE | HF_TXN_READ_ONLY | HF_TXN_STAMP;
        hf_msg *msg = build(shard, op, to, &fixed);
        if (msg == NULL) {
            fail_op(shard, op, hf_bytes_of(no_memory, sizeof no_memory - 1));
            return;
        }
        hf_shard__post(shard, to, msg);
    }
}

/* Puts the stamps of several shards back into the order of the conditions. */
static void on_stamps(hf_shard *shard, hf_op *op, const hf_msg_result *msg, hf_bytes body)
{
    hf_buf_u16(&op->stamps, msg->head.from);
    hf_buf_bytes(&op->stamps, body);
    op->waiting &= ~hf_shard_bit(msg->head.from);
    if (op->waiting != 0) {
        return;
    }
    hf_reader readers[HF_SHARDS_MAX];
    memset(readers, 0, sizeof readers);
    hf_reader r = hf_reader_of(hf_buf_view(&op->stamps));
    while (hf_reader_left(&r) > 0) {
        uint16_t from = hf_read_u16(&r);
        readers[from] = hf_reader_of(hf_read_bytes(&r));
    }
    hf_buf_reset(&shard->head);
    r = hf_reader_of(hf_buf_view(&op->conditions));
    while (hf_reader_left(&r) > 0) {
        hf_buf_u64(&shard->head, hf_read_u64(&readers[condition_home(shard, hf_read_bytes(&r))]));
    }
    hf_session__stamps(shard, op->client, hf_buf_view(&shard->head));
    hf_gateway__op_give(shard, op);
}

/* ---- Results ---- */

static void retry_alarm(hf_shard *shard, hf_alarm *alarm);

static void retry_prepare(hf_shard *shard, hf_op *op)
{
    op->tries++;
    if (op->ending == HF_ENDING_REROUTE) {
        /* The range is on its way to another shard: the map will say where. */
        op->alarm.ring = retry_alarm;
        op->stage = HF_STAGE_IDLE;
        HF_ASSERT(hf_timers_add(&shard->timers, &op->alarm.timer, shard->io->now_ns + 1000000) ==
                  HF_OK);
        return;
    }
    if (op->general) {
        hf_general__start(shard, op);
    } else {
        start_prepare(shard, op);
    }
}

static void retry_alarm(hf_shard *shard, hf_alarm *alarm)
{
    hf_op *op = (hf_op *)(void *)alarm;
    op->ending = HF_ENDING_CONFLICT;
    if (op->general) {
        hf_general__start(shard, op);
    } else {
        start_prepare(shard, op);
    }
}

/* A refusal for good. With an id it is recorded first: the same answer for ever after. */
static void refused_for_good(hf_shard *shard, hf_op *op)
{
    hf_bytes reply = hf_buf_view(&op->refusal);
    if (op->ending == HF_ENDING_CONDITION) {
        reply = HF_LIT("-CONDFAILED a condition does not hold\r\n");
    }
    if (op->has_id && (op->ending == HF_ENDING_CONDITION || op->ending == HF_ENDING_ABORTED)) {
        hf_msg_txn fixed;
        hf_gateway__base(shard, op, &fixed);
        fixed.flags = HF_TXN_ONE_PHASE | HF_TXN_HAS_ID | HF_TXN_STUB | HF_TXN_ABORTED;
        hf_msg *msg = hf_shard__msg_of(shard, HF_MSG_TXN, &fixed, sizeof fixed, reply);
        if (msg != NULL) {
            op->stage = HF_STAGE_RECORD;
            hf_shard__post(shard, stub_home(shard, op->id), msg);
            return;
        }
        reply = hf_bytes_of(no_memory, sizeof no_memory - 1);
    }
    if (op->ending == HF_ENDING_CONDITION) {
        complete(shard, op->client, op->form, 0, op->proto, HF_ENDING_CONDITION, reply);
    } else {
        hf_gateway__answer(shard, op, reply);
    }
    hf_gateway__op_give(shard, op);
}

static void on_refused(hf_shard *shard, hf_op *op, const hf_msg_result *msg, hf_bytes body)
{
    if (!hf_coordinator_refused(&op->co, msg->head.from)) {
        return;
    }
    op->ending = (hf_ending)msg->ending;
    hf_buf_reset(&op->refusal);
    hf_buf_raw(&op->refusal, body.data, body.size);
    hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
    if (op->interactive) {
        if (op->ending == HF_ENDING_CONFLICT || op->ending == HF_ENDING_REROUTE) {
            hf_gateway__answer(
                shard, op, HF_LIT("-TXNCONFLICT lost to an older transaction: start again\r\n"));
        } else {
            hf_gateway__answer(shard, op, hf_buf_view(&op->refusal));
        }
        hf_session__txn_ended(shard, op->client);
        hf_gateway__op_give(shard, op);
    } else if (op->ending == HF_ENDING_CONFLICT || op->ending == HF_ENDING_REROUTE) {
        shard->stats.conflicts++;
        retry_prepare(shard, op);
    } else {
        refused_for_good(shard, op);
    }
}

static void on_prepared(hf_shard *shard, hf_op *op, const hf_msg_result *msg, hf_bytes body)
{
    store_pieces(op, msg->head.from, body);
    if (!hf_coordinator_prepared(&op->co, msg->head.from, msg->ts)) {
        return;
    }
    hf_hlc_observe(&shard->clock, op->co.commit_ts);
    if (!op->general) {
        hf_gateway__assemble(shard, op, &shard->head);
    } else {
        hf_buf_reset(&shard->head);
        hf_buf_raw(&shard->head, op->replies.data, op->replies.size);
    }
    bool interactive = op->interactive;
    hf_bytes reply = interactive ? HF_LIT("+OK\r\n") : hf_buf_view(&shard->head);
    if (shard->head.failed || op->replies.failed) {
        reply = HF_LIT("-OOM committed, but the reply does not fit into memory\r\n");
    }
    hf_gateway__finalize(shard, op, op->co.commit_ts, reply);
    hf_gateway__answer(shard, op, reply);
    if (interactive) {
        hf_session__txn_ended(shard, op->client);
    }
    hf_gateway__op_give(shard, op);
}

/* The message came to a shard that does not have the range (any more). */
static void reroute(hf_shard *shard, hf_bytes sent)
{
    hf_msg *msg = hf_heap_take(shard->heap, sent.size);
    if (msg == NULL) {
        hf_shard__fail(shard, 70, "memory", "no room to send a request on");
        return;
    }
    memcpy(msg, sent.data, sent.size);
    msg->next = shard->rerouted;
    shard->rerouted = msg;
}

/* Where the one shard's message belongs now, by its first key. */
static uint16_t message_home(hf_shard *shard, const hf_msg_txn *msg)
{
    if ((msg->flags & HF_TXN_STUB) != 0) {
        return stub_home(shard, msg->id);
    }
    hf_txn_reader reader;
    hf_txn_reader_open(&reader, msg, &shard->args);
    hf_txn_condition condition;
    if (hf_txn_next_condition(&reader, &condition)) {
        return hf_gateway__home(shard, condition.key);
    }
    hf_txn_command command;
    uint32_t first, count, step;
    while (hf_txn_next_command(&reader, &command)) {
        if (hf_command_keys(command.command, command.argc, &first, &count, &step) && count > 0) {
            return hf_gateway__home(shard, command.args[first]);
        }
    }
    return shard->self;
}

void hf_gateway__turn(hf_shard *shard)
{
    hf_msg *list = shard->rerouted;
    hf_msg *ordered = NULL;
    shard->rerouted = NULL;
    while (list != NULL) { /* oldest first again */
        hf_msg *next = list->next;
        list->next = ordered;
        ordered = list;
        list = next;
    }
    while (ordered != NULL) {
        hf_msg *next = ordered->next;
        hf_shard__post(shard, message_home(shard, (const hf_msg_txn *)(const void *)ordered),
                       ordered);
        ordered = next;
    }
}

static void on_simple(hf_shard *shard, const hf_msg_result *msg, hf_bytes body)
{
    uint32_t word = msg->ticket.form;
    if (msg->ending == HF_ENDING_REROUTE) {
        reroute(shard, body);
        return;
    }
    complete(shard, msg->ticket, (hf_form)(word >> HF_TICKET_FORM_SHIFT & HF_TICKET_FORM_MASK),
             word >> HF_TICKET_COUNT_SHIFT, (word & 1u << 7) != 0 ? 3 : 2, (hf_ending)msg->ending,
             body);
}

void hf_gateway__result(hf_shard *shard, const hf_msg_result *msg)
{
    hf_bytes body = hf_msg_body(&msg->head, sizeof *msg);
    hf_hlc_observe(&shard->clock, msg->ts);
    if ((msg->ticket.form & HF_TICKET_OP) == 0) {
        on_simple(shard, msg, body);
        return;
    }
    HF_ASSERT(msg->ticket.place < shard->op_count);
    hf_op *op = &shard->ops[msg->ticket.place];
    if (op->generation != msg->ticket.number || op->stage == HF_STAGE_SPARE) {
        return; /* answered already; its FINALIZE is on the way */
    }
    switch (op->stage) {
    case HF_STAGE_READ:
    case HF_STAGE_VALIDATE:
        if (op->form == HF_FORM_STAMPS && msg->ending == HF_ENDING_DONE) {
            on_stamps(shard, op, msg, body);
        } else {
            on_read(shard, op, msg, body);
        }
        break;
    case HF_STAGE_RECORD:
        if (op->ending == HF_ENDING_CONDITION && msg->ending == HF_ENDING_ABORTED) {
            complete(shard, op->client, op->form, 0, op->proto, HF_ENDING_CONDITION, body);
        } else {
            hf_gateway__answer(shard, op, body);
        }
        hf_gateway__op_give(shard, op);
        break;
    case HF_STAGE_LOCK:
    case HF_STAGE_IDLE:
    case HF_STAGE_PREPARE:
        if (!hf_attempt_equal(msg->attempt, op->co.attempt)) {
            return; /* of an attempt that was given up */
        }
        if (msg->head.kind == HF_MSG_PREPARED) {
            on_prepared(shard, op, msg, body);
        } else if (op->stage == HF_STAGE_PREPARE) {
            on_refused(shard, op, msg, body);
        } else if (msg->head.kind == HF_MSG_LOCKED) {
            hf_general__locked(shard, op, msg);
        } else {
            hf_general__lost(shard, op, msg);
        }
        break;
    case HF_STAGE_SPARE:
        break;
    }
}

void hf_gateway__wounded(hf_shard *shard, const hf_msg_decision *msg)
{
    HF_ASSERT(msg->ticket.place < shard->op_count);
    hf_op *op = &shard->ops[msg->ticket.place];
    if (op->generation != msg->ticket.number || !hf_attempt_equal(msg->attempt, op->co.attempt)) {
        return;
    }
    if (op->stage == HF_STAGE_LOCK || op->stage == HF_STAGE_IDLE) {
        hf_general__lost(shard, op, NULL);
    }
    /* While preparing, the shard that wounded it refuses the PREPARE: nothing to do here. */
}
