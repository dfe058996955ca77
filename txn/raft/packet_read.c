/* Reading packets: nothing is believed but what a machine says. */
#include "engine/base/assert.h"
#include "txn/raft/packet_impl.h"

/* Numbers that grow by one at a time never come here: sums of them do not wrap. */
#define MOST (UINT64_MAX >> 2)

static hf_err refuse(hf_raft_reader *r, hf_err err, const char *what)
{
    r->what = what;
    r->left.bad = true;
    return err;
}

static hf_err corrupt(hf_raft_reader *r, const char *what)
{
    return refuse(r, HF_E_CORRUPT, what);
}

hf_err hf_raft_reader_open(hf_raft_reader *r, hf_bytes packet, uint32_t from, uint32_t to)
{
    *r = (hf_raft_reader){ .left = hf_reader_of(packet), .from = from, .to = to };
    uint32_t format = hf_read_u16(&r->left);
    uint32_t zero = hf_read_u16(&r->left);
    uint32_t said_from = hf_read_u32(&r->left);
    uint32_t said_to = hf_read_u32(&r->left);
    r->count = hf_read_u32(&r->left);
    if (r->left.bad) {
        return corrupt(r, "a packet without its head");
    }
    if (format != HF_RAFT_PACKET_FORMAT) {
        return refuse(r, HF_E_VERSION, "a packet of another format");
    }
    if (said_from != from || said_to != to) {
        return refuse(r, HF_E_INVALID, "a packet of or for another node");
    }
    if (zero != 0 || r->count == 0 || r->count > packet.size / HF_RAFT_RECORD_HEAD) {
        return corrupt(r, "a packet's head that cannot be");
    }
    return HF_OK;
}

hf_err hf_raft_reader_next(hf_raft_reader *r, hf_raft_record *record)
{
    if (r->left.bad) {
        return HF_E_CORRUPT; /* as was said */
    }
    if (r->count == 0) {
        return hf_reader_left(&r->left) == 0 ? HF_E_NOTFOUND : corrupt(r, "bytes behind a packet");
    }
    const uint8_t *start = r->left.at;
    record->kind = hf_read_u8(&r->left);
    (void)hf_read_u8(&r->left);
    (void)hf_read_u16(&r->left);
    uint32_t size = hf_read_u32(&r->left);
    record->group = hf_read_u64(&r->left);
    (void)hf_read_lent(&r->left, size);
    if (r->left.bad) {
        return corrupt(r, "a record longer than its packet");
    }
    record->is_liveness =
        record->kind == HF_RAFT_PACKET_HEARTBEAT || record->kind == HF_RAFT_PACKET_SUPPORT;
    if (record->kind >= HF_RAFT__KINDS && !record->is_liveness) {
        return refuse(r, HF_E_NOTSUPPORTED, "a kind of message that is not known here");
    }
    record->bytes = hf_bytes_of(start, HF_RAFT_RECORD_HEAD + (size_t)size);
    r->count--;
    return HF_OK;
}

/* ---- Liveness ---- */

static hf_err read_liveness(hf_raft_reader *r, const hf_raft_record *record, hf_reader *in,
                            uint32_t flags, uint32_t fields, hf_liveness_message *m)
{
    bool support = record->kind == HF_RAFT_PACKET_SUPPORT;
    *m = (hf_liveness_message){ .from = r->from,
                                .to = r->to,
                                .kind = support ? HF_LIVENESS_SUPPORT : HF_LIVENESS_HEARTBEAT };
    m->start = hf_read_u32(in);
    m->asker = hf_read_u32(in);
    m->round = hf_read_u32(in);
    uint32_t zero = hf_read_u32(in);
    m->sent = hf_read_u64(in);
    m->epoch = hf_read_u64(in);
    if (in->bad || in->at != in->end || flags != 0 || fields != 0 || record->group != 0 ||
        zero != 0) {
        return corrupt(r, "liveness of another shape");
    }
    /* Epochs are named by the start of the one who keeps them. */
    bool whose = support ? m->asker != 0 && m->epoch >> 32 == m->start && (uint32_t)m->epoch != 0
                         : m->asker == 0 && m->epoch == 0;
    return m->start != 0 && m->sent <= MOST && whose ? HF_OK
                                                     : corrupt(r, "liveness that cannot be");
}

