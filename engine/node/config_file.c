/* The configuration file, by libconfuse.
 *
 * Every option is a string to libconfuse, so that a value means the same in the file as in a flag.
 * Comments are blanked before it sees the text: it counts their lines twice (3.3), and a wrong line
 * number in a message is worse than none.
 */
#include "engine/base/assert.h"
#include "engine/io/pages.h"
#include "engine/node/config.h"
#include "engine/node/config_impl.h"
#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = HF_CONFIG_FILE_MAX + 1 }; /* the file and an end */
enum { SPELLINGS = 2 * HF_CONFIG_OPTIONS_MAX, SPELLING_SIZE = 32 };

/* One parse. libconfuse hands no context to its callbacks, hence the pointer below. */
typedef struct parse {
    hf_config *config;
    hf_problem *problem;
    const char *name;
    bool given[HF_CONFIG_OPTIONS_MAX];
    int line_of[HF_CONFIG_OPTIONS_MAX];
    bool failed;
} parse;

static _Thread_local parse *current;

static void refuse(int line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first thing that is wrong is told; what follows from it is not. */
static void refuse(int line, const char *format, ...)
{
    char text[HF_PROBLEM_TEXT / 2];
    va_list args;
    if (current->failed) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    current->failed = true;
    hf_problem_set(current->problem, HF_EXIT_CONFIG, "%.300s:%d: %s", current->name, line, text);
}

/* ---- What libconfuse calls ------------------------------------------------------------------- */

static void refuse_unknown(int line, const char *name)
{
    const char *near = hf_option__near(name, strlen(name), true);
    if (hf_option__find(name, strlen(name), false) != NULL) {
        refuse(line, "\"%.64s\" is for the command line only; remove it here", name);
    } else if (near != NULL) {
        refuse(line, "no such option \"%.64s\"; was %s meant?", name, near);
    } else {
        refuse(line, "no such option \"%.64s\"; holdfastd --help lists them", name);
    }
}

/* Its message, with what to do. */
static void on_error(cfg_t *cfg, const char *format, va_list args)
{
    char said[160];
    char name[96];
    (void)vsnprintf(said, sizeof said, format, args);
    if (sscanf(said, "no such option '%95[^']", name) == 1) {
        refuse_unknown(cfg->line, name);
    } else if (strstr(said, "end of file") != NULL) {
        refuse(cfg->line, "the file ends too early; a value or a closing quote is missing");
    } else {
        refuse(cfg->line,
               "%s; a line is `name = value`, with a value of other than letters, "
               "digits and -_.:/ in double quotes",
               said);
    }
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    char why[HF_CONFIG_WHY];
    const hf_config_option *option = hf_option__find(opt->name, strlen(opt->name), true);
    HF_ASSERT(option != NULL);
    size_t index = hf_option__index(option);
    if (current->given[index]) {
        refuse(cfg->line, "%s is given twice, first in line %d; remove one", option->name,
               current->line_of[index]);
        return -1;
    }
    current->given[index] = true;
    current->line_of[index] = cfg->line;
    if (!hf_option__set(current->config, option, value, HF_CONFIG_FILE, why)) {
        refuse(cfg->line, "%s: %s", option->name, why);
        return -1;
    }
    *(const char **)result = value;
    return 0;
}

/* ---- Before it ------------------------------------------------------------------------------- */

static bool starts_token(const char *text, size_t at)
{
    return at == 0 || strchr(" \t\r\n=", text[at - 1]) != NULL;
}

/* The end of the comment that begins here; `at` if none does. */
static size_t comment_end(const char *text, size_t at)
{
    bool line =
        text[at] == '#' || (text[at] == '/' && text[at + 1] == '/' && starts_token(text, at));
    if (line) {
        return at + strcspn(text + at, "\n");
    }
    if (text[at] == '/' && text[at + 1] == '*') {
        const char *end = strstr(text + at + 2, "*/");
        return end == NULL ? at + strlen(text + at) : (size_t)(end + 2 - text);
    }
    return at;
}

static void blank_comments(char *text)
{
    char quote = '\0';
    for (size_t at = 0; text[at] != '\0'; at++) {
        if (quote != '\0') {
            if (text[at] == '\\' && text[at + 1] != '\0') {
                at++;
            } else if (text[at] == quote) {
                quote = '\0';
            }
            continue;
        }
        if (text[at] == '"' || text[at] == '\'') {
            quote = text[at];
            continue;
        }
        size_t end = comment_end(text, at);
        for (size_t i = at; i < end; i++) {
            text[i] = text[i] == '\n' ? '\n' : ' ';
        }
        at = end > at ? end - 1 : at;
    }
}

static int line_at(const char *text, size_t at)
{
    int line = 1;
    for (size_t i = 0; i < at; i++) {
        line += text[i] == '\n' ? 1 : 0;
    }
    return line;
}

/* Bytes that a text file does not hold; they would end the text early, or garble a message. */
static bool is_text(const char *text, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        unsigned char c = (unsigned char)text[at];
        if ((c < ' ' && c != '\n' && c != '\r' && c != '\t') || c == 0x7f) {
            refuse(line_at(text, at), "byte 0x%02x is not text; is this a configuration file?", c);
            return false;
        }
    }
    return true;
}

