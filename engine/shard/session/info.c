/* INFO: Redis' sections and names where they mean something here, and ours with holdfast_ in front.
 * Left out is what nothing above the world seam may ask for (processor time, the process's memory,
 * the machine's), and what is not counted here (hits and misses, changes since a checkpoint). */
#include "engine/base/hash.h"
#include "engine/shard/session/server.h"

#include <stdio.h>
#include <string.h>

enum {
    IN_SERVER = 1,
    IN_CLIENTS = 2,
    IN_MEMORY = 4,
    IN_PERSISTENCE = 8,
    IN_STATS = 16,
    IN_REPLICATION = 32,
    IN_CPU = 64,
    IN_MODULES = 128,
    IN_ERRORS = 256,
    IN_CLUSTER = 512,
    IN_KEYSPACE = 1024,
    IN_COMMANDS = 2048,
    IN_LATENCY = 4096,
    IN_HOLDFAST = 8192,
    IN_DEFAULT = IN_COMMANDS - 1 + IN_HOLDFAST,
    IN_ALL = 2 * IN_HOLDFAST - 1,
};

typedef struct section {
    const char *name;
    uint32_t bits;
} section;

static const section sections[] = {
    { "SERVER", IN_SERVER },
    { "CLIENTS", IN_CLIENTS },
    { "MEMORY", IN_MEMORY },
    { "PERSISTENCE", IN_PERSISTENCE },
    { "STATS", IN_STATS },
    { "REPLICATION", IN_REPLICATION },
    { "CPU", IN_CPU },
    { "MODULES", IN_MODULES },
    { "ERRORSTATS", IN_ERRORS },
    { "CLUSTER", IN_CLUSTER },
    { "KEYSPACE", IN_KEYSPACE },
    { "COMMANDSTATS", IN_COMMANDS },
    { "LATENCYSTATS", IN_LATENCY },
    { "HOLDFAST", IN_HOLDFAST },
    { "DEFAULT", IN_DEFAULT },
    { "ALL", IN_ALL },
    { "EVERYTHING", IN_ALL },
};

static uint32_t wanted(const hf_bytes *args, uint32_t argc)
{
    uint32_t bits = argc == 1 ? IN_DEFAULT : 0;
    for (uint32_t i = 1; i < argc; i++) {
        for (size_t k = 0; k < sizeof sections / sizeof sections[0]; k++) {
            bits |= hf_word_is(args[i], sections[k].name) ? sections[k].bits : 0;
        }
    }
    return bits;
}

typedef struct page {
    hf_shard *shard;
    const hf_gather *gather;
    hf_sample sum;
    hf_buf *out;
} page;

static void number(const page *p, const char *name, uint64_t value)
{
    hf_put(p->out, "%s:%llu\r\n", name, (unsigned long long)value);
}

static void human(const page *p, const char *name, uint64_t bytes)
{
    static const char units[] = "BKMGT";
    double value = (double)bytes;
    int unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    hf_put(p->out, unit == 0 ? "%s:%.0f%c\r\n" : "%s:%.2f%c\r\n", name, value, units[unit]);
}

static void head(const page *p, const char *name)
{
    if (p->out->size != 0) {
        hf_put(p->out, "\r\n");
    }
    hf_put(p->out, "# %s\r\n", name);
}

/* Names the node to clients. Not by its own number: that seeds the hashes, which clients must not
 * be able to work out (engine/base/hash.h). */
static void put_id(const page *p, const char *name)
{
    uint64_t id = hf_hash64(p->shard->config.node_id, name, strlen(name));
    hf_put(p->out, "%s:%016llx%016llx00000000\r\n", name, (unsigned long long)id,
           (unsigned long long)p->shard->incarnation);
}

