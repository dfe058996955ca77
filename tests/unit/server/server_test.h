/* A heap and a buffer for the pure parts of the server commands. */
#ifndef HF_TESTS_SERVER_TEST_H
#define HF_TESTS_SERVER_TEST_H
#include "engine/shard/session/server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct server_test {
    void *region;
    hf_heap *heap;
    hf_buf out;
} server_test;

void server_test_open(server_test *test);
void server_test_close(server_test *test);
/* The buffer's text as a string, emptied. Lasts until the next call. */
const char *server_test_text(server_test *test);

#endif
