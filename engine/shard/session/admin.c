/* HF.ADMIN: what the `holdfast` tool asks. Replies are maps and arrays, no text to be parsed.
 *
 *   SPLIT key, MOVE key shard, CHECKPOINT: +OK when it is done
 *   RANGES: a map for each range, in the order of keys
 *   TXNS: a map for each transaction under way: parts on their shards, what gateways wait for
 *   LOCKS: a map for each lock that is held
 *   STATS: one map for the node
 *   SHARDS: a map for each shard
 *
 * Lists are cut at ROWS_MAX entries a shard. An answer's entries travel as: u32 size | sort key |
 * u32 size | RESP.
 */
#include "engine/shard/gateway_impl.h"
#include "engine/shard/move.h"
#include "engine/shard/session/server.h"

#include "engine/base/text.h"

enum { ROWS_MAX = 1000, STAT_PAIRS = 37 };

/* ---- Entries ---- */

/* Begins an entry; its RESP is written to `answer->out` next. */
static uint32_t entry_begin(hf_buf *out, hf_bytes sort_key)
{
    hf_buf_bytes(out, sort_key);
    hf_buf_u32(out, 0);
    return out->size;
}

static void entry_end(hf_buf *out, uint32_t at)
{
    if (!out->failed) {
        uint32_t size = out->size - at;
        memcpy(out->data + at - sizeof size, &size, sizeof size);
    }
}

/* A user key as users write it; of other keys their bytes. Which space it is says put_space(). */
static hf_bytes shown_key(hf_bytes key)
{
    return key.size == 0 ? HF_LIT("") : hf_bytes_of(key.data + 1, key.size - 1);
}

static void put_space(hf_buf *out, hf_bytes key)
{
    hf_put_text(out, "space", key.size != 0 && key.data[0] == HF_SPACE_USER ? "user" : "system");
}

/* ---- RANGES ---- */

bool hf_answer__ranges(hf_shard *shard, hf_answer *answer)
{
    uint8_t proto = (uint8_t)answer->ask->value[0];
    for (uint32_t i = 0; i < shard->map.count; i++) {
        const hf_range *range = &shard->map.ranges[i];
        if (range->shard != shard->self) {
            continue;
        }
        hf_bytes end = hf_range_end(&shard->map, i);
        uint8_t space = range->start.size != 0 ? range->start.data[0] : 0;
        bool same =
            end.size != 0 && (end.data[0] == space || (space == 0 && end.data[0] < HF_SPACE_USER));
        uint32_t at = entry_begin(answer->out, range->start);
        hf_resp_map(answer->out, 9, proto);
        put_space(answer->out, range->start);
        hf_put_bytes(answer->out, "start", shown_key(range->start));
        hf_put_bytes(answer->out, "end", same ? shown_key(end) : HF_LIT(""));
        hf_put_number(answer->out, "shard", range->shard);
        hf_put_number(answer->out, "id", (int64_t)range->id);
        hf_put_number(answer->out, "generation", (int64_t)range->generation);
        hf_put_number(answer->out, "moving", range->frozen);
        hf_put_number(answer->out, "operations", (int64_t)range->operations);
        hf_put_number(answer->out, "keys",
                      (int64_t)hf_table_count(shard->table, range->start, end));
        entry_end(answer->out, at);
    }
    return true;
}

/* ---- TXNS ---- */

static const char *stage_name(hf_stage stage)
{
    switch (stage) {
    case HF_STAGE_SPARE:
        return "spare";
    case HF_STAGE_READ:
        return "reading";
    case HF_STAGE_VALIDATE:
        return "validating";
    case HF_STAGE_LOCK:
        return "locking";
    case HF_STAGE_IDLE:
        return "idle";
    case HF_STAGE_PREPARE:
        return "preparing";
    case HF_STAGE_RECORD:
        return "recording";
    }
    HF_UNREACHABLE();
}

