/* Claim: a flag goes before the file, the file before the default, whatever the order of flags. */
#include "engine/node/config.h"
#include "tests/unit/node/node_test.h"

static hf_config config;
static hf_problem problem;
static char dir[64];
static char path[256];

static hf_exit read_args(const char *const *words)
{
    char *argv[32] = { "holdfastd" };
    int argc = 1;
    for (; *words != NULL; words++) {
        argv[argc++] = (char *)(uintptr_t)*words;
    }
    argv[argc] = NULL;
    return hf_config_read(&config, argc, argv, &problem);
}
#define ARGS(...) read_args((const char *const[]){ __VA_ARGS__, NULL })

static void put_file(const char *text)
{
    test_write(test_path(path, dir, "conf"), text, strlen(text));
}

static void without_anything(void **unused)
{
    (void)unused;
    assert_int_equal(read_args((const char *const[]){ NULL }), HF_EXIT_OK);
    assert_string_equal(config.data, "holdfast-data");
    assert_string_equal(config.listen.host, "127.0.0.1");
    assert_int_equal(config.listen.port, 7379);
    assert_string_equal(config.http.host, "127.0.0.1");
    assert_int_equal(config.http.port, 7381);
    assert_true(config.recovery_target_ns == 10000000000u);
    assert_true(config.outcome_horizon_ns == 86400000000000u);
    assert_true(config.pin);
    assert_int_equal(config.log_format, HF_LOG_FORMAT_LOGFMT);
    assert_int_equal(config.log_level, HF_LOG_LEVEL_INFO);
    assert_int_equal(config.action, HF_CONFIG_RUN);
    assert_false(hf_config_takes_memory(&config));
    hf_config_resolve(&config, 3, UINT64_C(2) << 30);
    assert_int_equal(config.cores, 3);
    assert_true(config.memory_bytes == UINT64_C(1) << 30);
}

static void memory_by_rule(void **unused)
{
    (void)unused;
    assert_int_equal(ARGS("--cores", "2"), HF_EXIT_OK);
    hf_config_resolve(&config, 8, UINT64_C(1) << 40);
    assert_int_equal(config.cores, 2);
    assert_true(config.memory_bytes == UINT64_C(4) << 30);
    assert_int_equal(ARGS("--cores", "64"), HF_EXIT_OK);
    hf_config_resolve(&config, 8, UINT64_C(1) << 40);
    assert_true(config.memory_bytes == UINT64_C(16) << 30);
    assert_int_equal(ARGS("--memory", "5GiB"), HF_EXIT_OK);
    hf_config_resolve(&config, 100, UINT64_C(1) << 30);
    assert_int_equal(config.cores, 64);
    assert_true(config.memory_bytes == UINT64_C(5) << 30);
    assert_true(hf_config_takes_memory(&config));
}

static void file_over_default(void **unused)
{
    (void)unused;
    put_file("# a comment\n\nlisten = \"0.0.0.0:1\" # and\n  cores=7\nlog_format = json\n"
             "recovery-target = 3 // bare\nretention='5m' /* over\nlines */ pin = false\n");
    assert_int_equal(ARGS("--config", path), HF_EXIT_OK);
    assert_string_equal(config.listen.host, "0.0.0.0");
    assert_int_equal(config.listen.port, 1);
    assert_int_equal(config.cores, 7);
    assert_int_equal(config.log_format, HF_LOG_FORMAT_JSON);
    assert_true(config.recovery_target_ns == 3000000000u);
    assert_true(config.retention_ns == 300000000000u);
    assert_false(config.pin);
    assert_int_equal(config.http.port, 7381);
}

static void signs_of_comments_in_values(void **unused)
{
    (void)unused;
    put_file("data = /var//a/b\nlisten = 127.0.0.1:1 // x\ncores=//z\n3");
    assert_int_equal(ARGS("--config", path), HF_EXIT_OK);
    assert_string_equal(config.data, "/var//a/b");
    assert_string_equal(config.listen.host, "127.0.0.1");
    assert_int_equal(config.listen.port, 1);
    put_file("data = \"a # b\\\" // c\" // x\ncores = 2");
    assert_int_equal(ARGS("--config", path), HF_EXIT_OK);
    assert_string_equal(config.data, "a # b\" // c");
    assert_int_equal(config.cores, 2);
    put_file("data = 'd /* e\\' # f' # y\ncores=//z\n3");
    assert_int_equal(ARGS("--config", path), HF_EXIT_OK);
    assert_string_equal(config.data, "d /* e' # f");
    assert_int_equal(config.cores, 3);
}

