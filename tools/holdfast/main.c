/* holdfast: finds the command, and what is common to all: options, help, completion, exit codes. */
#include "engine/base/text.h"
#include "tools/holdfast/sim.h"
#include "tools/holdfast/tree.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK_SIZE = 256 * 1024 };

static int run_sim(const hf_tool *tool, int argc, char **argv);

/* clang-format off */
const hf_tool_command hf_tool_commands[] = {
    { "status", "[--wait DURATION]",
      "is the node well: cores, memory, log, transactions; exit code 1 when not",
      hf_tool_status, false },
    { "keys", "[--count] [--limit N] [PATTERN]",
      "names of keys, one a line, or how many there are; PATTERN as in Redis: user:*",
      hf_tool_keys, false },
    { "ranges", "[split KEY | move KEY SHARD]",
      "which core has which keys; cut a range at KEY; give the range that holds KEY to a core",
      hf_tool_ranges, false },
    { "txns", "", "transactions under way, and what they wait for", hf_tool_txns, false },
    { "locks", "", "locks that are held or waited for", hf_tool_locks, false },
    { "stats", "[--shards]", "every counter of the node, or of each core", hf_tool_stats, false },
    { "checkpoint", "", "write a checkpoint of every core now, and wait for it",
      hf_tool_checkpoint, false },
    { "log", "dump | verify [--force] [--from LSN] DIR",
      "read the files of a stopped node's data directory DIR, or of one core in it",
      hf_tool_log, false },
    { "bench", "LOAD [--clients N] [--pipeline N] [--rate N] [--seconds S] [--curve] [--help]",
      "load a server of the Redis protocol: rate, latency, and what a request costs it",
      hf_tool_bench, true },
    { "selftest", "[--each DURATION] [DIR]",
      "what this machine can do: durable writes in DIR, loopback round trips, io_uring",
      hf_tool_selftest, false },
    { "check", "FILE...",
      "judge histories of what clients heard, as saved by sim --history", hf_tool_check, false },
    { "sim", "[--seed N] [--seeds COUNT] [--events N | --minutes M] [--scenario NAME] [--help]",
      "run the engine in a simulated world full of faults, and judge what clients heard",
      run_sim, true },
    { "completion", "bash", "what a shell sources to complete these words",
      hf_tool_completion, false },
    { "version", "", "the version", hf_tool_version, false },
    { "help", "[--synopsis]", "this", hf_tool_help, false },
};
const size_t hf_tool_command_count = sizeof hf_tool_commands / sizeof hf_tool_commands[0];

/* Before or behind the command. */
static const struct { const char *name, *argument, *help; } globals[] = {
    { "--at", "HOST:PORT", "the node [127.0.0.1:7379]" },
    { "--timeout", "DURATION", "for each answer [60s]" },
    { "--json", "", "JSON, and nothing else, on standard output" },
    { "--help", "", "this" },
    { "--version", "", "the version" },
};
/* clang-format on */
enum { GLOBAL_COUNT = sizeof globals / sizeof globals[0] };

/* ---- Words ----------------------------------------------------------------------------------- */

