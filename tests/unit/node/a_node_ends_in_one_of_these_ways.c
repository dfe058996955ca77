/* Claim: a node ends clean when told to, at once when told twice, after its time when a shard will
 * not end, and with the shard's own code and words when one fails; a core that hangs is not called
 * alive. */
#include "engine/node/node.h"
#include "tests/unit/node/fake_shard.h"
#include "tests/unit/node/node_test.h"
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { LIMIT_MS = 60000, SIGNAL_PAUSE_MS = 50 };

static char dir[64];
static pid_t pid;
static int said_fd;
static char said[64 * 1024];
static size_t said_size;

static void start(fake_shard does, uint64_t drain_ms)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    test_make(dir);
    fake_shard_does = does;
    said_size = 0;
    said[0] = '\0';
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *argv[] = { "holdfastd",
                         "--cores=2",
                         "--memory=64MiB",
                         "--no-pin",
                         "--listen=127.0.0.1:0",
                         "--http=127.0.0.1:0",
                         "--data",
                         dir,
                         NULL };
        hf_config config;
        hf_problem problem;
        hf_oplog log;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves it alone */
        if (hf_config_read(&config, 8, argv, &problem) != HF_EXIT_OK) {
            _exit(99);
        }
        config.drain_ns = drain_ms * 1000000;
        hf_config_resolve(&config, 2, UINT64_C(1) << 30);
        hf_oplog_open(&log, ends[1], false, HF_OPLOG_INFO);
        _exit((int)hf_node_run(&config, &log));
    }
    close(ends[1]);
    said_fd = ends[0];
}

/* More of the log; false: it has ended. */
static bool hear(void)
{
    struct pollfd ready = { .fd = said_fd, .events = POLLIN };
    assert_int_equal(poll(&ready, 1, LIMIT_MS), 1);
    ssize_t size = read(said_fd, said + said_size, sizeof said - 1 - said_size);
    assert_true(size >= 0);
    said_size += (size_t)size;
    said[said_size] = '\0';
    return size != 0;
}

static void wait_said(const char *words)
{
    while (strstr(said, words) == NULL) {
        if (!hear()) {
            fail_msg("it ended without saying %s:\n%s", words, said);
        }
    }
}

/* As waitpid tells it; the log is complete then. */
static int end(void)
{
    int status;
    while (hear()) {
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(said_fd);
    test_remove(dir);
    return status;
}

static void ended_with(int code, const char *words)
{
    int status = end();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code || strstr(said, words) == NULL) {
        fail_msg("status %x, not code %d, or not said: %s\n%s", (unsigned)status, code, words,
                 said);
    }
}

static void told_to(void **unused)
{
    (void)unused;
    const int numbers[] = { SIGTERM, SIGINT };
    for (int i = 0; i < 2; i++) {
        start(FAKE_WORKS, 60000);
        wait_said("msg=ready");
        assert_non_null(strstr(said, " replayed_records=200 keys=21 "));
        assert_int_equal(kill(pid, numbers[i]), 0);
        ended_with(0, "msg=stopped\n");
    }
}

static void before_it_is_ready(void **unused)
{
    (void)unused;
    start(FAKE_WORKS, 60000);
    wait_said("msg=listening");
    assert_int_equal(kill(pid, SIGTERM), 0);
    ended_with(0, "msg=stopped\n");
}

static void told_twice(void **unused)
{
    (void)unused;
    int status;
    start(FAKE_NEVER_STOPS, 60000);
    wait_said("msg=ready");
    /* What comes at once is the first signal once more: so until one is the second. */
    struct pollfd pause = { .fd = said_fd, .events = 0 };
    do {
        (void)kill(pid, SIGTERM);
        assert_true(poll(&pause, 1, SIGNAL_PAUSE_MS) >= 0);
    } while ((pause.revents & POLLHUP) == 0); /* its end of the pipe is closed */
    status = end();
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_non_null(strstr(said, "msg=\"stopping at once\""));
}

static void told_twice_in_one_breath(void **unused)
{
    (void)unused;
    start(FAKE_NEVER_STOPS, 300);
    wait_said("msg=ready");
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(kill(pid, SIGINT), 0); /* the other one, so that both are there at once */
    ended_with(70, "not drained after 300 ms");
}

static void one_will_not_end(void **unused)
{
    (void)unused;
    start(FAKE_NEVER_STOPS, 200);
    wait_said("msg=ready");
    assert_int_equal(kill(pid, SIGTERM), 0);
    ended_with(70, "level=fatal msg=\"cannot run\" code=70 error=\"not drained after 200 ms; ");
}

static void one_fails(void **unused)
{
    (void)unused;
    start(FAKE_DIES, 60000);
    ended_with(74,
               "level=fatal msg=\"the node cannot go on\" core=1 code=74 error=\"the log failed: "
               "\\\"flush\\\": Input/output error\"\n");
}

static void one_has_no_room(void **unused)
{
    (void)unused;
    start(FAKE_NO_ROOM, 60000);
    ended_with(78, "code=78 error=\"32 MiB are too little for core 1; give more --memory\"\n");
    assert_null(strstr(said, "msg=ready"));
}

static void asked_by_a_shard(void **unused)
{
    (void)unused;
    start(FAKE_ASKS, 60000);
    ended_with(0, "by=SHUTDOWN\n");
    assert_non_null(strstr(said, "msg=stopped\n"));
}

static void one_hangs(void **unused)
{
    (void)unused;
    char folder[64];
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    test_make(folder);
    assert_true(snprintf(at.sun_path, sizeof at.sun_path, "%s/s", folder) > 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&at, sizeof at), 0);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    setenv("WATCHDOG_USEC", "100000", 1);
    start(FAKE_HANGS, 60000);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    wait_said("msg=\"a core does not move\" core=1\n");
    char word[256];
    while (recv(fd, word, sizeof word, MSG_DONTWAIT) > 0) {
    }
    for (size_t seen = said_size; said_size < seen + 500;) { /* several looks later */
        assert_true(hear());
    }
    assert_true(recv(fd, word, sizeof word, MSG_DONTWAIT) < 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    (void)end();
    close(fd);
    test_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_to),          cmocka_unit_test(before_it_is_ready),
        cmocka_unit_test(told_twice),       cmocka_unit_test(told_twice_in_one_breath),
        cmocka_unit_test(one_will_not_end), cmocka_unit_test(one_fails),
        cmocka_unit_test(one_has_no_room),  cmocka_unit_test(asked_by_a_shard),
        cmocka_unit_test(one_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
