/* Question: transactions a second, and processor time for each, with the engine in this process.
 * See README.md. */
#include "engine/base/hist.h"
#include "engine/base/prng.h"
#include <dirent.h>
#include <getopt.h>
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { DEPTH_MAX = HF_SUBMITTED_MAX, THREADS_MAX = 32, KEY_SIZE = 13, BALANCE = 1000000 };

typedef enum kind { TRANSFER, LOCAL, ADD, GET, KINDS } kind;
static const char *const kind_names[KINDS] = { "transfer", "local", "add", "get" };

typedef struct options {
    const char *data;
    kind kind;
    uint32_t cores, threads, depth, keys, hot;
    double seconds, warmup;
    bool no_pin, no_spin;
} options;

typedef struct worker worker;
typedef struct slot {
    hf_txn *txn;
    worker *worker;
    uint64_t begun_ns;
} slot;

struct worker {
    pthread_t thread;
    const options *options;
    hf_client *client;
    hf_prng prng;
    uint32_t under_way;
    uint64_t ended, refused, busy;
    uint64_t cpu_ns; /* of the measured time */
    hf_hist *latency;
    slot slots[DEPTH_MAX];
};

enum { WARM, MEASURE, OVER };
static _Atomic(int) now_is;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void need(hf_err err, const char *what)
{
    if (err != HF_OK) {
        (void)fprintf(stderr, "holdfast-embedded: %s: %s %s\n", what, hf_err_text(err),
                      hf_problem_text());
        exit(1);
    }
}

static void key_of(uint32_t account, char key[KEY_SIZE + 1])
{
    (void)memcpy(key, "acct:", 5);
    for (int i = KEY_SIZE - 1; i >= 5; i--) {
        key[i] = (char)('0' + account % 10);
        account /= 10;
    }
    key[KEY_SIZE] = 0;
}

/* An account of that core's part. */
static uint32_t account_of(worker *w, uint32_t core)
{
    uint32_t each = w->options->keys / w->options->cores;
    return core * each + (uint32_t)hf_prng_below(&w->prng, each);
}

static void ended(hf_txn *txn, hf_err err, void *context);

static void start(slot *s)
{
    worker *w = s->worker;
    const options *o = w->options;
    uint32_t core = (uint32_t)hf_prng_below(&w->prng, o->cores);
    uint32_t other = o->kind == TRANSFER ? (core + 1) % o->cores : core;
    uint32_t from = account_of(w, core);
    char key[KEY_SIZE + 1];
    key_of(from, key);
    if (o->kind == GET) {
        hf_txn_get(s->txn, key, KEY_SIZE);
    } else if (o->kind == ADD) {
        hf_txn_add(s->txn, key, KEY_SIZE, 1, HF_NO_MIN, HF_NO_MAX);
    } else {
        uint32_t to = account_of(w, other);
        if (o->hot != 0 && hf_prng_below(&w->prng, 100) < o->hot) {
            to = 0;
        }
        to = to == from ? (to + 1) % o->keys : to;
        hf_txn_add(s->txn, key, KEY_SIZE, -1, 0, HF_NO_MAX);
        key_of(to, key);
        hf_txn_add(s->txn, key, KEY_SIZE, 1, HF_NO_MIN, HF_NO_MAX);
    }
    s->begun_ns = clock_ns(CLOCK_MONOTONIC);
    w->under_way++;
    need(hf_txn_submit(s->txn, ended, s), "submit");
}

static void ended(hf_txn *txn, hf_err err, void *context)
{
    slot *s = context;
    worker *w = s->worker;
    w->under_way--;
    w->refused += err == HF_E_LIMIT;
    w->busy += err == HF_E_BUSY; /* more than the engine holds open at a time: another one, then */
    if (err != HF_E_LIMIT && err != HF_E_BUSY) {
        need(err, hf_txn_words(txn));
    }
    int phase = atomic_load_explicit(&now_is, memory_order_relaxed);
    if (phase == MEASURE && err != HF_E_BUSY) {
        w->ended++;
        hf_hist_record(w->latency, clock_ns(CLOCK_MONOTONIC) - s->begun_ns);
    }
    if (phase != OVER) {
        start(s);
    }
}

static void *work(void *argument)
{
    worker *w = argument;
    uint64_t begun = 0;
    for (uint32_t i = 0; i < w->options->depth; i++) {
        start(&w->slots[i]);
    }
    while (w->under_way != 0) {
        need(hf_client_poll(w->client, 1000, NULL), "poll");
        int phase = atomic_load_explicit(&now_is, memory_order_relaxed);
        if (phase == MEASURE && begun == 0) {
            begun = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        } else if (phase == OVER && w->cpu_ns == 0) {
            w->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun;
        }
    }
    return NULL;
}

