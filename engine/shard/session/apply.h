/* The records of HF.APPLY; the format is in apply.c. */
#ifndef HF_SHARD_SESSION_APPLY_H
#define HF_SHARD_SESSION_APPLY_H
#include "engine/shard/session/server.h"

enum {
    HF_APPLY_RECORD = 128,
    HF_APPLY_KEY = 32,
    HF_APPLY_RECORDS_MAX = 8192,
    HF_TRANSFER_MIN = 1, /* flag */
};

typedef struct hf_transfer {
    uint8_t id[16];
    bool has_id;
    hf_bytes debit, credit;
    int64_t amount, min;
    uint32_t flags;
} hf_transfer;

/* Clients know these numbers. */
typedef enum hf_transfer_code {
    HF_TRANSFER_DONE = 0,
    HF_TRANSFER_LIMIT = 1,     /* a bound would be broken: nothing happened */
    HF_TRANSFER_INVALID = 2,   /* the record is malformed */
    HF_TRANSFER_WRONGTYPE = 3, /* a key holds something else than a number */
    HF_TRANSFER_AGAIN = 4,     /* did not happen, for reasons that pass: send it again */
    HF_TRANSFER_NO_ROOM = 5,   /* did not happen: memory or disk is full */
    HF_TRANSFER_ID_USED = 6,   /* the id belongs to another request */
    HF_TRANSFER_ID_OLD =
        7, /* older than outcomes are kept: whether it happened is not known here */
    HF_TRANSFER_IN_DOUBT = 8, /* ask HF.OUTCOME */
    HF_TRANSFER_FAILED = 9,   /* did not happen: HF.ADD says why when tried alone */
} hf_transfer_code;

bool hf_transfer_read(const uint8_t record[HF_APPLY_RECORD], hf_transfer *transfer);
hf_transfer_code hf_transfer_code_of(hf_bytes reply);

#endif
