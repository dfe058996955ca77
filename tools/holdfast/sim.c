#include "tools/holdfast/sim.h"

#include "tests/sim/run.h"
#include "tests/sim/run_small.h"
#include "tests/sim/scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENTS = 400000, RUN_SECONDS = 120, SMALL_SECONDS = 60 };

typedef struct options {
    hf_run_config run;
    uint64_t seeds;
    bool json, replay_check, no_fork, no_small, quiet;
    uint32_t small_seconds, run_seconds;
    const char *trace;
} options;

typedef struct totals {
    uint64_t runs, failed, events, refused;
    double seconds;
    int code;
} totals;

static void usage(FILE *to)
{
    fputs("usage: holdfast sim [--seed N] [--seeds COUNT] [--events N | --minutes M]\n"
          "                    [--scenario NAME] [--cores C] [--clients N] [--no-faults]\n"
          "                    [--log-per core|device]\n"
          "                    [--with KIND,...] [--without KIND,...] [--seconds S] "
          "[--replay-check] [--json] [--trace FILE]\n"
          "                    [--history DIR] [--no-small] [--small-seconds S] [--no-fork]\n"
          "\n"
          "Runs the engine in a simulated world, drawn from the seed: cores, disk, clock, clients\n"
          "and their faults. Judges what the clients heard. The same seed gives the same run.\n"
          "\n"
          "  --seed N          the first seed (1)\n"
          "  --seeds COUNT     this many, one after another (1)\n"
          "  --events N        how long faults last, in events of the world (400000)\n"
          "  --minutes M       ... in virtual minutes\n"
          "  --scenario NAME   what the clients do; drawn when left out:\n",
          to);
    for (uint32_t i = 0; i < hf_scenario_count; i++) {
        fprintf(to, "      %-12s %s\n", hf_scenarios[i].name, hf_scenarios[i].what);
    }
    fputs(
        "  --cores C         1 to 4; drawn when left out\n"
        "  --clients N       drawn when left out\n"
        "  --log-per WHAT    core: a log for each core; device: one for all; drawn when left out\n"
        "  --no-faults       a world that behaves\n"
        "  --with KIND,...   these kinds of faults are on, whatever was drawn\n"
        "  --without KIND,... leaves these out, the rest stays as it was:\n",
        to);
    for (uint32_t i = 0; i < HF_RUN_FAULT_KINDS; i++) {
        fprintf(to, "      %-12s %s\n", hf_run_fault_name(i), hf_run_fault_text(i));
    }
    fputs("  --replay-check    every run twice, with other memory: must be the same to the byte\n"
          "  --json            one JSON object for each run, one for all\n"
          "  --trace FILE      every event as a line\n"
          "  --history DIR     saves what clients heard in a failed run (for `holdfast check`)\n"
          "  --no-small        does not look for a smaller run that fails in the same way\n"
          "  --small-seconds S looks for so long (60)\n"
          "  --seconds S       a run that takes longer makes no progress (120)\n"
          "  --no-fork         in this process: for a debugger\n"
          "\n"
          "exit: 0 ok, 1 a check failed, 2 wrong usage, 3 no progress, 4 a crash\n",
          to);
}

/* ---- Arguments ---- */

static bool number(const char *text, uint64_t most, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long v = text == NULL ? 0 : strtoull(text, &end, 10);
    if (text == NULL || errno != 0 || end == text || *end != '\0' || *text == '-' || v > most) {
        return false;
    }
    *value = v;
    return true;
}

static bool faults_of(const char *text, uint32_t *set)
{
    while (text != NULL && *text != '\0') {
        size_t size = strcspn(text, ",");
        uint32_t i = 0;
        while (i < HF_RUN_FAULT_KINDS && (strlen(hf_run_fault_name(i)) != size ||
                                          strncmp(hf_run_fault_name(i), text, size) != 0)) {
            i++;
        }
        if (i == HF_RUN_FAULT_KINDS) {
            return false;
        }
        *set |= 1u << i;
        text += size + (text[size] == ',');
    }
    return text != NULL;
}

