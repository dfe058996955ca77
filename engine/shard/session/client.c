/* CLIENT. */
#include "engine/shard/session/client.h"

#include "engine/base/text.h"

typedef bool client_function(hf_shard *shard, hf_conn *conn, const hf_command *command,
                             const hf_bytes *args, uint32_t argc);

typedef struct client_row {
    const char *name;
    uint32_t least, most; /* arguments, CLIENT and the subcommand included; most 0: no limit */
    client_function *run;
} client_row;

static bool client_id(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    return hf_word_integer(shard, conn, (int64_t)conn->number_id);
}

static bool client_getname(hf_shard *shard, hf_conn *conn, const hf_command *command,
                           const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    hf_buf *out = hf_conn__reply(shard, conn);
    if (conn->name.size == 0) {
        hf_resp_null(out, conn->proto);
    } else {
        hf_resp_bulk(out, hf_buf_view(&conn->name));
    }
    hf_conn__done(shard, conn);
    return true;
}

static bool client_setname(hf_shard *shard, hf_conn *conn, const hf_command *command,
                           const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)argc;
    const char *error = NULL;
    return hf_client__set_name(shard, conn, args[2], &error) ? hf_word_ok(shard, conn)
                                                             : hf_word_error(shard, conn, error);
}

/* CLIENT SETINFO LIB-NAME|LIB-VER value */
static bool client_setinfo(hf_shard *shard, hf_conn *conn, const hf_command *command,
                           const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)argc;
    bool lib_name = hf_word_is(args[2], "LIB-NAME");
    if (!lib_name && !hf_word_is(args[2], "LIB-VER")) {
        return hf_word_errorf(shard, conn, "ERR Unrecognized option '%.*s'",
                              (int)(args[2].size < 128 ? args[2].size : 128),
                              (const char *)args[2].data);
    }
    if (!hf_word_printable(args[3]) || args[3].size > HF_NAME_MOST) {
        return hf_word_errorf(shard, conn,
                              "ERR %s cannot contain spaces, newlines or special characters.",
                              lib_name ? "lib-name" : "lib-ver");
    }
    hf_buf *to = lib_name ? &conn->lib_name : &conn->lib_version;
    hf_buf_reset(to);
    hf_buf_raw(to, args[3].data, args[3].size);
    if (to->failed) {
        hf_buf_reset(to);
        return hf_word_error(shard, conn,
                             "OOM command not allowed when used memory > 'maxmemory'.");
    }
    return hf_word_ok(shard, conn);
}

static bool client_info(hf_shard *shard, hf_conn *conn, const hf_command *command,
                        const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    hf_buf *text = &hf_server_of(shard)->text;
    hf_buf_reset(text);
    hf_client__line(shard, conn, text);
    hf_resp_verbatim(hf_conn__reply(shard, conn), "txt", hf_buf_view(text), conn->proto);
    hf_conn__done(shard, conn);
    return true;
}

static bool on_or_off(hf_shard *shard, hf_conn *conn, hf_bytes word, bool *flag)
{
    if (!hf_word_is(word, "ON") && !hf_word_is(word, "OFF")) {
        return hf_word_syntax(shard, conn);
    }
    *flag = hf_word_is(word, "ON");
    return hf_word_ok(shard, conn);
}

static bool client_no_evict(hf_shard *shard, hf_conn *conn, const hf_command *command,
                            const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)argc;
    return on_or_off(shard, conn, args[2], &conn->no_evict);
}

static bool client_no_touch(hf_shard *shard, hf_conn *conn, const hf_command *command,
                            const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)argc;
    return on_or_off(shard, conn, args[2], &conn->no_touch);
}

/* CLIENT REPLY ON|OFF|SKIP: only ON is answered. */
static bool client_reply(hf_shard *shard, hf_conn *conn, const hf_command *command,
                         const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)argc;
    if (hf_word_is(args[2], "ON")) {
        conn->reply_off = conn->reply_skip = false;
        return hf_word_ok(shard, conn);
    }
    if (hf_word_is(args[2], "OFF")) {
        conn->reply_off = true;
    } else if (hf_word_is(args[2], "SKIP")) {
        conn->reply_skip = !conn->reply_off;
    } else {
        return hf_word_syntax(shard, conn);
    }
    return true;
}

