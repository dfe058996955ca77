/* hf_append_index: what a list-append history says about each key, before any dependency is drawn.
 *
 * order[] of a key is its longest list known: what committed reads showed (`shown` places), and
 * then the rest of the last writer's appends, which must follow at once. Reads that are not
 * prefixes of it do not `fit` and give no dependencies.
 *
 * Building it also settles which unknown transactions count as committed, and reports what
 * contradicts itself inside one transaction ("internal").
 */
#ifndef HF_CHECKERS_APPEND_INDEX_H
#define HF_CHECKERS_APPEND_INDEX_H
#include "tests/sim/checkers/verdict.h"

typedef struct hf_append_write {
    uint32_t txn;
    uint32_t key; /* its index */
    int64_t value;
    uint32_t place;       /* in the key's order; HF_CHECK_NONE: no committed read shows it */
    uint32_t next_in_txn; /* the same transaction's next append to this key, or HF_CHECK_NONE */
    uint32_t next_in_key;
} hf_append_write;

typedef struct hf_append_read {
    uint32_t txn;
    uint32_t op;
    uint32_t key;
    uint32_t outside; /* places of the list that were there before the transaction's own appends */
    bool first;       /* the transaction's first read of the key: the later ones repeat it */
    bool fits;        /* a prefix of the key's order */
    bool updates;     /* the transaction appends to the key after it */
    uint32_t next_in_key;
} hf_append_read;

typedef struct hf_append_place {
    int64_t value;
    uint32_t write;  /* HF_CHECK_NONE: nobody appended it */
    uint32_t reader; /* the transaction whose read showed it first */
} hf_append_place;

typedef struct hf_append_key {
    int64_t key;
    hf_append_place *order;
    uint32_t order_count;
    uint32_t order_capacity;
    uint32_t shown;
    uint32_t first_write;
    uint32_t last_write;
    uint32_t first_read;
    uint32_t last_read;
    /* While walking one transaction: */
    uint32_t walker;     /* txn + 1 of the transaction the rest is about */
    uint32_t outer_read; /* its first read of the key, or HF_CHECK_NONE */
    uint32_t base_read;  /* its newest */
    uint32_t own_first;  /* its first append since then */
    uint32_t own_count;
} hf_append_key;

typedef struct hf_append_index {
    const hf_history *history;
    hf_verdict *verdict;
    hf_append_key *keys;
    uint32_t key_count;
    uint32_t key_capacity;
    hf_check_map key_map;
    hf_append_write *writes;
    uint32_t write_count;
    uint32_t write_capacity;
    hf_check_map write_map; /* (key, value) */
    hf_append_read *reads;  /* of committed transactions only */
    uint32_t read_count;
    uint32_t read_capacity;
    bool *committed; /* per transaction */
    uint32_t *todo;  /* committed transactions whose reads are not taken in yet */
    uint32_t todo_count;
} hf_append_index;

/* Turns `verdict` to UNUSABLE when a value is appended twice to one key. */
void hf_append_index_open(hf_append_index *index, const hf_history *history, hf_verdict *verdict);
void hf_append_index_close(hf_append_index *index);

#endif
