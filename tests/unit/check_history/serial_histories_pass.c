/* Every judge passes every history of a database that cannot be wrong, whatever the overlap. */
#include "tests/sim/checkers/check_append.h"
#include "tests/sim/checkers/check_bank.h"
#include "tests/sim/checkers/check_commit_order.h"
#include "tests/sim/checkers/check_counter.h"
#include "tests/sim/checkers/check_register.h"
#include "tests/unit/check_history/check_test.h"
#include "tests/unit/check_history/serial_db.h"

static hf_ruling judge_register(const hf_history *history, hf_verdict *verdict)
{
    return hf_check_register(history, HF_REGISTER_STEPS, verdict);
}

static hf_ruling judge_bank(const hf_history *history, hf_verdict *verdict)
{
    return hf_check_bank(history, verdict, NULL);
}

static void judge_one(uint64_t seed, const hf_history *history, check_test_judge *judge,
                      uint64_t judged_least)
{
    hf_verdict verdict;
    hf_verdict_open(&verdict);
    if (judge(history, &verdict) != HF_RULING_VALID) {
        hf_check_text text = { 0 };
        hf_verdict_print(&verdict, &text);
        print_message("seed %u: %s", (unsigned)seed, hf_check_text_of(&text));
        hf_check_text_close(&text);
    }
    assert_int_equal(verdict.ruling, HF_RULING_VALID);
    assert_true(verdict.judged >= judged_least);
    hf_verdict_close(&verdict);
}

/* With its unknown outcomes, and again after they were asked for. */
static void passes(serial_work work, check_test_judge *judge, uint64_t judged_least)
{
    static const uint32_t crowds[] = { 1, 3, 10, 40 };
    for (uint64_t seed = 1; seed <= 60; seed++) {
        hf_history history;
        hf_history_open(&history);
        serial_run(seed, work, crowds[seed % 4], 600, SERIAL_NONE, &history);
        judge_one(seed, &history, judge, judged_least);
        serial_resolve(&history);
        judge_one(seed, &history, judge, judged_least);
        hf_history_close(&history);
    }
}

static void lists(void **state)
{
    (void)state;
    passes(SERIAL_LISTS, hf_check_append, 600);
    passes(SERIAL_LISTS, hf_check_commit_order, 600);
}

static void registers(void **state)
{
    (void)state;
    passes(SERIAL_REGISTERS, judge_register, 250);
    passes(SERIAL_REGISTERS, hf_check_commit_order, 250);
}

static void bank(void **state)
{
    (void)state;
    passes(SERIAL_BANK, judge_bank, 200);
    passes(SERIAL_BANK, hf_check_counter, 500);
    passes(SERIAL_BANK, hf_check_commit_order, 500);
}

static void counters(void **state)
{
    (void)state;
    passes(SERIAL_COUNTERS, hf_check_counter, 200);
    passes(SERIAL_COUNTERS, hf_check_commit_order, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(registers),
        cmocka_unit_test(bank),
        cmocka_unit_test(counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
