/* MEMORY, DEBUG, FUNCTION, CLUSTER: the little of them that means something here. */
#include "engine/shard/session/server.h"

#include "engine/base/text.h"

/* ---- MEMORY: USAGE is a data command, the rest is about the node ---- */

static hf_sample sum_of(const hf_shard *shard, const hf_gather *gather)
{
    hf_sample sum;
    memset(&sum, 0, sizeof sum);
    for (uint16_t i = 0; i < shard->count; i++) {
        hf_sample__merge(&sum, hf_sample__of(gather, i));
    }
    return sum;
}

static void finish_memory_stats(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_sample sum = sum_of(shard, gather);
    hf_resp_map(reply, 9, gather->proto);
    hf_put_number(reply, "peak.allocated", (int64_t)sum.memory_peak);
    hf_put_number(reply, "total.allocated", (int64_t)sum.shard.memory_used);
    hf_put_number(reply, "startup.allocated", 0);
    hf_put_number(reply, "keys.count", (int64_t)sum.shard.keys);
    hf_put_number(reply, "dataset.bytes", (int64_t)sum.shard.value_bytes);
    hf_put_number(reply, "allocator.allocated", (int64_t)sum.shard.memory_used);
    hf_put_number(reply, "allocator.resident", (int64_t)sum.shard.memory_size);
    hf_put_number(reply, "versions.count", (int64_t)sum.shard.versions);
    hf_put_number(reply, "cores.count", shard->count);
}

static void finish_memory_doctor(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_buf *text = &hf_server_of(shard)->text;
    hf_buf_reset(text);
    for (uint16_t i = 0; i < shard->count; i++) {
        const hf_shard_stats *s = &hf_sample__of(gather, i)->shard;
        uint64_t percent = s->memory_used * 100 / s->memory_size;
        if (percent >= 80) {
            hf_put(
                text,
                "Core %u uses %llu %% of its memory. When it is full its writes are refused with "
                "-OOM. Move ranges to another core (HF.ADMIN MOVE), or give the node more memory "
                "(--memory).\n",
                i, (unsigned long long)percent);
        }
        if (s->versions > 4 * s->keys + 100000) {
            hf_put(text,
                   "Core %u keeps %llu versions of %llu keys: something is written very often, or "
                   "reads at old timestamps hold versions back.\n",
                   i, (unsigned long long)s->versions, (unsigned long long)s->keys);
        }
    }
    if (text->size == 0) {
        hf_put(text, "No core is short of memory.\n");
    }
    hf_resp_verbatim(reply, "txt", hf_buf_view(text), gather->proto);
}

bool hf_session__memory(hf_shard *shard, hf_conn *conn, const hf_command *command,
                        const hf_bytes *args, uint32_t argc)
{
    static const char *const help[] = {
        "DOCTOR",
        "    Return memory problems reports.",
        "MALLOC-STATS",
        "    Return internal statistics report from the memory allocator.",
        "PURGE",
        "    Nothing to do: memory is given back at once.",
        "STATS",
        "    Return information about the memory usage of the node.",
        "USAGE <key> [SAMPLES <count>]",
        "    Return memory in bytes used by <key> and its value.",
    };
    hf_bytes sub = args[1];
    hf_question q = { .ask = HF_ASK_STATS };
    if (hf_word_is(sub, "STATS")) {
        q.finish = finish_memory_stats;
    } else if (hf_word_is(sub, "DOCTOR")) {
        q.finish = finish_memory_doctor;
    } else if (hf_word_is(sub, "PURGE") && argc == 2) {
        return hf_word_ok(shard, conn);
    } else if (hf_word_is(sub, "MALLOC-STATS") && argc == 2) {
        return hf_word_bulk(shard, conn,
                            HF_LIT("Memory is one fixed region per core; see MEMORY STATS"));
    } else if (hf_word_is(sub, "HELP") && argc == 2) {
        return hf_word_help(shard, conn, command, help, sizeof help / sizeof help[0]);
    }
    if (q.finish == NULL) {
        return hf_session__data(shard, conn, command, args, argc);
    }
    return argc == 2 ? hf_gather__start(shard, conn, &q) : hf_word_arity(shard, conn, command, sub);
}

