/* hf_err: every error code of the engine, in one table with its stable number and text.
 *
 * HF_OK is 0, failures are negative; numbers are part of the interface and never reused. Three
 * kinds of trouble have three answers: an operating condition (full, busy, refused) returns one of
 * these; rotten bytes return HF_E_CORRUPT; a bug of our own stops the process
 * (engine/base/assert.h).
 */
#ifndef HF_BASE_ERROR_H
#define HF_BASE_ERROR_H

#define HF_MUST_USE __attribute__((warn_unused_result))

/* clang-format off */
#define HF_ERRORS(X)                                                                      \
    X(INVALID,    -1,  "invalid argument")                                                \
    X(FULL,       -2,  "a fixed resource is full")                                        \
    X(BUSY,       -3,  "busy, try again")                                                 \
    X(NOMEM,      -4,  "the memory limit is reached")                                     \
    X(TOOBIG,     -5,  "larger than the limit")                                           \
    X(CORRUPT,    -6,  "stored or received bytes are damaged")                            \
    X(IO,         -7,  "an input/output operation failed")                                \
    X(NOSPACE,    -8,  "the disk is full")                                                \
    X(LOCKED,     -9,  "another process holds the data directory")                        \
    X(VERSION,    -10, "the format is newer than this binary reads")                      \
    X(NOTFOUND,   -11, "not found")                                                       \
    X(EXISTS,     -12, "exists already")                                                  \
    X(TYPE,       -13, "the key holds another kind of value")                             \
    X(RANGE,      -14, "the value is out of range")                                       \
    X(LIMIT,      -15, "a bound of the quantity would be crossed")                        \
    X(CONFLICT,   -16, "the transaction lost a conflict")                                 \
    X(COND,       -17, "a condition does not hold")                                       \
    X(DEADLINE,   -18, "the deadline passed")                                             \
    X(INDOUBT,    -19, "the outcome is not known yet")                                    \
    X(EXPIRED,    -20, "older than what is kept")                                         \
    X(CLOSED,     -21, "closed")                                                          \
    X(SHUTDOWN,   -22, "the node is stopping")                                            \
    X(READONLY,   -23, "read only")                                                       \
    X(WRONGFILE,  -24, "the file is not what its place says it is")                       \
    X(MOVED,      -25, "the range lives on another core")                                 \
    X(NOTSUPPORTED, -26, "not supported here")
/* clang-format on */

typedef enum hf_err {
    HF_OK = 0,
#define X(name, number, text) HF_E_##name = number,
    HF_ERRORS(X)
#undef X
} hf_err;

/* The text of the table above; "ok" for HF_OK, "unknown error" for a number that is not in it. */
const char *hf_err_text(hf_err err);
/* "CORRUPT" for HF_E_CORRUPT: for logs and JSON. */
const char *hf_err_name(hf_err err);

#endif
