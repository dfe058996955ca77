/* hf_err: every error code, in one table with its stable number and text.
 *
 * HF_OK is 0, failures are negative; numbers are part of the interface and never reused. What a
 * call may return, and what is then true, stands beside the call. Two answers need thought:
 *
 *   HF_E_INDOUBT    it may have happened or not: ask hf_outcome() if the call had an id
 *   HF_E_REFUSED    the engine refused; hf_client_words() has its words
 */
#ifndef HOLDFAST_ERROR_H
#define HOLDFAST_ERROR_H

#define HF_API __attribute__((visibility("default")))
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
    X(NOTSUPPORTED, -26, "not supported here")                                            \
    X(REFUSED,    -27, "the engine refused the request")                                  \
    X(TRUNCATED,  -28, "the value is larger than the buffer")                             \
    X(FORKED,     -29, "belongs to the process that this one was forked from")            \
    X(FATAL,      -30, "the engine cannot go on")
/* clang-format on */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hf_err {
    HF_OK = 0,
#define X(name, number, text) HF_E_##name = number,
    HF_ERRORS(X)
#undef X
} hf_err;

/* The text of the table above; "ok" for HF_OK, "unknown error" for a number that is not in it. */
HF_API const char *hf_err_text(hf_err err);
/* "CORRUPT" for HF_E_CORRUPT: for logs and JSON. */
HF_API const char *hf_err_name(hf_err err);

#ifdef __cplusplus
}
#endif
#endif
