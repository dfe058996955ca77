#include "engine/io/cpu.h"
#include <pthread.h>
#include <sched.h>
#include <stddef.h>

uint16_t hf_cpu_list(uint16_t *cpus, uint16_t max)
{
    cpu_set_t set;
    uint16_t count = 0;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 0;
    }
    for (uint16_t cpu = 0; cpu < CPU_SETSIZE && count < max; cpu++) {
        if (CPU_ISSET(cpu, &set)) {
            cpus[count++] = cpu;
        }
    }
    return count;
}

uint16_t hf_cpu_count(void)
{
    uint16_t cpus[CPU_SETSIZE];
    uint16_t count = hf_cpu_list(cpus, CPU_SETSIZE);
    return count == 0 ? 1 : count;
}

hf_err hf_cpu_pin(uint16_t cpu)
{
    cpu_set_t set;
    if (cpu >= CPU_SETSIZE) {
        return HF_E_INVALID;
    }
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0 ? HF_OK : HF_E_INVALID;
}
