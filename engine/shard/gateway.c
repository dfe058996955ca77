#include "engine/shard/gateway_impl.h"
#include "engine/shard/one.h"
#include "engine/shard/pack.h"
#include "engine/shard/session/session_impl.h"

#include "engine/base/hash.h"

enum { OPS_MAX = 4096, WINDOW = 1 << 15, UNDER_WAY = 255, KEEP_BYTES = 4096 };

/* ---- Operations ---- */

static void op_bufs(hf_op *op, hf_buf *all[9])
{
    all[0] = &op->parts;
    all[1] = &op->conditions;
    all[2] = &op->recipes;
    all[3] = &op->pieces;
    all[4] = &op->replies;
    all[5] = &op->refusal;
    all[6] = &op->locks;
    all[7] = &op->stamps;
    all[8] = &op->homes;
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
        hf_buf *all[9];
        op->index = i;
        op_bufs(op, all);
        for (int k = 0; k < 9; k++) {
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
    hf_buf *all[9];
    op_bufs(op, all);
    for (int k = 0; k < 9; k++) {
        hf_buf_reset(all[k]);
        hf_buf_trim(all[k], KEEP_BYTES);
    }
    if (op->general || op->interactive) {
        hf_buf_reset(&op->marks);
        hf_buf_trim(&op->marks, KEEP_BYTES);
        hf_workspace_close(&op->workspace);
        hf_workspace_open(&op->workspace, shard->heap);
    }
    hf_timers_cancel(&shard->timers, &op->alarm.timer);
    op->stage = HF_STAGE_SPARE;
    op->in_order = op->collects = op->fenced = op->bounded = op->by_map = op->has_id =
        op->has_else = op->general = op->interactive = op->lost = op->atomic = false;
    op->touched = op->waiting = 0;
    op->tries = op->command_count = op->else_count = op->condition_count = 0;
    op->piece_count = op->lock_count = 0;
    op->read_ts = 0;
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
    return shard->map.ranges[hf_range_find_user(&shard->map, HF_SPACE_USER, user_key)].shard;
}

uint64_t hf_gateway__hash(const hf_shard *shard, hf_bytes user_key)
{
    hf_internal_key key;
    return hf_table_hash(shard->table, hf_internal_key_set(&key, user_key));
}

uint16_t hf_gateway__stub_home(const hf_shard *shard, const uint8_t id[16])
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
    op->until = UINT64_MAX;
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
        bool stub = op->has_id && ts != 0 && to == hf_gateway__stub_home(shard, op->id);
        hf_bytes body = hf_bytes_of(result.data, stub ? result.size : 0);
        uint64_t size = sizeof(hf_msg_decision) + (uint64_t)body.size;
        hf_msg_decision *d = size > HF_PACK_MESSAGE_MAX
                                 ? NULL
                                 : hf_pack__add(shard, to, HF_MSG_FINALIZE, (uint32_t)size);
        if (d != NULL) { /* whole before anything else may fail: it goes out with its pack */
            *d = (hf_msg_decision){ .head = d->head,
                                    .attempt = op->co.attempt,
                                    .ts = ts,
                                    .watermark = u->base,
                                    .by_coordinator = 1 };
            hf_bytes_copy((uint8_t *)(d + 1), body);
        }
        if (d == NULL || !hf_ring_push(&shard->sent[to], &seq)) {
            hf_shard__fail(shard, 70, "memory", "no room to end a transaction");
            return;
        }
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
    hf_bytes unsaid = ending == HF_ENDING_DONE ? HF_LIT(HF_COMMITTED_UNSAID) : HF_LIT(HF_UNSAID);
    hf_session__complete(shard, ticket, out->failed ? unsaid : hf_buf_view(out));
}

void hf_gateway__answer(hf_shard *shard, hf_op *op, hf_bytes reply)
{
    hf_session__complete(shard, op->client, reply);
}

void hf_gateway__condition_failed(hf_shard *shard, hf_op *op)
{
    complete(shard, op->client, op->form, 0, op->proto, HF_ENDING_CONDITION, hf_bytes_of(NULL, 0));
}

static bool is_array(const hf_op *op)
{
    return op->form == HF_FORM_EXEC || op->form == HF_FORM_TXN;
}