static void put_attempt(hf_buf *out, hf_attempt attempt)
{
    hf_buf_reset(out);
    hf_put(out, "%llx-%llx-%u", (unsigned long long)attempt.incarnation,
           (unsigned long long)hf_attempt_seq(attempt), hf_attempt_shard(attempt));
}

static const hf_part *part_of(const hf_lock_txn *locks)
{
    return (const hf_part *)(const void *)((const uint8_t *)locks - offsetof(hf_part, locks));
}

/* One row of TXNS; all have the same columns. */
typedef struct txn_row {
    const char *kind, *state;
    hf_attempt attempt;  /* none: a request that is no transaction of its own yet */
    const hf_item *item; /* NULL: it does not wait here */
    int64_t age_ms;
    int64_t interactive, tries, commands, effects_bytes;
} txn_row;

/* Sorted by attempt: all of one transaction stand together. */
static void put_txn(hf_shard *shard, const txn_row *row, uint8_t proto, hf_buf *out)
{
    uint64_t sort[2] = { __builtin_bswap64(row->attempt.incarnation),
                         __builtin_bswap64(row->attempt.seq_shard) };
    hf_buf *text = &hf_server_of(shard)->text;
    hf_bytes key = HF_LIT("");
    const hf_lock_txn *holder = NULL;
    bool waits = row->item != NULL && hf_lock_blocker(&row->item->waiter, &key, &holder);
    hf_buf_reset(text);
    if (row->attempt.incarnation != 0) {
        put_attempt(text, row->attempt);
    }
    uint32_t at = entry_begin(out, hf_bytes_of(sort, sizeof sort));
    hf_resp_map(out, 12, proto);
    hf_put_text(out, "kind", row->kind);
    hf_put_bytes(out, "attempt", hf_buf_view(text));
    hf_put_number(out, "shard", shard->self);
    hf_put_text(out, "state", row->state);
    hf_put_number(out, "age_ms", row->age_ms);
    hf_put_number(out, "waits", row->item != NULL);
    hf_put_bytes(out, "waits_for", waits ? shown_key(key) : HF_LIT(""));
    hf_buf_reset(text);
    if (holder != NULL) {
        put_attempt(text, part_of(holder)->p.attempt);
    }
    hf_put_bytes(out, "held_by", hf_buf_view(text));
    hf_put_number(out, "interactive", row->interactive);
    hf_put_number(out, "tries", row->tries);
    hf_put_number(out, "commands", row->commands);
    hf_put_number(out, "effects_bytes", row->effects_bytes);
    entry_end(out, at);
}

static void put_part(hf_shard *shard, const hf_part *part, uint8_t proto, hf_buf *out)
{
    txn_row row = { .kind = "part",
                    .state = hf_participant_state_name((hf_participant_state)part->p.state),
                    .attempt = part->p.attempt,
                    .item = part->item,
                    .age_ms = (int64_t)((shard->io->now_ns - part->since_ns) / 1000000),
                    .effects_bytes = part->effects_size };
    put_txn(shard, &row, proto, out);
}

static void put_op(hf_shard *shard, const hf_op *op, uint8_t proto, hf_buf *out)
{
    uint64_t now = shard->io->wall_ns > shard->clock.last ? shard->io->wall_ns : shard->clock.last;
    txn_row row = { .kind = "gateway",
                    .state = stage_name(op->stage),
                    .attempt = op->co.attempt,
                    .age_ms = now > op->age.ts ? (int64_t)((now - op->age.ts) / 1000000) : 0,
                    .interactive = op->interactive,
                    .tries = op->tries,
                    .commands = op->command_count };
    put_txn(shard, &row, proto, out);
}

static uint32_t put_parts(hf_shard *shard, const hf_part_list *list, uint32_t left, uint8_t proto,
                          hf_buf *out)
{
    for (const hf_part *part = list->first; part != NULL && left > 0; part = part->next) {
        hf_participant_state state = (hf_participant_state)part->p.state;
        if (state == HF_PARTICIPANT_ACTIVE || state == HF_PARTICIPANT_QUEUED ||
            hf_participant_undecided(&part->p)) {
            put_part(shard, part, proto, out);
            left--;
        }
    }
    return left;
}

