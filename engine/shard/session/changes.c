/* HF.CHANGES prefix FROM token [COUNT n] [BLOCK ms]: what changed, in commit order over the whole
 * node.
 *
 * Each shard keeps its newest changes in 4 MiB of memory, from the first HF.CHANGES on that it
 * sees: which key, what kind of change, the commit timestamp; no values, which a reader fetches by
 * itself. A shard's changes are resolved up to R when none at or below R can come any more: R is
 * below every prepared transaction that is not decided here and below every change that is not on
 * disk yet, and the shard's clock is past it. A page ends at the smallest R of all shards (or where
 * the count ends, but never between two changes of one timestamp), so it holds each transaction
 * whole, or not at all, and the token is that timestamp.
 *
 * A token that the memory of some shard does not reach back to any more (too many changes since, or
 * a restart) is answered -EXPIRED: the reader reads its keys anew and goes on from NOW.
 *
 * Reply: [token, [[timestamp, kind, key], ...]]; kind: put, delete, fields, expire, add.
 * An entry in memory, and on its way: u64 timestamp | u64 position | u8 op | u32 size, key. In the
 * shard's memory the position is the log's; on its way it is the order in which the shard applied
 * it.
 */
#include "engine/shard/session/changes.h"

#include "engine/base/text.h"

enum { COUNT_DEFAULT = 1000, COUNT_MAX = 10000, BLOCK_MS_MAX = 3600000, WAITERS_MAX = 1024 };
static const uint64_t poll_ns = 5000000;

/* ---- Questions and entries as bytes ---- */

static void put_ask(hf_buf *out, const hf_changes_ask *ask)
{
    hf_buf_u64(out, ask->from);
    hf_buf_u64(out, ask->until_ns);
    hf_buf_u32(out, ask->count);
    hf_buf_u8(out, ask->step);
    hf_buf_raw(out, ask->prefix.data, ask->prefix.size);
}

hf_changes_ask hf_changes__read_ask(hf_bytes body)
{
    hf_reader r = hf_reader_of(body);
    hf_changes_ask ask = { .from = hf_read_u64(&r), .until_ns = hf_read_u64(&r) };
    ask.count = hf_read_u32(&r);
    ask.step = hf_read_u8(&r);
    ask.prefix = hf_read_lent(&r, hf_reader_left(&r));
    HF_ASSERT(!r.bad);
    return ask;
}

hf_changes_entry hf_changes__read_entry(hf_reader *r)
{
    hf_changes_entry e = { .ts = hf_read_u64(r), .position = hf_read_u64(r) };
    e.op = hf_read_u8(r);
    e.key = hf_read_bytes(r);
    HF_ASSERT(!r->bad);
    return e;
}

/* ---- The asker ---- */

static const char *op_name(uint8_t op)
{
    switch ((hf_mutation_op)op) {
    case HF_MUTATION_PUT_STRING:
    case HF_MUTATION_PUT_INT:
    case HF_MUTATION_PUT_RECORD:
        return "put";
    case HF_MUTATION_DELETE:
        return "delete";
    case HF_MUTATION_FIELDS:
        return "fields";
    case HF_MUTATION_EXPIRE:
        return "expire";
    case HF_MUTATION_ADD:
        return "add";
    }
    HF_UNREACHABLE();
}

static void put_token(hf_buf *out, uint64_t ts)
{
    char text[32];
    uint32_t size = 0;
    text[size++] = 'c';
    for (int shift = 60; shift >= 0; shift -= 4) {
        text[size++] = "0123456789abcdef"[ts >> shift & 15];
    }
    hf_resp_bulk(out, hf_bytes_of(text, size));
}

static bool read_token(hf_bytes text, uint64_t *ts)
{
    if (text.size != 17 || text.data[0] != 'c') {
        return false;
    }
    *ts = 0;
    for (uint32_t i = 1; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'f')) {
            return false;
        }
        *ts = *ts << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    return true;
}

/* The shard whose next entry is the oldest of those up to `bound`; count: none. */
static uint16_t next_of(const hf_shard *shard, const hf_reader *readers, uint64_t bound,
                        uint64_t *ts)
{
    uint16_t best = shard->count;
    for (uint16_t i = 0; i < shard->count; i++) {
        if (hf_reader_left(&readers[i]) > 0) {
            hf_reader peek = readers[i];
            uint64_t at = __builtin_bswap64(hf_read_u64(&peek));
            if (at <= bound && (best == shard->count || at < *ts)) {
                best = i;
                *ts = at;
            }
        }
    }
    return best;
}

