/* What a host may do to the library, and what may happen to it: each has its answer. */
#include "tests/unit/library/database.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Threads that share a client ---- */

static void *get_locked(void *argument)
{
    hf_client *client = argument;
    char buf[8];
    size_t size;
    hf_err err = hf_get(client, "locked", 6, buf, sizeof buf, &size);
    while (err == HF_E_BUSY) { /* the test was inside */
        err = hf_get(client, "locked", 6, buf, sizeof buf, &size);
    }
    return (void *)(intptr_t)err;
}

static void the_second_thread_is_told(void **state)
{
    database d;
    hf_client *holder;
    pthread_t thread;
    void *result;
    char buf[8];
    size_t size;
    (void)state;
    database_open(&d, false);
    set_text(d.client, "locked", "old");
    check_ok(hf_client_open(d.db, &holder));
    check_ok(hf_begin(holder, 0, NULL));
    set_text(holder, "locked", "new");
    assert_int_equal(pthread_create(&thread, NULL, get_locked, d.client), 0);
    /* The other one waits for the lock as soon as it is inside; until then we may wait ourselves,
     * so only what does not wait is asked. */
    hf_err err = hf_client_level(d.client, HF_READ_STRICT, 0);
    while (err == HF_OK) {
        err = hf_client_level(d.client, HF_READ_STRICT, 0);
    }
    check_err(err, HF_E_BUSY);
    check_err(hf_get(d.client, "locked", 6, buf, sizeof buf, &size), HF_E_BUSY);
    check_err(hf_client_close(d.client), HF_E_BUSY);
    check_err(hf_client_poll(d.client, 0, NULL), HF_E_BUSY);
    check_ok(hf_commit(holder));
    assert_int_equal(pthread_join(thread, &result), 0);
    check_err((hf_err)(intptr_t)result, HF_OK);
    assert_string_equal(value_of(d.client, "locked"), "new");
    check_ok(hf_client_close(holder));
    database_close(&d);
}

/* ---- A callback that does not return ---- */

typedef struct stuck {
    hf_client *client;
    sem_t entered, leave;
    atomic_bool ended;
} stuck;

static void stay(hf_txn *txn, hf_err err, void *context)
{
    stuck *s = context;
    (void)txn;
    (void)err;
    (void)sem_post(&s->entered);
    while (sem_wait(&s->leave) != 0) {
    }
    s->ended = true;
}

static void *poll_stuck(void *argument)
{
    stuck *s = argument;
    hf_err err = HF_OK;
    while (!s->ended && err == HF_OK) {
        err = hf_client_poll(s->client, 1000, NULL);
    }
    return (void *)(intptr_t)err;
}

static void a_callback_that_does_not_return(void **state)
{
    database d;
    stuck s;
    hf_txn *txn;
    pthread_t thread;
    void *result;
    (void)state;
    memset(&s, 0, sizeof s);
    database_open(&d, false);
    check_ok(hf_client_open(d.db, &s.client));
    assert_int_equal(sem_init(&s.entered, 0, 0), 0);
    assert_int_equal(sem_init(&s.leave, 0, 0), 0);
    check_ok(hf_txn_open(s.client, &txn));
    hf_txn_set(txn, "stuck", 5, "1", 1);
    check_ok(hf_txn_submit(txn, stay, &s));
    assert_int_equal(pthread_create(&thread, NULL, poll_stuck, &s), 0);
    while (sem_wait(&s.entered) != 0) {
    }
    /* Everybody else goes on, and that client cannot be closed from under it. */
    for (int i = 0; i < 500; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "on:%d", i);
        set_text(d.client, key, "x");
    }
    check_err(hf_client_close(s.client), HF_E_BUSY);
    (void)sem_post(&s.leave);
    assert_int_equal(pthread_join(thread, &result), 0);
    check_err((hf_err)(intptr_t)result, HF_OK);
    hf_txn_close(txn);
    check_ok(hf_client_close(s.client));
    database_close(&d);
}

