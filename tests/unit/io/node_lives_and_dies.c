/* Time, and the ends of a node: deadlines are kept, a fatal error exits at once, a killed node can
 * be replaced at once, a node without descriptors waits for some. */
#include "tests/unit/io/world.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PERIOD_NS = 3000000, PERIODS = 20 };

typedef struct clockwork {
    hf_io *io;
    hf_uring_node *node;
    uint64_t due;
    uint64_t wall;
    uint32_t ticks;
    uint32_t early;
} clockwork;

static uint64_t tick(void *context)
{
    clockwork *c = context;
    HF_ASSERT(c->io->wall_ns > UINT64_C(1500000000) * 1000000000); /* after 2017 */
    if (c->io->now_ns < c->due) {
        c->early++;
        return c->due;
    }
    c->due = c->io->now_ns + PERIOD_NS;
    if (++c->ticks == PERIODS) {
        hf_uring_stop(c->node);
    }
    return c->due;
}

static void a_deadline_is_slept_to(void **state)
{
    (void)state;
    world w;
    hf_io_handler handler = world_handler;
    handler.on_turn = tick;
    world_open(&w, (hf_uring_config){ 0 }, NULL);
    clockwork c = { .io = world_io(&w, 0), .node = w.node };
    uint64_t began = hf_clock_now_ns();
    world_start(&w, 0, &handler, &c);
    world_join(&w);
    assert_true(hf_clock_now_ns() - began >= (uint64_t)PERIOD_NS * (PERIODS - 1));
    assert_true(c.early <= 5); /* it sleeps, it does not poll; a signal may come in between */
    /* Not for a period that was over before it could: it may have stood still for that long. */
    assert_true(hf_uring_stats(c.io)->sleeps >= PERIODS / 2);
    world_close(&w);
}

static uint64_t restless(void *context)
{
    clockwork *c = context;
    if (++c->ticks == 1000) {
        hf_uring_stop(c->node);
    }
    return c->io->now_ns;
}

static void a_due_turn_does_not_sleep(void **state)
{
    (void)state;
    world w;
    hf_io_handler handler = world_handler;
    handler.on_turn = restless;
    world_open(&w, (hf_uring_config){ 0 }, NULL);
    clockwork c = { .io = world_io(&w, 0), .node = w.node };
    world_start(&w, 0, &handler, &c);
    world_join(&w);
    assert_int_equal(hf_uring_stats(c.io)->sleeps, 0);
    /* With nothing to submit the kernel is not asked at all. */
    assert_true(hf_uring_stats(c.io)->enters < 10);
    world_close(&w);
}

static uint64_t doomed(void *context)
{
    hf_io *io = context;
    io->ops->fatal(io, 23, "the flush failed");
    HF_UNREACHABLE();
}

static void fatal_exits_with_code_and_message(void **state)
{
    (void)state;
    int ends[2];
    char text[200] = "";
    int status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        world w;
        hf_io_handler handler = world_handler;
        (void)dup2(ends[1], STDERR_FILENO);
        handler.on_turn = doomed;
        world_open(&w, (hf_uring_config){ 0 }, "/tmp");
        (void)rmdir(w.path);
        world_start(&w, 0, &handler, world_io(&w, 0));
        world_join(&w);
        _exit(99);
    }
    (void)close(ends[1]);
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 23);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "fatal: core 0: the flush failed\n"));
    (void)close(ends[0]);
}

/* The child of a_killed_node_is_replaced: a node with a client, until it is killed. */
static void live(int tell)
{
    world w;
    world_open(&w, (hf_uring_config){ 0 }, NULL);
    uint16_t port = world_listen(&w, HF_LISTENER_CLIENT);
    world_start(&w, 0, &world_handler, NULL);
    int fd = client_open(port);
    bool told = write(tell, &port, sizeof port) == sizeof port &&
                write(tell, w.path, sizeof w.path) == sizeof w.path;
    HF_ASSERT(told && fd >= 0);
    world_join(&w);
}

/* The kernel lets go of a killed process's listener late; the next node must not fail for it. */
static void a_killed_node_is_replaced(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        int ends[2];
        char path[sizeof((world *)NULL)->path] = "";
        uint16_t port = 0;
        world next;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            live(ends[1]);
            _exit(99);
        }
        world_open(&next, (hf_uring_config){ 0 }, NULL);
        assert_true(read(ends[0], &port, sizeof port) == sizeof port);
        assert_true(read(ends[0], path, sizeof path) == sizeof path);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_true(waitpid(child, NULL, 0) == child);
        assert_int_equal(hf_uring_listen(next.node, HF_LISTENER_CLIENT, NULL, port, 0, NULL),
                         HF_OK);
        world_close(&next);
        hf_uring_node *heir = hf_uring_open(&(hf_uring_config){ .data_path = path });
        assert_non_null(heir);
        hf_uring_close(heir);
        assert_int_equal(rmdir(path), 0);
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
}

static _Atomic(bool) accepted_one;
static _Atomic(uint64_t) stalls;

static void note_accept(void *context, hf_conn_id conn, hf_listener listener)
{
    (void)context, (void)conn, (void)listener;
    atomic_store(&accepted_one, true);
}

static uint64_t note_stalls(void *context)
{
    atomic_store(&stalls, hf_uring_stats(context)->accept_stalls);
    return UINT64_MAX;
}

static void without_descriptors_accepting_waits(void **state)
{
    (void)state;
    world w;
    hf_io_handler handler = world_handler;
    handler.on_accept = note_accept;
    handler.on_turn = note_stalls;
    world_open(&w, (hf_uring_config){ 0 }, NULL);
    uint16_t port = world_listen(&w, HF_LISTENER_CLIENT);
    int client = client_open(port); /* waits in the backlog */
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int free_fd = fcntl(client, F_DUPFD_CLOEXEC, 0);
    assert_true(free_fd > 0);
    (void)close(free_fd);
    struct rlimit narrow = { .rlim_cur = (rlim_t)free_fd + 1, .rlim_max = limit.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &narrow), 0); /* room for the ring itself */
    world_start(&w, 0, &handler, world_io(&w, 0));
    while (atomic_load(&stalls) < 3) {
        (void)sched_yield();
    }
    assert_false(atomic_load(&accepted_one));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (!atomic_load(&accepted_one)) {
        (void)sched_yield();
    }
    hf_uring_stop(w.node);
    world_join(&w);
    /* It paused between the tries. */
    assert_true(hf_uring_stats(world_io(&w, 0))->turns < 1000);
    (void)close(client);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_is_slept_to),
        cmocka_unit_test(a_due_turn_does_not_sleep),
        cmocka_unit_test(fatal_exits_with_code_and_message),
        cmocka_unit_test(a_killed_node_is_replaced),
        cmocka_unit_test(without_descriptors_accepting_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
