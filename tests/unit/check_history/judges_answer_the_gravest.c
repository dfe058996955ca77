/* All judges over one history: each speaks of its own kind only, and the gravest ruling is the
 * answer. */
#include "tests/sim/checkers/judges.h"
#include "tests/unit/check_history/check_test.h"

#include <string.h>

static void run(const char *lines, hf_ruling wanted, const char *said, const char *not_said)
{
    hf_history history;
    hf_history_open(&history);
    check_test_parse(&history, lines);
    hf_check_text report = { 0 };
    hf_ruling ruling = hf_judges_run(&history, &report);
    const char *text = hf_check_text_of(&report);
    assert_string_equal(hf_ruling_name(ruling), hf_ruling_name(wanted));
    assert_non_null(strstr(text, said));
    assert_true(not_said == NULL || strstr(text, not_said) == NULL);
    hf_check_text_close(&report);
    hf_history_close(&history);
}

static void the_gravest_counts(void **state)
{
    (void)state;
    run("", HF_RULING_NOTHING, "", "judged");
    run(OK(0, 0, 1, "['append',1,1]") OK(0, 2, 3, "['list',1,[1]]"), HF_RULING_VALID,
        "append: valid", "bank");
    run(OK(0, 0, 1, "['append',1,1],['write',1,1]") OK(0, 2, 3, "['list',1,[1]],['read',1,2]"),
        HF_RULING_INVALID, "register: invalid", "append: invalid");
    run(OK(0, 0, 1, "['append',1,1]") OK(0, 2, 3, "['append',1,1]"), HF_RULING_UNUSABLE,
        "append: unusable", NULL);
    run(OK(0, 0, 1, "['open',1,5,0,9]") OK(0, 2, 3, "['add',1,1]") OK(0, 4, 5, "['count',1,5]"),
        HF_RULING_INVALID, "counter: invalid", NULL);
    run(OK(0, 0, 1, "['open',1,5,0,9]") OK(0, 4, 5, "['balances',[1,4]]"), HF_RULING_INVALID,
        "bank: invalid", NULL);
    run(OK_TS(0, 0, 1, 5, "['write',1,1]") OK_TS(0, 2, 3, 4, "['write',2,1]"), HF_RULING_INVALID,
        "commit-order: invalid", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_gravest_counts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