/* Writes the entries of all shards, merged; answers the new token's timestamp. */
static uint64_t merge(hf_shard *shard, hf_gather *gather, const hf_changes_ask *ask, hf_buf *out,
                      uint32_t *count)
{
    hf_reader readers[HF_SHARDS_MAX];
    uint64_t bound = UINT64_MAX;
    for (uint16_t i = 0; i < shard->count; i++) {
        readers[i] = hf_reader_of(hf_buf_view(&gather->answers[i]));
        uint64_t whole = hf_read_u64(&readers[i]);
        bound = whole < bound ? whole : bound;
    }
    uint64_t last = 0;
    uint64_t ts = 0;
    for (uint16_t i; (i = next_of(shard, readers, bound, &ts)) != shard->count;) {
        if (*count >= ask->count && ts != last) {
            return last;
        }
        hf_changes_entry e = hf_changes__read_entry(&readers[i]);
        hf_resp_array(out, 3);
        hf_resp_integer(out, (int64_t)ts);
        hf_resp_bulk(out, hf_word_of(op_name(e.op)));
        hf_resp_bulk(out, e.key);
        (*count)++;
        last = ts;
    }
    return bound;
}

/* A question that found nothing waits for the next look. False: too many do. */
static bool wait_on(hf_shard *shard, const hf_gather *gather, uint64_t pause_ns)
{
    hf_server *server = hf_server_of(shard);
    uint32_t size = gather->keep.size;
    hf_changes_wait *wait = server->changes_waiting < WAITERS_MAX
                                ? hf_heap_take(shard->heap, sizeof *wait + size)
                                : NULL;
    if (wait == NULL) {
        return false;
    }
    *wait = (hf_changes_wait){ .next = server->changes_waits,
                               .ticket = gather->ticket,
                               .again_ns = shard->io->now_ns + pause_ns,
                               .proto = gather->proto,
                               .size = size };
    memcpy(wait->body, gather->keep.data, size);
    server->changes_waits = wait;
    server->changes_waiting++;
    return true;
}

/* Until a token that is not covered yet is looked at again: not at once, since a page may be long
 * and the disk slow, and long before the horizon that is on its way to the disk is passed. */
static uint64_t soon_ns(const hf_shard *shard)
{
    enum { PART = 16 };
    uint64_t part = shard->config.clock_ahead_ns / PART;
    return part < poll_ns ? part : poll_ns;
}

/* A token that may not be told yet: the question is asked again. */
static void put_reply(hf_shard *shard, hf_gather *gather, hf_buf *reply, uint64_t token,
                      uint32_t count, const hf_buf *entries)
{
    hf_horizon_says says = hf_horizon__covers(shard, token);
    if (says == HF_HORIZON_SOON && wait_on(shard, gather, soon_ns(shard))) {
        gather->put_off = true;
        return;
    }
    if (says != HF_HORIZON_YES) {
        hf_resp_error(reply, says == HF_HORIZON_NO ? HF_HORIZON_FULL : "BUSY too many wait");
        return;
    }
    hf_resp_array(reply, 2);
    put_token(reply, token);
    hf_resp_array(reply, count);
    hf_buf_raw(reply, entries->data, entries->size);
    reply->failed = reply->failed || entries->failed;
}

/* FROM NOW, first step: every shard takes notes from now on at the latest. The token is the latest
 * of their clocks; the second step brings all clocks past it and waits until nothing below it is
 * undecided. */
static void finish_begin(hf_shard *shard, hf_gather *gather, hf_changes_ask *ask, hf_buf *reply)
{
    ask->from = 0;
    ask->step = HF_CHANGES_SETTLE;
    for (uint16_t i = 0; i < shard->count; i++) {
        uint64_t now;
        memcpy(&now, gather->answers[i].data, sizeof now);
        ask->from = now > ask->from ? now : ask->from;
    }
    hf_buf *body = &hf_server_of(shard)->text;
    hf_buf_reset(body);
    put_ask(body, ask);
    hf_buf_reset(&gather->keep);
    hf_buf_raw(&gather->keep, body->data, body->size);
    gather->put_off = !gather->keep.failed && wait_on(shard, gather, 0);
    reply->failed = !gather->put_off;
}

