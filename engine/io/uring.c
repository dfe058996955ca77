/* Opening and closing a node: one region of memory for all that its cores will ever need. */
#include "engine/io/uring.h"
#include "engine/io/clock.h"
#include "engine/io/pages.h"
#include "engine/io/uring_impl.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PAGE = 4096, PROBLEM_SIZE = 256, RECV_BUFFERS_MAX = 32768 };

static _Thread_local char problem_text[PROBLEM_SIZE];
static _Thread_local hf_err problem_code;

hf_err hf_uring__fail(hf_err err, int number, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(problem_text, sizeof problem_text, format, args);
    va_end(args);
    if (number != 0 && size >= 0 && (size_t)size < sizeof problem_text) {
        char text[96];
        (void)snprintf(problem_text + size, sizeof problem_text - (size_t)size, ": %s",
                       strerror_r(number, text, sizeof text));
    }
    problem_code = err;
    return err;
}

const char *hf_uring_problem(void)
{
    return problem_text;
}

hf_err hf_uring_problem_code(void)
{
    return problem_code;
}

uint64_t hf_uring__entropy(void)
{
    uint64_t bits = 0;
    ssize_t size;
    do {
        size = getrandom(&bits, sizeof bits, 0);
    } while (size < 0 && errno == EINTR);
    HF_ASSERT(size == (ssize_t)sizeof bits);
    return bits;
}

/* ---- Layout --------------------------------------------------------------------------------- */

/* Hands out the region piece by piece; without a base it only measures. */
typedef struct carver {
    uint8_t *base;
    size_t size;
} carver;

static void *carve(carver *from, size_t size, size_t align)
{
    from->size = (from->size + align - 1) / align * align;
    void *at = from->base == NULL ? NULL : from->base + from->size;
    from->size += size;
    return at;
}

static uint32_t handoff_count(const hf_uring_config *config)
{
    uint64_t most = (uint64_t)config->connections * (config->core_count - 1u);
    return most < HF_URING_HANDOFFS_MAX ? (uint32_t)most : HF_URING_HANDOFFS_MAX;
}

static void carve_core(carver *from, const hf_uring_config *config, hf_uring_core *core)
{
    void *conns = carve(from, config->connections * sizeof(hf_uring_conn), 64);
    void *peers = carve(from, (size_t)config->connections * HF_URING_PEER_SIZE, 64);
    void *ring = carve(from, config->recv_buffers * sizeof(struct io_uring_buf), PAGE);
    void *bufs = carve(from, (size_t)config->recv_buffers * config->recv_buffer_size, PAGE);
    if (core != NULL) {
        core->conns = conns;
        core->peers = peers;
        core->buf_ring = ring;
        core->bufs = bufs;
    }
}

