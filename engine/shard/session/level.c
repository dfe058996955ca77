/* What a connection asks of all its requests: HF.SESSION; and of its reads: levels and tokens. */
#include "engine/shard/session/server.h"

/* ---- HF.SESSION ATOMIC on|off, ATTR on|off ---- */

bool hf_session__hf_session(hf_shard *shard, hf_conn *conn, const hf_command *command,
                            const hf_bytes *args, uint32_t argc)
{
    bool atomic = conn->atomic;
    bool attributes = conn->attributes;
    (void)command;
    if (conn->first != conn->next_number) {
        return false; /* what was asked before is answered as it was then */
    }
    for (uint32_t i = 1; i < argc; i += 2) {
        bool on = i + 1 < argc && hf_word_is(args[i + 1], "ON");
        if (i + 1 == argc || (!on && !hf_word_is(args[i + 1], "OFF"))) {
            return hf_word_error(shard, conn, "ERR syntax error: on or off");
        }
        if (hf_word_is(args[i], "ATOMIC")) {
            atomic = on;
        } else if (hf_word_is(args[i], "ATTR")) {
            attributes = on;
        } else {
            return hf_word_error(shard, conn, "ERR unknown setting: ATOMIC or ATTR");
        }
    }
    if (attributes && conn->proto != 3) {
        return hf_word_error(shard, conn, "ERR ATTR needs RESP3: HELLO 3 first");
    }
    conn->atomic = atomic;
    conn->attributes = attributes;
    hf_conn__ok(shard, conn);
    return true;
}

/* ---- Levels: strict | bounded ms | snapshot ts ---- */

/* Takes `used` arguments from args[at]. False: the error is written. */
static bool parse_level(const hf_bytes *args, uint32_t argc, uint32_t at, hf_level *level,
                        uint64_t *arg, uint32_t *used, hf_buf *error)
{
    int64_t value = 0;
    *used = 1;
    *arg = 0;
    *level = HF_LEVEL_STRICT;
    if (at < argc && hf_word_is(args[at], "STRICT")) {
        return true;
    }
    if (at < argc && (hf_word_is(args[at], "BOUNDED") || hf_word_is(args[at], "SNAPSHOT"))) {
        *level = hf_word_is(args[at], "BOUNDED") ? HF_LEVEL_BOUNDED : HF_LEVEL_SNAPSHOT;
        if (at + 1 == argc || !hf_int_from_text(args[at + 1], &value) || value < 0) {
            hf_resp_error(error, *level == HF_LEVEL_BOUNDED
                                     ? "ERR BOUNDED takes a staleness in milliseconds"
                                     : "ERR SNAPSHOT takes a timestamp");
            return false;
        }
        *arg = (uint64_t)value;
        *used = 2;
        return true;
    }
    hf_resp_error(error, "ERR unknown level: STRICT, BOUNDED ms or SNAPSHOT ts");
    return false;
}

/* Snapshots are taken at boundaries: a timestamp between two stands for the one before. */
static uint64_t snapshot_ts(hf_level level, uint64_t arg)
{
    return level == HF_LEVEL_SNAPSHOT ? hf_shard_tick(arg) : arg;
}

bool hf_session__past(hf_shard *shard, hf_conn *conn, uint64_t ts, bool *now)
{
    hf_horizon_says says = hf_horizon__knows(shard, &conn->round, ts, 0);
    *now = says != HF_HORIZON_SOON;
    if (says == HF_HORIZON_YES) {
        hf_hlc_observe(&shard->clock, ts);
    }
    return says == HF_HORIZON_YES;
}

bool hf_session__hf_level(hf_shard *shard, hf_conn *conn, const hf_command *command,
                          const hf_bytes *args, uint32_t argc)
{
    hf_level level;
    uint64_t arg;
    uint32_t used;
    (void)command;
    hf_buf *error = &shard->session->error;
    hf_buf_reset(error);
    if (!parse_level(args, argc, 1, &level, &arg, &used, error)) {
        return hf_word_reply(shard, conn, hf_buf_view(error));
    }
    if (1 + used != argc) {
        return hf_word_syntax(shard, conn);
    }
    bool now = true;
    if (level == HF_LEVEL_SNAPSHOT && !hf_session__past(shard, conn, arg, &now)) {
        return now && hf_word_error(shard, conn, HF_SNAPSHOT_FUTURE);
    }
    conn->level = (uint8_t)level;
    conn->level_arg = snapshot_ts(level, arg);
    hf_conn__ok(shard, conn);
    return true;
}

