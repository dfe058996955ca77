/* hf_check_counter: commuting additions add up, and bounded quantities stay inside their bounds.
 *
 * Quantities are what OPEN opened. Additions are ADD, and TRANSFER as two additions. Every value
 * heard (COUNT, ADD with its sum, BALANCES) must lie between the least and the most that the
 * additions allow: all acknowledged before the read began, and any subset of those that may have
 * happened before it returned. So the value after the last of them lies between the acknowledged
 * sum and that plus the unknown. out-of-range       outside that: a lost or doubled addition, a
 * refused one that was applied bound-crossed      outside the quantity's bounds wrong-refusal a
 * LIMIT answer although no possible value would have made any addition cross never-opened       a
 * value heard of a quantity nobody opened Snapshot reads are held to the bounds only.
 */
#ifndef HF_CHECKERS_CHECK_COUNTER_H
#define HF_CHECKERS_CHECK_COUNTER_H
#include "tests/sim/checkers/verdict.h"

hf_ruling hf_check_counter(const hf_history *history, hf_verdict *verdict);

#endif