/* An option without a value. False: it is not one. */
static bool plain_option(options *o, const char *name)
{
    if (strcmp(name, "--no-faults") == 0) {
        o->run.without = HF_RUN_ALL_FAULTS;
    } else if (strcmp(name, "--replay-check") == 0) {
        o->replay_check = true;
    } else if (strcmp(name, "--json") == 0) {
        o->json = true;
    } else if (strcmp(name, "--no-small") == 0) {
        o->no_small = true;
    } else if (strcmp(name, "--no-fork") == 0) {
        o->no_fork = true;
    } else {
        return false;
    }
    return true;
}

/* An option with a value. False: it is not one, or the value is wrong. */
static bool valued_option(options *o, const char *name, const char *value)
{
    uint64_t n = 0;
    if (strcmp(name, "--seed") == 0) {
        return number(value, UINT64_MAX, &o->run.seed);
    }
    if (strcmp(name, "--seeds") == 0) {
        return number(value, UINT32_MAX, &o->seeds) && o->seeds > 0;
    }
    if (strcmp(name, "--events") == 0) {
        o->run.time_ns = 0;
        return number(value, UINT64_MAX / 2, &o->run.events) && o->run.events > 0;
    }
    if (strcmp(name, "--minutes") == 0) {
        char *end;
        double minutes = value == NULL ? 0 : strtod(value, &end);
        o->run.events = 0;
        o->run.time_ns = minutes > 0 && minutes < 1e6 ? (uint64_t)(minutes * 60e9 + 0.5) : 0;
        return value != NULL && *end == '\0' && o->run.time_ns > 0;
    }
    if (strcmp(name, "--scenario") == 0) {
        o->run.scenario = value;
        return value != NULL && hf_scenario_find(value) != NULL;
    }
    if (strcmp(name, "--cores") == 0 && number(value, 4, &n) && n > 0) {
        o->run.cores = (uint16_t)n;
        return true;
    }
    if (strcmp(name, "--clients") == 0 && number(value, 64, &n) && n > 0) {
        o->run.clients = (uint32_t)n;
        return true;
    }
    if (strcmp(name, "--log-per") == 0 && value != NULL) {
        bool device = strcmp(value, "device") == 0;
        o->run.log_per = device ? HF_RUN_LOG_DEVICE : HF_RUN_LOG_CORE;
        return device || strcmp(value, "core") == 0;
    }
    if (strcmp(name, "--small-seconds") == 0 && number(value, 100000, &n)) {
        o->small_seconds = (uint32_t)n;
        return true;
    }
    if (strcmp(name, "--without") == 0) {
        return faults_of(value, &o->run.without);
    }
    if (strcmp(name, "--with") == 0) {
        return faults_of(value, &o->run.with);
    }
    if (strcmp(name, "--seconds") == 0 && number(value, 100000, &n) && n > 0) {
        o->run_seconds = (uint32_t)n;
        return true;
    }
    if (strcmp(name, "--trace") == 0) {
        o->trace = value;
        return value != NULL;
    }
    if (strcmp(name, "--history") == 0) {
        o->run.history = value;
        return value != NULL;
    }
    return false;
}

/* 0: go on; else the exit code + 1. */
static int parse(int argc, char **argv, options *o)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return HF_RUN_OK + 1;
        }
        if (plain_option(o, argv[i])) {
            continue;
        }
        if (!valued_option(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL)) {
            fprintf(stderr, "holdfast sim: %s%s%s is not understood\n\n", argv[i],
                    i + 1 < argc ? " " : "", i + 1 < argc ? argv[i + 1] : "");
            usage(stderr);
            return HF_RUN_USAGE + 1;
        }
        i++;
    }
    return 0;
}

/* ---- Runs ---- */

static void run_once(const options *o, const hf_run_config *config, hf_run_result *result)
{
    if (o->no_fork) {
        hf_run(config, result);
    } else {
        hf_run_guarded(config, o->run_seconds, result);
    }
}

