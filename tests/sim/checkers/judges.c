#include "tests/sim/checkers/judges.h"

#include "tests/sim/checkers/check_append.h"
#include "tests/sim/checkers/check_bank.h"
#include "tests/sim/checkers/check_commit_order.h"
#include "tests/sim/checkers/check_counter.h"
#include "tests/sim/checkers/check_register.h"

static hf_ruling judge_register(const hf_history *history, hf_verdict *verdict)
{
    return hf_check_register(history, HF_REGISTER_STEPS, verdict);
}

static hf_ruling judge_bank(const hf_history *history, hf_verdict *verdict)
{
    return hf_check_bank(history, verdict, NULL);
}

const hf_judge hf_judges[HF_JUDGES] = {
    { "append", hf_check_append },
    { "register", judge_register },
    { "bank", judge_bank },
    { "counter", hf_check_counter },
    { "commit-order", hf_check_commit_order },
};

hf_ruling hf_judges_run(const hf_history *history, hf_check_text *report)
{
    hf_ruling gravest = HF_RULING_NOTHING;
    for (uint32_t j = 0; j < HF_JUDGES; j++) {
        hf_verdict verdict;
        hf_verdict_open(&verdict);
        hf_ruling ruling = hf_judges[j].judge(history, &verdict);
        if (ruling != HF_RULING_NOTHING) {
            hf_check_text_add(report, "%s: ", hf_judges[j].name);
            hf_verdict_print(&verdict, report);
        }
        gravest = ruling > gravest ? ruling : gravest;
        hf_verdict_close(&verdict);
    }
    return gravest;
}