static hf_uring_node *carve_node(carver *from, const hf_uring_config *config)
{
    uint16_t count = config->core_count;
    size_t mesh_size = hf_mesh_size(count, config->mailbox_slots);
    hf_uring_node *node = carve(from, sizeof *node, 64);
    void *shared = carve(from, count * sizeof(hf_uring_shared), 64);
    hf_uring_core *cores = carve(from, count * sizeof(hf_uring_core), 64);
    void *mesh = carve(from, mesh_size, 64);
    hf_local *locals = carve(from, config->locals * sizeof(hf_local), 64);
    hf_uring_link *links = carve(from, (size_t)config->locals * count * sizeof(hf_uring_link), 64);
    size_t pipes_size = hf_uring__local_pipes_size() * count;
    uint8_t *pipes = carve(from, config->locals * pipes_size, 64);
    void *handoffs = carve(from, handoff_count(config) * sizeof(hf_uring_handoff), 64);
    void *assigned = carve(from, count * sizeof(uint32_t), 64);
    for (uint16_t i = 0; i < count; i++) {
        carve_core(from, config, from->base == NULL ? NULL : &cores[i]);
    }
    if (from->base != NULL) {
        node->config = *config;
        node->shared = shared;
        node->cores = cores;
        node->mesh = hf_mesh_open(mesh, count, config->mailbox_slots);
        node->locals = locals;
        for (uint16_t i = 0; i < config->locals; i++) {
            hf_uring__local_open(node, i, links + (size_t)i * count, pipes + i * pipes_size);
        }
        node->handoffs = handoffs;
        node->assigned = assigned;
    }
    return node;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static hf_err fill_defaults(hf_uring_config *config)
{
    config->core_count = config->core_count == 0 ? 1 : config->core_count;
    config->connections = config->connections == 0 ? 1024 : config->connections;
    config->recv_buffers = config->recv_buffers == 0 ? 256 : config->recv_buffers;
    config->recv_buffer_size = config->recv_buffer_size == 0 ? 16 * 1024 : config->recv_buffer_size;
    config->mailbox_slots = config->mailbox_slots == 0 ? 1024 : config->mailbox_slots;
    bool good = config->core_count <= HF_URING_CORES_MAX &&
                config->connections + config->locals <= HF_URING_CONNECTIONS_MAX &&
                config->locals <= HF_URING_LOCALS_MAX && config->recv_buffers <= RECV_BUFFERS_MAX &&
                (config->recv_buffers & (config->recv_buffers - 1)) == 0 &&
                config->recv_buffer_size <= 1 << 20 && config->mailbox_slots >= HF_MESH_SLOTS_MIN &&
                config->mailbox_slots <= HF_MESH_SLOTS_MAX &&
                (config->mailbox_slots & (config->mailbox_slots - 1)) == 0 &&
                config->spin_us <= HF_URING_SPIN_US_MAX &&
                config->gather_us <= HF_URING_GATHER_US_MAX;
    return good ? HF_OK : hf_uring__fail(HF_E_INVALID, 0, "a size of the reactor is out of range");
}

/* One descriptor per connection and some for files: asks for as many as the hard limit allows. When
 * that is too few, accepting pauses at the limit, it does not fail. */
static void raise_descriptor_limit(const hf_uring_config *config)
{
    struct rlimit limit;
    rlim_t need = (rlim_t)config->connections * config->core_count + 1024;
    if (config->locals != 0) {
        return; /* the process is its host's, and so is the limit */
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < need) {
        limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static hf_err open_core(hf_uring_node *node, uint16_t index)
{
    hf_uring_core *core = &node->cores[index];
    core->node = node;
    core->io = (hf_io){ .ops = &hf_uring__ops,
                        .now_ns = hf_clock_now_ns(),
                        .wall_ns = hf_clock_wall_ns(),
                        .file_align = node->file_align,
                        .core = index,
                        .core_count = node->config.core_count };
    hf_uring__conns_open(core);
    node->shared[index].event_fd = eventfd(0, EFD_CLOEXEC);
    if (node->shared[index].event_fd < 0) {
        return hf_uring__fail(HF_E_IO, errno, "cannot create an eventfd");
    }
    return HF_OK;
}

static void open_handoffs(hf_uring_node *node)
{
    for (uint32_t i = 0; i < handoff_count(&node->config); i++) {
        node->handoffs[i].fd = HF_URING_NONE;
        node->handoffs[i].msg.next = node->handoff_free;
        node->handoff_free = &node->handoffs[i].msg;
    }
}

hf_uring_node *hf_uring_open(const hf_uring_config *given)
{
    hf_uring_config config = *given;
    carver measure = { 0 };
    if (fill_defaults(&config) != HF_OK) {
        return NULL;
    }
    (void)carve_node(&measure, &config);
    carver region = { .base = hf_pages_map(measure.size, true) };
    if (region.base == NULL) {
        hf_uring__fail(HF_E_NOMEM, 0, "no memory for the reactors: %zu bytes", measure.size);
        return NULL;
    }
    hf_uring_node *node = carve_node(&region, &config);
    HF_ASSERT(region.size == measure.size);
    node->size = measure.size;
    node->data_fd = HF_URING_NONE;
    for (uint16_t i = 0; i < config.core_count; i++) {
        node->shared[i].ring_fd = HF_URING_NONE;
        node->shared[i].event_fd = HF_URING_NONE;
    }
    open_handoffs(node);
    raise_descriptor_limit(&config);
    hf_err err = hf_uring__open_dir(node);
    for (uint16_t i = 0; i < config.core_count && err == HF_OK; i++) {
        err = open_core(node, i);
    }
    if (err != HF_OK) {
        hf_uring_close(node);
        return NULL;
    }
    return node;
}

/* Connections that core 0 sent and nobody took. */
static void close_handoffs(hf_uring_node *node)
{
    for (uint16_t to = 1; to < node->config.core_count; to++) {
        const hf_msg *msg;
        (void)hf_mesh_flush(node->mesh, 0, to);
        while (hf_mesh_take(node->mesh, 0, to, &msg, 1) == 1) {
            if (msg->kind == HF_URING_MSG_HANDOFF) {
                (void)close(((const hf_uring_handoff *)(const void *)msg)->fd);
            }
        }
    }
}

static void close_fd(int fd)
{
    if (fd != HF_URING_NONE) {
        (void)close(fd);
    }
}

void hf_uring_close(hf_uring_node *node)
{
    bool stuck = false;
    if (node == NULL) {
        return;
    }
    close_handoffs(node);
    for (uint16_t i = 0; i < node->config.core_count; i++) {
        HF_PRE(!node->cores[i].running);
        stuck = stuck || node->cores[i].stuck;
        close_fd(node->shared[i].event_fd);
    }
    hf_uring__locals_close(node);
    for (uint32_t i = 0; i < node->listening_count; i++) {
        close_fd(node->listening[i].fd);
    }
    close_fd(node->data_fd);
    if (!stuck) { /* else the kernel may still write into it */
        hf_pages_unmap(node, node->size);
    }
}

hf_io *hf_uring_io(hf_uring_node *node, uint16_t core)
{
    HF_PRE(core < node->config.core_count);
    return &node->cores[core].io;
}

int hf_uring_lock_fd(const hf_uring_node *node)
{
    return node->data_fd;
}

bool hf_uring_has_direct(const hf_uring_node *node)
{
    return node->direct;
}

const hf_uring_counters *hf_uring_stats(const hf_io *io)
{
    return &((const hf_uring_core *)(const void *)io)->counters;
}
