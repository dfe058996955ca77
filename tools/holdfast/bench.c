/* holdfast bench: how fast a server of the Redis protocol is, and what a request costs it. */
#include "engine/base/text.h"
#include "tools/holdfast/client.h"
#include "tools/load/load.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const kind_names[] = {
#define X(name, text, what) text,
    HF_LOADS(X)
#undef X
};

/* Shares of the closed loop's rate at which a curve is measured, in percent. */
static const uint32_t curve_steps[] = { 10, 25, 50, 70, 80, 90, 95 };

static const char balance[] = "1000000";

/* A thread that works more than this is what is measured, not the server. */
static const double busy_limit = 0.95;

/* What the node counts itself, and what a request's share of it is called. */
/* clang-format off */
static const struct { const char *stat, *name; } counters[] = {
    { "log_flushes",       "flushes" },
    { "log_records",       "log_records" },
    { "log_bytes_written", "log_bytes" },
    { "io_enters",         "system_calls" },
    { "io_messages",       "messages" },
    { "conflicts",         "conflicts" },
};
/* clang-format on */
enum { COUNTERS = sizeof counters / sizeof counters[0] };

typedef struct bench {
    const hf_tool *tool;
    hf_tool_client client; /* asks the node for its counters; fd -1: it has none */
    hf_load_config config;
    bool curve, prepare;
    int64_t counted[COUNTERS]; /* at the first edge, then the difference */
    bool has[COUNTERS];
} bench;

/* ---- The command line ------------------------------------------------------------------------ */

static void usage(FILE *to)
{
    (void)fputs(
        "usage: holdfast bench LOAD [OPTION...]\n\n"
        "Sends requests to a server of the Redis protocol, and tells rate, latency, and what\n"
        "a request costs the server. What one request of LOAD is:\n\n",
        to);
#define X(name, text, what) (void)fprintf(to, "  %-8s %s\n", text, what);
    HF_LOADS(X)
#undef X
    (void)fputs(
        "\n  --at HOST:PORT    the server [127.0.0.1:7379]\n"
        "  --clients N       connections [50]\n"
        "  --pipeline N      requests of one connection under way at a time [1]\n"
        "  --threads N       of the load generator, each with its share of the connections [1]\n"
        "  --seconds S       measured, after the warm-up [5]\n"
        "  --warmup S        not measured, before [1]\n"
        "  --rate N          open loop: so many requests a second, latency from when they are due\n"
        "                    [closed loop: the next pipeline when the last is answered]\n"
        "  --curve           a closed loop finds the peak; then open loops at shares of it\n"
        "  --timeline        a line for each second\n"
        "  --keys N          [100000]\n"
        "  --prefix TEXT     of the keys; 12 digits follow [key:, or account: for transfers]\n"
        "  --prepare         writes every key before: the value of SET, or a balance\n"
        "  --hot PERCENT     of transfers pay into the first account [0]\n"
        "  --value BYTES     of SET [64]\n"
        "  --text VALUE      of fill: this instead\n"
        "  --pid N           the server's process, for its processor time [as INFO tells, when "
        "the\n"
        "                    server is on this machine]\n"
        "  --seed N          [1]\n"
        "  --json            one JSON object instead of words; with --curve an array of them\n\n"
        "exit: 0 measured, 1 requests were answered with errors, 2 wrong usage, 3 the server is "
        "not\n"
        "reachable or failed\n",
        to);
}

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
    return hf_text_u64(hf_bytes_of(text, strlen(text)), value) == HF_OK && *value >= least &&
           *value <= most;
}

static bool small(const char *text, uint32_t least, uint32_t most, uint32_t *value)
{
    uint64_t wide;
    bool good = number(text, least, most, &wide);
    *value = good ? (uint32_t)wide : *value;
    return good;
}

static bool seconds(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return end != text && *end == '\0' && *value >= 0 && *value <= HF_LOAD_SECONDS_MAX;
}