/* The same seed again, in memory of other content: a difference is a failure of its own. */
static void replay(const options *o, const hf_run_config *config, hf_run_result *result)
{
    static hf_run_result again;
    hf_run_config other = *config;
    other.junk = 0xa7;
    other.trace = NULL;
    run_once(o, &other, &again);
    if (again.hash == result->hash && again.events == result->events &&
        again.code == result->code) {
        return;
    }
    result->code = HF_RUN_WRONG;
    (void)snprintf(result->text, sizeof result->text,
                   "not the same twice: %" PRIu64 " events, hash %016" PRIx64
                   ", exit code %d; with other memory %" PRIu64 ", %016" PRIx64 ", %d",
                   result->events, result->hash, result->code, again.events, again.hash,
                   again.code);
}

static void tell_failure(const options *o, hf_run_config config, hf_run_result *result)
{
    char words[512];
    uint32_t tries = 0;
    hf_run_words(&config, result, words, sizeof words);
    if (!o->json) {
        printf("FAILED seed %" PRIu64 ", commit %s, scenario %s, exit code %d\n%s\n", config.seed,
               hf_run_commit(), result->scenario, result->code, result->text);
        printf("again: holdfast sim %s\n", words);
        fflush(stdout);
    }
    if (!o->no_small && !o->no_fork) {
        config.trace = NULL;
        tries = hf_run_small(&config, result, o->small_seconds);
        hf_run_words(&config, result, words, sizeof words);
    }
    if (o->json) {
        printf("{\"failed\":%" PRIu64 ",\"commit\":\"%s\",\"smallest\":\"holdfast sim %s\","
               "\"tries\":%u,\"run\":",
               config.seed, hf_run_commit(), words, tries);
        hf_run_describe_json(result, stdout);
        printf("}\n");
    } else if (tries != 0) {
        printf("smallest in %u tries: holdfast sim %s\n%s\n", tries, words, result->text);
    }
    fflush(stdout);
}

static void one_seed(const options *o, uint64_t seed, totals *t)
{
    static hf_run_result result;
    hf_run_config config = o->run;
    config.seed = seed;
    run_once(o, &config, &result);
    if (o->replay_check && result.code == HF_RUN_OK) {
        replay(o, &config, &result);
    }
    t->runs++;
    t->events += result.events;
    t->seconds += result.seconds;
    t->refused += result.refused;
    if (o->json) {
        hf_run_describe_json(&result, stdout);
        printf("\n");
    } else {
        hf_run_describe(&result, stdout);
        printf("\n");
    }
    fflush(stdout);
    if (result.code != HF_RUN_OK) {
        t->failed++;
        t->code = t->code == 0 ? result.code : t->code;
        tell_failure(o, config, &result);
    }
}

static void tell_totals(const options *o, const totals *t)
{
    double speed = t->seconds > 0 ? (double)t->events / t->seconds : 0;
    if (o->json) {
        printf("{\"runs\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"refused\":%" PRIu64
               ",\"events\":%" PRIu64 ",\"seconds\":%.3f,\"events_per_second\":%.0f}\n",
               t->runs, t->failed, t->refused, t->events, t->seconds, speed);
    } else {
        printf("%" PRIu64 " runs, %" PRIu64 " failed, %" PRIu64
               " events in %.1f s: %.0f events/s\n",
               t->runs, t->failed, t->events, t->seconds, speed);
    }
}

int hf_tool_sim(int argc, char **argv)
{
    options o = { .run = { .seed = 1, .events = EVENTS },
                  .seeds = 1,
                  .small_seconds = SMALL_SECONDS,
                  .run_seconds = RUN_SECONDS };
    totals t = { 0 };
    int stop = parse(argc, argv, &o);
    if (stop != 0) {
        return stop - 1;
    }
    if (o.trace != NULL) {
        o.run.trace = fopen(o.trace, "w");
        if (o.run.trace == NULL) {
            fprintf(stderr, "holdfast sim: %s: %s\n", o.trace, strerror(errno));
            return HF_RUN_USAGE;
        }
    }
    for (uint64_t i = 0; i < o.seeds; i++) {
        one_seed(&o, o.run.seed + i, &t);
    }
    tell_totals(&o, &t);
    if (o.run.trace != NULL) {
        (void)fclose(o.run.trace);
    }
    return t.code;
}