int hf_tool_say(hf_tool_exit code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("holdfast: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return (int)code;
}

static const hf_tool_command *find(const char *name)
{
    for (size_t i = 0; i < hf_tool_command_count; i++) {
        if (strcmp(hf_tool_commands[i].name, name) == 0) {
            return &hf_tool_commands[i];
        }
    }
    return NULL;
}

int hf_tool_misused(const char *command, const char *format, ...)
{
    const hf_tool_command *row = command == NULL ? NULL : find(command);
    va_list args;
    va_start(args, format);
    (void)fputs("holdfast: ", stderr);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    if (row != NULL) {
        (void)fprintf(stderr, "\nusage: holdfast %s%s%s\n", row->name,
                      row->usage[0] == '\0' ? "" : " ", row->usage);
    } else {
        (void)fputs("\nsee: holdfast help\n", stderr);
    }
    return HF_TOOL_USAGE;
}

void *hf_tool_grow(void *block, size_t size)
{
    void *grown = realloc(block, size == 0 ? 1 : size);
    if (grown == NULL) {
        exit(hf_tool_say(HF_TOOL_SYSTEM, "no memory"));
    }
    return grown;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

struct hf_tool_block {
    struct hf_tool_block *before;
    size_t used, size;
    _Alignas(16) uint8_t bytes[];
};
static struct hf_tool_block *newest;

void *hf_tool_take(size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (newest == NULL || newest->size - newest->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        struct hf_tool_block *block = hf_tool_grow(NULL, sizeof *block + room);
        *block = (struct hf_tool_block){ .before = newest, .size = room };
        newest = block;
    }
    void *at = newest->bytes + newest->used;
    newest->used += size;
    return memset(at, 0, size);
}

hf_tool_mark hf_tool_marked(void)
{
    return (hf_tool_mark){ newest, newest == NULL ? 0 : newest->used };
}

void hf_tool_release(hf_tool_mark mark)
{
    while (newest != mark.block) {
        struct hf_tool_block *block = newest;
        newest = block->before;
        free(block);
    }
    if (newest != NULL) {
        newest->used = mark.used;
    }
}

/* ---- Help ------------------------------------------------------------------------------------ */

static void put_usage(const hf_tool_command *row)
{
    (void)printf("holdfast %s%s%s\n", row->name, row->usage[0] == '\0' ? "" : " ", row->usage);
}

static void put_exits(void)
{
#define X(name, number, text) (void)printf("  %2d  %s\n", number, text);
    HF_TOOL_EXITS(X)
#undef X
}

int hf_tool_help(const hf_tool *tool, int argc, char **argv)
{
    (void)tool;
    if (argc == 2 && strcmp(argv[1], "--synopsis") == 0) {
        for (size_t i = 0; i < hf_tool_command_count; i++) {
            put_usage(&hf_tool_commands[i]);
        }
        return HF_TOOL_OK;
    }
    if (argc != 1) {
        return hf_tool_misused(argv[0], "help takes no such argument");
    }
    (void)puts("usage: holdfast [--at HOST:PORT] [--json] COMMAND [ARGUMENT...]\n"
               "\nLooks at and steers a node of Holdfast, and reads its files.\n");
    for (size_t i = 0; i < hf_tool_command_count; i++) {
        (void)fputs("  ", stdout);
        put_usage(&hf_tool_commands[i]);
        (void)printf("        %s\n", hf_tool_commands[i].help);
    }
    (void)puts("\nOptions:");
    for (size_t i = 0; i < GLOBAL_COUNT; i++) {
        (void)printf("  %s%s%s\n        %s\n", globals[i].name,
                     globals[i].argument[0] == '\0' ? "" : " ", globals[i].argument,
                     globals[i].help);
    }
    (void)puts("\nExit codes:");
    put_exits();
    return HF_TOOL_OK;
}

int hf_tool_version(const hf_tool *tool, int argc, char **argv)
{
    if (argc != 1) {
        return hf_tool_misused(argv[0], "version takes no argument");
    }
    if (tool->json) {
        hf_tree tree = hf_tree_text(HF_VERSION);
        hf_tree map = { .kind = HF_TREE_MAP };
        hf_tree_put(&map, "version", tree);
        hf_tree_show(tool, &map);
    } else {
        (void)puts("holdfast " HF_VERSION);
    }
    return HF_TOOL_OK;
}

/* The words of a usage that stand for themselves: "split", "--count". */
static void put_own_words(const char *usage)
{
    for (size_t at = 0; usage[at] != '\0';) {
        size_t size = strspn(&usage[at], "abcdefghijklmnopqrstuvwxyz-");
        bool ends = usage[at + size] == '\0' || strchr(" ]|", usage[at + size]) != NULL;
        if (size > 1 && ends) {
            (void)printf(" %.*s", (int)size, &usage[at]);
        }
        at += size + (size == 0);
    }
}

int hf_tool_completion(const hf_tool *tool, int argc, char **argv)
{
    (void)tool;
    if (argc != 2 || strcmp(argv[1], "bash") != 0) {
        return hf_tool_misused(argv[0], "completion knows bash only");
    }
    (void)puts("_holdfast() {\n"
               "    local word=${COMP_WORDS[COMP_CWORD]} command= i\n"
               "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
               "        case ${COMP_WORDS[i]} in\n"
               "        --at | --timeout) ((i++)) ;;\n"
               "        -*) ;;\n"
               "        *) command=${COMP_WORDS[i]}; break ;;\n"
               "        esac\n"
               "    done\n"
               "    case $command in");
    for (size_t i = 0; i < hf_tool_command_count; i++) {
        (void)printf("    %s) COMPREPLY=($(compgen -W \"", hf_tool_commands[i].name);
        put_own_words(hf_tool_commands[i].usage);
        (void)puts("\" -- \"$word\")) ;;");
    }
    (void)fputs("    '') COMPREPLY=($(compgen -W \"", stdout);
    for (size_t i = 0; i < hf_tool_command_count; i++) {
        (void)printf("%s ", hf_tool_commands[i].name);
    }
    for (size_t i = 0; i < GLOBAL_COUNT; i++) {
        (void)printf("%s ", globals[i].name);
    }
    (void)puts("\" -- \"$word\")) ;;\n"
               "    esac\n"
               "}\n"
               "complete -o default -F _holdfast holdfast");
    return HF_TOOL_OK;
}

/* ---- The command line ------------------------------------------------------------------------ */

static int run_sim(const hf_tool *tool, int argc, char **argv)
{
    char **all = hf_tool_take(sizeof *all * ((size_t)argc + 2));
    memcpy(all, argv, sizeof *all * (size_t)argc);
    if (tool->json) {
        static char json[] = "--json";
        all[argc++] = json;
    }
    return hf_tool_sim(argc, all);
}

typedef struct line {
    hf_tool tool;
    const hf_tool_command *command;
    char **argv; /* of the command, its name first */
    int argc;
    bool help, version;
} line;

/* "--at X" or "--at=X" at argv[*i]; NULL: another option. `*value` NULL: it is missing. */
static bool valued(const char *name, int argc, char **argv, int *i, const char **value)
{
    size_t size = strlen(name);
    if (strncmp(argv[*i], name, size) != 0 || (argv[*i][size] != '\0' && argv[*i][size] != '=')) {
        return false;
    }
    *value = argv[*i][size] == '=' ? argv[*i] + size + 1 : *i + 1 < argc ? argv[++*i] : NULL;
    return true;
}

static bool plain_global(line *to, const char *word)
{
    if (strcmp(word, "--json") == 0) {
        to->tool.json = true;
    } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        to->help = true;
    } else if (strcmp(word, "--version") == 0) {
        to->version = true;
    } else {
        return false;
    }
    return true;
}

/* HF_TOOL_OK, or the code of what was said. */
static int read_line(line *to, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = NULL;
        bool raw = to->command != NULL && (to->command->raw || strcmp(argv[i], "--") == 0);
        if (raw) {
            while (i < argc) {
                to->argv[to->argc++] = argv[i++];
            }
        } else if (plain_global(to, argv[i])) {
            continue;
        } else if (valued("--at", argc, argv, &i, &value)) {
            to->tool.at = value;
            if (value == NULL) {
                return hf_tool_misused(NULL, "--at takes HOST:PORT");
            }
        } else if (valued("--timeout", argc, argv, &i, &value)) {
            if (value == NULL ||
                hf_text_duration(hf_bytes_of(value, strlen(value)), &to->tool.timeout_ns) !=
                    HF_OK ||
                to->tool.timeout_ns == 0) {
                return hf_tool_misused(NULL, "--timeout takes a duration such as 10s");
            }
        } else if (to->command != NULL) {
            to->argv[to->argc++] = argv[i];
        } else if (argv[i][0] == '-') {
            return hf_tool_misused(NULL, "%s is not understood", argv[i]);
        } else {
            to->command = find(argv[i]);
            if (to->command == NULL) {
                return hf_tool_misused(NULL, "there is no command '%s'", argv[i]);
            }
            to->argv[to->argc++] = argv[i];
        }
    }
    return HF_TOOL_OK;
}

static int run(int argc, char **argv)
{
    static char help[] = "help";
    line to = { .tool = { .at = "127.0.0.1:7379", .timeout_ns = UINT64_C(60000000000) } };
    to.argv = hf_tool_take(sizeof *to.argv * ((size_t)argc + 1));
    const char *no_colour = getenv("NO_COLOR");
    to.tool.colour = isatty(STDOUT_FILENO) && (no_colour == NULL || no_colour[0] == '\0');
    int code = read_line(&to, argc, argv);
    if (code != HF_TOOL_OK) {
        return code;
    }
    if (to.version || to.help) {
        to.argv[0] = help;
        return to.version ? hf_tool_version(&to.tool, 1, to.argv)
                          : hf_tool_help(&to.tool, 1, to.argv);
    }
    if (to.command == NULL) {
        return hf_tool_misused(NULL, "a command is missing");
    }
    return to.command->run(&to.tool, to.argc, to.argv);
}

int main(int argc, char **argv)
{
    int code = run(argc, argv);
    /* What was not written was not said. */
    if (ferror(stdout) || fclose(stdout) != 0) {
        return hf_tool_say(HF_TOOL_IO, "standard output: %s", strerror(errno));
    }
    return code;
}