typedef struct requests {
    hf_shard *shard;
    hf_buf *out;
    uint32_t left;
    uint8_t proto;
} requests;

/* Who waits and is no part of a transaction: a request of one shard. */
static void put_request(void *context, const hf_lock_waiter *waiter)
{
    requests *r = context;
    const hf_item *item = (const hf_item *)(const void *)waiter;
    if (item->part != NULL || r->left == 0) {
        return;
    }
    r->left--;
    txn_row row = { .kind = "request",
                    .state = "queued",
                    .item = item,
                    .age_ms = (int64_t)((r->shard->io->now_ns - item->since_ns) / 1000000) };
    put_txn(r->shard, &row, r->proto, r->out);
}

bool hf_answer__txns(hf_shard *shard, hf_answer *answer)
{
    uint8_t proto = (uint8_t)answer->ask->value[0];
    uint32_t left = ROWS_MAX;
    for (uint32_t i = 0; i < shard->op_count && left > 0; i++) {
        if (shard->ops[i].stage != HF_STAGE_SPARE) {
            put_op(shard, &shard->ops[i], proto, answer->out);
            left--;
        }
    }
    for (uint16_t i = 0; i < shard->count; i++) {
        left = put_parts(shard, &shard->lists[i], left, proto, answer->out);
    }
    left = put_parts(shard, &shard->old, left, proto, answer->out);
    requests r = { shard, answer->out, left, proto };
    hf_lock_table_show_waiters(shard->locks, put_request, &r);
    return true;
}

/* ---- LOCKS ---- */

typedef struct locks {
    hf_shard *shard;
    hf_buf *out;
    uint32_t left;
    uint8_t proto;
} locks;

static void show_lock(void *context, hf_bytes key, hf_bytes end, bool is_range, hf_lock_mode mode,
                      const hf_lock_txn *holder, uint32_t waiters)
{
    static const char *const modes[HF_LOCK_MODES] = {
        [HF_LOCK_S] = "shared", [HF_LOCK_E] = "escrow", [HF_LOCK_X] = "exclusive"
    };
    locks *l = context;
    if (l->left == 0) {
        return;
    }
    l->left--;
    const hf_part *part = holder == NULL ? NULL : part_of(holder);
    hf_buf *text = &hf_server_of(l->shard)->text;
    hf_buf_reset(text);
    if (part != NULL) {
        put_attempt(text, part->p.attempt);
    }
    uint32_t at = entry_begin(l->out, key);
    hf_resp_map(l->out, 9, l->proto);
    hf_put_number(l->out, "shard", l->shard->self);
    put_space(l->out, key);
    hf_put_bytes(l->out, "key", shown_key(key));
    hf_put_bytes(l->out, "end", is_range ? shown_key(end) : HF_LIT(""));
    hf_put_number(l->out, "range", is_range);
    hf_put_text(l->out, "mode", modes[mode]);
    hf_put_bytes(l->out, "attempt", hf_buf_view(text));
    hf_put_number(l->out, "prepared", holder != NULL && holder->prepared);
    hf_put_number(l->out, "waiters", waiters);
    entry_end(l->out, at);
}

bool hf_answer__locks(hf_shard *shard, hf_answer *answer)
{
    locks l = { .shard = shard,
                .out = answer->out,
                .left = ROWS_MAX,
                .proto = (uint8_t)answer->ask->value[0] };
    hf_lock_table_show(shard->locks, show_lock, &l);
    return true;
}

/* ---- Lists of all shards, in the order of their keys ---- */

