/* Asking all shards and putting their answers together.
 *
 * The question goes out as one message per shard, this one included. The slot of the command stays
 * open until all have answered; finish() then writes the reply. Who cannot answer yet keeps the
 * question and looks at it again in every turn. A client that goes away leaves its question behind,
 * which ends with the last answer.
 */
#include "engine/shard/session/server.h"

static hf_answer_function *const answers[HF_ASK_COUNT] = {
    [HF_ASK_STATS] = hf_answer__stats,       [HF_ASK_CLIENTS] = hf_answer__clients,
    [HF_ASK_KILL] = hf_answer__kill,         [HF_ASK_PAUSE] = hf_answer__pause,
    [HF_ASK_SETTINGS] = hf_answer__settings, [HF_ASK_RESET] = hf_answer__reset,
    [HF_ASK_SAVE] = hf_answer__save,         [HF_ASK_LASTSAVE] = hf_answer__lastsave,
    [HF_ASK_BGSAVE] = hf_answer__bgsave,     [HF_ASK_STOP] = hf_answer__stop,
    [HF_ASK_SLOWLOG] = hf_answer__slowlog,   [HF_ASK_LATENCY] = hf_answer__latency,
    [HF_ASK_MONITOR] = hf_answer__monitor,   [HF_ASK_TOLD] = hf_answer__told,
    [HF_ASK_PUBLISH] = hf_answer__publish,   [HF_ASK_CHANNELS] = hf_answer__channels,
    [HF_ASK_NUMSUB] = hf_answer__numsub,     [HF_ASK_SCAN] = hf_answer__scan,
    [HF_ASK_RANGES] = hf_answer__ranges,     [HF_ASK_TXNS] = hf_answer__txns,
    [HF_ASK_LOCKS] = hf_answer__locks,       [HF_ASK_EXPIRE] = hf_answer__expire,
    [HF_ASK_CHANGES] = hf_answer__changes,
};

/* ---- The asker ---- */

static hf_gather *gather_take(hf_shard *shard)
{
    hf_server *server = hf_server_of(shard);
    size_t size = sizeof(hf_gather) + sizeof(hf_buf) * shard->count;
    hf_gather *gather = hf_heap_take(shard->heap, size);
    if (gather == NULL) {
        return NULL;
    }
    memset(gather, 0, size);
    HF_ASSERT(server->gather_spares > 0);
    gather->index = server->gather_spare[--server->gather_spares];
    server->generation += server->generation == UINT32_MAX ? 2 : 1; /* 0: no answer is wanted */
    gather->generation = server->generation;
    server->gathers[gather->index] = gather;
    hf_buf_open(&gather->keep, shard->heap);
    return gather;
}

static void gather_give(hf_shard *shard, hf_gather *gather)
{
    hf_server *server = hf_server_of(shard);
    for (uint16_t i = 0; i < shard->count; i++) {
        if (gather->answers[i].heap != NULL) {
            hf_buf_close(&gather->answers[i]);
        }
    }
    hf_buf_close(&gather->keep);
    server->gathers[gather->index] = NULL;
    server->gather_spare[server->gather_spares++] = gather->index;
    hf_heap_give(shard->heap, gather);
}

static hf_msg *question_msg(hf_shard *shard, const hf_gather *gather, const hf_question *q)
{
    hf_msg_session fixed = { .gather = gather->index,
                             .generation = gather->generation,
                             .ask = (uint16_t)q->ask,
                             .origin = shard->self,
                             .value = { q->value[0], q->value[1] } };
    return hf_shard__msg_of(shard, HF_MSG_SESSION, &fixed, sizeof fixed, q->body);
}

/* The messages of a question in a list, one for each shard that is asked; NULL: no memory. */
static hf_msg *question_msgs(hf_shard *shard, const hf_gather *gather, const hf_question *q,
                             uint32_t count)
{
    hf_msg *list = NULL;
    for (uint32_t i = 0; i < count; i++) {
        hf_msg *msg = question_msg(shard, gather, q);
        if (msg == NULL) {
            while (list != NULL) {
                hf_msg *next = list->next;
                hf_heap_give(shard->heap, list);
                list = next;
            }
            return NULL;
        }
        msg->next = list;
        list = msg;
    }
    return list;
}