static void finish(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    hf_changes_ask ask = hf_changes__read_ask(hf_buf_view(&gather->keep));
    hf_buf *entries = &hf_server_of(shard)->text;
    uint32_t count = 0;
    hf_buf_reset(entries);
    if (gather->value[0] != 0) {
        hf_resp_error(reply, "EXPIRED the token is older than the changes that are kept");
        return;
    }
    if (ask.step == HF_CHANGES_BEGIN) {
        finish_begin(shard, gather, &ask, reply);
        return;
    }
    if (ask.step == HF_CHANGES_SETTLE) {
        put_reply(shard, gather, reply, ask.from, 0, entries);
        return;
    }
    uint64_t token = merge(shard, gather, &ask, entries, &count);
    token = token < ask.from ? ask.from : token;
    const hf_conn *conn = hf_conn__find(shard, gather->ticket.place);
    bool wants = conn != NULL && !conn->ended; /* who sends no more may be gone: not waited for */
    if (count == 0 && shard->io->now_ns < ask.until_ns && !shard->stopping && wants &&
        wait_on(shard, gather, poll_ns)) {
        gather->put_off = true;
        return;
    }
    put_reply(shard, gather, reply, token, count, entries);
    hf_buf_trim(entries, HF_KEEP_BYTES);
}

static hf_question question(hf_bytes body)
{
    return (hf_question){ .ask = HF_ASK_CHANGES, .body = body, .keep = body, .finish = finish };
}

/* Asks again for those whose time has come; drops those whose client is gone. */
uint64_t hf_changes__turn(hf_shard *shard)
{
    hf_server *server = hf_server_of(shard);
    uint64_t due = UINT64_MAX;
    hf_changes_wait **at = &server->changes_waits;
    while (*at != NULL) {
        hf_changes_wait *wait = *at;
        hf_bytes body = hf_bytes_of(wait->body, wait->size);
        bool gone = hf_conn__find(shard, wait->ticket.place) == NULL;
        bool ripe = shard->io->now_ns >= wait->again_ns || shard->stopping;
        hf_question q = question(body);
        if (!gone && !(ripe && hf_gather__again(shard, wait->ticket, wait->proto, &q))) {
            due = wait->again_ns < due ? wait->again_ns : due;
            at = &wait->next;
            continue;
        }
        *at = wait->next;
        server->changes_waiting--;
        hf_heap_give(shard->heap, wait);
    }
    return due;
}

typedef struct options {
    uint64_t count, block_ms;
} options;

static bool parse(const hf_bytes *args, uint32_t argc, options *o)
{
    for (uint32_t i = 4; i < argc; i += 2) {
        if (i + 1 == argc) {
            return false;
        }
        uint64_t *to = hf_word_is(args[i], "COUNT")   ? &o->count
                       : hf_word_is(args[i], "BLOCK") ? &o->block_ms
                                                      : NULL;
        if (to == NULL || hf_text_u64(args[i + 1], to) != HF_OK) {
            return false;
        }
    }
    return o->count >= 1 && o->count <= COUNT_MAX && o->block_ms <= BLOCK_MS_MAX;
}

bool hf_session__hf_changes(hf_shard *shard, hf_conn *conn, const hf_command *command,
                            const hf_bytes *args, uint32_t argc)
{
    options o = { .count = COUNT_DEFAULT };
    uint64_t from = 0;
    bool now = hf_word_is(args[3], "NOW");
    (void)command;
    if (!hf_word_is(args[2], "FROM") || !parse(args, argc, &o)) {
        return hf_word_error(shard, conn,
                             "ERR syntax error: prefix FROM token [COUNT 1 to 10000] [BLOCK 0 to "
                             "3600000]");
    }
    if (!now && !read_token(args[3], &from)) {
        return hf_word_error(shard, conn, "ERR a token is NOW or what HF.CHANGES answered before");
    }
    switch (hf_horizon__knows(shard, &conn->round, from, 0)) {
    case HF_HORIZON_SOON:
        return false;
    case HF_HORIZON_NO:
        return hf_word_error(shard, conn, "ERR the token lies in the future");
    case HF_HORIZON_YES:
        break;
    }
    if (args[1].size > HF_KEY_SIZE_MAX) {
        return hf_word_error(shard, conn, "TOOBIG a key is at most 4096 bytes");
    }
    if (conn->op != UINT32_MAX) {
        return hf_word_error(shard, conn, "ERR HF.CHANGES inside an interactive transaction");
    }
    hf_changes_ask ask = {
        .from = now ? 0 : from,
        .until_ns = o.block_ms == 0 ? 0 : shard->io->now_ns + o.block_ms * 1000000,
        .count = (uint32_t)o.count,
        .step = now ? HF_CHANGES_BEGIN : HF_CHANGES_READ,
        .prefix = args[1],
    };
    hf_buf *body = &hf_server_of(shard)->body;
    hf_buf_reset(body);
    put_ask(body, &ask);
    hf_question q = question(hf_buf_view(body));
    return body->failed ? hf_word_error(shard, conn, "OOM no memory for the request")
                        : hf_gather__start(shard, conn, &q);
}
