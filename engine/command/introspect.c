/* COMMAND and its subcommands, from the table alone. Names of commands inside the engine do not
 * show. */
#include "engine/command/introspect.h"

static bool shown(const hf_command *command)
{
    return (command->flags & HF_COMMAND_INTERNAL) == 0;
}

static const hf_command *find_shown(hf_bytes name)
{
    const hf_command *command = hf_command_find(name);
    return command != NULL && shown(command) ? command : NULL;
}

static uint32_t shown_count(void)
{
    uint32_t count = 0;
    for (uint16_t i = 0; i < hf_command__count; i++) {
        count += shown(hf_command_at(i)) ? 1 : 0;
    }
    return count;
}

/* ---- INFO ---- */

typedef struct flag_name {
    uint32_t flag;
    const char *name;
} flag_name;

static void put_words(hf_buf *reply, const flag_name *names, uint32_t count, uint32_t flags,
                      uint8_t proto)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        found += (flags & names[i].flag) != 0 ? 1 : 0;
    }
    hf_resp_set(reply, found, proto);
    for (uint32_t i = 0; i < count; i++) {
        if ((flags & names[i].flag) != 0) {
            hf_resp_simple(reply, names[i].name);
        }
    }
}

static void put_flags(hf_buf *reply, const hf_command *command, uint8_t proto)
{
    static const flag_name names[] = {
        { HF_COMMAND_WRITE | HF_COMMAND_COMMUTE, "write" },
        { HF_COMMAND_READ, "readonly" },
        { HF_COMMAND_ADMIN, "admin" },
        { HF_COMMAND_PUBSUB, "pubsub" },
        { HF_COMMAND_BLOCKING, "blocking" },
        { HF_COMMAND_LOADING, "loading" },
        { HF_COMMAND_FAST, "fast" },
        { HF_COMMAND_NO_AUTH, "no_auth" },
        { HF_COMMAND_NO_MULTI, "no_multi" },
    };
    put_words(reply, names, sizeof names / sizeof names[0], command->flags, proto);
}

enum {
    IN_KEYSPACE = 1,
    IN_READ = 2,
    IN_WRITE = 4,
    IN_STRING = 8,
    IN_HASH = 16,
    IN_BITMAP = 32,
    IN_CONNECTION = 64,
    IN_PUBSUB = 128,
    IN_TRANSACTION = 256,
    IN_ADMIN = 512,
    IN_DANGEROUS = 1024,
    IN_FAST = 2048,
    IN_SLOW = 4096,
    IN_SCRIPTING = 8192,
};

static const flag_name categories[] = {
    { IN_KEYSPACE, "@keyspace" },
    { IN_READ, "@read" },
    { IN_WRITE, "@write" },
    { IN_STRING, "@string" },
    { IN_HASH, "@hash" },
    { IN_BITMAP, "@bitmap" },
    { IN_PUBSUB, "@pubsub" },
    { IN_ADMIN, "@admin" },
    { IN_FAST, "@fast" },
    { IN_SLOW, "@slow" },
    { IN_DANGEROUS, "@dangerous" },
    { IN_CONNECTION, "@connection" },
    { IN_TRANSACTION, "@transaction" },
    { IN_SCRIPTING, "@scripting" },
};

static uint32_t categories_of(const hf_command *command)
{
    static const flag_name groups[] = {
        { IN_STRING, "string" },    { IN_HASH, "hash" },
        { IN_BITMAP, "bitmap" },    { IN_CONNECTION, "connection" },
        { IN_PUBSUB, "pubsub" },    { IN_TRANSACTION, "transactions" },
        { IN_KEYSPACE, "generic" }, { IN_SCRIPTING, "scripting" },
    };
    uint32_t flags = command->flags;
    uint32_t in = (flags & HF_COMMAND_FAST) != 0 ? IN_FAST : IN_SLOW;
    in |= (flags & HF_COMMAND_READ) != 0 ? IN_READ : 0;
    in |= (flags & (HF_COMMAND_WRITE | HF_COMMAND_COMMUTE)) != 0 ? IN_WRITE : 0;
    in |= (flags & HF_COMMAND_ADMIN) != 0 ? IN_ADMIN | IN_DANGEROUS : 0;
    bool all_keys = (flags & HF_COMMAND_ALL_KEYS) != 0;
    in |= all_keys ? IN_KEYSPACE : 0;
    in |= all_keys && (flags & HF_COMMAND_WRITE) != 0 ? IN_DANGEROUS : 0;
    for (uint32_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        in |= strcmp(command->group, groups[i].name) == 0 ? groups[i].flag : 0;
    }
    return in;
}

