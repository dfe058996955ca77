/* hf_check_model: the plainest database: lists, registers, quantities and a ledger, one change at a
 * time.
 *
 * A cell is made at its first mention and knows who changed it last. A tainted cell may have been
 * changed by someone whose place is not known: nothing is said about it.
 */
#ifndef HF_CHECKERS_MODEL_H
#define HF_CHECKERS_MODEL_H
#include "tests/sim/checkers/history.h"

typedef enum hf_check_model_space {
    HF_CHECK_MODEL_LIST,
    HF_CHECK_MODEL_REGISTER,
    HF_CHECK_MODEL_QUANTITY,
    HF_CHECK_MODEL_TRANSFER, /* key: the id; value: how often applied */
} hf_check_model_space;

typedef struct hf_check_model_cell {
    hf_check_model_space space;
    int64_t key;
    int64_t value; /* a register starts as HF_NIL, the others at 0 */
    int64_t *list;
    uint32_t list_count;
    uint32_t list_capacity;
    bool opened; /* a quantity: then it has bounds */
    int64_t min;
    int64_t max;
    bool tainted;
    uint32_t changer; /* txn + 1 of the last change; 0: none yet */
    uint64_t changed; /* its timestamp */
    uint32_t mark;    /* for the user: number of the whole read that showed it last */
} hf_check_model_cell;

typedef struct hf_check_model {
    hf_check_model_cell *cells;
    uint32_t count;
    uint32_t capacity;
    hf_check_map map;
    uint32_t *registers; /* sealed: register cells in ascending order of key */
    uint32_t register_count;
} hf_check_model;

void hf_check_model_open(hf_check_model *model);
void hf_check_model_close(hf_check_model *model);
/* Finds or makes the cell. Borrowed until the next cell is made. */
hf_check_model_cell *hf_check_model_cell_of(hf_check_model *model, hf_check_model_space space,
                                            int64_t key);
/* After every cell that will be used was made: sorts the registers, for scans. */
void hf_check_model_seal(hf_check_model *model);
/* The number in registers[] of the first with key >= first. */
uint32_t hf_check_model_register_from(const hf_check_model *model, int64_t first);

#endif
