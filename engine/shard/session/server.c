/* The server's side of the sessions: what happens around every command, and in every turn. */
#include "engine/shard/session/server.h"

enum { PENDING_NS = 200000, IDLE_TICK_NS = 1000000000, RATE_NS = 100000000 };

hf_settings hf_settings_default(void)
{
    return (hf_settings){ .slow_us = 10000, .slow_most = 128, .latency_ms = 0, .timeout_s = 0 };
}

/* ---- Around every command ---- */

static uint32_t bucket_of(uint64_t ns)
{
    uint64_t us = ns / 1000;
    uint32_t i = us == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(us);
    return i < HF_DURATIONS ? i : HF_DURATIONS - 1;
}

void hf_server__started(hf_shard *shard, hf_conn *conn, hf_slot *slot)
{
    hf_server *server = hf_server_of(shard);
    hf_request_command *running = &shard->session->running;
    const hf_command *command = running->command;
    slot->command = UINT16_MAX;
    if (command == NULL) {
        return;
    }
    running->command = NULL;
    slot->command = command->id;
    server->commands[command->id].calls++;
    if (conn->listener == HF_LISTENER_LOCAL) {
        slot->command =
            UINT16_MAX; /* no durations, no log of slow ones: its host measures itself */
        return;
    }
    if (server->monitoring != 0) {
        hf_monitor__feed(shard, conn, command, running->args, running->argc);
    }
    if (server->settings.slow_us >= 0) {
        hf_slowlog__note(shard, slot, running->args, running->argc);
    }
}

void hf_server__rejected(hf_shard *shard, const hf_command *command)
{
    hf_server_of(shard)->commands[command->id].rejected++;
}

/* The code of an error reply, "-ERR ..." -> ERR; what does not fit any more is counted as "OTHER".
 */
static void count_error(hf_server *server, hf_bytes reply)
{
    char name[HF_ERROR_NAME] = "";
    uint32_t size = 0;
    while (size < HF_ERROR_NAME - 1 && 1 + size < reply.size && reply.data[1 + size] > ' ' &&
           reply.data[1 + size] <= '~') {
        name[size] = (char)reply.data[1 + size];
        size++;
    }
    server->errors++;
    for (uint32_t i = 0; i < HF_ERRORS_MAX; i++) {
        hf_error_counter *e = &server->by_error[i];
        bool last = i == HF_ERRORS_MAX - 1;
        if (e->count == 0) {
            memcpy(e->name, last ? "OTHER" : name, last ? 6 : sizeof name);
        }
        if (last || strcmp(e->name, name) == 0) {
            e->count++;
            return;
        }
    }
}

void hf_server__ended(hf_shard *shard, hf_conn *conn, const hf_slot *slot, hf_bytes reply)
{
    hf_server *server = hf_server_of(shard);
    bool error = reply.size != 0 && reply.data[0] == '-';
    if (conn->listener == HF_LISTENER_HTTP) {
        return;
    }
    server->commands_done++;
    if (error) {
        count_error(server, reply);
    }
    if (slot->command == UINT16_MAX) {
        return;
    }
    const hf_command *command = hf_command_at(slot->command);
    hf_command_counter *counter = &server->commands[slot->command];
    uint64_t ns = shard->io->now_ns - slot->started_ns;
    uint32_t bucket = bucket_of(ns);
    counter->errors += error;
    counter->ns += ns;
    counter->durations[bucket]++;
    if ((command->flags & (HF_COMMAND_WRITE | HF_COMMAND_COMMUTE)) != 0) {
        server->write_ns[bucket]++;
        server->write_ns_sum += ns;
    } else if ((command->flags & HF_COMMAND_READ) != 0) {
        server->read_ns[bucket]++;
        server->read_ns_sum += ns;
    }
    if ((command->flags & HF_COMMAND_BLOCKING) != 0) {
        return;
    }
    if (server->settings.slow_us >= 0 && ns / 1000 >= (uint64_t)server->settings.slow_us) {
        hf_slowlog__add(shard, conn, slot, ns / 1000);
    }
    if (server->settings.latency_ms != 0 && ns / 1000000 >= server->settings.latency_ms) {
        bool fast = (command->flags & HF_COMMAND_FAST) != 0;
        hf_latency__add(shard, fast ? HF_LATENCY_FAST : HF_LATENCY_COMMAND, ns / 1000000);
    }
}

bool hf_server__paused(const hf_shard *shard, const hf_command *command, const hf_bytes *args,
                       uint32_t argc)
{
    const hf_server *server = hf_server_of(shard);
    if (shard->io->now_ns >= server->pause_until_ns || shard->stopping) {
        return false;
    }
    if (strcmp(command->name, "client") == 0 && argc > 1 &&
        (hf_word_is(args[1], "UNPAUSE") || hf_word_is(args[1], "PAUSE"))) {
        return false;
    }
    /* EXEC and the end of an interactive transaction may write; what they hold is not looked at. */
    bool writes = (command->flags & (HF_COMMAND_WRITE | HF_COMMAND_COMMUTE)) != 0 ||
                  strcmp(command->name, "exec") == 0 || strcmp(command->name, "hf.commit") == 0 ||
                  strcmp(command->name, "publish") == 0;
    return !server->pause_writes_only || writes;
}

/* ---- Connections ---- */

hf_conn_extra *hf_extra__need(hf_shard *shard, hf_conn *conn)
{
    HF_PRE(conn->listener == HF_LISTENER_CLIENT);
    if (conn->extra == NULL) {
        conn->extra = hf_heap_take(shard->heap, sizeof(hf_conn_extra));
        if (conn->extra != NULL) {
            memset(conn->extra, 0, sizeof(hf_conn_extra));
        }
    }
    return conn->extra;
}

