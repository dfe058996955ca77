/* holdfast selftest: what this machine can do, before anything is blamed on an engine: the disk's
 * durable write, the loopback's round trip, a message between two processors, and whether io_uring
 * is to be had. */
#include "engine/base/hist.h"
#include "engine/base/text.h"
#include "tools/holdfast/tree.h"
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum {
    FILE_SIZE = 16 << 20,
    PAGE = 4096,
    WRITE_MAX = 256 * 1024,
    MESSAGE = 64,
    WARM = 16, /* first of each series, not counted */
};
static const uint32_t write_sizes[] = { 4096, 65536, WRITE_MAX };

typedef struct selftest {
    const char *folder;
    uint64_t each_ns; /* for how long each figure is measured */
    hf_tree found;
    bool good;
} selftest;

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static hf_tree us(uint64_t ns)
{
    return (hf_tree){ .kind = HF_TREE_REAL, .real = round((double)ns / 10) / 100 };
}

static hf_tree figures(const hf_hist *hist)
{
    hf_tree map = { .kind = HF_TREE_MAP };
    hf_tree_put(&map, "count", hf_tree_integer((int64_t)hf_hist_count(hist)));
    hf_tree_put(&map, "min_us", us(hf_hist_min(hist)));
    hf_tree_put(&map, "p50_us", us(hf_hist_quantile(hist, 0.5)));
    hf_tree_put(&map, "p99_us", us(hf_hist_quantile(hist, 0.99)));
    hf_tree_put(&map, "max_us", us(hf_hist_max(hist)));
    return map;
}

/* ---- The machine ----------------------------------------------------------------------------- */

/* The first line of a file, or of what stands behind `label` in it. */
static hf_tree line_of(const char *path, const char *label)
{
    char line[512];
    hf_tree found = { .kind = HF_TREE_NULL };
    FILE *in = fopen(path, "re");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        const char *at = strstr(line, label);
        if (at != NULL) {
            at += strlen(label);
            at += strspn(at, " \t:");
            char *kept = hf_tool_take(strlen(at) + 1);
            memcpy(kept, at, strcspn(at, "\n"));
            found = hf_tree_text(kept);
            break;
        }
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    return found;
}

static hf_tree machine(void)
{
    struct utsname name;
    struct rlimit locked;
    cpu_set_t set;
    char *kernel = hf_tool_take(sizeof name.release + 8);
    hf_tree map = { .kind = HF_TREE_MAP };
    if (uname(&name) == 0) {
        (void)snprintf(kernel, sizeof name.release + 8, "Linux %s", name.release);
    }
    hf_tree_put(&map, "kernel", hf_tree_text(kernel));
    hf_tree_put(&map, "processor", line_of("/proc/cpuinfo", "model name"));
    hf_tree_put(&map, "processors",
                hf_tree_integer(sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0));
    hf_tree_put(&map, "memory", line_of("/proc/meminfo", "MemTotal:"));
    hf_tree_put(&map, "governor",
                line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", ""));
    hf_tree_put(&map, "huge_pages", line_of("/sys/kernel/mm/transparent_hugepage/enabled", ""));
    hf_tree_put(&map, "load", line_of("/proc/loadavg", ""));
    if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0) {
        hf_tree_put(&map, "locked_limit_bytes",
                    locked.rlim_cur == RLIM_INFINITY ? hf_tree_text("unlimited")
                                                     : hf_tree_integer((int64_t)locked.rlim_cur));
    }
    return map;
}

