#include "txn/twopc/coordinator.h"
#include "engine/base/assert.h"

void hf_coordinator_begin(hf_coordinator *coordinator, hf_attempt attempt,
                          hf_shard_set participants)
{
    HF_PRE(participants != 0);
    *coordinator = (hf_coordinator){ .attempt = attempt,
                                     .participants = participants,
                                     .until = UINT64_MAX,
                                     .state = HF_COORDINATOR_PREPARING };
}

bool hf_coordinator_prepared(hf_coordinator *coordinator, uint16_t shard, uint64_t pts,
                             uint64_t until)
{
    HF_PRE((coordinator->participants & hf_shard_bit(shard)) != 0);
    if (coordinator->state != HF_COORDINATOR_PREPARING ||
        (coordinator->prepared & hf_shard_bit(shard)) != 0) {
        return false;
    }
    coordinator->prepared |= hf_shard_bit(shard);
    if (pts > coordinator->commit_ts) {
        coordinator->commit_ts = pts;
    }
    if (until < coordinator->until) {
        coordinator->until = until;
    }
    if (coordinator->prepared != coordinator->participants) {
        return false;
    }
    HF_POST(coordinator->commit_ts != 0);
    /* The anchor would work it out from the same votes. */
    coordinator->state = coordinator->commit_ts < coordinator->until ? HF_COORDINATOR_COMMITTED
                                                                     : HF_COORDINATOR_ABORTED;
    return true;
}

bool hf_coordinator_refused(hf_coordinator *coordinator, uint16_t shard)
{
    HF_PRE((coordinator->participants & hf_shard_bit(shard)) != 0);
    if (coordinator->state != HF_COORDINATOR_PREPARING) {
        /* Where all have prepared, none refuses (I1). */
        HF_ASSERT(coordinator->state != HF_COORDINATOR_COMMITTED);
        return false;
    }
    /* From one that had prepared it says that the anchor decided so meanwhile. */
    coordinator->state = HF_COORDINATOR_ABORTED;
    return true;
}
