/* One shard's word about itself, and many put together. */
#include "engine/shard/session/server.h"

_Static_assert(offsetof(hf_shard_stats, ready) % 8 == 0, "its numbers come first");
enum {
    STATS_WORDS = offsetof(hf_shard_stats, ready) / 8,
    SAMPLE_AT = offsetof(hf_sample, commands) / 8,
    SAMPLE_END = offsetof(hf_sample, by_error) / 8,
};

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void count_clients(const hf_shard *shard, hf_sample *sample)
{
    for (const hf_conn *conn = shard->session->first; conn != NULL; conn = conn->next) {
        if (conn->closing) {
            continue; /* its client may have seen the end already */
        }
        if (conn->listener != HF_LISTENER_CLIENT) {
            sample->http_clients++;
            continue;
        }
        const hf_conn_extra *extra = conn->extra;
        sample->clients++;
        sample->blocked +=
            conn->first != conn->next_number &&
            shard->io->now_ns - conn->slots[conn->first & conn->slot_mask].started_ns > 1000000;
        sample->watching += conn->watch_count != 0;
        sample->in_txn += conn->op != UINT32_MAX;
        sample->subscribers += extra != NULL && extra->count[0] + extra->count[1] != 0;
        sample->max_input = most(sample->max_input, conn->in.size);
        sample->max_output =
            most(sample->max_output, (uint64_t)conn->out.size + conn->sending.size);
    }
}

void hf_sample__take(hf_shard *shard, hf_sample *sample)
{
    const hf_server *server = hf_server_of(shard);
    memset(sample, 0, sizeof *sample);
    hf_shard_stats_get(shard, &sample->shard);
    hf_log_stats log = hf_log_stats_get(shard->log);
    hf_lock_stats locks = hf_lock_stats_get(shard->locks);
    sample->shard.connections = shard->session->count;
    sample->shard.connections_total = shard->session->accepted;
    sample->commands = server->commands_done;
    sample->bytes_in = shard->session->bytes_in;
    sample->bytes_out = shard->session->bytes_out;
    sample->rejected = shard->session->rejected;
    sample->cut_off = shard->session->cut_off;
    sample->too_large = shard->session->too_large;
    sample->errors = server->errors;
    sample->rate = hf_sample__rate(shard);
    count_clients(shard, sample);
    sample->channels = server->pubsub.count[0];
    sample->patterns = server->pubsub.count[1];
    sample->monitors = server->monitors;
    sample->killed = server->killed;
    sample->published = server->published;
    sample->timed_out = server->timed_out;
    sample->up_ns = shard->io->now_ns - server->started_ns;
    sample->wall_ns = shard->io->wall_ns;
    sample->clock_ahead_ns =
        shard->clock.last > sample->wall_ns ? shard->clock.last - sample->wall_ns : 0;
    sample->horizon_ns = hf_horizon__durable(shard);
    sample->last_save_ns =
        shard->save.last_wall_ns != 0 ? shard->save.last_wall_ns : server->started_wall_ns;
    sample->saving = shard->save.state != HF_SAVE_IDLE;
    sample->memory_peak = most(server->memory_peak, sample->shard.memory_used);
    sample->locks = locks.locks;
    sample->lock_holds = locks.holds;
    sample->lock_ranges = locks.ranges;
    for (uint32_t i = 0; i < shard->map.count; i++) {
        sample->ranges += shard->map.ranges[i].shard == shard->self;
    }
    sample->slowlog = server->slow_next - server->slow_first;
    sample->log_kept_bytes = hf_log_kept(shard->log);
    sample->log_segments = log.segments;
    sample->flush_ns_total = log.flush_ns_total;
    sample->flush_ns_max = log.flush_ns_max;
    memcpy(sample->read_ns, server->read_ns, sizeof sample->read_ns);
    memcpy(sample->write_ns, server->write_ns, sizeof sample->write_ns);
    sample->read_ns_sum = server->read_ns_sum;
    sample->write_ns_sum = server->write_ns_sum;
    memcpy(sample->by_error, server->by_error, sizeof sample->by_error);
}

static void add_words(uint64_t *into, const uint64_t *one, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        into[i] += one[i];
    }
}