/* ---- Closing with calls under way ---- */

static void must_not_be_called(hf_txn *txn, hf_err err, void *context)
{
    (void)txn;
    (void)err;
    (void)context;
    abort();
}

static void closing_gives_calls_up(void **state)
{
    enum { MANY = 500 };
    (void)state;
    for (int connected = 0; connected < 2; connected++) {
        database d;
        hf_client *client;
        hf_txn *txns[MANY];
        hf_scan *scan;
        hf_slice key;
        database_open(&d, connected != 0);
        check_ok(hf_client_open(d.db, &client));
        check_ok(hf_scan_open(client, NULL, 0, NULL, 0, 0, &scan));
        for (int i = 0; i < MANY; i++) {
            char name[16];
            int size = snprintf(name, sizeof name, "g:%d", i);
            check_ok(hf_txn_open(client, &txns[i]));
            hf_txn_set(txns[i], name, (size_t)size, "x", 1);
            check_ok(hf_txn_submit(txns[i], must_not_be_called, NULL));
        }
        hf_txn_close(txns[0]);
        check_ok(hf_client_close(client));
        check_err(hf_txn_run(txns[1]), HF_E_CLOSED);
        hf_txn_set(txns[1], "x", 1, "y", 1); /* is nothing */
        check_err(hf_scan_next(scan, &key, NULL), HF_E_CLOSED);
        for (int i = 1; i < MANY; i++) {
            hf_txn_close(txns[i]);
        }
        hf_scan_close(scan);
        check_err(hf_close(d.db), HF_E_BUSY); /* d.client is open */
        set_text(d.client, "still", "works");
        database_close(&d);
    }
}

static void so_many_clients(void **state)
{
    database d;
    hf_client *clients[HF_CLIENTS_MAX], *more;
    (void)state;
    database_open(&d, false);
    for (int round = 0; round < 3; round++) {
        for (int i = 1; i < HF_CLIENTS_MAX; i++) {
            check_ok(hf_client_open(d.db, &clients[i]));
        }
        check_err(hf_client_open(d.db, &more), HF_E_FULL);
        assert_null(more);
        for (int i = 1; i < HF_CLIENTS_MAX; i++) {
            set_text(clients[i], "k", "v");
            check_ok(hf_client_close(clients[i]));
        }
    }
    database_close(&d);
}

/* ---- Opening what cannot be opened ---- */

static void a_directory_that_is_held(void **state)
{
    database d;
    hf_db *db = (hf_db *)8;
    hf_options options = database_options();
    (void)state;
    database_open(&d, true);
    check_err(hf_open(d.path, &options, &db), HF_E_LOCKED);
    assert_null(db);
    assert_non_null(strstr(hf_problem_text(), d.path));
    database_close(&d);
    database_open(&d, false);
    check_err(hf_open(d.path, &options, &db), HF_E_LOCKED); /* by ourselves */
    set_text(d.client, "k", "v");
    database_close(&d);
}

