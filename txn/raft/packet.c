/* Writing packets, and the members in bytes. */
#include "txn/raft/packet.h"
#include "engine/base/assert.h"
#include "txn/raft/packet_impl.h"
#include "txn/raft/raft_impl.h"

/* ---- Members ---- */

static uint32_t config_size(const hf_raft_config *config)
{
    return 4 + 8 * (uint32_t)config->count;
}

void hf_raft_config_write(hf_writer *w, const hf_raft_config *config)
{
    HF_PRE(hf_raft__possible(config));
    hf_write_u32(w, config->count);
    for (uint32_t i = 0; i < config->count; i++) {
        hf_write_u32(w, config->node[i]);
        hf_write_u32(w, config->role[i]);
    }
}

hf_err hf_raft_config_read(hf_bytes bytes, hf_raft_config *config)
{
    hf_reader r = hf_reader_of(bytes);
    memset(config, 0, sizeof *config);
    uint32_t count = hf_read_u32(&r);
    if (r.bad || count > HF_RAFT_MEMBERS_MAX || bytes.size != 4 + 8 * count) {
        return HF_E_CORRUPT;
    }
    config->count = (uint8_t)count;
    for (uint32_t i = 0; i < count; i++) {
        config->node[i] = hf_read_u32(&r);
        uint32_t role = hf_read_u32(&r);
        if (role > UINT8_MAX) {
            return HF_E_CORRUPT;
        }
        config->role[i] = (uint8_t)role;
    }
    return hf_raft__possible(config) ? HF_OK : HF_E_CORRUPT;
}

/* ---- Fields ---- */

/* clang-format off */
#define F(field) HF_RAFT__F_##field
const hf_raft__shape hf_raft__shapes[] = {
    [HF_RAFT_PREVOTE]        = { F(TERM) | F(INDEX) | F(LOG_TERM), 0 },
    [HF_RAFT_PREVOTE_REPLY]  = { F(TERM), HF_RAFT_REJECT },
    [HF_RAFT_VOTE]           = { F(TERM) | F(INDEX) | F(LOG_TERM), HF_RAFT_TRANSFER },
    [HF_RAFT_VOTE_REPLY]     = { F(TERM), HF_RAFT_REJECT },
    [HF_RAFT_APPEND]         = { F(TERM) | F(INDEX) | F(LOG_TERM) | F(LAST) | F(COMMIT) | F(READ) |
                                     F(NONCE) | F(WHOLE_AT), 0 },
    [HF_RAFT_APPEND_REPLY]   = { F(TERM) | F(INDEX) | F(LOG_TERM) | F(LAST) | F(COMMIT) | F(READ) |
                                     F(EPOCH) | F(NONCE), HF_RAFT_REJECT | HF_RAFT_HAS_LOST },
    [HF_RAFT_BEAT]           = { F(TERM) | F(COMMIT) | F(READ), 0 },
    [HF_RAFT_BEAT_REPLY]     = { F(TERM) | F(COMMIT) | F(READ) | F(EPOCH) | F(NONCE),
                                 HF_RAFT_HAS_LOST },
    [HF_RAFT_SNAPSHOT]       = { F(TERM) | F(INDEX) | F(LOG_TERM) | F(COMMIT) | F(READ) | F(OFFSET),
                                 HF_RAFT_DONE },
    [HF_RAFT_SNAPSHOT_REPLY] = { F(TERM) | F(INDEX) | F(LOG_TERM) | F(COMMIT) | F(READ) | F(EPOCH) |
                                     F(OFFSET) | F(NONCE), HF_RAFT_HAS_LOST },
    [HF_RAFT_CAMPAIGN]       = { F(TERM), 0 },
    [HF_RAFT_RELEASE]        = { F(TERM), 0 },
    [HF_RAFT_READ_AT]        = { F(TERM) | F(READ), 0 },
    [HF_RAFT_READ_AT_REPLY]  = { F(TERM) | F(INDEX) | F(READ), HF_RAFT_REJECT },
};
#undef F
/* clang-format on */
_Static_assert(sizeof hf_raft__shapes / sizeof hf_raft__shapes[0] == HF_RAFT__KINDS,
               "one shape for each kind");

uint64_t *hf_raft__field(hf_raft_message *m, uint32_t field)
{
    uint64_t *const fields[HF_RAFT_FIELDS] = { &m->term,   &m->index,   &m->log_term, &m->last,
                                               &m->commit, &m->read,    &m->epoch,    &m->offset,
                                               &m->nonce,  &m->whole_at };
    return fields[field];
}

/* ---- Writing ---- */

static bool goes_on(const hf_bytes *part, const uint8_t *at)
{
    return part->data + part->size == at;
}

