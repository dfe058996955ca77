/* The table of options, and how one of them is set, found and told. */
#include "engine/node/config.h"
#include "engine/base/assert.h"
#include "engine/base/text.h"
#include "engine/node/config_impl.h"
#include "engine/node/machine.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_NS UINT64_C(60000000000)
#define SECOND_NS UINT64_C(1000000000)
#define AT(field) .offset = (uint16_t)offsetof(hf_config, field)

/* clang-format off */
static const hf_config_option options[] = {
    { "data", "DIR", "holdfast-data",
      "the data directory; made if it is not there",
      AT(data), .kind = HF_KIND_PATH },
    { "listen", "HOST:PORT", "127.0.0.1:7379",
      "where Redis clients connect; port 0 takes a free one",
      AT(listen), .kind = HF_KIND_ADDRESS },
    { "http", "HOST:PORT", "127.0.0.1:7381",
      "where /livez, /readyz, /metrics and /api are",
      AT(http), .kind = HF_KIND_ADDRESS },
    { "cores", "N", "",
      "threads to use, one a core [all processors]; fixes the number of shards when the data "
      "directory is made",
      .least = 1, .most = 64, AT(cores), .kind = HF_KIND_NUMBER },
    { "memory", "SIZE", "",
      "for all data, over all cores, taken at start, never exceeded [half of the machine, at most "
      "4GiB or 256MiB a core, taken as it is needed]",
      .least = UINT64_C(64) << 20, .most = UINT64_C(1) << 50, AT(memory_bytes),
      .kind = HF_KIND_SIZE },
    { "recovery-target", "SECONDS", "10s",
      "checkpoints are taken so that a start after a crash replays no longer than this",
      .least = SECOND_NS, .most = 60 * MINUTE_NS, AT(recovery_target_ns), .kind = HF_KIND_DURATION,
      .bare_seconds = true },
    { "retention", "DURATION", "10s",
      "how long old versions can be read",
      .least = 0, .most = 7 * 24 * 60 * MINUTE_NS, AT(retention_ns), .kind = HF_KIND_DURATION },
    { "outcome-horizon", "DURATION", "24h",
      "how long the outcome of a transaction's id can be asked for",
      .least = MINUTE_NS, .most = 90 * 24 * 60 * MINUTE_NS, AT(outcome_horizon_ns),
      .kind = HF_KIND_DURATION },
    { "log-flushes", "N", "1",
      "flushes of one log under way at a time",
      .least = 1, .most = 2, AT(log_flushes), .kind = HF_KIND_NUMBER },
    { "log-per", "core|device", "core",
      "one log for each core, or one for all of them on the device; fixed when the data directory "
      "is made",
      AT(log_per), .kind = HF_KIND_CHOICE },
    { "log-format", "logfmt|json", "logfmt",
      "what lines on standard error look like",
      AT(log_format), .kind = HF_KIND_CHOICE },
    { "log-level", "debug|info|warn|error", "info",
      "the least important lines that are written",
      AT(log_level), .kind = HF_KIND_CHOICE },
    { "spin-us", "N", "20",
      "microseconds that a core looks for messages of others before it sleeps",
      .least = 0, .most = 1000, AT(spin_us), .kind = HF_KIND_NUMBER },
    { "pin", "", "true",
      "keep each thread on a processor of its own",
      AT(pin), .kind = HF_KIND_SWITCH },
    { "config", "FILE", "",
      "read options from FILE, as `name = value`; flags go before it",
      AT(file), .kind = HF_KIND_FILE },
    { "print-config", "", "",
      "write the effective configuration, as a file for --config, and stop",
      .least = HF_CONFIG_PRINT, AT(action), .kind = HF_KIND_ACTION },
    { "version", "", "", "write the version and stop",
      .least = HF_CONFIG_VERSION, AT(action), .kind = HF_KIND_ACTION },
    { "help", "", "", "write this and stop",
      .least = HF_CONFIG_HELP, AT(action), .kind = HF_KIND_ACTION },
};
/* clang-format on */
enum { OPTION_COUNT = sizeof options / sizeof options[0], NAME_MAX_SIZE = 24 };
_Static_assert((int)OPTION_COUNT <= (int)HF_CONFIG_OPTIONS_MAX,
               "room for the source of every option");

const hf_config_option *hf_config_options(size_t *count)
{
    *count = OPTION_COUNT;
    return options;
}

size_t hf_option__index(const hf_config_option *option)
{
    return (size_t)(option - options);
}

/* ---- Finding -------------------------------------------------------------------------------- */

static bool known(const hf_config_option *option, bool in_file)
{
    return !in_file || (option->kind != HF_KIND_FILE && option->kind != HF_KIND_ACTION);
}

static char as_dash(char c)
{
    if (c == '_') {
        c = '-';
    }
    return c;
}

