/* A run in a child process: whatever happens to it becomes a result. And a result as words. */
#include "tests/sim/run.h"

#include "engine/base/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static hf_run_result *guarded; /* of the run in this process */
static int guard_pipe = -1;

static void send_result(const hf_run_result *result)
{
    const uint8_t *at = (const uint8_t *)result;
    size_t left = sizeof *result;
    while (left != 0) {
        ssize_t size = write(guard_pipe, at, left);
        if (size <= 0) {
            _exit(HF_RUN_CRASHED);
        }
        at += size;
        left -= (size_t)size;
    }
}

static void on_assert(const char *file, int line, const char *what)
{
    guarded->code = HF_RUN_CRASHED;
    (void)snprintf(guarded->text, sizeof guarded->text, "assertion failed at %s:%d: %s", file, line,
                   what);
    send_result(guarded);
    _exit(HF_RUN_CRASHED);
}

static _Noreturn void child(const hf_run_config *config, int to)
{
    static hf_run_result result;
    guard_pipe = to;
    guarded = &result;
    result.seed = config->seed;
    hf_assert_set_hook(on_assert);
    hf_run(config, &result);
    send_result(&result);
    _exit(0);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* True when all of it came. */
static bool receive(int from, uint32_t seconds_max, hf_run_result *result, bool *timed_out)
{
    size_t got = 0;
    uint64_t end = now_ms() + seconds_max * UINT64_C(1000);
    while (got < sizeof *result) {
        uint64_t now = now_ms();
        struct pollfd fd = { .fd = from, .events = POLLIN };
        int ready = now >= end ? 0 : poll(&fd, 1, (int)(end - now));
        if (ready == 0) {
            *timed_out = true;
            return false;
        }
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        ssize_t size = read(from, (uint8_t *)result + got, sizeof *result - got);
        if (size <= 0) {
            return false;
        }
        got += (size_t)size;
    }
    return true;
}

void hf_run_guarded(const hf_run_config *config, uint32_t seconds_max, hf_run_result *result)
{
    int ends[2];
    fflush(NULL);
    HF_ASSERT(pipe(ends) == 0);
    pid_t pid = fork();
    HF_ASSERT(pid >= 0);
    if (pid == 0) {
        (void)close(ends[0]);
        child(config, ends[1]);
    }
    (void)close(ends[1]);
    bool timed_out = false;
    bool whole = receive(ends[0], seconds_max, result, &timed_out);
    if (timed_out) {
        (void)kill(pid, SIGKILL);
    }
    (void)close(ends[0]);
    int status = 0;
    HF_ASSERT(waitpid(pid, &status, 0) == pid);
    if (whole) {
        return;
    }
    *result = (hf_run_result){ .seed = config->seed, .code = HF_RUN_CRASHED };
    (void)snprintf(result->scenario, sizeof result->scenario, "%s",
                   config->scenario == NULL ? "drawn" : config->scenario);
    if (timed_out) {
        result->code = HF_RUN_STUCK;
        (void)snprintf(result->text, sizeof result->text, "still running after %u s", seconds_max);
    } else if (WIFSIGNALED(status)) {
        (void)snprintf(result->text, sizeof result->text, "killed by signal %d", WTERMSIG(status));
    } else {
        (void)snprintf(result->text, sizeof result->text, "ended with exit code %d",
                       WEXITSTATUS(status));
    }
}

/* ---- Words ---- */

static const char *word_of(const hf_run_result *r)
{
    switch (r->code) {
    case HF_RUN_OK:
        return r->refused != 0 ? "ok (refused to start on damaged files)" : "ok";
    case HF_RUN_WRONG:
        return "WRONG";
    case HF_RUN_STUCK:
        return "STUCK";
    default:
        return "CRASHED";
    }
}

void hf_run_describe(const hf_run_result *r, FILE *to)
{
    fprintf(to,
            "seed %" PRIu64 ": %s, %u cores%s, %u clients: %s; %" PRIu64
            " events in %.2f s, virtual "
            "%.2f s; %" PRIu64 " ok, %" PRIu64 " refused, %" PRIu64 " unknown; %" PRIu64
            " kills, %" PRIu64 " power losses, %" PRIu64 " stops, %" PRIu64 " checkpoints",
            r->seed, r->scenario, r->cores, r->log_shared ? " with one log" : "", r->clients,
            word_of(r), r->events, r->seconds, (double)r->time_ns / 1e9, r->ok, r->fail, r->unknown,
            r->kills, r->power_losses, r->stops, r->checkpoints);
}

static void put_json_text(const char *text, FILE *to)
{
    fputc('"', to);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fprintf(to, "\\%c", c);
        } else if (c < 0x20) {
            fprintf(to, "\\u%04x", c);
        } else {
            fputc(c, to);
        }
    }
    fputc('"', to);
}

void hf_run_describe_json(const hf_run_result *r, FILE *to)
{
    static const char *const codes[] = { "ok", "wrong", "usage", "stuck", "crashed" };
    fprintf(to,
            "{\"seed\":%" PRIu64
            ",\"scenario\":\"%s\",\"cores\":%u,\"log_per\":\"%s\",\"clients\":%u,\"result\":"
            "\"%s\",\"refused\":%u,\"hash\":\"%016" PRIx64 "\",\"events\":%" PRIu64
            ",\"seconds\":%.3f,\"virtual_ns\":%" PRIu64 ",\"ok\":%" PRIu64 ",\"fail\":%" PRIu64
            ",\"unknown\":%" PRIu64 ",\"kills\":%" PRIu64 ",\"power_losses\":%" PRIu64
            ",\"stops\":%" PRIu64 ",\"checkpoints\":%" PRIu64 ",\"two_phase\":%" PRIu64
            ",\"text\":",
            r->seed, r->scenario, r->cores, r->log_shared ? "device" : "core", r->clients,
            codes[r->code], r->refused, r->hash, r->events, r->seconds, r->time_ns, r->ok, r->fail,
            r->unknown, r->kills, r->power_losses, r->stops, r->checkpoints, r->two_phase);
    put_json_text(r->text, to);
    fputs("}", to);
}
