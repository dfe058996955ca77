/* holdfast-load: a load generator for servers of the Redis protocol. */
#include "bench/load/load.h"
#include "engine/base/text.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
#define X(name, text, what) text,
    HF_LOADS(X)
#undef X
};

static void usage(FILE *to)
{
    (void)fputs("usage: holdfast-load [--at HOST:PORT] --load KIND [OPTION...]\n\n"
                "Sends requests to a server of the Redis protocol and tells rate and latency.\n\n"
                "  --at HOST:PORT    the server [127.0.0.1:7379]\n"
                "  --load KIND       what one request is:\n",
                to);
#define X(name, text, what) (void)fprintf(to, "      %-8s %s\n", text, what);
    HF_LOADS(X)
#undef X
    (void)fputs(
        "  --clients N       connections [50]\n"
        "  --pipeline N      requests of one connection under way at a time [1]\n"
        "  --seconds S       measured, after the warm-up [5]\n"
        "  --warmup S        not measured, before [1]\n"
        "  --rate N          open loop: so many requests a second, latency from when they are due\n"
        "                    [closed loop: the next pipeline when the last is answered]\n"
        "  --keys N          [100000]\n"
        "  --prefix TEXT     of the keys; 12 digits follow [key:]\n"
        "  --hot PERCENT     of transfers pay into the first account [0]\n"
        "  --value BYTES     of SET [64]\n"
        "  --text VALUE      of fill: this instead\n"
        "  --pid N           the server's process, for its processor time\n"
        "  --seed N          [1]\n"
        "  --json            one JSON object instead of words\n\n"
        "exit: 0 measured, 1 the server failed or answered errors, 2 wrong usage\n",
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
    return end != text && *end == '\0' && *value >= 0 && *value <= 86400;
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
    uint64_t wide;
    if (strcmp(name, "--clients") == 0) {
        return small(value, 1, 20000, &c->clients);
    }
    if (strcmp(name, "--pipeline") == 0) {
        return small(value, 1, 1024, &c->pipeline);
    }
    if (strcmp(name, "--keys") == 0) {
        return small(value, 1, 1000000000, &c->keys);
    }
    if (strcmp(name, "--hot") == 0) {
        return small(value, 0, 100, &c->hot_percent);
    }
    if (strcmp(name, "--value") == 0) {
        return small(value, 0, 1 << 20, &c->value_size);
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
    *known = false;
    return false;
}

static bool set(hf_load_config *c, const char *name, const char *value)
{
    bool known = true;
    bool good = set_count(c, name, value, &known);
    if (known) {
        return good;
    }
    if (strcmp(name, "--at") == 0) {
        return set_at(c, value);
    }
    if (strcmp(name, "--load") == 0) {
        return set_kind(c, value);
    }
    if (strcmp(name, "--seconds") == 0) {
        return seconds(value, &c->seconds) && c->seconds > 0;
    }
    if (strcmp(name, "--warmup") == 0) {
        return seconds(value, &c->warmup);
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

static double us(const hf_load_result *r, double q)
{
    return (double)hf_hist_quantile(&r->latency, q) / 1000;
}

static void tell(const hf_load_config *c, const hf_load_result *r, bool json)
{
    double rate = (double)r->requests / r->seconds;
    double cpu = r->requests == 0 ? 0 : r->server_cpu_seconds * 1e6 / (double)r->requests;
    double mean = (double)hf_hist_mean(&r->latency) / 1000;
    const char *format =
        json ? "{\"load\": \"%s\", \"clients\": %u, \"pipeline\": %u, \"seconds\": %.3f, "
               "\"requests\": %" PRIu64 ", \"per_second\": %.1f, \"p50_us\": %.1f, "
               "\"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, \"mean_us\": %.1f, "
               "\"server_cpu_us\": %.3f, \"server_cores\": %.3f, \"refused\": %" PRIu64
               ", \"errors\": %" PRIu64 "}\n"
             : "%s: %u clients, pipeline %u, %.2f s: %" PRIu64 " requests, %.0f/s\n"
               "latency us: p50 %.0f, p99 %.0f, p99.9 %.0f, max %.0f, mean %.0f\n"
               "server: %.2f us of processor a request, %.2f processors; refused %" PRIu64
               ", errors %" PRIu64 "\n";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)printf(format, kind_names[c->kind], c->clients, c->pipeline, r->seconds, r->requests,
                 rate, us(r, 0.5), us(r, 0.99), us(r, 0.999),
                 (double)hf_hist_max(&r->latency) / 1000, mean, cpu,
                 r->server_cpu_seconds / r->seconds, r->refused, r->errors);
#pragma GCC diagnostic pop
}

int main(int argc, char **argv)
{
    static hf_load_result result;
    hf_load_config config = { .host = "127.0.0.1",
                              .port = "7379",
                              .kind = HF_LOAD_KINDS,
                              .prefix = "key:",
                              .clients = 50,
                              .pipeline = 1,
                              .seconds = 5,
                              .warmup = 1,
                              .keys = 100000,
                              .value_size = 64,
                              .seed = 1 };
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (i + 1 < argc && set(&config, argv[i], argv[i + 1])) {
            i++;
        } else {
            (void)fprintf(stderr, "holdfast-load: %s%s%s is not understood\n\n", argv[i],
                          i + 1 < argc ? " " : "", i + 1 < argc ? argv[i + 1] : "");
            usage(stderr);
            return 2;
        }
    }
    if (config.kind == HF_LOAD_KINDS) {
        (void)fputs("holdfast-load: --load is missing\n\n", stderr);
        usage(stderr);
        return 2;
    }
    bool good = hf_load_run(&config, &result);
    if (good) {
        tell(&config, &result, json);
    }
    if (!good || result.errors != 0) {
        (void)fprintf(stderr, "holdfast-load: %s\n", result.error);
    }
    return good && result.errors == 0 ? 0 : 1;
}