const hf_config_option *hf_option__find(const char *name, size_t size, bool in_file)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        size_t at = 0;
        if (strlen(options[i].name) != size || !known(&options[i], in_file)) {
            continue;
        }
        while (at < size && as_dash(name[at]) == options[i].name[at]) {
            at++;
        }
        if (at == size) {
            return &options[i];
        }
    }
    return NULL;
}

static uint32_t least_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Letters to insert, drop or replace to get from one to the other (Levenshtein). */
static uint32_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    uint32_t row[NAME_MAX_SIZE + 1];
    HF_PRE(b_size <= NAME_MAX_SIZE);
    for (uint32_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        uint32_t corner = row[0];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= b_size; j++) {
            uint32_t replaced = corner + (as_dash(a[i - 1]) == b[j - 1] ? 0 : 1);
            corner = row[j];
            row[j] = least_of(replaced, least_of(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_size];
}

const char *hf_option__near(const char *name, size_t size, bool in_file)
{
    const char *best = NULL;
    uint32_t best_distance = 3; /* more than two slips of the finger is another word */
    if (size > NAME_MAX_SIZE) {
        return NULL;
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        size_t length = strlen(options[i].name);
        uint32_t far = distance(name, size, options[i].name, length);
        if (known(&options[i], in_file) && far < best_distance) {
            best = options[i].name;
            best_distance = far;
        }
    }
    return best;
}

/* ---- Setting -------------------------------------------------------------------------------- */

static bool no(char why[HF_CONFIG_WHY], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool no(char why[HF_CONFIG_WHY], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, HF_CONFIG_WHY, format, args);
    va_end(args);
    return false;
}

static hf_bytes bytes_of(const char *text)
{
    return hf_bytes_of(text, strlen(text));
}

static size_t put_size(char *out, size_t size, uint64_t bytes)
{
    static const char *const units[] = { "", "KiB", "MiB", "GiB", "TiB" };
    size_t unit = 0;
    while (unit < 4 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    return (size_t)snprintf(out, size, "%" PRIu64 "%s", bytes, units[unit]);
}

static size_t put_duration(char *out, size_t size, uint64_t ns)
{
    static const struct {
        const char *name;
        uint64_t factor; /* to the next larger one */
    } units[] = { { "ns", 1000 }, { "us", 1000 }, { "ms", 1000 }, { "s", 60 }, { "m", 60 } };
    size_t unit = 0;
    while (unit < 5 && ns != 0 && ns % units[unit].factor == 0) {
        ns /= units[unit++].factor;
    }
    return (size_t)snprintf(out, size, "%" PRIu64 "%s", ns,
                            ns == 0 ? "s" : (unit == 5 ? "h" : units[unit].name));
}

static size_t put_number(char *out, size_t size, uint8_t kind, uint64_t number)
{
    if (kind == HF_KIND_SIZE) {
        return put_size(out, size, number);
    }
    if (kind == HF_KIND_DURATION) {
        return put_duration(out, size, number);
    }
    return (size_t)snprintf(out, size, "%" PRIu64, number);
}

static bool set_number(const hf_config_option *option, void *at, const char *text,
                       char why[HF_CONFIG_WHY])
{
    uint64_t number = 0;
    hf_err err;
    const char *wanted = "a number";
    if (option->kind == HF_KIND_SIZE) {
        err = hf_text_size(bytes_of(text), &number);
        wanted = "a size such as 512MiB or 4GiB";
    } else if (option->kind == HF_KIND_NUMBER) {
        err = hf_text_u64(bytes_of(text), &number);
    } else {
        err = hf_text_duration(bytes_of(text), &number);
        wanted = "a duration such as 500ms, 10s or 24h";
        if (err == HF_E_INVALID && option->bare_seconds) {
            err = hf_text_u64(bytes_of(text), &number);
            if (err == HF_OK && __builtin_mul_overflow(number, SECOND_NS, &number)) {
                err = HF_E_RANGE;
            }
            wanted = "a number of seconds, or a duration such as 500ms or 1m";
        }
    }
    if (err == HF_E_INVALID) {
        return no(why, "\"%.64s\" is not %s", text, wanted);
    }
    if (err != HF_OK || number < option->least || number > option->most) {
        char least[32];
        char most[32];
        (void)put_number(least, sizeof least, option->kind, option->least);
        (void)put_number(most, sizeof most, option->kind, option->most);
        return no(why, "%.64s is out of range; it may be from %s to %s", text, least, most);
    }
    *(uint64_t *)at = number;
    return true;
}

static bool set_choice(const hf_config_option *option, uint64_t *at, const char *text,
                       char why[HF_CONFIG_WHY])
{
    const char *name = option->argument;
    for (uint64_t i = 0; *name != '\0'; i++) {
        size_t size = strcspn(name, "|");
        if (strlen(text) == size && memcmp(text, name, size) == 0) {
            *at = i;
            return true;
        }
        name += size + (name[size] == '|' ? 1 : 0);
    }
    return no(why, "\"%.64s\" is none of %s", text, option->argument);
}

/* What names and addresses are written with; '%' names an interface. Nothing else has to be quoted.
 */
static bool is_host(const char *text, size_t size)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._:%[]";
    return size > 0 && strspn(text, letters) >= size;
}

static bool set_address(hf_address *at, const char *text, char why[HF_CONFIG_WHY])
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == NULL || !is_host(text, (size_t)(colon - text))) {
        return no(why, "\"%.64s\" is not HOST:PORT, such as 127.0.0.1:7379 or [::1]:7379", text);
    }
    if (hf_text_u64(bytes_of(colon + 1), &port) != HF_OK || port > UINT16_MAX) {
        return no(why, "\"%.16s\" is not a port; it may be from 0 (any free one) to 65535",
                  colon + 1);
    }
    const char *host = text;
    size_t size = (size_t)(colon - text);
    if (host[0] == '[' && host[size - 1] == ']') {
        host++;
        size -= 2;
    } else if (memchr(host, ':', size) != NULL) {
        return no(why,
                  "\"%.64s\" has several colons; write an IPv6 address in brackets, [::1]:7379",
                  text);
    }
    if (size == 0 || size >= sizeof at->host) {
        return no(why, "\"%.64s\" has a host of %zu characters; it may have 1 to %zu", text, size,
                  sizeof at->host - 1);
    }
    memcpy(at->host, host, size);
    at->host[size] = '\0';
    at->port = (uint16_t)port;
    return true;
}