static bool set_at(hf_load_config *c, const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == NULL || (size_t)(colon - text) >= sizeof c->host ||
        !number(colon + 1, 1, 65535, &port)) {
        return false;
    }
    memcpy(c->host, text, (size_t)(colon - text));
    c->host[colon - text] = '\0';
    c->port = colon + 1;
    return true;
}

static bool set_kind(hf_load_config *c, const char *text)
{
    for (int i = 0; i < HF_LOAD_KINDS; i++) {
        if (strcmp(text, kind_names[i]) == 0) {
            c->kind = (hf_load_kind)i;
            return true;
        }
    }
    return false;
}

static bool set_count(hf_load_config *c, const char *name, const char *value, bool *known)
{
    const struct {
        const char *name;
        uint32_t least, most, *to;
    } options[] = {
        { "--clients", 1, 20000, &c->clients }, { "--pipeline", 1, 1024, &c->pipeline },
        { "--threads", 1, 256, &c->threads },   { "--keys", 1, 1000000000, &c->keys },
        { "--hot", 0, 100, &c->hot_percent },   { "--value", 0, 1 << 20, &c->value_size },
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(name, options[i].name) == 0) {
            return small(value, options[i].least, options[i].most, options[i].to);
        }
    }
    *known = false;
    return false;
}

static bool set(hf_load_config *c, const char *name, const char *value)
{
    bool known = true;
    uint64_t wide;
    bool good = set_count(c, name, value, &known);
    if (known) {
        return good;
    }
    if (strcmp(name, "--seconds") == 0) {
        return seconds(value, &c->seconds) && c->seconds > 0;
    }
    if (strcmp(name, "--warmup") == 0) {
        return seconds(value, &c->warmup);
    }
    if (strcmp(name, "--rate") == 0) {
        return number(value, 1, 100000000, &c->rate);
    }
    if (strcmp(name, "--seed") == 0) {
        return number(value, 0, UINT64_MAX, &c->seed);
    }
    if (strcmp(name, "--pid") == 0 && number(value, 1, INT32_MAX, &wide)) {
        c->pid = (pid_t)wide;
        return true;
    }
    if (strcmp(name, "--prefix") == 0) {
        c->prefix = value;
        return strlen(value) <= 32 && strchr(value, ' ') == NULL;
    }
    if (strcmp(name, "--text") == 0) {
        c->value = value;
        return strlen(value) <= 1024;
    }
    return false;
}

static bool is_transfer(hf_load_kind kind)
{
    return kind == HF_LOAD_TXN || kind == HF_LOAD_MULTI || kind == HF_LOAD_EVAL;
}

/* HF_TOOL_OK, or what was said; -1: the help was asked for. */
static int parse(bench *b, hf_tool *tool, int argc, char **argv)
{
    hf_load_config *c = &b->config;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return -1;
        }
        if (strcmp(argv[i], "--json") == 0) {
            tool->json = true;
        } else if (strcmp(argv[i], "--curve") == 0) {
            b->curve = true;
        } else if (strcmp(argv[i], "--prepare") == 0) {
            b->prepare = true;
        } else if (strcmp(argv[i], "--timeline") == 0) {
            c->timeline = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--at") == 0) {
            tool->at = argv[++i];
        } else if (i + 1 < argc && set(c, argv[i], argv[i + 1])) {
            i++;
        } else if (c->kind != HF_LOAD_KINDS || !set_kind(c, argv[i])) {
            return hf_tool_misused(argv[0], "%s%s%s is not understood", argv[i],
                                   i + 1 < argc ? " " : "", i + 1 < argc ? argv[i + 1] : "");
        }
    }
    if (c->kind == HF_LOAD_KINDS) {
        return hf_tool_misused(argv[0], "which load? bench --help lists them");
    }
    if (c->prefix == NULL) {
        c->prefix = is_transfer(c->kind) ? "account:" : "key:";
    }
    if (!set_at(c, tool->at)) {
        return hf_tool_misused(argv[0], "--at takes HOST:PORT");
    }
    if (c->threads > c->clients) {
        return hf_tool_misused(argv[0], "%u threads for %u connections", c->threads, c->clients);
    }
    if (c->timeline && c->seconds > HF_LOAD_TIMELINE_MAX) {
        return hf_tool_misused(argv[0], "a timeline has %u lines at most", HF_LOAD_TIMELINE_MAX);
    }
    if (b->curve && (c->rate != 0 || c->kind == HF_LOAD_FILL)) {
        return hf_tool_misused(argv[0], "a curve chooses its rates itself, and fill has none");
    }
    return HF_TOOL_OK;
}

