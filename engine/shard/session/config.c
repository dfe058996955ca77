/* CONFIG: what clients and tools ask for, under Redis' names. Most of it is fixed: it says how the
 * engine is. What can be set is set on every shard, until the node stops; the file of settings is
 * the operator's. */
#include "engine/shard/session/server.h"

#include "engine/base/text.h"
#include <stdio.h>

typedef enum source {
    FIXED,
    SLOW_US,
    SLOW_MOST,
    LATENCY_MS,
    TIMEOUT_S,
    MEMORY,
    CLIENTS,
    IO_THREADS,
} source;

typedef struct parameter {
    const char *name, *value;
    source from;
} parameter;

static const parameter parameters[] = {
    { "activedefrag", "no", FIXED },
    { "appendfsync", "always", FIXED },
    { "appendonly", "yes", FIXED },
    { "auto-aof-rewrite-percentage", "0", FIXED },
    { "bind", "", FIXED },
    { "client-query-buffer-limit", "8454144", FIXED },
    { "cluster-enabled", "no", FIXED },
    { "databases", "1", FIXED },
    { "dir", "", FIXED },
    { "hash-max-listpack-entries", "512", FIXED },
    { "hash-max-listpack-value", "64", FIXED },
    { "hz", "10", FIXED },
    { "io-threads", "", IO_THREADS },
    { "latency-monitor-threshold", "", LATENCY_MS },
    { "latency-tracking", "yes", FIXED },
    { "lazyfree-lazy-user-del", "no", FIXED },
    { "list-max-listpack-size", "-2", FIXED },
    { "maxclients", "", CLIENTS },
    { "maxmemory", "", MEMORY },
    { "maxmemory-policy", "noeviction", FIXED },
    { "maxmemory-samples", "5", FIXED },
    { "notify-keyspace-events", "", FIXED },
    { "protected-mode", "no", FIXED },
    { "proto-max-bulk-len", "8454144", FIXED },
    { "repl-diskless-sync", "yes", FIXED },
    { "replica-read-only", "yes", FIXED },
    { "requirepass", "", FIXED },
    { "save", "", FIXED },
    { "slave-read-only", "yes", FIXED },
    { "slowlog-log-slower-than", "", SLOW_US },
    { "slowlog-max-len", "", SLOW_MOST },
    { "tcp-keepalive", "300", FIXED },
    { "timeout", "", TIMEOUT_S },
};

enum { PARAMETERS = sizeof parameters / sizeof parameters[0] };

bool hf_config__at(const hf_shard_config *config, const hf_settings *settings, uint64_t memory,
                   uint16_t shards, uint32_t index, hf_parameter *out)
{
    if (index >= PARAMETERS) {
        return false;
    }
    const parameter *p = &parameters[index];
    char *to = out->value;
    size_t size = sizeof out->value;
    out->name = p->name;
    switch (p->from) {
    case FIXED:
        (void)snprintf(to, size, "%s", p->value);
        break;
    case SLOW_US:
        (void)snprintf(to, size, "%lld", (long long)settings->slow_us);
        break;
    case SLOW_MOST:
        (void)snprintf(to, size, "%llu", (unsigned long long)settings->slow_most);
        break;
    case LATENCY_MS:
        (void)snprintf(to, size, "%llu", (unsigned long long)settings->latency_ms);
        break;
    case TIMEOUT_S:
        (void)snprintf(to, size, "%llu", (unsigned long long)settings->timeout_s);
        break;
    case MEMORY:
        (void)snprintf(to, size, "%llu", (unsigned long long)memory);
        break;
    case CLIENTS:
        (void)snprintf(to, size, "%llu", (unsigned long long)config->connections_max * shards);
        break;
    case IO_THREADS:
        (void)snprintf(to, size, "%u", shards);
        break;
    }
    return true;
}

static const parameter *find(hf_bytes name)
{
    for (uint32_t i = 0; i < PARAMETERS; i++) {
        char upper[48];
        size_t k = 0;
        for (; parameters[i].name[k] != 0 && k < sizeof upper - 1; k++) {
            upper[k] = (char)hf_text_upper((uint8_t)parameters[i].name[k]);
        }
        upper[k] = 0;
        if (hf_word_is(name, upper)) {
            return &parameters[i];
        }
    }
    return NULL;
}

bool hf_config__known(hf_bytes name)
{
    return find(name) != NULL;
}

static const char *set_number(uint64_t *to, hf_bytes value, uint64_t most)
{
    uint64_t number;
    if (hf_text_u64(value, &number) != HF_OK) {
        return "argument couldn't be parsed into an integer";
    }
    if (number > most) {
        return "argument must be between 0 and its limit";
    }
    *to = number;
    return NULL;
}

