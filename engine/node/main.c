/* holdfastd. */
#include "engine/io/cpu.h"
#include "engine/node/config.h"
#include "engine/node/log.h"
#include "engine/node/machine.h"
#include "engine/node/node.h"
#include <stdio.h>
#include <unistd.h>

/* Standard output has what was asked for and nothing else. */
static int print_text(const char *text, size_t size)
{
    bool good = fwrite(text, 1, size, stdout) == size && fflush(stdout) == 0;
    return good ? (int)HF_EXIT_OK : (int)HF_EXIT_IO;
}

static int print_version(void)
{
    static const char version[] = "holdfastd " HF_VERSION "\n";
    return print_text(version, sizeof version - 1);
}

int main(int argc, char **argv)
{
    char text[HF_CONFIG_TEXT];
    hf_config config;
    hf_problem problem;
    hf_oplog log;
    if (hf_config_read(&config, argc, argv, &problem) != HF_EXIT_OK) {
        /* Before the format of the log is known: as any program would say it. */
        (void)fprintf(stderr, "holdfastd: %s\n", problem.text);
        return (int)problem.code;
    }
    hf_config_resolve(&config, hf_cpu_count(), hf_machine_memory());
    switch (config.action) {
    case HF_CONFIG_HELP:
        return print_text(text, hf_config_help(text, sizeof text));
    case HF_CONFIG_VERSION:
        return print_version();
    case HF_CONFIG_PRINT:
        return print_text(text, hf_config_print(&config, text, sizeof text));
    case HF_CONFIG_RUN:
        break;
    }
    hf_oplog_open(&log, STDERR_FILENO, config.log_format == HF_LOG_FORMAT_JSON,
                  (hf_oplog_level)config.log_level);
    return (int)hf_node_run(&config, &log);
}
