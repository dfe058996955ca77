/* A shard's memory of its newest changes, and its pages of them; what for, is said in
 * session/changes.c. */
#include "engine/shard/changes.h"
#include "engine/shard/session/changes.h"

enum { CHUNKS = 64, CHUNK = 64 * 1024, ENTRY_HEAD = 8 + 8 + 1 + 4 };
_Static_assert(ENTRY_HEAD + HF_KEY_SIZE_MAX < CHUNK, "an entry fits into a chunk");

typedef struct chunk {
    uint32_t size, count;
    uint64_t min_ts, max_ts;
    uint64_t position; /* the newest of its log positions; 0: none has one */
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
        at->position = lsn > at->position ? lsn : at->position;
        at->size += ENTRY_HEAD + key.size;
        at->count++;
    }
}

/* ---- What is resolved ---- */

/* The notes whose records are not durable are the newest ones: log positions ascend, but for those
 * of transactions over several shards, which were durable before they were applied (position 0). A
 * chunk that has only such says nothing of those before it. */
static uint64_t below_volatile(const hf_shard *shard, const hf_changes *c, uint64_t ts)
{
    uint64_t durable = hf_log_durable(shard->log);
    uint64_t oldest = c->made > CHUNKS ? c->made - CHUNKS : 0;
    for (uint64_t k = c->made; k > oldest; k--) {
        const chunk *at = &c->chunks[(k - 1) % CHUNKS];
        if (at->position != 0 && at->position <= durable) {
            break;
        }
        if (at->position == 0) {
            continue;
        }
        hf_reader r = hf_reader_of(hf_bytes_of(c->bytes[at - c->chunks], at->size));
        while (hf_reader_left(&r) > 0) {
            hf_changes_entry e = hf_changes__read_entry(&r);
            if (e.position > durable && e.ts <= ts) {
                ts = e.ts - 1;
            }
        }
    }
    return ts;
}

static uint64_t resolved(hf_shard *shard, const hf_changes *c)
{
    uint64_t ts = hf_part__oldest_pts(shard, hf_shard__now(shard) + 1) - 1;
    return hf_log_durable(shard->log) == hf_shard__appended(shard) ? ts
                                                                   : below_volatile(shard, c, ts);
}

/* ---- One shard's page ---- */

/* Appends what fits of one chunk: u64 timestamp and u64 position in big-endian first, to be sorted
 * as bytes. */
static void collect(const hf_changes *c, const chunk *at, const hf_changes_ask *ask, uint64_t until,
                    uint64_t durable, uint64_t *order, hf_buf *out)
{
    hf_reader r = hf_reader_of(hf_bytes_of(c->bytes[at - c->chunks], at->size));
    while (hf_reader_left(&r) > 0) {
        hf_changes_entry e = hf_changes__read_entry(&r);
        uint64_t position = (*order)++;
        bool fits = e.ts > ask->from && e.ts <= until && e.key.size >= ask->prefix.size &&
                    hf_bytes_equal(hf_bytes_of(e.key.data, ask->prefix.size), ask->prefix);
        if (fits) {
            HF_ASSERT(e.position <= durable); /* nobody hears of what may still be lost */
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
        count += __builtin_bswap64(hf_changes__read_entry(&r).ts) <= until;
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
        collect(c, at, ask, until, hf_log_durable(shard->log), &order, found);
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
        hf_changes_entry e = hf_changes__read_entry(&r);
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
        uint64_t ts = __builtin_bswap64(hf_changes__read_entry(&one).ts);
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

/* value[0]: 1: the token is too old. Body: u64 whole up to here | entries. */
bool hf_answer__changes(hf_shard *shard, hf_answer *answer)
{
    hf_server *server = hf_server_of(shard);
    hf_changes_ask ask = hf_changes__read_ask(answer->body);
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
        HF_ASSERT(answer->out->size >= sizeof whole && answer->out->data != NULL);
        memcpy(answer->out->data, &whole, sizeof whole);
    }
    return true;
}
