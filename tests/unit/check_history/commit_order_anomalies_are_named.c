/* check_commit_order: answers that the database's own timestamps contradict. */
#include "tests/sim/checkers/check_commit_order.h"
#include "tests/unit/check_history/check_test.h"

#define VALID(lines) check_test_valid(hf_check_commit_order, lines)
#define FINDS(lines, anomaly) check_test_finds(hf_check_commit_order, lines, anomaly, NULL)

static void lawful_histories_pass(void **state)
{
    (void)state;
    VALID(OK_TS(0, 0, 10, 5, "['append',1,1],['write',2,4],['read',2,4]")
              OK_TS(1, 0, 10, 4, "['list',1,[]],['cas',2,4,5,0],['cas',2,null,6,1]")
                  OK_TS(2, 20, 30, 9, "['list',1,[1]],['delete',2],['read',2,null]"));
    VALID(OK_TS(0, 0, 10, 5, "['open',1,100,0,200],['open',2,0,0,200]")
              OK_TS(0, 20, 30, 6, "['transfer',7,1,2,5]") OK_TS(0, 40, 50, 8, "['add',1,-1,94]")
                  OK_TS(0, 60, 70, 9, "['balances',[1,94,2,5]],['ledger',[7]],['count',1,94]"));
}

static void stale_and_future_reads(void **state)
{
    (void)state;
    FINDS(OK_TS(0, 0, 10, 5, "['append',1,1]") OK_TS(1, 20, 30, 6, "['list',1,[]]"),
          "replay-mismatch");
    FINDS(OK_TS(0, 0, 10, 5, "['write',1,1]") OK_TS(1, 0, 10, 4, "['read',1,1]"),
          "replay-mismatch");
    FINDS(OK_TS(0, 0, 10, 5, "['write',1,1]") OK_TS(1, 20, 30, 6, "['cas',1,1,2,0]"),
          "replay-mismatch");
    FINDS(OK_TS(0, 0, 10, 5, "['open',1,5,0,9]") OK_TS(1, 20, 30, 6, "['add',1,1,7]"),
          "replay-mismatch");
}

static void lost_update_and_write_skew(void **state)
{
    (void)state;
    FINDS(OK_TS(0, 0, 10, 5, "['list',1,[]],['append',1,1]")
              OK_TS(1, 0, 10, 6, "['list',1,[]],['append',1,2]"),
          "replay-mismatch");
    FINDS(OK_TS(0, 0, 10, 5, "['list',1,[]],['append',2,1]")
              OK_TS(1, 0, 10, 6, "['list',2,[]],['append',1,1]"),
          "replay-mismatch");
}

static void phantoms(void **state)
{
    (void)state;
    VALID(OK_TS(0, 0, 10, 5, "['write',3,7],['write',5,8]")
              OK_TS(1, 20, 30, 6, "['scan',0,5,[3,7]],['scan',3,6,[3,7,5,8]],['scan',4,5,[]]"));
    FINDS(OK_TS(0, 0, 10, 5, "['write',3,7]") OK_TS(1, 20, 30, 6, "['scan',0,5,[]]"),
          "replay-mismatch");
    FINDS(OK_TS(0, 0, 10, 5, "['write',3,7]") OK_TS(1, 0, 10, 4, "['scan',0,5,[3,7]]"),
          "replay-mismatch");
    FINDS(OK_TS(0, 0, 10, 5, "['write',3,7]") OK_TS(1, 20, 30, 6, "['scan',0,5,[3,7,4,1]]"),
          "replay-mismatch");
    FINDS(OK_TS(0, 0, 10, 5, "['write',3,7],['write',4,1]")
              OK_TS(1, 20, 30, 6, "['scan',0,5,[4,1,3,7]]"),
          "replay-mismatch");
    FINDS(OK_TS(0, 0, 10, 5, "['write',3,7],['write',4,1]") OK_TS(1, 20, 30, 6, "['delete',3]")
              OK_TS(1, 40, 50, 7, "['scan',0,5,[3,7,4,1]]"),
          "replay-mismatch");
}

static void causal_reverse(void **state)
{
    (void)state;
    /* No answer is wrong yet, but the timestamps already run against real time. */
    FINDS(OK_TS(0, 0, 10, 5000, "['write',1,1]") OK_TS(1, 20, 30, 4500, "['write',2,1]"),
          "ts-realtime");
    VALID(OK_TS(0, 0, 10, 5000, "['write',1,1]") OK_TS(1, 10, 30, 4500, "['read',2,null]"));
}

static void snapshots_read_their_time_exactly(void **state)
{
    (void)state;
#define RUN OK_TS(0, 0, 10, 5, "['append',1,1]") OK_TS(0, 20, 30, 7, "['append',1,2]")
    VALID(RUN SNAPSHOT(1, 40, 50, 4, "['list',1,[]]"));
    VALID(RUN SNAPSHOT(1, 40, 50, 5, "['list',1,[1]]"));
    VALID(RUN SNAPSHOT(1, 40, 50, 6, "['list',1,[1]]"));
    VALID(RUN SNAPSHOT(1, 40, 50, 7, "['list',1,[1,2]]"));
    FINDS(RUN SNAPSHOT(1, 40, 50, 4, "['list',1,[1]]"), "replay-mismatch");
    FINDS(RUN SNAPSHOT(1, 40, 50, 5, "['list',1,[]]"), "replay-mismatch");
    FINDS(RUN SNAPSHOT(1, 40, 50, 6, "['list',1,[1,2]]"), "replay-mismatch");
#undef RUN
}

