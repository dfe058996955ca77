#include "engine/node/machine.h"
#include "engine/base/text.h"
#include "engine/io/cpu.h"
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

/* Most memory that is used without being told to: a node that somebody tries out should leave room
 * for others. */
#define SHARE_MOST (UINT64_C(4) << 30)
#define SHARE_CORE (UINT64_C(256) << 20) /* ... but so much a core */

uint64_t hf_machine_share(uint64_t memory, uint64_t cores)
{
    uint64_t most = cores * SHARE_CORE;
    most = most < SHARE_MOST ? SHARE_MOST : most;
    most = memory / 2 < most ? memory / 2 : most;
    return most - most % (UINT64_C(1) << 20);
}

/* The start of a small file as a string; false: there is none. */
static bool read_text(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, out, size - 1);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (got < 0) {
        return false;
    }
    out[got] = '\0';
    return true;
}

uint64_t hf_machine_group_memory(const char *root, const char *groups)
{
    char group[PATH_SIZE];
    char path[PATH_SIZE * 2];
    char text[HF_TEXT_NUMBER + 2];
    uint64_t least = UINT64_MAX;
    /* The one hierarchy of version 2 is number 0, and has no controllers' names: "0::/a/b". */
    const char *line = strncmp(groups, "0::", 3) == 0 ? groups : strstr(groups, "\n0::");
    if (line == NULL) {
        return least;
    }
    line = strchr(line, '/');
    if (line == NULL) {
        return least;
    }
    (void)snprintf(group, sizeof group, "%.*s", (int)strcspn(line, "\n"), line);
    for (char *end = group + strlen(group); end != NULL; end = strrchr(group, '/')) {
        uint64_t limit;
        *end = '\0';
        (void)snprintf(path, sizeof path, "%s%s/memory.max", root, group);
        if (read_text(path, text, sizeof text) &&
            hf_text_u64(hf_bytes_of(text, strcspn(text, "\n")), &limit) == HF_OK && limit < least) {
            least = limit;
        }
    }
    return least;
}

uint64_t hf_machine_memory(void)
{
    char groups[PATH_SIZE];
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    uint64_t whole = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_C(1) << 30;
    uint64_t limit = UINT64_MAX;
    if (read_text("/proc/self/cgroup", groups, sizeof groups)) {
        limit = hf_machine_group_memory("/sys/fs/cgroup", groups);
    }
    return limit < whole ? limit : whole;
}

uint64_t hf_machine_raise_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    struct rlimit wish = { .rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max };
    return setrlimit(RLIMIT_NOFILE, &wish) == 0 ? wish.rlim_cur : limit.rlim_cur;
}

uint64_t hf_machine_locked(void)
{
    struct rlimit limit;
    bool known = getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    return known ? limit.rlim_cur : UINT64_MAX;
}

hf_err hf_machine_keep_to(uint16_t count)
{
    uint16_t cpus[CPU_SETSIZE];
    cpu_set_t set;
    uint16_t have = hf_cpu_list(cpus, count < CPU_SETSIZE ? count : CPU_SETSIZE);
    CPU_ZERO(&set);
    for (uint16_t i = 0; i < have; i++) {
        CPU_SET(cpus[i], &set);
    }
    return have != 0 && sched_setaffinity(0, sizeof set, &set) == 0 ? HF_OK : HF_E_INVALID;
}