/* ---- What the server says of itself ---------------------------------------------------------- */

static bool on_this_machine(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 ||
           strcmp(host, "::1") == 0;
}

/* "process_id:123" of INFO. */
static pid_t pid_of(const hf_tree *info)
{
    static const char name[] = "process_id:";
    hf_bytes text = info->kind == HF_TREE_TEXT ? info->text : hf_bytes_of(NULL, 0);
    const uint8_t *at = text.size == 0 ? NULL : memmem(text.data, text.size, name, sizeof name - 1);
    uint64_t pid = 0;
    if (at != NULL) {
        at += sizeof name - 1;
        uint32_t left = (uint32_t)(text.data + text.size - at);
        uint32_t size = 0;
        while (size < left && at[size] >= '0' && at[size] <= '9') {
            size++;
        }
        if (hf_text_u64(hf_bytes_of(at, size), &pid) != HF_OK) {
            pid = 0;
        }
    }
    return pid > INT32_MAX ? 0 : (pid_t)pid;
}

/* The counters of a node; a server of another kind has none, and that is no error. */
static bool ask_counters(bench *b, int64_t values[COUNTERS])
{
    hf_tool_mark mark = hf_tool_marked();
    hf_tree reply;
    bool good = b->client.fd >= 0 &&
                hf_tool_client_call(&b->client, &reply, "HF.ADMIN", "STATS", NULL) == HF_TOOL_OK;
    for (size_t i = 0; good && i < COUNTERS; i++) {
        b->has[i] = hf_tree_find(&reply, counters[i].stat) != NULL;
        values[i] = hf_tree_number(&reply, counters[i].stat);
    }
    hf_tool_release(mark);
    return good;
}

static void at_edge(void *arg, bool begins)
{
    bench *b = arg;
    int64_t now[COUNTERS] = { 0 };
    (void)ask_counters(b, now);
    for (size_t i = 0; i < COUNTERS; i++) {
        b->counted[i] = begins ? now[i] : now[i] - b->counted[i];
    }
}

static int meet_server(bench *b)
{
    hf_tree info;
    int code = hf_tool_client_open(&b->client, b->tool);
    if (code != HF_TOOL_OK) {
        return code;
    }
    code = hf_tool_client_call(&b->client, &info, "INFO", "server", NULL);
    if (code != HF_TOOL_OK) {
        return code;
    }
    if (b->config.pid == 0 && on_this_machine(b->config.host)) {
        b->config.pid = pid_of(&info);
    }
    bool is_node = info.kind == HF_TREE_TEXT &&
                   memmem(info.text.data, info.text.size, "holdfast_version", 16) != NULL;
    if (!is_node) {
        hf_tool_client_close(&b->client);
        b->client.fd = -1;
    }
    return HF_TOOL_OK;
}

/* ---- Telling --------------------------------------------------------------------------------- */

static hf_tree real(double value)
{
    return (hf_tree){ .kind = HF_TREE_REAL, .real = round(value * 1e4) / 1e4 };
}

static double us(const hf_hist *latency, double q)
{
    return (double)hf_hist_quantile(latency, q) / 1000;
}

static double each(double all, const hf_load_result *r)
{
    return r->requests == 0 ? 0 : all / (double)r->requests;
}

static hf_tree timeline_of(const hf_load_result *r)
{
    hf_tree list = { .kind = HF_TREE_LIST };
    for (uint32_t i = 0; i < r->timeline_count; i++) {
        const hf_load_second *second = &r->timeline[i];
        hf_tree line = { .kind = HF_TREE_MAP };
        hf_tree_put(&line, "second", hf_tree_integer(i + 1));
        hf_tree_put(&line, "requests", hf_tree_integer((int64_t)second->requests));
        hf_tree_put(&line, "p50_us", real(us(&second->latency, 0.5)));
        hf_tree_put(&line, "p99_us", real(us(&second->latency, 0.99)));
        hf_tree_put(&line, "max_us", real((double)hf_hist_max(&second->latency) / 1000));
        (void)hf_tree_add(&list, line);
    }
    return list;
}

