/* What a client sends when it comes and goes: HELLO, AUTH, PING, ECHO, SELECT, QUIT, RESET; and a
 * few questions of the same kind. There is one user, `default`, without a password. */
#include "engine/shard/session/server.h"

#include "engine/base/text.h"

static const char bad_name[] =
    "ERR Client names cannot contain spaces, newlines or special characters.";
static const char wrong_password[] =
    "WRONGPASS invalid username-password pair or user is disabled.";

bool hf_client__set_name(hf_shard *shard, hf_conn *conn, hf_bytes name, const char **error)
{
    (void)shard;
    if (!hf_word_printable(name)) {
        *error = bad_name;
        return false;
    }
    if (name.size > HF_NAME_MOST) {
        *error = "TOOBIG a client's name is at most 4096 bytes";
        return false;
    }
    hf_buf_reset(&conn->name);
    hf_buf_raw(&conn->name, name.data, name.size);
    if (conn->name.failed) {
        hf_buf_reset(&conn->name);
        *error = "OOM command not allowed when used memory > 'maxmemory'.";
        return false;
    }
    return true;
}

static bool put_hello(hf_shard *shard, hf_conn *conn)
{
    hf_buf *out = hf_conn__reply(shard, conn);
    hf_resp_map(out, 8, conn->proto);
    hf_put_text(out, "server", "redis");
    hf_put_text(out, "version", "7.0.15");
    hf_put_number(out, "proto", conn->proto);
    hf_put_number(out, "id", (int64_t)conn->number_id);
    hf_put_text(out, "mode", "standalone");
    hf_put_text(out, "role", "master");
    hf_resp_bulk(out, HF_LIT("modules"));
    hf_resp_array(out, 0);
    hf_put_text(out, "holdfast", shard->config.version);
    hf_conn__done(shard, conn);
    return true;
}

/* HELLO [protover [AUTH username password] [SETNAME clientname]] */
bool hf_session__hello(hf_shard *shard, hf_conn *conn, const hf_command *command,
                       const hf_bytes *args, uint32_t argc)
{
    (void)command;
    uint64_t proto = conn->proto;
    hf_bytes name = hf_bytes_of(NULL, 0);
    int64_t asked;
    if (argc > 1) {
        if (!hf_int_from_text(args[1], &asked)) {
            return hf_word_error(shard, conn,
                                 "ERR Protocol version is not an integer or out of range");
        }
        if (asked < 2 || asked > 3) {
            return hf_word_error(shard, conn, "NOPROTO unsupported protocol version");
        }
        proto = (uint64_t)asked;
    }
    for (uint32_t i = 2; i < argc; i++) {
        if (hf_word_is(args[i], "AUTH") && i + 2 < argc) {
            if (!hf_bytes_equal(args[i + 1], HF_LIT("default"))) {
                return hf_word_error(shard, conn, wrong_password);
            }
            i += 2;
        } else if (hf_word_is(args[i], "SETNAME") && i + 1 < argc) {
            name = args[++i];
        } else {
            return hf_word_errorf(shard, conn, "ERR Syntax error in HELLO option '%.*s'",
                                  (int)(args[i].size < 128 ? args[i].size : 128),
                                  (const char *)args[i].data);
        }
    }
    const char *error = NULL;
    if (name.data != NULL && !hf_client__set_name(shard, conn, name, &error)) {
        return hf_word_error(shard, conn, error);
    }
    if (proto != conn->proto && conn->first != conn->next_number) {
        return false; /* earlier replies are still to be put in the old protocol */
    }
    conn->proto = (uint8_t)proto;
    return put_hello(shard, conn);
}

/* AUTH [username] password */
bool hf_session__auth(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    (void)command;
    if (argc > 3) {
        return hf_word_syntax(shard, conn);
    }
    if (argc == 2) {
        return hf_word_error(shard, conn,
                             "ERR AUTH <password> called without any password configured for the "
                             "default user. Are you sure your configuration is correct?");
    }
    return hf_bytes_equal(args[1], HF_LIT("default")) ? hf_word_ok(shard, conn)
                                                      : hf_word_error(shard, conn, wrong_password);
}