/* ---- Messages ---- */

/* A place in a log: index 0 is before its first entry, and has term 0. */
static bool is_place(uint64_t index, uint64_t log_term, uint64_t term)
{
    return (index == 0) == (log_term == 0) && log_term <= term;
}

/* What holds of all messages of a kind. */
static bool can_be(const hf_raft_message *m)
{
    bool reject = (m->flags & HF_RAFT_REJECT) != 0;
    bool lost = (m->flags & HF_RAFT_HAS_LOST) != 0;
    switch ((hf_raft_message_kind)m->kind) {
    case HF_RAFT_PREVOTE:
    case HF_RAFT_VOTE:
        return is_place(m->index, m->log_term, m->term) && m->log_term < m->term;
    case HF_RAFT_PREVOTE_REPLY:
    case HF_RAFT_VOTE_REPLY:
        return m->term != 0 || reject;
    case HF_RAFT_APPEND:
        return is_place(m->index, m->log_term, m->term) && m->last >= m->index && m->term != 0 &&
               (m->nonce == 0) == (m->whole_at == 0);
    case HF_RAFT_APPEND_REPLY:
        return lost == (m->nonce != 0) && m->term != 0 &&
               (reject ? is_place(m->index, m->log_term, m->term)
                       : m->last == 0 && m->log_term == 0);
    case HF_RAFT_BEAT_REPLY:
        return lost == (m->nonce != 0) && m->term != 0;
    case HF_RAFT_SNAPSHOT_REPLY:
        return lost == (m->nonce != 0) && m->index != 0 && is_place(m->index, m->log_term, m->term);
    case HF_RAFT_SNAPSHOT:
        return m->index != 0 && is_place(m->index, m->log_term, m->term);
    case HF_RAFT_BEAT:
    case HF_RAFT_CAMPAIGN:
    case HF_RAFT_RELEASE:
        return m->term != 0;
    case HF_RAFT_READ_AT:
        return m->term != 0 && m->read != 0;
    case HF_RAFT_READ_AT_REPLY:
        return m->term != 0 && m->read != 0 && reject == (m->index == 0);
    }
    return false;
}

static hf_err read_members(hf_raft_reader *r, hf_bytes bytes, hf_raft_config *config)
{
    return hf_raft_config_read(bytes, config) == HF_OK ? HF_OK
                                                       : corrupt(r, "members that cannot be");
}

static hf_err read_entry(hf_raft_reader *r, hf_reader *in, uint64_t least, uint64_t most,
                         hf_raft_said *said)
{
    hf_raft_entry *e = &said->entry[said->entry_count];
    hf_raft_config *config = &said->config[said->entry_count];
    e->term = hf_read_u64(in);
    e->kind = hf_read_u32(in);
    e->config = NULL;
    uint32_t size = hf_read_u32(in);
    hf_bytes payload = hf_read_lent(in, size);
    if (in->bad) {
        return corrupt(r, "an entry longer than its message");
    }
    if (e->term < least || e->term > most || e->term == 0) {
        return corrupt(r, "terms that do not grow");
    }
    said->payload[said->entry_count++] = payload;
    switch (e->kind) {
    case HF_RAFT_DATA:
        return HF_OK;
    case HF_RAFT_NOOP:
        return size == 0 ? HF_OK : corrupt(r, "an empty entry that is not");
    case HF_RAFT_CONFIG:
        e->config = config;
        return read_members(r, payload, config);
    default:
        return refuse(r, HF_E_NOTSUPPORTED, "a kind of entry that is not known here");
    }
}