/* CLIENT PAUSE timeout [WRITE|ALL] */
static bool client_pause(hf_shard *shard, hf_conn *conn, const hf_command *command,
                         const hf_bytes *args, uint32_t argc)
{
    (void)command;
    int64_t ms;
    bool writes = argc == 4 && hf_word_is(args[3], "WRITE");
    if (argc == 4 && !writes && !hf_word_is(args[3], "ALL")) {
        return hf_word_error(shard, conn, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
    if (!hf_int_from_text(args[2], &ms) || ms > INT64_MAX / 1000000) {
        return hf_word_error(shard, conn, "ERR timeout is not an integer or out of range");
    }
    if (ms < 0) {
        return hf_word_error(shard, conn, "ERR timeout is negative");
    }
    hf_question q = { .ask = HF_ASK_PAUSE,
                      .value = { (uint64_t)ms, writes },
                      .finish = hf_gather__ok };
    return hf_gather__start(shard, conn, &q);
}

static bool client_unpause(hf_shard *shard, hf_conn *conn, const hf_command *command,
                           const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    hf_question q = { .ask = HF_ASK_PAUSE, .finish = hf_gather__ok };
    return hf_gather__start(shard, conn, &q);
}

bool hf_answer__pause(hf_shard *shard, hf_answer *answer)
{
    hf_server *server = hf_server_of(shard);
    server->pause_until_ns = shard->io->now_ns + answer->ask->value[0] * 1000000;
    server->pause_writes_only = answer->ask->value[1] != 0;
    return true;
}

/* CLIENT UNBLOCK client-id [TIMEOUT|ERROR]: nothing that blocks can be unblocked. */
static bool client_unblock(hf_shard *shard, hf_conn *conn, const hf_command *command,
                           const hf_bytes *args, uint32_t argc)
{
    (void)command;
    int64_t id;
    if (argc == 4 && !hf_word_is(args[3], "TIMEOUT") && !hf_word_is(args[3], "ERROR")) {
        return hf_word_error(shard, conn, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
    if (!hf_int_from_text(args[2], &id)) {
        return hf_word_error(shard, conn, "ERR value is not an integer or out of range");
    }
    return hf_word_integer(shard, conn, 0);
}

/* ---- Client-side caching is not there ---- */

static bool client_tracking(hf_shard *shard, hf_conn *conn, const hf_command *command,
                            const hf_bytes *args, uint32_t argc)
{
    (void)command;
    if (hf_word_is(args[2], "OFF") && argc == 3) {
        return hf_word_ok(shard, conn);
    }
    return hf_word_error(shard, conn, "ERR client-side caching is not supported");
}

static bool client_caching(hf_shard *shard, hf_conn *conn, const hf_command *command,
                           const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    return hf_word_error(
        shard, conn,
        "ERR CLIENT CACHING can be called only when the client is in tracking mode "
        "with OPTIN or OPTOUT mode enabled");
}

static bool client_getredir(hf_shard *shard, hf_conn *conn, const hf_command *command,
                            const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    return hf_word_integer(shard, conn, -1);
}

static bool client_trackinginfo(hf_shard *shard, hf_conn *conn, const hf_command *command,
                                const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    hf_buf *out = hf_conn__reply(shard, conn);
    hf_resp_map(out, 3, conn->proto);
    hf_resp_bulk(out, HF_LIT("flags"));
    hf_resp_set(out, 1, conn->proto);
    hf_resp_bulk(out, HF_LIT("off"));
    hf_put_number(out, "redirect", -1);
    hf_resp_bulk(out, HF_LIT("prefixes"));
    hf_resp_array(out, 0);
    hf_conn__done(shard, conn);
    return true;
}

static bool client_help(hf_shard *shard, hf_conn *conn, const hf_command *command,
                        const hf_bytes *args, uint32_t argc)
{
    static const char *const help[] = {
        "GETNAME",
        "    Return the name of the current connection.",
        "ID",
        "    Return the ID of the current connection.",
        "INFO",
        "    Return information about the current client connection.",
        "KILL <ip:port>",
        "    Kill connection made from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Kill connections. Options are:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "      Kill connections made from the specified address",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "      Kill connections made to specified local address",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Kill connections by type.",
        "    * USER <username>",
        "      Kill connections authenticated by <username>.",
        "    * SKIPME (YES|NO)",
        "      Skip killing current connection (default: yes).",
        "LIST [options ...]",
        "    Return information about client connections. Options:",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Return clients of specified type.",
        "    * ID <id> [<id> ...]",
        "      Return clients with the specified IDs.",
        "NO-EVICT (ON|OFF)",
        "    Nothing is ever evicted; accepted.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Suspend all, or just write, clients for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Control the replies sent to the current connection.",
        "SETINFO <option> <value>",
        "    Set LIB-NAME or LIB-VER of the current connection.",
        "SETNAME <name>",
        "    Assign the name <name> to the current connection.",
        "UNPAUSE",
        "    Stop the current client pause, resuming traffic.",
    };
    (void)args;
    (void)argc;
    return hf_word_help(shard, conn, command, help, sizeof help / sizeof help[0]);
}

bool hf_session__client(hf_shard *shard, hf_conn *conn, const hf_command *command,
                        const hf_bytes *args, uint32_t argc)
{
    static const client_row rows[] = {
        { "ID", 2, 2, client_id },
        { "GETNAME", 2, 2, client_getname },
        { "SETNAME", 3, 3, client_setname },
        { "SETINFO", 4, 4, client_setinfo },
        { "INFO", 2, 2, client_info },
        { "LIST", 2, 0, hf_client__list },
        { "KILL", 3, 0, hf_client__kill },
        { "NO-EVICT", 3, 3, client_no_evict },
        { "NO-TOUCH", 3, 3, client_no_touch },
        { "REPLY", 3, 3, client_reply },
        { "PAUSE", 3, 4, client_pause },
        { "UNPAUSE", 2, 2, client_unpause },
        { "UNBLOCK", 3, 4, client_unblock },
        { "TRACKING", 3, 0, client_tracking },
        { "CACHING", 3, 3, client_caching },
        { "GETREDIR", 2, 2, client_getredir },
        { "TRACKINGINFO", 2, 2, client_trackinginfo },
        { "HELP", 2, 2, client_help },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (hf_word_is(args[1], rows[i].name)) {
            return argc < rows[i].least || (rows[i].most != 0 && argc > rows[i].most)
                       ? hf_word_arity(shard, conn, command, args[1])
                       : rows[i].run(shard, conn, command, args, argc);
        }
    }
    return hf_word_unknown(shard, conn, command, args[1]);
}
