/* Which function of the session runs a row of the command table. Found once, by name, into an array
 * by row. */
#include "engine/shard/session/server.h"

typedef struct row {
    const char *name;
    hf_session_command *function;
} row;

static const row rows[] = {
    { "hello", hf_session__hello },
    { "auth", hf_session__auth },
    { "ping", hf_session__ping },
    { "echo", hf_session__echo },
    { "select", hf_session__select },
    { "quit", hf_session__quit },
    { "reset", hf_session__reset },
    { "client", hf_session__client },
    { "command", hf_session__command },
    { "info", hf_session__info },
    { "config", hf_session__config },
    { "time", hf_session__time },
    { "lastsave", hf_session__lastsave },
    { "save", hf_session__save },
    { "bgsave", hf_session__bgsave },
    { "role", hf_session__role },
    { "wait", hf_session__wait },
    { "slowlog", hf_session__slowlog },
    { "latency", hf_session__latency },
    { "memory", hf_session__memory },
    { "monitor", hf_session__monitor },
    { "shutdown", hf_session__shutdown },
    { "debug", hf_session__debug },
    { "acl", hf_session__acl },
    { "function", hf_session__function },
    { "cluster", hf_session__cluster },
    { "readonly", hf_session__no_cluster },
    { "readwrite", hf_session__no_cluster },
    { "scan", hf_session__scan },
    { "subscribe", hf_session__subscribe },
    { "unsubscribe", hf_session__unsubscribe },
    { "psubscribe", hf_session__psubscribe },
    { "punsubscribe", hf_session__punsubscribe },
    { "publish", hf_session__publish },
    { "pubsub", hf_session__pubsub },
    { "multi", hf_session__multi },
    { "exec", hf_session__exec },
    { "discard", hf_session__discard },
    { "watch", hf_session__watch },
    { "unwatch", hf_session__unwatch },
    { "hf.txn", hf_session__hf_txn },
    { "hf.begin", hf_session__hf_begin },
    { "hf.commit", hf_session__hf_commit },
    { "hf.rollback", hf_session__hf_rollback },
    { "hf.savepoint", hf_session__hf_savepoint },
    { "hf.outcome", hf_session__hf_outcome },
    { "hf.session", hf_session__hf_session },
    { "hf.level", hf_session__hf_level },
    { "hf.read", hf_session__hf_read },
    { "hf.token", hf_session__hf_token },
    { "hf.after", hf_session__hf_after },
    { "hf.admin", hf_session__hf_admin },
    { "hf.apply", hf_session__hf_apply },
    { "hf.changes", hf_session__hf_changes },
};

hf_session_command *hf_session__find(const hf_shard *shard, const hf_command *command)
{
    return hf_server_of(shard)->functions[command->id];
}

void hf_session__find_all(hf_server *server)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const hf_command *command = hf_command_find(hf_word_of(rows[i].name));
        HF_ASSERT(command != NULL && command->id < HF_COMMANDS_MAX);
        server->functions[command->id] = rows[i].function;
    }
}
