#include "tests/sim/run_small.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

typedef struct search {
    hf_run_config config;
    hf_run_result result;
    uint64_t end_ms;
    uint32_t tries;
} search;

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool out_of_time(const search *s)
{
    return now_ms() >= s->end_ms;
}

/* The same judge or assertion, whatever the numbers in its words. */
static bool same_way(const hf_run_result *a, const hf_run_result *b)
{
    static const char digits[] = "0123456789";
    bool assertion = strncmp(a->text, "assertion", strlen("assertion")) == 0;
    size_t size = strcspn(a->text, assertion ? "\n" : digits);
    return a->code == b->code && (a->code == HF_RUN_STUCK || strncmp(a->text, b->text, size) == 0);
}

/* True, and kept, when this run fails in the same way. */
static bool try(search *s, const hf_run_config *config)
{
    static hf_run_result result;
    if (out_of_time(s)) {
        return false;
    }
    uint32_t seconds = 2 + (uint32_t)(s->result.seconds * 4);
    s->tries++;
    hf_run_guarded(config, seconds, &result);
    if (!same_way(&s->result, &result)) {
        return false;
    }
    s->config = *config;
    s->result = result;
    return true;
}

/* What is left when all that is drawn besides is named: the same run, in other words. */
static void name_all(search *s)
{
    hf_run_config c = s->config;
    c.scenario = c.scenario != NULL ? c.scenario : s->result.scenario;
    c.cores = s->result.cores != 0 ? s->result.cores : c.cores;
    c.clients = s->result.clients != 0 ? s->result.clients : c.clients;
    c.events = c.events != 0 ? c.events : s->result.events; /* more than the faults lasted */
    s->config = c;
}

static void fewer_events(search *s)
{
    uint64_t good = 0; /* so few do not fail, as far as is known */
    while (s->config.events - good > 1 + s->config.events / 64 && !out_of_time(s)) {
        hf_run_config c = s->config;
        c.events = good + (s->config.events - good) / 2;
        if (!try(s, &c)) {
            good = c.events;
        }
    }
}

static void fewer_faults(search *s)
{
    for (uint32_t i = 0; i < HF_RUN_FAULT_KINDS; i++) {
        hf_run_config c = s->config;
        c.without |= 1u << i;
        if (c.without != s->config.without) {
            (void)try(s, &c);
        }
    }
}

static void fewer_clients(search *s)
{
    hf_run_config c;
    uint32_t good = 1; /* so few do not fail, as far as is known */
    while (s->config.clients - good > 1 && !out_of_time(s)) {
        c = s->config;
        c.clients = good + (s->config.clients - good) / 2;
        if (!try(s, &c)) {
            good = c.clients;
        }
    }
    for (c = s->config; c.cores > 1;) {
        c.cores--;
        if (!try(s, &c)) {
            break;
        }
    }
}

uint32_t hf_run_small(hf_run_config *config, hf_run_result *result, uint32_t seconds)
{
    static char scenario[sizeof result->scenario];
    search s = { .config = *config,
                 .result = *result,
                 .end_ms = now_ms() + seconds * UINT64_C(1000) };
    memcpy(scenario, result->scenario, sizeof scenario);
    name_all(&s);
    if (s.config.scenario == s.result.scenario) {
        s.config.scenario = scenario; /* the result's text will move */
    }
    fewer_events(&s);
    fewer_faults(&s);
    fewer_clients(&s);
    fewer_events(&s);
    *config = s.config;
    *result = s.result;
    return s.tries;
}

static int words_of(uint32_t set, const char *lead, char *text, size_t room)
{
    int at = 0;
    for (uint32_t i = 0; i < HF_RUN_FAULT_KINDS && (size_t)at + 24 < room; i++) {
        if ((set >> i & 1) != 0) {
            at += snprintf(text + at, room - (size_t)at, "%s%s", lead, hf_run_fault_name(i));
            lead = ",";
        }
    }
    return at;
}

void hf_run_words(const hf_run_config *config, const hf_run_result *result, char *text, size_t room)
{
    const char *scenario = config->scenario != NULL ? config->scenario : result->scenario;
    int at = snprintf(text, room, "--seed %" PRIu64 " --scenario %s", config->seed, scenario);
    if (config->cores != 0) {
        at += snprintf(text + at, room - (size_t)at, " --cores %u", config->cores);
    }
    if (config->log_per != HF_RUN_LOG_DRAWN) {
        at += snprintf(text + at, room - (size_t)at, " --log-per %s",
                       config->log_per == HF_RUN_LOG_DEVICE ? "device" : "core");
    }
    if (config->clients != 0) {
        at += snprintf(text + at, room - (size_t)at, " --clients %u", config->clients);
    }
    if (config->events != 0) {
        at += snprintf(text + at, room - (size_t)at, " --events %" PRIu64, config->events);
    }
    if (config->time_ns != 0) {
        at += snprintf(text + at, room - (size_t)at, " --minutes %.12f",
                       (double)config->time_ns / 60e9);
    }
    at += words_of(config->with, " --with ", text + at, room - (size_t)at);
    (void)words_of(config->without, " --without ", text + at, room - (size_t)at);
}
