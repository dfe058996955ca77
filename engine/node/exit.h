/* hf_exit: with what code holdfastd ends, and the words beside it.
 *
 * The codes are part of the interface (holdfastd.8): scripts and service managers decide by them,
 * so they never change. They follow sysexits.h as far as that has a word.
 */
#ifndef HF_NODE_EXIT_H
#define HF_NODE_EXIT_H
#include "engine/base/error.h"

/* clang-format off */
#define HF_EXITS(X)                                                                         \
    X(OK,         0,  "stopped clean")                                                      \
    X(USAGE,      64, "the command line is wrong")                                          \
    X(CORRUPT,    65, "stored data is damaged")                                             \
    X(PORT,       69, "a port is taken")                                                    \
    X(INTERNAL,   70, "a fault of Holdfast itself")                                         \
    X(SYSTEM,     71, "the system lacks memory, threads or io_uring")                       \
    X(CREATE,     73, "the data directory cannot be created or written")                    \
    X(IO,         74, "reading, writing or flushing failed, or the disk is full")           \
    X(LOCKED,     75, "another process holds the data directory")                           \
    X(VERSION,    76, "the data directory has a newer format than this binary reads")       \
    X(PERMISSION, 77, "permission denied")                                                  \
    X(CONFIG,     78, "the configuration is wrong")
/* clang-format on */

typedef enum hf_exit {
#define X(name, number, text) HF_EXIT_##name = number,
    HF_EXITS(X)
#undef X
} hf_exit;

enum { HF_PROBLEM_TEXT = 768 };

/* Why not, for a person: what is wrong and, where known, what to do. */
typedef struct hf_problem {
    hf_exit code;
    char text[HF_PROBLEM_TEXT];
} hf_problem;

/* Fills it in and answers the code. Text that is too long is cut. */
__attribute__((format(printf, 3, 4))) hf_exit hf_problem_set(hf_problem *problem, hf_exit code,
                                                             const char *format, ...);
/* The same for a failed call of the system: `number` is an errno, whose text is added. EACCES and
 * EPERM are HF_EXIT_PERMISSION, EROFS is HF_EXIT_CREATE, whatever `code` says. */
__attribute__((format(printf, 4, 5))) hf_exit hf_problem_errno(hf_problem *problem, hf_exit code,
                                                               int number, const char *format, ...);
/* How the node ends for an error of the engine. */
hf_exit hf_exit_of(hf_err err);

#endif
