/* Claim: while a process holds a data directory another one is refused, and told whom to stop; when
 * the holder is gone, killed even, the directory is free. */
#include "engine/node/datadir.h"
#include "tests/unit/node/node_test.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static hf_problem problem;

/* A process that holds the directory until it is killed. */
static pid_t start_holder(const char *path)
{
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        hf_datadir dir;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves it alone */
        byte = hf_datadir_open(&dir, path, 2, false, &problem) == HF_EXIT_OK ? 'y' : 'n';
        if (write(ready[1], &byte, 1) == 1) {
            for (;;) {
                (void)pause();
            }
        }
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void second_process(void **unused)
{
    (void)unused;
    char path[64];
    char want[64];
    hf_datadir dir;
    test_make(path);
    pid_t pid = start_holder(path);
    assert_int_equal(hf_datadir_open(&dir, path, 2, false, &problem), HF_EXIT_LOCKED);
    (void)snprintf(want, sizeof want, "is in use by process %ld, since 20", (long)pid);
    assert_non_null(strstr(problem.text, want));
    assert_int_equal(dir.fd, -1);
    assert_int_equal(dir.lock_fd, -1);

    assert_int_equal(kill(pid, SIGKILL), 0); /* not yet reaped: the lock may be there for a while */
    assert_int_equal(hf_datadir_open(&dir, path, 2, false, &problem), HF_EXIT_OK);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(dir.made);
    hf_datadir_close(&dir);
    test_remove(path);
}

static void same_process(void **unused)
{
    (void)unused;
    char path[64];
    hf_datadir first;
    hf_datadir second;
    test_make(path);
    assert_int_equal(hf_datadir_open(&first, path, 2, false, &problem), HF_EXIT_OK);
    assert_int_equal(hf_datadir_open(&second, path, 2, false, &problem), HF_EXIT_LOCKED);
    hf_datadir_close(&first);
    assert_int_equal(hf_datadir_open(&second, path, 2, false, &problem), HF_EXIT_OK);
    hf_datadir_close(&second);
    test_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_process),
        cmocka_unit_test(same_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
