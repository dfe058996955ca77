/* LATENCY: commands that took longer than latency-monitor-threshold. Events are `command` and, for
 * commands that should be quick, `fast-command`; one sample a second is kept, the worst. And the
 * histograms of all commands. */
#include "engine/shard/session/server.h"

static const char *const event_names[HF_LATENCY_EVENTS] = {
    [HF_LATENCY_COMMAND] = "command",
    [HF_LATENCY_FAST] = "fast-command",
};
static const char *const event_words[HF_LATENCY_EVENTS] = {
    [HF_LATENCY_COMMAND] = "COMMAND",
    [HF_LATENCY_FAST] = "FAST-COMMAND",
};

void hf_latency__add(hf_shard *shard, hf_latency_event event, uint64_t ms)
{
    hf_latency *l = &hf_server_of(shard)->latency[event];
    uint64_t wall_s = shard->io->wall_ns / 1000000000;
    l->max_ms = ms > l->max_ms ? ms : l->max_ms;
    if (l->count != 0) {
        hf_latency_sample *last = &l->samples[(l->count - 1) % HF_LATENCY_SAMPLES];
        if (last->wall_s == wall_s) {
            last->ms = ms > last->ms ? ms : last->ms;
            return;
        }
    }
    l->samples[l->count++ % HF_LATENCY_SAMPLES] = (hf_latency_sample){ wall_s, ms };
}

/* Per event: u64 max | u64 count | samples, oldest first. Events whose bit is asked for are
 * forgotten. */
bool hf_answer__latency(hf_shard *shard, hf_answer *answer)
{
    for (uint32_t e = 0; e < HF_LATENCY_EVENTS; e++) {
        hf_latency *l = &hf_server_of(shard)->latency[e];
        uint64_t count = l->count < HF_LATENCY_SAMPLES ? l->count : HF_LATENCY_SAMPLES;
        hf_buf_u64(answer->out, l->max_ms);
        hf_buf_u64(answer->out, count);
        for (uint64_t i = l->count - count; i < l->count; i++) {
            hf_buf_raw(answer->out, &l->samples[i % HF_LATENCY_SAMPLES], sizeof(hf_latency_sample));
        }
        if ((answer->ask->value[0] >> e & 1) != 0) {
            memset(l, 0, sizeof *l);
        }
    }
    return true;
}

/* ---- All shards' samples of one event, the worst of each second, oldest first ---- */

typedef struct history {
    hf_latency_sample samples[HF_LATENCY_SAMPLES];
    uint32_t count;
    uint64_t max_ms;
} history;

static void history_add(history *h, hf_latency_sample sample)
{
    uint32_t at = h->count;
    while (at > 0 && h->samples[at - 1].wall_s > sample.wall_s) {
        at--;
    }
    if (at > 0 && h->samples[at - 1].wall_s == sample.wall_s) {
        hf_latency_sample *same = &h->samples[at - 1];
        same->ms = sample.ms > same->ms ? sample.ms : same->ms;
        return;
    }
    if (h->count == HF_LATENCY_SAMPLES) { /* the oldest makes room */
        if (at == 0) {
            return;
        }
        memmove(h->samples, h->samples + 1, sizeof *h->samples * (at - 1));
        h->samples[at - 1] = sample;
        return;
    }
    memmove(h->samples + at + 1, h->samples + at, sizeof *h->samples * (h->count - at));
    h->samples[at] = sample;
    h->count++;
}

static void history_of(const hf_shard *shard, const hf_gather *gather, hf_latency_event event,
                       history *h)
{
    memset(h, 0, sizeof *h);
    for (uint16_t i = 0; i < shard->count; i++) {
        hf_reader r = hf_reader_of(hf_buf_view(&gather->answers[i]));
        for (uint32_t e = 0; e < HF_LATENCY_EVENTS; e++) {
            uint64_t max_ms = hf_read_u64(&r);
            uint64_t count = hf_read_u64(&r);
            for (; count > 0; count--) {
                hf_latency_sample sample;
                hf_read_raw(&r, &sample, sizeof sample);
                if (e == event) {
                    history_add(h, sample);
                }
            }
            h->max_ms = e == event && max_ms > h->max_ms ? max_ms : h->max_ms;
        }
        HF_ASSERT(!r.bad);
    }
}

static void finish_latest(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    history h[HF_LATENCY_EVENTS];
    uint32_t shown = 0;
    for (uint32_t e = 0; e < HF_LATENCY_EVENTS; e++) {
        history_of(shard, gather, (hf_latency_event)e, &h[e]);
        shown += h[e].count != 0;
    }
    hf_resp_array(reply, shown);
    for (uint32_t e = 0; e < HF_LATENCY_EVENTS; e++) {
        if (h[e].count != 0) {
            hf_resp_array(reply, 4);
            hf_resp_bulk(reply, hf_word_of(event_names[e]));
            hf_resp_integer(reply, (int64_t)h[e].samples[h[e].count - 1].wall_s);
            hf_resp_integer(reply, (int64_t)h[e].samples[h[e].count - 1].ms);
            hf_resp_integer(reply, (int64_t)h[e].max_ms);
        }
    }
}

