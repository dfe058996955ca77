/* What one write of a group is in the log, and a group in a checkpoint.
 *
 *   0 u8 format=1 | 1 u8 flags | 2 u16 0 | 4 u32 vote | 8 u64 term | 16 u64 nonce
 *   24 u64 snapshot's index | 32 u64 its term | 40 u64 first | 48 u64 last
 *   with a snapshot: its members (txn/raft/packet.h)
 *   each entry first..last: u64 term | u32 kind | u32 size | bytes
 *
 * Without HARD term, vote and nonce are 0 and say nothing; without INSTALL the snapshot. The log
 * from `first` on is what follows; first > last: it ends before `first`. GONE: nothing is left but
 * the term.
 */
#include "txn/groups/groups_impl.h"

enum {
    FORMAT = 1,
    HEAD = 56,
    ALL = HF_GROUPS__HARD | HF_GROUPS__INSTALL | HF_GROUPS__WHOLE | HF_GROUPS__GONE
};
_Static_assert((int)HEAD <= (int)HF_GROUPS__RECORD_HEAD, "there is room for it");

static void write_head(hf_writer *w, const hf_groups__record *record)
{
    bool hard = (record->flags & HF_GROUPS__HARD) != 0;
    bool install = (record->flags & HF_GROUPS__INSTALL) != 0;
    hf_write_u8(w, FORMAT);
    hf_write_u8(w, (uint8_t)record->flags);
    hf_write_u16(w, 0);
    hf_write_u32(w, hard ? record->vote : 0);
    hf_write_u64(w, hard ? record->term : 0);
    hf_write_u64(w, hard ? record->nonce : 0);
    hf_write_u64(w, install ? record->index : 0);
    hf_write_u64(w, install ? record->log_term : 0);
    hf_write_u64(w, record->first);
    hf_write_u64(w, record->last);
    if (install) {
        hf_raft_config_write(w, record->config);
    }
}

static void write_entry(hf_writer *w, const hf_groups__entry *e)
{
    hf_write_u64(w, e->term);
    hf_write_u32(w, e->kind);
    hf_write_u32(w, e->size);
}

uint32_t hf_groups__record_write(const hf_groups__record *record, const hf_groups__log *log,
                                 uint8_t *heads, uint32_t heads_size, hf_bytes *parts)
{
    hf_writer w = { heads, heads + heads_size, false };
    uint32_t count = 0;
    const uint8_t *from = heads;
    write_head(&w, record);
    for (uint64_t i = record->first; i <= record->last; i++) {
        const hf_groups__entry *e = hf_groups__at(log, i);
        write_entry(&w, e);
        if (e->size != 0) {
            parts[count++] = hf_bytes_of(from, (size_t)(w.at - from));
            parts[count++] = hf_bytes_of(e->block->bytes, e->size);
            from = w.at;
        }
    }
    HF_ASSERT(!w.full);
    if (w.at != from) {
        parts[count++] = hf_bytes_of(from, (size_t)(w.at - from));
    }
    return count;
}

/* ---- Reading: before the start ---- */

typedef struct heading {
    uint32_t flags, vote;
    uint64_t term, nonce, index, log_term, first, last;
    hf_raft_config config;
} heading;

static hf_err read_head(hf_reader *r, heading *h)
{
    if (hf_read_u8(r) != FORMAT) {
        return r->bad ? HF_E_CORRUPT : HF_E_VERSION;
    }
    h->flags = hf_read_u8(r);
    bool padded = hf_read_u16(r) == 0;
    h->vote = hf_read_u32(r);
    h->term = hf_read_u64(r);
    h->nonce = hf_read_u64(r);
    h->index = hf_read_u64(r);
    h->log_term = hf_read_u64(r);
    h->first = hf_read_u64(r);
    h->last = hf_read_u64(r);
    if (r->bad || !padded || (h->flags & ~(uint32_t)ALL) != 0) {
        return HF_E_CORRUPT;
    }
    if ((h->flags & HF_GROUPS__INSTALL) != 0) {
        uint32_t count = hf_reader_left(r) < 4 ? 0 : r->at[0];
        hf_bytes members = hf_read_lent(r, 4 + 8 * count);
        return r->bad ? HF_E_CORRUPT : hf_raft_config_read(members, &h->config);
    }
    return HF_OK;
}