static void put_server(const page *p)
{
    const hf_shard *shard = p->shard;
    uint64_t up_s = p->sum.up_ns / 1000000000;
    head(p, "Server");
    hf_put(p->out, "redis_version:7.0.15\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0\r\n"
                   "redis_build_id:0\r\nredis_mode:standalone\r\narch_bits:64\r\n");
    hf_put(p->out, "holdfast_version:%s\r\nmultiplexing_api:io_uring\r\n", shard->config.version);
    put_id(p, "run_id");
    number(p, "process_id", shard->config.process_id);
    number(p, "server_time_usec", p->sum.wall_ns / 1000);
    number(p, "uptime_in_seconds", up_s);
    number(p, "uptime_in_days", up_s / 86400);
    hf_put(p->out, "hz:10\r\nconfigured_hz:10\r\nio_threads_active:0\r\n");
    number(p, "holdfast_cores", shard->count);
    number(p, "holdfast_incarnation", shard->incarnation);
}

static void put_clients(const page *p)
{
    head(p, "Clients");
    number(p, "connected_clients", p->sum.clients);
    hf_put(p->out, "cluster_connections:0\r\n");
    number(p, "maxclients", (uint64_t)p->shard->config.connections_max * p->shard->count);
    number(p, "client_recent_max_input_buffer", p->sum.max_input);
    number(p, "client_recent_max_output_buffer", p->sum.max_output);
    number(p, "blocked_clients", p->sum.blocked);
    hf_put(p->out, "tracking_clients:0\r\nclients_in_timeout_table:0\r\n");
    number(p, "pubsub_clients", p->sum.subscribers);
    number(p, "watching_clients", p->sum.watching);
    number(p, "monitor_clients", p->sum.monitors);
    number(p, "holdfast_interactive_transactions", p->sum.in_txn);
    number(p, "holdfast_http_connections", p->sum.http_clients);
}

static void put_memory(const page *p)
{
    const hf_shard_stats *s = &p->sum.shard;
    head(p, "Memory");
    number(p, "used_memory", s->memory_used);
    human(p, "used_memory_human", s->memory_used);
    number(p, "used_memory_peak", p->sum.memory_peak);
    human(p, "used_memory_peak_human", p->sum.memory_peak);
    number(p, "used_memory_dataset", s->value_bytes);
    number(p, "maxmemory", s->memory_size);
    human(p, "maxmemory_human", s->memory_size);
    hf_put(p->out, "maxmemory_policy:noeviction\r\n"
                   "mem_allocator:holdfast\r\nactive_defrag_running:0\r\nlazyfree_pending_objects:"
                   "0\r\n");
    number(p, "holdfast_versions", s->versions);
}

static void put_persistence(const page *p)
{
    const hf_shard_stats *s = &p->sum.shard;
    head(p, "Persistence");
    hf_put(p->out, "loading:%d\r\nasync_loading:0\r\n", !s->ready);
    hf_put(p->out, "rdb_bgsave_in_progress:%d\r\n", p->sum.saving != 0);
    number(p, "rdb_last_save_time", p->sum.last_save_ns / 1000000000);
    hf_put(p->out, "rdb_last_bgsave_status:%s\r\n", s->checkpoint_failed ? "err" : "ok");
    number(p, "rdb_saves", s->checkpoints);
    hf_put(p->out, "aof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\n"
                   "aof_last_bgrewrite_status:ok\r\n");
    hf_put(p->out, "aof_last_write_status:%s\r\n", s->no_space ? "err" : "ok");
    number(p, "aof_current_size", p->sum.log_kept_bytes);
    number(p, "aof_pending_bio_fsync", s->log_lag_bytes != 0);
    number(p, "holdfast_log_records", s->log_records);
    number(p, "holdfast_log_flushes", s->log_batches);
    number(p, "holdfast_log_bytes_written", s->log_written);
    number(p, "holdfast_log_unflushed_bytes", s->log_lag_bytes);
    number(p, "holdfast_replies_held", s->held);
    number(p, "holdfast_clock_ahead_usec", p->sum.clock_ahead_ns / 1000);
    number(p, "holdfast_clock_horizon_usec", p->sum.horizon_ns / 1000);
    number(p, "holdfast_checkpoint_bytes_written", s->checkpoint_bytes);
    number(p, "holdfast_checkpoint_failures", s->checkpoint_failures);
    number(p, "holdfast_recovered_records", s->recovered_records);
}

