/* Reading and writing the lists inside a TXN message (engine/shard/message.h has the format). */
#ifndef HF_SHARD_REQUEST_H
#define HF_SHARD_REQUEST_H
#include "engine/shard/shard_impl.h"

typedef struct hf_txn_condition {
    hf_condition_kind kind;
    hf_compare compare;
    uint64_t stamp;
    hf_bytes key; /* user key */
    hf_bytes operand;
} hf_txn_condition;

typedef struct hf_txn_command {
    const hf_command *command;
    const hf_bytes *args;
    uint32_t argc;
    uint32_t piece;
    hf_bytes encoded; /* as it was read; empty: it was not */
} hf_txn_command;

typedef struct hf_txn_fence {
    hf_lock_mode mode;
    bool is_range;
    hf_bytes start; /* internal keys */
    hf_bytes end;
} hf_txn_fence;

/* Reads the lists in their order: all conditions, then all commands, then all fences. What was not
 * read of one list is skipped. The messages are our own: damage is a bug. */
typedef struct hf_txn_reader {
    hf_reader in;
    hf_buf *args;
    uint32_t conditions, commands, fences;
} hf_txn_reader;

void hf_txn_reader_open(hf_txn_reader *reader, const hf_msg_txn *msg, hf_buf *args);
bool hf_txn_next_condition(hf_txn_reader *reader, hf_txn_condition *condition);
bool hf_txn_next_command(hf_txn_reader *reader, hf_txn_command *command);
/* All of them that are left, with their arguments, which lie in reader->args. False: no memory. */
bool hf_txn_read_commands(hf_txn_reader *reader, hf_buf *commands);
bool hf_txn_next_fence(hf_txn_reader *reader, hf_txn_fence *fence);
hf_bytes hf_txn_recipe(const hf_msg_txn *msg);
/* The effects at the end of a WRITTEN message. */
hf_bytes hf_txn_mutations(const hf_msg_txn *msg, hf_buf *args);

void hf_txn_put_condition(hf_buf *out, const hf_txn_condition *condition);
void hf_txn_put_command(hf_buf *out, uint32_t piece, const hf_command *command,
                        const hf_bytes *args, uint32_t argc);
/* The same of one that may have been read: then it is copied as it was. */
void hf_txn_copy_command(hf_buf *out, uint32_t piece, const hf_txn_command *command);
void hf_txn_put_fence(hf_buf *out, hf_lock_mode mode, bool is_range, hf_bytes start, hf_bytes end);

/* owner.c: the mutation that records an id's outcome. */
void hf_owner__stub(hf_shard *shard, hf_buf *out, const uint8_t id[16], bool committed, uint64_t ts,
                    uint64_t digest, hf_bytes reply);

#endif
