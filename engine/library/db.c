/* Opening and closing databases; forks. */
#include "engine/library/library_impl.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Thread_local char problem_text[HF_PROBLEM_SIZE];

hf_err hf_library__problem(hf_err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(problem_text, sizeof problem_text, format, args);
    va_end(args);
    return err;
}

const char *hf_problem_text(void)
{
    return problem_text;
}

const char *hf_version(void)
{
    return HF_VERSION;
}

bool hf_library__bad_key(const void *key, size_t size, hf_err *err)
{
    *err = size > HF_KEY_MAX ? HF_E_TOOBIG : HF_E_INVALID;
    return key == NULL || size == 0 || size > HF_KEY_MAX;
}

/* ---- Forks ----
 * A child has one thread and none of the engine's memory. It counts itself, so that every handle of
 * its parent is known as such, and lets go of what holds data directories. */

enum { OPEN_MAX = 64 }; /* embedded databases whose locks a child lets go of; more keep theirs */

static pthread_once_t forks_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t forks_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t born;
static hf_db *open_here[OPEN_MAX];

uint32_t hf_library__born(void)
{
    return born;
}

static void before_fork(void)
{
    /* tidy: pthread_mutex_lock when a process opens, closes or forks, never in a call */
    HF_ASSERT(pthread_mutex_lock(&forks_lock) == 0);
}

static void after_fork(void)
{
    HF_ASSERT(pthread_mutex_unlock(&forks_lock) == 0);
}

static void in_child(void)
{
    born++;
    for (size_t i = 0; i < OPEN_MAX; i++) {
        if (open_here[i] != NULL) {
            for (size_t k = 0; k < sizeof open_here[i]->lock_fds / sizeof(int); k++) {
                (void)close(open_here[i]->lock_fds[k]);
            }
            open_here[i] = NULL;
        }
    }
    after_fork();
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork, in_child); /* fails only without memory */
}

static void note_open(hf_db *from, hf_db *to)
{
    before_fork();
    for (size_t i = 0; i < OPEN_MAX; i++) {
        if (open_here[i] == from) {
            open_here[i] = to;
            break;
        }
    }
    after_fork();
}

/* ---- Opening and closing ---- */

static void *take_malloc(void *context, size_t size)
{
    (void)context;
    return malloc(size); /* tidy: malloc where the host gave no allocator */
}

static void give_malloc(void *context, void *block, size_t size)
{
    (void)context;
    (void)size;
    free(block); /* tidy: free what that malloc gave */
}

/* A database that is neither opened nor connected. */
static hf_err made(const void *where, const hf_options *options, hf_db **db)
{
    static const hf_allocator usual = { take_malloc, give_malloc, NULL };
    (void)hf_library__problem(HF_OK, "%s", "");
    if (db != NULL) {
        *db = NULL;
    }
    if (db == NULL || where == NULL) {
        return hf_library__problem(HF_E_INVALID, "an argument is NULL");
    }
    const hf_allocator *allocator =
        options != NULL && options->allocator != NULL ? options->allocator : &usual;
    if (allocator->take == NULL || allocator->give == NULL) {
        return hf_library__problem(HF_E_INVALID, "an allocator has take and give");
    }
    HF_ASSERT(pthread_once(&forks_once, watch_forks) == 0);
    hf_db *new = hf_library__take(allocator, sizeof *new);
    if (new == NULL) {
        return hf_library__problem(HF_E_NOMEM, "no memory for a database's handle");
    }
    new->allocator = *allocator;
    new->born = born;
    *db = new;
    return HF_OK;
}

static void drop(hf_db *db)
{
    hf_allocator allocator = db->allocator;
    hf_library__give(&allocator, db, sizeof *db);
}

hf_err hf_open(const char *path, const hf_options *options, hf_db **db)
{
    static const hf_options none;
    hf_err err = made(path, options, db);
    if (err != HF_OK) {
        return err;
    }
    HF_ASSERT(*db != NULL);
    err = hf_embedded__open(*db, path, options == NULL ? &none : options);
    if (err != HF_OK) {
        drop(*db);
        *db = NULL;
        return err;
    }
    (*db)->way = &hf_embedded__way;
    note_open(NULL, *db);
    return HF_OK;
}

hf_err hf_connect(const char *addresses, const hf_options *options, hf_db **db)
{
    static const hf_options none;
    hf_err err = made(addresses, options, db);
    if (err != HF_OK) {
        return err;
    }
    HF_ASSERT(*db != NULL);
    (*db)->way = &hf_connected__way;
    err = hf_connected__open(*db, addresses, options == NULL ? &none : options);
    if (err != HF_OK) {
        drop(*db);
        *db = NULL;
    }
    return err;
}

hf_err hf_close(hf_db *db)
{
    hf_err err = HF_OK;
    (void)hf_library__problem(HF_OK, "%s", "");
    if (db == NULL) {
        return HF_OK;
    }
    if (db->born != born) {
        hf_connected__close(db);
        drop(db); /* the rest is the parent's */
        return HF_E_FORKED;
    }
    if (atomic_load_explicit(&db->clients, memory_order_acquire) != 0) {
        return hf_library__problem(HF_E_BUSY, "clients are open");
    }
    if (db->embedded != NULL) {
        note_open(db, NULL);
        err = hf_embedded__close(db);
    } else {
        hf_connected__close(db);
    }
    drop(db);
    return err;
}