static hf_tree result_of(const bench *b, const hf_load_result *r)
{
    const hf_load_config *c = &b->config;
    hf_tree map = { .kind = HF_TREE_MAP };
    hf_tree_put(&map, "load", hf_tree_text(kind_names[c->kind]));
    hf_tree_put(&map, "clients", hf_tree_integer(c->clients));
    hf_tree_put(&map, "pipeline", hf_tree_integer(c->pipeline));
    hf_tree_put(&map, "rate", hf_tree_integer((int64_t)c->rate));
    hf_tree_put(&map, "seconds", real(r->seconds));
    hf_tree_put(&map, "requests", hf_tree_integer((int64_t)r->requests));
    hf_tree_put(&map, "per_second", real(r->seconds > 0 ? (double)r->requests / r->seconds : 0));
    hf_tree_put(&map, "p50_us", real(us(&r->latency, 0.5)));
    hf_tree_put(&map, "p99_us", real(us(&r->latency, 0.99)));
    hf_tree_put(&map, "p999_us", real(us(&r->latency, 0.999)));
    hf_tree_put(&map, "max_us", real((double)hf_hist_max(&r->latency) / 1000));
    hf_tree_put(&map, "mean_us", real((double)hf_hist_mean(&r->latency) / 1000));
    if (c->pid != 0) {
        hf_tree_put(&map, "server_cpu_us", real(each(r->server_cpu_seconds * 1e6, r)));
        hf_tree_put(&map, "server_cores",
                    real(r->seconds > 0 ? r->server_cpu_seconds / r->seconds : 0));
    }
    for (size_t i = 0; i < COUNTERS; i++) {
        if (b->has[i]) {
            hf_tree_put(&map, counters[i].name, real(each((double)b->counted[i], r)));
        }
    }
    hf_tree_put(&map, "client_cpu_us", real(each(r->client_cpu_seconds * 1e6, r)));
    hf_tree_put(&map, "client_busiest", real(r->busiest));
    hf_tree_put(&map, "client_is_the_limit", hf_tree_boolean(r->busiest > busy_limit));
    hf_tree_put(&map, "refused", hf_tree_integer((int64_t)r->refused));
    hf_tree_put(&map, "errors", hf_tree_integer((int64_t)r->errors));
    if (r->timeline_count != 0) {
        hf_tree_put(&map, "timeline", timeline_of(r));
    }
    return map;
}

static void put_words(const bench *b, const hf_load_result *r)
{
    const hf_load_config *c = &b->config;
    (void)printf("%s: %u clients, pipeline %u, %s, %.2f s: %" PRIu64 " requests, %.0f/s\n",
                 kind_names[c->kind], c->clients, c->pipeline,
                 c->rate == 0 ? "closed loop" : "open loop", r->seconds, r->requests,
                 r->seconds > 0 ? (double)r->requests / r->seconds : 0);
    (void)printf("latency us: p50 %.0f, p99 %.0f, p99.9 %.0f, max %.0f, mean %.0f\n",
                 us(&r->latency, 0.5), us(&r->latency, 0.99), us(&r->latency, 0.999),
                 (double)hf_hist_max(&r->latency) / 1000, (double)hf_hist_mean(&r->latency) / 1000);
    if (c->pid != 0) {
        (void)printf("server, each request: %.2f us of processor (%.2f processors)",
                     each(r->server_cpu_seconds * 1e6, r),
                     r->seconds > 0 ? r->server_cpu_seconds / r->seconds : 0);
        for (size_t i = 0; i < COUNTERS; i++) {
            if (b->has[i]) {
                (void)printf(", %.3g %s", each((double)b->counted[i], r), counters[i].name);
            }
        }
        (void)putchar('\n');
    }
    (void)printf("client: %.2f us of processor a request; refused %" PRIu64 ", errors %" PRIu64
                 "\n",
                 each(r->client_cpu_seconds * 1e6, r), r->refused, r->errors);
    if (r->busiest > busy_limit) {
        (void)printf("the client is the limit: a thread of it was busy %.0f %% of the time; the "
                     "server can do more (--threads)\n",
                     r->busiest * 100);
    }
    if (r->timeline_count != 0) {
        hf_tree list = timeline_of(r);
        hf_tree_lines(&list, false, stdout);
    }
}