static void what_is_no_database(void **state)
{
    char path[256];
    hf_db *db;
    hf_options options = database_options();
    (void)state;
    database_path(path, sizeof path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fclose(file);
    assert_int_not_equal(hf_open(path, &options, &db), HF_OK);
    database_remove(path);
    check_err(hf_open("", &options, &db), HF_E_INVALID);
    check_err(hf_open(NULL, &options, &db), HF_E_INVALID);
    check_err(hf_open(path, &options, NULL), HF_E_INVALID);
    options.memory_bytes = 1 << 20;
    check_err(hf_open(path, &options, &db), HF_E_NOMEM);
    database_remove(path);
    options = database_options();
    options.cores = 65;
    check_err(hf_open(path, &options, &db), HF_E_INVALID);
    options = database_options();
    options.timeout_ms = 300;
    static const char *const wrong[] = { "", "nowhere", ":1", "x:", "host:port", "a:1,,b:2" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        check_err(hf_connect(wrong[i], &options, &db), HF_E_INVALID);
        assert_null(db);
    }
    check_err(hf_connect("127.0.0.1:1", &options, &db), HF_E_DEADLINE);
    check_err(hf_close(NULL), HF_OK);
    check_err(hf_client_close(NULL), HF_OK);
}

/* ---- Fork ---- */

static void child(const database *d, hf_txn *txn, int out, int in)
{
    char buf[8];
    size_t size;
    hf_client *client;
    hf_err all[] = { hf_get(d->client, "k", 1, buf, sizeof buf, &size),
                     hf_set(d->client, "k", 1, "child", 5),
                     hf_txn_run(txn),
                     hf_client_poll(d->client, 0, NULL),
                     hf_client_open(d->db, &client),
                     hf_client_close(d->client),
                     hf_close(d->db) };
    char good = 'y';
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        good = all[i] == HF_E_FORKED ? good : (char)('0' + i);
    }
    (void)!write(out, &good, 1);
    (void)!read(in, &good, 1); /* lives on while the parent closes and opens */
    _exit(0);
}

static void a_child_has_nothing_of_it(void **state)
{
    database d;
    hf_txn *txn;
    int up[2], down[2];
    char good = 0;
    (void)state;
    database_open(&d, false);
    set_text(d.client, "k", "parent");
    check_ok(hf_txn_open(d.client, &txn));
    hf_txn_set(txn, "k", 1, "child", 5);
    assert_int_equal(pipe(up), 0);
    assert_int_equal(pipe(down), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        child(&d, txn, up[1], down[0]);
    }
    assert_int_equal(read(up[0], &good, 1), 1);
    assert_int_equal(good, 'y');
    assert_string_equal(value_of(d.client, "k"), "parent");
    hf_txn_close(txn);
    check_ok(hf_client_close(d.client));
    check_ok(hf_close(d.db));
    /* The child does not hold the directory. */
    hf_options options = database_options();
    check_ok(hf_open(d.path, &options, &d.db));
    check_ok(hf_client_open(d.db, &d.client));
    assert_string_equal(value_of(d.client, "k"), "parent");
    assert_int_equal(write(down[1], "x", 1), 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 2; i++) {
        (void)close(up[i]);
        (void)close(down[i]);
    }
    database_close(&d);
}

/* A child may open a database of its own, and the parent another. */
static void a_child_has_its_own(void **state)
{
    database d;
    int status;
    (void)state;
    database_open(&d, false);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        hf_options options = database_options();
        char path[256];
        hf_db *db;
        hf_client *client;
        database_path(path, sizeof path);
        bool good = hf_open(path, &options, &db) == HF_OK && hf_client_open(db, &client) == HF_OK &&
                    hf_set(client, "k", 1, "v", 1) == HF_OK && hf_client_close(client) == HF_OK &&
                    hf_close(db) == HF_OK;
        database_remove(path);
        _exit(good ? 0 : 1);
    }
    set_text(d.client, "k", "v");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    database_close(&d);
}

/* ---- Signals ---- */

static atomic_int signals_seen;
static atomic_int signals_elsewhere;
static pthread_t host;

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals_seen, 1);
    if (!pthread_equal(pthread_self(), host)) {
        atomic_fetch_add(&signals_elsewhere, 1);
    }
}

static void handlers_run_in_the_hosts_threads(void **state)
{
    database d;
    struct sigaction action = { .sa_handler = on_signal }; /* without SA_RESTART */
    struct sigaction before;
    (void)state;
    host = pthread_self();
    database_open(&d, false);
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    struct itimerval often = { { 0, 300 }, { 0, 300 } };
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < 2000 || (atomic_load(&signals_seen) < 50 && i < 1000000); i++) {
        set_text(d.client, "signal", "s");
    }
    struct itimerval never = { { 0, 0 }, { 0, 0 } };
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    assert_true(atomic_load(&signals_seen) >= 50);
    assert_int_equal(atomic_load(&signals_elsewhere), 0);
    database_close(&d);
}

