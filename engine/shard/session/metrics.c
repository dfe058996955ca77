#include "engine/shard/session/metrics.h"

typedef enum kind { COUNTER, GAUGE } kind;
typedef enum unit { PLAIN, NS } unit; /* NS: kept in nanoseconds, shown in seconds */

typedef struct metric {
    const char *name; /* with holdfast_ in front, and _total behind for counters */
    const char *help;
    kind kind;
    unit unit;
    uint32_t at; /* offset in hf_sample, of a u64 */
} metric;

#define AT(field) offsetof(hf_sample, field)

static const metric metrics[] = {
    { "commands", "Commands answered.", COUNTER, PLAIN, AT(commands) },
    { "command_errors", "Commands answered with an error.", COUNTER, PLAIN, AT(errors) },
    { "transactions", "Transactions that this shard took part in.", COUNTER, PLAIN,
      AT(shard.txns) },
    { "one_phase_commits", "Transactions of one shard.", COUNTER, PLAIN, AT(shard.one_phase) },
    { "two_phase_commits", "Transactions over several shards.", COUNTER, PLAIN,
      AT(shard.two_phase) },
    { "conflicts", "Times that a request had to wait for a lock.", COUNTER, PLAIN,
      AT(shard.conflicts) },
    { "refused", "Requests that were refused.", COUNTER, PLAIN, AT(shard.refused) },
    { "prepared_transactions", "Transactions that are prepared and not decided.", GAUGE, PLAIN,
      AT(shard.prepared) },
    { "waiting_requests", "Requests that wait for a lock.", GAUGE, PLAIN, AT(shard.waiting) },
    { "held_replies", "Replies that wait for the disk.", GAUGE, PLAIN, AT(shard.held) },
    { "locks", "Keys and ranges with a lock.", GAUGE, PLAIN, AT(locks) },
    { "ranges", "Ranges that the shard owns.", GAUGE, PLAIN, AT(ranges) },
    { "keys", "Keys, those included that expired and are not removed yet.", GAUGE, PLAIN,
      AT(shard.keys) },
    { "versions", "Versions of keys in memory.", GAUGE, PLAIN, AT(shard.versions) },
    { "value_bytes", "Bytes of keys and their newest values.", GAUGE, PLAIN,
      AT(shard.value_bytes) },
    { "memory_used_bytes", "Memory in use.", GAUGE, PLAIN, AT(shard.memory_used) },
    { "memory_size_bytes", "Memory there is.", GAUGE, PLAIN, AT(shard.memory_size) },
    { "client_connections", "Open connections of clients.", GAUGE, PLAIN, AT(clients) },
    { "http_connections", "Open HTTP connections.", GAUGE, PLAIN, AT(http_clients) },
    { "connections_accepted", "Connections accepted.", COUNTER, PLAIN,
      AT(shard.connections_total) },
    { "connections_rejected", "Connections refused: too many.", COUNTER, PLAIN, AT(rejected) },
    { "connections_cut_off", "Connections closed because they held too much memory.", COUNTER,
      PLAIN, AT(cut_off) },
    { "replies_too_large", "Replies that did not fit into memory: told so instead.", COUNTER, PLAIN,
      AT(too_large) },
    { "received_bytes", "Bytes from clients.", COUNTER, PLAIN, AT(bytes_in) },
    { "sent_bytes", "Bytes to clients.", COUNTER, PLAIN, AT(bytes_out) },
    { "subscribers", "Connections that subscribe.", GAUGE, PLAIN, AT(subscribers) },
    { "messages_published", "Messages published.", COUNTER, PLAIN, AT(published) },
    { "log_records", "Records appended to the log.", COUNTER, PLAIN, AT(shard.log_records) },
    { "log_flushes", "Flushes of the log.", COUNTER, PLAIN, AT(shard.log_batches) },
    { "log_flush_seconds", "Time spent in flushes.", COUNTER, NS, AT(flush_ns_total) },
    { "log_flush_longest_seconds", "The longest flush.", GAUGE, NS, AT(flush_ns_max) },
    { "log_written_bytes", "Bytes written to the log.", COUNTER, PLAIN, AT(shard.log_written) },
    { "log_kept_bytes", "Bytes of log that a recovery would read.", GAUGE, PLAIN,
      AT(log_kept_bytes) },
    { "log_unflushed_bytes", "Bytes of log that are not on disk yet.", GAUGE, PLAIN,
      AT(shard.log_lag_bytes) },
    { "clock_ahead_seconds",
      "How far the clock of transactions is ahead of the wall clock: after a restart, or when that "
      "was set back.",
      GAUGE, NS, AT(clock_ahead_ns) },
    { "clock_horizon_seconds",
      "Unix time up to which the log vouches for timestamps that are told.", GAUGE, NS,
      AT(horizon_ns) },
    { "checkpoints", "Checkpoints written.", COUNTER, PLAIN, AT(shard.checkpoints) },
    { "checkpoint_failures", "Checkpoints that failed.", COUNTER, PLAIN,
      AT(shard.checkpoint_failures) },
    { "checkpoint_written_bytes", "Bytes written to checkpoints.", COUNTER, PLAIN,
      AT(shard.checkpoint_bytes) },
    { "checkpoint_last_timestamp_seconds",
      "Unix time of the last good checkpoint, or of the start.", GAUGE, NS, AT(last_save_ns) },
    { "recovered_records", "Log records replayed at the start.", GAUGE, PLAIN,
      AT(shard.recovered_records) },
    { "expired_keys", "Expired keys that were removed.", COUNTER, PLAIN, AT(shard.expired_keys) },
    { "uptime_seconds", "Time since the start.", GAUGE, NS, AT(up_ns) },
};

enum { METRICS = sizeof metrics / sizeof metrics[0] };