/* ---- Running --------------------------------------------------------------------------------- */

/* Adds the result to `all`, or tells it. */
static int measure(bench *b, hf_load_result *r, hf_tree *all)
{
    bool good = hf_load_run(&b->config, r);
    if (good) {
        hf_tree map = result_of(b, r);
        if (all != NULL) {
            (void)hf_tree_add(all, map);
        } else if (b->tool->json) {
            hf_tree_show(b->tool, &map);
        } else {
            put_words(b, r);
        }
    }
    hf_load_end(r);
    if (!good) {
        return hf_tool_say(HF_TOOL_UNREACHABLE, "%s", r->error);
    }
    return r->errors == 0 ? HF_TOOL_OK : hf_tool_say(HF_TOOL_FAILED, "%s", r->error);
}

/* Every key, before anything is measured. */
static int prepare(const bench *b, hf_load_result *r)
{
    hf_load_config c = b->config;
    c.kind = HF_LOAD_FILL;
    c.pipeline = c.pipeline < 64 ? 64 : c.pipeline;
    c.rate = 0;
    c.timeline = false;
    c.edge = NULL;
    c.value = is_transfer(b->config.kind) ? balance : c.value;
    bool good = hf_load_run(&c, r);
    hf_load_end(r);
    if (!good) {
        return hf_tool_say(HF_TOOL_UNREACHABLE, "%s", r->error);
    }
    return r->errors == 0 ? HF_TOOL_OK : hf_tool_say(HF_TOOL_FAILED, "%s", r->error);
}

static int measure_curve(bench *b, hf_load_result *r)
{
    hf_tree all = { .kind = HF_TREE_LIST };
    hf_tree *to = b->tool->json ? &all : NULL;
    int code = measure(b, r, to);
    double peak = r->seconds > 0 ? (double)r->requests / r->seconds : 0;
    for (size_t i = 0; code == HF_TOOL_OK && i < sizeof curve_steps / sizeof curve_steps[0]; i++) {
        uint64_t rate = (uint64_t)(peak * curve_steps[i] / 100);
        b->config.rate = rate == 0 ? 1 : rate;
        if (to == NULL) {
            (void)printf("\n%u %% of the peak\n", curve_steps[i]);
        }
        code = measure(b, r, to);
    }
    if (to != NULL) {
        hf_tree_show(b->tool, &all);
    }
    return code;
}

int hf_tool_bench(const hf_tool *given, int argc, char **argv)
{
    static hf_load_result result;
    hf_tool tool = *given;
    bench b = { .tool = &tool,
                .client = { .fd = -1 },
                .config = { .kind = HF_LOAD_KINDS,
                            .threads = 1,
                            .clients = 50,
                            .pipeline = 1,
                            .seconds = 5,
                            .warmup = 1,
                            .keys = 100000,
                            .value_size = 64,
                            .seed = 1 } };
    int code = parse(&b, &tool, argc, argv);
    if (code != HF_TOOL_OK) {
        if (code < 0) {
            usage(stdout);
        }
        return code < 0 ? HF_TOOL_OK : code;
    }
    code = meet_server(&b);
    b.config.edge = at_edge;
    b.config.edge_arg = &b;
    if (code == HF_TOOL_OK && b.prepare) {
        code = prepare(&b, &result);
    }
    if (code == HF_TOOL_OK) {
        code = b.curve ? measure_curve(&b, &result) : measure(&b, &result, NULL);
    }
    hf_tool_client_close(&b.client);
    return code;
}