static void finish_rows(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_buf *list = &hf_server_of(shard)->text;
    hf_buf_reset(list);
    for (uint16_t i = 0; i < shard->count; i++) {
        hf_reader r = hf_reader_of(hf_buf_view(&gather->answers[i]));
        while (hf_reader_left(&r) > 0) {
            hf_bytes key = hf_read_bytes(&r);
            (void)hf_read_bytes(&r);
            hf_buf_raw(list, &key, sizeof key);
        }
        HF_ASSERT(!r.bad);
    }
    reply->failed = reply->failed || list->failed;
    if (reply->failed) {
        return;
    }
    hf_bytes *keys = (hf_bytes *)(void *)list->data;
    uint32_t count = list->size / (uint32_t)sizeof *keys;
    hf_word_sort(keys, count);
    hf_resp_array(reply, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size; /* the entry's RESP stands behind its key */
        memcpy(&size, keys[i].data + keys[i].size, sizeof size);
        hf_buf_raw(reply, keys[i].data + keys[i].size + sizeof size, size);
    }
}

/* ---- STATS and SHARDS ---- */

static void put_stats(hf_buf *out, const hf_sample *s, uint8_t proto)
{
    hf_resp_map(out, STAT_PAIRS, proto);
    hf_put_number(out, "ready", s->shard.ready);
    hf_put_number(out, "uptime_ms", (int64_t)(s->up_ns / 1000000));
    hf_put_number(out, "commands", (int64_t)s->commands);
    hf_put_number(out, "commands_per_second", (int64_t)s->rate);
    hf_put_number(out, "errors", (int64_t)s->errors);
    hf_put_number(out, "transactions", (int64_t)s->shard.txns);
    hf_put_number(out, "one_phase", (int64_t)s->shard.one_phase);
    hf_put_number(out, "two_phase", (int64_t)s->shard.two_phase);
    hf_put_number(out, "conflicts", (int64_t)s->shard.conflicts);
    hf_put_number(out, "refused", (int64_t)s->shard.refused);
    hf_put_number(out, "prepared", (int64_t)s->shard.prepared);
    hf_put_number(out, "waiting", (int64_t)s->shard.waiting);
    hf_put_number(out, "held", (int64_t)s->shard.held);
    hf_put_number(out, "locks", (int64_t)s->locks);
    hf_put_number(out, "ranges", (int64_t)s->ranges);
    hf_put_number(out, "keys", (int64_t)s->shard.keys);
    hf_put_number(out, "versions", (int64_t)s->shard.versions);
    hf_put_number(out, "value_bytes", (int64_t)s->shard.value_bytes);
    hf_put_number(out, "memory_used", (int64_t)s->shard.memory_used);
    hf_put_number(out, "memory_size", (int64_t)s->shard.memory_size);
    hf_put_number(out, "clients", (int64_t)s->clients);
    hf_put_number(out, "connections_total", (int64_t)s->shard.connections_total);
    hf_put_number(out, "subscribers", (int64_t)s->subscribers);
    hf_put_number(out, "bytes_in", (int64_t)s->bytes_in);
    hf_put_number(out, "bytes_out", (int64_t)s->bytes_out);
    hf_put_number(out, "log_records", (int64_t)s->shard.log_records);
    hf_put_number(out, "log_flushes", (int64_t)s->shard.log_batches);
    hf_put_number(out, "log_bytes_written", (int64_t)s->shard.log_written);
    hf_put_number(out, "log_kept_bytes", (int64_t)s->log_kept_bytes);
    hf_put_number(out, "log_unflushed_bytes", (int64_t)s->shard.log_lag_bytes);
    hf_put_number(out, "flush_ns_max", (int64_t)s->flush_ns_max);
    hf_put_number(out, "checkpoints", (int64_t)s->shard.checkpoints);
    hf_put_number(out, "checkpoint_failures", (int64_t)s->shard.checkpoint_failures);
    hf_put_number(out, "last_checkpoint_unix", (int64_t)(s->last_save_ns / 1000000000));
    hf_put_number(out, "recovered_records", (int64_t)s->shard.recovered_records);
    hf_put_number(out, "expired_keys", (int64_t)s->shard.expired_keys);
    hf_put_number(out, "no_space", s->shard.no_space);
}