static void add_errors(hf_error_counter *into, const hf_error_counter *one)
{
    for (uint32_t i = 0; i < HF_ERRORS_MAX && one[i].count != 0; i++) {
        for (uint32_t k = 0; k < HF_ERRORS_MAX; k++) {
            bool last = k == HF_ERRORS_MAX - 1;
            if (into[k].count == 0) {
                into[k] = one[i];
                break;
            }
            if (last || strcmp(into[k].name, one[i].name) == 0) {
                into[k].count += one[i].count;
                break;
            }
        }
    }
}

void hf_sample__merge(hf_sample *into, const hf_sample *one)
{
    bool empty = into->wall_ns == 0;
    hf_sample before = *into;
    add_words((uint64_t *)(void *)&into->shard, (const uint64_t *)(const void *)&one->shard, 0,
              STATS_WORDS);
    add_words((uint64_t *)(void *)into, (const uint64_t *)(const void *)one, SAMPLE_AT, SAMPLE_END);
    into->shard.ready = (empty || before.shard.ready) && one->shard.ready;
    into->shard.no_space = before.shard.no_space || one->shard.no_space;
    into->shard.checkpoint_failed = before.shard.checkpoint_failed || one->shard.checkpoint_failed;
    into->max_input = most(before.max_input, one->max_input);
    into->max_output = most(before.max_output, one->max_output);
    into->up_ns = most(before.up_ns, one->up_ns);
    into->wall_ns = most(before.wall_ns, one->wall_ns);
    into->clock_ahead_ns = most(before.clock_ahead_ns, one->clock_ahead_ns);
    into->horizon_ns = most(before.horizon_ns, one->horizon_ns);
    into->flush_ns_max = most(before.flush_ns_max, one->flush_ns_max);
    into->last_save_ns =
        empty || one->last_save_ns < before.last_save_ns ? one->last_save_ns : before.last_save_ns;
    add_errors(into->by_error, one->by_error);
}

bool hf_answer__stats(hf_shard *shard, hf_answer *answer)
{
    hf_server *server = hf_server_of(shard);
    uint8_t *at = hf_buf_extend(answer->out, sizeof(hf_sample));
    if (at != NULL) {
        hf_sample__take(shard, (hf_sample *)(void *)at);
        if (answer->ask->value[0] != 0) {
            hf_buf_raw(answer->out, server->commands, sizeof(hf_command_counter) * HF_COMMANDS_MAX);
        }
    }
    return true;
}

const hf_sample *hf_sample__of(const hf_gather *gather, uint16_t shard)
{
    HF_ASSERT(gather->answers[shard].size >= sizeof(hf_sample));
    return (const hf_sample *)(const void *)gather->answers[shard].data;
}

const hf_command_counter *hf_sample__commands(const hf_gather *gather, uint16_t shard)
{
    HF_ASSERT(gather->answers[shard].size ==
              sizeof(hf_sample) + sizeof(hf_command_counter) * HF_COMMANDS_MAX);
    return (const hf_command_counter *)(const void *)(gather->answers[shard].data +
                                                      sizeof(hf_sample));
}

bool hf_answer__reset(hf_shard *shard, hf_answer *answer)
{
    hf_server *server = hf_server_of(shard);
    if ((answer->ask->value[0] & HF_RESET_SLOWLOG) != 0) {
        hf_slowlog__forget(shard, 0);
    }
    if ((answer->ask->value[0] & HF_RESET_STATS) != 0) {
        memset(server->commands, 0, sizeof(hf_command_counter) * HF_COMMANDS_MAX);
        memset(server->by_error, 0, sizeof server->by_error);
        memset(server->read_ns, 0, sizeof server->read_ns);
        memset(server->write_ns, 0, sizeof server->write_ns);
        memset(server->rate_at, 0, sizeof server->rate_at);
        server->read_ns_sum = server->write_ns_sum = 0;
        server->commands_done = server->errors = server->killed = server->timed_out = 0;
        server->published = 0;
        server->memory_peak = 0;
        shard->session->bytes_in = shard->session->bytes_out = shard->session->rejected = 0;
        shard->session->cut_off = shard->session->too_large = 0;
    }
    return true;
}