static void finish_history(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    history h;
    if (gather->word == HF_LATENCY_EVENTS) {
        hf_resp_array(reply, 0);
        return;
    }
    history_of(shard, gather, (hf_latency_event)gather->word, &h);
    hf_resp_array(reply, h.count);
    for (uint32_t i = 0; i < h.count; i++) {
        hf_resp_array(reply, 2);
        hf_resp_integer(reply, (int64_t)h.samples[i].wall_s);
        hf_resp_integer(reply, (int64_t)h.samples[i].ms);
    }
}

/* A row of bars, one for each sample. */
static void finish_graph(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    enum { ROWS = 8 };
    history h = { .count = 0 };
    if (gather->word < HF_LATENCY_EVENTS) {
        history_of(shard, gather, (hf_latency_event)gather->word, &h);
    }
    if (h.count == 0) {
        hf_resp_errorf(reply, "ERR No samples available for event '%.*s'",
                       (int)(gather->keep.size < 64 ? gather->keep.size : 64),
                       (const char *)gather->keep.data);
        return;
    }
    uint64_t high = 1;
    uint64_t low = UINT64_MAX;
    for (uint32_t i = 0; i < h.count; i++) {
        high = h.samples[i].ms > high ? h.samples[i].ms : high;
        low = h.samples[i].ms < low ? h.samples[i].ms : low;
    }
    hf_buf *text = &hf_server_of(shard)->text;
    hf_buf_reset(text);
    hf_put(text, "%s - high %llu ms, low %llu ms (all time high %llu ms)\n",
           event_names[gather->word], (unsigned long long)high, (unsigned long long)low,
           (unsigned long long)h.max_ms);
    for (uint64_t row = ROWS; row > 0; row--) {
        for (uint32_t i = 0; i < h.count; i++) {
            hf_buf_u8(text, h.samples[i].ms * ROWS >= row * high ? '#' : ' ');
        }
        hf_buf_u8(text, '\n');
    }
    hf_resp_verbatim(reply, "txt", hf_buf_view(text), gather->proto);
}

/* LATENCY RESET: how many of the events had anything. */
static void finish_reset(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    int64_t count = 0;
    for (uint32_t e = 0; e < HF_LATENCY_EVENTS; e++) {
        history h;
        history_of(shard, gather, (hf_latency_event)e, &h);
        count += (gather->word >> e & 1) != 0 && h.count != 0;
    }
    hf_resp_integer(reply, count);
}

static void finish_doctor(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_buf *text = &hf_server_of(shard)->text;
    uint64_t threshold = hf_server_of(shard)->settings.latency_ms;
    hf_buf_reset(text);
    if (threshold == 0) {
        hf_put(text, "Latency monitoring is off. Turn it on with CONFIG SET "
                     "latency-monitor-threshold <milliseconds>, and ask again after a while.\n");
    }
    for (uint32_t e = 0; e < HF_LATENCY_EVENTS; e++) {
        history h;
        history_of(shard, gather, (hf_latency_event)e, &h);
        if (h.count == 0) {
            continue;
        }
        uint64_t sum = 0;
        for (uint32_t i = 0; i < h.count; i++) {
            sum += h.samples[i].ms;
        }
        hf_put(
            text,
            "%s: %u seconds with slow commands, on average %llu ms at worst, %llu ms the worst of "
            "all.\n",
            event_names[e], h.count, (unsigned long long)(sum / h.count),
            (unsigned long long)h.max_ms);
    }
    if (text->size == 0) {
        hf_put(text, "No command took longer than %llu ms. Nothing to report.\n",
               (unsigned long long)threshold);
    } else if (threshold != 0) {
        hf_put(
            text,
            "- SLOWLOG GET names the commands. HF.ADMIN TXNS and HF.ADMIN LOCKS show what waits "
            "for "
            "what now.\n"
            "- Commands that visit every key (KEYS, FLUSHALL, DBSIZE in a transaction) hold up all "
            "others: use SCAN or HF.RANGE.\n"
            "- If holdfast_log_unflushed_bytes of INFO stays high, the disk is the limit.\n");
    }
    hf_resp_verbatim(reply, "txt", hf_buf_view(text), gather->proto);
}

/* ---- Histograms: LATENCY HISTOGRAM [command ...], in microseconds, cumulative ---- */

static bool named(hf_bytes names, const char *name)
{
    hf_reader r = hf_reader_of(names);
    bool found = names.size == 0;
    while (hf_reader_left(&r) > 0 && !found) {
        const hf_command *command = hf_command_find(hf_read_bytes(&r));
        found = command != NULL && strcmp(command->name, name) == 0;
    }
    return found;
}

