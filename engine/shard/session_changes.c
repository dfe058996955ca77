/* HF.CHANGES prefix FROM token [COUNT n] [BLOCK ms]: what changed, in commit order over the whole
 * node.
 *
 * Each shard keeps its newest changes in RING bytes of memory, from the first HF.CHANGES on that it
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
#include "engine/shard/session_changes.h"
#include "engine/shard/changes.h"

#include "engine/base/text.h"

enum {
    CHUNKS = 64,
    CHUNK = 64 * 1024,
    ENTRY_HEAD = 8 + 8 + 1 + 4,
    COUNT_DEFAULT = 1000,
    COUNT_MAX = 10000,
    BLOCK_MS_MAX = 3600000,
    WAITERS_MAX = 1024,
};
static const uint64_t poll_ns = 5000000;
static const uint64_t ahead_ns = 60000000000u; /* more than clocks of cores differ */
_Static_assert(ENTRY_HEAD + HF_KEY_SIZE_MAX < CHUNK, "an entry fits into a chunk");

typedef struct chunk {
    uint32_t size, count;
    uint64_t min_ts, max_ts;
} chunk;

struct hf_changes {
    uint64_t since_ts; /* everything above is here */
    uint64_t made;     /* chunks begun, ever */
    chunk chunks[CHUNKS];
    uint8_t bytes[CHUNKS][CHUNK];
};

/* ---- Taking notes ---- */

static bool begin(hf_shard *shard)
{
    hf_server *server = hf_server_of(shard);
    hf_changes *c = hf_heap_take(shard->heap, sizeof *c);
    if (c == NULL) {
        return false;
    }
    c->since_ts = hf_shard__now(shard);
    c->made = 1;
    memset(c->chunks, 0, sizeof c->chunks);
    server->changes = c;
    return true;
}

static chunk *room_for(hf_changes *c, uint32_t size)
{
    chunk *at = &c->chunks[(c->made - 1) % CHUNKS];
    if (at->size + size > CHUNK) {
        at = &c->chunks[c->made++ % CHUNKS]; /* forgets what the oldest one held */
        c->since_ts = at->max_ts > c->since_ts ? at->max_ts : c->since_ts;
        memset(at, 0, sizeof *at);
    }
    return at;
}

void hf_changes__note(hf_shard *shard, hf_bytes effects, uint64_t ts, uint64_t lsn)
{
    hf_changes *c = hf_server_of(shard)->changes;
    hf_reader reader = hf_reader_of(effects);
    hf_mutation m;
    while (c != NULL && hf_mutation_next(&reader, &m)) {
        if (m.key.data[0] != HF_SPACE_USER) {
            continue;
        }
        hf_bytes key = hf_bytes_of(m.key.data + 1, m.key.size - 1);
        chunk *at = room_for(c, ENTRY_HEAD + key.size);
        uint8_t *start = c->bytes[at - c->chunks] + at->size;
        hf_writer w = { start, start + ENTRY_HEAD + key.size, false };
        hf_write_u64(&w, ts);
        hf_write_u64(&w, lsn);
        hf_write_u8(&w, (uint8_t)m.op);
        hf_write_bytes(&w, key);
        HF_ASSERT(!w.full && w.at == w.end);
        at->min_ts = at->count == 0 || ts < at->min_ts ? ts : at->min_ts;
        at->max_ts = ts > at->max_ts ? ts : at->max_ts;
        at->size += ENTRY_HEAD + key.size;
        at->count++;
    }
}

typedef struct entry {
    uint64_t ts, position;
    uint8_t op;
    hf_bytes key;
} entry;

static entry read_entry(hf_reader *r)
{
    entry e = { .ts = hf_read_u64(r), .position = hf_read_u64(r) };
    e.op = hf_read_u8(r);
    e.key = hf_read_bytes(r);
    HF_ASSERT(!r->bad);
    return e;
}

/* ---- What is resolved ---- */

static uint64_t below_undecided(const hf_part_list *list, uint64_t ts)
{
    for (const hf_part *part = list->first; part != NULL; part = part->next) {
        if (hf_participant_undecided(&part->p) && part->p.pts <= ts) {
            ts = part->p.pts - 1;
        }
    }
    return ts;
}