static bool set_path(char at[HF_CONFIG_PATH], const char *text, char why[HF_CONFIG_WHY])
{
    size_t size = strlen(text);
    if (size == 0 || size >= HF_CONFIG_PATH) {
        return no(why, "a path of %zu characters; it may have 1 to %d", size, HF_CONFIG_PATH - 1);
    }
    memcpy(at, text, size + 1);
    return true;
}

static bool set_switch(bool *at, const char *text, char why[HF_CONFIG_WHY])
{
    *at = strcmp(text, "true") == 0;
    return *at || strcmp(text, "false") == 0 ||
           no(why, "\"%.64s\" is neither true nor false", text);
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

bool hf_option__set(hf_config *config, const hf_config_option *option, const char *text,
                    hf_config_source source, char why[HF_CONFIG_WHY])
{
    hf_config trial = *config; /* what is wrong must not be half there */
    void *at = (char *)&trial + option->offset;
    bool good = false;
    if (!is_printable(text)) {
        return no(why, "the value holds a control character or a line break");
    }
    switch ((hf_config_kind)option->kind) {
    case HF_KIND_PATH:
    case HF_KIND_FILE:
        good = set_path(at, text, why);
        break;
    case HF_KIND_ADDRESS:
        good = set_address(at, text, why);
        break;
    case HF_KIND_NUMBER:
    case HF_KIND_SIZE:
    case HF_KIND_DURATION:
        good = set_number(option, at, text, why);
        break;
    case HF_KIND_CHOICE:
        good = set_choice(option, at, text, why);
        break;
    case HF_KIND_SWITCH:
        good = set_switch(at, text, why);
        break;
    case HF_KIND_ACTION:
        trial.action = (hf_config_action)option->least;
        good = true;
        break;
    }
    uint8_t *set_by = &trial.source[hf_option__index(option)];
    if (good && *set_by <= source) {
        *set_by = (uint8_t)source;
        *config = trial;
    }
    return good;
}

void hf_config_defaults(hf_config *config)
{
    char why[HF_CONFIG_WHY];
    memset(config, 0, sizeof *config);
    config->drain_ns = HF_CONFIG_DRAIN_NS;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        HF_ASSERT(strlen(options[i].name) <= NAME_MAX_SIZE);
        if (options[i].fallback[0] != '\0') {
            HF_ASSERT(
                hf_option__set(config, &options[i], options[i].fallback, HF_CONFIG_DEFAULT, why));
        }
    }
}

void hf_config_resolve(hf_config *config, uint16_t processors, uint64_t machine_bytes)
{
    HF_PRE(processors != 0);
    if (config->cores == 0) {
        const hf_config_option *cores = hf_option__find("cores", 5, true);
        config->cores = processors < cores->most ? processors : cores->most;
    }
    if (config->memory_bytes == 0) {
        config->memory_bytes = hf_machine_share(machine_bytes, config->cores);
    }
}

static bool is_set(const hf_config *config, const char *name)
{
    return config->source[hf_option__index(hf_option__find(name, strlen(name), true))] !=
           HF_CONFIG_DEFAULT;
}

