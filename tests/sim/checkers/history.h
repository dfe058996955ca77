/* hf_history: what clients did and what they heard, for the judges that follow (check_*.h).
 *
 * One transaction per client request: who, when invoked, when answered, what was heard, and its
 * micro-operations with their answers. Nothing in it comes from inside the database, but for the
 * optional commit timestamp.
 *
 * A transaction whose answer never came, or came as "unknown", may take effect at any moment after
 * its invocation, or never: its return time counts for nothing. resolve() records an outcome that
 * was learned later by other means (an outcome query); the effect still has no upper bound in time.
 *
 * Keys and values are 64-bit integers; a workload maps them to the bytes it sends. Rules a workload
 * keeps: values appended to one key are unique; a transfer id names one transfer (a retry reuses
 * the id). A range scan over lists is logged as one LIST per key of the range, absent keys with an
 * empty list.
 *
 * Ownership:  the history owns everything; answers are copied in. Threads: one only.
 * Times:      any non-negative clock that all clients share; only the order matters.
 */
#ifndef HF_CHECKERS_HISTORY_H
#define HF_CHECKERS_HISTORY_H
#include "tests/sim/checkers/util.h"

#include "engine/base/error.h"

#define HF_NEVER INT64_MAX /* a return time: the answer did not come */
#define HF_NIL INT64_MIN   /* a register value: the key is absent. In text: null */

typedef enum hf_heard {
    HF_HEARD_UNKNOWN = 0, /* nothing, or an error that does not tell */
    HF_HEARD_OK = 1,      /* took effect */
    HF_HEARD_FAIL = 2,    /* certainly took no effect */
    HF_HEARD_LIMIT = 3,   /* no effect either: a bound of a quantity would have been crossed */
} hf_heard;

typedef enum hf_answer_kind {
    HF_ANSWER_NONE,  /* nothing to hear beyond the transaction's outcome */
    HF_ANSWER_ONE,   /* a number, or HF_NIL */
    HF_ANSWER_LIST,  /* numbers */
    HF_ANSWER_PAIRS, /* numbers, two by two: key, value */
} hf_answer_kind;

/* name, text, number of arguments (the key is the first), answer */
/* clang-format off */
#define HF_MICROS(X)                                                                              \
    X(APPEND,   "append",   2, NONE)  /* key value: to the end of a list */                       \
    X(LIST,     "list",     1, LIST)  /* key -> all its values in order */                        \
    X(WRITE,    "write",    2, NONE)  /* key value: a register */                                 \
    X(DELETE,   "delete",   1, NONE)  /* key: the register becomes HF_NIL */                      \
    X(READ,     "read",     1, ONE)   /* key -> value or HF_NIL */                                \
    X(CAS,      "cas",      3, ONE)   /* key old new -> 1 when old was there, else 0, no change */ \
    X(SCAN,     "scan",     2, PAIRS) /* first, beyond: registers in [first, beyond), ascending */ \
    X(OPEN,     "open",     4, NONE)  /* key value min max: a bounded quantity or account */      \
    X(ADD,      "add",      2, ONE)   /* key delta -> the sum after it, when told */              \
    X(COUNT,    "count",    1, ONE)   /* key -> the quantity */                                   \
    X(TRANSFER, "transfer", 4, NONE)  /* id from to amount */                                     \
    X(BALANCES, "balances", 0, PAIRS) /* every account with its balance, in one read */           \
    X(LEDGER,   "ledger",   0, LIST)  /* ids of applied transfers; twice there is twice applied */
/* clang-format on */

typedef enum hf_micro_kind {
#define X(name, text, args, answer) HF_MICRO_##name,
    HF_MICROS(X)
#undef X
        HF_MICRO_KINDS
} hf_micro_kind;

enum { HF_MICRO_ARGS = 4 };

typedef struct hf_micro {
    hf_micro_kind kind;
    bool answered;
    int64_t arg[HF_MICRO_ARGS]; /* arg[0] is the key (TRANSFER: the id) */
    int64_t answer;             /* HF_ANSWER_ONE */
    int64_t *list;              /* HF_ANSWER_LIST, HF_ANSWER_PAIRS */
    uint32_t list_count;        /* numbers, so twice the pairs */
} hf_micro;

