/* hf_tool: the command line `holdfast`: what its commands share.
 *
 * Data goes to stdout, words to stderr; with --json stdout has JSON and nothing else. The exit
 * codes are part of the interface (holdfast.1) and never change; above 64 they are those of
 * holdfastd.
 *
 * Memory: taken from one growing region that is given back as a whole, or never.
 */
#ifndef HF_TOOL_TOOL_H
#define HF_TOOL_TOOL_H
#include "engine/base/bytes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#define HF_TOOL_EXITS(X)                                                             \
    X(OK,           0, "done, and nothing is wrong")                                 \
    X(FAILED,       1, "a check failed: what was looked at is not as it must be")                  \
    X(USAGE,        2, "the command line is wrong")                                  \
    X(UNREACHABLE,  3, "the node cannot be reached, or ended the connection")        \
    X(SERVER,       4, "the node answered with an error")                            \
    X(DAMAGED,     65, "stored data, or a file to be read, is damaged")              \
    X(SYSTEM,      71, "no memory")                                                  \
    X(IO,          74, "a file cannot be read, or the output not be written")        \
    X(LOCKED,      75, "a running node holds the data directory")                    \
    X(VERSION,     76, "the data has a newer format than this binary reads")
/* clang-format on */

typedef enum hf_tool_exit {
#define X(name, number, text) HF_TOOL_##name = number,
    HF_TOOL_EXITS(X)
#undef X
} hf_tool_exit;

typedef struct hf_tool {
    const char *at; /* HOST:PORT */
    bool json;
    bool colour; /* stdout is a terminal, and nobody objects */
    uint64_t timeout_ns;
} hf_tool;

typedef struct hf_tool_command {
    const char *name;
    /* What follows the name: WORDS stand for something, others for themselves. The completion and
     * the manual page are made of this. */
    const char *usage;
    const char *help;
    int (*run)(const hf_tool *tool, int argc, char **argv); /* argv[0]: the name */
    bool raw;                                               /* every argument is its own affair */
} hf_tool_command;

extern const hf_tool_command hf_tool_commands[];
extern const size_t hf_tool_command_count;

int hf_tool_status(const hf_tool *tool, int argc, char **argv);
int hf_tool_keys(const hf_tool *tool, int argc, char **argv);
int hf_tool_ranges(const hf_tool *tool, int argc, char **argv);
int hf_tool_txns(const hf_tool *tool, int argc, char **argv);
int hf_tool_locks(const hf_tool *tool, int argc, char **argv);
int hf_tool_stats(const hf_tool *tool, int argc, char **argv);
int hf_tool_checkpoint(const hf_tool *tool, int argc, char **argv);
int hf_tool_log(const hf_tool *tool, int argc, char **argv);
int hf_tool_bench(const hf_tool *tool, int argc, char **argv);
int hf_tool_selftest(const hf_tool *tool, int argc, char **argv);
int hf_tool_check(const hf_tool *tool, int argc, char **argv);
int hf_tool_help(const hf_tool *tool, int argc, char **argv);
int hf_tool_completion(const hf_tool *tool, int argc, char **argv);
int hf_tool_version(const hf_tool *tool, int argc, char **argv);

/* "holdfast: ..." on stderr. Answers `code`. */
int hf_tool_say(hf_tool_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The command line is wrong: says what, and how the command is used. */
int hf_tool_misused(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Memory: zeroed, never NULL (the process ends instead), given back only by release(). */
void *hf_tool_take(size_t size);
/* Everything taken after the mark is given back: for what goes on for long. */
typedef struct hf_tool_mark {
    struct hf_tool_block *block;
    size_t used;
} hf_tool_mark;
hf_tool_mark hf_tool_marked(void);
void hf_tool_release(hf_tool_mark mark);
/* libc's realloc, never NULL. */
void *hf_tool_grow(void *block, size_t size);

#endif
