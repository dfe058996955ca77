/* What is started more than once: attempts that came to nothing, ids' refusals whose home moves,
 * and requests that came back from an owner. */
#include "engine/shard/gateway_impl.h"
#include "engine/shard/session/session_impl.h"

enum { AGAIN_NS = 1000000 };

/* ---- Once more ---- */

static void start_again(hf_shard *shard, hf_op *op)
{
    op->ending = HF_ENDING_DONE;
    if (op->form == HF_FORM_STAMPS) {
        hf_buf_reset(&op->stamps);
        hf_collect__stamp(shard, op);
    } else if (op->general) {
        hf_general__start(shard, op);
    } else if (op->read_ts != 0) {
        hf_collect__at(shard, op, op->read_ts);
    } else if (op->collects) {
        hf_collect__start(shard, op);
    } else {
        hf_gateway__prepare(shard, op);
    }
}

static void again_alarm(hf_shard *shard, hf_alarm *alarm)
{
    hf_gateway__again(shard, (hf_op *)(void *)alarm, false);
}

void hf_gateway__again(hf_shard *shard, hf_op *op, bool later)
{
    HF_PRE(!op->interactive);
    if (hf_general__in_vain(shard, op)) {
        hf_gateway__fail(shard, op,
                         HF_LIT("-DEADLINE keys expire faster than all of them are fetched\r\n"));
        return;
    }
    if (!later && (hf_gateway__client(op) == 0 || hf_session__in_order(shard, op->client))) {
        if (hf_plan__again(shard, op)) {
            start_again(shard, op);
        } else {
            hf_gateway__fail(shard, op, HF_LIT(HF_NO_MEMORY));
        }
        return;
    }
    op->alarm.ring = again_alarm;
    op->stage = HF_STAGE_IDLE;
    if (hf_timers_add(&shard->timers, &op->alarm.timer, shard->io->now_ns + AGAIN_NS) != HF_OK) {
        hf_gateway__fail(shard, op, HF_LIT(HF_MANY_WAIT));
    }
}

static void record_alarm(hf_shard *shard, hf_alarm *alarm)
{
    hf_gateway__refused(shard, (hf_op *)(void *)alarm);
}

/* The id's home is on its way to another shard. */
void hf_gateway__record_again(hf_shard *shard, hf_op *op)
{
    op->alarm.ring = record_alarm;
    op->stage = HF_STAGE_IDLE;
    if (hf_timers_add(&shard->timers, &op->alarm.timer, shard->io->now_ns + AGAIN_NS) != HF_OK) {
        hf_gateway__fail(shard, op, HF_LIT(HF_MANY_WAIT));
    }
}

/* A refusal for good. With an id it is recorded first: the same answer for ever after. */
void hf_gateway__refused(hf_shard *shard, hf_op *op)
{
    hf_bytes reply = hf_buf_view(&op->refusal);
    if (op->ending == HF_ENDING_CONDITION) {
        reply = HF_LIT("-CONDFAILED a condition does not hold\r\n");
    }
    if (op->has_id && (op->ending == HF_ENDING_CONDITION || op->ending == HF_ENDING_ABORTED)) {
        hf_msg_txn fixed;
        hf_gateway__base(shard, op, &fixed);
        fixed.client = 0;
        fixed.flags = HF_TXN_ONE_PHASE | HF_TXN_HAS_ID | HF_TXN_STUB | HF_TXN_ABORTED;
        hf_msg *msg = hf_shard__msg_of(shard, HF_MSG_TXN, &fixed, sizeof fixed, reply);
        if (msg != NULL) {
            op->stage = HF_STAGE_RECORD;
            hf_shard__post(shard, hf_gateway__stub_home(shard, op->id), msg);
            return;
        }
        reply = HF_LIT(HF_NO_MEMORY);
    }
    if (op->ending == HF_ENDING_CONDITION) {
        hf_gateway__condition_failed(shard, op);
    } else {
        hf_gateway__answer(shard, op, reply);
    }
    hf_gateway__op_give(shard, op);
}

/* ---- Requests that came back from an owner: engine/shard/order.h ---- */

