/* A real node for a test: a fresh data directory, reactors in threads, blocking clients.
 *
 * Handlers run in the reactors' threads, where cmocka cannot assert: there HF_ASSERT ends the
 * program. */
#ifndef HF_TESTS_UNIT_IO_WORLD_H
#define HF_TESTS_UNIT_IO_WORLD_H
#include "engine/base/assert.h"
#include "engine/io/clock.h"
#include "engine/io/uring.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the others: */
#include <cmocka.h>

enum { WORLD_CORES = 2 };

typedef struct world_core {
    hf_uring_node *node;
    const hf_io_handler *handler;
    void *context;
    pthread_t thread;
    uint64_t cpu_ns; /* used by the run */
    hf_err err;
    uint16_t core;
    bool started;
} world_core;

typedef struct world {
    hf_uring_node *node;
    world_core cores[WORLD_CORES];
    char path[256];
} world;

/* Handlers that do nothing, and on_turn that sleeps until something comes. */
extern const hf_io_handler world_handler;

/* The directory is made below `parent`; NULL: the build directory. */
void world_open(world *w, hf_uring_config config, const char *parent);
hf_io *world_io(world *w, uint16_t core);
void world_start(world *w, uint16_t core, const hf_io_handler *handler, void *context);
void world_join(world *w); /* waits for stop and asserts that every run ended well */
void world_close(world *w);

uint16_t world_listen(world *w, hf_listener listener);
int client_open(uint16_t port);
/* Receives at most as much as a small buffer takes. */
int client_open_slow(uint16_t port);
void client_write(int fd, const void *data, size_t size);
void client_read(int fd, void *data, size_t size); /* exactly */
/* Bytes until the end of the stream, a reset included; asserts that it comes. */
size_t client_read_end(int fd, void *data, size_t size);

#endif