typedef struct hf_history_txn {
    uint32_t process;
    hf_heard heard;
    int64_t invoked;
    int64_t returned;   /* HF_NEVER while open, unknown or resolved later */
    uint64_t commit_ts; /* 0: not told */
    bool snapshot;      /* a historical read at commit_ts: consistent, and allowed to be old */
    hf_micro *ops;
    uint32_t op_count;
    uint32_t op_capacity;
} hf_history_txn;

typedef struct hf_history {
    hf_history_txn *txns; /* in order of begin() */
    uint32_t count;
    uint32_t capacity;
} hf_history;

void hf_history_open(hf_history *history);
void hf_history_close(hf_history *history);

/* ---- Recording ---- */
uint32_t hf_history_begin(hf_history *history, uint32_t process, int64_t now);
/* Adds a micro-operation with as many arguments as its kind has; answers its number. */
uint32_t hf_history_op(hf_history *history, uint32_t txn, hf_micro_kind kind, const int64_t *args);
void hf_history_answer(hf_history *history, uint32_t txn, uint32_t op, int64_t answer);
void hf_history_answer_list(hf_history *history, uint32_t txn, uint32_t op, const int64_t *list,
                            uint32_t count);
void hf_history_end(hf_history *history, uint32_t txn, int64_t now, hf_heard heard);
/* The timestamp the database reports for it; `snapshot`: it was a historical read at that time. */
void hf_history_stamp(hf_history *history, uint32_t txn, uint64_t commit_ts, bool snapshot);
/* An outcome learned later for a transaction that is unknown so far. */
void hf_history_resolve(hf_history *history, uint32_t txn, hf_heard heard);

/* Shorthands. add() answers the operation's number, for the sum when it is told. */
void hf_history_append(hf_history *history, uint32_t txn, int64_t key, int64_t value);
void hf_history_write(hf_history *history, uint32_t txn, int64_t key, int64_t value);
void hf_history_list(hf_history *history, uint32_t txn, int64_t key, const int64_t *list,
                     uint32_t count);
void hf_history_read(hf_history *history, uint32_t txn, int64_t key, int64_t answer);
void hf_history_open_key(hf_history *history, uint32_t txn, int64_t key, int64_t value, int64_t min,
                         int64_t max);
uint32_t hf_history_add(hf_history *history, uint32_t txn, int64_t key, int64_t delta);
void hf_history_transfer(hf_history *history, uint32_t txn, int64_t id, int64_t from, int64_t to,
                         int64_t amount);

/* ---- Reading ---- */
const char *hf_micro_name(hf_micro_kind kind);
uint32_t hf_micro_args(hf_micro_kind kind);
hf_answer_kind hf_micro_answer_kind(hf_micro_kind kind);
/* True when the transaction certainly took no effect. */
static inline bool hf_history_refused(const hf_history_txn *txn)
{
    return txn->heard == HF_HEARD_FAIL || txn->heard == HF_HEARD_LIMIT;
}
/* One line for people, long lists shortened: "T7 (process 2, 10..15, ok): append 1 9, list 1 -> [4
 * 9]" */
void hf_history_describe(const hf_history *history, uint32_t txn, hf_check_text *text);

/* ---- As text: one JSON object a line (README.md) ---- */
void hf_history_print(const hf_history *history, hf_check_text *text);

typedef struct hf_history_fault {
    uint32_t line; /* from 1; 0: the file itself */
    char what[96];
} hf_history_fault;

/* Adds the transactions of `text` to `history`. HF_E_CORRUPT, with `fault` filled, at the first
 * line that is not in the form; lines before it stay. */
HF_MUST_USE hf_err hf_history_parse(hf_history *history, const char *text, size_t size,
                                    hf_history_fault *fault);
HF_MUST_USE hf_err hf_history_save(const hf_history *history, const char *path); /* HF_E_IO */
/* HF_E_IO, or as parse. */
HF_MUST_USE hf_err hf_history_load(hf_history *history, const char *path, hf_history_fault *fault);

#endif
