/* SCAN over all shards, in key order.
 *
 * A page is read by the shard that owns the key to go on from, at one moment; the shard that read
 * it keeps what the cursor stands for. Any connection of the node can go on with a cursor: its
 * number says which shard to ask.
 *
 * Guarantee: a key that exists from before the first page is asked for until the last one is
 * answered is returned exactly once; one that comes or goes meanwhile at most once. A page shows
 * every transaction that was acknowledged before the page was asked for: it waits while one is
 * prepared on a key of the page and not yet decided here. It shows nothing that a crash could take
 * back. A page says nothing about the moment of another page.
 *
 * cursor = (number of hf_scan_cursors x shards + shard) << 16 | bits of the node's incarnation: one
 * from before a restart, or forgotten (the longest unused of CURSORS a shard goes first), is
 * refused and never taken for another.
 *
 * Question: u8 has key | u8 type | u8 typed | u8 none | u8 has match | u32 count | u64 cursor | key
 * | match.
 */
#include "engine/shard/session/server.h"
#include "engine/shard/view.h"

enum { CURSORS = 1024, CURSOR_TAG_BITS = 16 };

typedef struct scan_ask {
    bool has_key;
    hf_scan_query query;
    hf_bytes key; /* user key to go on from */
} scan_ask;

static void put_ask(hf_buf *out, const scan_ask *ask)
{
    hf_buf_u8(out, ask->has_key);
    hf_buf_u8(out, (uint8_t)ask->query.type);
    hf_buf_u8(out, ask->query.typed);
    hf_buf_u8(out, ask->query.none);
    hf_buf_u8(out, ask->query.match.data != NULL);
    hf_buf_u32(out, ask->query.count);
    hf_buf_u64(out, ask->query.cursor);
    hf_buf_bytes(out, ask->key);
    hf_buf_bytes(out, ask->query.match);
}

static scan_ask read_ask(hf_bytes body)
{
    hf_reader r = hf_reader_of(body);
    scan_ask ask = { .has_key = hf_read_u8(&r) != 0 };
    ask.query.type = (hf_kind)hf_read_u8(&r);
    ask.query.typed = hf_read_u8(&r) != 0;
    ask.query.none = hf_read_u8(&r) != 0;
    bool match = hf_read_u8(&r) != 0;
    ask.query.count = hf_read_u32(&r);
    ask.query.cursor = hf_read_u64(&r);
    ask.key = hf_read_bytes(&r);
    ask.query.match = hf_read_bytes(&r);
    HF_ASSERT(!r.bad);
    if (!match) {
        ask.query.match = hf_bytes_of(NULL, 0);
    } else if (ask.query.match.data == NULL) {
        ask.query.match = HF_LIT("");
    }
    return ask;
}

bool hf_scan__open(hf_shard *shard)
{
    void *at = hf_heap_take(shard->heap, hf_scan_cursors_size(CURSORS));
    if (at == NULL) {
        return false;
    }
    hf_server_of(shard)->cursors = hf_scan_cursors_open(at, CURSORS, shard->heap);
    return true;
}

/* ---- Cursors ---- */

static uint64_t tag_of(const hf_shard *shard)
{
    /* The incarnation is a timestamp: its low bits are the least predictable. */
    return (shard->incarnation ^ shard->incarnation >> 20) & ((1u << CURSOR_TAG_BITS) - 1);
}

static uint64_t cursor_put(hf_shard *shard, hf_bytes key)
{
    uint64_t number = hf_scan_cursors_put(hf_server_of(shard)->cursors, key, 0);
    return number == 0 ? 0
                       : (number * shard->count + shard->self) << CURSOR_TAG_BITS | tag_of(shard);
}

/* False: from before a restart, or nonsense. */
static bool cursor_home(const hf_shard *shard, uint64_t cursor, uint16_t *home)
{
    uint64_t number = cursor >> CURSOR_TAG_BITS;
    *home = (uint16_t)(number % shard->count);
    return (cursor & ((1u << CURSOR_TAG_BITS) - 1)) == tag_of(shard) && number >= shard->count;
}