/* Every option under its name, and with '_' for '-'. */
static void spell_options(cfg_opt_t *opts, char (*names)[SPELLING_SIZE])
{
    size_t count;
    size_t used = 0;
    const hf_config_option *all = hf_config_options(&count);
    for (size_t i = 0; i < count; i++) {
        if (hf_option__find(all[i].name, strlen(all[i].name), true) == NULL) {
            continue;
        }
        for (char dash = '-'; used < SPELLINGS; dash = '_') {
            char *name = names[used];
            HF_ASSERT(snprintf(name, SPELLING_SIZE, "%s", all[i].name) < SPELLING_SIZE);
            for (char *c = name; *c != '\0'; c++) {
                if (*c == '-') {
                    *c = dash;
                }
            }
            opts[used++] = (cfg_opt_t)CFG_STR_CB(name, NULL, CFGF_NODEFAULT, on_value);
            if (dash == '_' || strchr(all[i].name, '-') == NULL) {
                break;
            }
        }
    }
    opts[used] = (cfg_opt_t)CFG_END();
}

static void parse_text(const char *text)
{
    cfg_opt_t opts[SPELLINGS + 1];
    char names[SPELLINGS][SPELLING_SIZE];
    spell_options(opts, names);
    cfg_t *cfg = cfg_init(opts, CFGF_NONE);
    if (cfg == NULL) {
        refuse(1, "no memory to read it");
        return;
    }
    (void)cfg_set_error_function(cfg, on_error);
    if (cfg_parse_buf(cfg, text) != CFG_SUCCESS) {
        refuse(cfg->line, "not understood; a line is `name = value`");
    }
    cfg_free(cfg);
}

hf_exit hf_config_parse(hf_config *config, const char *name, const char *text, size_t size,
                        hf_problem *problem)
{
    parse state = { .config = config, .problem = problem, .name = name };
    current = &state;
    char *copy = hf_pages_map(ROOM, false);
    if (copy == NULL) {
        refuse(1, "no memory to read it");
    } else if (size > HF_CONFIG_FILE_MAX) {
        refuse(1, "larger than %d bytes; is this a configuration file?", HF_CONFIG_FILE_MAX);
    } else if (is_text(text, size)) {
        memcpy(copy, text, size);
        copy[size] = '\0';
        blank_comments(copy);
        parse_text(copy);
    }
    hf_pages_unmap(copy, ROOM);
    current = NULL;
    return state.failed ? problem->code : HF_EXIT_OK;
}

hf_exit hf_config_parse_file(hf_config *config, const char *path, hf_problem *problem)
{
    hf_exit code = HF_EXIT_CONFIG;
    size_t used = 0;
    ssize_t more = 1;
    struct stat st;
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        code =
            hf_problem_errno(problem, code, errno, "%s: cannot open the configuration file", path);
        goto done;
    }
    if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) {
        hf_problem_set(problem, code, "%s: not a file; --config wants a configuration file", path);
        goto done;
    }
    text = hf_pages_map(ROOM, false);
    if (text == NULL) {
        code = hf_problem_errno(problem, HF_EXIT_SYSTEM, ENOMEM, "%s", path);
        goto done;
    }
    while (more > 0 && used < ROOM) {
        more = read(fd, text + used, ROOM - used);
        used += more > 0 ? (size_t)more : 0;
    }
    code = more < 0 ? hf_problem_errno(problem, code, errno, "%s: cannot read it", path)
                    : hf_config_parse(config, path, text, used, problem);
done:
    hf_pages_unmap(text, ROOM);
    if (fd >= 0) {
        (void)close(fd);
    }
    return code;
}
