/* A database for a test: a fresh directory below the build's, opened in this process; or a
 * holdfastd over one, and a connection to it. What the library promises holds for both, so most
 * tests run over both. */
#ifndef HF_TESTS_UNIT_LIBRARY_DATABASE_H
#define HF_TESTS_UNIT_LIBRARY_DATABASE_H
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
/* After the others: */
#include <cmocka.h>

typedef struct database {
    char path[256];
    char address[64]; /* of the node; "" when it is in this process */
    int held;         /* with an address: its port, kept from others */
    pid_t server;
    hf_db *db;
    hf_client *client;
} database;

enum { DATABASE_CORES = 2, DATABASE_MEMORY_MIB = 512 };

void database_path(char *path, size_t size); /* a name that is free */
void database_remove(const char *path);
hf_options database_options(void);
/* Opened, with a client. */
void database_open(database *d, bool connected);
void database_close(database *d); /* removes the directory too */
/* A holdfastd over d->path on a port that stays its own; and its end. */
void server_start(database *d);
void server_kill(database *d);
/* Returns when none of its threads runs any more. */
void server_stop(database *d);
bool is_built_with_tsan(void);

#define check_ok(call)                                                                             \
    do {                                                                                           \
        hf_err check_err = (call);                                                                 \
        if (check_err != HF_OK) {                                                                  \
            print_message("%s:%d: %s: %s\n", __FILE__, __LINE__, hf_err_name(check_err),           \
                          hf_problem_text());                                                      \
        }                                                                                          \
        assert_int_equal(check_err, HF_OK);                                                        \
    } while (0)
#define check_err(call, expected)                                                                  \
    do {                                                                                           \
        hf_err check_got = (call);                                                                 \
        if (check_got != (expected)) {                                                             \
            print_message("%s:%d: %s, not %s\n", __FILE__, __LINE__, hf_err_name(check_got),       \
                          hf_err_name(expected));                                                  \
        }                                                                                          \
        assert_int_equal(check_got, expected);                                                     \
    } while (0)

/* The value of a key as a text that lives until the next call; "(none)". */
const char *value_of(hf_client *client, const char *key);
void set_text(hf_client *client, const char *key, const char *value);

#endif