/* ---- The engine fails ---- */

static char fatal_words[256];
static atomic_int fatals;

static void on_fatal(void *context, const char *words)
{
    assert_string_equal(context, "mine");
    (void)snprintf(fatal_words, sizeof fatal_words, "%s", words);
    atomic_fetch_add(&fatals, 1);
}

/* The logs' descriptors become such as cannot be written to. */
static void break_logs(const char *path)
{
    DIR *dir = opendir("/proc/self/fd");
    int broken = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int count = 0;
    assert_true(dir != NULL && broken >= 0);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char target[512] = "", link[64];
        (void)snprintf(link, sizeof link, "/proc/self/fd/%.20s", entry->d_name);
        if (readlink(link, target, sizeof target - 1) > 0 && strstr(target, path) != NULL &&
            strstr(target, "/log-") != NULL) {
            assert_true(dup2(broken, (int)strtol(entry->d_name, NULL, 10)) >= 0);
            count++;
        }
    }
    (void)closedir(dir);
    (void)close(broken);
    assert_true(count > 0);
}

static void must_be_fatal(hf_txn *txn, hf_err err, void *context)
{
    (void)txn;
    check_err(err, HF_E_FATAL);
    (*(int *)context)++;
}

static void a_failed_flush_ends_the_engine_and_not_the_host(void **state)
{
    database d;
    hf_client *other;
    hf_txn *txn;
    int told = 0;
    char text[] = "mine";
    char buf[8];
    size_t size;
    (void)state;
    hf_options options = database_options();
    options.on_fatal = on_fatal;
    options.on_fatal_context = text;
    memset(&d, 0, sizeof d);
    database_path(d.path, sizeof d.path);
    check_ok(hf_open(d.path, &options, &d.db));
    check_ok(hf_client_open(d.db, &d.client));
    check_ok(hf_client_open(d.db, &other));
    set_text(d.client, "k", "v");
    check_ok(hf_txn_open(other, &txn));
    break_logs(d.path);
    hf_txn_set(txn, "k", 1, "w", 1);
    check_ok(hf_txn_submit(txn, must_be_fatal, &told));
    check_err(hf_set(d.client, "k", 1, "w", 1), HF_E_FATAL);
    while (told == 0) {
        (void)hf_client_poll(other, 100, NULL);
    }
    assert_int_equal(atomic_load(&fatals), 1);
    assert_true(fatal_words[0] != 0);
    check_err(hf_get(d.client, "k", 1, buf, sizeof buf, &size), HF_E_FATAL);
    check_err(hf_client_poll(other, 1000, NULL), HF_E_FATAL);
    hf_txn_close(txn);
    check_ok(hf_client_close(other));
    check_err(hf_client_open(d.db, &other), HF_E_FATAL);
    check_ok(hf_client_close(d.client));
    check_err(hf_close(d.db), HF_E_FATAL);
    database_remove(d.path);
}

/* ---- Nodes that go ---- */

static void *revive(void *argument)
{
    database *d = argument;
    server_start(d);
    return NULL;
}

static void err_done(hf_txn *txn, hf_err err, void *context)
{
    (void)txn;
    *(int *)context = err;
}

