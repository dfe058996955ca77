/* hf_register_search: can these operations on one register be put in an order that explains them?
 *
 * Operations are given in order of invocation. A configuration of the search is: which operations
 * have happened, and what the register holds. Rules that keep the search small, each losing no
 * answer:
 *   - a read that fits now is taken now: moving it forward changes nothing for the others;
 *   - an unknown operation that would change nothing is not taken: it may as well never happen;
 *   - after an unknown operation, the next one must need it: an order where it does not has the
 * unknown one later or never, and is searched too;
 *   - a configuration is visited once, and not at all when one was that is alike but took fewer
 * unknown operations.
 */
#ifndef HF_CHECKERS_REGISTER_SEARCH_H
#define HF_CHECKERS_REGISTER_SEARCH_H
#include "tests/sim/checkers/history.h"

/* A register value beyond HF_NIL: not known, every read of it is right. */
#define HF_REGISTER_ANY (INT64_MIN + 1)

typedef struct hf_register_op {
    const hf_history_txn *txn; /* its micro-operations on `key` are one operation */
    uint32_t number;           /* of the transaction */
    int64_t invoked;
    int64_t returned; /* HF_NEVER: its outcome is unknown, it may never happen */
} hf_register_op;

typedef enum hf_register_found {
    HF_REGISTER_YES,
    HF_REGISTER_NO,
    HF_REGISTER_GAVE_UP,
} hf_register_found;

/* Takes from *steps what it used. `start` is the register's first value. */
hf_register_found hf_register_search(const hf_register_op *ops, uint32_t count, int64_t key,
                                     int64_t start, uint64_t *steps);

/* One operation: false when its answers do not fit `*value`; else sets what the register holds
 * then. */
bool hf_register_apply(const hf_history_txn *txn, int64_t key, int64_t *value);

#endif
