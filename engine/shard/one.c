#include "engine/shard/one.h"
#include "engine/shard/gateway_impl.h"
#include "engine/shard/owner_impl.h"
#include "engine/shard/pack.h"
#include "engine/shard/session/session_impl.h"

/* ---- At the gateway ---- */

bool hf_one__fits(const hf_request *request)
{
    if (request->count != 1) {
        return false;
    }
    const hf_command *command = request->commands->command;
    return request->form == HF_FORM_SINGLE && request->read_ts == 0 && !request->has_id &&
           !request->tells && !request->atomic && request->condition_count == 0 &&
           command->key_first > 0 && command->key_last == command->key_first &&
           (command->flags & HF_COMMAND_ALL_KEYS) == 0 &&
           request->commands->argc > (uint32_t)command->key_first;
}

static uint64_t body_size(const hf_bytes *args, uint32_t argc)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < argc; i++) {
        size += sizeof(uint32_t) + 1 + (uint64_t)args[i].size;
    }
    return size;
}

/* Writes the arguments; answers the internal key. */
static hf_bytes put_args(hf_msg_one *msg, const hf_bytes *args, uint32_t argc, uint32_t key)
{
    uint32_t *sizes = (uint32_t *)(void *)(msg + 1);
    uint8_t *at = (uint8_t *)(sizes + argc);
    hf_bytes internal = { 0 };
    for (uint32_t i = 0; i < argc; i++) {
        uint32_t size = args[i].size;
        sizes[i] = size;
        *at = HF_SPACE_USER;
        if (i == key) {
            internal = hf_bytes_of(at, size + 1);
        }
        if (size != 0) {
            memcpy(at + 1, args[i].data, size);
        }
        at += 1 + size;
    }
    return internal;
}

hf_started hf_one__start(hf_shard *shard, const hf_request *request)
{
    const hf_request_command *c = request->commands;
    uint32_t key = (uint32_t)c->command->key_first;
    uint64_t size = sizeof(hf_msg_one) + body_size(c->args, c->argc);
    uint32_t range = hf_range_find_user(&shard->map, HF_SPACE_USER, c->args[key]);
    uint16_t home = shard->map.ranges[range].shard;
    hf_msg_one *msg =
        size > HF_PACK_MESSAGE_MAX ? NULL : hf_pack__add(shard, home, HF_MSG_ONE, (uint32_t)size);
    if (msg == NULL) {
        return HF_STARTED_NO_MEMORY;
    }
    msg->ticket = (hf_ticket){ .place = request->ticket.place,
                               .number = request->ticket.number,
                               .form = hf_gateway__form_word(request) };
    msg->clock = hf_shard__now(shard);
    msg->heard = shard->order.heard[home];
    msg->argc = c->argc;
    msg->command = c->command->id;
    msg->proto = request->proto;
    msg->in_order = request->in_order;
    msg->range = range;
    msg->hash = hf_table_hash(shard->table, put_args(msg, c->args, c->argc, key));
    return HF_STARTED;
}

bool hf_one__replied(hf_shard *shard, const hf_msg_result *msg)
{
    enum { HOW = HF_TICKET_OP | HF_TICKET_FORM_MASK << HF_TICKET_FORM_SHIFT };
    if ((msg->ticket.form & HOW) != HF_FORM_SINGLE << HF_TICKET_FORM_SHIFT ||
        msg->ending != HF_ENDING_DONE) {
        return false;
    }
    hf_hlc_observe(&shard->clock, msg->ts);
    shard->session->reply_ts = msg->ts;
    hf_session__complete(shard, msg->ticket, hf_msg_body(&msg->head, sizeof *msg));
    shard->session->reply_ts = 0;
    return true;
}

/* ---- At the owner ---- */

/* The command, its arguments where they lie in the message, and its internal key. False: no memory.
 */
static bool read_one(hf_shard *shard, const hf_msg_one *msg, hf_txn_command *c, hf_bytes *key)
{
    hf_buf_reset(&shard->args);
    uint32_t room = msg->argc * (uint32_t)sizeof(hf_bytes);
    hf_bytes *args = (hf_bytes *)(void *)hf_buf_extend(&shard->args, room);
    const uint32_t *sizes = (const uint32_t *)(const void *)(msg + 1);
    const uint8_t *at = (const uint8_t *)(sizes + msg->argc);
    *c =
        (hf_txn_command){ .command = hf_command_at(msg->command), .args = args, .argc = msg->argc };
    HF_ASSERT(c->command != NULL);
    if (args == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < msg->argc; i++) {
        args[i] = hf_bytes_of(at + 1, sizes[i]);
        at += 1 + sizes[i];
    }
    HF_ASSERT(at == (const uint8_t *)msg + msg->head.size);
    hf_bytes user = args[c->command->key_first];
    *key = hf_bytes_of(user.data - 1, user.size + 1);
    return true;
}

static bool writes(const hf_command *command)
{
    return (command->flags & (HF_COMMAND_WRITE | HF_COMMAND_COMMUTE)) != 0;
}