static void put_stats(const page *p)
{
    const hf_shard_stats *s = &p->sum.shard;
    head(p, "Stats");
    number(p, "total_connections_received", s->connections_total);
    number(p, "total_commands_processed", p->sum.commands);
    number(p, "instantaneous_ops_per_sec", p->sum.rate);
    number(p, "total_net_input_bytes", p->sum.bytes_in);
    number(p, "total_net_output_bytes", p->sum.bytes_out);
    number(p, "rejected_connections", p->sum.rejected);
    hf_put(p->out, "sync_full:0\r\nsync_partial_ok:0\r\nsync_partial_err:0\r\nevicted_keys:0\r\n"
                   "evicted_clients:0\r\n");
    number(p, "expired_keys", s->expired_keys);
    number(p, "pubsub_channels", p->sum.channels);
    number(p, "pubsub_patterns", p->sum.patterns);
    hf_put(p->out,
           "pubsubshard_channels:0\r\nlatest_fork_usec:0\r\ntotal_forks:0\r\n"
           "tracking_total_keys:0\r\ntracking_total_items:0\r\ntracking_total_prefixes:0\r\n");
    number(p, "total_error_replies", p->sum.errors);
    number(p, "client_output_buffer_limit_disconnections", p->sum.cut_off);
    number(p, "holdfast_replies_too_large", p->sum.too_large);
    number(p, "holdfast_clients_killed", p->sum.killed);
    number(p, "holdfast_clients_timed_out", p->sum.timed_out);
    number(p, "holdfast_messages_published", p->sum.published);
}

static void put_holdfast(const page *p)
{
    const hf_shard_stats *s = &p->sum.shard;
    head(p, "Holdfast");
    number(p, "holdfast_transactions", s->txns);
    number(p, "holdfast_one_phase", s->one_phase);
    number(p, "holdfast_two_phase", s->two_phase);
    number(p, "holdfast_conflicts", s->conflicts);
    number(p, "holdfast_refused", s->refused);
    number(p, "holdfast_prepared", s->prepared);
    number(p, "holdfast_waiting_for_locks", s->waiting);
    number(p, "holdfast_locks", p->sum.locks);
    number(p, "holdfast_lock_holds", p->sum.lock_holds);
    number(p, "holdfast_range_locks", p->sum.lock_ranges);
    number(p, "holdfast_ranges", p->sum.ranges);
    hf_put(p->out, "holdfast_no_space:%d\r\n", s->no_space);
}

static void put_fixed(const page *p, uint32_t bits)
{
    if ((bits & IN_REPLICATION) != 0) {
        head(p, "Replication");
        hf_put(p->out,
               "role:master\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n");
        put_id(p, "master_replid");
        hf_put(p->out, "master_repl_offset:0\r\nrepl_backlog_active:0\r\n");
    }
    if ((bits & IN_CPU) != 0) {
        head(p, "CPU");
        number(p, "holdfast_cores", p->shard->count);
    }
    if ((bits & IN_MODULES) != 0) {
        head(p, "Modules");
    }
}

