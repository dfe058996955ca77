/* hf_judges: every judge by name, and all of them over one history.
 *
 * A judge that finds nothing of its kind in the history says NOTHING; so any history can be given
 * to all.
 */
#ifndef HF_CHECKERS_JUDGES_H
#define HF_CHECKERS_JUDGES_H
#include "tests/sim/checkers/verdict.h"

typedef struct hf_judge {
    const char *name; /* "append", "register", "bank", "counter", "commit-order" */
    hf_ruling (*judge)(const hf_history *history, hf_verdict *verdict);
} hf_judge;

enum { HF_JUDGES = 5 };
extern const hf_judge hf_judges[HF_JUDGES];

/* Answers the gravest ruling (the order of hf_ruling) and writes every verdict that is not NOTHING.
 */
hf_ruling hf_judges_run(const hf_history *history, hf_check_text *report);

#endif