void hf_push(hf_shard *shard, hf_conn *conn, hf_bytes bytes)
{
    if (conn->closing) {
        return;
    }
    if ((uint64_t)conn->out.size + conn->sending.size + bytes.size > HF_PUSH_MAX) {
        hf_conn__close(shard, conn);
        return;
    }
    hf_conn__push(shard, conn, bytes);
}

static bool idles(const hf_conn *conn)
{
    const hf_conn_extra *extra = conn->extra;
    bool listens = extra != NULL && (extra->monitor || extra->count[0] + extra->count[1] != 0);
    return conn->listener == HF_LISTENER_CLIENT && !conn->closing && !listens &&
           conn->first == conn->next_number;
}

/* Closes who has been silent for too long. Answers when to look again. */
static uint64_t close_idle(hf_shard *shard)
{
    hf_server *server = hf_server_of(shard);
    uint64_t now = shard->io->now_ns;
    uint64_t limit = server->settings.timeout_s * 1000000000;
    if (server->settings.timeout_s == 0 || shard->session->count == 0) {
        return UINT64_MAX;
    }
    if (now < server->idle_at_ns) {
        return server->idle_at_ns;
    }
    for (hf_conn *conn = shard->session->first; conn != NULL; conn = conn->next) {
        if (idles(conn) && now - conn->last_ns > limit) {
            server->timed_out++;
            hf_conn__close(shard, conn);
        }
    }
    server->idle_at_ns = now + IDLE_TICK_NS;
    return server->idle_at_ns;
}

/* ---- Every turn ---- */

static void note_rate(hf_shard *shard)
{
    hf_server *server = hf_server_of(shard);
    uint32_t newest = (server->rate_next + HF_RATE_SAMPLES - 1) % HF_RATE_SAMPLES;
    if (shard->io->now_ns - server->rate_at[newest] >= RATE_NS) {
        server->rate_at[server->rate_next] = shard->io->now_ns;
        server->rate_count[server->rate_next] = server->commands_done;
        server->rate_next = (server->rate_next + 1) % HF_RATE_SAMPLES;
        uint64_t used = hf_heap_used(shard->heap);
        server->memory_peak = used > server->memory_peak ? used : server->memory_peak;
    }
}

/* Commands a second, over the last second or so. */
uint64_t hf_sample__rate(const hf_shard *shard)
{
    const hf_server *server = hf_server_of(shard);
    uint64_t now = shard->io->now_ns;
    uint64_t at = 0;
    uint64_t count = 0;
    for (uint32_t i = 1; i <= HF_RATE_SAMPLES; i++) {
        uint32_t k = (server->rate_next + HF_RATE_SAMPLES - i) % HF_RATE_SAMPLES;
        if (server->rate_at[k] == 0) {
            break;
        }
        at = server->rate_at[k];
        count = server->rate_count[k];
        if (now - at >= 1000000000) {
            break;
        }
    }
    return at == 0 || now == at ? 0 : (server->commands_done - count) * 1000000000 / (now - at);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t hf_server__turn(hf_shard *shard)
{
    hf_server *server = hf_server_of(shard);
    uint64_t now = shard->io->now_ns;
    if (server->started_wall_ns == 0) {
        server->started_wall_ns = shard->io->wall_ns;
        server->started_ns = now;
    }
    note_rate(shard);
    hf_monitor__turn(shard);
    uint64_t due = least(close_idle(shard), hf_http__turn(shard));
    due = least(due, hf_apply__turn(shard));
    due = least(due, hf_changes__turn(shard));
    if (server->pending != NULL) {
        hf_gather__retry(shard);
        due = server->pending != NULL ? least(due, now + PENDING_NS) : due;
    }
    return now < server->pause_until_ns ? least(due, server->pause_until_ns) : due;
}

/* ---- Life ---- */

static bool open_memory(hf_shard *shard, hf_server *server)
{
    size_t commands = sizeof(hf_command_counter) * HF_COMMANDS_MAX;
    size_t notes = sizeof(hf_note) * HF_NOTES;
    server->commands = hf_heap_take(shard->heap, commands);
    server->notes = hf_heap_take(shard->heap, notes);
    if (server->commands == NULL || server->notes == NULL) {
        return false;
    }
    memset(server->commands, 0, commands);
    memset(server->notes, 0, notes);
    return true;
}

bool hf_server__open(hf_shard *shard)
{
    hf_server *server = hf_heap_take(shard->heap, sizeof *server);
    if (server == NULL) {
        return false;
    }
    memset(server, 0, sizeof *server);
    shard->session->server = server;
    server->settings = hf_settings_default();
    hf_buf_open(&server->body, shard->heap);
    hf_buf_open(&server->reply, shard->heap);
    hf_buf_open(&server->text, shard->heap);
    hf_buf_open(&server->monitor_text, shard->heap);
    for (uint32_t i = 0; i < HF_GATHERS_MAX; i++) {
        server->gather_spare[i] = HF_GATHERS_MAX - 1 - i;
    }
    server->gather_spares = HF_GATHERS_MAX;
    hf_session__find_all(server);
    return open_memory(shard, server) && hf_slowlog__open(shard) && hf_pubsub__open(shard) &&
           hf_scan__open(shard);
}

bool hf_shard_stop_requested(const hf_shard *shard)
{
    return hf_server_of(shard)->stop_wanted;
}
