/* check_register: what no order of operations explains is found, and the window shown is short. */
#include "tests/sim/checkers/check_register.h"
#include "tests/unit/check_history/check_test.h"

#include <string.h>

static hf_ruling judge(const hf_history *history, hf_verdict *verdict)
{
    return hf_check_register(history, HF_REGISTER_STEPS, verdict);
}

#define FINDS(lines) check_test_finds(judge, lines, "not-linearizable", NULL)

static void stale_read(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['write',1,1]") OK(0, 20, 30, "['write',1,2]")
              OK(1, 40, 50, "['read',1,1]"));
    FINDS(OK(0, 0, 10, "['write',1,1]") OK(1, 20, 30, "['read',1,null]"));
}

static void reads_go_back(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['write',1,1]") OK(0, 20, 90, "['write',1,2]") OK(1, 30, 40, "['read',1,2]")
              OK(2, 50, 60, "['read',1,1]"));
}

static void lost_write_and_lost_delete(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['write',1,1]") OK(1, 20, 30, "['delete',1]")
              OK(1, 40, 50, "['read',1,1]"));
    FINDS(OK(0, 0, 10, "['write',1,1]") OK(1, 20, 30, "['cas',1,1,2]")
              OK(1, 40, 50, "['cas',1,2,3,0]"));
}

static void two_cas_from_one_value(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['write',1,1]") OK(1, 20, 60, "['cas',1,1,2,1]")
              OK(2, 20, 60, "['cas',1,1,3,1]"));
}

static void refused_write_is_read(void **state)
{
    (void)state;
    FINDS(FAIL(0, 0, 10, "['write',1,1]") OK(1, 20, 30, "['read',1,1]"));
}

static void unknown_write_happens_once(void **state)
{
    (void)state;
    FINDS(UNKNOWN(0, 0, "['write',1,1]") OK(1, 10, 20, "['read',1,1]")
              OK(1, 30, 40, "['write',1,2]") OK(1, 50, 60, "['read',1,1]"));
}

static void unknown_cannot_happen_before_it_began(void **state)
{
    (void)state;
    FINDS(OK(1, 10, 20, "['read',1,1]") UNKNOWN(0, 30, "['write',1,1]"));
}

static void operations_of_one_transaction_are_one(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['write',1,1],['write',1,2]") OK(1, 0, 10, "['read',1,1]"));
    FINDS(OK(0, 0, 10, "['write',1,1],['read',1,2]"));
}

/* A long lawful past is not shown: the last quiet moment before the trouble is where the window
 * begins. */
static void window_is_minimal(void **state)
{
    (void)state;
    hf_history history;
    hf_history_open(&history);
    int64_t now = 0;
    for (int64_t i = 0; i < 300; i++) {
        uint32_t t = hf_history_begin(&history, 0, now++);
        hf_history_write(&history, t, 1, i);
        hf_history_end(&history, t, now++, HF_HEARD_OK);
    }
    check_test_parse(
        &history, OK(0, 1000, 1010, "['write',1,7001]") OK(1, 1020, 1030, "['write',1,7002]")
                      OK(2, 1040, 1050, "['read',1,7001]") OK(2, 2000, 2010, "['write',1,7003]"));
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    assert_int_equal(judge(&history, &verdict), HF_RULING_INVALID);
    const char *shown = hf_check_text_of(&verdict.findings[0].text);
    assert_non_null(strstr(shown, "these 2 operations"));
    assert_non_null(strstr(shown, "T301 (process 1, 1020..1030, ok): write 1 7002\n"));
    assert_non_null(strstr(shown, "read 1 -> 7001   <-- cannot be explained"));
    assert_null(strstr(shown, "7003"));
    hf_verdict_close(&verdict);
    hf_history_close(&history);
}

/* Each key is judged by itself: one bad key is one finding. */
static void keys_are_judged_apart(void **state)
{
    (void)state;
    hf_history history;
    hf_history_open(&history);
    check_test_parse(&history, OK(0, 0, 10, "['write',1,1]") OK(0, 20, 30, "['write',2,1]")
                                   OK(0, 40, 50, "['read',1,1]") OK(0, 60, 70, "['read',2,5]"));
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    assert_int_equal(judge(&history, &verdict), HF_RULING_INVALID);
    assert_int_equal(verdict.finding_count, 1);
    assert_non_null(strstr(hf_check_text_of(&verdict.findings[0].text), "key 2:"));
    hf_verdict_close(&verdict);
    hf_history_close(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stale_read),
        cmocka_unit_test(reads_go_back),
        cmocka_unit_test(lost_write_and_lost_delete),
        cmocka_unit_test(two_cas_from_one_value),
        cmocka_unit_test(refused_write_is_read),
        cmocka_unit_test(unknown_write_happens_once),
        cmocka_unit_test(unknown_cannot_happen_before_it_began),
        cmocka_unit_test(operations_of_one_transaction_are_one),
        cmocka_unit_test(window_is_minimal),
        cmocka_unit_test(keys_are_judged_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
