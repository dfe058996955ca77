/* hf_check_register: linearizability of single registers (write, read, cas, delete), key by key.
 *
 * Wing and Gong's search with Lowe's memory of configurations, as Porcupine: find an order of the
 * operations that respects real time and explains every answer. An operation with unknown outcome
 * may take its place at any later moment, or never.
 *
 * A transaction's micro-operations on one key count as one atomic operation on it. For single-key
 * transactions the answer is exact (linearizability is local); for larger ones each key is still
 * necessary, while order across keys is for check_append and check_commit_order.
 *
 * Answers: VALID; INVALID with, per key, a window of operations that cannot be explained whatever
 * the key held before it, as short as could be shown; GAVE_UP when a key's search took more than
 * `step_limit` steps (and no key is invalid). Every key starts absent (HF_NIL). Snapshot reads are
 * not judged.
 */
#ifndef HF_CHECKERS_CHECK_REGISTER_H
#define HF_CHECKERS_CHECK_REGISTER_H
#include "tests/sim/checkers/verdict.h"

#define HF_REGISTER_STEPS                                                                          \
    UINT64_C(5000000) /* a step limit that fits most histories: about a second */

hf_ruling hf_check_register(const hf_history *history, uint64_t step_limit, hf_verdict *verdict);

#endif
