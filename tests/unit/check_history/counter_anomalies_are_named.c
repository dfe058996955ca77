/* check_counter: additions that are lost, doubled or refused wrongly, and bounds crossed. */
#include "tests/sim/checkers/check_counter.h"
#include "tests/unit/check_history/check_test.h"

#define OPEN OK(0, 0, 1, "['open',1,100,0,150],['open',2,0,-9,9]")
#define VALID(lines) check_test_valid(hf_check_counter, OPEN lines)
#define FINDS(lines, anomaly) check_test_finds(hf_check_counter, OPEN lines, anomaly, NULL)

static void lawful_histories_pass(void **state)
{
    (void)state;
    VALID(OK(1, 10, 20, "['add',1,5]") OK(1, 30, 40, "['add',1,-7]")
              OK(1, 50, 60, "['count',1,98]"));
    VALID(OK(1, 10, 40, "['add',1,5]") OK(2, 20, 30, "['count',1,100]")
              OK(3, 20, 30, "['count',1,105]"));
    VALID(FAIL(1, 10, 20, "['add',1,5]") OK(1, 50, 60, "['count',1,100]"));
    VALID(OK(1, 10, 20, "['add',1,5,105],['add',1,6,111]"));
}

static void the_end_lies_between_acked_and_acked_and_unknown(void **state)
{
    (void)state;
#define RUN                                                                                        \
    OK(1, 10, 20, "['add',1,5]") UNKNOWN(2, 10, "['add',1,20]") UNKNOWN(3, 10, "['add',1,-50]")
    VALID(RUN OK(1, 90, 95, "['count',1,105]"));
    VALID(RUN OK(1, 90, 95, "['count',1,125]"));
    VALID(RUN OK(1, 90, 95, "['count',1,55]"));
    FINDS(RUN OK(1, 90, 95, "['count',1,126]"), "out-of-range");
    FINDS(RUN OK(1, 90, 95, "['count',1,54]"), "out-of-range");
#undef RUN
}

static void lost_addition(void **state)
{
    (void)state;
    FINDS(OK(1, 10, 20, "['add',1,5]") OK(1, 30, 40, "['count',1,100]"), "out-of-range");
    FINDS(OK(1, 10, 20, "['add',1,5]") OK(1, 30, 40, "['add',1,1,101]"), "out-of-range");
}

static void doubled_addition(void **state)
{
    (void)state;
    FINDS(OK(1, 10, 20, "['add',1,5]") OK(1, 30, 40, "['count',1,110]"), "out-of-range");
    FINDS(UNKNOWN(1, 10, "['add',1,5]") OK(1, 30, 40, "['count',1,110]"), "out-of-range");
}

static void refused_addition_applied(void **state)
{
    (void)state;
    FINDS(FAIL(1, 10, 20, "['add',1,5]") OK(1, 30, 40, "['count',1,105]"), "out-of-range");
}

static void addition_from_the_future(void **state)
{
    (void)state;
    FINDS(OK(1, 10, 20, "['count',1,105]") OK(1, 30, 40, "['add',1,5]"), "out-of-range");
}

static void own_addition_is_in_its_sum(void **state)
{
    (void)state;
    FINDS(OK(1, 10, 20, "['add',1,5,100]"), "out-of-range");
    FINDS(OK(1, 10, 20, "['add',1,-5,100]"), "out-of-range");
}

static void bound_crossed(void **state)
{
    (void)state;
    FINDS(OK(1, 10, 20, "['add',2,10]") OK(1, 30, 40, "['count',2,10]"), "bound-crossed");
    FINDS(OK(1, 10, 20, "['add',2,-10]") SNAPSHOT(1, 30, 40, 2, "['count',2,-10]"),
          "bound-crossed");
}

static void wrong_refusal(void **state)
{
    (void)state;
    FINDS(LIMIT(1, 10, 20, "['add',1,50]"), "wrong-refusal");
    VALID(LIMIT(1, 10, 20, "['add',1,51]"));
    VALID(LIMIT(1, 10, 20, "['add',1,30],['add',1,30]"));
    VALID(UNKNOWN(2, 5, "['add',1,1]") LIMIT(1, 10, 20, "['add',1,50]"));
    FINDS(UNKNOWN(2, 25, "['add',1,1]") LIMIT(1, 10, 20, "['add',1,50]"), "wrong-refusal");
    FINDS(LIMIT(1, 10, 20, "['transfer',5,1,2,9]"), "wrong-refusal");
    VALID(LIMIT(1, 10, 20, "['transfer',5,1,2,10]"));
}

static void transfers_are_two_additions(void **state)
{
    (void)state;
    VALID(OK(1, 10, 20, "['transfer',5,1,2,9]") OK(1, 30, 40, "['balances',[1,91,2,9]]"));
    FINDS(OK(1, 10, 20, "['transfer',5,1,2,9]") OK(1, 30, 40, "['balances',[1,100,2,0]]"),
          "out-of-range");
    /* A retried id counts once. */
    VALID(UNKNOWN(1, 5, "['transfer',5,1,2,4]") OK(1, 10, 20, "['transfer',5,1,2,4]")
              OK(1, 30, 40, "['balances',[1,96,2,4]]"));
    FINDS(UNKNOWN(1, 5, "['transfer',5,1,2,4]") OK(1, 10, 20, "['transfer',5,1,2,4]")
              OK(1, 30, 40, "['balances',[1,92,2,8]]"),
          "out-of-range");
}

static void unopened_quantities(void **state)
{
    (void)state;
    FINDS(OK(1, 30, 40, "['count',3,0]"), "never-opened");
    check_test_ruling(hf_check_counter, OPEN OK(1, 10, 20, "['add',3,1]"), HF_RULING_UNUSABLE);
}

/* Sums beyond 64 bits do not wrap into range. */
static void sums_do_not_overflow(void **state)
{
    (void)state;
#define HUGE "9223372036854775800"
    check_test_finds(hf_check_counter,
                     OK(0, 0, 1, "['open',1,0,-" HUGE "," HUGE "]")
                         OK(1, 10, 20, "['add',1," HUGE "]") OK(1, 30, 40, "['add',1," HUGE "]")
                             OK(1, 50, 60, "['count',1,-16]"),
                     "out-of-range", NULL);
#undef HUGE
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lawful_histories_pass),
        cmocka_unit_test(the_end_lies_between_acked_and_acked_and_unknown),
        cmocka_unit_test(lost_addition),
        cmocka_unit_test(doubled_addition),
        cmocka_unit_test(refused_addition_applied),
        cmocka_unit_test(addition_from_the_future),
        cmocka_unit_test(own_addition_is_in_its_sum),
        cmocka_unit_test(bound_crossed),
        cmocka_unit_test(wrong_refusal),
        cmocka_unit_test(transfers_are_two_additions),
        cmocka_unit_test(unopened_quantities),
        cmocka_unit_test(sums_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
