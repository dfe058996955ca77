/* check_append: every anomaly of the order of transactions is found, and called by its name. */
#include "tests/sim/checkers/check_append.h"
#include "tests/sim/checkers/cycles.h"
#include "tests/unit/check_history/check_test.h"

#include <string.h>

#define FINDS(lines, anomaly, nickname) check_test_finds(hf_check_append, lines, anomaly, nickname)

static void dirty_write(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1],['append',2,1]")
              OK(1, 0, 10, "['append',1,2],['append',2,2]")
                  OK(2, 20, 30, "['list',1,[1,2]],['list',2,[2,1]]"),
          "G0", "dirty write");
}

static void circular_information_flow(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1],['list',2,[1]]")
              OK(1, 0, 10, "['append',2,1],['list',1,[1]]"),
          "G1c", "circular information flow");
}

static void read_skew(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1],['append',2,1]") OK(1, 0, 10, "['list',1,[]],['list',2,[1]]")
              OK(2, 20, 30, "['list',1,[1]]"),
          "G-single", "read skew");
}

static void lost_update(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['list',1,[]],['append',1,1]") OK(1, 0, 10, "['list',1,[]],['append',1,2]")
              OK(2, 20, 30, "['list',1,[1,2]]"),
          "lost-update", "lost update");
    FINDS(OK(0, 0, 10, "['list',1,[]],['append',1,1]") OK(1, 0, 10, "['list',1,[]],['append',1,2]")
              OK(2, 20, 30, "['list',1,[1,2]]"),
          "G-single", "lost update");
}

static void lost_update_that_nobody_read(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['list',1,[]],['append',1,1]") OK(1, 0, 10, "['list',1,[]],['append',1,2]"),
          "lost-update", NULL);
    FINDS(OK(0, 0, 10, "['list',1,[]],['append',1,1]") OK(1, 0, 10, "['list',1,[]],['append',1,2]"),
          "G2-item", "lost update");
}

static void write_skew(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['list',1,[]],['append',2,1]") OK(1, 0, 10, "['list',2,[]],['append',1,1]")
              OK(2, 20, 30, "['list',1,[1]],['list',2,[1]]"),
          "G2-item", "write skew");
}

/* A scan is one read per key of its range: a key that appears is a phantom. */
static void write_skew_through_scans(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['list',1,[]],['list',2,[]],['append',1,1]")
              OK(1, 0, 10, "['list',1,[]],['list',2,[]],['append',2,1]"),
          "G2-item", "write skew");
}

static void long_fork(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 100, "['append',1,1]") OK(1, 0, 100, "['append',2,1]")
              OK(2, 0, 100, "['list',1,[1]],['list',2,[]]")
                  OK(3, 0, 100, "['list',1,[]],['list',2,[1]]")
                      OK(4, 200, 210, "['list',1,[1]],['list',2,[1]]"),
          "G2-item", "long fork");
}

static void stale_read(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(1, 20, 30, "['list',1,[]]")
              OK(2, 40, 50, "['list',1,[1]]"),
          "G-single-realtime", "stale read");
}

/* Many transactions lie between the write and the stale read, in real time and by what they append
 * and read: the shown cycle is still two steps. */
static void far_stale_read_is_shown_short(void **state)
{
    (void)state;
    hf_history history;
    hf_history_open(&history);
    uint32_t write = hf_history_begin(&history, 2, 0);
    hf_history_append(&history, write, 1, 1);
    hf_history_end(&history, write, 5, HF_HEARD_OK);
    int64_t between[500];
    for (int64_t i = 1; i <= 500; i++) {
        between[i - 1] = i;
        uint32_t t = hf_history_begin(&history, 0, i * 10);
        hf_history_append(&history, t, 2, i);
        hf_history_end(&history, t, i * 10 + 5, HF_HEARD_OK);
    }
    uint32_t stale = hf_history_begin(&history, 1, 6000);
    hf_history_list(&history, stale, 1, NULL, 0);
    hf_history_list(&history, stale, 2, between, 500);
    hf_history_end(&history, stale, 6005, HF_HEARD_OK);
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    assert_int_equal(hf_check_append(&history, &verdict), HF_RULING_INVALID);
    assert_int_equal(verdict.finding_count, 1);
    assert_true(hf_verdict_has(&verdict, "lost write"));
    const char *shown = hf_check_text_of(&verdict.findings[0].text);
    assert_non_null(strstr(shown, "T0 returned at 5, T501 was invoked at 6000"));
    assert_non_null(strstr(shown, "T501 read key 1 without T0's append of 1"));
    assert_null(strstr(shown, "T250"));
    hf_verdict_close(&verdict);
    hf_history_close(&history);
}

static void lost_acknowledged_append(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(1, 20, 30, "['list',1,[]]"), "G-single-realtime",
          "lost write");
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(1, 11, 12, "['append',1,2]")
              OK(1, 20, 30, "['list',1,[2]]"),
          "G0-realtime", "lost write");
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(0, 11, 12, "['append',1,2]")
              OK(1, 20, 30, "['list',1,[2]]"),
          "G0-process", "lost write");
}

