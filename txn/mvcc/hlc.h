/* hf_hlc: the hybrid clock of one shard: nanoseconds since 1970 that never stand still or go back.
 *
 * A timestamp is one u64: the wall clock when it is ahead, else the last timestamp plus one. Every
 * timestamp seen in a message is observed, so that what was caused comes later. Timestamps order
 * versions; no proof of strictness rests on them. It lives in memory: what of it survives a restart
 * is its owner's (engine/shard/horizon.h). (Kulkarni et al., "Logical Physical Clocks",
 * 2014, with the logical part folded into the nanoseconds.)
 */
#ifndef HF_MVCC_HLC_H
#define HF_MVCC_HLC_H
#include <stdbool.h>
#include <stdint.h>

typedef struct hf_hlc {
    uint64_t last; /* the newest timestamp given out or observed */
} hf_hlc;

/* The next timestamp, above every earlier one. */
static inline uint64_t hf_hlc_next(hf_hlc *hlc, uint64_t wall_ns)
{
    hlc->last = wall_ns > hlc->last ? wall_ns : hlc->last + 1;
    return hlc->last;
}

/* Later timestamps will be above `ts`. */
static inline void hf_hlc_observe(hf_hlc *hlc, uint64_t ts)
{
    if (ts > hlc->last) {
        hlc->last = ts;
    }
}

/* Whether a timestamp from outside is too far ahead to be believed: refuse it, never merge it, or
 * one bad clock drags all others along. `bound_ns` is the declared error of clocks. */
bool hf_hlc_poisoned(uint64_t ts, uint64_t wall_ns, uint64_t bound_ns);

/* Whether a timestamp that a client brings may be observed. Measured against the wall clock:
 * against this one a client could push it ahead bit by bit, as far as it likes. */
static inline bool hf_hlc_believes(const hf_hlc *hlc, uint64_t ts, uint64_t wall_ns,
                                   uint64_t bound_ns)
{
    return ts <= hlc->last || !hf_hlc_poisoned(ts, wall_ns, bound_ns);
}

#endif