bool hf_config_takes_memory(const hf_config *config)
{
    return is_set(config, "memory");
}

bool hf_config_says_log_per(const hf_config *config)
{
    return is_set(config, "log-per");
}

/* ---- Telling -------------------------------------------------------------------------------- */

typedef struct writer {
    char *out;
    size_t size;
    size_t used;
} writer;

static void put(writer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(writer *to, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int more = vsnprintf(to->out + to->used, to->size - to->used, format, args);
    va_end(args);
    HF_ASSERT(more >= 0 && (size_t)more < to->size - to->used); /* HF_CONFIG_TEXT is room enough */
    to->used += (size_t)more;
}

enum { COLUMN = 34, WIDTH = 98 }; /* of the second column of --help */

/* From `column` of the line on; broken between words. */
static void put_words(writer *to, const char *text, size_t column)
{
    for (const char *word = text; *word != '\0';) {
        size_t length = strcspn(word, " ");
        bool first = word == text;
        if (column + length >= WIDTH) {
            put(to, "\n%*s", COLUMN, "");
            column = COLUMN;
            first = true;
        }
        put(to, "%s%.*s", first ? "" : " ", (int)length, word);
        column += length + (first ? 0 : 1);
        word += length + (word[length] == ' ' ? 1 : 0);
    }
}

size_t hf_config_help(char *out, size_t size)
{
    writer to = { .out = out, .size = size };
    put(&to,
        "usage: holdfastd [--option value]...\n\n"
        "A node of Holdfast: one process, a thread for each core. Without options it serves "
        "Redis clients\non %s and keeps its data in ./%s.\n\n",
        options[1].fallback, options[0].fallback);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const hf_config_option *o = &options[i];
        char left[64];
        (void)snprintf(left, sizeof left, "--%s%s%s%s%s", o->name, *o->argument ? " " : "",
                       o->argument, o->kind == HF_KIND_SWITCH ? ", --no-" : "",
                       o->kind == HF_KIND_SWITCH ? o->name : "");
        put(&to, "  %-*s", COLUMN - 2, left);
        put_words(&to, o->help, strlen(left) + 4 > COLUMN ? WIDTH : COLUMN);
        if (o->kind == HF_KIND_SWITCH) {
            put(&to, " [%s]", strcmp(o->fallback, "true") == 0 ? "on" : "off");
        } else if (o->fallback[0] != '\0') {
            put(&to, " [%s]", o->fallback);
        }
        put(&to, "\n");
    }
    put(&to, "\nexit: ");
#define X(name, number, text) put(&to, "%s%d %s", (number) == 0 ? "" : "      ", number, text "\n");
    HF_EXITS(X)
#undef X
    return to.used;
}

static void put_quoted(writer *to, const char *text)
{
    put(to, "\"");
    for (; *text != '\0'; text++) {
        /* A dollar with a brace would be replaced by the environment. */
        put(to, *text == '"' || *text == '\\' || *text == '$' ? "\\%c" : "%c", *text);
    }
    put(to, "\"");
}

static void put_choice(writer *to, const char *names, uint64_t which)
{
    for (; which != 0; which--) {
        names += strcspn(names, "|") + 1;
    }
    put(to, "%.*s", (int)strcspn(names, "|"), names);
}

static void put_value(writer *to, const hf_config_option *option, const void *at)
{
    const hf_address *address = at;
    char text[32];
    switch ((hf_config_kind)option->kind) {
    case HF_KIND_PATH:
        put_quoted(to, at);
        break;
    case HF_KIND_ADDRESS: {
        bool six = strchr(address->host, ':') != NULL;
        put(to, "\"%s%s%s:%u\"", six ? "[" : "", address->host, six ? "]" : "", address->port);
        break;
    }
    case HF_KIND_NUMBER:
    case HF_KIND_SIZE:
    case HF_KIND_DURATION:
        (void)put_number(text, sizeof text, option->kind, *(const uint64_t *)at);
        put(to, "%s", text);
        break;
    case HF_KIND_CHOICE:
        put_choice(to, option->argument, *(const uint64_t *)at);
        break;
    case HF_KIND_SWITCH:
        put(to, "%s", *(const bool *)at ? "true" : "false");
        break;
    case HF_KIND_FILE:
    case HF_KIND_ACTION:
        HF_UNREACHABLE();
    }
}

size_t hf_config_print(const hf_config *config, char *out, size_t size)
{
    static const char *const sources[] = { "default", "file", "flag" };
    writer to = { .out = out, .size = size };
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (known(&options[i], true)) {
            put(&to, "%s = ", options[i].name);
            put_value(&to, &options[i], (const char *)config + options[i].offset);
            put(&to, " # %s\n", sources[config->source[i]]);
        }
    }
    return to.used;
}
