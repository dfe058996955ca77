/* What the tests of the simulator share: a node that does little, and operations waited for. */
#ifndef HF_TEST_SIM_H
#define HF_TEST_SIM_H
#include "tests/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEST_US = 1000, TEST_MS = 1000000, TEST_S = 1000000000 };

/* A node of quiet cores: counts what it is told. */
typedef struct test_node {
    hf_world *world;
    struct test_core {
        struct test_node *node;
        hf_io *io;
        uint64_t turns, messages, backs, closed, due;
        void (*on_message)(struct test_core *core, const hf_msg *msg);
        void (*on_received)(struct test_core *core, hf_conn_id conn, hf_bytes data);
        hf_conn_id conn; /* the last one accepted */
        uint64_t accepts, sent;
        bool closes; /* every connection at once */
    } cores[8];
} test_node;

typedef struct test_core test_core;

hf_world *test_world(uint64_t seed, uint16_t cores, const hf_world_faults *faults);
/* Attaches every core of a world that has none. */
void test_node_boot(test_node *node, hf_world *world, uint16_t cores);

/* Runs the world until the operation ended. */
int64_t test_op(test_node *node, hf_io_op *op);
int64_t test_open(test_node *node, const char *path, uint8_t flags);
int64_t test_name(test_node *node, hf_io_kind kind, const char *path, const char *path_to);
int64_t test_write(test_node *node, int64_t file, uint64_t offset, const void *data, uint64_t size,
                   uint8_t flags);
int64_t test_read(test_node *node, int64_t file, uint64_t offset, void *data, uint64_t size);
int64_t test_file(test_node *node, hf_io_kind kind, int64_t file, uint64_t size);
/* "core-00" with its name durable. */
void test_dir(test_node *node);
bool test_exists(hf_world *world, const char *path);

/* True when the call stops in an assertion (in a process of its own). */
bool test_stops(void (*call)(void *), void *argument);

#endif
