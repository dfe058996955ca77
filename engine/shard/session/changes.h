/* The change feed: what changes.c shares with the places where transactions commit. */
#ifndef HF_SHARD_SESSION_CHANGES_H
#define HF_SHARD_SESSION_CHANGES_H
#include "engine/shard/session/server.h"

typedef struct hf_changes hf_changes;

typedef enum hf_changes_step {
    HF_CHANGES_READ,
    HF_CHANGES_BEGIN,  /* take notes from now on */
    HF_CHANGES_SETTLE, /* answer when nothing at or below `from` is undecided */
} hf_changes_step;

/* As a message's body: u64 from | u64 until_ns | u32 count | u8 step | prefix. */
typedef struct hf_changes_ask {
    uint64_t from;     /* changes above this timestamp; or what is to be settled */
    uint64_t until_ns; /* of the asker's clock: BLOCK ends */
    uint32_t count;
    uint8_t step; /* hf_changes_step */
    hf_bytes prefix;
} hf_changes_ask;

typedef struct hf_changes_entry {
    uint64_t ts, position;
    uint8_t op;
    hf_bytes key;
} hf_changes_entry;

hf_changes_ask hf_changes__read_ask(hf_bytes body);
hf_changes_entry hf_changes__read_entry(hf_reader *reader);

typedef struct hf_changes_wait {
    struct hf_changes_wait *next;
    hf_ticket ticket;
    uint64_t again_ns;
    uint32_t size;
    uint8_t proto;
    uint8_t body[];
} hf_changes_wait;

#endif
