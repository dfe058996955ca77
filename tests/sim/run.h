/* hf_run: one simulated life of a node: boot, clients, faults, crashes, recovery, judgement.
 *
 *   boot -> setup -> SAFETY (faults, crashes) -> LIVENESS (faults off: everything pending ends
 * within a bound) -> final reads -> power loss, boot, final reads again -> the judges
 *
 * Everything is drawn from the seed, each kind of decision from a stream of its own, so that a kind
 * of fault can be switched off (`without`) while the rest stays as it was: that is how a failure is
 * made small (run_small.h).
 */
#ifndef HF_TESTS_SIM_RUN_H
#define HF_TESTS_SIM_RUN_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum hf_run_code {
    HF_RUN_OK = 0,
    HF_RUN_WRONG = 1, /* a check failed */
    HF_RUN_USAGE = 2,
    HF_RUN_STUCK = 3,   /* liveness */
    HF_RUN_CRASHED = 4, /* an assertion, a signal, or the node stopped itself without cause */
} hf_run_code;

/* name, what it is */
/* clang-format off */
#define HF_RUN_FAULTS(X)                                                  \
    X(CRASH,   "crash",   "the process or the machine dies")              \
    X(POWER,   "power",   "... the machine: unsynced writes are lost")    \
    X(STOP,    "stop",    "clean stops under load")                       \
    X(PAUSE,   "pause",   "a core stands still, slow loops")              \
    X(MESSAGE, "message", "messages between cores take long")             \
    X(REPEAT,  "repeat",  "messages of the protocol come again, or not")  \
    X(DISK,    "disk",    "slow and reordered disk operations")           \
    X(CLOCK,   "clock",   "the wall clock steps and drifts")              \
    X(NET,     "net",     "slow, cut and vanishing connections")          \
    X(CLIENT,  "client",  "clients that walk away")                       \
    X(HALF,    "half",    "clients that half-close after a request")      \
    X(SPACE,   "space",   "the disk is full for a while")                 \
    X(ERROR,   "error",   "disk operations that fail")                    \
    X(DAMAGE,  "damage",  "bit rot, lost and misdirected writes")
/* clang-format on */

enum {
#define X(name, text, what) HF_RUN_FAULT_##name,
    HF_RUN_FAULTS(X)
#undef X
        HF_RUN_FAULT_KINDS
};
#define HF_RUN_FAULT_BIT(name) (1u << HF_RUN_FAULT_##name)
#define HF_RUN_ALL_FAULTS ((1u << HF_RUN_FAULT_KINDS) - 1)

const char *hf_run_commit(void); /* of this build */
const char *hf_run_fault_name(uint32_t fault);
const char *hf_run_fault_text(uint32_t fault);

typedef enum hf_run_log { HF_RUN_LOG_DRAWN, HF_RUN_LOG_CORE, HF_RUN_LOG_DEVICE } hf_run_log;

typedef struct hf_run_config {
    uint64_t seed;
    const char *scenario; /* NULL: drawn */
    uint16_t cores;       /* 0: drawn */
    uint32_t clients;     /* 0: drawn */
    hf_run_log log_per;   /* a log for each core, or one for all */
    uint64_t events;      /* of the safety phase */
    uint64_t time_ns;     /* ... or its virtual time; whichever ends first; 0: no limit */
    uint32_t without;     /* HF_RUN_FAULT_BIT: off */
    uint32_t with;        /* HF_RUN_FAULT_BIT: on whatever was drawn; `without` wins */
    uint8_t junk;         /* what fresh memory of the node is filled with; 0: left as it was */
    FILE *trace;
    const char *history; /* histories of a failed run are saved in this folder; NULL: no */
} hf_run_config;

enum { HF_RUN_TEXT = 6000 };

/* Plain data: it goes through a pipe. */
typedef struct hf_run_result {
    int code;
    uint64_t seed, hash, events, time_ns;
    char scenario[24];
    uint16_t cores;
    uint32_t clients;
    bool log_shared;
    uint32_t faults;  /* kinds that were on */
    uint32_t refused; /* the node refused to start on damaged files, as it must */
    uint64_t ok, fail, unknown, reads_judged;
    uint64_t kills, power_losses, stops, checkpoints, recovered, conflicts, two_phase;
    double seconds;
    char text[HF_RUN_TEXT]; /* what failed */
} hf_run_result;

/* In this process. An assertion ends it: see hf_run_guarded(). */
void hf_run(const hf_run_config *config, hf_run_result *result);
/* In a child process: assertions and signals are results too, and so is taking longer than
 * `seconds_max` of wall time (HF_RUN_STUCK). */
void hf_run_guarded(const hf_run_config *config, uint32_t seconds_max, hf_run_result *result);

/* "seed 7: bank, 3 cores, 9 clients: ok, ..." in one line, no line end. */
void hf_run_describe(const hf_run_result *result, FILE *to);
void hf_run_describe_json(const hf_run_result *result, FILE *to);

#endif
