/* hf_machine: what there is to run on: memory, limits. */
#ifndef HF_NODE_MACHINE_H
#define HF_NODE_MACHINE_H
#include "engine/base/error.h"
#include <stddef.h>
#include <stdint.h>

/* Memory that this process may have: what is built in, or the control group's limit if lower. */
uint64_t hf_machine_memory(void);
/* What a node takes of it when nobody says how much: half, at most 4 GiB or 256 MiB a core. */
uint64_t hf_machine_share(uint64_t memory, uint64_t cores);
/* The lowest memory.max of a group and those above it; UINT64_MAX: none. `root` is where the
 * control groups are mounted, `groups` the text of /proc/self/cgroup. */
uint64_t hf_machine_group_memory(const char *root, const char *groups);
/* Raises the soft limit of open files to the hard one; answers it. */
uint64_t hf_machine_raise_files(void);
/* The limit of locked memory in bytes, UINT64_MAX: none. */
uint64_t hf_machine_locked(void);
/* Keeps the process, and the threads it makes from now on, to the first `count` of its processors.
 */
HF_MUST_USE hf_err hf_machine_keep_to(uint16_t count);

#endif