static hf_err read_entry(hf_groups *gs, hf_groups__group *g, hf_reader *r)
{
    hf_groups__entry e = { .term = hf_read_u64(r), .kind = hf_read_u32(r), .size = hf_read_u32(r) };
    hf_bytes bytes = hf_read_lent(r, e.size);
    uint64_t before = hf_groups__term_at(&g->log, hf_groups__last(&g->log));
    hf_raft_config config;
    if (r->bad || e.term < before || e.term > g->disk.term || e.kind > HF_RAFT_CONFIG ||
        (e.kind == HF_RAFT_NOOP && e.size != 0) || e.size > gs->config.entry_bytes_max ||
        (e.kind == HF_RAFT_CONFIG && hf_raft_config_read(bytes, &config) != HF_OK)) {
        return HF_E_CORRUPT;
    }
    if (!hf_groups__log_reserve(gs, &g->log, 1)) {
        return HF_E_NOMEM;
    }
    if (e.size != 0) {
        e.block = hf_groups__block_of(gs, bytes);
        if (e.block == NULL) {
            return HF_E_NOMEM;
        }
    }
    hf_groups__log_push(gs, &g->log, e);
    return HF_OK;
}

/* The log up to before `first` stays, which it must have. */
static hf_err take_place(hf_groups *gs, hf_groups__group *g, const heading *h)
{
    hf_groups__log *log = &g->log;
    bool whole = (h->flags & HF_GROUPS__WHOLE) != 0;
    if (whole && hf_groups__last(log) != 0) {
        return HF_E_CORRUPT; /* all of it is to be first */
    }
    if ((h->flags & HF_GROUPS__INSTALL) != 0) {
        bool keeps = !whole && h->last > h->index;
        if (h->index < log->base || h->log_term > g->disk.term ||
            (h->index == 0) != (h->log_term == 0) ||
            (keeps && (h->index >= hf_groups__last(log) ||
                       hf_groups__at(log, h->index + 1)->term < h->log_term))) {
            return HF_E_CORRUPT;
        }
        if (!keeps) {
            hf_groups__log_cut(gs, log, log->base);
        }
        hf_groups__log_drop(gs, log, h->index, h->log_term, &h->config);
        g->applied = h->index;
    }
    if (h->first <= log->base || h->first > hf_groups__last(log) + 1 || h->last + 1 < h->first) {
        return HF_E_CORRUPT;
    }
    hf_groups__log_cut(gs, log, h->first - 1);
    return HF_OK;
}

static hf_err take_record(hf_groups *gs, hf_groups__group *g, hf_reader *r, const heading *h)
{
    if ((h->flags & HF_GROUPS__HARD) != 0) {
        if (h->term < g->disk.term) {
            return HF_E_CORRUPT; /* terms only grow */
        }
        g->disk.term = h->term;
        g->disk.vote = h->vote;
        g->disk.nonce = h->nonce;
    }
    hf_err err = take_place(gs, g, h);
    for (uint64_t i = h->first; i <= h->last && err == HF_OK; i++) {
        err = read_entry(gs, g, r);
    }
    hf_groups__give_all(gs);
    return err == HF_OK && hf_reader_left(r) != 0 ? HF_E_CORRUPT : err;
}