void hf_gateway__came_back(hf_shard *shard, uint16_t from, hf_bytes sent)
{
    hf_msg *copy = hf_heap_take(shard->heap, sent.size);
    const hf_msg_txn *msg = (const hf_msg_txn *)(const void *)sent.data;
    shard->order.heard[from] += msg->client != 0;
    if (copy == NULL) {
        hf_session__complete(shard, msg->ticket,
                             HF_LIT("-BUSY no memory to send the request on\r\n"));
        return;
    }
    memcpy(copy, sent.data, sent.size);
    copy->next = shard->came_back;
    shard->came_back = copy;
    if (msg->client != 0) {
        hf_session__came_back(shard, msg->ticket);
    }
}

bool hf_gateway__read_lists(hf_shard *shard, hf_txn_reader *reader, hf_request *request)
{
    hf_session *session = shard->session;
    hf_txn_condition condition;
    hf_buf_reset(&session->conditions);
    while (hf_txn_next_condition(reader, &condition)) {
        hf_buf_raw(&session->conditions, &condition, sizeof condition);
    }
    reader->args = &session->many;
    if (session->conditions.failed || !hf_txn_read_commands(reader, &session->commands)) {
        return false;
    }
    request->commands = (const hf_request_command *)(const void *)session->commands.data;
    request->count = session->commands.size / (uint32_t)sizeof *request->commands;
    request->conditions = (const hf_txn_condition *)(const void *)session->conditions.data;
    request->condition_count = session->conditions.size / (uint32_t)sizeof(hf_txn_condition);
    return true;
}

/* Takes the request out of its message, into the session's scratch. False: no memory. */
static bool take_apart(hf_shard *shard, const hf_msg_txn *msg, hf_request *request)
{
    hf_txn_reader reader;
    hf_txn_reader_open(&reader, msg, &shard->args);
    uint32_t word = msg->ticket.form;
    *request = (hf_request){ .ticket = msg->ticket,
                             .form = (hf_form)(word >> HF_TICKET_FORM_SHIFT & HF_TICKET_FORM_MASK),
                             .has_id = (msg->flags & HF_TXN_HAS_ID) != 0,
                             .in_order = msg->client != 0,
                             .atomic = (msg->flags & HF_TXN_ATOMIC) != 0,
                             .tells = (msg->flags & HF_TXN_TELLS) != 0,
                             .proto = msg->proto,
                             /* A bounded one: where it was sent, that may be kept no more. */
                             .read_ts = (msg->flags & HF_TXN_BOUNDED) != 0 ? 0 : msg->read_ts };
    request->ticket.form = 0;
    memcpy(request->id, msg->id, sizeof request->id);
    return hf_gateway__read_lists(shard, &reader, request);
}

static void keep(hf_shard *shard, hf_msg *msg)
{
    msg->next = shard->came_back; /* the newest is first */
    shard->came_back = msg;
}

/* Sends a request on its way again: its keys may lie with several shards by now. */
static void send_again(hf_shard *shard, hf_msg *head)
{
    const hf_msg_txn *msg = (const hf_msg_txn *)(const void *)head;
    if ((msg->flags & HF_TXN_OUTCOME) != 0) {
        hf_shard__post(shard, hf_gateway__stub_home(shard, msg->id), head);
        return;
    }
    if (msg->client != 0 && !hf_session__in_order(shard, msg->ticket)) {
        keep(shard, head); /* behind the earlier ones of its connection */
        return;
    }
    hf_request request;
    hf_buf *error = &shard->session->error;
    hf_buf_reset(error);
    hf_started started = take_apart(shard, msg, &request)
                             ? hf_gateway__start(shard, &request, error)
                             : HF_STARTED_NOT;
    if (started == HF_STARTED_NOT || started == HF_STARTED_NO_MEMORY) {
        keep(shard, head); /* no room now: next turn */
        return;
    }
    if (started == HF_STARTED_ERROR) {
        hf_session__complete(shard, request.ticket, hf_buf_view(error));
    } else {
        hf_session__sent_again(shard, request.ticket, started == HF_STARTED_MULTI);
    }
    hf_heap_give(shard->heap, head);
}

void hf_gateway__turn(hf_shard *shard)
{
    hf_msg *list = shard->came_back;
    hf_msg *ordered = NULL;
    shard->came_back = NULL;
    while (list != NULL) { /* oldest first again */
        hf_msg *next = list->next;
        list->next = ordered;
        ordered = list;
        list = next;
    }
    while (ordered != NULL) {
        hf_msg *next = ordered->next;
        send_again(shard, ordered);
        ordered = next;
    }
}