/* Processor time of the engine's threads until now. */
static uint64_t engine_ns(void)
{
    DIR *dir = opendir("/proc/self/task");
    uint64_t sum = 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[320], name[32] = "";
        unsigned long long ran = 0;
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            (void)!fgets(name, sizeof name, file);
            (void)fclose(file);
        }
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", e->d_name);
        file = strncmp(name, "hf-core-", 8) == 0 ? fopen(path, "r") : NULL;
        if (file != NULL) {
            sum += fscanf(file, "%llu", &ran) == 1 ? ran : 0;
            (void)fclose(file);
        }
    }
    (void)closedir(dir);
    return sum;
}

/* ---- Before and after ---- */

static void admin(hf_client *client, const char *sub, const char *key, const char *more)
{
    hf_txn *txn;
    hf_slice words[] = { { "HF.ADMIN", 8 },
                         { sub, strlen(sub) },
                         { key, strlen(key) },
                         { more, more == NULL ? 0 : strlen(more) } };
    need(hf_txn_open(client, &txn), "admin");
    hf_txn_command(txn, words, more == NULL ? 3 : 4);
    hf_err err = hf_txn_run(txn);
    need(err, hf_txn_words(txn));
    hf_txn_close(txn);
}

/* Accounts with money, an equal part of them with each core. */
static void fill(hf_client *client, const options *o)
{
    char key[KEY_SIZE + 1], text[12];
    hf_txn *txn;
    for (uint32_t core = 0; core < o->cores && o->cores > 1; core++) {
        key_of(core * (o->keys / o->cores), key);
        (void)snprintf(text, sizeof text, "%u", core);
        admin(client, "SPLIT", key, NULL);
        admin(client, "MOVE", key, text);
    }
    need(hf_txn_open(client, &txn), "fill");
    for (uint32_t i = 0; i < o->keys; i++) {
        key_of(i, key);
        hf_txn_set(txn, key, KEY_SIZE, "1000000", 7);
        if (i % 1000 == 999 || i + 1 == o->keys) {
            need(hf_txn_run(txn), "fill");
        }
    }
    hf_txn_close(txn);
}

/* Transfers neither make nor lose money. */
static void check_sum(hf_client *client, const options *o)
{
    hf_scan *scan;
    hf_slice key, value;
    int64_t sum = 0;
    need(hf_scan_open(client, "acct:", 5, "acct;", 5, 0, &scan), "scan");
    hf_err err = hf_scan_next(scan, &key, &value);
    for (; err == HF_OK; err = hf_scan_next(scan, &key, &value)) {
        char text[24] = "";
        (void)memcpy(text, value.data, value.size < 23 ? value.size : 23);
        sum += strtoll(text, NULL, 10);
    }
    hf_scan_close(scan);
    if (err != HF_E_NOTFOUND || sum != (int64_t)o->keys * BALANCE) {
        (void)fprintf(stderr, "holdfast-embedded: the sum is %lld, not %lld: %s\n", (long long)sum,
                      (long long)o->keys * BALANCE, hf_err_name(err));
        exit(1);
    }
}

static void pause_s(double seconds)
{
    struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
    while (nanosleep(&t, &t) != 0) {
    }
}

static void open_worker(worker *w, hf_db *db, const options *o, uint32_t index)
{
    w->options = o;
    w->prng = hf_prng_of(index + 1);
    w->latency = calloc(1, sizeof *w->latency);
    if (w->latency == NULL) {
        exit(1);
    }
    need(hf_client_open(db, &w->client), "client");
    for (uint32_t i = 0; i < o->depth; i++) {
        w->slots[i].worker = w;
        need(hf_txn_open(w->client, &w->slots[i].txn), "txn");
    }
}

