/* hf_cpu: which processors there are, and keeping a thread on one. */
#ifndef HF_IO_CPU_H
#define HF_IO_CPU_H
#include "engine/base/error.h"
#include <stdint.h>

/* Processors that this process may run on: at least 1. */
uint16_t hf_cpu_count(void);
/* The numbers of the first `max` of them, ascending; answers how many were written. */
uint16_t hf_cpu_list(uint16_t *cpus, uint16_t max);
/* Keeps the calling thread on one processor. HF_E_INVALID: there is none of that number for us. */
HF_MUST_USE hf_err hf_cpu_pin(uint16_t cpu);

#endif
