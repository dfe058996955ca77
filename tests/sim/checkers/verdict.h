/* hf_verdict: a judge's answer with its reasons.
 *
 * VALID says that `judged` observations were compared and hold; a history with nothing to judge is
 * NOTHING, never VALID. INVALID lists findings, each with the anomaly's name and a text that a
 * reader can verify by hand. GAVE_UP: the step limit came first. UNUSABLE: the history breaks a
 * rule of the workload (history.h), so that no answer would mean anything.
 *
 * At most HF_FINDINGS findings are kept, all are counted.
 */
#ifndef HF_CHECKERS_VERDICT_H
#define HF_CHECKERS_VERDICT_H
#include "tests/sim/checkers/history.h"

typedef enum hf_ruling {
    HF_RULING_NOTHING = 0,
    HF_RULING_VALID = 1,
    HF_RULING_GAVE_UP = 2,
    HF_RULING_UNUSABLE = 3,
    HF_RULING_INVALID = 4,
} hf_ruling;

enum { HF_FINDINGS = 32 };

typedef struct hf_finding {
    const char *anomaly;  /* "G-single-realtime", "lost-ack": stable names, README.md lists them */
    const char *nickname; /* "stale read": what people call it; "" when there is no common name */
    hf_check_text text;
} hf_finding;

typedef struct hf_verdict {
    hf_ruling ruling;
    uint64_t judged;  /* observations compared */
    uint64_t skipped; /* observations that this judge could not compare */
    uint64_t finding_count;
    hf_finding findings[HF_FINDINGS];
} hf_verdict;

void hf_verdict_open(hf_verdict *verdict);
void hf_verdict_close(hf_verdict *verdict);
/* Counts a finding and lends its text for writing. Past HF_FINDINGS the newest replaces the last.
 */
hf_check_text *hf_verdict_find(hf_verdict *verdict, const char *anomaly, const char *nickname);
void hf_verdict_unusable(hf_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Settles the ruling from what was found and judged; answers it. */
hf_ruling hf_verdict_settle(hf_verdict *verdict);

const char *hf_ruling_name(hf_ruling ruling); /* "valid", "gave up", ... */
/* True when a finding has this anomaly or nickname. */
bool hf_verdict_has(const hf_verdict *verdict, const char *name);
void hf_verdict_print(const hf_verdict *verdict, hf_check_text *text);

#endif
