/* hf_run_small: makes a failing run small: fewer events, fewer clients, fewer kinds of faults.
 *
 * Every step is tried by running it again (deterministic); what still fails in the same way is
 * kept. Greedy and bounded in wall time: the answer is small, not smallest.
 */
#ifndef HF_TESTS_SIM_RUN_SMALL_H
#define HF_TESTS_SIM_RUN_SMALL_H
#include "tests/sim/run.h"

/* `config` failed with `result`; both become those of the smallest run found. Answers how many runs
 * it took. */
uint32_t hf_run_small(hf_run_config *config, hf_run_result *result, uint32_t seconds);
/* "--seed 7 --scenario bank --cores 2 --clients 4 --events 2000 --without clock,net" */
void hf_run_words(const hf_run_config *config, const hf_run_result *result, char *text,
                  size_t room);

#endif