static void put_info(hf_buf *reply, const hf_command *command, uint8_t proto)
{
    hf_resp_array(reply, 10);
    hf_resp_bulk(reply, hf_bytes_of(command->name, strlen(command->name)));
    hf_resp_integer(reply, command->arity);
    put_flags(reply, command, proto);
    hf_resp_integer(reply, command->key_first);
    hf_resp_integer(reply, command->key_last);
    hf_resp_integer(reply, command->key_step);
    put_words(reply, categories, sizeof categories / sizeof categories[0], categories_of(command),
              proto);
    hf_resp_array(reply, 0);      /* tips */
    hf_resp_set(reply, 0, proto); /* key specifications: the three numbers say it all */
    hf_resp_array(reply, 0);      /* subcommands: they share the row */
}

static void reply_info(const hf_call *call, uint8_t proto)
{
    if (call->argc <= 2) {
        hf_resp_array(call->reply, shown_count());
        for (uint16_t i = 0; i < hf_command__count; i++) {
            if (shown(hf_command_at(i))) {
                put_info(call->reply, hf_command_at(i), proto);
            }
        }
        return;
    }
    hf_resp_array(call->reply, call->argc - 2);
    for (uint32_t i = 2; i < call->argc; i++) {
        const hf_command *command = find_shown(call->args[i]);
        if (command != NULL) {
            put_info(call->reply, command, proto);
        } else {
            hf_resp_null_array(call->reply, proto);
        }
    }
}

/* ---- DOCS ---- */

static void reply_docs(const hf_call *call, uint8_t proto)
{
    uint32_t found = call->argc <= 2 ? shown_count() : 0;
    for (uint32_t i = 2; i < call->argc; i++) {
        found += find_shown(call->args[i]) != NULL ? 1 : 0;
    }
    hf_resp_map(call->reply, found, proto);
    for (uint16_t i = 0; call->argc <= 2 && i < hf_command__count; i++) {
        if (shown(hf_command_at(i))) {
            hf_command__put_docs(call->reply, hf_command_at(i), proto);
        }
    }
    for (uint32_t i = 2; i < call->argc; i++) {
        const hf_command *command = find_shown(call->args[i]);
        if (command != NULL) {
            hf_command__put_docs(call->reply, command, proto);
        }
    }
}

/* ---- LIST ---- */

typedef struct list_filter {
    hf_bytes pattern;
    uint32_t category;
    bool none; /* a module, or a category that nothing is in */
} list_filter;

static bool list_wants(const list_filter *filter, const hf_command *command)
{
    hf_bytes name = hf_bytes_of(command->name, strlen(command->name));
    return shown(command) && !filter->none &&
           (filter->category == 0 || (categories_of(command) & filter->category) != 0) &&
           (filter->pattern.data == NULL || hf_glob_match(filter->pattern, name));
}

static bool list_parse(const hf_call *call, list_filter *filter)
{
    if (call->argc == 2) {
        return true;
    }
    if (call->argc != 5 || !hf_command__is(call->args[2], "FILTERBY")) {
        return false;
    }
    if (hf_command__is(call->args[3], "PATTERN")) {
        filter->pattern = call->args[4];
        return true;
    }
    if (hf_command__is(call->args[3], "ACLCAT")) {
        char wanted[24] = "@";
        hf_command__lower(call->args[4], wanted + 1, sizeof wanted - 1);
        for (uint32_t i = 0; i < sizeof categories / sizeof categories[0]; i++) {
            filter->category |= strcmp(categories[i].name, wanted) == 0 ? categories[i].flag : 0;
        }
        filter->none = filter->category == 0;
        return true;
    }
    filter->none = true;
    return hf_command__is(call->args[3], "MODULE");
}

