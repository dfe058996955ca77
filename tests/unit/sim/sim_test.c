#include "tests/unit/sim/sim_test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

hf_world *test_world(uint64_t seed, uint16_t cores, const hf_world_faults *faults)
{
    hf_world_config config = { .seed = seed, .core_count = cores };
    config.faults = faults == NULL ? hf_world_faults_none() : *faults;
    return hf_world_open(&config);
}

static void on_message(void *context, const hf_msg *msg)
{
    test_core *core = context;
    core->messages++;
    if (core->on_message != NULL) {
        core->on_message(core, msg);
    }
}

static void on_message_back(void *context, hf_msg *msg)
{
    test_core *core = context;
    assert_int_equal(msg->from, core->io->core);
    core->backs++;
    free(msg);
}

static void on_accept(void *context, hf_conn_id conn, hf_listener listener)
{
    (void)listener;
    test_core *core = context;
    core->accepts++;
    core->conn = conn;
    if (core->closes) {
        core->io->ops->conn_close(core->io, conn);
    }
}

static void on_received(void *context, hf_conn_id conn, hf_bytes data)
{
    test_core *core = context;
    if (core->on_received != NULL) {
        core->on_received(core, conn, data);
    }
}

static void on_sent(void *context, hf_conn_id conn)
{
    (void)conn;
    ((test_core *)context)->sent++;
}

static void on_closed(void *context, hf_conn_id conn)
{
    (void)conn;
    ((test_core *)context)->closed++;
}

static uint64_t on_turn(void *context)
{
    test_core *core = context;
    core->turns++;
    return core->due == 0 ? UINT64_MAX : core->due;
}

static const hf_io_handler handler = {
    .on_message = on_message,
    .on_message_back = on_message_back,
    .on_accept = on_accept,
    .on_received = on_received,
    .on_sent = on_sent,
    .on_closed = on_closed,
    .on_turn = on_turn,
};

void test_node_boot(test_node *node, hf_world *world, uint16_t cores)
{
    memset(node, 0, sizeof *node);
    node->world = world;
    for (uint16_t i = 0; i < cores; i++) {
        node->cores[i].node = node;
        node->cores[i].io = hf_world_io(world, i);
        hf_world_boot(world, i, &handler, &node->cores[i]);
    }
}

typedef struct waited {
    bool done;
    int64_t result;
} waited;

static void on_done(hf_io_op *op, int64_t result)
{
    waited *wait = op->context;
    wait->done = true;
    wait->result = result;
}

int64_t test_op(test_node *node, hf_io_op *op)
{
    waited wait = { false, 0 };
    op->context = &wait;
    op->done = on_done;
    hf_io_submit(node->cores[0].io, op);
    while (!wait.done) {
        assert_true(hf_world_step(node->world));
    }
    return wait.result;
}

int64_t test_open(test_node *node, const char *path, uint8_t flags)
{
    hf_io_op op = { .kind = HF_IO_OPEN, .path = path, .flags = flags };
    return test_op(node, &op);
}

int64_t test_name(test_node *node, hf_io_kind kind, const char *path, const char *path_to)
{
    hf_io_op op = { .kind = (uint8_t)kind, .path = path, .path_to = path_to };
    return test_op(node, &op);
}

int64_t test_write(test_node *node, int64_t file, uint64_t offset, const void *data, uint64_t size,
                   uint8_t flags)
{
    hf_io_op op = { .kind = HF_IO_WRITE, .file = (int32_t)file, .offset = offset, .size = size };
    op.data = (void *)(uintptr_t)data;
    op.flags = flags;
    return test_op(node, &op);
}

int64_t test_read(test_node *node, int64_t file, uint64_t offset, void *data, uint64_t size)
{
    hf_io_op op = { .kind = HF_IO_READ, .file = (int32_t)file, .offset = offset, .size = size };
    op.data = data;
    return test_op(node, &op);
}

int64_t test_file(test_node *node, hf_io_kind kind, int64_t file, uint64_t size)
{
    hf_io_op op = { .kind = (uint8_t)kind, .file = (int32_t)file, .size = size };
    return test_op(node, &op);
}

void test_dir(test_node *node)
{
    assert_int_equal(test_name(node, HF_IO_MKDIR, "core-00", NULL), 0);
    assert_int_equal(test_name(node, HF_IO_SYNC_DIR, ".", NULL), 0);
}

bool test_exists(hf_world *world, const char *path)
{
    return hf_disk_find(hf_world_disk(world), path) != NULL;
}

bool test_stops(void (*call)(void *), void *argument)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sigaction plain = { .sa_handler = SIG_DFL };
        (void)sigaction(SIGABRT, &plain, NULL); /* cmocka has one of its own */
        (void)!freopen("/dev/null", "w", stderr);
        call(argument);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
