/* Replies that wait for the disk: execution runs at memory speed, acknowledgement at the log's. */
#include "engine/shard/pack.h"

bool hf_shard__behind(hf_shard *shard)
{
    hf_part__write_ends(shard);
    return shard->backlog_first != NULL;
}

hf_err hf_shard__append(hf_shard *shard, uint16_t kind, const hf_bytes *parts, uint32_t count,
                        uint64_t *lsn)
{
    if (hf_shard__behind(shard)) { /* nothing passes them */
        return HF_E_FULL;
    }
    return hf_log_append(shard->log, kind, 0, 0, parts, count, lsn);
}

uint64_t hf_shard__appended(hf_shard *shard)
{
    hf_part__write_ends(shard);
    return hf_log_appended(shard->log);
}

static bool push(hf_shard *shard, hf_held held)
{
    if (hf_ring_full(&shard->held)) {
        hf_ring bigger;
        if (hf_ring_open(&bigger, shard->heap, hf_ring_capacity(&shard->held) * 2,
                         sizeof(hf_held)) != HF_OK) {
            return false;
        }
        hf_held one;
        while (hf_ring_pop(&shard->held, &one)) {
            HF_ASSERT(hf_ring_push(&bigger, &one));
        }
        hf_ring_close(&shard->held);
        shard->held = bigger;
    }
    /* Positions ascend in the queue: one that lies below its predecessor's waits a little longer.
     */
    if (!hf_ring_empty(&shard->held)) {
        const hf_held *last = hf_ring_at(&shard->held, hf_ring_count(&shard->held) - 1);
        held.lsn = held.lsn > last->lsn ? held.lsn : last->lsn;
    }
    return hf_ring_push(&shard->held, &held);
}

void hf_shard__hold(hf_shard *shard, uint64_t lsn, uint16_t to, hf_msg *msg)
{
    if (lsn <= hf_log_durable(shard->log)) {
        hf_shard__post(shard, to, msg);
        return;
    }
    if (!push(shard, (hf_held){ .lsn = lsn, .msg = msg, .to = to })) {
        /* Memory for the queue is part of what admission keeps free. */
        hf_shard__fail(shard, 70, "memory", "no room to hold back a reply");
    }
}

void hf_shard__hold_part(hf_shard *shard, uint64_t lsn, hf_part *part)
{
    if (!push(shard, (hf_held){ .lsn = lsn, .part = part })) {
        hf_shard__fail(shard, 70, "memory", "no room to hold back a vote");
    }
}

void hf_shard__durable(hf_shard *shard, uint64_t lsn)
{
    while (!hf_ring_empty(&shard->held)) {
        const hf_held *first = hf_ring_at(&shard->held, 0);
        if (first->lsn > lsn) {
            break;
        }
        hf_held held;
        (void)hf_ring_pop(&shard->held, &held);
        if (held.msg != NULL) {
            hf_shard__post(shard, held.to, held.msg);
        } else {
            hf_part__step(shard, held.part, HF_EVENT_DURABLE, shard->self, 0);
        }
    }
    for (uint16_t to = 0; to < shard->count; to++) {
        hf_held *open = &shard->held_packs[to];
        if (open->msg != NULL && open->lsn <= lsn) {
            hf_shard__post(shard, to, open->msg);
            open->msg = NULL;
        }
    }
    hf_part__durable_acks(shard, lsn);
}

static uint64_t count(const hf_held *held)
{
    uint64_t count = held->part != NULL;
    if (held->msg != NULL && held->msg->kind != HF_MSG_PACK) {
        return count + 1;
    }
    for (const hf_msg *m = held->msg == NULL ? NULL : hf_pack__next(held->msg, NULL); m != NULL;
         m = hf_pack__next(held->msg, m)) {
        count++;
    }
    return count;
}

uint64_t hf_shard__held(const hf_shard *shard)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < hf_ring_count(&shard->held); i++) {
        all += count(hf_ring_at(&shard->held, i));
    }
    for (uint16_t to = 0; to < shard->count; to++) {
        all += count(&shard->held_packs[to]);
    }
    return all;
}
