/* hf_clock: the two clocks of the machine, in nanoseconds. Only engine/io reads them.
 *
 * now is CLOCK_MONOTONIC: it never jumps, and it is the clock by which io_uring measures the sleep
 * of a loop, so a deadline and the sleep towards it agree. CLOCK_BOOTTIME would also count the time
 * that the machine was suspended; then every deadline of the node would be overdue at once on
 * resume, while the wait of the ring would not have moved. What must hold between machines rests on
 * wall.
 */
#ifndef HF_IO_CLOCK_H
#define HF_IO_CLOCK_H
#include <stdint.h>

uint64_t hf_clock_now_ns(void);  /* since an arbitrary point, never backwards */
uint64_t hf_clock_wall_ns(void); /* since 1970, may jump */
/* CPU time that the calling thread has used: for measurements. */
uint64_t hf_clock_cpu_ns(void);

#endif
