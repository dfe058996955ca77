#include "txn/raft/liveness.h"
#include "engine/base/assert.h"
#include <string.h>

static hf_liveness_peer *peer_of(hf_liveness *l, uint32_t node)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->peer[i].node == node) {
            return &l->peer[i];
        }
    }
    return NULL;
}

void hf_liveness_open(hf_liveness *l, const hf_liveness_options *options, uint32_t self,
                      uint32_t start, bool first, uint64_t now)
{
    HF_PRE(start != 0 && self != 0);
    memset(l, 0, sizeof *l);
    l->self = self;
    l->start = start;
    l->mute_to = first ? 0 : now + options->support_ns;
}

bool hf_liveness_add(hf_liveness *l, uint32_t node, uint64_t now)
{
    HF_PRE(node != l->self && node != 0 && peer_of(l, node) == NULL);
    if (l->count == HF_LIVENESS_PEERS_MAX) {
        return false;
    }
    l->peer[l->count++] = (hf_liveness_peer){ .node = node, .ask_at = now };
    return true;
}

/* A promise outlives the peer's place in the table: nobody is voted for until it is over. */
void hf_liveness_remove(hf_liveness *l, uint32_t node)
{
    hf_liveness_peer *p = peer_of(l, node);
    if (p == NULL) {
        return;
    }
    if (p->keeps_epoch != 0 && p->keeps_until > l->mute_to) {
        l->mute_to = p->keeps_until;
    }
    *p = l->peer[--l->count];
    memset(&l->peer[l->count], 0, sizeof l->peer[l->count]);
}

/* ---- What is kept, and what is counted on ---- */

static void end_keeping(hf_liveness_peer *p)
{
    p->keeps_epoch = 0;
    p->keeps_until = 0;
}

static void expire(hf_liveness_peer *p, uint64_t now)
{
    if (p->keeps_epoch != 0 && now >= p->keeps_until) {
        end_keeping(p);
    }
    if (p->has_epoch != 0 && now >= p->has_until) {
        p->has_until = 0;
    }
}

static void tell(hf_liveness *l, hf_liveness_peer *p, bool anew, uint64_t now,
                 hf_liveness_update *update)
{
    bool keeps = hf_liveness_keeps(l, p->node, now) != 0;
    bool has = p->has_until > now;
    if (anew || keeps != p->told_keeps || has != p->told_has) {
        update->changed |= UINT32_C(1) << (p - l->peer);
    }
    p->told_keeps = keeps;
    p->told_has = has;
}

static void send(hf_liveness_update *update, hf_liveness_message message)
{
    HF_ASSERT(update->message_count < HF_LIVENESS_PEERS_MAX);
    update->message[update->message_count++] = message;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When something ends by itself, or a heartbeat is due. */
static uint64_t wake_at(const hf_liveness *l)
{
    uint64_t at = UINT64_MAX;
    for (uint32_t i = 0; i < l->count; i++) {
        const hf_liveness_peer *p = &l->peer[i];
        at = least(at, p->ask_at);
        at = p->keeps_epoch != 0 ? least(at, p->keeps_until) : at;
        at = p->has_until != 0 ? least(at, p->has_until) : at;
    }
    return at;
}

void hf_liveness_tick(hf_liveness *l, const hf_liveness_options *options, uint64_t now,
                      hf_liveness_update *update)
{
    update->changed = update->message_count = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        hf_liveness_peer *p = &l->peer[i];
        expire(p, now);
        tell(l, p, false, now, update);
        if (now >= p->ask_at) {
            p->ask_at = now + options->interval_ns;
            send(update, (hf_liveness_message){ .from = l->self,
                                                .to = p->node,
                                                .start = l->start,
                                                .kind = HF_LIVENESS_HEARTBEAT,
                                                .round = l->round,
                                                .sent = now });
        }
    }
    update->wake_at = wake_at(l);
}

static void heartbeat(hf_liveness *l, hf_liveness_peer *p, const hf_liveness_options *options,
                      const hf_liveness_message *m, uint64_t now, hf_liveness_update *update)
{
    bool anew = p->keeps_epoch == 0;
    if (anew) {
        HF_ASSERT(l->epochs < UINT32_MAX);
        p->keeps_epoch = (uint64_t)l->start << 32 | ++l->epochs;
    }
    if (p->keeps_until < now + options->support_ns) {
        p->keeps_until = now + options->support_ns;
    }
    tell(l, p, anew, now, update);
    send(update, (hf_liveness_message){ .from = l->self,
                                        .to = p->node,
                                        .start = l->start,
                                        .kind = HF_LIVENESS_SUPPORT,
                                        .asker = m->start,
                                        .round = m->round,
                                        .sent = m->sent,
                                        .epoch = p->keeps_epoch });
}

static void support(hf_liveness *l, hf_liveness_peer *p, const hf_liveness_options *options,
                    const hf_liveness_message *m, uint64_t now, hf_liveness_update *update)
{
    if (m->asker != l->start || m->round != l->round || m->epoch < p->has_epoch || m->sent > now) {
        return;
    }
    uint64_t margin = (options->support_ns * options->margin + HF_LIVENESS_MARGIN_UNIT - 1) /
                      HF_LIVENESS_MARGIN_UNIT;
    uint64_t until = m->sent + options->support_ns - margin;
    bool anew = m->epoch != p->has_epoch;
    if (anew || until > p->has_until) {
        p->has_until = until > now ? until : 0;
    }
    p->has_epoch = m->epoch;
    tell(l, p, anew, now, update);
}

void hf_liveness_receive(hf_liveness *l, const hf_liveness_options *options,
                         const hf_liveness_message *m, uint64_t now, hf_liveness_update *update)
{
    update->changed = update->message_count = 0;
    hf_liveness_peer *p = peer_of(l, m->from);
    if (p != NULL && m->to == l->self && m->start >= p->start) {
        expire(p, now);
        if (m->start > p->start) {
            /* Started anew: it leads nothing any more, and keeps nothing of before. */
            p->start = m->start;
            end_keeping(p);
        }
        if (m->kind == HF_LIVENESS_HEARTBEAT) {
            heartbeat(l, p, options, m, now, update);
        } else {
            support(l, p, options, m, now, update);
        }
    }
    update->wake_at = wake_at(l);
}

void hf_liveness_distrust(hf_liveness *l, const hf_liveness_options *options, bool trusted,
                          uint64_t now)
{
    l->distrusted = !trusted;
    l->round++;
    l->mute_to = now + options->support_ns;
    for (uint32_t i = 0; i < l->count; i++) {
        hf_liveness_peer *p = &l->peer[i];
        p->has_until = 0;
        p->ask_at = now;
        if (p->keeps_until > l->mute_to) {
            p->keeps_until = l->mute_to; /* the clock went back: not longer than ever promised */
        }
    }
}

bool hf_liveness_trusted(const hf_liveness *l)
{
    return !l->distrusted;
}

bool hf_liveness_may_vote(const hf_liveness *l, uint64_t now)
{
    return now >= l->mute_to;
}

uint64_t hf_liveness_keeps(const hf_liveness *l, uint32_t node, uint64_t now)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->peer[i].node == node) {
            return now < l->peer[i].keeps_until ? l->peer[i].keeps_epoch : 0;
        }
    }
    return 0;
}

uint64_t hf_liveness_has(const hf_liveness *l, uint32_t node, uint64_t *epoch)
{
    *epoch = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->peer[i].node == node) {
            *epoch = l->peer[i].has_epoch;
            return l->peer[i].has_until;
        }
    }
    return 0;
}