/* The ring that the engine opens: without it holdfastd does not start. */
static hf_tree ring(selftest *test)
{
    struct io_uring_params params = { .flags =
                                          IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
    struct io_uring ring;
    hf_tree map = { .kind = HF_TREE_MAP };
    int error = io_uring_queue_init_params(64, &ring, &params);
    hf_tree_put(&map, "works", hf_tree_boolean(error == 0));
    if (error == 0) {
        io_uring_queue_exit(&ring);
    } else {
        char *why = hf_tool_take(256);
        (void)snprintf(why, 256, "%s", strerror(-error));
        hf_tree_put(&map, "why", hf_tree_text(why));
        test->good = false;
    }
    return map;
}

/* ---- The disk -------------------------------------------------------------------------------- */

static bool write_zeros(int fd, const void *zeros)
{
    for (int at = 0; at < FILE_SIZE; at += WRITE_MAX) {
        if (pwrite(fd, zeros, WRITE_MAX, at) != WRITE_MAX) {
            return false;
        }
    }
    return fsync(fd) == 0;
}

/* The log's write: over bytes that are there, past the cache, durable when it returns. */
static bool write_series(int fd, const void *zeros, uint32_t size, uint64_t each_ns, hf_hist *hist)
{
    struct iovec vector = { .iov_base = (void *)(uintptr_t)zeros, .iov_len = size };
    uint64_t end = now_ns() + each_ns;
    off_t at = 0;
    hf_hist_reset(hist);
    for (uint64_t i = 0, now = 0; now < end || i <= WARM; i++) {
        uint64_t since = now_ns();
        if (pwritev2(fd, &vector, 1, at, RWF_DSYNC) != (ssize_t)size) {
            return false;
        }
        now = now_ns();
        if (i >= WARM) {
            hf_hist_record(hist, now - since);
        }
        at = at + 2 * (off_t)size > FILE_SIZE ? 0 : at + (off_t)size;
    }
    return true;
}

static int open_direct(const char *path, bool *direct)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_DIRECT, 0600);
    *direct = fd >= 0;
    if (fd < 0 && errno == EINVAL) { /* a file system without: made by the call that failed */
        (void)unlink(path);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    return fd;
}

static int disk(selftest *test)
{
    static hf_hist hist;
    char path[4096];
    bool direct;
    hf_tree map = { .kind = HF_TREE_MAP };
    if (snprintf(path, sizeof path, "%s/holdfast-selftest-%d", test->folder, (int)getpid()) >=
        (int)sizeof path) {
        return hf_tool_say(HF_TOOL_USAGE, "the name of the folder is too long");
    }
    int fd = open_direct(path, &direct);
    void *zeros = aligned_alloc(PAGE, WRITE_MAX);
    if (fd < 0 || zeros == NULL) {
        int code = hf_tool_say(HF_TOOL_IO, "%s: %s", path, strerror(errno));
        free(zeros);
        return code;
    }
    (void)unlink(path); /* the descriptor keeps it */
    memset(zeros, 0, WRITE_MAX);
    bool good = write_zeros(fd, zeros);
    hf_tree_put(&map, "direct", hf_tree_boolean(direct));
    for (size_t i = 0; good && i < sizeof write_sizes / sizeof write_sizes[0]; i++) {
        char *name = hf_tool_take(32);
        good = write_series(fd, zeros, write_sizes[i], test->each_ns, &hist);
        (void)snprintf(name, 32, "durable_write_%uk", write_sizes[i] / 1024);
        hf_tree_put(&map, name, figures(&hist));
    }
    int error = errno;
    (void)close(fd);
    free(zeros);
    if (!good) {
        return hf_tool_say(HF_TOOL_IO, "%s: %s", path, strerror(error));
    }
    hf_tree_put(&test->found, "disk", map);
    return HF_TOOL_OK;
}

/* ---- The loopback ---------------------------------------------------------------------------- */

typedef struct wire {
    int fd;
    bool spins;
} wire;

/* One whole message; false: the other end is gone. */
static bool take(const wire *w, char message[MESSAGE])
{
    size_t got = 0;
    while (got < MESSAGE) {
        ssize_t more = recv(w->fd, message + got, MESSAGE - got, w->spins ? MSG_DONTWAIT : 0);
        if (more == 0 || (more < 0 && errno != EAGAIN && errno != EINTR)) {
            return false;
        }
        got += more > 0 ? (size_t)more : 0;
    }
    return true;
}

static bool give(const wire *w, const char message[MESSAGE])
{
    return send(w->fd, message, MESSAGE, MSG_NOSIGNAL) == MESSAGE;
}

static void *echo(void *arg)
{
    const wire *w = arg;
    char message[MESSAGE];
    while (take(w, message) && give(w, message)) {
    }
    return NULL;
}