bool hf_session__ping(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    if (argc > 2) {
        hf_command_bad_arity(hf_conn__reply(shard, conn), command);
        hf_conn__done(shard, conn);
        return true;
    }
    hf_buf *out = hf_conn__reply(shard, conn);
    if (conn->proto == 2 && hf_pubsub__subscribed(conn)) {
        hf_resp_array(out, 2);
        hf_resp_bulk(out, HF_LIT("pong"));
        hf_resp_bulk(out, argc == 2 ? args[1] : HF_LIT(""));
    } else if (argc == 2) {
        hf_resp_bulk(out, args[1]);
    } else {
        hf_resp_simple(out, "PONG");
    }
    hf_conn__done(shard, conn);
    return true;
}

bool hf_session__echo(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)argc;
    return hf_word_bulk(shard, conn, args[1]);
}

bool hf_session__select(hf_shard *shard, hf_conn *conn, const hf_command *command,
                        const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)argc;
    int64_t index;
    if (!hf_int_from_text(args[1], &index) || index < INT32_MIN || index > INT32_MAX) {
        return hf_word_error(shard, conn, "ERR value is not an integer or out of range");
    }
    return index == 0 ? hf_word_ok(shard, conn)
                      : hf_word_error(shard, conn, "ERR DB index is out of range");
}

bool hf_session__quit(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    hf_conn__ok(shard, conn);
    conn->close_after = true;
    return true;
}

/* Everything as it was when the connection began. */
void hf_conn__reset(hf_shard *shard, hf_conn *conn)
{
    if (conn->op != UINT32_MAX) {
        hf_gateway__txn_rollback(shard, conn->op);
        conn->op = UINT32_MAX;
    }
    hf_conn__leave_multi(conn);
    hf_conn__unwatch(conn);
    hf_pubsub__leave_all(shard, conn);
    hf_monitor__leave(shard, conn);
    hf_buf_reset(&conn->name);
    conn->read_only = conn->no_evict = conn->no_touch = false;
    conn->reply_off = conn->reply_skip = false;
    conn->atomic = conn->attributes = false;
    conn->level = HF_LEVEL_STRICT;
    conn->level_arg = 0;
    conn->after = 0;
    conn->proto = 2;
}

bool hf_session__reset(hf_shard *shard, hf_conn *conn, const hf_command *command,
                       const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    if (conn->first != conn->next_number) {
        return false; /* what was asked before is answered first */
    }
    hf_conn__reset(shard, conn);
    return hf_word_text(shard, conn, "RESET");
}

/* ---- Questions ---- */

bool hf_session__command(hf_shard *shard, hf_conn *conn, const hf_command *command,
                         const hf_bytes *args, uint32_t argc)
{
    (void)command;
    hf_command_introspect(args, argc, hf_conn__reply(shard, conn), conn->proto);
    hf_conn__done(shard, conn);
    return true;
}

bool hf_session__time(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    hf_buf *out = hf_conn__reply(shard, conn);
    hf_resp_array(out, 2);
    hf_resp_bulk_integer(out, (int64_t)(shard->io->wall_ns / 1000000000));
    hf_resp_bulk_integer(out, (int64_t)(shard->io->wall_ns / 1000 % 1000000));
    hf_conn__done(shard, conn);
    return true;
}

bool hf_session__role(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    hf_buf *out = hf_conn__reply(shard, conn);
    hf_resp_array(out, 3);
    hf_resp_bulk(out, HF_LIT("master"));
    hf_resp_integer(out, 0);
    hf_resp_array(out, 0);
    hf_conn__done(shard, conn);
    return true;
}

/* WAIT numreplicas timeout: there are no replicas, and none will come while one waits. */
bool hf_session__wait(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)argc;
    int64_t number;
    if (!hf_int_from_text(args[1], &number)) {
        return hf_word_error(shard, conn, "ERR value is not an integer or out of range");
    }
    if (!hf_int_from_text(args[2], &number)) {
        return hf_word_error(shard, conn, "ERR timeout is not an integer or out of range");
    }
    if (number < 0) {
        return hf_word_error(shard, conn, "ERR timeout is negative");
    }
    /* Earlier writes of this connection are on this node's disk when they are answered. */
    return hf_conn__quiet(conn) ? hf_word_integer(shard, conn, 0) : false;
}
