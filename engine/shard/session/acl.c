/* ACL: one user, `default`, who may do everything and needs no password, until there are more. */
#include "engine/shard/session/server.h"

#include "engine/base/text.h"

static const char only_default[] = "ERR only the user 'default' exists; users cannot be changed";

static void put_list(hf_buf *out, const char *first)
{
    hf_resp_array(out, 1);
    hf_resp_bulk(out, hf_word_of(first));
}

static void put_user(hf_buf *out, uint8_t proto)
{
    hf_resp_map(out, 6, proto);
    hf_resp_bulk(out, HF_LIT("flags"));
    put_list(out, "on");
    hf_resp_bulk(out, HF_LIT("passwords"));
    hf_resp_array(out, 0);
    hf_put_text(out, "commands", "+@all");
    hf_put_text(out, "keys", "~*");
    hf_put_text(out, "channels", "&*");
    hf_resp_bulk(out, HF_LIT("selectors"));
    hf_resp_array(out, 0);
}

static void put_categories(hf_buf *out)
{
    static const char *const names[] = { "keyspace",    "read",     "write",     "string",
                                         "hash",        "bitmap",   "pubsub",    "admin",
                                         "fast",        "slow",     "dangerous", "connection",
                                         "transaction", "scripting" };
    hf_resp_array(out, sizeof names / sizeof names[0]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        hf_resp_bulk(out, hf_word_of(names[i]));
    }
}

/* ACL CAT category: the same as COMMAND LIST FILTERBY ACLCAT, which answers nothing for unknown
 * ones. */
static void put_category(hf_shard *shard, hf_buf *out, hf_bytes name, uint8_t proto)
{
    hf_bytes args[] = { HF_LIT("COMMAND"), HF_LIT("LIST"), HF_LIT("FILTERBY"), HF_LIT("ACLCAT"),
                        name };
    hf_buf *text = &hf_server_of(shard)->text;
    hf_buf_reset(text);
    hf_command_introspect(args, 5, text, proto);
    if (text->size >= 4 && memcmp(text->data, "*0\r\n", 4) == 0) {
        hf_resp_errorf(out, "ERR Unknown category '%.*s'", (int)(name.size < 128 ? name.size : 128),
                       (const char *)name.data);
    } else {
        hf_buf_raw(out, text->data, text->size);
    }
}

static void put_password(hf_shard *shard, hf_buf *out, uint32_t bits)
{
    static const char hex[] = "0123456789abcdef";
    char text[1024];
    uint32_t size = (bits + 3) / 4;
    uint64_t draw = 0;
    HF_ASSERT(size <= sizeof text);
    for (uint32_t i = 0; i < size; i++) {
        draw = i % 16 == 0 ? shard->io->ops->random(shard->io) : draw >> 4;
        text[i] = hex[draw & 15];
    }
    hf_resp_bulk(out, hf_bytes_of(text, size));
}

static bool acl_genpass(hf_shard *shard, hf_conn *conn, const hf_bytes *args, uint32_t argc)
{
    int64_t bits = 256;
    if (argc == 3 && !hf_int_from_text(args[2], &bits)) {
        return hf_word_error(shard, conn, "ERR value is not an integer or out of range");
    }
    if (bits <= 0 || bits > 4096) {
        return hf_word_error(shard, conn,
                             "ERR ACL GENPASS argument must be the number of bits for the output "
                             "password, a positive number up to 4096");
    }
    put_password(shard, hf_conn__reply(shard, conn), (uint32_t)bits);
    hf_conn__done(shard, conn);
    return true;
}

/* ACL DRYRUN username command [arg ...] */
static bool acl_dryrun(hf_shard *shard, hf_conn *conn, const hf_bytes *args)
{
    if (!hf_bytes_equal(args[2], HF_LIT("default"))) {
        return hf_word_errorf(shard, conn, "ERR User '%.*s' not found",
                              (int)(args[2].size < 128 ? args[2].size : 128),
                              (const char *)args[2].data);
    }
    if (hf_command_find(args[3]) == NULL) {
        return hf_word_errorf(shard, conn, "ERR Command '%.*s' not found",
                              (int)(args[3].size < 128 ? args[3].size : 128),
                              (const char *)args[3].data);
    }
    return hf_word_ok(shard, conn);
}

