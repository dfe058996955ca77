/* check_bank: money that appears or vanishes, transfers lost, doubled or half done are called by
 * name. */
#include "tests/sim/checkers/check_bank.h"
#include "tests/unit/check_history/check_test.h"

static hf_ruling judge(const hf_history *history, hf_verdict *verdict)
{
    return hf_check_bank(history, verdict, NULL);
}

#define VALID(lines) check_test_valid(judge, OPEN lines)
#define FINDS(lines, anomaly) check_test_finds(judge, OPEN lines, anomaly, NULL)
#define OPEN OK(0, 0, 1, "['open',1,100,0,1000],['open',2,50,0,1000],['open',3,0,0,60]")
#define MOVE OK(1, 10, 20, "['transfer',7,1,2,30]")

static void lawful_histories_pass(void **state)
{
    (void)state;
    VALID(OK(1, 10, 20, "['balances',[1,100,2,50,3,0]],['ledger',[]]"));
    VALID(MOVE OK(1, 30, 40, "['balances',[1,70,2,80,3,0]],['ledger',[7]]"));
    VALID(MOVE OK(2, 15, 25, "['balances',[3,0,1,100,2,50]],['ledger',[]]"));
    VALID(UNKNOWN(1, 10, "['transfer',7,1,2,30]")
              OK(2, 15, 25, "['balances',[1,100,2,50,3,0]],['ledger',[]]")
                  OK(2, 30, 35, "['balances',[1,70,2,80,3,0]],['ledger',[7]]"));
    VALID(FAIL(1, 10, 20, "['transfer',7,1,2,30]")
              OK(2, 30, 35, "['balances',[1,100,2,50,3,0]],['ledger',[]]"));
}

/* One id is one transfer, however often it is tried. */
static void retries_are_one_transfer(void **state)
{
    (void)state;
    VALID(UNKNOWN(1, 10, "['transfer',7,1,2,30]")
              MOVE OK(2, 30, 40, "['balances',[1,70,2,80,3,0]],['ledger',[7]]"));
    FINDS(UNKNOWN(1, 10, "['transfer',7,1,2,30]")
              MOVE OK(2, 30, 40, "['balances',[1,40,2,110,3,0]],['ledger',[7,7]]"),
          "applied-twice");
    FINDS(UNKNOWN(1, 10, "['transfer',7,1,2,30]")
              MOVE OK(2, 30, 40, "['balances',[1,40,2,110,3,0]],['ledger',[7]]"),
          "ledger-mismatch");
    FINDS(UNKNOWN(1, 5, "['transfer',7,1,2,30]") MOVE OK(2, 30, 40, "['ledger',[]]"), "lost-ack");
    /* A refused attempt after an unknown one tells nothing of the unknown one. */
    VALID(UNKNOWN(1, 5, "['transfer',7,1,2,30]") FAIL(1, 10, 20, "['transfer',7,1,2,30]")
              OK(2, 30, 40, "['balances',[1,70,2,80,3,0]],['ledger',[7]]"));
    check_test_ruling(judge, OPEN MOVE OK(1, 30, 40, "['transfer',7,1,2,31]"), HF_RULING_UNUSABLE);
}

static void money_created_and_destroyed(void **state)
{
    (void)state;
    FINDS(OK(1, 10, 20, "['balances',[1,100,2,51,3,0]]"), "money-created");
    FINDS(OK(1, 10, 20, "['balances',[1,100,2,49,3,0]]"), "money-destroyed");
    FINDS(SNAPSHOT(1, 10, 20, 5, "['balances',[1,100,2,49,3,0]]"), "money-destroyed");
}

static void bounds_crossed(void **state)
{
    (void)state;
    FINDS(OK(1, 10, 20, "['balances',[1,151,2,-1,3,0]]"), "floor-crossed");
    FINDS(OK(1, 10, 20, "['balances',[1,89,2,0,3,61]]"), "ceiling-crossed");
}

static void reads_that_are_not_whole(void **state)
{
    (void)state;
    FINDS(OK(1, 10, 20, "['balances',[1,100,2,50]]"), "account-missing");
    FINDS(OK(1, 10, 20, "['balances',[1,100,2,50,2,50]]"), "account-twice");
    FINDS(OK(1, 10, 20, "['balances',[1,100,2,50,3,0,4,0]]"), "account-unknown");
}

static void lost_acknowledgement(void **state)
{
    (void)state;
    FINDS(MOVE OK(1, 30, 40, "['balances',[1,100,2,50,3,0]],['ledger',[]]"), "lost-ack");
    FINDS(MOVE OK(1, 21, 40, "['ledger',[]]"), "lost-ack");
    VALID(MOVE OK(1, 20, 40, "['ledger',[]]"));
    VALID(MOVE SNAPSHOT(1, 30, 40, 1, "['ledger',[]]"));
}

static void refused_but_applied(void **state)
{
    (void)state;
    FINDS(FAIL(1, 10, 20, "['transfer',7,1,2,30]")
              OK(1, 30, 40, "['balances',[1,70,2,80,3,0]],['ledger',[7]]"),
          "refused-applied");
    FINDS(LIMIT(1, 10, 20, "['transfer',7,1,2,30]") OK(1, 30, 40, "['ledger',[7]]"),
          "refused-applied");
}

static void from_nowhere(void **state)
{
    (void)state;
    FINDS(OK(1, 30, 40, "['ledger',[9]]"), "from-nowhere");
    FINDS(OK(1, 2, 5, "['ledger',[7]]") MOVE, "from-nowhere");
}

static void half_a_transfer(void **state)
{
    (void)state;
    FINDS(MOVE OK(1, 30, 40, "['balances',[1,70,2,50,3,0]],['ledger',[7]]"), "half-applied");
    FINDS(MOVE OK(1, 30, 40, "['balances',[1,70,2,50,3,0]],['ledger',[7]]"), "money-destroyed");
    FINDS(MOVE OK(1, 30, 40, "['balances',[1,70,2,50,3,30]],['ledger',[7]]"), "ledger-mismatch");
}

static void says_when_the_end_was_not_read(void **state)
{
    (void)state;
    hf_history history;
    hf_history_open(&history);
    check_test_parse(&history, OPEN OK(1, 5, 6, "['ledger',[]]") MOVE);
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    bool unread = false;
    assert_int_equal(hf_check_bank(&history, &verdict, &unread), HF_RULING_VALID);
    assert_true(unread);
    hf_verdict_close(&verdict);
    check_test_parse(&history, OK(1, 30, 40, "['ledger',[7]]"));
    hf_verdict_open(&verdict);
    assert_int_equal(hf_check_bank(&history, &verdict, &unread), HF_RULING_VALID);
    assert_false(unread);
    hf_verdict_close(&verdict);
    hf_history_close(&history);
}

static void without_reads_there_is_no_verdict(void **state)
{
    (void)state;
    check_test_ruling(judge, OPEN MOVE, HF_RULING_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lawful_histories_pass),
        cmocka_unit_test(retries_are_one_transfer),
        cmocka_unit_test(money_created_and_destroyed),
        cmocka_unit_test(bounds_crossed),
        cmocka_unit_test(reads_that_are_not_whole),
        cmocka_unit_test(lost_acknowledgement),
        cmocka_unit_test(refused_but_applied),
        cmocka_unit_test(from_nowhere),
        cmocka_unit_test(half_a_transfer),
        cmocka_unit_test(says_when_the_end_was_not_read),
        cmocka_unit_test(without_reads_there_is_no_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
