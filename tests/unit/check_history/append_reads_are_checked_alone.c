/* check_append: what a single read or transaction proves wrong, before any order is drawn. */
#include "tests/sim/checkers/check_append.h"
#include "tests/unit/check_history/check_test.h"

#define FINDS(lines, anomaly, nickname) check_test_finds(hf_check_append, lines, anomaly, nickname)

static void aborted_read(void **state)
{
    (void)state;
    FINDS(FAIL(0, 0, 10, "['append',1,1]") OK(1, 20, 30, "['list',1,[1]]"), "G1a", "aborted read");
    FINDS(LIMIT(0, 0, 10, "['append',1,1]") OK(1, 20, 30, "['list',1,[1]]"), "G1a", NULL);
}

/* Its element being read proves nothing about its own reads: it was refused. */
static void aborted_reads_are_all_that_is_found(void **state)
{
    (void)state;
    hf_history history;
    hf_history_open(&history);
    check_test_parse(&history, FAIL(0, 0, 10, "['list',1,[9]],['append',1,1]")
                                   OK(1, 20, 30, "['list',1,[1]]"));
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    assert_int_equal(hf_check_append(&history, &verdict), HF_RULING_INVALID);
    assert_int_equal(verdict.finding_count, 1);
    hf_verdict_close(&verdict);
    hf_history_close(&history);
}

static void dirty_read_of_a_middle(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1],['append',1,2]") OK(1, 0, 10, "['list',1,[1]]"), "G1b",
          "intermediate read");
}

static void element_twice(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(1, 20, 30, "['list',1,[1,1]]"), "duplicate",
          "applied twice");
}

static void element_from_nowhere(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(1, 20, 30, "['list',1,[1,7]]"), "garbage", NULL);
}

static void reads_that_part(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(1, 0, 10, "['append',1,2]")
              OK(2, 20, 30, "['list',1,[1,2]]") OK(3, 20, 30, "['list',1,[2,1]]"),
          "incompatible-order", NULL);
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(1, 0, 10, "['append',1,2]")
              OK(2, 20, 30, "['list',1,[1]]") OK(3, 20, 30, "['list',1,[2]]"),
          "incompatible-order", NULL);
}

static void half_of_a_transaction(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1],['append',1,2]") OK(1, 20, 30, "['list',1,[2]]"),
          "torn-append", NULL);
}

static void own_appends_must_be_seen(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1],['list',1,[]]"), "internal", NULL);
    FINDS(OK(0, 0, 10, "['append',1,1],['append',1,2],['list',1,[2,1]]"), "internal", NULL);
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(1, 20, 30, "['append',1,2],['list',1,[2,1]]"),
          "internal", NULL);
}

static void reads_repeat(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(1, 0, 10, "['list',1,[]],['list',1,[1]]"), "internal",
          NULL);
    FINDS(OK(0, 0, 10, "['append',1,1]")
              OK(1, 0, 10, "['list',1,[]],['append',1,2],['list',1,[1,2]]"),
          "internal", NULL);
}

static void own_append_read_before_it_was_made(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['list',1,[1]],['append',1,1]"), "internal", "read before append");
}

static void unknown_that_was_read_is_held_to_its_reads(void **state)
{
    (void)state;
    /* T1 took effect (T2 read it), so its own stale read of key 1 counts. */
    FINDS(OK(0, 0, 10, "['append',1,1]") UNKNOWN(1, 20, "['list',1,[]],['append',2,1]")
              OK(2, 30, 40, "['list',2,[1]],['list',1,[1]]"),
          "G-single-realtime", "stale read");
}

static void a_value_appended_twice_is_the_workloads_fault(void **state)
{
    (void)state;
    check_test_ruling(hf_check_append,
                      OK(0, 0, 10, "['append',1,1]") OK(1, 20, 30, "['append',1,1]")
                          OK(2, 40, 50, "['list',1,[1]]"),
                      HF_RULING_UNUSABLE);
}

static void without_reads_there_is_no_verdict(void **state)
{
    (void)state;
    check_test_ruling(hf_check_append, OK(0, 0, 10, "['append',1,1]"), HF_RULING_NOTHING);
    check_test_ruling(hf_check_append, "", HF_RULING_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aborted_read),
        cmocka_unit_test(aborted_reads_are_all_that_is_found),
        cmocka_unit_test(dirty_read_of_a_middle),
        cmocka_unit_test(element_twice),
        cmocka_unit_test(element_from_nowhere),
        cmocka_unit_test(reads_that_part),
        cmocka_unit_test(half_of_a_transaction),
        cmocka_unit_test(own_appends_must_be_seen),
        cmocka_unit_test(reads_repeat),
        cmocka_unit_test(own_append_read_before_it_was_made),
        cmocka_unit_test(unknown_that_was_read_is_held_to_its_reads),
        cmocka_unit_test(a_value_appended_twice_is_the_workloads_fault),
        cmocka_unit_test(without_reads_there_is_no_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
