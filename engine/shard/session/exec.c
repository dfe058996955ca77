/* EXEC of a transaction in which commands of the session's own are queued: PUBLISH, INFO, SCAN, ...
 *
 * They are no part of what commits. What reads or writes keys runs as one transaction; when its
 * reply is there, and every earlier request of the connection has its own, the others run one after
 * another. Each takes a slot behind that of EXEC, which is taken back once its reply is there. In
 * the end all replies stand in the order of the commands, and go out at once, so that no message of
 * a channel comes between them. What does not commit runs none of them.
 */
#include "engine/shard/session/server.h"

#include "engine/shard/session/weight.h"

struct hf_exec {
    uint32_t number;      /* of EXEC's request */
    uint32_t count, left; /* commands; of which not done */
    uint32_t at;          /* in `queued`: where the next one begins */
    uint32_t data_at;     /* in `data`: where the next reply begins */
    bool committed;       /* `data` is there */
    bool running;         /* one of ours has its slot */
    uint64_t ts;          /* of the commit, for the attribute */
    hf_buf queued;        /* as in `hf_conn` */
    hf_buf data;          /* replies of the commands on keys, one behind the other */
    hf_buf reply;         /* as far as it is put together */
};

bool hf_exec__is_own(const hf_command *command, const hf_bytes *args, uint32_t argc)
{
    return command->run == NULL ||
           (strcmp(command->name, "memory") == 0 && argc > 1 && !hf_word_is(args[1], "USAGE"));
}

static void give(hf_shard *shard, hf_conn *conn)
{
    hf_exec *exec = conn->exec;
    conn->exec = NULL;
    hf_buf_close(&exec->queued);
    hf_buf_close(&exec->data);
    hf_buf_close(&exec->reply);
    hf_heap_give(shard->heap, exec);
}

void hf_exec__closed(hf_shard *shard, hf_conn *conn)
{
    if (conn->exec != NULL) {
        give(shard, conn);
    }
}

uint64_t hf_exec__weight(const hf_conn *conn)
{
    const hf_exec *exec = conn->exec;
    return exec == NULL
               ? 0
               : (uint64_t)exec->queued.capacity + exec->data.capacity + exec->reply.capacity;
}

bool hf_exec__start(hf_shard *shard, hf_conn *conn, hf_request *request)
{
    hf_exec *exec = hf_heap_take(shard->heap, sizeof *exec);
    if (exec == NULL) {
        return hf_word_error(shard, conn, "OOM no memory for the transaction");
    }
    HF_PRE(conn->exec == NULL);
    *exec = (hf_exec){ .number = conn->next_number,
                       .count = conn->queued_count,
                       .left = conn->queued_count };
    hf_buf_open(&exec->data, shard->heap);
    hf_buf_open(&exec->reply, shard->heap);
    hf_buf_open(&exec->queued, shard->heap);
    conn->exec = exec;
    if (request->count == 0 && request->condition_count == 0) {
        hf_conn__open(shard, conn, false);
        exec->committed = true;
    } else if (!hf_conn__request(shard, conn, request)) {
        give(shard, conn); /* it is tried again */
        return false;
    } else if (conn->exec == NULL) {
        return true; /* it was refused at once */
    } else if (conn->first == conn->next_number ||
               conn->slots[exec->number & conn->slot_mask].done) {
        give(shard, conn); /* so it was, before it was anybody's request */
        return true;
    }
    hf_buf none = exec->queued;
    exec->queued = conn->queued;
    conn->queued = none;
    hf_conn__dirty(shard, conn);
    return true;
}

/* What the transaction answers. False: it did not commit, and that is the reply to EXEC. */
bool hf_exec__replied(hf_shard *shard, hf_conn *conn, uint32_t number, hf_bytes reply)
{
    hf_exec *exec = conn->exec;
    if (exec == NULL || exec->number != number) {
        return false;
    }
    if (reply.size < 2 || reply.data[0] != '*' || reply.data[1] == '-') {
        give(shard, conn);
        return false;
    }
    uint32_t head = 0;
    while (head < reply.size && reply.data[head] != '\n') {
        head++;
    }
    hf_buf_raw(&exec->data, reply.data + head + 1, reply.size - head - 1);
    exec->committed = true;
    exec->ts = shard->session->reply_ts;
    hf_conn__dirty(shard, conn);
    return true;
}

