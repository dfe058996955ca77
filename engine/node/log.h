/* hf_oplog: the operator's log: one line for each thing that an operator may want to know.
 *
 *     ts=2026-11-21T13:45:00.123Z level=info msg=ready cores=2 keys=100000
 *     {"ts":"2026-11-21T13:45:00.123Z","level":"info","msg":"ready","cores":2,"keys":100000}
 *
 * A line is one write of less than 4 KiB, so lines of several threads do not mix. The same message
 * comes at most HF_OPLOG_BURST times in HF_OPLOG_WINDOW_NS; what was left out is counted in the
 * field `repeated` of the next one. When nobody reads the other end, a line is dropped and counted
 * (field `dropped`) and nothing waits: a full pipe must not stop a node. An error waits a second.
 *
 * If standard error is the journal's, lines begin with its priority, "<6>".
 *
 * Threads:    any. Cost: a lock; not for the path of a request.
 */
#ifndef HF_NODE_LOG_H
#define HF_NODE_LOG_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum hf_oplog_level {
    HF_OPLOG_DEBUG, /* in the order of --log-level */
    HF_OPLOG_INFO,
    HF_OPLOG_WARN,
    HF_OPLOG_ERROR,
    HF_OPLOG_FATAL, /* the process ends; never left out */
} hf_oplog_level;

typedef enum hf_oplog_kind {
    HF_OPLOG_END,
    HF_OPLOG_TEXT,
    HF_OPLOG_NUMBER,
    HF_OPLOG_BOOL,
} hf_oplog_kind;

typedef struct hf_oplog_field {
    const char *name; /* lower_case */
    const char *text;
    uint64_t number;
    hf_oplog_kind kind;
} hf_oplog_field;

/* clang-format off */
#define HF_TEXT(name, value) ((hf_oplog_field){ (name), (value), 0, HF_OPLOG_TEXT })
#define HF_NUMBER(name, value) ((hf_oplog_field){ (name), NULL, (value), HF_OPLOG_NUMBER })
#define HF_BOOL(name, value) ((hf_oplog_field){ (name), NULL, (value) ? 1 : 0, HF_OPLOG_BOOL })
#define HF_END ((hf_oplog_field){ NULL, NULL, 0, HF_OPLOG_END })
/* HF_SAY(log, INFO, "ready", HF_NUMBER("cores", 2), HF_END); the message is a literal. */
#define HF_SAY(log, level, message, ...) \
    hf_oplog_write((log), HF_OPLOG_##level, "" message, (const hf_oplog_field[]){ __VA_ARGS__ })
/* clang-format on */

enum {
    HF_OPLOG_LINE = 4000, /* longer lines are cut, and stay well formed */
    HF_OPLOG_BURST = 10,
    HF_OPLOG_REPEATS = 32, /* messages whose repetition is watched */
};
#define HF_OPLOG_WINDOW_NS UINT64_C(10000000000)

typedef struct hf_oplog_repeat {
    uint64_t hash;
    uint64_t since_ns;
    uint64_t left_out;
    uint32_t written;
} hf_oplog_repeat;

typedef struct hf_oplog {
    int fd;
    bool json;
    bool journal;
    hf_oplog_level level;
    uint64_t (*now_ns)(void);
    uint64_t (*wall_ns)(void);
    pthread_mutex_t lock;
    uint64_t dropped;
    hf_oplog_repeat repeats[HF_OPLOG_REPEATS];
} hf_oplog;

/* On descriptor `fd`, with the clocks of the machine (tests set others). */
void hf_oplog_open(hf_oplog *log, int fd, bool json, hf_oplog_level level);
/* Fields up to HF_END. Text of any bytes; what is no UTF-8 is replaced. */
void hf_oplog_write(hf_oplog *log, hf_oplog_level level, const char *message,
                    const hf_oplog_field *fields);
/* The line alone, with its '\n'; answers its size, less than HF_OPLOG_LINE. */
size_t hf_oplog_format(const hf_oplog *log, hf_oplog_level level, const char *message,
                       const hf_oplog_field *fields, uint64_t wall_ns, uint64_t repeated,
                       char out[HF_OPLOG_LINE]);

#endif
