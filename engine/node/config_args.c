/* The command line. */
#include "engine/node/config.h"
#include "engine/node/config_impl.h"
#include <string.h>

typedef struct arguments {
    hf_config *config;
    hf_problem *problem;
    char *const *at; /* not yet read; ends with NULL */
    bool given[HF_CONFIG_OPTIONS_MAX];
} arguments;

static hf_exit unknown(arguments *args, const char *text, const char *name, size_t size)
{
    const char *near = hf_option__near(name, size, false);
    if (near != NULL) {
        return hf_problem_set(args->problem, HF_EXIT_USAGE,
                              "no such option \"%.64s\"; was --%s meant?", text, near);
    }
    return hf_problem_set(args->problem, HF_EXIT_USAGE,
                          "no such option \"%.64s\"; holdfastd --help lists them", text);
}

/* The value of an option: after '=', or the next argument. */
static hf_exit value_of(arguments *args, const hf_config_option *option, const char *equals,
                        const char **value)
{
    bool takes_none = option->kind == HF_KIND_SWITCH || option->kind == HF_KIND_ACTION;
    if (takes_none && equals != NULL) {
        return hf_problem_set(args->problem, HF_EXIT_USAGE,
                              "--%s takes no value; leave out \"%.64s\"", option->name, equals);
    }
    if (takes_none) {
        *value = "true";
    } else if (equals != NULL) {
        *value = equals + 1;
    } else if (*args->at != NULL) {
        *value = *args->at++;
    } else {
        return hf_problem_set(args->problem, HF_EXIT_USAGE, "--%s needs a value: --%s %s",
                              option->name, option->name, option->argument);
    }
    return HF_EXIT_OK;
}

static hf_exit read_one(arguments *args)
{
    const char *text = *args->at++;
    const char *value = NULL;
    char why[HF_CONFIG_WHY];
    if (text[0] != '-' || text[1] != '-' || text[2] == '\0') {
        return hf_problem_set(args->problem, HF_EXIT_USAGE,
                              "\"%.64s\" is not an option; options begin with --", text);
    }
    const char *name = text + 2;
    size_t size = strcspn(name, "=");
    const hf_config_option *option = hf_option__find(name, size, false);
    bool off = false;
    if (option == NULL && size > 3 && memcmp(name, "no-", 3) == 0) {
        option = hf_option__find(name + 3, size - 3, false);
        off = option != NULL && option->kind == HF_KIND_SWITCH;
        option = off ? option : NULL;
    }
    if (option == NULL) {
        return unknown(args, text, name, size);
    }
    hf_exit code = value_of(args, option, name[size] == '=' ? name + size : NULL, &value);
    if (code != HF_EXIT_OK) {
        return code;
    }
    if (args->given[hf_option__index(option)]) {
        return hf_problem_set(args->problem, HF_EXIT_USAGE, "--%s is given twice; leave one out",
                              option->name);
    }
    args->given[hf_option__index(option)] = true;
    if (!hf_option__set(args->config, option, off ? "false" : value, HF_CONFIG_FLAG, why)) {
        return hf_problem_set(args->problem, HF_EXIT_USAGE, "--%s: %s", option->name, why);
    }
    return HF_EXIT_OK;
}

hf_exit hf_config_read(hf_config *config, int argc, char *const *argv, hf_problem *problem)
{
    arguments args = { .config = config, .problem = problem, .at = argv + (argc > 0 ? 1 : 0) };
    hf_config_defaults(config);
    while (*args.at != NULL) {
        hf_exit code = read_one(&args);
        if (code != HF_EXIT_OK) {
            return code;
        }
    }
    bool wanted = config->action == HF_CONFIG_RUN || config->action == HF_CONFIG_PRINT;
    if (wanted && config->file[0] != '\0') {
        return hf_config_parse_file(config, config->file, problem);
    }
    return HF_EXIT_OK;
}