static bool cursor_get(hf_shard *shard, uint64_t cursor, hf_bytes *key)
{
    uint64_t word;
    uint64_t number = (cursor >> CURSOR_TAG_BITS) / shard->count;
    return hf_scan_cursors_get(hf_server_of(shard)->cursors, number, key, &word);
}

/* ---- The shard that has the keys ---- */

static const char forgotten[] = "-ERR invalid cursor: it was forgotten; start again with 0\r\n";

static bool refuse(hf_answer *answer, hf_bytes error)
{
    answer->value[0] = UINT64_MAX;
    hf_buf_reset(answer->out);
    hf_buf_raw(answer->out, error.data, error.size);
    return true;
}

static bool pass_on(hf_shard *shard, hf_answer *answer, uint16_t to, const scan_ask *ask)
{
    hf_buf_reset(answer->out);
    put_ask(answer->out, ask);
    answer->done = !answer->out->failed &&
                   hf_gather__forward(shard, answer->ask, to, hf_buf_view(answer->out));
    hf_buf_reset(answer->out);
    answer->failed = !answer->done;
    return true;
}

/* The user keys of the page: from the key on to the end of what this shard owns in one piece. */
typedef struct piece {
    hf_internal_key start;
    hf_bytes end; /* internal; empty or beyond the user space: to the last key */
    bool last;
} piece;

static void piece_at(const hf_shard *shard, uint32_t range, piece *p)
{
    while (range + 1 < shard->map.count && shard->map.ranges[range + 1].shard == shard->self &&
           !shard->map.ranges[range + 1].frozen) {
        range++;
    }
    p->end = hf_range_end(&shard->map, range);
    p->last = p->end.size == 0 || p->end.data[0] > HF_SPACE_USER;
    p->end = p->last ? hf_bytes_of(NULL, 0) : p->end;
}

/* Whether an undecided transaction may change what the page showed. */
static bool settled(hf_shard *shard, const piece *p, hf_bytes next)
{
    static const uint8_t space_end[] = { HF_SPACE_USER + 1 };
    hf_internal_key until;
    hf_lock *at;
    if (hf_lock_table_idle(shard->locks)) {
        return true;
    }
    hf_bytes end = p->last ? hf_bytes_of(space_end, 1) : p->end;
    if (next.data != NULL) {
        end = hf_internal_key_set(&until, next);
    }
    return hf_lock_range_free_at(shard->locks, hf_bytes_of(p->start.data, p->start.size), end,
                                 UINT64_MAX, &at);
}

static bool too_late(const hf_shard *shard, const hf_answer *answer)
{
    return answer->ask->since_ns != 0 &&
           shard->io->now_ns - answer->ask->since_ns > shard->config.lock_wait_ns;
}

static const char deadline[] = "-DEADLINE waited too long for another transaction\r\n";
static const char full[] = "-" HF_HORIZON_FULL "\r\n";

/* What the page leaves out as gone by its time alone stays gone after a restart: see view.c. False:
 * the log has no room now; the page is read again later, unless it was refused. */
static bool keep_time(hf_shard *shard, hf_answer *answer, uint64_t ts, bool *refused)
{
    hf_err err = shard->view_expired ? hf_horizon__cover(shard, ts, &answer->lsn) : HF_OK;
    *refused = err == HF_E_NOSPACE && refuse(answer, hf_bytes_of(full, sizeof full - 1));
    return err == HF_OK;
}

