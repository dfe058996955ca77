#include "tests/unit/io/world.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void no_message(void *context, const hf_msg *msg)
{
    (void)context, (void)msg;
}
static void no_message_back(void *context, hf_msg *msg)
{
    (void)context, (void)msg;
}
static void no_accept(void *context, hf_conn_id conn, hf_listener listener)
{
    (void)context, (void)conn, (void)listener;
}
static void no_received(void *context, hf_conn_id conn, hf_bytes data)
{
    (void)context, (void)conn, (void)data;
}
static void no_conn(void *context, hf_conn_id conn)
{
    (void)context, (void)conn;
}
static uint64_t no_turn(void *context)
{
    (void)context;
    return UINT64_MAX;
}

const hf_io_handler world_handler = {
    .on_message = no_message,
    .on_message_back = no_message_back,
    .on_accept = no_accept,
    .on_received = no_received,
    .on_sent = no_conn,
    .on_closed = no_conn,
    .on_turn = no_turn,
};

void world_open(world *w, hf_uring_config config, const char *parent)
{
    *w = (world){ 0 };
    (void)snprintf(w->path, sizeof w->path, "%s/io-test-XXXXXX",
                   parent == NULL ? HF_BINARY_DIR : parent);
    assert_non_null(mkdtemp(w->path));
    config.data_path = w->path;
    w->node = hf_uring_open(&config);
    if (w->node == NULL) {
        print_message("%s\n", hf_uring_problem());
    }
    assert_non_null(w->node);
}

hf_io *world_io(world *w, uint16_t core)
{
    return hf_uring_io(w->node, core);
}

static void *run(void *at)
{
    world_core *core = at;
    uint64_t before = hf_clock_cpu_ns();
    core->err = hf_uring_run(core->node, core->core, core->handler, core->context);
    core->cpu_ns = hf_clock_cpu_ns() - before;
    if (core->err != HF_OK) {
        (void)fprintf(stderr, "core %u: %s\n", (unsigned)core->core, hf_uring_problem());
        hf_uring_stop(core->node);
    }
    return NULL;
}

void world_start(world *w, uint16_t core, const hf_io_handler *handler, void *context)
{
    world_core *c = &w->cores[core];
    *c = (world_core){
        .node = w->node, .handler = handler, .context = context, .core = core, .started = true
    };
    assert_int_equal(pthread_create(&c->thread, NULL, run, c), 0);
}

void world_join(world *w)
{
    for (uint16_t i = 0; i < WORLD_CORES; i++) {
        if (w->cores[i].started) {
            assert_int_equal(pthread_join(w->cores[i].thread, NULL), 0);
            w->cores[i].started = false;
            assert_int_equal(w->cores[i].err, HF_OK);
        }
    }
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

void world_close(world *w)
{
    hf_uring_close(w->node);
    assert_int_equal(nftw(w->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

uint16_t world_listen(world *w, hf_listener listener)
{
    uint16_t port = 0;
    hf_err err = hf_uring_listen(w->node, listener, NULL, 0, 0, &port);
    assert_int_equal(err, HF_OK);
    assert_int_not_equal(port, 0);
    return port;
}

static int open_client(uint16_t port, int receive_size)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct timeval limit = { .tv_sec = 60 };
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (receive_size != 0) {
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_size, sizeof receive_size),
                         0);
    }
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    return fd;
}

int client_open(uint16_t port)
{
    return open_client(port, 0);
}

int client_open_slow(uint16_t port)
{
    return open_client(port, 4096);
}

void client_write(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size != 0) {
        ssize_t wrote = send(fd, at, size, MSG_NOSIGNAL);
        assert_true(wrote > 0);
        at += wrote;
        size -= (size_t)wrote;
    }
}

void client_read(int fd, void *data, size_t size)
{
    char *at = data;
    while (size != 0) {
        ssize_t got = recv(fd, at, size, 0);
        assert_true(got > 0);
        at += got;
        size -= (size_t)got;
    }
}

size_t client_read_end(int fd, void *data, size_t size)
{
    size_t all = 0;
    for (;;) {
        char scrap[4096];
        ssize_t got = recv(fd, scrap, sizeof scrap, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            return all;
        }
        assert_true(got > 0); /* the limit of 20 s passed */
        for (ssize_t i = 0; i < got && all < size; i++) {
            ((char *)data)[all++] = scrap[i];
        }
    }
}
