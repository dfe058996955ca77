/* hf_check_transfers: the transfers of a history, one entry an id, whatever the number of attempts.
 *
 * A retry with the same id is the same transfer: it was acknowledged when any attempt was, refused
 * only when every attempt was, and is unknown otherwise.
 */
#ifndef HF_CHECKERS_TRANSFERS_H
#define HF_CHECKERS_TRANSFERS_H
#include "tests/sim/checkers/verdict.h"

typedef struct hf_check_transfer {
    int64_t id;
    int64_t from;
    int64_t to;
    int64_t amount;
    int64_t invoked;  /* of the first attempt */
    int64_t returned; /* of the earliest acknowledgement; HF_NEVER when there is none */
    hf_heard heard;   /* OK, UNKNOWN, or FAIL for refused */
    uint32_t txn;     /* the attempt that tells most: acknowledged, else the first */
} hf_check_transfer;

typedef struct hf_check_transfers {
    hf_check_transfer *items; /* in order of first attempt in the history */
    uint32_t count;
    uint32_t capacity;
    hf_check_map map; /* id -> number */
} hf_check_transfers;

/* Turns `verdict` to UNUSABLE when two attempts with one id differ. */
void hf_check_transfers_open(hf_check_transfers *transfers, const hf_history *history,
                             hf_verdict *verdict);
void hf_check_transfers_close(hf_check_transfers *transfers);

#endif
