#include "engine/io/clock.h"
#include "engine/base/assert.h"
#include <time.h>

static uint64_t read_ns(clockid_t clock)
{
    struct timespec at;
    int failed = clock_gettime(clock, &at);
    HF_ASSERT(failed == 0);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

uint64_t hf_clock_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t hf_clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

uint64_t hf_clock_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}
