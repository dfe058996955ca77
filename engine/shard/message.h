/* Messages between shards: flat little-endian bytes, no pointers, so that they could as well travel
 * between nodes. Each starts with an hf_msg; the fixed part follows, then encoded lists
 * (engine/base/bytes.h).
 *
 * gateway -> owner:        ONE, TXN (run or prepare), LOCK_READ, FINALIZE
 * owner -> gateway:        REPLY, PREPARED, REFUSED, LOCKED, WOUNDED, FINALIZED
 * anyone -> anchor:        RESOLVE            anchor <-> participant:   QUERY, ANSWER
 * ranges:                  see engine/shard/range.h
 */
#ifndef HF_SHARD_MESSAGE_H
#define HF_SHARD_MESSAGE_H
#include "engine/base/buf.h"
#include "engine/io/io.h"
#include "txn/mvcc/lock.h"
#include "txn/twopc/attempt.h"

typedef enum hf_msg_kind {
    HF_MSG_TXN = 1,
    HF_MSG_REPLY,
    HF_MSG_PREPARED,
    HF_MSG_REFUSED,
    HF_MSG_FINALIZE,
    HF_MSG_FINALIZED,
    HF_MSG_LOCK_READ,
    HF_MSG_LOCKED,
    HF_MSG_WOUNDED,
    HF_MSG_RESOLVE,
    HF_MSG_QUERY,
    HF_MSG_ANSWER,
    HF_MSG_BOOT,
    HF_MSG_MAP,
    HF_MSG_RESOLVED,
    HF_MSG_MOVE,
    HF_MSG_SESSION, /* from session to session: engine/shard/session/session.h */
    HF_MSG_LOG,     /* of a log that all shards share: storage/log/share.h */
    HF_MSG_PACK,    /* messages in one: engine/shard/pack.h */
    HF_MSG_ONE,     /* a TXN of one command on one key, shorter */
    HF_MSG_CLOCK,   /* a shard's clock, asked for (state 0, ts: the asker's own) or told (1) */
    HF_MSG_KINDS,
} hf_msg_kind;

/* Where an answer goes: a slot of a connection's pipeline, or an operation of the gateway. */
typedef struct hf_ticket {
    uint64_t place;  /* connection index or operation index, by `of_op` */
    uint32_t number; /* the request's number on the connection, or the operation's generation */
    uint32_t form;   /* HF_TICKET_*: how the answer is to be put */
} hf_ticket;

/* ticket.form: bit 0: place is an operation. Bits 1 to 3: the form. Bits 8 on: count of commands.
 */
enum {
    HF_TICKET_OP = 1,
    HF_TICKET_FORM_SHIFT = 1,
    HF_TICKET_FORM_MASK = 7,
    HF_TICKET_COUNT_SHIFT = 8
};

enum {
    HF_TXN_ONE_PHASE = 1, /* the only participant: commit at once, answer with REPLY */
    HF_TXN_READ_ONLY = 2,
    HF_TXN_ATOMIC = 4,     /* an error reply undoes everything (HF.TXN) */
    HF_TXN_HAS_ID = 8,     /* the client's id is given */
    HF_TXN_STUB = 16,      /* the id's outcome is kept at this participant */
    HF_TXN_ABORTED = 32,   /* record that the id's transaction was refused; the reply is the tail */
    HF_TXN_AT = 64,        /* read at read_ts */
    HF_TXN_WRITTEN = 128,  /* prepare the given mutations; locks are held since LOCK_READ */
    HF_TXN_OUTCOME = 256,  /* HF.OUTCOME: tell, or see to it that it never happens */
    HF_TXN_STAMP = 512,    /* answer the version stamps of the keys (WATCH: of the conditions) */
    HF_TXN_BOUNDED = 2048, /* with AT: at read_ts or later; strict where that is kept no more */
    HF_TXN_PIECES = 1024,  /* answer each command's reply apart, with its piece number */
    HF_TXN_TELLS = 4096,   /* the client hears of the timestamp */
};

typedef struct hf_msg_txn {
    hf_msg head;
    hf_ticket ticket;
    hf_attempt attempt;
    hf_age age;
    uint64_t clock;     /* the sender's timestamp: observed; prepare timestamps are above it */
    uint64_t watermark; /* of the coordinator: attempts below are finished everywhere */
    uint64_t read_ts;
    uint64_t until;  /* what the gateway saw of keys holds below this timestamp */
    uint64_t client; /* the connection whose order it keeps (engine/shard/order.h); 0: none */
    uint64_t digest; /* of the whole request, with HAS_ID */
    uint64_t hash;   /* in the table, of the first key of the first command; 0: not told */
    uint8_t id[16];
    hf_shard_set participants; /* for the anchor; 0 for others */
    uint16_t anchor;
    uint16_t flags;
    uint32_t command_count;
    uint32_t condition_count;
    uint32_t lock_count;  /* WRITTEN: fences */
    uint32_t recipe_size; /* with STUB, over several shards: how the reply is put together */
    uint32_t heard; /* with a client: so many requests came back to the sender before this one */
    uint32_t pad_1;
    uint8_t proto;
    uint8_t pad_2[3];
    /* recipe, conditions, commands, fences, then with WRITTEN the mutations up to the end:
     *   condition: u8 kind | u8 compare | u64 stamp | key | operand
     *   command:   u32 piece | u16 command id | u32 argc | argc x bytes
     *   fence:     u8 mode | u8 is_range | start | end */
} hf_msg_txn;

