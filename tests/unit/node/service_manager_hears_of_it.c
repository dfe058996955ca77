/* Claim: a service manager that asks is told, over a path or an abstract name; without one, or with
 * one that is gone, nothing happens. */
#include "engine/node/notify.h"
#include "tests/unit/node/node_test.h"
#include <sys/socket.h>

static int listen_at(const struct sockaddr_un *at, size_t size)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)at, (socklen_t)size), 0);
    return fd;
}

static void told(int fd, const char *path)
{
    char got[64];
    hf_notify notify;
    setenv("NOTIFY_SOCKET", path, 1);
    hf_notify_open(&notify);
    hf_notify_send(&notify, "READY=1");
    ssize_t size = recv(fd, got, sizeof got, MSG_DONTWAIT);
    assert_int_equal(size, 7);
    assert_memory_equal(got, "READY=1", 7);
    close(fd);
    hf_notify_send(&notify, "STOPPING=1"); /* nobody is there any more */
    hf_notify_close(&notify);
    unsetenv("NOTIFY_SOCKET");
}

static void over_a_path(void **unused)
{
    (void)unused;
    char dir[64];
    char path[256];
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    test_make(dir);
    memcpy(at.sun_path, test_path(path, dir, "s"), strlen(dir) + 3);
    told(listen_at(&at, sizeof at), path);
    test_remove(dir);
}

static void over_an_abstract_name(void **unused)
{
    (void)unused;
    char name[64];
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int size = snprintf(name, sizeof name, "@hf-node-%ld", (long)getpid());
    memcpy(at.sun_path + 1, name + 1, (size_t)size - 1);
    told(listen_at(&at, offsetof(struct sockaddr_un, sun_path) + (size_t)size), name);
}

static void nobody_asks(void **unused)
{
    (void)unused;
    hf_notify notify;
    unsetenv("NOTIFY_SOCKET");
    hf_notify_open(&notify);
    assert_int_equal(notify.fd, -1);
    hf_notify_send(&notify, "READY=1");
    hf_notify_close(&notify);
    setenv("NOTIFY_SOCKET", "relative", 1);
    hf_notify_open(&notify);
    assert_int_equal(notify.fd, -1);
    unsetenv("NOTIFY_SOCKET");
}

static void watchdog_of_this_process(void **unused)
{
    (void)unused;
    hf_notify notify;
    char pid[32];
    (void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("NOTIFY_SOCKET", "/run/x", 1);
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    hf_notify_open(&notify);
    assert_true(notify.watchdog_ns == 30000000000u);
    hf_notify_close(&notify);
    setenv("WATCHDOG_PID", "1", 1);
    hf_notify_open(&notify);
    assert_true(notify.watchdog_ns == 0);
    hf_notify_close(&notify);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_a_path),
        cmocka_unit_test(over_an_abstract_name),
        cmocka_unit_test(nobody_asks),
        cmocka_unit_test(watchdog_of_this_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
