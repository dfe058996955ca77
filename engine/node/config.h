/* hf_config: what holdfastd is told: flags, the configuration file, defaults, in this order.
 *
 * One table (config.c) holds every option: its name, kind, bounds, default and one line of help.
 * Flags, file, --help, --print-config and the tests of the manual page all read that table.
 *
 * A flag is `--name VALUE` or `--name=VALUE`, a boolean `--name` or `--no-name`. The file
 * (libconfuse) has `name = value`, '_' for '-' if one likes. The same option twice in one place is
 * an error: of two orders neither is obeyed in silence.
 *
 * Sizes are "256MiB", durations "10s" (engine/base/text.h).
 */
#ifndef HF_NODE_CONFIG_H
#define HF_NODE_CONFIG_H
#include "engine/node/exit.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HF_CONFIG_PATH = 1024,
    HF_CONFIG_HOST = 256,
    HF_CONFIG_FILE_MAX = 256 * 1024, /* bytes of a configuration file */
};

typedef struct hf_address {
    char host[HF_CONFIG_HOST]; /* without the brackets of an IPv6 address */
    uint16_t port;             /* 0: any free one */
} hf_address;

/* Values of the options of kind choice. */
enum { HF_LOG_FORMAT_LOGFMT, HF_LOG_FORMAT_JSON };
enum { HF_LOG_LEVEL_DEBUG, HF_LOG_LEVEL_INFO, HF_LOG_LEVEL_WARN, HF_LOG_LEVEL_ERROR };
enum { HF_LOG_PER_CORE, HF_LOG_PER_DEVICE };

#define HF_CONFIG_DRAIN_NS UINT64_C(30000000000)

typedef enum hf_config_source {
    HF_CONFIG_DEFAULT,
    HF_CONFIG_FILE,
    HF_CONFIG_FLAG,
} hf_config_source;

enum { HF_CONFIG_OPTIONS_MAX = 32 };

typedef enum hf_config_action {
    HF_CONFIG_RUN,
    HF_CONFIG_HELP,
    HF_CONFIG_VERSION,
    HF_CONFIG_PRINT,
} hf_config_action;

typedef struct hf_config {
    char data[HF_CONFIG_PATH];
    char file[HF_CONFIG_PATH]; /* --config; "" for none */
    hf_address listen;
    hf_address http;
    uint64_t cores;        /* 0: all (until hf_config_resolve) */
    uint64_t memory_bytes; /* 0: by rule (until hf_config_resolve) */
    uint64_t recovery_target_ns;
    uint64_t retention_ns;
    uint64_t outcome_horizon_ns;
    uint64_t log_flushes;
    uint64_t log_per;
    uint64_t log_format;
    uint64_t log_level;
    uint64_t spin_us;
    bool pin;
    uint64_t drain_ns; /* longest clean stop; no option */
    hf_config_action action;
    uint8_t source[HF_CONFIG_OPTIONS_MAX]; /* hf_config_source, by place in the table */
} hf_config;

void hf_config_defaults(hf_config *config);
/* Flags, and the file that they name. HF_EXIT_USAGE: a flag is wrong; HF_EXIT_CONFIG: the file. */
HF_MUST_USE hf_exit hf_config_read(hf_config *config, int argc, char *const *argv,
                                   hf_problem *problem);
/* The text of a configuration file, over what is set; `name` is for messages: "name:line: what".
 * Flags that are set stay. */
HF_MUST_USE hf_exit hf_config_parse(hf_config *config, const char *name, const char *text,
                                    size_t size, hf_problem *problem);
HF_MUST_USE hf_exit hf_config_parse_file(hf_config *config, const char *path, hf_problem *problem);

/* Fills in what depends on the machine: cores = all processors, memory = half of what there is, at
 * most the larger of the two above. */
void hf_config_resolve(hf_config *config, uint16_t processors, uint64_t machine_bytes);

/* Memory that was asked for is taken at start, so that neither page faults nor a surprise are left
 * for later; that may take a second a GiB and more. Without --memory it is taken as it is needed.
 */
bool hf_config_takes_memory(const hf_config *config);
/* A data directory keeps the logs that it was made with: only what was said is held against it. */
bool hf_config_says_log_per(const hf_config *config);

/* Room that any of the texts below needs. */
enum { HF_CONFIG_TEXT = 8192 };
/* What --help says. Answers the length; `size` is at least HF_CONFIG_TEXT, here and below. */
size_t hf_config_help(char *out, size_t size);
/* What --print-config says: a configuration file with the effective values and where each came
 * from. */
size_t hf_config_print(const hf_config *config, char *out, size_t size);

/* The table, for tests and for what describes it. */
typedef struct hf_config_option {
    const char *name;     /* "log-format" */
    const char *argument; /* "logfmt|json"; "" for a boolean */
    const char *fallback; /* its default as text; "" where the machine decides */
    const char *help;
    uint64_t least, most; /* for numbers, sizes and durations */
    uint16_t offset;      /* in hf_config */
    uint8_t kind;         /* config_impl.h */
    bool bare_seconds;    /* a duration that may be a bare number */
} hf_config_option;
const hf_config_option *hf_config_options(size_t *count);

#endif