static bool may_run(hf_shard *shard, const hf_msg_one *msg, const hf_command *command, hf_bytes key)
{
    uint64_t client = msg->in_order != 0 ? msg->ticket.place : 0;
    if (!hf_order__in_turn(shard, msg->head.from, client, msg->heard, NULL)) {
        return false;
    }
    hf_range *range = &shard->map.ranges[hf_range_find_near(&shard->map, key, msg->range)];
    if (range->shard != shard->self || range->frozen || shard->stalled_first != NULL ||
        (writes(command) && !hf_owner__log_has_room(shard, &msg->head))) {
        return false;
    }
    hf_lock *at;
    hf_age age = { msg->clock, msg->head.from };
    if (!hf_lock_table_idle(shard->locks) &&
        !hf_lock_free(shard->locks, key, msg->hash, hf_owner__mode(command), age, NULL, &at)) {
        return false;
    }
    range->operations++;
    return true;
}

static void refuse(hf_shard *shard, const hf_msg_one *msg, hf_bytes text)
{
    hf_msg_txn as = { .head = { .from = msg->head.from },
                      .ticket = msg->ticket,
                      .flags = HF_TXN_ONE_PHASE };
    hf_owner__answer(shard, &as, HF_ENDING_BUSY, 0, 0, text);
}

/* As the TXN that it stands for. */
static void go_the_long_way(hf_shard *shard, const hf_msg_one *msg, const hf_txn_command *c)
{
    hf_msg_txn fixed = { .head = { .from = msg->head.from },
                         .ticket = msg->ticket,
                         .age = { msg->clock, msg->head.from },
                         .clock = msg->clock,
                         .client = msg->in_order != 0 ? msg->ticket.place : 0,
                         .hash = msg->hash,
                         .flags = HF_TXN_ONE_PHASE | (writes(c->command) ? 0 : HF_TXN_READ_ONLY),
                         .command_count = 1,
                         .heard = msg->heard,
                         .proto = msg->proto };
    hf_buf *body = &shard->message;
    hf_buf_reset(body);
    hf_txn_put_command(body, 0, c->command, c->args, c->argc);
    hf_msg *txn =
        body->failed ? NULL
                     : hf_shard__msg_of(shard, HF_MSG_TXN, &fixed, sizeof fixed, hf_buf_view(body));
    if (txn == NULL) {
        refuse(shard, msg, HF_LIT("-BUSY no memory to queue the request\r\n"));
        return;
    }
    txn->from = msg->head.from;
    hf_owner__txn(shard, (const hf_msg_txn *)(const void *)txn, NULL);
    hf_heap_give(shard->heap, txn);
    hf_owner__run_ready(shard);
}

/* The usual end: the effects are committed, if there are any, and the command's reply is the
 * answer. False: it ended otherwise, and nothing happened. The reply is written where it will be
 * sent from, field by field: what is passed on as a struct waits for all stores before it. */
static bool end_as_usual(hf_shard *shard, const hf_msg_one *msg, const evaluation *e)
{
    const hf_buf *effects = &shard->mutations;
    uint64_t lsn = shard->view_lsn;
    uint64_t ts = e->view.ts;
    if (e->ending != HF_ENDING_DONE || effects->failed ||
        (effects->size != 0 ? hf_owner__commit(shard, hf_buf_view(effects), ts, &lsn) != HF_OK
                            : shard->view_expired)) {
        return false;
    }
    uint32_t size = shard->replies.size;
    hf_msg_result *reply =
        hf_pack__hold(shard, lsn, msg->head.from, HF_MSG_REPLY, (uint32_t)sizeof *reply + size);
    if (reply == NULL) {
        hf_owner__answer(shard, &shard->one_as, HF_ENDING_DONE, ts, lsn,
                         hf_buf_view(&shard->replies));
        return true;
    }
    memset(&reply->attempt, 0, sizeof *reply - offsetof(hf_msg_result, attempt));
    reply->ticket.place = msg->ticket.place;
    reply->ticket.number = msg->ticket.number;
    reply->ticket.form = msg->ticket.form;
    reply->ts = ts;
    reply->ending = HF_ENDING_DONE;
    hf_bytes_copy((uint8_t *)(reply + 1), hf_buf_view(&shard->replies));
    return true;
}

void hf_owner__one(hf_shard *shard, const hf_msg_one *msg)
{
    hf_txn_command c;
    hf_bytes key;
    hf_hlc_observe(&shard->clock, msg->clock);
    if (!read_one(shard, msg, &c, &key)) {
        refuse(shard, msg, HF_LIT("-OOM no memory for the request\r\n"));
        return;
    }
    bool ran = may_run(shard, msg, c.command, key);
    if (ran) {
        hf_msg_txn *as = &shard->one_as;
        as->head.from = msg->head.from;
        as->ticket = msg->ticket;
        as->flags = writes(c.command) ? HF_TXN_ONE_PHASE : HF_TXN_ONE_PHASE | HF_TXN_READ_ONLY;
        as->command_count = 1;
        as->proto = msg->proto;
        evaluation e;
        shard->one_key = key;
        shard->one_hash = msg->hash;
        hf_owner__evaluate_one(shard, as, &c, &e);
        ran = !e.waits;
        if (ran && !end_as_usual(shard, msg, &e)) {
            hf_owner__end_one_phase(shard, as, &e);
        }
        shard->one_key = hf_bytes_of(NULL, 0);
    }
    if (!ran) {
        go_the_long_way(shard, msg, &c);
    }
}
