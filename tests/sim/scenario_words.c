/* What replies mean, ids and outcomes: the part of the workloads that they share. */
#include "tests/sim/scenario.h"

#include "engine/base/assert.h"
#include "engine/base/uuid.h"
#include "tests/sim/run.h"

#include <stdlib.h>
#include <string.h>

void hf_workload_key(const hf_workload *workload, uint32_t number, char text[HF_KEY_TEXT])
{
    uint32_t part = (number * 3 + (unsigned char)workload->letter) % HF_PARTITIONS;
    (void)snprintf(text, HF_KEY_TEXT, "%u/%c%u", part, workload->letter, number);
}

hf_heard hf_heard_of(const hf_reply *reply)
{
    if (reply->kind != '-') {
        return HF_HEARD_OK;
    }
    if (hf_reply_is_error(reply, "LIMIT")) {
        return HF_HEARD_LIMIT;
    }
    /* "-OOM committed, but ..." says so itself; its answers are gone. */
    if (hf_reply_is_error(reply, "INDOUBT") || hf_reply_is_error(reply, "OOM committed")) {
        return HF_HEARD_UNKNOWN;
    }
    return HF_HEARD_FAIL;
}

uint32_t hf_actor_begin(hf_actor *actor)
{
    return hf_history_begin(&actor->workload->history, actor->process,
                            (int64_t)hf_run_now(actor->run));
}

void hf_actor_end(hf_actor *actor, uint32_t txn, hf_heard heard)
{
    hf_history_end(&actor->workload->history, txn, (int64_t)hf_run_now(actor->run), heard);
    if (heard == HF_HEARD_UNKNOWN) {
        actor->process = hf_run_process(actor->run);
    }
}

void hf_id_make(hf_actor *actor, char text[HF_ID_TEXT + 1])
{
    hf_world_prng *prng = hf_actor_prng(actor);
    uint64_t ms = hf_world_wall(hf_run_world(actor->run)) / 1000000;
    uint64_t a = hf_world_prng_next(prng);
    uint64_t b = hf_world_prng_next(prng);
    hf_uuid id = hf_uuid_make_v7(ms, a, b);
    hf_uuid_format(&id, text);
    text[HF_ID_TEXT] = '\0';
}

hf_heard hf_outcome_of(const hf_reply *reply, bool *expired)
{
    *expired = false;
    if (reply->kind != '*' || reply->count == 0) {
        return HF_HEARD_UNKNOWN;
    }
    if (hf_reply_is_text(&reply->items[0], "COMMITTED")) {
        return HF_HEARD_OK;
    }
    if (hf_reply_is_text(&reply->items[0], "ABORTED")) {
        return HF_HEARD_FAIL;
    }
    *expired = hf_reply_is_text(&reply->items[0], "EXPIRED");
    return HF_HEARD_UNKNOWN;
}

bool hf_retry_settles(const hf_reply *reply)
{
    return reply->kind != '-' || hf_reply_is_error(reply, "LIMIT") ||
           hf_reply_is_error(reply, "CONDFAILED") ||
           hf_reply_is_error(reply, "TXNCONFLICT cancelled");
}

bool hf_list_of(const hf_reply *reply, int64_t *list, uint32_t room, uint32_t *count)
{
    *count = 0;
    if (reply->kind == '_') {
        return true;
    }
    if (reply->kind != '$') {
        return false;
    }
    int64_t value = 0;
    bool digits = false;
    for (uint32_t i = 0; i < reply->bytes.size; i++) {
        uint8_t c = reply->bytes.data[i];
        if (c == ',' && digits && *count < room) {
            list[(*count)++] = value;
            value = 0;
            digits = false;
        } else if (c >= '0' && c <= '9' && value < INT64_MAX / 10 - 9) {
            value = value * 10 + (c - '0');
            digits = true;
        } else {
            return false;
        }
    }
    return !digits;
}

void hf_judge_with(hf_workload *workload, const char *judge, hf_verdict *verdict)
{
    enum { SHOWN = 3 };
    hf_check_text text = { 0 };
    uint64_t all = verdict->finding_count;
    hf_verdict shown;
    switch (hf_verdict_settle(verdict)) {
    case HF_RULING_VALID:
    case HF_RULING_NOTHING:
    case HF_RULING_GAVE_UP:
        break;
    case HF_RULING_UNUSABLE:
    case HF_RULING_INVALID:
        shown = *verdict;
        shown.finding_count = all < SHOWN ? all : SHOWN; /* the rest is in the saved history */
        hf_verdict_print(&shown, &text);
        hf_check_text_add(&text, "%llu findings in all\n", (unsigned long long)all);
        hf_run_fail(workload->run, HF_RUN_WRONG, "%s: the %s judge: %s", workload->kind->name,
                    judge, hf_check_text_of(&text));
        break;
    }
    hf_check_text_close(&text);
}
