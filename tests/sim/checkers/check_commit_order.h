/* hf_check_commit_order: the database's own commit timestamps are put to the test.
 *
 * Every committed transaction that reports a timestamp is replayed in the order of timestamps on a
 * plain model, one after another, and each answer is compared with the model's. An independent,
 * second judge beside check_append: it sees every kind of micro-operation (scans too), and snapshot
 * reads exactly at their time. replay-mismatch    an answer differs from the model's ts-tie a
 * transaction changed or read what another with the same timestamp wrote (only one that writes
 * nothing may read at the timestamp of what it reads) ts-realtime        timestamps run against
 * real time: one had returned before the other began
 *
 * Keys that a transaction without known place may have written (unknown outcome, or committed
 * without a timestamp) are not compared: `skipped` counts those reads. Resolve outcomes before
 * judging.
 */
#ifndef HF_CHECKERS_CHECK_COMMIT_ORDER_H
#define HF_CHECKERS_CHECK_COMMIT_ORDER_H
#include "tests/sim/checkers/verdict.h"

hf_ruling hf_check_commit_order(const hf_history *history, hf_verdict *verdict);

#endif