static bool acl_help(hf_shard *shard, hf_conn *conn, const hf_command *command)
{
    static const char *const help[] = {
        "CAT [<category>]",
        "    List all commands that belong to <category>, or all command categories",
        "    when no category is specified.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Returns whether the user can execute the given command without executing the command.",
        "GENPASS [<bits>]",
        "    Generate a secure 256-bit user password. The optional `bits` argument can",
        "    be used to specify a different size.",
        "GETUSER <username>",
        "    Get the user's details.",
        "LIST",
        "    Show users details in config file format.",
        "LOG [<count> | RESET]",
        "    Show the ACL log entries.",
        "USERS",
        "    List all the registered usernames.",
        "WHOAMI",
        "    Return the current connection username.",
    };
    return hf_word_help(shard, conn, command, help, sizeof help / sizeof help[0]);
}

/* What answers by one reply of its own. False: not one of these. */
static bool put_answer(hf_shard *shard, const hf_conn *conn, hf_buf *out, const hf_bytes *args,
                       uint32_t argc)
{
    hf_bytes sub = args[1];
    if (hf_word_is(sub, "WHOAMI") && argc == 2) {
        hf_resp_bulk(out, HF_LIT("default"));
    } else if (hf_word_is(sub, "USERS") && argc == 2) {
        put_list(out, "default");
    } else if (hf_word_is(sub, "LIST") && argc == 2) {
        put_list(out, "user default on nopass ~* &* +@all");
    } else if (hf_word_is(sub, "CAT") && argc == 2) {
        put_categories(out);
    } else if (hf_word_is(sub, "CAT") && argc == 3) {
        put_category(shard, out, args[2], conn->proto);
    } else if (hf_word_is(sub, "GETUSER") && argc == 3) {
        if (hf_bytes_equal(args[2], HF_LIT("default"))) {
            put_user(out, conn->proto);
        } else {
            hf_resp_null(out, conn->proto);
        }
    } else if (hf_word_is(sub, "LOG") && argc == 3 && hf_word_is(args[2], "RESET")) {
        hf_resp_simple(out, "OK");
    } else if (hf_word_is(sub, "LOG") && argc <= 3) {
        hf_resp_array(out, 0);
    } else if (hf_word_is(sub, "DELUSER") && argc >= 3 &&
               !hf_bytes_equal(args[2], HF_LIT("default"))) {
        hf_resp_integer(out, 0);
    } else {
        return false;
    }
    return true;
}

bool hf_session__acl(hf_shard *shard, hf_conn *conn, const hf_command *command,
                     const hf_bytes *args, uint32_t argc)
{
    static const char *const known[] = { "WHOAMI", "USERS",   "LIST",    "CAT",
                                         "LOG",    "GETUSER", "GENPASS", "DRYRUN" };
    hf_buf *out = &hf_server_of(shard)->reply;
    hf_bytes sub = args[1];
    hf_buf_reset(out);
    if (put_answer(shard, conn, out, args, argc)) {
        hf_buf *reply = hf_conn__reply(shard, conn);
        hf_buf_raw(reply, out->data, out->size);
        hf_conn__done(shard, conn);
        return true;
    }
    if (hf_word_is(sub, "HELP") && argc == 2) {
        return acl_help(shard, conn, command);
    }
    if (hf_word_is(sub, "GENPASS") && argc <= 3) {
        return acl_genpass(shard, conn, args, argc);
    }
    if (hf_word_is(sub, "DRYRUN") && argc >= 4) {
        return acl_dryrun(shard, conn, args);
    }
    if (hf_word_is(sub, "SETUSER") || hf_word_is(sub, "DELUSER")) {
        return hf_word_error(shard, conn, only_default);
    }
    if (hf_word_is(sub, "LOAD") || hf_word_is(sub, "SAVE")) {
        return hf_word_error(
            shard, conn,
            "ERR This Redis instance is not configured to use an ACL file. You may "
            "want to specify users via the ACL SETUSER command and then issue a "
            "CONFIG REWRITE (assuming you have a Redis configuration file set) in "
            "order to store users in the Redis configuration.");
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (hf_word_is(sub, known[i])) {
            return hf_word_arity(shard, conn, command, sub);
        }
    }
    return hf_word_unknown(shard, conn, command, sub);
}