/* Its own read stops in the middle of its appends: the rest must follow at once, before any other.
 */
static void lost_append_before_an_unread_end(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,3]")
              OK(1, 20, 30, "['append',1,1],['list',1,[1]],['append',1,2]"),
          "G0-realtime", "lost write");
}

static void causal_reverse(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(1, 20, 30, "['append',2,1]")
              OK(2, 5, 40, "['list',1,[]],['list',2,[1]]") OK(3, 50, 60, "['list',1,[1]]"),
          "G-single-realtime", "causal reverse");
}

static void one_process_seen_out_of_order(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(0, 10, 30, "['append',2,1]")
              OK(2, 5, 40, "['list',1,[]],['list',2,[1]]") OK(3, 50, 60, "['list',1,[1]]"),
          "G-single-process", "causal reverse");
}

static void writes_against_real_time(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(1, 20, 30, "['append',1,2]")
              OK(2, 40, 50, "['list',1,[2,1]]"),
          "G0-realtime", "real-time reversal");
}

static void read_from_the_future(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['list',1,[1]]") OK(1, 20, 30, "['append',1,1]"), "G1c-realtime",
          "read from the future");
}

/* Equal times are an overlap, but a process does one thing after another. */
static void own_write_not_seen(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1]") OK(0, 10, 20, "['list',1,[]]")
              OK(1, 30, 40, "['list',1,[1]]"),
          "G-single-process", "own write not seen");
}

static void snapshots_must_still_fit(void **state)
{
    (void)state;
    FINDS(OK(0, 0, 10, "['append',1,1],['append',2,1]")
              SNAPSHOT(1, 20, 30, 1, "['list',1,[]],['list',2,[1]]")
                  OK(2, 40, 50, "['list',1,[1]]"),
          "G-single", "read skew");
    FINDS(SNAPSHOT(1, 0, 10, 1, "['list',1,[1]]") OK(0, 20, 30, "['append',1,1]"), "G1c-realtime",
          NULL);
}

static void each_circle_is_reported_once(void **state)
{
    (void)state;
    hf_history history;
    hf_history_open(&history);
    check_test_parse(&history, OK(0, 0, 10, "['append',1,1]") OK(1, 20, 30, "['list',1,[]]")
                                   OK(2, 40, 50, "['append',2,1]") OK(3, 60, 70, "['list',2,[]]")
                                       OK(4, 80, 90, "['list',1,[1]],['list',2,[1]]"));
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    assert_int_equal(hf_check_append(&history, &verdict), HF_RULING_INVALID);
    assert_int_equal(verdict.finding_count, 2);
    hf_verdict_close(&verdict);
    hf_history_close(&history);
}

/* The budget of the search bounds what is shown, never whether it is found. */
static void a_circle_is_found_without_any_budget(void **state)
{
    (void)state;
    hf_history history;
    hf_history_open(&history);
    check_test_parse(&history, OK(0, 0, 10, "") OK(1, 0, 10, "") OK(2, 0, 10, ""));
    hf_graph graph;
    hf_graph_open(&graph, 3);
    hf_graph_edge(&graph, (hf_edge){ 0, 1, HF_EDGE_WW, 1, 1 });
    hf_graph_edge(&graph, (hf_edge){ 1, 0, HF_EDGE_WR, 1, 1 });
    hf_graph_edge(&graph, (hf_edge){ 1, 2, HF_EDGE_WR, 1, 1 });
    hf_graph_seal(&graph);
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    hf_cycles_find(&graph, &history, 0, &verdict);
    assert_int_equal(verdict.finding_count, 1);
    assert_true(hf_verdict_has(&verdict, "cycle"));
    hf_verdict_close(&verdict);
    hf_graph_close(&graph);
    hf_history_close(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dirty_write),
        cmocka_unit_test(circular_information_flow),
        cmocka_unit_test(read_skew),
        cmocka_unit_test(lost_update),
        cmocka_unit_test(lost_update_that_nobody_read),
        cmocka_unit_test(write_skew),
        cmocka_unit_test(write_skew_through_scans),
        cmocka_unit_test(long_fork),
        cmocka_unit_test(stale_read),
        cmocka_unit_test(far_stale_read_is_shown_short),
        cmocka_unit_test(lost_acknowledged_append),
        cmocka_unit_test(lost_append_before_an_unread_end),
        cmocka_unit_test(causal_reverse),
        cmocka_unit_test(one_process_seen_out_of_order),
        cmocka_unit_test(writes_against_real_time),
        cmocka_unit_test(read_from_the_future),
        cmocka_unit_test(own_write_not_seen),
        cmocka_unit_test(snapshots_must_still_fit),
        cmocka_unit_test(each_circle_is_reported_once),
        cmocka_unit_test(a_circle_is_found_without_any_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