void hf_gateway__assemble(hf_shard *shard, hf_op *op, hf_buf *out)
{
    (void)shard;
    hf_recipe_pieces pieces = { (const hf_piece *)(const void *)op->pieces.data, op->piece_count,
                                hf_buf_view(&op->replies) };
    hf_buf_reset(out);
    if (op->replies.failed) { /* not all pieces are there */
        out->failed = true;
        return;
    }
    hf_recipe_assemble((const hf_recipe *)(const void *)op->recipes.data,
                       op->recipes.size / (uint32_t)sizeof(hf_recipe), is_array(op), &pieces, out);
}

/* ---- Sending parts ---- */

/* The first key of a part; empty: it has none. */
static hf_bytes first_key(hf_bytes part)
{
    hf_reader r = hf_reader_of(part);
    (void)hf_read_u32(&r);
    const hf_command *c = hf_command_at(hf_read_u16(&r));
    uint32_t argc = hf_read_u32(&r);
    uint32_t first, count, step;
    HF_ASSERT(c != NULL);
    if (!hf_command_keys(c, argc, &first, &count, &step) || count == 0) {
        return hf_bytes_of(NULL, 0);
    }
    for (uint32_t i = 0; i < first; i++) {
        (void)hf_read_bytes(&r);
    }
    return hf_read_bytes(&r);
}

uint16_t hf_gateway__condition_home(hf_shard *shard, hf_bytes condition)
{
    hf_reader r = hf_reader_of(condition);
    (void)hf_read_lent(&r, 10);
    return hf_gateway__home(shard, hf_read_bytes(&r));
}

/* Every shard that takes part; `routes` gets the shard of each part, then of each condition. What
 * is found anew is kept: the next question of this attempt must go the same way. */
hf_shard_set hf_gateway__route(hf_shard *shard, hf_op *op)
{
    hf_shard_set set = 0;
    hf_buf_reset(&shard->routes);
    hf_reader r = hf_reader_of(hf_buf_view(&op->parts));
    hf_home *homes = (hf_home *)(void *)op->homes.data;
    bool known = op->map_version == shard->map.changes;
    for (uint32_t i = 0; hf_reader_left(&r) > 0; i++) {
        uint16_t home = hf_read_u16(&r);
        hf_bytes part = hf_read_bytes(&r);
        if (home == NO_SHARD && known) {
            home = homes[i].shard;
        }
        if (home == NO_SHARD) {
            home = hf_gateway__home(shard, first_key(part));
            homes[i].shard = home;
        }
        hf_buf_u16(&shard->routes, home);
        set |= hf_shard_bit(home);
    }
    r = hf_reader_of(hf_buf_view(&op->conditions));
    while (hf_reader_left(&r) > 0) {
        uint16_t home = hf_gateway__condition_home(shard, hf_read_bytes(&r));
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
                         .until = op->until,
                         .client = hf_gateway__client(op),
                         .digest = op->digest,
                         .proto = op->proto };
    memcpy(msg->id, op->id, sizeof msg->id);
}

uint64_t hf_gateway__client(const hf_op *op)
{
    return op->in_order ? op->client.place : 0;
}

/* The conditions and parts of a shard, into its message. */
static void put_lists(hf_shard *shard, const hf_op *op, uint16_t to, hf_msg_txn *fixed,
                      hf_buf *body)
{
    const uint16_t *route_at = (const uint16_t *)(const void *)shard->routes.data;
    fixed->command_count = fixed->condition_count = 0;
    hf_reader r = hf_reader_of(hf_buf_view(&op->conditions));
    for (uint32_t i = 0; hf_reader_left(&r) > 0; i++) {
        hf_bytes condition = hf_read_bytes(&r);
        if (route_at[op->piece_count + i] == to) {
            hf_buf_raw(body, condition.data, condition.size);
            fixed->condition_count++;
        }
    }
    const hf_home *homes = (const hf_home *)(const void *)op->homes.data;
    r = hf_reader_of(hf_buf_view(&op->parts));
    for (uint32_t i = 0; hf_reader_left(&r) > 0; i++) {
        (void)hf_read_u16(&r);
        hf_bytes part = hf_read_bytes(&r);
        if (route_at[i] == to) {
            fixed->hash = fixed->command_count != 0 ? fixed->hash
                          : homes[i].hash != 0      ? homes[i].hash
                                                    : hf_gateway__hash(shard, first_key(part));
            hf_buf_raw(body, part.data, part.size);
            fixed->command_count++;
        }
    }
}