/* Reads the page. False: later. */
static bool read_page(hf_shard *shard, hf_answer *answer, const scan_ask *ask, uint32_t range)
{
    piece p;
    hf_buf *next = &hf_server_of(shard)->text;
    uint32_t found = 0;
    hf_view view;
    (void)hf_internal_key_set(&p.start, ask->key);
    piece_at(shard, range, &p);
    hf_bytes end = p.last ? hf_bytes_of(NULL, 0) : hf_bytes_of(p.end.data + 1, p.end.size - 1);
    hf_buf_reset(next);
    hf_view__open(shard, &view, HF_TS_MAX, hf_shard__now(shard), 2);
    shard->view_many = false;
    bool more = hf_command_scan_page(&view, &ask->query, ask->key, end, answer->out, &found, next);
    hf_bytes from = more ? hf_buf_view(next) : end;
    if (!settled(shard, &p, more ? from : hf_bytes_of(NULL, 0))) {
        return too_late(shard, answer) ? refuse(answer, hf_bytes_of(deadline, sizeof deadline - 1))
                                       : false;
    }
    bool refused;
    answer->lsn = shard->view_lsn;
    if (!keep_time(shard, answer, view.ts, &refused)) {
        return refused;
    }
    answer->value[1] = found;
    if (more || !p.last) {
        answer->value[0] = cursor_put(shard, from);
        answer->failed = answer->value[0] == 0 || next->failed;
    }
    return true;
}

bool hf_answer__scan(hf_shard *shard, hf_answer *answer)
{
    scan_ask ask = read_ask(answer->body);
    hf_internal_key key;
    if (shard->boot != HF_BOOT_READY) {
        return false; /* this core will be ready soon */
    }
    if (!ask.has_key) {
        if (!cursor_get(shard, ask.query.cursor, &ask.key)) {
            return refuse(answer, hf_bytes_of(forgotten, sizeof forgotten - 1));
        }
        ask.has_key = true;
    }
    uint32_t range = hf_range_find(&shard->map, hf_internal_key_set(&key, ask.key));
    if (shard->map.ranges[range].shard != shard->self) {
        return pass_on(shard, answer, shard->map.ranges[range].shard, &ask);
    }
    if (shard->map.ranges[range].frozen) {
        return too_late(shard, answer) &&
               refuse(answer, hf_bytes_of(deadline, sizeof deadline - 1));
    }
    return read_page(shard, answer, &ask, range);
}

/* ---- The command ---- */

static void finish_scan(hf_shard *shard, hf_gather *gather, hf_buf *reply)
{
    static const hf_buf empty = { 0 };
    const hf_buf *page = &empty;
    for (uint16_t i = 0; i < shard->count; i++) {
        page = gather->answers[i].size != 0 ? &gather->answers[i] : page;
    }
    if (gather->value[0] == UINT64_MAX) {
        hf_buf_raw(reply, page->data, page->size);
    } else {
        hf_scan_reply(reply, gather->value[0], (uint32_t)gather->value[1], page);
    }
}

bool hf_session__scan(hf_shard *shard, hf_conn *conn, const hf_command *command,
                      const hf_bytes *args, uint32_t argc)
{
    (void)command;
    hf_buf *error = &shard->session->error;
    scan_ask ask = { .key = HF_LIT("") };
    uint16_t to = 0;
    hf_buf_reset(error);
    if (conn->op != UINT32_MAX) {
        return hf_word_error(
            shard, conn, "ERR SCAN inside an interactive transaction; HF.RANGE is a part of it");
    }
    if (!hf_scan_parse(args, argc, &ask.query, error)) {
        return hf_word_reply(shard, conn, hf_buf_view(error));
    }
    if (conn->multi_open != 0) {
        return false; /* this connection's own writes come first */
    }
    if (ask.query.cursor == 0) {
        hf_internal_key key;
        ask.has_key = true;
        to =
            shard->map.ranges[hf_range_find(&shard->map, hf_internal_key_set(&key, ask.key))].shard;
    } else if (!cursor_home(shard, ask.query.cursor, &to)) {
        hf_buf *out = hf_conn__reply(shard, conn);
        hf_buf_raw(out, forgotten, sizeof forgotten - 1);
        hf_conn__done(shard, conn);
        return true;
    }
    hf_buf *body = &hf_server_of(shard)->body;
    hf_buf_reset(body);
    put_ask(body, &ask);
    hf_question q = { .ask = HF_ASK_SCAN,
                      .to_one = true,
                      .to = to,
                      .body = hf_buf_view(body),
                      .finish = finish_scan };
    return body->failed ? hf_word_error(shard, conn, "OOM no memory for the request")
                        : hf_gather__start(shard, conn, &q);
}
