/* hf_check_append: strict serializability of list-append histories, in the manner of Elle.
 *
 * Appends to one list carry unique values, so a list read shows every version before it: that gives
 * the order of versions, that the order of transactions, and a cycle in it the proof of an anomaly.
 * Found, by name: internal           a transaction contradicts its own earlier reads and appends
 *   duplicate          an element is twice in a list: applied twice
 *   garbage            an element that nobody appended
 *   G1a                an element of a refused transaction was read (aborted read)
 *   G1b                the middle of another transaction was read (intermediate read)
 *   incompatible-order two reads of a key that are not prefixes of one another
 *   torn-append        of one transaction's appends to a key, a later is there and an earlier is
 * not lost-update        two transactions read one version of a key and both appended to it G0 ...
 * G2-item, each also -process and -realtime (cycles.h)
 *
 * A transaction with unknown outcome counts as committed once an element of it is read by a
 * committed one; its own answered reads are then held to account too. Snapshot reads must fit
 * somewhere, but may lie in the past. An acknowledged append that no read shows comes after every
 * version that was read: a read that began after its acknowledgement closes a cycle, so a lost
 * write is found by any later read.
 *
 * What it cannot tell: it proves anomalies, not their absence: a list that is never read hides
 * everything. Cost: near linear in the answers' size.
 */
#ifndef HF_CHECKERS_CHECK_APPEND_H
#define HF_CHECKERS_CHECK_APPEND_H
#include "tests/sim/checkers/verdict.h"

hf_ruling hf_check_append(const hf_history *history, hf_verdict *verdict);

#endif