static void ties(void **state)
{
    (void)state;
    VALID(OK_TS(0, 0, 10, 5, "['write',1,1]") OK_TS(1, 0, 10, 5, "['write',2,1],['read',3,null]"));
    FINDS(OK_TS(0, 0, 10, 5, "['write',1,1]") OK_TS(1, 0, 10, 5, "['write',1,2]"), "ts-tie");
    FINDS(OK_TS(0, 0, 10, 5, "['write',1,1]") OK_TS(1, 0, 10, 5, "['read',1,1],['write',2,2]"),
          "ts-tie");
}

static void money(void **state)
{
    (void)state;
#define RUN                                                                                        \
    OK_TS(0, 0, 10, 5, "['open',1,100,0,200],['open',2,0,0,200]")                                  \
    OK_TS(0, 20, 30, 6, "['transfer',7,1,2,5]")
    FINDS(RUN OK_TS(0, 40, 50, 9, "['balances',[1,95,2,0]]"), "replay-mismatch");
    FINDS(RUN OK_TS(0, 40, 50, 9, "['balances',[1,95]]"), "replay-mismatch");
    FINDS(RUN OK_TS(0, 40, 50, 9, "['balances',[1,95,2,5,3,0]],['count',3,1]"), "replay-mismatch");
    FINDS(RUN OK_TS(0, 40, 50, 9, "['ledger',[]]"), "replay-mismatch");
    FINDS(RUN OK_TS(0, 40, 50, 9, "['ledger',[7,7]]"), "replay-mismatch");
    FINDS(RUN OK_TS(0, 40, 50, 9, "['ledger',[7,8]]"), "replay-mismatch");
    /* A retry answers with the timestamp of the attempt that worked. */
    VALID(RUN OK_TS(0, 32, 35, 7, "['count',1,95]") OK_TS(0, 40, 50, 6, "['transfer',7,1,2,5]")
              OK_TS(0, 60, 70, 9, "['balances',[1,95,2,5]],['ledger',[7]],['ledger',[7]]"));
#undef RUN
}

static void bounds_hold_in_states_that_nobody_read(void **state)
{
    (void)state;
#define RUN OK_TS(0, 0, 10, 5, "['open',1,10,0,20],['open',2,10,0,20]")
    VALID(RUN OK_TS(0, 20, 30, 6, "['add',1,11],['add',1,-1,20]"));
    FINDS(RUN OK_TS(0, 20, 30, 6, "['add',1,11]") OK_TS(0, 40, 50, 7, "['add',1,-1,20]"),
          "bound-crossed");
    FINDS(RUN OK_TS(0, 20, 30, 6, "['transfer',7,1,2,11]"), "bound-crossed");
#undef RUN
}

static void what_has_no_place_is_left_out(void **state)
{
    (void)state;
    hf_history history;
    hf_history_open(&history);
    check_test_parse(&history, OK_TS(0, 0, 10, 5, "['write',1,1],['write',2,1]")
                                   UNKNOWN(1, 12, "['write',1,2]")
                                       OK_TS(0, 20, 30, 6, "['read',1,2],['read',2,1]"));
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    assert_int_equal(hf_check_commit_order(&history, &verdict), HF_RULING_VALID);
    assert_int_equal(verdict.skipped, 1);
    hf_verdict_close(&verdict);
    hf_history_close(&history);
}

/* An outcome and a timestamp that were learned later put a transaction in its place. */
static void resolved_later_is_replayed(void **state)
{
    (void)state;
    hf_history history;
    hf_history_open(&history);
    check_test_parse(&history,
                     UNKNOWN(0, 0, "['write',1,2]") OK_TS(0, 20, 30, 6, "['read',1,null]"));
    hf_history_resolve(&history, 0, HF_HEARD_OK);
    hf_history_stamp(&history, 0, 5, false);
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    assert_int_equal(hf_check_commit_order(&history, &verdict), HF_RULING_INVALID);
    assert_true(hf_verdict_has(&verdict, "replay-mismatch"));
    hf_verdict_close(&verdict);
    hf_history_close(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lawful_histories_pass),
        cmocka_unit_test(stale_and_future_reads),
        cmocka_unit_test(lost_update_and_write_skew),
        cmocka_unit_test(phantoms),
        cmocka_unit_test(causal_reverse),
        cmocka_unit_test(snapshots_read_their_time_exactly),
        cmocka_unit_test(ties),
        cmocka_unit_test(money),
        cmocka_unit_test(bounds_hold_in_states_that_nobody_read),
        cmocka_unit_test(what_has_no_place_is_left_out),
        cmocka_unit_test(resolved_later_is_replayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