const char *hf_config__set(hf_settings *settings, hf_bytes name, hf_bytes value)
{
    const parameter *p = find(name);
    HF_PRE(p != NULL);
    int64_t number;
    switch (p->from) {
    case SLOW_US:
        if (hf_text_i64(value, &number) != HF_OK) {
            return "argument couldn't be parsed into an integer";
        }
        if (number < -1) {
            return "argument must be between -1 and 9223372036854775807 inclusive";
        }
        settings->slow_us = number;
        return NULL;
    case SLOW_MOST:
        return set_number(&settings->slow_most, value, INT64_MAX);
    case LATENCY_MS:
        return set_number(&settings->latency_ms, value, INT64_MAX / 1000000);
    case TIMEOUT_S:
        return set_number(&settings->timeout_s, value, INT32_MAX);
    case FIXED:
        /* Harnesses set what is so already. */
        if (hf_bytes_equal(value, hf_word_of(p->value))) {
            return NULL;
        }
        break;
    case MEMORY:
    case CLIENTS:
    case IO_THREADS:
        break;
    }
    return "can't set immutable config";
}

/* ---- The command ---- */

static bool wants(const hf_bytes *patterns, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        char lower[64];
        uint32_t size = patterns[i].size < sizeof lower ? patterns[i].size : 0;
        for (uint32_t k = 0; k < size; k++) {
            uint8_t c = patterns[i].data[k];
            lower[k] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
        if (size != 0 && hf_glob_match(hf_bytes_of(lower, size), hf_word_of(name))) {
            return true;
        }
    }
    return false;
}

static bool config_get(hf_shard *shard, hf_conn *conn, const hf_bytes *args, uint32_t argc)
{
    const hf_settings *settings = &hf_server_of(shard)->settings;
    uint64_t memory = (uint64_t)hf_heap_capacity(shard->heap) * shard->count;
    hf_parameter p;
    uint32_t count = 0;
    for (uint32_t i = 0; hf_config__at(&shard->config, settings, memory, shard->count, i, &p);
         i++) {
        count += wants(args + 2, argc - 2, p.name);
    }
    hf_buf *out = hf_conn__reply(shard, conn);
    hf_resp_map(out, count, conn->proto);
    for (uint32_t i = 0; hf_config__at(&shard->config, settings, memory, shard->count, i, &p);
         i++) {
        if (wants(args + 2, argc - 2, p.name)) {
            hf_put_text(out, p.name, p.value);
        }
    }
    hf_conn__done(shard, conn);
    return true;
}

static bool config_set(hf_shard *shard, hf_conn *conn, const hf_bytes *args, uint32_t argc)
{
    hf_settings settings = hf_server_of(shard)->settings;
    for (uint32_t i = 2; i < argc; i += 2) {
        if (!hf_config__known(args[i])) {
            return hf_word_errorf(
                shard, conn, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                (int)(args[i].size < 128 ? args[i].size : 128), (const char *)args[i].data);
        }
        for (uint32_t k = 2; k < i; k += 2) {
            if (find(args[k]) == find(args[i])) {
                return hf_word_errorf(shard, conn,
                                      "ERR CONFIG SET failed (possibly related to argument '%s') - "
                                      "duplicate parameter",
                                      find(args[i])->name);
            }
        }
        const char *wrong = hf_config__set(&settings, args[i], args[i + 1]);
        if (wrong != NULL) {
            return hf_word_errorf(shard, conn,
                                  "ERR CONFIG SET failed (possibly related to argument '%s') - %s",
                                  find(args[i])->name, wrong);
        }
    }
    hf_question q = { .ask = HF_ASK_SETTINGS,
                      .body = hf_bytes_of(&settings, sizeof settings),
                      .finish = hf_gather__ok };
    return hf_gather__start(shard, conn, &q);
}

bool hf_answer__settings(hf_shard *shard, hf_answer *answer)
{
    hf_server *server = hf_server_of(shard);
    HF_ASSERT(answer->body.size == sizeof server->settings);
    memcpy(&server->settings, answer->body.data, sizeof server->settings);
    server->idle_at_ns = 0;
    hf_slowlog__forget(shard, server->settings.slow_most);
    return true;
}

bool hf_session__config(hf_shard *shard, hf_conn *conn, const hf_command *command,
                        const hf_bytes *args, uint32_t argc)
{
    static const char *const help[] = {
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
    };
    hf_bytes sub = args[1];
    if (hf_word_is(sub, "HELP") && argc == 2) {
        return hf_word_help(shard, conn, command, help, sizeof help / sizeof help[0]);
    }
    if (hf_word_is(sub, "GET")) {
        return argc >= 3 ? config_get(shard, conn, args, argc)
                         : hf_word_arity(shard, conn, command, sub);
    }
    if (hf_word_is(sub, "SET")) {
        return argc >= 4 && argc % 2 == 0 ? config_set(shard, conn, args, argc)
                                          : hf_word_arity(shard, conn, command, sub);
    }
    if (hf_word_is(sub, "RESETSTAT")) {
        hf_question q = { .ask = HF_ASK_RESET,
                          .value = { HF_RESET_STATS },
                          .finish = hf_gather__ok };
        return argc == 2 ? hf_gather__start(shard, conn, &q)
                         : hf_word_arity(shard, conn, command, sub);
    }
    if (hf_word_is(sub, "REWRITE")) {
        return argc == 2
                   ? hf_word_error(shard, conn, "ERR The server is running without a config file")
                   : hf_word_arity(shard, conn, command, sub);
    }
    return hf_word_unknown(shard, conn, command, sub);
}
