/* What Redis knows of a subcommand before it runs: whether there is one of this name, and how many
 * arguments it takes. Asked when it is queued in a transaction, which such a mistake ends. */
#include "engine/command/command_impl.h"

enum { SUBCOMMANDS_MAX = 20 };

typedef struct subcommand {
    const char *name;
    int arity; /* as in the table: exact, or at least -arity; 0 behind the last */
} subcommand;

typedef struct container {
    const char *name;
    subcommand subs[SUBCOMMANDS_MAX];
} container;

/* clang-format off */
static const container containers[] = {
    { "acl",
      { { "CAT", -2 }, { "DELUSER", -3 }, { "DRYRUN", -4 }, { "GENPASS", -2 }, { "GETUSER", 3 },
        { "HELP", 2 }, { "LIST", 2 }, { "LOAD", 2 }, { "LOG", -2 }, { "SAVE", 2 },
        { "SETUSER", -3 }, { "USERS", 2 }, { "WHOAMI", 2 } } },
    { "client",
      { { "CACHING", 3 }, { "GETNAME", 2 }, { "GETREDIR", 2 }, { "HELP", 2 }, { "ID", 2 },
        { "INFO", 2 }, { "KILL", -3 }, { "LIST", -2 }, { "NO-EVICT", 3 }, { "NO-TOUCH", 3 },
        { "PAUSE", -3 }, { "REPLY", 3 }, { "SETINFO", 4 }, { "SETNAME", 3 }, { "TRACKING", -3 },
        { "TRACKINGINFO", 2 }, { "UNBLOCK", -3 }, { "UNPAUSE", 2 } } },
    { "command",
      { { "COUNT", 2 }, { "DOCS", -2 }, { "GETKEYS", -4 }, { "GETKEYSANDFLAGS", -4 }, { "HELP", 2 },
        { "INFO", -2 }, { "LIST", -2 } } },
    { "config",
      { { "GET", -3 }, { "HELP", 2 }, { "RESETSTAT", 2 }, { "REWRITE", 2 }, { "SET", -4 } } },
    { "function",
      { { "DELETE", 3 }, { "DUMP", 2 }, { "FLUSH", -2 }, { "HELP", 2 }, { "KILL", 2 },
        { "LIST", -2 }, { "LOAD", -3 }, { "RESTORE", -3 }, { "STATS", 2 } } },
    { "latency",
      { { "DOCTOR", 2 }, { "GRAPH", 3 }, { "HELP", 2 }, { "HISTOGRAM", -2 }, { "HISTORY", 3 },
        { "LATEST", 2 }, { "RESET", -2 } } },
    { "memory",
      { { "DOCTOR", 2 }, { "HELP", 2 }, { "MALLOC-STATS", 2 }, { "PURGE", 2 }, { "STATS", 2 },
        { "USAGE", -3 } } },
    { "object",
      { { "ENCODING", 3 }, { "FREQ", 3 }, { "HELP", 2 }, { "IDLETIME", 3 }, { "REFCOUNT", 3 } } },
    { "pubsub",
      { { "CHANNELS", -2 }, { "HELP", 2 }, { "NUMPAT", 2 }, { "NUMSUB", -2 },
        { "SHARDCHANNELS", -2 }, { "SHARDNUMSUB", -2 } } },
    { "slowlog",
      { { "GET", -2 }, { "HELP", 2 }, { "LEN", 2 }, { "RESET", 2 } } },
};
/* clang-format on */

bool hf_command_check_sub(const hf_command *command, const hf_bytes *args, uint32_t argc,
                          hf_buf *reply)
{
    const container *found = NULL;
    if (argc < 2 || command->arity > 0 || command->arity < -2 ||
        (command->run != NULL && command->key_first != 2)) {
        return true; /* nearly all that is ever asked: none of these */
    }
    for (size_t i = 0; i < sizeof containers / sizeof containers[0]; i++) {
        found = strcmp(containers[i].name, command->name) == 0 ? &containers[i] : found;
    }
    if (found == NULL) {
        return true;
    }
    for (const subcommand *sub = found->subs; sub->arity != 0; sub++) {
        if (!hf_command__is(args[1], sub->name)) {
            continue;
        }
        if (sub->arity > 0 ? argc == (uint32_t)sub->arity : argc >= (uint32_t)-sub->arity) {
            return true;
        }
        hf_command_bad_sub_arity(reply, command, args[1]);
        return false;
    }
    hf_command_unknown_sub(reply, command, args[1]);
    return false;
}
