#include "engine/base/hist.h"
#include "engine/base/assert.h"

#include <string.h>

void hf_hist_reset(hf_hist *hist)
{
    memset(hist, 0, sizeof *hist);
    hist->min = UINT64_MAX;
}

void hf_hist_merge(hf_hist *into, const hf_hist *from)
{
    for (uint32_t i = 0; i < HF_HIST_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
    into->count += from->count;
    if (__builtin_add_overflow(into->sum, from->sum, &into->sum)) {
        into->sum = UINT64_MAX;
    }
    into->max = from->max > into->max ? from->max : into->max;
    into->min = from->min < into->min ? from->min : into->min;
}

/* The largest value of a bucket. */
static uint64_t bucket_top(uint32_t bucket)
{
    if (bucket < HF_HIST_STEPS) {
        return bucket;
    }
    uint32_t shift = bucket / HF_HIST_STEPS - 1;
    uint64_t step = bucket % HF_HIST_STEPS + HF_HIST_STEPS;
    return (step << shift) + ((UINT64_C(1) << shift) - 1);
}

uint64_t hf_hist_quantile(const hf_hist *hist, double q)
{
    HF_PRE(q >= 0 && q <= 1);
    if (hist->count == 0) {
        return 0;
    }
    double exact = q * (double)hist->count;
    uint64_t rank = (uint64_t)exact;
    rank += (double)rank < exact;
    rank = rank == 0 ? 1 : rank;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HF_HIST_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen >= rank) {
            uint64_t top = bucket_top(i);
            return top < hist->max ? top : hist->max;
        }
    }
    return hist->max; /* rank was rounded beyond count, which takes more than 2^53 values */
}