static uint8_t *begin_heads(hf_raft_packet *p, uint32_t size)
{
    uint8_t *at = p->heads + p->heads_used;
    HF_ASSERT(p->heads_size - p->heads_used >= size && p->size_max - p->size >= size);
    if (p->part_count != 0 && goes_on(&p->part[p->part_count - 1], at)) {
        p->part[p->part_count - 1].size += size;
    } else {
        HF_ASSERT(p->part_count < p->part_max);
        p->part[p->part_count++] = hf_bytes_of(at, size);
    }
    p->heads_used += size;
    p->size += size;
    return at;
}

static void lend(hf_raft_packet *p, hf_bytes payload)
{
    if (payload.size != 0) {
        HF_ASSERT(p->part_count < p->part_max && p->size_max - p->size >= payload.size);
        p->part[p->part_count++] = payload;
        p->size += payload.size;
    }
}

void hf_raft_packet_begin(hf_raft_packet *p, void *heads, uint32_t heads_size, hf_bytes *parts,
                          uint32_t part_max, uint32_t size_max, uint32_t from, uint32_t to)
{
    HF_PRE(heads_size >= HF_RAFT_PACKET_HEAD && part_max != 0 && size_max >= HF_RAFT_PACKET_HEAD);
    HF_PRE(from != 0 && to != 0 && from != to);
    *p = (hf_raft_packet){ .heads = heads,
                           .heads_size = heads_size,
                           .part = parts,
                           .part_max = part_max,
                           .size_max = size_max };
    hf_writer w = { begin_heads(p, HF_RAFT_PACKET_HEAD), p->heads + HF_RAFT_PACKET_HEAD, false };
    hf_write_u16(&w, HF_RAFT_PACKET_FORMAT);
    hf_write_u16(&w, 0);
    hf_write_u32(&w, from);
    hf_write_u32(&w, to);
    hf_write_u32(&w, 0);
    HF_POST(!w.full && w.at == w.end);
}

/* What one record takes. */
typedef struct need {
    uint64_t size;  /* behind the record's head */
    uint64_t heads; /* ... of them, and the record's head */
    uint32_t parts;
} need;

static bool has_room(const hf_raft_packet *p, const need *n)
{
    return n->heads <= p->heads_size - p->heads_used && n->parts <= p->part_max - p->part_count &&
           n->size + HF_RAFT_RECORD_HEAD <= p->size_max - p->size;
}

static bool is_from_and_to(const hf_raft_packet *p, uint32_t from, uint32_t to)
{
    uint32_t ends[2];
    memcpy(ends, p->heads + 4, sizeof ends);
    return ends[0] == from && ends[1] == to;
}

static uint32_t entry_size(const hf_raft_entry *e, const hf_bytes *payload)
{
    switch ((hf_raft_entry_kind)e->kind) {
    case HF_RAFT_DATA:
        return payload->size;
    case HF_RAFT_NOOP:
        return 0;
    case HF_RAFT_CONFIG:
        return config_size(e->config);
    }
    HF_UNREACHABLE();
}

static uint32_t fields_of(const hf_raft_message *m)
{
    hf_raft_message message = *m;
    uint32_t fields = 0;
    for (uint32_t i = 0; i < HF_RAFT_FIELDS; i++) {
        fields |= (uint32_t)(*hf_raft__field(&message, i) != 0) << i;
    }
    HF_POST((fields & ~hf_raft__shapes[m->kind].fields) == 0);
    return fields;
}

static need need_of(const hf_raft_message *m, uint32_t fields, const hf_raft_entry *entries,
                    const hf_bytes *payloads)
{
    need n = { .size = 8 * (uint64_t)__builtin_popcount(fields), .parts = 1 };
    n.heads = HF_RAFT_RECORD_HEAD + n.size;
    for (uint64_t i = 0; m->kind == HF_RAFT_APPEND && i < m->last - m->index; i++) {
        uint32_t size = entry_size(&entries[i], &payloads[i]);
        bool by_reference = entries[i].kind == HF_RAFT_DATA && size != 0;
        n.size += HF_RAFT_ENTRY_HEAD + (uint64_t)size;
        n.heads += HF_RAFT_ENTRY_HEAD + (by_reference ? 0 : size);
        n.parts += by_reference ? 2 : 0;
    }
    if (m->kind == HF_RAFT_SNAPSHOT) {
        uint32_t members = (m->flags & HF_RAFT_DONE) != 0 ? config_size(m->config) : 0;
        n.size += members + (uint64_t)payloads->size;
        n.heads += members;
        n.parts++;
    }
    return n;
}