/* ---- DEBUG: what test harnesses send ---- */

bool hf_answer__expire(hf_shard *shard, hf_answer *answer)
{
    shard->expire_off = answer->ask->value[0] == 0;
    return true;
}

static bool debug_expire(hf_shard *shard, hf_conn *conn, hf_bytes word)
{
    int64_t on;
    if (!hf_int_from_text(word, &on)) {
        return hf_word_error(shard, conn, "ERR value is not an integer or out of range");
    }
    hf_question q = { .ask = HF_ASK_EXPIRE, .value = { on != 0 }, .finish = hf_gather__ok };
    return hf_gather__start(shard, conn, &q);
}

bool hf_session__debug(hf_shard *shard, hf_conn *conn, const hf_command *command,
                       const hf_bytes *args, uint32_t argc)
{
    static const char *const help[] = {
        "CHANGE-REPL-ID",
        "    Accepted; there is no replication id.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Setting it to 0 disables taking back the memory of expired keys.",
    };
    hf_bytes sub = args[1];
    if (hf_word_is(sub, "HELP") && argc == 2) {
        return hf_word_help(shard, conn, command, help, sizeof help / sizeof help[0]);
    }
    if (hf_word_is(sub, "SET-ACTIVE-EXPIRE") && argc == 3) {
        return debug_expire(shard, conn, args[2]);
    }
    if (hf_word_is(sub, "CHANGE-REPL-ID") && argc == 2) {
        return hf_word_ok(shard, conn);
    }
    if (hf_word_is(sub, "SLEEP")) {
        return hf_word_error(shard, conn,
                             "ERR DEBUG SLEEP is not supported: nothing may block a core");
    }
    return hf_word_unknown(shard, conn, command, sub);
}

/* ---- FUNCTION and CLUSTER ---- */

static void put_engines(hf_buf *out, uint8_t proto)
{
    hf_resp_map(out, 2, proto);
    hf_resp_bulk(out, HF_LIT("running_script"));
    hf_resp_null(out, proto);
    hf_resp_bulk(out, HF_LIT("engines"));
    hf_resp_map(out, 0, proto);
}

bool hf_session__function(hf_shard *shard, hf_conn *conn, const hf_command *command,
                          const hf_bytes *args, uint32_t argc)
{
    hf_bytes sub = args[1];
    if (hf_word_is(sub, "FLUSH")) {
        bool known = argc == 2 ||
                     (argc == 3 && (hf_word_is(args[2], "ASYNC") || hf_word_is(args[2], "SYNC")));
        return known ? hf_word_ok(shard, conn)
                     : hf_word_error(shard, conn,
                                     "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    }
    if (hf_word_is(sub, "LIST")) {
        return hf_word_array0(shard, conn);
    }
    if (hf_word_is(sub, "STATS") && argc == 2) {
        put_engines(hf_conn__reply(shard, conn), conn->proto);
        hf_conn__done(shard, conn);
        return true;
    }
    if (hf_word_is(sub, "KILL") && argc == 2) {
        return hf_word_error(shard, conn, "NOTBUSY No scripts in execution right now.");
    }
    if (hf_word_is(sub, "LOAD") || hf_word_is(sub, "DELETE") || hf_word_is(sub, "DUMP") ||
        hf_word_is(sub, "RESTORE")) {
        return hf_word_error(shard, conn, "ERR functions are not supported");
    }
    return hf_word_unknown(shard, conn, command, sub);
}

bool hf_session__no_cluster(hf_shard *shard, hf_conn *conn, const hf_command *command,
                            const hf_bytes *args, uint32_t argc)
{
    (void)command;
    (void)args;
    (void)argc;
    return hf_word_error(shard, conn, "ERR This instance has cluster support disabled");
}

bool hf_session__cluster(hf_shard *shard, hf_conn *conn, const hf_command *command,
                         const hf_bytes *args, uint32_t argc)
{
    return hf_session__no_cluster(shard, conn, command, args, argc);
}
