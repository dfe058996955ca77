/* Of histories in which one fault struck once, each judge catches at least the stated share.
 *
 * The rest is lawful to the judge's eyes: a stale read of something that changed only during it, a
 * lost write that was overwritten before anyone looked. Commit order judges after the unknown
 * outcomes were asked for. Rates are of 60 histories with 10 clients each.
 */
#include "tests/sim/checkers/check_append.h"
#include "tests/sim/checkers/check_bank.h"
#include "tests/sim/checkers/check_commit_order.h"
#include "tests/sim/checkers/check_counter.h"
#include "tests/sim/checkers/check_register.h"
#include "tests/unit/check_history/check_test.h"
#include "tests/unit/check_history/serial_db.h"

#include <stdlib.h>

enum { SEEDS = 60 };

static hf_ruling judge_register(const hf_history *history, hf_verdict *verdict)
{
    return hf_check_register(history, HF_REGISTER_STEPS, verdict);
}

static hf_ruling judge_bank(const hf_history *history, hf_verdict *verdict)
{
    return hf_check_bank(history, verdict, NULL);
}

typedef struct rate {
    serial_fault fault;
    const char *judge_name;
    check_test_judge *judge;
    uint32_t percent; /* caught at least */
} rate;

/* clang-format off */
static const rate rates[] = {
    { SERIAL_STALE_LIST,        "append",        hf_check_append,  90 },
    { SERIAL_STALE_LIST,        "commit order",  hf_check_commit_order, 100 },
    { SERIAL_SKEWED_LIST,       "append",        hf_check_append,  90 },
    { SERIAL_SKEWED_LIST,       "commit order",  hf_check_commit_order, 100 },
    { SERIAL_OLD_READS,         "append",        hf_check_append,  95 },
    { SERIAL_OLD_READS,         "commit order",  hf_check_commit_order, 100 },
    { SERIAL_LOST_APPEND,       "append",        hf_check_append, 100 },
    { SERIAL_LOST_APPEND,       "commit order",  hf_check_commit_order, 100 },
    { SERIAL_TORN_APPEND,       "append",        hf_check_append, 100 },
    { SERIAL_TORN_APPEND,       "commit order",  hf_check_commit_order, 100 },
    { SERIAL_DOUBLE_APPEND,     "append",        hf_check_append, 100 },
    { SERIAL_DOUBLE_APPEND,     "commit order",  hf_check_commit_order, 100 },
    { SERIAL_REFUSED_APPEND,    "append",        hf_check_append, 100 },
    { SERIAL_REFUSED_APPEND,    "commit order",  hf_check_commit_order, 100 },
    { SERIAL_STALE_REGISTER,    "register",      judge_register,  85 },
    { SERIAL_STALE_REGISTER,    "commit order",  hf_check_commit_order, 100 },
    { SERIAL_LOST_REGISTER,     "register",      judge_register,  30 },
    { SERIAL_LOST_REGISTER,     "commit order",  hf_check_commit_order,  80 },
    { SERIAL_REFUSED_REGISTER,  "register",      judge_register,  65 },
    { SERIAL_REFUSED_REGISTER,  "commit order",  hf_check_commit_order,  85 },
    { SERIAL_BLIND_CAS,         "register",      judge_register,  55 },
    { SERIAL_BLIND_CAS,         "commit order",  hf_check_commit_order, 100 },
    { SERIAL_LOST_TRANSFER,     "bank",          judge_bank, 100 },
    { SERIAL_LOST_TRANSFER,     "counter",       hf_check_counter,  80 },
    { SERIAL_LOST_TRANSFER,     "commit order",  hf_check_commit_order, 100 },
    { SERIAL_HALF_TRANSFER,     "bank",          judge_bank, 100 },
    { SERIAL_HALF_TRANSFER,     "counter",       hf_check_counter,  65 },
    { SERIAL_HALF_TRANSFER,     "commit order",  hf_check_commit_order, 100 },
    { SERIAL_DOUBLE_TRANSFER,   "bank",          judge_bank, 100 },
    { SERIAL_DOUBLE_TRANSFER,   "counter",       hf_check_counter,  75 },
    { SERIAL_DOUBLE_TRANSFER,   "commit order",  hf_check_commit_order, 100 },
    { SERIAL_REFUSED_TRANSFER,  "bank",          judge_bank, 100 },
    { SERIAL_REFUSED_TRANSFER,  "counter",       hf_check_counter,  65 },
    { SERIAL_REFUSED_TRANSFER,  "commit order",  hf_check_commit_order, 100 },
    { SERIAL_OVERDRAFT,         "bank",          judge_bank,  65 },
    { SERIAL_OVERDRAFT,         "counter",       hf_check_counter,  65 },
    { SERIAL_OVERDRAFT,         "commit order",  hf_check_commit_order, 100 },
    { SERIAL_LOST_ADD,          "counter",       hf_check_counter,  70 },
    { SERIAL_LOST_ADD,          "commit order",  hf_check_commit_order,  85 },
    { SERIAL_DOUBLE_ADD,        "counter",       hf_check_counter,  60 },
    { SERIAL_DOUBLE_ADD,        "commit order",  hf_check_commit_order,  85 },
    { SERIAL_REFUSED_ADD,       "counter",       hf_check_counter,  70 },
    { SERIAL_REFUSED_ADD,       "commit order",  hf_check_commit_order,  85 },
    { SERIAL_UNBOUNDED_ADD,     "counter",       hf_check_counter, 100 },
    { SERIAL_UNBOUNDED_ADD,     "commit order",  hf_check_commit_order, 100 },
    { SERIAL_WRONG_LIMIT,       "counter",       hf_check_counter,  80 },
};
/* clang-format on */

static void rates_are_met(void **state)
{
    (void)state;
    uint32_t missed = 0;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        const rate *r = &rates[i];
        uint32_t struck = 0;
        uint32_t caught = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            hf_history history;
            hf_history_open(&history);
            if (serial_run(seed, serial_fault_work(r->fault), 10, 600, r->fault, &history)) {
                if (r->judge == hf_check_commit_order) {
                    serial_resolve(&history);
                }
                hf_verdict verdict;
                hf_verdict_open(&verdict);
                struck++;
                caught += r->judge(&history, &verdict) == HF_RULING_INVALID;
                hf_verdict_close(&verdict);
            }
            hf_history_close(&history);
        }
        if (getenv("HF_CHECK_RATES") != NULL || caught * 100 < struck * r->percent) {
            print_message("%-17s %-13s %u of %u, wanted %u %%\n", serial_fault_name(r->fault),
                          r->judge_name, caught, struck, r->percent);
        }
        assert_true(struck >= SEEDS * 9 / 10);
        missed += caught * 100 < struck * r->percent;
    }
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rates_are_met) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