static const char no_memory[] = "OOM no memory for the answer";

/* NULL: no memory; nothing was sent. */
static hf_gather *ask_all(hf_shard *shard, hf_ticket ticket, uint8_t proto, const hf_question *q)
{
    uint32_t count = q->to_one ? 1 : shard->count;
    hf_gather *gather = gather_take(shard);
    if (gather == NULL) {
        return NULL;
    }
    hf_buf_raw(&gather->keep, q->keep.data, q->keep.size);
    hf_msg *list = gather->keep.failed ? NULL : question_msgs(shard, gather, q, count);
    if (list == NULL) {
        gather_give(shard, gather);
        return NULL;
    }
    gather->ticket = ticket;
    gather->finish = q->finish;
    gather->waiting = count;
    gather->ask = (uint16_t)q->ask;
    gather->proto = proto;
    gather->word = q->word;
    for (uint16_t i = 0; list != NULL; i++) {
        hf_msg *next = list->next;
        hf_shard__post(shard, q->to_one ? q->to : i, list);
        list = next;
    }
    return gather;
}

bool hf_gather__start(hf_shard *shard, hf_conn *conn, const hf_question *q)
{
    if (hf_server_of(shard)->gather_spares == 0) {
        return false;
    }
    if (ask_all(shard, hf_conn__ticket(conn), conn->proto, q) == NULL) {
        return hf_word_error(shard, conn, no_memory);
    }
    hf_conn__open(shard, conn, false);
    return true;
}

bool hf_gather__again(hf_shard *shard, hf_ticket ticket, uint8_t proto, const hf_question *q)
{
    return hf_server_of(shard)->gather_spares != 0 && ask_all(shard, ticket, proto, q) != NULL;
}

static void gather_done(hf_shard *shard, hf_gather *gather)
{
    hf_buf *reply = &hf_server_of(shard)->reply;
    hf_buf_reset(reply);
    if (gather->failed) {
        hf_resp_error(reply, no_memory);
    } else {
        gather->finish(shard, gather, reply);
        if (reply->failed) {
            hf_buf_reset(reply);
            hf_resp_error(reply, no_memory);
        }
    }
    hf_ticket ticket = gather->ticket;
    bool put_off = gather->put_off;
    gather_give(shard, gather);
    if (put_off) {
        return;
    }
    hf_session__complete(shard, ticket, hf_buf_view(reply));
    hf_buf_trim(reply, HF_KEEP_BYTES);
    hf_http__resume(shard, ticket);
}

static void answered(hf_shard *shard, const hf_msg_session *msg)
{
    hf_server *server = hf_server_of(shard);
    hf_gather *gather = msg->gather < HF_GATHERS_MAX ? server->gathers[msg->gather] : NULL;
    HF_ASSERT(gather != NULL && gather->generation == msg->generation && gather->waiting > 0);
    hf_bytes body = hf_gather_body(msg);
    gather->value[0] += msg->value[0];
    gather->value[1] += msg->value[1];
    gather->failed = gather->failed || msg->failed != 0;
    if (body.size != 0) {
        hf_buf *answer = &gather->answers[msg->head.from];
        hf_buf_open(answer, shard->heap);
        hf_buf_raw(answer, body.data, body.size);
        gather->failed = gather->failed || answer->failed;
    }
    if (--gather->waiting == 0) {
        gather_done(shard, gather);
    }
}

void hf_gather__ok(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    (void)shard;
    (void)gather;
    hf_resp_simple(reply, "OK");
}

/* ---- The one who is asked ---- */

void hf_gather__answer(hf_shard *shard, const hf_msg_session *ask, const uint64_t value[2],
                       bool failed, uint64_t lsn, hf_bytes body)
{
    hf_msg_session fixed = { .gather = ask->gather,
                             .generation = ask->generation,
                             .ask = ask->ask,
                             .origin = ask->origin,
                             .is_answer = 1,
                             .failed = failed,
                             .value = { value[0], value[1] } };
    hf_msg *msg = hf_shard__msg_of(shard, HF_MSG_SESSION, &fixed, sizeof fixed, body);
    if (msg == NULL) {
        fixed.failed = 1;
        msg = hf_shard__msg_of(shard, HF_MSG_SESSION, &fixed, sizeof fixed, hf_bytes_of(NULL, 0));
    }
    if (msg == NULL) {
        /* Without this answer the asker would wait for ever. */
        hf_shard__fail(shard, 70, "memory", "no room for an answer between sessions");
        return;
    }
    hf_shard__hold(shard, lsn, ask->origin, msg);
}