static void reply_list(const hf_call *call)
{
    list_filter filter = { 0 };
    uint32_t count = 0;
    if (!list_parse(call, &filter)) {
        hf_command__syntax(call);
        return;
    }
    for (uint16_t i = 0; i < hf_command__count; i++) {
        count += list_wants(&filter, hf_command_at(i)) ? 1 : 0;
    }
    hf_resp_array(call->reply, count);
    for (uint16_t i = 0; i < hf_command__count; i++) {
        const hf_command *command = hf_command_at(i);
        if (list_wants(&filter, command)) {
            hf_resp_bulk(call->reply, hf_bytes_of(command->name, strlen(command->name)));
        }
    }
}

/* ---- GETKEYS ---- */

static void reply_keys(const hf_call *call, bool with_flags, uint8_t proto)
{
    uint32_t first = 0;
    uint32_t count = 0;
    uint32_t step = 1;
    const hf_command *command = find_shown(call->args[2]);
    if (command == NULL) {
        hf_command__error(call, "ERR Invalid command specified");
        return;
    }
    if (command->key_first == 0) {
        hf_command__error(call, "ERR The command has no key arguments");
        return;
    }
    if (!hf_command_keys(command, call->argc - 2, &first, &count, &step)) {
        hf_command__error(call, "ERR Invalid number of arguments specified for command");
        return;
    }
    if (count == 0) {
        hf_command__error(call, "ERR The command has no key arguments");
        return;
    }
    hf_resp_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++) {
        if (with_flags) {
            bool reads = (command->flags & HF_COMMAND_READ) != 0;
            hf_resp_array(call->reply, 2);
            hf_resp_bulk(call->reply, call->args[2 + first + i * step]);
            hf_resp_set(call->reply, 1, proto);
            hf_resp_simple(call->reply, reads ? "RO" : "RW");
        } else {
            hf_resp_bulk(call->reply, call->args[2 + first + i * step]);
        }
    }
}

static void reply_help(const hf_call *call)
{
    static const char *const lines[] = {
        "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "(no subcommand)",
        "    Return details about all commands.",
        "COUNT",
        "    Return the total number of commands.",
        "LIST [FILTERBY MODULE|ACLCAT|PATTERN <filter>]",
        "    Return a list of all commands.",
        "INFO [<command-name> ...]",
        "    Return details about commands.",
        "DOCS [<command-name> ...]",
        "    Return documentation about commands.",
        "GETKEYS <full-command>",
        "    Return the keys from a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys and the access flags from a full command.",
        "HELP",
        "    Print this help.",
    };
    uint32_t count = sizeof lines / sizeof lines[0];
    hf_resp_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++) {
        hf_resp_simple(call->reply, lines[i]);
    }
}

void hf_command_introspect(const hf_bytes *args, uint32_t argc, hf_buf *reply, uint8_t proto)
{
    hf_call call = { args, argc, reply };
    const hf_command *command = hf_command_find(HF_LIT("command"));
    hf_bytes sub = argc > 1 ? args[1] : HF_LIT("INFO");
    bool flags = hf_command__is(sub, "GETKEYSANDFLAGS");
    bool bare = hf_command__is(sub, "COUNT") || hf_command__is(sub, "HELP");
    bool keys = flags || hf_command__is(sub, "GETKEYS");
    if ((bare && argc != 2) || (keys && argc < 3)) {
        hf_command_bad_sub_arity(reply, command, sub);
    } else if (hf_command__is(sub, "INFO")) {
        reply_info(&call, proto);
    } else if (hf_command__is(sub, "DOCS")) {
        reply_docs(&call, proto);
    } else if (hf_command__is(sub, "COUNT")) {
        hf_resp_integer(reply, shown_count());
    } else if (hf_command__is(sub, "LIST")) {
        reply_list(&call);
    } else if (keys) {
        reply_keys(&call, flags, proto);
    } else if (hf_command__is(sub, "HELP")) {
        reply_help(&call);
    } else {
        hf_command_unknown_sub(reply, command, sub);
    }
}
