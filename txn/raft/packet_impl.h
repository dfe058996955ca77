/* What writing and reading packets share. */
#ifndef HF_RAFT_PACKET_IMPL_H
#define HF_RAFT_PACKET_IMPL_H
#include "txn/raft/packet.h"

enum { HF_RAFT__KINDS = HF_RAFT_READ_AT_REPLY + 1, HF_RAFT__LIVENESS_SIZE = 32 };

/* In their order in a record. */
enum {
    HF_RAFT__F_TERM = 1 << 0,
    HF_RAFT__F_INDEX = 1 << 1,
    HF_RAFT__F_LOG_TERM = 1 << 2,
    HF_RAFT__F_LAST = 1 << 3,
    HF_RAFT__F_COMMIT = 1 << 4,
    HF_RAFT__F_READ = 1 << 5,
    HF_RAFT__F_EPOCH = 1 << 6,
    HF_RAFT__F_OFFSET = 1 << 7,
    HF_RAFT__F_NONCE = 1 << 8,
    HF_RAFT__F_WHOLE_AT = 1 << 9,
};

/* What a kind of message may have. */
typedef struct hf_raft__shape {
    uint16_t fields;
    uint8_t flags;
} hf_raft__shape;

extern const hf_raft__shape hf_raft__shapes[HF_RAFT__KINDS];

uint64_t *hf_raft__field(hf_raft_message *message, uint32_t field);

#endif
