/* MONITOR: every command of every core, as it comes. A core with a monitor tells the others; each
 * then sends it its commands, gathered per turn. Lines of one connection are in order; those of
 * different cores mix. A monitor that does not read is cut off; lines that find no memory on their
 * way are lost, and counted.
 */
#include "engine/shard/session/server.h"

enum { LINES_MAX = 1 << 20, ARG_SHOWN = 4096 };

void hf_monitor__feed(hf_shard *shard, const hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    hf_server *server = hf_server_of(shard);
    hf_buf *out = &server->monitor_text;
    bool secret = strcmp(command->name, "auth") == 0 || strcmp(command->name, "hello") == 0;
    if (out->size > LINES_MAX) {
        server->monitor_lost++;
        return;
    }
    uint32_t before = out->size;
    uint64_t us = shard->io->wall_ns / 1000;
    hf_put(out, "+%llu.%06llu [0 %s]", (unsigned long long)(us / 1000000),
           (unsigned long long)(us % 1000000), shard->io->ops->conn_peer(shard->io, conn->id));
    for (uint32_t i = 0; i < argc; i++) {
        hf_bytes arg = args[i];
        arg.size = arg.size < ARG_SHOWN ? arg.size : ARG_SHOWN;
        hf_buf_u8(out, ' ');
        hf_put_quoted(out, i != 0 && secret ? HF_LIT("(redacted)") : arg);
    }
    hf_buf_raw(out, "\r\n", 2);
    if (out->failed) {
        out->failed = false;
        out->size = before;
        server->monitor_lost++;
    }
}

void hf_monitor__turn(hf_shard *shard)
{
    hf_server *server = hf_server_of(shard);
    if (server
            ->monitor_over) { /* our last monitor left; until all have heard it, it is said again */
        server->monitor_over =
            !hf_gather__tell(shard, HF_ASK_MONITOR, hf_all_shards(shard), 0, hf_bytes_of(NULL, 0));
    }
    if (server->monitor_text.size == 0) {
        return;
    }
    if (!hf_gather__tell(shard, HF_ASK_TOLD, server->monitoring, 0,
                         hf_buf_view(&server->monitor_text))) {
        server->monitor_lost++;
    }
    hf_buf_reset(&server->monitor_text);
    hf_buf_trim(&server->monitor_text, HF_KEEP_BYTES);
}

bool hf_answer__told(hf_shard *shard, hf_answer *answer)
{
    for (hf_conn *conn = shard->session->first; conn != NULL; conn = conn->next) {
        const hf_conn_extra *extra = conn->listener == HF_LISTENER_CLIENT ? conn->extra : NULL;
        if (extra != NULL && extra->monitor_ready) {
            hf_push(shard, conn, answer->body);
        }
    }
    return true;
}

/* ---- Who monitors ---- */

bool hf_answer__monitor(hf_shard *shard, hf_answer *answer)
{
    hf_server *server = hf_server_of(shard);
    hf_shard_set bit = hf_shard_bit(answer->ask->origin);
    server->monitoring =
        answer->ask->value[0] != 0 ? server->monitoring | bit : server->monitoring & ~bit;
    return true;
}

/* The connection is shown commands once every core knows of it; what it asked for before is
 * answered by then. */
static void finish_monitor(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_conn *conn = hf_conn__find(shard, gather->ticket.place);
    hf_conn_extra *extra = conn != NULL ? conn->extra : NULL;
    if (extra != NULL && extra->monitor) {
        extra->monitor_ready = true;
    }
    hf_resp_simple(reply, "OK");
}

void hf_monitor__leave(hf_shard *shard, hf_conn *conn)
{
    hf_server *server = hf_server_of(shard);
    hf_conn_extra *extra = conn->extra;
    if (extra != NULL && extra->monitor) {
        extra->monitor = extra->monitor_ready = false;
        server->monitors--;
        server->monitor_over = server->monitors == 0;
    }
}

bool hf_session__monitor(hf_shard *shard, hf_conn *conn, const hf_command *command,
                         const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    hf_server *server = hf_server_of(shard);
    hf_conn_extra *extra = hf_extra__need(shard, conn);
    if (extra == NULL) {
        return hf_word_error(shard, conn, "OOM no memory to monitor");
    }
    if (extra->monitor) {
        return hf_word_ok(shard, conn);
    }
    if (conn->first != conn->next_number || server->gather_spares == 0) {
        return false;
    }
    extra->monitor = true;
    server->monitors++;
    server->monitor_over = false;
    hf_question q = { .ask = HF_ASK_MONITOR, .value = { 1 }, .finish = finish_monitor };
    return hf_gather__start(shard, conn, &q);
}