/* Asks one shard: the message has its conditions and parts. False: no memory. */
bool hf_gateway__ask(hf_shard *shard, hf_op *op, uint16_t to, hf_msg_txn *fixed)
{
    hf_buf *body = &shard->message;
    hf_buf_reset(body);
    if (shard->routes.failed) { /* where its parts go is not known */
        return false;
    }
    fixed->recipe_size = 0;
    if ((fixed->flags & HF_TXN_STUB) != 0) {
        hf_recipe_encode(hf_buf_view(&op->recipes), is_array(op), op->piece_count, body);
        fixed->recipe_size = body->size;
    }
    fixed->heard = shard->order.heard[to];
    put_lists(shard, op, to, fixed, body);
    return !body->failed &&
           hf_pack__post(shard, to, HF_MSG_TXN, fixed, sizeof *fixed, hf_buf_view(body));
}

void hf_gateway__fail(hf_shard *shard, hf_op *op, hf_bytes reply)
{
    hf_gateway__answer(shard, op, reply);
    hf_gateway__op_give(shard, op);
}

/* Sends one message per shard of the set with these flags. False: out of memory half-way. */
bool hf_gateway__send(hf_shard *shard, hf_op *op, hf_shard_set set, uint16_t flags, uint16_t anchor)
{
    hf_msg_txn fixed;
    hf_gateway__base(shard, op, &fixed);
    fixed.anchor = anchor;
    for (uint16_t to = 0; to < shard->count; to++) {
        if ((set & hf_shard_bit(to)) == 0) {
            continue;
        }
        fixed.flags = flags;
        fixed.participants = to == anchor ? set : 0;
        if (op->has_id) {
            fixed.flags |= HF_TXN_HAS_ID;
            fixed.flags |= to == anchor ? HF_TXN_STUB : 0;
        }
        if (!hf_gateway__ask(shard, op, to, &fixed)) {
            return false;
        }
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

void hf_gateway__prepare(hf_shard *shard, hf_op *op)
{
    hf_shard_set set = hf_gateway__route(shard, op);
    uint16_t anchor = op->has_id ? hf_gateway__stub_home(shard, op->id) : lowest(set);
    set |= hf_shard_bit(anchor);
    if (!hf_gateway__attempt(shard, op)) {
        hf_gateway__fail(shard, op, HF_LIT("-BUSY too many transactions are not finished yet\r\n"));
        return;
    }
    op->stage = HF_STAGE_PREPARE;
    op->ending = HF_ENDING_DONE;
    hf_buf_reset(&op->replies);
    hf_coordinator_begin(&op->co, op->co.attempt, set);
    uint16_t flags = HF_TXN_PIECES | (op->atomic ? HF_TXN_ATOMIC : 0);
    if (!hf_gateway__send(shard, op, set, flags, anchor)) {
        hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
        hf_gateway__fail(shard, op, HF_LIT(HF_NO_MEMORY));
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

/* The request as it is, in shard->message, and its digest: the same whatever way it takes. */
static uint64_t write_request(hf_shard *shard, const hf_request *request)
{
    hf_buf *body = &shard->message;
    hf_buf_reset(body);
    for (uint32_t i = 0; i < request->condition_count; i++) {
        hf_txn_put_condition(body, &request->conditions[i]);
    }
    for (uint32_t i = 0; i < request->count; i++) {
        hf_txn_put_command(body, i, request->commands[i].command, request->commands[i].args,
                           request->commands[i].argc);
    }
    if (!request->has_id) {
        return 0;
    }
    /* The same words may be meant otherwise: how many of them are ELSE belongs to what was asked.
     */
    uint64_t seed = HF_DIGEST_DIALOGUE + 1 + request->has_else + (uint64_t)request->otherwise * 2;
    uint64_t digest = hf_hash64(seed, body->data, body->size);
    return digest > HF_DIGEST_DIALOGUE ? digest : ~digest;
}

uint32_t hf_gateway__form_word(const hf_request *request)
{
    return (uint32_t)request->form << HF_TICKET_FORM_SHIFT |
           (request->count - request->otherwise) << HF_TICKET_COUNT_SHIFT |
           (request->proto == 3 ? 1u << 7 : 0);
}

static uint64_t first_hash(const hf_shard *shard, const hf_request *request)
{
    uint32_t first, count, step;
    const hf_request_command *c = request->commands;
    bool has = request->count != 0 && hf_command_keys(c->command, c->argc, &first, &count, &step);
    return has && count != 0 ? hf_gateway__hash(shard, c->args[first]) : 0;
}

/* The whole request is one shard's: one message, no operation. */
static hf_started start_one(hf_shard *shard, const hf_request *request, uint16_t home)
{
    hf_msg_txn fixed = { .ticket = request->ticket,
                         .age = { hf_shard__now(shard), shard->self },
                         .watermark = shard->unfinished.base,
                         .read_ts = request->read_ts,
                         .heard = shard->order.heard[home],
                         .flags = HF_TXN_ONE_PHASE,
                         .proto = request->proto };
    fixed.client = request->in_order ? request->ticket.place : 0;
    fixed.clock = fixed.age.ts;
    fixed.hash = first_hash(shard, request);
    fixed.ticket.form = hf_gateway__form_word(request);
    fixed.command_count = request->count;
    fixed.condition_count = request->condition_count;
    fixed.flags |= request->atomic || request->form == HF_FORM_TXN ? HF_TXN_ATOMIC : 0;
    fixed.flags |= request->form == HF_FORM_STAMPS ? HF_TXN_STAMP : 0;
    fixed.flags |= request->read_ts != 0 ? HF_TXN_AT : 0;
    fixed.flags |= request->read_ts != 0 && request->bounded ? HF_TXN_BOUNDED : 0;
    fixed.flags |= request->tells ? HF_TXN_TELLS : 0;
    fixed.flags |= !any_has(request, HF_COMMAND_WRITE | HF_COMMAND_COMMUTE) && !request->has_id
                       ? HF_TXN_READ_ONLY
                       : 0;
    hf_buf *body = &shard->message;
    fixed.digest = write_request(shard, request);
    if (request->has_id) {
        fixed.flags |= HF_TXN_HAS_ID | HF_TXN_STUB;
        memcpy(fixed.id, request->id, sizeof fixed.id);
    }
    hf_msg *msg =
        body->failed ? NULL
                     : hf_shard__msg_of(shard, HF_MSG_TXN, &fixed, sizeof fixed, hf_buf_view(body));
    if (msg == NULL) {
        return HF_STARTED_NO_MEMORY;
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
    if (hf_one__fits(request)) {
        return hf_one__start(shard, request);
    }
    uint16_t home = hf_plan__homes(shard, request);
    if (shard->routes.failed) {
        return HF_STARTED_NO_MEMORY;
    }
    bool one_message = home != NO_SHARD && !request->has_else;
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
    op->atomic = request->atomic || request->form == HF_FORM_TXN;
    op->has_id = request->has_id;
    op->has_else = request->has_else;
    op->else_count = request->otherwise;
    op->command_count = request->count;
    op->map_version = shard->map.changes;
    op->in_order = request->in_order;
    memcpy(op->id, request->id, sizeof op->id);
    hf_plan__conditions(op, request);
    if (!hf_plan__request(shard, op, request)) {
        return give_back(shard, op, HF_STARTED_NO_MEMORY);
    }
    if (op->general && request->read_ts != 0 && !request->bounded) {
        hf_resp_error(error, "ERR this command over keys of several shards cannot be read at a "
                             "timestamp");
        return give_back(shard, op, HF_STARTED_ERROR);
    }
    op->digest = op->has_id ? write_request(shard, request) : 0;
    op->ending = HF_ENDING_DONE;
    bool reads = all_have(request, HF_COMMAND_READ) && !any_has(request, HF_COMMAND_WRITE) &&
                 !op->has_id && op->condition_count == 0;
    if (request->form == HF_FORM_STAMPS) {
        hf_collect__stamp(shard, op);
    } else if (op->general) {
        hf_general__start(shard, op);
    } else if (request->read_ts != 0) {
        op->bounded = request->bounded;
        op->collects = !any_has(request, HF_COMMAND_ALL_KEYS);
        hf_collect__at(shard, op, request->read_ts);
    } else if (reads && !any_has(request, HF_COMMAND_ALL_KEYS)) {
        op->collects = true;
        hf_collect__start(shard, op);
    } else {
        hf_gateway__prepare(shard, op);
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
    hf_shard__post(shard, hf_gateway__stub_home(shard, id), msg);
    return HF_STARTED;
}

/* ---- Results ---- */

void hf_gateway__store(hf_op *op, uint16_t from, hf_bytes body)
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

/* The attempt came to nothing: another one, or the client is told. */
static void lost(hf_shard *shard, hf_op *op, hf_bytes reply)
{
    if (op->interactive) {
        hf_gateway__answer(shard, op, reply);
        hf_session__txn_ended(shard, op->client);
        hf_gateway__op_give(shard, op);
    } else {
        shard->stats.conflicts++;
        hf_gateway__again(shard, op, op->ending == HF_ENDING_REROUTE);
    }
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
    if (op->ending == HF_ENDING_CONFLICT || op->ending == HF_ENDING_REROUTE) {
        lost(shard, op,
             HF_LIT("-TXNCONFLICT lost to an older transaction or to a move of its range: start "
                    "again\r\n"));
    } else if (op->interactive) {
        lost(shard, op, hf_buf_view(&op->refusal));
    } else if (op->fenced && !op->general &&
               hf_bytes_equal(hf_buf_view(&op->refusal), HF_LIT(HF_DISK_FULL))) {
        hf_collect__unfenced(shard, op);
    } else {
        hf_gateway__refused(shard, op);
    }
}

static void on_prepared(hf_shard *shard, hf_op *op, const hf_msg_result *msg, hf_bytes body)
{
    hf_gateway__store(op, msg->head.from, body);
    if (!hf_coordinator_prepared(&op->co, msg->head.from, msg->ts, msg->until)) {
        return;
    }
    hf_hlc_observe(&shard->clock, op->co.commit_ts); /* another attempt sees what has expired */
    if (op->co.state == HF_COORDINATOR_ABORTED) {
        hf_gateway__finalize(shard, op, 0, hf_bytes_of(NULL, 0));
        op->ending = HF_ENDING_CONFLICT;
        lost(shard, op, HF_LIT("-TXNCONFLICT a key expired before the commit: start again\r\n"));
        return;
    }
    if (!op->general) {
        hf_gateway__assemble(shard, op, &shard->head);
    } else {
        hf_buf_reset(&shard->head);
        hf_buf_raw(&shard->head, op->replies.data, op->replies.size);
    }
    bool interactive = op->interactive;
    hf_bytes reply = interactive ? HF_LIT("+OK\r\n") : hf_buf_view(&shard->head);
    if (shard->head.failed || op->replies.failed) {
        reply = HF_LIT(HF_COMMITTED_UNSAID);
    }
    hf_gateway__finalize(shard, op, op->co.commit_ts, reply);
    shard->session->reply_ts = op->co.commit_ts;
    hf_gateway__answer(shard, op, reply);
    shard->session->reply_ts = 0;
    if (interactive) {
        hf_session__txn_ended(shard, op->client);
    }
    hf_gateway__op_give(shard, op);
}

static void on_simple(hf_shard *shard, const hf_msg_result *msg, hf_bytes body)
{
    uint32_t word = msg->ticket.form;
    if (msg->ending == HF_ENDING_REROUTE) {
        hf_gateway__came_back(shard, msg->head.from, body);
        return;
    }
    shard->session->reply_ts = msg->ending == HF_ENDING_DONE ? msg->ts : 0;
    complete(shard, msg->ticket, (hf_form)(word >> HF_TICKET_FORM_SHIFT & HF_TICKET_FORM_MASK),
             word >> HF_TICKET_COUNT_SHIFT, (word & 1u << 7) != 0 ? 3 : 2, (hf_ending)msg->ending,
             body);
    shard->session->reply_ts = 0;
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
        if (!hf_attempt_equal(msg->attempt, op->co.attempt)) {
            return; /* a late vote on fences that were given up: its values have no stamps */
        }
        hf_collect__read(shard, op, msg, body);
        break;
    case HF_STAGE_RECORD:
        if (!hf_attempt_equal(msg->attempt, op->co.attempt)) {
            return; /* a late vote on what was given up: not the record's answer */
        }
        if (msg->ending == HF_ENDING_REROUTE) {
            hf_gateway__record_again(shard, op);
            return;
        }
        if (op->ending == HF_ENDING_CONDITION && msg->ending == HF_ENDING_ABORTED) {
            hf_gateway__condition_failed(shard, op);
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