/* The notes whose records are not durable are the newest ones: log positions ascend, but for those
 * of transactions over several shards, which were durable before they were applied (position 0). */
static uint64_t below_volatile(const hf_shard *shard, const hf_changes *c, uint64_t ts)
{
    uint64_t durable = hf_log_durable(shard->log);
    uint64_t oldest = c->made > CHUNKS ? c->made - CHUNKS : 0;
    for (uint64_t k = c->made; k > oldest; k--) {
        const chunk *at = &c->chunks[(k - 1) % CHUNKS];
        hf_reader r = hf_reader_of(hf_bytes_of(c->bytes[at - c->chunks], at->size));
        bool any = false;
        while (hf_reader_left(&r) > 0) {
            entry e = read_entry(&r);
            if (e.position > durable) {
                any = true;
                ts = e.ts <= ts ? e.ts - 1 : ts;
            }
        }
        if (!any) {
            break;
        }
    }
    return ts;
}

static uint64_t resolved(hf_shard *shard, const hf_changes *c)
{
    uint64_t ts = hf_shard__now(shard);
    for (uint16_t i = 0; i < shard->count; i++) {
        ts = below_undecided(&shard->lists[i], ts);
    }
    ts = below_undecided(&shard->old, ts);
    return hf_log_durable(shard->log) == hf_log_appended(shard->log) ? ts
                                                                     : below_volatile(shard, c, ts);
}

/* ---- One shard's page ---- */

/* Appends what fits of one chunk: u64 timestamp and u64 position in big-endian first, to be sorted
 * as bytes. */
static void collect(const hf_changes *c, const chunk *at, const hf_changes_ask *ask, uint64_t until,
                    uint64_t *order, hf_buf *out)
{
    hf_reader r = hf_reader_of(hf_bytes_of(c->bytes[at - c->chunks], at->size));
    while (hf_reader_left(&r) > 0) {
        entry e = read_entry(&r);
        uint64_t position = (*order)++;
        bool fits = e.ts > ask->from && e.ts <= until && e.key.size >= ask->prefix.size &&
                    hf_bytes_equal(hf_bytes_of(e.key.data, ask->prefix.size), ask->prefix);
        if (fits) {
            hf_buf_u64(out, __builtin_bswap64(e.ts));
            hf_buf_u64(out, __builtin_bswap64(position));
            hf_buf_u8(out, e.op);
            hf_buf_bytes(out, e.key);
        }
    }
}

static uint32_t count_until(hf_bytes collected, uint64_t until)
{
    uint32_t count = 0;
    hf_reader r = hf_reader_of(collected);
    while (hf_reader_left(&r) > 0) {
        count += __builtin_bswap64(read_entry(&r).ts) <= until;
    }
    return count;
}

/* Writes the changes in (ask->from, R] in order, about ask->count of them; answers up to where they
 * are whole. */
