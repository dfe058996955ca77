/* Local connections: requests as bytes that need no parsing, replies as they come. */
#include "engine/shard/session/local.h"
#include "engine/shard/session/session_impl.h"

/* ---- Replies ---- */

/* The head of a reply; what is written to `out` until frame_end() is its body. */
void hf_conn__frame_begin(const hf_shard *shard, hf_conn *conn, uint32_t number)
{
    hf_local_reply head = { .number = number, .map_changes = shard->map.changes };
    conn->frame_at = conn->out.size;
    hf_buf_raw(&conn->out, &head, sizeof head);
}

void hf_conn__frame_end(hf_conn *conn)
{
    static const uint8_t zeros[8];
    hf_buf *out = &conn->out;
    if (out->failed) {
        return; /* the connection is closed for it */
    }
    uint32_t size = out->size - conn->frame_at;
    memcpy(out->data + conn->frame_at + offsetof(hf_local_reply, size), &size, sizeof size);
    hf_buf_raw(out, zeros, hf_local_filled(size) - size);
}

/* ---- Requests ---- */

static void read_lists(hf_shard *shard, const hf_local_request *head, hf_bytes body,
                       hf_txn_reader *reader)
{
    *reader = (hf_txn_reader){ .in = hf_reader_of(body),
                               .args = &shard->args,
                               .conditions = head->condition_count,
                               .commands = head->command_count };
}

static bool run_txn(hf_shard *shard, hf_conn *conn, const hf_local_request *head, hf_bytes body)
{
    hf_session *session = shard->session;
    hf_request request = { .form = HF_FORM_TXN, .has_else = head->has_else };
    hf_txn_reader reader;
    read_lists(shard, head, body, &reader);
    if (conn->op != UINT32_MAX) {
        hf_conn__error(shard, conn, "ERR HF.TXN inside an interactive transaction");
        return true;
    }
    if (head->has_id) {
        hf_buf_reset(&session->error);
        if (!hf_session__id_good(shard, head->id, &session->error)) {
            hf_buf *out = hf_conn__reply(shard, conn);
            hf_buf_raw(out, session->error.data, session->error.size);
            hf_conn__done(shard, conn);
            return true;
        }
        request.has_id = true;
        memcpy(request.id, head->id, sizeof request.id);
    }
    if (!hf_gateway__read_lists(shard, &reader, &request)) {
        hf_conn__error(shard, conn, "OOM no memory for the transaction");
        return true;
    }
    request.otherwise = head->otherwise;
    return hf_conn__request(shard, conn, &request);
}

static bool run_one(hf_shard *shard, hf_conn *conn, const hf_local_request *head, hf_bytes body)
{
    hf_txn_reader reader;
    hf_request request = { 0 };
    read_lists(shard, head, body, &reader);
    /* Out of the way of what evaluates. */
    hf_buf *argv = &shard->session->argv;
    hf_buf_reset(argv);
    bool memory = hf_gateway__read_lists(shard, &reader, &request);
    HF_ASSERT(!memory || request.count == 1);
    hf_request_command one = memory ? request.commands[0] : (hf_request_command){ 0 };
    hf_buf_raw(argv, one.args, one.argc * (uint32_t)sizeof *one.args);
    if (!memory || argv->failed) {
        hf_conn__error(shard, conn, "OOM no memory for the request");
        return true;
    }
    conn->level = head->level;
    conn->level_arg = head->level_arg;
    if (head->level == HF_LEVEL_SNAPSHOT) {
        bool now = true;
        if (!hf_session__past(shard, conn, head->level_arg, &now)) {
            if (now) {
                hf_conn__error(shard, conn, HF_SNAPSHOT_FUTURE);
            }
            return now;
        }
        conn->level_arg = hf_shard_tick(head->level_arg); /* as HF.LEVEL does */
    }
    return hf_session__run(shard, conn, one.command, (const hf_bytes *)(const void *)argv->data,
                           one.argc);
}

static bool refused(hf_shard *shard, hf_conn *conn)
{
    const char *why = shard->boot != HF_BOOT_READY ? "LOADING Holdfast is recovering"
                      : shard->stopping            ? "SHUTDOWN the node is stopping"
                                                   : NULL;
    if (why != NULL) {
        hf_conn__error(shard, conn, why);
    }
    return why != NULL;
}

/* False: it cannot be started now; nothing happened. */
static bool run(hf_shard *shard, hf_conn *conn, const hf_local_request *head, hf_bytes body)
{
    bool started = true;
    conn->tag = head->number;
    if (refused(shard, conn)) {
        return true;
    }
    bool now = true;
    if (head->after > conn->after && !hf_session__after(shard, conn, head->after, &now)) {
        if (now) {
            hf_conn__error(shard, conn, HF_TOKEN_UNKNOWN);
        }
        return now;
    }
    switch ((hf_local_form)head->form) {
    case HF_LOCAL_COMMAND:
        started = run_one(shard, conn, head, body);
        break;
    case HF_LOCAL_TXN:
        started = run_txn(shard, conn, head, body);
        break;
    case HF_LOCAL_MAP:
        hf_range_encode(&shard->map, hf_conn__reply(shard, conn));
        hf_conn__done(shard, conn);
        break;
    }
    return started;
}

/* Runs the requests that are whole, as far as it may; answers how many bytes they were. */
static uint32_t work_off(hf_shard *shard, hf_conn *conn, const uint8_t *data, uint32_t size)
{
    uint32_t at = 0;
    while (size - at >= sizeof(hf_local_request) && hf_conn__may_go_on(shard, conn)) {
        hf_local_request head; /* where it lies is not always a multiple of 8 */
        memcpy(&head, data + at, sizeof head);
        uint32_t whole = hf_local_filled(head.size);
        HF_ASSERT(head.size >= sizeof head && head.form <= HF_LOCAL_MAP);
        if (whole > size - at) {
            break;
        }
        hf_bytes body = hf_bytes_of(data + at + sizeof head, head.size - sizeof head);
        if (!run(shard, conn, &head, body)) {
            hf_conn__dirty(shard, conn); /* looked at again when something has moved */
            break;
        }
        at += whole;
    }
    return at;
}

void hf_local__process(hf_shard *shard, hf_conn *conn)
{
    conn->in_start +=
        work_off(shard, conn, conn->in.data + conn->in_start, conn->in.size - conn->in_start);
    uint32_t left = conn->in.size - conn->in_start;
    uint32_t first = 0; /* size of the request at hand */
    if (left >= sizeof first) {
        memcpy(&first, conn->in.data + conn->in_start, sizeof first);
    }
    conn->wants_more = left < sizeof(hf_local_request) || first > left;
    hf_conn__compact(shard, conn);
}

void hf_local__received(hf_shard *shard, hf_conn *conn, hf_bytes data)
{
    uint32_t used = 0;
    if (conn->in_start == conn->in.size) { /* as they lie in the pipe */
        used = work_off(shard, conn, data.data, data.size);
    }
    if (used == data.size) {
        return;
    }
    hf_buf_raw(&conn->in, data.data + used, data.size - used);
    if (conn->in.failed) {
        hf_conn__close(shard, conn); /* no memory: its calls are in doubt */
        return;
    }
    if (used == 0) {
        hf_local__process(shard, conn);
    } else {
        conn->wants_more = true;
    }
}