static uint64_t add_up(const hf_shard *shard, const hf_gather *gather, uint16_t id,
                       uint64_t durations[HF_DURATIONS])
{
    uint64_t count = 0;
    memset(durations, 0, sizeof(uint64_t) * HF_DURATIONS);
    for (uint16_t i = 0; i < shard->count; i++) {
        for (int k = 0; k < HF_DURATIONS; k++) {
            durations[k] += hf_sample__commands(gather, i)[id].durations[k];
            count += hf_sample__commands(gather, i)[id].durations[k];
        }
    }
    return count;
}

static void put_histogram(const hf_gather *gather, const char *name, uint64_t calls,
                          const uint64_t durations[HF_DURATIONS], hf_buf *reply)
{
    uint32_t buckets = 0;
    for (int k = 0; k < HF_DURATIONS; k++) {
        buckets += durations[k] != 0;
    }
    hf_resp_bulk(reply, hf_word_of(name));
    hf_resp_map(reply, 2, gather->proto);
    hf_put_number(reply, "calls", (int64_t)calls);
    hf_resp_bulk(reply, HF_LIT("histogram_usec"));
    hf_resp_map(reply, buckets, gather->proto);
    uint64_t seen = 0;
    for (int k = 0; k < HF_DURATIONS; k++) {
        seen += durations[k];
        if (durations[k] != 0) {
            hf_resp_integer(reply, (int64_t)1 << k);
            hf_resp_integer(reply, (int64_t)seen);
        }
    }
}

static void finish_histogram(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    uint64_t durations[HF_DURATIONS];
    uint32_t shown = 0;
    for (uint16_t id = 0; hf_command_at(id) != NULL; id++) {
        shown += named(hf_buf_view(&gather->keep), hf_command_at(id)->name) &&
                 add_up(shard, gather, id, durations) != 0;
    }
    hf_resp_map(reply, shown, gather->proto);
    for (uint16_t id = 0; hf_command_at(id) != NULL; id++) {
        if (named(hf_buf_view(&gather->keep), hf_command_at(id)->name)) {
            uint64_t calls = add_up(shard, gather, id, durations);
            if (calls != 0) {
                put_histogram(gather, hf_command_at(id)->name, calls, durations, reply);
            }
        }
    }
}

static bool histogram(hf_shard *shard, hf_conn *conn, const hf_bytes *args, uint32_t argc)
{
    hf_buf *names = &hf_server_of(shard)->text;
    hf_buf_reset(names);
    for (uint32_t i = 2; i < argc; i++) {
        hf_buf_bytes(names, args[i]);
    }
    hf_question q = {
        .ask = HF_ASK_STATS, .value = { 1 }, .keep = hf_buf_view(names), .finish = finish_histogram
    };
    return names->failed ? hf_word_error(shard, conn, "OOM no memory for the request")
                         : hf_gather__start(shard, conn, &q);
}

/* ---- The command ---- */

static uint8_t event_of(hf_bytes name)
{
    uint8_t e = 0;
    while (e < HF_LATENCY_EVENTS && !hf_word_is(name, event_words[e])) {
        e++;
    }
    return e;
}

bool hf_session__latency(hf_shard *shard, hf_conn *conn, const hf_command *command,
                         const hf_bytes *args, uint32_t argc)
{
    static const char *const help[] = {
        "DOCTOR",
        "    Return a human readable latency analysis report.",
        "GRAPH <event>",
        "    Return an ASCII latency graph for the <event> class.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        "    (default: reset all data for all event classes)",
        "HISTOGRAM [COMMAND ...]",
        "    Return a cumulative distribution of commands in histogram format.",
    };
    hf_bytes sub = args[1];
    hf_question q = { .ask = HF_ASK_LATENCY };
    uint32_t most = 2;
    if (hf_word_is(sub, "HELP") && argc == 2) {
        return hf_word_help(shard, conn, command, help, sizeof help / sizeof help[0]);
    }
    if (hf_word_is(sub, "HISTOGRAM")) {
        return histogram(shard, conn, args, argc);
    }
    if (hf_word_is(sub, "LATEST")) {
        q.finish = finish_latest;
    } else if (hf_word_is(sub, "DOCTOR")) {
        q.finish = finish_doctor;
    } else if (hf_word_is(sub, "HISTORY") || hf_word_is(sub, "GRAPH")) {
        q.finish = hf_word_is(sub, "HISTORY") ? finish_history : finish_graph;
        q.word = argc == 3 ? event_of(args[2]) : 0;
        q.keep = argc == 3 ? args[2] : q.keep;
        most = 3;
    } else if (hf_word_is(sub, "RESET")) {
        q.finish = finish_reset;
        q.value[0] = argc == 2 ? (1u << HF_LATENCY_EVENTS) - 1 : 0;
        for (uint32_t i = 2; i < argc; i++) {
            uint8_t e = event_of(args[i]);
            q.value[0] |= e < HF_LATENCY_EVENTS ? 1u << e : 0;
        }
        q.word = (uint8_t)q.value[0];
        most = argc;
    } else {
        return hf_word_unknown(shard, conn, command, sub);
    }
    return argc == most ? hf_gather__start(shard, conn, &q)
                        : hf_word_arity(shard, conn, command, sub);
}