static void a_lost_connection_is_made_good_or_told(void **state)
{
    database d;
    pthread_t thread;
    hf_txn *with_id, *without, *reads;
    uint8_t id[HF_ID_SIZE];
    enum { NOT_YET = 1 };
    int ends[3] = { NOT_YET, NOT_YET, NOT_YET };
    (void)state;
    database_open(&d, true);
    set_text(d.client, "n", "0");
    check_ok(hf_txn_open(d.client, &with_id));
    check_ok(hf_txn_open(d.client, &without));
    check_ok(hf_txn_open(d.client, &reads));
    hf_id_new(id);
    server_stop(&d);
    hf_txn_id(with_id, id);
    hf_txn_add(with_id, "n", 1, 1, HF_NO_MIN, HF_NO_MAX);
    hf_txn_add(with_id, "m", 1, 1, HF_NO_MIN, HF_NO_MAX);
    check_ok(hf_txn_submit(with_id, err_done, &ends[0]));
    hf_txn_set(without, "w", 1, "x", 1);
    check_ok(hf_txn_submit(without, err_done, &ends[1]));
    hf_txn_get(reads, "n", 1);
    check_ok(hf_txn_submit(reads, err_done, &ends[2]));
    check_ok(hf_client_poll(d.client, 10, NULL));
    server_kill(&d);
    assert_int_equal(pthread_create(&thread, NULL, revive, &d), 0);
    while (ends[0] == NOT_YET || ends[1] == NOT_YET || ends[2] == NOT_YET) {
        check_ok(hf_client_poll(d.client, 1000, NULL));
    }
    check_err((hf_err)ends[0], HF_OK);        /* sent again, under its id */
    check_err((hf_err)ends[1], HF_E_INDOUBT); /* perhaps */
    check_err((hf_err)ends[2], HF_OK);        /* asked again */
    assert_string_equal(value_of(d.client, "n"), "1");
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* An interactive transaction does not outlive its connection. */
    check_ok(hf_begin(d.client, 0, NULL));
    set_text(d.client, "n", "2");
    server_kill(&d);
    check_err(hf_set(d.client, "n", 1, "3", 1), HF_E_CONFLICT);
    check_err(hf_commit(d.client), HF_E_CONFLICT);
    server_start(&d);
    check_ok(hf_rollback(d.client));
    assert_string_equal(value_of(d.client, "n"), "1");
    hf_txn_close(with_id);
    hf_txn_close(without);
    hf_txn_close(reads);
    database_close(&d);
}

/* ---- A request that is cut in two by a full pipe ---- */

/* `all` bytes of request, more or less: reads "cut" and many keys that are not there. */
static void put_large(hf_txn *txn, size_t all)
{
    enum { KEYS = 256, KEY = 1000 };
    static char none[KEY];
    hf_slice words[KEYS] = { { "MGET", 4 }, { "cut", 3 } };
    size_t count = 2;
    memset(none, 'n', sizeof none);
    for (size_t at = 0; at < all; at += KEY + 4) {
        assert_true(count < KEYS);
        size_t left = all - at;
        words[count++] = (hf_slice){ none, left < KEY ? left : KEY };
    }
    check_ok(hf_txn_reset(txn));
    hf_txn_command(txn, words, count);
}

/* Its second half goes when the client reads at another level already; it is one request for all
 * that, of the level at which it began. */
static void a_request_in_two_halves_is_one(void **state)
{
    enum { PIPE = 128 * 1024, NEAR = 240, STEP = 8, NOT_YET = 1 };
    database d;
    hf_txn *large, *small;
    uint64_t since, token;
    (void)state;
    database_open(&d, false);
    check_ok(hf_txn_open(d.client, &large));
    check_ok(hf_txn_open(d.client, &small));
    set_text(d.client, "cut", "whole");
    check_ok(hf_client_token(d.client, &since));
    do { /* snapshots are taken at milliseconds */
        set_text(d.client, "later", "x");
        check_ok(hf_client_token(d.client, &token));
    } while (token / 1000000 <= since / 1000000 + 1);
    for (size_t less = 0; less < NEAR; less += STEP) {
        int ends[2] = { NOT_YET, NOT_YET };
        put_large(large, PIPE - less);
        check_ok(hf_txn_reset(small));
        hf_txn_get(small, "cut", 3);
        check_ok(hf_client_token(d.client, &token));
        check_ok(hf_client_level(d.client, HF_READ_SNAPSHOT, token));
        check_ok(hf_txn_submit(large, err_done, &ends[0]));
        check_ok(hf_txn_submit(small, err_done, &ends[1]));
        check_ok(hf_client_level(d.client, HF_READ_STRICT, 0));
        while (ends[0] == NOT_YET || ends[1] == NOT_YET) {
            check_ok(hf_client_poll(d.client, 1000, NULL));
        }
        check_err((hf_err)ends[0], HF_OK);
        check_err((hf_err)ends[1], HF_OK);
        hf_result result = hf_txn_result(small, 0);
        assert_int_equal(result.kind, HF_RESULT_BYTES);
        assert_int_equal(result.size, 5);
    }
    hf_txn_close(large);
    hf_txn_close(small);
    database_close(&d);
}

