#include "tests/unit/raft/carry.h"
#include "engine/base/assert.h"
#include "txn/raft/packet.h"

enum { GROUP = 77, BYTES_MAX = 4096 };

static uint8_t heads[HF_RAFT_PACKET_HEADS_MIN];
static hf_bytes parts[HF_RAFT_PACKET_PARTS_MIN];
static hf_raft_said said;

static void put(hf_raft_packet *to, const node_packet *p)
{
    hf_raft_entry entries[NODE_BATCH];
    hf_bytes payloads[NODE_BATCH];
    hf_raft_message m = p->m;
    for (uint32_t i = 0; i < NODE_BATCH; i++) {
        const node_entry *e = &p->entry[i];
        bool members = e->kind == HF_RAFT_CONFIG;
        entries[i] = (hf_raft_entry){ e->term, e->kind, members ? node_config_of(e->value) : NULL };
        payloads[i] = hf_bytes_of(&e->value, sizeof e->value);
    }
    if (m.kind == HF_RAFT_SNAPSHOT) {
        payloads[0] = hf_bytes_of(&p->piece, sizeof p->piece);
        m.size = sizeof p->piece;
        m.config = node_config_of(p->config);
    }
    HF_ASSERT(p->live != 0 ? hf_raft_packet_add_liveness(to, &p->l)
                           : hf_raft_packet_add(to, GROUP, &m, entries, payloads));
}

static void take_entry(node_entry *e, uint32_t i)
{
    *e = (node_entry){ .term = said.entry[i].term, .kind = said.entry[i].kind };
    if (e->kind == HF_RAFT_CONFIG) {
        e->value = node_config(said.entry[i].config);
    } else if (e->kind == HF_RAFT_DATA) {
        HF_ASSERT(said.payload[i].size == sizeof e->value);
        memcpy(&e->value, said.payload[i].data, sizeof e->value);
    }
}

static node_packet taken(const node_packet *sent, const hf_raft_record *record)
{
    node_packet got = *sent; /* with what is not sent: `after`, and how the test counts a piece */
    if (record->is_liveness) {
        got.l = said.liveness;
        return got;
    }
    HF_ASSERT(record->group == GROUP);
    got.m = said.message;
    got.m.after = sent->m.after;
    got.m.size = sent->m.size;
    got.m.config = NULL;
    for (uint32_t i = 0; i < said.entry_count; i++) {
        take_entry(&got.entry[i], i);
    }
    if (got.m.kind == HF_RAFT_SNAPSHOT) {
        HF_ASSERT(said.piece.size == sizeof got.piece);
        memcpy(&got.piece, said.piece.data, sizeof got.piece);
        if ((got.m.flags & HF_RAFT_DONE) != 0) {
            got.config = node_config(said.message.config);
        }
    }
    return got;
}

void carry(const node_packet *p)
{
    static uint8_t bytes[BYTES_MAX];
    uint32_t from = p->live != 0 ? p->l.from : p->m.from;
    uint32_t to = p->live != 0 ? p->l.to : p->m.to;
    hf_raft_packet packet;
    hf_raft_packet_begin(&packet, heads, sizeof heads, parts, HF_RAFT_PACKET_PARTS_MIN, BYTES_MAX,
                         from, to);
    put(&packet, p);
    hf_writer w = { bytes, bytes + sizeof bytes, false };
    for (uint32_t i = 0, count = hf_raft_packet_end(&packet); i < count; i++) {
        hf_write_raw(&w, parts[i].data, parts[i].size);
    }
    HF_ASSERT(!w.full && w.at == bytes + packet.size);
    hf_raft_reader reader;
    hf_raft_record record;
    HF_ASSERT(hf_raft_reader_open(&reader, hf_bytes_of(bytes, packet.size), from, to) == HF_OK);
    HF_ASSERT(hf_raft_reader_next(&reader, &record) == HF_OK);
    HF_ASSERT(hf_raft_record_read(&reader, &record, &said) == HF_OK);
    HF_ASSERT(hf_raft_reader_next(&reader, &record) == HF_E_NOTFOUND);
    node_packet got = taken(p, &record);
    HF_ASSERT(memcmp(&got, p, sizeof got) == 0);
}