/* A TXN in one phase of one command on one key, with nothing else to it: nearly all requests. */
typedef struct hf_msg_one {
    hf_msg head;
    hf_ticket ticket;
    uint64_t clock; /* as in a TXN; with the sender it is the age, too */
    uint64_t hash;  /* in the table, of the key */
    uint32_t heard;
    uint32_t argc;
    uint16_t command;
    uint8_t proto;
    uint8_t in_order; /* the ticket's connection is the client whose order it keeps */
    uint32_t range;   /* where the sender's map has the key */
    /* argc x u32 size; then each argument, behind a byte HF_SPACE_USER: with it a key is internal
     */
} hf_msg_one;

typedef enum hf_condition_kind {
    HF_CONDITION_COMPARE, /* the user key compares to the operand */
    HF_CONDITION_WATCH,   /* the user key's stamp is unchanged */
} hf_condition_kind;

/* An owner's word that a gateway knows: what would be written has no room. */
#define HF_DISK_FULL "-MISCONF the disk is full: writes are refused until there is space\r\n"

/* In a reply's place, where that finds no memory: it was read, or it happened. */
#define HF_UNSAID "-OOM the reply does not fit into memory\r\n"
#define HF_COMMITTED_UNSAID "-OOM committed, but the reply does not fit into memory\r\n"

/* How a transaction ended for the one who asked. */
typedef enum hf_ending {
    HF_ENDING_DONE,      /* replies follow */
    HF_ENDING_CONDITION, /* a condition failed: EXEC answers nil, HF.TXN runs ELSE or answers
                            CONDFAILED */
    HF_ENDING_ABORTED,   /* one error reply follows; final */
    HF_ENDING_CONFLICT,  /* lost to an older one: try again under the same age */
    HF_ENDING_REROUTE,   /* the range is not here (any more): look again, send again */
    HF_ENDING_BUSY,      /* no room now: one error reply follows */
    HF_ENDING_DUPLICATE, /* the id has its outcome already: the recorded reply follows */
} hf_ending;

/* REPLY, PREPARED, REFUSED, LOCKED: what came of a TXN or LOCK_READ. */
typedef struct hf_msg_result {
    hf_msg head;
    hf_ticket ticket;
    hf_attempt attempt;
    uint64_t ts;    /* commit, prepare or clock timestamp */
    uint64_t until; /* PREPARED: the vote holds below this timestamp */
    uint8_t ending; /* hf_ending */
    uint8_t pad[7];
    /* bytes: one reply; or with PIECES: per command u32 piece | u32 size | bytes;
     * LOCKED: per key u8 kind | u64 expire | i64 integer | u64 stamp | key | bytes; first those
     * that were named; REROUTE: the TXN message as it was sent */
} hf_msg_result;

typedef struct hf_msg_lock_read {
    hf_msg head;
    hf_ticket ticket;
    hf_attempt attempt;
    hf_age age;
    uint64_t clock;
    uint64_t watermark;
    uint64_t client;
    uint32_t heard;
    uint32_t count;
    /* count x (u8 mode | key), internal keys (with their space byte); with HF_LOCK_SPACE in the
     * mode all keys of the user space */
} hf_msg_lock_read;

enum {
    HF_LOCK_SPACE = 128,
    HF_LOCK_VALUES = 64, /* ... with their values; else only that they are there */
    HF_LOCK_MODE = 63,
};

typedef struct hf_msg_decision {
    hf_msg head;
    hf_attempt attempt;
    hf_ticket ticket; /* WOUNDED */
    uint64_t ts; /* FINALIZE: commit timestamp, 0: aborted. ANSWER: prepare or commit timestamp */
    uint64_t until; /* ANSWER: prepared, below this timestamp */
    uint64_t watermark;
    uint64_t count; /* FINALIZED: so many FINALIZEs of yours are durable here since the start */
    uint16_t state; /* ANSWER: hf_participant_state */
    uint16_t by_coordinator; /* FINALIZE: to be counted */
    uint32_t pad;
    /* FINALIZE to a stub's home: the result. ANSWER: the reply pieces, when the attempt has an id
     */
} hf_msg_decision;

_Static_assert(sizeof(hf_msg_txn) % 8 == 0 && sizeof(hf_msg_one) % 8 == 0 &&
                   sizeof(hf_msg_result) % 8 == 0 && sizeof(hf_msg_lock_read) % 8 == 0 &&
                   sizeof(hf_msg_decision) % 8 == 0,
               "the lists after the fixed parts start aligned");

#endif