/* Two connected sockets of 127.0.0.1. */
static bool connect_pair(int fds[2])
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int one = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fds[1] = -1;
    if (listener >= 0 && fds[0] >= 0 &&
        bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(listener, 1) == 0 &&
        getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
        connect(fds[0], (struct sockaddr *)&address, sizeof address) == 0) {
        fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
    for (int i = 0; i < 2 && fds[1] >= 0; i++) {
        (void)setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    if (listener >= 0) {
        (void)close(listener);
    }
    return fds[1] >= 0;
}

static bool round_trips(bool spins, uint64_t each_ns, hf_hist *hist)
{
    int fds[2];
    pthread_t thread;
    char message[MESSAGE] = { 0 };
    bool good = connect_pair(fds);
    wire near = { fds[0], spins };
    wire far = { fds[1], spins };
    hf_hist_reset(hist);
    bool started = good && pthread_create(&thread, NULL, echo, &far) == 0;
    uint64_t end = now_ns() + each_ns;
    good = started;
    for (uint64_t i = 0, now = 0; good && (now < end || i <= WARM); i++) {
        uint64_t since = now_ns();
        good = give(&near, message) && take(&near, message);
        now = now_ns();
        if (i >= WARM) {
            hf_hist_record(hist, now - since);
        }
    }
    if (fds[0] >= 0) {
        (void)close(fds[0]);
    }
    if (started) {
        (void)pthread_join(thread, NULL);
    }
    if (fds[1] >= 0) {
        (void)close(fds[1]);
    }
    return good;
}

static int loopback(selftest *test)
{
    static hf_hist hist;
    hf_tree map = { .kind = HF_TREE_MAP };
    for (int spins = 0; spins < 2; spins++) {
        if (!round_trips(spins != 0, test->each_ns, &hist)) {
            return hf_tool_say(HF_TOOL_IO, "the loopback: %s", strerror(errno));
        }
        hf_tree_put(&map, spins ? "both_spin" : "both_sleep", figures(&hist));
    }
    hf_tree_put(&test->found, "loopback_round_trip_64b", map);
    return HF_TOOL_OK;
}

/* ---- Two processors -------------------------------------------------------------------------- */

typedef struct line {
    _Alignas(128) atomic_uint there;
    _Alignas(128) atomic_uint back;
    atomic_bool stop;
} line;

static void *answer(void *arg)
{
    line *l = arg;
    unsigned seen = 0;
    while (!atomic_load_explicit(&l->stop, memory_order_relaxed)) {
        unsigned now = atomic_load_explicit(&l->there, memory_order_acquire);
        if (now != seen) {
            seen = now;
            atomic_store_explicit(&l->back, now, memory_order_release);
        }
    }
    return NULL;
}

static int processors(selftest *test)
{
    static hf_hist hist;
    static line l;
    pthread_t thread;
    hf_hist_reset(&hist);
    int error = pthread_create(&thread, NULL, answer, &l);
    if (error != 0) {
        return hf_tool_say(HF_TOOL_SYSTEM, "a thread: %s", strerror(error));
    }
    uint64_t end = now_ns() + test->each_ns;
    for (unsigned i = 1, done = 0; !done; i++) {
        uint64_t since = now_ns();
        atomic_store_explicit(&l.there, i, memory_order_release);
        while (atomic_load_explicit(&l.back, memory_order_acquire) != i) {
        }
        uint64_t now = now_ns();
        if (i > WARM) {
            hf_hist_record(&hist, now - since);
        }
        done = now >= end && i > WARM;
    }
    atomic_store(&l.stop, true);
    (void)pthread_join(thread, NULL);
    hf_tree_put(&test->found, "processors_round_trip", figures(&hist));
    return HF_TOOL_OK;
}

/* ---- The command ----------------------------------------------------------------------------- */

int hf_tool_selftest(const hf_tool *tool, int argc, char **argv)
{
    selftest test = {
        .folder = ".", .each_ns = 1000000000, .found = { .kind = HF_TREE_MAP }, .good = true
    };
    bool named = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--each") == 0 && i + 1 < argc &&
            hf_text_duration(hf_bytes_of(argv[i + 1], strlen(argv[i + 1])), &test.each_ns) ==
                HF_OK &&
            test.each_ns != 0) {
            i++;
        } else if (argv[i][0] != '-' && !named) {
            test.folder = argv[i];
            named = true;
        } else {
            return hf_tool_misused(argv[0], "selftest does not understand '%s'", argv[i]);
        }
    }
    hf_tree_put(&test.found, "machine", machine());
    hf_tree_put(&test.found, "io_uring", ring(&test));
    int code = disk(&test);
    code = code == HF_TOOL_OK ? loopback(&test) : code;
    code = code == HF_TOOL_OK ? processors(&test) : code;
    if (code == HF_TOOL_OK) {
        hf_tree_show(tool, &test.found);
        code = test.good ? HF_TOOL_OK
                         : hf_tool_say(HF_TOOL_FAILED, "io_uring is not to be had: holdfastd "
                                                       "would not start");
    }
    return code;
}
