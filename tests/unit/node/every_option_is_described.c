/* Claim: the help, the manual page and the example file name every option and exit code, with the
 * defaults that are really taken. */
#include "engine/node/config.h"
#include "engine/node/config_impl.h"
#include "tests/unit/node/node_test.h"

static char text[64 * 1024];

static void in_the_page(void **unused)
{
    (void)unused;
    size_t count;
    char want[128];
    const hf_config_option *all = hf_config_options(&count);
    (void)test_read(HF_SOURCE_DIR "/engine/node/holdfastd.8.scd", text, sizeof text);
    for (size_t i = 0; i < count; i++) {
        if (all[i].kind == HF_KIND_SWITCH) {
            (void)snprintf(want, sizeof want, "\n*--%s*, *--no-%s*\n", all[i].name, all[i].name);
        } else if (all[i].argument[0] != '\0') {
            (void)snprintf(want, sizeof want, "\n*--%s* _%s_\n", all[i].name, all[i].argument);
        } else {
            (void)snprintf(want, sizeof want, "\n*--%s*\n", all[i].name);
        }
        char *at = strstr(text, want);
        if (at == NULL) {
            fail_msg("the page lacks%s", want);
        }
        if (all[i].fallback[0] != '\0' && all[i].kind != HF_KIND_SWITCH) {
            (void)snprintf(want, sizeof want, "Default: %s", all[i].fallback);
            char *said = strstr(at, "Default: ");
            assert_non_null(said);
            assert_memory_equal(said, want, strlen(want));
        }
    }
#define X(name, number, text_of) assert_non_null(strstr(text, "\n*" #number "*\n"));
    HF_EXITS(X)
#undef X
}

static void in_the_help(void **unused)
{
    (void)unused;
    size_t count;
    char want[128];
    const hf_config_option *all = hf_config_options(&count);
    size_t size_said = hf_config_help(text, sizeof text);
    assert_int_equal(size_said, strlen(text));
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(want, sizeof want, "\n  --%s%s%s", all[i].name,
                       all[i].argument[0] == '\0' ? "" : " ", all[i].argument);
        assert_non_null(strstr(text, want));
    }
    assert_non_null(strstr(text, "--pin, --no-pin"));
    assert_non_null(strstr(text, "exit: 0 stopped clean\n      64 the command line is wrong\n"));
    for (char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        size_t size = strcspn(line, "\n");
        assert_true(size <= 105);
        assert_true(size == 0 || line[size - 1] != ' ');
    }
}

static void in_the_example(void **unused)
{
    (void)unused;
    size_t count;
    char want[128];
    static char printed[HF_CONFIG_TEXT];
    static char plain[HF_CONFIG_TEXT];
    hf_config config;
    hf_problem problem;
    const hf_config_option *all = hf_config_options(&count);
    const char *path = HF_SOURCE_DIR "/engine/node/holdfastd.conf.example";
    (void)test_read(path, text, sizeof text);
    for (size_t i = 0; i < count; i++) {
        if (hf_option__find(all[i].name, strlen(all[i].name), true) == NULL) {
            continue;
        }
        bool by_machine = all[i].fallback[0] == '\0';
        (void)snprintf(want, sizeof want, "\n%s%s = ", by_machine ? "# " : "", all[i].name);
        if (strstr(text, want) == NULL) {
            fail_msg("the example lacks%s", want);
        }
    }
    /* It changes nothing. */
    hf_config_defaults(&config);
    (void)hf_config_print(&config, plain, sizeof plain);
    if (hf_config_parse_file(&config, path, &problem) != HF_EXIT_OK) {
        fail_msg("%s", problem.text);
    }
    memset(config.source, 0, sizeof config.source);
    (void)hf_config_print(&config, printed, sizeof printed);
    assert_string_equal(printed, plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_page),
        cmocka_unit_test(in_the_help),
        cmocka_unit_test(in_the_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