static void put_commands(const page *p, bool latency)
{
    head(p, latency ? "Latencystats" : "Commandstats");
    for (uint16_t id = 0; hf_command_at(id) != NULL; id++) {
        hf_command_counter sum = { 0 };
        for (uint16_t i = 0; i < p->shard->count; i++) {
            const hf_command_counter *one = &hf_sample__commands(p->gather, i)[id];
            sum.calls += one->calls;
            sum.rejected += one->rejected;
            sum.errors += one->errors;
            sum.ns += one->ns;
            for (int k = 0; k < HF_DURATIONS; k++) {
                sum.durations[k] += one->durations[k];
            }
        }
        uint64_t count = 0;
        for (int k = 0; k < HF_DURATIONS; k++) {
            count += sum.durations[k];
        }
        if (count == 0 && (latency || sum.rejected == 0)) {
            continue;
        }
        const char *name = hf_command_at(id)->name;
        if (!latency) {
            hf_put(p->out,
                   "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
                   "failed_calls=%llu\r\n",
                   name, (unsigned long long)sum.calls, (unsigned long long)(sum.ns / 1000),
                   count == 0 ? 0 : (double)sum.ns / 1000 / (double)count,
                   (unsigned long long)sum.rejected, (unsigned long long)sum.errors);
            continue;
        }
        double at[3] = { 0 };
        static const double want[3] = { 0.5, 0.99, 0.999 };
        for (int q = 0; q < 3; q++) {
            uint64_t seen = 0;
            for (int k = 0; k < HF_DURATIONS; k++) {
                seen += sum.durations[k];
                if ((double)seen >= want[q] * (double)count) {
                    at[q] = (double)((uint64_t)1 << k);
                    break;
                }
            }
        }
        hf_put(p->out, "latency_percentiles_usec_%s:p50=%.3f,p99=%.3f,p99.9=%.3f\r\n", name, at[0],
               at[1], at[2]);
    }
}

static void put_rest(const page *p, uint32_t bits)
{
    if ((bits & IN_COMMANDS) != 0) {
        put_commands(p, false);
    }
    if ((bits & IN_ERRORS) != 0) {
        head(p, "Errorstats");
        for (int i = 0; i < HF_ERRORS_MAX && p->sum.by_error[i].count != 0; i++) {
            hf_put(p->out, "errorstat_%s:count=%llu\r\n", p->sum.by_error[i].name,
                   (unsigned long long)p->sum.by_error[i].count);
        }
    }
    if ((bits & IN_LATENCY) != 0) {
        put_commands(p, true);
    }
    if ((bits & IN_CLUSTER) != 0) {
        head(p, "Cluster");
        hf_put(p->out, "cluster_enabled:0\r\n");
    }
    if ((bits & IN_HOLDFAST) != 0) {
        put_holdfast(p);
    }
    if ((bits & IN_KEYSPACE) != 0) {
        head(p, "Keyspace");
        if (p->sum.shard.keys != 0) {
            hf_put(p->out, "db0:keys=%llu,expires=%llu\r\n", (unsigned long long)p->sum.shard.keys,
                   (unsigned long long)p->sum.expires);
        }
    }
}

static void finish_info(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    uint32_t bits;
    memcpy(&bits, gather->keep.data, sizeof bits);
    hf_buf *text = &hf_server_of(shard)->text;
    hf_buf_reset(text);
    page p = { .shard = shard, .gather = gather, .out = text };
    for (uint16_t i = 0; i < shard->count; i++) {
        hf_sample__merge(&p.sum, hf_sample__of(gather, i));
    }
    if ((bits & IN_SERVER) != 0) {
        put_server(&p);
    }
    if ((bits & IN_CLIENTS) != 0) {
        put_clients(&p);
    }
    if ((bits & IN_MEMORY) != 0) {
        put_memory(&p);
    }
    if ((bits & IN_PERSISTENCE) != 0) {
        put_persistence(&p);
    }
    if ((bits & IN_STATS) != 0) {
        put_stats(&p);
    }
    put_fixed(&p, bits);
    put_rest(&p, bits);
    hf_resp_verbatim(reply, "txt", hf_buf_view(text), gather->proto);
    reply->failed = reply->failed || text->failed;
    hf_buf_trim(text, HF_KEEP_BYTES);
}

bool hf_session__info(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    (void)command;
    uint32_t bits = wanted(args, argc);
    hf_question q = { .ask = HF_ASK_STATS,
                      .value = { (bits & (IN_COMMANDS | IN_LATENCY)) != 0 },
                      .keep = hf_bytes_of(&bits, sizeof bits),
                      .finish = finish_info };
    return hf_gather__start(shard, conn, &q);
}
