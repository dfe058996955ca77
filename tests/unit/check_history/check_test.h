/* What the tests of the judges share: histories written down as lines, and what is expected of
 * them.
 *
 * A line is the text form of tests/sim/checkers/history.h with ' for ". OK(process, invoke, return,
 * ops) makes one: OK(0, 10, 20, "['append',1,5],['list',2,[]]").
 */
#ifndef HF_TESTS_CHECK_TEST_H
#define HF_TESTS_CHECK_TEST_H
#include "tests/sim/checkers/verdict.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define CHECK_TEST_LINE(process, invoke, more, heard, ops)                                         \
    "{'process':" #process ",'invoke':" #invoke more ",'heard':'" heard "','ops':[" ops "]}\n"
#define OK(process, invoke, return_, ops)                                                          \
    CHECK_TEST_LINE(process, invoke, ",'return':" #return_, "ok", ops)
#define OK_TS(process, invoke, return_, ts, ops)                                                   \
    CHECK_TEST_LINE(process, invoke, ",'return':" #return_ ",'ts':" #ts, "ok", ops)
#define SNAPSHOT(process, invoke, return_, ts, ops)                                                \
    CHECK_TEST_LINE(process, invoke, ",'return':" #return_ ",'snapshot':" #ts, "ok", ops)
#define FAIL(process, invoke, return_, ops)                                                        \
    CHECK_TEST_LINE(process, invoke, ",'return':" #return_, "fail", ops)
#define LIMIT(process, invoke, return_, ops)                                                       \
    CHECK_TEST_LINE(process, invoke, ",'return':" #return_, "limit", ops)
#define UNKNOWN(process, invoke, ops) CHECK_TEST_LINE(process, invoke, "", "unknown", ops)

typedef hf_ruling check_test_judge(const hf_history *history, hf_verdict *verdict);

/* Fails the test when a line is not in the form. */
void check_test_parse(hf_history *history, const char *lines);
void check_test_ruling(check_test_judge *judge, const char *lines, hf_ruling wanted);
/* VALID, with at least one observation compared. */
void check_test_valid(check_test_judge *judge, const char *lines);
/* INVALID, with a finding of this anomaly and (unless NULL) of this nickname. */
void check_test_finds(check_test_judge *judge, const char *lines, const char *anomaly,
                      const char *nickname);

#endif