/* The next command, its arguments in the session's scratch; answers where it ends. */
static uint32_t next_command(hf_shard *shard, const hf_exec *exec, hf_request_command *command)
{
    hf_buf *argv = &shard->session->argv;
    hf_reader r =
        hf_reader_of(hf_bytes_of(exec->queued.data + exec->at, exec->queued.size - exec->at));
    (void)hf_read_u32(&r);
    command->command = hf_command_at(hf_read_u16(&r));
    command->argc = hf_read_u32(&r);
    hf_buf_reset(argv);
    for (uint32_t i = 0; i < command->argc; i++) {
        hf_bytes arg = hf_read_bytes(&r);
        hf_buf_raw(argv, &arg, sizeof arg);
    }
    HF_ASSERT(!r.bad);
    command->args = (const hf_bytes *)(const void *)argv->data;
    return exec->queued.size - hf_reader_left(&r);
}

static void take_reply(hf_conn *conn, hf_exec *exec, hf_slot *slot)
{
    HF_ASSERT(conn->next_number == exec->number + 2 && slot->reply.heap != NULL);
    exec->reply.failed = exec->reply.failed || slot->reply.failed;
    hf_buf_raw(&exec->reply, slot->reply.data, slot->reply.size);
    hf_buf_close(&slot->reply);
    conn->next_number--;
    exec->running = false;
    exec->left--;
}

/* False: not now. */
static bool step(hf_shard *shard, hf_conn *conn, hf_exec *exec)
{
    hf_request_command c;
    uint32_t end = next_command(shard, exec, &c);
    if (shard->session->argv.failed) {
        exec->reply.failed = true;
        exec->left = 0;
        return true;
    }
    if (hf_exec__is_own(c.command, c.args, c.argc)) {
        shard->session->running = c;
        conn->command = c.command->id;
        if (!hf_session__find(shard, c.command)(shard, conn, c.command, c.args, c.argc)) {
            return false;
        }
        exec->running = true;
    } else {
        hf_bytes rest =
            hf_bytes_of(exec->data.data + exec->data_at, exec->data.size - exec->data_at);
        uint32_t size = hf_resp_reply_size(rest);
        HF_ASSERT(size != 0 || exec->data.failed);
        hf_buf_raw(&exec->reply, rest.data, size);
        exec->data_at += size;
        exec->left--;
    }
    exec->at = end;
    return true;
}

static void finish(hf_shard *shard, hf_conn *conn, hf_exec *exec)
{
    bool failed = exec->reply.failed || exec->data.failed;
    uint32_t number = exec->number;
    hf_buf reply = exec->reply;
    hf_buf_open(&exec->reply, shard->heap);
    shard->session->reply_ts = exec->ts;
    give(shard, conn);
    hf_conn__replied(shard, conn, number,
                     failed ? HF_LIT(HF_COMMITTED_UNSAID) : hf_buf_view(&reply));
    shard->session->reply_ts = 0;
    hf_buf_close(&reply);
}

void hf_exec__go_on(hf_shard *shard, hf_conn *conn)
{
    hf_exec *exec = conn->exec;
    if (exec->committed && exec->reply.size == 0 && conn->first == exec->number) {
        hf_resp_array(&exec->reply, exec->count);
    }
    while (exec->committed && conn->first == exec->number && !conn->closing) {
        hf_slot *slot = &conn->slots[(exec->number + 1) & conn->slot_mask];
        if (exec->running && !slot->done) {
            break;
        }
        if (exec->running) {
            take_reply(conn, exec, slot);
        } else if (exec->left == 0) {
            finish(shard, conn, exec);
            break;
        } else if (!step(shard, conn, exec)) {
            hf_conn__dirty(shard, conn);
            break;
        }
    }
    hf_weight__of(shard->session, conn);
}
