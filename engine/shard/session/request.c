/* From a command's words to a request at the gateway: what may be asked now, on which keys later
 * requests wait. */
#include "engine/shard/session/server.h"

#include "engine/base/crc32c.h"

uint64_t hf_session__read_ts(hf_shard *shard, const hf_conn *conn, hf_level level, uint64_t arg)
{
    uint64_t now = hf_shard__now(shard);
    uint64_t ts = arg;
    if (level == HF_LEVEL_STRICT) {
        return 0;
    }
    if (level == HF_LEVEL_BOUNDED) {
        /* The oldest moment that can surely be read back and is still within the bound. */
        uint64_t most = shard->config.retention_ns / HF_RETENTION_PART;
        uint64_t bound = arg > most / 1000000 ? most : arg * 1000000;
        ts = hf_shard_tick(now - bound + HF_TICK_NS - 1);
        ts = ts > now ? 0 : ts;
    } else if (ts == 0) {
        ts = 1; /* 0 stands for the newest state */
    }
    /* Too old for the token, or never to be told: as strict as can be. A snapshot is of the
     * timestamp that was named. */
    bool strict = level == HF_LEVEL_BOUNDED &&
                  (ts < conn->after || hf_horizon__covers(shard, ts) == HF_HORIZON_NO);
    return strict ? 0 : ts;
}

static uint64_t key_bit(hf_bytes key)
{
    return (uint64_t)1 << (hf_crc32c(0, key.data, key.size) & 63);
}

static void key_bits(const hf_request *request, uint64_t *changes, uint64_t *adds)
{
    *changes = *adds = 0;
    for (uint32_t i = 0; i < request->condition_count; i++) {
        *changes |= key_bit(request->conditions[i].key);
    }
    for (uint32_t i = 0; i < request->count; i++) {
        const hf_request_command *c = &request->commands[i];
        uint32_t first, count, step;
        if ((c->command->flags & HF_COMMAND_ALL_KEYS) != 0) {
            *changes = UINT64_MAX;
            return;
        }
        if (!hf_command_keys(c->command, c->argc, &first, &count, &step)) {
            continue;
        }
        for (uint32_t k = 0; k < count; k++) {
            uint64_t bit = key_bit(c->args[first + k * step]);
            *((c->command->flags & HF_COMMAND_COMMUTE) != 0 ? adds : changes) |= bit;
        }
    }
}

/* The request is over several shards: later ones on its keys wait. */
static void note_keys(hf_conn *conn, const hf_request *request)
{
    uint64_t changes;
    uint64_t adds;
    key_bits(request, &changes, &adds);
    conn->keys_changed |= changes;
    conn->keys_added |= adds;
}

/* False: it cannot start now; the command is looked at again later. */
bool hf_conn__request(hf_shard *shard, hf_conn *conn, hf_request *request)
{
    if (conn->map_version != shard->map.changes && !hf_conn__may_start(shard, conn)) {
        return false;
    }
    if (request->read_ts != 0) {
        hf_horizon_says says = hf_horizon__covers(shard, request->read_ts);
        if (says != HF_HORIZON_YES) {
            return says == HF_HORIZON_NO && hf_word_error(shard, conn, HF_HORIZON_FULL);
        }
    }
    bool in_order = conn->listener != HF_LISTENER_LOCAL;
    if (conn->multi_open != 0 && in_order) {
        uint64_t changes;
        uint64_t adds;
        key_bits(request, &changes, &adds);
        if (((changes & (conn->keys_changed | conn->keys_added)) | (adds & conn->keys_changed)) !=
            0) {
            return false;
        }
    }
    hf_buf *error = &shard->session->error;
    hf_buf_reset(error);
    request->ticket = hf_conn__ticket(conn);
    request->proto = conn->proto;
    request->tells = conn->attributes;
    request->in_order = request->read_ts == 0 && in_order;
    uint32_t version = shard->map.changes;
    shard->session->starting = conn;
    shard->session->early = false;
    hf_started started = hf_gateway__start(shard, request, error);
    shard->session->starting = NULL;
    switch (started) {
    case HF_STARTED_NOT:
        return false;
    case HF_STARTED_NO_MEMORY: /* its earlier requests give theirs back; without any it would wait
                                  for ever */
        return conn->first == conn->next_number &&
               hf_word_error(shard, conn, "OOM no memory for the request");
    case HF_STARTED_ERROR:
        return hf_word_reply(shard, conn, hf_buf_view(error));
    case HF_STARTED_MULTI:
        if (in_order) {
            note_keys(conn, request);
        }
        version = 0;
        break;
    case HF_STARTED:
        break;
    }
    hf_conn__open(shard, conn, started == HF_STARTED_MULTI);
    conn->slots[request->ticket.number & conn->slot_mask].sent_by = version;
    if (shard->session->early) {
        hf_session__complete(shard, request->ticket,
                             error->failed ? HF_LIT("-OOM no memory for the reply\r\n")
                                           : hf_buf_view(error));
    }
    return true;
}

