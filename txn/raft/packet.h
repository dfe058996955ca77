/* hf_raft_packet: what one node has to say to another, in bytes: messages of all groups, and the
 * liveness of the pair. Whoever carries it (net/link) checks that it comes whole.
 *
 * All integers little-endian. A packet:
 *
 *   0 u16 format=1 | 2 u16 0 | 4 u32 from | 8 u32 to | 12 u32 count of records
 *   record:   0 u8 kind | 1 u8 flags | 2 u16 fields | 4 u32 size of what follows | 8 u64 group
 *             16 the fields that are not zero, u64 each: term, index, log_term, last, commit, read,
 *             epoch, offset, nonce, whole_at (the lowest bit of `fields` is the term)
 *   append:   ... then each entry: 0 u64 term | 8 u32 kind | 12 u32 size | 16 payload;
 *             of HF_RAFT_CONFIG the members, of HF_RAFT_NOOP nothing
 *   snapshot: ... then, with the last piece, the members; then the piece
 *   liveness: kind 128 (heartbeat) or 129 (support), no field and no group;
 *             then 0 u32 start | 4 u32 asker | 8 u32 round | 12 u32 0 | 16 u64 sent | 24 u64 epoch
 *   members:  0 u32 count | 4 for each: u32 node | u32 role
 *
 * There is one way to write a message, and reading takes no other. A record's head is enough to
 * hand it to the core that has its group.
 *
 * Payloads are never copied: a packet that is written is a list of parts, heads in the writer's
 * memory and payloads where they lie; one that is read lends them in place.
 *
 * Threads: plain data.
 */
#ifndef HF_RAFT_PACKET_H
#define HF_RAFT_PACKET_H
#include "engine/base/bytes.h"
#include "txn/raft/raft.h"

enum {
    HF_RAFT_PACKET_FORMAT = 1,
    HF_RAFT_PACKET_HEAD = 16,
    HF_RAFT_RECORD_HEAD = 16,
    HF_RAFT_ENTRY_HEAD = 16,
    HF_RAFT_FIELDS = 10,
    HF_RAFT_CONFIG_SIZE_MAX = 4 + 8 * HF_RAFT_MEMBERS_MAX,
    /* Entries in one append: `within` of hf_raft_view allows no more. */
    HF_RAFT_ENTRIES_MAX = 256,
    HF_RAFT_PACKET_HEARTBEAT = 128,
    HF_RAFT_PACKET_SUPPORT = 129,
    /* Memory for heads, and parts, that any one message needs in an empty packet. */
    HF_RAFT_PACKET_HEADS_MIN = HF_RAFT_PACKET_HEAD + HF_RAFT_RECORD_HEAD + 8 * HF_RAFT_FIELDS +
                               HF_RAFT_ENTRIES_MAX * (HF_RAFT_ENTRY_HEAD + HF_RAFT_CONFIG_SIZE_MAX),
    HF_RAFT_PACKET_PARTS_MIN = 2 * HF_RAFT_ENTRIES_MAX + 2,
};

/* ---- Members, as they stand in packets and in the payload of their entry ---- */

void hf_raft_config_write(hf_writer *w, const hf_raft_config *config);
/* HF_E_CORRUPT: no members that can be. */
HF_MUST_USE hf_err hf_raft_config_read(hf_bytes bytes, hf_raft_config *config);

/* ---- Writing ---- */

typedef struct hf_raft_packet {
    uint8_t *heads; /* the caller's, lent until the packet is sent */
    uint32_t heads_size, heads_used;
    hf_bytes *part; /* the caller's; in this order they are the packet */
    uint32_t part_max, part_count;
    uint32_t size_max, size; /* of the whole packet */
    uint32_t count;          /* of records */
} hf_raft_packet;

void hf_raft_packet_begin(hf_raft_packet *packet, void *heads, uint32_t heads_size, hf_bytes *parts,
                          uint32_t part_max, uint32_t size_max, uint32_t from, uint32_t to);
/* `entries` and `payloads`: of an append, message->last - message->index of each (payloads of
 * HF_RAFT_DATA alone are looked at); of a snapshot `payloads` is the piece. They are lent until the
 * packet is sent. False: no room for it; nothing was written, send this packet and begin another.
 * A packet of HF_RAFT_PACKET_HEADS_MIN and ..._PARTS_MIN takes any first message that fits into
 * size_max. */
HF_MUST_USE bool hf_raft_packet_add(hf_raft_packet *packet, uint64_t group,
                                    const hf_raft_message *message, const hf_raft_entry *entries,
                                    const hf_bytes *payloads);
HF_MUST_USE bool hf_raft_packet_add_liveness(hf_raft_packet *packet,
                                             const hf_liveness_message *message);
/* The number of parts; 0: nothing was added. The packet may be begun again when it is sent. */
uint32_t hf_raft_packet_end(hf_raft_packet *packet);

/* ---- Reading ---- */

typedef struct hf_raft_record {
    uint64_t group;
    bool is_liveness;
    uint32_t kind;
    hf_bytes bytes; /* the whole record */
} hf_raft_record;

typedef struct hf_raft_reader {
    hf_reader left;
    uint32_t from, to;
    uint32_t count;   /* records that are still to come */
    const char *what; /* is wrong, when something was refused */
} hf_raft_reader;

/* What a record says; points into the packet and into itself. One for each core is enough. */
typedef struct hf_raft_said {
    hf_raft_message message;      /* not liveness */
    hf_liveness_message liveness; /* liveness */
    hf_bytes piece;               /* of a snapshot */
    uint32_t entry_count;
    hf_raft_entry entry[HF_RAFT_ENTRIES_MAX];
    hf_bytes payload[HF_RAFT_ENTRIES_MAX];
    hf_raft_config config[HF_RAFT_ENTRIES_MAX];
} hf_raft_said;

/* `from` and `to`: who sits at the other end, and here. Refused, with the reason in `what`:
 * HF_E_VERSION: another format. HF_E_INVALID: somebody else's packet. HF_E_CORRUPT: no packet. */
HF_MUST_USE hf_err hf_raft_reader_open(hf_raft_reader *reader, hf_bytes packet, uint32_t from,
                                       uint32_t to);
/* The next record, not looked into. HF_E_NOTFOUND: that was all. HF_E_NOTSUPPORTED: a kind that is
 * not known here. HF_E_CORRUPT: not a record, or bytes left at the end. */
HF_MUST_USE hf_err hf_raft_reader_next(hf_raft_reader *reader, hf_raft_record *record);
/* What it says. HF_E_TOOBIG: more than HF_RAFT_ENTRIES_MAX entries. HF_E_CORRUPT: what no machine
 * says. What is read is fit for hf_raft_step() and hf_liveness_receive(): no order of terms, no
 * members and no sizes that they would stop at. */
HF_MUST_USE hf_err hf_raft_record_read(hf_raft_reader *reader, const hf_raft_record *record,
                                       hf_raft_said *said);

#endif
