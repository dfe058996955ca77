/* check_append: histories that look odd and are strictly serializable pass. */
#include "tests/sim/checkers/check_append.h"
#include "tests/unit/check_history/check_test.h"

#define VALID(lines) check_test_valid(hf_check_append, lines)

static void overlap_may_order_either_way(void **state)
{
    (void)state;
    VALID(OK(0, 0, 10, "['append',1,1]") OK(1, 0, 10, "['list',1,[]]"));
    VALID(OK(0, 0, 10, "['append',1,1]") OK(1, 0, 10, "['list',1,[1]]"));
    VALID(OK(0, 0, 10, "['append',1,1]") OK(1, 5, 15, "['append',1,2]")
              OK(2, 20, 30, "['list',1,[2,1]]"));
}

static void touching_times_overlap(void **state)
{
    (void)state;
    VALID(OK(0, 0, 10, "['append',1,1]") OK(1, 10, 20, "['list',1,[]]")
              OK(2, 30, 40, "['list',1,[1]]"));
}

static void unknown_may_happen_late_or_never(void **state)
{
    (void)state;
    VALID(UNKNOWN(0, 0, "['append',1,1]") OK(1, 20, 30, "['list',1,[]]")
              OK(1, 40, 50, "['list',1,[1]]"));
    VALID(UNKNOWN(0, 0, "['append',1,1]") OK(1, 20, 30, "['list',1,[]]")
              OK(1, 40, 50, "['list',1,[]]"));
    /* A process goes on after an unknown outcome, which may still come to pass later. */
    VALID(UNKNOWN(0, 0, "['append',1,1]") OK(0, 20, 30, "['list',1,[]]")
              OK(0, 40, 50, "['list',1,[1]]"));
}

static void reads_of_what_did_not_happen_do_not_count(void **state)
{
    (void)state;
    VALID(FAIL(0, 0, 10, "['list',1,[9]],['append',1,1]") OK(1, 20, 30, "['list',1,[]]"));
    VALID(UNKNOWN(0, 0, "['list',1,[9]],['append',1,1]") OK(1, 20, 30, "['list',1,[]]"));
}

static void own_appends_are_part_of_reads(void **state)
{
    (void)state;
    VALID(OK(0, 0, 10, "['append',1,1],['append',1,2],['list',1,[1,2]]"));
    VALID(OK(0, 0, 10, "['append',1,1]")
              OK(1, 20, 30,
                 "['list',1,[1]],['append',1,2],['list',1,[1,2]],['append',1,3],"
                 "['list',1,[1,2,3]]"));
    VALID(OK(1, 0, 10, "['append',1,2],['list',1,[2]],['append',1,3]")
              OK(2, 20, 30, "['list',1,[2,3]]"));
}

static void the_last_appends_may_be_unread(void **state)
{
    (void)state;
    VALID(OK(0, 0, 10, "['list',1,[]],['append',1,1],['append',2,1]")
              OK(1, 20, 30, "['list',1,[1]],['append',1,2],['append',1,3]")
                  OK(2, 40, 50, "['append',1,4]") OK(2, 60, 70, "['append',1,5]"));
    /* Its own read stops in the middle of its own appends. */
    VALID(OK(0, 0, 10, "['append',1,1],['list',1,[1]],['append',1,2]")
              OK(1, 20, 30, "['append',1,3]"));
}

static void snapshots_may_be_old(void **state)
{
    (void)state;
    VALID(OK(0, 0, 10, "['append',1,1]") SNAPSHOT(1, 20, 30, 1, "['list',1,[]]")
              OK(2, 40, 50, "['list',1,[1]]"));
    /* Also after the same process has seen more. */
    VALID(OK(0, 0, 10, "['append',1,1]") OK(1, 15, 18, "['list',1,[1]]")
              SNAPSHOT(1, 20, 30, 1, "['list',1,[]]"));
}

static void resolved_later_has_no_latest_moment(void **state)
{
    (void)state;
    VALID("{'process':0,'invoke':0,'heard':'ok','ops':[['append',1,1]]}\n" OK(
        1, 20, 30, "['list',1,[]]") OK(1, 40, 50, "['list',1,[1]]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlap_may_order_either_way),
        cmocka_unit_test(touching_times_overlap),
        cmocka_unit_test(unknown_may_happen_late_or_never),
        cmocka_unit_test(reads_of_what_did_not_happen_do_not_count),
        cmocka_unit_test(own_appends_are_part_of_reads),
        cmocka_unit_test(the_last_appends_may_be_unread),
        cmocka_unit_test(snapshots_may_be_old),
        cmocka_unit_test(resolved_later_has_no_latest_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
