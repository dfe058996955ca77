/* hf_cycles: names every cycle of a dependency graph and writes it down for a reader.
 *
 * Names are Adya's, as Elle uses them: G0 (only ww), G1c (ww, wr), G-single (one rw), G2-item
 * (more), the first that fits; "-process" when the order inside a process is needed to close the
 * cycle, "-realtime" when real time is. One finding for each strongly connected component, by its
 * worst name; the cycle shown is the shortest of a bounded number that were tried.
 *
 * A component is always reported: should the search budget end first, without its cycle ("cycle").
 */
#ifndef HF_CHECKERS_CYCLES_H
#define HF_CHECKERS_CYCLES_H
#include "tests/sim/checkers/graph.h"
#include "tests/sim/checkers/verdict.h"

#define HF_CYCLES_BUDGET UINT64_C(50000000) /* edges looked at, in all: seconds at worst */

void hf_cycles_find(const hf_graph *graph, const hf_history *history, uint64_t budget,
                    hf_verdict *verdict);

#endif
