/* Claim: whatever is wrong with a flag or a line of the file is named, with its place and what to
 * do, and nothing else of it counts. */
#include "engine/node/config.h"
#include "tests/unit/node/node_test.h"

typedef struct wrong {
    const char *text;
    const char *said;
} wrong;

/* clang-format off */
static const wrong files[] = {
    { "cores = 2\nprots = 3\n", "f:2: no such option \"prots\"; holdfastd --help lists them" },
    { "coers = 2\n", "f:1: no such option \"coers\"; was cores meant?" },
    { "log_fromat = json\n", "f:1: no such option \"log_fromat\"; was log-format meant?" },
    { "config = x\n", "f:1: \"config\" is for the command line only; remove it here" },
    { "help = x\n", "f:1: \"help\" is for the command line only; remove it here" },
    { "# one\n# two\n// three\n/* four\nfive */\ncores = many\n",
      "f:6: cores: \"many\" is not a number" },
    { "data = '#' cores = 0\n", "f:1: cores: 0 is out of range; it may be from 1 to 64" },
    { "cores = 65\n", "f:1: cores: 65 is out of range; it may be from 1 to 64" },
    { "cores = 99999999999999999999\n",
      "f:1: cores: 99999999999999999999 is out of range; it may be from 1 to 64" },
    { "cores = -1\n", "f:1: cores: \"-1\" is not a number" },
    { "cores = \"\"\n", "f:1: cores: \"\" is not a number" },
    { "memory = 4GB\n", "f:1: memory: \"4GB\" is not a size such as 512MiB or 4GiB" },
    { "memory = 1MiB\n", "f:1: memory: 1MiB is out of range; it may be from 64MiB to 1024TiB" },
    { "retention = 10\n", "f:1: retention: \"10\" is not a duration such as 500ms, 10s or 24h" },
    { "retention = 200h\n", "f:1: retention: 200h is out of range; it may be from 0s to 168h" },
    { "recovery-target = soon\n",
      ("f:1: recovery-target: \"soon\" is not a number of seconds, or a duration such as 500ms"
       " or 1m") },
    { "recovery-target = 0\n", "f:1: recovery-target: 0 is out of range; it may be from 1s to 1h" },
    { "log-format = xml\n", "f:1: log-format: \"xml\" is none of logfmt|json" },
    { "log-per = disk\n", "f:1: log-per: \"disk\" is none of core|device" },
    { "pin = yes\n", "f:1: pin: \"yes\" is neither true nor false" },
    { "listen = 7379\n",
      "f:1: listen: \"7379\" is not HOST:PORT, such as 127.0.0.1:7379 or [::1]:7379" },
    { "listen = \":7379\"\n",
      "f:1: listen: \":7379\" is not HOST:PORT, such as 127.0.0.1:7379 or [::1]:7379" },
    { "listen = \"a b:1\"\n",
      "f:1: listen: \"a b:1\" is not HOST:PORT, such as 127.0.0.1:7379 or [::1]:7379" },
    { "listen = \"a\\\"b:1\"\n",
      "f:1: listen: \"a\"b:1\" is not HOST:PORT, such as 127.0.0.1:7379 or [::1]:7379" },
    { "listen = a:70000\n",
      "f:1: listen: \"70000\" is not a port; it may be from 0 (any free one) to 65535" },
    { "listen = a:b\n",
      "f:1: listen: \"b\" is not a port; it may be from 0 (any free one) to 65535" },
    { "listen = ::1:7379\n",
      ("f:1: listen: \"::1:7379\" has several colons; write an IPv6 address in brackets,"
       " [::1]:7379") },
    { "listen = []:7379\n",
      "f:1: listen: \"[]:7379\" has a host of 0 characters; it may have 1 to 255" },
    { "data = \"\"\n", "f:1: data: a path of 0 characters; it may have 1 to 1023" },
    { "data = \"a\nb\"\n", "data: the value holds a control character or a line break" },
    { "cores = 2\n\ncores = 2\n", "f:3: cores is given twice, first in line 1; remove one" },
    { "log-format = json\nlog_format = json\n",
      "f:2: log-format is given twice, first in line 1; remove one" },
    { "cores = \n", "the file ends too early; a value or a closing quote is missing" },
    { "data = \"abc\n", "the file ends too early; a value or a closing quote is missing" },
    { "cores 2\n",
      ("f:1: missing equal sign after option 'cores'; a line is `name = value`, with a value of"
       " other than letters, digits and -_.:/ in double quotes") },
    { "cores += 2\n", "f:1: attempt to append to non-list option 'cores'" },
    { "cores = {1, 2}\n", "f:1: unexpected token '{'" },
    { "include(\"x\")\n", "f:1: no such option \"include\"" },
    { "cores = 2\n\x01\n", "f:2: byte 0x01 is not text; is this a configuration file?" },
};
/* clang-format on */