static uint64_t value_of(const hf_sample *sample, const metric *m)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)sample + m->at, sizeof value);
    return value;
}

static void put_value(hf_buf *out, const metric *m, uint64_t value)
{
    if (m->unit == NS) {
        hf_put(out, "%llu.%09llu", (unsigned long long)(value / 1000000000),
               (unsigned long long)(value % 1000000000));
    } else {
        hf_put(out, "%llu", (unsigned long long)value);
    }
}

/* ---- Prometheus ---- */

static void describe(hf_buf *out, const char *name, const char *help, const char *type,
                     bool openmetrics)
{
    const char *total = !openmetrics && strcmp(type, "counter") == 0 ? "_total" : "";
    hf_put(out, "# HELP holdfast_%s%s %s\n# TYPE holdfast_%s%s %s\n", name, total, help, name,
           total, type);
}

static void put_metric(hf_buf *out, const hf_metrics *all, const metric *m, bool openmetrics)
{
    describe(out, m->name, m->help, m->kind == COUNTER ? "counter" : "gauge", openmetrics);
    for (uint32_t i = 0; i < all->count; i++) {
        hf_put(out, "holdfast_%s%s{shard=\"%u\"} ", m->name, m->kind == COUNTER ? "_total" : "", i);
        put_value(out, m, value_of(all->shards[i], m));
        hf_put(out, "\n");
    }
}

static void put_histogram(hf_buf *out, const char *label, const uint64_t *durations,
                          uint64_t sum_ns)
{
    uint64_t count = 0;
    for (int k = 0; k < HF_DURATIONS; k++) {
        count += durations[k];
        if (k < HF_DURATIONS - 1) {
            uint64_t us = (uint64_t)1 << k;
            hf_put(
                out,
                "holdfast_command_duration_seconds_bucket{kind=\"%s\",le=\"%llu.%06llu\"} %llu\n",
                label, (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000),
                (unsigned long long)count);
        }
    }
    hf_put(out, "holdfast_command_duration_seconds_bucket{kind=\"%s\",le=\"+Inf\"} %llu\n", label,
           (unsigned long long)count);
    hf_put(out, "holdfast_command_duration_seconds_sum{kind=\"%s\"} %llu.%09llu\n", label,
           (unsigned long long)(sum_ns / 1000000000), (unsigned long long)(sum_ns % 1000000000));
    hf_put(out, "holdfast_command_duration_seconds_count{kind=\"%s\"} %llu\n", label,
           (unsigned long long)count);
}

static void sum_up(const hf_metrics *all, hf_sample *sum)
{
    memset(sum, 0, sizeof *sum);
    for (uint32_t i = 0; i < all->count; i++) {
        hf_sample__merge(sum, all->shards[i]);
    }
}

void hf_metrics_text(hf_buf *out, const hf_metrics *all, bool openmetrics)
{
    hf_sample sum;
    sum_up(all, &sum);
    describe(out, openmetrics ? "build" : "build_info", "What runs.",
             openmetrics ? "info" : "gauge", openmetrics);
    hf_put(out, "holdfast_build_info{version=\"%s\"} 1\n", all->version);
    describe(out, "ready", "1 when every shard serves requests.", "gauge", openmetrics);
    hf_put(out, "holdfast_ready %d\n", sum.shard.ready && !all->stopping);
    describe(out, "disk_full", "1 when writes are refused because a disk is full.", "gauge",
             openmetrics);
    hf_put(out, "holdfast_disk_full %d\n", sum.shard.no_space);
    for (int i = 0; i < METRICS; i++) {
        put_metric(out, all, &metrics[i], openmetrics);
    }
    describe(out, "errors", "Error replies by code.", "counter", openmetrics);
    for (int i = 0; i < HF_ERRORS_MAX && sum.by_error[i].count != 0; i++) {
        hf_put(out, "holdfast_errors_total{code=");
        hf_put_quoted(out, hf_word_of(sum.by_error[i].name));
        hf_put(out, "} %llu\n", (unsigned long long)sum.by_error[i].count);
    }
    describe(out, "command_duration_seconds", "From the arrival of a command to its reply.",
             "histogram", openmetrics);
    put_histogram(out, "read", sum.read_ns, sum.read_ns_sum);
    put_histogram(out, "write", sum.write_ns, sum.write_ns_sum);
    if (openmetrics) {
        hf_put(out, "# EOF\n");
    }
}

/* ---- JSON ---- */

static void put_object(hf_buf *out, const hf_sample *sample)
{
    hf_put(out, "{\"ready\":%s,\"disk_full\":%s", sample->shard.ready ? "true" : "false",
           sample->shard.no_space ? "true" : "false");
    for (int i = 0; i < METRICS; i++) {
        hf_put(out, ",\"%s\":", metrics[i].name);
        put_value(out, &metrics[i], value_of(sample, &metrics[i]));
    }
    hf_put(out, ",\"commands_per_second\":%llu}", (unsigned long long)sample->rate);
}

void hf_metrics_json(hf_buf *out, const hf_metrics *all)
{
    hf_sample sum;
    sum_up(all, &sum);
    hf_put(out, "{\"version\":\"%s\",\"ready\":%s,\"stopping\":%s,\"incarnation\":\"%llu\",",
           all->version, sum.shard.ready && !all->stopping ? "true" : "false",
           all->stopping ? "true" : "false", (unsigned long long)all->incarnation);
    hf_put(out, "\"node\":");
    put_object(out, &sum);
    hf_put(out, ",\"shards\":[");
    for (uint32_t i = 0; i < all->count; i++) {
        hf_put(out, i == 0 ? "" : ",");
        put_object(out, all->shards[i]);
    }
    hf_put(out, "]}\n");
}