static void flag_over_file(void **unused)
{
    (void)unused;
    put_file("cores = 7\nmemory = 1GiB\npin = false\ndata = /from/file\n");
    assert_int_equal(ARGS("--cores", "3", "--config", path, "--pin", "--data=/from/flag"),
                     HF_EXIT_OK);
    assert_int_equal(config.cores, 3);
    assert_true(config.memory_bytes == UINT64_C(1) << 30);
    assert_true(config.pin);
    assert_string_equal(config.data, "/from/flag");
}

static void every_form_of_a_flag(void **unused)
{
    (void)unused;
    assert_int_equal(ARGS("--listen=[::1]:9", "--no-pin", "--log_level", "warn", "--spin-us=0",
                          "--http", "localhost:0", "--log-flushes", "2", "--outcome-horizon=1h",
                          "--log-per", "device"),
                     HF_EXIT_OK);
    assert_int_equal(config.log_per, HF_LOG_PER_DEVICE);
    assert_true(hf_config_says_log_per(&config));
    assert_string_equal(config.listen.host, "::1");
    assert_int_equal(config.listen.port, 9);
    assert_false(config.pin);
    assert_int_equal(config.log_level, HF_LOG_LEVEL_WARN);
    assert_int_equal(config.spin_us, 0);
    assert_string_equal(config.http.host, "localhost");
    assert_int_equal(config.http.port, 0);
    assert_int_equal(config.log_flushes, 2);
}

static void actions_read_no_file(void **unused)
{
    (void)unused;
    assert_int_equal(ARGS("--config", "/does/not/exist", "--help"), HF_EXIT_OK);
    assert_int_equal(config.action, HF_CONFIG_HELP);
    assert_int_equal(ARGS("--version"), HF_EXIT_OK);
    assert_int_equal(config.action, HF_CONFIG_VERSION);
    assert_int_equal(ARGS("--config", "/does/not/exist", "--print-config"), HF_EXIT_CONFIG);
}

/* What --print-config writes is a file with the same meaning, whatever the values hold. */
static void printed_is_read_again(void **unused)
{
    (void)unused;
    static char text[HF_CONFIG_TEXT];
    static char again[HF_CONFIG_TEXT];
    hf_config first;
    assert_int_equal(ARGS("--data", "/a \"b\" \\c ${HOME} 'd' # e // f /* g", "--listen", "[::1]:7",
                          "--cores", "5", "--memory", "384MiB", "--recovery-target", "90s",
                          "--retention", "0", "--outcome-horizon", "36h", "--no-pin",
                          "--log-format", "json", "--log-level", "error", "--spin-us", "7",
                          "--log-flushes", "2"),
                     HF_EXIT_OK);
    first = config;
    size_t size = hf_config_print(&config, text, sizeof text);
    assert_int_equal(size, strlen(text));
    put_file(text);
    assert_int_equal(ARGS("--config", path), HF_EXIT_OK);
    assert_string_equal(config.data, first.data);
    (void)hf_config_print(&config, again, sizeof again);
    assert_null(strstr(again, "# default")); /* every option was in the printed file */
    for (char *at = text; (at = strstr(at, "# flag")) != NULL; at += 6) {
        memcpy(at, "# file", 6);
    }
    for (char *at = text; (at = strstr(at, "# default")) != NULL;) {
        memmove(at + 6, at + 9, strlen(at + 9) + 1);
        memcpy(at, "# file", 6);
    }
    assert_string_equal(again, text);
}

static int set_up(void **unused)
{
    (void)unused;
    test_make(dir);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    test_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_anything),
        cmocka_unit_test(memory_by_rule),
        cmocka_unit_test(file_over_default),
        cmocka_unit_test(flag_over_file),
        cmocka_unit_test(signs_of_comments_in_values),
        cmocka_unit_test(every_form_of_a_flag),
        cmocka_unit_test(actions_read_no_file),
        cmocka_unit_test(printed_is_read_again),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