bool hf_gather__forward(hf_shard *shard, const hf_msg_session *ask, uint16_t to, hf_bytes body)
{
    hf_msg_session fixed = *ask;
    fixed.since_ns = 0;
    hf_msg *msg = hf_shard__msg_of(shard, HF_MSG_SESSION, &fixed, sizeof fixed, body);
    if (msg != NULL) {
        hf_shard__post(shard, to, msg);
    }
    return msg != NULL;
}

bool hf_gather__tell(hf_shard *shard, hf_ask ask, hf_shard_set set, uint64_t value, hf_bytes body)
{
    bool all = true;
    for (uint16_t to = 0; to < shard->count; to++) {
        if ((set & hf_shard_bit(to)) != 0) {
            hf_msg_session fixed = { .ask = (uint16_t)ask,
                                     .origin = shard->self,
                                     .value = { value } };
            hf_msg *msg = hf_shard__msg_of(shard, HF_MSG_SESSION, &fixed, sizeof fixed, body);
            if (msg != NULL) {
                hf_shard__post(shard, to, msg);
            }
            all = all && msg != NULL;
        }
    }
    return all;
}

/* True: it was answered. False: `value` is to be kept with it. */
static bool try_to_answer(hf_shard *shard, const hf_msg_session *ask, uint64_t value[2])
{
    hf_server *server = hf_server_of(shard);
    HF_ASSERT(ask->ask < HF_ASK_COUNT && answers[ask->ask] != NULL);
    hf_buf_reset(&server->body);
    hf_answer answer = { .ask = ask, .body = hf_gather_body(ask), .out = &server->body };
    if (!answers[ask->ask](shard, &answer)) {
        value[0] = answer.value[0];
        value[1] = answer.value[1];
        return false;
    }
    if (!answer.done && ask->generation != 0) {
        hf_gather__answer(shard, ask, answer.value, answer.failed || server->body.failed,
                          answer.lsn,
                          server->body.failed ? hf_bytes_of(NULL, 0) : hf_buf_view(&server->body));
    }
    hf_buf_trim(&server->body, HF_KEEP_BYTES);
    return true;
}

static void put_off(hf_shard *shard, const hf_msg_session *ask, const uint64_t value[2])
{
    hf_server *server = hf_server_of(shard);
    hf_pending *p = hf_heap_take(shard->heap, offsetof(hf_pending, msg) + ask->head.size);
    if (p == NULL) {
        hf_gather__answer(shard, ask, value, true, 0, hf_bytes_of(NULL, 0));
        return;
    }
    p->next = NULL;
    memcpy(&p->msg, ask, ask->head.size);
    p->msg.since_ns = shard->io->now_ns;
    memcpy(p->msg.value, value, sizeof p->msg.value);
    if (server->pending_last != NULL) {
        server->pending_last->next = p;
    } else {
        server->pending = p;
    }
    server->pending_last = p;
}

void hf_gather__retry(hf_shard *shard)
{
    hf_server *server = hf_server_of(shard);
    hf_pending *p = server->pending;
    server->pending = server->pending_last = NULL;
    while (p != NULL) {
        hf_pending *next = p->next;
        p->next = NULL;
        uint64_t value[2];
        if (try_to_answer(shard, &p->msg, value)) {
            hf_heap_give(shard->heap, p);
        } else {
            memcpy(p->msg.value, value, sizeof p->msg.value);
            if (server->pending_last != NULL) {
                server->pending_last->next = p;
            } else {
                server->pending = p;
            }
            server->pending_last = p;
        }
        p = next;
    }
}

void hf_session__message(hf_shard *shard, const hf_msg *msg)
{
    const hf_msg_session *m = (const hf_msg_session *)(const void *)msg;
    if (m->is_answer != 0) {
        answered(shard, m);
        return;
    }
    uint64_t value[2];
    if (!try_to_answer(shard, m, value)) {
        put_off(shard, m, value);
    }
}