static hf_config config;
static hf_problem problem;

static void in_a_file(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        hf_config_defaults(&config);
        hf_exit code =
            hf_config_parse(&config, "f", files[i].text, strlen(files[i].text), &problem);
        if (code != HF_EXIT_CONFIG || strstr(problem.text, files[i].said) == NULL) {
            fail_msg("%s -> %d %s\nnot: %s", files[i].text, (int)code, problem.text, files[i].said);
        }
    }
}

static void not_text_at_all(void **unused)
{
    (void)unused;
    static char big[HF_CONFIG_FILE_MAX + 1];
    hf_config_defaults(&config);
    memset(big, '\n', sizeof big);
    assert_int_equal(hf_config_parse(&config, "f", big, sizeof big, &problem), HF_EXIT_CONFIG);
    assert_string_equal(problem.text,
                        "f:1: larger than 262144 bytes; is this a configuration file?");
    assert_int_equal(hf_config_parse(&config, "f", big, sizeof big - 1, &problem), HF_EXIT_OK);
    assert_int_equal(hf_config_parse(&config, "f", "a\0b", 3, &problem), HF_EXIT_CONFIG);
    assert_string_equal(problem.text, "f:1: byte 0x00 is not text; is this a configuration file?");
}

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

/* clang-format off */
static const struct {
    const char *words[5];
    const char *said;
} flags[] = {
    { { "--prots", "1" }, "no such option \"--prots\"; holdfastd --help lists them" },
    { { "--core", "1" }, "no such option \"--core\"; was --cores meant?" },
    { { "--no-cores" }, "no such option \"--no-cores\"; holdfastd --help lists them" },
    { { "--no-" }, "no such option \"--no-\"; holdfastd --help lists them" },
    { { "data" }, "\"data\" is not an option; options begin with --" },
    { { "-d" }, "\"-d\" is not an option; options begin with --" },
    { { "--" }, "\"--\" is not an option; options begin with --" },
    { { "" }, "\"\" is not an option; options begin with --" },
    { { "--data" }, "--data needs a value: --data DIR" },
    { { "--pin=1" }, "--pin takes no value; leave out \"=1\"" },
    { { "--help=1" }, "--help takes no value; leave out \"=1\"" },
    { { "--cores", "1", "--cores", "1" }, "--cores is given twice; leave one out" },
    { { "--pin", "--no-pin" }, "--pin is given twice; leave one out" },
    { { "--cores", "0" }, "--cores: 0 is out of range; it may be from 1 to 64" },
    { { "--log-per", "both" }, "--log-per: \"both\" is none of core|device" },
    { { "--data=" }, "--data: a path of 0 characters; it may have 1 to 1023" },
};
/* clang-format on */

static void in_flags(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        assert_int_equal(read_args(flags[i].words), HF_EXIT_USAGE);
        assert_int_equal(problem.code, HF_EXIT_USAGE);
        assert_string_equal(problem.text, flags[i].said);
    }
}

static void no_such_file(void **unused)
{
    (void)unused;
    const char *const absent[] = { "--config", "/does/not/exist", NULL };
    const char *const folder[] = { "--config", "/tmp", NULL };
    assert_int_equal(read_args(absent), HF_EXIT_CONFIG);
    assert_string_equal(problem.text,
                        "/does/not/exist: cannot open the configuration file: No such "
                        "file or directory");
    assert_int_equal(read_args(folder), HF_EXIT_CONFIG);
    assert_string_equal(problem.text, "/tmp: not a file; --config wants a configuration file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_file),
        cmocka_unit_test(not_text_at_all),
        cmocka_unit_test(in_flags),
        cmocka_unit_test(no_such_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