static void write_config(hf_raft_packet *p, const hf_raft_config *config)
{
    uint32_t size = config_size(config);
    uint8_t *at = begin_heads(p, size);
    hf_writer w = { at, at + size, false };
    hf_raft_config_write(&w, config);
    HF_POST(!w.full && w.at == w.end);
}

static void write_record(hf_raft_packet *p, uint32_t kind, uint32_t flags, uint32_t fields,
                         uint64_t size, uint64_t group)
{
    uint8_t *at = begin_heads(p, HF_RAFT_RECORD_HEAD);
    hf_writer w = { at, at + HF_RAFT_RECORD_HEAD, false };
    hf_write_u8(&w, (uint8_t)kind);
    hf_write_u8(&w, (uint8_t)flags);
    hf_write_u16(&w, (uint16_t)fields);
    hf_write_u32(&w, (uint32_t)size);
    hf_write_u64(&w, group);
    HF_POST(!w.full && w.at == w.end);
    p->count++;
}

static void write_entry(hf_raft_packet *p, const hf_raft_entry *e, const hf_bytes *payload)
{
    uint32_t size = entry_size(e, payload);
    uint8_t *at = begin_heads(p, HF_RAFT_ENTRY_HEAD);
    hf_writer w = { at, at + HF_RAFT_ENTRY_HEAD, false };
    hf_write_u64(&w, e->term);
    hf_write_u32(&w, e->kind);
    hf_write_u32(&w, size);
    HF_POST(!w.full && w.at == w.end);
    if (e->kind == HF_RAFT_DATA) {
        lend(p, *payload);
    } else if (e->kind == HF_RAFT_CONFIG) {
        write_config(p, e->config);
    }
}

bool hf_raft_packet_add(hf_raft_packet *p, uint64_t group, const hf_raft_message *m,
                        const hf_raft_entry *entries, const hf_bytes *payloads)
{
    HF_PRE(m->kind < HF_RAFT__KINDS && is_from_and_to(p, m->from, m->to));
    HF_PRE((m->flags & ~hf_raft__shapes[m->kind].flags) == 0);
    HF_PRE(m->kind != HF_RAFT_APPEND ||
           (m->last >= m->index && m->last - m->index <= HF_RAFT_ENTRIES_MAX));
    HF_PRE(m->kind != HF_RAFT_SNAPSHOT || m->size == payloads->size);
    uint32_t fields = fields_of(m);
    need n = need_of(m, fields, entries, payloads);
    if (!has_room(p, &n)) {
        return false;
    }
    write_record(p, m->kind, m->flags, fields, n.size, group);
    hf_raft_message message = *m;
    for (uint32_t i = 0; i < HF_RAFT_FIELDS; i++) {
        if ((fields >> i & 1) != 0) {
            memcpy(begin_heads(p, 8), hf_raft__field(&message, i), 8);
        }
    }
    for (uint64_t i = 0; m->kind == HF_RAFT_APPEND && i < m->last - m->index; i++) {
        write_entry(p, &entries[i], &payloads[i]);
    }
    if (m->kind == HF_RAFT_SNAPSHOT) {
        if ((m->flags & HF_RAFT_DONE) != 0) {
            write_config(p, m->config);
        }
        lend(p, *payloads);
    }
    return true;
}

bool hf_raft_packet_add_liveness(hf_raft_packet *p, const hf_liveness_message *m)
{
    HF_PRE(is_from_and_to(p, m->from, m->to));
    bool support = m->kind == HF_LIVENESS_SUPPORT;
    need n = { .size = HF_RAFT__LIVENESS_SIZE,
               .heads = HF_RAFT_RECORD_HEAD + HF_RAFT__LIVENESS_SIZE,
               .parts = 1 };
    if (!has_room(p, &n)) {
        return false;
    }
    write_record(p, support ? HF_RAFT_PACKET_SUPPORT : HF_RAFT_PACKET_HEARTBEAT, 0, 0, n.size, 0);
    uint8_t *at = begin_heads(p, HF_RAFT__LIVENESS_SIZE);
    hf_writer w = { at, at + HF_RAFT__LIVENESS_SIZE, false };
    hf_write_u32(&w, m->start);
    hf_write_u32(&w, m->asker);
    hf_write_u32(&w, m->round);
    hf_write_u32(&w, 0);
    hf_write_u64(&w, m->sent);
    hf_write_u64(&w, m->epoch);
    HF_POST(!w.full && w.at == w.end);
    return true;
}

uint32_t hf_raft_packet_end(hf_raft_packet *p)
{
    memcpy(p->heads + 12, &p->count, sizeof p->count);
    return p->count == 0 ? 0 : p->part_count;
}