/* Longer than a name can be, so that nobody has to be asked for it. */
#define UNKNOWN "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void a_name_that_nobody_knows(void **state)
{
    database d;
    hf_db *db;
    hf_client *client;
    char list[256];
    (void)state;
    hf_options options = database_options();
    database_open(&d, true);
    check_err(hf_connect(UNKNOWN ":1", &options, &db), HF_E_INVALID);
    assert_null(db);
    (void)snprintf(list, sizeof list, UNKNOWN ":1,%s", d.address);
    check_ok(hf_connect(list, &options, &db));
    check_ok(hf_client_open(db, &client));
    set_text(client, "k", "v");
    assert_string_equal(value_of(client, "k"), "v");
    check_ok(hf_client_close(client));
    check_ok(hf_close(db));
    database_close(&d);
}

static void nobody_answers_in_time(void **state)
{
    database d;
    hf_db *db;
    hf_client *client;
    char buf[8];
    size_t size;
    (void)state;
    hf_options options = database_options();
    options.timeout_ms = 2000; /* connecting has to be done in it too */
    database_open(&d, true);
    check_ok(hf_connect(d.address, &options, &db));
    check_ok(hf_client_open(db, &client));
    server_stop(&d);
    check_err(hf_get(client, "k", 1, buf, sizeof buf, &size), HF_E_DEADLINE);
    check_err(hf_set(client, "k", 1, "v", 1), HF_E_INDOUBT); /* sent, and no answer */
    assert_int_equal(kill(d.server, SIGCONT), 0);
    hf_err err = hf_get(client, "k", 1, buf, sizeof buf, &size);
    while (err == HF_E_DEADLINE) {
        err = hf_get(client, "k", 1, buf, sizeof buf, &size);
    }
    check_ok(err); /* late answers are not taken for later calls' */
    assert_memory_equal(buf, "v", 1);
    server_kill(&d);
    do {
        err = hf_set(client, "k", 1, "v", 1);
    } while (err == HF_E_INDOUBT); /* the kernel holds a dead process's sockets for a while */
    check_err(err, HF_E_DEADLINE); /* nothing was sent */
    check_ok(hf_client_close(client));
    check_ok(hf_close(db));
    server_start(&d);
    database_close(&d);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_thread_is_told),
        cmocka_unit_test(a_callback_that_does_not_return),
        cmocka_unit_test(closing_gives_calls_up),
        cmocka_unit_test(so_many_clients),
        cmocka_unit_test(a_directory_that_is_held),
        cmocka_unit_test(what_is_no_database),
        cmocka_unit_test(a_child_has_nothing_of_it),
        cmocka_unit_test(a_child_has_its_own),
        cmocka_unit_test(handlers_run_in_the_hosts_threads),
        cmocka_unit_test(a_lost_connection_is_made_good_or_told),
        cmocka_unit_test(a_name_that_nobody_knows),
        cmocka_unit_test(nobody_answers_in_time),
        cmocka_unit_test(a_request_in_two_halves_is_one),
        cmocka_unit_test(
            a_failed_flush_ends_the_engine_and_not_the_host), /* the last: memory stays */
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
