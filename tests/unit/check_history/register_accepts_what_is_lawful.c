/* check_register: lawful histories pass, the search gives up only when told to, and agrees with
 * trying every order of small histories. */
#include "tests/sim/checkers/check_register.h"
#include "tests/sim/checkers/register_search.h"
#include "tests/unit/check_history/check_test.h"

#include "engine/base/prng.h"

static hf_ruling judge(const hf_history *history, hf_verdict *verdict)
{
    return hf_check_register(history, HF_REGISTER_STEPS, verdict);
}

static hf_ruling judge_impatient(const hf_history *history, hf_verdict *verdict)
{
    return hf_check_register(history, 3, verdict);
}

#define VALID(lines) check_test_valid(judge, lines)

static void overlap_may_order_either_way(void **state)
{
    (void)state;
    VALID(OK(0, 0, 10, "['write',1,1]") OK(1, 0, 10, "['read',1,null]"));
    VALID(OK(0, 0, 10, "['write',1,1]") OK(1, 0, 10, "['read',1,1]"));
    VALID(OK(0, 0, 10, "['write',1,1]") OK(1, 5, 20, "['write',1,2]")
              OK(2, 30, 40, "['read',1,1]"));
    VALID(OK(0, 0, 10, "['write',1,1]") OK(1, 20, 50, "['cas',1,1,2,1]")
              OK(2, 20, 50, "['cas',1,1,3,0]") OK(3, 60, 70, "['read',1,2]"));
}

static void unknown_may_happen_late_or_never(void **state)
{
    (void)state;
    VALID(UNKNOWN(0, 0, "['write',1,1]") OK(1, 10, 20, "['write',1,2]")
              OK(1, 30, 40, "['read',1,2]") OK(1, 50, 60, "['read',1,1]"));
    VALID(UNKNOWN(0, 0, "['write',1,1]") OK(1, 10, 20, "['read',1,null]"));
    VALID(UNKNOWN(0, 0, "['write',1,1]") UNKNOWN(1, 0, "['cas',1,1,2]")
              OK(2, 10, 20, "['read',1,2]"));
    VALID(UNKNOWN(0, 0, "['delete',1]") OK(1, 10, 20, "['write',1,2]")
              OK(1, 30, 40, "['read',1,null]"));
}

/* Both unknown ones lead to the same value at first; only one of them can do so again later. */
static void the_right_unknown_is_kept_for_later(void **state)
{
    (void)state;
    VALID(UNKNOWN(0, 0, "['write',1,1]") UNKNOWN(1, 0, "['cas',1,null,1]") OK(
        2, 10, 20, "['read',1,1]") OK(2, 30, 40, "['write',1,2]") OK(2, 50, 60, "['read',1,1]"));
}

static void resolved_later_must_happen_at_some_time(void **state)
{
    (void)state;
    const char *line = "{'process':0,'invoke':0,'heard':'ok','ops':[['cas',1,5,6,1]]}\n";
    hf_history history;
    hf_history_open(&history);
    check_test_parse(&history, line);
    check_test_parse(&history, OK(1, 10, 20, "['write',1,5]") OK(1, 30, 40, "['read',1,6]"));
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    assert_int_equal(judge(&history, &verdict), HF_RULING_VALID);
    hf_verdict_close(&verdict);
    hf_history_close(&history);
    check_test_finds(judge,
                     "{'process':0,'invoke':0,'heard':'ok','ops':[['cas',1,5,6,1]]}\n" OK(
                         1, 10, 20, "['write',1,4]"),
                     "not-linearizable", NULL);
}

static void gives_up_at_the_limit(void **state)
{
    (void)state;
    const char *lines = OK(0, 0, 10, "['write',1,1]") OK(1, 20, 30, "['write',1,2]")
        OK(1, 40, 50, "['write',1,3]") OK(1, 60, 70, "['read',1,3]");
    check_test_ruling(judge_impatient, lines, HF_RULING_GAVE_UP);
    check_test_ruling(judge, lines, HF_RULING_VALID);
}

