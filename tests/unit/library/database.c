#include "tests/unit/library/database.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void database_path(char *path, size_t size)
{
    static atomic_int number;
    (void)snprintf(path, size, "%s/library-%d-%d", HF_BINARY_DIR, (int)getpid(),
                   atomic_fetch_add(&number, 1));
}

void database_remove(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        (void)unlink(path);
        return;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char inside[600];
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
            database_remove(inside);
        }
    }
    (void)closedir(dir);
    (void)rmdir(path);
}

hf_options database_options(void)
{
    hf_options options = { .cores = DATABASE_CORES, .no_pin = true, .timeout_ms = 60000 };
    return options;
}

/* Reads the node's log up to the line that says where it listens. */
static void read_address(database *d, FILE *log)
{
    char line[1024];
    d->address[0] = 0;
    while (fgets(line, sizeof line, log) != NULL) {
        const char *port = strstr(line, " port=");
        if (strstr(line, "listening") != NULL && port != NULL) {
            (void)snprintf(d->address, sizeof d->address, "127.0.0.1:%ld",
                           strtol(port + 6, NULL, 10));
        }
        if (strstr(line, "msg=ready") != NULL) {
            return;
        }
    }
    print_message("the node did not start: %s\n", line);
    assert_true(false);
}

/* A port that stays this database's when its node goes: a bound socket keeps it from others, and
 * does not keep a node from listening there. */
static void hold_port(database *d)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    int on = 1;
    d->held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(d->held >= 0);
    assert_int_equal(setsockopt(d->held, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(d->held, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(d->held, (struct sockaddr *)&at, &size), 0);
    (void)snprintf(d->address, sizeof d->address, "127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
}

void server_start(database *d)
{
    int out[2];
    char listen[80];
    if (d->address[0] == 0) {
        hold_port(d);
    }
    (void)snprintf(listen, sizeof listen, "%s", d->address);
    assert_int_equal(pipe(out), 0);
    d->server = fork();
    assert_true(d->server >= 0);
    if (d->server == 0) {
        (void)dup2(out[1], STDERR_FILENO);
        (void)dup2(out[1], STDOUT_FILENO); /* a test that fails leaves nobody in its own */
        (void)close(out[0]);
        (void)close(out[1]);
        (void)execl(HF_BINARY_DIR "/bin/holdfastd", "holdfastd", "--data", d->path, "--listen",
                    listen, "--http", "127.0.0.1:0", "--cores", "2", "--no-pin", (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    FILE *log = fdopen(out[0], "r");
    assert_non_null(log);
    read_address(d, log);
    (void)fclose(log);
}

void server_stop(database *d)
{
    int status;
    assert_int_equal(kill(d->server, SIGSTOP), 0);
    assert_int_equal(waitpid(d->server, &status, WUNTRACED), d->server); /* not at once */
    assert_true(WIFSTOPPED(status));
}

void server_kill(database *d)
{
    int status;
    assert_int_equal(kill(d->server, SIGKILL), 0);
    assert_int_equal(waitpid(d->server, &status, 0), d->server);
    d->server = 0;
}

void database_open(database *d, bool connected)
{
    hf_options options = database_options();
    memset(d, 0, sizeof *d);
    database_path(d->path, sizeof d->path);
    if (connected) {
        server_start(d);
        check_ok(hf_connect(d->address, &options, &d->db));
    } else {
        check_ok(hf_open(d->path, &options, &d->db));
    }
    check_ok(hf_client_open(d->db, &d->client));
}

void database_close(database *d)
{
    check_ok(hf_client_close(d->client));
    check_ok(hf_close(d->db));
    if (d->server != 0) {
        server_kill(d);
    }
    if (d->address[0] != 0) {
        (void)close(d->held);
    }
    database_remove(d->path);
}

bool is_built_with_tsan(void)
{
#if defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

const char *value_of(hf_client *client, const char *key)
{
    static char value[1024];
    size_t size;
    hf_err err = hf_get(client, key, strlen(key), value, sizeof value - 1, &size);
    if (err == HF_E_NOTFOUND) {
        return "(none)";
    }
    check_ok(err);
    value[size] = 0;
    return value;
}

void set_text(hf_client *client, const char *key, const char *value)
{
    check_ok(hf_set(client, key, strlen(key), value, strlen(value)));
}