bool hf_session__data(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    hf_request_command one = { .command = command, .args = args, .argc = argc };
    if (conn->op != UINT32_MAX) {
        return hf_session__in_txn(shard, conn, &one);
    }
    hf_request request = { .form = HF_FORM_SINGLE, .commands = &one, .count = 1 };
    if ((command->flags & HF_COMMAND_READ) != 0 && conn->level != HF_LEVEL_STRICT) {
        request.read_ts = hf_session__read_ts(shard, conn, (hf_level)conn->level, conn->level_arg);
        request.bounded = conn->level == HF_LEVEL_BOUNDED;
    }
    return hf_conn__request(shard, conn, &request);
}

static bool ends_multi(const hf_command *command)
{
    static const char *const names[] = { "exec", "discard", "multi", "watch", "quit", "reset" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(command->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* How a request of HTTP begins, or one of its lines. */
static bool is_http(hf_bytes name)
{
    static const char *const words[] = { "post", "host:" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t k = 0;
        while (k < name.size && words[i][k] != 0 && (name.data[k] | 0x20) == (words[i][k] | 0x20)) {
            k++;
        }
        if (k == name.size && words[i][k] == 0) {
            return true;
        }
    }
    return false;
}

bool hf_session__run(hf_shard *shard, hf_conn *conn, const hf_command *command,
                     const hf_bytes *args, uint32_t argc)
{
    hf_buf *error = &shard->session->error;
    hf_buf_reset(error);
    shard->session->running = (hf_request_command){ .args = args, .argc = argc };
    if (command == NULL && is_http(args[0])) {
        hf_conn__close(shard,
                       conn); /* a page that makes a browser speak to us: as Redis, not a word */
        return true;
    }
    if (command == NULL || (command->flags & HF_COMMAND_INTERNAL) != 0) {
        hf_command_unknown(error, args, argc);
    } else if (!hf_command_check(command, args, argc, error)) {
        HF_ASSERT(error->size > 0 || error->failed);
    } else if (shard->boot != HF_BOOT_READY && (command->flags & HF_COMMAND_LOADING) == 0) {
        hf_resp_error(error, "LOADING Holdfast is loading the dataset in memory");
    } else if (shard->stopping && command->run != NULL) {
        hf_resp_error(error, "SHUTDOWN the node is stopping");
    } else if (!hf_pubsub__allows(conn, command, error)) {
        HF_ASSERT(error->size > 0 || error->failed);
    }
    if (error->size != 0) {
        if (command != NULL && (command->flags & HF_COMMAND_INTERNAL) == 0) {
            hf_server__rejected(shard, command);
        }
        conn->multi_broken = conn->multi_broken || conn->multi;
        return hf_word_reply(shard, conn, hf_buf_view(error));
    }
    if (shard->io->now_ns < hf_server_of(shard)->pause_until_ns &&
        hf_server__paused(shard, command, args, argc)) {
        return false;
    }
    HF_ASSERT(command != NULL); /* not knowing it was an error */
    shard->session->running.command = command;
    conn->command = command->id;
    if (conn->multi && !ends_multi(command)) {
        hf_session__queue(shard, conn, command, args, argc);
        return true;
    }
    hf_session_command *session_command = hf_session__find(shard, command);
    if (session_command == NULL && command->run != NULL) {
        return hf_session__data(shard, conn, command, args, argc);
    }
    if (session_command == NULL) {
        hf_command_unknown(error, args, argc);
        return hf_word_reply(shard, conn, hf_buf_view(error));
    }
    return session_command(shard, conn, command, args, argc);
}