static hf_err group_of(hf_groups *gs, uint64_t id, const heading *h, hf_groups__group **group)
{
    *group = hf_groups__find(gs, id);
    if (*group != NULL) {
        return HF_OK;
    }
    const uint64_t *term = hf_map_find(&gs->gone, hf_id_of(id));
    if ((h->flags & HF_GROUPS__WHOLE) == 0 || (term != NULL && h->term < *term)) {
        return HF_E_CORRUPT; /* nothing of a group before its first */
    }
    hf_err err = hf_groups__make(gs, id, group);
    if (err == HF_OK) {
        (void)hf_map_drop(&gs->gone, hf_id_of(id));
    }
    return err;
}

static hf_err take_gone(hf_groups *gs, uint64_t id, const hf_reader *r, const heading *h)
{
    hf_groups__group *g = hf_groups__find(gs, id);
    if (h->flags != (HF_GROUPS__HARD | HF_GROUPS__GONE) || hf_reader_left(r) != 0 ||
        (g != NULL && h->term < g->disk.term)) {
        return HF_E_CORRUPT;
    }
    hf_err err = hf_map_put(&gs->gone, hf_id_of(id), h->term);
    if (err == HF_OK && g != NULL) {
        hf_groups__free(gs, g);
    }
    return err;
}

hf_err hf_groups_replay(hf_groups *gs, uint64_t id, hf_bytes record)
{
    HF_PRE(!gs->started);
    hf_reader r = hf_reader_of(record);
    heading h;
    hf_groups__group *g;
    hf_err err = read_head(&r, &h);
    if (err == HF_OK && (h.flags & HF_GROUPS__GONE) != 0) {
        return take_gone(gs, id, &r, &h);
    }
    if (err == HF_OK) {
        err = group_of(gs, id, &h, &g);
    }
    return err == HF_OK ? take_record(gs, g, &r, &h) : err;
}

/* ---- A group as it is ---- */

static bool save_gone(const hf_groups *gs, uint64_t id, hf_buf *out)
{
    const uint64_t *term = hf_map_find(&gs->gone, hf_id_of(id));
    HF_PRE(term != NULL);
    uint8_t bytes[HF_GROUPS__RECORD_HEAD];
    hf_writer w = { bytes, bytes + sizeof bytes, false };
    hf_groups__record record = hf_groups__gone_record(*term);
    write_head(&w, &record);
    hf_buf_raw(out, bytes, (uint32_t)(w.at - bytes));
    return !out->failed;
}

bool hf_groups_save(const hf_groups *gs, uint64_t id, hf_buf *out)
{
    const hf_groups__group *g = hf_groups__find(gs, id);
    if (g == NULL) {
        return save_gone(gs, id, out);
    }
    const hf_groups__log *log = &g->log;
    uint64_t last = hf_groups__last(log); /* also what waits for its quorum */
    hf_raft_config members = hf_groups__members_at(log, g->applied);
    uint8_t bytes[HF_GROUPS__RECORD_HEAD + HF_RAFT_CONFIG_SIZE_MAX];
    hf_writer w = { bytes, bytes + sizeof bytes, false };
    write_head(
        &w, &(hf_groups__record){ .flags = HF_GROUPS__HARD | HF_GROUPS__INSTALL | HF_GROUPS__WHOLE,
                                  .vote = g->disk.vote,
                                  .term = g->disk.term,
                                  .nonce = g->disk.nonce,
                                  .index = g->applied,
                                  .log_term = hf_groups__term_at(log, g->applied),
                                  .config = &members,
                                  .first = g->applied + 1,
                                  .last = last });
    hf_buf_raw(out, bytes, (uint32_t)(w.at - bytes));
    for (uint64_t i = g->applied + 1; i <= last; i++) {
        const hf_groups__entry *e = hf_groups__at(log, i);
        w.at = bytes;
        write_entry(&w, e);
        hf_buf_raw(out, bytes, HF_RAFT_ENTRY_HEAD);
        hf_buf_raw(out, e->size != 0 ? e->block->bytes : bytes, e->size);
    }
    HF_ASSERT(!w.full);
    return !out->failed;
}