static hf_err read_entries(hf_raft_reader *r, hf_reader *in, hf_raft_said *said)
{
    const hf_raft_message *m = &said->message;
    uint64_t least = m->log_term;
    if (m->last - m->index > HF_RAFT_ENTRIES_MAX) {
        return refuse(r, HF_E_TOOBIG, "more entries than a message may have");
    }
    for (uint64_t i = 0; i < m->last - m->index; i++) {
        hf_err err = read_entry(r, in, least, m->term, said);
        if (err != HF_OK) {
            return err;
        }
        least = said->entry[i].term;
    }
    return HF_OK;
}

static hf_err read_piece(hf_raft_reader *r, hf_reader *in, hf_raft_said *said)
{
    hf_raft_message *m = &said->message;
    if ((m->flags & HF_RAFT_DONE) != 0) {
        uint32_t count = 0;
        if (hf_reader_left(in) >= sizeof count) {
            memcpy(&count, in->at, sizeof count);
        }
        count = count <= HF_RAFT_MEMBERS_MAX ? count : 0; /* so that it is refused */
        hf_err err = read_members(r, hf_read_lent(in, 4 + 8 * count), &said->config[0]);
        if (err != HF_OK) {
            return err;
        }
        m->config = &said->config[0];
    }
    m->size = hf_reader_left(in);
    said->piece = hf_read_lent(in, (uint32_t)m->size);
    return m->size != 0 || (m->flags & HF_RAFT_DONE) != 0 ? HF_OK : corrupt(r, "an empty piece");
}

static hf_err read_message(hf_raft_reader *r, const hf_raft_record *record, hf_reader *in,
                           uint32_t flags, uint32_t fields, hf_raft_said *said)
{
    const hf_raft__shape *shape = &hf_raft__shapes[record->kind];
    hf_raft_message *m = &said->message;
    *m = (hf_raft_message){
        .kind = (uint8_t)record->kind, .flags = (uint8_t)flags, .from = r->from, .to = r->to
    };
    if ((flags & ~(uint32_t)shape->flags) != 0 || (fields & ~(uint32_t)shape->fields) != 0) {
        return corrupt(r, "a flag or field that this kind of message has not");
    }
    for (uint32_t i = 0; i < HF_RAFT_FIELDS; i++) {
        if ((fields >> i & 1) == 0) {
            continue;
        }
        uint64_t value = hf_read_u64(in);
        bool name = (1u << i & (HF_RAFT__F_EPOCH | HF_RAFT__F_NONCE | HF_RAFT__F_READ)) != 0;
        if (value == 0 || (value > MOST && !name)) {
            return corrupt(r, "a field cut off, empty or out of range");
        }
        *hf_raft__field(m, i) = value;
    }
    if (!can_be(m)) {
        return corrupt(r, "a message that nobody sends");
    }
    hf_err err = HF_OK;
    if (m->kind == HF_RAFT_APPEND) {
        err = read_entries(r, in, said);
    } else if (m->kind == HF_RAFT_SNAPSHOT) {
        err = read_piece(r, in, said);
    }
    return err == HF_OK && in->at != in->end ? corrupt(r, "bytes behind a message") : err;
}

hf_err hf_raft_record_read(hf_raft_reader *r, const hf_raft_record *record, hf_raft_said *said)
{
    hf_reader in = hf_reader_of(record->bytes);
    said->entry_count = 0;
    said->piece = hf_bytes_of(NULL, 0);
    (void)hf_read_u8(&in);
    uint32_t flags = hf_read_u8(&in);
    uint32_t fields = hf_read_u16(&in);
    (void)hf_read_u32(&in);
    (void)hf_read_u64(&in);
    HF_ASSERT(!in.bad); /* hf_raft_reader_next() saw to it */
    return record->is_liveness ? read_liveness(r, record, &in, flags, fields, &said->liveness)
                               : read_message(r, record, &in, flags, fields, said);
}
