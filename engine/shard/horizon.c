#include "engine/shard/horizon.h"
#include "engine/shard/shard_impl.h"

/* Of the step ahead, this part is what a clock is given that stands before the wall clock: it only
 * counts then, and each restart takes it that much further. */
enum { COUNTING_PART = 64, RECORD_ROOM = 64 };

/* ---- Timestamps that are let out ---- */

static void settle(hf_shard *shard)
{
    hf_horizon *h = &shard->horizon;
    if (h->lsn <= hf_log_durable(shard->log)) {
        h->durable = h->logged;
    }
}

uint64_t hf_horizon__durable(hf_shard *shard)
{
    settle(shard);
    return shard->horizon.durable;
}

static hf_err log_next(hf_shard *shard, uint64_t ts, uint64_t horizon)
{
    hf_horizon *h = &shard->horizon;
    hf_bytes record = hf_bytes_of(&horizon, sizeof horizon);
    uint64_t lsn;
    if (!hf_log_admits(shard->log, RECORD_ROOM + shard->reserve)) {
        return hf_log_stats_get(shard->log).no_space ? HF_E_NOSPACE : HF_E_FULL;
    }
    hf_err err = hf_log_append(shard->log, HF_ENTRY_CLOCK, 0, 0, &record, 1, &lsn);
    if (err == HF_OK) {
        h->logged = horizon;
        h->lsn = lsn;
        h->early = ts + (horizon - ts) / 2;
    }
    return err;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

hf_err hf_horizon__cover(hf_shard *shard, uint64_t ts, uint64_t *lsn)
{
    hf_horizon *h = &shard->horizon;
    uint64_t ahead = shard->config.clock_ahead_ns;
    settle(shard);
    /* One record ahead of need is enough. */
    if (ts > h->logged || (ts > h->early && h->durable == h->logged)) {
        hf_err err =
            log_next(shard, ts, later(ts + ahead / COUNTING_PART, shard->io->wall_ns + ahead));
        if (err != HF_OK && ts > h->logged) {
            return err;
        }
    }
    if (ts > h->durable) {
        *lsn = later(*lsn, h->lsn);
    }
    return HF_OK;
}

hf_horizon_says hf_horizon__covers(hf_shard *shard, uint64_t ts)
{
    uint64_t lsn = 0;
    hf_err err = hf_horizon__cover(shard, ts, &lsn);
    if (err != HF_OK) {
        return err == HF_E_NOSPACE ? HF_HORIZON_NO : HF_HORIZON_SOON;
    }
    return lsn <= hf_log_durable(shard->log) ? HF_HORIZON_YES : HF_HORIZON_SOON;
}

/* ---- After a restart ---- */

hf_err hf_horizon__replay(hf_shard *shard, hf_bytes record)
{
    hf_reader reader = hf_reader_of(record);
    uint64_t horizon = hf_read_u64(&reader);
    if (reader.bad || hf_reader_left(&reader) != 0) {
        return HF_E_CORRUPT;
    }
    hf_horizon__recovered(shard, horizon);
    return HF_OK;
}

void hf_horizon__recovered(hf_shard *shard, uint64_t horizon)
{
    hf_horizon *h = &shard->horizon;
    hf_hlc_observe(&shard->clock, horizon);
    h->logged = h->durable = later(h->logged, horizon);
}

/* Every record that names the incarnation lies behind this one, so no later start takes the same.
 * Where the disk is full nothing is logged, and what lies above the recovered horizon is refused.
 */
void hf_horizon__ready(hf_shard *shard)
{
    uint64_t ts = shard->clock.last;
    (void)log_next(shard, ts, ts + shard->config.clock_ahead_ns / COUNTING_PART);
}

/* ---- Timestamps that clients bring ---- */

static void begin_round(hf_shard *shard)
{
    hf_horizon *h = &shard->horizon;
    hf_shard_set all =
        shard->count == HF_SHARDS_MAX ? ~(hf_shard_set)0 : hf_shard_bit(shard->count) - 1;
    h->round++;
    h->again = false;
    h->waits = all & ~hf_shard_bit(shard->self);
    h->to_ask = h->waits;
    h->done = h->waits == 0 ? h->round : h->done;
}

hf_horizon_says hf_horizon__knows(hf_shard *shard, uint64_t *round, uint64_t ts, uint64_t ahead_ns)
{
    hf_horizon *h = &shard->horizon;
    if (hf_hlc_believes(&shard->clock, ts, shard->io->wall_ns, ahead_ns)) {
        *round = 0;
        return HF_HORIZON_YES;
    }
    if (*round == 0) { /* those who answered the round under way may have told `ts` since */
        h->again = h->round != h->done;
        *round = h->round + 1;
        if (!h->again) {
            begin_round(shard);
        }
    }
    if (h->done < *round) {
        return HF_HORIZON_SOON;
    }
    *round = 0;
    return HF_HORIZON_NO;
}

void hf_horizon__message(hf_shard *shard, const hf_msg_decision *msg)
{
    hf_horizon *h = &shard->horizon;
    hf_shard_set from = hf_shard_bit(msg->head.from);
    hf_hlc_observe(&shard->clock, msg->ts);
    if (msg->state == 0) { /* a question */
        h->to_answer |= from;
        h->asked[msg->head.from] = msg->count;
    } else if (msg->count == h->round) {
        h->waits &= ~from;
        if (h->waits == 0) {
            h->done = h->round;
            if (h->again) {
                begin_round(shard);
            }
        }
    }
}

/* What finds no memory now is sent in a later turn. */
static void send(hf_shard *shard, hf_shard_set *set, bool answers)
{
    for (uint16_t to = 0; to < shard->count; to++) {
        if ((*set & hf_shard_bit(to)) == 0) {
            continue;
        }
        hf_msg_decision d = { .state = answers,
                              .ts = answers ? shard->clock.last : 0,
                              .count = answers ? shard->horizon.asked[to] : shard->horizon.round };
        hf_msg *msg = hf_shard__msg_of(shard, HF_MSG_CLOCK, &d, sizeof d, hf_bytes_of(NULL, 0));
        if (msg == NULL) {
            return;
        }
        *set &= ~hf_shard_bit(to);
        hf_shard__post(shard, to, msg);
    }
}

bool hf_horizon__turn(hf_shard *shard)
{
    hf_horizon *h = &shard->horizon;
    if ((h->to_ask | h->to_answer) != 0) {
        send(shard, &h->to_ask, false);
        send(shard, &h->to_answer, true);
    }
    return (h->to_ask | h->to_answer) != 0;
}