static uint64_t put_page(hf_shard *shard, hf_changes *c, const hf_changes_ask *ask, hf_buf *out)
{
    hf_server *server = hf_server_of(shard);
    uint64_t until = resolved(shard, c);
    uint64_t oldest = c->made > CHUNKS ? c->made - CHUNKS : 0;
    uint64_t order = 0;
    hf_buf *found = &server->text;
    hf_buf *list = &server->reply;
    hf_buf_reset(found);
    hf_buf_reset(list);
    for (uint64_t k = oldest; k < c->made; k++) {
        const chunk *at = &c->chunks[k % CHUNKS];
        if (at->count == 0 || at->max_ts <= ask->from || at->min_ts > until) {
            continue;
        }
        collect(c, at, ask, until, &order, found);
        /* What later chunks may hold comes behind this: */
        uint64_t whole = until;
        for (uint64_t later = k + 1; later < c->made; later++) {
            const chunk *l = &c->chunks[later % CHUNKS];
            whole = l->count != 0 && l->min_ts <= whole ? l->min_ts - 1 : whole;
        }
        if (found->failed || count_until(hf_buf_view(found), whole) >= ask->count) {
            until = whole;
            break;
        }
    }
    hf_reader r = hf_reader_of(hf_buf_view(found));
    while (hf_reader_left(&r) > 0) {
        const uint8_t *start = r.at;
        entry e = read_entry(&r);
        hf_bytes item = hf_bytes_of(start, (size_t)(r.at - start));
        if (__builtin_bswap64(e.ts) <= until) {
            hf_buf_raw(list, &item, sizeof item);
        }
    }
    out->failed = out->failed || found->failed || list->failed;
    if (out->failed) {
        return 0;
    }
    hf_bytes *items = (hf_bytes *)(void *)list->data;
    uint32_t count = list->size / (uint32_t)sizeof *items;
    uint64_t last = 0;
    hf_word_sort(items, count);
    for (uint32_t i = 0; i < count; i++) {
        hf_reader one = hf_reader_of(items[i]);
        uint64_t ts = __builtin_bswap64(read_entry(&one).ts);
        if (i >= ask->count && ts != last) {
            until = last; /* cut between two timestamps */
            break;
        }
        last = ts;
        hf_buf_raw(out, items[i].data, items[i].size);
    }
    hf_buf_trim(found, HF_KEEP_BYTES);
    hf_buf_trim(list, HF_KEEP_BYTES);
    return until;
}

static void put_ask(hf_buf *out, const hf_changes_ask *ask)
{
    hf_buf_u64(out, ask->from);
    hf_buf_u64(out, ask->until_ns);
    hf_buf_u32(out, ask->count);
    hf_buf_u8(out, ask->step);
    hf_buf_raw(out, ask->prefix.data, ask->prefix.size);
}

static hf_changes_ask read_ask(hf_bytes body)
{
    hf_reader r = hf_reader_of(body);
    hf_changes_ask ask = { .from = hf_read_u64(&r), .until_ns = hf_read_u64(&r) };
    ask.count = hf_read_u32(&r);
    ask.step = hf_read_u8(&r);
    ask.prefix = hf_read_lent(&r, hf_reader_left(&r));
    HF_ASSERT(!r.bad);
    return ask;
}

/* value[0]: 1: the token is too old. Body: u64 whole up to here | entries. */
bool hf_answer__changes(hf_shard *shard, hf_answer *answer)
{
    hf_server *server = hf_server_of(shard);
    hf_changes_ask ask = read_ask(answer->body);
    if (shard->boot != HF_BOOT_READY) {
        return false;
    }
    if (server->changes == NULL && !begin(shard)) {
        answer->failed = true;
        return true;
    }
    uint64_t whole = 0;
    hf_buf_u64(answer->out, 0);
    switch ((hf_changes_step)ask.step) {
    case HF_CHANGES_BEGIN:
        whole = hf_shard__now(shard);
        break;
    case HF_CHANGES_SETTLE:
        hf_hlc_observe(&shard->clock, ask.from); /* of a shard, not of a client */
        whole = resolved(shard, server->changes);
        if (whole < ask.from && !shard->stopping) {
            return false;
        }
        break;
    case HF_CHANGES_READ:
        if (ask.from < server->changes->since_ts) {
            answer->value[0] = 1;
            return true;
        }
        whole = put_page(shard, server->changes, &ask, answer->out);
        break;
    }
    if (!answer->out->failed) {
        memcpy(answer->out->data, &whole, sizeof whole);
    }
    return true;
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
        entry e = read_entry(&readers[i]);
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

static void put_reply(hf_buf *reply, uint64_t token, uint32_t count, const hf_buf *entries)
{
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
    hf_changes_ask ask = read_ask(hf_buf_view(&gather->keep));
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
        put_reply(reply, ask.from, 0, entries);
        return;
    }
    uint64_t token = merge(shard, gather, &ask, entries, &count);
    token = token < ask.from ? ask.from : token;
    if (count == 0 && shard->io->now_ns < ask.until_ns && !shard->stopping &&
        wait_on(shard, gather, poll_ns)) {
        gather->put_off = true;
        return;
    }
    put_reply(reply, token, count, entries);
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
    if (from > hf_shard__now(shard) + ahead_ns) {
        return hf_word_error(shard, conn, "ERR the token lies in the future");
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