bool hf_session__hf_read(hf_shard *shard, hf_conn *conn, const hf_command *command,
                         const hf_bytes *args, uint32_t argc)
{
    hf_level level;
    uint64_t arg;
    uint32_t used;
    (void)command;
    hf_buf *error = &shard->session->error;
    hf_buf_reset(error);
    if (!parse_level(args, argc, 1, &level, &arg, &used, error)) {
        return hf_word_reply(shard, conn, hf_buf_view(error));
    }
    if (1 + used >= argc) {
        return hf_word_error(shard, conn, "ERR HF.READ takes a command after the level");
    }
    hf_request_command one = { .args = args + 1 + used, .argc = argc - 1 - used };
    one.command = hf_command_find(one.args[0]);
    if (one.command == NULL) {
        hf_command_unknown(error, one.args, one.argc);
        return hf_word_reply(shard, conn, hf_buf_view(error));
    }
    if (one.command->run == NULL || (one.command->flags & HF_COMMAND_READ) == 0 ||
        (one.command->flags & HF_COMMAND_INTERNAL) != 0) {
        return hf_word_error(shard, conn, "ERR HF.READ takes a command that only reads keys");
    }
    if (!hf_command_check(one.command, one.args, one.argc, error)) {
        return hf_word_reply(shard, conn, hf_buf_view(error));
    }
    hf_request request = { .form = HF_FORM_SINGLE, .commands = &one, .count = 1 };
    request.read_ts = hf_session__read_ts(shard, conn, level, snapshot_ts(level, arg));
    request.bounded = level == HF_LEVEL_BOUNDED;
    if (conn->op != UINT32_MAX) {
        return hf_word_error(shard, conn, "ERR HF.READ inside an interactive transaction");
    }
    bool now = true;
    if (level == HF_LEVEL_SNAPSHOT && !hf_session__past(shard, conn, request.read_ts, &now)) {
        return now && hf_word_error(shard, conn, HF_SNAPSHOT_FUTURE);
    }
    return hf_conn__request(shard, conn, &request);
}

/* ---- HF.TOKEN, HF.AFTER token ---- */

bool hf_session__hf_token(hf_shard *shard, hf_conn *conn, const hf_command *command,
                          const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    if (conn->first != conn->next_number) {
        return false; /* it covers everything that was asked before */
    }
    uint64_t ts = hf_shard__now(shard);
    switch (hf_horizon__covers(shard, ts)) {
    case HF_HORIZON_SOON:
        return false;
    case HF_HORIZON_NO:
        return hf_word_error(shard, conn, HF_HORIZON_FULL);
    case HF_HORIZON_YES:
        break;
    }
    hf_resp_bulk_integer(hf_conn__reply(shard, conn), (int64_t)ts);
    hf_conn__done(shard, conn);
    return true;
}

bool hf_session__after(hf_shard *shard, hf_conn *conn, uint64_t token, bool *now)
{
    hf_horizon_says says = hf_horizon__knows(shard, &conn->round, token, HF_TOKEN_AHEAD_NS);
    *now = says != HF_HORIZON_SOON;
    if (says == HF_HORIZON_YES) {
        conn->after = token > conn->after ? token : conn->after;
        hf_hlc_observe(&shard->clock, token);
    }
    return says == HF_HORIZON_YES;
}

bool hf_session__hf_after(hf_shard *shard, hf_conn *conn, const hf_command *command,
                          const hf_bytes *args, uint32_t argc)
{
    int64_t value;
    (void)command;
    (void)argc;
    bool now = true;
    if (!hf_int_from_text(args[1], &value) || value < 0 ||
        !hf_session__after(shard, conn, (uint64_t)value, &now)) {
        return now && hf_word_error(shard, conn, HF_TOKEN_UNKNOWN);
    }
    hf_conn__ok(shard, conn);
    return true;
}