static void finish_stats(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_sample sum;
    memset(&sum, 0, sizeof sum);
    for (uint16_t i = 0; i < shard->count; i++) {
        hf_sample__merge(&sum, hf_sample__of(gather, i));
    }
    put_stats(reply, &sum, gather->proto);
}

static void finish_shards(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_resp_array(reply, shard->count);
    for (uint16_t i = 0; i < shard->count; i++) {
        put_stats(reply, hf_sample__of(gather, i), gather->proto);
    }
}

/* ---- The command ---- */

/* SPLIT key | MOVE key shard */
static bool change_ranges(hf_shard *shard, hf_conn *conn, const hf_bytes *args, bool move)
{
    uint64_t to = 0;
    if (args[2].size > HF_KEY_SIZE_MAX) {
        return hf_word_error(shard, conn, "TOOBIG a key is at most 4096 bytes");
    }
    if (shard->boot != HF_BOOT_READY) {
        return hf_word_error(shard, conn, "LOADING Holdfast is loading the dataset in memory");
    }
    if (move && (hf_text_u64(args[3], &to) != HF_OK || to >= shard->count)) {
        return hf_word_errorf(shard, conn, "ERR no such shard; they are 0 to %u",
                              shard->count - 1u);
    }
    hf_ticket ticket = hf_conn__ticket(conn);
    bool started = move ? hf_move__move(shard, ticket, args[2], (uint16_t)to)
                        : hf_move__split(shard, ticket, args[2]);
    if (!started) {
        return hf_word_error(shard, conn, "OOM no memory to ask the owner of the range");
    }
    hf_conn__open(shard, conn, false);
    return true;
}

static void finish_checkpoint(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    (void)shard;
    if (gather->value[0] != 0) {
        hf_resp_error(reply, "ERR the checkpoint failed");
    } else {
        hf_resp_simple(reply, "OK");
    }
}

bool hf_session__hf_admin(hf_shard *shard, hf_conn *conn, const hf_command *command,
                          const hf_bytes *args, uint32_t argc)
{
    static const char *const help[] = {
        "SPLIT <key>",
        "    Split the range that holds <key>; <key> begins the new one.",
        "MOVE <key> <shard>",
        "    Move the range that holds <key> to another shard.",
        "CHECKPOINT",
        "    Write a checkpoint on every shard and wait for it.",
        "RANGES",
        "    Return the ranges and where they are.",
        "TXNS",
        "    Return the transactions under way.",
        "LOCKS",
        "    Return the locks that are held.",
        "STATS",
        "    Return counters of the node.",
        "SHARDS",
        "    Return counters of each shard.",
    };
    hf_bytes sub = args[1];
    bool move = hf_word_is(sub, "MOVE");
    hf_question q = { .value = { conn->proto }, .finish = finish_rows };
    if (move || hf_word_is(sub, "SPLIT")) {
        return argc == (move ? 4 : 3) ? change_ranges(shard, conn, args, move)
                                      : hf_word_arity(shard, conn, command, sub);
    }
    if (hf_word_is(sub, "HELP") && argc == 2) {
        return hf_word_help(shard, conn, command, help, sizeof help / sizeof help[0]);
    }
    if (hf_word_is(sub, "RANGES")) {
        q.ask = HF_ASK_RANGES;
    } else if (hf_word_is(sub, "TXNS")) {
        q.ask = HF_ASK_TXNS;
    } else if (hf_word_is(sub, "LOCKS")) {
        q.ask = HF_ASK_LOCKS;
    } else if (hf_word_is(sub, "STATS") || hf_word_is(sub, "SHARDS")) {
        q = (hf_question){ .ask = HF_ASK_STATS,
                           .finish = hf_word_is(sub, "STATS") ? finish_stats : finish_shards };
    } else if (hf_word_is(sub, "CHECKPOINT")) {
        q = (hf_question){ .ask = HF_ASK_SAVE, .finish = finish_checkpoint };
    } else {
        return hf_word_unknown(shard, conn, command, sub);
    }
    return argc == 2 ? hf_gather__start(shard, conn, &q) : hf_word_arity(shard, conn, command, sub);
}