static void measure(hf_db *db, const options *o)
{
    static worker workers[THREADS_MAX];
    uint64_t operations = 0;
    uint64_t refused = 0;
    uint64_t busy = 0;
    uint64_t client_ns = 0;
    struct rusage before, after;
    for (uint32_t i = 0; i < o->threads; i++) {
        open_worker(&workers[i], db, o, i);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            need(HF_E_IO, "thread");
        }
    }
    pause_s(o->warmup);
    uint64_t engine = engine_ns();
    uint64_t begun = clock_ns(CLOCK_MONOTONIC);
    (void)getrusage(RUSAGE_SELF, &before);
    atomic_store(&now_is, MEASURE);
    pause_s(o->seconds);
    atomic_store(&now_is, OVER);
    double took = (double)(clock_ns(CLOCK_MONOTONIC) - begun) / 1e9;
    engine = engine_ns() - engine;
    (void)getrusage(RUSAGE_SELF, &after);
    for (uint32_t i = 0; i < o->threads; i++) {
        worker *w = &workers[i];
        (void)pthread_join(w->thread, NULL);
        operations += w->ended;
        refused += w->refused;
        busy += w->busy;
        client_ns += w->cpu_ns;
        if (i != 0) {
            hf_hist_merge(workers[0].latency, w->latency);
        }
        for (uint32_t k = 0; k < o->depth; k++) {
            hf_txn_close(w->slots[k].txn);
        }
        need(hf_client_close(w->client), "close");
    }
    double count = operations == 0 ? 1 : (double)operations;
    (void)printf(
        "{\"kind\": \"%s\", \"cores\": %u, \"threads\": %u, \"depth\": %u, \"hot\": %u, "
        "\"operations_s\": %.0f, \"engine_us\": %.3f, \"client_us\": %.3f, "
        "\"switches\": %.4f, \"refused\": %llu, \"busy\": %llu, \"p50_us\": %.1f, \"p99_us\": "
        "%.1f, "
        "\"p999_us\": %.1f, \"max_us\": %.1f}\n",
        kind_names[o->kind], o->cores, o->threads, o->depth, o->hot, (double)operations / took,
        (double)engine / 1e3 / count, (double)client_ns / 1e3 / count,
        (double)(after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw) / count,
        (unsigned long long)refused, (unsigned long long)busy,
        (double)hf_hist_quantile(workers[0].latency, 0.5) / 1e3,
        (double)hf_hist_quantile(workers[0].latency, 0.99) / 1e3,
        (double)hf_hist_quantile(workers[0].latency, 0.999) / 1e3,
        (double)hf_hist_quantile(workers[0].latency, 1.0) / 1e3);
}

static void usage(int code)
{
    (void)fprintf(
        code == 0 ? stdout : stderr,
        "usage: holdfast-embedded --data DIR [--kind transfer|local|add|get] [--cores 2]\n"
        "           [--threads 1] [--depth 256] [--keys 100000] [--hot PERCENT]\n"
        "           [--seconds 3] [--warmup 1] [--no-pin] [--no-spin]\n"
        "DIR must not be there. Prints one line of JSON.\n");
    exit(code);
}

static uint32_t number(const char *text, uint32_t least, uint32_t most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == 0 || *end != 0 || value < least || value > most) {
        usage(2);
    }
    return (uint32_t)value;
}

static options read_options(int argc, char **argv)
{
    static const struct option table[] = {
        { "data", 1, NULL, 'd' },    { "kind", 1, NULL, 'k' },    { "cores", 1, NULL, 'c' },
        { "threads", 1, NULL, 't' }, { "depth", 1, NULL, 'q' },   { "keys", 1, NULL, 'n' },
        { "hot", 1, NULL, 'h' },     { "seconds", 1, NULL, 's' }, { "warmup", 1, NULL, 'w' },
        { "no-pin", 0, NULL, 'p' },  { "no-spin", 0, NULL, 'i' }, { "help", 0, NULL, '?' },
        { NULL, 0, NULL, 0 },
    };
    options o = {
        .cores = 2, .threads = 1, .depth = 256, .keys = 100000, .seconds = 3, .warmup = 1
    };
    for (int c = getopt_long(argc, argv, "", table, NULL); c != -1;
         c = getopt_long(argc, argv, "", table, NULL)) {
        switch (c) {
        case 'd':
            o.data = optarg;
            break;
        case 'k':
            while (o.kind < KINDS && strcmp(kind_names[o.kind], optarg) != 0) {
                o.kind++;
            }
            break;
        case 'c':
            o.cores = number(optarg, 1, 64);
            break;
        case 't':
            o.threads = number(optarg, 1, THREADS_MAX);
            break;
        case 'q':
            o.depth = number(optarg, 1, DEPTH_MAX);
            break;
        case 'n':
            o.keys = number(optarg, 1000, 90000000);
            break;
        case 'h':
            o.hot = number(optarg, 0, 100);
            break;
        case 's':
            o.seconds = strtod(optarg, NULL);
            break;
        case 'w':
            o.warmup = strtod(optarg, NULL);
            break;
        case 'p':
            o.no_pin = true;
            break;
        case 'i':
            o.no_spin = true;
            break;
        default:
            usage(argc == 2 ? 0 : 2);
        }
    }
    if (o.data == NULL || o.kind == KINDS || optind != argc || o.seconds <= 0) {
        usage(2);
    }
    return o;
}

int main(int argc, char **argv)
{
    options o = read_options(argc, argv);
    hf_options how = { .cores = o.cores, .no_pin = o.no_pin, .no_spin = o.no_spin };
    hf_db *db;
    hf_client *client;
    need(hf_open(o.data, &how, &db), o.data);
    need(hf_client_open(db, &client), "client");
    fill(client, &o);
    measure(db, &o);
    if (o.kind == TRANSFER || o.kind == LOCAL) {
        check_sum(client, &o);
    }
    need(hf_client_close(client), "close");
    need(hf_close(db), "close");
    return 0;
}
