/* hf_hist: a histogram of 64-bit values (nanoseconds) of fixed size, mergeable across cores.
 *
 * Values below 64 have a bucket each; above, every doubling has 64 buckets, so a quantile is at
 * most 1/64 = 1.6 % above the value that was recorded and never below it.
 *
 * Cost:    record O(1), no branch on history; 30 KiB.
 * Threads: one core writes; merge copies for others.
 */
#ifndef HF_BASE_HIST_H
#define HF_BASE_HIST_H
#include <stdint.h>

enum { HF_HIST_STEPS = 64, HF_HIST_BUCKETS = HF_HIST_STEPS * (64 - 6 + 1) };

typedef struct hf_hist {
    uint64_t count;
    uint64_t sum; /* stays at the top rather than wrap */
    uint64_t max;
    uint64_t min; /* UINT64_MAX when empty */
    uint64_t buckets[HF_HIST_BUCKETS];
} hf_hist;

void hf_hist_reset(hf_hist *hist);

static inline uint32_t hf_hist__bucket(uint64_t value)
{
    if (value < HF_HIST_STEPS) {
        return (uint32_t)value;
    }
    uint32_t shift = 63U - (uint32_t)__builtin_clzll(value) - 6U; /* brings value into 64 .. 127 */
    return shift * HF_HIST_STEPS + (uint32_t)(value >> shift);
}

static inline void hf_hist_record(hf_hist *hist, uint64_t value)
{
    hist->buckets[hf_hist__bucket(value)]++;
    hist->count++;
    if (__builtin_add_overflow(hist->sum, value, &hist->sum)) {
        hist->sum = UINT64_MAX;
    }
    hist->max = value > hist->max ? value : hist->max;
    hist->min = value < hist->min ? value : hist->min;
}

/* Adds everything recorded in `from`. */
void hf_hist_merge(hf_hist *into, const hf_hist *from);
/* The value that a part `q` (0 .. 1) of all values does not exceed; 0 when empty. */
uint64_t hf_hist_quantile(const hf_hist *hist, double q);

static inline uint64_t hf_hist_count(const hf_hist *hist)
{
    return hist->count;
}
static inline uint64_t hf_hist_max(const hf_hist *hist)
{
    return hist->max;
}
static inline uint64_t hf_hist_sum(const hf_hist *hist)
{
    return hist->sum;
}
static inline uint64_t hf_hist_min(const hf_hist *hist)
{
    return hist->count == 0 ? 0 : hist->min;
}
static inline uint64_t hf_hist_mean(const hf_hist *hist)
{
    return hist->count == 0 ? 0 : hist->sum / hist->count;
}

#endif
