#include "tests/sim/checkers/verdict.h"

#include "engine/base/assert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void hf_verdict_open(hf_verdict *verdict)
{
    memset(verdict, 0, sizeof *verdict);
}

void hf_verdict_close(hf_verdict *verdict)
{
    for (uint32_t i = 0; i < HF_FINDINGS; i++) {
        hf_check_text_close(&verdict->findings[i].text);
    }
    memset(verdict, 0, sizeof *verdict);
}

hf_check_text *hf_verdict_find(hf_verdict *verdict, const char *anomaly, const char *nickname)
{
    if (verdict->ruling != HF_RULING_UNUSABLE) {
        verdict->ruling = HF_RULING_INVALID;
    }
    /* The last place is the overflow: its text is the newest finding's. */
    uint64_t at = verdict->finding_count++;
    hf_finding *finding = &verdict->findings[at < HF_FINDINGS ? at : HF_FINDINGS - 1];
    hf_check_text_close(&finding->text);
    finding->anomaly = anomaly;
    finding->nickname = nickname;
    return &finding->text;
}

void hf_verdict_unusable(hf_verdict *verdict, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    verdict->ruling = HF_RULING_UNUSABLE;
    hf_check_text_add(hf_verdict_find(verdict, "unusable-history", ""), "%s\n", line);
}

hf_ruling hf_verdict_settle(hf_verdict *verdict)
{
    if (verdict->ruling == HF_RULING_NOTHING && verdict->judged != 0) {
        verdict->ruling = HF_RULING_VALID;
    }
    HF_POST((verdict->finding_count != 0) == (verdict->ruling >= HF_RULING_UNUSABLE));
    return verdict->ruling;
}

const char *hf_ruling_name(hf_ruling ruling)
{
    static const char *const names[] = { "nothing to judge", "valid", "gave up", "unusable",
                                         "invalid" };
    return names[ruling];
}

bool hf_verdict_has(const hf_verdict *verdict, const char *name)
{
    for (uint64_t i = 0; i < verdict->finding_count && i < HF_FINDINGS; i++) {
        if (strcmp(verdict->findings[i].anomaly, name) == 0 ||
            strcmp(verdict->findings[i].nickname, name) == 0) {
            return true;
        }
    }
    return false;
}

void hf_verdict_print(const hf_verdict *verdict, hf_check_text *text)
{
    hf_check_text_add(
        text, "%s: %" PRIu64 " judged, %" PRIu64 " not comparable, %" PRIu64 " findings\n",
        hf_ruling_name(verdict->ruling), verdict->judged, verdict->skipped, verdict->finding_count);
    for (uint64_t i = 0; i < verdict->finding_count && i < HF_FINDINGS; i++) {
        const hf_finding *finding = &verdict->findings[i];
        hf_check_text_add(text, "\n%s%s%s%s\n%s", finding->anomaly,
                          finding->nickname[0] == '\0' ? "" : " (", finding->nickname,
                          finding->nickname[0] == '\0' ? "" : ")",
                          hf_check_text_of(&finding->text));
    }
    if (verdict->finding_count > HF_FINDINGS) {
        hf_check_text_add(text, "\n%" PRIu64 " more findings are not shown.\n",
                          verdict->finding_count - HF_FINDINGS);
    }
}