static void many_unknown_writes_are_no_burden(void **state)
{
    (void)state;
    hf_history history;
    hf_history_open(&history);
    for (int64_t i = 0; i < 40; i++) {
        uint32_t t = hf_history_begin(&history, (uint32_t)i, i);
        hf_history_write(&history, t, 1, i);
    }
    for (int64_t i = 0; i < 400; i++) {
        uint32_t t = hf_history_begin(&history, 99, 100 + i * 10);
        if (i % 2 == 0) {
            hf_history_write(&history, t, 1, 1000 + i);
        } else {
            hf_history_read(&history, t, 1, i % 50 == 1 ? i / 50 : 1000 + i - 1);
        }
        hf_history_end(&history, t, 105 + i * 10, HF_HEARD_OK);
    }
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    assert_int_equal(judge(&history, &verdict), HF_RULING_VALID);
    hf_verdict_close(&verdict);
    hf_history_close(&history);
}

/* ---- The search against trying every order ---- */
enum { SMALL = 7 };

/* May op `next` come now, given those `done`? */
static bool brute_may(const hf_register_op *ops, uint32_t count, unsigned done, uint32_t next)
{
    for (uint32_t i = 0; i < count; i++) {
        if ((done >> i & 1) == 0 && ops[i].returned < ops[next].invoked) {
            return false;
        }
    }
    return true;
}

static bool brute(const hf_register_op *ops, uint32_t count, unsigned done, int64_t value)
{
    bool all = true;
    for (uint32_t i = 0; i < count; i++) {
        all = all && ((done >> i & 1) != 0 || ops[i].returned == HF_NEVER);
    }
    if (all) {
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        int64_t after = value;
        if ((done >> i & 1) == 0 && brute_may(ops, count, done, i) &&
            hf_register_apply(ops[i].txn, 1, &after) && brute(ops, count, done | 1u << i, after)) {
            return true;
        }
    }
    return false;
}

static void random_op(hf_prng *prng, hf_history *history, uint32_t txn)
{
    int64_t a = (int64_t)hf_prng_below(prng, 3);
    int64_t b = (int64_t)hf_prng_below(prng, 3);
    uint32_t op;
    switch (hf_prng_below(prng, 5)) {
    case 0:
    case 1:
        hf_history_write(history, txn, 1, a);
        break;
    case 2:
        hf_history_op(history, txn, HF_MICRO_DELETE, (int64_t[]){ 1 });
        break;
    case 3:
        op = hf_history_op(history, txn, HF_MICRO_CAS, (int64_t[]){ 1, a, b });
        if (hf_prng_below(prng, 4) != 0) {
            hf_history_answer(history, txn, op, (int64_t)hf_prng_below(prng, 2));
        }
        break;
    default:
        hf_history_read(history, txn, 1, hf_prng_below(prng, 4) == 0 ? HF_NIL : a);
        break;
    }
}

static void agrees_with_trying_every_order(void **state)
{
    (void)state;
    hf_prng prng = hf_prng_of(20261121);
    uint32_t yes = 0;
    uint32_t no = 0;
    for (uint32_t round = 0; round < 20000; round++) {
        hf_history history;
        hf_history_open(&history);
        hf_register_op ops[SMALL];
        int64_t now = 0;
        for (uint32_t i = 0; i < SMALL; i++) {
            now += (int64_t)hf_prng_below(&prng, 3);
            uint32_t t = hf_history_begin(&history, i, now);
            random_op(&prng, &history, t);
            if (hf_prng_below(&prng, 4) == 0) {
                random_op(&prng, &history, t);
            }
            int64_t returned = now + (int64_t)hf_prng_below(&prng, 6);
            ops[i] = (hf_register_op){ NULL, t, now,
                                       hf_prng_below(&prng, 4) == 0 ? HF_NEVER : returned };
        }
        for (uint32_t i = 0; i < SMALL; i++) {
            ops[i].txn = &history.txns[ops[i].number];
        }
        uint64_t steps = HF_REGISTER_STEPS;
        hf_register_found found = hf_register_search(ops, SMALL, 1, HF_NIL, &steps);
        bool wanted = brute(ops, SMALL, 0, HF_NIL);
        assert_int_equal(found, wanted ? HF_REGISTER_YES : HF_REGISTER_NO);
        yes += wanted;
        no += !wanted;
        hf_history_close(&history);
    }
    assert_true(yes > 2000 && no > 2000); /* both answers were put to the test */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlap_may_order_either_way),
        cmocka_unit_test(unknown_may_happen_late_or_never),
        cmocka_unit_test(the_right_unknown_is_kept_for_later),
        cmocka_unit_test(resolved_later_must_happen_at_some_time),
        cmocka_unit_test(gives_up_at_the_limit),
        cmocka_unit_test(many_unknown_writes_are_no_burden),
        cmocka_unit_test(agrees_with_trying_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
